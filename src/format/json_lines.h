/*
 * format/json_lines.h - JSON for people: indented, over several lines of a log.
 */
#ifndef TP_FORMAT_JSON_LINES_H
#define TP_FORMAT_JSON_LINES_H

#include <teleport/base.h>

enum {
    TP_JSON_LINES_MARGIN = 4, /* spaces that every line but the first begins with */
    TP_JSON_LINES_DEPTH_MAX = 64,
};

/*
 * Writes `json` to `text`, which is terminated and never gets more than `room` bytes,
 * each value on a line that is indented by its depth; what does not fit is left out.
 * `goes_on` says that `json` is the beginning of a longer text.  *taken is how many of its
 * bytes were written.
 *
 * It reads what it shows, once, and nothing else: a text that is no JSON as far as it
 * was read, is nested deeper than TP_JSON_LINES_DEPTH_MAX or is no UTF-8 gives
 * TP_INVALID, and `text` is empty then.  Control characters and others that steer a terminal
 * become \u escapes, so that each line end in `text` is one that was made here.
 */
enum tp_result tp__json_lines_write(struct tp_str json, bool goes_on, char *text, size_t room,
                                    size_t *taken) TP_MUST_CHECK;

#endif

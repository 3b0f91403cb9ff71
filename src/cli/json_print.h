/*
 * cli/json_print.h - lays JSON out for people, piece by piece.
 *
 * It never fails: from the first byte on that cannot be JSON, everything is printed as it
 * is.  Numbers keep their digits, texts their escapes.
 */
#ifndef TP_CLI_JSON_PRINT_H
#define TP_CLI_JSON_PRINT_H

#include "cli/terminal.h"

enum {
    TP_JSON_DEPTH_MAX = 512,
};

struct tp_json_printer {
    struct tp_screen *output;
    uint8_t state;    /* what may come next; see json_print.c */
    uint8_t scalar;   /* inside of what */
    const char *word; /* the letters that are still to come of true, false or null */
    bool has_printed;
    unsigned depth;
    uint8_t is_object[TP_JSON_DEPTH_MAX / 8]; /* a bit for each level */
};

void tp__json_printer_init(struct tp_json_printer *printer, struct tp_screen *output);
void tp__json_printer_feed(struct tp_json_printer *printer, struct tp_str bytes);

/* Ends the last line. */
void tp__json_printer_end(struct tp_json_printer *printer);

#endif

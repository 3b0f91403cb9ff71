/*
 * format/body_text.h - a body as people read it in a log or in a trace: JSON over lines, text
 * escaped, anything else in hexadecimal.
 */
#ifndef TP_FORMAT_BODY_TEXT_H
#define TP_FORMAT_BODY_TEXT_H

#include <teleport/bytes.h>
#include <teleport/trace.h>

/* At most `limit` bytes of a body that is plain; what says to be JSON and is not is shown as what it is. */
void tp__body_text_write(struct tp_body_text *text, const struct tp_chain *body, uint8_t codec,
                         size_t limit);

#endif

/*
 * status.c - the usual texts of status codes.
 */
#include <teleport/status.h>

struct tp_str
tp_status_text(int32_t code)
{
    switch (code) {
#define STATUS_TEXT_CASE(name, number, words) \
    case (number):                            \
        return TP_STR(words);
        TP_STATUS_TABLE(STATUS_TEXT_CASE)
#undef STATUS_TEXT_CASE
    default:
        return TP_STR("");
    }
}

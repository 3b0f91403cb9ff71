/*
 * teleport/number.h - numbers as texts, the same in all codecs.
 */
#ifndef TELEPORT_NUMBER_H
#define TELEPORT_NUMBER_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TP_NUMBER_TEXT_MAX = 40, /* with the terminator */
};

/*
 * Writes the number, terminated, and returns its length: exactly, with all its digits.
 * Neither looks at a locale.
 */
size_t tp_number_format_integer(int64_t number, char text[TP_NUMBER_TEXT_MAX]);

/*
 * The same for a finite double, as the Go implementation and browsers write it: as few digits
 * as bring the same double back, and an exponent only below 1e-6 and from 1e21 on.
 */
size_t tp_number_format(double number, char text[TP_NUMBER_TEXT_MAX]);

#ifdef __cplusplus
}
#endif

#endif

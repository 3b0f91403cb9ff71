/*
 * teleport/json.h - whole numbers in the trees of codecs, exact to 64 bits.
 *
 * cJSON keeps a number as a double, which is exact up to 2^53 only.  Here a number also
 * has its decimal digits in `valuestring` where the double is not exact; the codec reads
 * and writes them.  Whoever changes the number with cJSON's own functions makes them
 * stale: they count only while they stand for the same double.
 *
 * A module that includes this needs "cjson" (module_needs in its file "config").
 */
#ifndef TELEPORT_JSON_H
#define TELEPORT_JSON_H

#include <teleport/number.h>

#include <cjson/cJSON.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TP_JSON_EXACT_DIGITS = 15, /* a double has room for every whole number of so many */
    TP_JSON_INTEGER_TEXT_MAX = sizeof("-9223372036854775808"),
};

/* The digits of a number that a double would not hold exactly; NULL when it has none. */
static inline const char *
tp_json_digits(const cJSON *number)
{
    if (!cJSON_IsNumber(number) || number->valuestring == NULL
        || strtod(number->valuestring, NULL) != number->valuedouble) {
        return NULL;
    }
    return number->valuestring;
}

/*
 * False when `value` is no number, is not whole, or does not fit 64 bits with a sign;
 * *integer is left alone then.
 */
static inline bool
tp_json_get_integer(const cJSON *value, int64_t *integer)
{
    const double two_to_63 = 9223372036854775808.0;
    const char *digits = tp_json_digits(value);

    if (digits != NULL) {
        long long exact;
        char *end;

        errno = 0;
        exact = strtoll(digits, &end, 10);
        if (errno != 0 || *end != '\0') {
            return false;
        }
        *integer = exact;
        return true;
    }
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= -two_to_63)
        || !(value->valuedouble < two_to_63)) {
        return false;
    }
    if ((double) (int64_t) value->valuedouble != value->valuedouble) {
        return false;
    }
    *integer = (int64_t) value->valuedouble;
    return true;
}

/* A number of exactly this value, the caller's; NULL when memory is out. */
static inline cJSON *
tp_json_create_integer(int64_t integer)
{
    const int64_t two_to_53 = INT64_C(1) << 53;
    cJSON *number = cJSON_CreateNumber((double) integer);

    if (number == NULL || (integer >= -two_to_53 && integer <= two_to_53)) {
        return number;
    }
    number->valuestring = (char *) cJSON_malloc(TP_JSON_INTEGER_TEXT_MAX);
    if (number->valuestring == NULL) {
        cJSON_Delete(number);
        return NULL;
    }
    snprintf(number->valuestring, TP_JSON_INTEGER_TEXT_MAX, "%" PRId64, integer);
    return number;
}

/*
 * A number as codecs write it, terminated: in `text`, or the digits that it keeps.  NULL when
 * it is not finite.
 */
static inline const char *
tp_json_format_number(const cJSON *number, char text[TP_NUMBER_TEXT_MAX])
{
    const char *digits = tp_json_digits(number);
    int64_t integer;

    if (digits != NULL) {
        return digits;
    }
    if (!isfinite(number->valuedouble)) {
        return NULL;
    }
    /* A double's zero may have a sign, which an integer's has not. */
    if (tp_json_get_integer(number, &integer) && integer != 0) {
        tp_number_format_integer(integer, text);
    } else {
        tp_number_format(number->valuedouble, text);
    }
    return text;
}

#ifdef __cplusplus
}
#endif

#endif

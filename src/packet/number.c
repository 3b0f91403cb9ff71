/*
 * number.c - numbers as texts.
 */
#include <teleport/number.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /*
     * Significant digits: a double has room for so many, so fewer need not be tried unless
     * it is subnormal; and so many surely bring any double back.
     */
    NUMBER_DIGITS_FEW = 15,
    NUMBER_DIGITS_ENOUGH = 17,
    NUMBER_EXPONENT_MIN = -6, /* of the first digit, where numbers are still written out */
    NUMBER_EXPONENT_MAX = 20,
};

/* A number's digits without point and exponent. */
struct number_digits {
    bool is_negative;
    int count;
    int exponent; /* of the first digit: 0 for 1 to 9 */
    char digits[NUMBER_DIGITS_ENOUGH];
};

static void number_cut(double number, struct number_digits *cut);
static char *number_write_out(const struct number_digits *cut, char *to);
static char *number_write_exponent(const struct number_digits *cut, char *to);
static char *number_put(char *to, const char *bytes, int count);
static char *number_put_zeros(char *to, int count);

size_t
tp_number_format_integer(int64_t number, char text[TP_NUMBER_TEXT_MAX])
{
    uint64_t rest = number < 0 ? 0 - (uint64_t) number : (uint64_t) number;
    char digits[TP_NUMBER_TEXT_MAX];
    char *end = digits + sizeof(digits);
    char *first = end;

    /* From its end; printf() would cost more than all the rest of a body. */
    do {
        *--first = (char) ('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) {
        *--first = '-';
    }
    size_t len = (size_t) (end - first);

    memcpy(text, first, len);
    text[len] = '\0';
    return len;
}

size_t
tp_number_format(double number, char text[TP_NUMBER_TEXT_MAX])
{
    struct number_digits cut;
    char *to = text;

    number_cut(number, &cut);
    if (cut.is_negative) {
        *to++ = '-';
    }
    if (cut.exponent < NUMBER_EXPONENT_MIN || cut.exponent > NUMBER_EXPONENT_MAX) {
        to = number_write_exponent(&cut, to);
    } else {
        to = number_write_out(&cut, to);
    }
    *to = '\0';
    return (size_t) (to - text);
}

/* The fewest digits that bring the same double back.  A locale may have its own point. */
static void
number_cut(double number, struct number_digits *cut)
{
    char text[TP_NUMBER_TEXT_MAX];
    const char *at = text;

    for (int digits = fpclassify(number) == FP_SUBNORMAL ? 1 : NUMBER_DIGITS_FEW;
         digits <= NUMBER_DIGITS_ENOUGH; digits++) {
        snprintf(text, sizeof(text), "%.*e", digits - 1, number);
        if (strtod(text, NULL) == number) {
            break;
        }
    }
    cut->is_negative = text[0] == '-';
    cut->count = 0;
    for (; *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9') {
            cut->digits[cut->count] = *at;
            cut->count++;
        }
    }
    cut->exponent = (int) strtol(at + 1, NULL, 10);
    while (cut->count > 1 && cut->digits[cut->count - 1] == '0') {
        cut->count--;
    }
}

static char *
number_write_out(const struct number_digits *cut, char *to)
{
    int whole = cut->exponent + 1; /* digits before the point */

    if (whole <= 0) {
        to = number_put(to, "0.", 2);
        to = number_put_zeros(to, -whole);
        return number_put(to, cut->digits, cut->count);
    }
    if (whole >= cut->count) {
        to = number_put(to, cut->digits, cut->count);
        return number_put_zeros(to, whole - cut->count);
    }
    to = number_put(to, cut->digits, whole);
    *to++ = '.';
    return number_put(to, cut->digits + whole, cut->count - whole);
}

static char *
number_write_exponent(const struct number_digits *cut, char *to)
{
    char exponent[TP_NUMBER_TEXT_MAX];
    int len = snprintf(exponent, sizeof(exponent), "e%+d", cut->exponent);

    *to++ = cut->digits[0];
    if (cut->count > 1) {
        *to++ = '.';
        to = number_put(to, cut->digits + 1, cut->count - 1);
    }
    return number_put(to, exponent, len);
}

static char *
number_put(char *to, const char *bytes, int count)
{
    memcpy(to, bytes, (size_t) count);
    return to + count;
}

static char *
number_put_zeros(char *to, int count)
{
    memset(to, '0', (size_t) count);
    return to + count;
}

/*
 * figures.c - numbers for people: three or four digits and a unit, so that a column stays narrow.
 */
#include "cli/sheet.h"

#include <math.h>

#define US_PER_SECOND 1e6

enum {
    SECONDS_PER_MINUTE = 60,
    SECONDS_PER_HOUR = 3600,
    SECONDS_PER_DAY = 86400,
};

static char *figure_scaled(double number, double step, char text[TP_FIGURE_MAX]);

char *
tp__figure_count(double number, char text[TP_FIGURE_MAX])
{
    const double most_in_full = 99999;

    if (fabs(number) <= most_in_full) {
        bool is_small = fabs(number) < 10 && number != floor(number);

        snprintf(text, TP_FIGURE_MAX, "%.*f", is_small ? 1 : 0, number);
        return text;
    }
    return figure_scaled(number, 1000, text);
}

char *
tp__figure_size(double bytes, char text[TP_FIGURE_MAX])
{
    return figure_scaled(bytes, 1024, text);
}

char *
tp__figure_seconds(double seconds, char text[TP_FIGURE_MAX])
{
    int64_t whole = (int64_t) seconds;
    int day = (int) (whole / SECONDS_PER_DAY);
    int hour = (int) (whole % SECONDS_PER_DAY / SECONDS_PER_HOUR);
    int minute = (int) (whole % SECONDS_PER_HOUR / SECONDS_PER_MINUTE);

    if (whole < SECONDS_PER_MINUTE) {
        snprintf(text, TP_FIGURE_MAX, "%.*fs", seconds > 0 && seconds < 10 ? 1 : 0, seconds);
    } else if (whole < SECONDS_PER_HOUR) {
        snprintf(text, TP_FIGURE_MAX, "%dm%02ds", minute, (int) (whole % SECONDS_PER_MINUTE));
    } else if (day == 0) {
        snprintf(text, TP_FIGURE_MAX, "%dh%02dm", hour, minute);
    } else {
        snprintf(text, TP_FIGURE_MAX, "%dd%02dh", day, hour);
    }
    return text;
}

char *
tp__figure_us(double microseconds, char text[TP_FIGURE_MAX])
{
    if (microseconds < 1000) {
        snprintf(text, TP_FIGURE_MAX, "%.0fus", microseconds);
    } else if (microseconds < US_PER_SECOND) {
        double milliseconds = microseconds / 1000;

        snprintf(text, TP_FIGURE_MAX, "%.*fms", milliseconds < 10 ? 1 : 0, milliseconds);
    } else {
        tp__figure_seconds(microseconds / US_PER_SECOND, text);
    }
    return text;
}

static char *
figure_scaled(double number, double step, char text[TP_FIGURE_MAX])
{
    static const char units[] = "\0kmgt";
    size_t unit = 0;

    while (fabs(number) >= step && unit + 2 < sizeof(units)) {
        number /= step;
        unit++;
    }
    int len = snprintf(text, TP_FIGURE_MAX, "%.*f", unit > 0 && fabs(number) < 10 ? 1 : 0, number);

    if (unit > 0 && len > 0 && len + 1 < TP_FIGURE_MAX) {
        text[len] = units[unit];
        text[len + 1] = '\0';
    }
    return text;
}

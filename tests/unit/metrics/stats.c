/*
 * stats.c - counting by name, and reading it all.
 */
#include "metrics/stats.h"

#include "base/str.h"
#include "os/file.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *tp_suite_metrics_stats(void);

/* Two processes of one server: what each has mapped. */
struct stats_home {
    struct tp_meters meters;
    struct tp_counters counters;
    struct tp_roster roster;
    struct tp_zone slow;
    struct tp_stats stats;
};

static int fds[5];
static struct stats_home homes[2];

static const struct tp_str echo_labels[] = { { "srv", 3 }, { "PULL", 4 }, { "/echo", 5 } };
static const struct tp_str sum_labels[] = { { "srv", 3 }, { "PULL", 4 }, { "/sum", 4 } };

/* What a visit has seen. */
struct seen {
    struct tp_stats *stats;
    unsigned subjects;
    unsigned routes;
    uint64_t echo_count;
    uint64_t echo_in_flight;
    struct tp_stats_histogram echo_duration;
};

static void
set_up(void)
{
    static const struct tp_zone_layout *const layouts[] = {
        &tp__meter_names_layout, &tp__meter_values_layout, &tp__counters_layout,
        &tp__roster_layout,      &tp__slow_ring_layout,
    };

    for (size_t i = 0; i < TP_COUNT_OF(layouts); i++) {
        ck_assert_int_eq(TP_OK, tp__zone_create(layouts[i], &fds[i]));
    }
    for (unsigned slot = 0; slot < TP_COUNT_OF(homes); slot++) {
        struct stats_home *home = &homes[slot];

        ck_assert_int_eq(TP_OK, tp__meters_open(&home->meters, fds[0], fds[1]));
        ck_assert_int_eq(TP_OK, tp__counters_open(&home->counters, fds[2]));
        ck_assert_int_eq(TP_OK, tp__roster_open(&home->roster, fds[3]));
        ck_assert_int_eq(TP_OK, tp__zone_open(&home->slow, &tp__slow_ring_layout, fds[4]));
        tp__meters_use_slot(&home->meters, slot);
        home->stats = (struct tp_stats){
            .meters = &home->meters,
            .slow = &home->slow,
            .counters = &home->counters,
            .roster = &home->roster,
            .slot = slot,
        };
        ck_assert_int_eq(TP_OK, tp__stats_init(&home->stats));
    }
}

static void
tear_down(void)
{
    for (size_t i = 0; i < TP_COUNT_OF(homes); i++) {
        tp__stats_fini(&homes[i].stats);
        tp__zone_close(&homes[i].slow);
        tp__roster_close(&homes[i].roster);
        tp__counters_close(&homes[i].counters);
        tp__meters_close(&homes[i].meters);
    }
    for (size_t i = 0; i < TP_COUNT_OF(fds); i++) {
        tp__descriptor_close(&fds[i]);
    }
}

static struct tp_exchange_counts *
find_route(struct stats_home *home, const struct tp_str *labels)
{
    struct tp_exchange_counts *counts = tp__stats_find(&home->stats, TP_STATS_ROUTE, labels);

    ck_assert_ptr_nonnull(counts);
    return counts;
}

static void
look(const struct tp_stats_subject *subject, void *owner)
{
    struct seen *seen = owner;

    seen->subjects++;
    if (strcmp(subject->name, "route") != 0) {
        return;
    }
    seen->routes++;
    ck_assert_uint_eq(3, subject->label_count);
    ck_assert(tp__str_equal(subject->labels[0], TP_STR("srv")));
    if (!tp__str_equal(subject->labels[2], TP_STR("/echo"))) {
        return;
    }
    for (size_t row = 0; row < subject->row_count; row++) {
        if (strcmp(subject->rows[row].name, "exchanges") == 0) {
            seen->echo_count = tp__stats_total(seen->stats, subject, row);
        } else if (strcmp(subject->rows[row].name, "in_flight") == 0) {
            seen->echo_in_flight = tp__stats_total(seen->stats, subject, row);
        } else if (strcmp(subject->rows[row].name, "duration") == 0) {
            tp__stats_read_histogram(seen->stats, subject, row, &seen->echo_duration);
        }
    }
}

static struct seen
look_at_all(void)
{
    struct seen seen = { .stats = &homes[1].stats };

    tp__stats_each(&homes[1].stats, look, &seen);
    return seen;
}

START_TEST(two_processes_count_one_thing_in_places_of_their_own)
{
    struct tp_exchange_counts *first = find_route(&homes[0], echo_labels);
    struct tp_exchange_counts *second = find_route(&homes[1], echo_labels);

    find_route(&homes[1], sum_labels);
    tp__count_add(&first->exchanges, 2);
    tp__count_add(&second->exchanges, 40);
    tp__count_add(&second->in_flight, 5);
    tp__count_sub(&second->in_flight, 2);
    tp__count_value(&first->duration, 3);
    tp__count_value(&second->duration, 1000);

    struct seen seen = look_at_all();

    ck_assert_uint_eq(2, seen.routes);
    ck_assert_uint_eq(42, seen.echo_count);
    ck_assert_uint_eq(3, seen.echo_in_flight);
    ck_assert_uint_eq(2, seen.echo_duration.count);
    ck_assert_uint_eq(1003, seen.echo_duration.sum);
    ck_assert_uint_eq(3, tp_stats_percentile(&seen.echo_duration, 0.5));
    ck_assert_uint_ge(tp_stats_percentile(&seen.echo_duration, 1), 1000);
    ck_assert_uint_le(tp_stats_percentile(&seen.echo_duration, 1), 1125);
}
END_TEST

START_TEST(what_is_found_again_is_the_same)
{
    struct tp_exchange_counts *found = find_route(&homes[0], echo_labels);

    find_route(&homes[1], sum_labels);
    ck_assert_ptr_eq(found, find_route(&homes[0], echo_labels));
    ck_assert_ptr_ne(found, find_route(&homes[0], sum_labels));
}
END_TEST

/* Its counts stay, what there was of it now is gone. */
START_TEST(a_dead_process_leaves_its_counts)
{
    struct tp_exchange_counts *counts = find_route(&homes[0], echo_labels);

    tp__count_add(&counts->exchanges, 7);
    tp__count_add(&counts->in_flight, 3);
    tp__count_value(&counts->duration, 9);
    tp__meters_clear_gauges(&homes[1].meters, 0);

    struct seen seen = look_at_all();

    ck_assert_uint_eq(7, seen.echo_count);
    ck_assert_uint_eq(0, seen.echo_in_flight);
    ck_assert_uint_eq(1, seen.echo_duration.count);
}
END_TEST

START_TEST(when_there_is_no_room_nobody_counts)
{
    char uri[24];
    unsigned found = 0;

    for (unsigned i = 0; i < TP_METERS_MAX; i++) {
        struct tp_str labels[] = { TP_STR("srv"), TP_STR("PULL"), { uri, 0 } };

        labels[2].len = (size_t) snprintf(uri, sizeof(uri), "/%u", i);
        found += tp__stats_find(&homes[0].stats, TP_STATS_ROUTE, labels) != NULL ? 1 : 0;
    }
    ck_assert_uint_gt(found, 900); /* routes have room for so many */
    ck_assert_uint_lt(found, TP_METERS_MAX);
    ck_assert_uint_eq(found, look_at_all().routes);
}
END_TEST

/* Who asks for the lock while this process holds it fails. */
START_TEST(what_had_no_room_is_not_asked_for_again)
{
    char uri[24];
    struct tp_str labels[] = { TP_STR("srv"), TP_STR("PULL"), { uri, 0 } };
    const struct tp_str code_labels[] = { TP_STR("srv"), TP_STR("404") };
    unsigned i = 0;

    do {
        labels[2].len = (size_t) snprintf(uri, sizeof(uri), "/%u", i++);
    } while (tp__stats_find(&homes[0].stats, TP_STATS_ROUTE, labels) != NULL);
    ck_assert_uint_gt(TP_METERS_MAX, tp__meters_count(&homes[0].meters));
    ck_assert_ptr_nonnull(tp__stats_find(&homes[0].stats, TP_STATS_STATUS, code_labels));

    ck_assert_int_eq(TP_OK, tp__zone_lock(&homes[1].meters.names, 0));
    labels[2].len = (size_t) snprintf(uri, sizeof(uri), "/%u", i);
    ck_assert_ptr_null(tp__stats_find(&homes[0].stats, TP_STATS_ROUTE, labels));
    tp__zone_unlock(&homes[1].meters.names, 0);
}
END_TEST

static struct tp_status_counts *
find_code(unsigned home, const char *server, unsigned code)
{
    char text[12];
    size_t len = (size_t) snprintf(text, sizeof(text), "%u", code);
    const struct tp_str labels[] = { tp__str(server), { text, len } };
    struct tp_status_counts *counts =
        tp__stats_find_foreign(&homes[home].stats, TP_STATS_STATUS, labels);

    ck_assert_ptr_nonnull(counts);
    return counts;
}

START_TEST(what_others_name_has_a_bounded_number_of_places)
{
    const struct tp_str other_labels[] = { TP_STR("srv"), TP_STR(TP_STATS_OTHER) };
    const struct tp_str usual_labels[] = { TP_STR("srv"), TP_STR("404") };
    struct tp_status_counts *first = find_code(0, "srv", 1000);
    struct tp_status_counts *second = find_code(1, "srv", 1000);

    for (unsigned i = 1; i < TP_STATS_CODES_MAX; i++) {
        ck_assert_ptr_ne(first, find_code(i % 2, "srv", 1000 + i));
    }
    uint32_t count = tp__meters_count(&homes[0].meters);
    struct tp_status_counts *other = find_code(0, "srv", 5000);

    ck_assert_uint_eq(count + 1, tp__meters_count(&homes[0].meters));
    ck_assert_ptr_eq(other, tp__stats_find(&homes[0].stats, TP_STATS_STATUS, other_labels));
    for (unsigned i = 0; i < 2 * TP_METERS_MAX; i++) {
        ck_assert_ptr_eq(other, find_code(0, "srv", 5000 + i));
    }
    ck_assert_uint_eq(count + 1, tp__meters_count(&homes[0].meters));
    /* Those that have a place keep it, in all processes; and others do not suffer from it. */
    ck_assert_ptr_eq(first, find_code(0, "srv", 1000));
    ck_assert_ptr_eq(second, find_code(1, "srv", 1000));
    ck_assert_ptr_ne(other, find_code(0, "another", 5000));
    ck_assert_ptr_ne(other, tp__stats_find(&homes[0].stats, TP_STATS_STATUS, usual_labels));
}
END_TEST

START_TEST(whatever_others_name_leaves_room_for_routes)
{
    char name[24];
    unsigned found = 0;

    for (unsigned i = 0; i < 2 * TP_STATS_FAMILIES_MAX; i++) {
        snprintf(name, sizeof(name), "server %u", i);
        for (unsigned code = 0; code < 2 * TP_STATS_CODES_MAX; code++) {
            find_code(i % 2, name, 600 + code);
        }
    }
    for (unsigned i = 0; i < 4 * TP_STATS_MEMBERS_MAX; i++) {
        size_t len = (size_t) snprintf(name, sizeof(name), "service %u", i);
        const struct tp_str labels[] = { { name, len }, TP_STR("dialed in") };

        ck_assert_ptr_nonnull(
            tp__stats_find_foreign(&homes[i % 2].stats, TP_STATS_UPSTREAM, labels));
    }
    const struct tp_str member[] = { TP_STR("service 0"), TP_STR("dialed in") };
    const struct tp_str others[] = { TP_STR(TP_STATS_OTHER), TP_STR(TP_STATS_OTHER) };

    /* Servers, which came first, have left them theirs. */
    ck_assert_ptr_ne(tp__stats_find(&homes[0].stats, TP_STATS_UPSTREAM, others),
                     tp__stats_find_foreign(&homes[0].stats, TP_STATS_UPSTREAM, member));
    for (unsigned i = 0; i < TP_METERS_MAX; i++) {
        size_t len = (size_t) snprintf(name, sizeof(name), "/%u", i);
        const struct tp_str labels[] = { TP_STR("srv"), TP_STR("PULL"), { name, len } };

        found += tp__stats_find(&homes[0].stats, TP_STATS_ROUTE, labels) != NULL ? 1 : 0;
    }
    ck_assert_uint_gt(found, 700);
}
END_TEST

START_TEST(labels_are_cut_and_cannot_be_mistaken)
{
    char text[2 * TP_METER_LABEL_MAX];
    struct tp_str labels[] = { TP_STR("a\x1f"), TP_STR("b"), { text, sizeof(text) } };
    const struct tp_str others[] = { TP_STR("a"), TP_STR("\x1f"), TP_STR("b") };

    memset(text, 'x', sizeof(text));
    const struct tp_exchange_counts *cut = find_route(&homes[0], labels);

    ck_assert_ptr_ne(cut, find_route(&homes[0], others));
    labels[2].len = TP_METER_LABEL_MAX;
    ck_assert_ptr_eq(cut, find_route(&homes[0], labels));
    labels[2].len--;
    ck_assert_ptr_ne(cut, find_route(&homes[0], labels));
}
END_TEST

/* Each character has two bytes, and the longest label an odd number of them. */
START_TEST(labels_are_cut_between_characters)
{
    char text[2 * TP_METER_LABEL_MAX];
    struct tp_str labels[] = { TP_STR("a"), TP_STR("b"), { text, sizeof(text) } };

    _Static_assert(TP_METER_LABEL_MAX % 2 == 1, "half a character would fit");
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = i % 2 == 0 ? '\xc3' : '\xa9';
    }
    const struct tp_exchange_counts *cut = find_route(&homes[0], labels);

    labels[2].len = TP_METER_LABEL_MAX - 1;
    ck_assert_ptr_eq(cut, find_route(&homes[0], labels));
}
END_TEST

START_TEST(each_value_is_in_its_bucket)
{
    for (uint64_t value = 0; value < TP_METER_VALUE_MAX; value += 1 + value / 5) {
        unsigned bucket = tp_meter_bucket(value);

        ck_assert_uint_lt(bucket, TP_METER_BUCKETS);
        ck_assert_uint_le(value, tp_meter_bucket_end(bucket));
        if (bucket > 0) {
            ck_assert_uint_gt(value, tp_meter_bucket_end(bucket - 1));
        }
    }
    ck_assert_uint_eq(TP_METER_BUCKETS - 1, tp_meter_bucket(UINT64_MAX));
    ck_assert_uint_eq(TP_METER_VALUE_MAX, tp_meter_bucket_end(TP_METER_BUCKETS - 1));
}
END_TEST

START_TEST(the_slowest_come_first_and_newer_ones_replace_older)
{
    struct tp_stats_slow rows[4];

    for (int i = 1; i <= TP_STATS_SLOW_MAX + 1; i++) {
        const struct tp_stats_slow slow = { .duration_us = i == 1 ? 1000000 : i, .uri = "/slow" };

        tp__slow_ring_add(&homes[0].slow, 0, &slow);
    }
    const struct tp_stats_slow other = { .duration_us = 20, .uri = "/other" };

    tp__slow_ring_add(&homes[1].slow, 1, &other);
    ck_assert_uint_eq(4, tp__stats_read_slow(&homes[0].stats, rows, 4));
    ck_assert_int_eq(TP_STATS_SLOW_MAX + 1, rows[0].duration_us);
    ck_assert_int_eq(TP_STATS_SLOW_MAX, rows[1].duration_us);
    ck_assert_uint_eq(0, rows[0].worker_slot);
    ck_assert_str_eq("/slow", rows[0].uri);
}
END_TEST

Suite *
tp_suite_metrics_stats(void)
{
    Suite *suite = suite_create("metrics/stats");
    TCase *tcase = tcase_create("stats");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, two_processes_count_one_thing_in_places_of_their_own);
    tcase_add_test(tcase, what_is_found_again_is_the_same);
    tcase_add_test(tcase, a_dead_process_leaves_its_counts);
    tcase_add_test(tcase, when_there_is_no_room_nobody_counts);
    tcase_add_test(tcase, what_had_no_room_is_not_asked_for_again);
    tcase_add_test(tcase, what_others_name_has_a_bounded_number_of_places);
    tcase_add_test(tcase, whatever_others_name_leaves_room_for_routes);
    tcase_add_test(tcase, labels_are_cut_and_cannot_be_mistaken);
    tcase_add_test(tcase, labels_are_cut_between_characters);
    tcase_add_test(tcase, each_value_is_in_its_bucket);
    tcase_add_test(tcase, the_slowest_come_first_and_newer_ones_replace_older);
    suite_add_tcase(suite, tcase);
    return suite;
}

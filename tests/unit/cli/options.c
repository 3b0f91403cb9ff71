/*
 * options.c - tests of cli/options: what the command line means, and what it cannot mean.
 */
#include "cli/options.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORDS_MAX = 32,
    LINE_MAX_BYTES = 512,
};

/* A command line in one text, cut at its spaces; `_` stands for a space inside a word. */
struct line {
    char text[LINE_MAX_BYTES];
    char *words[WORDS_MAX];
    struct tp_settings settings;
    char complaint[TP_COMPLAINT_MAX];
};

static char *
no_environment(const char *name)
{
    (void) name;
    return NULL;
}

static char *
some_environment(const char *name)
{
    static char address[] = "example.org:1234";
    static char control[] = "unix:/run/control.sock";

    return strcmp(name, "TELEPORT_ADDRESS") == 0   ? address
           : strcmp(name, "TELEPORT_CONTROL") == 0 ? control
                                                   : NULL;
}

static enum tp_result
parse_with(struct line *line, const char *text, tp_getenv_fn get_environment)
{
    int count = 0;

    snprintf(line->text, sizeof(line->text), "tp %s", text);
    for (char *at = line->text; *at != '\0';) {
        line->words[count++] = at;
        at += strcspn(at, " ");
        if (*at == ' ') {
            *at++ = '\0';
        }
    }
    line->words[count] = NULL;
    for (int i = 0; i < count; i++) {
        for (char *at = line->words[i]; *at != '\0'; at++) {
            *at = *at == '_' ? ' ' : *at;
        }
    }
    return tp__options_parse(count, line->words, get_environment, &line->settings, line->complaint);
}

static enum tp_result
parse(struct line *line, const char *text)
{
    return parse_with(line, text, no_environment);
}

/* The line must be wrong, and the complaint must hold these words. */
static void
refuse(const char *text, const char *words)
{
    struct line line;

    ck_assert_msg(parse(&line, text) == TP_INVALID, "\"%s\" was taken", text);
    ck_assert_msg(strstr(line.complaint, words) != NULL, "\"%s\": %s", text, line.complaint);
}

START_TEST(takes_address_uri_and_body_in_this_order)
{
    struct line line;

    ck_assert_int_eq(TP_OK, parse(&line, "pull 10.0.0.7:9090 /math/add [1,2]"));
    ck_assert_str_eq("pull", line.settings.command->name);
    ck_assert_str_eq("10.0.0.7:9090", line.settings.address);
    ck_assert(line.settings.has_address);
    ck_assert_uint_eq(1, line.settings.uri_count);
    ck_assert_str_eq("/math/add", line.settings.uris[0]);
    ck_assert_str_eq("[1,2]", line.settings.body);
}
END_TEST

START_TEST(a_word_in_front_that_begins_with_a_slash_is_the_uri)
{
    struct line line;

    ck_assert_int_eq(TP_OK, parse(&line, "pull /math/add"));
    ck_assert_str_eq("127.0.0.1:9090", line.settings.address);
    ck_assert(!line.settings.has_address);
    ck_assert_str_eq("/math/add", line.settings.uris[0]);
    ck_assert_ptr_null(line.settings.body);
}
END_TEST

START_TEST(addresses_of_every_form)
{
    static const struct {
        const char *written;
        const char *meant;
    } cases[] = {
        { "9191", "127.0.0.1:9191" },
        { ":9191", "127.0.0.1:9191" },
        { "host.example:9191", "host.example:9191" },
        { "[::1]:9191", "[::1]:9191" },
        { "unix:/run/a.sock", "unix:/run/a.sock" },
    };

    for (size_t i = 0; i < TP_COUNT_OF(cases); i++) {
        struct line line;
        char text[LINE_MAX_BYTES];

        snprintf(text, sizeof(text), "pull %s /x", cases[i].written);
        ck_assert_int_eq(TP_OK, parse(&line, text));
        ck_assert_str_eq(cases[i].meant, line.settings.address);
    }
    refuse("pull host /x", "is no address");
    refuse("ping host", "is no address");
}
END_TEST

START_TEST(the_environment_names_the_address_where_nobody_else_does)
{
    struct line line;

    ck_assert_int_eq(TP_OK, parse_with(&line, "pull /x", some_environment));
    ck_assert_str_eq("example.org:1234", line.settings.address);
    ck_assert_int_eq(TP_OK, parse_with(&line, "pull :1 /x", some_environment));
    ck_assert_str_eq("127.0.0.1:1", line.settings.address);
    ck_assert_int_eq(TP_OK, parse_with(&line, "sessions", some_environment));
    ck_assert_str_eq("unix:/run/control.sock", line.settings.address);
}
END_TEST

START_TEST(options_stand_anywhere_and_in_both_forms)
{
    struct line line;

    ck_assert_int_eq(TP_OK, parse(&line, "-v pull -t5s /x --gzip=-2 body --header-codec json "
                                         "-b plain --redial 3 -jr --packet-limit 2m"));
    ck_assert(line.settings.is_verbose);
    ck_assert_int_eq(5000, line.settings.timeout.ms);
    ck_assert_int_eq(-2, line.settings.gzip);
    ck_assert_int_eq('j', line.settings.header_codec);
    ck_assert_int_eq('s', line.settings.body_codec);
    ck_assert_int_eq(3, line.settings.redial);
    ck_assert(line.settings.is_json);
    ck_assert(line.settings.is_raw);
    ck_assert_uint_eq(2 << 20, line.settings.packet_limit.bytes);
    ck_assert_str_eq("body", line.settings.body);
    ck_assert_int_eq(TP_OK, parse(&line, "pull /x --gzip -2"));
    ck_assert_int_eq(-2, line.settings.gzip);
}
END_TEST

START_TEST(behind_two_dashes_nothing_is_an_option)
{
    struct line line;

    ck_assert_int_eq(TP_OK, parse(&line, "pull /x -- -5"));
    ck_assert_str_eq("-5", line.settings.body);
    ck_assert_int_eq(TP_OK, parse(&line, "pull /x -"));
    ck_assert_str_eq("-", line.settings.body);
}
END_TEST

START_TEST(presets_are_those_of_the_command)
{
    struct line line;

    ck_assert_int_eq(TP_OK, parse(&line, "pull /x"));
    ck_assert_int_eq(10000, line.settings.timeout.ms);
    ck_assert_int_eq(0, line.settings.redial);
    ck_assert_int_eq('p', line.settings.header_codec);
    ck_assert_int_eq('j', line.settings.body_codec);
    ck_assert_int_eq(TP_OK, parse(&line, "serve /x --echo"));
    ck_assert_int_eq(60000, line.settings.timeout.ms);
    ck_assert_int_eq(-1, line.settings.redial);
    ck_assert_int_eq(0, line.settings.body_codec);
}
END_TEST

START_TEST(sizes_and_durations_have_units)
{
    struct line line;

    ck_assert_int_eq(TP_OK, parse(&line, "bench /x --size 4k --duration 1m30s --warm-up 0ms"));
    ck_assert_uint_eq(4096, line.settings.size.bytes);
    ck_assert_int_eq(90000, line.settings.duration.ms);
    ck_assert_int_eq(0, line.settings.warm_up.ms);
    refuse("bench /x --size 4x", "takes a size");
    refuse("bench /x --size -1", "takes a size");
    refuse("bench /x --size 99999999999g", "takes a size");
    refuse("bench /x --size 1g", "takes a size");
    refuse("bench /x --duration 5", "takes a duration");
    refuse("bench /x --duration 5x", "takes a duration");
    refuse("bench /x --duration s", "takes a duration");
    refuse("bench /x --duration 99999999999999d", "takes a duration");
    refuse("bench /x --depth 0", "from 1 to 65536");
    refuse("bench /x --depth 1e3", "whole number");
    refuse("bench /x --count -1", "at least 0");
    refuse("pull /x --gzip 10", "from -2 to 9");
    refuse("pull /x --body-codec jason", "takes json, protobuf, plain");
}
END_TEST

START_TEST(slips_are_answered_with_what_was_meant)
{
    refuse("", "what is tp to do");
    refuse("pul /x", "did you mean \"pull\"");
    refuse("xyzzy", "there is no command \"xyzzy\"");
    refuse("pull /x --tiemout 5s", "did you mean --timeout");
    refuse("bench /x --sesions 5", "did you mean --sessions");
    refuse("pull /x --depth 5", "tp bench has one");
    refuse("--depth 5 bench /x", "before the name of a command");
    refuse("pull /x --zzzzzzzz", "there is no option --zzzzzzzz of tp pull");
    refuse("pull /x -Q", "there is no option -Q");
    refuse("pull /x --timeout", "needs a value: --timeout DURATION");
    refuse("pull /x -t", "needs a value: -t DURATION");
    refuse("pull /x --json=yes", "takes no value");
}
END_TEST

START_TEST(operands_that_miss_or_are_too_many)
{
    refuse("pull", "a URI is missing");
    refuse("pull :1", "a URI is missing");
    refuse("pull /x a b", "one word too many");
    refuse("sessions :1 extra", "one word too many");
    refuse("close", "needs the number");
    refuse("close 5 --id a", "needs the number");
    refuse("close five", "is no number of a session");
    refuse("serve /x", "needs one of");
    refuse("serve /x --echo --file f", "needs one of");
    refuse("pull /x --raw --pretty", "exclude");
    refuse("pull /x -qv", "exclude");
    refuse("bench /x --threads 2", "larger than --sessions");
    refuse("bench /x --sessions 60000 --depth 60000", "more than");
    refuse("pull /x --header-codec s", "protobuf or json");
}
END_TEST

START_TEST(a_number_is_a_session_where_one_is_closed)
{
    struct line line;

    ck_assert_int_eq(TP_OK, parse(&line, "close 4711"));
    ck_assert(line.settings.has_number);
    ck_assert_uint_eq(4711, line.settings.number);
    ck_assert_str_eq("127.0.0.1:9090", line.settings.address);
    ck_assert_int_eq(TP_OK, parse(&line, "close :9191 4711"));
    ck_assert_str_eq("127.0.0.1:9191", line.settings.address);
    ck_assert_int_eq(TP_OK, parse(&line, "close --id alice"));
    ck_assert_str_eq("alice", line.settings.target_id);
}
END_TEST

START_TEST(several_uris_and_none)
{
    struct line line;

    ck_assert_int_eq(TP_OK, parse(&line, "listen /a /b/* *"));
    ck_assert_uint_eq(3, line.settings.uri_count);
    ck_assert_str_eq("*", line.settings.uris[2]);
    ck_assert_int_eq(TP_OK, parse(&line, "listen"));
    ck_assert_uint_eq(0, line.settings.uri_count);
}
END_TEST

START_TEST(help_and_version_need_nothing_else)
{
    struct line line;

    ck_assert_int_eq(TP_OK, parse(&line, "--help"));
    ck_assert(line.settings.wants_help);
    ck_assert_int_eq(TP_OK, parse(&line, "pull --help"));
    ck_assert_str_eq("pull", line.settings.command->name);
    ck_assert_int_eq(TP_OK, parse(&line, "-V"));
    ck_assert(line.settings.wants_version);
    ck_assert_int_eq(TP_OK, parse(&line, "help bench"));
    ck_assert_str_eq("bench", line.settings.topic);
}
END_TEST

/* What manuals and the parser rely on. */
START_TEST(the_tables_are_sound)
{
    for (const struct tp_option *option = tp__options; option->name != NULL; option++) {
        size_t len = strlen(option->brief);

        ck_assert_msg(option->brief[len - 1] == '.', "%s", option->name);
        ck_assert_msg((option->kind == TP_OPTION_FLAG) == (option->value == NULL), "%s",
                      option->name);
        ck_assert_msg(option->kind != TP_OPTION_TEXT || option->preset == NULL, "%s", option->name);
        for (const struct tp_option *other = tp__options; other != option; other++) {
            bool is_same_name = strcmp(option->name, other->name) == 0;
            bool is_same_letter = option->letter != 0 && option->letter == other->letter;

            for (size_t i = 0; tp__commands[i] != NULL; i++) {
                bool may_meet = tp__option_is_of(option, tp__commands[i])
                                && tp__option_is_of(other, tp__commands[i]);

                ck_assert_msg(!may_meet || (!is_same_name && !is_same_letter),
                              "--%s and --%s of tp %s", option->name, other->name,
                              tp__commands[i]->name);
            }
        }
    }
    for (size_t i = 0; tp__commands[i] != NULL; i++) {
        struct line line;
        const struct tp_command *command = tp__commands[i];

        ck_assert_ptr_eq(command, tp__command_find(command->name));
        ck_assert_ptr_nonnull(command->examples[0].line);
        ck_assert_msg(command->brief[strlen(command->brief) - 1] == '.', "%s", command->name);
        /* Presets are values that the command line would take, too. */
        ck_assert_int_eq(TP_OK, parse(&line, command->name) == TP_OK
                                        || strstr(line.complaint, "takes") == NULL
                                    ? TP_OK
                                    : TP_INVALID);
    }
}
END_TEST

Suite *
tp_suite_cli_options(void)
{
    Suite *suite = suite_create("cli/options");
    TCase *tests = tcase_create("options");

    tcase_add_test(tests, takes_address_uri_and_body_in_this_order);
    tcase_add_test(tests, a_word_in_front_that_begins_with_a_slash_is_the_uri);
    tcase_add_test(tests, addresses_of_every_form);
    tcase_add_test(tests, the_environment_names_the_address_where_nobody_else_does);
    tcase_add_test(tests, options_stand_anywhere_and_in_both_forms);
    tcase_add_test(tests, behind_two_dashes_nothing_is_an_option);
    tcase_add_test(tests, presets_are_those_of_the_command);
    tcase_add_test(tests, sizes_and_durations_have_units);
    tcase_add_test(tests, slips_are_answered_with_what_was_meant);
    tcase_add_test(tests, operands_that_miss_or_are_too_many);
    tcase_add_test(tests, a_number_is_a_session_where_one_is_closed);
    tcase_add_test(tests, several_uris_and_none);
    tcase_add_test(tests, help_and_version_need_nothing_else);
    tcase_add_test(tests, the_tables_are_sound);
    suite_add_tcase(suite, tests);
    return suite;
}

/*
 * template.c - tests of texts with run-time variables: what they are compiled to, where
 * they may stand, and what is said where they may not.
 *
 * Runs in: the unit tests.  Read next: src/conf/template.c, tests/unit/conf_fixture.c.
 */
#include "conf/template.h"

#include "base/str.h"
#include "conf_fixture.h"

#include <stdlib.h>

enum {
    ARENA_CHUNK_BYTES = 1024,
};

/* A template's text, and its parts as text<name|behind a prefix>. */
struct compiled_sample {
    const char *text;
    const char *parts;
};

static const struct compiled_sample compiled_samples[] = {
    { "", "" },
    { "plain", "plain" },
    { "$uri", "<uri|>" },
    { "${uri}", "<uri|>" },
    { "a$uri b", "a<uri|> b" },
    { "${uri}s$status", "<uri|>s<status|>" },
    { "$uri$status", "<uri|><status|>" },
    { "$arg_name/$arg_a1", "<arg_|name>/<arg_|a1>" },
    { "\\$uri \\\\$uri", "$uri \\<uri|>" },
    { "100$ $$ $1 ${ ${} ${1} ${uri", "100$ $$ $1 ${ ${} ${1} ${uri" },
    { "\\n \\", "\\n \\" },
};

static void
describe_template(const struct tp_template *template, struct tp_text *text)
{
    for (size_t i = 0; i < template->count; i++) {
        const struct tp_template_part *part = &template->parts[i];

        tp__text_append(text, part->text);
        if (part->variable >= 0) {
            tp__text_printf(text, "<%s|%.*s>", sample_variables.rows[part->variable].name,
                            TP_STR_ARG(part->name));
        }
    }
}

START_TEST(texts_are_compiled)
{
    const struct compiled_sample *sample = &compiled_samples[_i];
    struct tp_template template;
    struct tp_text text = { 0 };
    struct tp_arena arena;

    tp__arena_init(&arena, ARENA_CHUNK_BYTES);
    ck_assert_int_eq(
        tp__template_compile(tp__str(sample->text), sample_variables, &arena, &template), TP_OK);
    describe_template(&template, &text);
    ck_assert_str_eq(tp__text_get(&text).data, sample->parts);
    tp__text_fini(&text);
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(unknown_names_are_refused)
{
    static const char *const texts[] = { "$url", "${urii}", "x $arg_ y", "$arg", "$uri_" };
    struct tp_template template;
    struct tp_arena arena;

    tp__arena_init(&arena, ARENA_CHUNK_BYTES);
    ck_assert_int_eq(tp__template_compile(tp__str(texts[_i]), sample_variables, &arena, &template),
                     TP_INVALID);
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(a_literal_quoted_is_itself)
{
    static const char literal[] = "$uri \\$uri \\\\ ${status} $";
    struct tp_template template;
    struct tp_text quoted = { 0 };
    struct tp_arena arena;

    tp__arena_init(&arena, ARENA_CHUNK_BYTES);
    tp__template_quote(tp__str(literal), &quoted);
    ck_assert_int_eq(
        tp__template_compile(tp__text_get(&quoted), sample_variables, &arena, &template), TP_OK);
    ck_assert_uint_eq(template.count, 1);
    ck_assert_int_eq(template.parts[0].variable, -1);
    ck_assert(tp__str_equal(template.parts[0].text, tp__str(literal)));
    tp__text_fini(&quoted);
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(braces_stay_where_they_are_needed)
{
    struct tp_text text = { 0 };

    tp__template_simplify(TP_STR("${uri}${status}s ${uri}_ ${uri}\\$ \\${uri} ${"), &text);
    ck_assert_str_eq(tp__text_get(&text).data, "$uri${status}s ${uri}_ $uri\\$ \\${uri} ${");
    tp__text_fini(&text);
}
END_TEST

/* A value of echo_reply as written in a configuration, and its parts. */
static const struct compiled_sample written_samples[] = {
    { "$uri", "<uri|>" },
    { "\"$uri is ${status}!\"", "<uri|> is <status|>!" },
    { "'$uri'", "$uri" },
    { "\\$uri", "$uri" },
    { "\"a\\\\$uri\"", "a\\<uri|>" },
    { "$app$uri", "an $app\\<uri|>" },
    { "$uri$word", "<uri|>word" },
    { "$hostname:$arg_port", "here:<arg_|port>" },
    { "\"\"", "" },
};

START_TEST(arguments_hold_both_kinds_of_variables)
{
    const struct compiled_sample *sample = &written_samples[_i];
    struct tp_conf_fixture fixture;
    struct tp_text file = { 0 };
    struct tp_text parts = { 0 };

    tp__text_printf(&file,
                    "set $app 'an $app\\\\'; set $word word;\n"
                    "peer p { echo_reply %s; server { listen 1; } }",
                    sample->text);
    tp__conf_fixture_open(&fixture, file.data, NULL);
    tp__conf_fixture_load(&fixture);
    const struct sample_echo *echo =
        tp_block_conf(tp__conf_fixture_server(&fixture, 0), &sample_echo_module);

    describe_template(&echo->reply, &parts);
    ck_assert_str_eq(tp__text_get(&parts).data, sample->parts);
    tp__text_fini(&parts);
    tp__text_fini(&file);
    tp__conf_fixture_close(&fixture);
}
END_TEST

START_TEST(a_dump_gives_the_same_template_again)
{
    const struct compiled_sample *sample = &written_samples[_i];
    struct tp_conf_fixture fixture;
    struct tp_conf_fixture again;
    struct tp_text file = { 0 };
    struct tp_text dump = { 0 };
    struct tp_text parts = { 0 };

    tp__text_printf(&file,
                    "set $app 'an $app\\\\'; set $word word;\n"
                    "peer p { echo_reply %s; server { listen 1; } }",
                    sample->text);
    tp__conf_fixture_open(&fixture, file.data, NULL);
    tp__conf_fixture_load(&fixture);
    tp__conf_dump(fixture.conf, &dump);
    tp__conf_fixture_open(&again, dump.data, NULL);
    tp__conf_fixture_load(&again);
    const struct sample_echo *echo =
        tp_block_conf(tp__conf_fixture_server(&again, 0), &sample_echo_module);

    describe_template(&echo->reply, &parts);
    ck_assert_str_eq(tp__text_get(&parts).data, sample->parts);
    tp__text_fini(&parts);
    tp__text_fini(&dump);
    tp__text_fini(&file);
    tp__conf_fixture_close(&again);
    tp__conf_fixture_close(&fixture);
}
END_TEST

static const struct sample_mistake mistakes[] = {
    { "where no exchange is",
      "peer p {\n"
      "    echo_greeting \"hello $uri\";\n"
      "    server { listen $status; }\n"
      "}\n",
      "teleport.conf:2:26: error: \"$uri\" has a value only while an exchange runs, and may not "
      "stand here\n"
      "    2 |     echo_greeting \"hello $uri\";\n"
      "      |                          ^^^^\n"
      "        for the character itself write \\$\n"
      "teleport.conf:3:21: error: \"$status\" has a value only while an exchange runs, and may "
      "not stand here\n"
      "    3 |     server { listen $status; }\n"
      "      |                     ^^^^^^^\n"
      "        for the character itself write \\$\n" },
    { "a name nobody has", "peer p { echo_reply \"$urii\"; server { listen 1; } }\n",
      "teleport.conf:1:22: error: unknown variable \"$urii\"\n"
      "    1 | peer p { echo_reply \"$urii\"; server { listen 1; } }\n"
      "      |                      ^^^^^\n"
      "        did you mean \"$uri\"?\n" },
    { "set", "set $status 1;\nset $a $uri;\npeer p { server { listen 1; } }\n",
      "teleport.conf:1:5: error: \"$status\" has its value from elsewhere\n"
      "    1 | set $status 1;\n"
      "      |     ^^^^^^^\n"
      "teleport.conf:2:8: error: \"$uri\" has a value only while an exchange runs, and may not "
      "stand here\n"
      "    2 | set $a $uri;\n"
      "      |        ^^^^\n"
      "        for the character itself write \\$\n" },
};

START_TEST(mistakes_are_told)
{
    tp__conf_fixture_expect(mistakes[_i].text, NULL, mistakes[_i].messages);
}
END_TEST

Suite *
tp_suite_conf_template(void)
{
    Suite *suite = suite_create("conf/template");
    TCase *tests = tcase_create("template");

    tcase_add_loop_test(tests, texts_are_compiled, 0, TP_COUNT_OF(compiled_samples));
    tcase_add_loop_test(tests, unknown_names_are_refused, 0, 5);
    tcase_add_test(tests, a_literal_quoted_is_itself);
    tcase_add_test(tests, braces_stay_where_they_are_needed);
    tcase_add_loop_test(tests, arguments_hold_both_kinds_of_variables, 0,
                        TP_COUNT_OF(written_samples));
    tcase_add_loop_test(tests, a_dump_gives_the_same_template_again, 0,
                        TP_COUNT_OF(written_samples));
    tcase_add_loop_test(tests, mistakes_are_told, 0, TP_COUNT_OF(mistakes));
    suite_add_tcase(suite, tests);
    return suite;
}

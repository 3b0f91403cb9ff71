/*
 * tables.c - the tables are checked too: each rule with a table that breaks it.
 *
 * Read next: src/conf/tables.c.
 */
#include "server/hooks.h"

#include "conf_fixture.h"

/* A table with one fault, and what must be said of it. */
struct faulty {
    struct tp_directive directive;
    const char *message;
};

static const struct tp_word no_words[] = { { NULL, 0 } };
static const struct tp_word one_word[] = { { "a", 1 }, { NULL, 0 } };
static const struct tp_word word_twice[] = { { "a", 1 }, { "b", 2 }, { "a", 3 }, { NULL, 0 } };
static const struct tp_custom_type custom_without_parser = { .word = "x" };

#define ARGUMENT(argument_name, ...) \
    { .name = (argument_name), TP_TEXT(struct sample_core, pid), .brief = "It.", __VA_ARGS__ }

static const struct tp_argument arguments_fine[] = { ARGUMENT("a", .kind = TP_ARGUMENT_REQUIRED) };
static const struct tp_argument argument_without_name[] = { ARGUMENT(NULL, .min = NULL) };
static const struct tp_argument argument_with_space[] = { ARGUMENT("a b", .min = NULL) };
static const struct tp_argument argument_without_brief[] = {
    { .name = "a", TP_TEXT(struct sample_core, pid) },
};
static const struct tp_argument arguments_alike[] = {
    ARGUMENT("a", .kind = TP_ARGUMENT_REQUIRED),
    ARGUMENT("a", .kind = TP_ARGUMENT_OPTIONAL),
};
static const struct tp_argument arguments_out_of_order[] = {
    ARGUMENT("a", .kind = TP_ARGUMENT_OPTIONAL),
    ARGUMENT("b", .kind = TP_ARGUMENT_REQUIRED),
};
static const struct tp_argument switch_that_is_a_text[] = {
    ARGUMENT("a", .kind = TP_ARGUMENT_SWITCH),
};

/* A directive without a fault, but for what follows. */
#define DIRECTIVE(...) \
    { .name = "it", .where = TP_IN_MAIN, .since = "0.1", .brief = "It.", __VA_ARGS__ }
#define NUMBER TP_NUMBER(struct sample_core, worker_processes)
#define TEXT   TP_TEXT(struct sample_core, pid)

static const struct faulty faulty_tables[] = {
    { { .name = NULL }, "directive \"\": its name must be a word in lower case" },
    { { .name = "It" }, "its name must be a word in lower case" },
    { { .name = "i-t" }, "its name must be a word in lower case" },
    { { .name = "it", .where = TP_IN_MAIN, .since = "0", TEXT, .brief = "It" },
      "its brief must be a sentence with a full stop" },
    { { .name = "it", .where = TP_IN_MAIN, .since = "0", TEXT, .brief = "it." },
      "its brief must be a sentence with a full stop" },
    { { .name = "it", .where = TP_IN_MAIN, .since = "0", TEXT },
      "its brief must be a sentence with a full stop" },
    { { .name = "it", .where = TP_IN_MAIN, TEXT, .brief = "It." },
      "it does not say since when it exists" },
    { { .name = "it", .since = "0", TEXT, .brief = "It." }, "it does not say where it may stand" },
    { { .name = "it", .where = 1u << 30, .since = "0", TEXT, .brief = "It." },
      "it does not say where it may stand" },
    { { .name = "set", .where = TP_IN_MAIN, .since = "0", TEXT, .brief = "It." },
      "its name belongs to the language" },
    { DIRECTIVE(TEXT, .may_repeat = true),
      "may_repeat is for blocks; TP_REPEATED() is for values" },
    { DIRECTIVE(.takes_nothing = true, TP_OPENS(TP_IN_MAIN)),
      "it must open one context, and not main" },
    { DIRECTIVE(.takes_nothing = true, TP_OPENS((enum tp_context) (TP_IN_PEER | TP_IN_SERVER))),
      "it must open one context, and not main" },
    { DIRECTIVE(.takes_nothing = true, TP_OPENS(TP_IN_PEER), .item_size = 8),
      "a block cannot be TP_REPEATED(); use may_repeat" },
    { DIRECTIVE(.type = TP_VALUE_TEXT, .item_size = 16, .items_offset = 4000),
      "its items lie outside the conf" },
    { DIRECTIVE(TP_ARGUMENTS(arguments_fine), .preset = "x"),
      "preset, range and words belong to its arguments" },
    { DIRECTIVE(TP_ARGUMENTS(arguments_fine), .takes_nothing = true, TP_OPENS(TP_IN_PEER)),
      "it has arguments and takes nothing" },
    { DIRECTIVE(TP_ARGUMENTS(argument_without_name)),
      "an argument has no name, or one that cannot be written" },
    { DIRECTIVE(TP_ARGUMENTS(argument_with_space)),
      "an argument has no name, or one that cannot be written" },
    { DIRECTIVE(TP_ARGUMENTS(argument_without_brief)),
      "the brief of \"a\" must be a sentence with a full stop" },
    { DIRECTIVE(TP_ARGUMENTS(arguments_alike)), "it has two arguments \"a\"" },
    { DIRECTIVE(TP_ARGUMENTS(arguments_out_of_order)),
      "\"b\" stands behind arguments that must follow it" },
    { DIRECTIVE(TP_ARGUMENTS(switch_that_is_a_text)), "the switch \"a\" must be a flag" },
    { DIRECTIVE(.type = (enum tp_value_type) 99), "the type of \"it\" is none" },
    { DIRECTIVE(.type = TP_VALUE_TEXT, .offset = 4000),
      "the field of \"it\" lies outside the conf" },
    { DIRECTIVE(.type = TP_VALUE_WORD, .offset = 0), "\"it\" has no words to choose from" },
    { DIRECTIVE(.type = TP_VALUE_WORD, .words = no_words), "\"it\" has no words to choose from" },
    { DIRECTIVE(TEXT, .words = one_word), "\"it\" is of a type that takes no words" },
    { DIRECTIVE(.type = TP_VALUE_CUSTOM), "\"it\" needs a type of its own, or has one too many" },
    { DIRECTIVE(NUMBER, .custom = &custom_without_parser),
      "\"it\" needs a type of its own, or has one too many" },
    { DIRECTIVE(.type = TP_VALUE_CUSTOM, .custom = &custom_without_parser),
      "the type of \"it\" needs a word and a parser" },
    { DIRECTIVE(NUMBER, .words = word_twice), "\"it\" has the word \"a\" twice" },
    { DIRECTIVE(TEXT, .min = "1"), "\"it\" is of a type that has no range" },
    { DIRECTIVE(NUMBER, .min = "x"), "the minimum of \"it\" is no value" },
    { DIRECTIVE(NUMBER, .max = "x"), "the maximum of \"it\" is no value" },
    { DIRECTIVE(NUMBER, .min = "2", .max = "1"), "the minimum of \"it\" lies above its maximum" },
    { DIRECTIVE(NUMBER, .preset = "x"), "the preset of \"it\" is no value" },
    { DIRECTIVE(.type = TP_VALUE_TEMPLATE, .preset = "$url"), "the preset of \"it\" is no value" },
    { DIRECTIVE(.type = TP_VALUE_TEMPLATE, .words = one_word),
      "\"it\" is of a type that takes no words" },
    { DIRECTIVE(NUMBER, .preset = "5", .max = "4"), "the preset of \"it\" is out of range" },
};

/* Checks tables of two modules, the second of which may be empty. */
static enum tp_result
check(const struct tp_directive *first, size_t first_count, const struct tp_directive *second,
      size_t second_count, struct tp_text *messages)
{
    const struct tp_module one = {
        .name = "one",
        .brief = "One.",
        .conf_size = sizeof(struct sample_core),
        .directives = first,
        .directive_count = first_count,
    };
    const struct tp_module two = {
        .name = "two",
        .brief = "Two.",
        .conf_size = sizeof(struct sample_core),
        .directives = second,
        .directive_count = second_count,
    };
    const struct tp_module *const modules[] = { &one, &two };
    const struct tp_module_list list = { modules, TP_COUNT_OF(modules) };

    return tp__conf_check_tables(list, sample_variables, messages);
}

START_TEST(each_fault_is_found)
{
    struct tp_text messages = { 0 };
    struct tp_text wanted = { 0 };

    ck_assert_int_eq(check(&faulty_tables[_i].directive, 1, NULL, 0, &messages), TP_INVALID);
    tp__text_printf(&wanted, "%s\n", faulty_tables[_i].message);
    ck_assert_ptr_nonnull(strstr(messages.data, wanted.data));
    ck_assert_ptr_eq(strchr(messages.data, '\n'), messages.data + messages.len - 1);
    tp__text_fini(&wanted);
    tp__text_fini(&messages);
}
END_TEST

START_TEST(names_are_unique_where_they_meet)
{
    const struct tp_directive main_one[] = { DIRECTIVE(TEXT) };
    const struct tp_directive main_two[] = { DIRECTIVE(NUMBER) };
    const struct tp_directive server_one[] = {
        { .name = "it", .where = TP_IN_SERVER, TEXT, .since = "0.1", .brief = "It." },
    };
    struct tp_text messages = { 0 };

    ck_assert_int_eq(check(main_one, 1, server_one, 1, &messages), TP_OK);
    ck_assert_int_eq(check(main_one, 1, main_two, 1, &messages), TP_INVALID);
    ck_assert_str_eq(messages.data, "module \"two\", directive \"it\": the module \"one\" has a "
                                    "directive of this name there too\n");
    tp__text_fini(&messages);
}
END_TEST

START_TEST(a_context_has_one_opener)
{
    const struct tp_directive openers[] = {
        { .name = "a",
          .where = TP_IN_MAIN,
          TP_OPENS(TP_IN_PEER),
          .takes_nothing = true,
          .since = "0.1",
          .brief = "A." },
        { .name = "b",
          .where = TP_IN_MAIN,
          TP_OPENS(TP_IN_PEER),
          .takes_nothing = true,
          .since = "0.1",
          .brief = "B." },
    };
    struct tp_text messages = { 0 };

    ck_assert_int_eq(check(openers, 2, NULL, 0, &messages), TP_INVALID);
    ck_assert_str_eq(messages.data,
                     "module \"one\", directive \"b\": \"a\" opens the same context\n");
    tp__text_fini(&messages);
}
END_TEST

START_TEST(modules_have_names_and_briefs)
{
    const struct tp_module nameless = { .name = NULL, .brief = "One" };
    const struct tp_module *const modules[] = { &nameless };
    const struct tp_module_list list = { modules, 1 };
    struct tp_text messages = { 0 };

    ck_assert_int_eq(tp__conf_check_tables(list, sample_variables, &messages), TP_INVALID);
    ck_assert_str_eq(messages.data, "module \"\": its name must be a word in lower case\n"
                                    "module \"\": its brief must be a sentence with a full stop\n");
    tp__text_fini(&messages);
}
END_TEST

static enum tp_verdict
pass(struct tp_hook_call *call, const void *conf)
{
    (void) call;
    (void) conf;
    return TP_PASS;
}

/* The messages about a module with one directive there, and a hook of this point. */
static void
check_hook(unsigned where, enum tp_hook_point point, struct tp_text *messages)
{
    const struct tp_directive directive = {
        .name = "it",
        .where = where,
        .since = "0",
        .takes_nothing = true,
        .brief = "It.",
    };
    struct tp_module module = {
        .name = "one",
        .brief = "One.",
        .directives = &directive,
        .directive_count = 1,
    };
    const struct tp_module *const modules[] = { &module };
    const struct tp_module_list list = { modules, 1 };

    module.hooks.at[point] = pass;
    if (tp__conf_check_tables(list, sample_variables, messages) == TP_OK) {
        ck_assert_uint_eq(0, messages->len);
    }
}

START_TEST(hooks_stand_where_their_module_is_configured)
{
    for (int i = 0; i < TP_HOOK_POINT_COUNT; i++) {
        struct tp_text messages = { 0 };
        struct tp_hooks hooks = { .at = { [0] = NULL } };
        enum tp_hook_point point = (enum tp_hook_point) i;
        enum tp_hook_point wrong;

        hooks.at[i] = pass;
        check_hook(TP_IN_SERVER, point, &messages);
        check_hook(TP_IN_SERVER | TP_IN_PULL, point, &messages);
        ck_assert_uint_eq(0, messages.len);
        check_hook(TP_IN_PULL, point, &messages);
        ck_assert_int_eq(tp__hooks_check_route(&hooks, &wrong) != TP_OK, messages.len > 0);
        if (messages.len > 0) {
            ck_assert_ptr_nonnull(strstr(messages.data, "stands where it has no directive"));
            ck_assert_ptr_nonnull(strstr(messages.data, tp_hook_point_word(point)));
        }
        tp__text_fini(&messages);
    }
}
END_TEST

START_TEST(good_tables_pass)
{
    struct tp_text messages = { 0 };

    ck_assert_int_eq(tp__conf_check_tables(sample_modules, sample_variables, &messages), TP_OK);
    ck_assert_str_eq(tp__text_get(&messages).data, "");
    tp__text_fini(&messages);
}
END_TEST

Suite *
tp_suite_conf_tables(void)
{
    Suite *suite = suite_create("conf/tables");
    TCase *tests = tcase_create("tables");

    tcase_add_loop_test(tests, each_fault_is_found, 0, (int) TP_COUNT_OF(faulty_tables));
    tcase_add_test(tests, names_are_unique_where_they_meet);
    tcase_add_test(tests, a_context_has_one_opener);
    tcase_add_test(tests, modules_have_names_and_briefs);
    tcase_add_test(tests, hooks_stand_where_their_module_is_configured);
    tcase_add_test(tests, good_tables_pass);
    suite_add_tcase(suite, tests);
    return suite;
}

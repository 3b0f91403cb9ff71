/*
 * manual.c - the reference manual that is made of the tables.
 *
 * Read next: src/conf/manual.c.
 */
#include "conf_fixture.h"

START_TEST(the_manual_has_every_directive)
{
    struct tp_text text = { 0 };

    tp__conf_manual(sample_modules, &text);
    for (size_t i = 0; i < sample_modules.count; i++) {
        const struct tp_module *module = sample_modules.modules[i];

        for (size_t j = 0; j < module->directive_count; j++) {
            struct tp_text head = { 0 };

            tp__text_printf(&head, "\n### %s\n\n%s\n", module->directives[j].name,
                            module->directives[j].brief);
            ck_assert_ptr_nonnull(strstr(text.data, head.data));
            tp__text_fini(&head);
        }
    }
    ck_assert_ptr_nonnull(strstr(text.data, "\n### include\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "\n### set\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "\n## The module echo\n\nAnswers with the body"));
    ck_assert_ptr_nonnull(strstr(text.data, "- echo: [echo_reply_max](#echo_reply_max), "));
    tp__text_fini(&text);
}
END_TEST

START_TEST(a_module_without_directives_is_left_out)
{
    static const struct tp_module bare = { .name = "bare", .brief = "Nothing." };
    static const struct tp_module *const table[] = { &bare };
    const struct tp_module_list modules = { table, 1 };
    struct tp_text text = { 0 };

    tp__conf_manual(modules, &text);
    ck_assert_ptr_null(strstr(text.data, "bare"));
    tp__text_fini(&text);
}
END_TEST

START_TEST(the_same_tables_give_the_same_manual)
{
    struct tp_text first = { 0 };
    struct tp_text second = { 0 };

    tp__conf_manual(sample_modules, &first);
    tp__conf_manual(sample_modules, &second);
    ck_assert_str_eq(first.data, second.data);
    tp__text_fini(&first);
    tp__text_fini(&second);
}
END_TEST

static void
expect_entry(const char *directive, enum tp_result result, const char *entry)
{
    struct tp_text text = { 0 };

    ck_assert_int_eq(tp__conf_manual_entry(sample_modules, directive, &text), result);
    ck_assert_str_eq(tp__text_get(&text).data, entry);
    tp__text_fini(&text);
}

START_TEST(an_entry_says_all_about_a_directive)
{
    expect_entry("worker_processes", TP_OK,
                 "worker_processes\n"
                 "How many workers serve.\n"
                 "\n"
                 "    Syntax: worker_processes NUMBER | auto;\n"
                 "    May stand in: main\n"
                 "    Default: auto\n"
                 "    Range: between 1 and 256\n"
                 "    Since: 0.1\n"
                 "    On reload: in place.  A reload applies it to everything that runs.\n");
    expect_entry("listen", TP_OK,
                 "listen\n"
                 "An address.\n"
                 "\n"
                 "    Syntax: listen ADDRESS [backlog=NUMBER] [reuseport];\n"
                 "    May stand in: server; several times\n"
                 "    Since: 0.1\n"
                 "    On reload: in place.  A reload applies it to everything that runs.\n"
                 "    Arguments:\n"
                 "      ADDRESS: A port.\n"
                 "      [backlog=NUMBER]: How many may wait.  Default: 511.  Range: between 1 and "
                 "65535.\n"
                 "      [reuseport]: Whether each worker has its own socket.\n");
    expect_entry("peer", TP_OK,
                 "peer\n"
                 "One end.\n"
                 "\n"
                 "    Syntax: peer TEXT { … }\n"
                 "    May stand in: main; several times\n"
                 "    Since: 0.1\n"
                 "    On reload: new workers.  It applies to workers that are started "
                 "afterwards.\n");
    expect_entry("allow", TP_OK,
                 "allow\n"
                 "Who may connect.\n"
                 "\n"
                 "    Syntax: allow TEXT;\n"
                 "    May stand in: peer, server; several times; an inner block replaces them all\n"
                 "    Since: 0.1\n"
                 "    On reload: in place.  A reload applies it to everything that runs.\n");
    expect_entry("include", TP_OK,
                 "include\n"
                 "Reads other files as if their text stood here.\n"
                 "\n"
                 "    Syntax: include FILE;\n"
                 "    May stand in: main, events, peer, server, pull, push, dial, upstream\n"
                 "    Since: 0.1\n"
                 "    On reload: in place.  A reload applies it to everything that runs.\n"
                 "    Arguments:\n"
                 "      FILE: A path or a pattern such as servers/*.conf, from the including "
                 "file's directory.\n");
}
END_TEST

START_TEST(an_unknown_entry_names_the_nearest)
{
    expect_entry("worker_proceses", TP_NOT_FOUND,
                 "there is no directive \"worker_proceses\"; did you mean \"worker_processes\"?\n");
    expect_entry("frobnicate", TP_NOT_FOUND, "there is no directive \"frobnicate\"\n");
}
END_TEST

Suite *
tp_suite_conf_manual(void)
{
    Suite *suite = suite_create("conf/manual");
    TCase *tests = tcase_create("manual");

    tcase_add_test(tests, the_manual_has_every_directive);
    tcase_add_test(tests, a_module_without_directives_is_left_out);
    tcase_add_test(tests, the_same_tables_give_the_same_manual);
    tcase_add_test(tests, an_entry_says_all_about_a_directive);
    tcase_add_test(tests, an_unknown_entry_names_the_nearest);
    suite_add_tcase(suite, tests);
    return suite;
}

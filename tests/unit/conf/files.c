/*
 * files.c - tests of what modules of the server ask for while a configuration is loaded:
 * the content of files, and warnings that keep nobody from loading it.
 */
#include "base/str.h"
#include "conf_fixture.h"

#include <string.h>

struct badge_conf {
    struct tp_str path;
    char content[32];
    struct tp_str kept;
};

Suite *tp_suite_conf_files(void);

static void
badge_validate(const struct tp_block *block, void *conf)
{
    struct badge_conf *badge = conf;
    struct tp_text content = { 0 };
    enum tp_result result;

    if (badge->path.len == 0) {
        return;
    }
    result = tp__conf_read_file(block, badge->path.data, &content);
    if (result != TP_OK) {
        tp_conf_complain(block, "badge", 0, "%s", tp_result_word(result));
    } else if (content.len < sizeof(badge->content)) {
        memcpy(badge->content, content.data, content.len + 1);
        tp_conf_warn(block, "badge", 0, "%zu bytes", content.len);
        ck_assert_int_eq(TP_OK, tp_conf_read_file(block, badge->path.data, &badge->kept));
    }
    tp__text_fini(&content);
}

static const struct tp_directive badge_directives[] = {
    {
        .name = "badge",
        .where = TP_IN_MAIN,
        TP_TEXT(struct badge_conf, path),
        .since = "0.1",
        .brief = "A file with a name in it.",
    },
};

static const struct tp_module badge_module = {
    .name = "badge",
    .brief = "Wears a badge.",
    .conf_size = sizeof(struct badge_conf),
    TP_DIRECTIVES(badge_directives),
    .validate = badge_validate,
};

static const struct tp_module *const modules[] = { &badge_module };
static const struct sample_file files[] = { { "name.txt", "Ada" }, { NULL, NULL } };

static void
open_fixture(struct tp_conf_fixture *fixture, const char *text)
{
    tp__conf_fixture_open(fixture, text, files);
    fixture->options.modules =
        (struct tp_module_list){ .modules = modules, .count = TP_COUNT_OF(modules) };
}

START_TEST(reads_a_file_and_warns)
{
    struct tp_conf_fixture fixture;

    open_fixture(&fixture, "badge name.txt;\n");
    ck_assert_int_eq(TP_OK, tp__conf_load(&fixture.options, &fixture.messages, &fixture.conf));
    const struct badge_conf *badge = tp_block_conf(tp__conf_root(fixture.conf), &badge_module);

    ck_assert_str_eq("Ada", badge->content);
    ck_assert_uint_eq(3, badge->kept.len);
    ck_assert_str_eq("Ada", badge->kept.data);
    ck_assert_str_eq("teleport.conf:1:1: warning: 3 bytes\n"
                     "    1 | badge name.txt;\n"
                     "      | ^^^^^\n",
                     tp__text_get(&fixture.messages).data);
    tp__conf_fixture_close(&fixture);
}
END_TEST

START_TEST(says_what_cannot_be_read)
{
    struct tp_conf_fixture fixture;

    open_fixture(&fixture, "badge none.txt;\n");
    ck_assert_int_eq(TP_INVALID, tp__conf_load(&fixture.options, &fixture.messages, &fixture.conf));
    ck_assert_str_eq("teleport.conf:1:1: error: not-found\n"
                     "    1 | badge none.txt;\n"
                     "      | ^^^^^\n",
                     tp__text_get(&fixture.messages).data);
    tp__conf_fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_conf_files(void)
{
    Suite *suite = suite_create("conf/files");
    TCase *tests = tcase_create("files");

    tcase_add_test(tests, reads_a_file_and_warns);
    tcase_add_test(tests, says_what_cannot_be_read);
    suite_add_tcase(suite, tests);
    return suite;
}

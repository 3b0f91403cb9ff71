/*
 * main.c - teleport, the server: reads the command line and does what it says.
 *
 * Read next: master.c (running the server), control_client.c (-s), cycle.c (-t).
 */
#include "base/result.h"
#include "base/str.h"
#include "config.h"
#include "cycle/built.h"
#include "cycle/conf_source.h"
#include "cycle/cycle.h"
#include "os/file.h"
#include "os/process.h"
#include "process/arguments.h"
#include "process/control.h"
#include "process/manual.h"
#include "process/master.h"
#include "session/variables.h"

#include <stdio.h>
#include <string.h>

enum {
    MAIN_ARENA_CHUNK_BYTES = 4096,
};

static int main_run(const struct tp_arguments *arguments, char **argv, struct tp_arena *arena);
static struct tp_program main_program(const struct tp_arguments *arguments, char **argv,
                                      struct tp_arena *arena);
static bool main_check_tables(const struct tp_program *program);
static const char *main_absolute(const char *path, const char *base, struct tp_arena *arena);
static int main_test(const struct tp_program *program, bool is_quiet);
static int main_dump(const struct tp_program *program);
static int main_command(const struct tp_program *program, enum tp_control_command command);
static enum tp_result main_find_control(const struct tp_program *program, struct tp_text *path,
                                        struct tp_text *why_there);
static int main_help(const struct tp_program *program, const char *topic);
static void main_print_version(bool with_build);
static struct tp_cycle *main_load(const struct tp_program *program);
static void main_print(int fd, const struct tp_text *text);

int
main(int argc, char **argv)
{
    struct tp_arguments arguments;
    struct tp_text complaint = { 0 };
    struct tp_arena arena;

    if (tp__process_open_streams() != TP_OK) {
        return 1; /* There may be nowhere to say why. */
    }
    if (tp__arguments_parse(argc, argv, &arguments, &complaint) != TP_OK) {
        fprintf(stderr, "teleport: %s\n", tp__text_get(&complaint).data);
        fprintf(stderr, "teleport -h shows the options.\n");
        tp__text_fini(&complaint);
        return 1;
    }
    tp__arena_init(&arena, MAIN_ARENA_CHUNK_BYTES);
    int exit_code = main_run(&arguments, argv, &arena);

    tp__arena_fini(&arena);
    return exit_code;
}

static int
main_run(const struct tp_arguments *arguments, char **argv, struct tp_arena *arena)
{
    struct tp_program program = main_program(arguments, argv, arena);

    switch (arguments->mode) {
    case TP_RUN_VERSION:
        main_print_version(false);
        return 0;
    case TP_RUN_BUILD:
        main_print_version(true);
        return 0;
    case TP_RUN_HELP:
        return main_help(&program, arguments->help_topic);
    case TP_RUN_TEST:
    case TP_RUN_DUMP:
    case TP_RUN_COMMAND:
    case TP_RUN_SERVER:
        break;
    }
    if (!main_check_tables(&program)) {
        return 1;
    }
    switch (arguments->mode) {
    case TP_RUN_TEST:
        return main_test(&program, arguments->is_quiet);
    case TP_RUN_DUMP:
        return main_dump(&program);
    case TP_RUN_COMMAND:
        return main_command(&program, arguments->command);
    default:
        return tp__master_run(&program);
    }
}

static struct tp_program
main_program(const struct tp_arguments *arguments, char **argv, struct tp_arena *arena)
{
    struct tp_text directory = { 0 };
    struct tp_program program = {
        .modules = tp__program_modules(arena),
        .absent = tp__absent_directives,
        .directives = tp__arena_copy(arena, tp__str(arguments->directives)).data,
        .title = tp__process_find_title(argv),
    };

    if (tp__file_get_directory(&directory) != TP_OK) {
        tp__text_printf(&directory, "/");
    }
    const char *prefix = main_absolute(arguments->prefix, tp__text_get(&directory).data, arena);
    size_t prefix_len = strlen(prefix);
    bool ends_in_slash = prefix_len > 0 && prefix[prefix_len - 1] == '/';

    tp__text_fini(&directory);
    program.prefix = tp__arena_format(arena, "%s%s", prefix, ends_in_slash ? "" : "/").data;
    program.conf_file = main_absolute(arguments->conf_file, program.prefix, arena);
    return program;
}

/* A table with a mistake is a mistake of the build: say so before anything relies on it. */
static bool
main_check_tables(const struct tp_program *program)
{
    struct tp_text messages = { 0 };
    bool is_right = tp__conf_check_tables(program->modules, tp__variables, &messages) == TP_OK;

    main_print(TP_STDERR, &messages);
    tp__text_fini(&messages);
    return is_right;
}

/* A copy of `path`, behind `base` when it is relative. */
static const char *
main_absolute(const char *path, const char *base, struct tp_arena *arena)
{
    return tp__arena_format(arena, "%s%s", path[0] == '/' ? "" : base, path).data;
}

static int
main_test(const struct tp_program *program, bool is_quiet)
{
    struct tp_text notes = { 0 };
    struct tp_cycle *cycle = main_load(program);

    if (cycle == NULL) {
        fprintf(stderr, "teleport: %s has mistakes\n", program->conf_file);
        return 1;
    }
    if (!is_quiet) {
        tp__conf_describe_not_in_place(cycle->conf, &notes);
        if (notes.len > 0) {
            fprintf(stderr, "a reload that changes these does not apply them at once:\n");
            main_print(TP_STDERR, &notes);
        }
        fprintf(stderr, "teleport: %s is right\n", program->conf_file);
    }
    tp__text_fini(&notes);
    tp__cycle_release(&cycle);
    return 0;
}

static int
main_dump(const struct tp_program *program)
{
    struct tp_text text = { 0 };
    struct tp_cycle *cycle = main_load(program);

    if (cycle == NULL) {
        return 1;
    }
    tp__conf_dump(cycle->conf, &text);
    main_print(TP_STDOUT, &text);
    tp__text_fini(&text);
    tp__cycle_release(&cycle);
    return 0;
}

/*
 * The configuration says where the pid file is, and with it the control socket.  Mistakes
 * elsewhere in it must not keep anybody from stopping the server.
 */
static int
main_command(const struct tp_program *program, enum tp_control_command command)
{
    struct tp_text path = { 0 };
    struct tp_text why_there = { 0 };
    struct tp_text answer = { 0 };
    bool has_succeeded = false;
    enum tp_result result = main_find_control(program, &path, &why_there);

    if (result == TP_OK) {
        result = tp__control_ask(tp__text_get(&path).data, command, &answer, &has_succeeded);
    }
    if (result != TP_OK) {
        fprintf(stderr, "teleport: no server answers at %s: %s\n", tp__text_get(&path).data,
                tp__result_text(result));
        main_print(TP_STDERR, &why_there);
    }
    main_print(has_succeeded ? TP_STDOUT : TP_STDERR, &answer);
    tp__text_fini(&answer);
    tp__text_fini(&why_there);
    tp__text_fini(&path);
    return has_succeeded ? 0 : 1;
}

/* A running server cannot be asked where it is; *why_there says why it was looked for there. */
static enum tp_result
main_find_control(const struct tp_program *program, struct tp_text *path, struct tp_text *why_there)
{
    struct tp_conf_recorder recorder;
    struct tp_text messages = { 0 };
    struct tp_conf *conf = NULL;

    tp__conf_recorder_init(&recorder);
    struct tp_conf_options options = tp__program_conf_options(program, &recorder.loader);

    options.is_lenient = true;
    enum tp_result result = tp__conf_load(&options, &messages, &conf);

    if (result == TP_OK) {
        const struct tp_core_conf *core = tp_block_conf(tp__conf_root(conf), &tp__module_core);

        tp__control_path(core->pid_path.data, path);
        tp__text_printf(why_there,
                        "    it would be beside the pid file %s (pid: %s);\n"
                        "    if that was changed since the server started, name the old one: "
                        "-g \"pid FILE;\"\n",
                        core->pid_path.data, tp__conf_origin(tp__conf_root(conf), "pid", 0));
    }
    tp__conf_destroy(&conf);
    tp__text_fini(&messages);
    tp__conf_recorder_fini(&recorder);
    return result;
}

static int
main_help(const struct tp_program *program, const char *topic)
{
    struct tp_text text = { 0 };
    enum tp_result result = TP_OK;

    if (topic[0] == '\0') {
        tp__arguments_usage(&text);
    } else {
        result = tp__manual_write(program->modules, topic, &text);
    }
    if (result != TP_OK) {
        tp__text_printf(&text, "topics besides directives: teleport -h shows them\n");
    }
    main_print(result == TP_OK ? TP_STDOUT : TP_STDERR, &text);
    tp__text_fini(&text);
    return result == TP_OK ? 0 : 1;
}

static void
main_print_version(bool with_build)
{
    printf("teleport %s\n", TP_VERSION);
    if (with_build) {
        printf("built by %s\n", TP_COMPILER);
        printf("configure arguments: %s\n", TP_CONFIGURE_ARGUMENTS);
    }
}

/* NULL when the configuration has mistakes, which are printed. */
static struct tp_cycle *
main_load(const struct tp_program *program)
{
    struct tp_conf_recorder recorder;
    struct tp_text messages = { 0 };
    struct tp_cycle *cycle = NULL;

    tp__conf_recorder_init(&recorder);
    if (tp__cycle_load(program, &recorder.loader, 1, &messages, &cycle) != TP_OK) {
        cycle = NULL;
    }
    main_print(TP_STDERR, &messages);
    tp__text_fini(&messages);
    tp__conf_recorder_fini(&recorder);
    return cycle;
}

static void
main_print(int fd, const struct tp_text *text)
{
    struct tp_str content = tp__text_get(text);

    tp__file_write(fd, content.data, content.len);
}

/*
 * main.c - tp, the command-line client: reads what it is asked, and hands it to the command.
 *
 * tp is a program like any other with libteleport: it includes the installed headers and
 * nothing of the server.
 *
 * Read next: options.c, pull.c.
 */
#include "cli/manual.h"
#include "cli/options.h"

#include <teleport/teleport.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int main_run(const struct tp_settings *settings);
static int main_complain(const struct tp_settings *settings, const char *complaint);
static int main_end(int code, bool is_quiet);

int
main(int argc, char **argv)
{
    char complaint[TP_COMPLAINT_MAX];
    struct tp_settings settings;

    if (tp__options_parse(argc, argv, getenv, &settings, complaint) != TP_OK) {
        return main_complain(&settings, complaint);
    }
    return main_end(main_run(&settings), settings.is_quiet);
}

static int
main_run(const struct tp_settings *settings)
{
    if (settings->wants_version) {
        printf("tp %s\n", tp_version());
        return TP_EXIT_DONE;
    }
    if (settings->wants_help && settings->command == NULL) {
        tp__manual_write_usage(stdout);
        return TP_EXIT_DONE;
    }
    if (settings->wants_help) {
        tp__manual_write_command(stdout, settings->command);
        return TP_EXIT_DONE;
    }
    return settings->command->run(settings);
}

static int
main_complain(const struct tp_settings *settings, const char *complaint)
{
    fprintf(stderr, "tp: %s\n", complaint);
    if (settings->command == NULL) {
        fputs("tp --help lists the commands.\n", stderr);
    } else {
        fprintf(stderr, "usage: tp %s [options] %s\ntp %s --help says more.\n",
                settings->command->name, settings->command->operands, settings->command->name);
    }
    return TP_EXIT_USAGE;
}

/* What could not be written was not done. */
static int
main_end(int code, bool is_quiet)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return code;
    }
    if (!is_quiet && errno != EPIPE) {
        fprintf(stderr, "tp: cannot write the output: %s\n", strerror(errno));
    }
    return code == TP_EXIT_DONE ? TP_EXIT_LOCAL : code;
}

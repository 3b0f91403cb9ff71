/*
 * arguments.c - the command line: single letters, values attached or behind.
 *
 * Runs in: the process that was started.  Read next: main.c.
 */
#include "process/arguments.h"

#include "base/str.h"
#include "config.h"

enum option {
#define OPTION_ENUM_ROW(name, letter, value, sentence) OPTION_##name,
    TP_OPTION_TABLE(OPTION_ENUM_ROW)
#undef OPTION_ENUM_ROW
    OPTION_COUNT
};

struct option_row {
    char letter;
    const char *value;
    const char *sentence;
};

/* Where in argv the reading is. */
struct argument_cursor {
    char **next;         /* the argument after the current one */
    const char *letters; /* the rest of the current one */
    struct tp_text *complaint;
};

static enum tp_result arguments_apply(struct tp_arguments *arguments, enum option option,
                                      const char *value, struct tp_text *complaint);
static enum tp_result arguments_set_command(struct tp_arguments *arguments, const char *word,
                                            struct tp_text *complaint);
static enum tp_result cursor_read_letter(struct argument_cursor *cursor, enum option *option,
                                         const char **value);
static void append_commands(struct tp_text *text);

static const struct option_row option_rows[OPTION_COUNT] = {
#define OPTION_ROW(name, letter, value, sentence) [OPTION_##name] = { letter, value, sentence },
    TP_OPTION_TABLE(OPTION_ROW)
#undef OPTION_ROW
};

enum tp_result
tp__arguments_parse(int argc, char **argv, struct tp_arguments *arguments,
                    struct tp_text *complaint)
{
    struct argument_cursor cursor = { .next = argv + (argc > 0 ? 1 : 0), .complaint = complaint };

    *arguments = (struct tp_arguments){
        .conf_file = TP_CONF_PATH,
        .prefix = TP_PREFIX,
        .directives = "",
        .help_topic = "",
    };
    while (*cursor.next != NULL) {
        cursor.letters = *cursor.next++;
        if (strcmp(cursor.letters, "--help") == 0 || strcmp(cursor.letters, "--version") == 0) {
            arguments->mode = cursor.letters[2] == 'h' ? TP_RUN_HELP : TP_RUN_VERSION;
            continue;
        }
        if (cursor.letters[0] != '-' || cursor.letters[1] == '\0' || cursor.letters[1] == '-') {
            tp__text_printf(complaint, "unexpected argument \"%s\"", cursor.letters);
            return TP_INVALID;
        }
        cursor.letters++;
        while (*cursor.letters != '\0') {
            enum option option;
            const char *value = NULL;
            enum tp_result result = cursor_read_letter(&cursor, &option, &value);

            if (result == TP_OK) {
                result = arguments_apply(arguments, option, value, complaint);
            }
            if (result != TP_OK) {
                return result;
            }
        }
    }
    return TP_OK;
}

void
tp__arguments_usage(struct tp_text *text)
{
    tp__text_printf(text, "teleport " TP_VERSION " - a socket API server\n\nusage: teleport");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];

        tp__text_printf(text, " [-%c%s%s]", row->letter, row->value[0] == '\0' ? "" : " ",
                        row->value);
    }
    tp__text_printf(text, "\n\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];

        tp__text_printf(text, "  -%c %-11s %s\n", row->letter, row->value, row->sentence);
    }
    tp__text_printf(text, "\ncommands of -s:\n");
    append_commands(text);
    tp__text_printf(text, "\nWithout -t, -T, -s, -v, -V and -h the server starts.\n");
}

static enum tp_result
arguments_apply(struct tp_arguments *arguments, enum option option, const char *value,
                struct tp_text *complaint)
{
    switch (option) {
    case OPTION_CONF:
        arguments->conf_file = value;
        return TP_OK;
    case OPTION_PREFIX:
        arguments->prefix = value;
        return TP_OK;
    case OPTION_DIRECTIVES:
        arguments->directives = value;
        return TP_OK;
    case OPTION_TEST:
        arguments->mode = TP_RUN_TEST;
        return TP_OK;
    case OPTION_DUMP:
        arguments->mode = TP_RUN_DUMP;
        return TP_OK;
    case OPTION_QUIET:
        arguments->is_quiet = true;
        return TP_OK;
    case OPTION_SIGNAL:
        return arguments_set_command(arguments, value, complaint);
    case OPTION_VERSION:
        arguments->mode = TP_RUN_VERSION;
        return TP_OK;
    case OPTION_BUILD:
        arguments->mode = TP_RUN_BUILD;
        return TP_OK;
    case OPTION_HELP:
        arguments->mode = TP_RUN_HELP;
        arguments->help_topic = value;
        return TP_OK;
    case OPTION_COUNT:
        break;
    }
    return TP_INVALID;
}

static enum tp_result
arguments_set_command(struct tp_arguments *arguments, const char *word, struct tp_text *complaint)
{
    arguments->mode = TP_RUN_COMMAND;
    if (tp__control_parse(tp__str(word), &arguments->command) == TP_OK) {
        return TP_OK;
    }
    tp__text_printf(complaint, "-s has no command \"%s\"; the commands are:\n", word);
    append_commands(complaint);
    return TP_INVALID;
}

/* Takes one letter, and its value from the rest of the argument or from the next one. */
static enum tp_result
cursor_read_letter(struct argument_cursor *cursor, enum option *option, const char **value)
{
    char letter = *cursor->letters++;

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        bool takes_value = option_rows[i].value[0] != '\0';
        bool may_omit_value = option_rows[i].value[0] == '[';

        if (option_rows[i].letter != letter) {
            continue;
        }
        *option = (enum option) i;
        if (!takes_value) {
            return TP_OK;
        }
        if (*cursor->letters != '\0') {
            *value = cursor->letters;
            cursor->letters = "";
        } else if (*cursor->next != NULL) {
            *value = *cursor->next++;
        } else if (may_omit_value) {
            *value = "";
        } else {
            tp__text_printf(cursor->complaint, "-%c needs a value: -%c %s", letter, letter,
                            option_rows[i].value);
            return TP_INVALID;
        }
        return TP_OK;
    }
    tp__text_printf(cursor->complaint, "there is no option -%c", letter);
    return TP_INVALID;
}

static void
append_commands(struct tp_text *text)
{
#define APPEND_COMMAND_ROW(name, word, sentence) \
    tp__text_printf(text, "  %-14s %s\n", word, sentence);
    TP_CONTROL_TABLE(APPEND_COMMAND_ROW)
#undef APPEND_COMMAND_ROW
}

/*
 * options.c - reads the command line by the table of options.
 *
 * Read next: option_table.c, manual.c (the same table for people), main.c.
 */
#include "cli/options.h"

#include <teleport/ids.h>
#include <teleport/session.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPTIONS_WORD_MAX = 64,
    OPTIONS_OPERANDS_MAX = TP_URIS_MAX + 3, /* besides URIs: the address, a body, one too many */
    OPTIONS_IN_FLIGHT_MAX = 1 << 24,
};

/* The best candidate for "did you mean" so far. */
struct options_nearest {
    const char *written;
    const char *name; /* NULL: none is near enough */
    size_t distance;
};

/* Where the reading of the command line is. */
struct options_reader {
    struct tp_settings *settings;
    tp_getenv_fn get_environment;
    char *complaint;
    char **next; /* the argument behind the current one */
    char *operands[OPTIONS_OPERANDS_MAX];
    size_t operand_count;
};

static enum tp_result reader_read_all(struct options_reader *reader);
static enum tp_result reader_read_operand(struct options_reader *reader, char *word);
static enum tp_result reader_choose_command(struct options_reader *reader, const char *name);
static enum tp_result reader_read_long(struct options_reader *reader, char *word);
static enum tp_result reader_read_letters(struct options_reader *reader, const char *letters);
static void reader_take_credentials(struct options_reader *reader);
static enum tp_result reader_apply_presets(struct options_reader *reader);
static enum tp_result reader_apply(struct options_reader *reader, const struct tp_option *option,
                                   const char *value);
static enum tp_result reader_apply_number(struct options_reader *reader,
                                          const struct tp_option *option, const char *value);
static enum tp_result reader_complain_of_number(struct options_reader *reader,
                                                const struct tp_option *option, const char *value);
static enum tp_result reader_complain_of_option(struct options_reader *reader, const char *name);
static enum tp_result reader_place_operands(struct options_reader *reader);
static enum tp_result reader_place_address(struct options_reader *reader, size_t *at);
static enum tp_result reader_place_number(struct options_reader *reader, size_t *at);
static enum tp_result reader_place_uris(struct options_reader *reader, size_t *at);
static enum tp_result reader_check(struct options_reader *reader);
static bool set_address(struct tp_settings *settings, const char *address);
static bool is_uri(const char *word);
static enum tp_result complain(struct options_reader *reader, const char *format, ...)
    TP_PRINTF(2, 3);
static const struct tp_option *find_option(const struct tp_command *command, const char *name,
                                           char letter);
static bool read_integer(const char *text, int64_t *number, const char **rest);
static bool read_size(const char *text, int64_t *bytes);
static bool read_duration(const char *text, int64_t *total);
static bool read_codec(const char *text, uint8_t *codec);
static struct options_nearest nearest_to(const char *written);
static void nearest_offer(struct options_nearest *nearest, const char *candidate);
static size_t distance_of(const char *left, size_t left_len, const char *right, size_t right_len);

enum tp_result
tp__options_parse(int argc, char **argv, tp_getenv_fn get_environment, struct tp_settings *settings,
                  char *complaint)
{
    struct options_reader reader = {
        .settings = settings,
        .get_environment = get_environment,
        .complaint = complaint,
        .next = argv + (argc > 0 ? 1 : 0),
    };

    *settings = (struct tp_settings){ 0 };
    complaint[0] = '\0';
    enum tp_result result = reader_read_all(&reader);

    if (result != TP_OK || settings->wants_help || settings->wants_version) {
        return result;
    }
    if (settings->command == NULL) {
        return complain(&reader, "what is tp to do?");
    }
    reader_take_credentials(&reader);
    result = reader_place_operands(&reader);
    return result == TP_OK ? reader_check(&reader) : result;
}

static enum tp_result
reader_read_all(struct options_reader *reader)
{
    enum tp_result result = TP_OK;
    bool has_options = true;

    while (*reader->next != NULL && result == TP_OK) {
        char *word = *reader->next++;

        if (!has_options || word[0] != '-' || word[1] == '\0') {
            result = reader_read_operand(reader, word);
        } else if (strcmp(word, "--") == 0) {
            has_options = false;
        } else if (word[1] == '-') {
            result = reader_read_long(reader, word + 2);
        } else {
            result = reader_read_letters(reader, word + 1);
        }
    }
    return result;
}

static enum tp_result
reader_read_operand(struct options_reader *reader, char *word)
{
    if (reader->settings->command == NULL) {
        return reader_choose_command(reader, word);
    }
    if (reader->operand_count == OPTIONS_OPERANDS_MAX) {
        return complain(reader, "that are too many words");
    }
    reader->operands[reader->operand_count++] = word;
    return TP_OK;
}

static enum tp_result
reader_choose_command(struct options_reader *reader, const char *name)
{
    const struct tp_command *command = tp__command_find(name);

    if (command != NULL) {
        reader->settings->command = command;
        return reader_apply_presets(reader);
    }
    struct options_nearest nearest = nearest_to(name);

    for (size_t i = 0; tp__commands[i] != NULL; i++) {
        nearest_offer(&nearest, tp__commands[i]->name);
    }
    if (nearest.name != NULL) {
        return complain(reader, "there is no command \"%s\"; did you mean \"%s\"?", name,
                        nearest.name);
    }
    return complain(reader, "there is no command \"%s\"", name);
}

/* "timeout", "5s" as the next word; or "timeout=5s". */
static enum tp_result
reader_read_long(struct options_reader *reader, char *word)
{
    size_t len = strcspn(word, "=");
    const char *value = word[len] == '=' ? word + len + 1 : NULL;
    char name[OPTIONS_WORD_MAX];

    snprintf(name, sizeof(name), "%.*s", (int) len, word);
    const struct tp_option *option = find_option(reader->settings->command, name, 0);

    if (option == NULL) {
        return reader_complain_of_option(reader, name);
    }
    if (option->kind == TP_OPTION_FLAG) {
        return value == NULL ? reader_apply(reader, option, NULL)
                             : complain(reader, "--%s takes no value", name);
    }
    if (value == NULL && *reader->next != NULL) {
        value = *reader->next++;
    }
    if (value == NULL) {
        return complain(reader, "--%s needs a value: --%s %s", name, name, option->value);
    }
    return reader_apply(reader, option, value);
}

/* "qv", or "t5s", or "t" and "5s" as the next word. */
static enum tp_result
reader_read_letters(struct options_reader *reader, const char *letters)
{
    enum tp_result result = TP_OK;

    while (*letters != '\0' && result == TP_OK) {
        const struct tp_option *option = find_option(reader->settings->command, NULL, *letters);

        if (option == NULL) {
            return complain(reader, "there is no option -%c%s%s", *letters,
                            reader->settings->command == NULL ? "" : " of tp ",
                            reader->settings->command == NULL ? ""
                                                              : reader->settings->command->name);
        }
        letters++;
        if (option->kind == TP_OPTION_FLAG) {
            result = reader_apply(reader, option, NULL);
            continue;
        }
        const char *value = *letters != '\0' ? letters : *reader->next;

        if (value == NULL) {
            return complain(reader, "-%c needs a value: -%c %s", option->letter, option->letter,
                            option->value);
        }
        reader->next += *letters == '\0';
        return reader_apply(reader, option, value);
    }
    return result;
}

static enum tp_result
reader_apply_presets(struct options_reader *reader)
{
    const struct tp_command *command = reader->settings->command;
    enum tp_result result = TP_OK;

    for (const struct tp_option *option = tp__options; option->name != NULL; option++) {
        char preset[OPTIONS_WORD_MAX];

        if (option->kind == TP_OPTION_FLAG || !tp__option_is_of(option, command)) {
            continue;
        }
        tp__option_preset(option, command, preset, sizeof(preset));
        /* A text without a preset stays NULL, and no preset is a text. */
        if (preset[0] != '\0' && result == TP_OK) {
            result = reader_apply(reader, option, preset);
        }
    }
    return result;
}

static enum tp_result
reader_apply(struct options_reader *reader, const struct tp_option *option, const char *value)
{
    void *field = (char *) reader->settings + option->offset;

    switch (option->kind) {
    case TP_OPTION_FLAG:
        *(bool *) field = true;
        return TP_OK;
    case TP_OPTION_TEXT:
        *(const char **) field = value;
        return TP_OK;
    case TP_OPTION_CODEC:
        if (!read_codec(value, field)) {
            return complain(reader, "--%s takes json, protobuf, plain or a letter, not \"%s\"",
                            option->name, value);
        }
        return TP_OK;
    case TP_OPTION_INTEGER:
    case TP_OPTION_SIZE:
    case TP_OPTION_DURATION:
        return reader_apply_number(reader, option, value);
    }
    return TP_INVALID;
}

static enum tp_result
reader_apply_number(struct options_reader *reader, const struct tp_option *option,
                    const char *value)
{
    void *field = (char *) reader->settings + option->offset;
    const char *rest;
    int64_t number;
    bool is_right = option->kind == TP_OPTION_SIZE ? read_size(value, &number)
                    : option->kind == TP_OPTION_DURATION
                        ? read_duration(value, &number)
                        : read_integer(value, &number, &rest) && *rest == '\0';

    if (!is_right || number < option->min || number > option->max) {
        return reader_complain_of_number(reader, option, value);
    }
    switch (option->kind) {
    case TP_OPTION_SIZE:
        ((struct tp_size *) field)->bytes = (uint64_t) number;
        break;
    case TP_OPTION_DURATION:
        ((struct tp_msec *) field)->ms = number;
        break;
    default:
        *(int64_t *) field = number;
        break;
    }
    return TP_OK;
}

static enum tp_result
reader_complain_of_number(struct options_reader *reader, const struct tp_option *option,
                          const char *value)
{
    switch (option->kind) {
    case TP_OPTION_SIZE:
        return complain(reader,
                        "--%s takes a size such as 512, 16k or 1m, from %" PRId64 " to %" PRId64
                        " bytes, not \"%s\"",
                        option->name, option->min, option->max, value);
    case TP_OPTION_DURATION:
        return complain(reader, "--%s takes a duration such as 500ms, 30s or 5m, not \"%s\"",
                        option->name, value);
    default:
        if (option->max == INT64_MAX) {
            return complain(reader, "--%s takes a whole number of at least %" PRId64 ", not \"%s\"",
                            option->name, option->min, value);
        }
        return complain(reader,
                        "--%s takes a whole number from %" PRId64 " to %" PRId64 ", not \"%s\"",
                        option->name, option->min, option->max, value);
    }
}

/* Nobody has it, or another command, or one with a similar name. */
static enum tp_result
reader_complain_of_option(struct options_reader *reader, const char *name)
{
    const struct tp_command *command = reader->settings->command;

    if (command == NULL) {
        return complain(reader, "there is no option --%s before the name of a command", name);
    }
    for (size_t i = 0; tp__commands[i] != NULL; i++) {
        if (find_option(tp__commands[i], name, 0) != NULL) {
            return complain(reader, "there is no option --%s of tp %s; tp %s has one", name,
                            command->name, tp__commands[i]->name);
        }
    }
    struct options_nearest nearest = nearest_to(name);

    for (const struct tp_option *option = tp__options; option->name != NULL; option++) {
        if (tp__option_is_of(option, command)) {
            nearest_offer(&nearest, option->name);
        }
    }
    if (nearest.name != NULL) {
        return complain(reader, "there is no option --%s of tp %s; did you mean --%s?", name,
                        command->name, nearest.name);
    }
    return complain(reader, "there is no option --%s of tp %s", name, command->name);
}

static enum tp_result
reader_place_operands(struct options_reader *reader)
{
    struct tp_settings *settings = reader->settings;
    size_t at = 0;

    if (settings->command == &tp__command_help) {
        settings->topic = reader->operand_count > 0 ? reader->operands[at++] : NULL;
    }
    enum tp_result result = reader_place_address(reader, &at);

    if (result == TP_OK) {
        result = reader_place_number(reader, &at);
    }
    if (result == TP_OK) {
        result = reader_place_uris(reader, &at);
    }
    if (result == TP_OK && settings->command->takes_body && at < reader->operand_count) {
        settings->body = reader->operands[at++];
    }
    if (result == TP_OK && at < reader->operand_count) {
        result = complain(reader, "\"%s\" is one word too many%s", reader->operands[at],
                          settings->command->takes_body ? "; quote a body that has spaces" : "");
    }
    return result;
}

static enum tp_result
reader_place_address(struct options_reader *reader, size_t *at)
{
    struct tp_settings *settings = reader->settings;
    const struct tp_command *command = settings->command;
    const char *word = *at < reader->operand_count ? reader->operands[*at] : NULL;
    const char *address = NULL;

    if (!command->takes_address) {
        return TP_OK;
    }
    /* A number alone is a port, but where it may be a session. */
    if (word != NULL && !is_uri(word) && (!command->takes_number || strchr(word, ':') != NULL)) {
        settings->has_address = true;
        address = word;
        ++*at;
    }
    if (address == NULL && command->is_for_operators) {
        address = reader->get_environment("TELEPORT_CONTROL");
    }
    if (address == NULL || *address == '\0') {
        address = reader->get_environment("TELEPORT_ADDRESS");
    }
    if (address == NULL || *address == '\0') {
        address = "127.0.0.1:9090";
    }
    if (!set_address(settings, address)) {
        return complain(reader, "\"%s\" is no address (host:port or unix:/path)%s", address,
                        command->uris_max > 0 ? " and no URI, which begins with \"/\"" : "");
    }
    return TP_OK;
}

/* A file that is named beats the environment. */
static void
reader_take_credentials(struct options_reader *reader)
{
    const char *said = reader->get_environment("TELEPORT_CREDENTIALS");

    if (reader->settings->credentials_file == NULL && said != NULL && *said != '\0') {
        reader->settings->credentials = said;
    }
}

static enum tp_result
reader_place_number(struct options_reader *reader, size_t *at)
{
    struct tp_settings *settings = reader->settings;
    const char *rest;
    int64_t number;

    if (!settings->command->takes_number || *at == reader->operand_count) {
        return TP_OK;
    }
    const char *word = reader->operands[(*at)++];

    if (!read_integer(word, &number, &rest) || *rest != '\0' || number < 0) {
        return complain(reader, "\"%s\" is no number of a session; tp sessions shows them", word);
    }
    settings->number = (uint64_t) number;
    settings->has_number = true;
    return TP_OK;
}

static enum tp_result
reader_place_uris(struct options_reader *reader, size_t *at)
{
    struct tp_settings *settings = reader->settings;
    const struct tp_command *command = settings->command;

    while (settings->uri_count < command->uris_max && *at < reader->operand_count
           && is_uri(reader->operands[*at])) {
        settings->uris[settings->uri_count++] = reader->operands[(*at)++];
    }
    if (settings->uri_count < command->uris_min) {
        return complain(reader, "a URI is missing, such as /math/add: tp %s %s", command->name,
                        command->operands);
    }
    return TP_OK;
}

/* What the table cannot say: options that need or exclude each other. */
static enum tp_result
reader_check(struct options_reader *reader)
{
    const struct tp_settings *settings = reader->settings;
    const struct tp_command *command = settings->command;
    int answers = (settings->exec != NULL) + (settings->file != NULL) + settings->does_echo;

    if (command == &tp__command_serve && answers != 1) {
        return complain(reader, "tp serve needs one of --exec, --file and --echo");
    }
    if (command == &tp__command_close && settings->has_number == (settings->target_id != NULL)) {
        return complain(reader, "tp close needs the number of a session, or --id");
    }
    if (command == &tp__command_inflight && settings->target_number != 0
        && settings->target_id != NULL) {
        return complain(reader, "--session and --id exclude each other");
    }
    if (settings->header_codec != 0 && strchr("jp", settings->header_codec) == NULL) {
        return complain(reader, "--header-codec is protobuf or json");
    }
    if (settings->filters != NULL && strlen(settings->filters) > TP_SEND_FILTERS_MAX) {
        return complain(reader, "--filters takes at most %d letters", TP_SEND_FILTERS_MAX);
    }
    if (settings->is_raw && settings->is_pretty) {
        return complain(reader, "--raw and --pretty exclude each other");
    }
    if (settings->is_quiet && settings->is_verbose) {
        return complain(reader, "--quiet and --verbose exclude each other");
    }
    if (settings->threads > settings->sessions) {
        return complain(reader, "--threads is larger than --sessions, so some had nothing to do");
    }
    if (settings->sessions * settings->depth > OPTIONS_IN_FLIGHT_MAX) {
        return complain(reader, "--sessions times --depth is more than %d", OPTIONS_IN_FLIGHT_MAX);
    }
    return TP_OK;
}

/* "9090" and ":9090" are ports of this machine. */
static bool
set_address(struct tp_settings *settings, const char *address)
{
    bool is_port = *address != '\0' && strspn(address, "0123456789") == strlen(address);
    const char *front = is_port ? "127.0.0.1:" : *address == ':' ? "127.0.0.1" : "";
    int len = snprintf(settings->address, sizeof(settings->address), "%s%s", front, address);

    return len > 0 && (size_t) len < sizeof(settings->address)
           && strchr(settings->address, ':') != NULL;
}

static bool
is_uri(const char *word)
{
    return word[0] == '/' || strcmp(word, "*") == 0;
}

static enum tp_result
complain(struct options_reader *reader, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(reader->complaint, TP_COMPLAINT_MAX, format, args);
    va_end(args);
    return TP_INVALID;
}

/* By its name, or its letter where `name` is NULL; without a command only what all have. */
static const struct tp_option *
find_option(const struct tp_command *command, const char *name, char letter)
{
    for (const struct tp_option *option = tp__options; option->name != NULL; option++) {
        bool is_it = name != NULL ? strcmp(option->name, name) == 0 : option->letter == letter;
        bool is_known = command != NULL ? tp__option_is_of(option, command)
                                        : (option->groups & TP_OPTIONS_COMMON) != 0;

        if (is_it && is_known) {
            return option;
        }
    }
    return NULL;
}

static bool
read_integer(const char *text, int64_t *number, const char **rest)
{
    const char *digits = text + (*text == '-');
    char *end;

    if (*digits < '0' || *digits > '9') {
        return false;
    }
    errno = 0;
    *number = strtoll(text, &end, 10);
    *rest = end;
    return errno == 0;
}

static bool
read_size(const char *text, int64_t *bytes)
{
    static const char units[] = "kmg";
    const char *rest;

    if (!read_integer(text, bytes, &rest)) {
        return false;
    }
    const char *unit = *rest == '\0' ? NULL : strchr(units, *rest | 0x20);

    if (*rest != '\0' && (unit == NULL || rest[1] != '\0')) {
        return false;
    }
    int shift = unit == NULL ? 0 : 10 * (int) (unit - units + 1);

    if (*bytes > INT64_MAX >> shift || *bytes < 0) {
        return false;
    }
    *bytes <<= shift;
    return true;
}

/* "500ms", "1m30s": a unit must be there, as in the configuration. */
static bool
read_duration(const char *text, int64_t *total)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
    int64_t number;

    *total = 0;
    do {
        size_t i = 0;

        if (!read_integer(text, &number, &text) || number < 0) {
            return false;
        }
        size_t len = strspn(text, "dhms");

        while (i < TP_COUNT_OF(units)
               && (strlen(units[i].name) != len || memcmp(units[i].name, text, len) != 0)) {
            i++;
        }
        if (i == TP_COUNT_OF(units) || number > (INT64_MAX - *total) / units[i].ms) {
            return false;
        }
        *total += number * units[i].ms;
        text += len;
    } while (*text != '\0');
    return true;
}

static bool
read_codec(const char *text, uint8_t *codec)
{
    *codec = tp_codec_of_name((struct tp_str){ text, strlen(text) });
    if (*codec != TP_CODEC_NONE) {
        return true;
    }
    *codec = (uint8_t) text[0];
    return text[0] != '\0' && text[1] == '\0';
}

/* As many slips as a third of the word's letters, and one, are forgiven. */
static struct options_nearest
nearest_to(const char *written)
{
    return (struct options_nearest){ .written = written, .distance = strlen(written) / 3 + 2 };
}

static void
nearest_offer(struct options_nearest *nearest, const char *candidate)
{
    size_t written_len = strlen(nearest->written);
    size_t candidate_len = strlen(candidate);

    if (written_len >= OPTIONS_WORD_MAX || candidate_len >= OPTIONS_WORD_MAX) {
        return;
    }
    size_t distance = distance_of(nearest->written, written_len, candidate, candidate_len);

    if (distance < nearest->distance && distance < candidate_len) {
        nearest->distance = distance;
        nearest->name = candidate;
    }
}

/* How many letters must be inserted, removed or replaced, row by row of the usual table. */
static size_t
distance_of(const char *left, size_t left_len, const char *right, size_t right_len)
{
    size_t row[OPTIONS_WORD_MAX];

    for (size_t column = 0; column <= right_len; column++) {
        row[column] = column;
    }
    for (size_t line = 1; line <= left_len; line++) {
        size_t diagonal = row[0];

        row[0] = line;
        for (size_t column = 1; column <= right_len; column++) {
            size_t above = row[column];
            size_t best = diagonal + (left[line - 1] != right[column - 1]);

            best = above + 1 < best ? above + 1 : best;
            best = row[column - 1] + 1 < best ? row[column - 1] + 1 : best;
            row[column] = best;
            diagonal = above;
        }
    }
    return row[right_len];
}

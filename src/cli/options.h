/*
 * cli/options.h - the command line: one table of options, from which come parsing, --help,
 * "did you mean", the reference and the manual page.
 */
#ifndef TP_CLI_OPTIONS_H
#define TP_CLI_OPTIONS_H

#include "cli/command.h"

#include <teleport/base.h>

#include <stdio.h>

enum {
    TP_URIS_MAX = 64,
    TP_COMPLAINT_MAX = 512,
    TP_TARGET_MAX = 300, /* bytes of an address, its terminator too */
};

/* What a command is told: operands and options.  Texts are borrowed from the command line. */
struct tp_settings {
    const struct tp_command *command;
    const char *topic;           /* of help; NULL: none */
    char address[TP_TARGET_MAX]; /* "host:port" or "unix:/path" */
    bool has_address;            /* it was given, and is not the default */
    const char *uris[TP_URIS_MAX];
    size_t uri_count;
    const char *body; /* as given: text, @file or -; NULL: none */
    uint64_t number;  /* of a session */
    bool has_number;

    /* TP_OPTIONS_COMMON */
    bool wants_help;
    bool wants_version;
    bool is_quiet;
    bool is_verbose;
    bool has_no_color;

    /* TP_OPTIONS_CONNECT */
    struct tp_msec timeout;
    int64_t redial;
    const char *credentials_file;
    const char *credentials; /* of the environment; NULL where there is a file */
    const char *auth_uri;
    struct tp_msec heartbeat;
    const char *id; /* TP_OPTIONS_ID */
    const char *authority;
    const char *certificate;
    const char *key;
    const char *server_name;
    bool is_insecure;

    /* TP_OPTIONS_SEND */
    uint8_t header_codec;
    uint8_t body_codec;
    int64_t gzip;
    const char *metadata;
    const char *filters;
    uint8_t accept_codec;
    struct tp_size packet_limit;

    /* TP_OPTIONS_SHOW, TP_OPTIONS_JSON */
    bool is_raw;
    bool is_pretty;
    bool is_json;

    /* TP_OPTIONS_LISTEN */
    const char *listen;
    int64_t count;

    /* TP_OPTIONS_SERVE */
    const char *exec;
    const char *file;
    bool does_echo;
    int64_t jobs;
    int64_t queue;
    const char *service; /* that is announced; NULL: none */
    int64_t weight;

    /* TP_OPTIONS_BENCH */
    int64_t sessions;
    int64_t depth;
    int64_t rate;
    int64_t threads;
    struct tp_msec duration;
    struct tp_msec warm_up;
    struct tp_size size;
    bool does_push;
    int64_t server_pid;

    /* TP_OPTIONS_PING */
    struct tp_msec interval;

    /* TP_OPTIONS_SESSIONS, TP_OPTIONS_CLOSE */
    const char *target_id;
    const char *id_prefix;
    const char *remote;
    const char *source;
    int64_t page;
    const char *reason;
    bool may_return;

    /* TP_OPTIONS_INFLIGHT, with target_id; TP_OPTIONS_TOP */
    int64_t limit;
    int64_t target_number; /* 0: any session */
    const char *uri_prefix;
    struct tp_msec older;
    bool is_batch;
    const char *view;
    const char *sort;

    /* TP_OPTIONS_TRACE, with target_id, target_number and remote */
    const char *uri_pattern;
    const char *status;
    struct tp_msec slower;
    struct tp_msec trace_time;
    bool wants_bodies;

    /* TP_OPTIONS_HASH, with target_id */
    int64_t cost;
};

enum tp_option_kind {
    TP_OPTION_FLAG,
    TP_OPTION_TEXT,
    TP_OPTION_INTEGER,
    TP_OPTION_SIZE,
    TP_OPTION_DURATION,
    TP_OPTION_CODEC,
};

/* What a field of the settings must be for an option of that kind to be stored there. */
struct tp_option {
    const char *name;  /* without the dashes */
    char letter;       /* 0: none */
    const char *value; /* its name in the usage; NULL for a flag */
    enum tp_option_kind kind;
    size_t offset; /* in struct tp_settings */
    const char *preset;
    int64_t min; /* of a number; unused while max is 0 */
    int64_t max;
    unsigned groups; /* where it belongs to */
    const char *brief;
};

/* The options, in the order of the manual; a NULL name ends the list. */
extern const struct tp_option tp__options[];

/* What is read from the environment: a name and what it is for; a NULL name ends the list. */
struct tp_environment_variable {
    const char *name;
    const char *brief;
};
extern const struct tp_environment_variable tp__environment[];

/* True when the command takes the option. */
bool tp__option_is_of(const struct tp_option *option, const struct tp_command *command);

/*
 * What the option is unless the command line says otherwise, in `text`; "" when that is
 * nothing worth saying.  Returns `text`.
 */
const char *tp__option_preset(const struct tp_option *option, const struct tp_command *command,
                              char *text, size_t len);

/* What reads the environment: getenv(), or a test's. */
typedef char *(*tp_getenv_fn)(const char *name);

/*
 * Reads the command line.  TP_INVALID: `complaint` (of TP_COMPLAINT_MAX bytes) says what is
 * wrong.  settings->command is NULL when none was named, which is right only with --help or
 * --version.
 */
enum tp_result tp__options_parse(int argc, char **argv, tp_getenv_fn get_environment,
                                 struct tp_settings *settings, char *complaint) TP_MUST_CHECK;

#endif

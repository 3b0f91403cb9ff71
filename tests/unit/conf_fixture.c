/*
 * conf_fixture.c - a small server's directive tables, and files in memory.
 *
 * Runs in: the unit tests of src/conf.  Read next: tests/unit/conf/mistakes.c.
 */
#include "conf_fixture.h"

#include "base/str.h"

#include <errno.h>

enum {
    FIXTURE_FILES_MAX = 40,
};

static enum tp_result fixture_read_file(struct tp_conf_loader *loader, const char *path,
                                        struct tp_text *answer);
static enum tp_result fixture_expand(struct tp_conf_loader *loader, const char *pattern,
                                     struct tp_text *answer);
static enum tp_result fixture_get_variable(struct tp_conf_loader *loader, const char *name,
                                           struct tp_text *answer);
static const char *sample_port_parse(struct tp_str text, void *field);
static void sample_server_validate(const struct tp_block *block, void *conf);

void
tp__conf_fixture_open(struct tp_conf_fixture *fixture, const char *text,
                      const struct sample_file *files)
{
    static struct sample_file all[FIXTURE_FILES_MAX + 1];
    size_t count = 1;

    all[0] = (struct sample_file){ "teleport.conf", text };
    for (; files != NULL && files->path != NULL; files++) {
        all[count++] = *files;
    }
    all[count] = (struct sample_file){ NULL, NULL };
    *fixture = (struct tp_conf_fixture){
        .loader = { fixture_read_file, fixture_expand, fixture_get_variable },
        .files = all,
        .options = {
            .modules = sample_modules,
            .run_variables = sample_variables,
            .file = "teleport.conf",
            .prefix = "/srv/teleport/",
            .directives = "",
        },
    };
    fixture->options.loader = &fixture->loader;
}

void
tp__conf_fixture_close(struct tp_conf_fixture *fixture)
{
    tp__conf_destroy(&fixture->conf);
    tp__text_fini(&fixture->messages);
}

void
tp__conf_fixture_load(struct tp_conf_fixture *fixture)
{
    enum tp_result result = tp__conf_load(&fixture->options, &fixture->messages, &fixture->conf);

    ck_assert_str_eq(tp__text_get(&fixture->messages).data, "");
    ck_assert_int_eq(result, TP_OK);
}

void
tp__conf_fixture_expect(const char *text, const struct sample_file *files, const char *messages)
{
    static const struct tp_absent_directive absent[] = {
        { "limit_conn", "limit" },
        { NULL, NULL },
    };
    struct tp_conf_fixture fixture;

    tp__conf_fixture_open(&fixture, text, files);
    fixture.options.absent = absent;
    enum tp_result result = tp__conf_load(&fixture.options, &fixture.messages, &fixture.conf);

    ck_assert_str_eq(tp__text_get(&fixture.messages).data, messages);
    ck_assert_int_eq(result, messages[0] == '\0' ? TP_OK : TP_INVALID);
    ck_assert_int_eq(fixture.conf == NULL, messages[0] != '\0');
    tp__conf_fixture_close(&fixture);
}

void *
tp__conf_fixture_main(struct tp_conf_fixture *fixture, const struct tp_module *module)
{
    return tp_block_conf(tp__conf_root(fixture->conf), module);
}

const struct tp_block *
tp__conf_fixture_server(struct tp_conf_fixture *fixture, size_t index)
{
    const struct tp_block *peer = tp_block_first(tp__conf_root(fixture->conf), TP_IN_PEER);
    const struct tp_block *server = tp_block_first(peer, TP_IN_SERVER);

    while (index > 0) {
        server = tp_block_next(server);
        index--;
    }
    return server;
}

static enum tp_result
fixture_read_file(struct tp_conf_loader *loader, const char *path, struct tp_text *answer)
{
    struct tp_conf_fixture *fixture = TP_CONTAINER_OF(loader, struct tp_conf_fixture, loader);

    for (const struct sample_file *file = fixture->files; file->path != NULL; file++) {
        if (strcmp(file->path, path) == 0) {
            tp__text_append(answer, tp__str(file->text));
            return TP_OK;
        }
    }
    errno = ENOENT;
    return TP_NOT_FOUND;
}

/* Knows patterns that end in '*' only. */
static enum tp_result
fixture_expand(struct tp_conf_loader *loader, const char *pattern, struct tp_text *answer)
{
    struct tp_conf_fixture *fixture = TP_CONTAINER_OF(loader, struct tp_conf_fixture, loader);

    if (strchr(pattern, '[') != NULL) {
        return TP_DENIED;
    }
    for (const struct sample_file *file = fixture->files; file->path != NULL; file++) {
        if (strncmp(file->path, pattern, strcspn(pattern, "*")) == 0) {
            tp__text_printf(answer, "%s\n", file->path);
        }
    }
    return TP_OK;
}

static enum tp_result
fixture_get_variable(struct tp_conf_loader *loader, const char *name, struct tp_text *answer)
{
    (void) loader;
    if (strcmp(name, "hostname") == 0) {
        tp__text_append(answer, TP_STR("here"));
        return TP_OK;
    }
    if (strcmp(name, "env_PORT") == 0) {
        tp__text_append(answer, TP_STR("7070"));
        return TP_OK;
    }
    return TP_NOT_FOUND;
}

static const char *
sample_port_parse(struct tp_str text, void *field)
{
    struct sample_port *port = field;
    int64_t number;

    port->is_local = tp__str_starts_with(text, TP_STR("local:"));
    if (tp__str_to_int64(tp__str_skip(text, port->is_local ? 6 : 0), &number) != TP_OK || number < 1
        || number > 65535) {
        return "a port such as 9090 or local:9090";
    }
    port->port = (int) number;
    return NULL;
}

static void
sample_server_validate(const struct tp_block *block, void *conf)
{
    struct sample_server *server = conf;
    const struct sample_listen *listens = server->listens.items;

    if (tp_block_context(block) == TP_IN_MAIN && tp_block_first(block, TP_IN_PEER) == NULL) {
        tp_conf_complain(block, "peer", 0, "there is no \"peer\"");
    }
    if (tp_block_context(block) != TP_IN_SERVER) {
        return;
    }
    if (server->listens.count == 0) {
        tp_conf_complain(block, "listen", 0, "this server listens nowhere");
    }
    for (size_t i = 1; i < server->listens.count; i++) {
        if (listens[i].port.port == listens[0].port.port) {
            tp_conf_complain(block, "listen", i, "port %d is listened on already at %s",
                             listens[i].port.port, tp__conf_origin(block, "listen", 0));
        }
    }
}

static const struct tp_custom_type sample_port_type = {
    .word = "port",
    .parse = sample_port_parse,
};

static const struct tp_word sample_auto[] = { { "auto", 0 }, { NULL, 0 } };
static const struct tp_word sample_off[] = { { "off", 0 }, { NULL, 0 } };
static const struct tp_word sample_stderr[] = { { "stderr", 0 }, { NULL, 0 } };

static const struct tp_word sample_levels[] = {
    { "error", 1 },
    { "notice", 2 },
    { "debug", 3 },
    { NULL, 0 },
};

static const struct tp_argument sample_log_arguments[] = {
    { .name = "file", TP_PATH(struct sample_core, log_path), .words = sample_stderr,
      .preset = "logs/error.log", .brief = "Where messages go." },
    { .name = "level", .kind = TP_ARGUMENT_OPTIONAL,
      TP_WORD(struct sample_core, log_level, sample_levels), .preset = "notice",
      .brief = "The least severe ones." },
    { .name = "buffer", .kind = TP_ARGUMENT_NAMED, TP_SIZE(struct sample_core, log_buffer),
      .preset = "4k", .max = "1m", .brief = "How much is collected." },
    { .name = "flush", .kind = TP_ARGUMENT_SWITCH, TP_FLAG(struct sample_core, log_flushed),
      .brief = "Whether each line is written at once." },
};

static const struct tp_directive sample_core_directives[] = {
    { .name = "daemon", .where = TP_IN_MAIN, TP_FLAG(struct sample_core, daemon), .preset = "on",
      .applies = TP_APPLIES_RESTART, .since = "0.1", .brief = "Whether it goes on by itself." },
    { .name = "worker_processes", .where = TP_IN_MAIN,
      TP_NUMBER(struct sample_core, worker_processes), .words = sample_auto, .preset = "auto",
      .min = "1", .max = "256", .since = "0.1", .brief = "How many workers serve." },
    { .name = "shutdown_timeout", .where = TP_IN_MAIN,
      TP_TIME(struct sample_core, shutdown_timeout), .words = sample_off, .preset = "30s",
      .min = "1s", .since = "0.1", .brief = "How long a stop may take." },
    { .name = "pid", .where = TP_IN_MAIN, TP_PATH(struct sample_core, pid), .since = "0.1",
      .brief = "Where the process id is written." },
    { .name = "error_log", .where = TP_IN_MAIN | TP_IN_SERVER, TP_ARGUMENTS(sample_log_arguments),
      .since = "0.1", .brief = "Where messages go, and which." },
    { .name = "events", .where = TP_IN_MAIN, TP_OPENS(TP_IN_EVENTS), .takes_nothing = true,
      .since = "0.1", .brief = "How the event loops run." },
};

static const struct tp_directive sample_events_directives[] = {
    { .name = "worker_connections", .where = TP_IN_EVENTS,
      TP_NUMBER(struct sample_events, worker_connections), .preset = "512", .min = "16",
      .applies = TP_APPLIES_NEW_WORKERS, .since = "0.1",
      .brief = "The most sessions of one worker." },
};

static const struct tp_argument sample_listen_arguments[] = {
    { .name = "address", TP_CUSTOM(struct sample_listen, port, struct sample_port,
                                   &sample_port_type),
      .brief = "A port." },
    { .name = "backlog", .kind = TP_ARGUMENT_NAMED, TP_NUMBER(struct sample_listen, backlog),
      .preset = "511", .min = "1", .max = "65535", .brief = "How many may wait." },
    { .name = "reuseport", .kind = TP_ARGUMENT_SWITCH, TP_FLAG(struct sample_listen, reuseport),
      .brief = "Whether each worker has its own socket." },
};

static const struct tp_directive sample_server_directives[] = {
    { .name = "peer", .where = TP_IN_MAIN, TP_OPENS(TP_IN_PEER), .may_repeat = true,
      TP_TEXT(struct sample_server, peer_name), .applies = TP_APPLIES_NEW_WORKERS,
      .since = "0.1", .brief = "One end." },
    { .name = "server", .where = TP_IN_PEER, TP_OPENS(TP_IN_SERVER), .may_repeat = true,
      .takes_nothing = true, .since = "0.1", .brief = "A set of addresses." },
    { .name = "listen", .where = TP_IN_SERVER,
      TP_REPEATED(struct sample_server, listens, struct sample_listen),
      TP_ARGUMENTS(sample_listen_arguments), .since = "0.1", .brief = "An address." },
    { .name = "allow", .where = TP_IN_PEER | TP_IN_SERVER,
      TP_REPEATED(struct sample_server, allowed, struct tp_str), .type = TP_VALUE_TEXT,
      .since = "0.1", .brief = "Who may connect." },
    { .name = "nodelay", .where = TP_IN_MAIN | TP_IN_SERVER,
      TP_FLAG(struct sample_server, nodelay), .preset = "on",
      .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1", .brief = "Whether TCP waits." },
};

static const struct tp_directive sample_echo_directives[] = {
    { .name = "echo_reply_max", .where = TP_IN_PEER | TP_IN_SERVER,
      TP_SIZE(struct sample_echo, reply_max), .preset = "64k", .min = "1", .max = "16m",
      .since = "0.1", .brief = "Largest reply body; longer pulls are refused with 413." },
    { .name = "echo_delay", .where = TP_IN_PEER | TP_IN_SERVER,
      TP_TIME(struct sample_echo, delay), .since = "0.2",
      .brief = "How long a reply is held back." },
    { .name = "echo_greeting", .where = TP_IN_PEER | TP_IN_SERVER,
      TP_TEXT(struct sample_echo, greeting), .since = "0.1", .brief = "What is said first." },
    { .name = "echo_mirror", .where = TP_IN_PEER | TP_IN_SERVER,
      TP_CUSTOM(struct sample_echo, mirror, struct sample_port, &sample_port_type),
      .since = "0.1", .brief = "Where replies go too." },
    { .name = "echo_reply", .where = TP_IN_PEER | TP_IN_SERVER,
      TP_TEMPLATE(struct sample_echo, reply), .preset = "$uri: \\$${status}", .since = "0.1",
      .brief = "What is said of each." },
};

const struct tp_module sample_core_module = {
    .name = "core",
    .brief = "Processes and logs.",
    .conf_size = sizeof(struct sample_core),
    TP_DIRECTIVES(sample_core_directives),
};

const struct tp_module sample_events_module = {
    .name = "events",
    .brief = "Event loops.",
    .conf_size = sizeof(struct sample_events),
    TP_DIRECTIVES(sample_events_directives),
};

const struct tp_module sample_server_module = {
    .name = "server",
    .brief = "What is served.",
    .conf_size = sizeof(struct sample_server),
    TP_DIRECTIVES(sample_server_directives),
    .validate = sample_server_validate,
};

const struct tp_module sample_echo_module = {
    .name = "echo",
    .brief = "Answers with the body it received.",
    .conf_size = sizeof(struct sample_echo),
    TP_DIRECTIVES(sample_echo_directives),
};

static const struct tp_run_variable sample_variable_rows[] = {
    { "uri", false, "What was asked for." },
    { "status", false, "How that ended." },
    { "arg_", true, "One of its arguments." },
};

const struct tp_run_variables sample_variables = { sample_variable_rows, 3 };

static const struct tp_module *const sample_module_table[] = {
    &sample_core_module,
    &sample_events_module,
    &sample_server_module,
    &sample_echo_module,
};

const struct tp_module_list sample_modules = { sample_module_table,
                                               TP_COUNT_OF(sample_module_table) };

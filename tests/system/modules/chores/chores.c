/*
 * chores.c - a handler that shows what a module has of its worker: for tests of teleport/home.h.
 * Built as a module from outside the tree.
 *
 * Runs in: worker.
 */
#include <teleport/module.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct chores_conf {
    int what;
    struct tp_str lease;
};

enum {
    CHORES_ECHO_WATCHED, /* answers with what came back through a watched pair of sockets */
    CHORES_TELL,         /* tells the body to the other workers */
    CHORES_TOLD,         /* answers what this worker was last told */
    CHORES_LEASE,        /* answers whether this worker has the lease */
    CHORES_BYTES_MAX = 64,
    CHORES_ANSWER_MAX = 256,
};

/* What it keeps of each worker. */
struct chores {
    unsigned start_count; /* of confs that have begun */
    uint64_t told_count;
    unsigned told_by;
    char told[CHORES_BYTES_MAX + 1]; /* the first bytes of it */
    size_t told_len;                 /* all of it */
    struct chore *leases;            /* of confs that name one */
};

struct chore {
    struct chore *next;
    struct tp_sessions *home;
    const struct chores_conf *conf; /* of which the chore is */
    struct tp_home_lease *lease;
    unsigned gained_count;
    unsigned lost_count;
};

/* A body on its way. */
struct errand {
    struct tp_exchange *exchange;
    struct tp_home_watch *watch;
    int ends[2];
};

static enum tp_result chores_start(struct tp_sessions *home, const void *module_conf);
static void chores_stop(struct tp_sessions *home, const void *module_conf);
static void chores_on_told(struct tp_sessions *home, unsigned from_slot, struct tp_str bytes);
static void chores_handle(struct tp_exchange *exchange, const void *module_conf);
static void chores_tell(struct tp_exchange *exchange, struct tp_str bytes);
static struct chores *chores_get(struct tp_sessions *home);
static enum tp_result chores_add_lease(struct tp_sessions *home, struct chores *chores,
                                       const struct chores_conf *conf);
static void chores_on_gained(struct tp_home_lease *lease, void *owner);
static void chores_on_lost(struct tp_home_lease *lease, void *owner);
static void chores_answer_lease(struct tp_exchange *exchange, const struct chores_conf *conf);
static void chores_answer_told(struct tp_exchange *exchange);
static void chores_run_errand(struct tp_exchange *exchange, struct tp_str bytes);
static void errand_on_ready(struct tp_home_watch *watch, bool is_readable, bool is_writable,
                            void *owner);

static const struct tp_word chores_words[] = {
    { "echo-watched", CHORES_ECHO_WATCHED },
    { "tell", CHORES_TELL },
    { "told", CHORES_TOLD },
    { "lease", CHORES_LEASE },
    { NULL, 0 },
};

static const struct tp_directive chores_directives[] = {
    {
        .name = "chores", .where = TP_IN_ROUTE, TP_WORD(struct chores_conf, what, chores_words),
        .preset = "told", .since = "0.1",
        .brief = "Shows what a module has of its worker.",
    },
    {
        .name = "chores_lease", .where = TP_IN_ROUTE, TP_TEXT(struct chores_conf, lease),
        .preset = "", .since = "0.1",
        .brief = "The name of a lease that the worker wants.",
    },
};

static const struct tp_log_id chores_log_ids[] = {
    { "chores-gained", "A worker has the lease of this name." },
    { "chores-lost", "A worker has the lease of this name no more." },
};

const struct tp_module tp_module_chores = {
    .name = "chores",
    .brief = "Shows what a module has of its worker.",
    .conf_size = sizeof(struct chores_conf),
    TP_DIRECTIVES(chores_directives),
    TP_LOG_IDS(chores_log_ids),
    .run_after = "",
    .start = chores_start,
    .stop = chores_stop,
    .on_told = chores_on_told,
    .handler = "chores",
    .handle = chores_handle,
};

static enum tp_result
chores_start(struct tp_sessions *home, const void *module_conf)
{
    const struct chores_conf *conf = module_conf;
    struct chores *chores = chores_get(home);

    if (chores == NULL) {
        return TP_NO_MEMORY;
    }
    chores->start_count++;
    enum tp_result result = conf->lease.len == 0 ? TP_OK : chores_add_lease(home, chores, conf);

    if (result != TP_OK) {
        chores_stop(home, conf);
    }
    return result;
}

static void
chores_stop(struct tp_sessions *home, const void *module_conf)
{
    struct chores *chores = tp_home_data_get(home, &tp_module_chores);

    for (struct chore **at = &chores->leases; *at != NULL; at = &(*at)->next) {
        struct chore *chore = *at;

        if (chore->conf == module_conf) {
            tp_home_lease_destroy(&chore->lease);
            *at = chore->next;
            free(chore);
            break;
        }
    }
    if (--chores->start_count == 0) {
        enum tp_result result = tp_home_data_set(home, &tp_module_chores, NULL);

        TP_ASSERT(result == TP_OK);
        free(chores);
    }
}

/* What it keeps of the worker, made if there is none. */
static struct chores *
chores_get(struct tp_sessions *home)
{
    struct chores *chores = tp_home_data_get(home, &tp_module_chores);

    if (chores != NULL) {
        return chores;
    }
    chores = calloc(1, sizeof(*chores));
    if (chores != NULL && tp_home_data_set(home, &tp_module_chores, chores) != TP_OK) {
        free(chores);
        return NULL;
    }
    return chores;
}

static enum tp_result
chores_add_lease(struct tp_sessions *home, struct chores *chores, const struct chores_conf *conf)
{
    struct chore *chore = calloc(1, sizeof(*chore));

    if (chore == NULL) {
        return TP_NO_MEMORY;
    }
    *chore = (struct chore){ .next = chores->leases, .home = home, .conf = conf };
    chore->lease = tp_home_lease_create(home, conf->lease, chores_on_gained, chores_on_lost, chore);
    if (chore->lease == NULL) {
        free(chore);
        return TP_INVALID;
    }
    chores->leases = chore;
    return TP_OK;
}

static void
chores_on_gained(struct tp_home_lease *lease, void *owner)
{
    struct chore *chore = owner;

    TP_ASSERT(tp_home_lease_is_held(lease) && chore->gained_count == chore->lost_count);
    chore->gained_count++;
    tp_log_info(tp_home_log(chore->home), "chores-gained", "name=%s slot=%u",
                chore->conf->lease.data, tp_home_slot(chore->home));
}

static void
chores_on_lost(struct tp_home_lease *lease, void *owner)
{
    struct chore *chore = owner;

    chore->lost_count++;
    TP_ASSERT(!tp_home_lease_is_held(lease) && chore->gained_count == chore->lost_count);
    tp_log_info(tp_home_log(chore->home), "chores-lost", "name=%s slot=%u", chore->conf->lease.data,
                tp_home_slot(chore->home));
}

static void
chores_on_told(struct tp_sessions *home, unsigned from_slot, struct tp_str bytes)
{
    struct chores *chores = tp_home_data_get(home, &tp_module_chores);
    size_t kept = bytes.len < CHORES_BYTES_MAX ? bytes.len : CHORES_BYTES_MAX;

    if (chores == NULL) {
        return; /* It has not begun, or has ended. */
    }
    chores->told_count++;
    chores->told_by = from_slot;
    chores->told_len = bytes.len;
    if (kept > 0) {
        memcpy(chores->told, bytes.data, kept);
    }
    chores->told[kept] = '\0';
}

static void
chores_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct chores_conf *conf = module_conf;
    struct tp_str body;
    enum tp_result result = tp_exchange_read_body(exchange, &body);

    if (result != TP_OK) {
        tp_exchange_refuse_result(exchange, result);
    } else if (conf->what == CHORES_ECHO_WATCHED) {
        chores_run_errand(exchange, body);
    } else if (conf->what == CHORES_TELL) {
        chores_tell(exchange, body);
    } else if (conf->what == CHORES_LEASE) {
        chores_answer_lease(exchange, conf);
    } else {
        chores_answer_told(exchange);
    }
}

static void
chores_tell(struct tp_exchange *exchange, struct tp_str bytes)
{
    struct tp_sessions *home = tp_exchange_home(exchange);
    enum tp_result result = tp_home_tell(home, &tp_module_chores, bytes);
    char answer[CHORES_ANSWER_MAX];
    int len = snprintf(answer, sizeof(answer), "{\"slot\":%u,\"result\":\"%s\"}",
                       tp_home_slot(home), tp_result_word(result));

    tp_exchange_reply_copy(exchange, (struct tp_str){ answer, (size_t) len }, TP_CODEC_JSON);
}

static void
chores_answer_told(struct tp_exchange *exchange)
{
    struct tp_sessions *home = tp_exchange_home(exchange);
    const struct chores *chores = tp_home_data_get(home, &tp_module_chores);
    char answer[CHORES_ANSWER_MAX];
    int len = snprintf(answer, sizeof(answer),
                       "{\"slot\":%u,\"count\":%llu,\"by\":%u,\"told\":\"%s\",\"len\":%zu}",
                       tp_home_slot(home), (unsigned long long) chores->told_count, chores->told_by,
                       chores->told, chores->told_len);

    tp_exchange_reply_copy(exchange, (struct tp_str){ answer, (size_t) len }, TP_CODEC_JSON);
}

static void
chores_answer_lease(struct tp_exchange *exchange, const struct chores_conf *conf)
{
    struct tp_sessions *home = tp_exchange_home(exchange);
    struct chores *chores = tp_home_data_get(home, &tp_module_chores);
    char answer[CHORES_ANSWER_MAX];

    for (const struct chore *chore = chores->leases; chore != NULL; chore = chore->next) {
        if (chore->conf != conf) {
            continue;
        }
        int len =
            snprintf(answer, sizeof(answer), "{\"slot\":%u,\"held\":%s,\"gained\":%u,\"lost\":%u}",
                     tp_home_slot(home), tp_home_lease_is_held(chore->lease) ? "true" : "false",
                     chore->gained_count, chore->lost_count);

        tp_exchange_reply_copy(exchange, (struct tp_str){ answer, (size_t) len }, TP_CODEC_JSON);
        return;
    }
    tp_exchange_refuse_result(exchange, TP_NOT_FOUND);
}

/* Writes when that can be done, and answers when what was written has come out at the other end. */
static void
chores_run_errand(struct tp_exchange *exchange, struct tp_str bytes)
{
    struct errand *errand = calloc(1, sizeof(*errand));

    if (errand == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, errand->ends) != 0) {
        free(errand);
        tp_exchange_refuse_result(exchange, TP_NO_DESCRIPTORS);
        return;
    }
    errand->exchange = exchange;
    errand->watch =
        tp_home_watch_create(tp_exchange_home(exchange), errand->ends[0], errand_on_ready, errand);
    TP_ASSERT(errand->watch != NULL);
    TP_ASSERT(tp_home_watch_want(errand->watch, true, false) == TP_OK);
    TP_ASSERT(write(errand->ends[1], bytes.data, bytes.len) == (ssize_t) bytes.len);
    tp_exchange_keep(exchange);
}

static void
errand_on_ready(struct tp_home_watch *watch, bool is_readable, bool is_writable, void *owner)
{
    struct errand *errand = owner;
    char bytes[CHORES_ANSWER_MAX];

    TP_ASSERT(watch == errand->watch && is_readable && !is_writable);
    ssize_t len = read(errand->ends[0], bytes, sizeof(bytes));

    TP_ASSERT(len > 0);
    tp_exchange_reply_copy(errand->exchange, (struct tp_str){ bytes, (size_t) len },
                           TP_CODEC_PLAIN);
    tp_home_watch_destroy(&errand->watch);
    close(errand->ends[0]);
    close(errand->ends[1]);
    free(errand);
}

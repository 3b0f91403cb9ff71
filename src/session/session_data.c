/*
 * session_data.c - what modules keep of sessions: one block for each module that has something to
 * keep, with its data and a timer.
 *
 * Few modules keep anything, so a session's blocks are a list, and are found by walking it.
 *
 * Runs in: worker; a program's thread with the library.  Owns: the blocks.
 * Read next: teleport/session_data.h.
 */
#include <teleport/module.h>

#include "base/str.h"
#include "session/record.h"

#include <stdlib.h>
#include <string.h>

enum {
    RTT_SMOOTHING = 8, /* of a new time an eighth counts, as TCP has it (RFC 6298) */
};

/*
 * A block as it is saved: its module's name, when it wants to be looked at (CLOCK_MONOTONIC; 0: it
 * does not), and what the module makes of its data.
 */
enum {
    SAVED_LEN_BYTES = 4,
    SAVED_DUE_BYTES = 8,
    SAVED_FIXED_BYTES = 2 * SAVED_LEN_BYTES + SAVED_DUE_BYTES,
};

struct tp_session_part {
    struct tp_session_part *next;
    struct tp_session *session;
    const struct tp_module *module;
    struct tp_timer timer;
    max_align_t data[];
};

struct saved_part {
    struct tp_str module;
    int64_t due_ms;
    struct tp_str data;
};

static struct tp_session_part *part_find(const struct tp_session *session,
                                         const struct tp_module *module);
static const struct tp_keeping_use *module_use(const struct tp_session *session,
                                               const struct tp_module *module);
static void part_on_time(struct tp_timer *timer);
static void part_free(struct tp_session_part *part);
static enum tp_result part_save(const struct tp_session_part *part, struct tp_buf_pool *pool,
                                struct tp_chain *saved);
static enum tp_result part_restore(struct tp_session *session, const struct saved_part *saved);
static const struct tp_module *module_find(const struct tp_session *session, struct tp_str name);
static bool saved_take_part(struct tp_str *rest, struct saved_part *part);

void *
tp_session_data_get(const struct tp_session *session, const struct tp_module *module)
{
    struct tp_session_part *part = part_find(session, module);

    return part == NULL ? NULL : part->data;
}

void *
tp_session_data_make(struct tp_session *session, const struct tp_module *module)
{
    struct tp_session_part *part = part_find(session, module);

    if (part != NULL) {
        return part->data;
    }
    part = calloc(1, sizeof(*part) + module->session.size);
    if (part == NULL) {
        return NULL;
    }
    part->session = session;
    part->module = module;
    tp__timer_init(&part->timer, part_on_time);
    part->next = session->parts;
    session->parts = part;
    return part->data;
}

const void *
tp_session_conf(const struct tp_session *session, const struct tp_module *module)
{
    const struct tp_keeping_use *use = module_use(session, module);

    return use == NULL ? NULL : use->conf;
}

void
tp_session_wake(struct tp_session *session, const struct tp_module *module, struct tp_msec delay)
{
    struct tp_session_part *part = part_find(session, module);

    TP_ASSERT(part != NULL && module->session.on_time != NULL);
    if (delay.ms > 0) {
        tp__loop_start_timer(session->sessions->loop, &part->timer, delay.ms);
    } else {
        tp__loop_stop_timer(session->sessions->loop, &part->timer);
    }
}

int64_t
tp_session_now_ms(const struct tp_session *session)
{
    return tp__loop_now_ms(session->sessions->loop);
}

int64_t
tp_session_now_us(const struct tp_session *session)
{
    return tp__loop_now_us(session->sessions->loop);
}

int64_t
tp_session_heard_ms(const struct tp_session *session)
{
    bool is_read_from = !session->is_behind && !tp__session_must_pause(session);

    return is_read_from ? session->heard_ms : tp_session_now_ms(session);
}

int64_t
tp_session_spoken_ms(const struct tp_session *session)
{
    return tp__session_since_ms(session->spoken_at, tp_session_now_ms(session));
}

unsigned
tp_session_abilities(const struct tp_session *session)
{
    return tp__session_protocol(session)->abilities;
}

void
tp_session_note_rtt(struct tp_session *session, int64_t rtt_us)
{
    int64_t before_us = session->rtt_us;
    int64_t bounded_us = rtt_us < 1 ? 1 : rtt_us > UINT32_MAX ? UINT32_MAX : rtt_us;

    session->rtt_us =
        (uint32_t) (before_us == 0 ? bounded_us
                                   : before_us + (bounded_us - before_us) / RTT_SMOOTHING);
}

int64_t
tp_session_rtt_us(const struct tp_session *session)
{
    return session->rtt_us;
}

enum tp_result
tp__session_save_parts(const struct tp_session *session, struct tp_saved_writer *writer)
{
    struct tp_buf_pool *pool = &session->sessions->pool;
    struct tp_chain saved = { 0 };
    enum tp_result result = TP_OK;

    for (const struct tp_session_part *part = session->parts; part != NULL && result == TP_OK;
         part = part->next) {
        result = part_save(part, pool, &saved);
    }
    if (result == TP_OK && saved.len > 0) {
        tp__saved_put_chain(writer, TP_SAVED_PARTS, &saved);
    }
    tp_chain_clear(&saved);
    return result;
}

bool
tp__session_parts_are_sane(struct tp_str saved)
{
    struct saved_part part;

    while (saved.len > 0) {
        if (!saved_take_part(&saved, &part)) {
            return false;
        }
    }
    return true;
}

enum tp_result
tp__session_restore_parts(struct tp_session *session, struct tp_str saved)
{
    struct saved_part part;
    enum tp_result result = TP_OK;

    while (result == TP_OK && saved_take_part(&saved, &part)) {
        result = part_restore(session, &part);
    }
    return result;
}

void
tp__session_parts_rebind(struct tp_session *session)
{
    const struct tp_server *server = session->source->server;

    for (size_t i = 0; i < server->keeping_count; i++) {
        const struct tp_keeping_use *use = &server->keepings[i];

        if (use->module->session.on_conf != NULL) {
            use->module->session.on_conf(session, use->conf);
        }
    }
}

void
tp__session_parts_identified(struct tp_session *session)
{
    const struct tp_server *server = session->source->server;

    for (size_t i = 0; i < server->keeping_count; i++) {
        const struct tp_keeping_use *use = &server->keepings[i];

        if (use->module->session.on_identity != NULL) {
            use->module->session.on_identity(session, use->conf);
        }
    }
}

void
tp__session_parts_restored(struct tp_session *session)
{
    for (struct tp_session_part *part = session->parts; part != NULL; part = part->next) {
        if (part->module->session.on_restored != NULL) {
            part->module->session.on_restored(session, part->data,
                                              module_use(session, part->module)->conf);
        }
    }
}

void
tp__session_parts_free(struct tp_session *session)
{
    while (session->parts != NULL) {
        struct tp_session_part *part = session->parts;

        session->parts = part->next;
        tp__loop_stop_timer(session->sessions->loop, &part->timer);
        part_free(part);
    }
}

static struct tp_session_part *
part_find(const struct tp_session *session, const struct tp_module *module)
{
    struct tp_session_part *part = session->parts;

    while (part != NULL && part->module != module) {
        part = part->next;
    }
    return part;
}

/* The module as the configuration has it that the session has now; NULL: it has not. */
static const struct tp_keeping_use *
module_use(const struct tp_session *session, const struct tp_module *module)
{
    const struct tp_server *server = session->source->server;

    for (size_t i = 0; i < server->keeping_count; i++) {
        if (server->keepings[i].module == module) {
            return &server->keepings[i];
        }
    }
    return NULL;
}

static void
part_on_time(struct tp_timer *timer)
{
    struct tp_session_part *part = TP_CONTAINER_OF(timer, struct tp_session_part, timer);
    const struct tp_keeping_use *use = module_use(part->session, part->module);

    if (use != NULL) {
        part->module->session.on_time(part->session, part->data, use->conf);
    }
}

static void
part_free(struct tp_session_part *part)
{
    if (part->module->session.end != NULL) {
        part->module->session.end(part->data);
    }
    free(part);
}

static enum tp_result
part_save(const struct tp_session_part *part, struct tp_buf_pool *pool, struct tp_chain *saved)
{
    struct tp_str name = tp__str(part->module->name);
    struct tp_chain data = { 0 };
    uint8_t fixed[SAVED_LEN_BYTES + SAVED_DUE_BYTES];
    uint8_t len[SAVED_LEN_BYTES];
    enum tp_result result = part->module->session.save(part->data, pool, &data);

    tp__saved_write_big_endian(fixed, name.len, SAVED_LEN_BYTES);
    tp__saved_write_big_endian(fixed + SAVED_LEN_BYTES,
                               part->timer.is_running ? (uint64_t) part->timer.deadline_ms : 0,
                               SAVED_DUE_BYTES);
    tp__saved_write_big_endian(len, data.len, SAVED_LEN_BYTES);
    const struct tp_str texts[] = {
        { (const char *) fixed, sizeof(fixed) },
        name,
        { (const char *) len, sizeof(len) },
    };

    for (size_t i = 0; i < TP_COUNT_OF(texts) && result == TP_OK; i++) {
        result = tp_chain_append_copy(saved, pool, texts[i]);
    }
    if (result == TP_OK) {
        result = tp_chain_move(saved, &data, data.len);
    }
    tp_chain_clear(&data);
    return result;
}

/* What nobody here keeps, or understands, is forgotten. */
static enum tp_result
part_restore(struct tp_session *session, const struct saved_part *saved)
{
    const struct tp_module *module = module_find(session, saved->module);

    if (module == NULL) {
        return TP_OK;
    }
    void *data = tp_session_data_make(session, module);
    enum tp_result result =
        data == NULL ? TP_NO_MEMORY : module->session.restore(data, saved->data);

    if (result == TP_INVALID) {
        memset(data, 0, module->session.size);
        return TP_OK;
    }
    if (result == TP_OK && saved->due_ms != 0) {
        int64_t delay_ms = saved->due_ms - tp_session_now_ms(session);

        tp_session_wake(session, module, (struct tp_msec){ delay_ms > 0 ? delay_ms : 1 });
    }
    return result;
}

static const struct tp_module *
module_find(const struct tp_session *session, struct tp_str name)
{
    const struct tp_server *server = session->source->server;

    for (size_t i = 0; i < server->keeping_count; i++) {
        if (tp__str_equal(tp__str(server->keepings[i].module->name), name)) {
            return server->keepings[i].module;
        }
    }
    return NULL;
}

static bool
saved_take_part(struct tp_str *rest, struct saved_part *part)
{
    if (rest->len < SAVED_FIXED_BYTES) {
        return false;
    }
    uint64_t name_len = tp__saved_read_big_endian(rest->data, SAVED_LEN_BYTES);

    part->due_ms =
        (int64_t) tp__saved_read_big_endian(rest->data + SAVED_LEN_BYTES, SAVED_DUE_BYTES);
    *rest = tp__str_skip(*rest, SAVED_LEN_BYTES + SAVED_DUE_BYTES);
    if (part->due_ms < 0 || name_len > rest->len - SAVED_LEN_BYTES) {
        return false;
    }
    part->module = (struct tp_str){ rest->data, (size_t) name_len };
    *rest = tp__str_skip(*rest, (size_t) name_len);
    uint64_t data_len = tp__saved_read_big_endian(rest->data, SAVED_LEN_BYTES);

    *rest = tp__str_skip(*rest, SAVED_LEN_BYTES);
    if (data_len > rest->len) {
        return false;
    }
    part->data = (struct tp_str){ rest->data, (size_t) data_len };
    *rest = tp__str_skip(*rest, (size_t) data_len);
    return true;
}

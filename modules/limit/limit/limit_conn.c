/*
 * limit_conn.c - how many sessions there may be: from one address, of one id, in all.
 *
 * An entry has a count for each worker slot, of which each worker writes its own; so what a dead
 * worker has counted is made zero by its successor, when it begins, and a worker that takes a
 * configuration over counts what it has anew.  A table whose size has changed is another one:
 * there each session is counted when it gets its new conf, as it leaves the old one's; so it does
 * where that has not the rule any more.
 *
 * By address a session is counted when it is accepted; by id when it has proved that.
 */
#include "limit.h"

#include <string.h>

/* The value of a key. */
struct conn_entry {
    uint32_t counts[LIMIT_SLOTS];
};

/* What a worker counts anew. */
struct conn_recount {
    const struct limit_conn *conn;
    unsigned slot;
};

static bool conn_is_idle(const void *value, int64_t now_ms);
static void conn_check(void *value);
static bool conn_charge(struct tp_session *session, struct limit_session *data,
                        const struct limit_conn *conn, bool is_dry_run);
static bool conn_charge_all(struct tp_session *session, struct limit_session *data,
                            const struct limit_conf *conf, bool is_dry_run);
static bool conn_charge_id(struct tp_session *session, struct limit_session *data,
                           const struct limit_conf *conf, bool is_dry_run);
static bool conn_refuse(const struct tp_session *session, const struct limit_conn *conn,
                        bool is_dry_run, const char *what);
static void conn_uncharge(struct tp_session *session, struct limit_session *data,
                          const struct limit_conn *conn);
static void conn_uncharge_all(struct tp_session *session, struct limit_session *data);
static void conn_move(struct tp_session *session, struct limit_session *data,
                      const struct limit_conn *from, const struct limit_conf *conf);
static void conn_count(struct tp_session *session, struct limit_session *data,
                       const struct limit_conn *conn);
static uint32_t conn_tag(const struct limit_conn *conn);
static bool conn_has_table_of(const struct limit_conn *conn, const struct limit_conn *other);
static const struct limit_conn *conf_find_conn(const struct limit_conf *conf, uint32_t tag);
static struct tp_str conn_key(const struct tp_session *session, const struct limit_session *data,
                              const struct limit_conn *conn, char *text);
static uint32_t *session_charge_at(struct limit_session *data, uint32_t tag);
static bool session_learn_id(const struct tp_session *session, struct limit_session *data);
static void conn_recount(struct tp_sessions *home, const struct limit_conn *conn);
static bool conn_clear_slot(struct tp_str key, void *value, void *owner);
static void conn_count_session(struct tp_session *session, void *owner);

const struct tp_table_layout limit_conn_layout = {
    .version = 1,
    .value_size = sizeof(struct conn_entry),
    .is_idle = conn_is_idle,
    .check = conn_check,
};

enum tp_verdict
limit_conn_on_accept(struct tp_hook_call *call, const void *module_conf)
{
    const struct limit_conf *conf = module_conf;

    if (conf->totals.count + conf->conns.count == 0) {
        return TP_PASS;
    }
    struct limit_session *data = tp_session_data_make(call->session, &tp_module_limit);

    if (data == NULL) {
        call->refusal = tp_status_of(TP_STATUS_SERVICE_UNAVAILABLE);
        return TP_REFUSE;
    }
    if (!conn_charge_all(call->session, data, conf, conf->is_dry_run)) {
        conn_uncharge_all(call->session, data);
        tp_session_end(call->session, TP_CLOSE_LIMIT_REACHED);
        return TP_REFUSE;
    }
    return TP_PASS;
}

enum tp_verdict
limit_conn_on_disconnect(struct tp_hook_call *call, const void *module_conf)
{
    struct limit_session *data = tp_session_data_get(call->session, &tp_module_limit);

    (void) module_conf;
    if (data != NULL) {
        conn_uncharge_all(call->session, data);
    }
    return TP_PASS;
}

/* Only sessions that were counted when they came, and by the id that they have proved first. */
void
limit_conn_on_identity(struct tp_session *session, const void *module_conf)
{
    const struct limit_conf *conf = module_conf;
    struct limit_session *data = tp_session_data_get(session, &tp_module_limit);

    if (data == NULL) {
        return;
    }
    limit_rate_forget_places(data);
    if (!conn_charge_id(session, data, conf, conf->is_dry_run)) {
        tp_session_end(session, TP_CLOSE_LIMIT_REACHED);
    }
}

/* Whoever is there already stays, however many there are. */
void
limit_conn_on_restored(struct tp_session *session, void *kept, const void *module_conf)
{
    conn_charge_all(session, kept, module_conf, true);
    conn_charge_id(session, kept, module_conf, true);
}

/* The old conf is still there. */
void
limit_conn_on_conf(struct tp_session *session, const void *module_conf)
{
    struct limit_session *data = tp_session_data_get(session, &tp_module_limit);

    if (data == NULL || data->conf == NULL) {
        return;
    }
    const struct limit_conf *before = data->conf;
    const struct tp_items *groups[] = { &before->totals, &before->conns };

    for (size_t group = 0; group < TP_COUNT_OF(groups); group++) {
        const struct limit_conn *conns = groups[group]->items;

        for (size_t i = 0; i < groups[group]->count; i++) {
            conn_move(session, data, &conns[i], module_conf);
        }
    }
    data->conf = module_conf;
}

void
limit_conn_start(struct tp_sessions *home, const struct limit_conf *conf)
{
    const struct tp_items *groups[] = { &conf->totals, &conf->conns };

    for (size_t group = 0; group < TP_COUNT_OF(groups); group++) {
        const struct limit_conn *conns = groups[group]->items;

        for (size_t i = 0; i < groups[group]->count; i++) {
            if (!conns[i].rule.state->is_counted) {
                conns[i].rule.state->is_counted = true;
                conn_recount(home, &conns[i]);
            }
        }
    }
}

static bool
conn_is_idle(const void *value, int64_t now_ms)
{
    const struct conn_entry *entry = value;
    uint32_t any = 0;

    (void) now_ms;
    for (unsigned slot = 0; slot < LIMIT_SLOTS; slot++) {
        any |= entry->counts[slot];
    }
    return any == 0;
}

/*
 * Each worker writes its own count only, at once: those of the others are what they were, and that
 * of the dead one is made zero by its successor.
 */
static void
conn_check(void *value)
{
    (void) value;
}

/* Counts the session by the rule; false: there are too many, and it is not counted. */
static bool
conn_charge(struct tp_session *session, struct limit_session *data, const struct limit_conn *conn,
            bool is_dry_run)
{
    char text[TP_ADDRESS_TEXT_MAX];
    struct tp_sessions *home = tp_session_get_handle(session).home;
    uint32_t *free_charge = session_charge_at(data, 0);
    uint64_t total = 0;
    void *value;

    if (free_charge == NULL) {
        return true;
    }
    data->conf = tp_session_conf(session, &tp_module_limit);
    enum tp_result result = tp_table_enter(conn->rule.table, conn_key(session, data, conn, text),
                                           tp_session_now_ms(session), &value);

    if (result == TP_FULL && conn->by == LIMIT_BY_ADDRESS) {
        /* Each entry has sessions: who opens them from many addresses is not to be bounded else. */
        return conn_refuse(session, conn, is_dry_run, "table-full");
    }
    if (result != TP_OK) {
        tp_meter_add(&conn->rule.uncounted, 1);
        limit_log(&conn->rule, session, "table-full");
        return true;
    }
    struct conn_entry *entry = value;

    for (unsigned slot = 0; slot < LIMIT_SLOTS; slot++) {
        total += entry->counts[slot];
    }
    bool is_let_in = total < (uint64_t) conn->max || is_dry_run;

    if (is_let_in) {
        entry->counts[tp_home_slot(home)]++;
        *free_charge = conn_tag(conn);
    }
    tp_table_leave(conn->rule.table, &value);
    return total < (uint64_t) conn->max || conn_refuse(session, conn, is_dry_run, "refused");
}

/* By all rules that need no id; false: one says that there are too many. */
static bool
conn_charge_all(struct tp_session *session, struct limit_session *data,
                const struct limit_conf *conf, bool is_dry_run)
{
    const struct tp_items *groups[] = { &conf->totals, &conf->conns };

    for (size_t group = 0; group < TP_COUNT_OF(groups); group++) {
        const struct limit_conn *conns = groups[group]->items;

        for (size_t i = 0; i < groups[group]->count; i++) {
            if (conns[i].by != LIMIT_BY_ID && !conn_charge(session, data, &conns[i], is_dry_run)) {
                return false;
            }
        }
    }
    return true;
}

/* By the id, once there is one; false: there are too many of it. */
static bool
conn_charge_id(struct tp_session *session, struct limit_session *data,
               const struct limit_conf *conf, bool is_dry_run)
{
    const struct limit_conn *conns = conf->conns.items;

    if (data->id_len > 0 || !session_learn_id(session, data)) {
        return true;
    }
    for (size_t i = 0; i < conf->conns.count; i++) {
        if (conns[i].by == LIMIT_BY_ID && !conn_charge(session, data, &conns[i], is_dry_run)) {
            return false;
        }
    }
    return true;
}

/* Tells of it; true where it is let in all the same. */
static bool
conn_refuse(const struct tp_session *session, const struct limit_conn *conn, bool is_dry_run,
            const char *what)
{
    tp_meter_add(is_dry_run ? &conn->rule.would_refuse : &conn->rule.refused, 1);
    limit_log(&conn->rule, session, is_dry_run ? "would-refuse" : what);
    return is_dry_run;
}

static void
conn_uncharge(struct tp_session *session, struct limit_session *data, const struct limit_conn *conn)
{
    char text[TP_ADDRESS_TEXT_MAX];
    struct tp_sessions *home = tp_session_get_handle(session).home;
    uint32_t *charge = session_charge_at(data, conn_tag(conn));
    void *value;

    if (charge == NULL) {
        return;
    }
    *charge = 0;
    if (tp_table_find(conn->rule.table, conn_key(session, data, conn, text), &value) != TP_OK) {
        return;
    }
    uint32_t *count = &((struct conn_entry *) value)->counts[tp_home_slot(home)];

    *count -= *count > 0 ? 1 : 0;
    if (conn_is_idle(value, 0)) {
        tp_table_remove(conn->rule.table, &value);
    } else {
        tp_table_leave(conn->rule.table, &value);
    }
}

static void
conn_uncharge_all(struct tp_session *session, struct limit_session *data)
{
    if (data->conf == NULL) {
        return;
    }
    const struct tp_items *groups[] = { &data->conf->totals, &data->conf->conns };

    for (size_t group = 0; group < TP_COUNT_OF(groups); group++) {
        const struct limit_conn *conns = groups[group]->items;

        for (size_t i = 0; i < groups[group]->count; i++) {
            conn_uncharge(session, data, &conns[i]);
        }
    }
}

/* Goes from a rule of the old conf to that of the new one, if it has it, whatever its bound. */
static void
conn_move(struct tp_session *session, struct limit_session *data, const struct limit_conn *from,
          const struct limit_conf *conf)
{
    const struct limit_conn *to = conf_find_conn(conf, conn_tag(from));

    if (session_charge_at(data, conn_tag(from)) == NULL
        || (to != NULL && conn_has_table_of(to, from))) {
        return;
    }
    conn_uncharge(session, data, from);
    if (to != NULL) {
        *session_charge_at(data, 0) = conn_tag(to);
        conn_count(session, data, to);
    }
}

static void
conn_count(struct tp_session *session, struct limit_session *data, const struct limit_conn *conn)
{
    char text[TP_ADDRESS_TEXT_MAX];
    struct tp_sessions *home = tp_session_get_handle(session).home;
    void *value;

    if (tp_table_enter(conn->rule.table, conn_key(session, data, conn, text),
                       tp_session_now_ms(session), &value)
        == TP_OK) {
        ((struct conn_entry *) value)->counts[tp_home_slot(home)]++;
        tp_table_leave(conn->rule.table, &value);
    }
}

/* Names the rule in sessions: what is counted, and by what; never 0. */
static uint32_t
conn_tag(const struct limit_conn *conn)
{
    uint32_t tag = limit_zone_hash(conn->rule.zone) ^ (uint32_t) conn->by;

    return tag == 0 ? UINT32_MAX : tag;
}

/* Of rules with the same zone: a table of the same size is the same one. */
static bool
conn_has_table_of(const struct limit_conn *conn, const struct limit_conn *other)
{
    return tp_table_capacity(conn->rule.table) == tp_table_capacity(other->rule.table);
}

/* NULL: it has none. */
static const struct limit_conn *
conf_find_conn(const struct limit_conf *conf, uint32_t tag)
{
    const struct tp_items *groups[] = { &conf->totals, &conf->conns };

    for (size_t group = 0; group < TP_COUNT_OF(groups); group++) {
        const struct limit_conn *conns = groups[group]->items;

        for (size_t i = 0; i < groups[group]->count; i++) {
            if (conn_tag(&conns[i]) == tag) {
                return &conns[i];
            }
        }
    }
    return NULL;
}

/* `text` has TP_ADDRESS_TEXT_MAX bytes. */
static struct tp_str
conn_key(const struct tp_session *session, const struct limit_session *data,
         const struct limit_conn *conn, char *text)
{
    if (conn->by == LIMIT_BY_ID) {
        return (struct tp_str){ data->id, data->id_len };
    }
    if (conn->by == LIMIT_BY_NOTHING) {
        return conn->rule.zone;
    }
    struct tp_address customer = tp_address_customer(tp_session_remote(session));

    tp_address_format(&customer, text);
    return (struct tp_str){ text, strlen(text) };
}

/* The charge by the rule with this tag, or a free one for 0; NULL: there is none. */
static uint32_t *
session_charge_at(struct limit_session *data, uint32_t tag)
{
    for (size_t i = 0; i < LIMIT_CHARGES_MAX; i++) {
        if (data->charges[i] == tag) {
            return &data->charges[i];
        }
    }
    return NULL;
}

/* Keeps the id that the session has proved: it is uncounted by the same, whatever becomes of it. */
static bool
session_learn_id(const struct tp_session *session, struct limit_session *data)
{
    const struct tp_identity *identity = tp_session_identity(session);

    if (identity == NULL || identity->id.len == 0) {
        return false;
    }
    struct tp_str id = identity->id;
    size_t kept = id.len <= LIMIT_ID_MAX ? id.len : LIMIT_ID_MAX - sizeof(uint32_t);

    memcpy(data->id, id.data, kept);
    data->id_len = (uint32_t) kept;
    if (kept < id.len) {
        uint32_t hash = limit_zone_hash(id);

        memcpy(data->id + kept, &hash, sizeof(hash));
        data->id_len = LIMIT_ID_MAX;
    }
    return true;
}

/* Makes what this slot has counted what is true of it. */
static void
conn_recount(struct tp_sessions *home, const struct limit_conn *conn)
{
    struct conn_recount recount = { .conn = conn, .slot = tp_home_slot(home) };

    tp_table_each(conn->rule.table, conn_clear_slot, &recount);
    tp_home_each_session(home, conn_count_session, &recount);
}

static bool
conn_clear_slot(struct tp_str key, void *value, void *owner)
{
    const struct conn_recount *recount = owner;

    (void) key;
    ((struct conn_entry *) value)->counts[recount->slot] = 0;
    return !conn_is_idle(value, 0);
}

/* By all rules of its own conf that count it in the table. */
static void
conn_count_session(struct tp_session *session, void *owner)
{
    const struct conn_recount *recount = owner;
    struct limit_session *data = tp_session_data_get(session, &tp_module_limit);

    for (size_t i = 0; data != NULL && data->conf != NULL && i < LIMIT_CHARGES_MAX; i++) {
        const struct limit_conn *own =
            data->charges[i] == 0 ? NULL : conf_find_conn(data->conf, data->charges[i]);

        if (own != NULL && own->rule.zone_hash == recount->conn->rule.zone_hash
            && conn_has_table_of(recount->conn, own)) {
            struct limit_conn counted = *own;

            counted.rule.table = recount->conn->rule.table;
            conn_count(session, data, &counted);
        }
    }
}

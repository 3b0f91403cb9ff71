/*
 * wire.c - what protocols ask of the wire: bytes of their own to send, and rows of filters.
 *
 * Read next: packet/filters.h.
 */
#include <teleport/http_head.h>
#include <teleport/protocol.h>

#include "base/str.h"
#include "packet/filters.h"

/* One step of a row of filters; `size` is the limit of what comes out, or a level. */
typedef enum tp_result (*wire_step_fn)(const struct tp_wire *wire, uint8_t id, int64_t size,
                                       const struct tp_chain *from, struct tp_chain *to);

static enum tp_result wire_step_undo(const struct tp_wire *wire, uint8_t id, int64_t limit,
                                     const struct tp_chain *from, struct tp_chain *to);
static enum tp_result wire_step_undo_front(const struct tp_wire *wire, uint8_t id, int64_t limit,
                                           const struct tp_chain *from, struct tp_chain *to);
static enum tp_result wire_step_apply(const struct tp_wire *wire, uint8_t id, int64_t level,
                                      const struct tp_chain *from, struct tp_chain *to);
static enum tp_result wire_run_row(const struct tp_wire *wire, wire_step_fn step,
                                   const uint8_t *ids, size_t count, int64_t size,
                                   const struct tp_chain *from, struct tp_chain *to);

enum tp_result
tp_wire_send(struct tp_wire *wire, struct tp_str bytes)
{
    return bytes.len == 0 ? TP_OK : tp_chain_append_copy(&wire->own, wire->pool, bytes);
}

const struct tp_protocol *
tp_wire_find_protocol(const struct tp_wire *wire, struct tp_str name)
{
    for (size_t i = 0; i < wire->protocol_count; i++) {
        if (tp__str_equal(tp__str(wire->protocols[i].protocol->name), name)) {
            return wire->protocols[i].protocol;
        }
    }
    return NULL;
}

bool
tp_wire_allows_origin(const struct tp_wire *wire, struct tp_str origin, struct tp_str host)
{
    struct tp_str authority;

    for (size_t i = 0; i < wire->origin_count; i++) {
        if (tp__str_equal(wire->origins[i], origin)
            || tp__str_equal(wire->origins[i], TP_STR("*"))) {
            return true;
        }
    }
    tp__str_cut(origin, ':', &authority);
    return wire->origin_count == 0
           || (authority.len > 2 && tp__str_starts_with(authority, TP_STR("//"))
               && tp_http_is_same(tp__str_skip(authority, 2), host));
}

enum tp_result
tp_wire_unfilter(const struct tp_wire *wire, const uint8_t *ids, size_t count,
                 const struct tp_chain *filtered, struct tp_chain *plain)
{
    return wire_run_row(wire, wire_step_undo, ids, count, (int64_t) wire->limits.packet.bytes,
                        filtered, plain);
}

enum tp_result
tp_wire_unfilter_front(const struct tp_wire *wire, const uint8_t *ids, size_t count,
                       const struct tp_chain *front, struct tp_size limit, struct tp_chain *plain)
{
    return wire_run_row(wire, wire_step_undo_front, ids, count, (int64_t) limit.bytes, front,
                        plain);
}

enum tp_result
tp_wire_filter(const struct tp_wire *wire, const uint8_t *ids, size_t count, int level,
               const struct tp_chain *plain, struct tp_chain *filtered)
{
    uint8_t reversed[TP_PACKET_FILTERS_MAX];

    if (count > sizeof(reversed)) {
        return TP_NOT_FOUND;
    }
    for (size_t i = 0; i < count; i++) {
        reversed[i] = ids[count - 1 - i];
    }
    return wire_run_row(wire, wire_step_apply, reversed, count, level, plain, filtered);
}

static enum tp_result
wire_step_undo(const struct tp_wire *wire, uint8_t id, int64_t limit, const struct tp_chain *from,
               struct tp_chain *to)
{
    return tp__filters_undo(wire->filters, id, from, (struct tp_size){ (uint64_t) limit },
                            wire->pool, to);
}

static enum tp_result
wire_step_undo_front(const struct tp_wire *wire, uint8_t id, int64_t limit,
                     const struct tp_chain *from, struct tp_chain *to)
{
    const struct tp_filter_use *use = tp__filters_find(wire->filters, id);

    if (use == NULL) {
        return TP_NOT_FOUND;
    }
    return use->filter->undo_front == NULL
               ? tp_chain_share(to, from)
               : use->filter->undo_front(use->state, from, (struct tp_size){ (uint64_t) limit },
                                         wire->pool, to);
}

/* A filter without levels takes 0 only. */
static enum tp_result
wire_step_apply(const struct tp_wire *wire, uint8_t id, int64_t level, const struct tp_chain *from,
                struct tp_chain *to)
{
    const struct tp_filter_use *use = tp__filters_find(wire->filters, id);

    if (use == NULL) {
        return TP_NOT_FOUND;
    }
    bool has_levels = use->filter->level_min != use->filter->level_max;

    return use->filter->apply(use->state, has_levels ? (int) level : 0, from, wire->pool, to);
}

static enum tp_result
wire_run_row(const struct tp_wire *wire, wire_step_fn step, const uint8_t *ids, size_t count,
             int64_t size, const struct tp_chain *from, struct tp_chain *to)
{
    struct tp_chain current = { 0 };
    enum tp_result result = tp_chain_share(&current, from);

    for (size_t i = 0; i < count && result == TP_OK; i++) {
        struct tp_chain next = { 0 };

        result = step(wire, ids[i], size, &current, &next);
        tp_chain_clear(&current);
        current = next;
    }
    if (result != TP_OK) {
        tp_chain_clear(&current);
        return result;
    }
    *to = current;
    return TP_OK;
}

/*
 * worker_tell.c - brings what one worker tells to the others: once to each that there is.
 *
 * Runs in: worker.
 * Read next: session/home_tell.c, share/bus.c.
 */
#include "process/worker.h"

enum tp_result
tp__worker_tell_others(void *owner, struct tp_str word, struct tp_str bytes)
{
    struct tp_worker *worker = owner;
    const struct tp_roster *roster = &worker->cycle->shared.roster;
    struct tp_parcel_told told = { .word = word, .bytes = bytes };
    struct tp_parcel parcel;
    enum tp_result result = TP_OK;

    tp__parcel_write_told(&parcel, &told);
    for (unsigned slot = 0; slot < TP_WORKER_SLOTS_MAX; slot++) {
        struct tp_roster_entry entry;

        tp__roster_read(roster, slot, &entry);
        if (slot == worker->slot || entry.state == TP_ROSTER_FREE) {
            continue;
        }
        enum tp_result sent = tp__bus_send_pieces(worker->bus, slot, &parcel.message);

        if (sent != TP_OK) {
            result = sent;
        }
    }
    return result;
}

void
tp__worker_on_told(struct tp_worker *worker, unsigned from_slot, struct tp_str bytes)
{
    struct tp_parcel_told told;
    bool is_sound = tp__parcel_read_told(bytes, &told);

    /* Workers are of one binary: this is no mistake of the world's. */
    TP_ASSERT(is_sound);
    tp__home_on_told(&worker->sessions, from_slot, told.word, told.bytes);
}

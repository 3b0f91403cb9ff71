/*
 * cycle_tickets.c - the tickets of TLS: every worker seals them with keys of the keyring that
 * all workers share, so that a client comes back to any of them, and after a reload.
 *
 * Runs in: workers.  Read next: net/tls_ticket.c, share/keyring.c.
 */
#include "cycle/cycle.h"

#include "base/clock.h"

#include <string.h>

_Static_assert((int) TP_KEYRING_NAME_BYTES == (int) TP_TLS_TICKET_NAME_BYTES, "names are the same");
_Static_assert((int) TP_KEYRING_SECRET_BYTES == 2 * (int) TP_TLS_TICKET_SECRET_BYTES,
               "a key is two secrets");
_Static_assert((TP_KEYRING_KEYS - 1) * (TP_KEYRING_FRESH_MS / 1000) >= TP_TLS_SESSION_LIFE_S,
               "as long as a session may be resumed, the key of its ticket is known");

static void tickets_use(struct tp_cycle *cycle, struct tp_tls_ticket_keys *keys);
static bool tickets_get_newest(struct tp_tls_ticket_keys *keys, struct tp_tls_ticket_key *key);
static bool tickets_find(struct tp_tls_ticket_keys *keys, const uint8_t *name,
                         struct tp_tls_ticket_key *key, bool *is_newest);
static void ticket_key_fill(struct tp_tls_ticket_key *key, struct tp_keyring_key *from);

void
tp__cycle_share_tickets(struct tp_cycle *cycle)
{
    cycle->ticket_keys = (struct tp_tls_ticket_keys){
        .get_newest = tickets_get_newest,
        .find = tickets_find,
    };
    tickets_use(cycle, &cycle->ticket_keys);
}

/* Connections may hold a context for longer than there is a cycle. */
void
tp__cycle_unshare_tickets(struct tp_cycle *cycle)
{
    tickets_use(cycle, NULL);
}

static void
tickets_use(struct tp_cycle *cycle, struct tp_tls_ticket_keys *keys)
{
    for (size_t i = 0; i < cycle->listen_count; i++) {
        struct tp_tls_context *context = cycle->listens[i].source.tls;

        if (context != NULL) {
            tp__tls_context_use_ticket_keys(context, keys);
        }
    }
}

static bool
tickets_get_newest(struct tp_tls_ticket_keys *keys, struct tp_tls_ticket_key *key)
{
    struct tp_cycle *cycle = TP_CONTAINER_OF(keys, struct tp_cycle, ticket_keys);
    struct tp_keyring_key newest;

    tp__keyring_get_newest(&cycle->shared.keyring, tp__clock_monotonic_ms(), &newest);
    ticket_key_fill(key, &newest);
    return true;
}

static bool
tickets_find(struct tp_tls_ticket_keys *keys, const uint8_t *name, struct tp_tls_ticket_key *key,
             bool *is_newest)
{
    struct tp_cycle *cycle = TP_CONTAINER_OF(keys, struct tp_cycle, ticket_keys);
    struct tp_keyring_key found;

    if (!tp__keyring_find(&cycle->shared.keyring, tp__clock_monotonic_ms(), name, &found,
                          is_newest)) {
        return false;
    }
    ticket_key_fill(key, &found);
    return true;
}

/* Takes the two secrets, and forgets where they came from. */
static void
ticket_key_fill(struct tp_tls_ticket_key *key, struct tp_keyring_key *from)
{
    memcpy(key->name, from->name, sizeof(key->name));
    memcpy(key->cipher, from->secret, sizeof(key->cipher));
    memcpy(key->digest, from->secret + sizeof(key->cipher), sizeof(key->digest));
    explicit_bzero(from, sizeof(*from));
}

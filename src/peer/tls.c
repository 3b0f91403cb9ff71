/*
 * tls.c - a peer's TLS: made of the files that its options name, when it first listens or dials
 * with it.
 *
 * Runs in: the peer's thread.  Owns: the contexts, which connections hold, too.
 * Read next: net/tls_context.c, session/session_shell.c.
 */
#include "peer/peer.h"

#include "base/result.h"
#include "base/str.h"
#include "net/dialer.h"
#include "os/file.h"

#include <stdio.h>
#include <string.h>

enum {
    PEM_BYTES_MAX = 16 * 1024 * 1024, /* the system's authorities are less than one */
};

/* What is read while a context is made. */
struct tls_reading {
    struct tp_peer *peer;
    struct tp_text certificate;
    struct tp_text key;
    struct tp_text trusted;
};

static enum tp_result tls_make(struct tp_peer *peer, enum tp_tls_role role,
                               struct tp_tls_context **context);
static enum tp_result reading_read(struct tls_reading *reading, const char *path,
                                   struct tp_text *content);
static void reading_on_complaint(void *owner, const struct tp_tls_complaint *complaint);
static void reading_forget(struct tls_reading *reading);

enum tp_result
tp__peer_tls_accepts(struct tp_peer *peer, struct tp_tls_context **context)
{
    enum tp_result result = TP_OK;

    if (peer->tls_accepts == NULL && peer->options.tls_certificate == NULL) {
        return tp__peer_fail(peer, TP_INVALID, "who listens with TLS needs a tls_certificate");
    }
    if (peer->tls_accepts == NULL) {
        result = tls_make(peer, TP_TLS_ACCEPTS, &peer->tls_accepts);
    }
    *context = peer->tls_accepts;
    return result;
}

enum tp_result
tp__peer_tls_dials(struct tp_peer *peer, const struct tp_target *target, const char *wanted,
                   struct tp_peer_tls *tls)
{
    struct tp_str host = wanted == NULL ? tp__dialer_host(target->address) : tp__str(wanted);
    enum tp_result result = TP_OK;

    if (host.len > TP_TLS_NAME_MAX || (host.len == 0 && !peer->options.tls_trusts_all)) {
        return tp__peer_fail(peer, TP_INVALID,
                             "tls_name has to say whom \"%.*s\" is to reach, in at most %d bytes",
                             TP_STR_ARG(target->address), TP_TLS_NAME_MAX);
    }
    if (peer->tls_dials == NULL) {
        result = tls_make(peer, TP_TLS_DIALS, &peer->tls_dials);
    }
    tls->context = peer->tls_dials;
    snprintf(tls->name, sizeof(tls->name), "%.*s", TP_STR_ARG(host));
    return result;
}

void
tp__peer_tls_fini(struct tp_peer *peer)
{
    tp__tls_context_release(&peer->tls_accepts);
    tp__tls_context_release(&peer->tls_dials);
}

static enum tp_result
tls_make(struct tp_peer *peer, enum tp_tls_role role, struct tp_tls_context **context)
{
    const struct tp_peer_options *options = &peer->options;
    bool accepts = role == TP_TLS_ACCEPTS;
    bool verifies = accepts ? options->tls_wants_clients : !options->tls_trusts_all;
    struct tls_reading reading = { .peer = peer };
    const char *key = options->tls_key == NULL ? options->tls_certificate : options->tls_key;
    enum tp_result result = reading_read(&reading, options->tls_certificate, &reading.certificate);

    if (result == TP_OK) {
        result =
            reading_read(&reading, options->tls_certificate == NULL ? NULL : key, &reading.key);
    }
    if (result == TP_OK && verifies) {
        result = reading_read(&reading, options->tls_trusted, &reading.trusted);
    }
    const struct tp_tls_pair pair = { tp__text_get(&reading.certificate),
                                      tp__text_get(&reading.key) };
    const struct tp_tls_options tls = {
        .role = role,
        .pairs = &pair,
        .pair_count = options->tls_certificate == NULL ? 0 : 1,
        .trusted = tp__text_get(&reading.trusted),
        .verify = verifies ? TP_TLS_VERIFY_ON : TP_TLS_VERIFY_OFF,
        .has_tickets = true,
        .complain = reading_on_complaint,
        .owner = &reading,
    };

    if (result == TP_OK) {
        result = tp__tls_context_create(&tls, context);
    }
    reading_forget(&reading);
    return result;
}

/* No path, no bytes. */
static enum tp_result
reading_read(struct tls_reading *reading, const char *path, struct tp_text *content)
{
    enum tp_result result = path == NULL ? TP_OK : tp__file_read(path, PEM_BYTES_MAX, content);

    return result == TP_OK ? TP_OK
                           : tp__peer_fail(reading->peer, result, "cannot read %s: %s", path,
                                           tp__result_text(result));
}

/* The last one is told; a warning is none here. */
static void
reading_on_complaint(void *owner, const struct tp_tls_complaint *complaint)
{
    const struct tls_reading *reading = owner;
    const struct tp_peer_options *options = &reading->peer->options;
    const char *file = options->tls_certificate;

    if (complaint->is_warning) {
        return;
    }
    if (complaint->part == TP_TLS_PART_KEY && options->tls_key != NULL) {
        file = options->tls_key;
    } else if (complaint->part == TP_TLS_PART_TRUSTED) {
        file = options->tls_trusted;
    }
    tp__peer_fail(reading->peer, TP_INVALID, "%s%s%s", file == NULL ? "" : file,
                  file == NULL ? "" : ": ", complaint->words);
}

static void
reading_forget(struct tls_reading *reading)
{
    if (reading->key.data != NULL) {
        explicit_bzero(reading->key.data, reading->key.capacity);
    }
    tp__text_fini(&reading->certificate);
    tp__text_fini(&reading->key);
    tp__text_fini(&reading->trusted);
}

/*
 * verify.h - what a credential is worth.
 *
 * Read next: gate.h, where credentials come from.
 */
#ifndef TP_AUTH_VERIFY_H
#define TP_AUTH_VERIFY_H

#include "attempts.h"
#include "auth.h"

/* Where a credential was presented. */
enum auth_place {
    AUTH_AT_GUARD, /* as the first thing of a session */
    AUTH_ON_LIVE,  /* in one that is in, to be renewed */
    AUTH_ON_EACH,  /* with a request that proves itself */
};

/* Who presents one, and with what. */
struct auth_claim {
    struct tp_exchange *exchange;
    const struct auth_conf *conf; /* the exchange's configuration holds it */
    struct tp_sessions *home;
    enum auth_place place;

    /* What came of it, later; not called unless auth_verify() has said AUTH_LATER. */
    void (*done)(const struct auth_claim *claim, const struct auth_finding *finding);
};

/*
 * Says what the credential is worth, in *finding, too, whose texts are borrowed until the next call;
 * or AUTH_LATER: the exchange is to be kept, and `done` is called.
 */
enum auth_outcome auth_verify(const struct auth_claim *claim, struct tp_str credential,
                              struct auth_finding *finding) TP_MUST_CHECK;

/* The method by which this identity holds; NULL: none. */
const struct auth_method *auth_method_of(const struct auth_conf *conf,
                                         const struct tp_identity *identity);

/* What waits until others have ended: what a conf has of it, in a worker. */
struct auth_waiting;
struct auth_waiting *auth_waiting_create(void);
void auth_waiting_free(struct auth_waiting **waiting);
enum tp_result auth_waiting_start(struct auth_waiting *waiting,
                                  struct tp_sessions *home) TP_MUST_CHECK;
void auth_waiting_stop(struct auth_waiting *waiting);

#endif

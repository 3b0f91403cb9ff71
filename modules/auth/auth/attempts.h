/*
 * attempts.h - how many wrong attempts an address has made, in all workers together.
 *
 * An attempt counts as wrong from when it begins until it turns out right, so that many at once
 * are not more than many in a row.
 */
#ifndef TP_AUTH_ATTEMPTS_H
#define TP_AUTH_ATTEMPTS_H

#include "auth.h"

enum {
    ATTEMPTS_KEY_MAX = 17,
};

/*
 * Whose they are: an address, or the network that one customer has of IPv6; of length 0 for who has
 * neither, such as a client by a Unix socket: nobody is to be locked out for another one there.
 */
struct attempts_key {
    char bytes[ATTEMPTS_KEY_MAX];
    size_t len;
};

enum attempts_answer {
    ATTEMPTS_MAY,
    ATTEMPTS_WAIT, /* there are enough under way: one of them may turn out right */
    ATTEMPTS_TOO_MANY,
};

/* For `validate`. */
void attempts_declare(const struct tp_block *block, struct auth_conf *conf);

struct attempts_key attempts_key_of(const struct tp_address *address);

/* May one more begin?  With ATTEMPTS_MAY attempts_end() has to follow. */
enum attempts_answer attempts_begin(const struct auth_conf *conf, const struct attempts_key *key,
                                    int64_t now_ms) TP_MUST_CHECK;

/*
 * For one that is over at once, with nothing in between: may it be made; and it was wrong, with
 * the same answer as attempts_end_wrong().
 */
bool attempts_may(const struct auth_conf *conf, const struct attempts_key *key, int64_t now_ms);
bool attempts_add_wrong(const struct auth_conf *conf, const struct attempts_key *key,
                        int64_t now_ms);

/* It was wrong; true: it was the last one that the address had. */
bool attempts_end_wrong(const struct auth_conf *conf, const struct attempts_key *key,
                        int64_t now_ms);

/* It was not. */
void attempts_end(const struct auth_conf *conf, const struct attempts_key *key, int64_t now_ms);

#endif

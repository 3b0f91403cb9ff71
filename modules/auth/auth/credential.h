/*
 * credential.h - the bytes that somebody presents, wherever a protocol has put them.
 */
#ifndef TP_AUTH_CREDENTIAL_H
#define TP_AUTH_CREDENTIAL_H

#include "jwt.h"

enum {
    CREDENTIAL_BYTES_MAX = JWT_BYTES_MAX + 64, /* "Bearer " stands before it */
};

/* A copy: credential_wipe() it. */
struct credential {
    struct tp_str text; /* in bytes */
    char bytes[CREDENTIAL_BYTES_MAX];
};

/*
 * The body of a PULL or AUTH_CALL; false: it is none, or is deflated: who is nobody yet does not
 * make us inflate.
 */
bool credential_read(struct tp_exchange *exchange, struct credential *credential);

/* "Authorization: Bearer X", or Basic; empty where there is no such metadata. */
bool credential_read_authorization(const struct tp_exchange *exchange,
                                   struct credential *credential);

void credential_wipe(struct credential *credential);

#endif

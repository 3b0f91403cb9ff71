/*
 * backend.h - asks a backend who somebody is.
 *
 * Read next: verify.h.
 */
#ifndef TP_AUTH_BACKEND_H
#define TP_AUTH_BACKEND_H

#include "verify.h"

/*
 * Pulls what the conf says, with the credential as its body; `on_reply` as tp_upstream_ask(), whose
 * results these are, or TP_NOT_FOUND: there is no such backend now.
 */
enum tp_result backend_ask(const struct auth_claim *claim, struct tp_str credential,
                           tp_reply_fn on_reply, void *owner) TP_MUST_CHECK;

/*
 * What it has answered: AUTH_GOOD, with an identity that lacks its mark and whose texts lie in
 * finding->facts; AUTH_WRONG; or AUTH_UNANSWERED, which is whatever else.
 */
void backend_answer_read(const struct tp_reply *reply, int64_t now_ms,
                         struct auth_finding *finding);

#endif

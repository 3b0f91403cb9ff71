/*
 * gate.h - where credentials come in, and what becomes of who has presented them.
 *
 * Read next: verify.h.
 */
#ifndef TP_AUTH_GATE_H
#define TP_AUTH_GATE_H

#include "auth.h"

/* The hooks of post_accept, and of the headers of PULLs and PUSHes. */
enum tp_verdict gate_on_accept(struct tp_hook_call *call, const void *module_conf);
enum tp_verdict gate_on_pull(struct tp_hook_call *call, const void *module_conf);
enum tp_verdict gate_on_push(struct tp_hook_call *call, const void *module_conf);

/* True for a packet of a session that is in, unless it may be credentials. */
bool gate_spares(const struct tp_exchange *exchange, const void *module_conf);

/* What the module keeps of a session. */
struct auth_session {
    bool has_no_id; /* it was tried to give it that of its certificate */
    bool is_asked;  /* it is in since before a reload, and has auth_timeout to prove who it is */
};

enum tp_result gate_save(const void *data, struct tp_buf_pool *pool, struct tp_chain *saved);
enum tp_result gate_restore(void *data, struct tp_str saved);

#endif

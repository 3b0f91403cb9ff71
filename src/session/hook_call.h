/*
 * session/hook_call.h - the call of a hook, and of a chain of them.
 *
 * Threads: the loop's.
 * Read next: server/hooks.h (where hooks stand), exchange_hooks.c and session_hooks.c (what a
 * verdict does).
 */
#ifndef TP_SESSION_HOOK_CALL_H
#define TP_SESSION_HOOK_CALL_H

#include "server/hooks.h"

/*
 * Calls one hook, and sees to what its point allows: a refusal of who may only watch is
 * logged and passes; later where that cannot be ends the process.  `log` may be NULL.
 */
enum tp_verdict tp__hook_call(const struct tp_hook_use *use, struct tp_hook_call *call,
                              const struct tp_log *log);

/*
 * Calls the hooks of `chain`, which may be NULL, of a point that cannot say later: all of a
 * point that watches, else up to the first that refuses, with call->refusal; *refused_by,
 * unless it is NULL, is its owner then.
 */
enum tp_verdict tp__hooks_ask(const struct tp_hook_chain *chain, struct tp_hook_call *call,
                              const struct tp_log *log, const char **refused_by);

#endif

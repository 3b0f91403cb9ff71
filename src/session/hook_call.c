/*
 * hook_call.c - the call of one hook, and of a chain.
 *
 * Runs in: worker; a program's thread with the library; the loading process, for post_reg.
 * Read next: exchange_hooks.c and session_hooks.c, which know what a verdict does.
 */
#include "session/hook_call.h"

#include "session/record.h"

static enum tp_verdict hook_run(const struct tp_hook_use *use, struct tp_hook_call *call);
static enum tp_verdict hook_judge(const struct tp_hook_use *use, struct tp_hook_call *call,
                                  enum tp_verdict verdict, const struct tp_log *log);
static void hook_fill_refusal(struct tp_status *refusal);
static void hook_log_refusal(const struct tp_hook_use *use, const struct tp_hook_call *call,
                             const struct tp_log *log);

enum tp_verdict
tp__hook_call(const struct tp_hook_use *use, struct tp_hook_call *call, const struct tp_log *log)
{
    call->refusal = (struct tp_status){ .code = 0 };
    enum tp_verdict verdict = hook_run(use, call);

    return verdict == TP_PASS ? verdict : hook_judge(use, call, verdict, log);
}

enum tp_verdict
tp__hooks_ask(const struct tp_hook_chain *chain, struct tp_hook_call *call,
              const struct tp_log *log, const char **refused_by)
{
    for (size_t i = 0; chain != NULL && i < chain->count; i++) {
        if (tp__hook_call(&chain->uses[i], call, log) == TP_REFUSE) {
            if (refused_by != NULL) {
                *refused_by = chain->uses[i].owner;
            }
            return TP_REFUSE;
        }
    }
    return TP_PASS;
}

/* What a hook calls must not wait for the loop: it may end what its caller works on. */
static enum tp_verdict
hook_run(const struct tp_hook_use *use, struct tp_hook_call *call)
{
    struct tp_sessions *sessions = NULL;

    if (call->exchange != NULL) {
        sessions = call->exchange->sessions;
    } else if (call->session != NULL) {
        sessions = call->session->sessions;
    }
    if (sessions == NULL) {
        return use->run(call, use->conf);
    }
    sessions->callout_count++;
    enum tp_verdict verdict = use->run(call, use->conf);

    sessions->callout_count--;
    return verdict;
}

/* Apart from the call, because most let pass. */
static __attribute__((noinline)) enum tp_verdict
hook_judge(const struct tp_hook_use *use, struct tp_hook_call *call, enum tp_verdict verdict,
           const struct tp_log *log)
{
    enum tp_hook_power power = tp__hook_point_power(call->point);

    hook_fill_refusal(&call->refusal);
    if (verdict == TP_LATER && power != TP_HOOK_POSTPONES && log != NULL) {
        tp_log_alert(log, "hook-cannot-wait", "point=%s module=%s", tp_hook_point_word(call->point),
                     use->owner);
    }
    /* Who says later there waits for something that never comes. */
    TP_ASSERT(verdict != TP_LATER || power == TP_HOOK_POSTPONES);
    if (verdict == TP_REFUSE && log != NULL) {
        hook_log_refusal(use, call, log);
    }
    return power == TP_HOOK_WATCHES ? TP_PASS : verdict;
}

/* It is 403 unless the hook has written another. */
static void
hook_fill_refusal(struct tp_status *refusal)
{
    if (refusal->code == 0) {
        refusal->code = TP_STATUS_FORBIDDEN;
        refusal->text = refusal->text.data == NULL ? tp_status_text(refusal->code) : refusal->text;
    }
    if (refusal->cause.data == NULL) {
        refusal->cause = TP_STR("");
    }
}

static void
hook_log_refusal(const struct tp_hook_use *use, const struct tp_hook_call *call,
                 const struct tp_log *log)
{
    const char *word = tp_hook_point_word(call->point);
    const struct tp_status *refusal = &call->refusal;

    if (tp__hook_point_power(call->point) == TP_HOOK_WATCHES) {
        tp_log_warn(log, "hook-refusal-ignored", "point=%s module=%s status=%d", word, use->owner,
                    (int) refusal->code);
    } else {
        tp_log_info(log, "hook-refused", "point=%s module=%s status=%d text=\"%.*s\"", word,
                    use->owner, (int) refusal->code, (int) refusal->text.len, refusal->text.data);
    }
}

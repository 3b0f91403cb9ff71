/*
 * verify.c - what a credential is worth: tokens on a thread, what was right a moment ago and JWTs
 * at once.
 *
 *     known a moment ago? -> may this address try? -> JWT: its signature
 *                                                  -> token: one scrypt, whoever it names
 *                                                  -> else: what a backend says
 *
 * An address that has as many attempts under way as it may have wrong ones waits for them to end:
 * a thousand honest clients behind one address come in, some at a time.  All addresses together
 * have a part of the threads' queue only: looks at files, and names, go by the same queue, and what
 * a file does not say any more must not stay good as long as a flood lasts.
 *
 * Runs in: worker, and its threads.  Owns: attempts under way, with the secrets in them.
 * Read next: attempts.c, backend.c, cache.c, jwt.c, token_file.c.
 */
#include "verify.h"

#include "backend.h"
#include "cache.h"

#include <openssl/crypto.h>

#include <stdlib.h>
#include <string.h>

enum {
    WAITING_MAX = 4096, /* attempts of one conf, in one worker */
    WAITING_RETRY_MS = 20,
    HASHES_MAX = 8,  /* of one conf, in one worker, that threads are at or have before them */
    ASKED_MAX = 256, /* …that backends are asked for */
};

/* One of a token, or that a backend is asked for, until it is known what it is worth. */
struct auth_attempt {
    struct tp_job job;
    struct auth_attempt *next;      /* that waits, is asked for, or waits for the same answer */
    struct auth_attempt *followers; /* that present the same, while a backend is asked for it */
    struct auth_claim claim;
    struct attempts_key from;
    const struct auth_method *pull; /* who is asked; NULL: it is a token */
    struct tp_secret_hash hash;
    bool is_somebodys; /* else it stands in for a row that is not there */
    bool has_key;
    struct auth_cache_key key;
    uint8_t mark[TP_IDENTITY_MARK_BYTES];
    enum tp_result result;
    struct tp_str id;
    struct tp_str claims;
    struct tp_str secret;
    char texts[]; /* the three */
};

struct auth_waiting {
    struct auth_attempt *first;
    struct auth_attempt **last;
    size_t count;
    size_t hashes; /* that have been submitted, and are not done */
    size_t asked;  /* that backends have not answered yet */
    struct auth_attempt *asking;
    size_t follower_count;
    struct tp_home_timer *timer;
};

static enum auth_outcome verify_cached(const struct auth_claim *claim,
                                       const struct auth_cache_key *key,
                                       struct auth_finding *finding);
static enum auth_outcome verify_jwt(const struct auth_claim *claim, struct tp_str credential,
                                    struct auth_finding *finding);
static enum auth_outcome jwt_find(const struct auth_claim *claim, struct tp_str credential,
                                  struct auth_finding *finding);
static enum auth_outcome verify_token(const struct auth_claim *claim, struct tp_str credential,
                                      const struct auth_cache_key *key);
static enum auth_outcome verify_by_pull(const struct auth_claim *claim, struct tp_str credential,
                                        const struct auth_cache_key *key,
                                        struct auth_finding *finding);
static enum auth_outcome attempt_begin(struct auth_attempt *attempt,
                                       const struct auth_cache_key *key);
static struct auth_attempt *attempt_create(const struct auth_claim *claim, struct tp_str id,
                                           struct tp_str secret);
static const struct token *find_row(const struct auth_conf *conf, struct tp_str id,
                                    struct tp_secret_hash *hash);
static enum auth_outcome attempt_try(struct auth_attempt *attempt);
static enum auth_outcome attempt_ask(struct auth_attempt *attempt);
static struct auth_attempt *asking_find(const struct auth_waiting *waiting,
                                        const struct auth_attempt *attempt);
static void asking_remove(struct auth_waiting *waiting, const struct auth_attempt *attempt);
static enum auth_outcome attempt_follow(struct auth_attempt *attempt, struct auth_attempt *leader);
static void attempt_on_answer(const struct tp_reply *reply, void *owner);
static void attempt_take_answer(struct auth_attempt *attempt, const struct tp_reply *reply,
                                bool is_follower);
static void attempt_run(struct tp_job *job);
static void attempt_done(struct tp_job *job, bool was_run);
static void attempt_find(struct auth_attempt *attempt, struct auth_finding *finding);
static void attempt_finish(struct auth_attempt *attempt, struct auth_finding *finding);
static void attempt_free(struct auth_attempt *attempt);
static bool waiting_add(struct auth_waiting *waiting, struct auth_attempt *attempt);
static void waiting_go_on(struct auth_waiting *waiting);
static void waiting_on_timer(struct tp_home_timer *timer, void *owner);
static void expire_by(struct tp_identity *identity, const struct auth_method *method,
                      int64_t now_ms);
static void keep_in_cache(const struct auth_claim *claim, const struct auth_cache_key *key,
                          const struct tp_identity *identity);
static struct attempts_key remote_key(const struct auth_claim *claim);

enum auth_outcome
auth_verify(const struct auth_claim *claim, struct tp_str credential, struct auth_finding *finding)
{
    const struct auth_conf *conf = claim->conf;
    struct auth_cache_key key;
    bool has_key = conf->cache != NULL && auth_cache_make_key(conf->cache, credential, &key);
    bool is_token = credential.len > 0 && memchr(credential.data, ':', credential.len) != NULL;

    *finding = (struct auth_finding){ .outcome = AUTH_MALFORMED };
    if (credential.len == 0) {
        finding->outcome = AUTH_MISSING;
    } else if (has_key && verify_cached(claim, &key, finding) == AUTH_GOOD) {
        tp_meter_add(&conf->cached, 1);
    } else if (is_token && conf->has_tokens) {
        finding->outcome = verify_token(claim, credential, has_key ? &key : NULL);
    } else if (conf->pull != NULL && (is_token || !conf->has_jwt)) {
        finding->outcome = verify_by_pull(claim, credential, has_key ? &key : NULL, finding);
    } else if (!is_token && conf->has_jwt) {
        finding->outcome = verify_jwt(claim, credential, finding);
        if (finding->outcome == AUTH_GOOD && has_key) {
            keep_in_cache(claim, &key, &finding->identity);
        }
    }
    if (finding->outcome == AUTH_GOOD) {
        expire_by(&finding->identity, auth_method_of(conf, &finding->identity),
                  tp_home_now_ms(claim->home));
    }
    return finding->outcome;
}

const struct auth_method *
auth_method_of(const struct auth_conf *conf, const struct tp_identity *identity)
{
    for (size_t i = 0; i < conf->methods.count; i++) {
        const struct auth_method *method = &auth_methods(conf)[i];
        const uint8_t *mark = method->mark;

        if (method->kind == AUTH_TOKEN) {
            const struct token *row = token_file_find(method->tokens, identity->id);

            mark = row == NULL ? NULL : row->mark;
        }
        if (method->kind != AUTH_OFF && mark != NULL
            && memcmp(mark, identity->mark, sizeof(identity->mark)) == 0) {
            return method;
        }
    }
    return NULL;
}

/* What was right may hold no more. */
static enum auth_outcome
verify_cached(const struct auth_claim *claim, const struct auth_cache_key *key,
              struct auth_finding *finding)
{
    const struct tp_identity *identity =
        auth_cache_find(claim->conf->cache, key, tp_home_now_ms(claim->home));

    if (identity != NULL && auth_method_of(claim->conf, identity) != NULL) {
        finding->outcome = AUTH_GOOD;
        finding->identity = *identity;
    }
    return finding->outcome;
}

static enum auth_outcome
verify_jwt(const struct auth_claim *claim, struct tp_str credential, struct auth_finding *finding)
{
    struct attempts_key from = remote_key(claim);
    int64_t now_ms = tp_home_now_ms(claim->home);

    /* Tokens that are under way say nothing of it: they may all turn out right. */
    if (!attempts_may(claim->conf, &from, now_ms)) {
        return AUTH_LIMITED;
    }
    if (jwt_find(claim, credential, finding) == AUTH_GOOD) {
        return AUTH_GOOD;
    }
    finding->is_last_attempt = attempts_add_wrong(claim->conf, &from, now_ms);
    return AUTH_BAD_TOKEN;
}

/* Of several keys or issuers any may have made it; what is said is why it is not the last one's. */
static enum auth_outcome
jwt_find(const struct auth_claim *claim, struct tp_str credential, struct auth_finding *finding)
{
    int64_t wall_ms = tp_home_wall_ms(claim->home);
    struct jwt_facts *facts = &finding->facts;

    for (size_t i = 0; i < claim->conf->methods.count; i++) {
        const struct auth_method *method = &auth_methods(claim->conf)[i];

        if (method->kind != AUTH_JWT) {
            continue;
        }
        finding->why = jwt_check(&method->rules, credential, wall_ms, facts);
        if (finding->why != NULL) {
            continue;
        }
        finding->identity = (struct tp_identity){
            .id = { facts->id, facts->id_len },
            .method = TP_STR("jwt"),
            .claims = { facts->claims, facts->claims_len },
        };
        memcpy(finding->identity.mark, method->mark, sizeof(method->mark));
        if (facts->expires_s != 0) {
            int64_t left_ms = facts->expires_s * 1000 - wall_ms;

            finding->identity.expires_ms =
                tp_home_now_ms(claim->home) + (left_ms > 1 ? left_ms : 1);
        }
        return AUTH_GOOD;
    }
    return AUTH_BAD_TOKEN;
}

static enum auth_outcome
verify_token(const struct auth_claim *claim, struct tp_str credential,
             const struct auth_cache_key *key)
{
    const char *colon = memchr(credential.data, ':', credential.len);
    struct tp_str id = { credential.data, (size_t) (colon - credential.data) };
    struct tp_str secret = { colon + 1, credential.len - id.len - 1 };

    if (id.len == 0 || id.len > TP_IDENTITY_ID_MAX || secret.len == 0
        || secret.len > TP_SECRET_BYTES_MAX) {
        return AUTH_MALFORMED;
    }
    return attempt_begin(attempt_create(claim, id, secret), key);
}

/* A backend reads them as they are, whatever they look like. */
static enum auth_outcome
verify_by_pull(const struct auth_claim *claim, struct tp_str credential,
               const struct auth_cache_key *key, struct auth_finding *finding)
{
    const struct auth_conf *conf = claim->conf;
    int64_t now_ms = tp_home_now_ms(claim->home);

    if (key != NULL && auth_cache_find(conf->refused, key, now_ms) != NULL) {
        struct attempts_key from = remote_key(claim);

        if (!attempts_may(conf, &from, now_ms)) {
            return AUTH_LIMITED;
        }
        finding->why = "the backend has refused it a moment ago";
        finding->is_last_attempt = attempts_add_wrong(conf, &from, now_ms);
        return AUTH_WRONG;
    }
    struct auth_attempt *attempt = attempt_create(claim, TP_STR(""), credential);

    if (attempt != NULL) {
        attempt->pull = claim->conf->pull;
        memcpy(attempt->mark, attempt->pull->mark, sizeof(attempt->mark));
    }
    return attempt_begin(attempt, key);
}

/* `attempt` is NULL where memory was out. */
static enum auth_outcome
attempt_begin(struct auth_attempt *attempt, const struct auth_cache_key *key)
{
    if (attempt == NULL) {
        return AUTH_BUSY;
    }
    attempt->has_key = key != NULL;
    if (key != NULL) {
        attempt->key = *key;
    }
    enum auth_outcome outcome = attempt_try(attempt);

    if (outcome != AUTH_LATER) {
        attempt_free(attempt);
    }
    return outcome;
}

/* All that the job needs: what it was made from may change while a thread is at it. */
static struct auth_attempt *
attempt_create(const struct auth_claim *claim, struct tp_str id, struct tp_str secret)
{
    struct tp_secret_hash hash;
    const struct token *row = find_row(claim->conf, id, &hash);
    size_t claims_len = row == NULL ? 0 : row->claims.len;
    struct auth_attempt *attempt = calloc(1, sizeof(*attempt) + id.len + secret.len + claims_len);

    if (attempt == NULL) {
        return NULL;
    }
    char *next = attempt->texts;

    attempt->job = (struct tp_job){ .run = attempt_run, .done = attempt_done };
    attempt->claim = *claim;
    attempt->from = remote_key(claim);
    attempt->hash = hash;
    attempt->id = (struct tp_str){ next, id.len };
    next = (char *) memcpy(next, id.data, id.len) + id.len;
    attempt->secret = (struct tp_str){ next, secret.len };
    next = (char *) memcpy(next, secret.data, secret.len) + secret.len;
    attempt->claims = (struct tp_str){ next, claims_len };
    if (row != NULL) {
        attempt->is_somebodys = true;
        memcpy(attempt->mark, row->mark, sizeof(attempt->mark));
        if (claims_len > 0) {
            memcpy(next, row->claims.data, claims_len);
        }
    }
    return attempt;
}

/*
 * The row of the id in the first file that has it.  Nobody is to learn from the time it takes
 * whether there is one: else the hash is another row's, the one that is the most work.
 */
static const struct token *
find_row(const struct auth_conf *conf, struct tp_str id, struct tp_secret_hash *hash)
{
    const struct token *stand_in = NULL;

    for (size_t i = 0; i < conf->methods.count; i++) {
        const struct auth_method *method = &auth_methods(conf)[i];

        if (method->kind != AUTH_TOKEN) {
            continue;
        }
        const struct token *row = token_file_find(method->tokens, id);

        if (row != NULL) {
            *hash = row->hash;
            return row;
        }
        stand_in = tokens_harder(stand_in, token_file_stand_in(method->tokens));
    }
    *hash = stand_in != NULL ? stand_in->hash
                             : (struct tp_secret_hash){
                                   .cost = TP_SECRET_COST_PRESET,
                                   .block_size = 8,
                                   .lanes = 1,
                                   .salt_len = 16,
                                   .sum_len = 32,
                               };
    return NULL;
}

/* AUTH_LATER: the attempt is under way, or waits; else it is the caller's still. */
static enum auth_outcome
attempt_try(struct auth_attempt *attempt)
{
    const struct auth_conf *conf = attempt->claim.conf;
    int64_t now_ms = tp_home_now_ms(attempt->claim.home);
    bool is_full = attempt->pull != NULL ? conf->waiting->asked >= ASKED_MAX
                                         : conf->waiting->hashes >= HASHES_MAX;
    struct auth_attempt *leader = asking_find(conf->waiting, attempt);

    if (leader != NULL) {
        return attempts_may(conf, &attempt->from, now_ms) ? attempt_follow(attempt, leader)
                                                          : AUTH_LIMITED;
    }
    if (is_full) {
        return !attempts_may(conf, &attempt->from, now_ms) ? AUTH_LIMITED
               : waiting_add(conf->waiting, attempt)       ? AUTH_LATER
                                                           : AUTH_BUSY;
    }
    switch (attempts_begin(conf, &attempt->from, now_ms)) {
    case ATTEMPTS_MAY:
        break;
    case ATTEMPTS_WAIT:
        return waiting_add(conf->waiting, attempt) ? AUTH_LATER : AUTH_LIMITED;
    case ATTEMPTS_TOO_MANY:
        return AUTH_LIMITED;
    }
    if (attempt->pull != NULL) {
        return attempt_ask(attempt);
    }
    if (tp_job_submit(attempt->claim.home, &attempt->job) != TP_OK) {
        attempts_end(conf, &attempt->from, now_ms);
        return AUTH_BUSY;
    }
    conf->waiting->hashes++;
    tp_meter_add(&conf->hashes, 1);
    return AUTH_LATER;
}

static enum auth_outcome
attempt_ask(struct auth_attempt *attempt)
{
    const struct auth_claim *claim = &attempt->claim;
    enum tp_result result = backend_ask(claim, attempt->secret, attempt_on_answer, attempt);

    if (result != TP_OK) {
        attempts_end(claim->conf, &attempt->from, tp_home_now_ms(claim->home));
        return AUTH_UNANSWERED;
    }
    claim->conf->waiting->asked++;
    attempt->next = claim->conf->waiting->asking;
    claim->conf->waiting->asking = attempt;
    tp_meter_add(&claim->conf->asked, 1);
    return AUTH_LATER;
}

/* The one that a backend is being asked for with the same credential; NULL: none. */
static struct auth_attempt *
asking_find(const struct auth_waiting *waiting, const struct auth_attempt *attempt)
{
    struct auth_attempt *asked = waiting->asking;

    if (attempt->pull == NULL || !attempt->has_key) {
        return NULL;
    }
    while (asked != NULL
           && (!asked->has_key
               || CRYPTO_memcmp(asked->key.bytes, attempt->key.bytes, sizeof(asked->key.bytes))
                      != 0)) {
        asked = asked->next;
    }
    return asked;
}

static void
asking_remove(struct auth_waiting *waiting, const struct auth_attempt *attempt)
{
    struct auth_attempt **link = &waiting->asking;

    while (*link != attempt) {
        link = &(*link)->next;
    }
    *link = attempt->next;
}

/* It gets the answer that the other one gets. */
static enum auth_outcome
attempt_follow(struct auth_attempt *attempt, struct auth_attempt *leader)
{
    struct auth_waiting *waiting = attempt->claim.conf->waiting;

    if (waiting->follower_count >= WAITING_MAX) {
        return AUTH_BUSY;
    }
    waiting->follower_count++;
    attempt->next = leader->followers;
    leader->followers = attempt;
    return AUTH_LATER;
}

/* Each of them holds its exchange's configuration until it is finished. */
static void
attempt_on_answer(const struct tp_reply *reply, void *owner)
{
    struct auth_attempt *attempt = owner;
    struct auth_attempt *follower = attempt->followers;
    struct auth_waiting *waiting = attempt->claim.conf->waiting;

    waiting->asked--;
    asking_remove(waiting, attempt);
    attempt_take_answer(attempt, reply, false);
    while (follower != NULL) {
        struct auth_attempt *next = follower->next;

        follower->claim.conf->waiting->follower_count--;
        attempt_take_answer(follower, reply, true);
        follower = next;
    }
}

static void
attempt_take_answer(struct auth_attempt *attempt, const struct tp_reply *reply, bool is_follower)
{
    const struct auth_claim *claim = &attempt->claim;
    const struct auth_conf *conf = claim->conf;
    int64_t now_ms = tp_home_now_ms(claim->home);
    struct auth_finding finding = { .outcome = AUTH_UNANSWERED };

    backend_answer_read(reply, now_ms, &finding);
    if (finding.outcome == AUTH_WRONG) {
        finding.is_last_attempt = is_follower ? attempts_add_wrong(conf, &attempt->from, now_ms)
                                              : attempts_end_wrong(conf, &attempt->from, now_ms);
    } else if (!is_follower) {
        attempts_end(conf, &attempt->from, now_ms);
    }
    if (finding.outcome == AUTH_GOOD) {
        memcpy(finding.identity.mark, attempt->mark, sizeof(attempt->mark));
    }
    if (attempt->has_key && finding.outcome == AUTH_GOOD) {
        keep_in_cache(claim, &attempt->key, &finding.identity);
    } else if (attempt->has_key && finding.outcome == AUTH_WRONG) {
        auth_cache_put(conf->refused, &attempt->key, &(struct tp_identity){ .expires_ms = 0 },
                       now_ms + conf->refusal_time.ms);
    }
    if (finding.outcome == AUTH_GOOD) {
        expire_by(&finding.identity, attempt->pull, now_ms);
    }
    if (!is_follower) {
        waiting_go_on(conf->waiting);
    }
    attempt_finish(attempt, &finding);
}

static void
attempt_run(struct tp_job *job)
{
    struct auth_attempt *attempt = TP_CONTAINER_OF(job, struct auth_attempt, job);

    attempt->result = tp_secret_check(&attempt->hash, attempt->secret);
}

static void
attempt_done(struct tp_job *job, bool was_run)
{
    struct auth_attempt *attempt = TP_CONTAINER_OF(job, struct auth_attempt, job);
    const struct auth_conf *conf = attempt->claim.conf;
    int64_t now_ms = tp_home_now_ms(attempt->claim.home);
    struct auth_finding finding = { .outcome = AUTH_BUSY };

    conf->waiting->hashes--;
    if (was_run && attempt->result != TP_NO_MEMORY) {
        attempt_find(attempt, &finding);
    }
    if (finding.outcome == AUTH_WRONG) {
        finding.is_last_attempt = attempts_end_wrong(conf, &attempt->from, now_ms);
    } else {
        attempts_end(conf, &attempt->from, now_ms);
    }
    if (was_run) {
        waiting_go_on(conf->waiting);
    }
    attempt_finish(attempt, &finding);
}

/* The row must be there still: it may have been taken out while a thread was at it. */
static void
attempt_find(struct auth_attempt *attempt, struct auth_finding *finding)
{
    const struct auth_method *method;

    finding->outcome = AUTH_WRONG;
    finding->identity = (struct tp_identity){
        .id = attempt->id,
        .method = TP_STR("token"),
        .claims = attempt->claims,
    };
    memcpy(finding->identity.mark, attempt->mark, sizeof(attempt->mark));
    if (!attempt->is_somebodys) {
        finding->why = "unknown id";
        return;
    }
    method = auth_method_of(attempt->claim.conf, &finding->identity);
    if (attempt->result != TP_OK || method == NULL) {
        finding->why = "wrong secret";
        return;
    }
    finding->outcome = AUTH_GOOD;
    if (attempt->has_key) {
        keep_in_cache(&attempt->claim, &attempt->key, &finding->identity);
    }
    expire_by(&finding->identity, method, tp_home_now_ms(attempt->claim.home));
}

/* The exchange may end with what it is told, and the configuration with that. */
static void
attempt_finish(struct auth_attempt *attempt, struct auth_finding *finding)
{
    attempt->claim.done(&attempt->claim, finding);
    attempt_free(attempt);
}

static void
attempt_free(struct auth_attempt *attempt)
{
    tp_secret_wipe((char *) attempt->secret.data, attempt->secret.len);
    free(attempt);
}

struct auth_waiting *
auth_waiting_create(void)
{
    struct auth_waiting *waiting = calloc(1, sizeof(*waiting));

    if (waiting != NULL) {
        waiting->last = &waiting->first;
    }
    return waiting;
}

void
auth_waiting_free(struct auth_waiting **waiting)
{
    free(*waiting);
    *waiting = NULL;
}

enum tp_result
auth_waiting_start(struct auth_waiting *waiting, struct tp_sessions *home)
{
    waiting->timer = tp_home_timer_create(home, waiting_on_timer, waiting);
    return waiting->timer == NULL ? TP_NO_MEMORY : TP_OK;
}

void
auth_waiting_stop(struct auth_waiting *waiting)
{
    struct auth_attempt *attempt = waiting->first;

    tp_home_timer_destroy(&waiting->timer);
    waiting->first = NULL;
    waiting->last = &waiting->first;
    waiting->count = 0;
    while (attempt != NULL) {
        struct auth_attempt *next = attempt->next;
        struct auth_finding finding = { .outcome = AUTH_BUSY };

        attempt_finish(attempt, &finding);
        attempt = next;
    }
}

static bool
waiting_add(struct auth_waiting *waiting, struct auth_attempt *attempt)
{
    if (waiting->timer == NULL || waiting->count >= WAITING_MAX) {
        return false;
    }
    attempt->next = NULL;
    *waiting->last = attempt;
    waiting->last = &attempt->next;
    waiting->count++;
    tp_home_timer_start(waiting->timer, (struct tp_msec){ WAITING_RETRY_MS });
    return true;
}

/*
 * Each that waits tries again, in the order in which they came; those that may not yet are put
 * behind, in their order.
 */
static void
waiting_go_on(struct auth_waiting *waiting)
{
    struct auth_attempt *attempt = waiting->first;

    waiting->first = NULL;
    waiting->last = &waiting->first;
    waiting->count = 0;
    while (attempt != NULL) {
        struct auth_attempt *next = attempt->next;
        struct auth_finding finding = { .outcome = AUTH_BUSY };

        if (tp_exchange_session(attempt->claim.exchange) != NULL) {
            finding.outcome = attempt_try(attempt);
        }
        if (finding.outcome != AUTH_LATER) {
            attempt_finish(attempt, &finding);
        }
        attempt = next;
    }
}

/* Others, in other workers, may have ended. */
static void
waiting_on_timer(struct tp_home_timer *timer, void *owner)
{
    (void) timer;
    waiting_go_on(owner);
}

static void
expire_by(struct tp_identity *identity, const struct auth_method *method, int64_t now_ms)
{
    if (method != NULL && method->ttl.ms > 0
        && (identity->expires_ms == 0 || identity->expires_ms > now_ms + method->ttl.ms)) {
        identity->expires_ms = now_ms + method->ttl.ms;
    }
}

static void
keep_in_cache(const struct auth_claim *claim, const struct auth_cache_key *key,
              const struct tp_identity *identity)
{
    int64_t until_ms = tp_home_now_ms(claim->home) + claim->conf->cache_time.ms;

    if (identity->expires_ms != 0 && identity->expires_ms < until_ms) {
        until_ms = identity->expires_ms;
    }
    auth_cache_put(claim->conf->cache, key, identity, until_ms);
}

static struct attempts_key
remote_key(const struct auth_claim *claim)
{
    return attempts_key_of(tp_session_remote(tp_exchange_session(claim->exchange)));
}

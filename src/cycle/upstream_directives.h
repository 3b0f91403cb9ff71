/*
 * cycle/upstream_directives.h - what `upstream` blocks say, and which of them routes name.
 */
#ifndef TP_CYCLE_UPSTREAM_DIRECTIVES_H
#define TP_CYCLE_UPSTREAM_DIRECTIVES_H

#include <teleport/module.h>

#include "upstream/upstream.h"

/* One `server` of an upstream. */
struct tp_upstream_server_conf {
    struct tp_str target;
    struct tp_str protocol;
    bool ssl;
    int64_t weight;
    int64_t max_fails;
    struct tp_msec fail_timeout;
    int64_t max_pulls;
    bool backup;
    bool down;
};

struct tp_upstream_conf {
    struct tp_str name;
    struct tp_items servers; /* of struct tp_upstream_server_conf */
    struct tp_template hash_key;
    bool consistent;
    int64_t sessions;
    int64_t queue;
    struct tp_msec keepalive;
    struct tp_str check_uri;
    struct tp_msec check_interval;
    struct tp_msec check_timeout;
    int64_t check_fails;
    int64_t check_passes;

    /* How a route passes something on. */
    struct tp_msec pass_timeout;
    int next_on[5]; /* bits; 0: not written */
    int64_t tries;
    struct tp_msec tries_timeout;
    bool idempotent;
    int customer;
    struct tp_pass_options options; /* computed by .validate */

    /* Of the peer's block: all that confs have declared, the last one first. */
    struct tp_upstream_ref *refs;
};

extern const struct tp_module tp__module_upstream;

#endif

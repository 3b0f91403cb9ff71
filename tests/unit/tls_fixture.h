/*
 * tls_fixture.h - certificates for tests, made while they run, and two ends of TLS in memory.
 */
#ifndef TP_TESTS_UNIT_TLS_FIXTURE_H
#define TP_TESTS_UNIT_TLS_FIXTURE_H

#include "net/tls.h"

#include "base/buf_pool.h"

enum {
    TP_TEST_PEM_MAX = 16 * 1024,
};

/* A certificate with its key, as PEM. */
struct tp_test_pair {
    char certificate[TP_TEST_PEM_MAX];
    char key[TP_TEST_PEM_MAX];
};

/* What a certificate is to be. */
struct tp_test_wish {
    const char *subject;               /* common name */
    const char *names;                 /* "DNS:a.example,IP:127.0.0.1"; NULL: none besides */
    const struct tp_test_pair *issuer; /* NULL: it vouches for itself, and for others */
    bool is_rsa;                       /* else an elliptic curve */
    long begins_s;                     /* from now on */
    long ends_s;                       /* 0: in a day */
    const char *passphrase;            /* of the key; NULL: none */
};

void tp__test_pair_make(struct tp_test_pair *pair, const struct tp_test_wish *wish);

/* As options have it: borrowed from `pair`. */
struct tp_tls_pair tp__test_pair_texts(const struct tp_test_pair *pair);

/* What an end has sent and the other has not taken. */
struct tp_test_wire {
    struct tp_tls_sink sink;
    struct tp_chain sealed;
    struct tp_buf_pool *pool;
    size_t take_count; /* how often something was sent */
    bool is_broken;    /* it takes nothing any more */
};

struct tp_test_end {
    struct tp_tls *tls;
    struct tp_test_wire wire; /* what it sends */
    struct tp_chain plain;    /* what it has read */
    enum tp_result result;    /* of the last call that read */
    char why[TP_TLS_WHY_MAX];
};

/* Two ends that use one desk. */
struct tp_test_ends {
    struct tp_buf_pool pool;
    struct tp_tls_desk desk;
    struct tp_test_end server;
    struct tp_test_end client;
};

/* Makes both ends; nothing is sent yet but what the client begins with.  `name` may be NULL. */
void tp__test_ends_open(struct tp_test_ends *ends, struct tp_tls_context *server,
                        struct tp_tls_context *client, const char *name);
void tp__test_ends_close(struct tp_test_ends *ends);

/* Gives `to` what `from` has sent, at most `step` bytes at a time, and lets it read all of it. */
void tp__test_end_deliver(struct tp_test_end *from, struct tp_test_end *to, size_t step);

/* Lets both talk until nobody has anything to say. */
void tp__test_ends_settle(struct tp_test_ends *ends, size_t step);

/* Lets `end` send bytes. */
enum tp_result tp__test_end_send(struct tp_test_end *end, const void *bytes, size_t len);

#endif

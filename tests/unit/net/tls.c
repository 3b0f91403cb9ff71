/*
 * tls.c - tests of net/tls: two ends in memory, with certificates made for the test.
 */
#include "net/tls.h"

#include "base/str.h"
#include "bytes_fixture.h"
#include "tls_fixture.h"

#include <check.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WHOLE = 64 * 1024,
    COMPLAINTS_MAX = 8,
    BIG_BYTES = 200 * 1000,
    KEYS_MAX = 2,
};

/* What was complained of. */
struct complaints {
    size_t count;
    struct tp_tls_complaint rows[COMPLAINTS_MAX];
    char words[COMPLAINTS_MAX][TP_TLS_WHY_MAX];
};

static const struct tp_test_wish authority_wish = { .subject = "Authority" };
static const struct tp_test_wish stranger_wish = { .subject = "Stranger" };

static struct tp_test_pair authority;
static struct tp_test_pair server_pair;

Suite *tp_suite_net_tls(void);

static void
make_pairs(void)
{
    tp__test_pair_make(&authority, &authority_wish);
    tp__test_pair_make(&server_pair, &(struct tp_test_wish){
                                         .subject = "server",
                                         .names = "DNS:gateway.example,IP:127.0.0.1",
                                         .issuer = &authority,
                                     });
}

static void
on_complaint(void *owner, const struct tp_tls_complaint *complaint)
{
    struct complaints *complaints = owner;

    ck_assert_uint_lt(complaints->count, COMPLAINTS_MAX);
    complaints->rows[complaints->count] = *complaint;
    snprintf(complaints->words[complaints->count], TP_TLS_WHY_MAX, "%s", complaint->words);
    complaints->count++;
}

static struct tp_tls_context *
make_context(struct tp_tls_options options)
{
    struct complaints complaints = { 0 };
    struct tp_tls_context *context = NULL;

    options.complain = on_complaint;
    options.owner = &complaints;
    enum tp_result result = tp__tls_context_create(&options, &context);

    ck_assert_msg(result == TP_OK, "%s", complaints.words[0]);
    ck_assert_uint_eq(0, complaints.count);
    return context;
}

/* Both refuse; what they have complained of is told. */
static void
assert_refused(struct tp_tls_options options, struct complaints *complaints)
{
    struct tp_tls_context *context = NULL;

    *complaints = (struct complaints){ 0 };
    options.complain = on_complaint;
    options.owner = complaints;
    ck_assert_int_eq(TP_INVALID, tp__tls_context_create(&options, &context));
    ck_assert_ptr_null(context);
    ck_assert_uint_gt(complaints->count, 0);
}

/* One server with one certificate. */
static struct tp_tls_options
server_options(const struct tp_tls_pair *pair)
{
    return (struct tp_tls_options){
        .role = TP_TLS_ACCEPTS, .pairs = pair, .pair_count = 1, .has_tickets = true
    };
}

static struct tp_tls_context *
make_server(void)
{
    struct tp_tls_pair pair = tp__test_pair_texts(&server_pair);

    return make_context(server_options(&pair));
}

static struct tp_tls_options
client_options(void)
{
    return (struct tp_tls_options){
        .role = TP_TLS_DIALS,
        .verify = TP_TLS_VERIFY_ON,
        .trusted = tp__str(authority.certificate),
    };
}

static struct tp_tls_context *
make_client(void)
{
    return make_context(client_options());
}

static void
release(struct tp_tls_context *server, struct tp_tls_context *client)
{
    tp__tls_context_release(&server);
    tp__tls_context_release(&client);
}

static void
assert_open(const struct tp_test_ends *ends)
{
    ck_assert_msg(tp__tls_state(ends->server.tls) == TP_TLS_OPEN, "%s", ends->server.why);
    ck_assert_msg(tp__tls_state(ends->client.tls) == TP_TLS_OPEN, "%s", ends->client.why);
}

/* Bytes that go from one end to the other, and are the same there. */
static void
assert_goes_over(struct tp_test_end *from, struct tp_test_end *to, size_t len, size_t step)
{
    uint8_t *bytes = malloc(len);

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t) (i * 31 + i / 251);
    }
    ck_assert_int_eq(TP_OK, tp__test_end_send(from, bytes, len));
    tp__test_end_deliver(from, to, step);
    ck_assert_int_eq(TP_AGAIN, to->result);
    tp__test_chain_assert(&to->plain, bytes, len);
    tp_chain_clear(&to->plain);
    free(bytes);
}

START_TEST(carries_bytes_both_ways)
{
    static const size_t steps[] = { 1, 7, 1000, 16 * 1024 + 1, WHOLE };
    static const unsigned versions[] = { TP_TLS_VERSION_1_2, TP_TLS_VERSION_1_3 };
    struct tp_test_ends ends;

    make_pairs();
    struct tp_tls_options options = client_options();
    struct tp_tls_context *server = make_server();

    for (size_t i = 0; i < TP_COUNT_OF(steps) * TP_COUNT_OF(versions); i++) {
        size_t step = steps[i / TP_COUNT_OF(versions)];

        options.versions = versions[i % TP_COUNT_OF(versions)];
        struct tp_tls_context *client = make_context(options);

        tp__test_ends_open(&ends, server, client, "gateway.example");
        ck_assert_str_eq("", tp__tls_version_word(ends.server.tls));
        tp__test_ends_settle(&ends, step);
        assert_open(&ends);
        ck_assert_str_eq(options.versions == TP_TLS_VERSION_1_2 ? "TLSv1.2" : "TLSv1.3",
                         tp__tls_version_word(ends.server.tls));
        ck_assert_str_ne("", tp__tls_cipher_word(ends.server.tls));
        ck_assert_uint_eq(0, tp__tls_subject(ends.server.tls).len);
        assert_goes_over(&ends.client, &ends.server, 1, step);
        assert_goes_over(&ends.server, &ends.client, step == 1 ? 100 : BIG_BYTES, step);
        assert_goes_over(&ends.client, &ends.server, step == 1 ? 100 : BIG_BYTES, step);
        tp__test_ends_close(&ends);
        tp__tls_context_release(&client);
    }
    tp__tls_context_release(&server);
}
END_TEST

/* Many small pieces leave in one record, and a large one is not copied together with them. */
START_TEST(fills_records)
{
    struct tp_test_ends ends;
    struct tp_slice slices[64];
    static const uint8_t bytes[16 * 1024];
    enum {
        SMALL = 100,
        RECORD_OVERHEAD = 22
    };

    make_pairs();
    struct tp_tls_context *server = make_server();
    struct tp_tls_context *client = make_client();

    tp__test_ends_open(&ends, server, client, NULL);
    tp__test_ends_settle(&ends, WHOLE);
    for (size_t i = 0; i < TP_COUNT_OF(slices); i++) {
        slices[i] = (struct tp_slice){ .data = bytes, .len = SMALL };
    }
    ends.server.wire.take_count = 0;
    ck_assert_int_eq(
        TP_OK, tp__tls_seal(ends.server.tls, &ends.server.wire.sink, slices, TP_COUNT_OF(slices)));
    ck_assert_uint_eq(1, ends.server.wire.take_count);
    ck_assert_uint_eq(TP_COUNT_OF(slices) * SMALL + RECORD_OVERHEAD, ends.server.wire.sealed.len);
    slices[0].len = sizeof(bytes);
    slices[1].len = sizeof(bytes);
    ck_assert_int_eq(TP_OK, tp__tls_seal(ends.server.tls, &ends.server.wire.sink, slices, 3));
    ck_assert_uint_eq(4, ends.server.wire.take_count);
    tp__test_ends_settle(&ends, WHOLE);
    ck_assert_uint_eq((TP_COUNT_OF(slices) + 1) * SMALL + 2 * sizeof(bytes), ends.client.plain.len);
    tp__test_ends_close(&ends);
    release(server, client);
}
END_TEST

START_TEST(asks_for_the_name_that_was_dialed)
{
    static const struct {
        const char *name;
        bool is_good;
    } rows[] = {
        { "gateway.example", true }, { "GATEWAY.example", true }, { "127.0.0.1", true },
        { "other.example", false },  { "127.0.0.2", false },
    };
    struct tp_test_ends ends;

    make_pairs();
    struct tp_tls_context *server = make_server();
    struct tp_tls_context *client = make_client();

    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        tp__test_ends_open(&ends, server, client, rows[i].name);
        tp__test_ends_settle(&ends, WHOLE);
        if (rows[i].is_good) {
            assert_open(&ends);
        } else {
            ck_assert_int_eq(TP_TLS_FAILED, tp__tls_state(ends.client.tls));
            ck_assert_ptr_nonnull(strstr(ends.client.why, "mismatch"));
            ck_assert_int_eq(TP_INVALID, tp__test_end_send(&ends.client, "x", 1));
        }
        tp__test_ends_close(&ends);
    }
    release(server, client);
}
END_TEST

START_TEST(refuses_strangers)
{
    struct tp_test_pair stranger;
    struct tp_tls_options options = client_options();
    struct tp_test_ends ends;

    make_pairs();
    tp__test_pair_make(&stranger, &stranger_wish);
    options.trusted = tp__str(stranger.certificate);
    struct tp_tls_context *server = make_server();
    struct tp_tls_context *client = make_context(options);

    tp__test_ends_open(&ends, server, client, "gateway.example");
    tp__test_ends_settle(&ends, WHOLE);
    ck_assert_int_eq(TP_INVALID, ends.client.result);
    ck_assert_str_eq("the handshake failed: unable to get local issuer certificate",
                     ends.client.why);
    /* The server is told so, too. */
    ck_assert_int_eq(TP_TLS_FAILED, tp__tls_state(ends.server.tls));
    ck_assert_ptr_nonnull(strstr(ends.server.why, "unknown ca"));
    tp__test_ends_close(&ends);
    tp__tls_context_release(&client);

    options.verify = TP_TLS_VERIFY_OFF;
    client = make_context(options);
    tp__test_ends_open(&ends, server, client, NULL);
    tp__test_ends_settle(&ends, WHOLE);
    assert_open(&ends);
    tp__test_ends_close(&ends);
    release(server, client);
}
END_TEST

START_TEST(asks_clients_for_certificates)
{
    static const struct {
        enum tp_tls_verify verify;
        int shows; /* 0: nothing; 1: a good one; 2: one that nobody here trusts */
        bool is_good;
    } rows[] = {
        { TP_TLS_VERIFY_OFF, 0, true },       { TP_TLS_VERIFY_OFF, 2, true },
        { TP_TLS_VERIFY_OPTIONAL, 0, true },  { TP_TLS_VERIFY_OPTIONAL, 1, true },
        { TP_TLS_VERIFY_OPTIONAL, 2, false }, { TP_TLS_VERIFY_ON, 0, false },
        { TP_TLS_VERIFY_ON, 1, true },        { TP_TLS_VERIFY_ON, 2, false },
    };
    struct tp_test_pair shown[3];
    struct tp_test_ends ends;

    make_pairs();
    tp__test_pair_make(&shown[1],
                       &(struct tp_test_wish){ .subject = "lamp-7", .issuer = &authority });
    tp__test_pair_make(&shown[2], &stranger_wish);
    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        struct tp_tls_pair pair = tp__test_pair_texts(&server_pair);
        struct tp_tls_pair own = tp__test_pair_texts(&shown[rows[i].shows]);
        struct tp_tls_options server_says = server_options(&pair);
        struct tp_tls_options client_says = client_options();

        server_says.verify = rows[i].verify;
        server_says.trusted = tp__str(authority.certificate);
        client_says.pairs = &own;
        client_says.pair_count = rows[i].shows == 0 ? 0 : 1;
        struct tp_tls_context *server = make_context(server_says);
        struct tp_tls_context *client = make_context(client_says);

        tp__test_ends_open(&ends, server, client, "gateway.example");
        tp__test_ends_settle(&ends, WHOLE);
        ck_assert_int_eq(rows[i].is_good ? TP_TLS_OPEN : TP_TLS_FAILED,
                         tp__tls_state(ends.server.tls));
        bool is_known = rows[i].is_good && rows[i].shows == 1;
        struct tp_str subject = tp__tls_subject(ends.server.tls);

        ck_assert_msg(tp__str_equal(subject, tp__str(is_known ? "CN=lamp-7,O=Tests" : "")), "%s",
                      subject.data);
        tp__test_ends_close(&ends);
        release(server, client);
    }
}
END_TEST

/* The certificate on the other end of the wire, by what it is good for. */
static void
assert_chosen(struct tp_tls_context *server, const char *name, bool is_known)
{
    struct tp_test_ends ends;
    struct tp_tls_context *client = make_client();

    tp__test_ends_open(&ends, server, client, name);
    tp__test_ends_settle(&ends, WHOLE);
    ck_assert_msg((tp__tls_state(ends.client.tls) == TP_TLS_OPEN) == is_known, "%s: %s", name,
                  ends.client.why);
    tp__test_ends_close(&ends);
    tp__tls_context_release(&client);
}

START_TEST(chooses_a_certificate_by_the_name)
{
    struct tp_test_pair others[3];
    struct tp_tls_pair pairs[4];

    make_pairs();
    tp__test_pair_make(
        &others[0],
        &(struct tp_test_wish){ .subject = "b", .names = "DNS:b.example", .issuer = &authority });
    tp__test_pair_make(&others[1], &(struct tp_test_wish){ .subject = "wild",
                                                           .names = "DNS:*.c.example",
                                                           .issuer = &authority });
    /* The same names as `b`, but another kind of key: either end may like either better. */
    tp__test_pair_make(&others[2], &(struct tp_test_wish){ .subject = "b",
                                                           .names = "DNS:b.example",
                                                           .issuer = &authority,
                                                           .is_rsa = true });
    pairs[0] = tp__test_pair_texts(&server_pair);
    for (size_t i = 0; i < TP_COUNT_OF(others); i++) {
        pairs[i + 1] = tp__test_pair_texts(&others[i]);
    }
    struct tp_tls_options options = server_options(pairs);

    options.pair_count = TP_COUNT_OF(pairs);
    struct tp_tls_context *server = make_context(options);

    assert_chosen(server, "gateway.example", true);
    assert_chosen(server, "b.example", true);
    assert_chosen(server, "x.c.example", true);
    assert_chosen(server, "d.example", false);

    struct tp_tls_options rsa_only = client_options();
    struct tp_test_ends ends;

    rsa_only.versions = TP_TLS_VERSION_1_2;
    rsa_only.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
    struct tp_tls_context *client = make_context(rsa_only);

    tp__test_ends_open(&ends, server, client, "b.example");
    tp__test_ends_settle(&ends, WHOLE);
    assert_open(&ends);
    tp__test_ends_close(&ends);
    release(server, client);
}
END_TEST

START_TEST(agrees_on_what_is_spoken)
{
    static const struct {
        const char *ours;
        const char *theirs;
        const char *agreed; /* NULL: nothing, and they part */
    } rows[] = {
        { "\010teleport\010http/1.1", "\010http/1.1\010teleport", "teleport" },
        { "\010teleport\010http/1.1", "\002h2\010http/1.1", "http/1.1" },
        { "\010teleport", "\002h2", NULL },
        { "\010teleport", "", "" },
        { "", "\002h2", "" },
    };
    struct tp_test_ends ends;

    make_pairs();
    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        struct tp_tls_pair pair = tp__test_pair_texts(&server_pair);
        struct tp_tls_options server_says = server_options(&pair);
        struct tp_tls_options client_says = client_options();

        server_says.alpn = tp__str(rows[i].ours);
        client_says.alpn = tp__str(rows[i].theirs);
        struct tp_tls_context *server = make_context(server_says);
        struct tp_tls_context *client = make_context(client_says);

        tp__test_ends_open(&ends, server, client, NULL);
        tp__test_ends_settle(&ends, WHOLE);
        if (rows[i].agreed == NULL) {
            ck_assert_int_eq(TP_TLS_FAILED, tp__tls_state(ends.server.tls));
        } else {
            assert_open(&ends);
            ck_assert(tp__str_equal(tp__str(rows[i].agreed), tp__tls_alpn(ends.server.tls)));
            ck_assert(tp__str_equal(tp__str(rows[i].agreed), tp__tls_alpn(ends.client.tls)));
        }
        tp__test_ends_close(&ends);
        release(server, client);
    }
}
END_TEST

START_TEST(says_what_is_no_tls)
{
    static const char *const rows[] = { "GET / HTTP/1.1\r\n\r\n", "\x00\x00\x00\x10p",
                                        "\x80\x2e\x01" };
    struct tp_test_ends ends;

    make_pairs();
    struct tp_tls_context *server = make_server();
    struct tp_tls_context *client = make_client();

    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        tp__test_ends_open(&ends, server, client, NULL);
        tp_chain_clear(&ends.client.wire.sealed);
        tp__test_chain_add(&ends.client.wire.sealed, &ends.pool, rows[i], i == 1 ? 5 : 3, 1);
        tp__test_end_deliver(&ends.client, &ends.server, WHOLE);
        ck_assert_int_eq(TP_MISMATCH, ends.server.result);
        ck_assert_str_eq("the first bytes are not TLS", ends.server.why);
        ck_assert_uint_eq(0, ends.server.wire.sealed.len);
        tp__test_ends_close(&ends);
    }
    release(server, client);
}
END_TEST

START_TEST(ends_at_what_was_changed_on_the_way)
{
    struct tp_test_ends ends;
    uint8_t sealed[256];

    make_pairs();
    struct tp_tls_context *server = make_server();
    struct tp_tls_context *client = make_client();

    tp__test_ends_open(&ends, server, client, NULL);
    tp__test_ends_settle(&ends, WHOLE);
    ck_assert_int_eq(TP_OK, tp__test_end_send(&ends.client, "hello", 5));
    size_t len = ends.client.wire.sealed.len;

    ck_assert_uint_le(len, sizeof(sealed));
    tp_chain_copy(&ends.client.wire.sealed, 0, len, sealed);
    sealed[len - 1] ^= 1;
    tp_chain_clear(&ends.client.wire.sealed);
    tp__test_chain_add(&ends.client.wire.sealed, &ends.pool, sealed, len, len);
    tp__test_end_deliver(&ends.client, &ends.server, WHOLE);
    ck_assert_int_eq(TP_INVALID, ends.server.result);
    ck_assert_ptr_nonnull(strstr(ends.server.why, "bad record mac"));
    /* The other end is told what it looked like. */
    ck_assert_uint_gt(ends.server.wire.sealed.len, 0);
    tp__test_ends_close(&ends);

    /* A head that no record has, in the middle. */
    tp__test_ends_open(&ends, server, client, NULL);
    tp__test_ends_settle(&ends, WHOLE);
    tp__test_chain_add(&ends.client.wire.sealed, &ends.pool, "\x17\x03\x03\xff\xff", 5, 5);
    tp__test_end_deliver(&ends.client, &ends.server, WHOLE);
    ck_assert_int_eq(TP_INVALID, ends.server.result);
    tp__test_ends_close(&ends);
    release(server, client);
}
END_TEST

/* Who says five bytes of a record gets room for five. */
START_TEST(keeps_no_more_than_what_came)
{
    struct tp_test_ends ends;

    make_pairs();
    struct tp_tls_context *server = make_server();
    struct tp_tls_context *client = make_client();

    tp__test_ends_open(&ends, server, client, NULL);
    tp__test_ends_settle(&ends, WHOLE);
    ck_assert_uint_eq(0, ends.pool.bytes_in_use);
    tp__test_chain_add(&ends.client.wire.sealed, &ends.pool, "\x17\x03\x03\x40\x00", 5, 5);
    tp__test_end_deliver(&ends.client, &ends.server, WHOLE);
    ck_assert_int_eq(TP_AGAIN, ends.server.result);
    ck_assert_uint_lt(ends.pool.bytes_in_use, 128);
    tp__test_ends_close(&ends);
    release(server, client);
}
END_TEST

START_TEST(says_the_end)
{
    struct tp_test_ends ends;

    make_pairs();
    struct tp_tls_context *server = make_server();
    struct tp_tls_context *client = make_client();

    tp__test_ends_open(&ends, server, client, NULL);
    tp__test_ends_settle(&ends, WHOLE);
    ck_assert_int_eq(TP_OK, tp__test_end_send(&ends.client, "bye", 3));
    tp__tls_say_end(ends.client.tls, &ends.client.wire.sink);
    size_t len = ends.client.wire.sealed.len;

    tp__tls_say_end(ends.client.tls, &ends.client.wire.sink);
    ck_assert_uint_eq(len, ends.client.wire.sealed.len);
    tp__test_end_deliver(&ends.client, &ends.server, WHOLE);
    ck_assert_int_eq(TP_GONE, ends.server.result);
    ck_assert_int_eq(TP_TLS_ENDED, tp__tls_state(ends.server.tls));
    tp__test_chain_assert(&ends.server.plain, "bye", 3);
    /* What was asked may still be answered. */
    ck_assert_int_eq(TP_OK, tp__test_end_send(&ends.server, "so long", 7));
    tp__tls_say_end(ends.server.tls, &ends.server.wire.sink);
    tp__test_end_deliver(&ends.server, &ends.client, WHOLE);
    ck_assert_int_eq(TP_GONE, ends.client.result);
    tp__test_chain_assert(&ends.client.plain, "so long", 7);
    tp__test_ends_close(&ends);
    release(server, client);
}
END_TEST

START_TEST(is_lost_with_what_cannot_be_kept)
{
    struct tp_test_ends ends;

    make_pairs();
    struct tp_tls_context *server = make_server();
    struct tp_tls_context *client = make_client();

    tp__test_ends_open(&ends, server, client, NULL);
    tp__test_ends_settle(&ends, WHOLE);
    ends.client.wire.is_broken = true;
    ck_assert_int_eq(TP_NO_MEMORY, tp__test_end_send(&ends.client, "hello", 5));
    ck_assert_int_eq(TP_TLS_FAILED, tp__tls_state(ends.client.tls));
    tp__test_ends_close(&ends);

    /* The pool has no room for the begin of a record. */
    tp__test_ends_open(&ends, server, client, NULL);
    tp__test_ends_settle(&ends, WHOLE);
    tp__test_chain_add(&ends.client.wire.sealed, &ends.pool, "\x17\x03\x03\x40\x00", 5, 5);
    ends.pool.bytes_limit = 1;
    tp__test_end_deliver(&ends.client, &ends.server, WHOLE);
    ck_assert_int_eq(TP_NO_MEMORY, ends.server.result);
    tp__test_ends_close(&ends);
    release(server, client);
}
END_TEST

/* Keys as a server's workers share them. */
struct shared_keys {
    struct tp_tls_ticket_keys keys;
    struct tp_tls_ticket_key rows[KEYS_MAX];
    size_t count; /* the last is the newest */
};

static bool
shared_keys_newest(struct tp_tls_ticket_keys *keys, struct tp_tls_ticket_key *key)
{
    struct shared_keys *shared = TP_CONTAINER_OF(keys, struct shared_keys, keys);

    *key = shared->rows[shared->count - 1];
    return true;
}

static bool
shared_keys_find(struct tp_tls_ticket_keys *keys, const uint8_t *name,
                 struct tp_tls_ticket_key *key, bool *is_newest)
{
    struct shared_keys *shared = TP_CONTAINER_OF(keys, struct shared_keys, keys);

    for (size_t i = 0; i < shared->count; i++) {
        if (memcmp(shared->rows[i].name, name, sizeof(key->name)) == 0) {
            *key = shared->rows[i];
            *is_newest = i == shared->count - 1;
            return true;
        }
    }
    return false;
}

static void
shared_keys_add(struct shared_keys *shared)
{
    shared->keys =
        (struct tp_tls_ticket_keys){ .get_newest = shared_keys_newest, .find = shared_keys_find };
    RAND_bytes((unsigned char *) &shared->rows[shared->count++], sizeof(shared->rows[0]));
}

/*
 * A client of plain OpenSSL, which remembers its session: ours never does.  Returns whether
 * `server` has gone on with the one of before.
 */
static bool
resumes(struct tp_tls_context *server, SSL_CTX *client, SSL_SESSION **session)
{
    struct tp_test_ends ends;
    struct tp_tls_context *unused = make_client();
    SSL *ssl = SSL_new(client);
    BIO *to_server = BIO_new(BIO_s_mem());
    BIO *from_server = BIO_new(BIO_s_mem());
    uint8_t bytes[WHOLE];
    bool is_resumed;

    tp__test_ends_open(&ends, server, unused, NULL);
    tp_chain_clear(&ends.client.wire.sealed);
    SSL_set_bio(ssl, from_server, to_server);
    SSL_set_connect_state(ssl);
    if (*session != NULL) {
        SSL_set_session(ssl, *session);
        SSL_SESSION_free(*session);
    }
    for (int round = 0; round < 4; round++) {
        (void) SSL_read(ssl, bytes, 1);
        int len = BIO_read(to_server, bytes, sizeof(bytes));

        if (len > 0) {
            tp__test_chain_add(&ends.client.wire.sealed, &ends.pool, bytes, (size_t) len, WHOLE);
            tp__test_end_deliver(&ends.client, &ends.server, WHOLE);
        }
        size_t sealed_len = ends.server.wire.sealed.len;

        tp_chain_copy(&ends.server.wire.sealed, 0, sealed_len, bytes);
        tp_chain_clear(&ends.server.wire.sealed);
        BIO_write(from_server, bytes, (int) sealed_len);
    }
    ck_assert_int_eq(TP_TLS_OPEN, tp__tls_state(ends.server.tls));
    is_resumed = tp__tls_is_resumed(ends.server.tls);
    *session = SSL_get1_session(ssl);
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN);
    SSL_free(ssl);
    tp__test_ends_close(&ends);
    tp__tls_context_release(&unused);
    return is_resumed;
}

START_TEST(resumes_by_tickets)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    struct tp_tls_pair pair;

    make_pairs();
    pair = tp__test_pair_texts(&server_pair);
    for (size_t i = 0; i < TP_COUNT_OF(versions); i++) {
        struct shared_keys shared = { .count = 0 };
        SSL_CTX *client = SSL_CTX_new(TLS_client_method());
        SSL_SESSION *session = NULL;

        SSL_CTX_set_max_proto_version(client, versions[i]);
        shared_keys_add(&shared);
        /* Two workers, or one before and one after a reload. */
        struct tp_tls_context *first = make_context(server_options(&pair));
        struct tp_tls_context *second = make_context(server_options(&pair));

        tp__tls_context_use_ticket_keys(first, &shared.keys);
        tp__tls_context_use_ticket_keys(second, &shared.keys);
        ck_assert(!resumes(first, client, &session));
        ck_assert(resumes(first, client, &session));
        ck_assert(resumes(second, client, &session));
        shared_keys_add(&shared);
        ck_assert(resumes(first, client, &session));
        ck_assert(resumes(second, client, &session));
        /* The key is forgotten. */
        shared.count = 0;
        shared_keys_add(&shared);
        ck_assert(!resumes(second, client, &session));
        SSL_SESSION_free(session);
        SSL_CTX_free(client);
        release(first, second);
    }
}
END_TEST

START_TEST(resumes_what_it_remembers)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    struct tp_tls_options options;
    struct tp_tls_pair pair;

    make_pairs();
    pair = tp__test_pair_texts(&server_pair);
    options = server_options(&pair);
    options.has_tickets = false;
    for (size_t i = 0; i < TP_COUNT_OF(versions); i++) {
        SSL_CTX *client = SSL_CTX_new(TLS_client_method());
        SSL_SESSION *session = NULL;

        SSL_CTX_set_max_proto_version(client, versions[i]);
        options.remembered = 0;
        struct tp_tls_context *forgetful = make_context(options);

        options.remembered = 10;
        struct tp_tls_context *mindful = make_context(options);

        ck_assert(!resumes(forgetful, client, &session));
        ck_assert(!resumes(forgetful, client, &session));
        ck_assert(!resumes(mindful, client, &session));
        ck_assert(resumes(mindful, client, &session));
        SSL_SESSION_free(session);
        SSL_CTX_free(client);
        release(forgetful, mindful);
    }
}
END_TEST

/* A session of a server that asks nobody is no way into one that asks. */
START_TEST(resumes_nothing_of_other_rules)
{
    struct shared_keys shared = { .count = 0 };
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL_SESSION *session = NULL;
    struct tp_tls_pair pair;

    make_pairs();
    pair = tp__test_pair_texts(&server_pair);
    shared_keys_add(&shared);
    struct tp_tls_options options = server_options(&pair);
    struct tp_tls_context *open = make_context(options);

    options.verify = TP_TLS_VERIFY_OPTIONAL;
    options.trusted = tp__str(authority.certificate);
    struct tp_tls_context *asking = make_context(options);

    tp__tls_context_use_ticket_keys(open, &shared.keys);
    tp__tls_context_use_ticket_keys(asking, &shared.keys);
    ck_assert(!resumes(open, client, &session));
    ck_assert(!resumes(asking, client, &session));
    ck_assert(resumes(asking, client, &session));
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
    release(open, asking);
}
END_TEST

START_TEST(says_what_is_wrong_with_the_texts)
{
    struct tp_test_pair other;
    struct tp_test_pair locked;
    struct complaints complaints;
    struct tp_tls_pair pair;

    make_pairs();
    tp__test_pair_make(&other, &stranger_wish);
    tp__test_pair_make(&locked, &(struct tp_test_wish){ .subject = "l", .passphrase = "secret" });

    pair = tp__test_pair_texts(&server_pair);
    pair.key = tp__str(other.key);
    assert_refused(server_options(&pair), &complaints);
    ck_assert_int_eq(TP_TLS_PART_KEY, complaints.rows[0].part);
    ck_assert_str_eq("the key does not belong to the certificate", complaints.words[0]);

    pair = tp__test_pair_texts(&locked);
    assert_refused(server_options(&pair), &complaints);
    ck_assert_int_eq(TP_TLS_PART_KEY, complaints.rows[0].part);
    ck_assert_ptr_nonnull(strstr(complaints.words[0], "passphrase"));

    pair = (struct tp_tls_pair){ TP_STR("nothing"), TP_STR("nothing") };
    assert_refused(server_options(&pair), &complaints);
    ck_assert_uint_eq(2, complaints.count);
    ck_assert_ptr_nonnull(strstr(complaints.words[0], "there is no certificate in it"));
    ck_assert_ptr_nonnull(strstr(complaints.words[1], "there is no private key in it"));

    pair = (struct tp_tls_pair){
        TP_STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        tp__str(server_pair.key),
    };
    assert_refused(server_options(&pair), &complaints);
    ck_assert_int_eq(TP_TLS_PART_CERTIFICATE, complaints.rows[0].part);
    ck_assert_ptr_nonnull(strstr(complaints.words[0], "cannot be used"));

    pair = tp__test_pair_texts(&server_pair);
    struct tp_tls_options options = server_options(&pair);

    options.ciphers = "NO-SUCH-CIPHER";
    assert_refused(options, &complaints);
    ck_assert_int_eq(TP_TLS_PART_CIPHERS, complaints.rows[0].part);

    options = server_options(&pair);
    options.verify = TP_TLS_VERIFY_ON;
    assert_refused(options, &complaints);
    ck_assert_int_eq(TP_TLS_PART_TRUSTED, complaints.rows[0].part);
    options.trusted = TP_STR("nothing");
    assert_refused(options, &complaints);
    ck_assert_str_eq("there is no certificate in it", complaints.words[0]);

    options = server_options(&pair);
    options.pair_count = 0;
    assert_refused(options, &complaints);
}
END_TEST

START_TEST(warns_of_dates)
{
    static const struct {
        long begins_s;
        long ends_s;
        const char *words;
    } rows[] = {
        { -7200, -3600, "the certificate has expired" },
        { 3600, 7200, "the certificate is not valid yet" },
    };

    make_pairs();
    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        struct complaints complaints = { 0 };
        struct tp_tls_context *context = NULL;
        struct tp_test_pair dated;

        tp__test_pair_make(&dated, &(struct tp_test_wish){ .subject = "dated",
                                                           .issuer = &authority,
                                                           .begins_s = rows[i].begins_s,
                                                           .ends_s = rows[i].ends_s });
        struct tp_tls_pair pair = tp__test_pair_texts(&dated);
        struct tp_tls_options options = server_options(&pair);

        options.complain = on_complaint;
        options.owner = &complaints;
        ck_assert_int_eq(TP_OK, tp__tls_context_create(&options, &context));
        ck_assert_uint_eq(1, complaints.count);
        ck_assert(complaints.rows[0].is_warning);
        ck_assert_str_eq(rows[i].words, complaints.words[0]);
        tp__tls_context_release(&context);
    }
}
END_TEST

/* Only whoever begins a handshake may choose its terms: later attempts are refused. */
START_TEST(never_renegotiates)
{
    struct tp_test_ends ends;
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    uint8_t bytes[WHOLE];

    make_pairs();
    struct tp_tls_context *server = make_server();
    struct tp_tls_context *unused = make_client();
    SSL *ssl = SSL_new(client);
    BIO *to_server = BIO_new(BIO_s_mem());
    BIO *from_server = BIO_new(BIO_s_mem());

    tp__test_ends_open(&ends, server, unused, NULL);
    tp_chain_clear(&ends.client.wire.sealed);
    SSL_set_max_proto_version(ssl, TLS1_2_VERSION);
    SSL_set_bio(ssl, from_server, to_server);
    SSL_set_connect_state(ssl);
    for (int round = 0; round < 6; round++) {
        (void) SSL_read(ssl, bytes, 1);
        if (round == 3) {
            ck_assert_int_eq(TP_TLS_OPEN, tp__tls_state(ends.server.tls));
            ck_assert_int_eq(1, SSL_renegotiate(ssl));
            (void) SSL_do_handshake(ssl);
        }
        int len = BIO_read(to_server, bytes, sizeof(bytes));

        if (len > 0) {
            tp__test_chain_add(&ends.client.wire.sealed, &ends.pool, bytes, (size_t) len, WHOLE);
            tp__test_end_deliver(&ends.client, &ends.server, WHOLE);
        }
        size_t sealed_len = ends.server.wire.sealed.len;

        tp_chain_copy(&ends.server.wire.sealed, 0, sealed_len, bytes);
        tp_chain_clear(&ends.server.wire.sealed);
        BIO_write(from_server, bytes, (int) sealed_len);
    }
    /* The client gives up at the server's alert; the server has begun nothing. */
    ck_assert_int_eq(1, SSL_get_shutdown(ssl) != 0 || SSL_get_state(ssl) != TLS_ST_OK);
    ck_assert_int_ne(TP_TLS_SHAKING, tp__tls_state(ends.server.tls));
    SSL_free(ssl);
    SSL_CTX_free(client);
    tp__test_ends_close(&ends);
    release(server, unused);
}
END_TEST

Suite *
tp_suite_net_tls(void)
{
    Suite *suite = suite_create("net/tls");
    TCase *tests = tcase_create("tls");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, carries_bytes_both_ways);
    tcase_add_test(tests, fills_records);
    tcase_add_test(tests, asks_for_the_name_that_was_dialed);
    tcase_add_test(tests, refuses_strangers);
    tcase_add_test(tests, asks_clients_for_certificates);
    tcase_add_test(tests, chooses_a_certificate_by_the_name);
    tcase_add_test(tests, agrees_on_what_is_spoken);
    tcase_add_test(tests, says_what_is_no_tls);
    tcase_add_test(tests, ends_at_what_was_changed_on_the_way);
    tcase_add_test(tests, keeps_no_more_than_what_came);
    tcase_add_test(tests, says_the_end);
    tcase_add_test(tests, is_lost_with_what_cannot_be_kept);
    tcase_add_test(tests, resumes_by_tickets);
    tcase_add_test(tests, resumes_what_it_remembers);
    tcase_add_test(tests, resumes_nothing_of_other_rules);
    tcase_add_test(tests, says_what_is_wrong_with_the_texts);
    tcase_add_test(tests, warns_of_dates);
    tcase_add_test(tests, never_renegotiates);
    suite_add_tcase(suite, tests);
    return suite;
}

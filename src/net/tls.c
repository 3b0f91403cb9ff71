/*
 * tls.c - a connection's TLS: sealed bytes in, plain bytes out, and back.
 *
 * OpenSSL is given whole records only.  What is not whole waits outside of it, in as much memory
 * as has come; OpenSSL would take 16 KB for a record of which somebody has sent five bytes.
 * Between two turns it holds no buffer then, and neither does the connection.
 *
 * OpenSSL reads and writes through a BIO of ours, which looks at the desk: the connection whose
 * turn it is has its bytes there.
 *
 * Runs in: worker; a program's thread with the library.
 * Owns: OpenSSL's connection, and what has come of a record.
 * Read next: tls_context.c, session/session_shell.c.
 */
#include "net/tls.h"

#include "net/tls_inside.h"

#include "base/buf_pool.h"
#include "base/str.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORD_HEAD_BYTES = 5,
    RECORD_BODY_MAX = 16 * 1024 + 2048, /* sealed, in TLS 1.2; 1.3 takes less */
    RECORD_PLAIN_MAX = 16 * 1024,
    RECORD_MAJOR = 3, /* of every version since SSL 3.0 */
    RECORD_TYPE_FIRST = 20,
    RECORD_TYPE_LAST = 24,
    STAGING_BYTES = 64 * 1024, /* as much as a session reads in a turn */
    SUBJECT_BYTES_MAX = 1024,
    BUSY_AFTER_RECORDS = 16, /* who says little more than hello never keeps buffers */
};

_Static_assert((int) STAGING_BYTES >= 2 * ((int) RECORD_HEAD_BYTES + (int) RECORD_BODY_MAX),
               "behind a record that is not whole there is room for the rest of it");

struct tp_tls {
    SSL *ssl;
    struct tp_tls_desk *desk;
    struct tp_tls_context *context;
    struct tp_buf *kept; /* the begin of a record */
    uint32_t kept_len;
    uint8_t state; /* enum tp_tls_state */
    bool has_heard_tls;
    bool has_said_end;
    bool is_busy;         /* one of the desk's */
    bool was_used;        /* …since the desk last looked */
    uint8_t record_count; /* since it was last busy, up to BUSY_AFTER_RECORDS */
    char *subject;        /* NULL without one, here and below */
    char *common_name;
    char *alternative_name;
};

/* What the bytes that have arrived begin with. */
enum record_outcome {
    RECORD_WHOLE,
    RECORD_PARTIAL,
    RECORD_BROKEN, /* it is none */
};

static struct tp_tls *tls_create(struct tp_tls_desk *desk, struct tp_tls_context *context);
static bool tls_use_name(struct tp_tls *tls, const char *name);
static bool desk_prepare(struct tp_tls_desk *desk);
static BIO_METHOD *bio_method_make(void);
static int on_bio_read(BIO *bio, char *bytes, size_t room, size_t *count);
static int on_bio_write(BIO *bio, const char *bytes, size_t len, size_t *written);
static long on_bio_control(BIO *bio, int command, long number, void *pointer);
static bool tls_measure(struct tp_tls *tls);
static enum record_outcome record_find(struct tp_str bytes, size_t *len);
static void tls_use_sink(struct tp_tls *tls, struct tp_tls_sink *sink);
static void tls_begin_turn(void);
static void tls_note_use(struct tp_tls *tls);
static void tls_strike_out(struct tp_tls *tls, size_t at);
static enum tp_result tls_shake(struct tp_tls *tls);
static void tls_note_facts(struct tp_tls *tls);
static char *subject_text(X509 *certificate);
static enum tp_result tls_read(struct tp_tls *tls, uint8_t *bytes, size_t room, size_t *count);
static enum tp_result tls_keep(struct tp_tls *tls);
static enum tp_result tls_outcome(struct tp_tls *tls, int returned);
static enum tp_result tls_fail(struct tp_tls *tls, enum tp_result result, const char *format, ...)
    TP_PRINTF(3, 4);
static const char *tls_reason(const struct tp_tls *tls);
static enum tp_result tls_seal_bytes(struct tp_tls *tls, const uint8_t *bytes, size_t len);

void
tp__tls_desk_init(struct tp_tls_desk *desk, struct tp_buf_pool *pool)
{
    *desk = (struct tp_tls_desk){ .pool = pool };
}

void
tp__tls_desk_fini(struct tp_tls_desk *desk)
{
    free(desk->staging);
    free(desk->gather);
    free(desk->busy);
    BIO_meth_free(desk->method);
    tp__tls_desk_init(desk, desk->pool);
}

void
tp__tls_desk_rest(struct tp_tls_desk *desk)
{
    /* From the last one on: who is struck out is replaced by one that was looked at. */
    for (size_t at = desk->busy_count; at-- > 0;) {
        struct tp_tls *tls = desk->busy[at];

        if (tls->was_used) {
            tls->was_used = false;
        } else if (SSL_free_buffers(tls->ssl) == 1) {
            SSL_set_mode(tls->ssl, SSL_MODE_RELEASE_BUFFERS);
            tls_strike_out(tls, at);
        }
    }
}

struct tp_tls *
tp__tls_accept(struct tp_tls_desk *desk, struct tp_tls_context *context)
{
    struct tp_tls *tls = tls_create(desk, context);

    if (tls != NULL) {
        SSL_set_accept_state(tls->ssl);
    }
    return tls;
}

struct tp_tls *
tp__tls_dial(struct tp_tls_desk *desk, struct tp_tls_context *context, const char *name)
{
    struct tp_tls *tls = tls_create(desk, context);

    if (tls != NULL) {
        SSL_set_connect_state(tls->ssl);
        if (name != NULL && !tls_use_name(tls, name)) {
            tp__tls_free(&tls);
        }
    }
    return tls;
}

void
tp__tls_free(struct tp_tls **freed)
{
    struct tp_tls *tls = *freed;

    *freed = NULL;
    if (tls == NULL) {
        return;
    }
    for (size_t at = 0; tls->is_busy; at++) {
        if (tls->desk->busy[at] == tls) {
            tls_strike_out(tls, at);
        }
    }
    if (tls->ssl != NULL && tls->state != TP_TLS_FAILED) {
        /* Else OpenSSL forgets its session: whose connection broke is who comes back. */
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    SSL_free(tls->ssl);
    tp__tls_context_release(&tls->context);
    tp_buf_release(tls->kept);
    free(tls->subject);
    free(tls->common_name);
    free(tls->alternative_name);
    free(tls);
}

enum tp_tls_state
tp__tls_state(const struct tp_tls *tls)
{
    return (enum tp_tls_state) tls->state;
}

enum tp_result
tp__tls_begin(struct tp_tls *tls, struct tp_tls_sink *sink)
{
    tls->desk->arrived = (struct tp_str){ NULL, 0 };
    tls->desk->whole_len = 0;
    tls_begin_turn();
    tls_use_sink(tls, sink);
    enum tp_result result = tls_shake(tls);

    return result == TP_AGAIN ? TP_OK : result;
}

uint8_t *
tp__tls_place(struct tp_tls *tls, size_t *room)
{
    struct tp_tls_desk *desk = tls->desk;

    if (!desk_prepare(desk)) {
        return NULL;
    }
    desk->arrived = (struct tp_str){ (const char *) desk->staging, tls->kept_len };
    if (tls->kept_len > 0) {
        memcpy(desk->staging, tls->kept->bytes, tls->kept_len);
    }
    *room = STAGING_BYTES - tls->kept_len;
    return desk->staging + tls->kept_len;
}

void
tp__tls_arrive(struct tp_tls *tls, size_t count)
{
    tls->desk->arrived.len += count;
    tls->desk->whole_len = 0;
    tls_begin_turn();
}

enum tp_result
tp__tls_open(struct tp_tls *tls, struct tp_tls_sink *sink, uint8_t *bytes, size_t room,
             size_t *count)
{
    enum tp_result result = TP_OK;

    *count = 0;
    if (tls->state == TP_TLS_FAILED) {
        return TP_INVALID;
    }
    if (tls->desk->whole_len == 0 && !tls_measure(tls)) {
        return tls_fail(tls, TP_MISMATCH, "the first bytes are not TLS");
    }
    tls_use_sink(tls, sink);
    if (tls->state == TP_TLS_SHAKING) {
        result = tls_shake(tls);
    }
    if (result == TP_OK) {
        result = tls->state == TP_TLS_ENDED ? TP_GONE : tls_read(tls, bytes, room, count);
    }
    return result == TP_AGAIN ? tls_keep(tls) : result;
}

enum tp_result
tp__tls_seal(struct tp_tls *tls, struct tp_tls_sink *sink, const struct tp_slice *slices,
             size_t count)
{
    struct tp_tls_desk *desk = tls->desk;
    enum tp_result result = TP_OK;
    size_t gathered = 0;

    if (tls->state == TP_TLS_FAILED || tls->state == TP_TLS_SHAKING || tls->has_said_end) {
        return TP_INVALID;
    }
    if (!desk_prepare(desk)) {
        return TP_NO_MEMORY;
    }
    tls_use_sink(tls, sink);
    for (size_t i = 0; i < count && result == TP_OK; i++) {
        const uint8_t *data = slices[i].data;
        size_t left = slices[i].len;

        while (left > 0 && result == TP_OK) {
            size_t room = RECORD_PLAIN_MAX - gathered;
            size_t part = left < room ? left : room;

            if (gathered == 0 && part == RECORD_PLAIN_MAX) {
                result = tls_seal_bytes(tls, data, part);
            } else {
                memcpy(desk->gather + gathered, data, part);
                gathered += part;
            }
            if (gathered == RECORD_PLAIN_MAX) {
                result = tls_seal_bytes(tls, desk->gather, gathered);
                gathered = 0;
            }
            data += part;
            left -= part;
        }
    }
    return result == TP_OK && gathered > 0 ? tls_seal_bytes(tls, desk->gather, gathered) : result;
}

void
tp__tls_say_end(struct tp_tls *tls, struct tp_tls_sink *sink)
{
    if (tls->has_said_end || tls->state == TP_TLS_FAILED || tls->state == TP_TLS_SHAKING) {
        return;
    }
    tls->has_said_end = true;
    tls_use_sink(tls, sink);
    /* Whether it leaves or not: there is nothing to be done about it any more. */
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

const char *
tp__tls_why(const struct tp_tls *tls)
{
    return tls->desk->why;
}

const char *
tp__tls_version_word(const struct tp_tls *tls)
{
    return tls->state == TP_TLS_SHAKING ? "" : SSL_get_version(tls->ssl);
}

const char *
tp__tls_cipher_word(const struct tp_tls *tls)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(tls->ssl);

    return tls->state == TP_TLS_SHAKING || cipher == NULL ? "" : SSL_CIPHER_get_name(cipher);
}

struct tp_str
tp__tls_subject(const struct tp_tls *tls)
{
    return tp__str(tls->subject == NULL ? "" : tls->subject);
}

struct tp_str
tp__tls_common_name(const struct tp_tls *tls)
{
    return tp__str(tls->common_name == NULL ? "" : tls->common_name);
}

struct tp_str
tp__tls_alternative_name(const struct tp_tls *tls)
{
    return tp__str(tls->alternative_name == NULL ? "" : tls->alternative_name);
}

struct tp_str
tp__tls_alpn(const struct tp_tls *tls)
{
    const unsigned char *name = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(tls->ssl, &name, &len);
    return (struct tp_str){ (const char *) name, len };
}

bool
tp__tls_is_resumed(const struct tp_tls *tls)
{
    return SSL_session_reused(tls->ssl) == 1;
}

static struct tp_tls *
tls_create(struct tp_tls_desk *desk, struct tp_tls_context *context)
{
    struct tp_tls *tls = calloc(1, sizeof(*tls));

    if (tls == NULL) {
        return NULL;
    }
    tls->desk = desk;
    tls->context = context;
    tp__tls_context_acquire(context);
    if (desk->method == NULL) {
        desk->method = bio_method_make();
    }
    BIO *bio = desk->method == NULL ? NULL : BIO_new(desk->method);

    tls->ssl = SSL_new(context->identities[0].system);
    if (tls->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        ERR_clear_error();
        tp__tls_free(&tls);
        return NULL;
    }
    BIO_set_data(bio, desk);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    return tls;
}

/* An address is not asked for by name, but the certificate has to have it. */
static bool
tls_use_name(struct tp_tls *tls, const char *name)
{
    X509_VERIFY_PARAM *wanted = SSL_get0_param(tls->ssl);

    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, name) == 1) {
        return true;
    }
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(tls->ssl, name) == 1 && SSL_set_tlsext_host_name(tls->ssl, name) == 1;
}

static bool
desk_prepare(struct tp_tls_desk *desk)
{
    if (desk->staging == NULL) {
        desk->staging = malloc(STAGING_BYTES);
    }
    if (desk->gather == NULL) {
        desk->gather = malloc(RECORD_PLAIN_MAX);
    }
    return desk->staging != NULL && desk->gather != NULL;
}

static BIO_METHOD *
bio_method_make(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "teleport");

    if (method != NULL) {
        BIO_meth_set_read_ex(method, on_bio_read);
        BIO_meth_set_write_ex(method, on_bio_write);
        BIO_meth_set_ctrl(method, on_bio_control);
    }
    return method;
}

/* OpenSSL wants to read: whole records, and nothing else. */
static int
on_bio_read(BIO *bio, char *bytes, size_t room, size_t *count)
{
    struct tp_tls_desk *desk = BIO_get_data(bio);
    size_t len = desk->whole_len < room ? desk->whole_len : room;

    BIO_clear_retry_flags(bio);
    *count = len;
    if (len == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(bytes, desk->arrived.data, len);
    desk->arrived = tp__str_skip(desk->arrived, len);
    desk->whole_len -= len;
    return 1;
}

static int
on_bio_write(BIO *bio, const char *bytes, size_t len, size_t *written)
{
    struct tp_tls_desk *desk = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *written = 0;
    if (desk->has_lost || desk->sink == NULL
        || !desk->sink->take(desk->sink, (const uint8_t *) bytes, len)) {
        desk->has_lost = true;
        return 0;
    }
    *written = len;
    return 1;
}

static long
on_bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void) bio;
    (void) number;
    (void) pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/* Finds how much of what has arrived are whole records.  False: it does not begin as TLS does. */
static bool
tls_measure(struct tp_tls *tls)
{
    struct tp_tls_desk *desk = tls->desk;
    enum record_outcome outcome = RECORD_WHOLE;
    size_t len = 0;

    while (outcome == RECORD_WHOLE) {
        desk->whole_len += len;
        outcome = record_find(tp__str_skip(desk->arrived, desk->whole_len), &len);
    }
    if (outcome == RECORD_BROKEN) {
        if (!tls->has_heard_tls && desk->whole_len == 0) {
            return false;
        }
        /* OpenSSL shall see it, and tell the other end what is wrong. */
        desk->whole_len = desk->arrived.len;
    }
    tls->has_heard_tls = tls->has_heard_tls || desk->whole_len > 0;
    return true;
}

/* Looks at as much of the head as is there. */
static enum record_outcome
record_find(struct tp_str bytes, size_t *len)
{
    const uint8_t *head = (const uint8_t *) bytes.data;

    if ((bytes.len > 0 && (head[0] < RECORD_TYPE_FIRST || head[0] > RECORD_TYPE_LAST))
        || (bytes.len > 1 && head[1] != RECORD_MAJOR)) {
        return RECORD_BROKEN;
    }
    if (bytes.len < RECORD_HEAD_BYTES) {
        return RECORD_PARTIAL;
    }
    size_t body_len = (size_t) head[3] << 8 | head[4];

    if (body_len > RECORD_BODY_MAX) {
        return RECORD_BROKEN;
    }
    *len = RECORD_HEAD_BYTES + body_len;
    return bytes.len < *len ? RECORD_PARTIAL : RECORD_WHOLE;
}

static void
tls_use_sink(struct tp_tls *tls, struct tp_tls_sink *sink)
{
    tls->desk->sink = sink;
    tls->desk->has_lost = false;
}

/* A program that uses OpenSSL, too, may have left something in the queue of its thread. */
static void
tls_begin_turn(void)
{
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
}

/* Called for each record.  A busy one keeps its buffers until it is silent. */
static void
tls_note_use(struct tp_tls *tls)
{
    struct tp_tls_desk *desk = tls->desk;

    tls->was_used = true;
    if (tls->is_busy || desk->busy_count == TP_TLS_BUSY_MAX) {
        return;
    }
    if (tls->record_count < BUSY_AFTER_RECORDS) {
        tls->record_count++;
        return;
    }
    if (desk->busy == NULL) {
        desk->busy = calloc(TP_TLS_BUSY_MAX, sizeof(struct tp_tls *));
    }
    if (desk->busy != NULL) {
        SSL_clear_mode(tls->ssl, SSL_MODE_RELEASE_BUFFERS);
        tls->is_busy = true;
        desk->busy[desk->busy_count++] = tls;
    }
}

static void
tls_strike_out(struct tp_tls *tls, size_t at)
{
    struct tp_tls_desk *desk = tls->desk;

    tls->is_busy = false;
    tls->record_count = 0;
    desk->busy[at] = desk->busy[--desk->busy_count];
}

static enum tp_result
tls_shake(struct tp_tls *tls)
{
    int returned = SSL_do_handshake(tls->ssl);

    if (returned != 1) {
        return tls_outcome(tls, returned);
    }
    tls->state = TP_TLS_OPEN;
    tls_note_facts(tls);
    return TP_OK;
}

/* Whom it is for is asked for in logs, long after; OpenSSL would take it apart each time. */
static void
tls_note_facts(struct tp_tls *tls)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);

    if (certificate != NULL && tls->context->role == TP_TLS_ACCEPTS) {
        tls->subject = subject_text(certificate);
        tls->common_name = tp__tls_common_name_text(certificate);
        tls->alternative_name = tp__tls_alternative_name_text(certificate);
    }
}

/* NULL when memory is out, which is as if there were none. */
static char *
subject_text(X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *subject = NULL;
    char *data;

    if (bio != NULL
        && X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0,
                              XN_FLAG_RFC2253 & ~(unsigned long) ASN1_STRFLGS_ESC_MSB)
               >= 0) {
        long len = BIO_get_mem_data(bio, &data);

        len = len < SUBJECT_BYTES_MAX ? len : SUBJECT_BYTES_MAX;
        subject = len < 0 ? NULL : strndup(data, (size_t) len);
    }
    BIO_free(bio);
    ERR_clear_error();
    return subject;
}

/* OpenSSL is not asked for what it cannot have: to say so costs it as much as a record does. */
static enum tp_result
tls_read(struct tp_tls *tls, uint8_t *bytes, size_t room, size_t *count)
{
    if (tls->desk->whole_len == 0 && SSL_has_pending(tls->ssl) == 0) {
        return TP_AGAIN;
    }
    tls_note_use(tls);
    int returned = SSL_read_ex(tls->ssl, bytes, room, count);

    return returned == 1 ? TP_OK : tls_outcome(tls, returned);
}

/* All whole records are opened: what is behind them waits for the rest of its own. */
static enum tp_result
tls_keep(struct tp_tls *tls)
{
    struct tp_str rest = tls->desk->arrived;

    if (tls->kept == NULL || tls->kept->capacity < rest.len || rest.len == 0) {
        tp_buf_release(tls->kept);
        tls->kept = rest.len == 0 ? NULL : tp_buf_make(tls->desk->pool, rest.len);
    }
    tls->kept_len = (uint32_t) rest.len;
    tls->desk->arrived.len = 0;
    if (rest.len == 0) {
        return TP_AGAIN;
    }
    if (tls->kept == NULL) {
        tls->kept_len = 0;
        return tls_fail(tls, TP_NO_MEMORY, "memory is used up");
    }
    memcpy(tls->kept->bytes, rest.data, rest.len);
    return TP_AGAIN;
}

/* What a call of OpenSSL that did not succeed has come to. */
static enum tp_result
tls_outcome(struct tp_tls *tls, int returned)
{
    switch (SSL_get_error(tls->ssl, returned)) {
    case SSL_ERROR_WANT_READ:
        return TP_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        if (tls->state == TP_TLS_SHAKING) {
            return tls_fail(tls, TP_INVALID, "the other end has ended the handshake");
        }
        tls->state = TP_TLS_ENDED;
        return TP_GONE;
    default:
        break;
    }
    if (tls->desk->has_lost) {
        return tls_fail(tls, TP_NO_MEMORY, "memory is used up");
    }
    return tls_fail(tls, TP_INVALID, "%s%s",
                    tls->state == TP_TLS_SHAKING ? "the handshake failed: " : "", tls_reason(tls));
}

static enum tp_result
tls_fail(struct tp_tls *tls, enum tp_result result, const char *format, ...)
{
    va_list args;

    tls->state = TP_TLS_FAILED;
    va_start(args, format);
    vsnprintf(tls->desk->why, sizeof(tls->desk->why), format, args);
    va_end(args);
    ERR_clear_error();
    return result;
}

/* Of a certificate that is refused, the reason says why, and not only that it is. */
static const char *
tls_reason(const struct tp_tls *tls)
{
    unsigned long code = ERR_peek_error();
    long verified = SSL_get_verify_result(tls->ssl);

    if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED
        && verified != X509_V_OK) {
        return X509_verify_cert_error_string(verified);
    }
    return tp__tls_take_reason();
}

static enum tp_result
tls_seal_bytes(struct tp_tls *tls, const uint8_t *bytes, size_t len)
{
    size_t written;

    tls_note_use(tls);
    int returned = SSL_write_ex(tls->ssl, bytes, len, &written);

    return returned == 1 ? TP_OK : tls_outcome(tls, returned);
}

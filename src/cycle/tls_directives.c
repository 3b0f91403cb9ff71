/*
 * tls_directives.c - the table of ssl_…, and the contexts that are made of the values.
 *
 * The files are read when the configuration is loaded, through its loader: a worker, which may
 * not be allowed to read them, gets what the master has read.  A reload reads them anew.
 *
 * Runs in: whichever process loads a configuration.
 * Read next: net/tls_context.c; cycle.c and cycle_dials.c, which hand the contexts on.
 */
#include "cycle/tls_directives.h"

#include "base/arena.h"
#include "base/result.h"
#include "base/str.h"
#include "base/text.h"
#include "conf/conf.h"
#include "cycle/dial_directives.h"
#include "cycle/server_directives.h"
#include "cycle/upstream_directives.h"
#include "net/dialer.h"
#include "net/target.h"

#include <string.h>

/* What is read for a context; all of it is forgotten when that is made. */
struct tls_making {
    const struct tp_block *block;
    const struct tp_tls_conf *conf;
    struct tp_tls_options options;
    struct tp_text certificates;
    struct tp_text keys;
    struct tp_text trusted;
    struct tp_text alpn;
    bool has_mistakes;
};

static void tls_validate(const struct tp_block *block, void *conf);
static void tls_release(void *conf);
static void server_validate_tls(const struct tp_block *block, struct tp_tls_conf *conf);
static void server_validate_listens(const struct tp_block *block, const struct tp_tls_conf *conf);
static bool validate_pairs(const struct tp_block *block, const struct tp_tls_conf *conf);
static void dial_validate_tls(const struct tp_block *block, struct tp_tls_conf *conf);
static void upstream_validate_tls(const struct tp_block *block, struct tp_tls_conf *conf);
static void dial_make_context(const struct tp_block *block, struct tp_tls_conf *conf,
                              const char *directive, bool has_name);
static void dial_validate_unused(const struct tp_block *block, const char *why);
static struct tp_tls_context *tls_make(struct tls_making *making);
static void making_read_alpn(struct tls_making *making);
static void making_read_pairs(struct tls_making *making, struct tp_tls_pair *pairs, size_t count);
static size_t making_read_file(struct tls_making *making, const char *directive, size_t item,
                               struct tp_str path, struct tp_text *content);
static void making_on_complaint(void *owner, const struct tp_tls_complaint *complaint);
static void making_forget(struct tls_making *making);
static const char *alpn_value_parse(struct tp_str text, void *field);
static const char *name_value_parse(struct tp_str text, void *field);

static const struct tp_custom_type alpn_type = {
    .word = "name",
    .parse = alpn_value_parse,
};

static const struct tp_custom_type name_type = {
    .word = "name",
    .parse = name_value_parse,
};

static const char system_word[] = "system";

static const struct tp_word word_off[] = { { "off", 0 }, { NULL, 0 } };
static const struct tp_word word_system[] = { { system_word, 0 }, { NULL, 0 } };

static const struct tp_word version_words[] = {
    { "all", TP_TLS_VERSION_1_2 | TP_TLS_VERSION_1_3 },
    { "TLSv1.2", TP_TLS_VERSION_1_2 },
    { "TLSv1.3", TP_TLS_VERSION_1_3 },
    { NULL, 0 },
};

static const struct tp_word verify_client_words[] = {
    { "off", TP_TLS_VERIFY_OFF },
    { "optional", TP_TLS_VERIFY_OPTIONAL },
    { "on", TP_TLS_VERIFY_ON },
    { NULL, 0 },
};

static const struct tp_argument certificate_arguments[] = {
    {
        .name = "FILE", .kind = TP_ARGUMENT_REQUIRED, TP_PATH(struct tp_tls_word, text),
        .brief = "PEM: the certificate, and behind it those between it and its authority.",
    },
};

static const struct tp_argument key_arguments[] = {
    {
        .name = "FILE", .kind = TP_ARGUMENT_REQUIRED, TP_PATH(struct tp_tls_word, text),
        .brief = "PEM, without a passphrase; the certificate may stand in the same file.",
    },
};

static const struct tp_argument alpn_arguments[] = {
    {
        .name = "NAME", .kind = TP_ARGUMENT_REQUIRED,
        TP_CUSTOM(struct tp_tls_word, text, struct tp_str, &alpn_type),
        .brief = "A name such as teleport or http/1.1.",
    },
};

static const struct tp_argument version_arguments[] = {
    {
        .name = "VERSION", .kind = TP_ARGUMENT_REQUIRED,
        TP_WORD(struct tp_tls_conf, versions[0], version_words),
        .preset = "all",
        .brief = "A version; all are 1.2 and 1.3, for those before are broken.",
    },
    {
        .name = "ANOTHER", .kind = TP_ARGUMENT_OPTIONAL,
        TP_WORD(struct tp_tls_conf, versions[1], version_words),
        .brief = "The other one, too.",
    },
};

#define IN_BOTH    (TP_IN_PEER | TP_IN_SERVER | TP_IN_DIAL | TP_IN_UPSTREAM)
#define IN_SERVERS (TP_IN_PEER | TP_IN_SERVER)

static const struct tp_directive tls_directives[] = {
    {
        .name = "ssl_certificate", .where = IN_BOTH,
        TP_REPEATED(struct tp_tls_conf, certificates, struct tp_tls_word),
        TP_ARGUMENTS(certificate_arguments), .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "Who this end is; may be given several times, and the name that a client asks "
                 "for chooses. The first is for all other names. In a dial block, which inherits "
                 "none, it is shown to who asks for it.",
    },
    {
        .name = "ssl_certificate_key", .where = IN_BOTH,
        TP_REPEATED(struct tp_tls_conf, keys, struct tp_tls_word),
        TP_ARGUMENTS(key_arguments), .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "The private key of a certificate: the first one's of the first, and so on.",
    },
    {
        .name = "ssl_protocols", .where = IN_BOTH, TP_ARGUMENTS(version_arguments),
        .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "The versions of TLS that are spoken.",
    },
    {
        .name = "ssl_ciphers", .where = IN_BOTH, TP_TEXT(struct tp_tls_conf, ciphers),
        .preset = "ECDHE+AESGCM:ECDHE+CHACHA20", .applies = TP_APPLIES_NEW_SESSIONS,
        .since = "0.1",
        .brief = "The ciphers of TLS 1.2, as OpenSSL names them; those of 1.3 are all good.",
    },
    {
        .name = "ssl_session_cache", .where = IN_SERVERS,
        TP_NUMBER(struct tp_tls_conf, session_cache), .words = word_off,
        .preset = "off", .min = "1", .max = "1000000", .applies = TP_APPLIES_NEW_SESSIONS,
        .since = "0.1",
        .brief = "How many TLS sessions each worker remembers, about 1 KB each, for clients that "
                 "come back without a ticket.",
    },
    {
        .name = "ssl_session_tickets", .where = IN_SERVERS,
        TP_FLAG(struct tp_tls_conf, session_tickets),
        .preset = "on", .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "Whether clients get a ticket with which they come back faster, to any worker, "
                 "for a day.",
    },
    {
        .name = "ssl_client_certificate", .where = IN_SERVERS,
        TP_PATH(struct tp_tls_conf, client_certificate), .applies = TP_APPLIES_NEW_SESSIONS,
        .since = "0.1",
        .brief = "A PEM file of the authorities that vouch for clients.",
    },
    {
        .name = "ssl_verify_client", .where = IN_SERVERS,
        TP_WORD(struct tp_tls_conf, verify_client, verify_client_words),
        .preset = "off", .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "Whether clients have to show a certificate, of an authority of "
                 "ssl_client_certificate; optional: one that is shown has to be good.",
    },
    {
        .name = "ssl_alpn", .where = IN_BOTH,
        TP_REPEATED(struct tp_tls_conf, alpn, struct tp_tls_word),
        TP_ARGUMENTS(alpn_arguments), .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "What is spoken inside of TLS, for clients that ask; may be given several times, "
                 "the best first. Who asks for nothing of it is refused, who does not ask is not.",
    },
    {
        .name = "ssl_handshake_timeout", .where = IN_SERVERS,
        TP_TIME(struct tp_tls_conf, handshake_timeout),
        .preset = "10s", .min = "10ms", .max = "10m", .since = "0.1",
        .brief = "How long it may take until TLS is agreed on, and the header of proxy_protocol.",
    },
    {
        .name = "ssl_verify", .where = IN_BOTH, TP_FLAG(struct tp_tls_conf, verify),
        .preset = "on", .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "Whether the other end of a dial has to show a good certificate for ssl_name.",
    },
    {
        .name = "ssl_name", .where = IN_BOTH,
        TP_CUSTOM(struct tp_tls_conf, name, struct tp_str, &name_type),
        .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "Whom a dial has to reach: a name or an address; without it, the one that is "
                 "dialed.",
    },
    {
        .name = "ssl_trusted_certificate", .where = IN_BOTH,
        TP_PATH(struct tp_tls_conf, trusted_certificate), .words = word_system,
        .preset = system_word, .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "A PEM file of the authorities that vouch for whom a dial reaches; system: "
                 "those that this system trusts.",
    },
};

const struct tp_module tp__module_tls = {
    .name = "tls",
    .brief = "Who this end is, and whom it trusts.",
    .conf_size = sizeof(struct tp_tls_conf),
    TP_DIRECTIVES(tls_directives),
    .validate = tls_validate,
    .release = tls_release,
};

const char *
tp__tls_conf_name(const struct tp_tls_conf *conf, struct tp_arena *arena,
                  const struct tp_target *target)
{
    struct tp_str name = conf->name.len > 0 ? conf->name : tp__dialer_host(target->address);

    return conf->context == NULL || name.len == 0 ? NULL : tp__arena_copy(arena, name).data;
}

static void
tls_validate(const struct tp_block *block, void *conf)
{
    switch (tp_block_context(block)) {
    case TP_IN_SERVER:
        server_validate_tls(block, conf);
        break;
    case TP_IN_DIAL:
        dial_validate_tls(block, conf);
        break;
    case TP_IN_UPSTREAM:
        upstream_validate_tls(block, conf);
        break;
    default:
        break;
    }
}

static void
tls_release(void *conf)
{
    struct tp_tls_conf *tls = conf;

    tp__tls_context_release(&tls->context);
}

static void
server_validate_tls(const struct tp_block *block, struct tp_tls_conf *conf)
{
    struct tls_making making = { .block = block, .conf = conf };

    server_validate_listens(block, conf);
    if (!validate_pairs(block, conf)) {
        return;
    }
    if (conf->verify_client != TP_TLS_VERIFY_OFF && conf->client_certificate.len == 0) {
        tp_conf_complain(block, "ssl_verify_client", 0,
                         "ssl_client_certificate has to say whose certificates are good");
        return;
    }
    making.options = (struct tp_tls_options){
        .role = TP_TLS_ACCEPTS,
        .verify = (enum tp_tls_verify) conf->verify_client,
        .remembered = (uint32_t) conf->session_cache,
        .has_tickets = conf->session_tickets,
    };
    making_read_file(&making, "ssl_client_certificate", 0, conf->client_certificate,
                     &making.trusted);
    conf->context = tls_make(&making);
}

static void
server_validate_listens(const struct tp_block *block, const struct tp_tls_conf *conf)
{
    const struct tp_server_conf *server = tp_block_conf(block, &tp__module_server);
    const struct tp_listen_conf *listens = server->listens.items;

    for (size_t i = 0; i < server->listens.count && conf->certificates.count == 0; i++) {
        if (listens[i].ssl) {
            tp_conf_complain(block, "listen", i,
                             "ssl needs ssl_certificate and ssl_certificate_key");
        }
    }
}

/* Are there certificates, each with a key? */
static bool
validate_pairs(const struct tp_block *block, const struct tp_tls_conf *conf)
{
    size_t certificate_count = conf->certificates.count;
    size_t key_count = conf->keys.count;

    if (certificate_count > key_count) {
        tp_conf_complain(block, "ssl_certificate", key_count,
                         "this certificate has no ssl_certificate_key");
    } else if (key_count > certificate_count) {
        tp_conf_complain(block, "ssl_certificate_key", certificate_count,
                         "this key has no ssl_certificate");
    }
    return certificate_count > 0 && certificate_count == key_count;
}

/* The certificates of the server around it say who answers there, not who dials. */
static void
dial_validate_tls(const struct tp_block *block, struct tp_tls_conf *conf)
{
    const struct tp_dial_conf *dial = tp_block_conf(block, &tp__module_dial);
    struct tp_target target;

    if (tp__target_parse(dial->target, &target) != NULL) {
        return; /* That has been complained of. */
    }
    if (!dial->ssl && !target.has_tls) {
        dial_validate_unused(
            block, "this dial speaks no TLS; write \"dial ADDRESS ssl\" or \"dial tls://ADDRESS\"");
        return;
    }
    dial_make_context(block, conf, "dial", tp__dialer_host(target.address).len > 0);
}

/* One context serves all servers of an upstream; each shows a certificate for its own name. */
static void
upstream_validate_tls(const struct tp_block *block, struct tp_tls_conf *conf)
{
    const struct tp_upstream_conf *upstream = tp_block_conf(block, &tp__module_upstream);
    const struct tp_upstream_server_conf *servers = upstream->servers.items;
    bool has_tls = false;
    bool have_names = true;

    for (size_t i = 0; i < upstream->servers.count; i++) {
        struct tp_target target;

        if (tp__target_parse(servers[i].target, &target) == NULL
            && (servers[i].ssl || target.has_tls)) {
            has_tls = true;
            have_names = have_names && tp__dialer_host(target.address).len > 0;
        }
    }
    if (has_tls) {
        dial_make_context(block, conf, "server", have_names);
    } else {
        dial_validate_unused(block, "no server here speaks TLS; write \"server ADDRESS ssl\" or "
                                    "\"server tls://ADDRESS\"");
    }
}

static void
dial_make_context(const struct tp_block *block, struct tp_tls_conf *conf, const char *directive,
                  bool has_name)
{
    struct tls_making making = { .block = block, .conf = conf };

    if (!tp_block_writes(block, "ssl_certificate")) {
        conf->certificates.count = 0;
    }
    if (!tp_block_writes(block, "ssl_certificate_key")) {
        conf->keys.count = 0;
    }
    if (conf->certificates.count + conf->keys.count > 0 && !validate_pairs(block, conf)) {
        return;
    }
    if (conf->verify && conf->name.len == 0 && !has_name) {
        tp_conf_complain(block, directive, 0,
                         "ssl_name has to say whom this reaches, for there is no name in it; or "
                         "ssl_verify off");
        return;
    }
    making.options = (struct tp_tls_options){
        .role = TP_TLS_DIALS,
        .verify = conf->verify ? TP_TLS_VERIFY_ON : TP_TLS_VERIFY_OFF,
    };
    if (conf->verify && !tp__str_equal(conf->trusted_certificate, TP_STR("system"))) {
        making_read_file(&making, "ssl_trusted_certificate", 0, conf->trusted_certificate,
                         &making.trusted);
    }
    conf->context = tls_make(&making);
}

static void
dial_validate_unused(const struct tp_block *block, const char *why)
{
    for (size_t i = 0; i < TP_COUNT_OF(tls_directives); i++) {
        const char *name = tls_directives[i].name;

        if (tp_block_writes(block, name)) {
            tp_conf_complain(block, name, 0, "%s", why);
        }
    }
}

/* Completes the options and makes a context of them; NULL when that cannot be. */
static struct tp_tls_context *
tls_make(struct tls_making *making)
{
    const struct tp_tls_conf *conf = making->conf;
    struct tp_tls_context *context = NULL;
    struct tp_arena arena;

    tp__arena_init(&arena, sizeof(struct tp_tls_pair) * (conf->certificates.count + 1));
    struct tp_tls_pair *pairs =
        tp__arena_new_array(&arena, struct tp_tls_pair, conf->certificates.count + 1);

    making_read_pairs(making, pairs, conf->certificates.count);
    making_read_alpn(making);
    making->options.pairs = pairs;
    making->options.pair_count = conf->certificates.count;
    making->options.versions = (unsigned) (conf->versions[0] | conf->versions[1]);
    making->options.ciphers = conf->ciphers.data;
    making->options.trusted = tp__text_get(&making->trusted);
    making->options.alpn = tp__text_get(&making->alpn);
    making->options.complain = making_on_complaint;
    making->options.owner = making;
    if (!making->has_mistakes
        && tp__tls_context_create(&making->options, &context) == TP_NO_MEMORY) {
        tp_conf_complain(making->block, "ssl_certificate", 0, "memory is used up");
    }
    making_forget(making);
    tp__arena_fini(&arena);
    return context;
}

/* Texts are appended to one that may move: slices of it are taken when all is there. */
static void
making_read_pairs(struct tls_making *making, struct tp_tls_pair *pairs, size_t count)
{
    const struct tp_tls_word *certificates = making->conf->certificates.items;
    const struct tp_tls_word *keys = making->conf->keys.items;

    for (size_t i = 0; i < count; i++) {
        pairs[i].certificate.len = making_read_file(making, "ssl_certificate", i,
                                                    certificates[i].text, &making->certificates);
        pairs[i].key.len =
            making_read_file(making, "ssl_certificate_key", i, keys[i].text, &making->keys);
    }
    const char *certificate = tp__text_get(&making->certificates).data;
    const char *key = tp__text_get(&making->keys).data;

    for (size_t i = 0; i < count; i++) {
        pairs[i].certificate.data = certificate;
        pairs[i].key.data = key;
        certificate += pairs[i].certificate.len;
        key += pairs[i].key.len;
    }
}

static void
making_read_alpn(struct tls_making *making)
{
    const struct tp_tls_word *names = making->conf->alpn.items;

    for (size_t i = 0; i < making->conf->alpn.count; i++) {
        char len = (char) (unsigned char) names[i].text.len;

        tp__text_append(&making->alpn, (struct tp_str){ &len, 1 });
        tp__text_append(&making->alpn, names[i].text);
    }
}

/* The bytes that were appended to `content`; a path of no bytes names no file. */
static size_t
making_read_file(struct tls_making *making, const char *directive, size_t item, struct tp_str path,
                 struct tp_text *content)
{
    size_t before = content->len;

    if (path.len == 0) {
        return 0;
    }
    enum tp_result result = tp__conf_read_file(making->block, path.data, content);

    if (result != TP_OK) {
        tp_conf_complain(making->block, directive, item, "cannot read %s: %s", path.data,
                         tp__result_text(result));
        making->has_mistakes = true;
        return 0;
    }
    return content->len - before;
}

static void
making_on_complaint(void *owner, const struct tp_tls_complaint *complaint)
{
    const struct tls_making *making = owner;
    const struct tp_tls_word *certificates = making->conf->certificates.items;
    const struct tp_tls_word *keys = making->conf->keys.items;
    bool accepts = making->options.role == TP_TLS_ACCEPTS;
    const char *directive = "ssl_certificate";
    const char *file = "";

    switch (complaint->part) {
    case TP_TLS_PART_CERTIFICATE:
        file = certificates[complaint->item].text.data;
        break;
    case TP_TLS_PART_KEY:
        directive = "ssl_certificate_key";
        file = keys[complaint->item].text.data;
        break;
    case TP_TLS_PART_CIPHERS:
        directive = "ssl_ciphers";
        break;
    case TP_TLS_PART_TRUSTED:
        directive = accepts ? "ssl_client_certificate" : "ssl_trusted_certificate";
        file = accepts ? making->conf->client_certificate.data
                       : making->conf->trusted_certificate.data;
        break;
    case TP_TLS_PART_OTHER:
        break;
    }
    const char *gap = file[0] == '\0' ? "" : ": ";

    if (complaint->is_warning) {
        tp_conf_warn(making->block, directive, complaint->item, "%s%s%s", file, gap,
                     complaint->words);
    } else {
        tp_conf_complain(making->block, directive, complaint->item, "%s%s%s", file, gap,
                         complaint->words);
    }
}

static void
making_forget(struct tls_making *making)
{
    if (making->keys.data != NULL) {
        explicit_bzero(making->keys.data, making->keys.capacity);
    }
    tp__text_fini(&making->keys);
    tp__text_fini(&making->certificates);
    tp__text_fini(&making->trusted);
    tp__text_fini(&making->alpn);
}

static const char *
alpn_value_parse(struct tp_str text, void *field)
{
    struct tp_str *name = field;

    *name = text;
    return text.len > 0 && text.len <= TP_TLS_ALPN_NAME_MAX ? NULL
                                                            : "a name of at most 255 characters";
}

static const char *
name_value_parse(struct tp_str text, void *field)
{
    struct tp_str *name = field;

    *name = text;
    return text.len > 0 && text.len <= TP_TLS_NAME_MAX ? NULL : "a name or an address";
}

/*
 * services.c - what a program announces to a registry, each time that it is connected.
 *
 * A record stands for a service of a session until it is withdrawn or the session ends for good.
 * While its PULL is under way it stays, whatever becomes of either: the answer finds it.
 *
 * Runs in: the peer's thread.  Owns: the records.  Read next: session/dial.c, which tells when a
 * session is open.
 */
#include "peer/peer.h"

#include <teleport/json_text.h>

#include "base/str.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANNOUNCE_AGAIN_MS = 5000, /* where the registry had no room, or no time */
};

struct peer_service {
    struct tp_list_node node;
    struct tp_peer *peer;
    struct tp_session_handle session;
    struct tp_timer again;
    bool is_asking;    /* its PULL is under way */
    bool is_withdrawn; /* and nobody wants to hear of it any more */
    tp_reply_fn on_reply;
    void *owner;
    struct tp_text body;
    size_t name_len;
    char name[];
};

static struct peer_service *service_make(struct tp_session *session,
                                         const struct tp_service *options);
static void service_write(struct tp_text *body, const struct tp_service *options);
static void text_append_json(struct tp_text *text, struct tp_str words);
static struct peer_service *service_find(const struct tp_peer *peer,
                                         const struct tp_session *session, struct tp_str name);
static void service_announce(struct peer_service *service);
static void service_on_reply(const struct tp_reply *reply, void *owner);
static void service_on_again(struct tp_timer *timer);
static void service_end(struct peer_service *service);
static void service_free(struct peer_service *service);

enum tp_result
tp_session_announce(struct tp_session *session, const struct tp_service *given)
{
    struct tp_peer *peer = tp_session_peer(session);
    struct tp_service options;

    TP_ASSERT(peer != NULL);
    tp__peer_check(peer);
    if (!tp__options_take(&options, sizeof(options), given, given->size)) {
        return tp__peer_fail(peer, TP_INVALID, "a service says more than this library knows");
    }
    if (options.name == NULL || options.name[0] == '\0' || options.uri_count == 0) {
        return tp__peer_fail(peer, TP_INVALID, "a service has a name, and a uri at least");
    }
    if (!tp_session_is_dialed(session)) {
        return tp__peer_fail(peer, TP_INVALID, "what is announced again and again is dialed");
    }
    struct peer_service *before = service_find(peer, session, tp__str(options.name));
    struct peer_service *service = service_make(session, &options);

    if (service == NULL) {
        return tp__peer_fail(peer, TP_NO_MEMORY, "memory is out for a service");
    }
    if (before != NULL) {
        service_end(before);
    }
    tp__list_append(&peer->services, &service->node);
    if (tp_session_get_state(session) == TP_SESSION_OPEN) {
        service_announce(service);
    }
    return TP_OK;
}

enum tp_result
tp_session_withdraw(struct tp_session *session, const char *name, tp_reply_fn on_reply, void *owner)
{
    struct tp_peer *peer = tp_session_peer(session);
    struct tp_text body = { 0 };

    TP_ASSERT(peer != NULL);
    tp__peer_check(peer);
    struct peer_service *service = service_find(peer, session, tp__str(name));

    if (service == NULL) {
        return TP_NOT_FOUND;
    }
    const struct tp_send_options options = {
        .size = sizeof(options),
        .body_codec = TP_CODEC_JSON,
        .fails_at_once = true,
    };

    tp__text_append(&body, TP_STR("{\"service\":"));
    text_append_json(&body, tp__str(name));
    tp__text_append(&body, TP_STR("}"));
    enum tp_result result =
        !tp__text_is_whole(&body)
            ? TP_NO_MEMORY
            : tp_session_pull_async(session, TP_STR("/registry/deregister"), tp__text_get(&body),
                                    &options, on_reply, owner);

    tp__text_fini(&body);
    service_end(service);
    return result;
}

void
tp__peer_on_dial_change(struct tp_session *session, enum tp_dial_change change, void *owner)
{
    struct tp_peer *peer = owner;
    uint64_t number = tp_session_number(session);
    struct tp_list_node *next;

    for (struct tp_list_node *node = peer->services.next; node != &peer->services; node = next) {
        struct peer_service *service = TP_CONTAINER_OF(node, struct peer_service, node);

        next = node->next;
        if (service->session.number != number) {
            continue;
        }
        if (change == TP_DIAL_OPEN) {
            service_announce(service);
        } else if (change == TP_DIAL_ENDED) {
            service_end(service);
        }
    }
}

/* NULL: memory is out. */
static struct peer_service *
service_make(struct tp_session *session, const struct tp_service *options)
{
    size_t name_len = strlen(options->name);
    struct peer_service *service = calloc(1, sizeof(*service) + name_len + 1);

    if (service == NULL) {
        return NULL;
    }
    service->peer = tp_session_peer(session);
    service->session = tp_session_get_handle(session);
    service->on_reply = options->on_reply;
    service->owner = options->owner;
    service->name_len = name_len;
    memcpy(service->name, options->name, name_len);
    tp__timer_init(&service->again, service_on_again);
    service_write(&service->body, options);
    if (!tp__text_is_whole(&service->body)) {
        tp__text_fini(&service->body);
        free(service);
        return NULL;
    }
    return service;
}

/* As the registry wants it: {"service":"math","uris":["/math/…"],"weight":2}. */
static void
service_write(struct tp_text *body, const struct tp_service *options)
{
    tp__text_append(body, TP_STR("{\"service\":"));
    text_append_json(body, tp__str(options->name));
    tp__text_append(body, TP_STR(",\"uris\":["));
    for (size_t i = 0; i < options->uri_count; i++) {
        tp__text_append(body, i == 0 ? TP_STR("") : TP_STR(","));
        text_append_json(body, tp__str(options->uris[i]));
    }
    tp__text_append(body, TP_STR("]"));
    if (options->weight > 0) {
        tp__text_printf(body, ",\"weight\":%" PRIu32, options->weight);
    }
    if (options->max_pulls > 0) {
        tp__text_printf(body, ",\"max_pulls\":%" PRIu32, options->max_pulls);
    }
    if (options->meta != NULL) {
        tp__text_printf(body, ",\"meta\":%s", options->meta);
    }
    if (options->address != NULL) {
        tp__text_append(body, TP_STR(",\"address\":"));
        text_append_json(body, tp__str(options->address));
    }
    if (options->ttl.ms > 0) {
        tp__text_printf(body, ",\"ttl\":\"%" PRId64 "ms\"", options->ttl.ms);
    }
    tp__text_append(body, TP_STR("}"));
}

static void
text_append_json(struct tp_text *text, struct tp_str words)
{
    size_t room = tp_json_text_max(words);
    uint8_t *written = malloc(room);

    if (written == NULL) {
        text->is_cut = true;
        return;
    }
    uint8_t *end = tp_json_text_write(words, written);

    tp__text_append(text, (struct tp_str){ (const char *) written, (size_t) (end - written) });
    free(written);
}

static struct peer_service *
service_find(const struct tp_peer *peer, const struct tp_session *session, struct tp_str name)
{
    TP_LIST_EACH (node, &peer->services) {
        struct peer_service *service = TP_CONTAINER_OF(node, struct peer_service, node);

        if (service->session.number == tp_session_number(session)
            && tp__str_equal((struct tp_str){ service->name, service->name_len }, name)) {
            return service;
        }
    }
    return NULL;
}

/* What cannot be asked now is asked with the next connection, or a while later. */
static void
service_announce(struct peer_service *service)
{
    struct tp_session *session = tp_session_at(service->session);
    const struct tp_send_options options = {
        .size = sizeof(options),
        .body_codec = TP_CODEC_JSON,
        .fails_at_once = true,
    };

    tp__loop_stop_timer(service->peer->loop, &service->again);
    if (session == NULL || service->is_asking) {
        return;
    }
    enum tp_result result =
        tp_session_pull_async(session, TP_STR("/registry/register"), tp__text_get(&service->body),
                              &options, service_on_reply, service);

    service->is_asking = result == TP_OK;
    if (result != TP_OK && result != TP_GONE) {
        tp__loop_start_timer(service->peer->loop, &service->again, ANNOUNCE_AGAIN_MS);
    }
}

static void
service_on_reply(const struct tp_reply *reply, void *owner)
{
    struct peer_service *service = owner;
    const struct tp_status *status = tp_reply_status(reply);
    bool is_for_now =
        status->code == TP_STATUS_SERVICE_UNAVAILABLE || status->code == TP_STATUS_GATEWAY_TIMEOUT;

    service->is_asking = false;
    if (service->is_withdrawn) {
        service_free(service);
        return;
    }
    if (is_for_now) {
        tp__loop_start_timer(service->peer->loop, &service->again, ANNOUNCE_AGAIN_MS);
    }
    if (status->code != TP_STATUS_OK && status->code != TP_STATUS_CONNECTION_CLOSED) {
        tp_log_warn(&service->peer->log, "announcement-refused",
                    "service=%s status=%d text=\"%.*s\"", service->name, (int) status->code,
                    TP_STR_ARG(status->text));
    }
    if (service->on_reply != NULL) {
        service->on_reply(reply, service->owner);
    }
}

static void
service_on_again(struct tp_timer *timer)
{
    service_announce(TP_CONTAINER_OF(timer, struct peer_service, again));
}

static void
service_end(struct peer_service *service)
{
    tp__list_remove(&service->node);
    tp__loop_stop_timer(service->peer->loop, &service->again);
    service->is_withdrawn = true;
    if (!service->is_asking) {
        service_free(service);
    }
}

static void
service_free(struct peer_service *service)
{
    tp__text_fini(&service->body);
    free(service);
}

/*
 * redis_target.c - where a Redis server is, as it is written in a configuration; and what of its errors
 * may be repeated.
 *
 * Runs in: wherever a configuration is checked, and the worker.
 */
#include "redis_link.h"

#include "redis.h"

#include <string.h>

enum {
    PORT_PRESET = 6379,
    PORT_MAX = 65535,
};

static bool target_read_host(struct tp_str text, struct redis_target *target);
static bool target_read_port(struct tp_str digits, int *port);
static bool target_set_place(struct tp_str place, struct redis_target *target);
static bool name_is_one(struct tp_str name);

const char *
registry_redis_check_address(struct tp_str address)
{
    struct redis_target target;

    return redis_target_parse(address, &target)
               ? NULL
               : "an address such as 127.0.0.1:6379, [::1]:6379, name:6379 or unix:/path";
}

bool
redis_target_parse(struct tp_str text, struct redis_target *target)
{
    static const char unix_prefix[] = "unix:";
    size_t prefix_len = sizeof(unix_prefix) - 1;

    *target = (struct redis_target){ .port = PORT_PRESET };
    if (text.len == 0 || text.len >= sizeof(target->text)
        || memchr(text.data, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(target->text, text.data, text.len);
    target->is_unix = strncmp(target->text, unix_prefix, prefix_len) == 0;
    if (target->is_unix) {
        return target_set_place((struct tp_str){ text.data + prefix_len, text.len - prefix_len },
                                target);
    }
    return target_read_host(text, target);
}

struct redis_word
redis_error_word(const redisReply *reply)
{
    struct redis_word word = { "" };
    size_t len = 0;

    while (len < reply->len && len < sizeof(word.text) - 1
           && (strchr("_-", reply->str[len]) != NULL
               || (reply->str[len] >= 'A' && reply->str[len] <= 'Z'))) {
        word.text[len] = reply->str[len];
        len++;
    }
    return word;
}

/* An address may have colons itself, in brackets or without a port. */
static bool
target_read_host(struct tp_str text, struct redis_target *target)
{
    struct tp_address address;
    struct tp_str place = text;
    const char *colon = strrchr(target->text, ':');
    bool is_address = tp_address_parse_ip(text, &address) == TP_OK;

    if (!is_address && colon != NULL && (text.data[0] != '[' || colon[-1] == ']')) {
        place.len = (size_t) (colon - target->text);
        if (!target_read_port((struct tp_str){ colon + 1, text.len - place.len - 1 },
                              &target->port)) {
            return false;
        }
    }
    bool is_bracketed = place.len >= 2 && place.data[0] == '[' && place.data[place.len - 1] == ']';

    if (is_bracketed) {
        place = (struct tp_str){ place.data + 1, place.len - 2 };
    }
    target->is_name = tp_address_parse_ip(place, &address) != TP_OK;
    if (target->is_name && (is_bracketed || !name_is_one(place))) {
        return false;
    }
    return target_set_place(place, target);
}

static bool
target_read_port(struct tp_str digits, int *port)
{
    *port = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9' || *port > PORT_MAX) {
            return false;
        }
        *port = *port * 10 + (digits.data[i] - '0');
    }
    return *port > 0 && *port <= PORT_MAX;
}

static bool
target_set_place(struct tp_str place, struct redis_target *target)
{
    if (place.len == 0 || place.len > REDIS_TARGET_MAX) {
        return false;
    }
    memcpy(target->place, place.data, place.len);
    return true;
}

static bool
name_is_one(struct tp_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char letter = name.data[i];
        bool is_plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z')
                        || (letter >= '0' && letter <= '9');

        if (!is_plain && (letter == '\0' || strchr("-._", letter) == NULL)) {
            return false;
        }
    }
    return true;
}

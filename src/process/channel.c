/*
 * channel.c - messages between master and worker.
 *
 * Runs in: master and workers.
 */
#include "process/channel.h"

#include "os/file.h"
#include "os/socket.h"

#include <string.h>

enum {
    CHANNEL_HEADER_BYTES = offsetof(struct tp_channel_message, text),
};

enum tp_result
tp__channel_send(int fd, const struct tp_channel_message *message, int passed_fd)
{
    size_t len = CHANNEL_HEADER_BYTES + strnlen(message->text, TP_CHANNEL_TEXT_MAX - 1);

    return tp__socket_send_message(fd, message, len, passed_fd);
}

enum tp_result
tp__channel_receive(int fd, struct tp_channel_message *message, int *passed_fd)
{
    size_t len;
    enum tp_result result = tp__socket_receive_message(
        fd, message, CHANNEL_HEADER_BYTES + TP_CHANNEL_TEXT_MAX - 1, &len, passed_fd);

    if (result != TP_OK) {
        return result;
    }
    if (len < CHANNEL_HEADER_BYTES || message->kind >= TP_CHANNEL_KIND_COUNT) {
        tp__descriptor_close(passed_fd);
        return TP_INVALID;
    }
    message->text[len - CHANNEL_HEADER_BYTES] = '\0';
    return TP_OK;
}

struct tp_channel_message
tp__channel_message(enum tp_channel_kind kind, uint64_t generation)
{
    return (struct tp_channel_message){ .kind = kind, .generation = generation };
}

const char *
tp__channel_kind_word(uint32_t kind)
{
    switch ((enum tp_channel_kind) kind) {
#define CHANNEL_WORD_ROW(name, word, direction, meaning) \
    case TP_CHANNEL_##name:                              \
        return word;
        TP_CHANNEL_TABLE(CHANNEL_WORD_ROW)
#undef CHANNEL_WORD_ROW
    case TP_CHANNEL_KIND_COUNT:
        break;
    }
    return "unknown";
}

/*
 * close_reason.c - the table of close reasons, as words and sentences.
 *
 * Runs in: everywhere.  Owns: nothing.
 */
#include "session/close_reason.h"

#include "base/str.h"

const char *
tp_close_reason_word(enum tp_close_reason reason)
{
    switch (reason) {
#define CLOSE_WORD_ROW(name, word, sentence) \
    case TP_CLOSE_##name:                    \
        return word;
        TP_CLOSE_TABLE(CLOSE_WORD_ROW)
#undef CLOSE_WORD_ROW
    }
    return "unknown";
}

bool
tp__close_reason_is_final(enum tp_close_reason reason)
{
    switch (reason) {
    case TP_CLOSE_PEER_CLOSED:
    case TP_CLOSE_CONNECTION_BROKEN:
    case TP_CLOSE_NO_RESOURCES:
    case TP_CLOSE_PACKET_TOO_LARGE:
    case TP_CLOSE_PROTOCOL_ERROR:
    case TP_CLOSE_UNSUPPORTED_TYPE:
    case TP_CLOSE_READ_TIMEOUT:
    case TP_CLOSE_PACKET_TIMEOUT:
    case TP_CLOSE_WRITE_TIMEOUT:
    case TP_CLOSE_HOOK_TIMEOUT:
    case TP_CLOSE_TLS_FAILED:
    case TP_CLOSE_TLS_REQUIRED:
    case TP_CLOSE_HANDSHAKE_TIMEOUT:
    case TP_CLOSE_PROXY_HEADER:
    case TP_CLOSE_AUTH_FAILED:
    case TP_CLOSE_AUTH_TIMEOUT:
    case TP_CLOSE_AUTH_EXPIRED:
    case TP_CLOSE_HEARTBEAT_TIMEOUT:
    case TP_CLOSE_LIMIT_REACHED:
    case TP_CLOSE_QUEUE_FULL:
        return false;
    case TP_CLOSE_AUTH_REVOKED:
    case TP_CLOSE_REFUSED:
    case TP_CLOSE_PROXY_UNTRUSTED:
    case TP_CLOSE_LISTEN_REMOVED:
    case TP_CLOSE_CLOSED:
    case TP_CLOSE_KICKED:
    case TP_CLOSE_ID_TAKEN:
    case TP_CLOSE_DIAL_REMOVED:
    case TP_CLOSE_DIAL_FAILED:
    case TP_CLOSE_SHUTDOWN:
    case TP_CLOSE_MOVED:
    case TP_CLOSE_NOT_RESTORED:
        return true;
    }
    return true;
}

bool
tp__close_reason_find(struct tp_str wanted, enum tp_close_reason *reason)
{
#define CLOSE_FIND_ROW(name, word, sentence)    \
    if (tp__str_equal(wanted, TP_STR(word))) {  \
        *reason = TP_CLOSE_##name;              \
        return true;                            \
    }
    TP_CLOSE_TABLE(CLOSE_FIND_ROW)
#undef CLOSE_FIND_ROW
    return false;
}

const char *
tp__close_reason_sentence(enum tp_close_reason reason)
{
    switch (reason) {
#define CLOSE_SENTENCE_ROW(name, word, sentence) \
    case TP_CLOSE_##name:                        \
        return sentence;
        TP_CLOSE_TABLE(CLOSE_SENTENCE_ROW)
#undef CLOSE_SENTENCE_ROW
    }
    return "This reason is not in the table.";
}

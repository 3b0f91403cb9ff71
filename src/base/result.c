/*
 * result.c - the words and sentences of results, and what ends the process when
 * a promise is broken.
 */
#include "base/result.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
tp_result_word(enum tp_result result)
{
    switch (result) {
#define RESULT_WORD_ROW(name, number, word, sentence) \
    case TP_##name:                                   \
        return word;
        TP_RESULT_TABLE(RESULT_WORD_ROW)
#undef RESULT_WORD_ROW
    }
    return "unknown";
}

const char *
tp_result_sentence(enum tp_result result)
{
    switch (result) {
#define RESULT_SENTENCE_ROW(name, number, word, sentence) \
    case TP_##name:                                       \
        return sentence;
        TP_RESULT_TABLE(RESULT_SENTENCE_ROW)
#undef RESULT_SENTENCE_ROW
    }
    return "This result is not in the table.";
}

enum tp_result
tp__result_from_errno(void)
{
    switch (errno) {
    case EAGAIN:
        return TP_AGAIN;
    case EINTR:
        return TP_INTERRUPTED;
    case ENOMEM:
    case ENOBUFS:
        return TP_NO_MEMORY;
    case EMFILE:
    case ENFILE:
        return TP_NO_DESCRIPTORS;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
        return TP_GONE;
    case ENOENT:
        return TP_NOT_FOUND;
    case EEXIST:
        return TP_EXISTS;
    case EADDRINUSE:
        return TP_IN_USE;
    case EACCES:
    case EPERM:
        return TP_DENIED;
    case ETIMEDOUT:
        return TP_TIMED_OUT;
    default:
        return TP_SYSTEM;
    }
}

const char *
tp__result_text(enum tp_result result)
{
    int system_error = errno;

    if (system_error != 0 && tp__result_from_errno() == result) {
        return strerror(system_error);
    }
    return tp_result_sentence(result);
}

void
tp_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}

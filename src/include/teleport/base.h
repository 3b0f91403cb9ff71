/*
 * teleport/base.h - the words every part of Teleport shares: results, slices,
 * units and the few macros that make the compiler check our promises.
 *
 * Declarations only; nothing here allocates, blocks or keeps state.  May be
 * included from any thread, from C11 and from C++.
 *
 * Read next: teleport/log.h, teleport/directive.h, teleport/module.h.
 */
#ifndef TELEPORT_BASE_H
#define TELEPORT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TP_MUST_CHECK                  __attribute__((warn_unused_result))
#define TP_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#define TP_NORETURN                    __attribute__((noreturn))

#define TP_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define TP_CONTAINER_OF(pointer, type, member) \
    ((type *) (void *) ((char *) (pointer) - offsetof(type, member)))

/* offsetof() of a field that is of this type: of another one it does not compile.  Not for C++. */
#define TP_FIELD_OFFSET(struct_type, field, field_type)             \
    (offsetof(struct_type, field)                                   \
     + 0                                                            \
           * sizeof(_Generic(((struct_type *) 0)->field, field_type \
                             : (char) 0)))

/*
 * Results of C functions: ROW(NAME, number, word for logs, sentence for people).
 * A result never leaves the process and never becomes an exchange's status by
 * itself.  TP_SYSTEM and the results made from errno leave errno as it was.
 */
/* clang-format off */
#define TP_RESULT_TABLE(ROW)                                                                       \
    ROW(OK,               0, "ok",             "Done.")                                            \
    ROW(AGAIN,           -1, "again",          "It would block; wait for an event.")               \
    ROW(NO_MEMORY,       -2, "no-memory",      "An allocation failed.")                            \
    ROW(NO_DESCRIPTORS,  -3, "no-descriptors", "The file descriptor limit is reached.")            \
    ROW(TOO_LARGE,       -4, "too-large",      "A configured maximum was exceeded.")               \
    ROW(FULL,            -5, "full",           "A bounded queue or table has no room.")            \
    ROW(GONE,            -6, "gone",           "The other end no longer exists.")                  \
    ROW(INVALID,         -7, "invalid",        "The input is not of the required form.")           \
    ROW(NOT_FOUND,       -8, "not-found",      "There is no such thing.")                          \
    ROW(EXISTS,          -9, "exists",         "There is such a thing already.")                   \
    ROW(IN_USE,         -10, "in-use",         "Somebody else is using it.")                       \
    ROW(DENIED,         -11, "denied",         "Permission was denied.")                           \
    ROW(TIMED_OUT,      -12, "timed-out",      "The time allowed for it has passed.")              \
    ROW(INTERRUPTED,    -13, "interrupted",    "A signal or a shutdown interrupted it.")           \
    ROW(OWNER_DIED,     -14, "owner-died",     "A process died while it held the lock.")           \
    ROW(MISMATCH,       -15, "mismatch",       "The other side has another version or layout.")    \
    ROW(SYSTEM,         -16, "system",         "The operating system refused; errno says why.")    \
    ROW(UNSUPPORTED,    -17, "unsupported",    "The protocol of the session has no way to say it.")
/* clang-format on */

enum tp_result {
#define TP_RESULT_ENUM_ROW(name, number, word, sentence) TP_##name = (number),
    TP_RESULT_TABLE(TP_RESULT_ENUM_ROW)
#undef TP_RESULT_ENUM_ROW
};

/* The word of `result` for logs ("no-memory"); "unknown" for a number outside the table. */
const char *tp_result_word(enum tp_result result);

/* The sentence of `result` for people; never NULL. */
const char *tp_result_sentence(enum tp_result result);

/*
 * A slice: `len` bytes at `data`, not owned, not terminated.  data may be NULL
 * only when len is 0.
 */
struct tp_str {
    const char *data;
    size_t len;
};

#ifdef __cplusplus
#    define TP_STR(literal) (tp_str{ (literal), sizeof(literal) - 1 })
#else
#    define TP_STR(literal) ((struct tp_str){ (literal), sizeof(literal) - 1 })
#endif
/* For printf's "%.*s". */
#define TP_STR_ARG(str) ((int) (str).len), ((str).data)

/* Units are types, so that bytes cannot be passed for milliseconds. */
struct tp_size {
    uint64_t bytes;
};

struct tp_msec {
    int64_t ms;
};

/* What makes a struct a member of a list of whoever it is given to; embedded in it. */
struct tp_list_node {
    struct tp_list_node *next;
    struct tp_list_node *previous;
};

/*
 * Checked in every build: a broken promise inside this process ends it, with
 * the place named, before it can harm a session's data.  The world's mistakes
 * are handled, not asserted.
 */
#define TP_ASSERT(condition) \
    ((condition) ? (void) 0 : tp_assert_failed(#condition, __FILE__, __LINE__))

/* Writes the broken promise to standard error and aborts.  Use TP_ASSERT. */
void tp_assert_failed(const char *condition, const char *file, int line) TP_NORETURN;

#ifdef __cplusplus
}
#endif

#endif

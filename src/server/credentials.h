/*
 * server/credentials.h - what a dialed session says of who this end is.
 */
#ifndef TP_SERVER_CREDENTIALS_H
#define TP_SERVER_CREDENTIALS_H

#include <teleport/base.h>

#include "base/text.h"

enum {
    TP_CREDENTIALS_MAX = 8192, /* bytes; the other end's packet_limit may be less */
};

/* Where they are, which is one of the first three; all NULL: there are none. */
struct tp_credentials {
    const char *text;        /* the bytes themselves */
    const char *file;        /* a path; read anew for each connection */
    const char *environment; /* the name of a variable */
    const char *uri; /* what is pulled where the protocol has no place of its own; or NULL */
};

static inline bool
tp__credentials_are_there(const struct tp_credentials *credentials)
{
    return credentials != NULL
           && (credentials->text != NULL || credentials->file != NULL
               || credentials->environment != NULL);
}

/* A copy in one piece, which free() ends; *copy is NULL without any.  TP_NO_MEMORY. */
enum tp_result tp__credentials_copy(const struct tp_credentials *credentials,
                                    struct tp_credentials **copy) TP_MUST_CHECK;

/*
 * Appends their bytes to `said`, without white space around them, which editors leave.
 * TP_NOT_FOUND: there is no such file or variable; TP_INVALID: they are empty, or not text in one
 * line, which is all that has a place in each protocol; TP_TOO_LARGE, or what reading a file says.
 */
enum tp_result tp__credentials_read(const struct tp_credentials *credentials,
                                    struct tp_text *said) TP_MUST_CHECK;

/* The same for bytes that are there already: are they what can be said? */
bool tp__credentials_are_sane(struct tp_str said);

/* Overwrites and frees them. */
void tp__credentials_wipe(struct tp_text *said);

#endif

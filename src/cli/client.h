/*
 * cli/client.h - the peer that a command runs: made from the options, connected, turned, and
 * what went wrong said in words and as an exit code.
 *
 * Read next: show.h (what is printed).
 */
#ifndef TP_CLI_CLIENT_H
#define TP_CLI_CLIENT_H

#include "cli/bytes.h"
#include "cli/options.h"
#include "cli/system.h"
#include "cli/terminal.h"

#include <teleport/teleport.h>

enum {
    TP_CLIENT_WAITABLES = 2, /* in front of a command's own: the peer's, and signals */
};

/* All zeros is a client that has done nothing. */
struct tp_client {
    const struct tp_settings *settings;
    struct tp_peer *peer;
    struct tp_session_handle session; /* the dialed one */
    struct tp_screen output;
    struct tp_screen messages; /* standard error */
    struct tp_log_sink sink;
    struct tp_log log;
    int signals; /* -1: they do what they always do */
    /* What a command does first when it is interrupted; it drains then.  NULL: nothing. */
    void (*on_interrupt)(struct tp_client *client);
    bool is_interrupted;
    bool is_draining;
    bool is_done;
    bool is_silent;  /* nothing is logged: the screen is somebody's */
    bool is_resized; /* the terminal was; who has seen it takes that back */
    uint64_t drain_until_ns;
};

/* Makes the peer, whose options may be changed by `adjust`, unless that is NULL. */
enum tp_exit_code tp__client_open(struct tp_client *client, const struct tp_settings *settings,
                                  void (*adjust)(struct tp_peer_options *options,
                                                 const struct tp_settings *settings));

void tp__client_close(struct tp_client *client);

/* Dials, and waits until the session is open. */
enum tp_exit_code tp__client_connect(struct tp_client *client);

/* The session; NULL once it has ended. */
static inline struct tp_session *
tp__client_session(const struct tp_client *client)
{
    return tp_session_at(client->session);
}

/* What the options say of dialing, and of sending. */
struct tp_dial_options tp__client_dial_options(const struct tp_settings *settings);
struct tp_send_options tp__client_send_options(const struct tp_settings *settings);

/* The BODY of the command line. */
enum tp_exit_code tp__client_read_body(struct tp_client *client, struct tp_bytes *body);

/*
 * Dials where an ADDRESS was given or nothing is listened on, and listens where --listen says
 * so.
 */
enum tp_exit_code tp__client_start(struct tp_client *client);

/* From here on SIGINT and SIGTERM end the command, gracefully, and a second one at once. */
enum tp_exit_code tp__client_take_signals(struct tp_client *client);

/*
 * Lets the peer run, once: until something happens, or for `timeout_ns` unless that is
 * negative.  The first TP_CLIENT_WAITABLES of `waitables` are filled in here, the others of
 * `count` are the caller's.  False when the command is to end.
 */
bool tp__client_turn(struct tp_client *client, struct tp_waitable *waitables, size_t count,
                     int64_t timeout_ns);

/* Ends the command as soon as what is in flight is finished. */
void tp__client_drain(struct tp_client *client);

/* Says a line on standard error, unless --quiet; tp__client_tell() only with --verbose. */
void tp__client_say(struct tp_client *client, const char *format, ...) TP_PRINTF(2, 3);
void tp__client_tell(struct tp_client *client, const char *format, ...) TP_PRINTF(2, 3);

/* The exit code for the status of an answer, and for a call that failed. */
enum tp_exit_code tp__client_exit_of_status(int32_t code);
enum tp_exit_code tp__client_exit_of_result(enum tp_result result);

#endif

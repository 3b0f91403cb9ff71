/*
 * os/socket.h - sockets: listening, accepting, connecting, options.
 *
 * All descriptors are closed on exec, and non-blocking where nothing else is said.
 */
#ifndef TP_OS_SOCKET_H
#define TP_OS_SOCKET_H

#include <teleport/bytes.h>

#include "os/address.h"

struct tp_listen_options {
    int backlog;
    bool reuseport;     /* several sockets may share the address; the kernel spreads connections */
    bool ipv6only;      /* an IPv6 wildcard does not take IPv4 connections */
    unsigned file_mode; /* of a Unix socket's file; 0: as the umask says */
};

/* Options of a connection; bytes 0 leaves the system's default. */
struct tp_socket_options {
    bool tcp_nodelay;
    bool keepalive;
    int keepalive_idle_s; /* 0 leaves the system's default for these three */
    int keepalive_interval_s;
    int keepalive_count;
    int receive_buffer_bytes;
    int send_buffer_bytes;
};

/*
 * Opens a listening socket.  A Unix socket path on which nobody listens any more
 * is replaced.  TP_IN_USE: somebody listens there, or the path is that of another
 * kind of file; else as errno says.
 */
enum tp_result tp__socket_listen(const struct tp_endpoint *endpoint,
                                 const struct tp_listen_options *options, int *fd) TP_MUST_CHECK;

/* Changes the length of the accept queue of a listening socket. */
enum tp_result tp__socket_set_backlog(int fd, int backlog) TP_MUST_CHECK;

/* Changes who may connect to a Unix socket, as chmod has it. */
enum tp_result tp__socket_set_file_mode(const struct tp_endpoint *endpoint,
                                        unsigned mode) TP_MUST_CHECK;

/*
 * Ends the listening of a socket at once, in whichever processes it is open, so that
 * connections are refused and its address is free.
 */
void tp__socket_stop_listening(int fd);

/*
 * Accepts one connection.  TP_AGAIN: none waits; TP_GONE: that one has already
 * left, try the next; TP_NO_DESCRIPTORS, TP_NO_MEMORY: pause.
 */
enum tp_result tp__socket_accept(int listener_fd, int *fd, struct tp_address *remote) TP_MUST_CHECK;

/* True when accepting or reading would not block. */
bool tp__socket_has_input(int fd);

/* Applies `options`; what does not fit the socket's family is skipped. */
enum tp_result tp__socket_set_options(int fd, const struct tp_address *remote,
                                      const struct tp_socket_options *options) TP_MUST_CHECK;

/*
 * Connects to a Unix socket, waiting for it; reading and writing wait, too.
 * TP_NOT_FOUND or TP_GONE: nobody listens there; TP_TOO_LARGE: the path is too long.
 */
enum tp_result tp__socket_connect_unix(const char *path, int *fd) TP_MUST_CHECK;

/*
 * Begins to connect to `endpoint`.  TP_OK: it is connected; TP_AGAIN: it will be, or not, when
 * *fd becomes writable (tp__socket_finish_connect()).  TP_FULL: the queue of a Unix socket has
 * no room now; TP_GONE: nobody listens there; TP_NOT_FOUND: nobody has made that Unix socket;
 * else as errno says.
 */
enum tp_result tp__socket_connect(const struct tp_endpoint *endpoint, int *fd) TP_MUST_CHECK;

/*
 * How connecting has ended, once `fd` is writable; TP_GONE also for a socket that has met
 * itself: a port of this machine that nobody listens on may be the one it was given.
 */
enum tp_result tp__socket_finish_connect(int fd) TP_MUST_CHECK;

/* The address that `fd` is bound, or connected, to; family NONE where it has none. */
struct tp_address tp__socket_local_address(int fd);
struct tp_address tp__socket_remote_address(int fd);

/*
 * Makes a socket that somebody else has opened like our own: non-blocking, closed on exec.
 * TP_INVALID: it is no stream socket, or not listening where that `is_listening` says, or is.
 */
enum tp_result tp__socket_adopt(int fd, bool is_listening) TP_MUST_CHECK;

/* A connected pair of Unix sockets; `keeps_messages`: sequenced packets, else a stream. */
enum tp_result tp__socket_pair(bool keeps_messages, int fds[2]) TP_MUST_CHECK;

/* Says that nothing more will be written; reading goes on.  TP_GONE: the connection broke. */
enum tp_result tp__socket_finish_writing(int fd) TP_MUST_CHECK;

/*
 * Reads up to `room` bytes; *count 0 means the other end has finished sending.
 * TP_AGAIN: nothing there; TP_GONE: the connection broke.
 */
enum tp_result tp__socket_read(int fd, void *bytes, size_t room, size_t *count) TP_MUST_CHECK;

/* Writes what fits and says how much.  TP_AGAIN: nothing fits; TP_GONE: nobody reads any more. */
enum tp_result tp__socket_write(int fd, const void *bytes, size_t len, size_t *count) TP_MUST_CHECK;

/* The same for bytes in pieces, with one system call. */
enum tp_result tp__socket_write_slices(int fd, const struct tp_slice *slices, size_t count,
                                       size_t *written) TP_MUST_CHECK;

/*
 * Sends one message, not an empty one, over a sequenced-packet pair, together with a descriptor
 * (the receiver gets a copy) unless `passed_fd` is -1.
 */
enum tp_result tp__socket_send_message(int fd, const void *bytes, size_t len,
                                       int passed_fd) TP_MUST_CHECK;

/*
 * Receives one message of at most `room` bytes and, if one came with it, a descriptor,
 * which the caller owns; else *passed_fd is -1.  TP_GONE: the other end has closed;
 * TP_TOO_LARGE: the message did not fit and is lost; TP_NO_DESCRIPTORS: it is lost
 * because the descriptor that came with it could not be had.
 */
enum tp_result tp__socket_receive_message(int fd, void *bytes, size_t room, size_t *len,
                                          int *passed_fd) TP_MUST_CHECK;

#endif

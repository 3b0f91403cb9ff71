/*
 * socket.c - sockets: listening, accepting, connecting, options.
 */
#include "os/socket.h"

#include "base/result.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SOCKET_PARTS_MAX = 64, /* pieces written with one system call */
};

/* What goes beside a message when a descriptor is passed. */
union message_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static enum tp_result socket_bind(int fd, const struct tp_endpoint *endpoint);
static bool socket_is_abandoned(const struct tp_endpoint *endpoint);
static enum tp_result socket_connect_path(struct tp_str path, int type, int *made_fd);
static bool socket_is_itself(int fd);
static enum tp_result socket_set_int(int fd, int level, int option, int value);
static enum tp_result socket_set_keepalive(int fd, const struct tp_socket_options *options);
static enum tp_result socket_set_buffers(int fd, const struct tp_socket_options *options);

enum tp_result
tp__socket_listen(const struct tp_endpoint *endpoint, const struct tp_listen_options *options,
                  int *made_fd)
{
    struct sockaddr_storage system;
    enum tp_result result = TP_OK;

    tp__address_to_system(&endpoint->address, endpoint->path, &system);
    int fd = socket(system.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd == -1) {
        return tp__result_from_errno();
    }
    if (system.ss_family != AF_UNIX) {
        result = socket_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    }
    if (result == TP_OK && options->reuseport) {
        result = socket_set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (result == TP_OK && system.ss_family == AF_INET6) {
        result = socket_set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->ipv6only);
    }
    if (result == TP_OK && options->file_mode != 0 && fchmod(fd, options->file_mode) == -1) {
        /* Before bind(): the file must not exist with a wider mode for a moment. */
        result = tp__result_from_errno();
    }
    if (result == TP_OK) {
        result = socket_bind(fd, endpoint);
    }
    if (result == TP_OK && listen(fd, options->backlog) == -1) {
        result = tp__result_from_errno();
    }
    if (result != TP_OK) {
        tp__descriptor_close(&fd);
        return result;
    }
    *made_fd = fd;
    return TP_OK;
}

enum tp_result
tp__socket_set_backlog(int fd, int backlog)
{
    return listen(fd, backlog) == -1 ? tp__result_from_errno() : TP_OK;
}

enum tp_result
tp__socket_set_file_mode(const struct tp_endpoint *endpoint, unsigned mode)
{
    return chmod(endpoint->path.data, mode) == -1 ? tp__result_from_errno() : TP_OK;
}

void
tp__socket_stop_listening(int fd)
{
    /* It may not be listening any more; that is what was wanted. */
    shutdown(fd, SHUT_RDWR);
}

enum tp_result
tp__socket_finish_writing(int fd)
{
    return shutdown(fd, SHUT_WR) == -1 ? tp__result_from_errno() : TP_OK;
}

enum tp_result
tp__socket_accept(int listener_fd, int *fd, struct tp_address *remote)
{
    struct sockaddr_storage system = { 0 };
    socklen_t system_len = sizeof(system);

    *fd = accept4(listener_fd, (struct sockaddr *) &system, &system_len,
                  SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (*fd == -1) {
        /* These are errors of the connection that is taken off the queue, not of the listener. */
        bool is_lost = errno == ECONNABORTED || errno == EPROTO || errno == EINTR
                       || errno == ENETDOWN || errno == EHOSTDOWN || errno == EHOSTUNREACH
                       || errno == ENETUNREACH || errno == ENONET || errno == EPERM
                       || errno == ETIMEDOUT || errno == ENOPROTOOPT || errno == EOPNOTSUPP;

        return is_lost ? TP_GONE : tp__result_from_errno();
    }
    *remote = tp__address_from_system(&system);
    return TP_OK;
}

bool
tp__socket_has_input(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

    return poll(&poll_fd, 1, 0) == 1;
}

enum tp_result
tp__socket_set_options(int fd, const struct tp_address *remote,
                       const struct tp_socket_options *options)
{
    enum tp_result result = socket_set_buffers(fd, options);

    if (result != TP_OK || remote->family == TP_ADDRESS_UNIX) {
        return result;
    }
    if (options->tcp_nodelay) {
        result = socket_set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    }
    if (result == TP_OK && options->keepalive) {
        result = socket_set_keepalive(fd, options);
    }
    return result;
}

enum tp_result
tp__socket_connect_unix(const char *path, int *made_fd)
{
    struct tp_str path_str = { path, strlen(path) };

    if (path_str.len > TP_SOCKET_PATH_MAX) {
        return TP_TOO_LARGE;
    }
    return socket_connect_path(path_str, SOCK_STREAM, made_fd);
}

enum tp_result
tp__socket_connect(const struct tp_endpoint *endpoint, int *made_fd)
{
    struct sockaddr_storage system;
    socklen_t system_len = tp__address_to_system(&endpoint->address, endpoint->path, &system);
    int fd = socket(system.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    enum tp_result result = TP_OK;

    if (fd == -1) {
        return tp__result_from_errno();
    }
    if (connect(fd, (struct sockaddr *) &system, system_len) == -1) {
        result = errno == EINPROGRESS ? TP_AGAIN
                 : errno == EAGAIN    ? TP_FULL
                                      : tp__result_from_errno();
    } else {
        result = tp__socket_finish_connect(fd);
    }
    if (result != TP_OK && result != TP_AGAIN) {
        int error = errno;

        tp__descriptor_close(&fd);
        errno = error;
        return result;
    }
    *made_fd = fd;
    return result;
}

enum tp_result
tp__socket_finish_connect(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1) {
        return tp__result_from_errno();
    }
    if (error == 0 && socket_is_itself(fd)) {
        error = ECONNREFUSED;
    }
    errno = error;
    return error == 0 ? TP_OK : tp__result_from_errno();
}

struct tp_address
tp__socket_local_address(int fd)
{
    struct sockaddr_storage system = { 0 };
    socklen_t system_len = sizeof(system);

    if (getsockname(fd, (struct sockaddr *) &system, &system_len) == -1) {
        return (struct tp_address){ .family = TP_ADDRESS_NONE };
    }
    return tp__address_from_system(&system);
}

struct tp_address
tp__socket_remote_address(int fd)
{
    struct sockaddr_storage system = { 0 };
    socklen_t system_len = sizeof(system);

    if (getpeername(fd, (struct sockaddr *) &system, &system_len) == -1) {
        return (struct tp_address){ .family = TP_ADDRESS_NONE };
    }
    return tp__address_from_system(&system);
}

enum tp_result
tp__socket_adopt(int fd, bool is_listening)
{
    int type = 0;
    int listens = 0;
    socklen_t len = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1 || type != SOCK_STREAM) {
        return TP_INVALID;
    }
    len = sizeof(listens);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == -1
        || (listens != 0) != is_listening) {
        return TP_INVALID;
    }
    int flags = fcntl(fd, F_GETFL);

    if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1
        || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1) {
        return tp__result_from_errno();
    }
    return TP_OK;
}

enum tp_result
tp__socket_pair(bool keeps_messages, int fds[2])
{
    int type = keeps_messages ? SOCK_SEQPACKET : SOCK_STREAM;

    if (socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == -1) {
        return tp__result_from_errno();
    }
    return TP_OK;
}

enum tp_result
tp__socket_read(int fd, void *bytes, size_t room, size_t *count)
{
    ssize_t read_count = recv(fd, bytes, room, 0);

    if (read_count == -1) {
        return tp__result_from_errno();
    }
    *count = (size_t) read_count;
    return TP_OK;
}

enum tp_result
tp__socket_write(int fd, const void *bytes, size_t len, size_t *count)
{
    ssize_t written = send(fd, bytes, len, MSG_NOSIGNAL);

    if (written == -1) {
        return tp__result_from_errno();
    }
    *count = (size_t) written;
    return TP_OK;
}

enum tp_result
tp__socket_write_slices(int fd, const struct tp_slice *slices, size_t count, size_t *written)
{
    struct iovec parts[SOCKET_PARTS_MAX];
    struct msghdr message = { .msg_iov = parts };

    if (count == 1) {
        return tp__socket_write(fd, slices[0].data, slices[0].len, written);
    }
    for (message.msg_iovlen = 0;
         message.msg_iovlen < count && message.msg_iovlen < SOCKET_PARTS_MAX;
         message.msg_iovlen++) {
        const struct tp_slice *slice = &slices[message.msg_iovlen];

        parts[message.msg_iovlen] = (struct iovec){
            .iov_base = (void *) (uintptr_t) slice->data,
            .iov_len = slice->len,
        };
    }
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

    if (sent == -1) {
        return tp__result_from_errno();
    }
    *written = (size_t) sent;
    return TP_OK;
}

enum tp_result
tp__socket_send_message(int fd, const void *bytes, size_t len, int passed_fd)
{
    struct iovec part = { .iov_base = (void *) (uintptr_t) bytes, .iov_len = len };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    union message_control control;

    /* The receiver could not tell an empty message from the end of them. */
    TP_ASSERT(len > 0);
    if (passed_fd != -1) {
        memset(&control, 0, sizeof(control));
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);

        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &passed_fd, sizeof(int));
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL) == -1 ? tp__result_from_errno() : TP_OK;
}

enum tp_result
tp__socket_receive_message(int fd, void *bytes, size_t room, size_t *len, int *passed_fd)
{
    struct iovec part = { .iov_base = bytes, .iov_len = room };
    union message_control control;
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        /* Not CMSG_SPACE(): its padding has room for a second descriptor, which would leak. */
        .msg_controllen = CMSG_LEN(sizeof(int)),
    };

    *passed_fd = -1;
    ssize_t received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

    if (received == -1) {
        return tp__result_from_errno();
    }
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        memcpy(passed_fd, CMSG_DATA(header), sizeof(int));
    }
    if (received == 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        tp__descriptor_close(passed_fd);
    }
    if (received == 0) {
        return TP_GONE;
    }
    if (message.msg_flags & MSG_TRUNC) {
        return TP_TOO_LARGE;
    }
    if (message.msg_flags & MSG_CTRUNC) {
        return TP_NO_DESCRIPTORS;
    }
    *len = (size_t) received;
    return TP_OK;
}

static enum tp_result
socket_bind(int fd, const struct tp_endpoint *endpoint)
{
    struct sockaddr_storage system;
    socklen_t system_len = tp__address_to_system(&endpoint->address, endpoint->path, &system);

    if (bind(fd, (struct sockaddr *) &system, system_len) == 0) {
        return TP_OK;
    }
    enum tp_result result = tp__result_from_errno();

    if (result != TP_IN_USE || endpoint->address.family != TP_ADDRESS_UNIX
        || !socket_is_abandoned(endpoint)) {
        return result;
    }
    if (unlink(endpoint->path.data) == -1
        || bind(fd, (struct sockaddr *) &system, system_len) == -1) {
        return tp__result_from_errno();
    }
    return TP_OK;
}

/* True when a Unix socket is there and nobody listens on it: a process left it behind. */
static bool
socket_is_abandoned(const struct tp_endpoint *endpoint)
{
    struct stat status;
    int fd;

    /* Connecting to an ordinary file is refused in the same way; it must not be removed. */
    if (lstat(endpoint->path.data, &status) == -1 || !S_ISSOCK(status.st_mode)) {
        return false;
    }
    /* A server whose accept queue is full would keep us waiting, and is alive. */
    enum tp_result result = socket_connect_path(endpoint->path, SOCK_STREAM | SOCK_NONBLOCK, &fd);

    if (result == TP_OK) {
        tp__descriptor_close(&fd);
        return false;
    }
    return result == TP_GONE;
}

static enum tp_result
socket_connect_path(struct tp_str path, int type, int *made_fd)
{
    struct sockaddr_storage system;
    const struct tp_address address = { .family = TP_ADDRESS_UNIX };
    socklen_t system_len = tp__address_to_system(&address, path, &system);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    if (fd == -1) {
        return tp__result_from_errno();
    }
    if (connect(fd, (struct sockaddr *) &system, system_len) == -1) {
        enum tp_result result = tp__result_from_errno();

        tp__descriptor_close(&fd);
        return result;
    }
    *made_fd = fd;
    return TP_OK;
}

static bool
socket_is_itself(int fd)
{
    struct sockaddr_storage local = { 0 };
    struct sockaddr_storage remote = { 0 };
    socklen_t local_len = sizeof(local);
    socklen_t remote_len = sizeof(remote);

    if (getsockname(fd, (struct sockaddr *) &local, &local_len) == -1
        || getpeername(fd, (struct sockaddr *) &remote, &remote_len) == -1
        || local.ss_family == AF_UNIX) {
        return false;
    }
    return local_len == remote_len && memcmp(&local, &remote, local_len) == 0;
}

static enum tp_result
socket_set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == -1 ? tp__result_from_errno()
                                                                      : TP_OK;
}

static enum tp_result
socket_set_keepalive(int fd, const struct tp_socket_options *options)
{
    enum tp_result result = socket_set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);

    if (result == TP_OK && options->keepalive_idle_s > 0) {
        result = socket_set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, options->keepalive_idle_s);
    }
    if (result == TP_OK && options->keepalive_interval_s > 0) {
        result = socket_set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, options->keepalive_interval_s);
    }
    if (result == TP_OK && options->keepalive_count > 0) {
        result = socket_set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, options->keepalive_count);
    }
    return result;
}

static enum tp_result
socket_set_buffers(int fd, const struct tp_socket_options *options)
{
    enum tp_result result = TP_OK;

    if (options->receive_buffer_bytes > 0) {
        result = socket_set_int(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer_bytes);
    }
    if (result == TP_OK && options->send_buffer_bytes > 0) {
        result = socket_set_int(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer_bytes);
    }
    return result;
}

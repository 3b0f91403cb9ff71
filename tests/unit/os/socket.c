/*
 * socket.c - tests of os/socket on loopback addresses, on ports the system chooses.
 */
#include "os/socket.h"

#include "os/file.h"

#include "scratch.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const struct tp_listen_options plain_listener = { .backlog = 8 };

/* An address of this machine's loopback, with no port chosen yet. */
static struct tp_endpoint
endpoint_of(const char *numeric)
{
    struct tp_endpoint endpoint = { .path = TP_STR("") };
    const struct tp_str text = { numeric, strlen(numeric) };

    ck_assert_int_eq(TP_OK, tp_address_parse_ip(text, &endpoint.address));
    return endpoint;
}

static struct tp_endpoint
endpoint_of_path(const char *path)
{
    return (struct tp_endpoint){
        .address = { .family = TP_ADDRESS_UNIX },
        .path = { path, strlen(path) },
    };
}

/* Where `fd` is bound to. */
static struct tp_endpoint
endpoint_of_socket(int fd)
{
    struct sockaddr_storage system;
    socklen_t system_len = sizeof(system);

    ck_assert_int_eq(0, getsockname(fd, (struct sockaddr *) &system, &system_len));
    return (struct tp_endpoint){
        .address = tp__address_from_system(&system),
        .path = TP_STR(""),
    };
}

/* Connects to `endpoint`, waiting for it. */
static int
client_connect(const struct tp_endpoint *endpoint)
{
    struct sockaddr_storage system;
    socklen_t system_len = tp__address_to_system(&endpoint->address, endpoint->path, &system);
    int fd = socket(system.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(0, connect(fd, (struct sockaddr *) &system, system_len));
    return fd;
}

static int
socket_option(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);

    ck_assert_int_eq(0, getsockopt(fd, level, option, &value, &len));
    return value;
}

/* Lets no descriptor be opened any more; returns the limit that must be restored. */
static struct rlimit
descriptors_forbid(void)
{
    struct rlimit limit;

    ck_assert_int_eq(0, getrlimit(RLIMIT_NOFILE, &limit));

    const struct rlimit none = { .rlim_cur = 0, .rlim_max = limit.rlim_max };

    ck_assert_int_eq(0, setrlimit(RLIMIT_NOFILE, &none));
    return limit;
}

static void
assert_flags(int fd, bool is_blocking)
{
    ck_assert_int_eq(is_blocking ? 0 : O_NONBLOCK, fcntl(fd, F_GETFL) & O_NONBLOCK);
    ck_assert_int_eq(FD_CLOEXEC, fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* Listens on `numeric`, is connected to, and returns the accepted end. */
static int
accept_over(const char *numeric, struct tp_address *remote)
{
    struct tp_endpoint endpoint = endpoint_of(numeric);
    int listener, accepted;

    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &plain_listener, &listener));
    endpoint = endpoint_of_socket(listener);

    int client = client_connect(&endpoint);

    ck_assert_int_eq(TP_OK, tp__socket_accept(listener, &accepted, remote));
    ck_assert_uint_eq(endpoint_of_socket(client).address.port, remote->port);
    tp__descriptor_close(&client);
    tp__descriptor_close(&listener);
    return accepted;
}

START_TEST(accepts_over_ipv4)
{
    struct tp_address remote;
    char text[TP_ADDRESS_TEXT_MAX];
    int accepted = accept_over("127.0.0.1", &remote);

    assert_flags(accepted, false);
    remote.port = 0;
    ck_assert_str_eq("127.0.0.1", tp_address_format(&remote, text));
    tp__descriptor_close(&accepted);
}
END_TEST

/* A machine without IPv6 must say so, and leave no descriptor open. */
START_TEST(accepts_over_ipv6_or_tells_that_there_is_none)
{
    struct tp_endpoint endpoint = endpoint_of("::1");
    struct tp_address remote;
    char text[TP_ADDRESS_TEXT_MAX];
    size_t open_before = tp__descriptor_count();
    int listener = -1;
    enum tp_result result = tp__socket_listen(&endpoint, &plain_listener, &listener);

    if (result != TP_OK) {
        ck_assert_int_eq(TP_SYSTEM, result);
        ck_assert(errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
        ck_assert_uint_eq(open_before, tp__descriptor_count());
        return;
    }
    tp__descriptor_close(&listener);

    int accepted = accept_over("::1", &remote);

    remote.port = 0;
    ck_assert_str_eq("::1", tp_address_format(&remote, text));
    tp__descriptor_close(&accepted);
}
END_TEST

START_TEST(ipv6only_is_set_as_asked)
{
    struct tp_endpoint endpoint = endpoint_of("::");
    struct tp_listen_options options = plain_listener;

    for (int only = 0; only <= 1; only++) {
        int fd = -1;

        options.ipv6only = only == 1;
        if (tp__socket_listen(&endpoint, &options, &fd) != TP_OK) {
            ck_assert(errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
            return;
        }
        ck_assert_int_eq(only, socket_option(fd, IPPROTO_IPV6, IPV6_V6ONLY));
        tp__descriptor_close(&fd);
    }
}
END_TEST

START_TEST(a_listener_has_the_options_asked_for)
{
    struct tp_endpoint endpoint = endpoint_of("127.0.0.1");
    struct tp_listen_options options = plain_listener;
    int first, second;

    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &options, &first));
    assert_flags(first, false);
    ck_assert_int_eq(1, socket_option(first, SOL_SOCKET, SO_ACCEPTCONN));
    ck_assert_int_eq(1, socket_option(first, SOL_SOCKET, SO_REUSEADDR));
    ck_assert_int_eq(0, socket_option(first, SOL_SOCKET, SO_REUSEPORT));
    tp__descriptor_close(&first);

    options.reuseport = true;
    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &options, &first));
    ck_assert_int_eq(1, socket_option(first, SOL_SOCKET, SO_REUSEPORT));
    endpoint = endpoint_of_socket(first);
    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &options, &second));
    tp__descriptor_close(&first);
    tp__descriptor_close(&second);
}
END_TEST

/* Of a listening socket, the system tells the length of the queue in this member. */
START_TEST(the_backlog_can_be_changed)
{
    struct tp_endpoint endpoint = endpoint_of("127.0.0.1");
    struct tcp_info info = { 0 };
    socklen_t len = sizeof(info);
    int fd;

    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &plain_listener, &fd));
    ck_assert_int_eq(TP_OK, tp__socket_set_backlog(fd, 3));
    ck_assert_int_eq(0, getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
    ck_assert_uint_eq(3, info.tcpi_sacked);
    tp__descriptor_close(&fd);
    ck_assert_int_ne(TP_OK, tp__socket_set_backlog(-1, 3));
}
END_TEST

START_TEST(an_address_in_use_is_told)
{
    struct tp_endpoint endpoint = endpoint_of("127.0.0.1");
    size_t open_before = tp__descriptor_count();
    int first, second = -1;

    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &plain_listener, &first));
    endpoint = endpoint_of_socket(first);
    ck_assert_int_eq(TP_IN_USE, tp__socket_listen(&endpoint, &plain_listener, &second));
    ck_assert_int_eq(EADDRINUSE, errno);
    ck_assert_int_eq(-1, second);
    tp__descriptor_close(&first);
    ck_assert_uint_eq(open_before, tp__descriptor_count());
}
END_TEST

START_TEST(an_address_of_another_machine_is_refused)
{
    struct tp_endpoint endpoint = endpoint_of("192.0.2.1");
    int fd = -1;

    ck_assert_int_eq(TP_SYSTEM, tp__socket_listen(&endpoint, &plain_listener, &fd));
    ck_assert_int_eq(EADDRNOTAVAIL, errno);
    ck_assert_int_eq(-1, fd);
}
END_TEST

START_TEST(a_process_out_of_descriptors_is_told)
{
    struct tp_endpoint endpoint = endpoint_of("127.0.0.1");
    struct rlimit limit = descriptors_forbid();
    int fds[2];

    ck_assert_int_eq(TP_NO_DESCRIPTORS, tp__socket_listen(&endpoint, &plain_listener, fds));
    ck_assert_int_eq(TP_NO_DESCRIPTORS, tp__socket_connect_unix("/no/such/path", fds));
    ck_assert_int_eq(TP_NO_DESCRIPTORS, tp__socket_pair(false, fds));
    ck_assert_int_eq(0, setrlimit(RLIMIT_NOFILE, &limit));
}
END_TEST

START_TEST(accept_tells_that_none_waits)
{
    struct tp_endpoint endpoint = endpoint_of("127.0.0.1");
    struct tp_address remote;
    int listener, accepted;

    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &plain_listener, &listener));
    ck_assert_int_eq(TP_AGAIN, tp__socket_accept(listener, &accepted, &remote));
    ck_assert_int_eq(-1, accepted);
    tp__descriptor_close(&listener);
}
END_TEST

/* The connection must still be there when descriptors are to be had again. */
START_TEST(accept_tells_that_descriptors_are_out)
{
    struct tp_endpoint endpoint = endpoint_of("127.0.0.1");
    struct tp_address remote;
    int listener, accepted;

    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &plain_listener, &listener));
    endpoint = endpoint_of_socket(listener);

    int client = client_connect(&endpoint);
    struct rlimit limit = descriptors_forbid();

    ck_assert_int_eq(TP_NO_DESCRIPTORS, tp__socket_accept(listener, &accepted, &remote));
    ck_assert_int_eq(0, setrlimit(RLIMIT_NOFILE, &limit));
    ck_assert_int_eq(TP_OK, tp__socket_accept(listener, &accepted, &remote));
    tp__descriptor_close(&accepted);
    tp__descriptor_close(&client);
    tp__descriptor_close(&listener);
}
END_TEST

START_TEST(accept_on_what_does_not_listen_is_an_error)
{
    struct tp_address remote;
    int accepted;

    ck_assert_int_eq(TP_SYSTEM, tp__socket_accept(-1, &accepted, &remote));
    ck_assert_int_eq(-1, accepted);
}
END_TEST

START_TEST(accepts_over_a_unix_socket)
{
    struct tp_scratch scratch;

    tp__scratch_open(&scratch);

    struct tp_endpoint endpoint = endpoint_of_path(tp__scratch_path(&scratch, "sock"));
    struct tp_address remote;
    int listener, client, accepted;

    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &plain_listener, &listener));
    ck_assert_int_eq(TP_OK, tp__socket_connect_unix(endpoint.path.data, &client));
    assert_flags(client, true);
    ck_assert_int_eq(TP_OK, tp__socket_accept(listener, &accepted, &remote));
    assert_flags(accepted, false);
    ck_assert_int_eq(TP_ADDRESS_UNIX, remote.family);
    tp__descriptor_close(&accepted);
    tp__descriptor_close(&client);
    tp__descriptor_close(&listener);
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(a_unix_socket_has_the_mode_asked_for)
{
    struct tp_listen_options options = { .backlog = 8, .file_mode = 0600 };
    struct tp_scratch scratch;
    struct stat status;
    int listener;

    tp__scratch_open(&scratch);
    umask(0);

    struct tp_endpoint endpoint = endpoint_of_path(tp__scratch_path(&scratch, "sock"));

    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &options, &listener));
    ck_assert_int_eq(0, stat(endpoint.path.data, &status));
    ck_assert_int_eq(0600, status.st_mode & 0777);
    tp__descriptor_close(&listener);
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(an_abandoned_unix_path_is_replaced)
{
    struct tp_scratch scratch;

    tp__scratch_open(&scratch);

    struct tp_endpoint endpoint = endpoint_of_path(tp__scratch_path(&scratch, "sock"));
    int listener, client;

    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &plain_listener, &listener));
    tp__descriptor_close(&listener);
    ck_assert_int_eq(TP_GONE, tp__socket_connect_unix(endpoint.path.data, &client));
    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &plain_listener, &listener));
    ck_assert_int_eq(TP_OK, tp__socket_connect_unix(endpoint.path.data, &client));
    tp__descriptor_close(&client);
    tp__descriptor_close(&listener);
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(a_unix_path_in_use_is_left_alone)
{
    struct tp_scratch scratch;

    tp__scratch_open(&scratch);

    struct tp_endpoint endpoint = endpoint_of_path(tp__scratch_path(&scratch, "sock"));
    int listener, client, second = -1;

    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &plain_listener, &listener));
    ck_assert_int_eq(TP_IN_USE, tp__socket_listen(&endpoint, &plain_listener, &second));
    ck_assert_int_eq(-1, second);
    ck_assert_int_eq(TP_OK, tp__socket_connect_unix(endpoint.path.data, &client));
    tp__descriptor_close(&client);
    tp__descriptor_close(&listener);
    tp__scratch_close(&scratch);
}
END_TEST

/* Asking whether somebody listens must not wait for a place in the queue. */
START_TEST(a_unix_path_with_a_full_queue_is_in_use)
{
    struct tp_scratch scratch;

    tp__scratch_open(&scratch);

    struct tp_endpoint endpoint = endpoint_of_path(tp__scratch_path(&scratch, "sock"));
    const struct tp_listen_options short_queue = { .backlog = 0 };
    int listener, client, second = -1;

    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &short_queue, &listener));
    ck_assert_int_eq(TP_OK, tp__socket_connect_unix(endpoint.path.data, &client));
    ck_assert_int_eq(TP_IN_USE, tp__socket_listen(&endpoint, &short_queue, &second));
    tp__descriptor_close(&client);
    tp__descriptor_close(&listener);
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(a_file_at_a_unix_path_is_never_removed)
{
    struct tp_scratch scratch;
    struct stat status;

    tp__scratch_open(&scratch);

    struct tp_endpoint endpoint = endpoint_of_path(tp__scratch_write(&scratch, "file", "precious"));
    int fd = -1;

    ck_assert_int_eq(TP_IN_USE, tp__socket_listen(&endpoint, &plain_listener, &fd));
    ck_assert_int_eq(0, stat(endpoint.path.data, &status));
    ck_assert_int_eq(8, status.st_size);
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(a_unix_path_in_no_directory_is_told)
{
    struct tp_endpoint endpoint = endpoint_of_path("/no/such/directory/sock");
    int fd = -1;

    ck_assert_int_eq(TP_NOT_FOUND, tp__socket_listen(&endpoint, &plain_listener, &fd));
    ck_assert_int_eq(TP_NOT_FOUND, tp__socket_connect_unix(endpoint.path.data, &fd));
}
END_TEST

START_TEST(a_unix_path_that_is_too_long_is_told)
{
    char path[200];
    int fd = -1;

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    ck_assert_int_eq(TP_TOO_LARGE, tp__socket_connect_unix(path, &fd));
}
END_TEST

START_TEST(options_are_really_set)
{
    const struct tp_socket_options options = {
        .tcp_nodelay = true,
        .keepalive = true,
        .keepalive_idle_s = 61,
        .keepalive_interval_s = 7,
        .keepalive_count = 5,
        .receive_buffer_bytes = 32 * 1024,
        .send_buffer_bytes = 48 * 1024,
    };
    struct tp_address remote;
    int fd = accept_over("127.0.0.1", &remote);

    ck_assert_int_eq(TP_OK, tp__socket_set_options(fd, &remote, &options));
    ck_assert_int_eq(1, socket_option(fd, IPPROTO_TCP, TCP_NODELAY));
    ck_assert_int_eq(1, socket_option(fd, SOL_SOCKET, SO_KEEPALIVE));
    ck_assert_int_eq(61, socket_option(fd, IPPROTO_TCP, TCP_KEEPIDLE));
    ck_assert_int_eq(7, socket_option(fd, IPPROTO_TCP, TCP_KEEPINTVL));
    ck_assert_int_eq(5, socket_option(fd, IPPROTO_TCP, TCP_KEEPCNT));
    /* The system doubles them, for its own bookkeeping. */
    ck_assert_int_eq(64 * 1024, socket_option(fd, SOL_SOCKET, SO_RCVBUF));
    ck_assert_int_eq(96 * 1024, socket_option(fd, SOL_SOCKET, SO_SNDBUF));
    tp__descriptor_close(&fd);
}
END_TEST

START_TEST(options_not_asked_for_keep_their_defaults)
{
    const struct tp_socket_options nothing = { 0 };
    const struct tp_socket_options keepalive = { .keepalive = true };
    struct tp_address remote;
    int fd = accept_over("127.0.0.1", &remote);
    int idle_s = socket_option(fd, IPPROTO_TCP, TCP_KEEPIDLE);
    int receive_buffer_bytes = socket_option(fd, SOL_SOCKET, SO_RCVBUF);

    ck_assert_int_eq(TP_OK, tp__socket_set_options(fd, &remote, &nothing));
    ck_assert_int_eq(0, socket_option(fd, IPPROTO_TCP, TCP_NODELAY));
    ck_assert_int_eq(0, socket_option(fd, SOL_SOCKET, SO_KEEPALIVE));
    ck_assert_int_eq(TP_OK, tp__socket_set_options(fd, &remote, &keepalive));
    ck_assert_int_eq(1, socket_option(fd, SOL_SOCKET, SO_KEEPALIVE));
    ck_assert_int_eq(idle_s, socket_option(fd, IPPROTO_TCP, TCP_KEEPIDLE));
    ck_assert_int_eq(receive_buffer_bytes, socket_option(fd, SOL_SOCKET, SO_RCVBUF));
    tp__descriptor_close(&fd);
}
END_TEST

START_TEST(options_that_do_not_fit_a_unix_socket_are_skipped)
{
    const struct tp_socket_options options = {
        .tcp_nodelay = true,
        .keepalive = true,
        .send_buffer_bytes = 48 * 1024,
    };
    const struct tp_address remote = { .family = TP_ADDRESS_UNIX };
    int fds[2];

    ck_assert_int_eq(TP_OK, tp__socket_pair(false, fds));
    ck_assert_int_eq(TP_OK, tp__socket_set_options(fds[0], &remote, &options));
    ck_assert_int_eq(0, socket_option(fds[0], SOL_SOCKET, SO_KEEPALIVE));
    ck_assert_int_eq(96 * 1024, socket_option(fds[0], SOL_SOCKET, SO_SNDBUF));
    tp__descriptor_close(&fds[0]);
    tp__descriptor_close(&fds[1]);
}
END_TEST

START_TEST(options_the_system_refuses_are_told)
{
    const struct tp_socket_options options = { .keepalive = true, .keepalive_idle_s = 40000 };
    struct tp_address remote;
    int fd = accept_over("127.0.0.1", &remote);

    ck_assert_int_eq(TP_SYSTEM, tp__socket_set_options(fd, &remote, &options));
    ck_assert_int_eq(EINVAL, errno);
    tp__descriptor_close(&fd);
    ck_assert_int_eq(TP_SYSTEM, tp__socket_set_options(-1, &remote, &options));
}
END_TEST

START_TEST(a_stream_carries_bytes_to_its_end)
{
    char bytes[8];
    size_t count = 99;
    int fds[2];

    ck_assert_int_eq(TP_OK, tp__socket_pair(false, fds));
    assert_flags(fds[0], false);
    assert_flags(fds[1], false);
    ck_assert_int_eq(TP_AGAIN, tp__socket_read(fds[1], bytes, sizeof(bytes), &count));
    ck_assert(!tp__socket_has_input(fds[1]));
    ck_assert_int_eq(TP_OK, tp__socket_write(fds[0], "teleport", 8, &count));
    ck_assert(tp__socket_has_input(fds[1]));
    ck_assert_uint_eq(8, count);
    ck_assert_int_eq(TP_OK, tp__socket_read(fds[1], bytes, 4, &count));
    ck_assert_uint_eq(4, count);
    ck_assert_mem_eq("tele", bytes, 4);
    ck_assert_int_eq(TP_OK, tp__socket_read(fds[1], bytes, sizeof(bytes), &count));
    ck_assert_uint_eq(4, count);
    tp__descriptor_close(&fds[0]);
    ck_assert_int_eq(TP_OK, tp__socket_read(fds[1], bytes, sizeof(bytes), &count));
    ck_assert_uint_eq(0, count);
    tp__descriptor_close(&fds[1]);
}
END_TEST

START_TEST(a_full_stream_says_again)
{
    char bytes[4096] = { 0 };
    size_t count, total = 0;
    int fds[2];
    enum tp_result result;

    ck_assert_int_eq(TP_OK, tp__socket_pair(false, fds));
    while ((result = tp__socket_write(fds[0], bytes, sizeof(bytes), &count)) == TP_OK) {
        total += count;
        ck_assert_uint_lt(total, 64 * 1024 * 1024);
    }
    ck_assert_int_eq(TP_AGAIN, result);
    tp__descriptor_close(&fds[0]);
    tp__descriptor_close(&fds[1]);
}
END_TEST

/* Without a signal: this process would not live to tell. */
START_TEST(writing_to_nobody_says_gone)
{
    size_t count;
    int fds[2];

    ck_assert_int_eq(TP_OK, tp__socket_pair(false, fds));
    tp__descriptor_close(&fds[1]);
    ck_assert_int_eq(TP_GONE, tp__socket_write(fds[0], "x", 1, &count));
    ck_assert_int_eq(TP_GONE, tp__socket_send_message(fds[0], "x", 1, -1));
    tp__descriptor_close(&fds[0]);
}
END_TEST

START_TEST(reading_a_reset_connection_says_gone)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    struct tp_endpoint endpoint = endpoint_of("127.0.0.1");
    struct tp_address remote;
    char byte;
    size_t count;
    int listener, accepted;

    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &plain_listener, &listener));
    endpoint = endpoint_of_socket(listener);

    int client = client_connect(&endpoint);

    ck_assert_int_eq(TP_OK, tp__socket_accept(listener, &accepted, &remote));
    ck_assert_int_eq(0, setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
    tp__descriptor_close(&client);

    struct pollfd poll_fd = { .fd = accepted, .events = POLLIN };

    ck_assert_int_eq(1, poll(&poll_fd, 1, 1000));
    ck_assert_int_eq(TP_GONE, tp__socket_read(accepted, &byte, 1, &count));
    tp__descriptor_close(&accepted);
    tp__descriptor_close(&listener);
}
END_TEST

START_TEST(messages_keep_their_bounds)
{
    char bytes[16];
    size_t len;
    int fds[2], passed = 99;

    ck_assert_int_eq(TP_OK, tp__socket_pair(true, fds));
    assert_flags(fds[0], false);
    ck_assert_int_eq(TP_AGAIN,
                     tp__socket_receive_message(fds[1], bytes, sizeof(bytes), &len, &passed));
    ck_assert_int_eq(TP_OK, tp__socket_send_message(fds[0], "one", 3, -1));
    ck_assert_int_eq(TP_OK, tp__socket_send_message(fds[0], "second", 6, -1));
    ck_assert_int_eq(TP_OK,
                     tp__socket_receive_message(fds[1], bytes, sizeof(bytes), &len, &passed));
    ck_assert_uint_eq(3, len);
    ck_assert_mem_eq("one", bytes, 3);
    ck_assert_int_eq(-1, passed);
    ck_assert_int_eq(TP_OK, tp__socket_receive_message(fds[1], bytes, 6, &len, &passed));
    ck_assert_uint_eq(6, len);
    ck_assert_mem_eq("second", bytes, 6);
    tp__descriptor_close(&fds[0]);
    ck_assert_int_eq(TP_GONE,
                     tp__socket_receive_message(fds[1], bytes, sizeof(bytes), &len, &passed));
    ck_assert_int_eq(-1, passed);
    tp__descriptor_close(&fds[1]);
}
END_TEST

START_TEST(a_message_carries_a_descriptor)
{
    char bytes[16];
    size_t len, count;
    int fds[2], carried[2], passed;
    size_t open_before = tp__descriptor_count();

    ck_assert_int_eq(TP_OK, tp__socket_pair(true, fds));
    ck_assert_int_eq(TP_OK, tp__socket_pair(false, carried));
    ck_assert_int_eq(TP_OK, tp__socket_send_message(fds[0], "take", 4, carried[1]));
    tp__descriptor_close(&carried[1]);
    ck_assert_int_eq(TP_OK,
                     tp__socket_receive_message(fds[1], bytes, sizeof(bytes), &len, &passed));
    ck_assert_int_ge(passed, 0);
    assert_flags(passed, false);

    ck_assert_int_eq(TP_OK, tp__socket_write(carried[0], "through", 7, &count));
    ck_assert_int_eq(TP_OK, tp__socket_read(passed, bytes, sizeof(bytes), &count));
    ck_assert_uint_eq(7, count);
    ck_assert_mem_eq("through", bytes, 7);
    tp__descriptor_close(&passed);
    tp__descriptor_close(&carried[0]);
    tp__descriptor_close(&fds[0]);
    tp__descriptor_close(&fds[1]);
    ck_assert_uint_eq(open_before, tp__descriptor_count());
}
END_TEST

START_TEST(a_message_that_does_not_fit_is_lost_with_its_descriptor)
{
    char bytes[4];
    size_t len;
    int fds[2], passed;

    ck_assert_int_eq(TP_OK, tp__socket_pair(true, fds));

    size_t open_before = tp__descriptor_count();

    ck_assert_int_eq(TP_OK, tp__socket_send_message(fds[0], "too long", 8, fds[0]));
    ck_assert_int_eq(TP_OK, tp__socket_send_message(fds[0], "next", 4, -1));
    ck_assert_int_eq(TP_TOO_LARGE,
                     tp__socket_receive_message(fds[1], bytes, sizeof(bytes), &len, &passed));
    ck_assert_int_eq(-1, passed);
    ck_assert_uint_eq(open_before, tp__descriptor_count());
    ck_assert_int_eq(TP_OK,
                     tp__socket_receive_message(fds[1], bytes, sizeof(bytes), &len, &passed));
    ck_assert_mem_eq("next", bytes, 4);
    tp__descriptor_close(&fds[0]);
    tp__descriptor_close(&fds[1]);
}
END_TEST

START_TEST(a_message_whose_descriptor_finds_no_room_is_lost)
{
    char bytes[4];
    size_t len;
    int fds[2], passed;

    ck_assert_int_eq(TP_OK, tp__socket_pair(true, fds));
    ck_assert_int_eq(TP_OK, tp__socket_send_message(fds[0], "take", 4, fds[0]));

    struct rlimit limit = descriptors_forbid();

    ck_assert_int_eq(TP_NO_DESCRIPTORS,
                     tp__socket_receive_message(fds[1], bytes, sizeof(bytes), &len, &passed));
    ck_assert_int_eq(-1, passed);
    ck_assert_int_eq(0, setrlimit(RLIMIT_NOFILE, &limit));
    tp__descriptor_close(&fds[0]);
    tp__descriptor_close(&fds[1]);
}
END_TEST

/* Sends two descriptors with one message, which our own sender never does. */
static void
send_two_descriptors(int fd, const int carried[2])
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = { .bytes = { 0 } };
    char byte = 'x';
    struct iovec part = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(header), carried, 2 * sizeof(int));
    ck_assert_int_eq(1, sendmsg(fd, &message, 0));
}

START_TEST(a_second_descriptor_does_not_leak)
{
    char bytes[4];
    size_t len;
    int fds[2], passed;

    ck_assert_int_eq(TP_OK, tp__socket_pair(true, fds));

    size_t open_before = tp__descriptor_count();

    send_two_descriptors(fds[0], fds);
    ck_assert_int_ne(TP_OK,
                     tp__socket_receive_message(fds[1], bytes, sizeof(bytes), &len, &passed));
    ck_assert_int_eq(-1, passed);
    ck_assert_uint_eq(open_before, tp__descriptor_count());
    tp__descriptor_close(&fds[0]);
    tp__descriptor_close(&fds[1]);
}
END_TEST

Suite *
tp_suite_os_socket(void)
{
    Suite *suite = suite_create("os/socket");
    TCase *listening = tcase_create("listening");
    TCase *local = tcase_create("unix");
    TCase *options = tcase_create("options");
    TCase *streams = tcase_create("streams");
    TCase *messages = tcase_create("messages");

    tcase_add_test(listening, accepts_over_ipv4);
    tcase_add_test(listening, accepts_over_ipv6_or_tells_that_there_is_none);
    tcase_add_test(listening, ipv6only_is_set_as_asked);
    tcase_add_test(listening, a_listener_has_the_options_asked_for);
    tcase_add_test(listening, the_backlog_can_be_changed);
    tcase_add_test(listening, an_address_in_use_is_told);
    tcase_add_test(listening, an_address_of_another_machine_is_refused);
    tcase_add_test(listening, a_process_out_of_descriptors_is_told);
    tcase_add_test(listening, accept_tells_that_none_waits);
    tcase_add_test(listening, accept_tells_that_descriptors_are_out);
    tcase_add_test(listening, accept_on_what_does_not_listen_is_an_error);
    suite_add_tcase(suite, listening);

    tcase_add_test(local, accepts_over_a_unix_socket);
    tcase_add_test(local, a_unix_socket_has_the_mode_asked_for);
    tcase_add_test(local, an_abandoned_unix_path_is_replaced);
    tcase_add_test(local, a_unix_path_in_use_is_left_alone);
    tcase_add_test(local, a_unix_path_with_a_full_queue_is_in_use);
    tcase_add_test(local, a_file_at_a_unix_path_is_never_removed);
    tcase_add_test(local, a_unix_path_in_no_directory_is_told);
    tcase_add_test(local, a_unix_path_that_is_too_long_is_told);
    suite_add_tcase(suite, local);

    tcase_add_test(options, options_are_really_set);
    tcase_add_test(options, options_not_asked_for_keep_their_defaults);
    tcase_add_test(options, options_that_do_not_fit_a_unix_socket_are_skipped);
    tcase_add_test(options, options_the_system_refuses_are_told);
    suite_add_tcase(suite, options);

    tcase_add_test(streams, a_stream_carries_bytes_to_its_end);
    tcase_add_test(streams, a_full_stream_says_again);
    tcase_add_test(streams, writing_to_nobody_says_gone);
    tcase_add_test(streams, reading_a_reset_connection_says_gone);
    suite_add_tcase(suite, streams);

    tcase_add_test(messages, messages_keep_their_bounds);
    tcase_add_test(messages, a_message_carries_a_descriptor);
    tcase_add_test(messages, a_message_that_does_not_fit_is_lost_with_its_descriptor);
    tcase_add_test(messages, a_message_whose_descriptor_finds_no_room_is_lost);
    tcase_add_test(messages, a_second_descriptor_does_not_leak);
    suite_add_tcase(suite, messages);
    return suite;
}

/*
 * address.c - numeric addresses: reading, writing, comparing.
 *
 * Host names are refused on purpose: a listening address that depends on a name
 * server changes when nobody is looking.  "localhost" is taken as 127.0.0.1.
 */
#include "os/address.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

_Static_assert(TP_SOCKET_PATH_MAX + 1 == sizeof(((struct sockaddr_un *) 0)->sun_path),
               "the longest path and its terminator are what the system has room for");
_Static_assert(TP_SOCKET_PATH_MAX == 107, "the message about long paths names this size");
_Static_assert(TP_ENDPOINT_TEXT_MAX > sizeof("unix:") + TP_SOCKET_PATH_MAX,
               "the longest Unix socket path fits");

enum {
    IPV6_CUSTOMER_BYTES = 8, /* a /64 */
};

static const char *const endpoint_form =
    "a port, an IPv4 or [IPv6] address with a port, or unix:/path; host names are not looked up";

static const char *const endpoint_ports = "a port between 1 and 65535";

static const char *endpoint_wanted(struct tp_str text);
static const char *endpoint_parse_unix(struct tp_str path, struct tp_endpoint *endpoint);
static bool endpoint_split(struct tp_str text, struct tp_str *host, struct tp_str *port);
static bool network_parse_bits(struct tp_str digits, unsigned max, unsigned *bits);
static bool address_parse_host(struct tp_str host, struct tp_address *address);

const char *
tp__endpoint_parse(struct tp_str text, struct tp_endpoint *endpoint)
{
    const char *wrong = tp__endpoint_parse_any_port(text, endpoint);

    if (wrong == NULL && endpoint->address.family != TP_ADDRESS_UNIX
        && endpoint->address.port == 0) {
        return endpoint_ports;
    }
    return wrong;
}

const char *
tp__endpoint_parse_any_port(struct tp_str text, struct tp_endpoint *endpoint)
{
    struct tp_str host, port;
    int64_t number = 0;

    *endpoint = (struct tp_endpoint){ .path = TP_STR("") };
    if (tp__str_starts_with(text, TP_STR("unix:"))) {
        return endpoint_parse_unix(tp__str_skip(text, 5), endpoint);
    }
    if (!endpoint_split(text, &host, &port) || tp__str_to_int64(port, &number) != TP_OK
        || !address_parse_host(host, &endpoint->address)) {
        return endpoint_wanted(text);
    }
    if (number < 0 || number > 65535) {
        return endpoint_ports;
    }
    endpoint->address.port = (uint16_t) number;
    return NULL;
}

const char *
tp__endpoint_format(const struct tp_endpoint *endpoint, char *text)
{
    if (endpoint->address.family == TP_ADDRESS_UNIX) {
        snprintf(text, TP_ENDPOINT_TEXT_MAX, "unix:%.*s", TP_STR_ARG(endpoint->path));
        return text;
    }
    return tp_address_format(&endpoint->address, text);
}

const char *
tp_address_format(const struct tp_address *address, char *text)
{
    char ip[INET6_ADDRSTRLEN] = "";

    switch ((enum tp_address_family) address->family) {
    case TP_ADDRESS_V4:
        inet_ntop(AF_INET, address->ip, ip, sizeof(ip));
        snprintf(text, TP_ADDRESS_TEXT_MAX, address->port == 0 ? "%s" : "%s:%u", ip, address->port);
        break;
    case TP_ADDRESS_V6:
        inet_ntop(AF_INET6, address->ip, ip, sizeof(ip));
        snprintf(text, TP_ADDRESS_TEXT_MAX, address->port == 0 ? "%s" : "[%s]:%u", ip,
                 address->port);
        break;
    case TP_ADDRESS_UNIX:
        snprintf(text, TP_ADDRESS_TEXT_MAX, "unix:");
        break;
    case TP_ADDRESS_NONE:
        snprintf(text, TP_ADDRESS_TEXT_MAX, "none");
        break;
    }
    return text;
}

enum tp_result
tp_address_parse_ip(struct tp_str text, struct tp_address *address)
{
    char terminated[INET6_ADDRSTRLEN];

    *address = (struct tp_address){ 0 };
    if (text.len == 0 || text.len >= sizeof(terminated)
        || memchr(text.data, '\0', text.len) != NULL) {
        return TP_INVALID;
    }
    memcpy(terminated, text.data, text.len);
    terminated[text.len] = '\0';
    if (inet_pton(AF_INET, terminated, address->ip) == 1) {
        address->family = TP_ADDRESS_V4;
        return TP_OK;
    }
    if (inet_pton(AF_INET6, terminated, address->ip) == 1) {
        address->family = TP_ADDRESS_V6;
        return TP_OK;
    }
    return TP_INVALID;
}

bool
tp_address_in_network(const struct tp_address *address, const struct tp_address *network,
                      unsigned bits)
{
    if (address->family != network->family) {
        return false;
    }
    TP_ASSERT(bits <= 8 * sizeof(address->ip));

    unsigned whole_bytes = bits / 8;
    unsigned char last_mask = (unsigned char) (0xff00u >> (bits % 8));

    if (memcmp(address->ip, network->ip, whole_bytes) != 0) {
        return false;
    }
    return last_mask == 0
           || (address->ip[whole_bytes] & last_mask) == (network->ip[whole_bytes] & last_mask);
}

bool
tp_address_is_of_host(const struct tp_address *address, const struct tp_address *host)
{
    return address->family == host->family
           && memcmp(address->ip, host->ip, sizeof(address->ip)) == 0;
}

struct tp_address
tp_address_customer(const struct tp_address *address)
{
    struct tp_address customer = *address;

    customer.port = 0;
    if (customer.family == TP_ADDRESS_V6) {
        memset(customer.ip + IPV6_CUSTOMER_BYTES, 0, sizeof(customer.ip) - IPV6_CUSTOMER_BYTES);
    }
    return customer;
}

const char *
tp_network_parse(struct tp_str text, struct tp_network *network)
{
    struct tp_str bits;
    struct tp_str ip = tp__str_cut(text, '/', &bits);
    bool has_bits = ip.len < text.len;

    *network = (struct tp_network){ .bits = 0 };
    if (tp__str_equal(text, TP_STR("all"))) {
        return NULL;
    }
    if (tp__str_equal(text, TP_STR("unix:"))) {
        network->address.family = TP_ADDRESS_UNIX;
        return NULL;
    }
    if (tp_address_parse_ip(ip, &network->address) != TP_OK) {
        return "an address, a network such as 10.0.0.0/8 or fd00::/8, unix:, or all";
    }
    network->bits = network->address.family == TP_ADDRESS_V4 ? 32 : 128;
    if (has_bits && !network_parse_bits(bits, network->bits, &network->bits)) {
        return "a network whose prefix is no longer than its address, such as 10.0.0.0/8";
    }
    return NULL;
}

bool
tp_network_has(const struct tp_network *network, const struct tp_address *address)
{
    return network->address.family == TP_ADDRESS_NONE
           || tp_address_in_network(address, &network->address, network->bits);
}

static bool
network_parse_bits(struct tp_str digits, unsigned max, unsigned *bits)
{
    unsigned value = 0;

    if (digits.len < 1 || digits.len > 3) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned) (digits.data[i] - '0');
    }
    *bits = value;
    return value <= max;
}

socklen_t
tp__address_to_system(const struct tp_address *address, struct tp_str path,
                      struct sockaddr_storage *system)
{
    memset(system, 0, sizeof(*system));
    if (address->family == TP_ADDRESS_V4) {
        struct sockaddr_in *ipv4 = (struct sockaddr_in *) system;

        ipv4->sin_family = AF_INET;
        ipv4->sin_port = htons(address->port);
        memcpy(&ipv4->sin_addr, address->ip, sizeof(ipv4->sin_addr));
        return sizeof(*ipv4);
    }
    if (address->family == TP_ADDRESS_V6) {
        struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *) system;

        ipv6->sin6_family = AF_INET6;
        ipv6->sin6_port = htons(address->port);
        memcpy(&ipv6->sin6_addr, address->ip, sizeof(ipv6->sin6_addr));
        return sizeof(*ipv6);
    }
    TP_ASSERT(address->family == TP_ADDRESS_UNIX);

    struct sockaddr_un *local = (struct sockaddr_un *) system;

    TP_ASSERT(path.len <= TP_SOCKET_PATH_MAX);
    local->sun_family = AF_UNIX;
    memcpy(local->sun_path, path.data, path.len);
    return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + path.len + 1);
}

struct tp_address
tp__address_from_system(const struct sockaddr_storage *system)
{
    struct tp_address address = { 0 };

    if (system->ss_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const struct sockaddr_in *) system;

        address.family = TP_ADDRESS_V4;
        address.port = ntohs(ipv4->sin_port);
        memcpy(address.ip, &ipv4->sin_addr, sizeof(ipv4->sin_addr));
    } else if (system->ss_family == AF_INET6) {
        const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *) system;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(&ipv6->sin6_addr);
        size_t skipped = is_mapped ? 12 : 0;

        address.family = is_mapped ? TP_ADDRESS_V4 : TP_ADDRESS_V6;
        address.port = ntohs(ipv6->sin6_port);
        memcpy(address.ip, ipv6->sin6_addr.s6_addr + skipped, sizeof(address.ip) - skipped);
    } else if (system->ss_family == AF_UNIX) {
        address.family = TP_ADDRESS_UNIX;
    }
    return address;
}

/* What to say of an address that is none; often just its port is missing. */
static const char *
endpoint_wanted(struct tp_str text)
{
    bool is_in_brackets = text.len > 2 && text.data[0] == '[' && text.data[text.len - 1] == ']';
    struct tp_str host = text;
    struct tp_address address;

    if (is_in_brackets) {
        host = (struct tp_str){ text.data + 1, text.len - 2 };
    }
    if (!address_parse_host(host, &address)) {
        return endpoint_form;
    }
    if (address.family == TP_ADDRESS_V4) {
        return "a port behind the address, as in 127.0.0.1:9090";
    }
    return "an IPv6 address in brackets with a port behind it, as in [::1]:9090";
}

static const char *
endpoint_parse_unix(struct tp_str path, struct tp_endpoint *endpoint)
{
    if (path.len == 0) {
        return "unix: with the path of a socket behind it, such as unix:run/teleport.sock";
    }
    if (path.len > TP_SOCKET_PATH_MAX || memchr(path.data, '\0', path.len) != NULL) {
        return "a socket path of at most 107 bytes, none of them zero";
    }
    endpoint->address.family = TP_ADDRESS_UNIX;
    endpoint->path = path;
    return NULL;
}

/* "[host]:port", "host:port" or "port"; the host is then empty. */
static bool
endpoint_split(struct tp_str text, struct tp_str *host, struct tp_str *port)
{
    if (text.len > 0 && text.data[0] == '[') {
        struct tp_str rest;

        *host = tp__str_cut(tp__str_skip(text, 1), ']', &rest);
        *port = tp__str_skip(rest, 1);
        return rest.len > 0 && rest.data[0] == ':' && memchr(host->data, ':', host->len) != NULL;
    }
    if (text.len == 0 || memchr(text.data, ':', text.len) == NULL) {
        *host = TP_STR("*");
        *port = text;
        return true;
    }
    *host = tp__str_cut(text, ':', port);
    return host->len > 0;
}

static bool
address_parse_host(struct tp_str host, struct tp_address *address)
{
    if (tp__str_equal(host, TP_STR("*"))) {
        host = TP_STR("0.0.0.0");
    } else if (tp__str_equal(host, TP_STR("localhost"))) {
        host = TP_STR("127.0.0.1");
    }
    return tp_address_parse_ip(host, address) == TP_OK;
}

/* UDP sockets, one for each relay, bound to its address and port 547: what it takes to look like a
 * relay to any DHCPv6 server. Clients on the wire share one socket on port 546. A relay that knows
 * one server's unicast address connects to it: the kernel then looks up the way there once. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/wire.h"
#include "dhcp6/message.h"
#include "io.h"

enum {
    DATAGRAM_SIZE = 2048,
    SOCKET_BUFFER = 16 << 20,
    SEND_WAITS_MAX = 20, /* milliseconds granted to a full socket */
};

struct udp {
    unsigned count; /* sockets: relays, or one */
    bool connected; /* to servers[0] */
    struct pollfd sockets[SETTINGS_RELAYS_MAX];
    unsigned server_count;
    struct sockaddr_in6 servers[SETTINGS_SERVERS_MAX];
    unsigned next; /* socket to be read first */
    struct mmsghdr headers[IO_BURST];
    struct iovec vectors[IO_BURST];
    uint8_t data[IO_BURST][DATAGRAM_SIZE];
};

static struct sockaddr_in6 sockaddr_make(struct ip6 address, uint16_t port, unsigned scope)
{
    struct sockaddr_in6 sockaddr = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    wire_set_ip6(sockaddr.sin6_addr.s6_addr, address);
    if (ip6_is_multicast(address) || ip6_is_link_local(address)) {
        sockaddr.sin6_scope_id = scope;
    }
    return sockaddr;
}

static uint64_t udp_now(void *ctx)
{
    struct timespec ts;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* Sends the batch in udp->headers[0..count); returns how many failed. */
static unsigned batch_send(struct udp *udp, struct pollfd *socket, unsigned count)
{
    unsigned at = 0, failed = 0, waits = 0;

    while (at < count) {
        int sent = sendmmsg(socket->fd, udp->headers + at, count - at, 0);

        if (sent > 0) {
            at += (unsigned)sent;
        } else if ((errno == EAGAIN || errno == ENOBUFS) && waits++ < SEND_WAITS_MAX) {
            struct pollfd writable = {.fd = socket->fd, .events = POLLOUT};

            (void)poll(&writable, 1, 1);
        } else if (errno != EINTR) {
            at++; /* no route, no link: as good as lost on the way */
            failed++;
        }
    }
    return failed;
}

static unsigned udp_send(void *ctx, const struct datagram *datagrams, unsigned count)
{
    struct udp *udp = ctx;
    unsigned failed = 0;

    for (unsigned s = 0; s < udp->count; s++) {
        for (unsigned to = 0; to < udp->server_count; to++) {
            unsigned batch = 0;

            for (unsigned i = 0; i < count; i++) {
                if (datagrams[i].relay == s) {
                    udp->vectors[batch] = (struct iovec){datagrams[i].data, datagrams[i].size};
                    udp->headers[batch].msg_hdr =
                        (struct msghdr){.msg_iov = &udp->vectors[batch], .msg_iovlen = 1};
                    if (!udp->connected) {
                        udp->headers[batch].msg_hdr.msg_name = &udp->servers[to];
                        udp->headers[batch].msg_hdr.msg_namelen = sizeof(udp->servers[to]);
                    }
                    batch++;
                }
            }
            failed += batch ? batch_send(udp, &udp->sockets[s], batch) : 0;
        }
    }
    return failed;
}

/* From the first socket in turn that has something. */
static unsigned udp_receive(void *ctx, struct datagram *ret_datagrams)
{
    struct udp *udp = ctx;

    for (unsigned i = 0; i < IO_BURST; i++) {
        udp->vectors[i] = (struct iovec){udp->data[i], DATAGRAM_SIZE};
        udp->headers[i].msg_hdr = (struct msghdr){.msg_iov = &udp->vectors[i], .msg_iovlen = 1};
    }
    for (unsigned i = 0; i < udp->count; i++) {
        unsigned s = (udp->next + i) % udp->count;
        int count = recvmmsg(udp->sockets[s].fd, udp->headers, IO_BURST, MSG_DONTWAIT, NULL);

        for (int k = 0; k < count; k++) {
            ret_datagrams[k] =
                (struct datagram){udp->data[k], udp->headers[k].msg_len, (uint16_t)s};
        }
        if (count > 0) {
            udp->next = s + 1;
            return (unsigned)count;
        }
    }
    return 0;
}

static void udp_wait(void *ctx, uint64_t timeout_ns)
{
    struct udp *udp = ctx;
    struct timespec timeout = {(time_t)(timeout_ns / 1000000000ULL),
                               (long)(timeout_ns % 1000000000ULL)};

    (void)ppoll(udp->sockets, udp->count, &timeout, NULL);
}

static void udp_close(void *ctx)
{
    struct udp *udp = ctx;

    for (unsigned i = 0; i < udp->count; i++) {
        close(udp->sockets[i].fd);
    }
    free(udp);
}

static int socket_open(const struct settings *settings, struct ip6 address, unsigned scope)
{
    uint16_t port = settings->direct ? DHCP6_CLIENT_PORT : DHCP6_SERVER_PORT;
    struct sockaddr_in6 own = sockaddr_make(address, port, scope);
    char text[INET6_ADDRSTRLEN];
    int buffer = SOCKET_BUFFER, hops = 32;
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -errno;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) != 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    }
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) != 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    }
    /* RFC 9915 19: relays' multicast goes up to 8 hops at least. */
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops));
    if (scope) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &scope, sizeof(scope));
    }
    if (bind(fd, (struct sockaddr *)&own, sizeof(own)) != 0) {
        int r = -errno;

        fprintf(stderr, "tandem6load: cannot be [%s]:%u: %s\n",
                inet_ntop(AF_INET6, &own.sin6_addr, text, sizeof(text)), port, strerror(-r));
        close(fd);
        return r;
    }
    return fd;
}

int io_udp_open(const struct settings *settings, struct io *ret_io)
{
    unsigned scope = settings->interface ? if_nametoindex(settings->interface) : 0;
    unsigned wanted = settings->direct ? 1 : settings->relay_count;
    struct udp *udp;

    if (settings->interface && scope == 0) {
        fprintf(stderr, "tandem6load: no interface %s\n", settings->interface);
        return -ENODEV;
    }
    udp = calloc(1, sizeof(*udp));
    if (!udp) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < settings->server_count; i++) {
        udp->servers[udp->server_count++] =
            sockaddr_make(settings->servers[i], DHCP6_SERVER_PORT, scope);
    }
    udp->connected =
        !settings->direct && udp->server_count == 1 && !ip6_is_multicast(settings->servers[0]);
    for (unsigned i = 0; i < wanted; i++) {
        /* A client on the wire: the kernel chooses the interface's link-local address. */
        int fd = socket_open(settings, settings->relays[i], scope);

        if (fd < 0) {
            udp_close(udp);
            return fd;
        }
        udp->sockets[udp->count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        if (udp->connected &&
            connect(fd, (struct sockaddr *)&udp->servers[0], sizeof(udp->servers[0])) != 0) {
            int r = -errno;

            fprintf(stderr, "tandem6load: cannot reach the server: %s\n", strerror(-r));
            udp_close(udp);
            return r;
        }
    }
    *ret_io = (struct io){udp, udp_send, udp_receive, udp_wait, udp_now, udp_close};
    return 0;
}

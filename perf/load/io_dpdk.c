/* Frames on one queue of one DPDK port, for rates that sockets do not reach. The port is the
 * relays' host: it answers neighbour solicitations for their addresses and asks for the servers'
 * MACs. It polls, so it takes a CPU for itself. */
#include <arpa/inet.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dhcp6/message.h"
#include "io.h"
#include "net/ndp.h"

enum {
    DESCRIPTORS = 512,
    MBUFS = 8191,
    MBUF_DATA_SIZE = 2048,
    NO_HUGE_MIB = 128,
    ARGS_MAX = 12,
    ARG_SIZE = 1024,
    SEND_RETRIES_MAX = 1000,
    ASK_ROUNDS_MAX = 50, /* of ASK_WAIT_MS */
    ASK_WAIT_MS = 100,
    ADVERTISEMENT_TYPE = 136, /* ICMPv6 Neighbor Advertisement (RFC 4861 4.4) */
    ADVERTISEMENT_SIZE = 32,  /* with its Target Link-Layer Address */
    NEIGHBOR_OPTION_SOURCE = 1,
    NEIGHBOR_OPTION_TARGET = 2,
    NEIGHBOR_HOP_LIMIT = 255,
};

struct dpdk_server {
    struct ip6 address;
    uint8_t mac[6];
    bool known;
};

struct dpdk {
    uint16_t port;
    struct rte_mempool *pool;
    struct frame_port frame; /* addresses: link-local, then the relays' */
    unsigned relay_count, server_count;
    struct dpdk_server servers[SETTINGS_SERVERS_MAX];
    unsigned held_count; /* mbufs whose data the caller has borrowed */
    struct rte_mbuf *held[IO_BURST];
};

static uint64_t dpdk_now(void *ctx)
{
    struct timespec ts;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* Sends them all or frees what the port does not take; returns how many those were. */
static unsigned mbufs_send(struct dpdk *dpdk, struct rte_mbuf **mbufs, unsigned count)
{
    unsigned sent = 0;

    for (unsigned i = 0; i < SEND_RETRIES_MAX && sent < count; i++) {
        sent += rte_eth_tx_burst(dpdk->port, 0, mbufs + sent, (uint16_t)(count - sent));
    }
    for (unsigned i = sent; i < count; i++) {
        rte_pktmbuf_free(mbufs[i]);
    }
    return count - sent;
}

/* A frame of size octets that `frame` holds. */
static void frame_send(struct dpdk *dpdk, const uint8_t *frame, size_t size)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(dpdk->pool);
    char *room = m ? rte_pktmbuf_append(m, (uint16_t)size) : NULL;

    if (room) {
        memcpy(room, frame, size);
        (void)mbufs_send(dpdk, &m, 1);
    } else {
        rte_pktmbuf_free(m);
    }
}

static struct rte_mbuf *datagram_frame(struct dpdk *dpdk, const struct datagram *datagram,
                                       const struct dpdk_server *server)
{
    struct frame_to to = {.src = dpdk->frame.addresses[1 + datagram->relay],
                          .dst = server->address,
                          .src_port = DHCP6_SERVER_PORT,
                          .dst_port = DHCP6_SERVER_PORT};
    size_t header = frame_header_size(&to);
    struct rte_mbuf *m = rte_pktmbuf_alloc(dpdk->pool);
    uint8_t *room =
        m ? (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(header + datagram->size)) : NULL;

    if (!room) {
        rte_pktmbuf_free(m);
        return NULL;
    }
    memcpy(to.dst_mac, server->mac, 6);
    memcpy(room + header, datagram->data, datagram->size);
    frame_write(&dpdk->frame, &to, room + header, datagram->size);
    return m;
}

static unsigned dpdk_send(void *ctx, const struct datagram *datagrams, unsigned count)
{
    struct dpdk *dpdk = ctx;
    unsigned failed = 0;

    for (unsigned s = 0; s < dpdk->server_count; s++) {
        struct rte_mbuf *mbufs[IO_BURST];
        unsigned made = 0;

        for (unsigned i = 0; i < count; i++) {
            mbufs[made] = datagram_frame(dpdk, &datagrams[i], &dpdk->servers[s]);
            if (mbufs[made]) {
                made++;
            } else {
                failed++;
            }
        }
        failed += mbufs_send(dpdk, mbufs, made);
    }
    return failed;
}

static void solicitation_answer(struct dpdk *dpdk, const struct frame *frame)
{
    uint8_t buf[NDP_BUF_SIZE];
    enum counter counter;
    size_t size = ndp_answer(&dpdk->frame, frame, buf, sizeof(buf), &counter);

    if (size) {
        frame_send(dpdk, buf, size);
    }
}

/* A Neighbor Advertisement with a MAC of one of the servers? */
static void advertisement_learn(struct dpdk *dpdk, const uint8_t *data, size_t size)
{
    const uint8_t *icmp = data + FRAME_ETHERNET_SIZE + FRAME_IP6_SIZE;

    if (size < FRAME_ETHERNET_SIZE + FRAME_IP6_SIZE + ADVERTISEMENT_SIZE ||
        data[FRAME_ETHERNET_SIZE + 6] != FRAME_PROTOCOL_ICMP6 || icmp[0] != ADVERTISEMENT_TYPE ||
        icmp[24] != NEIGHBOR_OPTION_TARGET) {
        return;
    }
    for (unsigned i = 0; i < dpdk->server_count; i++) {
        if (ip6_equal(wire_get_ip6(icmp + 8), dpdk->servers[i].address)) {
            memcpy(dpdk->servers[i].mac, icmp + 26, 6);
            dpdk->servers[i].known = true;
        }
    }
}

/* The relay whose address it is; relay_count when it is none. */
static unsigned relay_of(const struct dpdk *dpdk, struct ip6 address)
{
    unsigned relay = 0;

    while (relay < dpdk->relay_count && !ip6_equal(dpdk->frame.addresses[1 + relay], address)) {
        relay++;
    }
    return relay;
}

/* True when it is a datagram for a relay. */
static bool mbuf_take(struct dpdk *dpdk, struct rte_mbuf *m, struct datagram *ret_datagram)
{
    const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
    bool good = (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    struct frame frame;
    unsigned relay;

    frame_parse(&dpdk->frame, (struct span){data, m->data_len}, good, &frame);
    switch (frame.kind) {
    case FRAME_ICMP6:
        solicitation_answer(dpdk, &frame);
        return false;
    case FRAME_DROP:
        advertisement_learn(dpdk, data, m->data_len);
        return false;
    case FRAME_DHCP6:
        break;
    }
    relay = relay_of(dpdk, frame.dst);
    if (relay == dpdk->relay_count) {
        return false;
    }
    *ret_datagram = (struct datagram){rte_pktmbuf_mtod(m, uint8_t *) + (frame.payload.data - data),
                                      (uint32_t)frame.payload.size, (uint16_t)relay};
    return true;
}

static unsigned dpdk_receive(void *ctx, struct datagram *ret_datagrams)
{
    struct dpdk *dpdk = ctx;
    struct rte_mbuf *mbufs[IO_BURST];
    unsigned received, count = 0;

    for (unsigned i = 0; i < dpdk->held_count; i++) {
        rte_pktmbuf_free(dpdk->held[i]);
    }
    received = rte_eth_rx_burst(dpdk->port, 0, mbufs, IO_BURST);
    for (unsigned i = 0; i < received; i++) {
        if (mbuf_take(dpdk, mbufs[i], &ret_datagrams[count])) {
            dpdk->held[count++] = mbufs[i];
        } else {
            rte_pktmbuf_free(mbufs[i]);
        }
    }
    dpdk->held_count = count;
    return count;
}

static void dpdk_wait(void *ctx, uint64_t timeout_ns)
{
    (void)ctx;
    (void)timeout_ns;
    rte_pause();
}

/* RFC 4861 4.3, from the first relay's address. */
static void solicitation_send(struct dpdk *dpdk, struct ip6 address)
{
    uint8_t buf[FRAME_HEADROOM + ADVERTISEMENT_SIZE] = {0}, *icmp = buf + FRAME_HEADROOM;
    struct frame_to to = {.src = dpdk->frame.addresses[1], .dst = frame_solicited_node(address)};
    size_t header = frame_header_size(&to) - FRAME_UDP_SIZE;

    wire_set_u16(to.dst_mac, 0x3333);
    wire_set_u32(to.dst_mac + 2, (uint32_t)to.dst.lo);
    icmp[0] = FRAME_ICMP6_NEIGHBOR_SOLICITATION;
    wire_set_ip6(icmp + 8, address);
    icmp[24] = NEIGHBOR_OPTION_SOURCE;
    icmp[25] = 1;
    memcpy(icmp + 26, dpdk->frame.mac, 6);
    wire_set_u16(icmp + 2, (uint16_t)~frame_checksum(to.src, to.dst, FRAME_PROTOCOL_ICMP6, icmp,
                                                     ADVERTISEMENT_SIZE));
    frame_write_ip6(&dpdk->frame, &to, FRAME_PROTOCOL_ICMP6, NEIGHBOR_HOP_LIMIT, icmp,
                    ADVERTISEMENT_SIZE);
    frame_send(dpdk, icmp - header, header + ADVERTISEMENT_SIZE);
}

static int servers_ask(struct dpdk *dpdk)
{
    struct datagram datagrams[IO_BURST];

    for (unsigned round = 0; round < ASK_ROUNDS_MAX; round++) {
        uint64_t end_ns = dpdk_now(NULL) + ASK_WAIT_MS * 1000000ULL;
        bool all = true;

        for (unsigned i = 0; i < dpdk->server_count; i++) {
            if (!dpdk->servers[i].known) {
                all = false;
                solicitation_send(dpdk, dpdk->servers[i].address);
            }
        }
        if (all) {
            return 0;
        }
        while (dpdk_now(NULL) < end_ns) {
            (void)dpdk_receive(dpdk, datagrams);
        }
    }
    fprintf(stderr, "tandem6load: a server does not tell its MAC; --server-mac names it\n");
    return -ETIMEDOUT;
}

static void servers_set(struct dpdk *dpdk, const struct settings *settings)
{
    static const uint8_t none[6];

    for (unsigned i = 0; i < settings->server_count; i++) {
        struct dpdk_server *server = &dpdk->servers[dpdk->server_count++];

        server->address = settings->servers[i];
        if (ip6_is_multicast(server->address)) {
            wire_set_u16(server->mac, 0x3333);
            wire_set_u32(server->mac + 2, (uint32_t)server->address.lo);
            server->known = true;
        } else {
            memcpy(server->mac, settings->server_mac, 6);
            server->known = memcmp(server->mac, none, 6) != 0;
        }
    }
}

static void addresses_set(struct dpdk *dpdk, const struct settings *settings)
{
    struct rte_ether_addr mac;
    uint8_t *m = dpdk->frame.mac;
    uint8_t iid[8];

    (void)rte_eth_macaddr_get(dpdk->port, &mac);
    memcpy(m, mac.addr_bytes, 6);
    memcpy(iid, (uint8_t[]){(uint8_t)(m[0] ^ 2), m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}, 8);
    dpdk->frame.addresses[0] = (struct ip6){0xfe80000000000000ULL, wire_get_u64(iid)};
    dpdk->relay_count = settings->relay_count;
    for (unsigned i = 0; i < settings->relay_count; i++) {
        dpdk->frame.addresses[1 + i] = settings->relays[i];
    }
    dpdk->frame.address_count = 1 + settings->relay_count;
    dpdk->frame.accept_partial_checksum = true; /* kernels on veth leave them so */
    dpdk->frame.mtu = FRAME_MTU_DEFAULT;
}

/* "0@(CPU,CPU...)": the CPUs we may use, as for any other process. */
static void lcores_write(char *text, size_t size)
{
    cpu_set_t set;
    size_t used = (size_t)snprintf(text, size, "--lcores=0@(");

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) == 0) {
        CPU_SET(0, &set);
    }
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && used < size - 16; cpu++) {
        if (CPU_ISSET(cpu, &set)) {
            used += (size_t)snprintf(text + used, size - used, "%s%u",
                                     text[used - 1] == '(' ? "" : ",", cpu);
        }
    }
    (void)snprintf(text + used, size - used, ")");
}

static bool device_is_vdev(const char *device)
{
    return strncmp(device, "net_", 4) == 0 || strncmp(device, "eth_", 4) == 0;
}

/* No hugepages: this program's speed does not depend on them, and the server may want them all. */
static int eal_start(const char *device)
{
    char text[ARGS_MAX][ARG_SIZE], *argv[ARGS_MAX + 1] = {NULL};
    int argc = 0;

    (void)snprintf(text[argc++], ARG_SIZE, "tandem6load");
    lcores_write(text[argc++], ARG_SIZE);
    (void)snprintf(text[argc++], ARG_SIZE, "--no-huge");
    (void)snprintf(text[argc++], ARG_SIZE, "-m%d", NO_HUGE_MIB);
    (void)snprintf(text[argc++], ARG_SIZE, "--no-shconf");
    (void)snprintf(text[argc++], ARG_SIZE, "--no-telemetry");
    (void)snprintf(text[argc++], ARG_SIZE, "--file-prefix=tandem6load-%d", (int)getpid());
    (void)snprintf(text[argc++], ARG_SIZE, "--log-level=lib.eal:warning");
    if (device_is_vdev(device)) {
        (void)snprintf(text[argc++], ARG_SIZE, "--no-pci");
        (void)snprintf(text[argc++], ARG_SIZE, "--vdev=%s", device);
    } else {
        (void)snprintf(text[argc++], ARG_SIZE, "-a%s", device);
    }
    for (int i = 0; i < argc; i++) {
        argv[i] = text[i];
    }
    return rte_eal_init(argc, argv) < 0 ? -EIO : 0;
}

static int port_start(struct dpdk *dpdk, const char *device)
{
    struct rte_eth_conf conf = {0};
    uint16_t rx_count = DESCRIPTORS, tx_count = DESCRIPTORS;
    char name[64];
    int r;

    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
    r = rte_eth_dev_get_port_by_name(name, &dpdk->port);
    dpdk->pool = rte_pktmbuf_pool_create("frames", MBUFS, 0, 0,
                                         RTE_PKTMBUF_HEADROOM + MBUF_DATA_SIZE, SOCKET_ID_ANY);
    if (r == 0 && !dpdk->pool) {
        r = -ENOMEM;
    }
    r = r ? r : rte_eth_dev_configure(dpdk->port, 1, 1, &conf);
    r = r ? r : rte_eth_dev_adjust_nb_rx_tx_desc(dpdk->port, &rx_count, &tx_count);
    r = r ? r
          : rte_eth_rx_queue_setup(dpdk->port, 0, rx_count, (unsigned)SOCKET_ID_ANY, NULL,
                                   dpdk->pool);
    r = r ? r : rte_eth_tx_queue_setup(dpdk->port, 0, tx_count, (unsigned)SOCKET_ID_ANY, NULL);
    r = r ? r : rte_eth_dev_start(dpdk->port);
    if (r == 0 && rte_eth_allmulticast_enable(dpdk->port) != 0) {
        (void)rte_eth_promiscuous_enable(dpdk->port);
    }
    return r;
}

static void dpdk_close(void *ctx)
{
    struct dpdk *dpdk = ctx;
    char runtime_dir[ARG_SIZE];

    for (unsigned i = 0; i < dpdk->held_count; i++) {
        rte_pktmbuf_free(dpdk->held[i]);
    }
    (void)rte_eth_promiscuous_disable(dpdk->port);
    (void)rte_eth_allmulticast_disable(dpdk->port);
    (void)rte_eth_dev_stop(dpdk->port);
    (void)rte_eth_dev_close(dpdk->port);
    /* EAL leaves an empty folder for each process there ever was. */
    (void)snprintf(runtime_dir, sizeof(runtime_dir), "%s", rte_eal_get_runtime_dir());
    (void)rte_eal_cleanup();
    (void)rmdir(runtime_dir);
    free(dpdk);
}

int io_dpdk_open(const struct settings *settings, struct io *ret_io)
{
    struct dpdk *dpdk;
    int r;

    if (settings->relay_count >= FRAME_ADDRESSES_MAX) {
        fprintf(stderr, "tandem6load: a --port has room for %d relays\n", FRAME_ADDRESSES_MAX - 1);
        return -EINVAL;
    }
    dpdk = calloc(1, sizeof(*dpdk));
    r = dpdk ? eal_start(settings->device) : -ENOMEM;
    r = r ? r : port_start(dpdk, settings->device);
    if (r) {
        fprintf(stderr, "tandem6load: --port %s: %s\n", settings->device, strerror(-r));
        free(dpdk);
        return r;
    }
    addresses_set(dpdk, settings);
    servers_set(dpdk, settings);
    r = servers_ask(dpdk);
    if (r) {
        dpdk_close(dpdk);
        return r;
    }
    *ret_io = (struct io){dpdk, dpdk_send, dpdk_receive, dpdk_wait, dpdk_now, dpdk_close};
    return 0;
}

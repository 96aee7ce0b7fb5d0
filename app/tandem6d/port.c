#include "port.h"

#include <dirent.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "base/log.h"
#include "base/siphash.h"
#include "cpus.h"

enum {
    ARGS_MAX = 64,
    ARG_SIZE = 256,
    DESCRIPTORS = 512,
    MBUF_DATA_SIZE = 4096,     /* a received frame and, behind it, room for the answer */
    MBUF_DATA_SIZE_XDP = 2048, /* net_af_xdp wants a buffer to fit into a page */
    MBUFS_PER_WORKER = SERVER_PARK_CAPACITY + ADMIT_CAPACITY + 2047,
    NO_HUGE_MIB = 256,
};

struct port {
    uint16_t id; /* DPDK's */
    bool vdev;
    bool kernel_link;         /* link state is read from the kernel's interface */
    char interface[IFNAMSIZ]; /* behind af_packet, af_xdp, pcap, tap; empty otherwise */
    struct server_port *port;
};

/* One worker's view: its queue on every port. */
struct port_queue {
    struct ports *ports;
    unsigned queue;
};

struct ports {
    struct server *server;
    struct rte_mempool *pool;
    unsigned count;
    struct port ports[CONFIG_PORTS_MAX];
    struct port_queue queues[CONFIG_WORKERS_MAX];
    int ioctl_fd;
};

struct eal_args {
    int count;
    char text[ARGS_MAX][ARG_SIZE];
    char *argv[ARGS_MAX + 1];
};

__attribute__((format(printf, 2, 3))) static void arg_add(struct eal_args *args, const char *format,
                                                          ...)
{
    va_list ap;

    if (args->count == ARGS_MAX) {
        return; /* EAL will complain about what is missing */
    }
    va_start(ap, format);
    (void)vsnprintf(args->text[args->count], ARG_SIZE, format, ap);
    va_end(ap);
    args->argv[args->count] = args->text[args->count];
    args->argv[++args->count] = NULL;
}

/* Octets in free hugepages of all sizes. */
static uint64_t hugepages_free(void)
{
    static const char root[] = "/sys/kernel/mm/hugepages";
    DIR *dir = opendir(root);
    struct dirent *entry;
    uint64_t octets = 0;

    while (dir && (entry = readdir(dir)) != NULL) {
        unsigned long pages = 0, page_kib = 0;
        char path[300];
        FILE *file;

        (void)snprintf(path, sizeof(path), "%s/%.200s/free_hugepages", root, entry->d_name);
        file = sscanf(entry->d_name, "hugepages-%lukB", &page_kib) == 1 ? fopen(path, "r") : NULL;
        if (file) {
            octets += fscanf(file, "%lu", &pages) == 1 ? (uint64_t)pages * page_kib << 10 : 0;
            fclose(file);
        }
    }
    if (dir) {
        closedir(dir);
    }
    return octets;
}

static bool device_is_vdev(const char *device)
{
    return device == NULL || strncmp(device, "net_", 4) == 0 || strncmp(device, "eth_", 4) == 0;
}

/* Lcore 0 is the control core, 1..workers the workers. */
static void args_add_lcores(struct eal_args *args, const struct config *config)
{
    int cpus[CONFIG_WORKERS_MAX + 1];
    char text[ARG_SIZE];
    size_t used;

    cpus_choose(config, cpus);
    used = (size_t)snprintf(text, sizeof(text), "--lcores=0@%d", cpus[0]);
    for (unsigned i = 1; i <= config->workers && used < sizeof(text) - 16; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, ",%u@%d", i, cpus[i]);
    }
    log_notice("control core and workers on CPUs %s", text + strlen("--lcores="));
    arg_add(args, "%s", text);
}

static void args_add_device(struct eal_args *args, const struct config *config, unsigned index,
                            unsigned *pci_count)
{
    const char *device = config->ports[index].device;

    if (device == NULL) {
        arg_add(args, "--vdev=net_tap%u,iface=t6-%.10s", index, config->ports[index].name);
    } else if (!device_is_vdev(device)) {
        arg_add(args, "-a");
        arg_add(args, "%s", device);
        (*pci_count)++;
    } else if (strncmp(device, "net_af_packet", 13) == 0 && !strstr(device, "qpairs=")) {
        arg_add(args, "--vdev=%s,qpairs=%u", device, config->workers);
    } else {
        arg_add(args, "--vdev=%s", device);
    }
}

static int eal_start(const struct config *config)
{
    struct eal_args *args = calloc(1, sizeof(*args));
    int memory_mib = NO_HUGE_MIB + (int)config->workers * 64;
    /* Fewer than that, and DPDK would not start at all: others have them, the store for one. */
    bool huge = hugepages_free() >> 20 >= (uint64_t)memory_mib;
    unsigned pci_count = 0;
    int r;

    if (!args) {
        return -ENOMEM;
    }
    arg_add(args, "tandem6d");
    args_add_lcores(args, config);
    /* One runtime folder for each state_dir: what a crash leaves there the next run uses again. */
    arg_add(args, "--file-prefix=tandem6-%016" PRIx64,
            siphash((struct siphash_key){0, 0}, config->state_dir, strlen(config->state_dir)));
    arg_add(args, "--log-level=lib.eal:warning");
    if (huge) {
        arg_add(args, "--in-memory");
    } else {
        arg_add(args, "--no-huge");
        arg_add(args, "-m%d", memory_mib);
        arg_add(args, "--no-shconf");
    }
    for (unsigned i = 0; i < config->port_count; i++) {
        args_add_device(args, config, i, &pci_count);
    }
    if (pci_count == 0) {
        arg_add(args, "--no-pci");
    }
    r = rte_eal_init(args->count, args->argv);
    if (r < 0) {
        log_error("cannot start DPDK: %s", rte_strerror(rte_errno));
        free(args);
        return -EIO;
    }
    log_notice("DPDK runs %s hugepages, %u worker%s, %u port%s", huge ? "with" : "without",
               config->workers, config->workers == 1 ? "" : "s", config->port_count,
               config->port_count == 1 ? "" : "s");
    free(args); /* EAL keeps its own copies */
    return 0;
}

/* The kernel's interface behind a port: "iface=" of the device, or our own TAP. */
static void port_interface(struct port *port, const struct config_port *config)
{
    const char *at = config->device ? strstr(config->device, "iface=") : NULL;

    if (config->device == NULL) {
        (void)snprintf(port->interface, sizeof(port->interface), "t6-%.10s", config->name);
    } else if (at) {
        (void)snprintf(port->interface, sizeof(port->interface), "%.*s", (int)strcspn(at + 6, ","),
                       at + 6);
    }
}

/* The link-local address every port has (RFC 4291 appendix A: modified EUI-64). */
static struct ip6 address_eui64(const uint8_t *mac)
{
    uint8_t iid[8] = {(uint8_t)(mac[0] ^ 2), mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};

    return (struct ip6){0xfe80000000000000ULL, wire_get_u64(iid)};
}

static void port_addresses(struct port *port, const struct config_port *config, const char *driver)
{
    struct frame_port *frame = &port->port->frame;
    struct rte_ether_addr mac;

    (void)rte_eth_macaddr_get(port->id, &mac);
    memcpy(frame->mac, mac.addr_bytes, 6);
    if (config->has_mac) {
        memcpy(frame->mac, config->mac, 6);
    } else if (strcmp(driver, "net_tap") == 0) {
        /* A TAP's MAC is the kernel's own; behind a bridge, frames to it would go to the host. */
        frame->mac[0] = (uint8_t)((frame->mac[0] | 2) ^ 4);
    }
    frame->addresses[0] = address_eui64(frame->mac);
    frame->address_count = 1;
    for (unsigned i = 0; i < config->address_count; i++) {
        frame->addresses[frame->address_count++] = config->addresses[i];
    }
    frame->mtu = config->mtu ? config->mtu : FRAME_MTU_DEFAULT;
}

static int port_queues(struct ports *ports, struct port *port, const struct config_port *config,
                       const struct rte_eth_dev_info *info)
{
    unsigned workers = ports->server->worker_count;
    uint16_t rx_count = DESCRIPTORS, tx_count = DESCRIPTORS;
    struct rte_eth_conf conf = {0};
    int r;

    if (info->max_rx_queues < workers || info->max_tx_queues < workers) {
        log_error("port %u (%s) has %u receive and %u send queues, %u workers need one each",
                  port->id, info->driver_name, info->max_rx_queues, info->max_tx_queues, workers);
        return -EINVAL;
    }
    if (workers > 1 && (info->flow_type_rss_offloads & RTE_ETH_RSS_IPV6)) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf =
            info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);
    }
    if (!port->vdev) {
        conf.rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
        conf.txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
        port->port->frame.checksum_offload = conf.txmode.offloads != 0;
    }
    r = rte_eth_dev_configure(port->id, (uint16_t)workers, (uint16_t)workers, &conf);
    if (r == 0 && config->mtu && rte_eth_dev_set_mtu(port->id, config->mtu) != 0) {
        log_warn("port %s: the driver does not take an MTU of %u; it only bounds answers",
                 config->name, config->mtu);
    }
    r = r ? r : rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx_count, &tx_count);
    for (uint16_t q = 0; r == 0 && q < workers; q++) {
        r = rte_eth_rx_queue_setup(port->id, q, rx_count, (unsigned)SOCKET_ID_ANY, NULL,
                                   ports->pool);
        r = r ? r : rte_eth_tx_queue_setup(port->id, q, tx_count, (unsigned)SOCKET_ID_ANY, NULL);
    }
    return r;
}

static int port_start(struct ports *ports, const struct config_port *config, unsigned index)
{
    struct port *port = &ports->ports[index];
    struct rte_eth_dev_info info;
    int r = rte_eth_dev_info_get(port->id, &info);

    if (r == 0) {
        r = port_queues(ports, port, config, &info);
    }
    if (r == 0) {
        r = rte_eth_dev_start(port->id);
    }
    if (r) {
        log_error("port %s cannot be started: %s", config->name, strerror(-r));
        return r;
    }
    /* Our groups and, on a TAP, our MAC are not known to the device: take everything multicast, or
     * all. */
    if (strcmp(info.driver_name, "net_tap") == 0 || config->has_mac ||
        rte_eth_allmulticast_enable(port->id) != 0) {
        (void)rte_eth_promiscuous_enable(port->id);
    }
    port_interface(port, config);
    port_addresses(port, config, info.driver_name);
    port->kernel_link = port->interface[0] != '\0';
    port->port->frame.accept_partial_checksum = strcmp(info.driver_name, "net_af_packet") == 0 ||
                                                strcmp(info.driver_name, "net_af_xdp") == 0 ||
                                                strcmp(info.driver_name, "net_pcap") == 0;
    return 0;
}

static unsigned port_rx(void *ctx, unsigned index, struct packet *ret_packets, unsigned max)
{
    const struct port_queue *queue = ctx;
    struct rte_mbuf *mbufs[PACKET_BURST];
    unsigned count = rte_eth_rx_burst(queue->ports->ports[index].id, (uint16_t)queue->queue, mbufs,
                                      (uint16_t)(max < PACKET_BURST ? max : PACKET_BURST));

    for (unsigned i = 0; i < count; i++) {
        struct rte_mbuf *m = mbufs[i];
        uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);
        size_t used =
            ((size_t)m->data_off + m->data_len + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);

        rte_prefetch0(data);
        ret_packets[i] = (struct packet){
            .data = data,
            .size = m->data_len,
            .room = (uint8_t *)m->buf_addr + used,
            .room_size = used < m->buf_len ? (uint32_t)(m->buf_len - used) : 0,
            .handle = m,
            .port = (uint8_t)index,
            .checksum_good =
                (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD,
        };
    }
    return count;
}

/* Where the NIC finds the headers whose checksum it completes. */
static void mbuf_offload(struct rte_mbuf *m, const uint8_t *frame)
{
    unsigned l2_len = 14;

    while (l2_len < 22 && wire_get_u16(frame + l2_len - 2) != 0x86dd) {
        l2_len += 4; /* a VLAN tag */
    }
    m->l2_len = l2_len & 0x7f;
    m->l3_len = 40;
    m->ol_flags |= RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM;
}

static unsigned port_tx(void *ctx, unsigned index, struct packet *packets, unsigned count)
{
    const struct port_queue *queue = ctx;
    const struct port *port = &queue->ports->ports[index];
    struct rte_mbuf *mbufs[2 * PACKET_BURST];
    unsigned sent;

    for (unsigned i = 0; i < count; i++) {
        struct rte_mbuf *m = packets[i].handle;

        m->data_off = (uint16_t)(packets[i].data - (uint8_t *)m->buf_addr);
        m->data_len = (uint16_t)packets[i].size;
        m->pkt_len = packets[i].size;
        m->ol_flags = 0;
        if (port->port->frame.checksum_offload) {
            mbuf_offload(m, packets[i].data);
        }
        mbufs[i] = m;
    }
    sent = rte_eth_tx_burst(port->id, (uint16_t)queue->queue, mbufs, (uint16_t)count);
    for (unsigned i = sent; i < count; i++) {
        rte_pktmbuf_free(mbufs[i]);
    }
    return sent;
}

static void port_drop(void *ctx, struct packet *packet)
{
    (void)ctx;
    rte_pktmbuf_free(packet->handle);
}

static bool port_make(void *ctx, unsigned index, struct packet *ret_packet)
{
    const struct port_queue *queue = ctx;
    struct rte_mbuf *m = rte_pktmbuf_alloc(queue->ports->pool);

    if (!m) {
        return false;
    }
    *ret_packet = (struct packet){
        .room = (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM,
        .room_size = (uint32_t)m->buf_len - RTE_PKTMBUF_HEADROOM,
        .handle = m,
        .port = (uint8_t)index,
    };
    return true;
}

static int ports_find(struct ports *ports, const struct config *config)
{
    uint16_t id;
    unsigned found = 0;

    /* Devices probe in the order of their arguments within a bus; vdevs keep ours by their names.
     */
    for (unsigned i = 0; i < config->port_count; i++) {
        const char *device = config->ports[i].device;
        char name[64];

        if (device == NULL) {
            (void)snprintf(name, sizeof(name), "net_tap%u", i);
        } else {
            (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
        }
        if (rte_eth_dev_get_port_by_name(name, &id) != 0) {
            log_error(
                "port %s: DPDK has no device %s (is its name right, its driver there, and for a "
                "NIC: is it bound to vfio-pci?)",
                config->ports[i].name, name);
            return -ENODEV;
        }
        ports->ports[i].id = id;
        ports->ports[i].vdev = device_is_vdev(device);
        ports->ports[i].port = &ports->server->ports[i];
        found++;
    }
    ports->count = found;
    return 0;
}

static uint16_t mbuf_data_size(const struct config *config)
{
    for (unsigned i = 0; i < config->port_count; i++) {
        if (config->ports[i].device && strncmp(config->ports[i].device, "net_af_xdp", 10) == 0) {
            return MBUF_DATA_SIZE_XDP;
        }
    }
    return MBUF_DATA_SIZE;
}

int ports_start(const struct config *config, struct server *server, struct ports **ret_ports)
{
    struct ports *ports = calloc(1, sizeof(*ports));
    int r = ports ? eal_start(config) : -ENOMEM;

    if (r) {
        free(ports);
        return r;
    }
    ports->server = server;
    ports->ioctl_fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ports->pool = rte_pktmbuf_pool_create(
        "frames", MBUFS_PER_WORKER * config->workers + 2 * DESCRIPTORS * config->port_count, 256, 0,
        RTE_PKTMBUF_HEADROOM + mbuf_data_size(config), SOCKET_ID_ANY);
    if (!ports->pool) {
        log_error("no memory for packet buffers: %s", rte_strerror(rte_errno));
        r = -ENOMEM;
    }
    r = r ? r : ports_find(ports, config);
    for (unsigned i = 0; r == 0 && i < ports->count; i++) {
        r = port_start(ports, &config->ports[i], i);
    }
    if (r) {
        free(ports);
        return r;
    }
    for (unsigned i = 0; i < server->worker_count; i++) {
        ports->queues[i] = (struct port_queue){ports, i};
        server->workers[i].io =
            (struct packet_io){&ports->queues[i], port_rx, port_tx, port_drop, port_make};
    }
    server->port_count = ports->count;
    ports_link_check(ports);
    *ret_ports = ports;
    return 0;
}

/* EAL leaves its sockets and their folder behind, one for each process there ever was. */
static void runtime_dir_remove(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    if (dir) {
        closedir(dir);
        (void)rmdir(path);
    }
}

void ports_stop(struct ports *ports)
{
    char runtime_dir[ARG_SIZE];

    if (!ports) {
        return;
    }
    for (unsigned i = 0; i < ports->count; i++) {
        (void)rte_eth_promiscuous_disable(ports->ports[i].id);
        (void)rte_eth_allmulticast_disable(ports->ports[i].id);
        (void)rte_eth_dev_stop(ports->ports[i].id);
        (void)rte_eth_dev_close(ports->ports[i].id);
    }
    if (ports->ioctl_fd >= 0) {
        close(ports->ioctl_fd);
    }
    (void)snprintf(runtime_dir, sizeof(runtime_dir), "%s", rte_eal_get_runtime_dir());
    (void)rte_eal_cleanup();
    runtime_dir_remove(runtime_dir);
    free(ports);
}

static bool port_link_up(const struct ports *ports, const struct port *port)
{
    struct rte_eth_link link;
    struct ifreq request;

    if (port->kernel_link) {
        /* af_packet's link state is always "up": ask the kernel. */
        memset(&request, 0, sizeof(request));
        (void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", port->interface);
        return ioctl(ports->ioctl_fd, SIOCGIFFLAGS, &request) == 0 &&
               (request.ifr_flags & IFF_UP) && (request.ifr_flags & IFF_RUNNING);
    }
    memset(&link, 0, sizeof(link));
    return rte_eth_link_get_nowait(port->id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

void ports_link_check(struct ports *ports)
{
    for (unsigned i = 0; i < ports->count; i++) {
        struct port *port = &ports->ports[i];
        bool up = port_link_up(ports, port);

        if (up != atomic_load_explicit(&port->port->link_up, memory_order_relaxed)) {
            log_notice("port %u (%s): link %s", i,
                       port->interface[0] ? port->interface : "no kernel interface",
                       up ? "up" : "down");
            atomic_store_explicit(&port->port->link_up, up, memory_order_relaxed);
        }
    }
}

int ports_workers_launch(struct ports *ports, int (*main_fn)(void *worker))
{
    for (unsigned i = 0; i < ports->server->worker_count; i++) {
        int r = rte_eal_remote_launch(main_fn, &ports->server->workers[i], i + 1);
        if (r) {
            return r;
        }
    }
    return 0;
}

void ports_workers_wait(void)
{
    rte_eal_mp_wait_lcore();
}

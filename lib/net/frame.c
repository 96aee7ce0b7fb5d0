/* See frame.h. Called by workers for every packet, so the path of a plain UDP frame has few
 * branches and touches each octet once. Parsing is a chain of layers: each one narrows `rest` to
 * what it carries and returns the counter of its refusal, or FRAME_ACCEPTED. */
#include "net/frame.h"

#include <string.h>

enum {
    ETHERTYPE_VLAN = 0x8100,     /* 802.1Q */
    ETHERTYPE_QINQ = 0x88a8,     /* 802.1ad */
    ETHERTYPE_QINQ_OLD = 0x9100, /* before 802.1ad, still on access gear */
    ETHERTYPE_IP6 = 0x86dd,
    HEADER_HOP_BY_HOP = 0, /* RFC 8200 4.3 */
    HEADER_ROUTING = 43,   /* 4.4 */
    HEADER_FRAGMENT = 44,  /* 4.5 */
    HEADER_ESP = 50,
    HEADER_AH = 51,
    HEADER_DESTINATION = 60, /* 4.6 */
    HEADER_MOBILITY = 135,
    HEADER_HIP = 139,
    HEADER_SHIM6 = 140,
    OPTION_PAD1 = 0,
    OPTION_ROUTER_ALERT = 5,   /* RFC 2711 */
    OPTION_ACTION_MASK = 0xc0, /* RFC 8200 4.2: anything but 0 here forbids skipping */
    ICMP6_SIZE_MIN = 4,
    PORT_DHCP6_SERVER = 547,
    HOP_LIMIT_DEFAULT = 64,
    UDP_PAYLOAD_MAX = 65535 - FRAME_UDP_SIZE,
};

#define FRAME_ACCEPTED COUNTER_COUNT

/* What the layers hand on to each other. */
struct layers {
    const struct frame_port *port;
    struct frame *frame;
    struct span rest;    /* what the layer reached so far carries */
    uint8_t next_header; /* protocol of rest */
    bool has_extensions;
    bool checksum_good;
};

static enum counter ethernet_parse(struct layers *layers);
static enum counter ip6_parse(struct layers *layers);
static enum counter extensions_parse(struct layers *layers);
static enum counter udp_parse(struct layers *layers);
static enum counter icmp6_parse(struct layers *layers);
static uint64_t sum_bytes(const uint8_t *data, size_t size);
static uint64_t sum_pseudo_header(struct ip6 src, struct ip6 dst, size_t size, uint8_t next_header);
static uint16_t sum_fold(uint64_t sum);

void frame_parse(const struct frame_port *port, struct span bytes, bool rx_checksum_good,
                 struct frame *ret_frame)
{
    struct layers layers = {
        .port = port, .frame = ret_frame, .rest = bytes, .checksum_good = rx_checksum_good};
    enum counter reason = ethernet_parse(&layers);

    ret_frame->kind = FRAME_DROP;
    if (reason == FRAME_ACCEPTED) {
        reason = ip6_parse(&layers);
    }
    if (reason == FRAME_ACCEPTED && unlikely(layers.next_header != FRAME_PROTOCOL_UDP)) {
        reason = extensions_parse(&layers);
    }
    if (reason == FRAME_ACCEPTED) {
        reason = likely(layers.next_header == FRAME_PROTOCOL_UDP) ? udp_parse(&layers)
                                                                  : icmp6_parse(&layers);
    }
    ret_frame->drop_reason = reason;
}

void frame_to_sender(const struct frame_port *port, const struct frame *frame, uint16_t dst_port,
                     struct frame_to *ret_to)
{
    memcpy(ret_to->dst_mac, frame->src_mac, sizeof(ret_to->dst_mac));
    ret_to->vlan_count = frame->vlan_count;
    memcpy(ret_to->vlans, frame->vlans, sizeof(ret_to->vlans));
    ret_to->dst = frame->src;
    ret_to->src_port = PORT_DHCP6_SERVER;
    ret_to->dst_port = dst_port;
    if (frame_address_is_ours(port, frame->dst)) {
        ret_to->src = frame->dst;
    } else if (ip6_is_link_local(frame->src) || port->address_count < 2) {
        ret_to->src = port->addresses[0];
    } else {
        ret_to->src = port->addresses[1];
    }
}

size_t frame_header_size(const struct frame_to *to)
{
    return FRAME_ETHERNET_SIZE + FRAME_VLAN_SIZE * (size_t)to->vlan_count + FRAME_IP6_SIZE +
           FRAME_UDP_SIZE;
}

void frame_write(const struct frame_port *port, const struct frame_to *to, uint8_t *payload,
                 size_t payload_size)
{
    uint8_t *udp = payload - FRAME_UDP_SIZE;
    size_t udp_size = payload_size + FRAME_UDP_SIZE;
    uint64_t sum = sum_pseudo_header(to->src, to->dst, udp_size, FRAME_PROTOCOL_UDP);
    uint16_t checksum;

    T6_ASSERT(payload_size <= UDP_PAYLOAD_MAX);
    if (port->checksum_offload) {
        checksum = sum_fold(sum);
    } else {
        /* The UDP header is summed from registers: reading it back as one wide word would wait for
         * the narrow stores. */
        sum += (uint64_t)to->src_port + to->dst_port + udp_size;
        sum += __builtin_bswap16(sum_fold(sum_bytes(payload, payload_size)));
        checksum = (uint16_t)~sum_fold(sum);
        if (checksum == 0) {
            checksum = 0xffff; /* 0 would say "no checksum" (RFC 8200 8.1) */
        }
    }
    wire_set_u16(udp, to->src_port);
    wire_set_u16(udp + 2, to->dst_port);
    wire_set_u16(udp + 4, (uint16_t)udp_size);
    wire_set_u16(udp + 6, checksum);
    frame_write_ip6(port, to, FRAME_PROTOCOL_UDP, HOP_LIMIT_DEFAULT, udp, udp_size);
}

void frame_write_ip6(const struct frame_port *port, const struct frame_to *to, uint8_t next_header,
                     uint8_t hop_limit, uint8_t *payload, size_t payload_size)
{
    uint8_t *ip = payload - FRAME_IP6_SIZE;
    uint8_t *ethernet = ip - FRAME_ETHERNET_SIZE - FRAME_VLAN_SIZE * (size_t)to->vlan_count;
    uint8_t *tag = ethernet + 12;

    T6_ASSERT(to->vlan_count <= FRAME_VLANS_MAX && payload_size <= UINT16_MAX);
    memcpy(ethernet, to->dst_mac, 6);
    memcpy(ethernet + 6, port->mac, 6);
    for (unsigned i = 0; i < to->vlan_count; i++, tag += FRAME_VLAN_SIZE) {
        wire_set_u16(tag, to->vlans[i].tpid);
        wire_set_u16(tag + 2, to->vlans[i].tci);
    }
    wire_set_u16(tag, ETHERTYPE_IP6);
    wire_set_u32(ip, 6u << 28); /* traffic class and flow label 0 */
    wire_set_u16(ip + 4, (uint16_t)payload_size);
    ip[6] = next_header;
    ip[7] = hop_limit;
    wire_set_ip6(ip + 8, to->src);
    wire_set_ip6(ip + 24, to->dst);
}

uint16_t frame_checksum(struct ip6 src, struct ip6 dst, uint8_t next_header, const uint8_t *data,
                        size_t size)
{
    return sum_fold(sum_pseudo_header(src, dst, size, next_header) +
                    __builtin_bswap16(sum_fold(sum_bytes(data, size))));
}

bool frame_address_is_ours(const struct frame_port *port, struct ip6 address)
{
    for (unsigned i = 0; i < port->address_count; i++) {
        if (ip6_equal(port->addresses[i], address)) {
            return true;
        }
    }
    return false;
}

/* Any multicast address passes here; ip6_parse holds it against the destination address. */
static enum counter ethernet_parse(struct layers *layers)
{
    struct wire_in in = wire_in_from(layers->rest);
    struct frame *frame = layers->frame;
    const uint8_t *macs = wire_in_bytes(&in, 12);
    uint16_t type = wire_in_u16(&in);
    unsigned count = 0;

    frame->vlan_count = 0;
    if (in.failed) {
        return COUNTER_drop_frame_truncated;
    }
    memcpy(frame->dst_mac, macs, 6);
    memcpy(frame->src_mac, macs + 6, 6);
    while (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ || type == ETHERTYPE_QINQ_OLD) {
        if (count == FRAME_VLANS_MAX) {
            return COUNTER_drop_frame_vlan_depth;
        }
        frame->vlans[count++] = (struct frame_vlan){type, wire_in_u16(&in)};
        type = wire_in_u16(&in);
    }
    frame->vlan_count = count;
    if (in.failed) {
        return COUNTER_drop_frame_truncated;
    }
    layers->rest = (struct span){in.at, (size_t)(in.end - in.at)};
    if (!(frame->dst_mac[0] == 0x33 && frame->dst_mac[1] == 0x33) &&
        memcmp(frame->dst_mac, layers->port->mac, 6) != 0) {
        return COUNTER_drop_frame_not_ours;
    }
    /* A station's address never has the group bit (IEEE 802.3 3.2.3); an answer to it would be a
     * multicast of the sender's making. */
    if (frame->src_mac[0] & 1) {
        return COUNTER_drop_frame_source;
    }
    return type == ETHERTYPE_IP6 ? FRAME_ACCEPTED : COUNTER_drop_frame_not_ip6;
}

/* The groups we are in, ff02::1 and the solicited-node ones for ICMPv6 alone (udp_parse). */
static bool group_is_ours(const struct frame_port *port, struct ip6 group)
{
    if (ip6_equal(group, FRAME_ALL_DHCP_AGENTS) || ip6_equal(group, FRAME_ALL_DHCP_SERVERS) ||
        ip6_equal(group, FRAME_ALL_NODES)) {
        return true;
    }
    for (unsigned i = 0; i < port->address_count; i++) {
        if (ip6_equal(group, frame_solicited_node(port->addresses[i]))) {
            return true;
        }
    }
    return false;
}

/* A group may come in our unicast MAC (RFC 6085), but a multicast MAC must be the one of the
 * destination group (RFC 2464 7): a unicast packet flooded to a group was not meant for us. */
static bool destination_is_ours(const struct frame_port *port, const struct frame *frame)
{
    bool is_group = ip6_is_multicast(frame->dst);

    if (frame->dst_mac[0] & 1 &&
        (!is_group || wire_get_u32(frame->dst_mac + 2) != (uint32_t)frame->dst.lo)) {
        return false;
    }
    return is_group ? group_is_ours(port, frame->dst) : frame_address_is_ours(port, frame->dst);
}

static enum counter ip6_parse(struct layers *layers)
{
    struct frame *frame = layers->frame;
    const uint8_t *ip = layers->rest.data;
    size_t payload_size;

    if (layers->rest.size < FRAME_IP6_SIZE) {
        return COUNTER_drop_frame_truncated;
    }
    if (ip[0] >> 4 != 6) {
        return COUNTER_drop_ip6_version;
    }
    payload_size = wire_get_u16(ip + 4);
    if (layers->rest.size - FRAME_IP6_SIZE < payload_size) {
        return COUNTER_drop_frame_truncated;
    }
    layers->rest = (struct span){ip + FRAME_IP6_SIZE, payload_size};
    layers->next_header = ip[6];
    frame->hop_limit = ip[7];
    frame->router_alert = false;
    frame->src = wire_get_ip6(ip + 8);
    frame->dst = wire_get_ip6(ip + 24);
    if (!destination_is_ours(layers->port, frame)) {
        return COUNTER_drop_frame_not_ours;
    }
    if (ip6_is_multicast(frame->src) || ip6_equal(frame->src, (struct ip6){0, 1})) {
        return COUNTER_drop_ip6_source;
    }
    return FRAME_ACCEPTED;
}

/* The options of a hop-by-hop or destination options header. We know Router Alert; every other one
 * is skipped or stops the packet, as its type says (RFC 8200 4.2). Limits: RFC 8504 5.3. */
static enum counter options_parse(struct layers *layers, struct span options)
{
    struct wire_in in = wire_in_from(options);

    for (unsigned i = 0; i < FRAME_OPTIONS_MAX && wire_in_left(&in) > 0; i++) {
        uint8_t type = wire_in_u8(&in);
        uint8_t size;

        if (type == OPTION_PAD1) {
            continue;
        }
        size = wire_in_u8(&in);
        (void)wire_in_bytes(&in, size);
        if (in.failed || (type & OPTION_ACTION_MASK) != 0) {
            return COUNTER_drop_ip6_extension;
        }
        if (type == OPTION_ROUTER_ALERT && layers->next_header == HEADER_HOP_BY_HOP && size == 2) {
            layers->frame->router_alert = true;
        }
    }
    return in.at == in.end ? FRAME_ACCEPTED : COUNTER_drop_ip6_extension;
}

/* Skips one extension header of rest. */
static enum counter extension_parse(struct layers *layers)
{
    struct wire_in in = wire_in_from(layers->rest);
    uint8_t next_header = wire_in_u8(&in);
    size_t size = 8 * ((size_t)wire_in_u8(&in) + 1);
    struct span body = wire_in_span(&in, size - 2);
    enum counter reason = FRAME_ACCEPTED;

    if (in.failed) {
        return COUNTER_drop_ip6_extension;
    }
    if (layers->next_header != HEADER_ROUTING) {
        reason = options_parse(layers, body);
    } else if (body.data[1] != 0) { /* segments left: we are not its last stop (RFC 8200 4.4) */
        reason = COUNTER_drop_ip6_extension;
    }
    layers->rest = (struct span){in.at, (size_t)(in.end - in.at)};
    layers->next_header = next_header;
    return reason;
}

/* Walks to UDP or ICMPv6. Fragments are dropped, atomic ones (RFC 6946) too: DHCPv6 messages fit
 * the minimum MTU, neighbour discovery forbids fragments (RFC 6980 5), and reassembly is state that
 * an attacker fills. */
static enum counter extensions_parse(struct layers *layers)
{
    for (unsigned i = 0; i <= FRAME_EXTENSIONS_MAX; i++) {
        enum counter reason = COUNTER_drop_ip6_extension;

        switch (layers->next_header) {
        case FRAME_PROTOCOL_UDP:
        case FRAME_PROTOCOL_ICMP6:
            return FRAME_ACCEPTED;
        case HEADER_HOP_BY_HOP: /* nowhere but first (RFC 8200 4.1) */
            reason = i == 0 ? extension_parse(layers) : COUNTER_drop_ip6_extension;
            break;
        case HEADER_ROUTING:
        case HEADER_DESTINATION:
            reason = extension_parse(layers);
            break;
        case HEADER_FRAGMENT:
            return COUNTER_drop_ip6_fragment;
        case HEADER_ESP:
        case HEADER_AH:
        case HEADER_MOBILITY:
        case HEADER_HIP:
        case HEADER_SHIM6:
            return COUNTER_drop_ip6_extension;
        default:
            return COUNTER_drop_ip6_protocol;
        }
        if (reason != FRAME_ACCEPTED) {
            return reason;
        }
        layers->has_extensions = true;
    }
    return COUNTER_drop_ip6_extension;
}

/* Whether the checksum field of a UDP datagram may stand. The NIC's word counts only for packets
 * without extension headers: not every driver that says "good" has looked past them. */
static bool udp_checksum_holds(const struct layers *layers, const uint8_t *udp, size_t udp_size)
{
    const struct frame *frame = layers->frame;
    uint16_t field = wire_get_u16(udp + 6);

    if (field == 0) {
        return false; /* no checksum is illegal over IPv6 (RFC 8200 8.1) */
    }
    if (layers->checksum_good && !layers->has_extensions) {
        return true;
    }
    if (frame_checksum(frame->src, frame->dst, FRAME_PROTOCOL_UDP, udp, udp_size) == 0xffff) {
        return true;
    }
    /* A sender on this host leaves the folded pseudo-header sum, not complemented, for hardware
     * that the frame never passes (Linux: CHECKSUM_PARTIAL). */
    return layers->port->accept_partial_checksum &&
           field ==
               sum_fold(sum_pseudo_header(frame->src, frame->dst, udp_size, FRAME_PROTOCOL_UDP));
}

static enum counter udp_parse(struct layers *layers)
{
    struct frame *frame = layers->frame;
    const uint8_t *udp = layers->rest.data;
    size_t udp_size;

    if (layers->rest.size < FRAME_UDP_SIZE) {
        return COUNTER_drop_udp_length;
    }
    frame->src_port = wire_get_u16(udp);
    frame->dst_port = wire_get_u16(udp + 2);
    udp_size = wire_get_u16(udp + 4);
    if (frame->dst_port != PORT_DHCP6_SERVER) {
        return COUNTER_drop_udp_port;
    }
    if (ip6_is_multicast(frame->dst) && !ip6_equal(frame->dst, FRAME_ALL_DHCP_AGENTS) &&
        !ip6_equal(frame->dst, FRAME_ALL_DHCP_SERVERS)) {
        return COUNTER_drop_frame_not_ours;
    }
    if (ip6_is_zero(frame->src)) {
        return COUNTER_drop_ip6_source;
    }
    if (udp_size < FRAME_UDP_SIZE || udp_size > layers->rest.size) {
        return COUNTER_drop_udp_length; /* 0 would be a jumbogram (RFC 2675 4) */
    }
    if (!udp_checksum_holds(layers, udp, udp_size)) {
        return COUNTER_drop_udp_checksum;
    }
    frame->payload = (struct span){udp + FRAME_UDP_SIZE, udp_size - FRAME_UDP_SIZE};
    frame->kind = FRAME_DHCP6;
    return FRAME_ACCEPTED;
}

/* The NIC is not asked: drivers set "good" for whatever raised no UDP or TCP error. */
static enum counter icmp6_parse(struct layers *layers)
{
    struct frame *frame = layers->frame;
    struct span message = layers->rest;

    if (message.size < ICMP6_SIZE_MIN) {
        return COUNTER_drop_icmp6_invalid;
    }
    if (message.data[0] != FRAME_ICMP6_NEIGHBOR_SOLICITATION &&
        message.data[0] != FRAME_ICMP6_ECHO_REQUEST && message.data[0] != FRAME_ICMP6_MLD_QUERY) {
        return COUNTER_drop_icmp6_other;
    }
    /* Only a node that looks for its address's double asks from :: (RFC 4861 7.1.1). */
    if (ip6_is_zero(frame->src) && message.data[0] != FRAME_ICMP6_NEIGHBOR_SOLICITATION) {
        return COUNTER_drop_ip6_source;
    }
    if (frame_checksum(frame->src, frame->dst, FRAME_PROTOCOL_ICMP6, message.data, message.size) !=
        0xffff) {
        return COUNTER_drop_icmp6_invalid;
    }
    frame->payload = message;
    frame->kind = FRAME_ICMP6;
    return FRAME_ACCEPTED;
}

/* Internet checksum (RFC 1071): the sum is the same in any byte order and word size, so octets are
 * summed as little-endian words, no carry lost, and swapped once at the end. The pseudo-header's
 * fields are numbers in registers and are summed as such. */
static uint64_t sum_load(const uint8_t *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof(word));
    return word;
}

static uint64_t sum_halves(uint64_t word)
{
    return (word & UINT32_MAX) + (word >> 32);
}

typedef uint64_t sum_lanes __attribute__((vector_size(32)));

/* At most 2^31 octets, far above any frame, so that 64 bits hold the sum of 32-bit words. */
static uint64_t sum_bytes(const uint8_t *data, size_t size)
{
    sum_lanes lanes = {0}, words;
    uint64_t sum = 0, last = 0;
    size_t at = 0;

    for (; at + sizeof(words) <= size; at += sizeof(words)) {
        memcpy(&words, data + at, sizeof(words));
        lanes += (words & UINT32_MAX) + (words >> 32);
    }
    for (; at + 8 <= size; at += 8) {
        sum += sum_halves(sum_load(data + at));
    }
    if (at < size && size >= 8) { /* the last word again, without what was summed */
        last = sum_load(data + size - 8) >> (64 - 8 * (size - at));
    } else {
        for (unsigned shift = 0; at < size; at++, shift += 8) {
            last |= (uint64_t)data[at] << shift;
        }
    }
    return sum + sum_halves(last) + lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

static uint64_t sum_pseudo_header(struct ip6 src, struct ip6 dst, size_t size, uint8_t next_header)
{
    return sum_halves(src.hi) + sum_halves(src.lo) + sum_halves(dst.hi) + sum_halves(dst.lo) +
           size + next_header;
}

static uint16_t sum_fold(uint64_t sum)
{
    sum = (sum >> 32) + (sum & UINT32_MAX);
    sum = (sum >> 16) + (sum & 0xffff); /* at most 18 bits: two more folds */
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)sum;
}

/* See ndp.h. Stateless: no neighbour cache (answers go to the MAC that asked), no timers (the
 * caller sends reports), no duplicate address detection (addresses are the operator's word). */
#include "net/ndp.h"

#include <string.h>

enum {
    ICMP6_ECHO_REPLY = 129,
    ICMP6_MLD1_REPORT = 131,
    ICMP6_NEIGHBOR_ADVERTISEMENT = 136,
    ICMP6_MLD2_REPORT = 143,

    ECHO_SIZE_MIN = 8,
    NS_SIZE_MIN = 24,
    NA_SIZE = 24 + 8, /* with the Target Link-Layer Address option */
    NA_SOLICITED = 0x40,
    NA_OVERRIDE = 0x20,
    OPTION_SOURCE_LINK_LAYER = 1,
    OPTION_TARGET_LINK_LAYER = 2,
    ND_OPTIONS_MAX = 64, /* options of one solicitation; senders put one or two */
    ND_HOP_LIMIT = 255,

    MLD1_SIZE = 24,
    MLD2_QUERY_SIZE_MIN = 28,
    MLD2_SOURCES_AT = 26,
    MLD2_RECORD_SIZE = 20,
    MLD2_RECORD_MODE_IS_EXCLUDE = 2,   /* answer to a query (RFC 3810 5.2.12) */
    MLD2_RECORD_CHANGE_TO_EXCLUDE = 4, /* on our own account */
    MLD_HOP_LIMIT = 1,
    ROUTER_ALERT_SIZE = 8,
    GROUPS_MAX = 2 + FRAME_ADDRESSES_MAX,

    ECHO_HOP_LIMIT = 64,
    HEADER_HOP_BY_HOP = 0,
};

/* Every MLDv2-capable router (RFC 3810 5.2.14). */
#define MLD2_ROUTERS ((struct ip6){0xff02000000000000, 0x16})

struct groups {
    struct ip6 list[GROUPS_MAX];
    unsigned count;
};

static size_t neighbor_answer(const struct frame_port *port, const struct frame *frame,
                              struct wire_out buf, enum counter *ret_counter);
static size_t echo_answer(const struct frame_port *port, const struct frame *frame,
                          struct wire_out buf, enum counter *ret_counter);
static size_t mld_answer(const struct frame_port *port, const struct frame *frame,
                         struct wire_out buf, enum counter *ret_counter);
static void groups_collect(const struct frame_port *port, struct groups *ret_groups);
static size_t report2_write(const struct frame_port *port, const struct frame_to *vlans,
                            const struct groups *groups, uint8_t record_type, struct wire_out buf);
static size_t advertisement_write(const struct frame_port *port, const struct frame_to *to,
                                  uint8_t flags, struct wire_out buf);

size_t ndp_answer(const struct frame_port *port, const struct frame *frame, uint8_t *buf,
                  size_t buf_size, enum counter *ret_counter)
{
    struct wire_out out = wire_out_to(buf, buf_size);

    *ret_counter = COUNTER_drop_icmp6_other;
    if (frame->kind != FRAME_ICMP6 || frame->payload.size == 0) {
        return 0;
    }
    switch (frame->payload.data[0]) {
    case FRAME_ICMP6_NEIGHBOR_SOLICITATION:
        return neighbor_answer(port, frame, out, ret_counter);
    case FRAME_ICMP6_ECHO_REQUEST:
        return echo_answer(port, frame, out, ret_counter);
    case FRAME_ICMP6_MLD_QUERY:
        return mld_answer(port, frame, out, ret_counter);
    default:
        return 0;
    }
}

enum counter ndp_sent_counter(enum counter rx)
{
    if (rx == COUNTER_rx_neighbor_solicitation) {
        return COUNTER_tx_neighbor_advertisement;
    }
    return rx == COUNTER_rx_echo_request ? COUNTER_tx_echo_reply : COUNTER_tx_mld_report;
}

size_t ndp_mld_report(const struct frame_port *port, uint8_t *buf, size_t buf_size)
{
    struct frame_to untagged = {.vlan_count = 0};
    struct groups groups;

    groups_collect(port, &groups);
    return report2_write(port, &untagged, &groups, MLD2_RECORD_CHANGE_TO_EXCLUDE,
                         wire_out_to(buf, buf_size));
}

/* RFC 2464 7. */
static void mac_of_group(struct ip6 group, uint8_t ret_mac[6])
{
    wire_set_u16(ret_mac, 0x3333);
    wire_set_u32(ret_mac + 2, (uint32_t)group.lo);
}

size_t ndp_announce(const struct frame_port *port, unsigned address_index, uint8_t *buf,
                    size_t buf_size)
{
    struct frame_to to = {.dst = FRAME_ALL_NODES};

    if (address_index >= port->address_count) {
        return 0;
    }
    to.src = port->addresses[address_index];
    mac_of_group(to.dst, to.dst_mac);
    /* Override, so that neighbours replace a former owner's MAC (RFC 4861 7.2.6). */
    return advertisement_write(port, &to, NA_OVERRIDE, wire_out_to(buf, buf_size));
}

/* A frame of icmp_size octets above the IPv6 header: where they go in buf, or NULL if it is too
 * small. */
static uint8_t *frame_room(const struct frame_to *to, size_t icmp_size, struct wire_out *buf)
{
    size_t header_size = frame_header_size(to) - FRAME_UDP_SIZE;
    uint8_t *room = wire_out_room(buf, header_size + icmp_size);

    return room ? room + header_size : NULL;
}

/* Fills in the checksum of the ICMPv6 message at icmp; its field is 0 so far. */
static void checksum_put(const struct frame_to *to, uint8_t *icmp, size_t icmp_size)
{
    wire_set_u16(icmp + 2, (uint16_t)~frame_checksum(to->src, to->dst, FRAME_PROTOCOL_ICMP6, icmp,
                                                     icmp_size));
}

/* Size of the frame whose last octets are the size ones at payload. */
static size_t frame_size(const struct frame_to *to, size_t size)
{
    return frame_header_size(to) - FRAME_UDP_SIZE + size;
}

/* Options that do not fit, or of length 0, spoil the solicitation (RFC 4861 7.1.1). */
static bool solicitation_options_hold(struct span options, bool *ret_has_source)
{
    struct wire_in in = wire_in_from(options);
    bool has_source = false;

    for (unsigned i = 0; i < ND_OPTIONS_MAX && wire_in_left(&in) > 0; i++) {
        uint8_t type = wire_in_u8(&in);
        size_t size = 8 * (size_t)wire_in_u8(&in);

        if (size == 0 || wire_in_bytes(&in, size - 2) == NULL) {
            return false;
        }
        has_source = has_source || type == OPTION_SOURCE_LINK_LAYER;
    }
    *ret_has_source = has_source;
    return in.at == in.end;
}

/* RFC 4861 7.1.1; frame_parse has checked the checksum. */
static bool solicitation_is_valid(const struct frame *frame)
{
    struct span message = frame->payload;
    bool has_source = false;

    if (frame->hop_limit != ND_HOP_LIMIT || message.size < NS_SIZE_MIN || message.data[1] != 0 ||
        ip6_is_multicast(wire_get_ip6(message.data + 8)) ||
        !solicitation_options_hold(
            (struct span){message.data + NS_SIZE_MIN, message.size - NS_SIZE_MIN}, &has_source)) {
        return false;
    }
    if (!ip6_is_zero(frame->src)) {
        return true;
    }
    return frame->dst.hi == 0xff02000000000000 && frame->dst.lo >> 24 == 0x1ff && !has_source;
}

static size_t neighbor_answer(const struct frame_port *port, const struct frame *frame,
                              struct wire_out buf, enum counter *ret_counter)
{
    struct frame_to to;
    uint8_t flags = NA_OVERRIDE;
    size_t size;

    if (!solicitation_is_valid(frame)) {
        *ret_counter = COUNTER_drop_icmp6_invalid;
        return 0;
    }
    frame_to_sender(port, frame, 0, &to);
    to.src = wire_get_ip6(frame->payload.data + 8);
    if (!frame_address_is_ours(port, to.src)) {
        return 0;
    }
    if (ip6_is_zero(frame->src)) { /* somebody tries our address: tell all (RFC 4861 7.2.4) */
        to.dst = FRAME_ALL_NODES;
        mac_of_group(to.dst, to.dst_mac);
    } else {
        flags |= NA_SOLICITED;
    }
    size = advertisement_write(port, &to, flags, buf);
    *ret_counter = size ? COUNTER_rx_neighbor_solicitation : COUNTER_drop_reply_too_big;
    return size;
}

/* Advertises to->src. */
static size_t advertisement_write(const struct frame_port *port, const struct frame_to *to,
                                  uint8_t flags, struct wire_out buf)
{
    uint8_t *icmp = frame_room(to, NA_SIZE, &buf);

    if (icmp == NULL) {
        return 0;
    }
    memset(icmp, 0, 8);
    icmp[0] = ICMP6_NEIGHBOR_ADVERTISEMENT;
    icmp[4] = flags;
    wire_set_ip6(icmp + 8, to->src);
    icmp[24] = OPTION_TARGET_LINK_LAYER;
    icmp[25] = 1; /* in units of 8 octets */
    memcpy(icmp + 26, port->mac, 6);
    checksum_put(to, icmp, NA_SIZE);
    frame_write_ip6(port, to, FRAME_PROTOCOL_ICMP6, ND_HOP_LIMIT, icmp, NA_SIZE);
    return frame_size(to, NA_SIZE);
}

/* Requests to a group are answered too, from our unicast address (RFC 4443 4.2): one asker gets one
 * answer from us, and operators look for the server by ping ff02::1:2. */
static size_t echo_answer(const struct frame_port *port, const struct frame *frame,
                          struct wire_out buf, enum counter *ret_counter)
{
    size_t size = frame->payload.size;
    struct frame_to to;
    uint8_t *icmp;

    if (size < ECHO_SIZE_MIN || ip6_is_zero(frame->src)) {
        *ret_counter = COUNTER_drop_icmp6_invalid;
        return 0;
    }
    frame_to_sender(port, frame, 0, &to);
    icmp = FRAME_IP6_SIZE + size <= port->mtu ? frame_room(&to, size, &buf) : NULL;
    if (icmp == NULL) {
        *ret_counter = COUNTER_drop_reply_too_big;
        return 0;
    }
    memcpy(icmp, frame->payload.data, size);
    memset(icmp, 0, 4);
    icmp[0] = ICMP6_ECHO_REPLY;
    checksum_put(&to, icmp, size);
    frame_write_ip6(port, &to, FRAME_PROTOCOL_ICMP6, ECHO_HOP_LIMIT, icmp, size);
    *ret_counter = COUNTER_rx_echo_request;
    return frame_size(&to, size);
}

/* Our groups, each once: addresses of one interface identifier share a solicited-node group. */
static void groups_collect(const struct frame_port *port, struct groups *ret_groups)
{
    struct groups *groups = ret_groups;

    groups->list[0] = FRAME_ALL_DHCP_AGENTS;
    groups->list[1] = FRAME_ALL_DHCP_SERVERS;
    groups->count = 2;
    for (unsigned i = 0; i < port->address_count && i < FRAME_ADDRESSES_MAX; i++) {
        struct ip6 group = frame_solicited_node(port->addresses[i]);
        unsigned k = 2;

        while (k < groups->count && !ip6_equal(groups->list[k], group)) {
            k++;
        }
        groups->list[k] = group;
        groups->count = k == groups->count ? k + 1 : groups->count;
    }
}

/* RFC 3810 5.1.14, 6.2 and 8.1: version 1 has 24 octets, version 2 at least 28. */
static bool query_is_valid(const struct frame *frame)
{
    struct span message = frame->payload;

    if (!ip6_is_link_local(frame->src) || frame->hop_limit != MLD_HOP_LIMIT ||
        !frame->router_alert) {
        return false;
    }
    if (message.size < MLD2_QUERY_SIZE_MIN) {
        return message.size == MLD1_SIZE;
    }
    return 16 * (size_t)wire_get_u16(message.data + MLD2_SOURCES_AT) <=
           message.size - MLD2_QUERY_SIZE_MIN;
}

/* Writes header and Router Alert in front of an MLD message of icmp_size octets at icmp. */
static size_t mld_finish(const struct frame_port *port, const struct frame_to *to, uint8_t *icmp,
                         size_t icmp_size)
{
    static const uint8_t router_alert[ROUTER_ALERT_SIZE] = {
        FRAME_PROTOCOL_ICMP6,
        0, /* next header, no further 8 octets */
        5,
        2,
        0,
        0, /* Router Alert: MLD (RFC 2711 2.1) */
        1,
        0, /* PadN */
    };
    uint8_t *options = icmp - ROUTER_ALERT_SIZE;

    memcpy(options, router_alert, ROUTER_ALERT_SIZE);
    checksum_put(to, icmp, icmp_size);
    frame_write_ip6(port, to, HEADER_HOP_BY_HOP, MLD_HOP_LIMIT, options,
                    ROUTER_ALERT_SIZE + icmp_size);
    return frame_size(to, ROUTER_ALERT_SIZE + icmp_size);
}

/* vlans: tags of the query, or none. */
static size_t report2_write(const struct frame_port *port, const struct frame_to *vlans,
                            const struct groups *groups, uint8_t record_type, struct wire_out buf)
{
    size_t size = 8 + MLD2_RECORD_SIZE * (size_t)groups->count;
    struct frame_to to = *vlans;
    uint8_t *icmp, *record;

    to.src = port->addresses[0];
    to.dst = MLD2_ROUTERS;
    mac_of_group(to.dst, to.dst_mac);
    icmp = frame_room(&to, ROUTER_ALERT_SIZE + size, &buf);
    if (icmp == NULL) {
        return 0;
    }
    icmp += ROUTER_ALERT_SIZE;
    memset(icmp, 0, size);
    icmp[0] = ICMP6_MLD2_REPORT;
    wire_set_u16(icmp + 6, (uint16_t)groups->count);
    record = icmp + 8;
    for (unsigned i = 0; i < groups->count; i++, record += MLD2_RECORD_SIZE) {
        record[0] = record_type; /* excluding no source: all may send to us */
        wire_set_ip6(record + 4, groups->list[i]);
    }
    return mld_finish(port, &to, icmp, size);
}

/* A version 1 querier understands this alone (RFC 3810 8.2.1, RFC 2710 3). */
static size_t report1_write(const struct frame_port *port, const struct frame_to *vlans,
                            struct ip6 group, struct wire_out buf)
{
    struct frame_to to = *vlans;
    uint8_t *icmp;

    to.src = port->addresses[0];
    to.dst = group;
    mac_of_group(to.dst, to.dst_mac);
    icmp = frame_room(&to, ROUTER_ALERT_SIZE + MLD1_SIZE, &buf);
    if (icmp == NULL) {
        return 0;
    }
    icmp += ROUTER_ALERT_SIZE;
    memset(icmp, 0, 8);
    icmp[0] = ICMP6_MLD1_REPORT;
    wire_set_ip6(icmp + 8, group);
    return mld_finish(port, &to, icmp, MLD1_SIZE);
}

/* Answers at once: the random delay of RFC 3810 6.2 spreads the reports of many hosts, and of us
 * there are one or two. A version 1 report carries one group, so the general query of a version 1
 * querier gets the one that clients use; switches that read version 2 besides keep the others by
 * the periodic report. Queries for certain sources get the group's whole state, which includes
 * them. */
static size_t mld_answer(const struct frame_port *port, const struct frame *frame,
                         struct wire_out buf, enum counter *ret_counter)
{
    struct groups groups;
    struct frame_to vlans;
    struct ip6 asked;
    unsigned i = 0;
    size_t size;

    if (!query_is_valid(frame)) {
        *ret_counter = COUNTER_drop_icmp6_invalid;
        return 0;
    }
    *ret_counter = COUNTER_rx_mld_query;
    groups_collect(port, &groups);
    asked = wire_get_ip6(frame->payload.data + 8);
    if (!ip6_is_zero(asked)) {
        while (i < groups.count && !ip6_equal(groups.list[i], asked)) {
            i++;
        }
        if (i == groups.count) {
            return 0; /* a group of others */
        }
        groups = (struct groups){.list = {asked}, .count = 1};
    }
    frame_to_sender(port, frame, 0, &vlans);
    size = frame->payload.size == MLD1_SIZE
               ? report1_write(port, &vlans, groups.list[0], buf)
               : report2_write(port, &vlans, &groups, MLD2_RECORD_MODE_IS_EXCLUDE, buf);
    if (size == 0) {
        *ret_counter = COUNTER_drop_reply_too_big;
    }
    return size;
}

/* The first look at a frame of a worker that is behind: as few octets as tell the message's type
 * and who sent it. */
#include "dhcp6/message.h"
#include "dhcp6/option.h"
#include "net/frame.h"
#include "server/admit.h"

enum {
    ETHERTYPE_AT = 12,
    ETHERTYPE_VLAN = 0x8100, /* 802.1Q */
    ETHERTYPE_QINQ = 0x88a8, /* 802.1ad */
    ETHERTYPE_QINQ_OLD = 0x9100,
    ETHERTYPE_IP6 = 0x86dd,
    RELAY_HEADER = 34,      /* type, hop count, link-address, peer-address (RFC 9915 9) */
    LEVEL_OPTIONS_MAX = 16, /* options in front of a Relay Message that are looked at */
};

static uint32_t hash_words(uint64_t a, uint64_t b)
{
    uint64_t mixed = (a ^ (b << 29 | b >> 35)) * 0x9e3779b97f4a7c15ULL;

    return (uint32_t)(mixed >> 32);
}

/* What a RELAY-FORW carries; size 0 when that is not found in a few steps. */
static struct span relayed(struct span message)
{
    struct wire_in in = wire_in_from(message);

    (void)wire_in_bytes(&in, RELAY_HEADER);
    for (unsigned i = 0; i < LEVEL_OPTIONS_MAX && wire_in_left(&in); i++) {
        uint16_t code = wire_in_u16(&in);
        struct span data = wire_in_span(&in, wire_in_u16(&in));

        if (code == OPTION_RELAY_MSG && !in.failed) {
            return data;
        }
    }
    return (struct span){NULL, 0};
}

struct admit_label admit_look(struct span frame, uint8_t port)
{
    struct admit_label label = {ADMIT_OTHER, port};
    const uint8_t *at, *end, *ip;
    struct span message;

    if (frame.size < FRAME_ETHERNET_SIZE + FRAME_IP6_SIZE) {
        return label;
    }
    at = frame.data + ETHERTYPE_AT;
    end = frame.data + frame.size;
    for (unsigned i = 0; i < FRAME_VLANS_MAX && end - at > FRAME_VLAN_SIZE; i++) {
        uint16_t type = wire_get_u16(at);

        if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ && type != ETHERTYPE_QINQ_OLD) {
            break;
        }
        label.flow = hash_words(label.flow, wire_get_u16(at + 2));
        at += FRAME_VLAN_SIZE;
    }
    ip = at + 2;
    if (end - ip <= FRAME_IP6_SIZE + FRAME_UDP_SIZE || wire_get_u16(at) != ETHERTYPE_IP6) {
        return label;
    }
    if (ip[6] != FRAME_PROTOCOL_UDP) {
        label.rank = ip[6] == FRAME_PROTOCOL_ICMP6 ? ADMIT_OTHER : ADMIT_SOLICIT;
        return label;
    }
    at = ip + FRAME_IP6_SIZE + FRAME_UDP_SIZE;
    message = (struct span){at, (size_t)(end - at)};
    if (message.data[0] == DHCP6_RELAY_FORW) {
        label.flow = hash_words(wire_get_u64(ip + 8), wire_get_u64(ip + 16));
    }
    for (unsigned i = 0;
         i < DHCP6_RELAYS_MAX && message.size && message.data[0] == DHCP6_RELAY_FORW; i++) {
        message = relayed(message);
    }
    label.rank = message.size ? admit_rank_of(message.data[0]) : ADMIT_SOLICIT;
    return label;
}

/* Ethernet frames in and out: 802.1Q and QinQ, IPv6 with extension headers, UDP with checksum.
 * Parses any bytes; writes the answer's headers in front of a payload. Knows no DPDK and no DHCP
 * beyond its ports. Any thread. */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include "base/counter.h"
#include "base/err.h"
#include "base/wire.h"

enum {
    FRAME_VLANS_MAX = 2,
    FRAME_ETHERNET_SIZE = 14, /* MAC addresses and EtherType */
    FRAME_VLAN_SIZE = 4,
    FRAME_IP6_SIZE = 40,
    FRAME_UDP_SIZE = 8,
    FRAME_HEADROOM = FRAME_ETHERNET_SIZE + FRAME_VLAN_SIZE * FRAME_VLANS_MAX + FRAME_IP6_SIZE +
                     FRAME_UDP_SIZE, /* largest header frame_write puts */
    FRAME_MTU_DEFAULT = 1500,
    FRAME_EXTENSIONS_MAX = 4, /* IPv6 extension headers skipped in one packet */
    FRAME_OPTIONS_MAX = 32,   /* options, padding included, in one extension header */
};

enum {
    FRAME_PROTOCOL_UDP = 17,
    FRAME_PROTOCOL_ICMP6 = 58,
    /* The ICMPv6 types that make a FRAME_ICMP6. */
    FRAME_ICMP6_ECHO_REQUEST = 128,
    FRAME_ICMP6_MLD_QUERY = 130,
    FRAME_ICMP6_NEIGHBOR_SOLICITATION = 135,
};

/* Groups a port is in besides its solicited-node ones. */
#define FRAME_ALL_NODES ((struct ip6){0xff02000000000000, 1})
#define FRAME_ALL_DHCP_AGENTS                                                                      \
    ((struct ip6){0xff02000000000000, 0x10002}) /* All_DHCP_Relay_Agents_and_Servers */
#define FRAME_ALL_DHCP_SERVERS ((struct ip6){0xff05000000000000, 0x10003})

struct frame_vlan {
    uint16_t tpid; /* 0x8100, 0x88a8 or 0x9100 */
    uint16_t tci;
};

enum frame_kind {
    FRAME_DHCP6, /* UDP to port 547 at one of our addresses or groups: payload is a DHCPv6 message
                  */
    FRAME_ICMP6, /* neighbour solicitation, echo request, MLD query: for net/ndp.h */
    FRAME_DROP,  /* anything else; reason says why */
};

/* A received frame, taken apart. Spans and pointers borrow from it. */
struct frame {
    enum frame_kind kind;
    enum counter drop_reason; /* FRAME_DROP */
    uint8_t src_mac[6], dst_mac[6];
    unsigned vlan_count;
    struct frame_vlan vlans[FRAME_VLANS_MAX]; /* outermost first */
    struct ip6 src, dst;
    uint8_t hop_limit;
    bool router_alert;           /* a Router Alert option in the hop-by-hop header */
    uint16_t src_port, dst_port; /* FRAME_DHCP6 */
    struct span payload;         /* DHCPv6 message, or the ICMPv6 message with its header */
};

enum {
    FRAME_ADDRESSES_MAX = 8,
};

/* What a port owns and how it checks. Written at start (and by the control core on link changes).
 */
struct frame_port {
    uint8_t mac[6];
    struct ip6 addresses[FRAME_ADDRESSES_MAX]; /* [0] is the link-local one */
    unsigned address_count;                    /* at least 1 */
    bool accept_partial_checksum; /* af_packet, af_xdp, pcap: pseudo-header-only sums of local
                                     senders */
    bool checksum_offload;        /* the NIC verifies on receipt and fills in on sending */
    uint16_t mtu;                 /* IPv6 packet octets the port may send */
};

/* rx_checksum_good: the NIC vouches for the L4 checksum. Sets every field of *ret_frame that its
 * kind names (drop_reason is COUNTER_COUNT when nothing was dropped). Destination MAC must be ours
 * or the multicast 33:33:... of the destination group; destination address ours, ff02::1:2,
 * ff05::1:3, or (ICMPv6) our solicited-node groups and ff02::1. Octets after the IPv6 packet
 * (Ethernet padding) and after the UDP datagram are ignored. */
void frame_parse(const struct frame_port *port, struct span bytes, bool rx_checksum_good,
                 struct frame *ret_frame);

/* Where an answer goes. */
struct frame_to {
    uint8_t dst_mac[6];
    unsigned vlan_count;
    struct frame_vlan vlans[FRAME_VLANS_MAX];
    struct ip6 src, dst;
    uint16_t src_port, dst_port;
};

/* Address of the answer to frame: its sender's MAC, tags and address; source is the address it was
 * sent to if that is one of ours, else our link-local (for a link-local or multicast question from
 * a link-local sender) or our first other address. dst_port: 546 for clients, 547 or RFC 8357's
 * port for relays. */
void frame_to_sender(const struct frame_port *port, const struct frame *frame, uint16_t dst_port,
                     struct frame_to *ret_to);

/* Octets of headers that frame_write puts in front of the payload. */
size_t frame_header_size(const struct frame_to *to);

/* Writes the headers into the frame_header_size() octets before payload; UDP checksum computed, or,
 * with port->checksum_offload, the pseudo-header sum for the NIC to finish. payload_size at most
 * 65527. */
void frame_write(const struct frame_port *port, const struct frame_to *to, uint8_t *payload,
                 size_t payload_size);

/* The part of frame_write below UDP, for other protocols: Ethernet, tags and IPv6 header in the
 * frame_header_size() - FRAME_UDP_SIZE octets before payload. Any payload_size up to 65535. */
void frame_write_ip6(const struct frame_port *port, const struct frame_to *to, uint8_t next_header,
                     uint8_t hop_limit, uint8_t *payload, size_t payload_size);

/* Internet checksum pieces shared with ndp.c: sum of an IPv6 pseudo-header and of bytes, folded,
 * not complemented: 0xffff over a message whose checksum field is right; the field to fill in is
 * ~sum over the message with the field 0. An odd last octet is padded with zero (RFC 1071). */
uint16_t frame_checksum(struct ip6 src, struct ip6 dst, uint8_t next_header, const uint8_t *data,
                        size_t size);

/* The solicited-node group of an address (RFC 4291 2.7.1). */
static inline struct ip6 frame_solicited_node(struct ip6 address)
{
    return (struct ip6){0xff02000000000000, 0x00000001ff000000 | (address.lo & 0xffffff)};
}

/* True when address is one of the port's own. */
bool frame_address_is_ours(const struct frame_port *port, struct ip6 address);

#endif

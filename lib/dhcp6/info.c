/* What a lease remembers of the message that got it and of the relays in between: for operators,
 * leasequery and Reconfigure. Of several relays the one nearest the client that says something
 * counts. Workers, when a change is decided. */
#include <string.h>

#include "dhcp6/fqdn.h"
#include "dhcp6/message.h"

enum {
    LINK_LAYER_SIZE_MAX = 32,     /* longest hardware address we see is InfiniBand's 20 */
    HARDWARE_TYPE_ETHERNET = 1,   /* hardware types as in RFC 6939 4 */
    FQDN_ITEM_SIZE_MAX = 1 + 254, /* what an item can hold */
};

static const uint64_t link_local_64 = UINT64_C(0xfe80) << 48; /* fe80::/64 */

/* All 16 octets, or the interface identifier alone when the rest is fe80::. */
static void peer_add(struct wire_out *out, struct ip6 peer)
{
    uint8_t bytes[16];

    wire_set_ip6(bytes, peer);
    (void)lease_info_add(out, LEASE_INFO_PEER_ADDRESS,
                         peer.hi == link_local_64 ? (struct span){bytes + 8, 8}
                                                  : (struct span){bytes, 16});
}

static void address_add(struct wire_out *out, enum lease_info_tag tag, struct ip6 address)
{
    uint8_t bytes[16];

    wire_set_ip6(bytes, address);
    (void)lease_info_add(out, tag, (struct span){bytes, sizeof(bytes)});
}

static struct span relay_id(const struct dhcp6_message *message)
{
    for (unsigned i = message->relay_count; i > 0; i--) {
        if (message->relays[i - 1].relay_id.size > 0) {
            return message->relays[i - 1].relay_id;
        }
    }
    return (struct span){NULL, 0};
}

static struct span remote_id(const struct dhcp6_message *message)
{
    for (unsigned i = message->relay_count; i > 0; i--) {
        if (message->relays[i - 1].remote_id.size > 0) {
            return message->relays[i - 1].remote_id;
        }
    }
    return (struct span){NULL, 0};
}

static void span_add(struct wire_out *out, enum lease_info_tag tag, struct span data)
{
    if (data.size > 0) {
        (void)lease_info_add(out, tag, data);
    }
}

/* Hardware type and address: a relay gives both, the frame of a direct client the address. */
static void link_layer_add(struct wire_out *out, const struct dhcp6_message *message)
{
    struct span address = message->subject.link_layer;
    uint8_t bytes[2 + LINK_LAYER_SIZE_MAX];

    if (message->relay_count > 0) {
        span_add(out, LEASE_INFO_LINK_LAYER, message->relays[message->relay_count - 1].link_layer);
        return;
    }
    if (address.size == 0 || address.size > LINK_LAYER_SIZE_MAX) {
        return;
    }
    wire_set_u16(bytes, HARDWARE_TYPE_ETHERNET);
    memcpy(bytes + 2, address.data, address.size);
    (void)lease_info_add(out, LEASE_INFO_LINK_LAYER, (struct span){bytes, 2 + address.size});
}

static void fqdn_add(struct wire_out *out, const struct dhcp6_message *message)
{
    uint8_t bytes[FQDN_ITEM_SIZE_MAX];
    struct span name;
    uint8_t flags;

    if (!dhcp6_fqdn_answer(message->fqdn, &flags, &name) || name.size > sizeof(bytes) - 1) {
        return;
    }
    bytes[0] = flags;
    if (name.size > 0) {
        memcpy(bytes + 1, name.data, name.size);
    }
    (void)lease_info_add(out, LEASE_INFO_FQDN, (struct span){bytes, 1 + name.size});
}

size_t dhcp6_lease_info(const struct dhcp6_message *message, struct ip6 relay_source, uint8_t *buf,
                        size_t buf_size)
{
    struct wire_out out = wire_out_to(buf, buf_size);
    struct ip6 link_address = dhcp6_link_address(message);
    bool relayed = message->relay_count > 0;

    peer_add(&out, relayed ? message->relays[message->relay_count - 1].peer_address : relay_source);
    if (!ip6_is_zero(link_address)) {
        address_add(&out, LEASE_INFO_LINK_ADDRESS, link_address);
    }
    if (relayed) {
        address_add(&out, LEASE_INFO_RELAY, relay_source);
    }
    span_add(&out, LEASE_INFO_INTERFACE_ID, message->subject.interface_id);
    span_add(&out, LEASE_INFO_REMOTE_ID, remote_id(message));
    span_add(&out, LEASE_INFO_SUBSCRIBER_ID, message->subject.subscriber_id);
    span_add(&out, LEASE_INFO_RELAY_ID, relay_id(message));
    link_layer_add(&out, message);
    fqdn_add(&out, message);
    return (size_t)(out.at - buf);
}

/* Relay data: we keep the essence of a relay chain, so it goes out as one relay level; what a
 * partner of another make sends may be a chain, of which the relay nearest the client counts, as in
 * dhcp6/info.c. */
#include "failover/fo_relay_data.h"

#include "failover/fo_option.h"
#include "lease/lease.h"

enum {
    RELAY_FORW = 12,
    RELAY_LEVELS_MAX = 32, /* RFC 9915 7.6: HOP_COUNT_LIMIT is smaller */
};

static const uint64_t link_local_64 = UINT64_C(0xfe80) << 48; /* fe80::/64 */

/* Options of a Relay-forward that are kept, in the order of the info items. */
static const struct kept_row {
    uint16_t code;
    uint8_t tag;
} kept_options[] = {
    {OPTION_INTERFACE_ID, LEASE_INFO_INTERFACE_ID},        {OPTION_REMOTE_ID, LEASE_INFO_REMOTE_ID},
    {OPTION_SUBSCRIBER_ID, LEASE_INFO_SUBSCRIBER_ID},      {OPTION_RELAY_ID, LEASE_INFO_RELAY_ID},
    {OPTION_CLIENT_LINKLAYER_ADDR, LEASE_INFO_LINK_LAYER},
};

enum {
    KEPT_COUNT = sizeof(kept_options) / sizeof(kept_options[0]),
    KEPT_LINK_LAYER = KEPT_COUNT - 1,
};

static void address_write(struct wire_out *out, struct span address)
{
    static const uint8_t zero[16];

    if (address.size == 8) { /* the interface identifier of a link-local address */
        wire_out_u64(out, link_local_64);
        wire_out_bytes(out, address.data, 8);
    } else {
        wire_out_bytes(out, address.size == 16 ? address.data : zero, 16);
    }
}

static void relay_data_write(struct wire_out *out, struct span info, struct span relay)
{
    uint8_t *option = fo_option_open(out, OPTION_LQ_RELAY_DATA);

    address_write(out, relay);
    wire_out_u8(out, RELAY_FORW);
    wire_out_u8(out, 0); /* hop-count */
    address_write(out, lease_info_find(info, LEASE_INFO_LINK_ADDRESS));
    address_write(out, lease_info_find(info, LEASE_INFO_PEER_ADDRESS));
    for (unsigned i = 0; i < KEPT_COUNT; i++) {
        struct span data = lease_info_find(info, kept_options[i].tag);

        if (data.size) {
            fo_option_bytes(out, kept_options[i].code, data);
        }
    }
    fo_option_close(out, option);
}

/* A client without relay has no relay data (RFC 5007 4.1.2.4); between servers of our make its own
 * address and hardware address travel in the vendor option. */
static void vendor_write(struct wire_out *out, struct span info, bool direct, uint8_t client_flags)
{
    uint8_t *vendor = fo_option_open(out, OPTION_VENDOR_OPTS);
    uint8_t *option;

    wire_out_u32(out, FO_ENTERPRISE);
    if (direct) {
        struct span peer = lease_info_find(info, LEASE_INFO_PEER_ADDRESS);
        struct span link_layer = lease_info_find(info, LEASE_INFO_LINK_LAYER);

        option = fo_option_open(out, FO_VENDOR_DIRECT);
        if (peer.size) {
            (void)lease_info_add(out, LEASE_INFO_PEER_ADDRESS, peer);
        }
        if (link_layer.size) {
            (void)lease_info_add(out, LEASE_INFO_LINK_LAYER, link_layer);
        }
        fo_option_close(out, option);
    }
    if (client_flags & LEASE_FLAG_RECONF_ACCEPT) {
        fo_option_u8(out, FO_VENDOR_CLIENT_FLAGS, LEASE_FLAG_RECONF_ACCEPT);
    }
    fo_option_close(out, vendor);
}

void fo_info_write(struct wire_out *out, struct span info, uint8_t client_flags)
{
    struct span key = lease_info_find(info, LEASE_INFO_RECONFIGURE_KEY);
    struct span relay = lease_info_find(info, LEASE_INFO_RELAY);
    bool direct = relay.size == 0 && (lease_info_find(info, LEASE_INFO_PEER_ADDRESS).size ||
                                      lease_info_find(info, LEASE_INFO_LINK_LAYER).size);

    if (key.size) {
        fo_option_bytes(out, OPTION_F_RECONFIGURE_DATA, key);
    }
    if (relay.size) {
        relay_data_write(out, info, relay);
    }
    if (direct || (client_flags & LEASE_FLAG_RECONF_ACCEPT)) {
        vendor_write(out, info, direct, client_flags);
    }
}

/* What one relay level says; deeper levels overwrite. */
struct relay_chain {
    struct ip6 link, peer;
    struct span kept[KEPT_COUNT];
};

/* Reads one level; the message it relays, or size 0 when it is the innermost or broken. */
static struct span level_read(struct span message, struct relay_chain *chain)
{
    struct wire_in in = wire_in_from(message);
    struct span data, inner = {NULL, 0};
    uint8_t type = wire_in_u8(&in);
    struct ip6 link;
    uint16_t code;

    (void)wire_in_u8(&in); /* hop-count */
    link = wire_in_ip6(&in);
    if (type != RELAY_FORW || wire_in_left(&in) < 16) {
        return inner;
    }
    chain->link = ip6_is_zero(link) ? chain->link : link;
    chain->peer = wire_in_ip6(&in);
    chain->kept[KEPT_LINK_LAYER] = (struct span){NULL, 0}; /* RFC 6939 5: first relay only */
    while (fo_option_next(&in, &code, &data)) {
        for (unsigned i = 0; i < KEPT_COUNT; i++) {
            if (kept_options[i].code == code && data.size) {
                chain->kept[i] = data;
            }
        }
        inner = code == OPTION_RELAY_MSG ? data : inner;
    }
    return inner;
}

static void address_add(struct wire_out *info, enum lease_info_tag tag, struct ip6 address)
{
    bool short_form = tag == LEASE_INFO_PEER_ADDRESS && address.hi == link_local_64;
    uint8_t bytes[16];

    if (ip6_is_zero(address)) {
        return;
    }
    wire_set_ip6(bytes, address);
    (void)lease_info_add(info, tag,
                         short_form ? (struct span){bytes + 8, 8} : (struct span){bytes, 16});
}

void fo_relay_data_read(struct span relay_data, struct wire_out *info)
{
    struct wire_in in = wire_in_from(relay_data);
    struct ip6 relay = wire_in_ip6(&in);
    struct span message = wire_in_span(&in, wire_in_left(&in));
    struct relay_chain chain = {.link = {0, 0}};

    if (in.failed) {
        return;
    }
    for (unsigned i = 0; i < RELAY_LEVELS_MAX && message.size; i++) {
        message = level_read(message, &chain);
    }
    address_add(info, LEASE_INFO_PEER_ADDRESS, chain.peer);
    address_add(info, LEASE_INFO_LINK_ADDRESS, chain.link);
    address_add(info, LEASE_INFO_RELAY, relay);
    for (unsigned i = 0; i < KEPT_COUNT; i++) {
        if (chain.kept[i].size) {
            (void)lease_info_add(info, kept_options[i].tag, chain.kept[i]);
        }
    }
}

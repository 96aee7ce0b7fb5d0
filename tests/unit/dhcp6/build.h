/* Builds DHCPv6 bytes for tests: options, messages, relay levels. Header-only. */
#ifndef TESTS_DHCP6_BUILD_H
#define TESTS_DHCP6_BUILD_H

#include "dhcp6/message.h"
#include "dhcp6/option.h"

struct build {
    uint8_t bytes[16384];
    struct wire_out out;
};

static inline void build_init(struct build *build)
{
    build->out = wire_out_to(build->bytes, sizeof(build->bytes));
}

static inline struct span build_span(const struct build *build)
{
    return (struct span){build->bytes, (size_t)(build->out.at - build->bytes)};
}

/* Starts a client's message with xid 0a0b0c. */
static inline void build_message(struct build *build, uint8_t type)
{
    build_init(build);
    wire_out_u8(&build->out, type);
    wire_out_bytes(&build->out, "\x0a\x0b\x0c", 3);
}

static inline void build_option(struct build *build, uint16_t code, const void *data, size_t size)
{
    wire_out_u16(&build->out, code);
    wire_out_u16(&build->out, (uint16_t)size);
    wire_out_bytes(&build->out, data, size);
}

/* Starts an option; build_close fills in its size. */
static inline uint8_t *build_open(struct build *build, uint16_t code)
{
    wire_out_u16(&build->out, code);
    return wire_out_room(&build->out, 2);
}

static inline void build_close(struct build *build, uint8_t *size_field)
{
    wire_set_u16(size_field, (uint16_t)(build->out.at - size_field - 2));
}

static inline uint8_t *build_ia(struct build *build, uint16_t code, uint32_t iaid)
{
    uint8_t *size_field = build_open(build, code);

    wire_out_u32(&build->out, iaid);
    wire_out_u32(&build->out, 100);
    wire_out_u32(&build->out, 200);
    return size_field;
}

static inline uint8_t *build_address(struct build *build, struct ip6 address)
{
    uint8_t *size_field = build_open(build, OPTION_IAADDR);

    wire_out_ip6(&build->out, address);
    wire_out_u32(&build->out, 7);
    wire_out_u32(&build->out, 8);
    return size_field;
}

static inline uint8_t *build_prefix(struct build *build, struct ip6 prefix, uint8_t length)
{
    uint8_t *size_field = build_open(build, OPTION_IAPREFIX);

    wire_out_u32(&build->out, 7);
    wire_out_u32(&build->out, 8);
    wire_out_u8(&build->out, length);
    wire_out_ip6(&build->out, prefix);
    return size_field;
}

static inline void build_oro(struct build *build, const uint16_t *codes, size_t count)
{
    uint8_t *size_field = build_open(build, OPTION_ORO);

    for (size_t i = 0; i < count; i++) {
        wire_out_u16(&build->out, codes[i]);
    }
    build_close(build, size_field);
}

/* Starts a relay level; the caller adds options and then build_relayed. */
static inline void build_relay(struct build *build, uint8_t hop_count, struct ip6 link_address,
                               struct ip6 peer_address)
{
    build_init(build);
    wire_out_u8(&build->out, DHCP6_RELAY_FORW);
    wire_out_u8(&build->out, hop_count);
    wire_out_ip6(&build->out, link_address);
    wire_out_ip6(&build->out, peer_address);
}

static inline void build_relayed(struct build *build, const struct build *inner)
{
    struct span bytes = build_span(inner);

    build_option(build, OPTION_RELAY_MSG, bytes.data, bytes.size);
}

static const uint8_t build_duid[] = {0, 3, 0, 1, 2, 0, 0, 0, 0, 1};
static const uint8_t build_server_duid[] = {0, 2, 0, 0, 0x7e, 0xd9, 1, 2, 3, 4};

#define BUILD_DOC ((uint64_t)0x20010db8 << 32) /* 2001:db8::/32 */

#endif

/* Frames made by hand for the tests of lib/net, octet by octet and with a checksum of the plainest
 * kind, so that nothing here shares code with what is tested. */
#ifndef TESTS_NET_FRAMES_H
#define TESTS_NET_FRAMES_H

#include <stdlib.h>

#include "check.h"
#include "net/frame.h"

enum {
    BYTES_MAX = 4096,
};

struct bytes {
    uint8_t data[BYTES_MAX];
    size_t size;
};

#define OUR_MAC      "\x02\x00\x00\x00\x00\x01"
#define THEIR_MAC    "\x02\x00\x00\x00\x00\x02"
#define AGENTS_MAC   "\x33\x33\x00\x01\x00\x02"
#define OUR_LOCAL    ((struct ip6){0xfe80000000000000, 0x00000000ff000001})
#define OUR_GLOBAL   ((struct ip6){0x20010db800000001, 0x0000000000000001})
#define OUR_SECOND   ((struct ip6){0x20010db800000001, 0x0000000000c0ffee})
#define THEIR_LOCAL  ((struct ip6){0xfe80000000000000, 0x00000000ff000002})
#define THEIR_GLOBAL ((struct ip6){0x20010db800000017, 0x0000000000000001})
#define UNSPECIFIED  ((struct ip6){0, 0})

static inline struct frame_port our_port(void)
{
    struct frame_port port = {.addresses = {OUR_LOCAL, OUR_GLOBAL, OUR_SECOND},
                              .address_count = 3,
                              .mtu = FRAME_MTU_DEFAULT};

    memcpy(port.mac, OUR_MAC, 6);
    return port;
}

static inline void put(struct bytes *bytes, const void *data, size_t size)
{
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

static inline void put_u8(struct bytes *bytes, unsigned v)
{
    bytes->data[bytes->size++] = (uint8_t)v;
}

static inline void put_u16(struct bytes *bytes, unsigned v)
{
    put_u8(bytes, v >> 8);
    put_u8(bytes, v);
}

static inline void put_ip6(struct bytes *bytes, struct ip6 a)
{
    for (unsigned i = 0; i < 16; i++) {
        put_u8(bytes, (unsigned)((i < 8 ? a.hi : a.lo) >> (56 - 8 * (i % 8))));
    }
}

/* "33 33 00 01 ...": pairs of hexadecimal digits, anything else ignored. */
static inline void put_hex(struct bytes *bytes, const char *hex)
{
    while (*hex) {
        char pair[3] = {hex[0], hex[1], 0};

        if (strchr(" \n", hex[0])) {
            hex++;
            continue;
        }
        put_u8(bytes, (unsigned)strtoul(pair, NULL, 16));
        hex += 2;
    }
}

static inline void put_ethernet(struct bytes *bytes, const char *dst_mac, unsigned type)
{
    put(bytes, dst_mac, 6);
    put(bytes, THEIR_MAC, 6);
    put_u16(bytes, type);
}

/* The payload size stands at 0 until finish(). */
static inline size_t put_ip6_header(struct bytes *bytes, unsigned next_header, unsigned hop_limit,
                                    struct ip6 src, struct ip6 dst)
{
    size_t at = bytes->size;

    put_hex(bytes, "60 00 00 00 00 00");
    put_u8(bytes, next_header);
    put_u8(bytes, hop_limit);
    put_ip6(bytes, src);
    put_ip6(bytes, dst);
    return at;
}

/* One octet pair after the other, over pseudo-header and message, as RFC 1071 and RFC 8200 8.1 say.
 */
static inline unsigned naive_sum(const uint8_t *ip, unsigned next_header, const uint8_t *data,
                                 size_t size)
{
    unsigned long sum = size + next_header;

    for (unsigned i = 8; i < 40; i += 2) {
        sum += (unsigned long)(ip[i] << 8 | ip[i + 1]);
    }
    for (size_t i = 0; i < size; i++) {
        sum += (unsigned long)data[i] << (i % 2 ? 0 : 8);
    }
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (unsigned)sum;
}

static inline void set_u16(uint8_t *at, unsigned v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

/* Fills in the payload size of the IPv6 header at ip and the checksum of the message at l4. */
static inline void finish(struct bytes *bytes, size_t ip, size_t l4, unsigned protocol)
{
    uint8_t *message = bytes->data + l4;
    size_t size = bytes->size - l4;
    uint8_t *field = message + (protocol == 17 ? 6 : 2);

    set_u16(bytes->data + ip + 4, (unsigned)(bytes->size - ip - 40));
    if (protocol == 17) {
        set_u16(message + 4, (unsigned)size);
    }
    set_u16(field, 0);
    set_u16(field, 0xffff ^ naive_sum(bytes->data + ip, protocol, message, size));
}

/* A datagram with payload octets 0, 1, 2...; extensions (may be empty) stand between the headers.
 */
struct udp_question {
    const char *dst_mac;
    const char *tags; /* hex: 12 octets in are these, before the type 86dd */
    struct ip6 src, dst;
    unsigned first_header; /* 0: UDP */
    const char *extensions;
    unsigned dst_port;
    unsigned payload_size;
};

static inline struct udp_question udp_plain(void)
{
    return (struct udp_question){.dst_mac = AGENTS_MAC,
                                 .tags = "",
                                 .src = THEIR_LOCAL,
                                 .dst = FRAME_ALL_DHCP_AGENTS,
                                 .first_header = 17,
                                 .extensions = "",
                                 .dst_port = 547,
                                 .payload_size = 60};
}

/* Returns where the IPv6 header stands; the UDP header starts ret_udp octets into the frame. */
static inline size_t udp_make(struct bytes *bytes, const struct udp_question *question,
                              size_t *ret_udp)
{
    size_t ip;

    bytes->size = 0;
    put(bytes, question->dst_mac, 6);
    put(bytes, THEIR_MAC, 6);
    put_hex(bytes, question->tags);
    put_u16(bytes, 0x86dd);
    ip = put_ip6_header(bytes, question->first_header, 1, question->src, question->dst);
    put_hex(bytes, question->extensions);
    *ret_udp = bytes->size;
    put_u16(bytes, 546);
    put_u16(bytes, question->dst_port);
    put_hex(bytes, "0000 0000");
    for (unsigned i = 0; i < question->payload_size; i++) {
        put_u8(bytes, i);
    }
    finish(bytes, ip, *ret_udp, 17);
    return ip;
}

/* Parses a copy that ends where the frame ends, so that a sanitizer sees a read past it. */
static inline enum counter parse(const struct frame_port *port, const uint8_t *data, size_t size,
                                 struct frame *ret_frame)
{
    uint8_t *copy = malloc(size);

    memcpy(copy, data, size);
    memset(ret_frame, 0xa5, sizeof(*ret_frame));
    frame_parse(port, (struct span){copy, size}, false, ret_frame);
    if (ret_frame->kind != FRAME_DROP) { /* keep the payload pointing at what lives on */
        ret_frame->payload.data = data + (ret_frame->payload.data - copy);
    }
    free(copy);
    return ret_frame->kind == FRAME_DROP ? ret_frame->drop_reason : COUNTER_COUNT;
}

#endif

/* What the fuzz targets of lib/net check frames with, sharing no code with lib/net. */
#ifndef TESTS_FUZZ_NET_NAIVE_H
#define TESTS_FUZZ_NET_NAIVE_H

#include "net/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline unsigned naive_u16(const uint8_t *at)
{
    return (unsigned)(at[0] << 8 | at[1]);
}

/* Sum of the pseudo-header of the packet at ip and of the size octets at data, one octet pair after
 * the other (RFC 8200 8.1): 0xffff for a right checksum. */
static inline unsigned naive_sum(const uint8_t *ip, unsigned next_header, const uint8_t *data,
                                 size_t size)
{
    unsigned long sum = size + next_header;

    for (unsigned i = 8; i < 40; i += 2) {
        sum += naive_u16(ip + i);
    }
    for (size_t i = 0; i < size; i++) {
        sum += (unsigned long)data[i] << (i % 2 ? 0 : 8);
    }
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (unsigned)sum;
}

/* A port that would receive a frame written to `to`. */
static inline struct frame_port naive_peer(const struct frame_to *to)
{
    struct frame_port peer = {.addresses = {to->dst}, .address_count = 1, .mtu = UINT16_MAX};

    memcpy(peer.mac, to->dst_mac, 6);
    return peer;
}

#endif

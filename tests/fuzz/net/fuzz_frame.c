/* frame_parse over any octets, then an answer to whatever was taken, which must come back whole
 * through frame_parse at the asker's end. The port takes its MAC and address from the frame where
 * it can, so that captures of other servers' traffic reach the upper layers. */
#include "naive.h"
#include "net/ndp.h"

enum {
    ANSWER_MAX = 2048,
};

/* A port that the frame is for, if that is possible at all. */
static struct frame_port port_for(const uint8_t *data, size_t size)
{
    struct frame_port port = {
        .mac = {2, 0, 0, 0, 0, 1},
        .addresses = {{0xfe80000000000000, 0x000000fffe000001}, {0x20010db800000001, 1}},
        .address_count = 2,
        .mtu = FRAME_MTU_DEFAULT};
    size_t at = 12;

    if (size >= 12 && !(data[0] & 1)) {
        memcpy(port.mac, data, 6);
    }
    while (at + 2 + 40 <= size && at <= 20) {
        if (naive_u16(data + at) == 0x86dd) {
            struct ip6 dst = wire_get_ip6(data + at + 2 + 24);

            if (!ip6_is_multicast(dst)) {
                port.addresses[1] = dst;
            }
            break;
        }
        at += 4;
    }
    return port;
}

/* Everything the parser promises about a frame it took. */
static void frame_check(const struct frame *frame, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;

    T6_ASSERT(frame->kind == FRAME_DHCP6 || frame->kind == FRAME_ICMP6);
    T6_ASSERT(frame->vlan_count <= FRAME_VLANS_MAX);
    T6_ASSERT(frame->payload.data > data && frame->payload.data <= end);
    T6_ASSERT(frame->payload.size <= (size_t)(end - frame->payload.data));
    T6_ASSERT((frame->src_mac[0] & 1) == 0);
    T6_ASSERT(!ip6_is_multicast(frame->src));
    T6_ASSERT(memcmp(data + 6, frame->src_mac, 6) == 0);
    if (frame->kind == FRAME_DHCP6) {
        T6_ASSERT(frame->dst_port == 547 && !ip6_is_zero(frame->src));
        T6_ASSERT(naive_u16(frame->payload.data - 4) == frame->payload.size + 8);
        T6_ASSERT(naive_u16(frame->payload.data - 2) != 0);
    } else {
        T6_ASSERT(frame->payload.size >= 4);
    }
}

/* Sends the payload back to its sender's port 547 and receives it there. */
static void answer_check(const struct frame_port *port, const struct frame *frame)
{
    uint8_t buf[FRAME_HEADROOM + ANSWER_MAX];
    size_t size = frame->payload.size < ANSWER_MAX ? frame->payload.size : ANSWER_MAX;
    struct frame_to to;
    struct frame_port peer;
    struct frame back;
    size_t header_size;
    const uint8_t *ip;

    frame_to_sender(port, frame, 547, &to);
    header_size = frame_header_size(&to);
    T6_ASSERT(header_size == 62 + 4 * (size_t)frame->vlan_count);
    memcpy(buf + header_size, frame->payload.data, size);
    frame_write(port, &to, buf + header_size, size);
    ip = buf + header_size - 48;
    T6_ASSERT(naive_u16(ip + 4) == size + 8 && naive_u16(ip + 44) == size + 8);
    T6_ASSERT(naive_u16(ip + 46) != 0);
    T6_ASSERT(naive_sum(ip, 17, ip + 40, size + 8) == 0xffff);
    if (ip6_equal(frame->src, (struct ip6){0, 1})) {
        return;
    }
    peer = naive_peer(&to);
    frame_parse(&peer, (struct span){buf, header_size + size}, false, &back);
    if (back.kind == FRAME_DROP) { /* our side must own an address that may send */
        T6_ASSERT(back.drop_reason == COUNTER_drop_ip6_source ||
                  (port->mac[0] & 1 && back.drop_reason == COUNTER_drop_frame_source));
        return;
    }
    T6_ASSERT(back.kind == FRAME_DHCP6 && back.payload.size == size);
    T6_ASSERT(memcmp(back.payload.data, frame->payload.data, size) == 0);
    T6_ASSERT(back.vlan_count == frame->vlan_count);
    T6_ASSERT(memcmp(back.vlans, frame->vlans, back.vlan_count * sizeof(back.vlans[0])) == 0);
    T6_ASSERT(ip6_equal(back.src, to.src) && ip6_equal(back.dst, frame->src));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_port port = port_for(data, size);
    uint8_t buf[NDP_BUF_SIZE];
    struct frame frame;
    enum counter counter;

    /* As a plain port, as one with partial checksums, and as one whose NIC says all is well. */
    for (unsigned i = 0; i < 3; i++) {
        port.accept_partial_checksum = i == 1;
        frame_parse(&port, (struct span){data, size}, i == 2, &frame);
        if (frame.kind == FRAME_DROP) {
            T6_ASSERT(frame.drop_reason < COUNTER_COUNT);
            continue;
        }
        frame_check(&frame, data, size);
        if (frame.kind == FRAME_DHCP6) {
            answer_check(&port, &frame);
        } else {
            T6_ASSERT(ndp_answer(&port, &frame, buf, sizeof(buf), &counter) <= sizeof(buf));
        }
    }
    return 0;
}

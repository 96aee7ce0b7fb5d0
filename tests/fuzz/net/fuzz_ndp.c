/* ndp_answer over any ICMPv6 message. The first octets of the input choose what carries it; the
 * frame around it is made with a right checksum, which a fuzzer finds too seldom by itself. Each
 * answer is taken apart again. */
#include "naive.h"
#include "net/ndp.h"

enum {
    CHOICES = 4, /* octets: tags, source, destination, hop limit */
    MESSAGE_MAX = 1600,
};

static const struct frame_port port = {
    .mac = {2, 0, 0, 0, 0, 1},
    .addresses = {{0xfe80000000000000, 0x000000fffe000001},
                  {0x20010db800000001, 1},
                  {0x20010db800000001, 0xc0ffee}},
    .address_count = 3,
    .mtu = FRAME_MTU_DEFAULT,
};

static const struct ip6 sources[] = {{0xfe80000000000000, 2}, {0x20010db800000017, 1}, {0, 0}};
static const struct ip6 destinations[] = {
    {0xfe80000000000000, 0x000000fffe000001},
    {0x20010db800000001, 0xc0ffee},
    {0xff02000000000000, 1},
    {0xff02000000000000, 0x10002},
    {0xff05000000000000, 0x10003},
    {0xff02000000000000, 0x1ffc0ffee},
};

/* The frame that the choices ask for, in buf. Returns its size. */
static size_t question_make(const uint8_t *choices, const uint8_t *message, size_t message_size,
                            uint8_t *buf)
{
    static const uint8_t router_alert[] = {58, 0, 5, 2, 0, 0, 1, 0};
    static const struct frame_port asker = {.mac = {2, 0, 0, 0, 0, 2}};
    struct frame_to to = {
        .vlan_count = choices[0] % 3,
        .vlans = {{0x88a8, 0x6064}, {0x8100, 7}},
        .src = sources[choices[1] % (sizeof(sources) / sizeof(sources[0]))],
        .dst = destinations[choices[2] % (sizeof(destinations) / sizeof(destinations[0]))]};
    size_t header_size = frame_header_size(&to) - FRAME_UDP_SIZE;
    size_t options_size = choices[0] & 0x80 ? sizeof(router_alert) : 0;
    uint8_t *icmp = buf + header_size + options_size;

    memcpy(to.dst_mac, port.mac, 6); /* unicast to a group is as good (RFC 6085) */
    memcpy(icmp, message, message_size);
    memcpy(icmp - options_size, router_alert, options_size);
    frame_write_ip6(&asker, &to, options_size ? 0 : 58, choices[3], icmp - options_size,
                    options_size + message_size);
    wire_set_u16(icmp + 2, 0);
    wire_set_u16(icmp + 2,
                 (uint16_t)(0xffff ^ naive_sum(buf + header_size - 40, 58, icmp, message_size)));
    return header_size + options_size + message_size;
}

static void answer_check(const struct frame *frame, enum counter counter, const uint8_t *buf,
                         size_t size)
{
    const uint8_t *ip = buf + 14 + 4 * frame->vlan_count, *icmp = ip + 40;
    struct ip6 src = wire_get_ip6(ip + 8);

    T6_ASSERT(size >= (size_t)(icmp - buf) + 8);
    T6_ASSERT(memcmp(buf + 6, port.mac, 6) == 0);
    T6_ASSERT(naive_u16(ip - 2) == 0x86dd && ip[0] == 0x60);
    T6_ASSERT(naive_u16(ip + 4) == size - (size_t)(icmp - buf));
    T6_ASSERT(naive_u16(ip + 4) + 40 <= port.mtu);
    T6_ASSERT(frame_address_is_ours(&port, src));
    for (unsigned i = 0; i < frame->vlan_count; i++) {
        T6_ASSERT(naive_u16(buf + 12 + 4 * i) == frame->vlans[i].tpid);
        T6_ASSERT(naive_u16(buf + 14 + 4 * i) == frame->vlans[i].tci);
    }
    if (counter == COUNTER_rx_mld_query) {
        T6_ASSERT(ip[6] == 0 && ip[7] == 1 && ip6_equal(src, port.addresses[0]));
        icmp += 8;
        T6_ASSERT(icmp[0] == 143 || icmp[0] == 131);
    } else if (counter == COUNTER_rx_neighbor_solicitation) {
        T6_ASSERT(ip[6] == 58 && ip[7] == 255 && icmp[0] == 136);
        T6_ASSERT(ip6_equal(wire_get_ip6(icmp + 8), src));
        T6_ASSERT(size == (size_t)(icmp - buf) + 32);
    } else {
        T6_ASSERT(counter == COUNTER_rx_echo_request && ip[6] == 58 && icmp[0] == 129);
        T6_ASSERT(size == (size_t)(icmp - buf) + frame->payload.size);
        T6_ASSERT(memcmp(icmp + 4, frame->payload.data + 4, frame->payload.size - 4) == 0);
    }
    T6_ASSERT(naive_sum(ip, 58, icmp, size - (size_t)(icmp - buf)) == 0xffff);
    T6_ASSERT(memcmp(buf, frame->src_mac, 6) == 0 || buf[0] == 0x33);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t question[FRAME_HEADROOM + MESSAGE_MAX], answer[NDP_BUF_SIZE];
    enum counter counter = COUNTER_COUNT;
    struct frame frame;
    size_t answer_size;

    if (size < CHOICES + 4 || size > CHOICES + MESSAGE_MAX) {
        return 0;
    }
    size = question_make(data, data + CHOICES, size - CHOICES, question);
    frame_parse(&port, (struct span){question, size}, false, &frame);
    if (frame.kind == FRAME_DROP) {
        T6_ASSERT(frame.drop_reason == COUNTER_drop_icmp6_other ||
                  frame.drop_reason == COUNTER_drop_ip6_source);
        return 0;
    }
    T6_ASSERT(frame.kind == FRAME_ICMP6);
    answer_size = ndp_answer(&port, &frame, answer, sizeof(answer), &counter);
    T6_ASSERT(answer_size <= sizeof(answer) && counter < COUNTER_COUNT);
    if (answer_size > 0) {
        answer_check(&frame, counter, answer, answer_size);
        T6_ASSERT(ndp_answer(&port, &frame, answer, answer_size - 1, &counter) == 0);
        T6_ASSERT(counter == COUNTER_drop_reply_too_big);
    }
    return 0;
}

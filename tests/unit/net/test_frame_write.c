/* frame_write, frame_to_sender and frame_checksum: the way out, and there and back. */
#include "frames.h"

static void test_checksum_rfc1071(void)
{
    /* RFC 1071 3: these eight octets sum to ddf2; the pseudo-header adds size and protocol. */
    static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

    CHECK_EQ(frame_checksum(UNSPECIFIED, UNSPECIFIED, 0, data, 8), 0xddf2 + 8);
    CHECK_EQ(frame_checksum(UNSPECIFIED, UNSPECIFIED, 17, data, 8), 0xddf2 + 8 + 17);
    CHECK_EQ(frame_checksum(UNSPECIFIED, UNSPECIFIED, 0, data, 7), 0xddf2 + 7 - 0xf7);
}

/* Against the plain reference: every size to 300 octets at every alignment, and some large ones. */
static void test_checksum_sizes(void)
{
    static uint8_t data[65536 + 16];
    uint8_t ip[40] = {0};
    uint32_t state = 1;
    static const size_t large[] = {1232, 1452, 1453, 1459, 9001, 65527, 65535};

    for (size_t i = 0; i < sizeof(data); i++) {
        state = state * 1664525 + 1013904223;
        data[i] = (uint8_t)(state >> 24);
    }
    wire_set_ip6(ip + 8, OUR_GLOBAL);
    wire_set_ip6(ip + 24, THEIR_GLOBAL);
    for (size_t at = 0; at < 16; at++) {
        for (size_t size = 0; size <= 300; size++) {
            CHECK_EQ(frame_checksum(OUR_GLOBAL, THEIR_GLOBAL, 17, data + at, size),
                     naive_sum(ip, 17, data + at, size));
        }
        for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
            CHECK_EQ(frame_checksum(OUR_GLOBAL, THEIR_GLOBAL, 58, data + at, large[i]),
                     naive_sum(ip, 58, data + at, large[i]));
        }
    }
}

/* All carries at once. */
static void test_checksum_extremes(void)
{
    static uint8_t data[65535];
    struct ip6 ones = {UINT64_MAX, UINT64_MAX};
    uint8_t ip[40];

    memset(data, 0xff, sizeof(data));
    memset(ip, 0xff, sizeof(ip));
    for (size_t size = 65500; size <= 65535; size++) {
        CHECK_EQ(frame_checksum(ones, ones, 255, data, size), naive_sum(ip, 255, data, size));
    }
    memset(data, 0, sizeof(data));
    CHECK_EQ(frame_checksum(UNSPECIFIED, UNSPECIFIED, 0, data, 0), 0);
    CHECK_EQ(frame_checksum(UNSPECIFIED, UNSPECIFIED, 17, data, 100), 117);
}

/* The octets of a captured ADVERTISE of another server, made again from its parts. */
static void test_write_captured(void)
{
    static const char captured[] =
        "0001 0203 0405 0011 2233 4455 86dd 6000 0000 0058 1140 fe80 0000 0000 0000 0211"
        "22ff fe33 4455 fe80 0000 0000 0000 0201 02ff fe03 0405 0223 0222 0058 2b6f 0290"
        "b45c 0003 0028 0203 0405 0000 0e10 0000 1518 0005 0018 2a00 0001 0001 0200 38e6"
        "b22e c440 acdf 0000 1194 0000 1c20 0001 000a 0003 0001 0001 0203 0405 0002 000e"
        "0001 0001 1846 488c 0011 2233 4455";
    struct frame_port port = {.mac = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55},
                              .mtu = FRAME_MTU_DEFAULT};
    struct frame_to to = {.dst_mac = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05},
                          .src = {0xfe80000000000000, 0x021122fffe334455},
                          .dst = {0xfe80000000000000, 0x020102fffe030405},
                          .src_port = 547,
                          .dst_port = 546};
    struct bytes expected = {.size = 0};
    uint8_t buf[256];

    put_hex(&expected, captured);
    memset(buf, 0xee, sizeof(buf));
    CHECK_EQ(frame_header_size(&to), 62);
    memcpy(buf + 62, expected.data + 62, expected.size - 62);
    frame_write(&port, &to, buf + 62, expected.size - 62);
    CHECK_MEM(buf, expected.data, expected.size);
    CHECK_EQ(buf[expected.size], 0xee);
}

/* What we send comes back whole through frame_parse at the other end, for every odd size. */
static void test_write_sizes(void)
{
    static const struct frame_vlan vlans[FRAME_VLANS_MAX] = {{0x88a8, 0x6001}, {0x8100, 0x0fff}};
    struct frame_port port = our_port(), peer = {.addresses = {THEIR_LOCAL}, .address_count = 1};
    struct frame_to to = {.src = OUR_LOCAL, .dst = THEIR_LOCAL, .src_port = 547, .dst_port = 547};
    uint8_t buf[2048];
    struct frame frame;

    memcpy(peer.mac, THEIR_MAC, 6);
    memcpy(to.dst_mac, THEIR_MAC, 6);
    memcpy(to.vlans, vlans, sizeof(vlans));
    for (size_t size = 0; size <= 1500; size++) {
        size_t header_size;

        to.vlan_count = (unsigned)(size % 3);
        header_size = frame_header_size(&to);
        CHECK_EQ(header_size, 62 + 4 * to.vlan_count);
        memset(buf, 0xee, sizeof(buf));
        for (size_t i = 0; i < size; i++) {
            buf[1 + header_size + i] = (uint8_t)(i * 7 + size);
        }
        frame_write(&port, &to, buf + 1 + header_size, size);
        CHECK_EQ(buf[0], 0xee); /* nothing before the header nor after the payload */
        CHECK_EQ(buf[1 + header_size + size], 0xee);
        CHECK_EQ(parse(&peer, buf + 1, header_size + size, &frame), COUNTER_COUNT);
        CHECK_EQ(frame.payload.size, size);
        CHECK(frame.payload.data == buf + 1 + header_size);
        CHECK_EQ(frame.vlan_count, to.vlan_count);
        CHECK_MEM(frame.vlans, vlans, to.vlan_count * sizeof(vlans[0]));
        CHECK_EQ(frame.hop_limit, 64);
        CHECK_MEM(frame.src_mac, OUR_MAC, 6);
        CHECK(ip6_equal(frame.src, OUR_LOCAL));
    }
}

/* A sum that would come out as 0 is sent as ffff. */
static void test_write_checksum_zero(void)
{
    struct frame_port port = our_port();
    struct frame_to to = {.src = OUR_LOCAL, .dst = THEIR_LOCAL, .src_port = 547, .dst_port = 546};
    uint8_t buf[FRAME_HEADROOM + 2];
    size_t header_size = frame_header_size(&to);
    uint8_t *udp = buf + header_size - 8;

    memset(buf, 0, sizeof(buf));
    frame_write(&port, &to, buf + header_size, 2);
    /* The field is the complement of everything else; as payload it completes the sum to ffff. */
    memcpy(buf + header_size, udp + 6, 2);
    frame_write(&port, &to, buf + header_size, 2);
    CHECK_EQ(udp[6] << 8 | udp[7], 0xffff);
}

static void test_write_offload(void)
{
    struct frame_port port = our_port();
    struct frame_to to = {.src = OUR_GLOBAL, .dst = THEIR_GLOBAL, .src_port = 547, .dst_port = 547};
    uint8_t buf[FRAME_HEADROOM + 33] = {0};
    size_t header_size = frame_header_size(&to);
    uint8_t *udp = buf + header_size - 8;
    unsigned field, sum;

    port.checksum_offload = true;
    memset(buf + header_size, 0x5a, 33);
    frame_write(&port, &to, buf + header_size, 33);
    field = (unsigned)(udp[6] << 8 | udp[7]);
    sum = naive_sum(buf + header_size - 48, 17, NULL, 0) + 41;
    CHECK_EQ(field, (sum & 0xffff) + (sum >> 16));
    /* The NIC's part: it sums the datagram with that field in place and fills in the complement. */
    set_u16(udp + 6, 0xffff ^ (naive_sum((const uint8_t[40]){0}, 0, udp, 41) - 41));
    CHECK_EQ(naive_sum(buf + header_size - 48, 17, udp, 41), 0xffff);
}

static void test_to_sender(void)
{
    static const struct {
        struct ip6 src, dst, expected;
    } rows[] = {
        {THEIR_LOCAL, FRAME_ALL_DHCP_AGENTS, OUR_LOCAL},
        {THEIR_LOCAL, OUR_LOCAL, OUR_LOCAL},
        {THEIR_LOCAL, OUR_SECOND, OUR_SECOND},
        {THEIR_GLOBAL, OUR_GLOBAL, OUR_GLOBAL},
        {THEIR_GLOBAL, OUR_SECOND, OUR_SECOND},
        {THEIR_GLOBAL, FRAME_ALL_DHCP_SERVERS, OUR_GLOBAL},
    };
    struct frame_port port = our_port();

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame frame = {.src_mac = {2, 0, 0, 0, 0, 9},
                              .vlan_count = 2,
                              .vlans = {{0x88a8, 1}, {0x8100, 2}},
                              .src = rows[i].src,
                              .dst = rows[i].dst,
                              .src_port = 1234};
        struct frame_to to;

        frame_to_sender(&port, &frame, 1234, &to);
        CHECK(ip6_equal(to.src, rows[i].expected));
        CHECK(ip6_equal(to.dst, rows[i].src));
        CHECK_MEM(to.dst_mac, frame.src_mac, 6);
        CHECK_EQ(to.vlan_count, 2);
        CHECK_MEM(to.vlans, frame.vlans, sizeof(to.vlans));
        CHECK_EQ(to.src_port, 547);
        CHECK_EQ(to.dst_port, 1234);
    }
}

/* A port with its link-local address alone answers from that: better than silence. */
static void test_to_sender_one_address(void)
{
    struct frame_port port = our_port();
    struct frame frame = {.src = THEIR_GLOBAL, .dst = FRAME_ALL_DHCP_SERVERS};
    struct frame_to to;

    port.address_count = 1;
    frame_to_sender(&port, &frame, 547, &to);
    CHECK(ip6_equal(to.src, OUR_LOCAL));
}

/* A QinQ question's answer carries the same tags, priority bits included, outermost first. */
static void test_qinq_mirror(void)
{
    struct frame_port port = our_port();
    struct udp_question question = udp_plain();
    struct bytes bytes;
    struct frame frame;
    struct frame_to to;
    uint8_t buf[FRAME_HEADROOM + 10];
    size_t udp;

    question.tags = "88a8 e064 8100 0c01";
    (void)udp_make(&bytes, &question, &udp);
    CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_COUNT);
    frame_to_sender(&port, &frame, 546, &to);
    CHECK_EQ(frame_header_size(&to), FRAME_HEADROOM);
    frame_write(&port, &to, buf + FRAME_HEADROOM, 10);
    CHECK_MEM(buf, THEIR_MAC OUR_MAC "\x88\xa8\xe0\x64\x81\x00\x0c\x01\x86\xdd\x60", 23);
}

static const struct check_test tests[] = {
    {"checksum_rfc1071", test_checksum_rfc1071},
    {"checksum_sizes", test_checksum_sizes},
    {"checksum_extremes", test_checksum_extremes},
    {"write_captured", test_write_captured},
    {"write_sizes", test_write_sizes},
    {"write_checksum_zero", test_write_checksum_zero},
    {"write_offload", test_write_offload},
    {"to_sender", test_to_sender},
    {"to_sender_one_address", test_to_sender_one_address},
    {"qinq_mirror", test_qinq_mirror},
};

CHECK_MAIN(tests)

/* frame_parse: what is taken, what is dropped and under which counter. */
#include "frames.h"

/* A SOLICIT of ISC dhclient, captured from the wire. */
static const char solicit_captured[] =
    "3333 0001 0002 0001 0203 0405 86dd 6c00 0000 0038 1140 fe80 0000 0000 0000 0201"
    "02ff fe03 0405 ff02 0000 0000 0000 0000 0000 0001 0002 0222 0223 0038 1123 0190"
    "b45c 0001 000a 0003 0001 0001 0203 0405 0006 0004 0017 0018 0008 0002 0000 0003"
    "000c 0203 0405 0000 0e10 0000 1518";

static enum counter question_parse(const struct udp_question *question, struct bytes *ret_bytes,
                                   struct frame *ret_frame)
{
    struct frame_port port = our_port();
    size_t udp;

    (void)udp_make(ret_bytes, question, &udp);
    return parse(&port, ret_bytes->data, ret_bytes->size, ret_frame);
}

static enum counter question_reason(const struct udp_question *question)
{
    struct bytes bytes;
    struct frame frame;

    return question_parse(question, &bytes, &frame);
}

static void test_captured_solicit(void)
{
    struct frame_port port = our_port();
    struct bytes bytes = {.size = 0};
    struct frame frame;

    put_hex(&bytes, solicit_captured);
    CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_COUNT);
    CHECK_EQ(frame.kind, FRAME_DHCP6);
    CHECK_MEM(frame.dst_mac, AGENTS_MAC, 6);
    CHECK_MEM(frame.src_mac, "\x00\x01\x02\x03\x04\x05", 6);
    CHECK_EQ(frame.vlan_count, 0);
    CHECK_EQ(frame.src.hi, 0xfe80000000000000);
    CHECK_EQ(frame.src.lo, 0x020102fffe030405);
    CHECK(ip6_equal(frame.dst, FRAME_ALL_DHCP_AGENTS));
    CHECK_EQ(frame.hop_limit, 64);
    CHECK(!frame.router_alert);
    CHECK_EQ(frame.src_port, 546);
    CHECK_EQ(frame.dst_port, 547);
    CHECK_EQ(frame.payload.size, 48);
    CHECK_MEM(frame.payload.data, "\x01\x90\xb4\x5c", 4);
}

/* A frame cut anywhere is a truncated one: the IPv6 header says how long it must be. */
static void test_truncation_at_every_byte(void)
{
    struct frame_port port = our_port();
    static const char *const tags[] = {"", "8100 0064", "88a8 0064 8100 0c01"};
    struct udp_question question = udp_plain();
    struct bytes bytes;
    struct frame frame;
    size_t udp;

    for (unsigned i = 0; i < 3; i++) {
        question.tags = tags[i];
        question.first_header = 60;
        question.extensions = "11 00 01 04 0000 0000";
        (void)udp_make(&bytes, &question, &udp);
        for (size_t size = 0; size < bytes.size; size++) {
            CHECK_EQ(parse(&port, bytes.data, size, &frame), COUNTER_drop_frame_truncated);
        }
        CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_COUNT);
    }
}

/* The same, with an IPv6 payload size that agrees with the cut, so that the layers above see it. */
static void test_payload_size_at_every_byte(void)
{
    struct frame_port port = our_port();
    struct udp_question question = udp_plain();
    struct bytes bytes;
    struct frame frame;
    size_t udp, ip;

    question.first_header = 0;
    question.extensions = "3c 00 0502 0000 0100  11 01 0104 0000 0000 0106 0000 0000 0000";
    ip = udp_make(&bytes, &question, &udp);
    for (size_t size = ip + 40; size < bytes.size; size++) {
        set_u16(bytes.data + ip + 4, (unsigned)(size - ip - 40));
        CHECK_EQ(parse(&port, bytes.data, size, &frame),
                 size < udp ? COUNTER_drop_ip6_extension : COUNTER_drop_udp_length);
    }
}

static void test_padding_ignored(void)
{
    struct frame_port port = our_port();
    struct udp_question question = udp_plain();
    struct bytes bytes;
    struct frame frame;
    size_t udp;

    question.payload_size = 4;
    (void)udp_make(&bytes, &question, &udp);
    put_hex(&bytes, "deadbeef deadbeef");
    CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_COUNT);
    CHECK_EQ(frame.payload.size, 4);
}

static void test_destinations(void)
{
    static const struct {
        const char *mac;
        struct ip6 dst;
        enum counter expected;
    } rows[] = {
        {OUR_MAC, OUR_GLOBAL, COUNTER_COUNT},
        {OUR_MAC, OUR_LOCAL, COUNTER_COUNT},
        {OUR_MAC, OUR_SECOND, COUNTER_COUNT},
        {AGENTS_MAC, FRAME_ALL_DHCP_AGENTS, COUNTER_COUNT},
        {OUR_MAC, FRAME_ALL_DHCP_AGENTS, COUNTER_COUNT}, /* RFC 6085 */
        {"\x33\x33\x00\x01\x00\x03", FRAME_ALL_DHCP_SERVERS, COUNTER_COUNT},
        {AGENTS_MAC, FRAME_ALL_DHCP_SERVERS, COUNTER_drop_frame_not_ours},
        {AGENTS_MAC, OUR_GLOBAL, COUNTER_drop_frame_not_ours},
        {"\x33\x33\x00\x00\x00\x01", FRAME_ALL_NODES, COUNTER_drop_frame_not_ours},
        {"\x33\x33\xff\x00\x00\x01",
         {0xff02000000000000, 0x1ff000001},
         COUNTER_drop_frame_not_ours},
        {"\xff\xff\xff\xff\xff\xff", FRAME_ALL_DHCP_AGENTS, COUNTER_drop_frame_not_ours},
        {"\x01\x00\x5e\x01\x00\x02", FRAME_ALL_DHCP_AGENTS, COUNTER_drop_frame_not_ours},
        {THEIR_MAC, OUR_GLOBAL, COUNTER_drop_frame_not_ours},
        {OUR_MAC, THEIR_GLOBAL, COUNTER_drop_frame_not_ours},
        {OUR_MAC, {0, 0}, COUNTER_drop_frame_not_ours},
        {"\x33\x33\x00\x01\x00\x02", {0xff05000000000000, 0x10002}, COUNTER_drop_frame_not_ours},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct udp_question question = udp_plain();

        question.dst_mac = rows[i].mac;
        question.dst = rows[i].dst;
        CHECK_EQ(question_reason(&question), rows[i].expected);
    }
}

static void test_sources(void)
{
    static const struct {
        struct ip6 src;
        enum counter expected;
    } rows[] = {
        {THEIR_LOCAL, COUNTER_COUNT},
        {THEIR_GLOBAL, COUNTER_COUNT},
        {{0, 0}, COUNTER_drop_ip6_source},
        {{0, 1}, COUNTER_drop_ip6_source},
        {{0xff02000000000000, 0x10002}, COUNTER_drop_ip6_source},
    };
    struct frame_port port = our_port();
    struct udp_question question = udp_plain();
    struct bytes bytes;
    struct frame frame;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        question.src = rows[i].src;
        CHECK_EQ(question_reason(&question), rows[i].expected);
    }
    question = udp_plain();
    CHECK_EQ(question_parse(&question, &bytes, &frame), COUNTER_COUNT);
    bytes.data[6] |= 1; /* a group's MAC as sender */
    CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_drop_frame_source);
}

static void test_vlans(void)
{
    static const struct {
        const char *tags;
        unsigned count;
        uint16_t values[4];
        enum counter expected;
    } rows[] = {
        {"", 0, {0}, COUNTER_COUNT},
        {"8100 a064", 1, {0x8100, 0xa064}, COUNTER_COUNT},
        {"88a8 0fff", 1, {0x88a8, 0x0fff}, COUNTER_COUNT},
        {"88a8 0064 8100 7001", 2, {0x88a8, 0x0064, 0x8100, 0x7001}, COUNTER_COUNT},
        {"9100 0000 8100 0002", 2, {0x9100, 0, 0x8100, 2}, COUNTER_COUNT},
        {"8100 0001 8100 0002", 2, {0x8100, 1, 0x8100, 2}, COUNTER_COUNT},
        {"88a8 0001 8100 0002 8100 0003", 0, {0}, COUNTER_drop_frame_vlan_depth},
        {"0800", 0, {0}, COUNTER_drop_frame_not_ip6},
        {"8100 0001 0806", 0, {0}, COUNTER_drop_frame_not_ip6},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct udp_question question = udp_plain();
        struct bytes bytes;
        struct frame frame;

        question.tags = rows[i].tags;
        CHECK_EQ(question_parse(&question, &bytes, &frame), rows[i].expected);
        if (rows[i].expected == COUNTER_COUNT) {
            CHECK_EQ(frame.vlan_count, rows[i].count);
            for (unsigned k = 0; k < rows[i].count; k++) {
                CHECK_EQ(frame.vlans[k].tpid, rows[i].values[2 * k]);
                CHECK_EQ(frame.vlans[k].tci, rows[i].values[2 * k + 1]);
            }
        }
    }
}

static void test_extensions(void)
{
    static const struct {
        unsigned first;
        const char *extensions;
        enum counter expected;
        bool router_alert;
    } rows[] = {
        {0, "11 00 0502 0000 0100", COUNTER_COUNT, true},
        {60, "11 00 0502 0000 0100", COUNTER_COUNT, false}, /* means nothing there */
        {60, "11 00 0104 0000 0000", COUNTER_COUNT, false},
        {0, "11 00 0000 0000 0000", COUNTER_COUNT, false},              /* six Pad1 */
        {0, "11 00 1e04 0102 0304", COUNTER_COUNT, false},              /* unknown, to be skipped */
        {0, "11 00 5e04 0102 0304", COUNTER_drop_ip6_extension, false}, /* to be dropped */
        {60, "11 00 9e04 0102 0304", COUNTER_drop_ip6_extension, false},
        {0, "11 00 c204 0001 0000", COUNTER_drop_ip6_extension, false}, /* jumbo */
        {0, "11 00 0105 0000 0000", COUNTER_drop_ip6_extension, false}, /* option past the end */
        {0, "11 00 0103 0000 0001", COUNTER_drop_ip6_extension, false}, /* no room for a length */
        {0,
         "11 05 0502 0000 0126 00000000 00000000 00000000 00000000 00000000 00000000"
         "00000000 00000000 00000000 00000000",
         COUNTER_COUNT, true},
        {0,
         "11 04 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000"
         "0000",
         COUNTER_drop_ip6_extension, false}, /* 38 Pad1: over FRAME_OPTIONS_MAX */
        {43, "11 00 0400 0000 0000", COUNTER_COUNT, false},
        {43, "11 00 0001 0000 0000", COUNTER_drop_ip6_extension, false}, /* segments left */
        {44, "11 00 0000 0000 0001", COUNTER_drop_ip6_fragment, false},  /* atomic */
        {44, "11 00 00b9 0000 0001", COUNTER_drop_ip6_fragment, false},
        {0, "3c 00 0104 0000 0000 2b 00 0104 0000 0000 11 00 0400 0000 0000", COUNTER_COUNT, false},
        {60, "00 00 0104 0000 0000 11 00 0104 0000 0000", COUNTER_drop_ip6_extension, false},
        {0, "00 00 0104 0000 0000 11 00 0104 0000 0000", COUNTER_drop_ip6_extension, false},
        {0, "3c 00 0104 0000 0000 2c 00 0104 0000 0000 11 00 0000 0000 0001",
         COUNTER_drop_ip6_fragment, false},
        {60, "3c 00 0104 0000 0000 3c 00 0104 0000 0000 3c 00 0104 0000 0000 11 00 0104 0000 0000",
         COUNTER_COUNT, false},
        {60,
         "3c 00 0104 0000 0000 3c 00 0104 0000 0000 3c 00 0104 0000 0000 3c 00 0104 0000 0000"
         "11 00 0104 0000 0000",
         COUNTER_drop_ip6_extension, false},
        {50, "", COUNTER_drop_ip6_extension, false},
        {51, "", COUNTER_drop_ip6_extension, false},
        {135, "", COUNTER_drop_ip6_extension, false},
        {6, "", COUNTER_drop_ip6_protocol, false},
        {59, "", COUNTER_drop_ip6_protocol, false},
        {60, "3b 00 0104 0000 0000", COUNTER_drop_ip6_protocol, false},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct udp_question question = udp_plain();
        struct bytes bytes;
        struct frame frame;

        question.first_header = rows[i].first;
        question.extensions = rows[i].extensions;
        CHECK_EQ(question_parse(&question, &bytes, &frame), rows[i].expected);
        if (rows[i].expected == COUNTER_COUNT) {
            CHECK_EQ(frame.router_alert, rows[i].router_alert);
            CHECK_EQ(frame.payload.size, question.payload_size);
            CHECK_EQ(frame.payload.data[7], 7);
        }
    }
}

static void test_version_and_ports(void)
{
    struct frame_port port = our_port();
    struct udp_question question = udp_plain();
    struct bytes bytes;
    struct frame frame;
    size_t ip, udp;

    ip = udp_make(&bytes, &question, &udp);
    bytes.data[ip] = 0x45;
    CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_drop_ip6_version);
    question.dst_port = 546;
    CHECK_EQ(question_reason(&question), COUNTER_drop_udp_port);
    question.dst_port = 53;
    CHECK_EQ(question_reason(&question), COUNTER_drop_udp_port);
    question.dst_port = 547;
    question.payload_size = 0; /* an empty message is the next layer's matter */
    CHECK_EQ(question_parse(&question, &bytes, &frame), COUNTER_COUNT);
    CHECK_EQ(frame.payload.size, 0);
}

static void test_udp_length(void)
{
    struct frame_port port = our_port();
    struct udp_question question = udp_plain();
    struct bytes bytes;
    struct frame frame;
    size_t udp, ip = udp_make(&bytes, &question, &udp);
    static const unsigned bad[] = {0, 7, 69, 0xffff};

    for (unsigned i = 0; i < 4; i++) {
        set_u16(bytes.data + udp + 4, bad[i]);
        CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_drop_udp_length);
    }
    /* A datagram shorter than the IPv6 payload stands: what follows it is nobody's. */
    set_u16(bytes.data + udp + 4, 20);
    set_u16(bytes.data + udp + 6, 0);
    set_u16(bytes.data + udp + 6, 0xffff ^ naive_sum(bytes.data + ip, 17, bytes.data + udp, 20));
    CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_COUNT);
    CHECK_EQ(frame.payload.size, 12);
}

/* Every single wrong bit is seen, in headers that the sum covers and in the payload. */
static void test_checksum_sees_every_bit(void)
{
    struct frame_port port = our_port();
    struct udp_question question = udp_plain();
    struct bytes bytes;
    struct frame frame;
    size_t udp;

    question.dst_mac = OUR_MAC;
    question.dst = OUR_GLOBAL;
    question.payload_size = 61;
    (void)udp_make(&bytes, &question, &udp);
    CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_COUNT);
    for (size_t bit = 8 * (udp + 6); bit < 8 * bytes.size; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_drop_udp_checksum);
        bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    bytes.data[udp] ^= 1; /* source port */
    CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_drop_udp_checksum);
}

static void test_checksum_zero(void)
{
    struct frame_port port = our_port();
    struct udp_question question = udp_plain();
    struct bytes bytes;
    struct frame frame;
    size_t udp;

    (void)udp_make(&bytes, &question, &udp);
    set_u16(bytes.data + udp + 6, 0);
    port.accept_partial_checksum = true;
    CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_drop_udp_checksum);
    frame_parse(&port, (struct span){bytes.data, bytes.size}, true, &frame);
    CHECK_EQ(frame.kind, FRAME_DROP);
    CHECK_EQ(frame.drop_reason, COUNTER_drop_udp_checksum);
}

static void test_checksum_partial(void)
{
    struct frame_port port = our_port();
    struct udp_question question = udp_plain();
    struct bytes bytes;
    struct frame frame;
    size_t udp, ip = udp_make(&bytes, &question, &udp);
    unsigned pseudo = naive_sum(bytes.data + ip, 17, NULL, 0);

    pseudo += 68; /* the datagram's own size */
    set_u16(bytes.data + udp + 6, (pseudo & 0xffff) + (pseudo >> 16));
    CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_drop_udp_checksum);
    port.accept_partial_checksum = true;
    CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_COUNT);
    set_u16(bytes.data + udp + 6, 0xffff ^ ((pseudo & 0xffff) + (pseudo >> 16))); /* complemented */
    CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_drop_udp_checksum);
    (void)udp_make(&bytes, &question, &udp); /* whole ones are taken as before */
    CHECK_EQ(parse(&port, bytes.data, bytes.size, &frame), COUNTER_COUNT);
}

/* The NIC's word stands for plain packets, not for those it may not have looked through. */
static void test_checksum_by_nic(void)
{
    struct frame_port port = our_port();
    struct udp_question question = udp_plain();
    struct bytes bytes;
    struct frame frame;
    size_t udp;

    (void)udp_make(&bytes, &question, &udp);
    bytes.data[bytes.size - 1] ^= 0xff;
    frame_parse(&port, (struct span){bytes.data, bytes.size}, true, &frame);
    CHECK_EQ(frame.kind, FRAME_DHCP6);
    question.first_header = 60;
    question.extensions = "11 00 0104 0000 0000";
    (void)udp_make(&bytes, &question, &udp);
    frame_parse(&port, (struct span){bytes.data, bytes.size}, true, &frame);
    CHECK_EQ(frame.kind, FRAME_DHCP6);
    bytes.data[bytes.size - 1] ^= 0xff;
    frame_parse(&port, (struct span){bytes.data, bytes.size}, true, &frame);
    CHECK_EQ(frame.drop_reason, COUNTER_drop_udp_checksum);
}

static enum counter icmp_reason(unsigned type, struct ip6 src, struct ip6 dst, const char *mac,
                                unsigned spoil)
{
    struct frame_port port = our_port();
    struct bytes bytes = {.size = 0};
    struct frame frame;
    size_t ip;

    put_ethernet(&bytes, mac, 0x86dd);
    ip = put_ip6_header(&bytes, 58, 255, src, dst);
    put_u8(&bytes, type);
    put_hex(&bytes, "00 0000 1234 5678 abcdef");
    finish(&bytes, ip, ip + 40, 58);
    bytes.data[ip + 42] ^= (uint8_t)spoil;
    frame_parse(&port, (struct span){bytes.data, bytes.size}, true, &frame);
    if (frame.kind == FRAME_ICMP6) {
        CHECK_EQ(frame.payload.size, 11);
        CHECK_EQ(frame.payload.data[0], type);
    }
    return frame.kind == FRAME_ICMP6 ? COUNTER_COUNT : frame.drop_reason;
}

static void test_icmp6(void)
{
    static const struct ip6 solicited = {0xff02000000000000, 0x1ffc0ffee};
    static const struct ip6 foreign = {0xff02000000000000, 0x1ff123456};

    CHECK_EQ(icmp_reason(128, THEIR_LOCAL, OUR_LOCAL, OUR_MAC, 0), COUNTER_COUNT);
    CHECK_EQ(icmp_reason(128, THEIR_LOCAL, FRAME_ALL_NODES, "\x33\x33\0\0\0\1", 0), COUNTER_COUNT);
    CHECK_EQ(icmp_reason(135, THEIR_LOCAL, solicited, "\x33\x33\xff\xc0\xff\xee", 0),
             COUNTER_COUNT);
    CHECK_EQ(icmp_reason(135, THEIR_LOCAL, foreign, "\x33\x33\xff\x12\x34\x56", 0),
             COUNTER_drop_frame_not_ours);
    CHECK_EQ(icmp_reason(130, THEIR_LOCAL, FRAME_ALL_NODES, "\x33\x33\0\0\0\1", 0), COUNTER_COUNT);
    CHECK_EQ(icmp_reason(134, THEIR_LOCAL, FRAME_ALL_NODES, "\x33\x33\0\0\0\1", 0),
             COUNTER_drop_icmp6_other);
    CHECK_EQ(icmp_reason(1, THEIR_LOCAL, OUR_LOCAL, OUR_MAC, 0), COUNTER_drop_icmp6_other);
    CHECK_EQ(icmp_reason(128, THEIR_LOCAL, OUR_LOCAL, OUR_MAC, 1), COUNTER_drop_icmp6_invalid);
    CHECK_EQ(icmp_reason(135, UNSPECIFIED, solicited, "\x33\x33\xff\xc0\xff\xee", 0),
             COUNTER_COUNT);
    CHECK_EQ(icmp_reason(128, UNSPECIFIED, OUR_LOCAL, OUR_MAC, 0), COUNTER_drop_ip6_source);
    CHECK_EQ(icmp_reason(130, UNSPECIFIED, FRAME_ALL_NODES, "\x33\x33\0\0\0\1", 0),
             COUNTER_drop_ip6_source);
}

static const struct check_test tests[] = {
    {"captured_solicit", test_captured_solicit},
    {"truncation_at_every_byte", test_truncation_at_every_byte},
    {"payload_size_at_every_byte", test_payload_size_at_every_byte},
    {"padding_ignored", test_padding_ignored},
    {"destinations", test_destinations},
    {"sources", test_sources},
    {"vlans", test_vlans},
    {"extensions", test_extensions},
    {"version_and_ports", test_version_and_ports},
    {"udp_length", test_udp_length},
    {"checksum_sees_every_bit", test_checksum_sees_every_bit},
    {"checksum_zero", test_checksum_zero},
    {"checksum_partial", test_checksum_partial},
    {"checksum_by_nic", test_checksum_by_nic},
    {"icmp6", test_icmp6},
};

CHECK_MAIN(tests)

/* ndp.h: answers to neighbours, echo requests and MLD queries, octet for octet. */
#include "frames.h"
#include "net/ndp.h"

#define SOLICITED_NODE     ((struct ip6){0xff02000000000000, 0x1ff000001})
#define SOLICITED_NODE_MAC "\x33\x33\xff\x00\x00\x01"
#define ALL_NODES_MAC      "\x33\x33\x00\x00\x00\x01"

/* An ICMPv6 question: body in hex after type, code and checksum. */
struct question {
    const char *dst_mac;
    struct ip6 src, dst;
    unsigned type, code, hop_limit;
    const char *body;
    const char *options; /* hop-by-hop header, or NULL */
};

struct reply {
    uint8_t data[NDP_BUF_SIZE + 1];
    size_t size;
    enum counter counter;
};

static const char router_alert[] = "3a 00 0502 0000 0100";

static void question_ask(const struct frame_port *port, const struct question *question,
                         const char *tags, struct reply *ret_reply)
{
    struct bytes bytes = {.size = 0};
    struct frame frame;
    size_t ip, icmp;
    uint8_t *copy;

    put(&bytes, question->dst_mac, 6);
    put(&bytes, THEIR_MAC, 6);
    put_hex(&bytes, tags);
    put_u16(&bytes, 0x86dd);
    ip = put_ip6_header(&bytes, question->options ? 0 : 58, question->hop_limit, question->src,
                        question->dst);
    put_hex(&bytes, question->options ? question->options : "");
    icmp = bytes.size;
    put_u8(&bytes, question->type);
    put_u8(&bytes, question->code);
    put_u16(&bytes, 0);
    put_hex(&bytes, question->body);
    finish(&bytes, ip, icmp, 58);
    memset(ret_reply->data, 0xee, sizeof(ret_reply->data));
    ret_reply->size = 0;
    ret_reply->counter = COUNTER_COUNT;
    copy = malloc(bytes.size); /* a sanitizer sees a read past its end */
    memcpy(copy, bytes.data, bytes.size);
    frame_parse(port, (struct span){copy, bytes.size}, false, &frame);
    CHECK_EQ(frame.kind, FRAME_ICMP6);
    if (frame.kind == FRAME_ICMP6) {
        ret_reply->size =
            ndp_answer(port, &frame, ret_reply->data, NDP_BUF_SIZE, &ret_reply->counter);
    }
    free(copy);
    CHECK_EQ(ret_reply->data[ret_reply->size], 0xee);
}

/* The answer is these octets (hex), but for the checksum at icmp + 2, which must be right. */
static void reply_check(const uint8_t *data, size_t size, const char *expected_hex, size_t ip,
                        size_t icmp)
{
    struct bytes expected = {.size = 0};

    put_hex(&expected, expected_hex);
    CHECK_EQ(size, expected.size);
    if (size == expected.size) {
        CHECK_EQ(naive_sum(data + ip, 58, data + icmp, size - icmp), 0xffff);
        memcpy(expected.data + icmp + 2, data + icmp + 2, 2);
        CHECK_MEM(data, expected.data, size);
        CHECK_EQ(data[ip + 4] << 8 | data[ip + 5], size - ip - 40);
    }
}

static struct question solicitation(void)
{
    return (struct question){.dst_mac = SOLICITED_NODE_MAC,
                             .src = THEIR_LOCAL,
                             .dst = SOLICITED_NODE,
                             .type = 135,
                             .hop_limit = 255,
                             .body = "00000000 20010db8000000010000000000000001 0101020000000002"};
}

static void test_neighbor(void)
{
    struct frame_port port = our_port();
    struct question question = solicitation();
    struct reply reply;

    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_rx_neighbor_solicitation);
    CHECK_EQ(ndp_sent_counter(reply.counter), COUNTER_tx_neighbor_advertisement);
    reply_check(
        reply.data, reply.size,
        "020000000002 020000000001 86dd"
        "60000000 0020 3a ff 20010db8000000010000000000000001 fe8000000000000000000000ff000002"
        "88 00 0000 60000000 20010db8000000010000000000000001 0201 020000000001",
        14, 54);
}

static void test_neighbor_unicast_tagged(void)
{
    struct frame_port port = our_port();
    struct question question = solicitation();
    struct reply reply;

    question.dst_mac = OUR_MAC;
    question.dst = OUR_LOCAL;
    question.body = "00000000 fe8000000000000000000000ff000001";
    question_ask(&port, &question, "88a8 0064 8100 2001", &reply);
    CHECK_EQ(reply.counter, COUNTER_rx_neighbor_solicitation);
    reply_check(
        reply.data, reply.size,
        "020000000002 020000000001 88a80064 81002001 86dd"
        "60000000 0020 3a ff fe8000000000000000000000ff000001 fe8000000000000000000000ff000002"
        "88 00 0000 60000000 fe8000000000000000000000ff000001 0201 020000000001",
        22, 62);
}

/* Somebody's duplicate address detection: answered to all nodes, not solicited (RFC 4861 7.2.4). */
static void test_neighbor_from_unspecified(void)
{
    struct frame_port port = our_port();
    struct question question = solicitation();
    struct reply reply;

    question.src = UNSPECIFIED;
    question.body = "00000000 20010db8000000010000000000000001";
    question_ask(&port, &question, "8100 0007", &reply);
    CHECK_EQ(reply.counter, COUNTER_rx_neighbor_solicitation);
    reply_check(
        reply.data, reply.size,
        "333300000001 020000000001 81000007 86dd"
        "60000000 0020 3a ff 20010db8000000010000000000000001 ff020000000000000000000000000001"
        "88 00 0000 20000000 20010db8000000010000000000000001 0201 020000000001",
        18, 58);
}

static void test_neighbor_validation(void)
{
    static const struct {
        const char *body;
        enum counter expected;
    } rows[] = {
        {"00000000 20010db8000000010000000000000001", COUNTER_rx_neighbor_solicitation},
        {"ffffffff 20010db8000000010000000000000001",
         COUNTER_rx_neighbor_solicitation}, /* reserved */
        {"00000000 20010db8000000010000000000000001 fd01000000000000 0101020000000002",
         COUNTER_rx_neighbor_solicitation}, /* unknown option */
        {"00000000 20010db8000000010000000000c0ff0e", COUNTER_drop_icmp6_other}, /* not ours */
        {"00000000 20010db80000000100000000000000", COUNTER_drop_icmp6_invalid}, /* 23 octets */
        {"00000000", COUNTER_drop_icmp6_invalid},
        {"", COUNTER_drop_icmp6_invalid},
        {"00000000 ff0200000000000000000001ff000001", COUNTER_drop_icmp6_invalid}, /* multicast */
        {"00000000 20010db8000000010000000000000001 0100020000000002", COUNTER_drop_icmp6_invalid},
        {"00000000 20010db8000000010000000000000001 0102020000000002", COUNTER_drop_icmp6_invalid},
        {"00000000 20010db8000000010000000000000001 01", COUNTER_drop_icmp6_invalid},
    };
    struct frame_port port = our_port();
    struct question question;
    struct reply reply;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        question = solicitation();
        question.body = rows[i].body;
        question_ask(&port, &question, "", &reply);
        CHECK_EQ(reply.counter, rows[i].expected);
        CHECK((reply.size > 0) == (rows[i].expected == COUNTER_rx_neighbor_solicitation));
    }
    question = solicitation();
    question.hop_limit = 254;
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_drop_icmp6_invalid);
    question = solicitation();
    question.code = 1;
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_drop_icmp6_invalid);
    question = solicitation(); /* from ::, with a source link-layer address */
    question.src = UNSPECIFIED;
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_drop_icmp6_invalid);
    question = solicitation(); /* from ::, to a group that is no solicited-node one */
    question.src = UNSPECIFIED;
    question.dst_mac = ALL_NODES_MAC;
    question.dst = FRAME_ALL_NODES;
    question.body = rows[0].body;
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_drop_icmp6_invalid);
    question = solicitation(); /* from ::, to a unicast address */
    question.src = UNSPECIFIED;
    question.dst_mac = OUR_MAC;
    question.dst = OUR_GLOBAL;
    question.body = rows[0].body;
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_drop_icmp6_invalid);
}

static struct question echo(void)
{
    return (struct question){.dst_mac = OUR_MAC,
                             .src = THEIR_GLOBAL,
                             .dst = OUR_SECOND,
                             .type = 128,
                             .hop_limit = 60,
                             .body = "1234 0001 0001020304"};
}

static void test_echo(void)
{
    struct frame_port port = our_port();
    struct question question = echo();
    struct reply reply;

    question_ask(&port, &question, "8100 0005", &reply);
    CHECK_EQ(reply.counter, COUNTER_rx_echo_request);
    CHECK_EQ(ndp_sent_counter(reply.counter), COUNTER_tx_echo_reply);
    reply_check(
        reply.data, reply.size,
        "020000000002 020000000001 81000005 86dd"
        "60000000 000d 3a 40 20010db8000000010000000000c0ffee 20010db8000000170000000000000001"
        "81 00 0000 1234 0001 0001020304",
        18, 58);
}

/* RFC 4443 4.2: asked at a group, we answer from a unicast address. */
static void test_echo_multicast(void)
{
    struct frame_port port = our_port();
    struct question question = echo();
    struct reply reply;

    question.dst_mac = ALL_NODES_MAC;
    question.dst = FRAME_ALL_NODES;
    question.src = THEIR_LOCAL;
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_rx_echo_request);
    CHECK(ip6_equal(wire_get_ip6(reply.data + 22), OUR_LOCAL));
    CHECK(ip6_equal(wire_get_ip6(reply.data + 38), THEIR_LOCAL));
}

static void test_echo_limits(void)
{
    static char body[2 * 1500 + 1];
    struct frame_port port = our_port();
    struct question question = echo();
    struct reply reply;

    question.body = "1234 00";
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_drop_icmp6_invalid);
    memset(body, '5', sizeof(body) - 1);
    question.body = body + 2 * (1500 - (1500 - 40 - 4)); /* the MTU exactly */
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_rx_echo_request);
    CHECK_EQ(reply.size, 1514);
    question.body -= 2;
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_drop_reply_too_big);
    CHECK_EQ(reply.size, 0);
}

static struct question query(const char *body)
{
    return (struct question){.dst_mac = ALL_NODES_MAC,
                             .src = THEIR_LOCAL,
                             .dst = FRAME_ALL_NODES,
                             .type = 130,
                             .hop_limit = 1,
                             .body = body,
                             .options = router_alert};
}

static const char query_general[] = "27100000 00000000000000000000000000000000 027d0000";
static const char query_agents[] = "03e80000 ff020000000000000000000000010002 027d0000";

#define REPORT_HEADER(size, report_size)                                                           \
    "333300000016 020000000001 86dd 60000000" size                                                 \
    "00 01 fe8000000000000000000000ff000001 ff020000000000000000000000000016"                      \
    "3a00 05020000 0100 8f00 0000 0000" report_size

static void test_mld_query(void)
{
    struct frame_port port = our_port();
    struct question question = query(query_general);
    struct reply reply;

    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_rx_mld_query);
    CHECK_EQ(ndp_sent_counter(reply.counter), COUNTER_tx_mld_report);
    reply_check(reply.data, reply.size,
                REPORT_HEADER("0060", "0004") /* two addresses share ...:1 */
                "02000000 ff020000000000000000000000010002"
                "02000000 ff050000000000000000000000010003"
                "02000000 ff0200000000000000000001ff000001"
                "02000000 ff0200000000000000000001ffc0ffee",
                14, 62);
    question.body = query_agents;
    question.dst_mac = AGENTS_MAC;
    question.dst = FRAME_ALL_DHCP_AGENTS;
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_rx_mld_query);
    reply_check(reply.data, reply.size,
                REPORT_HEADER("0024", "0001") "02000000 ff020000000000000000000000010002", 14, 62);
}

/* A version 1 querier gets a version 1 report (RFC 3810 8.2.1). */
static void test_mld_query_version1(void)
{
    static const char expected[] =
        "333300010002 020000000001 86dd 60000000 0020 00 01"
        "fe8000000000000000000000ff000001 ff020000000000000000000000010002"
        "3a00 05020000 0100 8300 0000 0000 0000 ff020000000000000000000000010002";
    struct frame_port port = our_port();
    struct question question = query("03e80000 ff020000000000000000000000010002");
    struct reply reply;

    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_rx_mld_query);
    reply_check(reply.data, reply.size, expected, 14, 62);
    question.body = "27100000 00000000000000000000000000000000";
    question_ask(&port, &question, "", &reply);
    reply_check(reply.data, reply.size, expected, 14, 62);
}

static void test_mld_query_validation(void)
{
    struct frame_port port = our_port();
    struct question question = query(query_general);
    struct reply reply;

    question.options = NULL; /* no Router Alert */
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_drop_icmp6_invalid);
    question = query(query_general);
    question.hop_limit = 2;
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_drop_icmp6_invalid);
    question = query(query_general);
    question.src = THEIR_GLOBAL;
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_drop_icmp6_invalid);
    question = query("27100000 00000000000000000000000000000000 027d"); /* 26 octets */
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_drop_icmp6_invalid);
    question = query("27100000 00000000000000000000000000000000 027d0001"); /* a source missing */
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_drop_icmp6_invalid);
    question = query("27100000 ff0200000000000000000000000000fb 027d0000"); /* others' group */
    question_ask(&port, &question, "", &reply);
    CHECK_EQ(reply.counter, COUNTER_rx_mld_query);
    CHECK_EQ(reply.size, 0);
}

/* A report captured from Linux, which was in the same two groups, is what we would have sent. */
static void test_mld_report_captured(void)
{
    static const char captured[] =
        "3333 0000 0016 0800 27d4 10bb 86dd 6000 0000 0038 0001 fe80 0000 0000 0000 0a00"
        "27ff fed4 10bb ff02 0000 0000 0000 0000 0000 0000 0016 3a00 0502 0000 0100 8f00"
        "2b5a 0000 0002 0400 0000 ff05 0000 0000 0000 0000 0000 0001 0003 0400 0000 ff02"
        "0000 0000 0000 0000 0000 0001 0002";
    struct frame_port port = {.mac = {0x08, 0x00, 0x27, 0xd4, 0x10, 0xbb},
                              .addresses = {{0xfe80000000000000, 0x0a0027fffed410bb}},
                              .address_count = 1,
                              .mtu = FRAME_MTU_DEFAULT};
    struct bytes expected = {.size = 0};
    uint8_t buf[256];
    size_t size = ndp_mld_report(&port, buf, sizeof(buf));

    put_hex(&expected, captured);
    CHECK_EQ(size, expected.size + 20); /* and the solicited-node group */
    CHECK_MEM(buf, expected.data, 18);
    CHECK_MEM(buf + 20, expected.data + 20, 44);
    CHECK_MEM(buf + 66, expected.data + 66, 3);
    CHECK_EQ(buf[69], 3);
    CHECK_MEM(buf + 70, expected.data + 90, 20); /* ff02::1:2 stands first here */
    CHECK_MEM(buf + 90, expected.data + 70, 20);
    CHECK_EQ(naive_sum(buf + 14, 58, buf + 62, size - 62), 0xffff);
}

static void test_announce(void)
{
    struct frame_port port = our_port();
    uint8_t buf[128];
    size_t size = ndp_announce(&port, 2, buf, sizeof(buf));

    reply_check(
        buf, size,
        "333300000001 020000000001 86dd"
        "60000000 0020 3a ff 20010db8000000010000000000c0ffee ff020000000000000000000000000001"
        "88 00 0000 20000000 20010db8000000010000000000c0ffee 0201 020000000001",
        14, 54);
    CHECK_EQ(ndp_announce(&port, 3, buf, sizeof(buf)), 0);
}

/* Every writer fits its frame exactly or writes nothing. */
static void test_small_buffers(void)
{
    struct frame_port port = our_port();
    size_t report_size = 14 + 40 + 8 + 8 + 4 * 20, announce_size = 14 + 40 + 32;

    for (size_t size = 0; size <= report_size; size++) {
        uint8_t *buf = malloc(size + 1);

        CHECK_EQ(ndp_mld_report(&port, buf, size), size == report_size ? size : 0);
        CHECK_EQ(ndp_announce(&port, 0, buf, size), size >= announce_size ? announce_size : 0);
        free(buf);
    }
}

static void test_other_frames(void)
{
    struct frame_port port = our_port();
    struct frame frame = {.kind = FRAME_DHCP6, .payload = {(const uint8_t *)"\x87", 1}};
    enum counter counter = COUNTER_COUNT;
    uint8_t buf[NDP_BUF_SIZE];

    CHECK_EQ(ndp_answer(&port, &frame, buf, sizeof(buf), &counter), 0);
    CHECK_EQ(counter, COUNTER_drop_icmp6_other);
}

static const struct check_test tests[] = {
    {"neighbor", test_neighbor},
    {"neighbor_unicast_tagged", test_neighbor_unicast_tagged},
    {"neighbor_from_unspecified", test_neighbor_from_unspecified},
    {"neighbor_validation", test_neighbor_validation},
    {"echo", test_echo},
    {"echo_multicast", test_echo_multicast},
    {"echo_limits", test_echo_limits},
    {"mld_query", test_mld_query},
    {"mld_query_version1", test_mld_query_version1},
    {"mld_query_validation", test_mld_query_validation},
    {"mld_report_captured", test_mld_report_captured},
    {"announce", test_announce},
    {"small_buffers", test_small_buffers},
    {"other_frames", test_other_frames},
};

CHECK_MAIN(tests)

/* Control messages byte for byte, what is tolerated in them and what is not. */
#include "check.h"
#include "failover/fo_wire.h"
#include "hex.h"

enum {
    NOW = 0x31000000, /* sent-time of the reference vectors */
    BUF_SIZE = 2048,
};

static struct span text_span(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* The frame that was written equals the digits, and is parsed again. */
static void check_frame(uint8_t *frame, size_t size, const char *digits, struct fo_message *message)
{
    uint8_t expected[BUF_SIZE];
    size_t expected_size = hex_read(digits, expected);
    struct span inner = {NULL, 0};

    CHECK_EQ(size, expected_size);
    if (size != expected_size) {
        return;
    }
    fo_frame_stamp(frame, NOW);
    CHECK_MEM(frame, expected, size);
    CHECK_EQ(fo_frame_next((struct span){frame, size}, &inner), size);
    CHECK_EQ(fo_wire_parse(inner, message), 0);
    CHECK_EQ(message->type, fo_frame_type(frame));
    CHECK_EQ(message->xid, fo_frame_xid(frame));
}

static void test_bare(void)
{
    struct fo_message message;
    uint8_t buf[BUF_SIZE];

    check_frame(buf, fo_encode_bare(FO_STARTTLS, 1, buf, sizeof(buf)), "0004 17 000001", &message);
    CHECK_EQ(message.sent_s, 0);
    check_frame(buf, fo_encode_status(FO_REPLY, 1, FO_STATUS_SUCCESS, NULL, buf, sizeof(buf)),
                "0004 07 000001", &message);
    CHECK(!message.status.present);
    check_frame(buf, fo_encode_bare(FO_CONTACT, 5, buf, sizeof(buf)), "0008 23 000005 31000000",
                &message);
    CHECK_EQ(message.sent_s, NOW);
    check_frame(buf, fo_encode_bare(FO_UPDREQALL, FO_XID_MAX, buf, sizeof(buf)),
                "0008 1d ffffff 31000000", &message);
    CHECK_EQ(fo_encode_bare(FO_CONTACT, 5, buf, 9), 0);
}

static void test_state(void)
{
    struct fo_state state = {
        .state = FO_NORMAL, .flags = FO_FLAG_COMMUNICATED, .start_s = NOW - 16};
    struct fo_message message;
    uint8_t buf[BUF_SIZE];

    check_frame(buf, fo_encode_state(3, &state, buf, sizeof(buf)),
                "001a 22 000003 31000000 0084 0001 02 0083 0001 01 0085 0004 30fffff0", &message);
    CHECK_EQ(message.state.state, FO_NORMAL);
    CHECK_EQ(message.state.flags, FO_FLAG_COMMUNICATED);
    CHECK_EQ(message.state.start_s, NOW - 16);
    CHECK(message.state.has_flags && message.state.has_start && !message.state.has_partner_down);
    state = (struct fo_state){.state = FO_PARTNER_DOWN,
                              .flags = FO_FLAG_COMMUNICATED | FO_FLAG_ACK_STARTUP,
                              .start_s = NOW - 1,
                              .partner_down_s = NOW - 2};
    check_frame(buf, fo_encode_state(3, &state, buf, sizeof(buf)),
                "0022 22 000003 31000000 0084 0001 04 0083 0001 05 0085 0004 30ffffff"
                "007d 0004 30fffffe",
                &message);
    CHECK(message.state.has_partner_down);
    CHECK_EQ(message.state.partner_down_s, NOW - 2);
}

static const struct fo_connect connect_vector = {
    .has = FO_HAS_CONNECT | FO_HAS_NAME,
    .version_major = 1,
    .mclt_s = 3600,
    .keepalive_s = 60,
    .max_unacked = 100,
    .flags = FO_FLAG_FIXED_PD_LENGTH,
    .name = {(const uint8_t *)"isp1", 4},
};

static void test_connect(void)
{
    struct fo_message message;
    uint8_t buf[BUF_SIZE];

    check_frame(buf, fo_encode_connect(FO_CONNECT, 2, &connect_vector, buf, sizeof(buf)),
                "0036 1f 000002 31000000 007f 0004 0001 0000 007a 0004 00000e10"
                "0080 0004 0000003c 0079 0004 00000064 0082 0004 69737031 0073 0002 0001",
                &message);
    CHECK_EQ(message.connect.has, FO_HAS_CONNECT | FO_HAS_NAME);
    CHECK_EQ(message.connect.version_major, 1);
    CHECK_EQ(message.connect.version_minor, 0);
    CHECK_EQ(message.connect.mclt_s, 3600);
    CHECK_EQ(message.connect.keepalive_s, 60);
    CHECK_EQ(message.connect.max_unacked, 100);
    CHECK_EQ(message.connect.flags, FO_FLAG_FIXED_PD_LENGTH);
    CHECK(span_equal(message.connect.name, text_span("isp1")));
    CHECK_EQ(message.connect.capabilities.software.size, 0);
}

static void test_statuses(void)
{
    char text[FO_TEXT_SIZE_MAX + 50];
    struct fo_message message;
    uint8_t buf[BUF_SIZE];

    check_frame(buf,
                fo_encode_status(FO_DISCONNECT, 9, FO_STATUS_SHUTTING_DOWN, "bye", buf, BUF_SIZE),
                "0011 21 000009 31000000 000d 0005 0014 627965", &message);
    CHECK(message.status.present);
    CHECK_EQ(message.status.code, 20);
    CHECK(span_equal(message.status.text, text_span("bye")));
    check_frame(buf, fo_encode_status(FO_REPLY, 1, FO_STATUS_TLS_REFUSED, NULL, buf, BUF_SIZE),
                "000a 07 000001 000d 0002 000f", &message);
    CHECK_EQ(message.status.code, FO_STATUS_TLS_REFUSED);
    CHECK_EQ(message.status.text.size, 0);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    CHECK_EQ(fo_encode_status(FO_DISCONNECT, 9, FO_STATUS_UNSPEC_FAIL, text, buf, BUF_SIZE),
             2 + 8 + 4 + 2 + FO_TEXT_SIZE_MAX);
}

static void test_capabilities(void)
{
    struct fo_connect connect = connect_vector;
    struct fo_capabilities *ours = &connect.capabilities;
    struct fo_message message;
    uint8_t buf[BUF_SIZE];

    connect.has = FO_HAS_MCLT;
    *ours = (struct fo_capabilities){text_span("tandem6 0.1.0"), {{1, 3}, {7, 1}}, 2};
    check_frame(buf, fo_encode_connect(FO_CONNECTREPLY, 2, &connect, buf, sizeof(buf)),
                "0035 20 000002 31000000 007a 0004 00000e10 0011 0021 00007ed9"
                "0001 000d 74616e64656d3620302e312e30 0002 0008 0001 0003 0007 0001",
                &message);
    CHECK(span_equal(message.connect.capabilities.software, ours->software));
    CHECK_EQ(message.connect.capabilities.count, 2);
    message.connect.capabilities.items[0].version = 2;
    CHECK_EQ(fo_capability_common(ours, &message.connect.capabilities, 1), 2);
    CHECK_EQ(fo_capability_common(ours, &message.connect.capabilities, 7), 1);
    CHECK_EQ(fo_capability_common(ours, &message.connect.capabilities, 8), 0);
    message.connect.capabilities.count = 1;
    CHECK_EQ(fo_capability_common(ours, &message.connect.capabilities, 7), 0);
}

static int parse(const char *digits, uint8_t *buf, struct fo_message *ret_message)
{
    return fo_wire_parse((struct span){buf, hex_read(digits, buf)}, ret_message);
}

/* Vendor options of others, or broken ones of ours: the rest of the message is not disturbed. */
static void test_foreign_vendor(void)
{
    static const char *const vendors[] = {
        "0011 0008 00000009 0001 0000",              /* another enterprise */
        "0011 000e 00007ed9 0001 0006 74616e64656d", /* same example number, other software */
        "0011 0002 0000",                            /* shorter than a number */
        "0011 0004 00007ed9",                        /* nothing in it */
        "0011 0015 00007ed9 0001 0009 74616e64656d362031 0002 0008", /* cut sub-option */
    };
    struct fo_message message;
    uint8_t buf[BUF_SIZE];
    char digits[400];

    for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++) {
        (void)snprintf(digits, sizeof(digits), "1f 000002 31000000 %s 007a 0004 00000e10",
                       vendors[i]);
        CHECK_EQ(parse(digits, buf, &message), 0);
        CHECK_EQ(message.connect.capabilities.software.size, 0);
        CHECK_EQ(message.connect.capabilities.count, 0);
        CHECK_EQ(message.connect.has, FO_HAS_MCLT);
    }
}

static void test_tolerance(void)
{
    struct fo_message message;
    uint8_t buf[BUF_SIZE];

    /* Wrong size: absent. The first counts. Unknown options: passed over. */
    CHECK_EQ(parse("1f 000002 31000000 007a 0003 000e10 ffff 0001 00 0080 0004 00000001"
                   "0080 0004 00000002",
                   buf, &message),
             0);
    CHECK_EQ(message.connect.has, FO_HAS_KEEPALIVE);
    CHECK_EQ(message.connect.keepalive_s, 1);
    CHECK_EQ(parse("22 000002 31000000 0084 0002 0202 0083 0000", buf, &message), 0);
    CHECK_EQ(message.state.state, 0);
    CHECK(!message.state.has_flags && !message.state.has_start);
    CHECK_EQ(parse("21 000002 31000000 000d 0001 00", buf, &message), 0);
    CHECK(!message.status.present);
    /* Options in a STARTTLS are no reason to refuse it (RFC 7653 9.1). */
    CHECK_EQ(parse("17 000001 0008 0002 0000", buf, &message), 0);
}

static void test_malformed(void)
{
    struct fo_message message = {.xid = 77};
    uint8_t buf[BUF_SIZE];

    CHECK_EQ(parse("", buf, &message), -EBADMSG);
    CHECK_EQ(parse("22 0000", buf, &message), -EBADMSG);
    CHECK_EQ(parse("22 000002 310000", buf, &message), -EBADMSG);
    CHECK_EQ(parse("22 000002 31000000 0084", buf, &message), -EBADMSG);
    CHECK_EQ(parse("22 000002 31000000 0084 0002 02", buf, &message), -EBADMSG);
    CHECK_EQ(parse("01 000002", buf, &message), -ENOMSG);
    CHECK_EQ(parse("24 000002 31000000", buf, &message), -ENOMSG);
    CHECK_EQ(parse("ff 000002", buf, &message), -ENOMSG);
    CHECK_EQ(message.xid, 77);
}

static void test_frames(void)
{
    uint8_t buf[BUF_SIZE];
    size_t size = hex_read("0004 17 000001 0000 0008 23 000005 31000000", buf);
    struct span message = {NULL, 0};

    CHECK_EQ(fo_frame_next((struct span){buf, 0}, &message), 0);
    CHECK_EQ(fo_frame_next((struct span){buf, 1}, &message), 0);
    CHECK_EQ(fo_frame_next((struct span){buf, 5}, &message), 0);
    CHECK(message.data == NULL);
    CHECK_EQ(fo_frame_next((struct span){buf, 6}, &message), 6);
    CHECK_EQ(message.size, 4);
    CHECK_EQ(fo_frame_next((struct span){buf + 6, size - 6}, &message), 2);
    CHECK_EQ(message.size, 0);
    CHECK_EQ(fo_frame_next((struct span){buf + 8, size - 8}, &message), 10);
    CHECK_EQ(message.size, 8);
}

static void test_header_in_place(void)
{
    uint8_t frame[16];

    CHECK_EQ(fo_encode_bare(FO_POOLREQ, 0, frame, sizeof(frame)), 10);
    fo_frame_xid_set(frame, 0xabcdef);
    fo_frame_stamp(frame, 0x01020304);
    CHECK_EQ(fo_frame_type(frame), FO_POOLREQ);
    CHECK_EQ(fo_frame_xid(frame), 0xabcdef);
    CHECK_EQ(wire_get_u32(frame + 6), 0x01020304);
    CHECK_EQ(fo_encode_bare(FO_STARTTLS, 1, frame, sizeof(frame)), 6);
    frame[6] = 0x5a;
    fo_frame_stamp(frame, 0x01020304);
    CHECK_EQ(frame[6], 0x5a);
}

static void test_names(void)
{
    CHECK_STR(fo_message_name(FO_BNDUPD), "BNDUPD");
    CHECK_STR(fo_message_name(36), "UNKNOWN");
    CHECK_STR(fo_message_name(8), "UNKNOWN");
    CHECK_STR(fo_state_name(FO_RESOLUTION_INTERRUPTED), "RESOLUTION-INTERRUPTED");
    CHECK_STR(fo_state_name(0), "UNKNOWN");
    CHECK_STR(fo_state_name(11), "UNKNOWN");
    CHECK_STR(fo_status_name(22), "ExcessiveTimeSkew");
    CHECK_STR(fo_status_name(2), "UNKNOWN");
    CHECK_STR(fo_status_name(23), "UNKNOWN");
}

static const struct check_test tests[] = {
    {"bare messages", test_bare},
    {"STATE", test_state},
    {"CONNECT", test_connect},
    {"status codes", test_statuses},
    {"capabilities", test_capabilities},
    {"foreign vendor options", test_foreign_vendor},
    {"tolerance", test_tolerance},
    {"malformed", test_malformed},
    {"frames", test_frames},
    {"header in place", test_header_in_place},
    {"names", test_names},
};

CHECK_MAIN(tests)

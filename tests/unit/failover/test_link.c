/* What transcripts cannot show of the link: octets cut anywhere, full buffers, numbers that wrap.
 */
#include <stdlib.h>

#include "check.h"
#include "failover/fo_binding.h"
#include "failover/fo_link.h"
#include "hex.h"

enum {
    NOW = 0x31000000,
    LARGE = 60000, /* octets of a large update */
};

static const struct fo_time start = {1000, NOW};

static const struct fo_link_config primary = {
    .role = FO_PRIMARY,
    .name = {(const uint8_t *)"isp1", 4},
    .mclt_s = 3600,
    .keepalive_s = 600,
    .max_unacked = 1000,
};

static size_t input_digits(struct fo_link *link, const char *digits)
{
    uint8_t buf[512];
    size_t size = hex_read(digits, buf);

    return fo_link_input(link, (struct span){buf, size}, start);
}

/* A frame written in one go, its time and number set. */
static void output_all(struct fo_link *link)
{
    for (unsigned i = 0; i < 100000; i++) {
        struct span bytes = fo_link_output(link, start);

        if (bytes.size == 0) {
            return;
        }
        fo_link_output_done(link, bytes.size, start);
    }
    CHECK(false);
}

static void events_drop(struct fo_link *link)
{
    struct fo_link_event event;

    while (fo_link_next(link, start, &event)) {
    }
}

static void state_send(struct fo_link *link)
{
    static const struct fo_state state = {.state = FO_NORMAL, .start_s = NOW};
    uint8_t buf[64];
    size_t size = fo_encode_state(0, &state, buf, sizeof(buf));

    CHECK_EQ(fo_link_send(link, (struct span){buf, size}, 0, start), 0);
}

static void link_up(struct fo_link *link, const struct fo_link_config *config)
{
    CHECK_EQ(fo_link_init(link, config), 0);
    fo_link_start(link, start);
    CHECK_EQ(fo_link_run(link, start), FO_ACTION_CONNECT);
    fo_link_connected(link, start);
    output_all(link);
    (void)input_digits(link, "(20 000001 31000000 007f(00010000) 007a(00000e10) 0080(0000003c)"
                             "0079(00010000) 0073(0001))");
    events_drop(link);
    state_send(link);
    output_all(link);
    (void)input_digits(link, "(22 000009 31000000 0084(02) 0083(01) 0085(30fffff0))");
    events_drop(link);
    CHECK(fo_link_is_up(link));
}

static int update_send(struct fo_link *link, uint64_t cookie)
{
    static const struct lease block = {
        .resource = {{1, 0}, 56, LEASE_TYPE_PD}, .status = BINDING_FREE, .times = {.start_s = 1}};
    uint8_t buf[128];
    size_t size = fo_encode_bndupd(&block, 1, NOW, buf, sizeof(buf));

    return fo_link_send(link, (struct span){buf, size}, cookie, start);
}

/* A BNDUPD of any size; the link does not look inside. */
static int large_send(struct fo_link *link)
{
    uint8_t *buf = calloc(1, LARGE);
    int err;

    (void)fo_encode_bare(FO_BNDUPD, 0, buf, LARGE);
    wire_set_u16(buf, LARGE - 2);
    err = fo_link_send(link, (struct span){buf, LARGE}, 0, start);
    free(buf);
    return err;
}

/* STATE overtakes the second update, not the rest of the first. */
static void test_overtaking(void)
{
    struct fo_link link;
    struct span bytes;

    link_up(&link, &primary);
    CHECK_EQ(update_send(&link, 1), 0);
    CHECK_EQ(update_send(&link, 2), 0);
    bytes = fo_link_output(&link, start);
    CHECK(bytes.size > 20);
    fo_link_output_done(&link, 7, start);
    state_send(&link);
    CHECK_EQ(fo_link_output(&link, start).size, bytes.size / 2 - 7);
    fo_link_output_done(&link, 5, start);
    CHECK_EQ(fo_link_output(&link, start).size, bytes.size / 2 - 12);
    fo_link_output_done(&link, bytes.size / 2 - 12, start);
    CHECK_EQ(fo_frame_type(fo_link_output(&link, start).data), FO_STATE);
    fo_link_output_done(&link, 3, start);
    state_send(&link);
    /* A control message that has begun is finished, and the next one goes with it. */
    CHECK_EQ(fo_link_output(&link, start).size, (2 + 26) - 3);
    output_all(&link);
    fo_link_done(&link);
}

/* What waited is stamped as it leaves; what has begun to leave keeps its stamp. */
static void test_stamps(void)
{
    struct fo_time later = {start.ms + 4000, NOW + 4};
    struct fo_link link;
    struct span bytes;
    size_t one;

    link_up(&link, &primary);
    CHECK_EQ(update_send(&link, 1), 0);
    one = fo_link_output(&link, start).size;
    fo_link_output_done(&link, 0, start);
    CHECK_EQ(update_send(&link, 2), 0);
    bytes = fo_link_output(&link, later);
    CHECK_EQ(bytes.size, 2 * one);
    CHECK_EQ(wire_get_u32(bytes.data + 6), NOW + 4);
    CHECK_EQ(wire_get_u32(bytes.data + one + 6), NOW + 4);
    fo_link_output_done(&link, 1, later);
    later.s++;
    bytes = fo_link_output(&link, later);
    CHECK_EQ(bytes.size, one - 1);
    CHECK_EQ(wire_get_u32(bytes.data + 5), NOW + 4);
    fo_link_output_done(&link, bytes.size, later);
    CHECK_EQ(wire_get_u32(fo_link_output(&link, later).data + 6), NOW + 5);
    fo_link_done(&link);
}

/* DISCONNECT follows the rest of a frame that has begun, and nothing else. */
static void test_end_inside_a_frame(void)
{
    struct fo_link link;
    struct span bytes;
    size_t one;

    link_up(&link, &primary);
    CHECK_EQ(update_send(&link, 1), 0);
    CHECK_EQ(update_send(&link, 2), 0);
    one = fo_link_output(&link, start).size / 2;
    fo_link_output_done(&link, 9, start);
    fo_link_disconnect(&link, FO_STATUS_UNSPEC_FAIL, "enough", start);
    bytes = fo_link_output(&link, start);
    CHECK_EQ(bytes.size, one - 9);
    fo_link_output_done(&link, bytes.size, start);
    CHECK_EQ(fo_frame_type(fo_link_output(&link, start).data), FO_DISCONNECT);
    CHECK_EQ(fo_link_run(&link, start), FO_ACTION_NONE);
    output_all(&link);
    CHECK_EQ(fo_link_run(&link, start), FO_ACTION_CLOSE);
    fo_link_done(&link);
}

/* The queue takes what it has room for, again after it has been written, wherever it wraps. */
static void test_full_queue(void)
{
    struct fo_link_config config = primary;
    struct fo_link link;

    config.update_queue_size = 3 * LARGE;
    link_up(&link, &config);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(fo_link_update_room(&link, LARGE), 3 - i);
        CHECK_EQ(large_send(&link), 0);
    }
    CHECK_EQ(large_send(&link), -EAGAIN);
    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(fo_link_output(&link, start).size, LARGE);
        fo_link_output_done(&link, LARGE / 2, start);
        CHECK_EQ(large_send(&link), -EAGAIN);
        CHECK_EQ(fo_link_output(&link, start).size, LARGE - LARGE / 2);
        fo_link_output_done(&link, LARGE - LARGE / 2, start);
        CHECK_EQ(large_send(&link), 0);
    }
    fo_link_done(&link);
}

/* Numbers of outstanding requests are passed over when the counter comes round (RFC 8156 5.4). */
static void test_numbers_wrap(void)
{
    struct fo_link_event event;
    uint8_t buf[32], reply[32];
    struct fo_link link;
    uint32_t update_xid;

    link_up(&link, &primary);
    (void)fo_encode_bare(FO_UPDREQ, 0, buf, sizeof(buf));
    CHECK_EQ(fo_link_send(&link, (struct span){buf, 10}, 55, start), 0);
    CHECK_EQ(update_send(&link, 66), 0);
    update_xid = link.xid;
    CHECK_EQ(link.update_request.xid, update_xid - 1);
    link.xid = FO_XID_MAX;
    for (unsigned i = 0; i < 10; i++) {
        state_send(&link);
        CHECK(link.xid != 0 && link.xid != update_xid && link.xid != update_xid - 1);
    }
    /* A slot taken by another number with the same low bits. */
    link.xid = update_xid + FO_XID_SLOTS - 1;
    state_send(&link);
    CHECK_EQ(link.xid, update_xid + FO_XID_SLOTS + 1);
    (void)fo_encode_bare(FO_BNDREPLY, update_xid, reply, sizeof(reply));
    fo_frame_stamp(reply, NOW);
    (void)fo_link_input(&link, (struct span){reply, 10}, start);
    CHECK(fo_link_next(&link, start, &event) && event.type == FO_EVENT_MESSAGE);
    CHECK_EQ(event.cookie, 66);
    CHECK_EQ(link.unacked, 0);
    fo_link_done(&link);
}

/* Octet by octet, and everything at once: the same events. */
static void test_cut_input(void)
{
    static const char stream[] = "(23 000001 31000000) (1a 000002 31000000)"
                                 "(1c 000003 31000000) (21 000004 31000000)";
    uint8_t bytes[64];
    size_t size = hex_read(stream, bytes);

    for (size_t piece = 1; piece <= size; piece++) {
        static const uint32_t xids[] = {2, 3};
        struct fo_link_event event;
        struct fo_link link;
        unsigned count = 0;

        link_up(&link, &primary);
        for (size_t at = 0; at < size; at += piece) {
            size_t left = size - at < piece ? size - at : piece;

            CHECK_EQ(fo_link_input(&link, (struct span){bytes + at, left}, start), left);
            while (fo_link_next(&link, start, &event)) {
                if (count < 2) {
                    CHECK_EQ(event.message.xid, xids[count]);
                } else {
                    CHECK_EQ(event.type, FO_EVENT_DOWN);
                    CHECK_EQ(event.reason, FO_DOWN_DISCONNECTED);
                }
                count++;
            }
        }
        CHECK_EQ(count, 3);
        fo_link_done(&link);
    }
}

/* A layer above that takes nothing stops the input, and loses nothing; what arrived still counts as
 * heard. */
static void test_full_input(void)
{
    static const uint8_t poolreq[] = {0, 8, 26, 0, 0, 1, 0x31, 0, 0, 0};
    struct fo_time later = {start.ms + 300000, NOW + 300};
    size_t given = 0, taken, count = 0;
    struct fo_link_event event;
    struct fo_link link;

    link_up(&link, &primary);
    do {
        size_t left = sizeof(poolreq) - given % sizeof(poolreq);

        taken = fo_link_input(&link, (struct span){poolreq + given % sizeof(poolreq), left}, start);
        given += taken;
    } while (taken > 0);
    CHECK_EQ(fo_link_input_room(&link), 0);
    CHECK_EQ(given, link.config.input_size);
    CHECK_EQ(fo_link_input(&link, (struct span){poolreq, 10}, later), 0);
    CHECK_EQ(link.heard_ms, start.ms);
    while (fo_link_next(&link, start, &event)) {
        count++;
    }
    CHECK_EQ(count, given / sizeof(poolreq));
    CHECK(fo_link_input_room(&link) > 0);
    CHECK_EQ(link.stats.received[FO_POOLREQ], count);
    fo_link_done(&link);
}

static void test_names(void)
{
    CHECK_STR(fo_link_state_name(FO_LINK_UP), "up");
    CHECK_STR(fo_link_state_name(FO_LINK_STATE_COUNT), "UNKNOWN");
    CHECK_STR(fo_down_reason_name(FO_DOWN_STOP), "stop");
    CHECK_STR(fo_down_reason_name(FO_DOWN_COUNT), "UNKNOWN");
}

static const struct check_test tests[] = {
    {"overtaking", test_overtaking},
    {"stamps", test_stamps},
    {"end inside a frame", test_end_inside_a_frame},
    {"full queue", test_full_queue},
    {"numbers wrap", test_numbers_wrap},
    {"cut input", test_cut_input},
    {"full input", test_full_input},
    {"names", test_names},
};

CHECK_MAIN(tests)

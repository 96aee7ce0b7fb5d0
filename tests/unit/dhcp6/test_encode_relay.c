/* Answers through relays: bytes by hand, nesting to the limit, Interface-Id, Relay Source Port,
 * Echo Request, relay-supplied options. */
#include "answer.h"
#include "check.h"

static bool span_is(struct span span, const char *text, size_t size)
{
    return span_equal(span, (struct span){(const uint8_t *)text, size});
}

/* RFC 9915 19.3: hop-count, both addresses and Interface-Id come back. */
static void test_bytes(void)
{
    static const uint8_t expected[] = {
        13,   3,                                                                  /* RELAY-REPL */
        0x20, 1,    0x0d, 0xb8, 0,   0,   0,   0,   0, 0, 0, 0, 0,    0,    0, 1, /* link-address */
        0xfe, 0x80, 0,    0,    0,   0,   0,   0,   0, 0, 0, 0, 0,    0,    0, 2, /* peer-address */
        0,    18,   0,    4,    'e', 't', 'h', '7',                               /* INTERFACE_ID */
        0,    9,    0,    18,                                                     /* RELAY_MSG */
        7,    0x0a, 0x0b, 0x0c, 0,   2,   0,   10,  0, 2, 0, 0, 0x7e, 0xd9, 1, 2, 3, 4, /* REPLY */
    };
    struct build q, outer;
    struct answer a;

    build_message(&q, DHCP6_INFORMATION_REQUEST);
    build_relay(&outer, 3, (struct ip6){BUILD_DOC, 1}, (struct ip6){UINT64_C(0xfe80) << 48, 2});
    build_option(&outer, OPTION_INTERFACE_ID, "eth7", 4);
    build_option(&outer, OPTION_REMOTE_ID, "\0\0\0\1x", 5); /* not echoed unasked */
    build_relayed(&outer, &q);
    answer_init(&a, DHCP6_REPLY);
    CHECK_EQ(answer_encode(&a, &outer), sizeof(expected));
    CHECK_MEM(a.bytes, expected, sizeof(expected));
}

static void test_nesting(void)
{
    static struct build work[2];
    struct answer a;

    for (unsigned levels = 1; levels <= DHCP6_RELAYS_MAX; levels++) {
        struct span at;
        unsigned turn = 0;

        build_message(&work[0], DHCP6_SOLICIT);
        build_option(&work[0], OPTION_CLIENTID, build_duid, sizeof(build_duid));
        for (unsigned i = 0; i < levels; i++) {
            build_relay(&work[!turn], (uint8_t)i, (struct ip6){BUILD_DOC, i},
                        (struct ip6){BUILD_DOC, 100 + i});
            if (i % 3 == 0) {
                build_option(&work[!turn], OPTION_INTERFACE_ID, "abcdefgh", i);
            }
            build_relayed(&work[!turn], &work[turn]);
            turn = !turn;
        }
        answer_init(&a, DHCP6_ADVERTISE);
        CHECK(answer_encode(&a, &work[turn]) > 0);
        at = a.encoded;
        for (unsigned i = levels; i > 0; i--) {
            struct span id = answer_option(answer_options(at), OPTION_INTERFACE_ID, 0);

            CHECK(answer_whole(answer_options(at)));
            CHECK_EQ(at.data[0], DHCP6_RELAY_REPL);
            CHECK_EQ(at.data[1], i - 1);
            CHECK(ip6_equal(wire_get_ip6(at.data + 2), (struct ip6){BUILD_DOC, i - 1}));
            CHECK(ip6_equal(wire_get_ip6(at.data + 18), (struct ip6){BUILD_DOC, 99 + i}));
            CHECK_EQ(id.data != NULL, (i - 1) % 3 == 0); /* the empty one too */
            CHECK_EQ(id.size, (i - 1) % 3 == 0 ? i - 1 : 0);
            CHECK(answer_option(answer_options(at), OPTION_RELAY_MSG, 1).data == NULL);
            at = answer_option(answer_options(at), OPTION_RELAY_MSG, 0);
        }
        CHECK_EQ(at.data[0], DHCP6_ADVERTISE);
        CHECK(answer_whole(answer_options(at)));
        CHECK_EQ(answer_option(answer_options(at), OPTION_CLIENTID, 0).size, sizeof(build_duid));
    }
}

static void test_relay_port(void)
{
    struct build q, outer;
    struct answer a;

    build_message(&q, DHCP6_SOLICIT);
    build_relay(&outer, 0, (struct ip6){0, 0}, (struct ip6){0, 0});
    build_option(&outer, OPTION_RELAY_PORT, "\x12\x34", 2);
    build_relayed(&outer, &q);
    answer_init(&a, DHCP6_ADVERTISE);
    CHECK(answer_encode(&a, &outer) > 0);
    CHECK(span_is(answer_top(&a, OPTION_RELAY_PORT, 0), "\x12\x34", 2));
}

/* RFC 4994 5: what was there and is not yet in the answer, verbatim and once. */
static void test_echo(void)
{
    struct build q, outer;
    struct answer a;
    uint8_t *ero;

    build_message(&q, DHCP6_SOLICIT);
    build_relay(&outer, 0, (struct ip6){0, 0}, (struct ip6){0, 0});
    build_option(&outer, OPTION_INTERFACE_ID, "if", 2);
    build_option(&outer, OPTION_REMOTE_ID, "\0\0\0\1x", 5);
    build_option(&outer, OPTION_SUBSCRIBER_ID, "sub", 3);
    build_option(&outer, 4711, "unknown", 7);
    build_option(&outer, OPTION_VENDOR_OPTS, "\0\0\0\1", 4);
    build_option(&outer, OPTION_VENDOR_OPTS, "\0\0\0\2", 4);
    build_option(&outer, OPTION_RELAY_PORT, "\0\1", 2);
    ero = build_open(&outer, OPTION_ERO);
    for (unsigned i = 0; i < 2; i++) {
        wire_out_u16(&outer.out, 4711);
        wire_out_u16(&outer.out, OPTION_REMOTE_ID);
        wire_out_u16(&outer.out, OPTION_INTERFACE_ID);
        wire_out_u16(&outer.out, OPTION_RELAY_MSG);
        wire_out_u16(&outer.out, OPTION_VENDOR_OPTS);
        wire_out_u16(&outer.out, OPTION_RELAY_PORT);
        wire_out_u16(&outer.out, OPTION_RELAY_ID); /* was not there */
    }
    build_close(&outer, ero);
    build_relayed(&outer, &q);
    answer_init(&a, DHCP6_ADVERTISE);
    CHECK(answer_encode(&a, &outer) > 0);
    CHECK(answer_whole(answer_options(a.encoded)));
    CHECK(span_is(answer_top(&a, 4711, 0), "unknown", 7));
    CHECK(answer_top(&a, 4711, 1).data == NULL);
    CHECK(span_is(answer_top(&a, OPTION_REMOTE_ID, 0), "\0\0\0\1x", 5));
    CHECK(answer_top(&a, OPTION_REMOTE_ID, 1).data == NULL);
    CHECK(span_is(answer_top(&a, OPTION_VENDOR_OPTS, 0), "\0\0\0\1", 4));
    CHECK(span_is(answer_top(&a, OPTION_VENDOR_OPTS, 1), "\0\0\0\2", 4));
    CHECK(answer_top(&a, OPTION_VENDOR_OPTS, 2).data == NULL);
    CHECK(answer_top(&a, OPTION_INTERFACE_ID, 1).data == NULL);
    CHECK(answer_top(&a, OPTION_RELAY_MSG, 1).data == NULL);
    CHECK(answer_top(&a, OPTION_RELAY_PORT, 1).data == NULL);
    CHECK(!answer_has(&a, OPTION_SUBSCRIBER_ID) && !answer_has(&a, OPTION_RELAY_ID));
    CHECK(!answer_has(&a, OPTION_ERO));
}

/* Two relays with an RSOO each around a REQUEST that asks for 65 (and 23). */
static void supplied_build(struct build *ret, bool ask)
{
    static struct build q, near;
    static const uint16_t codes[] = {OPTION_DNS_SERVERS, OPTION_ERP_LOCAL_DOMAIN_NAME};

    build_message(&q, DHCP6_REQUEST);
    build_oro(&q, codes, ask ? 2 : 1);
    build_relay(&near, 0, (struct ip6){0, 0}, (struct ip6){0, 0});
    /* DNS servers are not RSOO-enabled; then 65 twice. */
    build_option(&near, OPTION_RSOO, "\0\x17\0\x10xxxxxxxxxxxxxxxx\0\x41\0\3\1a\0\0\x41\0\3\1b\0",
                 20 + 7 + 7);
    build_relayed(&near, &q);
    build_relay(ret, 1, (struct ip6){0, 0}, (struct ip6){0, 0});
    build_option(ret, OPTION_RSOO, "\0\x41\0\3\1c\0", 7);
    build_relayed(ret, &near);
}

static struct span innermost(const struct answer *a)
{
    struct span at = answer_option(answer_options(a->encoded), OPTION_RELAY_MSG, 0);

    return answer_options(answer_option(answer_options(at), OPTION_RELAY_MSG, 0));
}

/* RFC 6422 6: relay-supplied options where we have none, the innermost value, enabled ones only. */
static void test_relay_supplied(void)
{
    static const struct policy_option own[] = {
        {OPTION_ERP_LOCAL_DOMAIN_NAME, false, {(const uint8_t *)"\0\x41\0\3\1o\0", 7}},
    };
    struct build q;
    struct answer a;

    supplied_build(&q, true);
    answer_init(&a, DHCP6_REPLY);
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(answer_whole(innermost(&a)));
    CHECK(span_is(answer_option(innermost(&a), 65, 0), "\1a\0", 3));
    CHECK(answer_option(innermost(&a), 65, 1).data == NULL);
    CHECK(answer_option(innermost(&a), 23, 0).data == NULL);

    a.link.options = (struct policy_options){own, 1};
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(span_is(answer_option(innermost(&a), 65, 0), "\1o\0", 3));
    CHECK(answer_option(innermost(&a), 65, 1).data == NULL);

    supplied_build(&q, false);
    answer_init(&a, DHCP6_REPLY);
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(answer_option(innermost(&a), 65, 0).data == NULL);
}

/* A broken RSOO costs its rest, not the client's answer. */
static void test_relay_supplied_broken(void)
{
    static const uint16_t codes[] = {OPTION_ERP_LOCAL_DOMAIN_NAME};
    struct build q, outer;
    struct answer a;

    build_message(&q, DHCP6_REQUEST);
    build_oro(&q, codes, 1);
    build_relay(&outer, 0, (struct ip6){0, 0}, (struct ip6){0, 0});
    build_option(&outer, OPTION_RSOO, "\0\x41\0\4\1a\0", 7);
    build_relayed(&outer, &q);
    answer_init(&a, DHCP6_REPLY);
    CHECK(answer_encode(&a, &outer) > 0);
    CHECK_EQ(answer_option(answer_options(a.encoded), OPTION_RELAY_MSG, 0).size, 4 + 14);
}

static void test_small_buffers(void)
{
    struct build q, outer;
    struct answer a;
    size_t whole;

    build_message(&q, DHCP6_INFORMATION_REQUEST);
    build_relay(&outer, 0, (struct ip6){0, 0}, (struct ip6){0, 0});
    build_option(&outer, OPTION_INTERFACE_ID, "eth7", 4);
    build_option(&outer, OPTION_ERO, "\x12\x67", 2);
    build_option(&outer, 4711, "echo", 4);
    build_relayed(&outer, &q);
    answer_init(&a, DHCP6_REPLY);
    whole = answer_encode(&a, &outer);
    CHECK_EQ(whole, 34 + 8 + 8 + 4 + 18);
    for (size_t size = 0; size < whole; size++) {
        memset(a.bytes, 0xa5, sizeof(a.bytes));
        CHECK_EQ(answer_encode_to(&a, &outer, size), 0);
        CHECK_EQ(a.bytes[size], 0xa5);
    }
}

static const struct check_test tests[] = {
    {"bytes", test_bytes},
    {"nesting", test_nesting},
    {"relay port", test_relay_port},
    {"echo", test_echo},
    {"relay supplied", test_relay_supplied},
    {"relay supplied broken", test_relay_supplied_broken},
    {"small buffers", test_small_buffers},
};

CHECK_MAIN(tests)

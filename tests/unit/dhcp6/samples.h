/* Messages by hand and parse helpers, shared by the parser's tests. Header-only. */
#ifndef TESTS_DHCP6_SAMPLES_H
#define TESTS_DHCP6_SAMPLES_H

#include "build.h"
#include "check.h"

/* A SOLICIT by hand: Client-ID, IA_NA with hint, IA_PD with a /56 hint, ORO, Elapsed Time, Rapid
 * Commit, Reconfigure Accept. */
static const uint8_t solicit_bytes[] = {
    1,    0xaa, 0xbb, 0xcc,                                          /* SOLICIT, xid */
    0,    1,    0,    10,   0, 3,    0, 1,  2,  0, 0, 0, 0, 1,       /* CLIENTID DUID-LL */
    0,    3,    0,    40,   0, 0,    0, 7,  0,  0, 0, 0, 0, 0, 0, 0, /* IA_NA 7 */
    0,    5,    0,    24,                                            /* IAADDR */
    0x20, 1,    0x0d, 0xb8, 0, 0,    0, 0,  0,  0, 0, 0, 0, 0, 0, 5, /* 2001:db8::5 */
    0,    0,    0,    0,    0, 0,    0, 0,                           /* lifetimes */
    0,    25,   0,    41,   0, 0,    0, 9,  0,  0, 0, 1, 0, 0, 0, 2, /* IA_PD 9, T1 1, T2 2 */
    0,    26,   0,    25,                                            /* IAPREFIX */
    0,    0,    0,    3,    0, 0,    0, 4,  56,                      /* 3, 4, /56 */
    0,    0,    0,    0,    0, 0,    0, 0,  0,  0, 0, 0, 0, 0, 0, 0, /* :: */
    0,    6,    0,    4,    0, 23,   0, 82,                          /* ORO 23 82 */
    0,    8,    0,    2,    1, 0x2c,                                 /* ELAPSED_TIME 3 s */
    0,    14,   0,    0,                                             /* RAPID_COMMIT */
    0,    20,   0,    0,                                             /* RECONF_ACCEPT */
};

static inline int parse(struct span bytes, struct dhcp6_message *message, enum counter *ret_drop)
{
    return dhcp6_message_parse(bytes, message, ret_drop);
}

/* The drop reason of built bytes, COUNTER_COUNT if they parse. */
static inline enum counter drop_of(const struct build *build)
{
    struct dhcp6_message message;
    enum counter drop = COUNTER_COUNT;
    int err = parse(build_span(build), &message, &drop);

    CHECK_EQ(err, drop == COUNTER_COUNT ? 0 : -EBADMSG);
    return drop;
}

static inline bool span_is(struct span span, const char *text, size_t size)
{
    return span_equal(span, (struct span){(const uint8_t *)text, size});
}

/* A message through two relays; both say much. */
static inline void relayed_build(struct build *ret)
{
    static struct build solicit, near;

    build_init(&solicit);
    wire_out_bytes(&solicit.out, solicit_bytes, sizeof(solicit_bytes));
    build_option(&solicit, OPTION_USER_CLASS, "\0\3abc", 5);
    build_option(&solicit, OPTION_VENDOR_CLASS, "\0\0\1\2\0\2hi\0\1!", 11);
    build_option(&solicit, OPTION_CLIENT_FQDN, "\1\4host", 6);
    build_relay(&near, 0, (struct ip6){0, 0}, (struct ip6){UINT64_C(0xfe80) << 48, 0x1234});
    build_option(&near, OPTION_INTERFACE_ID, "near", 4);
    build_option(&near, OPTION_CLIENT_LINKLAYER_ADDR, "\0\1\2\3\4\5\6\7", 8);
    build_option(&near, OPTION_ERO, "\0\x26", 2);
    build_option(&near, OPTION_RSOO, "\0\x41\0\0", 4);
    build_relayed(&near, &solicit);
    build_relay(ret, 1, (struct ip6){BUILD_DOC, 1}, (struct ip6){BUILD_DOC, 2});
    build_option(ret, OPTION_INTERFACE_ID, "far", 3);
    build_option(ret, OPTION_REMOTE_ID, "\0\0\0\x9remote", 10);
    build_option(ret, OPTION_SUBSCRIBER_ID, "sub", 3);
    build_option(ret, OPTION_RELAY_ID, build_duid, sizeof(build_duid));
    build_option(ret, OPTION_CLIENT_LINKLAYER_ADDR, "\0\1\x9\x9\x9\x9\x9\x9", 8);
    build_option(ret, OPTION_RELAY_PORT, "\x10\1", 2);
    build_relayed(ret, &near);
}

#endif

/* Parsing of clients' messages: every type as bytes, what is refused and why, what is passed over,
 * limits, truncation at every byte, random mutation. Relay levels are in test_message_relay.c. */
#include <stdlib.h>

#include "samples.h"

#define CLIENT_ID 0, 1, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 1
#define SERVER_ID 0, 2, 0, 6, 0, 2, 0, 0, 0, 9
#define IA_NA_5                                                                                    \
    0, 3, 0, 40, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 24, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, \
        0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0

static const uint8_t request_bytes[] = {3, 0, 0, 3, CLIENT_ID, SERVER_ID, IA_NA_5};
static const uint8_t confirm_bytes[] = {4, 0, 0, 4, CLIENT_ID, IA_NA_5};
static const uint8_t renew_bytes[] = {5, 0, 0, 5, CLIENT_ID, SERVER_ID, IA_NA_5};
static const uint8_t rebind_bytes[] = {6, 0, 0, 6, CLIENT_ID, IA_NA_5};
static const uint8_t release_bytes[] = {8, 0, 0, 8, CLIENT_ID, SERVER_ID, IA_NA_5};
static const uint8_t decline_bytes[] = {9, 0, 0, 9, CLIENT_ID, SERVER_ID, IA_NA_5};
static const uint8_t information_request_bytes[] = {11, 0, 0, 11, 0, 6, 0, 4, 0, 23, 0, 32};

static void test_solicit(void)
{
    struct dhcp6_message m;
    enum counter drop;

    memset(&m, 0xa5, sizeof(m));
    CHECK_EQ(parse((struct span){solicit_bytes, sizeof(solicit_bytes)}, &m, &drop), 0);
    CHECK_EQ(m.type, DHCP6_SOLICIT);
    CHECK_MEM(m.xid, "\xaa\xbb\xcc", 3);
    CHECK_EQ(m.client_id.size, 10);
    CHECK(m.client_id.data == solicit_bytes + 8);
    CHECK(m.server_id.data == NULL && m.server_id.size == 0);
    CHECK(m.rapid_commit && m.reconf_accept && m.oro_present);
    CHECK_EQ(m.oro.size, 4);
    CHECK(dhcp6_oro_has(&m, 23) && dhcp6_oro_has(&m, 82) && !dhcp6_oro_has(&m, 24));
    CHECK_EQ(m.elapsed_cs, 300);
    CHECK_EQ(m.fqdn.size + m.vendor_count + m.user_class.size + m.vendor_opts.size, 0);
    CHECK_EQ(m.vendor_count, 0);
    CHECK_EQ(m.relay_count, 0);
    CHECK_EQ(m.ia_count, 2);
    CHECK_EQ(m.lease_count, 2);
    CHECK_EQ(m.ias[0].type, LEASE_TYPE_NA);
    CHECK_EQ(m.ias[0].iaid, 7);
    CHECK_EQ(m.ias[0].lease_first, 0);
    CHECK_EQ(m.ias[0].lease_count, 1);
    CHECK_EQ(m.ias[1].type, LEASE_TYPE_PD);
    CHECK_EQ(m.ias[1].iaid, 9);
    CHECK_EQ(m.ias[1].t1_s, 1);
    CHECK_EQ(m.ias[1].t2_s, 2);
    CHECK_EQ(m.ias[1].lease_first, 1);
    CHECK_EQ(m.ias[1].lease_count, 1);
    CHECK(ip6_equal(m.leases[0].resource.prefix, (struct ip6){BUILD_DOC, 5}));
    CHECK_EQ(m.leases[0].resource.length, 128);
    CHECK_EQ(m.leases[0].resource.type, LEASE_TYPE_NA);
    CHECK_EQ(m.leases[0].exclude.size, 0);
    CHECK(ip6_is_zero(m.leases[1].resource.prefix));
    CHECK_EQ(m.leases[1].resource.length, 56);
    CHECK_EQ(m.leases[1].resource.type, LEASE_TYPE_PD);
    CHECK_EQ(m.leases[1].preferred_s, 3);
    CHECK_EQ(m.leases[1].valid_s, 4);
    CHECK(m.subject.duid.data == m.client_id.data && m.subject.duid.size == 10);
    CHECK_EQ(m.subject.link_layer.size + m.subject.remote_id.size + m.subject.interface_id.size +
                 m.subject.subscriber_id.size + m.subject.vendor_class.size +
                 m.subject.user_class.size,
             0);
    CHECK_EQ(m.subject.remote_enterprise + m.subject.vendor_enterprise, 0);
    CHECK(ip6_is_zero(dhcp6_link_address(&m)));
}

static void test_every_type(void)
{
    static const struct {
        struct span bytes;
        uint8_t type;
        bool server_id, client_id;
        uint8_t ia_count;
    } rows[] = {
        {{solicit_bytes, sizeof(solicit_bytes)}, DHCP6_SOLICIT, false, true, 2},
        {{request_bytes, sizeof(request_bytes)}, DHCP6_REQUEST, true, true, 1},
        {{confirm_bytes, sizeof(confirm_bytes)}, DHCP6_CONFIRM, false, true, 1},
        {{renew_bytes, sizeof(renew_bytes)}, DHCP6_RENEW, true, true, 1},
        {{rebind_bytes, sizeof(rebind_bytes)}, DHCP6_REBIND, false, true, 1},
        {{release_bytes, sizeof(release_bytes)}, DHCP6_RELEASE, true, true, 1},
        {{decline_bytes, sizeof(decline_bytes)}, DHCP6_DECLINE, true, true, 1},
        {{information_request_bytes, sizeof(information_request_bytes)},
         DHCP6_INFORMATION_REQUEST,
         false,
         false,
         0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dhcp6_message m;
        enum counter drop;

        CHECK_EQ(parse(rows[i].bytes, &m, &drop), 0);
        CHECK_EQ(m.type, rows[i].type);
        CHECK_EQ(m.server_id.data != NULL, rows[i].server_id);
        CHECK_EQ(m.client_id.size > 0, rows[i].client_id);
        CHECK_EQ(m.ia_count, rows[i].ia_count);
    }
}

static void test_types_refused(void)
{
    for (unsigned type = 0; type < 256; type++) {
        bool client = (type >= 3 && type <= 6) || type == 1 || type == 8 || type == 9 || type == 11;
        struct build b, outer;
        enum counter expected = client ? COUNTER_COUNT : COUNTER_drop_message_type;

        build_message(&b, (uint8_t)type);
        build_relay(&outer, 0, (struct ip6){BUILD_DOC, 1}, (struct ip6){BUILD_DOC, 2});
        build_relayed(&outer, &b);
        if (type == DHCP6_RELAY_FORW) {
            expected = COUNTER_drop_message_malformed; /* 4 octets are no relay header */
        }
        CHECK_EQ(drop_of(&b), expected);
        CHECK_EQ(drop_of(&outer), expected);
    }
}

static void test_short(void)
{
    struct dhcp6_message m;
    enum counter drop;

    for (size_t size = 0; size < 4; size++) {
        CHECK_EQ(parse((struct span){solicit_bytes, size}, &m, &drop), -EBADMSG);
        CHECK_EQ(drop, COUNTER_drop_message_malformed);
    }
    CHECK_EQ(parse((struct span){NULL, 0}, &m, &drop), -EBADMSG);
    CHECK_EQ(drop, COUNTER_drop_message_malformed);
}

/* Sizes that cannot be right, at the client's top level (RFC 9915 21). */
static void test_client_sizes(void)
{
    static const struct {
        uint16_t code;
        uint16_t size;
        enum counter drop; /* COUNTER_COUNT: fine */
    } rows[] = {
        {OPTION_CLIENTID, 0, COUNTER_drop_client_id_missing},
        {OPTION_CLIENTID, 2, COUNTER_drop_client_id_missing},
        {OPTION_CLIENTID, 3, COUNTER_COUNT},
        {OPTION_CLIENTID, 130, COUNTER_COUNT},
        {OPTION_CLIENTID, 131, COUNTER_drop_client_id_missing},
        {OPTION_SERVERID, 2, COUNTER_drop_message_malformed},
        {OPTION_SERVERID, 130, COUNTER_COUNT},
        {OPTION_SERVERID, 131, COUNTER_drop_message_malformed},
        {OPTION_ORO, 0, COUNTER_COUNT},
        {OPTION_ORO, 3, COUNTER_drop_message_malformed},
        {OPTION_ELAPSED_TIME, 1, COUNTER_drop_message_malformed},
        {OPTION_ELAPSED_TIME, 3, COUNTER_drop_message_malformed},
        {OPTION_RAPID_COMMIT, 1, COUNTER_drop_message_malformed},
        {OPTION_RECONF_ACCEPT, 1, COUNTER_drop_message_malformed},
        {OPTION_USER_CLASS, 1, COUNTER_drop_message_malformed},
        {OPTION_VENDOR_CLASS, 3, COUNTER_drop_message_malformed},
        {OPTION_VENDOR_CLASS, 4, COUNTER_COUNT},
        {OPTION_VENDOR_OPTS, 3, COUNTER_drop_message_malformed},
        {OPTION_CLIENT_FQDN, 0, COUNTER_drop_message_malformed},
        {OPTION_CLIENT_FQDN, 1, COUNTER_COUNT},
        {OPTION_IA_NA, 11, COUNTER_drop_message_malformed},
        {OPTION_IA_NA, 12, COUNTER_COUNT},
        {OPTION_IA_PD, 11, COUNTER_drop_message_malformed},
        {OPTION_IA_PD, 12, COUNTER_COUNT},
        /* Ignored, whatever their size: obsolete, misplaced, unknown. */
        {OPTION_IA_TA, 1, COUNTER_COUNT},
        {OPTION_UNICAST, 1, COUNTER_COUNT},
        {OPTION_IAADDR, 1, COUNTER_COUNT},
        {OPTION_IAPREFIX, 1, COUNTER_COUNT},
        {OPTION_PREFERENCE, 9, COUNTER_COUNT},
        {OPTION_STATUS_CODE, 0, COUNTER_COUNT},
        {OPTION_RELAY_MSG, 1, COUNTER_COUNT},
        {OPTION_ERO, 3, COUNTER_COUNT},
        {OPTION_REMOTE_ID, 1, COUNTER_COUNT},
        {OPTION_RELAY_PORT, 1, COUNTER_COUNT},
        {4711, 3, COUNTER_COUNT},
        {0, 0, COUNTER_COUNT},
        {65535, 1, COUNTER_COUNT},
    };

    static const uint8_t zeros[256];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct build b;

        build_message(&b, DHCP6_SOLICIT);
        build_option(&b, rows[i].code, zeros, rows[i].size);
        CHECK_EQ(drop_of(&b), rows[i].drop);
    }
}

/* An option longer than what encloses it condemns the message, inside an IA too. */
static void test_overruns(void)
{
    struct build b;
    uint8_t *ia, *lease;

    build_message(&b, DHCP6_SOLICIT);
    wire_out_u16(&b.out, OPTION_CLIENTID);
    wire_out_u16(&b.out, 10);
    wire_out_u32(&b.out, 0);
    CHECK_EQ(drop_of(&b), COUNTER_drop_message_malformed);

    build_message(&b, DHCP6_SOLICIT);
    wire_out_u16(&b.out, 4711);
    CHECK_EQ(drop_of(&b), COUNTER_drop_message_malformed);

    /* The IA ends inside its address; enough octets follow. */
    build_message(&b, DHCP6_SOLICIT);
    ia = build_ia(&b, OPTION_IA_NA, 1);
    lease = build_address(&b, (struct ip6){BUILD_DOC, 1});
    build_close(&b, lease);
    build_close(&b, ia);
    wire_set_u16(ia, (uint16_t)(wire_get_u16(ia) - 1));
    CHECK_EQ(drop_of(&b), COUNTER_drop_message_malformed);

    /* An address of 23 octets. */
    build_message(&b, DHCP6_SOLICIT);
    ia = build_ia(&b, OPTION_IA_NA, 1);
    build_option(&b, OPTION_IAADDR, "01234567890123456789012", 23);
    build_close(&b, ia);
    CHECK_EQ(drop_of(&b), COUNTER_drop_message_malformed);

    /* A broken option inside an address, unknown to us. */
    build_message(&b, DHCP6_SOLICIT);
    ia = build_ia(&b, OPTION_IA_NA, 1);
    lease = build_address(&b, (struct ip6){BUILD_DOC, 1});
    wire_out_u16(&b.out, 4711);
    wire_out_u16(&b.out, 1);
    build_close(&b, lease);
    build_close(&b, ia);
    CHECK_EQ(drop_of(&b), COUNTER_drop_message_malformed);

    /* A prefix of 129 bits. */
    build_message(&b, DHCP6_SOLICIT);
    ia = build_ia(&b, OPTION_IA_PD, 1);
    build_close(&b, build_prefix(&b, (struct ip6){BUILD_DOC, 0}, 129));
    build_close(&b, ia);
    CHECK_EQ(drop_of(&b), COUNTER_drop_message_malformed);
}

/* RFC 9915 21: instances of a singleton are not merged; the first counts. */
static void test_repeated(void)
{
    struct dhcp6_message m;
    enum counter drop;
    struct build b;

    build_message(&b, DHCP6_SOLICIT);
    build_option(&b, OPTION_ELAPSED_TIME, "\0\1", 2);
    build_option(&b, OPTION_ELAPSED_TIME, "\0\2", 2);
    build_option(&b, OPTION_ORO, "\0\x17", 2);
    build_option(&b, OPTION_ORO, "\0\x18", 2);
    build_option(&b, OPTION_USER_CLASS, "\0\1a", 3);
    build_option(&b, OPTION_USER_CLASS, "\0\1b", 3);
    build_option(&b, OPTION_VENDOR_CLASS, "\0\0\0\1\0\1x", 7);
    build_option(&b, OPTION_VENDOR_CLASS, "\0\0\0\2\0\1y", 7);
    build_option(&b, OPTION_VENDOR_OPTS, "\0\0\0\3", 4);
    build_option(&b, OPTION_VENDOR_OPTS, "\0\0\0\4", 4);
    CHECK_EQ(parse(build_span(&b), &m, &drop), 0);
    CHECK_EQ(m.elapsed_cs, 1);
    CHECK(dhcp6_oro_has(&m, 23) && !dhcp6_oro_has(&m, 24));
    CHECK(span_equal(m.subject.user_class, (struct span){(const uint8_t *)"a", 1}));
    CHECK(span_equal(m.subject.vendor_class, (struct span){(const uint8_t *)"x", 1}));
    CHECK_EQ(m.subject.vendor_enterprise, 1);
    CHECK_EQ(m.vendor_count, 2);
    CHECK_EQ(wire_get_u32(m.vendors[1].data), 2);
    CHECK_EQ(m.subject.more_vendors[0].enterprise, 2);
    CHECK_EQ(wire_get_u32(m.vendor_opts.data), 3);

    build_message(&b, DHCP6_SOLICIT);
    build_option(&b, OPTION_CLIENTID, build_duid, sizeof(build_duid));
    build_option(&b, OPTION_CLIENTID, build_duid, sizeof(build_duid));
    CHECK_EQ(drop_of(&b), COUNTER_drop_message_malformed);
    build_message(&b, DHCP6_REQUEST);
    build_option(&b, OPTION_SERVERID, build_duid, sizeof(build_duid));
    build_option(&b, OPTION_SERVERID, build_duid, sizeof(build_duid));
    CHECK_EQ(drop_of(&b), COUNTER_drop_message_malformed);
}

static void test_vendors_max(void)
{
    struct dhcp6_message m;
    enum counter drop;
    struct build b;

    build_message(&b, DHCP6_SOLICIT);
    for (uint8_t i = 0; i < POLICY_VENDORS_MAX + 3; i++) {
        uint8_t enterprise[4] = {0, 0, 0, i};

        build_option(&b, OPTION_VENDOR_CLASS, enterprise, sizeof(enterprise));
    }
    CHECK_EQ(parse(build_span(&b), &m, &drop), 0);
    CHECK_EQ(m.vendor_count, POLICY_VENDORS_MAX);
    CHECK_EQ(m.subject.vendor_class.size, 0);
}

/* Options where they may not be say nothing (RFC 9915 16). */
static void test_misplaced(void)
{
    struct dhcp6_message m;
    enum counter drop;
    struct build b, outer;
    uint8_t *ia;

    build_message(&b, DHCP6_SOLICIT);
    build_option(&b, OPTION_INTERFACE_ID, "x", 1);
    build_option(&b, OPTION_REMOTE_ID, "\0\0\0\1x", 5);
    build_close(&b, build_address(&b, (struct ip6){BUILD_DOC, 1}));
    build_option(&b, OPTION_IA_TA, "\0\0\0\1", 4);
    build_option(&b, OPTION_UNICAST, solicit_bytes, 16);
    ia = build_ia(&b, OPTION_IA_NA, 1);
    build_close(&b, build_prefix(&b, (struct ip6){BUILD_DOC, 0}, 56));
    build_close(&b, build_ia(&b, OPTION_IA_PD, 2));
    build_option(&b, OPTION_STATUS_CODE, "\0\1bad", 5);
    build_option(&b, OPTION_CLIENTID, build_duid, sizeof(build_duid));
    build_close(&b, ia);
    build_relay(&outer, 0, (struct ip6){BUILD_DOC, 1}, (struct ip6){BUILD_DOC, 2});
    build_option(&outer, OPTION_CLIENTID, build_duid, sizeof(build_duid));
    build_close(&outer, build_ia(&outer, OPTION_IA_NA, 3));
    build_relayed(&outer, &b);
    CHECK_EQ(parse(build_span(&outer), &m, &drop), 0);
    CHECK_EQ(m.ia_count, 1);
    CHECK_EQ(m.ias[0].iaid, 1);
    CHECK_EQ(m.lease_count, 0);
    CHECK_EQ(m.client_id.size, 0);
    CHECK_EQ(m.subject.interface_id.size + m.subject.remote_id.size, 0);
}

static void test_leases(void)
{
    struct dhcp6_message m;
    enum counter drop;
    struct build b;
    uint8_t *ia, *lease;

    build_message(&b, DHCP6_RENEW);
    ia = build_ia(&b, OPTION_IA_PD, 1);
    lease = build_prefix(&b, (struct ip6){BUILD_DOC | 0xffff, UINT64_MAX}, 56);
    build_option(&b, OPTION_PD_EXCLUDE, "\x40\x78", 2);
    build_close(&b, lease);
    build_close(&b, build_prefix(&b, (struct ip6){BUILD_DOC, 0}, 48));
    build_close(&b, ia);
    ia = build_ia(&b, OPTION_IA_NA, 2);
    build_close(&b, build_address(&b, (struct ip6){BUILD_DOC, 9}));
    build_close(&b, ia);
    CHECK_EQ(parse(build_span(&b), &m, &drop), 0);
    CHECK_EQ(m.lease_count, 3);
    CHECK_EQ(m.ias[0].lease_count, 2);
    CHECK_EQ(m.ias[1].lease_first, 2);
    CHECK_EQ(m.ias[1].lease_count, 1);
    CHECK(ip6_equal(m.leases[0].resource.prefix, (struct ip6){BUILD_DOC | 0xff00, 0}));
    CHECK_EQ(m.leases[0].exclude.size, 2);
    CHECK_EQ(m.leases[1].exclude.size, 0);
    CHECK(ip6_equal(m.leases[2].resource.prefix, (struct ip6){BUILD_DOC, 9}));

    build_message(&b, DHCP6_RENEW);
    ia = build_ia(&b, OPTION_IA_PD, 1);
    lease = build_prefix(&b, (struct ip6){BUILD_DOC, 0}, 56);
    build_option(&b, OPTION_PD_EXCLUDE, "\x40", 1);
    build_close(&b, lease);
    build_close(&b, ia);
    CHECK_EQ(drop_of(&b), COUNTER_drop_message_malformed);
}

static void test_limits(void)
{
    for (unsigned extra = 0; extra < 2; extra++) {
        enum counter expected = extra ? COUNTER_drop_message_limits : COUNTER_COUNT;
        struct build b;
        uint8_t *ia;

        build_message(&b, DHCP6_SOLICIT);
        for (unsigned i = 0; i < DHCP6_IAS_MAX + extra; i++) {
            build_close(&b, build_ia(&b, i % 2 ? OPTION_IA_NA : OPTION_IA_PD, i));
        }
        CHECK_EQ(drop_of(&b), expected);

        build_message(&b, DHCP6_SOLICIT);
        ia = build_ia(&b, OPTION_IA_NA, 1);
        for (unsigned i = 0; i < DHCP6_LEASES_MAX + extra; i++) {
            build_close(&b, build_address(&b, (struct ip6){BUILD_DOC, i}));
        }
        build_close(&b, ia);
        CHECK_EQ(drop_of(&b), expected);

        build_message(&b, DHCP6_SOLICIT);
        for (unsigned i = 0; i < DHCP6_OPTIONS_MAX + extra; i++) {
            build_option(&b, 4711, NULL, 0);
        }
        CHECK_EQ(drop_of(&b), expected);
    }
}

static void test_oro_limit(void)
{
    uint16_t codes[DHCP6_ORO_CODES_MAX + 1];
    struct dhcp6_message m;
    enum counter drop;
    struct build b;

    for (uint16_t i = 0; i <= DHCP6_ORO_CODES_MAX; i++) {
        codes[i] = (uint16_t)(1000 + i);
    }
    build_message(&b, DHCP6_SOLICIT);
    build_oro(&b, codes, DHCP6_ORO_CODES_MAX + 1);
    CHECK_EQ(parse(build_span(&b), &m, &drop), 0);
    CHECK(dhcp6_oro_has(&m, 1000 + DHCP6_ORO_CODES_MAX - 1));
    CHECK(!dhcp6_oro_has(&m, 1000 + DHCP6_ORO_CODES_MAX));
}

/* Class data that overruns its option matches nothing, and the message lives. */
static void test_class_overrun(void)
{
    struct dhcp6_message m;
    enum counter drop;
    struct build b;

    build_message(&b, DHCP6_SOLICIT);
    build_option(&b, OPTION_USER_CLASS, "\0\4abc", 5);
    build_option(&b, OPTION_VENDOR_CLASS, "\0\0\0\5\1\0abc", 9);
    CHECK_EQ(parse(build_span(&b), &m, &drop), 0);
    CHECK_EQ(m.subject.user_class.size, 0);
    CHECK_EQ(m.subject.vendor_class.size, 0);
    CHECK_EQ(m.subject.vendor_enterprise, 5);
    CHECK_EQ(m.user_class.size, 5);
}

static bool span_inside(struct span span, struct span whole)
{
    return span.size == 0 ||
           (span.data >= whole.data && span.data + span.size <= whole.data + whole.size);
}

/* What holds of every message that parses. */
static void invariant(const struct dhcp6_message *m, struct span payload)
{
    unsigned leases = 0;

    CHECK(m->ia_count <= DHCP6_IAS_MAX && m->lease_count <= DHCP6_LEASES_MAX &&
          m->relay_count <= DHCP6_RELAYS_MAX && m->vendor_count <= POLICY_VENDORS_MAX);
    CHECK(m->client_id.size == 0 || (m->client_id.size >= 3 && m->client_id.size <= 130));
    CHECK(m->oro.size % 2 == 0);
    CHECK(span_inside(m->client_id, payload) && span_inside(m->server_id, payload) &&
          span_inside(m->oro, payload) && span_inside(m->fqdn, payload) &&
          span_inside(m->user_class, payload) && span_inside(m->vendor_opts, payload));
    CHECK(span_inside(m->subject.user_class, payload) &&
          span_inside(m->subject.vendor_class, payload) &&
          span_inside(m->subject.link_layer, payload));
    for (unsigned i = 0; i < m->ia_count; i++) {
        CHECK_EQ(m->ias[i].lease_first, leases);
        CHECK(m->ias[i].type == LEASE_TYPE_NA || m->ias[i].type == LEASE_TYPE_PD);
        leases += m->ias[i].lease_count;
    }
    CHECK_EQ(leases, m->lease_count);
    for (unsigned i = 0; i < m->lease_count; i++) {
        CHECK(m->leases[i].resource.length <= 128);
        CHECK(span_inside(m->leases[i].exclude, payload));
    }
    for (unsigned i = 0; i < m->relay_count; i++) {
        CHECK(span_inside(m->relays[i].options, payload) &&
              span_inside(m->relays[i].interface_id, payload) &&
              span_inside(m->relays[i].echo_request, payload) &&
              span_inside(m->relays[i].rsoo, payload));
        CHECK(m->relays[i].hop_count <= DHCP6_HOP_COUNT_MAX);
    }
}

/* Parses a copy in memory of exactly its size, so that a sanitizer sees the first octet too far. */
static int parse_exact(struct span bytes)
{
    uint8_t *copy = malloc(bytes.size ? bytes.size : 1);
    struct span exact = {copy, bytes.size};
    struct dhcp6_message m;
    enum counter drop = COUNTER_COUNT;
    int err;

    if (copy == NULL) {
        CHECK(false);
        return -ENOMEM;
    }
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    err = parse(exact, &m, &drop);
    if (err == 0) {
        invariant(&m, exact);
    } else {
        CHECK(err == -EBADMSG && drop < COUNTER_COUNT);
    }
    free(copy);
    return err;
}

static void test_truncation(void)
{
    struct build b;
    struct span whole;
    unsigned parsed = 0;

    relayed_build(&b);
    whole = build_span(&b);
    for (size_t size = 0; size < whole.size; size++) {
        CHECK_EQ(parse_exact((struct span){whole.data, size}), -EBADMSG);
    }
    CHECK_EQ(parse_exact(whole), 0);
    /* Direct: whole after the header and after each of its seven options, malformed in between. */
    for (size_t size = 0; size <= sizeof(solicit_bytes); size++) {
        parsed += parse_exact((struct span){solicit_bytes, size}) == 0;
    }
    CHECK_EQ(parsed, 8);
}

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void test_mutation(void)
{
    struct build b;
    struct span whole;
    uint32_t state = 0x12345678;
    unsigned parsed = 0;

    relayed_build(&b);
    whole = build_span(&b);
    for (unsigned round = 0; round < 50000; round++) {
        uint8_t copy[1024];
        unsigned flips = 1 + next_random(&state) % 4;

        memcpy(copy, whole.data, whole.size);
        for (unsigned i = 0; i < flips; i++) {
            copy[next_random(&state) % whole.size] = (uint8_t)next_random(&state);
        }
        parsed += parse_exact((struct span){copy, whole.size}) == 0;
    }
    CHECK(parsed > 1000 && parsed < 49000);
}

static const struct check_test tests[] = {
    {"solicit", test_solicit},
    {"every type", test_every_type},
    {"types refused", test_types_refused},
    {"short", test_short},
    {"client sizes", test_client_sizes},
    {"overruns", test_overruns},
    {"repeated", test_repeated},
    {"vendors max", test_vendors_max},
    {"misplaced", test_misplaced},
    {"leases", test_leases},
    {"limits", test_limits},
    {"oro limit", test_oro_limit},
    {"class overrun", test_class_overrun},
    {"truncation", test_truncation},
    {"mutation", test_mutation},
};

CHECK_MAIN(tests)

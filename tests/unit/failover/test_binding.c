/* Leases in BNDUPD and BNDREPLY: the reference octets, every field there and back, what makes an
 * update unusable, and rejections at each level. */
#include "check.h"
#include "failover/fo_binding.h"
#include "hex.h"

enum {
    NOW = 0x31000000,
    BUF_SIZE = 70000,
};

static uint8_t frame_buf[BUF_SIZE], reply_buf[BUF_SIZE];

static const uint8_t duid_bytes[] = {0, 3, 0, 1, 2, 0, 0, 0, 0, 1};

static void check_digits(const uint8_t *frame, size_t size, const char *digits)
{
    uint8_t expected[1024];
    size_t expected_size = hex_read(digits, expected);

    CHECK_EQ(size, expected_size);
    if (size == expected_size) {
        CHECK_MEM(frame, expected, size);
    }
}

/* Parses a whole frame. */
static void frame_parse(const uint8_t *frame, size_t size, struct fo_binding *binding)
{
    struct span inner = {NULL, 0};
    struct fo_message message = {0};

    CHECK_EQ(fo_frame_next((struct span){frame, size}, &inner), size);
    CHECK_EQ(fo_wire_parse(inner, &message), 0);
    fo_binding_parse(&message, binding);
}

static void digits_parse(const char *digits, struct fo_binding *binding)
{
    struct fo_message message = {0};

    CHECK_EQ(fo_wire_parse((struct span){frame_buf, hex_read(digits, frame_buf)}, &message), 0);
    fo_binding_parse(&message, binding);
}

static const struct lease block = {
    .resource = {{UINT64_C(0x20010db840000000), 0}, 44, LEASE_TYPE_PD},
    .status = BINDING_FREE_BACKUP,
    .times = {.start_s = NOW},
};

static const struct lease delegated = {
    .resource = {{UINT64_C(0x20010db800010100), 0}, 56, LEASE_TYPE_PD},
    .iaid = 1,
    .status = BINDING_ACTIVE,
    .times = {.start_s = NOW,
              .expires_s = NOW + 3600,
              .clt_s = NOW,
              .partner_lifetime_s = NOW + 1800 + 259200,
              .horizon_s = NOW + 3600,
              .preferred_lifetime_s = 3600,
              .valid_lifetime_s = 3600,
              .t1_s = 1800,
              .t2_s = 2880},
    .duid = {duid_bytes, sizeof(duid_bytes)},
};

/* Protocol facts A.13. */
static void test_vectors(void)
{
    size_t size = fo_encode_bndupd(&block, 1, NOW, frame_buf, BUF_SIZE);

    fo_frame_xid_set(frame_buf, 6);
    fo_frame_stamp(frame_buf, NOW);
    check_digits(frame_buf, size,
                 "003a 18 000006 31000000 001a 002e 00000000 00000000 2c"
                 "20010db8400000000000000000000000"
                 "0064 0004 31000000 0072 0001 06 0085 0004 31000000");
    size = fo_encode_bndupd(&delegated, 1, NOW, frame_buf, BUF_SIZE);
    fo_frame_xid_set(frame_buf, 7);
    fo_frame_stamp(frame_buf, NOW);
    check_digits(frame_buf, size,
                 "0074 18 000007 31000000 002d 0068 0001 000a 00030001020000000001"
                 "0064 0004 31000000 0019 004e 00000001 00000708 00000b40 001a 003e"
                 "00000e10 00000e10 38 20010db8000101000000000000000000 0072 0001 01"
                 "0085 0004 31000000 0086 0004 31000e10 002e 0004 00000000"
                 "007b 0004 3103fb88");
}

static void check_lease(const struct lease *got, const struct lease *want)
{
    CHECK(resource_equal(&got->resource, &want->resource));
    CHECK_EQ(got->iaid, want->iaid);
    CHECK_EQ(got->status, want->status);
    CHECK_EQ(got->flags, want->flags & LEASE_FLAG_RECONF_ACCEPT);
    CHECK_MEM(&got->times, &want->times, sizeof(got->times));
    CHECK(span_equal(got->duid, want->duid));
}

/* Leases out and in again, with their info. */
static void check_there_and_back(const struct lease *leases, unsigned count)
{
    uint8_t info[LEASE_INFO_SIZE_MAX];
    struct fo_binding binding;
    struct fo_lease lease;
    size_t size = fo_encode_bndupd(leases, count, NOW, frame_buf, BUF_SIZE);

    CHECK(size > 0);
    frame_parse(frame_buf, size, &binding);
    CHECK_EQ(binding.fault, 0);
    CHECK_EQ(binding.base_s, NOW);
    for (unsigned i = 0; i < count; i++) {
        CHECK(fo_binding_next(&binding, &lease));
        CHECK_EQ(lease.fault, 0);
        check_lease(&lease.lease, &leases[i]);
        CHECK(span_equal((struct span){info, fo_lease_info(&binding, &lease, info, sizeof(info))},
                         leases[0].info));
    }
    CHECK(!fo_binding_next(&binding, &lease));
    for (size_t room = 0; room < size; room++) {
        CHECK_EQ(fo_encode_bndupd(leases, count, NOW, reply_buf, room), 0);
    }
}

static void test_there_and_back(void)
{
    struct lease lease = delegated;

    check_there_and_back(&block, 1);
    check_there_and_back(&delegated, 1);
    lease.times.clt_s = NOW - 5000;
    lease.times.partner_raw_clt_s = NOW - 70000;
    lease.times.expiration_s = NOW + 99;
    check_there_and_back(&lease, 1);
    lease.resource = (struct resource){{1, 2}, 128, LEASE_TYPE_NA};
    lease.status = BINDING_ABANDONED;
    lease.flags = LEASE_FLAG_RECONF_ACCEPT;
    check_there_and_back(&lease, 1);
    /* No end: none of the three times that go with one. */
    lease.times = (struct lease_times){.start_s = NOW - 7};
    lease.status = BINDING_RESET;
    check_there_and_back(&lease, 1);
}

/* A status with an end carries option 123 even where no partner lifetime was ever computed. */
static void test_end_without_partner_lifetime(void)
{
    struct lease rest = delegated;
    struct fo_binding binding;
    struct fo_lease lease;

    rest.status = BINDING_ABANDONED;
    rest.times.partner_lifetime_s = 0;
    frame_parse(frame_buf, fo_encode_bndupd(&rest, 1, NOW, frame_buf, BUF_SIZE), &binding);
    CHECK(fo_binding_next(&binding, &lease));
    CHECK_EQ(lease.lease.times.partner_lifetime_s, rest.times.expires_s);
}

/* A status without an end carries none of the times that go with one (RFC 8156 7.4). */
static void test_no_end(void)
{
    struct lease released = delegated;
    struct fo_binding binding;
    struct fo_lease lease;

    released.status = BINDING_RELEASED;
    released.times.expires_s = 0;
    released.times.expiration_s = NOW + 5;
    frame_parse(frame_buf, fo_encode_bndupd(&released, 1, NOW, frame_buf, BUF_SIZE), &binding);
    CHECK(fo_binding_next(&binding, &lease));
    CHECK_EQ(lease.has, FO_HAS_BINDING_STATUS | FO_HAS_START | FO_HAS_CLT);
}

static void test_several_leases(void)
{
    struct lease leases[4] = {delegated, delegated, delegated, delegated};
    struct fo_binding binding;
    struct fo_lease lease;
    unsigned indexes[4];

    leases[1].resource.prefix.hi += 0x100;
    leases[2].iaid = 2;
    leases[3].resource = (struct resource){{5, 6}, 128, LEASE_TYPE_NA};
    leases[3].times.t1_s = 7;
    check_there_and_back(leases, 4);
    frame_parse(frame_buf, fo_encode_bndupd(leases, 4, NOW, frame_buf, BUF_SIZE), &binding);
    for (unsigned i = 0; i < 4 && fo_binding_next(&binding, &lease); i++) {
        indexes[i] = lease.ia_index;
    }
    CHECK(indexes[0] == indexes[1] && indexes[1] != indexes[2] && indexes[2] != indexes[3]);
}

static void test_no_form(void)
{
    struct lease lease = delegated;

    lease.resource = (struct resource){{1, 2}, 128, LEASE_TYPE_NA};
    lease.duid.size = 0;
    CHECK_EQ(fo_encode_bndupd(&lease, 1, NOW, frame_buf, BUF_SIZE), 0);
}

static void info_fill(struct wire_out *out, bool relayed)
{
    static const char octets[] = "abcdefghijklmnopqrstuvwx";
    const uint8_t *data = (const uint8_t *)octets;

    CHECK(lease_info_add(out, LEASE_INFO_PEER_ADDRESS, (struct span){data, relayed ? 8 : 16}));
    if (relayed) {
        CHECK(lease_info_add(out, LEASE_INFO_LINK_ADDRESS, (struct span){data + 1, 16}));
        CHECK(lease_info_add(out, LEASE_INFO_RELAY, (struct span){data + 2, 16}));
        CHECK(lease_info_add(out, LEASE_INFO_INTERFACE_ID, (struct span){data, 3}));
        CHECK(lease_info_add(out, LEASE_INFO_REMOTE_ID, (struct span){data, 9}));
        CHECK(lease_info_add(out, LEASE_INFO_SUBSCRIBER_ID, (struct span){data, 4}));
        CHECK(lease_info_add(out, LEASE_INFO_RELAY_ID, (struct span){data, 10}));
    }
    CHECK(lease_info_add(out, LEASE_INFO_LINK_LAYER, (struct span){data, 8}));
    CHECK(lease_info_add(out, LEASE_INFO_FQDN, (struct span){data, 12}));
    CHECK(lease_info_add(out, LEASE_INFO_RECONFIGURE_KEY, (struct span){data, 20}));
    CHECK(lease_info_add(out, LEASE_INFO_DNS_REMOVAL, (struct span){data, 18}));
}

static void test_info(void)
{
    uint8_t info[LEASE_INFO_SIZE_MAX];
    struct lease lease = delegated;

    for (unsigned relayed = 0; relayed < 2; relayed++) {
        struct wire_out out = wire_out_to(info, sizeof(info));

        info_fill(&out, relayed);
        lease.info = (struct span){info, (size_t)(out.at - info)};
        CHECK(lease_info_valid(lease.info));
        lease.flags = relayed ? LEASE_FLAG_RECONF_ACCEPT : 0;
        check_there_and_back(&lease, 1);
    }
}

/* A client without relay has no LQ_RELAY_DATA (RFC 5007 4.1.2.4). */
static void test_info_direct_on_the_wire(void)
{
    uint8_t info[LEASE_INFO_SIZE_MAX];
    struct wire_out out = wire_out_to(info, sizeof(info));
    struct lease lease = delegated;
    struct fo_binding binding;

    info_fill(&out, false);
    lease.info = (struct span){info, (size_t)(out.at - info)};
    frame_parse(frame_buf, fo_encode_bndupd(&lease, 1, NOW, frame_buf, BUF_SIZE), &binding);
    CHECK_EQ(binding.relay_data.size, 0);
    CHECK(binding.vendor.size > 0);
    CHECK_EQ(binding.reconfigure.size, 20);
}

/* Sizes are counted by hex_read, but where a wrong one is meant. */
#define DUID_AT   "0001(00030001020000000001)"
#define BASE_AT   "0064(31000000)"
#define ACTIVE_AT "0072(01)0085(30000000)"
#define IA_AT     "00000001 00000000 00000000"
#define LEASE_AT                                                                                   \
    "0003(" IA_AT "0005(20010db8000000000000000000000005 00000000 00000000" ACTIVE_AT "))"
#define ADDRESS(last, inner)                                                                       \
    "0005(20010db80000000000000000000000" last " 00000000 00000000" inner ")"

/* A chain of relays from a partner of another make: the innermost counts. */
static void test_relay_chain(void)
{
    static const uint8_t peer[8] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
    uint8_t info[LEASE_INFO_SIZE_MAX];
    struct span items = {info, 0};
    struct fo_binding binding;
    struct fo_lease lease;

    digits_parse("18 000001 31000000 002d(" DUID_AT BASE_AT "002f(20010db80000000000000000000000ff"
                 "0c01 00000000000000000000000000000000 fe800000000000000000000000000009"
                 "0012(41) 004f(000199) 0009("
                 "0c00 20010db8000000000000000000000001 fe800000000000001122334455667788"
                 "0012(424344)))" LEASE_AT ")",
                 &binding);
    CHECK_EQ(binding.fault, 0);
    CHECK(fo_binding_next(&binding, &lease));
    items.size = fo_lease_info(&binding, &lease, info, sizeof(info));
    CHECK(lease_info_valid(items));
    CHECK(span_equal(lease_info_find(items, LEASE_INFO_PEER_ADDRESS), (struct span){peer, 8}));
    CHECK_EQ(lease_info_find(items, LEASE_INFO_LINK_ADDRESS).data[15], 1);
    CHECK_EQ(lease_info_find(items, LEASE_INFO_RELAY).data[15], 0xff);
    CHECK(span_equal(lease_info_find(items, LEASE_INFO_INTERFACE_ID),
                     (struct span){(const uint8_t *)"BCD", 3}));
    CHECK_EQ(lease_info_find(items, LEASE_INFO_LINK_LAYER).size, 0); /* the outer relay's */
}

static void test_faults(void)
{
    static const struct {
        const char *digits;
        enum fo_container container;
    } rows[] = {
        {"", FO_CONTAINER_NONE},
        {"002d()", FO_CONTAINER_CLIENT},
        {"001a(00)", FO_CONTAINER_NONE},
        {"002d(" DUID_AT BASE_AT LEASE_AT ") 002d()", FO_CONTAINER_NONE}, /* two */
        {"002d(" DUID_AT BASE_AT ")", FO_CONTAINER_CLIENT},               /* no IA */
        {"002d(" BASE_AT LEASE_AT ")", FO_CONTAINER_CLIENT},
        {"002d(" DUID_AT LEASE_AT ")", FO_CONTAINER_CLIENT},
        {"002d(" DUID_AT "0064(310000)" LEASE_AT ")", FO_CONTAINER_CLIENT},
        {"002d(0001(0003)" BASE_AT LEASE_AT ")", FO_CONTAINER_CLIENT}, /* DUID too short */
        {"002d(" DUID_AT BASE_AT LEASE_AT "000300)", FO_CONTAINER_CLIENT},
        {"002d(" DUID_AT BASE_AT LEASE_AT "0003(00000001 000000))", FO_CONTAINER_CLIENT},
        {"002d(" DUID_AT BASE_AT "0003(" IA_AT "0005(00000000)))", FO_CONTAINER_CLIENT},
        {"002d(" DUID_AT BASE_AT "0003(" IA_AT ADDRESS("05", "0072 0002 01") "))",
         FO_CONTAINER_CLIENT},
        {"001a(00000000 00000000 2c 20010db8400000000000000000000000" ACTIVE_AT ")",
         FO_CONTAINER_PREFIX}, /* no base time */
        {"001a(00000000 00000000 2c 20010db8400000000000000000000000" BASE_AT "0072)",
         FO_CONTAINER_PREFIX},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fo_binding binding;
        struct fo_lease lease;
        char digits[1024];

        (void)snprintf(digits, sizeof(digits), "18 000001 31000000 %s", rows[i].digits);
        digits_parse(digits, &binding);
        CHECK_EQ(binding.fault, FO_STATUS_MISSING_BINDING);
        CHECK_EQ(binding.container, rows[i].container);
        CHECK(!fo_binding_next(&binding, &lease));
    }
}

/* One lease without status, one without start time, one with an impossible status, one good. */
static void test_lease_faults(void)
{
    static const uint16_t faults[] = {18, 18, 18, 18, 0};
    struct fo_binding binding;
    struct fo_lease lease = {.fault = 99};

    digits_parse(
        "18 000001 31000000 002d(" DUID_AT BASE_AT "0003(" IA_AT ADDRESS("05", "0085(30000000)")
            ADDRESS("06", "0072(01)") ADDRESS("07", "0072(09) 0085(30000000)")
                ADDRESS("08", "0072(00) 0085(30000000)") "000d(0000)" ADDRESS("09", ACTIVE_AT) "))",
        &binding);
    CHECK_EQ(binding.fault, 0);
    for (unsigned i = 0; i < 5; i++) {
        CHECK(fo_binding_next(&binding, &lease));
        CHECK_EQ(lease.fault, faults[i]);
        CHECK_EQ(lease.lease.resource.prefix.lo, 5 + i);
    }
    CHECK(!fo_binding_next(&binding, &lease));
}

static void test_prefix_length(void)
{
    struct fo_binding binding;
    struct fo_lease lease;

    digits_parse("18 000001 31000000 001a(00000000 00000000 81"
                 "20010db8400000000000000000000000" BASE_AT ACTIVE_AT ")",
                 &binding);
    CHECK_EQ(binding.fault, 0);
    CHECK(fo_binding_next(&binding, &lease));
    CHECK_EQ(lease.fault, FO_STATUS_MISSING_BINDING);
    /* Bits beyond the length are nothing. */
    digits_parse("18 000001 31000000 001a(00000000 00000000 20"
                 "20010db8400000000000000000000001" BASE_AT ACTIVE_AT ")",
                 &binding);
    CHECK(fo_binding_next(&binding, &lease));
    CHECK_EQ(lease.fault, 0);
    CHECK(ip6_equal(lease.lease.resource.prefix, (struct ip6){UINT64_C(0x20010db800000000), 0}));
}

/* Time of contact beside the client as in RFC 5007, and the inner one that wins (facts F.22). */
static void test_clt_places(void)
{
    struct fo_binding binding;
    struct fo_lease lease;

    digits_parse("18 000001 31000000 002d(" DUID_AT BASE_AT
                 "002e(00000010) 0003(" IA_AT ADDRESS("05", ACTIVE_AT)
                     ADDRESS("06", ACTIVE_AT "002e(00000001)") "))",
                 &binding);
    CHECK(fo_binding_next(&binding, &lease));
    CHECK_EQ(lease.lease.times.clt_s, NOW - 16);
    CHECK(fo_binding_next(&binding, &lease));
    CHECK_EQ(lease.lease.times.clt_s, NOW - 1);
}

static void test_zero_times(void)
{
    struct fo_binding binding;
    struct fo_reply reply;
    struct fo_lease lease;

    digits_parse("18 000009 31000000 001a(00000000 00000000 38"
                 "20010db8400000000000000000000000" BASE_AT "0072(07) 0085(30000000)"
                 "0086(00000000) 007b(00000000))",
                 &binding);
    CHECK(fo_binding_next(&binding, &lease));
    CHECK_EQ(lease.lease.times.expires_s, 1); /* 0 would say: for ever */
    CHECK_EQ(lease.lease.times.partner_lifetime_s, 1);
    fo_reply_begin(&reply, &binding, FO_STATUS_SUCCESS, NULL, reply_buf, BUF_SIZE);
    fo_reply_add(&reply, &lease, FO_STATUS_SUCCESS, NULL);
    check_digits(reply_buf, fo_reply_end(&reply), /* yet the echo is exact (RFC 8156 5.5.8) */
                 "(19 000009 00000000 001a(00000000 00000000 38"
                 "20010db8400000000000000000000000"
                 "0072(07) 0086(00000000) 007c(00000000)))");
}

static size_t reply_make(const uint8_t *frame, size_t size, enum fo_status_code whole,
                         const enum fo_status_code *codes)
{
    struct fo_binding binding;
    struct fo_reply reply;
    struct fo_lease lease;

    frame_parse(frame, size, &binding);
    fo_reply_begin(&reply, &binding, whole, NULL, reply_buf, BUF_SIZE);
    for (unsigned i = 0; codes && fo_binding_next(&binding, &lease); i++) {
        fo_reply_add(&reply, &lease, codes[i], codes[i] ? "no" : NULL);
    }
    return fo_reply_end(&reply);
}

static void test_reply(void)
{
    static const enum fo_status_code good[] = {FO_STATUS_SUCCESS};

    size_t size = fo_encode_bndupd(&delegated, 1, NOW, frame_buf, BUF_SIZE);

    fo_frame_xid_set(frame_buf, 7);
    check_digits(reply_buf, reply_make(frame_buf, size, FO_STATUS_SUCCESS, good),
                 "(19 000007 00000000 002d(" DUID_AT "0019(00000001 00000708 00000b40 001a("
                 "00000e10 00000e10 38 20010db8000101000000000000000000"
                 "0072(01) 0086(31000e10) 007c(3103fb88)))))");
    check_digits(reply_buf, reply_make(frame_buf, size, FO_STATUS_CONFIGURATION_CONFLICT, NULL),
                 "(19 000007 00000000 002d(" DUID_AT "000d(0011)))");
    size = fo_encode_bndupd(&block, 1, NOW, frame_buf, BUF_SIZE);
    fo_frame_xid_set(frame_buf, 6);
    check_digits(reply_buf, reply_make(frame_buf, size, FO_STATUS_SUCCESS, good),
                 "(19 000006 00000000 001a(00000000 00000000 2c"
                 "20010db8400000000000000000000000 0072(06)))");
    check_digits(reply_buf, reply_make(frame_buf, size, FO_STATUS_OUTDATED_BINDING, NULL),
                 "(19 000006 00000000 001a(00000000 00000000 2c"
                 "20010db8400000000000000000000000 000d(0013)))");
}

/* Which leases of a reply count as accepted. */
static void check_verdicts(size_t size, const uint16_t *codes, unsigned count)
{
    struct fo_binding binding;
    struct fo_lease lease;

    frame_parse(reply_buf, size, &binding);
    CHECK_EQ(binding.fault, 0);
    for (unsigned i = 0; i < count; i++) {
        CHECK(fo_binding_next(&binding, &lease));
        CHECK_EQ(lease.status.present ? lease.status.code : 0, codes[i]);
        CHECK_EQ(fo_lease_accepted(&lease) || lease.fault, codes[i] == 0 || lease.fault);
        CHECK_EQ(lease.partner_lifetime_sent_s, delegated.times.partner_lifetime_s);
        CHECK_EQ(lease.lease.times.expires_s, delegated.times.expires_s);
        CHECK_EQ(lease.lease.status, BINDING_ACTIVE);
    }
    CHECK(!fo_binding_next(&binding, &lease));
}

static void test_verdicts(void)
{
    static const enum fo_status_code codes[] = {FO_STATUS_SUCCESS, FO_STATUS_OUTDATED_BINDING,
                                                FO_STATUS_ADDRESS_IN_USE};

    static const uint16_t each[] = {0, 19, 16}, all[] = {17, 17, 17};
    struct lease leases[3] = {delegated, delegated, delegated};
    size_t size;

    leases[1].resource.prefix.hi += 0x100;
    leases[2].iaid = 2;
    size = fo_encode_bndupd(leases, 3, NOW, frame_buf, BUF_SIZE);
    check_verdicts(reply_make(frame_buf, size, FO_STATUS_SUCCESS, codes), each, 3);
    check_verdicts(reply_make(frame_buf, size, FO_STATUS_CONFIGURATION_CONFLICT, codes), all, 3);
}

/* A BNDREPLY needs no start time; an error in the IA rejects what is in it (RFC 8156 7.7), one at
 * the top everything (facts F.30); success says nothing. */
static void test_reply_levels(void)
{
    struct fo_binding binding;
    struct fo_lease lease;

    digits_parse("19 000001 31000000 000d(0000) 002d(" DUID_AT
                 "0003(" IA_AT ADDRESS("05", "0072(01)") "000d(00136e6f)))",
                 &binding);
    CHECK_EQ(binding.fault, 0);
    CHECK(fo_binding_next(&binding, &lease));
    CHECK_EQ(lease.fault, 0);
    CHECK_EQ(lease.status.code, 19);
    CHECK(!fo_lease_accepted(&lease));
    digits_parse("19 000001 31000000 000d(0001) 002d(" DUID_AT
                 "0003(" IA_AT ADDRESS("05", "0072(01)") "))",
                 &binding);
    CHECK_EQ(binding.status.code, 1);
    CHECK(fo_binding_next(&binding, &lease));
    CHECK(!fo_lease_accepted(&lease));
    digits_parse("19 000001 31000000 001a(00000000 00000000 2c"
                 "20010db8400000000000000000000000 000d(0000) 0072(06))",
                 &binding);
    CHECK(fo_binding_next(&binding, &lease));
    CHECK(lease.status.present && fo_lease_accepted(&lease));
}

/* What cannot be read is still answered, with what is known of it. */
static void test_reply_to_faults(void)
{
    struct fo_binding binding;
    struct fo_reply reply;

    digits_parse("18 000001 31000000", &binding);
    fo_reply_begin(&reply, &binding, binding.fault, NULL, reply_buf, BUF_SIZE);
    check_digits(reply_buf, fo_reply_end(&reply), "000e 19 000001 00000000 000d 0002 0012");
    digits_parse("18 000001 31000000 002d(" DUID_AT BASE_AT ")", &binding);
    fo_reply_begin(&reply, &binding, binding.fault, NULL, reply_buf, BUF_SIZE);
    check_digits(reply_buf, fo_reply_end(&reply),
                 "(19 000001 00000000 002d(" DUID_AT "000d(0012)))");
}

/* VSS is given back as it came; IA_TA is told apart. */
static void test_vss_and_ta(void)
{
    struct fo_binding binding;
    struct fo_reply reply;
    struct fo_lease lease;

    digits_parse("18 000002 31000000 002d(" DUID_AT BASE_AT
                 "0044(0076706e31) 0004(00000009" ADDRESS("05", ACTIVE_AT) "))",
                 &binding);
    CHECK_EQ(binding.vss.size, 5);
    CHECK(fo_binding_next(&binding, &lease));
    CHECK_EQ(lease.ia_type, 4);
    CHECK_EQ(lease.lease.iaid, 9);
    CHECK_EQ(lease.lease.resource.type, LEASE_TYPE_NA);
    fo_reply_begin(&reply, &binding, FO_STATUS_SUCCESS, NULL, reply_buf, BUF_SIZE);
    fo_reply_add(&reply, &lease, FO_STATUS_CONFIGURATION_CONFLICT, NULL);
    check_digits(reply_buf, fo_reply_end(&reply),
                 "(19 000002 00000000 002d(" DUID_AT
                 "0044(0076706e31) 0004(00000009" ADDRESS("05", "000d(0011) 0072(01)") ")))");
}

static const struct check_test tests[] = {
    {"reference vectors", test_vectors},
    {"there and back", test_there_and_back},
    {"an end without partner lifetime", test_end_without_partner_lifetime},
    {"no end", test_no_end},
    {"several leases", test_several_leases},
    {"no form on the wire", test_no_form},
    {"info", test_info},
    {"info of a direct client", test_info_direct_on_the_wire},
    {"relay chain", test_relay_chain},
    {"faults of containers", test_faults},
    {"faults of leases", test_lease_faults},
    {"prefix length", test_prefix_length},
    {"places of CLT_TIME", test_clt_places},
    {"times of 0", test_zero_times},
    {"replies", test_reply},
    {"verdicts", test_verdicts},
    {"levels of rejection", test_reply_levels},
    {"replies to faults", test_reply_to_faults},
    {"VSS and IA_TA", test_vss_and_ta},
};

CHECK_MAIN(tests)

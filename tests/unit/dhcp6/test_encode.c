/* Encoding of IAs, statuses, options by ORO: bytes by hand, precedence, what must not be sent,
 * small buffers. Relay chains are in test_encode_relay.c. */
#include "answer.h"
#include "check.h"
#include "dhcp6/encode.h"

/* Option sets by hand: TLVs and rows, sorted by code. */
#define TLV(bytes)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(bytes), sizeof(bytes) - 1                                                \
    }
#define SET(rows)                                                                                  \
    {                                                                                              \
        (rows), sizeof(rows) / sizeof((rows)[0])                                                   \
    }

static const struct policy_option link_rows[] = {
    {7, true, TLV("\0\7\0\1\x63")},
    {17, false, TLV("\0\x11\0\5\0\0\0\1L\0\x11\0\5\0\0\0\2L\0\x11\0\5\0\0\0\3L")},
    {23, false, TLV("\0\x17\0\x10link link link l")},
    {24, false, TLV("\0\x18\0\3\1l\0")},
    {31, true, TLV("\0\x1f\0\x10sntp sntp sntp s")},
    {32, true, TLV("\0\x20\0\4\0\0\7\x08")},
    {39, true, TLV("\0\x27\0\1\7")},
    {56, false, TLV("\0\x38\0\4\0\1\0\0\0\x38\0\4\0\2\0\0")},
    {67, true, TLV("\0\x43\0\2\x40\1")},
    {82, false, TLV("\0\x52\0\4\0\0\x0e\x10")},
    {83, false, TLV("\0\x53\0\4\0\0\x1c\x20")},
    {4711, false, TLV("\x12\x67\0\1!")},
};
static const struct policy_option class_rows[] = {
    {17, false, TLV("\0\x11\0\5\0\0\0\2C")},
    {23, false,
     TLV("\0\x17\0\x10"
         "clas clas clas c")},
    {24, false, TLV("\0\x18\0\3\1c\0")},
};
static const struct policy_option class2_rows[] = {
    {24, false, TLV("\0\x18\0\3\1d\0")},
    {64, true, TLV("\0\x40\0\3\1d\0")},
};
static const struct policy_option reservation_rows[] = {
    {17, false, TLV("\0\x11\0\5\0\0\0\1R")},
    {23, false, TLV("\0\x17\0\x10rese rese rese r")},
};

static void answer_policy(struct answer *answer, uint8_t reply_type)
{
    answer_init(answer, reply_type);
    answer->link.options = (struct policy_options)SET(link_rows);
    answer->classes[0].options = (struct policy_options)SET(class_rows);
    answer->classes[1].options = (struct policy_options)SET(class2_rows);
    answer->reservation.options = (struct policy_options)SET(reservation_rows);
}

static void question_oro(struct build *question, uint8_t type, const uint16_t *codes, size_t count)
{
    build_message(question, type);
    build_option(question, OPTION_CLIENTID, build_duid, sizeof(build_duid));
    build_oro(question, codes, count);
}

#define QUESTION(question, type, ...)                                                              \
    question_oro(question, type, (const uint16_t[]){__VA_ARGS__},                                  \
                 sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t))

static bool span_is(struct span span, const char *text, size_t size)
{
    return span_equal(span, (struct span){(const uint8_t *)text, size});
}

/* An ADVERTISE with an address, a failed IA_PD and a preference, by hand. */
static void test_bytes(void)
{
    static const uint8_t expected[] =
        {
            2,    0x0a, 0x0b, 0x0c, /* ADVERTISE */
            0,    2,    0,    10,   0,   2,   0,   0,   0x7e, 0xd9, 1,   2,   3,   4, /* SERVERID */
            0,    1,    0,    10,   0,   3,   0,   1,   2,    0,    0,   0,   0,   1, /* CLIENTID */
            0,    3,    0,    40,   0,   0,   0,   7,   0,    0,    0,   50,  0,   0,
            0,    80,             /* IA_NA */
            0,    5,    0,    24, /* IAADDR */
            0x20, 1,    0x0d, 0xb8, 0,   0,   0,   0,   0,    0,    0,   0,   0,   0,
            0,    5,                                    /* 2001:db8::5 */
            0,    0,    0,    100,  0,   0,   0,   200, /* lifetimes */
            0,    25,   0,    39,   0,   0,   0,   9,   0,    0,    0,   0,   0,   0,
            0,    0,                        /* IA_PD */
            0,    13,   0,    23,   0,   6, /* NoPrefixAvail */
            'n',  'o',  ' ',  'p',  'r', 'e', 'f', 'i', 'x',  'e',  's', ' ', 'a', 'v',
            'a',  'i',  'l',  'a',  'b', 'l', 'e', 0,   7,    0,    1,   9, /* PREFERENCE */
        };
    struct answer a;
    struct build q;

    build_message(&q, DHCP6_SOLICIT);
    build_option(&q, OPTION_CLIENTID, build_duid, sizeof(build_duid));
    answer_init(&a, DHCP6_ADVERTISE);
    a.link.preference = 9;
    a.plan.ia_count = 2;
    a.plan.lease_count = 1;
    a.plan.ias[0] = (struct plan_ia){LEASE_TYPE_NA, 7, 50, 80, false, 0, 0, 1};
    a.plan.ias[1] = (struct plan_ia){LEASE_TYPE_PD, 9, 0, 0, true, STATUS_NO_PREFIX_AVAIL, 1, 0};
    a.plan.leases[0] = (struct plan_lease){{{BUILD_DOC, 5}, 128, LEASE_TYPE_NA}, 100, 200, NULL};
    CHECK_EQ(answer_encode(&a, &q), sizeof(expected));
    CHECK_MEM(a.bytes, expected, sizeof(expected));
}

/* A REPLY with Rapid Commit, a prefix and a top-level status, by hand. */
static void test_bytes_reply(void)
{
    static const uint8_t expected[] = {
        7,    0x0a, 0x0b, 0x0c,                                                      /* REPLY */
        0,    2,    0,    10,   0, 2, 0,    0,   0x7e, 0xd9, 1,   2,   3,   4,       /* SERVERID */
        0,    25,   0,    41,   0, 0, 0,    1,   0,    0,    0,   2,   0,   0, 0, 3, /* IA_PD */
        0,    26,   0,    25,   0, 0, 0,    4,   0,    0,    0,   5,   56,           /* IAPREFIX */
        0x20, 1,    0x0d, 0xb8, 0, 0, 0x77, 0,   0,    0,    0,   0,   0,   0, 0, 0,
        0,    13,   0,    9,    0, 0, 's',  'u', 'c',  'c',  'e', 's', 's', /* STATUS */
        0,    14,   0,    0,                                                /* RAPID_COMMIT */
    };
    struct answer a;
    struct build q;

    build_message(&q, DHCP6_SOLICIT);
    answer_init(&a, DHCP6_REPLY);
    a.link.preference = 9; /* not in a Reply */
    a.plan.rapid_commit = true;
    a.plan.has_status = true;
    a.plan.ia_count = 1;
    a.plan.ias[0] = (struct plan_ia){LEASE_TYPE_PD, 1, 2, 3, false, 0, 0, 1};
    a.plan.leases[0] =
        (struct plan_lease){{{BUILD_DOC | 0x7700, 0}, 56, LEASE_TYPE_PD}, 4, 5, NULL};
    CHECK_EQ(answer_encode(&a, &q), sizeof(expected));
    CHECK_MEM(a.bytes, expected, sizeof(expected));
}

static void test_statuses(void)
{
    static const uint16_t statuses[] = {0, 1, 2, 3, 4, 5, 6, 7, 99};
    struct answer a;
    struct build q;

    build_message(&q, DHCP6_REQUEST);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct span data;

        answer_init(&a, DHCP6_REPLY);
        a.plan.has_status = true;
        a.plan.status = statuses[i];
        CHECK(answer_encode(&a, &q) > 0);
        data = answer_top(&a, OPTION_STATUS_CODE, 0);
        CHECK(data.size >= 2);
        CHECK_EQ(wire_get_u16(data.data), statuses[i]);
        CHECK_EQ(data.size > 2, statuses[i] <= 6 && statuses[i] != 5);
        CHECK(memchr(data.data + 2, 0, data.size - 2) == NULL);
    }
}

/* RFC 9915 18.3: what the ORO names and is configured, once each, and nothing else. */
static void test_oro(void)
{
    struct answer a;
    struct build q;

    QUESTION(&q, DHCP6_SOLICIT, 23, 82, 23, 4711, 999, 56, 83, 23);
    answer_policy(&a, DHCP6_ADVERTISE);
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(answer_whole(answer_options(a.encoded)));
    CHECK(span_is(answer_top(&a, 23, 0), "link link link l", 16));
    CHECK(answer_top(&a, 23, 1).data == NULL);
    CHECK(span_is(answer_top(&a, 82, 0), "\0\0\x0e\x10", 4));
    CHECK(span_is(answer_top(&a, 83, 0), "\0\0\x1c\x20", 4));
    CHECK(span_is(answer_top(&a, 4711, 0), "!", 1));
    CHECK(span_is(answer_top(&a, 56, 0), "\0\1\0\0", 4));
    CHECK(span_is(answer_top(&a, 56, 1), "\0\2\0\0", 4)); /* repeats: both */
    CHECK(!answer_has(&a, 24));
    CHECK(!answer_has(&a, 999));
    CHECK(answer_has(&a, 31)); /* always */
}

/* Codes we have nothing for do not stand in the way of later ones, however many there are. */
static void test_oro_long(void)
{
    uint16_t codes[DHCP6_ORO_CODES_MAX];
    struct answer a;
    struct build q;

    for (uint16_t i = 0; i < DHCP6_ORO_CODES_MAX; i++) {
        codes[i] = (uint16_t)(30000 + i);
    }
    codes[DHCP6_ORO_CODES_MAX - 2] = codes[DHCP6_ORO_CODES_MAX - 1] = 23;
    question_oro(&q, DHCP6_SOLICIT, codes, DHCP6_ORO_CODES_MAX);
    answer_policy(&a, DHCP6_ADVERTISE);
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(span_is(answer_top(&a, 23, 0), "link link link l", 16));
    CHECK(answer_top(&a, 23, 1).data == NULL);
}

/* Codes that must not be in an ORO or not at the top level, configured or not. */
static void test_oro_forbidden(void)
{
    struct answer a;
    struct build q;

    QUESTION(&q, DHCP6_SOLICIT, 7, 1, 2, 3, 25, 5, 26, 13, 14, 20, 67, 32, 39, 11, 12, 18);
    answer_policy(&a, DHCP6_ADVERTISE);
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(!answer_has(&a, 7));  /* configured as always */
    CHECK(!answer_has(&a, 32)); /* only for INFORMATION-REQUEST (21.23) */
    CHECK(!answer_has(&a, 39)); /* the client sent none (RFC 4704 6) */
    CHECK(!answer_has(&a, 67)); /* only inside IAPREFIX */
    CHECK(answer_top(&a, 1, 1).data == NULL && answer_top(&a, 2, 1).data == NULL);
    CHECK(!answer_has(&a, 3) && !answer_has(&a, 13) && !answer_has(&a, 20));
}

static void test_no_oro(void)
{
    struct answer a;
    struct build q;

    build_message(&q, DHCP6_REQUEST);
    answer_policy(&a, DHCP6_REPLY);
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(!answer_has(&a, 23) && !answer_has(&a, 82));
    CHECK(answer_has(&a, 31)); /* always */
    CHECK(!answer_has(&a, OPTION_CLIENTID));
}

static void test_information_request(void)
{
    struct answer a;
    struct build q;

    QUESTION(&q, DHCP6_INFORMATION_REQUEST, 32);
    answer_policy(&a, DHCP6_REPLY);
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(span_is(answer_top(&a, 32, 0), "\0\0\7\x08", 4));
    CHECK(answer_top(&a, 32, 1).data == NULL);
}

/* Forced options configure clients; other answers carry what was asked for only. */
static void test_always(void)
{
    static const struct {
        uint8_t type;
        bool forced;
    } rows[] = {
        {DHCP6_SOLICIT, true},  {DHCP6_REQUEST, true},
        {DHCP6_RENEW, true},    {DHCP6_REBIND, true},
        {DHCP6_CONFIRM, false}, {DHCP6_RELEASE, false},
        {DHCP6_DECLINE, false}, {DHCP6_INFORMATION_REQUEST, true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct answer a;
        struct build q;

        QUESTION(&q, rows[i].type, 82);
        answer_policy(&a, DHCP6_REPLY);
        CHECK(answer_encode(&a, &q) > 0);
        CHECK_EQ(answer_has(&a, 31), rows[i].forced);
        CHECK(answer_has(&a, 82));
    }
}

static void test_precedence(void)
{
    struct answer a;
    struct build q;

    QUESTION(&q, DHCP6_REQUEST, 23, 24, 82);
    answer_policy(&a, DHCP6_REPLY);
    a.plan.classes = 3;
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(span_is(answer_top(&a, 23, 0), "clas clas clas c", 16));
    CHECK(span_is(answer_top(&a, 24, 0), "\1c\0", 3));
    CHECK(answer_has(&a, 64)); /* always, of the second class */
    a.plan.reservation = &a.reservation;
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(span_is(answer_top(&a, 23, 0), "rese rese rese r", 16));
    CHECK(span_is(answer_top(&a, 24, 0), "\1c\0", 3));
    CHECK(answer_has(&a, 82));
    a.plan.classes = 2;
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(span_is(answer_top(&a, 24, 0), "\1d\0", 3));
    a.plan.classes = UINT64_C(1) << 63; /* a class this policy does not have */
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(span_is(answer_top(&a, 24, 0), "\1l\0", 3));
    a.plan.link = POLICY_LINK_NONE;
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(!answer_has(&a, 24) && answer_has(&a, 23));
}

/* RFC 9915 21.17: only if asked for; one instance per enterprise; restricted by Vendor Class. */
static void test_vendor_opts(void)
{
    struct answer a;
    struct build q;

    QUESTION(&q, DHCP6_REQUEST, 17);
    answer_policy(&a, DHCP6_REPLY);
    a.plan.classes = 1;
    a.plan.reservation = &a.reservation;
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(span_is(answer_top(&a, 17, 0), "\0\0\0\1R", 5));
    CHECK(span_is(answer_top(&a, 17, 1), "\0\0\0\2C", 5));
    CHECK(span_is(answer_top(&a, 17, 2), "\0\0\0\3L", 5));
    CHECK(answer_top(&a, 17, 3).data == NULL);

    build_option(&q, OPTION_VENDOR_CLASS, "\0\0\0\3\0\1x", 7);
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(span_is(answer_top(&a, 17, 0), "\0\0\0\3L", 5));
    CHECK(answer_top(&a, 17, 1).data == NULL);
    build_option(&q, OPTION_VENDOR_CLASS, "\0\0\0\2\0\1x", 7);
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(span_is(answer_top(&a, 17, 0), "\0\0\0\2C", 5));
    CHECK(span_is(answer_top(&a, 17, 1), "\0\0\0\3L", 5));

    QUESTION(&q, DHCP6_REQUEST, 23);
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(!answer_has(&a, 17));
}

static void test_fqdn(void)
{
    struct answer a;
    struct build q;

    QUESTION(&q, DHCP6_REQUEST, 39);
    build_option(&q, OPTION_CLIENT_FQDN, "\1\4host\7example\0", 15);
    answer_policy(&a, DHCP6_REPLY);
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(span_is(answer_top(&a, 39, 0), "\2\4host\7example\0", 15));
    CHECK(answer_top(&a, 39, 1).data == NULL);

    QUESTION(&q, DHCP6_REQUEST, 23); /* sent, not asked for */
    build_option(&q, OPTION_CLIENT_FQDN, "\1\4host\7example\0", 15);
    CHECK(answer_encode(&a, &q) > 0);
    CHECK(!answer_has(&a, 39));
}

/* The excluded prefix of the first lease of the first IA, size 0 if none. */
static struct span exclude_of(const struct answer *a)
{
    struct span ia = answer_top(a, OPTION_IA_PD, 0), prefix;

    prefix = answer_option((struct span){ia.data + 12, ia.size - 12}, OPTION_IAPREFIX, 0);
    return answer_option((struct span){prefix.data + 25, prefix.size - 25}, OPTION_PD_EXCLUDE, 0);
}

/* RFC 6603 4.2: subnet ID left-shifted to an octet boundary. */
static void test_pd_exclude(void)
{
    static const struct {
        uint8_t delegated, excluded;
        struct ip6 subnet;
        const char *expected;
        size_t size;
    } rows[] = {
        /* 2001:db8:dead:bee0::/59 without 2001:db8:dead:beef::/64 */
        {59, 64, {0x0f, 0}, "\x40\x78", 2},
        {56, 64, {0xff, 0}, "\x40\xff", 2},
        {48, 64, {0x1234, 0}, "\x40\x12\x34", 3},
        {48, 57, {0x1280, 0}, "\x39\x12\x80", 3},
        {48, 56, {0x1200, 0}, "\x38\x12", 2},
        {60, 61, {0x8, 0}, "\x3d\x80", 2},
        {60, 68, {0x9, UINT64_C(0xa) << 60}, "\x44\x9a", 2},
        {64, 72, {0, UINT64_C(0x55) << 56}, "\x48\x55", 2},
        {72, 80, {0, UINT64_C(0x0077) << 48}, "\x50\x77", 2},
        {127, 128, {0, 1}, "\x80\x80", 2},
        {0,
         128,
         {UINT64_C(0x0102030405060708), UINT64_C(0x090a0b0c0d0e0f10)},
         "\x80\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf\x10",
         17},
        /* Bits beyond the excluded length do not leak. */
        {56, 60, {0xff, UINT64_MAX}, "\x3c\xf0", 2},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pool pool = {.type = LEASE_TYPE_PD,
                            .delegated_length = rows[i].delegated,
                            .exclude_length = rows[i].excluded,
                            .exclude_subnet = rows[i].subnet};
        struct answer a;
        struct build q;

        QUESTION(&q, DHCP6_REQUEST, 67);
        answer_policy(&a, DHCP6_REPLY);
        a.plan.ia_count = 1;
        a.plan.ias[0] = (struct plan_ia){LEASE_TYPE_PD, 1, 2, 3, false, 0, 0, 1};
        a.plan.leases[0] =
            (struct plan_lease){{ip6_prefix((struct ip6){BUILD_DOC, 0}, rows[i].delegated),
                                 rows[i].delegated, LEASE_TYPE_PD},
                                4,
                                5,
                                &pool};
        CHECK(answer_encode(&a, &q) > 0);
        CHECK(answer_whole(answer_options(a.encoded)));
        CHECK(span_is(exclude_of(&a), rows[i].expected, rows[i].size));
    }
}

static void test_pd_exclude_left_out(void)
{
    struct pool pool = {.type = LEASE_TYPE_PD, .delegated_length = 56, .exclude_length = 64};
    struct plan_lease lease = {{{BUILD_DOC, 0}, 56, LEASE_TYPE_PD}, 4, 5, &pool};
    struct answer a;
    struct build with, without;

    QUESTION(&with, DHCP6_REQUEST, 67);
    QUESTION(&without, DHCP6_REQUEST, 23);
    answer_policy(&a, DHCP6_REPLY);
    a.plan.ia_count = 1;
    a.plan.ias[0] = (struct plan_ia){LEASE_TYPE_PD, 1, 2, 3, false, 0, 0, 1};
    a.plan.leases[0] = lease;
    CHECK(answer_encode(&a, &with) > 0);
    CHECK(span_is(exclude_of(&a), "\x40\0", 2));
    CHECK(answer_encode(&a, &without) > 0);
    CHECK(exclude_of(&a).data == NULL);
    a.plan.leases[0].pool = NULL;
    CHECK(answer_encode(&a, &with) > 0);
    CHECK(exclude_of(&a).data == NULL);
    a.plan.leases[0] = lease;
    a.plan.leases[0].valid_s = 0; /* on its way out */
    CHECK(answer_encode(&a, &with) > 0);
    CHECK(exclude_of(&a).data == NULL);
    a.plan.leases[0] = lease;
    a.plan.leases[0].resource.length = 48; /* reserved, not a unit of the pool */
    CHECK(answer_encode(&a, &with) > 0);
    CHECK(exclude_of(&a).data == NULL);
    a.plan.leases[0] = lease;
    pool.exclude_length = 56;
    CHECK(answer_encode(&a, &with) > 0);
    CHECK(exclude_of(&a).data == NULL);
}

/* In every size of buffer: nothing, or a whole answer with all that is mandatory. */
static void test_small_buffers(void)
{
    struct answer a;
    struct build q;
    size_t whole, mandatory = 0, last = 0;

    QUESTION(&q, DHCP6_SOLICIT, 23, 24, 17, 82);
    answer_policy(&a, DHCP6_ADVERTISE);
    a.link.preference = 1;
    a.plan.ia_count = 1;
    a.plan.ias[0] = (struct plan_ia){LEASE_TYPE_NA, 1, 2, 3, true, STATUS_SUCCESS, 0, 1};
    a.plan.leases[0] = (struct plan_lease){{{BUILD_DOC, 5}, 128, LEASE_TYPE_NA}, 4, 5, NULL};
    whole = answer_encode(&a, &q);
    CHECK(whole > 0);
    for (size_t size = 0; size <= whole; size++) {
        size_t got;

        memset(a.bytes, 0xa5, sizeof(a.bytes));
        got = answer_encode_to(&a, &q, size);
        CHECK(got <= size);
        CHECK_EQ(a.bytes[size], 0xa5);
        if (got > 0) {
            CHECK(answer_whole(answer_options(a.encoded)));
            CHECK(answer_has(&a, OPTION_SERVERID) && answer_has(&a, OPTION_CLIENTID));
            CHECK_EQ(answer_top(&a, OPTION_IA_NA, 0).size, 12 + 28 + 4 + 2 + 7);
            mandatory = mandatory ? mandatory : size;
        } else {
            CHECK_EQ(mandatory, 0); /* once it fits it goes on fitting */
        }
        last = got;
    }
    CHECK_EQ(mandatory, 4 + 14 + 14 + 4 + 53);
    CHECK_EQ(last, whole);
}

/* Options left out for lack of room do not keep smaller ones from going. */
static void test_partial_options(void)
{
    struct answer a;
    struct build q;

    QUESTION(&q, DHCP6_REQUEST, 23, 82);
    answer_policy(&a, DHCP6_REPLY);
    CHECK_EQ(answer_encode_to(&a, &q, 4 + 14 + 14 + 8), 4 + 14 + 14 + 8);
    CHECK(!answer_has(&a, 23) && answer_has(&a, 82));
}

/* With a cache that has seen all the others, each answer is what it is without. */
static void test_cache(void)
{
    static const uint16_t codes[] = {23, 24, 31, 17, 39, 64, 4711, 82};
    static const uint8_t types[] = {DHCP6_RENEW, DHCP6_CONFIRM, DHCP6_INFORMATION_REQUEST};
    static struct encode_cache cache;
    static struct answer fresh, cached;
    struct build question;

    answer_policy(&fresh, DHCP6_REPLY);
    answer_policy(&cached, DHCP6_REPLY);
    cached.cache = &cache;
    for (unsigned i = 0; i < 20000; i++) {
        unsigned pick = i * 2654435761U >> 8;
        struct policy_options *link = &fresh.link.options;

        question_oro(&question, types[pick % 3], codes + (pick / 3 & 3), 1 + (pick / 12 & 3));
        fresh.plan.classes = cached.plan.classes = pick / 48 & 3;
        fresh.plan.reservation = pick / 192 & 1 ? &fresh.reservation : NULL;
        cached.plan.reservation = pick / 192 & 1 ? &cached.reservation : NULL;
        if ((pick & 0xf00) == 0) { /* another configuration */
            link->count = link->count == 12 ? 4 : 12;
            cached.link.options.count = link->count;
            cached.policy.revision++;
        }
        answer_encode_to(&fresh, &question, 20 + (pick / 384 & 127));
        answer_encode_to(&cached, &question, 20 + (pick / 384 & 127));
        CHECK(span_equal(fresh.encoded, cached.encoded));
    }
}

static const struct check_test tests[] = {
    {"bytes", test_bytes},
    {"bytes reply", test_bytes_reply},
    {"statuses", test_statuses},
    {"oro", test_oro},
    {"oro long", test_oro_long},
    {"oro forbidden", test_oro_forbidden},
    {"no oro", test_no_oro},
    {"information-request", test_information_request},
    {"always", test_always},
    {"precedence", test_precedence},
    {"vendor opts", test_vendor_opts},
    {"fqdn", test_fqdn},
    {"pd exclude", test_pd_exclude},
    {"pd exclude left out", test_pd_exclude_left_out},
    {"small buffers", test_small_buffers},
    {"partial options", test_partial_options},
    {"cache", test_cache},
};

CHECK_MAIN(tests)

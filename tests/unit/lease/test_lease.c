/* lease/lease.h: states, holding, lifetimes, info items. */
#include "check.h"
#include "lease/lease.h"

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

static void test_info_round_trip(void)
{
    uint8_t buf[LEASE_INFO_SIZE_MAX];
    struct wire_out out = wire_out_to(buf, sizeof(buf));
    struct span info, found;

    CHECK(lease_info_add(&out, LEASE_INFO_INTERFACE_ID, text("eth0/1")));
    CHECK(lease_info_add(&out, LEASE_INFO_REMOTE_ID, text("line 7")));
    CHECK(lease_info_add(&out, LEASE_INFO_FQDN, (struct span){NULL, 0}));
    info = (struct span){buf, (size_t)(out.at - buf)};
    CHECK(lease_info_valid(info));
    CHECK(span_equal(lease_info_find(info, LEASE_INFO_REMOTE_ID), text("line 7")));
    CHECK(span_equal(lease_info_find(info, LEASE_INFO_INTERFACE_ID), text("eth0/1")));
    CHECK_EQ(lease_info_find(info, LEASE_INFO_RELAY).size, 0);
    found = lease_info_find(info, LEASE_INFO_FQDN);
    CHECK_EQ(found.size, 0);
    CHECK(found.data != NULL); /* there, but empty */
}

static void test_info_limits(void)
{
    static const uint8_t big[256];
    uint8_t buf[20];
    struct wire_out out = wire_out_to(buf, sizeof(buf));

    CHECK(!lease_info_add(&out, LEASE_INFO_RELAY_ID, (struct span){big, 256}));
    CHECK(!lease_info_add(&out, LEASE_INFO_RELAY_ID, (struct span){big, 19}));
    CHECK(!out.failed);
    CHECK(out.at == buf);
    CHECK(lease_info_add(&out, LEASE_INFO_RELAY_ID, (struct span){big, 18}));
    CHECK(!lease_info_add(&out, LEASE_INFO_RELAY, (struct span){big, 0}));
    CHECK(lease_info_valid((struct span){buf, 20}));
}

static void test_info_invalid(void)
{
    static const uint8_t tag_zero[] = {0, 0}, tag_high[] = {LEASE_INFO_TAG_COUNT, 0};
    static const uint8_t short_data[] = {1, 2, 0}, no_size[] = {1}, twice[] = {1, 0, 2, 0, 1, 0};
    static const uint8_t huge[LEASE_INFO_SIZE_MAX + 1] = {1, 255};

    CHECK(!lease_info_valid((struct span){tag_zero, 2}));
    CHECK(!lease_info_valid((struct span){tag_high, 2}));
    CHECK(!lease_info_valid((struct span){short_data, 3}));
    CHECK(!lease_info_valid((struct span){no_size, 1}));
    CHECK(!lease_info_valid((struct span){twice, 6}));
    CHECK(lease_info_valid((struct span){twice, 4}));
    CHECK(!lease_info_valid((struct span){huge, sizeof(huge)}));
    CHECK(lease_info_valid((struct span){NULL, 0}));
    CHECK_EQ(lease_info_find((struct span){short_data, 3}, LEASE_INFO_PEER_ADDRESS).size, 0);
}

static void test_names(void)
{
    CHECK_STR(binding_status_name(BINDING_ACTIVE), "ACTIVE");
    CHECK_STR(binding_status_name(BINDING_FREE_BACKUP), "FREE_BACKUP");
    CHECK_STR(binding_status_name(0), "UNKNOWN");
    CHECK_STR(binding_status_name(9), "UNKNOWN");
}

/* RFC 8156 7.2, Figure 2, as drawn there, plus the short ways named in the header. */
static void test_transitions(void)
{
    static const char *const rows[BINDING_STATUS_COUNT] = {
        /*                     0 A E R P F B X S */
        [BINDING_ACTIVE] = ".111.1.1.",    [BINDING_EXPIRED] = ".11.111..",
        [BINDING_RELEASED] = ".1.1111..",  [BINDING_PENDING_FREE] = "....111..",
        [BINDING_FREE] = ".1...11..",      [BINDING_FREE_BACKUP] = ".1...11..",
        [BINDING_ABANDONED] = ".....1.11", [BINDING_RESET] = "....111.1",
    };

    for (unsigned from = 1; from < BINDING_STATUS_COUNT; from++) {
        for (unsigned to = 1; to < BINDING_STATUS_COUNT; to++) {
            CHECK_EQ(binding_transition_legal((enum binding_status)from, (enum binding_status)to),
                     rows[from][to] == '1');
        }
        CHECK(!binding_transition_legal((enum binding_status)from, (enum binding_status)0));
        CHECK(!binding_transition_legal((enum binding_status)0, (enum binding_status)from));
    }
    CHECK(!binding_transition_legal((enum binding_status)99, BINDING_FREE));
}

static void test_same_client(void)
{
    struct lease a = {.resource = {.type = LEASE_TYPE_NA}, .iaid = 1, .duid = text("abc")};
    struct lease b = a;

    CHECK(lease_same_client(&a, &b));
    b.iaid = 2;
    CHECK(!lease_same_client(&a, &b));
    b = a;
    b.resource.type = LEASE_TYPE_PD;
    CHECK(!lease_same_client(&a, &b));
    b = a;
    b.duid = text("abd");
    CHECK(!lease_same_client(&a, &b));
}

static void test_held(void)
{
    struct lease lease = {.status = BINDING_ACTIVE, .times = {.expires_s = 1000}};

    CHECK(lease_is_held(&lease, 999));
    CHECK(!lease_is_held(&lease, 1000));
    lease.times.expires_s = 0; /* no timeout */
    CHECK(lease_is_held(&lease, 5000));
    lease.status = BINDING_ABANDONED;
    CHECK(lease_is_held(&lease, 5000));
    lease.times.expires_s = 1000;
    CHECK(!lease_is_held(&lease, 1001));
    lease.status = BINDING_EXPIRED;
    CHECK(lease_is_held(&lease, 5000));
    lease.status = BINDING_RELEASED;
    CHECK(lease_is_held(&lease, 5000));
    lease.status = BINDING_RESET;
    CHECK(lease_is_held(&lease, 5000));
    lease.status = BINDING_FREE;
    CHECK(!lease_is_held(&lease, 5));
    lease.status = BINDING_FREE_BACKUP;
    CHECK(!lease_is_held(&lease, 5));
    lease.status = 200;
    CHECK(lease_is_held(&lease, 5));
}

/* RFC 8156 4.4.1, the worked example: MCLT one hour, desired three days. */
static void test_valid_lifetime(void)
{
    const uint32_t hour = 3600, day = 86400, desired = 3 * day;
    const sec_t now = 800000000;

    CHECK_EQ(lease_valid_lifetime(desired, 0, hour, now), hour);
    CHECK_EQ(lease_valid_lifetime(desired, now + hour / 2 + desired, hour, now + hour / 2),
             desired);
    CHECK_EQ(lease_valid_lifetime(desired, now + day, hour, now), day + hour);
    CHECK_EQ(lease_valid_lifetime(desired, now - day, hour, now), hour);
    CHECK_EQ(lease_valid_lifetime(desired, 0, 0, now), desired);
    CHECK_EQ(lease_valid_lifetime(LIFETIME_INFINITE, 0, hour, now), hour);
    /* Later than 2068 an absent value must not look like a moment to come. */
    CHECK_EQ(lease_valid_lifetime(desired, 0, hour, 0x90000000u), hour);
    /* The sum of both terms does not wrap. */
    CHECK_EQ(lease_valid_lifetime(desired, now + 0x7fffffff, 0xffffffff, now), desired);
}

static void test_expiry(void)
{
    struct lease lease = {.times = {.expires_s = lease_expiry(100, LIFETIME_INFINITE)}};

    CHECK_EQ(lease.times.expires_s, 0);
    CHECK(!lease_is_over(&lease, 0x70000000));
    CHECK_EQ(lease_expiry(100, 50), 150);
    CHECK_EQ(lease_expiry(0xffffffff, 1), 1); /* 0 would mean "never" */
    lease.times.expires_s = 10;
    CHECK(!lease_is_over(&lease, 0xfffffff0)); /* across the turn of the counter */
    CHECK(lease_is_over(&lease, 11));
}

static void test_info_cut(void)
{
    uint8_t buf[64];
    struct wire_out out = wire_out_to(buf, sizeof(buf));
    struct span info;

    CHECK(lease_info_add(&out, LEASE_INFO_PEER_ADDRESS,
                         (struct span){(const uint8_t *)"12345678", 8}));
    CHECK(lease_info_add(&out, LEASE_INFO_INTERFACE_ID, (struct span){(const uint8_t *)"port", 4}));
    CHECK(lease_info_add(&out, LEASE_INFO_REMOTE_ID, (struct span){(const uint8_t *)"abcdef", 6}));
    info = (struct span){buf, (size_t)(out.at - buf)};
    CHECK_EQ(info.size, 24);
    CHECK_EQ(lease_info_cut(info, 24).size, 24);
    CHECK_EQ(lease_info_cut(info, 23).size, 16);
    CHECK_EQ(lease_info_cut(info, 16).size, 16);
    CHECK_EQ(lease_info_cut(info, 15).size, 10);
    CHECK_EQ(lease_info_cut(info, 9).size, 0);
    CHECK_EQ(lease_info_cut(info, 0).size, 0);
    CHECK(lease_info_valid(lease_info_cut(info, 17)));
    CHECK(lease_info_cut(info, 17).data == buf);
    CHECK_EQ(lease_info_cut((struct span){NULL, 0}, 5).size, 0);
    info.size = 23; /* not well-formed: what is whole */
    CHECK_EQ(lease_info_cut(info, 22).size, 16);
}

static const struct check_test tests[] = {
    {"info_round_trip", test_info_round_trip},
    {"info_limits", test_info_limits},
    {"info_invalid", test_info_invalid},
    {"info_cut", test_info_cut},
    {"names", test_names},
    {"transitions", test_transitions},
    {"same_client", test_same_client},
    {"held", test_held},
    {"valid_lifetime", test_valid_lifetime},
    {"expiry", test_expiry},
};

CHECK_MAIN(tests)

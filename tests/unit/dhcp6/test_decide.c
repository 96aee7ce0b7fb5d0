/* Who is answered (RFC 9915 16, RFC 8156 8), CONFIRM, RELEASE, DECLINE, INFORMATION-REQUEST. */
#include "ask.h"

/* RFC 9915 16.2 - 16.12: what is discarded before anything is looked at. */
static void test_validate(void)
{
    static const struct {
        uint8_t type;
        enum counter no_client_id, no_server_id, our_server_id, foreign_server_id;
    } rows[] = {
        {DHCP6_SOLICIT, COUNTER_drop_client_id_missing, COUNTER_COUNT,
         COUNTER_drop_server_id_present, COUNTER_drop_server_id_present},
        {DHCP6_REQUEST, COUNTER_drop_client_id_missing, COUNTER_drop_server_id_missing,
         COUNTER_COUNT, COUNTER_drop_server_id_foreign},
        {DHCP6_CONFIRM, COUNTER_drop_client_id_missing, COUNTER_COUNT,
         COUNTER_drop_server_id_present, COUNTER_drop_server_id_present},
        {DHCP6_RENEW, COUNTER_drop_client_id_missing, COUNTER_drop_server_id_missing, COUNTER_COUNT,
         COUNTER_drop_server_id_foreign},
        {DHCP6_REBIND, COUNTER_drop_client_id_missing, COUNTER_COUNT,
         COUNTER_drop_server_id_present, COUNTER_drop_server_id_present},
        {DHCP6_RELEASE, COUNTER_drop_client_id_missing, COUNTER_drop_server_id_missing,
         COUNTER_COUNT, COUNTER_drop_server_id_foreign},
        {DHCP6_DECLINE, COUNTER_drop_client_id_missing, COUNTER_drop_server_id_missing,
         COUNTER_COUNT, COUNTER_drop_server_id_foreign},
        {DHCP6_INFORMATION_REQUEST, COUNTER_COUNT, COUNTER_COUNT, COUNTER_COUNT,
         COUNTER_drop_server_id_foreign},
    };

    world_init(&w);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        world_message(&w, (enum dhcp6_type)rows[i].type);
        w.message.server_id = (struct span){NULL, 0};
        CHECK_EQ(decide_validate(&w.policy, &w.message, false), rows[i].no_server_id);
        w.message.server_id = SERVER;
        CHECK_EQ(decide_validate(&w.policy, &w.message, false), rows[i].our_server_id);
        w.message.server_id = BYTES("\0\2other");
        CHECK_EQ(decide_validate(&w.policy, &w.message, false), rows[i].foreign_server_id);
        world_message(&w, (enum dhcp6_type)rows[i].type);
        w.message.client_id = (struct span){NULL, 0};
        CHECK_EQ(decide_validate(&w.policy, &w.message, false), rows[i].no_client_id);
        world_message(&w, (enum dhcp6_type)rows[i].type);
        CHECK_EQ(decide_validate(&w.policy, &w.message, true), COUNTER_drop_unicast);
        w.message.relay_count = 1; /* a relay's unicast is the normal case */
        CHECK_EQ(decide_validate(&w.policy, &w.message, true), COUNTER_COUNT);
    }
}

static void test_validate_types(void)
{
    static const uint8_t others[] = {
        0, DHCP6_ADVERTISE, DHCP6_REPLY, DHCP6_RECONFIGURE, DHCP6_RELAY_REPL, 14, 36, 255};

    world_init(&w);
    for (size_t i = 0; i < sizeof(others); i++) {
        world_message(&w, DHCP6_SOLICIT);
        w.message.type = others[i];
        CHECK_EQ(decide_validate(&w.policy, &w.message, false), COUNTER_drop_message_type);
    }
}

static void test_validate_duid_size(void)
{
    static const uint8_t bytes[DUID_SIZE_MAX + 1];

    world_init(&w);
    world_message(&w, DHCP6_SOLICIT);
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        w.message.client_id = (struct span){bytes, size};
        CHECK_EQ(decide_validate(&w.policy, &w.message, false),
                 size >= 3 && size <= 130 ? COUNTER_COUNT : COUNTER_drop_client_id_missing);
    }
}

/* RFC 9915 16.12, 18.3.6. */
static void test_information_request(void)
{
    world_init(&w);
    world_message(&w, DHCP6_INFORMATION_REQUEST);
    w.message.client_id = (struct span){NULL, 0};
    CHECK_EQ(world_decide(&w)->verdict, PLAN_REPLY);
    CHECK_EQ(w.plan.reply_type, DHCP6_REPLY);
    CHECK_EQ(w.plan.ia_count, 0);
    CHECK(!w.plan.has_status);
    world_ia(&w, LEASE_TYPE_NA, 1);
    check_drop(COUNTER_drop_ia_in_information_request);
}

static void test_who_is_answered(void)
{
    world_init(&w);
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, NOTHING);
    w.input.classes = 2;
    CHECK_EQ(world_decide(&w)->verdict, PLAN_REPLY);
    w.classes[1].drop = true;
    check_drop(COUNTER_drop_client_class);
    w.input.classes = 0;
    w.input.unicast = true;
    check_drop(COUNTER_drop_unicast);
}

/* RFC 8156 8.3 - 8.12, protocol facts F.37, F.38. */
static void test_grant_service(void)
{
    static const struct {
        enum dhcp6_type type;
        bool own_server_id;
    } rows[] = {
        {DHCP6_SOLICIT, false}, {DHCP6_REQUEST, true}, {DHCP6_CONFIRM, false}, {DHCP6_RENEW, true},
        {DHCP6_REBIND, false},  {DHCP6_RELEASE, true}, {DHCP6_DECLINE, true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        world_init(&w);
        world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE);
        ask(rows[i].type, LEASE_TYPE_NA, A10);
        CHECK_EQ(world_decide(&w)->verdict, PLAN_REPLY);
        w.grant.service = GRANT_SILENT;
        check_drop(COUNTER_drop_silent);
        w.grant.service = GRANT_OWN_SERVER_ID;
        CHECK_EQ(world_decide(&w)->verdict, rows[i].own_server_id ? PLAN_REPLY : PLAN_DROP);
        w.grant.service = GRANT_RENEW_KNOWN;
        CHECK_EQ(world_decide(&w)->verdict, rows[i].type == DHCP6_RENEW ? PLAN_REPLY : PLAN_DROP);
    }
    world_init(&w);
    w.grant.service = GRANT_OWN_SERVER_ID;
    world_message(&w, DHCP6_INFORMATION_REQUEST);
    check_drop(COUNTER_drop_silent);
    w.message.server_id = SERVER;
    CHECK_EQ(world_decide(&w)->verdict, PLAN_REPLY);
}

static void test_renew_known_only(void)
{
    world_init(&w);
    w.grant.service = GRANT_RENEW_KNOWN;
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10);
    check_drop(COUNTER_drop_silent);
    ask(DHCP6_RENEW, LEASE_TYPE_NA, OTHER); /* not even that it is unfit */
    check_drop(COUNTER_drop_silent);
    world_lease(&w, A11, ALICE, 2, BINDING_ACTIVE);
    world_ia(&w, LEASE_TYPE_NA, 2);
    world_list(&w, A11);
    CHECK_EQ(world_decide(&w)->verdict, PLAN_REPLY);
    CHECK_EQ(w.plan.ia_count, 1); /* of the unknown IA nothing is said */
    CHECK_EQ(w.plan.ias[0].iaid, 2);
    CHECK_EQ(w.plan.change_count, 1);
}

/* RFC 9915 18.3.3. */
static void test_confirm(void)
{
    world_init(&w);
    ask(DHCP6_CONFIRM, LEASE_TYPE_NA, address(NET1, 0xabcdef)); /* no lease, but the link's */
    world_decide(&w);
    CHECK_EQ(w.plan.verdict, PLAN_REPLY);
    CHECK(w.plan.has_status);
    CHECK_EQ(w.plan.status, STATUS_SUCCESS);
    CHECK_EQ(w.plan.ia_count, 0);
    CHECK_EQ(w.plan.change_count, 0);
    world_ia(&w, LEASE_TYPE_NA, 2);
    world_list(&w, OTHER);
    CHECK_EQ(world_decide(&w)->status, STATUS_NOT_ON_LINK);
    world_message(&w, DHCP6_CONFIRM);
    check_drop(COUNTER_drop_no_answer);
    world_ia(&w, LEASE_TYPE_NA, 2);
    check_drop(COUNTER_drop_no_answer);
    world_ia(&w, LEASE_TYPE_PD, 2);
    world_list(&w, P1);
    check_drop(COUNTER_drop_no_answer);
}

/* RFC 9915 18.3.7. */
static void test_release(void)
{
    world_init(&w);
    world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE)->times.acked_partner_lifetime_s = 77;
    world_lease(&w, P1, ALICE, 1, BINDING_ACTIVE);
    world_lease(&w, A11, BOB, 1, BINDING_ACTIVE);
    ask(DHCP6_RELEASE, LEASE_TYPE_NA, A10);
    world_list(&w, A11); /* not its own: ignored */
    world_ia(&w, LEASE_TYPE_PD, 1);
    world_list(&w, P1);
    world_ia(&w, LEASE_TYPE_NA, 3);
    world_list(&w, address(NET1, 0x1012));
    world_decide(&w);
    CHECK(w.plan.has_status);
    CHECK_EQ(w.plan.status, STATUS_SUCCESS);
    CHECK_EQ(w.plan.ia_count, 1); /* only the one without a binding is told of */
    CHECK_EQ(w.plan.ias[0].iaid, 3);
    check_status(&w.plan, 0, STATUS_NO_BINDING);
    CHECK_EQ(w.plan.ias[0].t1_s, 0);
    CHECK_EQ(w.plan.change_count, 2);
    CHECK_EQ(w.plan.changes[0].next.status, BINDING_FREE);
    CHECK_EQ(w.plan.changes[0].next.times.acked_partner_lifetime_s, 0);
    CHECK_EQ(w.plan.changes[0].next.times.start_s, WORLD_NOW);
    CHECK_EQ(w.plan.changes[0].next.times.expires_s, 0);
    CHECK(span_equal(w.plan.changes[0].next.duid, ALICE)); /* remembered */
    CHECK_EQ(w.plan.changes[0].counter, COUNTER_lease_released);
    CHECK_EQ(w.plan.changes[1].pool, POOL_PD56);
    CHECK(world_commit(&w));
    CHECK(w.claim[POOL_PD56][1]);
    CHECK_EQ(world_find(&w, A11)->status, BINDING_ACTIVE);
    world_decide(&w); /* once more: nothing left to release */
    CHECK_EQ(w.plan.change_count, 0);
    CHECK_EQ(w.plan.ia_count, 3);
}

static void test_release_with_partner(void)
{
    const struct lease *next = &w.plan.changes[0].next;

    world_init(&w);
    w.grant.partner = true;
    world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE)->times.acked_partner_lifetime_s = 77;
    ask(DHCP6_RELEASE, LEASE_TYPE_NA, A10);
    world_decide(&w);
    CHECK_EQ(next->status, BINDING_RELEASED); /* RFC 8156 4.2.2.1 */
    CHECK_EQ(next->times.acked_partner_lifetime_s, 77);
}

static void test_release_after_moving(void)
{
    world_init(&w);
    world_lease(&w, P_OTHER, ALICE, 1, BINDING_ACTIVE);
    ask(DHCP6_RELEASE, LEASE_TYPE_PD, P_OTHER);
    world_decide(&w);
    CHECK_EQ(w.plan.changes[0].pool, POOL_PD_OTHER); /* its claim bit must not be lost */
    CHECK(world_commit(&w));
    CHECK(w.claim[POOL_PD_OTHER][1]);
}

/* RFC 9915 18.3.8. */
static void test_decline(void)
{
    world_init(&w);
    world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE);
    world_lease(&w, P1, ALICE, 2, BINDING_ACTIVE);
    ask(DHCP6_DECLINE, LEASE_TYPE_NA, A10);
    world_ia(&w, LEASE_TYPE_PD, 2);
    world_list(&w, P1);
    world_ia(&w, LEASE_TYPE_NA, 9);
    world_decide(&w);
    CHECK_EQ(w.plan.status, STATUS_SUCCESS);
    CHECK(w.plan.has_status);
    CHECK_EQ(w.plan.ia_count, 1);
    CHECK_EQ(w.plan.ias[0].iaid, 9);
    check_status(&w.plan, 0, STATUS_NO_BINDING);
    CHECK_EQ(w.plan.change_count, 1);
    CHECK_EQ(w.plan.changes[0].next.status, BINDING_ABANDONED);
    CHECK_EQ(w.plan.changes[0].next.times.expires_s, WORLD_NOW + 86400);
    CHECK_EQ(w.plan.changes[0].counter, COUNTER_lease_declined);
    CHECK(world_commit(&w));
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, A10);
    world_decide(&w);
    CHECK_EQ(w.plan.lease_count, 1);
    CHECK(!lease_of(&w.plan, A10));
}

static void test_may_allocate(void)
{
    struct lease *lease;

    world_init(&w);
    lease = world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE);
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10);
    world_decide(&w);
    CHECK(!decide_may_allocate(&w.message, &w.found, WORLD_NOW));
    CHECK(decide_may_allocate(&w.message, &w.found, WORLD_NOW + 2000)); /* it is over then */
    lease->status = BINDING_FREE;
    world_decide(&w);
    CHECK(decide_may_allocate(&w.message, &w.found, WORLD_NOW));
    w.message.type = DHCP6_RELEASE;
    CHECK(!decide_may_allocate(&w.message, &w.found, WORLD_NOW));
    w.message.type = DHCP6_CONFIRM;
    CHECK(!decide_may_allocate(&w.message, &w.found, WORLD_NOW));
    w.message.type = DHCP6_SOLICIT;
    CHECK(decide_may_allocate(&w.message, &w.found, WORLD_NOW));
    w.message.type = DHCP6_REBIND;
    CHECK(decide_may_allocate(&w.message, &w.found, WORLD_NOW));
    lease->status = BINDING_ACTIVE;
    world_ia(&w, LEASE_TYPE_PD, 1);
    world_decide(&w);
    CHECK(decide_may_allocate(&w.message, &w.found, WORLD_NOW));
}

static const struct check_test tests[] = {
    {"validate", test_validate},
    {"validate_types", test_validate_types},
    {"validate_duid_size", test_validate_duid_size},
    {"information_request", test_information_request},
    {"who_is_answered", test_who_is_answered},
    {"grant_service", test_grant_service},
    {"renew_known_only", test_renew_known_only},
    {"confirm", test_confirm},
    {"release", test_release},
    {"release_with_partner", test_release_with_partner},
    {"release_after_moving", test_release_after_moving},
    {"decline", test_decline},
    {"may_allocate", test_may_allocate},
};

CHECK_MAIN(tests)

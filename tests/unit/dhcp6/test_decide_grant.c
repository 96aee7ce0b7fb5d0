/* SOLICIT and REQUEST: what a client is given (RFC 9915 18.3.1, 18.3.2, 18.3.9, RFC 8156 4.2). */
#include "ask.h"

/* Offers hold nothing (design 2); RFC 9915 18.3.9. */
static void test_solicit(void)
{
    const struct plan *plan;
    struct resource offered;

    world_init(&w);
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, NOTHING);
    world_ia(&w, LEASE_TYPE_PD, 7);
    plan = world_decide(&w);
    CHECK_EQ(plan->verdict, PLAN_REPLY);
    CHECK_EQ(plan->reply_type, DHCP6_ADVERTISE);
    CHECK(!plan->rapid_commit);
    CHECK_EQ(plan->ia_count, 2);
    CHECK_EQ(plan->lease_count, 2);
    CHECK_EQ(plan->change_count, 0);
    CHECK_EQ(plan->ias[1].type, LEASE_TYPE_PD);
    CHECK_EQ(plan->ias[1].iaid, 7);
    CHECK_EQ(plan->ias[1].lease_first, 1);
    CHECK_EQ(plan->leases[0].valid_s, 4000);
    CHECK_EQ(plan->leases[0].preferred_s, 3000);
    CHECK(pool_contains(&w.pools[POOL_NA].pool, &plan->leases[0].resource));
    CHECK(pool_contains(&w.pools[POOL_PD56].pool, &plan->leases[1].resource));
    CHECK(plan->leases[1].pool == &w.pools[POOL_PD56].pool);
    offered = plan->leases[0].resource;
    CHECK(resource_equal(&world_decide(&w)->leases[0].resource, &offered)); /* stable */
}

static void test_request_gets_the_offer(void)
{
    struct resource offered[2];

    world_init(&w);
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, NOTHING);
    world_ia(&w, LEASE_TYPE_PD, 1);
    world_decide(&w);
    offered[0] = w.plan.leases[0].resource;
    offered[1] = w.plan.leases[1].resource;
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, offered[0]);
    world_ia(&w, LEASE_TYPE_PD, 1);
    world_list(&w, offered[1]);
    world_decide(&w);
    CHECK_EQ(w.plan.reply_type, DHCP6_REPLY);
    CHECK_EQ(w.plan.change_count, 2);
    CHECK(resource_equal(&w.plan.leases[0].resource, &offered[0]));
    CHECK(resource_equal(&w.plan.leases[1].resource, &offered[1]));
    CHECK(world_commit(&w));
    CHECK(!w.claim[POOL_PD56][pool_unit_index(&w.pools[POOL_PD56].pool, &offered[1])]);
    /* The same REQUEST again (18.3.2): the existing bindings, and no further lease. */
    world_decide(&w);
    CHECK_EQ(w.plan.lease_count, 2);
    CHECK(resource_equal(&w.plan.leases[0].resource, &offered[0]));
    CHECK_EQ(w.plan.changes[0].counter, COUNTER_lease_renewed);
    CHECK(world_commit(&w));
    CHECK_EQ(w.lease_count, 2);
}

static void test_request_change(void)
{
    const struct lease *next = &w.plan.changes[0].next;

    world_init(&w);
    w.input.info = BYTES("\1\10abcdefgh");
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, A10);
    w.message.reconf_accept = true;
    world_decide(&w);
    CHECK_EQ(w.plan.change_count, 1);
    CHECK_EQ(w.plan.changes[0].base.slot, LEASE_SLOT_NONE);
    CHECK_EQ(w.plan.changes[0].pool, POOL_NA);
    CHECK_EQ(w.plan.changes[0].counter, COUNTER_lease_created);
    CHECK(resource_equal(&next->resource, &A10));
    CHECK_EQ(next->status, BINDING_ACTIVE);
    CHECK_EQ(next->iaid, 1);
    CHECK_EQ(next->flags, LEASE_FLAG_RECONF_ACCEPT);
    CHECK(span_equal(next->duid, ALICE));
    CHECK(span_equal(next->info, w.input.info));
    CHECK_EQ(next->times.start_s, WORLD_NOW);
    CHECK_EQ(next->times.clt_s, WORLD_NOW);
    CHECK_EQ(next->times.expires_s, WORLD_NOW + 4000);
    CHECK_EQ(next->times.horizon_s, WORLD_NOW + 4000);
    CHECK_EQ(next->times.valid_lifetime_s, 4000);
    CHECK_EQ(next->times.preferred_lifetime_s, 3000);
    CHECK_EQ(next->times.t1_s, 1500);
    CHECK_EQ(next->times.t2_s, 2400);
    CHECK_EQ(next->times.partner_lifetime_s, 0);
}

/* RFC 9915 18.3.1, 21.14. */
static void test_rapid_commit(void)
{
    world_init(&w);
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, NOTHING);
    w.message.rapid_commit = true;
    CHECK_EQ(world_decide(&w)->reply_type, DHCP6_ADVERTISE);
    CHECK(!w.plan.rapid_commit);
    w.links[0].rapid_commit = true;
    CHECK_EQ(world_decide(&w)->reply_type, DHCP6_REPLY);
    CHECK(w.plan.rapid_commit);
    CHECK_EQ(w.plan.change_count, 1);
    w.message.rapid_commit = false;
    CHECK_EQ(world_decide(&w)->reply_type, DHCP6_ADVERTISE);
    CHECK_EQ(w.plan.change_count, 0);
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, NOTHING);
    w.message.rapid_commit = true; /* means something in a SOLICIT only */
    CHECK(!world_decide(&w)->rapid_commit);
}

/* RFC 9915 18.3.2: an address for another link, and only in a REQUEST's IA_NA. */
static void test_request_not_on_link(void)
{
    world_init(&w);
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, OTHER);
    world_list(&w, A10);
    world_ia(&w, LEASE_TYPE_NA, 2);
    world_decide(&w);
    check_status(&w.plan, 0, STATUS_NOT_ON_LINK);
    CHECK_EQ(w.plan.ias[1].lease_count, 1);
    CHECK_EQ(w.plan.change_count, 1);
    ask(DHCP6_REQUEST, LEASE_TYPE_PD, P_OTHER);
    world_decide(&w);
    CHECK_EQ(w.plan.ias[0].lease_count, 1);
    CHECK(!lease_of(&w.plan, P_OTHER));
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, OTHER); /* there a hint only */
    world_decide(&w);
    CHECK_EQ(w.plan.ias[0].lease_count, 1);
    CHECK(!lease_of(&w.plan, OTHER));
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, address(0, 0)); /* names nothing */
    world_decide(&w);
    CHECK_EQ(w.plan.ias[0].lease_count, 1);
}

/* RFC 9915 18.3.9, 18.3.2; RFC 7550 4: statuses in place, the other IAs unharmed. */
static void test_none_available(void)
{
    world_init(&w);
    for (unsigned i = 0; i < 256; i++) {
        world_lease(&w, address(NET1, 0x1000 + i), BOB, i, BINDING_ACTIVE);
    }
    memset(w.claim, 0, sizeof(w.claim));
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, A10);
    world_ia(&w, LEASE_TYPE_PD, 1);
    world_decide(&w);
    CHECK_EQ(w.plan.reply_type, DHCP6_ADVERTISE);
    check_status(&w.plan, 0, STATUS_NO_ADDRS_AVAIL);
    check_status(&w.plan, 1, STATUS_NO_PREFIX_AVAIL);
    CHECK_EQ(w.plan.ias[0].t1_s, 0);
    w.message.type = DHCP6_REQUEST;
    w.message.server_id = SERVER;
    w.claim[POOL_PD56][9] = true;
    world_decide(&w);
    check_status(&w.plan, 0, STATUS_NO_ADDRS_AVAIL);
    CHECK_EQ(w.plan.ias[1].lease_count, 1);
    CHECK_EQ(w.plan.leases[0].resource.prefix.hi, PD56 | 9 << 8);
    CHECK_EQ(w.plan.change_count, 1);
}

static void test_the_last_free_one_is_found(void)
{
    world_init(&w);
    for (unsigned i = 0; i < 256; i++) {
        if (i != 0x77) {
            world_lease(&w, address(NET1, 0x1000 + i), BOB, i, BINDING_ACTIVE);
        }
    }
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, NOTHING);
    world_decide(&w);
    CHECK_EQ(w.plan.lease_count, 1);
    CHECK_EQ(w.plan.leases[0].resource.prefix.lo, 0x1077);
}

static void test_several_ias_get_different_leases(void)
{
    world_init(&w);
    world_message(&w, DHCP6_REQUEST);
    for (uint32_t i = 0; i < 8; i++) {
        world_ia(&w, LEASE_TYPE_NA, i);
        world_list(&w, A10); /* all the same wish */
        world_ia(&w, LEASE_TYPE_PD, i);
        world_list(&w, P1);
    }
    world_decide(&w);
    CHECK_EQ(w.plan.lease_count, 16);
    for (unsigned i = 0; i < 16; i++) {
        for (unsigned j = 0; j < i; j++) {
            CHECK(!resource_equal(&w.plan.leases[i].resource, &w.plan.leases[j].resource));
        }
    }
    CHECK(world_commit(&w));
}

/* RFC 9915 21.4: IAIDs are unique; a second IA with the same means the same leases. */
static void test_repeated_ia(void)
{
    world_init(&w);
    world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE);
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10);
    world_ia(&w, LEASE_TYPE_NA, 1);
    world_list(&w, A10);
    world_decide(&w);
    CHECK_EQ(w.plan.ia_count, 1);
    CHECK_EQ(w.plan.change_count, 1);
    w.message.type = DHCP6_RELEASE;
    world_decide(&w);
    CHECK_EQ(w.plan.change_count, 1);
}

static void test_former_lease_comes_back(void)
{
    world_init(&w);
    world_lease(&w, A10, ALICE, 1, BINDING_FREE);
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, A11);
    CHECK(resource_equal(&world_decide(&w)->leases[0].resource, &A10));
    world_lease(&w, P1, ALICE, 1, BINDING_FREE);
    ask(DHCP6_SOLICIT, LEASE_TYPE_PD, NOTHING);
    CHECK(resource_equal(&world_decide(&w)->leases[0].resource, &P1));
    w.claim[POOL_PD56][1] = false; /* handed to the partner meanwhile */
    CHECK(!resource_equal(&world_decide(&w)->leases[0].resource, &P1));
}

static void test_free_lease_of_another_is_fresh(void)
{
    struct lease *old;
    const struct lease *next = &w.plan.changes[0].next;

    world_init(&w);
    old = world_lease(&w, A10, BOB, 9, BINDING_FREE);
    old->times.acked_partner_lifetime_s = WORLD_NOW + 90000;
    old->times.partner_lifetime_s = WORLD_NOW + 90000;
    old->times.expiration_s = WORLD_NOW + 90000;
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, A10);
    world_decide(&w);
    CHECK_EQ(w.plan.change_count, 1);
    CHECK(resource_equal(&next->resource, &A10));
    CHECK_EQ(w.plan.changes[0].base.slot, 0);
    CHECK_EQ(w.plan.changes[0].counter, COUNTER_lease_created);
    CHECK_EQ(next->iaid, 1);
    CHECK_EQ(next->times.acked_partner_lifetime_s, 0); /* facts F.5 */
    CHECK_EQ(next->times.partner_lifetime_s, 0);
    CHECK_EQ(next->times.expiration_s, 0);
    CHECK_EQ(next->times.start_s, WORLD_NOW);
}

/* Whose lease on record goes to a client who names it: by status, owner, partner and clock. */
static void test_reuse(void)
{
    static const struct {
        enum binding_status status;
        bool own, over, partner, reuse, given;
    } rows[] = {
        {BINDING_ACTIVE, false, false, false, true, false},
        {BINDING_ACTIVE, false, true, false, true, true},
        {BINDING_ACTIVE, false, true, false, false, false}, /* clock not trusted */
        {BINDING_ACTIVE, false, true, true, true, false},   /* RFC 8156 4.2.2.1 */
        {BINDING_ACTIVE, true, true, true, false, true},
        {BINDING_EXPIRED, false, true, false, true, true},
        {BINDING_EXPIRED, false, true, false, false, false},
        {BINDING_EXPIRED, false, true, true, true, false},
        {BINDING_EXPIRED, true, true, false, false, true},
        {BINDING_RELEASED, false, true, true, true, false},
        {BINDING_RELEASED, true, true, false, false, true},
        {BINDING_RELEASED, true, true, true, true, false}, /* the partner may know it as ended */
        {BINDING_RESET, false, true, true, true, false},
        {BINDING_FREE, false, false, true, false, true},
        {BINDING_FREE, false, false, false, true, true},
        {BINDING_FREE_BACKUP, false, false, true, true, true},
        {BINDING_ABANDONED, false, false, false, true, false},
        {BINDING_ABANDONED, true, false, false, true, false}, /* who declined it, neither */
        {BINDING_ABANDONED, false, true, false, true, true},
        {BINDING_ABANDONED, false, true, false, false, false},
        {BINDING_ABANDONED, false, true, true, true, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lease *lease;

        world_init(&w);
        lease = world_lease(&w, A10, rows[i].own ? ALICE : BOB, 1, rows[i].status);
        lease->times.expires_s = rows[i].over ? WORLD_NOW : WORLD_NOW + 1;
        if (rows[i].status == BINDING_ACTIVE) {
            lease->times.expires_s -= LEASE_TRANSIT_S; /* the client's clock may be that late */
        }
        w.grant.partner = rows[i].partner;
        w.input.reuse_allowed = rows[i].reuse;
        ask(DHCP6_REQUEST, LEASE_TYPE_NA, A10);
        world_decide(&w);
        CHECK_EQ(w.plan.lease_count, 1);
        if ((lease_of(&w.plan, A10) != NULL) != rows[i].given) {
            printf("row %zu\n", i);
            CHECK_EQ(lease_of(&w.plan, A10) != NULL, rows[i].given);
        }
        CHECK(world_commit(&w));
    }
}

/* RFC 8156 4.2.1, facts F.41. */
static void test_parity(void)
{
    struct resource reserved = A10;

    world_init(&w);
    w.grant.partner = true;
    w.grant.address_parity = 1;
    for (uint32_t iaid = 0; iaid < 100; iaid++) {
        world_message(&w, DHCP6_REQUEST);
        world_ia(&w, LEASE_TYPE_NA, iaid);
        world_list(&w, A10);
        world_decide(&w);
        CHECK_EQ(w.plan.lease_count, 1);
        CHECK_EQ(w.plan.leases[0].resource.prefix.lo & 1, 1);
        CHECK(world_commit(&w));
    }
    w.reservations[0] = (struct policy_reservation){.link = 0, .resource_count = 1};
    w.reservations[0].resources[0] = reserved;
    w.policy.reservation_count = 1;
    w.input.reservation = &w.reservations[0];
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, NOTHING);
    w.message.ias[0].iaid = 1000;
    CHECK(lease_of(world_decide(&w), A10));
    /* Renewing takes no notice of parity (protocol facts B.5). */
    w.policy.reservation_count = 0;
    w.input.reservation = NULL;
    world_lease(&w, address(NET1, 0x1020), ALICE, 5000, BINDING_ACTIVE);
    ask(DHCP6_RENEW, LEASE_TYPE_NA, address(NET1, 0x1020));
    w.message.ias[0].iaid = 5000;
    CHECK(lease_of(world_decide(&w), address(NET1, 0x1020)));
}

static void reserve(struct resource first, struct resource second, int link)
{
    w.reservations[0] = (struct policy_reservation){.link = link, .resource_count = 2};
    w.reservations[0].resources[0] = first;
    w.reservations[0].resources[1] = second;
    w.policy.reservation_count = 1;
}

static void test_reservation(void)
{
    world_init(&w);
    reserve(A10, P1, 0);
    /* Never for others, named or not. */
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, A10);
    world_ia(&w, LEASE_TYPE_PD, 1);
    world_list(&w, P1);
    world_decide(&w);
    CHECK_EQ(w.plan.lease_count, 2);
    CHECK(!lease_of(&w.plan, A10));
    CHECK(!lease_of(&w.plan, P1));
    /* For its client before everything else. */
    w.input.reservation = &w.reservations[0];
    world_lease(&w, A11, ALICE, 1, BINDING_FREE);
    world_decide(&w);
    CHECK(lease_of(&w.plan, A10));
    CHECK(lease_of(&w.plan, P1));
    CHECK_EQ(w.plan.lease_count, 2);
    CHECK_EQ(w.plan.changes[0].next.flags, LEASE_FLAG_RESERVED);
    CHECK(world_commit(&w));
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10);
    world_decide(&w);
    CHECK_EQ(w.plan.lease_count, 1);
    CHECK_EQ(w.plan.changes[0].next.flags, LEASE_FLAG_RESERVED);
}

static void test_reservation_gives_all_of_its_type(void)
{
    world_init(&w);
    reserve(A10, A11, POLICY_LINK_NONE);
    w.input.reservation = &w.reservations[0];
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, NOTHING);
    world_decide(&w);
    CHECK_EQ(w.plan.lease_count, 2);
    CHECK(lease_of(&w.plan, A10) && lease_of(&w.plan, A11));
    CHECK(world_commit(&w));
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10);
    world_list(&w, A11);
    world_decide(&w);
    CHECK_EQ(w.plan.lease_count, 2); /* several leases of an IA are all kept */
    w.input.link = 1;                /* not where they are at home */
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, NOTHING);
    CHECK(!lease_of(world_decide(&w), A10));
    CHECK_EQ(w.plan.lease_count, 1);
}

static void test_reservation_outside_pools(void)
{
    struct resource outside = address(NET1, 0x9999), far = prefix(0x20010db8ff000000ULL, 48);

    world_init(&w);
    reserve(outside, far, 0);
    w.input.reservation = &w.reservations[0];
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, NOTHING);
    world_ia(&w, LEASE_TYPE_PD, 1);
    world_decide(&w);
    CHECK(lease_of(&w.plan, outside) && lease_of(&w.plan, far));
    CHECK_EQ(w.plan.changes[0].pool, -1);
    CHECK_EQ(w.plan.changes[1].pool, -1);
    CHECK(w.plan.leases[1].pool == NULL);
}

static void test_reserved_but_taken(void)
{
    world_init(&w);
    reserve(A10, P1, 0);
    w.input.reservation = &w.reservations[0];
    world_lease(&w, A10, BOB, 1, BINDING_ACTIVE); /* older than the reservation */
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, NOTHING);
    world_decide(&w);
    CHECK_EQ(w.plan.lease_count, 1);
    CHECK(!lease_of(&w.plan, A10));
    w.message.client_id = BOB; /* who may not keep it */
    w.message.type = DHCP6_RENEW;
    w.input.reservation = NULL;
    world_list(&w, A10);
    world_decide(&w);
    CHECK_EQ(revoked(&w.plan, A10), true);
}

static void test_classes_open_pools(void)
{
    world_init(&w);
    for (unsigned i = 0; i < 256; i++) {
        world_lease(&w, address(NET1, 0x1000 + i), BOB, i, BINDING_ACTIVE);
    }
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, address(NET1, 0x2010));
    check_status(world_decide(&w), 0, STATUS_NO_ADDRS_AVAIL);
    w.input.classes = 1;
    CHECK(lease_of(world_decide(&w), address(NET1, 0x2010)));
    w.classes[0].has_lifetimes = true;
    w.classes[0].lifetimes = (struct policy_lifetimes){.preferred_s = 50, .valid_s = 60};
    CHECK_EQ(world_decide(&w)->leases[0].valid_s, 60);
}

/* One lease per IA: naming another free one does not add it. */
static void test_request_does_not_multiply(void)
{
    world_init(&w);
    world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE);
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, A11);
    world_decide(&w);
    CHECK_EQ(w.plan.lease_count, 1);
    CHECK(lease_of(&w.plan, A10));
    world_lease(&w, A11, ALICE, 1, BINDING_ACTIVE);
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, NOTHING);
    world_decide(&w);
    CHECK_EQ(w.plan.lease_count, 2); /* existing bindings are all returned, 18.3.2 */
}

static void test_grant_without_allocation(void)
{
    world_init(&w);
    w.grant.allocate = false;
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, A10);
    check_status(world_decide(&w), 0, STATUS_NO_ADDRS_AVAIL);
    world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE);
    CHECK(lease_of(world_decide(&w), A10));
}

static const struct check_test tests[] = {
    {"solicit", test_solicit},
    {"request_gets_the_offer", test_request_gets_the_offer},
    {"request_change", test_request_change},
    {"rapid_commit", test_rapid_commit},
    {"request_not_on_link", test_request_not_on_link},
    {"none_available", test_none_available},
    {"the_last_free_one_is_found", test_the_last_free_one_is_found},
    {"several_ias_get_different_leases", test_several_ias_get_different_leases},
    {"repeated_ia", test_repeated_ia},
    {"former_lease_comes_back", test_former_lease_comes_back},
    {"free_lease_of_another_is_fresh", test_free_lease_of_another_is_fresh},
    {"reuse", test_reuse},
    {"parity", test_parity},
    {"reservation", test_reservation},
    {"reservation_gives_all_of_its_type", test_reservation_gives_all_of_its_type},
    {"reservation_outside_pools", test_reservation_outside_pools},
    {"reserved_but_taken", test_reserved_but_taken},
    {"classes_open_pools", test_classes_open_pools},
    {"request_does_not_multiply", test_request_does_not_multiply},
    {"grant_without_allocation", test_grant_without_allocation},
};

CHECK_MAIN(tests)

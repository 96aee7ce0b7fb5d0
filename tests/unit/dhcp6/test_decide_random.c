/* Random messages against random leases and policies: what must be true of every plan. The seed is
 * fixed, so a failure comes back. */
#include "ask.h"

enum {
    ROUNDS = 3000,
    MESSAGES_PER_ROUND = 8,
};

static uint64_t random_state = 20261123;

static uint32_t pick(uint32_t n)
{
    random_state += 0x9e3779b97f4a7c15ULL;
    return (uint32_t)((hash_mix(random_state) >> 32) * n >> 32);
}

static struct span pick_client(void)
{
    struct span clients[] = {ALICE, BOB, BYTES("\0\3\0\1carol")};

    return clients[pick(3)];
}

/* Few resources, so that clients collide. */
static struct resource pick_resource(enum lease_type type)
{
    if (type == LEASE_TYPE_NA) {
        switch (pick(8)) {
        case 0:
            return address(NET2, 0x1000 + pick(4));
        case 1:
            return address(NET1, 0x2000 + pick(4));
        case 2:
            return address(0x20010db8dead0000ULL, pick(4));
        default:
            return address(NET1, 0x1000 + pick(16));
        }
    }
    switch (pick(8)) {
    case 0:
        return prefix(0, (uint8_t)(40 + pick(30)));
    case 1:
        return prefix(PD_2 | pick(4) << 8, 56);
    case 2:
        return prefix(PD48 | pick(4) << 16, 48);
    case 3:
        return prefix(0x20010db8dead0000ULL, 56);
    default:
        return prefix(PD56 | pick(16) << 8, 56);
    }
}

static void random_lease(void)
{
    enum lease_type type = pick(2) ? LEASE_TYPE_NA : LEASE_TYPE_PD;
    struct resource resource = pick_resource(type);
    enum binding_status status = (enum binding_status)(1 + pick(BINDING_STATUS_COUNT - 1));
    struct lease *lease;

    if (ip6_is_zero(resource.prefix) || world_find(&w, resource)) {
        return;
    }
    status = pick(3) ? BINDING_ACTIVE : status;
    lease = world_lease(&w, resource, pick_client(), pick(4), status);
    lease->times.expires_s = pick(4) ? WORLD_NOW + pick(4000) : WORLD_NOW - pick(1000);
    lease->times.acked_partner_lifetime_s = pick(2) ? 0 : WORLD_NOW + pick(10000);
}

static void random_world(void)
{
    static const uint32_t lifetimes[] = {1, 2, 100, 3000, 86400, LIFETIME_INFINITE};
    struct policy_lifetimes *l = &w.links[0].lifetimes;

    world_init(&w);
    w.grant.allocate = pick(8) != 0;
    w.grant.address_parity = (int8_t)((int)pick(3) - 1);
    w.grant.mclt_s = pick(2) ? 0 : 1 + pick(3600);
    w.grant.partner = pick(2);
    w.links[0].rapid_commit = pick(2);
    w.input.reuse_allowed = pick(4) != 0;
    w.input.classes = pick(2);
    l->valid_s = lifetimes[pick(6)];
    l->preferred_s = lifetimes[pick(6)];
    l->renew_s = pick(2) ? 0 : pick(5000);
    l->rebind_s = pick(2) ? 0 : l->renew_s + pick(5000);
    if (pick(2)) {
        w.reservations[0].resources[0] = pick_resource(LEASE_TYPE_NA);
        w.reservations[0].resources[1] = prefix(PD56 | pick(16) << 8, 56);
        w.reservations[0].resource_count = 2;
        w.reservations[0].link = pick(2) ? 0 : POLICY_LINK_NONE;
        w.policy.reservation_count = 1;
    }
    for (unsigned i = pick(60); i; i--) {
        random_lease();
    }
}

static void random_message(void)
{
    static const enum dhcp6_type types[] = {DHCP6_SOLICIT, DHCP6_REQUEST, DHCP6_CONFIRM,
                                            DHCP6_RENEW,   DHCP6_RENEW,   DHCP6_REBIND,
                                            DHCP6_RELEASE, DHCP6_DECLINE};

    world_message(&w, types[pick(8)]);
    w.message.client_id = pick_client();
    w.message.rapid_commit = pick(2);
    w.input.reservation = pick(2) && w.policy.reservation_count ? &w.reservations[0] : NULL;
    for (unsigned i = pick(4) ? pick(4) : pick(DHCP6_IAS_MAX + 1); i; i--) {
        enum lease_type type = pick(2) ? LEASE_TYPE_NA : LEASE_TYPE_PD;

        world_ia(&w, type, pick(4) ? pick(4) : pick(100));
        for (unsigned j = pick(4); j && w.message.lease_count < DHCP6_LEASES_MAX; j--) {
            world_list(&w, pick_resource(type));
        }
    }
}

static void check_bounds(const struct plan *plan)
{
    unsigned at = 0;

    CHECK(plan->ia_count <= w.message.ia_count);
    CHECK(plan->lease_count <= PLAN_LEASES_MAX);
    CHECK(plan->change_count <= PLAN_CHANGES_MAX);
    for (unsigned i = 0; i < plan->ia_count; i++) {
        CHECK_EQ(plan->ias[i].lease_first, at); /* the IAs share the leases out without gaps */
        at += plan->ias[i].lease_count;
        CHECK(plan->ias[i].lease_count == 0 || !plan->ias[i].has_status);
        for (unsigned j = plan->ias[i].lease_first; j < at; j++) {
            CHECK_EQ(plan->leases[j].resource.type, plan->ias[i].type);
        }
    }
    CHECK_EQ(at, plan->lease_count);
}

/* RFC 9915 14.2, 21.4, 21.6, 21.22. */
static void check_times(const struct plan *plan)
{
    for (unsigned i = 0; i < plan->ia_count; i++) {
        CHECK_EQ(plan->ias[i].t1_s, plan->ias[0].t1_s);
        CHECK_EQ(plan->ias[i].t2_s, plan->ias[0].t2_s);
        CHECK(plan->ias[i].t1_s <= plan->ias[i].t2_s);
    }
    for (unsigned i = 0; i < plan->lease_count; i++) {
        const struct plan_lease *lease = &plan->leases[i];

        CHECK(lease->preferred_s <= lease->valid_s);
        CHECK(lease->valid_s == 0 || plan->ias[0].t2_s <= lease->valid_s);
    }
}

/* A lease with lifetimes is nobody else's, not twice in the answer, and behind a REPLY stands a
 * change that lasts as long. */
static void check_leases(const struct plan *plan)
{
    for (unsigned i = 0; i < plan->lease_count; i++) {
        const struct plan_lease *told = &plan->leases[i];
        const struct lease *lease = world_find(&w, told->resource);
        const struct plan_change *change = NULL;

        for (unsigned j = 0; j < i; j++) {
            CHECK(!resource_equal(&plan->leases[j].resource, &told->resource));
        }
        for (unsigned j = 0; j < plan->change_count; j++) {
            if (resource_equal(&plan->changes[j].next.resource, &told->resource)) {
                change = &plan->changes[j];
            }
        }
        if (told->valid_s == 0) {
            CHECK(change == NULL);
            continue;
        }
        if (lease && lease->status == BINDING_ACTIVE && !lease_is_over(lease, w.input.now)) {
            CHECK(span_equal(lease->duid, w.message.client_id));
        }
        if (policy_reservation_of(&w.policy, &told->resource)) {
            CHECK(w.input.reservation == &w.reservations[0]);
        }
        CHECK_EQ(change != NULL, plan->reply_type == DHCP6_REPLY);
        if (change) {
            CHECK_EQ(change->next.status, BINDING_ACTIVE);
            CHECK(change->next.times.expires_s == 0 ||
                  !sec_after(w.input.now + told->valid_s, change->next.times.expires_s));
            /* Never taken back from a client that may not hear of it. */
            if (lease && lease->status == BINDING_ACTIVE && change->next.times.expires_s &&
                lease->times.expires_s && lease_same_client(lease, &change->next)) {
                CHECK(!sec_after(lease->times.expires_s, change->next.times.expires_s));
            }
            CHECK(w.grant.partner == 0 ||
                  !sec_after(change->next.times.expires_s, change->next.times.partner_lifetime_s));
        }
    }
}

static void check_changes(const struct plan *plan)
{
    CHECK(plan->change_count == 0 || plan->reply_type == DHCP6_REPLY);
    for (unsigned i = 0; i < plan->change_count; i++) {
        const struct plan_change *change = &plan->changes[i];
        bool present = change->base.slot != LEASE_SLOT_NONE;

        for (unsigned j = 0; j < i; j++) {
            CHECK(!resource_equal(&plan->changes[j].next.resource, &change->next.resource));
        }
        CHECK(span_equal(change->next.duid, w.message.client_id));
        CHECK(!present || resource_equal(&change->base.lease.resource, &change->next.resource));
        CHECK(w.grant.partner == 0 || !present ||
              binding_transition_legal((enum binding_status)change->base.lease.status,
                                       (enum binding_status)change->next.status));
        if (!w.grant.allocate) {
            CHECK(present && change->base.lease.status == BINDING_ACTIVE &&
                  lease_same_client(&change->base.lease, &change->next));
        }
    }
}

/* RFC 8156 4.4: never later than MCLT beyond what the partner acknowledged, unless told before. */
static void check_mclt(const struct plan *plan)
{
    for (unsigned i = 0; i < plan->lease_count && w.grant.mclt_s; i++) {
        const struct lease *lease = world_find(&w, plan->leases[i].resource);
        uint64_t limit = w.grant.mclt_s;

        if (lease && lease->status == BINDING_ACTIVE &&
            span_equal(lease->duid, w.message.client_id)) {
            uint64_t acked = sec_until(lease->times.acked_partner_lifetime_s, w.input.now);
            uint64_t told = lease->times.expires_s ? sec_until(lease->times.expires_s, w.input.now)
                                                   : LIFETIME_INFINITE;

            limit = lease->times.acked_partner_lifetime_s ? acked + limit : limit;
            limit = limit > told ? limit : told;
        }
        CHECK(plan->leases[i].valid_s <= limit);
    }
}

static void test_random(void)
{
    unsigned replies = 0, given = 0, changes = 0;

    for (unsigned round = 0; round < ROUNDS && check_failures == 0; round++) {
        random_world();
        for (unsigned i = 0; i < MESSAGES_PER_ROUND; i++) {
            const struct plan *plan;

            random_message();
            plan = world_decide(&w);
            if (plan->verdict == PLAN_DROP) {
                CHECK(plan->drop < COUNTER_COUNT);
                CHECK_EQ(plan->change_count, 0);
                continue;
            }
            check_bounds(plan);
            check_times(plan);
            check_leases(plan);
            check_changes(plan);
            check_mclt(plan);
            replies++;
            given += plan->lease_count;
            changes += plan->change_count;
            CHECK(world_commit(&w));
            w.input.now += pick(100);
        }
        w.input.now = WORLD_NOW;
        if (check_failures) {
            printf("round %u\n", round);
        }
    }
    /* The dice fall so that much really happens. */
    CHECK(replies > ROUNDS * MESSAGES_PER_ROUND / 2);
    CHECK(given > replies / 2);
    CHECK(changes > replies / 2);
}

/* A client that asks and renews keeps what it got, whatever others do meanwhile. */
static void test_renewing_client_keeps_its_leases(void)
{
    struct resource held[2];

    world_init(&w);
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, NOTHING);
    world_ia(&w, LEASE_TYPE_PD, 1);
    world_decide(&w);
    CHECK_EQ(w.plan.lease_count, 2);
    held[0] = w.plan.leases[0].resource;
    held[1] = w.plan.leases[1].resource;
    CHECK(world_commit(&w));
    for (unsigned i = 0; i < 300; i++) {
        random_message();
        w.message.client_id = BOB;
        world_decide(&w);
        CHECK(world_commit(&w));
        w.input.now += pick(200);
        if (i % 10 == 9) {
            ask(DHCP6_RENEW, LEASE_TYPE_NA, held[0]);
            world_ia(&w, LEASE_TYPE_PD, 1);
            world_list(&w, held[1]);
            world_decide(&w);
            CHECK_EQ(w.plan.lease_count, 2);
            CHECK(lease_of(&w.plan, held[0]) && lease_of(&w.plan, held[0])->valid_s == 4000);
            CHECK(lease_of(&w.plan, held[1]) && lease_of(&w.plan, held[1])->valid_s == 4000);
            CHECK(world_commit(&w));
        }
    }
}

static const struct check_test tests[] = {
    {"random", test_random},
    {"renewing_client_keeps_its_leases", test_renewing_client_keeps_its_leases},
};

CHECK_MAIN(tests)

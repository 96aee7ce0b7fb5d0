/* Which resource is chosen: order of preference, prefix lengths (RFC 8168), bounded search. */
#include "ask.h"

/* The address of a value. */
#define RES(r) ((struct resource[]){r}[0])

static struct candidate found;

/* The best candidate for the message's first IA. */
static bool find(uint8_t only_length)
{
    world_decide(&w); /* fills what the store knows of the client */
    w.plan.lease_count = 0;
    return candidate_find(&w.input, &w.plan, 0, only_length, &found);
}

static void solicit_prefix(struct resource first, struct resource second)
{
    ask(DHCP6_SOLICIT, LEASE_TYPE_PD, first);
    if (second.type) {
        world_list(&w, second);
    }
}

static void test_fits(void)
{
    int pool;
    bool reserved;

    world_init(&w);
    CHECK(candidate_fits(&w.input, &A10, &pool, &reserved));
    CHECK_EQ(pool, POOL_NA);
    CHECK(!reserved);
    CHECK(!candidate_fits(&w.input, &OTHER, &pool, &reserved));
    CHECK(
        !candidate_fits(&w.input, &RES(address(NET1, 0x2010)), &pool, &reserved)); /* class pool */
    w.input.classes = 1;
    CHECK(candidate_fits(&w.input, &RES(address(NET1, 0x2010)), &pool, &reserved));
    CHECK_EQ(pool, POOL_NA_GOLD);
    w.reservations[0] = (struct policy_reservation){.link = 0, .resource_count = 1};
    w.reservations[0].resources[0] = prefix(PD56 | 0x10000, 52); /* 16 units of the pool */
    w.policy.reservation_count = 1;
    CHECK(!candidate_fits(&w.input, &RES(prefix(PD56 | 0x10500, 56)), &pool, &reserved));
    CHECK(candidate_fits(&w.input, &RES(prefix(PD56 | 0x11000, 56)), &pool, &reserved));
    w.input.reservation = &w.reservations[0];
    CHECK(
        !candidate_fits(&w.input, &RES(prefix(PD56 | 0x10500, 56)), &pool, &reserved)); /* a part */
    CHECK(candidate_fits(&w.input, &RES(prefix(PD56 | 0x10000, 52)), &pool, &reserved));
    CHECK_EQ(pool, -1);
    CHECK(reserved);
}

static void test_wish(void)
{
    struct candidate_wish wish;

    world_init(&w);
    solicit_prefix(P1, prefix(0, 48));
    wish = candidate_wish(&w.input, &w.message.ias[0]);
    CHECK_EQ(wish.length, 48);
    CHECK(wish.length_only);
    solicit_prefix(P1, NOTHING);
    wish = candidate_wish(&w.input, &w.message.ias[0]);
    CHECK_EQ(wish.length, 56);
    CHECK(!wish.length_only);
    solicit_prefix(prefix(0, 0), NOTHING);
    CHECK_EQ(candidate_wish(&w.input, &w.message.ias[0]).length, 0);
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, A10);
    CHECK_EQ(candidate_wish(&w.input, &w.message.ias[0]).length, 0);
}

/* RFC 8168 3.2 with pools of /56 (first) and /48. */
static void test_prefix_lengths(void)
{
    static const struct {
        uint8_t wished, given;
    } rows[] = {{0, 56}, {56, 56}, {48, 48}, {52, 48}, {55, 48}, {60, 56}, {64, 56}, {40, 48}};

    world_init(&w);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        solicit_prefix(prefix(0, rows[i].wished), NOTHING);
        CHECK(find(0));
        CHECK_EQ(found.resource.length, rows[i].given);
    }
    /* The nearest pool empty: the next best, a longer one at last (RFC 7550: better than nothing).
     */
    memset(w.claim[POOL_PD48], 0, sizeof(w.claim[POOL_PD48]));
    solicit_prefix(prefix(0, 52), NOTHING);
    CHECK(find(0));
    CHECK_EQ(found.resource.length, 56);
    CHECK(!find(48));
}

static void test_exact_prefix_then_length(void)
{
    struct resource wanted = prefix(PD48 | 0x30000, 48);

    world_init(&w);
    solicit_prefix(wanted, prefix(0, 56));
    CHECK(find(0));
    CHECK(resource_equal(&found.resource, &wanted));
    world_lease(&w, wanted, BOB, 1, BINDING_ACTIVE);
    CHECK(find(0));
    CHECK_EQ(found.resource.length, 56); /* the length it named besides */
    solicit_prefix(wanted, NOTHING);
    CHECK(find(0));
    CHECK_EQ(found.resource.length, 48); /* as long as the one it wanted */
}

/* RFC 8168 3.2: a length alone counts "regardless of the prefix record". */
static void test_length_over_history(void)
{
    world_init(&w);
    world_lease(&w, P1, ALICE, 1, BINDING_FREE);
    solicit_prefix(prefix(0, 48), NOTHING);
    CHECK(find(0));
    CHECK_EQ(found.resource.length, 48);
    solicit_prefix(prefix(0, 56), NOTHING);
    CHECK(find(0));
    CHECK(resource_equal(&found.resource, &P1));
    solicit_prefix(NOTHING, NOTHING);
    CHECK(find(0));
    CHECK(resource_equal(&found.resource, &P1));
}

/* The same with an active lease of another length: offered, then given on REQUEST, once. */
static void test_length_switch(void)
{
    struct resource offered;

    world_init(&w);
    world_lease(&w, P1, ALICE, 1, BINDING_ACTIVE);
    solicit_prefix(prefix(0, 48), NOTHING);
    world_decide(&w);
    CHECK_EQ(w.plan.lease_count, 1);
    offered = w.plan.leases[0].resource;
    CHECK_EQ(offered.length, 48);
    ask(DHCP6_REQUEST, LEASE_TYPE_PD, offered);
    world_decide(&w);
    CHECK_EQ(w.plan.lease_count, 1);
    CHECK(lease_of(&w.plan, offered));
    CHECK(world_commit(&w));
    world_decide(&w); /* again: the same and no more */
    CHECK_EQ(w.plan.lease_count, 1);
    CHECK(lease_of(&w.plan, offered));
    CHECK_EQ(w.plan.changes[0].counter, COUNTER_lease_renewed);
    memset(w.claim, 0, sizeof(w.claim));
    w.lease_count = 1; /* only the first lease again, and nothing free */
    solicit_prefix(prefix(0, 48), NOTHING);
    CHECK(lease_of(world_decide(&w), P1)); /* what it has is better than nothing */
}

static void test_hints(void)
{
    world_init(&w);
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, A10);
    CHECK(find(0) && resource_equal(&found.resource, &A10));
    CHECK_EQ(found.base.slot, LEASE_SLOT_NONE);
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, OTHER); /* another link's */
    CHECK(find(0) && !resource_equal(&found.resource, &OTHER));
    /* Reserved interface identifiers are not for the asking either (RFC 5453). */
    w.pools[POOL_NA].pool.range = (struct ip6_range){{NET1, 0}, {NET1, 0xff}};
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, address(NET1, 0));
    CHECK(find(0) && found.resource.prefix.lo != 0);
    /* A relay's own address is nobody's. */
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, address(NET1, WORLD_RELAY_IID));
    CHECK(find(0) && found.resource.prefix.lo != WORLD_RELAY_IID);
    /* Nor are blocks cut out of the pool. */
    w.pools[POOL_NA].pool.excludes[0] = (struct ip6_range){{NET1, 0x10}, {NET1, 0x1f}};
    w.pools[POOL_NA].pool.exclude_count = 1;
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, address(NET1, 0x12));
    CHECK(find(0) && (found.resource.prefix.lo < 0x10 || found.resource.prefix.lo > 0x1f));
}

/* Pools in configured order; the second only when the first's candidates are taken. */
static void test_pool_order(void)
{
    world_init(&w);
    w.input.classes = 1;
    for (uint32_t iaid = 0; iaid < 50; iaid++) {
        ask(DHCP6_SOLICIT, LEASE_TYPE_NA, NOTHING);
        w.message.ias[0].iaid = iaid;
        CHECK(find(0));
        CHECK_EQ(found.pool, POOL_NA);
    }
    for (unsigned i = 0; i < 256; i++) {
        world_lease(&w, address(NET1, 0x1000 + i), BOB, i, BINDING_ACTIVE);
    }
    CHECK(find(0));
    CHECK_EQ(found.pool, POOL_NA_GOLD);
}

static void test_search_is_bounded(void)
{
    world_init(&w);
    w.pools[POOL_NA].pool.range.last.lo = 0x1000 + WORLD_LEASES_MAX - 1;
    for (unsigned i = 0; i < WORLD_LEASES_MAX; i++) {
        world_lease(&w, address(NET1, 0x1000 + i), BOB, i, BINDING_ACTIVE);
    }
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, NOTHING);
    world_decide(&w);
    w.find_calls = 0;
    CHECK(!candidate_find(&w.input, &w.plan, 0, 0, &found));
    CHECK(w.find_calls <= CANDIDATE_ATTEMPTS + CANDIDATE_WALK_MAX);
    CHECK(w.find_calls >= CANDIDATE_WALK_MAX);
}

static void test_last_prefix(void)
{
    world_init(&w);
    memset(w.claim, 0, sizeof(w.claim));
    w.claim[POOL_PD56][4095] = true;
    ask(DHCP6_SOLICIT, LEASE_TYPE_PD, NOTHING);
    CHECK(find(0));
    CHECK_EQ(found.resource.prefix.hi, PD56 | 4095 << 8);
    /* A bit without right to it (the store knows better) does not hold the search up. */
    world_lease(&w, found.resource, BOB, 1, BINDING_ACTIVE);
    w.claim[POOL_PD56][4095] = true;
    w.claim[POOL_PD56][0] = true;
    CHECK(find(0));
    CHECK_EQ(found.resource.prefix.hi, PD56);
    w.claim[POOL_PD56][0] = false;
    CHECK(!find(0));
}

/* A prefix that ran out but was not swept has no claim bit: it waits for the sweep. */
static void test_unswept_prefix_waits(void)
{
    world_init(&w);
    world_lease(&w, P1, BOB, 1, BINDING_ACTIVE)->times.expires_s = WORLD_NOW - 10;
    solicit_prefix(P1, NOTHING);
    CHECK(find(0) && !resource_equal(&found.resource, &P1));
    w.message.client_id = BOB;
    CHECK(resource_equal(&world_decide(&w)->leases[0].resource, &P1));
}

static const struct check_test tests[] = {
    {"fits", test_fits},
    {"wish", test_wish},
    {"prefix_lengths", test_prefix_lengths},
    {"exact_prefix_then_length", test_exact_prefix_then_length},
    {"length_over_history", test_length_over_history},
    {"length_switch", test_length_switch},
    {"hints", test_hints},
    {"pool_order", test_pool_order},
    {"search_is_bounded", test_search_is_bounded},
    {"last_prefix", test_last_prefix},
    {"unswept_prefix_waits", test_unswept_prefix_waits},
};

CHECK_MAIN(tests)

/* A pair's shares of delegable prefixes (RFC 8156 4.2.2, 8.4.1): handed over, taken back, used up,
 * opened while the partner is down. */
#include "check.h"
#include "pair_harness.h"

enum {
    POOL_UNITS = 32, /* of the default pool; a quarter is the secondary's */
    SHARE_UNITS = 8,
};

/* Clients first..first + count - 1 get their leases at once, the partner hears nothing. Returns how
 * many got a prefix. */
static unsigned leases_get(struct pair *pair, unsigned node, unsigned first, unsigned count)
{
    unsigned got = 0;

    for (unsigned i = 0; i < count; i++) {
        struct reply reply;

        got += lease_get(pair, node, first + i, &reply);
    }
    return got;
}

static void test_shares(void)
{
    struct pair pair;

    pair_open_normal(&pair);
    CHECK_EQ(free_own(&pair, PRIMARY), POOL_UNITS - SHARE_UNITS);
    CHECK_EQ(free_partner(&pair, PRIMARY), SHARE_UNITS);
    CHECK_EQ(free_own(&pair, SECONDARY), SHARE_UNITS);
    CHECK_EQ(free_partner(&pair, SECONDARY), POOL_UNITS - SHARE_UNITS);
    CHECK(relation_at(&pair, PRIMARY)->stats.pool_requests >= 1);
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

/* What is handed over travels in aligned blocks (facts F.25), all of it again after UPDREQALL. */
static void test_blocks(void)
{
    struct pair_options options = {.prefixes = "2001:db8:4000::/46", .leases_max = 4000};
    struct relation *primary;
    struct pair pair;

    pair_open_normal_with(&pair, &options);
    primary = relation_at(&pair, PRIMARY);
    CHECK_EQ(free_own(&pair, SECONDARY), 256);
    CHECK_EQ(primary->stats.updates_sent, 1);
    CHECK_EQ(primary->stats.blocks_sent, 1);
    CHECK_EQ(stores_differ(&pair), 0);
    pair_kill(&pair, SECONDARY);
    pass(&pair, 10);
    pair_restart_empty(&pair, SECONDARY);
    pass(&pair, 60);
    CHECK_EQ(free_own(&pair, SECONDARY), 256);
    CHECK_EQ(primary->stats.blocks_sent, 2);
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

/* Each unit handed over takes a slot: of a small store a quarter at most, the rest is for clients.
 */
static void test_store_keeps_room(void)
{
    struct pair_options options = {.prefixes = "2001:db8:4000::/46", .leases_max = 200};
    struct pair pair;

    pair_open_normal_with(&pair, &options); /* the secondary's share would be 256 units */
    CHECK(free_own(&pair, SECONDARY) > 0);
    CHECK(free_own(&pair, SECONDARY) <= 50);
    CHECK_EQ(leases_get(&pair, PRIMARY, 1, 60), 60); /* an address and a prefix each */
    pass(&pair, 200);                                /* time to move more */
    CHECK_EQ(leases_get(&pair, PRIMARY, 100, 10), 10);
    pump(&pair);
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

/* A unit of a block is not what the secondary can accept: the rest of it moves all the same. */
static void test_block_is_split(void)
{
    struct pair_options options = {.prefixes = "2001:db8:4000::/46", .leases_max = 4000};
    struct reply told, given;
    struct pair pair;

    pair_open_normal_with(&pair, &options);
    pair_cut(&pair, 0);
    pass(&pair, 2);
    CHECK(lease_get(&pair, SECONDARY, 5000, &told));
    pair_heal(&pair, 0);
    pass(&pair, 90);
    CHECK(both_normal(&pair));
    pair.nodes[SECONDARY].disk_stalled = true;
    told.address.length = told.prefix.length = 0;
    client_send(&pair, SECONDARY, DHCP6_REQUEST, 5001, &told);
    harness_turn(&pair.nodes[SECONDARY].h);
    CHECK_EQ(leases_get(&pair, PRIMARY, 1, 700), 700);
    pass_ms(&pair, 100);
    CHECK(relation_at(&pair, PRIMARY)->stats.units_asked_back > 100);
    pair.nodes[SECONDARY].disk_stalled = false;
    pump(&pair);
    CHECK_EQ(free_own(&pair, PRIMARY) + free_partner(&pair, PRIMARY), 1024 - 702);
    CHECK_EQ(free_own(&pair, SECONDARY), free_partner(&pair, PRIMARY));
    CHECK_EQ(stores_differ(&pair), 0);
    harness_turn(&pair.nodes[SECONDARY].h);
    CHECK(exchange(&pair, SECONDARY, DHCP6_REQUEST, 5001, &told, &given));
    CHECK_EQ(status_at(&pair, PRIMARY, &given.prefix), BINDING_ACTIVE);
    pair_close(&pair);
}

/* One client after the other, none is refused before the last prefix of both shares is gone. */
static void test_primary_uses_all(void)
{
    struct pair pair;

    pair_open_normal(&pair);
    for (unsigned i = 0; i < POOL_UNITS; i++) {
        CHECK_EQ(leases_get(&pair, PRIMARY, 1 + i, 1), 1);
        pass_ms(&pair, 100);
    }
    CHECK_EQ(leases_get(&pair, PRIMARY, 1000, 1), 0);
    CHECK_EQ(free_own(&pair, PRIMARY) + free_partner(&pair, PRIMARY), 0);
    CHECK_EQ(free_own(&pair, SECONDARY) + free_partner(&pair, SECONDARY), 0);
    CHECK_EQ(relation_at(&pair, PRIMARY)->stats.rejected, 0);
    pump(&pair);
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

/* The same at 10,000 a second, half of the pool being the secondary's. */
static void test_drained_fast(void)
{
    struct pair_options options = {
        .prefixes = "2001:db8:4000::/43", .share_percent = 50, .leases_max = 40000, .workers = 2};
    unsigned refused = 0;
    struct pair pair;

    pair_open_normal_with(&pair, &options);
    CHECK_EQ(free_own(&pair, SECONDARY), 4096);
    for (unsigned i = 0; i < 8192; i += 100) {
        unsigned count = 8192 - i < 100 ? 8192 - i : 100;

        refused += count - leases_get(&pair, PRIMARY, 1 + i, count);
        pass_ms(&pair, 10);
    }
    CHECK_EQ(refused, 0);
    CHECK_EQ(free_own(&pair, PRIMARY) + free_own(&pair, SECONDARY), 0);
    pass(&pair, 5);
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

/* Clients of the secondary while nobody hears the primary; afterwards it has its share again. */
static void test_secondary_is_refilled(void)
{
    struct pair pair;

    pair_open_normal(&pair);
    pair_cut(&pair, 0);
    pass(&pair, 2);
    CHECK_EQ(leases_get(&pair, SECONDARY, 1, SHARE_UNITS), SHARE_UNITS);
    CHECK_EQ(leases_get(&pair, SECONDARY, 100, 1), 0); /* the others are the primary's */
    pair_heal(&pair, 0);
    pass(&pair, 90);
    CHECK(both_normal(&pair));
    CHECK_EQ(free_own(&pair, SECONDARY), (POOL_UNITS - SHARE_UNITS) / 4);
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

/* The secondary gives away what the primary asks back at the same moment: its clients keep it. */
static void test_take_meets_lease(void)
{
    struct reply told;
    unsigned share;
    struct pair pair;

    pair_open_normal(&pair);
    pair_cut(&pair, 0);
    pass(&pair, 2);
    CHECK(lease_get(&pair, SECONDARY, 500, &told)); /* tells its Server-ID */
    pair_heal(&pair, 0);
    pass(&pair, 90);
    CHECK(both_normal(&pair));
    share = (unsigned)free_own(&pair, SECONDARY);
    CHECK_EQ(leases_get(&pair, PRIMARY, 1, 24), 24);
    told.address.length = told.prefix.length = 0;
    pair.nodes[SECONDARY].disk_stalled = true;
    for (unsigned i = 0; i < share; i++) {
        client_send(&pair, SECONDARY, DHCP6_REQUEST, 501 + i, &told);
    }
    harness_turn(&pair.nodes[SECONDARY].h);
    CHECK_EQ(free_own(&pair, SECONDARY), 0);
    pump(&pair);
    CHECK(relation_at(&pair, PRIMARY)->stats.units_asked_back > 0);
    CHECK_EQ(free_own(&pair, PRIMARY), 0);
    pair.nodes[SECONDARY].disk_stalled = false;
    pump(&pair);
    CHECK(relation_at(&pair, PRIMARY)->stats.rejected >= 2);
    harness_turn(&pair.nodes[SECONDARY].h);
    CHECK_EQ(free_partner(&pair, PRIMARY), 0);
    CHECK_EQ(stores_differ(&pair), 0);
    pass(&pair, 90);
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

/* What was asked back is nobody's until the answer is there, also after a crash. */
static void test_crash_while_taking(void)
{
    struct pair pair;

    pair_open_normal(&pair);
    pair.nodes[SECONDARY].disk_stalled = true;
    CHECK_EQ(leases_get(&pair, PRIMARY, 1, 24), 24);
    pump(&pair);
    CHECK(relation_at(&pair, PRIMARY)->stats.units_asked_back > 0);
    CHECK_EQ(leases_get(&pair, PRIMARY, 100, 1), 0);
    pair_kill(&pair, PRIMARY);
    pair.nodes[SECONDARY].disk_stalled = false;
    pass(&pair, 5);
    pair_restart(&pair, PRIMARY);
    CHECK_EQ(free_own(&pair, PRIMARY), 0);
    pass(&pair, 60);
    CHECK(both_normal(&pair));
    CHECK(free_own(&pair, PRIMARY) > 0);
    CHECK_EQ(leases_get(&pair, PRIMARY, 101, 1), 1);
    pump(&pair);
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

/* RFC 8156 8.4.1: own prefixes first, those of the partner MCLT after it was there last. */
static void partner_prefixes_open(unsigned node)
{
    unsigned other = 1 - node;
    struct reply reply;
    uint64_t own, all;
    struct pair pair;

    pair_open_normal(&pair);
    own = free_own(&pair, node);
    all = own + free_partner(&pair, node);
    pair_kill(&pair, other);
    pass(&pair, 10);
    CHECK(partner_down(&pair, node));
    CHECK_EQ(leases_get(&pair, node, 1, (unsigned)own - 1), own - 1);
    pass(&pair, MCLT_S - 60);
    CHECK(!server_policy(pair.nodes[node].h.server)->grants[0].partner_prefixes);
    pass(&pair, 120);
    CHECK(server_policy(pair.nodes[node].h.server)->grants[0].partner_prefixes);
    CHECK_EQ(leases_get(&pair, node, 100, 1), 1);
    CHECK_EQ(free_own(&pair, node), 0);
    CHECK_EQ(free_partner(&pair, node), all - own);
    CHECK_EQ(leases_get(&pair, node, 101, (unsigned)(all - own) - 2), all - own - 2);
    CHECK_EQ(free_partner(&pair, node), 2);
    pair_restart(&pair, other);
    pair.nodes[other].disk_stalled = true; /* its new state does not stand */
    pass(&pair, 20);
    CHECK(!server_policy(pair.nodes[node].h.server)->grants[0].partner_prefixes);
    CHECK_EQ(free_own(&pair, node), 0);
    CHECK(!lease_get(&pair, node, 900, &reply)); /* the partner's are the partner's again */
    pair.nodes[other].disk_stalled = false;
    pass(&pair, 120);
    CHECK(both_normal(&pair));
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

static void test_open_at_primary(void)
{
    partner_prefixes_open(PRIMARY);
}

static void test_open_at_secondary(void)
{
    partner_prefixes_open(SECONDARY);
}

static const struct check_test tests[] = {
    {"shares", test_shares},
    {"blocks", test_blocks},
    {"store_keeps_room", test_store_keeps_room},
    {"block_is_split", test_block_is_split},
    {"primary_uses_all", test_primary_uses_all},
    {"drained_fast", test_drained_fast},
    {"secondary_is_refilled", test_secondary_is_refilled},
    {"take_meets_lease", test_take_meets_lease},
    {"crash_while_taking", test_crash_while_taking},
    {"open_at_primary", test_open_at_primary},
    {"open_at_secondary", test_open_at_secondary},
};

CHECK_MAIN(tests)

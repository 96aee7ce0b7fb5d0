/* Balance of delegable prefixes: shares, hysteresis, and blocks that add up to what was planned
 * (protocol facts F.25, F.43). */
#include <stdlib.h>

#include "check.h"
#include "failover/fo_balance.h"

enum {
    NOW = 0x31000000,
    UNITS = 4096,
    SHARE = 20,
};

static struct pool pool_of(struct ip6 first, unsigned units)
{
    struct ip6 last = {first.hi + ((uint64_t)units << 8) - 1, UINT64_MAX};

    return (struct pool){.type = LEASE_TYPE_PD, .delegated_length = 56, .range = {first, last}};
}

static struct fo_balance_plan plan_of(uint64_t primary, uint64_t secondary, unsigned share)
{
    struct fo_balance balance = {0};

    return fo_balance_plan(&balance, (struct fo_balance_counts){primary, secondary}, share, NOW);
}

static void test_plan(void)
{
    static const struct {
        uint64_t primary, secondary;
        unsigned share;
        enum fo_move move;
        uint64_t units;
    } rows[] = {
        {1000, 0, 20, FO_MOVE_GIVE, 200},
        {800, 200, 20, FO_MOVE_NONE, 0},
        {850, 150, 20, FO_MOVE_NONE, 0}, /* a quarter off is near enough */
        {851, 149, 20, FO_MOVE_GIVE, 51},
        {750, 250, 20, FO_MOVE_NONE, 0},
        {749, 251, 20, FO_MOVE_TAKE, 51},
        {0, 200, 20, FO_MOVE_TAKE, 160},
        {0, 0, 20, FO_MOVE_NONE, 0},
        {0, 1, 20, FO_MOVE_TAKE, 1},
        {1, 0, 20, FO_MOVE_NONE, 0},
        {100, 0, 0, FO_MOVE_NONE, 0},
        {100, 7, 0, FO_MOVE_TAKE, 7},
        {100, 0, 100, FO_MOVE_GIVE, 100},
        {1 << 26, 0, 50, FO_MOVE_GIVE, 1 << 25},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fo_balance_plan plan = plan_of(rows[i].primary, rows[i].secondary, rows[i].share);

        CHECK_EQ(plan.move, rows[i].move);
        CHECK_EQ(plan.units, rows[i].units);
    }
}

/* Once a minute; at once when a side runs dry. Carried out, a plan needs no second one. */
static void test_interval(void)
{
    struct fo_balance balance = {0};
    struct fo_balance_counts counts = {1000, 140};

    CHECK_EQ(fo_balance_plan(&balance, counts, SHARE, NOW).move, FO_MOVE_GIVE);
    CHECK_EQ(fo_balance_plan(&balance, counts, SHARE, NOW + 59).move, FO_MOVE_NONE);
    CHECK_EQ(fo_balance_plan(&balance, counts, SHARE, NOW + 60).move, FO_MOVE_GIVE);
    counts.secondary = 30;
    CHECK_EQ(fo_balance_plan(&balance, counts, SHARE, NOW + 61).move, FO_MOVE_NONE);
    CHECK_EQ(fo_balance_plan(&balance, counts, SHARE, NOW + 62).move, FO_MOVE_GIVE);
    counts = (struct fo_balance_counts){10, 500};
    CHECK_EQ(fo_balance_plan(&balance, counts, SHARE, NOW + 62).move, FO_MOVE_TAKE);
    for (uint64_t secondary = 0; secondary <= 1000; secondary++) {
        struct fo_balance_plan plan = plan_of(1000 - secondary, secondary, SHARE);
        uint64_t after =
            plan.move == FO_MOVE_GIVE ? secondary + plan.units : secondary - plan.units;

        CHECK_EQ(plan_of(1000 - after, after, SHARE).move, FO_MOVE_NONE);
    }
}

static void test_ask(void)
{
    struct fo_balance balance = {0};
    struct fo_balance_counts enough = {900, 100}, few = {901, 99};

    CHECK(!fo_balance_should_ask(&balance, enough, SHARE, NOW));
    CHECK(fo_balance_should_ask(&balance, few, SHARE, NOW));
    CHECK(!fo_balance_should_ask(&balance, few, SHARE, NOW + 59));
    CHECK(fo_balance_should_ask(&balance, few, SHARE, NOW + 60));
    CHECK(!fo_balance_should_ask(&balance, (struct fo_balance_counts){0, 0}, SHARE, NOW + 200));
}

struct bits {
    bool set[UNITS];
    unsigned calls;
};

static uint32_t bits_run(void *ctx, uint32_t from, uint32_t *ret_first)
{
    struct bits *bits = ctx;
    uint32_t first = from, end;

    bits->calls++;
    while (first < UNITS && !bits->set[first]) {
        first++;
    }
    for (end = first; end < UNITS && bits->set[end]; end++) {
    }
    *ret_first = first;
    return end - first;
}

static unsigned bits_count(const struct bits *bits)
{
    unsigned count = 0;

    for (unsigned i = 0; i < UNITS; i++) {
        count += bits->set[i];
    }
    return count;
}

/* Takes blocks until none is left to take; returns the units taken. Budget of one run a call. */
static uint64_t take_all(struct bits *bits, const struct pool *pool, uint64_t units,
                         unsigned *ret_blocks)
{
    struct fo_block_search search;
    uint64_t taken = 0;
    uint32_t last_count = UINT32_MAX;

    *ret_blocks = 0;
    fo_block_search_init(&search, pool, units);
    for (unsigned i = 0; i < 200000; i++) {
        struct fo_block block, back;
        struct resource resource;
        enum fo_block_result r = fo_block_next(&search, bits_run, bits, 1 + i % 3, &block);

        if (r == FO_BLOCK_NONE) {
            return taken;
        }
        if (r == FO_BLOCK_MORE) {
            continue;
        }
        CHECK(block.count && (block.count & (block.count - 1)) == 0);
        CHECK(block.first % block.count == 0 && block.first + block.count <= UNITS);
        CHECK(block.count <= last_count);
        resource = fo_block_resource(pool, block);
        CHECK(ip6_equal(ip6_prefix(resource.prefix, resource.length), resource.prefix));
        CHECK(fo_block_of(pool, &resource, &back));
        CHECK(back.first == block.first && back.count == block.count);
        for (uint32_t k = 0; k < block.count; k++) {
            CHECK(bits->set[block.first + k]);
            bits->set[block.first + k] = false;
        }
        last_count = block.count;
        fo_block_won(&search, block);
        taken += block.count;
        ++*ret_blocks;
    }
    CHECK(false); /* it never ended */
    return taken;
}

static void test_blocks_whole(void)
{
    static struct bits bits;
    struct pool pool = pool_of((struct ip6){0x20010db840000000, 0}, UNITS);
    unsigned blocks;

    memset(bits.set, true, sizeof(bits.set));
    CHECK_EQ(take_all(&bits, &pool, 819, &blocks), 819); /* 512 256 32 16 2 1 */
    CHECK_EQ(blocks, 6);
    CHECK_EQ(bits_count(&bits), UNITS - 819);
    memset(bits.set, true, sizeof(bits.set));
    CHECK_EQ(take_all(&bits, &pool, 9999, &blocks), UNITS);
    CHECK_EQ(blocks, 1);
    CHECK_EQ(take_all(&bits, &pool, 5, &blocks), 0);
}

/* Whatever is free: exactly as many units as wanted, or all there are. */
static void test_blocks_random(void)
{
    static struct bits bits;

    for (unsigned seed = 1; seed <= 60; seed++) {
        /* Pools that begin anywhere: alignment of the prefix counts as much as the number's. */
        struct pool pool =
            pool_of((struct ip6){0x20010db840000000 + ((uint64_t)(seed % 5) << 10), 0}, UNITS);
        unsigned left = 0, blocks, want, density = seed % 10 + 1;

        srand(seed);
        for (unsigned i = 0; i < UNITS; i++) {
            bits.set[i] = (unsigned)rand() % 10 < density;
        }
        left = bits_count(&bits);
        want = (unsigned)rand() % UNITS;
        CHECK_EQ(take_all(&bits, &pool, want, &blocks), want < left ? want : left);
        CHECK_EQ(bits_count(&bits), want < left ? left - want : 0);
    }
}

/* A block somebody else wins meanwhile is passed over, others make up for it. */
static void test_blocks_lost(void)
{
    static struct bits bits;
    struct pool pool = pool_of((struct ip6){0x20010db840000000, 0}, UNITS);
    struct fo_block_search search;
    struct fo_block block;

    memset(bits.set, true, sizeof(bits.set));
    fo_block_search_init(&search, &pool, 256);
    CHECK_EQ(fo_block_next(&search, bits_run, &bits, 8, &block), FO_BLOCK_FOUND);
    CHECK(block.first == 0 && block.count == 256);
    CHECK_EQ(fo_block_next(&search, bits_run, &bits, 8, &block), FO_BLOCK_FOUND);
    CHECK(block.first == 256 && block.count == 256);
    fo_block_won(&search, block);
    CHECK_EQ(fo_block_next(&search, bits_run, &bits, 8, &block), FO_BLOCK_NONE);
}

/* What a partner may name: whole units of the pool, nothing else. */
static void test_block_of(void)
{
    struct pool pool = pool_of((struct ip6){0x20010db840000000, 0}, UNITS);
    struct fo_block block;
    struct resource good = {{0x20010db840001000, 0}, 52, LEASE_TYPE_PD}, bad;

    CHECK(fo_block_of(&pool, &good, &block) && block.first == 16 && block.count == 16);
    bad = good;
    bad.length = 57;
    CHECK(!fo_block_of(&pool, &bad, &block));
    bad = good;
    bad.type = LEASE_TYPE_NA;
    CHECK(!fo_block_of(&pool, &bad, &block));
    bad = good;
    bad.prefix.lo = 1;
    CHECK(!fo_block_of(&pool, &bad, &block));
    bad = (struct resource){{0x20010db840100000, 0}, 56, LEASE_TYPE_PD}; /* behind the end */
    CHECK(!fo_block_of(&pool, &bad, &block));
    bad = (struct resource){{0x20010db840000000, 0}, 43, LEASE_TYPE_PD}; /* larger than the pool */
    CHECK(!fo_block_of(&pool, &bad, &block));
    bad = (struct resource){{0, 0}, 0, LEASE_TYPE_PD};
    CHECK(!fo_block_of(&pool, &bad, &block));
    bad = good;
    bad.length = 255;
    CHECK(!fo_block_of(&pool, &bad, &block));
}

static const struct check_test tests[] = {
    {"plan", test_plan},
    {"interval", test_interval},
    {"ask", test_ask},
    {"blocks_whole", test_blocks_whole},
    {"blocks_random", test_blocks_random},
    {"blocks_lost", test_blocks_lost},
    {"block_of", test_block_of},
};

CHECK_MAIN(tests)

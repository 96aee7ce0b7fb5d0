/* lease/pool.h: arithmetic against brute force on small pools, edges on large ones. */
#include "check.h"
#include "lease/pool.h"

static struct pool na_pool(uint64_t hi, uint64_t first, uint64_t last)
{
    return (struct pool){
        .type = LEASE_TYPE_NA, .delegated_length = 128, .range = {{hi, first}, {hi, last}}};
}

static struct pool pd_pool(uint64_t first_hi, uint64_t last_hi, uint8_t length)
{
    return (struct pool){.type = LEASE_TYPE_PD,
                         .delegated_length = length,
                         .range = {{first_hi, 0}, {last_hi, UINT64_MAX}}};
}

#define NET 0x20010db800000000ULL

static void test_addresses(void)
{
    struct pool pool = na_pool(NET, 0x1000, 0x10ff);
    struct resource r = {{NET, 0x1080}, 128, LEASE_TYPE_NA};

    CHECK_EQ(pool_unit_count(&pool), 256);
    CHECK(pool_contains(&pool, &r));
    CHECK_EQ(pool_unit_index(&pool, &r), 0x80);
    r = pool_unit(&pool, 255);
    CHECK_EQ(r.prefix.lo, 0x10ff);
    CHECK_EQ(r.length, 128);
    r.prefix.lo = 0x1100;
    CHECK(!pool_contains(&pool, &r));
    r.prefix.lo = 0xfff;
    CHECK(!pool_contains(&pool, &r));
    r = (struct resource){{NET, 0x1080}, 128, LEASE_TYPE_PD};
    CHECK(!pool_contains(&pool, &r));
    r = (struct resource){{NET, 0x1080}, 127, LEASE_TYPE_NA};
    CHECK(!pool_contains(&pool, &r));
}

static void test_prefixes(void)
{
    struct pool pool = pd_pool(NET, NET | 0xffffff, 56);
    struct resource r = {{NET | 0x1200, 0}, 56, LEASE_TYPE_PD};

    CHECK_EQ(pool_unit_count(&pool), 0x10000);
    CHECK(pool_contains(&pool, &r));
    CHECK_EQ(pool_unit_index(&pool, &r), 0x12);
    r = pool_unit(&pool, 0xffff);
    CHECK_EQ(r.prefix.hi, NET | 0xffff00);
    CHECK_EQ(r.prefix.lo, 0);
    r.prefix.hi |= 1; /* host bits set: no unit */
    CHECK(!pool_contains(&pool, &r));
    pool.excludes[0] = (struct ip6_range){{NET | 0x1200, 0}, {NET | 0x12ff, UINT64_MAX}};
    pool.exclude_count = 1;
    r = (struct resource){{NET | 0x1200, 0}, 56, LEASE_TYPE_PD};
    CHECK(!pool_contains(&pool, &r));
    r.prefix.hi = NET | 0x1300;
    CHECK(pool_contains(&pool, &r));
}

static void test_prefixes_longer_than_64(void)
{
    struct pool pool = {
        .type = LEASE_TYPE_PD, .delegated_length = 80, .range = {{NET, 0}, {NET, UINT64_MAX}}};
    struct resource r = pool_unit(&pool, 3);

    CHECK_EQ(pool_unit_count(&pool), 0x10000);
    CHECK_EQ(r.prefix.lo, 3ULL << 48);
    CHECK_EQ(pool_unit_index(&pool, &r), 3);
}

static void test_count_saturates(void)
{
    struct pool pool = {.type = LEASE_TYPE_NA,
                        .delegated_length = 128,
                        .range = {{NET, 0}, {NET | 0xffff, UINT64_MAX}}};

    CHECK(pool_unit_count(&pool) == UINT64_MAX);
    pool = na_pool(NET, 0, UINT64_MAX);
    CHECK(pool_unit_count(&pool) == UINT64_MAX);
}

static void test_candidate_spread(void)
{
    struct pool pool = na_pool(NET, 0x1000, 0x100f);
    unsigned hits[16] = {0}, total = 0;

    for (uint64_t client = 0; client < 16000; client++) {
        struct resource r, again;

        if (pool_candidate(&pool, hash_mix(client), 0, -1, &r)) {
            CHECK(pool_contains(&pool, &r));
            CHECK(pool_candidate(&pool, hash_mix(client), 0, -1, &again));
            CHECK(resource_equal(&r, &again)); /* stable */
            hits[pool_unit_index(&pool, &r)]++;
            total++;
        }
    }
    CHECK_EQ(total, 16000);
    for (unsigned i = 0; i < 16; i++) {
        CHECK(hits[i] > 850 && hits[i] < 1150); /* 1000 each; 5 sigma is 153 */
    }
}

static void test_candidate_attempts_differ(void)
{
    struct pool pool = na_pool(NET, 1, UINT64_MAX - 0xffff);
    struct resource a, b;

    CHECK(pool_candidate(&pool, 42, 0, -1, &a));
    CHECK(pool_candidate(&pool, 42, 1, -1, &b));
    CHECK(!resource_equal(&a, &b));
}

static void test_candidate_parity(void)
{
    struct pool pool = na_pool(NET, 0x1001, 0x10fe), one = na_pool(NET, 0x1001, 0x1001);
    unsigned got[2] = {0};
    struct resource r;

    for (uint64_t client = 0; client < 1000; client++) {
        for (int parity = 0; parity < 2; parity++) {
            if (pool_candidate(&pool, hash_mix(client), 0, parity, &r)) {
                CHECK_EQ(r.prefix.lo & 1, parity);
                CHECK(pool_contains(&pool, &r));
                got[parity]++;
            }
        }
    }
    CHECK(got[0] > 950 && got[1] > 950);
    CHECK(!pool_candidate(&one, 1, 0, 0, &r));
    CHECK(pool_candidate(&one, 1, 0, 1, &r));
    CHECK(pool_next(&pool, &(struct resource){{NET, 0x1001}, 128, LEASE_TYPE_NA}, 1, &r));
    CHECK_EQ(r.prefix.lo, 0x1003);
}

static void test_candidate_skips(void)
{
    /* RFC 5453: the all-zero and the highest 128 identifiers, and IANA's block, are nobody's. */
    struct pool low = na_pool(NET, 0, 1), high = na_pool(NET, 0xfdffffffffffff80ULL, UINT64_MAX);
    struct pool iana = na_pool(NET, 0x02005efffe000000ULL, 0x02005efffe0000ffULL);
    struct resource r;

    for (uint64_t client = 0; client < 500; client++) {
        if (pool_candidate(&low, hash_mix(client), 0, -1, &r)) {
            CHECK_EQ(r.prefix.lo, 1);
        }
        if (pool_candidate(&high, hash_mix(client), 0, -1, &r)) {
            CHECK(r.prefix.lo > 0xfdffffffffffffffULL);
        }
        CHECK(!pool_candidate(&iana, hash_mix(client), 0, -1, &r));
    }
    r = (struct resource){{NET, 0}, 128, LEASE_TYPE_NA};
    CHECK(pool_contains(&low, &r));
    CHECK(!pool_may_give(&low, &r));
    r.prefix.lo = 1;
    CHECK(pool_may_give(&low, &r));
    CHECK(!pool_next(&iana, &(struct resource){{NET, 0x02005efffe000000ULL}, 128, 3}, -1, &r));
}

/* Walks the whole pool from start and compares with what each unit says of itself. */
static void walk(const struct pool *pool, uint64_t start, int parity)
{
    uint64_t count = pool_unit_count(pool), at = start, seen = 0, expected = 0;
    struct resource r = pool_unit(pool, start), next;

    while (pool_next(pool, &r, parity, &next)) {
        uint64_t index = pool_unit_index(pool, &next);

        CHECK(pool_may_give(pool, &next));
        CHECK(parity < 0 || pool->type != LEASE_TYPE_NA || (int)(next.prefix.lo & 1) == parity);
        CHECK((index + count - start) % count > (at + count - start) % count); /* in order */
        at = index;
        r = next;
        if (++seen > count || index == start) {
            CHECK(seen <= count && index != start); /* the walk does not end */
            return;
        }
        if ((at + 1) % count == start) {
            break;
        }
        /* Stop where the lap closes: the next one would be at or behind start. */
        if (pool_next(pool, &r, parity, &next) &&
            (pool_unit_index(pool, &next) + count - start) % count <=
                (at + count - start) % count) {
            break;
        }
    }
    for (uint64_t i = 0; i < count; i++) {
        struct resource unit = pool_unit(pool, i);

        expected +=
            i != start && pool_may_give(pool, &unit) &&
            (parity < 0 || pool->type != LEASE_TYPE_NA || (int)(unit.prefix.lo & 1) == parity);
    }
    CHECK_EQ(seen, expected);
}

static void test_walk(void)
{
    struct pool pool = na_pool(NET, 0, 40);

    for (uint64_t start = 0; start <= 40; start++) {
        walk(&pool, start, -1);
        walk(&pool, start, 0);
        walk(&pool, start, 1);
    }
    pool.excludes[0] = (struct ip6_range){{NET, 0}, {NET, 3}};
    pool.excludes[1] = (struct ip6_range){{NET, 10}, {NET, 10}};
    pool.excludes[2] = (struct ip6_range){{NET, 38}, {NET, 40}};
    pool.exclude_count = 3;
    for (uint64_t start = 0; start <= 40; start++) {
        walk(&pool, start, -1);
        walk(&pool, start, 1);
    }
}

static void test_walk_at_the_end_of_all_numbers(void)
{
    struct pool pool = {.type = LEASE_TYPE_PD,
                        .delegated_length = 56,
                        .range = {{UINT64_MAX << 12, 0}, {UINT64_MAX, UINT64_MAX}}};

    pool.excludes[0] = (struct ip6_range){{UINT64_MAX << 8, 0}, {UINT64_MAX, UINT64_MAX}};
    pool.exclude_count = 1;
    for (uint64_t start = 0; start < 16; start++) {
        walk(&pool, start, -1);
    }
}

static void test_walk_nothing_else(void)
{
    struct pool pool = na_pool(NET, 0x10, 0x11);
    struct resource r = {{NET, 0x10}, 128, LEASE_TYPE_NA}, next;

    CHECK(pool_next(&pool, &r, -1, &next));
    CHECK_EQ(next.prefix.lo, 0x11);
    CHECK(!pool_next(&pool, &r, 0, &next)); /* only itself has this parity */
    pool = na_pool(NET, 0x10, 0x10);
    CHECK(!pool_next(&pool, &r, -1, &next));
}

static const struct check_test tests[] = {
    {"addresses", test_addresses},
    {"prefixes", test_prefixes},
    {"prefixes_longer_than_64", test_prefixes_longer_than_64},
    {"count_saturates", test_count_saturates},
    {"candidate_spread", test_candidate_spread},
    {"candidate_attempts_differ", test_candidate_attempts_differ},
    {"candidate_parity", test_candidate_parity},
    {"candidate_skips", test_candidate_skips},
    {"walk", test_walk},
    {"walk_at_the_end_of_all_numbers", test_walk_at_the_end_of_all_numbers},
    {"walk_nothing_else", test_walk_nothing_else},
};

CHECK_MAIN(tests)

/* Ownership bits by one thread: each function at the edges of words and levels, then a random
 * history against a plain array. */
#include "check.h"
#include "sample.h"
#include "store/claim.h"

static struct claim *claim_of(uint32_t units, bool all_set)
{
    struct claim *claim = NULL;

    T6_ASSERT(claim_new(units, all_set, &claim) == 0);
    return claim;
}

static void test_limits(void)
{
    struct claim *claim = NULL;
    uint32_t unit;

    CHECK_EQ(claim_new(0, true, &claim), -EINVAL);
    CHECK_EQ(claim_new((1u << 26) + 1, true, &claim), -EINVAL);
    CHECK(claim == NULL);
    claim_free(NULL);
    claim = claim_of(1u << 26, true);
    CHECK_EQ(claim_count(claim), 1 << 26);
    CHECK(claim_take_next(claim, (1u << 26) - 1, &unit));
    CHECK_EQ(unit, (1 << 26) - 1);
    CHECK(claim_take_next(claim, (1u << 26) - 1, &unit));
    CHECK_EQ(unit, 0);
    CHECK(claim_take_block(claim, 1u << 25, 1u << 24));
    CHECK(claim_take_next(claim, 1u << 25, &unit));
    CHECK_EQ(unit, (1u << 25) + (1u << 24));
    CHECK(!claim_take_block(claim, 0, 1u << 26));
    CHECK_EQ(claim_count(claim), (1 << 26) - 3 - (1 << 24));
    claim_free(claim);
}

static void test_sizes(void)
{
    static const uint32_t sizes[] = {1, 2, 63, 64, 65, 4095, 4096, 4097, 262144, 262145, 300001};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct claim *claim = claim_of(sizes[i], true);
        uint32_t unit = 0, taken = 0;

        CHECK_EQ(claim_count(claim), sizes[i]);
        CHECK_EQ(claim_unit_count(claim), sizes[i]);
        CHECK(claim_test(claim, sizes[i] - 1));
        CHECK(!claim_test(claim, sizes[i]));
        CHECK(!claim_take(claim, sizes[i]));
        while (claim_take_next(claim, 0, &unit)) {
            CHECK_EQ(unit, taken);
            taken++;
        }
        CHECK_EQ(taken, sizes[i]);
        CHECK_EQ(claim_count(claim), 0);
        CHECK(!claim_peek_next(claim, 0, &unit));
        CHECK(claim_give(claim, sizes[i] - 1));
        CHECK(claim_peek_next(claim, 0, &unit));
        CHECK_EQ(unit, sizes[i] - 1);
        CHECK(claim_take_next(claim, sizes[i] / 2, &unit));
        CHECK(!claim_take_next(claim, 0, &unit));
        claim_free(claim);
    }
}

static void test_mistakes(void)
{
    struct claim *claim = claim_of(100, false);
    uint32_t unit;

    CHECK(!claim_take(claim, 5));
    CHECK(!claim_take_next(claim, 0, &unit));
    CHECK(claim_give(claim, 5));
    CHECK(!claim_give(claim, 5));
    CHECK(!claim_give(claim, 100));
    CHECK_EQ(claim_mistakes(claim), 2);
    CHECK_EQ(claim_count(claim), 1);
    CHECK(claim_take(claim, 5));
    CHECK(!claim_take(claim, 5));
    claim_free(claim);
}

static void test_blocks(void)
{
    struct claim *claim = claim_of(1000, true);
    uint32_t unit;

    CHECK(!claim_take_block(claim, 0, 3));     /* no power of two */
    CHECK(!claim_take_block(claim, 4, 8));     /* not aligned */
    CHECK(!claim_take_block(claim, 512, 512)); /* beyond the end */
    CHECK(!claim_take_block(claim, 1024, 1));
    CHECK(!claim_take_block(claim, 0, 0));
    CHECK(claim_take_block(claim, 8, 8));
    CHECK(!claim_take_block(claim, 0, 16));
    CHECK_EQ(claim_count(claim), 992);
    CHECK(!claim_take_block(claim, 0, 512));
    CHECK_EQ(claim_count(claim), 992);
    CHECK(claim_take(claim, 400));
    CHECK(!claim_take_block(claim, 256, 256)); /* took 256..383 and gave them back */
    CHECK_EQ(claim_count(claim), 991);
    CHECK(claim_take_next(claim, 256, &unit));
    CHECK_EQ(unit, 256);
    CHECK(claim_take_block(claim, 512, 256));
    CHECK_EQ(claim_count(claim), 990 - 256);
    CHECK(!claim_test(claim, 600));
    CHECK(claim_test(claim, 768));
    claim_free(claim);
}

static void test_random(void)
{
    enum {
        UNITS = 5000
    };

    static bool model[UNITS];
    struct claim *claim = claim_of(UNITS, false);
    uint64_t random = 3;
    uint32_t count = 0;

    for (uint32_t step = 0; step < 300000; step++) {
        /* Drift between nearly full and nearly empty. */
        bool give = sample_random(&random) % 16 < (step / 30000 % 2 ? 6u : 10u);
        uint32_t unit = sample_random(&random) % UNITS, got = 0, expected = unit;

        if (give) {
            CHECK_EQ(claim_give(claim, unit), !model[unit]);
            count += !model[unit];
            model[unit] = true;
        } else if (step % 2) {
            CHECK_EQ(claim_take(claim, unit), model[unit]);
            count -= model[unit];
            model[unit] = false;
        } else {
            for (uint32_t i = 0; i < UNITS && !model[expected]; i++) {
                expected = (expected + 1) % UNITS;
            }
            CHECK_EQ(claim_peek_next(claim, unit, &got), count > 0);
            CHECK_EQ(claim_take_next(claim, unit, &got), count > 0);
            if (count) {
                CHECK_EQ(got, expected);
                model[got] = false;
                count--;
            }
        }
        if (check_failures) {
            break;
        }
    }
    CHECK_EQ(claim_count(claim), count);
    claim_free(claim);
}

static const struct check_test tests[] = {
    {"limits", test_limits}, {"sizes", test_sizes},   {"mistakes", test_mistakes},
    {"blocks", test_blocks}, {"random", test_random},
};

CHECK_MAIN(tests)

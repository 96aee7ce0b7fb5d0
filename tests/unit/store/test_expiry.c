/* The timer wheel by one thread, with the time given. */
#include "check.h"
#include "sample.h"
#include "store/expiry.h"

static struct expiry *expiry_of(uint32_t slots, sec_t now)
{
    struct expiry *expiry = NULL;

    T6_ASSERT(expiry_new(slots, now, &expiry) == 0);
    return expiry;
}

static void test_times(void)
{
    struct expiry *expiry = expiry_of(10, 1000);
    uint32_t due[10];

    CHECK_EQ(expiry_due(expiry, 1000, due, 10), 0);
    expiry_arm(expiry, 3, 1005);
    expiry_arm(expiry, 3, 1002); /* armed already: ignored */
    expiry_arm(expiry, 0, 900);  /* past: the next second */
    expiry_arm(expiry, 9, 1005);
    CHECK_EQ(expiry_due(expiry, 1000, due, 10), 0);
    CHECK_EQ(expiry_due(expiry, 1001, due, 10), 1);
    CHECK_EQ(due[0], 0);
    CHECK_EQ(expiry_due(expiry, 1004, due, 10), 0);
    CHECK_EQ(expiry_due(expiry, 1005, due, 1), 1);
    CHECK_EQ(expiry_due(expiry, 1005, due + 1, 1), 1);
    CHECK_EQ(due[0] + due[1], 12);
    CHECK_EQ(expiry_due(expiry, 1005, due, 1), 0);
    CHECK_EQ(expiry_due(expiry, 900, due, 1), 0); /* never backwards */
    expiry_arm(expiry, 3, 1006);
    CHECK_EQ(expiry_due(expiry, 1006, due, 10), 1);
    CHECK(expiry_memory(expiry) >= 40);
    expiry_free(expiry);
    expiry_free(NULL);
}

static void test_far(void)
{
    struct expiry *expiry = expiry_of(10, 1000);
    uint32_t due[10];

    expiry_arm(expiry, 1, 1000 + 100 * 86400u);
    CHECK_EQ(expiry_due(expiry, 1000 + EXPIRY_SPAN_S - 2, due, 10), 0);
    CHECK_EQ(expiry_due(expiry, 1000 + EXPIRY_SPAN_S - 1, due, 10), 1); /* early */
    /* After a very long pause one call does one round, and that returns all. */
    expiry_arm(expiry, 2, 1000 + EXPIRY_SPAN_S + 7);
    expiry_arm(expiry, 1, 1000 + 100 * 86400u);
    CHECK_EQ(expiry_due(expiry, 1000 + 50 * 86400u, due, 10), 2);
    CHECK_EQ(expiry_due(expiry, 1000 + 50 * 86400u, due, 10), 0);
    expiry_free(expiry);
}

static void test_wrap(void)
{
    sec_t now = UINT32_MAX - 5;
    struct expiry *expiry = expiry_of(10, now);
    uint32_t due[10];

    expiry_arm(expiry, 4, now + 3);
    expiry_arm(expiry, 5, now + 20); /* beyond the wrap of sec_t */
    CHECK_EQ(expiry_due(expiry, now + 19, due, 10), 1);
    CHECK_EQ(due[0], 4);
    CHECK_EQ(expiry_due(expiry, now + 20, due, 10), 1);
    CHECK_EQ(due[0], 5);
    expiry_free(expiry);
}

/* Every armed slot comes back exactly once, not late, and within the wheel's span not early. */
static void test_random(void)
{
    enum {
        SLOTS = 2000
    };

    static sec_t at[SLOTS]; /* 0: not armed */
    struct expiry *expiry = expiry_of(SLOTS, 5000);
    uint64_t random = 11;
    uint32_t due[64], wrong = 0, returned = 0;
    sec_t now = 5000;
    size_t count;

    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t slot = sample_random(&random) % SLOTS;
        sec_t when = now + 1 + sample_random(&random) % (step % 16 ? 600 : 90000);

        expiry_arm(expiry, slot, when);
        at[slot] = at[slot] ? at[slot] : when;
        if (step % 3 == 0) {
            now += sample_random(&random) % 8;
            while ((count = expiry_due(expiry, now, due, 64)) > 0) {
                for (size_t i = 0; i < count; i++) {
                    wrong += at[due[i]] == 0;
                    wrong += sec_after(at[due[i]], now) && at[due[i]] < 5000 + EXPIRY_SPAN_S;
                    at[due[i]] = 0;
                    returned++;
                }
            }
            for (uint32_t i = 0; i < SLOTS; i++) {
                wrong += at[i] != 0 && !sec_after(at[i], now);
            }
        }
    }
    CHECK_EQ(wrong, 0);
    CHECK(returned > 5000);
    expiry_free(expiry);
}

static const struct check_test tests[] = {
    {"times", test_times},
    {"far", test_far},
    {"wrap", test_wrap},
    {"random", test_random},
};

CHECK_MAIN(tests)

#include "base/histogram.h"
#include "check.h"

static void test_buckets_are_dense(void)
{
    /* Every bucket begins where the one before it ends. */
    for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
        uint64_t last = histogram_bucket_last(i);

        CHECK_EQ(histogram_bucket(last), i);
        CHECK_EQ(histogram_bucket(last + 1), i + 1);
    }
    CHECK_EQ(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
    CHECK_EQ(histogram_bucket_last(HISTOGRAM_BUCKETS - 1), (1ULL << 40) - 1);
}

static void test_quantiles(void)
{
    static struct histogram histogram;
    static struct histogram_picture picture;

    CHECK_EQ(histogram_quantile(&picture, 500), 0);
    for (uint64_t v = 1; v <= 10000; v++) {
        histogram_add(&histogram, v);
    }
    histogram_gather(&histogram, &picture);
    CHECK_EQ(picture.count, 10000);
    CHECK_EQ(picture.sum, 50005000);
    CHECK_EQ(picture.max, 10000);
    /* Never too low, at most a sixteenth too high. */
    CHECK(histogram_quantile(&picture, 500) >= 5000);
    CHECK(histogram_quantile(&picture, 500) <= 5000 + 5000 / 16);
    CHECK(histogram_quantile(&picture, 990) >= 9900);
    CHECK(histogram_quantile(&picture, 999) >= 9990);
    CHECK_EQ(histogram_quantile(&picture, 1000), 10000);
    CHECK_EQ(histogram_quantile(&picture, 0), 1);
}

static void test_small_values_are_exact(void)
{
    static struct histogram histogram;
    static struct histogram_picture picture;

    histogram_add_many(&histogram, 3, 999);
    histogram_add(&histogram, 15);
    histogram_gather(&histogram, &picture);
    CHECK_EQ(histogram_quantile(&picture, 500), 3);
    CHECK_EQ(histogram_quantile(&picture, 999), 3);
    CHECK_EQ(histogram_quantile(&picture, 1000), 15);
}

static void test_gather_sums(void)
{
    static struct histogram a, b;
    static struct histogram_picture picture;

    histogram_add_many(&a, 100, 10);
    histogram_add_many(&b, 1ULL << 50, 10); /* beyond the last bucket: told by max */
    histogram_gather(&a, &picture);
    histogram_gather(&b, &picture);
    CHECK_EQ(picture.count, 20);
    CHECK(histogram_quantile(&picture, 500) >= 100 && histogram_quantile(&picture, 500) < 107);
    CHECK_EQ(histogram_quantile(&picture, 990), 1LL << 50);
}

static const struct check_test tests[] = {
    {"buckets are dense", test_buckets_are_dense},
    {"quantiles", test_quantiles},
    {"small values are exact", test_small_values_are_exact},
    {"gather sums", test_gather_sums},
};

CHECK_MAIN(tests)

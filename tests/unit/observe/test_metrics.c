/* How metrics look as text. */
#include "check.h"
#include "observe/metrics.h"

static char buf[METRIC_SAMPLE_MAX];

static struct metric_text text_new(size_t capacity)
{
    memset(buf, 0, sizeof(buf));
    return (struct metric_text){.buf = buf, .capacity = capacity};
}

static void plain(void)
{
    static const struct metric_info info = {
        "a_total", METRIC_COUNTER, {NULL}, "What\\ it\nis \"a\""};
    struct metric_sample sample = {.count = UINT64_MAX};
    struct metric_text text = text_new(sizeof(buf));

    metric_head_write(&text, &info);
    metric_sample_write(&text, &info, &sample);
    sample = (struct metric_sample){.is_real = true, .real = 0.25};
    metric_sample_write(&text, &info, &sample);
    sample.real = __builtin_nan("");
    metric_sample_write(&text, &info, &sample);
    CHECK_STR(buf, "# HELP a_total What\\\\ it\\nis \"a\"\n# TYPE a_total counter\n"
                   "a_total 18446744073709551615\na_total 0.25\na_total NaN\n");
    CHECK_EQ(text.size, strlen(buf));
    CHECK(!text.full);
}

static void labels(void)
{
    static const struct metric_info info = {"b", METRIC_GAUGE, {"x", "y"}, "B"};
    struct metric_sample sample = {.labels = {"q\"\\\n\xff", NULL}, .count = 3};
    struct metric_text text = text_new(sizeof(buf));

    metric_sample_write(&text, &info, &sample);
    CHECK_STR(buf, "b{x=\"q\\\"\\\\\\n?\",y=\"\"} 3\n");
}

static void histograms(void)
{
    static const struct metric_info info = {"c_seconds", METRIC_HISTOGRAM, {"stage"}, "C"};
    static struct histogram histogram;
    static struct histogram_picture picture;
    struct metric_sample sample = {.labels = {"s"}, .picture = &picture, .unit = 1e-9};
    struct metric_text text = text_new(sizeof(buf));

    histogram_add(&histogram, 1023);       /* below 2^10 */
    histogram_add(&histogram, 1024);       /* not below */
    histogram_add(&histogram, 1ULL << 39); /* above all buckets that are told */
    histogram_gather(&histogram, &picture);
    metric_sample_write(&text, &info, &sample);
    CHECK(strstr(buf, "c_seconds_bucket{stage=\"s\",le=\"1.024e-06\"} 1\n") == buf);
    CHECK(strstr(buf, "le=\"2.048e-06\"} 2\n") != NULL);
    CHECK(strstr(buf, "le=\"68.7194767\"} 2\nc_seconds_bucket{stage=\"s\",le=\"+Inf\"} 3\n") !=
          NULL);
    CHECK(strstr(buf, "\nc_seconds_count{stage=\"s\"} 3\n") != NULL);
    CHECK(strstr(buf, "\nc_seconds_sum{stage=\"s\"} 549.75") != NULL);
}

/* What does not fit is left out as a whole. */
static void too_long(void)
{
    static const struct metric_info info = {"d", METRIC_GAUGE, {"x"}, "D"};
    struct metric_sample sample = {.labels = {"12345"}, .count = 1};

    for (size_t capacity = 1; capacity < 40; capacity++) {
        struct metric_text text = text_new(capacity);

        metric_sample_write(&text, &info, &sample);
        CHECK_EQ(text.full, capacity <= strlen("d{x=\"12345\"} 1\n"));
        CHECK_EQ(text.size, text.full ? 0 : strlen("d{x=\"12345\"} 1\n"));
    }
}

static const struct check_test tests[] = {
    {"plain", plain},
    {"labels", labels},
    {"histograms", histograms},
    {"too long", too_long},
};

CHECK_MAIN(tests)

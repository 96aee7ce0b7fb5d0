/* lease.count over a store larger than one call looks at. */
#include <stdlib.h>

#include "check.h"
#include "methods_bench.h"

/* The count in the first row whose member has the value, of all calls together; the rest is in
 * *ret_rest. */
static int64_t counted(struct bench *bench, const char *filter, const char *group,
                       const char *value, int64_t *ret_rest)
{
    char cursor[64] = "null", params[256];
    int64_t sum = 0, total = 0;

    do {
        json_t *json, *row, *next;
        size_t i;

        (void)snprintf(params, sizeof(params),
                       "{\"filter\": {%s}, \"group_by\": \"%s\", \"cursor\": %s}", filter, group,
                       cursor);
        json = call(bench, "lease.count", params);
        json_array_foreach(json_object_get(json, "rows"), i, row)
        {
            sum += strcmp(text_at(row, group), value) == 0
                       ? json_integer_value(json_object_get(row, "count"))
                       : 0;
        }
        total += json_integer_value(json_object_get(json, "count"));
        next = json_object_get(json, "next_cursor");
        CHECK(next != NULL);
        (void)snprintf(cursor, sizeof(cursor), json_is_null(next) ? "null" : "\"%s\"",
                       json_is_null(next) ? "" : json_string_value(next));
        json_decref(json);
    } while (strcmp(cursor, "null") != 0);
    *ret_rest = total - sum;
    return sum;
}

static void test_count(void)
{
    struct resource elsewhere = {{0x20010db8ffff0000ULL, 1}, 128, LEASE_TYPE_NA};
    struct bench bench;
    int64_t rest;

    bench_open(&bench);
    CHECK_EQ(counted(&bench, "", "state", "active", &rest), 0);
    CHECK_EQ(rest, 0);
    for (uint32_t i = 0; i < 250; i++) {
        load(&bench, na(i), i, i < 200 ? BINDING_ACTIVE : BINDING_FREE);
    }
    for (uint32_t i = 0; i < 300000; i++) { /* more than one call looks at */
        load(&bench, pd(i), 1000 + i, i % 3 ? BINDING_ACTIVE : BINDING_ABANDONED);
    }
    load(&bench, elsewhere, 999999, BINDING_ACTIVE);
    CHECK_EQ(counted(&bench, "", "state", "active", &rest), 200 + 200000 + 1);
    CHECK_EQ(rest, 50 + 100000);
    CHECK_EQ(counted(&bench, "\"type\": \"pd\"", "state", "abandoned", &rest), 100000);
    CHECK_EQ(rest, 200000);
    CHECK_EQ(counted(&bench, "", "type", "na", &rest), 251);
    CHECK_EQ(counted(&bench, "\"state\": \"active\"", "link", "olt-17", &rest), 200 + 200000);
    CHECK_EQ(rest, 1);
    CHECK_EQ(counted(&bench, "\"type\": \"na\"", "pool", "null", &rest), 1);
    CHECK_EQ(rest, 250);
    expect_error(&bench, "lease.count", "{\"group_by\": \"moon\"}", JSONRPC_INVALID_PARAMS);
    expect_error(&bench, "lease.count", "{\"filter\": {\"link\": \"moon\"}}",
                 JSONRPC_INVALID_PARAMS);
    expect_error(&bench, "lease.count", "{\"cursor\": \"l1\"}", JSONRPC_BAD_CURSOR);
    bench_close(&bench);
}

static const struct check_test tests[] = {
    {"count", test_count},
};

CHECK_MAIN(tests)

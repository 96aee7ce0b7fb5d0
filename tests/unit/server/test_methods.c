/* The management methods over a real store and policy: requests as bytes, answers as JSON. */
#include <stdlib.h>

#include "check.h"
#include "methods_bench.h"

static size_t list_count(struct bench *bench, const char *params)
{
    json_t *list = call(bench, "lease.list", params);
    size_t count = json_array_size(json_object_get(list, "leases"));

    CHECK(json_is_array(json_object_get(list, "leases")));
    CHECK(json_is_null(json_object_get(list, "next_cursor")));
    json_decref(list);
    return count;
}

static size_t method_count(void)
{
    size_t count = 0;

    for (const struct jsonrpc_method *const *group = methods_table; *group; group++) {
        for (const struct jsonrpc_method *method = *group; method->name; method++) {
            count++;
        }
    }
    return count;
}

static void test_server(void)
{
    struct bench bench;
    json_t *json;

    bench_open(&bench);
    load(&bench, na(1), 1, BINDING_ACTIVE);
    json = call(&bench, "server.status", "{}");
    CHECK_STR(text_at(json, "name"), "pop7-a");
    CHECK_STR(text_at(json, "now"), "2025-12-25T17:46:40Z");
    CHECK_STR(text_at(json, "started"), "2025-12-25T17:45:10Z");
    CHECK_STR(text_at(json, "uptime_s"), "90");
    CHECK_STR(text_at(json, "revision"), "1");
    CHECK_STR(text_at(json, "leases.used"), "1");
    CHECK_STR(text_at(json, "leases.by_state.active"), "1");
    CHECK_EQ(json_array_size(json_object_get(json, "workers")), 2);
    CHECK_STR(text_at(json, "workers.1.parked_max"), "1");
    CHECK_STR(text_at(json, "ports.0.mac"), "02:00:00:00:00:01");
    CHECK_STR(text_at(json, "storage.healthy"), "false");
    CHECK_STR(text_at(json, "storage.last_error"), "28");
    CHECK_STR(text_at(json, "health.0.text"), "disk full");
    json_decref(json);
    json = call(&bench, "server.version", "{}");
    CHECK_STR(text_at(json, "product"), "tandem6");
    CHECK_STR(text_at(json, "api"), METHODS_API_VERSION);
    CHECK_STR(text_at(json, "git"), "null");
    CHECK_STR(text_at(json, "protocol.0"), "9915");
    json_decref(json);
    json = call(&bench, "rpc.ping", "{}");
    CHECK_STR(text_at(json, "now"), "2025-12-25T17:46:40Z");
    json_decref(json);
    json = call(&bench, "rpc.discover", "{}");
    CHECK_EQ(json_array_size(json_object_get(json, "methods")), method_count());
    json_decref(json);
    expect_error(&bench, "server.status", "{\"x\":1}", JSONRPC_INVALID_PARAMS);
    bench_close(&bench);
}

static void test_lease_get(void)
{
    struct bench bench;
    json_t *json;

    bench_open(&bench);
    load(&bench, na(1), 1, BINDING_ACTIVE);
    load(&bench, pd(2), 2, BINDING_FREE);
    json = call(&bench, "lease.get", "{\"address\":\"2001:db8:17::101\"}");
    CHECK_STR(text_at(json, "type"), "na");
    CHECK_STR(text_at(json, "address"), "2001:db8:17::101");
    CHECK_STR(text_at(json, "prefix"), "");
    CHECK_STR(text_at(json, "state"), "active");
    CHECK_STR(text_at(json, "duid"), "00030001000000010000");
    CHECK_STR(text_at(json, "iaid"), "1");
    CHECK_STR(text_at(json, "link"), "olt-17");
    CHECK_STR(text_at(json, "valid_until"), "2025-12-25T17:48:21Z");
    CHECK_STR(text_at(json, "valid_for_s"), "101");
    CHECK_STR(text_at(json, "remote_id"), "6f6c7431");
    CHECK_STR(text_at(json, "remote_enterprise"), "3561");
    json_decref(json);
    json = call(&bench, "lease.get", "{\"prefix\":\"2001:db8:4000:200::/56\"}");
    CHECK_STR(text_at(json, "type"), "pd");
    CHECK_STR(text_at(json, "prefix"), "2001:db8:4000:200::/56");
    CHECK_STR(text_at(json, "state"), "free");
    json_decref(json);
    expect_error(&bench, "lease.get", "{\"address\":\"2001:db8:17::102\"}", JSONRPC_NOT_FOUND);
    expect_error(&bench, "lease.get", "{}", JSONRPC_INVALID_PARAMS);
    expect_error(&bench, "lease.get", "{\"address\":\"::1\",\"prefix\":\"2001:db8::/56\"}",
                 JSONRPC_INVALID_PARAMS);
    expect_error(&bench, "lease.get", "{\"address\":\"here\"}", JSONRPC_INVALID_PARAMS);
    bench_close(&bench);
}

static void test_lease_filters(void)
{
    /* 20 addresses of clients 0..19, 10 prefixes of clients 100..109; addresses 0..4 declined. */
    static const struct {
        const char *filter;
        size_t count;
    } rows[] = {
        {"{}", 30},
        {"{\"type\":\"na\"}", 20},
        {"{\"type\":\"pd\"}", 10},
        {"{\"state\":\"abandoned\"}", 5},
        {"{\"state\":\"active\",\"type\":\"na\"}", 15},
        {"{\"link\":\"olt-17\"}", 30},
        {"{\"pool\":\"olt-17/2001:db8:4000::/36/56\"}", 10},
        {"{\"duid\":\"00:03:00:01:00:00:00:07:00:00\"}", 1},
        {"{\"duid\":\"00030001000000070000\",\"iaid\":1,\"type\":\"na\"}", 1},
        {"{\"duid\":\"00030001000000070000\",\"iaid\":1,\"type\":\"pd\"}", 0},
        {"{\"duid\":\"00030001000000070000\",\"iaid\":1,\"type\":\"na\",\"state\":\"free\"}", 0},
        {"{\"iaid\":2}", 0},
        {"{\"remote_id\":\"6f6c7433\"}", 3},
        {"{\"interface_id\":\"00\"}", 0},
        {"{\"under\":\"2001:db8:17::100/124\"}", 16},
        {"{\"under\":\"2001:db8:4000::/54\"}", 4},
        {"{\"under\":\"2001:db8:4000::/60\"}", 0},
        {"{\"under\":\"::/0\"}", 30},
        /* NOW + 100 + client: client 0..2 end before NOW + 103. */
        {"{\"expires_before\":\"2025-12-25T17:48:23Z\"}", 3},
    };
    struct bench bench;
    char params[512];

    bench_open(&bench);
    for (uint32_t i = 0; i < 20; i++) {
        load(&bench, na(i), i, i < 5 ? BINDING_ABANDONED : BINDING_ACTIVE);
    }
    for (uint32_t i = 0; i < 10; i++) {
        load(&bench, pd(i), 100 + i, BINDING_ACTIVE);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)snprintf(params, sizeof(params), "{\"filter\":%s}", rows[i].filter);
        if (list_count(&bench, params) != rows[i].count) {
            printf("%s gave %zu, expected %zu\n", rows[i].filter, list_count(&bench, params),
                   rows[i].count);
            check_failures++;
        }
    }
    expect_error(&bench, "lease.list", "{\"filter\":{\"link\":\"x\"}}", JSONRPC_INVALID_PARAMS);
    expect_error(&bench, "lease.list", "{\"filter\":{\"pool\":\"x\"}}", JSONRPC_INVALID_PARAMS);
    expect_error(&bench, "lease.list", "{\"filter\":{\"expires_before\":\"2025-12-25 17:48:23Z\"}}",
                 JSONRPC_INVALID_PARAMS);
    expect_error(&bench, "lease.list", "{\"filter\":{\"ia\":1}}", JSONRPC_INVALID_PARAMS);
    expect_error(&bench, "lease.list", "{\"limit\":0}", JSONRPC_INVALID_PARAMS);
    expect_error(&bench, "lease.list", "{\"limit\":10001}", JSONRPC_INVALID_PARAMS);
    bench_close(&bench);
}

/* Walks the whole list with this limit; every lease must come exactly once. Returns the calls. */
static unsigned pages_walk(struct bench *bench, const char *filter, unsigned limit,
                           unsigned lease_count)
{
    uint8_t *seen = calloc(1, LEASES_MAX);
    char params[512], cursor[64] = "null";
    unsigned calls = 0, found = 0;
    bool more = true;
    size_t index;
    json_t *lease;

    while (more && calls < 1000) {
        json_t *page, *next;

        (void)snprintf(params, sizeof(params),
                       "{\"limit\":%u,\"cursor\":%s,\"fields\":[\"version\"],\"filter\":%s}", limit,
                       cursor, filter);
        page = call(bench, "lease.list", params);
        calls++;
        CHECK(json_array_size(json_object_get(page, "leases")) <= limit);
        json_array_foreach(json_object_get(page, "leases"), index, lease)
        {
            json_int_t version = json_integer_value(json_object_get(lease, "version"));

            CHECK(version > 0 && version < LEASES_MAX && !seen[version]);
            CHECK_EQ(json_object_size(lease), 1);
            seen[version] = 1;
            found++;
        }
        next = json_object_get(page, "next_cursor");
        (void)snprintf(cursor, sizeof(cursor), "\"%s\"",
                       json_is_string(next) ? json_string_value(next) : "");
        more = json_is_string(next);
        json_decref(page);
    }
    CHECK_EQ(found, lease_count);
    free(seen);
    return calls;
}

static void test_lease_pages(void)
{
    struct bench bench;
    unsigned calls;

    bench_open(&bench);
    for (uint32_t i = 0; i < 25; i++) {
        load(&bench, na(i), i, BINDING_ACTIVE);
    }
    calls = pages_walk(&bench, "{}", 10, 25);
    CHECK(calls == 3 || calls == 4); /* slots may have gaps */
    CHECK(pages_walk(&bench, "{}", 1, 25) >= 25);
    CHECK_EQ(pages_walk(&bench, "{}", 10000, 25), 1);
    expect_error(&bench, "lease.list", "{\"cursor\":\"\"}", JSONRPC_BAD_CURSOR);
    expect_error(&bench, "lease.list", "{\"cursor\":\"l0000000000000000\"}", JSONRPC_BAD_CURSOR);
    expect_error(&bench, "lease.list", "{\"cursor\":\"l 000000\"}", JSONRPC_BAD_CURSOR);
    bench_close(&bench);
}

/* With few matches among many slots, a call stops at its budget and says where to go on. */
static void test_lease_budget(void)
{
    enum {
        COUNT = 300000
    };
    struct bench bench;
    unsigned calls;

    bench_open(&bench);
    for (uint32_t i = 0; i < COUNT; i++) {
        load(&bench, pd(i), i, i % 100000 == 7 ? BINDING_ABANDONED : BINDING_ACTIVE);
    }
    calls = pages_walk(&bench, "{\"state\":\"abandoned\"}", 1000, 3);
    CHECK_EQ(calls, 2);
    calls = pages_walk(&bench, "{}", 10000, COUNT);
    CHECK(calls >= COUNT / 10000 && calls <= COUNT / 10000 + 1);
    bench_close(&bench);
}

static void test_pools(void)
{
    struct bench bench;
    json_t *json;

    bench_open(&bench);
    load(&bench, na(0), 0, BINDING_ACTIVE);
    load(&bench, na(1), 1, BINDING_ABANDONED);
    load(&bench, na(2), 2, BINDING_FREE);
    load(&bench, na(3), 3, BINDING_RELEASED);
    load(&bench, pd(0), 4, BINDING_ACTIVE);
    json = call(&bench, "pool.list", "{\"link\":\"olt-17\"}");
    CHECK_EQ(json_array_size(json_object_get(json, "pools")), 2);
    CHECK_STR(text_at(json, "pools.0.link"), "olt-17");
    CHECK_STR(text_at(json, "pools.0.type"), "na");
    CHECK_STR(text_at(json, "pools.0.range"), "2001:db8:17::100/120");
    CHECK_STR(text_at(json, "pools.0.total"), "256");
    CHECK_STR(text_at(json, "pools.0.used"), "1");
    CHECK_STR(text_at(json, "pools.0.declined"), "1");
    CHECK_STR(text_at(json, "pools.0.waiting"), "1");
    CHECK_STR(text_at(json, "pools.0.free"), "253");
    CHECK_STR(text_at(json, "pools.0.delegated_length"), "null");
    CHECK_STR(text_at(json, "pools.0.as_of"), "2025-12-25T17:46:40Z");
    CHECK_STR(text_at(json, "pools.1.delegated_length"), "56");
    CHECK_STR(text_at(json, "pools.1.total"), "1048576");
    CHECK_STR(text_at(json, "pools.1.used"), "1");
    json_decref(json);
    json = call(&bench, "pool.list", "{\"link\":\"x\"}");
    CHECK_EQ(json_array_size(json_object_get(json, "pools")), 0);
    json_decref(json);
    bench_close(&bench);
}

static void test_pool_walk(void)
{
    enum {
        COUNT = 250000
    };
    struct bench bench;
    unsigned steps = 1;
    json_t *json;

    bench_open(&bench);
    for (uint32_t i = 0; i < COUNT; i++) {
        load(&bench, pd(i), i, BINDING_ACTIVE);
    }
    json = call(&bench, "pool.list", "{}"); /* too many to count on the spot */
    CHECK_STR(text_at(json, "pools.1.used"), "null");
    CHECK_STR(text_at(json, "pools.1.as_of"), "null");
    CHECK_STR(text_at(json, "pools.1.reserved"), "0");
    json_decref(json);
    while (methods_pool_step(bench.methods) && steps < 1000) {
        steps++;
    }
    CHECK(steps >= COUNT / METHODS_POOL_STEP_SLOTS && steps <= COUNT / METHODS_POOL_STEP_SLOTS + 2);
    bench.now += 5;
    CHECK(!methods_pool_step(bench.methods)); /* it rests */
    json = call(&bench, "pool.list", "{}");
    CHECK_STR(text_at(json, "pools.1.used"), "250000");
    CHECK_STR(text_at(json, "pools.1.as_of"), "2025-12-25T17:46:40Z");
    json_decref(json);
    bench.now += METHODS_POOL_REST_S;
    CHECK(methods_pool_step(bench.methods)); /* and begins again */
    json = call(&bench, "pool.list", "{}");  /* still the complete count */
    CHECK_STR(text_at(json, "pools.1.used"), "250000");
    json_decref(json);
    bench_close(&bench);
}

static void test_stats(void)
{
    struct bench bench;
    json_t *json;

    bench_open(&bench);
    json = call(&bench, "stats.get", "{}");
    CHECK_STR(text_at(json, "counters.rx_solicit"), "7");
    CHECK(json_is_string(json_object_get(json_object_get(json, "counters"), "tx_reply")));
    CHECK_STR(text_at(json, "counters.tx_reply"), "9007199254740993");
    CHECK_EQ(json_object_size(json_object_get(json, "counters")), COUNTER_COUNT);
    CHECK_STR(text_at(json, "gauges.leases_max"), "400000");
    CHECK_STR(text_at(json, "gauges.journal_records"), "12");
    CHECK_STR(text_at(json, "histograms.0.name"), "hold");
    CHECK_STR(text_at(json, "histograms.0.p99"), "10");
    json_decref(json);
    json = call(&bench, "stats.get", "{\"zeros\":false,\"group\":\"rx\"}");
    CHECK_STR(text_at(json, "counters"), "{\"rx_solicit\":7}");
    json_decref(json);
    json = call(&bench, "stats.get", "{\"names\":[\"rx_solicit\",\"uptime_s\"]}");
    CHECK_STR(text_at(json, "counters"), "{\"rx_solicit\":7}");
    CHECK_STR(text_at(json, "gauges"), "{\"uptime_s\":90}");
    CHECK_STR(text_at(json, "histograms"), "[]");
    json_decref(json);
    bench_close(&bench);
}

static void test_config(void)
{
    struct bench bench;
    json_t *json;

    bench_open(&bench);
    json = call(&bench, "config.get", "{}");
    CHECK_STR(text_at(json, "config.links.0.name"), "olt-17");
    CHECK_STR(text_at(json, "config.server.allocation_secret"), "(hidden)");
    CHECK_STR(text_at(json, "revision"), "1");
    CHECK_EQ(strlen(text_at(json, "digest")), 16);
    json_decref(json);
    json = call(&bench, "config.get", "{\"path\":\"/server/allocation_secret\"}");
    CHECK_STR(text_at(json, "config"), "(hidden)");
    json_decref(json);
    json = call(&bench, "config.get", "{\"path\":\"/links/0/lifetimes/valid_s\"}");
    CHECK_STR(text_at(json, "config"), "3600");
    json_decref(json);
    expect_error(&bench, "config.get", "{\"path\":\"/links/1\"}", JSONRPC_NOT_FOUND);
    expect_error(&bench, "config.get", "{\"path\":\"links\"}", JSONRPC_NOT_FOUND);
    expect_error(&bench, "config.get", "{\"path\":\"/links/-\"}", JSONRPC_NOT_FOUND);
    expect_error(&bench, "config.get", "{\"path\":\"/~2\"}", JSONRPC_NOT_FOUND);
    expect_error(&bench, "config.get", "{\"redact\":false}", JSONRPC_UNAUTHORIZED);
    json = call_as(&bench, JSONRPC_ROLES_ALL, "config.get", "{\"redact\":false}");
    CHECK_STR(text_at(json, "config.server.allocation_secret"), "00112233445566778899aabbccddeeff");
    json_decref(json);
    bench_close(&bench);
}

static void test_config_test(void)
{
    struct bench bench;
    char params[1600], text[800];
    size_t size = 0;
    json_t *json;

    bench_open(&bench);
    (void)snprintf(params, sizeof(params), "{\"config\":%s}", bench_config_text);
    json = call(&bench, "config.test", params);
    CHECK_STR(text_at(json, "valid"), "true");
    CHECK_STR(text_at(json, "errors"), "[]");
    json_decref(json);
    json = call(&bench, "config.test", "{\"config\":{\"server\":{\"nam\":1}}}");
    CHECK_STR(text_at(json, "valid"), "false");
    CHECK(strlen(text_at(json, "errors.0.text")) > 0);
    json_decref(json);
    json = call(&bench, "config.test", "{\"config\":5}");
    CHECK_STR(text_at(json, "valid"), "false");
    json_decref(json);
    size = (size_t)snprintf(text, sizeof(text), "{\\n\\n  \\\"servers\\\": {}\\n}");
    CHECK(size < sizeof(text));
    (void)snprintf(params, sizeof(params), "{\"text\":\"%s\"}", text);
    json = call(&bench, "config.test", params);
    CHECK_STR(text_at(json, "valid"), "false");
    CHECK_STR(text_at(json, "errors.0.line"), "3");
    json_decref(json);
    expect_error(&bench, "config.test", "{}", JSONRPC_INVALID_PARAMS);
    bench_close(&bench);
}

static const struct check_test tests[] = {
    {"server", test_server},
    {"lease get", test_lease_get},
    {"lease filters", test_lease_filters},
    {"lease pages", test_lease_pages},
    {"lease budget", test_lease_budget},
    {"pools", test_pools},
    {"pool walk", test_pool_walk},
    {"stats", test_stats},
    {"config", test_config},
    {"config test", test_config_test},
};

CHECK_MAIN(tests)

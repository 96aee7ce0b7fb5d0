#include "methods_bench.h"

#include <stdlib.h>

#include <urcu/urcu-qsbr.h>

#include "check.h"

const char bench_config_text[] =
    "{ \"server\": { \"name\": \"pop7-a\", \"state_dir\": \"/tmp/x\",\n"
    "    \"allocation_secret\": \"00112233445566778899aabbccddeeff\" },\n"
    "  \"dataplane\": { \"ports\": [ { \"name\": \"access0\", \"addresses\": [\"2001:db8:0:1::1\"] "
    "} "
    "] },\n"
    "  \"links\": [ { \"name\": \"olt-17\", \"port\": \"access0\", \"subnets\": "
    "[\"2001:db8:17::/64\"],\n"
    "    \"pools\": [ { \"type\": \"address\", \"range\": \"2001:db8:17::100-2001:db8:17::1ff\" "
    "},\n"
    "               { \"type\": \"prefix\", \"range\": \"2001:db8:4000::/36\", "
    "\"delegated_length\": 56 } ],\n"
    "    \"lifetimes\": { \"preferred_s\": 3000, \"valid_s\": 3600 } } ] }";

static const struct policy *bench_policy(void *ctx)
{
    return ((struct bench *)ctx)->policy;
}

static const struct config *bench_config(void *ctx)
{
    return ((struct bench *)ctx)->config;
}

static void bench_counters(void *ctx, uint64_t ret_sums[COUNTER_COUNT])
{
    (void)ctx;
    ret_sums[COUNTER_rx_solicit] = 7;
    ret_sums[COUNTER_tx_reply] = (1ULL << 53) + 1;
}

static sec_t bench_now(void *ctx)
{
    return ((struct bench *)ctx)->now;
}

static void bench_journal(void *ctx, struct journal_stats *ret_stats)
{
    (void)ctx;
    *ret_stats = (struct journal_stats){.records = 12, .last_error = -28};
}

static bool bench_worker(void *ctx, unsigned index, struct methods_worker *ret_worker)
{
    *ret_worker = (struct methods_worker){.alive = true, .turns = 5, .parked_max = index};
    return index < ((struct bench *)ctx)->workers;
}

static bool bench_port(void *ctx, unsigned index, struct methods_port *ret_port)
{
    (void)ctx;
    *ret_port = (struct methods_port){"access0", NULL, "net_tap", true, {2, 0, 0, 0, 0, 1}, 1500};
    return index < 1;
}

static bool bench_alarm(void *ctx, unsigned index, struct methods_alarm *ret_alarm)
{
    (void)ctx;
    *ret_alarm = (struct methods_alarm){"storage", "error", "disk full"};
    return index < 1;
}

static bool bench_histogram(void *ctx, unsigned index, struct methods_histogram *ret_histogram)
{
    static struct histogram histogram;

    (void)ctx;
    if (index == 0) {
        histogram_add(&histogram, 10);
    }
    *ret_histogram = (struct methods_histogram){"hold", "ns", "Time parked.", {&histogram}, 1};
    return index < 1;
}

void bench_open(struct bench *bench)
{
    static const uint8_t duid[] = {0, 3, 0, 1, 2, 0, 0, 0, 0, 1};
    struct policy_identity identity = {.server_duid = {duid, sizeof(duid)},
                                       .candidate_key = {1, 2}};
    struct store_config store = {.leases_max = LEASES_MAX, .committers = 1, .key = {3, 4}};
    struct config_error error = {0};
    struct methods_env env = {
        .build = {.version = "0.1.0", .dpdk = "DPDK 22.11"},
        .started_s = NOW - 90,
        .policy = bench_policy,
        .config = bench_config,
        .counters = bench_counters,
        .now = bench_now,
        .journal_stats = bench_journal,
        .worker = bench_worker,
        .port = bench_port,
        .alarm = bench_alarm,
        .histogram = bench_histogram,
        .ctx = bench,
    };

    *bench = (struct bench){.now = NOW, .workers = 2};
    urcu_qsbr_register_thread();
    CHECK_EQ(config_parse("test", bench_config_text, sizeof(bench_config_text) - 1, &bench->config,
                          &error),
             0);
    CHECK_STR(error.text, "");
    CHECK_EQ(policy_new(bench->config, &identity, 5, &bench->policy), 0);
    CHECK_EQ(store_new(&store, &bench->store), 0);
    env.store = bench->store;
    CHECK_EQ(methods_new(&env, &bench->methods), 0);
}

void bench_close(struct bench *bench)
{
    methods_free(bench->methods);
    store_free(bench->store);
    policy_free(bench->policy);
    config_free(bench->config);
    urcu_qsbr_unregister_thread();
}

void load(struct bench *bench, struct resource resource, uint32_t client, uint8_t status)
{
    uint8_t duid[10] = {0, 3, 0, 1}, info[LEASE_INFO_SIZE_MAX];
    struct wire_out out = wire_out_to(info, sizeof(info));
    uint8_t remote[8] = {0, 0, 0x0d, 0xe9, 'o', 'l', 't', (uint8_t)('0' + client % 10)};
    struct lease lease = {
        .resource = resource,
        .iaid = 1,
        .version = client + 1,
        .status = status,
        .times = {.start_s = NOW - 10,
                  .expires_s = NOW + 100 + client,
                  .clt_s = NOW - 10,
                  .preferred_lifetime_s = 3000,
                  .valid_lifetime_s = 3600},
    };

    wire_set_u32(duid + 4, client);
    CHECK(lease_info_add(&out, LEASE_INFO_REMOTE_ID, (struct span){remote, sizeof(remote)}));
    lease.duid = (struct span){duid, sizeof(duid)};
    lease.info = (struct span){info, (size_t)(out.at - info)};
    CHECK_EQ(store_load(bench->store, &lease), 0);
}

struct resource na(uint64_t n)
{
    return (struct resource){{0x20010db800170000ULL, 0x100 + n}, 128, LEASE_TYPE_NA};
}

struct resource pd(uint64_t n)
{
    return (struct resource){{0x20010db840000000ULL + (n << 8), 0}, 56, LEASE_TYPE_PD};
}

json_t *call_as(struct bench *bench, unsigned roles, const char *method, const char *params)
{
    struct jsonrpc_caller caller = {.roles = roles};
    struct jsonrpc_reply reply = {0};
    char request[2048];
    json_t *json, *result;

    (void)snprintf(request, sizeof(request),
                   "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method,
                   params);
    CHECK_EQ(jsonrpc_handle(methods_jsonrpc(bench->methods), &caller,
                            (struct span){(const uint8_t *)request, strlen(request)}, &reply),
             0);
    json = json_loadb(reply.text, reply.size, 0, NULL);
    result = json_object_get(json, "result");
    result = json_incref(result ? result : json_object_get(json, "error"));
    json_decref(json);
    jsonrpc_reply_free(&reply);
    return result;
}

json_t *call(struct bench *bench, const char *method, const char *params)
{
    return call_as(bench, JSONRPC_ROLES_VIEW, method, params);
}

const char *text_at(const json_t *json, const char *path)
{
    static char text[512];
    char key[64];

    while (json && *path) {
        size_t size = strcspn(path, ".");

        (void)snprintf(key, sizeof(key), "%.*s", (int)size, path);
        json = json_is_array(json) ? json_array_get(json, (size_t)atoi(key))
                                   : json_object_get(json, key);
        path += size + (path[size] == '.');
    }
    if (json_is_string(json)) {
        return json_string_value(json);
    }
    text[0] = '\0';
    if (json) {
        size_t size = json_dumpb(json, text, sizeof(text) - 1, JSON_ENCODE_ANY | JSON_COMPACT);
        text[size < sizeof(text) ? size : 0] = '\0';
    }
    return text;
}

void expect_error(struct bench *bench, const char *method, const char *params, int code)
{
    json_t *error = call(bench, method, params);

    CHECK_EQ(json_integer_value(json_object_get(error, "code")), code);
    json_decref(error);
}

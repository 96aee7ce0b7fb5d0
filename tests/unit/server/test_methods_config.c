/* Live configuration over a real store and policy: what is applied, refused, rolled back, told. */
#include <stdlib.h>

#include <urcu/urcu-qsbr.h>

#include "check.h"
#include "server/json_patch.h"
#include "server/methods.h"
#include "server/revisions.h"

enum {
    NOW = 820000000,
    TEXT_MAX = 4096
};

static const char config_text[] =
    "{ \"server\": { \"name\": \"pop7-a\", \"state_dir\": \"/tmp/x\",\n"
    "    \"allocation_secret\": \"00112233445566778899aabbccddeeff\" },\n"
    "  \"dataplane\": { \"ports\": [ { \"name\": \"p0\", \"addresses\": [\"2001:db8:0:1::1\"] } ] "
    "},\n"
    "  \"links\": [ { \"name\": \"olt\", \"port\": \"p0\", \"subnets\": [\"2001:db8:17::/64\"],\n"
    "    \"pools\": [ { \"type\": \"address\", \"name\": \"na\", \"range\": "
    "\"2001:db8:17::100-2001:db8:17::1ff\" },\n"
    "     { \"type\": \"prefix\", \"name\": \"pd\", \"range\": \"2001:db8:4000::/36\", "
    "\"delegated_length\": 56 } ],\n"
    "    \"lifetimes\": { \"preferred_s\": 3000, \"valid_s\": 3600 } } ] }";

struct bench {
    struct store *store;
    struct config *config;
    struct policy *policy;
    struct methods *methods;
    struct policy_identity identity;
    sec_t now;
    int apply_error; /* what config_apply says instead */
    unsigned applied;
    char *file, *saved, *history;
    bool saving;
};

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
    ret_sums[0] = 0;
}

static sec_t bench_now(void *ctx)
{
    return ((struct bench *)ctx)->now;
}

static int bench_apply(void *ctx, struct config *config)
{
    struct bench *bench = ctx;
    struct policy *policy;

    if (bench->apply_error) {
        return bench->apply_error;
    }
    CHECK_EQ(policy_new(config, &bench->identity, bench->policy->revision + 1, &policy), 0);
    policy_free(bench->policy);
    config_free(bench->config);
    bench->policy = policy;
    bench->config = config;
    bench->applied++;
    return 0;
}

static int bench_read(void *ctx, char **ret_text)
{
    const struct bench *bench = ctx;

    if (bench->file == NULL) {
        return -ENOENT;
    }
    *ret_text = strdup(bench->file);
    return 0;
}

static int bench_save(void *ctx, const char *text)
{
    struct bench *bench = ctx;

    bench->saving = !bench->saving;
    free(bench->saved);
    bench->saved = strdup(text);
    return bench->saving ? -EINPROGRESS : 0;
}

static void bench_history(void *ctx, char *text)
{
    struct bench *bench = ctx;

    free(bench->history);
    bench->history = text;
}

static void methods_open(struct bench *bench)
{
    struct methods_env env = {
        .store = bench->store,
        .policy = bench_policy,
        .config = bench_config,
        .counters = bench_counters,
        .now = bench_now,
        .config_path = "/etc/tandem6.json",
        .config_apply = bench_apply,
        .config_read = bench_read,
        .config_save = bench_save,
        .history_save = bench_history,
        .config_ctx = bench,
        .ctx = bench,
    };
    char *history = bench->history ? strdup(bench->history) : NULL;

    env.history = history;
    CHECK_EQ(methods_new(&env, &bench->methods), 0);
    free(history);
}

static void bench_open(struct bench *bench)
{
    static const uint8_t duid[] = {0, 3, 0, 1, 2, 0, 0, 0, 0, 1};
    struct store_config store = {.leases_max = 100000, .committers = 1, .key = {3, 4}};
    struct config_error error = {0};

    *bench = (struct bench){.now = NOW};
    bench->identity = (struct policy_identity){{duid, sizeof(duid)}, {1, 2}};
    urcu_qsbr_register_thread();
    CHECK_EQ(config_parse("test", config_text, sizeof(config_text) - 1, &bench->config, &error), 0);
    CHECK_EQ(policy_new(bench->config, &bench->identity, 5, &bench->policy), 0);
    CHECK_EQ(store_new(&store, &bench->store), 0);
    methods_open(bench);
}

static void bench_close(struct bench *bench)
{
    methods_free(bench->methods);
    store_free(bench->store);
    policy_free(bench->policy);
    config_free(bench->config);
    free(bench->file);
    free(bench->saved);
    free(bench->history);
    urcu_qsbr_unregister_thread();
}

static void load(struct bench *bench, struct resource resource, uint32_t client)
{
    uint8_t duid[10] = {0, 3, 0, 1};
    struct lease lease = {
        .resource = resource,
        .iaid = 1,
        .version = client + 1,
        .status = BINDING_ACTIVE,
        .times = {.start_s = NOW - 10, .expires_s = NOW + 3000, .valid_lifetime_s = 3600},
    };

    wire_set_u32(duid + 4, client);
    lease.duid = (struct span){duid, sizeof(duid)};
    CHECK_EQ(store_load(bench->store, &lease), 0);
}

static struct resource pd(uint64_t n)
{
    return (struct resource){{0x20010db840000000ULL + (n << 8), 0}, 56, LEASE_TYPE_PD};
}

/* result, or error */
static json_t *call_as(struct bench *bench, unsigned roles, const char *method, const char *params)
{
    struct jsonrpc_caller caller = {.roles = roles, .who = "uid 7"};
    struct jsonrpc_reply reply = {0};
    char request[TEXT_MAX];
    json_t *json, *part;

    (void)snprintf(request, sizeof(request),
                   "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method,
                   params);
    CHECK_EQ(jsonrpc_handle(methods_jsonrpc(bench->methods), &caller,
                            (struct span){(const uint8_t *)request, strlen(request)}, &reply),
             0);
    json = json_loadb(reply.text, reply.size, 0, NULL);
    part = json_object_get(json, "result");
    part = json_incref(part ? part : json_object_get(json, "error"));
    json_decref(json);
    jsonrpc_reply_free(&reply);
    return part;
}

/* Compact text of the value at a JSON pointer of the answer; "" for none. */
static const char *ask(struct bench *bench, const char *method, const char *params, const char *at)
{
    static char text[TEXT_MAX];
    json_t *json = call_as(bench, JSONRPC_ROLES_ALL, method, params);
    json_t *part = json_pointer_find(json, at);
    size_t size =
        part ? json_dumpb(part, text, sizeof(text) - 1, JSON_COMPACT | JSON_ENCODE_ANY) : 0;

    text[size < sizeof(text) ? size : 0] = '\0';
    json_decref(json);
    return text;
}

#define VALID_S(n)                                                                                 \
    "{\"patch\":[{\"op\":\"replace\",\"path\":\"/links/0/lifetimes/valid_s\",\"value\":" #n "}]"

static void test_apply(void)
{
    struct bench bench;

    bench_open(&bench);
    CHECK_STR(ask(&bench, "config.apply", VALID_S(4000) ",\"expect_revision\":2}", "/code"),
              "1003");
    CHECK_STR(ask(&bench, "config.apply", VALID_S(4000) ",\"dry_run\":true}", "/applied"), "false");
    CHECK_EQ(bench.applied, 0);
    CHECK_STR(ask(&bench, "config.apply", VALID_S(4000) ",\"expect_revision\":1,\"comment\":\"c\"}",
                  "/revision"),
              "2");
    CHECK_EQ(bench.applied, 1);
    CHECK_EQ(bench.policy->links[0].lifetimes.valid_s, 4000);
    CHECK_EQ(bench.config->allocation_secret.size, 16); /* carried over, though hidden */
    CHECK_STR(ask(&bench, "config.get", "{}", "/revision"), "2");
    CHECK_STR(ask(&bench, "config.history", "{}", "/revisions/0/who"), "\"uid 7\"");
    CHECK_STR(ask(&bench, "config.history", "{}", "/revisions/0/comment"), "\"c\"");
    CHECK_STR(ask(&bench, "config.history", "{\"limit\":1}", "/revisions/1"), "");
    /* The same again is no revision. */
    CHECK_STR(ask(&bench, "config.apply", VALID_S(4000) "}", "/changes"), "false");
    CHECK_STR(ask(&bench, "config.get", "{}", "/revision"), "2");
    CHECK_STR(ask(&bench, "config.diff", "{\"a\":1,\"b\":2}", "/patch"),
              "[{\"op\":\"replace\",\"path\":\"/links/0/lifetimes/valid_s\",\"value\":4000}]");
    CHECK_STR(ask(&bench, "config.rollback", "{}", "/revision"), "3");
    CHECK_EQ(bench.policy->links[0].lifetimes.valid_s, 3600);
    CHECK_STR(ask(&bench, "config.diff", "{\"a\":1,\"b\":3}", "/equal"), "true");
    CHECK_STR(ask(&bench, "config.rollback", "{\"revision\":9}", "/code"), "1001");
    CHECK_STR(ask(&bench, "config.save", "{}", "/complete"), "false");
    CHECK_STR(ask(&bench, "config.save", "{}", "/complete"), "true");
    CHECK_STR(bench.saved, config_text);
    bench_close(&bench);
}

static void test_refused(void)
{
    struct bench bench;
    json_t *json;

    bench_open(&bench);
    CHECK_STR(ask(&bench, "config.apply", "{}", "/code"), "-32602");
    CHECK_STR(ask(&bench, "config.apply", VALID_S(true) "}", "/code"), "1009");
    CHECK_STR(ask(&bench, "config.apply", "{\"patch\":[{\"op\":\"remove\",\"path\":\"/links/7\"}]}",
                  "/code"),
              "-32602");
    CHECK_STR(
        ask(&bench, "config.apply",
            "{\"patch\":[{\"op\":\"add\",\"path\":\"/store\",\"value\":{\"leases_max\":9999}}]}",
            "/data/reason"),
        "\"restart_needed\"");
    CHECK_STR(
        ask(&bench, "config.test",
            "{\"patch\":[{\"op\":\"add\",\"path\":\"/store\",\"value\":{\"leases_max\":9999}}]}",
            "/effect/restart_needed"),
        "[\"store\"]");
    CHECK_STR(ask(&bench, "config.apply", "{\"file\":true}", "/code"), "-32004");
    bench.apply_error = -EBUSY;
    CHECK_STR(ask(&bench, "config.apply", VALID_S(4000) "}", "/data/reason"),
              "\"cannot_be_applied\"");
    json = call_as(&bench, JSONRPC_ROLES_VIEW | 1u << JSONRPC_ROLE_OPERATE, "config.apply",
                   VALID_S(4000) "}");
    CHECK_EQ(json_integer_value(json_object_get(json, "code")), JSONRPC_UNAUTHORIZED);
    json_decref(json);
    json = call_as(&bench, JSONRPC_ROLES_VIEW, "config.diff", "{\"file\":true}");
    CHECK_EQ(json_integer_value(json_object_get(json, "code")), JSONRPC_UNAUTHORIZED);
    json_decref(json);
    CHECK_EQ(bench.applied, 0);
    CHECK_STR(ask(&bench, "config.get", "{}", "/revision"), "1");
    /* A patch cannot carry the secret to where it is shown. */
    CHECK_STR(
        ask(&bench, "config.apply",
            "{\"dry_run\":true,\"patch\":[{\"op\":\"copy\",\"from\":\"/server/allocation_secret\","
            "\"path\":\"/links/0/name\"}]}",
            "/message"),
        "");
    bench_close(&bench);
}

#define REMOVE_PD "{\"patch\":[{\"op\":\"remove\",\"path\":\"/links/0/pools/1\"}]"

static void test_stranded(void)
{
    struct bench bench;
    unsigned calls = 0;

    bench_open(&bench);
    CHECK_STR(ask(&bench, "config.test", REMOVE_PD "}", "/effect/stranded"), "[]");
    for (uint32_t i = 0; i < 40000; i++) {
        load(&bench, pd(i), i);
    }
    /* More leases than one call looks at. */
    while (strcmp(ask(&bench, "config.apply", REMOVE_PD "}", "/complete"), "false") == 0) {
        calls++;
    }
    CHECK_EQ(calls, 40000 / METHODS_CHANGE_SLOTS);
    for (unsigned i = 0; i < calls; i++) {
        CHECK_STR(ask(&bench, "config.apply", REMOVE_PD "}", "/applied"), "false");
    }
    CHECK_STR(ask(&bench, "config.apply", REMOVE_PD "}", "/data/reason"), "\"strands_leases\"");
    CHECK_EQ(bench.applied, 0);
    for (unsigned i = 0; i < calls; i++) {
        (void)ask(&bench, "config.test", REMOVE_PD "}", "/effect");
    }
    CHECK_STR(ask(&bench, "config.test", REMOVE_PD "}", "/effect/stranded"),
              "[{\"pool\":\"pd\",\"link\":\"olt\",\"gone\":40000,\"moved\":0}]");
    for (unsigned i = 0; i <= calls; i++) {
        (void)ask(&bench, "config.apply", REMOVE_PD ",\"accept\":[\"na\"]}", "/applied");
    }
    CHECK_EQ(bench.applied, 0);
    for (unsigned i = 0; i <= calls; i++) {
        (void)ask(&bench, "config.apply", REMOVE_PD ",\"accept\":[\"pd\"]}", "/applied");
    }
    CHECK_EQ(bench.applied, 1);
    CHECK_EQ(bench.policy->pool_count, 1);
    bench_close(&bench);
}

/* A smaller pool strands only what lies outside; a larger one and a renamed link nothing. */
static void test_moved(void)
{
    struct bench bench;

    bench_open(&bench);
    load(&bench, pd(1), 1);
    load(&bench, pd(1 << 19), 2);
    CHECK_STR(ask(&bench, "config.test",
                  "{\"patch\":[{\"op\":\"replace\",\"path\":\"/links/0/pools/1/range\",\"value\":"
                  "\"2001:db8:4000::/37\"}]}",
                  "/effect/stranded/0/gone"),
              "1");
    CHECK_STR(ask(&bench, "config.test",
                  "{\"patch\":[{\"op\":\"replace\",\"path\":\"/links/0/pools/1/range\",\"value\":"
                  "\"2001:db8:4000::/35\"}]}",
                  "/effect/looked_at"),
              "0");
    CHECK_STR(
        ask(&bench, "config.apply",
            "{\"patch\":[{\"op\":\"replace\",\"path\":\"/links/0/name\",\"value\":\"new\"},"
            "{\"op\":\"add\",\"path\":\"/links/-\",\"value\":{\"name\":\"two\",\"port\":\"p0\","
            "\"subnets\":[\"2001:db8:18::/64\"],\"relay_addresses\":[\"2001:db8:18::1\"]}}]}",
            "/stranded"),
        "[]");
    CHECK_STR(
        ask(&bench, "config.test",
            "{\"patch\":[{\"op\":\"move\",\"from\":\"/links/0/pools/1\","
            "\"path\":\"/links/1/pools\"},{\"op\":\"test\",\"path\":\"/links/0/name\",\"value\":"
            "\"new\"}]}",
            "/valid"),
        "false");
    CHECK_STR(ask(&bench, "config.test",
                  "{\"patch\":[{\"op\":\"add\",\"path\":\"/links/1/pools\",\"value\":[]},"
                  "{\"op\":\"move\",\"from\":\"/links/0/pools/1\",\"path\":\"/links/1/pools/0\"}]}",
                  "/effect/stranded"),
              "[{\"pool\":\"pd\",\"link\":\"new\",\"gone\":0,\"moved\":2}]");
    bench_close(&bench);
}

static void test_confirm(void)
{
    struct bench bench;
    char text[JSONRPC_MESSAGE_MAX];

    bench_open(&bench);
    CHECK_STR(ask(&bench, "config.confirm", "{\"revision\":1}", "/code"), "-32004");
    (void)ask(&bench, "config.apply", VALID_S(4000) ",\"confirm_within_s\":60}", "/applied");
    CHECK_STR(ask(&bench, "config.apply", VALID_S(5000) "}", "/code"), "-32004");
    CHECK_STR(ask(&bench, "config.confirm", "{\"revision\":1}", "/code"), "1003");
    bench.now += 60;
    CHECK_EQ(methods_reload_turn(bench.methods, text), METHODS_RELOAD_IDLE);
    bench.now += 1;
    CHECK_EQ(methods_reload_turn(bench.methods, text), METHODS_RELOAD_BACK);
    CHECK_EQ(bench.policy->links[0].lifetimes.valid_s, 3600);
    CHECK_STR(ask(&bench, "config.get", "{}", "/revision"), "3");
    (void)ask(&bench, "config.apply", VALID_S(4000) ",\"confirm_within_s\":60}", "/applied");
    CHECK_STR(ask(&bench, "config.confirm", "{\"revision\":4}", "/revision"), "4");
    bench.now += 100;
    CHECK_EQ(methods_reload_turn(bench.methods, text), METHODS_RELOAD_IDLE);
    CHECK_EQ(bench.policy->links[0].lifetimes.valid_s, 4000);
    bench_close(&bench);
}

static enum methods_reload reload(struct bench *bench, const char *from, const char *to)
{
    char text[TEXT_MAX], said[JSONRPC_MESSAGE_MAX];
    const char *at = strstr(config_text, from);
    struct config_error error;
    struct config *config = NULL;

    CHECK(at);
    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - config_text), config_text, to,
                   at + strlen(from));
    CHECK_EQ(config_parse("test", text, strlen(text), &config, &error), 0);
    methods_reload_begin(bench->methods, config);
    return methods_reload_turn(bench->methods, said);
}

static void test_reload(void)
{
    struct bench bench;

    bench_open(&bench);
    load(&bench, pd(1), 1);
    CHECK_EQ(reload(&bench, "3600", "7200"), METHODS_RELOAD_DONE);
    CHECK_STR(ask(&bench, "config.get", "{}", "/revision"), "2");
    CHECK_EQ(reload(&bench, "3600", "7200"), METHODS_RELOAD_DONE); /* certificates, perhaps */
    CHECK_EQ(bench.applied, 2);
    CHECK_STR(ask(&bench, "config.get", "{}", "/revision"), "2");
    CHECK_EQ(reload(&bench, "/tmp/x", "/tmp/y"), METHODS_RELOAD_REFUSED);
    CHECK_EQ(reload(&bench, "2001:db8:4000::/36", "2001:db8:5000::/36"), METHODS_RELOAD_REFUSED);
    CHECK_EQ(bench.applied, 2);
    bench_close(&bench);
}

/* The numbers go on after a restart; a file changed meanwhile is a revision of its own. */
static void test_history(void)
{
    struct bench bench;

    bench_open(&bench);
    (void)ask(&bench, "config.apply", VALID_S(4000) "}", "/applied");
    methods_free(bench.methods);
    methods_open(&bench);
    CHECK_STR(ask(&bench, "config.get", "{}", "/revision"), "2");
    CHECK_STR(ask(&bench, "config.rollback", "{\"revision\":1}", "/revision"), "3");
    for (unsigned i = 0; i < REVISIONS_MAX; i++) {
        char params[256];

        (void)snprintf(params, sizeof(params),
                       "{\"patch\":[{\"op\":\"replace\",\"path\":\"/links/0/lifetimes/valid_s\","
                       "\"value\":%u}]}",
                       5000 + i);
        (void)ask(&bench, "config.apply", params, "/applied");
    }
    CHECK_STR(ask(&bench, "config.rollback", "{\"revision\":1}", "/code"), "1001");
    CHECK_STR(ask(&bench, "config.rollback", "{\"revision\":4}", "/revision"), "36");
    free(bench.history);
    bench.history = strdup("{\"revisions\":[{\"revision\":7}, 5]}");
    methods_free(bench.methods);
    methods_open(&bench);
    CHECK_STR(ask(&bench, "config.get", "{}", "/revision"), "1");
    bench_close(&bench);
}

#define ONE(more) "{\"duid\":\"000300010203040506\",\"addresses\":[\"2001:db8:17::" more "}"

/* Reservations come and go by their own methods, as changes of the configuration. */
static void test_reservations(void)
{
    static const struct {
        const char *method, *params, *code;
    } refused[] = {
        {"reservation.get", "{}", "-32602"},
        {"reservation.add", "{\"link\":\"olt\"}", "-32602"},
        {"reservation.add", "{\"duid\":\"000300010203\",\"remote_id\":\"00\"}", "-32602"},
        {"reservation.add", "{\"duid\":\"000300010203\",\"link\":\"nowhere\"}", "-32602"},
        {"reservation.add", "{\"duid\":\"000300010203\",\"addresses\":[\"2001:db8:99::1\"]}",
         "1009"},
        {"reservation.add", "{\"duid\":\"000300010203\",\"options\":{\"nothing\":1}}", "1009"},
        {"reservation.add", "{\"duid\":\"00:03:00:01:02:03:04:05:06\"}", "1002"},
        {"reservation.add", "{\"duid\":\"000300010203\",\"addresses\":[\"2001:db8:17::7\"]}",
         "1009"},
        {"reservation.update", "{\"duid\":\"000300010203\"}", "1001"},
        {"reservation.delete", "{\"duid\":\"000300010203040506\",\"link\":\"olt\"}", "1001"},
        {"reservation.delete", "{\"duid\":\"000300010203040506\",\"expect_revision\":1}", "1003"},
        {"reservation.list", "{\"cursor\":\"r2-0x\"}", "-32006"},
    };
    struct bench bench;
    char cursor[64];

    bench_open(&bench);
    CHECK_STR(ask(&bench, "reservation.add", ONE("7\"],\"dry_run\":true"), "/applied"), "false");
    CHECK_STR(ask(&bench, "reservation.add", ONE("7\"],\"comment\":\"c\""), "/revision"), "2");
    CHECK_EQ(bench.policy->reservation_count, 1);
    CHECK_EQ(bench.config->allocation_secret.size, 16);
    CHECK_STR(ask(&bench, "config.history", "{}", "/revisions/0/comment"),
              "\"reservation added: c\"");
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        CHECK_STR(ask(&bench, refused[i].method, refused[i].params, "/code"), refused[i].code);
    }
    CHECK_EQ(bench.applied, 1);
    /* The same key for one link is another reservation. */
    CHECK_STR(ask(&bench, "reservation.add",
                  "{\"duid\":\"000300010203040506\",\"link\":\"olt\",\"prefixes\":"
                  "[\"2001:db8:4000:100::/56\"],\"options\":{\"dns_servers\":[\"2001:db8::53\"]}}",
                  "/reservation/link"),
              "\"olt\"");
    CHECK_STR(ask(&bench, "reservation.add",
                  "{\"remote_id\":\"text:port 7\",\"addresses\":[\"2001:db8:17::8\"]}", "/applied"),
              "true");
    CHECK_STR(ask(&bench, "reservation.list", "{\"limit\":2}", "/reservations/1"),
              "{\"duid\":\"000300010203040506\",\"link\":\"olt\",\"addresses\":[],\"prefixes\":"
              "[\"2001:db8:4000:100::/56\"],\"option_codes\":[23]}");
    (void)snprintf(cursor, sizeof(cursor), "{\"cursor\":%s}",
                   ask(&bench, "reservation.list", "{\"limit\":2}", "/next_cursor"));
    CHECK_STR(ask(&bench, "reservation.list", cursor, "/reservations"),
              "[{\"remote_id\":\"706f72742037\",\"link\":null,\"addresses\":[\"2001:db8:17::8\"],"
              "\"prefixes\":[],\"option_codes\":[]}]");
    CHECK_STR(ask(&bench, "reservation.list", cursor, "/next_cursor"), "null");
    CHECK_STR(ask(&bench, "reservation.get", "{\"remote_id\":\"706f72742037\"}", "/reservation"),
              "{\"remote_id\":\"text:port 7\",\"addresses\":[\"2001:db8:17::8\"]}");
    /* What is left out is gone. */
    load(&bench, pd(1), 5);
    CHECK_STR(ask(&bench, "reservation.get", "{\"duid\":\"000300010203040506\",\"link\":\"olt\"}",
                  "/leases/0/prefix"),
              "\"2001:db8:4000:100::/56\"");
    CHECK_STR(ask(&bench, "reservation.update",
                  "{\"remote_id\":\"text:port 7\",\"prefixes\":[\"2001:db8:4000:200::/56\"]}",
                  "/reservation"),
              "{\"remote_id\":\"text:port 7\",\"prefixes\":[\"2001:db8:4000:200::/56\"]}");
    CHECK_STR(ask(&bench, "reservation.list", cursor, "/code"), "-32006");
    CHECK_STR(
        ask(&bench, "reservation.delete", "{\"duid\":\"000300010203040506\"}", "/reservation"),
        "{\"duid\":\"000300010203040506\",\"addresses\":[\"2001:db8:17::7\"]}");
    CHECK_EQ(bench.policy->reservation_count, 2);
    CHECK_STR(ask(&bench, "reservation.get", "{\"duid\":\"000300010203040506\"}", "/data/reason"),
              "\"other_link\"");
    bench_close(&bench);
}

/* One whose address is in no pool strands the lease on it. */
static void test_reservation_stranded(void)
{
    static const char key[] = "{\"duid\":\"0003000100000001\"";
    struct resource outside = {{0x20010db800170000ULL, 0xffff}, 128, LEASE_TYPE_NA};
    struct bench bench;
    char params[128];

    bench_open(&bench);
    (void)snprintf(params, sizeof(params), "%s,\"addresses\":[\"2001:db8:17::ffff\"]}", key);
    CHECK_STR(ask(&bench, "reservation.add", params, "/applied"), "true");
    load(&bench, outside, 1);
    (void)snprintf(params, sizeof(params), "%s}", key);
    CHECK_STR(ask(&bench, "reservation.delete", params, "/data/reason"), "\"strands_leases\"");
    (void)snprintf(params, sizeof(params), "%s,\"accept\":[\"reservations\"]}", key);
    CHECK_STR(ask(&bench, "reservation.delete", params, "/applied"), "true");
    CHECK_EQ(bench.policy->reservation_count, 0);
    bench_close(&bench);
}

static void test_diff(void)
{
    static const char *const rows[][3] = {
        {"{\"a\":1}", "{\"a\":1}", "[]"},
        {"{\"a\":[1,2,3]}", "{\"a\":[1,3]}", "[{\"op\":\"remove\",\"path\":\"/a/1\"}]"},
        {"{\"a/b\":1}", "{\"c~\":2}",
         "[{\"op\":\"remove\",\"path\":\"/a~1b\"},{\"op\":\"add\",\"path\":\"/c~0\",\"value\":2}]"},
        {"[[1,2,3],4,5]", "[[1,9],7,8,6,5]", NULL},
        {"{\"a\":[{\"b\":1},{\"c\":2},3]}", "{\"a\":[3,{\"b\":2},{\"c\":3},4],\"d\":{}}", NULL},
        {"[1]", "{\"x\":null}", NULL},
    };
    char error[JSON_PATCH_ERROR_MAX];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *a = json_loads(rows[i][0], 0, NULL), *b = json_loads(rows[i][1], 0, NULL);
        json_t *patch = json_patch_diff(a, b);
        char *text = json_dumps(patch, JSON_COMPACT);

        if (rows[i][2]) {
            CHECK_STR(text, rows[i][2]);
        }
        CHECK_EQ(json_patch_apply(&a, patch, error), 0);
        CHECK(json_equal(a, b));
        free(text);
        json_decref(a);
        json_decref(b);
        json_decref(patch);
    }
}

static const struct check_test tests[] = {
    {"apply", test_apply},
    {"refused", test_refused},
    {"stranded", test_stranded},
    {"moved", test_moved},
    {"confirm", test_confirm},
    {"file read again", test_reload},
    {"history", test_history},
    {"diff", test_diff},
    {"reservations", test_reservations},
    {"reservation stranded", test_reservation_stranded},
};

CHECK_MAIN(tests)

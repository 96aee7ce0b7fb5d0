/* One client traced: what its worker saw, decided and sent comes out of trace.get; other clients
 * leave nothing; every end of a trace. */
#include <stdlib.h>

#include <urcu/urcu-qsbr.h>

#include "check.h"
#include "harness.h"
#include "server/methods.h"
#include "server/trace.h"

static const char config_text[] =
    "{ \"server\": { \"name\": \"t\", \"state_dir\": \"/nonexistent\" },"
    "  \"store\": { \"leases_max\": 1000, \"remember_s\": 100000 },"
    "  \"dataplane\": { \"workers\": 2, \"ports\": [ { \"name\": \"p0\", \"device\": \"net_null0\","
    "     \"addresses\": [\"2001:db8:0:1::1\"] } ] },"
    "  \"links\": [ { \"name\": \"l0\", \"port\": \"p0\", \"subnets\": [\"2001:db8:17::/64\"],"
    "     \"relay_addresses\": [\"2001:db8:17::1\"],"
    "     \"pools\": [ { \"type\": \"address\", \"range\": \"2001:db8:17::/64\" },"
    "                { \"type\": \"prefix\", \"range\": \"2001:db8:4000::/52\","
    "                  \"delegated_length\": 56 } ],"
    "     \"lifetimes\": { \"preferred_s\": 3000, \"valid_s\": 3600 }, \"rapid_commit\": true } ] "
    "}";

enum {
    CLIENT = 0xabcdef,
    OTHERS = 16,
    DUID_SIZE = 14
};

struct traced {
    struct harness h;
    struct methods *methods;
};

static const struct policy *env_policy(void *ctx)
{
    return server_policy(((struct traced *)ctx)->h.server);
}

static const struct config *env_config(void *ctx)
{
    return ((struct traced *)ctx)->h.config;
}

static void env_counters(void *ctx, uint64_t ret_sums[COUNTER_COUNT])
{
    server_counters_sum(((struct traced *)ctx)->h.server, ret_sums);
}

static sec_t env_now(void *ctx)
{
    return ((struct traced *)ctx)->h.now;
}

static void traced_open(struct traced *t)
{
    struct methods_env env = {.policy = env_policy,
                              .config = env_config,
                              .counters = env_counters,
                              .now = env_now,
                              .ctx = t};

    harness_open(&t->h, config_text);
    t->h.server->trace = trace_new(t->h.server->worker_count);
    env.store = t->h.server->store;
    env.trace = t->h.server->trace;
    CHECK_EQ(methods_new(&env, &t->methods), 0);
}

static void traced_close(struct traced *t)
{
    struct trace *trace = t->h.server->trace;

    methods_free(t->methods);
    harness_close(&t->h);
    trace_free(trace);
}

/* The result or error object; new reference. */
static json_t *ask(struct traced *t, const char *method, const char *params)
{
    struct jsonrpc_caller caller = {.roles = JSONRPC_ROLES_ALL};
    struct jsonrpc_reply reply = {0};
    char request[512];
    json_t *json, *result;
    int size = snprintf(request, sizeof(request),
                        "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"%s\", \"params\": %s}",
                        method, params);

    CHECK_EQ(jsonrpc_handle(methods_jsonrpc(t->methods), &caller,
                            (struct span){(const uint8_t *)request, (size_t)size}, &reply),
             0);
    json = json_loadb(reply.text, reply.size, 0, NULL);
    jsonrpc_reply_free(&reply);
    result = json_object_get(json, "result");
    result = json_incref(result ? result : json_object_get(json, "error"));
    CHECK(result != NULL);
    json_decref(json);
    return result;
}

static void option_put(struct wire_out *out, uint16_t code, const void *data, size_t size)
{
    wire_out_u16(out, code);
    wire_out_u16(out, (uint16_t)size);
    wire_out_bytes(out, data, size);
}

/* A message with IA_NA and IA_PD, in a relay's, arriving at a worker. SOLICIT: rapid commit.
 * server_id: one of somebody else. */
static void message_send(struct traced *t, unsigned worker, uint8_t type, unsigned client,
                         bool server_id)
{
    static const uint8_t foreign[DUID_SIZE] = {0, 1, 0, 1, 9, 9, 9};
    uint8_t buf[512], inner[256], duid[DUID_SIZE] = {0, 1, 0, 1}, ia[12] = {0, 0, 0, 1};
    struct wire_out out = wire_out_to(inner, sizeof(inner));
    size_t size;

    wire_set_u32(duid + 8, client);
    wire_out_u32(&out, (uint32_t)type << 24 | (client & 0xffffff));
    option_put(&out, OPTION_CLIENTID, duid, sizeof(duid));
    if (server_id) {
        option_put(&out, OPTION_SERVERID, foreign, sizeof(foreign));
    }
    option_put(&out, OPTION_RAPID_COMMIT, NULL, 0);
    option_put(&out, OPTION_IA_NA, ia, sizeof(ia));
    option_put(&out, OPTION_IA_PD, ia, sizeof(ia));
    size = (size_t)(out.at - inner);
    out = wire_out_to(buf, sizeof(buf));
    wire_out_u16(&out, DHCP6_RELAY_FORW << 8);
    wire_out_ip6(&out, (struct ip6){0x20010db800170000, 1});
    wire_out_ip6(&out, (struct ip6){0xfe80000000000000, client});
    option_put(&out, OPTION_RELAY_MSG, inner, size);
    harness_send_from(&t->h, worker, (struct ip6){0x20010db800000001, 0xf},
                      (struct ip6){0x20010db800000001, 1}, buf, (size_t)(out.at - buf));
}

static void turns(struct traced *t)
{
    harness_turn(&t->h);
    harness_turn(&t->h);
    harness_sync(&t->h);
    harness_turn(&t->h);
    methods_trace_turn(t->methods);
}

static const char *text(const json_t *json, const char *member)
{
    const char *value = json_string_value(json_object_get(json, member));

    return value ? value : "";
}

static int64_t number(const json_t *json, const char *member)
{
    return json_integer_value(json_object_get(json, member));
}

/* The first step of that kind; borrowed, NULL: none. */
static json_t *step_of(const json_t *got, const char *what)
{
    size_t index;
    json_t *row;

    json_array_foreach(json_object_get(got, "steps"), index, row)
    {
        if (strcmp(text(row, "what"), what) == 0) {
            return row;
        }
    }
    return NULL;
}

static json_t *begin(struct traced *t, const char *more)
{
    char params[128];

    (void)snprintf(params, sizeof(params), "{\"duid\": \"0001000100000000%08x0000\"%s}", CLIENT,
                   more);
    return ask(t, "trace.start", params);
}

/* What a call says of a trace's state, or with which code it fails. */
static void says(struct traced *t, const char *method, unsigned trace, const char *state, int code)
{
    char params[64];
    json_t *got;

    (void)snprintf(params, sizeof(params), "{\"trace\": %u}", trace);
    got = ask(t, method, params);
    CHECK_STR(text(got, "state"), state);
    CHECK_EQ(number(got, "code"), code);
    json_decref(got);
}

static void test_lease_given(void)
{
    struct traced t;
    json_t *got, *step, *relay;

    traced_open(&t);
    json_decref(begin(&t, ""));
    for (unsigned i = 0; i < OTHERS; i++) {
        message_send(&t, i % 2, DHCP6_SOLICIT, i + 1, false);
    }
    message_send(&t, 0, DHCP6_SOLICIT, CLIENT, false);
    message_send(&t, 1, DHCP6_SOLICIT, CLIENT, false);
    turns(&t);
    got = ask(&t, "trace.get", "{\"trace\": 1, \"limit\": 1000}");
    CHECK_STR(text(got, "state"), "running");
    CHECK_STR(text(got, "duid"), "000100010000000000abcdef0000");
    CHECK_EQ(number(got, "packets"), 4); /* two came, two left */
    /* One of them came to the other worker: received, handed over, received again. */
    CHECK_EQ(number(got, "steps_total"), 2 * 3 + 2);
    step = step_of(got, "received");
    CHECK_STR(text(step, "message"), "SOLICIT");
    CHECK_STR(text(step, "xid"), "abcdef");
    CHECK_STR(text(step, "src"), "2001:db8:0:1::f");
    relay = json_array_get(json_object_get(step, "relays"), 0);
    CHECK_STR(text(relay, "link_address"), "2001:db8:17::1");
    CHECK_EQ(strlen(text(step, "octets")), 2 * (size_t)number(step, "size"));
    step = step_of(got, "handed over");
    CHECK_EQ(number(step, "to_worker"), 1 - number(step, "worker"));
    step = step_of(got, "decided");
    CHECK_STR(text(step, "answer"), "REPLY");
    CHECK_STR(text(step, "link"), "l0");
    CHECK(json_is_true(json_object_get(step, "waits_for_disk")));
    CHECK_EQ(json_array_size(json_object_get(step, "ias")), 2);
    CHECK_EQ(json_array_size(json_object_get(step, "changes")), 2);
    step = step_of(got, "sent");
    CHECK_STR(text(step, "message"), "REPLY");
    CHECK_STR(text(step, "xid"), "abcdef");
    json_decref(got);
    traced_close(&t);
}

static void test_dropped(void)
{
    struct traced t;
    json_t *got, *step;

    traced_open(&t);
    json_decref(begin(&t, ""));
    turns(&t);
    message_send(&t, 0, DHCP6_REQUEST, CLIENT, true);
    turns(&t);
    got = ask(&t, "trace.get", "{\"trace\": 1, \"octets\": false}");
    step = step_of(got, "dropped");
    CHECK_STR(text(step, "reason"), "drop_server_id_foreign");
    CHECK_STR(text(step, "message"), "REQUEST");
    CHECK(step_of(got, "decided") == NULL && step_of(got, "sent") == NULL);
    CHECK(json_object_get(step_of(got, "received"), "octets") == NULL);
    json_decref(got);
    traced_close(&t);
}

static void test_ends(void)
{
    struct traced t;
    json_t *json;

    traced_open(&t);
    json_decref(begin(&t, ", \"packets\": 1"));
    json = begin(&t, "");
    CHECK_EQ(number(json, "code"), JSONRPC_WRONG_STATE);
    json_decref(json);
    message_send(&t, 0, DHCP6_SOLICIT, CLIENT, false);
    message_send(&t, 1, DHCP6_SOLICIT, CLIENT, false);
    turns(&t);
    turns(&t);
    says(&t, "trace.get", 1, "full", 0);
    turns(&t);
    CHECK(t.h.server->workers[0].trace == NULL); /* the packet path is free again */
    json_decref(begin(&t, ", \"seconds\": 5"));
    t.h.now += 6;
    turns(&t);
    says(&t, "trace.get", 1, "", JSONRPC_NOT_FOUND);
    says(&t, "trace.get", 2, "time_over", 0);
    json_decref(begin(&t, ""));
    says(&t, "trace.stop", 3, "stopped", 0);
    says(&t, "trace.stop", 3, "stopped", 0);
    t.h.now += 3700;
    turns(&t);
    says(&t, "trace.get", 3, "", JSONRPC_NOT_FOUND);
    traced_close(&t);
}

static void test_too_fast(void)
{
    struct traced t;
    json_t *got;

    traced_open(&t);
    json_decref(begin(&t, ""));
    harness_turn(&t.h);
    for (unsigned i = 0; i < 2 * TRACE_LANE; i++) { /* each is received and dropped */
        message_send(&t, 0, DHCP6_REQUEST, CLIENT, true);
        if (i % 16 == 15) {
            harness_turn(&t.h);
        }
    }
    got = ask(&t, "trace.get", "{\"trace\": 1, \"limit\": 1000}");
    CHECK_EQ(number(got, "steps_total"), TRACE_LANE);
    CHECK_EQ(number(got, "dropped"), 3 * TRACE_LANE);
    json_decref(got);
    /* Page by page. */
    got = ask(&t, "trace.get", "{\"trace\": 1, \"limit\": 10, \"after\": 60}");
    CHECK_EQ(json_array_size(json_object_get(got, "steps")), TRACE_LANE - 60);
    CHECK_EQ(number(got, "last"), TRACE_LANE);
    CHECK(json_is_false(json_object_get(got, "more")));
    json_decref(got);
    traced_close(&t);
}

static void test_by_lease(void)
{
    struct traced t;
    struct lease_found found;
    uint64_t hash;
    uint8_t duid[DUID_SIZE] = {0, 1, 0, 1};
    char address[FIELD_ADDRESS_TEXT_MAX], params[128];
    json_t *json;

    traced_open(&t);
    message_send(&t, 0, DHCP6_SOLICIT, CLIENT, false);
    turns(&t);
    wire_set_u32(duid + 8, CLIENT);
    hash = store_client_hash(store_duid_hash(t.h.server->store, (struct span){duid, sizeof(duid)}),
                             1, LEASE_TYPE_NA);
    CHECK_EQ(store_find_client(t.h.server->store, hash, (struct span){duid, sizeof(duid)}, 1,
                               LEASE_TYPE_NA, &found, 1),
             1);
    field_address_write(found.lease.resource.prefix, address);
    (void)snprintf(params, sizeof(params), "{\"address\": \"%s\"}", address);
    json = ask(&t, "trace.start", params);
    CHECK_STR(text(json, "duid"), "000100010000000000abcdef0000");
    json_decref(json);
    json = ask(&t, "trace.start", "{\"address\": \"2001:db8:17::dead\"}");
    CHECK_EQ(number(json, "code"), JSONRPC_NOT_FOUND);
    json_decref(json);
    json = ask(&t, "trace.start", "{}");
    CHECK_EQ(number(json, "code"), JSONRPC_INVALID_PARAMS);
    json_decref(json);
    json = ask(&t, "trace.start", "{\"duid\": \"00030001\", \"address\": \"2001:db8::1\"}");
    CHECK_EQ(number(json, "code"), JSONRPC_INVALID_PARAMS);
    json_decref(json);
    traced_close(&t);
}

static const struct check_test tests[] = {
    {"lease_given", test_lease_given}, {"dropped", test_dropped},   {"ends", test_ends},
    {"too_fast", test_too_fast},       {"by_lease", test_by_lease},
};

static int run_all(int argc, char **argv);
#define main run_all
CHECK_MAIN(tests)
#undef main

int main(int argc, char **argv)
{
    int r;

    urcu_qsbr_register_thread();
    r = run_all(argc, argv);
    urcu_qsbr_unregister_thread();
    return r;
}

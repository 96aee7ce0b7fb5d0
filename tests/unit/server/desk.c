#include "desk.h"

#include "check.h"
#include "server/lease_act.h"

static const struct policy *desk_policy(void *ctx)
{
    const struct desk *desk = ctx;

    return server_policy(desk->pair->nodes[desk->node].h.server);
}

static const struct config *desk_config(void *ctx)
{
    const struct desk *desk = ctx;

    return desk->pair->nodes[desk->node].h.config;
}

static void desk_counters(void *ctx, uint64_t ret_sums[COUNTER_COUNT])
{
    const struct desk *desk = ctx;

    server_counters_sum(desk->pair->nodes[desk->node].h.server, ret_sums);
}

static sec_t desk_now(void *ctx)
{
    return ((const struct desk *)ctx)->pair->now.s;
}

static void desk_time(void *ctx, struct fo_time *ret_time)
{
    *ret_time = ((const struct desk *)ctx)->pair->now;
}

static struct relation *desk_relation(void *ctx, unsigned index)
{
    const struct desk *desk = ctx;

    return desk->pair->nodes[desk->node].relations[index];
}

static int desk_lease_act(void *ctx, const struct lease_act *act, struct lease_found *ret_found,
                          uint64_t *ret_position)
{
    const struct desk *desk = ctx;

    return lease_act(desk->pair->nodes[desk->node].h.server, act, desk->pair->now.s, ret_found,
                     ret_position);
}

static int desk_lease_add(void *ctx, const struct lease_add *add, uint64_t *ret_position)
{
    const struct desk *desk = ctx;

    return lease_add(desk->pair->nodes[desk->node].h.server, add, desk->pair->now.s, ret_position);
}

static bool desk_is_durable(void *ctx, uint64_t position)
{
    const struct desk *desk = ctx;

    return lease_act_is_durable(desk->pair->nodes[desk->node].h.server, position);
}

static void desk_wake(void *ctx)
{
    ((struct desk *)ctx)->wakes++;
}

void desk_open(struct desk *desk, struct pair *pair, unsigned node)
{
    struct methods_env env = {
        .store = pair->nodes[node].h.server->store,
        .started_s = pair->now.s,
        .policy = desk_policy,
        .config = desk_config,
        .counters = desk_counters,
        .now = desk_now,
        .relation = desk_relation,
        .time = desk_time,
        .wake = desk_wake,
        .lease_act = desk_lease_act,
        .lease_add = desk_lease_add,
        .is_durable = desk_is_durable,
        .ctx = desk,
    };

    *desk = (struct desk){.pair = pair, .node = node};
    CHECK_EQ(methods_new(&env, &desk->methods), 0);
}

json_t *ask_as(struct desk *desk, unsigned roles, const char *method, const char *params)
{
    struct jsonrpc_caller caller = {.roles = roles};
    struct jsonrpc_reply reply = {0};
    char request[1024];
    json_t *json;
    int size = snprintf(request, sizeof(request),
                        "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"%s\", \"params\": %s}",
                        method, params);

    CHECK_EQ(jsonrpc_handle(methods_jsonrpc(desk->methods), &caller,
                            (struct span){(const uint8_t *)request, (size_t)size}, &reply),
             0);
    json = json_loadb(reply.text, reply.size, 0, NULL);
    CHECK(json != NULL);
    desk->waits = !jsonrpc_reply_is_due(methods_jsonrpc(desk->methods), &reply);
    jsonrpc_reply_free(&reply);
    return json;
}

json_t *call(struct desk *desk, const char *method, const char *params)
{
    json_t *json = ask_as(desk, JSONRPC_ROLES_ALL, method, params);
    json_t *result = json_incref(json_object_get(json, "result"));

    CHECK(result != NULL);
    json_decref(json);
    return result;
}

void refused(struct desk *desk, const char *method, const char *params, int code,
             const char *reason)
{
    json_t *json = ask_as(desk, JSONRPC_ROLES_ALL, method, params);
    const json_t *error = json_object_get(json, "error");
    const char *told = json_string_value(json_object_get(json_object_get(error, "data"), "reason"));

    CHECK_EQ(json_integer_value(json_object_get(error, "code")), code);
    CHECK_STR(told ? told : "", reason);
    json_decref(json);
}

const char *text(const json_t *json, const char *member)
{
    const char *value = json_string_value(json_object_get(json, member));

    return value ? value : "";
}

int64_t number(const json_t *json, const char *member)
{
    CHECK(json_is_integer(json_object_get(json, member)));
    return json_integer_value(json_object_get(json, member));
}

bool is_true(const json_t *json, const char *member)
{
    return json_is_true(json_object_get(json, member));
}

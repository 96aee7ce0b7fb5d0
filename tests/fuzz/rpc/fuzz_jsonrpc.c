/* Any bytes as one JSON-RPC request against a small method table that uses every parameter type.
 * Whatever comes back must itself be JSON, and a single reply must be an answer to one request. */
#include "rpc/jsonrpc.h"

static int echo(struct jsonrpc_call *call)
{
    call->result = call->params ? json_deep_copy(call->params) : json_object();
    return 0;
}

static int refuse(struct jsonrpc_call *call)
{
    const char *text = json_string_value(json_object_get(call->params, "name"));

    return jsonrpc_fail(call, JSONRPC_NOT_FOUND, "no_thing", "no thing called %s",
                        text ? text : "");
}

static const char *const kinds[] = {"na", "pd", NULL};

static const struct field inner[] = {
    {.name = "address", .type = FIELD_ADDRESS},
    {.name = "under", .type = FIELD_PREFIX},
    {.name = "range", .type = FIELD_RANGE},
    {.name = "duid", .type = FIELD_HEX, .min = 3, .max = 130},
    {.name = "type", .type = FIELD_STRING, .choices = kinds},
    {.type = FIELD_END},
};

static const struct field name_row[] = {{.name = "name", .type = FIELD_NAME}, {.type = FIELD_END}};

static const struct field params[] = {
    {.name = "filter", .type = FIELD_OBJECT, .children = inner},
    {.name = "limit", .type = FIELD_INTEGER, .min = 1, .max = 10000},
    {.name = "names", .type = FIELD_ARRAY, .max = 8, .children = name_row},
    {.name = "map", .type = FIELD_MAP, .children = name_row},
    {.name = "on", .type = FIELD_BOOL, .nullable = true},
    {.name = "any", .type = FIELD_ANY},
    {.type = FIELD_END},
};

static const struct field named[] = {
    {.name = "name", .type = FIELD_STRING, .required = true, .max = 300},
    {.type = FIELD_END},
};

static const struct jsonrpc_method methods[] = {
    {"rpc.discover", JSONRPC_ROLE_VIEW, false, NULL, jsonrpc_discover, "Lists.", "OpenRPC"},
    {"a.echo", JSONRPC_ROLE_VIEW, false, params, echo, "Echoes.", "params"},
    {"a.refuse", JSONRPC_ROLE_VIEW, false, named, refuse, "Refuses.", "nothing"},
    {"a.stop", JSONRPC_ROLE_ADMIN, true, NULL, echo, "Stops.", "nothing"},
    {NULL, 0, false, NULL, NULL, NULL, NULL},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct jsonrpc_method *const groups[] = {methods, NULL};
    static const struct jsonrpc rpc = {.groups = groups, .title = "fuzz", .version = "1"};
    static const struct jsonrpc_caller caller = {.roles = JSONRPC_ROLES_VIEW};
    struct jsonrpc_reply reply = {0};
    json_t *json;

    T6_ASSERT(jsonrpc_handle(&rpc, &caller, (struct span){data, size}, &reply) == 0);
    if (reply.text) {
        json = json_loadb(reply.text, reply.size, JSON_REJECT_DUPLICATES, NULL);
        T6_ASSERT(json);
        T6_ASSERT(json_is_array(json)
                      ? json_array_size(json) > 0
                      : !json_object_get(json, "result") != !json_object_get(json, "error"));
        json_decref(json);
    }
    jsonrpc_reply_free(&reply);
    return 0;
}

/* Leases changed by the operator, over a pair of complete servers: what they become, when the
 * answer leaves, and that nobody gets what the partner does not know to be free. */
#include <stdlib.h>

#include "check.h"
#include "desk.h"

/* The parameters that name the resource, and more. */
static const char *params_of(const struct resource *resource, const char *more)
{
    static char params[256];
    char address[FIELD_ADDRESS_TEXT_MAX];

    field_address_write(resource->prefix, address);
    if (resource->type == LEASE_TYPE_PD) {
        (void)snprintf(params, sizeof(params), "{\"prefix\": \"%s/%u\"%s}", address,
                       resource->length, more);
    } else {
        (void)snprintf(params, sizeof(params), "{\"address\": \"%s\"%s}", address, more);
    }
    return params;
}

/* Calls the method; the state of the lease in the answer must be this, and the answer durable. */
static void changed(struct desk *desk, const char *method, const char *params, const char *state)
{
    json_t *json = call(desk, method, params);

    CHECK(is_true(json, "applied"));
    CHECK(desk->waits);
    CHECK_STR(text(json_object_get(json, "lease"), "state"), state);
    json_decref(json);
}

static void test_release(void)
{
    struct reply reply, renewed;
    struct desk desk;
    struct pair pair;
    uint64_t own;
    json_t *json;

    pair_open_normal(&pair);
    desk_open(&desk, &pair, PRIMARY);
    own = free_own(&pair, PRIMARY);
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    pump(&pair);
    CHECK_EQ(free_own(&pair, PRIMARY), own - 1);
    json = call(&desk, "lease.release", params_of(&reply.prefix, ", \"dry_run\": true"));
    CHECK(!is_true(json, "applied") && !desk.waits);
    CHECK_STR(text(json_object_get(json, "lease"), "state"), "active");
    json_decref(json);
    changed(&desk, "lease.release", params_of(&reply.prefix, ""), "released");
    changed(&desk, "lease.release", params_of(&reply.address, ""), "released");
    /* The partner does not know yet: nobody may have it. */
    CHECK_EQ(status_at(&pair, SECONDARY, &reply.prefix), BINDING_ACTIVE);
    CHECK_EQ(free_own(&pair, PRIMARY), own - 1);
    refused(&desk, "lease.release", params_of(&reply.prefix, ""), JSONRPC_WRONG_STATE,
            "not_active");
    pass(&pair, 5);
    for (unsigned node = 0; node < 2; node++) {
        CHECK_EQ(status_at(&pair, node, &reply.prefix), BINDING_FREE);
        CHECK_EQ(status_at(&pair, node, &reply.address), BINDING_FREE);
    }
    CHECK_EQ(free_own(&pair, PRIMARY), own);
    CHECK_EQ(harness_counter(&pair.nodes[PRIMARY].h, COUNTER_lease_released), 2);
    CHECK_EQ(stores_differ(&pair), 0);
    /* Its client gets it again. */
    CHECK(exchange(&pair, PRIMARY, DHCP6_RENEW, 1, &reply, &renewed));
    CHECK(resource_equal(&renewed.address, &reply.address));
    methods_free(desk.methods);
    pair_close(&pair);
}

/* What the partner gave is released all the same, and what is its to give is no lease. */
static void test_partners_part(void)
{
    struct reply mine, theirs;
    struct resource free_backup = {.length = 0};
    struct lease_found found;
    struct desk desk;
    struct pair pair;

    pair_open_normal(&pair);
    CHECK(lease_get(&pair, PRIMARY, 1, &mine));
    pair_cut(&pair, 0);
    pass(&pair, 2);
    CHECK(lease_get(&pair, SECONDARY, 2, &theirs));
    pair_heal(&pair, 0);
    pass(&pair, 60);
    desk_open(&desk, &pair, PRIMARY);
    changed(&desk, "lease.release", params_of(&theirs.prefix, ""), "released");
    changed(&desk, "lease.release", params_of(&theirs.address, ""), "released");
    methods_free(desk.methods);
    desk_open(&desk, &pair, SECONDARY); /* renew-responsive: a client's RELEASE would be heard */
    changed(&desk, "lease.release", params_of(&mine.prefix, ""), "released");
    methods_free(desk.methods);
    pass(&pair, 5);
    CHECK_EQ(status_at(&pair, SECONDARY, &theirs.prefix), BINDING_FREE);
    CHECK_EQ(status_at(&pair, PRIMARY, &mine.prefix), BINDING_FREE);
    CHECK_EQ(status_at(&pair, PRIMARY, &theirs.address), BINDING_FREE_BACKUP);
    CHECK_EQ(stores_differ(&pair), 0);
    desk_open(&desk, &pair, PRIMARY);
    for (uint32_t slot = 0; slot < store_slot_max(pair.nodes[PRIMARY].h.server->store); slot++) {
        if (store_read(pair.nodes[PRIMARY].h.server->store, slot, &found) &&
            found.lease.status == BINDING_FREE_BACKUP &&
            found.lease.resource.type == LEASE_TYPE_PD) {
            free_backup = found.lease.resource;
        }
    }
    CHECK_EQ(free_backup.type, LEASE_TYPE_PD);
    refused(&desk, "lease.release", params_of(&free_backup, ""), JSONRPC_WRONG_STATE, "not_active");
    CHECK_EQ(status_at(&pair, PRIMARY, &free_backup), BINDING_FREE_BACKUP);
    methods_free(desk.methods);
    pair_close(&pair);
}

/* Cut off: released here, active there; nobody else gets it until they meet. */
static void test_cut_off(void)
{
    struct reply reply, renewed;
    struct desk desk;
    struct pair pair;
    uint64_t own;

    pair_open_normal(&pair);
    desk_open(&desk, &pair, PRIMARY);
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    pump(&pair);
    pair_cut(&pair, 0);
    pass(&pair, 2);
    own = free_own(&pair, PRIMARY);
    changed(&desk, "lease.release", params_of(&reply.prefix, ""), "released");
    pass(&pair, 100);
    CHECK_EQ(status_at(&pair, PRIMARY, &reply.prefix), BINDING_RELEASED);
    CHECK_EQ(free_own(&pair, PRIMARY), own);
    CHECK(exchange(&pair, SECONDARY, DHCP6_REBIND, 1, &reply, &renewed));
    pair_heal(&pair, 0);
    pass(&pair, 60);
    CHECK(both_normal(&pair)); /* the client was heard later: it keeps it */
    CHECK_EQ(status_at(&pair, PRIMARY, &reply.prefix), BINDING_ACTIVE);
    CHECK_EQ(stores_differ(&pair), 0);
    methods_free(desk.methods);
    pair_close(&pair);
}

static void test_refused(void)
{
    static const struct {
        const char *params, *reason;
        int code;
    } rows[] = {
        {"{}", "invalid_param", JSONRPC_INVALID_PARAMS},
        {"{\"address\": \"2001:db8::1\", \"prefix\": \"2001:db8::/56\"}", "invalid_param",
         JSONRPC_INVALID_PARAMS},
        {"{\"address\": \"here\"}", "invalid_param", JSONRPC_INVALID_PARAMS},
        {"{\"address\": \"2001:db8::1\", \"quarantine_s\": 0}", "invalid_param",
         JSONRPC_INVALID_PARAMS},
        {"{\"address\": \"2001:db8::1\"}", "no_lease", JSONRPC_NOT_FOUND},
        {"{\"prefix\": \"2001:db8::/56\"}", "no_lease", JSONRPC_NOT_FOUND},
    };
    struct reply reply;
    struct desk desk;
    struct pair pair;

    pair_open_normal(&pair);
    desk_open(&desk, &pair, PRIMARY);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        refused(&desk, "lease.release", rows[i].params, rows[i].code, rows[i].reason);
    }
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    refused(&desk, "lease.release", params_of(&reply.address, ", \"duid\": \"000300010203\""),
            JSONRPC_CONFLICT, "other_client");
    refused(&desk, "lease.declined_clear", params_of(&reply.address, ""), JSONRPC_WRONG_STATE,
            "not_abandoned");
    json_decref(ask_as(&desk, JSONRPC_ROLES_VIEW, "lease.release", params_of(&reply.address, "")));
    atomic_store(&pair.nodes[PRIMARY].h.server->alarms, ALARM_STORAGE);
    refused(&desk, "lease.release", params_of(&reply.address, ""), JSONRPC_STORAGE_UNAVAILABLE,
            "not_changed");
    atomic_store(&pair.nodes[PRIMARY].h.server->alarms, 0);
    CHECK_EQ(status_at(&pair, PRIMARY, &reply.address), BINDING_ACTIVE);
    CHECK(!desk.waits);
    methods_free(desk.methods);

    /* Back with nothing, it may not change what it has not heard of since. */
    pair_kill(&pair, PRIMARY);
    pair_restart(&pair, PRIMARY);
    desk_open(&desk, &pair, PRIMARY);
    CHECK(state_of(&pair, PRIMARY) != FO_NORMAL);
    refused(&desk, "lease.release", params_of(&reply.address, ""), JSONRPC_PEER, "failover_state");
    methods_free(desk.methods);
    pair_close(&pair);
}

/* An operator's quarantine is like a DECLINE, and ends sooner by his word. */
static void test_quarantine(void)
{
    struct reply reply, other;
    struct desk desk;
    struct pair pair;
    uint64_t own;

    pair_open_normal(&pair);
    desk_open(&desk, &pair, PRIMARY);
    own = free_own(&pair, PRIMARY);
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    pump(&pair);
    changed(&desk, "lease.release", params_of(&reply.prefix, ", \"quarantine_s\": 500"),
            "abandoned");
    changed(&desk, "lease.release", params_of(&reply.address, ", \"quarantine_s\": 5000"),
            "abandoned");
    pass(&pair, 60);
    CHECK_EQ(status_at(&pair, SECONDARY, &reply.prefix), BINDING_ABANDONED);
    CHECK(lease_get(&pair, PRIMARY, 1, &other));
    CHECK(!resource_equal(&other.prefix, &reply.prefix));
    CHECK(!resource_equal(&other.address, &reply.address));
    CHECK_EQ(free_own(&pair, PRIMARY), own - 2);
    pass(&pair, 600); /* its client, not told, may use it still */
    CHECK_EQ(status_at(&pair, PRIMARY, &reply.prefix), BINDING_ABANDONED);
    pass(&pair, MCLT_S - 600);
    CHECK_EQ(status_at(&pair, PRIMARY, &reply.prefix), BINDING_FREE);
    CHECK_EQ(status_at(&pair, PRIMARY, &reply.address), BINDING_ABANDONED);
    changed(&desk, "lease.declined_clear", params_of(&reply.address, ""), "reset");
    pass(&pair, 5);
    for (unsigned node = 0; node < 2; node++) {
        CHECK_EQ(status_at(&pair, node, &reply.prefix), BINDING_FREE);
        CHECK_EQ(status_at(&pair, node, &reply.address), BINDING_FREE);
    }
    CHECK_EQ(stores_differ(&pair), 0);
    methods_free(desk.methods);
    pair_close(&pair);
}

#define ADD_DUID "00:03:00:01:0a:0b:0c:0d:0e:0f"

/* What one server may give to a client that has not asked, and what it may not. */
static void test_add(void)
{
    static const char more[] = ", \"iaid\": 7, \"duid\": \"" ADD_DUID "\"";
    static const char other[] = ", \"iaid\": 7, \"duid\": \"00:03:00:01:01:01:01:01:01:01\"";
    struct resource odd = {.length = 0}, even, prefix, theirs = {.length = 0}, outside;
    struct lease_found found;
    struct reply reply;
    struct desk desk;
    struct pair pair;
    json_t *json;

    pair_open_normal(&pair);
    desk_open(&desk, &pair, PRIMARY);
    CHECK(lease_get(&pair, PRIMARY, 1, &reply)); /* learns where the pools are */
    pump(&pair);
    odd = even = outside = reply.address;
    odd.prefix.lo ^= 2;
    even.prefix.lo ^= 1;
    outside.prefix.hi ^= 1ULL << 40;
    for (uint32_t slot = 0; slot < store_slot_max(pair.nodes[PRIMARY].h.server->store); slot++) {
        if (store_read(pair.nodes[PRIMARY].h.server->store, slot, &found) &&
            found.lease.status == BINDING_FREE_BACKUP &&
            found.lease.resource.type == LEASE_TYPE_PD) {
            theirs = found.lease.resource;
        }
    }
    CHECK(theirs.length != 0);
    prefix = reply.prefix;
    do { /* the next one of the pool that is the primary's */
        prefix.prefix.hi =
            (prefix.prefix.hi & ~0x1f00ULL) | ((prefix.prefix.hi + 0x100) & 0x1f00ULL);
    } while (status_at(&pair, PRIMARY, &prefix) == BINDING_FREE_BACKUP);
    json = call(&desk, "lease.add",
                params_of(&odd, ", \"iaid\": 7, \"dry_run\": true, \"duid\": \"" ADD_DUID "\""));
    CHECK(!is_true(json, "applied") && json_is_null(json_object_get(json, "lease")) && !desk.waits);
    json_decref(json);
    refused(&desk, "lease.add", params_of(&even, more), JSONRPC_NOT_OWNER, "not_owner");
    refused(&desk, "lease.add", params_of(&theirs, more), JSONRPC_NOT_OWNER, "not_owner");
    refused(&desk, "lease.add", params_of(&outside, more), JSONRPC_OUTSIDE_POOLS, "outside_pools");
    refused(&desk, "lease.add", params_of(&reply.address, more), JSONRPC_CONFLICT, "held");
    refused(&desk, "lease.add", params_of(&odd, ""), JSONRPC_INVALID_PARAMS, "invalid_param");
    changed(&desk, "lease.add", params_of(&odd, more), "active");
    changed(&desk, "lease.add", params_of(&prefix, more), "active");
    CHECK_EQ(harness_counter(&pair.nodes[PRIMARY].h, COUNTER_lease_created), 4);
    refused(&desk, "lease.add", params_of(&odd, more), JSONRPC_ALREADY_EXISTS, "has_it");
    odd.prefix.lo ^= 4;
    refused(&desk, "lease.add", params_of(&odd, more), JSONRPC_ALREADY_EXISTS, "has_another");
    refused(&desk, "lease.add", params_of(&prefix, other), JSONRPC_CONFLICT, "held");
    pass(&pair, 5);
    CHECK_EQ(status_at(&pair, SECONDARY, &prefix), BINDING_ACTIVE);
    found = found_at(&pair, PRIMARY, &prefix);
    CHECK_EQ(found.lease.iaid, 7);
    CHECK_EQ(found.lease.times.valid_lifetime_s, MCLT_S); /* no longer than the partner expects */
    CHECK_EQ(stores_differ(&pair), 0);
    /* The client never came. */
    pass(&pair, MCLT_S + 60);
    CHECK_EQ(status_at(&pair, PRIMARY, &prefix), BINDING_FREE);
    CHECK_EQ(stores_differ(&pair), 0);
    methods_free(desk.methods);

    pair_kill(&pair, PRIMARY);
    pair_restart(&pair, PRIMARY);
    desk_open(&desk, &pair, PRIMARY);
    refused(&desk, "lease.add", params_of(&odd, more), JSONRPC_PEER, "failover_state");
    atomic_store(&pair.nodes[PRIMARY].h.server->alarms, ALARM_STORAGE);
    refused(&desk, "lease.add", params_of(&odd, more), JSONRPC_STORAGE_UNAVAILABLE, "not_changed");
    methods_free(desk.methods);
    pair_close(&pair);
}

/* How many leases the call changed; *ret_cursor: the next one, as JSON text. */
static size_t many(struct desk *desk, const char *filter, const char *more, char ret_cursor[64])
{
    char params[256];
    size_t count;
    json_t *json;

    (void)snprintf(params, sizeof(params), "{\"filter\": {%s}, \"max\": 5, \"cursor\": %s%s}",
                   filter, ret_cursor, more);
    json = call(desk, "lease.release", params);
    count = json_array_size(json_object_get(json, "leases"));
    (void)snprintf(ret_cursor, 64,
                   json_is_null(json_object_get(json, "next_cursor")) ? "null" : "\"%s\"",
                   text(json, "next_cursor"));
    CHECK_EQ(number(json, "refused"), 0);
    json_decref(json);
    return count;
}

/* All leases of a filter, some in each call. */
static void test_many(void)
{
    static const char *const wrong[] = {
        "{\"filter\": {}, \"max\": 5}",
        "{\"filter\": {\"type\": \"pd\"}}",
        "{\"filter\": {\"type\": \"pd\"}, \"max\": 0}",
        "{\"filter\": {\"type\": \"pd\"}, \"max\": 1001}",
        "{\"filter\": {\"type\": \"pd\"}, \"max\": 5, \"address\": \"2001:db8::1\"}",
        "{\"filter\": {\"type\": \"pd\"}, \"max\": 5, \"duid\": \"000300010203\"}",
        "{\"filter\": {\"link\": \"nowhere\"}, \"max\": 5}",
    };
    struct reply replies[12];
    char cursor[64] = "null";
    size_t changed_count = 0;
    unsigned calls = 0;
    struct desk desk;
    struct pair pair;
    json_t *json;

    pair_open_normal(&pair);
    desk_open(&desk, &pair, PRIMARY);
    for (unsigned i = 0; i < 12; i++) {
        CHECK(lease_get(&pair, PRIMARY, 1 + i, &replies[i]));
    }
    pump(&pair);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        refused(&desk, "lease.release", wrong[i], JSONRPC_INVALID_PARAMS, "invalid_param");
    }
    refused(&desk, "lease.release",
            "{\"filter\": {\"type\": \"pd\"}, \"max\": 5, \"cursor\": \"l0\"}", JSONRPC_BAD_CURSOR,
            "bad_cursor");
    CHECK_EQ(many(&desk, "\"type\": \"pd\"", ", \"dry_run\": true", cursor), 5);
    CHECK(!desk.waits);
    CHECK_EQ(status_at(&pair, PRIMARY, &replies[0].prefix), BINDING_ACTIVE);
    (void)snprintf(cursor, sizeof(cursor), "null");
    do {
        changed_count += many(&desk, "\"type\": \"pd\"", "", cursor);
        CHECK(desk.waits || strcmp(cursor, "null") == 0);
        calls++;
    } while (strcmp(cursor, "null") != 0 && calls < 9);
    CHECK_EQ(changed_count, 12);
    for (unsigned i = 0; i < 12; i++) {
        CHECK_EQ(status_at(&pair, PRIMARY, &replies[i].prefix), BINDING_RELEASED);
        CHECK_EQ(status_at(&pair, PRIMARY, &replies[i].address), BINDING_ACTIVE);
    }
    CHECK_EQ(many(&desk, "\"type\": \"pd\"", "", cursor), 0);
    CHECK_EQ(many(&desk, "\"type\": \"na\"", ", \"quarantine_s\": 99999", cursor), 5);
    pass(&pair, 5);
    json = call(&desk, "lease.declined_clear",
                "{\"filter\": {\"state\": \"abandoned\"}, \"max\": 100}");
    CHECK_EQ(json_array_size(json_object_get(json, "leases")), 5);
    CHECK(json_is_null(json_object_get(json, "next_cursor")));
    json_decref(json);
    pass(&pair, 5);
    CHECK_EQ(stores_differ(&pair), 0);
    methods_free(desk.methods);

    /* Those it has no right to are told apart. */
    pair_kill(&pair, PRIMARY);
    pair_restart(&pair, PRIMARY);
    desk_open(&desk, &pair, PRIMARY);
    json = call(&desk, "lease.release", "{\"filter\": {\"type\": \"na\"}, \"max\": 100}");
    CHECK_EQ(json_array_size(json_object_get(json, "leases")), 0);
    CHECK_EQ(number(json, "refused"), 7);
    json_decref(json);
    methods_free(desk.methods);
    pair_close(&pair);
}

/* What was answered is there after a crash; what was not need not be. */
static void test_durable(void)
{
    struct reply reply;
    struct desk desk;
    struct pair pair;

    pair_open_normal(&pair);
    desk_open(&desk, &pair, PRIMARY);
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    pump(&pair);
    pair.nodes[PRIMARY].disk_stalled = true;
    changed(&desk, "lease.release", params_of(&reply.prefix, ""), "released");
    pass(&pair, 5);
    CHECK_EQ(status_at(&pair, SECONDARY, &reply.prefix), BINDING_ACTIVE); /* told only what lasts */
    methods_free(desk.methods);
    pair_kill(&pair, PRIMARY);
    pair_restart(&pair, PRIMARY);
    CHECK_EQ(status_at(&pair, PRIMARY, &reply.prefix), BINDING_ACTIVE);
    pair_close(&pair);

    pair_open_normal(&pair);
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    pump(&pair);
    desk_open(&desk, &pair, PRIMARY);
    changed(&desk, "lease.release", params_of(&reply.prefix, ""), "released");
    harness_sync(&pair.nodes[PRIMARY].h);
    methods_free(desk.methods);
    pair_kill(&pair, PRIMARY);
    pair_restart(&pair, PRIMARY);
    CHECK_EQ(status_at(&pair, PRIMARY, &reply.prefix), BINDING_RELEASED);
    pair_close(&pair);
}

static const struct check_test tests[] = {
    {"release", test_release},
    {"partners_part", test_partners_part},
    {"cut_off", test_cut_off},
    {"refused", test_refused},
    {"quarantine", test_quarantine},
    {"durable", test_durable},
    {"many", test_many},
    {"add", test_add},
};

CHECK_MAIN(tests)

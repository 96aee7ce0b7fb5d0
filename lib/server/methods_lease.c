/* lease.get and lease.list.
 *
 * lease.list walks the store's slots. The order is the slots', which is stable while the server
 * runs; the cursor is a slot number, a position and not a snapshot: a lease that stays is told
 * exactly once, one that comes or changes its client meanwhile may be told or not. A call looks at
 * no more rows than its work budget allows, so it may return fewer leases than the limit (even
 * none) with a next_cursor: go on until next_cursor is null. */
#include <inttypes.h>
#include <string.h>

#include "server/methods_filter.h"
#include "server/methods_internal.h"

enum {
    LEASE_WORK = 16,        /* rows of the budget that writing out one lease costs */
    CLIENT_LEASES_MAX = 64, /* leases of one client IA found through the index */
    CURSOR_SIZE = 17,       /* "l", 8 digits slot, 8 digits check */
};

static const struct field get_fields[] = {
    {.name = "address", .type = FIELD_ADDRESS, .help = "The leased address."},
    {.name = "prefix", .type = FIELD_PREFIX, .help = "The delegated prefix."},
    {.type = FIELD_END},
};

static const struct field field_row[] = {
    {.name = "field", .type = FIELD_STRING, .choices = lease_field_names},
    {.type = FIELD_END},
};

static const struct field list_fields[] = {
    {.name = "filter",
     .type = FIELD_OBJECT,
     .children = methods_filter_fields,
     .help = "Only leases that match all members."},
    {.name = "limit",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = METHODS_LIST_MAX,
     .fallback = "1000",
     .help = "Most leases to return."},
    {.name = "cursor",
     .type = FIELD_STRING,
     .nullable = true,
     .max = 64,
     .help = "next_cursor of the previous call."},
    {.name = "fields",
     .type = FIELD_ARRAY,
     .min = 1,
     .max = LEASE_FIELD_COUNT,
     .children = field_row,
     .help = "Members to return; all when left out."},
    {.type = FIELD_END},
};

/* A listing under way. */
struct listing {
    const struct methods_env *env;
    const struct policy *policy;
    struct lease_filter filter;
    uint64_t fields;
    size_t limit;
    sec_t now;
    json_t *leases;
};

int lease_resource_read(struct jsonrpc_call *call, struct resource *ret_resource)
{
    const char *address = json_string_value(json_object_get(call->params, "address"));
    const char *prefix = json_string_value(json_object_get(call->params, "prefix"));
    struct resource resource = {.length = 128, .type = LEASE_TYPE_NA};

    if (!address == !prefix) {
        return jsonrpc_fail_param(call, "", "give either address or prefix");
    }
    if (address) {
        (void)field_address_read(address, &resource.prefix); /* checked by the table */
    } else {
        resource.type = LEASE_TYPE_PD;
        (void)field_prefix_read(prefix, &resource.prefix, &resource.length);
    }
    *ret_resource = resource;
    return 0;
}

int lease_unknown(struct jsonrpc_call *call)
{
    const char *address = json_string_value(json_object_get(call->params, "address"));
    const char *prefix = json_string_value(json_object_get(call->params, "prefix"));

    return jsonrpc_fail(call, JSONRPC_NOT_FOUND, "no_lease", "no lease of %s",
                        address ? address : prefix);
}

static int lease_get(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    struct resource resource;
    struct lease_found found;
    struct lease_view view;
    int code = lease_resource_read(call, &resource);

    if (code) {
        return code;
    }
    if (!store_find(env->store, &resource, &found)) {
        return lease_unknown(call);
    }
    view = lease_view_make(env->policy(env->ctx), &found.lease, env->now(env->ctx));
    call->result = lease_json(&view, LEASE_FIELDS_ALL);
    return 0;
}

/* Tells a mistyped or foreign cursor from ours; no secret. */
static uint32_t cursor_check(uint32_t slot)
{
    return (uint32_t)hash_mix(slot ^ 0x6c697374u);
}

json_t *lease_cursor_write(uint32_t slot)
{
    char text[CURSOR_SIZE + 1];

    (void)snprintf(text, sizeof(text), "l%08" PRIx32 "%08" PRIx32, slot, cursor_check(slot));
    return json_string(text);
}

bool lease_cursor_read(const char *text, uint32_t *ret_slot)
{
    char again[CURSOR_SIZE + 1];
    uint32_t slot;

    if (strlen(text) != CURSOR_SIZE || sscanf(text, "l%8" SCNx32, &slot) != 1) {
        return false;
    }
    (void)snprintf(again, sizeof(again), "l%08" PRIx32 "%08" PRIx32, slot, cursor_check(slot));
    if (strcmp(text, again) != 0) {
        return false;
    }
    *ret_slot = slot;
    return true;
}

static uint64_t fields_read(const json_t *json)
{
    uint64_t fields = 0;
    size_t index;
    json_t *item;

    if (json == NULL) {
        return LEASE_FIELDS_ALL;
    }
    json_array_foreach(json, index, item)
    {
        for (unsigned i = 0; i < LEASE_FIELD_COUNT; i++) {
            if (strcmp(lease_field_names[i], json_string_value(item)) == 0) {
                fields |= 1ULL << i;
            }
        }
    }
    return fields;
}

static void listing_add(struct listing *listing, const struct lease *lease)
{
    struct lease_view view = lease_view_make(listing->policy, lease, listing->now);

    (void)json_array_append_new(listing->leases, lease_json(&view, listing->fields));
}

/* One client by the index. False when it has more leases than fit or than the limit: then the walk
 * answers. */
static bool listing_client(struct listing *listing)
{
    static const size_t found_max = CLIENT_LEASES_MAX;
    struct lease_found found[CLIENT_LEASES_MAX];
    const struct lease_filter *filter = &listing->filter;
    struct span duid = {filter->duid.octets, filter->duid.size};
    uint64_t hash =
        store_client_hash(store_duid_hash(listing->env->store, duid), filter->iaid, filter->type);
    size_t count = store_find_client(listing->env->store, hash, duid, filter->iaid, filter->type,
                                     found, found_max);

    if (count == found_max || count > listing->limit) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (lease_filter_match(filter, listing->policy, &found[i].lease)) {
            listing_add(listing, &found[i].lease);
        }
    }
    return true;
}

/* Walks from slot until the limit, the budget or the end is reached; returns the next slot. */
static uint32_t listing_walk(struct listing *listing, uint32_t slot, uint32_t slot_max,
                             size_t *work_left)
{
    struct lease_found found;
    size_t added = 0;

    for (; slot < slot_max && added<listing->limit && * work_left> LEASE_WORK; slot++) {
        --*work_left;
        if (store_read(listing->env->store, slot, &found) &&
            lease_filter_match(&listing->filter, listing->policy, &found.lease)) {
            listing_add(listing, &found.lease);
            added++;
            *work_left -= LEASE_WORK;
        }
    }
    return slot;
}

/* Without a filter the store knows; with one nobody does before the walk's end. */
static json_t *total_estimate(const struct listing *listing)
{
    struct store_stats stats;

    if (listing->filter.any) {
        return json_null();
    }
    store_stats_get(listing->env->store, &stats);
    return value_u64(stats.slots_used);
}

static int lease_list(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    const json_t *limit = json_object_get(call->params, "limit");
    const char *cursor = json_string_value(json_object_get(call->params, "cursor"));
    struct listing listing = {
        .env = env,
        .policy = env->policy(env->ctx),
        .fields = fields_read(json_object_get(call->params, "fields")),
        .limit = limit ? (size_t)json_integer_value(limit) : METHODS_LIST_DEFAULT,
        .now = env->now(env->ctx),
    };
    uint32_t slot = 0, slot_max = store_slot_max(env->store);
    int code = lease_filter_read(call, json_object_get(call->params, "filter"), listing.policy,
                                 &listing.filter);

    if (code) {
        return code;
    }
    if (cursor && !lease_cursor_read(cursor, &slot)) {
        return jsonrpc_fail(call, JSONRPC_BAD_CURSOR, "bad_cursor",
                            "this cursor did not come from lease.list");
    }
    listing.leases = json_array();
    if (!cursor && lease_filter_is_client(&listing.filter) && listing_client(&listing)) {
        slot = slot_max;
    } else {
        slot = listing_walk(&listing, slot, slot_max, call->work_left);
    }
    call->result = json_pack("{s:o, s:o, s:o}", "leases", listing.leases, "next_cursor",
                             slot < slot_max ? lease_cursor_write(slot) : json_null(),
                             "total_estimate", total_estimate(&listing));
    return 0;
}

const struct jsonrpc_method methods_lease_table[] = {
    {"lease.get", JSONRPC_ROLE_VIEW, false, get_fields, lease_get,
     "Shows the lease of one address or delegated prefix.", "the lease, all its fields"},
    {"lease.list", JSONRPC_ROLE_VIEW, false, list_fields, lease_list,
     "Lists leases, filtered, page by page.",
     "{leases[], next_cursor, total_estimate}; repeat with cursor until next_cursor is null: a "
     "page may be short or empty before"},
    METHODS_TABLE_END,
};

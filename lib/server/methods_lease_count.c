/* lease.count: how many leases of a filter there are, by one of their properties.
 *
 * A walk over the store as lease.list's, in portions of the work budget: what a call returns is
 * what it has counted itself; the caller adds up until next_cursor is null. */
#include <stdlib.h>
#include <string.h>

#include "server/methods_filter.h"

enum {
    HOME_WORK = 4 /* rows of the budget that finding a lease's pool costs */
};

enum group {
    GROUP_STATE,
    GROUP_TYPE,
    GROUP_LINK,
    GROUP_POOL
};

static const char *const group_names[] = {"state", "type", "link", "pool", NULL};

static const struct field count_fields[] = {
    {.name = "filter",
     .type = FIELD_OBJECT,
     .children = methods_filter_fields,
     .help = "Only leases that match all members."},
    {.name = "group_by",
     .type = FIELD_STRING,
     .choices = group_names,
     .fallback = "\"state\"",
     .help = "What each row counts."},
    {.name = "cursor",
     .type = FIELD_STRING,
     .nullable = true,
     .max = 64,
     .help = "next_cursor of the previous call."},
    {.type = FIELD_END},
};

static enum group group_read(const json_t *json)
{
    enum group group = GROUP_STATE;

    while (json && strcmp(group_names[group], json_string_value(json)) != 0) {
        group++; /* the table has checked that it is one of them */
    }
    return group;
}

/* Rows of a group; one more counts what is in none. */
static unsigned row_count(const struct policy *policy, enum group group)
{
    switch (group) {
    case GROUP_STATE:
        return BINDING_STATUS_COUNT;
    case GROUP_TYPE:
        return LEASE_TYPE_PD + 1;
    case GROUP_LINK:
        return policy->link_count;
    case GROUP_POOL:
        return policy->pool_count;
    }
    return 0;
}

/* The row of a lease; -1: none. */
static int row_of(const struct policy *policy, enum group group, const struct lease *lease)
{
    struct lease_view view;

    switch (group) {
    case GROUP_STATE:
        return lease->status < BINDING_STATUS_COUNT ? lease->status : -1;
    case GROUP_TYPE:
        return lease->resource.type <= LEASE_TYPE_PD ? lease->resource.type : -1;
    case GROUP_LINK:
        view = lease_view_make(policy, lease, 0);
        return view.link;
    case GROUP_POOL:
        return policy_pool_find(policy, &lease->resource);
    }
    return -1;
}

static json_t *row_name(const struct policy *policy, enum group group, unsigned row)
{
    if (row == row_count(policy, group)) {
        return json_null();
    }
    switch (group) {
    case GROUP_STATE:
        return json_string(lease_state_name(row));
    case GROUP_TYPE:
        return json_string(row == LEASE_TYPE_PD ? "pd" : "na");
    case GROUP_LINK:
        return value_text(policy->links[row].name);
    case GROUP_POOL:
        return value_text(policy->pools[row].name);
    }
    return NULL;
}

/* Counts from slot on as far as the budget reaches; returns the next slot. */
static uint32_t count_walk(const struct methods_env *env, const struct lease_filter *filter,
                           enum group group, uint32_t slot, uint64_t *counts, size_t *work_left)
{
    const struct policy *policy = env->policy(env->ctx);
    uint32_t slot_max = store_slot_max(env->store);
    unsigned rows = row_count(policy, group);
    size_t cost = group == GROUP_LINK || group == GROUP_POOL ? HOME_WORK : 0;
    struct lease_found found;

    for (; slot<slot_max && * work_left> HOME_WORK; slot++) {
        --*work_left;
        if (store_read(env->store, slot, &found) &&
            lease_filter_match(filter, policy, &found.lease)) {
            int row = row_of(policy, group, &found.lease);

            counts[row >= 0 ? (unsigned)row : rows]++;
            *work_left -= cost;
        }
    }
    return slot;
}

static json_t *rows_json(const struct policy *policy, enum group group, const uint64_t *counts,
                         uint64_t *ret_total)
{
    json_t *rows = json_array();

    *ret_total = 0;
    for (unsigned i = 0; i <= row_count(policy, group); i++) {
        if (counts[i]) {
            *ret_total += counts[i];
            (void)json_array_append_new(rows, json_pack("{s:o, s:o}", group_names[group],
                                                        row_name(policy, group, i), "count",
                                                        value_u64(counts[i])));
        }
    }
    return rows;
}

static int lease_count(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    const struct policy *policy = env->policy(env->ctx);
    enum group group = group_read(json_object_get(call->params, "group_by"));
    const char *cursor = json_string_value(json_object_get(call->params, "cursor"));
    struct lease_filter filter;
    uint64_t *counts, total;
    uint32_t slot = 0;
    json_t *rows;
    int code = lease_filter_read(call, json_object_get(call->params, "filter"), policy, &filter);

    if (code) {
        return code;
    }
    if (cursor && !lease_cursor_read(cursor, &slot)) {
        return jsonrpc_fail(call, JSONRPC_BAD_CURSOR, "bad_cursor",
                            "this cursor did not come from lease.count");
    }
    counts = calloc(row_count(policy, group) + 1, sizeof(*counts));
    if (counts == NULL) {
        return 0; /* without a result: told as out of memory */
    }
    slot = count_walk(env, &filter, group, slot, counts, call->work_left);
    rows = rows_json(policy, group, counts, &total);
    free(counts);
    call->result =
        json_pack("{s:o, s:o, s:o}", "rows", rows, "count", value_u64(total), "next_cursor",
                  slot < store_slot_max(env->store) ? lease_cursor_write(slot) : json_null());
    return 0;
}

const struct jsonrpc_method methods_lease_count_table[] = {
    {"lease.count", JSONRPC_ROLE_VIEW, false, count_fields, lease_count,
     "Counts leases, filtered, by state, type, link or pool. Leases are counted in portions: add "
     "up "
     "what the calls return until next_cursor is null.",
     "{rows: [{state or type or link or pool, count}], count, next_cursor}; link or pool null: in "
     "none"},
    METHODS_TABLE_END,
};

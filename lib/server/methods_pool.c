/* pool.list, and the count of leases per pool behind it.
 *
 * How many leases of a pool are in use is known to the store only lease by lease. Counting all of
 * them at each question would hold the control core for as long as there are leases, so the count
 * goes on in the background, METHODS_POOL_STEP_SLOTS slots a control turn, rests, and begins again;
 * the answer tells as_of when the count it gives was completed. A store small enough for the
 * caller's work budget is counted on the spot. What a prefix pool may give out (free) is always
 * fresh: its claim bits know. */
#include <stdlib.h>
#include <string.h>

#include "server/methods_internal.h"
#include "store/claim.h"

__extension__ typedef unsigned __int128 units_t; /* sizes of address ranges */

static const struct field list_fields[] = {
    {.name = "link",
     .type = FIELD_STRING,
     .min = 1,
     .max = POLICY_NAME_MAX,
     .help = "Only pools of this link."},
    {.type = FIELD_END},
};

void pool_walk_done(struct pool_walk *walk)
{
    free(walk->running);
    free(walk->done);
    free(walk->reserved);
    *walk = (struct pool_walk){0};
}

/* Units that reservations hold, whether in use or not; once per policy. */
static void reserved_count(uint64_t *reserved, const struct policy *policy)
{
    for (unsigned i = 0; i < policy->reservation_count; i++) {
        const struct policy_reservation *reservation = &policy->reservations[i];

        for (unsigned k = 0; k < reservation->resource_count; k++) {
            int pool = policy_pool_find(policy, &reservation->resources[k]);

            if (pool >= 0) {
                reserved[pool]++;
            }
        }
    }
}

/* Makes room for the policy's pools; what was counted under another policy is dropped. */
static int walk_fit(struct pool_walk *walk, const struct policy *policy)
{
    struct pool_count *running, *done;
    uint64_t *reserved;

    if (walk->running && walk->revision == policy->revision &&
        walk->pool_count == policy->pool_count) {
        return 0;
    }
    running = calloc(policy->pool_count + 1u, sizeof(*running));
    done = calloc(policy->pool_count + 1u, sizeof(*done));
    reserved = calloc(policy->pool_count + 1u, sizeof(*reserved));
    if (running == NULL || done == NULL || reserved == NULL) {
        free(running);
        free(done);
        free(reserved);
        return -ENOMEM;
    }
    reserved_count(reserved, policy);
    pool_walk_done(walk);
    walk->running = running;
    walk->done = done;
    walk->reserved = reserved;
    walk->revision = policy->revision;
    walk->pool_count = policy->pool_count;
    return 0;
}

static void walk_start(struct pool_walk *walk)
{
    memset(walk->running, 0, walk->pool_count * sizeof(*walk->running));
    walk->slot = 0;
    walk->under_way = true;
}

static void lease_count(struct pool_walk *walk, const struct policy *policy,
                        const struct lease *lease)
{
    int pool = policy_pool_find(policy, &lease->resource);
    struct pool_count *count = pool >= 0 ? &walk->running[pool] : NULL;

    if (count == NULL) {
        return;
    }
    count->used += lease->status == BINDING_ACTIVE;
    count->declined += lease->status == BINDING_ABANDONED;
    count->waiting += lease->status == BINDING_EXPIRED || lease->status == BINDING_RELEASED ||
                      lease->status == BINDING_RESET;
}

/* Looks at up to slots slots. True when the walk has come to the end. */
static bool walk_slice(struct pool_walk *walk, const struct methods_env *env,
                       const struct policy *policy, size_t slots)
{
    uint32_t slot_max = store_slot_max(env->store);
    struct pool_count *done = walk->done;
    struct lease_found found;

    for (; slots > 0 && walk->slot < slot_max; slots--, walk->slot++) {
        if (store_read(env->store, walk->slot, &found)) {
            lease_count(walk, policy, &found.lease);
        }
    }
    if (walk->slot < slot_max) {
        return false;
    }
    walk->done = walk->running;
    walk->running = done;
    walk->under_way = false;
    walk->has_done = true;
    walk->done_s = env->now(env->ctx);
    return true;
}

bool methods_pool_step(struct methods *methods)
{
    const struct methods_env *env = &methods->env;
    const struct policy *policy = env->policy(env->ctx);
    struct pool_walk *walk = &methods->walk;

    if (walk_fit(walk, policy)) {
        return false; /* no memory: the next turn tries again, answers say null meanwhile */
    }
    if (!walk->under_way) {
        sec_t now = env->now(env->ctx);

        if (walk->has_done && !sec_after(now, walk->done_s + METHODS_POOL_REST_S)) {
            return false;
        }
        walk_start(walk);
    }
    return !walk_slice(walk, env, policy, METHODS_POOL_STEP_SLOTS);
}

static units_t ip6_number(struct ip6 address)
{
    return (units_t)address.hi << 64 | address.lo;
}

static uint64_t units_saturate(units_t units)
{
    return units > UINT64_MAX ? UINT64_MAX : (uint64_t)units;
}

/* Units that may be given out at all: the range without its excluded blocks. Blocks may overlap, so
 * this counts along the range from gap to gap. */
static uint64_t pool_total(const struct pool *pool)
{
    unsigned shift = 128u - pool->delegated_length;
    units_t at = ip6_number(pool->range.first), last = ip6_number(pool->range.last), sum = 0;

    for (unsigned pass = 0; pass <= pool->exclude_count; pass++) {
        units_t gap_first = 0, gap_last = 0;
        bool found = false;

        for (unsigned i = 0; i < pool->exclude_count; i++) { /* the next block not yet passed */
            units_t first = ip6_number(pool->excludes[i].first);
            units_t end = ip6_number(pool->excludes[i].last);

            if (end >= at && first <= last && (!found || first < gap_first)) {
                found = true;
                gap_first = first;
                gap_last = end;
            }
        }
        if (!found) {
            return units_saturate(sum + ((last - at) >> shift) + 1);
        }
        sum += gap_first > at ? (gap_first - at) >> shift : 0;
        if (gap_last >= last) {
            return units_saturate(sum);
        }
        at = gap_last + 1;
    }
    return units_saturate(sum);
}

static json_t *pool_range(const struct pool *pool)
{
    char first[FIELD_ADDRESS_TEXT_MAX], last[FIELD_ADDRESS_TEXT_MAX];

    for (unsigned length = 0; length <= 128; length++) {
        if (ip6_equal(ip6_prefix(pool->range.first, length), pool->range.first) &&
            ip6_equal(ip6_prefix_last(pool->range.first, length), pool->range.last)) {
            return value_prefix(pool->range.first, length);
        }
    }
    field_address_write(pool->range.first, first);
    field_address_write(pool->range.last, last);
    return json_sprintf("%s-%s", first, last);
}

/* What can be given to a new client now. NULL: not counted yet. */
static json_t *pool_free(const struct policy_pool *row, uint64_t total,
                         const struct pool_count *count)
{
    uint64_t taken;

    if (row->claim) {
        return value_u64(claim_count(row->claim));
    }
    if (count == NULL) {
        return json_null();
    }
    taken = count->used + count->declined + count->waiting;
    return value_u64(total > taken ? total - taken : 0);
}

void pool_numbers_get(const struct pool_walk *walk, const struct policy *policy, unsigned index,
                      struct pool_numbers *ret_numbers)
{
    bool known = walk->reserved && walk->revision == policy->revision;
    const struct policy_pool *row = &policy->pools[index];
    struct pool_numbers numbers = {
        .total = pool_total(&row->pool),
        .reserved = known ? walk->reserved[index] : 0,
        .counted = known && walk->has_done,
    };
    uint64_t taken;

    if (numbers.counted) {
        numbers.used = walk->done[index].used;
        numbers.declined = walk->done[index].declined;
        numbers.waiting = walk->done[index].waiting;
    }
    taken = numbers.used + numbers.declined + numbers.waiting;
    numbers.free = row->claim              ? claim_count(row->claim)
                   : numbers.total > taken ? numbers.total - taken
                                           : 0;
    numbers.free_known = row->claim || numbers.counted;
    *ret_numbers = numbers;
}

/* A count, or null before there is one. */
static json_t *count_json(bool counted, uint64_t value)
{
    return counted ? value_u64(value) : json_null();
}

static json_t *pool_json(const struct policy *policy, unsigned index, const struct pool_walk *walk)
{
    bool known = walk->reserved && walk->revision == policy->revision;
    bool counted = known && walk->has_done;
    const struct policy_pool *row = &policy->pools[index];
    struct pool_count count = counted ? walk->done[index] : (struct pool_count){0};
    uint64_t total = pool_total(&row->pool);
    bool prefixes = row->pool.type == LEASE_TYPE_PD;
    json_t *length = prefixes ? json_integer(row->pool.delegated_length) : json_null();

    return json_pack(
        "{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "pool",
        value_text(row->name), "link", value_text(policy->links[row->link].name), "type",
        prefixes ? "pd" : "na", "range", pool_range(&row->pool), "delegated_length", length,
        "total", value_u64(total), "free", pool_free(row, total, counted ? &count : NULL), "used",
        count_json(counted, count.used), "declined", count_json(counted, count.declined), "waiting",
        count_json(counted, count.waiting), "reserved",
        count_json(known, known ? walk->reserved[index] : 0), "as_of",
        counted ? value_time(walk->done_s) : json_null());
}

/* A store that fits the budget is counted now. */
static void walk_refresh(struct jsonrpc_call *call, const struct policy *policy)
{
    struct methods *methods = call->rpc->ctx;
    uint32_t slot_max = store_slot_max(methods->env.store);

    if (walk_fit(&methods->walk, policy) == 0 && slot_max <= *call->work_left) {
        *call->work_left -= slot_max;
        walk_start(&methods->walk);
        (void)walk_slice(&methods->walk, &methods->env, policy, (size_t)slot_max + 1);
    }
}

static int pool_list(struct jsonrpc_call *call)
{
    struct methods *methods = call->rpc->ctx;
    const struct policy *policy = methods->env.policy(methods->env.ctx);
    const char *link = json_string_value(json_object_get(call->params, "link"));
    json_t *pools = json_array();

    walk_refresh(call, policy);
    for (unsigned i = 0; i < policy->pool_count; i++) {
        if (link == NULL || strcmp(policy->links[policy->pools[i].link].name, link) == 0) {
            (void)json_array_append_new(pools, pool_json(policy, i, &methods->walk));
        }
    }
    call->result = json_pack("{s:o}", "pools", pools);
    return 0;
}

const struct jsonrpc_method methods_pool_table[] = {
    {"pool.list", JSONRPC_ROLE_VIEW, false, list_fields, pool_list, "Shows how full the pools are.",
     "{pools: [{pool, link, type, range, delegated_length, total, free, used, declined, waiting, "
     "reserved, as_of}]}; the counts are of the time as_of, null before the first count"},
    METHODS_TABLE_END,
};

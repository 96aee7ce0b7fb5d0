/* Planning moves of delegable prefixes, and the blocks they are made of. See fo_balance.h. */
#include "failover/fo_balance.h"

/* Without 128-bit arithmetic on user counts: units are at most 2^26 a pool. */
uint64_t fo_balance_target(struct fo_balance_counts counts, unsigned share_percent)
{
    uint64_t all = counts.primary + counts.secondary;

    share_percent = share_percent < 100 ? share_percent : 100;
    return all / 100 * share_percent + all % 100 * share_percent / 100;
}

static bool is_recent(bool ever, sec_t then, uint32_t interval_s, sec_t now)
{
    return ever && sec_after(then + interval_s, now);
}

/* A side with less than a quarter of its share runs dry before a minute is over. */
static bool is_urgent(uint64_t has, uint64_t target)
{
    return has < target && has <= target / 4;
}

void fo_balance_note(struct fo_balance *balance, struct fo_balance_counts counts, msec_t now_ms)
{
    msec_t passed_ms = now_ms - balance->noted_ms;
    uint64_t used, rate = balance->primary_rate;

    if (balance->noted && passed_ms < FO_BALANCE_NOTE_MS) {
        return;
    }
    if (balance->noted && passed_ms < FO_BALANCE_FORGET_MS) {
        used = counts.primary < balance->primary ? balance->primary - counts.primary : 0;
        used = used * 1000 / passed_ms;
        rate -= rate * passed_ms / FO_BALANCE_FORGET_MS;
        balance->primary_rate = used > rate ? used : rate;
    } else {
        balance->primary_rate = balance->noted ? 0 : rate;
    }
    balance->noted = true;
    balance->noted_ms = now_ms;
    balance->primary = counts.primary;
}

/* The secondary's share, less what clients use up before the next move can have its effect: only
 * the primary gives prefixes to new clients while both are there. */
static uint64_t target_now(const struct fo_balance *balance, struct fo_balance_counts counts,
                           unsigned share_percent)
{
    uint64_t target = fo_balance_target(counts, share_percent);
    uint64_t all = counts.primary + counts.secondary;
    uint64_t need = balance->primary_rate * FO_BALANCE_AHEAD_S;
    uint64_t spare = all > need ? all - need : 0;

    return target < spare ? target : spare;
}

struct fo_balance_plan fo_balance_plan(struct fo_balance *balance, struct fo_balance_counts counts,
                                       unsigned share_percent, sec_t now)
{
    struct fo_balance_plan plan = {FO_MOVE_NONE, 0};
    uint64_t target = target_now(balance, counts, share_percent);
    uint64_t rest = counts.primary + counts.secondary - target, slack = target / 4;
    bool take = is_urgent(counts.primary, rest) ||
                counts.primary < balance->primary_rate * FO_BALANCE_AHEAD_S;
    bool give = is_urgent(counts.secondary, target) &&
                !is_recent(balance->moved, balance->moved_s, FO_BALANCE_URGENT_S, now);

    if (!take && !give && is_recent(balance->moved, balance->moved_s, FO_BALANCE_INTERVAL_S, now)) {
        return plan;
    }
    if (counts.secondary + slack < target) {
        plan = (struct fo_balance_plan){FO_MOVE_GIVE, target - counts.secondary};
    } else if (counts.secondary > target + (take ? 0 : slack)) {
        plan = (struct fo_balance_plan){FO_MOVE_TAKE, counts.secondary - target};
    }
    if (plan.move != FO_MOVE_NONE) {
        balance->moved = true;
        balance->moved_s = now;
        balance->noted = false; /* what is moved is not used up */
    }
    return plan;
}

bool fo_balance_should_ask(struct fo_balance *balance, struct fo_balance_counts counts,
                           unsigned share_percent, sec_t now)
{
    uint64_t target = fo_balance_target(counts, share_percent);

    if (counts.secondary >= (target + 1) / 2 ||
        is_recent(balance->asked, balance->asked_s, FO_BALANCE_INTERVAL_S, now)) {
        return false;
    }
    balance->asked = true;
    balance->asked_s = now;
    return true;
}

static uint8_t floor_log2(uint64_t n)
{
    return (uint8_t)(63 - __builtin_clzll(n));
}

/* Number of the pool's first unit, counted from ::, modulo 2^32. */
static uint32_t unit_base(const struct pool *pool)
{
    unsigned shift = 128u - pool->delegated_length;
    struct ip6 first = pool->range.first;

    if (shift >= 64) {
        return (uint32_t)(shift >= 128 ? 0 : first.hi >> (shift - 64));
    }
    return (uint32_t)(shift ? first.lo >> shift | first.hi << (64 - shift) : first.lo);
}

/* The largest block that is aligned as prefix and as unit number. */
static uint8_t size_log2_max(const struct pool *pool)
{
    uint32_t base = unit_base(pool);
    uint8_t aligned = base ? (uint8_t)__builtin_ctz(base) : 31;
    uint8_t longest = pool->delegated_length; /* a block of all of :: has length 0 */

    aligned = aligned < POOL_UNITS_LOG2_MAX ? aligned : POOL_UNITS_LOG2_MAX;
    return aligned < longest ? aligned : longest;
}

void fo_block_search_init(struct fo_block_search *search, const struct pool *pool, uint64_t units)
{
    uint64_t all = pool_unit_count(pool);
    uint8_t size_log2 = size_log2_max(pool);

    units = units < all ? units : all;
    *search = (struct fo_block_search){.left = units, .units = (uint32_t)all};
    if (units) {
        search->size_log2 = floor_log2(units) < size_log2 ? floor_log2(units) : size_log2;
    }
}

/* Down to the next smaller size, from the start of the pool; false: there is none. */
static bool search_shrink(struct fo_block_search *search)
{
    if (search->size_log2 == 0) {
        return false;
    }
    search->size_log2--;
    search->at = 0;
    return true;
}

enum fo_block_result fo_block_next(struct fo_block_search *search, fo_run_next *run_next, void *ctx,
                                   unsigned runs_max, struct fo_block *ret_block)
{
    for (unsigned i = 0; i < runs_max; i++) {
        uint64_t size, first;
        uint32_t run_first = 0, run_count;

        if (search->left == 0) {
            return FO_BLOCK_NONE;
        }
        while (search->left >> search->size_log2 == 0) {
            (void)search_shrink(search); /* left > 0: ends at size 1 */
        }
        size = (uint64_t)1 << search->size_log2;
        run_count = search->at < search->units ? run_next(ctx, search->at, &run_first) : 0;
        if (run_count == 0) {
            if (!search_shrink(search)) {
                return FO_BLOCK_NONE;
            }
            continue;
        }
        first = (run_first + size - 1) & ~(size - 1);
        if (first + size <= (uint64_t)run_first + run_count) {
            *ret_block = (struct fo_block){(uint32_t)first, (uint32_t)size};
            search->at = (uint32_t)(first + size);
            return FO_BLOCK_FOUND;
        }
        search->at = run_first + run_count;
    }
    return FO_BLOCK_MORE;
}

void fo_block_won(struct fo_block_search *search, struct fo_block block)
{
    search->left -= block.count < search->left ? block.count : search->left;
}

bool fo_block_double(const struct pool *pool, struct fo_block block, struct fo_block *ret_block)
{
    uint64_t size = (uint64_t)block.count * 2, first = block.first & ~(size - 1);

    if (floor_log2(size) > size_log2_max(pool) || first + size > pool_unit_count(pool)) {
        return false;
    }
    *ret_block = (struct fo_block){(uint32_t)first, (uint32_t)size};
    return true;
}

struct resource fo_block_resource(const struct pool *pool, struct fo_block block)
{
    struct resource resource = pool_unit(pool, block.first);

    resource.length = (uint8_t)(pool->delegated_length - floor_log2(block.count));
    return resource;
}

bool fo_block_of(const struct pool *pool, const struct resource *resource,
                 struct fo_block *ret_block)
{
    struct ip6 first = ip6_prefix(resource->prefix, resource->length);
    struct ip6 last = ip6_prefix_last(resource->prefix, resource->length);
    unsigned bits = (unsigned)pool->delegated_length - resource->length;
    struct resource unit = {first, pool->delegated_length, pool->type};

    if (resource->type != pool->type || resource->length > pool->delegated_length ||
        bits > POOL_UNITS_LOG2_MAX || !ip6_equal(first, resource->prefix) ||
        ip6_compare(first, pool->range.first) < 0 || ip6_compare(last, pool->range.last) > 0) {
        return false;
    }
    *ret_block = (struct fo_block){(uint32_t)pool_unit_index(pool, &unit), (uint32_t)1 << bits};
    return true;
}

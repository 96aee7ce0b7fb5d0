/* The secondary's share of delegable prefixes (RFC 8156 4.2.2; facts B.6, F.43): the primary
 * counts, wins claim bits of whole blocks and commits their units as FREE-BACKUP; the updates then
 * go out like all others, so what was handed over is durable before it is sent. */
#include <stdlib.h>

#include "server/relation_internal.h"
#include "store/claim.h"

enum {
    POOLS_MAX = 4096, /* as many as there are claim bitmaps */
    COUNT_MAX = 1024, /* slots per turn */
    UNITS_MAX = 64,   /* commits per turn */
    RUNS_MAX = 16,    /* runs of free units per turn */
    RUN_UNITS_MAX = 4096,
};

int relation_balance_init(struct relation *relation)
{
    relation->move.backup = calloc(POOLS_MAX, sizeof(*relation->move.backup));
    relation->move.balance = calloc(POOLS_MAX, sizeof(*relation->move.balance));
    return relation->move.backup && relation->move.balance ? 0 : -ENOMEM;
}

void relation_balance_done(struct relation *relation)
{
    free(relation->move.backup);
    free(relation->move.balance);
}

/* Gives back the bits of a block's units not committed. */
static void block_drop(struct relation *relation)
{
    struct relation_move *move = &relation->move;

    for (uint32_t i = move->block_at; move->block_won && i < move->block.count; i++) {
        (void)claim_give(move->claim, move->block.first + i);
    }
    move->block_won = false;
}

static void move_stop(struct relation *relation)
{
    block_drop(relation);
    relation->move.counting = relation->move.moving = relation->move.searching = false;
}

static void count_begin(struct relation *relation, const struct policy *policy, sec_t now)
{
    struct relation_move *move = &relation->move;

    move->asked = false;
    move->next_s = now + FO_BALANCE_INTERVAL_S;
    move->counting = true;
    move->slot = 0;
    move->index = policy->index;
    memset(move->backup, 0, POOLS_MAX * sizeof(*move->backup));
}

/* Counts what the secondary has, some slots at a time. */
static void count_turn(struct relation *relation, const struct policy *policy)
{
    struct relation_move *move = &relation->move;
    uint32_t end = store_slot_max(relation->server->store);
    struct lease_found found;

    for (unsigned i = 0; i < COUNT_MAX && move->slot < end; i++, move->slot++) {
        int pool;

        if (!store_read(relation->server->store, move->slot, &found) ||
            found.lease.status != BINDING_FREE_BACKUP ||
            found.lease.resource.type != LEASE_TYPE_PD) {
            continue;
        }
        pool = policy_pool_find(policy, &found.lease.resource);
        if (pool >= 0 && pool < POOLS_MAX) {
            move->backup[pool]++;
        }
    }
    if (move->slot >= end) {
        move->counting = false;
        move->moving = true;
        move->pool = 0;
        move->searching = false;
    }
}

/* Leases of their own are what handed-over units are kept as: not the last quarter of the slots. */
static bool store_has_room(const struct server *server)
{
    struct store_stats stats;

    store_stats_get(server->store, &stats);
    return stats.slots_used < stats.leases_max / 4 * 3;
}

/* fo_run_next over the claim bits. */
static uint32_t run_next(void *ctx, uint32_t from, uint32_t *ret_first)
{
    const struct claim *claim = ctx;
    uint32_t units = claim_unit_count(claim), first, count = 1;

    if (!claim_peek_next(claim, from, &first) || first < from) {
        return 0;
    }
    while (count < RUN_UNITS_MAX && first + count < units && claim_test(claim, first + count)) {
        count++;
    }
    *ret_first = first;
    return count;
}

/* Plans for the pool; false: nothing is to be handed over. */
static bool search_begin(struct relation *relation, const struct policy_pool *pool, sec_t now)
{
    struct relation_move *move = &relation->move;
    unsigned share = relation->server->config->failovers[relation->index].backup_share_percent;
    struct fo_balance_counts counts;
    struct fo_balance_plan plan;

    if (pool->pool.type != LEASE_TYPE_PD ||
        server_policy(relation->server)->links[pool->link].relationship != (int)relation->index) {
        return false;
    }
    counts = (struct fo_balance_counts){claim_count(pool->claim), move->backup[move->pool]};
    if (fo_balance_target(counts, share) <= counts.secondary) {
        return false; /* what the secondary has too much it uses up, or hands back as leases end */
    }
    plan = fo_balance_plan(&move->balance[move->pool], counts, share, now);
    if (plan.move != FO_MOVE_GIVE) {
        return false;
    }
    move->claim = pool->claim;
    move->searching = true;
    fo_block_search_init(&move->search, &pool->pool, plan.units);
    return true;
}

static void unit_give(struct relation *relation, const struct pool *pool, uint32_t unit, sec_t now)
{
    struct lease_found base = {.slot = LEASE_SLOT_NONE}, stored;
    struct lease next = {.resource = pool_unit(pool, unit)};
    uint64_t position;
    int r = 0;

    if (store_find(relation->server->store, &next.resource, &base)) {
        next = base.lease;
    } else {
        base.slot = LEASE_SLOT_NONE;
    }
    if (base.slot != LEASE_SLOT_NONE && next.status != BINDING_FREE) {
        return; /* its bit was wrong, and is not any more */
    }
    next.status = BINDING_FREE_BACKUP;
    next.times.start_s = now;
    r = relation_commit(relation, &base, &next, true, &stored, &position);
    if (r) {
        (void)claim_give(relation->move.claim, unit);
        return;
    }
    relation->stats.units_given++;
}

/* Some units of the block that was won. */
static void block_turn(struct relation *relation, const struct pool *pool, sec_t now)
{
    struct relation_move *move = &relation->move;

    if (!change_ring_has_room(server_control_ring(relation->server), UNITS_MAX)) {
        return;
    }
    for (unsigned i = 0; i < UNITS_MAX && move->block_at < move->block.count; i++) {
        unit_give(relation, pool, move->block.first + move->block_at, now);
        move->block_at++;
    }
    move->block_won = move->block_at < move->block.count;
}

/* Looks for the next block and wins it. */
static void search_turn(struct relation *relation)
{
    struct relation_move *move = &relation->move;
    struct fo_block block;

    switch (fo_block_next(&move->search, run_next, move->claim, RUNS_MAX, &block)) {
    case FO_BLOCK_FOUND:
        if (claim_take_block(move->claim, block.first, block.count)) {
            fo_block_won(&move->search, block);
            move->block = block;
            move->block_at = 0;
            move->block_won = true;
        }
        break;
    case FO_BLOCK_MORE:
        break;
    case FO_BLOCK_NONE:
        move->searching = false;
        move->pool++;
        break;
    }
}

static void move_turn(struct relation *relation, const struct policy *policy, sec_t now)
{
    struct relation_move *move = &relation->move;

    if (move->pool >= policy->pool_count || move->pool >= POOLS_MAX ||
        !store_has_room(relation->server)) {
        move_stop(relation);
    } else if (move->block_won) {
        block_turn(relation, &policy->pools[move->pool].pool, now);
    } else if (move->searching) {
        search_turn(relation);
    } else if (!search_begin(relation, &policy->pools[move->pool], now)) {
        move->pool++;
    }
}

bool relation_balance_turn(struct relation *relation, struct fo_time now)
{
    struct relation_move *move = &relation->move;
    const struct policy *policy = server_policy(relation->server);
    bool busy = move->counting || move->moving;

    if (relation->role != FO_PRIMARY || fo_fsm_state(&relation->fsm) != FO_NORMAL ||
        !fo_fsm_is_settled(&relation->fsm) || (busy && move->index != policy->index)) {
        move_stop(relation); /* or another configuration: its pools have other numbers */
        return false;
    }
    if (!busy && !move->asked && move->next_s && sec_after(move->next_s, now.s)) {
        return false;
    }
    if (!busy) {
        count_begin(relation, policy, now.s);
    } else if (move->counting) {
        count_turn(relation, policy);
    } else {
        move_turn(relation, policy, now.s);
    }
    return true;
}

/* The secondary's share of delegable prefixes (RFC 8156 4.2.2; facts B.6, F.43). The primary looks
 * at the counts of both sides again and again, wins claim bits of whole blocks and commits their
 * units: FREE-BACKUP to hand them over, PENDING-FREE to ask for them back. The updates then go out
 * like all others, so what moves is durable before it is sent. A unit that was asked back is
 * nobody's to give until the secondary has agreed; if it has leased it meanwhile, its update says
 * so. The time at which the unit's status began stays, so that any such lease is later. */
#include <stdlib.h>

#include "server/relation_internal.h"
#include "store/claim.h"

enum {
    LOOK_MAX = 256,  /* pools looked at per turn */
    UNITS_MAX = 256, /* commits per turn */
    RUNS_MAX = 64,   /* runs of free units per turn */
    RUN_UNITS_MAX = 4096,
    ANSWER_S = 60, /* units asked back are looked at that often */
};

int relation_balance_init(struct relation *relation)
{
    relation->move.pools = calloc(RELATION_POOLS_MAX, sizeof(*relation->move.pools));
    return relation->move.pools ? 0 : -ENOMEM;
}

void relation_balance_done(struct relation *relation)
{
    free(relation->move.pools);
}

uint64_t relation_balance_moving(const struct relation *relation, unsigned pool)
{
    return pool < RELATION_POOLS_MAX ? relation->move.pools[pool].moving : 0;
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
    relation->move.searching = false;
}

void relation_balance_reset(struct relation *relation)
{
    move_stop(relation);
    for (unsigned i = 0; i < RELATION_POOLS_MAX; i++) {
        relation->move.pools[i].moving = 0; /* asked again by another connection */
    }
}

void relation_balance_answered(struct relation *relation, const struct resource *resource,
                               uint32_t count)
{
    int pool = policy_pool_find(server_policy(relation->server), resource);

    if (pool >= 0 && pool < RELATION_POOLS_MAX) {
        uint32_t *moving = &relation->move.pools[pool].moving;

        *moving -= count < *moving ? count : *moving;
    }
}

/* How many units may be handed over: each is kept as a lease of its own. They get a quarter of the
 * slots, and nothing of the last quarter. */
static uint64_t store_room(const struct server *server)
{
    struct store_stats stats;
    uint64_t quarter, backup, used;

    store_stats_get(server->store, &stats);
    quarter = stats.leases_max / 4;
    backup = stats.by_status[BINDING_FREE_BACKUP];
    used = stats.slots_used;
    if (backup >= quarter || used >= 3 * quarter) {
        return 0;
    }
    return quarter - backup < 3 * quarter - used ? quarter - backup : 3 * quarter - used;
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

static struct fo_balance_counts pool_counts(const struct relation *relation,
                                            const struct policy_pool *pool, uint64_t moving)
{
    uint64_t own = claim_count(pool->claim), partner = claim_count(pool->partner_claim);

    return relation->role == FO_PRIMARY ? (struct fo_balance_counts){own + moving, partner}
                                        : (struct fo_balance_counts){partner, own};
}

static unsigned share_percent(const struct relation *relation)
{
    return relation->server->config->failovers[relation->index].backup_share_percent;
}

/* Primary. Begins to move units of the pool if it is time. */
static void pool_plan(struct relation *relation, const struct policy_pool *pool, struct fo_time now)
{
    struct relation_move *move = &relation->move;
    struct relation_pool *row = &move->pools[move->pool];
    struct fo_balance_counts counts = pool_counts(relation, pool, row->moving);
    struct fo_balance_plan plan;

    fo_balance_note(&row->balance, counts, now.ms);
    if (row->moving) {
        return; /* the answers first */
    }
    plan = fo_balance_plan(&row->balance, counts, share_percent(relation), now.s);
    if (plan.move == FO_MOVE_GIVE) {
        uint64_t room = store_room(relation->server);

        plan.units = plan.units < room ? plan.units : room;
    }
    if (plan.move == FO_MOVE_NONE || plan.units == 0) {
        return;
    }
    move->take = plan.move == FO_MOVE_TAKE;
    move->claim = move->take ? pool->partner_claim : pool->claim;
    move->searching = true;
    fo_block_search_init(&move->search, &pool->pool, plan.units);
}

/* Secondary: one question is about all pools (RFC 8156 5.3.3). */
static void pool_ask(struct relation *relation, const struct policy_pool *pool, struct fo_time now)
{
    struct relation_pool *row = &relation->move.pools[relation->move.pool];
    struct fo_balance_counts counts = pool_counts(relation, pool, 0);

    if (fo_balance_should_ask(&row->balance, counts, share_percent(relation), now.s)) {
        relation_pool_request(relation, now);
    }
}

/* Looks at some pools; true while units are to be moved. */
static bool pools_look(struct relation *relation, const struct policy *policy, struct fo_time now)
{
    struct relation_move *move = &relation->move;
    unsigned count =
        policy->pool_count < RELATION_POOLS_MAX ? policy->pool_count : RELATION_POOLS_MAX;

    for (unsigned i = 0; i < LOOK_MAX && i < count; i++) {
        const struct policy_pool *pool;

        move->pool = move->pool + 1 < count ? move->pool + 1 : 0;
        pool = &policy->pools[move->pool];
        if (!relation_owns_pool(relation, policy, move->pool)) {
            continue;
        }
        if (relation->role == FO_SECONDARY) {
            pool_ask(relation, pool, now);
            continue;
        }
        pool_plan(relation, pool, now);
        if (move->searching) {
            return true;
        }
    }
    return false;
}

/* What becomes of a unit that was won; false: nothing, its bit was wrong and is not any more. */
static bool unit_next(const struct relation *relation, struct lease *next, bool present, sec_t now)
{
    if (relation->move.take) {
        next->status = next->status == BINDING_FREE_BACKUP ? BINDING_PENDING_FREE : next->status;
        return present && next->status == BINDING_PENDING_FREE;
    }
    if (present && next->status != BINDING_FREE) {
        return false;
    }
    next->status = BINDING_FREE_BACKUP;
    next->times.start_s = now;
    return true;
}

static void unit_move(struct relation *relation, const struct pool *pool, uint32_t unit, sec_t now)
{
    struct relation_move *move = &relation->move;
    struct server *server = relation->server;
    struct lease_found base = {.slot = LEASE_SLOT_NONE}, stored;
    struct lease next = {.resource = pool_unit(pool, unit)};
    bool present = store_find(server->store, &next.resource, &base);
    uint64_t position;

    if (present) {
        next = base.lease;
    } else {
        base.slot = LEASE_SLOT_NONE;
    }
    if (!unit_next(relation, &next, present, now)) {
        return;
    }
    if (relation_commit(relation, &base, &next, true, &stored, &position)) {
        (void)claim_give(move->claim, unit);
        return;
    }
    if (move->take) {
        move->pools[move->pool].moving++;
        relation->stats.units_asked_back++;
        if (stored.slot != LEASE_SLOT_NONE) {
            expiry_arm(server->expiry, stored.slot, now + ANSWER_S); /* PARTNER-DOWN frees it */
        }
    } else {
        relation->stats.units_given++;
    }
}

/* Some units of the block that was won. */
static bool block_turn(struct relation *relation, const struct pool *pool, sec_t now)
{
    struct relation_move *move = &relation->move;

    if (!change_ring_has_room(server_control_ring(relation->server), UNITS_MAX)) {
        return false;
    }
    for (unsigned i = 0; i < UNITS_MAX && move->block_at < move->block.count; i++) {
        unit_move(relation, pool, move->block.first + move->block_at, now);
        move->block_at++;
    }
    move->block_won = move->block_at < move->block.count;
    return true;
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
        break;
    }
}

bool relation_balance_turn(struct relation *relation, struct fo_time now)
{
    struct relation_move *move = &relation->move;
    const struct policy *policy = server_policy(relation->server);

    if (fo_fsm_state(&relation->fsm) != FO_NORMAL || !fo_fsm_is_settled(&relation->fsm)) {
        move_stop(relation);
        return false;
    }
    if (move->index != policy->index) { /* another configuration: its pools have other numbers */
        relation_balance_reset(relation);
        memset(move->pools, 0, RELATION_POOLS_MAX * sizeof(*move->pools));
        move->index = policy->index;
        move->pool = 0;
    }
    if (!move->searching) {
        return pools_look(relation, policy, now);
    }
    if (move->block_won) {
        return block_turn(relation, &policy->pools[move->pool].pool, now.s);
    }
    search_turn(relation);
    return true;
}

/* Prefixes that move between the shares, many in one update (facts F.25): an aligned power of two
 * of units in one status, begun at one time, all of which the partner is to be told of. Once it
 * rejects one it is told of each unit alone for a while. */
#include "server/relation_internal.h"

static uint8_t wire_status(const struct lease *lease)
{
    return lease->status == BINDING_PENDING_FREE ? (uint8_t)BINDING_FREE : lease->status;
}

static struct relation_block *block_unused(const struct relation *relation)
{
    for (unsigned i = 0; i < RELATION_BLOCKS_MAX; i++) {
        if (!relation->blocks[i].used) {
            return &relation->blocks[i];
        }
    }
    return NULL;
}

/* Adds one more unit; its dirty bit is taken before the lease is read. */
static bool unit_join(struct relation *relation, struct relation_block *block,
                      const struct resource *unit, const struct lease *like)
{
    struct server *server = relation->server;
    struct lease_found found, now;

    if (!store_find(server->store, unit, &found) ||
        !dirty_take(server->dirty, relation->index, DIRTY_DUE, found.slot)) {
        return false;
    }
    if (!store_read(server->store, found.slot, &now) ||
        !resource_equal(&now.lease.resource, unit) || now.lease.status != like->status ||
        now.lease.times.start_s != like->times.start_s || now.lease.times.expires_s ||
        !dirty_is_durable(server->dirty, found.slot, &now.lease)) {
        dirty_set(server->dirty, relation->index, DIRTY_DUE, found.slot);
        return false;
    }
    block->slots[block->count] = found.slot;
    block->versions[block->count++] = now.lease.version;
    return true;
}

static void units_due(struct relation *relation, struct relation_block *block, uint32_t from)
{
    for (uint32_t i = from; i < block->count; i++) {
        dirty_set(relation->server->dirty, relation->index, DIRTY_DUE, block->slots[i]);
    }
    block->count = from;
}

/* Doubles the block as long as its other half can join. */
static struct fo_block block_grow(struct relation *relation, struct relation_block *block,
                                  const struct pool *pool, uint32_t unit, const struct lease *like)
{
    struct fo_block whole = {unit, 1}, half, next;

    while (whole.count < RELATION_BLOCK_MAX && fo_block_double(pool, whole, &next)) {
        half = (struct fo_block){next.first == whole.first ? whole.first + whole.count : next.first,
                                 whole.count};
        for (uint32_t i = 0; i < half.count; i++) {
            struct resource resource = pool_unit(pool, half.first + i);

            if (!unit_join(relation, block, &resource, like)) {
                units_due(relation, block, whole.count);
                return whole;
            }
        }
        whole = next;
    }
    return whole;
}

struct relation_block *relation_block_gather(struct relation *relation,
                                             const struct lease_found *found, struct lease *wire,
                                             sec_t now)
{
    const struct policy *policy = server_policy(relation->server);
    const struct lease *lease = &found->lease;
    uint8_t status = wire_status(lease);
    struct relation_block *block;
    struct fo_block whole;
    int pool;

    relation->split = relation->split && sec_after(relation->split_s, now);
    if (lease->resource.type != LEASE_TYPE_PD || lease->times.expires_s || relation->split ||
        (status != BINDING_FREE && status != BINDING_FREE_BACKUP)) {
        return NULL;
    }
    pool = policy_pool_find(policy, &lease->resource);
    block = pool >= 0 ? block_unused(relation) : NULL;
    if (!block) {
        return NULL;
    }
    block->slots[0] = found->slot;
    block->versions[0] = lease->version;
    block->count = 1;
    whole =
        block_grow(relation, block, &policy->pools[pool].pool,
                   (uint32_t)pool_unit_index(&policy->pools[pool].pool, &lease->resource), lease);
    if (whole.count == 1) {
        return NULL;
    }
    block->used = true;
    block->resource = wire->resource = fo_block_resource(&policy->pools[pool].pool, whole);
    return block;
}

void relation_block_begin(struct relation *relation, struct relation_block *block)
{
    for (uint32_t i = 0; i < block->count; i++) {
        dirty_set(relation->server->dirty, relation->index, DIRTY_FLYING, block->slots[i]);
    }
    relation->stats.blocks_sent++;
}

static void block_landed(struct relation *relation, struct relation_block *block)
{
    for (uint32_t i = 0; i < block->count; i++) {
        (void)dirty_take(relation->server->dirty, relation->index, DIRTY_FLYING, block->slots[i]);
    }
    block->used = false;
}

void relation_block_drop(struct relation *relation, struct relation_block *block)
{
    block_landed(relation, block);
    units_due(relation, block, 0);
}

/* Units that changed meanwhile have dirty bits of their own. */
bool relation_block_acked(struct relation *relation, struct relation_block *block,
                          const struct fo_lease *reply)
{
    struct lease_found found;
    struct lease next;

    for (uint32_t i = 0; i < block->count; i++) {
        if (!store_read(relation->server->store, block->slots[i], &found)) {
            continue;
        }
        switch (fo_update_acked(&found.lease, block->versions[i], reply, &next)) {
        case FO_ACKED_STALE:
            break;
        case FO_ACKED_REJECTED:
            relation_block_drop(relation, block);
            return false;
        case FO_ACKED_FREED:
        case FO_ACKED_STORED:
            if (!relation_acked_store(relation, &found, &next)) {
                dirty_set(relation->server->dirty, relation->index, DIRTY_DUE, found.slot);
            }
            break;
        }
    }
    block_landed(relation, block);
    return true;
}

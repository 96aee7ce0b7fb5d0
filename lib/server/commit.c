/* The one way a lease changes: claim bit, store, expiry wheel, change record. */
#include "server/server.h"
#include "server/sweep.h"
#include "store/claim.h"

/* Nobody has it, for a prefix whoever may give it away. */
static bool status_is_free(uint8_t status)
{
    return status == BINDING_FREE || status == BINDING_FREE_BACKUP;
}

/* The bitmap in which a prefix of that status has its bit, NULL when in none: free and ours, or
 * free and the partner's. Prefixes nobody ever had are the primary's (RFC 8156 4.2.2). */
static struct claim *claim_of(const struct policy_pool *pool, uint8_t status)
{
    if (status == pool->free_status) {
        return pool->claim;
    }
    return status == policy_partner_status(pool->free_status) ? pool->partner_claim : NULL;
}

static uint8_t base_status(const struct lease_found *found)
{
    return found->slot == LEASE_SLOT_NONE ? BINDING_FREE : found->lease.status;
}

static void record_publish(struct change_ring *ring, const struct lease *lease,
                           const struct store_committed *done, uint64_t *ret_position)
{
    uint8_t *buf = change_ring_room(ring);
    size_t size = record_lease_encode(lease, done->version, done->full_needed, buf);

    *ret_position = change_ring_publish(ring, done->slot, size);
}

static int commit(struct server *server, const struct policy *policy, unsigned committer,
                  const struct server_change *change, bool claimed, uint64_t *ret_position)
{
    const struct lease *next = change->next;
    bool pooled = next->resource.type == LEASE_TYPE_PD && change->pool >= 0;
    const struct policy_pool *pool = pooled ? &policy->pools[change->pool] : NULL;
    struct claim *from = pooled ? claim_of(pool, base_status(change->base)) : NULL;
    struct claim *to = pooled ? claim_of(pool, next->status) : NULL;
    bool win = from && from != to && !claimed;
    bool is_free = status_is_free(next->status);
    uint32_t unit = 0;
    struct store_committed done;
    int r;

    if (pooled) {
        unit = (uint32_t)pool_unit_index(&pool->pool, &next->resource);
    }
    if (win && !claim_take(from, unit)) {
        return -EAGAIN;
    }
    r = store_commit(server->store, committer,
                     change->base->slot == LEASE_SLOT_NONE ? NULL : change->base, next, &done);
    if (r) {
        if (win) {
            (void)claim_give(from, unit);
        }
        return r;
    }
    /* A lease with an end is on the wheel until the sweep takes it off; only new slots and leases
     * that had no end before need arming. */
    if (next->times.expires_s &&
        (done.slot != change->base->slot || change->base->lease.times.expires_s == 0)) {
        expiry_arm(server->expiry, done.slot, next->times.expires_s + LEASE_TRANSIT_S + 1);
    } else if (is_free && change->base->lease.times.expires_s == 0) {
        expiry_arm(server->expiry, done.slot, sweep_free_look_s(server, next, next->times.start_s));
    }
    record_publish(&server->rings[committer], next, &done, ret_position);
    if (to && from != to) {
        (void)claim_give(to, unit);
    }
    return 0;
}

int server_commit(struct server *server, const struct policy *policy, unsigned committer,
                  const struct server_change *change, uint64_t *ret_position)
{
    return commit(server, policy, committer, change, false, ret_position);
}

int server_commit_claimed(struct server *server, const struct policy *policy,
                          const struct server_change *change, uint64_t *ret_position)
{
    return commit(server, policy, server->worker_count, change, true, ret_position);
}

/* The one way a lease changes: claim bit, store, expiry wheel, change record. */
#include "server/server.h"
#include "store/claim.h"

/* True for a status in which a prefix's claim bit is set: nobody has it, we may give it away. */
static bool status_is_free(const struct lease_found *found)
{
    return found->slot == LEASE_SLOT_NONE || found->lease.status == BINDING_FREE;
}

static void record_publish(struct change_ring *ring, const struct lease *lease,
                           const struct store_committed *done, uint64_t *ret_position)
{
    uint8_t *buf = change_ring_room(ring);
    size_t size = record_lease_encode(lease, done->version, done->full_needed, buf);

    *ret_position = change_ring_publish(ring, done->slot, size);
}

int server_commit(struct server *server, const struct policy *policy, unsigned committer,
                  const struct server_change *change, uint64_t *ret_position)
{
    const struct lease *next = change->next;
    bool pooled = next->resource.type == LEASE_TYPE_PD && change->pool >= 0;
    bool was_free = status_is_free(change->base), is_free = next->status == BINDING_FREE;
    struct claim *claim = pooled ? policy->pools[change->pool].claim : NULL;
    uint32_t unit = 0;
    struct store_committed done;
    int r;

    if (pooled) {
        unit = (uint32_t)pool_unit_index(&policy->pools[change->pool].pool, &next->resource);
    }
    if (pooled && was_free && !is_free && !claim_take(claim, unit)) {
        return -EAGAIN;
    }
    r = store_commit(server->store, committer,
                     change->base->slot == LEASE_SLOT_NONE ? NULL : change->base, next, &done);
    if (r) {
        if (pooled && was_free && !is_free) {
            (void)claim_give(claim, unit);
        }
        return r;
    }
    /* A lease with an end is on the wheel until the sweep takes it off; only new slots and leases
     * that had no end before need arming. */
    if (next->times.expires_s &&
        (done.slot != change->base->slot || change->base->lease.times.expires_s == 0)) {
        expiry_arm(server->expiry, done.slot, next->times.expires_s + LEASE_TRANSIT_S + 1);
    } else if (is_free && change->base->lease.times.expires_s == 0) {
        expiry_arm(server->expiry, done.slot, next->times.start_s + server->config->remember_s);
    }
    record_publish(&server->rings[committer], next, &done, ret_position);
    if (pooled && is_free && !was_free) {
        (void)claim_give(claim, unit);
    }
    return 0;
}

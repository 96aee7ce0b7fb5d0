#include "server/sweep.h"

#include "server/dirty.h"
#include "server/relation.h"

enum {
    SWEEP_BATCH = 64,
    PRESSURE_SCAN = 4096
};

/* What becomes of a lease whose status has run out. */
static bool sweep_frees(const struct lease *lease, sec_t now)
{
    switch ((enum binding_status)lease->status) {
    case BINDING_ACTIVE:
    case BINDING_ABANDONED:
        return lease_is_over(lease, now - LEASE_TRANSIT_S);
    case BINDING_EXPIRED:
    case BINDING_RELEASED:
    case BINDING_RESET:
    case BINDING_PENDING_FREE:
        return true; /* nobody else has to agree */
    case BINDING_FREE:
    case BINDING_FREE_BACKUP:
    case BINDING_STATUS_COUNT:
        return false;
    }
    return false;
}

/* Makes one run-out lease free; its client stays on record until it is forgotten. */
static int lease_free(struct sweep *sweep, const struct policy *policy,
                      const struct lease_found *found, sec_t now)
{
    struct server *server = sweep->server;
    struct lease next = found->lease;
    struct server_change change = {found, &next, policy_pool_find(policy, &next.resource)};
    bool expired = found->lease.status == BINDING_ACTIVE;
    uint64_t position;
    int r;

    next.status = BINDING_FREE;
    next.times.start_s = now;
    next.times.expires_s = 0;
    next.times.horizon_s = 0;
    r = server_commit(server, policy, server->worker_count, &change, &position);
    if (r == 0) {
        counter_inc(&server->control_counters,
                    expired ? COUNTER_lease_expired : COUNTER_lease_freed);
    }
    return r;
}

static int lease_forget(struct sweep *sweep, const struct lease_found *found)
{
    struct server *server = sweep->server;
    struct change_ring *ring = server_control_ring(server);
    int r = store_forget(server->store, server->worker_count, found);

    if (r == 0) {
        uint8_t *buf = change_ring_room(ring);

        (void)change_ring_publish(
            ring, CHANGE_SLOT_NONE,
            record_forget_encode(&found->lease.resource, found->lease.version, buf));
        counter_inc(&server->control_counters, COUNTER_lease_forgotten);
    }
    return r;
}

/* Puts the lease on the wheel for the time it needs another look; never when nothing will change.
 */
static void lease_arm(const struct sweep *sweep, uint32_t slot, const struct lease *lease,
                      sec_t now)
{
    if (lease->status == BINDING_FREE || lease->status == BINDING_FREE_BACKUP) {
        expiry_arm(sweep->server->expiry, slot, sweep_free_look_s(sweep->server, lease, now));
    } else if (lease->times.expires_s) {
        expiry_arm(sweep->server->expiry, slot, lease->times.expires_s + LEASE_TRANSIT_S + 1);
    } else if (lease->status != BINDING_ACTIVE && lease->status != BINDING_ABANDONED) {
        expiry_arm(sweep->server->expiry, slot, lease->times.start_s + 1); /* waits for a partner */
    }
}

/* Relationship of the lease, -1: none. */
static int lease_relationship(const struct server *server, const struct policy *policy,
                              const struct lease *lease)
{
    return server->dirty ? server_relationship_of(policy, &lease->resource) : -1;
}

/* Free, known as such to a partner if there is one, and free again by itself if nobody remembers
 * it: a prefix of the secondary's share is not. */
static bool lease_is_idle(const struct server *server, const struct policy *policy,
                          const struct lease_found *found)
{
    const struct lease *lease = &found->lease;
    int relationship = lease_relationship(server, policy, lease);

    if (relationship < 0) {
        return lease->status == BINDING_FREE;
    }
    return (lease->status == BINDING_FREE ||
            (lease->status == BINDING_FREE_BACKUP && lease->resource.type == LEASE_TYPE_NA)) &&
           !dirty_is_open(server->dirty, (unsigned)relationship, found->slot);
}

static bool lease_is_forgettable(const struct sweep *sweep, const struct policy *policy,
                                 const struct lease_found *found, sec_t now)
{
    return lease_is_idle(sweep->server, policy, found) &&
           !sec_after(found->lease.times.start_s + sweep->server->config->remember_s, now);
}

/* A lease with a partner: it ends as the relation says, and goes on the wheel again. */
static void related_sweep(struct sweep *sweep, const struct policy *policy,
                          const struct lease_found *found, unsigned relationship, sec_t now)
{
    struct server *server = sweep->server;
    bool free = found->lease.status == BINDING_FREE || found->lease.status == BINDING_FREE_BACKUP;
    struct lease next;
    struct server_change change = {found, &next, policy_pool_find(policy, &found->lease.resource)};
    uint64_t position;
    sec_t again_s;

    if (free && lease_is_forgettable(sweep, policy, found, now) &&
        lease_forget(sweep, found) == 0) {
        return;
    }
    if (relation_lease_end(server->endpoints[relationship].relation, &found->lease, now, &next,
                           &again_s) == RELATION_ENDS) {
        if (server_commit(server, policy, server->worker_count, &change, &position) == 0) {
            counter_inc(&server->control_counters, next.status == BINDING_EXPIRED
                                                       ? COUNTER_lease_expired
                                                       : COUNTER_lease_freed);
        } else {
            again_s = now + 1; /* lost a race: look again soon */
        }
    }
    if (found->lease.status == BINDING_FREE_BACKUP && found->lease.resource.type == LEASE_TYPE_PD) {
        return; /* the secondary's share: time does nothing to it */
    }
    if (free) {
        again_s = sec_max(again_s, sweep_free_look_s(server, &found->lease, now));
    }
    expiry_arm(server->expiry, found->slot, again_s);
}

/* One slot whose time came: free it, forget it, or wait on. */
static void slot_sweep(struct sweep *sweep, const struct policy *policy, uint32_t slot, sec_t now)
{
    struct lease_found found;
    int r = 0, relationship;

    if (!store_read(sweep->server->store, slot, &found)) {
        return; /* replaced: its successor is on the wheel by itself */
    }
    relationship = lease_relationship(sweep->server, policy, &found.lease);
    if (relationship >= 0) {
        related_sweep(sweep, policy, &found, (unsigned)relationship, now);
        return;
    }
    if (sweep_frees(&found.lease, now)) {
        r = lease_free(sweep, policy, &found, now);
    } else if (lease_is_forgettable(sweep, policy, &found, now)) {
        r = lease_forget(sweep, &found);
        if (r == 0) {
            return;
        }
    }
    if (r || !store_read(sweep->server->store, slot, &found)) {
        expiry_arm(sweep->server->expiry, slot, now + 1); /* lost a race: look again soon */
        return;
    }
    lease_arm(sweep, slot, &found.lease, now);
}

/* With nearly no slot left, former clients are forgotten early. */
static void pressure_relieve(struct sweep *sweep, const struct policy *policy)
{
    struct server *server = sweep->server;
    struct change_ring *ring = server_control_ring(server);
    uint32_t slots = store_slot_max(server->store);
    struct store_stats stats;
    struct lease_found found;

    store_stats_get(server->store, &stats);
    if (stats.slots_used < stats.leases_max - stats.leases_max / 32 || slots == 0) {
        return;
    }
    for (unsigned i = 0; i < PRESSURE_SCAN && change_ring_has_room(ring, 1); i++) {
        sweep->hand = sweep->hand + 1 < slots ? sweep->hand + 1 : 0;
        if (store_read(server->store, sweep->hand, &found) &&
            lease_is_idle(server, policy, &found)) {
            (void)lease_forget(sweep, &found);
        }
    }
}

unsigned sweep_turn(struct sweep *sweep, sec_t now)
{
    struct server *server = sweep->server;
    const struct policy *policy = server_policy(server);
    uint32_t slots[SWEEP_BATCH];
    size_t count;

    if (!policy || !atomic_load_explicit(&server->clock_trusted, memory_order_relaxed) ||
        !change_ring_has_room(server_control_ring(server), SWEEP_BATCH)) {
        return 0;
    }
    count = expiry_due(server->expiry, now, slots, SWEEP_BATCH);
    for (size_t i = 0; i < count; i++) {
        slot_sweep(sweep, policy, slots[i], now);
    }
    pressure_relieve(sweep, policy);
    return (unsigned)count;
}

void sweep_arm_all(struct server *server, sec_t now)
{
    struct sweep sweep = {.server = server};
    uint32_t slots = store_slot_max(server->store);
    struct lease_found found;

    for (uint32_t slot = 0; slot < slots; slot++) {
        if (store_read(server->store, slot, &found)) {
            lease_arm(&sweep, slot, &found.lease, now);
        }
    }
}

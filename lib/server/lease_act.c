#include "server/lease_act.h"

enum {
    RACES_MAX = 8 /* tries while workers change the same lease */
};

/* The grant that rules the lease; NULL: it stands alone. */
static const struct grant *grant_of(const struct policy *policy, int pool,
                                    const struct resource *resource)
{
    int relationship;

    if (pool >= 0) {
        return policy->pools[pool].grant;
    }
    relationship = server_relationship_of(policy, resource);
    return relationship >= 0 ? &policy->grants[relationship] : NULL;
}

/* True where a client's RELEASE would be heard: in all states in which either server may answer for
 * a lease it gave (RFC 8156 8.1). What both do at the same time is then settled as when the client
 * talks to both: nobody else has the resource before the partner knows. */
static bool grant_allows(const struct grant *grant)
{
    return grant == NULL || grant->service == GRANT_OWN_SERVER_ID || grant->service == GRANT_ALL;
}

/* RESET says to the partner that it was our operator (RFC 8156 7.2). */
static void lease_clear(struct lease *lease, bool partner, sec_t now)
{
    lease->status = partner ? BINDING_RESET : BINDING_FREE;
    lease->times.start_s = now;
    lease->times.expires_s = lease->times.horizon_s = 0;
}

/* At least as long as the client thinks it has it. */
static uint32_t rest_of(const struct lease_act *act, const struct lease *lease, sec_t now)
{
    uint32_t left_s = lease->times.expires_s ? sec_until(lease->times.expires_s, now) : 0;

    return left_s > act->rest_s ? left_s : act->rest_s;
}

/* The lease as it becomes. */
static void next_make(const struct lease_act *act, bool partner, sec_t now, struct lease *lease)
{
    switch (act->type) {
    case LEASE_ACT_RELEASE:
        lease_release(lease, partner, now);
        break;
    case LEASE_ACT_REST:
        lease_decline(lease, rest_of(act, lease, now), now);
        break;
    case LEASE_ACT_CLEAR:
        lease_clear(lease, partner, now);
        break;
    }
}

static enum counter counter_of(enum lease_act_type type)
{
    switch (type) {
    case LEASE_ACT_RELEASE:
        return COUNTER_lease_released;
    case LEASE_ACT_REST:
        return COUNTER_lease_declined;
    case LEASE_ACT_CLEAR:
        break;
    }
    return COUNTER_lease_freed;
}

bool lease_act_is_silent(const struct server *server, sec_t now)
{
    uint32_t alarms = atomic_load_explicit(&server->alarms, memory_order_relaxed);
    sec_t until = atomic_load_explicit(&server->operating_until_s, memory_order_relaxed);

    return (alarms & ALARM_STORAGE) || until == 0 || sec_after(now, until);
}

/* One try. */
static int act_once(struct server *server, const struct lease_act *act, sec_t now,
                    struct lease_found *ret_found, uint64_t *ret_position)
{
    const struct policy *policy = server_policy(server);
    int pool = policy_pool_find(policy, &act->resource);
    const struct grant *grant = grant_of(policy, pool, &act->resource);
    struct lease next;
    struct server_change change = {ret_found, &next, pool};

    if (!store_find(server->store, &act->resource, ret_found)) {
        return -ENOENT;
    }
    if (!lease_act_suits(act, &ret_found->lease)) {
        return -EALREADY;
    }
    if (act->duid.size && !span_equal(act->duid, ret_found->lease.duid)) {
        return -EBUSY;
    }
    if (!grant_allows(grant)) {
        return -EPERM;
    }
    if (lease_act_is_silent(server, now)) {
        return -EIO;
    }
    if (act->dry) {
        return 0;
    }
    if (!change_ring_has_room(server_control_ring(server), 1)) {
        return -EAGAIN;
    }
    next = ret_found->lease;
    next_make(act, grant && grant->partner, now, &next);
    return server_commit(server, policy, server->worker_count, &change, ret_position);
}

int lease_act(struct server *server, const struct lease_act *act, sec_t now,
              struct lease_found *ret_found, uint64_t *ret_position)
{
    int r = -EAGAIN;

    *ret_position = 0;
    for (unsigned race = 0; race < RACES_MAX && r == -EAGAIN; race++) {
        r = act_once(server, act, now, ret_found, ret_position);
    }
    if (r == 0 && !act->dry) {
        counter_inc(&server->control_counters, counter_of(act->type));
    }
    return r;
}

bool lease_act_is_durable(const struct server *server, uint64_t position)
{
    return change_ring_durable(server_control_ring(server)) >= position;
}

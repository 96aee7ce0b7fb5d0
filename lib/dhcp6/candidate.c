/* Choosing resources (candidate.h). Everything found here may be stale when it is committed; the
 * commit and the claim bit decide. Work per lease is bounded: CANDIDATE_ATTEMPTS look-ups a pool
 * and CANDIDATE_WALK_MAX steps of walking in all. */
#include "dhcp6/candidate.h"

enum {
    WALK_PER_POOL_MIN = 16, /* even with many full pools each gets some steps */
    RANK_LONGER = 128,      /* pools of longer prefixes rank behind all shorter ones */
    RANK_MAX = 256,
};

bool candidate_fits(const struct decide_input *input, const struct resource *resource,
                    int *ret_pool, bool *ret_reserved)
{
    const struct policy *policy = input->policy;
    const struct policy_reservation *holder = policy_reservation_of(policy, resource);
    unsigned link = (unsigned)input->link;
    int pool = policy_pool_of(policy, link, resource);

    if (holder) {
        if (holder != input->reservation) {
            return false; /* reserved resources are never given to others */
        }
        for (unsigned i = 0; i < holder->resource_count; i++) {
            if (resource_equal(&holder->resources[i], resource)) {
                /* Without a link of its own the reservation holds where its address is at home; a
                 * prefix needs no home, unless another link's pool is its home. */
                if (holder->link != input->link && pool < 0 &&
                    !policy_on_link(policy, link, resource->prefix) &&
                    (resource->type == LEASE_TYPE_NA || policy_pool_find(policy, resource) >= 0)) {
                    return false;
                }
                *ret_pool = pool;
                *ret_reserved = true;
                return true;
            }
        }
        return false; /* overlaps a reserved prefix without being it */
    }
    if (pool < 0 ||
        (policy->pools[pool].classes && !(policy->pools[pool].classes & input->classes))) {
        return false;
    }
    *ret_pool = pool;
    *ret_reserved = false;
    return true;
}

const struct grant *candidate_grant(const struct decide_input *input, int pool)
{
    return pool >= 0 ? input->policy->pools[pool].grant : input->policy->links[input->link].grant;
}

bool candidate_is_own(const struct decide_input *input, const struct dhcp6_ia *ia,
                      const struct lease *lease)
{
    return lease->iaid == ia->iaid && lease->resource.type == ia->type &&
           span_equal(lease->duid, input->message->client_id);
}

bool candidate_in_plan(const struct plan *plan, const struct resource *resource)
{
    for (unsigned i = 0; i < plan->lease_count; i++) {
        if (resource_equal(&plan->leases[i].resource, resource)) {
            return true;
        }
    }
    return false;
}

/* True when a lease on record leaves the resource to this client. */
static bool status_allows(const struct decide_input *input, const struct grant *grant,
                          const struct lease *lease, bool own)
{
    bool trusted = own || input->reuse_allowed;

    switch ((enum binding_status)lease->status) {
    case BINDING_FREE:
    case BINDING_FREE_BACKUP: /* whose half it is says the parity or the claim bit */
        return true;
    case BINDING_ACTIVE:
        /* With a partner an expiry must be told and acknowledged first (RFC 8156 4.2.2.1). */
        return own ||
               (lease_is_over(lease, input->now - LEASE_TRANSIT_S) && trusted && !grant->partner);
    case BINDING_EXPIRED:
    case BINDING_RELEASED:
    case BINDING_RESET:
    case BINDING_PENDING_FREE:
        /* With a partner even the same client may have it only before the partner was told, which
         * the record does not show: wait for the acknowledgement (protocol facts B.7). */
        return trusted && !grant->partner;
    case BINDING_ABANDONED:
        /* Somebody uses it: not for the one who declined it either, until its rest is over. */
        return lease_is_over(lease, input->now) && input->reuse_allowed && !grant->partner;
    case BINDING_STATUS_COUNT:
        break;
    }
    return false;
}

/* A prefix of a pool is ours to give only with its claim bit, unless it is the client's already.
 * Somebody else's prefix gets its bit back from the sweep. */
static bool claim_allows(const struct decide_input *input, const struct candidate *candidate,
                         bool own)
{
    const struct lease *lease = &candidate->base.lease;
    bool present = candidate->base.slot != LEASE_SLOT_NONE;
    uint64_t unit;

    if (candidate->resource.type != LEASE_TYPE_PD || candidate->pool < 0) {
        return true;
    }
    if (present && lease->status != BINDING_FREE && lease->status != BINDING_FREE_BACKUP) {
        return own;
    }
    if (candidate->reserved) {
        return true; /* whose share it is in does not matter (protocol facts F.41) */
    }
    unit = pool_unit_index(&input->policy->pools[candidate->pool].pool, &candidate->resource);
    return unit <= UINT32_MAX &&
           input->source->claim_test(input->source->ctx, (unsigned)candidate->pool, (uint32_t)unit);
}

bool candidate_available(const struct decide_input *input, const struct plan *plan,
                         const struct dhcp6_ia *ia, struct candidate *candidate)
{
    const struct resource *resource = &candidate->resource;
    const struct grant *grant = candidate_grant(input, candidate->pool);
    bool own = false;

    if (!grant->allocate || candidate_in_plan(plan, resource)) {
        return false;
    }
    /* RFC 8156 4.2.1: each server gives only addresses of its own parity; a reservation is no
     * dynamic choice (protocol facts F.41). */
    if (!candidate->reserved && resource->type == LEASE_TYPE_NA && grant->address_parity >= 0 &&
        (int)(resource->prefix.lo & 1) != grant->address_parity) {
        return false;
    }
    candidate->base.slot = LEASE_SLOT_NONE;
    if (input->source->find(input->source->ctx, resource, &candidate->base)) {
        own = candidate_is_own(input, ia, &candidate->base.lease);
        if (!status_allows(input, grant, &candidate->base.lease, own)) {
            return false;
        }
    } else if (resource->type == LEASE_TYPE_NA &&
               policy_address_assigned(input->policy, resource->prefix)) {
        return false;
    } else {
        candidate->base.slot = LEASE_SLOT_NONE;
    }
    return claim_allows(input, candidate, own);
}

/* Fits and available; the resource is set. */
static bool usable(const struct decide_input *input, const struct plan *plan,
                   const struct dhcp6_ia *ia, struct candidate *candidate)
{
    return candidate_fits(input, &candidate->resource, &candidate->pool, &candidate->reserved) &&
           candidate_available(input, plan, ia, candidate);
}

struct candidate_wish candidate_wish(const struct decide_input *input, const struct dhcp6_ia *ia)
{
    struct candidate_wish wish = {0, false};

    if (ia->type != LEASE_TYPE_PD) {
        return wish;
    }
    for (unsigned i = 0; i < ia->lease_count; i++) {
        const struct resource *r = &input->message->leases[ia->lease_first + i].resource;

        if (r->length && ip6_is_zero(r->prefix)) {
            return (struct candidate_wish){r->length, true};
        }
        if (wish.length == 0) {
            wish.length = r->length;
        }
    }
    return wish;
}

/* The client's former lease in this IA, while it is free: clients get back what they had. */
static bool find_former(const struct decide_input *input, const struct plan *plan,
                        unsigned ia_index, uint8_t length, struct candidate *ret_candidate)
{
    const struct dhcp6_ia *ia = &input->message->ias[ia_index];

    for (unsigned i = 0; i < input->found->count[ia_index]; i++) {
        const struct lease *lease = &input->found->entries[input->found->first[ia_index] + i].lease;

        if (lease->status == BINDING_ACTIVE || (length && lease->resource.length != length)) {
            continue;
        }
        ret_candidate->resource = lease->resource;
        if (usable(input, plan, ia, ret_candidate)) {
            return true;
        }
    }
    return false;
}

/* An address or prefix the client names, if it may have it. */
static bool find_hint(const struct decide_input *input, const struct plan *plan, unsigned ia_index,
                      uint8_t length, struct candidate *ret_candidate)
{
    const struct dhcp6_ia *ia = &input->message->ias[ia_index];

    for (unsigned i = 0; i < ia->lease_count; i++) {
        const struct resource *r = &input->message->leases[ia->lease_first + i].resource;

        if (ip6_is_zero(r->prefix) || (length && r->length != length)) {
            continue;
        }
        ret_candidate->resource = *r;
        if (usable(input, plan, ia, ret_candidate) &&
            (ret_candidate->pool < 0 ||
             pool_may_give(&input->policy->pools[ret_candidate->pool].pool, r))) {
            return true;
        }
    }
    return false;
}

/* True when the pool serves this IA's type and this client's classes and may give new leases. */
static bool pool_open(const struct decide_input *input, const struct dhcp6_ia *ia, unsigned pool)
{
    const struct policy_pool *p = &input->policy->pools[pool];

    return p->pool.type == ia->type && p->grant->allocate &&
           (p->classes == 0 || (p->classes & input->classes));
}

static bool pool_hashed(const struct decide_input *input, const struct plan *plan,
                        unsigned ia_index, unsigned pool, struct candidate *ret_candidate)
{
    const struct policy_pool *p = &input->policy->pools[pool];

    for (unsigned attempt = 0; attempt < CANDIDATE_ATTEMPTS; attempt++) {
        if (pool_candidate(&p->pool, input->client_hash[ia_index], attempt,
                           p->grant->address_parity, &ret_candidate->resource) &&
            usable(input, plan, &input->message->ias[ia_index], ret_candidate)) {
            return true;
        }
    }
    return false;
}

/* Where walking begins: some unit near the client's first candidate. */
static struct resource walk_start(const struct decide_input *input, unsigned ia_index,
                                  const struct policy_pool *p)
{
    struct resource start;

    for (unsigned attempt = 0; attempt < CANDIDATE_ATTEMPTS; attempt++) {
        if (pool_candidate(&p->pool, input->client_hash[ia_index], attempt,
                           p->grant->address_parity, &start)) {
            return start;
        }
    }
    return pool_unit(&p->pool, 0);
}

static bool walk_addresses(const struct decide_input *input, const struct plan *plan,
                           unsigned ia_index, unsigned pool, unsigned steps,
                           struct candidate *ret_candidate)
{
    const struct policy_pool *p = &input->policy->pools[pool];
    struct resource at = walk_start(input, ia_index, p);

    /* The start itself too: it may be a unit that no attempt has hit. */
    for (unsigned step = 0; step < steps; step++) {
        ret_candidate->resource = at;
        if (pool_may_give(&p->pool, &at) &&
            usable(input, plan, &input->message->ias[ia_index], ret_candidate)) {
            return true;
        }
        if (!pool_next(&p->pool, &at, p->grant->address_parity, &at)) {
            return false;
        }
    }
    return false;
}

static bool walk_prefixes(const struct decide_input *input, const struct plan *plan,
                          unsigned ia_index, unsigned pool, unsigned steps,
                          struct candidate *ret_candidate)
{
    const struct policy_pool *p = &input->policy->pools[pool];
    struct resource start = walk_start(input, ia_index, p);
    uint32_t from = (uint32_t)pool_unit_index(&p->pool, &start), unit, first = 0;

    for (unsigned step = 0; step < steps; step++) {
        if (!input->source->claim_next(input->source->ctx, pool, from, &unit) ||
            (step && unit == first)) {
            return false; /* none, or once around */
        }
        first = step ? first : unit;
        if (unit < pool_unit_count(&p->pool)) {
            ret_candidate->resource = pool_unit(&p->pool, unit);
            if (usable(input, plan, &input->message->ias[ia_index], ret_candidate)) {
                return true;
            }
        }
        from = unit + 1 < pool_unit_count(&p->pool) ? unit + 1 : 0;
    }
    return false;
}

/* How far a pool is from the wish: its own order for addresses and for prefixes of any length; the
 * length itself, then shorter ones (bigger prefixes) closest first, then longer ones closest first
 * (RFC 8168 3.2; the longer ones are better than nothing, RFC 7550). */
static unsigned pool_rank(const struct pool *pool, uint8_t length)
{
    if (length == 0 || pool->delegated_length == length) {
        return 0;
    }
    return pool->delegated_length < length
               ? (unsigned)(length - pool->delegated_length)
               : RANK_LONGER + (unsigned)(pool->delegated_length - length);
}

/* The smallest rank above or at least of the link's pools; RANK_MAX when there is none. */
static unsigned next_rank(const struct decide_input *input, const struct dhcp6_ia *ia,
                          uint8_t length, unsigned least)
{
    const struct policy_link *link = &input->policy->links[input->link];
    unsigned best = RANK_MAX;

    for (unsigned i = 0; i < link->pool_count; i++) {
        if (pool_open(input, ia, link->pools[i])) {
            unsigned rank = pool_rank(&input->policy->pools[link->pools[i]].pool, length);

            best = rank >= least && rank < best ? rank : best;
        }
    }
    return best;
}

/* Pools of one rank: hashed candidates of all in configured order first, then walking. */
static bool find_in_rank(const struct decide_input *input, const struct plan *plan,
                         unsigned ia_index, struct candidate_wish wish, unsigned rank,
                         struct candidate *ret_candidate)
{
    const struct policy_link *link = &input->policy->links[input->link];
    const struct dhcp6_ia *ia = &input->message->ias[ia_index];
    unsigned open = 0, left = CANDIDATE_WALK_MAX, share;

    for (unsigned i = 0; i < link->pool_count; i++) {
        unsigned pool = link->pools[i];

        if (pool_open(input, ia, pool) &&
            pool_rank(&input->policy->pools[pool].pool, wish.length) == rank) {
            open++;
            if (pool_hashed(input, plan, ia_index, pool, ret_candidate)) {
                return true;
            }
        }
    }
    share = open > 1 ? CANDIDATE_WALK_MAX / open : CANDIDATE_WALK_MAX;
    share = share < WALK_PER_POOL_MIN ? WALK_PER_POOL_MIN : share;
    for (unsigned i = 0; i < link->pool_count && left >= share; i++) {
        unsigned pool = link->pools[i];

        if (!pool_open(input, ia, pool) ||
            pool_rank(&input->policy->pools[pool].pool, wish.length) != rank) {
            continue;
        }
        if (ia->type == LEASE_TYPE_NA
                ? walk_addresses(input, plan, ia_index, pool, share, ret_candidate)
                : walk_prefixes(input, plan, ia_index, pool, share, ret_candidate)) {
            return true;
        }
        left -= share;
    }
    return false;
}

bool candidate_find(const struct decide_input *input, const struct plan *plan, unsigned ia_index,
                    uint8_t only_length, struct candidate *ret_candidate)
{
    const struct dhcp6_ia *ia = &input->message->ias[ia_index];
    struct candidate_wish wish = candidate_wish(input, ia);
    unsigned rank = 0;

    if (only_length) {
        wish = (struct candidate_wish){only_length, true};
    }
    /* RFC 8168 3.2: a wish for a length alone counts for more than the client's history. */
    if (find_former(input, plan, ia_index, wish.length_only ? wish.length : 0, ret_candidate) ||
        find_hint(input, plan, ia_index, only_length, ret_candidate)) {
        return true;
    }
    for (unsigned round = 0; round < RANK_MAX; round++) {
        rank = next_rank(input, ia, wish.length, rank);
        if (rank == RANK_MAX || (only_length && rank != 0)) {
            break;
        }
        if (find_in_rank(input, plan, ia_index, wish, rank, ret_candidate)) {
            return true;
        }
        rank++;
    }
    return false;
}

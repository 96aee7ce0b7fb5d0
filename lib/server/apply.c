#include "server/apply.h"

#include <stdlib.h>

#include "store/claim.h"

enum {
    CLAIMS_MAX = 4096
}; /* prefix pools in one run of the server */

struct claims_row {
    struct ip6_range range;
    uint8_t delegated_length;
    uint8_t free_status;
    struct claim *claim, *partner; /* partner: only in a relationship */
};

struct claims {
    unsigned count;
    struct claims_row rows[CLAIMS_MAX];
};

int claims_new(struct claims **ret_claims)
{
    *ret_claims = calloc(1, sizeof(**ret_claims));
    return *ret_claims ? 0 : -ENOMEM;
}

void claims_free(struct claims *claims)
{
    for (unsigned i = 0; claims && i < claims->count; i++) {
        claim_free(claims->rows[i].claim);
        claim_free(claims->rows[i].partner);
    }
    free(claims);
}

/* Excluded blocks are nobody's to give. */
static void excludes_take(const struct pool *pool, struct claim *claim)
{
    for (unsigned i = 0; i < pool->exclude_count; i++) {
        struct resource first = {pool->excludes[i].first, pool->delegated_length, pool->type};
        struct resource last = {ip6_prefix(pool->excludes[i].last, pool->delegated_length),
                                pool->delegated_length, pool->type};
        uint64_t from = pool_unit_index(pool, &first), to = pool_unit_index(pool, &last);

        for (uint64_t unit = from; unit <= to; unit++) {
            (void)claim_take(claim, (uint32_t)unit);
        }
    }
}

/* Prefixes nobody ever had are the primary's (RFC 8156 4.2.2). */
static int claim_make(const struct pool *pool, bool all_set, struct claim **ret_claim)
{
    int r = claim_new((uint32_t)pool_unit_count(pool), all_set, ret_claim);

    if (r == 0 && all_set) {
        excludes_take(pool, *ret_claim);
    }
    return r;
}

/* Attaches the pool's bitmaps: those it had, or new ones with *ret_new set. -EBUSY: they say who
 * owns its prefixes in a relationship, which it has left or joined or where it has another role. */
static int claims_of(struct claims *claims, struct policy_pool *pool, bool related, bool *ret_new)
{
    bool ours = pool->free_status == BINDING_FREE;
    struct claims_row *row;
    int r;

    for (unsigned i = 0; i < claims->count; i++) {
        row = &claims->rows[i];
        if (ip6_equal(row->range.first, pool->pool.range.first) &&
            ip6_equal(row->range.last, pool->pool.range.last) &&
            row->delegated_length == pool->pool.delegated_length) {
            if (row->free_status != pool->free_status || related != (row->partner != NULL)) {
                return -EBUSY;
            }
            pool->claim = row->claim;
            pool->partner_claim = row->partner;
            *ret_new = false;
            return 0;
        }
    }
    if (claims->count == CLAIMS_MAX) {
        return -ENOSPC;
    }
    row = &claims->rows[claims->count];
    *row = (struct claims_row){pool->pool.range, pool->pool.delegated_length, pool->free_status,
                               NULL, NULL};
    r = claim_make(&pool->pool, ours, &row->claim);
    if (r == 0 && related) {
        r = claim_make(&pool->pool, !ours, &row->partner);
    }
    if (r) {
        claim_free(row->claim);
        return r;
    }
    claims->count++;
    pool->claim = row->claim;
    pool->partner_claim = row->partner;
    *ret_new = true;
    return 0;
}

/* One bitmap's bit of a lease's prefix, which is set in status alone. */
static void bit_set(struct claim *claim, uint32_t unit, bool set)
{
    if (claim && !set) {
        (void)claim_take(claim, unit);
    } else if (claim && !claim_test(claim, unit)) {
        (void)claim_give(claim, unit);
    }
}

/* Makes the bits of all prefixes that have a lease agree with it, in pools whose bitmap is new. */
static void claims_set(struct server *server, const struct policy *policy, const bool *is_new)
{
    uint32_t slots = store_slot_max(server->store);
    struct lease_found found;

    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct policy_pool *row;
        int pool;
        uint32_t unit;

        if (!store_read(server->store, slot, &found) ||
            found.lease.resource.type != LEASE_TYPE_PD) {
            continue;
        }
        pool = policy_pool_find(policy, &found.lease.resource);
        if (pool < 0 || !is_new[pool]) {
            continue;
        }
        row = &policy->pools[pool];
        unit = (uint32_t)pool_unit_index(&row->pool, &found.lease.resource);
        bit_set(row->claim, unit, found.lease.status == row->free_status);
        bit_set(row->partner_claim, unit,
                found.lease.status == policy_partner_status(row->free_status));
    }
}

/* The status of free prefixes that are this server's to give. */
static uint8_t free_status(const struct config *config, int relationship)
{
    bool secondary =
        relationship >= 0 && config->failovers[relationship].role == CONFIG_ROLE_SECONDARY;

    return secondary ? BINDING_FREE_BACKUP : BINDING_FREE;
}

static int claims_attach(struct server *server, const struct config *config, struct policy *policy)
{
    bool any_new = false;
    bool *is_new = calloc(policy->pool_count + 1, sizeof(*is_new));
    int r = is_new ? 0 : -ENOMEM;

    for (unsigned i = 0; r == 0 && i < policy->pool_count; i++) {
        struct policy_pool *pool = &policy->pools[i];
        int relationship = policy->links[pool->link].relationship;

        if (pool->pool.type == LEASE_TYPE_PD) {
            pool->free_status = free_status(config, relationship);
            r = claims_of(server->claims, pool, relationship >= 0, &is_new[i]);
            any_new |= is_new[i];
        }
    }
    if (r == 0 && any_new) {
        claims_set(server, policy, is_new);
    }
    free(is_new);
    return r;
}

int server_apply(struct server *server, const struct config *config, struct policy **ret_old)
{
    struct policy *old = atomic_load(&server->policy), *next;
    int r = policy_new(config, &server->identity, old ? old->revision + 1 : 1, &next);

    if (r) {
        return r;
    }
    r = claims_attach(server, config, next);
    if (r) {
        policy_free(next);
        return r;
    }
    server->config = config;
    atomic_store_explicit(&server->policy, next, memory_order_release);
    *ret_old = old;
    return 0;
}

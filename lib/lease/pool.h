/* Pool arithmetic: ranges of addresses and of delegable prefixes, units, candidates. A unit is one
 * address, or one prefix of the pool's delegated length. Immutable once made; any thread. No
 * division and no state: who holds a unit is the store's business, which units are ours to give the
 * claim bitmap's (store/claim.h). */
#ifndef LEASE_POOL_H
#define LEASE_POOL_H

#include "base/siphash.h"
#include "lease/lease.h"

enum {
    POOL_UNITS_LOG2_MAX = 26,
    POOL_EXCLUDES_MAX = 16
};

struct ip6_range {
    struct ip6 first, last; /* inclusive */
};

struct pool {
    uint8_t type;              /* enum lease_type */
    uint8_t delegated_length;  /* PD: 1..64 and beyond; NA: 128 */
    uint8_t exclude_length;    /* RFC 6603: length of the excluded prefix, 0 = none */
    struct ip6 exclude_subnet; /* RFC 6603: the bits between delegated_length and exclude_length */
    struct ip6_range range;    /* PD: aligned to delegated_length at both ends */
    struct ip6_range excludes[POOL_EXCLUDES_MAX]; /* never given out; PD: whole units */
    unsigned exclude_count;
};

/* True when the resource lies in the pool as one unit of it, excluded blocks apart. */
bool pool_contains(const struct pool *pool, const struct resource *resource);

/* True when the resource may be given to a client that asks for it: pool_contains, and no reserved
 * interface identifier (see pool_candidate). */
bool pool_may_give(const struct pool *pool, const struct resource *resource);

/* Number of units, saturating at UINT64_MAX. Excluded ones count. */
uint64_t pool_unit_count(const struct pool *pool);

/* Unit index of a resource that pool_contains. */
uint64_t pool_unit_index(const struct pool *pool, const struct resource *resource);

/* The resource of a unit index < pool_unit_count. */
struct resource pool_unit(const struct pool *pool, uint64_t index);

/* The attempt-th candidate for a client in this pool: keyed, stable, evenly spread (design 2; RFC
 * 7824 on predictability). client_hash is the keyed hash of DUID, IAID and type. parity 0 or 1
 * forces the lowest address bit (RFC 8156 4.2.1; NA only), -1 leaves it. Never an excluded unit,
 * never a reserved IID (RFC 5453: all-zero subnet-router anycast and fdff:ffff:ffff:ff80-ff) in
 * ranges of /64 and shorter. Returns false when this attempt hits one of those; go on with the next
 * attempt. */
bool pool_candidate(const struct pool *pool, uint64_t client_hash, unsigned attempt, int parity,
                    struct resource *ret_resource);

/* The next unit after resource in walking order, wrapping around; skips what pool_candidate skips.
 * False when nothing else is left. */
bool pool_next(const struct pool *pool, const struct resource *resource, int parity,
               struct resource *ret_resource);

#endif

/* Pool arithmetic in 128 bits: an address or prefix, shifted right by the bits a unit leaves to its
 * holder, is a number, and a pool is an interval of such numbers with holes. No division: a hash is
 * spread over the interval by multiplication. Any thread. */
#include "lease/pool.h"

/* Each round of pool_next leaves one hole or mends one parity; a lap has few of either. */
enum {
    NEXT_ROUNDS_MAX = 4 * POOL_EXCLUDES_MAX + 32
};

/* Interface identifiers nobody may be given: RFC 5453 and the IANA registry it made. */
static const struct {
    uint64_t first, last;
} reserved_iids[] = {
    {0, 0},                                         /* subnet-router anycast, RFC 4291 2.6.1 */
    {0x02005efffe000000ULL, 0x02005efffeffffffULL}, /* IANA's Ethernet block, RFC 9371 */
    {0xfdffffffffffff80ULL, 0xfdffffffffffffffULL}, /* subnet anycast, RFC 2526 */
};

static unsigned __int128 bits_of(struct ip6 a)
{
    return (unsigned __int128)a.hi << 64 | a.lo;
}

static unsigned __int128 number_of(const struct pool *pool, struct ip6 a)
{
    T6_ASSERT(pool->delegated_length > 0); /* or the shift is undefined */
    return bits_of(a) >> (128 - pool->delegated_length);
}

static struct resource resource_of(const struct pool *pool, unsigned __int128 number)
{
    unsigned __int128 bits = number << (128 - pool->delegated_length);

    return (struct resource){.prefix = {(uint64_t)(bits >> 64), (uint64_t)bits},
                             .length = pool->delegated_length,
                             .type = pool->type};
}

/* True when number is in a hole; *ret_after is the first number behind that hole. */
static bool in_hole(const struct pool *pool, unsigned __int128 number, unsigned __int128 *ret_after)
{
    for (unsigned i = 0; i < pool->exclude_count; i++) {
        unsigned __int128 last = number_of(pool, pool->excludes[i].last);

        if (number >= number_of(pool, pool->excludes[i].first) && number <= last) {
            *ret_after = last + 1;
            return true;
        }
    }
    return false;
}

/* The same for interface identifiers, which only addresses have. */
static bool in_reserved(const struct pool *pool, unsigned __int128 number,
                        unsigned __int128 *ret_after)
{
    uint64_t iid = (uint64_t)number;

    if (pool->type != LEASE_TYPE_NA) {
        return false;
    }
    for (size_t i = 0; i < sizeof(reserved_iids) / sizeof(reserved_iids[0]); i++) {
        if (iid >= reserved_iids[i].first && iid <= reserved_iids[i].last) {
            *ret_after = number + (reserved_iids[i].last - iid) + 1;
            return true;
        }
    }
    return false;
}

bool pool_contains(const struct pool *pool, const struct resource *resource)
{
    unsigned __int128 bits = bits_of(resource->prefix), after;

    /* Range and prefix are aligned to units alike: no need to shift both. */
    if (resource->type != pool->type || resource->length != pool->delegated_length ||
        bits < bits_of(pool->range.first) || bits > bits_of(pool->range.last) ||
        !ip6_equal(ip6_prefix(resource->prefix, resource->length), resource->prefix)) {
        return false;
    }
    return pool->exclude_count == 0 || !in_hole(pool, number_of(pool, resource->prefix), &after);
}

bool pool_may_give(const struct pool *pool, const struct resource *resource)
{
    unsigned __int128 after;

    return pool_contains(pool, resource) &&
           !in_reserved(pool, number_of(pool, resource->prefix), &after);
}

uint64_t pool_unit_count(const struct pool *pool)
{
    unsigned __int128 distance =
        number_of(pool, pool->range.last) - number_of(pool, pool->range.first);

    return distance >= UINT64_MAX ? UINT64_MAX : (uint64_t)distance + 1;
}

uint64_t pool_unit_index(const struct pool *pool, const struct resource *resource)
{
    unsigned __int128 distance =
        number_of(pool, resource->prefix) - number_of(pool, pool->range.first);

    return distance >= UINT64_MAX ? UINT64_MAX : (uint64_t)distance;
}

struct resource pool_unit(const struct pool *pool, uint64_t index)
{
    return resource_of(pool, number_of(pool, pool->range.first) + index);
}

/* The lowest bit of new addresses tells which partner may give them (RFC 8156 4.2.1). */
static bool parity_wrong(const struct pool *pool, unsigned __int128 number, int parity)
{
    return parity >= 0 && pool->type == LEASE_TYPE_NA && (int)(number & 1) != parity;
}

bool pool_candidate(const struct pool *pool, uint64_t client_hash, unsigned attempt, int parity,
                    struct resource *ret_resource)
{
    uint64_t hash = hash_mix(client_hash + (uint64_t)(attempt + 1) * 0x9e3779b97f4a7c15ULL);
    uint64_t index = (uint64_t)((unsigned __int128)hash * pool_unit_count(pool) >> 64);
    unsigned __int128 number = number_of(pool, pool->range.first) + index;
    unsigned __int128 after;

    if (parity_wrong(pool, number, parity)) {
        number ^= 1;
    }
    if (number < number_of(pool, pool->range.first) || number > number_of(pool, pool->range.last) ||
        in_hole(pool, number, &after) || in_reserved(pool, number, &after)) {
        return false;
    }
    *ret_resource = resource_of(pool, number);
    return true;
}

bool pool_next(const struct pool *pool, const struct resource *resource, int parity,
               struct resource *ret_resource)
{
    unsigned __int128 first = number_of(pool, pool->range.first);
    unsigned __int128 distance_max = number_of(pool, pool->range.last) - first;
    /* Distances from first cannot overflow where numbers could, at the end of the number space. */
    unsigned __int128 start = number_of(pool, resource->prefix) - first, at, after;
    bool wrapped = false;

    start = start > distance_max ? distance_max : start;
    after = start + 1;
    for (unsigned round = 0; round < NEXT_ROUNDS_MAX; round++) {
        /* after == 0: a hole that ends with the last address of all. */
        if (after == 0 || after > distance_max) {
            if (wrapped) {
                return false;
            }
            wrapped = true;
            after = 0;
        }
        at = after;
        if (wrapped && at >= start) {
            return false;
        }
        if (in_hole(pool, first + at, &after) || in_reserved(pool, first + at, &after)) {
            after -= first;
            continue;
        }
        if (parity_wrong(pool, first + at, parity)) {
            after = at + 1;
            continue;
        }
        *ret_resource = resource_of(pool, first + at);
        return true;
    }
    return false;
}

/* Prefix Exclude, RFC 6603 4.2: the data of OPTION_PD_EXCLUDE for the prefixes of a pool. Any
 * thread. */
#ifndef DHCP6_EXCLUDE_H
#define DHCP6_EXCLUDE_H

#include "lease/pool.h"

enum {
    DHCP6_EXCLUDE_SIZE_MAX = 17
};

/* True when the pool's prefixes leave one out. */
static inline bool dhcp6_excludes(const struct pool *pool)
{
    return pool->exclude_length > pool->delegated_length && pool->exclude_length <= 128;
}

/* Writes length and subnet-id of a pool that dhcp6_excludes; returns the size. */
size_t dhcp6_exclude(const struct pool *pool, uint8_t buf[DHCP6_EXCLUDE_SIZE_MAX]);

#endif

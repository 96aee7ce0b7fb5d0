#include "dhcp6/exclude.h"

/* pool->exclude_subnet holds the bits after the delegated length in place; on the wire they start
 * at an octet boundary. */
size_t dhcp6_exclude(const struct pool *pool, uint8_t buf[DHCP6_EXCLUDE_SIZE_MAX])
{
    unsigned delegated = pool->delegated_length, length = pool->exclude_length;
    struct ip6 bits = ip6_prefix(pool->exclude_subnet, length);

    if (delegated >= 64) {
        bits = (struct ip6){delegated == 64 ? bits.lo : bits.lo << (delegated - 64), 0};
    } else if (delegated > 0) {
        bits.hi = bits.hi << delegated | bits.lo >> (64 - delegated);
        bits.lo <<= delegated;
    }
    buf[0] = (uint8_t)length;
    wire_set_ip6(buf + 1, bits);
    return 1 + (length - delegated - 1) / 8 + 1;
}

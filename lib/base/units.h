/* Times and addresses as the whole program counts them.
 *
 * Wall-clock times are 32-bit seconds since 2000-01-01T00:00:00Z modulo 2^32, the wire's own unit
 * (RFC 8156 3), compared by signed difference. Timer intervals are monotonic milliseconds.
 * Header-only; knows nothing of any module; any thread. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t sec_t;  /* seconds since 2000-01-01T00:00:00Z, modulo 2^32 */
typedef uint64_t msec_t; /* monotonic milliseconds */

#define SEC_UNIX_OFFSET   946684800u  /* Unix time of sec_t 0 */
#define LIFETIME_INFINITE 0xffffffffu /* RFC 9915 7.7 */

/* True when a is later than b (signed difference, RFC 8156 3). */
static inline bool sec_after(sec_t a, sec_t b)
{
    return (int32_t)(a - b) > 0;
}

/* The later of two times. */
static inline sec_t sec_max(sec_t a, sec_t b)
{
    return sec_after(a, b) ? a : b;
}

/* Seconds from now until t; 0 when t has passed. */
static inline uint32_t sec_until(sec_t t, sec_t now)
{
    return sec_after(t, now) ? t - now : 0;
}

/* An IPv6 address or prefix in host byte order, so that pools can calculate with it. */
struct ip6 {
    uint64_t hi; /* bits 0..63, the network half */
    uint64_t lo; /* bits 64..127 */
};

static inline bool ip6_equal(struct ip6 a, struct ip6 b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

/* <0, 0, >0 as a sorts before, with or after b. */
static inline int ip6_compare(struct ip6 a, struct ip6 b)
{
    if (a.hi != b.hi) {
        return a.hi < b.hi ? -1 : 1;
    }
    return a.lo == b.lo ? 0 : (a.lo < b.lo ? -1 : 1);
}

/* The address with every bit after the first length cleared; length 0..128. */
static inline struct ip6 ip6_prefix(struct ip6 a, unsigned length)
{
    if (length == 0) {
        return (struct ip6){0, 0};
    }
    if (length <= 64) {
        return (struct ip6){length == 64 ? a.hi : a.hi & ~(UINT64_MAX >> length), 0};
    }
    return (struct ip6){a.hi, length >= 128 ? a.lo : a.lo & ~(UINT64_MAX >> (length - 64))};
}

/* The last address of the prefix a/length. */
static inline struct ip6 ip6_prefix_last(struct ip6 a, unsigned length)
{
    struct ip6 first = ip6_prefix(a, length);

    if (length == 0) {
        return (struct ip6){UINT64_MAX, UINT64_MAX};
    }
    if (length <= 64) {
        return (struct ip6){length == 64 ? first.hi : first.hi | (UINT64_MAX >> length),
                            UINT64_MAX};
    }
    return (struct ip6){first.hi,
                        length >= 128 ? first.lo : first.lo | (UINT64_MAX >> (length - 64))};
}

static inline bool ip6_in_prefix(struct ip6 a, struct ip6 prefix, unsigned length)
{
    return ip6_equal(ip6_prefix(a, length), ip6_prefix(prefix, length));
}

static inline bool ip6_is_zero(struct ip6 a)
{
    return (a.hi | a.lo) == 0;
}

static inline bool ip6_is_link_local(struct ip6 a)
{
    return (a.hi >> 54) == (0xfe80u >> 6);
}

static inline bool ip6_is_multicast(struct ip6 a)
{
    return (a.hi >> 56) == 0xffu;
}

#endif

/* SipHash-2-4: the keyed hash for everything an outsider may choose (DUIDs), so that nobody can aim
 * at one bucket or predict an address (algorithm by Aumasson and Bernstein, 2012). Header-only; any
 * thread. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct siphash_key {
    uint64_t k0, k1;
};

#define SIPHASH_ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIPHASH_ROUND                                                                              \
    do {                                                                                           \
        v0 += v1;                                                                                  \
        v1 = SIPHASH_ROTL(v1, 13) ^ v0;                                                            \
        v0 = SIPHASH_ROTL(v0, 32);                                                                 \
        v2 += v3;                                                                                  \
        v3 = SIPHASH_ROTL(v3, 16) ^ v2;                                                            \
        v0 += v3;                                                                                  \
        v3 = SIPHASH_ROTL(v3, 21) ^ v0;                                                            \
        v2 += v1;                                                                                  \
        v1 = SIPHASH_ROTL(v1, 17) ^ v2;                                                            \
        v2 = SIPHASH_ROTL(v2, 32);                                                                 \
    } while (0)

static inline uint64_t siphash(struct siphash_key key, const void *data, size_t size)
{
    uint64_t v0 = key.k0 ^ 0x736f6d6570736575ULL, v1 = key.k1 ^ 0x646f72616e646f6dULL;
    uint64_t v2 = key.k0 ^ 0x6c7967656e657261ULL, v3 = key.k1 ^ 0x7465646279746573ULL;
    const uint8_t *p = data;
    uint64_t last = (uint64_t)size << 56, m;
    const size_t whole = size;

    for (; size >= 8; size -= 8, p += 8) {
        memcpy(&m, p, 8);
        v3 ^= m;
        SIPHASH_ROUND;
        SIPHASH_ROUND;
        v0 ^= m;
    }
    if (whole >= 8 && size > 0) { /* the last word again, without what was hashed */
        memcpy(&m, p + size - 8, 8);
        last |= m >> (64 - 8 * size);
    } else {
        for (size_t i = 0; i < size; i++) {
            last |= (uint64_t)p[i] << (8 * i);
        }
    }
    v3 ^= last;
    SIPHASH_ROUND;
    SIPHASH_ROUND;
    v0 ^= last;
    v2 ^= 0xff;
    SIPHASH_ROUND;
    SIPHASH_ROUND;
    SIPHASH_ROUND;
    SIPHASH_ROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}

/* A cheap bijective mix (SplitMix64's finaliser) for deriving further hashes from a keyed one. */
static inline uint64_t hash_mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ULL;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

#endif

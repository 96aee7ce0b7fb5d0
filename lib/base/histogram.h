/* Log-linear histogram: each power of two is cut into 16 equal buckets, so a quantile read from it
 * is at most 1/16 too high and never too low. Fixed size, no allocation. Header-only.
 *
 * One owner thread adds, with plain loads and stores; any thread takes a picture
 * (histogram_gather) and reads quantiles from that. The unit is the user's, nanoseconds as a
 * rule. */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

enum {
    HISTOGRAM_LINEAR_LOG2 = 4, /* buckets per power of two, as a power of two */
    HISTOGRAM_LINEAR = 1 << HISTOGRAM_LINEAR_LOG2,
    HISTOGRAM_VALUE_LOG2_MAX = 40, /* larger values count in the last bucket: 18 min in ns */
    HISTOGRAM_BUCKETS = HISTOGRAM_LINEAR * (HISTOGRAM_VALUE_LOG2_MAX - HISTOGRAM_LINEAR_LOG2 + 1)
};

/* Owner thread writes, any thread reads. */
struct histogram {
    _Alignas(CACHE_LINE) _Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum;
    _Atomic uint64_t max;
};

/* A sum of histograms at one moment; private to its reader. */
struct histogram_picture {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count, sum, max;
};

static inline unsigned histogram_bucket(uint64_t value)
{
    unsigned log2, shift;

    if (value < HISTOGRAM_LINEAR) {
        return (unsigned)value;
    }
    log2 = 63u - (unsigned)__builtin_clzll(value);
    if (log2 >= HISTOGRAM_VALUE_LOG2_MAX) {
        return HISTOGRAM_BUCKETS - 1;
    }
    shift = log2 - HISTOGRAM_LINEAR_LOG2;
    return (shift + 1) * HISTOGRAM_LINEAR + (unsigned)((value >> shift) & (HISTOGRAM_LINEAR - 1));
}

/* The largest value that counts in the bucket. */
static inline uint64_t histogram_bucket_last(unsigned bucket)
{
    unsigned shift;

    if (bucket < HISTOGRAM_LINEAR) {
        return bucket;
    }
    shift = bucket / HISTOGRAM_LINEAR - 1;
    return ((uint64_t)(HISTOGRAM_LINEAR + bucket % HISTOGRAM_LINEAR + 1) << shift) - 1;
}

static inline void histogram_value_add(_Atomic uint64_t *value, uint64_t n)
{
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* Owner thread only. count values of the same size (a burst shares one duration). */
static inline void histogram_add_many(struct histogram *histogram, uint64_t value, uint64_t count)
{
    histogram_value_add(&histogram->buckets[histogram_bucket(value)], count);
    histogram_value_add(&histogram->sum, value * count);
    if (value > atomic_load_explicit(&histogram->max, memory_order_relaxed)) {
        atomic_store_explicit(&histogram->max, value, memory_order_relaxed);
    }
}

/* Owner thread only. */
static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram_add_many(histogram, value, 1);
}

/* Adds the histogram's present contents to the picture, which starts as zeros. */
static inline void histogram_gather(const struct histogram *histogram,
                                    struct histogram_picture *picture)
{
    uint64_t max = atomic_load_explicit(&histogram->max, memory_order_relaxed);

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t n = atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);

        picture->buckets[i] += n;
        picture->count += n;
    }
    picture->sum += atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    picture->max = max > picture->max ? max : picture->max;
}

/* The value that per_mille of 1000 values do not exceed (500 = median, 999 = p999), rounded up to
 * its bucket's end; 0 when nothing was counted. */
static inline uint64_t histogram_quantile(const struct histogram_picture *picture,
                                          unsigned per_mille)
{
    /* Rank of the wanted value, rounded up, at least the first. */
    uint64_t rank =
        picture->count / 1000 * per_mille + (picture->count % 1000 * per_mille + 999) / 1000;
    uint64_t seen = 0, last;

    T6_ASSERT(per_mille <= 1000);
    if (picture->count == 0) {
        return 0;
    }
    rank = rank ? rank : 1;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += picture->buckets[i];
        if (seen >= rank) {
            last = histogram_bucket_last(i);
            return last < picture->max && i < HISTOGRAM_BUCKETS - 1 ? last : picture->max;
        }
    }
    return picture->max;
}

#endif

/* Counters: one enum row, name and help text from counter.def; one block of values per thread,
 * written by its owner alone and read by anyone. Header-only but for the tables in counter.c. */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"

enum counter {
#define COUNTER(name, group, help) COUNTER_##name,
#include "base/counter.def"
#undef COUNTER
    COUNTER_COUNT
};

struct counter_row {
    const char *name, *group, *help;
};

extern const struct counter_row counter_table[COUNTER_COUNT];

struct counters {
    _Alignas(CACHE_LINE) _Atomic uint64_t values[COUNTER_COUNT];
};

/* Owner thread only: a plain load and store, no locked instruction. */
static inline void counter_add(struct counters *counters, enum counter counter, uint64_t n)
{
    uint64_t v = atomic_load_explicit(&counters->values[counter], memory_order_relaxed);
    atomic_store_explicit(&counters->values[counter], v + n, memory_order_relaxed);
}

static inline void counter_inc(struct counters *counters, enum counter counter)
{
    counter_add(counters, counter, 1);
}

static inline uint64_t counter_get(const struct counters *counters, enum counter counter)
{
    return atomic_load_explicit(&counters->values[counter], memory_order_relaxed);
}

#endif

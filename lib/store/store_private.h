/* What store.c and load.c share. Internal to lib/store. */
#ifndef STORE_STORE_PRIVATE_H
#define STORE_STORE_PRIVATE_H

#include "store/index.h"
#include "store/slots.h"
#include "store/store.h"
#include "store/tomb.h"

/* Owner: the thread with this committer number; counters are read by anyone. */
struct committer {
    _Alignas(CACHE_LINE) struct slot_cache cache;
    _Atomic uint64_t by_status[BINDING_STATUS_COUNT]; /* differences; the sum over committers */
};

/* The floor, which is written, stands in a line apart from what all read.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct store {
    struct slots slots;
    struct index index;
    struct siphash_key key;
    uint32_t committer_count;
    struct committer *committers;
    struct tombs tombs;         /* boot only */
    struct load_queue *queue;   /* boot only; kept for the next store_load */
    struct load_queue *loading; /* the same while there are steps in it, else NULL */
    _Alignas(CACHE_LINE) _Atomic uint64_t version_floor;
};

/* Steps of loading that were put off, see load.c: none while the store is in use, so this is one
 * look at a pointer. Whatever shows or changes leases calls it first. */
void store_load_flush(struct load_queue *queue);

static inline void store_settle(const struct store *store)
{
    if (unlikely(store->loading != NULL)) {
        store_load_flush(store->loading);
    }
}

/* False when the lease cannot be kept in a slot. */
bool store_lease_fits(const struct lease *lease);
uint64_t store_resource_hash(const struct store *store, const struct resource *resource);
uint64_t store_lease_client_hash(const struct store *store, const struct lease *lease);
/* Same client, same info: next may go into the slot in place. The slot is LIVE or the caller's. */
bool store_same_identity(const struct store *store, uint32_t slot, const struct lease *next);
/* Leases that never had a client are in no client chain: it would be one for all of them. */
void store_client_add(struct store *store, uint32_t slot, const struct lease *lease);
void store_client_remove(struct store *store, uint32_t slot);
/* Takes the slot out of the resource index; the caller owns its lease. */
void store_resource_remove(struct store *store, uint32_t slot);

static inline void committer_count(struct committer *committer, unsigned status, uint64_t n)
{
    _Atomic uint64_t *counter = &committer->by_status[status];

    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline unsigned slot_status(const struct slots *slots, uint32_t slot)
{
    return (uint8_t)atomic_load_explicit(&slots->hot[slot].state, memory_order_relaxed);
}

#endif

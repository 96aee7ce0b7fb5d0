/* The two indexes over the slots: by resource (unique, decides races) and by client (a hint with
 * duplicates). Internal to lib/store, and the only place that knows which kind of table they are:
 * buckets of one cache line, 7 entries each, fixed size, no memory taken after start. (The tests
 * have a second one with the same functions, over cds_lfht, to compare with.)
 *
 * What the store relies on, whatever the table is:
 * - all functions are called by QSBR-registered threads between quiescent states (at boot and stop:
 *   by the only thread); none waits for another thread;
 * - index_resource_replace leaves no moment in which a look-up finds neither slot;
 * - a client walk that index_client_settled calls complete, and that begins before a slot is added
 *   and ends after an older slot of the same key is removed, has met at least one of them;
 * - a slot taken out may be met until a grace period has passed. */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "lease/lease.h"
#include "store/arena.h"

struct index_bucket;
struct slots;

struct index_table {
    struct index_bucket *buckets;
    uint64_t count; /* of buckets; a prime */
    struct arena arena;
};

struct index {
    struct index_table by_resource, by_client;
};

int index_init(struct index *index, uint32_t entries_max) MUST_CHECK;
void index_done(struct index *index);
uint64_t index_memory(const struct index *index);

/* The slot of the resource, or LEASE_SLOT_NONE. */
uint32_t index_resource_find(const struct index *index, const struct slots *slots, uint64_t hash,
                             const struct resource *resource);
/* 0; -EEXIST when the resource has a slot already, which *ret_present tells; -EAGAIN when another
 * thread is adding to the same place at this moment. */
int index_resource_add(struct index *index, const struct slots *slots, uint64_t hash, uint32_t slot,
                       uint32_t *ret_present) MUST_CHECK;
/* base must be the resource's slot and the caller the only one who may change that. Both cannot
 * fail. */
void index_resource_replace(struct index *index, uint64_t hash, uint32_t base, uint32_t slot);
void index_resource_remove(struct index *index, uint64_t hash, uint32_t slot);

/* Neither can fail. The slot's adder, or whoever took its lease over, removes it. */
void index_client_add(struct index *index, uint64_t hash, uint32_t slot);
void index_client_remove(struct index *index, uint64_t hash, uint32_t slot);

/* Walk over the entries of one hash. */
struct index_cursor {
    const struct index_table *table;
    uint64_t hash;
    uint64_t bucket, step; /* where it stands; on to the next one, 0: not known yet */
    uint64_t left;         /* buckets it may still visit */
    unsigned mask;         /* entries of this bucket still to look at */
};

/* Walk over the slots of one client: first, then next until LEASE_SLOT_NONE. */
struct index_walk {
    const struct slots *slots;
    struct span duid;
    uint32_t iaid;
    uint8_t type;
    uint64_t generation;
    struct index_cursor cursor;
};

uint32_t index_client_first(const struct index *index, uint64_t hash, struct index_walk *walk);
uint32_t index_client_next(struct index_walk *walk);
/* False: slots were added meanwhile, the walk may have missed one and should be done again. */
bool index_client_settled(const struct index_walk *walk);

/* Bring memory closer, in two stages with something else between: the bucket of a hash; and, the
 * bucket being there, what it points to. No effect on results. */
void index_resource_prefetch(const struct index *index, uint64_t hash);
void index_resource_prefetch_slots(const struct index *index, const struct slots *slots,
                                   uint64_t hash);
void index_client_prefetch(const struct index *index, uint64_t hash);
void index_client_prefetch_slots(const struct index *index, const struct slots *slots,
                                 uint64_t hash);

#endif

/* The two indexes over the slots: by resource (unique, decides races) and by client (a hint with
 * duplicates). Internal to lib/store, and the only place that knows which kind of table they are:
 * cds_lfht of liburcu, fixed size, urcu-qsbr flavour.
 *
 * What the store relies on, whatever the table is:
 * - all functions are lock-free, called by QSBR-registered threads between quiescent states (at
 *   boot and stop: by the only thread);
 * - index_resource_replace leaves no moment in which a look-up finds neither slot;
 * - a client walk that begins before a slot is added and ends after an older slot of the same key
 *   is removed meets at least one of them (equal keys stand in the order they were added);
 * - a slot taken out may be walked over until a grace period has passed. */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include <stdbool.h>

#include <urcu/rculfhash.h>
#include <urcu/urcu-qsbr.h>

#include "lease/lease.h"

struct slots;

/* What a slot holds for the indexes. */
struct index_links {
    struct cds_lfht_node by_resource, by_client;
};

struct index {
    struct cds_lfht *by_resource, *by_client;
    uint64_t bucket_count; /* of each */
};

int index_init(struct index *index, uint32_t entries_max) MUST_CHECK;
/* All slots must have been removed. */
void index_done(struct index *index);
uint64_t index_memory(const struct index *index);

/* The slot of the resource, or LEASE_SLOT_NONE. */
uint32_t index_resource_find(const struct index *index, const struct slots *slots, uint64_t hash,
                             const struct resource *resource);
/* False when the resource has a slot already; ret_present says which. */
bool index_resource_add(struct index *index, const struct slots *slots, uint64_t hash,
                        uint32_t slot, uint32_t *ret_present);
/* base must be the resource's slot and the caller the only one who may change that. */
void index_resource_replace(struct index *index, const struct slots *slots, uint64_t hash,
                            uint32_t base, uint32_t slot);
void index_resource_remove(struct index *index, const struct slots *slots, uint32_t slot);

void index_client_add(struct index *index, const struct slots *slots, uint64_t hash, uint32_t slot);
void index_client_remove(struct index *index, const struct slots *slots, uint32_t slot);

/* Walk over the slots of one client: first, then next until LEASE_SLOT_NONE. */
struct index_walk {
    const struct slots *slots;
    struct span duid;
    uint32_t iaid;
    uint8_t type;
    struct cds_lfht_iter iter;
};

uint32_t index_client_first(const struct index *index, uint64_t hash, struct index_walk *walk);
uint32_t index_client_next(const struct index *index, struct index_walk *walk);

#endif

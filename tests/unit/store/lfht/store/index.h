/* A second index behind the same functions as lib/store/index.h, over liburcu's cds_lfht: slower
 * and larger, but somebody else's and older. Found before the other by the include path when the
 * store is built for comparison; see there for what the functions mean. */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include <urcu/rculfhash.h>
#include <urcu/urcu-qsbr.h>

#include "lease/lease.h"

struct slots;

/* One per slot, beside the slots. */
struct index_links {
    struct cds_lfht_node by_resource, by_client;
};

struct index {
    struct cds_lfht *by_resource, *by_client;
    struct index_links *links;
    uint64_t bucket_count; /* of each table */
    uint32_t entries_max;
};

int index_init(struct index *index, uint32_t entries_max) MUST_CHECK;
void index_done(struct index *index);
uint64_t index_memory(const struct index *index);

uint32_t index_resource_find(const struct index *index, const struct slots *slots, uint64_t hash,
                             const struct resource *resource);
int index_resource_add(struct index *index, const struct slots *slots, uint64_t hash, uint32_t slot,
                       uint32_t *ret_present) MUST_CHECK;
void index_resource_replace(struct index *index, uint64_t hash, uint32_t base, uint32_t slot);
void index_resource_remove(struct index *index, uint64_t hash, uint32_t slot);

void index_client_add(struct index *index, uint64_t hash, uint32_t slot);
void index_client_remove(struct index *index, uint64_t hash, uint32_t slot);

struct index_walk {
    const struct slots *slots;
    struct span duid;
    uint32_t iaid;
    uint8_t type;
    const struct index *index;
    struct cds_lfht_iter iter;
};

uint32_t index_client_first(const struct index *index, uint64_t hash, struct index_walk *walk);
uint32_t index_client_next(struct index_walk *walk);
bool index_client_settled(const struct index_walk *walk);

void index_resource_prefetch(const struct index *index, uint64_t hash);
void index_resource_prefetch_slots(const struct index *index, const struct slots *slots,
                                   uint64_t hash);
void index_client_prefetch(const struct index *index, uint64_t hash);
void index_client_prefetch_slots(const struct index *index, const struct slots *slots,
                                 uint64_t hash);

#endif

/* Which resources were forgotten, and at which version, while the log is replayed: records of
 * different committers stand in it in no strict order, so a forgotten lease's own record may follow
 * the record that forgot it. Open addressing, grows; boot only, single thread. Internal to
 * lib/store. */
#ifndef STORE_TOMB_H
#define STORE_TOMB_H

#include "lease/lease.h"

struct tomb {
    struct resource resource;
    uint64_t version; /* 0: empty place */
    uint64_t hash;
};

struct tombs {
    struct tomb *places;
    size_t place_count; /* power of two, or 0 */
    size_t count;
    bool failed; /* no memory for some of them */
};

/* Raises the resource's version. */
void tombs_add(struct tombs *tombs, uint64_t hash, const struct resource *resource,
               uint64_t version);
/* 0 when the resource was not forgotten. */
uint64_t tombs_version(const struct tombs *tombs, uint64_t hash, const struct resource *resource);
void tombs_done(struct tombs *tombs);

#endif

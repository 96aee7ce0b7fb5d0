/* Memory of the store: few large pieces, mapped once at start and never grown. Huge pages where the
 * machine has them reserved, else transparent ones, else small ones - the order of their cost per
 * look-up. Zeroed. Internal to lib/store; called at start and stop. */
#ifndef STORE_ARENA_H
#define STORE_ARENA_H

#include <stddef.h>

#include "base/err.h"

struct arena {
    void *memory; /* NULL: not mapped */
    size_t size;  /* as mapped */
};

/* ARENA_DENSE: all of it will be used, take huge pages. ARENA_SPARSE: most of it may never be
 * touched, so let it cost only what is used. */
enum arena_kind {
    ARENA_DENSE,
    ARENA_SPARSE
};

int arena_map(struct arena *arena, size_t size, enum arena_kind kind) MUST_CHECK;
void arena_unmap(struct arena *arena);

#endif

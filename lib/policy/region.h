/* Memory that lives and dies together: a configuration, and the policy made of it. Grows by blocks;
 * nothing is freed singly. One thread at a time. Private to lib/policy. */
#ifndef POLICY_REGION_H
#define POLICY_REGION_H

#include <stddef.h>

#include "base/err.h"
#include "base/wire.h"

struct region_block;

struct region {
    struct region_block *blocks;
    size_t used; /* of the newest block */
};

/* Zeroed, aligned to 16; NULL without memory. count * size is checked. A size of 0 gives a valid
 * pointer. */
void *region_alloc(struct region *region, size_t count, size_t size) MUST_CHECK;

/* A copy with a NUL behind it. */
char *region_copy(struct region *region, const void *data, size_t size) MUST_CHECK;

void region_done(struct region *region);

#endif

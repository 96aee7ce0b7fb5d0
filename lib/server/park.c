#include "server/park.h"

#include <stdlib.h>

int park_init(struct park *park, uint32_t capacity)
{
    T6_ASSERT(capacity && (capacity & (capacity - 1)) == 0);
    *park = (struct park){.mask = capacity - 1};
    park->entries = calloc(capacity, sizeof(*park->entries));
    return park->entries ? 0 : -ENOMEM;
}

void park_done(struct park *park)
{
    free(park->entries);
    park->entries = NULL;
}

void park_push(struct park *park, const struct parked *reply)
{
    T6_ASSERT(!park_full(park));
    park->entries[park->head & park->mask] = *reply;
    park->head++;
    if (park_used(park) > park->used_max) {
        park->used_max = park_used(park);
    }
}

bool park_pop(struct park *park, uint64_t durable, struct parked *ret_parked)
{
    const struct parked *oldest = &park->entries[park->tail & park->mask];

    if (park->head == park->tail || oldest->position > durable) {
        return false;
    }
    *ret_parked = *oldest;
    park->tail++;
    return true;
}

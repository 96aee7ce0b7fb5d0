/* Replies waiting for the disk: first in, first out, since the positions of one change ring only
 * rise. Owned by one worker. */
#ifndef SERVER_PARK_H
#define SERVER_PARK_H

#include "base/err.h"
#include "base/units.h"
#include "server/packet.h"

struct parked {
    uint64_t position; /* of the reply's last change in the worker's ring */
    msec_t since_ms;
    uint64_t since_ns; /* the same, finer; 0: not known */
    struct packet packet;
};

struct park {
    struct parked *entries;
    uint32_t mask;       /* capacity - 1, capacity is a power of two */
    uint32_t head, tail; /* next to fill, next to release; free running */
    uint32_t used_max;   /* high-water mark */
};

enum {
    PARK_AGE_MAX_MS = 1000
}; /* older replies are dropped: a client counts from receipt */

int park_init(struct park *park, uint32_t capacity) MUST_CHECK;
void park_done(struct park *park);

static inline uint32_t park_used(const struct park *park)
{
    return park->head - park->tail;
}

static inline bool park_full(const struct park *park)
{
    return park_used(park) > park->mask;
}

/* Only when not full. */
void park_push(struct park *park, const struct parked *reply);

/* The oldest reply if its position is durable; false when none is. Pops it. */
bool park_pop(struct park *park, uint64_t durable, struct parked *ret_parked);

#endif

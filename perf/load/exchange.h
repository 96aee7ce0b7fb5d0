/* What happens to one client between its start and its end: messages, repetitions, answers. The
 * engine's own; one thread. */
#ifndef LOAD_EXCHANGE_H
#define LOAD_EXCHANGE_H

#include "base/siphash.h"
#include "engine.h"

#define NS_PER_S  1000000000ULL
#define NS_PER_MS 1000000ULL

struct op_row {
    uint8_t from; /* PHASE_UNBOUND or PHASE_BOUND */
    uint8_t kind; /* first message */
    uint8_t flags;
};

extern const struct op_row op_rows[OP_COUNT];

static inline uint32_t engine_random(struct engine *engine)
{
    engine->random += 0x9e3779b97f4a7c15ULL;
    return (uint32_t)(hash_mix(engine->random) >> 32);
}

/* Below bound, which is not 0. */
static inline uint32_t engine_random_below(struct engine *engine, uint32_t bound)
{
    return (uint32_t)((uint64_t)engine_random(engine) * bound >> 32);
}

static inline uint32_t engine_now_ms(const struct engine *engine)
{
    return (uint32_t)((engine->now_ns - engine->start_ns) / NS_PER_MS);
}

static inline uint32_t engine_now_s(const struct engine *engine)
{
    return (uint32_t)((engine->now_ns - engine->start_ns) / NS_PER_S);
}

static inline bool engine_has_time_left(const struct engine *engine, const struct client *client)
{
    return (client->flags & CLIENT_HOLDS) && client->valid_until_s > engine_now_s(engine);
}

/* Sends what is written but not sent. */
void exchange_flush(struct engine *engine);

/* The client is in no list and has no timer. at_ns: when it was to start. */
void exchange_start(struct engine *engine, uint32_t index, enum op op, uint64_t at_ns);

/* The client's timer fired. */
void exchange_timer(struct engine *engine, uint32_t index);

/* Something arrived. */
void exchange_receive(struct engine *engine, const struct datagram *datagram);

#endif

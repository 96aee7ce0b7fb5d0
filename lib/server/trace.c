#include "server/trace.h"

#include <stdlib.h>

enum {
    CLIENT_ID_OPTION = 1 /* RFC 9915 21.2 */
};

struct trace *trace_new(unsigned worker_count)
{
    size_t size = sizeof(struct trace) + worker_count * sizeof(struct trace_lane);
    struct trace *trace;

    size = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    trace = aligned_alloc(CACHE_LINE, size);
    if (trace) {
        memset(trace, 0, size);
        trace->lane_count = worker_count;
    }
    return trace;
}

void trace_free(struct trace *trace)
{
    free(trace);
}

/* A new generation with that needle; see trace_look. */
static uint32_t needle_publish(struct trace *trace, const uint8_t *needle, size_t size)
{
    uint32_t generation = atomic_load_explicit(&trace->generation, memory_order_relaxed);

    T6_ASSERT(size <= TRACE_NEEDLE_MAX);
    atomic_store_explicit(&trace->generation, generation + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = 0;

        memcpy(&word, needle + at, size - at < 8 ? size - at : 8);
        atomic_store_explicit(&trace->needle[at / 8], word, memory_order_relaxed);
    }
    atomic_store_explicit(&trace->needle_size, (uint32_t)size, memory_order_relaxed);
    atomic_store_explicit(&trace->generation, generation + 2, memory_order_release);
    return generation + 2;
}

uint32_t trace_begin(struct trace *trace, struct span duid)
{
    uint8_t needle[TRACE_NEEDLE_MAX];

    T6_ASSERT(duid.size && duid.size <= DUID_SIZE_MAX);
    wire_set_u16(needle, CLIENT_ID_OPTION);
    wire_set_u16(needle + 2, (uint16_t)duid.size);
    memcpy(needle + TRACE_NEEDLE_HEAD, duid.data, duid.size);
    return needle_publish(trace, needle, TRACE_NEEDLE_HEAD + duid.size);
}

void trace_end(struct trace *trace)
{
    (void)needle_publish(trace, NULL, 0);
}

const struct trace_step *trace_take(const struct trace *trace, unsigned lane)
{
    const struct trace_lane *from = &trace->lanes[lane];
    uint32_t tail = atomic_load_explicit(&from->tail, memory_order_relaxed);

    if (tail == atomic_load_explicit(&from->head, memory_order_acquire)) {
        return NULL;
    }
    return &from->steps[tail % TRACE_LANE];
}

void trace_taken(struct trace *trace, unsigned lane)
{
    _Atomic uint32_t *tail = &trace->lanes[lane].tail;

    atomic_store_explicit(tail, atomic_load_explicit(tail, memory_order_relaxed) + 1,
                          memory_order_release);
}

uint64_t trace_lost(struct trace *trace)
{
    uint64_t lost = 0;

    for (unsigned i = 0; i < trace->lane_count; i++) {
        lost += atomic_exchange_explicit(&trace->lanes[i].lost, 0, memory_order_relaxed);
    }
    return lost;
}

bool trace_look(const struct trace *trace, struct trace_lane *lane)
{
    uint32_t generation = atomic_load_explicit(&trace->generation, memory_order_acquire);
    uint32_t size = atomic_load_explicit(&trace->needle_size, memory_order_relaxed);

    for (size_t i = 0; i < TRACE_WORDS; i++) {
        uint64_t word = atomic_load_explicit(&trace->needle[i], memory_order_relaxed);

        memcpy(lane->needle + 8 * i, &word, sizeof(word));
    }
    atomic_thread_fence(memory_order_acquire);
    if (generation % 2 ||
        atomic_load_explicit(&trace->generation, memory_order_relaxed) != generation) {
        return false;
    }
    lane->needle_size = size;
    lane->generation = generation;
    return true;
}

struct trace_step *trace_room(struct trace_lane *lane)
{
    uint32_t head = atomic_load_explicit(&lane->head, memory_order_relaxed);
    struct trace_step *step = &lane->steps[head % TRACE_LANE];

    if (head - atomic_load_explicit(&lane->tail, memory_order_acquire) >= TRACE_LANE) {
        atomic_fetch_add_explicit(&lane->lost, 1, memory_order_relaxed);
        return NULL;
    }
    step->generation = lane->generation;
    return step;
}

void trace_put(struct trace_lane *lane)
{
    atomic_store_explicit(&lane->head, atomic_load_explicit(&lane->head, memory_order_relaxed) + 1,
                          memory_order_release);
}

bool trace_sees(const struct trace_lane *lane, struct span frame)
{
    return memmem(frame.data, frame.size, lane->needle, lane->needle_size) != NULL;
}

/* One-way ring of packets from one worker to another: what may allocate is decided by the client's
 * home worker (design 2). Single producer, single consumer; bounded. Header-only. */
#ifndef SERVER_HANDOVER_H
#define SERVER_HANDOVER_H

#include <stdatomic.h>

#include "base/err.h"
#include "server/packet.h"

enum {
    HANDOVER_CAPACITY = 1024
};

struct handover {
    _Alignas(CACHE_LINE) _Atomic uint32_t head; /* producer's */
    uint32_t tail_seen;
    uint32_t used_max;
    _Alignas(CACHE_LINE) _Atomic uint32_t tail; /* consumer's */
    _Alignas(CACHE_LINE) struct packet packets[HANDOVER_CAPACITY];
};

/* Producer. False when full: the packet stays the caller's. */
static inline bool handover_push(struct handover *ring, const struct packet *packet)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    if (head - ring->tail_seen >= HANDOVER_CAPACITY) {
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head - ring->tail_seen >= HANDOVER_CAPACITY) {
            return false;
        }
    }
    ring->packets[head % HANDOVER_CAPACITY] = *packet;
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    if (head + 1 - ring->tail_seen > ring->used_max) {
        ring->used_max = head + 1 - ring->tail_seen;
    }
    return true;
}

/* Consumer. At most max packets. */
static inline unsigned handover_pop(struct handover *ring, struct packet *ret_packets, unsigned max)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    unsigned count = 0;

    while (tail + count != head && count < max) {
        ret_packets[count] = ring->packets[(tail + count) % HANDOVER_CAPACITY];
        count++;
    }
    if (count) {
        atomic_store_explicit(&ring->tail, tail + count, memory_order_release);
    }
    return count;
}

#endif

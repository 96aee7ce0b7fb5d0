/* The one-way street from a committer to the journal: a single-producer, single-consumer ring of
 * variable-size change records, and the durable position the journal publishes back.
 *
 * A committer reserves room *before* it commits (no room: shed the request), writes the record
 * after the commit, and publishes. Positions count bytes since start and never wrap. The reply to a
 * change published at position P may leave once change_durable(ring) >= P.
 *
 * Entry layout in the ring: struct change_head, then `size` bytes of record as the journal stores
 * it, padded to 8. Header-only; thread rules at each function. */
#ifndef BASE_CHANGE_H
#define BASE_CHANGE_H

#include <stdatomic.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/wire.h"

struct change_head {
    uint32_t size; /* record bytes that follow */
    uint32_t slot; /* the lease's slot; UINT32_MAX for records that are no lease */
};

#define CHANGE_SLOT_NONE UINT32_MAX

enum {
    CHANGE_RECORD_MAX = 640
}; /* largest record, one lease with everything */

/* What one thread writes stands apart from what another one does.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct change_ring {
    uint8_t *bytes;
    size_t size; /* power of two */
    /* Producer's line: written by the committer. */
    _Alignas(CACHE_LINE) _Atomic uint64_t head; /* bytes published */
    uint64_t tail_seen;                         /* producer's last view of tail */
    uint64_t full_count;                        /* refused reservations */
    uint64_t used_max;                          /* high-water mark, bytes */
    /* Consumer's line: written by the journal thread. */
    _Alignas(CACHE_LINE) _Atomic uint64_t tail; /* bytes consumed; their room may be used again */
    /* Written by the journal thread once per batch, read by the committer once per turn. */
    _Alignas(CACHE_LINE) _Atomic uint64_t durable; /* bytes on stable storage */
};

static inline int change_ring_init(struct change_ring *ring, size_t size)
{
    T6_ASSERT(size >= 4096 && (size & (size - 1)) == 0);
    *ring = (struct change_ring){.bytes = aligned_alloc(CACHE_LINE, size), .size = size};
    return ring->bytes ? 0 : -ENOMEM;
}

static inline void change_ring_done(struct change_ring *ring)
{
    free(ring->bytes);
    ring->bytes = NULL;
}

static inline size_t change_entry_size(size_t record_size)
{
    return sizeof(struct change_head) + ((record_size + 7) & ~(size_t)7);
}

/* Producer. True when count records of at most CHANGE_RECORD_MAX octets are sure to fit, wherever
 * the ring wraps. Ask before the first commit of a request. */
static inline bool change_ring_has_room(struct change_ring *ring, unsigned count)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t need = ((uint64_t)count + 1) * change_entry_size(CHANGE_RECORD_MAX);

    if (head + need - ring->tail_seen <= ring->size) {
        return true;
    }
    ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (head + need - ring->tail_seen <= ring->size) {
        return true;
    }
    ring->full_count++;
    return false;
}

/* Producer. CHANGE_RECORD_MAX octets of contiguous room for the next record; only after has_room.
 */
static inline uint8_t *change_ring_room(struct change_ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t at = (size_t)head & (ring->size - 1);

    if (ring->size - at < change_entry_size(CHANGE_RECORD_MAX)) {
        /* The rest of the lap is too short: fill it with a skip entry (size UINT32_MAX). */
        struct change_head skip = {UINT32_MAX, CHANGE_SLOT_NONE};
        memcpy(ring->bytes + at, &skip, sizeof(skip));
        atomic_store_explicit(&ring->head, head + (ring->size - at), memory_order_release);
        at = 0;
    }
    return ring->bytes + at + sizeof(struct change_head);
}

/* Producer. Publishes the record written at change_ring_room; returns its position. */
static inline uint64_t change_ring_publish(struct change_ring *ring, uint32_t slot, size_t size)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    struct change_head entry = {(uint32_t)size, slot};
    uint64_t used;

    T6_ASSERT(size <= CHANGE_RECORD_MAX);
    memcpy(ring->bytes + ((size_t)head & (ring->size - 1)), &entry, sizeof(entry));
    head += change_entry_size(size);
    atomic_store_explicit(&ring->head, head, memory_order_release);
    used = head - ring->tail_seen;
    ring->used_max = used > ring->used_max ? used : ring->used_max;
    return head;
}

/* Consumer. The record at position *at (start with the ring's tail), or size 0 when nothing more is
 * published; moves *at behind it. The bytes stay valid until change_ring_consume passes them. */
static inline struct span change_ring_next(const struct change_ring *ring, uint64_t *at,
                                           uint32_t *ret_slot)
{
    for (;;) {
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
        const uint8_t *p = ring->bytes + ((size_t)*at & (ring->size - 1));
        struct change_head entry;

        if (*at == head) {
            return (struct span){NULL, 0};
        }
        memcpy(&entry, p, sizeof(entry));
        if (entry.size == UINT32_MAX) {
            *at += ring->size - ((size_t)*at & (ring->size - 1));
            continue;
        }
        *at += change_entry_size(entry.size);
        *ret_slot = entry.slot;
        return (struct span){p + sizeof(entry), entry.size};
    }
}

/* Consumer. Everything before position has been copied out. */
static inline void change_ring_consume(struct change_ring *ring, uint64_t position)
{
    atomic_store_explicit(&ring->tail, position, memory_order_release);
}

/* Consumer. Everything before position is on stable storage. */
static inline void change_ring_durable_set(struct change_ring *ring, uint64_t position)
{
    atomic_store_explicit(&ring->durable, position, memory_order_release);
}

/* Producer. Bytes on stable storage. */
static inline uint64_t change_ring_durable(const struct change_ring *ring)
{
    return atomic_load_explicit(&ring->durable, memory_order_acquire);
}

/* Producer. Position of the last published record. */
static inline uint64_t change_ring_head(const struct change_ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_relaxed);
}

#endif

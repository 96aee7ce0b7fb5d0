/* Tells the control core which leases became durable, while somebody listens: a ring of slots
 * and versions from the journal thread. Full: counted, never waited for. */
#ifndef SERVER_LEASE_TAP_H
#define SERVER_LEASE_TAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    LEASE_TAP_SIZE = 1 << 14 /* a power of two */
};

struct lease_tap_row {
    uint32_t slot;
    uint64_t version;
};

struct lease_tap {
    _Atomic bool open;     /* set by the control core */
    _Atomic uint64_t head; /* written by the journal thread */
    _Atomic uint64_t tail; /* written by the control core */
    _Atomic uint64_t lost; /* added to by the journal thread, taken by the control core */
    struct lease_tap_row rows[LEASE_TAP_SIZE];
};

static inline bool lease_tap_is_open(const struct lease_tap *tap)
{
    return atomic_load_explicit(&tap->open, memory_order_relaxed);
}

/* Journal thread only. */
static inline void lease_tap_put(struct lease_tap *tap, uint32_t slot, uint64_t version)
{
    uint64_t head = atomic_load_explicit(&tap->head, memory_order_relaxed);

    if (head - atomic_load_explicit(&tap->tail, memory_order_acquire) >= LEASE_TAP_SIZE) {
        atomic_fetch_add_explicit(&tap->lost, 1, memory_order_relaxed);
        return;
    }
    tap->rows[head % LEASE_TAP_SIZE] = (struct lease_tap_row){slot, version};
    atomic_store_explicit(&tap->head, head + 1, memory_order_release);
}

/* Control core only. False: nothing is there. */
static inline bool lease_tap_take(struct lease_tap *tap, struct lease_tap_row *ret_row)
{
    uint64_t tail = atomic_load_explicit(&tap->tail, memory_order_relaxed);

    if (tail == atomic_load_explicit(&tap->head, memory_order_acquire)) {
        return false;
    }
    *ret_row = tap->rows[tail % LEASE_TAP_SIZE];
    atomic_store_explicit(&tap->tail, tail + 1, memory_order_release);
    return true;
}

/* Control core only. */
static inline uint64_t lease_tap_lost(struct lease_tap *tap)
{
    return atomic_exchange_explicit(&tap->lost, 0, memory_order_relaxed);
}

#endif

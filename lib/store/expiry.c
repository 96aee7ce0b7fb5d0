/* The timer wheel, see expiry.h. One bucket per second; a bucket is a chain of slots through
 * next[], and its head carries the second it stands for at present. An armer that was held up
 * between choosing a bucket and pushing onto it therefore fails, instead of leaving its slot in a
 * bucket that has just been emptied and now stands for a time one round later. */
#include "store/expiry.h"

#include <stdatomic.h>
#include <string.h>

#include "lease/lease.h"
#include "store/arena.h"

#define SLOT_END     (LEASE_SLOT_NONE - 1) /* last of its chain */
#define SLOT_UNARMED LEASE_SLOT_NONE       /* in no chain */

/* What changes stands in a line apart from what all read.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct expiry {
    _Atomic uint64_t *heads; /* EXPIRY_SPAN_S of them: second << 32 | first slot */
    _Atomic uint32_t *next;  /* per slot, complemented: the arena's zeros mean SLOT_UNARMED */
    uint32_t slots_max;
    struct arena heads_arena, next_arena;
    uint32_t pending; /* control core: chain taken from its bucket, not yet returned */
    _Alignas(CACHE_LINE) _Atomic sec_t turned_s; /* control core writes: emptied up to here */
};

static uint64_t head_of(sec_t second, uint32_t slot)
{
    return (uint64_t)second << 32 | slot;
}

static _Atomic uint64_t *bucket(struct expiry *expiry, sec_t second)
{
    return &expiry->heads[second & (EXPIRY_SPAN_S - 1)];
}

int expiry_new(uint32_t slots_max, sec_t now, struct expiry **ret_expiry)
{
    struct expiry *expiry = aligned_alloc(CACHE_LINE, sizeof(*expiry));

    if (expiry == NULL) {
        return -ENOMEM;
    }
    memset(expiry, 0, sizeof(*expiry));
    if (arena_map(&expiry->heads_arena, EXPIRY_SPAN_S * sizeof(uint64_t), ARENA_DENSE) ||
        arena_map(&expiry->next_arena, (size_t)slots_max * sizeof(uint32_t), ARENA_DENSE)) {
        expiry_free(expiry);
        return -ENOMEM;
    }
    expiry->heads = expiry->heads_arena.memory;
    expiry->next = expiry->next_arena.memory;
    expiry->slots_max = slots_max;
    expiry->pending = SLOT_END;
    atomic_store_explicit(&expiry->turned_s, now, memory_order_relaxed);
    for (uint32_t i = 1; i <= EXPIRY_SPAN_S; i++) {
        atomic_store_explicit(bucket(expiry, now + i), head_of(now + i, SLOT_END),
                              memory_order_relaxed);
    }
    *ret_expiry = expiry;
    return 0;
}

void expiry_free(struct expiry *expiry)
{
    if (expiry) {
        arena_unmap(&expiry->heads_arena);
        arena_unmap(&expiry->next_arena);
        free(expiry);
    }
}

uint64_t expiry_memory(const struct expiry *expiry)
{
    return sizeof(*expiry) + expiry->heads_arena.size + expiry->next_arena.size;
}

/* The second to wait for: at_s, but not one that has been emptied, nor one beyond the wheel. */
static sec_t wheel_second(sec_t at_s, sec_t turned_s)
{
    if (!sec_after(at_s, turned_s)) {
        return turned_s + 1;
    }
    return at_s - turned_s > EXPIRY_SPAN_S - 1 ? turned_s + EXPIRY_SPAN_S - 1 : at_s;
}

void expiry_arm(struct expiry *expiry, uint32_t slot, sec_t at_s)
{
    uint32_t unarmed = ~SLOT_UNARMED;
    _Atomic uint64_t *head;
    uint64_t old;
    sec_t second;

    T6_ASSERT(slot < expiry->slots_max);
    if (!atomic_compare_exchange_strong_explicit(&expiry->next[slot], &unarmed, ~SLOT_END,
                                                 memory_order_acquire, memory_order_relaxed)) {
        return;
    }
    for (;;) {
        sec_t turned_s = atomic_load_explicit(&expiry->turned_s, memory_order_acquire);

        second = wheel_second(at_s, turned_s);
        head = bucket(expiry, second);
        old = atomic_load_explicit(head, memory_order_acquire);
        if ((sec_t)(old >> 32) != second) {
            continue; /* the wheel has turned since; it moves on at most once a second */
        }
        atomic_store_explicit(&expiry->next[slot], ~(uint32_t)old, memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(head, &old, head_of(second, slot),
                                                  memory_order_release, memory_order_relaxed)) {
            return;
        }
    }
}

/* Moves slots of the pending chain to ret_slots, disarmed; returns how many. */
static size_t pending_return(struct expiry *expiry, uint32_t *ret_slots, size_t slots_max)
{
    size_t count = 0;

    while (expiry->pending != SLOT_END && count < slots_max) {
        uint32_t slot = expiry->pending;

        expiry->pending = ~atomic_load_explicit(&expiry->next[slot], memory_order_relaxed);
        ret_slots[count++] = slot;
        /* Release: whoever arms it next does so after we have read its link. */
        atomic_store_explicit(&expiry->next[slot], ~SLOT_UNARMED, memory_order_release);
    }
    return count;
}

size_t expiry_due(struct expiry *expiry, sec_t now, uint32_t *ret_slots, size_t slots_max)
{
    sec_t second = atomic_load_explicit(&expiry->turned_s, memory_order_relaxed);
    size_t count = pending_return(expiry, ret_slots, slots_max);

    /* One round at most: after so long a pause the rest is caught up by later calls. */
    for (uint32_t step = 0; step < EXPIRY_SPAN_S && count < slots_max && sec_after(now, second);
         step++) {
        second++;
        /* Armers aim at later seconds from here on; those under way are in the chain or fail. */
        atomic_store_explicit(&expiry->turned_s, second, memory_order_release);
        expiry->pending = (uint32_t)atomic_exchange_explicit(
            bucket(expiry, second), head_of(second + EXPIRY_SPAN_S, SLOT_END),
            memory_order_acq_rel);
        count += pending_return(expiry, ret_slots + count, slots_max - count);
    }
    return count;
}

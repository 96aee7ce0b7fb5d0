#include "server/dirty.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/siphash.h"

struct dirty {
    uint32_t slots_max;
    size_t words;             /* of one bitmap */
    _Atomic uint64_t *bits;   /* [relationship][kind][word] */
    _Atomic uint64_t *stored; /* [slot]: mark of the durable version, 0 = none */
};

int dirty_new(uint32_t slots_max, unsigned relationships, struct dirty **ret_dirty)
{
    struct dirty *dirty = calloc(1, sizeof(*dirty));

    if (!dirty) {
        return -ENOMEM;
    }
    dirty->slots_max = slots_max;
    dirty->words = ((size_t)slots_max + 63) / 64;
    dirty->bits = calloc(dirty->words * relationships * DIRTY_KINDS, sizeof(*dirty->bits));
    dirty->stored = calloc(slots_max, sizeof(*dirty->stored));
    if (!dirty->bits || !dirty->stored) {
        dirty_free(dirty);
        return -ENOMEM;
    }
    *ret_dirty = dirty;
    return 0;
}

void dirty_free(struct dirty *dirty)
{
    if (dirty) {
        free(dirty->bits);
        free(dirty->stored);
        free(dirty);
    }
}

/* Tells versions of a slot apart, also when it has another resource's lease since. */
static uint64_t version_mark(const struct lease *lease)
{
    uint64_t mark = hash_mix(lease->resource.prefix.hi ^ lease->resource.type);

    mark = hash_mix(mark ^ lease->resource.prefix.lo ^ ((uint64_t)lease->resource.length << 56));
    mark = hash_mix(mark ^ lease->version);
    return mark ? mark : 1;
}

void dirty_durable_set(struct dirty *dirty, uint32_t slot, const struct lease *lease)
{
    T6_ASSERT(slot < dirty->slots_max);
    atomic_store_explicit(&dirty->stored[slot], version_mark(lease), memory_order_release);
}

bool dirty_is_durable(const struct dirty *dirty, uint32_t slot, const struct lease *lease)
{
    T6_ASSERT(slot < dirty->slots_max);
    return atomic_load_explicit(&dirty->stored[slot], memory_order_acquire) == version_mark(lease);
}

static _Atomic uint64_t *bitmap(const struct dirty *dirty, unsigned relationship,
                                enum dirty_kind kind)
{
    return dirty->bits + dirty->words * ((size_t)relationship * DIRTY_KINDS + kind);
}

void dirty_set(struct dirty *dirty, unsigned relationship, enum dirty_kind kind, uint32_t slot)
{
    T6_ASSERT(slot < dirty->slots_max);
    atomic_fetch_or_explicit(&bitmap(dirty, relationship, kind)[slot / 64],
                             (uint64_t)1 << (slot % 64), memory_order_acq_rel);
}

bool dirty_take(struct dirty *dirty, unsigned relationship, enum dirty_kind kind, uint32_t slot)
{
    uint64_t bit = (uint64_t)1 << (slot % 64);

    T6_ASSERT(slot < dirty->slots_max);
    return (atomic_fetch_and_explicit(&bitmap(dirty, relationship, kind)[slot / 64], ~bit,
                                      memory_order_acq_rel) &
            bit) != 0;
}

bool dirty_test(const struct dirty *dirty, unsigned relationship, enum dirty_kind kind,
                uint32_t slot)
{
    T6_ASSERT(slot < dirty->slots_max);
    return atomic_load_explicit(&bitmap(dirty, relationship, kind)[slot / 64],
                                memory_order_acquire) >>
               (slot % 64) &
           1;
}

bool dirty_is_open(const struct dirty *dirty, unsigned relationship, uint32_t slot)
{
    return dirty_test(dirty, relationship, DIRTY_DUE, slot) ||
           dirty_test(dirty, relationship, DIRTY_FLYING, slot) ||
           dirty_test(dirty, relationship, DIRTY_REFUSED, slot);
}

uint32_t dirty_next(const struct dirty *dirty, unsigned relationship, uint32_t from, uint32_t end,
                    unsigned words_max, bool *ret_found)
{
    _Atomic uint64_t *bits = bitmap(dirty, relationship, DIRTY_DUE);

    *ret_found = false;
    end = end < dirty->slots_max ? end : dirty->slots_max;
    for (unsigned i = 0; i < words_max && from < end; i++) {
        uint64_t word = atomic_load_explicit(&bits[from / 64], memory_order_acquire);

        word &= UINT64_MAX << (from % 64);
        if (word) {
            uint32_t slot = from / 64 * 64 + (uint32_t)__builtin_ctzll(word);

            *ret_found = slot < end;
            return *ret_found ? slot : end;
        }
        from = (from / 64 + 1) * 64;
    }
    return from < end ? from : end;
}

uint64_t dirty_count(const struct dirty *dirty, unsigned relationship, enum dirty_kind kind)
{
    _Atomic uint64_t *bits = bitmap(dirty, relationship, kind);
    uint64_t count = 0;

    for (size_t i = 0; i < dirty->words; i++) {
        count +=
            (unsigned)__builtin_popcountll(atomic_load_explicit(&bits[i], memory_order_relaxed));
    }
    return count;
}

void dirty_set_all(struct dirty *dirty, unsigned relationship, uint32_t end)
{
    _Atomic uint64_t *due = bitmap(dirty, relationship, DIRTY_DUE);

    T6_ASSERT(end <= dirty->slots_max);
    for (uint32_t i = 0; i < end / 64; i++) {
        atomic_store_explicit(&due[i], UINT64_MAX, memory_order_release);
    }
    if (end % 64) {
        atomic_fetch_or_explicit(&due[end / 64], ((uint64_t)1 << (end % 64)) - 1,
                                 memory_order_acq_rel);
    }
}

void dirty_move(struct dirty *dirty, unsigned relationship, enum dirty_kind from)
{
    _Atomic uint64_t *source = bitmap(dirty, relationship, from);
    _Atomic uint64_t *due = bitmap(dirty, relationship, DIRTY_DUE);

    for (size_t i = 0; i < dirty->words; i++) {
        uint64_t word = atomic_exchange_explicit(&source[i], 0, memory_order_relaxed);

        if (word) {
            atomic_fetch_or_explicit(&due[i], word, memory_order_acq_rel);
        }
    }
}

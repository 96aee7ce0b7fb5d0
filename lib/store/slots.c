/* Slots: layout, stock, reading; see slots.h. */
#include "store/slots.h"

#include "store/poison.h"

static void stack_push(struct slot_stack *stack, uint32_t number, _Atomic uint32_t *link)
{
    uint64_t head = atomic_load_explicit(&stack->head, memory_order_relaxed);

    do {
        atomic_store_explicit(link, (uint32_t)head, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&stack->head, &head,
                                                    (head & ~(uint64_t)UINT32_MAX) | number,
                                                    memory_order_release, memory_order_relaxed));
}

/* links: the link of number 0; stride: octets from one number's link to the next one's. A link read
 * here may be stale - its number popped and in use by another thread - but then the count in the
 * head has moved on and the exchange fails. */
static uint32_t stack_pop(struct slot_stack *stack, const void *links, size_t stride)
{
    uint64_t head = atomic_load_explicit(&stack->head, memory_order_acquire), next;

    do {
        const _Atomic uint32_t *link;

        if ((uint32_t)head == LEASE_SLOT_NONE) {
            return LEASE_SLOT_NONE;
        }
        link = (const void *)((const char *)links + (size_t)(uint32_t)head * stride);
        next = ((head >> 32) + 1) << 32 | atomic_load_explicit(link, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&stack->head, &head, next, memory_order_acquire,
                                                    memory_order_acquire));
    return (uint32_t)head;
}

int slots_init(struct slots *slots, uint32_t slots_max, uint32_t chunk, uint32_t inline_size,
               uint32_t long_max)
{
    size_t stride = (sizeof(struct slot_cold) + inline_size + 15) & ~(size_t)15;

    T6_ASSERT(chunk > 0 && chunk <= SLOT_CHUNK_MAX && inline_size >= sizeof(uint32_t));
    slots->cold_stride = stride;
    slots->inline_size = (uint32_t)(stride - sizeof(struct slot_cold));
    slots->slots_max = slots_max;
    slots->long_max = long_max;
    slots->chunk = chunk;
    slots->free_chunks.head = LEASE_SLOT_NONE;
    slots->free_long.head = LEASE_SLOT_NONE;
    if (arena_map(&slots->hot_arena, slots_max * sizeof(struct slot_hot), ARENA_DENSE) ||
        arena_map(&slots->cold_arena, slots_max * stride, ARENA_DENSE) ||
        arena_map(&slots->long_arena, (size_t)long_max * SLOT_LONG_SIZE, ARENA_SPARSE) ||
        arena_map(&slots->long_link_arena, (size_t)long_max * sizeof(uint32_t), ARENA_SPARSE)) {
        return -ENOMEM;
    }
    slots->hot = slots->hot_arena.memory;
    slots->cold = slots->cold_arena.memory;
    slots->long_data = slots->long_arena.memory;
    slots->long_links = slots->long_link_arena.memory;
    return 0;
}

void slots_done(struct slots *slots)
{
    ASAN_UNPOISON_MEMORY_REGION(slots->cold_arena.memory, slots->cold_arena.size);
    arena_unmap(&slots->hot_arena);
    arena_unmap(&slots->cold_arena);
    arena_unmap(&slots->long_arena);
    arena_unmap(&slots->long_link_arena);
}

uint64_t slots_memory(const struct slots *slots)
{
    uint32_t touched = atomic_load_explicit(&slots->long_fresh, memory_order_relaxed);

    return slots->hot_arena.size + slots->cold_arena.size +
           (uint64_t)touched * (SLOT_LONG_SIZE + sizeof(uint32_t));
}

void slot_cache_init(struct slot_cache *cache)
{
    *cache = (struct slot_cache){.first = LEASE_SLOT_NONE, .retired = LEASE_SLOT_NONE};
}

/* count numbers, or as many as are left, from the never used ones; returns how many. */
static uint32_t fresh_take(_Atomic uint32_t *fresh, uint32_t max, uint32_t count,
                           uint32_t *ret_first)
{
    uint32_t first = atomic_load_explicit(fresh, memory_order_relaxed), n;

    do {
        n = max - first < count ? max - first : count;
        if (n == 0) {
            return 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(fresh, &first, first + n, memory_order_relaxed,
                                                    memory_order_relaxed));
    *ret_first = first;
    return n;
}

/* A free chain is counted in its first slot. */
static void chain_push(struct slots *slots, uint32_t first, uint32_t count)
{
    atomic_store_explicit(&slots->hot[first].chain.count, count, memory_order_relaxed);
    stack_push(&slots->free_chunks, first, &slots->hot[first].chain.next);
}

static uint32_t slot_take(struct slots *slots, struct slot_cache *cache)
{
    uint32_t slot, n;

    if (cache->count == 0 && cache->fresh_first == cache->fresh_last) {
        slot = stack_pop(&slots->free_chunks, &slots->hot[0].chain.next, sizeof(struct slot_hot));
        if (slot != LEASE_SLOT_NONE) {
            cache->first = slot;
            cache->count =
                atomic_load_explicit(&slots->hot[slot].chain.count, memory_order_relaxed);
        } else {
            n = fresh_take(&slots->fresh, slots->slots_max, slots->chunk, &cache->fresh_first);
            cache->fresh_last = cache->fresh_first + n;
            if (n == 0) {
                return LEASE_SLOT_NONE;
            }
        }
    }
    if (cache->count > 0) {
        slot = cache->first;
        cache->first = atomic_load_explicit(&slots->hot[slot].link, memory_order_relaxed);
        cache->count--;
    } else {
        slot = cache->fresh_first++;
    }
    return slot;
}

/* Puts a free slot on the committer's stock; a stock that grows large goes to all. */
static void slot_put(struct slots *slots, struct slot_cache *cache, uint32_t slot)
{
    if (cache->count >= slots->chunk) {
        chain_push(slots, cache->first, cache->count);
        cache->first = LEASE_SLOT_NONE;
        cache->count = 0;
    }
    atomic_store_explicit(&slots->hot[slot].link, cache->first, memory_order_relaxed);
    cache->first = slot;
    cache->count++;
}

static uint32_t long_take(struct slots *slots)
{
    uint32_t chunk = stack_pop(&slots->free_long, slots->long_links, sizeof(uint32_t));

    if (chunk == LEASE_SLOT_NONE &&
        fresh_take(&slots->long_fresh, slots->long_max, 1, &chunk) == 0) {
        return LEASE_SLOT_NONE;
    }
    atomic_fetch_add_explicit(&slots->long_used, 1, memory_order_relaxed);
    return chunk;
}

static void long_give(struct slots *slots, const struct slot_cold *cold)
{
    uint32_t chunk;

    if (cold->is_cut) {
        atomic_fetch_sub_explicit(&slots->cut_used, 1, memory_order_relaxed);
    }
    if ((uint32_t)cold->duid_size + cold->info_size <= slots->inline_size) {
        return;
    }
    memcpy(&chunk, cold->data, sizeof(chunk));
    atomic_fetch_sub_explicit(&slots->long_used, 1, memory_order_relaxed);
    stack_push(&slots->free_long, chunk, &slots->long_links[chunk]);
}

static void data_copy(uint8_t *data, struct span duid, struct span info)
{
    if (duid.size) {
        memcpy(data, duid.data, duid.size);
    }
    if (info.size) {
        memcpy(data + duid.size, info.data, info.size);
    }
}

/* Without a chunk the lease keeps of its info what fits: that serves operators and relays, the
 * client is served without it. False when not even the DUID fits. */
static bool cold_write(struct slots *slots, struct slot_cold *cold, const struct lease *lease)
{
    struct span info = lease->info;
    uint32_t chunk = LEASE_SLOT_NONE;

    if (lease->duid.size + info.size > slots->inline_size) {
        chunk = long_take(slots);
        if (chunk == LEASE_SLOT_NONE) {
            if (lease->duid.size > slots->inline_size) {
                return false;
            }
            info = lease_info_cut(info, slots->inline_size - lease->duid.size);
            atomic_fetch_add_explicit(&slots->cut_used, 1, memory_order_relaxed);
        }
    }
    if (chunk == LEASE_SLOT_NONE) {
        data_copy(cold->data, lease->duid, info);
    } else {
        memcpy(cold->data, &chunk, sizeof(chunk));
        data_copy(slots->long_data + (size_t)chunk * SLOT_LONG_SIZE, lease->duid, info);
    }
    cold->prefix = lease->resource.prefix;
    cold->length = lease->resource.length;
    cold->type = lease->resource.type;
    cold->iaid = lease->iaid;
    cold->duid_size = (uint8_t)lease->duid.size;
    cold->info_size = (uint16_t)info.size;
    cold->is_cut = info.size < lease->info.size;
    slot_identity_version_set(cold, 0);
    return true;
}

uint32_t slots_take(struct slots *slots, struct slot_cache *cache, const struct lease *lease)
{
    uint32_t slot = slot_take(slots, cache);
    struct slot_cold *cold;

    if (slot == LEASE_SLOT_NONE) {
        return slot;
    }
    cold = slot_cold(slots, slot);
    ASAN_UNPOISON_MEMORY_REGION(cold, slots->cold_stride);
    if (!cold_write(slots, cold, lease)) {
        ASAN_POISON_MEMORY_REGION(cold, slots->cold_stride);
        slot_put(slots, cache, slot);
        return LEASE_SLOT_NONE;
    }
    slot_identity_durable_set(slots, slot, false);
    return slot;
}

static void slot_clean(struct slots *slots, uint32_t slot)
{
    struct slot_cold *cold = slot_cold(slots, slot);

    long_give(slots, cold);
    ASAN_POISON_MEMORY_REGION(cold, slots->cold_stride);
}

void slots_untake(struct slots *slots, struct slot_cache *cache, uint32_t slot)
{
    slot_clean(slots, slot);
    slot_put(slots, cache, slot);
}

void slots_retire(struct slots *slots, struct slot_cache *cache, uint32_t slot)
{
    /* No ABA: only this thread pushes, and the control core always takes the whole chain. */
    uint32_t head = atomic_load_explicit(&cache->retired, memory_order_relaxed);

    do {
        atomic_store_explicit(&slots->hot[slot].link, head, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&cache->retired, &head, slot,
                                                    memory_order_release, memory_order_relaxed));
}

uint32_t slots_retired_collect(struct slots *slots, struct slot_cache *cache, uint32_t *first)
{
    uint32_t slot = atomic_load_explicit(&cache->retired, memory_order_relaxed), last, count = 1;

    if (slot == LEASE_SLOT_NONE) {
        return 0;
    }
    slot = atomic_exchange_explicit(&cache->retired, LEASE_SLOT_NONE, memory_order_acquire);
    for (last = slot;; count++) {
        uint32_t next = atomic_load_explicit(&slots->hot[last].link, memory_order_relaxed);

        if (next == LEASE_SLOT_NONE) {
            break;
        }
        last = next;
    }
    atomic_store_explicit(&slots->hot[last].link, *first, memory_order_relaxed);
    *first = slot;
    return count;
}

void slots_give(struct slots *slots, uint32_t first)
{
    uint32_t chain = LEASE_SLOT_NONE, count = 0;

    while (first != LEASE_SLOT_NONE) {
        uint32_t slot = first;

        first = atomic_load_explicit(&slots->hot[slot].link, memory_order_relaxed);
        slot_clean(slots, slot);
        atomic_store_explicit(&slots->hot[slot].link, chain, memory_order_relaxed);
        chain = slot;
        count++;
        if (count == slots->chunk || first == LEASE_SLOT_NONE) {
            chain_push(slots, chain, count);
            chain = LEASE_SLOT_NONE;
            count = 0;
        }
    }
}

void slot_write_hot(struct slot_hot *hot, const struct lease *lease)
{
    uint64_t times[SLOT_TIMES];

    memcpy(times, &lease->times, sizeof(times));
#pragma GCC unroll 6
    for (unsigned i = 0; i < SLOT_TIMES; i++) {
        atomic_store_explicit(&hot->times[i], times[i], memory_order_release);
    }
    atomic_store_explicit(&hot->state, (uint16_t)(lease->status | (unsigned)lease->flags << 8),
                          memory_order_release);
}

enum slot_read slot_read(const struct slots *slots, uint32_t slot, struct lease_found *ret_found)
{
    const struct slot_hot *hot = &slots->hot[slot];
    uint64_t word = atomic_load_explicit(&hot->word, memory_order_acquire);
    const struct slot_cold *cold = slot_cold(slots, slot);
    struct lease *lease = &ret_found->lease;
    uint64_t times[SLOT_TIMES];
    unsigned state;
    const uint8_t *data;

    if ((word & SLOT_LIVE) == 0) {
        return word & (SLOT_BUSY | SLOT_PREPARED) ? SLOT_READ_BUSY : SLOT_READ_DEAD;
    }
#pragma GCC unroll 6
    for (unsigned i = 0; i < SLOT_TIMES; i++) {
        times[i] = atomic_load_explicit(&hot->times[i], memory_order_acquire);
    }
    state = atomic_load_explicit(&hot->state, memory_order_acquire);
    if (atomic_load_explicit(&hot->word, memory_order_relaxed) != word) {
        return SLOT_READ_BUSY;
    }
    /* The cold record was right when the word said LIVE and stays so until our next quiescent
     * state. */
    data = slot_data(slots, cold);
    memcpy(&lease->times, times, sizeof(times));
    lease->resource = slot_resource(cold);
    lease->iaid = cold->iaid;
    lease->version = word >> SLOT_VERSION_SHIFT;
    lease->status = (uint8_t)state;
    lease->flags = (uint8_t)(state >> 8);
    lease->duid = (struct span){data, cold->duid_size};
    lease->info = (struct span){data + cold->duid_size, cold->info_size};
    ret_found->slot = slot;
    return SLOT_READ_LIVE;
}

/* The indexes as tables of cache-line buckets, see index.h for what the store relies on.
 *
 * An entry is one word: 32 bits of the hash, and slot + 1; 0 is an empty one. So an entry appears,
 * changes its slot and disappears by one atomic store each, and whoever meets it compares the full
 * key in the slot. An entry never moves.
 *
 * A key whose home bucket is full goes to the next bucket of its own sequence (home, home + step,
 * ...; the number of buckets is a prime, so that every sequence visits all of them). Each bucket
 * counts the entries that have passed by it: a look-up goes on only while that count is not zero.
 * The count rises before the entry appears and falls after it has gone. There is room for more
 * entries than there are slots, so adding cannot fail, and there are no chains to take back.
 * Sequences of different keys part at once: a client with thousands of leases fills buckets all
 * over the table, but costs others one bucket more, not a walk along its leases.
 *
 * Who writes what. An empty entry is won by compare-and-swap. A filled one belongs to whoever owns
 * its slot's lease (slots.h: BUSY, or not yet LIVE): only that thread changes or clears it, without
 * any lock. The one thing that needs one is "add if absent": a bit in the key's home bucket, held
 * for the time of one look-up and one insertion. Nobody waits for it, a caller who finds it set
 * decides again; so a holder that loses its processor stops nobody, and nothing after the store's
 * decision point depends on it.
 *
 * A client walk could miss a lease that changes slots: the new entry appears where the walk has
 * passed, the old one disappears before the walk comes there. So adding to the client table counts
 * a generation in the home bucket, after the entry is there. A walk that has met no older entry
 * because it was cleared then sees the generation of the newer one, either before it starts - and
 * then it sees the newer entry - or at its end, and does it all again. */
#include "store/index.h"

#include <stdatomic.h>

#include "base/siphash.h"
#include "store/slots.h"

/* The thread sanitizer knows atomic loads only. */
#if defined(__AVX2__) && !defined(__SANITIZE_THREAD__)
#define INDEX_WIDE 1
#endif
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef INDEX_WIDE
#endif
#endif

#ifdef INDEX_WIDE
#include <immintrin.h>
#endif

enum {
    ENTRIES = 7,
    FILL_TIMES_2 = 9, /* entries per bucket when all slots are in use: 4.5 */
};

/* The control word: entries that passed by, lock bit, generation. */
#define PASSED_ONE     UINT64_C(1)
#define PASSED_MASK    UINT64_C(0xffffffff)
#define LOCK           (UINT64_C(1) << 32)
#define GENERATION_ONE (UINT64_C(1) << 33)

struct index_bucket {
    _Alignas(CACHE_LINE) _Atomic uint64_t control;
    _Atomic uint64_t entries[ENTRIES];
};

_Static_assert(sizeof(struct index_bucket) == CACHE_LINE, "one line");

/* The high bits of a hash choose the bucket, the low ones are the tag. */
static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)hash;
}

static uint64_t scale(uint64_t hash, uint64_t count)
{
    return (uint64_t)(((unsigned __int128)hash * count) >> 64);
}

static uint64_t home_of(const struct index_table *table, uint64_t hash)
{
    return scale(hash, table->count);
}

static uint64_t step_of(const struct index_table *table, uint64_t hash)
{
    return 1 + scale(hash_mix(hash), table->count - 1);
}

static uint64_t bucket_after(const struct index_table *table, uint64_t bucket, uint64_t step)
{
    bucket += step;
    return bucket < table->count ? bucket : bucket - table->count;
}

static uint64_t entry_make(uint64_t hash, uint32_t slot)
{
    return (uint64_t)tag_of(hash) << 32 | (slot + 1);
}

static uint32_t entry_slot(uint64_t entry)
{
    return (uint32_t)entry - 1; /* of an empty one: LEASE_SLOT_NONE */
}

#ifdef INDEX_WIDE
/* The same as below, the whole line in two loads: aligned words are read whole by them, too. The
 * fence keeps later loads behind these for the compiler; the processor keeps loads in order. */
static unsigned bucket_match(const struct index_bucket *bucket, uint32_t tag)
{
    const __m256i *words = (const void *)bucket;
    const __m256i wanted = _mm256_set1_epi64x((int64_t)tag);
    __m256i low = _mm256_srli_epi64(_mm256_load_si256(words), 32);
    __m256i high = _mm256_srli_epi64(_mm256_load_si256(words + 1), 32);
    unsigned mask =
        (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(low, wanted))) |
        (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(high, wanted))) << 4;

    atomic_signal_fence(memory_order_acquire);
    return mask >> 1; /* the first word is the control word */
}
#else
/* A bit for each entry with the tag. No branches: what a hash matches cannot be predicted. */
static unsigned bucket_match(const struct index_bucket *bucket, uint32_t tag)
{
    unsigned mask = 0;

    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t entry = atomic_load_explicit(&bucket->entries[i], memory_order_acquire);

        mask |= (unsigned)((uint32_t)(entry >> 32) == tag) << i;
    }
    return mask;
}
#endif

static bool is_prime(uint64_t n)
{
    for (uint64_t d = 2; d * d <= n; d++) {
        if (n % d == 0) {
            return false;
        }
    }
    return n >= 2;
}

static int table_init(struct index_table *table, uint32_t entries_max)
{
    uint64_t count = (uint64_t)entries_max * 2 / FILL_TIMES_2 + 3;

    while (!is_prime(count)) {
        count++;
    }
    T6_ASSERT(count * ENTRIES > entries_max);
    if (arena_map(&table->arena, count * sizeof(struct index_bucket), ARENA_DENSE)) {
        return -ENOMEM;
    }
    table->buckets = table->arena.memory;
    table->count = count;
    return 0;
}

int index_init(struct index *index, uint32_t entries_max)
{
    *index = (struct index){0};
    return table_init(&index->by_resource, entries_max) ||
                   table_init(&index->by_client, entries_max)
               ? -ENOMEM
               : 0;
}

void index_done(struct index *index)
{
    arena_unmap(&index->by_resource.arena);
    arena_unmap(&index->by_client.arena);
    *index = (struct index){0};
}

uint64_t index_memory(const struct index *index)
{
    return index->by_resource.arena.size + index->by_client.arena.size;
}

static struct index_cursor cursor_of(const struct index_table *table, uint64_t hash)
{
    uint64_t home = home_of(table, hash);

    return (struct index_cursor){.table = table,
                                 .hash = hash,
                                 .bucket = home,
                                 .left = table->count,
                                 .mask = bucket_match(&table->buckets[home], tag_of(hash))};
}

/* The next slot whose entry has the hash's tag, or LEASE_SLOT_NONE. */
static uint32_t cursor_next(struct index_cursor *cursor)
{
    const struct index_table *table = cursor->table;

    for (;;) {
        const struct index_bucket *bucket = &table->buckets[cursor->bucket];

        while (cursor->mask) {
            unsigned i = (unsigned)__builtin_ctz(cursor->mask);
            uint64_t entry = atomic_load_explicit(&bucket->entries[i], memory_order_acquire);

            cursor->mask &= cursor->mask - 1;
            if ((uint32_t)(entry >> 32) == tag_of(cursor->hash) &&
                entry_slot(entry) != LEASE_SLOT_NONE) {
                return entry_slot(entry);
            }
        }
        if ((atomic_load_explicit(&bucket->control, memory_order_acquire) & PASSED_MASK) == 0 ||
            --cursor->left == 0) {
            return LEASE_SLOT_NONE;
        }
        cursor->step = cursor->step ? cursor->step : step_of(table, cursor->hash);
        cursor->bucket = bucket_after(table, cursor->bucket, cursor->step);
        cursor->mask = bucket_match(&table->buckets[cursor->bucket], tag_of(cursor->hash));
    }
}

static bool bucket_insert(struct index_bucket *bucket, uint64_t entry)
{
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t empty = 0;

        if (atomic_load_explicit(&bucket->entries[i], memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(&bucket->entries[i], &empty, entry,
                                                    memory_order_release, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

static void table_insert(struct index_table *table, uint64_t hash, uint32_t slot)
{
    uint64_t bucket = home_of(table, hash), step = step_of(table, hash);
    uint64_t entry = entry_make(hash, slot), left = table->count;

    while (!bucket_insert(&table->buckets[bucket], entry)) {
        left--;
        T6_ASSERT(left > 0); /* more room than slots */
        atomic_fetch_add_explicit(&table->buckets[bucket].control, PASSED_ONE,
                                  memory_order_release);
        bucket = bucket_after(table, bucket, step);
    }
}

/* The entry of the slot, which is there and the caller's to change; *ret_passed: buckets passed. */
static _Atomic uint64_t *table_entry(const struct index_table *table, uint64_t hash, uint32_t slot,
                                     uint64_t *ret_passed)
{
    uint64_t bucket = home_of(table, hash), step = step_of(table, hash);
    uint64_t entry = entry_make(hash, slot);

    for (uint64_t passed = 0; passed < table->count; passed++) {
        for (unsigned i = 0; i < ENTRIES; i++) {
            _Atomic uint64_t *p = &table->buckets[bucket].entries[i];

            if (atomic_load_explicit(p, memory_order_relaxed) == entry) {
                *ret_passed = passed;
                return p;
            }
        }
        bucket = bucket_after(table, bucket, step);
    }
    return NULL;
}

static void table_remove(struct index_table *table, uint64_t hash, uint32_t slot)
{
    uint64_t bucket = home_of(table, hash), step = step_of(table, hash), passed = 0;
    _Atomic uint64_t *entry = table_entry(table, hash, slot, &passed);

    T6_ASSERT(entry != NULL);
    atomic_store_explicit(entry, 0, memory_order_release);
    for (uint64_t i = 0; i < passed; i++) {
        atomic_fetch_sub_explicit(&table->buckets[bucket].control, PASSED_ONE,
                                  memory_order_release);
        bucket = bucket_after(table, bucket, step);
    }
}

uint32_t index_resource_find(const struct index *index, const struct slots *slots, uint64_t hash,
                             const struct resource *resource)
{
    struct index_cursor cursor = cursor_of(&index->by_resource, hash);
    uint32_t slot = cursor_next(&cursor);

    for (; slot != LEASE_SLOT_NONE; slot = cursor_next(&cursor)) {
        __builtin_prefetch(&slots->hot[slot]); /* what every caller needs next */
        if (slot_has_resource(slot_cold(slots, slot), resource)) {
            break;
        }
    }
    return slot;
}

int index_resource_add(struct index *index, const struct slots *slots, uint64_t hash, uint32_t slot,
                       uint32_t *ret_present)
{
    struct index_table *table = &index->by_resource;
    _Atomic uint64_t *control = &table->buckets[home_of(table, hash)].control;
    struct resource resource = slot_resource(slot_cold(slots, slot));
    uint32_t present;

    if (atomic_fetch_or_explicit(control, LOCK, memory_order_acquire) & LOCK) {
        return -EAGAIN;
    }
    present = index_resource_find(index, slots, hash, &resource);
    if (present == LEASE_SLOT_NONE) {
        table_insert(table, hash, slot);
    }
    atomic_fetch_and_explicit(control, ~LOCK, memory_order_release);
    if (present != LEASE_SLOT_NONE) {
        *ret_present = present;
        return -EEXIST;
    }
    return 0;
}

void index_resource_replace(struct index *index, uint64_t hash, uint32_t base, uint32_t slot)
{
    uint64_t passed;
    _Atomic uint64_t *entry = table_entry(&index->by_resource, hash, base, &passed);

    T6_ASSERT(entry != NULL);
    atomic_store_explicit(entry, entry_make(hash, slot), memory_order_release);
}

void index_resource_remove(struct index *index, uint64_t hash, uint32_t slot)
{
    table_remove(&index->by_resource, hash, slot);
}

void index_client_add(struct index *index, uint64_t hash, uint32_t slot)
{
    struct index_table *table = &index->by_client;

    table_insert(table, hash, slot);
    atomic_fetch_add_explicit(&table->buckets[home_of(table, hash)].control, GENERATION_ONE,
                              memory_order_release);
}

void index_client_remove(struct index *index, uint64_t hash, uint32_t slot)
{
    table_remove(&index->by_client, hash, slot);
}

static uint64_t generation(const struct index_table *table, uint64_t hash)
{
    return atomic_load_explicit(&table->buckets[home_of(table, hash)].control,
                                memory_order_acquire) /
           GENERATION_ONE;
}

uint32_t index_client_first(const struct index *index, uint64_t hash, struct index_walk *walk)
{
    walk->generation = generation(&index->by_client, hash);
    walk->cursor = cursor_of(&index->by_client, hash);
    return index_client_next(walk);
}

uint32_t index_client_next(struct index_walk *walk)
{
    uint32_t slot = cursor_next(&walk->cursor);

    for (; slot != LEASE_SLOT_NONE; slot = cursor_next(&walk->cursor)) {
        const struct slot_cold *cold = slot_cold(walk->slots, slot);

        __builtin_prefetch(&walk->slots->hot[slot]);
        if (cold->iaid == walk->iaid && cold->type == walk->type &&
            cold->duid_size == walk->duid.size &&
            bytes_equal(slot_data(walk->slots, cold), walk->duid.data, walk->duid.size)) {
            break;
        }
    }
    return slot;
}

bool index_client_settled(const struct index_walk *walk)
{
    return generation(walk->cursor.table, walk->cursor.hash) == walk->generation;
}

static void table_prefetch(const struct index_table *table, uint64_t hash)
{
    __builtin_prefetch(&table->buckets[home_of(table, hash)]);
}

static void table_prefetch_slots(const struct index_table *table, const struct slots *slots,
                                 uint64_t hash)
{
    uint64_t home = home_of(table, hash);
    const struct index_bucket *bucket = &table->buckets[home];
    unsigned mask = bucket_match(bucket, tag_of(hash));

    if (mask == 0 && atomic_load_explicit(&bucket->control, memory_order_relaxed) & PASSED_MASK) {
        __builtin_prefetch(&table->buckets[bucket_after(table, home, step_of(table, hash))]);
    }
    for (; mask; mask &= mask - 1) {
        unsigned i = (unsigned)__builtin_ctz(mask);
        uint32_t slot = entry_slot(atomic_load_explicit(&bucket->entries[i], memory_order_relaxed));

        if (slot != LEASE_SLOT_NONE) {
            slot_prefetch(slots, slot);
        }
    }
}

void index_resource_prefetch(const struct index *index, uint64_t hash)
{
    table_prefetch(&index->by_resource, hash);
}

void index_resource_prefetch_slots(const struct index *index, const struct slots *slots,
                                   uint64_t hash)
{
    table_prefetch_slots(&index->by_resource, slots, hash);
}

void index_client_prefetch(const struct index *index, uint64_t hash)
{
    table_prefetch(&index->by_client, hash);
}

void index_client_prefetch_slots(const struct index *index, const struct slots *slots,
                                 uint64_t hash)
{
    table_prefetch_slots(&index->by_client, slots, hash);
}

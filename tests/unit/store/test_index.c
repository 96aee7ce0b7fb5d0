/* The bucket index by one thread: keys that all have one hash, or a few, so that buckets overflow
 * along their sequences; what the store's own hashes would show only once in a long time. */
#include "check.h"
#include "sample.h"
#include "store/index.h"
#include "store/slots.h"

enum {
    SLOTS = 200,
    STEPS = 200000,
    HASHES = 5,
    WORDS = CACHE_LINE / 8,
};

#define LOCK_BIT (UINT64_C(1) << 32)

struct bench {
    struct slots slots;
    struct slot_cache cache;
    struct index index;
    uint64_t random;
};

static void bench_init(struct bench *b, uint64_t seed)
{
    memset(b, 0, sizeof(*b));
    b->random = seed;
    T6_ASSERT(slots_init(&b->slots, SLOTS, 1, 96, SLOTS) == 0);
    T6_ASSERT(index_init(&b->index, SLOTS) == 0);
    slot_cache_init(&b->cache);
}

static void bench_done(struct bench *b)
{
    index_done(&b->index);
    slots_done(&b->slots);
}

static uint32_t slot_for(struct bench *b, uint32_t resource, uint32_t client)
{
    struct sample buf;
    struct lease lease = sample_lease(resource, client, 0, 0, &buf);
    uint32_t slot = slots_take(&b->slots, &b->cache, &lease);

    T6_ASSERT(slot != LEASE_SLOT_NONE);
    return slot;
}

static uint32_t find(const struct bench *b, uint64_t hash, uint32_t resource)
{
    struct resource key = sample_resource(resource);

    return index_resource_find(&b->index, &b->slots, hash, &key);
}

/* How many slots of the client; their sum tells which. */
static uint32_t walk(const struct bench *b, uint64_t hash, uint32_t client, uint8_t type,
                     uint64_t *ret_sum)
{
    uint8_t duid[DUID_SIZE_MAX];
    struct index_walk walk = {.slots = &b->slots,
                              .duid = {duid, sample_duid(client, duid)},
                              .iaid = sample_iaid(client),
                              .type = type};
    uint32_t slot = index_client_first(&b->index, hash, &walk), count = 0;

    for (*ret_sum = 0; slot != LEASE_SLOT_NONE; slot = index_client_next(&walk)) {
        *ret_sum += slot + 1;
        count++;
    }
    CHECK(index_client_settled(&walk));
    return count;
}

/* Entries, counts and locks left in a table, generations apart. */
static uint64_t left_over(const struct index_table *table)
{
    const uint64_t *words = (const void *)table->buckets;
    uint64_t left = 0;

    for (uint64_t i = 0; i < table->count * WORDS; i++) {
        left += (i % WORDS ? words[i] : words[i] & (2 * LOCK_BIT - 1)) != 0;
    }
    return left;
}

static void test_one_hash(void)
{
    static const uint64_t hashes[] = {0, UINT64_MAX, UINT64_C(1) << 32, 0x123456789abcdef0};
    static struct bench b;

    for (size_t h = 0; h < sizeof(hashes) / sizeof(hashes[0]); h++) {
        uint32_t slots[SLOTS], present = 0;
        uint64_t sum, expected = 0;

        bench_init(&b, 1);
        for (uint32_t r = 0; r < SLOTS; r++) { /* 3r: all addresses */
            slots[r] = slot_for(&b, 3 * r, 7);
            CHECK_EQ(find(&b, hashes[h], 3 * r), LEASE_SLOT_NONE);
            CHECK_EQ(index_resource_add(&b.index, &b.slots, hashes[h], slots[r], &present), 0);
            CHECK_EQ(index_resource_add(&b.index, &b.slots, hashes[h], slots[r], &present),
                     -EEXIST);
            CHECK_EQ(present, slots[r]);
            index_client_add(&b.index, hashes[h], slots[r]);
            expected += slots[r] + 1;
        }
        CHECK_EQ(walk(&b, hashes[h], 7, LEASE_TYPE_NA, &sum), SLOTS);
        CHECK_EQ(sum, expected);
        CHECK_EQ(walk(&b, hashes[h], 6, LEASE_TYPE_NA, &sum), 0);
        CHECK_EQ(walk(&b, hashes[h] ^ 1, 7, LEASE_TYPE_NA, &sum), 0);
        for (uint32_t i = 0; i < SLOTS; i++) {
            uint32_t r = i * 77 % SLOTS;

            CHECK_EQ(find(&b, hashes[h], 3 * r), slots[r]);
            index_resource_remove(&b.index, hashes[h], slots[r]);
            index_client_remove(&b.index, hashes[h], slots[r]);
            CHECK_EQ(find(&b, hashes[h], 3 * r), LEASE_SLOT_NONE);
            CHECK_EQ(walk(&b, hashes[h], 7, LEASE_TYPE_NA, &sum), SLOTS - 1 - i);
        }
        CHECK_EQ(left_over(&b.index.by_resource), 0);
        CHECK_EQ(left_over(&b.index.by_client), 0);
        bench_done(&b);
    }
}

/* While somebody adds to the same place, only adding is refused. */
static void test_taken(void)
{
    static struct bench b;
    uint32_t first, second, present = 99;
    uint64_t *words, sum;

    bench_init(&b, 1);
    words = (void *)b.index.by_resource.buckets;
    first = slot_for(&b, 0, 1);
    second = slot_for(&b, 0, 1);
    CHECK_EQ(index_resource_add(&b.index, &b.slots, 5, first, &present), 0);
    for (uint64_t i = 0; i < b.index.by_resource.count; i++) {
        words[i * WORDS] |= LOCK_BIT;
    }
    CHECK_EQ(index_resource_add(&b.index, &b.slots, 5, second, &present), -EAGAIN);
    CHECK_EQ(present, 99);
    CHECK_EQ(find(&b, 5, 0), first);
    index_resource_replace(&b.index, 5, first, second);
    CHECK_EQ(find(&b, 5, 0), second);
    index_client_add(&b.index, 5, second);
    CHECK_EQ(walk(&b, 5, 1, LEASE_TYPE_NA, &sum), 1);
    index_client_remove(&b.index, 5, second);
    index_resource_remove(&b.index, 5, second);
    CHECK_EQ(find(&b, 5, 0), LEASE_SLOT_NONE);
    for (uint64_t i = 0; i < b.index.by_resource.count; i++) {
        CHECK_EQ(words[i * WORDS], LOCK_BIT);
        words[i * WORDS] = 0;
    }
    CHECK_EQ(index_resource_add(&b.index, &b.slots, 5, second, &present), 0);
    bench_done(&b);
}

/* A walk that a slot was added beside must be done again. */
static void test_settled(void)
{
    static struct bench b;
    uint8_t duid[DUID_SIZE_MAX];
    struct index_walk walk = {
        .duid = {duid, sample_duid(1, duid)}, .iaid = sample_iaid(1), .type = LEASE_TYPE_NA};
    uint32_t old, new;

    bench_init(&b, 1);
    walk.slots = &b.slots;
    old = slot_for(&b, 0, 1);
    new = slot_for(&b, 0, 1);
    index_client_add(&b.index, 5, old);
    CHECK_EQ(index_client_first(&b.index, 5, &walk), old);
    CHECK(index_client_settled(&walk));
    index_client_add(&b.index, 5, new);
    index_client_remove(&b.index, 5, old);
    CHECK_EQ(index_client_next(&walk), LEASE_SLOT_NONE);
    CHECK(!index_client_settled(&walk));
    CHECK_EQ(index_client_first(&b.index, 5, &walk), new);
    CHECK(index_client_settled(&walk));
    bench_done(&b);
}

struct model {
    struct bench b;
    uint32_t slots[SLOTS]; /* by resource */
};

static void model_step(struct model *m, const uint64_t *hashes)
{
    struct bench *b = &m->b;
    uint32_t r = sample_random(&b->random) % SLOTS, present = 0;
    uint64_t hash = hashes[r % HASHES], sum;

    CHECK_EQ(find(b, hash, r), m->slots[r]);
    index_resource_prefetch(&b->index, hash);
    index_resource_prefetch_slots(&b->index, &b->slots, hash);
    index_client_prefetch(&b->index, hash);
    index_client_prefetch_slots(&b->index, &b->slots, hash);
    if (m->slots[r] == LEASE_SLOT_NONE) {
        m->slots[r] = slot_for(b, r, r);
        index_client_add(&b->index, hash, m->slots[r]);
        CHECK_EQ(index_resource_add(&b->index, &b->slots, hash, m->slots[r], &present), 0);
    } else {
        index_resource_remove(&b->index, hash, m->slots[r]);
        index_client_remove(&b->index, hash, m->slots[r]);
        slots_untake(&b->slots, &b->cache, m->slots[r]);
        m->slots[r] = LEASE_SLOT_NONE;
    }
    CHECK_EQ(walk(b, hash, r, sample_resource(r).type, &sum), m->slots[r] != LEASE_SLOT_NONE);
    CHECK_EQ(sum, (uint64_t)(m->slots[r] + 1));
}

static void test_few_hashes(void)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        static struct model m;
        uint64_t hashes[HASHES];

        bench_init(&m.b, seed);
        for (uint32_t i = 0; i < HASHES; i++) { /* pairs share a tag or a home bucket */
            hashes[i] = hash_mix(seed + i / 2) ^ (i % 2 ? seed % 2 ? UINT64_C(1) << 60 : 1 : 0);
        }
        memset(m.slots, 0xff, sizeof(m.slots));
        for (uint32_t step = 0; step < STEPS && check_failures == 0; step++) {
            model_step(&m, hashes);
        }
        for (uint32_t r = 0; r < SLOTS; r++) {
            if (m.slots[r] != LEASE_SLOT_NONE) {
                index_resource_remove(&m.b.index, hashes[r % HASHES], m.slots[r]);
                index_client_remove(&m.b.index, hashes[r % HASHES], m.slots[r]);
            }
        }
        CHECK_EQ(left_over(&m.b.index.by_resource), 0);
        CHECK_EQ(left_over(&m.b.index.by_client), 0);
        bench_done(&m.b);
    }
}

static void test_memory(void)
{
    struct index index;

    for (uint32_t entries = 1; entries < 3000000; entries = entries * 3 + 1) {
        CHECK_EQ(index_init(&index, entries), 0);
        CHECK(index.by_client.count * 7 > entries);
        CHECK(entries < 1000000 || index_memory(&index) < 32 * (uint64_t)entries);
        index_done(&index);
    }
}

static const struct check_test tests[] = {
    {"one hash", test_one_hash},     {"taken", test_taken},   {"settled", test_settled},
    {"few hashes", test_few_hashes}, {"memory", test_memory},
};

CHECK_MAIN(tests)

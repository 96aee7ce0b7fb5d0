/* Torture of the bucket index where it hurts: all keys have one of a few hashes, so that all
 * entries lie in the same few sequences of buckets, full and overflowing. What must hold at any
 * moment:
 * - a resource is added by one thread at a time, however many try;
 * - a resource that only changes slots is found by every look-up, and by every settled walk of its
 *   client;
 * - whatever is found has the key that was asked for;
 * and at the end, when all is removed, nothing is left in the buckets.
 * Arguments: seconds, seed. */
#include <pthread.h>
#include <time.h>

#include "../../unit/store/sample.h"
#include "check.h"
#include "rcu.h"
#include "store/index.h"
#include "store/slots.h"

enum {
    WRITERS = 3,
    READERS = 2,
    FOUGHT = 40,             /* resources 0..39: whoever adds one, owns it until it removes it */
    RESOURCES = FOUGHT + 12, /* the others: each of one writer, never removed, only replaced */
    HASHES = 3,
    SLOTS = 16384,
    WORDS = CACHE_LINE / 8,
};

struct torture;

struct actor {
    struct torture *torture;
    unsigned number; /* writers first, then readers */
    uint64_t random, done, taken, again, wrong;
    struct slot_cache cache;
    uint32_t slots[RESOURCES]; /* own ones */
    pthread_t thread;
};

struct torture {
    struct slots slots;
    struct index index;
    uint64_t hashes[HASHES];
    _Atomic uint32_t owners[RESOURCES]; /* how many think they own it */
    struct actor actors[WRITERS + READERS];
    _Atomic bool stop;
    uint64_t reclaimed;
};

static void complain(struct actor *actor, const char *what, uint32_t r)
{
    if (actor->wrong++ < 5) {
        printf("actor %u: %s (resource %u)\n", actor->number, what, r);
    }
}

static uint64_t hash_of(const struct torture *t, uint32_t r)
{
    return t->hashes[r % HASHES];
}

/* LEASE_SLOT_NONE: all slots wait for a grace period. Client r has resource r. */
static uint32_t slot_for(struct actor *actor, uint32_t r)
{
    struct torture *t = actor->torture;
    struct sample buf;
    struct lease lease = sample_lease(r, r, 0, 0, &buf);
    uint32_t slot = slots_take(&t->slots, &actor->cache, &lease);

    if (slot != LEASE_SLOT_NONE) {
        index_client_add(&t->index, hash_of(t, r), slot);
    }
    return slot;
}

static void slot_drop(struct actor *actor, uint32_t r, uint32_t slot)
{
    struct torture *t = actor->torture;

    index_client_remove(&t->index, hash_of(t, r), slot);
    slots_retire(&t->slots, &actor->cache, slot);
}

static void try_add(struct actor *actor, uint32_t r)
{
    struct torture *t = actor->torture;
    uint32_t slot = slot_for(actor, r), present = LEASE_SLOT_NONE;
    int rc;

    if (slot == LEASE_SLOT_NONE) {
        return;
    }
    rc = index_resource_add(&t->index, &t->slots, hash_of(t, r), slot, &present);
    if (rc) {
        actor->taken += rc == -EEXIST;
        actor->again += rc == -EAGAIN;
        if (rc == -EEXIST && present >= SLOTS) {
            complain(actor, "present is nothing", r);
        }
        slot_drop(actor, r, slot);
        return;
    }
    if (atomic_fetch_add(&t->owners[r], 1) != 0) {
        complain(actor, "added twice", r);
    }
    actor->slots[r] = slot;
}

static void remove_own(struct actor *actor, uint32_t r)
{
    struct torture *t = actor->torture;

    atomic_fetch_sub(&t->owners[r], 1); /* before anybody else can add it */
    index_resource_remove(&t->index, hash_of(t, r), actor->slots[r]);
    slot_drop(actor, r, actor->slots[r]);
    actor->slots[r] = LEASE_SLOT_NONE;
}

static void replace_own(struct actor *actor, uint32_t r)
{
    struct torture *t = actor->torture;
    uint32_t slot = slot_for(actor, r);

    if (slot != LEASE_SLOT_NONE) {
        index_resource_replace(&t->index, hash_of(t, r), actor->slots[r], slot);
        slot_drop(actor, r, actor->slots[r]);
        actor->slots[r] = slot;
    }
}

static void write_once(struct actor *actor)
{
    uint32_t r = sample_random(&actor->random) % RESOURCES;

    if (r >= FOUGHT) {
        r = FOUGHT + (r - FOUGHT) / WRITERS * WRITERS + actor->number;
        replace_own(actor, r);
    } else if (actor->slots[r] == LEASE_SLOT_NONE) {
        try_add(actor, r);
    } else if (sample_random(&actor->random) % 2) {
        remove_own(actor, r);
    } else {
        replace_own(actor, r);
    }
}

static void *writer_run(void *arg)
{
    struct actor *actor = arg;

    rcu_enter(actor->number);
    while (!atomic_load_explicit(&actor->torture->stop, memory_order_relaxed)) {
        write_once(actor);
        actor->done++;
        rcu_quiescent(actor->number);
    }
    rcu_leave(actor->number);
    return NULL;
}

static void read_resource(struct actor *actor, uint32_t r)
{
    struct torture *t = actor->torture;
    struct resource resource = sample_resource(r);
    uint32_t slot = index_resource_find(&t->index, &t->slots, hash_of(t, r), &resource);

    if (slot == LEASE_SLOT_NONE) {
        if (r >= FOUGHT) {
            complain(actor, "not found by resource", r);
        }
    } else if (!slot_has_resource(slot_cold(&t->slots, slot), &resource)) {
        complain(actor, "another resource", r);
    }
}

static void read_client(struct actor *actor, uint32_t r)
{
    struct torture *t = actor->torture;
    struct resource resource = sample_resource(r);
    uint8_t duid[DUID_SIZE_MAX];
    struct index_walk walk = {.slots = &t->slots,
                              .duid = {duid, sample_duid(r, duid)},
                              .iaid = sample_iaid(r),
                              .type = resource.type};
    uint32_t slot, count;

    do {
        slot = index_client_first(&t->index, hash_of(t, r), &walk);
        for (count = 0; slot != LEASE_SLOT_NONE; slot = index_client_next(&walk)) {
            count++;
            if (!slot_has_resource(slot_cold(&t->slots, slot), &resource)) {
                complain(actor, "another client", r);
            }
        }
    } while (count == 0 && !index_client_settled(&walk));
    if (count == 0 && r >= FOUGHT) {
        complain(actor, "not found by client", r);
    }
}

static void *reader_run(void *arg)
{
    struct actor *actor = arg;

    rcu_enter(actor->number);
    while (!atomic_load_explicit(&actor->torture->stop, memory_order_relaxed)) {
        uint32_t r = sample_random(&actor->random) % RESOURCES;

        if (actor->done++ % 2) {
            read_resource(actor, r);
        } else {
            read_client(actor, r);
        }
        rcu_quiescent(actor->number);
    }
    rcu_leave(actor->number);
    return NULL;
}

static void torture_init(struct torture *t, uint64_t seed)
{
    T6_ASSERT(slots_init(&t->slots, SLOTS, 4, 96, SLOTS) == 0);
    T6_ASSERT(index_init(&t->index, SLOTS) == 0);
    for (uint32_t i = 0; i < HASHES; i++) { /* one home bucket, two tags */
        t->hashes[i] = (hash_mix(seed) & ~UINT64_C(3)) + i / 2;
    }
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        struct actor *actor = &t->actors[i];

        actor->torture = t;
        actor->number = i;
        actor->random = seed * 1000 + i;
        slot_cache_init(&actor->cache);
        memset(actor->slots, 0xff, sizeof(actor->slots));
        for (uint32_t r = FOUGHT + i; i < WRITERS && r < RESOURCES; r += WRITERS) {
            try_add(actor, r);
            T6_ASSERT(actor->slots[r] != LEASE_SLOT_NONE);
        }
    }
}

static void reclaim_for(struct torture *t, double seconds)
{
    struct timespec start, now;

    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        uint32_t first = LEASE_SLOT_NONE;

        for (unsigned i = 0; i < WRITERS; i++) {
            t->reclaimed += slots_retired_collect(&t->slots, &t->actors[i].cache, &first);
        }
        rcu_grace_period();
        slots_give(&t->slots, first);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 <
             seconds);
    atomic_store(&t->stop, true);
}

static uint64_t left_over(const struct index_table *table)
{
    const uint64_t *words = (const void *)table->buckets;
    uint64_t left = 0;

    for (uint64_t i = 0; i < table->count * WORDS; i++) {
        left += (i % WORDS ? words[i] : words[i] & ((UINT64_C(1) << 33) - 1)) != 0;
    }
    return left;
}

static void check_end(struct torture *t)
{
    for (unsigned i = 0; i < WRITERS; i++) {
        for (uint32_t r = 0; r < RESOURCES; r++) {
            if (t->actors[i].slots[r] != LEASE_SLOT_NONE) {
                read_resource(&t->actors[i], r);
                read_client(&t->actors[i], r);
                remove_own(&t->actors[i], r);
            }
        }
    }
    CHECK_EQ(left_over(&t->index.by_resource), 0);
    CHECK_EQ(left_over(&t->index.by_client), 0);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 3;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
    uint64_t writes = 0, reads = 0, taken = 0, again = 0;
    static struct torture t;

    printf("seed %" PRIu64 "\n", seed);
    rcu_enter(0);
    torture_init(&t, seed);
    rcu_leave(0);
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        T6_ASSERT(pthread_create(&t.actors[i].thread, NULL, i < WRITERS ? writer_run : reader_run,
                                 &t.actors[i]) == 0);
    }
    reclaim_for(&t, seconds);
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        T6_ASSERT(pthread_join(t.actors[i].thread, NULL) == 0);
    }
    rcu_enter(0);
    check_end(&t);
    rcu_leave(0);
    for (unsigned i = 0; i < WRITERS + READERS; i++) {
        CHECK_EQ(t.actors[i].wrong, 0);
        *(i < WRITERS ? &writes : &reads) += t.actors[i].done;
        taken += t.actors[i].taken;
        again += t.actors[i].again;
    }
    CHECK(writes > 1000 && reads > 1000 && taken > 0 && t.reclaimed > 0);
    index_done(&t.index);
    slots_done(&t.slots);
    printf("writes %" PRIu64 ", there already %" PRIu64 ", bucket taken %" PRIu64 ", reads %" PRIu64
           ", slots reclaimed %" PRIu64 "\n",
           writes, taken, again, reads, t.reclaimed);
    printf("%d passed, %d failed\n", check_failures == 0, check_failures != 0);
    return check_failures != 0;
}

/* Torture of claim bits and of the expiry wheel. Claims: several threads take and give units of a
 * small, mostly empty pool by every function; nobody ever wins a unit that another holds, and at
 * the end the hints lead to exactly the units that are free. Wheel: several threads arm slots while
 * it turns; every armed slot comes back once, none later than armed for. Arguments: seconds, seed.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "../../unit/store/sample.h"
#include "check.h"
#include "store/claim.h"
#include "store/expiry.h"

enum {
    THREADS = 4,
    UNITS = 64 * 64 + 192, /* three levels */
    BLOCK = 128,
    HELD_MAX = UNITS,
    SLOTS = 4096,
};

struct shared {
    struct claim *claim;
    struct expiry *expiry;
    _Atomic uint8_t owners[UNITS]; /* how many hold it: 0 or 1 */
    _Atomic uint64_t armed[SLOTS]; /* 0: not armed; else 1 << 32 | second */
    _Atomic uint32_t now;
    _Atomic bool stop;
    _Atomic unsigned running;
};

struct actor {
    struct shared *shared;
    pthread_t thread;
    uint64_t random, wins, misses, wrong;
    uint32_t held[HELD_MAX];
    uint32_t held_count;
};

static void won(struct actor *actor, uint32_t unit)
{
    actor->wrong += atomic_fetch_add(&actor->shared->owners[unit], 1) != 0;
    T6_ASSERT(actor->held_count < HELD_MAX);
    actor->held[actor->held_count++] = unit;
    actor->wins++;
}

static void give_one(struct actor *actor)
{
    uint32_t at = sample_random(&actor->random) % actor->held_count;
    uint32_t unit = actor->held[at];

    actor->held[at] = actor->held[--actor->held_count];
    actor->wrong += atomic_fetch_sub(&actor->shared->owners[unit], 1) != 1;
    actor->wrong += !claim_give(actor->shared->claim, unit);
}

static void take_some(struct actor *actor)
{
    struct claim *claim = actor->shared->claim;
    uint32_t what = sample_random(&actor->random) % 8, from = sample_random(&actor->random) % UNITS;
    uint32_t unit;

    if (what < 4) {
        if (claim_take_next(claim, from, &unit)) {
            won(actor, unit);
        } else {
            actor->misses++;
        }
    } else if (what < 6) {
        if (claim_peek_next(claim, from, &unit) && claim_take(claim, unit)) {
            won(actor, unit);
        }
    } else {
        uint32_t size = what == 6 ? BLOCK : 8, first = from / size * size;

        if (claim_take_block(claim, first, size)) {
            for (uint32_t i = 0; i < size; i++) {
                won(actor, first + i);
            }
        }
    }
}

static void *claim_run(void *arg)
{
    struct actor *actor = arg;

    while (!atomic_load_explicit(&actor->shared->stop, memory_order_relaxed)) {
        uint32_t phase = (uint32_t)(actor->wins >> 10) % 2; /* drift between full and empty */

        if (actor->held_count && sample_random(&actor->random) % 16 < (phase ? 6u : 9u)) {
            give_one(actor);
        } else {
            take_some(actor);
        }
    }
    return NULL;
}

static void pause_for(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

    (void)nanosleep(&t, NULL);
}

static uint64_t test_claim(struct shared *s, struct actor *actors, double seconds)
{
    uint32_t unit, held = 0, left = 0;
    uint64_t wins = 0;

    T6_ASSERT(claim_new(UNITS, true, &s->claim) == 0);
    for (unsigned i = 0; i < THREADS; i++) {
        T6_ASSERT(pthread_create(&actors[i].thread, NULL, claim_run, &actors[i]) == 0);
    }
    pause_for(seconds);
    atomic_store(&s->stop, true);
    for (unsigned i = 0; i < THREADS; i++) {
        T6_ASSERT(pthread_join(actors[i].thread, NULL) == 0);
        CHECK_EQ(actors[i].wrong, 0);
        held += actors[i].held_count;
        wins += actors[i].wins;
    }
    CHECK_EQ(claim_count(s->claim), UNITS - held);
    while (claim_take_next(s->claim, 0, &unit)) {
        CHECK_EQ(atomic_load(&s->owners[unit]), 0);
        left++;
    }
    CHECK_EQ(left, UNITS - held);
    CHECK_EQ(claim_mistakes(s->claim), 0);
    CHECK(wins > 1000);
    claim_free(s->claim);
    return wins;
}

/* Arms its own slots, each again once it has come back. */
static void *arm_run(void *arg)
{
    struct actor *actor = arg;
    struct shared *s = actor->shared;

    while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
        uint32_t slot = sample_random(&actor->random) % (SLOTS / (THREADS - 1)) * (THREADS - 1) +
                        actor->held_count;
        sec_t at = atomic_load(&s->now) + sample_random(&actor->random) % 6;

        if (slot < SLOTS && atomic_load(&s->armed[slot]) == 0) {
            /* Written before: the turner may return it at once. */
            atomic_store(&s->armed[slot], (uint64_t)1 << 32 | at);
            expiry_arm(s->expiry, slot, at);
            atomic_fetch_or(&s->armed[slot], (uint64_t)1 << 33); /* arming is complete */
            actor->wins++;
        }
    }
    atomic_fetch_sub(&s->running, 1);
    return NULL;
}

static void turn(struct shared *s, struct actor *turner, sec_t now)
{
    static uint64_t before[SLOTS];
    uint32_t due[256];
    size_t count;

    /* Whose arming was complete before the turn and whose time has come must come back in it. */
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint64_t armed = atomic_load(&s->armed[i]);

        before[i] = armed >> 33 && !sec_after((sec_t)armed, now - 1) ? armed : 0;
    }
    while ((count = expiry_due(s->expiry, now, due, 256)) > 0) {
        for (size_t i = 0; i < count; i++) {
            uint64_t armed = atomic_load(&s->armed[due[i]]);

            while (armed >> 32 == 1) { /* returned before its armer could say so: wait for it */
                sched_yield();
                armed = atomic_load(&s->armed[due[i]]);
            }
            turner->wrong += armed == 0 || sec_after((sec_t)armed, now);
            turner->wins++;
            before[due[i]] = 0;
            atomic_store(&s->armed[due[i]], 0);
        }
    }
    for (uint32_t i = 0; i < SLOTS; i++) {
        turner->wrong += before[i] != 0;
    }
}

static uint64_t test_expiry(struct shared *s, struct actor *actors, double seconds)
{
    struct actor *turner = &actors[THREADS - 1];
    struct timespec start, t;
    uint64_t armed = 0;

    T6_ASSERT(expiry_new(SLOTS, 1000, &s->expiry) == 0);
    atomic_store(&s->now, 1000);
    atomic_store(&s->stop, false);
    atomic_store(&s->running, THREADS - 1);
    for (unsigned i = 0; i < THREADS; i++) {
        actors[i] = (struct actor){.shared = s, .random = actors[i].random, .held_count = i};
    }
    for (unsigned i = 0; i < THREADS - 1; i++) {
        T6_ASSERT(pthread_create(&actors[i].thread, NULL, arm_run, &actors[i]) == 0);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        turn(s, turner, atomic_fetch_add(&s->now, 1) + 1);
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
    } while ((double)(t.tv_sec - start.tv_sec) + (double)(t.tv_nsec - start.tv_nsec) / 1e9 <
             seconds);
    atomic_store(&s->stop, true);
    for (unsigned i = 0; i < THREADS - 1; i++) {
        T6_ASSERT(pthread_join(actors[i].thread, NULL) == 0);
        armed += actors[i].wins;
    }
    for (unsigned i = 0; i < 10; i++) {
        turn(s, turner, atomic_fetch_add(&s->now, 1) + 1);
    }
    CHECK_EQ(turner->wrong, 0);
    CHECK_EQ(turner->wins, armed);
    CHECK(armed > 1000);
    expiry_free(s->expiry);
    return armed;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 3;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL), wins, armed;
    static struct actor actors[THREADS];
    static struct shared shared;
    int claim_failures;

    printf("seed %" PRIu64 "\n", seed);
    for (unsigned i = 0; i < THREADS; i++) {
        actors[i].shared = &shared;
        actors[i].random = seed * 1000 + i;
    }
    wins = test_claim(&shared, actors, seconds / 2);
    claim_failures = check_failures;
    check_failures = 0;
    armed = test_expiry(&shared, actors, seconds / 2);
    printf("units won %" PRIu64 ", slots armed %" PRIu64 "\n", wins, armed);
    printf("%d passed, %d failed\n", (claim_failures == 0) + (check_failures == 0),
           (claim_failures != 0) + (check_failures != 0));
    return claim_failures || check_failures;
}

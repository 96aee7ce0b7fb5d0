/* A long random history of one store, told as lines of digests: built once over each index, so that
 * the two can be compared. Small stores that are nearly full, so that buckets overflow; clients
 * with many leases; loads, stale bases, forgetting, reclaiming. Argument: the seed. */
#include <inttypes.h>

#include <urcu/urcu-qsbr.h>

#include "sample.h"

enum {
    ROUNDS = 12,
    STEPS = 20000,
    STEPS_PER_LINE = 500,
    FOUND_MAX = 64,
};

struct history {
    struct store *store;
    uint64_t random, digest;
    uint32_t resources, clients;
};

static uint32_t pick(struct history *h, uint32_t count)
{
    return sample_random(&h->random) % count;
}

static void tell(struct history *h, uint64_t word)
{
    h->digest = hash_mix(h->digest ^ word) + 1;
}

static uint64_t lease_digest(const struct lease_found *found)
{
    struct siphash_key key = {found->lease.version, found->slot};
    const struct lease *lease = &found->lease;

    return siphash(key, &lease->times, sizeof(lease->times)) ^
           siphash(key, &lease->resource.prefix, sizeof(lease->resource.prefix)) ^
           siphash(key, lease->duid.data, lease->duid.size) ^
           siphash(key, lease->info.data, lease->info.size) ^
           ((uint64_t)lease->iaid << 16 | lease->status);
}

static struct lease any_lease(struct history *h, struct sample *buf)
{
    struct lease lease = sample_lease(pick(h, h->resources), pick(h, h->clients), pick(h, 4),
                                      sample_random(&h->random), buf);

    lease.version = 1 + pick(h, 300);
    return lease;
}

static void find(struct history *h)
{
    struct resource resource = sample_resource(pick(h, h->resources));
    struct lease_found found;
    bool present = store_find(h->store, &resource, &found);

    tell(h, present ? lease_digest(&found) : 0);
}

/* In no order: the indexes may tell a client's leases in different ones. */
static void find_client(struct history *h)
{
    struct lease_found found[FOUND_MAX];
    struct sample buf;
    struct lease like = any_lease(h, &buf);
    uint64_t sum = 0, hash = sample_client_hash(h->store, &like);
    size_t count;

    store_prefetch_client(h->store, hash);
    store_prefetch_found(h->store, hash);
    count = store_find_client(h->store, hash, like.duid, like.iaid, like.resource.type, found,
                              FOUND_MAX);
    for (size_t i = 0; count < FOUND_MAX && i < count; i++) {
        sum += lease_digest(&found[i]);
    }
    tell(h, sum + count);
}

static void commit(struct history *h)
{
    struct sample buf;
    struct lease next = any_lease(h, &buf);
    struct store_committed done = {0};
    struct lease_found base;
    bool present = store_find(h->store, &next.resource, &base);

    if (present && pick(h, 2)) {
        next.iaid = base.lease.iaid;
        next.duid = base.lease.duid;
        next.info = base.lease.info;
    }
    base.lease.version -= pick(h, 16) == 0;
    tell(h, (uint64_t)store_commit(h->store, pick(h, 2), present ? &base : NULL, &next, &done));
    tell(h, done.version << 32 | done.slot);
    tell(h, done.full_needed);
}

static void forget(struct history *h)
{
    struct resource resource = sample_resource(pick(h, h->resources));
    struct lease_found base;

    if (store_find(h->store, &resource, &base)) {
        tell(h, (uint64_t)store_forget(h->store, pick(h, 2), &base));
    }
}

static void load(struct history *h)
{
    struct sample buf;
    struct lease lease = any_lease(h, &buf);
    uint32_t what = pick(h, 8);

    if (what < 4) {
        tell(h, (uint64_t)store_load(h->store, &lease));
    } else if (what < 7) {
        tell(h, (uint64_t)store_load_times(h->store, &lease));
    } else {
        store_load_forget(h->store, &lease.resource, lease.version);
    }
    if (pick(h, 16) == 0) {
        find(h);
    }
}

static void step(struct history *h)
{
    uint32_t what = pick(h, 32);

    if (what < 14) {
        commit(h);
    } else if (what < 18) {
        forget(h);
    } else if (what < 24) {
        find(h);
    } else if (what < 31) {
        find_client(h);
    } else {
        store_retired_give(h->store, store_retired_take(h->store));
    }
}

/* Sizes around the capacity: rounds differ in how full the store and its buckets get. */
static void round_run(struct history *h, uint32_t round)
{
    struct store_config config = {.leases_max = 40 + round * 37,
                                  .committers = 2,
                                  .long_leases_max = 30 + round * 30,
                                  .key = {h->random, round}};
    struct store_stats stats;

    h->resources = config.leases_max - 5 + (round % 3) * 5;
    h->clients = round % 4 == 0 ? 4 : 64;
    T6_ASSERT(store_new(&config, &h->store) == 0);
    for (uint32_t i = 0; i < STEPS; i++) {
        if (i < STEPS / 4) {
            load(h);
        } else {
            step(h);
        }
        if (i == STEPS / 4) {
            tell(h, (uint64_t)store_load_done(h->store));
            tell(h, store_load_stale(h->store));
        }
        if ((i + 1) % STEPS_PER_LINE == 0) {
            store_stats_get(h->store, &stats);
            printf("round %u step %u: used %" PRIu64 " digest %016" PRIx64 "\n", round, i + 1,
                   stats.slots_used, h->digest);
        }
    }
    store_free(h->store);
}

int main(int argc, char **argv)
{
    struct history h = {.random = argc > 1 ? strtoull(argv[1], NULL, 0) : 1};

    urcu_qsbr_register_thread();
    for (uint32_t round = 0; round < ROUNDS; round++) {
        round_run(&h, round);
    }
    urcu_qsbr_unregister_thread();
    return 0;
}

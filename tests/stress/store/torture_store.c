/* Torture of the store: committers and readers on a few resources, slots reused as fast as grace
 * periods allow. What must hold at any moment:
 * - a picture is one whole version, of the resource or client that was asked for;
 * - for one reader a resource's version never falls, and one version never has two contents;
 * - no version of a resource is committed twice;
 * - a walk by client tells no resource twice;
 * - a lease that only changes its times and info is never out of sight, by resource or client;
 * and at the end both indexes and the walk over the slots tell the same leases.
 * Arguments: seconds, seed. */
#include <pthread.h>
#include <time.h>

#include "../../unit/store/sample.h"
#include "check.h"
#include "rcu.h"

enum {
    COMMITTERS = 3,
    READERS = 2,
    RESOURCES = 48,
    STEADY = 8, /* resources 0..7: always client r, never forgotten */
    CLIENTS = 12,
    CLIENTS_FIRST = 100, /* numbers of the clients that fight over the other resources */
    FOUND_MAX = RESOURCES,
    LOG_MAX = 4000000,
    SLOTS = 2048,
};

struct torture;

struct actor {
    struct torture *torture;
    unsigned number; /* committers first, then readers */
    uint64_t random;
    uint64_t done, lost, refused, wrong;
    uint64_t *log; /* resource << 48 | version, each won commit */
    uint64_t log_count;
    uint64_t seen[RESOURCES];
    pthread_t thread;
};

struct torture {
    struct store *store;
    struct actor actors[COMMITTERS + READERS];
    _Atomic bool stop;
    _Atomic unsigned running; /* committers still at work */
    uint64_t reclaimed;
};

static void complain(struct actor *actor, const char *what, uint32_t resource)
{
    if (actor->wrong++ < 5) {
        printf("actor %u: %s (resource %u)\n", actor->number, what, resource);
    }
}

static uint32_t resource_number(const struct resource *resource)
{
    for (uint32_t r = 0; r < RESOURCES; r++) {
        struct resource other = sample_resource(r);

        if (resource_equal(&other, resource)) {
            return r;
        }
    }
    return RESOURCES;
}

/* DUID, IAID and info are those of one client. */
static bool client_consistent(const struct lease *lease, uint32_t *ret_client)
{
    struct sample buf;
    uint32_t device, client;
    size_t duid_size;

    if (lease->duid.size < 14) {
        return false;
    }
    memcpy(&device, lease->duid.data, sizeof(device));
    client = device * 4 + lease->iaid;
    duid_size = sample_duid(client, buf.duid);
    if (!span_equal(lease->duid, (struct span){buf.duid, duid_size})) {
        return false;
    }
    *ret_client = client;
    for (uint32_t variant = 0; variant < 4; variant++) {
        size_t info_size = sample_info(client, variant, buf.info);

        if (span_equal(lease->info, (struct span){buf.info, info_size})) {
            return true;
        }
    }
    return false;
}

static void check_found(struct actor *actor, const struct lease_found *found, uint32_t r)
{
    uint32_t client;

    if (!sample_consistent(&found->lease) || !client_consistent(&found->lease, &client)) {
        complain(actor, "mixture", r);
    } else if (r < STEADY && client != r) {
        complain(actor, "steady lease has another client", r);
    }
    if (found->lease.version < actor->seen[r]) {
        complain(actor, "version fell", r);
    }
    actor->seen[r] = found->lease.version;
}

static void read_resource(struct actor *actor, uint32_t r)
{
    struct resource resource = sample_resource(r);
    struct lease_found found;

    if (store_find(actor->torture->store, &resource, &found)) {
        if (!resource_equal(&found.lease.resource, &resource)) {
            complain(actor, "another resource", r);
        }
        check_found(actor, &found, r);
    } else if (r < STEADY) {
        complain(actor, "steady lease not found", r);
    }
}

static void read_client(struct actor *actor, uint32_t client, uint8_t type)
{
    struct store *store = actor->torture->store;
    struct lease_found found[FOUND_MAX];
    struct sample buf;
    struct lease like = sample_lease(0, client, 0, 0, &buf);
    bool met[RESOURCES + 1] = {false};
    size_t count;

    like.resource.type = type;
    count = store_find_client(store, sample_client_hash(store, &like), like.duid, like.iaid, type,
                              found, FOUND_MAX);
    for (size_t i = 0; i < count; i++) {
        uint32_t r = resource_number(&found[i].lease.resource), actual = UINT32_MAX;

        if (r == RESOURCES || met[r]) {
            complain(actor, r == RESOURCES ? "unknown resource" : "resource twice", r);
            continue;
        }
        met[r] = true;
        check_found(actor, &found[i], r);
        if (!client_consistent(&found[i].lease, &actual) || actual != client) {
            complain(actor, "another client", r);
        }
    }
    if (client < STEADY && sample_resource(client).type == type && !met[client]) {
        complain(actor, "steady lease not found by client", client);
    }
}

static void *reader_run(void *arg)
{
    struct actor *actor = arg;
    struct torture *t = actor->torture;
    struct lease_found found;

    rcu_enter(actor->number);
    while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
        uint32_t r = sample_random(&actor->random) % RESOURCES;
        uint32_t what = sample_random(&actor->random) % 8;

        if (what < 4) {
            read_resource(actor, r);
        } else if (what < 7) {
            uint32_t n = sample_random(&actor->random) % (STEADY + CLIENTS);

            read_client(actor, n < STEADY ? n : CLIENTS_FIRST + n - STEADY,
                        r % 2 ? LEASE_TYPE_NA : LEASE_TYPE_PD);
        } else if (store_read(t->store, sample_random(&actor->random) % SLOTS, &found)) {
            /* A slot may hold a version that is superseded in the same moment: whole, not new. */
            uint32_t client;

            if (!sample_consistent(&found.lease) || !client_consistent(&found.lease, &client)) {
                complain(actor, "mixture in a slot", RESOURCES);
            }
            store_identity_durable(t->store, found.slot, &found.lease.resource,
                                   found.lease.version);
        }
        actor->done++;
        rcu_quiescent(actor->number);
    }
    rcu_leave(actor->number);
    return NULL;
}

static void count(struct actor *actor, int rc, uint32_t r, uint64_t base, uint64_t version)
{
    if (rc == -EAGAIN) {
        actor->lost++;
    } else if (rc == -ENOSPC) {
        actor->refused++;
    } else if (rc != 0 || version <= base) {
        complain(actor, "commit", r);
    } else {
        actor->log[actor->log_count++] = (uint64_t)r << 48 | version;
    }
}

static void commit_once(struct actor *actor)
{
    struct store *store = actor->torture->store;
    uint32_t r = sample_random(&actor->random) % RESOURCES;
    uint32_t what = sample_random(&actor->random) % 8;
    uint32_t client = CLIENTS_FIRST + sample_random(&actor->random) % CLIENTS;
    uint32_t variant = sample_random(&actor->random) % 4;
    struct resource resource = sample_resource(r);
    struct lease_found base;
    struct sample buf;
    struct lease next =
        sample_lease(r, r < STEADY ? r : client, variant, sample_random(&actor->random), &buf);
    struct store_committed done = {0};
    bool found = store_find(store, &resource, &base);
    int rc;

    actor->done++;
    if (!found) {
        rc = store_commit(store, actor->number, NULL, &next, &done);
        count(actor, rc, r, 0, done.version);
        return;
    }
    check_found(actor, &base, r);
    if (what == 0 && r >= STEADY) {
        rc = store_forget(store, actor->number, &base);
        actor->lost += rc != 0;
        return;
    }
    if (what < 5) { /* a renewal: same client, same info */
        next.iaid = base.lease.iaid;
        next.duid = base.lease.duid;
        next.info = base.lease.info;
    }
    rc = store_commit(store, actor->number, &base, &next, &done);
    count(actor, rc, r, base.lease.version, done.version);
    if (rc == 0 && done.version != base.lease.version + 1) {
        complain(actor, "version skipped", r);
    }
}

static void *committer_run(void *arg)
{
    struct actor *actor = arg;
    struct torture *t = actor->torture;

    rcu_enter(actor->number);
    while (!atomic_load_explicit(&t->stop, memory_order_relaxed) && actor->log_count < LOG_MAX) {
        commit_once(actor);
        rcu_quiescent(actor->number);
    }
    rcu_leave(actor->number);
    atomic_fetch_sub(&t->running, 1);
    return NULL;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

/* No version of a resource was won twice. */
static void check_log(struct torture *t)
{
    uint64_t total = 0, duplicates = 0, *all;

    for (unsigned i = 0; i < COMMITTERS; i++) {
        total += t->actors[i].log_count;
    }
    all = malloc((total + 1) * sizeof(*all));
    total = 0;
    for (unsigned i = 0; i < COMMITTERS; i++) {
        memcpy(all + total, t->actors[i].log, t->actors[i].log_count * sizeof(*all));
        total += t->actors[i].log_count;
    }
    qsort(all, total, sizeof(*all), compare_u64);
    for (uint64_t i = 1; i < total; i++) {
        duplicates += all[i] == all[i - 1];
    }
    free(all);
    CHECK_EQ(duplicates, 0);
    CHECK(total > 1000);
}

/* By resource, by client and by slot: the same leases. */
static void check_agreement(struct torture *t)
{
    uint32_t by_resource = 0, by_slot = 0, by_client = 0;
    struct lease_found found, same, many[FOUND_MAX];
    struct store_stats stats;

    for (uint32_t r = 0; r < RESOURCES; r++) {
        struct resource resource = sample_resource(r);

        by_resource += store_find(t->store, &resource, &found);
    }
    for (uint32_t slot = 0; slot < store_slot_max(t->store); slot++) {
        if (store_read(t->store, slot, &found)) {
            by_slot++;
            CHECK(store_find(t->store, &found.lease.resource, &same) && same.slot == slot);
        }
    }
    for (uint32_t n = 0; n < STEADY + CLIENTS; n++) {
        struct sample buf;
        struct lease like =
            sample_lease(0, n < STEADY ? n : CLIENTS_FIRST + n - STEADY, 0, 0, &buf);

        for (unsigned type = 0; type < 2; type++) {
            size_t n_found;

            like.resource.type = type ? LEASE_TYPE_NA : LEASE_TYPE_PD;
            n_found = store_find_client(t->store, sample_client_hash(t->store, &like), like.duid,
                                        like.iaid, like.resource.type, many, FOUND_MAX);
            for (size_t i = 0; i < n_found; i++) {
                CHECK(store_find(t->store, &many[i].lease.resource, &same) &&
                      same.slot == many[i].slot);
            }
            by_client += (uint32_t)n_found;
        }
    }
    store_stats_get(t->store, &stats);
    CHECK_EQ(by_slot, by_resource);
    CHECK_EQ(by_client, by_resource);
    CHECK_EQ(stats.slots_used, by_resource);
}

/* The control core's part: hands slots back for about the given time. */
static void reclaim_for(struct torture *t, double seconds)
{
    struct timespec start, now;

    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        struct store_retired retired = store_retired_take(t->store);

        rcu_grace_period();
        t->reclaimed += retired.count;
        store_retired_give(t->store, retired);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 <
                 seconds &&
             atomic_load(&t->running) > 0);
    atomic_store(&t->stop, true);
    /* Committers and readers leave by themselves; nobody waits for us any more. */
}

static void torture_init(struct torture *t, uint64_t seed)
{
    struct store_config config = {.leases_max = SLOTS,
                                  .committers = COMMITTERS,
                                  .long_leases_max = SLOTS / 2,
                                  .key = {seed, 77}};
    struct store_committed done;

    *t = (struct torture){.running = COMMITTERS};
    T6_ASSERT(store_new(&config, &t->store) == 0);
    for (uint32_t r = 0; r < STEADY; r++) {
        struct sample buf;
        struct lease lease = sample_lease(r, r, 0, 0, &buf);

        T6_ASSERT(store_commit(t->store, 0, NULL, &lease, &done) == 0);
    }
    for (unsigned i = 0; i < COMMITTERS + READERS; i++) {
        struct actor *actor = &t->actors[i];

        *actor = (struct actor){.torture = t, .number = i, .random = seed * 1000 + i};
        if (i < COMMITTERS) {
            actor->log = malloc(LOG_MAX * sizeof(actor->log[0]));
            T6_ASSERT(actor->log);
        }
    }
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 3;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
    uint64_t commits = 0, lost = 0, refused = 0, reads = 0;
    static struct torture t;

    printf("seed %" PRIu64 "\n", seed);
    torture_init(&t, seed);
    for (unsigned i = 0; i < COMMITTERS + READERS; i++) {
        T6_ASSERT(pthread_create(&t.actors[i].thread, NULL,
                                 i < COMMITTERS ? committer_run : reader_run, &t.actors[i]) == 0);
    }
    reclaim_for(&t, seconds);
    for (unsigned i = 0; i < COMMITTERS + READERS; i++) {
        T6_ASSERT(pthread_join(t.actors[i].thread, NULL) == 0);
        CHECK_EQ(t.actors[i].wrong, 0);
        commits += i < COMMITTERS ? t.actors[i].log_count : 0;
        lost += t.actors[i].lost;
        refused += t.actors[i].refused;
        reads += i < COMMITTERS ? 0 : t.actors[i].done;
    }
    rcu_enter(0);
    check_log(&t);
    check_agreement(&t);
    CHECK(lost > 0 && reads > 1000 && t.reclaimed > 0);
    store_free(t.store);
    rcu_leave(0);
    for (unsigned i = 0; i < COMMITTERS; i++) {
        free(t.actors[i].log);
    }
    printf("commits %" PRIu64 ", lost races %" PRIu64 ", no slot %" PRIu64 ", reads %" PRIu64
           ", slots reclaimed %" PRIu64 "\n",
           commits, lost, refused, reads, t.reclaimed);
    printf("%d passed, %d failed\n", check_failures == 0, check_failures != 0);
    return check_failures != 0;
}

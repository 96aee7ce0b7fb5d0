/* What the store costs: fills it with N leases (address and prefix per client, as a residential
 * network has them: DUID 14, Interface-Id 24, Remote-Id 20 octets and the peer address), then
 * finds, renews and inserts at random. Finding and renewing by client are done in bursts, as a
 * worker does them: with both stages of prefetching, with the first one, with none. One thread, on
 * the machine as it is: see that it is quiet.
 * Usage: bench_store [--leases N] [--operations N] [--load]. With --load the leases come as at boot
 * (store_load), and then a record of times for each of them in random order. Last line: one JSON
 * object. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <urcu/urcu-qsbr.h>

#include "store/expiry.h"
#include "store/store.h"

enum {
    BURST = 32,
    INFO_SIZE = 26 + 22 + 18,
    DUID_SIZE = 14,
};

struct bench {
    struct store *store;
    struct expiry *expiry;
    uint32_t lease_count, operation_count;
    bool load; /* fill as at boot, by store_load */
    uint64_t random;
    uint64_t failed;
};

enum stages {
    STAGES_NONE,
    STAGES_BUCKET, /* store_prefetch_client */
    STAGES_BOTH,   /* and store_prefetch_found */
    STAGES_COUNT,
};

struct results {
    double fill_ns, times_ns, find_client_ns[STAGES_COUNT], renew_ns[STAGES_COUNT];
    double find_ns, move_ns, forget_insert_ns, processor_share;
};

struct client {
    uint8_t duid[DUID_SIZE], info[INFO_SIZE];
};

/* One of a burst. */
struct request {
    struct client client;
    struct lease lease;
    uint64_t hash;
};

static double clock_s(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* This thread's own time: what others take of the processor is not counted, what they take of
 * caches and memory is. The share of the time we had the processor is reported. */
static double now_s(void)
{
    return clock_s(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    uint64_t size = 0, resident = 0;

    if (f) {
        if (fscanf(f, "%" SCNu64 " %" SCNu64, &size, &resident) != 2) {
            resident = 0;
        }
        (void)fclose(f);
    }
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint32_t random_lease(struct bench *b)
{
    b->random = hash_mix(b->random + 0x9e3779b97f4a7c15u);
    return (uint32_t)(((b->random >> 32) * b->lease_count) >> 32);
}

/* Lease 2c is client c's address, 2c + 1 its prefix. variant changes the info. */
static struct lease lease_of(uint32_t number, uint8_t variant, struct client *client)
{
    uint32_t c = number / 2;
    bool prefix = number % 2;
    struct lease lease = {.iaid = c * 2654435761u, .status = BINDING_ACTIVE};

    memset(client, 0x5a, sizeof(*client));
    memcpy(client->duid + 4, &c, sizeof(c));
    memcpy(client->info + 6, &c, sizeof(c));
    client->info[40] = variant;
    lease.resource =
        prefix ? (struct resource){{0x20010db800000000u + ((uint64_t)c << 8), 0}, 56, LEASE_TYPE_PD}
               : (struct resource){{0x20010db7ffff0000u, hash_mix(c)}, 128, LEASE_TYPE_NA};
    lease.duid = (struct span){client->duid, DUID_SIZE};
    lease.info = (struct span){client->info, INFO_SIZE};
    return lease;
}

static void fill(struct bench *b)
{
    struct store_committed done = {0};
    struct client client;

    for (uint32_t i = 0; i < b->lease_count; i++) {
        struct lease lease = lease_of(i, 0, &client);

        if (b->load) {
            lease.version = i + 1;
            b->failed += store_load(b->store, &lease) != 0;
        } else {
            b->failed += store_commit(b->store, 0, NULL, &lease, &done) != 0;
            expiry_arm(b->expiry, done.slot, 1000 + i % 3600);
        }
    }
}

/* Records of times alone for all leases, as a log tells them after a checkpoint. */
static void load_times(struct bench *b)
{
    struct client client;

    for (uint32_t i = 0; i < b->lease_count; i++) {
        struct lease lease = lease_of(random_lease(b), 0, &client);

        lease.version = b->lease_count + 1 + i;
        b->failed += store_load_times(b->store, &lease) != 0;
    }
    b->failed += store_load_stale(b->store) != 0;
}

static void burst_make(struct bench *b, struct request *requests, enum stages stages)
{
    for (uint32_t i = 0; i < BURST; i++) {
        struct request *r = &requests[i];

        r->lease = lease_of(random_lease(b), 0, &r->client);
        r->hash = store_client_hash(store_duid_hash(b->store, r->lease.duid), r->lease.iaid,
                                    r->lease.resource.type);
        if (stages >= STAGES_BUCKET) {
            store_prefetch_client(b->store, r->hash);
        }
    }
    for (uint32_t i = 0; i < BURST && stages >= STAGES_BOTH; i++) {
        store_prefetch_found(b->store, requests[i].hash);
    }
}

static bool request_find(struct bench *b, const struct request *r, struct lease_found *ret_found)
{
    return store_find_client(b->store, r->hash, r->lease.duid, r->lease.iaid,
                             r->lease.resource.type, ret_found, 4) == 1;
}

static void burst_find(struct bench *b, enum stages stages)
{
    struct request requests[BURST];
    struct lease_found found[4];

    burst_make(b, requests, stages);
    for (uint32_t i = 0; i < BURST; i++) {
        b->failed += !request_find(b, &requests[i], found);
    }
}

/* As a worker renews: find by client, commit in place. */
static void burst_renew(struct bench *b, enum stages stages)
{
    struct request requests[BURST];
    struct store_committed done;
    struct lease_found found[4];

    burst_make(b, requests, stages);
    for (uint32_t i = 0; i < BURST; i++) {
        struct lease *lease = &requests[i].lease;

        if (!request_find(b, &requests[i], found)) {
            b->failed++;
            continue;
        }
        lease->times.clt_s = found[0].lease.times.clt_s + 1;
        b->failed += store_commit(b->store, 0, &found[0], lease, &done) != 0;
    }
}

static void do_find(struct bench *b)
{
    struct lease_found found;
    struct client client;
    struct lease lease = lease_of(random_lease(b), 0, &client);

    b->failed += !store_find(b->store, &lease.resource, &found);
}

/* The relay's information has changed: a new slot. And back, so that all leases stay alike. */
static void do_move(struct bench *b)
{
    uint32_t number = random_lease(b);

    for (uint8_t variant = 2; variant > 0; variant--) {
        struct store_committed done;
        struct lease_found found;
        struct client client;
        struct lease lease = lease_of(number, variant - 1, &client);

        b->failed += !store_find(b->store, &lease.resource, &found) ||
                     store_commit(b->store, 0, &found, &lease, &done) != 0;
    }
}

static void do_forget_insert(struct bench *b)
{
    struct store_committed done;
    struct lease_found found;
    struct client client;
    struct lease lease = lease_of(random_lease(b), 0, &client);

    b->failed += !store_find(b->store, &lease.resource, &found) ||
                 store_forget(b->store, 0, &found) != 0 ||
                 store_commit(b->store, 0, NULL, &lease, &done) != 0;
}

/* ns per operation, in bursts between quiescent states; slots go back as the control core does. */
static double measure(struct bench *b, void (*operation)(struct bench *b), uint32_t count)
{
    double start = now_s();

    for (uint32_t i = 0; i < count; i += BURST) {
        for (uint32_t k = 0; k < BURST; k++) {
            operation(b);
        }
        urcu_qsbr_quiescent_state();
        if (i % 4096 == 0) {
            /* The only reader has just been quiescent: a grace period costs nothing here. */
            struct store_retired retired = store_retired_take(b->store);

            if (retired.count) {
                urcu_qsbr_synchronize_rcu();
                store_retired_give(b->store, retired);
            }
        }
    }
    return (now_s() - start) / count * 1e9;
}

/* ns per request. */
static double measure_burst(struct bench *b, void (*burst)(struct bench *b, enum stages stages),
                            enum stages stages)
{
    double start = now_s();

    for (uint32_t i = 0; i < b->operation_count; i += BURST) {
        burst(b, stages);
        urcu_qsbr_quiescent_state();
    }
    return (now_s() - start) / b->operation_count * 1e9;
}

static bool arguments_parse(struct bench *b, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--load") == 0) {
            b->load = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--leases") == 0) {
            b->lease_count = (uint32_t)strtoul(argv[++i], NULL, 0);
        } else if (i + 1 < argc && strcmp(argv[i], "--operations") == 0) {
            b->operation_count = (uint32_t)strtoul(argv[++i], NULL, 0);
        } else {
            return false;
        }
    }
    return b->lease_count >= 2 && b->operation_count >= BURST;
}

static void report(const struct bench *b, const struct results *r, uint64_t resident)
{
    struct store_stats stats;
    double n = b->lease_count;

    store_stats_get(b->store, &stats);
    printf("{\"bench\":\"store\",\"leases\":%" PRIu32 ",\"fill\":\"%s\",\"fill_ns\":%.1f,"
           "\"fill_s\":%.2f,\"load_times_ns\":%.1f,\"find_client_ns\":%.1f,"
           "\"find_client_bucket_only_ns\":%.1f,\"find_client_unstaged_ns\":%.1f,"
           "\"renew_ns\":%.1f,\"renew_bucket_only_ns\":%.1f,\"renew_unstaged_ns\":%.1f,",
           b->lease_count, b->load ? "load" : "commit", r->fill_ns, r->fill_ns * n / 1e9,
           r->times_ns, r->find_client_ns[STAGES_BOTH], r->find_client_ns[STAGES_BUCKET],
           r->find_client_ns[STAGES_NONE], r->renew_ns[STAGES_BOTH], r->renew_ns[STAGES_BUCKET],
           r->renew_ns[STAGES_NONE]);
    printf("\"find_ns\":%.1f,\"move_ns\":%.1f,\"forget_insert_ns\":%.1f,"
           "\"bytes_per_lease\":%.1f,\"resident_bytes_per_lease\":%.1f,\"processor_share\":%.2f,"
           "\"failed\":%" PRIu64 "}\n",
           r->find_ns, r->move_ns, r->forget_insert_ns,
           (double)(stats.memory_bytes + expiry_memory(b->expiry)) / n, (double)resident / n,
           r->processor_share, b->failed);
}

static void run(struct bench *b, struct results *r)
{
    double start = now_s();

    fill(b);
    if (b->load) {
        b->failed += store_load_done(b->store) != 0;
    }
    r->fill_ns = (now_s() - start) / b->lease_count * 1e9;
    (void)fprintf(stderr, "filled in %.1f s\n", now_s() - start);
    if (b->load) {
        start = now_s();
        load_times(b);
        r->times_ns = (now_s() - start) / b->lease_count * 1e9;
    }
    for (enum stages stages = STAGES_NONE; stages < STAGES_COUNT; stages++) {
        r->find_client_ns[stages] = measure_burst(b, burst_find, stages);
        r->renew_ns[stages] = measure_burst(b, burst_renew, stages);
    }
    r->find_ns = measure(b, do_find, b->operation_count);
    r->move_ns = measure(b, do_move, b->operation_count / 2) / 2;
    r->forget_insert_ns = measure(b, do_forget_insert, b->operation_count / 2);
}

int main(int argc, char **argv)
{
    struct bench b = {.lease_count = 1000000, .operation_count = 2000000, .random = 1};
    struct store_config config = {.committers = 1, .key = {1, 2}};
    struct results r = {0};
    uint64_t before = resident_bytes();
    double start = clock_s(CLOCK_MONOTONIC), start_own = now_s();

    if (!arguments_parse(&b, argc, argv)) {
        (void)fprintf(stderr, "usage: bench_store [--leases N] [--operations N] [--load]\n");
        return 2;
    }
    /* Some slots more for those that wait for a grace period. */
    config.leases_max = b.lease_count + 2 * 4096 + 2 * BURST;
    if (store_new(&config, &b.store) || expiry_new(config.leases_max, 1000, &b.expiry)) {
        (void)fprintf(stderr, "no memory for %" PRIu32 " leases\n", b.lease_count);
        return 1;
    }
    urcu_qsbr_register_thread();
    run(&b, &r);
    r.processor_share = (now_s() - start_own) / (clock_s(CLOCK_MONOTONIC) - start);
    report(&b, &r, resident_bytes() - before);
    urcu_qsbr_unregister_thread();
    expiry_free(b.expiry);
    store_free(b.store);
    return b.failed != 0;
}

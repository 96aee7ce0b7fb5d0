#include "server/server.h"

#include <stdlib.h>

#include "server/apply.h"
#include "server/worker.h"

static int rings_new(struct server *server)
{
    unsigned count = server->worker_count + 1;

    server->rings = aligned_alloc(CACHE_LINE, count * sizeof(*server->rings));
    if (!server->rings) {
        return -ENOMEM;
    }
    memset(server->rings, 0, count * sizeof(*server->rings));
    for (unsigned i = 0; i < count; i++) {
        int r = change_ring_init(&server->rings[i], SERVER_RING_SIZE);
        if (r) {
            return r;
        }
    }
    return 0;
}

static int workers_new(struct server *server)
{
    size_t size = server->worker_count * sizeof(*server->workers);

    server->workers = aligned_alloc(CACHE_LINE, size);
    if (!server->workers) {
        return -ENOMEM;
    }
    memset(server->workers, 0, size);
    for (unsigned i = 0; i < server->worker_count; i++) {
        int r = worker_init(&server->workers[i], server, i);
        if (r) {
            return r;
        }
    }
    return 0;
}

/* Nobody may guess a key from another one, from the log or from an earlier start. */
static void keys_seed(struct server *server, struct siphash_key seed)
{
    for (unsigned i = 0; i < server->worker_count; i++) {
        server->workers[i].keys.seed =
            (struct siphash_key){hash_mix(seed.k0 + i), hash_mix(seed.k1 ^ i)};
    }
}

int server_new(const struct config *config, const struct policy_identity *identity,
               struct siphash_key seed, sec_t now, struct server **ret_server)
{
    struct store_config store_config = {
        .leases_max = config->leases_max,
        .committers = config->workers + 1,
        .long_leases_max = config->long_leases_max,
        /* Derived, so that bucket order is as secret as the candidates but not the same. */
        .key = {hash_mix(identity->candidate_key.k0 ^ 1), hash_mix(identity->candidate_key.k1 ^ 2)},
    };
    struct server *server =
        aligned_alloc(CACHE_LINE, (sizeof(*server) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));
    int r;

    if (!server) {
        return -ENOMEM;
    }
    memset(server, 0, sizeof(*server));
    server->config = config;
    server->identity = *identity;
    server->worker_count = config->workers;
    server->started_s = now;
    atomic_store(&server->clock_trusted, true);
    r = store_new(&store_config, &server->store);
    r = r ? r : expiry_new(config->leases_max, now, &server->expiry);
    r = r ? r : rings_new(server);
    r = r ? r : workers_new(server);
    if (r == 0) {
        keys_seed(server, seed);
    }
    r = r ? r : claims_new(&server->claims);
    if (r) {
        server_free(server);
        return r;
    }
    *ret_server = server;
    return 0;
}

void server_free(struct server *server)
{
    if (!server) {
        return;
    }
    for (unsigned i = 0; server->workers && i < server->worker_count; i++) {
        worker_done(&server->workers[i]);
    }
    for (unsigned i = 0; server->rings && i <= server->worker_count; i++) {
        change_ring_done(&server->rings[i]);
    }
    policy_free(atomic_load(&server->policy));
    claims_free(server->claims);
    expiry_free(server->expiry);
    store_free(server->store);
    free(server->workers);
    free(server->rings);
    free(server);
}

static int replay_meta(struct server *server, const struct record *record)
{
    struct wire_in in = wire_in_from(record->meta);

    switch (record->meta_key) {
    case META_HORIZON:
        server->disk_horizon_s = wire_in_u32(&in);
        break;
    case META_CLEAN_STOP:
        server->disk_clean_stop_s = wire_in_u32(&in);
        break;
    case META_VERSION_FLOOR:
        store_version_floor_raise(server->store, wire_in_u64(&in));
        break;
    default:
        return 0; /* another release's; kept by the journal, no business of ours */
    }
    return in.failed ? -EBADMSG : 0;
}

int server_replay(void *ctx, const struct record *record)
{
    struct server *server = ctx;

    switch (record->kind) {
    case RECORD_LEASE_FULL:
        return store_load(server->store, &record->lease);
    case RECORD_LEASE_TIMES:
        return store_load_times(server->store, &record->lease);
    case RECORD_LEASE_FORGET:
        store_load_forget(server->store, &record->lease.resource, record->lease.version);
        return 0;
    case RECORD_META:
        return replay_meta(server, record);
    }
    return -EBADMSG;
}

void server_on_durable(void *ctx, uint32_t slot, struct span bytes)
{
    struct server *server = ctx;
    struct record record;

    if (slot == CHANGE_SLOT_NONE || record_kind_of(bytes) != RECORD_LEASE_FULL) {
        return;
    }
    if (record_parse(bytes, &record) == 0) {
        store_identity_durable(server->store, slot, &record.lease.resource, record.lease.version);
    }
}

void server_counters_sum(const struct server *server, uint64_t ret_sums[COUNTER_COUNT])
{
    for (unsigned c = 0; c < COUNTER_COUNT; c++) {
        uint64_t sum = counter_get(&server->control_counters, (enum counter)c);

        for (unsigned i = 0; i < server->worker_count; i++) {
            sum += counter_get(&server->workers[i].counters, (enum counter)c);
        }
        ret_sums[c] = sum;
    }
}

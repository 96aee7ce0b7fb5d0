#include "server/server.h"

#include <stdlib.h>

#include "server/apply.h"
#include "server/dirty.h"
#include "server/lease_tap.h"
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

/* What only failover needs. */
static int endpoints_new(struct server *server, const struct config *config)
{
    if (config->failover_count == 0) {
        return 0;
    }
    server->endpoints = calloc(config->failover_count, sizeof(*server->endpoints));
    server->endpoint_count = config->failover_count;
    return server->endpoints ? dirty_new(config->leases_max, config->failover_count, &server->dirty)
                             : -ENOMEM;
}

int server_new(const struct config *config, const struct policy_identity *identity,
               struct siphash_key seed, sec_t now, struct server **ret_server)
{
    struct store_config store_config = {
        .leases_max = config->leases_max,
        .committers = config->workers + 1,
        .inline_size = config->inline_octets,
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
    r = r ? r : endpoints_new(server, config);
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
    dirty_free(server->dirty);
    free(server->endpoints);
    expiry_free(server->expiry);
    store_free(server->store);
    free(server->workers);
    free(server->rings);
    free(server);
}

/* An endpoint's state, for its relation to read; of a relationship no longer configured: nothing.
 */
static void replay_endpoint(struct server *server, const struct record *record)
{
    uint32_t index = record->meta_key - META_ENDPOINT;

    if (index < server->endpoint_count && record->meta.size) {
        memcpy(server->endpoints[index].record, record->meta.data, record->meta.size);
        server->endpoints[index].record_size = record->meta.size;
    }
}

static int replay_meta(struct server *server, const struct record *record)
{
    struct wire_in in = wire_in_from(record->meta);

    if (record->meta_key >= META_ENDPOINT) {
        replay_endpoint(server, record);
        return 0;
    }
    switch (record->meta_key) {
    case META_HORIZON:
        server->disk_horizon_s = wire_in_u32(&in);
        break;
    case META_CLEAN_STOP:
        server->disk_clean_stop_s = wire_in_u32(&in);
        break;
    case META_CLOCK_DOUBTED:
        server->disk_clock_doubted = wire_in_u32(&in) != 0;
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

/* What is reserved outside all pools and subnets belongs where its reservation holds: on its link,
 * or on all links, if they have one partner (facts F.41). */
static int reserved_relationship(const struct policy *policy, const struct resource *resource)
{
    const struct policy_reservation *holder = policy_reservation_of(policy, resource);
    int relationship;

    if (!holder || policy->link_count == 0) {
        return -1;
    }
    if (holder->link != POLICY_LINK_NONE) {
        return policy->links[holder->link].relationship;
    }
    relationship = policy->links[0].relationship;
    for (unsigned i = 1; i < policy->link_count; i++) {
        if (policy->links[i].relationship != relationship) {
            return -1;
        }
    }
    return relationship;
}

int server_relationship_of(const struct policy *policy, const struct resource *resource)
{
    int pool = policy_pool_find(policy, resource), link;

    link = pool >= 0 ? (int)policy->pools[pool].link
                     : policy_link_by_address(policy, resource->prefix);
    return link == POLICY_LINK_NONE ? reserved_relationship(policy, resource)
                                    : policy->links[link].relationship;
}

/* True when the record must not become the slot's mark, since records of two rings may reach the
 * disk in any order (design invariant 7): a later version of the lease is known to be durable, or
 * the slot has another resource's lease by now, whose mark may be there. */
static bool is_overtaken(const struct server *server, uint32_t slot, const struct lease *lease)
{
    struct lease_found found;

    return store_read(server->store, slot, &found) &&
           (!resource_equal(&found.lease.resource, &lease->resource) ||
            (found.lease.version > lease->version &&
             dirty_is_durable(server->dirty, slot, &found.lease)));
}

/* The partner of the lease's relationship must hear of it. */
static void durable_mark(struct server *server, uint32_t slot, const struct lease *lease)
{
    const struct policy *policy = server_policy(server);
    int relationship = policy ? server_relationship_of(policy, &lease->resource) : -1;

    if (relationship >= 0 && (unsigned)relationship < server->endpoint_count) {
        if (!is_overtaken(server, slot, lease)) {
            dirty_durable_set(server->dirty, slot, lease);
        }
        dirty_set(server->dirty, (unsigned)relationship, DIRTY_DUE, slot);
    }
}

void server_on_durable(void *ctx, uint32_t slot, struct span bytes)
{
    struct server *server = ctx;
    bool full = record_kind_of(bytes) == RECORD_LEASE_FULL;
    bool tapped = server->tap && lease_tap_is_open(server->tap);
    struct record record;

    if (slot == CHANGE_SLOT_NONE || (!full && !server->dirty && !tapped) ||
        record_parse(bytes, &record)) {
        return;
    }
    if (tapped) {
        lease_tap_put(server->tap, slot, record.lease.version);
    }
    if (full) {
        store_identity_durable(server->store, slot, &record.lease.resource, record.lease.version);
    }
    if (server->dirty) {
        durable_mark(server, slot, &record.lease);
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

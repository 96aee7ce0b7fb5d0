/* Leases for the store's tests: client number, info number and a seed for the times tell all of
 * it, so that a found lease can be checked against itself. */
#ifndef TESTS_STORE_SAMPLE_H
#define TESTS_STORE_SAMPLE_H

#include "store/store.h"

struct sample {
    uint8_t duid[DUID_SIZE_MAX];
    uint8_t info[LEASE_INFO_SIZE_MAX];
};

static inline struct resource sample_resource(uint32_t number)
{
    bool prefix = number % 3 == 1;

    return (struct resource){
        {0x20010db800000000u | (prefix ? (uint64_t)number << 8 : 0), prefix ? 0 : number},
        prefix ? 56 : 128,
        prefix ? LEASE_TYPE_PD : LEASE_TYPE_NA};
}

static inline uint32_t sample_iaid(uint32_t client)
{
    return client % 4;
}

/* Clients 4n..4n+3 share a DUID and differ in IAID; every fifth DUID is long, some have no info. */
static inline size_t sample_duid(uint32_t client, uint8_t *buf)
{
    uint32_t device = client / 4;
    size_t size = device % 5 == 4 ? DUID_SIZE_MAX : 14;

    memset(buf, (int)(device * 7), size);
    memcpy(buf, &device, sizeof(device));
    return size;
}

static inline size_t sample_info(uint32_t client, uint32_t variant, uint8_t *buf)
{
    static const size_t sizes[] = {0, 66, 40, LEASE_INFO_SIZE_MAX};
    size_t size = sizes[variant % 4];

    memset(buf, (int)(client * 31 + variant), size);
    return size;
}

/* variant: number of the info, kept in the times too; seed: any. The spans borrow from buf. */
static inline struct lease sample_lease(uint32_t resource, uint32_t client, uint32_t variant,
                                        uint32_t seed, struct sample *buf)
{
    struct lease lease = {.resource = sample_resource(resource), .iaid = sample_iaid(client)};
    uint32_t times[sizeof(lease.times) / 4];

    for (uint32_t i = 0; i < sizeof(times) / 4; i++) {
        times[i] = seed * (2 * i + 1) + i;
    }
    memcpy(&lease.times, times, sizeof(times));
    lease.status = (uint8_t)(BINDING_ACTIVE + seed % (BINDING_STATUS_COUNT - 1));
    lease.flags = (uint8_t)(seed % 7);
    lease.duid = (struct span){buf->duid, sample_duid(client, buf->duid)};
    lease.info = (struct span){buf->info, sample_info(client, variant, buf->info)};
    return lease;
}

/* All but the version. */
static inline bool sample_equal(const struct lease *a, const struct lease *b)
{
    return resource_equal(&a->resource, &b->resource) && a->iaid == b->iaid &&
           a->status == b->status && a->flags == b->flags &&
           memcmp(&a->times, &b->times, sizeof(a->times)) == 0 && span_equal(a->duid, b->duid) &&
           span_equal(a->info, b->info);
}

/* True when the lease is one whole sample_lease, not a mixture of two. */
static inline bool sample_consistent(const struct lease *lease)
{
    uint32_t times[sizeof(lease->times) / 4], seed;

    memcpy(times, &lease->times, sizeof(times));
    seed = times[0];
    for (uint32_t i = 0; i < sizeof(times) / 4; i++) {
        if (times[i] != seed * (2 * i + 1) + i) {
            return false;
        }
    }
    return lease->status == BINDING_ACTIVE + seed % (BINDING_STATUS_COUNT - 1) &&
           lease->flags == seed % 7;
}

static inline uint64_t sample_client_hash(const struct store *store, const struct lease *lease)
{
    return store_client_hash(store_duid_hash(store, lease->duid), lease->iaid,
                             lease->resource.type);
}

/* A small generator, so that every run is the same. */
static inline uint32_t sample_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

#endif

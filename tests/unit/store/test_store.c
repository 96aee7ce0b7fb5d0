/* The store by one thread: the contract of each function, then long random histories against a
 * model that is an array. No grace periods are needed where nobody reads meanwhile. */
#include <urcu/urcu-qsbr.h>

#include "check.h"
#include "sample.h"

static struct store *store_of(uint32_t leases_max, uint32_t committers, uint32_t long_max)
{
    struct store_config config = {.leases_max = leases_max,
                                  .committers = committers,
                                  .long_leases_max = long_max,
                                  .key = {1, 2}};
    struct store *store = NULL;

    T6_ASSERT(store_new(&config, &store) == 0);
    return store;
}

static void reclaim(struct store *store)
{
    store_retired_give(store, store_retired_take(store));
}

static int commit(struct store *store, const struct lease_found *base, const struct lease *next,
                  struct store_committed *ret)
{
    return store_commit(store, 0, base, next, ret);
}

static size_t find_client(const struct store *store, const struct lease *lease,
                          struct lease_found *found, size_t max)
{
    return store_find_client(store, sample_client_hash(store, lease), lease->duid, lease->iaid,
                             lease->resource.type, found, max);
}

static void test_refusals(void)
{
    struct store_config config = {.leases_max = 0, .committers = 1};
    struct store *store = NULL;
    struct sample buf;
    struct lease lease = sample_lease(1, 1, 0, 5, &buf);
    struct store_committed done = {.slot = 77};

    CHECK_EQ(store_new(&config, &store), -EINVAL);
    config = (struct store_config){.leases_max = 10};
    CHECK_EQ(store_new(&config, &store), -EINVAL);
    CHECK(store == NULL);
    store_free(NULL);
    store = store_of(10, 1, 0);
    lease.status = BINDING_STATUS_COUNT;
    CHECK_EQ(commit(store, NULL, &lease, &done), -EINVAL);
    lease.version = 5;
    CHECK_EQ(store_load(store, &lease), -EINVAL);
    lease = sample_lease(1, 1, 0, 5, &buf);
    lease.duid.size = DUID_SIZE_MAX + 1;
    CHECK_EQ(commit(store, NULL, &lease, &done), -EINVAL);
    lease.duid.size = 14;
    lease.info.size = LEASE_INFO_SIZE_MAX + 1;
    CHECK_EQ(commit(store, NULL, &lease, &done), -EINVAL);
    CHECK_EQ(done.slot, 77);
    lease.info.size = 0;
    CHECK_EQ(store_load(store, &lease), -EINVAL); /* no version */
    lease.version = UINT64_MAX;
    CHECK_EQ(store_load(store, &lease), -EINVAL);
    CHECK_EQ(store_slot_max(store), 0);
    store_free(store);
}

static void test_life(void)
{
    struct store *store = store_of(100, 2, 0);
    struct sample buf, buf2;
    struct lease a = sample_lease(7, 1, 1, 5, &buf), b = sample_lease(7, 9, 2, 6, &buf2);
    struct lease_found found, old, many[4];
    struct store_committed done;
    uint32_t slot;

    CHECK(!store_find(store, &a.resource, &found));
    CHECK_EQ(commit(store, NULL, &a, &done), 0);
    CHECK_EQ(done.version, 1);
    CHECK(done.full_needed);
    slot = done.slot;
    CHECK_EQ(commit(store, NULL, &a, &done), -EAGAIN); /* it has one now */
    CHECK(store_find(store, &a.resource, &old));
    CHECK(sample_equal(&old.lease, &a));
    CHECK_EQ(old.slot, slot);
    /* A renewal stays in its slot. */
    a = sample_lease(7, 1, 1, 8, &buf);
    CHECK_EQ(commit(store, &old, &a, &done), 0);
    CHECK_EQ(done.version, 2);
    CHECK_EQ(done.slot, slot);
    CHECK_EQ(commit(store, &old, &a, &done), -EAGAIN); /* old is version 1 */
    CHECK_EQ(store_forget(store, 0, &old), -EAGAIN);
    CHECK_EQ(find_client(store, &a, many, 4), 1);
    CHECK(sample_equal(&many[0].lease, &a));
    CHECK_EQ(many[0].lease.version, 2);
    /* Another client takes it to another slot. */
    CHECK(store_find(store, &a.resource, &found));
    CHECK_EQ(store_commit(store, 1, &found, &b, &done), 0);
    CHECK_EQ(done.version, 3);
    CHECK(done.slot != slot && done.full_needed);
    CHECK_EQ(find_client(store, &a, many, 4), 0);
    CHECK_EQ(find_client(store, &b, many, 4), 1);
    CHECK(!store_read(store, slot, &found));
    CHECK(store_read(store, done.slot, &found));
    CHECK(sample_equal(&found.lease, &b));
    /* Forgotten; the next one's version is higher, whatever client. */
    CHECK_EQ(store_forget(store, 0, &found), 0);
    CHECK(!store_find(store, &a.resource, &old));
    CHECK_EQ(find_client(store, &b, many, 4), 0);
    CHECK_EQ(store_version_floor(store), 3);
    CHECK_EQ(commit(store, &found, &b, &done), -EAGAIN);
    CHECK_EQ(commit(store, NULL, &a, &done), 0);
    CHECK_EQ(done.version, 4);
    CHECK(!store_read(store, UINT32_MAX, &found));
    store_free(store);
}

/* A client that had many leases before is still found by the one it has. */
static void test_active_found_first(void)
{
    struct store *store = store_of(100, 1, 0);
    struct lease_found found[4];
    struct store_committed done;
    struct sample buf;

    for (uint32_t active = 0; active < 12; active++) {
        struct lease lease = {.status = 0};
        bool there = false;

        for (uint32_t i = 0; i < 12; i++) { /* addresses: 3i */
            struct lease_found base;
            bool present;

            lease = sample_lease(3 * i, 1, 0, 5, &buf);
            lease.status = i == active ? BINDING_ACTIVE : BINDING_FREE;
            present = store_find(store, &lease.resource, &base);
            CHECK_EQ(commit(store, present ? &base : NULL, &lease, &done), 0);
        }
        CHECK_EQ(find_client(store, &lease, found, 4), 4);
        for (unsigned i = 0; i < 4; i++) {
            there = there || found[i].lease.status == BINDING_ACTIVE;
        }
        CHECK(there);
    }
    store_free(store);
}

static void test_clientless(void)
{
    struct store *store = store_of(100, 1, 0);
    struct sample buf;
    struct lease a = sample_lease(7, 1, 0, 5, &buf);
    struct lease_found found;
    struct store_committed done;

    a.duid.size = 0;
    CHECK_EQ(commit(store, NULL, &a, &done), 0);
    CHECK(store_find(store, &a.resource, &found));
    CHECK_EQ(found.lease.duid.size, 0);
    CHECK_EQ(find_client(store, &a, &found, 1), 0);
    CHECK(store_find(store, &a.resource, &found));
    a = sample_lease(7, 1, 0, 5, &buf);
    CHECK_EQ(commit(store, &found, &a, &done), 0);
    CHECK_EQ(find_client(store, &a, &found, 1), 1);
    CHECK_EQ(store_forget(store, 0, &found), 0);
    store_free(store);
}

static void test_full(void)
{
    struct store *store = store_of(50, 3, 4);
    struct sample buf;
    struct store_stats stats;
    struct lease_found found;
    struct store_committed done;
    struct lease lease;

    for (uint32_t i = 0; i < 50; i++) {
        lease = sample_lease(i, 1, 0, 0, &buf);
        CHECK_EQ(store_commit(store, i % 3, NULL, &lease, &done), 0);
    }
    lease = sample_lease(50, 1, 0, 0, &buf);
    CHECK_EQ(commit(store, NULL, &lease, &done), -ENOSPC);
    lease = sample_lease(3, 1, 0, 4, &buf);
    CHECK(store_find(store, &lease.resource, &found));
    CHECK_EQ(commit(store, &found, &lease, &done), 0); /* in place needs no slot */
    CHECK(store_find(store, &lease.resource, &found));
    CHECK_EQ(store_forget(store, 2, &found), 0);
    lease = sample_lease(50, 1, 0, 0, &buf);
    CHECK_EQ(commit(store, NULL, &lease, &done), -ENOSPC); /* waits for its grace period */
    reclaim(store);
    CHECK_EQ(commit(store, NULL, &lease, &done), 0);
    /* Four chunks for long ones; a refused lease changes nothing. Client 16's DUID is long. */
    for (uint32_t i = 10; i < 15; i++) {
        lease = sample_lease(i, 16, 3, 1, &buf);
        CHECK(store_find(store, &lease.resource, &found));
        CHECK_EQ(store_forget(store, 0, &found), 0);
        reclaim(store);
        CHECK_EQ(commit(store, NULL, &lease, &done), i < 14 ? 0 : -ENOSPC);
    }
    store_stats_get(store, &stats);
    CHECK_EQ(stats.slots_used, 49);
    CHECK_EQ(stats.leases_max, 50);
    CHECK_EQ(stats.long_leases_used, 4);
    CHECK_EQ(stats.by_status[BINDING_ACTIVE], 45);
    CHECK_EQ(stats.by_status[BINDING_ACTIVE + 1], 4);
    CHECK(stats.memory_bytes > 50 * 208);
    lease = sample_lease(10, 16, 3, 1, &buf);
    CHECK(store_find(store, &lease.resource, &found));
    CHECK(sample_equal(&found.lease, &lease));
    CHECK_EQ(store_forget(store, 0, &found), 0);
    reclaim(store);
    lease = sample_lease(14, 16, 3, 1, &buf);
    CHECK_EQ(commit(store, NULL, &lease, &done), 0);
    store_free(store);
}

/* A client behind a relay that adds an Interface-Id of 24 octets and a Remote-Id of 16: DUID 14,
 * peer's interface identifier, link-address and relay. */
static struct lease relayed_lease(uint32_t number, struct sample *buf)
{
    struct lease lease = sample_lease(number, 4 * number, 0, 0, buf);
    struct wire_out out = wire_out_to(buf->info, sizeof(buf->info));
    uint8_t data[32];

    memset(buf->duid, (int)number, 14);
    memcpy(buf->duid, &number, sizeof(number));
    memset(data, (int)(number * 31), sizeof(data));
    T6_ASSERT(lease_info_add(&out, LEASE_INFO_PEER_ADDRESS, (struct span){data, 8}) &&
              lease_info_add(&out, LEASE_INFO_LINK_ADDRESS, (struct span){data, 16}) &&
              lease_info_add(&out, LEASE_INFO_RELAY, (struct span){data, 16}) &&
              lease_info_add(&out, LEASE_INFO_INTERFACE_ID, (struct span){data, 24}) &&
              lease_info_add(&out, LEASE_INFO_REMOTE_ID, (struct span){data, 4 + 16}));
    lease.duid = (struct span){buf->duid, 14};
    lease.info = (struct span){buf->info, (size_t)(out.at - buf->info)};
    return lease;
}

/* One more item behind what the lease has, of 12 octets. */
static size_t relay_id_append(struct sample *buf, size_t size)
{
    struct wire_out out = wire_out_to(buf->info + size, sizeof(buf->info) - size);

    T6_ASSERT(lease_info_add(&out, LEASE_INFO_RELAY_ID, (struct span){buf->duid, 10}));
    return (size_t)(out.at - buf->info) - size;
}

/* The usual relayed client needs no chunk: the store takes as many as it says. */
static void test_relayed(void)
{
    enum {
        COUNT = 5000
    };
    struct store *store = store_of(COUNT, 1, 0);
    struct store_committed done;
    struct lease_found found;
    struct store_stats stats;
    struct sample buf;
    uint32_t refused = 0;

    for (uint32_t i = 0; i < COUNT; i++) {
        struct lease lease = relayed_lease(i, &buf);

        refused += commit(store, NULL, &lease, &done) != 0;
    }
    CHECK_EQ(refused, 0);
    store_stats_get(store, &stats);
    CHECK_EQ(stats.slots_used, COUNT);
    CHECK_EQ(stats.long_leases_used, 0);
    for (uint32_t i = 0; i < COUNT; i += 7) {
        struct lease lease = relayed_lease(i, &buf);

        CHECK(store_find(store, &lease.resource, &found));
        CHECK(sample_equal(&found.lease, &lease));
    }
    store_free(store);
}

/* More long leases than chunks: the rest lose what relays said last, and are served all the same.
 */
static void test_cut(void)
{
    struct store *store = store_of(50, 1, 4);
    struct store_committed done;
    struct lease_found found;
    struct store_stats stats;
    struct sample buf;
    struct lease lease;
    size_t short_size;

    for (uint32_t i = 0; i < 6; i++) {
        lease = relayed_lease(i, &buf);
        short_size = lease.info.size;
        lease.info.size += relay_id_append(&buf, lease.info.size);
        CHECK_EQ(commit(store, NULL, &lease, &done), 0);
        CHECK(store_find(store, &lease.resource, &found));
        CHECK_EQ(found.lease.info.size, i < 4 ? lease.info.size : short_size);
        CHECK_EQ(memcmp(found.lease.info.data, buf.info, found.lease.info.size), 0);
        CHECK(span_equal(found.lease.duid, lease.duid));
    }
    store_stats_get(store, &stats);
    CHECK_EQ(stats.long_leases_used, 4);
    CHECK_EQ(stats.long_leases_max, 4);
    CHECK_EQ(stats.cut_leases, 2);
    /* The same again is a renewal in place; with other relay data it moves. */
    CHECK_EQ(commit(store, &found, &lease, &done), 0);
    CHECK_EQ(done.slot, found.slot);
    CHECK(store_find(store, &lease.resource, &found));
    CHECK_EQ(found.lease.version, 2);
    buf.info[2]++;
    CHECK_EQ(commit(store, &found, &lease, &done), 0);
    CHECK(done.slot != found.slot);
    store_stats_get(store, &stats);
    CHECK_EQ(stats.cut_leases, 3); /* the old slot waits for its grace period */
    reclaim(store);
    store_stats_get(store, &stats);
    CHECK_EQ(stats.cut_leases, 2);
    /* A lease that goes makes room for the whole of the next one. */
    lease = relayed_lease(0, &buf);
    CHECK(store_find(store, &lease.resource, &found));
    CHECK_EQ(store_forget(store, 0, &found), 0);
    reclaim(store);
    lease = relayed_lease(9, &buf);
    lease.info.size += relay_id_append(&buf, lease.info.size);
    CHECK_EQ(commit(store, NULL, &lease, &done), 0);
    CHECK(store_find(store, &lease.resource, &found));
    CHECK_EQ(found.lease.info.size, lease.info.size);
    store_free(store);
}

static void test_identity_durable(void)
{
    struct store *store = store_of(100, 1, 0);
    struct sample buf;
    struct lease a = sample_lease(7, 1, 1, 5, &buf), other = sample_lease(8, 1, 1, 5, &buf);
    struct lease_found found;
    struct store_committed done;
    uint32_t slot;

    CHECK_EQ(commit(store, NULL, &a, &done), 0);
    slot = done.slot;
    store_identity_durable(store, slot, &other.resource, 99);
    store_identity_durable(store, UINT32_MAX, &a.resource, 1);
    CHECK(store_find(store, &a.resource, &found));
    CHECK_EQ(commit(store, &found, &a, &done), 0);
    CHECK(done.full_needed);
    store_identity_durable(store, slot, &a.resource, 1);
    CHECK(store_find(store, &a.resource, &found));
    CHECK_EQ(commit(store, &found, &a, &done), 0);
    CHECK(!done.full_needed);
    /* The same slot, resource and client again, later: what was durable was the former life. */
    CHECK(store_find(store, &a.resource, &found));
    CHECK_EQ(store_forget(store, 0, &found), 0);
    reclaim(store);
    CHECK_EQ(commit(store, NULL, &a, &done), 0);
    CHECK_EQ(done.slot, slot);
    store_identity_durable(store, slot, &a.resource, 3);
    CHECK(store_find(store, &a.resource, &found));
    CHECK_EQ(commit(store, &found, &a, &done), 0);
    CHECK(done.full_needed);
    store_identity_durable(store, slot, &a.resource, 4);
    CHECK(store_find(store, &a.resource, &found));
    CHECK_EQ(commit(store, &found, &a, &done), 0);
    CHECK(!done.full_needed);
    store_free(store);
}

/* One client with very many leases: all of them are found, and so are the others'. */
static void test_one_client(void)
{
    enum {
        COUNT = 3000
    };
    static struct lease_found found[COUNT];
    struct store *store = store_of(2 * COUNT, 1, COUNT);
    struct sample buf;
    struct store_committed done;
    uint32_t refused = 0;

    for (uint32_t i = 0; i < 2 * COUNT; i++) { /* addresses: 3i */
        struct lease lease = sample_lease(3 * i, i % 2 ? 0 : 4 + i, 0, 0, &buf);

        refused += commit(store, NULL, &lease, &done) != 0;
    }
    CHECK_EQ(refused, 0);
    for (uint32_t i = 0; i < 2 * COUNT; i += 97) {
        struct lease lease = sample_lease(3 * i, i % 2 ? 0 : 4 + i, 0, 0, &buf);
        uint64_t hash = sample_client_hash(store, &lease);

        store_prefetch_resource(store, &lease.resource);
        store_prefetch_client(store, hash);
        store_prefetch_found(store, hash);
        CHECK_EQ(find_client(store, &lease, found, COUNT), i % 2 ? COUNT : 1);
        CHECK(store_find(store, &lease.resource, found));
        CHECK(sample_equal(&found[0].lease, &lease));
    }
    store_free(store);
}

enum {
    RESOURCES = 60,
    CLIENTS = 24,
    STEPS = 300000,
    COMMITTERS = 3,
};

struct model {
    struct store *store;
    uint64_t random, floor;

    struct {
        bool present;
        uint64_t version;
        uint32_t slot, client, variant, seed;
        struct lease_found stale; /* some former picture; its spans are not used */
    } leases[RESOURCES];
};

static void model_check_resource(struct model *m, uint32_t r)
{
    struct resource resource = sample_resource(r);
    struct lease_found found;
    struct sample buf;
    struct lease expected;
    bool present = store_find(m->store, &resource, &found);

    CHECK_EQ(present, m->leases[r].present);
    if (present && m->leases[r].present) {
        expected =
            sample_lease(r, m->leases[r].client, m->leases[r].variant, m->leases[r].seed, &buf);
        CHECK(sample_equal(&found.lease, &expected));
        CHECK_EQ(found.lease.version, m->leases[r].version);
        CHECK_EQ(found.slot, m->leases[r].slot);
        m->leases[r].stale = found;
    }
}

static void model_check_client(struct model *m, uint32_t client, uint8_t type)
{
    struct sample buf;
    struct lease like = sample_lease(0, client, 0, 0, &buf);
    struct lease_found found[RESOURCES];
    size_t count, expected = 0;

    like.resource.type = type;
    count = find_client(m->store, &like, found, RESOURCES);
    for (uint32_t r = 0; r < RESOURCES; r++) {
        struct resource resource = sample_resource(r);
        size_t matches = 0;

        if (resource.type == type && m->leases[r].present && m->leases[r].client == client) {
            expected++;
            for (size_t i = 0; i < count; i++) {
                matches += resource_equal(&found[i].lease.resource, &resource) &&
                           found[i].lease.version == m->leases[r].version;
            }
            CHECK_EQ(matches, 1);
        }
    }
    CHECK_EQ(count, expected);
}

static void model_commit(struct model *m, uint32_t r)
{
    bool stale = sample_random(&m->random) % 8 == 0, keep = sample_random(&m->random) % 2;
    uint32_t client = keep ? m->leases[r].client : sample_random(&m->random) % CLIENTS;
    uint32_t variant = keep ? m->leases[r].variant : sample_random(&m->random) % 4;
    uint32_t seed = sample_random(&m->random);
    unsigned committer = sample_random(&m->random) % COMMITTERS;
    struct sample buf;
    struct lease next = sample_lease(r, client, variant, seed, &buf);
    struct lease_found base = m->leases[r].stale;
    struct store_committed done;
    bool has_base = stale ? sample_random(&m->random) % 2 : m->leases[r].present, wins;
    int rc;

    if (!stale && has_base) {
        T6_ASSERT(store_find(m->store, &next.resource, &base));
    }
    wins = has_base ? m->leases[r].present && base.lease.version == m->leases[r].version &&
                          base.slot == m->leases[r].slot
                    : !m->leases[r].present;
    if (has_base && base.lease.version == 0) {
        return; /* there never was one to be stale */
    }
    rc = store_commit(m->store, committer, has_base ? &base : NULL, &next, &done);
    CHECK_EQ(rc, wins ? 0 : -EAGAIN);
    if (rc == 0) {
        CHECK_EQ(done.version, (has_base ? base.lease.version : m->floor) + 1);
        m->leases[r].present = true;
        m->leases[r].version = done.version;
        m->leases[r].slot = done.slot;
        m->leases[r].client = client;
        m->leases[r].variant = variant;
        m->leases[r].seed = seed;
    }
}

static void model_forget(struct model *m, uint32_t r)
{
    struct resource resource = sample_resource(r);
    struct lease_found base;

    if (store_find(m->store, &resource, &base)) {
        CHECK_EQ(store_forget(m->store, sample_random(&m->random) % COMMITTERS, &base), 0);
        CHECK_EQ(store_forget(m->store, 0, &base), -EAGAIN);
        m->floor = base.lease.version > m->floor ? base.lease.version : m->floor;
        m->leases[r].present = false;
    }
}

static void model_check_all(struct model *m)
{
    struct store_stats stats;
    struct lease_found found;
    uint64_t by_status[BINDING_STATUS_COUNT] = {0}, present = 0, walked = 0;

    for (uint32_t r = 0; r < RESOURCES; r++) {
        model_check_resource(m, r);
        if (m->leases[r].present) {
            present++;
            by_status[BINDING_ACTIVE + m->leases[r].seed % (BINDING_STATUS_COUNT - 1)]++;
        }
    }
    for (uint32_t client = 0; client < CLIENTS; client++) {
        model_check_client(m, client, LEASE_TYPE_NA);
        model_check_client(m, client, LEASE_TYPE_PD);
    }
    for (uint32_t slot = 0; slot < store_slot_max(m->store); slot++) {
        walked += store_read(m->store, slot, &found);
    }
    store_stats_get(m->store, &stats);
    CHECK_EQ(walked, present);
    CHECK_EQ(stats.slots_used, present);
    for (unsigned i = 0; i < BINDING_STATUS_COUNT; i++) {
        CHECK_EQ(stats.by_status[i], by_status[i]);
    }
    CHECK_EQ(store_version_floor(m->store), m->floor);
}

static void test_random_histories(void)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct model m = {.store = store_of(400, COMMITTERS, 200), .random = seed};

        for (uint32_t step = 0; step < STEPS && check_failures == 0; step++) {
            uint32_t r = sample_random(&m.random) % RESOURCES;
            uint32_t what = sample_random(&m.random) % 16;

            if (what < 10) {
                model_commit(&m, r);
            } else if (what < 12) {
                model_forget(&m, r);
            } else if (what < 15) {
                model_check_resource(&m, r);
            } else {
                model_check_client(&m, sample_random(&m.random) % CLIENTS, LEASE_TYPE_NA);
            }
            if (step % 64 == 0) {
                reclaim(m.store);
            }
            if (step % 5000 == 0) {
                model_check_all(&m);
            }
        }
        model_check_all(&m);
        store_free(m.store);
        if (check_failures) {
            printf("seed %" PRIu64 "\n", seed);
            break;
        }
    }
}

static void test_many(void)
{
    enum {
        COUNT = 40000
    };
    struct store *store = store_of(COUNT, 2, COUNT / 4); /* a fifth have long DUIDs */
    struct sample buf;
    struct lease_found found[8];
    struct store_committed done;
    struct store_stats stats;
    uint32_t refused = 0;

    for (uint32_t i = 0; i < COUNT; i++) {
        struct lease lease = sample_lease(i, i, 0, 0, &buf);

        store_prefetch_client(store, sample_client_hash(store, &lease));
        refused += store_commit(store, 0, NULL, &lease, &done) != 0;
    }
    CHECK_EQ(refused, 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        struct lease lease = sample_lease(i, i, 0, 0, &buf);

        CHECK(store_find(store, &lease.resource, found));
        CHECK_EQ(find_client(store, &lease, found, 8), 1);
        CHECK(sample_equal(&found[0].lease, &lease));
    }
    store_stats_get(store, &stats);
    CHECK_EQ(stats.slots_used, COUNT);
    store_free(store);
}

static const struct check_test tests[] = {
    {"refusals", test_refusals},
    {"life", test_life},
    {"active_found_first", test_active_found_first},
    {"clientless", test_clientless},
    {"full", test_full},
    {"relayed", test_relayed},
    {"cut", test_cut},
    {"identity durable", test_identity_durable},
    {"one client", test_one_client},
    {"random histories", test_random_histories},
    {"many", test_many},
};

/* The tables' functions want a registered reader. */
__attribute__((constructor)) static void register_reader(void)
{
    urcu_qsbr_register_thread();
}

__attribute__((destructor)) static void unregister_reader(void)
{
    urcu_qsbr_unregister_thread();
}

CHECK_MAIN(tests)

/* Filling the store from records, as at boot: old and new ones, forgotten ones, records of times
 * alone, in any order. */
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

static void test_load(void)
{
    struct store *store = store_of(4, 1, 1);
    struct sample buf;
    struct lease a = sample_lease(7, 1, 1, 5, &buf);
    struct lease_found found;
    struct store_committed done;
    struct store_stats stats;

    a.version = 10;
    CHECK_EQ(store_load(store, &a), 0);
    a = sample_lease(7, 1, 1, 6, &buf);
    a.version = 9; /* older: ignored */
    CHECK_EQ(store_load(store, &a), 0);
    CHECK(store_find(store, &a.resource, &found));
    CHECK_EQ(found.lease.version, 10);
    CHECK_EQ(found.lease.times.start_s, 5);
    /* A times-only record borrows client and info from the store itself. */
    found.lease.version = 12;
    found.lease.times.start_s = 99;
    CHECK_EQ(store_load(store, &found.lease), 0);
    found.lease.version = 13;
    found.lease.info.size = 0;
    CHECK_EQ(store_load(store, &found.lease), 0);
    CHECK_EQ(find_client(store, &a, &found, 1), 1);
    CHECK_EQ(found.lease.version, 13);
    CHECK_EQ(found.lease.info.size, 0);
    CHECK_EQ(commit(store, &found, &found.lease, &done), 0);
    CHECK_EQ(done.version, 14);
    CHECK(!done.full_needed);
    /* Forgotten, and its own record after the one that forgot it. */
    store_load_forget(store, &a.resource, 14);
    CHECK(!store_find(store, &a.resource, &found));
    a.version = 14;
    CHECK_EQ(store_load(store, &a), 0);
    CHECK(!store_find(store, &a.resource, &found));
    a.version = 15;
    CHECK_EQ(store_load(store, &a), 0);
    store_load_forget(store, &a.resource, 14); /* an old one: raises nothing, drops nothing */
    CHECK(store_find(store, &a.resource, &found));
    CHECK_EQ(store_version_floor(store), 14);
    store_version_floor_raise(store, 40);
    store_version_floor_raise(store, 20);
    for (uint32_t i = 20; i < 23; i++) {
        a = sample_lease(i, 1, 0, 5, &buf);
        a.version = 3;
        CHECK_EQ(store_load(store, &a), 0);
    }
    a = sample_lease(30, 1, 0, 5, &buf);
    a.version = 3;
    CHECK_EQ(store_load(store, &a), -ENOSPC);
    a = sample_lease(20, 1, 0, 6, &buf);
    a.version = 4;
    CHECK_EQ(store_load(store, &a), 0); /* full, but in place */
    a = sample_lease(20, 1, 2, 6, &buf);
    a.version = 3;
    CHECK_EQ(store_load(store, &a), 0); /* full and old: ignored */
    a.version = 5;
    CHECK_EQ(store_load(store, &a), -ENOSPC);
    CHECK_EQ(store_load_done(store), 0);
    store_stats_get(store, &stats);
    CHECK_EQ(stats.slots_used, 4);
    CHECK(store_find(store, &a.resource, &found));
    CHECK_EQ(store_forget(store, 0, &found), 0);
    reclaim(store);
    a = sample_lease(31, 1, 0, 5, &buf);
    CHECK_EQ(commit(store, NULL, &a, &done), 0);
    CHECK_EQ(done.version, 41);
    store_free(store);
}

static void test_load_many_forgotten(void)
{
    struct store *store = store_of(5000, 1, 0);
    struct sample buf;
    struct lease_found found;

    for (uint32_t i = 0; i < 5000; i++) {
        struct resource resource = sample_resource(i);

        store_load_forget(store, &resource, 100 + i);
    }
    for (uint32_t i = 0; i < 5000; i++) {
        struct lease lease = sample_lease(i, i, 0, i, &buf);

        lease.version = 100 + i + (i % 2);
        CHECK_EQ(store_load(store, &lease), 0);
        CHECK_EQ(store_find(store, &lease.resource, &found), i % 2);
    }
    CHECK_EQ(store_load_done(store), 0);
    store_free(store);
}

/* Records of times alone, with other records before and behind them that are still on their way. */
static void test_load_times(void)
{
    struct store *store = store_of(100, 1, 10);
    struct sample buf, buf2;
    struct lease a = sample_lease(7, 9, 1, 5, &buf), next = sample_lease(7, 9, 0, 6, &buf2);
    struct lease_found found;
    struct store_committed done;

    next.version = 11;
    CHECK_EQ(store_load_times(store, &next), 0); /* stale: nothing there yet */
    a.version = 10;
    CHECK_EQ(store_load(store, &a), 0);
    CHECK_EQ(store_load_times(store, &next), 0);
    next.version = 9;
    next.times.start_s = 1;
    CHECK_EQ(store_load_times(store, &next), 0); /* stale: older */
    next.version = 12;
    next.iaid++;
    CHECK_EQ(store_load_times(store, &next), 0); /* stale: another client's */
    CHECK_EQ(store_load_stale(store), 3);
    next.version = 0;
    CHECK_EQ(store_load_times(store, &next), -EINVAL);
    next.version = 12;
    next.status = 0;
    CHECK_EQ(store_load_times(store, &next), -EINVAL);
    CHECK(store_find(store, &a.resource, &found));
    CHECK_EQ(found.lease.version, 11);
    CHECK_EQ(found.lease.times.start_s, 6);
    CHECK(span_equal(found.lease.info, a.info) && span_equal(found.lease.duid, a.duid));
    /* Forgotten in between; a new client after it; all in one go. */
    store_load_forget(store, &a.resource, 11);
    a.version = 20;
    CHECK_EQ(store_load(store, &a), 0);
    next = sample_lease(7, 9, 0, 8, &buf2);
    next.version = 21;
    CHECK_EQ(store_load_times(store, &next), 0);
    a = sample_lease(7, 30, 2, 4, &buf);
    a.version = 22;
    CHECK_EQ(store_load(store, &a), 0);
    CHECK_EQ(find_client(store, &a, &found, 1), 1);
    CHECK(sample_equal(&found.lease, &a));
    CHECK_EQ(store_load_done(store), 0);
    CHECK_EQ(store_load_stale(store), 3);
    CHECK_EQ(commit(store, &found, &a, &done), 0);
    CHECK_EQ(done.version, 23);
    CHECK(!done.full_needed);
    store_free(store);
}

/* Every way to look at the store sees records that are still on their way. */
static void test_load_settles(void)
{
    struct sample buf;
    struct lease a = sample_lease(7, 1, 1, 5, &buf);
    struct lease_found found;
    struct store_committed done;
    struct store_stats stats;

    for (unsigned way = 0; way < 6; way++) {
        struct store *store = store_of(100, 1, 10);

        a.version = 5;
        CHECK_EQ(store_load(store, &a), 0);
        found = (struct lease_found){.lease = a};
        if (way == 0) {
            CHECK(store_find(store, &a.resource, &found));
        } else if (way == 1) {
            CHECK_EQ(find_client(store, &a, &found, 1), 1);
        } else if (way == 2) {
            CHECK(store_read(store, 0, &found));
        } else if (way == 3) {
            store_stats_get(store, &stats);
            CHECK_EQ(stats.slots_used, 1);
        } else if (way == 4) {
            CHECK_EQ(commit(store, &found, &a, &done), 0);
            CHECK_EQ(done.version, 6);
        } else {
            CHECK_EQ(store_forget(store, 0, &found), 0);
        }
        store_free(store);
    }
}

static const struct check_test tests[] = {
    {"load", test_load},
    {"many forgotten", test_load_many_forgotten},
    {"times", test_load_times},
    {"settles", test_load_settles},
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

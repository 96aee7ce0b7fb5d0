/* The deployments of docs/deployments, started: what the files say reaches NORMAL and serves. Only
 * what a test in one process cannot have is taken out of them: TLS files and large tables. */
#include <stdlib.h>

#include <jansson.h>

#include "check.h"
#include "pair_harness.h"

enum {
    PATH_MAX_OCTETS = 512,
    LEASES_MAX = 60000
};

static const char *folder;

/* In steps that no keepalive time is shorter than. */
static void time_pass(struct pair *pair, unsigned seconds)
{
    for (; seconds; seconds--) {
        pass(pair, 1);
    }
}

/* The file's text as the test runs it; malloced, the pair frees it. */
static char *deployment(const char *name)
{
    char path[PATH_MAX_OCTETS];
    json_t *config, *row;
    json_error_t error;
    size_t index;
    char *text;

    (void)snprintf(path, sizeof(path), "%s/%s.json", folder, name);
    config = json_load_file(path, 0, &error);
    if (config == NULL) {
        printf("%s: %s\n", path, error.text);
        abort();
    }
    (void)json_object_set_new(json_object_get(config, "store"), "leases_max",
                              json_integer(LEASES_MAX));
    json_array_foreach(json_object_get(config, "failover"), index, row)
    {
        CHECK(json_is_object(json_object_get(row, "tls"))); /* as it is to be deployed */
        (void)json_object_set_new(row, "tls", json_null());
    }
    text = json_dumps(config, 0);
    json_decref(config);
    return text;
}

static const struct config_failover *failover_of(const struct pair *pair, unsigned node,
                                                 unsigned index)
{
    return &pair->nodes[node].h.config->failovers[index];
}

/* The two ends of one relationship fit each other, as --check of one file cannot see. */
static void ends_fit(const struct pair *pair, unsigned primary, unsigned secondary, unsigned index)
{
    const struct config_failover *a = failover_of(pair, primary, 0);
    const struct config_failover *b = failover_of(pair, secondary, index);

    CHECK_EQ(a->role, CONFIG_ROLE_PRIMARY);
    CHECK_EQ(b->role, CONFIG_ROLE_SECONDARY);
    CHECK_STR(a->relationship, b->relationship);
    CHECK(ip6_equal(a->partner, b->listen) && ip6_equal(a->listen, b->partner));
    CHECK_EQ(a->port, b->port);
    CHECK_EQ(a->mclt_s, b->mclt_s);
    CHECK_EQ(a->backup_share_percent, b->backup_share_percent);
}

static void two_open(struct pair *pair, const char *primary, const char *secondary)
{
    *pair = (struct pair){.node_count = 0};
    pair_node_open(pair, PRIMARY, deployment(primary));
    pair_node_open(pair, SECONDARY, deployment(secondary));
    ends_fit(pair, PRIMARY, SECONDARY, 0);
    pair_join(pair, PRIMARY, 0, SECONDARY, 0);
    pair_start(pair);
    time_pass(pair, 60);
    CHECK(both_normal(pair));
}

/* One of them dies, the other one keeps its leases going and gives new ones. */
static void survives(struct pair *pair)
{
    struct reply before, renewed, fresh;

    CHECK(lease_get(pair, PRIMARY, 1, &before));
    time_pass(pair, 5);
    pair_kill(pair, PRIMARY);
    time_pass(pair, 5);
    CHECK_EQ(state_of(pair, SECONDARY), FO_COMMUNICATIONS_INTERRUPTED);
    CHECK(exchange(pair, SECONDARY, DHCP6_REBIND, 1, &before, &renewed));
    CHECK(resource_equal(&renewed.address, &before.address));
    CHECK(resource_equal(&renewed.prefix, &before.prefix));
    CHECK(lease_get(pair, SECONDARY, 2, &fresh));
    CHECK(!resource_equal(&fresh.prefix, &before.prefix));
    pair_restart(pair, PRIMARY);
    time_pass(pair, 60);
    CHECK(both_normal(pair));
    CHECK_EQ(stores_differ(pair), 0);
}

static void test_hot_standby(void)
{
    struct pair pair;

    two_open(&pair, "hot-standby-primary", "hot-standby-secondary");
    survives(&pair);
    pair_close(&pair);
}

static void test_geographic(void)
{
    struct reply at_primary, at_secondary;
    struct pair pair;

    two_open(&pair, "geographic-primary", "geographic-secondary");
    /* The sites lose each other; both go on serving their clients. */
    pair_cut(&pair, 0);
    time_pass(&pair, 10);
    CHECK(lease_get(&pair, PRIMARY, 1, &at_primary));
    CHECK(lease_get(&pair, SECONDARY, 2, &at_secondary));
    CHECK(!resource_equal(&at_primary.prefix, &at_secondary.prefix));
    CHECK(!resource_equal(&at_primary.address, &at_secondary.address));
    pair_heal(&pair, 0);
    time_pass(&pair, 60);
    CHECK(both_normal(&pair));
    CHECK_EQ(stores_differ(&pair), 0);
    survives(&pair);
    pair_close(&pair);
}

static enum fo_server_state hub_state(const struct pair *pair, unsigned index)
{
    return fo_fsm_state(&pair->nodes[0].relations[index]->fsm);
}

static void test_m_to_1(void)
{
    static const char *const sites[] = {"m-to-1-site-1", "m-to-1-site-2", "m-to-1-site-3"};
    struct pair pair = {.node_count = 0};

    pair_node_open(&pair, 0, deployment("m-to-1-hub"));
    for (unsigned i = 0; i < 3; i++) {
        pair_node_open(&pair, 1 + i, deployment(sites[i]));
        ends_fit(&pair, 1 + i, 0, i);
        pair_join(&pair, 1 + i, 0, 0, i);
    }
    pair_start(&pair);
    time_pass(&pair, 60);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(state_of(&pair, 1 + i), FO_NORMAL);
        CHECK_EQ(hub_state(&pair, i), FO_NORMAL);
    }
    /* Each site fails in turn, the others do not notice. */
    for (unsigned i = 0; i < 3; i++) {
        pair_kill(&pair, 1 + i);
        time_pass(&pair, 5);
        for (unsigned k = 0; k < 3; k++) {
            CHECK_EQ(hub_state(&pair, k), k == i ? FO_COMMUNICATIONS_INTERRUPTED : FO_NORMAL);
        }
        pair_restart(&pair, 1 + i);
        time_pass(&pair, 60);
        CHECK_EQ(hub_state(&pair, i), FO_NORMAL);
    }
    pair_close(&pair);
}

/* Independent servers: each serves all alone, and neither gives what the other one might. */
static void independent(const char *one, const char *other)
{
    struct reply first, second;
    struct pair pair = {.node_count = 0};

    pair_node_open(&pair, 0, deployment(one));
    pair_node_open(&pair, 1, deployment(other));
    pair_start(&pair);
    for (unsigned client = 1; client <= 20; client++) {
        CHECK(lease_get(&pair, 0, client, &first));
        CHECK(lease_get(&pair, 1, client, &second));
        CHECK(!resource_equal(&first.address, &second.address));
        CHECK(!resource_equal(&first.prefix, &second.prefix));
        for (unsigned node = 0; node < 2; node++) {
            const struct reply *theirs = node == 0 ? &second : &first;

            CHECK_EQ(policy_pool_find(server_policy(pair.nodes[node].h.server), &theirs->address),
                     -1);
            CHECK_EQ(policy_pool_find(server_policy(pair.nodes[node].h.server), &theirs->prefix),
                     -1);
        }
    }
    pair_close(&pair);
}

static void test_split_prefixes(void)
{
    independent("split-prefixes-a", "split-prefixes-b");
}

static void test_preference(void)
{
    struct pair pair = {.node_count = 0};

    independent("preference-first", "preference-second");
    pair_node_open(&pair, 0, deployment("preference-first"));
    pair_node_open(&pair, 1, deployment("preference-second"));
    CHECK(server_policy(pair.nodes[0].h.server)->links[0].preference >
          server_policy(pair.nodes[1].h.server)->links[0].preference);
    pair_close(&pair);
}

static const struct check_test tests[] = {
    {"hot_standby", test_hot_standby}, {"geographic", test_geographic},
    {"m_to_1", test_m_to_1},           {"split_prefixes", test_split_prefixes},
    {"preference", test_preference},
};

static int run_all(int argc, char **argv);
#define main run_all
CHECK_MAIN(tests)
#undef main

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    folder = argv[1];
    return run_all(argc - 1, argv + 1);
}

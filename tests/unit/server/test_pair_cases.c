/* A pair in the cases that are rare: reservations, both servers alone, hand-over, refused updates,
 * several workers, one server with several partners. */
#include <stdlib.h>

#include "check.h"
#include "pair_harness.h"

/* DUID of client number 1, see message_make. */
#define CLIENT_1 "00:01:00:01:00:00:00:00:00:00:00:01:00:00"

/* Facts F.41: either server gives what is reserved, in a pool or in none, and the other hears. */
static void reserved_given(const char *reservation, struct ip6 prefix)
{
    struct pair_options options = {.reservations = reservation};
    struct resource resource = {prefix, 56, LEASE_TYPE_PD};
    struct reply reply, renewed;
    struct pair pair;

    pair_open_normal_with(&pair, &options);
    pair_cut(&pair, 0);
    pass(&pair, 2);
    CHECK(lease_get(&pair, SECONDARY, 1, &reply));
    CHECK(resource_equal(&reply.prefix, &resource));
    CHECK_EQ(reply.valid_s, MCLT_S);
    pair_heal(&pair, 0);
    pass(&pair, 60);
    CHECK(both_normal(&pair));
    CHECK_EQ(status_at(&pair, PRIMARY, &resource), BINDING_ACTIVE);
    CHECK_EQ(relation_at(&pair, SECONDARY)->stats.rejected, 0);
    CHECK_EQ(stores_differ(&pair), 0);
    CHECK(exchange(&pair, PRIMARY, DHCP6_REBIND, 1, &reply, &renewed));
    CHECK(resource_equal(&renewed.prefix, &resource));
    pump(&pair);
    CHECK_EQ(stores_differ(&pair), 0);
    pass(&pair, MCLT_S + 100);
    CHECK_EQ(status_at(&pair, PRIMARY, &resource), BINDING_FREE);
    CHECK_EQ(stores_differ(&pair), 0);
    CHECK(lease_get(&pair, PRIMARY, 1, &renewed));
    CHECK(resource_equal(&renewed.prefix, &resource));
    pair_close(&pair);
}

static void test_reserved_in_no_pool(void)
{
    reserved_given("{ \"duid\": \"" CLIENT_1 "\", \"prefixes\": [ \"2001:db8:9999::/56\" ] }",
                   (struct ip6){0x20010db899990000ULL, 0});
}

static void test_reserved_in_no_pool_of_a_link(void)
{
    reserved_given("{ \"duid\": \"" CLIENT_1
                   "\", \"link\": \"l0\", \"prefixes\": [ \"2001:db8:9999::/56\" ] }",
                   (struct ip6){0x20010db899990000ULL, 0});
}

static void test_reserved_in_pool(void)
{
    reserved_given("{ \"duid\": \"" CLIENT_1 "\", \"prefixes\": [ \"2001:db8:4000:1700::/56\" ] }",
                   (struct ip6){0x20010db840001700ULL, 0});
}

/* Both in PARTNER-DOWN (the operators err): they meet in POTENTIAL-CONFLICT, one client per lease
 * is left, both come to NORMAL. */
static void test_conflict(void)
{
    struct pair_options options = {.reservations = ""};
    struct reply at_primary, at_secondary, renewed;
    struct lease_found mine, theirs;
    struct pair pair;
    unsigned clashes = 0;

    pair_open_normal_with(&pair, &options);
    pair_cut(&pair, 0);
    pass(&pair, 2);
    CHECK(partner_down(&pair, PRIMARY));
    CHECK(partner_down(&pair, SECONDARY));
    pass(&pair, MCLT_S + 60);
    for (unsigned i = 0; i < 32; i++) {
        CHECK(lease_get(&pair, PRIMARY, 100 + i, &at_primary));
        CHECK(lease_get(&pair, SECONDARY, 200 + i, &at_secondary));
        clashes += status_at(&pair, SECONDARY, &at_primary.prefix) == BINDING_ACTIVE;
    }
    CHECK(clashes > 0);
    pass(&pair, 30);
    pair_heal(&pair, 0);
    pass(&pair, 120);
    CHECK(both_normal(&pair));
    CHECK(relation_at(&pair, PRIMARY)->stats.conflicts > 0);
    CHECK_EQ(stores_differ(&pair), 0);
    /* The primary's stands; the other client is told to stop, or gets nothing. */
    mine = found_at(&pair, PRIMARY, &at_primary.prefix);
    theirs = found_at(&pair, SECONDARY, &at_primary.prefix);
    CHECK(lease_same_client(&mine.lease, &theirs.lease));
    CHECK(exchange(&pair, SECONDARY, DHCP6_RENEW, 231, &at_secondary, &renewed));
    pass(&pair, 200);
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

/* The connection goes while the conflict is resolved: both serve on (RFC 8156 8.11). */
static void test_resolution_interrupted(void)
{
    struct reply reply, renewed;
    struct pair pair;

    pair_open_normal(&pair);
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    pump(&pair);
    pair_cut(&pair, 0);
    pass(&pair, 2);
    CHECK(partner_down(&pair, PRIMARY));
    CHECK(partner_down(&pair, SECONDARY));
    pair.nodes[SECONDARY].disk_stalled = true; /* it never gets to answer UPDREQ */
    pair_heal(&pair, 0);
    pass(&pair, 40);
    CHECK_EQ(state_of(&pair, PRIMARY), FO_POTENTIAL_CONFLICT);
    CHECK(!exchange(&pair, PRIMARY, DHCP6_RENEW, 1, &reply, &renewed)); /* silent */
    pair_cut(&pair, 0);
    pass(&pair, 5);
    CHECK_EQ(state_of(&pair, PRIMARY), FO_RESOLUTION_INTERRUPTED);
    pair.nodes[SECONDARY].disk_stalled = false;
    pass(&pair, 5);
    CHECK_EQ(state_of(&pair, SECONDARY), FO_RESOLUTION_INTERRUPTED);
    CHECK(exchange(&pair, PRIMARY, DHCP6_RENEW, 1, &reply, &renewed));
    CHECK(renewed.valid_s > 0);
    CHECK(exchange(&pair, SECONDARY, DHCP6_REBIND, 1, &reply, &renewed));
    pair_heal(&pair, 0);
    pass(&pair, 120);
    CHECK(both_normal(&pair));
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

/* Drains, tells the partner, stops; the partner serves all; on return both find together. */
static void hand_over(unsigned node)
{
    struct fo_fsm_event event = {.type = FO_FSM_HANDOVER};
    unsigned other = 1 - node;
    struct reply reply, renewed;
    struct pair pair;

    pair_open_normal(&pair);
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    CHECK(relation_command(relation_at(&pair, node), &event, pair.now) == 0);
    pump(&pair);
    CHECK(relation_at(&pair, node)->stopped);
    CHECK_EQ(state_of(&pair, other), FO_COMMUNICATIONS_INTERRUPTED);
    CHECK_EQ(stores_differ(&pair), 0);
    CHECK(!exchange(&pair, node, DHCP6_REBIND, 1, &reply, &renewed));
    CHECK(exchange(&pair, other, DHCP6_REBIND, 1, &reply, &renewed));
    CHECK(resource_equal(&renewed.prefix, &reply.prefix));
    CHECK(lease_get(&pair, other, 2, &reply));
    pair_kill(&pair, node);
    pass(&pair, 300);
    pair_restart(&pair, node);
    pass(&pair, 60);
    CHECK(both_normal(&pair));
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

static void test_hand_over_by_primary(void)
{
    hand_over(PRIMARY);
}

static void test_hand_over_by_secondary(void)
{
    hand_over(SECONDARY);
}

/* Facts F.42: what the partner refuses rests, is tried again later, and does not hold up others. */
static void test_refused(void)
{
    struct pair_options options = {
        .reservations = "{ \"duid\": \"" CLIENT_1 "\", \"prefixes\": [ \"2001:db8:9999::/56\" ] }"};
    struct reply reserved, other;
    struct relation *primary;
    uint64_t sent;
    struct pair pair;

    /* Only the primary knows of the reservation: the prefix is none of the secondary's. */
    memset(&pair, 0, sizeof(pair));
    pair_node_open(&pair, PRIMARY, pair_config(&options, PRIMARY));
    pair_node_open(&pair, SECONDARY, pair_config(&(struct pair_options){.workers = 1}, SECONDARY));
    pair_join(&pair, PRIMARY, 0, SECONDARY, 0);
    pair_start(&pair);
    pass(&pair, 20);
    CHECK(both_normal(&pair));
    primary = relation_at(&pair, PRIMARY);
    CHECK(lease_get(&pair, PRIMARY, 1, &reserved));
    CHECK(lease_get(&pair, PRIMARY, 2, &other));
    pump(&pair);
    CHECK_EQ(primary->stats.rejected, 1);
    CHECK_EQ(status_at(&pair, SECONDARY, &reserved.address), BINDING_ACTIVE);
    CHECK_EQ(status_at(&pair, SECONDARY, &other.prefix), BINDING_ACTIVE);
    sent = primary->stats.updates_sent;
    pass(&pair, 50);
    CHECK_EQ(primary->stats.updates_sent, sent);
    pass(&pair, 20);
    CHECK_EQ(primary->stats.updates_sent, sent + 1);
    CHECK_EQ(primary->stats.rejected, 2);
    pass(&pair, 100);
    CHECK_EQ(primary->stats.rejected, 2); /* doubled */
    CHECK(both_normal(&pair));
    CHECK_EQ(found_at(&pair, PRIMARY, &reserved.prefix).lease.times.acked_partner_lifetime_s, 0);
    pair_close(&pair);
}

static void test_workers(void)
{
    struct pair_options options = {.workers = 3, .prefixes = "2001:db8:4000::/46"};
    struct reply replies[60], renewed;
    struct pair pair;

    pair_open_normal_with(&pair, &options);
    for (unsigned i = 0; i < 60; i++) {
        CHECK(lease_get(&pair, PRIMARY, 1 + i, &replies[i]));
    }
    pump(&pair);
    pair_cut(&pair, 0);
    pass(&pair, 2);
    for (unsigned i = 0; i < 60; i++) {
        CHECK(exchange(&pair, SECONDARY, i % 2 ? DHCP6_REBIND : DHCP6_SOLICIT, 1 + i, &replies[i],
                       &renewed));
    }
    pair_heal(&pair, 0);
    pass(&pair, 60);
    CHECK(both_normal(&pair));
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

enum {
    HUB,
    SPOKES = 3,
    TEXT_SIZE = 8192
};

/* Node HUB: links l0..l2, one relationship each; node 1 + i: link l<i>. */
static char *star_config(unsigned node)
{
    unsigned first = node == HUB ? 0 : node - 1, last = node == HUB ? SPOKES - 1 : node - 1;
    char *text = malloc(TEXT_SIZE);
    size_t used;

    used = (size_t)snprintf(text, TEXT_SIZE,
                            "{ \"server\": { \"name\": \"t\", \"state_dir\": \"/nonexistent\" },"
                            " \"store\": { \"leases_max\": 2000, \"remember_s\": 1000000 },"
                            " \"dataplane\": { \"workers\": 1, \"ports\": [ { \"name\": \"p0\", "
                            "\"device\": \"net_null0\","
                            " \"addresses\": [\"2001:db8:0:1::1\"] } ] }, \"links\": [");
    for (unsigned i = first; i <= last; i++) {
        used += (size_t)snprintf(
            text + used, TEXT_SIZE - used,
            "%s{ \"name\": \"l%u\", \"port\": \"p0\", \"subnets\": [\"2001:db8:1%u::/64\"],"
            " \"relay_addresses\": [\"2001:db8:1%u::1\"],"
            " \"pools\": [ { \"type\": \"address\", \"range\": \"2001:db8:1%u::/64\" },"
            " { \"type\": \"prefix\", \"range\": \"2001:db8:400%u::/51\", \"delegated_length\": 56 "
            "} ],"
            " \"lifetimes\": { \"preferred_s\": 259200, \"valid_s\": 259200 } }",
            i == first ? "" : ", ", i, i, i, i, i);
    }
    used += (size_t)snprintf(text + used, TEXT_SIZE - used, "], \"failover\": [");
    for (unsigned i = first; i <= last; i++) {
        unsigned own = node == HUB ? 0 : i + 1, partner = node == HUB ? i + 1 : 0;

        used += (size_t)snprintf(
            text + used, TEXT_SIZE - used,
            "%s{ \"relationship\": \"r%u\", \"role\": \"%s\", \"partner\": \"2001:db8:0:2::%u\","
            " \"listen\": \"2001:db8:0:2::%u\", \"mclt_s\": 3600, \"keepalive_s\": 60,"
            " \"backup_share_percent\": 25, \"links\": [\"l%u\"], \"tls\": null }",
            i == first ? "" : ", ", i, (node == HUB) == (i % 2 == 0) ? "primary" : "secondary",
            partner + 10, own + 10, i);
    }
    (void)snprintf(text + used, TEXT_SIZE - used, "] }");
    return text;
}

static enum fo_server_state hub_state(const struct pair *pair, unsigned spoke)
{
    return fo_fsm_state(&pair->nodes[HUB].relations[spoke]->fsm);
}

static unsigned hub_normal(const struct pair *pair)
{
    unsigned normal = 0;

    for (unsigned i = 0; i < SPOKES; i++) {
        normal += hub_state(pair, i) == FO_NORMAL;
    }
    return normal;
}

/* One server with three partners, primary for two and secondary for one: each fails in turn, the
 * others stay as they are (RFC 8156 6.2). */
static void test_three_partners(void)
{
    struct reply reply;
    struct pair pair;

    memset(&pair, 0, sizeof(pair));
    for (unsigned i = 0; i <= SPOKES; i++) {
        pair_node_open(&pair, i, star_config(i));
    }
    for (unsigned i = 0; i < SPOKES; i++) {
        if (i % 2 == 0) {
            pair_join(&pair, HUB, i, 1 + i, 0);
        } else {
            pair_join(&pair, 1 + i, 0, HUB, i);
        }
    }
    pair_start(&pair);
    pass(&pair, 30);
    CHECK_EQ(hub_normal(&pair), SPOKES);
    CHECK(lease_get(&pair, HUB, 1, &reply)); /* of l0, the port's link */
    pump(&pair);
    CHECK_EQ(status_at(&pair, 1, &reply.prefix), BINDING_ACTIVE);
    CHECK_EQ(status_at(&pair, 2, &reply.prefix), 0);
    for (unsigned i = 0; i < SPOKES; i++) {
        pair_kill(&pair, 1 + i);
        pass(&pair, 30);
        CHECK_EQ(hub_state(&pair, i), FO_COMMUNICATIONS_INTERRUPTED);
        CHECK_EQ(hub_normal(&pair), SPOKES - 1);
        pair_restart(&pair, 1 + i);
        pass(&pair, 60);
        CHECK_EQ(hub_normal(&pair), SPOKES);
    }
    pair_kill(&pair, HUB);
    pass(&pair, 30);
    for (unsigned i = 0; i < SPOKES; i++) {
        CHECK_EQ(state_of(&pair, 1 + i), FO_COMMUNICATIONS_INTERRUPTED);
    }
    pair_restart(&pair, HUB);
    pass(&pair, 60);
    CHECK_EQ(hub_normal(&pair), SPOKES);
    CHECK_EQ(status_at(&pair, HUB, &reply.prefix), BINDING_ACTIVE);
    pair_close(&pair);
}

static const struct check_test tests[] = {
    {"reserved_in_no_pool", test_reserved_in_no_pool},
    {"reserved_in_no_pool_of_a_link", test_reserved_in_no_pool_of_a_link},
    {"reserved_in_pool", test_reserved_in_pool},
    {"conflict", test_conflict},
    {"resolution_interrupted", test_resolution_interrupted},
    {"hand_over_by_primary", test_hand_over_by_primary},
    {"hand_over_by_secondary", test_hand_over_by_secondary},
    {"refused", test_refused},
    {"workers", test_workers},
    {"three_partners", test_three_partners},
};

CHECK_MAIN(tests)

/* Two complete servers in one process and virtual time: states, updates both ways,
 * resynchronisation after each kind of loss. */
#include "check.h"
#include "pair_harness.h"
#include "server/dirty.h"
#include "server/relation_internal.h"

static void test_empty_to_normal(void)
{
    struct pair pair;

    pair_open_normal(&pair);
    /* 32 prefixes, a quarter is the secondary's. */
    CHECK_EQ(free_own(&pair, SECONDARY), 8);
    CHECK_EQ(free_own(&pair, PRIMARY), 24);
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

/* RFC 8156 4.4.1. */
static void test_worked_example(void)
{
    struct lease_found mine, theirs;
    struct reply reply, renewed;
    struct pair pair;
    sec_t start;

    pair_open_normal(&pair);
    start = pair.now.s;
    CHECK(lease_get(&pair, PRIMARY, 7, &reply));
    CHECK_EQ(reply.valid_s, MCLT_S);
    CHECK_EQ(reply.address.prefix.lo & 1, 1);
    CHECK_EQ(status_at(&pair, SECONDARY, &reply.address), 0);
    pump(&pair);
    mine = found_at(&pair, PRIMARY, &reply.address);
    theirs = found_at(&pair, SECONDARY, &reply.address);
    CHECK_EQ(theirs.lease.status, BINDING_ACTIVE);
    CHECK_EQ(theirs.lease.times.expires_s, start + MCLT_S);
    CHECK_EQ(theirs.lease.times.expiration_s, start + MCLT_S / 2 + VALID_S);
    CHECK_EQ(theirs.lease.times.partner_raw_clt_s, start);
    CHECK_EQ(theirs.lease.times.acked_partner_lifetime_s, 0);
    CHECK_EQ(mine.lease.times.acked_partner_lifetime_s, start + MCLT_S / 2 + VALID_S);
    pass(&pair, MCLT_S / 2);
    CHECK(exchange(&pair, PRIMARY, DHCP6_RENEW, 7, &reply, &renewed));
    CHECK_EQ(renewed.valid_s, VALID_S);
    pump(&pair);
    theirs = found_at(&pair, SECONDARY, &reply.address);
    CHECK_EQ(theirs.lease.times.expires_s, pair.now.s + VALID_S);
    CHECK_EQ(theirs.lease.times.expiration_s, pair.now.s + VALID_S / 2 + VALID_S);
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

static void test_endings_are_acknowledged(void)
{
    struct reply released, expired, ended;
    struct pair pair;

    pair_open_normal(&pair);
    CHECK(lease_get(&pair, PRIMARY, 1, &released));
    CHECK(lease_get(&pair, PRIMARY, 2, &expired));
    pump(&pair);
    CHECK(exchange(&pair, PRIMARY, DHCP6_RELEASE, 1, &released, &ended));
    CHECK_EQ(status_at(&pair, PRIMARY, &released.address), BINDING_RELEASED);
    CHECK_EQ(status_at(&pair, SECONDARY, &released.address), BINDING_ACTIVE);
    pass(&pair, 5);
    CHECK_EQ(status_at(&pair, PRIMARY, &released.address), BINDING_FREE);
    CHECK_EQ(status_at(&pair, SECONDARY, &released.address), BINDING_FREE);
    CHECK_EQ(found_at(&pair, PRIMARY, &released.address).lease.times.acked_partner_lifetime_s, 0);
    CHECK_EQ(status_at(&pair, PRIMARY, &expired.prefix), BINDING_ACTIVE);
    pass(&pair, MCLT_S + 30);
    CHECK_EQ(status_at(&pair, PRIMARY, &expired.prefix), BINDING_FREE);
    CHECK_EQ(status_at(&pair, SECONDARY, &expired.address), BINDING_FREE);
    CHECK(both_normal(&pair));
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

/* A slot's former lease's record that reaches the disk after the present one's says nothing of it:
 * records of two rings come in any order. Once it took the mark, and updates stood still. */
static void test_record_of_a_former_lease(void)
{
    uint8_t record[CHANGE_RECORD_MAX];
    struct lease_found found;
    struct lease former;
    struct server *server;
    struct reply reply;
    struct pair pair;

    pair_open_normal(&pair);
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    pump(&pair);
    server = pair.nodes[PRIMARY].h.server;
    found = found_at(&pair, PRIMARY, &reply.address);
    CHECK(dirty_is_durable(server->dirty, found.slot, &found.lease));
    former = found.lease;
    former.resource.prefix.lo += 2;
    server_on_durable(
        server, found.slot,
        (struct span){record, record_lease_encode(&former, former.version, false, record)});
    CHECK(dirty_is_durable(server->dirty, found.slot, &found.lease));
    /* Nor does what the partner told of the former lease take this one's dirty bit. */
    dirty_set(server->dirty, 0, DIRTY_DUE, found.slot);
    relation_clean(pair.nodes[PRIMARY].relations[0], found.slot, &former.resource, former.version);
    CHECK(dirty_test(server->dirty, 0, DIRTY_DUE, found.slot));
    relation_clean(pair.nodes[PRIMARY].relations[0], found.slot, &found.lease.resource,
                   found.lease.version);
    CHECK(!dirty_test(server->dirty, 0, DIRTY_DUE, found.slot));
    pair_close(&pair);
}

static void test_cut_and_rejoin(void)
{
    struct reply before, at_primary, at_secondary, renewed, ended;
    struct pair pair;

    pair_open_normal(&pair);
    CHECK(lease_get(&pair, PRIMARY, 1, &before));
    pump(&pair);
    CHECK(!exchange(&pair, SECONDARY, DHCP6_SOLICIT, 9, NULL, &ended)); /* renew-responsive */
    pair_cut(&pair, 0);
    pass(&pair, 2);
    CHECK_EQ(state_of(&pair, PRIMARY), FO_COMMUNICATIONS_INTERRUPTED);
    CHECK_EQ(state_of(&pair, SECONDARY), FO_COMMUNICATIONS_INTERRUPTED);
    CHECK(lease_get(&pair, PRIMARY, 2, &at_primary));
    CHECK(lease_get(&pair, SECONDARY, 3, &at_secondary));
    CHECK_EQ(at_primary.address.prefix.lo & 1, 1);
    CHECK_EQ(at_secondary.address.prefix.lo & 1, 0);
    CHECK(!resource_equal(&at_primary.prefix, &at_secondary.prefix));
    CHECK_EQ(status_at(&pair, PRIMARY, &at_secondary.prefix), BINDING_FREE_BACKUP);
    CHECK(exchange(&pair, SECONDARY, DHCP6_REBIND, 1, &before, &renewed));
    CHECK(exchange(&pair, PRIMARY, DHCP6_RELEASE, 2, &at_primary, &ended));
    pass(&pair, 60);
    CHECK_EQ(status_at(&pair, PRIMARY, &at_primary.address), BINDING_RELEASED);
    pair_heal(&pair, 0);
    pass(&pair, 60);
    CHECK(both_normal(&pair));
    CHECK_EQ(status_at(&pair, PRIMARY, &at_secondary.address), BINDING_ACTIVE);
    CHECK_EQ(status_at(&pair, PRIMARY, &at_secondary.prefix), BINDING_ACTIVE);
    CHECK_EQ(status_at(&pair, SECONDARY, &at_primary.address), BINDING_FREE);
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

static void test_crash_and_recover(void)
{
    struct reply before, after;
    struct pair pair;

    pair_open_normal(&pair);
    CHECK(lease_get(&pair, PRIMARY, 1, &before));
    pump(&pair);
    pair_kill(&pair, SECONDARY);
    pass(&pair, 100);
    CHECK(partner_down(&pair, PRIMARY));
    CHECK(lease_get(&pair, PRIMARY, 2, &after));
    CHECK_EQ(after.valid_s, VALID_S); /* no MCLT */
    pass(&pair, 100);
    pair_restart(&pair, SECONDARY);
    pass(&pair, 30);
    CHECK_EQ(state_of(&pair, SECONDARY), FO_RECOVER_WAIT);
    CHECK_EQ(state_of(&pair, PRIMARY), FO_PARTNER_DOWN);
    CHECK_EQ(status_at(&pair, SECONDARY, &after.address), BINDING_ACTIVE);
    CHECK(!relation_at(&pair, SECONDARY)->fsm.record.all_needed);
    pass(&pair, MCLT_S + 60);
    CHECK(both_normal(&pair));
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

static void test_storage_lost(void)
{
    struct reply replies[5];
    struct pair pair;

    pair_open_normal(&pair);
    for (unsigned i = 0; i < 5; i++) {
        CHECK(lease_get(&pair, PRIMARY, 1 + i, &replies[i]));
    }
    pump(&pair);
    pair_kill(&pair, SECONDARY);
    pass(&pair, 30);
    CHECK_EQ(state_of(&pair, PRIMARY), FO_COMMUNICATIONS_INTERRUPTED);
    pair_restart_empty(&pair, SECONDARY);
    pass(&pair, 60);
    CHECK_EQ(state_of(&pair, SECONDARY), FO_RECOVER_WAIT);
    CHECK_EQ(relation_at(&pair, PRIMARY)->link.stats.received[FO_UPDREQALL], 1);
    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(status_at(&pair, SECONDARY, &replies[i].address), BINDING_ACTIVE);
        CHECK_EQ(status_at(&pair, SECONDARY, &replies[i].prefix), BINDING_ACTIVE);
    }
    CHECK_EQ(free_own(&pair, SECONDARY), 8);
    pass(&pair, MCLT_S - 120);
    CHECK_EQ(stores_differ(&pair), 0);
    pass(&pair, 180);
    CHECK(both_normal(&pair));
    pair_close(&pair);
}

/* Ten changes of a lease are one update; nothing is sent of what the partner itself told. */
static void test_updates_are_lazy(void)
{
    struct relation *primary, *secondary;
    uint64_t sent, back;
    struct reply reply, renewed;
    struct pair pair;

    pair_open_normal(&pair);
    primary = relation_at(&pair, PRIMARY);
    secondary = relation_at(&pair, SECONDARY);
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    pump(&pair);
    sent = primary->stats.updates_sent;
    back = secondary->stats.updates_sent;
    for (unsigned i = 0; i < 10; i++) {
        CHECK(exchange(&pair, PRIMARY, DHCP6_RENEW, 1, &reply, &renewed));
    }
    pump(&pair);
    pass(&pair, 30);
    CHECK_EQ(primary->stats.updates_sent - sent, 2); /* an address, a prefix */
    CHECK_EQ(secondary->stats.updates_sent, back);
    pair_close(&pair);
}

/* Without the partner's word an ended lease stays ended only. */
static void test_expiry_waits_for_partner(void)
{
    struct reply reply;
    struct pair pair;

    pair_open_normal(&pair);
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    pump(&pair);
    pair_cut(&pair, 0);
    pass(&pair, MCLT_S + 200);
    CHECK_EQ(status_at(&pair, PRIMARY, &reply.address), BINDING_EXPIRED);
    CHECK_EQ(status_at(&pair, SECONDARY, &reply.prefix), BINDING_EXPIRED);
    pair_heal(&pair, 0);
    pass(&pair, 60);
    CHECK(both_normal(&pair));
    CHECK_EQ(status_at(&pair, PRIMARY, &reply.address), BINDING_FREE);
    CHECK_EQ(stores_differ(&pair), 0);
    pair_close(&pair);
}

/* Design invariant 6, and: no update of what is not on disk. */
static void test_nothing_leaves_before_disk(void)
{
    struct relation *primary;
    struct reply reply;
    uint64_t sent, acked;
    struct pair pair;

    pair_open_normal(&pair);
    primary = relation_at(&pair, PRIMARY);
    sent = primary->stats.updates_sent;
    acked = primary->stats.acked;
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    pair.nodes[PRIMARY].disk_stalled = true;
    pair.now.s += 2; /* a renewal on top of the durable grant */
    pair.nodes[PRIMARY].h.now = pair.now.s;
    client_send(&pair, PRIMARY, DHCP6_RENEW, 1, &reply);
    harness_turn(&pair.nodes[PRIMARY].h);
    pump(&pair);
    CHECK_EQ(primary->stats.updates_sent, sent);
    pair.nodes[PRIMARY].disk_stalled = false;
    pair.nodes[SECONDARY].disk_stalled = true;
    pump(&pair);
    CHECK_EQ(primary->stats.updates_sent, sent + 2);
    CHECK_EQ(primary->stats.acked, acked);
    CHECK_EQ(status_at(&pair, SECONDARY, &reply.address), BINDING_ACTIVE);
    pair.nodes[SECONDARY].disk_stalled = false;
    pump(&pair);
    CHECK_EQ(primary->stats.acked, acked + 2);
    harness_turn(&pair.nodes[PRIMARY].h);
    pair_close(&pair);
}

static const struct check_test tests[] = {
    {"expiry_waits_for_partner", test_expiry_waits_for_partner},
    {"nothing_leaves_before_disk", test_nothing_leaves_before_disk},
    {"empty_to_normal", test_empty_to_normal},
    {"worked_example", test_worked_example},
    {"endings_are_acknowledged", test_endings_are_acknowledged},
    {"record_of_a_former_lease", test_record_of_a_former_lease},
    {"cut_and_rejoin", test_cut_and_rejoin},
    {"crash_and_recover", test_crash_and_recover},
    {"storage_lost", test_storage_lost},
    {"updates_are_lazy", test_updates_are_lazy},
};

CHECK_MAIN(tests)

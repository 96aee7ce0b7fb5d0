/* Two complete servers in one process and virtual time; the octets of their connection are carried
 * by hand. */
#include <stdlib.h>

#include <urcu/urcu-qsbr.h>

#include "check.h"
#include "harness.h"
#include "server/relation.h"
#include "server/sweep.h"
#include "store/claim.h"

enum {
    PRIMARY,
    SECONDARY,
    ROUNDS = 24,
    VALID_S = 259200, /* three days, RFC 8156 4.4.1 */
    MCLT_S = 3600,
    TEXT_SIZE = 2048,
};

static const char config_format[] =
    "{ \"server\": { \"name\": \"t\", \"state_dir\": \"/nonexistent\" },"
    "  \"store\": { \"leases_max\": 1000, \"remember_s\": 1000000 },"
    "  \"dataplane\": { \"workers\": 1, \"ports\": [ { \"name\": \"p0\", \"device\": \"net_null0\","
    "     \"addresses\": [\"2001:db8:0:1::1\"] } ] },"
    "  \"links\": [ { \"name\": \"l0\", \"port\": \"p0\", \"subnets\": [\"2001:db8:17::/64\"],"
    "     \"relay_addresses\": [\"2001:db8:17::1\"],"
    "     \"pools\": [ { \"type\": \"address\", \"range\": \"2001:db8:17::/64\" },"
    "                { \"type\": \"prefix\", \"range\": \"2001:db8:4000::/51\","
    "                  \"delegated_length\": 56 } ],"
    "     \"lifetimes\": { \"preferred_s\": 259200, \"valid_s\": 259200 } } ],"
    "  \"failover\": [ { \"relationship\": \"pop7\", \"role\": \"%s\", \"partner\": \"%s\","
    "     \"listen\": \"%s\", \"mclt_s\": 3600, \"keepalive_s\": 60,"
    "     \"backup_share_percent\": 25, \"links\": [\"l0\"], \"tls\": null } ] }";

struct node {
    struct harness h;
    struct relation *relation; /* NULL: down */
    char config[TEXT_SIZE];
    bool disk_stalled;
};

struct pair {
    struct node nodes[2];
    struct fo_time now;
    struct fo_greet greet;
    bool greeting, connected; /* the connection, up to CONNECT and after */
    bool cut;
};

static struct node *partner_of(struct pair *pair, const struct node *node)
{
    return &pair->nodes[node == &pair->nodes[PRIMARY] ? SECONDARY : PRIMARY];
}

static void node_start(struct pair *pair, struct node *node)
{
    node->h.now = pair->now.s;
    node->h.now_ms = pair->now.ms;
    atomic_store(&node->h.server->operating_until_s, pair->now.s);
    CHECK_EQ(relation_new(node->h.server, 0, pair->now, &node->relation), 0);
    relation_start(node->relation, pair->now);
}

static void pair_open(struct pair *pair)
{
    memset(pair, 0, sizeof(*pair));
    pair->now = (struct fo_time){1000, HARNESS_NOW};
    for (unsigned i = 0; i < 2; i++) {
        struct node *node = &pair->nodes[i];

        (void)snprintf(node->config, sizeof(node->config), config_format,
                       i == PRIMARY ? "primary" : "secondary",
                       i == PRIMARY ? "2001:db8:0:2::2" : "2001:db8:0:2::1",
                       i == PRIMARY ? "2001:db8:0:2::1" : "2001:db8:0:2::2");
        harness_open(&node->h, node->config);
        node_start(pair, node);
    }
}

/* The connection is gone; who is still there hears of it. */
static void disconnect(struct pair *pair, enum fo_down_reason reason)
{
    bool was = pair->greeting || pair->connected;
    bool reached = pair->connected;

    pair->greeting = pair->connected = false;
    if (was && pair->nodes[PRIMARY].relation) {
        fo_link_closed(&pair->nodes[PRIMARY].relation->link, reason, NULL, pair->now);
    }
    if (reached && pair->nodes[SECONDARY].relation) {
        fo_link_closed(&pair->nodes[SECONDARY].relation->link, reason, NULL, pair->now);
    }
}

static void node_kill(struct pair *pair, struct node *node)
{
    relation_free(node->relation);
    node->relation = NULL;
    disconnect(pair, FO_DOWN_CLOSED);
}

static void pair_close(struct pair *pair)
{
    for (unsigned i = 0; i < 2; i++) {
        relation_free(pair->nodes[i].relation);
        harness_close(&pair->nodes[i].h);
    }
}

static void connect_try(struct pair *pair, struct node *node)
{
    if (pair->cut || !pair->nodes[SECONDARY].relation) {
        fo_link_closed(&node->relation->link, FO_DOWN_CONNECT_FAILED, NULL, pair->now);
        return;
    }
    fo_greet_init(&pair->greet, false, pair->now);
    pair->greeting = true;
    fo_link_connected(&node->relation->link, pair->now);
}

static void greet_turn(struct pair *pair)
{
    enum fo_action action;

    while (pair->greeting && (action = fo_greet_run(&pair->greet, pair->now)) != FO_ACTION_NONE) {
        pair->greeting = false;
        pair->connected = action == FO_ACTION_OPEN &&
                          fo_link_accept(&pair->nodes[SECONDARY].relation->link, &pair->greet,
                                         pair->now) == FO_STATUS_SUCCESS;
        CHECK(pair->connected);
    }
}

/* Carries what the node has written. */
static bool octets_carry(struct pair *pair, struct node *node)
{
    struct node *partner = partner_of(pair, node);
    struct span bytes = relation_output(node->relation, pair->now);
    size_t taken = 0;

    if (bytes.size && pair->connected) {
        taken = relation_bytes_received(partner->relation, bytes, pair->now);
    } else if (bytes.size && pair->greeting && node == &pair->nodes[PRIMARY]) {
        fo_greet_input(&pair->greet, bytes, pair->now);
        taken = bytes.size;
        relation_output_done(node->relation, taken, pair->now);
        greet_turn(pair);
        return true;
    }
    relation_output_done(node->relation, taken, pair->now);
    return taken != 0;
}

static void node_turn(struct pair *pair, struct node *node)
{
    struct store_retired retired;
    enum fo_action action;

    while ((action = relation_run(node->relation, pair->now)) != FO_ACTION_NONE) {
        if (action == FO_ACTION_CONNECT) {
            connect_try(pair, node);
        } else if (action == FO_ACTION_CLOSE) {
            bool reached = pair->connected;

            pair->greeting = pair->connected = false;
            if (reached && partner_of(pair, node)->relation) {
                fo_link_closed(&partner_of(pair, node)->relation->link, FO_DOWN_CLOSED, NULL,
                               pair->now);
            }
        }
    }
    control_horizon_turn(&node->h.control, pair->now.s);
    (void)sweep_turn(&node->h.control.sweep, pair->now.s);
    urcu_qsbr_quiescent_state();
    if (relation_wants_grace(node->relation)) {
        relation_grace_done(node->relation); /* one thread: nobody reads it */
    }
    retired = store_retired_take(node->h.server->store);
    if (retired.first != LEASE_SLOT_NONE) {
        store_retired_give(node->h.server->store, retired);
    }
    if (!node->disk_stalled) {
        harness_sync(&node->h);
    }
}

static void pump(struct pair *pair)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < 2; i++) {
            struct node *node = &pair->nodes[i];

            if (node->relation) {
                node_turn(pair, node);
                while (octets_carry(pair, node)) {
                }
            }
        }
    }
}

static void pass(struct pair *pair, unsigned seconds)
{
    while (seconds) {
        unsigned step = seconds < 10 ? seconds : 10;

        pair->now.s += step;
        pair->now.ms += (msec_t)step * 1000;
        seconds -= step;
        for (unsigned i = 0; i < 2; i++) {
            pair->nodes[i].h.now = pair->now.s;
            pair->nodes[i].h.now_ms = pair->now.ms;
        }
        pump(pair);
    }
}

static enum fo_server_state state_of(const struct pair *pair, unsigned node)
{
    return fo_fsm_state(&pair->nodes[node].relation->fsm);
}

static bool both_normal(const struct pair *pair)
{
    return state_of(pair, PRIMARY) == FO_NORMAL && state_of(pair, SECONDARY) == FO_NORMAL;
}

static void pair_open_normal(struct pair *pair)
{
    pair_open(pair);
    pump(pair);
    pass(pair, 20);
    CHECK_EQ(state_of(pair, PRIMARY), FO_NORMAL);
    CHECK_EQ(state_of(pair, SECONDARY), FO_NORMAL);
}

/* A client with one IA_NA and one IA_PD. */
struct reply {
    uint8_t type;
    uint8_t server_id[DUID_SIZE_MAX];
    size_t server_id_size;
    struct resource address, prefix;
    uint32_t valid_s;
};

static void option_put(struct wire_out *out, uint16_t code, const void *data, size_t size)
{
    wire_out_u16(out, code);
    wire_out_u16(out, (uint16_t)size);
    wire_out_bytes(out, data, size);
}

static size_t message_make(uint8_t *buf, uint8_t type, unsigned client, const struct reply *given)
{
    bool leases = given && type != DHCP6_SOLICIT;
    struct wire_out out = wire_out_to(buf, 1024);
    uint8_t duid[14] = {0, 1, 0, 1};

    wire_set_u32(duid + 8, client);
    wire_out_u32(&out, (uint32_t)type << 24 | client);
    option_put(&out, OPTION_CLIENTID, duid, sizeof(duid));
    if (leases) {
        option_put(&out, OPTION_SERVERID, given->server_id, given->server_id_size);
    }
    wire_out_u16(&out, OPTION_IA_NA);
    wire_out_u16(&out, leases ? 12 + 28 : 12);
    wire_out_u32(&out, 1);
    wire_out_u64(&out, 0);
    if (leases) {
        wire_out_u16(&out, OPTION_IAADDR);
        wire_out_u16(&out, 24);
        wire_out_ip6(&out, given->address.prefix);
        wire_out_u64(&out, 0);
    }
    wire_out_u16(&out, OPTION_IA_PD);
    wire_out_u16(&out, leases ? 12 + 29 : 12);
    wire_out_u32(&out, 2);
    wire_out_u64(&out, 0);
    if (leases) {
        wire_out_u16(&out, OPTION_IAPREFIX);
        wire_out_u16(&out, 25);
        wire_out_u64(&out, 0);
        wire_out_u8(&out, given->prefix.length);
        wire_out_ip6(&out, given->prefix.prefix);
    }
    return (size_t)(out.at - buf);
}

static bool reply_read(struct span payload, struct reply *ret_reply)
{
    struct wire_in in = wire_in_from(payload);

    if (payload.size == 0) {
        return false;
    }
    *ret_reply = (struct reply){.type = wire_in_u8(&in)};
    (void)wire_in_bytes(&in, 3);
    while (wire_in_left(&in)) {
        uint16_t code = wire_in_u16(&in);
        struct span data = wire_in_span(&in, wire_in_u16(&in));

        if (code == OPTION_SERVERID) {
            memcpy(ret_reply->server_id, data.data, data.size);
            ret_reply->server_id_size = data.size;
        } else if (code == OPTION_IA_NA && data.size >= 40) {
            ret_reply->address =
                (struct resource){wire_get_ip6(data.data + 16), 128, LEASE_TYPE_NA};
            ret_reply->valid_s = wire_get_u32(data.data + 36);
        } else if (code == OPTION_IA_PD && data.size >= 41) {
            ret_reply->prefix =
                (struct resource){wire_get_ip6(data.data + 25), data.data[24], LEASE_TYPE_PD};
        }
    }
    return !in.failed;
}

/* One message to one server; nothing reaches the partner before the next pump. */
static bool exchange(struct pair *pair, unsigned node, uint8_t type, unsigned client,
                     const struct reply *given, struct reply *ret_reply)
{
    struct harness *h = &pair->nodes[node].h;
    uint8_t buf[1024];

    harness_send(h, 0, buf, message_make(buf, type, client, given));
    harness_turn(h);
    harness_sync(h);
    harness_turn(h);
    return reply_read(harness_receive(h), ret_reply);
}

static bool lease_get(struct pair *pair, unsigned node, unsigned client, struct reply *ret_reply)
{
    struct reply offer;

    return exchange(pair, node, DHCP6_SOLICIT, client, NULL, &offer) &&
           exchange(pair, node, DHCP6_REQUEST, client, &offer, ret_reply) &&
           ret_reply->address.length && ret_reply->prefix.length;
}

static struct lease_found found_at(struct pair *pair, unsigned node,
                                   const struct resource *resource)
{
    struct lease_found found;

    if (!store_find(pair->nodes[node].h.server->store, resource, &found)) {
        memset(&found, 0, sizeof(found));
        found.slot = LEASE_SLOT_NONE;
    }
    return found;
}

static unsigned status_at(struct pair *pair, unsigned node, const struct resource *resource)
{
    struct lease_found found = found_at(pair, node, resource);

    return found.slot == LEASE_SLOT_NONE ? 0 : found.lease.status;
}

/* Every lease of one store is in the other, the same to a client. Returns how many. */
static unsigned stores_compare(struct pair *pair, unsigned from)
{
    struct store *store = pair->nodes[from].h.server->store;
    struct lease_found mine, theirs;
    unsigned count = 0;

    for (uint32_t slot = 0; slot < store_slot_max(store); slot++) {
        if (store_read(store, slot, &mine)) {
            theirs = found_at(pair, 1 - from, &mine.lease.resource);
            CHECK(theirs.slot != LEASE_SLOT_NONE);
            if (theirs.slot != LEASE_SLOT_NONE) {
                CHECK_EQ(theirs.lease.status, mine.lease.status);
                CHECK_EQ(theirs.lease.times.expires_s, mine.lease.times.expires_s);
                CHECK(mine.lease.status != BINDING_ACTIVE ||
                      lease_same_client(&mine.lease, &theirs.lease));
            }
            count++;
        }
    }
    return count;
}

static void stores_equal(struct pair *pair)
{
    CHECK_EQ(stores_compare(pair, PRIMARY), stores_compare(pair, SECONDARY));
}

static void test_empty_to_normal(void)
{
    struct pair pair;

    pair_open_normal(&pair);
    /* 32 prefixes, a quarter is the secondary's. */
    CHECK_EQ(claim_count(server_policy(pair.nodes[SECONDARY].h.server)->pools[1].claim), 8);
    CHECK_EQ(claim_count(server_policy(pair.nodes[PRIMARY].h.server)->pools[1].claim), 24);
    stores_equal(&pair);
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
    stores_equal(&pair);
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
    stores_equal(&pair);
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
    pair.cut = true;
    disconnect(&pair, FO_DOWN_CLOSED);
    pass(&pair, 2);
    CHECK_EQ(state_of(&pair, PRIMARY), FO_COMMUNICATIONS_INTERRUPTED);
    CHECK_EQ(state_of(&pair, SECONDARY), FO_COMMUNICATIONS_INTERRUPTED);
    CHECK(lease_get(&pair, PRIMARY, 2, &at_primary));
    CHECK(lease_get(&pair, SECONDARY, 3, &at_secondary));
    CHECK_EQ(at_primary.address.prefix.lo & 1, 1);
    CHECK_EQ(at_secondary.address.prefix.lo & 1, 0);
    CHECK(!resource_equal(&at_primary.prefix, &at_secondary.prefix));
    CHECK_EQ(status_at(&pair, PRIMARY, &at_secondary.prefix), BINDING_FREE_BACKUP);
    CHECK(exchange(&pair, SECONDARY, DHCP6_RENEW, 1, &before, &renewed));
    CHECK(exchange(&pair, PRIMARY, DHCP6_RELEASE, 2, &at_primary, &ended));
    pass(&pair, 60);
    CHECK_EQ(status_at(&pair, PRIMARY, &at_primary.address), BINDING_RELEASED);
    pair.cut = false;
    pass(&pair, 60);
    CHECK(both_normal(&pair));
    CHECK_EQ(status_at(&pair, PRIMARY, &at_secondary.address), BINDING_ACTIVE);
    CHECK_EQ(status_at(&pair, PRIMARY, &at_secondary.prefix), BINDING_ACTIVE);
    CHECK_EQ(status_at(&pair, SECONDARY, &at_primary.address), BINDING_FREE);
    stores_equal(&pair);
    pair_close(&pair);
}

static void partner_down(struct pair *pair, unsigned node)
{
    struct fo_fsm_event event = {.type = FO_FSM_PARTNER_DOWN};

    CHECK_EQ(relation_command(pair->nodes[node].relation, &event, pair->now), 0);
    pass(pair, 2);
    CHECK_EQ(state_of(pair, node), FO_PARTNER_DOWN);
}

static void test_crash_and_recover(void)
{
    struct node *secondary;
    struct reply before, after;
    struct harness old;
    struct pair pair;

    pair_open_normal(&pair);
    secondary = &pair.nodes[SECONDARY];
    CHECK(lease_get(&pair, PRIMARY, 1, &before));
    pump(&pair);
    node_kill(&pair, secondary);
    pass(&pair, 100);
    partner_down(&pair, PRIMARY);
    CHECK(lease_get(&pair, PRIMARY, 2, &after));
    CHECK_EQ(after.valid_s, VALID_S); /* no MCLT */
    pass(&pair, 100);
    old = secondary->h;
    harness_replay(&old, &secondary->h, secondary->config);
    harness_close(&old);
    node_start(&pair, secondary);
    pass(&pair, 30);
    CHECK_EQ(state_of(&pair, SECONDARY), FO_RECOVER_WAIT);
    CHECK_EQ(state_of(&pair, PRIMARY), FO_PARTNER_DOWN);
    CHECK_EQ(status_at(&pair, SECONDARY, &after.address), BINDING_ACTIVE);
    CHECK(!secondary->relation->fsm.record.all_needed);
    pass(&pair, MCLT_S + 60);
    CHECK(both_normal(&pair));
    stores_equal(&pair);
    pair_close(&pair);
}

static void test_storage_lost(void)
{
    struct reply replies[5];
    struct node *secondary;
    struct pair pair;

    pair_open_normal(&pair);
    secondary = &pair.nodes[SECONDARY];
    for (unsigned i = 0; i < 5; i++) {
        CHECK(lease_get(&pair, PRIMARY, 1 + i, &replies[i]));
    }
    pump(&pair);
    node_kill(&pair, secondary);
    harness_close(&secondary->h);
    pass(&pair, 30);
    CHECK_EQ(state_of(&pair, PRIMARY), FO_COMMUNICATIONS_INTERRUPTED);
    harness_open(&secondary->h, secondary->config);
    node_start(&pair, secondary);
    pass(&pair, 60);
    CHECK_EQ(state_of(&pair, SECONDARY), FO_RECOVER_WAIT);
    CHECK_EQ(pair.nodes[PRIMARY].relation->link.stats.received[FO_UPDREQALL], 1);
    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(status_at(&pair, SECONDARY, &replies[i].address), BINDING_ACTIVE);
        CHECK_EQ(status_at(&pair, SECONDARY, &replies[i].prefix), BINDING_ACTIVE);
    }
    CHECK_EQ(claim_count(server_policy(secondary->h.server)->pools[1].claim), 8);
    pass(&pair, MCLT_S - 120);
    stores_equal(&pair);
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
    primary = pair.nodes[PRIMARY].relation;
    secondary = pair.nodes[SECONDARY].relation;
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
    pair.cut = true;
    disconnect(&pair, FO_DOWN_CLOSED);
    pass(&pair, MCLT_S + 200);
    CHECK_EQ(status_at(&pair, PRIMARY, &reply.address), BINDING_EXPIRED);
    CHECK_EQ(status_at(&pair, SECONDARY, &reply.prefix), BINDING_EXPIRED);
    pair.cut = false;
    pass(&pair, 60);
    CHECK(both_normal(&pair));
    CHECK_EQ(status_at(&pair, PRIMARY, &reply.address), BINDING_FREE);
    stores_equal(&pair);
    pair_close(&pair);
}

/* Design invariant 6, and: no update of what is not on disk. */
static void test_nothing_leaves_before_disk(void)
{
    struct relation *primary;
    struct reply reply;
    uint64_t sent, acked;
    struct pair pair;
    uint8_t buf[1024];

    pair_open_normal(&pair);
    primary = pair.nodes[PRIMARY].relation;
    sent = primary->stats.updates_sent;
    acked = primary->stats.acked;
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    pair.nodes[PRIMARY].disk_stalled = true;
    pair.now.s += 2; /* a renewal on top of the durable grant */
    pair.nodes[PRIMARY].h.now = pair.now.s;
    harness_send(&pair.nodes[PRIMARY].h, 0, buf, message_make(buf, DHCP6_RENEW, 1, &reply));
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
    {"cut_and_rejoin", test_cut_and_rejoin},
    {"crash_and_recover", test_crash_and_recover},
    {"storage_lost", test_storage_lost},
    {"updates_are_lazy", test_updates_are_lazy},
};

static int run_all(int argc, char **argv);
#define main run_all
CHECK_MAIN(tests)
#undef main

int main(int argc, char **argv)
{
    int r;

    urcu_qsbr_register_thread();
    r = run_all(argc, argv);
    urcu_qsbr_unregister_thread();
    return r;
}

#include "pair_harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <urcu/urcu-qsbr.h>

#include "server/sweep.h"
#include "store/claim.h"

enum {
    ROUNDS_MAX = 4000, /* of one pump */
    TEXT_SIZE = 4096,
};

static const char config_format[] =
    "{ \"server\": { \"name\": \"t\", \"state_dir\": \"/nonexistent\" },"
    "  \"store\": { \"leases_max\": %u, \"remember_s\": 1000000 },"
    "  \"dataplane\": { \"workers\": %u, \"ports\": [ { \"name\": \"p0\", \"device\": "
    "\"net_null0\","
    "     \"addresses\": [\"2001:db8:0:1::1\"] } ] },"
    "  \"links\": [ { \"name\": \"l0\", \"port\": \"p0\", \"subnets\": [\"2001:db8:17::/64\"],"
    "     \"relay_addresses\": [\"2001:db8:17::1\"],"
    "     \"pools\": [ { \"type\": \"address\", \"range\": \"2001:db8:17::/64\" },"
    "                { \"type\": \"prefix\", \"range\": \"%s\", \"delegated_length\": 56 } ],"
    "     \"lifetimes\": { \"preferred_s\": 259200, \"valid_s\": 259200 } } ],"
    "  \"reservations\": [ %s ],"
    "  \"failover\": [ { \"relationship\": \"pop7\", \"role\": \"%s\", \"partner\": \"%s\","
    "     \"listen\": \"%s\", \"mclt_s\": 3600, \"keepalive_s\": 60,"
    "     \"backup_share_percent\": %u, \"links\": [\"l0\"], \"tls\": null } ] }";

char *pair_config(const struct pair_options *options, unsigned role)
{
    static const char *const addresses[] = {"2001:db8:0:2::1", "2001:db8:0:2::2"};
    char *text = malloc(TEXT_SIZE);

    T6_ASSERT(text);
    (void)snprintf(text, TEXT_SIZE, config_format, options->leases_max ? options->leases_max : 1000,
                   options->workers ? options->workers : 1,
                   options->prefixes ? options->prefixes : "2001:db8:4000::/51",
                   options->reservations ? options->reservations : "",
                   role == PRIMARY ? "primary" : "secondary", addresses[1 - role], addresses[role],
                   options->share_percent ? options->share_percent : 25);
    return text;
}

static void pair_init(struct pair *pair)
{
    static bool registered;

    if (!registered) {
        urcu_qsbr_register_thread();
        registered = true;
    }
    memset(pair, 0, sizeof(*pair));
    pair->now = (struct fo_time){1000, HARNESS_NOW};
}

void pair_node_open(struct pair *pair, unsigned node, char *config)
{
    if (pair->now.s == 0) {
        pair_init(pair);
    }
    pair->nodes[node].config = config;
    pair->node_count = node < pair->node_count ? pair->node_count : node + 1;
    harness_open_as(&pair->nodes[node].h, config, (uint8_t)(node + 1));
}

void pair_join(struct pair *pair, unsigned primary, unsigned primary_index, unsigned secondary,
               unsigned secondary_index)
{
    pair->edges[pair->edge_count++] =
        (struct edge){.nodes = {primary, secondary}, .indexes = {primary_index, secondary_index}};
}

static struct relation *edge_relation(struct pair *pair, const struct edge *edge, unsigned side)
{
    return pair->nodes[edge->nodes[side]].relations[edge->indexes[side]];
}

static void node_start(struct pair *pair, unsigned index)
{
    struct node *node = &pair->nodes[index];

    node->h.now = pair->now.s;
    node->h.now_ms = pair->now.ms;
    atomic_store(&node->h.server->operating_until_s, pair->now.s);
    for (unsigned i = 0; i < node->h.server->endpoint_count; i++) {
        T6_ASSERT(relation_new(node->h.server, i, pair->now, &node->relations[i]) == 0);
        relation_start(node->relations[i], pair->now);
    }
}

void pair_start(struct pair *pair)
{
    for (unsigned i = 0; i < pair->node_count; i++) {
        node_start(pair, i);
    }
}

void pair_open_with(struct pair *pair, const struct pair_options *options)
{
    pair_init(pair);
    for (unsigned i = 0; i < 2; i++) {
        pair_node_open(pair, i, pair_config(options, i));
    }
    pair_join(pair, PRIMARY, 0, SECONDARY, 0);
    pair_start(pair);
}

void pair_open(struct pair *pair)
{
    pair_open_with(pair, &(struct pair_options){.workers = 1});
}

void pair_open_normal_with(struct pair *pair, const struct pair_options *options)
{
    pair_open_with(pair, options);
    pump(pair);
    pass(pair, 20);
    T6_ASSERT(both_normal(pair));
}

void pair_open_normal(struct pair *pair)
{
    pair_open_normal_with(pair, &(struct pair_options){.workers = 1});
}

/* The connection is gone; who is still there hears of it. */
static void disconnect(struct pair *pair, struct edge *edge)
{
    bool was[2] = {edge->greeting || edge->connected, edge->connected};

    edge->greeting = edge->connected = false;
    for (unsigned side = 0; side < 2; side++) {
        struct relation *relation = edge_relation(pair, edge, side);

        if (was[side] && relation) {
            fo_link_closed(&relation->link, FO_DOWN_CLOSED, NULL, pair->now);
        }
    }
}

static void node_stop(struct pair *pair, unsigned index)
{
    struct node *node = &pair->nodes[index];

    for (unsigned i = 0; i < PAIR_EDGES_MAX; i++) {
        relation_free(node->relations[i]);
        node->relations[i] = NULL;
    }
    for (unsigned i = 0; i < pair->edge_count; i++) {
        if (pair->edges[i].nodes[0] == index || pair->edges[i].nodes[1] == index) {
            disconnect(pair, &pair->edges[i]);
        }
    }
}

void pair_kill(struct pair *pair, unsigned node)
{
    node_stop(pair, node);
}

void pair_restart(struct pair *pair, unsigned node)
{
    struct harness old = pair->nodes[node].h;

    harness_replay(&old, &pair->nodes[node].h, pair->nodes[node].config);
    harness_close(&old);
    node_start(pair, node);
}

void pair_restart_empty(struct pair *pair, unsigned node)
{
    harness_close(&pair->nodes[node].h);
    harness_open_as(&pair->nodes[node].h, pair->nodes[node].config, (uint8_t)(node + 1));
    node_start(pair, node);
}

void pair_cut(struct pair *pair, unsigned edge)
{
    pair->edges[edge].cut = true;
    disconnect(pair, &pair->edges[edge]);
}

void pair_heal(struct pair *pair, unsigned edge)
{
    pair->edges[edge].cut = false;
}

void pair_close(struct pair *pair)
{
    for (unsigned i = 0; i < pair->node_count; i++) {
        node_stop(pair, i);
        harness_close(&pair->nodes[i].h);
        free(pair->nodes[i].config);
    }
}

static void connect_try(struct pair *pair, struct edge *edge)
{
    struct relation *primary = edge_relation(pair, edge, 0);

    if (edge->cut || !edge_relation(pair, edge, 1)) {
        fo_link_closed(&primary->link, FO_DOWN_CONNECT_FAILED, NULL, pair->now);
        return;
    }
    fo_greet_init(&edge->greet, false, pair->now);
    edge->greeting = true;
    fo_link_connected(&primary->link, pair->now);
}

static void greet_turn(struct pair *pair, struct edge *edge)
{
    enum fo_action action;

    while (edge->greeting && (action = fo_greet_run(&edge->greet, pair->now)) != FO_ACTION_NONE) {
        struct fo_link *link = &edge_relation(pair, edge, 1)->link;

        edge->greeting = false;
        edge->connected = action == FO_ACTION_OPEN &&
                          fo_link_accept(link, &edge->greet, pair->now) == FO_STATUS_SUCCESS;
        if (!edge->connected) {
            fo_link_closed(&edge_relation(pair, edge, 0)->link, FO_DOWN_CLOSED, NULL, pair->now);
        }
    }
}

/* Carries what one side has written; true when something arrived. */
static bool octets_carry(struct pair *pair, struct edge *edge, unsigned side)
{
    struct relation *from = edge_relation(pair, edge, side);
    struct relation *to = edge_relation(pair, edge, 1 - side);
    struct span bytes = from ? relation_output(from, pair->now) : (struct span){NULL, 0};
    size_t taken = 0;

    if (bytes.size == 0) {
        return false;
    }
    if (edge->connected) {
        taken = relation_bytes_received(to, bytes, pair->now);
    } else if (edge->greeting && side == 0) {
        fo_greet_input(&edge->greet, bytes, pair->now);
        taken = bytes.size;
    }
    relation_output_done(from, taken, pair->now);
    greet_turn(pair, edge);
    return taken != 0;
}

static void relation_turn(struct pair *pair, struct edge *edge, unsigned side)
{
    struct relation *relation = edge_relation(pair, edge, side);
    enum fo_action action;

    while (relation && (action = relation_run(relation, pair->now)) != FO_ACTION_NONE) {
        if (action == FO_ACTION_CONNECT) {
            connect_try(pair, edge);
        } else if (action == FO_ACTION_CLOSE) {
            struct relation *other = edge_relation(pair, edge, 1 - side);
            bool reached = edge->connected;

            edge->greeting = edge->connected = false;
            if (reached && other) {
                fo_link_closed(&other->link, FO_DOWN_CLOSED, NULL, pair->now);
            }
        }
    }
}

static void node_turn(struct pair *pair, unsigned index)
{
    struct node *node = &pair->nodes[index];
    struct store_retired retired;

    if (!node->relations[0]) {
        return;
    }
    for (unsigned i = 0; i < pair->edge_count; i++) {
        for (unsigned side = 0; side < 2; side++) {
            if (pair->edges[i].nodes[side] == index) {
                relation_turn(pair, &pair->edges[i], side);
            }
        }
    }
    control_horizon_turn(&node->h.control, pair->now.s);
    (void)sweep_turn(&node->h.control.sweep, pair->now.s);
    urcu_qsbr_quiescent_state();
    for (unsigned i = 0; i < PAIR_EDGES_MAX; i++) {
        if (node->relations[i] && relation_wants_grace(node->relations[i])) {
            relation_grace_done(node->relations[i]); /* one thread: nobody reads it */
        }
    }
    retired = store_retired_take(node->h.server->store);
    if (retired.first != LEASE_SLOT_NONE) {
        store_retired_give(node->h.server->store, retired);
    }
    if (!node->disk_stalled) {
        harness_sync(&node->h);
    }
}

/* True while there is something left to be done now. */
static bool is_busy(const struct pair *pair)
{
    for (unsigned i = 0; i < pair->node_count; i++) {
        for (unsigned k = 0; k < PAIR_EDGES_MAX; k++) {
            if (pair->nodes[i].relations[k] && pair->nodes[i].relations[k]->busy) {
                return true;
            }
        }
    }
    return false;
}

void pump(struct pair *pair)
{
    unsigned quiet = 0;

    for (unsigned round = 0; round < ROUNDS_MAX && quiet < 8; round++) {
        bool moved = false;

        for (unsigned i = 0; i < pair->node_count; i++) {
            node_turn(pair, i);
            for (unsigned k = 0; k < 2 * pair->edge_count; k++) {
                struct edge *edge = &pair->edges[k / 2];

                while (edge->nodes[k % 2] == i && octets_carry(pair, edge, k % 2)) {
                    moved = true;
                }
            }
        }
        quiet = moved || is_busy(pair) ? 0 : quiet + 1;
    }
}

static void clocks_set(struct pair *pair)
{
    for (unsigned i = 0; i < pair->node_count; i++) {
        pair->nodes[i].h.now = pair->now.s;
        pair->nodes[i].h.now_ms = pair->now.ms;
    }
}

void pass(struct pair *pair, unsigned seconds)
{
    while (seconds) {
        unsigned step = seconds < 10 ? seconds : 10;

        pair->now.s += step;
        pair->now.ms += (msec_t)step * 1000;
        seconds -= step;
        clocks_set(pair);
        pump(pair);
    }
}

void pass_ms(struct pair *pair, unsigned milliseconds)
{
    msec_t before_ms = pair->now.ms;

    pair->now.ms += milliseconds;
    pair->now.s += (sec_t)(pair->now.ms / 1000 - before_ms / 1000);
    clocks_set(pair);
    pump(pair);
}

struct relation *relation_at(const struct pair *pair, unsigned node)
{
    return pair->nodes[node].relations[0];
}

enum fo_server_state state_of(const struct pair *pair, unsigned node)
{
    return fo_fsm_state(&relation_at(pair, node)->fsm);
}

bool both_normal(const struct pair *pair)
{
    return state_of(pair, PRIMARY) == FO_NORMAL && state_of(pair, SECONDARY) == FO_NORMAL;
}

bool partner_down(struct pair *pair, unsigned node)
{
    struct fo_fsm_event event = {.type = FO_FSM_PARTNER_DOWN};

    if (relation_command(relation_at(pair, node), &event, pair->now)) {
        return false;
    }
    pass(pair, 2);
    return state_of(pair, node) == FO_PARTNER_DOWN;
}

static void option_put(struct wire_out *out, uint16_t code, const void *data, size_t size)
{
    wire_out_u16(out, code);
    wire_out_u16(out, (uint16_t)size);
    wire_out_bytes(out, data, size);
}

static size_t message_make(uint8_t *buf, uint8_t type, unsigned client, const struct reply *given)
{
    bool address = given && type != DHCP6_SOLICIT && given->address.length;
    bool prefix = given && type != DHCP6_SOLICIT && given->prefix.length;
    struct wire_out out = wire_out_to(buf, 1024);
    uint8_t duid[14] = {0, 1, 0, 1};

    wire_set_u32(duid + 8, client);
    wire_out_u32(&out, (uint32_t)type << 24 | client);
    option_put(&out, OPTION_CLIENTID, duid, sizeof(duid));
    if (given && type != DHCP6_SOLICIT && type != DHCP6_REBIND) {
        option_put(&out, OPTION_SERVERID, given->server_id, given->server_id_size);
    }
    wire_out_u16(&out, OPTION_IA_NA);
    wire_out_u16(&out, address ? 12 + 28 : 12);
    wire_out_u32(&out, 1);
    wire_out_u64(&out, 0);
    if (address) {
        wire_out_u16(&out, OPTION_IAADDR);
        wire_out_u16(&out, 24);
        wire_out_ip6(&out, given->address.prefix);
        wire_out_u64(&out, 0);
    }
    wire_out_u16(&out, OPTION_IA_PD);
    wire_out_u16(&out, prefix ? 12 + 29 : 12);
    wire_out_u32(&out, 2);
    wire_out_u64(&out, 0);
    if (prefix) {
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

void client_send(struct pair *pair, unsigned node, uint8_t type, unsigned client,
                 const struct reply *given)
{
    struct harness *h = &pair->nodes[node].h;
    uint8_t buf[1024];

    harness_send(h, client % h->server->worker_count, buf, message_make(buf, type, client, given));
}

bool exchange(struct pair *pair, unsigned node, uint8_t type, unsigned client,
              const struct reply *given, struct reply *ret_reply)
{
    struct harness *h = &pair->nodes[node].h;

    client_send(pair, node, type, client, given);
    harness_turn(h);
    harness_turn(h); /* of the home worker */
    harness_sync(h);
    harness_turn(h);
    return reply_read(harness_receive(h), ret_reply);
}

bool lease_get(struct pair *pair, unsigned node, unsigned client, struct reply *ret_reply)
{
    struct reply offer;

    return exchange(pair, node, DHCP6_SOLICIT, client, NULL, &offer) &&
           exchange(pair, node, DHCP6_REQUEST, client, &offer, ret_reply) &&
           ret_reply->address.length && ret_reply->prefix.length;
}

struct lease_found found_at(struct pair *pair, unsigned node, const struct resource *resource)
{
    struct lease_found found;

    if (!store_find(pair->nodes[node].h.server->store, resource, &found)) {
        memset(&found, 0, sizeof(found));
        found.slot = LEASE_SLOT_NONE;
    }
    return found;
}

unsigned status_at(struct pair *pair, unsigned node, const struct resource *resource)
{
    struct lease_found found = found_at(pair, node, resource);

    return found.slot == LEASE_SLOT_NONE ? 0 : found.lease.status;
}

static const struct policy_pool *prefix_pool(struct pair *pair, unsigned node)
{
    return &server_policy(pair->nodes[node].h.server)->pools[PREFIX_POOL];
}

uint64_t free_own(struct pair *pair, unsigned node)
{
    return claim_count(prefix_pool(pair, node)->claim);
}

uint64_t free_partner(struct pair *pair, unsigned node)
{
    return claim_count(prefix_pool(pair, node)->partner_claim);
}

static bool same_to_client(const struct lease_found *mine, const struct lease_found *theirs)
{
    const struct lease *a = &mine->lease, *b = &theirs->lease;

    return theirs->slot != LEASE_SLOT_NONE && a->status == b->status &&
           a->times.expires_s == b->times.expires_s && a->times.start_s == b->times.start_s &&
           (a->status != BINDING_ACTIVE || lease_same_client(a, b));
}

/* One direction; *ret_count: leases looked at. */
static unsigned store_misses(struct pair *pair, unsigned from, unsigned *ret_count)
{
    struct store *store = pair->nodes[from].h.server->store;
    unsigned misses = 0;

    *ret_count = 0;
    for (uint32_t slot = 0; slot < store_slot_max(store); slot++) {
        struct lease_found mine, theirs;

        if (!store_read(store, slot, &mine)) {
            continue;
        }
        ++*ret_count;
        theirs = found_at(pair, 1 - from, &mine.lease.resource);
        if (!same_to_client(&mine, &theirs)) {
            printf("%016llx:%016llx/%u differs: %s until %u since %u here, %s until %u since %u\n",
                   (unsigned long long)mine.lease.resource.prefix.hi,
                   (unsigned long long)mine.lease.resource.prefix.lo, mine.lease.resource.length,
                   binding_status_name(mine.lease.status), mine.lease.times.expires_s,
                   mine.lease.times.start_s, binding_status_name(theirs.lease.status),
                   theirs.lease.times.expires_s, theirs.lease.times.start_s);
            misses++;
        }
    }
    return misses;
}

unsigned stores_differ(struct pair *pair)
{
    unsigned counts[2], misses = store_misses(pair, PRIMARY, &counts[0]);

    misses += store_misses(pair, SECONDARY, &counts[1]);
    return misses;
}

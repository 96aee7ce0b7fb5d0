/* One server of the pair: its boot, its steps, its end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <urcu/urcu-qsbr.h>

#include "server/apply.h"
#include "sim.h"

enum {
    SEGMENT_SIZE = 64 << 10,
    BATCH_MAX = 8 << 10,
    TEXT_SIZE = 4096,
    BOOT_OPERATIONS = 8, /* that change the disk, about as many as a boot needs */
};

static const char config_format[] =
    "{ \"server\": { \"name\": \"%s\", \"state_dir\": \"/nonexistent\" },"
    "  \"store\": { \"leases_max\": 300, \"remember_s\": %u, \"long_leases_max\": 1 },"
    "  \"journal\": { \"horizon_s\": %u },"
    "  \"dataplane\": { \"workers\": 2, \"ports\": [ { \"name\": \"p0\", \"device\": \"net_null0\","
    "     \"addresses\": [\"2001:db8:0:1::%u\"] } ] },"
    "  \"options\": { \"sol_max_rt_s\": 60 },"
    "  \"lifetimes\": { \"preferred_s\": %u, \"valid_s\": %u }, \"rapid_commit\": %s,"
    "  \"links\": ["
    "   { \"name\": \"l0\", \"port\": \"p0\", \"subnets\": [\"2001:db8:17::/64\"],"
    "     \"relay_addresses\": [\"2001:db8:17::1\", \"2001:db8:17::2\"], \"decline_s\": 500,"
    "     \"pools\": [ { \"type\": \"address\", \"range\": \"2001:db8:17::100-2001:db8:17::%x\" },"
    "        { \"type\": \"prefix\", \"range\": \"2001:db8:4000::/%u\", \"delegated_length\": 62 } "
    "] },"
    "   { \"name\": \"l1\", \"port\": \"p0\", \"subnets\": [\"2001:db8:18::/64\"],"
    "     \"relay_addresses\": [\"2001:db8:18::1\", \"2001:db8:18::2\"], \"decline_s\": 500,"
    "     \"pools\": [ { \"type\": \"address\", \"range\": \"2001:db8:18::100-2001:db8:18::%x\" },"
    "        { \"type\": \"prefix\", \"range\": \"2001:db8:5000::/%u\", \"delegated_length\": 62 } "
    "] } ],"
    "  \"failover\": [ { \"relationship\": \"pop7\", \"role\": \"%s\","
    "     \"partner\": \"2001:db8:0:2::%u\", \"listen\": \"2001:db8:0:2::%u\", \"mclt_s\": %u,"
    "     \"keepalive_s\": %u, \"backup_share_percent\": %u, \"links\": [\"l0\", \"l1\"],"
    "     \"tls\": null } ] }";

void node_init(struct sim *sim, unsigned index)
{
    struct node *node = &sim->nodes[index];
    const struct sim_plan *plan = &sim->plan;
    char text[TEXT_SIZE];
    struct config_error error;
    unsigned last = 0x100 + plan->address_count - 1;

    node->sim = sim;
    node->index = index;
    node->memdisk = memdisk_new();
    node->serving_since = NEVER;
    for (unsigned i = 0; i < STEP_COUNT; i++) {
        node->due[i] = NEVER;
    }
    (void)snprintf(text, sizeof(text), config_format, index ? "b" : "a", plan->remember_s,
                   plan->horizon_s, index + 1, plan->preferred_s, plan->valid_s,
                   plan->rapid_commit ? "true" : "false", last, plan->prefix_length, last,
                   plan->prefix_length, index ? "secondary" : "primary", 2 - index, 1 + index,
                   plan->mclt_s, plan->keepalive_s, plan->share_percent);
    if (config_parse("sim", text, strlen(text), &node->config, &error) != 0) {
        printf("%u: %s: %s\n", error.line, error.pointer, error.text);
        abort();
    }
}

void node_done(struct node *node)
{
    node_kill(node, false);
    node_bury(node);
    memdisk_free(node->memdisk);
    config_free(node->config);
}

struct node *node_of(const struct server *server)
{
    struct sim *sim = hooks_sim;

    return &sim->nodes[sim->nodes[1].server == server];
}

int64_t node_clock_error_us(const struct node *node)
{
    int64_t seconds = (int64_t)((node->sim->now - node->clock_at) / SEC);

    return node->clock_error_us + seconds * node->clock_rate;
}

sec_t node_now(const struct node *node)
{
    int64_t us = (int64_t)node->sim->now + node_clock_error_us(node);

    return SIM_EPOCH + (sec_t)(us / (int64_t)SEC);
}

struct fo_time node_time(const struct node *node)
{
    return (struct fo_time){node->sim->now / MSEC + 1000, node_now(node)};
}

enum fo_server_state node_state(const struct node *node)
{
    return fo_fsm_state(&node->relation->fsm);
}

/* ---- packets ---- */

static void packet_free(struct packet *packet)
{
    free(packet->handle);
}

static void io_drop(void *ctx, struct packet *packet)
{
    if (packet->room == NULL) {
        net_late(((const struct io *)ctx)->node, packet);
    }
    packet_free(packet);
}

static unsigned io_rx(void *ctx, unsigned port, struct packet *ret_packets, unsigned max)
{
    const struct io *io = ctx;
    struct node *node = io->node;
    unsigned count = node->queued[io->worker] < max ? node->queued[io->worker] : max;

    (void)port;
    if (node->dying) {
        return 0;
    }
    memcpy(ret_packets, node->queue[io->worker], count * sizeof(*ret_packets));
    node->queued[io->worker] -= count;
    memmove(node->queue[io->worker], node->queue[io->worker] + count,
            node->queued[io->worker] * sizeof(*ret_packets));
    return count;
}

static unsigned io_tx(void *ctx, unsigned port, struct packet *packets, unsigned count)
{
    const struct io *io = ctx;

    (void)port;
    if (!io->node->dying) {
        (void)net_tx(io->node, packets, count);
    }
    for (unsigned i = 0; i < count; i++) {
        packet_free(&packets[i]);
    }
    return count;
}

static bool io_make(void *ctx, unsigned port, struct packet *ret_packet)
{
    (void)ctx;
    (void)port;
    (void)ret_packet;
    return false; /* announcements are not what is tested here */
}

void node_frame_take(struct node *node, unsigned worker, const uint8_t *bytes, size_t size)
{
    uint8_t *buf;

    if (!node_is_up(node) || node->queued[worker] == SIM_QUEUE) {
        return;
    }
    buf = malloc(2 * SIM_FRAME);
    memcpy(buf, bytes, size);
    node->queue[worker][node->queued[worker]++] = (struct packet){.data = buf,
                                                                  .size = (uint32_t)size,
                                                                  .room = buf + SIM_FRAME,
                                                                  .room_size = SIM_FRAME,
                                                                  .handle = buf};
    node_due(node, STEP_WORKER + worker, MSEC);
}

/* ---- life ---- */

static void on_durable(void *ctx, uint32_t slot, struct span record)
{
    struct node *node = ctx;

    check_durable(node, record);
    server_on_durable(node->server, slot, record);
    sim_preempt(node->sim); /* the dirty bit is set, the position not yet published */
}

static int log_open(struct node *node)
{
    struct server *server = node->server;
    struct journal_config config = {
        .disk = hooks_disk(node),
        .segment_size = SEGMENT_SIZE,
        .batch_max = BATCH_MAX,
        .rings = server->rings,
        .ring_count = server->worker_count + 1,
        .checkpoint_log_max = 2 * SEGMENT_SIZE,
        .on_durable = on_durable,
        .ctx = node,
    };
    struct journal_damage damage;
    struct journal_stats stats;
    int r = journal_open(&config, server_replay, server, false, &server->journal, &damage);

    if (r == -EBADMSG) {
        sim_fail(node->sim, "node %u: the log does not open: %s", node->index, damage.text);
    }
    if (r == 0) {
        journal_stats_get(server->journal, &stats);
        node->sim->tally.tails_cut += stats.tail_cut_bytes != 0;
        r = store_load_done(server->store);
    }
    return r;
}

static void ports_set(struct node *node)
{
    struct server *server = node->server;
    struct frame_port *port = &server->ports[0].frame;

    server->port_count = 1;
    memcpy(port->mac, "\2\0\0\0\0\1", 6);
    port->mac[5] = (uint8_t)(1 + node->index);
    port->addresses[0] = (struct ip6){0xfe80000000000000ULL, 1 + node->index};
    port->addresses[1] = node->config->ports[0].addresses[0];
    port->address_count = 2;
    port->mtu = FRAME_MTU_DEFAULT;
    for (unsigned i = 0; i < server->worker_count; i++) {
        node->io[i] = (struct io){node, i};
        server->workers[i].io = (struct packet_io){&node->io[i], io_rx, io_tx, io_drop, io_make};
    }
}

static void serve(struct node *node)
{
    struct server *server = node->server;
    struct policy *old = NULL;

    T6_ASSERT(server_apply(server, node->config, &old) == 0 && old == NULL);
    sweep_arm_all(server, node_now(node));
    if (!control_clock_check(server, node_now(node))) { /* as the program does */
        atomic_store(&server->clock_trusted, false);
        node->clock_error_us =
            (int64_t)(int32_t)(control_clock_last(server) - SIM_EPOCH) * (int64_t)SEC -
            (int64_t)node->sim->now;
    }
    control_init(&node->control, server);
    ports_set(node);
    T6_ASSERT(relation_new(server, 0, node_time(node), &node->relation) == 0);
    relation_start(node->relation, node_time(node));
}

static void server_drop(struct node *node)
{
    server_free(node->server);
    node->server = NULL;
}

/* The power may fail while the log is opened, again and again. */
static void boot_crash_arm(struct node *node)
{
    struct sim *sim = node->sim;

    if (sim_chance(sim, sim->plan.boot_crash)) {
        memdisk_cut_at(node->memdisk,
                       memdisk_operations(node->memdisk) + 1 + sim_random(sim, BOOT_OPERATIONS),
                       sim_random(sim, BATCH_MAX), sim_random(sim, 2) * sim_random(sim, 1 << 30));
    }
}

static void boot_crash_disarm(struct node *node)
{
    if (memdisk_is_off(node->memdisk)) {
        node->sim->tally.boot_crashes++;
        memdisk_power_on(node->memdisk, sim_random(node->sim, 2) * sim_random(node->sim, 1 << 30));
    }
    memdisk_cut_at(node->memdisk, 0, 0, 0);
}

bool node_boot(struct node *node)
{
    struct sim *sim = node->sim;
    uint8_t duid[] = {0, 1, 0, 1, 0x31, 0, 0, 0, 2, 0, 0, 0, 0, (uint8_t)(1 + node->index)};
    struct policy_identity identity = {.server_duid = {duid, sizeof(duid)},
                                       .candidate_key = {1, 2}};
    int r;

    T6_ASSERT(node->server == NULL);
    node->clock_at = sim->now;
    node->clock_error_us = node->wall_error_us;
    T6_ASSERT(server_new(node->config, &identity, (struct siphash_key){5, 6}, node_now(node),
                         &node->server) == 0);
    node->booting = true;
    boot_crash_arm(node);
    r = log_open(node);
    boot_crash_disarm(node);
    node->booting = false;
    if (r) {
        sim_say(sim, "node %u: boot fails: %d", node->index, r);
        server_drop(node);
        node->start_at = sim->now + 5 * SEC;
        return false;
    }
    sim->tally.boots++;
    node->lives++;
    node->start_at = NEVER;
    node->booted_at = sim->now;
    node->asleep = false;
    check_replayed(node);
    node->booting = true;
    serve(node);
    node->booting = false;
    sim_say(sim, "node %u: boots, record %s", node->index,
            node->server->endpoints[0].record_size ? fo_state_name(node->relation->fsm.record.state)
                                                   : "none");
    plan_state(sim, node->index, FO_STARTUP);
    node_due(node, STEP_CONTROL, MSEC);
    for (unsigned i = 0; i < SIM_WORKERS; i++) {
        node_due(node, STEP_WORKER + i, MSEC);
    }
    return true;
}

bool node_rings_hold(const struct node *node)
{
    const struct server *server = node->server;

    for (unsigned i = 0; i <= server->worker_count; i++) {
        if (change_ring_head(&server->rings[i]) != change_ring_durable(&server->rings[i])) {
            return true;
        }
    }
    return false;
}

void node_kill(struct node *node, bool power)
{
    if (!node_is_up(node)) {
        return;
    }
    sim_say(node->sim, "node %u: %s", node->index, power ? "power fails" : "killed");
    node->sim->tally.kills += !power;
    node->sim->tally.powers += power;
    check_dying(node);
    node->dying = true;
    node->powerless = power;
    node->serving_since = NEVER;
    if (node_rings_hold(node) && !(node->busy & (1u << STEP_JOURNAL)) && sim_random(node->sim, 2)) {
        (void)!journal_turn(node->server->journal); /* the end came in the middle of its write */
    }
    stream_node_gone(node, power);
    for (unsigned i = 0; i < STEP_COUNT; i++) {
        node->due[i] = NEVER;
    }
    node_bury(node);
}

static void packets_drop(struct node *node)
{
    struct server *server = node->server;
    struct packet packet;
    struct parked parked;

    for (unsigned i = 0; i < server->worker_count; i++) {
        while (park_pop(&server->workers[i].park, UINT64_MAX, &parked)) {
            packet_free(&parked.packet);
        }
        for (unsigned from = 0; from < server->worker_count; from++) {
            while (handover_pop(&server->workers[i].inbox[from], &packet, 1)) {
                packet_free(&packet);
            }
        }
        while (node->queued[i]) {
            packet_free(&node->queue[i][--node->queued[i]]);
        }
    }
}

static void coverage_count(struct node *node)
{
    const struct fo_fsm *fsm = &node->relation->fsm;
    struct coverage *coverage = node->sim->coverage;

    for (unsigned s = 0; s < FO_SERVER_STATE_COUNT; s++) {
        for (unsigned c = 0; c < FO_COLUMN_COUNT; c++) {
            coverage->states[node->index][s][c] += fsm->reached[s][c];
        }
    }
}

void node_bury(struct node *node)
{
    if (!node->dying || node->busy) {
        return;
    }
    packets_drop(node);
    coverage_count(node);
    node->sim->tally.updates += node->relation->stats.updates_sent;
    journal_close(node->server->journal);
    relation_free(node->relation);
    node->relation = NULL;
    server_drop(node);
    node->dying = false;
    if (node->powerless) {
        memdisk_power_on(node->memdisk, sim_random(node->sim, 2) * sim_random(node->sim, 1 << 30));
    }
    if (node->wiped) {
        memdisk_free(node->memdisk);
        node->memdisk = memdisk_new();
        memset(&node->model, 0, sizeof(node->model));
        node->wiped = false;
    }
    node->model.has_told = false;
    node->powerless = false;
}

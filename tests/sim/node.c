/* One server of the pair: its boot, its steps, its end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <urcu/urcu-qsbr.h>

#include "server/apply.h"
#include "server/checkpoint_walk.h"
#include "sim.h"

enum {
    SEGMENT_SIZE = 64 << 10,
    BATCH_MAX = 8 << 10,
    TEXT_SIZE = 4096,
    CONTROL_IDLE_S = 5,
    CHECKPOINT_WAITS = 20,
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

static int64_t clock_error(const struct node *node)
{
    int64_t seconds = (int64_t)((node->sim->now - node->clock_at) / SEC);

    return node->clock_error_us + seconds * node->clock_rate;
}

sec_t node_now(const struct node *node)
{
    int64_t us = (int64_t)node->sim->now + clock_error(node);

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
        node->sim->tally.torn += stats.tail_cut_bytes != 0;
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
    r = log_open(node);
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

/* ---- steps ---- */

void node_due(struct node *node, enum step step, usec_t within)
{
    usec_t at = node->sim->now + 1 + sim_delay(node->sim, within);

    if (at < node->due[step]) {
        node->due[step] = at;
    }
}

usec_t node_step_due(const struct node *node, enum step step)
{
    const unsigned workers = (1u << SIM_WORKERS) - 1;

    if (!node_is_up(node) || (node->busy & (1u << step)) ||
        (step == STEP_GRACE && (node->busy & (workers | 1u << STEP_CONTROL)))) {
        return NEVER;
    }
    return node->due[step] == NEVER || node->due[step] > node->stalled_until[step]
               ? node->due[step]
               : node->stalled_until[step];
}

static bool rings_hold(const struct server *server)
{
    for (unsigned i = 0; i <= server->worker_count; i++) {
        if (change_ring_head(&server->rings[i]) != change_ring_durable(&server->rings[i])) {
            return true;
        }
    }
    return false;
}

/* Whoever has something to do after a turn. */
static void others_due(struct node *node)
{
    struct server *server = node->server;

    if (!node_is_up(node)) {
        return;
    }
    if (rings_hold(server) && node->due[STEP_JOURNAL] == NEVER) {
        node_due(node, STEP_JOURNAL, node->disk_slow ? node->disk_slow : MSEC);
    }
    for (unsigned i = 0; i < SIM_WORKERS; i++) {
        for (unsigned from = 0; from < SIM_WORKERS; from++) {
            const struct handover *inbox = &server->workers[i].inbox[from];

            if (atomic_load(&inbox->head) != atomic_load(&inbox->tail)) {
                node_due(node, STEP_WORKER + i, MSEC);
            }
        }
    }
    if (relation_wants_grace(node->relation)) {
        node_due(node, STEP_GRACE, 5 * MSEC);
    }
}

static void worker_step(struct node *node, unsigned worker)
{
    (void)worker_turn(&node->server->workers[worker], node->sim->now / MSEC + 1000, node_now(node));
    if (node->queued[worker]) {
        node_due(node, STEP_WORKER + worker, MSEC);
    }
}

static void journal_step(struct node *node)
{
    int r = journal_turn(node->server->journal);

    if (!node_is_up(node)) {
        return;
    }
    if (r < 0) {
        node->sim->tally.failed_writes++;
        node->due[STEP_JOURNAL] = node->sim->now + 200 * MSEC; /* as the program pauses */
        return;
    }
    for (unsigned i = 0; i < SIM_WORKERS; i++) {
        if (worker_has_parked(&node->server->workers[i])) {
            node_due(node, STEP_WORKER + i, MSEC);
        }
    }
    node_due(node, STEP_CONTROL, 2 * MSEC);
    if (journal_checkpoint_due(node->server->journal)) {
        node_due(node, STEP_CHECKPOINT, SEC);
    }
}

static void clock_confirm(struct node *node)
{
    int64_t wall = (int64_t)node->sim->now + node->wall_error_us;

    if (!atomic_load(&node->server->clock_trusted) &&
        wall >= (int64_t)node->sim->now + clock_error(node)) {
        atomic_store(&node->server->clock_trusted, true);
    }
}

static void serving_note(struct node *node)
{
    bool serves = false;

    switch (node_state(node)) {
    case FO_NORMAL:
        serves = node->index == 0; /* the secondary answers what names it only */
        break;
    case FO_COMMUNICATIONS_INTERRUPTED:
    case FO_PARTNER_DOWN:
    case FO_RESOLUTION_INTERRUPTED:
    case FO_CONFLICT_DONE:
        serves = true;
        break;
    case FO_STARTUP:
    case FO_POTENTIAL_CONFLICT:
    case FO_RECOVER:
    case FO_RECOVER_WAIT:
    case FO_RECOVER_DONE:
    case FO_SERVER_STATE_COUNT:
        break;
    }
    serves = serves && fo_fsm_is_settled(&node->relation->fsm) && !node->disk_bad &&
             !node->clients_cut && atomic_load(&node->server->clock_trusted) &&
             node->relation->fsm.handover == FO_HANDOVER_NONE;
    if (!serves) {
        node->serving_since = NEVER;
    } else if (node->serving_since == NEVER) {
        node->serving_since = node->sim->now;
    }
}

/* A partner that comes back unheard into service while this one was told that it is down: the
 * operator's promise is broken. */
static void promise_note(struct node *node, enum fo_server_state before)
{
    struct node *partner = &node->sim->nodes[1 - node->index];
    struct fo_record record;

    if (before == FO_STARTUP && !node->relation->fsm.comms_ok && partner->model.endpoint_size &&
        fo_record_parse((struct span){partner->model.endpoint, partner->model.endpoint_size},
                        &record) == 0 &&
        record.state == FO_PARTNER_DOWN) {
        sim_say(node->sim, "node %u: serves although the partner was told it is down", node->index);
        node->sim->duplicates_excused = true;
    }
}

static void relation_turn(struct node *node)
{
    struct fo_time now = node_time(node);
    enum fo_server_state before = node_state(node), after;
    enum fo_action action;
    msec_t at;
    sec_t at_s;

    for (unsigned i = 0; i < 8 && node_is_up(node) &&
                         (action = relation_run(node->relation, now)) != FO_ACTION_NONE;
         i++) {
        stream_action(node, action);
    }
    if (!node_is_up(node)) {
        return;
    }
    after = node_state(node);
    if (after != before) {
        sim_say(node->sim, "node %u: %s -> %s", node->index, fo_state_name(before),
                fo_state_name(after));
        promise_note(node, before);
        plan_state(node->sim, node->index, after);
        node->sim->lost_nodes &= after == FO_NORMAL ? ~(1u << node->index) : ~0u;
    }
    serving_note(node);
    stream_pull(node);
    if (node->relation->busy) {
        node_due(node, STEP_CONTROL, 100);
    }
    at = fo_link_deadline(&node->relation->link);
    if (fo_fsm_deadline(&node->relation->fsm, &at_s)) {
        msec_t fsm_at = now.ms + (msec_t)sec_until(at_s, now.s) * 1000;

        at = fsm_at < at ? fsm_at : at;
    }
    if (at != UINT64_MAX) {
        node_due(node, STEP_CONTROL, 0);
        node->due[STEP_CONTROL] = node->sim->now + (at > now.ms ? (at - now.ms) * MSEC : MSEC);
        if (node->relation->busy) {
            node_due(node, STEP_CONTROL, 100);
        }
    }
}

static void control_step(struct node *node)
{
    const unsigned workers = (1u << SIM_WORKERS) - 1;
    struct store_retired retired;
    bool more = control_turn(&node->control, node_now(node));

    clock_confirm(node);
    if (node_is_up(node) && !(node->busy & workers)) {
        retired = store_retired_take(node->server->store);
        if (retired.first != LEASE_SLOT_NONE) {
            store_retired_give(node->server->store, retired); /* one thread: nobody reads it */
        }
    }
    if (node_is_up(node)) {
        relation_turn(node);
    }
    if (node_is_up(node)) {
        if (more) {
            node_due(node, STEP_CONTROL, 100);
        }
        if (node->due[STEP_CONTROL] > node->sim->now + CONTROL_IDLE_S * SEC) {
            node->due[STEP_CONTROL] = node->sim->now + CONTROL_IDLE_S * SEC;
        }
        if (node->relation->stopped && !node->asleep) { /* as the program ends */
            control_stop_mark(&node->control, node_now(node));
            node->asleep = true;
            node_due(node, STEP_JOURNAL, MSEC);
        }
    }
}

struct walk {
    struct node *node;
    struct checkpoint_walk walk;
    unsigned waits;
};

static bool walk_wait(void *ctx)
{
    struct walk *walk = ctx;

    if (walk->node->dying || walk->waits++ > CHECKPOINT_WAITS) {
        return false;
    }
    if (!(walk->node->busy & (1u << STEP_JOURNAL))) {
        node_step(walk->node, STEP_JOURNAL);
    }
    return true;
}

static bool walk_step(void *ctx, struct wire_out *out)
{
    struct walk *walk = ctx;

    sim_preempt(walk->node->sim);
    return checkpoint_walk_step(&walk->walk, out);
}

static void checkpoint_step(struct node *node)
{
    struct walk walk = {.node = node};

    checkpoint_walk_init(&walk.walk, node->server, walk_wait, &walk);
    node->sim->tally.checkpoints +=
        journal_checkpoint(node->server->journal, walk_step, &walk) == 0;
}

static void step_do(struct node *node, enum step step)
{
    if (step < STEP_JOURNAL) {
        worker_step(node, (unsigned)step - STEP_WORKER);
    } else if (step == STEP_JOURNAL) {
        journal_step(node);
    } else if (step == STEP_CONTROL) {
        control_step(node);
    } else if (step == STEP_CHECKPOINT) {
        checkpoint_step(node);
    } else if (relation_wants_grace(node->relation)) {
        relation_grace_done(node->relation);
        node_due(node, STEP_CONTROL, MSEC);
    }
}

void node_step(struct node *node, enum step step)
{
    node->due[step] = NEVER;
    node->busy |= 1u << step;
    step_do(node, step);
    node->busy &= ~(1u << step);
    if (node->sim->depth == 0) {
        urcu_qsbr_quiescent_state();
    }
    others_due(node);
    if (node_is_up(node) && node->asleep && !rings_hold(node->server) && node->busy == 0) {
        sim_say(node->sim, "node %u: has stopped", node->index);
        node_kill(node, false);
    }
    node_bury(node);
}

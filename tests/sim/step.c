/* What one server of the pair does: a turn of a worker, the log's writer, the control core, a
 * checkpoint, the end of a grace period. */
#include <urcu/urcu-qsbr.h>

#include "server/checkpoint_walk.h"
#include "sim.h"

enum {
    CONTROL_IDLE_S = 5,
    CHECKPOINT_WAITS = 20,
};

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

/* Whoever has something to do after a turn. */
static void others_due(struct node *node)
{
    struct server *server = node->server;

    if (!node_is_up(node)) {
        return;
    }
    if (node_rings_hold(node) && node->due[STEP_JOURNAL] == NEVER) {
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
        wall >= (int64_t)node->sim->now + node_clock_error_us(node)) {
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
    if (node_is_up(node) && node->asleep && !node_rings_hold(node) && node->busy == 0) {
        sim_say(node->sim, "node %u: has stopped", node->index);
        node_kill(node, false);
    }
    node_bury(node);
}

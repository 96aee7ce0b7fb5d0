/* What happens to a seed: sizes, times and faults, made before anything runs, so that faults can be
 * left out one by one without changing the others. */
#include "sim.h"

enum {
    LIES_OF = 10,  /* one seed of so many has a server that waits for a state to hear a lie in */
    CALM_OF_8 = 1, /* seeds without any fault */
    MAIN_MIN_S = 600,
    MAIN_MAX_S = 4000,
};

static const char *const names[] = {
    [FAULT_KILL] = "kill",
    [FAULT_POWER] = "power",
    [FAULT_DESTROY] = "destroy",
    [FAULT_CUT] = "cut",
    [FAULT_PARTITION] = "partition",
    [FAULT_SLOW] = "slow",
    [FAULT_CLIENTS] = "clients-cut",
    [FAULT_LOSS] = "loss",
    [FAULT_DISK_ERROR] = "disk-error",
    [FAULT_DISK_FULL] = "disk-full",
    [FAULT_DISK_SLOW] = "disk-slow",
    [FAULT_WORKER] = "worker-stands",
    [FAULT_CONTROL] = "control-stands",
    [FAULT_CLOCK] = "clock",
    [FAULT_HANDOVER] = "hand-over",
    [FAULT_DOWN] = "down",
    [FAULT_WRONG_DOWN] = "wrong-down",
    [FAULT_LIE] = "lie",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == FAULT_KINDS, "a name for each");

/* How often, and for how long at most. */
static const struct {
    unsigned weight, length_max_s;
} kinds[FAULT_KINDS] = {
    [FAULT_KILL] = {14, 300},     [FAULT_POWER] = {14, 300},      [FAULT_DESTROY] = {5, 200},
    [FAULT_CUT] = {14, 1},        [FAULT_PARTITION] = {16, 1500}, [FAULT_SLOW] = {6, 300},
    [FAULT_CLIENTS] = {8, 900},   [FAULT_LOSS] = {6, 300},        [FAULT_DISK_ERROR] = {5, 100},
    [FAULT_DISK_FULL] = {4, 200}, [FAULT_DISK_SLOW] = {5, 100},   [FAULT_WORKER] = {3, 5},
    [FAULT_CONTROL] = {4, 60},    [FAULT_CLOCK] = {4, 1},         [FAULT_HANDOVER] = {5, 400},
    [FAULT_DOWN] = {10, 3000},    [FAULT_WRONG_DOWN] = {5, 1},    [FAULT_LIE] = {1, 900},
};

const char *fault_name(enum fault_kind kind)
{
    return names[kind];
}

static uint64_t below(uint64_t *state, uint64_t limit)
{
    return sim_mix(state) % limit;
}

static uint64_t between(uint64_t *state, uint64_t least, uint64_t most)
{
    return least + below(state, most - least + 1);
}

static enum fault_kind kind_choose(uint64_t *state)
{
    unsigned sum = 0, kind = 0;
    uint64_t at;

    for (unsigned i = 0; i < FAULT_KINDS; i++) {
        sum += kinds[i].weight;
    }
    at = below(state, sum);
    while (at >= kinds[kind].weight) {
        at -= kinds[kind++].weight;
    }
    return (enum fault_kind)kind;
}

static void faults_make(uint64_t *state, struct sim_plan *plan)
{
    unsigned count = below(state, 8) < CALM_OF_8 ? 0 : (unsigned)between(state, 1, 7);
    bool clock_far = below(state, 16) == 0;

    for (unsigned i = 0; i < count; i++) {
        struct fault *fault = &plan->faults[plan->fault_count];

        *fault = (struct fault){.kind = kind_choose(state), .node = (unsigned)below(state, 2)};
        fault->at = (30 * SEC) + below(state, plan->faults_end - 30 * SEC);
        fault->until =
            fault->at + between(state, 1, kinds[fault->kind].length_max_s * 1000ull) * MSEC;
        fault->value = sim_mix(state) >> 1;
        if (fault->kind == FAULT_CLOCK) {
            fault->value = fault->value << 1 | clock_far;
        }
        if (fault->kind == FAULT_DOWN && clock_far) {
            fault->kind = FAULT_PARTITION; /* the waits of PARTNER-DOWN trust the clocks */
        }
        if (fault->until > plan->faults_end) {
            fault->until = plan->faults_end;
        }
        plan->fault_count++;
    }
}

/* Short states are hit only by what waits for them. */
static void traps_make(uint64_t *state, struct sim_plan *plan)
{
    static const enum fault_kind traps[] = {FAULT_CUT,  FAULT_CUT,   FAULT_PARTITION, FAULT_KILL,
                                            FAULT_SLOW, FAULT_POWER, FAULT_DOWN};

    static const uint8_t states[] = {
        FO_POTENTIAL_CONFLICT, FO_POTENTIAL_CONFLICT,     FO_CONFLICT_DONE, FO_RECOVER,
        FO_RECOVER_WAIT,       FO_RESOLUTION_INTERRUPTED, FO_RECOVER_DONE,  FO_STARTUP};
    unsigned count = below(state, 2) ? (unsigned)between(state, 1, 4) : 0;

    for (unsigned i = 0; i < count && plan->fault_count; i++) {
        struct fault *fault = &plan->faults[plan->fault_count++];

        *fault = (struct fault){.kind = traps[below(state, 7)],
                                .node = (unsigned)below(state, 2),
                                .at = NEVER,
                                .on_node = (unsigned)below(state, 2),
                                .on_state = states[below(state, 8)],
                                .value = sim_mix(state) >> 1};
        fault->until = between(state, 1, kinds[fault->kind].length_max_s * 500ull) * MSEC;
    }
}

/* In one seed of LIES_OF a server in a state chosen by the seed hears that its partner is in
 * another one, so that every pair of states comes about: most of what is left by the faults above
 * no two of our servers reach. */
static void lie_make(uint64_t *state, struct sim_plan *plan)
{
    static const uint8_t states[] = {/* the rarest more often */
                                     FO_NORMAL,
                                     FO_COMMUNICATIONS_INTERRUPTED,
                                     FO_PARTNER_DOWN,
                                     FO_PARTNER_DOWN,
                                     FO_POTENTIAL_CONFLICT,
                                     FO_RECOVER,
                                     FO_RECOVER_WAIT,
                                     FO_RECOVER_DONE,
                                     FO_RESOLUTION_INTERRUPTED,
                                     FO_RESOLUTION_INTERRUPTED,
                                     FO_RESOLUTION_INTERRUPTED,
                                     FO_RESOLUTION_INTERRUPTED,
                                     FO_CONFLICT_DONE};
    struct fault *fault = &plan->faults[plan->fault_count];
    unsigned node = (unsigned)below(state, 2);

    if (below(state, LIES_OF) || plan->fault_count == 0 || plan->fault_count == SIM_FAULTS_MAX) {
        return;
    }
    *fault = (struct fault){
        .kind = FAULT_LIE,
        .node = node,
        .at = NEVER,
        .until = between(state, 1, kinds[FAULT_LIE].length_max_s * 1000ull) * MSEC,
        .on_node = node,
        .on_state = states[below(state, sizeof(states))],
        .value = sim_mix(state) >> 1,
    };
    plan->fault_count++;
}

void plan_state(struct sim *sim, unsigned node, unsigned state)
{
    for (unsigned i = 0; i < sim->plan.fault_count; i++) {
        struct fault *fault = &sim->plan.faults[i];

        if (fault->on_state == state && fault->on_node == node && fault->at == NEVER &&
            !fault->done) {
            fault->at = sim->now + sim_delay(sim, 20 * MSEC);
            fault->until += fault->at; /* its length until now */
            return;
        }
    }
}

void plan_make(struct sim *sim)
{
    static const uint32_t mclts[] = {120, 300, 300, 600, 1200};
    struct sim_plan *plan = &sim->plan;
    uint64_t state = sim->seed * 0x9e3779b97f4a7c15u + 1;

    *plan = (struct sim_plan){
        .client_count = (unsigned)between(&state, 2, SIM_CLIENTS_MAX),
        .faults_end = between(&state, MAIN_MIN_S, MAIN_MAX_S) * SEC,
        .mclt_s = mclts[below(&state, 5)],
        .keepalive_s = (uint32_t)between(&state, 10, 60),
        .horizon_s = (uint32_t)between(&state, 30, 120),
        .remember_s = (uint32_t)between(&state, 100, 4000),
        .share_percent = (unsigned)between(&state, 10, 50),
        .address_count = 1u << between(&state, 2, 5),
        .prefix_length = (unsigned)between(&state, 57, 60),
        .rapid_commit = below(&state, 2),
        .preempt = below(&state, 3) ? (unsigned)between(&state, 2, 40) : 0,
        .loss = below(&state, 2) ? (unsigned)between(&state, 0, 20) : 0,
        .twice = below(&state, 2) ? (unsigned)between(&state, 0, 40) : 0,
        .delay_max = between(&state, 1, 300) * MSEC,
    };
    plan->boot_crash = below(&state, 4) ? 0 : (unsigned)between(&state, 16, 128);
    plan->valid_s = plan->mclt_s * (uint32_t)between(&state, 1, 6);
    plan->preferred_s = plan->valid_s - plan->valid_s / 4;
    faults_make(&state, plan);
    traps_make(&state, plan);
    lie_make(&state, plan);
    if (sim->options.clients_max && plan->client_count > sim->options.clients_max) {
        plan->client_count = sim->options.clients_max;
    }
    for (unsigned i = 0; i < plan->fault_count; i++) {
        plan->faults[i].dropped = sim->options.chosen && !sim->options.keep[i];
    }
    if (sim->options.end_max && plan->faults_end > sim->options.end_max) {
        plan->faults_end = sim->options.end_max;
        for (unsigned i = 0; i < plan->fault_count; i++) {
            if (plan->faults[i].on_state) {
                continue;
            }
            if (plan->faults[i].at >= plan->faults_end) {
                plan->faults[i].dropped = true;
            } else if (plan->faults[i].until > plan->faults_end) {
                plan->faults[i].until = plan->faults_end;
            }
        }
    }
}

/* Those that need no turn of the server to be over. */
static bool is_sudden(const struct fault *fault)
{
    return fault->kind != FAULT_DOWN && fault->kind != FAULT_WRONG_DOWN &&
           fault->kind != FAULT_HANDOVER && fault->kind != FAULT_CUT && fault->kind != FAULT_LIE;
}

static const struct fault *first_due(const struct sim *sim)
{
    const struct fault *first = NULL;

    for (unsigned i = 0; i < sim->plan.fault_count; i++) {
        const struct fault *fault = &sim->plan.faults[i];

        if (!fault->dropped && !fault->done && (sim->depth == 0 || is_sudden(fault)) &&
            fault->at != NEVER && (!first || fault->at < first->at)) {
            first = fault;
        }
    }
    return first;
}

usec_t plan_due(const struct sim *sim)
{
    const struct fault *fault = first_due(sim);

    return fault ? fault->at : NEVER;
}

static void down(struct sim *sim, const struct fault *fault, bool power)
{
    struct node *node = &sim->nodes[fault->node];

    if (node->start_at == NEVER || node->start_at < fault->until) {
        node->start_at = fault->until;
    }
    node_kill(node, power);
}

/* The operator of one server says that the other one is down since then. */
static void partner_down(struct sim *sim, unsigned index, sec_t since_s)
{
    struct node *node = &sim->nodes[index], *partner = &sim->nodes[1 - index];
    struct fo_fsm_event event = {.type = FO_FSM_PARTNER_DOWN, .down_since_s = since_s};
    enum fo_server_state before;
    int r;

    if (!node_is_up(node)) {
        return;
    }
    event.force = sim_random(sim, 4) == 0;
    before = node_state(node);
    r = relation_command(node->relation, &event, node_time(node));
    sim_say(sim, "node %u: operator says the partner is down: %d", index, r);
    if (r == 0) {
        sim->tally.partner_downs++;
        /* Wrong; or said in the middle of a conflict, of what the partner alone knows; or forced
         * where only force is obeyed: a server that recovers may have lost leases which the partner
         * alone knows. Force changes nothing elsewhere and excuses nothing there. */
        sim->duplicates_excused |= node_is_up(partner) || before == FO_RESOLUTION_INTERRUPTED ||
                                   before == FO_POTENTIAL_CONFLICT || before == FO_RECOVER ||
                                   before == FO_RECOVER_WAIT;
        node_due(node, STEP_CONTROL, MSEC);
    }
}

static void hand_over(struct sim *sim, const struct fault *fault)
{
    struct node *node = &sim->nodes[fault->node];

    if (node_is_up(node) &&
        relation_command(node->relation, &(struct fo_fsm_event){.type = FO_FSM_HANDOVER},
                         node_time(node)) == 0) {
        sim->tally.handovers++;
        node->start_at = fault->until;
        node_due(node, STEP_CONTROL, MSEC);
    }
}

static void clock_wrong(struct sim *sim, const struct fault *fault)
{
    struct node *node = &sim->nodes[fault->node];
    bool far = fault->value & 1, back = fault->value & 2;
    int64_t error = (int64_t)(fault->value >> 2) % (far ? 400 * (int64_t)SEC : 2 * (int64_t)SEC);

    node->wall_error_us = back ? -error : error;
    if (!far) { /* the running server is slewed there */
        node->clock_error_us += (int64_t)((sim->now - node->clock_at) / SEC) * node->clock_rate;
        node->clock_at = sim->now;
        node->clock_rate = back ? -200 : 200;
    }
}

struct fo_state plan_lie(struct node *node, sec_t start_s)
{
    struct fo_state told = {.state = (uint8_t)node->lie,
                            .has_flags = true,
                            .flags = FO_FLAG_COMMUNICATED,
                            .has_start = true,
                            .start_s = start_s};

    told.has_partner_down = told.state == FO_PARTNER_DOWN;
    told.partner_down_s = start_s;
    sim_say(node->sim, "node %u: hears that its partner is in %s", node->index,
            fo_state_name((enum fo_server_state)node->lie));
    node->lie = 0;
    node->sim->tally.lies++;
    node->sim->duplicates_excused = true; /* who gives what hangs on the partner's word */
    return told;
}

/* At once if the partners talk, else instead of the first STATE of the next connection. */
static void lie(struct sim *sim, const struct fault *fault)
{
    struct node *node = &sim->nodes[fault->node];

    if (!node_is_up(node)) {
        return;
    }
    node->lie = FO_NORMAL + (unsigned)(fault->value % (FO_CONFLICT_DONE - FO_NORMAL + 1));
    if (node->relation->fsm.comms_ok) { /* the event's own state is not looked at */
        (void)!relation_command(
            node->relation,
            &(struct fo_fsm_event){.type = FO_FSM_STATE, .state = {.start_s = node_now(node)}},
            node_time(node));
        node_due(node, STEP_CONTROL, MSEC);
    }
}

/* Second half of FAULT_DOWN: somewhere between the end of the machine and its return. */
static void down_told(struct sim *sim, const struct fault *fault)
{
    partner_down(sim, 1 - fault->node, fault->value & 1 ? SIM_EPOCH + (sec_t)(fault->at / SEC) : 0);
}

static void fault_begin(struct sim *sim, struct fault *fault)
{
    struct node *node = &sim->nodes[fault->node];

    switch (fault->kind) {
    case FAULT_KILL:
        down(sim, fault, false);
        break;
    case FAULT_DESTROY:
        sim->storage_lost = true;
        node->wiped = node_is_up(node);
        clients_orphan(sim, fault->node);
        sim->lost_nodes |= 1u << fault->node;
        sim->duplicates_excused |= sim->lost_nodes == 3; /* nobody knows anything any more */
        down(sim, fault, true);
        break;
    case FAULT_POWER:
    case FAULT_DOWN:
        down(sim, fault, true);
        break;
    case FAULT_CUT:
        stream_cut(sim);
        break;
    case FAULT_PARTITION:
        sim->connection.partitioned = true;
        break;
    case FAULT_SLOW:
        sim->connection.slow = 1 + fault->value % (3 * SEC);
        break;
    case FAULT_CLIENTS:
        node->clients_cut = true;
        break;
    case FAULT_LOSS:
        sim->plan.loss = 100;
        sim->plan.twice = 60;
        sim->plan.delay_max = 2500 * MSEC;
        break;
    case FAULT_DISK_ERROR:
        node->disk_bad = true;
        memdisk_fail(node->memdisk, -EIO, 1 + (unsigned)(fault->value % 50));
        break;
    case FAULT_DISK_FULL:
        node->disk_bad = true;
        memdisk_limit(node->memdisk, memdisk_used(node->memdisk) + fault->value % (64 << 10));
        break;
    case FAULT_DISK_SLOW:
        node->disk_slow = 1 + fault->value % (2 * SEC);
        break;
    case FAULT_WORKER:
        node->stalled_until[STEP_WORKER + fault->value % SIM_WORKERS] = fault->until;
        break;
    case FAULT_CONTROL:
        node->stalled_until[STEP_CONTROL] = fault->until;
        break;
    case FAULT_CLOCK:
        clock_wrong(sim, fault);
        break;
    case FAULT_HANDOVER:
        hand_over(sim, fault);
        break;
    case FAULT_WRONG_DOWN:
        partner_down(sim, fault->node, 0);
        break;
    case FAULT_LIE:
        lie(sim, fault);
        break;
    case FAULT_KINDS:
        break;
    }
}

static void fault_end(struct sim *sim, struct fault *fault)
{
    struct node *node = &sim->nodes[fault->node];

    switch (fault->kind) {
    case FAULT_PARTITION:
        sim->connection.partitioned = false;
        break;
    case FAULT_SLOW:
        sim->connection.slow = 0;
        break;
    case FAULT_CLIENTS:
        node->clients_cut = false;
        break;
    case FAULT_LOSS:
        sim->plan.loss = sim->plan.twice = 0;
        sim->plan.delay_max = 100 * MSEC;
        break;
    case FAULT_DISK_ERROR:
    case FAULT_DISK_FULL:
        node->disk_bad = false;
        memdisk_fail(node->memdisk, 0, 0);
        memdisk_limit(node->memdisk, UINT64_MAX);
        break;
    case FAULT_DISK_SLOW:
        node->disk_slow = 0;
        break;
    case FAULT_LIE:
        node->lie = 0;
        stream_cut(sim);
        break;
    case FAULT_DOWN: /* its partner is up and told; it comes back to a network that works */
        sim->connection.partitioned = false;
        break;
    case FAULT_KILL:
    case FAULT_DESTROY:
    case FAULT_POWER:
    case FAULT_CUT:
    case FAULT_WORKER:
    case FAULT_CONTROL:
    case FAULT_CLOCK:
    case FAULT_HANDOVER:
    case FAULT_WRONG_DOWN:
    case FAULT_KINDS:
        break;
    }
}

void plan_step(struct sim *sim)
{
    struct fault *fault = (struct fault *)(uintptr_t)first_due(sim);

    if (fault->value == UINT64_MAX) { /* begun before */
        fault->done = true;
        fault_end(sim, fault);
        return;
    }
    if (fault->kind == FAULT_DOWN && fault->value > UINT64_MAX / 2) { /* time to tell */
        if (!node_is_up(&sim->nodes[fault->node])) {
            down_told(sim, fault);
        }
        fault->value = UINT64_MAX;
        fault->at = fault->until;
        return;
    }
    sim_say(sim, "fault: %s, node %u, %llu ms", names[fault->kind], fault->node,
            (unsigned long long)((fault->until - fault->at) / MSEC));
    fault_begin(sim, fault);
    if (fault->kind == FAULT_DOWN) {
        usec_t late = (fault->until - fault->at) / 2;

        fault->value |= 1ull << 63;
        fault->at += 1 + (fault->value >> 1) % (late + 1);
    } else {
        fault->value = UINT64_MAX;
        fault->at = fault->until;
    }
}

void plan_heal(struct sim *sim)
{
    sim_say(sim, "all faults end");
    for (unsigned i = 0; i < sim->plan.fault_count; i++) {
        struct fault *fault = &sim->plan.faults[i];

        if (!fault->dropped && !fault->done) {
            fault_end(sim, fault);
        }
        fault->done = true;
    }
    for (unsigned i = 0; i < SIM_NODES; i++) {
        struct node *node = &sim->nodes[i];
        bool far =
            node->clock_error_us > 3 * (int64_t)SEC || node->clock_error_us < -3 * (int64_t)SEC;

        node->wall_error_us = 0;
        node->clock_rate = 0;
        memset(node->stalled_until, 0, sizeof(node->stalled_until));
        if (node_is_up(node) && !far) { /* an operator confirms it (design invariant 10) */
            atomic_store(&node->server->clock_trusted, true);
        }
        if (node_is_up(node) && far) {
            node_kill(node, false); /* started anew with a clock that is right */
        }
        if (!node_is_up(node) || node->asleep) {
            node->start_at = sim->now + SEC;
        }
        if (far && node->clock_error_us > 0) { /* not before its last heartbeat comes again */
            node->start_at = sim->now + (usec_t)node->clock_error_us + SEC;
        }
    }
}

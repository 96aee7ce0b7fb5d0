/* The order of everything: the earliest step is taken. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    STEPS_MAX = 3000000,
    SETTLE_S = 60, /* NORMAL to the end of clients' doings */
    EQUAL_S = 720, /* until the stores agree: a free lease's slot is looked at every 600 s */
    EQUAL_STEP_S = 10,
    RETURN_S = 1200, /* besides the waits of the MCLT: until both are NORMAL */
};

uint64_t sim_mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sim_random(struct sim *sim, uint64_t below)
{
    return below ? sim_mix(&sim->random) % below : 0;
}

bool sim_chance(struct sim *sim, unsigned of_256)
{
    return of_256 && sim_random(sim, 256) < of_256;
}

usec_t sim_delay(struct sim *sim, usec_t max)
{
    uint64_t shift = sim_random(sim, 4) * 2;

    return sim_random(sim, (max >> shift) + 1);
}

void sim_say(struct sim *sim, const char *format, ...)
{
    va_list args;

    if (!sim->options.verbose) {
        return;
    }
    printf("%5llu.%06llu %.*s", (unsigned long long)(sim->now / SEC),
           (unsigned long long)(sim->now % SEC), (int)sim->depth * 2, "      ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    char text[sizeof(sim->failure)];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (sim->failures++ == 0) {
        memcpy(sim->failure, text, sizeof(text));
    }
    sim_say(sim, "VIOLATION %s", text);
}

/* Who is next. */
struct turn {
    usec_t due;

    enum {
        TURN_NODE,
        TURN_BOOT,
        TURN_STREAM,
        TURN_NET,
        TURN_CLIENT,
        TURN_FAULT,
    } kind;

    unsigned index, step;
};

static void turn_offer(struct turn *turn, usec_t due, unsigned kind, unsigned index, unsigned step)
{
    if (due < turn->due) {
        *turn = (struct turn){.due = due, .kind = kind, .index = index, .step = step};
    }
}

static struct turn turn_find(const struct sim *sim)
{
    struct turn turn = {.due = NEVER};
    unsigned flight = 0;
    usec_t due;

    for (unsigned i = 0; i < SIM_NODES; i++) {
        const struct node *node = &sim->nodes[i];

        for (unsigned step = 0; step < STEP_COUNT; step++) {
            turn_offer(&turn, node_step_due(node, (enum step)step), TURN_NODE, i, step);
        }
        if (!node->server && sim->depth == 0) {
            turn_offer(&turn, node->start_at, TURN_BOOT, i, 0);
        }
    }
    turn_offer(&turn, stream_due(sim), TURN_STREAM, 0, 0);
    due = net_due(sim, &flight);
    turn_offer(&turn, due, TURN_NET, flight, 0);
    for (unsigned i = 0; i < sim->plan.client_count; i++) {
        turn_offer(&turn, sim->clients[i].due, TURN_CLIENT, i, 0);
    }
    turn_offer(&turn, plan_due(sim), TURN_FAULT, 0, 0);
    return turn;
}

bool sim_step(struct sim *sim, usec_t end)
{
    struct turn turn = turn_find(sim);

    if (turn.due > end || sim->failures) {
        return false;
    }
    sim->now = turn.due > sim->now ? turn.due : sim->now;
    sim->tally.steps++;
    sim->tally.nested += sim->depth != 0;
    if (sim->tally.steps > STEPS_MAX) {
        sim_fail(sim, "too many steps");
    }
    switch (turn.kind) {
    case TURN_NODE:
        node_step(&sim->nodes[turn.index], (enum step)turn.step);
        break;
    case TURN_BOOT:
        (void)node_boot(&sim->nodes[turn.index]);
        break;
    case TURN_STREAM:
        stream_step(sim);
        break;
    case TURN_NET:
        net_step(sim, turn.index);
        break;
    case TURN_CLIENT:
        client_step(&sim->clients[turn.index], sim);
        break;
    case TURN_FAULT:
        plan_step(sim);
        break;
    }
    return true;
}

void sim_preempt(struct sim *sim)
{
    static const usec_t lengths[] = {MSEC / 5, MSEC, MSEC, 20 * MSEC, 300 * MSEC, 2 * SEC};
    unsigned count;
    usec_t end;

    if (sim->depth == SIM_DEPTH_MAX || !sim_chance(sim, sim->plan.preempt >> sim->depth)) {
        return;
    }
    end = sim->now + lengths[sim_random(sim, sizeof(lengths) / sizeof(lengths[0]))];
    count = 1 + (unsigned)sim_random(sim, 40);
    sim->depth++;
    while (count-- && sim_step(sim, end)) {
    }
    sim->depth--;
}

void sim_preempt_worker(struct sim *sim)
{
    const struct connection *c = &sim->connection;
    unsigned count;
    usec_t end;

    if (!sim->plan.preempt || sim->depth == SIM_DEPTH_MAX || sim->now - c->met_at > 60 * MSEC ||
        sim_random(sim, 2)) {
        sim_preempt(sim);
        return;
    }
    end = sim->now + sim_delay(sim, 200 * MSEC);
    count = (unsigned)sim_random(sim, 200);
    sim->depth++;
    while (count-- && sim_step(sim, end)) {
    }
    sim->depth--;
}

static void run_until(struct sim *sim, usec_t end)
{
    while (sim_step(sim, end)) {
    }
    sim->now = sim->now < end ? end : sim->now;
}

static bool both_normal(const struct sim *sim)
{
    for (unsigned i = 0; i < SIM_NODES; i++) {
        if (!node_is_up(&sim->nodes[i]) || node_state(&sim->nodes[i]) != FO_NORMAL) {
            return false;
        }
    }
    return true;
}

/* (5) When faults end, the pair comes back by itself and the stores agree. */
static void run_home(struct sim *sim)
{
    usec_t limit = sim->now + (2 * sim->plan.mclt_s + RETURN_S) * SEC;
    char text[200];

    while (!both_normal(sim) && sim->now < limit && !sim->failures) {
        run_until(sim, sim->now + 5 * SEC);
    }
    if (!both_normal(sim) && !sim->failures) {
        sim_fail(sim, "5: not NORMAL in bounded time: %s, %s",
                 sim->nodes[0].relation ? fo_state_name(node_state(&sim->nodes[0])) : "down",
                 sim->nodes[1].relation ? fo_state_name(node_state(&sim->nodes[1])) : "down");
        return;
    }
    run_until(sim, sim->now + SETTLE_S * SEC);
    sim->quiet = true;
    for (unsigned i = 0; i < sim->plan.client_count; i++) {
        sim->clients[i].due = NEVER;
    }
    for (unsigned i = 0; i < EQUAL_S / EQUAL_STEP_S && !sim->failures; i++) {
        run_until(sim, sim->now + EQUAL_STEP_S * SEC);
        if (!sim->failures && both_normal(sim) && check_equal(sim, text, sizeof(text))) {
            return;
        }
    }
    if (!sim->failures) {
        sim_fail(sim, "5: %s", both_normal(sim) ? text : "not NORMAL any more");
    }
}

void sim_free(struct sim *sim)
{
    hooks_sim = sim;
    sim->plan.preempt = 0;
    for (unsigned i = 0; i < SIM_NODES; i++) {
        node_done(&sim->nodes[i]);
    }
    stream_done(sim);
    for (unsigned i = 0; i < SIM_FLIGHTS_MAX; i++) {
        free(sim->flights[i].bytes);
    }
    free(sim);
}

struct sim *sim_new(uint64_t seed, const struct sim_options *options, struct coverage *coverage)
{
    struct sim *sim = calloc(1, sizeof(*sim));

    hooks_sim = sim;
    sim->seed = seed;
    sim->random = seed * 0xd1342543de82ef95u + 7;
    sim->options = *options;
    sim->coverage = coverage;
    sim->now = SEC;
    plan_make(sim);
    stream_init(sim);
    for (unsigned i = 0; i < SIM_NODES; i++) {
        node_init(sim, i);
        sim->nodes[i].start_at = SEC + sim_delay(sim, 60 * SEC);
    }
    clients_init(sim);
    return sim;
}

void sim_live(struct sim *sim)
{
    for (unsigned i = 0; i < sim->plan.fault_count && sim->options.verbose; i++) {
        const struct fault *fault = &sim->plan.faults[i];

        if (fault->on_state) {
            printf("fault %u%s: %s, node %u, when node %u is in %s\n", i,
                   fault->dropped ? " (left out)" : "", fault_name(fault->kind), fault->node,
                   fault->on_node, fo_state_name(fault->on_state));
            continue;
        }
        printf("fault %u%s: %s, node %u, at %llu s for %llu ms\n", i,
               fault->dropped ? " (left out)" : "", fault_name(fault->kind), fault->node,
               (unsigned long long)(fault->at / SEC),
               (unsigned long long)((fault->until - fault->at) / MSEC));
    }
    run_until(sim, sim->plan.faults_end);
    if (!sim->failures) {
        plan_heal(sim);
        run_home(sim);
    }
}

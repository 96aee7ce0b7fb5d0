/* The partners' TCP connection: dialled, delayed, chopped, cut, half open, and both ends' sockets.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

enum {
    SEEN_SIZE = 1 << 17,
    CHOP_MAX = 3000,
    DIAL_MS = 20,
    LATENCY_MS = 5,
    RETRY_S = 1,
};

void stream_init(struct sim *sim)
{
    for (unsigned i = 0; i < 2; i++) {
        struct wire *wire = &sim->connection.wires[i];

        wire->bytes = malloc(SIM_WIRE_SIZE);
        wire->seen[0] = malloc(SEEN_SIZE);
        wire->seen[1] = malloc(SEEN_SIZE);
        wire->due = NEVER;
    }
    sim->connection.dial_due = sim->connection.greet_due = NEVER;
}

void stream_done(struct sim *sim)
{
    for (unsigned i = 0; i < 2; i++) {
        free(sim->connection.wires[i].bytes);
        free(sim->connection.wires[i].seen[0]);
        free(sim->connection.wires[i].seen[1]);
    }
}

/* Whole frames, as they pass one end of the wire. */
static void seen_add(struct wire *wire, unsigned end, struct node *node, struct span bytes)
{
    uint8_t *seen = wire->seen[end];
    struct span message;
    size_t size, at = 0;

    if (wire->seen_size[end] + bytes.size > SEEN_SIZE) {
        sim_fail(node->sim, "node %u: a frame beyond all bounds", node->index);
        wire->seen_size[end] = 0;
        return;
    }
    memcpy(seen + wire->seen_size[end], bytes.data, bytes.size);
    wire->seen_size[end] += bytes.size;
    while ((size = fo_frame_next((struct span){seen + at, wire->seen_size[end] - at}, &message))) {
        if (end == 0) {
            check_frame_out(node, message);
        } else {
            check_frame_in(node, message);
        }
        at += size;
    }
    memmove(seen, seen + at, wire->seen_size[end] - at);
    wire->seen_size[end] -= at;
}

static usec_t latency(struct sim *sim)
{
    usec_t slow = sim->connection.slow;

    return 50 + (slow ? slow / 2 + sim_random(sim, slow) : sim_delay(sim, LATENCY_MS * MSEC));
}

static void wire_reset(struct wire *wire)
{
    wire->head = wire->tail = 0;
    wire->fin = false;
    wire->due = NEVER;
    wire->seen_size[0] = wire->seen_size[1] = 0;
}

static void wire_put(struct sim *sim, struct wire *wire, struct span bytes)
{
    if (wire->head) {
        memmove(wire->bytes, wire->bytes + wire->head, wire->tail - wire->head);
        wire->tail -= wire->head;
        wire->head = 0;
    }
    T6_ASSERT(wire->tail + bytes.size <= SIM_WIRE_SIZE);
    memcpy(wire->bytes + wire->tail, bytes.data, bytes.size);
    wire->tail += bytes.size;
    if (wire->due == NEVER) {
        wire->due = sim->now + latency(sim);
    }
}

static void wire_fin(struct sim *sim, struct wire *wire)
{
    wire->fin = true;
    if (wire->due == NEVER) {
        wire->due = sim->now + latency(sim);
    }
}

/* True when the node's present socket leads somewhere. */
static bool socket_open(const struct node *node)
{
    const struct connection *c = &node->sim->connection;

    return node->index == 0 ? c->primary_open : c->linked;
}

void stream_pull(struct node *node)
{
    struct sim *sim = node->sim;
    struct connection *c = &sim->connection;
    struct wire *wire = &c->wires[node->index];
    struct fo_time now = node_time(node);

    for (unsigned i = 0; i < 64; i++) {
        struct span bytes = relation_output(node->relation, now);
        size_t room = SIM_WIRE_SIZE - (wire->tail - wire->head);
        size_t size = bytes.size < room ? bytes.size : room;

        if (size == 0) {
            relation_output_done(node->relation, 0, now);
            return;
        }
        if (socket_open(node)) {
            size = 1 + (size_t)sim_random(sim, size);
            seen_add(wire, 0, node, (struct span){bytes.data, size});
            wire_put(sim, wire, (struct span){bytes.data, size});
        } else if (!(node->index == 1 && c->stale)) {
            relation_output_done(node->relation, 0, now);
            return;
        }
        relation_output_done(node->relation, size, now); /* a stale socket swallows it */
    }
}

void stream_action(struct node *node, enum fo_action action)
{
    struct sim *sim = node->sim;
    struct connection *c = &sim->connection;

    if (action == FO_ACTION_CONNECT) {
        c->dialing = true;
        c->dial_due = sim->now + 100 + sim_delay(sim, DIAL_MS * MSEC);
    } else if (action == FO_ACTION_CLOSE) {
        sim_say(sim, "node %u: closes the connection", node->index);
        stream_pull(node);
        if (node->index == 0) {
            c->dialing = false;
            c->dial_due = NEVER;
            if (c->primary_open) {
                c->primary_open = false;
                wire_fin(sim, &c->wires[0]);
            }
        } else if (c->linked) {
            c->linked = false;
            wire_fin(sim, &c->wires[1]);
        } else {
            c->stale = false;
        }
    }
}

void stream_node_gone(struct node *node, bool power)
{
    struct sim *sim = node->sim;
    struct connection *c = &sim->connection;
    struct wire *wire = &c->wires[node->index];

    node->model.has_told = false;
    if (node->index == 0) {
        if (c->primary_open && !power) {
            wire_fin(sim, wire);
        }
        c->primary_open = c->dialing = false;
        c->dial_due = NEVER;
    } else {
        if ((c->linked || c->greeting) && !power) {
            wire_fin(sim, wire);
        }
        c->linked = c->stale = c->greeting = false;
        c->greet_due = NEVER;
    }
    if (power && wire->fin == false) { /* what was on its way may arrive; nothing more follows */
        wire->tail = wire->head + (size_t)sim_random(sim, wire->tail - wire->head + 1);
    }
}

static void socket_lost(struct node *node)
{
    struct connection *c = &node->sim->connection;

    if (node_is_up(node) && socket_open(node)) {
        fo_link_closed(&node->relation->link, FO_DOWN_CLOSED, NULL, node_time(node));
        node_due(node, STEP_CONTROL, MSEC);
    }
    if (node->index == 0) {
        c->primary_open = false;
    } else {
        c->linked = c->greeting = false;
        c->greet_due = NEVER;
    }
}

void stream_cut(struct sim *sim)
{
    struct connection *c = &sim->connection;
    const bool open[SIM_NODES] = {c->primary_open, c->linked || c->greeting};
    unsigned deaf;

    sim_say(sim, "the partners' connection is cut");
    wire_reset(&c->wires[0]);
    wire_reset(&c->wires[1]);
    /* Either may hear of it much later, but not both: octets would be missing from the middle of a
     * connection that lives on. */
    deaf = open[0] && open[1] ? (unsigned)sim_random(sim, 2 * SIM_NODES) : SIM_NODES;
    for (unsigned i = 0; i < SIM_NODES; i++) {
        if (open[i] && i != deaf) {
            wire_fin(sim, &c->wires[1 - i]);
        }
    }
}

static void greet_run(struct sim *sim)
{
    struct connection *c = &sim->connection;
    struct node *node = &sim->nodes[1];
    struct fo_time now = node_time(node);
    enum fo_action action;
    struct span bytes;

    while (c->greeting && (action = fo_greet_run(&c->greet, now)) != FO_ACTION_NONE) {
        if (action == FO_ACTION_OPEN) {
            if (fo_link_accept(&node->relation->link, &c->greet, now) == FO_STATUS_SUCCESS) {
                c->greeting = c->stale = false;
                c->linked = true;
                c->greet_due = NEVER;
                node->model.has_told = false;
                node_due(node, STEP_CONTROL, MSEC);
                return;
            }
        } else if (action == FO_ACTION_CLOSE) {
            c->greeting = false;
            wire_fin(sim, &c->wires[1]);
        }
    }
    while ((bytes = fo_greet_output(&c->greet, now)).size) {
        wire_put(sim, &c->wires[1], bytes);
        fo_greet_output_done(&c->greet, bytes.size);
    }
    c->greet_due = c->greeting ? sim->now + SEC : NEVER;
}

static void dial(struct sim *sim)
{
    struct connection *c = &sim->connection;
    struct node *primary = &sim->nodes[0], *secondary = &sim->nodes[1];

    c->dial_due = NEVER;
    c->dialing = false;
    if (!node_is_up(primary)) {
        return;
    }
    node_due(primary, STEP_CONTROL, MSEC);
    if (c->partitioned || !node_is_up(secondary) || secondary->asleep) {
        fo_link_closed(&primary->relation->link, FO_DOWN_CONNECT_FAILED, NULL, node_time(primary));
        return;
    }
    sim_say(sim, "the primary connects");
    c->met_at = sim->now;
    clients_stir(sim);
    wire_reset(&c->wires[0]);
    wire_reset(&c->wires[1]);
    c->stale = c->stale || c->linked;
    c->linked = false;
    c->primary_open = c->greeting = true;
    primary->model.has_told = false;
    fo_greet_init(&c->greet, false, node_time(secondary));
    c->greet_due = sim->now + SEC;
    fo_link_connected(&primary->relation->link, node_time(primary));
}

/* Octets of one wire reach the other end, as many as the network likes. */
static void deliver(struct sim *sim, unsigned sender)
{
    struct connection *c = &sim->connection;
    struct wire *wire = &c->wires[sender];
    struct node *node = &sim->nodes[1 - sender];
    size_t size = wire->tail - wire->head;
    bool open = node_is_up(node) && (socket_open(node) || (sender == 0 && c->greeting));
    struct span bytes;
    size_t taken;

    wire->due = NEVER;
    if (c->partitioned) {
        wire->due = size || wire->fin ? sim->now + RETRY_S * SEC : NEVER;
        return;
    }
    if (!open) {
        if (size && !node->powerless && node->start_at != NEVER) {
            wire_fin(sim, &c->wires[1 - sender]); /* nobody knows this connection */
        }
        wire->head = wire->tail = 0;
        return;
    }
    if (size == 0) {
        if (wire->fin) {
            sim_say(sim, "node %u: sees the connection closed", node->index);
            socket_lost(node);
        }
        return;
    }
    size = sim_random(sim, 4) ? size : 1 + (size_t)sim_random(sim, size);
    size = c->slow && size > CHOP_MAX ? CHOP_MAX : size;
    bytes = (struct span){wire->bytes + wire->head, size};
    if (c->greeting && sender == 0) {
        fo_greet_input(&c->greet, bytes, node_time(node));
        taken = size;
    } else {
        taken = relation_bytes_received(node->relation, bytes, node_time(node));
        node_due(node, STEP_CONTROL, MSEC);
    }
    seen_add(wire, 1, node, (struct span){bytes.data, taken});
    wire->head += taken;
    if (c->greeting && sender == 0) {
        greet_run(sim);
    }
    if (wire->head != wire->tail || wire->fin) {
        wire->due = sim->now + (taken ? latency(sim) : 10 * MSEC);
    }
    if (node_is_up(&sim->nodes[sender]) && wire->tail - wire->head < SIM_WIRE_SIZE / 2) {
        node_due(&sim->nodes[sender], STEP_CONTROL, MSEC);
    }
}

static usec_t due_unless_busy(const struct sim *sim, usec_t due, unsigned first, unsigned last)
{
    for (unsigned i = first; i <= last; i++) {
        if (sim->nodes[i].busy & (1u << STEP_CONTROL)) {
            return NEVER;
        }
    }
    return due;
}

/* 0, 1: the wires; 2: dial; 3: greeting's timers */
static usec_t part_due(const struct sim *sim, unsigned part)
{
    const struct connection *c = &sim->connection;

    if (part < 2) {
        return due_unless_busy(sim, c->wires[part].due, 1 - part, 1 - part);
    }
    return part == 2 ? due_unless_busy(sim, c->dial_due, 0, 1)
                     : due_unless_busy(sim, c->greet_due, 1, 1);
}

usec_t stream_due(const struct sim *sim)
{
    usec_t first = NEVER;

    for (unsigned part = 0; part < 4; part++) {
        usec_t due = part_due(sim, part);

        first = due < first ? due : first;
    }
    return first;
}

void stream_step(struct sim *sim)
{
    unsigned first = 0;

    for (unsigned part = 1; part < 4; part++) {
        first = part_due(sim, part) < part_due(sim, first) ? part : first;
    }
    if (first < 2) {
        deliver(sim, first);
    } else if (first == 2) {
        dial(sim);
    } else if (node_is_up(&sim->nodes[1])) {
        greet_run(sim);
    } else {
        sim->connection.greet_due = NEVER;
    }
}

/* Packets between clients, their relays and the servers. */
#include <stdlib.h>

#include "dhcp6/message.h"
#include "sim.h"

enum {
    LATE_MS = 3000, /* no packet is older: what is parked, held and on its way stays below the
                     * transit time leases allow for */
};

static bool path_open(const struct sim *sim, unsigned node)
{
    return !sim->nodes[node].clients_cut;
}

static usec_t flight_delay(struct sim *sim)
{
    return 200 + sim_delay(sim, sim->plan.delay_max < LATE_MS * MSEC ? sim->plan.delay_max
                                                                     : LATE_MS * MSEC);
}

static void flight_add(struct sim *sim, const struct flight *flight)
{
    unsigned i = 0;

    while (i < SIM_FLIGHTS_MAX && sim->flights[i].bytes) {
        i++;
    }
    if (i == SIM_FLIGHTS_MAX) {
        return; /* lost */
    }
    sim->flights[i] = *flight;
    sim->flights[i].bytes = malloc(flight->size);
    memcpy(sim->flights[i].bytes, flight->bytes, flight->size);
    sim->flights[i].due = sim->now + flight_delay(sim);
    sim->flight_top = i + 1 > sim->flight_top ? i + 1 : sim->flight_top;
}

void net_send(struct sim *sim, const struct flight *flight)
{
    if (!path_open(sim, flight->node) || sim_chance(sim, sim->plan.loss)) {
        return;
    }
    flight_add(sim, flight);
    if (sim_chance(sim, sim->plan.twice)) {
        flight_add(sim, flight);
    }
}

usec_t net_due(const struct sim *sim, unsigned *ret_flight)
{
    usec_t first = NEVER;

    for (unsigned i = 0; i < sim->flight_top; i++) {
        if (sim->flights[i].bytes && sim->flights[i].due < first) {
            first = sim->flights[i].due;
            *ret_flight = i;
        }
    }
    return first;
}

void net_step(struct sim *sim, unsigned index)
{
    struct flight flight = sim->flights[index];
    struct client_message answer;
    struct ip6 peer;

    sim->flights[index].bytes = NULL;
    while (sim->flight_top && !sim->flights[sim->flight_top - 1].bytes) {
        sim->flight_top--;
    }
    if (!path_open(sim, flight.node)) {
        free(flight.bytes);
        return;
    }
    if (flight.to_server) {
        struct node *node = &sim->nodes[flight.node];

        node->heard[flight.client] += node_is_up(node);
        node_frame_take(node, flight.worker, flight.bytes, flight.size);
    } else if (client_message_read(
                   (struct span){flight.bytes + CLIENT_PAYLOAD_AT, flight.size - CLIENT_PAYLOAD_AT},
                   &answer, &peer)) {
        client_answer(sim, &sim->clients[flight.client], &answer, flight.node);
    }
    free(flight.bytes);
}

/* False when the packet is no answer to one of the clients. */
static bool answer_read(const struct node *node, const struct packet *packet,
                        struct client_message *ret_answer, unsigned *ret_client)
{
    struct ip6 peer;

    if (packet->size <= CLIENT_PAYLOAD_AT || packet->data[20] != 17 ||
        !client_message_read(
            (struct span){packet->data + CLIENT_PAYLOAD_AT, packet->size - CLIENT_PAYLOAD_AT},
            ret_answer, &peer)) {
        return false;
    }
    *ret_client = (unsigned)peer.lo - 0x100;
    return *ret_client < node->sim->plan.client_count;
}

unsigned net_tx(struct node *node, struct packet *packets, unsigned count)
{
    struct sim *sim = node->sim;

    for (unsigned i = 0; i < count; i++) {
        struct flight flight = {
            .node = node->index, .size = packets[i].size, .bytes = packets[i].data};
        struct client_message answer;

        if (answer_read(node, &packets[i], &answer, &flight.client)) {
            check_answer(node, &answer);
            node->answered[flight.client] += answer.xid == sim->clients[flight.client].message.xid;
            net_send(sim, &flight);
        }
    }
    return count;
}

void net_late(struct node *node, const struct packet *packet)
{
    struct client_message answer;
    unsigned client;

    if (answer_read(node, packet, &answer, &client)) {
        node->late[client] += answer.xid == node->sim->clients[client].message.xid;
    }
}

/* Clients with the timers of RFC 9915, who know what they hold and until when. */
#include <stdio.h>

#include "dhcp6/message.h"
#include "dhcp6/option.h"
#include "sim.h"

enum {
    IAID = 1,           /* + kind */
    CLOCKS_APART_S = 5, /* and still within what RFC 8156 allows */
    RELAYS = 2,
};

/* RFC 9915 7.6 */
static const struct timer {
    uint8_t type;
    unsigned irt_s, mrt_s, mrc; /* 0: none */
} timers[] = {
    [CLIENT_IDLE] = {0, 0, 0, 0},
    [CLIENT_SOLICIT] = {DHCP6_SOLICIT, 1, 60, 0}, /* the servers tell SOL_MAX_RT */
    [CLIENT_REQUEST] = {DHCP6_REQUEST, 1, 30, 10},
    [CLIENT_BOUND] = {0, 0, 0, 0},
    [CLIENT_RENEW] = {DHCP6_RENEW, 10, 600, 0},
    [CLIENT_REBIND] = {DHCP6_REBIND, 10, 600, 0},
    [CLIENT_CONFIRM] = {DHCP6_CONFIRM, 1, 4, 4},
    [CLIENT_RELEASE] = {DHCP6_RELEASE, 1, 0, 4},
    [CLIENT_DECLINE] = {DHCP6_DECLINE, 1, 0, 4},
};

void resource_text(const struct resource *resource, char text[64])
{
    (void)snprintf(text, 64, "%x:%x::%x/%u", (unsigned)(resource->prefix.hi >> 16) & 0xffff,
                   (unsigned)resource->prefix.hi & 0xffff, (unsigned)resource->prefix.lo,
                   resource->length);
}

uint64_t client_duid_hash(struct span duid)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < duid.size; i++) {
        hash = (hash ^ duid.data[i]) * 0x100000001b3u;
    }
    return duid.size ? hash | 1 : 0;
}

static void duid_put(const struct client *client, struct client_message *message)
{
    static const uint8_t start[8] = {0, 1, 0, 1};

    memcpy(message->client_id, start, sizeof(start));
    wire_set_u32(message->client_id + 8, client->index);
    wire_set_u16(message->client_id + 12, (uint16_t)client->generation);
    message->client_id_size = 14;
}

static void client_say(struct sim *sim, const struct client *client, const char *what)
{
    sim_say(sim, "client %u: %s", client->index, what);
}

/* ---- what it holds ---- */

static void held_drop(struct client *client, unsigned kind, unsigned i)
{
    client->held[kind][i] = client->held[kind][--client->held_count[kind]];
}

static void held_clear(struct client *client)
{
    client->held_count[0] = client->held_count[1] = 0;
}

static bool holds(const struct client *client)
{
    return client->held_count[0] || client->held_count[1];
}

/* True when the server's disk says that the client has it still. */
static bool node_knows(struct node *node, const struct client *client, const struct held *held)
{
    const struct image *image = &check_known(&node->model, &held->resource)->durable[0];
    const struct client_message *message = &client->message;

    return image->status == BINDING_ACTIVE &&
           image->duid ==
               client_duid_hash((struct span){message->client_id, message->client_id_size}) &&
           sec_after(image->expires_s, node_now(node));
}

/* The partner that remains has told nobody, and waits no longer than the MCLT where the two had
 * contact (RFC 8156 8.6): leases beyond that are beyond the protocol as well. */
void clients_orphan(struct sim *sim, unsigned node)
{
    struct node *other = &sim->nodes[1 - node];
    bool apart = !node_is_up(other) || !other->relation->fsm.comms_ok;

    for (unsigned i = 0; i < sim->plan.client_count; i++) {
        struct client *client = &sim->clients[i];

        for (unsigned kind = 0; kind < 2; kind++) {
            for (unsigned h = 0; h < client->held_count[kind]; h++) {
                struct held *held = &client->held[kind][h];
                const struct image *image =
                    &check_known(&other->model, &held->resource)->durable[0];
                sec_t end = SIM_EPOCH + (sec_t)(held->until / SEC);

                if (held->node == node &&
                    (apart || held->until > sim->now + sim->plan.mclt_s * SEC) &&
                    (image->status != BINDING_ACTIVE || sec_after(end, image->expires_s + 5))) {
                    held->orphaned = true;
                    sim->tally.orphans++;
                }
            }
        }
    }
}

/* A renewing client may lose a lease only when nobody could have answered. */
static void loss_check(struct sim *sim, const struct client *client, const struct held *held)
{
    char text[64];

    sim->tally.lost++;
    for (unsigned i = 0; i < SIM_NODES; i++) {
        struct node *node = &sim->nodes[i];

        if (client->state == CLIENT_REBIND &&
            node->heard[client->index] >= 3 + node->late[client->index] &&
            node->answered[client->index] == 0 && node->serving_since < client->first_at &&
            node_knows(node, client, held)) {
            resource_text(&held->resource, text);
            sim_fail(sim, "client %u lost %s although it kept rebinding and node %u served",
                     client->index, text, i);
        }
    }
}

static void held_expire(struct sim *sim, struct client *client)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        for (unsigned i = 0; i < client->held_count[kind];) {
            if (client->held[kind][i].until > sim->now) {
                i++;
                continue;
            }
            if (client->state == CLIENT_RENEW || client->state == CLIENT_REBIND) {
                loss_check(sim, client, &client->held[kind][i]);
            }
            sim->tally.expiries++;
            held_drop(client, kind, i);
        }
    }
}

static usec_t held_end(const struct client *client)
{
    usec_t end = 0;

    for (unsigned kind = 0; kind < 2; kind++) {
        for (unsigned i = 0; i < client->held_count[kind]; i++) {
            end = client->held[kind][i].until > end ? client->held[kind][i].until : end;
        }
    }
    return end;
}

/* ---- out ---- */

void client_frame_send(struct sim *sim, struct client *client)
{
    uint8_t message[512], relayed[640], frame[SIM_FRAME];
    size_t size = client_message_put(&client->message, message, sizeof(message));
    unsigned twice = sim_chance(sim, 32) ? RELAYS : 1; /* two relays heard it */

    for (unsigned way = 0; way < SIM_NODES * twice; way++) {
        unsigned node = way % SIM_NODES;
        uint64_t link = 0x20010db800170000u + ((uint64_t)client->link << 16);
        struct client_relay relay = {.address = {link, 1 + way / SIM_NODES},
                                     .peer = {0xfe80000000000000u, 0x100 + client->index},
                                     .interface = "if1"};
        struct frame_port sender = {.mac = {2, 0, 0, 0, 0, 9}, .mtu = FRAME_MTU_DEFAULT};
        struct frame_to to = {.src = relay.address,
                              .dst = {0x20010db800000001u, 1 + node},
                              .src_port = 547,
                              .dst_port = 547,
                              .dst_mac = {2, 0, 0, 0, 0, (uint8_t)(1 + node)}};
        size_t headers = frame_header_size(&to);
        size_t payload =
            client_relay_put(&relay, (struct span){message, size}, relayed, sizeof(relayed));

        memcpy(frame + headers, relayed, payload);
        frame_write(&sender, &to, frame + headers, payload);
        net_send(sim, &(struct flight){.to_server = true,
                                       .node = node,
                                       .worker = (unsigned)sim_random(sim, SIM_WORKERS),
                                       .client = client->index,
                                       .size = headers + payload,
                                       .bytes = frame});
    }
}

/* The IAs of the message: what is held, or what the offer names. */
static void ias_put(struct client *client, bool offered)
{
    struct client_message *message = &client->message;

    for (unsigned kind = 0; kind < 2; kind++) {
        struct client_ia *ia = &message->ias[kind];

        *ia = (struct client_ia){.iaid = IAID + kind};
        ia->present = client->kinds & (1u << kind);
        if (!ia->present) {
            continue;
        }
        for (unsigned i = 0; i < client->held_count[kind]; i++) {
            ia->leases[ia->lease_count++].resource = client->held[kind][i].resource;
        }
        if (offered && ia->lease_count == 0 && client->offer.ias[kind].lease_count) {
            ia->leases[ia->lease_count++].resource = client->offer.ias[kind].leases[0].resource;
        }
    }
}

static usec_t spread(struct sim *sim, usec_t t) /* RFC 9915 15: RAND */
{
    return t - t / 10 + sim_random(sim, t / 5 + 1);
}

static void transmit(struct sim *sim, struct client *client)
{
    const struct timer *timer = &timers[client->state];
    usec_t mrt = timer->mrt_s * SEC;

    client->rt =
        client->tries++ ? client->rt + spread(sim, client->rt) : spread(sim, timer->irt_s * SEC);
    if (mrt && client->rt > mrt) {
        client->rt = spread(sim, mrt);
    }
    client->due = sim->now + client->rt;
    client_frame_send(sim, client);
}

static void begin(struct sim *sim, struct client *client, enum client_state state)
{
    bool names_server = state == CLIENT_REQUEST || state == CLIENT_RENEW ||
                        state == CLIENT_RELEASE || state == CLIENT_DECLINE;

    client->state = state;
    client->tries = 0;
    client->first_at = sim->now;
    client->give_up_at = NEVER;
    for (unsigned i = 0; i < SIM_NODES; i++) {
        sim->nodes[i].heard[client->index] = sim->nodes[i].answered[client->index] = 0;
        sim->nodes[i].late[client->index] = 0;
    }
    client->message = (struct client_message){.type = timers[state].type};
    client->message.xid = (uint32_t)sim_random(sim, 1 << 24);
    duid_put(client, &client->message);
    if (names_server) {
        memcpy(client->message.server_id, client->server_id, client->server_id_size);
        client->message.server_id_size = client->server_id_size;
    }
    client->message.rapid_commit = state == CLIENT_SOLICIT && sim_random(sim, 2);
    ias_put(client, state == CLIENT_REQUEST);
    client->has_offer = client->has_offer && state == CLIENT_REQUEST;
    sim_say(sim, "client %u: begins %u", client->index, timers[state].type);
}

/* Longer than any copy of what it sent lives: a late RELEASE would end what was asked for since. */
static void idle(struct sim *sim, struct client *client)
{
    client->state = CLIENT_IDLE;
    client->due = sim->quiet ? NEVER : sim->now + 12 * SEC + sim_delay(sim, 60 * SEC);
}

static void solicit(struct sim *sim, struct client *client)
{
    held_clear(client);
    if (sim->quiet) {
        idle(sim, client);
        return;
    }
    begin(sim, client, CLIENT_SOLICIT);
    transmit(sim, client);
}

static void give_back(struct sim *sim, struct client *client, enum client_state state)
{
    begin(sim, client, state);
    if (state == CLIENT_DECLINE) {
        client->message.ias[1].present = false;
        client->held_count[0] = 0;
    } else { /* RFC 9915 18.2.7: it stops using them first */
        held_clear(client);
    }
    transmit(sim, client);
}

/* Something a bound client may do at any time. */
static void act(struct sim *sim, struct client *client)
{
    uint64_t chance = sim_random(sim, 100);

    client->act_at = NEVER;
    if (chance < 35) {
        give_back(sim, client, CLIENT_RELEASE);
    } else if (chance < 45 && client->held_count[0]) {
        give_back(sim, client, CLIENT_DECLINE);
    } else if (chance < 60) {
        client_say(sim, client, "reboots as someone else");
        client->generation++;
        held_clear(client);
        idle(sim, client);
    } else if (chance < 75) {
        client_say(sim, client, "reboots");
        held_clear(client);
        idle(sim, client);
    } else if (chance < 85) { /* its state is kept */
        begin(sim, client, client->held_count[1] ? CLIENT_REBIND : CLIENT_CONFIRM);
        client->give_up_at = sim->now + 10 * SEC;
        transmit(sim, client);
    } else {
        client->link = 1 - client->link;
        client_say(sim, client, "moves");
        held_clear(client); /* another link: another address */
        solicit(sim, client);
    }
}

static void bound(struct client *client)
{
    client->state = CLIENT_BOUND;
    client->due = client->t1_at;
    if (client->act_at < client->due) {
        client->due = client->act_at;
    }
}

/* Gives up the exchange. */
static void failed(struct sim *sim, struct client *client)
{
    switch (client->state) {
    case CLIENT_RENEW:
        begin(sim, client, CLIENT_REBIND);
        client->give_up_at = held_end(client);
        transmit(sim, client);
        break;
    case CLIENT_CONFIRM: /* RFC 9915 18.2.3: goes on as it was */
        bound(client);
        break;
    case CLIENT_REBIND:
        if (holds(client)) {
            bound(client);
        } else {
            solicit(sim, client);
        }
        break;
    case CLIENT_DECLINE:
    case CLIENT_RELEASE:
        client->generation += client->state == CLIENT_DECLINE;
        held_clear(client);
        idle(sim, client);
        break;
    case CLIENT_IDLE:
    case CLIENT_BOUND:
    case CLIENT_SOLICIT:
    case CLIENT_REQUEST:
        solicit(sim, client);
        break;
    }
}

static void retransmit(struct sim *sim, struct client *client)
{
    unsigned mrc = timers[client->state].mrc;

    if (client->state == CLIENT_SOLICIT && client->has_offer) {
        memcpy(client->server_id, client->offer.server_id, client->offer.server_id_size);
        client->server_id_size = client->offer.server_id_size;
        begin(sim, client, CLIENT_REQUEST);
        transmit(sim, client);
    } else if ((mrc && client->tries >= mrc) || sim->now >= client->give_up_at) {
        failed(sim, client);
    } else {
        transmit(sim, client);
        if (client->due > client->give_up_at) {
            client->due = client->give_up_at;
        }
    }
}

void client_step(struct client *client, struct sim *sim)
{
    client->due = NEVER;
    held_expire(sim, client);
    switch (client->state) {
    case CLIENT_IDLE:
        solicit(sim, client);
        break;
    case CLIENT_BOUND:
        if (!holds(client)) {
            solicit(sim, client);
        } else if (sim->now >= client->t1_at) {
            begin(sim, client, CLIENT_RENEW);
            client->give_up_at = client->t2_at;
            transmit(sim, client);
        } else if (sim->now >= client->act_at && !sim->quiet) {
            act(sim, client);
        } else {
            client->due = client->t1_at;
        }
        break;
    case CLIENT_SOLICIT:
    case CLIENT_REQUEST:
    case CLIENT_RENEW:
    case CLIENT_REBIND:
    case CLIENT_CONFIRM:
    case CLIENT_RELEASE:
    case CLIENT_DECLINE:
        retransmit(sim, client);
        break;
    }
}

void clients_stir(struct sim *sim)
{
    for (unsigned i = 0; i < sim->plan.client_count; i++) {
        struct client *client = &sim->clients[i];

        if (sim->quiet || sim_random(sim, 2)) {
            continue;
        }
        if (client->state == CLIENT_BOUND && holds(client)) {
            client->t1_at = client->due = sim->now + sim_delay(sim, 20 * MSEC);
        } else if (client->state == CLIENT_SOLICIT) {
            client->due = sim->now + sim_delay(sim, 20 * MSEC);
        }
    }
}

/* ---- in ---- */

/* A server takes back what a renewing client holds. */
static void takeback_check(struct sim *sim, const struct client *client, const struct held *held,
                           unsigned node)
{
    char text[64];

    if ((client->state != CLIENT_RENEW && client->state != CLIENT_REBIND) ||
        check_known(&sim->nodes[node].model, &held->resource)->durable[0].status ==
            BINDING_ABANDONED) { /* declined here while it was given there */
        return;
    }
    sim->tally.takebacks++;
    if (!sim->duplicates_excused && !sim->storage_lost && !held->clock_bad) {
        resource_text(&held->resource, text);
        sim_fail(sim, "client %u: node %u takes %s back from a renewing client", client->index,
                 node, text);
    }
}

/* RFC 8156 7.1 wants clocks within 5 s, and the partners see to it while they hear each other. The
 * times of a record from a server that was beyond, alone, mean nothing once its clock is right. */
static bool clock_is_bad(const struct node *node)
{
    sec_t right = SIM_EPOCH + (sec_t)(node->sim->now / SEC), now = node_now(node);

    return (sec_after(now, right + CLOCKS_APART_S) || sec_after(right, now + CLOCKS_APART_S)) &&
           !(node_is_up(node) && node->relation->fsm.comms_ok);
}

static void lease_take(struct sim *sim, struct client *client, unsigned kind,
                       const struct client_lease *lease, unsigned node)
{
    struct held *held = client->held[kind];
    unsigned count = client->held_count[kind], i = 0;

    while (i < count && !resource_equal(&held[i].resource, &lease->resource)) {
        i++;
    }
    if (lease->valid_s == 0) {
        if (i < count) {
            takeback_check(sim, client, &held[i], node);
            held_drop(client, kind, i);
        }
        return;
    }
    if (i == CLIENT_IA_LEASES) {
        return;
    }
    check_grant(sim, client, &lease->resource);
    sim->tally.grants += i == count;
    sim->tally.renewals += i < count;
    client->held_count[kind] += i == count;
    held[i] = (struct held){.resource = lease->resource,
                            .until = sim->now + lease->valid_s * SEC,
                            .node = node,
                            .clock_bad = clock_is_bad(&sim->nodes[node])};
}

static usec_t after(struct sim *sim, uint32_t seconds)
{
    return seconds == LIFETIME_INFINITE ? NEVER : sim->now + seconds * SEC;
}

static void reply_take(struct sim *sim, struct client *client, const struct client_message *answer,
                       unsigned node)
{
    bool unbound = false;

    client->t1_at = client->t2_at = NEVER;
    for (unsigned kind = 0; kind < 2; kind++) {
        const struct client_ia *ia = &answer->ias[kind];
        char text[64];

        if (!ia->present) {
            continue;
        }
        unbound |= ia->status == STATUS_NO_BINDING;
        for (unsigned i = 0; i < ia->lease_count; i++) {
            resource_text(&ia->leases[i].resource, text);
            sim_say(sim, "client %u: told %s for %u s by node %u", client->index, text,
                    ia->leases[i].valid_s, node);
            lease_take(sim, client, kind, &ia->leases[i], node);
        }
        if (ia->lease_count) {
            usec_t t1 = after(sim, ia->t1_s), t2 = after(sim, ia->t2_s);

            client->t1_at = t1 < client->t1_at ? t1 : client->t1_at;
            client->t2_at = t2 < client->t2_at ? t2 : client->t2_at;
        }
    }
    memcpy(client->server_id, answer->server_id, answer->server_id_size);
    client->server_id_size = answer->server_id_size;
    if (unbound && (client->state == CLIENT_RENEW || client->state == CLIENT_REBIND)) {
        for (unsigned kind = 0; kind < 2; kind++) {
            for (unsigned i = 0;
                 answer->ias[kind].status == STATUS_NO_BINDING && i < client->held_count[kind];
                 i++) {
                if (node_knows(&sim->nodes[node], client, &client->held[kind][i])) {
                    takeback_check(sim, client, &client->held[kind][i], node);
                }
            }
        }
        begin(sim, client, CLIENT_REQUEST); /* RFC 9915 18.2.10.1 */
        transmit(sim, client);
    } else if (!holds(client)) {
        idle(sim, client);
        client->due += SEC;
    } else {
        if (client->t1_at == NEVER) { /* nothing said: as long as half of it lasts */
            client->t1_at = sim->now + (held_end(client) - sim->now) / 2;
            client->t2_at = client->t1_at + (held_end(client) - client->t1_at) / 2;
        }
        if (client->act_at == NEVER || client->act_at < sim->now) {
            client->act_at = sim->now + sim_delay(sim, 2400 * SEC);
        }
        bound(client);
    }
}

void client_answer(struct sim *sim, struct client *client, const struct client_message *answer,
                   unsigned node)
{
    if (client->message.xid != answer->xid || client->state == CLIENT_IDLE ||
        client->state == CLIENT_BOUND || answer->client_id_size != 14 ||
        memcmp(answer->client_id, client->message.client_id, 14) != 0) {
        return;
    }
    held_expire(sim, client);
    if (answer->type == DHCP6_ADVERTISE) {
        bool good = answer->ias[0].lease_count || answer->ias[1].lease_count;

        if (client->state == CLIENT_SOLICIT && good && !client->has_offer) {
            client->offer = *answer;
            client->has_offer = true;
            if (client->tries > 1) {
                client->due = sim->now; /* RFC 9915 18.2.1: the first one after IRT */
            }
        }
        return;
    }
    if (answer->type != DHCP6_REPLY || (client->state == CLIENT_SOLICIT && !answer->rapid_commit)) {
        return;
    }
    if (client->state == CLIENT_RELEASE || client->state == CLIENT_DECLINE) {
        sim->tally.releases += client->state == CLIENT_RELEASE;
        sim->tally.declines += client->state == CLIENT_DECLINE;
        client->generation += client->state == CLIENT_DECLINE; /* it would not take it again */
        held_clear(client); /* the rest of a client that declined just goes away */
        idle(sim, client);
    } else if (client->state == CLIENT_CONFIRM) {
        if (answer->status == STATUS_SUCCESS) {
            bound(client);
        } else {
            solicit(sim, client);
        }
    } else {
        reply_take(sim, client, answer, node);
    }
}

void clients_init(struct sim *sim)
{
    for (unsigned i = 0; i < sim->plan.client_count; i++) {
        sim->clients[i] = (struct client){.index = i,
                                          .kinds = 1 + (unsigned)sim_random(sim, 3),
                                          .link = (unsigned)sim_random(sim, SIM_LINKS),
                                          .act_at = NEVER,
                                          .due = 1 + sim_delay(sim, 120 * SEC)};
    }
}

/* The clients of the crash tests: messages out, answers in, and what they were promised. Their own
 * codec: nothing here relies on the server's. */
#include <stdio.h>

#include "dhcp6/decide.h"
#include "dhcp6/option.h"
#include "world.h"

enum {
    NETWORK_MAX_S = 3, /* a later answer is lost: with parking the transit time allowed for */
    RELAYS = 3,
    IAID_NA = 1,
    IAID_PD = 2,
    PAYLOAD_AT = 14 + 40 + 8,
};

static const struct ip6 relay_address = {0x20010db800170000ULL, 1};
static const struct ip6 server_address = {0x20010db800000001ULL, 1};

struct answer {
    uint8_t type;
    uint32_t xid;
    uint8_t server_id[DUID_SIZE_MAX];
    size_t server_id_size;

    struct answer_ia {
        bool present;
        bool has_lease;
        unsigned status;
        struct resource resource;
        uint32_t valid_s;
    } ias[2];
};

static void duid_of(const struct client *client, uint8_t duid[14])
{
    static const uint8_t start[8] = {0, 1, 0, 1};

    memcpy(duid, start, sizeof(start));
    memset(duid + 8, 0, 6);
    wire_set_u32(duid + 8, client->index);
}

void clients_init(struct world *world)
{
    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        world->clients[i] = (struct client){.index = i};
    }
}

static void option_put(struct wire_out *out, uint16_t code, const void *data, size_t size)
{
    wire_out_u16(out, code);
    wire_out_u16(out, (uint16_t)size);
    wire_out_bytes(out, data, size);
}

static void ia_put(struct wire_out *out, unsigned kind, const struct resource *named)
{
    size_t inner = !named->type ? 0 : kind == 0 ? 28 : 29;

    wire_out_u16(out, kind == 0 ? OPTION_IA_NA : OPTION_IA_PD);
    wire_out_u16(out, (uint16_t)(12 + inner));
    wire_out_u32(out, kind == 0 ? IAID_NA : IAID_PD);
    wire_out_u64(out, 0);
    if (!named->type) {
        return;
    }
    wire_out_u16(out, kind == 0 ? OPTION_IAADDR : OPTION_IAPREFIX);
    wire_out_u16(out, (uint16_t)(inner - 4));
    if (kind == 0) {
        wire_out_ip6(out, named->prefix);
        wire_out_u64(out, 0);
    } else {
        wire_out_u64(out, 0);
        wire_out_u8(out, named->length);
        wire_out_ip6(out, named->prefix);
    }
}

static size_t message_put(const struct client *client, uint8_t *buf, size_t buf_size)
{
    struct wire_out out = wire_out_to(buf, buf_size);
    bool all = client->type != DHCP6_RELEASE && client->type != DHCP6_DECLINE;
    uint8_t duid[14];

    duid_of(client, duid);
    wire_out_u32(&out,
                 (uint32_t)client->type << 24 | (client->index & 0xff) << 16 | client->exchange);
    option_put(&out, OPTION_CLIENTID, duid, sizeof(duid));
    if (client->type != DHCP6_SOLICIT && client->type != DHCP6_REBIND) {
        option_put(&out, OPTION_SERVERID, client->server_id, client->server_id_size);
    }
    if (client->rapid) {
        option_put(&out, OPTION_RAPID_COMMIT, NULL, 0);
    }
    for (unsigned kind = 0; kind < 2; kind++) {
        if (all || client->named[kind].type) {
            ia_put(&out, kind, &client->named[kind]);
        }
    }
    T6_ASSERT(!out.failed);
    return (size_t)(out.at - buf);
}

/* The frame of a message on its way to some worker's queue. */
static void frame_put(struct world *world, const struct client *client, const uint8_t *payload,
                      size_t size)
{
    struct frame_port sender = {.mac = {2, 0, 0, 0, 0, 9}, .mtu = FRAME_MTU_DEFAULT};
    struct frame_to to = {.src = {0xfe80000000000000ULL, 0x100 + client->index},
                          .dst = {0xff02000000000000ULL, 0x10002},
                          .dst_mac = {0x33, 0x33, 0, 1, 0, 2},
                          .src_port = 546,
                          .dst_port = 547};
    struct world_frame *frame = &world->in[world->in_count];
    size_t headers;

    if (world->in_count == WORLD_FRAMES) {
        return; /* lost on the way */
    }
    if (client->relay) {
        to.src = relay_address;
        to.dst = server_address;
        to.src_port = 547;
        memcpy(to.dst_mac, "\2\0\0\0\0\1", 6);
    }
    headers = frame_header_size(&to);
    memcpy(frame->bytes + headers, payload, size);
    frame_write(&sender, &to, frame->bytes + headers, size);
    frame->size = (uint32_t)(headers + size);
    frame->worker = (unsigned)world_random(world, WORLD_WORKERS);
    world->in_count++;
}

void client_send(struct world *world, struct client *client, uint8_t type)
{
    uint8_t message[512], relayed[600];
    struct wire_out out = wire_out_to(relayed, sizeof(relayed));
    char interface[16];
    size_t size;

    if (type) {
        client->type = type;
        client->exchange++;
        client->sent_s = world_server_now(world);
    }
    size = message_put(client, message, sizeof(message));
    if (!client->relay) {
        frame_put(world, client, message, size);
        return;
    }
    (void)snprintf(interface, sizeof(interface), "if%u", client->relay);
    wire_out_u16(&out, DHCP6_RELAY_FORW << 8);
    wire_out_ip6(&out, relay_address);
    wire_out_ip6(&out, (struct ip6){0xfe80000000000000ULL, 0x100 + client->index});
    option_put(&out, OPTION_INTERFACE_ID, interface, strlen(interface));
    option_put(&out, OPTION_RELAY_MSG, message, size);
    frame_put(world, client, relayed, (size_t)(out.at - relayed));
}

static void told_expire(const struct world *world, struct client *client)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        if (client->told[kind].held && !sec_after(client->told[kind].end, world->now)) {
            client->told[kind].held = false;
        }
    }
}

/* Puts what the client holds, or was offered, into its next message. */
static void names_set(struct client *client, bool offered)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        client->named[kind] = (struct resource){.type = 0};
        if (client->told[kind].held) {
            client->named[kind] = client->told[kind].resource;
        } else if (offered) {
            client->named[kind] = client->offer[kind];
        }
    }
}

/* What was sent before arrives before: a RENEW that its RELEASE overtakes would bind anew, a late
 * copy of the RELEASE would end what was asked for since. */
static void in_order(struct world *world)
{
    for (unsigned i = 0; i < 2 * WORLD_WORKERS; i++) {
        world_worker_turn(world, i % WORLD_WORKERS);
    }
}

static void client_end(struct world *world, struct client *client, uint8_t type)
{
    in_order(world);
    client->ending = true;
    if (type == DHCP6_DECLINE) {
        client->named[1].type = 0;
    }
    for (unsigned kind = 0; kind < 2; kind++) {
        if (client->named[kind].type) {
            client->told[kind].held = false; /* RFC 9915 18.2.7: it stops using them first */
        }
    }
    client_send(world, client, type);
}

static void client_ask(struct world *world, struct client *client, uint8_t type, bool rapid)
{
    if (client->ending) {
        in_order(world);
    }
    client->ending = false;
    client->rapid = rapid;
    client->told[0].released = client->told[1].released = false;
    client_send(world, client, type);
}

void client_act(struct world *world, struct client *client)
{
    bool holds;
    uint64_t chance = world_random(world, 100);

    told_expire(world, client);
    holds = client->told[0].held || client->told[1].held;
    if (client->type && chance < 70) {
        client_send(world, client, 0);
        return;
    }
    chance = world_random(world, 100);
    if (chance < 15) {
        client->relay = (unsigned)world_random(world, RELAYS);
    }
    chance = world_random(world, 100);
    client->rapid = false;
    names_set(client, client->offered);
    if (holds && chance < 10) {
        client_end(world, client, DHCP6_RELEASE);
    } else if (client->told[0].held && chance < 14) {
        client_end(world, client, DHCP6_DECLINE);
    } else if (holds) {
        client_ask(world, client, chance < 25 ? DHCP6_REBIND : DHCP6_RENEW, false);
    } else if (client->offered && chance < 80) {
        client_ask(world, client, DHCP6_REQUEST, false);
    } else {
        client_ask(world, client, DHCP6_SOLICIT, chance % 2);
    }
}

static void ia_read(struct wire_in in, unsigned kind, struct answer_ia *ia)
{
    ia->present = true;
    (void)wire_in_span(&in, 12);
    while (wire_in_left(&in)) {
        uint16_t code = wire_in_u16(&in);
        struct wire_in data = wire_in_from(wire_in_span(&in, wire_in_u16(&in)));

        if (code == OPTION_STATUS_CODE) {
            ia->status = wire_in_u16(&data);
        } else if (code == OPTION_IAADDR && kind == 0) {
            ia->has_lease = true;
            ia->resource = (struct resource){wire_in_ip6(&data), 128, LEASE_TYPE_NA};
            (void)wire_in_u32(&data);
            ia->valid_s = wire_in_u32(&data);
        } else if (code == OPTION_IAPREFIX && kind == 1) {
            ia->has_lease = true;
            (void)wire_in_u32(&data);
            ia->valid_s = wire_in_u32(&data);
            ia->resource.length = wire_in_u8(&data);
            ia->resource.type = LEASE_TYPE_PD;
            ia->resource.prefix = wire_in_ip6(&data);
        }
    }
}

static bool answer_read(struct span payload, struct answer *ret_answer)
{
    struct wire_in in = wire_in_from(payload);
    uint32_t head = wire_in_u32(&in);

    if (head >> 24 == DHCP6_RELAY_REPL) {
        in = wire_in_from((struct span){payload.data + 34, payload.size - 34});
        while (wire_in_left(&in)) {
            uint16_t code = wire_in_u16(&in);
            struct span data = wire_in_span(&in, wire_in_u16(&in));

            if (code == OPTION_RELAY_MSG) {
                return data.data[0] != DHCP6_RELAY_REPL && answer_read(data, ret_answer);
            }
        }
        return false;
    }
    *ret_answer = (struct answer){.type = (uint8_t)(head >> 24), .xid = head & 0xffffff};
    while (wire_in_left(&in)) {
        uint16_t code = wire_in_u16(&in);
        struct span data = wire_in_span(&in, wire_in_u16(&in));

        if (code == OPTION_SERVERID && data.size <= DUID_SIZE_MAX) {
            memcpy(ret_answer->server_id, data.data, data.size);
            ret_answer->server_id_size = data.size;
        } else if (code == OPTION_IA_NA || code == OPTION_IA_PD) {
            unsigned kind = code == OPTION_IA_PD;
            ia_read(wire_in_from(data), kind, &ret_answer->ias[kind]);
        }
    }
    return !in.failed;
}

/* Nobody else may have, as he knows it himself, what this client is given; nor may it rest. */
static void grant_check(struct world *world, const struct client *client,
                        const struct resource *resource)
{
    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        const struct client *other = &world->clients[i];

        for (unsigned kind = 0; other != client && kind < 2; kind++) {
            if (other->told[kind].held && sec_after(other->told[kind].end, world->now) &&
                resource_equal(&other->told[kind].resource, resource)) {
                world_fail(world, "given to someone else", resource, client->index);
            }
        }
    }
    for (unsigned i = 0; i < world->declined_count && i < 64; i++) {
        if (resource_equal(&world->declined[i].resource, resource) &&
            sec_after(world->declined[i].until, world_server_now(world))) {
            world_fail(world, "given while it rests", resource, client->index);
        }
    }
}

static void grant_take(struct world *world, struct client *client, unsigned kind,
                       const struct answer_ia *ia)
{
    struct told *told = &client->told[kind];
    bool held = told->held && sec_after(told->end, world->now);

    if (held && (!ia->has_lease || !resource_equal(&told->resource, &ia->resource))) {
        world_fail(world, "no longer the client's", &told->resource, client->index);
    } else if (held && ia->valid_s == 0) {
        world_fail(world, "taken back", &told->resource, client->index);
    }
    if (!ia->has_lease || ia->valid_s == 0) {
        told->held = false;
        return;
    }
    grant_check(world, client, &ia->resource);
    world->tally.grants += !held;
    world->tally.renewals += held;
    *told = (struct told){.resource = ia->resource,
                          .end = world->now + ia->valid_s,
                          .sent_end = client->sent_s + ia->valid_s,
                          .held = true};
}

static void end_take(struct world *world, struct client *client, const struct answer *answer)
{
    if (client->type == DHCP6_RELEASE) {
        for (unsigned kind = 0; kind < 2; kind++) {
            client->told[kind].released = client->named[kind].type != 0;
        }
        world->tally.releases++;
    } else if (answer->ias[0].status != STATUS_NO_BINDING) {
        world->declined[world->declined_count++ % 64] =
            (struct declined){client->named[0], client->sent_s + WORLD_DECLINE_S};
        world->tally.declines++;
    }
}

static void answer_take(struct world *world, const struct answer *answer)
{
    struct client *client = &world->clients[answer->xid >> 16];

    if (answer->xid >> 16 >= WORLD_CLIENTS || (answer->xid & 0xffff) != client->exchange ||
        client->type == 0) {
        return;
    }
    told_expire(world, client);
    memcpy(client->server_id, answer->server_id, answer->server_id_size);
    client->server_id_size = answer->server_id_size;
    if (answer->type == DHCP6_ADVERTISE) {
        client->offered = true;
        client->offer[0] = answer->ias[0].resource;
        client->offer[1] = answer->ias[1].resource;
    } else if (client->type == DHCP6_RELEASE || client->type == DHCP6_DECLINE) {
        end_take(world, client, answer);
    } else {
        client->offered = false;
        for (unsigned kind = 0; kind < 2; kind++) {
            if (answer->ias[kind].present) {
                grant_take(world, client, kind, &answer->ias[kind]);
            }
        }
    }
    client->type = 0;
}

void clients_receive(struct world *world, unsigned lost_one_in)
{
    for (unsigned i = 0; i < world->out_count; i++) {
        const struct world_frame *frame = &world->out[i];
        struct answer answer;

        if ((lost_one_in && world_random(world, lost_one_in) == 0) ||
            world->now - frame->sent_s > NETWORK_MAX_S || frame->size <= PAYLOAD_AT ||
            frame->bytes[20] != 17) {
            continue;
        }
        if (answer_read((struct span){frame->bytes + PAYLOAD_AT, frame->size - PAYLOAD_AT},
                        &answer)) {
            answer_take(world, &answer);
        }
    }
    world->out_count = 0;
}

static void told_check(struct world *world, const struct client *client, unsigned kind)
{
    const struct told *told = &client->told[kind];
    const struct store *store = world->server->store;
    struct lease_found found;
    uint8_t duid[14];

    duid_of(client, duid);
    if (!store_find(store, &told->resource, &found)) {
        world_fail(world, "missing", &told->resource, client->index);
    } else if (!span_equal(found.lease.duid, (struct span){duid, sizeof(duid)})) {
        world_fail(world, "someone else's", &told->resource, client->index);
    } else if (found.lease.status != BINDING_ACTIVE) {
        world_fail(world, binding_status_name(found.lease.status), &told->resource, client->index);
    } else if (sec_after(told->sent_end, found.lease.times.expires_s)) {
        world_fail(world, "ends earlier than told", &told->resource, client->index);
    } else if (lease_is_over(&found.lease, world_server_now(world) - LEASE_TRANSIT_S)) {
        world_fail(world, "over, as the server sees it", &told->resource, client->index);
    }
}

/* What the client gave back is not active for it again. */
static void released_check(struct world *world, const struct client *client, unsigned kind)
{
    const struct told *told = &client->told[kind];
    struct lease_found found;
    uint8_t duid[14];

    duid_of(client, duid);
    if (store_find(world->server->store, &told->resource, &found) &&
        found.lease.status == BINDING_ACTIVE &&
        span_equal(found.lease.duid, (struct span){duid, sizeof(duid)})) {
        world_fail(world, "released, but active again", &told->resource, client->index);
    }
}

void clients_check(struct world *world)
{
    unsigned declined = world->declined_count < 64 ? world->declined_count : 64;
    struct lease_found found;

    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        told_expire(world, &world->clients[i]);
        for (unsigned kind = 0; kind < 2; kind++) {
            if (world->clients[i].told[kind].held) {
                told_check(world, &world->clients[i], kind);
            } else if (world->clients[i].told[kind].released) {
                released_check(world, &world->clients[i], kind);
            }
        }
    }
    for (unsigned i = 0; i < declined; i++) {
        const struct declined *d = &world->declined[i];

        if (sec_after(d->until, world_server_now(world)) &&
            (!store_find(world->server->store, &d->resource, &found) ||
             found.lease.status != BINDING_ABANDONED ||
             sec_after(d->until, found.lease.times.expires_s))) {
            world_fail(world, "declined, but does not rest", &d->resource, 0);
        }
    }
}

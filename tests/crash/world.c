#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <urcu/urcu-qsbr.h>

#include "server/checkpoint_walk.h"

enum {
    SEGMENT_SIZE = 64 << 10,
    BATCH_MAX = 16 << 10,
    CHECKPOINT_LEASES_MAX = 3, /* told per step, so that much happens between */
};

static const char config_text[] =
    "{ \"server\": { \"name\": \"t\", \"state_dir\": \"/nonexistent\" },"
    "  \"store\": { \"leases_max\": 400, \"remember_s\": 400 },"
    "  \"journal\": { \"horizon_s\": 60 },"
    "  \"dataplane\": { \"workers\": 2, \"ports\": [ { \"name\": \"p0\", \"device\": \"net_null0\","
    "     \"addresses\": [\"2001:db8:0:1::1\"] } ] },"
    "  \"links\": [ { \"name\": \"l0\", \"port\": \"p0\", \"subnets\": [\"2001:db8:17::/64\"],"
    "     \"relay_addresses\": [\"2001:db8:17::1\"], \"decline_s\": 500,"
    "     \"pools\": [ { \"type\": \"address\", \"range\": \"2001:db8:17::100-2001:db8:17::13f\" },"
    "                { \"type\": \"prefix\", \"range\": \"2001:db8:4000::/56\","
    "                  \"delegated_length\": 62 } ],"
    "     \"lifetimes\": { \"preferred_s\": 200, \"valid_s\": 300 }, \"rapid_commit\": true } ] }";

uint64_t world_random(struct world *world, uint64_t below)
{
    uint64_t z = world->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

sec_t world_server_now(const struct world *world)
{
    return world->now + world->clock_error;
}

void world_fail(struct world *world, const char *what, const struct resource *resource,
                unsigned client)
{
    printf("seed %" PRIu64 ", life %" PRIu64 ", client %u, %016" PRIx64 ":%016" PRIx64 "/%u: %s\n",
           world->seed, world->tally.lives, client, resource->prefix.hi, resource->prefix.lo,
           resource->length, what);
    world->failures++;
}

static void io_drop(void *ctx, struct packet *packet)
{
    (void)ctx;
    free(packet->handle);
}

static unsigned io_rx(void *ctx, unsigned port, struct packet *ret_packets, unsigned max)
{
    const struct world_io *io = ctx;
    struct world *world = io->world;
    unsigned count = 0, kept = 0;

    (void)port;
    for (unsigned i = 0; i < world->in_count; i++) {
        struct world_frame *frame = &world->in[i];
        uint8_t *buf;

        if (frame->worker != io->worker || count == max) {
            world->in[kept++] = *frame;
            continue;
        }
        buf = malloc(2 * WORLD_FRAME);
        memcpy(buf, frame->bytes, frame->size);
        ret_packets[count++] = (struct packet){.data = buf,
                                               .size = frame->size,
                                               .room = buf + WORLD_FRAME,
                                               .room_size = WORLD_FRAME,
                                               .handle = buf};
    }
    world->in_count = kept;
    return count;
}

static unsigned io_tx(void *ctx, unsigned port, struct packet *packets, unsigned count)
{
    struct world *world = ((struct world_io *)ctx)->world;

    (void)port;
    for (unsigned i = 0; i < count; i++) {
        if (world->out_count < WORLD_FRAMES && packets[i].size <= WORLD_FRAME) {
            struct world_frame *frame = &world->out[world->out_count++];

            memcpy(frame->bytes, packets[i].data, packets[i].size);
            frame->size = packets[i].size;
            frame->sent_s = world->now;
        }
        io_drop(ctx, &packets[i]);
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

struct world *world_new(uint64_t seed)
{
    struct world *world = calloc(1, sizeof(*world));
    struct config_error error;

    world->seed = world->random = seed;
    world->now = WORLD_NOW;
    world->now_ms = 1000;
    world->memdisk = memdisk_new();
    world->in = calloc(WORLD_FRAMES, sizeof(*world->in));
    world->out = calloc(WORLD_FRAMES, sizeof(*world->out));
    if (config_parse("test", config_text, strlen(config_text), &world->config, &error) != 0) {
        printf("%u: %s: %s\n", error.line, error.pointer, error.text);
        abort();
    }
    clients_init(world);
    return world;
}

void world_free(struct world *world)
{
    world_kill(world);
    memdisk_free(world->memdisk);
    config_free(world->config);
    free(world->in);
    free(world->out);
    free(world);
}

static int log_open(struct world *world)
{
    struct server *server = world->server;
    struct journal_config config = {
        .disk = memdisk_disk(world->memdisk),
        .segment_size = SEGMENT_SIZE,
        .batch_max = BATCH_MAX,
        .rings = server->rings,
        .ring_count = server->worker_count + 1,
        .checkpoint_log_max = 4 * SEGMENT_SIZE,
        .on_durable = server_on_durable,
        .ctx = server,
    };
    struct journal_stats stats;
    int r = journal_open(&config, server_replay, server, false, &server->journal, &world->damage);

    if (r == 0) {
        journal_stats_get(server->journal, &stats);
        world->tally.torn += stats.tail_cut_bytes != 0;
        r = store_load_done(server->store);
    }
    return r;
}

static void serve(struct world *world)
{
    struct server *server = world->server;
    struct policy *old = NULL;
    struct frame_port *port = &server->ports[0].frame;
    sec_t now = 0;

    T6_ASSERT(server_apply(server, world->config, &old) == 0 && old == NULL);
    T6_ASSERT(trust_boot(&world->trust, server, world_server_now(world), false, 0, &now) == 0);
    world->wall_error = world->clock_error;
    world->clock_error = now - world->now;
    sweep_arm_all(server, now);
    control_init(&world->control, server);
    server->port_count = 1;
    memcpy(port->mac, "\2\0\0\0\0\1", 6);
    port->addresses[0] = (struct ip6){0xfe80000000000000ULL, 1};
    port->addresses[1] = world->config->ports[0].addresses[0];
    port->address_count = 2;
    port->mtu = FRAME_MTU_DEFAULT;
    for (unsigned i = 0; i < server->worker_count; i++) {
        world->io[i] = (struct world_io){world, i};
        server->workers[i].io = (struct packet_io){&world->io[i], io_rx, io_tx, io_drop, io_make};
    }
}

int world_boot(struct world *world)
{
    static const uint8_t duid[] = {0, 1, 0, 1, 0x31, 0, 0, 0, 2, 0, 0, 0, 0, 1};
    struct policy_identity identity = {.server_duid = {duid, sizeof(duid)},
                                       .candidate_key = {1, 2}};
    int r;

    T6_ASSERT(world->server == NULL);
    T6_ASSERT(server_new(world->config, &identity, (struct siphash_key){5, 6},
                         world_server_now(world), &world->server) == 0);
    r = log_open(world);
    if (r) {
        server_free(world->server);
        world->server = NULL;
        return r;
    }
    world->tally.lives++;
    serve(world);
    clients_receive(world, 4); /* what left before the end */
    clients_check(world);
    return 0;
}

void world_kill(struct world *world)
{
    struct server *server = world->server;
    struct packet packet;

    if (!server) {
        return;
    }
    for (unsigned i = 0; i < server->worker_count; i++) {
        struct worker *worker = &server->workers[i];
        struct parked parked;

        while (park_pop(&worker->park, UINT64_MAX, &parked)) {
            io_drop(NULL, &parked.packet);
        }
        for (unsigned from = 0; from < server->worker_count; from++) {
            while (handover_pop(&worker->inbox[from], &packet, 1)) {
                io_drop(NULL, &packet);
            }
        }
    }
    journal_close(server->journal);
    server_free(server);
    world->server = NULL;
    world->in_count = 0; /* what was sent before has arrived, or is on the wire still */
}

void world_power_cut(struct world *world, uint64_t seed)
{
    world_kill(world);
    memdisk_power_on(world->memdisk, seed);
}

void world_worker_turn(struct world *world, unsigned worker)
{
    (void)worker_turn(&world->server->workers[worker], world->now_ms, world_server_now(world));
    urcu_qsbr_quiescent_state();
}

int world_journal_turn(struct world *world)
{
    int r = journal_turn(world->server->journal);

    urcu_qsbr_quiescent_state();
    world->tally.failed_writes += r < 0;
    return r;
}

void world_control_turn(struct world *world)
{
    struct store_retired retired;

    if (trust_turn(&world->trust, world->now_ms, world_server_now(world),
                   (int32_t)(world->wall_error - world->clock_error), false)) {
        world->clock_error = world->wall_error;
    }
    (void)control_turn(&world->control, world_server_now(world));
    urcu_qsbr_quiescent_state();
    retired = store_retired_take(world->server->store);
    if (retired.first != LEASE_SLOT_NONE) {
        store_retired_give(world->server->store, retired); /* one thread: nobody reads it */
    }
}

struct walk_ctx {
    struct world *world;
    struct checkpoint_walk walk;
    unsigned waits;
};

static bool walk_wait(void *ctx)
{
    struct walk_ctx *walk = ctx;

    if (memdisk_is_off(walk->world->memdisk) || walk->waits++ > 20) {
        return false;
    }
    (void)world_journal_turn(walk->world);
    return true;
}

/* Tells a few leases only, with room for just so many, and lets other things happen between. */
static bool walk_step(void *ctx, struct wire_out *out)
{
    struct walk_ctx *walk = ctx;
    size_t room = CHECKPOINT_LEASES_MAX * (CHANGE_RECORD_MAX + 2);
    struct wire_out part = wire_out_to(out->at, room);
    bool more;

    for (unsigned i = 0; i < 4; i++) {
        world_step(walk->world, false);
    }
    more = checkpoint_walk_step(&walk->walk, &part);
    out->at = part.at;
    out->failed = part.failed;
    return more;
}

int world_checkpoint(struct world *world)
{
    struct walk_ctx walk = {.world = world};
    int r;

    world->checkpointing = true;
    checkpoint_walk_init(&walk.walk, world->server, walk_wait, &walk);
    r = journal_checkpoint(world->server->journal, walk_step, &walk);
    world->checkpointing = false;
    world->tally.checkpoints += r == 0;
    world->tally.given_up += walk.walk.given_up;
    return r;
}

void world_settle(struct world *world)
{
    world_control_turn(world);
    (void)world_journal_turn(world);
    world_control_turn(world);
}

void world_pass(struct world *world, unsigned seconds)
{
    while (seconds && world->failures == 0) {
        unsigned step = seconds < 10 ? seconds : 10;

        world->now += step;
        world->now_ms += (msec_t)step * 1000;
        seconds -= step;
        world_settle(world);
    }
}

void world_heal(struct world *world)
{
    memdisk_fail(world->memdisk, 0, 0);
    memdisk_limit(world->memdisk, UINT64_MAX);
    memdisk_read_only(world->memdisk, false);
}

static void disk_trouble(struct world *world)
{
    switch (world_random(world, 5)) {
    case 0:
        memdisk_fail(world->memdisk, -EIO, 1 + (unsigned)world_random(world, 8));
        break;
    case 1:
        memdisk_fail(world->memdisk, -ENOSPC, 1 + (unsigned)world_random(world, 8));
        break;
    case 2:
        memdisk_limit(world->memdisk,
                      memdisk_used(world->memdisk) + world_random(world, 2 * SEGMENT_SIZE));
        break;
    case 3:
        memdisk_read_only(world->memdisk, true);
        break;
    default:
        world_heal(world);
        break;
    }
}

void world_step(struct world *world, bool faults)
{
    uint64_t chance = world_random(world, 1000);

    world->now_ms += world_random(world, 30);
    if (chance < 450) {
        client_act(world, &world->clients[world_random(world, WORLD_CLIENTS)]);
    } else if (chance < 650) {
        world_worker_turn(world, (unsigned)world_random(world, WORLD_WORKERS));
    } else if (chance < 790) {
        (void)world_journal_turn(world);
    } else if (chance < 890) {
        clients_receive(world, 8);
    } else if (chance < 930) {
        world_control_turn(world);
    } else if (chance < 965) {
        unsigned seconds = (unsigned)world_random(world, 3);
        world->now += seconds;
        world->now_ms += seconds * 1000;
    } else if (chance < 970) {
        world_pass(world, (unsigned)world_random(world, 400));
    } else if (chance < 985 && !world->checkpointing) {
        world->tally.failed_writes += journal_prepare(world->server->journal) < 0;
    } else if (chance < 990 && !world->checkpointing) {
        world->tally.failed_writes += world_checkpoint(world) != 0;
    } else if (faults) {
        disk_trouble(world);
    }
}

void world_drain(struct world *world)
{
    world_settle(world);
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned worker = 0; worker < WORLD_WORKERS; worker++) {
            world_worker_turn(world, worker);
        }
        (void)world_journal_turn(world);
        clients_receive(world, 0);
    }
}

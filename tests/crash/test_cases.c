/* Accidents one by one: each has a moment that chance seldom meets. */
#include <stdlib.h>

#include <urcu/urcu-qsbr.h>

#include "check.h"
#include "server/checkpoint_walk.h"
#include "world.h"

static struct world *world_serving(uint64_t seed)
{
    struct world *world = world_new(seed);

    urcu_qsbr_register_thread();
    CHECK_EQ(world_boot(world), 0);
    world_settle(world);
    return world;
}

static void world_end(struct world *world)
{
    CHECK_EQ(world->failures, 0);
    world_free(world);
    urcu_qsbr_unregister_thread();
}

/* Both workers, without the journal: what leaves now waits for nothing. */
static void workers_turn(struct world *world)
{
    for (unsigned i = 0; i < 2 * WORLD_WORKERS; i++) {
        world_worker_turn(world, i % WORLD_WORKERS);
    }
}

static void client_bind(struct world *world, struct client *client)
{
    client->rapid = true;
    client_send(world, client, DHCP6_SOLICIT);
    world_drain(world);
    client->rapid = false;
    CHECK(client->told[0].held && client->told[1].held);
}

static void client_name_all(struct client *client)
{
    client->named[0] = client->told[0].resource;
    client->named[1] = client->told[1].resource;
}

static bool log_has(const struct world *world, char *name, size_t *ret_size)
{
    for (unsigned number = 1; number < 20; number++) {
        (void)snprintf(name, DISK_NAME_MAX, "log-%016x", number);
        if (memdisk_bytes(world->memdisk, name, ret_size)) {
            return true;
        }
    }
    return false;
}

/* First octet from which two images of a file differ; size when they do not. */
static size_t difference(const uint8_t *a, const uint8_t *b, size_t size)
{
    size_t at = 0;

    while (at < size && a[at] == b[at]) {
        at++;
    }
    return at;
}

/* The write of the last batch stops after octet `kept`: everything told before holds. */
static void torn_boot(struct world *world, const struct memdisk *before, const char *name,
                      const uint8_t *bytes, size_t size)
{
    struct memdisk *whole = world->memdisk;

    world->memdisk = memdisk_clone(before);
    CHECK_EQ(memdisk_put(world->memdisk, name, bytes, size), 0);
    CHECK_EQ(world_boot(world), 0);
    world_kill(world);
    memdisk_free(world->memdisk);
    world->memdisk = whole;
}

static void test_torn_at_every_octet(void)
{
    struct world *world = world_serving(1);
    struct memdisk *before;
    uint8_t *torn, *whole;
    char name[DISK_NAME_MAX];
    size_t size = 0, first;

    for (unsigned i = 0; i < 6; i++) {
        client_bind(world, &world->clients[i]);
    }
    before = memdisk_clone(world->memdisk);
    for (unsigned i = 0; i < 6; i++) { /* one batch: renewals, a release, a new client */
        client_name_all(&world->clients[i]);
        client_send(world, &world->clients[i], i == 3 ? DHCP6_RELEASE : DHCP6_RENEW);
    }
    world->clients[3].told[0].held = world->clients[3].told[1].held = false;
    world->clients[7].rapid = true;
    client_send(world, &world->clients[7], DHCP6_SOLICIT);
    workers_turn(world);
    CHECK(world_journal_turn(world) > 0);
    world_kill(world);
    CHECK(log_has(world, name, &size));
    whole = malloc(size);
    torn = malloc(size);
    memcpy(whole, memdisk_bytes(world->memdisk, name, &size), size);
    memcpy(torn, memdisk_bytes(before, name, &size), size);
    first = difference(whole, torn, size);
    CHECK(first < size && first % DISK_BLOCK == 0);
    for (size_t kept = 0; kept <= 2 * DISK_BLOCK && check_failures == 0; kept++) {
        torn_boot(world, before, name, torn, size);
        CHECK_EQ(world->failures, 0);
        torn[first + kept] = whole[first + kept];
    }
    CHECK(memcmp(torn, whole, size) == 0);
    torn_boot(world, before, name, whole, size);
    memdisk_free(before);
    free(whole);
    free(torn);
    world_end(world);
}

/* A walk of a checkpoint, one lease a step, in which a client moves from a slot that is still to
 * come to one that was passed; the journal thread sleeps until the walk waits. */
struct moving {
    struct world *world;
    struct checkpoint_walk walk;
    struct client *client;
    uint32_t slot;
    bool moved, waited, patient;
};

static bool moving_wait(void *ctx)
{
    struct moving *moving = ctx;

    moving->waited = true;
    return moving->patient && world_journal_turn(moving->world) >= 0;
}

static bool moving_step(void *ctx, struct wire_out *out)
{
    struct moving *moving = ctx;
    struct wire_out part = wire_out_to(out->at, 3 * (CHANGE_RECORD_MAX + 2));
    struct client *client = moving->client;
    bool more;

    if (!moving->moved && moving->walk.slot > 2) {
        moving->moved = true;
        client->relay = 1; /* another Interface-Id: the lease gets a new slot */
        client_name_all(client);
        client_send(moving->world, client, DHCP6_RENEW);
        workers_turn(moving->world);
    }
    more = checkpoint_walk_step(&moving->walk, &part);
    out->at = part.at;
    out->failed = part.failed;
    return more;
}

static void checkpoint_while_moving(bool patient)
{
    struct world *world = world_serving(2);
    struct moving moving = {.world = world, .client = &world->clients[9], .patient = patient};
    int r;

    for (unsigned i = 0; i < 10; i++) {
        client_bind(world, &world->clients[i]);
    }
    /* Gone before the walk, so that the moving lease finds room in front of it. */
    for (unsigned i = 0; i < 2; i++) {
        world->clients[i].relay = 2;
        client_name_all(&world->clients[i]);
        client_send(world, &world->clients[i], DHCP6_RENEW);
        world_drain(world);
    }
    checkpoint_walk_init(&moving.walk, world->server, moving_wait, &moving);
    r = journal_checkpoint(world->server->journal, moving_step, &moving);
    CHECK(moving.moved && moving.waited);
    CHECK_EQ(r == 0, patient);
    world_kill(world);
    CHECK_EQ(world_boot(world), 0);
    world_end(world);
}

static void test_checkpoint_waits_for_a_moved_lease(void)
{
    checkpoint_while_moving(true);
    checkpoint_while_moving(false);
}

static void test_repeated_release_waits(void)
{
    struct world *world = world_serving(3);
    struct client *client = &world->clients[0];

    client_bind(world, client);
    client_name_all(client);
    client->told[0].held = client->told[1].held = false;
    client_send(world, client, DHCP6_RELEASE);
    workers_turn(world);
    for (unsigned i = 0; i < 8; i++) { /* at either worker */
        client_send(world, client, 0);
        workers_turn(world);
    }
    clients_receive(world, 0);
    CHECK(!client->told[0].released);
    CHECK(world_journal_turn(world) > 0);
    workers_turn(world);
    clients_receive(world, 0);
    CHECK(client->told[0].released && client->told[1].released);
    world_kill(world);
    CHECK_EQ(world_boot(world), 0);
    world_end(world);
}

static uint64_t version_of(const struct world *world, const struct resource *resource)
{
    struct lease_found found;

    return store_find(world->server->store, resource, &found) ? found.lease.version : 0;
}

/* Design invariant 7: the versions of a resource never restart, whatever was forgotten when. */
static void test_versions_never_restart(void)
{
    struct world *world = world_serving(4);
    struct client *client = &world->clients[0];
    struct resource resource;
    uint64_t before;

    client_bind(world, client);
    resource = client->told[0].resource;
    for (unsigned i = 0; i < 20; i++) {
        client_name_all(client);
        client_send(world, client, DHCP6_RENEW);
        world_drain(world);
    }
    before = version_of(world, &resource);
    CHECK(before > 20);
    world_pass(world, WORLD_VALID_S + 500); /* expired, and forgotten */
    CHECK_EQ(version_of(world, &resource), 0);
    CHECK_EQ(world_checkpoint(world), 0); /* and the records out of the log */
    world_kill(world);
    CHECK_EQ(world_boot(world), 0);
    world_settle(world);
    client->told[0].held = client->told[1].held = client->offered = false;
    client_bind(world, client);
    CHECK(ip6_equal(client->told[0].resource.prefix, resource.prefix));
    CHECK(version_of(world, &resource) > before);
    world_kill(world);
    CHECK_EQ(world_boot(world), 0);
    world_end(world);
}

/* Nothing new is promised while the disk refuses; silence at the horizon; service by itself
 * afterwards. */
static void disk_refuses(void (*refuse)(struct world *world))
{
    struct world *world = world_serving(5);
    struct client *client = &world->clients[0];

    client_bind(world, client);
    refuse(world);
    client_name_all(client);
    client_send(world, client, DHCP6_RENEW);
    world_drain(world);
    CHECK(client->type == DHCP6_RENEW); /* no answer */
    CHECK(world_journal_turn(world) < 0);
    world_control_turn(world);
    CHECK(atomic_load(&world->server->alarms) & ALARM_STORAGE);
    world_pass(world, WORLD_HORIZON_S + 10);
    CHECK(atomic_load(&world->server->alarms) & ALARM_HORIZON);
    client_send(world, &world->clients[1], DHCP6_SOLICIT);
    world_drain(world);
    CHECK(world->clients[1].type == DHCP6_SOLICIT && !world->clients[1].offered);
    world_heal(world);
    world_settle(world);
    world_settle(world);
    CHECK_EQ(atomic_load(&world->server->alarms) & (ALARM_STORAGE | ALARM_HORIZON), 0);
    client_send(world, client, DHCP6_RENEW);
    world_drain(world);
    CHECK(client->type == 0);
    world_kill(world);
    CHECK_EQ(world_boot(world), 0);
    world_end(world);
}

static void refuse_eio(struct world *world)
{
    memdisk_fail(world->memdisk, -EIO, 1000);
}

static void refuse_enospc(struct world *world)
{
    memdisk_fail(world->memdisk, -ENOSPC, 1000);
}

static void refuse_erofs(struct world *world)
{
    memdisk_read_only(world->memdisk, true);
}

static void test_disk_refuses(void)
{
    disk_refuses(refuse_eio);
    disk_refuses(refuse_enospc);
    disk_refuses(refuse_erofs);
}

/* Design invariant 10: started with a clock behind the log's, the server neither ends nor reuses
 * leases. */
static void test_clock_behind_at_start(void)
{
    struct world *world = world_serving(6);
    unsigned held = 0;

    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        client_bind(world, &world->clients[i]);
    }
    world_kill(world);
    world->clock_error = (sec_t)-86400;
    CHECK_EQ(world_boot(world), 0);
    CHECK(!atomic_load(&world->server->clock_trusted));
    world_settle(world);
    CHECK(atomic_load(&world->server->alarms) & ALARM_CLOCK);
    for (unsigned i = 0; i < WORLD_CLIENTS / 2; i++) { /* known clients are served all the same */
        client_name_all(&world->clients[i]);
        client_send(world, &world->clients[i], DHCP6_RENEW);
        world_drain(world);
        held += world->clients[i].told[0].held && world->clients[i].type == 0;
    }
    CHECK_EQ(held, WORLD_CLIENTS / 2);
    world_pass(world, WORLD_VALID_S + 60);
    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        struct lease_found found;

        CHECK(store_find(world->server->store, &world->clients[i].told[0].resource, &found) &&
              found.lease.status == BINDING_ACTIVE);
    }
    CHECK(!atomic_load(&world->server->clock_trusted));
    world_end(world);
}

/* Started with a clock far ahead, which would end every lease at once: nothing ends, nobody else
 * gets anything, and clients that renew keep what they have over the clock's correction. */
static void test_clock_ahead_at_start(void)
{
    struct world *world = world_serving(8);

    for (unsigned i = 0; i < WORLD_CLIENTS / 2; i++) {
        client_bind(world, &world->clients[i]);
    }
    world_kill(world);
    world->now += 100;
    world->clock_error = 90 * 86400;
    CHECK_EQ(world_boot(world), 0);
    CHECK(!atomic_load(&world->server->clock_trusted));
    world_settle(world);
    CHECK(atomic_load(&world->server->alarms) & ALARM_CLOCK);
    for (unsigned i = WORLD_CLIENTS / 2; i < WORLD_CLIENTS; i++) { /* new clients are served */
        client_bind(world, &world->clients[i]);
    }
    clients_check(world);
    for (unsigned i = 0; i < WORLD_CLIENTS / 2; i++) {
        struct lease_found found;

        CHECK(store_find(world->server->store, &world->clients[i].told[0].resource, &found) &&
              found.lease.status == BINDING_ACTIVE);
    }
    world->wall_error = 0; /* somebody sets it right */
    world_settle(world);
    CHECK_EQ(world->clock_error, 0);
    CHECK_EQ(atomic_load(&world->server->alarms) & ALARM_CLOCK, 0);
    world_pass(world, WORLD_VALID_S - 10);
    clients_check(world);
    CHECK(!atomic_load(&world->server->clock_trusted));
    world_pass(world, 60);
    CHECK(atomic_load(&world->server->clock_trusted));
    world_end(world);
}

/* What was promised under such a clock holds when the clock is right again. */
static void test_clock_set_right(void)
{
    struct world *world = world_serving(7);

    for (unsigned i = 0; i < 10; i++) {
        client_bind(world, &world->clients[i]);
    }
    world_kill(world);
    world->now += 200; /* nobody knows for how long it was off */
    world->clock_error = (sec_t)-86400;
    CHECK_EQ(world_boot(world), 0);
    world_settle(world);
    for (unsigned i = 5; i < 20; i++) { /* known and new */
        client_name_all(&world->clients[i]);
        client_send(world, &world->clients[i], i < 10 ? DHCP6_RENEW : DHCP6_SOLICIT);
        world_drain(world);
        if (i >= 10) {
            client_bind(world, &world->clients[i]);
        }
    }
    world_kill(world);
    world->clock_error = 0;
    CHECK_EQ(world_boot(world), 0);
    world_settle(world);
    CHECK_EQ(atomic_load(&world->server->alarms) & ALARM_CLOCK, 0);
    world_pass(world, WORLD_VALID_S - 10);
    clients_check(world);
    world_end(world);
}

static const struct check_test tests[] = {
    {"torn_at_every_octet", test_torn_at_every_octet},
    {"checkpoint_waits_for_a_moved_lease", test_checkpoint_waits_for_a_moved_lease},
    {"repeated_release_waits", test_repeated_release_waits},
    {"versions_never_restart", test_versions_never_restart},
    {"disk_refuses", test_disk_refuses},
    {"clock_behind_at_start", test_clock_behind_at_start},
    {"clock_ahead_at_start", test_clock_ahead_at_start},
    {"clock_set_right", test_clock_set_right},
};

CHECK_MAIN(tests)

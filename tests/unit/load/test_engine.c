/* Whole runs against fake servers in virtual time: repetition, two servers, rates, what is counted.
 */
#include <stdlib.h>
#include <unistd.h>

#include "../../check.h"
#include "dhcp6/message.h"
#include "engine.h"
#include "fake.h"
#include "save.h"

enum {
    CLIENTS = 1000,
};

#define NS_PER_S 1000000000ULL

struct world {
    struct settings settings;
    struct fake *fake;
    struct engine *engine;
};

/* Settings may be changed until world_start. */
static void world_init(struct world *world, enum op op)
{
    world->settings = (struct settings){.client_count = CLIENTS,
                                        .first_client = 5000,
                                        .seed = 7,
                                        .relays = {{0x20010db8000000ff, 1}},
                                        .relay_count = 1,
                                        .server_count = 1,
                                        .na = true,
                                        .pd = true,
                                        .window = 32,
                                        .once = true,
                                        .renew_tries = 2,
                                        .backoff_scale = 1,
                                        .valid_min_s = 1,
                                        .valid_max_s = UINT32_MAX};
    world->settings.weights[op] = 1;
    world->fake = fake_new(&world->settings);
    world->fake->delay_ns = 1000000;
    world->engine = NULL;
}

static void world_make(struct world *world)
{
    world->engine = aligned_alloc(CACHE_LINE, sizeof(*world->engine));
    T6_ASSERT(world->engine);
    CHECK_EQ(engine_init(world->engine, &world->settings, fake_io(world->fake)), 0);
}

/* Clients hold the leases the fake servers give. */
static void world_bind(struct world *world)
{
    static const uint8_t server_id[10] = {0, 3, 0, 1, 2, 0xfa};

    CHECK_EQ(tally_server_index(&world->engine->tally, (struct span){server_id, sizeof(server_id)}),
             0);
    for (uint32_t i = 0; i < world->settings.client_count; i++) {
        struct leases leases = fake_leases(world->settings.first_client + i);

        CHECK_EQ(engine_lease_set(world->engine, i, 0, &leases), 0);
    }
}

static void world_run(struct world *world, double seconds)
{
    engine_start(world->engine);
    fake_run(world->fake, world->engine, seconds);
    CHECK_EQ(tally_wrong(&world->engine->tally), 0);
    CHECK_EQ(world->fake->unreadable, 0);
}

static void world_done(struct world *world)
{
    if (world->engine) {
        engine_done(world->engine);
        free(world->engine);
    }
    fake_free(world->fake);
}

static uint64_t sent(const struct world *world, enum message_kind kind)
{
    return world->engine->tally.messages[kind].sent;
}

static void all_get_leases(void)
{
    struct world world;

    world_init(&world, OP_NEW);
    world_make(&world);
    world_run(&world, 60);
    CHECK_EQ(world.engine->crowd.bound_count, CLIENTS);
    CHECK_EQ(world.engine->tally.finished, CLIENTS);
    CHECK_EQ(sent(&world, MESSAGE_SOLICIT), CLIENTS);
    CHECK_EQ(sent(&world, MESSAGE_REQUEST), CLIENTS);
    CHECK(world.engine->tally.all_bound_ns > 0);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct leases leases = fake_leases(5000 + i);

        CHECK(ip6_equal(world.engine->crowd.clients[i].address, leases.address));
        CHECK(world.engine->crowd.clients[i].prefix == leases.prefix);
    }
    world_done(&world);
}

/* Every op in turn, with losses: nobody loses a lease and nothing is found wrong. */
static void mix_with_losses(void)
{
    struct world world;

    world_init(&world, OP_NEW);
    for (unsigned op = 0; op < OP_COUNT; op++) {
        world.settings.weights[op] = op + 1;
    }
    world.settings.once = false;
    world.fake->loss_percent = 20;
    world_make(&world);
    world_run(&world, 600);
    for (unsigned kind = 0; kind < MESSAGE_KINDS; kind++) {
        CHECK(world.engine->tally.messages[kind].answered > 100);
        CHECK(world.engine->tally.messages[kind].retransmitted > 10);
    }
    CHECK(world.engine->tally.finished > 10000);
    CHECK_EQ(world.engine->tally.reboot_moved, 0);
    world_done(&world);
}

/* Transmissions of one unanswered message, as RFC 9915 14 spaces them. */
static void back_off_of(enum op op, double irt_s, double mrt_s, unsigned sent_max, double seconds)
{
    struct world world;
    const uint64_t *times;
    double previous_s = 0;

    world_init(&world, op);
    world.settings.client_count = 1;
    world.settings.renew_tries = 0;
    world.fake->servers[0].dead = true;
    world_make(&world);
    if (op != OP_NEW) {
        world_bind(&world);
    }
    world_run(&world, seconds);
    times = world.fake->send_times_ns;
    for (unsigned i = 1; i < world.fake->datagrams && i < sent_max; i++) {
        double rt_s = (double)(times[i] - times[i - 1]) / 1e9, low, high;

        low = i == 1 ? irt_s * (op == OP_NEW ? 1.0 : 0.9) : previous_s * 1.9;
        high = i == 1 ? irt_s * 1.1 : previous_s * 2.1;
        if (mrt_s > 0 && high > mrt_s) {
            high = mrt_s * 1.1;
            low = low < mrt_s * 0.9 ? low : mrt_s * 0.9;
        }
        CHECK(rt_s >= low - 0.003 && rt_s <= high + 0.003);
        previous_s = rt_s;
    }
    CHECK(world.fake->datagrams >= 4);
    world_done(&world);
}

static void back_off(void)
{
    back_off_of(OP_NEW, 1, 3600, 12, 20000);
    back_off_of(OP_RENEW, 10, 600, 8, 3500);
    back_off_of(OP_REBIND, 10, 600, 8, 3500);
    back_off_of(OP_RELEASE, 1, 0, 4, 100);
}

/* REL_MAX_RC transmissions, then the client gives up. */
static void release_gives_up(void)
{
    struct world world;

    world_init(&world, OP_RELEASE);
    world.settings.client_count = 1;
    world.fake->servers[0].dead = true;
    world_make(&world);
    world_bind(&world);
    world_run(&world, 1000);
    CHECK_EQ(sent(&world, MESSAGE_RELEASE), 4);
    CHECK_EQ(world.engine->tally.timeouts, 1);
    CHECK_EQ(world.engine->crowd.bound_count, 0);
    world_done(&world);
}

/* The server of all leases is dead: RENEWs become REBINDs, which the other one answers. */
static void dead_server_is_replaced(void)
{
    struct world world;

    world_init(&world, OP_RENEW);
    world.settings.server_count = 2;
    world.fake->server_count = 2;
    world.fake->servers[0].dead = true;
    world_make(&world);
    world_bind(&world);
    world_run(&world, 36000);
    CHECK_EQ(sent(&world, MESSAGE_RENEW), 2 * CLIENTS);
    CHECK_EQ(sent(&world, MESSAGE_REBIND), CLIENTS);
    CHECK_EQ(world.engine->tally.renews_rebound, CLIENTS);
    CHECK_EQ(world.engine->tally.finished, CLIENTS);
    CHECK_EQ(world.engine->tally.servers[1].answered, CLIENTS);
    CHECK_EQ(world.engine->crowd.bound_count, CLIENTS);
    CHECK_EQ(world.engine->crowd.clients[0].server, 1);
    world_done(&world);
}

/* Both servers answer a REBIND; the second answer is told apart from a wrong one. */
static void second_answers_are_repeated(void)
{
    struct world world;

    world_init(&world, OP_REBIND);
    world.settings.server_count = 2;
    world.fake->server_count = 2;
    world_make(&world);
    world_bind(&world);
    world.settings.once = false; /* so that the run goes on until the last answer */
    world_run(&world, 10);
    CHECK(world.engine->tally.verdicts[VERDICT_good] > CLIENTS);
    CHECK(world.engine->tally.verdicts[VERDICT_repeated] +
              world.engine->tally.verdicts[VERDICT_late] >
          CLIENTS);
    world_done(&world);
}

/* With collection the preferred server is taken, without it the first. */
static void preference_is_heeded(void)
{
    for (unsigned collect_ms = 0; collect_ms <= 20; collect_ms += 20) {
        struct world world;

        world_init(&world, OP_NEW);
        world.settings.server_count = 2;
        world.settings.collect_ms = collect_ms;
        world.fake->server_count = 2;
        world.fake->servers[1].preference = 10;
        world_make(&world);
        world_run(&world, 100);
        CHECK_EQ(world.engine->crowd.bound_count, CLIENTS);
        CHECK_EQ(world.engine->crowd.clients[0].server, collect_ms ? 1 : 0);
        world_done(&world);
    }
}

static bool refuse_as_first(struct fake *fake, struct fake_answer *answer)
{
    (void)fake;
    if (answer->server_id[6] == 0) {
        answer->na.lease_count = 0;
        answer->na.status = 2;
    }
    return true;
}

/* One server has nothing left: the other's offer counts. */
static void refusal_of_one_is_no_refusal(void)
{
    struct world world;

    world_init(&world, OP_NEW);
    world.settings.server_count = 2;
    world.fake->server_count = 2;
    world.fake->spoil = refuse_as_first;
    world_make(&world);
    world_run(&world, 100);
    CHECK_EQ(world.engine->crowd.bound_count, CLIENTS);
    CHECK_EQ(world.engine->tally.advertise_refused, CLIENTS);
    CHECK_EQ(world.engine->tally.refused, 0);
    CHECK_EQ(world.engine->tally.messages[MESSAGE_SOLICIT].answered, CLIENTS);
    CHECK_EQ(world.engine->tally.messages[MESSAGE_REQUEST].answered, CLIENTS);
    world_done(&world);
    /* The other one is dead: after a time without an offer it is one. */
    world_init(&world, OP_NEW);
    world.settings.server_count = 2;
    world.fake->spoil = refuse_as_first;
    world_make(&world);
    world_run(&world, 100);
    CHECK_EQ(world.engine->tally.refused, CLIENTS);
    CHECK_EQ(world.engine->tally.messages[MESSAGE_SOLICIT].answered, CLIENTS);
    CHECK(world.engine->tally.gap.longest_ns < 10000000);
    world_done(&world);
}

/* A refusal is of the SOLICIT; a REQUEST that gets lost later is repeated all the same. */
static void refusal_is_forgotten(void)
{
    struct world world;

    world_init(&world, OP_NEW);
    world.settings.server_count = 2;
    world.fake->server_count = 2;
    world.fake->spoil = refuse_as_first;
    world.fake->loss_percent = 30;
    world_make(&world);
    world_run(&world, 10000);
    CHECK(world.engine->tally.messages[MESSAGE_REQUEST].retransmitted > CLIENTS / 10);
    CHECK_EQ(world.engine->tally.timeouts, 0);
    CHECK_EQ(world.engine->crowd.bound_count + world.engine->tally.refused, CLIENTS);
    /* Whoever came to ask for a lease got it. */
    CHECK_EQ(sent(&world, MESSAGE_REQUEST) -
                 world.engine->tally.messages[MESSAGE_REQUEST].retransmitted,
             world.engine->crowd.bound_count);
    CHECK(world.engine->crowd.bound_count > CLIENTS / 2);
    world_done(&world);
}

static bool moved(struct fake *fake, struct fake_answer *answer)
{
    (void)fake;
    answer->na.leases[0].prefix.lo += 100000;
    return true;
}

/* A rebooted client that gets another lease is counted, and holds the new one. */
static void reboot_is_followed(void)
{
    struct world world;

    world_init(&world, OP_REBOOT);
    world.fake->spoil = moved;
    world_make(&world);
    world_bind(&world);
    world_run(&world, 100);
    CHECK_EQ(world.engine->tally.reboot_moved, CLIENTS);
    CHECK_EQ(world.engine->crowd.bound_count, CLIENTS);
    CHECK_EQ(world.engine->crowd.clients[3].address.lo, 5000 + 3 + 1 + 100000);
    world_done(&world);
}

/* All start within a second; half of all answers get lost; all have leases in the end. */
static void avalanche_binds_all(void)
{
    struct world world;

    world_init(&world, OP_NEW);
    world.settings.avalanche = true;
    world.fake->loss_percent = 50;
    world_make(&world);
    world_run(&world, 20000);
    CHECK(engine_is_finished(world.engine));
    CHECK_EQ(world.engine->crowd.bound_count, CLIENTS);
    CHECK(world.engine->tally.all_bound_ns > 1 * NS_PER_S);
    CHECK(sent(&world, MESSAGE_SOLICIT) > CLIENTS * 3 / 2);
    world_done(&world);
}

struct stall {
    uint64_t from_ns, to_ns;
};

/* Answers of that time come at its end. */
static bool stall(struct fake *fake, struct fake_answer *answer)
{
    const struct stall *stall = fake->spoil_ctx;

    (void)answer;
    fake->delay_ns = fake->now_ns >= stall->from_ns && fake->now_ns < stall->to_ns
                         ? stall->to_ns - fake->now_ns
                         : 1000000;
    return true;
}

/* Open loop: the rate is kept whatever happens, and a second of silence shows in the latencies of
 * all that should have been answered meanwhile. */
static void open_loop_sees_a_stall(void)
{
    struct world world;
    struct stall time;
    struct histogram_picture picture = {.count = 0};

    world_init(&world, OP_RENEW);
    world.settings.window = 0;
    world.settings.rate = 100;
    world.settings.once = false;
    world_make(&world);
    world_bind(&world);
    time = (struct stall){world.fake->now_ns + 5 * NS_PER_S, world.fake->now_ns + 6 * NS_PER_S};
    world.fake->spoil = stall;
    world.fake->spoil_ctx = &time;
    world_run(&world, 10);
    CHECK(world.engine->tally.started >= 1000 && world.engine->tally.started <= 1002);
    CHECK_EQ(world.engine->tally.skipped, 0);
    histogram_gather(&world.engine->tally.messages[MESSAGE_RENEW].latency, &picture);
    /* 5 % of all waited for 500 ms or more. */
    CHECK(histogram_quantile(&picture, 940) > 400000000);
    CHECK(histogram_quantile(&picture, 890) < 10000000);
    CHECK(world.engine->tally.gap.longest_ns > 980000000);
    CHECK(world.engine->tally.gap.longest_ns < 1020000000);
    CHECK(world.engine->tally.gap.longest_at_ns >= time.from_ns);
    world_done(&world);
}

/* A later run begins with what the former saved. */
static void leases_survive_a_run(void)
{
    char path[] = "/tmp/test_load_XXXXXX";
    int fd = mkstemp(path);
    struct world first, second;

    CHECK(fd >= 0);
    close(fd);
    world_init(&first, OP_NEW);
    world_make(&first);
    world_run(&first, 100);
    CHECK_EQ(save_write(first.engine, path, 1000000), 0);
    world_init(&second, OP_RENEW);
    second.settings.first_client += 10;
    world_make(&second);
    CHECK_EQ(save_read(second.engine, path, 1000100), 0);
    CHECK_EQ(second.engine->crowd.bound_count, CLIENTS - 10);
    CHECK_EQ(second.engine->crowd.clients[0].valid_until_s, FAKE_VALID_S - 100);
    world_run(&second, 100);
    CHECK_EQ(second.engine->tally.finished, CLIENTS - 10);
    world_done(&second);
    /* All times are over. */
    world_init(&second, OP_RENEW);
    world_make(&second);
    CHECK_EQ(save_read(second.engine, path, 1000000 + FAKE_VALID_S + 1), 0);
    CHECK_EQ(second.engine->crowd.bound_count, 0);
    world_done(&second);
    world_done(&first);
    unlink(path);
}

/* The run ends and its leases with it, unextended. */
static void leases_expire(void)
{
    struct world world;

    world_init(&world, OP_RENEW);
    world.fake->servers[0].dead = true;
    world_make(&world);
    world_bind(&world);
    world_run(&world, 200000);
    CHECK(engine_is_finished(world.engine));
    CHECK_EQ(world.engine->tally.expired, CLIENTS);
    CHECK_EQ(world.engine->crowd.bound_count, 0);
    world_done(&world);
}

static void clients_on_the_wire(void)
{
    struct world world;

    world_init(&world, OP_NEW);
    world.settings.direct = true;
    world.settings.relay_count = 0;
    world_make(&world);
    world_run(&world, 100);
    CHECK_EQ(world.engine->crowd.bound_count, CLIENTS);
    world_done(&world);
}

static const struct check_test tests[] = {
    {"all_get_leases", all_get_leases},
    {"mix_with_losses", mix_with_losses},
    {"back_off", back_off},
    {"release_gives_up", release_gives_up},
    {"dead_server_is_replaced", dead_server_is_replaced},
    {"second_answers_are_repeated", second_answers_are_repeated},
    {"preference_is_heeded", preference_is_heeded},
    {"refusal_of_one_is_no_refusal", refusal_of_one_is_no_refusal},
    {"refusal_is_forgotten", refusal_is_forgotten},
    {"reboot_is_followed", reboot_is_followed},
    {"avalanche_binds_all", avalanche_binds_all},
    {"open_loop_sees_a_stall", open_loop_sees_a_stall},
    {"leases_survive_a_run", leases_survive_a_run},
    {"leases_expire", leases_expire},
    {"clients_on_the_wire", clients_on_the_wire},
};

CHECK_MAIN(tests)

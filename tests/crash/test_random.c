/* Lives of a server by chance: load, an end at any moment by kill or power cut, replay, and what
 * clients were told still holds. CRASH_SEED (the first) and CRASH_WORLDS say which; a failure
 * prints its seed. */
#include <stdlib.h>

#include <urcu/urcu-qsbr.h>

#include "check.h"
#include "world.h"

enum {
    WORLDS = 150,
    LIVES = 12,
    STEPS_MAX = 500,
};

static uint64_t from_environment(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : fallback;
}

/* Boots, now and then with the power failing once more on the way. */
static bool boot(struct world *world)
{
    int r;

    if (world_random(world, 5) == 0) {
        memdisk_cut_at(world->memdisk,
                       memdisk_operations(world->memdisk) + 1 + world_random(world, 5),
                       world_random(world, 5000), 0);
        r = world_boot(world);
        world->tally.failed_boots += r != 0;
        world_power_cut(world, world_random(world, 3));
    }
    r = world_boot(world);
    if (r) {
        printf("seed %" PRIu64 ", life %" PRIu64 ": the log does not open: %d %s\n", world->seed,
               world->tally.lives, r, world->damage.text);
        world->failures++;
        return false;
    }
    world_settle(world);
    return world->failures == 0;
}

static void end(struct world *world)
{
    uint64_t tear = world_random(world, 3);

    if (world_random(world, 2)) {
        world_heal(world);
        world_kill(world);
        return;
    }
    world_heal(world);
    memdisk_cut_at(world->memdisk, memdisk_operations(world->memdisk) + 1 + world_random(world, 6),
                   tear ? world_random(world, 9000) : 0,
                   tear == 2 ? world_random(world, 1u << 30) + 1 : 0);
    for (unsigned i = 0; i < 100 && !memdisk_is_off(world->memdisk) && world->failures == 0; i++) {
        world_step(world, false);
    }
    world_power_cut(world, world_random(world, 2) ? world_random(world, 1u << 30) + 1 : 0);
}

static struct world_tally total;

static bool world_run(uint64_t seed, bool faults)
{
    struct world *world = world_new(seed);
    uint64_t *sums = (uint64_t *)&total;
    bool good;

    for (unsigned life = 0; life < LIVES && boot(world); life++) {
        unsigned steps = (unsigned)world_random(world, STEPS_MAX);

        for (unsigned i = 0; i < steps && world->failures == 0; i++) {
            world_step(world, faults);
        }
        end(world);
    }
    for (size_t i = 0; i < sizeof(total) / sizeof(*sums); i++) {
        sums[i] += ((const uint64_t *)&world->tally)[i];
    }
    good = world->failures == 0;
    world_free(world);
    return good;
}

static void worlds_run(bool faults)
{
    uint64_t first = from_environment("CRASH_SEED", 1);
    uint64_t count = from_environment("CRASH_WORLDS", WORLDS);

    urcu_qsbr_register_thread();
    total = (struct world_tally){0};
    for (uint64_t seed = first; seed < first + count; seed++) {
        CHECK(world_run(seed, faults));
    }
    printf("%" PRIu64 " lives: %" PRIu64 " grants, %" PRIu64 " renewals, %" PRIu64
           " releases, %" PRIu64 " declines; %" PRIu64 " checkpoints, %" PRIu64
           " given up; %" PRIu64 " torn tails, %" PRIu64 " failed writes, %" PRIu64
           " ended at boot\n",
           total.lives, total.grants, total.renewals, total.releases, total.declines,
           total.checkpoints, total.given_up, total.torn, total.failed_writes, total.failed_boots);
    if (count >= WORLDS) { /* a run in which nothing happens proves nothing */
        CHECK(total.grants > 5 * WORLDS && total.renewals > 5 * WORLDS);
        CHECK(total.releases > WORLDS && total.declines > WORLDS / 10);
        CHECK(total.checkpoints > WORLDS && total.torn > WORLDS / 10);
        CHECK(total.failed_boots > WORLDS / 10);
        CHECK(!faults || total.failed_writes > WORLDS);
    }
    urcu_qsbr_unregister_thread();
}

static void test_kill_and_power_cut(void)
{
    worlds_run(false);
}

static void test_disk_faults(void)
{
    worlds_run(true);
}

static const struct check_test tests[] = {
    {"kill_and_power_cut", test_kill_and_power_cut},
    {"disk_faults", test_disk_faults},
};

CHECK_MAIN(tests)

/* The log in health and under faults that do not stop it: turns, rings, switches, checkpoints,
 * ENOSPC, EIO, read-only. */
#include <stdlib.h>

#include "check.h"
#include "rig.h"

static struct journal_stats stats_of(const struct rig *rig)
{
    struct journal_stats stats;

    journal_stats_get(rig->journal, &stats);
    return stats;
}

static void test_first_open(void)
{
    struct rig *rig = rig_new();

    CHECK_EQ(rig_open(rig, false), 0);
    CHECK_EQ(rig_turn(rig), 0);
    CHECK_EQ(stats_of(rig).boot_epoch, 1);
    CHECK_EQ(stats_of(rig).tail_cut_bytes, 0);
    CHECK_EQ(rig_reboot(rig, 0), 0);
    CHECK_EQ(stats_of(rig).boot_epoch, 2);
    CHECK_EQ(stats_of(rig).replayed_records, 0);
    rig_free(rig);
}

static void test_turn_publishes(void)
{
    struct rig *rig = rig_new();

    CHECK_EQ(rig_open(rig, false), 0);
    rig_change(rig, 0, 3);
    rig_change(rig, 1, 2);
    CHECK_EQ(change_ring_durable(&rig->rings[0]), 0);
    CHECK_EQ(rig_turn(rig), 5);
    CHECK_EQ(rig->durable_calls, 5);
    CHECK(change_ring_durable(&rig->rings[0]) == change_ring_head(&rig->rings[0]));
    CHECK(change_ring_durable(&rig->rings[1]) == change_ring_head(&rig->rings[1]));
    CHECK_EQ(rig_reboot(rig, 0), 0);
    CHECK_EQ(stats_of(rig).replayed_records, 5);
    CHECK(rig_holds(rig));
    rig_free(rig);
}

static void test_rings_share_a_batch(void)
{
    struct rig *rig = rig_new();

    CHECK_EQ(rig_open(rig, false), 0);
    rig_change(rig, 0, 600); /* far more than one batch */
    rig_change(rig, 1, 10);
    CHECK(rig_turn(rig) < 600);
    CHECK(change_ring_durable(&rig->rings[1]) == change_ring_head(&rig->rings[1]));
    CHECK(change_ring_durable(&rig->rings[0]) < change_ring_head(&rig->rings[0]));
    rig_free(rig);
}

/* Thousands of batches: segments switch, prepared ones and grown ones alike. */
static void run_long(bool prepare, bool checkpoint)
{
    struct rig *rig = rig_new();

    CHECK_EQ(rig_open(rig, false), 0);
    for (unsigned i = 0; i < 400; i++) {
        rig_change(rig, i % 2, 1 + i % 150);
        rig_meta(rig);
        CHECK(rig_turn(rig) > 0);
        while (prepare && journal_prepare(rig->journal) > 0) {
        }
        if (checkpoint && journal_checkpoint_due(rig->journal)) {
            CHECK_EQ(rig_checkpoint(rig), 0);
            CHECK(stats_of(rig).log_bytes < RIG_SEGMENT);
            CHECK(stats_of(rig).segments <= 2 + 4 + RIG_RINGS);
        }
        if (i % 97 == 96) {
            CHECK_EQ(rig_reboot(rig, i), 0);
            CHECK(rig_holds(rig));
        }
    }
    while (rig_turn(rig) > 0) {
    }
    CHECK_EQ(rig_reboot(rig, 0), 0);
    CHECK(rig_holds(rig));
    CHECK(checkpoint == (memdisk_used(rig->memdisk) < 16 * RIG_SEGMENT));
    rig_free(rig);
}

static void test_long_grown(void)
{
    run_long(false, false);
}

static void test_long_prepared(void)
{
    run_long(true, false);
}

static void test_long_checkpoints(void)
{
    run_long(true, true);
    run_long(false, true);
}

static void test_eio_then_recovery(void)
{
    struct rig *rig = rig_new();

    CHECK_EQ(rig_open(rig, false), 0);
    rig_change(rig, 0, 40);
    memdisk_fail(rig->memdisk, -EIO, 3);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(rig_turn(rig), -EIO);
        rig_change(rig, 0, 10); /* more gathers meanwhile */
        CHECK_EQ(change_ring_durable(&rig->rings[0]), 0);
        CHECK_EQ(rig->durable_calls, 0);
    }
    CHECK_EQ(stats_of(rig).write_errors, 3);
    CHECK_EQ(stats_of(rig).last_error, -EIO);
    CHECK_EQ(rig_turn(rig), 40);
    CHECK_EQ(stats_of(rig).last_error, 0);
    CHECK_EQ(rig_turn(rig), 30);
    CHECK_EQ(rig_reboot(rig, 0), 0);
    CHECK(rig_holds(rig));
    CHECK_EQ(stats_of(rig).tail_cut_bytes, 0);
    rig_free(rig);
}

/* The failed write left half a batch, then the power went. */
static void test_eio_then_power_cut(void)
{
    struct rig *rig = rig_new();

    CHECK_EQ(rig_open(rig, false), 0);
    rig_change(rig, 0, 20);
    CHECK_EQ(rig_turn(rig), 20);
    rig_change(rig, 0, 100);
    memdisk_fail(rig->memdisk, -EIO, 1);
    CHECK_EQ(rig_turn(rig), -EIO);
    CHECK_EQ(rig_reboot(rig, 0), 0);
    CHECK(rig_holds(rig));
    CHECK(stats_of(rig).tail_cut_bytes > 0);
    CHECK_EQ(stats_of(rig).replayed_records, 20);
    rig_free(rig);
}

static void test_enospc_then_recovery(void)
{
    struct rig *rig = rig_new();
    int done = 0;

    CHECK_EQ(rig_open(rig, false), 0);
    memdisk_limit(rig->memdisk, memdisk_used(rig->memdisk));
    for (unsigned i = 0; i < 100 && done >= 0; i++) {
        rig_change(rig, 0, 20);
        done = rig_turn(rig);
    }
    CHECK_EQ(done, -ENOSPC);
    rig_change(rig, 0, 5);
    CHECK_EQ(rig_turn(rig), -ENOSPC);
    CHECK(journal_prepare(rig->journal) < 0);
    memdisk_limit(rig->memdisk, UINT64_MAX);
    CHECK_EQ(rig_turn(rig), 20);
    CHECK_EQ(rig_turn(rig), 5);
    CHECK_EQ(rig_reboot(rig, 0), 0);
    CHECK(rig_holds(rig));
    rig_free(rig);
}

static void test_read_only_then_recovery(void)
{
    struct rig *rig = rig_new();

    CHECK_EQ(rig_open(rig, false), 0);
    memdisk_read_only(rig->memdisk, true);
    rig_change(rig, 1, 5);
    CHECK_EQ(rig_turn(rig), -EROFS);
    CHECK_EQ(rig_checkpoint(rig), -EROFS);
    memdisk_read_only(rig->memdisk, false);
    CHECK_EQ(rig_turn(rig), 5);
    CHECK_EQ(rig_reboot(rig, 0), 0);
    CHECK(rig_holds(rig));
    rig_free(rig);
}

static void test_full_ring_refuses(void)
{
    struct rig *rig = rig_new();

    CHECK_EQ(rig_open(rig, false), 0);
    memdisk_fail(rig->memdisk, -EIO, 1000);
    for (unsigned i = 0; i < 50; i++) {
        rig_change(rig, 0, 100);
        CHECK_EQ(rig_turn(rig), -EIO);
    }
    CHECK(!change_ring_has_room(&rig->rings[0], 1));
    memdisk_fail(rig->memdisk, 0, 0);
    while (rig_turn(rig) > 0) {
    }
    CHECK(change_ring_has_room(&rig->rings[0], 1));
    CHECK_EQ(rig_reboot(rig, 0), 0);
    CHECK(rig_holds(rig));
    rig_free(rig);
}

static void test_checkpoint_enospc(void)
{
    struct rig *rig = rig_new();

    CHECK_EQ(rig_open(rig, false), 0);
    rig_change(rig, 0, 100);
    CHECK(rig_turn(rig) > 0);
    memdisk_limit(rig->memdisk, memdisk_used(rig->memdisk) + DISK_BLOCK);
    CHECK_EQ(rig_checkpoint(rig), -ENOSPC);
    memdisk_limit(rig->memdisk, UINT64_MAX);
    CHECK_EQ(rig_checkpoint(rig), 0);
    CHECK_EQ(stats_of(rig).checkpoints, 1);
    CHECK_EQ(rig_reboot(rig, 0), 0);
    CHECK(rig_holds(rig));
    rig_free(rig);
}

static void test_metas_survive_checkpoints(void)
{
    struct rig *rig = rig_new();

    CHECK_EQ(rig_open(rig, false), 0);
    for (unsigned i = 0; i < 3; i++) {
        rig_meta(rig);
        CHECK_EQ(rig_turn(rig), 1);
        CHECK_EQ(rig_checkpoint(rig), 0);
        CHECK_EQ(rig_checkpoint(rig), 0);
        CHECK_EQ(rig_reboot(rig, 0), 0);
        CHECK_EQ(rig->meta_replayed, i + 1);
    }
    rig_free(rig);
}

static bool step_malformed(void *ctx, struct wire_out *out)
{
    (void)ctx;
    wire_out_u16(out, 0xffff);
    return false;
}

static void test_checkpoint_refuses_malformed(void)
{
    struct rig *rig = rig_new();

    CHECK_EQ(rig_open(rig, false), 0);
    CHECK_EQ(journal_checkpoint(rig->journal, step_malformed, NULL), -EMSGSIZE);
    CHECK_EQ(rig_reboot(rig, 0), 0);
    rig_free(rig);
}

static void test_config_refused(void)
{
    struct memdisk *memdisk = memdisk_new();
    struct change_ring ring;
    struct journal_config config = {
        .disk = memdisk_disk(memdisk), .rings = &ring, .ring_count = 1, .segment_size = 4096 + 512};
    struct journal_damage damage;
    struct journal *journal;

    CHECK_EQ(change_ring_init(&ring, 4096), 0);
    CHECK_EQ(journal_open(&config, NULL, NULL, false, &journal, &damage), -EINVAL);
    config.segment_size = 8192; /* smaller than the default batch */
    CHECK_EQ(journal_open(&config, NULL, NULL, false, &journal, &damage), -EINVAL);
    config.segment_size = 0;
    config.ring_count = 0;
    CHECK_EQ(journal_open(&config, NULL, NULL, false, &journal, &damage), -EINVAL);
    change_ring_done(&ring);
    memdisk_free(memdisk);
}

static void test_dump(void)
{
    struct rig *rig = rig_new();
    struct disk disk;
    char *text = NULL;
    size_t size = 0;

    CHECK_EQ(rig_open(rig, false), 0);
    rig_change(rig, 0, 10);
    CHECK_EQ(rig_turn(rig), 10);
    CHECK_EQ(rig_checkpoint(rig), 0);
    rig_meta(rig);
    CHECK_EQ(rig_turn(rig), 1);
    disk = memdisk_disk(rig->memdisk);
    FILE *out = open_memstream(&text, &size);
    CHECK_EQ(journal_dump(&disk, out), 0);
    fclose(out);
    CHECK(strstr(text, "log-0000000000000001 0x0 batch 1 epoch 1 size 4096 records 0") != NULL);
    CHECK(strstr(text, "batch 3 epoch 1 size 4096 records 1") != NULL);
    CHECK(strstr(text, "checkpoint trailer: log goes on in log-0000000000000001") != NULL);
    CHECK(strstr(text, "meta 0x1 value 0000000000000001") != NULL);
    CHECK(strstr(text, "lease pd 2001:db8:0:2::/56 version 1 ACTIVE") != NULL);
    CHECK(strstr(text, "BROKEN") == NULL && strstr(text, "BREAK") == NULL);
    free(text);
    rig_free(rig);
}

static const struct check_test tests[] = {
    {"first_open", test_first_open},
    {"turn_publishes", test_turn_publishes},
    {"rings_share_a_batch", test_rings_share_a_batch},
    {"long_grown", test_long_grown},
    {"long_prepared", test_long_prepared},
    {"long_checkpoints", test_long_checkpoints},
    {"eio_then_recovery", test_eio_then_recovery},
    {"eio_then_power_cut", test_eio_then_power_cut},
    {"enospc_then_recovery", test_enospc_then_recovery},
    {"read_only_then_recovery", test_read_only_then_recovery},
    {"full_ring_refuses", test_full_ring_refuses},
    {"checkpoint_enospc", test_checkpoint_enospc},
    {"metas_survive_checkpoints", test_metas_survive_checkpoints},
    {"checkpoint_refuses_malformed", test_checkpoint_refuses_malformed},
    {"config_refused", test_config_refused},
    {"dump", test_dump},
};

CHECK_MAIN(tests)

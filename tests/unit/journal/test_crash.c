/* Accidents that end a life: power cut at every operation, torn at every octet, flipped bits,
 * recycled segments, damage in the middle, repair. After each the question is the same: is anything
 * acknowledged missing, and if something is, did the open refuse and say where? */
#include <stdlib.h>

#include "check.h"
#include "journal/batch.h"
#include "rig.h"

static const char first_segment[] = "log-0000000000000001";

static struct journal_stats stats_of(const struct rig *rig)
{
    struct journal_stats stats;

    journal_stats_get(rig->journal, &stats);
    return stats;
}

/* Work with switches, checkpoints and metas until the power fails. */
static void work(struct rig *rig)
{
    for (unsigned i = 0; i < 60 && !memdisk_is_off(rig->memdisk); i++) {
        rig_change(rig, i % 2, 20 + i * 37 % 120);
        if (i % 3 == 0) {
            rig_meta(rig);
        }
        if (rig_turn(rig) < 0) {
            continue;
        }
        if (i % 2 == 0) {
            (void)!journal_prepare(rig->journal);
        }
        if (i % 13 == 12) {
            (void)!rig_checkpoint(rig);
        }
    }
}

/* Cuts the power at operation `operation`; false when the work needs fewer. */
static bool cut_once(uint64_t operation, uint64_t tear, uint64_t seed)
{
    struct rig *rig = rig_new();
    bool cut;
    int error;

    memdisk_cut_at(rig->memdisk, operation, tear, seed);
    error = rig_open(rig, false);
    if (error == 0) {
        work(rig);
    }
    cut = memdisk_is_off(rig->memdisk);
    error = rig_reboot(rig, seed);
    if (error || !rig_holds(rig)) {
        printf("cut at operation %" PRIu64 " tear %" PRIu64 " seed %" PRIu64 ": %d %s\n", operation,
               tear, seed, error, rig->damage.text);
        check_failures++;
    } else {
        /* And life goes on, once more. */
        rig_settle(rig);
        work(rig);
        CHECK_EQ(rig_reboot(rig, 0), 0);
        CHECK(rig_holds(rig));
    }
    rig_free(rig);
    return cut;
}

static void test_power_cut_everywhere(void)
{
    uint64_t operation = 1;

    while (cut_once(operation, 0, 0)) {
        (void)cut_once(operation, UINT64_MAX, 0);
        (void)cut_once(operation, 1, operation);
        operation++;
    }
    CHECK(operation > 100);
}

/* The last batch torn behind every octet: from "nothing of it" to "all of it". */
static void test_torn_at_every_octet(void)
{
    struct rig *rig = rig_new();
    struct memdisk *image;
    uint8_t *bytes, *batch;
    size_t size;

    CHECK_EQ(rig_open(rig, false), 0);
    rig_change(rig, 0, 100);
    CHECK_EQ(rig_turn(rig), 100);
    uint64_t before = stats_of(rig).bytes;
    image = memdisk_clone(rig->memdisk);
    rig_change(rig, 0, 100);
    CHECK_EQ(rig_turn(rig), 100);
    size_t batch_size = (size_t)(stats_of(rig).bytes - before);
    CHECK(batch_size >= 2 * DISK_BLOCK);
    bytes = memdisk_bytes(rig->memdisk, first_segment, &size);
    batch = malloc(batch_size);
    memcpy(batch, bytes + before, batch_size);
    for (size_t kept = 0; kept <= batch_size; kept += 1) {
        struct rig *torn = rig_new();

        memdisk_free(torn->memdisk);
        torn->memdisk = memdisk_clone(image);
        bytes = memdisk_bytes(torn->memdisk, first_segment, &size);
        memcpy(bytes + before, batch, kept);
        memdisk_power_on(torn->memdisk, 0);
        CHECK_EQ(rig_open(torn, false), 0);
        /* Trailing padding may be missing: zeros read the same. */
        bool whole = memcmp(bytes + before, batch, batch_size) == 0;
        uint64_t records = torn->journal ? stats_of(torn).replayed_records : 0;
        CHECK(records == 100 || (records == 200 && whole) || kept == batch_size);
        CHECK(kept < 64 || records == 200 || stats_of(torn).tail_cut_bytes >= DISK_BLOCK);
        rig_free(torn);
        kept += kept > 200 && kept + 200 < batch_size && kept % 512 > 8 && kept % 512 < 500 ? 6 : 0;
    }
    free(batch);
    memdisk_free(image);
    rig_free(rig);
}

/* A log of several batches with one octet changed: what is behind it is damaged, and the refusal
 * names the batch's own offset. In the last batch the same octet is a torn tail. */
static void test_flips_are_found(void)
{
    struct rig *rig = rig_new();
    uint64_t starts[8];
    struct memdisk *image;
    size_t size;

    CHECK_EQ(rig_open(rig, false), 0);
    for (unsigned i = 0; i < 8; i++) {
        starts[i] = stats_of(rig).bytes;
        rig_change(rig, 0, 30);
        CHECK_EQ(rig_turn(rig), 30);
    }
    image = memdisk_clone(rig->memdisk);
    uint64_t end = stats_of(rig).bytes;
    for (uint64_t at = 0; at < end; at += 41) {
        struct rig *flipped = rig_new();
        unsigned batch = 0;

        while (batch < 8 && starts[batch] <= at) {
            batch++;
        }
        memdisk_free(flipped->memdisk);
        flipped->memdisk = memdisk_clone(image);
        memdisk_bytes(flipped->memdisk, first_segment, &size)[at] ^= (uint8_t)(1u << at % 8);
        memdisk_power_on(flipped->memdisk, 0);
        int error = rig_open(flipped, false);
        if (batch == 8) {
            CHECK_EQ(error, 0);
            CHECK_EQ(stats_of(flipped).replayed_records, 7 * 30);
            CHECK(stats_of(flipped).tail_cut_bytes >= DISK_BLOCK);
        } else {
            CHECK_EQ(error, -EBADMSG);
            CHECK_STR(flipped->damage.file, first_segment);
            CHECK_EQ(flipped->damage.offset, batch ? starts[batch - 1] : 0);
            CHECK(strstr(flipped->damage.text, "tandem6d -c FILE --log-repair") != NULL);
        }
        rig_free(flipped);
    }
    memdisk_free(image);
    rig_free(rig);
}

static void test_repair_cuts(void)
{
    struct rig *rig = rig_new();
    size_t size;

    CHECK_EQ(rig_open(rig, false), 0);
    for (unsigned i = 0; i < 6; i++) {
        rig_change(rig, 0, 10);
        CHECK_EQ(rig_turn(rig), 10);
    }
    rig_close(rig);
    /* The epoch's batch and each of the six take one block. */
    memdisk_bytes(rig->memdisk, first_segment, &size)[3 * DISK_BLOCK + 100] ^= 1;
    memdisk_power_on(rig->memdisk, 0);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(rig_open(rig, false), -EBADMSG);
        CHECK_EQ(rig->damage.offset, 3 * DISK_BLOCK);
    }
    CHECK_EQ(rig_open(rig, true), 0);
    CHECK_EQ(rig->damage.offset, 3 * DISK_BLOCK);
    CHECK(strstr(rig->damage.text, "lost behind it: 3 readable batches with 30 records") != NULL);
    CHECK_EQ(stats_of(rig).replayed_records, 20);
    rig_settle(rig);
    CHECK_EQ(rig_reboot(rig, 0), 0); /* the cut-off batches are no damage any more */
    CHECK_EQ(rig->damage.file[0], 0);
    CHECK(rig_holds(rig));
    rig_change(rig, 0, 10);
    CHECK_EQ(rig_turn(rig), 10);
    CHECK_EQ(rig_reboot(rig, 0), 0);
    CHECK(rig_holds(rig));
    rig_free(rig);
}

/* Damage in one segment, the later batches in the next. */
static void test_damage_across_segments(void)
{
    struct rig *rig = rig_new();
    size_t size;

    CHECK_EQ(rig_open(rig, false), 0);
    while (stats_of(rig).bytes < 3 * RIG_SEGMENT) {
        rig_change(rig, 0, 100);
        CHECK(rig_turn(rig) > 0);
    }
    rig_close(rig);
    struct memdisk *image = memdisk_clone(rig->memdisk);
    memdisk_bytes(rig->memdisk, "log-0000000000000002", &size)[20] ^= 1;
    memdisk_power_on(rig->memdisk, 0);
    CHECK_EQ(rig_open(rig, false), -EBADMSG);
    CHECK_STR(rig->damage.file, first_segment); /* the chain ends there */
    rig_close(rig);
    memdisk_free(rig->memdisk);
    rig->memdisk = image;
    struct disk disk = memdisk_disk(rig->memdisk);
    CHECK_EQ(disk.ops->remove(disk.ctx, "log-0000000000000002"), 0);
    CHECK_EQ(rig_open(rig, false), -EBADMSG);
    CHECK_EQ(disk.ops->remove(disk.ctx, first_segment), 0);
    CHECK_EQ(rig_open(rig, false), -EBADMSG); /* no beginning */
    CHECK_EQ(rig_open(rig, true), 0);
    CHECK_EQ(rig_open(rig, true), 0);
    rig_free(rig);
}

/* A recycled segment is full of good batches of an earlier time. None of them may be replayed, not
 * even when the cut comes just where an old one begins. */
static void test_recycled_log_batch_replayed(void)
{
    struct rig *rig = rig_new();
    bool recycled = false;

    CHECK_EQ(rig_open(rig, false), 0);
    for (unsigned i = 0; i < 200; i++) {
        rig_change(rig, 0,
                   12); /* always one block: old and new batches stand at the same offsets */
        CHECK_EQ(rig_turn(rig), 12);
        if (journal_checkpoint_due(rig->journal)) {
            CHECK_EQ(rig_checkpoint(rig), 0);
            recycled = true;
        }
        if (recycled && i % 3 == 0) {
            uint64_t cuts = stats_of(rig).tail_cut_bytes;
            CHECK_EQ(rig_reboot(rig, 0), 0);
            CHECK(rig_holds(rig));
            for (unsigned k = 0; k < RIG_LEASES; k++) {
                CHECK_EQ(rig->replayed[k], rig->committed[k]);
            }
            CHECK_EQ(cuts, 0);
        }
    }
    CHECK(recycled);
    rig_free(rig);
}

/* An old log segment put back in place of the newest: a restored backup. */
static void test_old_segment_put_back(void)
{
    struct rig *rig = rig_new();
    struct memdisk *old;
    uint8_t *bytes;
    size_t size;

    CHECK_EQ(rig_open(rig, false), 0);
    rig_change(rig, 0, 100);
    CHECK_EQ(rig_turn(rig), 100);
    old = memdisk_clone(rig->memdisk);
    while (stats_of(rig).bytes < 2 * RIG_SEGMENT) {
        rig_change(rig, 0, 100);
        CHECK(rig_turn(rig) > 0);
    }
    rig_close(rig);
    bytes = memdisk_bytes(old, first_segment, &size);
    CHECK_EQ(memdisk_put(rig->memdisk, first_segment, bytes, size), 0);
    CHECK_EQ(rig_open(rig, false), -EBADMSG);
    CHECK_STR(rig->damage.file, first_segment);
    memdisk_free(old);
    rig_free(rig);
}

static void test_checkpoint_damage(void)
{
    struct rig *rig = rig_new();
    struct memdisk *image;
    size_t size = 0;

    CHECK_EQ(rig_open(rig, false), 0);
    rig_change(rig, 0, 100);
    rig_change(rig, 1, 100);
    rig_meta(rig);
    CHECK_EQ(rig_turn(rig), 201);
    CHECK_EQ(rig_checkpoint(rig), 0);
    rig_close(rig);
    image = memdisk_clone(rig->memdisk);
    CHECK(memdisk_bytes(image, "checkpoint-0000000000000001", &size) != NULL);
    for (size_t at = 0; at < size; at += 37) {
        struct rig *flipped = rig_new();

        memdisk_free(flipped->memdisk);
        flipped->memdisk = memdisk_clone(image);
        memdisk_bytes(flipped->memdisk, "checkpoint-0000000000000001", &size)[at] ^= 0x10;
        memdisk_power_on(flipped->memdisk, 0);
        CHECK_EQ(rig_open(flipped, false), -EBADMSG);
        CHECK_STR(flipped->damage.file, "checkpoint-0000000000000001");
        CHECK(flipped->damage.offset <= at && at < flipped->damage.offset + 2 * DISK_BLOCK);
        CHECK(strstr(flipped->damage.text, "--log-repair") != NULL);
        CHECK_EQ(rig_open(flipped, true), 0);
        CHECK(flipped->damage.file[0] != 0);
        /* Only a new checkpoint ends it. */
        memcpy(flipped->committed, rig->committed, sizeof(flipped->committed));
        CHECK_EQ(rig_checkpoint(flipped), 0);
        CHECK_EQ(rig_reboot(flipped, 0), 0);
        rig_free(flipped);
    }
    memdisk_free(image);
    rig_free(rig);
}

static void test_missing_segment_after_checkpoint(void)
{
    struct rig *rig = rig_new();
    struct disk disk = memdisk_disk(rig->memdisk);

    CHECK_EQ(rig_open(rig, false), 0);
    rig_change(rig, 0, 50);
    CHECK_EQ(rig_turn(rig), 50);
    CHECK_EQ(rig_checkpoint(rig), 0);
    rig_close(rig);
    CHECK_EQ(disk.ops->remove(disk.ctx, first_segment), 0);
    CHECK_EQ(rig_open(rig, false), -EBADMSG);
    CHECK_STR(rig->damage.file, first_segment);
    CHECK_EQ(rig_open(rig, true), 0);
    rig_change(rig, 0, 50);
    CHECK_EQ(rig_turn(rig), 50);
    CHECK_EQ(rig_reboot(rig, 0), 0);
    CHECK(rig_holds(rig));
    rig_free(rig);
}

/* A batch with a right checksum and a record nobody can read: never a torn tail. */
static void test_unreadable_record(void)
{
    struct rig *rig = rig_new();
    static const uint8_t nonsense[] = {0xff, 1, 2, 3};

    CHECK_EQ(rig_open(rig, false), 0);
    rig_change(rig, 0, 10);
    CHECK_EQ(rig_turn(rig), 10);
    memcpy(change_ring_room(&rig->rings[0]), nonsense, sizeof(nonsense));
    change_ring_publish(&rig->rings[0], CHANGE_SLOT_NONE, sizeof(nonsense));
    CHECK_EQ(rig_turn(rig), 1);
    CHECK_EQ(rig_reboot(rig, 0), -EBADMSG);
    CHECK_EQ(rig->damage.offset, 2 * DISK_BLOCK);
    CHECK_EQ(rig_open(rig, true), 0);
    CHECK_EQ(stats_of(rig).replayed_records, 10);
    CHECK_EQ(rig_reboot(rig, 0), 0);
    rig_free(rig);
}

static int stop_at_third(void *ctx, const struct record *record)
{
    unsigned *count = ctx;

    (void)record;
    return ++*count == 3 ? -ENOSPC : 0;
}

static void test_replay_stops_on_error(void)
{
    struct rig *rig = rig_new();
    struct journal_damage damage;
    struct journal *journal = NULL;
    unsigned count = 0;

    CHECK_EQ(rig_open(rig, false), 0);
    rig_change(rig, 0, 10);
    CHECK_EQ(rig_turn(rig), 10);
    struct journal_config config = {.disk = memdisk_disk(rig->memdisk),
                                    .segment_size = RIG_SEGMENT,
                                    .batch_max = RIG_BATCH,
                                    .rings = rig->rings,
                                    .ring_count = 1};
    CHECK_EQ(journal_open(&config, stop_at_third, &count, false, &journal, &damage), -ENOSPC);
    CHECK_EQ(count, 3);
    CHECK(journal == NULL);
    rig_free(rig);
}

static const struct check_test tests[] = {
    {"power_cut_everywhere", test_power_cut_everywhere},
    {"torn_at_every_octet", test_torn_at_every_octet},
    {"flips_are_found", test_flips_are_found},
    {"repair_cuts", test_repair_cuts},
    {"damage_across_segments", test_damage_across_segments},
    {"recycled_log_batch_replayed", test_recycled_log_batch_replayed},
    {"old_segment_put_back", test_old_segment_put_back},
    {"checkpoint_damage", test_checkpoint_damage},
    {"missing_segment_after_checkpoint", test_missing_segment_after_checkpoint},
    {"unreadable_record", test_unreadable_record},
    {"replay_stops_on_error", test_replay_stops_on_error},
};

CHECK_MAIN(tests)

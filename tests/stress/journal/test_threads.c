/* The journal's threads at once, as in the server: two committers, the journal thread, the
 * checkpoint thread that writes checkpoints and prepares segments, and a reader of the figures. For
 * the thread sanitizer, and for the claim that a checkpoint never stops service nor loses a record.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "check.h"
#include "journal/journal.h"
#include "memdisk.h"

enum {
    RINGS = 2,
    CHANGES = 200000, /* per committer */
    LEASES = 256      /* per committer */
};

struct rig {
    struct journal *journal;
    struct change_ring rings[RINGS];
    _Atomic uint64_t stored[RINGS][LEASES]; /* the "store": version committed last */
    _Atomic unsigned running;               /* committers that still work */
    _Atomic bool stop;
    uint64_t replayed[RINGS][LEASES];
    unsigned step;
    unsigned checkpoints;
};

struct committer {
    struct rig *rig;
    unsigned ring;
};

static size_t encode(unsigned ring, unsigned index, uint64_t version, bool full, uint8_t *buf)
{
    uint8_t duid[10] = {0, 3, 0, 1, (uint8_t)ring, (uint8_t)index};
    struct lease lease = {
        .resource = {{0x20010db800000000 + ring, 1 + index}, 128, LEASE_TYPE_NA},
        .iaid = ring << 16 | index,
        .status = BINDING_ACTIVE,
        .times = {.expires_s = (sec_t)version},
        .duid = {duid, sizeof(duid)},
    };
    return record_lease_encode(&lease, version, full, buf);
}

static void *commit_main(void *arg)
{
    const struct committer *committer = arg;
    struct rig *rig = committer->rig;
    struct change_ring *ring = &rig->rings[committer->ring];

    for (uint64_t version = 1; version <= CHANGES; version++) {
        unsigned index = (unsigned)(version * 7 % LEASES);

        while (!change_ring_has_room(ring, 1)) {
            sched_yield();
        }
        atomic_store(&rig->stored[committer->ring][index], version);
        change_ring_publish(
            ring, index,
            encode(committer->ring, index, version, version % 4 == 0, change_ring_room(ring)));
    }
    while (change_ring_durable(ring) < change_ring_head(ring)) {
        sched_yield();
    }
    atomic_fetch_sub(&rig->running, 1);
    return NULL;
}

static void *journal_main(void *arg)
{
    struct rig *rig = arg;

    while (atomic_load(&rig->running)) {
        int done = journal_turn(rig->journal);
        CHECK(done >= 0);
        if (done == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static bool step(void *ctx, struct wire_out *out)
{
    struct rig *rig = ctx;
    unsigned ring = rig->step / LEASES, index = rig->step % LEASES;
    uint64_t version = atomic_load(&rig->stored[ring][index]);
    uint8_t record[CHANGE_RECORD_MAX];

    if (version) {
        uint16_t size = (uint16_t)encode(ring, index, version, true, record);
        wire_out_bytes(out, &size, sizeof(size));
        wire_out_bytes(out, record, size);
    }
    return ++rig->step < RINGS * LEASES;
}

static void *checkpoint_main(void *arg)
{
    struct rig *rig = arg;

    while (!atomic_load(&rig->stop)) {
        CHECK(journal_prepare(rig->journal) >= 0);
        if (journal_checkpoint_due(rig->journal)) {
            rig->step = 0;
            CHECK_EQ(journal_checkpoint(rig->journal, step, rig), 0);
            rig->checkpoints++;
        }
        sched_yield();
    }
    return NULL;
}

static void *stats_main(void *arg)
{
    struct rig *rig = arg;
    struct journal_stats stats;
    uint64_t last = 0;

    while (!atomic_load(&rig->stop)) {
        journal_stats_get(rig->journal, &stats);
        CHECK(stats.records >= last);
        last = stats.records;
        sched_yield();
    }
    return NULL;
}

static int replay(void *ctx, const struct record *record)
{
    struct rig *rig = ctx;
    unsigned ring = record->lease.iaid >> 16, index = record->lease.iaid & 0xffff;

    if (ring < RINGS && index < LEASES && record->lease.version > rig->replayed[ring][index]) {
        rig->replayed[ring][index] = record->lease.version;
    }
    return 0;
}

static int open_journal(struct rig *rig, struct memdisk *memdisk)
{
    struct journal_config config = {.disk = memdisk_disk(memdisk),
                                    .segment_size = 128 << 10,
                                    .batch_max = 32 << 10,
                                    .rings = rig->rings,
                                    .ring_count = RINGS,
                                    .checkpoint_log_max = 512 << 10};
    struct journal_damage damage;

    return journal_open(&config, replay, rig, false, &rig->journal, &damage);
}

static void test_all_threads(void)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct memdisk *memdisk = memdisk_new();
    struct committer committers[RINGS];
    pthread_t commit[RINGS], journal, checkpoint, stats;

    atomic_store(&rig->running, RINGS);
    for (unsigned i = 0; i < RINGS; i++) {
        CHECK_EQ(change_ring_init(&rig->rings[i], 1 << 16), 0);
        committers[i] = (struct committer){rig, i};
    }
    CHECK_EQ(open_journal(rig, memdisk), 0);
    (void)pthread_create(&journal, NULL, journal_main, rig);
    (void)pthread_create(&checkpoint, NULL, checkpoint_main, rig);
    (void)pthread_create(&stats, NULL, stats_main, rig);
    for (unsigned i = 0; i < RINGS; i++) {
        (void)pthread_create(&commit[i], NULL, commit_main, &committers[i]);
    }
    for (unsigned i = 0; i < RINGS; i++) {
        (void)pthread_join(commit[i], NULL);
    }
    atomic_store(&rig->stop, true);
    (void)pthread_join(journal, NULL);
    (void)pthread_join(checkpoint, NULL);
    (void)pthread_join(stats, NULL);
    journal_close(rig->journal);
    memdisk_power_on(memdisk, 0);
    CHECK_EQ(open_journal(rig, memdisk), 0);
    for (unsigned i = 0; i < RINGS * LEASES; i++) {
        CHECK_EQ(rig->replayed[i / LEASES][i % LEASES], rig->stored[i / LEASES][i % LEASES]);
    }
    CHECK(rig->checkpoints > 0);
    journal_close(rig->journal);
    for (unsigned i = 0; i < RINGS; i++) {
        change_ring_done(&rig->rings[i]);
    }
    memdisk_free(memdisk);
    free(rig);
}

static const struct check_test tests[] = {{"all_threads", test_all_threads}};

CHECK_MAIN(tests)

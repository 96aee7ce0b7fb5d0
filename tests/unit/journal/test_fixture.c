/* The state files of format 1, as released: every later version opens them. fixture-v1 was written
 * by this program (FIXTURE_OUT=DIR in the environment writes it) and is never written again; a new
 * format gets a new directory beside it. */
#include <stdlib.h>

#include "check.h"
#include "journal/journal.h"
#include "memdisk.h"

enum {
    FIXTURE_SEGMENT = 16 << 10,
    FIXTURE_BATCH = 8 << 10
};

static const char *const names[] = {"checkpoint-0000000000000001", "log-0000000000000001",
                                    "log-0000000000000002"};

/* Lease number i, every field filled in. */
static struct lease fixture_lease(unsigned i, uint64_t version, uint8_t *bytes)
{
    static const uint8_t info[] = {LEASE_INFO_INTERFACE_ID, 4, 'o', 'l', 't', '7'};

    memset(bytes, (int)(0xa0 + i), 14);
    bytes[0] = 0;
    bytes[1] = 1;
    memcpy(bytes + 14, info, sizeof(info));
    return (struct lease){
        .resource = {.prefix = {0x20010db800170000 + i, i % 2 ? 0x1000 + i : 0},
                     .length = i % 2 ? 128 : 56,
                     .type = i % 2 ? LEASE_TYPE_NA : LEASE_TYPE_PD},
        .iaid = 0x01020300 + i,
        .version = version,
        .status = (uint8_t)(1 + i % (BINDING_STATUS_COUNT - 1)),
        .flags = LEASE_FLAG_RECONF_ACCEPT,
        .times = {800000000 + i, 800003600 + i, 800000001 + i, 800007200, 800007000, 800006000,
                  799999999, i % 3 ? 800003600 + i : 0, 3000, 3600, 1500, 2400},
        .duid = {bytes, 14},
        .info = {bytes + 14, sizeof(info)},
    };
}

static void put(struct change_ring *ring, unsigned i, uint64_t version, bool full)
{
    uint8_t bytes[32];
    struct lease lease = fixture_lease(i, version, bytes);
    size_t size = record_lease_encode(&lease, version, full, change_ring_room(ring));

    change_ring_publish(ring, i, size);
}

static bool step(void *ctx, struct wire_out *out)
{
    uint8_t bytes[32], record[CHANGE_RECORD_MAX];

    (void)ctx;
    for (unsigned i = 0; i < 10; i++) {
        struct lease lease = fixture_lease(i, i + 1, bytes);
        uint16_t size = (uint16_t)record_lease_encode(&lease, i + 1, true, record);
        wire_out_bytes(out, &size, sizeof(size));
        wire_out_bytes(out, record, size);
    }
    return false;
}

static int ignore(void *ctx, const struct record *record)
{
    (void)ctx;
    (void)record;
    return 0;
}

static struct journal *fixture_open(struct memdisk *memdisk, struct change_ring *ring,
                                    journal_replay_fn *on_record, void *ctx)
{
    struct journal_config config = {.disk = memdisk_disk(memdisk),
                                    .segment_size = FIXTURE_SEGMENT,
                                    .batch_max = FIXTURE_BATCH,
                                    .rings = ring,
                                    .ring_count = 1};
    struct journal_damage damage;
    struct journal *journal = NULL;

    CHECK_EQ(journal_open(&config, on_record, ctx, false, &journal, &damage), 0);
    return journal;
}

/* What the fixture was made by: ten leases, a meta, a checkpoint, then renewals, a forgotten lease,
 * another meta and a switch of segments. */
static struct memdisk *fixture_write(void)
{
    struct memdisk *memdisk = memdisk_new();
    struct change_ring ring;
    uint8_t value[] = {0x2f, 0xaf, 0x08, 0x00};

    CHECK_EQ(change_ring_init(&ring, 1 << 16), 0);
    struct journal *journal = fixture_open(memdisk, &ring, ignore, NULL);
    for (unsigned i = 0; i < 10; i++) {
        put(&ring, i, i + 1, true);
    }
    change_ring_publish(
        &ring, CHANGE_SLOT_NONE,
        record_meta_encode(META_HORIZON, (struct span){value, 4}, change_ring_room(&ring)));
    CHECK_EQ(journal_turn(journal), 11);
    CHECK_EQ(journal_checkpoint(journal, step, NULL), 0);
    for (unsigned i = 0; i < 100; i++) {
        put(&ring, i % 10, 20 + i, i % 10 == 5);
    }
    CHECK_EQ(journal_turn(journal), 100); /* fills the segment to its last block */
    struct resource gone = {{0x20010db800170000 + 3, 0x1003}, 128, LEASE_TYPE_NA};
    change_ring_publish(&ring, CHANGE_SLOT_NONE,
                        record_forget_encode(&gone, 500, change_ring_room(&ring)));
    value[3] = 0x3c;
    change_ring_publish(
        &ring, CHANGE_SLOT_NONE,
        record_meta_encode(META_HORIZON, (struct span){value, 4}, change_ring_room(&ring)));
    CHECK_EQ(journal_turn(journal), 2);
    journal_close(journal);
    change_ring_done(&ring);
    return memdisk;
}

static uint8_t *file_read(const char *directory, const char *name, size_t *ret_size)
{
    char path[512];
    uint8_t *bytes = malloc(1 << 20);

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *in = fopen(path, "rb");
    CHECK(in != NULL);
    *ret_size = in ? fread(bytes, 1, 1 << 20, in) : 0;
    if (in) {
        (void)fclose(in);
    }
    return bytes;
}

static void file_write(const char *directory, const char *name, const uint8_t *bytes, size_t size)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *out = fopen(path, "wb");
    CHECK(out != NULL && fwrite(bytes, 1, size, out) == size);
    CHECK(out != NULL && fclose(out) == 0);
}

struct seen {
    unsigned full, times, forget, meta, wrong;
    uint64_t version[10];
    uint8_t horizon;
};

static int see(void *ctx, const struct record *record)
{
    struct seen *seen = ctx;
    const struct lease *lease = &record->lease;
    unsigned i = lease->iaid - 0x01020300;
    uint8_t bytes[32];

    if (record->kind == RECORD_META) {
        seen->meta++;
        seen->wrong += record->meta_key != META_HORIZON || record->meta.size != 4;
        seen->horizon = record->meta.data[3];
        return 0;
    }
    if (record->kind == RECORD_LEASE_FORGET) {
        seen->forget++;
        seen->wrong += lease->version != 500 || lease->resource.prefix.lo != 0x1003;
        return 0;
    }
    bool full = record->kind == RECORD_LEASE_FULL;
    struct lease expected = fixture_lease(i % 10, lease->version, bytes);
    seen->full += full;
    seen->times += !full;
    seen->wrong += i >= 10 || !resource_equal(&expected.resource, &lease->resource) ||
                   expected.status != lease->status || expected.flags != lease->flags ||
                   memcmp(&expected.times, &lease->times, sizeof(expected.times)) != 0 ||
                   (full && (!span_equal(expected.duid, lease->duid) ||
                             !span_equal(expected.info, lease->info)));
    if (i < 10 && lease->version > seen->version[i]) {
        seen->version[i] = lease->version;
    }
    return 0;
}

static void test_fixture_opens(void)
{
    struct memdisk *memdisk = memdisk_new();
    struct journal_stats stats = {0};
    struct change_ring ring;
    struct seen seen = {0};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t size;
        uint8_t *bytes = file_read(FIXTURE_DIR, names[i], &size);
        CHECK_EQ(memdisk_put(memdisk, names[i], bytes, size), 0);
        free(bytes);
    }
    CHECK_EQ(change_ring_init(&ring, 4096), 0);
    struct journal *journal = fixture_open(memdisk, &ring, see, &seen);
    if (journal) {
        journal_stats_get(journal, &stats);
    }
    journal_close(journal);
    change_ring_done(&ring);
    memdisk_free(memdisk);
    CHECK_EQ(stats.boot_epoch, 2);
    CHECK_EQ(stats.tail_cut_bytes, 0);
    CHECK_EQ(seen.wrong, 0);
    CHECK_EQ(seen.full, 10 + 10);
    CHECK_EQ(seen.times, 90);
    CHECK_EQ(seen.forget, 1);
    CHECK_EQ(seen.meta, 2);
    CHECK_EQ(seen.horizon, 0x3c);
    for (unsigned i = 0; i < 10; i++) {
        CHECK_EQ(seen.version[i], 110 + i);
    }
}

/* While the format is 1, the same changes make the same octets: whoever alters the writer learns
 * here that the format number has to change. */
static void test_writer_is_unchanged(void)
{
    struct memdisk *memdisk = fixture_write();
    const char *out = getenv("FIXTURE_OUT");

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t size, now_size = 0;
        uint8_t *now = memdisk_bytes(memdisk, names[i], &now_size);

        CHECK(now != NULL);
        if (out && now) {
            file_write(out, names[i], now, now_size);
        }
        uint8_t *bytes = file_read(FIXTURE_DIR, names[i], &size);
        CHECK_EQ(now_size, size);
        CHECK(now && now_size == size && memcmp(now, bytes, size) == 0);
        free(bytes);
    }
    memdisk_free(memdisk);
}

static const struct check_test tests[] = {
    {"writer_is_unchanged", test_writer_is_unchanged},
    {"fixture_opens", test_fixture_opens},
};

CHECK_MAIN(tests)

/* See rig.h. */
#include "rig.h"

static struct lease rig_lease(unsigned index, uint64_t version, uint8_t *duid)
{
    memset(duid, (int)index + 1, 14);
    return (struct lease){
        .resource = {.prefix = {0x20010db800000000u + index, index % 2 ? index : 0},
                     .length = index % 2 ? 128 : 56,
                     .type = index % 2 ? LEASE_TYPE_NA : LEASE_TYPE_PD},
        .iaid = index,
        .version = version,
        .status = BINDING_ACTIVE,
        .times = {.start_s = 1, .expires_s = (sec_t)version * 3, .valid_lifetime_s = 3600},
        .duid = {duid, 14},
    };
}

struct rig *rig_new(void)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    T6_ASSERT(rig);
    rig->memdisk = memdisk_new();
    rig->version = 1;
    T6_ASSERT(rig->memdisk);
    return rig;
}

void rig_free(struct rig *rig)
{
    rig_close(rig);
    memdisk_free(rig->memdisk);
    free(rig);
}

static int rig_record(void *ctx, const struct record *record)
{
    struct rig *rig = ctx;
    unsigned index = record->lease.iaid;

    if (record->kind == RECORD_META) {
        rig->meta_replayed = wire_get_u64(record->meta.data);
        return 0;
    }
    uint8_t duid[14];
    struct lease expected = rig_lease(index % RIG_LEASES, record->lease.version, duid);
    if (index >= RIG_LEASES || !resource_equal(&expected.resource, &record->lease.resource) ||
        memcmp(&expected.times, &record->lease.times, sizeof(expected.times)) != 0 ||
        (record->kind == RECORD_LEASE_FULL && !span_equal(expected.duid, record->lease.duid))) {
        rig->corrupt = true;
        return 0;
    }
    if (record->lease.version > rig->replayed[index]) {
        rig->replayed[index] = record->lease.version;
    }
    return 0;
}

static void rig_durable(void *ctx, uint32_t slot, struct span bytes)
{
    struct rig *rig = ctx;
    struct record record;

    rig->durable_calls++;
    if (record_parse(bytes, &record) != 0 ||
        (record.kind != RECORD_META && slot != record.lease.iaid)) {
        rig->corrupt = true;
    }
}

int rig_open(struct rig *rig, bool repair)
{
    struct journal_config config = {
        .disk = memdisk_disk(rig->memdisk),
        .segment_size = RIG_SEGMENT,
        .batch_max = RIG_BATCH,
        .rings = rig->rings,
        .ring_count = RIG_RINGS,
        .checkpoint_log_max = 4 * RIG_SEGMENT,
        .on_durable = rig_durable,
        .ctx = rig,
    };

    rig_close(rig);
    for (unsigned i = 0; i < RIG_RINGS; i++) {
        T6_ASSERT(change_ring_init(&rig->rings[i], 1 << 16) == 0);
    }
    memset(rig->published, 0, sizeof(rig->published));
    memset(rig->replayed, 0, sizeof(rig->replayed));
    rig->meta_replayed = 0;
    return journal_open(&config, rig_record, rig, repair, &rig->journal, &rig->damage);
}

void rig_close(struct rig *rig)
{
    journal_close(rig->journal);
    rig->journal = NULL;
    for (unsigned i = 0; i < RIG_RINGS; i++) {
        change_ring_done(&rig->rings[i]);
    }
}

int rig_reboot(struct rig *rig, uint64_t seed)
{
    rig_close(rig);
    memdisk_power_on(rig->memdisk, seed);
    return rig_open(rig, false);
}

void rig_change(struct rig *rig, unsigned ring, unsigned count)
{
    for (unsigned i = 0; i < count && change_ring_has_room(&rig->rings[ring], 1); i++) {
        uint64_t version = rig->version++;
        /* Ring 0 has the even leases, ring 1 the odd ones: one ring per lease. */
        unsigned index = (unsigned)(version * RIG_RINGS + ring) % RIG_LEASES;
        uint8_t duid[14];
        struct lease lease = rig_lease(index, version, duid);
        bool full = rig->committed[index] == 0 || version % 8 == 0;
        size_t size =
            record_lease_encode(&lease, version, full, change_ring_room(&rig->rings[ring]));

        rig->published[index] = change_ring_publish(&rig->rings[ring], index, size);
        rig->committed[index] = version;
    }
}

void rig_meta(struct rig *rig)
{
    uint8_t value[8];

    wire_set_u64(value, ++rig->meta_committed);
    change_ring_publish(&rig->rings[0], CHANGE_SLOT_NONE,
                        record_meta_encode(META_HORIZON, (struct span){value, sizeof(value)},
                                           change_ring_room(&rig->rings[0])));
}

int rig_turn(struct rig *rig)
{
    int done = journal_turn(rig->journal);

    for (unsigned i = 0; i < RIG_LEASES; i++) {
        if (rig->published[i] &&
            change_ring_durable(&rig->rings[i % RIG_RINGS]) >= rig->published[i]) {
            rig->acknowledged[i] = rig->committed[i];
        }
    }
    if (change_ring_durable(&rig->rings[0]) == change_ring_head(&rig->rings[0]) && done >= 0) {
        rig->meta_acknowledged = rig->meta_committed;
    }
    return done;
}

static bool rig_step(void *ctx, struct wire_out *out)
{
    struct rig *rig = ctx;
    unsigned index = (unsigned)rig->checkpoint_step++;
    uint8_t record[CHANGE_RECORD_MAX], duid[14];

    if (rig->committed[index]) {
        struct lease lease = rig_lease(index, rig->committed[index], duid);
        uint16_t size = (uint16_t)record_lease_encode(&lease, lease.version, true, record);
        wire_out_bytes(out, &size, sizeof(size));
        wire_out_bytes(out, record, size);
    }
    return rig->checkpoint_step < RIG_LEASES;
}

int rig_checkpoint(struct rig *rig)
{
    rig->checkpoint_step = 0;
    return journal_checkpoint(rig->journal, rig_step, rig);
}

bool rig_holds(const struct rig *rig)
{
    bool good = !rig->corrupt && rig->meta_replayed >= rig->meta_acknowledged &&
                rig->meta_replayed <= rig->meta_committed;

    for (unsigned i = 0; i < RIG_LEASES; i++) {
        good = good && rig->replayed[i] >= rig->acknowledged[i] &&
               rig->replayed[i] <= rig->committed[i];
    }
    return good;
}

void rig_settle(struct rig *rig)
{
    memcpy(rig->committed, rig->replayed, sizeof(rig->committed));
    memcpy(rig->acknowledged, rig->replayed, sizeof(rig->acknowledged));
    rig->meta_committed = rig->meta_acknowledged = rig->meta_replayed;
}

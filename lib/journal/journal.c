/* The journal's life and its turn: see journal.h. One batch is in flight at any time; it stays in
 * its buffer until it is on disk, at the offset where it was tried first (after a failed write
 * nobody knows what that region holds). */
#include "journal/journal.h"

#include "journal/internal.h"

enum {
    DRAIN_STREAK = 64,     /* records taken from one ring before the next has its turn */
    RECORD_SIZE_LEAST = 16 /* mean octets per record that the slot table is sized for */
};

static int config_check(struct journal_config *config)
{
    config->segment_size = config->segment_size ? config->segment_size : SEGMENT_SIZE_DEFAULT;
    config->batch_max = config->batch_max ? config->batch_max : BATCH_MAX_DEFAULT;
    config->checkpoint_log_max =
        config->checkpoint_log_max ? config->checkpoint_log_max : (uint64_t)1 << 30;
    if (config->segment_size % DISK_BLOCK != 0 || config->batch_max % DISK_BLOCK != 0 ||
        config->batch_max > BATCH_SIZE_LIMIT || config->batch_max > config->segment_size ||
        config->ring_count == 0 || config->rings == NULL) {
        return -EINVAL;
    }
    return 0;
}

static struct journal *journal_new(const struct journal_config *config)
{
    struct journal *journal = calloc(1, sizeof(*journal));
    uint64_t reserve = config->checkpoint_log_max / config->segment_size;

    if (!journal) {
        return NULL;
    }
    journal->config = *config;
    journal->reserve_max = reserve < RESERVE_MIN ? RESERVE_MIN
                           : reserve > 64        ? 64
                                                 : (unsigned)reserve;
    (void)pthread_mutex_init(&journal->state_lock, NULL);
    (void)pthread_mutex_init(&journal->space_lock, NULL);
    journal->batch.size_max = config->batch_max;
    journal->batch.bytes = aligned_alloc(DISK_BLOCK, config->batch_max);
    journal->slots_max = config->batch_max / RECORD_SIZE_LEAST;
    journal->slots = calloc(journal->slots_max, sizeof(journal->slots[0]));
    journal->ring_at = calloc(config->ring_count, sizeof(journal->ring_at[0]));
    journal->metas.slots = calloc(METAS_MAX, sizeof(journal->metas.slots[0]));
    journal->meta_copy = calloc(METAS_MAX, sizeof(journal->meta_copy[0]));
    journal->buffer = aligned_alloc(DISK_BLOCK, CHECKPOINT_BUFFER);
    if (inventory_init(&journal->inventory) != 0 || !journal->batch.bytes || !journal->slots ||
        !journal->ring_at || !journal->metas.slots || !journal->meta_copy || !journal->buffer) {
        journal_close(journal);
        return NULL;
    }
    for (unsigned i = 0; i < config->ring_count; i++) {
        journal->ring_at[i] = atomic_load(&config->rings[i].tail);
    }
    return journal;
}

void journal_close(struct journal *journal)
{
    if (!journal) {
        return;
    }
    const struct disk *disk = &journal->config.disk;
    if (journal->file) {
        disk->ops->close(disk->ctx, journal->file);
    }
    if (journal->prepare_file) {
        disk->ops->close(disk->ctx, journal->prepare_file);
    }
    inventory_done(&journal->inventory);
    free(journal->batch.bytes);
    free(journal->slots);
    free(journal->ring_at);
    free(journal->metas.slots);
    free(journal->meta_copy);
    free(journal->buffer);
    (void)pthread_mutex_destroy(&journal->state_lock);
    (void)pthread_mutex_destroy(&journal->space_lock);
    free(journal);
}

void meta_table_set(struct meta_table *table, const struct record *record)
{
    struct meta_slot *slot = NULL;

    for (size_t i = 0; i < table->count && !slot; i++) {
        slot = table->slots[i].key == record->meta_key ? &table->slots[i] : NULL;
    }
    if (!slot) {
        if (table->count == METAS_MAX) {
            table->overflow = true;
            return;
        }
        slot = &table->slots[table->count++];
        slot->key = record->meta_key;
    }
    slot->size = (uint32_t)record->meta.size;
    if (slot->size) {
        memcpy(slot->value, record->meta.data, slot->size);
    }
}

/* Remembers the metas of the batch that just became durable. */
static void batch_metas(struct journal *journal)
{
    struct batch_reader reader = batch_reader_from(journal->batch.bytes, &journal->header);
    struct span bytes;

    while (batch_reader_next(&reader, &bytes)) {
        struct record record;

        if (bytes.data[0] == RECORD_META && record_parse(bytes, &record) == 0) {
            meta_table_set(&journal->metas, &record);
        }
    }
}

/* Writes the sealed batch; on success the log's position moves behind it. */
static int batch_write(struct journal *journal)
{
    const struct disk *disk = &journal->config.disk;
    uint32_t size = journal->header.size;
    int error = 0;

    if (journal->at.offset + size > journal->config.segment_size) {
        error = segment_switch(journal);
    }
    if (!error) {
        error = disk->ops->write(disk->ctx, journal->file, journal->at.offset, journal->batch.bytes,
                                 size);
    }
    atomic_store_explicit(&journal->last_error, error, memory_order_relaxed);
    if (error) {
        atomic_fetch_add_explicit(&journal->write_errors, 1, memory_order_relaxed);
        return error;
    }
    (void)pthread_mutex_lock(&journal->state_lock);
    journal->at.offset += size;
    journal->at.epoch = journal->epoch;
    journal->at.sequence = journal->header.sequence + 1;
    journal->at.previous_crc = journal->header.crc;
    if (journal->has_meta) {
        batch_metas(journal);
    }
    atomic_fetch_add_explicit(&journal->log_written, size, memory_order_relaxed);
    (void)pthread_mutex_unlock(&journal->state_lock);
    atomic_fetch_add_explicit(&journal->batches, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&journal->records, journal->header.record_count,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&journal->bytes, size, memory_order_relaxed);
    return 0;
}

/* Copies up to DRAIN_STREAK records of one ring. True when the ring may have more; *ret_full when
 * the batch is full. */
static bool ring_drain(struct journal *journal, unsigned ring_index, bool *ret_full)
{
    struct change_ring *ring = &journal->config.rings[ring_index];
    struct batch *batch = &journal->batch;

    for (unsigned i = 0; i < DRAIN_STREAK; i++) {
        uint64_t at = journal->ring_at[ring_index];
        uint32_t slot = CHANGE_SLOT_NONE;
        struct span record = change_ring_next(ring, &at, &slot);

        if (record.size == 0) {
            journal->ring_at[ring_index] = at;
            return false;
        }
        if (batch->record_count == journal->slots_max || !batch_add(batch, record)) {
            *ret_full = true;
            return false;
        }
        journal->slots[batch->record_count - 1] = slot;
        journal->has_meta = journal->has_meta || record.data[0] == RECORD_META;
        journal->ring_at[ring_index] = at;
    }
    return true;
}

/* Collects one batch, a streak from each ring in turn; false when there is nothing to write. The
 * rings' room is given back at once: from here on the batch buffer holds the records. */
static bool batch_collect(struct journal *journal)
{
    unsigned count = journal->config.ring_count;
    bool more = true, full = false;

    T6_ASSERT(count > 0);
    batch_begin(&journal->batch, journal->at.sequence);
    journal->has_meta = false;
    while (more && !full) {
        more = false;
        for (unsigned i = 0; i < count && !full; i++) {
            more = ring_drain(journal, (journal->ring_first + i) % count, &full) || more;
        }
    }
    journal->ring_first = (journal->ring_first + 1) % count;
    if (journal->batch.record_count == 0) {
        return false;
    }
    journal->header = batch_seal(&journal->batch, journal->epoch, journal->at.previous_crc);
    for (unsigned i = 0; i < count; i++) {
        change_ring_consume(&journal->config.rings[i], journal->ring_at[i]);
    }
    return true;
}

static void batch_publish(struct journal *journal)
{
    const struct journal_config *config = &journal->config;

    if (config->on_durable) {
        struct batch_reader reader = batch_reader_from(journal->batch.bytes, &journal->header);
        struct span record;

        for (uint32_t i = 0; batch_reader_next(&reader, &record); i++) {
            config->on_durable(config->ctx, journal->slots[i], record);
        }
    }
    for (unsigned i = 0; i < config->ring_count; i++) {
        change_ring_durable_set(&config->rings[i], journal->ring_at[i]);
    }
}

int journal_turn(struct journal *journal)
{
    int error;

    if (!journal->pending) {
        journal->pending = batch_collect(journal);
    }
    if (!journal->pending) {
        return 0;
    }
    error = batch_write(journal);
    if (error) {
        return error;
    }
    journal->pending = false;
    batch_publish(journal);
    return (int)journal->header.record_count;
}

/* The first batch of a boot is empty: it makes the cut of a torn tail and the new epoch durable
 * before anything else is promised. */
static int epoch_begin(struct journal *journal, uint64_t epoch)
{
    journal->epoch = epoch;
    journal->has_meta = false;
    batch_begin(&journal->batch, journal->at.sequence);
    journal->header = batch_seal(&journal->batch, epoch, journal->at.previous_crc);
    return batch_write(journal);
}

static int journal_replay(struct journal *journal, struct replay *replay)
{
    const struct disk *disk = &journal->config.disk;
    int error = inventory_read(disk, &journal->inventory);

    if (!error && journal->inventory.checkpoint_temp) {
        error = disk->ops->remove(disk->ctx, NAME_CHECKPOINT_TEMP);
    }
    if (!error && journal->inventory.prepare_temp) {
        error = disk->ops->remove(disk->ctx, NAME_PREPARE_TEMP);
    }
    error = error ? error : checkpoint_load(replay);
    error = error ? error : replay_log(replay);
    return error;
}

int journal_open(const struct journal_config *config, journal_replay_fn *on_record,
                 void *replay_ctx, bool repair, struct journal **ret_journal,
                 struct journal_damage *ret_damage)
{
    struct journal_config checked = *config;
    struct journal *journal;
    struct replay replay = {
        .on_record = on_record, .ctx = replay_ctx, .repair = repair, .damage = ret_damage};
    int error = config_check(&checked);

    *ret_damage = (struct journal_damage){0};
    if (error) {
        return error;
    }
    journal = journal_new(&checked);
    if (!journal) {
        return -ENOMEM;
    }
    replay.journal = journal;
    error = file_reader_init(&replay.reader, &journal->config.disk);
    error = error ? error : journal_replay(journal, &replay);
    file_reader_done(&replay.reader);
    error = error ? error : segment_start(journal);
    error = error ? error : epoch_begin(journal, replay.epoch_max + 1);
    if (error) {
        journal_close(journal);
        return error;
    }
    segment_recycle(journal, replay.log_first);
    *ret_journal = journal;
    return 0;
}

int journal_prepare(struct journal *journal)
{
    return segment_prepare(journal);
}

void journal_stats_get(const struct journal *journal, struct journal_stats *ret_stats)
{
    const struct journal *j = journal;
    uint64_t written = atomic_load_explicit(&j->log_written, memory_order_relaxed);

    *ret_stats = (struct journal_stats){
        .batches = atomic_load_explicit(&j->batches, memory_order_relaxed),
        .records = atomic_load_explicit(&j->records, memory_order_relaxed),
        .bytes = atomic_load_explicit(&j->bytes, memory_order_relaxed),
        .write_errors = atomic_load_explicit(&j->write_errors, memory_order_relaxed),
        .last_error = atomic_load_explicit(&j->last_error, memory_order_relaxed),
        .log_bytes = written - atomic_load_explicit(&j->log_mark, memory_order_relaxed),
        .segments = atomic_load_explicit(&j->segment_last, memory_order_relaxed) + 1 -
                    atomic_load_explicit(&j->segment_first, memory_order_relaxed),
        .checkpoints = atomic_load_explicit(&j->checkpoints, memory_order_relaxed),
        .replayed_records = j->replayed_records,
        .boot_epoch = j->epoch,
        .tail_cut_bytes = j->tail_cut_bytes,
    };
}

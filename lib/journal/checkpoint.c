/* Checkpoints: all leases and metas as of a log position, so that the log before it can go.
 *
 *     block 0      header mark: where the log goes on
 *     then         data blocks: head 32 octets, records each with a 16-bit size before it, padded
 *                  to DISK_BLOCK; CRC32C over head and records and padding
 *     last block   trailer mark: the header's words and the number of blocks and records
 *
 *     mark         magic 4, format 2, kind 2, number 8, segment 8, offset 8, epoch 8, sequence 8,
 *                  previous CRC 4, zero 4, blocks 8, records 8, zeros; CRC in the last 4 octets
 *     data head    magic 4, index 4, number 8, size 4, records 4, zero 4, CRC 4
 *
 * The position is taken before the first record is asked for, so a change that the image misses is
 * behind it in the log, and one that is in both is the same version. It is written to a temporary
 * name and renamed when durable; a crash at any step leaves the old one in force. */
#include "base/crc32c.h"
#include "journal/internal.h"
#include "journal/le.h"

enum {
    MARK_CRC_OFFSET = DISK_BLOCK - 4,
    /* Written octets between two syncs: bounds the dirty pages that a commit may have to wait
     * behind. */
    SYNC_EVERY = 8 << 20,
};

void checkpoint_mark_encode(const struct checkpoint_mark *mark, enum checkpoint_mark_kind kind,
                            uint8_t *block)
{
    uint8_t *p = block;

    memset(block, 0, DISK_BLOCK);
    p = le_set_u32(p, CHECKPOINT_MARK_MAGIC);
    p = le_set_u16(p, JOURNAL_FORMAT);
    p = le_set_u16(p, (uint16_t)kind);
    p = le_set_u64(p, mark->number);
    p = le_set_u64(p, mark->at.segment);
    p = le_set_u64(p, mark->at.offset);
    p = le_set_u64(p, mark->at.epoch);
    p = le_set_u64(p, mark->at.sequence);
    p = le_set_u32(p, mark->at.previous_crc);
    p = le_set_u32(p, 0);
    p = le_set_u64(p, mark->blocks);
    le_set_u64(p, mark->records);
    le_set_u32(block + MARK_CRC_OFFSET, crc32c(block, MARK_CRC_OFFSET));
}

bool checkpoint_mark_parse(const uint8_t *block, enum checkpoint_mark_kind kind,
                           struct checkpoint_mark *ret_mark)
{
    if (le_get_u32(block) != CHECKPOINT_MARK_MAGIC || le_get_u16(block + 4) != JOURNAL_FORMAT ||
        le_get_u16(block + 6) != kind ||
        le_get_u32(block + MARK_CRC_OFFSET) != crc32c(block, MARK_CRC_OFFSET)) {
        return false;
    }
    *ret_mark = (struct checkpoint_mark){
        .number = le_get_u64(block + 8),
        .at = {.segment = le_get_u64(block + 16),
               .offset = le_get_u64(block + 24),
               .epoch = le_get_u64(block + 32),
               .sequence = le_get_u64(block + 40),
               .previous_crc = le_get_u32(block + 48)},
        .blocks = le_get_u64(block + 56),
        .records = le_get_u64(block + 64),
    };
    return ret_mark->at.segment > 0 && ret_mark->at.segment <= INT64_MAX &&
           ret_mark->at.epoch <= INT64_MAX && ret_mark->at.sequence <= INT64_MAX &&
           ret_mark->at.offset % DISK_BLOCK == 0 && ret_mark->at.offset <= UINT32_MAX;
}

static uint32_t block_crc(const uint8_t *bytes, size_t size)
{
    uint32_t crc = crc32c(bytes, CHECKPOINT_CRC_OFFSET);

    return crc32c_update(crc, bytes + CHECKPOINT_HEAD_SIZE, size - CHECKPOINT_HEAD_SIZE);
}

size_t checkpoint_block_seal(const struct checkpoint_block *block, uint8_t *bytes)
{
    size_t size = block_round(block->size);
    uint8_t *p = bytes;

    memset(bytes + block->size, 0, size - block->size);
    p = le_set_u32(p, CHECKPOINT_BLOCK_MAGIC);
    p = le_set_u32(p, block->index);
    p = le_set_u64(p, block->number);
    p = le_set_u32(p, block->size);
    p = le_set_u32(p, block->record_count);
    p = le_set_u32(p, 0);
    le_set_u32(p, block_crc(bytes, size));
    return size;
}

int checkpoint_block_get(struct file_reader *reader, uint64_t offset, uint64_t number,
                         struct checkpoint_block *ret_block, const uint8_t **ret_bytes)
{
    struct checkpoint_block block;
    const uint8_t *p;
    int got = file_reader_get(reader, offset, DISK_BLOCK, &p);

    if (got <= 0) {
        return got;
    }
    block.index = le_get_u32(p + 4);
    block.number = le_get_u64(p + 8);
    block.size = le_get_u32(p + 16);
    block.record_count = le_get_u32(p + 20);
    if (le_get_u32(p) != CHECKPOINT_BLOCK_MAGIC || block.number != number ||
        block.size < CHECKPOINT_HEAD_SIZE || block.size > CHECKPOINT_BUFFER) {
        return 0;
    }
    got = file_reader_get(reader, offset, block_round(block.size), &p);
    if (got <= 0) {
        return got;
    }
    if (le_get_u32(p + CHECKPOINT_CRC_OFFSET) != block_crc(p, block_round(block.size))) {
        return 0;
    }
    *ret_block = block;
    *ret_bytes = p;
    return 1;
}

bool checkpoint_record_next(struct span bytes, size_t *at, struct span *ret_record)
{
    size_t left = bytes.size - *at;
    size_t size = left >= 2 ? le_get_u16(bytes.data + *at) : 0;

    if (left == 0) {
        return false;
    }
    if (size == 0 || size > CHANGE_RECORD_MAX || 2 + size > left) {
        *at = SIZE_MAX;
        return false;
    }
    *ret_record = (struct span){bytes.data + *at + 2, size};
    *at += 2 + size;
    return true;
}

/* A checkpoint on its way to the disk. */
struct writer {
    struct journal *journal;
    struct disk_file *file;
    uint64_t offset, unsynced;
    struct checkpoint_mark mark;
    size_t meta_count;
    struct wire_out out; /* into journal->buffer */
    struct checkpoint_block block;
};

static int writer_write(struct writer *writer, const uint8_t *bytes, size_t size)
{
    const struct disk *disk = &writer->journal->config.disk;
    int error = disk->ops->write(disk->ctx, writer->file, writer->offset, bytes, size);

    if (error) {
        return error;
    }
    writer->offset += size;
    writer->unsynced += size;
    if (writer->unsynced < SYNC_EVERY) {
        return 0;
    }
    writer->unsynced = 0;
    return disk->ops->sync(disk->ctx, writer->file);
}

static void block_begin(struct writer *writer)
{
    writer->block = (struct checkpoint_block){.index = (uint32_t)writer->mark.blocks,
                                              .number = writer->mark.number};
    writer->out = wire_out_to(writer->journal->buffer, CHECKPOINT_BUFFER);
    (void)wire_out_room(&writer->out, CHECKPOINT_HEAD_SIZE);
}

static int block_flush(struct writer *writer)
{
    uint8_t *bytes = writer->journal->buffer;
    int error;

    writer->block.size = (uint32_t)(writer->out.at - bytes);
    if (writer->block.size == CHECKPOINT_HEAD_SIZE) {
        return 0;
    }
    error = writer_write(writer, bytes, checkpoint_block_seal(&writer->block, bytes));
    writer->mark.blocks++;
    writer->mark.records += writer->block.record_count;
    /* The buffer is free between blocks: a segment may be made ready with it. */
    if (!error) {
        (void)segment_prepare(writer->journal);
    }
    block_begin(writer);
    return error;
}

static int block_metas(struct writer *writer)
{
    const struct journal *journal = writer->journal;

    for (size_t i = 0; i < writer->meta_count; i++) {
        const struct meta_slot *slot = &journal->meta_copy[i];
        uint8_t record[CHANGE_RECORD_MAX], size_bytes[2];
        size_t size = record_meta_encode(slot->key, (struct span){slot->value, slot->size}, record);

        le_set_u16(size_bytes, (uint16_t)size);
        wire_out_bytes(&writer->out, size_bytes, sizeof(size_bytes));
        wire_out_bytes(&writer->out, record, size);
        writer->block.record_count++;
    }
    return 0;
}

/* Checks what a step has written from p on and turns its sizes into the disk's order. */
static int step_adopt(struct writer *writer, uint8_t *p)
{
    while (p < writer->out.at) {
        uint16_t size;

        if (writer->out.at - p < 2) {
            return -EMSGSIZE;
        }
        memcpy(&size, p, sizeof(size));
        if (size == 0 || size > CHANGE_RECORD_MAX || writer->out.at - p < 2 + size) {
            return -EMSGSIZE;
        }
        le_set_u16(p, size);
        p += 2 + size;
        writer->block.record_count++;
    }
    return writer->out.failed ? -EMSGSIZE : 0;
}

static int writer_run(struct writer *writer, checkpoint_step_fn *on_step, void *ctx)
{
    uint8_t mark[DISK_BLOCK] __attribute__((aligned(DISK_BLOCK)));
    bool more = true;
    int error;

    checkpoint_mark_encode(&writer->mark, CHECKPOINT_HEADER, mark);
    error = writer_write(writer, mark, sizeof(mark));
    block_begin(writer);
    error = error ? error : block_metas(writer);
    while (more && !error) {
        uint8_t *p = writer->out.at;

        more = on_step(ctx, &writer->out);
        error = step_adopt(writer, p);
        if (!error && writer->out.end - writer->out.at < CHECKPOINT_STEP_ROOM) {
            error = block_flush(writer);
        }
    }
    error = error ? error : block_flush(writer);
    if (error) {
        return error;
    }
    checkpoint_mark_encode(&writer->mark, CHECKPOINT_TRAILER, mark);
    error = writer_write(writer, mark, sizeof(mark));
    return error ? error
                 : writer->journal->config.disk.ops->sync(writer->journal->config.disk.ctx,
                                                          writer->file);
}

/* Removes every checkpoint but the newest; one that stays is only room lost until next time. */
static void checkpoint_purge(struct journal *journal)
{
    const struct disk *disk = &journal->config.disk;

    if (inventory_read(disk, &journal->inventory) != 0) {
        return;
    }
    for (size_t i = 0; i < journal->inventory.checkpoint_count; i++) {
        char name[DISK_NAME_MAX];

        if (journal->inventory.checkpoints[i].number < journal->checkpoint_last) {
            checkpoint_name(journal->inventory.checkpoints[i].number, name);
            (void)disk->ops->remove(disk->ctx, name);
        }
    }
}

bool journal_checkpoint_due(const struct journal *journal)
{
    return atomic_load_explicit(&journal->log_written, memory_order_relaxed) -
               atomic_load_explicit(&journal->log_mark, memory_order_relaxed) >=
           journal->config.checkpoint_log_max;
}

/* Writes the temporary file in full. */
static int checkpoint_write(struct writer *writer, checkpoint_step_fn *on_step, void *ctx)
{
    const struct disk *disk = &writer->journal->config.disk;
    int error = disk->ops->open(disk->ctx, NAME_CHECKPOINT_TEMP, true, false, &writer->file);

    if (error) {
        return error;
    }
    error = disk->ops->truncate(disk->ctx, writer->file, 0);
    error = error ? error : writer_run(writer, on_step, ctx);
    disk->ops->close(disk->ctx, writer->file);
    return error;
}

int journal_checkpoint(struct journal *journal, checkpoint_step_fn *on_step, void *ctx)
{
    const struct disk *disk = &journal->config.disk;
    struct writer writer = {.journal = journal};
    char name[DISK_NAME_MAX];
    uint64_t log_mark;
    bool overflow;
    int error;

    (void)pthread_mutex_lock(&journal->state_lock);
    writer.mark.at = journal->at;
    writer.meta_count = journal->metas.count;
    overflow = journal->metas.overflow;
    memcpy(journal->meta_copy, journal->metas.slots,
           journal->metas.count * sizeof(journal->metas.slots[0]));
    log_mark = atomic_load_explicit(&journal->log_written, memory_order_relaxed);
    (void)pthread_mutex_unlock(&journal->state_lock);
    if (overflow) {
        return -E2BIG;
    }
    writer.mark.number = journal->checkpoint_last + 1;
    checkpoint_name(writer.mark.number, name);
    error = checkpoint_write(&writer, on_step, ctx);
    error = error ? error : disk->ops->rename(disk->ctx, NAME_CHECKPOINT_TEMP, name);
    if (error) {
        (void)disk->ops->remove(disk->ctx, NAME_CHECKPOINT_TEMP);
        return error;
    }
    journal->checkpoint_last = writer.mark.number;
    atomic_store_explicit(&journal->log_mark, log_mark, memory_order_relaxed);
    atomic_fetch_add_explicit(&journal->checkpoints, 1, memory_order_relaxed);
    checkpoint_purge(journal);
    segment_recycle(journal, writer.mark.at.segment);
    return 0;
}

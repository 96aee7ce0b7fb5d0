/* Reading the log back: follow the chain, find its end, tell a torn tail from damage.
 *
 * The chain ends where neither the next octets nor the next segment's head hold the batch that
 * links to the last one. If some later batch of the same chain (sequence not below the expected
 * one, epoch not below the last one, CRC right) stands behind that break, the break is damage:
 * acknowledged changes would be lost by cutting. Otherwise it is the tail: only a batch that was
 * being written, which nobody was told about. Old batches in recycled segments have lower
 * sequences; those cut off by a repair have lower epochs. */
#include <inttypes.h>
#include <stdio.h>

#include "journal/internal.h"
#include "journal/le.h"

void replay_damage(struct replay *replay, uint64_t offset, const char *text)
{
    struct journal_damage *damage = replay->damage;

    (void)snprintf(damage->file, sizeof(damage->file), "%s", replay->reader.name);
    damage->offset = offset;
    (void)snprintf(damage->text, sizeof(damage->text), "%s", text);
}

int replay_record(struct replay *replay, struct span bytes)
{
    struct record record;
    int error = record_parse(bytes, &record);

    if (error) {
        return error;
    }
    replay->journal->replayed_records++;
    if (record.kind == RECORD_META) {
        meta_table_set(&replay->journal->metas, &record);
    }
    return replay->on_record(replay->ctx, &record);
}

static bool batch_follows(const struct log_position *at, const struct batch_header *header)
{
    return header->sequence == at->sequence && header->previous_crc == at->previous_crc &&
           header->epoch >= at->epoch;
}

/* Every record of a batch, checked before the first is told. */
static bool batch_readable(const uint8_t *bytes, const struct batch_header *header)
{
    struct batch_reader reader = batch_reader_from(bytes, header);
    struct record record;
    struct span span;
    uint32_t count = 0;

    while (batch_reader_next(&reader, &span)) {
        if (record_parse(span, &record) != 0) {
            return false;
        }
        count++;
    }
    return !reader.failed && count == header->record_count;
}

/* Tells the batch at the present position and moves behind it. 1: signed but unreadable. */
static int replay_batch(struct replay *replay, const uint8_t *bytes,
                        const struct batch_header *header)
{
    struct log_position *at = &replay->journal->at;
    struct batch_reader reader = batch_reader_from(bytes, header);
    struct span span;

    if (!batch_readable(bytes, header)) {
        return 1;
    }
    while (batch_reader_next(&reader, &span)) {
        int error = replay_record(replay, span);
        if (error) {
            return error;
        }
    }
    at->offset += header->size;
    at->epoch = header->epoch;
    at->sequence = header->sequence + 1;
    at->previous_crc = header->crc;
    atomic_fetch_add_explicit(&replay->journal->log_written, header->size, memory_order_relaxed);
    return 0;
}

/* Positions the reader; 1, or 0 when there is no such segment. */
static int reader_segment(struct replay *replay, uint64_t number)
{
    char name[DISK_NAME_MAX];
    int error;

    segment_name(number, name);
    error = file_reader_open(&replay->reader, name);
    return error == -ENOENT ? 0 : error ? error : 1;
}

/* The batch that links to the last one, here or at the head of the next segment: 1 (at moved to
 * it), 0 when the chain ends. */
static int chain_next(struct replay *replay, struct batch_header *ret_header,
                      const uint8_t **ret_bytes)
{
    struct log_position *at = &replay->journal->at;
    int got = reader_segment(replay, at->segment);

    got = got == 1 ? file_reader_batch(&replay->reader, at->offset, ret_header, ret_bytes) : got;
    if (got < 0 || (got == 1 && batch_follows(at, ret_header))) {
        return got;
    }
    got = reader_segment(replay, at->segment + 1);
    got = got == 1 ? file_reader_batch(&replay->reader, 0, ret_header, ret_bytes) : got;
    if (got == 1 && batch_follows(at, ret_header)) {
        at->segment++;
        at->offset = 0;
        return 1;
    }
    return got < 0 ? got : 0;
}

/* The blocks of the batch that was being written when the machine stopped. */
static void tail_count(struct replay *replay, const uint8_t *block)
{
    struct journal *journal = replay->journal;
    struct batch_header header;

    if ((batch_header_parse(block, &header) && header.sequence == journal->at.sequence) ||
        (le_get_u32(block) == BATCH_TAG_MAGIC && le_get_u64(block + 8) == journal->at.sequence)) {
        journal->tail_cut_bytes += DISK_BLOCK;
    }
}

/* Looks for later batches of the chain in the current reader file from offset on. only_head: at
 * its first block only. Counts them into lost_*. */
static int scan_segment(struct replay *replay, uint64_t offset, bool only_head)
{
    const struct log_position *at = &replay->journal->at;
    uint64_t step;

    do {
        struct batch_header header;
        const uint8_t *bytes;
        int got = file_reader_get(&replay->reader, offset, DISK_BLOCK, &bytes);

        if (got <= 0) {
            return got;
        }
        step = DISK_BLOCK;
        if (batch_header_parse(bytes, &header) && header.sequence >= at->sequence &&
            header.epoch >= at->epoch) {
            got = file_reader_batch(&replay->reader, offset, &header, &bytes);
            if (got < 0) {
                return got;
            }
            if (got == 1) {
                replay->lost_batches++;
                replay->lost_records += header.record_count;
                replay->epoch_max =
                    header.epoch > replay->epoch_max ? header.epoch : replay->epoch_max;
                step = header.size;
            }
        }
        if (step == DISK_BLOCK &&
            file_reader_get(&replay->reader, offset, DISK_BLOCK, &bytes) == 1) {
            tail_count(replay, bytes);
        }
        offset += step;
    } while (!only_head);
    return 0;
}

/* Everything behind the break. Without a find the heads of far segments suffice: a segment is
 * entered at its head only. */
static int scan_behind(struct replay *replay, bool whole)
{
    const struct log_position *at = &replay->journal->at;
    const struct inventory *inventory = &replay->journal->inventory;

    replay->lost_batches = replay->lost_records = 0;
    replay->journal->tail_cut_bytes = 0;
    for (size_t i = 0; i < inventory->segment_count; i++) {
        uint64_t number = inventory->segments[i].number;
        int got;

        if (number < at->segment) {
            continue;
        }
        got = reader_segment(replay, number);
        if (got == 1) {
            got = scan_segment(replay, number == at->segment ? at->offset : 0,
                               !whole && number > at->segment + 1);
        }
        if (got < 0) {
            return got;
        }
    }
    return 0;
}

/* Without a checkpoint the log must be there from its first batch on. A repair begins with the
 * first batch it can find. */
static int log_begin(struct replay *replay)
{
    const struct inventory *inventory = &replay->journal->inventory;
    struct log_position *at = &replay->journal->at;

    *at = (struct log_position){.segment = 1, .sequence = 1};
    if (inventory->segment_count == 0 || inventory->segments[0].number == 1) {
        return 0;
    }
    at->segment = inventory->segments[0].number;
    int got = reader_segment(replay, at->segment);
    if (got < 0) {
        return got;
    }
    replay_damage(replay, 0,
                  "no checkpoint, and the log does not begin with its first segment; "
                  "see " REPAIR_COMMAND);
    if (!replay->repair) {
        return -EBADMSG;
    }
    for (uint64_t offset = 0; got == 1; offset += DISK_BLOCK) {
        struct batch_header header;
        const uint8_t *bytes;

        got = file_reader_get(&replay->reader, offset, DISK_BLOCK, &bytes);
        if (got == 1 && file_reader_batch(&replay->reader, offset, &header, &bytes) == 1) {
            at->offset = offset;
            at->epoch = header.epoch;
            at->sequence = header.sequence;
            at->previous_crc = header.previous_crc;
            break;
        }
    }
    return got < 0 ? got : 0;
}

/* The chain has ended at journal->at. unreadable: by a batch that is signed but not understood. */
static int chain_end(struct replay *replay, bool unreadable)
{
    struct journal *journal = replay->journal;
    const struct log_position *at = &journal->at;
    char text[sizeof(replay->damage->text)];
    int error;

    replay->epoch_max = at->epoch > replay->epoch_max ? at->epoch : replay->epoch_max;
    error = scan_behind(replay, replay->repair);
    if (!error && replay->lost_batches && !replay->repair) {
        error = scan_behind(replay, true);
    }
    if (error || (!replay->lost_batches && !unreadable)) {
        return error;
    }
    segment_name(at->segment, replay->reader.name);
    if (replay->repair) {
        (void)snprintf(text, sizeof(text),
                       "log cut before batch %" PRIu64 "; lost behind it: %" PRIu64
                       " readable batches with %" PRIu64 " records",
                       at->sequence, replay->lost_batches, replay->lost_records);
    } else {
        (void)snprintf(text, sizeof(text),
                       "batch %" PRIu64 " is broken and %" PRIu64 " good batches (%" PRIu64
                       " records) follow; " REPAIR_COMMAND " cuts here",
                       at->sequence, replay->lost_batches, replay->lost_records);
    }
    replay_damage(replay, at->offset, text);
    /* The reader's name no longer says what it has open. */
    replay->reader.name[0] = 0;
    journal->tail_cut_bytes = 0;
    return replay->repair ? 0 : -EBADMSG;
}

int replay_log(struct replay *replay)
{
    struct log_position *at = &replay->journal->at;
    struct batch_header header;
    const uint8_t *bytes;
    int got = replay->log_begun ? 0 : log_begin(replay);

    if (got) {
        return got;
    }
    replay->log_first = at->segment;
    if (replay->log_begun) {
        got = reader_segment(replay, at->segment);
        if (got == 0) {
            segment_name(at->segment, replay->reader.name);
            replay_damage(replay, at->offset,
                          "the segment where the checkpoint's log begins is missing; "
                          "see " REPAIR_COMMAND);
            replay->reader.name[0] = 0;
        }
        if (got < 0 || (got == 0 && !replay->repair)) {
            return got < 0 ? got : -EBADMSG;
        }
    }
    while ((got = chain_next(replay, &header, &bytes)) == 1) {
        int error = replay_batch(replay, bytes, &header);
        if (error) {
            return error == 1 ? chain_end(replay, true) : error;
        }
    }
    if (got < 0) {
        replay_damage(replay, at->offset, "the disk cannot read the log here");
        return got;
    }
    return chain_end(replay, false);
}

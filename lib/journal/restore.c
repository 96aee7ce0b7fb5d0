/* Reading a checkpoint back: the newest one, whole, or a refusal that says where it is damaged. A
 * checkpoint with its final name was synced before the rename, so a fault in it is never a torn
 * write. A repair keeps every block that is still good. */
#include <inttypes.h>
#include <stdio.h>

#include "journal/internal.h"

struct restore {
    struct replay *replay;
    struct checkpoint_mark header, trailer;
    bool header_good, trailer_good;
    uint64_t end; /* offset of the trailer */
    uint64_t blocks, records;
};

static int restore_marks(struct restore *restore, const struct numbered_file *file)
{
    struct file_reader *reader = &restore->replay->reader;
    const uint8_t *block;
    int got = file_reader_get(reader, 0, DISK_BLOCK, &block);

    restore->end = file->size >= DISK_BLOCK ? file->size - DISK_BLOCK : 0;
    if (got == 1) {
        restore->header_good = checkpoint_mark_parse(block, CHECKPOINT_HEADER, &restore->header) &&
                               restore->header.number == file->number;
        got = file_reader_get(reader, restore->end, DISK_BLOCK, &block);
    }
    if (got == 1) {
        restore->trailer_good =
            checkpoint_mark_parse(block, CHECKPOINT_TRAILER, &restore->trailer) &&
            restore->trailer.number == file->number && file->size % DISK_BLOCK == 0;
    }
    return got < 0 ? got : 0;
}

/* Tells the records of one good block. */
static int restore_block(struct restore *restore, const struct checkpoint_block *block,
                         const uint8_t *bytes)
{
    struct span records = {bytes + CHECKPOINT_HEAD_SIZE, block->size - CHECKPOINT_HEAD_SIZE};
    struct span record;
    size_t at = 0;

    while (checkpoint_record_next(records, &at, &record)) {
        int error = replay_record(restore->replay, record);
        if (error) {
            return error;
        }
        restore->records++;
    }
    return at == SIZE_MAX ? -EBADMSG : 0;
}

/* Damage at offset: 0 to go on in a repair, else -EBADMSG. */
static int restore_damage(struct restore *restore, uint64_t offset, const char *what)
{
    char text[sizeof(restore->replay->damage->text)];

    if (restore->replay->damage->file[0] == 0) {
        (void)snprintf(text, sizeof(text), "%s; " REPAIR_COMMAND " keeps what can be read", what);
        replay_damage(restore->replay, offset, text);
    }
    return restore->replay->repair ? 0 : -EBADMSG;
}

static int restore_blocks(struct restore *restore, uint64_t number)
{
    struct file_reader *reader = &restore->replay->reader;
    uint64_t offset = DISK_BLOCK;

    while (offset < restore->end) {
        struct checkpoint_block block;
        const uint8_t *bytes;
        int got = checkpoint_block_get(reader, offset, number, &block, &bytes);
        bool good = got == 1 && block.index >= restore->blocks;
        int error = got < 0 ? got : 0;

        if (good && block.index != restore->blocks) {
            error = restore_damage(restore, offset, "checkpoint blocks are missing");
        }
        if (good && !error) {
            error = restore_block(restore, &block, bytes);
            restore->blocks = (uint64_t)block.index + 1;
            offset += block_round(block.size);
        }
        if (error == -EBADMSG || (!good && !error)) {
            error = restore_damage(restore, offset, "checkpoint block is broken");
            offset += good ? 0 : DISK_BLOCK;
        }
        if (error) {
            return error;
        }
    }
    return 0;
}

static int restore_finish(struct restore *restore)
{
    struct replay *replay = restore->replay;
    struct journal *journal = replay->journal;
    char text[sizeof(replay->damage->text)];
    int error = 0;

    if (restore->trailer_good && (restore->blocks != restore->trailer.blocks ||
                                  restore->records != restore->trailer.records)) {
        error = restore_damage(restore, restore->end, "checkpoint records are missing");
    }
    if (error) {
        return error;
    }
    if (replay->damage->file[0]) {
        uint64_t lost = restore->trailer_good ? restore->trailer.records - restore->records : 0;

        (void)snprintf(text, sizeof(text),
                       "checkpoint damaged; kept %" PRIu64 " records, %s%" PRIu64, restore->records,
                       restore->trailer_good ? "lost " : "number of lost ones unknown: ", lost);
        replay_damage(replay, replay->damage->offset, text);
    }
    journal->at = restore->trailer_good ? restore->trailer.at : restore->header.at;
    replay->epoch_max = journal->at.epoch;
    replay->log_begun = true;
    return 0;
}

/* 1: loaded; 0: a repair gave this one up. */
static int restore_one(struct replay *replay, const struct numbered_file *file)
{
    struct restore restore = {.replay = replay};
    char name[DISK_NAME_MAX];
    int error;

    checkpoint_name(file->number, name);
    error = file_reader_open(&replay->reader, name);
    error = error ? error : restore_marks(&restore, file);
    if (!error && !restore.header_good) {
        error = restore_damage(&restore, 0, "checkpoint header is broken");
    }
    if (!error && !restore.trailer_good) {
        error = restore_damage(&restore, restore.end, "checkpoint trailer is broken");
    }
    if (error || (!restore.header_good && !restore.trailer_good)) {
        return error;
    }
    error = restore_blocks(&restore, file->number);
    error = error ? error : restore_finish(&restore);
    return error ? error : 1;
}

int checkpoint_load(struct replay *replay)
{
    struct journal *journal = replay->journal;
    const struct inventory *inventory = &journal->inventory;
    int got = 0;

    if (inventory->checkpoint_count > 0) {
        journal->checkpoint_last = inventory->checkpoints[inventory->checkpoint_count - 1].number;
    }
    for (size_t i = inventory->checkpoint_count; i > 0 && got == 0; i--) {
        got = restore_one(replay, &inventory->checkpoints[i - 1]);
    }
    return got < 0 ? got : 0;
}

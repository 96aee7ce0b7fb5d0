/* What the journal's files share; nobody else includes it. */
#ifndef JOURNAL_INTERNAL_H
#define JOURNAL_INTERNAL_H

#include <pthread.h>

#include "journal/batch.h"
#include "journal/journal.h"

enum {
    SEGMENT_SIZE_DEFAULT = 64 << 20,
    BATCH_MAX_DEFAULT = 1 << 20,
    CHECKPOINT_BUFFER = 1 << 20,
    CHECKPOINTS_MAX = 64, /* files seen in the directory */
    METAS_MAX = 1024,
    RESERVE_MIN = 2, /* segments to have ready beyond the current one */
    READ_SIZE = BATCH_SIZE_LIMIT,
};

#define NAME_CHECKPOINT_TEMP "checkpoint.tmp"
#define NAME_PREPARE_TEMP    "prepare.tmp"
#define REPAIR_COMMAND       "`tandem6d -c FILE --log-repair`"

/* Where the next batch goes and what it must link to. */
struct log_position {
    uint64_t segment;
    uint64_t offset;
    uint64_t epoch;        /* of the last batch before */
    uint64_t sequence;     /* of the next batch */
    uint32_t previous_crc; /* of the last batch before */
};

/* The journal's numbered files, ascending. */
struct numbered_file {
    uint64_t number;
    uint64_t size;
};

struct inventory {
    struct numbered_file *segments; /* DISK_FILES_MAX */
    size_t segment_count;
    struct numbered_file checkpoints[CHECKPOINTS_MAX];
    size_t checkpoint_count;
    bool checkpoint_temp, prepare_temp;
    bool overflow;
};

int inventory_init(struct inventory *inventory) MUST_CHECK;
void inventory_done(struct inventory *inventory);
int inventory_read(const struct disk *disk, struct inventory *ret_inventory) MUST_CHECK;

void segment_name(uint64_t number, char *ret_name);
void checkpoint_name(uint64_t number, char *ret_name);

/* A file read in big pieces through one buffer of READ_SIZE octets. */
struct file_reader {
    const struct disk *disk;
    struct disk_file *file;
    char name[DISK_NAME_MAX];
    uint8_t *buf;
    uint64_t base; /* file offset of buf */
    size_t len;    /* octets in buf */
};

int file_reader_init(struct file_reader *reader, const struct disk *disk) MUST_CHECK;
void file_reader_done(struct file_reader *reader);
int file_reader_open(struct file_reader *reader, const char *name) MUST_CHECK;
/* size octets (at most READ_SIZE) at offset, valid until the next call. 1: there they are; 0: the
 * file ends before; or a negative errno. */
int file_reader_get(struct file_reader *reader, uint64_t offset, size_t size,
                    const uint8_t **ret_bytes) MUST_CHECK;
/* The batch at offset, CRC checked. 1: there is one; 0: none; or a negative errno. */
int file_reader_batch(struct file_reader *reader, uint64_t offset, struct batch_header *ret_header,
                      const uint8_t **ret_bytes) MUST_CHECK;

struct meta_slot {
    uint32_t key;
    uint32_t size;
    uint8_t value[META_VALUE_MAX];
};

struct meta_table {
    struct meta_slot *slots; /* METAS_MAX */
    size_t count;
    bool overflow; /* a key did not fit: no checkpoint may replace the log */
};

void meta_table_set(struct meta_table *table, const struct record *record);

struct journal {
    struct journal_config config;
    uint64_t epoch;
    unsigned reserve_max; /* segments to keep ready beyond the current one */

    /* Journal thread. */
    struct batch batch;
    uint32_t *slots; /* of the batch's records, slots_max */
    uint32_t slots_max;
    bool pending; /* batch is sealed and not yet on disk */
    bool has_meta;
    struct batch_header header; /* of the sealed batch */
    uint64_t *ring_at;          /* per ring: copied so far */
    unsigned ring_first;        /* whose turn it is to be drained first */
    struct disk_file *file;     /* the current segment */

    /* Journal thread writes, checkpoint thread copies; held for copies only. */
    pthread_mutex_t state_lock;
    struct log_position at;
    struct meta_table metas;

    /* Gives out segment numbers. The journal thread takes it only when no segment is ready. */
    pthread_mutex_t space_lock;
    _Atomic uint64_t segment_last;    /* greatest number on disk; ready when > segment_current */
    _Atomic uint64_t segment_current; /* journal thread writes */
    _Atomic uint64_t segment_first;   /* lowest number on disk; checkpoint thread writes */

    /* Checkpoint thread. */
    struct inventory inventory;
    uint8_t *buffer; /* CHECKPOINT_BUFFER */
    struct disk_file *prepare_file;
    uint64_t prepare_offset;
    uint64_t checkpoint_last; /* number of the newest checkpoint; 0 = none */
    struct meta_slot *meta_copy;

    /* Written by their owner, read by anybody. */
    _Atomic uint64_t log_written; /* octets of log since the chain known at open began */
    _Atomic uint64_t log_mark;    /* log_written at the last checkpoint's position */
    _Atomic uint64_t batches, records, bytes, write_errors, checkpoints;
    _Atomic int last_error;
    uint64_t replayed_records, tail_cut_bytes; /* fixed after open */
};

/* Checkpoint thread: one bounded step towards RESERVE_MIN ready segments. 1: call again; 0: nothing
 * to do; or a negative errno. */
int segment_prepare(struct journal *journal);
/* Journal thread: makes the next segment the current one. */
int segment_switch(struct journal *journal) MUST_CHECK;
/* Checkpoint thread: segments below number are no longer needed. */
void segment_recycle(struct journal *journal, uint64_t number);
/* Open only: the current segment's file, created when it is not there; useless ones behind it
 * removed. */
int segment_start(struct journal *journal) MUST_CHECK;

/* Open only. */
struct replay {
    struct journal *journal;
    journal_replay_fn *on_record;
    void *ctx;
    bool repair;
    struct file_reader reader;
    struct journal_damage *damage;
    uint64_t epoch_max;
    bool log_begun;     /* a checkpoint says where the log begins */
    uint64_t log_first; /* the segment it begins in */
    uint64_t lost_batches, lost_records;
};

/* Hands one record on: 0, -EBADMSG when it cannot be read, or what the callback said. */
int replay_record(struct replay *replay, struct span bytes) MUST_CHECK;
void replay_damage(struct replay *replay, uint64_t offset, const char *text);
int replay_log(struct replay *replay) MUST_CHECK;
/* Loads the newest checkpoint, if any, and sets journal->at. */
int checkpoint_load(struct replay *replay) MUST_CHECK;

struct checkpoint_mark {
    uint64_t number;
    struct log_position at;
    uint64_t blocks, records; /* trailer only */
};

enum checkpoint_mark_kind {
    CHECKPOINT_HEADER = 1,
    CHECKPOINT_TRAILER = 2
};

enum {
    CHECKPOINT_HEAD_SIZE = 32, /* of a data block */
    CHECKPOINT_CRC_OFFSET = 28,
};

#define CHECKPOINT_MARK_MAGIC  0x4d636c54u
#define CHECKPOINT_BLOCK_MAGIC 0x42636c54u

struct checkpoint_block {
    uint32_t index;
    uint64_t number;
    uint32_t size; /* head and records; padded to DISK_BLOCK on disk */
    uint32_t record_count;
};

/* block: DISK_BLOCK octets. */
void checkpoint_mark_encode(const struct checkpoint_mark *mark, enum checkpoint_mark_kind kind,
                            uint8_t *block);
bool checkpoint_mark_parse(const uint8_t *block, enum checkpoint_mark_kind kind,
                           struct checkpoint_mark *ret_mark);
/* Signs a data block in place; returns its size on disk. */
size_t checkpoint_block_seal(const struct checkpoint_block *block, uint8_t *bytes);
/* The data block at offset: 1, 0 when there is none or it is broken, or a negative errno. */
int checkpoint_block_get(struct file_reader *reader, uint64_t offset, uint64_t number,
                         struct checkpoint_block *ret_block, const uint8_t **ret_bytes) MUST_CHECK;
/* Walks records, each preceded by its size: false at the end; *at = SIZE_MAX when malformed. */
bool checkpoint_record_next(struct span bytes, size_t *at, struct span *ret_record);

static inline size_t block_round(size_t size)
{
    return (size + DISK_BLOCK - 1) & ~(size_t)(DISK_BLOCK - 1);
}

#endif

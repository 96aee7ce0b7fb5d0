/* The log: drains all change rings, writes one batch, syncs once, publishes one durable position
 * per ring (design 1). The only writer of lease changes to the disk.
 *
 * A batch is self-describing: magic, format, boot epoch, sequence, the previous batch's checksum,
 * size, CRC32C; padded to DISK_BLOCK. Segments are written in full (zeros, or recycled) before use.
 * Replay follows the chain and stops at its first break; a break that is not the tail - a later
 * batch of the same chain exists behind it - is damage and refuses to open (design invariant 7).
 *
 * A checkpoint is a sequential image of all leases and metas with the log position it starts from;
 * log before it is recycled. It is written by its own thread in bounded steps while service goes
 * on.
 *
 * A failed write keeps the batch and its rings' contents: journal_turn tries again on a later call,
 * so recovery is automatic; meanwhile the rings fill and the workers shed. */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include <stdio.h>

#include "base/change.h"
#include "base/units.h"
#include "journal/disk.h"
#include "journal/record.h"

struct journal;

struct journal_config {
    struct disk disk;
    uint32_t segment_size;     /* octets, multiple of DISK_BLOCK; 0 = 64 MiB */
    uint32_t batch_max;        /* octets of one batch; 0 = 1 MiB */
    struct change_ring *rings; /* ring_count of them; borrowed */
    unsigned ring_count;
    uint64_t checkpoint_log_max; /* octets of log that call for a checkpoint; 0 = 1 GiB */
    /* After each durable batch, once per record, journal thread; before positions are published the
     * callee may rely on the bytes being on disk. slot as given to change_ring_publish. May be
     * NULL. */
    void (*on_durable)(void *ctx, uint32_t slot, struct span record);
    void *ctx;
};

/* What replay tells: one record at a time, checkpoint first, then log, in log order (versions may
 * come out of order: the higher one wins). Return non-zero to stop the replay with that error. */
typedef int journal_replay_fn(void *ctx, const struct record *record);

struct journal_damage {
    char file[DISK_NAME_MAX];
    uint64_t offset;
    char text[160]; /* one line for the operator */
};

/* Opens or creates the log in the disk's directory, replays it, starts a new boot epoch. On
 * -EBADMSG *ret_damage says where and what; with repair set the chain is cut there instead, and
 * *ret_damage still says what was lost (file[0] is 0 when nothing was damaged). *ret_damage is
 * always written. After a repair write a checkpoint before stopping: a damaged checkpoint stays
 * until a newer one replaces it. */
int journal_open(const struct journal_config *config, journal_replay_fn *on_record,
                 void *replay_ctx, bool repair, struct journal **ret_journal,
                 struct journal_damage *ret_damage) MUST_CHECK;
void journal_close(struct journal *journal);

/* Journal thread. One bounded turn: at most one batch. Returns the number of records made durable
 * (0: nothing to do), or a negative errno when the disk failed; then call again after a pause. */
int journal_turn(struct journal *journal) MUST_CHECK;

/* Checkpoint thread, in its idle time: one bounded step (about 1 MiB of zeros, synced) towards
 * having the next segments ready, so that commits never wait for one to be made. 1: call again
 * soon; 0: enough are ready; or a negative errno (no room; call again after a pause). Never needed
 * for correctness: without it journal_turn makes growing segments, at about half the speed. */
int journal_prepare(struct journal *journal) MUST_CHECK;

/* Checkpoint thread. Where the image comes from: on_step fills records into out (record wire form,
 * each preceded by its 16-bit size, host order) and returns false when everything has been told.
 * There is room for CHECKPOINT_STEP_ROOM octets at each call; a record that does not fit any more
 * must wait for the next call (out->failed ends the checkpoint with -EMSGSIZE). */
enum {
    CHECKPOINT_STEP_ROOM = 64 << 10
};

typedef bool checkpoint_step_fn(void *ctx, struct wire_out *out);

/* True when enough log has gathered since the last checkpoint. Any thread. */
bool journal_checkpoint_due(const struct journal *journal);
/* Writes a checkpoint from start to end, calling on_step until it returns false; then recycles old
 * log. Blocks; checkpoint thread only (after journal_turn has stopped: any thread). The old
 * checkpoint stays valid until the new one is durable. */
int journal_checkpoint(struct journal *journal, checkpoint_step_fn *on_step, void *ctx) MUST_CHECK;

struct journal_stats {
    uint64_t batches, records, bytes; /* written since start */
    uint64_t write_errors;            /* failed batch writes */
    int last_error;                   /* negative errno of the present trouble, 0 = healthy */
    uint64_t log_bytes;               /* log behind the last checkpoint */
    uint64_t segments;                /* files */
    uint64_t checkpoints;             /* written since start */
    uint64_t replayed_records;        /* at open */
    uint64_t boot_epoch;
    uint64_t tail_cut_bytes; /* torn tail cut at open */
};

void journal_stats_get(const struct journal *journal, struct journal_stats *ret_stats);

/* For operators: checkpoints and log as lines of text (file, offset, batch, record), broken and
 * stale batches named. Only reads; no journal needs to be open. */
int journal_dump(const struct disk *disk, FILE *out) MUST_CHECK;

#endif

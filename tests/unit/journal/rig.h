/* A journal on a memory disk with a model of what it was told: for each of a few leases the version
 * committed last and the one acknowledged as durable, so that a test can ask after any accident
 * whether something acknowledged is missing. */
#ifndef RIG_H
#define RIG_H

#include "journal/journal.h"
#include "memdisk.h"

enum {
    RIG_LEASES = 64,
    RIG_RINGS = 2,
    RIG_SEGMENT = 64 << 10,
    RIG_BATCH = 16 << 10
};

struct rig {
    struct memdisk *memdisk;
    struct journal *journal;
    struct journal_damage damage;
    struct change_ring rings[RIG_RINGS];
    uint64_t committed[RIG_LEASES]; /* version put into a ring last */
    uint64_t published[RIG_LEASES]; /* its position */
    uint64_t acknowledged[RIG_LEASES];
    uint64_t replayed[RIG_LEASES]; /* greatest version seen at the last open */
    uint64_t version;              /* the next one */
    uint64_t meta_committed, meta_acknowledged, meta_replayed;
    uint64_t durable_calls;
    uint64_t checkpoint_step; /* next lease of the image */
    bool corrupt;             /* a replayed lease was not what its version says */
};

struct rig *rig_new(void);
void rig_free(struct rig *rig);
/* Opens with fresh rings; fills replayed. */
int rig_open(struct rig *rig, bool repair);
void rig_close(struct rig *rig);
/* Closes, brings the disk back with unsynced blocks lost by seed, opens. */
int rig_reboot(struct rig *rig, uint64_t seed);
/* count changes of leases in turn into ring; every eighth full, others times only. */
void rig_change(struct rig *rig, unsigned ring, unsigned count);
void rig_meta(struct rig *rig);
/* One turn; acknowledges what became durable. */
int rig_turn(struct rig *rig);
int rig_checkpoint(struct rig *rig);
/* True when nothing acknowledged is missing and nothing is there that was never committed. */
bool rig_holds(const struct rig *rig);
/* After a reopen: goes on from what was found there. */
void rig_settle(struct rig *rig);

#endif

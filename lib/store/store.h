/* The lease store: every lease this server knows, in slots of one arena, reachable by resource and
 * by client. Readers hold nothing but their RCU read side (QSBR: they are between quiescent
 * states). Changes go through store_commit only; it is the one place that decides races (design 2,
 * 3, 5).
 *
 * A slot is stable while its client and resource stay. A renewal changes the times in one cache
 * line of the slot under one compare-and-swap of its version word; a change of client or of info
 * publishes a new slot through the indexes and retires the old one, which is reused only after a
 * grace period.
 *
 * Order of publication (found the hard way, style notes 6): insert the client hint, publish by
 * resource - the one decision point -, the winner deletes the old hint, the loser withdraws its
 * own.
 *
 * Threads: `committer` numbers 0..committers-1 name the callers that commit (workers and control),
 * one thread each. Everything marked "reader" may be called by any registered QSBR thread. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/siphash.h"
#include "lease/lease.h"

struct store;

struct store_config {
    uint32_t leases_max;  /* slots; everything is sized by it at start */
    uint32_t committers;  /* number of committing threads */
    uint16_t inline_size; /* octets kept beside the slot for DUID and info; 0 = default 112 */
    /* Leases with longer DUID + info; 0 = leases_max / 16, at least 1024. Beyond them info is cut.
     */
    uint32_t long_leases_max;
    struct siphash_key key; /* for the client index */
};

int store_new(const struct store_config *config, struct store **ret_store) MUST_CHECK;
void store_free(struct store *store);

/* Keyed hash of a client for store_find_client and for choosing its home worker. Hash the DUID once
 * per packet (store_duid_hash), mix IAID and type in cheaply (store_client_hash). */
uint64_t store_duid_hash(const struct store *store, struct span duid);
uint64_t store_client_hash(uint64_t duid_hash, uint32_t iaid, uint8_t type);

/* Reader. The lease of a resource; false when the store has none. */
bool store_find(const struct store *store, const struct resource *resource,
                struct lease_found *ret_found);

/* Reader. All leases whose most recent client is (duid, iaid, type), in any status; at most
 * found_max, active ones before others. Returns how many. */
size_t store_find_client(const struct store *store, uint64_t client_hash, struct span duid,
                         uint32_t iaid, uint8_t type, struct lease_found *ret_found,
                         size_t found_max);

/* Reader. Bring the memory a later store_find_client of this hash needs closer, no effect on
 * results. Two stages, for a whole burst each, since the second one looks at what the first one
 * brings: the place in the index, then the leases that may be meant. */
void store_prefetch_client(const struct store *store, uint64_t client_hash);
void store_prefetch_found(const struct store *store, uint64_t client_hash);
/* Likewise the index's place of a resource, for store_find or a first commit. */
void store_prefetch_resource(const struct store *store, const struct resource *resource);

/* Reader. Slot by number, for walks (listing, dirty scan, checkpoint); false when it holds no
 * current lease. Slots run from 0 to store_slot_max - 1; store_slot_max only grows. A lease whose
 * client or info changes while a walk is under way moves to another slot: the walk may miss it or
 * meet both versions; its change record tells. */
bool store_read(const struct store *store, uint32_t slot, struct lease_found *ret_found);
uint32_t store_slot_max(const struct store *store);

/* What a commit did; needed for the change record. */
struct store_committed {
    uint64_t version;
    uint32_t slot;
    bool full_needed; /* the record must carry DUID and info: the slot's identity is not durable yet
                       */
};

/* Makes next the current lease of its resource, if base is still what the caller decided on.
 * base: what the caller found (slot and lease.version count), or NULL for "no lease of this
 * resource". next->version is ignored; the store gives one above base's, or above any it ever
 * forgot. next's DUID and info are copied, of info only the leading items that fit when the stock
 * of long leases is used up. 0; -EAGAIN: lost a race, find and decide again; -ENOSPC:
 * no slot, or no room for a DUID longer than the inline size (counted by the caller); -EINVAL:
 * status, DUID or info beyond what a lease can be. A base with slot LEASE_SLOT_NONE is the same as
 * NULL. Call between quiescent states, by the thread that owns `committer`. */
int store_commit(struct store *store, unsigned committer, const struct lease_found *base,
                 const struct lease *next, struct store_committed *ret_committed) MUST_CHECK;

/* Removes a lease that nobody needs any more (FREE, forgotten); later leases of the resource get
 * versions above its. Same results as store_commit. The record of it carries base's version. */
int store_forget(struct store *store, unsigned committer,
                 const struct lease_found *base) MUST_CHECK;

/* Boot only, single thread, before any other use: put a lease read from disk, version included. A
 * version not above the present one, or not above one forgotten by store_load_forget, is ignored
 * (0): the log holds the records of several committers in no strict order. Its identity counts as
 * durable. -ENOSPC when the store is full, -EINVAL as store_commit or for an absurd version. */
int store_load(struct store *store, const struct lease *lease) MUST_CHECK;
/* Boot only: a record of status, flags and times alone (lease's DUID and info are not looked at):
 * they are those of the present lease of the resource. Without one, or with one of another IAID or
 * no older version, the record is stale: ignored and counted. -EINVAL as store_load. */
int store_load_times(struct store *store, const struct lease *lease) MUST_CHECK;
uint64_t store_load_stale(const struct store *store);
/* Boot only: a forgotten lease's record; raises the version floor and drops an older lease. */
void store_load_forget(struct store *store, const struct resource *resource, uint64_t version);
/* Boot only: every record has been told; from here on other threads may use the store. Drops what
 * was remembered about forgotten resources. -ENOMEM: some of that could not be remembered, an older
 * record may have won. */
int store_load_done(struct store *store) MUST_CHECK;

/* Versions of new leases start above this: the highest one ever forgotten. Any thread. The caller
 * keeps it on stable storage before forgotten leases' records leave the log, and sets it at boot.
 */
uint64_t store_version_floor(const struct store *store);
void store_version_floor_raise(struct store *store, uint64_t version);

/* Reader (the journal thread). The change of this slot and version is on stable storage with its
 * DUID and info: later records of the slot may leave them out. Ignored if the slot has moved on to
 * another lease. */
void store_identity_durable(struct store *store, uint32_t slot, const struct resource *resource,
                            uint64_t version);

/* Reclamation. take: collects everything retired since the last call (control core only); after a
 * grace period has passed, give hands the slots back. One batch at a time. */
struct store_retired {
    uint32_t first; /* LEASE_SLOT_NONE: nothing retired */
    uint32_t count;
};
struct store_retired store_retired_take(struct store *store);
void store_retired_give(struct store *store, struct store_retired retired);

struct store_stats {
    uint64_t leases_max;
    uint64_t slots_used; /* leases present; slots waiting for a grace period not counted */
    uint64_t by_status[BINDING_STATUS_COUNT]; /* approximate while commits run */
    uint64_t memory_bytes; /* all of it but the long leases' part, of which what was ever used */
    uint64_t long_leases_used, long_leases_max;
    uint64_t cut_leases; /* their info is not complete: there were too many long ones */
};

void store_stats_get(const struct store *store, struct store_stats *ret_stats);

#endif

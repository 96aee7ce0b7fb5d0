/* A disk in memory for the journal: what it holds survives journals, loses what was not synced when
 * the power is cut, tears the write that was under way, and fails on demand. For unit tests, the
 * simulation and crash tests. Any thread (one lock). */
#ifndef MEMDISK_H
#define MEMDISK_H

#include "journal/disk.h"

struct memdisk;

struct memdisk *memdisk_new(void);
/* A copy of what is on stable storage now, with no faults set. */
struct memdisk *memdisk_clone(const struct memdisk *memdisk);
void memdisk_free(struct memdisk *memdisk);
struct disk memdisk_disk(struct memdisk *memdisk);

/* Operations that change something so far: create, write, sync, truncate, rename, remove. */
uint64_t memdisk_operations(const struct memdisk *memdisk);

/* The power fails during operation number `operation` (counted as above, the first is 1); 0: never.
 * Of the durable write under way the first tear_octets reach the disk; with tear_seed not 0 a
 * random choice of its 512-octet sectors does instead. A rename, create or remove under way happens
 * or not by tear_octets != 0. Afterwards every call fails with -EIO until memdisk_power_on. */
void memdisk_cut_at(struct memdisk *memdisk, uint64_t operation, uint64_t tear_octets,
                    uint64_t tear_seed);
bool memdisk_is_off(const struct memdisk *memdisk);
/* Cuts the power (if it is on) and comes back: each unsynced block is lost, or with seed not 0 a
 * random half of them. Open files become unusable, but must still be closed. */
void memdisk_power_on(struct memdisk *memdisk, uint64_t seed);

/* The next count writes, syncs and creates fail with error (-EIO, ...); a failing durable write has
 * put its first half on the disk. count 0: heal. */
void memdisk_fail(struct memdisk *memdisk, int error, unsigned count);
/* Room for that many octets in all files together, beyond it -ENOSPC. UINT64_MAX: no limit. */
void memdisk_limit(struct memdisk *memdisk, uint64_t octets);
/* Everything that changes fails with -EROFS. */
void memdisk_read_only(struct memdisk *memdisk, bool read_only);

/* A file's stable bytes, to look at and to damage; NULL when there is none. */
uint8_t *memdisk_bytes(struct memdisk *memdisk, const char *name, size_t *ret_size);
/* Puts a file there as it is, stable at once. */
int memdisk_put(struct memdisk *memdisk, const char *name, const uint8_t *bytes, size_t size);
uint64_t memdisk_used(const struct memdisk *memdisk);

#endif

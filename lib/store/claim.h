/* Ownership bits of one prefix pool: one bit per unit, set = ours and free. Allocation and
 * hand-over to the partner both test-and-clear the bit before anything is committed and work only
 * with bits they won (design 2, "one decision point per resource"). Upper levels are hints that say
 * where to look. All functions but new/free are lock-free and may be called by any thread. At most
 * 2^26 units. */
#ifndef STORE_CLAIM_H
#define STORE_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct claim;

/* All units clear (not ours) or all set. */
int claim_new(uint32_t unit_count, bool all_set, struct claim **ret_claim) MUST_CHECK;
void claim_free(struct claim *claim);

/* True when the bit was set and is now ours alone to use. */
bool claim_take(struct claim *claim, uint32_t unit);

/* Gives a unit (back). False when it was set already - the caller's mistake, counted, harmless. */
bool claim_give(struct claim *claim, uint32_t unit);

/* Reads the bit, without effect. */
bool claim_test(const struct claim *claim, uint32_t unit);

/* Takes the first free unit at or after `from`, wrapping around; false when none is left (or, while
 * others take and give the last ones, none could be won). Bounded work: follows the hint levels. */
bool claim_take_next(struct claim *claim, uint32_t from, uint32_t *ret_unit);

/* As claim_take_next but only looks; the answer may be stale. */
bool claim_peek_next(const struct claim *claim, uint32_t from, uint32_t *ret_unit);

/* Takes count units (a power of two, aligned), all or none. While it fails, units of the block may
 * look taken to others for a moment. */
bool claim_take_block(struct claim *claim, uint32_t first, uint32_t count);

/* Number of set bits; exact when nobody changes them, never far off otherwise. */
uint64_t claim_count(const struct claim *claim);
uint32_t claim_unit_count(const struct claim *claim);
/* Gives of units that were set already or do not exist, since start. */
uint64_t claim_mistakes(const struct claim *claim);

#endif

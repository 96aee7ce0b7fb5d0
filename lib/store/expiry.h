/* Timer wheel of the store: which slots' status may have run out. Each slot is on the wheel at most
 * once; a renewal does not move it, the wheel finds out when the slot's old time comes and the
 * caller puts it back for its new one. Arming is one atomic push and may be done by any committer;
 * turning is the control core's. */
#ifndef STORE_EXPIRY_H
#define STORE_EXPIRY_H

#include <stdbool.h>

#include "base/err.h"
#include "base/units.h"

/* The promise is "returned no later than armed for", up to the turning itself; not "no earlier":
 * - a time further away than EXPIRY_SPAN_S is kept at the far end and returned when that comes;
 * - a slot that is armed keeps its older time whatever it is armed for meanwhile. So who moves an
 *   end forward in time to before the armed one will hear of it at the armed one only.
 * The caller looks at the lease in each returned slot: run out - acts; not yet - arms again; no
 * lease there any more (the slot was retired) - leaves it. A slot that is reused while armed keeps
 * the older arming, which for the new lease is just such an early return. */
struct expiry;

enum {
    EXPIRY_SPAN_S = 1 << 16, /* about 18 hours, one bucket per second */
};

/* slots_max: as the store's. now: current time; the wheel starts there. */
int expiry_new(uint32_t slots_max, sec_t now, struct expiry **ret_expiry) MUST_CHECK;
void expiry_free(struct expiry *expiry);

/* Arms the slot for time at_s (compared by signed difference; past: due at the next second);
 * ignored when it is armed already. "No timeout" is not a time: do not arm those. Lock-free, any
 * thread. */
void expiry_arm(struct expiry *expiry, uint32_t slot, sec_t at_s);

/* Slots whose time has come, at most slots_max of them, each disarmed by being returned. Bounded
 * work; returns how many. Call again while it fills the array. Control core only. */
size_t expiry_due(struct expiry *expiry, sec_t now, uint32_t *ret_slots, size_t slots_max);

/* Octets, for the memory budget. */
uint64_t expiry_memory(const struct expiry *expiry);

#endif

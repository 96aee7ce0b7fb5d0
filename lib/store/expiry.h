/* Timer wheel of the store: which slots' status may have run out. Each slot is on the wheel at most
 * once; a renewal does not move it, the wheel finds out when the slot's old time comes and the
 * caller puts it back for its new one. Arming is one atomic push and may be done by any committer;
 * turning is the control core's. */
#ifndef STORE_EXPIRY_H
#define STORE_EXPIRY_H

#include <stdbool.h>

#include "base/err.h"
#include "base/units.h"

struct expiry;

/* slots_max: as the store's. now: current time; the wheel starts there. */
int expiry_new(uint32_t slots_max, sec_t now, struct expiry **ret_expiry) MUST_CHECK;
void expiry_free(struct expiry *expiry);

/* Arms the slot for time at_s; ignored when it is armed already. Any thread. */
void expiry_arm(struct expiry *expiry, uint32_t slot, sec_t at_s);

/* Slots whose time has come, at most slots_max of them, each disarmed by being returned. Bounded
 * work; returns how many. Call again while it fills the array. Control core only. */
size_t expiry_due(struct expiry *expiry, sec_t now, uint32_t *ret_slots, size_t slots_max);

#endif

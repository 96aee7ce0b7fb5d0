/* What a new configuration would do to the leases clients hold: which lose their pool, reservation
 * or link. Counted some slots at a time, and not at all when no pool or reservation goes away.
 *
 * Workers go on meanwhile: a lease given behind the walk's back is not counted. It then fares as
 * one that the operator has accepted to strand: its client is told to stop using it when it renews.
 *
 * Control core only, QSBR-online. */
#ifndef SERVER_CHANGE_H
#define SERVER_CHANGE_H

#include "policy/config.h"
#include "policy/policy.h"
#include "store/store.h"

/* Active leases of one old pool, or of reservations outside all pools. */
struct change_count {
    uint64_t gone;  /* no pool or reservation of the new configuration holds them */
    uint64_t moved; /* their prefix belongs to another link that was there before */
};

struct change;

/* Compares config with the configuration of old, which is the published policy. config is borrowed
 * until change_free. */
int change_new(const struct policy *old, const struct config *config,
               struct change **ret_change) MUST_CHECK;
void change_free(struct change *change);

/* Looks at up to slots slots. True when everything has been looked at. old: the published policy,
 * of the same configuration as at the beginning. */
bool change_turn(struct change *change, const struct policy *old, const struct store *store,
                 uint32_t slots);

bool change_complete(const struct change *change);
uint32_t change_looked_at(const struct change *change);

/* Rows: one for each pool of the old configuration, and the last one for reservations. */
unsigned change_row_count(const struct change *change);
struct change_count change_row(const struct change *change, unsigned row);

#endif

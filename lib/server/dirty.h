/* What partners have not acknowledged: bitmaps over lease slots, one set per relationship, and for
 * each slot which version of its lease is on stable storage. Bits are set by the journal thread
 * when a change is durable, so that no partner hears of one that is not (design 3); taken by the
 * control core. A lease that changes ten times is one bit. All sizes are fixed at the start. */
#ifndef SERVER_DIRTY_H
#define SERVER_DIRTY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "lease/lease.h"

enum dirty_kind {
    DIRTY_DUE,     /* to be sent */
    DIRTY_FLYING,  /* sent, not answered; control core only */
    DIRTY_REFUSED, /* the partner rejected it; rests until it is tried again; control core only */
    DIRTY_KINDS,
};

struct dirty;

int dirty_new(uint32_t slots_max, unsigned relationships, struct dirty **ret_dirty) MUST_CHECK;
void dirty_free(struct dirty *dirty);

/* Journal thread (and boot): this version of the slot's lease is on stable storage. */
void dirty_durable_set(struct dirty *dirty, uint32_t slot, const struct lease *lease);
/* Control core: true when the lease as it is in the slot now is on stable storage. */
bool dirty_is_durable(const struct dirty *dirty, uint32_t slot, const struct lease *lease);

void dirty_set(struct dirty *dirty, unsigned relationship, enum dirty_kind kind, uint32_t slot);
/* Clears the bit; true when it was set. */
bool dirty_take(struct dirty *dirty, unsigned relationship, enum dirty_kind kind, uint32_t slot);
bool dirty_test(const struct dirty *dirty, unsigned relationship, enum dirty_kind kind,
                uint32_t slot);
/* True when any bit of the slot is set: the partner does not know all of it. */
bool dirty_is_open(const struct dirty *dirty, unsigned relationship, uint32_t slot);
/* The first slot with its bit set in from..end-1, else end; looks at no more than words_max words
 * of 64 and then returns where to go on, with *ret_found false. */
uint32_t dirty_next(const struct dirty *dirty, unsigned relationship, uint32_t from, uint32_t end,
                    unsigned words_max, bool *ret_found);
/* How many slots have their bit set; a look at every word. Control core only. */
uint64_t dirty_count(const struct dirty *dirty, unsigned relationship, enum dirty_kind kind);
/* Makes slots 0 to end - 1 due, whatever is in them. */
void dirty_set_all(struct dirty *dirty, unsigned relationship, uint32_t end);
/* Makes everything of one kind due. */
void dirty_move(struct dirty *dirty, unsigned relationship, enum dirty_kind from);

#endif

/* What the files of a relation share. Private to lib/server/relation*.c. */
#ifndef SERVER_RELATION_INTERNAL_H
#define SERVER_RELATION_INTERNAL_H

#include "server/dirty.h"
#include "server/relation.h"

/* relation.c */
void relation_step(struct relation *relation, const struct fo_fsm_event *event, struct fo_time now);
void relation_step_type(struct relation *relation, enum fo_fsm_event_type type, struct fo_time now);
void relation_barrier_set(const struct relation *relation, struct relation_barrier *ret_barrier);
bool relation_barrier_passed(const struct relation *relation,
                             const struct relation_barrier *barrier);
/* POOLREQ, unless one is unanswered. */
void relation_pool_request(struct relation *relation, struct fo_time now);
/* Remembers an own commit of what the partner knows already: once durable it is not dirty. */
void relation_clean_push(struct relation *relation, const struct lease_found *stored,
                         uint64_t position);
/* The resource's lease in this slot and version, which is durable, is nothing to tell. A later
 * version, or another resource's lease, sets the bit when it is durable itself; one that did so in
 * between is seen by what it is. */
void relation_clean(struct relation *relation, uint32_t slot, const struct resource *resource,
                    uint64_t version);
/* Commits with the control core's ring, which has room. The lease as stored is in *ret_found, slot
 * LEASE_SLOT_NONE when it has changed again. 0, -EAGAIN, -ENOSPC. */
int relation_commit(struct relation *relation, const struct lease_found *base,
                    const struct lease *next, bool claimed, struct lease_found *ret_found,
                    uint64_t *ret_position) MUST_CHECK;

/* relation_settle.c: grant to policy, record to disk. */
void relation_settle_begin(struct relation *relation, uint32_t revision, bool narrow);
/* True when something moved. */
bool relation_settle_turn(struct relation *relation, struct fo_time now);

/* relation_send.c: updates out, their answers. */
void relation_send_reset(struct relation *relation);
/* All leases are to be told again (facts B.10). */
void relation_mark_all(struct relation *relation);
void relation_pass_begin(struct relation *relation, bool request, bool drain);
bool relation_send_turn(struct relation *relation, struct fo_time now);
/* Stores what an answer changes. False: no slot for it. */
bool relation_acked_store(struct relation *relation, const struct lease_found *found,
                          const struct lease *next);
void relation_reply_take(struct relation *relation, const struct fo_link_event *event,
                         struct fo_time now);

/* relation_block.c: one update for an aligned block of prefixes (facts F.25). */
/* More units, dirty and otherwise as the one found, that make up a block with it: their dirty bits
 * are taken, wire is about the block. NULL: there are none, or blocks are not to be sent now. */
struct relation_block *relation_block_gather(struct relation *relation,
                                             const struct lease_found *found, struct lease *wire,
                                             sec_t now);
/* Under way, as an update of the same slot's flight. */
void relation_block_begin(struct relation *relation, struct relation_block *block);
/* Not acknowledged: its units are to be sent again. */
void relation_block_drop(struct relation *relation, struct relation_block *block);
/* The answer. False: the partner rejected it. */
bool relation_block_acked(struct relation *relation, struct relation_block *block,
                          const struct fo_lease *reply);

/* relation_receive.c: updates in, answers when durable. */
bool relation_receive_has_room(struct relation *relation);
void relation_update_take(struct relation *relation, const struct fo_link_event *event,
                          struct fo_time now);
bool relation_replies_turn(struct relation *relation, struct fo_time now);

/* relation_balance.c */
/* A pool of delegable prefixes that the pair shares. */
static inline bool relation_owns_pool(const struct relation *relation, const struct policy *policy,
                                      unsigned pool)
{
    return policy->pools[pool].pool.type == LEASE_TYPE_PD &&
           policy->links[policy->pools[pool].link].relationship == (int)relation->index;
}

/* The connection is gone, and with it what was asked. */
void relation_balance_reset(struct relation *relation);
/* The partner has agreed to give so many units back, or not. */
void relation_balance_answered(struct relation *relation, const struct resource *resource,
                               uint32_t count);
/* Units of the pool asked back, without an answer yet. */
uint64_t relation_balance_moving(const struct relation *relation, unsigned pool);
int relation_balance_init(struct relation *relation) MUST_CHECK;
void relation_balance_done(struct relation *relation);
bool relation_balance_turn(struct relation *relation, struct fo_time now);

#endif

/* What an operator wants of a relation beyond partner-down and hand-over, and what would become of
 * it if: a look ahead. Without I/O, and nothing here waits. Control core only, QSBR-online. */
#ifndef SERVER_RELATION_OPERATOR_H
#define SERVER_RELATION_OPERATOR_H

#include "server/relation.h"

/* Tells the partner all leases again (all) or at once what it refused and has not acknowledged.
 * -ENOTCONN: no communications; -EPERM: the state does not let updates go. */
int relation_resend(struct relation *relation, bool all) MUST_CHECK;
/* Asks the partner for all its leases (UPDREQALL) or what we have not acknowledged (UPDREQ).
 * -ENOTCONN; -EALREADY: such a request is under way; -EAGAIN: the connection takes nothing now. */
int relation_request(struct relation *relation, bool all, struct fo_time now) MUST_CHECK;
/* Both sides: the shares are compared now, without the pause between two moves. The secondary sends
 * POOLREQ as well. -ENOTCONN; -EPERM: not in NORMAL. */
int relation_rebalance(struct relation *relation, struct fo_time now) MUST_CHECK;

/* What the event would bring, seen without doing it: the machine is asked on a copy, the leases are
 * looked at some slots at a time. */
struct relation_outlook {
    struct fo_fsm after; /* the machine behind the event */
    int refused;         /* what fo_fsm_step said to it */
    sec_t begun_s;
    uint32_t slot;
    bool complete;
    uint64_t active;         /* leases clients hold */
    uint64_t unacknowledged; /* what the partner does not know of: gone if we fail as well */
    uint64_t waiting;        /* ended, and not free before the partner's word or time_s */
    uint64_t waiting_prefixes;
    sec_t waiting_first_s, waiting_last_s; /* PARTNER-DOWN: when these become free; 0: none */
    sec_t held_last_s; /* the same of all leases, should no client be heard again */
    uint64_t forever;  /* held without an end: by the operator's word only */
};

void relation_outlook_begin(const struct relation *relation, const struct fo_fsm_event *event,
                            sec_t now, struct relation_outlook *ret_outlook);
/* Looks at up to slots slots, fewer at the end; returns how many. Then complete says so. */
size_t relation_outlook_turn(struct relation_outlook *outlook, const struct relation *relation,
                             size_t slots);

#endif

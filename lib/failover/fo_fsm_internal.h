/* What the files fo_fsm*.c share. Private to them. */
#ifndef FAILOVER_FO_FSM_INTERNAL_H
#define FAILOVER_FO_FSM_INTERNAL_H

#include "failover/fo_fsm.h"

/* One running timer. */
enum fo_timer {
    FO_TIMER_STARTUP,
    FO_TIMER_AUTO_DOWN,
    FO_TIMER_RECOVER_WAIT,
    FO_TIMER_UPDATE_SILENCE,
    FO_TIMER_HANDOVER,
    FO_TIMER_PARTNER_POOL, /* opens */
    FO_TIMER_HOLD,         /* new leases again */
    FO_TIMER_COUNT,
};

/* When it fires; false: it does not run. */
bool fo_fsm_timer(const struct fo_fsm *fsm, enum fo_timer timer, sec_t *ret_at_s);

/* a plus at most half a turn of the clock, so that it still compares as later; never 0. */
static inline sec_t fo_sec_add(sec_t a, uint32_t seconds)
{
    sec_t t = a + (seconds < INT32_MAX ? seconds : INT32_MAX);

    return t ? t : 1;
}

/* The grant of the present state, as if settled. */
struct grant fo_fsm_grant_target(const struct fo_fsm *fsm, sec_t now);

/* What both allow. */
struct grant fo_grant_meet(const struct grant *a, const struct grant *b);

/* One step under way. */
struct fo_step {
    struct fo_fsm *fsm;
    sec_t now;
    bool evaluate; /* a state variable changed (RFC 8156 8.1) */
    bool persist;
    struct fo_fsm_actions actions;
};

void fo_step_act(struct fo_step *s, enum fo_act what);
/* Rights of the present state and the record wait for the disk. */
void fo_step_revise(struct fo_step *s);

int fo_handover_begin(struct fo_step *s);
int fo_handover_shutdown(struct fo_step *s);
void fo_handover_drained(struct fo_step *s);
/* Goes on: drained, or out of patience. */
void fo_handover_advance(struct fo_step *s);
void fo_handover_patience_set(struct fo_step *s);
void fo_handover_end(struct fo_step *s);

#endif

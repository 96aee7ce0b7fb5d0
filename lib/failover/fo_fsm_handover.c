/* Planned hand-over and shutdown: drain, fall silent, tell the partner, stop. */
#include "failover/fo_fsm_internal.h"

void fo_handover_end(struct fo_step *s)
{
    if (s->fsm->connected) {
        fo_step_act(s, FO_ACT_DISCONNECT);
    }
    s->fsm->handover = FO_HANDOVER_STOPPED;
    fo_step_act(s, FO_ACT_STOPPED);
}

/* Drained, or out of patience. */
void fo_handover_advance(struct fo_step *s)
{
    struct fo_fsm *fsm = s->fsm;

    if (fsm->handover == FO_HANDOVER_SERVING) {
        fsm->handover = FO_HANDOVER_SILENCE;
        fo_step_revise(s);
    } else if (fsm->handover == FO_HANDOVER_DRAINING) {
        fo_handover_end(s);
    }
}

void fo_handover_patience_set(struct fo_step *s)
{
    struct fo_fsm *fsm = s->fsm;
    uint32_t patience_s = fsm->config.handover_s;

    fsm->handover_deadline_s =
        fo_sec_add(s->now, patience_s ? patience_s : FO_FSM_HANDOVER_DEFAULT_S);
}

void fo_handover_drained(struct fo_step *s)
{
    struct fo_fsm *fsm = s->fsm;

    fo_handover_advance(s);
    if (fsm->handover == FO_HANDOVER_NONE && fsm->pool_due && fsm->comms_ok &&
        fsm->record.state == FO_NORMAL && !fsm->pending_due) {
        fsm->pool_due = false;
        fo_step_act(s, FO_ACT_SEND_POOLREQ); /* RFC 8156 8.8 */
    }
}

int fo_handover_begin(struct fo_step *s)
{
    struct fo_fsm *fsm = s->fsm;
    bool normal = fsm->record.state == FO_NORMAL || fsm->record.state == FO_CONFLICT_DONE;

    if (fsm->handover != FO_HANDOVER_NONE) {
        return -EALREADY;
    }
    if (fsm->starting || !fsm->comms_ok || !normal) {
        return -EPERM; /* nobody there to hand over to */
    }
    fsm->handover = FO_HANDOVER_SERVING;
    fo_handover_patience_set(s);
    fo_step_act(s, FO_ACT_DRAIN);
    return 0;
}

int fo_handover_shutdown(struct fo_step *s)
{
    if (s->fsm->handover == FO_HANDOVER_SHUTDOWN) {
        return -EALREADY;
    }
    s->fsm->handover = FO_HANDOVER_SHUTDOWN;
    fo_step_revise(s);
    return 0;
}

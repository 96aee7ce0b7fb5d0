/* The endpoint state machine: what events do. The table is in fo_fsm_table.c, rights and timers are
 * in fo_fsm_grant.c. */
#include "failover/fo_fsm_internal.h"

enum {
    EVALUATIONS_MAX = 4, /* own changes that follow from one another at once */
};

void fo_step_act(struct fo_step *s, enum fo_act what)
{
    T6_ASSERT(s->actions.count < FO_FSM_ACTIONS_MAX);
    s->actions.list[s->actions.count].act = what;
    s->actions.list[s->actions.count].revision = s->fsm->revision;
    s->actions.list[s->actions.count].narrow = false;
    s->actions.count++;
}

void fo_step_revise(struct fo_step *s)
{
    s->fsm->revision++;
}

static void state_set(struct fo_step *s, uint8_t next, enum fo_cause cause)
{
    struct fo_fsm *fsm = s->fsm;
    struct fo_record *r = &fsm->record;
    bool recovering = next == FO_RECOVER || next == FO_RECOVER_WAIT;
    sec_t wait_end;

    if (!recovering && next != FO_RECOVER_DONE &&
        fo_fsm_timer(fsm, FO_TIMER_RECOVER_WAIT, &wait_end) && sec_after(wait_end, s->now)) {
        r->hold_until_s = wait_end; /* what the wait protects: leases of ours that nobody knows */
    }
    if ((next == FO_COMMUNICATIONS_INTERRUPTED && r->state == FO_NORMAL) ||
        next == FO_POTENTIAL_CONFLICT || next == FO_RESOLUTION_INTERRUPTED ||
        next == FO_PARTNER_DOWN) {
        fo_step_act(s, FO_ACT_ALARM); /* RFC 8156 8.9, 8.11 */
    }
    if (!recovering) {
        r->failure_s = r->wait_from_s = 0;
        r->fresh = false;
    }
    if (next == FO_NORMAL || next == FO_CONFLICT_DONE || next == FO_PARTNER_DOWN) {
        r->pool_unknown = false; /* we were told of all, or nobody is left who knows */
    }
    r->partner_updated = false;
    r->previous = r->state;
    r->state = next;
    r->start_s = s->now;
    r->cause = (uint8_t)cause;
    fsm->own_exhausted = false;
    fsm->request_outstanding = false; /* its UPDDONE would mean something else now */
    fsm->pending_due = next == FO_NORMAL || next == FO_CONFLICT_DONE;
    fsm->pool_due = next == FO_NORMAL && fsm->config.role == FO_SECONDARY;
    fsm->state_due = true;
    s->evaluate = true;
    fo_step_revise(s);
}

static void recover_enter(struct fo_step *s, enum fo_cause cause)
{
    struct fo_record *r = &s->fsm->record;

    state_set(s, FO_RECOVER, cause);
    r->failure_s = s->fsm->last_operating_s;
    r->wait_from_s = s->fsm->started_s;
}

/* since_s: the partner has granted nothing since; not before it was heard last. */
static void partner_down_enter(struct fo_step *s, enum fo_cause cause, sec_t since_s)
{
    struct fo_record *r = &s->fsm->record;

    if (since_s == 0 || sec_after(since_s, s->now)) {
        since_s = s->now;
    }
    if (r->heard_s && sec_after(r->heard_s, since_s) && !sec_after(r->heard_s, s->now)) {
        since_s = r->heard_s;
    }
    state_set(s, FO_PARTNER_DOWN, cause);
    r->down_since_s = since_s;
}

static uint8_t table_next(struct fo_fsm *fsm, enum fo_column column)
{
    fsm->reached[fo_fsm_state(fsm)][column]++;
    return fo_fsm_next(fsm->config.role, (enum fo_server_state)fsm->record.state, column);
}

static void comms_lose(struct fo_step *s)
{
    struct fo_fsm *fsm = s->fsm;

    if (fsm->comms_ok) {
        fsm->lost_s = s->now;
        s->evaluate = true;
    }
    fsm->connected = fsm->comms_ok = fsm->partner_starting = false;
    fsm->state_due = fsm->request_outstanding = false;
    fsm->upddone_due = fsm->updreq_served = false;
    if (fsm->handover == FO_HANDOVER_SERVING || fsm->handover == FO_HANDOVER_SILENCE ||
        fsm->handover == FO_HANDOVER_DRAINING) {
        fsm->handover = FO_HANDOVER_NONE;
        fo_step_act(s, FO_ACT_HANDOVER_FAILED);
        fo_step_revise(s);
    }
}

static void drop(struct fo_step *s)
{
    if (s->fsm->connected) {
        fo_step_act(s, FO_ACT_DROP);
    }
    comms_lose(s);
}

/* RFC 8156 8.3.2 step 5: what a partner in PARTNER-DOWN means for the state we come back in. A
 * server that was being reintegrated has not granted anything that could conflict, but may have
 * been updated before the partner went its own way: it asks again, whatever the times say. */
static void startup_judge(struct fo_step *s, const struct fo_state *partner)
{
    struct fo_fsm *fsm = s->fsm;
    uint8_t state = fsm->record.state;
    bool later = fsm->last_operating_s && sec_after(partner->start_s, fsm->last_operating_s);

    if (partner->state != FO_PARTNER_DOWN || state == FO_RECOVER) {
        return;
    }
    if (state == FO_RECOVER_WAIT) { /* its time of failure stays: it served nobody since */
        state_set(s, FO_RECOVER, FO_CAUSE_STARTUP_PARTNER_DOWN_LATER);
    } else if (later || state == FO_RECOVER_DONE) {
        recover_enter(s, FO_CAUSE_STARTUP_PARTNER_DOWN_LATER);
    } else {
        state_set(s, FO_POTENTIAL_CONFLICT, FO_CAUSE_STARTUP_PARTNER_DOWN_EARLIER);
    }
}

/* partner: its STATE, or NULL when the startup period is over without one. */
static void startup_leave(struct fo_step *s, const struct fo_state *partner)
{
    struct fo_fsm *fsm = s->fsm;

    fsm->reached[FO_STARTUP][partner ? partner->state : FO_COLUMN_TIMER]++;
    fsm->starting = false;
    fsm->state_due = true;
    s->evaluate = true;
    fo_step_revise(s);
    if (partner) {
        startup_judge(s, partner);
    } else if (fsm->config.startup_partner_down && !fsm->had_record &&
               fsm->record.state == FO_RECOVER) {
        partner_down_enter(s, FO_CAUSE_STARTUP_ALONE, 0);
    }
}

/* The table, until nothing changes (RFC 8156 8.1). */
static void evaluate(struct fo_step *s)
{
    struct fo_fsm *fsm = s->fsm;

    for (unsigned i = 0; i < EVALUATIONS_MAX && s->evaluate && !fsm->starting; i++) {
        enum fo_column column = FO_COLUMN_DOWN;
        uint8_t next;

        if (fsm->comms_ok) {
            column = fsm->partner_starting ? (enum fo_column)FO_STARTUP
                                           : (enum fo_column)fsm->record.partner_state;
        }
        s->evaluate = false;
        next = table_next(fsm, column);
        if (next) {
            state_set(s, next,
                      fsm->comms_ok ? FO_CAUSE_PARTNER_STATE : FO_CAUSE_COMMUNICATIONS_LOST);
        }
    }
}

static void on_connected(struct fo_step *s, uint32_t mclt_s)
{
    struct fo_fsm *fsm = s->fsm;

    if (fsm->comms_ok) {
        comms_lose(s); /* facts F.28: a new connection ends the old one */
    }
    fsm->connected = true;
    fsm->state_due = true;
    fsm->told_communicated = fsm->record.communicated;
    if (mclt_s && mclt_s != fsm->record.mclt_s) {
        fsm->record.mclt_s = mclt_s;
        fo_step_revise(s);
    }
}

/* The first STATE of a connection: communications are OK (RFC 8156 6.3). */
static void comms_begin(struct fo_step *s, const struct fo_state *partner)
{
    struct fo_fsm *fsm = s->fsm;
    struct fo_record *r = &fsm->record;

    fsm->comms_ok = fsm->connected = true;
    s->persist = !r->communicated;
    if (!r->communicated) { /* facts F.12, F.13 */
        r->all_needed = (partner->flags & FO_FLAG_COMMUNICATED) != 0;
        r->fresh = !r->all_needed && r->state == FO_RECOVER;
        r->communicated = true;
    }
    fsm->pending_due = fsm->pending_due || r->state == FO_CONFLICT_DONE;
    if (r->state == FO_PARTNER_DOWN && !fsm->starting) {
        fo_step_revise(s); /* rights narrow, see is_alone in fo_fsm_grant.c */
    }
}

static void on_state(struct fo_step *s, const struct fo_state *partner)
{
    struct fo_fsm *fsm = s->fsm;
    struct fo_record *r = &fsm->record;

    if (partner->state <= FO_STARTUP || partner->state >= FO_SERVER_STATE_COUNT) {
        return; /* a state nobody knows says nothing */
    }
    r->heard_s = s->now;
    if (!fsm->comms_ok) {
        comms_begin(s, partner);
    }
    r->partner_flags = partner->flags;
    fsm->partner_starting = (partner->flags & FO_FLAG_STARTUP) != 0;
    if (!fsm->partner_starting) {
        s->persist = s->persist || r->partner_state != partner->state ||
                     r->partner_start_s != partner->start_s;
        r->partner_state = partner->state;
        r->pool_unknown = r->pool_unknown || partner->state == FO_PARTNER_DOWN;
        r->partner_start_s = partner->start_s;
        r->partner_down_s = partner->has_partner_down ? partner->partner_down_s : 0;
    }
    s->evaluate = true;
    if (fsm->starting) {
        startup_leave(s, partner);
    }
}

static void on_upddone(struct fo_step *s)
{
    struct fo_fsm *fsm = s->fsm;
    uint8_t next;

    if (!fsm->request_outstanding) {
        return;
    }
    fsm->request_outstanding = false;
    fsm->record.all_needed = false;
    next = table_next(fsm, FO_COLUMN_UPDDONE);
    if (next) {
        state_set(s, next, FO_CAUSE_UPDATED);
    }
}

static void on_updreq_served(struct fo_step *s)
{
    struct fo_fsm *fsm = s->fsm;

    if (!fsm->comms_ok) {
        return;
    }
    fsm->upddone_due = fsm->updreq_served = true;
    if (fsm->record.state == FO_PARTNER_DOWN && !fsm->record.partner_updated) {
        fsm->record.partner_updated = true; /* durable before the partner relies on it */
        fo_step_revise(s);
    }
}

static void on_settled(struct fo_step *s, uint32_t revision)
{
    struct fo_fsm *fsm = s->fsm;

    if (revision != fsm->revision) {
        return; /* overtaken */
    }
    fsm->settled = revision;
    if (fsm->handover == FO_HANDOVER_SILENCE) {
        fsm->handover = FO_HANDOVER_DRAINING;
        fo_handover_patience_set(s);
        fo_step_act(s, FO_ACT_DRAIN);
    } else if (fsm->handover == FO_HANDOVER_SHUTDOWN) {
        fo_handover_end(s);
    }
}

static void on_ack_stall(struct fo_step *s)
{
    uint8_t next = table_next(s->fsm, FO_COLUMN_STALL);

    if (next && !s->fsm->starting) {
        drop(s); /* the partner, seen as NORMAL, would bring us right back */
        state_set(s, next, FO_CAUSE_STALLED);
    }
}

/* RFC 8156 8.4 (1). */
static int on_partner_down(struct fo_step *s, sec_t since_s, bool force)
{
    struct fo_fsm *fsm = s->fsm;
    enum fo_column column = FO_COLUMN_OPERATOR;
    uint8_t next;

    if (fsm->starting || fsm->handover != FO_HANDOVER_NONE) {
        return -EPERM;
    }
    if (!fsm->comms_ok) {
        column = force ? FO_COLUMN_FORCED : FO_COLUMN_OPERATOR_ALONE;
    }
    next = table_next(fsm, column);
    if (fsm->record.state == FO_PARTNER_DOWN) {
        if (fsm->comms_ok || !fsm->record.partner_updated) {
            return -EALREADY;
        }
        next = FO_PARTNER_DOWN; /* it had begun to come back, and is gone again */
    }
    if (next == 0) {
        return -EPERM;
    }
    drop(s);
    partner_down_enter(s, FO_CAUSE_OPERATOR, since_s);
    return 0;
}

static void timer_fire(struct fo_step *s, enum fo_timer timer)
{
    struct fo_fsm *fsm = s->fsm;
    uint8_t next;

    switch (timer) {
    case FO_TIMER_STARTUP:
        startup_leave(s, NULL);
        break;
    case FO_TIMER_AUTO_DOWN:
        next = table_next(fsm, FO_COLUMN_AUTO_DOWN);
        if (next) {
            partner_down_enter(s, FO_CAUSE_AUTO_DOWN, s->now);
        }
        break;
    case FO_TIMER_RECOVER_WAIT:
        next = table_next(fsm, FO_COLUMN_TIMER);
        if (next) {
            state_set(s, next, FO_CAUSE_WAITED);
        }
        break;
    case FO_TIMER_UPDATE_SILENCE:
        drop(s); /* RFC 8156 8.5.2 */
        break;
    case FO_TIMER_HANDOVER:
        fo_handover_advance(s);
        break;
    case FO_TIMER_HOLD:
        fsm->record.hold_until_s = 0;
        s->persist = true;
        break;
    case FO_TIMER_PARTNER_POOL: /* published at the end of the step */
    case FO_TIMER_COUNT:
        break;
    }
}

static void on_tick(struct fo_step *s)
{
    for (unsigned timer = 0; timer < FO_TIMER_COUNT; timer++) {
        sec_t at;

        if (fo_fsm_timer(s->fsm, (enum fo_timer)timer, &at) && !sec_after(at, s->now)) {
            timer_fire(s, (enum fo_timer)timer);
        }
    }
}

static int dispatch(struct fo_step *s, const struct fo_fsm_event *event)
{
    struct fo_fsm *fsm = s->fsm;

    switch (event->type) {
    case FO_FSM_TICK:
        on_tick(s);
        break;
    case FO_FSM_CONNECTED:
        on_connected(s, event->mclt_s);
        break;
    case FO_FSM_STATE:
        on_state(s, &event->state);
        break;
    case FO_FSM_DISCONNECTED:
        comms_lose(s);
        break;
    case FO_FSM_BNDUPD:
        fsm->progress_s = s->now;
        fsm->record.heard_s = s->now;
        break;
    case FO_FSM_HEARD:
        fsm->record.heard_s = s->now;
        break;
    case FO_FSM_UPDDONE:
        on_upddone(s);
        break;
    case FO_FSM_UPDREQ_SERVED:
        on_updreq_served(s);
        break;
    case FO_FSM_DRAINED:
        fo_handover_drained(s);
        break;
    case FO_FSM_ACK_STALL:
        on_ack_stall(s);
        break;
    case FO_FSM_PARTNER_DOWN:
        return on_partner_down(s, event->down_since_s, event->force);
    case FO_FSM_HANDOVER:
        return fo_handover_begin(s);
    case FO_FSM_SHUTDOWN:
        return fo_handover_shutdown(s);
    case FO_FSM_SETTLED:
        on_settled(s, event->revision);
        break;
    case FO_FSM_EXHAUSTED:
        fsm->own_exhausted = fsm->record.state == FO_PARTNER_DOWN;
        break;
    case FO_FSM_EVENT_COUNT:
        return -EINVAL;
    }
    return 0;
}

/* RECOVER asks (8.5.2); in POTENTIAL-CONFLICT the primary does at once, the secondary when the
 * primary has its answer (8.10.2; facts F.35). */
static bool request_is_due(const struct fo_fsm *fsm)
{
    const struct fo_record *r = &fsm->record;

    if (fsm->starting || !fsm->comms_ok || fsm->partner_starting || fsm->request_outstanding) {
        return false;
    }
    return r->state == FO_RECOVER ||
           (r->state == FO_POTENTIAL_CONFLICT &&
            (fsm->config.role == FO_PRIMARY || r->partner_state == FO_CONFLICT_DONE));
}

/* What may be said once the record is on disk. */
static void tell(struct fo_step *s)
{
    struct fo_fsm *fsm = s->fsm;

    if (fsm->connected && fsm->state_due) {
        fsm->state_due = false;
        fo_step_act(s, FO_ACT_SEND_STATE);
    }
    if (fsm->upddone_due) {
        fsm->upddone_due = false;
        fo_step_act(s, FO_ACT_SEND_UPDDONE);
    }
    if (request_is_due(fsm)) {
        fsm->request_outstanding = true;
        fsm->progress_s = s->now;
        fo_step_act(s, fsm->record.all_needed ? FO_ACT_SEND_UPDREQALL : FO_ACT_SEND_UPDREQ);
    }
    if (fsm->pending_due && fsm->comms_ok && !fsm->starting) {
        fsm->pending_due = false;
        fo_step_act(s, FO_ACT_SEND_PENDING);
    }
}

/* Turns what changed into actions: first the narrower grant and the disk, then the wider grant,
 * then words (design 2). */
static void finish(struct fo_step *s)
{
    struct fo_fsm *fsm = s->fsm;
    struct grant target = fo_fsm_grant_target(fsm, s->now), granted;

    if (fsm->revision != fsm->asked) {
        struct grant both = fo_grant_meet(&fsm->settled_grant, &target);

        fo_step_act(s, FO_ACT_SETTLE);
        s->actions.list[s->actions.count - 1].narrow = !fo_grant_equal(&both, &fsm->settled_grant);
        fsm->asked = fsm->revision;
        s->persist = false;
    } else if (s->persist) {
        fo_step_act(s, FO_ACT_PERSIST);
    }
    granted = fo_fsm_grant(fsm, s->now);
    if (fo_fsm_is_settled(fsm)) {
        fsm->settled_grant = target;
        if (!fo_grant_equal(&granted, &fsm->published)) {
            fo_step_act(s, FO_ACT_PUBLISH);
        }
        tell(s);
    }
    fsm->published = granted;
}

int fo_fsm_step(struct fo_fsm *fsm, const struct fo_fsm_event *event, sec_t now,
                struct fo_fsm_actions *ret_actions)
{
    struct fo_step s = {.fsm = fsm, .now = now};
    int r = 0;

    if (fsm->handover != FO_HANDOVER_STOPPED) {
        r = dispatch(&s, event);
        if (r) {
            return r;
        }
        if (fsm->handover != FO_HANDOVER_STOPPED) {
            evaluate(&s);
            finish(&s);
        }
    }
    *ret_actions = s.actions;
    return 0;
}

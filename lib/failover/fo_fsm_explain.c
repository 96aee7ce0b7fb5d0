/* Why the endpoint is in its state, what it waits for and which timer comes next, as data. */
#include "failover/fo_fsm_internal.h"

static const char *const waits[FO_SERVER_STATE_COUNT] = {
    [FO_STARTUP] = "the partner's state, or the end of the startup period",
    [FO_NORMAL] = "nothing",
    [FO_COMMUNICATIONS_INTERRUPTED] =
        "communications with the partner, or an operator who knows that it is down",
    [FO_PARTNER_DOWN] = "the partner to come back and recover",
    [FO_POTENTIAL_CONFLICT] = "updates from the partner",
    [FO_RECOVER] = "communications with the partner",
    [FO_RECOVER_WAIT] = "the MCLT since this server's time of failure to pass",
    [FO_RECOVER_DONE] = "the partner to enter NORMAL",
    [FO_RESOLUTION_INTERRUPTED] =
        "communications with the partner, or an operator who knows that it is down",
    [FO_CONFLICT_DONE] = "the partner to take our updates and enter NORMAL",
};

static const char *const timers[FO_TIMER_COUNT] = {
    [FO_TIMER_STARTUP] = "startup period ends",
    [FO_TIMER_AUTO_DOWN] = "partner counts as down",
    [FO_TIMER_RECOVER_WAIT] = "recovery is done",
    [FO_TIMER_UPDATE_SILENCE] = "connection is dropped unless updates arrive",
    [FO_TIMER_HANDOVER] = "hand-over goes on without waiting",
    [FO_TIMER_PARTNER_POOL] = "prefixes of the partner's pool may be used",
    [FO_TIMER_HOLD] = "new leases may be given again",
};

static const char *const services[] = {
    [GRANT_SILENT] = "answers nobody",
    [GRANT_RENEW_KNOWN] = "answers RENEW of known leases",
    [GRANT_OWN_SERVER_ID] = "answers messages to its own Server-ID",
    [GRANT_ALL] = "answers all clients",
};

static const char *waits_for(const struct fo_fsm *fsm)
{
    enum fo_server_state state = fo_fsm_state(fsm);

    if (!fo_fsm_is_settled(fsm)) {
        return "this state to reach the disk";
    }
    if (fsm->handover == FO_HANDOVER_STOPPED) {
        return "the process to end";
    }
    if (fsm->handover != FO_HANDOVER_NONE) {
        return "the partner to take the last updates";
    }
    if (fsm->comms_ok && fsm->partner_starting) {
        return "the partner to leave STARTUP";
    }
    if (fsm->request_outstanding) {
        return "UPDDONE from the partner";
    }
    if (state == FO_POTENTIAL_CONFLICT && fsm->config.role == FO_SECONDARY) {
        return "the primary to take our updates and enter CONFLICT-DONE";
    }
    if (state == FO_COMMUNICATIONS_INTERRUPTED && fsm->comms_ok) {
        return "the partner to finish its recovery";
    }
    return waits[state];
}

static bool partner_down_is_allowed(const struct fo_fsm *fsm)
{
    if (fsm->starting || fsm->handover != FO_HANDOVER_NONE) {
        return false;
    }
    if (fsm->record.state == FO_PARTNER_DOWN) {
        return !fsm->comms_ok && fsm->record.partner_updated;
    }
    return fo_fsm_next(fsm->config.role, (enum fo_server_state)fsm->record.state,
                       fsm->comms_ok ? FO_COLUMN_OPERATOR : FO_COLUMN_OPERATOR_ALONE) != 0;
}

void fo_fsm_explain(const struct fo_fsm *fsm, sec_t now, struct fo_explain *ret_explain)
{
    struct grant grant = fo_fsm_grant(fsm, now);
    const struct fo_record *r = &fsm->record;

    *ret_explain = (struct fo_explain){
        .state = fo_fsm_state(fsm),
        .since_s = fsm->starting ? fsm->started_s : r->start_s,
        .cause = fo_cause_text((enum fo_cause)r->cause),
        .waits_for = waits_for(fsm),
        .service = services[grant.service],
        .comms_ok = fsm->comms_ok,
        .settled = fo_fsm_is_settled(fsm),
        .partner_state = r->partner_state,
        .partner_starting = fsm->partner_starting,
        .partner_since_s = r->partner_start_s,
        .heard_s = r->heard_s,
        .partner_down_allowed = partner_down_is_allowed(fsm),
        .partner_pool_open = fo_fsm_partner_pool_open(fsm, now),
        .mclt_s = grant.mclt_s,
    };
    for (unsigned timer = 0; timer < FO_TIMER_COUNT; timer++) {
        sec_t at;

        if (fo_fsm_timer(fsm, (enum fo_timer)timer, &at) &&
            (!ret_explain->timer || sec_after(ret_explain->timer_at_s, at))) {
            ret_explain->timer = timers[timer];
            ret_explain->timer_at_s = at;
        }
    }
}

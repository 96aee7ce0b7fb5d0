/* What each endpoint state allows (RFC 8156 8.1; facts C.2), and the machine's timers. */
#include "failover/fo_fsm_internal.h"

/* One row per state: whom the roles answer, whether they give new leases. The MCLT limits all but
 * PARTNER-DOWN (facts B.4). */
struct rights {
    uint8_t service[2]; /* by enum fo_role */
    bool allocate;
};

static const struct rights rights[FO_SERVER_STATE_COUNT] = {
    [FO_STARTUP] = {{GRANT_SILENT, GRANT_SILENT}, false},
    [FO_NORMAL] = {{GRANT_ALL, GRANT_OWN_SERVER_ID}, true}, /* 8.8.1, facts F.38 */
    [FO_COMMUNICATIONS_INTERRUPTED] = {{GRANT_ALL, GRANT_ALL}, true},
    [FO_PARTNER_DOWN] = {{GRANT_ALL, GRANT_ALL}, true},
    [FO_POTENTIAL_CONFLICT] = {{GRANT_SILENT, GRANT_SILENT}, false},
    [FO_RECOVER] = {{GRANT_SILENT, GRANT_SILENT}, false},
    [FO_RECOVER_WAIT] = {{GRANT_SILENT, GRANT_SILENT}, false},
    [FO_RECOVER_DONE] = {{GRANT_RENEW_KNOWN, GRANT_RENEW_KNOWN}, false}, /* facts F.37 */
    [FO_RESOLUTION_INTERRUPTED] = {{GRANT_ALL, GRANT_ALL}, true},
    [FO_CONFLICT_DONE] = {{GRANT_ALL, GRANT_SILENT}, true},
};

/* PARTNER-DOWN while the partner cannot be coming back: it hears us, or was brought up to date, and
 * then what we grant beyond the MCLT might be unknown to it if we die (facts F.32; from the first
 * contact on, as what is granted behind its UPDREQ is not part of the answer). */
static bool is_alone(const struct fo_fsm *fsm)
{
    return !fsm->starting && fsm->record.state == FO_PARTNER_DOWN && !fsm->comms_ok &&
           !fsm->record.partner_updated;
}

static bool is_handed_over(const struct fo_fsm *fsm)
{
    return fsm->handover >= FO_HANDOVER_SILENCE;
}

/* MCLT after the partner's last possible grant (RFC 8156 8.4.1), and the answer's way. */
static sec_t partner_pool_from(const struct fo_fsm *fsm)
{
    return fo_sec_add(fsm->record.down_since_s + LEASE_TRANSIT_S, fsm->record.mclt_s);
}

static bool pool_open_target(const struct fo_fsm *fsm, sec_t now)
{
    return is_alone(fsm) && !is_handed_over(fsm) && !sec_after(partner_pool_from(fsm), now);
}

/* Own pool "if that can be determined" (RFC 8156 8.11.1): not when the partner was in PARTNER-DOWN,
 * where it may use it, and has not told us of all since. */
static bool is_pool_known(const struct fo_fsm *fsm)
{
    return fsm->record.state != FO_RESOLUTION_INTERRUPTED || !fsm->record.pool_unknown;
}

static int8_t own_parity(const struct fo_fsm *fsm)
{
    return fsm->config.role == FO_PRIMARY ? 1 : 0; /* RFC 8156 4.2.1.1 */
}

struct grant fo_fsm_grant_target(const struct fo_fsm *fsm, sec_t now)
{
    const struct rights *row = &rights[fo_fsm_state(fsm)];
    bool held = fsm->record.hold_until_s && sec_after(fsm->record.hold_until_s, now);
    struct grant grant = {
        .service = is_handed_over(fsm) ? GRANT_SILENT : row->service[fsm->config.role],
        .address_parity = own_parity(fsm),
        .mclt_s = is_alone(fsm) ? 0 : fsm->record.mclt_s,
        .partner = true,
        .partner_prefixes = pool_open_target(fsm, now),
    };

    grant.allocate = row->allocate && !held && is_pool_known(fsm) && grant.service != GRANT_SILENT;
    if (fsm->config.partner_addresses && fsm->own_exhausted && pool_open_target(fsm, now)) {
        grant.address_parity = -1;
    }
    return grant;
}

struct grant fo_grant_meet(const struct grant *a, const struct grant *b)
{
    struct grant both = {
        .service = a->service < b->service ? a->service : b->service,
        .allocate = a->allocate && b->allocate,
        .address_parity = a->address_parity < 0 ? b->address_parity : a->address_parity,
        .mclt_s = a->mclt_s,
        .partner = a->partner || b->partner,
        .partner_prefixes = a->partner_prefixes && b->partner_prefixes,
    };

    if (a->mclt_s == 0 || (b->mclt_s && b->mclt_s < a->mclt_s)) {
        both.mclt_s = b->mclt_s;
    }
    return both;
}

bool fo_grant_equal(const struct grant *a, const struct grant *b)
{
    return a->service == b->service && a->allocate == b->allocate &&
           a->address_parity == b->address_parity && a->mclt_s == b->mclt_s &&
           a->partner == b->partner && a->partner_prefixes == b->partner_prefixes;
}

struct grant fo_fsm_grant(const struct fo_fsm *fsm, sec_t now)
{
    struct grant target = fo_fsm_grant_target(fsm, now);

    return fo_fsm_is_settled(fsm) ? target : fo_grant_meet(&fsm->settled_grant, &target);
}

bool fo_fsm_partner_pool_open(const struct fo_fsm *fsm, sec_t now)
{
    return fo_fsm_grant(fsm, now).partner_prefixes;
}

bool fo_fsm_is_settled(const struct fo_fsm *fsm)
{
    return fsm->settled == fsm->revision;
}

bool fo_fsm_may_send(const struct fo_fsm *fsm)
{
    if (fsm->starting || !fsm->comms_ok || !fo_fsm_is_settled(fsm)) {
        return false;
    }
    switch ((enum fo_server_state)fsm->record.state) {
    case FO_NORMAL:
    case FO_CONFLICT_DONE:
        return true;
    case FO_PARTNER_DOWN:
    case FO_COMMUNICATIONS_INTERRUPTED:
        return fsm->updreq_served;
    case FO_STARTUP:
    case FO_POTENTIAL_CONFLICT:
    case FO_RECOVER:
    case FO_RECOVER_WAIT:
    case FO_RECOVER_DONE:
    case FO_RESOLUTION_INTERRUPTED:
    case FO_SERVER_STATE_COUNT:
        break;
    }
    return false;
}

bool fo_fsm_may_expire(const struct fo_fsm *fsm, uint32_t *ret_delay_s)
{
    enum fo_server_state state = fo_fsm_state(fsm);

    if (rights[state].service[fsm->config.role] < GRANT_OWN_SERVER_ID) {
        return false;
    }
    *ret_delay_s = state == FO_NORMAL && fsm->config.role == FO_SECONDARY ? 60 : 0;
    return true;
}

static uint32_t or_default(uint32_t configured_s, uint32_t default_s)
{
    return configured_s ? configured_s : default_s;
}

/* RFC 8156 8.6.2; facts F.12. */
static sec_t recover_wait_end(const struct fo_fsm *fsm)
{
    const struct fo_record *r = &fsm->record;

    if (r->failure_s) {
        return fo_sec_add(r->failure_s + LEASE_TRANSIT_S, r->mclt_s);
    }
    return r->fresh ? r->start_s : fo_sec_add(r->wait_from_s + LEASE_TRANSIT_S, r->mclt_s);
}

/* Facts F.33: only while communications are not OK, and from the last sign of life on. */
static bool auto_down_at(const struct fo_fsm *fsm, sec_t *ret_at_s)
{
    const struct fo_record *r = &fsm->record;
    sec_t from = sec_max(fsm->lost_s, r->start_s);

    if (fsm->config.auto_partner_down_s == 0 || fsm->starting || fsm->comms_ok ||
        r->state != FO_COMMUNICATIONS_INTERRUPTED) {
        return false;
    }
    from = r->heard_s ? sec_max(from, r->heard_s) : from;
    *ret_at_s = fo_sec_add(from, fsm->config.auto_partner_down_s);
    return true;
}

bool fo_fsm_timer(const struct fo_fsm *fsm, enum fo_timer timer, sec_t *ret_at_s)
{
    const struct fo_fsm_config *config = &fsm->config;
    const struct fo_record *r = &fsm->record;

    if (fsm->handover == FO_HANDOVER_STOPPED) {
        return false;
    }
    switch (timer) {
    case FO_TIMER_STARTUP:
        *ret_at_s =
            fo_sec_add(fsm->started_s, or_default(config->startup_s, FO_FSM_STARTUP_DEFAULT_S));
        return fsm->starting;
    case FO_TIMER_AUTO_DOWN:
        return auto_down_at(fsm, ret_at_s);
    case FO_TIMER_RECOVER_WAIT:
        *ret_at_s = recover_wait_end(fsm);
        return !fsm->starting && r->state == FO_RECOVER_WAIT;
    case FO_TIMER_UPDATE_SILENCE:
        *ret_at_s = fo_sec_add(
            fsm->progress_s, or_default(config->update_silence_s, FO_FSM_UPDATE_SILENCE_DEFAULT_S));
        return fsm->request_outstanding;
    case FO_TIMER_HANDOVER:
        *ret_at_s = fsm->handover_deadline_s;
        return fsm->handover == FO_HANDOVER_SERVING || fsm->handover == FO_HANDOVER_DRAINING;
    case FO_TIMER_PARTNER_POOL:
        *ret_at_s = partner_pool_from(fsm);
        return is_alone(fsm) && !fsm->published.partner_prefixes && fo_fsm_is_settled(fsm) &&
               !is_handed_over(fsm);
    case FO_TIMER_HOLD:
        *ret_at_s = r->hold_until_s;
        return r->hold_until_s != 0;
    case FO_TIMER_COUNT:
        break;
    }
    return false;
}

bool fo_fsm_deadline(const struct fo_fsm *fsm, sec_t *ret_at_s)
{
    bool any = false;

    for (unsigned timer = 0; timer < FO_TIMER_COUNT; timer++) {
        sec_t at;

        if (fo_fsm_timer(fsm, (enum fo_timer)timer, &at) && (!any || sec_after(*ret_at_s, at))) {
            *ret_at_s = at;
            any = true;
        }
    }
    return any;
}

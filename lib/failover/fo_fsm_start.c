/* How the machine begins: from the record on disk, or without one; and what it says of itself. */
#include "failover/fo_fsm_internal.h"

/* Facts C.4, step 2: a state that needs communications becomes what follows their loss. */
static void record_resume(struct fo_fsm *fsm, sec_t now)
{
    struct fo_record *r = &fsm->record;
    uint8_t next = fo_fsm_next(fsm->config.role, (enum fo_server_state)r->state, FO_COLUMN_DOWN);

    if (next) {
        if (fsm->last_operating_s) {
            /* The partner was there until about then, whatever the last record says. */
            r->heard_s =
                r->heard_s ? sec_max(r->heard_s, fsm->last_operating_s) : fsm->last_operating_s;
        }
        r->previous = r->state;
        r->state = next;
        r->start_s = now;
        r->cause = FO_CAUSE_RESTART;
    }
}

/* Facts F.11: RECOVER for both roles. lost: of another role, its leases may not fit ours. */
static void record_first(struct fo_fsm *fsm, const struct fo_record *lost, sec_t now)
{
    fsm->record = (struct fo_record){
        .role = (uint8_t)fsm->config.role,
        .state = FO_RECOVER,
        .cause = lost ? FO_CAUSE_ROLE_CHANGED : FO_CAUSE_NONE,
        .communicated = lost != NULL && lost->communicated,
        .all_needed = lost != NULL && lost->communicated,
        .start_s = now,
        .mclt_s = lost ? lost->mclt_s : fsm->config.mclt_s,
        .failure_s = lost && lost->communicated ? fsm->last_operating_s : 0,
        .wait_from_s = now,
    };
}

int fo_fsm_init(struct fo_fsm *fsm, const struct fo_fsm_config *config,
                const struct fo_record *record, sec_t last_operating_s, sec_t now)
{
    if (config->mclt_s == 0) {
        return -EINVAL;
    }
    *fsm = (struct fo_fsm){
        .config = *config,
        .had_record = record != NULL,
        .starting = true,
        .started_s = now,
        .last_operating_s = last_operating_s,
        .lost_s = now,
    };
    if (record && record->role == config->role) {
        fsm->record = *record;
        record_resume(fsm, now);
    } else {
        record_first(fsm, record, now);
    }
    if (config->role == FO_PRIMARY) {
        fsm->record.mclt_s = config->mclt_s; /* conveyed in CONNECT (RFC 8156 6.1.2) */
    }
    fsm->settled_grant = fsm->published = fo_fsm_grant_target(fsm, now);
    return 0;
}

enum fo_server_state fo_fsm_state(const struct fo_fsm *fsm)
{
    return fsm->starting ? FO_STARTUP : (enum fo_server_state)fsm->record.state;
}

struct fo_state fo_fsm_state_message(const struct fo_fsm *fsm)
{
    const struct fo_record *r = &fsm->record;
    struct fo_state message = {
        .state = r->state,
        .has_flags = true,
        .has_start = true,
        .start_s = r->start_s,
    };

    message.flags = (uint8_t)((fsm->told_communicated ? FO_FLAG_COMMUNICATED : 0) |
                              (fsm->starting ? FO_FLAG_STARTUP : 0) |
                              (fsm->partner_starting ? FO_FLAG_ACK_STARTUP : 0));
    if (r->state == FO_PARTNER_DOWN) { /* facts F.14 */
        message.has_partner_down = true;
        message.partner_down_s = r->start_s;
    }
    return message;
}

/* The failover endpoint state machine (RFC 8156 8): one table over (own state, communications or
 * partner's state, and the few other events), and around it what the text says in prose - STARTUP,
 * the waits, requests for updates, the operator. Without I/O, clock or memory: the caller steps it
 * with events and the wall clock and carries out the actions it returns, in their order.
 *
 * A new state changes rights. Narrow first, then record, then tell (design 2):
 *
 *     fo_fsm_step(fsm, &event, now, &actions)
 *         FO_ACT_SETTLE: publish fo_fsm_grant(); if narrow: one RCU grace period and a journal
 *             barrier; then fo_record_encode(&fsm->record) to the disk; once that is durable
 *             step FO_FSM_SETTLED with the action's revision
 *         then come FO_ACT_PUBLISH (the wider grant) and FO_ACT_SEND_STATE and what waited for it
 *
 * Until then fo_fsm_grant is what old and new state both allow. Nothing else needs to be remembered
 * by the caller: a SETTLE that was overtaken by a later one may be finished or dropped.
 *
 * Knows nothing of leases, connections or disks. Control core only. */
#ifndef FAILOVER_FO_FSM_H
#define FAILOVER_FO_FSM_H

#include "failover/fo_link.h"
#include "failover/fo_wire.h"
#include "policy/policy.h"

/* Columns of the state table. 1..10 are the partner's states by enum fo_server_state while
 * communications are OK; FO_STARTUP means that the partner's last STATE had flag S. */
enum fo_column {
    FO_COLUMN_DOWN = 0, /* communications are not OK */
    FO_COLUMN_UPDDONE = FO_SERVER_STATE_COUNT,
    FO_COLUMN_OPERATOR,       /* "partner is down", communications OK */
    FO_COLUMN_OPERATOR_ALONE, /* the same, not OK */
    FO_COLUMN_FORCED,         /* the same, not OK, and the operator insists */
    FO_COLUMN_AUTO_DOWN,      /* auto-partner-down timer */
    FO_COLUMN_STALL,          /* no acks although the connection works */
    FO_COLUMN_TIMER,          /* RECOVER-WAIT is over */
    FO_COLUMN_COUNT,
};

/* The table: next state, 0 = stay (of a partner's state or DOWN), 0 = has no effect (of others). */
uint8_t fo_fsm_next(enum fo_role role, enum fo_server_state own, enum fo_column column);

/* Why the endpoint is in its state; persisted, numbers are never reused. */
#define FO_CAUSES(ROW)                                                                             \
    ROW(NONE, "no record of an earlier state")                                                     \
    ROW(RESTART, "server restarted in its recorded state")                                         \
    ROW(STARTUP_ALONE, "partner not heard during startup")                                         \
    ROW(STARTUP_PARTNER_DOWN_LATER, "partner went to PARTNER-DOWN after this server stopped")      \
    ROW(STARTUP_PARTNER_DOWN_EARLIER, "partner went to PARTNER-DOWN while this server operated")   \
    ROW(COMMUNICATIONS_LOST, "communications with the partner were lost")                          \
    ROW(PARTNER_STATE, "the partner's state asked for it")                                         \
    ROW(UPDATED, "the partner sent all its updates")                                               \
    ROW(OPERATOR, "operator declared the partner down")                                            \
    ROW(AUTO_DOWN, "auto-partner-down period passed without a sign of the partner")                \
    ROW(STALLED, "the partner acknowledged nothing for too long")                                  \
    ROW(WAITED, "the MCLT since the time of failure has passed")                                   \
    ROW(ROLE_CHANGED, "the recorded role differs from the configured one")

enum fo_cause {
#define FO_CAUSE_ENUM(name, text) FO_CAUSE_##name,
    FO_CAUSES(FO_CAUSE_ENUM)
#undef FO_CAUSE_ENUM
    FO_CAUSE_COUNT,
};

const char *fo_cause_text(enum fo_cause cause);

enum {
    FO_RECORD_SIZE_MAX = 64, /* well below META_VALUE_MAX */
    FO_FSM_STARTUP_DEFAULT_S = 15,
    FO_FSM_UPDATE_SILENCE_DEFAULT_S = 60,
    FO_FSM_HANDOVER_DEFAULT_S = 5,
    FO_FSM_ACTIONS_MAX = 16,
};

/* What stable storage keeps of an endpoint (RFC 8156 8.2; facts C.1). Times 0: not known. */
struct fo_record {
    uint8_t role;          /* enum fo_role */
    uint8_t state;         /* enum fo_server_state, never STARTUP */
    uint8_t previous;      /* 0: none */
    uint8_t cause;         /* enum fo_cause */
    uint8_t partner_state; /* as told last with flag S clear, 0: never */
    uint8_t partner_flags;
    bool communicated;    /* communications with this partner were OK once (flag C) */
    bool all_needed;      /* own storage was lost: ask with UPDREQALL until UPDDONE */
    bool fresh;           /* neither side had run failover when they first met (facts F.12) */
    bool partner_updated; /* PARTNER-DOWN: the partner had UPDDONE (facts F.32) */
    bool pool_unknown;    /* the partner was in PARTNER-DOWN, and what it gave of our share is not
                           * known yet (8.11.1) */
    sec_t start_s;        /* entry into state */
    sec_t partner_start_s;
    sec_t partner_down_s; /* option 125 as received */
    sec_t heard_s;        /* last message from the partner */
    uint32_t mclt_s;
    sec_t failure_s;    /* RECOVER, RECOVER-WAIT: TIME-OF-FAILURE */
    sec_t wait_from_s;  /* the same: first start, where that is not known */
    sec_t down_since_s; /* PARTNER-DOWN: the partner has granted nothing since */
    sec_t hold_until_s; /* no new leases before: RECOVER-WAIT was cut short (facts F.36) */
};

/* META_ENDPOINT's value. Returns the size. */
size_t fo_record_encode(const struct fo_record *record, uint8_t buf[FO_RECORD_SIZE_MAX]);
/* 0; -EBADMSG; -ENOTSUP: written by a later version of the format. */
int fo_record_parse(struct span bytes, struct fo_record *ret_record) MUST_CHECK;

struct fo_fsm_config {
    enum fo_role role;
    uint32_t mclt_s; /* primary: configured. Secondary: until the primary's CONNECT tells. Not 0 */
    uint32_t startup_s;           /* STARTUP lasts at most that long; 0 = default */
    uint32_t auto_partner_down_s; /* silence after which the partner counts as down; 0 = never */
    uint32_t update_silence_s;    /* no UPDDONE and no BNDUPD for so long: reconnect; 0 = default */
    uint32_t handover_s;          /* patience of a hand-over; 0 = default */
    bool startup_partner_down; /* commissioning (8.3.2): without any record go to PARTNER-DOWN when
                                * the partner is not reached in the startup period (facts F.11) */
    bool partner_addresses;    /* PARTNER-DOWN, MCLT passed, own half used up: use the other half
                                * (facts F.9) */
};

enum fo_fsm_event_type {
    FO_FSM_TICK,          /* fo_fsm_deadline has come; harmless at any time */
    FO_FSM_CONNECTED,     /* FO_EVENT_OPENED of the link */
    FO_FSM_STATE,         /* STATE received (the first of a connection: communications OK) */
    FO_FSM_DISCONNECTED,  /* FO_EVENT_DOWN of the link, whatever the reason */
    FO_FSM_HEARD,         /* any other sign of life of the partner */
    FO_FSM_BNDUPD,        /* an update arrived: an outstanding request makes progress */
    FO_FSM_UPDDONE,       /* answer to the outstanding request */
    FO_FSM_UPDREQ_SERVED, /* all updates the partner asked for are answered: UPDDONE may go */
    FO_FSM_DRAINED,       /* nothing is left to tell the partner (after SEND_PENDING or DRAIN) */
    FO_FSM_ACK_STALL,     /* no BNDREPLY for too long */
    FO_FSM_PARTNER_DOWN,  /* operator */
    FO_FSM_HANDOVER,      /* operator: drain, tell the partner, stop */
    FO_FSM_SHUTDOWN,      /* stop at once */
    FO_FSM_SETTLED,       /* what FO_ACT_SETTLE asked for is done */
    FO_FSM_EXHAUSTED,     /* own half of the addresses is used up */
    FO_FSM_EVENT_COUNT,
};

struct fo_fsm_event {
    enum fo_fsm_event_type type;
    uint32_t mclt_s;       /* CONNECTED: as agreed */
    struct fo_state state; /* STATE */
    sec_t down_since_s;    /* PARTNER_DOWN: the partner stopped then at the latest; 0 = now */
    bool force;            /* PARTNER_DOWN: even where own data may be missing */
    uint32_t revision;     /* SETTLED */
};

enum fo_act {
    FO_ACT_SETTLE,     /* see above */
    FO_ACT_PUBLISH,    /* fo_fsm_grant changed, no waiting needed */
    FO_ACT_PERSIST,    /* record changed, nothing waits for it */
    FO_ACT_SEND_STATE, /* fo_fsm_state_message */
    FO_ACT_SEND_UPDREQ,
    FO_ACT_SEND_UPDREQALL,
    FO_ACT_SEND_UPDDONE,
    FO_ACT_SEND_PENDING, /* send all unacknowledged updates, then FO_FSM_DRAINED */
    FO_ACT_SEND_POOLREQ,
    FO_ACT_DROP,            /* drop the connection; the machine takes it as gone already */
    FO_ACT_DRAIN,           /* hand-over: send what is left, then FO_FSM_DRAINED */
    FO_ACT_DISCONNECT,      /* DISCONNECT, status ServerShuttingDown */
    FO_ACT_STOPPED,         /* hand-over or shutdown done: the process may end */
    FO_ACT_HANDOVER_FAILED, /* the partner went away meanwhile: we go on serving */
    FO_ACT_ALARM,           /* entered a state an operator should know of */
    FO_ACT_COUNT,
};

struct fo_fsm_actions {
    struct {
        enum fo_act act;
        uint32_t revision; /* SETTLE */
        bool narrow;       /* SETTLE: grace period and journal barrier before the disk */
    } list[FO_FSM_ACTIONS_MAX];

    unsigned count;
};

enum fo_handover {
    FO_HANDOVER_NONE,
    FO_HANDOVER_SERVING,  /* drains, serves on */
    FO_HANDOVER_SILENCE,  /* becoming silent, drains then */
    FO_HANDOVER_DRAINING, /* silent, the rest drains */
    FO_HANDOVER_SHUTDOWN, /* becoming silent, ends then */
    FO_HANDOVER_STOPPED,
};

/* Public for embedding. record and reached may be read, the rest is fo_fsm.c's. */
struct fo_fsm {
    struct fo_fsm_config config;
    struct fo_record record; /* what the disk shall say; the state entered next while starting */
    bool had_record;
    bool starting;          /* STARTUP */
    sec_t started_s;        /* of this process */
    sec_t last_operating_s; /* end of the last operation before that, 0 = not known */
    bool connected;         /* STATE may be sent */
    bool comms_ok;
    bool partner_starting;  /* its last STATE had flag S */
    bool told_communicated; /* flag C, fixed for the connection (facts F.13) */
    bool state_due;         /* STATE to be sent once settled */
    sec_t lost_s;           /* communications are not OK since */

    uint32_t revision, settled, asked; /* of record: now, on disk, last SETTLE */
    struct grant settled_grant, published;
    bool own_exhausted;

    bool request_outstanding;        /* UPDREQ or UPDREQALL */
    sec_t progress_s;                /* last update since */
    bool upddone_due, updreq_served; /* on this connection */
    bool pending_due, pool_due;      /* NORMAL entered: SEND_PENDING, then POOLREQ */
    enum fo_handover handover;
    sec_t handover_deadline_s;

    /* How often each cell was consulted, for tests and the simulation's coverage. */
    uint32_t reached[FO_SERVER_STATE_COUNT][FO_COLUMN_COUNT];
};

/* record: as read from the disk, NULL if there is none. last_operating_s: the operating horizon or
 * the time of the clean stop, 0 = not known. -EINVAL: MCLT 0. The machine is in STARTUP. */
int fo_fsm_init(struct fo_fsm *fsm, const struct fo_fsm_config *config,
                const struct fo_record *record, sec_t last_operating_s, sec_t now) MUST_CHECK;

/* 0; -EPERM: the operator's wish does not fit the state (fo_fsm_explain tells), nothing happened;
 * -EALREADY: it is so already. */
int fo_fsm_step(struct fo_fsm *fsm, const struct fo_fsm_event *event, sec_t now,
                struct fo_fsm_actions *ret_actions) MUST_CHECK;

/* The time FO_FSM_TICK is due; false: none. */
bool fo_fsm_deadline(const struct fo_fsm *fsm, sec_t *ret_at_s);

/* The state now, STARTUP included. */
enum fo_server_state fo_fsm_state(const struct fo_fsm *fsm);

/* What may be done now, in the workers' terms. */
struct grant fo_fsm_grant(const struct fo_fsm *fsm, sec_t now);

bool fo_grant_equal(const struct grant *a, const struct grant *b);

/* True when prefixes of the partner's pool may be allocated, own ones first (RFC 8156 8.4.1). Part
 * of the grant. */
bool fo_fsm_partner_pool_open(const struct fo_fsm *fsm, sec_t now);

/* True when the record of the present state is durable and its grant in force. UPDREQ of the
 * partner is served only then: what is granted later is MCLT-limited. */
bool fo_fsm_is_settled(const struct fo_fsm *fsm);

/* True when changes may be sent without being asked (facts F.31). */
bool fo_fsm_may_send(const struct fo_fsm *fsm);

/* True when this server declares leases EXPIRED by itself now, ret_delay_s after their time: in
 * NORMAL the primary does, the secondary only if it fails to (facts F.10). */
bool fo_fsm_may_expire(const struct fo_fsm *fsm, uint32_t *ret_delay_s);

/* The STATE message to send. */
struct fo_state fo_fsm_state_message(const struct fo_fsm *fsm);

/* Everything an operator asks about a state. Texts are static. */
struct fo_explain {
    enum fo_server_state state;
    sec_t since_s;
    const char *cause;     /* why this state */
    const char *waits_for; /* what would end it */
    const char *timer;     /* what happens at timer_at_s; NULL: no timer runs */
    sec_t timer_at_s;
    const char *service; /* whom clients see */
    bool comms_ok, settled;
    uint8_t partner_state; /* 0: unknown */
    bool partner_starting;
    sec_t partner_since_s, heard_s; /* 0: unknown */
    bool partner_down_allowed;      /* the operator may say partner-down now */
    bool partner_pool_open;
    uint32_t mclt_s; /* limit in force, 0 = none */
};

void fo_fsm_explain(const struct fo_fsm *fsm, sec_t now, struct fo_explain *ret_explain);

#endif

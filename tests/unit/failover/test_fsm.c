/* The endpoint state machine, cell by cell: RFC 8156 8.3-8.12, protocol facts C.2-C.5, F.9-F.14,
 * F.32-F.38. Sequences of two machines are in test_fsm_pair.c. */
#include <string.h>

#include "check.h"
#include "failover/fo_fsm_internal.h"

enum {
    MCLT = 3600,
    NOW = 0x31000000,
};

static const struct fo_fsm_config configs[2] = {
    {.role = FO_PRIMARY, .mclt_s = MCLT},
    {.role = FO_SECONDARY, .mclt_s = MCLT},
};

static uint32_t reached[FO_SERVER_STATE_COUNT][FO_COLUMN_COUNT];

static bool has_act(const struct fo_fsm_actions *actions, enum fo_act what)
{
    for (unsigned i = 0; i < actions->count; i++) {
        if (actions->list[i].act == what) {
            return true;
        }
    }
    return false;
}

/* Position of the first such action, -1: none. */
static int act_index(const struct fo_fsm_actions *actions, enum fo_act what)
{
    for (unsigned i = 0; i < actions->count; i++) {
        if (actions->list[i].act == what) {
            return (int)i;
        }
    }
    return -1;
}

static bool settle_is_narrow(const struct fo_fsm_actions *actions)
{
    int i = act_index(actions, FO_ACT_SETTLE);

    return i >= 0 && actions->list[i].narrow;
}

static struct fo_fsm_actions step(struct fo_fsm *fsm, const struct fo_fsm_event *event, sec_t now)
{
    struct fo_fsm_actions actions = {.count = 0};

    CHECK_EQ(fo_fsm_step(fsm, event, now, &actions), 0);
    return actions;
}

static struct fo_fsm_actions step_type(struct fo_fsm *fsm, enum fo_fsm_event_type type, sec_t now)
{
    struct fo_fsm_event event = {.type = type};

    return step(fsm, &event, now);
}

static struct fo_fsm_actions settle(struct fo_fsm *fsm, sec_t now)
{
    struct fo_fsm_event event = {.type = FO_FSM_SETTLED, .revision = fsm->revision};

    return step(fsm, &event, now);
}

static struct fo_fsm_actions partner_start(struct fo_fsm *fsm, unsigned state, unsigned flags,
                                           sec_t start_s, sec_t now)
{
    struct fo_fsm_event event = {.type = FO_FSM_STATE,
                                 .state = {.state = (uint8_t)state,
                                           .flags = (uint8_t)flags,
                                           .has_flags = true,
                                           .has_start = true,
                                           .start_s = start_s}};

    return step(fsm, &event, now);
}

static struct fo_fsm_actions partner(struct fo_fsm *fsm, unsigned state, sec_t now)
{
    return partner_start(fsm, state, FO_FLAG_COMMUNICATED, now, now);
}

static struct fo_record record_of(enum fo_role role, enum fo_server_state state)
{
    return (struct fo_record){.role = (uint8_t)role,
                              .state = (uint8_t)state,
                              .communicated = true,
                              .start_s = NOW - 1000,
                              .mclt_s = MCLT,
                              .heard_s = NOW - 500,
                              .failure_s = NOW - 300,
                              .wait_from_s = NOW - 300,
                              .down_since_s = NOW - 1000};
}

/* A settled machine in the state, whatever the way there; partner_state 0: communications are not
 * OK. */
static void place(struct fo_fsm *fsm, enum fo_role role, enum fo_server_state own,
                  unsigned partner_state)
{
    struct fo_record record = record_of(role, own);

    CHECK_EQ(fo_fsm_init(fsm, &configs[role], &record, NOW - 300, NOW - 100), 0);
    fsm->record = record;
    fsm->starting = false;
    fsm->comms_ok = fsm->connected = partner_state != 0;
    fsm->record.partner_state = (uint8_t)partner_state;
    (void)step_type(fsm, FO_FSM_TICK, NOW - 100);
}

static void reached_add(const struct fo_fsm *fsm)
{
    for (unsigned i = 0; i < FO_SERVER_STATE_COUNT; i++) {
        for (unsigned k = 0; k < FO_COLUMN_COUNT; k++) {
            reached[i][k] += fsm->reached[i][k];
        }
    }
}

/* Facts C.5, written once more by hand. Rows and columns: N CI PD PC R RW RD RI CD. */
static const enum fo_server_state order[9] = {FO_NORMAL,       FO_COMMUNICATIONS_INTERRUPTED,
                                              FO_PARTNER_DOWN, FO_POTENTIAL_CONFLICT,
                                              FO_RECOVER,      FO_RECOVER_WAIT,
                                              FO_RECOVER_DONE, FO_RESOLUTION_INTERRUPTED,
                                              FO_CONFLICT_DONE};

static const char *const names[9] = {"N", "CI", "PD", "PC", "R", "RW", "RD", "RI", "CD"};

static const char *const c5[2][9] = {
    {
        /* N  CI PD PC R  RW RD RI CD */
        "=  =  PC PC CI CI =  PC PC", /* N */
        "N  N  PC PC =  =  N  PC PC", /* CI */
        "PC PC PC PC =  =  N  PC PC", /* PD */
        "=  =  =  =  =  =  =  =  =",  /* PC */
        "=  =  =  PC =  =  =  PC PC", /* R */
        "=  =  =  PC =  =  =  =  =",  /* RW, F.36 */
        "N  =  =  PC CI CI N  =  PC", /* RD */
        "PC PC PC PC PC PC PC PC PC", /* RI */
        "N  =  PC =  =  =  =  =  =",  /* CD */
    },
    {
        "=  =  PC PC CI CI =  PC =", "N  N  PC PC =  =  N  PC PC", "PC PC PC PC =  =  N  PC PC",
        "=  =  =  =  =  =  =  =  =", "=  =  =  PC =  =  =  PC PC",
        "=  =  =  PC =  =  =  =  =", "N  =  =  PC CI CI N  =  PC", "PC PC PC PC PC PC PC PC PC",
        NULL, /* a secondary is never there */
    },
};

static enum fo_server_state state_named(const char *name, enum fo_server_state own)
{
    for (unsigned i = 0; i < 9; i++) {
        size_t size = strcspn(name, " ");

        if (strlen(names[i]) == size && memcmp(name, names[i], size) == 0) {
            return order[i];
        }
    }
    CHECK(name[0] == '=');
    return own;
}

/* Every cell: as a change while connected, and as the first STATE of a connection. */
static void test_table(void)
{
    for (unsigned role = 0; role < 2; role++) {
        for (unsigned i = 0; i < 9; i++) {
            const char *row = c5[role][i];

            for (unsigned k = 0; row && k < 9; k++) {
                enum fo_server_state expected = state_named(row + 3 * k, order[i]);
                struct fo_fsm fsm;
                struct fo_fsm_actions actions;

                place(&fsm, (enum fo_role)role, order[i], order[i] == FO_NORMAL ? FO_NORMAL : 0);
                actions = partner(&fsm, order[k], NOW);
                if (fo_fsm_state(&fsm) != expected) {
                    printf("%s %s x %s -> %s\n", role ? "secondary" : "primary", names[i], names[k],
                           fo_state_name(fo_fsm_state(&fsm)));
                }
                CHECK_EQ(fo_fsm_state(&fsm), expected);
                CHECK(fsm.reached[order[i]][order[k]] > 0);
                CHECK_EQ(has_act(&actions, FO_ACT_SETTLE),
                         expected != order[i] || order[i] == FO_PARTNER_DOWN);
                CHECK_EQ(fsm.record.partner_state, order[k]);
                if (expected != order[i]) {
                    CHECK_EQ(fsm.record.start_s, NOW);
                    CHECK(fsm.record.previous != 0);
                    CHECK(!has_act(&actions, FO_ACT_SEND_STATE)); /* not before the disk */
                    actions = settle(&fsm, NOW);
                    CHECK(has_act(&actions, FO_ACT_SEND_STATE));
                }
                reached_add(&fsm);
            }
        }
    }
}

/* A STATE with flag S moves nobody but a server that starts itself. */
static void test_partner_starting(void)
{
    for (unsigned role = 0; role < 2; role++) {
        for (unsigned i = 0; i < 9; i++) {
            struct fo_fsm fsm;

            if (!c5[role][i]) {
                continue;
            }
            place(&fsm, (enum fo_role)role, order[i], 0);
            (void)partner_start(&fsm, FO_COMMUNICATIONS_INTERRUPTED, FO_FLAG_STARTUP, NOW, NOW);
            CHECK_EQ(fo_fsm_state(&fsm), order[i]);
            CHECK(fo_fsm_state_message(&fsm).flags & FO_FLAG_ACK_STARTUP);
            CHECK_EQ(fsm.record.partner_state, 0);
            reached_add(&fsm);
        }
    }
}

/* "Other events" of facts C.5, for both roles, and that they have no effect elsewhere. */
static void test_comms_lost(void)
{
    for (unsigned role = 0; role < 2; role++) {
        for (unsigned i = 0; i < 9; i++) {
            enum fo_server_state expected = order[i];
            struct fo_fsm fsm;
            struct fo_fsm_actions actions;

            if (!c5[role][i]) {
                continue;
            }
            expected = expected == FO_NORMAL ? FO_COMMUNICATIONS_INTERRUPTED : expected;
            expected = expected == FO_POTENTIAL_CONFLICT ? FO_RESOLUTION_INTERRUPTED : expected;
            place(&fsm, (enum fo_role)role, order[i], FO_NORMAL);
            actions = step_type(&fsm, FO_FSM_DISCONNECTED, NOW);
            CHECK_EQ(fo_fsm_state(&fsm), expected);
            CHECK_EQ(has_act(&actions, FO_ACT_ALARM), expected != order[i]);
            CHECK(fsm.reached[order[i]][FO_COLUMN_DOWN] > 0);
            (void)settle(&fsm, NOW);
            CHECK(!fo_fsm_may_send(&fsm));
            reached_add(&fsm);
        }
    }
}

static int partner_down(struct fo_fsm *fsm, bool force, sec_t since_s)
{
    struct fo_fsm_event event = {
        .type = FO_FSM_PARTNER_DOWN, .force = force, .down_since_s = since_s};
    struct fo_fsm_actions actions;

    return fo_fsm_step(fsm, &event, NOW, &actions);
}

static void test_operator(void)
{
    /* By order: connected, alone, forced alone. */
    static const char allowed[9][4] = {"yyy", "yyy", "nnn", "nyy", "nny",
                                       "nny", "nyy", "yyy", "yyy"};

    for (unsigned role = 0; role < 2; role++) {
        for (unsigned i = 0; i < 9; i++) {
            for (unsigned how = 0; c5[role][i] && how < 3; how++) {
                struct fo_fsm fsm;
                struct fo_explain explain;
                bool yes = allowed[i][how] == 'y';

                place(&fsm, (enum fo_role)role, order[i], how ? 0 : FO_NORMAL);
                fo_fsm_explain(&fsm, NOW, &explain);
                if (how < 2) {
                    CHECK_EQ(explain.partner_down_allowed, yes);
                }
                CHECK_EQ(partner_down(&fsm, how == 2, 0),
                         yes ? 0 : (order[i] == FO_PARTNER_DOWN ? -EALREADY : -EPERM));
                CHECK_EQ(fo_fsm_state(&fsm), yes ? FO_PARTNER_DOWN : order[i]);
                CHECK(!yes || !fsm.comms_ok);
                reached_add(&fsm);
            }
        }
    }
}

/* down_since counts for the MCLT wait, but never from before the partner was heard. */
static void test_operator_since(void)
{
    static const struct {
        sec_t since_s, heard_s, expected_s;
    } rows[] = {
        {0, NOW - 500, NOW},
        {NOW - 100, NOW - 500, NOW - 100},
        {NOW - 900, NOW - 500, NOW - 500},
        {NOW + 60, NOW - 500, NOW},
        {NOW - 900, 0, NOW - 900},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fo_fsm fsm;
        sec_t open = rows[i].expected_s + MCLT + LEASE_TRANSIT_S, at;

        place(&fsm, FO_PRIMARY, FO_COMMUNICATIONS_INTERRUPTED, 0);
        fsm.record.heard_s = rows[i].heard_s;
        CHECK_EQ(partner_down(&fsm, false, rows[i].since_s), 0);
        CHECK_EQ(fsm.record.down_since_s, rows[i].expected_s);
        CHECK_EQ(fsm.record.start_s, NOW); /* what the partner hears: F.14 */
        CHECK_EQ(fo_fsm_state_message(&fsm).partner_down_s, NOW);
        CHECK(fo_fsm_grant(&fsm, NOW).mclt_s == MCLT); /* not before the disk */
        (void)settle(&fsm, NOW);
        CHECK_EQ(fo_fsm_grant(&fsm, NOW).mclt_s, 0);
        CHECK(fo_fsm_deadline(&fsm, &at) && at == open);
        CHECK(!fo_fsm_partner_pool_open(&fsm, open - 1));
        CHECK(fo_fsm_partner_pool_open(&fsm, open));
    }
}

static void test_upddone(void)
{
    for (unsigned role = 0; role < 2; role++) {
        struct fo_fsm fsm;
        struct fo_fsm_actions actions;

        for (unsigned i = 0; i < 9; i++) { /* not asked for: means nothing */
            if (c5[role][i]) {
                place(&fsm, (enum fo_role)role, order[i], FO_NORMAL);
                fsm.request_outstanding = false;
                (void)step_type(&fsm, FO_FSM_UPDDONE, NOW);
                CHECK_EQ(fo_fsm_state(&fsm), order[i]);
            }
        }
        place(&fsm, (enum fo_role)role, FO_RECOVER, 0);
        actions = partner(&fsm, FO_PARTNER_DOWN, NOW);
        CHECK(has_act(&actions, FO_ACT_SEND_UPDREQ));
        (void)step_type(&fsm, FO_FSM_UPDDONE, NOW);
        CHECK_EQ(fo_fsm_state(&fsm), FO_RECOVER_WAIT);
        reached_add(&fsm);

        place(&fsm, (enum fo_role)role, FO_POTENTIAL_CONFLICT, 0);
        actions = partner(&fsm, role ? FO_CONFLICT_DONE : FO_POTENTIAL_CONFLICT, NOW);
        CHECK(has_act(&actions, FO_ACT_SEND_UPDREQ));
        (void)step_type(&fsm, FO_FSM_UPDDONE, NOW);
        CHECK_EQ(fo_fsm_state(&fsm), role ? FO_NORMAL : FO_CONFLICT_DONE);
        reached_add(&fsm);
    }
}

/* F.35: the secondary asks only when the primary is in CONFLICT-DONE, however it learns that. */
static void test_conflict_secondary(void)
{
    struct fo_fsm fsm;
    struct fo_fsm_actions actions;

    place(&fsm, FO_SECONDARY, FO_POTENTIAL_CONFLICT, FO_POTENTIAL_CONFLICT);
    CHECK(!fsm.request_outstanding);
    actions = partner(&fsm, FO_CONFLICT_DONE, NOW);
    CHECK(has_act(&actions, FO_ACT_SEND_UPDREQ));
    /* Asked once only. */
    actions = partner(&fsm, FO_CONFLICT_DONE, NOW + 1);
    CHECK(!has_act(&actions, FO_ACT_SEND_UPDREQ));
    /* Interrupted, both come back: RI, then PC, and it is asked again. */
    (void)step_type(&fsm, FO_FSM_DISCONNECTED, NOW + 2);
    CHECK_EQ(fo_fsm_state(&fsm), FO_RESOLUTION_INTERRUPTED);
    (void)settle(&fsm, NOW + 2);
    (void)partner(&fsm, FO_CONFLICT_DONE, NOW + 3);
    CHECK_EQ(fo_fsm_state(&fsm), FO_POTENTIAL_CONFLICT);
    actions = settle(&fsm, NOW + 3);
    CHECK(has_act(&actions, FO_ACT_SEND_UPDREQ));
    CHECK(act_index(&actions, FO_ACT_SEND_STATE) < act_index(&actions, FO_ACT_SEND_UPDREQ));
}

static void test_stall(void)
{
    for (unsigned i = 0; i < 9; i++) {
        struct fo_fsm fsm;
        struct fo_fsm_actions actions;

        place(&fsm, FO_PRIMARY, order[i], FO_NORMAL);
        fsm.record.partner_state = order[i] == FO_NORMAL ? FO_NORMAL : FO_RECOVER;
        actions = step_type(&fsm, FO_FSM_ACK_STALL, NOW);
        CHECK_EQ(fo_fsm_state(&fsm),
                 order[i] == FO_NORMAL ? FO_COMMUNICATIONS_INTERRUPTED : order[i]);
        CHECK_EQ(has_act(&actions, FO_ACT_DROP), order[i] == FO_NORMAL);
        reached_add(&fsm);
    }
}

/* F.33: off by default; only without communications, from the last sign of life. */
static void test_auto_partner_down(void)
{
    struct fo_fsm fsm;
    sec_t at;

    place(&fsm, FO_PRIMARY, FO_NORMAL, FO_NORMAL);
    (void)step_type(&fsm, FO_FSM_DISCONNECTED, NOW);
    (void)settle(&fsm, NOW);
    CHECK(!fo_fsm_deadline(&fsm, &at));

    fsm.config.auto_partner_down_s = 600;
    CHECK(fo_fsm_deadline(&fsm, &at) && at == NOW + 600);
    (void)step_type(&fsm, FO_FSM_HEARD, NOW + 300);
    CHECK(fo_fsm_deadline(&fsm, &at) && at == NOW + 900);
    (void)step_type(&fsm, FO_FSM_TICK, NOW + 899);
    CHECK_EQ(fo_fsm_state(&fsm), FO_COMMUNICATIONS_INTERRUPTED);
    (void)partner(&fsm, FO_RECOVER, NOW + 899); /* comes back in RECOVER: stay, no timer */
    CHECK_EQ(fo_fsm_state(&fsm), FO_COMMUNICATIONS_INTERRUPTED);
    CHECK(!fo_fsm_deadline(&fsm, &at));
    (void)step_type(&fsm, FO_FSM_TICK, NOW + 5000);
    CHECK_EQ(fo_fsm_state(&fsm), FO_COMMUNICATIONS_INTERRUPTED);
    (void)step_type(&fsm, FO_FSM_DISCONNECTED, NOW + 5000);
    (void)step_type(&fsm, FO_FSM_TICK, NOW + 5599);
    CHECK_EQ(fo_fsm_state(&fsm), FO_COMMUNICATIONS_INTERRUPTED);
    (void)step_type(&fsm, FO_FSM_TICK, NOW + 5600);
    CHECK_EQ(fo_fsm_state(&fsm), FO_PARTNER_DOWN);
    CHECK_EQ(fsm.record.down_since_s, NOW + 5600);
    reached_add(&fsm);
}

/* Facts C.2, settled. */
static void test_grants(void)
{
    static const struct {
        enum grant_service service[2];
        bool allocate;
        bool mclt;
    } rows[9] = {
        {{GRANT_ALL, GRANT_OWN_SERVER_ID}, true, true},
        {{GRANT_ALL, GRANT_ALL}, true, true},
        {{GRANT_ALL, GRANT_ALL}, true, false},
        {{GRANT_SILENT, GRANT_SILENT}, false, true},
        {{GRANT_SILENT, GRANT_SILENT}, false, true},
        {{GRANT_SILENT, GRANT_SILENT}, false, true},
        {{GRANT_RENEW_KNOWN, GRANT_RENEW_KNOWN}, false, true},
        {{GRANT_ALL, GRANT_ALL}, true, true},
        {{GRANT_ALL, GRANT_SILENT}, true, true},
    };

    for (unsigned role = 0; role < 2; role++) {
        for (unsigned i = 0; i < 9; i++) {
            struct fo_fsm fsm;
            struct grant grant;

            if (!c5[role][i]) {
                continue;
            }
            place(&fsm, (enum fo_role)role, order[i], 0);
            grant = fo_fsm_grant(&fsm, NOW);
            CHECK_EQ(grant.service, rows[i].service[role]);
            CHECK_EQ(grant.allocate, rows[i].allocate);
            CHECK_EQ(grant.mclt_s, rows[i].mclt ? MCLT : 0);
            CHECK_EQ(grant.address_parity, role ? 0 : 1);
            CHECK(grant.partner);
        }
    }
}

/* Between decision and disk both states' limits hold; the actions say which way it goes. */
static void test_narrowing(void)
{
    struct fo_fsm fsm;
    struct fo_fsm_actions actions;
    struct grant grant;

    place(&fsm, FO_PRIMARY, FO_NORMAL, FO_NORMAL);
    actions = partner(&fsm, FO_PARTNER_DOWN, NOW); /* NORMAL -> POTENTIAL-CONFLICT */
    CHECK(settle_is_narrow(&actions));
    CHECK_EQ(fo_fsm_grant(&fsm, NOW).service, GRANT_SILENT); /* at once */
    CHECK(!has_act(&actions, FO_ACT_SEND_STATE) && !has_act(&actions, FO_ACT_SEND_UPDREQ));
    actions = settle(&fsm, NOW);
    CHECK_EQ(act_index(&actions, FO_ACT_SEND_STATE), 0);
    CHECK_EQ(act_index(&actions, FO_ACT_SEND_UPDREQ), 1);

    place(&fsm, FO_SECONDARY, FO_NORMAL, FO_NORMAL);
    actions = step_type(&fsm, FO_FSM_DISCONNECTED, NOW); /* widens: waits for the disk */
    CHECK(has_act(&actions, FO_ACT_SETTLE) && !settle_is_narrow(&actions));
    CHECK_EQ(fo_fsm_grant(&fsm, NOW).service, GRANT_OWN_SERVER_ID);
    actions = settle(&fsm, NOW);
    CHECK(has_act(&actions, FO_ACT_PUBLISH));
    CHECK_EQ(fo_fsm_grant(&fsm, NOW).service, GRANT_ALL);
    (void)partner(&fsm, FO_NORMAL, NOW); /* and narrows again */
    grant = fo_fsm_grant(&fsm, NOW);
    CHECK_EQ(grant.service, GRANT_OWN_SERVER_ID);

    /* A settlement that was overtaken settles nothing. */
    {
        struct fo_fsm_event old = {.type = FO_FSM_SETTLED, .revision = fsm.revision};

        (void)step_type(&fsm, FO_FSM_DISCONNECTED, NOW);
        actions = step(&fsm, &old, NOW);
        CHECK(!fo_fsm_is_settled(&fsm));
        CHECK_EQ(actions.count, 0);
        CHECK_EQ(fo_fsm_grant(&fsm, NOW).service, GRANT_ALL); /* the last durable one, met */
    }
}

/* F.32: PARTNER-DOWN while the partner recovers: limited from contact on, and as long as the
 * partner may act on what it was told. */
static void test_partner_recovers(void)
{
    struct fo_fsm fsm;
    struct fo_fsm_actions actions;
    sec_t later = NOW + 2 * MCLT;

    place(&fsm, FO_PRIMARY, FO_PARTNER_DOWN, 0);
    (void)step_type(&fsm, FO_FSM_TICK, later);
    CHECK(fo_fsm_partner_pool_open(&fsm, later));
    CHECK_EQ(fo_fsm_grant(&fsm, later).mclt_s, 0);
    actions = partner(&fsm, FO_RECOVER, later);
    CHECK(settle_is_narrow(&actions));
    CHECK(!fo_fsm_partner_pool_open(&fsm, later));
    CHECK_EQ(fo_fsm_grant(&fsm, later).mclt_s, MCLT);
    (void)settle(&fsm, later);
    CHECK(!fo_fsm_may_send(&fsm));
    /* Gone before it was updated: as if it had not been there. */
    actions = step_type(&fsm, FO_FSM_DISCONNECTED, later);
    CHECK(has_act(&actions, FO_ACT_PUBLISH));
    CHECK_EQ(fo_fsm_grant(&fsm, later).mclt_s, 0);
    /* Updated: that is on disk before UPDDONE leaves. */
    (void)partner(&fsm, FO_RECOVER, later);
    (void)settle(&fsm, later);
    actions = step_type(&fsm, FO_FSM_UPDREQ_SERVED, later);
    CHECK(has_act(&actions, FO_ACT_SETTLE) && !has_act(&actions, FO_ACT_SEND_UPDDONE));
    actions = settle(&fsm, later);
    CHECK(has_act(&actions, FO_ACT_SEND_UPDDONE));
    CHECK(fo_fsm_may_send(&fsm));
    (void)step_type(&fsm, FO_FSM_DISCONNECTED, later);
    CHECK_EQ(fo_fsm_grant(&fsm, later).mclt_s, MCLT);
    CHECK(!fo_fsm_partner_pool_open(&fsm, later));
    /* The operator says it is down again. */
    CHECK_EQ(partner_down(&fsm, false, 0), 0);
    (void)settle(&fsm, NOW);
    CHECK_EQ(fo_fsm_grant(&fsm, NOW).mclt_s, 0);
    CHECK(!fo_fsm_partner_pool_open(&fsm, NOW));
}

/* 8.11.1: in RESOLUTION-INTERRUPTED the own pool is known unless the partner may be using it. */
static void test_pool_known(void)
{
    struct fo_fsm fsm;

    place(&fsm, FO_SECONDARY, FO_RESOLUTION_INTERRUPTED, 0);
    fsm.record.partner_state = FO_POTENTIAL_CONFLICT;
    CHECK(fo_fsm_grant(&fsm, NOW).allocate);
    fsm.record.pool_unknown = true;
    CHECK(!fo_fsm_grant(&fsm, NOW).allocate);
    CHECK_EQ(fo_fsm_grant(&fsm, NOW).service, GRANT_ALL);
}

/* Seeds 10072753, 10079150: the partner comes out of PARTNER-DOWN into POTENTIAL-CONFLICT, and the
 * line breaks before it has told what it gave of our share. */
static void test_pool_unknown_until_told(void)
{
    struct fo_fsm fsm;

    place(&fsm, FO_SECONDARY, FO_COMMUNICATIONS_INTERRUPTED, 0);
    CHECK(!fsm.record.pool_unknown);
    (void)step_type(&fsm, FO_FSM_CONNECTED, NOW);
    (void)partner_start(&fsm, FO_PARTNER_DOWN, 0, NOW, NOW);
    CHECK_EQ(fsm.record.state, FO_POTENTIAL_CONFLICT);
    (void)partner_start(&fsm, FO_POTENTIAL_CONFLICT, 0, NOW, NOW);
    (void)step_type(&fsm, FO_FSM_DISCONNECTED, NOW + 1);
    CHECK_EQ(fsm.record.state, FO_RESOLUTION_INTERRUPTED);
    CHECK(fsm.record.pool_unknown);
    CHECK(!fo_fsm_grant_target(&fsm, NOW + 1).allocate);
    CHECK_EQ(fo_fsm_grant_target(&fsm, NOW + 1).service, GRANT_ALL);
    (void)step_type(&fsm, FO_FSM_PARTNER_DOWN, NOW + 2); /* nobody is left who could tell */
    CHECK_EQ(fsm.record.state, FO_PARTNER_DOWN);
    CHECK(!fsm.record.pool_unknown);
}

/* F.9: the other half never, or by setting after the MCLT when the own one is used up. */
static void test_partner_addresses(void)
{
    sec_t later = NOW + 2 * MCLT;

    for (unsigned set = 0; set < 2; set++) {
        struct fo_fsm fsm;

        place(&fsm, FO_SECONDARY, FO_PARTNER_DOWN, 0);
        fsm.config.partner_addresses = set;
        CHECK_EQ(fo_fsm_grant(&fsm, later).address_parity, 0);
        (void)step_type(&fsm, FO_FSM_EXHAUSTED, NOW);
        CHECK_EQ(fo_fsm_grant(&fsm, NOW).address_parity, 0);
        CHECK_EQ(fo_fsm_grant(&fsm, later).address_parity, set ? -1 : 0);
    }
}

/* RFC 8156 8.3.2, every recorded state; alone. */
static void test_startup_alone(void)
{
    for (unsigned role = 0; role < 2; role++) {
        for (unsigned i = 0; i < 9; i++) {
            struct fo_record record = record_of((enum fo_role)role, order[i]);
            enum fo_server_state expected = order[i];
            struct fo_fsm fsm;
            struct fo_fsm_actions actions;
            sec_t at;

            if (!c5[role][i]) {
                continue;
            }
            expected = expected == FO_NORMAL ? FO_COMMUNICATIONS_INTERRUPTED : expected;
            expected = expected == FO_POTENTIAL_CONFLICT ? FO_RESOLUTION_INTERRUPTED : expected;
            CHECK_EQ(fo_fsm_init(&fsm, &configs[role], &record, NOW - 300, NOW), 0);
            CHECK_EQ(fo_fsm_state(&fsm), FO_STARTUP);
            CHECK_EQ(fo_fsm_grant(&fsm, NOW).service, GRANT_SILENT);
            actions = step_type(&fsm, FO_FSM_CONNECTED, NOW); /* STATE carries S and PREV */
            CHECK(has_act(&actions, FO_ACT_SEND_STATE));
            CHECK_EQ(fo_fsm_state_message(&fsm).flags, FO_FLAG_STARTUP | FO_FLAG_COMMUNICATED);
            CHECK_EQ(fo_fsm_state_message(&fsm).state, expected);
            (void)step_type(&fsm, FO_FSM_DISCONNECTED, NOW);
            CHECK(fo_fsm_deadline(&fsm, &at) && at == NOW + FO_FSM_STARTUP_DEFAULT_S);
            (void)step_type(&fsm, FO_FSM_TICK, at - 1);
            CHECK_EQ(fo_fsm_state(&fsm), FO_STARTUP);
            (void)step_type(&fsm, FO_FSM_TICK, at);
            CHECK_EQ(fo_fsm_state(&fsm), expected);
            CHECK_EQ(fo_fsm_grant(&fsm, at).service, GRANT_SILENT); /* until it is on disk */
            CHECK_EQ(fsm.record.start_s, expected == order[i] ? NOW - 1000 : NOW);
            reached_add(&fsm);
        }
    }
}

/* Step 5: a partner in PARTNER-DOWN, flag S or not. */
static void test_startup_partner_down(void)
{
    for (unsigned i = 0; i < 9; i++) {
        for (unsigned later = 0; later < 2; later++) {
            for (unsigned flag = 0; flag < 2; flag++) {
                struct fo_record record = record_of(FO_PRIMARY, order[i]);
                struct fo_fsm fsm;
                enum fo_server_state expected = later ? FO_RECOVER : FO_POTENTIAL_CONFLICT;

                if (order[i] == FO_RECOVER || order[i] == FO_RECOVER_WAIT ||
                    order[i] == FO_RECOVER_DONE) {
                    expected = FO_RECOVER; /* what it was told may be out of date */
                }
                CHECK_EQ(fo_fsm_init(&fsm, &configs[0], &record, NOW - 300, NOW), 0);
                (void)step_type(&fsm, FO_FSM_CONNECTED, NOW);
                (void)partner_start(&fsm, FO_PARTNER_DOWN, flag ? FO_FLAG_STARTUP : 0,
                                    later ? NOW - 299 : NOW - 301, NOW);
                CHECK_EQ(fo_fsm_state(&fsm), expected);
                if (expected == FO_RECOVER && order[i] != FO_RECOVER) {
                    CHECK_EQ(fsm.record.failure_s, NOW - 300);
                }
                reached_add(&fsm);
            }
        }
    }
}

/* F.11: no record: RECOVER for both roles; PARTNER-DOWN only by setting, alone, and never with a
 * record. */
static void test_first_start(void)
{
    for (unsigned role = 0; role < 2; role++) {
        struct fo_fsm_config config = configs[role];
        struct fo_record record = record_of((enum fo_role)role, FO_RECOVER);
        struct fo_fsm fsm;

        CHECK_EQ(fo_fsm_init(&fsm, &config, NULL, 0, NOW), 0);
        (void)step_type(&fsm, FO_FSM_TICK, NOW + 15);
        CHECK_EQ(fo_fsm_state(&fsm), FO_RECOVER);
        config.startup_partner_down = true;
        CHECK_EQ(fo_fsm_init(&fsm, &config, NULL, 0, NOW), 0);
        (void)step_type(&fsm, FO_FSM_TICK, NOW + 15);
        CHECK_EQ(fo_fsm_state(&fsm), FO_PARTNER_DOWN);
        CHECK_EQ(fo_fsm_init(&fsm, &config, &record, NOW - 60, NOW), 0);
        (void)step_type(&fsm, FO_FSM_TICK, NOW + 15);
        CHECK_EQ(fo_fsm_state(&fsm), FO_RECOVER);
        config.mclt_s = 0;
        CHECK_EQ(fo_fsm_init(&fsm, &config, NULL, 0, NOW), -EINVAL);
    }
}

/* F.12, F.13: which request, and how long RECOVER-WAIT lasts. */
static void test_recover_wait(void)
{
    static const struct {
        bool record;    /* of RECOVER, communicated, failed at NOW - 300 */
        unsigned flags; /* of the partner */
        enum fo_act request;
        sec_t end_s;
    } rows[] = {
        {false, 0, FO_ACT_SEND_UPDREQ, NOW + 20},
        {false, FO_FLAG_COMMUNICATED, FO_ACT_SEND_UPDREQALL, NOW + MCLT + LEASE_TRANSIT_S},
        {true, FO_FLAG_COMMUNICATED, FO_ACT_SEND_UPDREQ, NOW - 300 + MCLT + LEASE_TRANSIT_S},
        {true, 0, FO_ACT_SEND_UPDREQ, NOW - 300 + MCLT + LEASE_TRANSIT_S},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fo_record record = record_of(FO_SECONDARY, FO_RECOVER);
        struct fo_fsm fsm;
        struct fo_fsm_actions actions;
        uint8_t buf[FO_RECORD_SIZE_MAX];
        size_t size;
        sec_t at;

        CHECK_EQ(fo_fsm_init(&fsm, &configs[1], rows[i].record ? &record : NULL,
                             rows[i].record ? NOW - 100 : 0, NOW),
                 0);
        (void)step_type(&fsm, FO_FSM_CONNECTED, NOW);
        CHECK_EQ(fo_fsm_state_message(&fsm).flags & FO_FLAG_COMMUNICATED,
                 rows[i].record ? FO_FLAG_COMMUNICATED : 0);
        (void)partner_start(&fsm, FO_PARTNER_DOWN, rows[i].flags, NOW - 50, NOW);
        CHECK_EQ(fo_fsm_state(&fsm), FO_RECOVER);
        actions = settle(&fsm, NOW);
        CHECK(has_act(&actions, rows[i].request));
        /* A crash before UPDDONE does not forget that all is needed. */
        size = fo_record_encode(&fsm.record, buf);
        CHECK_EQ(fo_record_parse((struct span){buf, size}, &record), 0);
        CHECK_EQ(fo_fsm_init(&fsm, &configs[1], &record, NOW + 5, NOW + 10), 0);
        (void)step_type(&fsm, FO_FSM_CONNECTED, NOW + 10);
        (void)partner_start(&fsm, FO_PARTNER_DOWN, FO_FLAG_COMMUNICATED, NOW - 50, NOW + 10);
        actions = settle(&fsm, NOW + 10);
        CHECK(has_act(&actions, rows[i].request));
        (void)step_type(&fsm, FO_FSM_UPDDONE, NOW + 20);
        (void)settle(&fsm, NOW + 20);
        CHECK_EQ(fo_fsm_state(&fsm), FO_RECOVER_WAIT);
        CHECK(!fsm.record.all_needed);
        CHECK(fo_fsm_deadline(&fsm, &at) && at == rows[i].end_s);
        (void)step_type(&fsm, FO_FSM_DISCONNECTED, at); /* goes on alone */
        (void)step_type(&fsm, FO_FSM_TICK, at - 1);
        CHECK_EQ(fo_fsm_state(&fsm), FO_RECOVER_WAIT);
        (void)step_type(&fsm, FO_FSM_TICK, at);
        CHECK_EQ(fo_fsm_state(&fsm), FO_RECOVER_DONE);
        reached_add(&fsm);
    }
}

/* F.36: the wait is cut short by a conflict; no new leases until its end. */
static void test_hold(void)
{
    struct fo_fsm fsm;
    sec_t end = NOW - 300 + MCLT + LEASE_TRANSIT_S, at;

    place(&fsm, FO_SECONDARY, FO_RECOVER_WAIT, 0);
    (void)partner(&fsm, FO_POTENTIAL_CONFLICT, NOW);
    CHECK_EQ(fo_fsm_state(&fsm), FO_POTENTIAL_CONFLICT);
    (void)settle(&fsm, NOW);
    (void)step_type(&fsm, FO_FSM_DISCONNECTED, NOW);
    (void)settle(&fsm, NOW);
    CHECK_EQ(fo_fsm_grant(&fsm, NOW).service, GRANT_ALL);
    CHECK(!fo_fsm_grant(&fsm, end - 1).allocate);
    CHECK(fo_fsm_deadline(&fsm, &at) && at == end);
    (void)step_type(&fsm, FO_FSM_TICK, end);
    CHECK(fo_fsm_grant(&fsm, end).allocate);
}

/* 8.5.2: silence while updates are awaited. */
static void test_update_silence(void)
{
    struct fo_fsm fsm;
    struct fo_fsm_actions actions;

    place(&fsm, FO_PRIMARY, FO_RECOVER, 0);
    (void)partner(&fsm, FO_PARTNER_DOWN, NOW);
    (void)step_type(&fsm, FO_FSM_BNDUPD, NOW + 50);
    actions = step_type(&fsm, FO_FSM_TICK, NOW + 109);
    CHECK(!has_act(&actions, FO_ACT_DROP));
    actions = step_type(&fsm, FO_FSM_TICK, NOW + 110);
    CHECK(has_act(&actions, FO_ACT_DROP));
    CHECK_EQ(fo_fsm_state(&fsm), FO_RECOVER);
    (void)step_type(&fsm, FO_FSM_DISCONNECTED, NOW + 110);
    actions = partner(&fsm, FO_PARTNER_DOWN, NOW + 120);
    CHECK(has_act(&actions, FO_ACT_SEND_UPDREQ)); /* asks anew */
}

static void test_handover(void)
{
    struct fo_fsm fsm;
    struct fo_fsm_event event = {.type = FO_FSM_HANDOVER};
    struct fo_fsm_actions actions;

    place(&fsm, FO_PRIMARY, FO_COMMUNICATIONS_INTERRUPTED, 0);
    CHECK_EQ(fo_fsm_step(&fsm, &event, NOW, &actions), -EPERM);

    place(&fsm, FO_PRIMARY, FO_NORMAL, FO_NORMAL);
    actions = step(&fsm, &event, NOW);
    CHECK(has_act(&actions, FO_ACT_DRAIN));
    CHECK_EQ(fo_fsm_grant(&fsm, NOW).service, GRANT_ALL); /* serves on */
    CHECK_EQ(fo_fsm_step(&fsm, &event, NOW, &actions), -EALREADY);
    actions = step_type(&fsm, FO_FSM_DRAINED, NOW);
    CHECK(settle_is_narrow(&actions));
    CHECK_EQ(fo_fsm_grant(&fsm, NOW).service, GRANT_SILENT);
    actions = settle(&fsm, NOW);
    CHECK(has_act(&actions, FO_ACT_DRAIN) && !has_act(&actions, FO_ACT_DISCONNECT));
    actions = step_type(&fsm, FO_FSM_DRAINED, NOW);
    CHECK(act_index(&actions, FO_ACT_DISCONNECT) == 0 && act_index(&actions, FO_ACT_STOPPED) == 1);
    CHECK_EQ(fsm.record.state, FO_NORMAL);

    /* Without an answer it ends all the same; when the partner goes, we stay. */
    place(&fsm, FO_PRIMARY, FO_NORMAL, FO_NORMAL);
    (void)step(&fsm, &event, NOW);
    (void)step_type(&fsm, FO_FSM_TICK, NOW + 5);
    (void)settle(&fsm, NOW + 5);
    actions = step_type(&fsm, FO_FSM_TICK, NOW + 10);
    CHECK(has_act(&actions, FO_ACT_STOPPED));
    place(&fsm, FO_PRIMARY, FO_NORMAL, FO_NORMAL);
    (void)step(&fsm, &event, NOW);
    (void)step_type(&fsm, FO_FSM_DRAINED, NOW);
    actions = step_type(&fsm, FO_FSM_DISCONNECTED, NOW);
    CHECK(has_act(&actions, FO_ACT_HANDOVER_FAILED));
    (void)settle(&fsm, NOW);
    CHECK_EQ(fo_fsm_state(&fsm), FO_COMMUNICATIONS_INTERRUPTED);
    CHECK_EQ(fo_fsm_grant(&fsm, NOW).service, GRANT_ALL);
}

static void test_shutdown(void)
{
    struct fo_fsm fsm;
    struct fo_fsm_actions actions;

    place(&fsm, FO_SECONDARY, FO_NORMAL, FO_NORMAL);
    actions = step_type(&fsm, FO_FSM_SHUTDOWN, NOW);
    CHECK(settle_is_narrow(&actions));
    actions = settle(&fsm, NOW);
    CHECK(has_act(&actions, FO_ACT_DISCONNECT) && has_act(&actions, FO_ACT_STOPPED));
    actions = partner(&fsm, FO_POTENTIAL_CONFLICT, NOW);
    CHECK_EQ(actions.count, 0);
    CHECK_EQ(fo_fsm_grant(&fsm, NOW).service, GRANT_SILENT);
}

/* 8.8: updates, then POOLREQ from the secondary only. */
static void test_normal_entry(void)
{
    for (unsigned role = 0; role < 2; role++) {
        struct fo_fsm fsm;
        struct fo_fsm_actions actions;
        uint32_t delay_s = 99;

        place(&fsm, (enum fo_role)role, FO_COMMUNICATIONS_INTERRUPTED, 0);
        (void)partner(&fsm, FO_COMMUNICATIONS_INTERRUPTED, NOW);
        actions = settle(&fsm, NOW);
        CHECK(act_index(&actions, FO_ACT_SEND_STATE) >= 0);
        CHECK(act_index(&actions, FO_ACT_SEND_PENDING) > act_index(&actions, FO_ACT_SEND_STATE));
        actions = step_type(&fsm, FO_FSM_DRAINED, NOW);
        CHECK_EQ(has_act(&actions, FO_ACT_SEND_POOLREQ), role == 1);
        actions = step_type(&fsm, FO_FSM_DRAINED, NOW);
        CHECK(!has_act(&actions, FO_ACT_SEND_POOLREQ));
        CHECK(fo_fsm_may_expire(&fsm, &delay_s));
        CHECK_EQ(delay_s, role ? 60 : 0); /* F.10 */
        CHECK(fo_fsm_may_send(&fsm));
    }
}

static void test_record(void)
{
    struct fo_record record = {.role = FO_SECONDARY,
                               .state = FO_RECOVER_WAIT,
                               .previous = FO_RECOVER,
                               .cause = FO_CAUSE_UPDATED,
                               .partner_state = FO_PARTNER_DOWN,
                               .partner_flags = 5,
                               .communicated = true,
                               .all_needed = true,
                               .fresh = true,
                               .partner_updated = true,
                               .pool_unknown = true,
                               .start_s = 1,
                               .partner_start_s = 2,
                               .partner_down_s = 3,
                               .heard_s = 4,
                               .mclt_s = 5,
                               .failure_s = 6,
                               .wait_from_s = 7,
                               .down_since_s = 8,
                               .hold_until_s = 9};
    struct fo_record back, other;
    uint8_t buf[FO_RECORD_SIZE_MAX], again[FO_RECORD_SIZE_MAX];
    size_t size = fo_record_encode(&record, buf);

    CHECK_EQ(size, 44);
    CHECK_EQ(fo_record_parse((struct span){buf, size}, &back), 0);
    CHECK_EQ(fo_record_encode(&back, again), size);
    CHECK_MEM(again, buf, size);
    CHECK(back.fresh && back.all_needed && back.communicated && back.partner_updated &&
          back.pool_unknown);
    CHECK_EQ(back.hold_until_s, 9);
    for (size_t cut = 0; cut < size; cut++) {
        CHECK_EQ(fo_record_parse((struct span){buf, cut}, &other), -EBADMSG);
    }
    /* Any octet changed to any value: parsed or refused, and a refusal says nothing. */
    for (size_t i = 0; i < size; i++) {
        for (unsigned v = 0; v < 256; v++) {
            uint8_t was = buf[i];
            int r;

            buf[i] = (uint8_t)v;
            r = fo_record_parse((struct span){buf, size}, &other);
            CHECK(r == 0 || r == -EBADMSG || (r == -ENOTSUP && i == 0 && v > 1));
            if (r == 0) {
                CHECK_EQ(fo_record_encode(&other, again), size);
                CHECK_MEM(again, buf, size);
            }
            buf[i] = was;
        }
    }
    record.state = FO_CONFLICT_DONE; /* not a secondary's */
    (void)fo_record_encode(&record, buf);
    CHECK_EQ(fo_record_parse((struct span){buf, size}, &other), -EBADMSG);
}

/* A record of the other role: everything is asked for again. */
static void test_role_changed(void)
{
    struct fo_record record = record_of(FO_SECONDARY, FO_NORMAL);
    struct fo_fsm fsm;
    struct fo_fsm_actions actions;

    CHECK_EQ(fo_fsm_init(&fsm, &configs[0], &record, NOW - 300, NOW), 0);
    (void)partner(&fsm, FO_COMMUNICATIONS_INTERRUPTED, NOW);
    CHECK_EQ(fo_fsm_state(&fsm), FO_RECOVER);
    actions = settle(&fsm, NOW);
    CHECK(has_act(&actions, FO_ACT_SEND_UPDREQALL));
}

/* Explanations exist for every state, and name the next timer. */
static void test_explain(void)
{
    for (unsigned i = 0; i < 9; i++) {
        struct fo_fsm fsm;
        struct fo_explain explain;
        sec_t at;

        place(&fsm, FO_PRIMARY, order[i], 0);
        fo_fsm_explain(&fsm, NOW, &explain);
        CHECK_EQ(explain.state, order[i]);
        CHECK(explain.cause && explain.waits_for && explain.service);
        CHECK_EQ(explain.timer != NULL, fo_fsm_deadline(&fsm, &at));
        CHECK(!explain.timer || explain.timer_at_s == at);
        CHECK_EQ(explain.since_s, NOW - 1000);
        CHECK(explain.settled && !explain.comms_ok);
    }
}

/* The rest of the file reached every cell that exists. */
static void test_coverage(void)
{
    for (unsigned i = 0; i < 9; i++) {
        CHECK(reached[order[i]][FO_COLUMN_DOWN] > 0);
        CHECK(reached[order[i]][FO_STARTUP] > 0);
        CHECK(reached[order[i]][FO_COLUMN_OPERATOR] > 0);
        CHECK(reached[order[i]][FO_COLUMN_OPERATOR_ALONE] > 0);
        CHECK(reached[order[i]][FO_COLUMN_FORCED] > 0);
        CHECK(reached[order[i]][FO_COLUMN_STALL] > 0);
        for (unsigned k = 0; k < 9; k++) {
            CHECK(reached[order[i]][order[k]] > 0);
        }
    }
    CHECK(reached[FO_COMMUNICATIONS_INTERRUPTED][FO_COLUMN_AUTO_DOWN] > 0);
    CHECK(reached[FO_RECOVER_WAIT][FO_COLUMN_TIMER] > 0);
    CHECK(reached[FO_RECOVER][FO_COLUMN_UPDDONE] > 0);
    CHECK(reached[FO_POTENTIAL_CONFLICT][FO_COLUMN_UPDDONE] > 0);
    CHECK(reached[FO_STARTUP][FO_COLUMN_TIMER] > 0);
    CHECK(reached[FO_STARTUP][FO_PARTNER_DOWN] > 0);
}

static const struct check_test tests[] = {
    {"table", test_table},
    {"partner_starting", test_partner_starting},
    {"comms_lost", test_comms_lost},
    {"operator", test_operator},
    {"operator_since", test_operator_since},
    {"upddone", test_upddone},
    {"conflict_secondary", test_conflict_secondary},
    {"stall", test_stall},
    {"auto_partner_down", test_auto_partner_down},
    {"grants", test_grants},
    {"narrowing", test_narrowing},
    {"partner_recovers", test_partner_recovers},
    {"pool_known", test_pool_known},
    {"pool unknown until told", test_pool_unknown_until_told},
    {"partner_addresses", test_partner_addresses},
    {"startup_alone", test_startup_alone},
    {"startup_partner_down", test_startup_partner_down},
    {"first_start", test_first_start},
    {"recover_wait", test_recover_wait},
    {"hold", test_hold},
    {"update_silence", test_update_silence},
    {"handover", test_handover},
    {"shutdown", test_shutdown},
    {"normal_entry", test_normal_entry},
    {"record", test_record},
    {"role_changed", test_role_changed},
    {"explain", test_explain},
    {"coverage", test_coverage},
};

CHECK_MAIN(tests)

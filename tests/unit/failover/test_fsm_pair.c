/* Two endpoint machines, a link, two disks: the sequences of RFC 8156 figures 7, 8 and 9, and
 * random events, cuts and crashes under which no two servers may ever hold the same right. */
#include <string.h>

#include "check.h"
#include "failover/fo_fsm.h"

enum {
    MCLT = 3600,
    START = 0x31000000,
    QUEUE = 64,
    STEPS = 1500,
};

enum kind {
    MESSAGE_STATE,
    MESSAGE_UPDREQ,
    MESSAGE_UPDDONE,
};

struct message {
    enum kind kind;
    struct fo_state state;
};

struct node {
    struct fo_fsm fsm;
    bool up, linked; /* linked: it believes the connection to exist */
    bool has_disk;
    uint8_t disk[FO_RECORD_SIZE_MAX];
    size_t disk_size;
    sec_t stopped_s;
    bool settling;
    uint32_t revision;
    struct grant grant; /* as published */
    bool pool_open;
    struct message queue[QUEUE]; /* to this node */
    unsigned head, tail;
    bool serving; /* an UPDREQ is being served */
    char trace[512];
};

struct pair {
    struct node node[2];
    bool link; /* messages pass */
    sec_t now;
    uint64_t random;
    uint64_t violations;
};

static uint32_t reached[FO_SERVER_STATE_COUNT][FO_COLUMN_COUNT];

static unsigned dice(struct pair *p, unsigned sides)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return (unsigned)(p->random >> 11) % sides;
}

static void say(struct pair *p, unsigned from, struct message message)
{
    struct node *to = &p->node[1 - from];

    if (p->link && to->tail - to->head < QUEUE) {
        to->queue[to->tail++ % QUEUE] = message;
    }
}

/* At no time may two servers use the same resource: the other half of the addresses, the other's
 * prefixes; nobody may grant beyond the MCLT while the other serves. */
static void rights_check(struct pair *p)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct node *a = &p->node[i], *b = &p->node[1 - i];

        if (!a->up || !b->up || b->grant.service == GRANT_SILENT) {
            continue;
        }
        if (a->pool_open ||
            (a->grant.allocate && b->grant.allocate &&
             (a->grant.address_parity < 0 || a->grant.address_parity == b->grant.address_parity))) {
            p->violations++;
        }
        if (a->grant.service != GRANT_SILENT && a->grant.mclt_s == 0) {
            p->violations++;
        }
    }
}

static void cut(struct pair *p)
{
    p->link = false;
    p->node[0].head = p->node[0].tail = p->node[1].head = p->node[1].tail = 0;
}

static void step(struct pair *p, unsigned i, const struct fo_fsm_event *event)
{
    struct node *n = &p->node[i];
    struct fo_fsm_actions actions;
    unsigned before = fo_fsm_state(&n->fsm);

    if (fo_fsm_step(&n->fsm, event, p->now, &actions)) {
        return;
    }
    if (fo_fsm_state(&n->fsm) != before && strlen(n->trace) < 400) {
        strcat(strcat(n->trace, " "), fo_state_name(fo_fsm_state(&n->fsm)));
    }
    for (unsigned k = 0; k < actions.count; k++) {
        switch (actions.list[k].act) {
        case FO_ACT_SETTLE:
            n->settling = true;
            n->revision = actions.list[k].revision;
            /* fall through */
        case FO_ACT_PUBLISH:
            n->grant = fo_fsm_grant(&n->fsm, p->now);
            n->pool_open = fo_fsm_partner_pool_open(&n->fsm, p->now);
            break;
        case FO_ACT_PERSIST:
            n->disk_size = fo_record_encode(&n->fsm.record, n->disk);
            n->has_disk = true;
            break;
        case FO_ACT_SEND_STATE:
            say(p, i, (struct message){MESSAGE_STATE, fo_fsm_state_message(&n->fsm)});
            break;
        case FO_ACT_SEND_UPDREQ:
        case FO_ACT_SEND_UPDREQALL:
            say(p, i, (struct message){.kind = MESSAGE_UPDREQ});
            break;
        case FO_ACT_SEND_UPDDONE:
            say(p, i, (struct message){.kind = MESSAGE_UPDDONE});
            break;
        case FO_ACT_DROP:
            cut(p);
            break;
        case FO_ACT_SEND_PENDING:
        case FO_ACT_SEND_POOLREQ:
        case FO_ACT_DRAIN:
        case FO_ACT_DISCONNECT:
        case FO_ACT_STOPPED:
        case FO_ACT_HANDOVER_FAILED:
        case FO_ACT_ALARM:
        case FO_ACT_COUNT:
            break;
        }
    }
    rights_check(p);
}

static void step_type(struct pair *p, unsigned i, enum fo_fsm_event_type type)
{
    step(p, i, &(struct fo_fsm_event){.type = type, .mclt_s = MCLT});
}

/* The record reaches the disk; what was overtaken is not written any more. */
static void settle(struct pair *p, unsigned i)
{
    struct node *n = &p->node[i];

    if (n->up && n->settling) {
        n->settling = false;
        if (n->revision == n->fsm.revision) {
            n->disk_size = fo_record_encode(&n->fsm.record, n->disk);
            n->has_disk = true;
            step(p, i, &(struct fo_fsm_event){.type = FO_FSM_SETTLED, .revision = n->revision});
        }
    }
}

static void receive(struct pair *p, unsigned i)
{
    struct node *n = &p->node[i];
    struct message message;

    if (!n->up || !n->linked || n->head == n->tail) {
        return;
    }
    message = n->queue[n->head++ % QUEUE];
    switch (message.kind) {
    case MESSAGE_STATE:
        step(p, i, &(struct fo_fsm_event){.type = FO_FSM_STATE, .state = message.state});
        break;
    case MESSAGE_UPDREQ:
        n->serving = true;
        break;
    case MESSAGE_UPDDONE:
        step_type(p, i, FO_FSM_UPDDONE);
        break;
    }
}

static void serve(struct pair *p, unsigned i)
{
    struct node *n = &p->node[i];

    if (n->up && n->linked && n->serving && fo_fsm_is_settled(&n->fsm)) {
        n->serving = false;
        step_type(p, i, FO_FSM_UPDREQ_SERVED);
    }
}

/* A side finds out that the connection is gone. */
static void notice(struct pair *p, unsigned i)
{
    struct node *n = &p->node[i];

    if (n->up && n->linked && !p->link) {
        n->linked = n->serving = false;
        step_type(p, i, FO_FSM_DISCONNECTED);
    }
}

static void join(struct pair *p)
{
    if (!p->link && p->node[0].up && p->node[1].up && !p->node[0].linked && !p->node[1].linked) {
        p->link = p->node[0].linked = p->node[1].linked = true;
        step_type(p, 0, FO_FSM_CONNECTED);
        step_type(p, 1, FO_FSM_CONNECTED);
    }
}

static void start(struct pair *p, unsigned i)
{
    struct node *n = &p->node[i];
    struct fo_fsm_config config = {
        .role = i ? FO_SECONDARY : FO_PRIMARY, .mclt_s = MCLT, .partner_addresses = true};
    struct fo_record record;

    if (n->has_disk) {
        CHECK_EQ(fo_record_parse((struct span){n->disk, n->disk_size}, &record), 0);
    }
    CHECK_EQ(fo_fsm_init(&n->fsm, &config, n->has_disk ? &record : NULL, n->stopped_s, p->now), 0);
    n->up = true;
    n->linked = n->settling = n->serving = false;
    n->trace[0] = '\0';
    n->grant = fo_fsm_grant(&n->fsm, p->now);
    n->pool_open = false;
}

static void crash(struct pair *p, unsigned i)
{
    struct node *n = &p->node[i];

    for (unsigned k = 0; k < FO_SERVER_STATE_COUNT; k++) {
        for (unsigned c = 0; c < FO_COLUMN_COUNT; c++) {
            reached[k][c] += n->fsm.reached[k][c];
        }
    }
    cut(p);
    n->up = n->linked = false;
    n->grant.service = GRANT_SILENT;
    n->grant.allocate = n->pool_open = false;
    n->stopped_s = p->now;
}

static void tick(struct pair *p, unsigned i)
{
    sec_t at;

    if (p->node[i].up && fo_fsm_deadline(&p->node[i].fsm, &at) && !sec_after(at, p->now)) {
        step_type(p, i, FO_FSM_TICK);
    }
}

/* Everything that can happen by itself, until nothing does. */
static void calm(struct pair *p)
{
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 2; i++) {
            settle(p, i);
            receive(p, i);
            settle(p, i);
            serve(p, i);
            notice(p, i);
        }
    }
}

static void both(struct pair *p, sec_t seconds)
{
    for (sec_t s = 0; s < seconds; s += seconds / 8 ? seconds / 8 : 1) {
        p->now += seconds / 8 ? seconds / 8 : 1;
        tick(p, 0);
        tick(p, 1);
        calm(p);
    }
}

static struct pair pair_new(uint64_t seed)
{
    return (struct pair){.now = START, .random = seed * 0x9e3779b97f4a7c15u + 1};
}

/* Two new servers meet: R, R, and NORMAL without any wait (facts C.6). */
static void pair_normal(struct pair *p)
{
    start(p, 0);
    start(p, 1);
    join(p);
    calm(p);
    both(p, 8);
    CHECK_EQ(fo_fsm_state(&p->node[0].fsm), FO_NORMAL);
    CHECK_EQ(fo_fsm_state(&p->node[1].fsm), FO_NORMAL);
    p->node[0].trace[0] = p->node[1].trace[0] = '\0';
}

static void test_new_pair(void)
{
    struct pair p = pair_new(1);

    pair_normal(&p);
    CHECK(p.now < START + 60);
    CHECK_EQ(p.violations, 0);
}

static void operator_down(struct pair *p, unsigned i)
{
    step(p, i, &(struct fo_fsm_event){.type = FO_FSM_PARTNER_DOWN});
}

/* Figure 7: a failed server returns to a partner in PARTNER-DOWN. */
static void test_figure_7(void)
{
    for (unsigned failed = 0; failed < 2; failed++) {
        struct pair p = pair_new(2);
        sec_t died;

        pair_normal(&p);
        crash(&p, failed);
        died = p.now;
        calm(&p);
        p.now += 100;
        operator_down(&p, 1 - failed);
        calm(&p);
        CHECK_STR(p.node[1 - failed].trace, " COMMUNICATIONS-INTERRUPTED PARTNER-DOWN");
        p.now += 100;
        start(&p, failed);
        join(&p);
        calm(&p);
        CHECK_EQ(fo_fsm_state(&p.node[failed].fsm), FO_RECOVER_WAIT);
        p.now = died + MCLT;
        tick(&p, failed);
        CHECK_EQ(fo_fsm_state(&p.node[failed].fsm), FO_RECOVER_WAIT);
        p.now += LEASE_TRANSIT_S;
        tick(&p, failed);
        calm(&p);
        CHECK_STR(p.node[failed].trace, " RECOVER RECOVER-WAIT RECOVER-DONE NORMAL");
        CHECK_STR(p.node[1 - failed].trace, " COMMUNICATIONS-INTERRUPTED PARTNER-DOWN NORMAL");
        CHECK_EQ(p.violations, 0);
    }
}

/* Figure 8: the connection breaks and comes back. */
static void test_figure_8(void)
{
    struct pair p = pair_new(3);

    pair_normal(&p);
    cut(&p);
    calm(&p);
    join(&p);
    calm(&p);
    CHECK_STR(p.node[0].trace, " COMMUNICATIONS-INTERRUPTED NORMAL");
    CHECK_STR(p.node[1].trace, " COMMUNICATIONS-INTERRUPTED NORMAL");
    CHECK_EQ(p.violations, 0);
}

/* Figure 9: an operator was wrong. What both did meanwhile is not judged here. */
static void test_figure_9(void)
{
    for (unsigned wrong = 0; wrong < 2; wrong++) {
        struct pair p = pair_new(4);

        pair_normal(&p);
        cut(&p);
        calm(&p);
        operator_down(&p, wrong);
        calm(&p);
        p.node[0].trace[0] = p.node[1].trace[0] = '\0';
        join(&p);
        calm(&p);
        CHECK_STR(p.node[0].trace, " POTENTIAL-CONFLICT CONFLICT-DONE NORMAL");
        CHECK_STR(p.node[1].trace, " POTENTIAL-CONFLICT NORMAL");
    }
}

/* One side's storage is destroyed: UPDREQALL, a wait from its start on. */
static void test_storage_lost(void)
{
    struct pair p = pair_new(5);
    sec_t started;

    pair_normal(&p);
    crash(&p, 0);
    calm(&p);
    p.node[0].has_disk = false;
    p.node[0].stopped_s = 0;
    started = p.now += 50;
    start(&p, 0);
    join(&p);
    calm(&p);
    CHECK_STR(p.node[0].trace, " RECOVER RECOVER-WAIT");
    CHECK_EQ(p.node[1].grant.service, GRANT_ALL);
    p.now = started + MCLT + LEASE_TRANSIT_S;
    tick(&p, 0);
    calm(&p);
    CHECK_STR(p.node[0].trace, " RECOVER RECOVER-WAIT RECOVER-DONE NORMAL");
    CHECK_EQ(p.violations, 0);
}

/* A right operator: the other one is dead, and is not brought back behind our back. While one comes
 * back to a partner in PARTNER-DOWN, they can see each other (RFC 8156 8.4: "MUST NOT be
 * operating"). */
static bool must_see(const struct pair *p)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct node *a = &p->node[i], *b = &p->node[1 - i];

        if (a->up && b->up && a->fsm.starting &&
            (a->fsm.record.state == FO_PARTNER_DOWN || b->fsm.record.state == FO_PARTNER_DOWN)) {
            return true;
        }
        if (a->up && b->up && fo_fsm_state(&a->fsm) == FO_POTENTIAL_CONFLICT &&
            b->fsm.record.state == FO_PARTNER_DOWN) {
            return true; /* not yet silent: a conflict has begun on one side only */
        }
    }
    return false;
}

static void random_step(struct pair *p)
{
    unsigned i = dice(p, 2);
    struct node *n = &p->node[i], *other = &p->node[1 - i];

    switch (dice(p, 32)) { /* what goes on by itself is likelier than accidents */
    case 0:
        if (!must_see(p)) {
            cut(p);
        }
        break;
    case 1:
        if (n->up && other->up && !must_see(p) && dice(p, 2) == 0) {
            crash(p, i);
            n->stopped_s += dice(p, MCLT / 4); /* the operating horizon lies behind the crash */
        }
        break;
    case 2:
    case 3:
        if (!n->up) {
            start(p, i);
            notice(p, 1 - i);
            join(p);
        }
        break;
    case 4:
        if (n->up && !other->up && !n->linked && dice(p, 3) == 0) {
            operator_down(p, i);
        }
        break;
    case 5:
        if (!must_see(p)) {
            p->now += dice(p, MCLT / 4);
        }
        break;
    case 6:
        if (n->up) {
            step_type(p, i, dice(p, 2) ? FO_FSM_EXHAUSTED : FO_FSM_ACK_STALL);
        }
        break;
    case 7:
        join(p);
        break;
    case 8:
    case 9:
    case 10:
    case 11:
    case 12:
        settle(p, i);
        break;
    case 13:
    case 14:
    case 15:
        serve(p, i);
        break;
    case 16:
    case 17:
        notice(p, i);
        break;
    case 18:
    case 19:
    case 20:
        tick(p, i);
        break;
    default:
        receive(p, i);
        break;
    }
    rights_check(p);
}

static void test_random(void)
{
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct pair p = pair_new(seed);

        start(&p, 0);
        start(&p, 1);
        for (unsigned i = 0; i < STEPS; i++) {
            random_step(&p);
        }
        /* Peace: both come back to NORMAL by themselves (design invariant 5). */
        for (unsigned round = 0; round < 4; round++) {
            for (unsigned i = 0; i < 2; i++) {
                if (!p.node[i].up) {
                    start(&p, i);
                }
            }
            calm(&p);
            join(&p);
            calm(&p);
            both(&p, 2 * MCLT);
        }
        if (p.violations || fo_fsm_state(&p.node[0].fsm) != FO_NORMAL ||
            fo_fsm_state(&p.node[1].fsm) != FO_NORMAL) {
            printf("seed %" PRIu64 ": %" PRIu64 " violations, %s %s:%s /%s\n", seed, p.violations,
                   fo_state_name(fo_fsm_state(&p.node[0].fsm)),
                   fo_state_name(fo_fsm_state(&p.node[1].fsm)), p.node[0].trace, p.node[1].trace);
            CHECK(false);
            return;
        }
        crash(&p, 0);
        crash(&p, 1);
    }
    CHECK(reached[FO_NORMAL][FO_COLUMN_DOWN] && reached[FO_POTENTIAL_CONFLICT][FO_COLUMN_DOWN]);
    CHECK(reached[FO_RECOVER_DONE][FO_NORMAL] && reached[FO_PARTNER_DOWN][FO_RECOVER_DONE]);
    CHECK(reached[FO_CONFLICT_DONE][FO_NORMAL] &&
          reached[FO_RESOLUTION_INTERRUPTED][FO_COLUMN_OPERATOR_ALONE]);
}

static const struct check_test tests[] = {
    {"new_pair", test_new_pair}, {"figure_7", test_figure_7},         {"figure_8", test_figure_8},
    {"figure_9", test_figure_9}, {"storage_lost", test_storage_lost}, {"random", test_random},
};

CHECK_MAIN(tests)

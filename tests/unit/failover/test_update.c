/* Binding updates: every cell of RFC 8156 Figure 4 with times before, equal and after, for both
 * roles, clean and dirty; what is stored, told, acknowledged; MCLT arithmetic with the worked
 * examples of protocol facts B.4. */
#include "check.h"
#include "failover/fo_update.h"

enum {
    NOW = 0x31000000,
    HOUR = 3600,
    DAY = 86400,
    MCLT = HOUR,
};

static const uint8_t duid_a[] = {0, 3, 0, 1, 2, 0, 0, 0, 0, 1};
static const uint8_t duid_b[] = {0, 3, 0, 1, 2, 0, 0, 0, 0, 2};
static struct fo_update_coverage coverage;

static struct lease lease_of(enum binding_status status, sec_t at_s)
{
    return (struct lease){.resource = {{0x20010db800010000, 0}, 56, LEASE_TYPE_PD},
                          .iaid = 7,
                          .version = 5,
                          .status = (uint8_t)status,
                          .times = {.start_s = at_s,
                                    .clt_s = at_s,
                                    .expires_s = at_s + HOUR,
                                    .horizon_s = at_s + HOUR,
                                    .valid_lifetime_s = HOUR,
                                    .preferred_lifetime_s = HOUR,
                                    .t1_s = 1800,
                                    .t2_s = 2880},
                          .duid = {duid_a, sizeof(duid_a)}};
}

static struct fo_judgement judge(enum fo_role role, bool dirty, const struct lease *mine,
                                 const struct lease *theirs)
{
    struct fo_update_context context = {
        .role = role, .dirty = dirty, .now = NOW, .coverage = &coverage};
    struct fo_judgement j;

    fo_update_judge(&context, mine, theirs, &j);
    return j;
}

/* Facts B.8, by hand: L, N, S, C(lient) by own status 1..8 and received status 1..8. */
static const char b8[9][10] = {"",          "-CNLNNNLL", "-LLLLLLLL", "-LLLLLLLL", "-LLLLLLLL",
                               "-LLLLLLLL", "-LLLLLLLL", "-LLLLLLLL", "-SLLLLLLL"};

/* What the rules say, from scratch. diff: time of the update against our record. */
static enum fo_status_code expected(char rule, enum fo_role role, bool dirty, bool other,
                                    unsigned own, unsigned got, int diff, bool over)
{
    bool same = diff >= -5 && diff <= 5, ok = false;

    switch (rule) {
    case 'L':
        /* Of an ACTIVE one whose time is over nothing is left: theirs always is, here. */
        ok = diff > 5 || (same && (!dirty || (own == 1 && over) ||
                                   (own != 1 && got != 1 && role == FO_SECONDARY)));
        break;
    case 'N':
        ok = over;
        break;
    case 'S':
        ok = diff > 5;
        break;
    case 'C':
        if (other && diff <= 5 && role == FO_PRIMARY) {
            return FO_STATUS_ADDRESS_IN_USE;
        }
        ok = true;
        break;
    default:
        CHECK(false);
        break;
    }
    return ok ? FO_STATUS_SUCCESS : FO_STATUS_OUTDATED_BINDING;
}

static void cell_check(unsigned own, unsigned got, unsigned bits)
{
    static const int diffs[] = {-1000, -6, -5, 0, 5, 6, 1000};
    enum fo_role role = bits & 1 ? FO_SECONDARY : FO_PRIMARY;
    bool dirty = bits & 2, other = bits & 4, over = bits & 8;

    for (unsigned i = 0; i < sizeof(diffs) / sizeof(diffs[0]); i++) {
        struct lease mine = lease_of((enum binding_status)own, NOW - 2000);
        struct lease theirs = lease_of((enum binding_status)got, (sec_t)(NOW - 2000 + diffs[i]));
        enum fo_status_code code;
        struct fo_judgement j;

        mine.times.expires_s = mine.times.horizon_s = over ? NOW - 1 : NOW;
        if (got == BINDING_ACTIVE && own != BINDING_ACTIVE) { /* else: ended_by_time_alone */
            theirs.times.expires_s = NOW;
        }
        theirs.times.preferred_lifetime_s = 99; /* nothing is a repetition by accident */
        if (other) {
            theirs.duid = (struct span){duid_b, sizeof(duid_b)};
        }
        code = expected(b8[own][got], role, dirty, other, own, got, diffs[i], over);
        j = judge(role, dirty, &mine, &theirs);
        if (j.code != code && !(code == FO_STATUS_OUTDATED_BINDING && j.unchanged)) {
            printf("own %s received %s bits %u diff %d: %u\n", binding_status_name(own),
                   binding_status_name(got), bits, diffs[i], (unsigned)j.code);
            CHECK_EQ(j.code, code);
        }
        if (j.code == FO_STATUS_OUTDATED_BINDING) {
            CHECK(j.dirty == FO_DIRTY_SET && j.send_soon == !dirty);
        } else if (j.code == FO_STATUS_ADDRESS_IN_USE) {
            CHECK(j.dirty == FO_DIRTY_KEEP && j.conflict);
        } else if (!j.unchanged) {
            CHECK(j.conflict == (own == 1 && got == 1 && other));
            CHECK(j.next.status == (got == 1 || got == 7 ? got : got == 6 ? 6u : 5u));
        }
    }
}

static void test_table(void)
{
    for (unsigned own = 1; own < BINDING_STATUS_COUNT; own++) {
        for (unsigned got = 1; got < BINDING_STATUS_COUNT; got++) {
            for (unsigned bits = 0; bits < 16; bits++) {
                cell_check(own, got, bits);
            }
            for (unsigned order = 0; order < FO_ORDER_COUNT; order++) {
                CHECK(coverage.reached[own][got][order] > 0);
            }
        }
    }
}

/* Apart from each other, one server renewed the lease, for the other its time ran out. They must
 * not refuse each other's record for as long as the client renews: who lives goes on. */
static void test_ended_by_time_alone(void)
{
    static const uint8_t ends[] = {BINDING_EXPIRED, BINDING_FREE, BINDING_FREE_BACKUP};
    struct lease theirs = lease_of(BINDING_ACTIVE, NOW - 600), mine;

    for (unsigned i = 0; i < sizeof(ends); i++) {
        mine = lease_of(ends[i], NOW - 300);
        theirs.times.expires_s = NOW + 600;
        CHECK_EQ(judge(FO_PRIMARY, true, &mine, &theirs).code, FO_STATUS_SUCCESS);
        CHECK_EQ(judge(FO_SECONDARY, true, &mine, &theirs).code, FO_STATUS_SUCCESS);
        theirs.times.expires_s = NOW - 100; /* over in any case */
        CHECK_EQ(judge(FO_PRIMARY, true, &mine, &theirs).code, FO_STATUS_OUTDATED_BINDING);
    }
    mine = lease_of(BINDING_RELEASED, NOW - 300); /* the client's own word stands */
    theirs.times.expires_s = NOW + 600;
    CHECK_EQ(judge(FO_PRIMARY, true, &mine, &theirs).code, FO_STATUS_OUTDATED_BINDING);
}

/* The secondary still tells of a lease's end while the primary hands the prefix over: what began
 * later stands, whenever the client was heard last. */
static void test_hand_over_crossed(void)
{
    struct lease mine = lease_of(BINDING_FREE_BACKUP, NOW - 10), theirs;

    mine.times.clt_s = NOW - 3000;
    theirs = lease_of(BINDING_FREE, NOW - 1000);
    theirs.times.clt_s = 0;
    CHECK_EQ(judge(FO_PRIMARY, true, &mine, &theirs).code, FO_STATUS_OUTDATED_BINDING);
}

/* Own clt absent: start-time-of-state; never used: time 0 (F.16). FREE counts the later time. */
/* Facts F.15, told at the same time: a living lease beats an ended one, an ended one that is over.
 */
static void test_same_time(void)
{
    struct lease ended = lease_of(BINDING_RELEASED, NOW - 2000);
    struct lease active = lease_of(BINDING_ACTIVE, NOW - 2000);

    ended.times.expires_s = ended.times.horizon_s = 0;
    for (enum fo_role role = FO_PRIMARY; role <= FO_SECONDARY; role++) {
        active.times.expires_s = active.times.horizon_s = NOW + 10;
        CHECK_EQ(judge(role, true, &ended, &active).code, FO_STATUS_SUCCESS);
        CHECK_EQ(judge(role, true, &active, &ended).code, FO_STATUS_OUTDATED_BINDING);
        active.times.expires_s = active.times.horizon_s = NOW - 10;
        CHECK_EQ(judge(role, true, &ended, &active).code, FO_STATUS_OUTDATED_BINDING);
        CHECK_EQ(judge(role, true, &active, &ended).code, FO_STATUS_SUCCESS);
    }
}

/* A prefix that changes sides: whom it had as client before, and when, says nothing. */
static void test_free_changes_side(void)
{
    struct lease mine = lease_of(BINDING_FREE_BACKUP, NOW - 9000);
    struct lease theirs = lease_of(BINDING_FREE, NOW - 9000);

    mine.times.clt_s = NOW - 2000;
    mine.times.expires_s = mine.times.horizon_s = 0;
    theirs.times.expires_s = theirs.times.clt_s = 0;
    theirs.duid.size = 0;
    CHECK_EQ(judge(FO_SECONDARY, false, &mine, &theirs).code, FO_STATUS_SUCCESS);
    CHECK_EQ(judge(FO_SECONDARY, true, &mine, &theirs).code, FO_STATUS_SUCCESS);
    CHECK_EQ(judge(FO_PRIMARY, true, &mine, &theirs).code, FO_STATUS_OUTDATED_BINDING);
    mine.times.start_s = NOW - 2000; /* it did so here, later */
    CHECK_EQ(judge(FO_SECONDARY, true, &mine, &theirs).code, FO_STATUS_OUTDATED_BINDING);
}

static void test_times_compared(void)
{
    struct lease mine = lease_of(BINDING_ABANDONED, NOW - 2000), theirs;

    mine.times.clt_s = 0;
    theirs = lease_of(BINDING_ACTIVE, NOW - 2100);
    CHECK_EQ(judge(FO_PRIMARY, true, &mine, &theirs).code, FO_STATUS_OUTDATED_BINDING);
    mine.status = BINDING_FREE;
    mine.times.start_s = 0;
    CHECK_EQ(judge(FO_PRIMARY, true, &mine, &theirs).code, FO_STATUS_SUCCESS);
    CHECK_EQ(judge(FO_PRIMARY, true, NULL, &theirs).code, FO_STATUS_SUCCESS);
    mine = lease_of(BINDING_RELEASED, NOW - 2000);
    theirs = lease_of(BINDING_FREE, NOW - 1000);
    theirs.times.clt_s = NOW - 3000;
    CHECK_EQ(judge(FO_PRIMARY, true, &mine, &theirs).code, FO_STATUS_SUCCESS);
    theirs.status = BINDING_EXPIRED; /* here the client's time counts */
    CHECK_EQ(judge(FO_PRIMARY, true, &mine, &theirs).code, FO_STATUS_OUTDATED_BINDING);
}

/* F.40: no end is never over; design 2: an uncertain lease ends at its horizon. */
static void test_over(void)
{
    struct lease mine = lease_of(BINDING_ACTIVE, NOW - DAY);
    struct lease theirs = lease_of(BINDING_EXPIRED, NOW - 10);

    CHECK_EQ(judge(FO_PRIMARY, false, &mine, &theirs).code, FO_STATUS_SUCCESS);
    mine.flags = LEASE_FLAG_UNCERTAIN;
    mine.times.horizon_s = NOW + 1;
    CHECK_EQ(judge(FO_PRIMARY, false, &mine, &theirs).code, FO_STATUS_OUTDATED_BINDING);
    mine.flags = 0;
    mine.times.expires_s = mine.times.horizon_s = 0;
    CHECK_EQ(judge(FO_PRIMARY, false, &mine, &theirs).code, FO_STATUS_OUTDATED_BINDING);
}

static void test_incomplete(void)
{
    struct lease theirs = lease_of(BINDING_ACTIVE, NOW);

    theirs.duid.size = 0;
    CHECK_EQ(judge(FO_PRIMARY, false, NULL, &theirs).code, FO_STATUS_MISSING_BINDING);
    theirs.status = BINDING_FREE_BACKUP; /* prefix form */
    CHECK_EQ(judge(FO_SECONDARY, false, NULL, &theirs).code, FO_STATUS_SUCCESS);
    theirs.times.start_s = 0;
    CHECK_EQ(judge(FO_SECONDARY, false, NULL, &theirs).code, FO_STATUS_MISSING_BINDING);
    theirs = lease_of((enum binding_status)9, NOW);
    CHECK_EQ(judge(FO_SECONDARY, false, NULL, &theirs).code, FO_STATUS_MISSING_BINDING);
}

/* Figure 5, field by field. */
static void test_apply(void)
{
    struct lease mine = lease_of(BINDING_ACTIVE, NOW - 1000);
    struct lease theirs = lease_of(BINDING_ACTIVE, NOW - 100);
    struct lease next;

    mine.flags = LEASE_FLAG_RESERVED;
    mine.times.acked_partner_lifetime_s = NOW + 100;
    mine.times.partner_lifetime_s = NOW + 200;
    mine.times.expiration_s = NOW + 300;
    theirs.times.partner_lifetime_s = NOW + 400; /* 123 */
    theirs.times.expiration_s = NOW + 150;       /* 120: not later than ours */
    theirs.times.partner_raw_clt_s = NOW - 900;  /* 126: later than ours */
    next = judge(FO_PRIMARY, false, &mine, &theirs).next;
    CHECK_EQ(next.times.expiration_s, NOW + 400);
    CHECK_EQ(next.times.partner_lifetime_s, NOW + 200);
    CHECK_EQ(next.times.acked_partner_lifetime_s, NOW + 100);
    CHECK_EQ(next.times.clt_s, NOW - 900);
    CHECK_EQ(next.times.partner_raw_clt_s, NOW - 100);
    CHECK_EQ(next.times.start_s, NOW - 100);
    CHECK_EQ(next.times.expires_s, NOW - 100 + HOUR);
    CHECK_EQ(next.flags, LEASE_FLAG_RESERVED);
    CHECK_EQ(next.version, 5);
    theirs.times.expiration_s = NOW + 250;
    theirs.times.partner_lifetime_s = NOW + 50; /* greatest ever, F.5 */
    theirs.times.partner_raw_clt_s = NOW - 1100;
    next = judge(FO_PRIMARY, false, &mine, &theirs).next;
    CHECK_EQ(next.times.expiration_s, NOW + 300);
    CHECK_EQ(next.times.partner_lifetime_s, NOW + 250);
    CHECK_EQ(next.times.clt_s, NOW - 1000);
    /* Another client: nothing of the first one's remains. */
    theirs.duid = (struct span){duid_b, sizeof(duid_b)};
    next = judge(FO_SECONDARY, false, &mine, &theirs).next;
    CHECK_EQ(next.times.acked_partner_lifetime_s, 0);
    CHECK_EQ(next.times.expiration_s, NOW + 50);
    CHECK_EQ(next.times.partner_lifetime_s, NOW + 250);
    CHECK_EQ(next.times.clt_s, NOW - 1100);
}

/* F.5, F.8: the acceptor of an end frees too; status by owner for addresses. */
static void test_freed(void)
{
    for (unsigned status = BINDING_EXPIRED; status <= BINDING_RESET; status++) {
        for (unsigned bit = 0; bit < 2; bit++) {
            struct lease mine = lease_of(BINDING_ACTIVE, NOW - DAY);
            struct lease theirs = lease_of((enum binding_status)status, NOW - 100), next;

            mine.resource = theirs.resource =
                (struct resource){{0x20010db800170000, 0x100 + bit}, 128, LEASE_TYPE_NA};
            mine.times.acked_partner_lifetime_s = mine.times.expiration_s = NOW + DAY;
            mine.times.partner_lifetime_s = theirs.times.partner_lifetime_s = NOW + DAY;
            next = judge(FO_PRIMARY, false, &mine, &theirs).next;
            if (status == BINDING_ABANDONED) {
                CHECK_EQ(next.status, BINDING_ABANDONED);
                continue;
            }
            CHECK_EQ(next.status, bit ? BINDING_FREE : BINDING_FREE_BACKUP);
            CHECK_EQ(next.times.acked_partner_lifetime_s, 0);
            CHECK_EQ(next.times.expiration_s, 0);
            CHECK_EQ(next.times.partner_lifetime_s, 0);
            CHECK_EQ(next.times.expires_s, 0);
            CHECK_EQ(next.times.start_s, NOW - 100);
            CHECK(span_equal(next.duid, theirs.duid));
            /* Sent once more, as the reply was lost: no news, and no quarrel (F.15). */
            {
                struct fo_judgement j = judge(FO_PRIMARY, true, &next, &theirs);

                CHECK(j.code == FO_STATUS_SUCCESS && j.unchanged);
            }
        }
    }
}

/* F.17: accepted, nothing moves back, and the partner hears of it. Crossing updates agree. */
static void test_crossing(void)
{
    struct lease mine = lease_of(BINDING_ACTIVE, NOW - 10);
    struct lease theirs = lease_of(BINDING_ACTIVE, NOW - 1000);
    struct lease a = lease_of(BINDING_ACTIVE, NOW - 10), b = lease_of(BINDING_ACTIVE, NOW - 12);
    struct fo_judgement j = judge(FO_SECONDARY, false, &mine, &theirs), k;

    CHECK_EQ(j.code, FO_STATUS_SUCCESS);
    CHECK_EQ(j.next.times.expires_s, mine.times.expires_s);
    CHECK_EQ(j.next.times.start_s, mine.times.start_s);
    CHECK_EQ(j.next.times.partner_raw_clt_s, NOW - 1000);
    CHECK(j.dirty == FO_DIRTY_SET && j.send_soon);
    b.times.expires_s = b.times.horizon_s = NOW + 2 * HOUR;
    j = judge(FO_PRIMARY, true, &a, &b);
    k = judge(FO_SECONDARY, true, &b, &a);
    CHECK_EQ(j.next.times.expires_s, NOW + 2 * HOUR);
    CHECK_EQ(k.next.times.expires_s, NOW + 2 * HOUR);
    CHECK(j.dirty == FO_DIRTY_CLEAR && k.dirty == FO_DIRTY_SET);
}

/* The partner told the client less than we had before: its answer may be lost, and the client
 * counts on ours (design invariant 1, seed 8017363). The partner hears of it. */
static void test_shorter_since(void)
{
    struct lease mine = lease_of(BINDING_ACTIVE, NOW - 100);
    struct lease theirs = lease_of(BINDING_ACTIVE, NOW - 10);
    struct fo_judgement j;

    mine.times.expires_s = mine.times.horizon_s = NOW + 2 * HOUR;
    theirs.times.expires_s = theirs.times.horizon_s = NOW + HOUR;
    j = judge(FO_PRIMARY, false, &mine, &theirs);
    CHECK_EQ(j.code, FO_STATUS_SUCCESS);
    CHECK_EQ(j.next.times.expires_s, NOW + 2 * HOUR);
    CHECK_EQ(j.next.times.partner_raw_clt_s, NOW - 10);
    CHECK_EQ(j.dirty, FO_DIRTY_SET);
    mine.times.expires_s = NOW + HOUR / 2;
    j = judge(FO_PRIMARY, false, &mine, &theirs);
    CHECK_EQ(j.next.times.expires_s, NOW + HOUR);
    CHECK_EQ(j.dirty, FO_DIRTY_CLEAR);
}

/* The partner that has heard of our end of a lease may have freed it (seed 6095824): what it had
 * acknowledged before lets us extend nothing, although it tells of its own, later, lease of the
 * same client. */
static void test_end_forgets_acked(void)
{
    static const enum binding_status ended[] = {BINDING_EXPIRED, BINDING_RELEASED};

    for (unsigned i = 0; i < 2; i++) {
        struct lease mine = lease_of(ended[i], NOW - 20),
                     theirs = lease_of(BINDING_ACTIVE, NOW - 10);
        struct fo_judgement j;

        mine.times.acked_partner_lifetime_s = NOW + DAY;
        j = judge(FO_PRIMARY, true, &mine, &theirs);
        CHECK_EQ(j.code, FO_STATUS_SUCCESS);
        CHECK_EQ(j.next.status, BINDING_ACTIVE);
        CHECK_EQ(j.next.times.acked_partner_lifetime_s, 0);
        mine.status = BINDING_ACTIVE;
        j = judge(FO_PRIMARY, true, &mine, &theirs);
        CHECK_EQ(j.next.times.acked_partner_lifetime_s, NOW + DAY);
    }
}

/* F.25. */
static void test_block(void)
{
    struct fo_update_context context = {.role = FO_SECONDARY, .block = true, .now = NOW};
    struct lease mine = lease_of(BINDING_ACTIVE, NOW - DAY);
    struct lease theirs = {
        .resource = mine.resource, .status = BINDING_FREE, .times = {.start_s = NOW - 1}};
    struct fo_judgement j;

    fo_update_judge(&context, &mine, &theirs, &j);
    CHECK_EQ(j.code, FO_STATUS_OUTDATED_BINDING);
    mine.status = BINDING_FREE_BACKUP;
    mine.times = (struct lease_times){.start_s = NOW - 100};
    fo_update_judge(&context, &mine, &theirs, &j);
    CHECK_EQ(j.code, FO_STATUS_SUCCESS);
    CHECK_EQ(j.next.status, BINDING_FREE);
    CHECK(span_equal(j.next.duid, mine.duid)); /* the last client is still known */
}

static struct fo_lease reply_to(const struct lease *sent)
{
    return (struct fo_lease){.lease = {.status = sent->status},
                             .has = FO_HAS_BINDING_STATUS | FO_HAS_PARTNER_LIFETIME_SENT,
                             .partner_lifetime_sent_s = sent->times.partner_lifetime_s};
}

/* Facts B.9, F.19. */
static void test_acked(void)
{
    struct lease mine = lease_of(BINDING_ACTIVE, NOW), wire, next = {0};
    struct fo_lease reply;

    mine.times.partner_lifetime_s = NOW + 3 * DAY;
    CHECK(fo_update_compose(&mine, &wire));
    reply = reply_to(&wire);
    CHECK_EQ(fo_update_acked(&mine, 4, &reply, &next), FO_ACKED_STALE);
    CHECK_EQ(fo_update_acked(&mine, 5, &reply, &next), FO_ACKED_STORED);
    CHECK_EQ(next.times.acked_partner_lifetime_s, NOW + 3 * DAY);
    CHECK_EQ(next.status, BINDING_ACTIVE);
    reply.partner_lifetime_sent_s++; /* not what we sent */
    CHECK_EQ(fo_update_acked(&mine, 5, &reply, &next), FO_ACKED_STORED);
    CHECK_EQ(next.times.acked_partner_lifetime_s, 0);
    reply.status = (struct fo_status){.present = true, .code = FO_STATUS_OUTDATED_BINDING};
    CHECK_EQ(fo_update_acked(&mine, 5, &reply, &next), FO_ACKED_REJECTED);
    reply.status.code = FO_STATUS_SUCCESS; /* with a text only */
    CHECK_EQ(fo_update_acked(&mine, 5, &reply, &next), FO_ACKED_STORED);
    for (unsigned status = BINDING_EXPIRED; status <= BINDING_RESET; status++) {
        bool ends = status == BINDING_EXPIRED || status == BINDING_RELEASED ||
                    status == BINDING_RESET || status == BINDING_PENDING_FREE;

        mine = lease_of((enum binding_status)status, NOW);
        mine.times.acked_partner_lifetime_s = NOW + DAY;
        CHECK(fo_update_compose(&mine, &wire));
        reply = reply_to(&wire);
        CHECK_EQ(fo_update_acked(&mine, 5, &reply, &next), ends ? FO_ACKED_FREED : FO_ACKED_STORED);
        CHECK_EQ(next.status, ends ? BINDING_FREE : status);
        CHECK(!ends || next.times.acked_partner_lifetime_s == 0);
        CHECK(!fo_update_is_dirty(&mine, &next, FO_CHANGE_ACK));
    }
}

static void test_compose(void)
{
    struct lease lease = lease_of(BINDING_ACTIVE, NOW), wire;

    CHECK(fo_update_compose(&lease, &wire)); /* granted before there was a partner */
    CHECK_EQ(wire.times.partner_lifetime_s, NOW + 1800 + HOUR);
    lease.times.partner_lifetime_s = NOW + 10; /* never before the client's own expiry */
    CHECK(fo_update_compose(&lease, &wire));
    CHECK_EQ(wire.times.partner_lifetime_s, NOW + HOUR);
    lease.times.expires_s = 0; /* no timeout: none of the items that go with one */
    lease.times.expiration_s = NOW;
    CHECK(fo_update_compose(&lease, &wire));
    CHECK(wire.times.partner_lifetime_s == 0 && wire.times.expiration_s == 0);
    lease.status = BINDING_PENDING_FREE; /* never sent, and without a client */
    CHECK(fo_update_compose(&lease, &wire));
    CHECK(wire.status == BINDING_FREE && wire.duid.size == 0 && wire.times.t1_s == 0);
    lease.status = BINDING_ABANDONED; /* F.23 */
    lease.resource.type = LEASE_TYPE_NA;
    CHECK(fo_update_compose(&lease, &wire));
    lease.duid.size = 0;
    CHECK(!fo_update_compose(&lease, &wire));
    CHECK(!fo_update_is_dirty(NULL, &lease, FO_CHANGE_OWN));
}

static void test_dirty(void)
{
    struct lease a = lease_of(BINDING_ACTIVE, NOW), b = a;

    CHECK(fo_update_is_dirty(NULL, &a, FO_CHANGE_OWN));
    CHECK(!fo_update_is_dirty(&a, &b, FO_CHANGE_OWN));
    b.times.acked_partner_lifetime_s = NOW; /* says the partner itself */
    CHECK(!fo_update_is_dirty(&a, &b, FO_CHANGE_OWN));
    b.times.expires_s++;
    CHECK(fo_update_is_dirty(&a, &b, FO_CHANGE_OWN));
    CHECK(!fo_update_is_dirty(&a, &b, FO_CHANGE_UPDATE));
    CHECK_EQ(fo_update_retry_s(1), 60);
    CHECK_EQ(fo_update_retry_s(2), 120);
    CHECK_EQ(fo_update_retry_s(1000), 3840);
}

/* Worked example 1: 8156 4.4.1. */
static void test_example_1(void)
{
    sec_t t = NOW, acked = 0;
    uint32_t given = lease_valid_lifetime(3 * DAY, acked, MCLT, t);

    CHECK_EQ(given, HOUR);
    acked = fo_update_partner_lifetime(t, given / 2, 3 * DAY, t + given);
    CHECK_EQ(acked, t + 1800 + 3 * DAY);
    for (unsigned i = 0; i < 3; i++) {
        t += given / 2;
        CHECK_EQ(acked - t, 3 * DAY);
        given = lease_valid_lifetime(3 * DAY, acked, MCLT, t);
        CHECK_EQ(given, 3 * DAY);
        acked = fo_update_partner_lifetime(t, given / 2, 3 * DAY, t + given);
        CHECK_EQ(acked, t + 3 * DAY / 2 + 3 * DAY);
    }
}

/* Worked example 2: the survivor never sent an update for the lease: strictly one hour (F.6). */
static void test_example_2(void)
{
    struct lease theirs = lease_of(BINDING_ACTIVE, NOW), mine;

    theirs.times.expires_s = NOW + 3 * DAY;
    theirs.times.partner_lifetime_s = NOW + 4 * DAY + DAY / 2;
    mine = judge(FO_SECONDARY, false, NULL, &theirs).next;
    CHECK_EQ(mine.times.expiration_s, NOW + 4 * DAY + DAY / 2);
    CHECK_EQ(lease_valid_lifetime(3 * DAY, mine.times.acked_partner_lifetime_s, MCLT,
                                  NOW + 12 * DAY / 5),
             HOUR);
}

/* Worked example 3, and facts B.7. */
static void test_example_3(void)
{
    struct lease lease = lease_of(BINDING_ACTIVE, NOW - DAY);
    sec_t at = 0, extra = 10;

    lease.times.expires_s = lease.times.horizon_s = NOW + 2 * HOUR;
    lease.times.partner_lifetime_s = lease.times.acked_partner_lifetime_s = NOW + 74 * HOUR;
    CHECK(fo_update_free_at(&lease, NOW, MCLT, &at));
    CHECK_EQ(at, NOW + 74 * HOUR + MCLT + extra);
    lease.times.expiration_s = NOW + 75 * HOUR;
    lease.status = BINDING_EXPIRED;
    CHECK(fo_update_free_at(&lease, NOW, MCLT, &at));
    CHECK_EQ(at, NOW + 75 * HOUR + MCLT + extra);
    lease.times = (struct lease_times){.start_s = NOW - 5};
    CHECK(fo_update_free_at(&lease, NOW, MCLT, &at) && at == NOW + MCLT + extra);
    lease.status = BINDING_FREE_BACKUP;
    CHECK(fo_update_free_at(&lease, NOW, MCLT, &at) && at == NOW + MCLT + extra);
    lease.times.start_s = NOW + 77;
    CHECK(fo_update_free_at(&lease, NOW, MCLT, &at) && at == NOW + 77);
    lease = lease_of(BINDING_ACTIVE, NOW + 60); /* leased after entry: plain DHCP */
    lease.times.partner_lifetime_s = NOW + 9 * DAY;
    CHECK(fo_update_free_at(&lease, NOW, MCLT, &at) && at == NOW + 60 + HOUR + LEASE_TRANSIT_S);
    lease.times.expires_s = 0;
    CHECK(!fo_update_free_at(&lease, NOW, MCLT, &at));
}

static const struct check_test tests[] = {
    {"table", test_table},
    {"same_time", test_same_time},
    {"free_changes_side", test_free_changes_side},
    {"times_compared", test_times_compared},
    {"ended_by_time_alone", test_ended_by_time_alone},
    {"hand_over_crossed", test_hand_over_crossed},
    {"over", test_over},
    {"incomplete", test_incomplete},
    {"apply", test_apply},
    {"freed", test_freed},
    {"crossing", test_crossing},
    {"shorter since", test_shorter_since},
    {"end_forgets_acked", test_end_forgets_acked},
    {"block", test_block},
    {"acked", test_acked},
    {"compose", test_compose},
    {"dirty", test_dirty},
    {"example_1", test_example_1},
    {"example_2", test_example_2},
    {"example_3", test_example_3},
};

CHECK_MAIN(tests)

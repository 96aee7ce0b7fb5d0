/* RENEW and REBIND (RFC 9915 18.3.4, 18.3.5), lifetimes and T1/T2 (14.2, 21.4; RFC 8156 4.4). */
#include "ask.h"

/* RFC 9915 18.3.4. */
static void test_renew(void)
{
    struct lease *lease;
    const struct lease *next = &w.plan.changes[0].next;

    world_init(&w);
    lease = world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE);
    lease->times.acked_partner_lifetime_s = WORLD_NOW + 5;
    lease->flags = LEASE_FLAG_UNCERTAIN;
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10);
    world_decide(&w);
    CHECK_EQ(w.plan.reply_type, DHCP6_REPLY);
    CHECK_EQ(w.plan.change_count, 1);
    CHECK_EQ(w.plan.changes[0].counter, COUNTER_lease_renewed);
    CHECK_EQ(w.plan.changes[0].base.lease.version, lease->version);
    CHECK_EQ(next->times.start_s, WORLD_NOW - 1000);
    CHECK_EQ(next->times.expires_s, WORLD_NOW + 4000);
    CHECK_EQ(next->times.clt_s, WORLD_NOW);
    CHECK_EQ(next->times.acked_partner_lifetime_s, WORLD_NOW + 5); /* the same client's, F.5 */
    CHECK_EQ(next->flags, 0);                                      /* contact ends uncertainty */
    CHECK_EQ(w.find_calls, 0); /* the hot path looks nothing up */
}

static void test_renew_new_lifetimes_apply(void)
{
    world_init(&w);
    world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE);
    w.links[0].lifetimes = (struct policy_lifetimes){.preferred_s = 100, .valid_s = 200};
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10);
    CHECK_EQ(world_decide(&w)->leases[0].valid_s, 200);
}

static void test_renew_keeps_all_leases_of_the_ia(void)
{
    world_init(&w);
    world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE);
    world_lease(&w, A11, ALICE, 1, BINDING_ACTIVE);
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10);
    world_list(&w, A11);
    CHECK_EQ(world_decide(&w)->change_count, 2);
    ask(DHCP6_RENEW, LEASE_TYPE_NA, NOTHING);
    CHECK_EQ(world_decide(&w)->change_count, 2);
}

static void test_renew_expired_but_not_swept(void)
{
    world_init(&w);
    world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE)->times.expires_s = WORLD_NOW - 500;
    w.input.reuse_allowed = false;
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10);
    CHECK_EQ(world_decide(&w)->leases[0].valid_s, 4000);
}

/* 18.3.4: a client that moved is told to stop using what it had, and gets a new lease. */
static void test_renew_moved(void)
{
    world_init(&w);
    world_lease(&w, OTHER, ALICE, 1, BINDING_ACTIVE);
    world_lease(&w, P_OTHER, ALICE, 1, BINDING_ACTIVE);
    ask(DHCP6_SOLICIT, LEASE_TYPE_NA, NOTHING);
    CHECK(!lease_of(world_decide(&w), OTHER));
    ask(DHCP6_RENEW, LEASE_TYPE_NA, OTHER);
    world_ia(&w, LEASE_TYPE_PD, 1);
    world_list(&w, P_OTHER);
    world_decide(&w);
    CHECK_EQ(w.plan.ia_count, 2);
    CHECK_EQ(revoked(&w.plan, OTHER), true);
    CHECK_EQ(revoked(&w.plan, P_OTHER), true);
    CHECK_EQ(w.plan.ias[0].lease_count, 2);
    CHECK_EQ(w.plan.change_count, 2);
    w.grant.allocate = false;
    world_decide(&w);
    CHECK_EQ(w.plan.change_count, 0);
    CHECK_EQ(w.plan.ias[0].lease_count, 1);
    CHECK(!w.plan.ias[0].has_status);
    CHECK_EQ(w.plan.ias[0].t1_s, 0);
    w.message.type = DHCP6_REBIND; /* 18.3.5 says the same of a known entry */
    w.message.server_id.data = NULL;
    world_decide(&w);
    CHECK_EQ(w.plan.verdict, PLAN_REPLY);
    CHECK_EQ(revoked(&w.plan, OTHER), true);
}

static void test_renew_unknown(void)
{
    world_init(&w);
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10);
    CHECK(lease_of(world_decide(&w), A10)); /* created, the listed one being free */
    CHECK_EQ(w.plan.changes[0].counter, COUNTER_lease_created);
    world_lease(&w, A10, BOB, 1, BINDING_ACTIVE);
    world_decide(&w);
    CHECK_EQ(revoked(&w.plan, A10), true); /* somebody else's by now */
    CHECK_EQ(w.plan.ias[0].lease_count, 2);
    CHECK_EQ(w.plan.change_count, 1);
    w.grant.allocate = false;
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A11);
    check_status(world_decide(&w), 0, STATUS_NO_BINDING);
    w.grant.allocate = true;
    memset(w.claim, 0, sizeof(w.claim));
    ask(DHCP6_RENEW, LEASE_TYPE_PD, NOTHING);
    check_status(world_decide(&w), 0, STATUS_NO_PREFIX_AVAIL);
}

/* RFC 7550 4.2: a RENEW may carry IAs with leases and IAs still without. */
static void test_renew_adds_missing_ia(void)
{
    world_init(&w);
    world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE);
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10);
    world_ia(&w, LEASE_TYPE_PD, 1);
    world_decide(&w);
    CHECK_EQ(w.plan.change_count, 2);
    CHECK_EQ(w.plan.changes[0].counter, COUNTER_lease_renewed);
    CHECK_EQ(w.plan.changes[1].counter, COUNTER_lease_created);
}

/* RFC 8156 4.3 with RFC 9915 18.3.5: what the partner gave last is not known here yet. The client
 * keeps it, be the partner alive or dead: nothing is said of the IA. */
static void test_rebind_of_the_partners(void)
{
    world_init(&w);
    w.links[0].rapid_commit = true;
    w.grant.partner = true;
    w.grant.address_parity = 1;
    ask(DHCP6_REBIND, LEASE_TYPE_NA, A10);
    check_drop(COUNTER_drop_no_answer);
    world_lease(&w, A11, ALICE, 1, BINDING_ACTIVE); /* released since, which we have not heard */
    check_drop(COUNTER_drop_no_answer);
    w.lease_count = 0;
    world_lease(&w, A10, BOB, 1, BINDING_FREE); /* what it was before the partner gave it */
    check_drop(COUNTER_drop_no_answer);
    /* Its end was told and the partner gave it anew, the word of which was lost with the partner:
     * somebody else's before, and the client's own. */
    world_find(&w, A10)->status = BINDING_RELEASED;
    world_lease(&w, A11, ALICE, 1, BINDING_ACTIVE);
    check_drop(COUNTER_drop_no_answer);
    w.lease_count = 0;
    world_lease(&w, A10, ALICE, 1, BINDING_EXPIRED);
    check_drop(COUNTER_drop_no_answer);
    world_find(&w, A10)->duid = BOB;
    world_find(&w, A10)->status = BINDING_ACTIVE; /* somebody else's by now: said so */
    CHECK_EQ(revoked(world_decide(&w), A10), true);
    world_find(&w, A10)->status = BINDING_FREE;
    w.grant.address_parity = 0; /* ours: the partner cannot have given it */
    CHECK(lease_of(world_decide(&w), A10));
    w.grant.address_parity = -1; /* all ours, PARTNER-DOWN */
    CHECK(lease_of(world_decide(&w), A10));
    w.grant.address_parity = 1;
    w.grant.partner = false;
    CHECK_EQ(world_decide(&w)->verdict, PLAN_REPLY);
    w.grant.partner = true;
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10); /* names us as its server: we know what we gave */
    CHECK_EQ(world_decide(&w)->verdict, PLAN_REPLY);
}

/* The same of a prefix, beside an address that is known: extended, and silence about the prefix. */
static void test_rebind_of_the_partners_prefix(void)
{
    world_init(&w);
    w.grant.partner = true;
    w.grant.address_parity = 1;
    world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE);
    ask(DHCP6_REBIND, LEASE_TYPE_NA, A10);
    world_ia(&w, LEASE_TYPE_PD, 1);
    world_list(&w, prefix(PD56, 56));
    w.claim[POOL_PD56][0] = false;
    world_decide(&w);
    CHECK_EQ(w.plan.ia_count, 1);
    CHECK_EQ(w.plan.change_count, 1);
    CHECK(lease_of(&w.plan, A10));
    w.claim[POOL_PD56][0] = true;
    world_decide(&w);
    CHECK_EQ(w.plan.ia_count, 2);
    check_status(&w.plan, 1, STATUS_NO_BINDING);
}

/* RFC 9915 18.3.5. */
static void test_rebind(void)
{
    world_init(&w);
    world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE);
    ask(DHCP6_REBIND, LEASE_TYPE_NA, A10);
    CHECK_EQ(world_decide(&w)->leases[0].valid_s, 4000);
    CHECK_EQ(w.plan.change_count, 1);
    world_ia(&w, LEASE_TYPE_NA, 2); /* unknown beside a known one */
    world_decide(&w);
    CHECK_EQ(w.plan.change_count, 1);
    check_status(&w.plan, 1, STATUS_NO_BINDING);
    ask(DHCP6_REBIND, LEASE_TYPE_NA, A11);
    w.message.ias[0].iaid = 2;
    check_drop(COUNTER_drop_no_answer); /* another server may know more */
    w.links[0].rapid_commit = true;
    CHECK(lease_of(world_decide(&w), A11));
    CHECK_EQ(w.plan.change_count, 1);
    w.links[0].rapid_commit = false;
    ask(DHCP6_REBIND, LEASE_TYPE_NA, OTHER); /* unfit for the link: said so */
    w.message.ias[0].iaid = 2;
    CHECK_EQ(world_decide(&w)->verdict, PLAN_REPLY);
    CHECK_EQ(revoked(&w.plan, OTHER), true);
    CHECK_EQ(w.plan.change_count, 0);
    ask(DHCP6_REBIND, LEASE_TYPE_PD, prefix(0x20010db8ee000000ULL, 56));
    check_drop(COUNTER_drop_no_answer); /* a prefix we know nothing of may be another server's */
    world_message(&w, DHCP6_REBIND);
    check_drop(COUNTER_drop_no_answer);
}

/* RFC 9915 14.2, 21.4: one T1 and T2, from the shortest preferred lifetime. */
static void test_t1_t2(void)
{
    world_init(&w);
    w.links[0].lifetimes = (struct policy_lifetimes){.preferred_s = 1000, .valid_s = 2000};
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, A10);
    world_ia(&w, LEASE_TYPE_PD, 1);
    world_decide(&w);
    CHECK_EQ(w.plan.ias[0].t1_s, 500);
    CHECK_EQ(w.plan.ias[0].t2_s, 800);
    CHECK_EQ(w.plan.ias[1].t1_s, 500);
    CHECK_EQ(w.plan.ias[1].t2_s, 800);
    w.links[0].lifetimes.renew_s = 100;
    w.links[0].lifetimes.rebind_s = 300;
    world_decide(&w);
    CHECK_EQ(w.plan.ias[0].t1_s, 100);
    CHECK_EQ(w.plan.ias[0].t2_s, 300);
    CHECK_EQ(w.plan.changes[1].next.times.t1_s, 100);
    w.grant.mclt_s = 90; /* makes the configured values senseless */
    world_decide(&w);
    CHECK_EQ(w.plan.leases[0].valid_s, 90);
    CHECK_EQ(w.plan.leases[0].preferred_s, 90);
    CHECK_EQ(w.plan.ias[0].t1_s, 45);
    CHECK_EQ(w.plan.ias[0].t2_s, 72);
    w.links[0].lifetimes =
        (struct policy_lifetimes){.preferred_s = LIFETIME_INFINITE, .valid_s = LIFETIME_INFINITE};
    w.grant.mclt_s = 0;
    world_decide(&w);
    CHECK_EQ(w.plan.leases[0].valid_s, LIFETIME_INFINITE);
    CHECK_EQ(w.plan.ias[0].t1_s, LIFETIME_INFINITE);
    CHECK_EQ(w.plan.ias[0].t2_s, LIFETIME_INFINITE);
    CHECK_EQ(w.plan.changes[0].next.times.expires_s, 0); /* no timeout */
}

/* The shortest over all IAs, lifetimes differing by what the partner acknowledged. */
static void test_t1_t2_across_ias(void)
{
    world_init(&w);
    w.grant.mclt_s = 100;
    world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE)->times.acked_partner_lifetime_s =
        WORLD_NOW + 100000;
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10);
    world_ia(&w, LEASE_TYPE_PD, 1);
    world_decide(&w);
    CHECK_EQ(w.plan.leases[0].valid_s, 4000);
    CHECK_EQ(w.plan.leases[1].valid_s, 100);
    CHECK_EQ(w.plan.ias[0].t1_s, 50);
    CHECK_EQ(w.plan.ias[1].t1_s, 50);
    CHECK_EQ(w.plan.ias[0].t2_s, 80);
    CHECK_EQ(w.plan.changes[0].next.times.t1_s, 50);
}

/* RFC 8156 4.4.1, the worked example. */
static void test_mclt(void)
{
    const uint32_t hour = 3600, day = 86400;

    world_init(&w);
    w.grant.partner = true;
    w.grant.mclt_s = hour;
    w.links[0].lifetimes = (struct policy_lifetimes){.preferred_s = 3 * day, .valid_s = 3 * day};
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, A10);
    world_decide(&w);
    CHECK_EQ(w.plan.leases[0].valid_s, hour);
    CHECK_EQ(w.plan.changes[0].next.times.partner_lifetime_s, WORLD_NOW + hour / 2 + 3 * day);
    CHECK(world_commit(&w));
    world_find(&w, A10)->times.acked_partner_lifetime_s = WORLD_NOW + hour / 2 + 3 * day;
    w.input.now += hour / 2;
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10);
    world_decide(&w);
    CHECK_EQ(w.plan.leases[0].valid_s, 3 * day);
    CHECK_EQ(w.plan.changes[0].next.times.partner_lifetime_s, w.input.now + 3 * day / 2 + 3 * day);
}

/* A limit that comes back after PARTNER-DOWN does not shorten what was promised. */
static void test_mclt_does_not_shorten(void)
{
    world_init(&w);
    w.grant.mclt_s = 60;
    world_lease(&w, A10, ALICE, 1, BINDING_ACTIVE); /* 2000 s left, nothing acknowledged */
    ask(DHCP6_RENEW, LEASE_TYPE_NA, A10);
    CHECK_EQ(world_decide(&w)->leases[0].valid_s, 2000);
    w.links[0].lifetimes.valid_s = 500; /* but configuration does */
    CHECK_EQ(world_decide(&w)->leases[0].valid_s, 500);
}

/* Protocol facts F.40. */
static void test_infinite_under_failover(void)
{
    world_init(&w);
    w.grant.partner = true;
    w.links[0].lifetimes =
        (struct policy_lifetimes){.preferred_s = LIFETIME_INFINITE, .valid_s = LIFETIME_INFINITE};
    ask(DHCP6_REQUEST, LEASE_TYPE_NA, A10);
    CHECK_EQ(world_decide(&w)->leases[0].valid_s, 1 << 30);
    CHECK_EQ(w.plan.leases[0].preferred_s, 1 << 30);
    CHECK(sec_after(w.plan.changes[0].next.times.partner_lifetime_s,
                    w.plan.changes[0].next.times.expires_s));
}

static const struct check_test tests[] = {
    {"renew", test_renew},
    {"renew_new_lifetimes_apply", test_renew_new_lifetimes_apply},
    {"renew_keeps_all_leases_of_the_ia", test_renew_keeps_all_leases_of_the_ia},
    {"renew_expired_but_not_swept", test_renew_expired_but_not_swept},
    {"renew_moved", test_renew_moved},
    {"renew_unknown", test_renew_unknown},
    {"renew_adds_missing_ia", test_renew_adds_missing_ia},
    {"rebind", test_rebind},
    {"rebind-of-the-partners", test_rebind_of_the_partners},
    {"rebind-of-the-partners-prefix", test_rebind_of_the_partners_prefix},
    {"t1_t2", test_t1_t2},
    {"t1_t2_across_ias", test_t1_t2_across_ias},
    {"mclt", test_mclt},
    {"mclt_does_not_shorten", test_mclt_does_not_shorten},
    {"infinite_under_failover", test_infinite_under_failover},
};

CHECK_MAIN(tests)

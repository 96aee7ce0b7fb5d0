/* When the wall clock is believed, and what is held back while it is not (design invariant 10). */
#include <urcu/urcu-qsbr.h>

#include "check.h"
#include "harness.h"
#include "server/trust.h"

enum {
    VALID_S = 3600,
    DAY = 86400,
    REST_MS = (VALID_S + LEASE_TRANSIT_S) * 1000
};

static char text[1024];

static const char *config_with(const char *clock)
{
    (void)snprintf(
        text, sizeof(text),
        "{ \"server\": { \"name\": \"t\", \"state_dir\": \"/nonexistent\", \"clock\": \"%s\" },"
        "  \"store\": { \"leases_max\": 1000 },"
        "  \"dataplane\": { \"ports\": [ { \"name\": \"p0\", \"device\": \"net_null0\" } ] },"
        "  \"links\": [ { \"name\": \"l0\", \"port\": \"p0\", \"subnets\": [\"2001:db8:17::/64\"],"
        "     \"pools\": [ { \"type\": \"address\", \"range\": \"2001:db8:17::/64\" } ],"
        "     \"lifetimes\": { \"preferred_s\": 3000, \"valid_s\": %u } } ] }",
        clock, VALID_S);
    return text;
}

static bool trusted(const struct harness *h)
{
    return atomic_load(&h->server->clock_trusted);
}

/* A start with the wall clock that far from the last time in the log. */
static sec_t boot(struct harness *h, struct trust *trust, const char *clock, int32_t ahead_s,
                  bool synchronised)
{
    sec_t now = 1;

    harness_open(h, config_with(clock));
    h->server->disk_horizon_s = HARNESS_NOW + h->config->horizon_s;
    CHECK_EQ(trust_boot(trust, h->server, HARNESS_NOW + (uint32_t)ahead_s, synchronised, h->now_ms,
                        &now),
             0);
    return now;
}

static void test_at_start(void)
{
    static const struct {
        const char *clock;
        int32_t ahead_s;
        bool synchronised;
        enum trust_doubt doubt;
        bool moved; /* starts at the log's last time */
    } rows[] = {
        {"plausible", 0, false, TRUST_NONE, false},
        {"plausible", DAY, false, TRUST_NONE, false},
        {"plausible", DAY + 1, false, TRUST_AHEAD, true},
        {"plausible", 40 * DAY, true, TRUST_NONE, false},
        {"plausible", -1, false, TRUST_BEHIND, true},
        {"plausible", -1, true, TRUST_NONE, false},
        {"plausible", -(int32_t)HARNESS_NOW, false, TRUST_BEHIND, true},
        {"synchronised", 5, true, TRUST_NONE, false},
        {"synchronised", 5, false, TRUST_UNSYNCHRONISED, false},
        {"synchronised", -5, false, TRUST_BEHIND, true},
        {"synchronised", DAY + 1, false, TRUST_AHEAD, true},
        {"trusted", 40 * DAY, false, TRUST_NONE, false},
        {"trusted", -DAY, false, TRUST_NONE, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trust trust;
        struct harness h;
        sec_t now = boot(&h, &trust, rows[i].clock, rows[i].ahead_s, rows[i].synchronised);

        CHECK_EQ(trust.doubt, rows[i].doubt);
        CHECK_EQ(now - HARNESS_NOW, rows[i].moved ? 0 : (uint32_t)rows[i].ahead_s);
        CHECK_EQ(trusted(&h), rows[i].doubt == TRUST_NONE);
        CHECK_EQ(h.server->clock_doubted, rows[i].doubt != TRUST_NONE);
        CHECK(trust_doubt_text(trust.doubt) != NULL);
        harness_close(&h);
    }
}

/* Nothing is known of a new log: only who asks for a synchronised clock waits for one. */
static void test_new_log(void)
{
    struct trust trust;
    struct harness h;
    sec_t now = 0;

    harness_open(&h, config_with("plausible"));
    CHECK_EQ(trust_boot(&trust, h.server, HARNESS_NOW, false, 0, &now), 0);
    CHECK_EQ(trust.doubt, TRUST_NONE);
    CHECK_EQ(now, HARNESS_NOW);
    harness_close(&h);
    harness_open(&h, config_with("synchronised"));
    CHECK_EQ(trust_boot(&trust, h.server, HARNESS_NOW, false, 0, &now), 0);
    CHECK_EQ(trust.doubt, TRUST_UNSYNCHRONISED);
    CHECK(!trust_turn(&trust, 100, now, 0, false));
    CHECK(!trusted(&h));
    CHECK(trust_turn(&trust, 200, now, 0, true));
    CHECK(trusted(&h)); /* it was right all the time: nothing has to rest */
    harness_close(&h);
}

/* A clock found behind and set right while we run: what was promised meanwhile must not be reused
 * early. */
static void test_caught_up(void)
{
    struct trust trust;
    struct harness h;
    sec_t now = boot(&h, &trust, "plausible", -DAY, false);

    CHECK(!trust_turn(&trust, 1000, now, -DAY, false));
    CHECK(!trust_turn(&trust, 1100, now, 2 * DAY, false)); /* stepped, but where to? */
    CHECK_EQ(trust.doubt, TRUST_AHEAD);
    CHECK(trust_turn(&trust, 1200, now, 600, false));
    CHECK_EQ(trust.doubt, TRUST_NONE);
    CHECK(!h.server->clock_doubted);
    CHECK(!trusted(&h));
    CHECK(!trust_turn(&trust, 1200 + REST_MS - 1, now, 0, false));
    CHECK(!trusted(&h));
    CHECK(!trust_turn(&trust, 1200 + REST_MS, now, 0, false));
    CHECK(trusted(&h));
    harness_close(&h);
}

static void test_confirm(void)
{
    struct trust trust;
    struct harness h;
    sec_t now = boot(&h, &trust, "plausible", 40 * DAY, false);

    CHECK(!trust_turn(&trust, 1000, now, 40 * DAY, false));
    CHECK(trust_confirm(&trust));
    CHECK(trust_turn(&trust, 1100, now, 40 * DAY, false));
    CHECK_EQ(trust.doubt, TRUST_NONE);
    CHECK(!trust_confirm(&trust));
    CHECK(!trusted(&h));
    (void)trust_turn(&trust, 1100 + REST_MS, now, 0, false);
    CHECK(trusted(&h));
    harness_close(&h);
    /* Backwards: the log saw a wrong time. The horizon comes along, or it would not be renewed. */
    now = boot(&h, &trust, "plausible", -DAY, false);
    atomic_store(&h.server->operating_until_s, now + 60);
    CHECK(trust_confirm(&trust));
    CHECK(trust_turn(&trust, 1000, now, -DAY, false));
    CHECK(trusted(&h));
    CHECK_EQ(atomic_load(&h.server->operating_until_s), now - DAY);
    harness_close(&h);
}

/* The wheel of a server started with a clock far ahead turns from the log's time on. */
static void test_wheel_starts_at_the_logs_time(void)
{
    struct trust trust;
    struct harness h;
    uint32_t slot = 0;
    sec_t now = boot(&h, &trust, "plausible", 40 * DAY, false);

    expiry_arm(h.server->expiry, 7, now + 10);
    CHECK_EQ(expiry_due(h.server->expiry, now + 9, &slot, 1), 0);
    CHECK_EQ(expiry_due(h.server->expiry, now + 10, &slot, 1), 1);
    CHECK_EQ(slot, 7);
    harness_close(&h);
}

/* A restart does not make promises of a doubted clock reusable. */
static void test_doubt_outlives_a_restart(void)
{
    struct trust trust, trust_after;
    struct harness h, after;
    sec_t now = boot(&h, &trust, "plausible", -DAY, false), now_after = 0;

    (void)trust_turn(&trust, 1000, now, -DAY, false);
    harness_sync(&h);
    harness_replay(&h, &after, text);
    CHECK(after.server->disk_clock_doubted);
    after.server->disk_horizon_s = h.server->disk_horizon_s;
    CHECK_EQ(trust_boot(&trust_after, after.server, now + 1000, true, 500, &now_after), 0);
    CHECK_EQ(trust_after.doubt, TRUST_NONE);
    CHECK_EQ(now_after, now + 1000);
    CHECK(!trusted(&after) && !after.server->clock_doubted);
    (void)trust_turn(&trust_after, 500 + REST_MS, now_after, 0, true);
    CHECK(trusted(&after));
    harness_sync(&after);
    harness_close(&h);
    harness_replay(&after, &h, text);
    CHECK(!h.server->disk_clock_doubted);
    harness_close(&h);
    harness_close(&after);
}

static const struct check_test tests[] = {
    {"at_start", test_at_start},
    {"new_log", test_new_log},
    {"caught_up", test_caught_up},
    {"confirm", test_confirm},
    {"wheel_starts_at_the_logs_time", test_wheel_starts_at_the_logs_time},
    {"doubt_outlives_a_restart", test_doubt_outlives_a_restart},
};

/* The store's functions want a registered reader. */
__attribute__((constructor)) static void register_reader(void)
{
    urcu_qsbr_register_thread();
}

__attribute__((destructor)) static void unregister_reader(void)
{
    urcu_qsbr_unregister_thread();
}

CHECK_MAIN(tests)

/* Alarms raised, cleared, seen. */
#include "check.h"
#include "observe/alarm.h"

static const struct alarm_row *set(struct alarms *alarms, const char *check, const char *subject,
                                   bool active, sec_t now)
{
    struct alarm_state state = {check, subject, "warn", "text", active};

    return alarm_set(alarms, &state, now);
}

static void life(void)
{
    struct alarms *alarms;
    const struct alarm_row *row;

    CHECK_EQ(alarms_new(&alarms), 0);
    CHECK(set(alarms, "pool", "a", false, 10) == NULL); /* never was */
    row = set(alarms, "pool", "a", true, 11);
    CHECK(row && row->active && row->since == 11 && row->raised == 1 && row->cleared == 0);
    CHECK(set(alarms, "pool", "a", true, 12) == NULL); /* no news */
    CHECK_EQ(row->since, 11);
    CHECK(set(alarms, "pool", "b", true, 12) != row);
    CHECK_EQ(alarm_ack(alarms, row->id, "CN=x", "on it", 13), 0);
    CHECK(row->acked && row->acked_at == 13);
    CHECK_STR(row->acked_by, "CN=x");
    CHECK_STR(row->comment, "on it");
    CHECK(set(alarms, "pool", "a", false, 14) == row);
    CHECK(!row->active && row->cleared == 14 && row->acked);
    CHECK(set(alarms, "pool", "a", true, 15) == row);
    CHECK(row->active && row->since == 15 && row->raised == 2 && !row->acked);
    CHECK_EQ(alarm_ack(alarms, 99, "x", "", 16), -ENOENT);
    CHECK_EQ(alarm_ack(alarms, 0, "x", "", 16), -ENOENT);
    alarms_free(alarms);
}

static void full(void)
{
    struct alarms *alarms;
    char subject[16];

    CHECK_EQ(alarms_new(&alarms), 0);
    for (unsigned i = 0; i < ALARMS_KEPT; i++) {
        (void)snprintf(subject, sizeof(subject), "%u", i);
        CHECK(set(alarms, "x", subject, true, i + 1) != NULL);
    }
    CHECK(set(alarms, "x", "more", true, 500) == NULL); /* all stand: no room */
    CHECK(set(alarms, "x", "7", false, 501) != NULL);
    CHECK(set(alarms, "x", "3", false, 502) != NULL);
    CHECK(set(alarms, "x", "more", true, 503) == alarm_get(alarms, 7)); /* over longest */
    CHECK(alarm_get(alarms, ALARMS_KEPT) == NULL);
    alarms_free(alarms);
}

static const struct check_test tests[] = {{"life", life}, {"full", full}};

CHECK_MAIN(tests)

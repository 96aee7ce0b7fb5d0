/* Standing troubles and those lately over: what, since when, how bad, who has seen it. Control core
 * only. */
#ifndef OBSERVE_ALARM_H
#define OBSERVE_ALARM_H

#include <stdbool.h>

#include "base/err.h"
#include "base/units.h"

enum {
    ALARM_CHECK_MAX = 32,
    ALARM_SUBJECT_MAX = 128,
    ALARM_TEXT_MAX = 256,
    ALARM_LEVEL_MAX = 8,
    ALARM_WHO_MAX = 80,
    ALARMS_KEPT = 128, /* standing and over; beyond, the oldest that is over goes */
};

struct alarm_row {
    uint64_t id;                     /* 0: this place is free; a trouble that comes back keeps it */
    char check[ALARM_CHECK_MAX];     /* "storage" */
    char subject[ALARM_SUBJECT_MAX]; /* the pool, the port, the relationship; empty: the server */
    char level[ALARM_LEVEL_MAX];     /* "error" or "warn" */
    char text[ALARM_TEXT_MAX];       /* what is wrong and what to do */
    bool active;
    sec_t since;     /* raised the last time */
    sec_t cleared;   /* 0: never */
    uint64_t raised; /* how often */
    bool acked;      /* since it was raised the last time */
    sec_t acked_at;
    char acked_by[ALARM_WHO_MAX], comment[ALARM_TEXT_MAX];
};

struct alarms;

struct alarm_state {
    const char *check, *subject, *level, *text;
    bool active;
};

int alarms_new(struct alarms **ret_alarms) MUST_CHECK;
void alarms_free(struct alarms *alarms);

/* Says how it is now. Returns the row when that is news (raised or cleared), else NULL. */
const struct alarm_row *alarm_set(struct alarms *alarms, const struct alarm_state *state,
                                  sec_t now);

/* By place, 0 to ALARMS_KEPT - 1; NULL: a free one. */
const struct alarm_row *alarm_get(const struct alarms *alarms, unsigned place);

/* Somebody has seen it. -ENOENT: no such alarm. */
int alarm_ack(struct alarms *alarms, uint64_t id, const char *who, const char *comment,
              sec_t now) MUST_CHECK;

#endif

#include "observe/alarm.h"

#include <string.h>

struct alarms {
    uint64_t last_id;
    struct alarm_row rows[ALARMS_KEPT];
};

int alarms_new(struct alarms **ret_alarms)
{
    struct alarms *alarms = calloc(1, sizeof(*alarms));

    if (alarms == NULL) {
        return -ENOMEM;
    }
    *ret_alarms = alarms;
    return 0;
}

void alarms_free(struct alarms *alarms)
{
    free(alarms);
}

static struct alarm_row *row_find(struct alarms *alarms, const struct alarm_state *state)
{
    for (unsigned i = 0; i < ALARMS_KEPT; i++) {
        struct alarm_row *row = &alarms->rows[i];

        if (row->id && strcmp(row->check, state->check) == 0 &&
            strncmp(row->subject, state->subject, ALARM_SUBJECT_MAX - 1) == 0) {
            return row;
        }
    }
    return NULL;
}

/* A free place, or that of the alarm that has been over longest; NULL: all stand. */
static struct alarm_row *row_take(struct alarms *alarms)
{
    struct alarm_row *oldest = NULL;

    for (unsigned i = 0; i < ALARMS_KEPT; i++) {
        struct alarm_row *row = &alarms->rows[i];

        if (row->id == 0) {
            return row;
        }
        if (!row->active && (oldest == NULL || sec_after(oldest->cleared, row->cleared))) {
            oldest = row;
        }
    }
    return oldest;
}

static void copy(char *buf, size_t buf_size, const char *text)
{
    (void)snprintf(buf, buf_size, "%s", text);
}

const struct alarm_row *alarm_set(struct alarms *alarms, const struct alarm_state *state, sec_t now)
{
    struct alarm_row *row = row_find(alarms, state);

    if (row == NULL && state->active) {
        row = row_take(alarms);
        if (row) {
            *row = (struct alarm_row){.id = ++alarms->last_id};
            copy(row->check, sizeof(row->check), state->check);
            copy(row->subject, sizeof(row->subject), state->subject);
        }
    }
    if (row == NULL || row->active == state->active) {
        return NULL;
    }
    row->active = state->active;
    if (state->active) {
        copy(row->level, sizeof(row->level), state->level);
        copy(row->text, sizeof(row->text), state->text);
        row->since = now;
        row->raised++;
        row->acked = false;
    } else {
        row->cleared = now;
    }
    return row;
}

const struct alarm_row *alarm_get(const struct alarms *alarms, unsigned place)
{
    return place < ALARMS_KEPT && alarms->rows[place].id ? &alarms->rows[place] : NULL;
}

int alarm_ack(struct alarms *alarms, uint64_t id, const char *who, const char *comment, sec_t now)
{
    for (unsigned i = 0; id && i < ALARMS_KEPT; i++) {
        struct alarm_row *row = &alarms->rows[i];

        if (row->id == id) {
            row->acked = true;
            row->acked_at = now;
            copy(row->acked_by, sizeof(row->acked_by), who);
            copy(row->comment, sizeof(row->comment), comment);
            return 0;
        }
    }
    return -ENOENT;
}

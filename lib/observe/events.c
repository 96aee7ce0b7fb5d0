#include "observe/events.h"

#include <string.h>

enum {
    LOOK_MAX = 1024, /* events one read looks at */
};

struct events {
    uint64_t first, last;
    unsigned kept;
    struct event ring[]; /* [seq % kept]; another seq: lost */
};

static const char *const topic_names[EVENT_TOPIC_COUNT] = {
    [EVENT_LEASE] = "lease", [EVENT_FAILOVER] = "failover", [EVENT_CONFIG] = "config",
    [EVENT_ALARM] = "alarm", [EVENT_AUDIT] = "audit",
};

int events_new(unsigned kept, uint64_t before, struct events **ret_events)
{
    struct events *events;

    T6_ASSERT(kept > 0);
    events = calloc(1, sizeof(*events) + kept * sizeof(events->ring[0]));
    if (events == NULL) {
        return -ENOMEM;
    }
    events->kept = kept;
    events->first = before + 1;
    events->last = before;
    *ret_events = events;
    return 0;
}

void events_free(struct events *events)
{
    free(events);
}

uint64_t events_add(struct events *events, enum event_topic topic, sec_t time, const char *data,
                    size_t size)
{
    static const char too_long[] = "{\"too_long\":true}";
    struct event *event = &events->ring[++events->last % events->kept];

    if (size > EVENT_DATA_MAX) {
        data = too_long;
        size = sizeof(too_long) - 1;
    }
    event->seq = events->last;
    event->topic = topic;
    event->time = time;
    event->size = size;
    memcpy(event->data, data, size);
    return events->last;
}

void events_lose(struct events *events, uint64_t count)
{
    events->last += count;
}

uint64_t events_last(const struct events *events)
{
    return events->last;
}

/* The first number from seq on whose event is there; last + 1 when there is none. */
static uint64_t event_present(const struct events *events, uint64_t seq)
{
    bool whole = events->last + 1 - events->first <= events->kept;
    uint64_t oldest = whole ? events->first : events->last - events->kept + 1;

    seq = seq < oldest ? oldest : seq;
    while (seq <= events->last && events->ring[seq % events->kept].seq != seq) {
        seq++; /* at most kept times */
    }
    return seq;
}

static bool event_wanted(const struct event *event, const struct event_cursor *cursor)
{
    if ((cursor->topics & 1u << event->topic) == 0) {
        return false;
    }
    for (unsigned i = 0; i < cursor->filter_count; i++) {
        if (memmem(event->data, event->size, cursor->filters[i], strlen(cursor->filters[i])) ==
            NULL) {
            return false;
        }
    }
    return true;
}

enum event_read events_read(const struct events *events, struct event_cursor *cursor,
                            const struct event **ret_event, uint64_t *ret_gap_first,
                            uint64_t *ret_gap_last)
{
    for (unsigned looked = 0; looked < LOOK_MAX; looked++) {
        const struct event *event;
        uint64_t seq;

        if (cursor->next > events->last) {
            return EVENT_READ_NONE;
        }
        seq = event_present(events, cursor->next);
        if (seq > cursor->next) {
            *ret_gap_first = cursor->next;
            *ret_gap_last = seq - 1;
            cursor->next = seq;
            return EVENT_READ_GAP;
        }
        cursor->next++;
        event = &events->ring[seq % events->kept];
        if (event_wanted(event, cursor)) {
            *ret_event = event;
            return EVENT_READ_ONE;
        }
    }
    return EVENT_READ_MORE;
}

const char *event_topic_name(enum event_topic topic)
{
    return topic_names[topic];
}

bool event_topic_read(const char *text, size_t size, enum event_topic *ret_topic)
{
    for (unsigned topic = 0; topic < EVENT_TOPIC_COUNT; topic++) {
        if (strlen(topic_names[topic]) == size && memcmp(topic_names[topic], text, size) == 0) {
            *ret_topic = topic;
            return true;
        }
    }
    return false;
}

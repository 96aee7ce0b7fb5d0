/* What happened, in order: a ring of the last events with numbers that only grow. Readers keep a
 * place of their own in it; one that is too slow finds a gap, and nothing waits for it. Knows
 * neither who reads nor what the data means but that it is one JSON object. Control core only. */
#ifndef OBSERVE_EVENTS_H
#define OBSERVE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/units.h"

enum {
    EVENTS_KEPT = 8192,    /* default length of the ring */
    EVENT_DATA_MAX = 1000, /* octets of one event's data */
    EVENT_FILTERS_MAX = 4, /* of one reader */
    EVENT_FILTER_MAX = 320,
};

enum event_topic {
    EVENT_LEASE,
    EVENT_FAILOVER,
    EVENT_CONFIG,
    EVENT_ALARM,
    EVENT_AUDIT,
    EVENT_TOPIC_COUNT
};

#define EVENT_TOPICS_ALL ((1u << EVENT_TOPIC_COUNT) - 1)

struct event {
    uint64_t seq;
    enum event_topic topic;
    sec_t time;
    size_t size;
    char data[EVENT_DATA_MAX]; /* a JSON object in compact form, not terminated */
};

struct events;

/* A reader's place and what it wants. */
struct event_cursor {
    uint64_t next;   /* number of the next event */
    unsigned topics; /* bits 1 << enum event_topic */
    /* Each must be found in the data: a member in compact form, such as "link":"olt-17". */
    char filters[EVENT_FILTERS_MAX][EVENT_FILTER_MAX];
    unsigned filter_count;
};

/* One caller's cursors, with a connection that can be written to at any time. */
enum {
    EVENT_SUBSCRIPTIONS_MAX = 4
};

struct event_subscriptions {
    unsigned used; /* bits of the cursors in use; the first one is "s1" */
    struct event_cursor cursors[EVENT_SUBSCRIPTIONS_MAX];
};

/* before: the number before that of the first event. Numbers that begin with the time of start do
 * not come again after a restart. */
int events_new(unsigned kept, uint64_t before, struct events **ret_events) MUST_CHECK;
void events_free(struct events *events);

/* Returns the event's number. Data that is too long is replaced by {"too_long":true}. */
uint64_t events_add(struct events *events, enum event_topic topic, sec_t time, const char *data,
                    size_t size);
/* Tells that count events were lost before they came here: their numbers stay empty. */
void events_lose(struct events *events, uint64_t count);

uint64_t events_last(const struct events *events); /* number of the newest; 0: none yet */

enum event_read {
    EVENT_READ_NONE, /* nothing new */
    EVENT_READ_ONE,
    EVENT_READ_GAP,  /* numbers that are no longer, or never were, there */
    EVENT_READ_MORE, /* looked at enough for now, found nothing: call again */
};

/* The reader's next event, or the gap before it. What ret_ points to lives until the next
 * events_add. */
enum event_read events_read(const struct events *events, struct event_cursor *cursor,
                            const struct event **ret_event, uint64_t *ret_gap_first,
                            uint64_t *ret_gap_last);

enum {
    EVENT_TEXT_MAX = EVENT_DATA_MAX + 256
};

/* The same as text: with subscription ("s1") a JSON-RPC notification and a newline, with NULL a
 * server-sent event (HTML Living Standard 9.2). Size 0: nothing to say. */
enum event_read event_text(const struct events *events, struct event_cursor *cursor,
                           const char *subscription, char buf[EVENT_TEXT_MAX], size_t *ret_size);

const char *event_topic_name(enum event_topic topic);
/* False for texts that are no topic. */
bool event_topic_read(const char *text, size_t size, enum event_topic *ret_topic);

#endif

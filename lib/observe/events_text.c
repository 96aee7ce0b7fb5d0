/* Events as their readers get them. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "observe/events.h"

static void time_write(sec_t time, char buf[32])
{
    time_t unix_s = (time_t)SEC_UNIX_OFFSET + (time_t)time;
    struct tm tm;

    (void)gmtime_r(&unix_s, &tm);
    (void)strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static size_t gap_write(const char *subscription, uint64_t first, uint64_t last,
                        char buf[EVENT_TEXT_MAX])
{
    int size = subscription ? snprintf(buf, EVENT_TEXT_MAX,
                                       "{\"jsonrpc\":\"2.0\",\"method\":\"events.gap\",\"params\":{"
                                       "\"subscription\":\"%.8s\",\"first\":%" PRIu64
                                       ",\"last\":%" PRIu64 "}}\n",
                                       subscription, first, last)
                            : snprintf(buf, EVENT_TEXT_MAX,
                                       "id: %" PRIu64 "\nevent: gap\ndata: {\"first\":%" PRIu64
                                       ",\"last\":%" PRIu64 "}\n\n",
                                       last, first, last);

    T6_ASSERT(size > 0 && size < EVENT_TEXT_MAX);
    return (size_t)size;
}

static size_t event_write(const char *subscription, const struct event *event,
                          char buf[EVENT_TEXT_MAX])
{
    const char *topic = event_topic_name(event->topic);
    char time[32];
    int size;

    time_write(event->time, time);
    if (subscription) {
        size = snprintf(buf, EVENT_TEXT_MAX,
                        "{\"jsonrpc\":\"2.0\",\"method\":\"events.event\",\"params\":{"
                        "\"subscription\":\"%.8s\",\"seq\":%" PRIu64
                        ",\"ts\":\"%s\",\"topic\":\"%s\",\"data\":%.*s}}\n",
                        subscription, event->seq, time, topic, (int)event->size, event->data);
    } else {
        size = snprintf(buf, EVENT_TEXT_MAX,
                        "id: %" PRIu64 "\nevent: %s\ndata: {\"seq\":%" PRIu64
                        ",\"ts\":\"%s\",\"topic\":\"%s\",\"data\":%.*s}\n\n",
                        event->seq, topic, event->seq, time, topic, (int)event->size, event->data);
    }
    T6_ASSERT(size > 0 && size < EVENT_TEXT_MAX);
    return (size_t)size;
}

enum event_read event_text(const struct events *events, struct event_cursor *cursor,
                           const char *subscription, char buf[EVENT_TEXT_MAX], size_t *ret_size)
{
    const struct event *event = NULL;
    uint64_t first = 0, last = 0;
    enum event_read read = events_read(events, cursor, &event, &first, &last);

    *ret_size = 0;
    if (read == EVENT_READ_GAP) {
        *ret_size = gap_write(subscription, first, last, buf);
    } else if (read == EVENT_READ_ONE) {
        *ret_size = event_write(subscription, event, buf);
    }
    return read;
}

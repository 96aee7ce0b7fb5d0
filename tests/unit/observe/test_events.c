/* The ring of events and its readers. */
#include "check.h"
#include "observe/events.h"

static void add(struct events *events, enum event_topic topic, const char *data)
{
    (void)events_add(events, topic, 5, data, strlen(data));
}

/* Reads all there is; writes "1 2 [3-5] 6 " of numbers and gaps. */
static void read_all(const struct events *events, struct event_cursor *cursor, char *text)
{
    const struct event *event;
    uint64_t first, last;
    enum event_read read;

    text[0] = '\0';
    while ((read = events_read(events, cursor, &event, &first, &last)) != EVENT_READ_NONE) {
        if (read == EVENT_READ_ONE) {
            (void)sprintf(text + strlen(text), "%d ", (int)event->seq);
        } else if (read == EVENT_READ_GAP) {
            (void)sprintf(text + strlen(text), "[%d-%d] ", (int)first, (int)last);
        }
    }
}

static void order_and_gaps(void)
{
    struct event_cursor cursor = {.next = 1, .topics = EVENT_TOPICS_ALL}, slow = cursor;
    struct events *events;
    char text[256];

    CHECK_EQ(events_new(4, 0, &events), 0);
    read_all(events, &cursor, text);
    CHECK_STR(text, "");
    for (unsigned i = 0; i < 3; i++) {
        add(events, EVENT_ALARM, "{}");
    }
    read_all(events, &cursor, text);
    CHECK_STR(text, "1 2 3 ");
    events_lose(events, 2);
    add(events, EVENT_LEASE, "{}");
    CHECK_EQ(events_last(events), 6);
    read_all(events, &cursor, text);
    CHECK_STR(text, "[4-5] 6 ");
    for (unsigned i = 0; i < 3; i++) {
        add(events, EVENT_ALARM, "{}");
    }
    read_all(events, &slow, text);
    CHECK_STR(text, "[1-5] 6 7 8 9 ");
    events_lose(events, 100); /* more than the ring is long */
    read_all(events, &slow, text);
    CHECK_STR(text, "[10-109] ");
    read_all(events, &cursor, text);
    CHECK_STR(text, "[7-109] ");
    events_free(events);
}

static void filters(void)
{
    struct event_cursor cursor = {.next = 1,
                                  .topics = 1u << EVENT_LEASE,
                                  .filters = {"\"link\":\"a\"", "\"state\":\"active\""},
                                  .filter_count = 2};
    struct events *events;
    char text[256];

    CHECK_EQ(events_new(64, 0, &events), 0);
    add(events, EVENT_LEASE, "{\"link\":\"a\",\"state\":\"active\"}");
    add(events, EVENT_LEASE, "{\"link\":\"ab\",\"state\":\"active\"}");
    add(events, EVENT_LEASE, "{\"link\":\"a\",\"state\":\"expired\"}");
    add(events, EVENT_ALARM, "{\"link\":\"a\",\"state\":\"active\"}");
    add(events, EVENT_LEASE, "{\"state\":\"active\",\"link\":\"a\"}");
    read_all(events, &cursor, text);
    CHECK_STR(text, "1 5 ");
    events_free(events);
}

static void limits(void)
{
    struct event_cursor cursor = {.next = 1, .topics = EVENT_TOPICS_ALL};
    static char data[EVENT_DATA_MAX + 1];
    const struct event *event;
    uint64_t first, last;
    struct events *events;

    memset(data, 'x', sizeof(data));
    CHECK_EQ(events_new(4000, 0, &events), 0);
    (void)events_add(events, EVENT_AUDIT, 1, data, EVENT_DATA_MAX);
    (void)events_add(events, EVENT_AUDIT, 1, data, EVENT_DATA_MAX + 1);
    CHECK_EQ(events_read(events, &cursor, &event, &first, &last), EVENT_READ_ONE);
    CHECK_EQ(event->size, EVENT_DATA_MAX);
    CHECK_EQ(events_read(events, &cursor, &event, &first, &last), EVENT_READ_ONE);
    CHECK_MEM(event->data, "{\"too_long\":true}", event->size);
    cursor.topics = 1u << EVENT_CONFIG;
    for (unsigned i = 0; i < 3000; i++) {
        add(events, EVENT_LEASE, "{}");
    }
    add(events, EVENT_CONFIG, "{}");
    /* A turn looks at a bounded number. */
    CHECK_EQ(events_read(events, &cursor, &event, &first, &last), EVENT_READ_MORE);
    CHECK_EQ(events_read(events, &cursor, &event, &first, &last), EVENT_READ_MORE);
    CHECK_EQ(events_read(events, &cursor, &event, &first, &last), EVENT_READ_ONE);
    CHECK_EQ(events_read(events, &cursor, &event, &first, &last), EVENT_READ_NONE);
    events_free(events);
}

static void later_start(void)
{
    struct event_cursor cursor = {.next = 7, .topics = EVENT_TOPICS_ALL};
    struct events *events;
    char text[256];

    CHECK_EQ(events_new(4, 1000, &events), 0);
    CHECK_EQ(events_last(events), 1000);
    read_all(events, &cursor, text);
    CHECK_STR(text, "[7-1000] "); /* before the restart */
    add(events, EVENT_ALARM, "{}");
    read_all(events, &cursor, text);
    CHECK_STR(text, "1001 ");
    events_free(events);
}

static void texts(void)
{
    struct event_cursor cursor = {.next = 1, .topics = EVENT_TOPICS_ALL}, sse = cursor;
    char buf[EVENT_TEXT_MAX + 1];
    struct events *events;
    size_t size;

    CHECK_EQ(events_new(4, 2, &events), 0);
    add(events, EVENT_ALARM, "{\"a\":1}");
    CHECK_EQ(event_text(events, &cursor, "s2", buf, &size), EVENT_READ_GAP);
    buf[size] = '\0';
    CHECK_STR(buf,
              "{\"jsonrpc\":\"2.0\",\"method\":\"events.gap\",\"params\":{\"subscription\":\"s2\","
              "\"first\":1,\"last\":2}}\n");
    CHECK_EQ(event_text(events, &cursor, "s2", buf, &size), EVENT_READ_ONE);
    buf[size] = '\0';
    CHECK_STR(
        buf,
        "{\"jsonrpc\":\"2.0\",\"method\":\"events.event\",\"params\":{\"subscription\":\"s2\","
        "\"seq\":3,\"ts\":\"2000-01-01T00:00:05Z\",\"topic\":\"alarm\",\"data\":{\"a\":1}}}\n");
    CHECK_EQ(event_text(events, &cursor, "s2", buf, &size), EVENT_READ_NONE);
    CHECK_EQ(size, 0);
    CHECK_EQ(event_text(events, &sse, NULL, buf, &size), EVENT_READ_GAP);
    buf[size] = '\0';
    CHECK_STR(buf, "id: 2\nevent: gap\ndata: {\"first\":1,\"last\":2}\n\n");
    CHECK_EQ(event_text(events, &sse, NULL, buf, &size), EVENT_READ_ONE);
    buf[size] = '\0';
    CHECK_STR(buf,
              "id: 3\nevent: alarm\ndata: {\"seq\":3,\"ts\":\"2000-01-01T00:00:05Z\",\"topic\":"
              "\"alarm\",\"data\":{\"a\":1}}\n\n");
    events_free(events);
}

static void topics(void)
{
    enum event_topic topic;

    for (unsigned i = 0; i < EVENT_TOPIC_COUNT; i++) {
        const char *name = event_topic_name(i);

        CHECK(event_topic_read(name, strlen(name), &topic) && topic == i);
        CHECK(!event_topic_read(name, strlen(name) - 1, &topic));
    }
    CHECK(!event_topic_read("", 0, &topic));
}

static const struct check_test tests[] = {
    {"order and gaps", order_and_gaps}, {"filters", filters}, {"limits", limits},
    {"later start", later_start},       {"texts", texts},     {"topics", topics},
};

CHECK_MAIN(tests)

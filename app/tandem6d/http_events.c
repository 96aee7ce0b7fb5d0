/* GET /events: server-sent events. */
#include <string.h>

#include "clock.h"
#include "http_internal.h"
#include "observe/events.h"
#include "server/methods.h"

enum {
    EVENTS_PIECE_MAX = 24, /* of one piece */
    QUIET_MS = 10000
};

struct source {
    const struct http_config *config;
    struct event_cursor cursor;
    bool began;
    msec_t told_ms; /* when something was said */
};

static enum http_more events_more(void *ctx, struct evbuffer *out)
{
    struct source *source = ctx;
    enum event_read read = EVENT_READ_ONE;
    char text[EVENT_TEXT_MAX];
    size_t size;

    methods_events_watch(source->config->methods, source->cursor.topics);
    if (!source->began) {
        source->began = true;
        (void)evbuffer_add_printf(out, "retry: 2000\n\n");
        return HTTP_MORE_NOW;
    }
    for (unsigned i = 0; i < EVENTS_PIECE_MAX && read != EVENT_READ_NONE; i++) {
        read = event_text(source->config->events, &source->cursor, NULL, text, &size);
        (void)evbuffer_add(out, text, size);
        if (read == EVENT_READ_MORE) {
            break;
        }
    }
    if (evbuffer_get_length(out)) {
        source->told_ms = clock_mono_ms();
    } else if (clock_mono_ms() - source->told_ms >= QUIET_MS) {
        /* Whoever is gone is found out by writing to him. */
        (void)evbuffer_add_printf(out, ": nothing new\n\n");
        source->told_ms = clock_mono_ms();
    }
    return read == EVENT_READ_NONE ? HTTP_MORE_WAIT : HTTP_MORE_NOW;
}

static void events_done(void *ctx)
{
    free(ctx);
}

/* The query as the parameters of events.subscribe: topics=a,b, from_seq, and filter members. NULL:
 * malformed. */
static json_t *query_params(const struct http_request *request)
{
    const struct field *filter = field_find(methods_subscribe_fields, "filter");
    json_t *params = json_object(), *topics = json_array(), *members = json_object();
    char value[EVENT_FILTER_MAX];

    if (http_query_get(request->query, "topics", value, sizeof(value))) {
        for (char *rest = value, *topic; (topic = strsep(&rest, ","));) {
            (void)json_array_append_new(topics, json_string(topic));
        }
        (void)json_object_set(params, "topics", topics);
    }
    for (const struct field *row = filter->children; row->type != FIELD_END; row++) {
        if (http_query_get(request->query, row->name, value, sizeof(value))) {
            (void)json_object_set_new(members, row->name, json_string(value));
        }
    }
    if (json_object_size(members)) {
        (void)json_object_set(params, "filter", members);
    }
    if (request->has_last_event_id) { /* a caller that comes back */
        (void)json_object_set_new(params, "from_seq",
                                  json_integer((json_int_t)request->last_event_id + 1));
    } else if (http_query_get(request->query, "from_seq", value, sizeof(value))) {
        (void)json_object_set_new(params, "from_seq", json_integer(atoll(value)));
    }
    json_decref(topics);
    json_decref(members);
    return params;
}

void http_events_run(struct http_connection *connection)
{
    const struct http_config *config = &connection->http->config;
    struct source *source = calloc(1, sizeof(*source));
    struct http_stream stream = {
        .more = events_more, .done = events_done, .ctx = source, .endless = true};
    json_t *params = query_params(&connection->request);
    struct field_error error;

    if (source == NULL || params == NULL || config->events == NULL) {
        http_refuse(connection, HTTP_UNAVAILABLE, "no events");
    } else if (field_check(methods_subscribe_fields, params, &error)) {
        http_refuse(connection, HTTP_BAD_REQUEST, error.text);
    } else if (!methods_event_cursor(config->methods, params, &source->cursor)) {
        http_refuse(connection, HTTP_BAD_REQUEST, "the filter is too long");
    } else {
        source->config = config;
        http_stream_start(connection, "text/event-stream", &stream);
        source = NULL;
    }
    free(source);
    json_decref(params);
}

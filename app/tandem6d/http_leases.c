/* GET /leases: all leases, or those a filter leaves, a line of JSON each. Made by lease.list, a
 * small page in each turn of the loop, so that millions cost neither memory nor anybody's time. */
#include <string.h>

#include "http_internal.h"

enum {
    PAGE_LEASES = 64,
    PAGE_WORK = 4096, /* slots one page may look at */
    VALUE_MAX = 300,
};

struct source {
    const struct http_config *config;
    const struct access *const *access;
    struct access_subject subject;
    char from[HTTP_FROM_MAX];
    json_t *params; /* of lease.list, with the cursor of the next page */
};

static void source_free(void *ctx)
{
    struct source *source = ctx;

    if (source) {
        json_decref(source->params);
        free(source);
    }
}

/* The next page; 0 or the error's code. */
static int page_get(struct source *source, json_t **ret_page, char message[JSONRPC_MESSAGE_MAX])
{
    struct jsonrpc_caller caller = {
        .roles = access_roles(*source->access, &source->subject), /* those of now */
        .who = source->subject.who,
        .from = source->from,
    };

    return jsonrpc_run(source->config->rpc, &caller, "lease.list", source->params, PAGE_WORK,
                       ret_page, message);
}

static int dump_to_buffer(const char *text, size_t size, void *out)
{
    return evbuffer_add(out, text, size);
}

/* False: that was the last page. */
static bool page_put(struct source *source, const json_t *page, struct evbuffer *out)
{
    json_t *next = json_object_get(page, "next_cursor");
    const json_t *leases = json_object_get(page, "leases");
    json_t *lease;
    size_t i;

    json_array_foreach(leases, i, lease)
    {
        (void)json_dump_callback(lease, dump_to_buffer, out, JSON_COMPACT);
        (void)evbuffer_add(out, "\n", 1);
    }
    (void)json_object_set(source->params, "cursor", next);
    return json_is_string(next);
}

static enum http_more leases_more(void *ctx, struct evbuffer *out)
{
    struct source *source = ctx;
    char message[JSONRPC_MESSAGE_MAX];
    json_t *page;
    bool more;

    if (page_get(source, &page, message)) {
        /* Too late for a status: a last line that is no lease. */
        (void)evbuffer_add_printf(out, "{\"error\":\"the listing ends here: it failed\"}\n");
        return HTTP_MORE_END;
    }
    more = page_put(source, page, out);
    json_decref(page);
    return more ? HTTP_MORE_NOW : HTTP_MORE_END;
}

/* "a,b" as a list. */
static json_t *list_read(char *text)
{
    json_t *list = json_array();

    for (char *rest = text, *item; (item = strsep(&rest, ","));) {
        (void)json_array_append_new(list, json_string(item));
    }
    return list;
}

/* The query as the parameters of lease.list: fields=a,b and the filter's members. */
static json_t *query_params(const char *query, const struct field *table)
{
    json_t *params = json_pack("{s:i}", "limit", (int)PAGE_LEASES), *filter = json_object();
    char value[VALUE_MAX];

    for (const struct field *row = field_find(table, "filter")->children; row->type != FIELD_END;
         row++) {
        if (http_query_get(query, row->name, value, sizeof(value))) {
            (void)json_object_set_new(filter, row->name,
                                      row->type == FIELD_INTEGER ? json_integer(atoll(value))
                                                                 : json_string(value));
        }
    }
    if (json_object_size(filter)) {
        (void)json_object_set(params, "filter", filter);
    }
    if (http_query_get(query, "fields", value, sizeof(value))) {
        (void)json_object_set_new(params, "fields", list_read(value));
    }
    json_decref(filter);
    return params;
}

void http_leases_run(struct http_connection *connection)
{
    const struct http_config *config = &connection->http->config;
    const struct jsonrpc_method *method = jsonrpc_method_find(config->rpc, "lease.list");
    struct source *source = calloc(1, sizeof(*source));
    struct http_stream stream = {.more = leases_more, .done = source_free, .ctx = source};
    char message[JSONRPC_MESSAGE_MAX] = "no memory";
    json_t *page;

    if (source == NULL || method == NULL) {
        source_free(source);
        http_refuse(connection, HTTP_UNAVAILABLE, message);
        return;
    }
    source->config = config;
    source->access = config->access;
    source->subject = connection->subject;
    memcpy(source->from, connection->from, sizeof(source->from));
    source->params = query_params(connection->request.query, method->params);
    /* The first page tells whether the question makes sense; the stream begins with it again. */
    if (page_get(source, &page, message)) {
        source_free(source);
        http_refuse(connection, HTTP_BAD_REQUEST, message);
        return;
    }
    json_decref(page);
    http_stream_start(connection, "application/x-ndjson", &stream);
}

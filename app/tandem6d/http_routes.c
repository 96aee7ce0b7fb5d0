/* What the HTTP port answers: one row per path. */
#include <string.h>

#include "http_internal.h"
#include "page.h"
#include "server/metrics.h"

struct route {
    const char *path;
    enum http_method method; /* HEAD goes with GET */
    bool open;               /* for everybody who got as far as a request; else role view */
    void (*run)(struct http_connection *connection, struct span body);
};

static void run_page(struct http_connection *connection, struct span body);
static void run_rpc(struct http_connection *connection, struct span body);
static void run_healthz(struct http_connection *connection, struct span body);
static void run_metrics(struct http_connection *connection, struct span body);
static void run_events(struct http_connection *connection, struct span body);
static void run_leases(struct http_connection *connection, struct span body);

static const struct route routes[] = {
    {"/", HTTP_GET, false, run_page},
    /* Methods check the role themselves. */
    {"/rpc", HTTP_POST, true, run_rpc},
    {"/healthz", HTTP_GET, true, run_healthz},
    {"/metrics", HTTP_GET, false, run_metrics},
    {"/events", HTTP_GET, false, run_events},
    {"/leases", HTTP_GET, false, run_leases},
};

static const struct route *route_find(const char *path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(routes[i].path, path) == 0) {
            return &routes[i];
        }
    }
    return NULL;
}

enum http_status http_route_check(const struct http_connection *connection, const char **ret_why)
{
    const struct http_request *request = &connection->request;
    const struct route *route = route_find(request->path);
    enum http_method method = request->method == HTTP_HEAD ? HTTP_GET : request->method;

    if (route == NULL) {
        *ret_why = "nothing is here";
        return HTTP_NOT_FOUND;
    }
    if (route->method != method) {
        *ret_why = route->method == HTTP_POST ? "use POST" : "use GET";
        return HTTP_METHOD_NOT_ALLOWED;
    }
    if (method == HTTP_POST && !request->is_json) {
        /* A page in a browser cannot send this type elsewhere without being asked first (CORS). */
        *ret_why = "Content-Type must be application/json";
        return HTTP_UNSUPPORTED_MEDIA_TYPE;
    }
    if (method == HTTP_POST && !request->has_body_size) {
        *ret_why = "Content-Length is needed";
        return HTTP_LENGTH_REQUIRED;
    }
    if (!route->open && (http_caller(connection).roles & JSONRPC_ROLES_VIEW) == 0) {
        *ret_why = "management.access gives you no role";
        return HTTP_FORBIDDEN;
    }
    return 0;
}

void http_route_run(struct http_connection *connection, struct span body)
{
    route_find(connection->request.path)->run(connection, body);
}

static void run_page(struct http_connection *connection, struct span body)
{
    char more[512];
    int size = snprintf(more, sizeof(more),
                        "Content-Security-Policy: %s\r\nReferrer-Policy: no-referrer\r\n"
                        "Cross-Origin-Opener-Policy: same-origin\r\n",
                        page_policy);

    (void)body;
    T6_ASSERT(size > 0 && size < (int)sizeof(more));
    http_answer_with(connection, "text/html; charset=utf-8", more, (const char *)page_text,
                     page_size);
}

static void run_rpc(struct http_connection *connection, struct span body)
{
    struct jsonrpc_caller caller = http_caller(connection);
    struct jsonrpc_reply reply = {.text = NULL};

    if (jsonrpc_handle(connection->http->config.rpc, &caller, body, &reply)) {
        http_refuse(connection, HTTP_UNAVAILABLE, "no memory");
    } else if (reply.text == NULL) {
        /* Notifications only. Clients exist that take 204 for a failure. */
        http_answer(connection, HTTP_OK, NULL, NULL, 0);
    } else {
        http_answer_due(connection, &reply);
    }
}

void http_parked_answer(struct http_connection *connection)
{
    struct jsonrpc_reply reply = connection->parked;

    connection->parked = (struct jsonrpc_reply){.text = NULL};
    connection->http->parked_count--;
    free(reply.late);
    http_answer_taken(connection, "application/json", reply.text, reply.size);
}

static void run_healthz(struct http_connection *connection, struct span body)
{
    const struct http_config *config = &connection->http->config;
    const char *state = config->state ? config->state(config->ctx) : "serving";
    char text[64];
    int size = snprintf(text, sizeof(text), "%.60s\n", state);

    (void)body;
    http_answer(connection, strcmp(state, "serving") == 0 ? HTTP_OK : HTTP_UNAVAILABLE,
                "text/plain; charset=utf-8", text, (size_t)size);
}

static enum http_more metrics_more(void *ctx, struct evbuffer *out)
{
    struct evbuffer_iovec room;
    size_t size;

    if (evbuffer_reserve_space(out, HTTP_PIECE_MAX, &room, 1) != 1) {
        return HTTP_MORE_END;
    }
    size = scrape_step(ctx, room.iov_base, HTTP_PIECE_MAX);
    room.iov_len = size;
    (void)evbuffer_commit_space(out, &room, 1);
    return size ? HTTP_MORE_NOW : HTTP_MORE_END;
}

static void metrics_done(void *ctx)
{
    scrape_free(ctx);
}

static void run_metrics(struct http_connection *connection, struct span body)
{
    struct http_stream source = {.more = metrics_more, .done = metrics_done};
    struct scrape *scrape;

    (void)body;
    if (scrape_new(connection->http->config.methods, &scrape)) {
        http_refuse(connection, HTTP_UNAVAILABLE, "no memory");
        return;
    }
    source.ctx = scrape;
    http_stream_start(connection, METRICS_CONTENT_TYPE, &source);
}

static void run_events(struct http_connection *connection, struct span body)
{
    (void)body;
    http_events_run(connection);
}

static void run_leases(struct http_connection *connection, struct span body)
{
    (void)body;
    http_leases_run(connection);
}

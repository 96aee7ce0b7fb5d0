#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_internal.h"

enum {
    BACKLOG = 128,
    ACCEPTS_MAX = 8, /* between two pauses: a flood of handshakes leaves time for the rest */
    ACCEPT_PAUSE_MS = 10,
    ERROR_PAUSE_MS = 1000,
};

static int listener_open(struct http *http, char *ret_error);
static int tls_open(struct http *http, struct http_tls **ret_tls, char *ret_error);
static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int address_size, void *ctx);
static void on_accept_error(struct evconnlistener *listener, void *ctx);
static void on_resume(evutil_socket_t fd, short events, void *ctx);

static unsigned or_default(unsigned value, unsigned fallback)
{
    return value ? value : fallback;
}

int http_new(const struct http_config *config, struct http **ret_http, char *ret_error)
{
    struct http *http = calloc(1, sizeof(*http));
    int err = 0;

    if (http == NULL) {
        return -ENOMEM;
    }
    http->config = *config;
    http->config.idle_s = or_default(config->idle_s, HTTP_IDLE_S);
    http->config.request_s = or_default(config->request_s, HTTP_REQUEST_S);
    if (config->tls) {
        const struct config_tls *tls = config->tls;

        (void)snprintf(http->certificate, sizeof(http->certificate), "%s", tls->certificate);
        (void)snprintf(http->key, sizeof(http->key), "%s", tls->key);
        (void)snprintf(http->ca, sizeof(http->ca), "%s", tls->ca ? tls->ca : "");
        err = tls_open(http, &http->tls, ret_error);
    }
    err = err ? err : listener_open(http, ret_error);
    if (err) {
        http_free(http);
        return err;
    }
    *ret_http = http;
    return 0;
}

void http_free(struct http *http)
{
    if (http == NULL) {
        return;
    }
    for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        if (http->connections[i].http) {
            http_connection_free(&http->connections[i]);
        }
    }
    if (http->listener) {
        evconnlistener_free(http->listener);
    }
    if (http->resume) {
        event_free(http->resume);
    }
    http_tls_free(http->tls);
    free(http);
}

static int tls_open(struct http *http, struct http_tls **ret_tls, char *ret_error)
{
    struct config_tls files = {
        .certificate = http->certificate,
        .key = http->key,
        .ca = http->ca[0] ? http->ca : NULL,
    };

    return http_tls_new(&files, ret_tls, ret_error);
}

int http_reload(struct http *http, char *ret_error)
{
    struct http_tls *tls;
    int err;

    if (http->tls == NULL) {
        return 0;
    }
    err = tls_open(http, &tls, ret_error);
    if (err == 0) {
        http_tls_free(http->tls); /* connections hold what they use of it */
        http->tls = tls;
    }
    return err;
}

void http_turn(struct http *http)
{
    for (unsigned i = 0; http->parked_count && i < HTTP_CONNECTIONS_MAX; i++) {
        struct http_connection *connection = &http->connections[i];

        if (connection->http && connection->phase == HTTP_PHASE_WAIT &&
            jsonrpc_reply_is_due(http->config.rpc, &connection->parked)) {
            http_parked_answer(connection);
        }
    }
}

void http_stats_get(const struct http *http, struct http_stats *ret_stats)
{
    *ret_stats = http->stats;
}

static int listener_open(struct http *http, char *ret_error)
{
    struct sockaddr_storage address;
    int size = sizeof(address);

    if (evutil_parse_sockaddr_port(http->config.listen, (struct sockaddr *)&address, &size)) {
        (void)snprintf(ret_error, HTTP_ERROR_MAX, "management.listen %s: no address and port",
                       http->config.listen);
        return -EINVAL;
    }
    http->resume = evtimer_new(http->config.base, on_resume, http);
    http->listener =
        evconnlistener_new_bind(http->config.base, on_accept, http,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                BACKLOG, (struct sockaddr *)&address, size);
    if (http->listener == NULL || http->resume == NULL) {
        (void)snprintf(ret_error, HTTP_ERROR_MAX, "management.listen %s: cannot listen: %s",
                       http->config.listen, strerror(errno));
        return errno == EADDRINUSE ? -EADDRINUSE : -EIO;
    }
    evconnlistener_set_error_cb(http->listener, on_accept_error);
    return 0;
}

/* The place of the connection that has waited longest for its caller, freed; NULL when all are at
 * work. */
static struct http_connection *connection_evict(struct http *http)
{
    struct http_connection *oldest = NULL;

    for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        struct http_connection *connection = &http->connections[i];
        bool waits = connection->phase != HTTP_PHASE_WAIT &&
                     connection->phase != HTTP_PHASE_ANSWER &&
                     connection->phase != HTTP_PHASE_STREAM;

        if (waits && (oldest == NULL || connection->phase_ms < oldest->phase_ms)) {
            oldest = connection;
        }
    }
    if (oldest) {
        http->stats.evicted++;
        http_connection_free(oldest);
    }
    return oldest;
}

static struct http_connection *connection_take(struct http *http)
{
    for (unsigned i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        if (http->connections[i].http == NULL) {
            return &http->connections[i];
        }
    }
    return connection_evict(http);
}

static void listener_pause(struct http *http, unsigned pause_ms)
{
    struct timeval pause = {.tv_sec = pause_ms / 1000, .tv_usec = pause_ms % 1000 * 1000};

    (void)evconnlistener_disable(http->listener);
    (void)event_add(http->resume, &pause);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int address_size, void *ctx)
{
    struct http *http = ctx;
    struct http_connection *connection = connection_take(http);

    (void)listener;
    (void)address_size;
    if (connection) {
        http->stats.refused += http_connection_init(connection, http, fd, address) != 0;
    } else {
        http->stats.refused++;
        (void)close(fd);
    }
    if (++http->accepts >= ACCEPTS_MAX) {
        listener_pause(http, ACCEPT_PAUSE_MS);
    }
}

/* Out of descriptors, as a rule: asking again at once would only spin. */
static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
    (void)listener;
    listener_pause(ctx, ERROR_PAUSE_MS);
}

static void on_resume(evutil_socket_t fd, short events, void *ctx)
{
    struct http *http = ctx;

    (void)fd;
    (void)events;
    http->accepts = 0;
    (void)evconnlistener_enable(http->listener);
}

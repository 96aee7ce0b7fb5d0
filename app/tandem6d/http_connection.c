/* One connection of the HTTP port: what it is waiting for, and the answers. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "http_internal.h"

enum {
    STREAM_TICK_S = 15, /* a waiting stream looks again */
    LINGER_S = 2,       /* for a caller that still writes to read why it was refused */
};

static void on_read(struct bufferevent *stream, void *ctx);
static void on_written(struct bufferevent *stream, void *ctx);
static void on_event(struct bufferevent *stream, short events, void *ctx);
static void on_again(evutil_socket_t fd, short events, void *ctx);
static void on_deadline(evutil_socket_t fd, short events, void *ctx);
static void phase_enter(struct http_connection *connection, enum http_phase phase);

static void from_write(struct http_connection *connection, const struct sockaddr *address)
{
    const char *scheme = connection->http->tls ? "https" : "http";
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;

        (void)inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof(host));
        (void)snprintf(connection->from, sizeof(connection->from), "%s [%s]:%u", scheme, host,
                       ntohs(six->sin6_port));
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;

        (void)inet_ntop(AF_INET, &four->sin_addr, host, sizeof(host));
        (void)snprintf(connection->from, sizeof(connection->from), "%s %s:%u", scheme, host,
                       ntohs(four->sin_port));
    }
}

/* Takes fd. */
int http_connection_init(struct http_connection *connection, struct http *http, int fd,
                         const struct sockaddr *address)
{
    struct event_base *base = http->config.base;
    struct bufferevent *stream =
        http->tls
            ? http_tls_stream(http->tls, base, fd)
            : bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    int on = 1;

    if (stream == NULL) {
        (void)close(fd);
        return -ENOMEM;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    *connection = (struct http_connection){.http = http, .stream = stream};
    connection->again = evtimer_new(base, on_again, connection);
    connection->deadline = evtimer_new(base, on_deadline, connection);
    http->stats.connections++;
    http->stats.accepted++;
    if (connection->again == NULL || connection->deadline == NULL) {
        http_connection_free(connection);
        return -ENOMEM;
    }
    from_write(connection, address);
    access_loopback(&connection->subject);
    bufferevent_setcb(stream, on_read, on_written, on_event, connection);
    bufferevent_setwatermark(stream, EV_READ, 0, HTTP_HEAD_MAX);
    phase_enter(connection, http->tls ? HTTP_PHASE_HANDSHAKE : HTTP_PHASE_HEAD);
    if (bufferevent_enable(stream, EV_READ | EV_WRITE)) {
        http_connection_free(connection);
        return -ENOMEM;
    }
    return 0;
}

static void source_done(struct http_connection *connection)
{
    if (connection->source.done) {
        connection->source.done(connection->source.ctx);
        connection->http->stats.streams--;
    }
    connection->source = (struct http_stream){.more = NULL};
}

/* What the memory limits counted for this request. */
static void bytes_give_back(struct http_connection *connection)
{
    connection->http->stats.answer_bytes -= connection->answer_bytes;
    connection->http->body_bytes -= connection->body_bytes;
    connection->answer_bytes = connection->body_bytes = 0;
}

void http_connection_free(struct http_connection *connection)
{
    source_done(connection);
    bytes_give_back(connection);
    connection->http->parked_count -= connection->phase == HTTP_PHASE_WAIT;
    jsonrpc_reply_free(&connection->parked);
    connection->http->stats.connections--;
    if (connection->again) {
        event_free(connection->again);
    }
    if (connection->deadline) {
        event_free(connection->deadline);
    }
    if (connection->http->tls) {
        http_tls_close(connection->stream);
    }
    bufferevent_free(connection->stream);
    *connection = (struct http_connection){.http = NULL};
}

/* How long a phase may last, s. */
static unsigned phase_limit_s(const struct http_connection *connection, enum http_phase phase)
{
    switch (phase) {
    case HTTP_PHASE_HANDSHAKE:
    case HTTP_PHASE_HEAD:
        return connection->http->config.request_s;
    case HTTP_PHASE_IDLE:
        return connection->http->config.idle_s;
    case HTTP_PHASE_BODY:
        return HTTP_BODY_S;
    case HTTP_PHASE_WAIT:
        return JSONRPC_WAIT_S;
    case HTTP_PHASE_ANSWER:
        return HTTP_ANSWER_S;
    case HTTP_PHASE_STREAM:
        return STREAM_TICK_S;
    case HTTP_PHASE_LINGER:
        return LINGER_S;
    }
    return 0;
}

static void phase_enter(struct http_connection *connection, enum http_phase phase)
{
    struct timeval limit = {.tv_sec = (time_t)phase_limit_s(connection, phase)};

    connection->phase = phase;
    connection->phase_ms = clock_mono_ms();
    (void)event_add(connection->deadline, &limit);
}

static void go_on_soon(struct http_connection *connection)
{
    static const struct timeval at_once = {0, 0};

    (void)event_add(connection->again, &at_once);
}

struct jsonrpc_caller http_caller(const struct http_connection *connection)
{
    const struct access *access = *connection->http->config.access;

    return (struct jsonrpc_caller){
        .roles = access_roles(access, &connection->subject),
        .who = connection->subject.who,
        .from = connection->from,
    };
}

/* The head of an answer and the phase behind it. */
static void answer_begin(struct http_connection *connection, const struct http_response *response)
{
    char head[HTTP_RESPONSE_HEAD_MAX];

    connection->http->stats.requests++;
    connection->closing |= !response->keep_alive;
    (void)evbuffer_add(bufferevent_get_output(connection->stream), head,
                       http_head_write(response, head));
}

static void answer_count(struct http_connection *connection, size_t size)
{
    connection->answer_bytes += size;
    connection->http->stats.answer_bytes += size;
}

/* more: further fields, or NULL for those that go with the status. */
static void answer_head(struct http_connection *connection, enum http_status status,
                        const char *content_type, const char *more, size_t size)
{
    struct http_response response = {
        .status = status,
        .content_type = content_type,
        .more = more                                ? more
                : status == HTTP_METHOD_NOT_ALLOWED ? "Allow: GET, HEAD, POST\r\n"
                : status == HTTP_UNAVAILABLE        ? "Retry-After: 1\r\n"
                                                    : NULL,
        .body_size = size,
        .keep_alive = connection->request.keep_alive && !connection->closing,
    };

    answer_begin(connection, &response);
    phase_enter(connection, HTTP_PHASE_ANSWER);
}

static void answer_send(struct http_connection *connection, const char *text, size_t size)
{
    if (connection->request.method != HTTP_HEAD && size) {
        answer_count(connection, size);
        (void)evbuffer_add(bufferevent_get_output(connection->stream), text, size);
    }
}

void http_answer(struct http_connection *connection, enum http_status status,
                 const char *content_type, const char *text, size_t size)
{
    answer_head(connection, status, content_type, NULL, size);
    answer_send(connection, text, size);
}

void http_answer_with(struct http_connection *connection, const char *content_type,
                      const char *more, const char *text, size_t size)
{
    answer_head(connection, HTTP_OK, content_type, more, size);
    answer_send(connection, text, size);
}

void http_refuse(struct http_connection *connection, enum http_status status, const char *why)
{
    char text[256];
    int size =
        snprintf(text, sizeof(text), "%d %s: %s\n", (int)status, http_status_text(status), why);

    http_answer(connection, status, "text/plain; charset=utf-8", text,
                size < (int)sizeof(text) ? (size_t)size : sizeof(text) - 1);
}

static void text_free(const void *text, size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    free((void *)(uintptr_t)text);
}

void http_answer_taken(struct http_connection *connection, const char *content_type, char *text,
                       size_t size)
{
    answer_head(connection, HTTP_OK, content_type, NULL, size);
    answer_count(connection, size);
    if (evbuffer_add_reference(bufferevent_get_output(connection->stream), text, size, text_free,
                               NULL)) {
        free(text);
        connection->closing = true; /* the caller sees an answer that is too short */
    }
}

void http_answer_due(struct http_connection *connection, struct jsonrpc_reply *reply)
{
    if (reply->wait) {
        connection->parked = *reply;
        connection->http->parked_count++;
        phase_enter(connection, HTTP_PHASE_WAIT);
        return;
    }
    http_answer_taken(connection, "application/json", reply->text, reply->size);
}

void http_stream_start(struct http_connection *connection, const char *content_type,
                       const struct http_stream *source)
{
    struct http_response response = {
        .status = HTTP_OK,
        .content_type = content_type,
        .chunked = connection->request.minor > 0,
        .keep_alive = connection->request.minor > 0 && connection->request.keep_alive,
    };

    connection->http->stats.streams++;
    connection->source = *source;
    connection->chunked = response.chunked;
    answer_begin(connection, &response);
    phase_enter(connection, HTTP_PHASE_STREAM);
    if (connection->request.method == HTTP_HEAD) {
        source_done(connection);
        phase_enter(connection, HTTP_PHASE_ANSWER);
    }
}

void http_events_wake(struct http *http)
{
    for (unsigned i = 0; http->stats.streams && i < HTTP_CONNECTIONS_MAX; i++) {
        struct http_connection *connection = &http->connections[i];

        if (connection->http && connection->source.endless) {
            go_on_soon(connection);
        }
    }
}

/* Puts a piece into the output, as a chunk where the answer is chunked (RFC 9112 7.1). */
static void piece_send(struct http_connection *connection, struct evbuffer *piece, bool last)
{
    struct evbuffer *out = bufferevent_get_output(connection->stream);
    size_t size = evbuffer_get_length(piece);

    if (connection->chunked && size) {
        (void)evbuffer_add_printf(out, "%zx\r\n", size);
    }
    (void)evbuffer_add_buffer(out, piece);
    if (connection->chunked && size) {
        (void)evbuffer_add(out, "\r\n", 2);
    }
    if (connection->chunked && last) {
        (void)evbuffer_add(out, "0\r\n\r\n", 5);
    }
}

static void rpc_enter(const struct http *http)
{
    if (http->config.enter) {
        http->config.enter(http->config.ctx);
    }
}

static void rpc_leave(const struct http *http)
{
    if (http->config.leave) {
        http->config.leave(http->config.ctx);
    }
}

/* One piece, now that the last one was taken. */
static void stream_step(struct http_connection *connection)
{
    struct evbuffer *piece = evbuffer_new();
    enum http_more more;

    if (piece == NULL) {
        http_connection_free(connection);
        return;
    }
    rpc_enter(connection->http);
    more = connection->source.more(connection->source.ctx, piece);
    rpc_leave(connection->http);
    if (more == HTTP_MORE_END || evbuffer_get_length(piece)) {
        phase_enter(connection, more == HTTP_MORE_END ? HTTP_PHASE_ANSWER : HTTP_PHASE_STREAM);
    }
    if (more == HTTP_MORE_NOW && evbuffer_get_length(piece) == 0) {
        go_on_soon(connection); /* it only looked around: nothing will be taken that calls again */
    }
    piece_send(connection, piece, more == HTTP_MORE_END);
    evbuffer_free(piece);
    if (more == HTTP_MORE_END) {
        source_done(connection);
        if (evbuffer_get_length(bufferevent_get_output(connection->stream)) == 0) {
            go_on_soon(connection);
        }
    }
}

/* A request that cannot be answered as what it is: says why and closes, as nothing behind it can be
 * trusted. */
static void request_refuse(struct http_connection *connection, enum http_status status,
                           const char *why)
{
    struct evbuffer *in = bufferevent_get_input(connection->stream);

    connection->http->stats.refused++;
    connection->closing = connection->lingers = true;
    (void)bufferevent_disable(connection->stream, EV_READ);
    (void)evbuffer_drain(in, evbuffer_get_length(in));
    http_refuse(connection, status, why);
}

/* What must hold before a body is worth reading. */
static enum http_status request_check(const struct http_connection *connection,
                                      const char **ret_why)
{
    const struct http_request *request = &connection->request;

    *ret_why = "";
    if (request->body_size > JSONRPC_REQUEST_MAX) {
        *ret_why = "a body may have 1 MiB";
        return HTTP_CONTENT_TOO_LARGE;
    }
    if (connection->http->body_bytes + request->body_size > HTTP_BODIES_MAX ||
        connection->http->stats.answer_bytes > HTTP_ANSWERS_MAX) {
        *ret_why = "too many requests under way";
        return HTTP_UNAVAILABLE;
    }
    if (!connection->http->tls && !request->host_is_literal && request->minor > 0) {
        /* A name may be anybody's, a page in a browser on this host the caller (DNS rebinding). */
        *ret_why = "the Host field must be an address or localhost";
        return HTTP_MISDIRECTED;
    }
    return http_route_check(connection, ret_why);
}

/* Takes the head, if all of it is there. */
static void head_take(struct http_connection *connection)
{
    struct evbuffer *in = bufferevent_get_input(connection->stream);
    size_t length = evbuffer_get_length(in), size;
    const char *why = "the request cannot be understood";
    enum http_status status;
    const uint8_t *bytes;

    if (length > HTTP_HEAD_MAX) {
        length = HTTP_HEAD_MAX;
    }
    bytes = length ? evbuffer_pullup(in, (ev_ssize_t)length) : NULL;
    size = bytes ? http_head_size((struct span){bytes, length}) : 0;
    if (size == 0) {
        if (length == HTTP_HEAD_MAX) {
            request_refuse(connection, HTTP_HEAD_TOO_LARGE, "a head may have 8 KiB");
        } else if (connection->ended) {
            http_connection_free(connection);
        } else if (length && connection->phase == HTTP_PHASE_IDLE) {
            phase_enter(connection, HTTP_PHASE_HEAD);
        }
        return;
    }
    connection->request = (struct http_request){.method = HTTP_OTHER};
    status = http_head_parse((struct span){bytes, size}, &connection->request);
    status = status ? status : request_check(connection, &why);
    if (status) {
        request_refuse(connection, status, why);
        return;
    }
    (void)evbuffer_drain(in, size);
    connection->body_bytes = (size_t)connection->request.body_size;
    connection->http->body_bytes += connection->body_bytes;
    bufferevent_setwatermark(connection->stream, EV_READ, 0,
                             connection->body_bytes + HTTP_HEAD_MAX);
    phase_enter(connection, HTTP_PHASE_BODY);
    if (connection->request.expects_continue && connection->body_bytes &&
        evbuffer_get_length(in) == 0) {
        (void)bufferevent_write(connection->stream, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
    go_on_soon(connection);
}

static void body_take(struct http_connection *connection)
{
    struct evbuffer *in = bufferevent_get_input(connection->stream);
    size_t size = (size_t)connection->request.body_size;
    const uint8_t *bytes;

    if (evbuffer_get_length(in) < size) {
        if (connection->ended) {
            http_connection_free(connection);
        }
        return;
    }
    bytes = size ? evbuffer_pullup(in, (ev_ssize_t)size) : NULL;
    if (size && bytes == NULL) {
        http_connection_free(connection);
        return;
    }
    rpc_enter(connection->http);
    http_route_run(connection, (struct span){bytes, size});
    rpc_leave(connection->http);
    (void)evbuffer_drain(in, size);
    bufferevent_setwatermark(connection->stream, EV_READ, 0, HTTP_HEAD_MAX);
}

/* The answer is taken: the next request may come. */
static void answer_end(struct http_connection *connection)
{
    struct evbuffer *in = bufferevent_get_input(connection->stream);

    bytes_give_back(connection);
    if (connection->lingers && !connection->ended) {
        /* Closing with octets unread would reset the stream, and the answer with it. */
        (void)shutdown(bufferevent_getfd(connection->stream), SHUT_WR);
        (void)bufferevent_enable(connection->stream, EV_READ);
        phase_enter(connection, HTTP_PHASE_LINGER);
        return;
    }
    if (connection->closing || (connection->ended && evbuffer_get_length(in) == 0)) {
        http_connection_free(connection);
        return;
    }
    phase_enter(connection, evbuffer_get_length(in) ? HTTP_PHASE_HEAD : HTTP_PHASE_IDLE);
    if (evbuffer_get_length(in)) {
        go_on_soon(connection);
    }
}

/* One step. Nothing is done while something is still on its way out: on_written comes back. */
static void connection_go_on(struct http_connection *connection)
{
    struct evbuffer *in = bufferevent_get_input(connection->stream);

    if (evbuffer_get_length(bufferevent_get_output(connection->stream)) > 0) {
        return;
    }
    switch (connection->phase) {
    case HTTP_PHASE_HANDSHAKE:
        break;
    case HTTP_PHASE_IDLE:
    case HTTP_PHASE_HEAD:
        head_take(connection);
        break;
    case HTTP_PHASE_BODY:
        body_take(connection);
        break;
    case HTTP_PHASE_WAIT: /* http_turn comes */
        break;
    case HTTP_PHASE_ANSWER:
        answer_end(connection);
        break;
    case HTTP_PHASE_STREAM:
        stream_step(connection);
        break;
    case HTTP_PHASE_LINGER:
        (void)evbuffer_drain(in, evbuffer_get_length(in));
        break;
    }
}

static void on_again(evutil_socket_t fd, short events, void *ctx)
{
    (void)fd;
    (void)events;
    connection_go_on(ctx);
}

/* All work is done from on_again, one step in each turn of the loop. */
static void on_read(struct bufferevent *stream, void *ctx)
{
    (void)stream;
    go_on_soon(ctx);
}

static void on_written(struct bufferevent *stream, void *ctx)
{
    (void)stream;
    go_on_soon(ctx);
}

static void on_event(struct bufferevent *stream, short events, void *ctx)
{
    struct http_connection *connection = ctx;

    if (events & BEV_EVENT_CONNECTED) {
        http_tls_subject(stream, &connection->subject);
        phase_enter(connection, HTTP_PHASE_HEAD);
        return;
    }
    connection->http->stats.handshakes_failed += connection->phase == HTTP_PHASE_HANDSHAKE;
    /* Both may come at once: then nobody is there to take an answer. */
    if ((events & BEV_EVENT_EOF) && (events & BEV_EVENT_ERROR) == 0 &&
        connection->phase != HTTP_PHASE_HANDSHAKE && connection->phase != HTTP_PHASE_LINGER &&
        !connection->source.endless) {
        connection->ended = true; /* may still want its answer */
        go_on_soon(connection);
    } else {
        http_connection_free(connection);
    }
}

static void on_deadline(evutil_socket_t fd, short events, void *ctx)
{
    struct http_connection *connection = ctx;
    bool idle = evbuffer_get_length(bufferevent_get_output(connection->stream)) == 0;

    (void)fd;
    (void)events;
    if (connection->phase == HTTP_PHASE_STREAM && idle) {
        phase_enter(connection, HTTP_PHASE_STREAM); /* the caller keeps up */
        go_on_soon(connection);
        return;
    }
    if (connection->phase == HTTP_PHASE_STREAM &&
        clock_mono_ms() - connection->phase_ms < HTTP_ANSWER_S * 1000) {
        struct timeval rest = {.tv_sec = HTTP_ANSWER_S - STREAM_TICK_S};

        (void)event_add(connection->deadline, &rest);
        return;
    }
    if (connection->phase == HTTP_PHASE_WAIT) {
        jsonrpc_reply_give_up(&connection->parked);
        http_parked_answer(connection);
        return;
    }
    connection->http->stats.timeouts++;
    if (connection->phase == HTTP_PHASE_BODY) {
        request_refuse(connection, HTTP_REQUEST_TIMEOUT, "the body did not come in time");
        return;
    }
    http_connection_free(connection);
}

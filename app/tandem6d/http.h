/* The HTTP and HTTPS port of management: POST /rpc and what http_routes.c lists, inside the control
 * core's event base.
 *
 * One connection is served one request at a time, each answer or piece of an answer in a turn of
 * the event loop of its own, the next piece made when the last one was taken: so no caller holds
 * the loop or fills the memory. Everything is bounded: connections (a new one beyond the limit
 * takes the place of the one that has been waiting longest), octets of head and body, the time a
 * request may take to arrive and an answer to be taken, and the memory of all bodies and answers
 * together.
 *
 * Why not evhttp: it knows neither a deadline for a whole request (a byte now and then keeps it
 * alive) nor a limit to connections, and cannot be fuzzed without a socket.
 *
 * Control core only. */
#ifndef TANDEM6D_HTTP_H
#define TANDEM6D_HTTP_H

#include "access.h"

struct event_base;
struct methods;
struct events;
struct http;

enum {
    HTTP_CONNECTIONS_MAX = 256,
    HTTP_IDLE_S = 60,    /* between requests */
    HTTP_REQUEST_S = 10, /* from the first octet, or the connection, to the end of the head */
    HTTP_BODY_S = 30,
    HTTP_ANSWER_S = 120,         /* to take a whole answer; streams: to take anything */
    HTTP_BODIES_MAX = 16 << 20,  /* octets of all bodies under way */
    HTTP_ANSWERS_MAX = 64 << 20, /* octets of all answers not yet taken; more: 503 */
    HTTP_ERROR_MAX = 512,
};

struct http_config {
    struct event_base *base;
    const char *listen;           /* "[::1]:8647" */
    const struct config_tls *tls; /* NULL: in clear */
    const struct jsonrpc *rpc;
    struct methods *methods; /* for GET /metrics and GET /events */
    const struct events *events;
    /* "serving" for GET /healthz to be well. */
    const char *(*state)(void *ctx);
    const struct access *const *access; /* where the one in force stands */
    unsigned idle_s, request_s;         /* 0 = the defaults above */
    /* Around each call, so that it runs as a registered, online QSBR reader; may be NULL. */
    void (*enter)(void *ctx);
    void (*leave)(void *ctx);
    void *ctx;
};

/* Listens. On failure ret_error (HTTP_ERROR_MAX octets) holds one line for the operator. Copies
 * what it needs from config, but for what rpc, access and ctx point to. */
int http_new(const struct http_config *config, struct http **ret_http, char *ret_error) MUST_CHECK;
void http_free(struct http *http);

/* Reads the certificate files again, for the connections to come; the old ones stay in use when
 * that fails. */
int http_reload(struct http *http, char *ret_error) MUST_CHECK;

struct http_stats {
    unsigned connections, streams;
    uint64_t accepted, evicted, timeouts, requests, refused;
    uint64_t handshakes_failed;
    uint64_t answer_bytes; /* not yet taken */
};

/* Once in a control turn: answers that waited for the disk leave. */
void http_turn(struct http *http);

/* There are new events, for streams that wait for them. */
void http_events_wake(struct http *http);

void http_stats_get(const struct http *http, struct http_stats *ret_stats);

#endif

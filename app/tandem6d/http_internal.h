/* What the files of the HTTP port share. */
#ifndef TANDEM6D_HTTP_INTERNAL_H
#define TANDEM6D_HTTP_INTERNAL_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "http.h"
#include "rpc/http.h"

struct http_tls; /* http_tls.c */

enum {
    HTTP_FROM_MAX = 64,
    HTTP_FILE_MAX = 4096,
    HTTP_PIECE_MAX = 32 << 10, /* octets one step of a stream should make at most */
};

enum http_phase {
    HTTP_PHASE_HANDSHAKE,
    HTTP_PHASE_IDLE, /* nothing of the next request is there */
    HTTP_PHASE_HEAD,
    HTTP_PHASE_BODY,
    HTTP_PHASE_WAIT,   /* the answer is made and waits for the disk */
    HTTP_PHASE_ANSWER, /* until it is taken */
    HTTP_PHASE_STREAM,
    HTTP_PHASE_LINGER, /* refused; what still comes is thrown away */
};

enum http_more {
    HTTP_MORE_NOW,  /* out holds something, and there is more */
    HTTP_MORE_WAIT, /* nothing now; again after http_stream_wake or the tick */
    HTTP_MORE_END,  /* out holds the rest */
};

/* An answer made piece by piece. Each piece is a bounded step. */
struct http_stream {
    enum http_more (*more)(void *ctx, struct evbuffer *out);
    void (*done)(void *ctx); /* always called once, at the end or when the caller went away */
    void *ctx;
    bool endless; /* a caller that closes its side is gone, not only waiting for the rest */
};

struct http_connection {
    struct http *http; /* NULL: this place is free */
    struct bufferevent *stream;
    struct event *again;    /* goes on in the next turn of the loop */
    struct event *deadline; /* of the phase */
    enum http_phase phase;
    msec_t phase_ms; /* when it began */
    struct http_request request;
    struct access_subject subject;
    char from[HTTP_FROM_MAX];
    bool ended;   /* nothing more will be read */
    bool closing; /* close once everything is sent */
    bool lingers; /* and then read on for a moment */
    bool chunked; /* the stream's pieces are chunks; else the end of the connection is its end */
    size_t answer_bytes; /* counted in http->stats.answer_bytes */
    size_t body_bytes;   /* counted in http->body_bytes */
    struct http_stream source;
    struct jsonrpc_reply parked; /* of HTTP_PHASE_WAIT */
};

struct http {
    struct http_config config;
    struct http_tls *tls;
    char certificate[HTTP_FILE_MAX], key[HTTP_FILE_MAX], ca[HTTP_FILE_MAX];
    struct evconnlistener *listener;
    struct event *resume; /* accepts again after a pause */
    unsigned accepts;     /* since the last pause */
    size_t body_bytes;
    unsigned parked_count; /* connections in HTTP_PHASE_WAIT */
    struct http_stats stats;
    struct http_connection connections[HTTP_CONNECTIONS_MAX];
};

/* http_connection.c. init takes fd. */
int http_connection_init(struct http_connection *connection, struct http *http, int fd,
                         const struct sockaddr *address) MUST_CHECK;
void http_connection_free(struct http_connection *connection);

/* Answers. The connection goes on with its next request afterwards. Text is copied. */
void http_answer(struct http_connection *connection, enum http_status status,
                 const char *content_type, const char *text, size_t size);
/* 200 with further header fields, each with CRLF. */
void http_answer_with(struct http_connection *connection, const char *content_type,
                      const char *more, const char *text, size_t size);
/* A short answer in words. */
void http_refuse(struct http_connection *connection, enum http_status status, const char *why);
/* The same with a text that is freed once sent. */
void http_answer_taken(struct http_connection *connection, const char *content_type, char *text,
                       size_t size);
/* Starts an answer made piece by piece; takes the source. */
void http_stream_start(struct http_connection *connection, const char *content_type,
                       const struct http_stream *source);

/* An answer to POST /rpc, taken, once it is due; and what waits is sent, given up or not. */
void http_answer_due(struct http_connection *connection, struct jsonrpc_reply *reply);
void http_parked_answer(struct http_connection *connection);

/* Who calls and from where, with the roles of now. */
struct jsonrpc_caller http_caller(const struct http_connection *connection);

/* http_routes.c. Before the body: 0, or the status to refuse the request with; then the answer. */
enum http_status http_route_check(const struct http_connection *connection, const char **ret_why);
void http_route_run(struct http_connection *connection, struct span body);

/* http_leases.c. */
void http_leases_run(struct http_connection *connection);

/* http_events.c. */
void http_events_run(struct http_connection *connection);

/* http_tls.c: certificate, key and authorities as one context; each connection keeps what it
 * started with. */
int http_tls_new(const struct config_tls *files, struct http_tls **ret_tls,
                 char *ret_error) MUST_CHECK;
void http_tls_free(struct http_tls *tls);
struct bufferevent *http_tls_stream(struct http_tls *tls, struct event_base *base, int fd);
/* After the handshake. */
void http_tls_subject(struct bufferevent *stream, struct access_subject *ret_subject);
/* Says that the end is the end. */
void http_tls_close(struct bufferevent *stream);

#endif

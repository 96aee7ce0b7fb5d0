/* The management socket: JSON-RPC over a Unix stream socket, inside the control core's event base.
 *
 * A request is one line of JSON, or whatever stands before the end of the stream: a caller may
 * write one JSON value, shut its side down and read the answer. Each answer is one line. Several
 * requests on one connection are answered in order, one per turn of the event loop.
 *
 * Who may connect is the socket file's mode (0660); what a caller may do comes from its kernel
 * credentials (access.h).
 *
 * Everything is bounded: connections (a new one takes the place of the one silent longest), the
 * request (JSONRPC_REQUEST_MAX), what waits to be read by the caller (no further request is taken
 * while an answer is not yet sent), idle time. Control core only. */
#ifndef TANDEM6D_MGMT_H
#define TANDEM6D_MGMT_H

#include "access.h"

struct event_base;
struct mgmt;

enum {
    MGMT_CONNECTIONS_MAX = 32,
    MGMT_IDLE_S = 600, /* a connection without requests */
    MGMT_STALL_S = 30, /* a caller that does not read its answer */
    MGMT_ERROR_MAX = 256,
};

struct mgmt_config {
    struct event_base *base;
    const char *socket_path;
    const struct jsonrpc *rpc;
    const struct access *const *access; /* where the one in force stands */
    const struct events *events;        /* NULL: nothing to subscribe to */
    unsigned idle_s, stall_s;           /* 0 = the defaults above */
    /* Around each call, so that the methods run as a registered, online QSBR reader; may be NULL.
     */
    void (*enter)(void *ctx);
    void (*leave)(void *ctx);
    void *ctx;
};

/* Listens. A socket file nobody answers on is replaced; -EADDRINUSE when somebody does. The
 * folder of the socket is made if it is missing. Ignores SIGPIPE for the process. On failure
 * ret_error (MGMT_ERROR_MAX octets) holds one line for the operator. */
int mgmt_new(const struct mgmt_config *config, struct mgmt **ret_mgmt, char *ret_error) MUST_CHECK;

/* Closes all connections and removes the socket file. */
void mgmt_free(struct mgmt *mgmt);

unsigned mgmt_connection_count(const struct mgmt *mgmt);

/* Once in a control turn: answers that waited for the disk leave. */
void mgmt_turn(struct mgmt *mgmt);

/* There are new events: subscribers get theirs. */
void mgmt_events_wake(struct mgmt *mgmt);

/* What the subscribers want, bits 1 << enum event_topic. */
unsigned mgmt_event_topics(const struct mgmt *mgmt);

#endif

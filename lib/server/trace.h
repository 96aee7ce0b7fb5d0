/* Traces of one client: what workers saw of it, decided and sent, copied to the control core while
 * somebody looks. Each worker has a lane of steps of its own, which the control core empties; a
 * full lane is counted, never waited for.
 *
 * While no trace runs a worker looks at one pointer of its own. The client is told to the workers
 * by a generation number, odd while it is being written: each copies it between its turns, so
 * nothing is freed under anybody.
 *
 * trace_new, trace_free, trace_begin, trace_end and trace_take are the control core's, the lanes'
 * other ends the workers' (worker_trace.c). */
#ifndef SERVER_TRACE_H
#define SERVER_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/err.h"
#include "base/wire.h"
#include "lease/lease.h"

enum {
    TRACE_OCTETS = 1536,   /* of a frame that are kept: all of it, on ports with the usual MTU */
    TRACE_LANE = 64,       /* steps one worker has room for; a power of two */
    TRACE_NEEDLE_HEAD = 4, /* code and length of the Client Identifier option */
    TRACE_NEEDLE_MAX = TRACE_NEEDLE_HEAD + DUID_SIZE_MAX,
    TRACE_WORDS = (TRACE_NEEDLE_MAX + 7) / 8,
    TRACE_IAS_MAX = 16,
    TRACE_LEASES_MAX = 16,
    TRACE_CHANGES_MAX = 16,
    TRACE_LINK_MAX = 64, /* octets of a link's name, its end included */
};

enum trace_kind {
    TRACE_IN,      /* a frame arrived, from a port or from another worker */
    TRACE_HANDED,  /* it is for another worker to decide: `home` */
    TRACE_DECIDED, /* it gets an answer */
    TRACE_DROPPED, /* it is given up: `counter` */
    TRACE_OUT,     /* an answer left */
    TRACE_KIND_COUNT
};

struct trace_ia {
    uint32_t iaid, t1_s, t2_s;
    uint16_t status;
    uint8_t type; /* enum lease_type */
    bool has_status;
    uint8_t lease_first, lease_count; /* in leases */
};

struct trace_lease {
    struct resource resource;
    uint32_t preferred_s, valid_s;
};

/* What a worker decided; what is too much for the arrays is left out. */
struct trace_decision {
    uint8_t type, reply_type;
    uint8_t xid[3];
    uint8_t ia_count, lease_count, change_count;
    bool has_status, reserved, waits; /* waits: for the disk */
    uint16_t status;
    char link[TRACE_LINK_MAX];
    struct trace_ia ias[TRACE_IAS_MAX];
    struct trace_lease leases[TRACE_LEASES_MAX];
    enum counter changes[TRACE_CHANGES_MAX]; /* what each change counts as */
};

struct trace_step {
    uint32_t generation; /* of the trace it is for */
    enum trace_kind kind;
    uint64_t at_ns; /* begin of the turn, monotonic; 0: not known */
    sec_t at;       /* the same by the wall clock */
    uint16_t worker;
    uint16_t home; /* TRACE_HANDED */
    uint8_t port;
    bool handed_over;     /* TRACE_IN: from another worker, so told before */
    enum counter counter; /* TRACE_DROPPED */
    uint32_t size;        /* octets of the frame */
    uint32_t kept;        /* of them in octets */

    union {
        struct trace_decision decision; /* TRACE_DECIDED */
        uint8_t octets[TRACE_OCTETS];   /* else */
    };
};

struct trace_lane {
    /* The worker's. */
    _Alignas(CACHE_LINE) _Atomic uint32_t head;
    _Atomic uint64_t lost; /* added to by the worker, taken by the control core */
    uint32_t generation;   /* of what follows */
    uint64_t duid_hash;
    size_t needle_size;
    uint8_t needle[8 * TRACE_WORDS]; /* the Client Identifier option */
    /* The control core's. */
    _Alignas(CACHE_LINE) _Atomic uint32_t tail;
    _Alignas(CACHE_LINE) struct trace_step steps[TRACE_LANE];
};

struct trace {
    /* Written by the control core. */
    _Atomic uint32_t generation;  /* odd: the rest is being written; 0: nothing was traced yet */
    _Atomic uint32_t needle_size; /* 0: nobody is traced */
    _Atomic uint64_t needle[TRACE_WORDS];
    unsigned lane_count;
    struct trace_lane lanes[];
};

/* For that many workers; NULL: no memory. */
struct trace *trace_new(unsigned worker_count) MUST_CHECK;
void trace_free(struct trace *trace);

/* Workers copy what they see of this client from their next turns on. Returns the generation its
 * steps bear. duid: 1 to DUID_SIZE_MAX octets. */
uint32_t trace_begin(struct trace *trace, struct span duid);
void trace_end(struct trace *trace);

/* The next step of a lane; NULL: none is there. It lives until trace_taken gives its room back. */
const struct trace_step *trace_take(const struct trace *trace, unsigned lane);
void trace_taken(struct trace *trace, unsigned lane);

/* Steps that found no room since the last call. */
uint64_t trace_lost(struct trace *trace);

/* Worker: what is wanted now, into its lane. False while that is being written. */
bool trace_look(const struct trace *trace, struct trace_lane *lane);

/* Worker: room for its next step, which trace_put then tells; NULL: full, and counted. */
struct trace_step *trace_room(struct trace_lane *lane);
void trace_put(struct trace_lane *lane);

/* True when a frame bears the Client Identifier option of the client a lane looks for. */
bool trace_sees(const struct trace_lane *lane, struct span frame);

#endif

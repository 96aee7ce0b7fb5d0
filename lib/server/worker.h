/* One worker: a bounded turn that takes a burst of frames through parse, find, decide, commit and
 * encode, and sends what the disk has made true. Owned by one thread, which is a registered QSBR
 * reader and reports a quiescent state between turns (the caller's business). Never blocks,
 * allocates, logs or makes a system call by itself. */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include "base/histogram.h"
#include "dhcp6/decide.h"
#include "dhcp6/encode.h"
#include "server/admit.h"
#include "server/handover.h"
#include "server/key.h"
#include "server/park.h"
#include "server/server.h"
#include "server/trace.h"

enum {
    WORKER_INFO_MAX = LEASE_INFO_SIZE_MAX
};

/* One packet on its way through a burst. */
struct work {
    struct packet packet;
    struct frame frame;
    struct dhcp6_message message;
    int link;
    uint64_t duid_hash;
    unsigned home; /* the client's home worker */
    uint64_t client_hash[DHCP6_IAS_MAX];
    uint64_t classes;
    const struct policy_reservation *reservation;
    size_t info_size;
    bool unicast; /* sent to a unicast address of ours, directly */
    uint8_t info[WORKER_INFO_MAX];
};

/* A port's queue or another worker's ring, as its consumer sees it. */
struct worker_source {
    msec_t empty_ms;    /* when it was last taken empty; 0: never */
    uint8_t full_turns; /* full bursts in a row, up to ADMIT_FULL_TURNS */
};

struct worker {
    struct server *server;
    struct packet_io io;
    struct change_ring *ring;
    struct counters counters;
    struct park park;
    struct admit admit;
    struct key_source keys;
    struct handover *inbox;        /* [from worker]; producer is that worker */
    struct worker_source *sources; /* ports, then inbox */
    struct work *works;            /* PACKET_BURST of them */
    struct encode_cache *encodings;
    struct decide_found found;
    struct plan plan;
    struct packet tx[CONFIG_PORTS_MAX][2 * PACKET_BURST]; /* gathered per port, flushed per turn */
    unsigned tx_count[CONFIG_PORTS_MAX];
    msec_t announce_ms[CONFIG_PORTS_MAX]; /* next MLD report; worker 0 only */
    bool announced_up[CONFIG_PORTS_MAX];
    const struct policy *policy; /* of this turn; every decision of a turn sees one policy */
    bool silent;               /* operating horizon passed: neighbours are answered, clients not */
    bool shedding;             /* may give packets up by value; false: first come, first served */
    bool draining;             /* stopping: parked replies still leave, nothing new is taken */
    struct trace_lane *trace;  /* of this turn; NULL: nobody is traced */
    uint32_t trace_generation; /* last looked at */
    unsigned index;
    enum admit_rank rank_max; /* of this turn: the disk is too far behind for lesser ones */
    msec_t now_ms;
    sec_t now;
    uint64_t now_ns;            /* begin of the turn, monotonic; 0: nothing is measured */
    unsigned worked_count;      /* messages of this turn that were decided about */
    unsigned answered_count;    /* answers of this turn that need not wait for the disk */
    struct histogram turn_ns;   /* turns that handled something */
    struct histogram answer_ns; /* answers, from the turn that read the message on */
    _Atomic uint64_t turns;     /* read by the control core to see that we live */
};

int worker_init(struct worker *worker, struct server *server, unsigned index) MUST_CHECK;
void worker_done(struct worker *worker);

/* One turn. now_ms monotonic, now wall clock. Returns the number of packets handled, received or
 * released, so that the caller knows when to rest. */
unsigned worker_turn(struct worker *worker, msec_t now_ms, sec_t now);

/* After a turn that handled something, where now_ns was set before it. */
void worker_turn_measured(struct worker *worker, uint64_t end_ns);

/* True while replies wait for the disk, or packets for their turn: no sleeping then (design
 * invariant 8). */
static inline bool worker_has_parked(const struct worker *worker)
{
    return park_used(&worker->park) != 0 || worker->admit.used != 0;
}

#endif

/* One server: everything workers, journal thread and control core share, and who may touch what.
 *
 * Made by server_new before any thread runs; threads are app/'s (or a test's or the simulation's).
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdatomic.h>

#include "base/change.h"
#include "base/counter.h"
#include "base/histogram.h"
#include "journal/journal.h"
#include "net/frame.h"
#include "policy/config.h"
#include "policy/policy.h"
#include "store/expiry.h"
#include "store/store.h"

struct worker;
struct claims;
struct dirty;
struct relation;
struct trust;
struct trace;

enum {
    SERVER_RING_SIZE =
        4 << 20, /* octets of each change ring: what a full park of new leases needs */
    SERVER_PARK_CAPACITY = 8192, /* replies waiting per worker */
};

/* Standing troubles an operator must see; bits of server.alarms. */
enum server_alarm {
    ALARM_STORAGE = 1,     /* the log cannot be written */
    ALARM_STORE_FULL = 2,  /* no lease slot left */
    ALARM_CLOCK = 4,       /* the wall clock is not believed, see trust.h */
    ALARM_LINK_DOWN = 8,   /* a port has no link */
    ALARM_HORIZON = 16,    /* operating horizon passed: silent */
    ALARM_LEASE_INFO = 32, /* leases are short of what relays said: too many long ones */
    ALARM_OVERLOAD = 64,   /* workers give packets up by value, see admit.h */
};

/* A failover relationship as the rest of the server sees it. */
struct server_endpoint {
    struct relation *relation;      /* relation.h; set by its owner, control core only */
    uint8_t record[META_VALUE_MAX]; /* as replayed at boot */
    size_t record_size;             /* 0: none */
};

struct server_port {
    struct frame_port frame;
    _Atomic bool link_up; /* written by app/, read by workers */
};

struct server {
    struct store *store;
    struct expiry *expiry;
    struct journal *journal;   /* attached after server_new */
    struct change_ring *rings; /* one per worker, the last one the control core's */
    struct worker *workers;
    unsigned worker_count;
    struct server_port ports[CONFIG_PORTS_MAX];
    unsigned port_count;
    const struct config *config;        /* control core only */
    struct policy_identity identity;    /* immutable */
    _Atomic(struct policy *) policy;    /* published by the control core, read by all */
    _Atomic uint32_t operating_until_s; /* sec_t: what the disk says; workers are silent after it */
    _Atomic bool clock_trusted;         /* false: no expiry, no reuse (design invariant 10) */
    _Atomic uint32_t alarms;            /* enum server_alarm bits, set by the control core */
    struct counters control_counters;   /* the control core's own */
    struct claims *claims;              /* apply.h; control core only */
    struct dirty *dirty;                /* dirty.h; NULL without failover */
    struct lease_tap *tap;              /* lease_tap.h; set before threads run; NULL: none */
    struct trace *trace;                /* trace.h; set before threads run; NULL: none */
    struct server_endpoint *endpoints;  /* one per relationship; NULL without failover */
    unsigned endpoint_count;
    sec_t started_s;
    sec_t disk_horizon_s;    /* as replayed at boot; 0 = new log */
    sec_t disk_clean_stop_s; /* as replayed at boot; 0 = crashed */
    bool disk_clock_doubted; /* what the log says; trust.h, control core only */
    struct trust *trust;     /* set by app/, NULL without a clock of its own; control core only */
    bool clock_doubted;      /* the wall clock is not believed; control core only */
    struct histogram journal_ns; /* turns of the journal thread that wrote; its own */
    struct histogram control_ns; /* turns of the control core; its own */
};

/* Store, wheel, rings and workers for a checked config, which must outlive the server. now: wall
 * clock. 0 or a negative errno. */
int server_new(const struct config *config, const struct policy_identity *identity,
               struct siphash_key seed, sec_t now, struct server **ret_server) MUST_CHECK;
void server_free(struct server *server);

/* Boot, single thread: a journal_replay_fn whose ctx is the server. */
int server_replay(void *server, const struct record *record);

/* Boot: builds the policy, attaches claim bits that agree with the store, publishes it. Later
 * (control core): the same for a new config; the caller frees the returned old policy after a grace
 * period. */
int server_apply(struct server *server, const struct config *config,
                 struct policy **ret_old) MUST_CHECK;

/* The journal's on_durable; ctx is the server. Journal thread, QSBR-online. */
void server_on_durable(void *server, uint32_t slot, struct span record);

/* Reader. */
static inline const struct policy *server_policy(const struct server *server)
{
    return atomic_load_explicit(&((struct server *)(uintptr_t)server)->policy,
                                memory_order_consume);
}

static inline struct change_ring *server_control_ring(const struct server *server)
{
    return &server->rings[server->worker_count];
}

/* Sums of all workers' and the control core's counters. Any thread. */
void server_counters_sum(const struct server *server, uint64_t ret_sums[COUNTER_COUNT]);

/* Reader. The failover relationship (index of the config's failovers) a resource belongs to, by
 * its pool or else its address's link; -1: none. */
int server_relationship_of(const struct policy *policy, const struct resource *resource);

/* Commits one change with its claim bit, expiry arming and change record, as committer `committer`
 * with its ring. The ring must have room. pool: index in policy or -1. Returns the record's
 * position in *ret_position. 0, -EAGAIN (decide again), -ENOSPC. Owner thread of the committer,
 * between quiescent states. */
struct server_change {
    const struct lease_found *base; /* slot LEASE_SLOT_NONE: none */
    const struct lease *next;
    int pool;
};

int server_commit(struct server *server, const struct policy *policy, unsigned committer,
                  const struct server_change *change, uint64_t *ret_position) MUST_CHECK;
/* The same by the control core, that has won the claim bit already where it was ours to win. */
int server_commit_claimed(struct server *server, const struct policy *policy,
                          const struct server_change *change, uint64_t *ret_position) MUST_CHECK;

#endif

/* What the files of a worker share. */
#ifndef SERVER_WORKER_INTERNAL_H
#define SERVER_WORKER_INTERNAL_H

#include "server/worker.h"

/* Into worker->found: all leases of the message's IAs, in any status. */
void worker_find(struct worker *worker, const struct work *work);

/* The worker that gives this client leases it did not have (design 2). */
static inline bool worker_is_home(const struct worker *worker, const struct work *work)
{
    return work->packet.handed_over || work->home == worker->index;
}

/* Decides about what was found and commits, until no race is lost. COUNTER_COUNT when worker->plan
 * is done and stands; COUNTER_handover_out when it is for the home worker to decide, and nothing
 * was committed; else why the packet is dropped. *ret_position: of the last change in the worker's
 * ring. */
enum counter worker_settle(struct worker *worker, struct work *work, uint64_t *ret_position);

/* A burst through the stages: memory that one stage asked for arrives while the other packets are
 * handled (an overlapped miss costs a tenth of one that is waited for). */
void worker_burst(struct worker *worker, const struct packet *packets, unsigned count);

/* Takes in what a source has, a port or, behind the ports, another worker. Returns the number of
 * packets. */
unsigned worker_intake(struct worker *worker, unsigned source);

/* Works on a burst of what is worth most in the backlog. Returns the number of packets. */
unsigned worker_backlog(struct worker *worker);

/* The least rank that is taken on with so many replies waiting for the disk. */
enum admit_rank worker_rank_max(const struct worker *worker);

/* Tracing (worker_trace.c): rare, and kept out of the packet path's code. All but the first only
 * while worker->trace is set. */
#define WORKER_RARE __attribute__((cold, noinline))
void worker_trace_look(struct worker *worker) WORKER_RARE;
void worker_trace_frames(const struct worker *worker, enum trace_kind kind,
                         const struct packet *packets, unsigned count) WORKER_RARE;
void worker_trace_drop(const struct worker *worker, const struct packet *packet,
                       enum counter counter) WORKER_RARE;
void worker_trace_handed(const struct worker *worker, const struct packet *packet,
                         unsigned home) WORKER_RARE;
void worker_trace_decided(const struct worker *worker, const struct work *work,
                          bool waits) WORKER_RARE;

/* Gives up a packet for a counted reason. */
static inline void worker_drop(struct worker *worker, struct packet *packet, enum counter reason)
{
    counter_inc(&worker->counters, reason);
    if (unlikely(worker->trace)) {
        worker_trace_drop(worker, packet, reason);
    }
    worker->io.drop(worker->io.ctx, packet);
}

#endif

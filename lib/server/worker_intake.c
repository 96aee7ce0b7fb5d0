/* Where a worker's packets come from: its ports and the other workers, straight while it keeps up,
 * through the backlog when it is behind. */
#include "server/worker_internal.h"

enum {
    BACKLOG_BURSTS_MAX = 64, /* taken from one source in one turn; more than most queues hold */
};

/* A burst from a port or, behind the ports, from another worker. */
static unsigned source_take(struct worker *worker, unsigned source, struct packet *ret_packets)
{
    const struct server *server = worker->server;
    unsigned count;

    if (source < server->port_count) {
        count = worker->io.rx(worker->io.ctx, source, ret_packets, PACKET_BURST);
        counter_add(&worker->counters, COUNTER_rx_frames, count);
    } else {
        count =
            handover_pop(&worker->inbox[source - server->port_count], ret_packets, PACKET_BURST);
        counter_add(&worker->counters, COUNTER_handover_in, count);
    }
    if (unlikely(worker->trace)) {
        worker_trace_frames(worker, TRACE_IN, ret_packets, count);
    }
    return count;
}

static void backlog_shed(struct worker *worker)
{
    struct packet packets[ADMIT_SHED_MAX];
    enum admit_rank rank;
    unsigned count = admit_shed(&worker->admit, packets, &rank);

    for (unsigned i = 0; i < count; i++) {
        worker_drop(worker, &packets[i], admit_shed_counter(rank));
    }
}

static void backlog_shed_stale(struct worker *worker)
{
    struct packet packets[ADMIT_SHED_MAX];
    unsigned count;

    do {
        count = admit_stale(&worker->admit, worker->now_ms, packets);
        for (unsigned i = 0; i < count; i++) {
            worker_drop(worker, &packets[i], COUNTER_drop_shed_stale);
        }
    } while (count == ADMIT_SHED_MAX);
}

/* Empties a source into the backlog, begun with a burst that has been taken already. Returns the
 * number of packets. */
static unsigned backlog_fill(struct worker *worker, unsigned source, struct packet *packets,
                             unsigned count)
{
    struct worker_source *from = &worker->sources[source];
    msec_t since_ms = from->empty_ms ? from->empty_ms : worker->now_ms;
    unsigned total = 0;

    for (unsigned burst = 0; count && burst < BACKLOG_BURSTS_MAX; burst++) {
        for (unsigned i = 0; i < count; i++) {
            struct packet *packet = &packets[i];
            struct admit_label label =
                admit_look((struct span){packet->data, packet->size}, packet->port);

            if (admit_full(&worker->admit) && label.rank > admit_least(&worker->admit)) {
                worker_drop(worker, packet, admit_shed_counter(label.rank));
                continue;
            }
            if (admit_full(&worker->admit)) {
                backlog_shed(worker);
            }
            admit_push(&worker->admit, packet, label, since_ms);
        }
        total += count;
        if (count < PACKET_BURST || burst + 1 == BACKLOG_BURSTS_MAX) {
            break;
        }
        count = source_take(worker, source, packets);
    }
    /* Also when it was too deep for one turn: then its packets' age is not known. */
    from->empty_ms = worker->now_ms;
    return total;
}

/* True when packets of a source must go through the backlog: some are there already, or the source
 * gives full bursts turn after turn. */
static bool source_is_behind(struct worker *worker, unsigned source, unsigned count)
{
    struct worker_source *from = &worker->sources[source];

    if (likely(count < PACKET_BURST)) {
        from->full_turns = 0;
        return count && worker->admit.used;
    }
    if (from->full_turns < ADMIT_FULL_TURNS) {
        from->full_turns++;
    }
    return worker->shedding && (from->full_turns == ADMIT_FULL_TURNS || worker->admit.used);
}

unsigned worker_intake(struct worker *worker, unsigned source)
{
    struct packet packets[PACKET_BURST];
    unsigned count = source_take(worker, source, packets);

    if (unlikely(source_is_behind(worker, source, count))) {
        return backlog_fill(worker, source, packets, count);
    }
    if (likely(count < PACKET_BURST)) {
        worker->sources[source].empty_ms = worker->now_ms;
    }
    worker_burst(worker, packets, count);
    return count;
}

unsigned worker_backlog(struct worker *worker)
{
    struct packet packets[PACKET_BURST];
    unsigned count = 0;

    backlog_shed_stale(worker);
    while (count < PACKET_BURST && admit_pop(&worker->admit, &packets[count])) {
        count++;
    }
    worker_burst(worker, packets, count);
    return count;
}

enum admit_rank worker_rank_max(const struct worker *worker)
{
    uint32_t used = park_used(&worker->park);

    if (likely(used < SERVER_PARK_CAPACITY / 4 * 3 || !worker->shedding)) {
        return ADMIT_SOLICIT;
    }
    return used < SERVER_PARK_CAPACITY / 8 * 7 ? ADMIT_REQUEST : ADMIT_KEEP;
}

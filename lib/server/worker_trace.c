/* What a worker tells of the client somebody traces (trace.h). Nothing here runs while nobody does,
 * but for worker_trace_look after a trace began or ended. */
#include "server/worker_internal.h"

void worker_trace_look(struct worker *worker)
{
    struct trace *trace = worker->server->trace;
    struct trace_lane *lane = &trace->lanes[worker->index];

    worker->trace = NULL;
    if (!trace_look(trace, lane)) {
        return; /* the next turn looks again */
    }
    worker->trace_generation = lane->generation;
    if (lane->needle_size) {
        struct span duid = {lane->needle + TRACE_NEEDLE_HEAD,
                            lane->needle_size - TRACE_NEEDLE_HEAD};

        lane->duid_hash = store_duid_hash(worker->server->store, duid);
        worker->trace = lane;
    }
}

/* A step of that kind without what belongs to the kind alone; NULL: no room. */
static struct trace_step *step_begin(const struct worker *worker, enum trace_kind kind,
                                     const struct packet *packet)
{
    struct trace_step *step = trace_room(worker->trace);

    if (step) {
        step->kind = kind;
        step->at_ns = worker->now_ns;
        step->at = worker->now;
        step->worker = (uint16_t)worker->index;
        step->home = (uint16_t)worker->index;
        step->port = packet->port;
        step->handed_over = packet->handed_over;
        step->counter = COUNTER_COUNT;
        step->size = packet->size;
        step->kept = 0;
    }
    return step;
}

/* A step with the packet's frame, if it is the client's. */
static void frame_step(const struct worker *worker, enum trace_kind kind,
                       const struct packet *packet, enum counter counter)
{
    struct trace_step *step;

    if (!trace_sees(worker->trace, (struct span){packet->data, packet->size})) {
        return;
    }
    step = step_begin(worker, kind, packet);
    if (step) {
        step->counter = counter;
        step->kept = packet->size < TRACE_OCTETS ? packet->size : TRACE_OCTETS;
        memcpy(step->octets, packet->data, step->kept);
        trace_put(worker->trace);
    }
}

void worker_trace_frames(const struct worker *worker, enum trace_kind kind,
                         const struct packet *packets, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        frame_step(worker, kind, &packets[i], COUNTER_COUNT);
    }
}

void worker_trace_drop(const struct worker *worker, const struct packet *packet,
                       enum counter counter)
{
    frame_step(worker, TRACE_DROPPED, packet, counter);
}

void worker_trace_handed(const struct worker *worker, const struct packet *packet, unsigned home)
{
    struct trace_step *step;

    if (!trace_sees(worker->trace, (struct span){packet->data, packet->size})) {
        return;
    }
    step = step_begin(worker, TRACE_HANDED, packet);
    if (step) {
        step->home = (uint16_t)home;
        step->kept = packet->size < TRACE_OCTETS ? packet->size : TRACE_OCTETS;
        memcpy(step->octets, packet->data, step->kept);
        trace_put(worker->trace);
    }
}

static void ias_copy(struct trace_decision *decision, const struct plan *plan)
{
    for (unsigned i = 0; i < plan->ia_count && i < TRACE_IAS_MAX; i++) {
        const struct plan_ia *ia = &plan->ias[i];
        struct trace_ia *to = &decision->ias[decision->ia_count++];

        *to = (struct trace_ia){.iaid = ia->iaid,
                                .t1_s = ia->t1_s,
                                .t2_s = ia->t2_s,
                                .status = ia->status,
                                .type = ia->type,
                                .has_status = ia->has_status,
                                .lease_first = decision->lease_count};
        for (unsigned k = 0; k < ia->lease_count && decision->lease_count < TRACE_LEASES_MAX; k++) {
            const struct plan_lease *lease = &plan->leases[ia->lease_first + k];

            decision->leases[decision->lease_count++] =
                (struct trace_lease){lease->resource, lease->preferred_s, lease->valid_s};
            to->lease_count++;
        }
    }
}

void worker_trace_decided(const struct worker *worker, const struct work *work, bool waits)
{
    const struct dhcp6_message *message = &work->message;
    const struct plan *plan = &worker->plan;
    const char *link = worker->policy->links[work->link].name;
    struct span duid = {worker->trace->needle + TRACE_NEEDLE_HEAD,
                        worker->trace->needle_size - TRACE_NEEDLE_HEAD};
    struct trace_step *step;
    struct trace_decision *decision;

    if (work->duid_hash != worker->trace->duid_hash || !span_equal(message->client_id, duid)) {
        return;
    }
    step = step_begin(worker, TRACE_DECIDED, &work->packet);
    if (step == NULL) {
        return;
    }
    decision = &step->decision;
    *decision = (struct trace_decision){.type = message->type,
                                        .reply_type = plan->reply_type,
                                        .has_status = plan->has_status,
                                        .status = plan->status,
                                        .reserved = work->reservation != NULL,
                                        .waits = waits};
    memcpy(decision->xid, message->xid, sizeof(decision->xid));
    memcpy(decision->link, link, strnlen(link, TRACE_LINK_MAX - 1));
    ias_copy(decision, plan);
    for (unsigned i = 0; i < plan->change_count && i < TRACE_CHANGES_MAX; i++) {
        decision->changes[decision->change_count++] = plan->changes[i].counter;
    }
    trace_put(worker->trace);
}

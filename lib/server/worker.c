#include "server/worker.h"

#include <stdlib.h>

#include "dhcp6/encode.h"
#include "net/ndp.h"
#include "server/worker_internal.h"

enum {
    PARKED_PER_TURN_MAX = 256,
    MLD_INTERVAL_MS = 120000, /* RFC 3810 9.2 asks for at least 125 s robustness */
};

static const enum counter rx_counter[] = {
    [DHCP6_SOLICIT] = COUNTER_rx_solicit,
    [DHCP6_REQUEST] = COUNTER_rx_request,
    [DHCP6_CONFIRM] = COUNTER_rx_confirm,
    [DHCP6_RENEW] = COUNTER_rx_renew,
    [DHCP6_REBIND] = COUNTER_rx_rebind,
    [DHCP6_RELEASE] = COUNTER_rx_release,
    [DHCP6_DECLINE] = COUNTER_rx_decline,
    [DHCP6_INFORMATION_REQUEST] = COUNTER_rx_information_request,
};

int worker_init(struct worker *worker, struct server *server, unsigned index)
{
    int r = park_init(&worker->park, SERVER_PARK_CAPACITY);

    r = r ? r : admit_init(&worker->admit);
    if (r) {
        worker_done(worker);
        return r;
    }
    worker->index = index;
    worker->server = server;
    worker->ring = &server->rings[index];
    worker->shedding = true;
    worker->works = calloc(PACKET_BURST, sizeof(*worker->works));
    worker->sources = calloc(CONFIG_PORTS_MAX + server->worker_count, sizeof(*worker->sources));
    worker->inbox = aligned_alloc(CACHE_LINE, server->worker_count * sizeof(*worker->inbox));
    worker->encodings = calloc(1, sizeof(*worker->encodings));
    if (!worker->works || !worker->sources || !worker->inbox || !worker->encodings) {
        worker_done(worker);
        return -ENOMEM;
    }
    memset(worker->inbox, 0, server->worker_count * sizeof(*worker->inbox));
    return 0;
}

void worker_done(struct worker *worker)
{
    park_done(&worker->park);
    admit_done(&worker->admit);
    free(worker->works);
    free(worker->sources);
    free(worker->inbox);
    free(worker->encodings);
    worker->encodings = NULL;
    worker->works = NULL;
    worker->sources = NULL;
    worker->inbox = NULL;
}

static void tx_flush(struct worker *worker, unsigned port)
{
    unsigned count = worker->tx_count[port];
    unsigned sent;

    if (count == 0) {
        return;
    }
    if (unlikely(worker->trace)) {
        worker_trace_frames(worker, TRACE_OUT, worker->tx[port], count);
    }
    sent = worker->io.tx(worker->io.ctx, port, worker->tx[port], count);
    counter_add(&worker->counters, COUNTER_tx_frames, sent);
    counter_add(&worker->counters, COUNTER_drop_tx, count - sent);
    worker->tx_count[port] = 0;
}

static void tx_flush_all(struct worker *worker)
{
    for (unsigned port = 0; port < worker->server->port_count; port++) {
        tx_flush(worker, port);
    }
}

static void tx_gather(struct worker *worker, const struct packet *packet)
{
    unsigned port = packet->port;

    worker->tx[port][worker->tx_count[port]++] = *packet;
    if (worker->tx_count[port] == 2 * PACKET_BURST) {
        tx_flush(worker, port);
    }
}

/* Sends the replies whose records are on the disk by now. */
static unsigned parked_release(struct worker *worker)
{
    uint64_t durable = change_ring_durable(worker->ring);
    struct parked parked;
    unsigned count = 0;

    while (count < PARKED_PER_TURN_MAX && park_pop(&worker->park, durable, &parked)) {
        count++;
        if (worker->now_ms - parked.since_ms > PARK_AGE_MAX_MS) {
            worker_drop(worker, &parked.packet, COUNTER_drop_park_late);
            continue;
        }
        if (parked.since_ns) {
            histogram_add(&worker->answer_ns, worker->now_ns - parked.since_ns);
        }
        tx_gather(worker, &parked.packet);
    }
    return count;
}

/* Neighbour discovery and echo: answered on the spot, no lease involved. */
static void icmp6_answer(struct worker *worker, struct work *work)
{
    struct packet *packet = &work->packet;
    const struct frame_port *port = &worker->server->ports[packet->port].frame;
    enum counter counter = COUNTER_drop_icmp6_other;
    size_t size = ndp_answer(port, &work->frame, packet->room, packet->room_size, &counter);

    if (size == 0) {
        worker_drop(worker, packet, counter);
        return;
    }
    counter_inc(&worker->counters, counter);
    counter_inc(&worker->counters, ndp_sent_counter(counter));
    packet->data = packet->room;
    packet->size = (uint32_t)size;
    packet->room = NULL;
    tx_gather(worker, packet);
}

/* The link a message came from: nearest non-zero link-address, else the receiving port (RFC
 * 9915 13.1; a lightweight relay leaves the address zero, RFC 6221 5.1). */
static int work_link(const struct policy *policy, const struct work *work)
{
    struct ip6 address;

    if (work->message.relay_count) {
        address = dhcp6_link_address(&work->message);
        if (!ip6_is_zero(address)) {
            return policy_link_by_address(policy, address);
        }
    }
    return policy_link_by_port(policy, work->packet.port);
}

/* True when the message may change a lease, so that its client's and relays' data will be stored.
 */
static bool message_may_commit(const struct dhcp6_message *message)
{
    return message->type == DHCP6_REQUEST || message->type == DHCP6_RENEW ||
           message->type == DHCP6_REBIND || message->type == DHCP6_RELEASE ||
           message->type == DHCP6_DECLINE ||
           (message->type == DHCP6_SOLICIT && message->rapid_commit);
}

/* Hashes of the client and memory for the look-ups to come. */
static void work_hash(struct worker *worker, struct work *work)
{
    const struct store *store = worker->server->store;
    const struct dhcp6_message *message = &work->message;

    work->home = worker->index;
    if (message->client_id.size == 0) {
        return;
    }
    work->duid_hash = store_duid_hash(store, message->client_id);
    work->home = (unsigned)(((work->duid_hash >> 32) * worker->server->worker_count) >> 32);
    for (unsigned i = 0; i < message->ia_count; i++) {
        work->client_hash[i] =
            store_client_hash(work->duid_hash, message->ias[i].iaid, message->ias[i].type);
        store_prefetch_client(store, work->client_hash[i]);
    }
}

/* With a disk that does not follow, replies waiting for it are kept room for: COUNTER_COUNT, or why
 * the message is not taken on. */
static enum counter rank_refusal(struct worker *worker, uint8_t type)
{
    if (likely(worker->rank_max == ADMIT_SOLICIT || admit_rank_of(type) <= worker->rank_max)) {
        return COUNTER_COUNT;
    }
    return COUNTER_drop_shed_disk;
}

/* First stage: frame to message, link and client. False when the packet is done with. */
static bool work_parse(struct worker *worker, struct work *work)
{
    struct packet *packet = &work->packet;
    struct dhcp6_message *message = &work->message;
    struct span bytes = {packet->data, packet->size};
    enum counter reason;

    frame_parse(&worker->server->ports[packet->port].frame, bytes, packet->checksum_good,
                &work->frame);
    if (work->frame.kind == FRAME_ICMP6) {
        icmp6_answer(worker, work);
        return false;
    }
    if (work->frame.kind == FRAME_DROP) {
        worker_drop(worker, packet, work->frame.drop_reason);
        return false;
    }
    if (worker->silent) {
        worker_drop(worker, packet, COUNTER_drop_silent);
        return false;
    }
    if (dhcp6_message_parse(work->frame.payload, message, &reason) != 0) {
        worker_drop(worker, packet, reason);
        return false;
    }
    if (!packet->handed_over) {
        counter_inc(&worker->counters, message->type < sizeof(rx_counter) / sizeof(rx_counter[0])
                                           ? rx_counter[message->type]
                                           : COUNTER_drop_message_type);
        counter_add(&worker->counters, COUNTER_rx_relayed, message->relay_count != 0);
    }
    work->unicast = message->relay_count == 0 && !ip6_is_multicast(work->frame.dst);
    reason = rank_refusal(worker, message->type);
    if (reason == COUNTER_COUNT) {
        reason = decide_validate(worker->policy, message, work->unicast);
    }
    if (reason == COUNTER_COUNT) {
        work->link = work_link(worker->policy, work);
        reason = work->link == POLICY_LINK_NONE ? COUNTER_drop_link_unknown : COUNTER_COUNT;
    }
    if (reason != COUNTER_COUNT) {
        worker_drop(worker, packet, reason);
        return false;
    }
    if (message->relay_count == 0) {
        message->subject.link_layer = (struct span){work->frame.src_mac, 6};
    }
    work_hash(worker, work);
    work->classes = policy_classify(worker->policy, &message->subject);
    work->reservation =
        policy_reservation_find(worker->policy, (unsigned)work->link, &message->subject);
    work->info_size = message_may_commit(message) ? dhcp6_lease_info(message, work->frame.src,
                                                                     work->info, sizeof(work->info))
                                                  : 0;
    return true;
}

static void answers_count(struct worker *worker, const struct work *work)
{
    static const enum counter status_counter[] = {
        [STATUS_NO_ADDRS_AVAIL] = COUNTER_answer_no_addrs_avail,
        [STATUS_NO_BINDING] = COUNTER_answer_no_binding,
        [STATUS_NOT_ON_LINK] = COUNTER_answer_not_on_link,
        [STATUS_NO_PREFIX_AVAIL] = COUNTER_answer_no_prefix_avail,
    };
    const struct plan *plan = &worker->plan;

    counter_inc(&worker->counters,
                plan->reply_type == DHCP6_ADVERTISE ? COUNTER_tx_advertise : COUNTER_tx_reply);
    counter_add(&worker->counters, COUNTER_tx_relay_reply, work->message.relay_count != 0);
    for (unsigned i = 0; i < plan->ia_count; i++) {
        uint16_t status = plan->ias[i].has_status ? plan->ias[i].status : STATUS_SUCCESS;

        if (status < sizeof(status_counter) / sizeof(status_counter[0]) && status_counter[status]) {
            counter_inc(&worker->counters, status_counter[status]);
        }
    }
    if (plan->has_status && plan->status == STATUS_NOT_ON_LINK) {
        counter_inc(&worker->counters, COUNTER_answer_not_on_link);
    }
}

/* Relays are answered on port 547 or, with RFC 8357's option, on the port they sent from; clients
 * on 546 (RFC 9915 7.2). */
static uint16_t reply_port(const struct work *work)
{
    if (work->message.relay_count == 0) {
        return DHCP6_CLIENT_PORT;
    }
    return work->message.relays[0].has_relay_port ? work->frame.src_port : DHCP6_SERVER_PORT;
}

/* Writes the answer's frame into the packet's room; the packet then is the answer. */
static bool work_encode(struct worker *worker, struct work *work)
{
    const struct frame_port *port = &worker->server->ports[work->packet.port].frame;
    struct packet *packet = &work->packet;
    size_t headers, room, payload_max = (size_t)port->mtu - 48;
    struct frame_to to;
    size_t size;

    frame_to_sender(port, &work->frame, reply_port(work), &to);
    headers = frame_header_size(&to);
    room = packet->room_size > headers ? packet->room_size - headers : 0;
    size = dhcp6_encode(worker->policy, &work->message, &worker->plan, worker->encodings,
                        packet->room + headers, room < payload_max ? room : payload_max);
    if (size == 0) {
        return false;
    }
    frame_write(port, &to, packet->room + headers, size);
    packet->data = packet->room;
    packet->size = (uint32_t)(headers + size);
    packet->room = NULL;
    return true;
}

/* True when the message gives leases back. */
static bool message_ends(const struct dhcp6_message *message)
{
    return message->type == DHCP6_RELEASE || message->type == DHCP6_DECLINE;
}

/* Hands the packet to the client's home worker. */
static void work_hand_over(struct worker *worker, struct work *work)
{
    if (unlikely(worker->trace)) {
        worker_trace_handed(worker, &work->packet, work->home);
    }
    work->packet.handed_over = true;
    if (!handover_push(&worker->server->workers[work->home].inbox[worker->index], &work->packet)) {
        worker_drop(worker, &work->packet, COUNTER_drop_handover_full);
        return;
    }
    counter_inc(&worker->counters, COUNTER_handover_out);
}

/* A repeated RELEASE or DECLINE finds nothing left to end, but its answer too says that it has
 * ended: it waits for the first one's record, which the home worker's ring holds. */
static uint64_t ended_position(const struct worker *worker, const struct work *work)
{
    uint64_t head = change_ring_head(worker->ring);

    return message_ends(&work->message) && change_ring_durable(worker->ring) < head ? head : 0;
}

/* Last stage: find, decide, commit, encode; the answer leaves now or waits for the disk. */
static void work_finish(struct worker *worker, struct work *work)
{
    uint64_t position = 0;
    enum counter drop;

    worker_find(worker, work);
    if (!worker_is_home(worker, work) &&
        (message_ends(&work->message) ||
         decide_may_allocate(&work->message, &worker->found, worker->now))) {
        work_hand_over(worker, work);
        return;
    }
    drop = worker_settle(worker, work, &position);
    if (drop == COUNTER_handover_out) {
        work_hand_over(worker, work);
        return;
    }
    if (drop == COUNTER_COUNT && position == 0) {
        position = ended_position(worker, work);
        drop = position && park_full(&worker->park) ? COUNTER_drop_park_full : drop;
    }
    if (drop == COUNTER_COUNT && !work_encode(worker, work)) {
        drop = COUNTER_drop_reply_too_big;
    }
    if (drop != COUNTER_COUNT) {
        worker_drop(worker, &work->packet, drop);
        return;
    }
    answers_count(worker, work);
    if (unlikely(worker->trace)) {
        worker_trace_decided(worker, work, position != 0);
    }
    if (position) { /* also for changes of an earlier, lost decision: they are what the answer says
                     */
        park_push(&worker->park,
                  &(struct parked){position, worker->now_ms, worker->now_ns, work->packet});
    } else {
        worker->answered_count++;
        tx_gather(worker, &work->packet);
    }
}

/* Middle stage: the index has arrived, now the leases it points to. */
static void work_prefetch(const struct worker *worker, const struct work *work)
{
    if (work->message.client_id.size) {
        for (unsigned i = 0; i < work->message.ia_count; i++) {
            store_prefetch_found(worker->server->store, work->client_hash[i]);
        }
    }
}

void worker_burst(struct worker *worker, const struct packet *packets, unsigned count)
{
    unsigned live_count = 0;
    struct work *live[PACKET_BURST];

    for (unsigned i = 0; i < count; i++) {
        struct work *work = &worker->works[i];

        work->packet = packets[i];
        if (work_parse(worker, work)) {
            live[live_count++] = work;
        }
    }
    worker->worked_count += live_count;
    for (unsigned i = 0; i < live_count; i++) {
        work_prefetch(worker, live[i]);
    }
    for (unsigned i = 0; i < live_count; i++) {
        work_finish(worker, live[i]);
    }
}

static void frame_send(struct worker *worker, struct packet *packet, size_t size,
                       enum counter counter)
{
    if (size == 0) {
        worker->io.drop(worker->io.ctx, packet);
        return;
    }
    packet->data = packet->room;
    packet->size = (uint32_t)size;
    packet->room = NULL;
    counter_inc(&worker->counters, counter);
    tx_gather(worker, packet);
}

/* Tells neighbours and snooping switches about a port: when its link comes up, and every two
 * minutes. */
static void port_announce(struct worker *worker, unsigned index)
{
    struct server_port *port = &worker->server->ports[index];
    bool up = atomic_load_explicit(&port->link_up, memory_order_relaxed);
    struct packet packet;

    if (!up || (worker->announced_up[index] && worker->now_ms < worker->announce_ms[index])) {
        worker->announced_up[index] = up;
        return;
    }
    if (worker->io.make(worker->io.ctx, index, &packet)) {
        frame_send(worker, &packet, ndp_mld_report(&port->frame, packet.room, packet.room_size),
                   COUNTER_tx_mld_report);
    }
    for (unsigned i = 0; !worker->announced_up[index] && i < port->frame.address_count; i++) {
        if (worker->io.make(worker->io.ctx, index, &packet)) {
            frame_send(worker, &packet,
                       ndp_announce(&port->frame, i, packet.room, packet.room_size),
                       COUNTER_tx_neighbor_advertisement);
        }
    }
    worker->announced_up[index] = true;
    worker->announce_ms[index] = worker->now_ms + MLD_INTERVAL_MS;
}

unsigned worker_turn(struct worker *worker, msec_t now_ms, sec_t now)
{
    struct server *server = worker->server;
    unsigned handled;
    unsigned source_count =
        server->port_count + (server->worker_count > 1 ? server->worker_count : 0);

    worker->now_ms = now_ms;
    worker->now = now;
    worker->answered_count = worker->worked_count = 0;
    worker->policy = server_policy(server);
    if (server->trace &&
        unlikely(atomic_load_explicit(&server->trace->generation, memory_order_relaxed) !=
                 worker->trace_generation)) {
        worker_trace_look(worker);
    }
    worker->silent =
        worker->policy == NULL ||
        sec_after(now, atomic_load_explicit(&server->operating_until_s, memory_order_relaxed));
    handled = parked_release(worker);
    worker->rank_max = worker_rank_max(worker);
    tx_flush_all(worker); /* what follows may take long: their age was good now */
    for (unsigned port = 0; !worker->draining && port < server->port_count; port++) {
        handled += worker_intake(worker, port);
        if (worker->index == 0) {
            port_announce(worker, port);
        }
    }
    for (unsigned source = server->port_count; source < source_count; source++) {
        handled += worker_intake(worker, source);
    }
    if (unlikely(worker->admit.used)) {
        handled += worker_backlog(worker);
    }
    tx_flush_all(worker);
    atomic_store_explicit(&worker->turns,
                          atomic_load_explicit(&worker->turns, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    return handled;
}

void worker_turn_measured(struct worker *worker, uint64_t end_ns)
{
    uint64_t took_ns = end_ns - worker->now_ns;

    histogram_add(&worker->turn_ns, took_ns);
    if (worker->answered_count) {
        histogram_add_many(&worker->answer_ns, took_ns, worker->answered_count);
    }
}

#include "micro.h"

#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <urcu/urcu-qsbr.h>

#include "dhcp6/encode.h"

enum {
    PLANS = 8 /* a plan is large: a burst of them would not stay in the cache */
};

struct item {
    uint8_t bytes[LOAD_FRAME_MAX];
    uint8_t answer[LOAD_FRAME_MAX + 512];
    size_t size;
    struct frame frame;
    struct dhcp6_message message;
    uint64_t hash[DHCP6_IAS_MAX];
    struct decide_found found;
    uint64_t position; /* of its last change in the ring */
};

struct bench_part {
    struct micro *micro;
    struct item items[PACKET_BURST];
    struct plan plans[PLANS];
    uint64_t operations, failed;
};

static uint64_t client_random(struct micro *micro)
{
    micro->random = micro->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint64_t)(((unsigned __int128)(micro->random ^ (micro->random >> 29)) *
                       micro->load->client_count) >>
                      64);
}

static void burst_write(struct bench_part *b)
{
    for (unsigned i = 0; i < PACKET_BURST; i++) {
        struct item *item = &b->items[i];

        item->size =
            load_write(b->micro->load, LOAD_RENEW, client_random(b->micro), i, item->bytes);
    }
}

static void burst_parse(struct bench_part *b)
{
    const struct frame_port *port = &b->micro->worker->server->ports[0].frame;
    enum counter reason;

    for (unsigned i = 0; i < PACKET_BURST; i++) {
        struct item *item = &b->items[i];

        frame_parse(port, (struct span){item->bytes, item->size}, false, &item->frame);
        b->failed += item->frame.kind != FRAME_DHCP6 ||
                     dhcp6_message_parse(item->frame.payload, &item->message, &reason) != 0;
    }
    b->operations += PACKET_BURST;
}

static void burst_checksum(struct bench_part *b)
{
    for (unsigned i = 0; i < PACKET_BURST; i++) {
        const struct frame *frame = &b->items[i].frame;
        const uint8_t *udp = frame->payload.data - FRAME_UDP_SIZE;

        b->failed += frame_checksum(frame->src, frame->dst, FRAME_PROTOCOL_UDP, udp,
                                    FRAME_UDP_SIZE + frame->payload.size) != 0xffff;
    }
    b->operations += PACKET_BURST;
}

/* In three stages, as a worker does it. */
static void burst_lookup(struct bench_part *b)
{
    const struct store *store = b->micro->worker->server->store;

    for (unsigned i = 0; i < PACKET_BURST; i++) {
        struct item *item = &b->items[i];
        uint64_t duid_hash = store_duid_hash(store, item->message.client_id);

        for (unsigned k = 0; k < item->message.ia_count && k < DHCP6_IAS_MAX; k++) {
            const struct dhcp6_ia *ia = &item->message.ias[k];

            item->hash[k] = store_client_hash(duid_hash, ia->iaid, ia->type);
            store_prefetch_client(store, item->hash[k]);
        }
    }
    for (unsigned i = 0; i < PACKET_BURST; i++) {
        for (unsigned k = 0; k < b->items[i].message.ia_count && k < DHCP6_IAS_MAX; k++) {
            store_prefetch_found(store, b->items[i].hash[k]);
        }
    }
    for (unsigned i = 0; i < PACKET_BURST; i++) {
        struct item *item = &b->items[i];

        for (unsigned k = 0; k < item->message.ia_count && k < DHCP6_IAS_MAX; k++) {
            const struct dhcp6_ia *ia = &item->message.ias[k];

            item->found.first[k] = (uint8_t)k;
            item->found.count[k] =
                (uint8_t)store_find_client(store, item->hash[k], item->message.client_id, ia->iaid,
                                           ia->type, &item->found.entries[k], 1);
            b->failed += item->found.count[k] != 1;
            b->operations++;
        }
    }
}

/* Renewals look for no other lease. */
static bool none_find(void *ctx, const struct resource *resource, struct lease_found *ret_found)
{
    return store_find(ctx, resource, ret_found);
}

static bool none_test(void *ctx, unsigned pool, uint32_t unit)
{
    (void)ctx;
    (void)pool;
    (void)unit;
    return false;
}

static bool none_next(void *ctx, unsigned pool, uint32_t from, uint32_t *ret_unit)
{
    (void)ctx;
    (void)pool;
    (void)from;
    (void)ret_unit;
    return false;
}

static void plans_make(struct bench_part *b)
{
    struct server *server = b->micro->worker->server;
    const struct policy *policy = server_policy(server);
    const struct candidate_source source = {server->store, none_find, none_test, none_next};

    for (unsigned i = 0; i < PLANS; i++) {
        struct item *item = &b->items[i];
        struct decide_input input = {
            .policy = policy,
            .message = &item->message,
            .found = &item->found,
            .source = &source,
            .client_hash = item->hash,
            .link = b->micro->load->relay_count
                        ? policy_link_by_address(policy, dhcp6_link_address(&item->message))
                        : policy_link_by_port(policy, 0),
            .now = b->micro->now,
            .reuse_allowed = true};

        decide(&input, &b->plans[i]);
        b->failed += b->plans[i].verdict != PLAN_REPLY;
    }
}

/* The whole answer's frame, checksum included. */
static void plans_encode(struct bench_part *b)
{
    struct server *server = b->micro->worker->server;
    const struct frame_port *port = &server->ports[0].frame;
    const struct policy *policy = server_policy(server);
    uint16_t to_port = b->micro->load->relay_count ? DHCP6_SERVER_PORT : DHCP6_CLIENT_PORT;

    for (unsigned i = 0; i < PLANS; i++) {
        struct item *item = &b->items[i];
        struct frame_to to;
        size_t headers, size;

        frame_to_sender(port, &item->frame, to_port, &to);
        headers = frame_header_size(&to);
        size = dhcp6_encode(policy, &item->message, &b->plans[i], b->micro->worker->encodings,
                            item->answer + headers, sizeof(item->answer) - headers);
        if (size == 0) {
            b->failed++;
            continue;
        }
        frame_write(port, &to, item->answer + headers, size);
    }
    b->operations += PLANS;
}

/* Each lease found gets a later end: store, wheel and change record. */
static void burst_commit(struct bench_part *b)
{
    struct server *server = b->micro->worker->server;

    for (unsigned i = 0; i < PACKET_BURST; i++) {
        struct item *item = &b->items[i];

        for (unsigned k = 0; k < item->message.ia_count && k < DHCP6_IAS_MAX; k++) {
            struct lease next = item->found.entries[k].lease;
            struct server_change change = {&item->found.entries[k], &next, -1};
            int r;

            next.times.clt_s++;
            next.times.expires_s++;
            r = server_commit(server, server_policy(server), 0, &change, &item->position);
            /* The same client twice in a burst: its leases are not any more what was found. */
            b->failed += r != 0 && r != -EAGAIN;
            b->operations++;
        }
    }
}

/* Until the journal has made room for a burst's changes. */
static void room_wait(struct micro *micro)
{
    while (!change_ring_has_room(micro->worker->ring, 2 * PACKET_BURST)) {
        urcu_qsbr_thread_offline();
        usleep(100);
        urcu_qsbr_thread_online();
    }
}

static void durable_wait(struct micro *micro)
{
    struct change_ring *ring = micro->worker->ring;

    while (change_ring_durable(ring) < change_ring_head(ring)) {
        urcu_qsbr_thread_offline();
        usleep(100);
        urcu_qsbr_thread_online();
    }
}

static void burst_prepare_lookup(struct bench_part *b)
{
    burst_write(b);
    burst_parse(b);
}

static void burst_prepare_plans(struct bench_part *b)
{
    burst_prepare_lookup(b);
    burst_lookup(b);
    plans_make(b);
}

static void burst_prepare_commit(struct bench_part *b)
{
    room_wait(b->micro);
    burst_prepare_lookup(b);
    burst_lookup(b);
}

static const struct {
    const char *name, *operation;
    void (*prepare)(struct bench_part *b); /* not timed */
    void (*run)(struct bench_part *b);
    bool whole; /* all of the time counts, until everything is on the disk */
} parts[] = {
    {"parse", "frame to message", burst_write, burst_parse, false},
    {"checksum", "UDP checksum of a frame", burst_prepare_lookup, burst_checksum, false},
    {"lookup", "lease found by client", burst_prepare_lookup, burst_lookup, false},
    {"encode", "plan to frame", burst_prepare_plans, plans_encode, false},
    {"commit", "lease renewed, its record in the ring", burst_prepare_commit, burst_commit, false},
    {"journal", "record on the disk", burst_prepare_commit, burst_commit, true},
};

const char *micro_operation(const char *part)
{
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strcmp(part, parts[i].name) == 0) {
            return parts[i].operation;
        }
    }
    return NULL;
}

void micro_run(const char *part, struct micro *micro, struct micro_result *ret_result)
{
    static struct bench_part b; /* too large for a stack */
    uint64_t hz = rte_get_tsc_hz(), start = rte_rdtsc(), cycles = 0, operations = 0;
    uint64_t end = start + (uint64_t)(micro->seconds * (double)hz);
    size_t at = 0;

    while (strcmp(part, parts[at].name) != 0) {
        at++;
    }
    b = (struct bench_part){.micro = micro};
    while (rte_rdtsc() < end) {
        uint64_t before;

        parts[at].prepare(&b);
        b.operations = 0;
        before = rte_rdtsc();
        parts[at].run(&b);
        cycles += rte_rdtsc() - before;
        operations += b.operations;
        urcu_qsbr_quiescent_state();
    }
    durable_wait(micro);
    cycles = parts[at].whole ? rte_rdtsc() - start : cycles;
    *ret_result = (struct micro_result){
        operations, (double)cycles / (double)operations / (double)hz * 1e9, b.failed};
}

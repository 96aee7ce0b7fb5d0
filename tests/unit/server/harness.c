#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include <urcu/urcu-qsbr.h>

enum {
    LOG_SIZE = 16 << 20
};

static const uint8_t client_mac[6] = {2, 0, 0, 0, 0, 9};

static void io_give_back(void *ctx, struct packet *packet)
{
    ((struct harness_io *)ctx)->harness->buffers_out--;
    free(packet->handle);
}

static unsigned io_rx(void *ctx, unsigned port, struct packet *ret_packets, unsigned max)
{
    struct harness_io *io = ctx;
    struct harness *h = io->harness;
    unsigned count = 0;

    for (unsigned i = 0; port == 0 && i < h->in_count && count < max; i++) {
        struct harness_frame *frame = &h->in[i];
        uint8_t *buf;

        if (frame->worker != io->worker || frame->size == 0) {
            continue;
        }
        buf = malloc(2 * HARNESS_FRAME);
        memcpy(buf, frame->bytes, frame->size);
        ret_packets[count++] = (struct packet){.data = buf,
                                               .size = frame->size,
                                               .room = buf + HARNESS_FRAME,
                                               .room_size = HARNESS_FRAME,
                                               .handle = buf};
        h->buffers_out++;
        frame->size = 0;
    }
    return count;
}

static unsigned io_tx(void *ctx, unsigned port, struct packet *packets, unsigned count)
{
    struct harness_io *io = ctx;
    struct harness *h = io->harness;

    (void)port;
    for (unsigned i = 0; i < count; i++) {
        struct harness_frame *frame = &h->out[h->out_count++];

        T6_ASSERT(h->out_count < HARNESS_QUEUE && packets[i].size <= HARNESS_FRAME);
        memcpy(frame->bytes, packets[i].data, packets[i].size);
        frame->size = packets[i].size;
        frame->worker = io->worker;
        io_give_back(ctx, &packets[i]);
    }
    return count;
}

static bool io_make(void *ctx, unsigned port, struct packet *ret_packet)
{
    uint8_t *buf = malloc(HARNESS_FRAME);

    ((struct harness_io *)ctx)->harness->buffers_out++;
    *ret_packet = (struct packet){
        .room = buf, .room_size = HARNESS_FRAME, .handle = buf, .port = (uint8_t)port};
    return true;
}

static void ports_set(struct harness *h)
{
    struct frame_port *port = &h->server->ports[0].frame;

    h->server->port_count = 1;
    memcpy(port->mac, "\2\0\0\0\0\1", 6);
    port->addresses[0] = (struct ip6){0xfe80000000000000ULL, 1};
    port->address_count = 1;
    for (unsigned i = 0; i < h->config->ports[0].address_count; i++) {
        port->addresses[port->address_count++] = h->config->ports[0].addresses[i];
    }
    port->mtu = FRAME_MTU_DEFAULT;
}

static void harness_new(struct harness *h, const char *config_text, uint8_t number)
{
    struct policy_identity identity = {.server_duid = {h->duid, sizeof(h->duid)},
                                       .candidate_key = {1, 2}};
    struct config_error error;

    *h = (struct harness){.duid = {0, 1, 0, 1, 0x31, 0, 0, 0, 2, 0, 0, 0, 0, number},
                          .now_ms = 1000,
                          .now = HARNESS_NOW};
    if (config_parse("test", config_text, strlen(config_text), &h->config, &error) != 0) {
        printf("%s:%u: %s: %s\n", error.file, error.line, error.pointer, error.text);
        abort();
    }
    T6_ASSERT(server_new(h->config, &identity, (struct siphash_key){3, 4}, h->now, &h->server) ==
              0);
    h->in = calloc(HARNESS_QUEUE, sizeof(*h->in));
    h->out = calloc(HARNESS_QUEUE, sizeof(*h->out));
    h->log = malloc(LOG_SIZE);
}

static void harness_serve(struct harness *h)
{
    struct policy *old;

    T6_ASSERT(server_apply(h->server, h->config, &old) == 0 && old == NULL);
    sweep_arm_all(h->server, h->now);
    control_init(&h->control, h->server);
    ports_set(h);
    for (unsigned i = 0; i < h->server->worker_count; i++) {
        h->io[i] = (struct harness_io){h, i};
        h->server->workers[i].io =
            (struct packet_io){&h->io[i], io_rx, io_tx, io_give_back, io_make};
    }
    atomic_store(&h->server->operating_until_s, h->now + 86400);
}

void harness_open_as(struct harness *h, const char *config_text, uint8_t number)
{
    harness_new(h, config_text, number);
    harness_serve(h);
}

void harness_open(struct harness *h, const char *config_text)
{
    harness_open_as(h, config_text, 1);
}

void harness_close(struct harness *h)
{
    server_free(h->server);
    config_free(h->config);
    free(h->in);
    free(h->out);
    free(h->log);
}

void harness_send_from(struct harness *h, unsigned worker, struct ip6 src, struct ip6 dst,
                       const uint8_t *payload, size_t size)
{
    struct frame_port sender = {.mtu = FRAME_MTU_DEFAULT};
    struct frame_to to = {.src = src, .dst = dst, .src_port = 547, .dst_port = 547};
    struct harness_frame *frame = &h->in[h->in_count++];
    size_t headers = frame_header_size(&to);

    T6_ASSERT(h->in_count < HARNESS_QUEUE && headers + size <= HARNESS_FRAME);
    memcpy(sender.mac, client_mac, 6);
    if (ip6_is_multicast(dst)) {
        to.dst_mac[0] = to.dst_mac[1] = 0x33;
        wire_set_u32(to.dst_mac + 2, (uint32_t)dst.lo);
    } else {
        memcpy(to.dst_mac, h->server->ports[0].frame.mac, 6);
    }
    memcpy(frame->bytes + headers, payload, size);
    frame_write(&sender, &to, frame->bytes + headers, size);
    frame->size = (uint32_t)(headers + size);
    frame->worker = worker;
}

void harness_send(struct harness *h, unsigned worker, const uint8_t *payload, size_t size)
{
    harness_send_from(h, worker, (struct ip6){0xfe80000000000000ULL, 9},
                      (struct ip6){0xff02000000000000ULL, 0x10002}, payload, size);
}

void harness_turn(struct harness *h)
{
    for (unsigned i = 0; i < h->server->worker_count; i++) {
        (void)worker_turn(&h->server->workers[i], h->now_ms, h->now);
    }
    h->in_count = 0;
    urcu_qsbr_quiescent_state();
}

void harness_sync(struct harness *h)
{
    for (unsigned i = 0; i <= h->server->worker_count; i++) {
        struct change_ring *ring = &h->server->rings[i];
        struct span record;
        uint32_t slot;

        while ((record = change_ring_next(ring, &h->drained[i], &slot)).size) {
            uint16_t size = (uint16_t)record.size;

            T6_ASSERT(h->log_used + 2 + size <= LOG_SIZE);
            memcpy(h->log + h->log_used, &size, 2);
            memcpy(h->log + h->log_used + 2, record.data, size);
            h->log_used += 2u + size;
            server_on_durable(h->server, slot, record);
        }
        change_ring_consume(ring, h->drained[i]);
        change_ring_durable_set(ring, h->drained[i]);
    }
}

struct span harness_receive(struct harness *h)
{
    while (h->out_count) {
        struct harness_frame frame = h->out[0];
        static uint8_t payload[HARNESS_FRAME];
        size_t headers = 14 + 40 + 8;

        memmove(h->out, h->out + 1, --h->out_count * sizeof(*h->out));
        if (frame.size > headers && frame.bytes[20] == 17) {
            memcpy(payload, frame.bytes + headers, frame.size - headers);
            return (struct span){payload, frame.size - headers};
        }
    }
    return (struct span){NULL, 0};
}

void harness_replay(struct harness *from, struct harness *to, const char *config_text)
{
    harness_new(to, config_text, from->duid[sizeof(from->duid) - 1]);
    for (size_t at = 0; at < from->log_used;) {
        struct record record;
        uint16_t size;

        memcpy(&size, from->log + at, 2);
        T6_ASSERT(record_parse((struct span){from->log + at + 2, size}, &record) == 0);
        T6_ASSERT(server_replay(to->server, &record) == 0);
        at += 2u + size;
    }
    T6_ASSERT(store_load_done(to->server->store) == 0);
    to->now = from->now;
    harness_serve(to);
}

uint64_t harness_counter(const struct harness *h, enum counter counter)
{
    uint64_t sums[COUNTER_COUNT];

    server_counters_sum(h->server, sums);
    return sums[counter];
}

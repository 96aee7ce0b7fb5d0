#include "fake.h"

#include <stdlib.h>

#include "base/siphash.h"
#include "dhcp6/message.h"
#include "dhcp6/option.h"

enum {
    PREFIX_LENGTH = 56,
};

static void option_head(struct wire_out *out, uint16_t code, size_t size)
{
    wire_out_u16(out, code);
    wire_out_u16(out, (uint16_t)size);
}

static void status_write(struct wire_out *out, int status)
{
    if (status >= 0) {
        option_head(out, OPTION_STATUS_CODE, 2);
        wire_out_u16(out, (uint16_t)status);
    }
}

static void ia_write(struct wire_out *out, uint16_t code, const struct fake_ia *ia)
{
    size_t lease_size = code == OPTION_IA_NA ? 24 : 25;

    for (unsigned i = 0; i < ia->count; i++) {
        option_head(out, code,
                    12 + (ia->status >= 0 ? 6u : 0u) + ia->lease_count * (4 + lease_size));
        wire_out_u32(out, ia->iaid);
        wire_out_u32(out, ia->t1_s);
        wire_out_u32(out, ia->t2_s);
        for (unsigned k = 0; k < ia->lease_count; k++) {
            const struct answer_lease *lease = &ia->leases[k];

            option_head(out, code == OPTION_IA_NA ? OPTION_IAADDR : OPTION_IAPREFIX, lease_size);
            if (code == OPTION_IA_NA) {
                wire_out_ip6(out, lease->prefix);
            }
            wire_out_u32(out, lease->preferred_s);
            wire_out_u32(out, lease->valid_s);
            if (code == OPTION_IA_PD) {
                wire_out_u8(out, lease->length);
                wire_out_ip6(out, lease->prefix);
            }
        }
        status_write(out, ia->status);
    }
}

static void inner_write(struct wire_out *out, const struct fake_answer *answer)
{
    wire_out_u32(out, (uint32_t)answer->type << 24 | answer->xid);
    if (answer->client_id_size) {
        option_head(out, OPTION_CLIENTID, answer->client_id_size);
        wire_out_bytes(out, answer->client_id, answer->client_id_size);
    }
    for (unsigned i = 0; i < answer->server_id_count; i++) {
        option_head(out, OPTION_SERVERID, answer->server_id_size);
        wire_out_bytes(out, answer->server_id, answer->server_id_size);
    }
    option_head(out, OPTION_PREFERENCE, 1);
    wire_out_u8(out, answer->preference);
    if (answer->rapid_commit) {
        option_head(out, OPTION_RAPID_COMMIT, 0);
    }
    status_write(out, answer->status);
    ia_write(out, OPTION_IA_NA, &answer->na);
    ia_write(out, OPTION_IA_PD, &answer->pd);
}

static size_t answer_write(const struct fake_answer *answer, uint8_t *buf, size_t buf_size)
{
    struct wire_out out = wire_out_to(buf, buf_size);
    uint8_t *inner = NULL;

    if (answer->relayed) {
        wire_out_u8(&out, DHCP6_RELAY_REPL);
        wire_out_u8(&out, answer->hop_count);
        wire_out_ip6(&out, answer->link_address);
        wire_out_ip6(&out, answer->peer_address);
        option_head(&out, OPTION_INTERFACE_ID, answer->interface_id_size);
        wire_out_bytes(&out, answer->interface_id, answer->interface_id_size);
        option_head(&out, OPTION_RELAY_MSG, 0);
        inner = out.at;
    }
    inner_write(&out, answer);
    out.at -= answer->cut;
    if (inner) {
        wire_set_u16(inner - 2, (uint16_t)(out.at - inner));
    }
    T6_ASSERT(!out.failed);
    return (size_t)(out.at - buf);
}

struct leases fake_leases(uint32_t number)
{
    return (struct leases){.address = {0x20010db800000001, (uint64_t)number + 1},
                           .prefix = 0x20010db900000000 + ((uint64_t)number << 8),
                           .prefix_length = PREFIX_LENGTH,
                           .valid_s = FAKE_VALID_S};
}

static void ia_fill(struct fake_ia *ia, uint32_t iaid, struct ip6 prefix, uint8_t length)
{
    *ia = (struct fake_ia){.count = 1,
                           .iaid = iaid,
                           .t1_s = FAKE_VALID_S / 2,
                           .t2_s = FAKE_VALID_S / 4 * 3,
                           .status = -1,
                           .lease_count = 1};
    ia->leases[0] = (struct answer_lease){prefix, length, FAKE_VALID_S - 600, FAKE_VALID_S};
}

static void relay_fill(struct fake_answer *answer, const struct dhcp6_message *message)
{
    if (message->relay_count) {
        const struct dhcp6_relay *relay = &message->relays[0];

        answer->relayed = true;
        answer->hop_count = relay->hop_count;
        answer->link_address = relay->link_address;
        answer->peer_address = relay->peer_address;
        answer->interface_id_size = relay->interface_id.size;
        memcpy(answer->interface_id, relay->interface_id.data, relay->interface_id.size);
    }
}

static void answer_queue(struct fake *fake, const struct fake_answer *answer)
{
    struct fake_queued *queued;

    fake->random = hash_mix(fake->random + 0x9e3779b97f4a7c15ULL);
    if (fake->random % 100 < fake->loss_percent || fake->queue_count == FAKE_QUEUE) {
        return;
    }
    queued = &fake->queue[(fake->queue_first + fake->queue_count++) % FAKE_QUEUE];
    queued->due_ns = fake->now_ns + fake->delay_ns;
    queued->relay = (uint16_t)answer->relay;
    queued->size = (uint16_t)answer_write(answer, queued->data, sizeof(queued->data));
}

/* What server s says to the message. */
static void server_take(struct fake *fake, unsigned s, unsigned relay,
                        const struct dhcp6_message *message)
{
    struct fake_answer answer = {.relay = relay,
                                 .server_id = {0, 3, 0, 1, 2, 0xfa, (uint8_t)s},
                                 .server_id_size = 10,
                                 .server_id_count = 1,
                                 .preference = fake->servers[s].preference,
                                 .status = -1};
    struct leases leases = fake_leases(wire_get_u32(message->client_id.data + 10));

    if (message->server_id.data &&
        !span_equal(message->server_id, (struct span){answer.server_id, answer.server_id_size})) {
        return;
    }
    relay_fill(&answer, message);
    answer.xid = (uint32_t)message->xid[0] << 16 | (uint32_t)message->xid[1] << 8 | message->xid[2];
    answer.client_id_size = message->client_id.size;
    memcpy(answer.client_id, message->client_id.data, message->client_id.size);
    answer.rapid_commit = message->rapid_commit;
    answer.type =
        message->type == DHCP6_SOLICIT && !message->rapid_commit ? DHCP6_ADVERTISE : DHCP6_REPLY;
    for (unsigned i = 0; i < message->ia_count && message->type != DHCP6_RELEASE; i++) {
        if (message->ias[i].type == LEASE_TYPE_NA) {
            ia_fill(&answer.na, message->ias[i].iaid, leases.address, 128);
        } else {
            ia_fill(&answer.pd, message->ias[i].iaid, (struct ip6){leases.prefix, 0},
                    leases.prefix_length);
        }
    }
    if (!fake->spoil || fake->spoil(fake, &answer)) {
        answer_queue(fake, &answer);
    }
}

static unsigned fake_send(void *ctx, const struct datagram *datagrams, unsigned count)
{
    struct fake *fake = ctx;

    for (unsigned i = 0; i < count; i++) {
        struct dhcp6_message message;
        enum counter drop;

        if (fake->datagrams < sizeof(fake->send_times_ns) / sizeof(fake->send_times_ns[0])) {
            fake->send_times_ns[fake->datagrams] = fake->now_ns;
        }
        fake->datagrams++;
        if (dhcp6_message_parse((struct span){datagrams[i].data, datagrams[i].size}, &message,
                                &drop) != 0 ||
            message.client_id.size != CLIENT_DUID_SIZE) {
            fake->unreadable++;
            continue;
        }
        for (unsigned s = 0; s < fake->server_count; s++) {
            if (!fake->servers[s].dead) {
                server_take(fake, s, datagrams[i].relay, &message);
            }
        }
    }
    return 0;
}

static unsigned fake_receive(void *ctx, struct datagram *ret_datagrams)
{
    struct fake *fake = ctx;
    unsigned count = 0;

    while (count < IO_BURST && count < fake->queue_count) {
        struct fake_queued *queued = &fake->queue[(fake->queue_first + count) % FAKE_QUEUE];

        if (queued->due_ns > fake->now_ns) {
            break;
        }
        ret_datagrams[count++] = (struct datagram){queued->data, queued->size, queued->relay};
    }
    fake->queue_first = (fake->queue_first + count) % FAKE_QUEUE;
    fake->queue_count -= count;
    return count;
}

/* Until the next answer is due, at most. */
static void fake_wait(void *ctx, uint64_t timeout_ns)
{
    struct fake *fake = ctx;
    uint64_t until_ns = fake->now_ns + timeout_ns;

    if (fake->queue_count && fake->queue[fake->queue_first].due_ns < until_ns) {
        until_ns = fake->queue[fake->queue_first].due_ns;
    }
    fake->now_ns = until_ns > fake->now_ns ? until_ns : fake->now_ns + 1;
}

static uint64_t fake_now(void *ctx)
{
    return ((struct fake *)ctx)->now_ns;
}

static void fake_close(void *ctx)
{
    (void)ctx;
}

struct fake *fake_new(const struct settings *settings)
{
    struct fake *fake = calloc(1, sizeof(*fake));

    T6_ASSERT(fake);
    fake->settings = settings;
    fake->now_ns = 1000000000;
    fake->server_count = 1;
    return fake;
}

void fake_free(struct fake *fake)
{
    free(fake);
}

struct io fake_io(struct fake *fake)
{
    return (struct io){fake, fake_send, fake_receive, fake_wait, fake_now, fake_close};
}

void fake_run(struct fake *fake, struct engine *engine, double seconds)
{
    uint64_t end_ns = fake->now_ns + (uint64_t)(seconds * 1e9);

    while (!engine_is_finished(engine) && fake->now_ns < end_ns) {
        if (engine_turn(engine) == 0) {
            fake_wait(fake, engine_idle_ns(engine));
        }
    }
    engine_end(engine);
}

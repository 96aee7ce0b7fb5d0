#include "client_wire.h"

#include "base/err.h"
#include "dhcp6/message.h"
#include "dhcp6/option.h"

enum {
    RELAY_HEADER_SIZE = 34
};

static void option_put(struct wire_out *out, uint16_t code, const void *data, size_t size)
{
    wire_out_u16(out, code);
    wire_out_u16(out, (uint16_t)size);
    wire_out_bytes(out, data, size);
}

static void lease_put(struct wire_out *out, unsigned kind, const struct client_lease *lease)
{
    if (kind == 0) {
        wire_out_u16(out, OPTION_IAADDR);
        wire_out_u16(out, 24);
        wire_out_ip6(out, lease->resource.prefix);
        wire_out_u32(out, lease->preferred_s);
        wire_out_u32(out, lease->valid_s);
    } else {
        wire_out_u16(out, OPTION_IAPREFIX);
        wire_out_u16(out, 25);
        wire_out_u32(out, lease->preferred_s);
        wire_out_u32(out, lease->valid_s);
        wire_out_u8(out, lease->resource.length);
        wire_out_ip6(out, lease->resource.prefix);
    }
}

static void ia_put(struct wire_out *out, unsigned kind, const struct client_ia *ia)
{
    size_t inner = ia->lease_count * (kind == 0 ? 28u : 29u);

    wire_out_u16(out, kind == 0 ? OPTION_IA_NA : OPTION_IA_PD);
    wire_out_u16(out, (uint16_t)(12 + inner));
    wire_out_u32(out, ia->iaid);
    wire_out_u32(out, ia->t1_s);
    wire_out_u32(out, ia->t2_s);
    for (unsigned i = 0; i < ia->lease_count; i++) {
        lease_put(out, kind, &ia->leases[i]);
    }
}

size_t client_message_put(const struct client_message *message, uint8_t *buf, size_t buf_size)
{
    struct wire_out out = wire_out_to(buf, buf_size);

    wire_out_u32(&out, (uint32_t)message->type << 24 | message->xid);
    option_put(&out, OPTION_CLIENTID, message->client_id, message->client_id_size);
    if (message->server_id_size) {
        option_put(&out, OPTION_SERVERID, message->server_id, message->server_id_size);
    }
    if (message->rapid_commit) {
        option_put(&out, OPTION_RAPID_COMMIT, NULL, 0);
    }
    for (unsigned kind = 0; kind < CLIENT_IAS; kind++) {
        if (message->ias[kind].present) {
            ia_put(&out, kind, &message->ias[kind]);
        }
    }
    T6_ASSERT(!out.failed);
    return (size_t)(out.at - buf);
}

static void lease_read(struct wire_in *data, unsigned kind, struct client_ia *ia)
{
    struct client_lease *lease = &ia->leases[ia->lease_count];

    if (ia->lease_count == CLIENT_IA_LEASES) {
        return;
    }
    if (kind == 0) {
        lease->resource = (struct resource){wire_in_ip6(data), 128, LEASE_TYPE_NA};
        lease->preferred_s = wire_in_u32(data);
        lease->valid_s = wire_in_u32(data);
    } else {
        lease->preferred_s = wire_in_u32(data);
        lease->valid_s = wire_in_u32(data);
        lease->resource.length = wire_in_u8(data);
        lease->resource.type = LEASE_TYPE_PD;
        lease->resource.prefix = wire_in_ip6(data);
    }
    ia->lease_count++;
}

static void ia_read(struct wire_in in, unsigned kind, struct client_ia *ia)
{
    ia->present = true;
    ia->iaid = wire_in_u32(&in);
    ia->t1_s = wire_in_u32(&in);
    ia->t2_s = wire_in_u32(&in);
    while (wire_in_left(&in)) {
        uint16_t code = wire_in_u16(&in);
        struct wire_in data = wire_in_from(wire_in_span(&in, wire_in_u16(&in)));

        if (code == OPTION_STATUS_CODE) {
            ia->status = wire_in_u16(&data);
        } else if (code == (kind == 0 ? OPTION_IAADDR : OPTION_IAPREFIX)) {
            lease_read(&data, kind, ia);
        }
    }
}

static void id_read(struct span data, uint8_t *id, size_t *ret_size)
{
    if (data.size <= DUID_SIZE_MAX) {
        memcpy(id, data.data, data.size);
        *ret_size = data.size;
    }
}

static bool plain_read(struct wire_in in, struct client_message *ret_message)
{
    uint32_t head = wire_in_u32(&in);

    *ret_message = (struct client_message){.type = (uint8_t)(head >> 24), .xid = head & 0xffffff};
    while (wire_in_left(&in)) {
        uint16_t code = wire_in_u16(&in);
        struct span data = wire_in_span(&in, wire_in_u16(&in));

        if (code == OPTION_SERVERID) {
            id_read(data, ret_message->server_id, &ret_message->server_id_size);
        } else if (code == OPTION_CLIENTID) {
            id_read(data, ret_message->client_id, &ret_message->client_id_size);
        } else if (code == OPTION_STATUS_CODE && data.size >= 2) {
            ret_message->status = wire_get_u16(data.data);
        } else if (code == OPTION_RAPID_COMMIT) {
            ret_message->rapid_commit = true;
        } else if (code == OPTION_IA_NA || code == OPTION_IA_PD) {
            unsigned kind = code == OPTION_IA_PD;

            ia_read(wire_in_from(data), kind, &ret_message->ias[kind]);
        }
    }
    return !in.failed;
}

bool client_message_read(struct span payload, struct client_message *ret_message,
                         struct ip6 *ret_peer)
{
    struct wire_in in = wire_in_from(payload);

    if (payload.size < RELAY_HEADER_SIZE || payload.data[0] != DHCP6_RELAY_REPL) {
        *ret_peer = (struct ip6){0, 0};
        return payload.size >= 4 && plain_read(in, ret_message);
    }
    *ret_peer = wire_get_ip6(payload.data + 18);
    (void)wire_in_span(&in, RELAY_HEADER_SIZE);
    while (wire_in_left(&in)) {
        uint16_t code = wire_in_u16(&in);
        struct span data = wire_in_span(&in, wire_in_u16(&in));

        if (code == OPTION_RELAY_MSG) {
            return data.size >= 4 && data.data[0] != DHCP6_RELAY_REPL &&
                   plain_read(wire_in_from(data), ret_message);
        }
    }
    return false;
}

size_t client_relay_put(const struct client_relay *relay, struct span message, uint8_t *buf,
                        size_t buf_size)
{
    struct wire_out out = wire_out_to(buf, buf_size);

    wire_out_u16(&out, DHCP6_RELAY_FORW << 8);
    wire_out_ip6(&out, relay->address);
    wire_out_ip6(&out, relay->peer);
    if (relay->interface) {
        option_put(&out, OPTION_INTERFACE_ID, relay->interface, strlen(relay->interface));
    }
    option_put(&out, OPTION_RELAY_MSG, message.data, message.size);
    T6_ASSERT(!out.failed);
    return (size_t)(out.at - buf);
}

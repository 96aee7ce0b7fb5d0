#include "message.h"

#include "dhcp6/message.h"
#include "dhcp6/option.h"

/* RFC 9915 7.6. RENEW and REBIND end with T2 and the lifetimes there, here with
 * settings.renew_tries and settings.tries or the lifetimes. */
const struct message_row message_rows[MESSAGE_KINDS] = {
    [MESSAGE_SOLICIT] = {"solicit", DHCP6_SOLICIT, false, false, 1000, 3600000, 0},
    [MESSAGE_RAPID] = {"rapid", DHCP6_SOLICIT, false, false, 1000, 3600000, 0},
    [MESSAGE_REQUEST] = {"request", DHCP6_REQUEST, true, true, 1000, 30000, 10},
    [MESSAGE_RENEW] = {"renew", DHCP6_RENEW, true, true, 10000, 600000, 0},
    [MESSAGE_REBIND] = {"rebind", DHCP6_REBIND, false, true, 10000, 600000, 0},
    [MESSAGE_RELEASE] = {"release", DHCP6_RELEASE, true, true, 1000, 0, 4},
};

uint32_t message_rt_ms(const struct settings *settings, const struct client *client,
                       uint32_t random)
{
    const struct message_row *row = &message_rows[client->kind];
    double factor = (double)random / UINT32_MAX * 0.2 - 0.1; /* RAND */
    double previous = client->rt_ms, rt;
    double irt = row->irt_ms * settings->backoff_scale, mrt = row->mrt_ms * settings->backoff_scale;

    if (client->tries <= 1) {
        if (row->type == DHCP6_SOLICIT && factor < 0) {
            factor = -factor;
        }
        rt = irt + factor * irt;
    } else {
        rt = 2 * previous + factor * previous;
        if (row->mrt_ms && rt > mrt) {
            rt = mrt + factor * mrt;
        }
    }
    if (rt < 1) {
        return 1;
    }
    return rt < 0xffffff ? (uint32_t)rt : 0xffffff;
}

bool message_is_exhausted(const struct settings *settings, const struct client *client)
{
    unsigned max = settings->tries ? settings->tries : message_rows[client->kind].mrc;

    if (client->kind == MESSAGE_RENEW && settings->renew_tries) {
        max = settings->renew_tries;
    }
    return max && client->tries >= max;
}

unsigned message_relay_index(const struct settings *settings, uint32_t number)
{
    return settings->relay_count ? number % settings->relay_count : 0;
}

struct ip6 message_link_address(const struct settings *settings, uint32_t number)
{
    return ip6_is_zero(settings->link_address)
               ? settings->relays[message_relay_index(settings, number)]
               : settings->link_address;
}

void message_interface_id(uint32_t number, uint8_t *ret_id)
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < MESSAGE_INTERFACE_ID_SIZE; i++) {
        ret_id[i] = (uint8_t)digits[number >> (28 - 4 * i) & 15];
    }
}

static void option_head(struct wire_out *out, uint16_t code, size_t size)
{
    wire_out_u16(out, code);
    wire_out_u16(out, (uint16_t)size);
}

static void ia_head(struct wire_out *out, uint16_t code, uint32_t iaid, size_t size)
{
    option_head(out, code, 12 + size);
    wire_out_u32(out, iaid);
    wire_out_u64(out, 0); /* T1, T2: clients leave them to the server */
}

/* Lifetimes are 0: servers ignore what clients say (RFC 9915 21.6). */
static void ias_write(struct wire_out *out, const struct settings *settings,
                      const struct client *client)
{
    bool named = message_rows[client->kind].names_leases;

    if (settings->na) {
        bool lease = named && !ip6_is_zero(client->address);

        ia_head(out, OPTION_IA_NA, CLIENT_IAID_NA, lease ? 28 : 0);
        if (lease) {
            option_head(out, OPTION_IAADDR, 24);
            wire_out_ip6(out, client->address);
            wire_out_u64(out, 0);
        }
    }
    if (settings->pd) {
        bool lease = named && client->prefix_length;

        ia_head(out, OPTION_IA_PD, CLIENT_IAID_PD, lease ? 29 : 0);
        if (lease) {
            option_head(out, OPTION_IAPREFIX, 25);
            wire_out_u64(out, 0);
            wire_out_u8(out, client->prefix_length);
            wire_out_ip6(out, (struct ip6){client->prefix, 0});
        }
    }
}

static void client_message_write(struct wire_out *out, const struct settings *settings,
                                 const struct client *client, uint32_t number,
                                 struct span server_id, uint16_t elapsed_cs)
{
    /* SOL_MAX_RT must be asked for in all that may be answered with it (RFC 9915 21.24). */
    static const uint16_t codes[] = {OPTION_DNS_SERVERS, OPTION_DOMAIN_LIST, OPTION_SOL_MAX_RT};
    const struct message_row *row = &message_rows[client->kind];
    uint8_t duid[CLIENT_DUID_SIZE];

    wire_out_u32(out, (uint32_t)row->type << 24 | client->xid);
    client_duid(number, duid);
    option_head(out, OPTION_CLIENTID, sizeof(duid));
    wire_out_bytes(out, duid, sizeof(duid));
    if (row->names_server) {
        option_head(out, OPTION_SERVERID, server_id.size);
        wire_out_bytes(out, server_id.data, server_id.size);
    }
    ias_write(out, settings, client);
    if (client->kind == MESSAGE_RAPID) {
        option_head(out, OPTION_RAPID_COMMIT, 0);
    }
    if (client->kind != MESSAGE_RELEASE) {
        option_head(out, OPTION_ORO, sizeof(codes));
        for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
            wire_out_u16(out, codes[i]);
        }
    }
    option_head(out, OPTION_ELAPSED_TIME, 2);
    wire_out_u16(out, elapsed_cs);
}

/* RELAY-FORW up to its Relay Message's data, whose size is filled in later at the returned place.
 */
static uint8_t *relay_head_write(struct wire_out *out, const struct settings *settings,
                                 uint32_t number)
{
    uint8_t id[MESSAGE_INTERFACE_ID_SIZE];

    wire_out_u8(out, DHCP6_RELAY_FORW);
    wire_out_u8(out, 0);
    wire_out_ip6(out, message_link_address(settings, number));
    wire_out_ip6(out, client_link_local(number));
    message_interface_id(number, id);
    option_head(out, OPTION_INTERFACE_ID, sizeof(id));
    wire_out_bytes(out, id, sizeof(id));
    if (settings->remote_id) {
        option_head(out, OPTION_REMOTE_ID, 4 + sizeof(id));
        wire_out_u32(out, 3561); /* Broadband Forum */
        wire_out_bytes(out, id, sizeof(id));
    }
    option_head(out, OPTION_RELAY_MSG, 0);
    return out->at;
}

size_t message_write(const struct settings *settings, const struct client *client, uint32_t number,
                     struct span server_id, uint16_t elapsed_cs, uint8_t *buf)
{
    struct wire_out out = wire_out_to(buf, MESSAGE_SIZE_MAX);
    uint8_t *inner = settings->direct ? NULL : relay_head_write(&out, settings, number);

    client_message_write(&out, settings, client, number, server_id, elapsed_cs);
    T6_ASSERT(!out.failed);
    if (inner) {
        wire_set_u16(inner - 2, (uint16_t)(out.at - inner));
    }
    return (size_t)(out.at - buf);
}

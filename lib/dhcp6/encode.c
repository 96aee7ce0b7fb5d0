/* A plan to the bytes of its answer. First what the client must get (identifiers, IAs, statuses),
 * then each option as long as it fits; the relay chain is opened before and closed after. Workers,
 * once per answer. */
#include "dhcp6/encode_family.h"
#include "dhcp6/exclude.h"
#include "dhcp6/fqdn.h"

static void relays_open(struct encoder *encoder);
static void relays_close(struct encoder *encoder);
static void mandatory_put(struct encoder *encoder);
static void reconfigure_key_put(struct wire_out *out, const struct plan *plan);
static void preference_put(struct encoder *encoder);

size_t dhcp6_encode(const struct policy *policy, const struct dhcp6_message *message,
                    const struct plan *plan, struct encode_cache *cache, uint8_t *buf,
                    size_t buf_size)
{
    struct encoder encoder; /* set field by field: it is large and mostly unused */

    T6_ASSERT(plan->verdict == PLAN_REPLY);
    encoder.policy = policy;
    encoder.message = message;
    encoder.plan = plan;
    /* Sizes on the wire have 16 bits. */
    encoder.out = wire_out_to(buf, buf_size < UINT16_MAX ? buf_size : UINT16_MAX);
    relays_open(&encoder);
    mandatory_put(&encoder);
    if (encoder.out.failed) {
        return 0;
    }
    preference_put(&encoder);
    encode_options(&encoder, cache);
    relays_close(&encoder);
    return (size_t)(encoder.out.at - buf);
}

static void option_put(struct wire_out *out, uint16_t code, const void *data, size_t size)
{
    uint8_t *p = wire_out_room(out, OPTION_HEADER_SIZE + size);

    if (p != NULL) {
        wire_set_u16(p, code);
        wire_set_u16(p + 2, (uint16_t)size);
        if (size > 0) {
            memcpy(p + OPTION_HEADER_SIZE, data, size);
        }
    }
}

/* Opens an option whose size is known later: returns the size field, NULL when out is full. */
static uint8_t *option_open(struct wire_out *out, uint16_t code)
{
    uint8_t *p = wire_out_room(out, OPTION_HEADER_SIZE);

    if (p == NULL) {
        return NULL;
    }
    wire_set_u16(p, code);
    return p + 2;
}

static void option_close(const struct wire_out *out, uint8_t *size_field)
{
    if (size_field != NULL && !out->failed) {
        wire_set_u16(size_field, (uint16_t)(out->at - size_field - 2));
    }
}

/* --- Relays ---------------------------------------------------------------------------------- */

/* Copies every instance of the code from a relay's options, verbatim. */
static void echo_put(struct wire_out *out, struct span options, uint16_t code)
{
    struct wire_in in = wire_in_from(options);

    for (unsigned i = 0; i < TLVS_MAX && wire_in_left(&in) > 0; i++) {
        uint16_t found;
        struct span tlv = tlv_next(&in, &found);

        if (found == code) {
            wire_out_bytes(out, tlv.data, tlv.size);
        }
    }
}

static bool codes_have(const uint8_t *codes, size_t count, uint16_t code)
{
    for (size_t i = 0; i < count; i++) {
        if (wire_get_u16(codes + 2 * i) == code) {
            return true;
        }
    }
    return false;
}

/* RFC 4994 5: each option the relay wants back, unless the Relay-reply has it already: Relay
 * Message always, Interface-Id and Relay Source Port if they were there at all, or an earlier echo
 * of the same code. */
static void echoes_put(struct wire_out *out, const struct dhcp6_relay *relay)
{
    size_t count = relay->echo_request.size / 2;

    if (count > ECHOES_MAX) {
        count = ECHOES_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t code = wire_get_u16(relay->echo_request.data + 2 * i);

        if (code != OPTION_RELAY_MSG && code != OPTION_INTERFACE_ID && code != OPTION_RELAY_PORT &&
            !codes_have(relay->echo_request.data, i, code)) {
            echo_put(out, relay->options, code);
        }
    }
}

/* Relay-reply headers from the outside in, each with its options before its Relay Message, so that
 * all Relay Messages end where the answer ends (RFC 9915 19.3, 9.2). Interface-Id MUST come back
 * (21.18), the empty one too; Relay Source Port as it came (RFC 8357 5.2). */
static void relays_open(struct encoder *encoder)
{
    const struct dhcp6_message *message = encoder->message;
    struct wire_out *out = &encoder->out;

    for (unsigned i = 0; i < message->relay_count; i++) {
        const struct dhcp6_relay *relay = &message->relays[i];

        wire_out_u8(out, DHCP6_RELAY_REPL);
        wire_out_u8(out, relay->hop_count);
        wire_out_ip6(out, relay->link_address);
        wire_out_ip6(out, relay->peer_address);
        if (relay->interface_id.data != NULL) {
            option_put(out, OPTION_INTERFACE_ID, relay->interface_id.data,
                       relay->interface_id.size);
        }
        if (relay->has_relay_port) {
            wire_out_u16(out, OPTION_RELAY_PORT);
            wire_out_u16(out, sizeof(relay->relay_port));
            wire_out_u16(out, relay->relay_port);
        }
        echoes_put(out, relay);
        encoder->relay_msg_sizes[i] = option_open(out, OPTION_RELAY_MSG);
    }
}

static void relays_close(struct encoder *encoder)
{
    for (unsigned i = 0; i < encoder->message->relay_count; i++) {
        option_close(&encoder->out, encoder->relay_msg_sizes[i]);
    }
}

/* --- What every answer has ------------------------------------------------------------------- */

/* Short texts for people with packet dumps; clients go by the code. */
static const char *const status_texts[] = {
    [STATUS_SUCCESS] = "success",
    [STATUS_UNSPEC_FAIL] = "failed",
    [STATUS_NO_ADDRS_AVAIL] = "no addresses available",
    [STATUS_NO_BINDING] = "no binding",
    [STATUS_NOT_ON_LINK] = "not on link",
    [STATUS_NO_PREFIX_AVAIL] = "no prefixes available",
};

static void status_put(struct wire_out *out, uint16_t status)
{
    const char *text = NULL;
    size_t size;

    if (status < sizeof(status_texts) / sizeof(status_texts[0])) {
        text = status_texts[status];
    }
    size = text != NULL ? strlen(text) : 0;
    wire_out_u16(out, OPTION_STATUS_CODE);
    wire_out_u16(out, (uint16_t)(2 + size));
    wire_out_u16(out, status);
    wire_out_bytes(out, text, size);
}

static void exclude_put(struct wire_out *out, const struct plan_lease *lease)
{
    uint8_t bytes[DHCP6_EXCLUDE_SIZE_MAX];
    size_t size = dhcp6_exclude(lease->pool, bytes);

    wire_out_u16(out, OPTION_PD_EXCLUDE);
    wire_out_u16(out, (uint16_t)size);
    wire_out_bytes(out, bytes, size);
}

/* True when the client understands Prefix Exclude (RFC 6603 6.2: named in its ORO) and the prefix
 * is a live unit of a pool that excludes. */
static bool exclude_wanted(const struct encoder *encoder, const struct plan_lease *lease)
{
    const struct pool *pool = lease->pool;

    return pool != NULL && lease->valid_s > 0 && lease->resource.length == pool->delegated_length &&
           dhcp6_excludes(pool) && dhcp6_oro_has(encoder->message, OPTION_PD_EXCLUDE);
}

static void lease_put(struct encoder *encoder, const struct plan_lease *lease)
{
    struct wire_out *out = &encoder->out;
    uint8_t *p;

    if (lease->resource.type == LEASE_TYPE_NA) {
        p = wire_out_room(out, OPTION_HEADER_SIZE + IAADDR_SIZE);
        if (p != NULL) {
            wire_set_u32(p, (uint32_t)OPTION_IAADDR << 16 | IAADDR_SIZE);
            wire_set_ip6(p + 4, lease->resource.prefix);
            wire_set_u32(p + 20, lease->preferred_s);
            wire_set_u32(p + 24, lease->valid_s);
        }
        return;
    }
    p = wire_out_room(out, OPTION_HEADER_SIZE + IAPREFIX_SIZE);
    if (p == NULL) {
        return;
    }
    wire_set_u32(p, (uint32_t)OPTION_IAPREFIX << 16 | IAPREFIX_SIZE);
    wire_set_u32(p + 4, lease->preferred_s);
    wire_set_u32(p + 8, lease->valid_s);
    p[12] = lease->resource.length;
    wire_set_ip6(p + 13, lease->resource.prefix);
    if (exclude_wanted(encoder, lease)) {
        exclude_put(out, lease);
        option_close(out, p + 2);
    }
}

static void ia_put(struct encoder *encoder, const struct plan_ia *ia)
{
    struct wire_out *out = &encoder->out;
    uint8_t *p = wire_out_room(out, OPTION_HEADER_SIZE + IA_SIZE);

    if (p == NULL) {
        return;
    }
    wire_set_u16(p, ia->type);
    wire_set_u32(p + 4, ia->iaid);
    wire_set_u32(p + 8, ia->t1_s);
    wire_set_u32(p + 12, ia->t2_s);
    for (unsigned i = 0; i < ia->lease_count; i++) {
        lease_put(encoder, &encoder->plan->leases[ia->lease_first + i]);
    }
    if (ia->has_status) {
        status_put(out, ia->status);
    }
    option_close(out, p + 2);
}

/* RFC 9915 18.3: every answer has our Server Identifier and the client's own identifier, if it gave
 * one. Rapid Commit MUST be in the Reply it led to (21.14). */
static void mandatory_put(struct encoder *encoder)
{
    const struct dhcp6_message *message = encoder->message;
    const struct plan *plan = encoder->plan;
    struct wire_out *out = &encoder->out;

    T6_ASSERT(plan->ia_count <= DHCP6_IAS_MAX);
    wire_out_u8(out, plan->reply_type);
    wire_out_bytes(out, message->xid, sizeof(message->xid));
    option_put(out, OPTION_SERVERID, encoder->policy->server_duid.data,
               encoder->policy->server_duid.size);
    if (message->client_id.size > 0) {
        option_put(out, OPTION_CLIENTID, message->client_id.data, message->client_id.size);
    }
    for (unsigned i = 0; i < plan->ia_count; i++) {
        T6_ASSERT(plan->ias[i].lease_first + plan->ias[i].lease_count <= PLAN_LEASES_MAX);
        ia_put(encoder, &plan->ias[i]);
    }
    if (plan->has_status) {
        status_put(out, plan->status);
    }
    if (plan->rapid_commit) {
        option_put(out, OPTION_RAPID_COMMIT, NULL, 0);
    }
    if (plan->reconfigure_key.size) {
        reconfigure_key_put(out, plan);
    }
}

/* RFC 9915 20.4.2: Reconfigure Accept, and the key in an Authentication option: protocol 3,
 * algorithm 1, RDM 0, a rising replay value, type 1. */
static void reconfigure_key_put(struct wire_out *out, const struct plan *plan)
{
    option_put(out, OPTION_RECONF_ACCEPT, NULL, 0);
    wire_out_u16(out, OPTION_AUTH);
    wire_out_u16(out, (uint16_t)(3 + 8 + 1 + plan->reconfigure_key.size));
    wire_out_u8(out, 3);
    wire_out_u8(out, 1);
    wire_out_u8(out, 0);
    wire_out_u64(out, (uint64_t)plan->now << 32);
    wire_out_u8(out, 1);
    wire_out_bytes(out, plan->reconfigure_key.data, plan->reconfigure_key.size);
}

/* RFC 9915 18.3.9: in Advertise only; 0 is what its absence means. */
static void preference_put(struct encoder *encoder)
{
    const struct plan *plan = encoder->plan;
    struct wire_out before = encoder->out;

    if (plan->reply_type != DHCP6_ADVERTISE || plan->link == POLICY_LINK_NONE ||
        encoder->policy->links[plan->link].preference == 0) {
        return;
    }
    option_put(&encoder->out, OPTION_PREFERENCE, &encoder->policy->links[plan->link].preference, 1);
    if (encoder->out.failed) {
        encoder->out = before;
    }
}

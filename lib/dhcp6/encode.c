/* A plan to the bytes of its answer. First what the client must get (identifiers, IAs, statuses),
 * then each option as long as it fits; the relay chain is opened before and closed after. Workers,
 * once per answer. */
#include "dhcp6/encode.h"

#include "dhcp6/exclude.h"
#include "dhcp6/fqdn.h"

enum {
    OPTION_HEADER_SIZE = 4, /* code, size */
    IA_SIZE = 12,           /* IAID, T1, T2 */
    IAADDR_SIZE = 24,       /* address, lifetimes */
    IAPREFIX_SIZE = 25,     /* lifetimes, length, prefix */
    SENT_MAX = 64,          /* different option codes in one answer */
    SETS_MAX = 2 + POLICY_CLASSES_MAX,
    ECHOES_MAX = 16,  /* codes of an Echo Request that we look at */
    VENDORS_MAX = 16, /* different enterprises in one answer */
    TLVS_MAX = 64,    /* options of one set entry, of one RSOO or of one relay that we look at */
};

struct encoder {
    const struct dhcp6_message *message;
    const struct plan *plan;
    struct wire_out out;
    const struct policy_options *sets[SETS_MAX]; /* in order of precedence */
    unsigned set_count;
    uint16_t sent[SENT_MAX]; /* codes of the options below */
    unsigned sent_count;
    uint8_t *relay_msg_sizes[DHCP6_RELAYS_MAX]; /* size fields to fill in */
};

static void relays_open(struct encoder *encoder);
static void relays_close(struct encoder *encoder);
static void mandatory_put(struct encoder *encoder, const struct policy *policy);
static void options_put(struct encoder *encoder);
static void sets_collect(struct encoder *encoder, const struct policy *policy);
static void reconfigure_key_put(struct wire_out *out, const struct plan *plan);
static void preference_put(struct encoder *encoder, const struct policy *policy);

size_t dhcp6_encode(const struct policy *policy, const struct dhcp6_message *message,
                    const struct plan *plan, uint8_t *buf, size_t buf_size)
{
    struct encoder encoder; /* set field by field: it is large and mostly unused */

    T6_ASSERT(plan->verdict == PLAN_REPLY);
    encoder.message = message;
    encoder.plan = plan;
    encoder.set_count = encoder.sent_count = 0;
    /* Sizes on the wire have 16 bits. */
    encoder.out = wire_out_to(buf, buf_size < UINT16_MAX ? buf_size : UINT16_MAX);
    relays_open(&encoder);
    mandatory_put(&encoder, policy);
    if (encoder.out.failed) {
        return 0;
    }
    preference_put(&encoder, policy);
    sets_collect(&encoder, policy);
    options_put(&encoder);
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

/* The next whole TLV of a run of options; size 0 at the end or where the run is broken. */
static struct span tlv_next(struct wire_in *in, uint16_t *ret_code)
{
    const uint8_t *start = in->at;

    *ret_code = wire_in_u16(in);
    (void)wire_in_span(in, wire_in_u16(in));
    return in->failed ? (struct span){NULL, 0} : (struct span){start, (size_t)(in->at - start)};
}

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
static void mandatory_put(struct encoder *encoder, const struct policy *policy)
{
    const struct dhcp6_message *message = encoder->message;
    const struct plan *plan = encoder->plan;
    struct wire_out *out = &encoder->out;

    T6_ASSERT(plan->ia_count <= DHCP6_IAS_MAX);
    wire_out_u8(out, plan->reply_type);
    wire_out_bytes(out, message->xid, sizeof(message->xid));
    option_put(out, OPTION_SERVERID, policy->server_duid.data, policy->server_duid.size);
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
static void preference_put(struct encoder *encoder, const struct policy *policy)
{
    const struct plan *plan = encoder->plan;
    struct wire_out before = encoder->out;

    if (plan->reply_type != DHCP6_ADVERTISE || plan->link == POLICY_LINK_NONE ||
        policy->links[plan->link].preference == 0) {
        return;
    }
    option_put(&encoder->out, OPTION_PREFERENCE, &policy->links[plan->link].preference, 1);
    if (encoder->out.failed) {
        encoder->out = before;
    }
}

/* --- Options nobody needs for the leases ----------------------------------------------------- */

/* Reservation before classes in bit order before the link. */
static void sets_collect(struct encoder *encoder, const struct policy *policy)
{
    const struct plan *plan = encoder->plan;
    uint64_t classes = plan->classes;

    if (plan->reservation != NULL && plan->reservation->options.count > 0) {
        encoder->sets[encoder->set_count++] = &plan->reservation->options;
    }
    while (classes != 0) { /* at most POLICY_CLASSES_MAX turns: one bit less each */
        unsigned class = (unsigned)__builtin_ctzll(classes);

        classes &= classes - 1;
        if (class < policy->class_count && policy->classes[class].options.count > 0) {
            encoder->sets[encoder->set_count++] = &policy->classes[class].options;
        }
    }
    if (plan->link != POLICY_LINK_NONE) {
        encoder->sets[encoder->set_count++] = &policy->links[plan->link].options;
    }
}

/* True when the code is in the answer: each is sent once, however often the ORO says it. */
static bool sent_before(const struct encoder *encoder, uint16_t code)
{
    for (unsigned i = 0; i < encoder->sent_count; i++) {
        if (encoder->sent[i] == code) {
            return true;
        }
    }
    return false;
}

/* True when the answer may carry the code at its top level at all. Codes without a row are custom
 * options: the operator knows. */
static bool code_allowed(const struct encoder *encoder, uint16_t code)
{
    const struct dhcp6_option_row *row = dhcp6_option_row(code);

    /* RFC 9915 21.23: only in answers to INFORMATION-REQUEST. */
    if (code == OPTION_INFORMATION_REFRESH_TIME) {
        return encoder->message->type == DHCP6_INFORMATION_REQUEST;
    }
    return row == NULL || (row->requestable && (row->where & OPTION_FROM_SERVER));
}

/* The client's FQDN, RFC 4704 6. Nothing is configured for it. */
static void fqdn_put(struct encoder *encoder)
{
    struct wire_out *out = &encoder->out;
    struct span name;
    uint8_t flags;

    if (!dhcp6_fqdn_answer(encoder->message->fqdn, &flags, &name)) {
        return;
    }
    wire_out_u16(out, OPTION_CLIENT_FQDN);
    wire_out_u16(out, (uint16_t)(1 + name.size));
    wire_out_u8(out, flags);
    wire_out_bytes(out, name.data, name.size);
}

/* RFC 9915 21.17 lets the client's Vendor Class options restrict the enterprises; without any, all
 * that is configured is sent. */
static bool vendor_wanted(const struct dhcp6_message *message, uint32_t enterprise)
{
    for (unsigned i = 0; i < message->vendor_count; i++) {
        if (wire_get_u32(message->vendors[i].data) == enterprise) {
            return true;
        }
    }
    return message->vendor_count == 0;
}

struct vendors {
    uint32_t numbers[VENDORS_MAX];
    unsigned count;
};

/* False when the enterprise was noted before: MUST NOT be sent twice (RFC 9915 21.17). */
static bool vendor_note(struct vendors *vendors, uint32_t enterprise)
{
    for (unsigned i = 0; i < vendors->count; i++) {
        if (vendors->numbers[i] == enterprise) {
            return false;
        }
    }
    if (vendors->count == VENDORS_MAX) {
        return false;
    }
    vendors->numbers[vendors->count++] = enterprise;
    return true;
}

/* Vendor options, one per enterprise, each from the set that comes first with it. */
static void vendor_opts_put(struct encoder *encoder)
{
    struct vendors vendors = {.count = 0};

    for (unsigned s = 0; s < encoder->set_count; s++) {
        const struct policy_option *option =
            policy_option_find(encoder->sets[s], OPTION_VENDOR_OPTS);
        struct wire_in in = wire_in_from(option != NULL ? option->tlv : (struct span){NULL, 0});

        for (unsigned i = 0; i < TLVS_MAX && wire_in_left(&in) > 0; i++) {
            uint16_t code;
            struct span tlv = tlv_next(&in, &code);

            if (tlv.size >= 8 && vendor_wanted(encoder->message, wire_get_u32(tlv.data + 4)) &&
                vendor_note(&vendors, wire_get_u32(tlv.data + 4))) {
                wire_out_bytes(&encoder->out, tlv.data, tlv.size);
            }
        }
    }
}

/* RFC 6422 6: an option we have nothing for may come from a relay, the one nearest the client that
 * has it, and only if it is RSOO-enabled. */
static void relay_supplied_put(struct encoder *encoder, uint16_t code)
{
    const struct dhcp6_option_row *row = dhcp6_option_row(code);

    if (row == NULL || !row->relay_may_supply) {
        return;
    }
    for (unsigned r = encoder->message->relay_count; r > 0; r--) {
        struct wire_in in = wire_in_from(encoder->message->relays[r - 1].rsoo);

        for (unsigned i = 0; i < TLVS_MAX && wire_in_left(&in) > 0; i++) {
            uint16_t found;
            struct span tlv = tlv_next(&in, &found);

            if (tlv.size >= 4 && found == code && dhcp6_option_size_valid(row, tlv.size - 4)) {
                wire_out_bytes(&encoder->out, tlv.data, tlv.size);
                return;
            }
        }
    }
}

/* What we have under the code, from the first set that has it. */
static void configured_put(struct encoder *encoder, uint16_t code)
{
    for (unsigned s = 0; s < encoder->set_count; s++) {
        const struct policy_option *option = policy_option_find(encoder->sets[s], code);

        if (option != NULL) {
            wire_out_bytes(&encoder->out, option->tlv.data, option->tlv.size);
            return;
        }
    }
    relay_supplied_put(encoder, code);
}

/* One code, wanted by client or operator. An option that does not fit is left out, whole. */
static void code_put(struct encoder *encoder, uint16_t code)
{
    struct wire_out before = encoder->out;

    if (encoder->sent_count == SENT_MAX || !code_allowed(encoder, code) ||
        sent_before(encoder, code)) {
        return;
    }
    if (code == OPTION_CLIENT_FQDN) {
        fqdn_put(encoder);
    } else if (code == OPTION_VENDOR_OPTS) {
        vendor_opts_put(encoder);
    } else {
        configured_put(encoder, code);
    }
    if (encoder->out.failed) {
        encoder->out = before;
    } else if (encoder->out.at != before.at) { /* codes we have nothing for take no room */
        encoder->sent[encoder->sent_count++] = code;
    }
}

/* Options the operator forces, on answers that configure a client. FQDN is never forced: RFC 4704 6
 * wants it asked for. */
static void always_put(struct encoder *encoder)
{
    for (unsigned s = 0; s < encoder->set_count; s++) {
        for (unsigned i = 0; i < encoder->sets[s]->count; i++) {
            const struct policy_option *option = &encoder->sets[s]->options[i];

            if (option->always && option->code != OPTION_CLIENT_FQDN) {
                code_put(encoder, option->code);
            }
        }
    }
}

static void options_put(struct encoder *encoder)
{
    const struct dhcp6_message *message = encoder->message;
    size_t count = message->oro.size / 2;

    if (count > DHCP6_ORO_CODES_MAX) {
        count = DHCP6_ORO_CODES_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        code_put(encoder, wire_get_u16(message->oro.data + 2 * i));
    }
    if (message->type != DHCP6_CONFIRM && message->type != DHCP6_RELEASE &&
        message->type != DHCP6_DECLINE) {
        always_put(encoder);
    }
}

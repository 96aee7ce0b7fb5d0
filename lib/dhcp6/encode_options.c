/* The options of an answer that nobody needs for the leases: what the client's ORO names and what
 * the operator forces, from reservation, classes and link; in which the answers of many clients are
 * alike. */
#include "dhcp6/encode_family.h"
#include "dhcp6/fqdn.h"

/* Reservation before classes in bit order before the link. */
static void sets_collect(struct encoder *encoder)
{
    const struct policy *policy = encoder->policy;
    const struct plan *plan = encoder->plan;
    uint64_t classes = plan->classes;

    encoder->set_count = 0;
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
        encoder->personal = true;
        fqdn_put(encoder);
    } else if (code == OPTION_VENDOR_OPTS) {
        encoder->personal = true;
        vendor_opts_put(encoder);
    } else {
        configured_put(encoder, code);
    }
    if (encoder->out.failed) {
        encoder->out = before;
        encoder->left_out = true;
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

/* True for answers in which the operator may force options. */
static bool configures(const struct dhcp6_message *message)
{
    return message->type != DHCP6_CONFIRM && message->type != DHCP6_RELEASE &&
           message->type != DHCP6_DECLINE;
}

static void options_put(struct encoder *encoder)
{
    const struct dhcp6_message *message = encoder->message;
    size_t count = message->oro.size / 2;

    sets_collect(encoder);
    encoder->sent_count = 0;
    encoder->personal = encoder->left_out = false;
    if (count > DHCP6_ORO_CODES_MAX) {
        count = DHCP6_ORO_CODES_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        code_put(encoder, wire_get_u16(message->oro.data + 2 * i));
    }
    if (configures(message)) {
        always_put(encoder);
    }
}

/* --- The cache -------------------------------------------------------------------------------- */

/* False when more than the key decides what the options are. */
static bool cacheable(const struct encoder *encoder)
{
    const struct plan *plan = encoder->plan;
    const struct dhcp6_message *message = encoder->message;

    if (message->oro.size > ENCODE_CACHE_ORO_MAX || plan->link == POLICY_LINK_NONE ||
        (plan->reservation && plan->reservation->options.count)) {
        return false;
    }
    for (unsigned i = 0; i < message->relay_count; i++) {
        if (message->relays[i].rsoo.data) {
            return false;
        }
    }
    return true;
}

static uint8_t answer_kind(const struct dhcp6_message *message)
{
    return message->type == DHCP6_INFORMATION_REQUEST ? 1 : configures(message) ? 2 : 3;
}

/* Clients of one make ask for the same; which of the rows they use need not be well spread. */
static struct encode_cached *row_of(struct encode_cache *cache, const struct encoder *encoder)
{
    struct span oro = encoder->message->oro;
    uint32_t mix = (uint32_t)encoder->plan->link ^ (uint32_t)oro.size;

    mix ^= oro.size >= 4 ? wire_get_u32(oro.data + oro.size - 4) : 0;
    return &cache->rows[(mix * 0x9e3779b1U) >> 28];
}

_Static_assert(ENCODE_CACHE_ROWS == 1 << (32 - 28), "row_of draws four bits");

static bool row_fits(const struct encode_cached *row, const struct encoder *encoder)
{
    const struct plan *plan = encoder->plan;
    struct span oro = encoder->message->oro;

    return row->kind == answer_kind(encoder->message) && row->link == plan->link &&
           row->policy == encoder->policy && row->revision == encoder->policy->revision &&
           row->classes == plan->classes && row->oro_size == oro.size &&
           bytes_equal(row->oro, oro.data, oro.size);
}

static void row_keep(struct encode_cached *row, const struct encoder *encoder, struct span options)
{
    struct span oro = encoder->message->oro;

    row->kind = answer_kind(encoder->message);
    row->link = encoder->plan->link;
    row->policy = encoder->policy;
    row->revision = encoder->policy->revision;
    row->classes = encoder->plan->classes;
    row->oro_size = (uint8_t)oro.size;
    row->size = (uint8_t)options.size;
    if (oro.size) {
        memcpy(row->oro, oro.data, oro.size);
    }
    if (options.size) {
        memcpy(row->options, options.data, options.size);
    }
}

void encode_options(struct encoder *encoder, struct encode_cache *cache)
{
    struct encode_cached *row = cache && cacheable(encoder) ? row_of(cache, encoder) : NULL;
    struct wire_out *out = &encoder->out;
    const uint8_t *begin = out->at;

    if (row && row_fits(row, encoder) && (size_t)(out->end - out->at) >= row->size) {
        wire_out_bytes(out, row->options, row->size);
        return;
    }
    options_put(encoder);
    if (row && !encoder->personal && !encoder->left_out &&
        (size_t)(out->at - begin) <= ENCODE_CACHE_OPTIONS_MAX) {
        row_keep(row, encoder, (struct span){begin, (size_t)(out->at - begin)});
    }
}

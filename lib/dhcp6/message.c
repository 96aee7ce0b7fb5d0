/* One pass over a UDP payload: relay levels from the outside in, then the client's message, each
 * option checked against its row of the option table. Nothing is copied. Workers call it for every
 * packet, so a message is written field by field and arrays only as far as they are used. */
#include "dhcp6/message.h"

#include "dhcp6/option.h"

enum {
    SEEN_WORDS = OPTION_CODES_MAX / 64,
    OPTION_HEADER_SIZE = 4, /* code, size */
    IA_SIZE = 12,           /* IAID, T1, T2 */
    IAADDR_SIZE = 24,       /* address, lifetimes */
    IAPREFIX_SIZE = 25,     /* lifetimes, length, prefix */
    RELAY_HEADER_SIZE = 33, /* after the type: hop-count 1, link-address 16, peer-address 16 */
};

struct parser {
    struct dhcp6_message *message;
    unsigned options_left;
    enum counter drop; /* COUNTER_COUNT: none */
};

/* One run of options. */
struct scope {
    const uint8_t *at, *end;
    uint8_t where; /* OPTION_FROM_ or OPTION_IN_ bit of this place */
    uint64_t seen[SEEN_WORDS];
};

struct option {
    uint16_t code;
    struct span data;
};

/* Types a server takes (RFC 9915 16); RELAY_FORW is dealt with before. */
static const bool type_is_for_servers[] = {
    [DHCP6_SOLICIT] = true, [DHCP6_REQUEST] = true,
    [DHCP6_CONFIRM] = true, [DHCP6_RENEW] = true,
    [DHCP6_REBIND] = true,  [DHCP6_RELEASE] = true,
    [DHCP6_DECLINE] = true, [DHCP6_INFORMATION_REQUEST] = true,
};

static bool client_parse(struct parser *parser, struct span bytes);
static bool relay_parse(struct parser *parser, struct span *bytes);
static void subject_fill(struct dhcp6_message *message);

int dhcp6_message_parse(struct span payload, struct dhcp6_message *ret_message,
                        enum counter *ret_drop)
{
    struct parser parser = {ret_message, DHCP6_OPTIONS_MAX, COUNTER_COUNT};
    struct span inner = payload;
    bool ok = true;

    ret_message->relay_count = 0;
    /* Each turn adds a level, and relay_parse refuses more than DHCP6_RELAYS_MAX. */
    while (ok && inner.size > 0 && inner.data[0] == DHCP6_RELAY_FORW) {
        ok = relay_parse(&parser, &inner);
    }
    if (!ok || !client_parse(&parser, inner)) {
        *ret_drop = parser.drop;
        return -EBADMSG;
    }
    subject_fill(ret_message);
    return 0;
}

bool dhcp6_oro_has(const struct dhcp6_message *message, uint16_t code)
{
    size_t count = message->oro.size / 2;

    if (count > DHCP6_ORO_CODES_MAX) {
        count = DHCP6_ORO_CODES_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        if (wire_get_u16(message->oro.data + 2 * i) == code) {
            return true;
        }
    }
    return false;
}

struct ip6 dhcp6_link_address(const struct dhcp6_message *message)
{
    for (unsigned i = message->relay_count; i > 0; i--) {
        if (!ip6_is_zero(message->relays[i - 1].link_address)) {
            return message->relays[i - 1].link_address;
        }
    }
    return (struct ip6){0, 0};
}

static bool refuse(struct parser *parser, enum counter why)
{
    parser->drop = why;
    return false;
}

static struct scope scope_of(const uint8_t *at, const uint8_t *end, uint8_t where)
{
    return (struct scope){.at = at, .end = end, .where = where};
}

/* A second instance of a singleton in one place. Notes the first one. */
static bool singleton_repeated(struct scope *scope, uint16_t code)
{
    uint64_t bit = UINT64_C(1) << (code % 64);
    bool repeated = (scope->seen[code / 64] & bit) != 0;

    scope->seen[code / 64] |= bit;
    return repeated;
}

/* Steps to the next option that counts: known, in its place, of a possible size. What does not
 * count is passed over: unknown and misplaced options (RFC 9915 16), instances of a singleton after
 * its first (21: each instance stands for itself, none is merged). A repeated identifier or Relay
 * Message leaves open whom the message is from or what it says: refused. False at the end, or, with
 * parser->drop set, on a refusal. */
static inline __attribute__((always_inline)) bool
option_next(struct parser *parser, struct scope *scope, struct option *ret_option)
{
    while (scope->at < scope->end) {
        const struct dhcp6_option_row *row;
        const uint8_t *head = scope->at;
        size_t left = (size_t)(scope->end - head), size;
        uint16_t code;

        if (parser->options_left == 0) {
            return refuse(parser, COUNTER_drop_message_limits);
        }
        parser->options_left--;
        if (left < OPTION_HEADER_SIZE) {
            return refuse(parser, COUNTER_drop_message_malformed);
        }
        code = wire_get_u16(head);
        size = wire_get_u16(head + 2);
        if (size > left - OPTION_HEADER_SIZE) {
            return refuse(parser, COUNTER_drop_message_malformed);
        }
        scope->at = head + OPTION_HEADER_SIZE + size;
        if (code >= OPTION_CODES_MAX) {
            continue;
        }
        row = &dhcp6_option_rows[code];
        if (!(row->where & scope->where)) {
            continue;
        }
        if (!dhcp6_option_size_valid(row, size)) {
            return refuse(parser, code == OPTION_CLIENTID ? COUNTER_drop_client_id_missing
                                                          : COUNTER_drop_message_malformed);
        }
        if (row->repeats || !singleton_repeated(scope, code)) {
            *ret_option = (struct option){code, {head + OPTION_HEADER_SIZE, size}};
            return true;
        }
        if (code == OPTION_CLIENTID || code == OPTION_SERVERID || code == OPTION_RELAY_MSG) {
            return refuse(parser, COUNTER_drop_message_malformed);
        }
    }
    return false;
}

static void relay_clear(struct dhcp6_relay *relay)
{
    const struct span absent = {NULL, 0};

    relay->interface_id = relay->remote_id = relay->subscriber_id = absent;
    relay->relay_id = relay->link_layer = relay->echo_request = relay->rsoo = absent;
    relay->has_relay_port = false;
    relay->relay_port = 0;
}

/* Takes what a relay said into its level. True for the Relay Message option. */
static bool relay_option(struct dhcp6_relay *relay, const struct option *option)
{
    switch (option->code) {
    case OPTION_RELAY_MSG:
        return true;
    case OPTION_INTERFACE_ID:
        relay->interface_id = option->data;
        break;
    case OPTION_REMOTE_ID:
        relay->remote_id = option->data;
        break;
    case OPTION_SUBSCRIBER_ID:
        relay->subscriber_id = option->data;
        break;
    case OPTION_RELAY_ID:
        relay->relay_id = option->data;
        break;
    case OPTION_CLIENT_LINKLAYER_ADDR:
        relay->link_layer = option->data;
        break;
    case OPTION_ERO:
        relay->echo_request = option->data;
        break;
    case OPTION_RSOO:
        relay->rsoo = option->data;
        break;
    case OPTION_RELAY_PORT:
        relay->has_relay_port = true;
        relay->relay_port = wire_get_u16(option->data.data);
        break;
    default:
        break;
    }
    return false;
}

/* One RELAY-FORW (RFC 9915 9.1): a level more, *bytes becomes its Relay Message. A relay discards
 * what has reached HOP_COUNT_LIMIT and adds one otherwise (19.1.2), so a higher count or a deeper
 * nesting than that allows has been through a loop or was made up. */
static bool relay_parse(struct parser *parser, struct span *bytes)
{
    struct dhcp6_message *message = parser->message;
    struct wire_in in = wire_in_from((struct span){bytes->data + 1, bytes->size - 1});
    struct dhcp6_relay *relay;
    struct span inner = {NULL, 0};
    struct scope scope;
    struct option option;

    if (wire_in_left(&in) < RELAY_HEADER_SIZE) {
        return refuse(parser, COUNTER_drop_message_malformed);
    }
    if (message->relay_count == DHCP6_RELAYS_MAX) {
        return refuse(parser, COUNTER_drop_relay_depth);
    }
    relay = &message->relays[message->relay_count++];
    relay->hop_count = wire_in_u8(&in);
    if (relay->hop_count > DHCP6_HOP_COUNT_MAX) {
        return refuse(parser, COUNTER_drop_relay_depth);
    }
    relay->link_address = wire_in_ip6(&in);
    relay->peer_address = wire_in_ip6(&in);
    relay->options = (struct span){in.at, wire_in_left(&in)};
    relay_clear(relay);
    scope = scope_of(in.at, in.end, OPTION_FROM_RELAY);
    while (option_next(parser, &scope, &option)) {
        if (relay_option(relay, &option)) {
            inner = option.data;
        }
    }
    if (parser->drop != COUNTER_COUNT) {
        return false;
    }
    if (inner.data == NULL) {
        return refuse(parser, COUNTER_drop_relay_no_message);
    }
    *bytes = inner;
    return true;
}

/* Lease options (only Prefix Exclude says something to a server) from scope into lease. */
static bool lease_options_parse(struct parser *parser, struct span data, size_t skip, uint8_t where,
                                struct dhcp6_lease *lease)
{
    struct scope scope;
    struct option option;

    lease->exclude = (struct span){NULL, 0};
    if (data.size == skip) {
        return true; /* as nearly always */
    }
    scope = scope_of(data.data + skip, data.data + data.size, where);
    while (option_next(parser, &scope, &option)) {
        if (option.code == OPTION_PD_EXCLUDE) {
            lease->exclude = option.data;
        }
    }
    return parser->drop == COUNTER_COUNT;
}

/* IAADDR and IAPREFIX, as long as their formats say at least. Lifetimes from clients mean nothing
 * (RFC 9915 21.6, 21.22) but are kept for who wants to look. Bits beyond a prefix's length are
 * dropped. */
static bool lease_parse(struct parser *parser, const struct option *option)
{
    struct dhcp6_message *message = parser->message;
    const uint8_t *p = option->data.data;
    struct dhcp6_lease *lease;

    if (message->lease_count == DHCP6_LEASES_MAX) {
        return refuse(parser, COUNTER_drop_message_limits);
    }
    lease = &message->leases[message->lease_count++];
    if (option->code == OPTION_IAADDR) {
        lease->resource = (struct resource){wire_get_ip6(p), 128, LEASE_TYPE_NA};
        lease->preferred_s = wire_get_u32(p + 16);
        lease->valid_s = wire_get_u32(p + 20);
        return lease_options_parse(parser, option->data, IAADDR_SIZE, OPTION_IN_IAADDR, lease);
    }
    lease->preferred_s = wire_get_u32(p);
    lease->valid_s = wire_get_u32(p + 4);
    if (p[8] > 128) {
        return refuse(parser, COUNTER_drop_message_malformed);
    }
    lease->resource = (struct resource){ip6_prefix(wire_get_ip6(p + 9), p[8]), p[8], LEASE_TYPE_PD};
    return lease_options_parse(parser, option->data, IAPREFIX_SIZE, OPTION_IN_IAPREFIX, lease);
}

static bool ia_parse(struct parser *parser, const struct option *option)
{
    struct dhcp6_message *message = parser->message;
    const uint8_t *p = option->data.data; /* IA_SIZE octets at least, says the format */
    struct scope scope;
    struct option inner;
    struct dhcp6_ia *ia;

    if (message->ia_count == DHCP6_IAS_MAX) {
        return refuse(parser, COUNTER_drop_message_limits);
    }
    ia = &message->ias[message->ia_count++];
    ia->type = (uint8_t)option->code;
    ia->iaid = wire_get_u32(p);
    ia->t1_s = wire_get_u32(p + 4);
    ia->t2_s = wire_get_u32(p + 8);
    ia->lease_first = message->lease_count;
    scope = scope_of(p + IA_SIZE, p + option->data.size,
                     ia->type == LEASE_TYPE_NA ? OPTION_IN_IA_NA : OPTION_IN_IA_PD);
    while (option_next(parser, &scope, &inner)) {
        /* A client's Status Code says nothing to a server. */
        if (inner.code != OPTION_STATUS_CODE && !lease_parse(parser, &inner)) {
            return false;
        }
    }
    ia->lease_count = (uint8_t)(message->lease_count - ia->lease_first);
    return parser->drop == COUNTER_COUNT;
}

static void vendor_class_note(struct dhcp6_message *message, struct span data)
{
    if (message->vendor_count < POLICY_VENDORS_MAX) {
        message->vendors[message->vendor_count++] = data;
    }
}

static bool client_option(struct parser *parser, const struct option *option)
{
    struct dhcp6_message *message = parser->message;

    switch (option->code) {
    case OPTION_CLIENTID:
        message->client_id = option->data;
        break;
    case OPTION_SERVERID:
        message->server_id = option->data;
        break;
    case OPTION_IA_NA:
    case OPTION_IA_PD:
        return ia_parse(parser, option);
    case OPTION_ORO:
        message->oro = option->data;
        message->oro_present = true;
        break;
    case OPTION_ELAPSED_TIME:
        message->elapsed_cs = wire_get_u16(option->data.data);
        break;
    case OPTION_RAPID_COMMIT:
        message->rapid_commit = true;
        break;
    case OPTION_RECONF_ACCEPT:
        message->reconf_accept = true;
        break;
    case OPTION_USER_CLASS:
        message->user_class = option->data;
        break;
    case OPTION_VENDOR_CLASS:
        vendor_class_note(message, option->data);
        break;
    case OPTION_VENDOR_OPTS:
        if (message->vendor_opts.data == NULL) {
            message->vendor_opts = option->data;
        }
        break;
    case OPTION_CLIENT_FQDN:
        message->fqdn = option->data;
        break;
    default:
        break;
    }
    return true;
}

static void client_clear(struct dhcp6_message *message)
{
    const struct span absent = {NULL, 0};

    message->client_id = message->server_id = message->oro = message->fqdn = absent;
    message->user_class = message->vendor_opts = absent;
    message->rapid_commit = message->reconf_accept = message->oro_present = false;
    message->vendor_count = 0;
    message->elapsed_cs = 0;
    message->ia_count = message->lease_count = 0;
}

static bool client_parse(struct parser *parser, struct span bytes)
{
    struct dhcp6_message *message = parser->message;
    struct wire_in in = wire_in_from(bytes);
    const uint8_t *xid;
    struct scope scope;
    struct option option;

    message->type = wire_in_u8(&in);
    xid = wire_in_bytes(&in, sizeof(message->xid));
    if (xid == NULL) {
        return refuse(parser, COUNTER_drop_message_malformed);
    }
    if (message->type >= sizeof(type_is_for_servers) || !type_is_for_servers[message->type]) {
        return refuse(parser, COUNTER_drop_message_type);
    }
    memcpy(message->xid, xid, sizeof(message->xid));
    client_clear(message);
    scope = scope_of(in.at, in.end, OPTION_FROM_CLIENT);
    while (option_next(parser, &scope, &option)) {
        if (!client_option(parser, &option)) {
            return false;
        }
    }
    return parser->drop == COUNTER_COUNT;
}

/* The first of a row of "size 2, octets" items; size 0 when it overruns: such classes match
 * nothing, yet are no reason to leave a client without answer. */
static struct span first_class(struct span data, size_t skip)
{
    size_t size;

    if (data.size < skip + 2) {
        return (struct span){NULL, 0};
    }
    size = wire_get_u16(data.data + skip);
    if (size > data.size - skip - 2) {
        return (struct span){NULL, 0};
    }
    return (struct span){data.data + skip + 2, size};
}

/* Of several relays the one nearest the client that says something knows best. Option 79 counts
 * only from the relay that met the client (RFC 6939 5). */
static void subject_relays(struct dhcp6_message *message)
{
    struct policy_subject *subject = &message->subject;

    for (unsigned i = message->relay_count; i > 0; i--) {
        const struct dhcp6_relay *relay = &message->relays[i - 1];

        if (subject->remote_id.size == 0 && relay->remote_id.size > 4) {
            subject->remote_enterprise = wire_get_u32(relay->remote_id.data);
            subject->remote_id =
                (struct span){relay->remote_id.data + 4, relay->remote_id.size - 4};
        }
        if (subject->interface_id.size == 0) {
            subject->interface_id = relay->interface_id;
        }
        if (subject->subscriber_id.size == 0) {
            subject->subscriber_id = relay->subscriber_id;
        }
    }
    if (message->relay_count > 0) {
        struct span link_layer = message->relays[message->relay_count - 1].link_layer;

        if (link_layer.size > 2) {
            subject->link_layer = (struct span){link_layer.data + 2, link_layer.size - 2};
        }
    }
}

static void subject_fill(struct dhcp6_message *message)
{
    struct policy_subject *subject = &message->subject;
    const struct span absent = {NULL, 0};

    subject->duid = message->client_id;
    subject->link_layer = subject->remote_id = absent;
    subject->interface_id = subject->subscriber_id = absent;
    subject->remote_enterprise = 0;
    subject_relays(message);
    subject->vendor_class = absent;
    subject->vendor_enterprise = 0;
    if (message->vendor_count) {
        subject->vendor_enterprise = wire_get_u32(message->vendors[0].data);
        subject->vendor_class = first_class(message->vendors[0], 4);
    }
    subject->more_vendors_count = 0;
    for (unsigned i = 1; i < message->vendor_count; i++) {
        unsigned at = subject->more_vendors_count++;

        subject->more_vendors[at].enterprise = wire_get_u32(message->vendors[i].data);
        subject->more_vendors[at].vendor_class = first_class(message->vendors[i], 4);
    }
    subject->user_class = first_class(message->user_class, 0);
}

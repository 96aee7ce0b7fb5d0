/* Steps of a trace as JSON: what the frame says of itself, and what was decided about it. */
#include "dhcp6/message.h"
#include "dhcp6/option.h"
#include "net/frame.h"
#include "server/methods_trace.h"

enum {
    ETHERTYPE_AT = 12,
    ETHERTYPE_IP6 = 0x86dd,
    RELAY_BEFORE_LINK = 2, /* type, hop count (RFC 9915 9) */
    OPTIONS_LOOKED_AT = 64,
};

static const char *const message_names[] = {
    [DHCP6_SOLICIT] = "SOLICIT",
    [DHCP6_ADVERTISE] = "ADVERTISE",
    [DHCP6_REQUEST] = "REQUEST",
    [DHCP6_CONFIRM] = "CONFIRM",
    [DHCP6_RENEW] = "RENEW",
    [DHCP6_REBIND] = "REBIND",
    [DHCP6_REPLY] = "REPLY",
    [DHCP6_RELEASE] = "RELEASE",
    [DHCP6_DECLINE] = "DECLINE",
    [DHCP6_RECONFIGURE] = "RECONFIGURE",
    [DHCP6_INFORMATION_REQUEST] = "INFORMATION-REQUEST",
    [DHCP6_RELAY_FORW] = "RELAY-FORW",
    [DHCP6_RELAY_REPL] = "RELAY-REPL",
};

static const char *const status_names[] = {"Success",   "UnspecFail",   "NoAddrsAvail", "NoBinding",
                                           "NotOnLink", "UseMulticast", "NoPrefixAvail"};

static const char *const kind_names[TRACE_KIND_COUNT] = {[TRACE_IN] = "received",
                                                         [TRACE_HANDED] = "handed over",
                                                         [TRACE_DECIDED] = "decided",
                                                         [TRACE_DROPPED] = "dropped",
                                                         [TRACE_OUT] = "sent"};

static json_t *name_or_number(const char *const *names, size_t count, unsigned value)
{
    return value < count && names[value] ? json_string(names[value]) : json_integer((int)value);
}

static json_t *message_json(uint8_t type)
{
    return name_or_number(message_names, sizeof(message_names) / sizeof(message_names[0]), type);
}

static json_t *status_json(uint16_t status)
{
    return name_or_number(status_names, sizeof(status_names) / sizeof(status_names[0]), status);
}

static void set(json_t *json, const char *name, json_t *value)
{
    (void)json_object_set_new(json, name, value);
}

/* The Relay Message among a relay's options; size 0: none. */
static struct span relay_message(struct wire_in *in)
{
    for (unsigned i = 0; i < OPTIONS_LOOKED_AT && wire_in_left(in); i++) {
        uint16_t code = wire_in_u16(in);
        struct span data = wire_in_span(in, wire_in_u16(in));

        if (code == OPTION_RELAY_MSG) {
            return data;
        }
    }
    return (struct span){NULL, 0};
}

/* Through the relays to the client's own message. */
static void message_tell(struct span payload, json_t *json)
{
    json_t *relays = json_array();
    struct wire_in in = wire_in_from(payload);
    uint8_t type = wire_in_u8(&in);

    for (unsigned i = 0;
         i < DHCP6_RELAYS_MAX && (type == DHCP6_RELAY_FORW || type == DHCP6_RELAY_REPL); i++) {
        (void)wire_in_bytes(&in, RELAY_BEFORE_LINK - 1);

        struct ip6 link = wire_in_ip6(&in), peer = wire_in_ip6(&in);

        (void)json_array_append_new(relays,
                                    json_pack("{s:o, s:o}", "link_address", value_address(link),
                                              "peer_address", value_address(peer)));
        in = wire_in_from(relay_message(&in));
        type = wire_in_u8(&in);
    }
    set(json, "relays", relays);
    if (!in.failed) {
        set(json, "message", message_json(type));
        set(json, "xid", value_hex(wire_in_span(&in, 3)));
    }
}

/* Addresses and message of a frame, as far as they can be read. */
static void frame_tell(const struct trace_step *step, json_t *json)
{
    struct span frame = {step->octets, step->kept};
    struct wire_in in = wire_in_from(frame);
    uint16_t ether_type;

    (void)wire_in_bytes(&in, ETHERTYPE_AT);
    ether_type = wire_in_u16(&in);
    for (unsigned i = 0; i < FRAME_VLANS_MAX && ether_type != ETHERTYPE_IP6; i++) {
        (void)wire_in_u16(&in);
        ether_type = wire_in_u16(&in);
    }
    (void)wire_in_bytes(&in, 8); /* up to the addresses */

    struct ip6 src = wire_in_ip6(&in), dst = wire_in_ip6(&in);

    if (in.failed || ether_type != ETHERTYPE_IP6) {
        return;
    }
    set(json, "src", value_address(src));
    set(json, "dst", value_address(dst));
    if (frame.data[(size_t)(in.at - frame.data) - FRAME_IP6_SIZE + 6] == FRAME_PROTOCOL_UDP) {
        (void)wire_in_bytes(&in, FRAME_UDP_SIZE);
        message_tell((struct span){in.at, wire_in_left(&in)}, json);
    }
}

static json_t *lease_row(const struct trace_lease *lease)
{
    bool is_prefix = lease->resource.type == LEASE_TYPE_PD;

    return json_pack("{s:o, s:o, s:o}", is_prefix ? "prefix" : "address",
                     is_prefix ? value_prefix(lease->resource.prefix, lease->resource.length)
                               : value_address(lease->resource.prefix),
                     "preferred_s", value_u64(lease->preferred_s), "valid_s",
                     value_u64(lease->valid_s));
}

static json_t *ia_row(const struct trace_decision *decision, const struct trace_ia *ia)
{
    json_t *leases = json_array();

    for (unsigned i = 0; i < ia->lease_count; i++) {
        (void)json_array_append_new(leases, lease_row(&decision->leases[ia->lease_first + i]));
    }
    return json_pack("{s:s, s:o, s:o, s:o}", "type", ia->type == LEASE_TYPE_PD ? "IA_PD" : "IA_NA",
                     "iaid", value_u64(ia->iaid), "status",
                     ia->has_status ? status_json(ia->status) : json_null(), "leases", leases);
}

static void decision_tell(const struct trace_decision *decision, json_t *json)
{
    json_t *ias = json_array(), *changes = json_array();

    for (unsigned i = 0; i < decision->ia_count; i++) {
        (void)json_array_append_new(ias, ia_row(decision, &decision->ias[i]));
    }
    for (unsigned i = 0; i < decision->change_count; i++) {
        (void)json_array_append_new(changes, json_string(counter_table[decision->changes[i]].name));
    }
    set(json, "message", message_json(decision->type));
    set(json, "xid", value_hex((struct span){decision->xid, sizeof(decision->xid)}));
    set(json, "answer", message_json(decision->reply_type));
    set(json, "status", decision->has_status ? status_json(decision->status) : json_null());
    set(json, "link", value_text(decision->link));
    set(json, "reserved", json_boolean(decision->reserved));
    set(json, "waits_for_disk", json_boolean(decision->waits));
    set(json, "ias", ias);
    set(json, "changes", changes);
}

json_t *trace_octets_json(const struct trace_step *step)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * TRACE_OCTETS];

    for (uint32_t i = 0; i < step->kept; i++) {
        text[2 * i] = digits[step->octets[i] >> 4];
        text[2 * i + 1] = digits[step->octets[i] & 15];
    }
    return json_stringn(text, 2 * (size_t)step->kept);
}

json_t *trace_step_json(const struct trace_step *step)
{
    json_t *json = json_pack("{s:s, s:i}", "what", kind_names[step->kind], "worker", step->worker);

    if (json == NULL) {
        return NULL;
    }
    switch (step->kind) {
    case TRACE_DECIDED:
        decision_tell(&step->decision, json);
        return json;
    case TRACE_IN:
        set(json, "handed_over", json_boolean(step->handed_over));
        break;
    case TRACE_HANDED:
        set(json, "to_worker", json_integer(step->home));
        break;
    case TRACE_DROPPED:
        set(json, "reason", json_string(counter_table[step->counter].name));
        set(json, "help", json_string(counter_table[step->counter].help));
        break;
    case TRACE_OUT:
    case TRACE_KIND_COUNT:
        break;
    }
    frame_tell(step, json);
    set(json, "size", json_integer(step->size));
    return json;
}

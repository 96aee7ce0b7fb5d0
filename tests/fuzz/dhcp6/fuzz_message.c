/* Any bytes as a DHCPv6 message. What parses is answered with a plausible plan (every IA granted,
 * options configured), and the answer is taken apart again: whole, the chain of relays mirrored,
 * identifiers in place. The same answer into small buffers must fit or be nothing. */
#include "dhcp6/encode.h"

enum {
    ANSWER_SIZE = 65536,
    SMALL_STEPS = 8,
};

static const uint8_t server_duid[] = {0, 2, 0, 0, 0x7e, 0xd9, 1, 2, 3, 4};

static const uint8_t dns_tlv[] = {0, 23, 0, 16, 0x20, 1, 0x0d, 0xb8, 0, 0,
                                  0, 0,  0, 0,  0,    0, 0,    0,    0, 1};
static const uint8_t vendor_tlv[] = {0, 17, 0, 4, 0, 0, 0, 9, 0, 17, 0, 4, 0, 0, 0x11, 0x8b};
static const uint8_t refresh_tlv[] = {0, 32, 0, 4, 0, 0, 7, 8};
static const uint8_t sol_max_tlv[] = {0, 82, 0, 4, 0, 0, 14, 16};

static const struct policy_option options[] = {
    {17, false, {vendor_tlv, sizeof(vendor_tlv)}},
    {23, false, {dns_tlv, sizeof(dns_tlv)}},
    {32, false, {refresh_tlv, sizeof(refresh_tlv)}},
    {82, true, {sol_max_tlv, sizeof(sol_max_tlv)}},
};

static const struct pool prefix_pool = {
    .type = LEASE_TYPE_PD,
    .delegated_length = 56,
    .exclude_length = 64,
    .exclude_subnet = {0x7f, 0},
};

/* Grants every IA the client's first lease, or one of ours; fails each third. */
static void plan_make(const struct dhcp6_message *message, struct plan *plan)
{
    memset(plan, 0, sizeof(*plan));
    plan->verdict = PLAN_REPLY;
    plan->reply_type =
        message->type == DHCP6_SOLICIT && !message->rapid_commit ? DHCP6_ADVERTISE : DHCP6_REPLY;
    plan->rapid_commit = message->type == DHCP6_SOLICIT && message->rapid_commit;
    plan->has_status = message->type == DHCP6_RELEASE;
    plan->ia_count = message->ia_count;
    for (unsigned i = 0; i < message->ia_count; i++) {
        const struct dhcp6_ia *asked = &message->ias[i];
        struct plan_ia *ia = &plan->ias[i];
        struct plan_lease *lease = &plan->leases[plan->lease_count];

        *ia = (struct plan_ia){.type = asked->type, .iaid = asked->iaid, .t1_s = 10, .t2_s = 20};
        ia->lease_first = plan->lease_count;
        if (i % 3 == 2) {
            ia->has_status = true;
            ia->status = (uint16_t)(asked->iaid % 8);
            continue;
        }
        lease->resource =
            (struct resource){{0, 1}, asked->type == LEASE_TYPE_NA ? 128 : 56, asked->type};
        if (asked->lease_count > 0) {
            lease->resource = message->leases[asked->lease_first].resource;
        }
        lease->preferred_s = 30;
        lease->valid_s = 40;
        lease->pool = asked->type == LEASE_TYPE_PD ? &prefix_pool : NULL;
        ia->lease_count = 1;
        plan->lease_count++;
    }
}

/* The n-th instance's data; false when the options are not whole or it is missing. */
static bool option_find(struct span bytes, uint16_t code, unsigned n, struct span *ret_data)
{
    struct wire_in in = wire_in_from(bytes);
    bool found = false;

    while (wire_in_left(&in) > 0) {
        uint16_t at = wire_in_u16(&in);
        struct span data = wire_in_span(&in, wire_in_u16(&in));

        if (at == code && !in.failed && n-- == 0) {
            *ret_data = data;
            found = true;
        }
    }
    T6_ASSERT(!in.failed);
    return found;
}

/* The client's answer inside the relay chain, each level checked against the question's. */
static struct span relays_check(const struct dhcp6_message *message, struct span answer)
{
    for (unsigned i = 0; i < message->relay_count; i++) {
        const struct dhcp6_relay *relay = &message->relays[i];
        struct span options_of, id, inner = {NULL, 0};

        T6_ASSERT(answer.size > 34 && answer.data[0] == DHCP6_RELAY_REPL);
        T6_ASSERT(answer.data[1] == relay->hop_count);
        T6_ASSERT(ip6_equal(wire_get_ip6(answer.data + 2), relay->link_address));
        T6_ASSERT(ip6_equal(wire_get_ip6(answer.data + 18), relay->peer_address));
        options_of = (struct span){answer.data + 34, answer.size - 34};
        if (relay->interface_id.data != NULL) {
            T6_ASSERT(option_find(options_of, OPTION_INTERFACE_ID, 0, &id));
            T6_ASSERT(span_equal(id, relay->interface_id));
        }
        T6_ASSERT(option_find(options_of, OPTION_RELAY_MSG, 0, &inner));
        T6_ASSERT(!option_find(options_of, OPTION_RELAY_MSG, 1, &id));
        answer = inner;
    }
    return answer;
}

static void answer_check(const struct dhcp6_message *message, const struct plan *plan,
                         struct span answer)
{
    struct span options_of, data;
    unsigned ias = 0;

    answer = relays_check(message, answer);
    T6_ASSERT(answer.size >= 4 && answer.data[0] == plan->reply_type);
    T6_ASSERT(memcmp(answer.data + 1, message->xid, 3) == 0);
    options_of = (struct span){answer.data + 4, answer.size - 4};
    T6_ASSERT(option_find(options_of, OPTION_SERVERID, 0, &data));
    T6_ASSERT(span_equal(data, (struct span){server_duid, sizeof(server_duid)}));
    T6_ASSERT(option_find(options_of, OPTION_CLIENTID, 0, &data) == (message->client_id.size > 0));
    for (unsigned type = LEASE_TYPE_NA; type <= LEASE_TYPE_PD;
         type += LEASE_TYPE_PD - LEASE_TYPE_NA) {
        for (unsigned n = 0; option_find(options_of, (uint16_t)type, n, &data); n++) {
            struct span none;

            T6_ASSERT(data.size >= 12);
            (void)option_find((struct span){data.data + 12, data.size - 12}, 0, 0, &none);
            ias++;
        }
    }
    T6_ASSERT(ias == plan->ia_count);
}

/* What the parser promises of counts. */
static void message_check(const struct dhcp6_message *message)
{
    unsigned leases = 0;

    T6_ASSERT(message->ia_count <= DHCP6_IAS_MAX && message->relay_count <= DHCP6_RELAYS_MAX);
    T6_ASSERT(message->lease_count <= DHCP6_LEASES_MAX && message->oro.size % 2 == 0);
    for (unsigned i = 0; i < message->ia_count; i++) {
        T6_ASSERT(message->ias[i].lease_first == leases);
        leases += message->ias[i].lease_count;
    }
    T6_ASSERT(leases == message->lease_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t answer[ANSWER_SIZE], again[ANSWER_SIZE];
    static struct encode_cache cache; /* of earlier inputs' answers, too */
    struct policy_link link = {.preference = 3, .options = {options, 4}};
    struct policy policy = {
        .server_duid = {server_duid, sizeof(server_duid)}, .links = &link, .link_count = 1};
    uint8_t info[LEASE_INFO_SIZE_MAX];
    struct dhcp6_message message;
    enum counter drop = COUNTER_COUNT;
    struct plan plan;
    size_t whole;

    if (dhcp6_message_parse((struct span){data, size}, &message, &drop) != 0) {
        T6_ASSERT(drop < COUNTER_COUNT);
        return 0;
    }
    message_check(&message);
    T6_ASSERT(lease_info_valid(
        (struct span){info, dhcp6_lease_info(&message, (struct ip6){1, 2}, info, sizeof(info))}));
    plan_make(&message, &plan);
    whole = dhcp6_encode(&policy, &message, &plan, &cache, answer, sizeof(answer));
    if (whole > 0) {
        answer_check(&message, &plan, (struct span){answer, whole});
    }
    for (size_t i = 1; i < SMALL_STEPS; i++) {
        size_t room = whole * i / SMALL_STEPS;
        size_t got = dhcp6_encode(&policy, &message, &plan, &cache, answer, room);

        T6_ASSERT(got <= room);
        T6_ASSERT(dhcp6_encode(&policy, &message, &plan, NULL, again, room) == got);
        T6_ASSERT(memcmp(answer, again, got) == 0);
        if (got > 0) {
            answer_check(&message, &plan, (struct span){answer, got});
        }
    }
    return 0;
}

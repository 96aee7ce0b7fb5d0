#include "answer.h"

#include "dhcp6/message.h"
#include "dhcp6/option.h"

enum {
    OPTIONS_MAX = 256, /* of one datagram that we look at */
};

/* The next option of `in`; false at its end or, with in->failed, at an overrun. */
static bool option_next(struct wire_in *in, uint16_t *ret_code, struct span *ret_data)
{
    const struct dhcp6_option_row *row;

    if (wire_in_left(in) == 0) {
        return false;
    }
    *ret_code = wire_in_u16(in);
    *ret_data = wire_in_span(in, wire_in_u16(in));
    row = dhcp6_option_row(*ret_code);
    if (row && !dhcp6_option_size_valid(row, ret_data->size)) {
        in->failed = true;
    }
    return !in->failed;
}

static struct answer_lease lease_read(uint16_t code, struct span data)
{
    struct answer_lease lease = {.length = 128};
    struct wire_in in = wire_in_from(data);

    if (code == OPTION_IAADDR) {
        lease.prefix = wire_in_ip6(&in);
    }
    lease.preferred_s = wire_in_u32(&in);
    lease.valid_s = wire_in_u32(&in);
    if (code == OPTION_IAPREFIX) {
        lease.length = wire_in_u8(&in);
        lease.prefix = wire_in_ip6(&in);
    }
    return lease;
}

/* A status inside a lease option condemns the lease as one of the IA would. */
static bool lease_status_read(uint16_t code, struct span data, uint16_t *status)
{
    size_t fixed = code == OPTION_IAADDR ? 24 : 25;
    struct wire_in in = wire_in_from((struct span){data.data + fixed, data.size - fixed});
    uint16_t inner;
    struct span inner_data;

    for (unsigned i = 0; i < OPTIONS_MAX && option_next(&in, &inner, &inner_data); i++) {
        if (inner == OPTION_STATUS_CODE && wire_get_u16(inner_data.data) != STATUS_SUCCESS) {
            *status = wire_get_u16(inner_data.data);
        }
    }
    return !in.failed;
}

static bool ia_read(uint16_t lease_code, struct span data, struct answer_ia *ia)
{
    struct wire_in in = wire_in_from(data);
    unsigned count = ia->count + 1;
    uint16_t code;
    struct span inner;

    *ia = (struct answer_ia){.count = count, .status = STATUS_SUCCESS};
    ia->iaid = wire_in_u32(&in);
    ia->t1_s = wire_in_u32(&in);
    ia->t2_s = wire_in_u32(&in);
    for (unsigned i = 0; i < OPTIONS_MAX && option_next(&in, &code, &inner); i++) {
        if (code == OPTION_STATUS_CODE) {
            ia->status = wire_get_u16(inner.data);
        } else if (code == lease_code) {
            if (ia->lease_count < ANSWER_LEASES_MAX) {
                ia->leases[ia->lease_count] = lease_read(code, inner);
            }
            ia->lease_count++;
            if (!lease_status_read(code, inner, &ia->status)) {
                return false;
            }
        }
    }
    return !in.failed;
}

/* A singleton that repeats is malformed. */
static bool once(struct span *field, struct span data)
{
    bool first = field->data == NULL;

    *field = data;
    return first;
}

static bool server_option(struct answer *answer, uint16_t code, struct span data)
{
    switch (code) {
    case OPTION_CLIENTID:
        return once(&answer->client_id, data);
    case OPTION_SERVERID:
        return once(&answer->server_id, data);
    case OPTION_PREFERENCE:
        answer->preference = data.data[0];
        return true;
    case OPTION_RAPID_COMMIT:
        answer->rapid_commit = true;
        return true;
    case OPTION_STATUS_CODE:
        answer->status = wire_get_u16(data.data);
        return true;
    case OPTION_IA_NA:
        return ia_read(OPTION_IAADDR, data, &answer->na);
    case OPTION_IA_PD:
        return ia_read(OPTION_IAPREFIX, data, &answer->pd);
    default:
        return true;
    }
}

static bool server_read(struct span bytes, struct answer *answer)
{
    struct wire_in in = wire_in_from(bytes);
    uint32_t head = wire_in_u32(&in);
    uint16_t code;
    struct span data;

    answer->type = (uint8_t)(head >> 24);
    answer->xid = head & 0xffffff;
    for (unsigned i = 0; i < OPTIONS_MAX && option_next(&in, &code, &data); i++) {
        if (!server_option(answer, code, data)) {
            return false;
        }
    }
    return !in.failed && wire_in_left(&in) == 0;
}

/* RELAY-REPL (RFC 9915 9.2). */
static bool relay_read(struct span bytes, struct answer *answer, struct span *ret_inner)
{
    struct wire_in in = wire_in_from(bytes);
    struct span inner = {NULL, 0}, data;
    uint16_t code;

    answer->relayed = true;
    (void)wire_in_u8(&in);
    answer->hop_count = wire_in_u8(&in);
    answer->link_address = wire_in_ip6(&in);
    answer->peer_address = wire_in_ip6(&in);
    for (unsigned i = 0; i < OPTIONS_MAX && option_next(&in, &code, &data); i++) {
        if ((code == OPTION_RELAY_MSG && !once(&inner, data)) ||
            (code == OPTION_INTERFACE_ID && !once(&answer->interface_id, data))) {
            return false;
        }
    }
    *ret_inner = inner;
    return !in.failed && inner.data != NULL;
}

int answer_parse(struct span payload, struct answer *ret_answer)
{
    struct answer answer = {.relayed = false};
    struct span inner = payload;

    if (payload.size && payload.data[0] == DHCP6_RELAY_REPL &&
        !relay_read(payload, &answer, &inner)) {
        return -EBADMSG;
    }
    if (!server_read(inner, &answer)) {
        return -EBADMSG;
    }
    *ret_answer = answer;
    return 0;
}

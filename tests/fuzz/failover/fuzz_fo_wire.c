/* Any bytes as one failover message, and as the leases in it. What parses is told again and must
 * read the same; every BNDUPD gets a BNDREPLY that names each of its leases; every sound lease goes
 * out again and comes back. */
#include "failover/fo_binding.h"

enum {
    LEASES_MAX = 4096, /* fewer than fit a frame */
    SMALL_STEPS = 8,
};

static uint8_t buf[FO_FRAME_SIZE_MAX];

static struct span inner(size_t size)
{
    struct span message = {NULL, 0};

    T6_ASSERT(fo_frame_next((struct span){buf, size}, &message) == size);
    return message;
}

/* CONNECT and STATE as parsed are written and parsed again. */
static void control_check(const struct fo_message *message)
{
    struct fo_message again;
    size_t size;

    if (message->type == FO_CONNECT || message->type == FO_CONNECTREPLY) {
        size = fo_encode_connect(message->type, message->xid, &message->connect, buf, sizeof(buf));
        T6_ASSERT(size > 0 && fo_wire_parse(inner(size), &again) == 0);
        T6_ASSERT(again.connect.has == message->connect.has);
        T6_ASSERT(again.connect.mclt_s == message->connect.mclt_s);
        T6_ASSERT(span_equal(again.connect.name, message->connect.name));
        T6_ASSERT(again.connect.capabilities.count == message->connect.capabilities.count);
        T6_ASSERT(message->connect.capabilities.count <= FO_CAPABILITIES_MAX);
    } else if (message->type == FO_STATE) {
        size = fo_encode_state(message->xid, &message->state, buf, sizeof(buf));
        T6_ASSERT(size > 0 && fo_wire_parse(inner(size), &again) == 0);
        T6_ASSERT(again.state.state == message->state.state);
        T6_ASSERT(again.state.flags == message->state.flags);
        T6_ASSERT(again.state.start_s == message->state.start_s);
    }
}

/* A sound lease is sent on as our own would be. */
static void lease_check(const struct fo_binding *binding, const struct fo_lease *received)
{
    uint8_t info[LEASE_INFO_SIZE_MAX], info_again[LEASE_INFO_SIZE_MAX];
    struct lease lease = received->lease;
    struct fo_binding binding_again;
    struct fo_message message;
    struct fo_lease again;
    size_t size;

    lease.info = (struct span){info, fo_lease_info(binding, received, info, sizeof(info))};
    T6_ASSERT(lease_info_valid(lease.info));
    if (lease.times.start_s == 0 || lease.times.t1_s == UINT32_MAX) {
        return;
    }
    size = fo_encode_bndupd(&lease, 1, binding->base_s, buf, sizeof(buf));
    if (size == 0) {
        return;
    }
    T6_ASSERT(fo_wire_parse(inner(size), &message) == 0);
    fo_binding_parse(&message, &binding_again);
    T6_ASSERT(binding_again.fault == 0 && fo_binding_next(&binding_again, &again));
    T6_ASSERT(again.fault == 0 && resource_equal(&again.lease.resource, &lease.resource));
    T6_ASSERT(again.lease.status == lease.status && again.lease.iaid == lease.iaid);
    T6_ASSERT(again.lease.times.expires_s == lease.times.expires_s);
    T6_ASSERT(span_equal(again.lease.duid, lease.duid));
    if (lease.duid.size) {
        size = fo_lease_info(&binding_again, &again, info_again, sizeof(info_again));
        T6_ASSERT(size <= sizeof(info_again));
        T6_ASSERT(lease_info_valid((struct span){info_again, size}));
    }
}

/* The reply names the same leases, in order, each with its verdict. */
static void reply_check(const struct fo_binding *update, size_t size, uint16_t code)
{
    struct fo_binding binding = *update, answer;
    struct fo_lease lease, answered;
    struct fo_message message;

    T6_ASSERT(fo_wire_parse(inner(size), &message) == 0 && message.type == FO_BNDREPLY);
    fo_binding_parse(&message, &answer);
    T6_ASSERT(answer.container == update->container && answer.xid == update->xid);
    T6_ASSERT(span_equal(answer.vss, update->vss));
    for (unsigned i = 0; i < LEASES_MAX && fo_binding_next(&binding, &lease); i++) {
        T6_ASSERT(fo_binding_next(&answer, &answered));
        T6_ASSERT(resource_equal(&answered.lease.resource, &lease.lease.resource));
        T6_ASSERT(answered.lease.iaid == lease.lease.iaid);
        T6_ASSERT(answered.partner_lifetime_sent_s == lease.lease.times.partner_lifetime_s);
        T6_ASSERT((answered.status.present ? answered.status.code : 0) == code);
    }
    T6_ASSERT(!fo_binding_next(&answer, &answered));
}

static void binding_check(const struct fo_message *message)
{
    static const enum fo_status_code verdicts[] = {FO_STATUS_SUCCESS, FO_STATUS_OUTDATED_BINDING};
    enum fo_status_code code = verdicts[message->xid & 1];
    struct fo_binding binding, walk;
    struct fo_reply reply;
    struct fo_lease lease;
    unsigned count = 0;
    size_t size;

    fo_binding_parse(message, &binding);
    walk = binding;
    while (fo_binding_next(&walk, &lease)) {
        T6_ASSERT(++count < LEASES_MAX && lease.lease.resource.length <= 128 + 127);
        if (lease.fault == 0 && binding.is_update) {
            T6_ASSERT(lease.lease.resource.length <= 128);
            lease_check(&binding, &lease);
        }
    }
    T6_ASSERT(!binding.fault || count == 0);
    if (!binding.is_update) {
        return;
    }
    fo_reply_begin(&reply, &binding, binding.fault, NULL, buf, sizeof(buf));
    walk = binding;
    while (fo_binding_next(&walk, &lease)) {
        fo_reply_add(&reply, &lease, code, NULL);
    }
    size = fo_reply_end(&reply);
    if (size > 0 && !binding.fault) {
        reply_check(&binding, size, (uint16_t)code);
    }
    for (size_t i = 1; i < SMALL_STEPS; i++) {
        walk = binding;
        fo_reply_begin(&reply, &binding, binding.fault, NULL, buf, size * i / SMALL_STEPS);
        while (fo_binding_next(&walk, &lease)) {
            fo_reply_add(&reply, &lease, code, "no");
        }
        T6_ASSERT(fo_reply_end(&reply) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fo_message message;
    int err;

    if (size > FO_MESSAGE_SIZE_MAX) {
        return 0;
    }
    err = fo_wire_parse((struct span){data, size}, &message);
    T6_ASSERT(err == 0 || err == -EBADMSG || err == -ENOMSG);
    if (err) {
        return 0;
    }
    T6_ASSERT(message.xid <= FO_XID_MAX && fo_type_known(message.type));
    control_check(&message);
    if (message.type == FO_BNDUPD || message.type == FO_BNDREPLY) {
        binding_check(&message);
    }
    return 0;
}

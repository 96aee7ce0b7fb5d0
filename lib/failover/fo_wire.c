/* Frames, headers, and the messages that are about the connection and the endpoint: CONNECT,
 * CONNECTREPLY, STATE, DISCONNECT and those without options. Knows nothing of leases. */
#include "failover/fo_wire.h"

#include "failover/fo_option.h"

#define SOFTWARE_NAME "tandem6 " /* ours; the enterprise number alone may be another's example */

enum {
    CAPABILITY_SIZE = 4, /* id 2, version 2 */
};

/* One row per message type and role in parsing. */
static const struct message_row {
    const char *name;
    bool base_header; /* 4 octets, without sent-time */
} messages[FO_CONTACT + 1] = {
    [FO_REPLY] = {"REPLY", true},
    [FO_STARTTLS] = {"STARTTLS", true},
    [FO_BNDUPD] = {"BNDUPD", false},
    [FO_BNDREPLY] = {"BNDREPLY", false},
    [FO_POOLREQ] = {"POOLREQ", false},
    [FO_POOLRESP] = {"POOLRESP", false},
    [FO_UPDREQ] = {"UPDREQ", false},
    [FO_UPDREQALL] = {"UPDREQALL", false},
    [FO_UPDDONE] = {"UPDDONE", false},
    [FO_CONNECT] = {"CONNECT", false},
    [FO_CONNECTREPLY] = {"CONNECTREPLY", false},
    [FO_DISCONNECT] = {"DISCONNECT", false},
    [FO_STATE] = {"STATE", false},
    [FO_CONTACT] = {"CONTACT", false},
};

static const char *const states[FO_SERVER_STATE_COUNT] = {
    [FO_STARTUP] = "STARTUP",
    [FO_NORMAL] = "NORMAL",
    [FO_COMMUNICATIONS_INTERRUPTED] = "COMMUNICATIONS-INTERRUPTED",
    [FO_PARTNER_DOWN] = "PARTNER-DOWN",
    [FO_POTENTIAL_CONFLICT] = "POTENTIAL-CONFLICT",
    [FO_RECOVER] = "RECOVER",
    [FO_RECOVER_WAIT] = "RECOVER-WAIT",
    [FO_RECOVER_DONE] = "RECOVER-DONE",
    [FO_RESOLUTION_INTERRUPTED] = "RESOLUTION-INTERRUPTED",
    [FO_CONFLICT_DONE] = "CONFLICT-DONE",
};

static const char *const statuses[] = {
    [FO_STATUS_SUCCESS] = "Success",
    [FO_STATUS_UNSPEC_FAIL] = "UnspecFail",
    [FO_STATUS_NOT_SUPPORTED] = "NotSupported",
    [FO_STATUS_TLS_REFUSED] = "TLSConnectionRefused",
    [FO_STATUS_ADDRESS_IN_USE] = "AddressInUse",
    [FO_STATUS_CONFIGURATION_CONFLICT] = "ConfigurationConflict",
    [FO_STATUS_MISSING_BINDING] = "MissingBindingInformation",
    [FO_STATUS_OUTDATED_BINDING] = "OutdatedBindingInformation",
    [FO_STATUS_SHUTTING_DOWN] = "ServerShuttingDown",
    [FO_STATUS_DNS_NOT_SUPPORTED] = "DNSUpdateNotSupported",
    [FO_STATUS_TIME_SKEW] = "ExcessiveTimeSkew",
};

bool fo_type_known(unsigned type)
{
    return type < sizeof(messages) / sizeof(messages[0]) && messages[type].name != NULL;
}

const char *fo_message_name(unsigned type)
{
    return fo_type_known(type) ? messages[type].name : "UNKNOWN";
}

const char *fo_state_name(unsigned state)
{
    return state < FO_SERVER_STATE_COUNT && states[state] ? states[state] : "UNKNOWN";
}

const char *fo_status_name(unsigned code)
{
    return code < sizeof(statuses) / sizeof(statuses[0]) && statuses[code] ? statuses[code]
                                                                           : "UNKNOWN";
}

uint16_t fo_capability_common(const struct fo_capabilities *ours,
                              const struct fo_capabilities *theirs, uint16_t id)
{
    uint16_t mine = 0, other = 0;

    for (unsigned i = 0; i < ours->count; i++) {
        mine = ours->items[i].id == id ? ours->items[i].version : mine;
    }
    for (unsigned i = 0; i < theirs->count; i++) {
        other = theirs->items[i].id == id ? theirs->items[i].version : other;
    }
    return mine < other ? mine : other;
}

size_t fo_frame_next(struct span stream, struct span *ret_message)
{
    struct wire_in in = wire_in_from(stream);
    struct span message = wire_in_span(&in, wire_in_u16(&in));

    if (in.failed) {
        return 0;
    }
    *ret_message = message;
    return FO_FRAME_COUNT_SIZE + message.size;
}

void fo_status_read(struct span data, struct fo_status *status)
{
    struct wire_in in = wire_in_from(data);
    uint16_t code = wire_in_u16(&in);

    if (in.failed || status->present) {
        return;
    }
    *status = (struct fo_status){true, code, wire_in_span(&in, wire_in_left(&in))};
}

static void capabilities_read(struct span data, struct fo_capabilities *capabilities)
{
    struct wire_in in = wire_in_from(data);

    while (wire_in_left(&in) >= CAPABILITY_SIZE && capabilities->count < FO_CAPABILITIES_MAX) {
        struct fo_capability *item = &capabilities->items[capabilities->count++];

        item->id = wire_in_u16(&in);
        item->version = wire_in_u16(&in);
    }
}

/* Another maker's vendor option, or a broken one, tells us nothing and does no harm. */
static void vendor_read(struct span data, struct fo_capabilities *ret_capabilities)
{
    struct fo_capabilities capabilities = {.count = 0};
    struct wire_in in = wire_in_from(data);
    uint16_t code;

    if (ret_capabilities->software.size || wire_in_u32(&in) != FO_ENTERPRISE) {
        return;
    }
    while (fo_option_next(&in, &code, &data)) {
        if (code == FO_VENDOR_SOFTWARE) {
            capabilities.software = data;
        } else if (code == FO_VENDOR_CAPABILITIES && capabilities.count == 0) {
            capabilities_read(data, &capabilities);
        }
    }
    if (!in.failed && capabilities.software.size >= strlen(SOFTWARE_NAME) &&
        memcmp(capabilities.software.data, SOFTWARE_NAME, strlen(SOFTWARE_NAME)) == 0) {
        *ret_capabilities = capabilities;
    }
}

/* True, and the bit set, when this is the first instance and of the right size. */
static bool connect_takes(struct fo_connect *connect, unsigned bit, bool size_right)
{
    if (!size_right || (connect->has & bit)) {
        return false;
    }
    connect->has |= bit;
    return true;
}

static void connect_read(uint16_t code, struct span data, struct fo_connect *connect)
{
    bool four = data.size == 4;

    if (code == OPTION_F_PROTOCOL_VERSION && connect_takes(connect, FO_HAS_VERSION, four)) {
        connect->version_major = wire_get_u16(data.data);
        connect->version_minor = wire_get_u16(data.data + 2);
    } else if (code == OPTION_F_MCLT && connect_takes(connect, FO_HAS_MCLT, four)) {
        connect->mclt_s = wire_get_u32(data.data);
    } else if (code == OPTION_F_KEEPALIVE_TIME && connect_takes(connect, FO_HAS_KEEPALIVE, four)) {
        connect->keepalive_s = wire_get_u32(data.data);
    } else if (code == OPTION_F_MAX_UNACKED_BNDUPD &&
               connect_takes(connect, FO_HAS_MAX_UNACKED, four)) {
        connect->max_unacked = wire_get_u32(data.data);
    } else if (code == OPTION_F_CONNECT_FLAGS &&
               connect_takes(connect, FO_HAS_FLAGS, data.size == 2)) {
        connect->flags = wire_get_u16(data.data);
    } else if (code == OPTION_F_RELATIONSHIP_NAME && connect_takes(connect, FO_HAS_NAME, true)) {
        connect->name = data;
    } else if (code == OPTION_VENDOR_OPTS) {
        vendor_read(data, &connect->capabilities);
    }
}

static void state_read(uint16_t code, struct span data, struct fo_state *state)
{
    if (code == OPTION_F_SERVER_STATE && data.size == 1 && state->state == 0) {
        state->state = data.data[0];
    } else if (code == OPTION_F_SERVER_FLAGS && data.size == 1 && !state->has_flags) {
        state->has_flags = true;
        state->flags = data.data[0];
    } else if (code == OPTION_F_START_TIME_OF_STATE && data.size == 4 && !state->has_start) {
        state->has_start = true;
        state->start_s = wire_get_u32(data.data);
    } else if (code == OPTION_F_PARTNER_DOWN_TIME && data.size == 4 && !state->has_partner_down) {
        state->has_partner_down = true;
        state->partner_down_s = wire_get_u32(data.data);
    }
}

static bool options_read(struct fo_message *message)
{
    struct wire_in in = wire_in_from(message->options);
    struct span data;
    uint16_t code;

    while (fo_option_next(&in, &code, &data)) {
        if (code == OPTION_STATUS_CODE) {
            fo_status_read(data, &message->status);
        } else if (message->type == FO_CONNECT || message->type == FO_CONNECTREPLY) {
            connect_read(code, data, &message->connect);
        } else if (message->type == FO_STATE) {
            state_read(code, data, &message->state);
        }
    }
    return !in.failed;
}

int fo_wire_parse(struct span bytes, struct fo_message *ret_message)
{
    struct wire_in in = wire_in_from(bytes);
    struct fo_message message = {0};
    uint32_t first = wire_in_u32(&in);

    if (in.failed) {
        return -EBADMSG;
    }
    if (!fo_type_known(first >> 24)) {
        return -ENOMSG;
    }
    message.type = (enum fo_message_type)(first >> 24);
    message.xid = first & FO_XID_MAX;
    message.sent_s = messages[message.type].base_header ? 0 : wire_in_u32(&in);
    message.options = wire_in_span(&in, wire_in_left(&in));
    if (in.failed || !options_read(&message)) {
        return -EBADMSG;
    }
    *ret_message = message;
    return 0;
}

enum fo_message_type fo_frame_type(const uint8_t *frame)
{
    return (enum fo_message_type)frame[FO_FRAME_COUNT_SIZE];
}

uint32_t fo_frame_xid(const uint8_t *frame)
{
    return wire_get_u32(frame + FO_FRAME_COUNT_SIZE) & FO_XID_MAX;
}

void fo_frame_xid_set(uint8_t *frame, uint32_t xid)
{
    wire_set_u32(frame + FO_FRAME_COUNT_SIZE,
                 (uint32_t)frame[FO_FRAME_COUNT_SIZE] << 24 | (xid & FO_XID_MAX));
}

void fo_frame_stamp(uint8_t *frame, sec_t sent_s)
{
    if (!messages[frame[FO_FRAME_COUNT_SIZE]].base_header) {
        wire_set_u32(frame + FO_FRAME_COUNT_SIZE + FO_BASE_HEADER_SIZE, sent_s);
    }
}

uint8_t *fo_frame_open(struct wire_out *out, unsigned type, uint32_t xid)
{
    uint8_t *frame = wire_out_room(out, FO_FRAME_COUNT_SIZE);

    T6_ASSERT(fo_type_known(type) && xid <= FO_XID_MAX);
    wire_out_u32(out, (uint32_t)type << 24 | xid);
    if (!messages[type].base_header) {
        wire_out_u32(out, 0); /* sent-time */
    }
    return frame;
}

size_t fo_frame_close(struct wire_out *out, uint8_t *frame)
{
    size_t size;

    if (out->failed) {
        return 0;
    }
    size = (size_t)(out->at - frame) - FO_FRAME_COUNT_SIZE;
    if (size > FO_MESSAGE_SIZE_MAX) {
        out->failed = true;
        return 0;
    }
    wire_set_u16(frame, (uint16_t)size);
    return FO_FRAME_COUNT_SIZE + size;
}

void fo_status_write(struct wire_out *out, enum fo_status_code code, const char *text)
{
    uint8_t *option = fo_option_open(out, OPTION_STATUS_CODE);

    wire_out_u16(out, (uint16_t)code);
    if (text) {
        wire_out_bytes(out, text, strnlen(text, FO_TEXT_SIZE_MAX));
    }
    fo_option_close(out, option);
}

size_t fo_encode_bare(enum fo_message_type type, uint32_t xid, uint8_t *buf, size_t buf_size)
{
    struct wire_out out = wire_out_to(buf, buf_size);

    return fo_frame_close(&out, fo_frame_open(&out, type, xid));
}

size_t fo_encode_status(enum fo_message_type type, uint32_t xid, enum fo_status_code code,
                        const char *text, uint8_t *buf, size_t buf_size)
{
    struct wire_out out = wire_out_to(buf, buf_size);
    uint8_t *frame = fo_frame_open(&out, type, xid);

    if (type != FO_REPLY || code != FO_STATUS_SUCCESS) {
        fo_status_write(&out, code, text);
    }
    return fo_frame_close(&out, frame);
}

static void vendor_write(struct wire_out *out, const struct fo_capabilities *capabilities)
{
    uint8_t *vendor = fo_option_open(out, OPTION_VENDOR_OPTS);
    uint8_t *list;

    T6_ASSERT(capabilities->count <= FO_CAPABILITIES_MAX);
    wire_out_u32(out, FO_ENTERPRISE);
    fo_option_bytes(out, FO_VENDOR_SOFTWARE, capabilities->software);
    list = fo_option_open(out, FO_VENDOR_CAPABILITIES);
    for (unsigned i = 0; i < capabilities->count; i++) {
        wire_out_u16(out, capabilities->items[i].id);
        wire_out_u16(out, capabilities->items[i].version);
    }
    fo_option_close(out, list);
    fo_option_close(out, vendor);
}

size_t fo_encode_connect(enum fo_message_type type, uint32_t xid, const struct fo_connect *connect,
                         uint8_t *buf, size_t buf_size)
{
    struct wire_out out = wire_out_to(buf, buf_size);
    uint8_t *frame = fo_frame_open(&out, type, xid);

    if (connect->has & FO_HAS_VERSION) {
        fo_option_u32(&out, OPTION_F_PROTOCOL_VERSION,
                      (uint32_t)connect->version_major << 16 | connect->version_minor);
    }
    if (connect->has & FO_HAS_MCLT) {
        fo_option_u32(&out, OPTION_F_MCLT, connect->mclt_s);
    }
    if (connect->has & FO_HAS_KEEPALIVE) {
        fo_option_u32(&out, OPTION_F_KEEPALIVE_TIME, connect->keepalive_s);
    }
    if (connect->has & FO_HAS_MAX_UNACKED) {
        fo_option_u32(&out, OPTION_F_MAX_UNACKED_BNDUPD, connect->max_unacked);
    }
    if (connect->has & FO_HAS_NAME) {
        fo_option_bytes(&out, OPTION_F_RELATIONSHIP_NAME, connect->name);
    }
    if (connect->has & FO_HAS_FLAGS) {
        fo_option_u16(&out, OPTION_F_CONNECT_FLAGS, connect->flags);
    }
    if (connect->capabilities.software.size) {
        vendor_write(&out, &connect->capabilities);
    }
    return fo_frame_close(&out, frame);
}

size_t fo_encode_state(uint32_t xid, const struct fo_state *state, uint8_t *buf, size_t buf_size)
{
    struct wire_out out = wire_out_to(buf, buf_size);
    uint8_t *frame = fo_frame_open(&out, FO_STATE, xid);

    fo_option_u8(&out, OPTION_F_SERVER_STATE, state->state);
    fo_option_u8(&out, OPTION_F_SERVER_FLAGS, state->flags);
    fo_option_u32(&out, OPTION_F_START_TIME_OF_STATE, state->start_s);
    if (state->state == FO_PARTNER_DOWN) {
        fo_option_u32(&out, OPTION_F_PARTNER_DOWN_TIME, state->partner_down_s);
    }
    return fo_frame_close(&out, frame);
}

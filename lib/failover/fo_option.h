/* Options as failover messages use them: the codes dhcp6/option.h has no use for, one reader of
 * option sequences, and writers whose sizes are filled in at the end. Private to lib/failover. */
#ifndef FAILOVER_FO_OPTION_H
#define FAILOVER_FO_OPTION_H

#include "base/wire.h"
#include "dhcp6/option.h"
#include "failover/fo_wire.h"

enum fo_option_code {
    OPTION_CLIENT_DATA = 45, /* RFC 5007 4.1.2 */
    OPTION_CLT_TIME = 46,
    OPTION_LQ_RELAY_DATA = 47,
    OPTION_VSS = 68,           /* RFC 6607 3.4 */
    OPTION_LQ_BASE_TIME = 100, /* RFC 7653 6.3.1 */
    OPTION_F_BINDING_STATUS = 114,
    OPTION_F_CONNECT_FLAGS,
    OPTION_F_DNS_REMOVAL_INFO,
    OPTION_F_DNS_HOST_NAME,
    OPTION_F_DNS_ZONE_NAME,
    OPTION_F_DNS_FLAGS,
    OPTION_F_EXPIRATION_TIME,
    OPTION_F_MAX_UNACKED_BNDUPD,
    OPTION_F_MCLT,
    OPTION_F_PARTNER_LIFETIME,
    OPTION_F_PARTNER_LIFETIME_SENT,
    OPTION_F_PARTNER_DOWN_TIME,
    OPTION_F_PARTNER_RAW_CLT_TIME,
    OPTION_F_PROTOCOL_VERSION,
    OPTION_F_KEEPALIVE_TIME,
    OPTION_F_RECONFIGURE_DATA,
    OPTION_F_RELATIONSHIP_NAME,
    OPTION_F_SERVER_FLAGS,
    OPTION_F_SERVER_STATE,
    OPTION_F_START_TIME_OF_STATE,
    OPTION_F_STATE_EXPIRATION_TIME = 134,
};

/* Sub-options of our own OPTION_VENDOR_OPTS. Numbers are never reused. */
enum fo_vendor_code {
    FO_VENDOR_SOFTWARE = 1,     /* CONNECT, CONNECTREPLY: "tandem6 VERSION" */
    FO_VENDOR_CAPABILITIES = 2, /* the same: id 2, version 2, each */
    FO_VENDOR_DIRECT = 3,       /* CLIENT_DATA: lease info items of a client without relay */
    FO_VENDOR_CLIENT_FLAGS = 4, /* CLIENT_DATA: LEASE_FLAG_RECONF_ACCEPT, 1 */
};

/* The next option; false at the end, and when the rest is broken (then in->failed). */
static inline bool fo_option_next(struct wire_in *in, uint16_t *ret_code, struct span *ret_data)
{
    struct span data;
    uint16_t code;

    if (wire_in_left(in) == 0) {
        return false;
    }
    code = wire_in_u16(in);
    data = wire_in_span(in, wire_in_u16(in));
    if (in->failed) {
        return false;
    }
    *ret_code = code;
    *ret_data = data;
    return true;
}

/* Writes code and room for the size, which fo_option_close fills in. NULL when it does not fit. */
static inline uint8_t *fo_option_open(struct wire_out *out, uint16_t code)
{
    wire_out_u16(out, code);
    return wire_out_room(out, 2);
}

/* The option holds all that was written since it was opened. */
static inline void fo_option_close(struct wire_out *out, uint8_t *size_at)
{
    size_t size;

    if (out->failed) {
        return;
    }
    size = (size_t)(out->at - size_at) - 2;
    if (size > UINT16_MAX) {
        out->failed = true;
        return;
    }
    wire_set_u16(size_at, (uint16_t)size);
}

static inline void fo_option_bytes(struct wire_out *out, uint16_t code, struct span data)
{
    if (data.size > UINT16_MAX) {
        out->failed = true;
        return;
    }
    wire_out_u16(out, code);
    wire_out_u16(out, (uint16_t)data.size);
    wire_out_bytes(out, data.data, data.size);
}

static inline void fo_option_u8(struct wire_out *out, uint16_t code, uint8_t value)
{
    wire_out_u16(out, code);
    wire_out_u16(out, 1);
    wire_out_u8(out, value);
}

static inline void fo_option_u16(struct wire_out *out, uint16_t code, uint16_t value)
{
    wire_out_u16(out, code);
    wire_out_u16(out, 2);
    wire_out_u16(out, value);
}

static inline void fo_option_u32(struct wire_out *out, uint16_t code, uint32_t value)
{
    wire_out_u16(out, code);
    wire_out_u16(out, 4);
    wire_out_u32(out, value);
}

/* Reads OPTION_STATUS_CODE into a status that is not present yet. */
void fo_status_read(struct span data, struct fo_status *status);
/* Writes OPTION_STATUS_CODE, its text (NULL: none) cut at FO_TEXT_SIZE_MAX. */
void fo_status_write(struct wire_out *out, enum fo_status_code code, const char *text);

/* Writes count, type and transaction-id of a frame; NULL when it does not fit, else what
 * fo_frame_close wants. */
uint8_t *fo_frame_open(struct wire_out *out, unsigned type, uint32_t xid);
/* Fills in the count; the frame's size, 0 when something did not fit. */
size_t fo_frame_close(struct wire_out *out, uint8_t *frame);

#endif

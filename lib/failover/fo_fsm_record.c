/* The endpoint's record on disk: one version octet, then fixed fields, big-endian. */
#include "failover/fo_fsm.h"

enum {
    RECORD_VERSION = 1,
    RECORD_COMMUNICATED = 1, /* flag bits */
    RECORD_ALL_NEEDED = 2,
    RECORD_FRESH = 4,
    RECORD_PARTNER_UPDATED = 8,
    RECORD_POOL_UNKNOWN = 16,
    RECORD_FLAGS = 31,
};

size_t fo_record_encode(const struct fo_record *record, uint8_t buf[FO_RECORD_SIZE_MAX])
{
    struct wire_out out = wire_out_to(buf, FO_RECORD_SIZE_MAX);

    wire_out_u8(&out, RECORD_VERSION);
    wire_out_u8(&out, record->role);
    wire_out_u8(&out, record->state);
    wire_out_u8(&out, record->previous);
    wire_out_u8(&out, record->cause);
    wire_out_u8(&out, record->partner_state);
    wire_out_u8(&out, record->partner_flags);
    wire_out_u8(&out, (uint8_t)((record->communicated ? RECORD_COMMUNICATED : 0) |
                                (record->all_needed ? RECORD_ALL_NEEDED : 0) |
                                (record->fresh ? RECORD_FRESH : 0) |
                                (record->partner_updated ? RECORD_PARTNER_UPDATED : 0) |
                                (record->pool_unknown ? RECORD_POOL_UNKNOWN : 0)));
    wire_out_u32(&out, record->start_s);
    wire_out_u32(&out, record->partner_start_s);
    wire_out_u32(&out, record->partner_down_s);
    wire_out_u32(&out, record->heard_s);
    wire_out_u32(&out, record->mclt_s);
    wire_out_u32(&out, record->failure_s);
    wire_out_u32(&out, record->wait_from_s);
    wire_out_u32(&out, record->down_since_s);
    wire_out_u32(&out, record->hold_until_s);
    T6_ASSERT(!out.failed);
    return (size_t)(out.at - buf);
}

/* A state that stands in a record: STARTUP never does. */
static bool state_valid(const struct fo_record *record)
{
    return record->role <= FO_SECONDARY && record->state > FO_STARTUP &&
           record->state < FO_SERVER_STATE_COUNT && record->previous < FO_SERVER_STATE_COUNT &&
           record->partner_state < FO_SERVER_STATE_COUNT && record->cause < FO_CAUSE_COUNT &&
           record->mclt_s != 0 && (record->state != FO_CONFLICT_DONE || record->role == FO_PRIMARY);
}

int fo_record_parse(struct span bytes, struct fo_record *ret_record)
{
    struct wire_in in = wire_in_from(bytes);
    struct fo_record record = {0};
    uint8_t version = wire_in_u8(&in), flags;

    if (!in.failed && version > RECORD_VERSION) {
        return -ENOTSUP;
    }
    record.role = wire_in_u8(&in);
    record.state = wire_in_u8(&in);
    record.previous = wire_in_u8(&in);
    record.cause = wire_in_u8(&in);
    record.partner_state = wire_in_u8(&in);
    record.partner_flags = wire_in_u8(&in);
    flags = wire_in_u8(&in);
    record.communicated = (flags & RECORD_COMMUNICATED) != 0;
    record.all_needed = (flags & RECORD_ALL_NEEDED) != 0;
    record.fresh = (flags & RECORD_FRESH) != 0;
    record.partner_updated = (flags & RECORD_PARTNER_UPDATED) != 0;
    record.pool_unknown = (flags & RECORD_POOL_UNKNOWN) != 0;
    record.start_s = wire_in_u32(&in);
    record.partner_start_s = wire_in_u32(&in);
    record.partner_down_s = wire_in_u32(&in);
    record.heard_s = wire_in_u32(&in);
    record.mclt_s = wire_in_u32(&in);
    record.failure_s = wire_in_u32(&in);
    record.wait_from_s = wire_in_u32(&in);
    record.down_since_s = wire_in_u32(&in);
    record.hold_until_s = wire_in_u32(&in);
    if (in.failed || wire_in_left(&in) || version != RECORD_VERSION ||
        (flags & ~(unsigned)RECORD_FLAGS) || !state_valid(&record)) {
        return -EBADMSG;
    }
    *ret_record = record;
    return 0;
}

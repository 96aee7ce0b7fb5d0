/* The record codec. Little-endian throughout:
 *
 *     octet 0       kind in the low four bits; binding status in the high four (LEASE_* only)
 *     LEASE_*       flags 1, shape 2, resource, iaid 4, version 8, the times whose bit is set 4
 * each; FULL goes on: DUID size 1, DUID, info size 2, info FORGET        shape 2, resource, version
 * 8 META          key 4, value up to the end resource      prefix's upper half 8, lower half 8
 * (left out when zero), length 1 (left out when 128)
 *
 * A renewal (LEASE_TIMES) of a server without a partner takes about 60 octets. */
#include "journal/record.h"

#include "journal/le.h"

enum {
    SHAPE_TIME_COUNT = 12,             /* bits 0..11: that time is not zero and present */
    SHAPE_HORIZON_IS_EXPIRY = 1 << 12, /* horizon_s equals expires_s and is left out */
    SHAPE_PREFIX = 1 << 13,            /* delegated prefix; else address */
    SHAPE_LOW_ZERO = 1 << 14,          /* lower half of the prefix left out */
    SHAPE_LENGTH_128 = 1 << 15,        /* length left out */
    SHAPE_RESOURCE_BITS = SHAPE_PREFIX | SHAPE_LOW_ZERO | SHAPE_LENGTH_128,
    HORIZON_INDEX = 7,
    EXPIRES_INDEX = 1,
    RECORD_SIZE_MAX =
        1 + 1 + 2 + 17 + 4 + 8 + 4 * SHAPE_TIME_COUNT + 1 + DUID_SIZE_MAX + 2 + LEASE_INFO_SIZE_MAX,
};

_Static_assert((int)RECORD_SIZE_MAX <= (int)CHANGE_RECORD_MAX, "a full lease fits a record");
_Static_assert(1 + 4 + (int)META_VALUE_MAX <= (int)CHANGE_RECORD_MAX, "a meta fits a record");
_Static_assert((int)BINDING_STATUS_COUNT <= 16, "a status fits four bits");
_Static_assert(sizeof(struct lease_times) == (size_t)4 * SHAPE_TIME_COUNT, "one bit per time");

static unsigned resource_shape(const struct resource *resource)
{
    T6_ASSERT(resource->type == LEASE_TYPE_NA || resource->type == LEASE_TYPE_PD);
    return (resource->type == LEASE_TYPE_PD ? (unsigned)SHAPE_PREFIX : 0) |
           (resource->prefix.lo == 0 ? (unsigned)SHAPE_LOW_ZERO : 0) |
           (resource->length == 128 ? (unsigned)SHAPE_LENGTH_128 : 0);
}

static uint8_t *resource_encode(const struct resource *resource, unsigned shape, uint8_t *p)
{
    p = le_set_u64(p, resource->prefix.hi);
    if (!(shape & SHAPE_LOW_ZERO)) {
        p = le_set_u64(p, resource->prefix.lo);
    }
    if (!(shape & SHAPE_LENGTH_128)) {
        *p++ = resource->length;
    }
    return p;
}

/* The times in the order of struct lease_times, which the format fixes by this table. */
static void times_to_array(const struct lease_times *times, uint32_t *ret_values)
{
    ret_values[0] = times->start_s;
    ret_values[EXPIRES_INDEX] = times->expires_s;
    ret_values[2] = times->clt_s;
    ret_values[3] = times->partner_lifetime_s;
    ret_values[4] = times->acked_partner_lifetime_s;
    ret_values[5] = times->expiration_s;
    ret_values[6] = times->partner_raw_clt_s;
    ret_values[HORIZON_INDEX] = times->horizon_s;
    ret_values[8] = times->preferred_lifetime_s;
    ret_values[9] = times->valid_lifetime_s;
    ret_values[10] = times->t1_s;
    ret_values[11] = times->t2_s;
}

static void times_from_array(const uint32_t *values, struct lease_times *ret_times)
{
    *ret_times = (struct lease_times){
        .start_s = values[0],
        .expires_s = values[EXPIRES_INDEX],
        .clt_s = values[2],
        .partner_lifetime_s = values[3],
        .acked_partner_lifetime_s = values[4],
        .expiration_s = values[5],
        .partner_raw_clt_s = values[6],
        .horizon_s = values[HORIZON_INDEX],
        .preferred_lifetime_s = values[8],
        .valid_lifetime_s = values[9],
        .t1_s = values[10],
        .t2_s = values[11],
    };
}

size_t record_lease_encode(const struct lease *lease, uint64_t version, bool full, uint8_t *buf)
{
    unsigned shape = resource_shape(&lease->resource);
    uint32_t times[SHAPE_TIME_COUNT];
    uint8_t *p = buf;

    T6_ASSERT(lease->status < BINDING_STATUS_COUNT);
    T6_ASSERT(lease->duid.size <= DUID_SIZE_MAX && lease->info.size <= LEASE_INFO_SIZE_MAX);
    times_to_array(&lease->times, times);
    for (unsigned i = 0; i < SHAPE_TIME_COUNT; i++) {
        shape |= times[i] ? 1u << i : 0;
    }
    if (times[HORIZON_INDEX] && times[HORIZON_INDEX] == times[EXPIRES_INDEX]) {
        shape = (shape & ~(1u << HORIZON_INDEX)) | SHAPE_HORIZON_IS_EXPIRY;
    }
    *p++ = (uint8_t)((unsigned)(full ? RECORD_LEASE_FULL : RECORD_LEASE_TIMES) |
                     (unsigned)lease->status << 4);
    *p++ = lease->flags;
    p = le_set_u16(p, (uint16_t)shape);
    p = resource_encode(&lease->resource, shape, p);
    p = le_set_u32(p, lease->iaid);
    p = le_set_u64(p, version);
    for (unsigned i = 0; i < SHAPE_TIME_COUNT; i++) {
        if (shape & (1u << i)) {
            p = le_set_u32(p, times[i]);
        }
    }
    if (full) {
        *p++ = (uint8_t)lease->duid.size;
        if (lease->duid.size) {
            memcpy(p, lease->duid.data, lease->duid.size);
        }
        p = le_set_u16(p + lease->duid.size, (uint16_t)lease->info.size);
        if (lease->info.size) {
            memcpy(p, lease->info.data, lease->info.size);
        }
        p += lease->info.size;
    }
    return (size_t)(p - buf);
}

size_t record_forget_encode(const struct resource *resource, uint64_t version, uint8_t *buf)
{
    unsigned shape = resource_shape(resource);
    uint8_t *p = buf;

    *p++ = RECORD_LEASE_FORGET;
    p = le_set_u16(p, (uint16_t)shape);
    p = resource_encode(resource, shape, p);
    p = le_set_u64(p, version);
    return (size_t)(p - buf);
}

size_t record_meta_encode(uint32_t key, struct span value, uint8_t *buf)
{
    T6_ASSERT(value.size <= META_VALUE_MAX);
    buf[0] = RECORD_META;
    le_set_u32(buf + 1, key);
    if (value.size) {
        memcpy(buf + 5, value.data, value.size);
    }
    return 5 + value.size;
}

static uint16_t in_u16(struct wire_in *in)
{
    const uint8_t *p = wire_in_bytes(in, 2);
    return p ? le_get_u16(p) : 0;
}

static uint32_t in_u32(struct wire_in *in)
{
    const uint8_t *p = wire_in_bytes(in, 4);
    return p ? le_get_u32(p) : 0;
}

static uint64_t in_u64(struct wire_in *in)
{
    const uint8_t *p = wire_in_bytes(in, 8);
    return p ? le_get_u64(p) : 0;
}

static bool resource_parse(struct wire_in *in, unsigned shape, struct resource *ret_resource)
{
    ret_resource->type = shape & SHAPE_PREFIX ? LEASE_TYPE_PD : LEASE_TYPE_NA;
    ret_resource->prefix.hi = in_u64(in);
    ret_resource->prefix.lo = shape & SHAPE_LOW_ZERO ? 0 : in_u64(in);
    ret_resource->length = shape & SHAPE_LENGTH_128 ? 128 : wire_in_u8(in);
    return ret_resource->length <= 128 &&
           (ret_resource->type == LEASE_TYPE_PD || ret_resource->length == 128);
}

static bool times_parse(struct wire_in *in, unsigned shape, struct lease_times *ret_times)
{
    uint32_t times[SHAPE_TIME_COUNT];

    for (unsigned i = 0; i < SHAPE_TIME_COUNT; i++) {
        times[i] = shape & (1u << i) ? in_u32(in) : 0;
    }
    if (shape & SHAPE_HORIZON_IS_EXPIRY) {
        if (shape & (1u << HORIZON_INDEX)) {
            return false;
        }
        times[HORIZON_INDEX] = times[EXPIRES_INDEX];
    }
    times_from_array(times, ret_times);
    return true;
}

static bool lease_parse(struct wire_in *in, struct record *record, unsigned status)
{
    struct lease *lease = &record->lease;
    unsigned shape;

    lease->status = (uint8_t)status;
    lease->flags = wire_in_u8(in);
    shape = in_u16(in);
    if (status == 0 || status >= BINDING_STATUS_COUNT ||
        !resource_parse(in, shape, &lease->resource)) {
        return false;
    }
    lease->iaid = in_u32(in);
    lease->version = in_u64(in);
    if (!times_parse(in, shape, &lease->times)) {
        return false;
    }
    if (record->kind == RECORD_LEASE_FULL) {
        lease->duid = wire_in_span(in, wire_in_u8(in));
        lease->info = wire_in_span(in, in_u16(in));
        return lease->duid.size <= DUID_SIZE_MAX &&
               (lease->duid.size == 0 || lease->duid.size >= DUID_SIZE_MIN) &&
               lease->info.size <= LEASE_INFO_SIZE_MAX && lease_info_valid(lease->info);
    }
    return true;
}

static bool forget_parse(struct wire_in *in, struct record *record)
{
    unsigned shape = in_u16(in);

    if ((shape & ~(unsigned)SHAPE_RESOURCE_BITS) != 0 ||
        !resource_parse(in, shape, &record->lease.resource)) {
        return false;
    }
    record->lease.version = in_u64(in);
    return true;
}

static bool meta_parse(struct wire_in *in, struct record *record)
{
    record->meta_key = in_u32(in);
    record->meta = wire_in_span(in, wire_in_left(in));
    return record->meta.size <= META_VALUE_MAX;
}

int record_parse(struct span bytes, struct record *ret_record)
{
    struct wire_in in = wire_in_from(bytes);
    struct record record = {0};
    unsigned head = wire_in_u8(&in);
    bool good = false;

    if (in.failed) {
        return -EBADMSG;
    }
    /* Not through the enum: the bits may be anything. */
    if ((head & 15) == RECORD_LEASE_FULL || (head & 15) == RECORD_LEASE_TIMES) {
        record.kind = (enum record_kind)(head & 15);
        good = lease_parse(&in, &record, head >> 4);
    } else if (head == RECORD_LEASE_FORGET) {
        record.kind = RECORD_LEASE_FORGET;
        good = forget_parse(&in, &record);
    } else if (head == RECORD_META) {
        record.kind = RECORD_META;
        good = meta_parse(&in, &record);
    }
    if (!good || in.failed || wire_in_left(&in) != 0) {
        return -EBADMSG;
    }
    *ret_record = record;
    return 0;
}

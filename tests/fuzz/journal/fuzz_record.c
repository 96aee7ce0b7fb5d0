/* Any bytes as one record: what parses must come back the same through the encoder. */
#include "journal/record.h"

static size_t encode_again(const struct record *record, uint8_t *buf)
{
    switch (record->kind) {
    case RECORD_LEASE_FULL:
    case RECORD_LEASE_TIMES:
        return record_lease_encode(&record->lease, record->lease.version,
                                   record->kind == RECORD_LEASE_FULL, buf);
    case RECORD_LEASE_FORGET:
        return record_forget_encode(&record->lease.resource, record->lease.version, buf);
    case RECORD_META:
        return record_meta_encode(record->meta_key, record->meta, buf);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t first[CHANGE_RECORD_MAX], second[CHANGE_RECORD_MAX];
    struct record record, again;

    if (record_parse((struct span){data, size}, &record) != 0) {
        return 0;
    }
    T6_ASSERT(record.lease.info.size == 0 || lease_info_valid(record.lease.info));
    /* The input may have spelled a zero out; the encoder's own form is the same forever. */
    size_t first_size = encode_again(&record, first);
    T6_ASSERT(first_size > 0 && first_size <= size);
    T6_ASSERT(record_parse((struct span){first, first_size}, &again) == 0);
    T6_ASSERT(again.kind == record.kind && again.lease.version == record.lease.version);
    T6_ASSERT(memcmp(&again.lease.times, &record.lease.times, sizeof(again.lease.times)) == 0);
    T6_ASSERT(span_equal(again.lease.duid, record.lease.duid));
    T6_ASSERT(encode_again(&again, second) == first_size);
    T6_ASSERT(memcmp(first, second, first_size) == 0);
    return 0;
}

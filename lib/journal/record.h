/* What one log record says, and its bytes. A record is a whole truth by itself except LEASE_TIMES,
 * which leaves out DUID and info and is written only when a full record of the same slot's identity
 * is already durable (store_committed.full_needed). Versioned by the log's format number. Any
 * thread. */
#ifndef JOURNAL_RECORD_H
#define JOURNAL_RECORD_H

#include "base/change.h"
#include "lease/lease.h"

enum record_kind {
    RECORD_LEASE_FULL = 1,   /* a lease with DUID and info */
    RECORD_LEASE_TIMES = 2,  /* status and times of a lease whose identity is durable */
    RECORD_LEASE_FORGET = 3, /* resource and version: the lease is gone */
    RECORD_META = 4,         /* server state: key and value */
};

/* Keys of RECORD_META; values are small, the latest one counts. */
enum meta_key {
    META_HORIZON = 1,       /* sec_t: may operate until then (design 2) */
    META_CLEAN_STOP = 2,    /* sec_t: stopped cleanly at that time; 0 = running */
    META_VERSION_FLOOR = 3, /* u64: versions of forgotten leases were at most this */
    META_CLOCK_DOUBTED = 4, /* u32: 1 = promises were made by a clock that may be too early */
    META_ENDPOINT = 0x100,  /* + relationship number: failover endpoint state, owner's encoding */
    META_VALUE_MAX = 512,
};

struct record {
    enum record_kind kind;
    struct lease
        lease;         /* LEASE_*: TIMES without duid and info; FORGET: resource and version only */
    uint32_t meta_key; /* META */
    struct span meta;  /* META */
};

/* Bytes of the record in buf (at least CHANGE_RECORD_MAX); returns the size. */
size_t record_lease_encode(const struct lease *lease, uint64_t version, bool full, uint8_t *buf);
size_t record_forget_encode(const struct resource *resource, uint64_t version, uint8_t *buf);
size_t record_meta_encode(uint32_t key, struct span value, uint8_t *buf);

/* The kind a record claims to be, without parsing it; 0 for no bytes. */
static inline unsigned record_kind_of(struct span bytes)
{
    return bytes.size ? bytes.data[0] & 15u : 0;
}

/* Parses one record; accepts any bytes. 0 or -EBADMSG. Spans borrow from bytes. */
int record_parse(struct span bytes, struct record *ret_record) MUST_CHECK;

#endif

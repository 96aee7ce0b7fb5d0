/* The bytes of one batch. All numbers little-endian.
 *
 * A batch is one or more blocks of DISK_BLOCK octets. A record never crosses a block's end, and
 * each block begins with a magic of ours, so no byte that a client chose ever stands where a batch
 * header could, and the scan for batches behind a break cannot be deceived.
 *
 *     first block     magic 4, format 2, zero 2, boot epoch 8, sequence 8, previous batch's CRC 4,
 *                     size 4 (octets, padding included), records 4, CRC 4, zero 24; then records
 *     other blocks    magic 4, index 4, sequence 8; then records
 *     a record        size 2, octets; size 0 or the block's end: no more in this block
 *
 * CRC32C runs over the whole batch, padding included, with the CRC field zero. The sequence never
 * restarts, boot epochs only grow. Journal-internal; any thread. */
#ifndef JOURNAL_BATCH_H
#define JOURNAL_BATCH_H

#include "base/change.h"
#include "journal/disk.h"

enum {
    JOURNAL_FORMAT = 1,     /* of batches, checkpoints and records together */
    BATCH_HEADER_SIZE = 64, /* in the first block */
    BATCH_TAG_SIZE = 16,    /* in each further block */
    BATCH_SIZE_LIMIT = 4 << 20,
    BATCH_CRC_OFFSET = 36,
};

#define BATCH_MAGIC     0x426c3654u /* "T6lB" */
#define BATCH_TAG_MAGIC 0x436c3654u /* "T6lC" */

struct batch_header {
    uint64_t epoch;        /* of the boot that wrote it */
    uint64_t sequence;     /* 1, 2, ... over the log's whole life */
    uint32_t previous_crc; /* of the batch before; 0 for the first */
    uint32_t size;         /* octets, multiple of DISK_BLOCK */
    uint32_t record_count;
    uint32_t crc;
};

/* Building, in a buffer of size_max octets (multiple of DISK_BLOCK). */
struct batch {
    uint8_t *bytes;
    uint32_t size_max;
    uint32_t at; /* octets in use */
    uint32_t record_count;
    uint64_t sequence;
};

void batch_begin(struct batch *batch, uint64_t sequence);
/* False when it does not fit. record: 1..CHANGE_RECORD_MAX octets. */
bool batch_add(struct batch *batch, struct span record);
/* Pads and signs; returns what was written as header. */
struct batch_header batch_seal(struct batch *batch, uint64_t epoch, uint32_t previous_crc);

/* Reading. block: DISK_BLOCK octets. False when no batch of this format begins here. */
bool batch_header_parse(const uint8_t *block, struct batch_header *ret_header);
/* bytes: header->size octets. */
bool batch_crc_valid(const uint8_t *bytes, const struct batch_header *header);

struct batch_reader {
    const uint8_t *bytes;
    uint32_t size, at;
    bool failed; /* a size does not fit: not a batch of ours */
};

struct batch_reader batch_reader_from(const uint8_t *bytes, const struct batch_header *header);
/* The next record; false at the end or when failed. */
bool batch_reader_next(struct batch_reader *reader, struct span *ret_record);

#endif

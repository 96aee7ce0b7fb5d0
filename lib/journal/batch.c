/* Batches: see batch.h. Pure bytes, no disk. */
#include "journal/batch.h"

#include "base/crc32c.h"
#include "journal/le.h"

void batch_begin(struct batch *batch, uint64_t sequence)
{
    batch->at = BATCH_HEADER_SIZE;
    batch->record_count = 0;
    batch->sequence = sequence;
}

/* Octets left in the block that `at` stands in; none when it stands on a border. */
static uint32_t block_left(uint32_t at)
{
    return (DISK_BLOCK - at % DISK_BLOCK) % DISK_BLOCK;
}

static bool batch_block_next(struct batch *batch)
{
    uint32_t left = block_left(batch->at);
    uint8_t *p;

    if (batch->at + left + DISK_BLOCK > batch->size_max) {
        return false;
    }
    memset(batch->bytes + batch->at, 0, left);
    batch->at += left;
    p = le_set_u32(batch->bytes + batch->at, BATCH_TAG_MAGIC);
    p = le_set_u32(p, batch->at / DISK_BLOCK);
    le_set_u64(p, batch->sequence);
    batch->at += BATCH_TAG_SIZE;
    return true;
}

bool batch_add(struct batch *batch, struct span record)
{
    uint8_t *p;

    T6_ASSERT(record.size > 0 && record.size <= CHANGE_RECORD_MAX);
    if (block_left(batch->at) < 2 + record.size && !batch_block_next(batch)) {
        return false;
    }
    p = le_set_u16(batch->bytes + batch->at, (uint16_t)record.size);
    memcpy(p, record.data, record.size);
    batch->at += 2 + (uint32_t)record.size;
    batch->record_count++;
    return true;
}

struct batch_header batch_seal(struct batch *batch, uint64_t epoch, uint32_t previous_crc)
{
    uint32_t left = block_left(batch->at);
    struct batch_header header = {
        .epoch = epoch,
        .sequence = batch->sequence,
        .previous_crc = previous_crc,
        .size = batch->at + left,
        .record_count = batch->record_count,
    };
    uint8_t *p = batch->bytes;

    memset(batch->bytes + batch->at, 0, left);
    memset(p, 0, BATCH_HEADER_SIZE);
    p = le_set_u32(p, BATCH_MAGIC);
    p = le_set_u16(p, JOURNAL_FORMAT);
    p = le_set_u16(p, 0);
    p = le_set_u64(p, header.epoch);
    p = le_set_u64(p, header.sequence);
    p = le_set_u32(p, header.previous_crc);
    p = le_set_u32(p, header.size);
    p = le_set_u32(p, header.record_count);
    T6_ASSERT(p == batch->bytes + BATCH_CRC_OFFSET);
    header.crc = crc32c(batch->bytes, header.size);
    le_set_u32(p, header.crc);
    return header;
}

bool batch_header_parse(const uint8_t *block, struct batch_header *ret_header)
{
    struct batch_header header;

    if (le_get_u32(block) != BATCH_MAGIC || le_get_u16(block + 4) != JOURNAL_FORMAT) {
        return false;
    }
    header.epoch = le_get_u64(block + 8);
    header.sequence = le_get_u64(block + 16);
    header.previous_crc = le_get_u32(block + 24);
    header.size = le_get_u32(block + 28);
    header.record_count = le_get_u32(block + 32);
    header.crc = le_get_u32(block + BATCH_CRC_OFFSET);
    if (header.size == 0 || header.size > BATCH_SIZE_LIMIT || header.size % DISK_BLOCK != 0) {
        return false;
    }
    /* Numbers that no log lives to reach, so that counting on from them cannot overflow. */
    if (header.epoch == 0 || header.epoch > INT64_MAX || header.sequence == 0 ||
        header.sequence > INT64_MAX) {
        return false;
    }
    *ret_header = header;
    return true;
}

bool batch_crc_valid(const uint8_t *bytes, const struct batch_header *header)
{
    static const uint8_t zero[4];
    uint32_t crc = crc32c(bytes, BATCH_CRC_OFFSET);

    crc = crc32c_update(crc, zero, sizeof(zero));
    crc = crc32c_update(crc, bytes + BATCH_CRC_OFFSET + 4, header->size - BATCH_CRC_OFFSET - 4);
    return crc == header->crc;
}

struct batch_reader batch_reader_from(const uint8_t *bytes, const struct batch_header *header)
{
    return (struct batch_reader){.bytes = bytes, .size = header->size, .at = BATCH_HEADER_SIZE};
}

bool batch_reader_next(struct batch_reader *reader, struct span *ret_record)
{
    while (reader->at < reader->size && !reader->failed) {
        uint32_t left = block_left(reader->at);
        const uint8_t *p = reader->bytes + reader->at;
        uint32_t size = left >= 2 ? le_get_u16(p) : 0;

        if (size == 0) {
            reader->at += left + BATCH_TAG_SIZE;
            continue;
        }
        if (2 + size > left || size > CHANGE_RECORD_MAX) {
            reader->failed = true;
            break;
        }
        reader->at += 2 + size;
        *ret_record = (struct span){p + 2, size};
        return true;
    }
    return false;
}

/* Any bytes as the state directory: up to three files of a journal. The first octet says what they
 * are: bit 0 a checkpoint comes first, bit 1 checksums are made right so that the fuzzer gets
 * behind them, bit 2 repair. Each file is a 16-bit number of blocks and its octets. Whatever it is,
 * the open ends with a log that opens again, or with an error. */
#include "base/crc32c.h"
#include "journal/batch.h"
#include "journal/internal.h"
#include "journal/journal.h"
#include "journal/le.h"
#include "memdisk.h"

enum {
    FILES_MAX = 3,
    BLOCKS_MAX = 16,
    SEGMENT = 64 << 10
};

struct told {
    uint64_t records;
};

static int tell(void *ctx, const struct record *record)
{
    struct told *told = ctx;

    T6_ASSERT(record->lease.duid.size <= DUID_SIZE_MAX);
    T6_ASSERT(record->meta.size <= META_VALUE_MAX);
    told->records++;
    return 0;
}

/* Signs every batch and links it to the one before; repeats nothing, so it is linear. */
static void sign_log(uint8_t *bytes, size_t size, uint32_t *previous)
{
    for (size_t at = 0; at + DISK_BLOCK <= size; at += DISK_BLOCK) {
        struct batch_header header;
        uint8_t *p = bytes + at;

        if (!batch_header_parse(p, &header) || header.size > size - at) {
            continue;
        }
        le_set_u32(p + 24, *previous);
        le_set_u32(p + BATCH_CRC_OFFSET, 0);
        *previous = crc32c(p, header.size);
        le_set_u32(p + BATCH_CRC_OFFSET, *previous);
        at += header.size - DISK_BLOCK;
    }
}

static void sign_checkpoint(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + DISK_BLOCK <= size; at += DISK_BLOCK) {
        uint8_t *p = bytes + at;
        uint32_t block_size = le_get_u32(p + 16);

        if (le_get_u32(p) == CHECKPOINT_MARK_MAGIC) {
            le_set_u32(p + DISK_BLOCK - 4, crc32c(p, DISK_BLOCK - 4));
        } else if (le_get_u32(p) == CHECKPOINT_BLOCK_MAGIC && block_size >= CHECKPOINT_HEAD_SIZE &&
                   block_round(block_size) <= size - at) {
            uint32_t crc = crc32c(p, CHECKPOINT_CRC_OFFSET);
            crc = crc32c_update(crc, p + CHECKPOINT_HEAD_SIZE,
                                block_round(block_size) - CHECKPOINT_HEAD_SIZE);
            le_set_u32(p + CHECKPOINT_CRC_OFFSET, crc);
        }
    }
}

static void files_put(struct memdisk *memdisk, unsigned mode, const uint8_t *data, size_t size)
{
    static uint8_t file[BLOCKS_MAX * DISK_BLOCK];
    uint64_t segment = 1;
    uint32_t previous = 0;

    for (unsigned i = 0; i < FILES_MAX && size > 2; i++) {
        size_t blocks = 1 + le_get_u16(data) % BLOCKS_MAX;
        size_t taken = size - 2 < blocks * DISK_BLOCK ? size - 2 : blocks * DISK_BLOCK;
        bool checkpoint = i == 0 && (mode & 1);
        char name[DISK_NAME_MAX];

        memset(file, 0, sizeof(file));
        memcpy(file, data + 2, taken);
        data += 2 + taken;
        size -= 2 + taken;
        if (checkpoint) {
            checkpoint_name(1, name);
        } else {
            segment_name(segment++, name);
        }
        if (mode & 2) {
            if (checkpoint) {
                sign_checkpoint(file, blocks * DISK_BLOCK);
            } else {
                sign_log(file, blocks * DISK_BLOCK, &previous);
            }
        }
        T6_ASSERT(memdisk_put(memdisk, name, file, blocks * DISK_BLOCK) == 0);
    }
}

static int open_once(struct memdisk *memdisk, struct change_ring *ring, bool repair,
                     uint64_t *ret_records)
{
    struct journal_config config = {.disk = memdisk_disk(memdisk),
                                    .segment_size = SEGMENT,
                                    .batch_max = 4 * DISK_BLOCK,
                                    .rings = ring,
                                    .ring_count = 1};
    struct told told = {0};
    struct journal_damage damage;
    struct journal *journal;
    int error = journal_open(&config, tell, &told, repair, &journal, &damage);

    if (error) {
        return error;
    }
    *ret_records = told.records;
    journal_close(journal);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memdisk *memdisk = memdisk_new();
    struct change_ring ring;
    uint64_t first = 0, second = 0;

    if (!memdisk || change_ring_init(&ring, 4096) != 0) {
        abort();
    }
    if (size > 1) {
        bool repair = data[0] & 4;

        files_put(memdisk, data[0], data + 1, size - 1);
        if (open_once(memdisk, &ring, repair, &first) == 0) {
            /* A checkpoint that was repaired stays damaged until the next one is written. */
            int error = open_once(memdisk, &ring, repair, &second);
            T6_ASSERT(error == 0);
            T6_ASSERT(first == second);
        }
    }
    change_ring_done(&ring);
    memdisk_free(memdisk);
    return 0;
}

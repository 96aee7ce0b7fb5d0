/* CRC32C (Castagnoli, RFC 3720 B.4): the instruction where the CPU baseline has it, else a table.
 * Both give the same numbers, so a log moves between machines. Header-only; any thread. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

/* Four bits at a time: small enough for a header; only machines without the instruction use it. */
static inline uint32_t crc32c_table_update(uint32_t crc, const uint8_t *data, size_t size)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };

    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        crc = table[crc & 15] ^ (crc >> 4);
        crc = table[crc & 15] ^ (crc >> 4);
    }
    return ~crc;
}

/* Goes on from crc (0 at the start), so that pieces may be summed one after the other. */
static inline uint32_t crc32c_update(uint32_t crc, const uint8_t *data, size_t size)
{
#if defined(__SSE4_2__)
    uint64_t wide = ~crc & 0xffffffffu;

    for (; size >= 8; data += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, data, sizeof(word));
        wide = _mm_crc32_u64(wide, word);
    }
    for (; size > 0; data++, size--) {
        wide = _mm_crc32_u8((uint32_t)wide, *data);
    }
    return ~(uint32_t)wide;
#else
    return crc32c_table_update(crc, data, size);
#endif
}

static inline uint32_t crc32c(const uint8_t *data, size_t size)
{
    return crc32c_update(0, data, size);
}

#endif

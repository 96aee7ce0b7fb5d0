/* Bounds-checked cursors over wire bytes, with a sticky error: after the first read or write that
 * does not fit, every further call is a no-op that yields zero, so a codec checks `failed` once at
 * the end. The only place where byte order is converted. Header-only; any thread. */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/units.h"

/* Borrowed bytes. data may be NULL when size is 0. */
struct span {
    const uint8_t *data;
    size_t size;
};

static inline uint64_t wire_word(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* Identifiers mostly have 8 to 32 octets: words from both ends that may overlap, instead of a call.
 */
static inline bool bytes_equal(const uint8_t *a, const uint8_t *b, size_t size)
{
    uint64_t differ;

    if (size < 8 || size > 32) {
        return size == 0 || memcmp(a, b, size) == 0;
    }
    differ = (wire_word(a) ^ wire_word(b)) | (wire_word(a + size - 8) ^ wire_word(b + size - 8));
    if (size > 16) {
        differ |= (wire_word(a + 8) ^ wire_word(b + 8)) |
                  (wire_word(a + size - 16) ^ wire_word(b + size - 16));
    }
    return differ == 0;
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.size == b.size && bytes_equal(a.data, b.data, a.size);
}

static inline uint16_t wire_get_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return __builtin_bswap16(v);
}

static inline uint32_t wire_get_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return __builtin_bswap32(v);
}

static inline uint64_t wire_get_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return __builtin_bswap64(v);
}

static inline struct ip6 wire_get_ip6(const uint8_t *p)
{
    return (struct ip6){wire_get_u64(p), wire_get_u64(p + 8)};
}

static inline void wire_set_u16(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof(v));
}

static inline void wire_set_u32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof(v));
}

static inline void wire_set_u64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof(v));
}

static inline void wire_set_ip6(uint8_t *p, struct ip6 a)
{
    wire_set_u64(p, a.hi);
    wire_set_u64(p + 8, a.lo);
}

/* Reading. */
struct wire_in {
    const uint8_t *at;  /* next unread byte */
    const uint8_t *end; /* one past the last byte */
    bool failed;        /* a read did not fit */
};

static inline struct wire_in wire_in_from(struct span bytes)
{
    return (struct wire_in){bytes.data, bytes.size ? bytes.data + bytes.size : bytes.data, false};
}

static inline size_t wire_in_left(const struct wire_in *in)
{
    return in->failed ? 0 : (size_t)(in->end - in->at);
}

/* size bytes borrowed from the input, or NULL (and failed) when fewer are left. */
static inline const uint8_t *wire_in_bytes(struct wire_in *in, size_t size)
{
    const uint8_t *p = in->at;

    if (in->failed || (size_t)(in->end - in->at) < size) {
        in->failed = true;
        return NULL;
    }
    in->at += size;
    return p;
}

static inline struct span wire_in_span(struct wire_in *in, size_t size)
{
    const uint8_t *p = wire_in_bytes(in, size);
    return (struct span){p, p ? size : 0};
}

static inline uint8_t wire_in_u8(struct wire_in *in)
{
    const uint8_t *p = wire_in_bytes(in, 1);
    return p ? *p : 0;
}

static inline uint16_t wire_in_u16(struct wire_in *in)
{
    const uint8_t *p = wire_in_bytes(in, 2);
    return p ? wire_get_u16(p) : 0;
}

static inline uint32_t wire_in_u32(struct wire_in *in)
{
    const uint8_t *p = wire_in_bytes(in, 4);
    return p ? wire_get_u32(p) : 0;
}

static inline uint64_t wire_in_u64(struct wire_in *in)
{
    const uint8_t *p = wire_in_bytes(in, 8);
    return p ? wire_get_u64(p) : 0;
}

static inline struct ip6 wire_in_ip6(struct wire_in *in)
{
    const uint8_t *p = wire_in_bytes(in, 16);
    return p ? wire_get_ip6(p) : (struct ip6){0, 0};
}

/* Writing. */
struct wire_out {
    uint8_t *at;  /* next byte to write */
    uint8_t *end; /* one past the last byte that may be written */
    bool failed;  /* a write did not fit */
};

static inline struct wire_out wire_out_to(uint8_t *buf, size_t buf_size)
{
    return (struct wire_out){buf, buf + buf_size, false};
}

/* Room for size bytes which the caller fills, or NULL (and failed). */
static inline uint8_t *wire_out_room(struct wire_out *out, size_t size)
{
    uint8_t *p = out->at;

    if (out->failed || (size_t)(out->end - out->at) < size) {
        out->failed = true;
        return NULL;
    }
    out->at += size;
    return p;
}

static inline void wire_out_bytes(struct wire_out *out, const void *data, size_t size)
{
    uint8_t *p = wire_out_room(out, size);
    if (p && size) {
        memcpy(p, data, size);
    }
}

static inline void wire_out_u8(struct wire_out *out, uint8_t v)
{
    uint8_t *p = wire_out_room(out, 1);
    if (p) {
        *p = v;
    }
}

static inline void wire_out_u16(struct wire_out *out, uint16_t v)
{
    uint8_t *p = wire_out_room(out, 2);
    if (p) {
        wire_set_u16(p, v);
    }
}

static inline void wire_out_u32(struct wire_out *out, uint32_t v)
{
    uint8_t *p = wire_out_room(out, 4);
    if (p) {
        wire_set_u32(p, v);
    }
}

static inline void wire_out_u64(struct wire_out *out, uint64_t v)
{
    uint8_t *p = wire_out_room(out, 8);
    if (p) {
        wire_set_u64(p, v);
    }
}

static inline void wire_out_ip6(struct wire_out *out, struct ip6 a)
{
    uint8_t *p = wire_out_room(out, 16);
    if (p) {
        wire_set_ip6(p, a);
    }
}

#endif

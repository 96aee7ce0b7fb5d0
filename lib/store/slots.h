/* The slots: where leases lie. A hot cache line per slot (version word, status, times), a cold
 * record beside it (resource, client, index links, DUID and info), and chunks for the few leases
 * whose DUID and info are longer than the record has room for. Gives out slots to committers and
 * takes them back. Internal to lib/store; knows no index and no rule of commits.
 *
 * The hot line changes under the version word, in the manner of a seqlock: its owner - who moved
 * the word from LIVE to BUSY - stores the fields with release, readers load them with acquire and
 * then look at the word again. Acquire and release on the fields instead of fences: free on x86,
 * and the thread sanitizer understands it. The cold record is written before the slot becomes
 * visible and does not change until the slot is reused, a grace period after it was retired. */
#ifndef STORE_SLOTS_H
#define STORE_SLOTS_H

#include <stdatomic.h>

#include "lease/lease.h"
#include "store/arena.h"

enum slot_flag {
    SLOT_LIVE = 1,     /* the current lease of its resource */
    SLOT_BUSY = 2,     /* was live; one committer is changing or replacing it */
    SLOT_PREPARED = 4, /* visible in an index, not (yet) the current lease */
};

enum {
    SLOT_VERSION_SHIFT = 16,
    SLOT_TIMES = sizeof(struct lease_times) / sizeof(uint64_t),
    SLOT_CHUNK_MAX = 64, /* slots that move between a committer and the common stock at once */
    SLOT_LONG_SIZE = DUID_SIZE_MAX + LEASE_INFO_SIZE_MAX + 6,
};

/* Above any version; leaves room for a lifetime of commits before the word's 48 bits are full. */
#define SLOT_VERSION_LOAD_MAX (UINT64_C(1) << 47)

struct slot_hot {
    _Alignas(CACHE_LINE) _Atomic uint64_t word; /* version, slot flags: slot_word() */

    union {
        _Atomic uint64_t times[SLOT_TIMES]; /* struct lease_times, two at a time */

        struct {
            _Atomic uint32_t next, count; /* of a free chain's first slot: next chain, own slots */
        } chain;
    };

    _Atomic uint16_t state;        /* status, flags << 8 */
    _Atomic bool identity_durable; /* DUID and info are on stable storage */
    _Atomic uint32_t link;         /* next in a free or retired list */
};

_Static_assert(sizeof(struct slot_hot) == CACHE_LINE, "one line");

struct slot_cold {
    struct ip6 prefix;
    uint32_t iaid;
    uint16_t info_size;
    uint8_t duid_size;
    uint8_t length;
    /* Version with which this slot became the resource's: written after the resource is won, read
     * only when the slot is LIVE or BUSY. */
    uint32_t identity_version_low;
    uint16_t identity_version_high;
    uint8_t type;
    uint8_t is_cut; /* info is short of its last items: there was no chunk for all of it */
    uint8_t data[]; /* DUID and info; when too long: number of the long chunk, 4 octets */
};

_Static_assert(offsetof(struct slot_cold, data) == 32, "octets beside DUID and info");

/* A stack of numbers (slots, chunks); the head's upper half counts pops, against ABA. */
struct slot_stack {
    _Alignas(CACHE_LINE) _Atomic uint64_t head;
};

/* What committers write stands in lines of its own, apart from what all read.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct slots {
    struct slot_hot *hot;
    uint8_t *cold;
    size_t cold_stride;
    uint32_t slots_max;
    uint32_t chunk;               /* slots moved at once, 1..SLOT_CHUNK_MAX */
    uint32_t inline_size;         /* octets of data[] */
    uint32_t long_max;            /* chunks */
    uint8_t *long_data;           /* SLOT_LONG_SIZE each */
    _Atomic uint32_t *long_links; /* next free chunk */
    struct arena hot_arena, cold_arena, long_arena, long_link_arena;
    _Alignas(CACHE_LINE) _Atomic uint32_t fresh;      /* slots never given out start here */
    _Alignas(CACHE_LINE) _Atomic uint32_t long_fresh; /* likewise chunks */
    _Atomic uint32_t long_used, cut_used;
    struct slot_stack free_chunks; /* chains of slots, by their first */
    struct slot_stack free_long;
};

/* One committer's stock. Owner: the committer; retired is emptied by the control core. */
struct slot_cache {
    uint32_t first, count;            /* chain of free slots */
    uint32_t fresh_first, fresh_last; /* never used ones: first..last-1 */
    _Atomic uint32_t retired;         /* chain of retired slots */
};

int slots_init(struct slots *slots, uint32_t slots_max, uint32_t chunk, uint32_t inline_size,
               uint32_t long_max) MUST_CHECK;
void slots_done(struct slots *slots);
uint64_t slots_memory(const struct slots *slots);

void slot_cache_init(struct slot_cache *cache);
/* A slot with the lease's key, client and info written and its identity not durable; nobody sees it
 * yet. Without a chunk info loses the items that do not fit. LEASE_SLOT_NONE: no slot left, or no
 * chunk for a DUID that needs one. */
uint32_t slots_take(struct slots *slots, struct slot_cache *cache, const struct lease *lease);
/* Gives back a slot that no other thread can have seen, or any slot at boot. */
void slots_untake(struct slots *slots, struct slot_cache *cache, uint32_t slot);
/* The slot is out of both indexes; it may be reused after a grace period. */
void slots_retire(struct slots *slots, struct slot_cache *cache, uint32_t slot);
/* Empties cache->retired onto the chain *first; returns how many. Control core only. */
uint32_t slots_retired_collect(struct slots *slots, struct slot_cache *cache, uint32_t *first);
/* Hands a chain back after the grace period. Control core only. */
void slots_give(struct slots *slots, uint32_t first);

/* Writes status, flags and times; the caller owns the slot (BUSY, or not visible as LIVE). */
void slot_write_hot(struct slot_hot *hot, const struct lease *lease);

enum slot_read {
    SLOT_READ_LIVE, /* *ret_found is a consistent picture */
    SLOT_READ_BUSY, /* in transition: look again */
    SLOT_READ_DEAD, /* no lease, or not the current one any more */
};

/* Reader. One attempt. *ret_found is written in any case, but only LIVE makes it right. */
enum slot_read slot_read(const struct slots *slots, uint32_t slot, struct lease_found *ret_found);

static inline uint64_t slot_word(uint64_t version, unsigned flags)
{
    return version << SLOT_VERSION_SHIFT | flags;
}

static inline struct slot_cold *slot_cold(const struct slots *slots, uint32_t slot)
{
    return (struct slot_cold *)(void *)(slots->cold + (size_t)slot * slots->cold_stride);
}

/* Brings a slot's lines closer: hot, and what a cold record of up to three lines may touch. */
static inline void slot_prefetch(const struct slots *slots, uint32_t slot)
{
    const struct slot_cold *cold = slot_cold(slots, slot);

    __builtin_prefetch(&slots->hot[slot]);
    __builtin_prefetch(cold);
    __builtin_prefetch((const char *)cold + CACHE_LINE);
    __builtin_prefetch((const char *)cold + slots->cold_stride - 1);
}

static inline struct resource slot_resource(const struct slot_cold *cold)
{
    return (struct resource){cold->prefix, cold->length, cold->type};
}

/* DUID, then info. */
static inline const uint8_t *slot_data(const struct slots *slots, const struct slot_cold *cold)
{
    uint32_t chunk;

    if ((uint32_t)cold->duid_size + cold->info_size <= slots->inline_size) {
        return cold->data;
    }
    memcpy(&chunk, cold->data, sizeof(chunk));
    return slots->long_data + (size_t)chunk * SLOT_LONG_SIZE;
}

static inline bool slot_has_resource(const struct slot_cold *cold, const struct resource *resource)
{
    return ip6_equal(cold->prefix, resource->prefix) && cold->length == resource->length &&
           cold->type == resource->type;
}

static inline uint64_t slot_identity_version(const struct slot_cold *cold)
{
    return (uint64_t)cold->identity_version_high << 32 | cold->identity_version_low;
}

static inline void slot_identity_version_set(struct slot_cold *cold, uint64_t version)
{
    cold->identity_version_low = (uint32_t)version;
    cold->identity_version_high = (uint16_t)(version >> 32);
}

static inline bool slot_identity_is_durable(const struct slots *slots, uint32_t slot)
{
    return atomic_load_explicit(&slots->hot[slot].identity_durable, memory_order_acquire);
}

static inline void slot_identity_durable_set(struct slots *slots, uint32_t slot, bool durable)
{
    atomic_store_explicit(&slots->hot[slot].identity_durable, durable, memory_order_release);
}

#endif

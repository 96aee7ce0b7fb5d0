/* Ownership bits, see claim.h. Level 0 holds the units; a bit of level k + 1 is set while its word
 * of level k may have a bit set. Hints may be set in vain and are repaired by who notices; a hint
 * is missing only for the moment in which another thread is on its way to set it: who clears a
 * bit's word looks at the word again after clearing its hint. */
#include "store/claim.h"

#include <stdatomic.h>

#include "store/arena.h"

enum {
    LEVELS_MAX = 5,      /* 64^5 units and more */
    SEARCH_STEPS = 4096, /* words looked at in one search before giving up; 10 when undisturbed */
    TAKES_MAX = 64,      /* units lost to others in one call before giving up */
};

#define UNITS_MAX (UINT32_C(1) << 26)

typedef _Atomic uint64_t word_t;

/* What changes stands in a line apart from what all read.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct claim {
    word_t *levels[LEVELS_MAX];
    uint32_t word_count[LEVELS_MAX];
    uint32_t unit_count;
    unsigned level_count;
    struct arena arena;
    _Alignas(CACHE_LINE) _Atomic uint64_t set_count;
    _Atomic uint64_t mistakes;
};

static uint64_t bit_of(uint32_t index)
{
    return UINT64_C(1) << (index % 64);
}

/* Every level's first count bits. */
static void fill(struct claim *claim)
{
    uint32_t count = claim->unit_count;

    for (unsigned k = 0; k < claim->level_count; k++) {
        for (uint32_t i = 0; i < count / 64; i++) {
            atomic_store_explicit(&claim->levels[k][i], UINT64_MAX, memory_order_relaxed);
        }
        if (count % 64) {
            atomic_store_explicit(&claim->levels[k][count / 64], bit_of(count) - 1,
                                  memory_order_relaxed);
        }
        count = claim->word_count[k];
    }
    atomic_store_explicit(&claim->set_count, claim->unit_count, memory_order_release);
}

int claim_new(uint32_t unit_count, bool all_set, struct claim **ret_claim)
{
    struct claim *claim;
    size_t words = 0;
    word_t *at;

    if (unit_count == 0 || unit_count > UNITS_MAX) {
        return -EINVAL;
    }
    claim = aligned_alloc(CACHE_LINE, sizeof(*claim));
    if (claim == NULL) {
        return -ENOMEM;
    }
    *claim = (struct claim){.unit_count = unit_count};
    for (uint32_t count = unit_count; claim->level_count == 0 || count > 1;) {
        count = (count + 63) / 64;
        claim->word_count[claim->level_count++] = count;
        words += count;
    }
    if (arena_map(&claim->arena, words * sizeof(word_t), ARENA_DENSE)) {
        claim_free(claim);
        return -ENOMEM;
    }
    at = claim->arena.memory;
    for (unsigned k = 0; k < claim->level_count; k++) {
        claim->levels[k] = at;
        at += claim->word_count[k];
    }
    if (all_set) {
        fill(claim);
    }
    *ret_claim = claim;
    return 0;
}

void claim_free(struct claim *claim)
{
    if (claim) {
        arena_unmap(&claim->arena);
        free(claim);
    }
}

/* Level `level` has got a bit in a word that was empty: says so above. */
static void hint_set(struct claim *claim, unsigned level, uint32_t word)
{
    for (unsigned k = level + 1; k < claim->level_count; k++) {
        uint64_t old = atomic_fetch_or_explicit(&claim->levels[k][word / 64], bit_of(word),
                                                memory_order_acq_rel);

        if (old) {
            return;
        }
        word /= 64;
    }
}

/* The word of level `level` was seen empty: takes the hints above back. */
static void hint_clear(struct claim *claim, unsigned level, uint32_t word)
{
    for (unsigned k = level + 1; k < claim->level_count; k++) {
        uint64_t old = atomic_fetch_and_explicit(&claim->levels[k][word / 64], ~bit_of(word),
                                                 memory_order_acq_rel);

        if (atomic_load_explicit(&claim->levels[k - 1][word], memory_order_acquire)) {
            /* A unit was given in between, and its hint may be the one just cleared. */
            hint_set(claim, k - 1, word);
            return;
        }
        if ((old & ~bit_of(word)) != 0) {
            return;
        }
        word /= 64;
    }
}

/* Clears mask in a word of level 0 if all of it is set. */
static bool word_take(struct claim *claim, uint32_t word, uint64_t mask)
{
    word_t *at = &claim->levels[0][word];
    uint64_t old = atomic_load_explicit(at, memory_order_relaxed);

    do {
        if ((old & mask) != mask) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(at, &old, old & ~mask, memory_order_acq_rel,
                                                    memory_order_relaxed));
    atomic_fetch_sub_explicit(&claim->set_count, (uint64_t)__builtin_popcountll(mask),
                              memory_order_relaxed);
    if ((old & ~mask) == 0) {
        hint_clear(claim, 0, word);
    }
    return true;
}

/* Sets mask in a word of level 0; returns those of its bits that were set already. */
static uint64_t word_give(struct claim *claim, uint32_t word, uint64_t mask)
{
    uint64_t old = atomic_fetch_or_explicit(&claim->levels[0][word], mask, memory_order_acq_rel);

    atomic_fetch_add_explicit(&claim->set_count, (uint64_t)__builtin_popcountll(mask & ~old),
                              memory_order_relaxed);
    if (old == 0) {
        hint_set(claim, 0, word);
    }
    return old & mask;
}

bool claim_take(struct claim *claim, uint32_t unit)
{
    return unit < claim->unit_count && word_take(claim, unit / 64, bit_of(unit));
}

bool claim_give(struct claim *claim, uint32_t unit)
{
    if (unit < claim->unit_count && word_give(claim, unit / 64, bit_of(unit)) == 0) {
        return true;
    }
    atomic_fetch_add_explicit(&claim->mistakes, 1, memory_order_relaxed);
    return false;
}

bool claim_test(const struct claim *claim, uint32_t unit)
{
    return unit < claim->unit_count &&
           atomic_load_explicit(&claim->levels[0][unit / 64], memory_order_acquire) & bit_of(unit);
}

/* First set bit of level 0 at or after from, by the hints: up while the rest of a word is empty,
 * down along the first set bit. Hints met in vain are skipped, and taken back in repair if not
 * NULL. */
static bool search(const struct claim *claim, struct claim *repair, uint32_t from,
                   uint32_t *ret_unit)
{
    uint32_t index = from; /* of a bit of level k */
    unsigned k = 0;

    for (unsigned step = 0; step < SEARCH_STEPS; step++) {
        uint64_t word;

        if (k == claim->level_count || index / 64 >= claim->word_count[k]) {
            return false;
        }
        word = atomic_load_explicit(&claim->levels[k][index / 64], memory_order_acquire) &
               UINT64_MAX << (index % 64);
        if (word == 0) {
            index = index / 64 + 1;
            k++;
            continue;
        }
        index = index / 64 * 64 + (uint32_t)__builtin_ctzll(word);
        if (k == 0) {
            *ret_unit = index;
            return true;
        }
        if (atomic_load_explicit(&claim->levels[k - 1][index], memory_order_acquire)) {
            k--;
            index *= 64;
            continue;
        }
        if (repair) {
            hint_clear(repair, k - 1, index);
        }
        index++;
    }
    return false;
}

static bool search_around(const struct claim *claim, struct claim *repair, uint32_t from,
                          uint32_t *ret_unit)
{
    from = from < claim->unit_count ? from : 0;
    return search(claim, repair, from, ret_unit) ||
           (from > 0 && search(claim, repair, 0, ret_unit));
}

bool claim_take_next(struct claim *claim, uint32_t from, uint32_t *ret_unit)
{
    uint32_t unit;

    for (unsigned i = 0; i < TAKES_MAX; i++) {
        if (search_around(claim, claim, from, &unit)) {
            if (claim_take(claim, unit)) {
                *ret_unit = unit;
                return true;
            }
            from = unit; /* somebody was faster */
        } else if (atomic_load_explicit(&claim->set_count, memory_order_relaxed) == 0) {
            return false;
        }
    }
    return false;
}

bool claim_peek_next(const struct claim *claim, uint32_t from, uint32_t *ret_unit)
{
    return search_around(claim, NULL, from, ret_unit);
}

/* Whole words, one after the other; gives back what it has when one is not complete. */
static bool words_take(struct claim *claim, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!word_take(claim, first + i, UINT64_MAX)) {
            while (i > 0) {
                i--;
                (void)word_give(claim, first + i, UINT64_MAX);
            }
            return false;
        }
    }
    return true;
}

bool claim_take_block(struct claim *claim, uint32_t first, uint32_t count)
{
    if (count == 0 || (count & (count - 1)) != 0 || first % count != 0 ||
        first >= claim->unit_count || count > claim->unit_count - first) {
        return false;
    }
    if (count >= 64) {
        return words_take(claim, first / 64, count / 64);
    }
    return word_take(claim, first / 64, (bit_of(count) - 1) << (first % 64));
}

uint64_t claim_count(const struct claim *claim)
{
    int64_t count = (int64_t)atomic_load_explicit(&claim->set_count, memory_order_relaxed);

    /* A unit may be taken before its giver has counted it. */
    return count < 0 ? 0 : (uint64_t)count;
}

uint32_t claim_unit_count(const struct claim *claim)
{
    return claim->unit_count;
}

uint64_t claim_mistakes(const struct claim *claim)
{
    return atomic_load_explicit(&claim->mistakes, memory_order_relaxed);
}

/* Which delegable prefixes the primary hands to the secondary or takes back (RFC 8156 4.2.2; facts
 * B.6, F.25, F.43). Pure planning over counts and over runs of available units: bits are won,
 * records committed and messages sent by the caller. Control core only. */
#ifndef FAILOVER_FO_BALANCE_H
#define FAILOVER_FO_BALANCE_H

#include "lease/pool.h"

enum {
    FO_BALANCE_INTERVAL_S = 60, /* between moves that are not urgent */
    FO_BALANCE_URGENT_S = 2,    /* between gifts that are */
    FO_BALANCE_AHEAD_S = 2,     /* for so long the primary's own share shall last at least */
    FO_BALANCE_NOTE_MS = 50,    /* counts are compared that far apart */
    FO_BALANCE_FORGET_MS = 8000 /* what was used up so long ago says nothing more */
};

/* Delegable units of one pool, by owner. */
struct fo_balance_counts {
    uint64_t primary, secondary;
};

enum fo_move {
    FO_MOVE_NONE,
    FO_MOVE_GIVE, /* primary's become FREE-BACKUP */
    FO_MOVE_TAKE, /* the secondary's become FREE */
};

struct fo_balance_plan {
    enum fo_move move;
    uint64_t units;
};

/* Per pool; all zero at first. */
struct fo_balance {
    bool moved; /* moved_s is set */
    sec_t moved_s;
    bool asked; /* asked_s is set */
    sec_t asked_s;
    bool noted; /* the next three are set */
    msec_t noted_ms;
    uint64_t primary;
    uint64_t primary_rate; /* units a second that clients use up */
};

/* Units the secondary should have. */
uint64_t fo_balance_target(struct fo_balance_counts counts, unsigned share_percent);

/* Primary. Tells how much there is now; from this follows how fast it is used up. */
void fo_balance_note(struct fo_balance *balance, struct fo_balance_counts counts, msec_t now_ms);

/* Primary. What to move now, so that the secondary has its share; NONE within a quarter of it, and
 * within a minute of the last move - unless one side is nearly dry. Of a share that clients are
 * about to use up before long the secondary gets nothing, and what it has comes back. Remembers the
 * move. Moves under way (sent, not answered) count as done in counts. */
struct fo_balance_plan fo_balance_plan(struct fo_balance *balance, struct fo_balance_counts counts,
                                       unsigned share_percent, sec_t now);

/* Secondary. True when it should send POOLREQ: below half of its share, at most once a minute.
 * Remembers that it was sent. */
bool fo_balance_should_ask(struct fo_balance *balance, struct fo_balance_counts counts,
                           unsigned share_percent, sec_t now);

/* An aligned power of two of units. */
struct fo_block {
    uint32_t first, count;
};

/* The first run of available units that begins at or after from, or goes on there: *ret_first, not
 * below from, and its length; 0 = none. */
typedef uint32_t fo_run_next(void *ctx, uint32_t from, uint32_t *ret_first);

/* Looks for blocks that make up left units, largest first. */
struct fo_block_search {
    uint64_t left;
    uint32_t units;
    uint32_t at;
    uint8_t size_log2;
};

void fo_block_search_init(struct fo_block_search *search, const struct pool *pool, uint64_t units);

enum fo_block_result {
    FO_BLOCK_FOUND,
    FO_BLOCK_MORE, /* budget used up: call again */
    FO_BLOCK_NONE, /* left units cannot be had */
};

/* The next block; looks at most at runs_max runs. The caller tries to win it and says so by
 * fo_block_won; a block that was lost to somebody else is passed over. */
enum fo_block_result fo_block_next(struct fo_block_search *search, fo_run_next *run_next, void *ctx,
                                   unsigned runs_max, struct fo_block *ret_block);
void fo_block_won(struct fo_block_search *search, struct fo_block block);

/* The aligned block of twice the size around one; false: the pool has none. */
bool fo_block_double(const struct pool *pool, struct fo_block block, struct fo_block *ret_block);

/* The prefix a block is, and the units of the pool a prefix covers. False: not of this pool, or
 * longer than a unit (status 17). */
struct resource fo_block_resource(const struct pool *pool, struct fo_block block);
bool fo_block_of(const struct pool *pool, const struct resource *resource,
                 struct fo_block *ret_block);

#endif

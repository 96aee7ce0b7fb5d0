/* One failover relationship: its connection, endpoint state and grant, the updates that go out and
 * come in, and the share of prefixes (RFC 8156 4 to 8). What happens on the stream or to the clock
 * goes through fo_link and fo_fsm; what they ask for is done here to leases, claim bits, policy
 * and log. Without I/O: the caller owns the socket and the grace periods and does, whenever
 * something happened or the deadline came:
 *
 *     relation_bytes_received(relation, bytes, now)
 *     while ((action = relation_run(relation, now)))        connect, start TLS, close
 *     bytes = relation_output(relation, now)                write, then relation_output_done
 *     if (relation_wants_grace(relation))                   one RCU grace period begun after that,
 *         relation_grace_done(relation)                     without blocking the control core
 *     sleep until relation_deadline(relation, now)
 *
 * Memory is taken in relation_new, and for the policies it publishes. Control core only,
 * QSBR-online, between quiescent states. */
#ifndef SERVER_RELATION_H
#define SERVER_RELATION_H

#include "base/histogram.h"
#include "failover/fo_balance.h"
#include "failover/fo_fsm.h"
#include "failover/fo_greet.h"
#include "failover/fo_link.h"
#include "failover/fo_update.h"
#include "server/server.h"

enum {
    RELATION_UNACKED_MAX = 4096,     /* updates we take unanswered: a window in each round trip */
    RELATION_REPLIES_SIZE = 2 << 20, /* octets of answers that wait for the disk */
    RELATION_CLEAN_MAX = 4096,       /* own commits whose dirty bit is to be taken back */
    RELATION_COMMITS_MAX = 1024,     /* leases of one message */
    RELATION_BLOCK_MAX = 256, /* units of one block we send or take; larger ones are to be split */
    RELATION_BLOCKS_MAX = 64, /* blocks under way */
    RELATION_SPLIT_S = 60,    /* after a block was rejected units go one by one for so long */
    RELATION_RINGS_MAX = CONFIG_WORKERS_MAX + 1,
    RELATION_STALL_S = 60,       /* updates in flight, no answer */
    RELATION_POOLS_MAX = 4096,   /* as many as there are claim bitmaps */
    RELATION_CONFLICTS_MAX = 32, /* remembered for the operator */
};

/* A moment in all change rings: everything published before it is durable once passed. */
struct relation_barrier {
    uint64_t heads[RELATION_RINGS_MAX];
};

enum relation_settling {
    SETTLING_NONE,
    SETTLING_GRANT,   /* until the narrower grant is published and a grace period over */
    SETTLING_BARRIER, /* until what was committed before is durable */
    SETTLING_RECORD,  /* until the ring takes the endpoint's record */
    SETTLING_DISK,    /* until that is durable */
};

struct relation_flight {
    bool used;
    bool counted; /* the pass under way waits for its answer */
    bool taking;  /* a prefix asked back */
    uint32_t slot;
    uint64_t version;
    uint64_t number; /* of all flights */
    struct resource resource;
    struct relation_block *block; /* the slot's lease is one unit of it; NULL: all there is */
};

/* An aligned block of delegable prefixes in one update. */
struct relation_block {
    bool used;
    struct resource resource; /* of all of it */
    uint32_t count;
    uint32_t slots[RELATION_BLOCK_MAX];
    uint64_t versions[RELATION_BLOCK_MAX];
};

/* How far the partner is behind, measured again and again: from a moment to that at which all that
 * was to be sent then is acknowledged. */
struct relation_lag {
    bool measuring;
    msec_t begun_ms; /* since when */
    uint64_t walked; /* slots the scan has seen since */
    bool answers;    /* all of them: only flights below number are waited for */
    unsigned open;   /* of these, not yet answered */
    uint64_t number;
    struct histogram ms;
};

/* One walk over everything the partner has to know: for UPDREQ(ALL), on entering NORMAL, for a
 * hand-over. */
struct relation_pass {
    bool active;
    bool request, drain;             /* who is told when it is done */
    bool all;                        /* everything was made dirty for it */
    uint32_t end, at;                /* slots */
    unsigned rounds_left;            /* leases may move to slots behind */
    bool round_sent;                 /* something in this round */
    unsigned outstanding;            /* its updates in flight */
    struct relation_barrier barrier; /* what was committed when it began is sent */
};

struct relation_stats {
    uint64_t updates_sent, acked, rejected, stale;
    uint64_t blocks_sent;                    /* of these updates */
    uint64_t updates_taken, updates_refused; /* leases of the partner's updates */
    uint64_t conflicts;                      /* one lease, two clients (facts F.44) */
    uint64_t unsendable;                     /* leases no frame takes */
    uint64_t units_given, units_asked_back;  /* prefixes, to and from the secondary */
    uint64_t pool_requests;                  /* POOLREQ sent or received */
    uint64_t alarms;                         /* FO_ACT_ALARM */
};

/* One lease that both servers gave away (facts F.44). */
struct relation_conflict {
    sec_t at_s;
    struct resource resource;
    bool own_kept; /* our client keeps it; else the partner's does */
    uint8_t own_size, partner_size;
    uint8_t own_duid[DUID_SIZE_MAX], partner_duid[DUID_SIZE_MAX];
};

struct relation {
    struct server *server;
    unsigned index; /* of the config's failovers */
    enum fo_role role;
    char name[FO_NAME_SIZE_MAX + 1];
    struct fo_link link;
    struct fo_fsm fsm;
    struct relation_stats stats;
    /* The last ones, that of number n in [(n - 1) % RELATION_CONFLICTS_MAX]; stats.conflicts
     * numbers. */
    struct relation_conflict conflicts[RELATION_CONFLICTS_MAX];
    enum fo_down_reason down_reason; /* of the last connection or attempt that ended */
    sec_t down_s;                    /* when; 0: none did */
    char down_text[FO_TEXT_SIZE_MAX + 1];
    bool stopped, handover_failed; /* told by the machine */
    bool busy;                     /* there is more to do at once */
    sec_t run_s;                   /* the last turn */

    struct policy *retired; /* to be freed after a grace period */
    enum relation_settling settling;
    bool settling_narrow;
    uint32_t settle_revision; /* of the machine */
    struct relation_barrier settling_barrier;
    uint64_t settling_position;
    bool persist_due;

    struct relation_flight flights[FO_UNACKED_MAX];
    unsigned flight_free[FO_UNACKED_MAX], flight_free_count;
    struct relation_block *blocks; /* RELATION_BLOCKS_MAX */
    bool split;                    /* until split_s */
    sec_t split_s;
    uint64_t flight_number; /* of the next one */
    struct relation_lag lag;
    sec_t flight_progress_s; /* the last answer, or the first update with none under way */
    uint32_t hand;           /* where the scan for dirty leases goes on */
    struct relation_pass pass;
    unsigned refused_count;
    unsigned rejections; /* rounds of them */
    sec_t retry_s;       /* when refused updates are tried again */
    sec_t retried_s;     /* when they were last */

    bool request_due, request_all; /* the partner's UPDREQ(ALL), not yet begun */
    bool all_owed;                 /* UPDREQALL without UPDDONE, connections ago too */
    uint32_t request_xid, request_connection;

    struct relation_clean {
        uint32_t slot;
        uint64_t version;
        struct resource resource;
        uint64_t position;
    } * clean; /* ring of RELATION_CLEAN_MAX */

    unsigned clean_head, clean_count;
    uint8_t *replies; /* RELATION_REPLIES_SIZE: entries of head and frame */
    size_t replies_head, replies_tail;
    uint8_t *scratch; /* FO_FRAME_SIZE_MAX, a reply being made */

    struct relation_move {                /* balance, one pool at a time */
        bool searching;                   /* units of the pool are being moved */
        bool take;                        /* back from the secondary, else to it */
        unsigned pool;                    /* looked at next, or being moved */
        const struct policy_index *index; /* of the policy whose pools are meant */
        struct claim *claim;              /* from which bits are won */

        struct relation_pool {
            struct fo_balance balance;
            uint32_t moving; /* asked back, not answered */
        } * pools;           /* by number in the policy */
        struct fo_block_search search;
        struct fo_block block; /* won, units before block_at committed */
        uint32_t block_at;
        bool block_won;
    } move;
};

/* After replay and server_apply, before any other thread runs. Registers itself with the server. 0
 * or a negative errno. */
int relation_new(struct server *server, unsigned index, struct fo_time now,
                 struct relation **ret_relation) MUST_CHECK;
void relation_free(struct relation *relation);

void relation_start(struct relation *relation, struct fo_time now);
/* The operator's PARTNER_DOWN, HANDOVER, SHUTDOWN. 0, or what fo_fsm_step says. */
int relation_command(struct relation *relation, const struct fo_fsm_event *event,
                     struct fo_time now) MUST_CHECK;

/* The stream; the socket's own fate goes to relation->link by fo_link_connected, _secured, _closed
 * and _accept. Returns how many octets were taken; offer the rest after the next run. */
size_t relation_bytes_received(struct relation *relation, struct span bytes, struct fo_time now);
enum fo_action relation_run(struct relation *relation, struct fo_time now);
struct span relation_output(struct relation *relation, struct fo_time now);
void relation_output_done(struct relation *relation, size_t size, struct fo_time now);
msec_t relation_deadline(const struct relation *relation, struct fo_time now);

bool relation_wants_grace(const struct relation *relation);
void relation_grace_done(struct relation *relation);

/* What is free of a pool of delegable prefixes, in units. */
struct relation_pool_counts {
    uint64_t own, partner;
    uint64_t moving;        /* asked back from the secondary, not answered; primary only */
    uint64_t backup_target; /* what the secondary should have */
    bool open;              /* the partner's may be used when the own are used up */
};

/* Pool by number in the policy. False: it is not of this relationship, or of addresses. */
bool relation_pool_counts(const struct relation *relation, unsigned pool,
                          struct relation_pool_counts *ret_counts);

struct relation_status {
    const char *name;
    enum fo_role role;
    struct fo_explain state; /* own and partner's, since when, why, what next */
    enum fo_link_state link;
    enum fo_handover handover;
    uint32_t mclt_s; /* agreed */
    uint64_t dirty;  /* leases the partner is still to be told of */
    unsigned unacked;
    uint64_t refused;
    bool pass;        /* serving UPDREQ(ALL), or everything it does not know */
    msec_t behind_ms; /* it has acknowledged all that was there so long ago */
    struct relation_stats stats;
};

/* Costs a look at every dirty word: for people, not for loops. */
void relation_status(const struct relation *relation, struct fo_time now,
                     struct relation_status *ret_status);

enum relation_end {
    RELATION_KEEP, /* look again at *ret_again_s */
    RELATION_ENDS, /* commit *ret_next */
};

/* What time alone does to a lease of the relationship: it runs out, or in PARTNER-DOWN becomes free
 * without the partner's word (RFC 8156 8.4.1; facts B.7, F.10). relation NULL: nothing yet. */
enum relation_end relation_lease_end(const struct relation *relation, const struct lease *lease,
                                     sec_t now, struct lease *ret_next, sec_t *ret_again_s);

#endif

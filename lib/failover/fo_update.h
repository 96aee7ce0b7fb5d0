/* Binding updates: judging and applying the partner's (RFC 8156 7.5.4, 7.5.5; facts B.8, F.15-F.17,
 * F.25), what an acknowledgement changes (7.7), what is told of an own lease and when (7.4; facts
 * F.8, F.19, F.31, F.42), and the times a lease must rest (4.2.2.1, 8.4.1).
 *
 * Pure functions over lease values: what to commit, send or remember is the caller's. Knows nothing
 * of stores, connections or the endpoint's state. Any thread. */
#ifndef FAILOVER_FO_UPDATE_H
#define FAILOVER_FO_UPDATE_H

#include "failover/fo_binding.h"
#include "failover/fo_link.h"
#include "failover/fo_wire.h"

enum {
    FO_SAME_TIME_S = 5, /* times this close are the same (RFC 8156 7.5.1) */
    FO_RETRY_MIN_S = 60,
    FO_RETRY_MAX_S = 3840,
};

/* How a received binding status is weighed against the own one (RFC 8156 Figure 4). */
enum fo_rule {
    FO_RULE_LATER,   /* L: the update must be later than the own record */
    FO_RULE_OVER,    /* N: the own status must have run out */
    FO_RULE_CONTACT, /* S: the partner heard the client after the own status began */
    FO_RULE_CLIENT,  /* L3: same client, or S, or we are the secondary */
    FO_RULE_COUNT,
};

/* Statuses 1..8; PENDING-FREE counts as FREE. */
enum fo_rule fo_update_rule(enum binding_status own, enum binding_status received);

/* The update's time against the own record's. */
enum fo_order {
    FO_ORDER_BEFORE,
    FO_ORDER_SAME,
    FO_ORDER_AFTER,
    FO_ORDER_COUNT,
};

/* How often each cell was consulted, by order of times. */
struct fo_update_coverage {
    uint32_t reached[BINDING_STATUS_COUNT][BINDING_STATUS_COUNT][FO_ORDER_COUNT];
};

struct fo_update_context {
    enum fo_role role; /* of this endpoint */
    bool dirty;        /* the own record holds something the partner has not acknowledged */
    bool block;        /* the update names a block this lease is one unit of (facts F.25) */
    sec_t now;
    struct fo_update_coverage *coverage; /* NULL: not counted */
};

enum fo_dirty {
    FO_DIRTY_KEEP, /* as it was */
    FO_DIRTY_CLEAR,
    FO_DIRTY_SET,
};

struct fo_judgement {
    enum fo_status_code code; /* FO_STATUS_SUCCESS: accepted */
    bool unchanged;           /* accepted, and next is what is on record: nothing to commit */
    bool conflict;            /* both servers gave it to different clients: log both DUIDs (F.44) */
    bool send_soon;           /* tell the partner our record, right behind the BNDREPLY */
    enum fo_dirty dirty;      /* what becomes of the own dirty mark */
    struct lease next;        /* accepted: the record to commit; spans borrow from the inputs */
};

/* mine: the own record of the resource, NULL if there is none. theirs: as received, with info set
 * from fo_lease_info; its resource is that of mine (for a block: of the unit). The caller has
 * checked that the resource is this endpoint's (else 17) and won the claim bit of a prefix that is
 * free here, before it accepts another status for it. */
void fo_update_judge(const struct fo_update_context *context, const struct lease *mine,
                     const struct lease *theirs, struct fo_judgement *ret_judgement);

/* FREE or FREE-BACKUP: whose a resource is that becomes available (RFC 8156 7.2 (5), (6); facts
 * F.7). */
enum binding_status fo_update_free_status(const struct resource *resource);

/* The record with nothing left that would bind a next client (facts F.5); its former client stays
 * known. Status by fo_update_free_status, begun when the present one did, so that both servers
 * record the same. */
void fo_update_free(struct lease *lease);

enum fo_acked {
    FO_ACKED_STALE,    /* the lease has changed since: still dirty, nothing to do (facts F.19) */
    FO_ACKED_REJECTED, /* still dirty, to be sent again after fo_update_retry_s (facts F.42) */
    FO_ACKED_STORED,   /* commit next, no longer dirty */
    FO_ACKED_FREED,    /* the same, and next is available again */
};

/* mine: the record now. sent_version: of the update that reply answers. */
enum fo_acked fo_update_acked(const struct lease *mine, uint64_t sent_version,
                              const struct fo_lease *reply, struct lease *ret_next);

/* The lease as a BNDUPD carries it: for fo_encode_bndupd. False: it has no form on the wire (an
 * address that never had a client, facts F.23), so it is not dirty either. */
bool fo_update_compose(const struct lease *lease, struct lease *ret_wire);

enum fo_change {
    FO_CHANGE_OWN,    /* a client, the time, the operator, a rebalance */
    FO_CHANGE_UPDATE, /* the partner's BNDUPD: fo_judgement says */
    FO_CHANGE_ACK,    /* the partner's BNDREPLY, FREE after it included (facts F.8) */
};

/* True when the partner must hear of the change from before (NULL: no record) to after. */
bool fo_update_is_dirty(const struct lease *before, const struct lease *after,
                        enum fo_change change);

/* RFC 8156 4.4.1: now + T1 + desired, and never before the client's own expiry. */
sec_t fo_update_partner_lifetime(sec_t now, uint32_t t1_s, uint32_t desired_s, sec_t expires_s);

/* PARTNER-DOWN: when the lease may go to another client, without the partner's word (RFC 8156
 * 4.2.2.1, 8.4.1; facts B.7: the union of both texts). since_s: the partner has granted nothing
 * since (fo_record.down_since_s). False: never by itself. */
bool fo_update_free_at(const struct lease *lease, sec_t since_s, uint32_t mclt_s, sec_t *ret_at_s);

/* Seconds until a lease the partner rejected that many times in a row is sent again unasked. */
uint32_t fo_update_retry_s(unsigned rejections);

#endif

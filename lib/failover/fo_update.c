/* Judging, applying and composing binding updates. See fo_update.h. */
#include "failover/fo_update.h"

#define L FO_RULE_LATER
#define N FO_RULE_OVER
#define S FO_RULE_CONTACT
#define C FO_RULE_CLIENT

/* RFC 8156 Figure 4: own status, received status. Rows and columns 4 (PENDING-FREE, facts F.8) as
 * FREE; row and column 0 do not occur. */
/* clang-format off */
static const uint8_t rules[BINDING_STATUS_COUNT][BINDING_STATUS_COUNT] = {
    /*                        -  ACT EXP REL PEN FRE BAK ABA RES */
    [BINDING_ACTIVE]       = {L, C,  N,  L,  N,  N,  N,  L,  L},
    [BINDING_EXPIRED]      = {L, L,  L,  L,  L,  L,  L,  L,  L},
    [BINDING_RELEASED]     = {L, L,  L,  L,  L,  L,  L,  L,  L},
    [BINDING_PENDING_FREE] = {L, L,  L,  L,  L,  L,  L,  L,  L},
    [BINDING_FREE]         = {L, L,  L,  L,  L,  L,  L,  L,  L},
    [BINDING_FREE_BACKUP]  = {L, L,  L,  L,  L,  L,  L,  L,  L},
    [BINDING_ABANDONED]    = {L, L,  L,  L,  L,  L,  L,  L,  L},
    [BINDING_RESET]        = {L, S,  L,  L,  L,  L,  L,  L,  L},
};
/* clang-format on */
#undef L
#undef N
#undef S
#undef C

static bool status_valid(unsigned status)
{
    return status >= BINDING_ACTIVE && status < BINDING_STATUS_COUNT;
}

enum fo_rule fo_update_rule(enum binding_status own, enum binding_status received)
{
    return status_valid(own) && status_valid(received) ? (enum fo_rule)rules[own][received]
                                                       : FO_RULE_LATER;
}

static bool status_is_free(unsigned status)
{
    return status == BINDING_FREE || status == BINDING_FREE_BACKUP ||
           status == BINDING_PENDING_FREE;
}

/* Ends in FREE as soon as both servers know of it (facts F.8). */
static bool status_is_ended(unsigned status)
{
    return status == BINDING_EXPIRED || status == BINDING_RELEASED || status == BINDING_RESET;
}

static bool has_client(const struct lease *lease)
{
    return lease->duid.size != 0;
}

/* RFC 8156 7.5.4: the time that stands for the update; 0 = none. */
static sec_t update_time(const struct lease *theirs)
{
    const struct lease_times *t = &theirs->times;

    if (t->clt_s == 0) {
        return t->start_s;
    }
    if (theirs->status == BINDING_ACTIVE || theirs->status == BINDING_EXPIRED ||
        theirs->status == BINDING_RELEASED || t->start_s == 0) {
        return t->clt_s;
    }
    return sec_max(t->clt_s, t->start_s);
}

/* The own record's (facts F.16). For a prefix that is free and changes sides it counts since when
 * it is so, not when a former client of it was heard: the update does not tell of any. */
static sec_t record_time(const struct lease *mine, const struct lease *theirs)
{
    bool idle = status_is_free(mine->status) && status_is_free(theirs->status);

    return mine->times.clt_s && !idle ? mine->times.clt_s : mine->times.start_s;
}

/* 0 is before every time: nobody ever used the lease. */
static enum fo_order order_of(sec_t theirs, sec_t mine)
{
    if (mine == 0 || theirs == 0) {
        return theirs == mine ? FO_ORDER_SAME : (mine == 0 ? FO_ORDER_AFTER : FO_ORDER_BEFORE);
    }
    if ((uint32_t)(theirs - mine + FO_SAME_TIME_S) <= 2 * FO_SAME_TIME_S) {
        return FO_ORDER_SAME;
    }
    return sec_after(theirs, mine) ? FO_ORDER_AFTER : FO_ORDER_BEFORE;
}

/* Rule N. An uncertain lease ends at its horizon (design 2); one without end never does. */
static bool is_over(const struct lease *mine, sec_t now)
{
    sec_t end = mine->times.expires_s;

    if (end && (mine->flags & LEASE_FLAG_UNCERTAIN) && mine->times.horizon_s) {
        end = sec_max(end, mine->times.horizon_s);
    }
    return end != 0 && sec_after(now, end);
}

/* Rule L, with equal times as in facts F.15. */
static bool is_later(const struct fo_update_context *context, const struct lease *mine,
                     const struct lease *theirs, enum fo_order order)
{
    bool mine_active = mine->status == BINDING_ACTIVE;
    bool theirs_active = theirs->status == BINDING_ACTIVE;

    if (order != FO_ORDER_SAME) {
        return order == FO_ORDER_AFTER;
    }
    if (!context->dirty) {
        return true;
    }
    if (mine_active != theirs_active) {
        /* Of one whose time is over nothing is left to be lost, and the other server, which takes
         * up that it has ended, no longer stands by what it acknowledged. */
        return theirs_active ? !lease_is_over(theirs, context->now) : is_over(mine, context->now);
    }
    return context->role == FO_SECONDARY; /* the primary's record wins */
}

/* A lease that came to its end here by time alone, while for the partner its client has it still.
 * Taken by the letter, both would refuse each other's record (rules L and N) until that time is
 * over too, for as long as the client renews; to take it up harms nobody. */
static bool lives_on(const struct lease *mine, const struct lease *theirs, sec_t now)
{
    return theirs->status == BINDING_ACTIVE && !lease_is_over(theirs, now) &&
           (mine->status == BINDING_EXPIRED || status_is_free(mine->status));
}

/* Rule S. */
static bool is_contact(const struct lease *mine, const struct lease *theirs)
{
    return theirs->times.clt_s &&
           order_of(theirs->times.clt_s, mine->times.start_s) == FO_ORDER_AFTER;
}

static enum fo_status_code judge(const struct fo_update_context *context, const struct lease *mine,
                                 const struct lease *theirs, enum fo_order order)
{
    bool accepted = false;

    if (context->block && mine->status == BINDING_ACTIVE) {
        return FO_STATUS_OUTDATED_BINDING; /* facts F.25: the sender splits */
    }
    switch (
        fo_update_rule((enum binding_status)mine->status, (enum binding_status)theirs->status)) {
    case FO_RULE_LATER:
        accepted = is_later(context, mine, theirs, order) || lives_on(mine, theirs, context->now);
        break;
    case FO_RULE_OVER:
        accepted = is_over(mine, context->now);
        break;
    case FO_RULE_CONTACT:
        accepted = is_contact(mine, theirs);
        break;
    case FO_RULE_CLIENT:
        if (!lease_same_client(mine, theirs) && !is_contact(mine, theirs) &&
            context->role == FO_PRIMARY) {
            return FO_STATUS_ADDRESS_IN_USE;
        }
        accepted = true;
        break;
    case FO_RULE_COUNT:
        break;
    }
    return accepted ? FO_STATUS_SUCCESS : FO_STATUS_OUTDATED_BINDING;
}

/* The later end, 0 being no end at all. */
static sec_t end_max(sec_t a, sec_t b)
{
    return a && b ? sec_max(a, b) : 0;
}

/* The later time, 0 being none. */
static sec_t time_max(sec_t a, sec_t b)
{
    return a && b ? sec_max(a, b) : a | b;
}

/* Both ACTIVE for one client: true when our end of the lease stands although theirs is accepted. An
 * older update takes nothing back (facts F.17); of two at the same time the later end counts, so
 * that both servers come to the same. */
static bool is_kept(const struct lease *mine, const struct lease *theirs, enum fo_order order)
{
    sec_t end = end_max(mine->times.expires_s, theirs->times.expires_s);

    if (order == FO_ORDER_BEFORE) {
        return mine->times.clt_s != 0;
    }
    return order == FO_ORDER_SAME && end == mine->times.expires_s && end != theirs->times.expires_s;
}

/* What stays of the own record when the lease goes on with the same client (facts F.5, F.17). */
static void times_keep(const struct lease *mine, const struct lease *theirs, enum fo_order order,
                       struct lease *next)
{
    const struct lease_times *m = &mine->times, *t = &theirs->times;
    struct lease_times *n = &next->times;

    if (mine->status == BINDING_ACTIVE) {
        /* Once we have told of an end the partner may have freed the lease, whatever it
         * acknowledged. */
        n->acked_partner_lifetime_s = m->acked_partner_lifetime_s;
    }
    n->clt_s = time_max(m->clt_s, t->partner_raw_clt_s);
    n->partner_lifetime_s = time_max(m->partner_lifetime_s, t->expiration_s);
    n->expiration_s = time_max(m->expiration_s, t->partner_lifetime_s);
    if (mine->status != BINDING_ACTIVE || theirs->status != BINDING_ACTIVE) {
        return;
    }
    if (is_kept(mine, theirs, order)) {
        /* The client heard more from us, or may have: nothing it was told moves back. */
        n->start_s = m->start_s;
        n->preferred_lifetime_s = m->preferred_lifetime_s;
        n->valid_lifetime_s = m->valid_lifetime_s;
        n->t1_s = m->t1_s;
        n->t2_s = m->t2_s;
        next->info = mine->info;
    }
    /* Nor when the partner told it less since: that answer may be lost (design invariant 1). */
    n->expires_s = end_max(m->expires_s, t->expires_s);
    n->horizon_s = n->expires_s;
    if ((mine->flags & LEASE_FLAG_UNCERTAIN) && (order != FO_ORDER_AFTER || t->clt_s == 0)) {
        n->horizon_s = end_max(m->horizon_s, n->expires_s); /* no update lowers it (design 2) */
        next->flags |= LEASE_FLAG_UNCERTAIN;
    }
}

/* RFC 8156 7.5.5, Figure 5: theirs as it stands in our record. */
static void apply(const struct lease *mine, const struct lease *theirs, enum fo_order order,
                  struct lease *next)
{
    const struct lease_times *t = &theirs->times;

    *next = *theirs;
    next->version = mine ? mine->version : 0;
    next->flags = (uint8_t)((theirs->flags & ~(unsigned)LEASE_FLAG_UNCERTAIN) |
                            (mine ? mine->flags & LEASE_FLAG_RESERVED : 0));
    next->times = (struct lease_times){
        .start_s = t->start_s,
        .expires_s = t->expires_s,
        .horizon_s = t->expires_s,
        .clt_s = t->partner_raw_clt_s,
        .partner_raw_clt_s = t->clt_s,
        .expiration_s = t->partner_lifetime_s,
        .partner_lifetime_s = t->expiration_s,
        .preferred_lifetime_s = t->preferred_lifetime_s,
        .valid_lifetime_s = t->valid_lifetime_s,
        .t1_s = t->t1_s,
        .t2_s = t->t2_s,
    };
    if (mine && !has_client(theirs)) { /* prefix form: who had it last is still worth knowing */
        next->duid = mine->duid;
        next->iaid = mine->iaid;
        next->info = mine->info;
    }
    if (mine && has_client(mine) && lease_same_client(mine, next)) {
        times_keep(mine, theirs, order, next);
    }
    if (status_is_ended(theirs->status) || status_is_free(theirs->status)) {
        enum binding_status status = (enum binding_status)theirs->status;

        fo_update_free(next); /* facts F.8 */
        if (next->resource.type == LEASE_TYPE_PD && status == BINDING_FREE_BACKUP) {
            next->status = BINDING_FREE_BACKUP;
        }
    }
}

static bool times_equal(const struct lease_times *a, const struct lease_times *b)
{
    return a->start_s == b->start_s && a->expires_s == b->expires_s && a->clt_s == b->clt_s &&
           a->partner_lifetime_s == b->partner_lifetime_s &&
           a->acked_partner_lifetime_s == b->acked_partner_lifetime_s &&
           a->expiration_s == b->expiration_s && a->partner_raw_clt_s == b->partner_raw_clt_s &&
           a->horizon_s == b->horizon_s && a->preferred_lifetime_s == b->preferred_lifetime_s &&
           a->valid_lifetime_s == b->valid_lifetime_s && a->t1_s == b->t1_s && a->t2_s == b->t2_s;
}

static bool lease_equal(const struct lease *a, const struct lease *b)
{
    return a->status == b->status && a->flags == b->flags && a->iaid == b->iaid &&
           span_equal(a->duid, b->duid) && span_equal(a->info, b->info) &&
           times_equal(&a->times, &b->times);
}

/* An update nobody could process (RFC 8156 7.5.3). */
static bool is_incomplete(const struct lease *theirs)
{
    bool client_needed = theirs->status == BINDING_ACTIVE || theirs->resource.type != LEASE_TYPE_PD;

    return !status_valid(theirs->status) || theirs->times.start_s == 0 ||
           (client_needed && !has_client(theirs));
}

/* Fills in what follows an acceptance. */
static void accept(const struct fo_update_context *context, const struct lease *mine,
                   const struct lease *theirs, enum fo_order order, struct fo_judgement *j)
{
    bool both_active = mine && mine->status == BINDING_ACTIVE && theirs->status == BINDING_ACTIVE;

    apply(mine, theirs, order, &j->next);
    j->unchanged = mine && lease_equal(mine, &j->next);
    j->conflict = both_active && !lease_same_client(mine, theirs);
    j->dirty = FO_DIRTY_CLEAR;
    if (both_active && !j->conflict &&
        (is_kept(mine, theirs, order) || j->next.times.expires_s != theirs->times.expires_s)) {
        j->dirty = FO_DIRTY_SET; /* the partner lacks what we kept (facts F.17) */
        j->send_soon = !context->dirty;
    }
}

void fo_update_judge(const struct fo_update_context *context, const struct lease *mine,
                     const struct lease *theirs, struct fo_judgement *ret_judgement)
{
    struct fo_judgement j = {.code = FO_STATUS_SUCCESS};
    enum fo_order order = FO_ORDER_AFTER;

    if (is_incomplete(theirs)) {
        j.code = FO_STATUS_MISSING_BINDING;
        *ret_judgement = j;
        return;
    }
    if (mine) {
        order = order_of(update_time(theirs), record_time(mine, theirs));
        if (context->coverage && status_valid(mine->status)) {
            context->coverage->reached[mine->status][theirs->status][order]++;
        }
        j.code = judge(context, mine, theirs, order);
    }
    if (mine && j.code != FO_STATUS_SUCCESS) {
        /* A repetition of what is on record is no news, but no quarrel either (facts F.15). */
        apply(mine, theirs, order, &j.next);
        if (lease_equal(mine, &j.next)) {
            j.code = FO_STATUS_SUCCESS;
            j.unchanged = true;
        }
    } else {
        accept(context, mine, theirs, order, &j);
    }
    if (j.code == FO_STATUS_OUTDATED_BINDING) { /* RFC 8156 7.5.4, end */
        j.dirty = FO_DIRTY_SET;
        j.send_soon = !context->dirty;
    }
    j.conflict = j.conflict || j.code == FO_STATUS_ADDRESS_IN_USE;
    *ret_judgement = j;
}

enum binding_status fo_update_free_status(const struct resource *resource)
{
    if (resource->type == LEASE_TYPE_PD || (resource->prefix.lo & 1)) {
        return BINDING_FREE;
    }
    return BINDING_FREE_BACKUP;
}

void fo_update_free(struct lease *lease)
{
    struct lease_times *t = &lease->times;

    lease->status = (uint8_t)fo_update_free_status(&lease->resource);
    lease->flags &= (uint8_t)~LEASE_FLAG_UNCERTAIN;
    *t = (struct lease_times){
        .start_s = t->start_s, .clt_s = t->clt_s, .partner_raw_clt_s = t->partner_raw_clt_s};
}

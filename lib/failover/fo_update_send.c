/* What the partner is told of an own lease, what its answer changes, and how long leases must rest
 * without it. See fo_update.h. */
#include "failover/fo_update.h"

/* Items that go with a timeout, and only with one (RFC 8156 7.4, "*"). */
static sec_t lifetime_sent(const struct lease *lease)
{
    const struct lease_times *t = &lease->times;

    if (t->expires_s == 0) {
        return 0;
    }
    if (lease->status != BINDING_ACTIVE) {
        return t->expires_s;
    }
    if (t->partner_lifetime_s) {
        return sec_max(t->partner_lifetime_s, t->expires_s);
    }
    /* Granted while there was no partner: the policy of 4.4.1 from the client's last contact. */
    return t->clt_s
               ? fo_update_partner_lifetime(t->clt_s, t->t1_s, t->valid_lifetime_s, t->expires_s)
               : t->expires_s;
}

bool fo_update_compose(const struct lease *lease, struct lease *ret_wire)
{
    struct lease wire = *lease;
    bool free;

    if (wire.status == BINDING_PENDING_FREE) { /* never sent (facts F.8) */
        wire.status = (uint8_t)fo_update_free_status(&lease->resource);
    }
    free = wire.status == BINDING_FREE || wire.status == BINDING_FREE_BACKUP;
    if (wire.duid.size == 0 && wire.resource.type != LEASE_TYPE_PD) {
        return false;
    }
    if (free && wire.resource.type == LEASE_TYPE_PD) { /* prefix form: tied to no client */
        wire.duid = wire.info = (struct span){NULL, 0};
        wire.iaid = 0;
    }
    wire.times.partner_lifetime_s = lifetime_sent(lease);
    if (wire.times.expires_s == 0) {
        wire.times.expiration_s = 0;
    }
    if (wire.status != BINDING_ACTIVE) { /* facts F.20 */
        wire.times.preferred_lifetime_s = wire.times.valid_lifetime_s = 0;
        wire.times.t1_s = wire.times.t2_s = 0;
    }
    *ret_wire = wire;
    return true;
}

/* What the two sides of a change would have told the partner. */
static bool wire_equal(const struct lease *a, const struct lease *b)
{
    const struct lease_times *x = &a->times, *y = &b->times;

    return a->status == b->status && a->iaid == b->iaid && span_equal(a->duid, b->duid) &&
           span_equal(a->info, b->info) && x->start_s == y->start_s &&
           x->expires_s == y->expires_s && x->clt_s == y->clt_s &&
           x->partner_lifetime_s == y->partner_lifetime_s &&
           x->preferred_lifetime_s == y->preferred_lifetime_s &&
           x->valid_lifetime_s == y->valid_lifetime_s && x->t1_s == y->t1_s && x->t2_s == y->t2_s;
}

bool fo_update_is_dirty(const struct lease *before, const struct lease *after,
                        enum fo_change change)
{
    struct lease was, is;

    if (change != FO_CHANGE_OWN || !fo_update_compose(after, &is)) {
        return false;
    }
    return !before || !fo_update_compose(before, &was) || !wire_equal(&was, &is);
}

enum fo_acked fo_update_acked(const struct lease *mine, uint64_t sent_version,
                              const struct fo_lease *reply, struct lease *ret_next)
{
    struct lease sent, next = *mine;

    if (mine->version != sent_version || !fo_update_compose(mine, &sent)) {
        return FO_ACKED_STALE;
    }
    if (!fo_lease_accepted(reply)) {
        return FO_ACKED_REJECTED;
    }
    if ((reply->has & FO_HAS_BINDING_STATUS) && reply->lease.status != sent.status) {
        return FO_ACKED_REJECTED; /* an answer about something else */
    }
    /* The exact echo only: a later time would let the client outlive what the partner expects. */
    if (sent.times.partner_lifetime_s && (reply->has & FO_HAS_PARTNER_LIFETIME_SENT) &&
        reply->partner_lifetime_sent_s == sent.times.partner_lifetime_s) {
        sec_t acked = mine->times.acked_partner_lifetime_s;

        next.times.partner_lifetime_s = sent.times.partner_lifetime_s;
        next.times.acked_partner_lifetime_s =
            acked ? sec_max(acked, sent.times.partner_lifetime_s) : sent.times.partner_lifetime_s;
    }
    if (mine->status == BINDING_EXPIRED || mine->status == BINDING_RELEASED ||
        mine->status == BINDING_RESET || mine->status == BINDING_PENDING_FREE) {
        fo_update_free(&next); /* RFC 8156 7.2 (4), then (5) or (6) */
        *ret_next = next;
        return FO_ACKED_FREED;
    }
    *ret_next = next;
    return FO_ACKED_STORED;
}

sec_t fo_update_partner_lifetime(sec_t now, uint32_t t1_s, uint32_t desired_s, sec_t expires_s)
{
    uint64_t ahead_s = (uint64_t)t1_s + desired_s;
    sec_t t = now + (uint32_t)(ahead_s < INT32_MAX ? ahead_s : INT32_MAX);

    if (expires_s) {
        t = sec_max(t, expires_s);
    }
    return t ? t : 1; /* 0 says "none" */
}

bool fo_update_free_at(const struct lease *lease, sec_t since_s, uint32_t mclt_s, sec_t *ret_at_s)
{
    const struct lease_times *t = &lease->times;
    const sec_t told[] = {t->expires_s, t->horizon_s, t->partner_lifetime_s,
                          t->acked_partner_lifetime_s, t->expiration_s};
    /* Times the partner knows are by its clock, and a client counts from receipt. */
    uint32_t extra_s = FO_SAME_TIME_S + LEASE_TRANSIT_S;
    sec_t latest = since_s;

    switch ((enum binding_status)lease->status) {
    case BINDING_FREE:
    case BINDING_FREE_BACKUP:
        *ret_at_s = sec_after(t->start_s, since_s) ? t->start_s : since_s + mclt_s + extra_s;
        return true;
    case BINDING_ACTIVE:
        if (t->expires_s == 0) {
            return false;
        }
        if (sec_after(t->start_s, since_s) && t->partner_raw_clt_s == 0 && t->expiration_s == 0) {
            /* Begun after that, by us alone: the partner cannot have used it. */
            *ret_at_s = sec_max(t->expires_s, t->horizon_s) + LEASE_TRANSIT_S;
            return true;
        }
        break;
    case BINDING_ABANDONED:
        if (t->expires_s == 0) {
            return false; /* until the operator says so */
        }
        break;
    case BINDING_EXPIRED:
    case BINDING_RELEASED:
    case BINDING_RESET:
    case BINDING_PENDING_FREE:
        latest = sec_max(latest, t->start_s); /* RFC 8156 7.2 (4) */
        break;
    case BINDING_STATUS_COUNT:
        return false;
    }
    for (unsigned i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        latest = told[i] ? sec_max(latest, told[i]) : latest;
    }
    *ret_at_s = latest + mclt_s + extra_s;
    return true;
}

uint32_t fo_update_retry_s(unsigned rejections)
{
    uint32_t wait_s = FO_RETRY_MIN_S;

    for (unsigned i = 1; i < rejections && wait_s < FO_RETRY_MAX_S; i++) {
        wait_s *= 2;
    }
    return wait_s;
}

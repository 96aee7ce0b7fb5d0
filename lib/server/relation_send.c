/* Updates to the partner: leases whose dirty bit says so, in the version that is on disk, as many
 * as the window allows (RFC 8156 7.4; facts F.19, F.31, F.42), and what its answers change (7.7).
 */
#include "server/relation_internal.h"

enum {
    UPDATE_SIZE_MAX = 2048, /* of one lease's BNDUPD */
    SLOTS_MAX = 256,        /* looked at per turn */
    WORDS_MAX = 16384,      /* of dirty bits, per turn */
};

enum outcome {
    OUTCOME_SENT,
    OUTCOME_NOTHING, /* nothing to tell of this slot, or not now */
    OUTCOME_NOT_YET, /* the lease is newer than the disk */
    OUTCOME_FULL,    /* the window is shut */
};

/* Everything in flight is to be sent again; the pass under way is over. */
void relation_send_reset(struct relation *relation)
{
    struct dirty *dirty = relation->server->dirty;

    relation->flight_free_count = 0;
    for (unsigned i = 0; i < FO_UNACKED_MAX; i++) {
        struct relation_flight *flight = &relation->flights[i];

        if (flight->used) {
            (void)dirty_take(dirty, relation->index, DIRTY_FLYING, flight->slot);
            dirty_set(dirty, relation->index, DIRTY_DUE, flight->slot);
        }
        *flight = (struct relation_flight){.used = false};
        relation->flight_free[relation->flight_free_count++] = i;
    }
    relation->pass = (struct relation_pass){.active = false};
}

static void refused_retry(struct relation *relation)
{
    if (relation->refused_count) {
        relation->refused_count = 0;
        dirty_move(relation->server->dirty, relation->index, DIRTY_REFUSED);
    }
}

/* A pass that begins while another one is under way takes its place and its duties. */
void relation_pass_begin(struct relation *relation, bool request, bool drain)
{
    struct relation_pass *pass = &relation->pass;

    refused_retry(relation);
    pass->active = true;
    pass->request = pass->request || request;
    pass->drain = pass->drain || drain;
    pass->all = pass->all || (request && relation->all_owed);
    pass->at = 0;
    pass->end = store_slot_max(relation->server->store);
    relation_barrier_set(relation, &pass->barrier);
}

static void pass_finish(struct relation *relation, struct fo_time now)
{
    struct relation_pass done = relation->pass;

    relation->pass = (struct relation_pass){.active = false};
    if (done.request) {
        relation_step_type(relation, FO_FSM_UPDREQ_SERVED, now);
    }
    if (done.drain) {
        relation_step_type(relation, FO_FSM_DRAINED, now);
    }
}

static void flight_begin(struct relation *relation, unsigned index, const struct lease_found *found,
                         sec_t now)
{
    if (relation->flight_free_count == FO_UNACKED_MAX) {
        relation->flight_progress_s = now; /* nothing was under way: the wait begins */
    }
    relation->flight_free_count--;
    relation->flights[index] =
        (struct relation_flight){.used = true,
                                 .counted = relation->pass.active,
                                 .taking = found->lease.status == BINDING_PENDING_FREE,
                                 .slot = found->slot,
                                 .version = found->lease.version,
                                 .resource = found->lease.resource};
    relation->pass.outstanding += relation->pass.active;
    dirty_set(relation->server->dirty, relation->index, DIRTY_FLYING, found->slot);
    relation->stats.updates_sent++;
}

/* Sends what is in the slot. Its dirty bit is taken before the lease is read, so that a change in
 * between is not lost. */
static enum outcome slot_send(struct relation *relation, uint32_t slot, struct fo_time now)
{
    struct server *server = relation->server;
    struct dirty *dirty = server->dirty;
    uint8_t frame[UPDATE_SIZE_MAX];
    struct lease_found found;
    struct lease wire;
    unsigned flight;
    size_t size;

    if (relation->flight_free_count == 0 ||
        fo_link_update_room(&relation->link, UPDATE_SIZE_MAX) == 0) {
        return OUTCOME_FULL;
    }
    (void)dirty_take(dirty, relation->index, DIRTY_DUE, slot);
    if (!store_read(server->store, slot, &found) ||
        server_relationship_of(server_policy(server), &found.lease.resource) !=
            (int)relation->index ||
        !fo_update_compose(&found.lease, &wire)) {
        return OUTCOME_NOTHING;
    }
    if (!dirty_is_durable(dirty, slot, &found.lease)) {
        dirty_set(dirty, relation->index, DIRTY_DUE, slot);
        return OUTCOME_NOT_YET;
    }
    size = fo_encode_bndupd(&wire, 1, now.s, frame, sizeof(frame));
    if (size == 0) {
        relation->stats.unsendable++;
        return OUTCOME_NOTHING;
    }
    flight = relation->flight_free[relation->flight_free_count - 1];
    if (fo_link_send(&relation->link, (struct span){frame, size}, flight, now)) {
        dirty_set(dirty, relation->index, DIRTY_DUE, slot);
        return OUTCOME_FULL;
    }
    flight_begin(relation, flight, &found, now.s);
    return OUTCOME_SENT;
}

/* The next slot to look at from at on; end: none in this turn. *ret_at: where to go on. */
static uint32_t slot_next(const struct relation *relation, uint32_t at, uint32_t end,
                          uint32_t *ret_at)
{
    bool found;

    if (relation->pass.active && relation->pass.all) {
        *ret_at = at;
        return at;
    }
    *ret_at = dirty_next(relation->server->dirty, relation->index, at, end, WORDS_MAX, &found);
    return found ? *ret_at : end;
}

static bool pass_turn(struct relation *relation, struct fo_time now)
{
    struct relation_pass *pass = &relation->pass;
    bool moved = false;

    if (!relation_barrier_passed(relation, &pass->barrier)) {
        return false;
    }
    for (unsigned i = 0; i < SLOTS_MAX && pass->at < pass->end; i++) {
        uint32_t slot = slot_next(relation, pass->at, pass->end, &pass->at);
        enum outcome outcome;

        moved = true;
        if (slot == pass->end) {
            break;
        }
        outcome = slot_send(relation, slot, now);
        if (outcome == OUTCOME_FULL || outcome == OUTCOME_NOT_YET) {
            return i > 0; /* the pass waits here */
        }
        pass->at = slot + 1;
    }
    if (pass->at >= pass->end && pass->outstanding == 0) {
        pass_finish(relation, now);
        return true;
    }
    return moved;
}

static bool scan_turn(struct relation *relation, struct fo_time now)
{
    uint32_t end = store_slot_max(relation->server->store);
    bool moved = false;

    if (relation->hand >= end) {
        relation->hand = 0;
    }
    for (unsigned i = 0; i < SLOTS_MAX && relation->hand < end; i++) {
        uint32_t slot = slot_next(relation, relation->hand, end, &relation->hand);
        enum outcome outcome;

        if (slot == end) {
            break;
        }
        outcome = slot_send(relation, slot, now);
        if (outcome == OUTCOME_FULL) {
            return moved;
        }
        relation->hand = slot + 1;
        moved = moved || outcome == OUTCOME_SENT;
    }
    return moved;
}

bool relation_send_turn(struct relation *relation, struct fo_time now)
{
    bool flying = relation->flight_free_count < FO_UNACKED_MAX;

    if (!fo_link_is_up(&relation->link)) {
        return false;
    }
    if (flying && sec_after(now.s, relation->flight_progress_s + RELATION_STALL_S)) {
        relation->flight_progress_s = now.s;
        relation_step_type(relation, FO_FSM_ACK_STALL, now);
        return true;
    }
    if (relation->refused_count && !sec_after(relation->retry_s, now.s)) {
        refused_retry(relation);
    }
    if (relation->pass.active) {
        return pass_turn(relation, now);
    }
    return fo_fsm_may_send(&relation->fsm) && scan_turn(relation, now);
}

static void refused(struct relation *relation, uint32_t slot, sec_t now)
{
    dirty_set(relation->server->dirty, relation->index, DIRTY_REFUSED, slot);
    relation->refused_count++;
    relation->rejections++;
    relation->stats.rejected++;
    relation->retry_s = now + fo_update_retry_s(relation->rejections);
}

/* The lease a BNDREPLY is about; without any, its status stands for it (facts F.30). */
static void reply_lease(const struct fo_message *message, struct fo_lease *ret_lease)
{
    struct fo_binding binding;

    fo_binding_parse(message, &binding);
    if (!fo_binding_next(&binding, ret_lease)) {
        *ret_lease =
            (struct fo_lease){.fault = FO_STATUS_MISSING_BINDING, .status = binding.status};
    }
}

static bool is_news(const struct lease *mine, const struct lease *next)
{
    return mine->status != next->status ||
           mine->times.partner_lifetime_s != next->times.partner_lifetime_s ||
           mine->times.acked_partner_lifetime_s != next->times.acked_partner_lifetime_s;
}

static void acked_store(struct relation *relation, const struct lease_found *found,
                        const struct lease *next, sec_t now)
{
    struct lease_found stored;
    uint64_t position;
    int r;

    relation->rejections = 0;
    relation->stats.acked++;
    if (!is_news(&found->lease, next)) {
        return;
    }
    r = relation_commit(relation, found, next, false, &stored, &position);
    if (r == 0 && stored.slot != LEASE_SLOT_NONE) {
        relation_clean_push(relation, stored.slot, stored.lease.version, position);
    } else if (r == -ENOSPC) {
        refused(relation, found->slot, now); /* asks again when there may be room */
    }
}

void relation_reply_take(struct relation *relation, const struct fo_link_event *event,
                         struct fo_time now)
{
    struct server *server = relation->server;
    struct relation_flight flight = {.used = false};
    struct lease_found found;
    struct fo_lease reply;
    struct lease next;

    if (event->cookie < FO_UNACKED_MAX) {
        flight = relation->flights[event->cookie];
    }
    if (!flight.used) {
        return;
    }
    relation->flights[event->cookie].used = false;
    relation->flight_free[relation->flight_free_count++] = (unsigned)event->cookie;
    relation->flight_progress_s = now.s;
    relation->pass.outstanding -= flight.counted && relation->pass.outstanding;
    (void)dirty_take(server->dirty, relation->index, DIRTY_FLYING, flight.slot);
    reply_lease(&event->message, &reply);
    if (flight.taking) {
        relation_balance_answered(relation, &flight.resource);
    }
    if (!store_read(server->store, flight.slot, &found) || found.lease.version != flight.version) {
        relation->stats.stale++; /* the newer version has its own dirty bit */
        return;
    }
    if (reply.fault == 0 && !resource_equal(&reply.lease.resource, &found.lease.resource)) {
        reply.fault = FO_STATUS_MISSING_BINDING;
    }
    switch (fo_update_acked(&found.lease, flight.version, &reply, &next)) {
    case FO_ACKED_STALE:
        relation->stats.stale++;
        break;
    case FO_ACKED_REJECTED:
        refused(relation, flight.slot, now.s);
        break;
    case FO_ACKED_FREED:
        counter_inc(&server->control_counters, COUNTER_lease_freed);
        acked_store(relation, &found, &next, now.s);
        break;
    case FO_ACKED_STORED:
        acked_store(relation, &found, &next, now.s);
        break;
    }
}

/* Updates to the partner: leases whose dirty bit says so, in the version that is on disk, as many
 * as the window allows (RFC 8156 7.4; facts F.19, F.31, F.42), and what its answers change (7.7).
 */
#include "server/relation_internal.h"

enum {
    UPDATE_SIZE_MAX = 2048, /* of one lease's BNDUPD */
    SLOTS_MAX = 256,        /* looked at per turn */
    WORDS_MAX = 16384,      /* of dirty bits, per turn */
    ROUNDS_MAX = 3,         /* more of a pass */
};

enum outcome {
    OUTCOME_SENT,
    OUTCOME_NOTHING, /* nothing to tell of this slot, or not now */
    OUTCOME_NOT_YET, /* the lease is newer than the disk, or its mark is about to be taken back */
    OUTCOME_FULL,    /* the window is shut */
};

/* Everything in flight is to be sent again; the pass under way is over. */
void relation_send_reset(struct relation *relation)
{
    struct dirty *dirty = relation->server->dirty;

    relation->flight_free_count = 0;
    for (unsigned i = 0; i < FO_UNACKED_MAX; i++) {
        struct relation_flight *flight = &relation->flights[i];

        if (flight->used && flight->block) {
            relation_block_drop(relation, flight->block);
        } else if (flight->used) {
            (void)dirty_take(dirty, relation->index, DIRTY_FLYING, flight->slot);
            dirty_set(dirty, relation->index, DIRTY_DUE, flight->slot);
        }
        *flight = (struct relation_flight){.used = false};
        relation->flight_free[relation->flight_free_count++] = i;
    }
    relation->pass = (struct relation_pass){.active = false};
    /* Nothing of it is answered: the lag goes on, by another walk. */
    relation->lag.answers = false;
    relation->lag.walked = 0;
}

/* Once more all that the partner refused. */
static void refused_retry(struct relation *relation)
{
    if (relation->refused_count) {
        relation->refused_count = 0;
        relation->retried_s = relation->run_s;
        dirty_move(relation->server->dirty, relation->index, DIRTY_REFUSED);
    }
}

void relation_mark_all(struct relation *relation)
{
    dirty_set_all(relation->server->dirty, relation->index,
                  store_slot_max(relation->server->store));
}

static void round_begin(struct relation *relation)
{
    relation->pass.at = 0;
    relation->pass.end = store_slot_max(relation->server->store);
    relation->pass.round_sent = false;
    relation_barrier_set(relation, &relation->pass.barrier);
}

/* A pass that begins while another one is under way takes its place and its duties. */
void relation_pass_begin(struct relation *relation, bool request, bool drain)
{
    struct relation_pass *pass = &relation->pass;

    refused_retry(relation);
    pass->active = true;
    pass->request = pass->request || request;
    pass->drain = pass->drain || drain;
    pass->rounds_left = ROUNDS_MAX;
    if (request && relation->all_owed) {
        pass->all = true;
        relation_mark_all(relation);
    }
    round_begin(relation);
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

static void flight_begin(struct relation *relation, const struct lease_found *found,
                         struct relation_block *block, sec_t now)
{
    unsigned index = relation->flight_free[relation->flight_free_count - 1];

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
                                 .number = relation->flight_number++,
                                 .resource = found->lease.resource,
                                 .block = block};
    relation->pass.outstanding += relation->pass.active;
    if (block) {
        relation_block_begin(relation, block);
    } else {
        dirty_set(relation->server->dirty, relation->index, DIRTY_FLYING, found->slot);
    }
    relation->stats.updates_sent++;
}

/* Sends one lease, or the block it is one unit of. Its dirty bit is taken. */
static enum outcome lease_send(struct relation *relation, const struct lease_found *found,
                               struct lease *wire, struct fo_time now)
{
    struct dirty *dirty = relation->server->dirty;
    struct relation_block *block = relation_block_gather(relation, found, wire, now.s);
    unsigned flight = relation->flight_free[relation->flight_free_count - 1];
    uint8_t frame[UPDATE_SIZE_MAX];
    size_t size = fo_encode_bndupd(wire, 1, now.s, frame, sizeof(frame));

    if (size == 0) { /* a block always fits */
        relation->stats.unsendable++;
        return OUTCOME_NOTHING;
    }
    if (fo_link_send(&relation->link, (struct span){frame, size}, flight, now)) {
        if (block) {
            relation_block_drop(relation, block);
        }
        dirty_set(dirty, relation->index, DIRTY_DUE, found->slot);
        return OUTCOME_FULL;
    }
    flight_begin(relation, found, block, now.s);
    return OUTCOME_SENT;
}

/* True while the lease's dirty mark is to be taken back, since the partner told us of it. The
 * disk's thread marks a lease durable a moment before all of its batch is: sent in between, the
 * partner would hear its own words, and we would judge its next ones by a mark that means nothing.
 */
static bool clean_waits(const struct relation *relation, const struct lease_found *found)
{
    for (unsigned i = 0; i < relation->clean_count; i++) {
        const struct relation_clean *clean =
            &relation->clean[(relation->clean_head + i) % RELATION_CLEAN_MAX];

        if (clean->slot == found->slot && clean->version == found->lease.version &&
            resource_equal(&clean->resource, &found->lease.resource)) {
            return true;
        }
    }
    return false;
}

/* Sends what is in the slot. Its dirty bit is taken before the lease is read, so that a change in
 * between is not lost. */
static enum outcome slot_send(struct relation *relation, uint32_t slot, struct fo_time now)
{
    struct server *server = relation->server;
    struct lease_found found;
    struct lease wire;

    if (relation->flight_free_count == 0 ||
        fo_link_update_room(&relation->link, UPDATE_SIZE_MAX) == 0) {
        return OUTCOME_FULL;
    }
    (void)dirty_take(server->dirty, relation->index, DIRTY_DUE, slot);
    if (!store_read(server->store, slot, &found) ||
        server_relationship_of(server_policy(server), &found.lease.resource) !=
            (int)relation->index ||
        !fo_update_compose(&found.lease, &wire)) {
        return OUTCOME_NOTHING;
    }
    if (!dirty_is_durable(server->dirty, slot, &found.lease) || clean_waits(relation, &found)) {
        dirty_set(server->dirty, relation->index, DIRTY_DUE, slot);
        return OUTCOME_NOT_YET;
    }
    return lease_send(relation, &found, &wire, now);
}

/* The next dirty slot from at on; end: none in this turn. *ret_at: where to go on. */
static uint32_t slot_next(const struct relation *relation, uint32_t at, uint32_t end,
                          uint32_t *ret_at)
{
    bool found;

    *ret_at = dirty_next(relation->server->dirty, relation->index, at, end, WORDS_MAX, &found);
    return found ? *ret_at : end;
}

/* A round is over. Leases that moved to another slot meanwhile, and what the disk did not have yet,
 * are found by another one. */
static bool round_end(struct relation *relation, struct fo_time now)
{
    struct relation_pass *pass = &relation->pass;

    if (pass->round_sent && pass->rounds_left) {
        pass->rounds_left--;
        round_begin(relation);
        return true;
    }
    if (pass->outstanding == 0) {
        pass_finish(relation, now);
        return true;
    }
    return false;
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
        pass->round_sent = pass->round_sent || outcome == OUTCOME_SENT;
        pass->at = slot + 1;
    }
    return pass->at >= pass->end ? round_end(relation, now) || moved : moved;
}

static bool scan_turn(struct relation *relation, struct fo_time now)
{
    uint32_t end = store_slot_max(relation->server->store), from;
    bool moved = false;

    if (relation->hand >= end) {
        relation->hand = 0;
    }
    from = relation->hand;
    for (unsigned i = 0; i < SLOTS_MAX && relation->hand < end; i++) {
        uint32_t slot = slot_next(relation, relation->hand, end, &relation->hand);
        enum outcome outcome;

        if (slot == end) {
            break;
        }
        outcome = slot_send(relation, slot, now);
        if (outcome == OUTCOME_FULL) {
            break;
        }
        relation->hand = slot + 1;
        moved = moved || outcome == OUTCOME_SENT;
    }
    relation->lag.walked += relation->hand - from;
    return moved;
}

/* The lag is that of everything that was dirty when the measuring began: the scan has to come
 * around, then what it sent has to be answered. */
static void lag_turn(struct relation *relation, struct fo_time now)
{
    struct relation_lag *lag = &relation->lag;

    if (!lag->measuring) {
        lag->measuring = true;
        lag->answers = false;
        lag->begun_ms = now.ms;
        lag->walked = 0;
        return;
    }
    if (!lag->answers && lag->walked >= store_slot_max(relation->server->store)) {
        lag->answers = true;
        lag->number = relation->flight_number;
        lag->open = FO_UNACKED_MAX - relation->flight_free_count;
    }
    if (lag->answers && lag->open == 0) {
        histogram_add(&lag->ms, now.ms - lag->begun_ms);
        lag->measuring = false;
    }
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
    if (!fo_fsm_may_send(&relation->fsm)) {
        return false;
    }
    lag_turn(relation, now);
    return scan_turn(relation, now);
}

static void refused(struct relation *relation, uint32_t slot, sec_t now)
{
    dirty_set(relation->server->dirty, relation->index, DIRTY_REFUSED, slot);
    relation->stats.rejected++;
    if (relation->refused_count++ == 0) {
        /* Refused again soon after it was tried again: it rests twice as long. */
        relation->rejections =
            sec_after(now, relation->retried_s + FO_RETRY_MIN_S) ? 1 : relation->rejections + 1;
        relation->retry_s = now + fo_update_retry_s(relation->rejections);
    }
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

bool relation_acked_store(struct relation *relation, const struct lease_found *found,
                          const struct lease *next)
{
    struct lease_found stored;
    uint64_t position;
    int r;

    if (!is_news(&found->lease, next)) {
        return true;
    }
    r = relation_commit(relation, found, next, false, &stored, &position);
    if (r == 0 && stored.slot != LEASE_SLOT_NONE) {
        relation_clean_push(relation, &stored, position);
    }
    return r != -ENOSPC;
}

static void acked(struct relation *relation, const struct lease_found *found,
                  const struct lease *next, sec_t now)
{
    relation->stats.acked++;
    if (!relation_acked_store(relation, found, next)) {
        refused(relation, found->slot, now); /* asks again when there may be room */
    }
}

static void block_acked(struct relation *relation, const struct relation_flight *flight,
                        const struct fo_lease *reply, sec_t now)
{
    uint32_t count = flight->block->count;

    if (relation_block_acked(relation, flight->block, reply)) {
        relation->stats.acked++;
        if (flight->taking) {
            relation_balance_answered(relation, &flight->resource, count);
        }
        return;
    }
    relation->stats.rejected++; /* its units are told one by one now */
    relation->split = true;
    relation->split_s = now + RELATION_SPLIT_S;
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
    relation->lag.open -= relation->lag.answers && flight.number < relation->lag.number;
    relation->flight_free[relation->flight_free_count++] = (unsigned)event->cookie;
    relation->flight_progress_s = now.s;
    relation->pass.outstanding -= flight.counted && relation->pass.outstanding;
    reply_lease(&event->message, &reply);
    if (reply.fault == 0 &&
        !resource_equal(&reply.lease.resource,
                        flight.block ? &flight.block->resource : &flight.resource)) {
        reply.fault = FO_STATUS_MISSING_BINDING;
    }
    if (flight.block) {
        block_acked(relation, &flight, &reply, now.s);
        return;
    }
    (void)dirty_take(server->dirty, relation->index, DIRTY_FLYING, flight.slot);
    if (flight.taking) {
        relation_balance_answered(relation, &flight.resource, 1);
    }
    if (!store_read(server->store, flight.slot, &found) || found.lease.version != flight.version ||
        !resource_equal(&found.lease.resource, &flight.resource)) {
        relation->stats.stale++; /* the newer version, or the slot's next lease, has its own bit */
        return;
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
        acked(relation, &found, &next, now.s);
        break;
    case FO_ACKED_STORED:
        acked(relation, &found, &next, now.s);
        break;
    }
}

/* The partner's updates: judged, committed, answered when the commits are durable (RFC 8156 7.5,
 * 7.6; design invariant 6). */
#include "server/relation_internal.h"

enum {
    RACES_MAX = 4, /* a worker changing the lease meanwhile */
};

/* An answer that waits; its frame follows. */
struct reply_head {
    uint64_t position; /* in the control core's ring; 0: nothing to wait for */
    uint32_t connection;
    uint32_t size;
};

/* One message being taken. */
struct taking {
    struct relation *relation;
    struct fo_time now;
    uint64_t position; /* of the last commit */
    unsigned commits;
};

bool relation_receive_has_room(struct relation *relation)
{
    size_t used = relation->replies_tail - relation->replies_head;

    return RELATION_REPLIES_SIZE - used >= sizeof(struct reply_head) + FO_FRAME_SIZE_MAX &&
           change_ring_has_room(server_control_ring(relation->server), RELATION_COMMITS_MAX + 1);
}

/* Commits an accepted lease. A prefix that is free leaves one share or the other first: -EAGAIN
 * while a worker is giving it to a client. */
static int accepted_commit(struct taking *taking, const struct lease_found *base,
                           const struct lease *next, struct lease_found *ret_stored)
{
    int r = relation_commit(taking->relation, base, next, false, ret_stored, &taking->position);

    taking->commits += r == 0;
    return r;
}

/* What becomes of our dirty mark, once the commit is durable. */
static void mark_settle(struct taking *taking, const struct fo_judgement *judgement, bool was_dirty,
                        const struct lease_found *stored)
{
    bool clean =
        judgement->dirty == FO_DIRTY_CLEAR || (judgement->dirty == FO_DIRTY_KEEP && !was_dirty);

    if (clean && stored->slot != LEASE_SLOT_NONE) {
        relation_clean_push(taking->relation, stored, taking->position);
    }
}

/* Both servers gave it away: who keeps it is for the operator to know. */
static void conflict_note(struct relation *relation, const struct lease *mine,
                          const struct lease *theirs, const struct fo_judgement *judgement,
                          sec_t now)
{
    struct relation_conflict *conflict =
        &relation->conflicts[relation->stats.conflicts++ % RELATION_CONFLICTS_MAX];

    *conflict = (struct relation_conflict){
        .at_s = now,
        .resource = mine->resource,
        .own_kept = judgement->code != FO_STATUS_SUCCESS,
    };
    if (mine->duid.size && mine->duid.size <= DUID_SIZE_MAX) {
        conflict->own_size = (uint8_t)mine->duid.size;
        memcpy(conflict->own_duid, mine->duid.data, mine->duid.size);
    }
    if (theirs->duid.size && theirs->duid.size <= DUID_SIZE_MAX) {
        conflict->partner_size = (uint8_t)theirs->duid.size;
        memcpy(conflict->partner_duid, theirs->duid.data, theirs->duid.size);
    }
}

/* Our record of what they tell, and what becomes of it. */
struct judging {
    struct lease_found base; /* slot LEASE_SLOT_NONE: none */
    bool durable, dirty;
    struct fo_judgement judgement;
};

static void lease_judge(struct taking *taking, const struct lease *theirs, bool block,
                        struct judging *ret_judging)
{
    struct relation *relation = taking->relation;
    struct dirty *dirty = relation->server->dirty;
    struct judging *j = ret_judging;
    bool present = store_find(relation->server->store, &theirs->resource, &j->base);
    struct fo_update_context context = {
        .role = relation->role, .block = block, .now = taking->now.s};

    if (!present) {
        j->base.slot = LEASE_SLOT_NONE;
    }
    j->durable = present && dirty_is_durable(dirty, j->base.slot, &j->base.lease);
    j->dirty = present && (!j->durable || dirty_is_open(dirty, relation->index, j->base.slot));
    context.dirty = j->dirty;
    fo_update_judge(&context, present ? &j->base.lease : NULL, theirs, &j->judgement);
    if (j->judgement.conflict && present) {
        conflict_note(relation, &j->base.lease, theirs, &j->judgement, taking->now.s);
    }
    /* One that is open waits for its turn already: servers that refuse each other's record must not
     * do so in circles (RFC 8156 7.5.4, end). */
    if (j->judgement.code != FO_STATUS_SUCCESS && present && j->judgement.dirty == FO_DIRTY_SET &&
        !j->dirty) {
        dirty_set(dirty, relation->index, DIRTY_DUE, j->base.slot);
    }
}

/* A prefix asked back that we had not yet sent: their word is the answer. Of one under way the
 * answer is still to come. */
static void asked_back_settle(struct taking *taking, const struct lease_found *base)
{
    struct relation *relation = taking->relation;

    if (base->slot != LEASE_SLOT_NONE && base->lease.status == BINDING_PENDING_FREE &&
        !dirty_test(relation->server->dirty, relation->index, DIRTY_FLYING, base->slot)) {
        relation_balance_answered(relation, &base->lease.resource, 1);
    }
}

/* One lease, or one unit of a block. */
static enum fo_status_code unit_take(struct taking *taking, const struct lease *theirs, bool block)
{
    for (unsigned race = 0; race < RACES_MAX; race++) {
        struct lease_found stored;
        struct judging j;
        int r;

        lease_judge(taking, theirs, block, &j);
        if (j.judgement.code != FO_STATUS_SUCCESS) {
            return j.judgement.code;
        }
        if (j.judgement.unchanged && j.durable) {
            if (j.judgement.dirty == FO_DIRTY_CLEAR) {
                relation_clean(taking->relation, j.base.slot, &j.base.lease.resource,
                               j.base.lease.version);
            }
            return FO_STATUS_SUCCESS;
        }
        r = accepted_commit(taking, &j.base, &j.judgement.next, &stored);
        if (r == 0) {
            mark_settle(taking, &j.judgement, j.dirty, &stored);
            asked_back_settle(taking, &j.base);
            return FO_STATUS_SUCCESS;
        }
        if (r != -EAGAIN) {
            break;
        }
    }
    return FO_STATUS_UNSPEC_FAIL; /* no room, or always a worker in between: the partner repeats */
}

/* A block of delegable prefixes: all its units or none, but for what a worker does meanwhile (facts
 * F.25). */
static enum fo_status_code block_take(struct taking *taking, const struct lease *theirs,
                                      const struct pool *pool, struct fo_block block)
{
    struct lease unit = *theirs;
    struct judging j;

    if (theirs->status != BINDING_FREE && theirs->status != BINDING_FREE_BACKUP) {
        return FO_STATUS_CONFIGURATION_CONFLICT;
    }
    if (block.count > RELATION_BLOCK_MAX || taking->commits + block.count > RELATION_COMMITS_MAX) {
        return FO_STATUS_OUTDATED_BINDING; /* the sender splits */
    }
    for (uint32_t i = 0; i < block.count; i++) {
        unit.resource = pool_unit(pool, block.first + i);
        lease_judge(taking, &unit, true, &j);
        if (j.judgement.code != FO_STATUS_SUCCESS) {
            return j.judgement.code;
        }
    }
    for (uint32_t i = 0; i < block.count; i++) {
        enum fo_status_code code;

        unit.resource = pool_unit(pool, block.first + i);
        code = unit_take(taking, &unit, true);
        if (code != FO_STATUS_SUCCESS) {
            return code;
        }
    }
    return FO_STATUS_SUCCESS;
}

/* The relationship's pool of which the prefix is a block of several units, or -1. */
static int block_pool(const struct relation *relation, const struct policy *policy,
                      const struct resource *resource, struct fo_block *ret_block)
{
    for (unsigned i = 0; resource->type == LEASE_TYPE_PD && i < policy->pool_count; i++) {
        const struct policy_pool *pool = &policy->pools[i];

        if (policy->links[pool->link].relationship == (int)relation->index &&
            fo_block_of(&pool->pool, resource, ret_block) && ret_block->count > 1) {
            return (int)i;
        }
    }
    return -1;
}

/* A lease by itself: an address, a unit of a pool, or what is reserved. */
static bool is_whole(const struct policy *policy, const struct resource *resource)
{
    const struct policy_reservation *holder;

    if (resource->type == LEASE_TYPE_NA || policy_pool_find(policy, resource) >= 0) {
        return true;
    }
    holder = policy_reservation_of(policy, resource);
    for (unsigned i = 0; holder && i < holder->resource_count; i++) {
        if (resource_equal(&holder->resources[i], resource)) {
            return true;
        }
    }
    return false;
}

static enum fo_status_code lease_take(struct taking *taking, const struct lease *theirs)
{
    struct relation *relation = taking->relation;
    const struct policy *policy = server_policy(relation->server);
    struct fo_block block;
    int pool;

    if (server_relationship_of(policy, &theirs->resource) == (int)relation->index &&
        is_whole(policy, &theirs->resource)) {
        return taking->commits < RELATION_COMMITS_MAX ? unit_take(taking, theirs, false)
                                                      : FO_STATUS_UNSPEC_FAIL;
    }
    pool = block_pool(relation, policy, &theirs->resource, &block);
    if (pool < 0) {
        return FO_STATUS_CONFIGURATION_CONFLICT; /* RFC 8156 7.5.3: not this endpoint's */
    }
    return block_take(taking, theirs, &policy->pools[pool].pool, block);
}

static void reply_park(struct relation *relation, uint64_t position, uint32_t connection,
                       size_t size)
{
    struct reply_head head = {position, connection, (uint32_t)size};
    size_t used = relation->replies_tail - relation->replies_head;

    if (relation->replies_tail + sizeof(head) + size > RELATION_REPLIES_SIZE) {
        memmove(relation->replies, relation->replies + relation->replies_head, used);
        relation->replies_head = 0;
        relation->replies_tail = used;
    }
    memcpy(relation->replies + relation->replies_tail, &head, sizeof(head));
    memcpy(relation->replies + relation->replies_tail + sizeof(head), relation->scratch, size);
    relation->replies_tail += sizeof(head) + size;
}

static void leases_take(struct taking *taking, struct fo_binding *binding, struct fo_reply *reply)
{
    struct relation *relation = taking->relation;
    uint8_t info[LEASE_INFO_SIZE_MAX];
    struct fo_lease lease;

    while (fo_binding_next(binding, &lease)) {
        enum fo_status_code code = (enum fo_status_code)lease.fault;

        if (lease.fault == 0 && lease.ia_type == 4) { /* IA_TA, facts F.20 */
            code = FO_STATUS_CONFIGURATION_CONFLICT;
        } else if (lease.fault == 0) {
            lease.lease.info =
                (struct span){info, fo_lease_info(binding, &lease, info, sizeof(info))};
            code = lease_take(taking, &lease.lease);
        }
        relation->stats.updates_taken += code == FO_STATUS_SUCCESS;
        relation->stats.updates_refused += code != FO_STATUS_SUCCESS;
        fo_reply_add(reply, &lease, code, NULL);
    }
}

void relation_update_take(struct relation *relation, const struct fo_link_event *event,
                          struct fo_time now)
{
    struct taking taking = {.relation = relation, .now = now};
    enum fo_status_code code;
    struct fo_binding binding;
    struct fo_reply reply;
    size_t size;

    fo_binding_parse(&event->message, &binding);
    code = (enum fo_status_code)binding.fault;
    if (code == FO_STATUS_SUCCESS && binding.vss.size) {
        code = FO_STATUS_CONFIGURATION_CONFLICT; /* RFC 8156 7.5.3: a VPN we do not know */
    }
    fo_reply_begin(&reply, &binding, code, NULL, relation->scratch, FO_FRAME_SIZE_MAX);
    if (code == FO_STATUS_SUCCESS) {
        leases_take(&taking, &binding, &reply);
    }
    size = fo_reply_end(&reply);
    if (size == 0) {
        fo_link_disconnect(&relation->link, FO_STATUS_UNSPEC_FAIL, "update cannot be answered",
                           now);
        return;
    }
    reply_park(relation, taking.position, event->connection, size);
}

bool relation_replies_turn(struct relation *relation, struct fo_time now)
{
    uint64_t durable = change_ring_durable(server_control_ring(relation->server));
    bool moved = false;

    while (relation->replies_head < relation->replies_tail) {
        const uint8_t *at = relation->replies + relation->replies_head;
        struct reply_head head;
        struct span frame;

        memcpy(&head, at, sizeof(head));
        frame = (struct span){at + sizeof(head), head.size};
        if (head.position > durable ||
            fo_link_answer(&relation->link, head.connection, frame, now) == -EAGAIN) {
            break;
        }
        relation->replies_head += sizeof(head) + head.size;
        moved = true;
    }
    return moved;
}

#include "server/relation_operator.h"

#include "server/relation_internal.h"

enum {
    BARE_SIZE_MAX = 64
};

int relation_resend(struct relation *relation, bool all)
{
    if (!fo_link_is_up(&relation->link)) {
        return -ENOTCONN;
    }
    if (!fo_fsm_may_send(&relation->fsm)) {
        return -EPERM;
    }
    if (all) {
        relation_mark_all(relation);
    }
    relation_pass_begin(relation, false, false);
    relation->pass.all = relation->pass.all || all;
    relation->busy = true;
    return 0;
}

static int bare_send(struct relation *relation, enum fo_message_type type, struct fo_time now)
{
    uint8_t frame[BARE_SIZE_MAX];
    size_t size = fo_encode_bare(type, 0, frame, sizeof(frame));
    int r = fo_link_send(&relation->link, (struct span){frame, size}, 0, now);

    relation->busy = true;
    return r;
}

int relation_request(struct relation *relation, bool all, struct fo_time now)
{
    if (!fo_link_is_up(&relation->link)) {
        return -ENOTCONN;
    }
    if (relation->fsm.request_outstanding || fo_link_update_requested(&relation->link)) {
        return -EALREADY;
    }
    /* UPDDONE then ends nothing but this request: the machine has none outstanding. */
    return bare_send(relation, all ? FO_UPDREQALL : FO_UPDREQ, now);
}

int relation_rebalance(struct relation *relation, struct fo_time now)
{
    if (!fo_link_is_up(&relation->link)) {
        return -ENOTCONN;
    }
    if (fo_fsm_state(&relation->fsm) != FO_NORMAL || !fo_fsm_is_settled(&relation->fsm)) {
        return -EPERM;
    }
    for (unsigned i = 0; i < RELATION_POOLS_MAX; i++) {
        relation->move.pools[i].balance = (struct fo_balance){.moved = false};
    }
    if (relation->role == FO_SECONDARY) {
        relation_pool_request(relation, now);
    }
    relation->busy = true;
    return 0;
}

void relation_outlook_begin(const struct relation *relation, const struct fo_fsm_event *event,
                            sec_t now, struct relation_outlook *ret_outlook)
{
    struct fo_fsm_actions actions;

    *ret_outlook = (struct relation_outlook){.after = relation->fsm, .begun_s = now};
    ret_outlook->refused = fo_fsm_step(&ret_outlook->after, event, now, &actions);
}

static void waiting_count(struct relation_outlook *outlook, const struct lease *lease, sec_t free_s)
{
    outlook->waiting++;
    outlook->waiting_prefixes += lease->resource.type == LEASE_TYPE_PD;
    if (free_s == 0) {
        return;
    }
    if (outlook->waiting_first_s == 0 || sec_after(outlook->waiting_first_s, free_s)) {
        outlook->waiting_first_s = free_s;
    }
    outlook->waiting_last_s =
        sec_max(outlook->waiting_last_s ? outlook->waiting_last_s : free_s, free_s);
}

static void lease_count(struct relation_outlook *outlook, const struct lease *lease)
{
    const struct fo_record *record = &outlook->after.record;
    bool alone = record->state == FO_PARTNER_DOWN && !outlook->refused;
    bool idle = lease->status == BINDING_FREE || lease->status == BINDING_FREE_BACKUP;
    sec_t free_s = 0;

    outlook->active += lease->status == BINDING_ACTIVE;
    if (idle) {
        return;
    }
    if (alone && !fo_update_free_at(lease, record->down_since_s, record->mclt_s, &free_s)) {
        outlook->forever++;
        return;
    }
    if (alone) {
        outlook->held_last_s =
            sec_max(outlook->held_last_s ? outlook->held_last_s : free_s, free_s);
    }
    if (lease->status != BINDING_ACTIVE && lease->status != BINDING_ABANDONED) {
        waiting_count(outlook, lease, free_s);
    }
}

size_t relation_outlook_turn(struct relation_outlook *outlook, const struct relation *relation,
                             size_t slots)
{
    const struct server *server = relation->server;
    const struct policy *policy = server_policy(server);
    uint32_t end = store_slot_max(server->store);
    size_t looked = 0;

    for (; looked < slots && outlook->slot < end; looked++, outlook->slot++) {
        struct lease_found found;

        if (!store_read(server->store, outlook->slot, &found) ||
            server_relationship_of(policy, &found.lease.resource) != (int)relation->index) {
            continue;
        }
        outlook->unacknowledged += dirty_is_open(server->dirty, relation->index, outlook->slot);
        lease_count(outlook, &found.lease);
    }
    outlook->complete = outlook->slot >= end;
    return looked;
}

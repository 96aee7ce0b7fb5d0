/* What an operator wants to know of a relation. */
#include "server/relation_internal.h"
#include "store/claim.h"

bool relation_pool_counts(const struct relation *relation, unsigned pool,
                          struct relation_pool_counts *ret_counts)
{
    const struct server *server = relation->server;
    const struct policy *policy = server_policy(server);
    unsigned share = server->config->failovers[relation->index].backup_share_percent;
    const struct policy_pool *row;
    struct fo_balance_counts counts;

    if (pool >= policy->pool_count || !relation_owns_pool(relation, policy, pool)) {
        return false;
    }
    row = &policy->pools[pool];
    *ret_counts = (struct relation_pool_counts){
        .own = claim_count(row->claim),
        .partner = claim_count(row->partner_claim),
        .moving = relation_balance_moving(relation, pool),
        .open = row->grant->partner_prefixes,
    };
    counts.primary = relation->role == FO_PRIMARY ? ret_counts->own : ret_counts->partner;
    counts.secondary = relation->role == FO_PRIMARY ? ret_counts->partner : ret_counts->own;
    counts.primary += ret_counts->moving;
    ret_counts->backup_target = fo_balance_target(counts, share);
    return true;
}

void relation_status(const struct relation *relation, struct fo_time now,
                     struct relation_status *ret_status)
{
    const struct dirty *dirty = relation->server->dirty;

    *ret_status = (struct relation_status){
        .name = relation->name,
        .role = relation->role,
        .link = relation->link.state,
        .handover = relation->fsm.handover,
        .mclt_s = relation->fsm.record.mclt_s,
        .dirty = dirty_count(dirty, relation->index, DIRTY_DUE),
        .unacked = FO_UNACKED_MAX - relation->flight_free_count,
        .refused = dirty_count(dirty, relation->index, DIRTY_REFUSED),
        .pass = relation->pass.active,
        .behind_ms = relation->lag.measuring ? now.ms - relation->lag.begun_ms : 0,
        .stats = relation->stats,
    };
    fo_fsm_explain(&relation->fsm, now.s, &ret_status->state);
}

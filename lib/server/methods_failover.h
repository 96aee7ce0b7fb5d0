/* What the files of the failover methods share. Private to methods_failover*.c. */
#ifndef SERVER_METHODS_FAILOVER_H
#define SERVER_METHODS_FAILOVER_H

#include "server/methods_internal.h"
#include "server/relation.h"

/* The relation the parameter "relation" names, or the only one there is. 0, or what jsonrpc_fail
 * returned. */
int failover_relation(struct jsonrpc_call *call, struct relation **ret_relation);
struct fo_time failover_now(const struct jsonrpc_call *call);
const struct config_failover *failover_config(const struct jsonrpc_call *call,
                                              const struct relation *relation);

/* "NORMAL", or null for 0. */
json_t *failover_state(unsigned state);
/* A time, or null for 0. */
json_t *failover_time(sec_t time);
const char *failover_role(const struct relation *relation);
/* Free prefixes, ours and the partner's, summed over the relationship's pools. */
void failover_free_sum(const struct jsonrpc_call *call, const struct relation *relation,
                       struct relation_pool_counts *ret_sum);

/* What people should know of a state. */
struct failover_advice {
    const char *meaning, *clients, *todo, *duration;
};

const struct failover_advice *failover_advice(enum fo_server_state state);
/* What to look at when connections end for this reason; NULL: nothing. */
const char *failover_down_advice(enum fo_down_reason reason);

/* Handlers. */
jsonrpc_handler_fn failover_explain, failover_conflicts, failover_simulate, failover_partner_down,
    failover_maintenance, failover_resync, failover_rebalance;

extern const struct field failover_relation_fields[], failover_conflicts_fields[],
    failover_simulate_fields[], failover_partner_down_fields[], failover_resync_fields[];

#endif

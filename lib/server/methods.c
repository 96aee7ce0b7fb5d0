#include "server/methods.h"

#include <stdlib.h>

#include "server/methods_internal.h"

const struct jsonrpc_method *const methods_table[] = {
    methods_server_table,      methods_lease_table,
    methods_lease_count_table, methods_lease_act_table,
    methods_reservation_table, methods_pool_table,
    methods_stats_table,       methods_config_table,
    methods_change_table,      methods_failover_table,
    methods_audit_table,       methods_events_table,
    methods_trace_table,       NULL,
};

static bool is_durable(const struct jsonrpc *rpc, uint64_t position)
{
    const struct methods_env *env = &((const struct methods *)rpc->ctx)->env;

    return env->is_durable == NULL || env->is_durable(env->ctx, position);
}

int methods_new(const struct methods_env *env, struct methods **ret_methods)
{
    struct methods *methods = calloc(1, sizeof(*methods));

    if (methods == NULL) {
        return -ENOMEM;
    }
    T6_ASSERT(env->store && env->policy && env->config && env->counters && env->now);
    methods->env = *env;
    methods->rpc = (struct jsonrpc){
        .groups = methods_table,
        .title = "tandem6",
        .version = METHODS_API_VERSION,
        .audit = methods_audit,
        .is_durable = is_durable,
        .ctx = methods,
    };
    if (methods_config_init(methods)) {
        methods_free(methods);
        return -ENOMEM;
    }
    *ret_methods = methods;
    return 0;
}

void methods_free(struct methods *methods)
{
    if (methods) {
        pool_walk_done(&methods->walk);
        methods_config_done(methods);
        methods_trace_done(methods);
        free(methods);
    }
}

const struct jsonrpc *methods_jsonrpc(const struct methods *methods)
{
    return &methods->rpc;
}

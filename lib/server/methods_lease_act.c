/* lease.release and lease.declined_clear: leases changed by the operator's word.
 *
 * The change goes the way of a client's (lease_act.h); the answer leaves when it is durable, as a
 * client's would. The partner hears of it as of every change. */
#include "server/lease_act.h"
#include "server/methods_internal.h"

enum {
    COMMENT_MAX = 200,
    QUARANTINE_MAX_S = 366 * 86400
};

#define RESOURCE_FIELDS                                                                            \
    {.name = "address", .type = FIELD_ADDRESS, .help = "The leased address."},                     \
    {                                                                                              \
        .name = "prefix", .type = FIELD_PREFIX, .help = "The delegated prefix."                    \
    }

#define CHANGE_FIELDS                                                                              \
    {.name = "dry_run", .type = FIELD_BOOL, .help = "Only tell whether it could be done."},        \
    {                                                                                              \
        .name = "comment", .type = FIELD_STRING, .max = COMMENT_MAX,                               \
        .help = "Why, for audit.list."                                                             \
    }

static const struct field release_fields[] = {
    RESOURCE_FIELDS,
    {.name = "duid",
     .type = FIELD_HEX,
     .min = DUID_SIZE_MIN,
     .max = DUID_SIZE_MAX,
     .help = "Refuse when it is another client's."},
    {.name = "quarantine_s",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = QUARANTINE_MAX_S,
     .help = "Let it rest so long before anybody gets it, at least to the lease's end."},
    CHANGE_FIELDS,
    {.type = FIELD_END},
};

static const struct field clear_fields[] = {RESOURCE_FIELDS, CHANGE_FIELDS, {.type = FIELD_END}};

static bool is_dry(const struct jsonrpc_call *call)
{
    return json_is_true(json_object_get(call->params, "dry_run"));
}

/* What became of it, for the caller. */
static int act_fail(struct jsonrpc_call *call, const struct lease_act *act,
                    const struct lease_found *found, int r)
{
    switch (-r) {
    case ENOENT:
        return lease_unknown(call);
    case EALREADY:
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE,
                            act->type == LEASE_ACT_CLEAR ? "not_abandoned" : "not_active",
                            "the lease is %s, not %s: nothing is changed",
                            lease_state_name(found->lease.status),
                            act->type == LEASE_ACT_CLEAR ? "abandoned" : "active");
    case EBUSY:
        return jsonrpc_fail(call, JSONRPC_CONFLICT, "other_client",
                            "the lease is another client's; lease.get shows whose");
    case EPERM:
        return jsonrpc_fail(call, JSONRPC_PEER, "failover_state",
                            "the state of its failover relationship gives this server no right to "
                            "change leases now; failover.explain says why");
    case EIO:
        return jsonrpc_fail(call, JSONRPC_STORAGE_UNAVAILABLE, "not_changed",
                            "the log cannot be written: nothing is changed; see server.status");
    default:
        return jsonrpc_fail(call, JSONRPC_STORAGE_UNAVAILABLE, "busy",
                            "too much is changing now: nothing is changed; try again");
    }
}

/* Runs the act and answers with the lease as it is then. */
static int act_run(struct jsonrpc_call *call, struct lease_act *act)
{
    const struct methods_env *env = methods_env(call);
    struct lease_found found;
    struct lease_view view;
    int code = lease_resource_read(call, &act->resource), r;

    if (code) {
        return code;
    }
    if (env->lease_act == NULL) {
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "not_here",
                            "this server's leases cannot be changed");
    }
    act->dry = is_dry(call);
    r = env->lease_act(env->ctx, act, &found, &call->wait);
    if (r) {
        return act_fail(call, act, &found, r);
    }
    (void)store_find(env->store, &act->resource, &found); /* as it is now, or else was */
    view = lease_view_make(env->policy(env->ctx), &found.lease, env->now(env->ctx));
    call->result =
        json_pack("{s:b, s:o}", "applied", !act->dry, "lease", lease_json(&view, LEASE_FIELDS_ALL));
    return 0;
}

static int lease_release_call(struct jsonrpc_call *call)
{
    const char *duid = json_string_value(json_object_get(call->params, "duid"));
    const json_t *rest = json_object_get(call->params, "quarantine_s");
    uint8_t octets[DUID_SIZE_MAX];
    struct lease_act act = {
        .type = rest ? LEASE_ACT_REST : LEASE_ACT_RELEASE,
        .rest_s = rest ? (uint32_t)json_integer_value(rest) : 0,
        .duid = {octets, 0},
    };

    if (duid) {
        (void)field_octets_read(duid, false, octets, sizeof(octets), &act.duid.size);
    }
    return act_run(call, &act);
}

static int lease_declined_clear(struct jsonrpc_call *call)
{
    struct lease_act act = {.type = LEASE_ACT_CLEAR};

    return act_run(call, &act);
}

const struct jsonrpc_method methods_lease_act_table[] = {
    {"lease.release", JSONRPC_ROLE_OPERATE, true, release_fields, lease_release_call,
     "Ends an active lease as if its client had released it. The client is not told and uses it "
     "until "
     "it renews: give quarantine_s when nobody else may have it meanwhile. With a failover partner "
     "nobody else gets it before the partner knows.",
     "{applied, lease}, the lease as it is then, once it is on stable storage"},
    {"lease.declined_clear", JSONRPC_ROLE_OPERATE, true, clear_fields, lease_declined_clear,
     "Frees an address that rests because a client declined it, or a lease in quarantine, before "
     "its time.",
     "{applied, lease}, the lease as it is then, once it is on stable storage"},
    METHODS_TABLE_END,
};

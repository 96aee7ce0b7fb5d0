/* lease.add, lease.release and lease.declined_clear: leases changed by the operator's word.
 *
 * The change goes the way of a client's (lease_act.h); the answer leaves when it is durable, as a
 * client's would. The partner hears of it as of every change. */
#include "server/lease_act.h"
#include "server/methods_filter.h"

enum {
    COMMENT_MAX = 200,
    QUARANTINE_MAX_S = 366 * 86400,
    MANY_MAX = 1000, /* leases one call changes: a burst the log takes at once */
    MANY_WORK = 32,  /* rows of the budget that changing one lease costs */
};

#define RESOURCE_FIELDS                                                                            \
    {.name = "address", .type = FIELD_ADDRESS, .help = "The leased address."},                     \
    {                                                                                              \
        .name = "prefix", .type = FIELD_PREFIX, .help = "The delegated prefix."                    \
    }

#define MANY_FIELDS                                                                                \
    {.name = "filter",                                                                             \
     .type = FIELD_OBJECT,                                                                         \
     .children = methods_filter_fields,                                                            \
     .help = "In the place of address and prefix: all leases that match all members, at least "    \
             "one member."},                                                                       \
        {.name = "max",                                                                            \
         .type = FIELD_INTEGER,                                                                    \
         .min = 1,                                                                                 \
         .max = MANY_MAX,                                                                          \
         .help = "With filter: most leases to change in this call."},                              \
    {                                                                                              \
        .name = "cursor", .type = FIELD_STRING, .nullable = true, .max = 64,                       \
        .help = "With filter: next_cursor of the previous call."                                   \
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
    MANY_FIELDS,
    CHANGE_FIELDS,
    {.type = FIELD_END},
};

static const struct field add_fields[] = {
    RESOURCE_FIELDS,
    {.name = "duid",
     .type = FIELD_HEX,
     .required = true,
     .min = DUID_SIZE_MIN,
     .max = DUID_SIZE_MAX,
     .help = "The client's."},
    {.name = "iaid",
     .type = FIELD_INTEGER,
     .required = true,
     .min = 0,
     .max = UINT32_MAX,
     .help = "Of the client's IA that shall hold it."},
    CHANGE_FIELDS,
    {.type = FIELD_END},
};

static const struct field clear_fields[] = {
    RESOURCE_FIELDS, MANY_FIELDS, CHANGE_FIELDS, {.type = FIELD_END}};

static int leases_fixed(struct jsonrpc_call *call)
{
    return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "not_here",
                        "this server's leases cannot be changed");
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

/* One lease, answered with as it is then. */
static int act_one(struct jsonrpc_call *call, struct lease_act *act)
{
    const struct methods_env *env = methods_env(call);
    struct lease_found found;
    struct lease_view view;
    int code = lease_resource_read(call, &act->resource), r;

    if (code) {
        return code;
    }
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

/* All leases of a filter, some in each call. */
struct many {
    struct lease_act *act;
    struct lease_filter filter;
    size_t left;      /* that may still be changed */
    json_t *leases;   /* changed, as they were */
    uint64_t refused; /* the failover state gives no right to change these */
};

static int many_read(struct jsonrpc_call *call, struct lease_act *act, struct many *ret_many,
                     uint32_t *ret_slot)
{
    const struct methods_env *env = methods_env(call);
    const json_t *filter = json_object_get(call->params, "filter");
    const json_t *max = json_object_get(call->params, "max");
    const char *cursor = json_string_value(json_object_get(call->params, "cursor"));
    int code = lease_filter_read(call, filter, env->policy(env->ctx), &ret_many->filter);

    if (code) {
        return code;
    }
    if (!ret_many->filter.any) {
        return jsonrpc_fail_param(call, "/filter", "must have a member: not all leases at once");
    }
    if (json_object_get(call->params, "address") || json_object_get(call->params, "prefix") ||
        json_object_get(call->params, "duid")) {
        return jsonrpc_fail_param(call, "/filter", "give a filter, or one lease");
    }
    if (max == NULL) {
        return jsonrpc_fail_param(call, "/max", "must be given with filter");
    }
    if (cursor && !lease_cursor_read(cursor, ret_slot)) {
        return jsonrpc_fail(call, JSONRPC_BAD_CURSOR, "bad_cursor",
                            "this cursor did not come from this method");
    }
    ret_many->act = act;
    ret_many->left = (size_t)json_integer_value(max);
    return 0;
}

/* One slot's lease, if it is wanted. 0, or why not to go on now. */
static int many_step(const struct methods_env *env, struct many *many, uint32_t slot,
                     uint64_t *wait)
{
    static const uint64_t fields = 1ULL << LEASE_FIELD_address | 1ULL << LEASE_FIELD_prefix |
                                   1ULL << LEASE_FIELD_duid | 1ULL << LEASE_FIELD_iaid;
    const struct policy *policy = env->policy(env->ctx);
    struct lease_found found, before;
    struct lease_view view;
    int r;

    if (!store_read(env->store, slot, &found) || !lease_act_suits(many->act, &found.lease) ||
        !lease_filter_match(&many->filter, policy, &found.lease)) {
        return 0;
    }
    many->act->resource = found.lease.resource;
    many->act->duid = found.lease.duid; /* another client's by now is not what was meant */
    r = env->lease_act(env->ctx, many->act, &before, wait);
    if (r == 0) {
        view = lease_view_make(policy, &found.lease, env->now(env->ctx));
        (void)json_array_append_new(many->leases, lease_json(&view, fields));
        many->left--;
    }
    many->refused += r == -EPERM;
    return r == -EIO || r == -EAGAIN || r == -ENOSPC ? r : 0;
}

static int act_many(struct jsonrpc_call *call, struct lease_act *act)
{
    const struct methods_env *env = methods_env(call);
    struct many many = {.left = 0};
    uint32_t slot = 0, slot_max = store_slot_max(env->store);
    int code = many_read(call, act, &many, &slot), r = 0;

    if (code) {
        return code;
    }
    many.leases = json_array();
    while (slot < slot_max && many.left && r == 0 && *call->work_left > MANY_WORK) {
        size_t left = many.left;

        r = many_step(env, &many, slot, &call->wait);
        *call->work_left -= many.left < left ? MANY_WORK : 1;
        slot += r == 0;
    }
    if (r && json_array_size(many.leases) == 0) {
        json_decref(many.leases);
        return act_fail(call, act, NULL, r);
    }
    call->result = json_pack("{s:b, s:o, s:o, s:o}", "applied", !act->dry, "leases", many.leases,
                             "refused", value_u64(many.refused), "next_cursor",
                             slot < slot_max ? lease_cursor_write(slot) : json_null());
    return 0;
}

static int act_run(struct jsonrpc_call *call, struct lease_act *act)
{
    if (methods_env(call)->lease_act == NULL) {
        return leases_fixed(call);
    }
    act->dry = json_is_true(json_object_get(call->params, "dry_run"));
    return json_object_get(call->params, "filter") ? act_many(call, act) : act_one(call, act);
}

/* Why the client does not get it. */
static int add_fail(struct jsonrpc_call *call, int r)
{
    static const struct {
        int error;
        enum jsonrpc_code code;
        const char *reason, *text;
    } rows[] = {
        {-EALREADY, JSONRPC_ALREADY_EXISTS, "has_it", "the client has that lease already"},
        {-EEXIST, JSONRPC_ALREADY_EXISTS, "has_another",
         "the client has another lease in that IA; lease.list filter.duid shows it"},
        {-EBUSY, JSONRPC_CONFLICT, "held",
         "another client has it, or it rests, or waits for the partner; lease.get shows which"},
        {-EDOM, JSONRPC_OUTSIDE_POOLS, "outside_pools",
         "it is in no pool of any link, nor reserved"},
        {-EXDEV, JSONRPC_NOT_OWNER, "not_owner",
         "it is not this server's to give to that client: the partner's share, or a pool or "
         "reservation for others"},
        {-EPERM, JSONRPC_PEER, "failover_state",
         "the state of its failover relationship gives this server no right to give leases now; "
         "failover.explain says why"},
        {-EIO, JSONRPC_STORAGE_UNAVAILABLE, "not_changed",
         "the log cannot be written: nothing is changed; see server.status"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].error == r) {
            return jsonrpc_fail(call, rows[i].code, rows[i].reason, "%s", rows[i].text);
        }
    }
    return jsonrpc_fail(call, JSONRPC_STORAGE_UNAVAILABLE, "busy",
                        "no room for it now: nothing is changed; try again");
}

static int lease_add_call(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    uint8_t octets[DUID_SIZE_MAX];
    struct lease_add add = {
        .iaid = (uint32_t)json_integer_value(json_object_get(call->params, "iaid")),
        .duid = {octets, 0},
        .dry = json_is_true(json_object_get(call->params, "dry_run")),
    };
    struct lease_found found;
    struct lease_view view;
    int code = lease_resource_read(call, &add.resource), r;

    if (code) {
        return code;
    }
    if (env->lease_add == NULL) {
        return leases_fixed(call);
    }
    (void)field_octets_read(json_string_value(json_object_get(call->params, "duid")), false, octets,
                            sizeof(octets), &add.duid.size);
    r = env->lease_add(env->ctx, &add, &call->wait);
    if (r) {
        return add_fail(call, r);
    }
    call->result = json_pack("{s:b, s:n}", "applied", !add.dry, "lease");
    if (store_find(env->store, &add.resource, &found)) {
        view = lease_view_make(env->policy(env->ctx), &found.lease, env->now(env->ctx));
        (void)json_object_set_new(call->result, "lease", lease_json(&view, LEASE_FIELDS_ALL));
    }
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

#define RESULT                                                                                     \
    "{applied, lease}, the lease as it is then; with filter {applied, leases: [{address or "       \
    "prefix, duid, iaid}], refused, next_cursor}: refused counts leases that the failover state "  \
    "leaves to the partner; repeat with cursor until next_cursor is null. Once it is on stable "   \
    "storage."

const struct jsonrpc_method methods_lease_act_table[] = {
    {"lease.add", JSONRPC_ROLE_OPERATE, true, add_fields, lease_add_call,
     "Gives a lease to a client as if it had asked for it on the link: by the link's lifetimes, "
     "its "
     "reservation, and only what this server may give. The client is not told: it gets the lease "
     "when it asks, and loses it when it does not within the lifetime.",
     "{applied, lease}, once it is on stable storage; with dry_run the lease that is there, or "
     "null"},
    {"lease.release", JSONRPC_ROLE_OPERATE, true, release_fields, lease_release_call,
     "Ends an active lease as if its client had released it. The client is not told and uses it "
     "until "
     "it renews: give quarantine_s when nobody else may have it meanwhile. With a failover partner "
     "nobody else gets it before the partner knows.",
     RESULT},
    {"lease.declined_clear", JSONRPC_ROLE_OPERATE, true, clear_fields, lease_declined_clear,
     "Frees an address that rests because a client declined it, or a lease in quarantine, before "
     "its time.",
     RESULT},
    METHODS_TABLE_END,
};

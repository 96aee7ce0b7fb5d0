/* failover.*: the relationships, told. The rows of all failover methods are here; explain and
 * conflicts are in methods_failover_explain.c, what changes something in methods_failover_act.c. */
#include "server/methods_failover.h"

#include <string.h>

const struct field failover_relation_fields[] = {
    {.name = "relation",
     .type = FIELD_STRING,
     .min = 1,
     .max = FO_NAME_SIZE_MAX,
     .help = "Name of the relationship; may be left out where there is only one."},
    {.type = FIELD_END},
};

static void put(json_t *object, const char *name, json_t *value)
{
    (void)json_object_set_new(object, name, value);
}

struct fo_time failover_now(const struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    struct fo_time now = {.s = env->now(env->ctx)};

    if (env->time) {
        env->time(env->ctx, &now);
    }
    return now;
}

static struct relation *relation_at(const struct methods_env *env, unsigned index)
{
    return env->relation ? env->relation(env->ctx, index) : NULL;
}

int failover_relation(struct jsonrpc_call *call, struct relation **ret_relation)
{
    const struct methods_env *env = methods_env(call);
    const struct config *config = env->config(env->ctx);
    const char *name = json_string_value(json_object_get(call->params, "relation"));
    struct relation *found = NULL;

    if (config->failover_count == 0) {
        return jsonrpc_fail(call, JSONRPC_NOT_FOUND, "no_failover",
                            "this server stands alone: /failover of its configuration is empty");
    }
    if (name == NULL && config->failover_count > 1) {
        return jsonrpc_fail_param(call, "/relation",
                                  "there are several; failover.list tells their names");
    }
    for (unsigned i = 0; i < config->failover_count && found == NULL; i++) {
        if (name == NULL || strcmp(config->failovers[i].relationship, name) == 0) {
            found = relation_at(env, i);
        }
    }
    if (found == NULL) {
        return jsonrpc_fail(call, JSONRPC_NOT_FOUND, "no_relation",
                            "no relationship \"%.100s\"; failover.list tells their names",
                            name ? name : config->failovers[0].relationship);
    }
    *ret_relation = found;
    return 0;
}

const struct config_failover *failover_config(const struct jsonrpc_call *call,
                                              const struct relation *relation)
{
    const struct methods_env *env = methods_env(call);

    return &env->config(env->ctx)->failovers[relation->index];
}

json_t *failover_state(unsigned state)
{
    return state ? json_string(fo_state_name(state)) : json_null();
}

json_t *failover_time(sec_t time)
{
    return time ? value_time(time) : json_null();
}

const char *failover_role(const struct relation *relation)
{
    return relation->role == FO_PRIMARY ? "primary" : "secondary";
}

void failover_free_sum(const struct jsonrpc_call *call, const struct relation *relation,
                       struct relation_pool_counts *ret_sum)
{
    const struct methods_env *env = methods_env(call);
    const struct policy *policy = env->policy(env->ctx);
    struct relation_pool_counts counts;

    *ret_sum = (struct relation_pool_counts){.own = 0};
    for (unsigned i = 0; i < policy->pool_count; i++) {
        if (relation_pool_counts(relation, i, &counts)) {
            ret_sum->own += counts.own;
            ret_sum->partner += counts.partner;
            ret_sum->moving += counts.moving;
            ret_sum->backup_target += counts.backup_target;
            ret_sum->open = ret_sum->open || counts.open;
        }
    }
}

static const char *communications(const struct relation_status *status)
{
    if (status->state.comms_ok) {
        return "ok";
    }
    return status->link == FO_LINK_OPEN || status->link == FO_LINK_CONNECT ? "starting"
                                                                           : "interrupted";
}

/* While communications are OK the link knows better than the machine: CONTACTs are its own. */
static json_t *last_contact(const struct jsonrpc_call *call, const struct relation *relation)
{
    struct fo_time now = failover_now(call);
    sec_t heard_s = relation->fsm.record.heard_s;

    if (fo_link_is_up(&relation->link) && now.ms > relation->link.heard_ms) {
        heard_s = now.s - (sec_t)((now.ms - relation->link.heard_ms) / 1000);
    }
    return failover_time(heard_s);
}

/* What list and get both tell: the relationship at a glance. */
static json_t *row_json(const struct jsonrpc_call *call, const struct relation *relation,
                        const struct relation_status *status)
{
    struct relation_pool_counts free;
    json_t *row = json_object();

    failover_free_sum(call, relation, &free);
    put(row, "relation", value_text(relation->name));
    put(row, "role", json_string(failover_role(relation)));
    put(row, "state", failover_state(status->state.state));
    put(row, "since", failover_time(status->state.since_s));
    put(row, "partner", value_address(failover_config(call, relation)->partner));
    put(row, "partner_state",
        status->state.partner_starting ? failover_state(FO_STARTUP)
                                       : failover_state(status->state.partner_state));
    put(row, "partner_since", failover_time(status->state.partner_since_s));
    put(row, "communications", json_string(communications(status)));
    put(row, "last_contact", last_contact(call, relation));
    put(row, "service", json_string(status->state.service));
    put(row, "mclt_s", json_integer(status->mclt_s));
    put(row, "unacked", json_integer(status->unacked));
    put(row, "waiting", value_u64(status->dirty));
    put(row, "refused", value_u64(status->refused));
    put(row, "behind_ms", value_u64(status->behind_ms));
    put(row, "free_own", value_u64(free.own));
    put(row, "free_partner", value_u64(free.partner));
    put(row, "conflicts", value_u64(status->stats.conflicts));
    return row;
}

static int failover_list(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    unsigned count = env->config(env->ctx)->failover_count;
    json_t *list = json_array();

    for (unsigned i = 0; i < count; i++) {
        const struct relation *relation = relation_at(env, i);
        struct relation_status status;

        if (relation) {
            relation_status(relation, failover_now(call), &status);
            (void)json_array_append_new(list, row_json(call, relation, &status));
        }
    }
    call->result = json_pack("{s:o}", "relations", list);
    return 0;
}

static json_t *messages_json(const uint64_t counts[FO_CONTACT + 1])
{
    json_t *json = json_object();

    for (unsigned type = 0; type <= FO_CONTACT; type++) {
        if (counts[type]) {
            put(json, fo_message_name(type), value_u64(counts[type]));
        }
    }
    return json;
}

static json_t *downs_json(const struct fo_link_stats *stats)
{
    json_t *json = json_object();

    for (unsigned reason = 1; reason < FO_DOWN_COUNT; reason++) {
        if (stats->downs[reason]) {
            put(json, fo_down_reason_name((enum fo_down_reason)reason),
                value_u64(stats->downs[reason]));
        }
    }
    return json;
}

static json_t *link_json(const struct relation *relation)
{
    const struct fo_link_stats *stats = &relation->link.stats;
    json_t *json = json_object(), *down = json_null();

    if (relation->down_s) {
        down = json_pack("{s:o, s:s, s:o}", "at", value_time(relation->down_s), "reason",
                         fo_down_reason_name(relation->down_reason), "text",
                         value_text(relation->down_text));
    }
    put(json, "state", json_string(fo_link_state_name(relation->link.state)));
    put(json, "attempts", value_u64(stats->attempts));
    put(json, "last_down", down);
    put(json, "downs", downs_json(stats));
    put(json, "sent", messages_json(stats->sent));
    put(json, "received", messages_json(stats->received));
    put(json, "ignored", value_u64(stats->ignored));
    put(json, "skewed", value_u64(stats->skewed));
    put(json, "clock_skew_s", json_integer(stats->skew_s));
    return json;
}

/* What the CONNECT exchange told; null before the first one. */
static json_t *peer_json(const struct relation *relation)
{
    const struct fo_link_peer *peer = &relation->link.peer;
    json_t *capabilities = json_array();

    if (peer->version_major == 0) {
        json_decref(capabilities);
        return json_null();
    }
    for (unsigned i = 0; i < peer->capability_count; i++) {
        (void)json_array_append_new(capabilities,
                                    json_pack("{s:i, s:i}", "id", (int)peer->capabilities[i].id,
                                              "version", (int)peer->capabilities[i].version));
    }
    return json_pack("{s:o, s:o, s:I, s:I, s:b, s:o}", "protocol",
                     json_sprintf("%u.%u", peer->version_major, peer->version_minor), "software",
                     peer->software[0] ? value_text(peer->software) : json_null(), "keepalive_s",
                     (json_int_t)peer->keepalive_s, "max_unacked", (json_int_t)peer->max_unacked,
                     "fixed_prefix_length", (int)peer->fixed_pd_length, "capabilities",
                     capabilities);
}

static json_t *pools_json(const struct jsonrpc_call *call, const struct relation *relation)
{
    const struct methods_env *env = methods_env(call);
    const struct policy *policy = env->policy(env->ctx);
    struct relation_pool_counts counts;
    json_t *list = json_array();

    for (unsigned i = 0; i < policy->pool_count; i++) {
        if (relation_pool_counts(relation, i, &counts)) {
            (void)json_array_append_new(
                list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}", "pool",
                                value_text(policy->pools[i].name), "free_own",
                                value_u64(counts.own), "free_partner", value_u64(counts.partner),
                                "asked_back", value_u64(counts.moving), "backup_target",
                                value_u64(counts.backup_target), "partner_open", (int)counts.open));
        }
    }
    return list;
}

static json_t *updates_json(const struct relation_status *status)
{
    const struct relation_stats *stats = &status->stats;
    json_t *json = json_object();

    put(json, "sent", value_u64(stats->updates_sent));
    put(json, "acked", value_u64(stats->acked));
    put(json, "rejected", value_u64(stats->rejected));
    put(json, "stale", value_u64(stats->stale));
    put(json, "unsendable", value_u64(stats->unsendable));
    put(json, "taken", value_u64(stats->updates_taken));
    put(json, "taken_refused", value_u64(stats->updates_refused));
    put(json, "prefixes_given", value_u64(stats->units_given));
    put(json, "prefixes_asked_back", value_u64(stats->units_asked_back));
    return json;
}

static json_t *lag_json(const struct relation *relation)
{
    struct histogram_picture picture = {0};

    histogram_gather(&relation->lag.ms, &picture);
    return json_pack("{s:o, s:o, s:o, s:o}", "count", value_u64(picture.count), "p50",
                     value_u64(histogram_quantile(&picture, 500)), "p99",
                     value_u64(histogram_quantile(&picture, 990)), "max", value_u64(picture.max));
}

/* The walk over all leases that is under way, if one is. */
static json_t *sync_json(const struct relation *relation)
{
    const struct relation_pass *pass = &relation->pass;
    const char *phase = "none";

    if (pass->active) {
        phase = "sending";
    } else if (fo_link_update_requested(&relation->link)) {
        phase = "receiving";
    }
    return json_pack("{s:s, s:o, s:o}", "phase", phase, "done",
                     pass->active ? value_u64(pass->at) : json_null(), "total",
                     pass->active ? value_u64(pass->end) : json_null());
}

static const char *const handovers[] = {
    [FO_HANDOVER_NONE] = "none",         [FO_HANDOVER_SERVING] = "serving",
    [FO_HANDOVER_SILENCE] = "silencing", [FO_HANDOVER_DRAINING] = "draining",
    [FO_HANDOVER_SHUTDOWN] = "stopping", [FO_HANDOVER_STOPPED] = "stopped",
};

static int failover_get(struct jsonrpc_call *call)
{
    struct relation_status status;
    struct relation *relation;
    int r = failover_relation(call, &relation);

    if (r) {
        return r;
    }
    relation_status(relation, failover_now(call), &status);
    call->result = row_json(call, relation, &status);
    put(call->result, "why", json_string(status.state.cause));
    put(call->result, "settled", json_boolean(status.state.settled));
    put(call->result, "listen", value_address(failover_config(call, relation)->listen));
    put(call->result, "handover", json_string(handovers[status.handover]));
    put(call->result, "handover_failed", json_boolean(relation->handover_failed));
    put(call->result, "peer", peer_json(relation));
    put(call->result, "link", link_json(relation));
    put(call->result, "updates", updates_json(&status));
    put(call->result, "lag_ms", lag_json(relation));
    put(call->result, "sync", sync_json(relation));
    put(call->result, "pools", pools_json(call, relation));
    return 0;
}

const struct jsonrpc_method methods_failover_table[] = {
    {"failover.list", JSONRPC_ROLE_VIEW, false, NULL, failover_list,
     "Shows all failover relationships at a glance.",
     "{relations: [{relation, role, state, since, partner, partner_state, partner_since, "
     "communications, last_contact, service, mclt_s, unacked, waiting, refused, behind_ms, "
     "free_own, free_partner, conflicts}]}; waiting: leases the partner is still to be told of"},
    {"failover.get", JSONRPC_ROLE_VIEW, false, failover_relation_fields, failover_get,
     "Shows everything about one relationship.",
     "the members of failover.list, and {why, settled, listen, handover, peer: {protocol, "
     "software, keepalive_s, max_unacked, capabilities[]}, link: {state, attempts, last_down: {at, "
     "reason, text}, downs, sent, received, ignored, skewed, clock_skew_s}, updates, lag_ms: "
     "{count, "
     "p50, p99, max}, sync: {phase, done, total}, pools: [{pool, free_own, free_partner, "
     "asked_back, backup_target, partner_open}]}; lag_ms: from a moment until all that was to be "
     "sent then is acknowledged, since the start"},
    {"failover.explain", JSONRPC_ROLE_VIEW, false, failover_relation_fields, failover_explain,
     "Tells why the relationship is in its state, what clients see, what to do and how long it "
     "takes.",
     "{relation, state, since, why, meaning, service, clients, waiting_for, how_long, next_timer: "
     "{what, at, in_s}, advice[], partner_down_allowed, partner_prefixes_open, mclt_s}"},
    {"failover.simulate", JSONRPC_ROLE_VIEW, false, failover_simulate_fields, failover_simulate,
     "Tells what an event would bring, without doing it.",
     "{relation, event, allowed, state, down_since, mclt_s, usable_at, active_leases, "
     "at_risk_leases, waiting_leases, waiting_prefixes, waiting_first_at, waiting_last_at, "
     "held_last_at, prefixes_now, prefixes_later, complete, looked_at, slots, warnings[]}; not "
     "complete: call again with the same parameters until it is"},
    {"failover.partner_down", JSONRPC_ROLE_OPERATE, true, failover_partner_down_fields,
     failover_partner_down,
     "Declares the partner down, so that this server serves alone; refused while it is heard.",
     "{relation, state, down_since, usable_at, applied}; with dry_run what failover.simulate "
     "tells"},
    {"failover.maintenance", JSONRPC_ROLE_OPERATE, true, failover_relation_fields,
     failover_maintenance,
     "Hands over to the partner: drains updates, tells it, falls silent; without \"relation\" "
     "all relationships and then the process ends.",
     "{relations: [{relation, state, handover}], process_ends}"},
    {"failover.resync", JSONRPC_ROLE_OPERATE, true, failover_resync_fields, failover_resync,
     "Sends leases to the partner again, or asks it for its own; goes on in the background.",
     "{relation, direction, scope, started}; failover.get tells the progress"},
    {"failover.rebalance", JSONRPC_ROLE_OPERATE, true, failover_relation_fields, failover_rebalance,
     "Compares both sides' free prefixes now and moves what is lacking.",
     "{relation, started, free_own, free_partner, backup_target}"},
    {"failover.conflicts", JSONRPC_ROLE_VIEW, false, failover_conflicts_fields, failover_conflicts,
     "Lists leases that both servers gave away, and those whose updates the partner refuses.",
     "{conflicts_total, conflicts: [{at, type, address or prefix, kept, own_duid, "
     "partner_duid}], refused_total, refused[], next_cursor}"},
    METHODS_TABLE_END,
};

/* What an operator does to a relationship, and what it would bring. Nothing here waits: the
 * relation goes on by itself, failover.get tells how far. */
#include <string.h>

#include "server/methods_failover.h"

enum {
    SIMULATE_STALE_S = 60 /* a look ahead older than that begins anew */
};

static const char *const simulate_events[] = {"partner_down", "link_loss", NULL};
static const char *const resync_scopes[] = {"changed", "all", NULL};
static const char *const resync_directions[] = {"send", "receive", NULL};

#define RELATION_ROW                                                                               \
    {                                                                                              \
        .name = "relation", .type = FIELD_STRING, .min = 1, .max = FO_NAME_SIZE_MAX,               \
        .help = "Name of the relationship; may be left out where there is only one."               \
    }
#define DOWN_SINCE_ROW                                                                             \
    {                                                                                              \
        .name = "down_since", .type = FIELD_STRING, .nullable = true, .max = 32,                   \
        .help = "Since when the partner has answered no client, such as 2026-11-23T18:00:00Z; "    \
                "never before it was heard last. Left out: now."                                   \
    }
#define FORCE_ROW                                                                                  \
    {                                                                                              \
        .name = "force", .type = FIELD_BOOL, .fallback = "false",                                  \
        .help = "Also while this server recovers and may not know all leases: clients may lose "   \
                "theirs then. Only when the partner's storage is lost."                            \
    }

const struct field failover_simulate_fields[] = {
    RELATION_ROW,
    {.name = "event",
     .type = FIELD_STRING,
     .choices = simulate_events,
     .fallback = "\"partner_down\"",
     .help = "What to look ahead to."},
    DOWN_SINCE_ROW,
    FORCE_ROW,
    {.type = FIELD_END},
};

const struct field failover_partner_down_fields[] = {
    RELATION_ROW,
    DOWN_SINCE_ROW,
    {.name = "confirm",
     .type = FIELD_STRING,
     .max = FO_NAME_SIZE_MAX,
     .help = "The name of the relationship, so that nobody does this by accident; not needed with "
             "dry_run."},
    {.name = "dry_run",
     .type = FIELD_BOOL,
     .fallback = "false",
     .help = "Only tell what it would bring."},
    FORCE_ROW,
    {.type = FIELD_END},
};

const struct field failover_resync_fields[] = {
    RELATION_ROW,
    {.name = "direction",
     .type = FIELD_STRING,
     .choices = resync_directions,
     .fallback = "\"send\"",
     .help = "send: our leases to the partner; receive: ask the partner for its leases."},
    {.name = "scope",
     .type = FIELD_STRING,
     .choices = resync_scopes,
     .fallback = "\"changed\"",
     .help = "changed: what the other side has not acknowledged; all: every lease."},
    {.type = FIELD_END},
};

static bool flag(const struct jsonrpc_call *call, const char *name)
{
    return json_is_true(json_object_get(call->params, name));
}

static void wake(const struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);

    if (env->wake) {
        env->wake(env->ctx);
    }
}

/* "down_since", 0 when left out. */
static int down_since_read(struct jsonrpc_call *call, sec_t *ret_since_s)
{
    const char *text = json_string_value(json_object_get(call->params, "down_since"));

    *ret_since_s = 0;
    if (text && !value_time_read(text, ret_since_s)) {
        return jsonrpc_fail_param(call, "/down_since", "must look like 2026-11-23T18:00:00Z");
    }
    if (text && *ret_since_s > failover_now(call).s) {
        return jsonrpc_fail_param(call, "/down_since", "is in the future");
    }
    return 0;
}

/* When prefixes of the partner's share may be given by the machine, 0: never in its state. */
static sec_t usable_at(const struct fo_fsm *fsm)
{
    if (fsm->record.state != FO_PARTNER_DOWN) {
        return 0;
    }
    return fsm->record.down_since_s + LEASE_TRANSIT_S + fsm->record.mclt_s;
}

/* Begins to look ahead, or goes on where the last call with the same wish stopped. */
static struct relation_outlook *outlook_get(struct methods *methods,
                                            const struct relation *relation,
                                            const struct fo_fsm_event *event, sec_t now)
{
    struct outlook_walk *walk = &methods->outlook;
    bool same = walk->used && walk->relation == relation->index && walk->event == event->type &&
                walk->down_since_s == event->down_since_s && walk->force == event->force;

    if (!same || walk->outlook.complete ||
        sec_after(now, walk->outlook.begun_s + SIMULATE_STALE_S)) {
        *walk = (struct outlook_walk){.used = true,
                                      .relation = relation->index,
                                      .event = event->type,
                                      .down_since_s = event->down_since_s,
                                      .force = event->force};
        relation_outlook_begin(relation, event, now, &walk->outlook);
    }
    return &walk->outlook;
}

static void warn(json_t *list, const char *text)
{
    (void)json_array_append_new(list, json_string(text));
}

static json_t *warnings_json(const struct relation *relation,
                             const struct relation_outlook *outlook,
                             const struct fo_fsm_event *event)
{
    json_t *list = json_array();

    if (event->type == FO_FSM_PARTNER_DOWN && relation->fsm.comms_ok) {
        warn(list, "the partner is heard: it is not down");
    } else if (event->type == FO_FSM_PARTNER_DOWN && outlook->refused == -EPERM) {
        warn(list, "not in this state: failover.explain tells why");
    } else if (event->type == FO_FSM_PARTNER_DOWN && outlook->refused == -EALREADY) {
        warn(list, "it counts as down already");
    }
    if (event->type == FO_FSM_PARTNER_DOWN && !outlook->refused) {
        warn(list, "if the partner serves clients after all, leases will be given twice: be sure "
                   "that it is off, or cut off from the clients");
    }
    if (outlook->unacknowledged) {
        warn(list, "the partner does not know of all leases: if this server fails before it has "
                   "recovered, their clients lose them");
    }
    if (event->force) {
        warn(list, "this server may not know all leases: clients may lose theirs");
    }
    return list;
}

static void put(json_t *object, const char *name, json_t *value)
{
    (void)json_object_set_new(object, name, value);
}

static json_t *outlook_json(const struct jsonrpc_call *call, const struct relation *relation,
                            const struct relation_outlook *outlook,
                            const struct fo_fsm_event *event)
{
    bool down = event->type == FO_FSM_PARTNER_DOWN && !outlook->refused;
    sec_t usable_s = down ? usable_at(&outlook->after) : 0;
    struct relation_pool_counts free;
    json_t *json = json_object();

    failover_free_sum(call, relation, &free);
    put(json, "relation", value_text(relation->name));
    put(json, "event", json_string(simulate_events[event->type == FO_FSM_PARTNER_DOWN ? 0 : 1]));
    put(json, "allowed",
        json_boolean(event->type != FO_FSM_PARTNER_DOWN ||
                     (!outlook->refused && !relation->fsm.comms_ok)));
    put(json, "state", failover_state(fo_fsm_state(&outlook->after)));
    put(json, "down_since", failover_time(down ? outlook->after.record.down_since_s : 0));
    put(json, "mclt_s", json_integer(outlook->after.record.mclt_s));
    put(json, "usable_at", failover_time(usable_s));
    put(json, "active_leases", value_u64(outlook->active));
    put(json, "at_risk_leases", value_u64(outlook->unacknowledged));
    put(json, "waiting_leases", value_u64(outlook->waiting));
    put(json, "waiting_prefixes", value_u64(outlook->waiting_prefixes));
    put(json, "waiting_first_at", failover_time(outlook->waiting_first_s));
    put(json, "waiting_last_at", failover_time(outlook->waiting_last_s));
    put(json, "held_last_at", failover_time(outlook->held_last_s));
    put(json, "prefixes_now", value_u64(free.own));
    put(json, "prefixes_later", value_u64(free.own + (down ? free.partner : 0)));
    put(json, "complete", json_boolean(outlook->complete));
    put(json, "looked_at", value_u64(outlook->slot));
    put(json, "slots", value_u64(store_slot_max(relation->server->store)));
    put(json, "warnings", warnings_json(relation, outlook, event));
    return json;
}

static int simulate(struct jsonrpc_call *call, const struct relation *relation,
                    const struct fo_fsm_event *event)
{
    struct methods *methods = call->rpc->ctx;
    sec_t now = failover_now(call).s;
    struct relation_outlook *outlook = outlook_get(methods, relation, event, now);

    *call->work_left -= relation_outlook_turn(outlook, relation, *call->work_left);
    call->result = outlook_json(call, relation, outlook, event);
    return 0;
}

int failover_simulate(struct jsonrpc_call *call)
{
    const char *name = json_string_value(json_object_get(call->params, "event"));
    struct fo_fsm_event event = {.type = FO_FSM_PARTNER_DOWN, .force = flag(call, "force")};
    struct relation *relation;
    int r = failover_relation(call, &relation);

    if (r == 0 && name && strcmp(name, simulate_events[1]) == 0) {
        event = (struct fo_fsm_event){.type = FO_FSM_DISCONNECTED};
    } else if (r == 0) {
        r = down_since_read(call, &event.down_since_s);
    }
    return r ? r : simulate(call, relation, &event);
}

/* What must be so before the partner is declared down. */
static int partner_down_check(struct jsonrpc_call *call, const struct relation *relation)
{
    const char *confirm = json_string_value(json_object_get(call->params, "confirm"));

    if (relation->fsm.comms_ok) {
        return jsonrpc_fail(call, JSONRPC_PEER, "peer_alive",
                            "the partner answered %d s ago, it is not down: for planned work call "
                            "failover.maintenance there",
                            sec_until(failover_now(call).s, relation->fsm.record.heard_s));
    }
    if (confirm == NULL || strcmp(confirm, relation->name) != 0) {
        return jsonrpc_fail(call, JSONRPC_CONFIRM_REQUIRED, "confirm_required",
                            "be sure that the partner answers no clients, then repeat with "
                            "confirm=%.100s; dry_run=true tells what it brings",
                            relation->name);
    }
    return 0;
}

static int partner_down_fail(struct jsonrpc_call *call, const struct relation *relation, int err)
{
    const char *state = fo_state_name(fo_fsm_state(&relation->fsm));

    if (err == -EALREADY) {
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "already",
                            "the partner counts as down already");
    }
    return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "wrong_state",
                        "not in %s: failover.explain tells what it waits for", state);
}

int failover_partner_down(struct jsonrpc_call *call)
{
    struct fo_fsm_event event = {.type = FO_FSM_PARTNER_DOWN, .force = flag(call, "force")};
    struct relation *relation;
    int r = failover_relation(call, &relation);

    r = r ? r : down_since_read(call, &event.down_since_s);
    if (r == 0 && flag(call, "dry_run")) {
        return simulate(call, relation, &event);
    }
    r = r ? r : partner_down_check(call, relation);
    if (r) {
        return r;
    }
    r = relation_command(relation, &event, failover_now(call));
    if (r) {
        return partner_down_fail(call, relation, r);
    }
    wake(call);
    call->result = json_pack("{s:o, s:o, s:o, s:o, s:b}", "relation", value_text(relation->name),
                             "state", failover_state(fo_fsm_state(&relation->fsm)), "down_since",
                             failover_time(relation->fsm.record.down_since_s), "usable_at",
                             failover_time(usable_at(&relation->fsm)), "applied", 1);
    return 0;
}

/* Those "relation" names, or all: what they would say to a hand-over. */
static int handover_check(struct jsonrpc_call *call, const struct relation *relation)
{
    struct fo_fsm copy = relation->fsm;
    struct fo_fsm_actions actions;
    int r = fo_fsm_step(&copy, &(struct fo_fsm_event){.type = FO_FSM_HANDOVER},
                        failover_now(call).s, &actions);

    if (r == -EALREADY) {
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "already",
                            "%.100s is being handed over already", relation->name);
    }
    if (r) {
        return jsonrpc_fail(call, JSONRPC_PEER, "peer_unreachable",
                            "%.100s is in %s: nobody is there to take over; to stop all the same, "
                            "stop the process",
                            relation->name, fo_state_name(fo_fsm_state(&relation->fsm)));
    }
    return 0;
}

static json_t *handover_begin(struct jsonrpc_call *call, struct relation *relation)
{
    int r = relation_command(relation, &(struct fo_fsm_event){.type = FO_FSM_HANDOVER},
                             failover_now(call));

    return json_pack("{s:o, s:o, s:s}", "relation", value_text(relation->name), "state",
                     failover_state(fo_fsm_state(&relation->fsm)), "handover",
                     r ? "refused" : "begun");
}

int failover_maintenance(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    struct methods *methods = call->rpc->ctx;
    bool all = json_object_get(call->params, "relation") == NULL;
    unsigned count = env->config(env->ctx)->failover_count;
    struct relation *relation = NULL;
    json_t *list;
    int r = all && count ? 0 : failover_relation(call, &relation);

    for (unsigned i = 0; r == 0 && all && i < count; i++) {
        relation = env->relation ? env->relation(env->ctx, i) : NULL;
        r = relation ? handover_check(call, relation)
                     : jsonrpc_fail(call, JSONRPC_WRONG_STATE, "starting",
                                    "the relationships are not there yet");
    }
    r = r || all ? r : handover_check(call, relation);
    if (r) {
        return r;
    }
    list = json_array();
    for (unsigned i = 0; all && i < count; i++) {
        (void)json_array_append_new(list, handover_begin(call, env->relation(env->ctx, i)));
    }
    if (!all) {
        (void)json_array_append_new(list, handover_begin(call, relation));
    }
    methods->maintenance = all;
    wake(call);
    call->result = json_pack("{s:o, s:b}", "relations", list, "process_ends", (int)all);
    return 0;
}

bool methods_maintenance_done(const struct methods *methods)
{
    const struct methods_env *env = &methods->env;
    unsigned count = methods->maintenance ? env->config(env->ctx)->failover_count : 0;

    for (unsigned i = 0; i < count; i++) {
        const struct relation *relation = env->relation(env->ctx, i);

        if (relation == NULL || !relation->stopped) {
            return false; /* a hand-over that failed leaves its server serving */
        }
    }
    return count != 0;
}

/* What resync and rebalance may run into. */
static int busy_fail(struct jsonrpc_call *call, const struct relation *relation, int err)
{
    switch (err) {
    case 0:
        return 0;
    case -ENOTCONN:
        return jsonrpc_fail(call, JSONRPC_PEER, "peer_unreachable",
                            "there is no connection to the partner: failover.explain tells why");
    case -EALREADY:
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "already",
                            "the partner is being asked already: failover.get tells how far it is");
    case -EAGAIN:
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "busy", "the connection is busy: try again");
    default:
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "wrong_state",
                            "not in %s: both servers have to be in NORMAL",
                            fo_state_name(fo_fsm_state(&relation->fsm)));
    }
}

int failover_resync(struct jsonrpc_call *call)
{
    const char *direction = json_string_value(json_object_get(call->params, "direction"));
    const char *scope = json_string_value(json_object_get(call->params, "scope"));
    bool receive = direction && strcmp(direction, resync_directions[1]) == 0;
    bool all = scope && strcmp(scope, resync_scopes[1]) == 0;
    struct relation *relation;
    int r = failover_relation(call, &relation);

    if (r == 0) {
        r = busy_fail(call, relation,
                      receive ? relation_request(relation, all, failover_now(call))
                              : relation_resend(relation, all));
    }
    if (r == 0) {
        call->result =
            json_pack("{s:o, s:s, s:s, s:b}", "relation", value_text(relation->name), "direction",
                      resync_directions[receive], "scope", resync_scopes[all], "started", 1);
    }
    return r;
}

int failover_rebalance(struct jsonrpc_call *call)
{
    struct relation_pool_counts free;
    struct relation *relation;
    int r = failover_relation(call, &relation);

    if (r == 0) {
        r = busy_fail(call, relation, relation_rebalance(relation, failover_now(call)));
    }
    if (r == 0) {
        wake(call);
        failover_free_sum(call, relation, &free);
        call->result =
            json_pack("{s:o, s:b, s:o, s:o, s:o}", "relation", value_text(relation->name),
                      "started", 1, "free_own", value_u64(free.own), "free_partner",
                      value_u64(free.partner), "backup_target", value_u64(free.backup_target));
    }
    return r;
}

/* failover.explain and failover.conflicts: what a state means to an operator and what to do, as one
 * row per state and per reason of a lost connection. */
#include <stdlib.h>
#include <string.h>

#include "server/dirty.h"
#include "server/methods_failover.h"

enum {
    CONFLICTS_DEFAULT = 100,
    CONFLICTS_MAX = 1000,
    LEASE_WORK = 16, /* rows of the budget that writing out one lease costs */
    ADVICE_MAX = 256,
};

const struct field failover_conflicts_fields[] = {
    {.name = "relation",
     .type = FIELD_STRING,
     .min = 1,
     .max = FO_NAME_SIZE_MAX,
     .help = "Name of the relationship; may be left out where there is only one."},
    {.name = "limit",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = CONFLICTS_MAX,
     .fallback = "100",
     .help = "Most refused leases to return."},
    {.name = "cursor",
     .type = FIELD_STRING,
     .nullable = true,
     .max = 16,
     .help = "next_cursor of the previous call."},
    {.type = FIELD_END},
};

static const struct failover_advice advices[FO_SERVER_STATE_COUNT] = {
    [FO_STARTUP] = {"the server has just started and asks the partner how things stand",
                    "nothing from this server; the partner answers them",
                    "wait; if the partner is switched off too, start it", "15 s at most"},
    [FO_NORMAL] = {"both servers are in touch and agree",
                   "the primary; the secondary answers what carries its own Server-ID", "nothing",
                   "as long as all is well"},
    [FO_COMMUNICATIONS_INTERRUPTED] =
        {"the partner is not heard; it may be serving, so each server keeps to its own share",
         "both servers answer; new leases and extensions are short, at most the MCLT ahead of what "
         "the partner acknowledged",
         "find out whether the partner runs. Runs: repair the path between the two, nothing else. "
         "Does not run and stays away: \"tandem6ctl partner-down\"",
         "safe for as long as the own free prefixes last; partner-down is needed before they end"},
    [FO_PARTNER_DOWN] = {"the partner is known to be down; this server serves all alone",
                         "this server, with full lifetimes",
                         "repair the partner and start it; it resynchronises by itself. Never "
                         "start it with the clients' network but without the path to this server",
                         "until the partner is back, and then until it has recovered: its updates, "
                         "and the MCLT from the time it failed"},
    [FO_POTENTIAL_CONFLICT] = {"both may have served alone; they compare all leases before "
                               "anybody answers again",
                               "nothing from this server for the moment",
                               "wait; keep the path between the two up",
                               "as long as the updates take, seconds to minutes"},
    [FO_RECOVER] = {"this server lost touch or its storage and fetches what it does not know",
                    "the partner; this server is silent",
                    "see that the partner runs and that the path between the two is up",
                    "as long as the updates take; without the partner for ever"},
    [FO_RECOVER_WAIT] = {"the leases are there; those this server gave before it failed and told "
                         "nobody of must have run out first",
                         "the partner; this server is silent", "wait",
                         "until the MCLT has passed since this server failed"},
    [FO_RECOVER_DONE] = {"recovered; the partner is to confirm by entering NORMAL",
                         "renewals of known leases are answered",
                         "nothing; if it stays, look at the path between the two", "a moment"},
    [FO_RESOLUTION_INTERRUPTED] =
        {"the comparison of all leases broke off; this server serves meanwhile, carefully",
         "both servers answer, leases are short",
         "repair the path between the two. Is the partner known to be down: \"tandem6ctl "
         "partner-down\"",
         "until the connection is back; then the comparison begins again"},
    [FO_CONFLICT_DONE] = {"the primary has all the partner knew; the partner fetches the rest",
                          "the primary; the secondary is silent", "wait",
                          "as long as the updates take"},
};

const struct failover_advice *failover_advice(enum fo_server_state state)
{
    return &advices[state];
}

const char *failover_down_advice(enum fo_down_reason reason)
{
    static const char *const texts[FO_DOWN_COUNT] = {
        [FO_DOWN_CONNECT_FAILED] = "the partner's port does not answer: does tandem6d run there, "
                                   "and does no filter stop TCP to its failover port?",
        [FO_DOWN_TLS_FAILED] = "TLS failed: compare certificate, key and CA of both servers, their "
                               "names and dates",
        [FO_DOWN_TLS_REFUSED] = "the partner refuses TLS: one side has \"tls\": null",
        [FO_DOWN_SETUP_TIMEOUT] = "the partner accepts connections but does not speak: is it this "
                                  "relationship's partner?",
        [FO_DOWN_KEEPALIVE] = "the partner fell silent on an open connection: look at its host and "
                              "at the network",
        [FO_DOWN_REJECTED] = "the partner rejects us: compare relationship name, MCLT and role in "
                             "both configurations",
        [FO_DOWN_UNACCEPTABLE] = "the partner's offer cannot be accepted: compare both "
                                 "configurations",
        [FO_DOWN_SKEW] = "the clocks differ by more than 5 s: repair time synchronisation on both",
        [FO_DOWN_MALFORMED] = "the partner sends what is no failover message: is it tandem6d or "
                              "another RFC 8156 server?",
        [FO_DOWN_PROTOCOL] = "the partner breaks the protocol: compare the versions of both",
        [FO_DOWN_WINDOW] = "the partner sends more updates than were allowed: compare the versions "
                           "of both",
        [FO_DOWN_STALLED] = "the partner stopped reading: look at its host",
    };

    return (unsigned)reason < FO_DOWN_COUNT ? texts[reason] : NULL;
}

static void advise(json_t *list, const char *text)
{
    (void)json_array_append_new(list, json_string(text));
}

/* The state's own, and what this very relationship shows. */
static json_t *advice_json(const struct relation *relation, const struct relation_status *status)
{
    const char *reason = failover_down_advice(relation->down_reason);
    int32_t skew_s = relation->link.stats.skew_s;
    json_t *list = json_array();

    advise(list, advices[status->state.state].todo);
    if (!status->state.comms_ok && relation->down_s && reason) {
        advise(list, reason);
    }
    if (status->state.comms_ok && (skew_s > 2 || skew_s < -2)) {
        advise(list, "the clocks drift apart; beyond 5 s the connection ends: see to time "
                     "synchronisation");
    }
    if (status->refused) {
        advise(list, "the partner refuses some updates: \"tandem6ctl failover.conflicts\" lists "
                     "them; compare links and pools of both configurations");
    }
    if (!status->state.settled) {
        advise(list, "the state is not on disk yet; if that lasts, see storage in "
                     "\"tandem6ctl status\"");
    }
    if (relation->handover_failed) {
        advise(list, "the last hand-over failed, the partner went away meanwhile: this server "
                     "serves on");
    }
    return list;
}

static json_t *timer_json(const struct fo_explain *state, sec_t now)
{
    if (state->timer == NULL) {
        return json_null();
    }
    return json_pack("{s:s, s:o, s:I}", "what", state->timer, "at", value_time(state->timer_at_s),
                     "in_s", (json_int_t)sec_until(state->timer_at_s, now));
}

int failover_explain(struct jsonrpc_call *call)
{
    struct relation_status status;
    struct relation *relation;
    const struct fo_explain *state = &status.state;
    struct fo_time now = failover_now(call);
    int r = failover_relation(call, &relation);

    if (r) {
        return r;
    }
    relation_status(relation, now, &status);
    call->result =
        json_pack("{s:o, s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:b, s:b, s:I}",
                  "relation", value_text(relation->name), "role", failover_role(relation), "state",
                  failover_state(state->state), "since", failover_time(state->since_s), "why",
                  state->cause, "meaning", advices[state->state].meaning, "service", state->service,
                  "clients", advices[state->state].clients, "waiting_for", state->waits_for,
                  "how_long", advices[state->state].duration, "next_timer",
                  timer_json(state, now.s), "advice", advice_json(relation, &status),
                  "partner_down_allowed", (int)state->partner_down_allowed, "partner_prefixes_open",
                  (int)state->partner_pool_open, "mclt_s", (json_int_t)state->mclt_s);
    return 0;
}

static json_t *conflict_json(const struct relation_conflict *conflict)
{
    const struct resource *resource = &conflict->resource;
    bool prefix = resource->type == LEASE_TYPE_PD;

    return json_pack(
        "{s:o, s:s, s:o, s:s, s:o, s:o}", "at", value_time(conflict->at_s), "type",
        prefix ? "pd" : "na", prefix ? "prefix" : "address",
        prefix ? value_prefix(resource->prefix, resource->length) : value_address(resource->prefix),
        "kept", conflict->own_kept ? "own" : "partner", "own_duid",
        value_hex((struct span){conflict->own_duid, conflict->own_size}), "partner_duid",
        value_hex((struct span){conflict->partner_duid, conflict->partner_size}));
}

/* The last ones, newest first. */
static json_t *conflicts_json(const struct relation *relation)
{
    uint64_t total = relation->stats.conflicts;
    json_t *list = json_array();

    for (uint64_t i = 0; i < total && i < RELATION_CONFLICTS_MAX; i++) {
        (void)json_array_append_new(
            list, conflict_json(&relation->conflicts[(total - 1 - i) % RELATION_CONFLICTS_MAX]));
    }
    return list;
}

/* Leases from slot on whose update the partner rejected; returns where to go on. */
static uint32_t refused_list(struct jsonrpc_call *call, const struct relation *relation,
                             uint32_t slot, json_t *list)
{
    const struct methods_env *env = methods_env(call);
    const struct json_t *limit = json_object_get(call->params, "limit");
    size_t limit_count = limit ? (size_t)json_integer_value(limit) : CONFLICTS_DEFAULT;
    uint32_t end = store_slot_max(env->store);

    for (; slot < end && json_array_size(list) < limit_count && *call->work_left > LEASE_WORK;
         slot++) {
        struct lease_found found;
        struct lease_view view;

        *call->work_left -= 1;
        if (!dirty_test(relation->server->dirty, relation->index, DIRTY_REFUSED, slot) ||
            !store_read(env->store, slot, &found)) {
            continue;
        }
        *call->work_left -= LEASE_WORK;
        view = lease_view_make(env->policy(env->ctx), &found.lease, env->now(env->ctx));
        (void)json_array_append_new(list, lease_json(&view, LEASE_FIELDS_ALL));
    }
    return slot;
}

/* "r" and the slot in decimal digits. */
static bool cursor_read(const char *text, uint32_t *ret_slot)
{
    char *end;
    unsigned long slot;

    if (text[0] != 'r' || text[1] < '0' || text[1] > '9') {
        return false;
    }
    slot = strtoul(text + 1, &end, 10);
    *ret_slot = (uint32_t)slot;
    return *end == '\0' && slot < UINT32_MAX;
}

int failover_conflicts(struct jsonrpc_call *call)
{
    const char *cursor = json_string_value(json_object_get(call->params, "cursor"));
    struct relation_status status;
    struct relation *relation;
    uint32_t slot = 0, end;
    json_t *refused;
    int r = failover_relation(call, &relation);

    if (r) {
        return r;
    }
    if (cursor && !cursor_read(cursor, &slot)) {
        return jsonrpc_fail(call, JSONRPC_BAD_CURSOR, "bad_cursor",
                            "this cursor did not come from failover.conflicts");
    }
    relation_status(relation, failover_now(call), &status);
    refused = json_array();
    end = store_slot_max(relation->server->store);
    slot = status.refused ? refused_list(call, relation, slot, refused) : end;
    call->result = json_pack(
        "{s:o, s:o, s:o, s:o, s:o}", "conflicts_total", value_u64(status.stats.conflicts),
        "conflicts", conflicts_json(relation), "refused_total", value_u64(status.refused),
        "refused", refused, "next_cursor", slot < end ? json_sprintf("r%u", slot) : json_null());
    return 0;
}

/* events.* and alarm.*, and what makes events: leases that became durable, states of relationships,
 * alarms. */
#include <string.h>

#include "observe/alarm.h"
#include "observe/events.h"
#include "server/lease_tap.h"
#include "server/methods_internal.h"
#include "server/relation.h"

enum {
    TAP_TURN_MAX = 256, /* leases told in one turn */
    WATCH_S = 60,       /* leases are told so long after somebody looked */
    GET_LIMIT_DEFAULT = 100,
    GET_LIMIT_MAX = 1000,
    POOL_RAISE_PERCENT = 90,
    POOL_CLEAR_PERCENT = 85,
};

static const char *const topic_choices[] = {"lease", "failover", "config", "alarm", "audit", NULL};
_Static_assert(sizeof(topic_choices) / sizeof(topic_choices[0]) == EVENT_TOPIC_COUNT + 1,
               "one for each topic");

static const struct field topic_row[] = {
    {.name = "topic", .type = FIELD_STRING, .choices = topic_choices}, {.type = FIELD_END}};

static const struct field filter_fields[] = {
    {.name = "type", .type = FIELD_STRING, .min = 2, .max = 2, .help = "na or pd."},
    {.name = "state", .type = FIELD_STRING, .min = 1, .max = 64, .help = "State after the event."},
    {.name = "duid", .type = FIELD_STRING, .min = 6, .max = 260, .help = "In hex, lower case."},
    {.name = "link", .type = FIELD_STRING, .min = 1, .max = 255, .help = "Name of a link."},
    {.name = "pool", .type = FIELD_STRING, .min = 1, .max = 255, .help = "Name of a pool."},
    {.name = "relation", .type = FIELD_STRING, .min = 1, .max = 255, .help = "A relationship."},
    {.name = "check", .type = FIELD_STRING, .min = 1, .max = 32, .help = "Kind of an alarm."},
    {.type = FIELD_END},
};

#define CURSOR_FIELDS                                                                              \
    {.name = "topics",                                                                             \
     .type = FIELD_ARRAY,                                                                          \
     .min = 1,                                                                                     \
     .max = EVENT_TOPIC_COUNT,                                                                     \
     .children = topic_row,                                                                        \
     .help = "Kinds of events; all when left out."},                                               \
    {                                                                                              \
        .name = "filter", .type = FIELD_OBJECT, .children = filter_fields,                         \
        .help = "Only events with all these members; at most four."                                \
    }

const struct field methods_subscribe_fields[] = {
    CURSOR_FIELDS,
    {.name = "from_seq",
     .type = FIELD_INTEGER,
     .min = 0,
     .max = INT64_MAX,
     .help = "Number of the first event wanted; those to come when left out."},
    {.type = FIELD_END},
};

static const struct field unsubscribe_fields[] = {
    {.name = "subscription",
     .type = FIELD_STRING,
     .required = true,
     .min = 2,
     .max = 2,
     .help = "As events.subscribe returned it."},
    {.type = FIELD_END},
};

static const struct field get_fields[] = {
    CURSOR_FIELDS,
    {.name = "after_seq",
     .type = FIELD_INTEGER,
     .min = 0,
     .max = INT64_MAX,
     .help = "Events behind this number; the last ones when left out."},
    {.name = "limit",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = GET_LIMIT_MAX,
     .fallback = "100",
     .help = "Most events to return."},
    {.type = FIELD_END},
};

static const struct field alarm_list_fields[] = {
    {.name = "active",
     .type = FIELD_BOOL,
     .help = "true: only standing ones; false: only those that are over."},
    {.type = FIELD_END},
};

static const struct field alarm_ack_fields[] = {
    {.name = "id",
     .type = FIELD_INTEGER,
     .required = true,
     .min = 1,
     .max = INT64_MAX,
     .help = "As alarm.list tells it."},
    {.name = "comment", .type = FIELD_STRING, .max = ALARM_TEXT_MAX - 1, .help = "What is done."},
    {.type = FIELD_END},
};

void methods_event(struct methods *methods, enum event_topic topic, json_t *data)
{
    const struct methods_env *env = &methods->env;
    char text[EVENT_DATA_MAX + 1];
    size_t size = data ? json_dumpb(data, text, sizeof(text), JSON_COMPACT) : 0;

    if (env->events && size) {
        (void)events_add(env->events, topic, env->now(env->ctx), text, size);
    }
    json_decref(data);
}

void methods_config_event(struct methods *methods)
{
    methods_event(methods, EVENT_CONFIG,
                  json_pack("{s:o}", "revision", value_u64(methods_revision(methods))));
}

static json_t *alarm_json(const struct alarm_row *row)
{
    return json_pack("{s:o, s:s, s:o, s:s, s:o, s:b, s:o, s:o, s:o, s:b, s:o, s:o}", "id",
                     value_u64(row->id), "check", row->check, "subject", value_text(row->subject),
                     "level", row->level, "text", value_text(row->text), "active", (int)row->active,
                     "since", value_time(row->since), "cleared",
                     row->cleared ? value_time(row->cleared) : json_null(), "raised",
                     value_u64(row->raised), "acked", (int)row->acked, "acked_by",
                     row->acked ? value_text(row->acked_by) : json_null(), "comment",
                     row->acked ? value_text(row->comment) : json_null());
}

void methods_alarm(struct methods *methods, const struct alarm_state *state)
{
    const struct methods_env *env = &methods->env;
    const struct alarm_row *news =
        env->alarms ? alarm_set(env->alarms, state, env->now(env->ctx)) : NULL;

    if (news) {
        methods_event(methods, EVENT_ALARM,
                      json_pack("{s:o, s:s, s:o, s:s, s:b, s:o}", "id", value_u64(news->id),
                                "check", news->check, "subject", value_text(news->subject), "level",
                                news->level, "active", (int)news->active, "text",
                                value_text(news->text)));
    }
}

/* A lease that is newer than the disk by now is told when that is durable too. */
static void lease_told(struct methods *methods, const struct lease_tap_row *row)
{
    static const uint64_t fields = 1ULL << LEASE_FIELD_type | 1ULL << LEASE_FIELD_address |
                                   1ULL << LEASE_FIELD_prefix | 1ULL << LEASE_FIELD_state |
                                   1ULL << LEASE_FIELD_duid | 1ULL << LEASE_FIELD_iaid |
                                   1ULL << LEASE_FIELD_link | 1ULL << LEASE_FIELD_pool |
                                   1ULL << LEASE_FIELD_valid_until | 1ULL << LEASE_FIELD_version;
    const struct methods_env *env = &methods->env;
    struct lease_found found;
    struct lease_view view;

    if (store_read(env->store, row->slot, &found) && found.lease.version == row->version) {
        view = lease_view_make(env->policy(env->ctx), &found.lease, env->now(env->ctx));
        methods_event(methods, EVENT_LEASE, lease_json(&view, fields));
    }
}

static void tap_turn(struct methods *methods)
{
    const struct methods_env *env = &methods->env;
    bool open = !sec_after(env->now(env->ctx), methods->watch.until_s);
    struct lease_tap_row row;
    uint64_t lost;

    atomic_store_explicit(&env->tap->open, open, memory_order_relaxed);
    for (unsigned i = 0; i < TAP_TURN_MAX && lease_tap_take(env->tap, &row); i++) {
        lease_told(methods, &row);
    }
    lost = lease_tap_lost(env->tap);
    if (lost) {
        events_lose(env->events, lost);
    }
}

/* A relationship that is in another state than when we last looked. */
static void relation_watch(struct methods *methods, unsigned index, const struct relation *relation)
{
    const struct methods_env *env = &methods->env;
    unsigned *last = &methods->watch.relation_state[index];
    enum fo_server_state state = fo_fsm_state(&relation->fsm);
    struct fo_explain explain;
    char text[ALARM_TEXT_MAX];

    if (*last == state + 1u) {
        return;
    }
    fo_fsm_explain(&relation->fsm, env->now(env->ctx), &explain);
    (void)snprintf(text, sizeof(text), "state %s: %s; failover.explain says more",
                   fo_state_name(state), explain.cause ? explain.cause : "");
    methods_alarm(methods, &(struct alarm_state){"failover", relation->name, "warn", text,
                                                 state != FO_NORMAL && state != FO_STARTUP});
    methods_event(methods, EVENT_FAILOVER,
                  json_pack("{s:o, s:o, s:s, s:s}", "relation", value_text(relation->name), "from",
                            *last ? json_string(fo_state_name(*last - 1)) : json_null(), "state",
                            fo_state_name(state), "cause", explain.cause ? explain.cause : ""));
    *last = state + 1u;
}

static void pools_watch(struct methods *methods)
{
    const struct policy *policy = methods->env.policy(methods->env.ctx);
    const struct pool_walk *walk = &methods->walk;
    struct pool_numbers numbers;

    if (!walk->has_done || walk->done_s == methods->watch.pools_s) {
        return;
    }
    methods->watch.pools_s = walk->done_s;
    for (unsigned i = 0; i < policy->pool_count; i++) {
        uint64_t percent;
        bool full;

        pool_numbers_get(walk, policy, i, &numbers);
        if (!numbers.counted || numbers.total == 0) {
            continue;
        }
        percent = (numbers.total - (numbers.free < numbers.total ? numbers.free : numbers.total)) /
                  (numbers.total / 100 + 1);
        percent =
            numbers.total < 10000 ? (numbers.total - numbers.free) * 100 / numbers.total : percent;
        full = percent >= POOL_RAISE_PERCENT;
        if (full || percent < POOL_CLEAR_PERCENT) { /* between them it stays as it is */
            methods_alarm(methods, &(struct alarm_state){"pool", policy->pools[i].name, "warn",
                                                         "more than 90 % is in use: add a pool, "
                                                         "or shorten lifetimes",
                                                         full});
        }
    }
}

bool methods_events_turn(struct methods *methods)
{
    const struct methods_env *env = &methods->env;
    struct relation *relation;
    uint64_t before;

    if (env->events == NULL) {
        return false;
    }
    before = events_last(env->events);
    if (env->tap) {
        tap_turn(methods);
    }
    for (unsigned i = 0; env->relation && i < METHODS_RELATIONS_MAX; i++) {
        relation = env->relation(env->ctx, i);
        if (relation == NULL) {
            break;
        }
        relation_watch(methods, i, relation);
    }
    pools_watch(methods);
    if (methods->watch.told != before) {
        before = methods->watch.told; /* something came between the turns */
    }
    methods->watch.told = events_last(env->events);
    return methods->watch.told != before;
}

void methods_events_watch(struct methods *methods, unsigned topics)
{
    if (topics & 1u << EVENT_LEASE) {
        methods->watch.until_s = methods->env.now(methods->env.ctx) + WATCH_S;
    }
}

/* "link":"olt-17" as it stands in compact JSON. False when it is too long. */
static bool needle_write(const char *name, const json_t *value, char buf[EVENT_FILTER_MAX])
{
    json_t *object = json_pack("{s:O}", name, value);
    size_t size = object ? json_dumpb(object, buf, EVENT_FILTER_MAX, JSON_COMPACT) : 0;

    json_decref(object);
    if (size < 3 || size >= EVENT_FILTER_MAX) {
        return false;
    }
    memmove(buf, buf + 1, size - 2);
    buf[size - 2] = '\0';
    return true;
}

bool methods_event_cursor(struct methods *methods, const json_t *params,
                          struct event_cursor *ret_cursor)
{
    const json_t *topics = json_object_get(params, "topics");
    json_t *filter = json_object_get(params, "filter"), *value;
    const json_t *from = json_object_get(params, "from_seq");
    struct event_cursor *cursor = ret_cursor;
    const char *name;
    size_t i;

    *cursor = (struct event_cursor){.topics = topics ? 0 : EVENT_TOPICS_ALL,
                                    .next = events_last(methods->env.events) + 1};
    json_array_foreach(topics, i, value)
    {
        enum event_topic topic;

        if (event_topic_read(json_string_value(value), json_string_length(value), &topic)) {
            cursor->topics |= 1u << topic;
        }
    }
    json_object_foreach(filter, name, value)
    {
        if (cursor->filter_count == EVENT_FILTERS_MAX ||
            !needle_write(name, value, cursor->filters[cursor->filter_count])) {
            return false;
        }
        cursor->filter_count++;
    }
    if (from && (uint64_t)json_integer_value(from) < cursor->next) {
        cursor->next = (uint64_t)json_integer_value(from);
    }
    methods_events_watch(methods, cursor->topics);
    return true;
}

static int events_missing(struct jsonrpc_call *call)
{
    return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "no_events", "this server keeps no events");
}

static int events_subscribe(struct jsonrpc_call *call)
{
    struct methods *methods = call->rpc->ctx;
    struct event_subscriptions *all = call->caller->subscriptions;
    char name[] = "s1";

    if (methods->env.events == NULL) {
        return events_missing(call);
    }
    if (all == NULL) {
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "no_stream",
                            "notifications need a stream: call on the Unix socket, or use "
                            "GET /events");
    }
    for (unsigned i = 0; i < EVENT_SUBSCRIPTIONS_MAX; i++) {
        if ((all->used & 1u << i) == 0) {
            if (!methods_event_cursor(methods, call->params, &all->cursors[i])) {
                return jsonrpc_fail_param(call, "/filter", "too long, or more than four members");
            }
            all->used |= 1u << i;
            name[1] = (char)('1' + i);
            call->result = json_pack("{s:s, s:o}", "subscription", name, "seq",
                                     value_u64(all->cursors[i].next));
            return 0;
        }
    }
    return jsonrpc_fail(call, JSONRPC_TOO_LARGE, "too_many_subscriptions",
                        "a connection may have four; events.unsubscribe ends one");
}

static int events_unsubscribe(struct jsonrpc_call *call)
{
    struct event_subscriptions *all = call->caller->subscriptions;
    const char *name = json_string_value(json_object_get(call->params, "subscription"));
    unsigned index = (unsigned)(name[1] - '1');

    if (all == NULL || name[0] != 's' || index >= EVENT_SUBSCRIPTIONS_MAX ||
        (all->used & 1u << index) == 0) {
        return jsonrpc_fail(call, JSONRPC_NOT_FOUND, "no_subscription",
                            "this connection has no subscription \"%s\"", name);
    }
    all->used &= ~(1u << index);
    call->result = json_object();
    return 0;
}

static json_t *event_json(const struct event *event)
{
    return json_pack("{s:o, s:o, s:s, s:o}", "seq", value_u64(event->seq), "ts",
                     value_time(event->time), "topic", event_topic_name(event->topic), "data",
                     json_loadb(event->data, event->size, 0, NULL));
}

static int events_get(struct jsonrpc_call *call)
{
    struct methods *methods = call->rpc->ctx;
    const json_t *after = json_object_get(call->params, "after_seq");
    const json_t *limit_json = json_object_get(call->params, "limit");
    json_int_t limit = limit_json ? json_integer_value(limit_json) : GET_LIMIT_DEFAULT;
    json_t *list, *gaps;
    struct event_cursor cursor;
    const struct event *event;
    uint64_t first, last, newest;
    enum event_read read;

    if (methods->env.events == NULL) {
        return events_missing(call);
    }
    if (!methods_event_cursor(methods, call->params, &cursor)) {
        return jsonrpc_fail_param(call, "/filter", "too long, or more than four members");
    }
    newest = events_last(methods->env.events);
    if (after && (uint64_t)json_integer_value(after) < newest) {
        cursor.next = (uint64_t)json_integer_value(after) + 1;
    } else if (after == NULL) {
        cursor.next = newest > (uint64_t)limit ? newest - (uint64_t)limit + 1 : 1;
    }
    list = json_array();
    gaps = json_array();
    for (unsigned i = 0; i < 2 * EVENTS_KEPT && json_array_size(list) < (size_t)limit; i++) {
        read = events_read(methods->env.events, &cursor, &event, &first, &last);
        if (read == EVENT_READ_NONE) {
            break;
        }
        if (read == EVENT_READ_ONE) {
            (void)json_array_append_new(list, event_json(event));
        } else if (read == EVENT_READ_GAP && after) {
            (void)json_array_append_new(
                gaps, json_pack("{s:o, s:o}", "first", value_u64(first), "last", value_u64(last)));
        }
    }
    call->result = json_pack("{s:o, s:o, s:o, s:o}", "events", list, "gaps", gaps, "last_seq",
                             value_u64(cursor.next - 1), "newest_seq", value_u64(newest));
    return 0;
}

static int alarm_list(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    const json_t *active = json_object_get(call->params, "active");
    json_t *list = json_array();

    for (unsigned i = 0; env->alarms && i < ALARMS_KEPT; i++) {
        const struct alarm_row *row = alarm_get(env->alarms, i);

        if (row && (active == NULL || json_is_true(active) == row->active)) {
            (void)json_array_append_new(list, alarm_json(row));
        }
    }
    call->result = json_pack("{s:o}", "alarms", list);
    return 0;
}

static int alarm_acknowledge(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    json_int_t id = json_integer_value(json_object_get(call->params, "id"));
    const char *comment = json_string_value(json_object_get(call->params, "comment"));

    if (env->alarms == NULL ||
        alarm_ack(env->alarms, (uint64_t)id, call->caller->who ? call->caller->who : "",
                  comment ? comment : "", env->now(env->ctx))) {
        return jsonrpc_fail(call, JSONRPC_NOT_FOUND, "no_alarm",
                            "no alarm %lld; alarm.list tells their numbers", (long long)id);
    }
    call->result = json_pack("{s:b}", "acked", 1);
    return 0;
}

const struct jsonrpc_method methods_events_table[] = {
    {"alarm.list", JSONRPC_ROLE_VIEW, false, alarm_list_fields, alarm_list,
     "Lists standing troubles and those that are over.",
     "{alarms: [{id, check, subject, level, text, active, since, cleared, raised, acked, acked_by, "
     "comment}]}; raised: how often"},
    {"alarm.ack", JSONRPC_ROLE_OPERATE, true, alarm_ack_fields, alarm_acknowledge,
     "Says that somebody has seen an alarm.", "{acked}"},
    {"events.subscribe", JSONRPC_ROLE_VIEW, false, methods_subscribe_fields, events_subscribe,
     "Sends events as they come, on this connection to the Unix socket.",
     "{subscription, seq}; then notifications events.event {subscription, seq, ts, topic, data}, "
     "and events.gap {subscription, first, last} for events that came faster than they were read"},
    {"events.unsubscribe", JSONRPC_ROLE_VIEW, false, unsubscribe_fields, events_unsubscribe,
     "Ends a subscription of this connection.", "{}"},
    {"events.get", JSONRPC_ROLE_VIEW, false, get_fields, events_get,
     "Returns events, for callers that poll. Leases are told for 60 s after each call that asked "
     "for them.",
     "{events: [{seq, ts, topic, data}], gaps: [{first, last}], last_seq, newest_seq}; last_seq "
     "is the next call's after_seq"},
    METHODS_TABLE_END,
};

/* Who called what: the dispatcher's audit hook, audit.list and auth.whoami. */
#include <string.h>

#include "observe/audit.h"
#include "server/methods_internal.h"

enum {
    MEMBER_MAX = 128, /* octets of one parameter that are told */
    LIST_DEFAULT = 100,
    NAME_MAX_SHORT = 32, /* octets of a member's name */
};

static const struct field list_fields[] = {
    {.name = "from", .type = FIELD_STRING, .min = 20, .max = 20, .help = "Not before this time."},
    {.name = "to", .type = FIELD_STRING, .min = 20, .max = 20, .help = "Not after this time."},
    {.name = "who",
     .type = FIELD_STRING,
     .min = 1,
     .max = AUDIT_WHO_MAX,
     .help = "Only this caller."},
    {.name = "method",
     .type = FIELD_STRING,
     .min = 1,
     .max = AUDIT_METHOD_MAX,
     .help = "Only this method."},
    {.name = "limit",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = AUDIT_KEPT,
     .fallback = "100",
     .help = "Most entries to return."},
    {.type = FIELD_END},
};

/* Short values as they are, long ones as "...". A configuration may hold secrets: nothing of it. */
static json_t *member_digest(const json_t *value, bool secret)
{
    char *dump = secret && !json_is_boolean(value) && !json_is_number(value)
                     ? NULL
                     : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    bool told = dump && strlen(dump) <= MEMBER_MAX;

    free(dump);
    return told ? json_deep_copy(value) : json_string("...");
}

/* The parameters as JSON in at most buf_size octets: members that do not fit are left out. */
static void params_digest(const char *method, const json_t *params, char *buf, size_t buf_size)
{
    json_t *digest = json_object();
    const char *name;
    json_t *value;
    size_t size = 0;

    json_object_foreach((json_t *)(uintptr_t)params, name, value)
    {
        bool secret = strncmp(method, "config.", 7) == 0 || strstr(name, "secret");

        if (strlen(name) <= NAME_MAX_SHORT) {
            (void)json_object_set_new(digest, name, member_digest(value, secret));
            size = json_dumpb(digest, NULL, 0, JSON_COMPACT);
            if (size >= buf_size) {
                (void)json_object_del(digest, name);
            }
        }
    }
    size = json_dumpb(digest, buf, buf_size - 1, JSON_COMPACT);
    buf[size < buf_size ? size : 0] = '\0';
    json_decref(digest);
}

static json_t *entry_json(const struct audit_entry *entry)
{
    json_t *params = json_loads(entry->params[0] ? entry->params : "{}", 0, NULL);

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o}", "seq", value_u64(entry->seq), "at",
                     value_time(entry->time), "who", value_text(entry->who), "from",
                     value_text(entry->from), "method", value_text(entry->method), "params",
                     params ? params : json_object(), "code", entry->code, "result",
                     value_text(entry->result));
}

void methods_audit(const struct jsonrpc_call *call, const struct jsonrpc_method *method, int code)
{
    const struct methods_env *env = methods_env(call);
    const struct jsonrpc_caller *caller = call->caller;
    struct audit_entry entry = {.time = env->now(env->ctx), .code = code};
    const struct audit_entry *kept;
    json_t *json;
    char *line;

    if (env->audit == NULL) {
        return;
    }
    (void)snprintf(entry.who, sizeof(entry.who), "%s", caller->who ? caller->who : "");
    (void)snprintf(entry.from, sizeof(entry.from), "%s", caller->from ? caller->from : "");
    (void)snprintf(entry.method, sizeof(entry.method), "%s", method->name);
    (void)snprintf(entry.result, sizeof(entry.result), "%s", code ? call->message : "ok");
    params_digest(method->name, call->params, entry.params, sizeof(entry.params));
    kept = audit_add(env->audit, &entry);
    json = entry_json(kept);
    methods_event(call->rpc->ctx, EVENT_AUDIT, json_incref(json));
    line = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (line && env->audit_line) {
        env->audit_line(env->audit_ctx, line);
    }
    free(line);
    json_decref(json);
}

/* A time parameter; false when it is malformed. */
static bool time_param(const json_t *params, const char *name, sec_t fallback, sec_t *ret_time)
{
    const char *text = json_string_value(json_object_get(params, name));

    *ret_time = fallback;
    return text == NULL || value_time_read(text, ret_time);
}

static bool entry_wanted(const struct audit_entry *entry, const json_t *params)
{
    const char *who = json_string_value(json_object_get(params, "who"));
    const char *method = json_string_value(json_object_get(params, "method"));

    return (who == NULL || strcmp(who, entry->who) == 0) &&
           (method == NULL || strcmp(method, entry->method) == 0);
}

static int audit_list(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    const json_t *limit_json = json_object_get(call->params, "limit");
    json_int_t left = limit_json ? json_integer_value(limit_json) : LIST_DEFAULT;
    const struct audit_entry *entry;
    sec_t from, to; /* compared as numbers: far dates are meant as such */
    json_t *entries;

    if (!time_param(call->params, "from", 0, &from)) {
        return jsonrpc_fail_param(call, "/from", "must be a time as 2026-11-23T18:00:00Z");
    }
    if (!time_param(call->params, "to", UINT32_MAX, &to)) {
        return jsonrpc_fail_param(call, "/to", "must be a time as 2026-11-23T18:00:00Z");
    }
    entries = json_array();
    for (unsigned i = 0; env->audit && left > 0 && (entry = audit_get(env->audit, i)); i++) {
        if (entry->time >= from && entry->time <= to && entry_wanted(entry, call->params)) {
            (void)json_array_append_new(entries, entry_json(entry));
            left--;
        }
    }
    call->result = json_pack("{s:o, s:o}", "entries", entries, "since_start",
                             value_u64(env->audit ? audit_count(env->audit) : 0));
    return 0;
}

static int auth_whoami(struct jsonrpc_call *call)
{
    json_t *roles = json_array();

    for (unsigned role = 0; role < JSONRPC_ROLE_COUNT; role++) {
        if (call->caller->roles & 1u << role) {
            (void)json_array_append_new(roles, json_string(jsonrpc_role_name(role)));
        }
    }
    call->result =
        json_pack("{s:o, s:o, s:o}", "user", value_text(call->caller->who ? call->caller->who : ""),
                  "roles", roles, "via", value_text(call->caller->from ? call->caller->from : ""));
    return 0;
}

const struct jsonrpc_method methods_audit_table[] = {
    {"audit.list", JSONRPC_ROLE_ADMIN, false, list_fields, audit_list,
     "Lists the last calls that needed more than view, newest first.",
     "{entries: [{seq, at, who, from, method, params, code, result}], since_start}; code 0: done; "
     "state_dir/audit.log has all of them"},
    {"auth.whoami", JSONRPC_ROLE_VIEW, false, NULL, auth_whoami,
     "Tells who you are here, and what you may do.", "{user, roles[], via}"},
    METHODS_TABLE_END,
};

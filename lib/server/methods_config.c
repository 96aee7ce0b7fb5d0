/* config.get, config.history and config.diff; what is hidden from whom. */
#include <stdlib.h>
#include <string.h>

#include "server/json_patch.h"
#include "server/methods_internal.h"

enum {
    WALK_DEPTH_MAX = 16
};

static const struct field get_fields[] = {
    {.name = "path",
     .type = FIELD_STRING,
     .max = 255,
     .help = "JSON pointer of the part wanted, as /links/0."},
    {.name = "redact",
     .type = FIELD_BOOL,
     .fallback = "true",
     .help = "Hide secrets; false needs the role admin."},
    {.type = FIELD_END},
};

static const struct field history_fields[] = {
    {.name = "limit",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = REVISIONS_MAX,
     .fallback = "32",
     .help = "Most revisions to return, the newest first."},
    {.type = FIELD_END},
};

static const struct field diff_fields[] = {
    {.name = "a",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = INT64_MAX,
     .help = "A revision; the one in force when left out."},
    {.name = "b",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = INT64_MAX,
     .help = "The revision to compare it with."},
    {.name = "config", .type = FIELD_ANY, .help = "In the place of b: a configuration as JSON."},
    {.name = "text",
     .type = FIELD_STRING,
     .min = 1,
     .help = "In the place of b: a configuration file as text."},
    {.name = "file",
     .type = FIELD_BOOL,
     .help = "In the place of b: true: the server's own configuration file."},
    {.type = FIELD_END},
};

/* Members whose values are secrets, wherever they stand. */
static const char *const secrets[] = {"allocation_secret"};

static void secrets_hide(json_t *object)
{
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        if (json_object_get(object, secrets[i])) {
            (void)json_object_set_new(object, secrets[i], json_string(METHODS_CONFIG_HIDDEN));
        }
    }
}

/* Visits every object of a configuration (checked, so not deeper than its tables). */
void methods_config_redact(json_t *config)
{
    struct {
        json_t *value;
        void *iter;
        size_t index;
    } stack[WALK_DEPTH_MAX];

    unsigned depth = 0;

    secrets_hide(config);
    stack[depth++].value = config;
    stack[0].iter = json_object_iter(config);
    stack[0].index = 0;
    while (depth > 0) {
        json_t *value = stack[depth - 1].value, *child = NULL;

        if (json_is_object(value) && stack[depth - 1].iter) {
            child = json_object_iter_value(stack[depth - 1].iter);
            stack[depth - 1].iter = json_object_iter_next(value, stack[depth - 1].iter);
        } else if (json_is_array(value)) {
            child = json_array_get(value, stack[depth - 1].index++);
        }
        if (child == NULL) {
            depth--;
        } else if ((json_is_object(child) || json_is_array(child)) && depth < WALK_DEPTH_MAX) {
            secrets_hide(child);
            stack[depth].value = child;
            stack[depth].iter = json_object_iter(child);
            stack[depth++].index = 0;
        }
    }
}

static int config_get(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    const struct methods *methods = call->rpc->ctx;
    const char *text = env->config(env->ctx)->text;
    const char *path = json_string_value(json_object_get(call->params, "path"));
    bool redact = !json_is_false(json_object_get(call->params, "redact"));
    json_t *whole, *part;
    uint64_t digest;

    call->sensitive = !redact;
    if (!redact && (call->caller->roles & 1u << JSONRPC_ROLE_ADMIN) == 0) {
        return jsonrpc_fail(call, JSONRPC_UNAUTHORIZED, "role_required",
                            "secrets are shown to the role \"admin\" only");
    }
    whole = json_loads(text ? text : "", 0, NULL);
    if (whole == NULL || !revisions_digest(whole, &digest)) {
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "no_config",
                            "the configuration's text is not at hand");
    }
    if (redact) {
        methods_config_redact(whole);
    }
    part = json_pointer_find(whole, path ? path : "");
    if (part) {
        call->result = json_pack("{s:O, s:o, s:o}", "config", part, "revision",
                                 value_u64(methods_revision(methods)), "digest",
                                 json_sprintf("%016llx", (unsigned long long)digest));
    }
    json_decref(whole);
    return part ? 0
                : jsonrpc_fail(call, JSONRPC_NOT_FOUND, "no_part",
                               "the configuration has nothing at %.200s", path);
}

static int config_history(struct jsonrpc_call *call)
{
    const struct methods *methods = call->rpc->ctx;
    const struct revisions *revisions = &methods->config.revisions;
    const json_t *limit = json_object_get(call->params, "limit");
    json_int_t left = limit ? json_integer_value(limit) : REVISIONS_MAX;
    json_t *rows = json_array();

    for (unsigned i = revisions->count; i > 0 && left > 0; i--, left--) {
        const struct revision *row = &revisions->rows[i - 1];

        (void)json_array_append_new(
            rows, json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}", "revision", value_u64(row->number),
                            "time", value_time(row->time), "who", value_text(row->who), "comment",
                            value_text(row->comment), "digest",
                            json_sprintf("%016llx", (unsigned long long)row->digest), "in_force",
                            i == revisions->count));
    }
    call->result =
        json_pack("{s:o, s:o}", "revisions", rows, "confirm_until",
                  methods->config.confirm_until_s ? value_time(methods->config.confirm_until_s)
                                                  : json_null());
    return 0;
}

/* A revision's configuration without its secrets. */
static int revision_load(struct jsonrpc_call *call, const json_t *number, json_t **ret_config)
{
    const struct methods *methods = call->rpc->ctx;
    const struct revisions *revisions = &methods->config.revisions;
    const struct revision *row =
        number ? revisions_find(revisions, (uint64_t)json_integer_value(number))
               : revisions_newest(revisions);

    if (row == NULL) {
        return jsonrpc_fail(call, JSONRPC_NOT_FOUND, "no_revision",
                            "no such revision is kept; config.history lists them");
    }
    *ret_config = json_loads(row->text, 0, NULL);
    if (*ret_config) {
        methods_config_redact(*ret_config);
    }
    return 0;
}

static int config_diff(struct jsonrpc_call *call)
{
    const json_t *b = json_object_get(call->params, "b");
    json_t *from = NULL, *to = NULL, *patch = NULL;
    json_error_t error;
    char *text = NULL;
    int code = revision_load(call, json_object_get(call->params, "a"), &from);

    if (code == 0 && b) {
        code = revision_load(call, b, &to);
    } else if (code == 0) {
        code = methods_config_candidate(call, &text);
        to = text ? json_loads(text, 0, &error) : NULL;
        if (code == 0 && text && to == NULL) {
            code = jsonrpc_fail(call, JSONRPC_CONFIG_INVALID, "no_json", "line %d: %s", error.line,
                                error.text);
        }
        free(text);
    }
    if (code == 0 && from && to) {
        methods_config_redact(to);
        patch = json_patch_diff(from, to);
        call->result =
            patch ? json_pack("{s:b, s:o}", "equal", json_array_size(patch) == 0, "patch", patch)
                  : NULL;
    }
    json_decref(from);
    json_decref(to);
    return code;
}

const struct jsonrpc_method methods_config_table[] = {
    {"config.get", JSONRPC_ROLE_VIEW, false, get_fields, config_get,
     "Shows the configuration in force, or a part of it.", "{config, revision, digest}"},
    {"config.history", JSONRPC_ROLE_VIEW, false, history_fields, config_history,
     "Lists the configurations that were in force, the newest first.",
     "{revisions: [{revision, time, who, comment, digest, in_force}], confirm_until}"},
    {"config.diff", JSONRPC_ROLE_VIEW, false, diff_fields, config_diff,
     "Tells what one configuration has to become to be another, as JSON Patch (RFC 6902); secrets "
     "are hidden on both sides.",
     "{equal, patch: [{op, path, value}]}"},
    METHODS_TABLE_END,
};

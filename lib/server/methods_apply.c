/* config.test, config.apply, config.confirm, config.rollback, config.save. */
#include <stdlib.h>
#include <string.h>

#include "server/methods_change.h"
#include "server/restart.h"

enum {
    CONFIRM_MAX_S = 86400
};

const struct field config_accept_row[] = {
    {.name = "name", .type = FIELD_STRING, .min = 1, .max = 255}, {.type = FIELD_END}};

#define SOURCE_FIELDS                                                                              \
    {.name = "config", .type = FIELD_ANY, .help = "The configuration as JSON."},                   \
        {.name = "text",                                                                           \
         .type = FIELD_STRING,                                                                     \
         .min = 1,                                                                                 \
         .help = "The configuration file as text; mistakes are then told by line."},               \
        {.name = "patch",                                                                          \
         .type = FIELD_ANY,                                                                        \
         .help = "Changes to the one in force, as JSON Patch (RFC 6902)."},                        \
        {.name = "file",                                                                           \
         .type = FIELD_BOOL,                                                                       \
         .help = "true: the server's own configuration file, read again."},                        \
    {                                                                                              \
        .name = "name", .type = FIELD_STRING, .min = 1, .max = 200,                                \
        .help = "Name of the file, for the messages."                                              \
    }

static const struct field test_fields[] = {SOURCE_FIELDS, {.type = FIELD_END}};

static const struct field apply_fields[] = {
    SOURCE_FIELDS,
    CONFIG_APPLY_FIELDS,
    {.name = "confirm_within_s",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = CONFIRM_MAX_S,
     .help = "Go back by itself unless config.confirm comes within so many seconds."},
    {.type = FIELD_END},
};

static const struct field rollback_fields[] = {
    {.name = "revision",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = INT64_MAX,
     .help = "The one to go back to; the one before the last change when left out."},
    CONFIG_APPLY_FIELDS,
    {.type = FIELD_END},
};

static const struct field confirm_fields[] = {
    {.name = "revision",
     .type = FIELD_INTEGER,
     .required = true,
     .min = 1,
     .max = INT64_MAX,
     .help = "The one config.apply returned."},
    {.type = FIELD_END},
};

static json_t *mistake_json(const struct config_error *mistake, bool has_lines)
{
    return json_pack("{s:o, s:i, s:o}", "path", value_text(mistake->pointer), "line",
                     has_lines ? (int)mistake->line : 0, "text", value_text(mistake->text));
}

static bool has_lines(const struct jsonrpc_call *call)
{
    return json_object_get(call->params, "config") == NULL &&
           json_object_get(call->params, "patch") == NULL;
}

static json_t *warnings_json(const struct jsonrpc_call *call, const struct config *config)
{
    json_t *rows = json_array();

    for (unsigned i = 0; i < config->warning_count; i++) {
        (void)json_array_append_new(rows, mistake_json(&config->warnings[i], has_lines(call)));
    }
    return rows;
}

static int config_test(struct jsonrpc_call *call)
{
    struct methods *methods = call->rpc->ctx;
    struct config_error mistake;
    struct config_job *job;
    char *text;
    int code = methods_config_candidate(call, &text), r;

    if (code || text == NULL) {
        return code;
    }
    r = config_job_get(call, text, &job, &mistake);
    if (r == -EINVAL) {
        call->result = json_pack("{s:b, s:[o], s:[], s:n}", "valid", 0, "errors",
                                 mistake_json(&mistake, has_lines(call)), "warnings", "effect");
    } else if (r == 0) {
        (void)config_job_turn(methods, job);
        call->result =
            json_pack("{s:b, s:[], s:o, s:o}", "valid", 1, "errors", "warnings",
                      warnings_json(call, job->config), "effect", config_effect_json(methods, job));
    }
    return 0; /* without a result: told as out of memory */
}

/* What stands against the configuration; 0: nothing. */
static int job_refuse(struct jsonrpc_call *call, const struct config_job *job)
{
    const struct methods *methods = call->rpc->ctx;
    const struct methods_env *env = &methods->env;
    const char *reasons[RESTART_REASONS_MAX];
    char text[JSONRPC_MESSAGE_MAX];

    if (restart_reasons(env->config(env->ctx), job->config, reasons)) {
        return jsonrpc_fail(call, JSONRPC_CONFIG_UNSAFE, "restart_needed",
                            "it changes %s: that needs a restart; nothing is changed", reasons[0]);
    }
    if (change_complete(job->change) &&
        config_stranded_tell(env->policy(env->ctx), job->change,
                             json_object_get(call->params, "accept"), text, sizeof(text))) {
        return jsonrpc_fail(call, JSONRPC_CONFIG_UNSAFE, "strands_leases", "%s", text);
    }
    return 0;
}

static void confirm_arm(struct jsonrpc_call *call, uint64_t back)
{
    struct methods *methods = call->rpc->ctx;
    const json_t *within = json_object_get(call->params, "confirm_within_s");

    if (within && methods_revision(methods) != back) {
        methods->config.confirm_until_s =
            methods->env.now(methods->env.ctx) + (sec_t)json_integer_value(within);
        methods->config.confirm_back = back;
    }
}

static int apply_finish(struct jsonrpc_call *call, struct config_job *job, const char *comment)
{
    struct methods *methods = call->rpc->ctx;
    json_t *result = config_effect_json(methods, job);
    uint64_t back = methods_revision(methods);
    bool applied =
        change_complete(job->change) && !json_is_true(json_object_get(call->params, "dry_run"));
    int r = 0;

    (void)json_object_set_new(result, "warnings", warnings_json(call, job->config));
    if (applied) {
        r = config_job_apply(methods, job, call->caller->who, comment);
    }
    if (r) {
        json_decref(result);
        return jsonrpc_fail(call, JSONRPC_CONFIG_UNSAFE, "cannot_be_applied", "%s",
                            config_apply_error(r));
    }
    if (applied) {
        confirm_arm(call, back);
    }
    (void)json_object_set_new(result, "applied", json_boolean(applied));
    (void)json_object_set_new(result, "revision", value_u64(methods_revision(methods)));
    (void)json_object_set_new(result, "confirm_until",
                              methods->config.confirm_until_s
                                  ? value_time(methods->config.confirm_until_s)
                                  : json_null());
    call->result = result;
    return 0;
}

int config_text_apply(struct jsonrpc_call *call, char *text, const char *comment)
{
    struct methods *methods = call->rpc->ctx;
    struct config_error mistake;
    struct config_job *job;
    int r = config_job_get(call, text, &job, &mistake), code;

    if (r == -EINVAL) {
        return jsonrpc_fail(call, JSONRPC_CONFIG_INVALID, "mistake", "%s%.100s: %.140s",
                            mistake.pointer[0] ? "" : "/", mistake.pointer, mistake.text);
    }
    if (r) {
        return 0; /* told as out of memory */
    }
    (void)config_job_turn(methods, job);
    code = json_is_true(json_object_get(call->params, "dry_run")) ? 0 : job_refuse(call, job);
    return code ? code : apply_finish(call, job, comment);
}

/* What all changing methods ask before anything else. */
static int change_allowed(struct jsonrpc_call *call)
{
    const struct methods *methods = call->rpc->ctx;
    const json_t *expect = json_object_get(call->params, "expect_revision");
    unsigned long long revision = methods_revision(methods);

    if (methods->env.config_apply == NULL) {
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "not_here",
                            "this server's configuration cannot be changed");
    }
    if (expect && (unsigned long long)json_integer_value(expect) != revision) {
        return jsonrpc_fail(call, JSONRPC_REVISION_MISMATCH, "revision_mismatch",
                            "revision %llu is in force: look at it, then try again", revision);
    }
    return 0;
}

int config_change_begin(struct jsonrpc_call *call)
{
    const struct methods *methods = call->rpc->ctx;
    int code = change_allowed(call);

    if (code == 0 && methods->config.confirm_until_s) {
        code = jsonrpc_fail(call, JSONRPC_WRONG_STATE, "confirm_pending",
                            "revision %llu waits for config.confirm or config.rollback",
                            (unsigned long long)methods_revision(methods));
    }
    return code;
}

static int config_apply(struct jsonrpc_call *call)
{
    const char *comment = json_string_value(json_object_get(call->params, "comment"));
    char *text;
    int code = config_change_begin(call);

    code = code ? code : methods_config_candidate(call, &text);
    return code || text == NULL ? code : config_text_apply(call, text, comment ? comment : "");
}

static int config_rollback(struct jsonrpc_call *call)
{
    const struct methods *methods = call->rpc->ctx;
    const struct config_state *state = &methods->config;
    const json_t *wanted = json_object_get(call->params, "revision");
    const char *comment = json_string_value(json_object_get(call->params, "comment"));
    char said[REVISIONS_COMMENT_MAX + 1];
    const struct revision *row;
    uint64_t number = wanted                   ? (uint64_t)json_integer_value(wanted)
                      : state->confirm_until_s ? state->confirm_back
                                               : methods_revision(methods) - 1;
    int code = change_allowed(call);
    char *text;

    if (code) {
        return code;
    }
    row = revisions_find(&state->revisions, number);
    if (row == NULL) {
        return jsonrpc_fail(call, JSONRPC_NOT_FOUND, "no_revision",
                            "revision %llu is not kept; config.history lists them",
                            (unsigned long long)number);
    }
    (void)snprintf(said, sizeof(said), "back to revision %llu%s%s", (unsigned long long)number,
                   comment ? ": " : "", comment ? comment : "");
    text = strdup(row->text);
    return text ? config_text_apply(call, text, said) : 0;
}

static int config_confirm(struct jsonrpc_call *call)
{
    struct methods *methods = call->rpc->ctx;
    json_int_t wanted = json_integer_value(json_object_get(call->params, "revision"));

    if (methods->config.confirm_until_s == 0) {
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "nothing_pending",
                            "no configuration waits to be confirmed");
    }
    if ((uint64_t)wanted != methods_revision(methods)) {
        return jsonrpc_fail(call, JSONRPC_REVISION_MISMATCH, "revision_mismatch",
                            "revision %llu waits to be confirmed",
                            (unsigned long long)methods_revision(methods));
    }
    methods->config.confirm_until_s = 0;
    call->result = json_pack("{s:o}", "revision", value_u64(methods_revision(methods)));
    return 0;
}

static int config_save(struct jsonrpc_call *call)
{
    const struct methods *methods = call->rpc->ctx;
    const struct methods_env *env = &methods->env;
    int r = env->config_save ? env->config_save(env->config_ctx, config_text_in_force(methods))
                             : -ENOENT;

    if (r && r != -EINPROGRESS) {
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "not_written", "%s: %s",
                            env->config_path ? env->config_path : "no file", strerror(-r));
    }
    call->result = json_pack("{s:o, s:o, s:b}", "path", value_text(env->config_path), "revision",
                             value_u64(methods_revision(methods)), "complete", r == 0);
    return 0;
}

#define EFFECT                                                                                     \
    "changes, restart_needed: [], stranded: [{pool, link, gone, moved}], complete, looked_at, "    \
    "slots"

const struct jsonrpc_method methods_change_table[] = {
    {"config.test", JSONRPC_ROLE_VIEW, false, test_fields, config_test,
     "Checks a configuration without using it: its mistakes, what needs a restart, whose leases "
     "would be stranded. Leases are counted in portions: while complete is false, repeat the call.",
     "{valid, errors: [{path, line, text}], warnings: [{path, line, text}], effect: {" EFFECT
     "}}; line 0: not known"},
    {"config.apply", JSONRPC_ROLE_CONFIG, true, apply_fields, config_apply,
     "Puts a configuration to use at once, whole or not at all. Refused when it needs a restart, "
     "or would strand active leases that accept does not name. Repeat the call while complete is "
     "false.",
     "{applied, revision, confirm_until, warnings, " EFFECT "}"},
    {"config.confirm", JSONRPC_ROLE_CONFIG, true, confirm_fields, config_confirm,
     "Keeps a configuration that was applied with confirm_within_s.", "{revision}"},
    {"config.rollback", JSONRPC_ROLE_CONFIG, true, rollback_fields, config_rollback,
     "Puts an earlier configuration to use, as config.apply would; it becomes a new revision.",
     "{applied, revision, confirm_until, warnings, " EFFECT "}"},
    {"config.save", JSONRPC_ROLE_CONFIG, true, NULL, config_save,
     "Writes the configuration in force to the server's configuration file. Repeat the call while "
     "complete is false.",
     "{path, revision, complete}"},
    METHODS_TABLE_END,
};

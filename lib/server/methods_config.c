/* config.get and config.test. */
#include <stdlib.h>
#include <string.h>

#include "server/methods_internal.h"

enum {
    POINTER_DEPTH_MAX = 16,
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

static const struct field test_fields[] = {
    {.name = "config", .type = FIELD_ANY, .help = "The configuration as JSON."},
    {.name = "text",
     .type = FIELD_STRING,
     .min = 1,
     .help = "The configuration file as text; mistakes are then told by line."},
    {.name = "name",
     .type = FIELD_STRING,
     .min = 1,
     .max = 200,
     .help = "Name of the file, for the messages."},
    {.type = FIELD_END},
};

/* Members whose values are secrets, wherever they stand. */
static const char *const secrets[] = {"allocation_secret"};

static void secrets_hide(json_t *object)
{
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        if (json_object_get(object, secrets[i])) {
            (void)json_object_set_new(object, secrets[i], json_string("(hidden)"));
        }
    }
}

/* Visits every object of a configuration (checked, so not deeper than its tables). */
static void config_redact(json_t *config)
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

/* One reference token of a JSON pointer (RFC 6901 4) behind *at; false when malformed. */
static bool token_read(const char **at, char *token, size_t token_size)
{
    const char *p = *at;
    size_t size = 0;

    if (*p++ != '/') {
        return false;
    }
    for (; *p && *p != '/' && size < token_size - 1; p++) {
        token[size] = *p;
        if (*p == '~') {
            p++;
            if (*p != '0' && *p != '1') {
                return false;
            }
            token[size] = *p == '0' ? '~' : '/';
        }
        size++;
    }
    token[size] = '\0';
    *at = p;
    return *p == '\0' || *p == '/';
}

/* The value at a JSON pointer, borrowed; NULL when there is none. */
static json_t *pointer_find(json_t *value, const char *pointer)
{
    char token[256], *end;

    for (unsigned depth = 0; *pointer && value && depth < POINTER_DEPTH_MAX; depth++) {
        if (!token_read(&pointer, token, sizeof(token))) {
            return NULL;
        }
        if (json_is_array(value)) {
            unsigned long index = strtoul(token, &end, 10);
            bool digits = token[0] >= '0' && token[0] <= '9' && *end == '\0';

            value = digits ? json_array_get(value, index) : NULL;
        } else {
            value = json_object_get(value, token);
        }
    }
    return *pointer ? NULL : value;
}

/* Equal configurations have equal digests, however they are spaced and ordered. Not a secret and no
 * protection against forgery. */
static json_t *config_digest(const json_t *config)
{
    struct siphash_key key = {0x74616e64656d3601ULL, 0x636f6e6669670000ULL};
    char *text = json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS);
    json_t *digest =
        text ? json_sprintf("%016llx", (unsigned long long)siphash(key, text, strlen(text))) : NULL;

    free(text);
    return digest;
}

static int config_get(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    const struct config *config = env->config(env->ctx);
    const char *path = json_string_value(json_object_get(call->params, "path"));
    bool redact = !json_is_false(json_object_get(call->params, "redact"));
    json_t *whole, *part, *digest;

    call->sensitive = !redact;
    if (!redact && (call->caller->roles & 1u << JSONRPC_ROLE_ADMIN) == 0) {
        return jsonrpc_fail(call, JSONRPC_UNAUTHORIZED, "role_required",
                            "secrets are shown to the role \"admin\" only");
    }
    whole = json_loads(config->text ? config->text : "", 0, NULL);
    if (whole == NULL) {
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "no_config",
                            "the configuration's text is not at hand");
    }
    digest = config_digest(whole);
    if (redact) {
        config_redact(whole);
    }
    part = pointer_find(whole, path ? path : "");
    if (part) {
        call->result = json_pack("{s:O, s:o, s:o}", "config", part, "revision",
                                 value_u64(env->policy(env->ctx)->revision), "digest", digest);
    } else {
        json_decref(digest);
    }
    json_decref(whole);
    return part ? 0
                : jsonrpc_fail(call, JSONRPC_NOT_FOUND, "no_part",
                               "the configuration has nothing at %.200s", path);
}

static json_t *mistake_json(const struct config_error *mistake)
{
    return json_pack("{s:o, s:i, s:o}", "path", value_text(mistake->pointer), "line",
                     (int)mistake->line, "text", value_text(mistake->text));
}

static void config_check(const char *name, const char *text, bool has_lines, json_t *errors,
                         json_t *warnings)
{
    struct config *config = NULL;
    struct config_error mistake = {0};
    int err = config_parse(name, text, strlen(text), &config, &mistake);

    if (err) {
        if (mistake.text[0] == '\0') {
            (void)snprintf(mistake.text, sizeof(mistake.text), "%s", strerror(-err));
        }
        mistake.line = has_lines ? mistake.line : 0;
        (void)json_array_append_new(errors, mistake_json(&mistake));
        return;
    }
    for (unsigned i = 0; i < config->warning_count; i++) {
        mistake = config->warnings[i];
        mistake.line = has_lines ? mistake.line : 0;
        (void)json_array_append_new(warnings, mistake_json(&mistake));
    }
    config_free(config);
}

static int config_test(struct jsonrpc_call *call)
{
    const json_t *config = json_object_get(call->params, "config");
    const char *text = json_string_value(json_object_get(call->params, "text"));
    const char *name = json_string_value(json_object_get(call->params, "name"));
    json_t *errors, *warnings;
    char *dump = NULL;

    if (!config == !text) {
        return jsonrpc_fail_param(call, "", "give either config or text");
    }
    if (config) {
        dump = json_dumps(config, JSON_INDENT(2) | JSON_ENCODE_ANY);
        if (dump == NULL) {
            return 0; /* told as out of memory */
        }
    }
    errors = json_array();
    warnings = json_array();
    config_check(name ? name : "config", dump ? dump : text, dump == NULL, errors, warnings);
    free(dump);
    call->result = json_pack("{s:b, s:o, s:o}", "valid", json_array_size(errors) == 0, "errors",
                             errors, "warnings", warnings);
    return 0;
}

const struct jsonrpc_method methods_config_table[] = {
    {"config.get", JSONRPC_ROLE_VIEW, false, get_fields, config_get,
     "Shows the configuration in force, or a part of it.", "{config, revision, digest}"},
    {"config.test", JSONRPC_ROLE_VIEW, false, test_fields, config_test,
     "Checks a configuration without using it.",
     "{valid, errors: [{path, line, text}], warnings: [{path, line, text}]}; line 0: not known"},
    METHODS_TABLE_END,
};

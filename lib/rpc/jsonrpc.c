/* Text in, text out: parse, validate the envelope, find the method, check role and parameters,
 * call, serialise. Replies are serialised one by one, so that a batch is never held twice as a
 * tree. */
#include "rpc/jsonrpc.h"

#include <stdarg.h>
#include <string.h>

const struct jsonrpc_error_row jsonrpc_errors[] = {
    {JSONRPC_PARSE_ERROR, "parse_error", "the request is not JSON"},
    {JSONRPC_INVALID_REQUEST, "invalid_request", "not a JSON-RPC 2.0 request"},
    {JSONRPC_METHOD_NOT_FOUND, "method_not_found", "no such method"},
    {JSONRPC_INVALID_PARAMS, "invalid_params", "a parameter is missing, unknown or wrong"},
    {JSONRPC_INTERNAL_ERROR, "internal_error", "the server could not build the answer"},
    {JSONRPC_UNAUTHORIZED, "unauthorized", "the caller lacks the method's role"},
    {JSONRPC_WRONG_STATE, "wrong_state", "the method is not allowed now"},
    {JSONRPC_TOO_LARGE, "too_large", "request or result over the limit; use limit and cursor"},
    {JSONRPC_BAD_CURSOR, "bad_cursor", "the cursor is not one of ours"},
    {JSONRPC_STORAGE_UNAVAILABLE, "storage_unavailable",
     "the log cannot be written; reason says whether the change was made"},
    {JSONRPC_NOT_FOUND, "not_found", "there is no such object"},
    {JSONRPC_ALREADY_EXISTS, "already_exists", "there is one of that key"},
    {JSONRPC_REVISION_MISMATCH, "revision_mismatch",
     "the configuration is not at expect_revision any more"},
    {JSONRPC_CONFLICT, "conflict_with_lease", "another client has it"},
    {JSONRPC_NOT_OWNER, "not_owner", "not this server's to give, or not to that client"},
    {JSONRPC_PEER, "peer", "the failover partner's state does not allow it; reason says why"},
    {JSONRPC_OUTSIDE_POOLS, "outside_pools", "in no pool, and not reserved"},
    {JSONRPC_CONFIG_INVALID, "config_invalid", "the configuration has a mistake"},
    {JSONRPC_CONFIG_UNSAFE, "config_unsafe",
     "the configuration would strand leases or needs a restart; reason says which"},
    {JSONRPC_CONFIRM_REQUIRED, "confirm_required", "dangerous: repeat with the confirm value"},
    {0, NULL, NULL},
};

static const char *const role_names[JSONRPC_ROLE_COUNT] = {
    [JSONRPC_ROLE_VIEW] = "view",     [JSONRPC_ROLE_OPERATE] = "operate",
    [JSONRPC_ROLE_CONFIG] = "config", [JSONRPC_ROLE_ADMIN] = "admin",
    [JSONRPC_ROLE_LEGAL] = "legal",
};

/* The reply under construction. */
struct text {
    char *bytes;
    size_t size, capacity;
};

/* A reply that may have to wait, and the one for when it waited in vain. */
struct answers {
    struct text out, late; /* late is empty until wait is set */
    uint64_t wait;
};

static int handle_one(const struct jsonrpc *rpc, const struct jsonrpc_caller *caller,
                      const json_t *request, size_t *work_left, struct answers *answers);
static int handle_batch(const struct jsonrpc *rpc, const struct jsonrpc_caller *caller,
                        const json_t *requests, struct answers *answers);
static bool envelope_check(struct jsonrpc_call *call, const json_t *request);
static int method_run(struct jsonrpc_call *call, const char *name);
static int method_call(struct jsonrpc_call *call, const struct jsonrpc_method *method);
static int answers_append(struct answers *answers, const json_t *id, int code,
                          struct jsonrpc_call *call);
static int answer_append(struct text *out, const json_t *id, int code, struct jsonrpc_call *call);
static int failure_append(struct text *out, const json_t *id, int code,
                          const struct jsonrpc_call *call);

static int text_append(struct text *out, const char *bytes, size_t size)
{
    if (size > out->capacity - out->size) {
        size_t capacity = out->capacity ? out->capacity : 256;
        char *grown;

        while (capacity - out->size < size) { /* doubles: at most 64 times */
            capacity *= 2;
        }
        grown = realloc(out->bytes, capacity);
        if (grown == NULL) {
            return -ENOMEM;
        }
        out->bytes = grown;
        out->capacity = capacity;
    }
    if (size > 0) {
        memcpy(out->bytes + out->size, bytes, size);
        out->size += size;
    }
    return 0;
}

/* One failure outside any method, id null. */
static int refusal_append(struct text *out, enum jsonrpc_code code, const char *reason,
                          const char *message)
{
    struct jsonrpc_call call = {0};

    return failure_append(out, NULL, jsonrpc_fail(&call, code, reason, "%s", message), &call);
}

int jsonrpc_handle(const struct jsonrpc *rpc, const struct jsonrpc_caller *caller,
                   struct span request, struct jsonrpc_reply *ret_reply)
{
    size_t work_left = JSONRPC_WORK_MAX;
    struct answers answers = {.wait = 0};
    json_error_t error;
    json_t *json;
    int err;

    if (request.size > JSONRPC_REQUEST_MAX) {
        return jsonrpc_too_large(ret_reply);
    }
    json = json_loadb(request.size ? (const char *)request.data : "", request.size,
                      JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        err = refusal_append(&answers.out, JSONRPC_PARSE_ERROR, "parse_error", error.text);
    } else if (json_is_array(json)) {
        err = handle_batch(rpc, caller, json, &answers);
    } else {
        err = handle_one(rpc, caller, json, &work_left, &answers);
    }
    json_decref(json);
    if (err) {
        free(answers.out.bytes);
        free(answers.late.bytes);
        return err;
    }
    *ret_reply = (struct jsonrpc_reply){answers.out.bytes, answers.out.size, answers.wait,
                                        answers.late.bytes, answers.late.size};
    return 0;
}

void jsonrpc_reply_free(struct jsonrpc_reply *reply)
{
    free(reply->text);
    free(reply->late);
    *reply = (struct jsonrpc_reply){.text = NULL};
}

bool jsonrpc_reply_is_due(const struct jsonrpc *rpc, const struct jsonrpc_reply *reply)
{
    return reply->wait == 0 || rpc->is_durable == NULL || rpc->is_durable(rpc, reply->wait);
}

void jsonrpc_reply_give_up(struct jsonrpc_reply *reply)
{
    if (reply->wait) {
        free(reply->text);
        *reply = (struct jsonrpc_reply){.text = reply->late, .size = reply->late_size};
    }
}

int jsonrpc_too_large(struct jsonrpc_reply *ret_reply)
{
    struct text out = {0};

    if (refusal_append(&out, JSONRPC_TOO_LARGE, "request_too_large",
                       "the request is longer than 1 MiB")) {
        free(out.bytes);
        return -ENOMEM;
    }
    *ret_reply = (struct jsonrpc_reply){.text = out.bytes, .size = out.size};
    return 0;
}

int jsonrpc_run(const struct jsonrpc *rpc, const struct jsonrpc_caller *caller, const char *name,
                const json_t *params, size_t work_max, json_t **ret_result,
                char ret_message[JSONRPC_MESSAGE_MAX])
{
    struct jsonrpc_call call = {
        .rpc = rpc, .caller = caller, .params = params, .work_left = &work_max};
    int code = method_run(&call, name);

    if (code) {
        (void)snprintf(ret_message, JSONRPC_MESSAGE_MAX, "%s", call.message);
        json_decref(call.result);
        return code;
    }
    *ret_result = call.result;
    return 0;
}

int jsonrpc_fail(struct jsonrpc_call *call, enum jsonrpc_code code, const char *reason,
                 const char *format, ...)
{
    va_list args;

    call->reason = reason;
    call->param[0] = '\0';
    va_start(args, format);
    (void)vsnprintf(call->message, sizeof(call->message), format, args);
    va_end(args);
    return code;
}

int jsonrpc_fail_param(struct jsonrpc_call *call, const char *param, const char *text)
{
    (void)jsonrpc_fail(call, JSONRPC_INVALID_PARAMS, "invalid_param", "%s", text);
    (void)snprintf(call->param, sizeof(call->param), "%s", param);
    return JSONRPC_INVALID_PARAMS;
}

const struct jsonrpc_method *jsonrpc_method_find(const struct jsonrpc *rpc, const char *name)
{
    for (const struct jsonrpc_method *const *group = rpc->groups; *group; group++) {
        for (const struct jsonrpc_method *method = *group; method->name; method++) {
            if (strcmp(method->name, name) == 0) {
                return method;
            }
        }
    }
    return NULL;
}

const char *jsonrpc_role_name(enum jsonrpc_role role)
{
    T6_ASSERT(role < JSONRPC_ROLE_COUNT);
    return role_names[role];
}

/* The comma behind an answer, or the bracket in place of the last one. */
static int separator_put(struct answers *answers, char last)
{
    struct text *texts[] = {&answers->out, &answers->late};

    for (unsigned i = 0; i < (answers->wait ? 2 : 1); i++) {
        if (last == ']') {
            texts[i]->bytes[texts[i]->size - 1] = last;
        } else if (text_append(texts[i], &last, 1)) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int handle_batch(const struct jsonrpc *rpc, const struct jsonrpc_caller *caller,
                        const json_t *requests, struct answers *answers)
{
    /* One budget for the whole batch: a hundred searches must not hold the control core for a
     * hundred times the bound of one. */
    size_t work_left = JSONRPC_WORK_MAX;
    size_t count = json_array_size(requests);
    struct text *out = &answers->out;

    if (count == 0) {
        return refusal_append(out, JSONRPC_INVALID_REQUEST, "empty_batch", "the batch is empty");
    }
    if (count > JSONRPC_BATCH_MAX) {
        return refusal_append(out, JSONRPC_TOO_LARGE, "batch_too_large",
                              "more than 100 calls in one batch");
    }
    if (text_append(out, "[", 1)) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        size_t before = out->size;

        if (handle_one(rpc, caller, json_array_get(requests, i), &work_left, answers) ||
            (out->size > before && separator_put(answers, ','))) {
            return -ENOMEM;
        }
    }
    if (out->size == 1) { /* notifications only: nothing is returned (JSON-RPC 2.0, 6) */
        free(out->bytes);
        *out = (struct text){0};
        return 0;
    }
    return separator_put(answers, ']');
}

/* Appends the answer to one request object, nothing for a notification. */
static int handle_one(const struct jsonrpc *rpc, const struct jsonrpc_caller *caller,
                      const json_t *request, size_t *work_left, struct answers *answers)
{
    struct jsonrpc_call call = {.rpc = rpc, .caller = caller, .work_left = work_left};
    const json_t *id = json_object_get(request, "id");
    int code, err = 0;

    if (!envelope_check(&call, request)) {
        bool usable = json_is_string(id) || json_is_number(id);

        return answers_append(answers, usable ? id : NULL, JSONRPC_INVALID_REQUEST, &call);
    }
    call.params = json_object_get(request, "params");
    code = method_run(&call, json_string_value(json_object_get(request, "method")));
    if (id) {
        err = answers_append(answers, id, code, &call);
    }
    json_decref(call.result);
    return err;
}

static bool envelope_check(struct jsonrpc_call *call, const json_t *request)
{
    const json_t *id = json_object_get(request, "id");
    const json_t *params = json_object_get(request, "params");
    const json_t *version = json_object_get(request, "jsonrpc");
    const char *wrong = NULL;
    size_t known;

    if (!json_is_object(request)) {
        wrong = "a request is an object";
    } else if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0) {
        wrong = "\"jsonrpc\" must be \"2.0\"";
    } else if (!json_is_string(json_object_get(request, "method"))) {
        wrong = "\"method\" must be a string";
    } else if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id)) {
        wrong = "\"id\" must be a string, a number or null";
    } else if (params && !json_is_object(params) && !json_is_array(params)) {
        wrong = "\"params\" must be an object";
    } else {
        known = 2u + (id != NULL) + (params != NULL);
        if (json_object_size(request) != known) {
            wrong = "a request has jsonrpc, method, params and id, nothing else";
        }
    }
    if (wrong) {
        (void)jsonrpc_fail(call, JSONRPC_INVALID_REQUEST, "invalid_request", "%s", wrong);
    }
    return wrong == NULL;
}

static int params_check(struct jsonrpc_call *call, const struct jsonrpc_method *method)
{
    static const struct field none[] = {{.type = FIELD_END}};
    struct field_error error;

    if (method->params == NULL && field_check(none, call->params, &error)) {
        return jsonrpc_fail_param(call, error.pointer, "the method takes no parameters");
    }
    if (method->params == NULL) {
        return 0;
    }
    return field_check(method->params, call->params, &error)
               ? jsonrpc_fail_param(call, error.pointer, error.text)
               : 0;
}

/* Returns 0 with call->result, or the error's code. */
static int method_run(struct jsonrpc_call *call, const char *name)
{
    const struct jsonrpc_method *method = jsonrpc_method_find(call->rpc, name);
    int code;

    if (method == NULL) {
        return jsonrpc_fail(call, JSONRPC_METHOD_NOT_FOUND, "method_not_found",
                            "no method \"%.100s\"; rpc.discover lists all", name);
    }
    code = method_call(call, method);
    if ((method->role != JSONRPC_ROLE_VIEW || call->sensitive) && call->rpc->audit) {
        call->rpc->audit(call, method, code);
    }
    return code;
}

static int method_call(struct jsonrpc_call *call, const struct jsonrpc_method *method)
{
    int code;

    if ((call->caller->roles & 1u << method->role) == 0) {
        return jsonrpc_fail(call, JSONRPC_UNAUTHORIZED, "role_required", "%s needs the role \"%s\"",
                            method->name, jsonrpc_role_name(method->role));
    }
    if (json_is_array(call->params)) {
        return jsonrpc_fail(call, JSONRPC_INVALID_PARAMS, "named_params_only",
                            "\"params\" must be an object with named members");
    }
    code = params_check(call, method);
    if (code) {
        return code;
    }
    code = method->handler(call);
    if (code == 0 && call->result == NULL) {
        return jsonrpc_fail(call, JSONRPC_INTERNAL_ERROR, "no_memory", "out of memory");
    }
    return code;
}

/* Appends to the reply and, once a call has to wait, to the late one, where the calls that waited
 * have failed. */
static int answers_append(struct answers *answers, const json_t *id, int code,
                          struct jsonrpc_call *call)
{
    bool waits = code == 0 && call->wait;
    int err = 0;

    if (waits && answers->wait == 0) { /* what was answered before is the same in both */
        err = text_append(&answers->late, answers->out.bytes, answers->out.size);
    }
    if (waits && call->wait > answers->wait) {
        answers->wait = call->wait;
    }
    err = err ? err : answer_append(&answers->out, id, code, call);
    if (err || answers->wait == 0) {
        return err;
    }
    if (waits) {
        code = jsonrpc_fail(call, JSONRPC_STORAGE_UNAVAILABLE, "not_durable",
                            "the change is made, but not on the disk after %d s: it is lost if the "
                            "server stops now",
                            JSONRPC_WAIT_S);
    }
    return answer_append(&answers->late, id, code, call);
}

static int answer_append(struct text *out, const json_t *id, int code, struct jsonrpc_call *call)
{
    json_t *answer;
    char *dump;
    size_t size;
    int err;

    if (code) {
        return failure_append(out, id, code, call);
    }
    answer = json_pack("{s:s, s:O, s:O}", "jsonrpc", "2.0", "id", id, "result", call->result);
    dump = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    json_decref(answer);
    if (dump == NULL) {
        return -ENOMEM;
    }
    size = strlen(dump);
    if (out->size + size > JSONRPC_REPLY_MAX) {
        (void)jsonrpc_fail(call, JSONRPC_TOO_LARGE, "result_too_large",
                           "the reply would be longer than 16 MiB; ask for less with limit, "
                           "fields or smaller batches");
        err = failure_append(out, id, JSONRPC_TOO_LARGE, call);
    } else {
        err = text_append(out, dump, size);
    }
    free(dump);
    return err;
}

static const char *error_name(int code)
{
    for (const struct jsonrpc_error_row *row = jsonrpc_errors; row->name; row++) {
        if (row->code == code) {
            return row->name;
        }
    }
    return "internal_error";
}

/* Messages may quote what the caller sent, cut at a size: not always whole UTF-8. */
static json_t *message_json(const char *message)
{
    json_t *json = json_string(message);
    char plain[JSONRPC_MESSAGE_MAX];
    size_t size = 0;

    if (json) {
        return json;
    }
    for (; message[size] && size < sizeof(plain) - 1; size++) {
        plain[size] = '?';
        if ((unsigned char)message[size] < 0x80) {
            plain[size] = message[size];
        }
    }
    plain[size] = '\0';
    return json_string(plain);
}

/* id NULL: unknown, told as null. */
static int failure_append(struct text *out, const json_t *id, int code,
                          const struct jsonrpc_call *call)
{
    json_t *data = json_pack("{s:s, s:s}", "reason", call->reason, "doc", error_name(code));
    json_t *id_json = id ? json_incref((json_t *)(uintptr_t)id) : json_null();
    json_t *answer = NULL;
    char *dump = NULL;
    int err = -ENOMEM;

    if (data && call->param[0]) {
        (void)json_object_set_new(data, "param", message_json(call->param));
    }
    answer = json_pack("{s:s, s:o, s:{s:i, s:o, s:o}}", "jsonrpc", "2.0", "id", id_json, "error",
                       "code", code, "message", message_json(call->message), "data", data);
    dump = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    if (dump) {
        err = text_append(out, dump, strlen(dump));
    }
    free(dump);
    json_decref(answer);
    return err;
}

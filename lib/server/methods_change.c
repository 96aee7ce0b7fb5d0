/* The one way by which a configuration comes into force, called or read again from the file; its
 * history, and what it would strand.
 *
 * A configuration that takes the home of leases is refused unless they are named. Counting them may
 * need more than one call: METHODS_CHANGE_SLOTS slots a call, so that the control core never waits
 * long; until then the answer says complete: false, and the caller repeats it. */
#include "server/methods_change.h"

#include <stdlib.h>
#include <string.h>

#include "server/json_patch.h"
#include "server/restart.h"

enum {
    STRANDED_MAX = 1000 /* rows told */
};

uint64_t methods_revision(const struct methods *methods)
{
    const struct revision *newest = revisions_newest(&methods->config.revisions);

    return newest ? newest->number : 0;
}

static void job_done(struct config_job *job)
{
    change_free(job->change);
    config_free(job->config);
    free(job->text);
    *job = (struct config_job){.text = NULL};
}

const char *config_text_in_force(const struct methods *methods)
{
    const char *text = methods->env.config(methods->env.ctx)->text;

    return text ? text : "";
}

/* What the text means, as a number; with many reservations the dearest step of a change. */
static uint64_t text_digest(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    uint64_t digest = 0;

    (void)!revisions_digest(json, &digest);
    json_decref(json);
    return digest;
}

/* Equal to the newest revision in meaning. */
static bool is_in_force(const struct methods *methods, uint64_t digest)
{
    const struct revision *newest = revisions_newest(&methods->config.revisions);

    return newest && newest->digest == digest;
}

/* A new revision, unless it means the same as the last one. */
static int revision_add(struct methods *methods, const char *text, uint64_t digest, const char *who,
                        const char *comment)
{
    const struct methods_env *env = &methods->env;
    struct revision revision = {
        .time = env->now(env->ctx), .digest = digest, .text = (char *)(uintptr_t)text};

    (void)snprintf(revision.who, sizeof(revision.who), "%s", who ? who : "");
    (void)snprintf(revision.comment, sizeof(revision.comment), "%s", comment ? comment : "");
    if (is_in_force(methods, digest)) {
        return 0;
    }
    if (revisions_add(&methods->config.revisions, &revision) == NULL) {
        return -ENOMEM;
    }
    if (env->history_save) {
        char *history = revisions_write(&methods->config.revisions);

        if (history) {
            env->history_save(env->config_ctx, history);
        }
    }
    return 0;
}

int methods_config_init(struct methods *methods)
{
    if (methods->env.history) {
        revisions_read(methods->env.history, &methods->config.revisions);
        methods->env.history = NULL;
    }
    return revision_add(methods, config_text_in_force(methods),
                        text_digest(config_text_in_force(methods)), "", "read at start");
}

void methods_config_done(struct methods *methods)
{
    job_done(&methods->config.call);
    job_done(&methods->config.reload);
    revisions_done(&methods->config.revisions);
}

/* Puts the secrets back that config.get has hidden. */
static void secret_restore(const struct methods *methods, json_t *config)
{
    json_t *server = json_object_get(config, "server"), *old;
    const char *secret = json_string_value(json_object_get(server, "allocation_secret"));

    if (secret && strcmp(secret, METHODS_CONFIG_HIDDEN) == 0) {
        old = json_loads(config_text_in_force(methods), 0, NULL);
        (void)json_object_set(server, "allocation_secret",
                              json_pointer_find(old, "/server/allocation_secret"));
        json_decref(old);
    }
}

/* The one in force, changed. Secrets are hidden while the patch is applied, so that it cannot carry
 * them to where they would be told. */
static int patched(struct jsonrpc_call *call, const json_t *patch, json_t **ret_config)
{
    char error[JSON_PATCH_ERROR_MAX];
    json_t *config = json_loads(config_text_in_force(call->rpc->ctx), 0, NULL);

    if (!json_is_array(patch)) {
        json_decref(config);
        return jsonrpc_fail_param(call, "/patch", "must be a JSON Patch: an array of operations");
    }
    if (config) {
        methods_config_redact(config);
        if (json_patch_apply(&config, patch, error)) {
            json_decref(config);
            return jsonrpc_fail_param(call, "/patch", error);
        }
    }
    *ret_config = config;
    return 0;
}

static int file_text(struct jsonrpc_call *call, char **ret_text)
{
    const struct methods_env *env = methods_env(call);
    int r;

    if ((call->caller->roles & 1u << JSONRPC_ROLE_CONFIG) == 0) { /* a mistake may quote secrets */
        return jsonrpc_fail(call, JSONRPC_UNAUTHORIZED, "role_required",
                            "the file is read for the role \"config\" only");
    }
    r = env->config_read ? env->config_read(env->config_ctx, ret_text) : -ENOENT;
    return r ? jsonrpc_fail(call, JSONRPC_WRONG_STATE, "no_file", "%s: %s",
                            env->config_path ? env->config_path : "the file", strerror(-r))
             : 0;
}

int methods_config_candidate(struct jsonrpc_call *call, char **ret_text)
{
    json_t *config = json_incref(json_object_get(call->params, "config"));
    const char *text = json_string_value(json_object_get(call->params, "text"));
    const json_t *patch = json_object_get(call->params, "patch");
    bool file = json_is_true(json_object_get(call->params, "file"));
    int code = 0;

    *ret_text = NULL;
    if ((config != NULL) + (text != NULL) + (patch != NULL) + file != 1) {
        json_decref(config);
        return jsonrpc_fail_param(call, "", "give one of config, text, patch and file");
    }
    if (file) {
        return file_text(call, ret_text);
    }
    if (patch) {
        code = patched(call, patch, &config);
    } else if (text && strstr(text, "\"" METHODS_CONFIG_HIDDEN "\"")) {
        config = json_loads(text, JSON_REJECT_DUPLICATES, NULL); /* or its mistakes are told */
    }
    if (config) {
        secret_restore(call->rpc->ctx, config);
        *ret_text = json_dumps(config, JSON_INDENT(2) | JSON_ENCODE_ANY);
    } else if (code == 0 && text) {
        *ret_text = strdup(text);
    }
    json_decref(config);
    return code;
}

/* Begins a job with a checked configuration; both are taken, on failure, too. */
static int job_begin(struct methods *methods, struct config_job *job, char *text,
                     struct config *config)
{
    const struct methods_env *env = &methods->env;
    struct change *change = NULL;
    int r;

    job_done(job);
    r = text && config ? change_new(env->policy(env->ctx), config, &change) : -ENOMEM;
    if (r) {
        free(text);
        config_free(config);
        return r;
    }
    *job = (struct config_job){text, text_digest(text), config, change, methods_revision(methods)};
    return 0;
}

static int mistake_parse(const char *name, const char *text, struct config **ret_config,
                         struct config_error *ret_mistake)
{
    int r;

    *ret_mistake = (struct config_error){.line = 0};
    r = config_parse(name, text, strlen(text), ret_config, ret_mistake);
    if (r && ret_mistake->text[0] == '\0') {
        (void)snprintf(ret_mistake->text, sizeof(ret_mistake->text), "%s", strerror(-r));
    }
    return r;
}

/* The job of the text (taken), which the last call may have begun. -EINVAL with the mistake; or
 * -ENOMEM. */
int config_job_get(struct jsonrpc_call *call, char *text, struct config_job **ret_job,
                   struct config_error *ret_mistake)
{
    struct methods *methods = call->rpc->ctx;
    const char *name = json_string_value(json_object_get(call->params, "name"));
    struct config_job *job = &methods->config.call;
    struct config *config;
    int r = 0;

    *ret_job = job;
    if (job->text && strcmp(job->text, text) == 0 && job->revision == methods_revision(methods) &&
        !change_complete(job->change)) {
        free(text);
        return 0;
    }
    job_done(job);
    r = mistake_parse(name ? name : "config", text, &config, ret_mistake);
    if (r) {
        free(text);
        return r == -ENOMEM ? r : -EINVAL;
    }
    return job_begin(methods, job, text, config);
}

bool config_job_turn(struct methods *methods, struct config_job *job)
{
    const struct methods_env *env = &methods->env;

    return change_turn(job->change, env->policy(env->ctx), env->store, METHODS_CHANGE_SLOTS);
}

static const char *row_pool(const struct policy *policy, unsigned row)
{
    return row < policy->pool_count ? policy->pools[row].name : "reservations";
}

static const char *row_link(const struct policy *policy, unsigned row)
{
    return row < policy->pool_count ? policy->links[policy->pools[row].link].name : NULL;
}

static bool row_accepted(const struct policy *policy, unsigned row, const json_t *accept)
{
    const char *pool = row_pool(policy, row), *link = row_link(policy, row);
    json_t *item;
    size_t index;

    json_array_foreach((json_t *)(uintptr_t)accept, index, item)
    {
        const char *name = json_string_value(item);

        if (strcmp(name, "*") == 0 || strcmp(name, pool) == 0 ||
            (link && strcmp(name, link) == 0)) {
            return true;
        }
    }
    return false;
}

static json_t *stranded_json(const struct policy *policy, const struct change *change)
{
    json_t *rows = json_array();

    for (unsigned i = 0; i < change_row_count(change); i++) {
        struct change_count count = change_row(change, i);
        const char *link = row_link(policy, i);

        if ((count.gone || count.moved) && json_array_size(rows) < STRANDED_MAX) {
            (void)json_array_append_new(
                rows, json_pack("{s:o, s:o, s:o, s:o}", "pool", value_text(row_pool(policy, i)),
                                "link", link ? value_text(link) : json_null(), "gone",
                                value_u64(count.gone), "moved", value_u64(count.moved)));
        }
    }
    return rows;
}

/* Names the leases that nobody has accepted to strand. False: none. */
bool config_stranded_tell(const struct policy *policy, const struct change *change,
                          const json_t *accept, char *buf, size_t buf_size)
{
    uint64_t leases = 0;
    unsigned rows = 0;
    const char *first = NULL;

    for (unsigned i = 0; i < change_row_count(change); i++) {
        struct change_count count = change_row(change, i);

        if ((count.gone || count.moved) && !row_accepted(policy, i, accept)) {
            leases += count.gone + count.moved;
            rows++;
            first = first ? first : row_pool(policy, i);
        }
    }
    if (rows) {
        (void)snprintf(buf, buf_size,
                       "%llu active leases would lose their place, in pool %.80s%s; see "
                       "config.test, or name pools or links in accept",
                       (unsigned long long)leases, first, rows > 1 ? " and others" : "");
    }
    return rows > 0;
}

static json_t *restart_json(const struct methods *methods, const struct config *config)
{
    const char *reasons[RESTART_REASONS_MAX];
    size_t count = restart_reasons(methods->env.config(methods->env.ctx), config, reasons);
    json_t *rows = json_array();

    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(rows, json_string(reasons[i]));
    }
    return rows;
}

/* The members that config.test and config.apply have in common. */
json_t *config_effect_json(const struct methods *methods, const struct config_job *job)
{
    const struct methods_env *env = &methods->env;
    const struct policy *policy = env->policy(env->ctx);

    return json_pack(
        "{s:b, s:o, s:o, s:b, s:o, s:o}", "changes", !is_in_force(methods, job->digest),
        "restart_needed", restart_json(methods, job->config), "stranded",
        stranded_json(policy, job->change), "complete", (int)change_complete(job->change),
        "looked_at", value_u64(change_looked_at(job->change)), "slots",
        value_u64(store_slot_max(env->store)));
}

/* Puts a job's configuration to use and ends the job. 0, or what config_apply said. */
int config_job_apply(struct methods *methods, struct config_job *job, const char *who,
                     const char *comment)
{
    const struct methods_env *env = &methods->env;
    int r = env->config_apply(env->config_ctx, job->config);

    if (r == 0) {
        job->config = NULL;
        r = revision_add(methods, job->text, job->digest, who, comment);
        methods->config.confirm_until_s = 0;
        methods_config_event(methods);
    }
    job_done(job);
    return r;
}

const char *config_apply_error(int r)
{
    return r == -EBUSY    ? "it changes who owns the prefixes of a pool; that needs a restart"
           : r == -ENOSPC ? "more pools of prefixes were configured since start than there is room "
                            "for; that needs a restart"
                          : strerror(-r);
}

void methods_reload_begin(struct methods *methods, struct config *config)
{
    char *text = config->text ? strdup(config->text) : NULL;

    (void)!job_begin(methods, &methods->config.reload, text, config);
}

/* Nobody confirmed in time. */
static enum methods_reload go_back(struct methods *methods, char ret_text[JSONRPC_MESSAGE_MAX])
{
    const struct revision *row =
        revisions_find(&methods->config.revisions, methods->config.confirm_back);
    struct config_job job = {.text = row ? strdup(row->text) : NULL,
                             .digest = row ? row->digest : 0};
    struct config_error mistake;
    int r = job.text ? mistake_parse("history", job.text, &job.config, &mistake) : -ENOENT;

    methods->config.confirm_until_s = 0;
    if (r) {
        job.config = NULL;
        job_done(&job);
    } else {
        r = config_job_apply(methods, &job, "", "not confirmed in time");
    }
    (void)snprintf(ret_text, JSONRPC_MESSAGE_MAX, "revision %llu was not confirmed in time: %s%s",
                   (unsigned long long)methods_revision(methods) - (r == 0),
                   r ? "the old one cannot be put back: " : "the old one is back",
                   r ? strerror(-r) : "");
    return r ? METHODS_RELOAD_REFUSED : METHODS_RELOAD_BACK;
}

enum methods_reload methods_reload_turn(struct methods *methods, char ret_text[JSONRPC_MESSAGE_MAX])
{
    const struct methods_env *env = &methods->env;
    struct config_job *job = &methods->config.reload;
    const char *reasons[RESTART_REASONS_MAX];
    int r;

    if (methods->config.confirm_until_s &&
        sec_after(env->now(env->ctx), methods->config.confirm_until_s)) {
        return go_back(methods, ret_text);
    }
    if (job->text == NULL) {
        return METHODS_RELOAD_IDLE;
    }
    if (job->revision != methods_revision(methods)) { /* another call was faster: look again */
        struct config *config = job->config;

        job->config = NULL;
        methods_reload_begin(methods, config);
        return job->text ? METHODS_RELOAD_BUSY : METHODS_RELOAD_IDLE;
    }
    if (restart_reasons(env->config(env->ctx), job->config, reasons)) {
        (void)snprintf(ret_text, JSONRPC_MESSAGE_MAX, "changes %s: that needs a restart",
                       reasons[0]);
        job_done(job);
        return METHODS_RELOAD_REFUSED;
    }
    if (!config_job_turn(methods, job)) {
        return METHODS_RELOAD_BUSY;
    }
    if (config_stranded_tell(env->policy(env->ctx), job->change, NULL, ret_text,
                             JSONRPC_MESSAGE_MAX)) {
        job_done(job);
        return METHODS_RELOAD_REFUSED;
    }
    r = config_job_apply(methods, job, "", "file read again");
    (void)snprintf(ret_text, JSONRPC_MESSAGE_MAX, "%s", r ? config_apply_error(r) : "read again");
    return r ? METHODS_RELOAD_REFUSED : METHODS_RELOAD_DONE;
}

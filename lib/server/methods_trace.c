/* trace.*: one client looked at for a while. The workers' steps (trace.h) are gathered in a table
 * that is made when the trace begins and never grows; the last trace stays readable for an hour. */
#include "server/methods_trace.h"

#include <inttypes.h>
#include <time.h>

enum {
    SECONDS_DEFAULT = 60,
    PACKETS_DEFAULT = 1000,
    STEPS_PER_PACKET = 2, /* a frame, and what became of it */
    GET_DEFAULT = 100,
    GET_MAX = 1000,
    STEP_WORK = 100, /* rows of the work budget that writing out a step costs */
    KEPT_S = 3600,   /* an ended trace can be read so long */
    TIME_TEXT_MAX = 40,
};

enum trace_state {
    TRACE_RUNNING,
    TRACE_STOPPED,
    TRACE_TIME_OVER,
    TRACE_FULL,
};

static const char *const state_names[] = {[TRACE_RUNNING] = "running",
                                          [TRACE_STOPPED] = "stopped",
                                          [TRACE_TIME_OVER] = "time_over",
                                          [TRACE_FULL] = "full"};

struct trace_run {
    uint64_t id;
    enum trace_state state;
    uint32_t generation;
    sec_t started_s, ends_s; /* ends_s: when it ended, once it has */
    unsigned packets, packets_max;
    size_t step_count, steps_max;
    uint64_t dropped; /* steps that found no room in a worker's lane */
    size_t duid_size;
    uint8_t duid[DUID_SIZE_MAX];
    struct trace_step steps[];
};

static const struct field start_fields[] = {
    {.name = "duid",
     .type = FIELD_HEX,
     .min = DUID_SIZE_MIN,
     .max = DUID_SIZE_MAX,
     .help = "The client. Exactly one of duid, address and prefix is given."},
    {.name = "address",
     .type = FIELD_ADDRESS,
     .help = "The client that has or last had this address."},
    {.name = "prefix",
     .type = FIELD_PREFIX,
     .help = "The client that has or last had this prefix."},
    {.name = "seconds",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = 600,
     .fallback = "60",
     .help = "It ends by itself after so many seconds."},
    {.name = "packets",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = 10000,
     .fallback = "1000",
     .help = "It ends by itself after so many packets received and sent."},
    {.type = FIELD_END},
};

static const struct field get_fields[] = {
    {.name = "trace",
     .type = FIELD_INTEGER,
     .required = true,
     .min = 1,
     .max = INT64_MAX,
     .help = "Its number, from trace.start."},
    {.name = "after",
     .type = FIELD_INTEGER,
     .min = 0,
     .max = INT64_MAX,
     .fallback = "0",
     .help = "Only steps with a greater seq: last of the previous call."},
    {.name = "limit",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = GET_MAX,
     .fallback = "100",
     .help = "Most steps to return."},
    {.name = "octets",
     .type = FIELD_BOOL,
     .fallback = "true",
     .help = "With the octets of each packet."},
    {.type = FIELD_END},
};

static const struct field stop_fields[] = {
    {.name = "trace",
     .type = FIELD_INTEGER,
     .required = true,
     .min = 1,
     .max = INT64_MAX,
     .help = "Its number, from trace.start."},
    {.type = FIELD_END},
};

static void run_end(struct methods *methods, enum trace_state state)
{
    struct trace_run *run = methods->trace;

    run->state = state;
    run->ends_s = methods->env.now(methods->env.ctx);
    trace_end(methods->env.trace);
}

static void step_keep(struct trace_run *run, const struct trace_step *step)
{
    size_t size = step->kind == TRACE_DECIDED ? sizeof(step->decision) : step->kept;

    /* Only what is filled, so that memory that no step needed is never touched. */
    memcpy(&run->steps[run->step_count++], step, offsetof(struct trace_step, octets) + size);
    run->packets += step->kind == TRACE_OUT || (step->kind == TRACE_IN && !step->handed_over);
}

/* Takes what the workers told; steps of an earlier trace and what is too much are left. */
static void lanes_empty(struct methods *methods)
{
    struct trace *trace = methods->env.trace;
    struct trace_run *run = methods->trace;
    const struct trace_step *step;

    for (unsigned lane = 0; lane < trace->lane_count; lane++) {
        for (unsigned i = 0; i < TRACE_LANE && (step = trace_take(trace, lane)); i++) {
            if (run->state == TRACE_RUNNING && step->generation == run->generation &&
                run->packets < run->packets_max && run->step_count < run->steps_max) {
                step_keep(run, step);
            }
            trace_taken(trace, lane);
        }
    }
    run->dropped += trace_lost(trace);
}

void methods_trace_turn(struct methods *methods)
{
    const struct methods_env *env = &methods->env;
    struct trace_run *run = methods->trace;
    sec_t now;

    if (run == NULL) {
        return;
    }
    now = env->now(env->ctx);
    lanes_empty(methods);
    if (run->state == TRACE_RUNNING &&
        (run->packets >= run->packets_max || run->step_count >= run->steps_max)) {
        run_end(methods, TRACE_FULL);
    } else if (run->state == TRACE_RUNNING && !sec_after(run->ends_s, now)) {
        run_end(methods, TRACE_TIME_OVER);
    } else if (run->state != TRACE_RUNNING && sec_after(now, run->ends_s + KEPT_S)) {
        methods_trace_done(methods);
    }
}

void methods_trace_done(struct methods *methods)
{
    if (methods->trace && methods->trace->state == TRACE_RUNNING) {
        trace_end(methods->env.trace);
    }
    free(methods->trace);
    methods->trace = NULL;
}

static json_t *run_json(const struct trace_run *run)
{
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:i, s:o, s:o}", "trace", value_u64(run->id),
                     "state", state_names[run->state], "duid",
                     value_hex((struct span){run->duid, run->duid_size}), "started",
                     value_time(run->started_s), "ends", value_time(run->ends_s), "packets",
                     (int)run->packets, "steps_total", value_u64(run->step_count), "dropped",
                     value_u64(run->dropped));
}

/* 2026-11-23T18:00:00.123456Z, of the turn the step was made in. */
static json_t *step_time(const struct methods_env *env, const struct trace_step *step)
{
    uint64_t unix_us = ((uint64_t)step->at + SEC_UNIX_OFFSET) * 1000000;
    char text[TIME_TEXT_MAX];
    struct tm tm;
    time_t unix_s;

    if (step->at_ns && env->clock_offset_ms) {
        unix_us = step->at_ns / 1000 + (uint64_t)(env->clock_offset_ms(env->ctx) * (int64_t)1000);
    }
    unix_s = (time_t)(unix_us / 1000000);
    (void)gmtime_r(&unix_s, &tm);
    (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    return json_sprintf("%.20s.%06uZ", text, (unsigned)(unix_us % 1000000));
}

/* The trace that the parameter names, up to date; NULL after jsonrpc_fail with *ret_code. */
static struct trace_run *run_find(struct jsonrpc_call *call, int *ret_code)
{
    struct methods *methods = call->rpc->ctx;
    uint64_t id = (uint64_t)json_integer_value(json_object_get(call->params, "trace"));

    methods_trace_turn(methods);
    if (methods->trace == NULL || methods->trace->id != id) {
        *ret_code =
            jsonrpc_fail(call, JSONRPC_NOT_FOUND, "no_trace",
                         "no trace %" PRIu64 ": only the last one is kept, for an hour", id);
        return NULL;
    }
    return methods->trace;
}

/* The client's DUID, given or that of a lease. 0, or what jsonrpc_fail returned. */
static int duid_read(struct jsonrpc_call *call, uint8_t *buf, size_t *ret_size)
{
    const struct methods_env *env = methods_env(call);
    const char *duid = json_string_value(json_object_get(call->params, "duid"));
    struct resource resource;
    struct lease_found found;
    int code;

    if (duid && json_object_get(call->params, "address") == NULL &&
        json_object_get(call->params, "prefix") == NULL) {
        (void)field_octets_read(duid, false, buf, DUID_SIZE_MAX, ret_size); /* checked */
        return 0;
    }
    if (duid) {
        return jsonrpc_fail_param(call, "", "give one of duid, address and prefix");
    }
    code = lease_resource_read(call, &resource);
    if (code) {
        return code;
    }
    if (!store_find(env->store, &resource, &found) || found.lease.duid.size == 0) {
        return lease_unknown(call);
    }
    memcpy(buf, found.lease.duid.data, found.lease.duid.size);
    *ret_size = found.lease.duid.size;
    return 0;
}

static unsigned number_param(const json_t *params, const char *name, unsigned fallback)
{
    const json_t *value = json_object_get(params, name);

    return value ? (unsigned)json_integer_value(value) : fallback;
}

static int trace_start(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    struct methods *methods = call->rpc->ctx;
    unsigned packets = number_param(call->params, "packets", PACKETS_DEFAULT);
    size_t steps_max = (size_t)packets * STEPS_PER_PACKET, duid_size = 0;
    uint8_t duid[DUID_SIZE_MAX];
    struct trace_run *run;
    int code;

    if (env->trace == NULL) {
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "no_traces", "this server cannot trace");
    }
    code = duid_read(call, duid, &duid_size);
    if (code) {
        return code;
    }
    methods_trace_turn(methods);
    if (methods->trace && methods->trace->state == TRACE_RUNNING) {
        return jsonrpc_fail(call, JSONRPC_WRONG_STATE, "trace_running",
                            "trace %" PRIu64 " is still running: trace.stop ends it",
                            methods->trace->id);
    }
    run = malloc(sizeof(*run) + steps_max * sizeof(run->steps[0]));
    if (run == NULL) {
        return jsonrpc_fail(call, JSONRPC_INTERNAL_ERROR, "no_memory", "no memory for a trace");
    }
    *run = (struct trace_run){.id = ++methods->trace_last,
                              .started_s = env->now(env->ctx),
                              .packets_max = packets,
                              .steps_max = steps_max,
                              .duid_size = duid_size};
    run->ends_s = run->started_s + number_param(call->params, "seconds", SECONDS_DEFAULT);
    memcpy(run->duid, duid, duid_size);
    methods_trace_done(methods);
    methods->trace = run;
    (void)trace_lost(env->trace); /* those of the one before */
    run->generation = trace_begin(env->trace, (struct span){duid, duid_size});
    call->result = run_json(run);
    return 0;
}

static int trace_get(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    const json_t *after = json_object_get(call->params, "after");
    bool octets = !json_is_false(json_object_get(call->params, "octets"));
    size_t limit = number_param(call->params, "limit", GET_DEFAULT);
    uint64_t at = after ? (uint64_t)json_integer_value(after) : 0;
    json_t *steps = json_array();
    int code = 0;
    const struct trace_run *run = run_find(call, &code);

    if (run == NULL) {
        json_decref(steps);
        return code;
    }
    for (; at < run->step_count && limit && *call->work_left >= STEP_WORK; at++, limit--) {
        const struct trace_step *step = &run->steps[at];
        json_t *json = trace_step_json(step);

        *call->work_left -= STEP_WORK;
        (void)json_object_set_new(json, "seq", value_u64(at + 1));
        (void)json_object_set_new(json, "at", step_time(env, step));
        if (octets && (step->kind == TRACE_IN || step->kind == TRACE_OUT)) {
            (void)json_object_set_new(json, "octets", trace_octets_json(step));
        }
        (void)json_array_append_new(steps, json);
    }
    call->result = run_json(run);
    (void)json_object_set_new(call->result, "steps", steps);
    (void)json_object_set_new(call->result, "last", value_u64(at));
    (void)json_object_set_new(call->result, "more", json_boolean(at < run->step_count));
    return 0;
}

static int trace_stop(struct jsonrpc_call *call)
{
    int code = 0;
    const struct trace_run *run = run_find(call, &code);

    if (run && run->state == TRACE_RUNNING) {
        run_end(call->rpc->ctx, TRACE_STOPPED);
    }
    if (run) {
        call->result = run_json(run);
    }
    return code;
}

#define TRACE_RESULT                                                                               \
    "trace, state: running|stopped|time_over|full, duid, started, ends, packets, steps_total, "    \
    "dropped"

const struct jsonrpc_method methods_trace_table[] = {
    {"trace.start", JSONRPC_ROLE_OPERATE, true, start_fields, trace_start,
     "Begins to keep every packet of one client and what is decided about it; one trace at a time, "
     "ended by time or number by itself.",
     "{" TRACE_RESULT "}"},
    {"trace.get", JSONRPC_ROLE_VIEW, false, get_fields, trace_get,
     "Returns the steps of a trace, while it runs or within the hour after.",
     "{" TRACE_RESULT
     ", steps: [{seq, at, what: received|handed over|decided|dropped|sent, worker, "
     "message, xid, src, dst, relays[], size, octets, reason, answer, status, link, reserved, "
     "waits_for_disk, ias[], changes[]}], last, more}; dropped: steps lost as they came too fast"},
    {"trace.stop", JSONRPC_ROLE_OPERATE, true, stop_fields, trace_stop,
     "Ends a trace; its steps can still be read.", "{" TRACE_RESULT "}"},
    METHODS_TABLE_END,
};

/* server.* and rpc.*: who we are and how we are. */
#include "server/methods_internal.h"

static json_t *storage_json(const struct methods_env *env)
{
    struct journal_stats stats = {0};

    env->journal_stats(env->ctx, &stats);
    return json_pack(
        "{s:b, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "healthy", stats.last_error == 0,
        "last_error", -stats.last_error, "write_errors", value_u64(stats.write_errors), "records",
        value_u64(stats.records), "batches", value_u64(stats.batches), "bytes",
        value_u64(stats.bytes), "log_bytes", value_u64(stats.log_bytes), "segments",
        value_u64(stats.segments), "checkpoints", value_u64(stats.checkpoints), "boot_epoch",
        value_u64(stats.boot_epoch), "tail_cut_bytes", value_u64(stats.tail_cut_bytes));
}

static json_t *workers_json(const struct methods_env *env)
{
    json_t *list = json_array();
    struct methods_worker row;

    for (unsigned i = 0; i < CONFIG_WORKERS_MAX && env->worker && env->worker(env->ctx, i, &row);
         i++) {
        (void)json_array_append_new(
            list, json_pack("{s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "worker", (int)i,
                            "alive", (int)row.alive, "turns", value_u64(row.turns), "parked",
                            value_u64(row.parked), "parked_max", value_u64(row.parked_max),
                            "ring_bytes", value_u64(row.ring_size), "ring_used_max",
                            value_u64(row.ring_used_max), "ring_full", value_u64(row.ring_full),
                            "ring_not_durable", value_u64(row.ring_not_durable)));
    }
    return list;
}

static json_t *port_json(const struct methods_port *row)
{
    char mac[18];
    json_t *json;

    (void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", row->mac[0], row->mac[1],
                   row->mac[2], row->mac[3], row->mac[4], row->mac[5]);
    json = json_pack("{s:o, s:b, s:s, s:i}", "port", value_text(row->name), "link_up",
                     (int)row->link_up, "mac", mac, "mtu", (int)row->mtu);
    if (row->device) {
        (void)json_object_set_new(json, "device", value_text(row->device));
    }
    if (row->driver) {
        (void)json_object_set_new(json, "driver", value_text(row->driver));
    }
    return json;
}

static json_t *ports_json(const struct methods_env *env)
{
    json_t *list = json_array();
    struct methods_port row = {0};

    for (unsigned i = 0; i < CONFIG_PORTS_MAX && env->port && env->port(env->ctx, i, &row); i++) {
        (void)json_array_append_new(list, port_json(&row));
    }
    return list;
}

static json_t *health_json(const struct methods_env *env)
{
    static const unsigned alarms_max = 64;
    json_t *list = json_array();
    struct methods_alarm row;

    for (unsigned i = 0; i < alarms_max && env->alarm && env->alarm(env->ctx, i, &row); i++) {
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "check", row.check, "level",
                                                    row.level, "text", value_text(row.text)));
    }
    return list;
}

static json_t *leases_json(const struct methods_env *env)
{
    json_t *by_state = json_object();
    struct store_stats stats;

    store_stats_get(env->store, &stats);
    for (unsigned status = BINDING_ACTIVE; status < BINDING_STATUS_COUNT; status++) {
        if (stats.by_status[status]) {
            (void)json_object_set_new(by_state, lease_state_name(status),
                                      value_u64(stats.by_status[status]));
        }
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "max", value_u64(stats.leases_max), "used",
                     value_u64(stats.slots_used), "by_state", by_state, "memory_bytes",
                     value_u64(stats.memory_bytes));
}

static int server_status(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    const struct config *config = env->config(env->ctx);
    sec_t now = env->now(env->ctx);

    call->result =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "state",
                  env->state ? env->state(env->ctx) : "running", "name",
                  value_text(config->server_name ? config->server_name : ""), "now",
                  value_time(now), "started", value_time(env->started_s), "uptime_s",
                  json_integer(sec_until(now, env->started_s)), "revision",
                  value_u64(methods_revision(call->rpc->ctx)), "leases", leases_json(env),
                  "workers", workers_json(env), "ports", ports_json(env), "storage",
                  env->journal_stats ? storage_json(env) : json_null(), "health", health_json(env));
    return 0;
}

static json_t *text_or_null(const char *text)
{
    return text ? value_text(text) : json_null();
}

static int server_version(struct jsonrpc_call *call)
{
    const struct methods_build *build = &methods_env(call)->build;

    call->result = json_pack("{s:s, s:o, s:s, s:o, s:o, s:[i, i]}", "product", "tandem6", "version",
                             text_or_null(build->version), "api", METHODS_API_VERSION, "git",
                             text_or_null(build->git), "dpdk", text_or_null(build->dpdk),
                             "protocol", 9915, 8156);
    return 0;
}

static int server_confirm_clock(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);
    bool changed = env->confirm_clock && env->confirm_clock(env->ctx);

    call->result = json_pack("{s:b}", "changed", (int)changed);
    return 0;
}

static int rpc_ping(struct jsonrpc_call *call)
{
    const struct methods_env *env = methods_env(call);

    call->result = json_pack("{s:o}", "now", value_time(env->now(env->ctx)));
    return 0;
}

const struct jsonrpc_method methods_server_table[] = {
    {"rpc.discover", JSONRPC_ROLE_VIEW, false, NULL, jsonrpc_discover, "Describes all methods.",
     "an OpenRPC document"},
    {"rpc.ping", JSONRPC_ROLE_VIEW, false, NULL, rpc_ping, "Answers, if the control core is alive.",
     "{now}"},
    {"server.status", JSONRPC_ROLE_VIEW, false, NULL, server_status,
     "Shows whether the server is well.",
     "{state, name, now, started, uptime_s, revision, leases, workers[], ports[], storage, "
     "health[]}"},
    {"server.confirm_clock", JSONRPC_ROLE_OPERATE, true, NULL, server_confirm_clock,
     "Says that the system's clock is right: ends the state in which it is not believed.",
     "{changed}"},
    {"server.version", JSONRPC_ROLE_VIEW, false, NULL, server_version,
     "Tells versions of product, interface and protocol.",
     "{product, version, api, git, dpdk, protocol[]}"},
    METHODS_TABLE_END,
};

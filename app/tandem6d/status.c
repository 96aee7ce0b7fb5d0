#include "status.h"

#include <rte_version.h>

#include "link.h"
#include "server/lease_act.h"
#include "server/relation.h"
#include "server/trust.h"
#include "server/worker.h"
#include "version.h"

const struct status_alarm status_alarms[STATUS_ALARM_COUNT] = {
    {ALARM_STORAGE, "storage", "error",
     "the log cannot be written: nothing new is promised; see to the disk under state_dir",
     "the log is written again"},
    {ALARM_STORE_FULL, "store", "error",
     "no lease slot is left: raise store.leases_max and restart", "lease slots are free again"},
    {ALARM_LEASE_INFO, "lease_info", "warn",
     "leases lack some of what their relays said of the client: raise store.inline_octets or "
     "store.long_leases_max and restart",
     "all leases hold what their relays said"},
    {ALARM_CLOCK, "clock", "error",
     "the clock is not believed: nothing expires or is reused until it is synchronised, likely, or "
     "confirmed with server.confirm_clock",
     "the clock is believed"},
    {ALARM_LINK_DOWN, "link", "warn", "a port has no link: see server.status for which",
     "all ports have link"},
    {ALARM_HORIZON, "horizon", "error",
     "operating horizon passed: serving nobody until the log is written again", "serving again"},
    {ALARM_OVERLOAD, "overload", "warn",
     "more comes in than is answered: new clients are put off first, see the counters drop_shed_*",
     "nothing was shed for 10 s"},
};

void status_init(struct status *status, struct server *server, const struct clock *clock)
{
    *status = (struct status){.server = server, .clock = clock};
}

uint64_t status_clock_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void status_time_add(uint64_t ns, uint64_t *last_ns, uint64_t *max_ns)
{
    *last_ns = ns;
    *max_ns = ns > *max_ns ? ns : *max_ns;
}

void status_turn(struct status *status, msec_t now_ms)
{
    for (unsigned i = 0; i < status->server->worker_count; i++) {
        uint64_t turns =
            atomic_load_explicit(&status->server->workers[i].turns, memory_order_relaxed);

        if (turns != status->turns_seen[i]) {
            status->turns_seen[i] = turns;
            status->alive_ms[i] = now_ms;
        }
    }
}

static const struct policy *env_policy(void *ctx)
{
    return server_policy(((struct status *)ctx)->server);
}

static const struct config *env_config(void *ctx)
{
    return ((struct status *)ctx)->server->config;
}

static void env_counters(void *ctx, uint64_t ret_sums[COUNTER_COUNT])
{
    server_counters_sum(((struct status *)ctx)->server, ret_sums);
}

static sec_t env_now(void *ctx)
{
    return clock_now(((struct status *)ctx)->clock, clock_mono_ms());
}

static int64_t env_clock_offset_ms(void *ctx)
{
    const struct status *status = ctx;

    return atomic_load_explicit(&status->clock->offset_ms, memory_order_relaxed);
}

const char *status_state(void *ctx)
{
    const struct status *status = ctx;
    sec_t until = atomic_load(&status->server->operating_until_s);

    if (until == 0) {
        return "starting";
    }
    return sec_after(env_now(ctx), until) ? "silent" : "serving";
}

static void env_journal_stats(void *ctx, struct journal_stats *ret_stats)
{
    journal_stats_get(((struct status *)ctx)->server->journal, ret_stats);
}

static bool env_worker(void *ctx, unsigned index, struct methods_worker *ret_worker)
{
    const struct status *status = ctx;
    const struct worker *worker = &status->server->workers[index];

    if (index >= status->server->worker_count) {
        return false;
    }
    *ret_worker = (struct methods_worker){
        .alive = clock_mono_ms() - status->alive_ms[index] < STATUS_WORKER_DEAD_MS,
        .turns = status->turns_seen[index],
        .parked = park_used(&worker->park),
        .parked_max = worker->park.used_max,
        .ring_size = worker->ring->size,
        .ring_used_max = worker->ring->used_max,
        .ring_full = worker->ring->full_count,
        .ring_not_durable = change_ring_head(worker->ring) - change_ring_durable(worker->ring),
    };
    return true;
}

static bool env_port(void *ctx, unsigned index, struct methods_port *ret_port)
{
    const struct status *status = ctx;
    const struct server *server = status->server;
    const struct config_port *config = &server->config->ports[index];

    if (index >= server->port_count) {
        return false;
    }
    *ret_port = (struct methods_port){
        .name = config->name,
        .device = config->device,
        .link_up = atomic_load(&server->ports[index].link_up),
        .mtu = server->ports[index].frame.mtu,
    };
    memcpy(ret_port->mac, server->ports[index].frame.mac, sizeof(ret_port->mac));
    return true;
}

static bool env_alarm(void *ctx, unsigned index, struct methods_alarm *ret_alarm)
{
    const struct status *status = ctx;
    uint32_t alarms = atomic_load(&status->server->alarms);

    for (size_t i = 0; i < STATUS_ALARM_COUNT; i++) {
        const struct status_alarm *row = &status_alarms[i];

        if ((alarms & row->alarm) && index-- == 0) {
            *ret_alarm = (struct methods_alarm){row->check, row->level, row->raised};
            return true;
        }
    }
    return false;
}

static bool env_histogram(void *ctx, unsigned index, struct methods_histogram *ret_histogram)
{
    static const struct {
        const char *name, *help;
        bool of_worker; /* one for each */
        size_t at;
    } rows[] = {
        {"answer", "From the turn that read a message until its answer leaves", true,
         offsetof(struct worker, answer_ns)},
        {"turn", "Turns of the workers that handled something", true,
         offsetof(struct worker, turn_ns)},
        {"journal", "Batches of the log, from their first record until the disk has them", false,
         offsetof(struct server, journal_ns)},
        {"control", "Turns of the control core", false, offsetof(struct server, control_ns)},
    };
    const struct server *server = ((struct status *)ctx)->server;

    if (index >= sizeof(rows) / sizeof(rows[0])) {
        return false;
    }
    *ret_histogram = (struct methods_histogram){
        .name = rows[index].name,
        .unit = "ns",
        .help = rows[index].help,
        .part_count = rows[index].of_worker ? server->worker_count : 1,
    };
    for (unsigned i = 0; i < ret_histogram->part_count; i++) {
        const void *part = rows[index].of_worker
                               ? (const char *)&server->workers[i] + rows[index].at
                               : (const char *)server + rows[index].at;

        ret_histogram->parts[i] = part;
    }
    return true;
}

static struct relation *env_relation(void *ctx, unsigned index)
{
    const struct server *server = ((struct status *)ctx)->server;

    return index < server->endpoint_count ? server->endpoints[index].relation : NULL;
}

static void env_time(void *ctx, struct fo_time *ret_time)
{
    const struct links *links = ((struct status *)ctx)->links;

    if (links) { /* else there is no relation to need it */
        *ret_time = links_now(links);
    }
}

static void env_wake(void *ctx)
{
    struct links *links = ((struct status *)ctx)->links;

    if (links) {
        links_kick(links);
    }
}

static int env_lease_act(void *ctx, const struct lease_act *act, struct lease_found *ret_found,
                         uint64_t *ret_position)
{
    return lease_act(((struct status *)ctx)->server, act, env_now(ctx), ret_found, ret_position);
}

static int env_lease_add(void *ctx, const struct lease_add *add, uint64_t *ret_position)
{
    return lease_add(((struct status *)ctx)->server, add, env_now(ctx), ret_position);
}

static bool env_is_durable(void *ctx, uint64_t position)
{
    return lease_act_is_durable(((struct status *)ctx)->server, position);
}

static bool env_confirm_clock(void *ctx)
{
    struct trust *trust = ((struct status *)ctx)->server->trust;

    return trust && trust_confirm(trust);
}

struct methods_env status_env(struct status *status)
{
    return (struct methods_env){
        .store = status->server->store,
        .build = {.version = TANDEM6_VERSION, .dpdk = rte_version()},
        .started_s = status->server->started_s,
        .policy = env_policy,
        .config = env_config,
        .counters = env_counters,
        .now = env_now,
        .clock_offset_ms = env_clock_offset_ms,
        .state = status_state,
        .journal_stats = env_journal_stats,
        .worker = env_worker,
        .port = env_port,
        .alarm = env_alarm,
        .histogram = env_histogram,
        .relation = env_relation,
        .time = env_time,
        .wake = env_wake,
        .lease_act = env_lease_act,
        .lease_add = env_lease_add,
        .is_durable = env_is_durable,
        .confirm_clock = env_confirm_clock,
        .ctx = status,
    };
}

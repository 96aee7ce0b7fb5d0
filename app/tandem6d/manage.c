#include "manage.h"

#include <assert.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <urcu/urcu-qsbr.h>

#include "access.h"
#include "audit_file.h"
#include "base/log.h"
#include "configure.h"
#include "http.h"
#include "mgmt.h"
#include "observe/alarm.h"
#include "observe/audit.h"
#include "observe/events.h"
#include "server/lease_tap.h"
#include "server/trace.h"

static_assert((int)HTTP_ERROR_MAX >= (int)ACCESS_ERROR_MAX, "one buffer for both");

struct manage {
    struct event_base *base;
    struct status *status;
    struct methods *methods;
    struct audit *audit;
    struct audit_file *audit_file;
    struct events *events;
    struct alarms *alarms;
    struct lease_tap *tap;
    struct access *access;
    struct mgmt *mgmt; /* NULL: no socket */
    struct http *http; /* NULL: no listener */
};

static void call_enter(void *ctx)
{
    (void)ctx;
    urcu_qsbr_thread_online();
}

static void call_leave(void *ctx)
{
    (void)ctx;
    urcu_qsbr_thread_offline();
}

static const char *http_state(void *ctx)
{
    return status_state(((struct manage *)ctx)->status);
}

static int socket_start(struct manage *manage, const struct config *config)
{
    struct mgmt_config mgmt_config = {
        .base = manage->base,
        .socket_path = config->management_socket,
        .rpc = methods_jsonrpc(manage->methods),
        .access = (const struct access *const *)&manage->access,
        .events = manage->events,
        .enter = call_enter,
        .leave = call_leave,
        .ctx = manage,
    };
    char error[MGMT_ERROR_MAX];
    int r = config->management_socket ? mgmt_new(&mgmt_config, &manage->mgmt, error) : 0;

    if (r) {
        log_error("%s", error);
    }
    return r;
}

static int http_start(struct manage *manage, const struct config *config)
{
    struct http_config http_config = {
        .base = manage->base,
        .listen = config->management_listen,
        .tls = config->has_management_tls ? &config->management_tls : NULL,
        .rpc = methods_jsonrpc(manage->methods),
        .methods = manage->methods,
        .events = manage->events,
        .state = http_state,
        .access = (const struct access *const *)&manage->access,
        .enter = call_enter,
        .leave = call_leave,
        .ctx = manage,
    };
    char error[HTTP_ERROR_MAX] = "management.listen: no memory";
    int r = config->management_listen ? http_new(&http_config, &manage->http, error) : 0;

    if (r) {
        log_error("%s", error);
    }
    return r;
}

static void audit_line(void *ctx, const char *line)
{
    struct manage *manage = ctx;
    int r = audit_file_append(manage->audit_file, line);

    if (r) {
        log_error("audit.log cannot be written: %s: %s", strerror(-r), line);
    }
}

static int audit_start(struct manage *manage, const struct config *config)
{
    int r = audit_new(AUDIT_KEPT, &manage->audit);

    if (r == 0) {
        r = audit_file_open(config->state_dir, &manage->audit_file);
        if (r) {
            log_error("%s/audit.log: %s", config->state_dir, strerror(-r));
        }
    }
    return r;
}

/* Resident memory of the process, octets; 0: not known. */
static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file) {
        if (fscanf(file, "%*u %llu", &pages) != 1) {
            pages = 0;
        }
        (void)fclose(file);
    }
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void program(void *ctx, struct methods_program *ret_program)
{
    const struct manage *manage = ctx;
    const struct status *status = manage->status;
    struct http_stats http = {.connections = 0};
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    if (manage->http) {
        http_stats_get(manage->http, &http);
    }
    *ret_program = (struct methods_program){
        .grace_s = (double)status->grace_ns / 1e9,
        .grace_max_s = (double)status->grace_max_ns / 1e9,
        .turn_s = (double)status->turn_ns / 1e9,
        .turn_max_s = (double)status->turn_max_ns / 1e9,
        .cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
        .resident_bytes = resident_bytes(),
        .http_connections = http.connections,
        .http_streams = http.streams,
        .http_accepted = http.accepted,
        .http_requests = http.requests,
        .http_refused = http.refused,
        .http_evicted = http.evicted,
        .http_timeouts = http.timeouts,
        .http_handshakes_failed = http.handshakes_failed,
        .socket_connections = manage->mgmt ? mgmt_connection_count(manage->mgmt) : 0,
    };
}

enum {
    EVENTS_A_SECOND_LOG2 = 18 /* what numbers have room for between start and restart */
};

static int events_start(struct manage *manage)
{
    struct server *server = manage->status->server;
    uint64_t started_unix_s = (uint64_t)server->started_s + SEC_UNIX_OFFSET;
    int r = events_new(EVENTS_KEPT, started_unix_s << EVENTS_A_SECOND_LOG2, &manage->events);

    r = r ? r : alarms_new(&manage->alarms);
    manage->tap = r ? NULL : calloc(1, sizeof(*manage->tap));
    server->tap = manage->tap; /* before the journal thread runs */
    server->trace = r ? NULL : trace_new(server->worker_count);
    return r == 0 && (manage->tap == NULL || server->trace == NULL) ? -ENOMEM : r;
}

static int methods_start(struct manage *manage, const struct config *config)
{
    struct methods_env env = status_env(manage->status);
    int r = audit_start(manage, config);

    r = r ? r : events_start(manage);

    env.program = program;
    env.program_ctx = manage;
    env.audit = manage->audit;
    env.audit_line = audit_line;
    env.audit_ctx = manage;
    env.events = manage->events;
    env.alarms = manage->alarms;
    env.tap = manage->tap;
    env.trace = manage->status->server->trace;
    if (manage->status->configure) {
        configure_env(manage->status->configure, &env);
    }
    return r ? r : methods_new(&env, &manage->methods);
}

int manage_new(struct event_base *base, const struct config *config, struct status *status,
               struct manage **ret_manage)
{
    struct manage *manage = calloc(1, sizeof(*manage));
    char error[ACCESS_ERROR_MAX];
    int r;

    if (manage == NULL) {
        return -ENOMEM;
    }
    manage->base = base;
    manage->status = status;
    r = methods_start(manage, config);
    if (r == 0) {
        r = access_new(config, &manage->access, error);
        if (r) {
            log_error("%s", error);
        }
    }
    r = r ? r : socket_start(manage, config);
    r = r ? r : http_start(manage, config);
    if (r) {
        manage_free(manage);
        return r;
    }
    *ret_manage = manage;
    return 0;
}

void manage_free(struct manage *manage)
{
    if (manage == NULL) {
        return;
    }
    http_free(manage->http);
    mgmt_free(manage->mgmt);
    access_free(manage->access);
    methods_free(manage->methods);
    audit_file_close(manage->audit_file);
    audit_free(manage->audit);
    manage->status->server->tap = NULL; /* the journal thread has ended */
    free(manage->tap);
    trace_free(manage->status->server->trace); /* so have the workers */
    manage->status->server->trace = NULL;
    alarms_free(manage->alarms);
    events_free(manage->events);
    free(manage);
}

static void alarms_turn(struct manage *manage)
{
    uint32_t alarms = atomic_load(&manage->status->server->alarms);

    for (size_t i = 0; i < STATUS_ALARM_COUNT; i++) {
        const struct status_alarm *row = &status_alarms[i];

        methods_alarm(manage->methods, &(struct alarm_state){row->check, "", row->level,
                                                             row->raised, alarms & row->alarm});
    }
}

static void reload_turn(struct manage *manage)
{
    char text[JSONRPC_MESSAGE_MAX];

    switch (methods_reload_turn(manage->methods, text)) {
    case METHODS_RELOAD_IDLE:
    case METHODS_RELOAD_BUSY:
        break;
    case METHODS_RELOAD_DONE:
        log_notice("configuration %s", text);
        break;
    case METHODS_RELOAD_REFUSED:
        log_error("configuration: %s; going on with the old configuration", text);
        break;
    case METHODS_RELOAD_BACK:
        log_warn("configuration: %s", text);
        break;
    }
}

void manage_reread(struct manage *manage, struct config *config)
{
    call_enter(manage);
    methods_reload_begin(manage->methods, config);
    call_leave(manage);
}

void manage_turn(struct manage *manage)
{
    reload_turn(manage);
    (void)methods_pool_step(manage->methods);
    methods_trace_turn(manage->methods);
    alarms_turn(manage);
    if (manage->http) {
        http_turn(manage->http);
    }
    if (manage->mgmt) {
        mgmt_turn(manage->mgmt);
        methods_events_watch(manage->methods, mgmt_event_topics(manage->mgmt));
    }
    if (methods_events_turn(manage->methods)) {
        if (manage->mgmt) {
            mgmt_events_wake(manage->mgmt);
        }
        if (manage->http) {
            http_events_wake(manage->http);
        }
    }
}

bool manage_wants_end(const struct manage *manage)
{
    return methods_maintenance_done(manage->methods);
}

void manage_reload(struct manage *manage, const struct config *config)
{
    char error[HTTP_ERROR_MAX]; /* the longer of the two */
    struct access *access;

    if (access_new(config, &access, error)) {
        log_error("%s: the old rows stay in force", error);
    } else {
        access_free(manage->access);
        manage->access = access;
    }
    if (manage->http && http_reload(manage->http, error)) {
        log_error("%s: the old certificate stays in use", error);
    }
}

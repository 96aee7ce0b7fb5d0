/* The management methods: the table of all of them, and what they need from the server.
 *
 * The methods see the server through struct methods_env only: a few pointers and questions that the
 * control core answers from what it already knows. No method blocks, waits for a worker or holds
 * the control core longer than its work budget (JSONRPC_WORK_MAX) allows.
 *
 * To add a method: one row in the table of its group (methods_<group>.c). A new group: one more
 * table, named in methods.c and methods_internal.h.
 *
 * Control core only, QSBR-online (the methods read leases and the policy). */
#ifndef SERVER_METHODS_H
#define SERVER_METHODS_H

#include "base/counter.h"
#include "base/histogram.h"
#include "journal/journal.h"
#include "policy/config.h"
#include "policy/policy.h"
#include "rpc/jsonrpc.h"
#include "store/store.h"

/* Version of the management interface (semantic versioning): methods and members are only added
 * within one major number. */
#define METHODS_API_VERSION "0.1.0"

enum {
    METHODS_POOL_STEP_SLOTS = 1024, /* slots one methods_pool_step looks at */
    METHODS_POOL_REST_S = 30,       /* pause between two counts of all leases */
    METHODS_LIST_DEFAULT = 1000,
    METHODS_LIST_MAX = 10000,
    METHODS_CHANGE_SLOTS = 16384, /* slots one config.apply or config.test looks at */
};

struct methods_worker {
    bool alive;                /* made a turn within the last second */
    uint64_t turns;            /* since start */
    uint64_t parked;           /* replies waiting for the disk */
    uint64_t parked_max;       /* high-water mark */
    uint64_t ring_size;        /* octets of its change ring */
    uint64_t ring_used_max;    /* high-water mark */
    uint64_t ring_full;        /* times it was found full */
    uint64_t ring_not_durable; /* octets published and not on disk yet */
};

struct methods_port {
    const char *name, *device; /* device NULL: made by the server */
    const char *driver;        /* NULL: not known */
    bool link_up;
    uint8_t mac[6];
    uint16_t mtu;
};

/* A standing trouble. */
struct methods_alarm {
    const char *check; /* one word */
    const char *level; /* "error" or "warn" */
    const char *text;  /* what is wrong and what to do */
};

struct methods_histogram {
    const char *name, *unit, *help;
    const struct histogram *parts[CONFIG_WORKERS_MAX]; /* that make it up */
    unsigned part_count;
};

/* All its parts in one picture, which starts as zeros. */
void methods_histogram_gather(const struct methods_histogram *histogram,
                              struct histogram_picture *picture);

struct methods_build {
    const char *version; /* of the product */
    const char *git;     /* revision it was built from, NULL: not known */
    const char *dpdk;    /* NULL: not known */
};

/* What only the program knows. */
struct methods_program {
    double grace_s, grace_max_s; /* grace periods the control core waited for */
    double turn_s, turn_max_s;   /* of the control core */
    double cpu_s;
    uint64_t resident_bytes;
    uint64_t http_connections, http_streams, http_accepted, http_requests, http_refused,
        http_evicted, http_timeouts, http_handshakes_failed;
    uint64_t socket_connections;
};

struct relation;
struct fo_time;
struct lease_act; /* lease_act.h */
struct lease_add;
struct audit;
struct events;
struct event_cursor;
struct alarms;
struct alarm_state;
struct lease_tap;
struct trace;

/* Everything but store, policy, config, counters and now may be NULL: then the answers leave that
 * part out. The indexed questions return false behind the last item. Texts live until the next
 * call.
 */
struct methods_env {
    struct store *store;
    struct methods_build build;
    sec_t started_s;
    const struct policy *(*policy)(void *ctx); /* the published one */
    const struct config *(*config)(void *ctx);
    void (*counters)(void *ctx, uint64_t ret_sums[COUNTER_COUNT]);
    sec_t (*now)(void *ctx);
    const char *(*state)(void *ctx); /* "running", "silent"... */
    void (*journal_stats)(void *ctx, struct journal_stats *ret_stats);
    bool (*worker)(void *ctx, unsigned index, struct methods_worker *ret_worker);
    bool (*port)(void *ctx, unsigned index, struct methods_port *ret_port);
    bool (*alarm)(void *ctx, unsigned index, struct methods_alarm *ret_alarm);
    bool (*confirm_clock)(void *ctx); /* false: nothing to confirm */
    bool (*histogram)(void *ctx, unsigned index, struct methods_histogram *ret_histogram);
    /* By number in the config; NULL when there is none. */
    struct relation *(*relation)(void *ctx, unsigned index);
    void (*time)(void *ctx, struct fo_time *ret_time); /* of the relations */
    void (*wake)(void *ctx); /* something was asked of a relation: it is to be run soon */
    /* lease_act; NULL: leases cannot be changed. */
    int (*lease_act)(void *ctx, const struct lease_act *act, struct lease_found *ret_found,
                     uint64_t *ret_position);
    int (*lease_add)(void *ctx, const struct lease_add *add, uint64_t *ret_position); /* likewise */
    bool (*is_durable)(void *ctx, uint64_t position); /* NULL: everything is, always */
    void (*program)(void *ctx, struct methods_program *ret_program); /* with program_ctx */
    void *program_ctx;
    struct audit *audit;                             /* observe/audit.h */
    void (*audit_line)(void *ctx, const char *line); /* each entry as JSON; with audit_ctx */
    void *audit_ctx;
    /* Live configuration; all may be NULL, then it cannot be changed. With config_ctx. */
    const char *config_path; /* of the file read at start */
    /* Puts it to use, whole or not at all; on success it is taken. -EBUSY: it changes who owns
     * prefixes. */
    int (*config_apply)(void *ctx, struct config *config);
    /* The file's text, malloced; 0 or a negative errno. */
    int (*config_read)(void *ctx, char **ret_text);
    /* Writes the file; -EINPROGRESS: ask again with the same text. */
    int (*config_save)(void *ctx, const char *text);
    /* Keeps the history (malloced, taken) for the next start; history is what was kept. */
    void (*history_save)(void *ctx, char *text);
    const char *history; /* read by methods_new only; NULL: none */
    void *config_ctx;
    struct events *events;                 /* observe/events.h */
    struct alarms *alarms;                 /* observe/alarm.h */
    struct lease_tap *tap;                 /* lease_tap.h; NULL: leases are not told */
    struct trace *trace;                   /* trace.h; NULL: there are no traces */
    int64_t (*clock_offset_ms)(void *ctx); /* Unix minus monotonic; NULL: whole seconds do */
    void *ctx;
};

struct methods;

/* Copies env; what it points to must outlive the methods. */
int methods_new(const struct methods_env *env, struct methods **ret_methods) MUST_CHECK;
void methods_free(struct methods *methods);

/* For the transports. Lives as long as methods. */
const struct jsonrpc *methods_jsonrpc(const struct methods *methods);

/* One slice of the count of leases per pool. True when there is more to do at once; false while
 * the count rests. Call it once in a control turn. */
bool methods_pool_step(struct methods *methods);

/* True when a maintenance of the whole server has handed over everything: the process may end. */
bool methods_maintenance_done(const struct methods *methods);

/* What happened: raises or clears an alarm; tells that the configuration was read again. */
void methods_alarm(struct methods *methods, const struct alarm_state *state);
void methods_config_event(struct methods *methods);
/* Once in a control turn: looks what is to be told. True when there are new events. */
bool methods_events_turn(struct methods *methods);

/* Takes in what workers told of a traced client, and ends a trace whose time is over. */
void methods_trace_turn(struct methods *methods);
/* Somebody reads events of these topics; say it again within a minute. */
void methods_events_watch(struct methods *methods, unsigned topics);
/* A reader's cursor from the parameters of events.subscribe, checked against
 * methods_subscribe_fields. False when the filter is too long. */
bool methods_event_cursor(struct methods *methods, const json_t *params,
                          struct event_cursor *ret_cursor);
extern const struct field methods_subscribe_fields[];

/* Number of the configuration in force. Unlike policy.revision it counts configurations only. */
uint64_t methods_revision(const struct methods *methods);

enum methods_reload {
    METHODS_RELOAD_IDLE, /* nothing happened */
    METHODS_RELOAD_BUSY, /* leases are being counted */
    METHODS_RELOAD_DONE,
    METHODS_RELOAD_REFUSED,
    METHODS_RELOAD_BACK, /* not confirmed in time: the old configuration is back */
};

/* The file is to be read again (SIGHUP). config: taken. It goes the way of config.apply, in
 * methods_reload_turn. */
void methods_reload_begin(struct methods *methods, struct config *config);
/* Once in a control turn; ret_text: one line for the log, about anything but IDLE and BUSY. */
enum methods_reload methods_reload_turn(struct methods *methods,
                                        char ret_text[JSONRPC_MESSAGE_MAX]);

/* All groups, ended by NULL; for documents made without a server. */
extern const struct jsonrpc_method *const methods_table[];

#endif

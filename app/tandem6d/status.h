/* What the management methods may ask the running process (lib/server/methods.h), answered from the
 * server, its clock and its ports; and the texts of standing alarms. Control core only. */
#ifndef TANDEM6D_STATUS_H
#define TANDEM6D_STATUS_H

#include "clock.h"
#include "server/methods.h"
#include "server/server.h"

enum {
    STATUS_WORKER_DEAD_MS = 1000
};

struct links;
struct configure;

struct status {
    struct server *server;
    uint64_t grace_ns, grace_max_ns; /* grace periods the control core waited for */
    uint64_t turn_ns, turn_max_ns;   /* of the control core */
    struct links *links;             /* NULL: none yet; set by the program */
    struct configure *configure;     /* NULL: the configuration cannot be changed; as links */
    const struct clock *clock;
    uint64_t turns_seen[CONFIG_WORKERS_MAX];
    msec_t alive_ms[CONFIG_WORKERS_MAX];
};

void status_init(struct status *status, struct server *server, const struct clock *clock);

/* For the times above: monotonic, exact. */
uint64_t status_clock_ns(void);
void status_time_add(uint64_t ns, uint64_t *last_ns, uint64_t *max_ns);

/* Looks whether the workers still make turns; call it every 100 ms or so. */
void status_turn(struct status *status, msec_t now_ms);

/* "serving", "silent" or "starting". */
const char *status_state(void *status);

struct methods_env status_env(struct status *status);

struct status_alarm {
    enum server_alarm alarm;
    const char *check, *level;
    const char *raised; /* what is wrong and what to do */
    const char *cleared;
};

enum {
    STATUS_ALARM_COUNT = 7
};
extern const struct status_alarm status_alarms[STATUS_ALARM_COUNT];

#endif

/* tandem6d: command line, boot in stages, the control core's loop, shutdown in reverse. */
#include <event2/event.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <urcu/urcu-qsbr.h>

#include "base/log.h"
#include "clock.h"
#include "configure.h"
#include "disk.h"
#include "identity.h"
#include "link.h"
#include "manage.h"
#include "port.h"
#include "server/control.h"
#include "server/trust.h"
#include "status.h"
#include "threads.h"
#include "version.h"

enum {
    CONTROL_INTERVAL_MS = 10,
    CONTROL_TURNS_MAX = 16, /* in one interval, while there is more to do */
    SLOW_INTERVAL_MS = 100, /* clock */
    LINK_INTERVAL_MS = 1000,
};

/* Everything a run owns, in boot order. */
struct app {
    const char *config_path;
    struct config *config;
    struct clock clock;
    struct trust trust;
    struct identity identity;
    struct disk_dir *disk_dir;
    struct disk disk, journal_disk;
    struct server *server;
    struct ports *ports;
    struct threads *threads;
    struct control control;
    struct event_base *base;
    struct event *timer, *signals[3];
    struct status status;
    struct configure *configure;
    struct manage *manage;
    struct links *links;
    msec_t slow_ms, link_ms;
    uint32_t alarms_told;
    bool clock_step_told, stopping;
};

enum mode {
    MODE_RUN,
    MODE_CHECK,
    MODE_LOG_DUMP,
    MODE_LOG_REPAIR,
    MODE_SCHEMA,
    MODE_REFERENCE,
};

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, MODE_CHECK},
    {"log-dump", no_argument, NULL, MODE_LOG_DUMP},
    {"log-repair", no_argument, NULL, MODE_LOG_REPAIR},
    {"config-schema", no_argument, NULL, MODE_SCHEMA},
    {"config-reference", no_argument, NULL, MODE_REFERENCE},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void usage(FILE *out)
{
    fputs("usage: tandem6d -c FILE [--check | --log-dump | --log-repair]\n"
          "       tandem6d --config-schema | --config-reference | --version | --help\n"
          "\n"
          "A DHCPv6 server that is durable before it answers.\n"
          "\n"
          "  -c, --config FILE    configuration (JSON)\n"
          "  --check              check FILE, say what is wrong, and exit\n"
          "  --log-dump           print the log in state_dir, record by record, and exit\n"
          "  --log-repair         cut a damaged log at the damage, say what is lost, and exit\n"
          "  --config-schema      print the JSON Schema of FILE\n"
          "  --config-reference   print the reference of FILE (Markdown)\n"
          "  --version            print the version\n"
          "  --help               print this\n"
          "\n"
          "SIGTERM stops cleanly, SIGHUP reads FILE again.\n",
          out);
}

static sec_t app_now(const struct app *app)
{
    return clock_now(&app->clock, clock_mono_ms());
}

static int config_load(const char *path, struct config **ret_config)
{
    struct config_error error = {.line = 0};
    int r = config_read(path, ret_config, &error);

    if (r) {
        fprintf(stderr, "%s:%u: %s: %s\n", error.file, error.line,
                error.pointer[0] ? error.pointer : "/", error.text);
    }
    return r;
}

static int boot_log(struct app *app, bool repair)
{
    struct journal_config journal_config = {
        .disk = app->journal_disk,
        .segment_size = (uint32_t)app->config->segment_size,
        .rings = app->server->rings,
        .ring_count = app->server->worker_count + 1,
        .checkpoint_log_max = app->config->checkpoint_log_max,
        .on_durable = server_on_durable,
        .ctx = app->server,
    };
    struct journal_damage damage = {.offset = 0};
    struct journal_stats stats;
    int r = journal_open(&journal_config, server_replay, app->server, repair, &app->server->journal,
                         &damage);

    if (damage.text[0]) {
        log_error("%s/%s, offset %" PRIu64 ": %s", app->config->state_dir, damage.file,
                  damage.offset, damage.text);
    }
    if (r == -ENOSPC) {
        log_error("the log holds more leases than store.leases_max %u: raise it",
                  app->config->leases_max);
    } else if (r && !damage.text[0]) {
        log_error("the log in %s cannot be opened: %s", app->config->state_dir, strerror(-r));
    }
    r = r ? r : store_load_done(app->server->store);
    if (r) {
        return r;
    }
    journal_stats_get(app->server->journal, &stats);
    log_notice("log opened: %" PRIu64 " records replayed, epoch %" PRIu64 "%s",
               stats.replayed_records, stats.boot_epoch,
               app->server->disk_horizon_s && !app->server->disk_clean_stop_s
                   ? ", the last run did not stop cleanly"
                   : "");
    return 0;
}

/* state_dir, lock, identity, store and log: all that can be done without a NIC. */
static int boot_state(struct app *app, bool repair)
{
    struct policy_identity policy_identity;
    struct siphash_key seed;
    char error[DISK_TEXT_MAX];
    int r;

    r = disk_dir_open(app->config->state_dir, true, &app->disk_dir, error);
    if (r) {
        log_error("%s", error);
        return r;
    }
    app->disk = disk_dir_disk(app->disk_dir);
    app->journal_disk = threads_disk(&app->disk);
    r = identity_load(app->config, app_now(app), &app->identity);
    if (r) {
        return r;
    }
    policy_identity = identity_policy(&app->identity);
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        log_error("no random numbers: %s", strerror(errno));
        return -EIO;
    }
    r = server_new(app->config, &policy_identity, seed, app_now(app), &app->server);
    if (r) {
        log_error("no memory for %u leases: %s", app->config->leases_max, strerror(-r));
        return r;
    }
    return boot_log(app, repair);
}

static void rest_tell(const struct app *app, msec_t now_ms)
{
    if (app->trust.rest_until_ms) {
        log_notice("leases promised by a clock that was not believed: nothing expires or is reused "
                   "for %" PRIu64 " s",
                   (app->trust.rest_until_ms - now_ms) / 1000);
    }
}

static int boot_clock(struct app *app)
{
    msec_t now_ms = clock_mono_ms();
    sec_t wall = clock_now(&app->clock, now_ms), now;
    bool synchronised = clock_synchronised();
    int r = trust_boot(&app->trust, app->server, wall, synchronised, now_ms, &now);

    if (r) {
        return r;
    }
    clock_advance(&app->clock, (int32_t)(now - wall));
    app->server->trust = &app->trust;
    if (app->trust.doubt != TRUST_NONE) {
        log_error(
            "%s: no lease expires or is reused until it is synchronised, likely, or confirmed "
            "with server.confirm_clock",
            trust_doubt_text(app->trust.doubt));
    } else if (!synchronised) {
        log_warn("the kernel does not call the clock synchronised: see to NTP or PTP");
    }
    rest_tell(app, now_ms);
    return 0;
}

static int boot_policy(struct app *app)
{
    struct policy *old = NULL;
    int r = server_apply(app->server, app->config, &old);

    if (r) {
        log_error("the configuration cannot be put to use: %s", strerror(-r));
        return r;
    }
    r = boot_clock(app);
    if (r) {
        log_error("no memory: %s", strerror(-r));
        return r;
    }
    sweep_arm_all(app->server, app_now(app));
    return 0;
}

/* Gives retired slots back once no reader can see them. */
static void reclaim(struct app *app)
{
    struct store_retired retired = store_retired_take(app->server->store);

    if (retired.first != LEASE_SLOT_NONE) {
        uint64_t begun_ns = status_clock_ns();

        urcu_qsbr_synchronize_rcu();
        status_time_add(status_clock_ns() - begun_ns, &app->status.grace_ns,
                        &app->status.grace_max_ns);
        store_retired_give(app->server->store, retired);
    }
}

static void alarms_tell(struct app *app)
{
    uint32_t alarms = atomic_load(&app->server->alarms);

    for (size_t i = 0; i < STATUS_ALARM_COUNT; i++) {
        uint32_t bit = status_alarms[i].alarm;

        if ((alarms & bit) && !(app->alarms_told & bit)) {
            log_warn("alarm: %s", status_alarms[i].raised);
        } else if (!(alarms & bit) && (app->alarms_told & bit)) {
            log_notice("alarm over: %s", status_alarms[i].cleared);
        }
    }
    app->alarms_told = alarms;
}

static void clock_turn(struct app *app, msec_t now_ms)
{
    bool doubted = app->trust.doubt != TRUST_NONE;
    int64_t step_ms = clock_check(&app->clock);

    if (trust_turn(&app->trust, now_ms, clock_now(&app->clock, now_ms), step_ms / 1000,
                   doubted && clock_synchronised())) {
        clock_start(&app->clock);
        log_notice("the wall clock is believed now, %.1f s from where this program's was",
                   (double)step_ms / 1000);
        rest_tell(app, now_ms);
        step_ms = 0;
    }
    if (step_ms && !doubted && !app->clock_step_told) {
        log_warn("the wall clock stepped by %.1f s: not followed; restart when it is right",
                 (double)step_ms / 1000);
    }
    app->clock_step_told = step_ms != 0;
}

static void slow_turn(struct app *app, msec_t now_ms)
{
    if (now_ms - app->slow_ms >= SLOW_INTERVAL_MS) {
        app->slow_ms = now_ms;
        clock_turn(app, now_ms);
        status_turn(&app->status, now_ms);
    }
    if (now_ms - app->link_ms >= LINK_INTERVAL_MS) {
        app->link_ms = now_ms;
        ports_link_check(app->ports);
    }
}

/* Begins to stop; the loop ends once the partners have been told. */
static void stop_begin(struct app *app)
{
    app->stopping = true;
    links_stop(app->links);
}

/* Everybody who reads from the configuration gets to know of a new one. */
static void news_spread(struct app *app)
{
    const struct config *config = configure_news(app->configure);

    if (config) {
        manage_reload(app->manage, config);
        links_reload(app->links, config);
        urcu_qsbr_thread_online();
        configure_retire(app->configure);
        urcu_qsbr_thread_offline();
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct app *app = arg;
    msec_t now_ms = clock_mono_ms();
    uint64_t begun_ns = status_clock_ns();

    (void)fd;
    (void)what;
    urcu_qsbr_thread_online();
    for (unsigned i = 0; i < CONTROL_TURNS_MAX; i++) {
        bool more = control_turn(&app->control, clock_now(&app->clock, now_ms));

        urcu_qsbr_quiescent_state();
        if (!more) {
            break;
        }
    }
    manage_turn(app->manage);
    urcu_qsbr_thread_offline();
    news_spread(app);
    reclaim(app);
    alarms_tell(app);
    slow_turn(app, now_ms);
    if (manage_wants_end(app->manage) && !app->stopping) {
        log_notice("handed over to the failover partners: stopping");
        stop_begin(app);
    }
    begun_ns = status_clock_ns() - begun_ns;
    status_time_add(begun_ns, &app->status.turn_ns, &app->status.turn_max_ns);
    histogram_add(&app->server->control_ns, begun_ns);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct app *app = arg;

    (void)what;
    log_notice("signal %d: stopping", (int)fd);
    if (app->stopping) {
        event_base_loopbreak(app->base); /* somebody is in a hurry */
    }
    stop_begin(app);
}

static void on_links_stopped(void *ctx)
{
    event_base_loopbreak(((struct app *)ctx)->base);
}

static void log_level_apply(const struct config *config)
{
    enum log_level level;

    if (config->log_level && log_level_parse(config->log_level, &level)) {
        log_level_set(level);
    }
}

/* Doubtful values, and what the file asks for that this release does not do. */
static void config_warn(const struct config *config)
{
    for (unsigned i = 0; i < config->warning_count; i++) {
        log_warn("%s:%u: %s: %s", config->warnings[i].file, config->warnings[i].line,
                 config->warnings[i].pointer, config->warnings[i].text);
    }
}

static void on_reload(evutil_socket_t fd, short what, void *arg)
{
    struct app *app = arg;
    struct config *config;

    (void)fd;
    (void)what;
    if (config_load(app->config_path, &config) != 0) {
        log_error("%s has a mistake (see above): going on with the old configuration",
                  app->config_path);
        return;
    }
    manage_reread(app->manage, config);
}

static int boot_links(struct app *app)
{
    struct links_config config = {
        .base = app->base,
        .server = app->server,
        .clock = &app->clock,
        .on_stopped = on_links_stopped,
        .ctx = app,
    };
    char error[LINKS_ERROR_MAX];
    int r = links_new(&config, &app->links, error);

    if (r) {
        log_error("%s", error);
    }
    return r;
}

static int boot_management(struct app *app)
{
    int r;

    status_init(&app->status, app->server, &app->clock);
    app->status.links = app->links;
    r = configure_new(app->config_path, &app->config, app->server, &app->configure);
    if (r) {
        log_error("cannot start: %s", strerror(-r));
        return r;
    }
    app->status.configure = app->configure;
    return manage_new(app->base, app->config, &app->status, &app->manage);
}

static int boot_events(struct app *app)
{
    const struct timeval interval = {.tv_usec = CONTROL_INTERVAL_MS * 1000};
    int r;

    app->base = event_base_new();
    if (!app->base) {
        return -ENOMEM;
    }
    app->timer = event_new(app->base, -1, EV_PERSIST, on_timer, app);
    app->signals[0] = evsignal_new(app->base, SIGTERM, on_stop, app);
    app->signals[1] = evsignal_new(app->base, SIGINT, on_stop, app);
    app->signals[2] = evsignal_new(app->base, SIGHUP, on_reload, app);
    for (unsigned i = 0; i < 3; i++) {
        if (!app->signals[i] || event_add(app->signals[i], NULL) != 0) {
            return -ENOMEM;
        }
    }
    if (!app->timer || event_add(app->timer, &interval) != 0) {
        return -ENOMEM;
    }
    r = boot_links(app);
    return r ? r : boot_management(app);
}

static int serve(struct app *app)
{
    char error[LINKS_ERROR_MAX];
    int r = boot_state(app, false);

    r = r ? r : boot_policy(app);
    r = r ? r : ports_start(app->config, app->server, &app->ports);
    if (r) {
        return r;
    }
    control_init(&app->control, app->server);
    r = boot_events(app);
    urcu_qsbr_thread_offline();
    r = r ? r : threads_start(app->server, app->ports, &app->clock, NULL, &app->threads);
    if (r) {
        log_error("cannot start: %s", strerror(-r));
        urcu_qsbr_thread_online();
        return r;
    }
    log_notice("tandem6d %s serves as %s", TANDEM6_VERSION, app->config->server_name);
    r = links_start(app->links, error);
    if (r) {
        log_error("%s", error);
    } else {
        threads_durable_watch(app->threads, links_durable, app->links);
        event_base_dispatch(app->base);
    }
    threads_stop_workers(app->threads);
    urcu_qsbr_thread_online();
    control_stop_mark(&app->control, app_now(app));
    urcu_qsbr_thread_offline();
    if (!threads_stop(app->threads)) {
        log_error("stopped, but the last records could not be written");
        r = -EIO;
    }
    urcu_qsbr_thread_online();
    return r;
}

static void app_done(struct app *app)
{
    manage_free(app->manage);
    links_free(app->links);
    configure_free(app->configure);
    for (unsigned i = 0; i < 3; i++) {
        if (app->signals[i]) {
            event_free(app->signals[i]);
        }
    }
    if (app->timer) {
        event_free(app->timer);
    }
    if (app->base) {
        event_base_free(app->base);
    }
    ports_stop(app->ports);
    if (app->server) {
        journal_close(app->server->journal);
    }
    server_free(app->server);
    disk_dir_close(app->disk_dir);
    config_free(app->config);
}

static int log_dump(struct app *app)
{
    char error[DISK_TEXT_MAX];
    int r = disk_dir_open(app->config->state_dir, false, &app->disk_dir, error);

    if (r) {
        log_error("%s", error);
        return r;
    }
    app->disk = disk_dir_disk(app->disk_dir);
    return journal_dump(&app->disk, stdout);
}

static int run(struct app *app, enum mode mode)
{
    int r = config_load(app->config_path, &app->config);

    if (r || mode == MODE_CHECK) {
        if (r == 0) {
            printf("%s: ok\n", app->config_path);
        }
        return r;
    }
    log_level_apply(app->config);
    config_warn(app->config);
    clock_start(&app->clock);
    urcu_qsbr_register_thread();
    switch (mode) {
    case MODE_LOG_DUMP:
        r = log_dump(app);
        break;
    case MODE_LOG_REPAIR:
        r = boot_state(app, true);
        r = r ? r
              : threads_checkpoint(
                    app->server); /* a damaged one counts until a newer one is there */
        break;
    case MODE_RUN:
    case MODE_CHECK:
    case MODE_SCHEMA:
    case MODE_REFERENCE:
        r = serve(app);
        break;
    }
    app_done(app);
    urcu_qsbr_unregister_thread();
    return r;
}

int main(int argc, char **argv)
{
    static struct app app;
    enum mode mode = MODE_RUN;
    int c;

    while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            app.config_path = optarg;
            break;
        case 'V':
            printf("tandem6d %s\n", TANDEM6_VERSION);
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        case '?':
            usage(stderr);
            return 2;
        default:
            mode = (enum mode)c;
        }
    }
    if (mode == MODE_SCHEMA || mode == MODE_REFERENCE) {
        return (mode == MODE_SCHEMA ? config_schema_write(stdout)
                                    : config_reference_write(stdout)) != 0;
    }
    if (!app.config_path || optind != argc) {
        usage(stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    return run(&app, mode) == 0 ? 0 : 1;
}

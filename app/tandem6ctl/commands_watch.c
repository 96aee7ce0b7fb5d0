/* watch: the server at a glance, again and again. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "table.h"

enum {
    INTERVAL_MAX_S = 3600,
    ROWS_DEFAULT = 24,
    POOLS_SHOWN = 12,
};

/* The second screen, no cursor, no lines that wrap; and back. */
static const char screen_enter[] = "\033[?1049h\033[?25l\033[?7l";
static const char screen_leave[] = "\033[?7h\033[?25h\033[?1049l";

/* What one look at the server brings, and the counters of the look before. */
struct view {
    json_t *status, *stats, *relations, *pools, *alarms;
    json_t *counters_before; /* NULL: none yet */
    struct timespec at, before;
};

static void view_done(struct view *view)
{
    json_decref(view->status);
    json_decref(view->stats);
    json_decref(view->relations);
    json_decref(view->pools);
    json_decref(view->alarms);
    json_decref(view->counters_before);
}

static void part_take(json_t **part, json_t *json)
{
    json_decref(*part);
    *part = json;
}

static enum client_outcome view_call(struct session *session, const char *method, json_t *params,
                                     json_t **part)
{
    json_t *json = NULL;
    enum client_outcome outcome = client_call(&session->client, method, params, &json);

    if (outcome == CLIENT_REFUSED) { /* an older server does not know all of them */
        json_decref(json);
        json = json_object();
    }
    if (outcome != CLIENT_UNREACHABLE) {
        part_take(part, json);
    }
    return outcome;
}

/* False: no connection. */
static bool view_look(struct session *session, struct view *view)
{
    part_take(&view->counters_before, json_incref(json_object_get(view->stats, "counters")));
    view->before = view->at;
    (void)clock_gettime(CLOCK_MONOTONIC, &view->at);
    return view_call(session, "server.status", NULL, &view->status) != CLIENT_UNREACHABLE &&
           view_call(session, "stats.get", json_pack("{s:b}", "zeros", 0), &view->stats) !=
               CLIENT_UNREACHABLE &&
           view_call(session, "failover.list", NULL, &view->relations) != CLIENT_UNREACHABLE &&
           view_call(session, "pool.list", NULL, &view->pools) != CLIENT_UNREACHABLE &&
           view_call(session, "alarm.list", json_pack("{s:b}", "active", 1), &view->alarms) !=
               CLIENT_UNREACHABLE;
}

static double counters_sum(const json_t *counters, const char *const *names)
{
    double sum = 0;

    for (; *names; names++) {
        sum += json_number_value(json_object_get(counters, *names));
    }
    return sum;
}

static void rates_print(FILE *out, const struct view *view)
{
    static const struct {
        const char *title;
        const char *names[9];
    } rates[] = {
        {"received",
         {"rx_solicit", "rx_request", "rx_confirm", "rx_renew", "rx_rebind", "rx_release",
          "rx_decline", "rx_information_request", NULL}},
        {"answered", {"tx_advertise", "tx_reply", NULL}},
        {"new leases", {"lease_created", NULL}},
        {"renewed", {"lease_renewed", NULL}},
    };

    const json_t *counters = json_object_get(view->stats, "counters");
    double passed = (double)(view->at.tv_sec - view->before.tv_sec) +
                    (double)(view->at.tv_nsec - view->before.tv_nsec) / 1e9;

    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        double sum = counters_sum(counters, rates[i].names);

        (void)fprintf(out, "%s%s ", i ? "   " : "", rates[i].title);
        if (view->counters_before && passed > 0) {
            double rate = (sum - counters_sum(view->counters_before, rates[i].names)) / passed;

            (void)fprintf(out, "%.0f/s", rate > 0 ? rate : 0);
        } else {
            (void)fprintf(out, "%.0f in all", sum);
        }
    }
    (void)fputc('\n', out);
}

static void latency_print(FILE *out, const json_t *stats)
{
    size_t index;
    json_t *row;

    json_array_foreach(json_object_get(stats, "histograms"), index, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));

        if (name && strcmp(name, "answer") == 0 &&
            json_integer_value(json_object_get(row, "count")) > 0) {
            (void)fprintf(out, "answers within: half %.0f us, 99 %% %.0f us, all %.0f us\n",
                          json_number_value(json_object_get(row, "p50")) / 1000,
                          json_number_value(json_object_get(row, "p99")) / 1000,
                          json_number_value(json_object_get(row, "max")) / 1000);
        }
    }
}

static void alarms_print(FILE *out, const struct view *view, bool colors)
{
    size_t index;
    json_t *row;
    const json_t *list = json_object_get(view->alarms, "alarms");

    list = list ? list : json_object_get(view->status, "health");
    json_array_foreach(list, index, row)
    {
        bool is_error = strcmp(session_text(row, "level"), "error") == 0;

        (void)fprintf(out, "%s%s: %s: %s%s\n",
                      !colors    ? ""
                      : is_error ? "\033[1;31m"
                                 : "\033[33m",
                      session_text(row, "level"), session_text(row, "check"),
                      session_text(row, "text"), colors ? "\033[0m" : "");
    }
    if (json_array_size(list) == 0) {
        (void)fputs("no alarms\n", out);
    }
}

static void relations_print(FILE *out, const json_t *relations)
{
    static const struct table_column columns[] = {{"relation", "RELATION", false},
                                                  {"role", "ROLE", false},
                                                  {"state", "STATE", false},
                                                  {"partner_state", "PARTNER", false},
                                                  {"communications", "CONTACT", false},
                                                  {"waiting", "TO TELL", true},
                                                  {"unacked", "UNACKED", true},
                                                  {"behind_ms", "BEHIND MS", true},
                                                  {"free_own", "FREE", true},
                                                  {"free_partner", "ITS FREE", true},
                                                  {0}};

    if (json_array_size(relations)) {
        (void)fputc('\n', out);
        table_print(out, columns, relations);
    }
}

static void pools_print(FILE *out, json_t *pools)
{
    static const struct table_column columns[] = {
        {"pool", "POOL", false},  {"link", "LINK", false},        {"type", "TYPE", false},
        {"total", "TOTAL", true}, {"used", "USED", true},         {"share", "FULL", true},
        {"free", "FREE", true},   {"declined", "DECLINED", true}, {0}};
    json_t *shown = json_array(), *row;
    size_t index;

    json_array_foreach(pools, index, row)
    {
        double total = atof(session_text(row, "total")), used = atof(session_text(row, "used"));

        (void)json_object_set_new(row, "share",
                                  json_sprintf("%.1f %%", total > 0 ? 100 * used / total : 0));
        if (index < POOLS_SHOWN) {
            (void)json_array_append(shown, row);
        }
    }
    (void)fputc('\n', out);
    table_print(out, columns, shown);
    if (json_array_size(pools) > POOLS_SHOWN) {
        (void)fprintf(out, "and %zu more: tandem6ctl pools\n",
                      json_array_size(pools) - POOLS_SHOWN);
    }
    json_decref(shown);
}

static void view_print(FILE *out, const struct view *view, bool colors)
{
    const json_t *leases = json_object_get(view->status, "leases");
    char up[32];

    table_duration(json_integer_value(json_object_get(view->status, "uptime_s")), up, sizeof(up));
    (void)fprintf(out, "%s%s: %s%s   up %s   %s   leases %s of %s\n", colors ? "\033[1m" : "",
                  session_text(view->status, "name"), session_text(view->status, "state"),
                  colors ? "\033[0m" : "", up, session_text(view->status, "now"),
                  session_text(leases, "used"), session_text(leases, "max"));
    rates_print(out, view);
    latency_print(out, view->stats);
    alarms_print(out, view, colors);
    relations_print(out, json_object_get(view->relations, "relations"));
    pools_print(out, json_object_get(view->pools, "pools"));
}

/* Over the last picture, line by line, so that nothing flickers; what is too much for the window is
 * left out. */
static void screen_draw(const char *text)
{
    struct winsize window = {0};
    unsigned row = 0;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) || window.ws_row == 0) {
        window.ws_row = ROWS_DEFAULT; /* the terminal does not know its size */
    }
    (void)fputs("\033[H", stdout);
    while (*text && ++row < window.ws_row) {
        size_t size = strcspn(text, "\n");

        (void)printf("%.*s\033[K\r\n", (int)size, text);
        text += size + (text[size] == '\n');
    }
    (void)fputs("\033[J", stdout);
    (void)fflush(stdout);
}

static void screen_show(struct session *session, const struct view *view, bool reached)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL) {
        return;
    }
    if (!reached) {
        (void)fprintf(out, "\033[1;31m%s\033[0m\nasking again every second\n\n",
                      session->client.error);
    }
    if (view->status) {
        view_print(out, view, true);
    }
    (void)fputs("\nCtrl-C ends", out);
    (void)fclose(out);
    screen_draw(text);
    free(text);
}

/* Until a signal ends it. Signals are waited for instead of handled, so that the terminal is
 * always left as it was. */
static void screen_loop(struct session *session, struct view *view, bool reached, long interval_s)
{
    struct timespec interval = {.tv_sec = interval_s};
    sigset_t ends;

    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    (void)fputs(screen_enter, stdout);
    do {
        screen_show(session, view, reached);
        if (sigtimedwait(&ends, NULL, &interval) >= 0) {
            break;
        }
        reached = view_look(session, view);
    } while (!ferror(stdout));
    (void)fputs(screen_leave, stdout);
}

static int once_print(struct session *session, struct view *view)
{
    if (session->json) {
        json_t *whole =
            json_pack("{s:O, s:O, s:O, s:O, s:O}", "status", view->status, "stats", view->stats,
                      "failover", view->relations, "pools", view->pools, "alarms", view->alarms);

        json_print(whole);
        json_decref(whole);
    } else {
        view_print(stdout, view, false);
    }
    return EXIT_OK;
}

int command_watch(struct session *session)
{
    long interval_s = session->argc ? strtol(session->argv[0], NULL, 10) : 1;
    struct view view = {0};
    int code = EXIT_OK;

    if (interval_s < 1 || interval_s > INTERVAL_MAX_S) {
        (void)fprintf(stderr, "tandem6ctl: watch wants whole seconds, 1 to %d\n", INTERVAL_MAX_S);
        return EXIT_USAGE;
    }
    if (!view_look(session, &view)) {
        (void)fprintf(stderr, "tandem6ctl: %s\n", session->client.error);
        code = EXIT_UNREACHABLE;
    } else if (session->json || !isatty(STDOUT_FILENO)) {
        code = once_print(session, &view);
    } else {
        screen_loop(session, &view, true, interval_s);
    }
    view_done(&view);
    return code;
}

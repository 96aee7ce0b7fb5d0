#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "params.h"
#include "table.h"

enum {
    LEASES_DEFAULT = 1000, /* leases shown when no limit is given */
    PAGE_MAX = 10000,      /* most a server returns at once */
    PAGES_MAX = 1000000,   /* a server with no end to its list is broken */
};

static int run_status(struct session *session);
static int run_version(struct session *session);
static int run_leases(struct session *session);
static int run_lease(struct session *session);
static int run_pools(struct session *session);
static int run_stats(struct session *session);

const struct command commands[] = {
    {"status", "", 0, 0, run_status, "is the server well"},
    {"watch", "[SECONDS]", 0, 1, command_watch,
     "the server at a glance, again every second; once when not on a terminal"},
    {"version", "", 0, 0, run_version, "versions of server and interface"},
    {"leases", "[key=value...]", 0, 32, run_leases,
     "leases, filtered: link=, pool=, duid=, state=, under=2001:db8::/40, limit=..."},
    {"lease", "ADDRESS|PREFIX", 1, 1, run_lease, "everything about one lease"},
    {"trace", "DUID|ADDRESS|PREFIX [seconds=60]", 1, 3, command_trace,
     "one client's packets and what becomes of them, as they come; --pcap FILE keeps them"},
    {"pools", "[link=NAME]", 0, 1, run_pools, "how full the pools are"},
    {"stats", "[group=NAME]", 0, 2, run_stats, "counters that are not zero, gauges, latencies"},
    {"config", "[/JSON/POINTER|test|apply...]", 0, 8, command_config,
     "the configuration in force, or a part; \"config help\": test, change, compare, save it"},
    {"test", "FILE", 1, 1, command_test, "would the running server accept this configuration file"},
    {"failover", "[explain|conflicts] [NAME]", 0, 2, command_failover,
     "the pair: both states side by side, everything about one, why it is so and what to do"},
    {"partner-down", "[NAME] [down_since=TIME]", 0, 2, command_partner_down,
     "the partner is down for good: serve alone; --dry-run tells what it brings, --confirm NAME"},
    {"maintenance", "[NAME]", 0, 1, command_maintenance,
     "hand over to the partner and stop; with NAME only that relationship"},
    {"methods", "", 0, 0, command_methods, "all methods of the server"},
    {NULL, NULL, 0, 0, NULL, NULL},
};

static void status_head_print(const json_t *status)
{
    const json_t *leases = json_object_get(status, "leases");
    const json_t *storage = json_object_get(status, "storage");
    json_t *by_state = json_object_get(leases, "by_state");
    const char *key, *comma = "";
    char up[32], count[32];
    json_t *value;

    table_duration(json_integer_value(json_object_get(status, "uptime_s")), up, sizeof(up));
    (void)printf("server   %s: %s for %s, configuration revision %s\n",
                 session_text(status, "name"), session_text(status, "state"), up,
                 session_text(status, "revision"));
    (void)printf("leases   %s of %s (", session_text(leases, "used"), session_text(leases, "max"));
    json_object_foreach(by_state, key, value)
    {
        table_cell(value, count, sizeof(count));
        (void)printf("%s%s %s", comma, key, count);
        comma = ", ";
    }
    (void)printf("%s)\n", comma[0] ? "" : "none");
    if (json_is_object(storage)) {
        (void)printf("storage  %s, %s records in %s batches, %s octets of log in %s segments\n",
                     json_is_true(json_object_get(storage, "healthy")) ? "healthy" : "FAILING",
                     session_text(storage, "records"), session_text(storage, "batches"),
                     session_text(storage, "log_bytes"), session_text(storage, "segments"));
    }
}

static int run_status(struct session *session)
{
    static const struct table_column ports[] = {
        {"port", "PORT", false}, {"link_up", "LINK", false},  {"mac", "MAC", false},
        {"mtu", "MTU", true},    {"device", "DEVICE", false}, {0}};
    static const struct table_column workers[] = {{"worker", "WORKER", true},
                                                  {"alive", "ALIVE", false},
                                                  {"parked", "PARKED", true},
                                                  {"parked_max", "MOST", true},
                                                  {"ring_used_max", "RING MOST", true},
                                                  {"ring_full", "RING FULL", true},
                                                  {0}};
    json_t *status, *row;
    size_t index;
    int code = session_result(session, "server.status", NULL, &status);

    if (status == NULL) {
        return code;
    }
    status_head_print(status);
    (void)putchar('\n');
    table_print(stdout, ports, json_object_get(status, "ports"));
    (void)putchar('\n');
    table_print(stdout, workers, json_object_get(status, "workers"));
    json_array_foreach(json_object_get(status, "health"), index, row)
    {
        (void)printf("%s%s: %s: %s\n", index ? "" : "\n", session_text(row, "level"),
                     session_text(row, "check"), session_text(row, "text"));
    }
    json_decref(status);
    return EXIT_OK;
}

static int run_version(struct session *session)
{
    json_t *version;
    int code = session_result(session, "server.version", NULL, &version);

    if (version) {
        (void)printf("%s %s (git %s), interface %s, %s\n", session_text(version, "product"),
                     session_text(version, "version"), session_text(version, "git"),
                     session_text(version, "api"), session_text(version, "dpdk"));
        json_decref(version);
    }
    return code;
}

static bool is_one_of(const char *word, size_t size, const char *const *words)
{
    for (; *words; words++) {
        if (strlen(*words) == size && strncmp(*words, word, size) == 0) {
            return true;
        }
    }
    return false;
}

/* key=value arguments as parameters of lease.list: limit and fields stay, the rest is the filter,
 * where only the IAID is a number: digits elsewhere are hex digits or names. */
static json_t *leases_params(struct session *session)
{
    static const char *const own[] = {"limit", "fields", NULL};
    static const char *const numbers[] = {"iaid", NULL};
    json_t *params = json_pack("{s:{}}", "filter");
    json_t *filter = json_object_get(params, "filter");

    for (int i = 0; params && i < session->argc; i++) {
        const char *at = session->argv[i], *equals = strchr(at, '=');
        size_t size = equals ? (size_t)(equals - at) : 0;
        bool plain = is_one_of(at, size, own) || is_one_of(at, size, numbers);
        json_t *value = !equals ? NULL
                        : plain ? json_loads(equals + 1, JSON_DECODE_ANY, NULL)
                                : json_string(equals + 1);

        if (size == 0 || value == NULL ||
            json_object_setn_new(is_one_of(at, size, own) ? params : filter, at, size, value)) {
            (void)fprintf(stderr,
                          "tandem6ctl: %s: want name=value\n  \"tandem6ctl lease.list "
                          "--help\" shows the names\n",
                          at);
            json_decref(params);
            params = NULL;
        }
    }
    return params;
}

/* Wipes the line of progress away, where there was one. */
static void progress_end(unsigned told)
{
    if (told && isatty(STDERR_FILENO)) {
        (void)fputs("\r\033[K", stderr);
    }
}

/* Asks page after page until limit leases are there or the end is. A page may be short or empty. */
static int leases_gather(struct session *session, json_t *params, json_int_t limit, json_t *leases,
                         json_t **ret_cursor)
{
    for (unsigned page_count = 0; page_count < PAGES_MAX; page_count++) {
        json_int_t left = limit - (json_int_t)json_array_size(leases);
        json_t *page;
        int code;

        (void)json_object_set_new(params, "limit", json_integer(left < PAGE_MAX ? left : PAGE_MAX));
        code = session_call(session, "lease.list", json_deep_copy(params), &page);
        if (code != EXIT_OK) {
            return code;
        }
        (void)json_array_extend(leases, json_object_get(page, "leases"));
        *ret_cursor = json_incref(json_object_get(page, "next_cursor"));
        json_decref(page);
        if (json_is_null(*ret_cursor) || (json_int_t)json_array_size(leases) >= limit) {
            progress_end(page_count);
            return EXIT_OK;
        }
        if (isatty(STDERR_FILENO)) {
            (void)fprintf(stderr, "\rfound %zu leases so far ", json_array_size(leases));
        }
        (void)json_object_set_new(params, "cursor", *ret_cursor);
    }
    (void)fprintf(stderr, "tandem6ctl: the server's list has no end\n  see the server's log\n");
    return EXIT_SERVER;
}

/* Address and prefix share a column. */
static void leases_print(json_t *leases, const json_t *cursor)
{
    static const struct table_column columns[] = {
        {"resource", "LEASE", false},      {"state", "STATE", false},
        {"ends", "ENDS IN", true},         {"link", "LINK", false},
        {"duid", "DUID", false},           {"iaid", "IAID", true},
        {"remote_id", "REMOTE ID", false}, {"interface_id", "INTERFACE ID", false},
        {"hostname", "NAME", false},       {0}};
    char ends[32];
    size_t index;
    json_t *lease;

    json_array_foreach(leases, index, lease)
    {
        const json_t *left = json_object_get(lease, "valid_for_s");
        json_t *prefix = json_object_get(lease, "prefix");

        (void)json_object_set(lease, "resource",
                              prefix ? prefix : json_object_get(lease, "address"));
        if (json_is_integer(left)) {
            table_duration(json_integer_value(left), ends, sizeof(ends));
            (void)json_object_set_new(lease, "ends", json_string(ends));
        }
    }
    table_print(stdout, columns, leases);
    (void)printf("%zu lease%s%s\n", json_array_size(leases),
                 json_array_size(leases) == 1 ? "" : "s",
                 json_is_null(cursor) ? "" : "; there may be more, add limit=N");
}

static int run_leases(struct session *session)
{
    json_t *params = leases_params(session), *leases = json_array(), *cursor = NULL;
    const json_t *limit = json_object_get(params, "limit");
    json_int_t wanted = limit ? json_integer_value(limit) : LEASES_DEFAULT;
    int code = EXIT_USAGE;

    if (params && wanted < 1) {
        (void)fprintf(stderr, "tandem6ctl: limit must be a number from 1\n");
    } else if (params) {
        code = leases_gather(session, params, wanted, leases, &cursor);
    }
    if (code == EXIT_OK && session->json) {
        json_t *whole = json_pack("{s:O, s:O}", "leases", leases, "next_cursor", cursor);

        json_print(whole);
        json_decref(whole);
    } else if (code == EXIT_OK) {
        leases_print(leases, cursor);
    }
    if (code == EXIT_OK) {
        json_decref(cursor);
    }
    json_decref(leases);
    json_decref(params);
    return code;
}

static void members_print(json_t *object)
{
    const char *key;
    json_t *value;
    char text[SESSION_TEXT_MAX];
    int width = 0;

    json_object_foreach(object, key, value)
    {
        width = (int)strlen(key) > width ? (int)strlen(key) : width;
    }
    json_object_foreach(object, key, value)
    {
        table_cell(value, text, sizeof(text));
        (void)printf("%-*s  %s\n", width, key, text);
    }
}

static int run_lease(struct session *session)
{
    const char *what = session->argv[0];
    json_t *lease;
    int code =
        session_result(session, "lease.get",
                       json_pack("{s:s}", strchr(what, '/') ? "prefix" : "address", what), &lease);

    if (lease) {
        members_print(lease);
        json_decref(lease);
    }
    return code;
}

static json_t *plain_params(struct session *session)
{
    char error[PARAMS_ERROR_MAX];
    json_t *params = params_parse(session->argc, session->argv, error);

    if (params == NULL) {
        (void)fprintf(stderr, "tandem6ctl: %s\n", error);
    }
    return params;
}

static int run_pools(struct session *session)
{
    static const struct table_column columns[] = {{"pool", "POOL", false},
                                                  {"link", "LINK", false},
                                                  {"type", "TYPE", false},
                                                  {"total", "TOTAL", true},
                                                  {"free", "FREE", true},
                                                  {"used", "USED", true},
                                                  {"declined", "DECLINED", true},
                                                  {"waiting", "WAITING", true},
                                                  {"reserved", "RESERVED", true},
                                                  {"as_of", "COUNTED", false},
                                                  {0}};
    json_t *params = plain_params(session), *result;
    int code;

    if (params == NULL) {
        return EXIT_USAGE;
    }
    code = session_result(session, "pool.list", params, &result);
    if (result) {
        table_print(stdout, columns, json_object_get(result, "pools"));
        json_decref(result);
    }
    return code;
}

static int run_stats(struct session *session)
{
    static const struct table_column columns[] = {
        {"name", "LATENCY", false}, {"count", "COUNT", true},
        {"p50", "P50", true},       {"p99", "P99", true},
        {"p999", "P99.9", true},    {"max", "MAX", true},
        {"unit", "UNIT", false},    {0}};
    json_t *params = plain_params(session), *result;
    int code;

    if (params == NULL) {
        return EXIT_USAGE;
    }
    if (!json_object_get(params, "zeros")) {
        (void)json_object_set_new(params, "zeros", json_false());
    }
    code = session_result(session, "stats.get", params, &result);
    if (result) {
        members_print(json_object_get(result, "counters"));
        (void)putchar('\n');
        members_print(json_object_get(result, "gauges"));
        if (json_array_size(json_object_get(result, "histograms"))) {
            (void)putchar('\n');
            table_print(stdout, columns, json_object_get(result, "histograms"));
        }
        json_decref(result);
    }
    return code;
}

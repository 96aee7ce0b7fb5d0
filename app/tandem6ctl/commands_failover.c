/* failover, partner-down, maintenance. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "table.h"

enum {
    STEPS_MAX = 100000,   /* of a look ahead; 200 thousand leases each */
    HANDOVER_WAIT_S = 30, /* two patiences of a hand-over, and some */
    POLLS_PER_S = 4,
    NAME_MAX_OCTETS = 256,
};

/* Parameters with the relationship's name, if there is one. */
static json_t *named(const char *name)
{
    return name ? json_pack("{s:s}", "relation", name) : json_object();
}

/* Time since a time of the server, as people say it. */
static void age_set(json_t *row, const char *from, const char *to)
{
    const char *text = json_string_value(json_object_get(row, from));
    struct tm tm = {0};
    char age[32];
    time_t then;

    if (text == NULL || strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) == NULL) {
        return;
    }
    then = timegm(&tm);
    table_duration(time(NULL) > then ? (json_int_t)(time(NULL) - then) : 0, age, sizeof(age));
    (void)json_object_set_new(row, to, json_string(age));
}

static int relations_print(struct session *session)
{
    static const struct table_column columns[] = {{"relation", "RELATION", false},
                                                  {"role", "ROLE", false},
                                                  {"state", "STATE", false},
                                                  {"for", "FOR", true},
                                                  {"partner_state", "PARTNER", false},
                                                  {"partner_for", "FOR", true},
                                                  {"communications", "CONTACT", false},
                                                  {"heard", "HEARD", true},
                                                  {"waiting", "TO TELL", true},
                                                  {"unacked", "UNACKED", true},
                                                  {"refused", "REFUSED", true},
                                                  {"free_own", "FREE", true},
                                                  {"free_partner", "ITS FREE", true},
                                                  {0}};
    json_t *result, *row;
    size_t index;
    int code = session_result(session, "failover.list", NULL, &result);

    if (result == NULL) {
        return code;
    }
    json_array_foreach(json_object_get(result, "relations"), index, row)
    {
        age_set(row, "since", "for");
        age_set(row, "partner_since", "partner_for");
        age_set(row, "last_contact", "heard");
    }
    if (json_array_size(json_object_get(result, "relations"))) {
        table_print(stdout, columns, json_object_get(result, "relations"));
    } else {
        (void)printf("no failover relationship: this server stands alone\n");
    }
    json_decref(result);
    return EXIT_OK;
}

static void members_print(const char *prefix, json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        (void)printf("%s%-20s %s\n", prefix, key, session_text(object, key));
    }
}

static int relation_print(struct session *session, const char *name)
{
    static const struct table_column pools[] = {{"pool", "POOL", false},
                                                {"free_own", "FREE", true},
                                                {"free_partner", "ITS FREE", true},
                                                {"asked_back", "ASKED BACK", true},
                                                {"backup_target", "SECONDARY SHOULD HAVE", true},
                                                {0}};
    static const char *const parts[] = {"peer", "link", "updates", "sync"};
    json_t *result, *list;
    int code = session_result(session, "failover.get", named(name), &result);

    if (result == NULL) {
        return code;
    }
    list = json_incref(json_object_get(result, "pools"));
    (void)json_object_del(result, "pools");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        json_t *part = json_incref(json_object_get(result, parts[i]));

        (void)json_object_del(result, parts[i]);
        (void)printf("%s%s\n", i ? "\n" : "", parts[i]);
        members_print("  ", part);
        json_decref(part);
    }
    (void)printf("\nrelationship\n");
    members_print("  ", result);
    (void)putchar('\n');
    table_print(stdout, pools, list);
    json_decref(list);
    json_decref(result);
    return EXIT_OK;
}

static int explain_print(struct session *session, const char *name)
{
    static const struct {
        const char *title, *member;
    } rows[] = {{"why", "why"},         {"means", "meaning"},         {"serves", "service"},
                {"clients", "clients"}, {"waits for", "waiting_for"}, {"how long", "how_long"}};

    json_t *result, *item;
    const json_t *timer;
    size_t index;
    int code = session_result(session, "failover.explain", named(name), &result);

    if (result == NULL) {
        return code;
    }
    (void)printf("%s (%s) is in %s since %s\n", session_text(result, "relation"),
                 session_text(result, "role"), session_text(result, "state"),
                 session_text(result, "since"));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)printf("  %-10s %s\n", rows[i].title, session_text(result, rows[i].member));
    }
    timer = json_object_get(result, "next_timer");
    if (json_is_object(timer)) {
        (void)printf("  %-10s %s at %s\n", "then", session_text(timer, "what"),
                     session_text(timer, "at"));
    }
    (void)printf("what to do\n");
    json_array_foreach(json_object_get(result, "advice"), index, item)
    {
        (void)printf("  - %s\n", json_string_value(item) ? json_string_value(item) : "?");
    }
    json_decref(result);
    return EXIT_OK;
}

static int conflicts_print(struct session *session, const char *name)
{
    static const struct table_column conflicts[] = {{"at", "AT", false},
                                                    {"address", "ADDRESS", false},
                                                    {"prefix", "PREFIX", false},
                                                    {"kept", "KEPT BY", false},
                                                    {"own_duid", "OWN CLIENT", false},
                                                    {"partner_duid", "PARTNER'S CLIENT", false},
                                                    {0}};
    static const struct table_column refused[] = {
        {"address", "ADDRESS", false}, {"prefix", "PREFIX", false}, {"state", "STATE", false},
        {"link", "LINK", false},       {"duid", "DUID", false},     {0}};
    json_t *result;
    int code = session_result(session, "failover.conflicts", named(name), &result);

    if (result == NULL) {
        return code;
    }
    (void)printf("%s leases were given twice\n", session_text(result, "conflicts_total"));
    table_print(stdout, conflicts, json_object_get(result, "conflicts"));
    (void)printf("%s leases the partner refuses\n", session_text(result, "refused_total"));
    table_print(stdout, refused, json_object_get(result, "refused"));
    json_decref(result);
    return EXIT_OK;
}

int command_failover(struct session *session)
{
    const char *word = session->argc ? session->argv[0] : NULL;
    const char *name = session->argc > 1 ? session->argv[1] : NULL;

    if (word == NULL) {
        return relations_print(session);
    }
    if (strcmp(word, "explain") == 0) {
        return explain_print(session, name);
    }
    if (strcmp(word, "conflicts") == 0) {
        return conflicts_print(session, name);
    }
    if (name) {
        (void)fprintf(stderr, "usage: tandem6ctl failover [explain|conflicts] [NAME]\n");
        return EXIT_USAGE;
    }
    return relation_print(session, word);
}

/* NAME and down_since=TIME in any order; false after telling what is wrong. */
static bool partner_down_params(const struct session *session, json_t *params)
{
    static const char since[] = "down_since=";

    for (int i = 0; i < session->argc; i++) {
        const char *argument = session->argv[i];
        bool is_since = strncmp(argument, since, sizeof(since) - 1) == 0;
        const char *member = is_since ? "down_since" : "relation";

        if (!is_since && strchr(argument, '=')) {
            (void)fprintf(stderr, "tandem6ctl: %s: want down_since=2026-11-23T18:00:00Z\n",
                          argument);
            return false;
        }
        if (json_object_get(params, member) ||
            json_object_set_new(params, member,
                                json_string(is_since ? argument + sizeof(since) - 1 : argument))) {
            (void)fprintf(stderr, "tandem6ctl: %s: given twice, or not UTF-8\n", argument);
            return false;
        }
    }
    return true;
}

/* Asks until all leases have been looked at. */
static int simulate(struct session *session, const json_t *params, json_t **ret_result)
{
    for (unsigned i = 0; i < STEPS_MAX; i++) {
        json_t *asked = json_deep_copy(params), *result;
        int code = session_call(session, "failover.simulate", asked, &result);

        if (code != EXIT_OK) {
            return code;
        }
        if (json_is_true(json_object_get(result, "complete"))) {
            *ret_result = result;
            return EXIT_OK;
        }
        if (isatty(STDERR_FILENO)) {
            (void)fprintf(stderr, "\rlooked at %s of %s leases", session_text(result, "looked_at"),
                          session_text(result, "slots"));
        }
        json_decref(result);
    }
    (void)fprintf(stderr, "tandem6ctl: the look ahead has no end\n  see the server's log\n");
    return EXIT_SERVER;
}

static void outlook_print(const json_t *outlook)
{
    json_t *item;
    size_t index;

    (void)printf("%s would go to %s; the partner counts as down since %s\n",
                 session_text(outlook, "relation"), session_text(outlook, "state"),
                 session_text(outlook, "down_since"));
    (void)printf("  %-34s %s\n", "leases clients hold", session_text(outlook, "active_leases"));
    (void)printf("  %-34s %s\n", "at risk: the partner does not know",
                 session_text(outlook, "at_risk_leases"));
    (void)printf("  %-34s %s\n", "free prefixes at once", session_text(outlook, "prefixes_now"));
    (void)printf("  %-34s %s, from %s on\n", "with the partner's share",
                 session_text(outlook, "prefixes_later"), session_text(outlook, "usable_at"));
    (void)printf("  %-34s %s (%s prefixes), free from %s to %s\n", "ended, waiting for the partner",
                 session_text(outlook, "waiting_leases"), session_text(outlook, "waiting_prefixes"),
                 session_text(outlook, "waiting_first_at"),
                 session_text(outlook, "waiting_last_at"));
    json_array_foreach(json_object_get(outlook, "warnings"), index, item)
    {
        (void)printf("  ! %s\n", json_string_value(item) ? json_string_value(item) : "?");
    }
}

/* The operator types the relationship's name. */
static bool confirmed_by_hand(const char *name)
{
    char line[NAME_MAX_OCTETS];

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return false;
    }
    (void)printf("\nBe sure that the partner answers no clients. To go on, type %s: ", name);
    (void)fflush(stdout);
    if (fgets(line, sizeof(line), stdin) == NULL) {
        return false;
    }
    line[strcspn(line, "\n")] = '\0';
    return strcmp(line, name) == 0;
}

static int partner_down_apply(struct session *session, json_t *params)
{
    json_t *result;
    int code = session_result(session, "failover.partner_down", json_incref(params), &result);

    if (result) {
        (void)printf("%s is in %s; the partner's free prefixes may be used from %s on\n"
                     "  when the partner is repaired start it, it comes back by itself; "
                     "\"tandem6ctl failover\" shows how\n",
                     session_text(result, "relation"), session_text(result, "state"),
                     session_text(result, "usable_at"));
        json_decref(result);
    }
    return code;
}

/* Shows the consequences, unless a confirmation is there already; asks; does it. */
static int partner_down(struct session *session, json_t *params)
{
    json_t *outlook;
    const char *name;
    bool allowed, confirmed;
    int code;

    if (session->confirm && !session->dry_run) {
        (void)json_object_set_new(params, "confirm", json_string(session->confirm));
        return partner_down_apply(session, params);
    }
    code = simulate(session, params, &outlook);
    if (code != EXIT_OK) {
        return code;
    }
    if (session->json) {
        json_print(outlook);
    } else {
        outlook_print(outlook);
    }
    name = json_string_value(json_object_get(outlook, "relation"));
    allowed = json_is_true(json_object_get(outlook, "allowed"));
    confirmed = !session->dry_run && !session->json && allowed && name && confirmed_by_hand(name);
    if (confirmed) {
        (void)json_object_set_new(params, "confirm", json_string(name));
        code = partner_down_apply(session, params);
    } else if (!session->dry_run || !allowed) {
        (void)fprintf(stderr, "tandem6ctl: nothing was done\n  %s%s\n",
                      allowed ? "be sure that the partner answers no clients, then add --confirm "
                              : "\"tandem6ctl failover explain\" tells why not",
                      allowed && name ? name : "");
        code = EXIT_SERVER;
    }
    json_decref(outlook);
    return code;
}

int command_partner_down(struct session *session)
{
    json_t *params = json_object();
    int code = EXIT_USAGE;

    if (partner_down_params(session, params)) {
        code = partner_down(session, params);
    }
    json_decref(params);
    return code;
}

/* One look at a hand-over under way. */
enum progress {
    PROGRESS_GOES_ON,
    PROGRESS_DONE,
    PROGRESS_FAILED,
};

static enum progress handover_look(struct session *session, bool process_ends)
{
    enum progress progress = PROGRESS_DONE;
    json_t *result, *row;
    size_t index;

    if (client_call(&session->client, "failover.list", NULL, &result) != CLIENT_OK) {
        return process_ends ? PROGRESS_DONE : PROGRESS_FAILED; /* it has ended */
    }
    json_array_foreach(json_object_get(result, "relations"), index, row)
    {
        const char *name = json_string_value(json_object_get(row, "relation"));
        json_t *get;

        if (client_call(&session->client, "failover.get", named(name), &get) != CLIENT_OK) {
            progress = process_ends ? PROGRESS_DONE : PROGRESS_FAILED;
            break;
        }
        if (json_is_true(json_object_get(get, "handover_failed"))) {
            progress = PROGRESS_FAILED;
        } else if (progress == PROGRESS_DONE &&
                   strcmp(session_text(get, "handover"), "stopped") != 0 &&
                   (process_ends || (session->argc && strcmp(name, session->argv[0]) == 0))) {
            progress = PROGRESS_GOES_ON;
        }
        json_decref(get);
    }
    json_decref(result);
    return progress;
}

int command_maintenance(struct session *session)
{
    const struct timespec pause = {.tv_nsec = 1000000000 / POLLS_PER_S};
    enum progress progress = PROGRESS_GOES_ON;
    json_t *result;
    bool process_ends;
    int code = session_call(session, "failover.maintenance",
                            named(session->argc ? session->argv[0] : NULL), &result);

    if (code != EXIT_OK) {
        return code;
    }
    process_ends = json_is_true(json_object_get(result, "process_ends"));
    if (session->json) {
        json_print(result);
    }
    json_decref(result);
    for (unsigned i = 0; i < HANDOVER_WAIT_S * POLLS_PER_S && progress == PROGRESS_GOES_ON; i++) {
        (void)nanosleep(&pause, NULL);
        progress = handover_look(session, process_ends);
    }
    if (progress != PROGRESS_DONE) {
        (void)fprintf(
            stderr, "tandem6ctl: %s\n  \"tandem6ctl failover explain\" tells how it stands\n",
            progress == PROGRESS_FAILED ? "the partner went away meanwhile: this server serves on"
                                        : "the hand-over is not done after 30 s, it goes on");
        return EXIT_SERVER;
    }
    if (!session->json) {
        (void)printf("handed over, the partner serves%s\n",
                     process_ends ? "; this server has stopped, start it when the work is done"
                                  : "; this relationship comes back when the server is restarted");
    }
    return EXIT_OK;
}

/* The failover methods over a pair of complete servers: requests as bytes, answers as JSON, and
 * what they foretell against what then happens. */
#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "desk.h"
#include "server/dirty.h"
#include "server/relation_operator.h"

enum {
    LAG_S = 70 /* the sweep looks at waiting leases once a minute */
};

static sec_t time_of(const json_t *json, const char *member)
{
    struct tm tm = {0};

    CHECK(strptime(text(json, member), "%Y-%m-%dT%H:%M:%SZ", &tm) != NULL);
    return (sec_t)(timegm(&tm) - SEC_UNIX_OFFSET);
}

static bool any_has(const json_t *list, const char *part)
{
    size_t index;
    json_t *item;

    json_array_foreach(list, index, item)
    {
        if (strstr(json_string_value(item), part)) {
            return true;
        }
    }
    return false;
}

static void test_list_and_get(void)
{
    static const char *const roles[] = {"primary", "secondary"};
    static const int64_t shares[] = {24, 8};
    struct pair pair;

    pair_open_normal(&pair);
    for (unsigned node = 0; node < 2; node++) {
        struct desk desk;
        struct histogram_picture lag = {0};
        json_t *list, *get;
        const json_t *row;

        desk_open(&desk, &pair, node);
        list = call(&desk, "failover.list", "{}");
        CHECK_EQ(json_array_size(json_object_get(list, "relations")), 1);
        row = json_array_get(json_object_get(list, "relations"), 0);
        CHECK_STR(text(row, "relation"), "pop7");
        CHECK_STR(text(row, "role"), roles[node]);
        CHECK_STR(text(row, "state"), "NORMAL");
        CHECK_STR(text(row, "partner_state"), "NORMAL");
        CHECK_STR(text(row, "communications"), "ok");
        CHECK_EQ(number(row, "free_own"), shares[node]);
        CHECK_EQ(number(row, "free_partner"), shares[1 - node]);
        CHECK_EQ(number(row, "waiting"), 0);
        CHECK_EQ(number(row, "unacked"), 0);
        CHECK_EQ(number(row, "mclt_s"), MCLT_S);
        get = call(&desk, "failover.get", "{\"relation\": \"pop7\"}");
        CHECK_STR(text(get, "state"), "NORMAL");
        CHECK_STR(text(get, "handover"), "none");
        CHECK(strncmp(text(json_object_get(get, "peer"), "software"), "tandem6 ", 8) == 0);
        CHECK_STR(text(json_object_get(get, "peer"), "protocol"), "1.0");
        CHECK_STR(text(json_object_get(get, "link"), "state"), "up");
        CHECK_STR(text(json_object_get(get, "sync"), "phase"), "none");
        CHECK_EQ(json_array_size(json_object_get(get, "pools")), 1);
        CHECK_EQ(number(json_array_get(json_object_get(get, "pools"), 0), "backup_target"), 8);
        histogram_gather(&relation_at(&pair, node)->lag.ms, &lag);
        CHECK(node == SECONDARY || lag.count); /* it handed prefixes over */
        CHECK_EQ(number(json_object_get(get, "lag_ms"), "count"), lag.count);
        CHECK_EQ(number(json_object_get(get, "lag_ms"), "max"), lag.max);
        json_decref(list);
        json_decref(get);
        refused(&desk, "failover.get", "{\"relation\": \"pop8\"}", JSONRPC_NOT_FOUND,
                "no_relation");
        methods_free(desk.methods);
    }
    pair_close(&pair);
}

static void test_explain(void)
{
    struct desk desk;
    struct pair pair;
    json_t *json, *get;

    pair_open_normal(&pair);
    desk_open(&desk, &pair, PRIMARY);
    json = call(&desk, "failover.explain", "{}");
    CHECK_STR(text(json, "state"), "NORMAL");
    CHECK_STR(text(json, "waiting_for"), "nothing");
    CHECK(any_has(json_object_get(json, "advice"), "nothing"));
    CHECK(is_true(json, "partner_down_allowed"));
    json_decref(json);
    pair_cut(&pair, 0);
    pass(&pair, 2);
    json = call(&desk, "failover.explain", "{}");
    CHECK_STR(text(json, "state"), "COMMUNICATIONS-INTERRUPTED");
    CHECK_STR(text(json, "why"), "communications with the partner were lost");
    CHECK(any_has(json_object_get(json, "advice"), "partner-down"));
    CHECK(any_has(json_object_get(json, "advice"), "port does not answer"));
    CHECK_EQ(number(json, "mclt_s"), MCLT_S);
    json_decref(json);
    get = call(&desk, "failover.get", "{}");
    CHECK_STR(text(get, "communications"), "interrupted");
    CHECK_STR(text(json_object_get(json_object_get(get, "link"), "last_down"), "reason"),
              "connect-failed");
    CHECK_EQ(number(json_object_get(json_object_get(get, "link"), "downs"), "closed"), 1);
    json_decref(get);
    partner_down(&pair, PRIMARY);
    json = call(&desk, "failover.explain", "{}");
    CHECK_STR(text(json, "state"), "PARTNER-DOWN");
    CHECK_EQ(time_of(json_object_get(json, "next_timer"), "at"),
             relation_at(&pair, PRIMARY)->fsm.record.down_since_s + MCLT_S + LEASE_TRANSIT_S);
    CHECK(!is_true(json, "partner_prefixes_open"));
    json_decref(json);
    methods_free(desk.methods);
    pair_close(&pair);
}

static void test_partner_down_guards(void)
{
    struct desk desk;
    struct pair pair;
    sec_t heard_s;
    json_t *json;

    pair_open_normal(&pair);
    desk_open(&desk, &pair, PRIMARY);
    refused(&desk, "failover.partner_down", "{\"confirm\": \"pop7\"}", JSONRPC_PEER, "peer_alive");
    pass(&pair, 300); /* CONTACTs only */
    heard_s = pair.now.s;
    pair_cut(&pair, 0);
    pass(&pair, 30);
    CHECK(sec_until(heard_s, relation_at(&pair, PRIMARY)->fsm.record.heard_s) <= 15);
    heard_s = relation_at(&pair, PRIMARY)->fsm.record.heard_s;
    refused(&desk, "failover.partner_down", "{}", JSONRPC_CONFIRM_REQUIRED, "confirm_required");
    refused(&desk, "failover.partner_down", "{\"confirm\": \"pop8\"}", JSONRPC_CONFIRM_REQUIRED,
            "confirm_required");
    refused(&desk, "failover.partner_down", "{\"confirm\": \"pop7\", \"down_since\": \"today\"}",
            JSONRPC_INVALID_PARAMS, "invalid_param");
    refused(&desk, "failover.partner_down",
            "{\"confirm\": \"pop7\", \"down_since\": \"2099-01-01T00:00:00Z\"}",
            JSONRPC_INVALID_PARAMS, "invalid_param");
    json = ask_as(&desk, JSONRPC_ROLES_VIEW, "failover.partner_down", "{\"confirm\": \"pop7\"}");
    CHECK_EQ(json_integer_value(json_object_get(json_object_get(json, "error"), "code")),
             JSONRPC_UNAUTHORIZED);
    json_decref(json);
    json = call(&desk, "failover.partner_down", "{\"dry_run\": true}");
    CHECK(is_true(json, "allowed"));
    CHECK_STR(text(json, "state"), "PARTNER-DOWN");
    json_decref(json);
    CHECK_EQ(desk.wakes, 0);
    CHECK_EQ(state_of(&pair, PRIMARY), FO_COMMUNICATIONS_INTERRUPTED);
    /* Long ago is not believed: the partner was heard since. */
    json = call(&desk, "failover.partner_down",
                "{\"confirm\": \"pop7\", \"down_since\": \"2020-01-01T00:00:00Z\"}");
    CHECK_STR(text(json, "state"), "PARTNER-DOWN");
    CHECK_EQ(time_of(json, "down_since"), heard_s);
    CHECK_EQ(time_of(json, "usable_at"), heard_s + MCLT_S + LEASE_TRANSIT_S);
    json_decref(json);
    CHECK_EQ(desk.wakes, 1);
    refused(&desk, "failover.partner_down", "{\"confirm\": \"pop7\"}", JSONRPC_WRONG_STATE,
            "already");
    methods_free(desk.methods);
    pair_close(&pair);
}

/* What failover.simulate foretells is what then happens. */
static void test_simulate_is_right(void)
{
    struct reply told, released, untold, ended;
    sec_t usable_s, last_s, first_s;
    struct relation *relation;
    struct desk desk;
    struct pair pair;
    int64_t later;
    json_t *json;

    pair_open_normal(&pair);
    desk_open(&desk, &pair, PRIMARY);
    relation = relation_at(&pair, PRIMARY);
    CHECK(lease_get(&pair, PRIMARY, 1, &told));
    CHECK(lease_get(&pair, PRIMARY, 2, &released));
    pump(&pair);
    pair_cut(&pair, 0);
    pass(&pair, 10);
    CHECK(exchange(&pair, PRIMARY, DHCP6_RELEASE, 2, &released, &ended));
    CHECK(lease_get(&pair, PRIMARY, 3, &untold));
    pass(&pair, 10);
    json = call(&desk, "failover.simulate", "{\"event\": \"link_loss\"}");
    CHECK_STR(text(json, "state"), "COMMUNICATIONS-INTERRUPTED");
    CHECK(json_is_null(json_object_get(json, "usable_at")));
    CHECK_EQ(number(json, "prefixes_later"), number(json, "prefixes_now"));
    json_decref(json);
    json = call(&desk, "failover.simulate", "{}");
    CHECK(is_true(json, "complete"));
    CHECK_EQ(number(json, "active_leases"), 4);
    CHECK_EQ(number(json, "at_risk_leases"), 4); /* two ended, two new, none acknowledged */
    CHECK_EQ(number(json, "waiting_leases"), 2);
    CHECK_EQ(number(json, "waiting_prefixes"), 1);
    CHECK_EQ(number(json, "prefixes_now"), 21);
    later = number(json, "prefixes_later");
    CHECK_EQ(later, 29);
    CHECK(any_has(json_object_get(json, "warnings"), "does not know of all leases"));
    usable_s = time_of(json, "usable_at");
    first_s = time_of(json, "waiting_first_at");
    last_s = time_of(json, "waiting_last_at");
    json_decref(json);
    json = call(&desk, "failover.partner_down", "{\"confirm\": \"pop7\"}");
    CHECK_EQ(time_of(json, "usable_at"), usable_s);
    json_decref(json);

    pass(&pair, (unsigned)sec_until(usable_s, pair.now.s) - 10);
    CHECK(!fo_fsm_partner_pool_open(&relation->fsm, pair.now.s));
    pass(&pair, 10);
    CHECK(fo_fsm_partner_pool_open(&relation->fsm, pair.now.s));
    CHECK_EQ(free_own(&pair, PRIMARY) + free_partner(&pair, PRIMARY), later);
    if (sec_after(first_s, pair.now.s + 10)) {
        pass(&pair, (unsigned)sec_until(first_s, pair.now.s) - 10);
    }
    CHECK_EQ(status_at(&pair, PRIMARY, &released.prefix), BINDING_RELEASED);
    pass(&pair, (unsigned)sec_until(last_s, pair.now.s) + LAG_S);
    CHECK_EQ(status_at(&pair, PRIMARY, &released.prefix), BINDING_FREE);
    CHECK_EQ(status_at(&pair, PRIMARY, &released.address), BINDING_FREE);
    methods_free(desk.methods);
    pair_close(&pair);
}

/* A store larger than one call's budget is looked at in several. */
static void test_simulate_goes_on(void)
{
    struct relation_outlook outlook;
    struct fo_fsm_event event = {.type = FO_FSM_PARTNER_DOWN};
    struct reply reply;
    struct pair pair;
    size_t looked = 0;

    pair_open_normal(&pair);
    for (unsigned i = 0; i < 5; i++) {
        CHECK(lease_get(&pair, PRIMARY, 1 + i, &reply));
    }
    pump(&pair);
    pair_cut(&pair, 0);
    pass(&pair, 2);
    relation_outlook_begin(relation_at(&pair, PRIMARY), &event, pair.now.s, &outlook);
    CHECK_EQ(outlook.refused, 0);
    CHECK_EQ(state_of(&pair, PRIMARY), FO_COMMUNICATIONS_INTERRUPTED);
    while (!outlook.complete) {
        size_t step = relation_outlook_turn(&outlook, relation_at(&pair, PRIMARY), 3);

        CHECK(step <= 3);
        looked += step;
    }
    CHECK_EQ(looked, store_slot_max(pair.nodes[PRIMARY].h.server->store));
    CHECK_EQ(outlook.active, 10);
    CHECK_EQ(outlook.unacknowledged, 0);
    pair_close(&pair);
}

static void test_maintenance(void)
{
    struct reply reply;
    struct desk desk;
    struct pair pair;
    json_t *json;

    pair_open_normal(&pair);
    desk_open(&desk, &pair, PRIMARY);
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    json = call(&desk, "failover.maintenance", "{}");
    CHECK(is_true(json, "process_ends"));
    CHECK_EQ(desk.wakes, 1);
    json_decref(json);
    CHECK(!methods_maintenance_done(desk.methods));
    refused(&desk, "failover.maintenance", "{}", JSONRPC_WRONG_STATE, "already");
    pass(&pair, 2);
    CHECK(methods_maintenance_done(desk.methods));
    json = call(&desk, "failover.get", "{}");
    CHECK_STR(text(json, "handover"), "stopped");
    json_decref(json);
    /* The partner knows the last lease and answers everybody. */
    CHECK_EQ(status_at(&pair, SECONDARY, &reply.address), BINDING_ACTIVE);
    CHECK_EQ(state_of(&pair, SECONDARY), FO_COMMUNICATIONS_INTERRUPTED);
    CHECK(lease_get(&pair, SECONDARY, 2, &reply));
    CHECK(!exchange(&pair, PRIMARY, DHCP6_SOLICIT, 3, NULL, &reply));
    methods_free(desk.methods);

    desk_open(&desk, &pair, SECONDARY);
    refused(&desk, "failover.maintenance", "{}", JSONRPC_PEER, "peer_unreachable");
    CHECK(!methods_maintenance_done(desk.methods));
    methods_free(desk.methods);
    pair_close(&pair);
}

static void test_resync_and_rebalance(void)
{
    struct relation *primary, *secondary;
    struct reply reply;
    struct desk desk;
    struct pair pair;
    uint64_t sent;
    json_t *json;

    pair_open_normal(&pair);
    primary = relation_at(&pair, PRIMARY);
    secondary = relation_at(&pair, SECONDARY);
    desk_open(&desk, &pair, PRIMARY);
    CHECK(lease_get(&pair, PRIMARY, 1, &reply));
    pump(&pair);
    sent = primary->stats.updates_sent;
    json_decref(call(&desk, "failover.resync", "{}"));
    pass(&pair, 1);
    CHECK_EQ(primary->stats.updates_sent, sent);
    json_decref(call(&desk, "failover.resync", "{\"scope\": \"all\"}"));
    pass(&pair, 1);
    CHECK(primary->stats.updates_sent - sent >= 3); /* the secondary's share, two leases */
    CHECK_EQ(primary->stats.rejected, 0);
    sent = secondary->stats.updates_sent;
    json = call(&desk, "failover.resync", "{\"scope\": \"all\", \"direction\": \"receive\"}");
    CHECK_STR(text(json, "direction"), "receive");
    json_decref(json);
    json = call(&desk, "failover.get", "{}");
    CHECK_STR(text(json_object_get(json, "sync"), "phase"), "receiving");
    json_decref(json);
    refused(&desk, "failover.resync", "{\"direction\": \"receive\"}", JSONRPC_WRONG_STATE,
            "already");
    pass(&pair, 1);
    CHECK(secondary->stats.updates_sent - sent >= 3);
    CHECK_EQ(secondary->link.stats.received[FO_UPDREQALL], 1);
    CHECK(!fo_link_update_requested(&primary->link));
    CHECK(both_normal(&pair));
    CHECK_EQ(stores_differ(&pair), 0);

    json = call(&desk, "failover.rebalance", "{}");
    CHECK_EQ(number(json, "backup_target"), 7);
    json_decref(json);
    pair_cut(&pair, 0);
    pass(&pair, 2);
    refused(&desk, "failover.rebalance", "{}", JSONRPC_PEER, "peer_unreachable");
    refused(&desk, "failover.resync", "{}", JSONRPC_PEER, "peer_unreachable");
    methods_free(desk.methods);
    pair_close(&pair);
}

/* Two operators declare each other's server down, wrongly: some prefixes are given twice, which is
 * seen when the servers meet again. */
static void test_conflicts(void)
{
    uint64_t total = 0;
    struct reply reply;
    struct desk desk;
    struct pair pair;

    pair_open_normal(&pair);
    pair_cut(&pair, 0);
    pass(&pair, 2);
    partner_down(&pair, PRIMARY);
    partner_down(&pair, SECONDARY);
    pass(&pair, MCLT_S + 60);
    for (unsigned i = 0; i < 28; i++) {
        CHECK(lease_get(&pair, PRIMARY, 100 + i, &reply));
    }
    for (unsigned i = 0; i < 8; i++) {
        CHECK(lease_get(&pair, SECONDARY, 200 + i, &reply));
    }
    pair_heal(&pair, 0);
    pass(&pair, 60);
    for (unsigned node = 0; node < 2; node++) {
        json_t *json;
        const json_t *row;

        desk_open(&desk, &pair, node);
        json = call(&desk, "failover.conflicts", "{}");
        total += (uint64_t)number(json, "conflicts_total");
        row = json_array_get(json_object_get(json, "conflicts"), 0);
        if (row) {
            CHECK_STR(text(row, "type"), "pd");
            CHECK(strlen(text(row, "own_duid")) == 28 && strlen(text(row, "partner_duid")) == 28);
            CHECK(strcmp(text(row, "own_duid"), text(row, "partner_duid")) != 0);
        }
        json_decref(json);
        methods_free(desk.methods);
    }
    CHECK(total >= 4);
    pair_close(&pair);
}

static void test_refused_are_listed(void)
{
    struct reply reply;
    struct server *server;
    struct desk desk;
    struct pair pair;
    json_t *json;

    pair_open_normal(&pair);
    server = pair.nodes[PRIMARY].h.server;
    for (unsigned i = 0; i < 3; i++) {
        CHECK(lease_get(&pair, PRIMARY, 1 + i, &reply));
        dirty_set(server->dirty, 0, DIRTY_REFUSED, found_at(&pair, PRIMARY, &reply.prefix).slot);
    }
    desk_open(&desk, &pair, PRIMARY);
    json = call(&desk, "failover.conflicts", "{\"limit\": 2}");
    CHECK_EQ(number(json, "refused_total"), 3);
    CHECK_EQ(json_array_size(json_object_get(json, "refused")), 2);
    CHECK(text(json, "next_cursor")[0] == 'r');
    {
        char params[64];
        json_t *rest;

        (void)snprintf(params, sizeof(params), "{\"limit\": 2, \"cursor\": \"%s\"}",
                       text(json, "next_cursor"));
        rest = call(&desk, "failover.conflicts", params);
        CHECK_EQ(json_array_size(json_object_get(rest, "refused")), 1);
        CHECK(json_is_null(json_object_get(rest, "next_cursor")));
        json_decref(rest);
    }
    json_decref(json);
    json = call(&desk, "failover.explain", "{}");
    CHECK(any_has(json_object_get(json, "advice"), "refuses some updates"));
    json_decref(json);
    refused(&desk, "failover.conflicts", "{\"cursor\": \"l0\"}", JSONRPC_BAD_CURSOR, "bad_cursor");
    methods_free(desk.methods);
    pair_close(&pair);
}

static const struct check_test tests[] = {
    {"list_and_get", test_list_and_get},
    {"explain", test_explain},
    {"partner_down_guards", test_partner_down_guards},
    {"simulate_is_right", test_simulate_is_right},
    {"simulate_goes_on", test_simulate_goes_on},
    {"maintenance", test_maintenance},
    {"resync_and_rebalance", test_resync_and_rebalance},
    {"conflicts", test_conflicts},
    {"refused_are_listed", test_refused_are_listed},
};

CHECK_MAIN(tests)

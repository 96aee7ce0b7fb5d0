/* Transcripts of two complete servers, their clients and an operator (tests/unit/server,
 * pair_harness). Commands:
 *
 *     start [share=PERCENT] [reserve]       both, empty; reserve: client 9's address and prefix
 *     at SERVER get|renew|rebind|release CLIENT
 *     cut, heal                             the path between the two
 *     kill SERVER, restart SERVER           as by kill -9; from what was on disk
 *     lose SERVER                           started again with an empty disk
 *     stall SERVER, unstall SERVER          its disk takes nothing, and takes it again
 *     partner-down SERVER, handover SERVER
 *     share, stores                         free prefixes of both; how many leases differ
 *
 * SERVER: primary, secondary. Says both states whenever one changes. */
#include <stdlib.h>
#include <string.h>

#include "../../unit/server/pair_harness.h"
#include "runner.h"

enum {
    CLIENTS_MAX = 64,
    STEP_MS = 1000,
};

struct subject {
    struct pair pair;
    bool started;
    msec_t passed_ms;
    struct reply replies[CLIENTS_MAX];
    char said[128];
};

static const char reserved[] =
    "{ \"duid\": \"0001000100000000000000090000\", \"addresses\": [\"2001:db8:17::900\"],"
    "  \"prefixes\": [\"2001:db8:4000:900::/56\"] }";

static const char *state_text(const struct pair *pair, unsigned node)
{
    return relation_at(pair, node) ? fo_state_name(state_of(pair, node)) : "down";
}

static void states_say(struct scenario *scenario)
{
    struct subject *subject = scenario->subject;
    char line[sizeof(subject->said)];

    (void)snprintf(line, sizeof(line), "primary %s, secondary %s",
                   state_text(&subject->pair, PRIMARY), state_text(&subject->pair, SECONDARY));
    if (strcmp(line, subject->said) != 0) {
        strcpy(subject->said, line);
        scenario_say(scenario, "%s", line);
    }
}

static bool node_read(const char *word, unsigned *ret_node)
{
    *ret_node = word && strcmp(word, "secondary") == 0 ? SECONDARY : PRIMARY;
    return word && (*ret_node == SECONDARY || strcmp(word, "primary") == 0);
}

static bool command_start(struct scenario *scenario, unsigned count, char *const *words)
{
    struct subject *subject = scenario->subject;
    struct pair_options options = {
        .share_percent = (unsigned)scenario_number(count, words, "share", 0),
        .reservations = count > 1 && strcmp(words[count - 1], "reserve") == 0 ? reserved : NULL};

    if (subject->started) {
        return false;
    }
    pair_open_with(&subject->pair, &options);
    subject->started = true;
    subject->passed_ms = scenario->ms;
    pump(&subject->pair);
    return true;
}

/* Against what the client had before. */
static const char *share_of(const struct reply *before, const struct reply *now)
{
    return before->prefix.length == 0 ? "new"
           : resource_equal(&before->prefix, &now->prefix) &&
                   resource_equal(&before->address, &now->address)
               ? "the same"
               : "other";
}

static void answer_say(struct scenario *scenario, const struct reply *before,
                       const struct reply *reply)
{
    scenario_say(scenario, "%s address and %s prefix, %s, for %u s",
                 reply->address.prefix.lo & 1 ? "odd" : "even", reply->prefix.length ? "a" : "no",
                 share_of(before, reply), reply->valid_s);
}

static bool command_at(struct scenario *scenario, unsigned count, char *const *words)
{
    static const struct {
        const char *word;
        uint8_t type;
    } verbs[] = {{"renew", DHCP6_RENEW}, {"rebind", DHCP6_REBIND}, {"release", DHCP6_RELEASE}};
    struct subject *subject = scenario->subject;
    unsigned client = count > 3 ? (unsigned)strtoul(words[3], NULL, 10) : 0, node;
    struct reply reply, *known = &subject->replies[client % CLIENTS_MAX];

    if (count < 4 || client == 0 || client >= CLIENTS_MAX || !node_read(words[1], &node)) {
        return false;
    }
    if (strcmp(words[2], "get") == 0) {
        if (!lease_get(&subject->pair, node, client, &reply)) {
            scenario_say(scenario, "no answer");
            return true;
        }
        answer_say(scenario, known, &reply);
        *known = reply;
        return true;
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(words[2], verbs[i].word) == 0) {
            if (!exchange(&subject->pair, node, verbs[i].type, client, known, &reply)) {
                scenario_say(scenario, "no answer");
            } else if (verbs[i].type == DHCP6_RELEASE) {
                scenario_say(scenario, "released");
            } else {
                answer_say(scenario, known, &reply);
            }
            return true;
        }
    }
    return false;
}

static bool command_server(struct subject *subject, const char *verb, unsigned node)
{
    struct pair *pair = &subject->pair;
    struct fo_fsm_event handover = {.type = FO_FSM_HANDOVER};

    if (strcmp(verb, "kill") == 0) {
        pair_kill(pair, node);
    } else if (strcmp(verb, "restart") == 0) {
        pair_restart(pair, node);
    } else if (strcmp(verb, "lose") == 0) {
        pair_restart_empty(pair, node);
    } else if (strcmp(verb, "stall") == 0 || strcmp(verb, "unstall") == 0) {
        pair->nodes[node].disk_stalled = verb[0] == 's';
    } else if (strcmp(verb, "partner-down") == 0) {
        partner_down(pair, node);
        subject->passed_ms += 2000; /* it lets that pass */
    } else if (strcmp(verb, "handover") == 0) {
        return relation_command(relation_at(pair, node), &handover, pair->now) == 0;
    } else {
        return false;
    }
    return true;
}

static bool command(struct scenario *scenario, unsigned count, char *const *words)
{
    struct subject *subject = scenario->subject;
    struct pair *pair = &subject->pair;
    unsigned node;

    if (strcmp(words[0], "start") == 0) {
        return command_start(scenario, count, words);
    }
    if (!subject->started) {
        return false;
    }
    if (strcmp(words[0], "at") == 0) {
        return command_at(scenario, count, words);
    }
    if (strcmp(words[0], "cut") == 0) {
        pair_cut(pair, 0);
    } else if (strcmp(words[0], "heal") == 0) {
        pair_heal(pair, 0);
    } else if (strcmp(words[0], "share") == 0) {
        scenario_say(scenario, "free prefixes: primary %u, secondary %u",
                     (unsigned)free_own(pair, PRIMARY), (unsigned)free_own(pair, SECONDARY));
    } else if (strcmp(words[0], "stores") == 0) {
        scenario_say(scenario, "%u leases differ", stores_differ(pair));
    } else {
        return count > 1 && node_read(words[1], &node) && command_server(subject, words[0], node);
    }
    return true;
}

static void begin(struct scenario *scenario)
{
    scenario->subject = calloc(1, sizeof(struct subject));
    if (!scenario->subject) {
        abort();
    }
}

static void end(struct scenario *scenario)
{
    struct subject *subject = scenario->subject;

    if (subject->started) {
        pair_close(&subject->pair);
    }
    free(subject);
}

static msec_t deadline(const struct scenario *scenario)
{
    const struct subject *subject = scenario->subject;

    return subject->started ? subject->passed_ms + STEP_MS : UINT64_MAX;
}

static void run(struct scenario *scenario)
{
    struct subject *subject = scenario->subject;

    if (!subject->started) {
        return;
    }
    while (subject->passed_ms + STEP_MS <= scenario->ms) {
        pass(&subject->pair, STEP_MS / 1000);
        subject->passed_ms += STEP_MS;
    }
    states_say(scenario);
}

int main(int argc, char **argv)
{
    static const struct scenario_driver driver = {begin, end, command, run, deadline};

    return scenario_main(argc, argv, &driver);
}

/* Transcripts of one endpoint state machine. Commands: start ROLE [record=STATE] [stopped=AGO]
 * [auto=SECONDS] [commission] [partner-addresses], connected, state NAME [S] [C] [since=AGO],
 * disconnected, upddone, served, drained, stall, exhausted, partner-down [force] [since=AGO],
 * handover, shutdown, settled, explain, duties. Says actions, and state and grant whenever they
 * change. */
#include <stdlib.h>
#include <string.h>

#include "failover/fo_fsm.h"
#include "runner.h"

enum {
    MCLT = 3600,
};

struct subject {
    struct fo_fsm fsm;
    bool started;
    char said[160];
};

static const char *const act_names[FO_ACT_COUNT] = {
    [FO_ACT_SETTLE] = "settle",
    [FO_ACT_PUBLISH] = "publish",
    [FO_ACT_PERSIST] = "persist",
    [FO_ACT_SEND_STATE] = "> STATE",
    [FO_ACT_SEND_UPDREQ] = "> UPDREQ",
    [FO_ACT_SEND_UPDREQALL] = "> UPDREQALL",
    [FO_ACT_SEND_UPDDONE] = "> UPDDONE",
    [FO_ACT_SEND_PENDING] = "send pending",
    [FO_ACT_SEND_POOLREQ] = "> POOLREQ",
    [FO_ACT_DROP] = "drop",
    [FO_ACT_DRAIN] = "drain",
    [FO_ACT_DISCONNECT] = "> DISCONNECT",
    [FO_ACT_STOPPED] = "stopped",
    [FO_ACT_HANDOVER_FAILED] = "hand-over failed",
    [FO_ACT_ALARM] = "alarm",
};

static void say_change(struct scenario *scenario)
{
    static const char *const services[] = {"silent", "renew-known", "own-server-id", "all"};
    struct subject *subject = scenario->subject;
    struct grant grant = fo_fsm_grant(&subject->fsm, scenario->s);
    char line[sizeof(subject->said)];

    (void)snprintf(line, sizeof(line), "%s: %s%s mclt=%u%s%s",
                   fo_state_name(fo_fsm_state(&subject->fsm)), services[grant.service],
                   grant.allocate ? " allocate" : "", grant.mclt_s,
                   fo_fsm_partner_pool_open(&subject->fsm, scenario->s) ? " partner-pool" : "",
                   grant.address_parity < 0 ? " any-address" : "");
    if (strcmp(line, subject->said) != 0) {
        strcpy(subject->said, line);
        scenario_say(scenario, "%s", line);
    }
}

/* Option 125 of the message, against the times it could mean. */
static const char *down_text(const struct fo_fsm *fsm)
{
    struct fo_state state = fo_fsm_state_message(fsm);

    if (!state.has_partner_down) {
        return "";
    }
    return state.partner_down_s == fsm->record.start_s ? " down=entered" : " down=otherwise";
}

static void step(struct scenario *scenario, struct fo_fsm_event event)
{
    struct subject *subject = scenario->subject;
    struct fo_fsm_actions actions;
    int r = fo_fsm_step(&subject->fsm, &event, scenario->s, &actions);

    if (r) {
        scenario_say(scenario, "refused: %s", r == -EALREADY ? "it is so already" : "not now");
        return;
    }
    for (unsigned i = 0; i < actions.count; i++) {
        struct fo_state state = fo_fsm_state_message(&subject->fsm);
        enum fo_act act = actions.list[i].act;

        if (act == FO_ACT_SEND_STATE) {
            scenario_say(scenario, "> STATE %s%s%s%s%s", fo_state_name(state.state),
                         state.flags & FO_FLAG_STARTUP ? " S" : "",
                         state.flags & FO_FLAG_COMMUNICATED ? " C" : "",
                         state.flags & FO_FLAG_ACK_STARTUP ? " A" : "", down_text(&subject->fsm));
        } else {
            scenario_say(scenario, "%s%s", act_names[act], actions.list[i].narrow ? " narrow" : "");
        }
    }
    say_change(scenario);
}

static unsigned state_of(const char *name)
{
    for (unsigned state = 1; name && state < FO_SERVER_STATE_COUNT; state++) {
        if (strcmp(fo_state_name(state), name) == 0) {
            return state;
        }
    }
    return 0;
}

static bool has_word(unsigned count, char *const *words, const char *word)
{
    for (unsigned i = 1; i < count; i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static bool command_start(struct scenario *scenario, unsigned count, char *const *words)
{
    struct subject *subject = scenario->subject;
    enum fo_role role = has_word(count, words, "secondary") ? FO_SECONDARY : FO_PRIMARY;
    struct fo_fsm_config config = {
        .role = role,
        .mclt_s = MCLT,
        .auto_partner_down_s = (uint32_t)scenario_number(count, words, "auto", 0),
        .startup_partner_down = has_word(count, words, "commission"),
        .partner_addresses = has_word(count, words, "partner-addresses")};
    unsigned state = state_of(scenario_value(count, words, "record"));
    sec_t stopped_s = scenario->s - (sec_t)scenario_number(count, words, "stopped", 0);
    struct fo_record record = {.role = (uint8_t)role,
                               .state = (uint8_t)state,
                               .communicated = true,
                               .start_s = stopped_s - 1000,
                               .heard_s = stopped_s,
                               .down_since_s = stopped_s - 1000,
                               .failure_s =
                                   state == FO_RECOVER || state == FO_RECOVER_WAIT ? stopped_s : 0,
                               .mclt_s = MCLT};

    subject->said[0] = '\0';
    subject->started = fo_fsm_init(&subject->fsm, &config, state ? &record : NULL,
                                   state ? stopped_s : 0, scenario->s) == 0;
    say_change(scenario);
    return subject->started;
}

static void command_explain(struct scenario *scenario)
{
    struct subject *subject = scenario->subject;
    struct fo_explain explain;

    fo_fsm_explain(&subject->fsm, scenario->s, &explain);
    scenario_say(scenario, "because %s", explain.cause);
    scenario_say(scenario, "waits for %s", explain.waits_for);
    if (explain.timer) {
        scenario_say(scenario, "in %u s: %s", explain.timer_at_s - scenario->s, explain.timer);
    }
}

/* What the machine does by itself: updates, expiry. */
static void command_duties(struct scenario *scenario)
{
    struct subject *subject = scenario->subject;
    uint32_t delay_s = 0;

    scenario_say(scenario, "%s updates", fo_fsm_may_send(&subject->fsm) ? "sends" : "sends no");
    if (!fo_fsm_may_expire(&subject->fsm, &delay_s)) {
        scenario_say(scenario, "ends no leases");
    } else if (delay_s) {
        scenario_say(scenario, "ends leases %u s late", delay_s);
    } else {
        scenario_say(scenario, "ends leases");
    }
}

static bool command(struct scenario *scenario, unsigned count, char *const *words)
{
    static const struct {
        const char *word;
        enum fo_fsm_event_type type;
    } events[] = {
        {"connected", FO_FSM_CONNECTED},
        {"disconnected", FO_FSM_DISCONNECTED},
        {"upddone", FO_FSM_UPDDONE},
        {"served", FO_FSM_UPDREQ_SERVED},
        {"drained", FO_FSM_DRAINED},
        {"stall", FO_FSM_ACK_STALL},
        {"partner-down", FO_FSM_PARTNER_DOWN},
        {"handover", FO_FSM_HANDOVER},
        {"shutdown", FO_FSM_SHUTDOWN},
        {"settled", FO_FSM_SETTLED},
        {"heard", FO_FSM_HEARD},
        {"bndupd", FO_FSM_BNDUPD},
        {"exhausted", FO_FSM_EXHAUSTED},
    };
    struct subject *subject = scenario->subject;
    struct fo_fsm_event event = {.revision = subject->fsm.revision,
                                 .force = has_word(count, words, "force")};

    if (strcmp(words[0], "start") == 0) {
        return command_start(scenario, count, words);
    }
    if (!subject->started) {
        return false;
    }
    if (strcmp(words[0], "explain") == 0) {
        command_explain(scenario);
        return true;
    }
    if (strcmp(words[0], "duties") == 0) {
        command_duties(scenario);
        return true;
    }
    if (strcmp(words[0], "state") == 0 && count > 1) {
        event.type = FO_FSM_STATE;
        event.state = (struct fo_state){
            .state = (uint8_t)state_of(words[1]),
            .flags = (uint8_t)((has_word(count, words, "S") ? FO_FLAG_STARTUP : 0) |
                               (has_word(count, words, "C") ? FO_FLAG_COMMUNICATED : 0)),
            .start_s = scenario->s - (sec_t)scenario_number(count, words, "since", 0)};
        step(scenario, event);
        return event.state.state != 0;
    }
    for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (strcmp(words[0], events[i].word) == 0) {
            event.type = events[i].type;
            if (event.type == FO_FSM_PARTNER_DOWN && scenario_value(count, words, "since")) {
                event.down_since_s = scenario->s - (sec_t)scenario_number(count, words, "since", 0);
            }
            step(scenario, event);
            return true;
        }
    }
    return false;
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
    free(scenario->subject);
}

static msec_t deadline(const struct scenario *scenario)
{
    const struct subject *subject = scenario->subject;
    sec_t at_s;

    if (!subject->started || !fo_fsm_deadline(&subject->fsm, &at_s)) {
        return UINT64_MAX;
    }
    return scenario->ms + (msec_t)sec_until(at_s, scenario->s) * 1000;
}

static void run(struct scenario *scenario)
{
    if (deadline(scenario) <= scenario->ms) {
        step(scenario, (struct fo_fsm_event){.type = FO_FSM_TICK});
    }
}

int main(int argc, char **argv)
{
    static const struct scenario_driver driver = {begin, end, command, run, deadline};

    return scenario_main(argc, argv, &driver);
}

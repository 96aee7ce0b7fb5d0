/* Transcripts of one lease's record at one server. Commands, with times in seconds before (clt,
 * start, raw) or after now (the others):
 *
 *     role primary|secondary
 *     own STATUS [KEY=VALUE...] [dirty]     the record: client=a|b|none, resource=prefix|odd|even,
 *                                           clt, start, ends (or never), pl (123), acked, exp
 * (120), raw (126) got STATUS [KEY=VALUE...] [block]     the partner's update, keys as on the wire;
 * becomes the record when it is accepted tell                                  what a BNDUPD of the
 * record would say answer [code=N] [old]                 the partner's BNDREPLY to what was told
 * last free-at since=AGO                     PARTNER-DOWN: when others may have it lifetime
 * wanted=S                     what its client may be given now retry N when a lease rejected N
 * times in a row is sent again */
#include <stdlib.h>
#include <string.h>

#include "failover/fo_update.h"
#include "runner.h"

enum {
    MCLT = 3600,
    LINE_SIZE = 256,
};

struct subject {
    enum fo_role role;
    bool present, dirty;
    struct lease own, told;
};

static const uint8_t duids[2][10] = {{0, 3, 0, 1, 2, 0, 0, 0, 0, 'a'},
                                     {0, 3, 0, 1, 2, 0, 0, 0, 0, 'b'}};

static bool has_word(unsigned count, char *const *words, const char *word)
{
    for (unsigned i = 1; i < count; i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static unsigned status_of(const char *name)
{
    for (unsigned status = 1; status < BINDING_STATUS_COUNT; status++) {
        if (strcmp(binding_status_name(status), name) == 0) {
            return status;
        }
    }
    return 0;
}

/* A time of the words, 0 when it is not given. ago: it lies before now. */
static sec_t time_of(const struct scenario *scenario, unsigned count, char *const *words,
                     const char *key, bool ago)
{
    sec_t seconds = (sec_t)scenario_number(count, words, key, 0);

    if (scenario_value(count, words, key) == NULL) {
        return 0;
    }
    return ago ? scenario->s - seconds : scenario->s + seconds;
}

static struct resource resource_of(const char *word)
{
    bool odd = word && strcmp(word, "odd") == 0;

    if (odd || (word && strcmp(word, "even") == 0)) {
        return (struct resource){{0x20010db800170000, 0x100 + odd}, 128, LEASE_TYPE_NA};
    }
    return (struct resource){{0x20010db840000000, 0}, 56, LEASE_TYPE_PD};
}

/* False: no such status or client. */
static bool lease_read(const struct scenario *scenario, unsigned count, char *const *words,
                       struct lease *ret_lease)
{
    const char *client = scenario_value(count, words, "client");
    unsigned index = client && client[0] == 'b';

    *ret_lease = (struct lease){
        .resource = resource_of(scenario_value(count, words, "resource")),
        .iaid = 1,
        .version = 5,
        .status = (uint8_t)(count > 1 ? status_of(words[1]) : 0),
        .times = {.clt_s = time_of(scenario, count, words, "clt", true),
                  .start_s = time_of(scenario, count, words, "start", true),
                  .expires_s = time_of(scenario, count, words, "ends", false),
                  .partner_lifetime_s = time_of(scenario, count, words, "pl", false),
                  .acked_partner_lifetime_s = time_of(scenario, count, words, "acked", false),
                  .expiration_s = time_of(scenario, count, words, "exp", false),
                  .partner_raw_clt_s = time_of(scenario, count, words, "raw", true)},
    };
    ret_lease->times.horizon_s = ret_lease->times.expires_s;
    if (client == NULL || strcmp(client, "none") != 0) {
        ret_lease->duid = (struct span){duids[index], sizeof(duids[index])};
    }
    return ret_lease->status != 0;
}

static void time_add(char *line, const struct scenario *scenario, const char *name, sec_t time)
{
    size_t used = strlen(line);

    if (time) {
        (void)snprintf(line + used, LINE_SIZE - used, " %s=%+d", name,
                       (int)(int32_t)(time - scenario->s));
    }
}

/* "ACTIVE of a, clt=-10 start=-10 ends=+3600": times against now. */
static void lease_write(const struct scenario *scenario, const struct lease *lease, char *line)
{
    const struct lease_times *t = &lease->times;

    (void)snprintf(line, LINE_SIZE, "%s", binding_status_name(lease->status));
    if (lease->duid.size) {
        (void)snprintf(line + strlen(line), LINE_SIZE - strlen(line), " of %c",
                       lease->duid.data[lease->duid.size - 1]);
    }
    time_add(line, scenario, "clt", t->clt_s);
    time_add(line, scenario, "start", t->start_s);
    time_add(line, scenario, "ends", t->expires_s);
    time_add(line, scenario, "pl", t->partner_lifetime_s);
    time_add(line, scenario, "acked", t->acked_partner_lifetime_s);
    time_add(line, scenario, "exp", t->expiration_s);
    time_add(line, scenario, "raw", t->partner_raw_clt_s);
}

static void record_say(struct scenario *scenario, const char *what)
{
    const struct subject *subject = scenario->subject;
    char line[LINE_SIZE];

    lease_write(scenario, &subject->own, line);
    scenario_say(scenario, "%s: %s%s", what, line, subject->dirty ? ", to be told" : "");
}

static void judgement_take(struct subject *subject, const struct fo_judgement *judgement)
{
    if (judgement->dirty != FO_DIRTY_KEEP) {
        subject->dirty = judgement->dirty == FO_DIRTY_SET;
    }
    if (judgement->code == FO_STATUS_SUCCESS) {
        uint64_t version = subject->present ? subject->own.version : 0;

        subject->own = judgement->next;
        subject->own.version = version + !judgement->unchanged;
        subject->present = true;
    }
}

static bool command_got(struct scenario *scenario, unsigned count, char *const *words)
{
    struct subject *subject = scenario->subject;
    struct fo_update_context context = {.role = subject->role,
                                        .dirty = subject->dirty,
                                        .block = has_word(count, words, "block"),
                                        .now = scenario->s};
    struct fo_judgement judgement;
    struct lease theirs;

    if (!lease_read(scenario, count, words, &theirs)) {
        return false;
    }
    if (subject->present) {
        theirs.resource = subject->own.resource;
    }
    fo_update_judge(&context, subject->present ? &subject->own : NULL, &theirs, &judgement);
    judgement_take(subject, &judgement);
    if (judgement.conflict) {
        scenario_say(scenario, "conflict");
    }
    if (judgement.code != FO_STATUS_SUCCESS) {
        scenario_say(scenario, "reject %u %s", judgement.code, fo_status_name(judgement.code));
    } else {
        record_say(scenario, judgement.unchanged ? "no news" : "accept");
    }
    if (judgement.send_soon) {
        scenario_say(scenario, "tells its own record at once");
    }
    return true;
}

static void command_tell(struct scenario *scenario)
{
    struct subject *subject = scenario->subject;
    char line[LINE_SIZE];

    if (!fo_update_compose(&subject->own, &subject->told)) {
        scenario_say(scenario, "has no form on the wire");
        return;
    }
    lease_write(scenario, &subject->told, line);
    scenario_say(scenario, "> BNDUPD %s", line);
}

static void command_answer(struct scenario *scenario, unsigned count, char *const *words)
{
    static const char *const outcomes[] = {[FO_ACKED_STALE] = "stale",
                                           [FO_ACKED_REJECTED] = "rejected",
                                           [FO_ACKED_STORED] = "acknowledged",
                                           [FO_ACKED_FREED] = "acknowledged and free"};
    struct subject *subject = scenario->subject;
    uint16_t code = (uint16_t)scenario_number(count, words, "code", 0);
    struct fo_lease reply = {.lease = subject->told,
                             .has = FO_HAS_BINDING_STATUS | FO_HAS_PARTNER_LIFETIME_SENT,
                             .partner_lifetime_sent_s = subject->told.times.partner_lifetime_s,
                             .status = {.present = code != 0, .code = code}};
    uint64_t version = subject->own.version - has_word(count, words, "old");
    struct lease next;
    enum fo_acked outcome = fo_update_acked(&subject->own, version, &reply, &next);

    if (outcome == FO_ACKED_STORED || outcome == FO_ACKED_FREED) {
        subject->own = next;
        subject->dirty = false;
    }
    record_say(scenario, outcomes[outcome]);
}

static void command_free_at(struct scenario *scenario, unsigned count, char *const *words)
{
    const struct subject *subject = scenario->subject;
    sec_t at_s, since_s = scenario->s - (sec_t)scenario_number(count, words, "since", 0);

    if (fo_update_free_at(&subject->own, since_s, MCLT, &at_s)) {
        scenario_say(scenario, "in %d s", (int)sec_until(at_s, scenario->s));
    } else {
        scenario_say(scenario, "never by itself");
    }
}

static bool command(struct scenario *scenario, unsigned count, char *const *words)
{
    struct subject *subject = scenario->subject;

    if (strcmp(words[0], "role") == 0 && count > 1) {
        subject->role = strcmp(words[1], "secondary") == 0 ? FO_SECONDARY : FO_PRIMARY;
    } else if (strcmp(words[0], "own") == 0) {
        subject->present = lease_read(scenario, count, words, &subject->own);
        subject->dirty = has_word(count, words, "dirty");
        return subject->present;
    } else if (strcmp(words[0], "got") == 0) {
        return command_got(scenario, count, words);
    } else if (strcmp(words[0], "tell") == 0 && subject->present) {
        command_tell(scenario);
    } else if (strcmp(words[0], "answer") == 0 && subject->present) {
        command_answer(scenario, count, words);
    } else if (strcmp(words[0], "free-at") == 0 && subject->present) {
        command_free_at(scenario, count, words);
    } else if (strcmp(words[0], "lifetime") == 0) {
        scenario_say(scenario, "%u s",
                     lease_valid_lifetime((uint32_t)scenario_number(count, words, "wanted", 0),
                                          subject->own.times.acked_partner_lifetime_s, MCLT,
                                          scenario->s));
    } else if (strcmp(words[0], "retry") == 0 && count > 1) {
        scenario_say(scenario, "after %u s",
                     fo_update_retry_s((unsigned)strtoul(words[1], NULL, 10)));
    } else {
        return false;
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
    free(scenario->subject);
}

static msec_t deadline(const struct scenario *scenario)
{
    (void)scenario;
    return UINT64_MAX;
}

static void run(struct scenario *scenario)
{
    (void)scenario;
}

int main(int argc, char **argv)
{
    static const struct scenario_driver driver = {begin, end, command, run, deadline};

    return scenario_main(argc, argv, &driver);
}

#include "server/trust.h"

#include "server/control.h"

static const char *const doubt_texts[TRUST_DOUBT_COUNT] = {
    [TRUST_NONE] = "the clock is believed",
    [TRUST_BEHIND] = "the clock is behind what the log last saw",
    [TRUST_AHEAD] = "the clock is not synchronised and far ahead of what the log last saw",
    [TRUST_UNSYNCHRONISED] = "the clock is not synchronised",
};

const char *trust_doubt_text(enum trust_doubt doubt)
{
    return doubt_texts[doubt];
}

/* ahead_s: wall clock less a time that is past for sure, if there is one. */
static enum trust_doubt clock_judge(const struct server *server, bool has_past, int64_t ahead_s,
                                    bool synchronised)
{
    enum config_clock wanted = server->config->clock;

    if (synchronised || wanted == CONFIG_CLOCK_TRUSTED) {
        return TRUST_NONE;
    }
    if (has_past && ahead_s < 0) {
        return TRUST_BEHIND;
    }
    if (has_past && ahead_s > TRUST_AHEAD_MAX_S) {
        return TRUST_AHEAD;
    }
    return wanted == CONFIG_CLOCK_SYNCHRONISED ? TRUST_UNSYNCHRONISED : TRUST_NONE;
}

/* How long a promise can last that was made until now: the longest finite lifetime there is. */
static msec_t rest_ms(const struct server *server)
{
    const struct policy *policy = server_policy(server);
    uint32_t longest_s = 0;

    for (unsigned i = 0; i < policy->link_count; i++) {
        uint32_t valid_s = policy->links[i].lifetimes.valid_s;

        longest_s = valid_s > longest_s && valid_s != LIFETIME_INFINITE ? valid_s : longest_s;
    }
    for (unsigned i = 0; i < policy->class_count; i++) {
        uint32_t valid_s =
            policy->classes[i].has_lifetimes ? policy->classes[i].lifetimes.valid_s : 0;

        longest_s = valid_s > longest_s && valid_s != LIFETIME_INFINITE ? valid_s : longest_s;
    }
    return ((msec_t)longest_s + LEASE_TRANSIT_S) * 1000;
}

static void state_publish(struct trust *trust)
{
    struct server *server = trust->server;

    server->clock_doubted = trust->doubt != TRUST_NONE;
    atomic_store(&server->clock_trusted, trust->doubt == TRUST_NONE && trust->rest_until_ms == 0);
}

/* The next start must know that promises were made by a clock that was too early. */
static void doubt_record(struct trust *trust)
{
    struct server *server = trust->server;
    bool doubted = !atomic_load(&server->clock_trusted);
    uint64_t position;

    if (doubted != server->disk_clock_doubted &&
        control_meta_publish(server, META_CLOCK_DOUBTED, doubted, &position)) {
        server->disk_clock_doubted = doubted;
    }
}

/* The wheel stands at the wall clock; it must not wait until now gets there. */
static int wheel_restart(struct server *server, sec_t now)
{
    expiry_free(server->expiry);
    server->expiry = NULL;
    server->started_s = now;
    return expiry_new(server->config->leases_max, now, &server->expiry);
}

int trust_boot(struct trust *trust, struct server *server, sec_t wall, bool synchronised,
               msec_t now_ms, sec_t *ret_now)
{
    bool has_past = server->disk_horizon_s != 0;
    sec_t last = control_clock_last(server), now = wall;
    int r = 0;

    *trust = (struct trust){.server = server, .owes_rest = server->disk_clock_doubted};
    trust->doubt = clock_judge(server, has_past, (int32_t)(wall - last), synchronised);
    if (trust->doubt == TRUST_BEHIND || trust->doubt == TRUST_AHEAD) {
        now = last;
    } else if (trust->doubt == TRUST_NONE && server->disk_clock_doubted) {
        trust->rest_until_ms = now_ms + rest_ms(server);
    }
    if (trust->doubt == TRUST_AHEAD) {
        r = wheel_restart(server, now);
    }
    state_publish(trust);
    if (r == 0) {
        *ret_now = now;
    }
    return r;
}

/* The wall clock becomes the program's. */
static void clock_believe(struct trust *trust, msec_t now_ms, sec_t now, int64_t ahead_s)
{
    struct server *server = trust->server;

    trust->doubt = TRUST_NONE;
    if (ahead_s > 0 || trust->owes_rest) {
        trust->rest_until_ms = now_ms + rest_ms(server);
    }
    if (ahead_s < 0) {
        /* A horizon of the former clock would be far away and not be renewed. */
        atomic_store(&server->operating_until_s, (sec_t)(now + (uint32_t)ahead_s));
    }
}

bool trust_turn(struct trust *trust, msec_t now_ms, sec_t now, int64_t ahead_s, bool synchronised)
{
    bool adopt = false;

    if (trust->doubt != TRUST_NONE) {
        enum trust_doubt doubt =
            trust->confirmed ? TRUST_NONE : clock_judge(trust->server, true, ahead_s, synchronised);

        if (doubt == TRUST_NONE) {
            clock_believe(trust, now_ms, now, ahead_s);
            adopt = true;
        }
        trust->doubt = doubt;
    } else if (trust->rest_until_ms && now_ms >= trust->rest_until_ms) {
        trust->rest_until_ms = 0;
    }
    trust->confirmed = false;
    state_publish(trust);
    doubt_record(trust);
    return adopt;
}

bool trust_confirm(struct trust *trust)
{
    trust->confirmed = trust->doubt != TRUST_NONE;
    return trust->confirmed;
}

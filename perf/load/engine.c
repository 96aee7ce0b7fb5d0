#include "engine.h"

#include "base/siphash.h"
#include "dhcp6/message.h"

enum {
    STARTS_PER_TURN = 256, /* so that answers are read in between */
    TIMERS_PER_TURN = 256,
    PICKS_MAX = 16,          /* clients looked at for one start */
    IDLE_SCAN_MS = 50,       /* how far timers are looked ahead */
    SOL_MAX_DELAY_MS = 1000, /* RFC 9915 7.6 */
    PREFERENCE_MAX = 255,    /* taken at once (RFC 9915 18.2.1) */
};

#define NS_PER_S  1000000000ULL
#define NS_PER_MS 1000000ULL

struct op_row {
    uint8_t from; /* PHASE_UNBOUND or PHASE_BOUND */
    uint8_t kind; /* first message */
    uint8_t flags;
};

static const struct op_row op_rows[OP_COUNT] = {
    [OP_NEW] = {PHASE_UNBOUND, MESSAGE_SOLICIT, 0},
    [OP_RAPID] = {PHASE_UNBOUND, MESSAGE_RAPID, 0},
    [OP_RENEW] = {PHASE_BOUND, MESSAGE_RENEW, 0},
    [OP_REBIND] = {PHASE_BOUND, MESSAGE_REBIND, 0},
    [OP_RELEASE] = {PHASE_BOUND, MESSAGE_RELEASE, 0},
    [OP_REBOOT] = {PHASE_BOUND, MESSAGE_SOLICIT, CLIENT_REBOOTED},
};

static uint32_t random_u32(struct engine *engine)
{
    engine->random += 0x9e3779b97f4a7c15ULL;
    return (uint32_t)(hash_mix(engine->random) >> 32);
}

/* Below bound, which is not 0. */
static uint32_t random_below(struct engine *engine, uint32_t bound)
{
    return (uint32_t)((uint64_t)random_u32(engine) * bound >> 32);
}

static uint32_t now_ms(const struct engine *engine)
{
    return (uint32_t)((engine->now_ns - engine->start_ns) / NS_PER_MS);
}

static uint32_t now_s(const struct engine *engine)
{
    return (uint32_t)((engine->now_ns - engine->start_ns) / NS_PER_S);
}

static bool has_time_left(const struct engine *engine, const struct client *client)
{
    return (client->flags & CLIENT_HOLDS) && client->valid_until_s > now_s(engine);
}

int engine_init(struct engine *engine, const struct settings *settings, struct io io)
{
    int r;

    memset(engine, 0, sizeof(*engine));
    r = crowd_init(&engine->crowd, settings->client_count, settings->first_client);
    if (r) {
        return r;
    }
    engine->settings = settings;
    engine->io = io;
    engine->random = settings->seed;
    for (uint32_t i = 0; i < settings->client_count; i++) {
        engine->crowd.clients[i].xid = random_u32(engine) & 0xffffff;
    }
    for (unsigned i = 0; i < IO_BURST; i++) {
        engine->out[i].data = engine->out_data[i];
    }
    engine->now_ns = engine->start_ns = io.now(io.ctx);
    wheel_init(&engine->wheel, engine->crowd.clients, 0);
    return 0;
}

void engine_done(struct engine *engine)
{
    crowd_done(&engine->crowd);
}

int engine_lease_set(struct engine *engine, uint32_t client, unsigned server,
                     const struct leases *grant)
{
    uint32_t owner = crowd_claim(&engine->crowd, client, grant, now_s(engine));

    if (owner != CLIENT_NONE) {
        return -EEXIST;
    }
    engine->crowd.clients[client].server = (uint8_t)server;
    crowd_idle_remove(&engine->crowd, client);
    crowd_idle_add(&engine->crowd, client, PHASE_BOUND);
    return 0;
}

static void flush(struct engine *engine)
{
    if (engine->out_count) {
        engine->tally.send_failed +=
            engine->io.send(engine->io.ctx, engine->out, engine->out_count);
        engine->out_count = 0;
    }
}

/* One transmission of the client's present message, and the timer for the next. */
static void message_send(struct engine *engine, uint32_t index)
{
    struct client *client = &engine->crowd.clients[index];
    struct datagram *datagram = &engine->out[engine->out_count++];
    const struct tally_server *server = &engine->tally.servers[client->server];
    uint32_t number = engine->crowd.first + index;
    uint64_t elapsed_cs = (engine->now_ns - client->exchange_ns) / (10 * NS_PER_MS);

    datagram->size = (uint32_t)message_write(
        engine->settings, client, number, (struct span){server->id, server->id_size},
        elapsed_cs > UINT16_MAX ? UINT16_MAX : (uint16_t)elapsed_cs, datagram->data);
    datagram->relay = (uint16_t)message_relay_index(engine->settings, number);
    tally_sent(&engine->tally, (enum message_kind)client->kind, client->tries > 0, engine->now_ns);
    client->tries = (client->tries < 255 ? client->tries + 1u : 255u) & 0xff;
    client->rt_ms = message_rt_ms(engine->settings, client, random_u32(engine)) & 0xffffff;
    wheel_add(&engine->wheel, index, now_ms(engine) + client->rt_ms);
    if (engine->out_count == IO_BURST) {
        flush(engine);
    }
}

/* A new message of the exchange. The client has no timer. */
static void message_start(struct engine *engine, uint32_t index, uint8_t kind, uint64_t at_ns)
{
    struct client *client = &engine->crowd.clients[index];
    uint64_t after = (at_ns - client->exchange_ns) >> CLIENT_MESSAGE_SHIFT;

    client->kind = kind;
    client->xid = (client->xid + 1) & 0xffffff;
    client->tries = 0;
    client->message_at = after > UINT32_MAX ? UINT32_MAX : (uint32_t)after;
    client->phase = PHASE_ASKING;
    message_send(engine, index);
}

/* It stops using the leases before it says so (RFC 9915 18.2.7), but still names them. */
static void leases_give_up(struct engine *engine, uint32_t index)
{
    struct client *client = &engine->crowd.clients[index];
    const struct client kept = *client;

    crowd_drop(&engine->crowd, index);
    client->address = kept.address;
    client->prefix = kept.prefix;
    client->prefix_length = kept.prefix_length;
}

/* The client is in no list and has no timer. */
static void exchange_start(struct engine *engine, uint32_t index, enum op op, uint64_t at_ns)
{
    struct client *client = &engine->crowd.clients[index];

    histogram_add(&engine->tally.lag, engine->now_ns - at_ns);
    engine->tally.started++;
    engine->busy_count++;
    client->exchange_ns = at_ns;
    client->flags = (uint8_t)((client->flags & CLIENT_HOLDS) | op_rows[op].flags);
    if (op == OP_RELEASE) {
        leases_give_up(engine, index);
    }
    message_start(engine, index, op_rows[op].kind, at_ns);
}

/* The client has no timer. */
static void exchange_end(struct engine *engine, uint32_t index)
{
    struct client *client = &engine->crowd.clients[index];
    bool holds = (client->flags & CLIENT_HOLDS) != 0;

    engine->busy_count--;
    if (!holds) {
        crowd_drop(&engine->crowd, index);
    }
    if (engine->settings->once || engine->settings->avalanche) {
        client->phase = PHASE_DONE;
    } else {
        crowd_idle_add(&engine->crowd, index, holds ? PHASE_BOUND : PHASE_UNBOUND);
    }
    if (engine->tally.all_bound_ns == 0 && engine->crowd.bound_count == engine->crowd.count) {
        engine->tally.all_bound_ns = engine->now_ns - engine->start_ns;
    }
}

static void exchange_fail(struct engine *engine, uint32_t index)
{
    struct client *client = &engine->crowd.clients[index];

    engine->tally.timeouts++;
    /* What still comes is late. */
    client->xid = (client->xid + 1) & 0xffffff;
    exchange_end(engine, index);
}

static enum op avalanche_op(const struct engine *engine)
{
    return engine->settings->weights[OP_RAPID] ? OP_RAPID : OP_NEW;
}

void engine_start(struct engine *engine)
{
    uint32_t *unbound = &engine->crowd.idle_count[PHASE_UNBOUND];
    uint32_t delay_ms = (uint32_t)(SOL_MAX_DELAY_MS * engine->settings->backoff_scale);

    engine->now_ns = engine->start_ns = engine->io.now(engine->io.ctx);
    while (engine->settings->avalanche && *unbound) {
        uint32_t index = engine->crowd.idle[PHASE_UNBOUND][*unbound - 1];

        crowd_idle_remove(&engine->crowd, index);
        engine->crowd.clients[index].phase = PHASE_DELAYED;
        /* RFC 9915 18.2.1 */
        wheel_add(&engine->wheel, index, random_below(engine, delay_ms + 1));
    }
}

/* The last transmission had its time. */
static void message_exhausted(struct engine *engine, uint32_t index)
{
    struct client *client = &engine->crowd.clients[index];

    if (client->kind == MESSAGE_RENEW) {
        engine->tally.renews_rebound++;
        message_start(engine, index, MESSAGE_REBIND, engine->now_ns);
    } else if (client->kind == MESSAGE_REQUEST && engine->settings->avalanche) {
        crowd_drop(&engine->crowd, index);
        message_start(engine, index, op_rows[avalanche_op(engine)].kind, engine->now_ns);
    } else {
        exchange_fail(engine, index);
    }
}

/* The client's timer fired. */
static void client_timer(struct engine *engine, uint32_t index)
{
    struct client *client = &engine->crowd.clients[index];
    bool extends = client->kind == MESSAGE_RENEW || client->kind == MESSAGE_REBIND;

    if (client->phase == PHASE_DELAYED) {
        exchange_start(engine, index, avalanche_op(engine),
                       engine->start_ns + client->due_ms * NS_PER_MS);
    } else if (client->phase == PHASE_OFFERED) {
        message_start(engine, index, MESSAGE_REQUEST, engine->now_ns);
    } else if (client->flags & CLIENT_REFUSED) {
        engine->tally.refused++;
        exchange_end(engine, index);
    } else if (extends && !has_time_left(engine, client)) {
        engine->tally.expired++;
        crowd_drop(&engine->crowd, index);
        exchange_fail(engine, index);
    } else if (message_is_exhausted(engine->settings, client)) {
        message_exhausted(engine, index);
    } else {
        message_send(engine, index);
    }
}

static void timers_run(struct engine *engine)
{
    uint32_t clients[TIMERS_PER_TURN];
    unsigned count = wheel_expire(&engine->wheel, now_ms(engine), clients, TIMERS_PER_TURN);

    for (unsigned i = 0; i < count; i++) {
        client_timer(engine, clients[i]);
    }
}

static bool grant_is_held(const struct client *client, const struct leases *grant)
{
    return ip6_equal(client->address, grant->address) && client->prefix == grant->prefix &&
           client->prefix_length == grant->prefix_length;
}

/* A client that rebooted should be offered what it holds; else it has to forget that. */
static void reboot_check(struct engine *engine, uint32_t index, const struct leases *grant)
{
    const struct client *client = &engine->crowd.clients[index];

    if ((client->flags & CLIENT_REBOOTED) && (client->flags & CLIENT_HOLDS) &&
        !grant_is_held(client, grant)) {
        engine->tally.reboot_moved++;
        crowd_drop(&engine->crowd, index);
    }
}

static void message_answered(struct engine *engine, const struct client *client)
{
    uint64_t sent_ns = client->exchange_ns + ((uint64_t)client->message_at << CLIENT_MESSAGE_SHIFT);

    tally_answered(&engine->tally, (enum message_kind)client->kind, engine->now_ns - sent_ns,
                   engine->now_ns);
}

static void advertise_take(struct engine *engine, uint32_t index, unsigned server,
                           uint8_t preference, const struct leases *grant)
{
    struct client *client = &engine->crowd.clients[index];
    bool first = client->phase == PHASE_ASKING;

    if (first) {
        message_answered(engine, client);
    }
    if (first || preference > client->message_at) {
        reboot_check(engine, index, grant);
        client->address = grant->address;
        client->prefix = grant->prefix;
        client->prefix_length = grant->prefix_length;
        client->server = (uint8_t)server;
        client->message_at = preference;
    }
    /* Once a SOLICIT was repeated the first ADVERTISE is taken (RFC 9915 18.2.1). */
    if (engine->settings->collect_ms && client->tries == 1 && preference < PREFERENCE_MAX) {
        if (first) {
            wheel_remove(&engine->wheel, index);
            wheel_add(&engine->wheel, index, now_ms(engine) + engine->settings->collect_ms);
        }
        client->phase = PHASE_OFFERED;
        return;
    }
    wheel_remove(&engine->wheel, index);
    message_start(engine, index, MESSAGE_REQUEST, engine->now_ns);
}

/* A Reply with leases. Returns what it turns out to be. */
static enum verdict reply_take(struct engine *engine, uint32_t index, unsigned server,
                               enum verdict verdict, const struct leases *grant)
{
    struct client *client = &engine->crowd.clients[index];

    if (client->phase != PHASE_OFFERED) {
        message_answered(engine, client);
    }
    if (client->kind != MESSAGE_RELEASE) {
        reboot_check(engine, index, grant);
        client->server = (uint8_t)server;
        if (crowd_claim(&engine->crowd, index, grant, now_s(engine)) != CLIENT_NONE) {
            verdict = VERDICT_duplicate;
        }
    }
    if (verdict == VERDICT_good) {
        engine->tally.finished++;
        histogram_add(&engine->tally.exchanges, engine->now_ns - client->exchange_ns);
    }
    wheel_remove(&engine->wheel, index);
    exchange_end(engine, index);
    return verdict;
}

/* No leases for this client. Other servers may have some, and in an avalanche later. */
static void refusal_take(struct engine *engine, uint32_t index, uint8_t type)
{
    struct client *client = &engine->crowd.clients[index];

    engine->tally.advertise_refused += type == DHCP6_ADVERTISE;
    if (client->phase == PHASE_OFFERED || engine->settings->avalanche) {
        return;
    }
    if (type == DHCP6_ADVERTISE && engine->settings->server_count > 1 &&
        !(client->flags & CLIENT_REFUSED)) {
        client->flags |= CLIENT_REFUSED;
        return;
    }
    message_answered(engine, client);
    engine->tally.refused++;
    wheel_remove(&engine->wheel, index);
    exchange_end(engine, index);
}

static void loss_take(struct engine *engine, uint32_t index)
{
    message_answered(engine, &engine->crowd.clients[index]);
    crowd_drop(&engine->crowd, index);
    wheel_remove(&engine->wheel, index);
    exchange_end(engine, index);
}

static enum verdict answer_apply(struct engine *engine, uint32_t index, const struct answer *answer,
                                 enum verdict verdict, const struct leases *grant)
{
    int server;

    if (verdict == VERDICT_refused) {
        refusal_take(engine, index, answer->type);
        return verdict;
    }
    if (verdict == VERDICT_lost) {
        loss_take(engine, index);
        return verdict;
    }
    if (verdict != VERDICT_good && verdict != VERDICT_changed) {
        return verdict;
    }
    server = tally_server_index(&engine->tally, answer->server_id);
    if (server < 0) {
        return VERDICT_wrong_server;
    }
    engine->tally.servers[server].answered++;
    if (answer->type == DHCP6_ADVERTISE) {
        advertise_take(engine, index, (unsigned)server, answer->preference, grant);
        return verdict;
    }
    return reply_take(engine, index, (unsigned)server, verdict, grant);
}

static void datagram_take(struct engine *engine, const struct datagram *datagram)
{
    enum verdict verdict = VERDICT_malformed;
    struct answer answer;
    struct leases grant = {.valid_s = 0};
    uint32_t number;

    if (answer_parse((struct span){datagram->data, datagram->size}, &answer) == 0 &&
        check_owner(engine->settings, &answer, &number, &verdict)) {
        uint32_t index = number - engine->crowd.first;
        const struct client *client = &engine->crowd.clients[index];
        const struct tally_server *server = &engine->tally.servers[client->server];

        verdict = check_answer(engine->settings, client, number,
                               (struct span){server->id, server->id_size}, datagram->relay, &answer,
                               &grant);
        verdict = answer_apply(engine, index, &answer, verdict, &grant);
    }
    engine->tally.verdicts[verdict]++;
}

/* A client for the op; one whose lease is over changes the list. CLIENT_NONE: there is none. */
static uint32_t client_pick(struct engine *engine, enum op op)
{
    enum phase from = (enum phase)op_rows[op].from;
    struct crowd *crowd = &engine->crowd;

    for (unsigned i = 0; i < PICKS_MAX && crowd->idle_count[from]; i++) {
        uint32_t index = crowd->idle[from][random_below(engine, crowd->idle_count[from])];

        crowd_idle_remove(crowd, index);
        if (from == PHASE_UNBOUND || has_time_left(engine, &crowd->clients[index])) {
            return index;
        }
        engine->tally.expired++;
        crowd_drop(crowd, index);
        crowd_idle_add(crowd, index, PHASE_UNBOUND);
    }
    return CLIENT_NONE;
}

static bool op_is_possible(const struct engine *engine, unsigned op)
{
    return engine->settings->weights[op] && engine->crowd.idle_count[op_rows[op].from];
}

/* By weight among those for which there are clients. OP_COUNT: none. */
static enum op op_pick(struct engine *engine)
{
    uint32_t sum = 0, at;

    for (unsigned op = 0; op < OP_COUNT; op++) {
        sum += op_is_possible(engine, op) ? engine->settings->weights[op] : 0;
    }
    if (sum == 0) {
        return OP_COUNT;
    }
    at = random_below(engine, sum);
    for (unsigned op = 0; op < OP_COUNT; op++) {
        if (op_is_possible(engine, op)) {
            if (at < engine->settings->weights[op]) {
                return (enum op)op;
            }
            at -= engine->settings->weights[op];
        }
    }
    return OP_COUNT;
}

/* Starts one exchange; false when there is nobody for it. */
static bool start_one(struct engine *engine, uint64_t at_ns)
{
    enum op op = op_pick(engine);
    uint32_t index = op == OP_COUNT ? CLIENT_NONE : client_pick(engine, op);

    if (index == CLIENT_NONE) {
        return false;
    }
    exchange_start(engine, index, op, at_ns);
    return true;
}

/* When the count-th start is due. */
static uint64_t start_due_ns(const struct engine *engine, uint64_t count)
{
    return engine->start_ns + (uint64_t)((double)count * 1e9 / engine->settings->rate);
}

static void starts_run(struct engine *engine)
{
    const struct settings *settings = engine->settings;
    unsigned count = 0;

    if (engine->draining || settings->avalanche) {
        return;
    }
    if (settings->rate > 0) {
        while (count++ < STARTS_PER_TURN &&
               start_due_ns(engine, engine->start_count) <= engine->now_ns) {
            if (!start_one(engine, start_due_ns(engine, engine->start_count))) {
                engine->tally.skipped++;
            }
            engine->start_count++;
        }
        return;
    }
    while (count++ < STARTS_PER_TURN && engine->busy_count < settings->window &&
           start_one(engine, engine->now_ns)) {
    }
}

unsigned engine_turn(struct engine *engine)
{
    struct datagram datagrams[IO_BURST];
    unsigned count = engine->io.receive(engine->io.ctx, datagrams);

    engine->now_ns = engine->io.now(engine->io.ctx);
    for (unsigned i = 0; i < count; i++) {
        datagram_take(engine, &datagrams[i]);
    }
    timers_run(engine);
    starts_run(engine);
    flush(engine);
    return count;
}

uint64_t engine_idle_ns(const struct engine *engine)
{
    uint64_t now_ns = engine->io.now(engine->io.ctx), wake_ns = now_ns + IDLE_SCAN_MS * NS_PER_MS;
    const struct wheel *wheel = &engine->wheel;

    if (engine->settings->rate > 0 && !engine->draining && !engine->settings->avalanche) {
        uint64_t due_ns = start_due_ns(engine, engine->start_count);

        wake_ns = due_ns < wake_ns ? due_ns : wake_ns;
    }
    for (uint32_t ms = wheel->done_ms + 1; wheel->count && ms <= wheel->done_ms + IDLE_SCAN_MS;
         ms++) {
        uint64_t due_ns = engine->start_ns + ms * NS_PER_MS;

        if (wheel->slots[ms % WHEEL_SLOTS] != CLIENT_NONE) {
            wake_ns = due_ns < wake_ns ? due_ns : wake_ns;
            break;
        }
    }
    return wake_ns > now_ns ? wake_ns - now_ns : 0;
}

void engine_drain(struct engine *engine)
{
    engine->draining = true;
}

bool engine_is_finished(const struct engine *engine)
{
    if (engine->busy_count) {
        return false;
    }
    if (engine->settings->avalanche) {
        return engine->draining || engine->wheel.count == 0;
    }
    for (unsigned op = 0; !engine->draining && op < OP_COUNT; op++) {
        if (op_is_possible(engine, op)) {
            return false;
        }
    }
    return true;
}

void engine_end(struct engine *engine)
{
    engine->now_ns = engine->io.now(engine->io.ctx);
    engine->tally.unfinished += engine->busy_count;
    tally_end(&engine->tally, engine->now_ns);
}

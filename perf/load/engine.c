#include "engine.h"

#include "exchange.h"

enum {
    STARTS_PER_TURN = 256, /* so that answers are read in between */
    TIMERS_PER_TURN = 256,
    PICKS_MAX = 16,          /* clients looked at for one start */
    IDLE_SCAN_MS = 50,       /* how far timers are looked ahead */
    SOL_MAX_DELAY_MS = 1000, /* RFC 9915 7.6 */
};

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
        engine->crowd.clients[i].xid = engine_random(engine) & 0xffffff;
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
                     const struct leases *leases)
{
    uint32_t owner = crowd_claim(&engine->crowd, client, leases, engine_now_s(engine));

    if (owner != CLIENT_NONE) {
        return -EEXIST;
    }
    engine->crowd.clients[client].server = (uint8_t)server;
    crowd_idle_remove(&engine->crowd, client);
    crowd_idle_add(&engine->crowd, client, PHASE_BOUND);
    return 0;
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
        wheel_add(&engine->wheel, index, engine_random_below(engine, delay_ms + 1));
    }
}

static void timers_run(struct engine *engine)
{
    uint32_t clients[TIMERS_PER_TURN];
    unsigned count = wheel_expire(&engine->wheel, engine_now_ms(engine), clients, TIMERS_PER_TURN);

    for (unsigned i = 0; i < count; i++) {
        exchange_timer(engine, clients[i]);
    }
}

/* A client for the op; one whose lease is over changes the list. CLIENT_NONE: there is none. */
static uint32_t client_pick(struct engine *engine, enum op op)
{
    enum phase from = (enum phase)op_rows[op].from;
    struct crowd *crowd = &engine->crowd;

    for (unsigned i = 0; i < PICKS_MAX && crowd->idle_count[from]; i++) {
        uint32_t index = crowd->idle[from][engine_random_below(engine, crowd->idle_count[from])];

        crowd_idle_remove(crowd, index);
        if (from == PHASE_UNBOUND || engine_has_time_left(engine, &crowd->clients[index])) {
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
    at = engine_random_below(engine, sum);
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
        exchange_receive(engine, &datagrams[i]);
    }
    timers_run(engine);
    starts_run(engine);
    exchange_flush(engine);
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
    engine->drain_ns = engine->now_ns;
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
    if (!engine->draining) {
        engine_drain(engine);
    }
    engine->tally.unfinished += engine->busy_count;
    tally_end(&engine->tally, engine->now_ns);
}

#include "exchange.h"

#include "dhcp6/message.h"

enum {
    PREFERENCE_MAX = 255, /* taken at once (RFC 9915 18.2.1) */
};

const struct op_row op_rows[OP_COUNT] = {
    [OP_NEW] = {PHASE_UNBOUND, MESSAGE_SOLICIT, 0},
    [OP_RAPID] = {PHASE_UNBOUND, MESSAGE_RAPID, 0},
    [OP_RENEW] = {PHASE_BOUND, MESSAGE_RENEW, 0},
    [OP_REBIND] = {PHASE_BOUND, MESSAGE_REBIND, 0},
    [OP_RELEASE] = {PHASE_BOUND, MESSAGE_RELEASE, 0},
    [OP_REBOOT] = {PHASE_BOUND, MESSAGE_SOLICIT, CLIENT_REBOOTED},
};

void exchange_flush(struct engine *engine)
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
    client->rt_ms = message_rt_ms(engine->settings, client, engine_random(engine)) & 0xffffff;
    wheel_add(&engine->wheel, index, engine_now_ms(engine) + client->rt_ms);
    if (engine->out_count == IO_BURST) {
        exchange_flush(engine);
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
    client->flags &= (uint8_t)~CLIENT_REFUSED;
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

void exchange_start(struct engine *engine, uint32_t index, enum op op, uint64_t at_ns)
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

void exchange_timer(struct engine *engine, uint32_t index)
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
    } else if (extends && !engine_has_time_left(engine, client)) {
        engine->tally.expired++;
        crowd_drop(&engine->crowd, index);
        exchange_fail(engine, index);
    } else if (message_is_exhausted(engine->settings, client)) {
        message_exhausted(engine, index);
    } else {
        message_send(engine, index);
    }
}

static bool leases_are_held(const struct client *client, const struct leases *leases)
{
    return ip6_equal(client->address, leases->address) && client->prefix == leases->prefix &&
           client->prefix_length == leases->prefix_length;
}

/* A client that rebooted should be offered what it holds; else it has to forget that. */
static void reboot_check(struct engine *engine, uint32_t index, const struct leases *leases)
{
    const struct client *client = &engine->crowd.clients[index];

    if ((client->flags & CLIENT_REBOOTED) && (client->flags & CLIENT_HOLDS) &&
        !leases_are_held(client, leases)) {
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
                           uint8_t preference, const struct leases *leases)
{
    struct client *client = &engine->crowd.clients[index];
    bool first = client->phase == PHASE_ASKING;

    if (first && !(client->flags & CLIENT_REFUSED)) {
        message_answered(engine, client);
    }
    if (first || preference > client->message_at) {
        reboot_check(engine, index, leases);
        client->address = leases->address;
        client->prefix = leases->prefix;
        client->prefix_length = leases->prefix_length;
        client->server = (uint8_t)server;
        client->message_at = preference;
    }
    /* Once a SOLICIT was repeated the first ADVERTISE is taken (RFC 9915 18.2.1). */
    if (engine->settings->collect_ms && client->tries == 1 && preference < PREFERENCE_MAX) {
        if (first) {
            wheel_remove(&engine->wheel, index);
            wheel_add(&engine->wheel, index, engine_now_ms(engine) + engine->settings->collect_ms);
        }
        client->phase = PHASE_OFFERED;
        return;
    }
    wheel_remove(&engine->wheel, index);
    message_start(engine, index, MESSAGE_REQUEST, engine->now_ns);
}

/* A Reply with leases. Returns what it turns out to be. */
static enum verdict reply_take(struct engine *engine, uint32_t index, unsigned server,
                               enum verdict verdict, const struct leases *leases)
{
    struct client *client = &engine->crowd.clients[index];

    if (client->phase != PHASE_OFFERED) {
        message_answered(engine, client);
    }
    if (client->kind != MESSAGE_RELEASE) {
        reboot_check(engine, index, leases);
        client->server = (uint8_t)server;
        if (crowd_claim(&engine->crowd, index, leases, engine_now_s(engine)) != CLIENT_NONE) {
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
    if (!(client->flags & CLIENT_REFUSED)) {
        message_answered(engine, client);
    }
    if (type == DHCP6_ADVERTISE && engine->settings->server_count > 1 &&
        !(client->flags & CLIENT_REFUSED)) {
        client->flags |= CLIENT_REFUSED;
        return;
    }
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
                                 enum verdict verdict, const struct leases *leases)
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
        advertise_take(engine, index, (unsigned)server, answer->preference, leases);
        return verdict;
    }
    return reply_take(engine, index, (unsigned)server, verdict, leases);
}

void exchange_receive(struct engine *engine, const struct datagram *datagram)
{
    enum verdict verdict = VERDICT_malformed;
    struct answer answer;
    struct leases leases = {.valid_s = 0};
    uint32_t number;

    if (answer_parse((struct span){datagram->data, datagram->size}, &answer) == 0 &&
        check_owner(engine->settings, &answer, &number, &verdict)) {
        uint32_t index = number - engine->crowd.first;
        const struct client *client = &engine->crowd.clients[index];
        const struct tally_server *server = &engine->tally.servers[client->server];
        const struct check_context context = {
            engine->settings, client, number, {server->id, server->id_size}, datagram->relay};

        verdict = check_answer(&context, &answer, &leases);
        verdict = answer_apply(engine, index, &answer, verdict, &leases);
    }
    engine->tally.verdicts[verdict]++;
}

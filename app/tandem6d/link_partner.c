/* One relation and its socket: connecting, TLS, turns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <urcu/urcu-qsbr.h>

#include "base/log.h"
#include "link_internal.h"

enum {
    ROUNDS_MAX = 4, /* of one turn: reading, the relation's own turn, writing */
    WRITES_MAX = 8, /* of one round */
    SOON_MS = 2,    /* what is due so soon waits for the disk, which may be faster */
};

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct partner *partner = arg;

    (void)fd;
    stream_ready(&partner->stream, what);
    partner_kick(partner);
}

static void partner_close(struct partner *partner)
{
    stream_close(&partner->stream);
    partner->connecting = partner->shaking = partner->end_seen = false;
    partner->input_head = partner->input_tail = 0;
}

/* The connection is over by itself, or never was. */
static void partner_lost(struct partner *partner, enum fo_down_reason reason, const char *text,
                         struct fo_time now)
{
    char copy[STREAM_TEXT_MAX];

    (void)snprintf(copy, sizeof(copy), "%s", text);
    partner_close(partner);
    fo_link_closed(&partner->relation->link, reason, copy, now);
}

void link_fault_count(struct links *links, enum tls_fault fault)
{
    static const enum counter counters[] = {
        [TLS_FAULT_NONE] = COUNTER_partner_tls_handshake,
        [TLS_FAULT_OURS] = COUNTER_partner_tls_own,
        [TLS_FAULT_NO_CERTIFICATE] = COUNTER_partner_tls_no_certificate,
        [TLS_FAULT_EXPIRED] = COUNTER_partner_tls_expired,
        [TLS_FAULT_UNTRUSTED] = COUNTER_partner_tls_untrusted,
        [TLS_FAULT_NAME] = COUNTER_partner_tls_name,
        [TLS_FAULT_REFUSED] = COUNTER_partner_tls_alert,
        [TLS_FAULT_HANDSHAKE] = COUNTER_partner_tls_handshake,
    };

    counter_inc(&links->config.server->control_counters, counters[fault]);
}

static void tls_refresh(struct partner *partner, bool always)
{
    char text[TLS_TEXT_MAX];
    uint64_t left_out;

    (void)tls_partner_refresh(partner->tls, always, text);
    if (text[0] && link_tell(&partner->tls_told, text, links_now(partner->links).ms, &left_out)) {
        log_error("failover %s: certificates cannot be used, going on with the last ones, if any: "
                  "%s",
                  partner->config->relationship, text);
    }
}

bool partner_secure(struct partner *partner, struct stream *stream, bool server,
                    char ret_text[TLS_TEXT_MAX])
{
    struct tls_session *session;
    int r;

    tls_refresh(partner, false);
    r = tls_session_new(partner->tls, stream->fd, server, &session);
    if (r) {
        link_fault_count(partner->links, TLS_FAULT_OURS);
        (void)snprintf(ret_text, TLS_TEXT_MAX, "%s",
                       r == -ENOENT ? "no certificate of our own" : strerror(-r));
        return false;
    }
    stream_secure(stream, session);
    return true;
}

static void connect_begin(struct partner *partner, struct fo_time now)
{
    static const int on = 1;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r = fd < 0 ? -errno : 0;

    partner_close(partner);
    if (r == 0) {
        stream_options_set(fd, partner->config->keepalive_s);
        (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        if (bind(fd, (const struct sockaddr *)&partner->source, sizeof(partner->source)) ||
            (connect(fd, (const struct sockaddr *)&partner->address, sizeof(partner->address)) &&
             errno != EINPROGRESS)) {
            r = -errno;
            (void)close(fd);
        }
    }
    if (r == 0) {
        r = stream_open(&partner->stream, fd, partner->links->config.base, on_ready, partner);
    }
    if (r) {
        partner_lost(partner, FO_DOWN_CONNECT_FAILED, strerror(-r), now);
    } else {
        partner->connecting = true;
    }
}

/* True when the connection is there or has failed. */
static bool connect_finish(struct partner *partner, struct fo_time now)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (!partner->connecting || !partner->stream.can_write) {
        return false;
    }
    partner->connecting = false;
    if (getsockopt(partner->stream.fd, SOL_SOCKET, SO_ERROR, &error, &size)) {
        error = errno;
    }
    if (error) {
        partner_lost(partner, FO_DOWN_CONNECT_FAILED, strerror(error), now);
    } else {
        fo_link_connected(&partner->relation->link, now);
    }
    return true;
}

void partner_adopt(struct partner *partner, struct stream *stream)
{
    struct links *links = partner->links;

    partner_close(partner);
    stream_options_set(stream->fd, partner->config->keepalive_s);
    if (stream_move(&partner->stream, stream, links->config.base, on_ready, partner)) {
        partner_lost(partner, FO_DOWN_CLOSED, "no memory", links_now(links));
    }
    partner_kick(partner);
}

void partner_kick(struct partner *partner)
{
    event_active(partner->turn, EV_TIMEOUT, 0);
}

/* Why the stream ended; the connection is not what it should be when TLS says so. */
static void stream_lost(struct partner *partner, struct fo_time now)
{
    enum tls_fault fault = partner->stream.fault;
    bool refused = partner->shaking || fault != TLS_FAULT_NONE;

    if (refused) {
        link_fault_count(partner->links, fault);
    }
    partner_lost(partner, refused ? FO_DOWN_TLS_FAILED : FO_DOWN_CLOSED, partner->stream.end, now);
}

static void secure_begin(struct partner *partner, struct fo_time now)
{
    char text[TLS_TEXT_MAX] = "octets before TLS";

    if (partner->input_head != partner->input_tail ||
        !partner_secure(partner, &partner->stream, false, text)) {
        partner_lost(partner, FO_DOWN_TLS_FAILED, text, now);
    } else {
        partner->shaking = true;
    }
}

/* True when the handshake is over, so or so. */
static bool secure_finish(struct partner *partner, struct fo_time now)
{
    if (stream_handshake(&partner->stream)) {
        partner->shaking = false;
        fo_link_secured(&partner->relation->link, now);
        return true;
    }
    if (partner->stream.ended) {
        stream_lost(partner, now);
        return true;
    }
    return false;
}

/* Reads once what may be taken, and offers it. True when something moved. */
static bool input_turn(struct partner *partner, struct fo_time now)
{
    struct stream *stream = &partner->stream;
    size_t size;

    if (!stream_is_open(stream) || partner->connecting) {
        return false;
    }
    if (partner->shaking) {
        return secure_finish(partner, now);
    }
    if (partner->input_head == partner->input_tail) {
        partner->input_head = 0;
        partner->input_tail = stream_read(stream, partner->input, LINK_INPUT_SIZE);
    }
    size = partner->input_tail - partner->input_head;
    if (size) {
        size_t taken = relation_bytes_received(
            partner->relation, (struct span){partner->input + partner->input_head, size}, now);

        partner->input_head += taken;
        partner->end_seen = false;
        return taken != 0;
    }
    if (!stream->ended) {
        return false;
    }
    /* What came before the end is to be understood first: it may say why. */
    if (partner->end_seen) {
        stream_lost(partner, now);
    } else {
        partner->end_seen = true;
    }
    return true;
}

static bool output_turn(struct partner *partner, struct fo_time now)
{
    struct stream *stream = &partner->stream;
    bool moved = false;

    if (!stream_is_open(stream) || partner->connecting || partner->shaking) {
        return false;
    }
    for (unsigned i = 0; i < WRITES_MAX; i++) {
        struct span bytes = relation_output(partner->relation, now);
        size_t taken = stream_write(stream, bytes);

        relation_output_done(partner->relation, taken, now);
        moved = moved || taken;
        if (taken == 0) {
            break;
        }
    }
    return moved;
}

static void perform(struct partner *partner, enum fo_action action, struct fo_time now)
{
    switch (action) {
    case FO_ACTION_CONNECT:
        connect_begin(partner, now);
        break;
    case FO_ACTION_CLOSE:
        partner_close(partner);
        break;
    case FO_ACTION_TLS:
        secure_begin(partner, now);
        break;
    case FO_ACTION_OPEN: /* a greeting's */
    case FO_ACTION_NONE:
        break;
    }
}

static bool partner_round(struct partner *partner, struct fo_time now)
{
    bool moved = connect_finish(partner, now);
    enum fo_action action;

    moved = input_turn(partner, now) || moved;
    while ((action = relation_run(partner->relation, now)) != FO_ACTION_NONE) {
        perform(partner, action, now);
        moved = true;
    }
    return output_turn(partner, now) || moved;
}

void partner_grace(struct partner *partner)
{
    struct links_grace *grace = partner->links->grace;

    if (partner->grace_at && links_grace_done(grace) >= partner->grace_at) {
        partner->grace_at = 0;
        relation_grace_done(partner->relation);
        partner_kick(partner);
    }
    if (partner->grace_at == 0 && relation_wants_grace(partner->relation)) {
        partner->grace_at = links_grace_ask(grace);
    }
}

static void partner_sleep(struct partner *partner, struct fo_time now)
{
    msec_t at_ms = relation_deadline(partner->relation, now);
    msec_t wait_ms = at_ms > now.ms ? at_ms - now.ms : 0;
    struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000),
                           .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000};

    partner->disk_waits = at_ms <= now.ms + SOON_MS;
    if (partner->disk_waits) {
        atomic_store(&partner->links->durable_wanted, true);
    }
    if (at_ms == UINT64_MAX) {
        (void)evtimer_del(partner->turn);
    } else {
        (void)evtimer_add(partner->turn, &wait);
    }
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct partner *partner = arg;
    struct fo_time now = links_now(partner->links);
    bool moved = true;

    (void)fd;
    (void)what;
    if (partner->disk_waits) { /* what becomes durable from here on is not missed */
        atomic_store(&partner->links->durable_wanted, true);
    }
    urcu_qsbr_thread_online();
    for (unsigned i = 0; i < ROUNDS_MAX && moved; i++) {
        moved = partner_round(partner, now);
        if (partner->relation->stopped && !partner->relation->link.stopping) {
            fo_link_stop(&partner->relation->link, now); /* it had nobody to tell */
        }
        urcu_qsbr_quiescent_state();
    }
    urcu_qsbr_thread_offline();
    partner_grace(partner);
    partner_report(partner, now);
    if (moved) {
        static const struct timeval at_once = {0, 0};

        (void)evtimer_add(partner->turn, &at_once);
    } else {
        partner_sleep(partner, now);
    }
    links_stop_check(partner->links);
}

int partner_init(struct links *links, unsigned index, char ret_error[LINKS_ERROR_MAX])
{
    struct partner *partner = &links->partners[index];
    struct server *server = links->config.server;
    int r;

    partner->links = links;
    partner->config = &server->config->failovers[index];
    partner->address = link_socket_address(partner->config->partner, partner->config->port);
    partner->source = link_socket_address(partner->config->listen, 0);
    stream_init(&partner->stream);
    partner->input = malloc(LINK_INPUT_SIZE);
    partner->turn = evtimer_new(links->config.base, on_turn, partner);
    r = partner->input && partner->turn ? 0 : -ENOMEM;
    if (r == 0 && partner->config->has_tls) {
        r = tls_partner_new(partner->config, &partner->tls);
    }
    if (r == 0 && partner->tls) {
        tls_refresh(partner, true);
    }
    r = r ? r : relation_new(server, index, links_now(links), &partner->relation);
    if (r) {
        (void)snprintf(ret_error, LINKS_ERROR_MAX, "failover relationship %s cannot be set up: %s",
                       partner->config->relationship, strerror(-r));
    }
    return r;
}

void partner_reload(struct partner *partner, const struct config_failover *config)
{
    partner->config = config;
    if (partner->tls) {
        tls_partner_config_set(partner->tls, config);
        partner->tls_told = (struct link_told){.at_ms = 0}; /* somebody looks on */
        tls_refresh(partner, true);
    }
}

void partner_done(struct partner *partner)
{
    stream_close(&partner->stream);
    relation_free(partner->relation);
    tls_partner_free(partner->tls);
    if (partner->turn) {
        event_free(partner->turn);
    }
    free(partner->input);
}

/* A relation and its socket: turns, connecting, what is told to the operator, start and stop. */
#include "link.h"

#include <arpa/inet.h>
#include <inttypes.h>
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
};

struct fo_time links_now(const struct links *links)
{
    struct timespec ts;
    msec_t ms;

    /* Not the coarse clock: what waits for the disk is due within a millisecond. */
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ms = (msec_t)ts.tv_sec * 1000 + (msec_t)ts.tv_nsec / 1000000;
    return (struct fo_time){.ms = ms, .s = clock_now(links->config.clock, ms)};
}

void link_address_text(struct ip6 address, char ret_text[INET6_ADDRSTRLEN])
{
    uint8_t octets[16];

    wire_set_u64(octets, address.hi);
    wire_set_u64(octets + 8, address.lo);
    if (!inet_ntop(AF_INET6, octets, ret_text, INET6_ADDRSTRLEN)) {
        ret_text[0] = 0;
    }
}

struct sockaddr_in6 link_socket_address(struct ip6 address, uint16_t port)
{
    struct sockaddr_in6 made = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    wire_set_u64(made.sin6_addr.s6_addr, address.hi);
    wire_set_u64(made.sin6_addr.s6_addr + 8, address.lo);
    return made;
}

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

static void grace_turn(struct partner *partner)
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

    if (at_ms == UINT64_MAX) {
        (void)evtimer_del(partner->turn);
    } else {
        (void)evtimer_add(partner->turn, &wait);
    }
}

static bool partner_is_stopped(const struct partner *partner)
{
    return partner->relation->stopped && partner->relation->link.state == FO_LINK_STOPPED;
}

static void stop_check(struct links *links)
{
    bool waiting = false;

    for (unsigned i = 0; i < links->count; i++) {
        waiting = waiting || !partner_is_stopped(&links->partners[i]);
    }
    if (links->stopping && !links->stopped && !waiting) {
        links->stopped = true;
        links->config.on_stopped(links->config.ctx);
    }
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct partner *partner = arg;
    struct fo_time now = links_now(partner->links);
    bool moved = true;

    (void)fd;
    (void)what;
    urcu_qsbr_thread_online();
    for (unsigned i = 0; i < ROUNDS_MAX && moved; i++) {
        moved = partner_round(partner, now);
        if (partner->relation->stopped && !partner->relation->link.stopping) {
            fo_link_stop(&partner->relation->link, now); /* it had nobody to tell */
        }
        urcu_qsbr_quiescent_state();
    }
    urcu_qsbr_thread_offline();
    grace_turn(partner);
    partner_report(partner, now);
    if (moved) {
        static const struct timeval at_once = {0, 0};

        (void)evtimer_add(partner->turn, &at_once);
    } else {
        partner_sleep(partner, now);
    }
    stop_check(partner->links);
}

static void on_grace(void *ctx)
{
    struct links *links = ctx;

    for (unsigned i = 0; i < links->count; i++) {
        grace_turn(&links->partners[i]);
    }
}

static int partner_init(struct links *links, unsigned index, char *ret_error)
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

int links_new(const struct links_config *config, struct links **ret_links,
              char ret_error[LINKS_ERROR_MAX])
{
    unsigned count = config->server->config->failover_count;
    struct links *links = calloc(1, sizeof(*links));
    int r = links ? 0 : -ENOMEM;

    (void)snprintf(ret_error, LINKS_ERROR_MAX, "failover cannot be set up");
    if (r) {
        return r;
    }
    links->config = *config;
    links->partners = calloc(count ? count : 1, sizeof(*links->partners));
    r = links->partners ? 0 : -ENOMEM;
    for (unsigned i = 0; r == 0 && i < count; i++) {
        links->count = i + 1;
        r = partner_init(links, i, ret_error);
    }
    if (r) {
        links_free(links);
        return r;
    }
    *ret_links = links;
    return 0;
}

static void on_stop_late(evutil_socket_t fd, short what, void *arg)
{
    struct links *links = arg;

    (void)fd;
    (void)what;
    if (!links->stopped) {
        links->stopped = true;
        log_warn("stopping although not all failover partners could be told");
        links->config.on_stopped(links->config.ctx);
    }
}

int links_start(struct links *links, char ret_error[LINKS_ERROR_MAX])
{
    int r;

    if (links->count == 0) {
        return 0;
    }
    (void)snprintf(ret_error, LINKS_ERROR_MAX, "failover cannot be started");
    r = links_grace_new(links->config.base, on_grace, links, &links->grace);
    links->stop_timer = evtimer_new(links->config.base, on_stop_late, links);
    r = r ? r : (links->stop_timer ? 0 : -ENOMEM);
    r = r ? r : links_accept_new(links, ret_error);
    if (r) {
        return r;
    }
    links->started = true;
    for (unsigned i = 0; i < links->count; i++) {
        relation_start(links->partners[i].relation, links_now(links));
        partner_kick(&links->partners[i]);
    }
    return 0;
}

void links_kick(struct links *links)
{
    for (unsigned i = 0; i < links->count; i++) {
        partner_kick(&links->partners[i]);
    }
}

void links_reload(struct links *links, const struct config *config)
{
    for (unsigned i = 0; i < links->count; i++) {
        struct partner *partner = &links->partners[i];

        partner->config = &config->failovers[i];
        if (partner->tls) {
            tls_partner_config_set(partner->tls, partner->config);
            partner->tls_told = (struct link_told){.at_ms = 0}; /* somebody looks on */
            tls_refresh(partner, true);
        }
    }
}

void links_stop(struct links *links)
{
    static const struct fo_fsm_event shutdown_event = {.type = FO_FSM_SHUTDOWN};
    static const struct timeval late = {.tv_sec = LINKS_STOP_MS / 1000,
                                        .tv_usec = LINKS_STOP_MS % 1000 * 1000};

    if (!links->stopping && links->started) {
        (void)evtimer_add(links->stop_timer, &late);
        urcu_qsbr_thread_online();
        for (unsigned i = 0; i < links->count; i++) {
            /* Refused only by one that is on its way out already. */
            (void)!relation_command(links->partners[i].relation, &shutdown_event, links_now(links));
        }
        urcu_qsbr_thread_offline();
    }
    links->stopping = true;
    links_kick(links);
    stop_check(links);
}

void links_free(struct links *links)
{
    if (!links) {
        return;
    }
    links_grace_free(links->grace);
    links_accept_free(links->accept);
    for (unsigned i = 0; i < links->count; i++) {
        struct partner *partner = &links->partners[i];

        stream_close(&partner->stream);
        relation_free(partner->relation);
        tls_partner_free(partner->tls);
        if (partner->turn) {
            event_free(partner->turn);
        }
        free(partner->input);
    }
    if (links->stop_timer) {
        event_free(links->stop_timer);
    }
    free(links->partners);
    free(links);
}

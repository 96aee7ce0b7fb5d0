/* Connections that come in on the failover ports, until their CONNECT tells whose they are: a
 * bounded number of strangers, from partners' addresses only. */
#include <event2/listener.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "failover/fo_greet.h"
#include "link_internal.h"

enum {
    BACKLOG = 16,
    PAUSE_S = 1, /* after a failed accept: asking again at once would only spin */
    ROUNDS_MAX = 8,
};

struct listener {
    struct links *links;
    struct ip6 address;
    uint16_t port;
    struct evconnlistener *socket;
    struct event *resume;
};

struct greeting {
    struct links *links; /* NULL: this place is free */
    const struct listener *listener;
    struct ip6 peer;
    struct stream stream;
    struct fo_greet greet;
    struct partner *partner; /* one with that address: all of them have the same certificates */
    bool shaking;
    struct event *turn;
};

struct links_accept {
    struct greeting greetings[LINK_GREETINGS_MAX];
    struct listener *listeners; /* one per distinct address and port */
    unsigned count;
    struct link_told told;
};

static void count(struct links *links, enum counter counter)
{
    counter_inc(&links->config.server->control_counters, counter);
}

/* A secondary's relationship whose partner may connect there. */
static bool is_for(const struct partner *partner, const struct listener *listener, struct ip6 peer)
{
    const struct config_failover *config = partner->config;

    return config->role == CONFIG_ROLE_SECONDARY && ip6_equal(config->listen, listener->address) &&
           config->port == listener->port && ip6_equal(config->partner, peer);
}

static struct partner *partner_by_address(struct links *links, const struct listener *listener,
                                          struct ip6 peer)
{
    for (unsigned i = 0; i < links->count; i++) {
        if (is_for(&links->partners[i], listener, peer)) {
            return &links->partners[i];
        }
    }
    return NULL;
}

/* The relationship a CONNECT means; without a name the only one there is (facts F.27). */
static struct partner *partner_by_name(struct greeting *greeting)
{
    const struct fo_connect *connect = &greeting->greet.connect.connect;
    bool named = connect->has & FO_HAS_NAME;
    struct partner *found = NULL;
    unsigned matches = 0;

    for (unsigned i = 0; i < greeting->links->count; i++) {
        struct partner *partner = &greeting->links->partners[i];

        if (is_for(partner, greeting->listener, greeting->peer) &&
            (!named || span_equal(connect->name, partner->relation->link.config.name))) {
            found = partner;
            matches++;
        }
    }
    return matches == 1 ? found : NULL;
}

/* Why a greeting that never got so far as to belong to a relationship has ended. */
static enum counter reason_counter(enum fo_down_reason reason)
{
    switch (reason) {
    case FO_DOWN_SETUP_TIMEOUT:
        return COUNTER_partner_silent;
    case FO_DOWN_MALFORMED:
        return COUNTER_partner_malformed;
    case FO_DOWN_PROTOCOL:
        return COUNTER_partner_protocol;
    case FO_DOWN_TLS_REFUSED:
        return COUNTER_partner_starttls_refused;
    case FO_DOWN_UNACCEPTABLE:
        return COUNTER_partner_refused;
    case FO_DOWN_NONE:
    case FO_DOWN_CONNECT_FAILED:
    case FO_DOWN_TLS_FAILED: /* counted by its cause */
    case FO_DOWN_CLOSED:
    case FO_DOWN_KEEPALIVE:
    case FO_DOWN_REJECTED:
    case FO_DOWN_DISCONNECTED:
    case FO_DOWN_SKEW:
    case FO_DOWN_WINDOW:
    case FO_DOWN_STALLED:
    case FO_DOWN_REPLACED:
    case FO_DOWN_LOCAL:
    case FO_DOWN_STOP:
    case FO_DOWN_COUNT:
        break;
    }
    return COUNTER_partner_closed;
}

static void greeting_free(struct greeting *greeting)
{
    stream_close(&greeting->stream);
    if (greeting->turn) {
        event_free(greeting->turn);
    }
    *greeting = (struct greeting){.links = NULL};
    stream_init(&greeting->stream);
}

static void greeting_end(struct greeting *greeting, enum fo_down_reason reason, const char *text)
{
    struct links *links = greeting->links;
    char address[INET6_ADDRSTRLEN], line[LINK_LOG_TEXT_MAX];
    uint64_t left_out;

    link_address_text(greeting->peer, address);
    (void)snprintf(line, sizeof(line), "%s refused: %s: %s", address, fo_down_reason_name(reason),
                   text);
    if (link_tell(&links->accept->told, line, links_now(links).ms, &left_out)) {
        log_warn("failover: connection from %s (%" PRIu64 " times more before)", line, left_out);
    }
    greeting_free(greeting);
}

/* CONNECT is there: whose is it? */
static void greeting_open(struct greeting *greeting, struct fo_time now)
{
    struct partner *partner = partner_by_name(greeting);

    if (!partner) {
        fo_greet_refuse(&greeting->greet, FO_STATUS_CONFIGURATION_CONFLICT,
                        "no such relationship with this address", now);
    } else if (fo_link_accept(&partner->relation->link, &greeting->greet, now) ==
               FO_STATUS_SUCCESS) {
        partner_adopt(partner, &greeting->stream);
    }
}

static bool is_listening(const struct fo_greet *greet)
{
    return greet->state == FO_GREET_PLAIN || greet->state == FO_GREET_SECURED;
}

/* TLS has failed before CONNECT. */
static void greeting_fault(struct greeting *greeting)
{
    link_fault_count(greeting->links, greeting->stream.fault);
    greeting_end(greeting, FO_DOWN_TLS_FAILED, greeting->stream.end);
}

static void secure_begin(struct greeting *greeting)
{
    char text[TLS_TEXT_MAX];

    if (partner_secure(greeting->partner, &greeting->stream, true, text)) {
        greeting->shaking = true;
    } else {
        greeting_end(greeting, FO_DOWN_TLS_FAILED, text);
    }
}

/* Reads no more than fits, or the one octet that is too many. */
static bool greeting_read(struct greeting *greeting, struct fo_time now)
{
    struct fo_greet *greet = &greeting->greet;
    uint8_t buf[FO_GREET_INPUT_SIZE + 1];
    size_t size;

    if (greeting->shaking) {
        greeting->shaking = !stream_handshake(&greeting->stream);
        if (!greeting->shaking) {
            fo_greet_secured(greet, now);
        }
        return !greeting->shaking;
    }
    if (!is_listening(greet)) {
        return false;
    }
    size = stream_read(&greeting->stream, buf, sizeof(buf) - greet->input_tail);
    if (size) {
        fo_greet_input(greet, (struct span){buf, size}, now);
    }
    return size != 0;
}

static bool greeting_write(struct greeting *greeting, struct fo_time now)
{
    struct span bytes = fo_greet_output(&greeting->greet, now);
    size_t taken = greeting->shaking ? 0 : stream_write(&greeting->stream, bytes);

    fo_greet_output_done(&greeting->greet, taken);
    return taken != 0;
}

/* One step; false when nothing moved. The greeting may be free after it. */
static bool greeting_step(struct greeting *greeting, struct fo_time now)
{
    bool moved = greeting_read(greeting, now);

    moved = greeting_write(greeting, now) || moved;
    switch (fo_greet_run(&greeting->greet, now)) {
    case FO_ACTION_OPEN:
        greeting_open(greeting, now);
        if (greeting->greet.state == FO_GREET_TAKEN) {
            count(greeting->links, COUNTER_partner_accepted);
            greeting_free(greeting);
        }
        return true;
    case FO_ACTION_CLOSE:
        count(greeting->links, reason_counter(greeting->greet.reason));
        greeting_end(greeting, greeting->greet.reason, greeting->greet.text);
        return true;
    case FO_ACTION_TLS:
        secure_begin(greeting);
        return true;
    case FO_ACTION_CONNECT:
    case FO_ACTION_NONE:
        break;
    }
    if (!moved && greeting->stream.ended && (greeting->shaking || greeting->stream.fault)) {
        greeting_fault(greeting);
        return true;
    }
    if (!moved && greeting->stream.ended) {
        count(greeting->links, COUNTER_partner_closed);
        greeting_end(greeting, FO_DOWN_CLOSED, greeting->stream.end);
        return true;
    }
    return moved;
}

static void greeting_turn(struct greeting *greeting)
{
    struct fo_time now = links_now(greeting->links);
    struct timeval wait;
    msec_t wait_ms, at_ms;

    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        if (!greeting_step(greeting, now)) {
            break;
        }
        if (!greeting->links) {
            return;
        }
    }
    at_ms = fo_greet_deadline(&greeting->greet);
    wait_ms = at_ms > now.ms ? at_ms - now.ms : 0;
    wait = (struct timeval){(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000) * 1000};
    (void)evtimer_add(greeting->turn, &wait);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct greeting *greeting = arg;

    (void)fd;
    stream_ready(&greeting->stream, what);
    greeting_turn(greeting);
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    greeting_turn(arg);
}

/* A place for one more from that address, or NULL. */
static struct greeting *greeting_place(struct links_accept *accept, struct ip6 peer)
{
    struct greeting *place = NULL;
    unsigned same = 0;

    for (unsigned i = 0; i < LINK_GREETINGS_MAX; i++) {
        struct greeting *greeting = &accept->greetings[i];

        if (!greeting->links) {
            place = greeting;
        } else {
            same += ip6_equal(greeting->peer, peer);
        }
    }
    return same < LINK_GREETINGS_OF_ONE ? place : NULL;
}

static void greeting_begin(struct greeting *greeting, const struct listener *listener,
                           struct partner *partner, int fd)
{
    struct links *links = listener->links;

    greeting->links = links;
    greeting->listener = listener;
    greeting->partner = partner;
    greeting->peer = partner->config->partner;
    stream_options_set(fd, partner->config->keepalive_s);
    fo_greet_init(&greeting->greet, partner->config->has_tls, links_now(links));
    greeting->turn = evtimer_new(links->config.base, on_time, greeting);
    if (stream_open(&greeting->stream, fd, links->config.base, on_ready, greeting) ||
        !greeting->turn) {
        greeting_end(greeting, FO_DOWN_CLOSED, "no memory");
        return;
    }
    greeting_turn(greeting);
}

static void on_accept(struct evconnlistener *socket, evutil_socket_t fd, struct sockaddr *address,
                      int address_size, void *ctx)
{
    const struct listener *listener = ctx;
    struct links *links = listener->links;
    const uint8_t *octets = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr;
    struct ip6 peer = {wire_get_u64(octets), wire_get_u64(octets + 8)};
    struct partner *partner = partner_by_address(links, listener, peer);
    struct greeting *greeting = partner ? greeting_place(links->accept, peer) : NULL;
    char text[INET6_ADDRSTRLEN];

    (void)socket;
    (void)address_size;
    if (greeting) {
        greeting_begin(greeting, listener, partner, fd);
        return;
    }
    (void)close(fd);
    count(links, partner ? COUNTER_partner_crowded : COUNTER_partner_unknown);
    link_address_text(peer, text);
    log_info("failover: connection from %s dropped: %s", text,
             partner ? "too many at once" : "no partner's address");
}

static void on_accept_error(struct evconnlistener *socket, void *ctx)
{
    static const struct timeval pause = {.tv_sec = PAUSE_S};
    struct listener *listener = ctx;

    (void)evconnlistener_disable(socket);
    (void)evtimer_add(listener->resume, &pause);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;

    (void)fd;
    (void)what;
    (void)evconnlistener_enable(listener->socket);
}

/* A socket that listens, or a negative errno. The address may come later than the server. */
static int socket_listen(const struct listener *listener)
{
    static const int on = 1;
    struct sockaddr_in6 address = link_socket_address(listener->address, listener->port);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r;

    if (fd < 0) {
        return -errno;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) || listen(fd, BACKLOG)) {
        r = -errno;
        (void)close(fd);
        return r;
    }
    return fd;
}

static int listener_init(struct listener *listener, struct links *links,
                         const struct config_failover *config, char *ret_error)
{
    char text[INET6_ADDRSTRLEN];
    int fd;

    listener->links = links;
    listener->address = config->listen;
    listener->port = config->port;
    fd = socket_listen(listener);
    if (fd < 0) {
        link_address_text(config->listen, text);
        (void)snprintf(ret_error, LINKS_ERROR_MAX, "failover: cannot listen on [%s]:%u: %s", text,
                       config->port, strerror(-fd));
        return fd;
    }
    listener->socket = evconnlistener_new(links->config.base, on_accept, listener,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    listener->resume = evtimer_new(links->config.base, on_resume, listener);
    if (!listener->socket) {
        (void)close(fd);
    }
    if (!listener->socket || !listener->resume) {
        return -ENOMEM;
    }
    evconnlistener_set_error_cb(listener->socket, on_accept_error);
    return 0;
}

static bool listens_already(const struct links_accept *accept, const struct config_failover *config)
{
    for (unsigned i = 0; i < accept->count; i++) {
        if (ip6_equal(accept->listeners[i].address, config->listen) &&
            accept->listeners[i].port == config->port) {
            return true;
        }
    }
    return false;
}

int links_accept_new(struct links *links, char ret_error[LINKS_ERROR_MAX])
{
    struct links_accept *accept = calloc(1, sizeof(*accept));
    int r = 0;

    if (!accept) {
        return -ENOMEM;
    }
    links->accept = accept; /* links_free frees it, whatever happens */
    accept->listeners = calloc(links->count, sizeof(*accept->listeners));
    if (!accept->listeners) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < LINK_GREETINGS_MAX; i++) {
        stream_init(&accept->greetings[i].stream);
    }
    for (unsigned i = 0; r == 0 && i < links->count; i++) {
        const struct config_failover *config = links->partners[i].config;

        if (config->role == CONFIG_ROLE_SECONDARY && !listens_already(accept, config)) {
            accept->count++;
            r = listener_init(&accept->listeners[accept->count - 1], links, config, ret_error);
        }
    }
    return r;
}

void links_accept_free(struct links_accept *accept)
{
    if (!accept) {
        return;
    }
    for (unsigned i = 0; i < LINK_GREETINGS_MAX; i++) {
        if (accept->greetings[i].links) {
            greeting_free(&accept->greetings[i]);
        }
    }
    for (unsigned i = 0; i < accept->count; i++) {
        if (accept->listeners[i].socket) {
            evconnlistener_free(accept->listeners[i].socket);
        }
        if (accept->listeners[i].resume) {
            event_free(accept->listeners[i].resume);
        }
    }
    free(accept->listeners);
    free(accept);
}

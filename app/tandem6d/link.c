/* All failover partners: start, stop, and what wakes them besides their sockets. */
#include "link.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <urcu/urcu-qsbr.h>

#include "base/log.h"
#include "link_internal.h"

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

static bool partner_is_stopped(const struct partner *partner)
{
    return partner->relation->stopped && partner->relation->link.state == FO_LINK_STOPPED;
}

void links_stop_check(struct links *links)
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

void links_durable(void *ctx)
{
    static const uint64_t one = 1;
    struct links *links = ctx;

    if (atomic_load_explicit(&links->durable_wanted, memory_order_relaxed) &&
        atomic_exchange(&links->durable_wanted, false)) {
        (void)!write(links->durable_fd, &one, sizeof(one)); /* full: the loop is awake anyway */
    }
}

static void on_durable(evutil_socket_t fd, short what, void *arg)
{
    struct links *links = arg;
    uint64_t times;

    (void)what;
    (void)!read(fd, &times, sizeof(times));
    for (unsigned i = 0; i < links->count; i++) {
        if (links->partners[i].disk_waits) {
            partner_kick(&links->partners[i]);
        }
    }
}

static void on_grace(void *ctx)
{
    struct links *links = ctx;

    for (unsigned i = 0; i < links->count; i++) {
        partner_grace(&links->partners[i]);
    }
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
    links->durable_fd = -1;
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

static int durable_open(struct links *links)
{
    links->durable_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (links->durable_fd < 0) {
        return -errno;
    }
    links->durable =
        event_new(links->config.base, links->durable_fd, EV_READ | EV_PERSIST, on_durable, links);
    return links->durable && event_add(links->durable, NULL) == 0 ? 0 : -ENOMEM;
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
    r = r ? r : durable_open(links);
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
        partner_reload(&links->partners[i], &config->failovers[i]);
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
    links_stop_check(links);
}

void links_free(struct links *links)
{
    if (!links) {
        return;
    }
    links_grace_free(links->grace);
    links_accept_free(links->accept);
    for (unsigned i = 0; i < links->count; i++) {
        partner_done(&links->partners[i]);
    }
    if (links->stop_timer) {
        event_free(links->stop_timer);
    }
    if (links->durable) {
        event_free(links->durable);
    }
    if (links->durable_fd >= 0) {
        (void)close(links->durable_fd);
    }
    free(links->partners);
    free(links);
}

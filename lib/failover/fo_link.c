/* The life of a link: attempts and back-off, end of a connection, timers, actions. */
#include "failover/fo_link.h"

#include <stdlib.h>

#include "failover/fo_link_internal.h"

enum {
    DOUBLINGS_MAX = 16,
    UPDATE_SIZE_TYPICAL = 512, /* a BNDUPD with relay data and names */
    SOFTWARE_SIZE_MAX = 63,
};

static const char *const state_names[FO_LINK_STATE_COUNT] = {
#define STATE_NAME(name, text) [FO_LINK_##name] = text,
    FO_LINK_STATES(STATE_NAME)
#undef STATE_NAME
};

static const char *const reason_names[FO_DOWN_COUNT] = {
#define REASON_NAME(name, text) [FO_DOWN_##name] = text,
    FO_DOWN_REASONS(REASON_NAME)
#undef REASON_NAME
};

const char *fo_link_state_name(enum fo_link_state state)
{
    return state < FO_LINK_STATE_COUNT ? state_names[state] : "UNKNOWN";
}

const char *fo_down_reason_name(enum fo_down_reason reason)
{
    return reason < FO_DOWN_COUNT ? reason_names[reason] : "UNKNOWN";
}

static void default_set(uint32_t *value, uint32_t otherwise)
{
    *value = *value ? *value : otherwise;
}

static void config_complete(struct fo_link_config *config)
{
    default_set(&config->keepalive_s, FO_KEEPALIVE_DEFAULT_S);
    default_set(&config->contacts, 4); /* RFC 8156 6.5 */
    default_set(&config->max_unacked, 1);
    default_set(&config->setup_ms, 10000);
    default_set(&config->retry_ms, 500);
    default_set(&config->retry_max_ms, 10000);
    default_set(&config->refused_ms, 5000);
    default_set(&config->refused_max_ms, 60000);
    if (config->update_queue_size < FO_FRAME_SIZE_MAX) {
        config->update_queue_size = 1 << 20;
    }
    if (config->input_size < FO_FRAME_SIZE_MAX) {
        size_t updates =
            config->max_unacked < FO_UNACKED_MAX ? config->max_unacked : (uint32_t)FO_UNACKED_MAX;
        config->input_size = FO_FRAME_SIZE_MAX + updates * UPDATE_SIZE_TYPICAL;
    }
}

int fo_link_init(struct fo_link *link, const struct fo_link_config *config)
{
    T6_ASSERT(config->name.size > 0 && config->name.size <= FO_NAME_SIZE_MAX);
    T6_ASSERT(config->capabilities.software.size <= SOFTWARE_SIZE_MAX);
    T6_ASSERT(config->role == FO_SECONDARY || config->mclt_s > 0);
    *link = (struct fo_link){.config = *config};
    config_complete(&link->config);
    link->input_size = link->config.input_size;
    link->input = malloc(link->input_size);
    link->slots = calloc(FO_XID_SLOTS, sizeof(*link->slots));
    if (!link->input || !link->slots || fo_queue_init(&link->control, FO_CONTROL_QUEUE_SIZE) != 0 ||
        fo_queue_init(&link->updates, link->config.update_queue_size) != 0) {
        fo_link_done(link);
        return -ENOMEM;
    }
    return 0;
}

void fo_link_done(struct fo_link *link)
{
    fo_queue_done(&link->control);
    fo_queue_done(&link->updates);
    free(link->input);
    free(link->slots);
    link->input = NULL;
    link->slots = NULL;
}

void fo_link_start(struct fo_link *link, struct fo_time now)
{
    link->stopping = false;
    if (link->state == FO_LINK_STOPPED) {
        link->state = FO_LINK_WAITING;
        link->failures = link->refusals = 0;
        link->retry_at_ms = now.ms;
    }
}

/* A connection is there and CONNECT was said: the partner understands DISCONNECT. */
static bool is_connected(const struct fo_link *link)
{
    return link->state == FO_LINK_CONNECT || link->state == FO_LINK_OPEN ||
           link->state == FO_LINK_UP;
}

static bool has_attempt(const struct fo_link *link)
{
    return link->state != FO_LINK_STOPPED && link->state != FO_LINK_WAITING &&
           link->state != FO_LINK_CLOSING;
}

static msec_t backoff(uint32_t first_ms, uint32_t max_ms, uint32_t times)
{
    uint32_t doublings = times - 1 < DOUBLINGS_MAX ? times - 1 : DOUBLINGS_MAX;
    msec_t delay_ms = (msec_t)first_ms << doublings;

    return delay_ms < max_ms ? delay_ms : max_ms;
}

/* True for ends after which to try again soon is no use: somebody has to change something first
 * (RFC 8156 6.1: reduce the frequency, but go on). */
static bool is_refusal(enum fo_down_reason reason)
{
    switch (reason) {
    case FO_DOWN_TLS_FAILED:
    case FO_DOWN_TLS_REFUSED:
    case FO_DOWN_REJECTED:
    case FO_DOWN_UNACCEPTABLE:
    case FO_DOWN_DISCONNECTED:
    case FO_DOWN_SKEW:
    case FO_DOWN_MALFORMED:
    case FO_DOWN_PROTOCOL:
    case FO_DOWN_WINDOW:
        return true;
    case FO_DOWN_NONE:
    case FO_DOWN_CONNECT_FAILED:
    case FO_DOWN_CLOSED:
    case FO_DOWN_SETUP_TIMEOUT:
    case FO_DOWN_KEEPALIVE:
    case FO_DOWN_STALLED:
    case FO_DOWN_REPLACED:
    case FO_DOWN_LOCAL:
    case FO_DOWN_STOP:
    case FO_DOWN_COUNT:
        break;
    }
    return false;
}

static void retry_plan(struct fo_link *link, enum fo_down_reason reason, struct fo_time now)
{
    const struct fo_link_config *config = &link->config;

    if (is_refusal(reason)) {
        link->refusals += link->refusals < UINT32_MAX;
        link->retry_at_ms =
            now.ms + backoff(config->refused_ms, config->refused_max_ms, link->refusals);
    } else {
        link->failures += link->failures < UINT32_MAX;
        link->retry_at_ms =
            now.ms + backoff(config->retry_ms, config->retry_max_ms, link->failures);
    }
}

static void down_note(struct fo_link *link, const struct fo_end *end)
{
    link->stats.downs[end->reason]++;
    link->opened_pending = link->skew_pending = link->tls_pending = false;
    link->skew_run = 0;
    if (link->down_pending) {
        return; /* the layer above has not even heard of this connection */
    }
    link->down_pending = true;
    link->down = (struct fo_link_event){
        .type = FO_EVENT_DOWN,
        .connection = link->connection,
        .was_up = link->state == FO_LINK_UP,
        .reason = end->reason,
        .code = end->code,
    };
    fo_text_copy(end->text, link->down.text);
}

void fo_link_end(struct fo_link *link, const struct fo_end *end, struct fo_time now)
{
    bool tell = end->tell && is_connected(link);
    uint8_t buf[FO_CONTROL_SIZE_MAX];
    char text[FO_TEXT_SIZE_MAX + 1];
    size_t size;

    if (!has_attempt(link)) {
        return;
    }
    down_note(link, end);
    retry_plan(link, end->reason, now);
    fo_link_output_reset(link);
    link->input_head = link->input_stamped = link->input_tail = 0;
    link->state = FO_LINK_CLOSING;
    link->linger_ms = now.ms;
    if (tell) {
        fo_text_copy(end->text, text);
        size = fo_encode_status(FO_DISCONNECT, fo_link_xid_next(link),
                                (enum fo_status_code)end->code, text, buf, sizeof(buf));
        (void)fo_link_control_send(link, (struct span){buf, size}, now);
        link->linger_ms = now.ms + FO_LINGER_MS;
    }
}

/* The socket is gone. */
static void close_finish(struct fo_link *link)
{
    link->state = link->stopping ? FO_LINK_STOPPED : FO_LINK_WAITING;
    fo_link_output_reset(link);
    link->control.head = link->control.tail = link->control.partial = 0;
    link->updates.head = link->updates.tail = link->updates.partial = 0;
}

void fo_link_closed(struct fo_link *link, enum fo_down_reason reason, const char *text,
                    struct fo_time now)
{
    struct fo_end end = {.reason = reason};

    if (text) {
        end.text = (struct span){(const uint8_t *)text, strlen(text)};
    }
    fo_link_end(link, &end, now);
    if (link->state == FO_LINK_CLOSING) {
        close_finish(link);
    }
}

void fo_link_stop(struct fo_link *link, struct fo_time now)
{
    link->stopping = true;
    fo_link_fault(link, FO_DOWN_STOP, FO_STATUS_SHUTTING_DOWN, "server is stopping", now);
    if (link->state == FO_LINK_WAITING) {
        link->state = FO_LINK_STOPPED;
    }
}

void fo_link_disconnect(struct fo_link *link, enum fo_status_code code, const char *text,
                        struct fo_time now)
{
    fo_link_fault(link, FO_DOWN_LOCAL, code, text, now);
}

static void connect_begin(struct fo_link *link, struct fo_time now)
{
    link->state = FO_LINK_CONNECT;
    link->connect_xid = fo_link_xid_next(link);
    fo_link_connect_send(link, FO_CONNECT, link->connect_xid, now);
}

void fo_link_connected(struct fo_link *link, struct fo_time now)
{
    uint8_t buf[FO_CONTROL_SIZE_MAX];
    size_t size;

    if (link->state != FO_LINK_CONNECTING) {
        return;
    }
    if (!link->config.secure) {
        connect_begin(link, now);
        return;
    }
    link->state = FO_LINK_STARTTLS;
    link->connect_xid = fo_link_xid_next(link);
    size = fo_encode_bare(FO_STARTTLS, link->connect_xid, buf, sizeof(buf));
    (void)fo_link_control_send(link, (struct span){buf, size}, now);
}

void fo_link_secured(struct fo_link *link, struct fo_time now)
{
    if (link->state == FO_LINK_HANDSHAKE) {
        connect_begin(link, now);
    }
}

void fo_link_open(struct fo_link *link, struct fo_time now)
{
    link->state = FO_LINK_OPEN;
    link->heard_ms = link->sent_ms = now.ms;
    link->opened_pending = true;
}

static msec_t keepalive_at(const struct fo_link *link)
{
    return link->heard_ms + (msec_t)link->config.keepalive_s * 1000;
}

/* RFC 8156 6.6: the two timers of an open connection. */
static void session_run(struct fo_link *link, struct fo_time now)
{
    uint8_t buf[FO_CONTROL_SIZE_MAX];
    size_t size;

    if (now.ms >= keepalive_at(link)) {
        fo_link_fault(link, FO_DOWN_KEEPALIVE, FO_STATUS_UNSPEC_FAIL,
                      "nothing heard for the keepalive time", now);
    } else if (now.ms >= link->sent_ms + link->contact_ms && !fo_link_output_pending(link)) {
        size = fo_encode_bare(FO_CONTACT, fo_link_xid_next(link), buf, sizeof(buf));
        (void)fo_link_control_send(link, (struct span){buf, size}, now);
    }
}

static enum fo_action attempt_begin(struct fo_link *link, struct fo_time now)
{
    if (link->config.role != FO_PRIMARY || now.ms < link->retry_at_ms) {
        return FO_ACTION_NONE;
    }
    link->state = FO_LINK_CONNECTING;
    link->connection++;
    link->stats.attempts++;
    link->setup_deadline_ms = now.ms + link->config.setup_ms;
    return FO_ACTION_CONNECT;
}

static void setup_run(struct fo_link *link, struct fo_time now)
{
    if (now.ms >= link->setup_deadline_ms) {
        fo_link_fault(link, FO_DOWN_SETUP_TIMEOUT, FO_STATUS_UNSPEC_FAIL,
                      "connection took too long to set up", now);
    }
}

enum fo_action fo_link_run(struct fo_link *link, struct fo_time now)
{
    if (link->state == FO_LINK_WAITING) {
        return attempt_begin(link, now);
    }
    if (link->state == FO_LINK_OPEN || link->state == FO_LINK_UP) {
        session_run(link, now);
    } else if (has_attempt(link)) {
        setup_run(link, now);
    }
    if (link->tls_pending) {
        link->tls_pending = false;
        return FO_ACTION_TLS;
    }
    if (link->state == FO_LINK_CLOSING &&
        (now.ms >= link->linger_ms || !fo_link_output_pending(link))) {
        close_finish(link);
        return FO_ACTION_CLOSE;
    }
    return FO_ACTION_NONE;
}

static msec_t session_deadline(const struct fo_link *link)
{
    msec_t contact_at = link->sent_ms + link->contact_ms;

    return contact_at < keepalive_at(link) && !fo_link_output_pending(link) ? contact_at
                                                                            : keepalive_at(link);
}

msec_t fo_link_deadline(const struct fo_link *link)
{
    if (link->down_pending || link->opened_pending || link->skew_pending || link->tls_pending) {
        return 0;
    }
    switch (link->state) {
    case FO_LINK_STOPPED:
        break;
    case FO_LINK_WAITING:
        return link->config.role == FO_PRIMARY ? link->retry_at_ms : UINT64_MAX;
    case FO_LINK_CONNECTING:
    case FO_LINK_STARTTLS:
    case FO_LINK_HANDSHAKE:
    case FO_LINK_CONNECT:
        return link->setup_deadline_ms;
    case FO_LINK_OPEN:
    case FO_LINK_UP:
        return session_deadline(link);
    case FO_LINK_CLOSING:
        return link->linger_ms;
    case FO_LINK_STATE_COUNT:
        break;
    }
    return UINT64_MAX;
}

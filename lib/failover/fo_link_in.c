/* What arrives on a link: octets to frames, their age, and which messages may come when. Messages
 * are stamped as they arrive, all others' business waits for fo_link_next. */
#include <stdio.h>
#include <string.h>

#include "failover/fo_greet.h"
#include "failover/fo_link_internal.h"

static struct span text_span(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

void fo_text_copy(struct span text, char *ret_text)
{
    size_t size = text.size < FO_TEXT_SIZE_MAX ? text.size : FO_TEXT_SIZE_MAX;

    for (size_t i = 0; i < size; i++) {
        ret_text[i] = text.data[i] < 0x20 || text.data[i] == 0x7f ? '?' : (char)text.data[i];
    }
    ret_text[size] = 0;
}

void fo_link_fault(struct fo_link *link, enum fo_down_reason reason, enum fo_status_code code,
                   const char *text, struct fo_time now)
{
    fo_link_end(
        link,
        &(struct fo_end){
            .reason = reason, .code = (uint16_t)code, .text = text_span(text), .tell = true},
        now);
}

/* RFC 8156 7.5.1, softened as facts F.3 say: a single late message is no proof of a wrong clock. */
static void skew_check(struct fo_link *link, sec_t sent_s, struct fo_time now)
{
    int32_t skew_s = (int32_t)(now.s - sent_s);
    char text[64];

    link->stats.skew_s = skew_s;
    if (skew_s <= FO_SKEW_MAX_S && skew_s >= -FO_SKEW_MAX_S) {
        link->skew_run = 0;
        return;
    }
    link->stats.skewed++;
    if (link->skew_run == 0 || link->skew_forward != (skew_s > 0)) {
        link->skew_run = 0;
        link->skew_forward = skew_s > 0;
        link->skew_since_ms = now.ms;
        link->skew_s = skew_s;
        link->skew_pending = true;
    }
    link->skew_run++;
    if (link->skew_run >= FO_SKEW_RUN_MIN && now.ms - link->skew_since_ms >= FO_SKEW_RUN_MS) {
        (void)snprintf(text, sizeof(text), "arrival minus sent-time is %+d s", (int)skew_s);
        fo_link_fault(link, FO_DOWN_SKEW, FO_STATUS_TIME_SKEW, text, now);
    }
}

static bool is_listening(const struct fo_link *link)
{
    return link->state == FO_LINK_STARTTLS || link->state == FO_LINK_CONNECT ||
           link->state == FO_LINK_OPEN || link->state == FO_LINK_UP;
}

/* Each frame that became whole at now: the partner lives, and its clock shows. */
static void frames_stamp(struct fo_link *link, struct fo_time now)
{
    struct span message;
    size_t size;

    while (is_listening(link)) {
        size = fo_frame_next((struct span){link->input + link->input_stamped,
                                           link->input_tail - link->input_stamped},
                             &message);
        if (size == 0) {
            break;
        }
        link->input_stamped += size;
        link->heard_ms = now.ms;
        if (message.size >= FO_HEADER_SIZE && message.data[0] >= FO_BNDUPD &&
            message.data[0] <= FO_CONTACT) {
            skew_check(link, wire_get_u32(message.data + FO_BASE_HEADER_SIZE), now);
        }
    }
}

size_t fo_link_input_room(const struct fo_link *link)
{
    return link->input_size - (link->input_tail - link->input_head);
}

size_t fo_link_input(struct fo_link *link, struct span bytes, struct fo_time now)
{
    size_t room = fo_link_input_room(link);
    size_t size = bytes.size < room ? bytes.size : room;

    if (!is_listening(link)) {
        return bytes.size; /* nobody waits for them any more */
    }
    if (size > link->input_size - link->input_tail) {
        memmove(link->input, link->input + link->input_head, link->input_tail - link->input_head);
        link->input_stamped -= link->input_head;
        link->input_tail -= link->input_head;
        link->input_head = 0;
    }
    if (size > 0) {
        memcpy(link->input + link->input_tail, bytes.data, size);
        link->input_tail += size;
    }
    frames_stamp(link, now);
    return size;
}

enum fo_status_code fo_connect_judge(const struct fo_link_config *config,
                                     const struct fo_connect *connect, uint32_t mclt_s,
                                     const char **ret_text)
{
    if ((connect->has & FO_HAS_VERSION) && connect->version_major != FO_VERSION_MAJOR) {
        *ret_text = "protocol version is not supported";
        return FO_STATUS_NOT_SUPPORTED;
    }
    if ((connect->has & FO_HAS_CONNECT) != FO_HAS_CONNECT) {
        *ret_text = "version, MCLT, keepalive-time, max-unacked or flags are missing";
        return FO_STATUS_UNSPEC_FAIL;
    }
    if (connect->mclt_s == 0 || (mclt_s != 0 && connect->mclt_s != mclt_s)) {
        *ret_text = "MCLT is 0 or differs";
        return FO_STATUS_CONFIGURATION_CONFLICT;
    }
    if (!(connect->flags & FO_FLAG_FIXED_PD_LENGTH) && !config->variable_pd_length) {
        *ret_text = "prefixes of varying length are not supported";
        return FO_STATUS_CONFIGURATION_CONFLICT;
    }
    if ((connect->has & FO_HAS_NAME) && !span_equal(connect->name, config->name)) {
        *ret_text = "relationship has another name";
        return FO_STATUS_CONFIGURATION_CONFLICT;
    }
    return FO_STATUS_SUCCESS;
}

void fo_peer_set(struct fo_link *link, const struct fo_connect *connect)
{
    struct fo_link_peer *peer = &link->peer;
    const struct fo_capabilities *theirs = &connect->capabilities;
    char software[FO_TEXT_SIZE_MAX + 1];

    *peer = (struct fo_link_peer){
        .version_major = connect->version_major,
        .version_minor = connect->version_minor,
        .mclt_s = connect->mclt_s,
        .keepalive_s = connect->keepalive_s ? connect->keepalive_s : FO_KEEPALIVE_DEFAULT_S,
        .max_unacked = connect->max_unacked ? connect->max_unacked : 1,
        .fixed_pd_length = (connect->flags & FO_FLAG_FIXED_PD_LENGTH) != 0,
        .capability_count = theirs->count,
    };
    memcpy(peer->capabilities, theirs->items, sizeof(peer->capabilities));
    fo_text_copy(theirs->software, software);
    (void)snprintf(peer->software, sizeof(peer->software), "%.*s", (int)sizeof(peer->software) - 1,
                   software);
    link->contact_ms = (msec_t)peer->keepalive_s * 1000 / link->config.contacts;
    link->contact_ms = link->contact_ms < 1000 ? 1000 : link->contact_ms; /* facts F.2 */
}

uint16_t fo_link_capability(const struct fo_link *link, uint16_t id)
{
    struct fo_capabilities theirs = {.count = link->peer.capability_count};

    memcpy(theirs.items, link->peer.capabilities, sizeof(theirs.items));
    return fo_capability_common(&link->config.capabilities, &theirs, id);
}

enum fo_status_code fo_link_accept(struct fo_link *link, struct fo_greet *greet, struct fo_time now)
{
    const struct fo_message *message = &greet->connect;
    int32_t skew_s = (int32_t)(greet->arrived.s - message->sent_s);
    enum fo_status_code code = FO_STATUS_SUCCESS;
    const char *text = NULL;
    struct span rest;

    if (greet->state != FO_GREET_ASKED) {
        return FO_STATUS_UNSPEC_FAIL; /* it has closed in between */
    }
    if (link->state == FO_LINK_STOPPED || link->stopping) {
        code = FO_STATUS_SHUTTING_DOWN;
        text = "relationship is stopped";
    } else if (link->config.role != FO_SECONDARY) {
        code = FO_STATUS_CONFIGURATION_CONFLICT;
        text = "this server is the primary";
    } else if (skew_s > FO_SKEW_MAX_S || skew_s < -FO_SKEW_MAX_S) {
        code = FO_STATUS_TIME_SKEW;
        text = "clocks are more than 5 s apart";
    } else {
        code = fo_connect_judge(&link->config, &message->connect, 0, &text);
    }
    if (code != FO_STATUS_SUCCESS) {
        fo_greet_refuse(greet, code, text, now);
        return code;
    }
    fo_link_end(link,
                &(struct fo_end){.reason = FO_DOWN_REPLACED,
                                 .text = text_span("partner has connected again")},
                now);
    link->control.head = link->control.tail = link->control.partial = 0;
    link->updates.head = link->updates.tail = link->updates.partial = 0;
    link->connection++;
    link->stats.attempts++;
    link->stats.received[FO_CONNECT]++;
    link->state = FO_LINK_OPEN;
    fo_peer_set(link, &message->connect);
    fo_link_connect_send(link, FO_CONNECTREPLY, message->xid, now);
    fo_link_open(link, now);
    greet->state = FO_GREET_TAKEN;
    rest = (struct span){greet->input + greet->input_head, greet->input_tail - greet->input_head};
    (void)fo_link_input(link, rest, now);
    return FO_STATUS_SUCCESS;
}

/* STARTTLS state: the partner's REPLY. */
static void reply_take(struct fo_link *link, const struct fo_message *message, struct fo_time now)
{
    if (message->type != FO_REPLY || message->xid != link->connect_xid) {
        fo_link_fault(link, FO_DOWN_PROTOCOL, FO_STATUS_UNSPEC_FAIL, "expected REPLY to STARTTLS",
                      now);
    } else if (message->status.present && message->status.code != FO_STATUS_SUCCESS) {
        fo_link_end(link,
                    &(struct fo_end){.reason = FO_DOWN_TLS_REFUSED,
                                     .code = message->status.code,
                                     .text = message->status.text},
                    now);
    } else if (link->input_head != link->input_tail) {
        /* What follows in clear would be taken for the partner's word inside TLS. */
        fo_link_fault(link, FO_DOWN_PROTOCOL, FO_STATUS_UNSPEC_FAIL, "octets before TLS", now);
    } else {
        link->state = FO_LINK_HANDSHAKE;
        link->tls_pending = true;
    }
}

/* CONNECT state: the secondary's verdict (RFC 8156 6.1.3). */
static void connect_reply_take(struct fo_link *link, const struct fo_message *message,
                               struct fo_time now)
{
    enum fo_status_code code;
    const char *text = NULL;

    if (message->type != FO_CONNECTREPLY || message->xid != link->connect_xid) {
        fo_link_fault(link, FO_DOWN_PROTOCOL, FO_STATUS_UNSPEC_FAIL, "expected CONNECTREPLY", now);
        return;
    }
    if (message->status.present && message->status.code != FO_STATUS_SUCCESS) {
        fo_link_end(link,
                    &(struct fo_end){.reason = FO_DOWN_REJECTED,
                                     .code = message->status.code,
                                     .text = message->status.text},
                    now);
        return;
    }
    code = fo_connect_judge(&link->config, &message->connect, link->config.mclt_s, &text);
    if (code != FO_STATUS_SUCCESS) {
        fo_link_fault(link, FO_DOWN_UNACCEPTABLE, code, text, now);
        return;
    }
    fo_peer_set(link, &message->connect);
    fo_link_open(link, now);
}

static bool state_is_complete(const struct fo_state *state)
{
    return state->state != 0 && state->state < FO_SERVER_STATE_COUNT && state->has_flags &&
           state->has_start;
}

/* True when it answers the outstanding request, which is then none any more. */
static bool answers(const struct fo_message *message, struct fo_unacked *request,
                    uint64_t *ret_cookie)
{
    if (request->xid == 0 || request->xid != message->xid) {
        return false;
    }
    *ret_cookie = request->cookie;
    request->xid = 0;
    return true;
}

static bool update_reply_take(struct fo_link *link, const struct fo_message *message,
                              uint64_t *ret_cookie)
{
    if (!answers(message, &link->slots[message->xid & (FO_XID_SLOTS - 1)], ret_cookie)) {
        return false;
    }
    link->unacked--;
    return true;
}

/* False after the connection was ended: more updates than we said we take. */
static bool update_take(struct fo_link *link, struct fo_time now)
{
    if (link->unanswered >= link->config.max_unacked) {
        fo_link_fault(link, FO_DOWN_WINDOW, FO_STATUS_UNSPEC_FAIL,
                      "more BNDUPD unanswered than max-unacked", now);
        return false;
    }
    link->unanswered++;
    return true;
}

/* UP: true when the message is for the layer above. */
static bool message_take(struct fo_link *link, const struct fo_message *message,
                         uint64_t *ret_cookie, struct fo_time now)
{
    bool taken = false;

    switch (message->type) {
    case FO_STATE:
        taken = true;
        break;
    case FO_BNDUPD:
        return update_take(link, now);
    case FO_BNDREPLY:
        taken = update_reply_take(link, message, ret_cookie);
        break;
    case FO_POOLREQ:
        taken = link->config.role == FO_PRIMARY;
        break;
    case FO_POOLRESP:
        taken = answers(message, &link->pool_request, ret_cookie);
        break;
    case FO_UPDREQ:
    case FO_UPDREQALL:
        taken = true;
        break;
    case FO_UPDDONE:
        taken = answers(message, &link->update_request, ret_cookie);
        break;
    case FO_REPLY:
    case FO_STARTTLS:
    case FO_CONNECT:
    case FO_CONNECTREPLY:
        fo_link_fault(link, FO_DOWN_PROTOCOL, FO_STATUS_UNSPEC_FAIL, "connected already", now);
        return false;
    case FO_DISCONNECT:
    case FO_CONTACT:
        return false; /* seen to before */
    }
    link->stats.ignored += !taken;
    return taken;
}

/* OPEN or UP, neither CONTACT nor DISCONNECT. */
static bool session_take(struct fo_link *link, const struct fo_message *message,
                         struct fo_link_event *event, struct fo_time now)
{
    if (message->type == FO_STATE && !state_is_complete(&message->state)) {
        fo_link_fault(link, FO_DOWN_PROTOCOL, FO_STATUS_UNSPEC_FAIL, "STATE is incomplete", now);
        return false;
    }
    event->type = FO_EVENT_MESSAGE;
    if (link->state == FO_LINK_UP) {
        return message_take(link, message, &event->cookie, now);
    }
    if (message->type != FO_STATE) { /* facts F.29 */
        fo_link_fault(link, FO_DOWN_PROTOCOL, FO_STATUS_UNSPEC_FAIL, "expected STATE first", now);
        return false;
    }
    link->state = FO_LINK_UP;
    link->failures = link->refusals = 0;
    event->type = FO_EVENT_UP;
    return true;
}

static bool parsed_take(struct fo_link *link, const struct fo_message *message,
                        struct fo_link_event *event, struct fo_time now)
{
    link->stats.received[message->type]++;
    if (link->state == FO_LINK_STARTTLS) {
        reply_take(link, message, now);
        return false;
    }
    if (message->type == FO_CONTACT) {
        return false;
    }
    if (message->type == FO_DISCONNECT) {
        fo_link_end(link,
                    &(struct fo_end){.reason = FO_DOWN_DISCONNECTED,
                                     .code = message->status.code,
                                     .text = message->status.text},
                    now);
        return false;
    }
    if (link->state == FO_LINK_CONNECT) {
        connect_reply_take(link, message, now);
        return false;
    }
    return session_take(link, message, event, now);
}

/* What happened to the connection, oldest first. */
static bool change_take(struct fo_link *link, struct fo_link_event *event)
{
    if (link->down_pending) {
        *event = link->down;
        link->down_pending = false;
    } else if (link->opened_pending) {
        event->type = FO_EVENT_OPENED;
        link->opened_pending = false;
    } else if (link->skew_pending) {
        event->type = FO_EVENT_SKEW;
        event->skew_s = link->skew_s;
        link->skew_pending = false;
    } else {
        return false;
    }
    return true;
}

bool fo_link_next(struct fo_link *link, struct fo_time now, struct fo_link_event *ret_event)
{
    struct span bytes;
    size_t size;
    int err;

    for (;;) {
        *ret_event = (struct fo_link_event){.connection = link->connection};
        if (change_take(link, ret_event)) {
            return true;
        }
        if (!is_listening(link) || link->input_head == link->input_stamped) {
            return false;
        }
        size = fo_frame_next(
            (struct span){link->input + link->input_head, link->input_stamped - link->input_head},
            &bytes);
        T6_ASSERT(size > 0);
        link->input_head += size;
        err = fo_wire_parse(bytes, &ret_event->message);
        if (err == -ENOMSG && link->state >= FO_LINK_OPEN) {
            link->stats.ignored++; /* of a later release, perhaps */
        } else if (err) {
            fo_link_fault(link, FO_DOWN_MALFORMED, FO_STATUS_UNSPEC_FAIL, "malformed message", now);
        } else if (parsed_take(link, &ret_event->message, ret_event, now)) {
            return true;
        }
    }
}

/* The first messages of an incoming connection, read from a small buffer of its own. */
#include "failover/fo_greet.h"

#include "failover/fo_link_internal.h"

void fo_greet_init(struct fo_greet *greet, bool secure, struct fo_time now)
{
    greet->secure = secure;
    greet->state = FO_GREET_PLAIN;
    greet->action_pending = false;
    greet->reason = FO_DOWN_NONE;
    greet->code = 0;
    greet->text[0] = 0;
    greet->deadline_ms = now.ms + FO_GREET_MS;
    greet->input_head = greet->input_tail = 0;
    greet->output_head = greet->output_tail = 0;
}

static void greet_close(struct fo_greet *greet, enum fo_down_reason reason, uint16_t code,
                        const char *text, struct fo_time now)
{
    greet->state = FO_GREET_CLOSING;
    greet->reason = reason;
    greet->code = code;
    greet->action_pending = true;
    fo_text_copy((struct span){(const uint8_t *)text, strlen(text)}, greet->text);
    greet->deadline_ms = now.ms + FO_LINGER_MS;
}

static void greet_send_status(struct fo_greet *greet, enum fo_message_type type, uint32_t xid,
                              enum fo_status_code code, const char *text)
{
    greet->output_head = 0;
    greet->output_tail =
        fo_encode_status(type, xid, code, text, greet->output, sizeof(greet->output));
}

void fo_greet_refuse(struct fo_greet *greet, enum fo_status_code code, const char *text,
                     struct fo_time now)
{
    T6_ASSERT(code != FO_STATUS_SUCCESS);
    if (greet->state != FO_GREET_ASKED) {
        return;
    }
    greet_send_status(greet, FO_CONNECTREPLY, greet->connect.xid, code, text);
    greet_close(greet, FO_DOWN_UNACCEPTABLE, (uint16_t)code, text, now);
}

static void starttls_take(struct fo_greet *greet, uint32_t xid, struct fo_time now)
{
    if (greet->state != FO_GREET_PLAIN) {
        greet_close(greet, FO_DOWN_PROTOCOL, 0, "STARTTLS inside TLS", now);
    } else if (!greet->secure) {
        greet_send_status(greet, FO_REPLY, xid, FO_STATUS_TLS_REFUSED, NULL);
        greet_close(greet, FO_DOWN_TLS_REFUSED, FO_STATUS_TLS_REFUSED, "TLS is not configured",
                    now);
    } else if (greet->input_head != greet->input_tail) {
        /* What follows in clear would be taken for the partner's word inside TLS. */
        greet_close(greet, FO_DOWN_PROTOCOL, 0, "octets before TLS", now);
    } else {
        greet_send_status(greet, FO_REPLY, xid, FO_STATUS_SUCCESS, NULL);
        greet->state = FO_GREET_HANDSHAKE;
        greet->action_pending = true;
    }
}

static void message_take(struct fo_greet *greet, const struct fo_message *message,
                         struct fo_time now)
{
    if (message->type == FO_STARTTLS) {
        starttls_take(greet, message->xid, now);
    } else if (message->type != FO_CONNECT) {
        greet_close(greet, FO_DOWN_PROTOCOL, 0, "expected STARTTLS or CONNECT", now);
    } else if (greet->secure && greet->state != FO_GREET_SECURED) {
        greet_close(greet, FO_DOWN_PROTOCOL, 0, "CONNECT without TLS", now); /* RFC 7653 9.1 */
    } else {
        greet->connect = *message;
        greet->arrived = now;
        greet->state = FO_GREET_ASKED;
        greet->action_pending = true;
    }
}

static bool is_listening(const struct fo_greet *greet)
{
    return greet->state == FO_GREET_PLAIN || greet->state == FO_GREET_SECURED;
}

void fo_greet_input(struct fo_greet *greet, struct span bytes, struct fo_time now)
{
    struct fo_message message;
    struct span frame;
    size_t size;

    if (!is_listening(greet) && greet->state != FO_GREET_ASKED) {
        return;
    }
    if (bytes.size > sizeof(greet->input) - greet->input_tail) {
        greet_close(greet, FO_DOWN_MALFORMED, 0, "more than a CONNECT", now);
        return;
    }
    if (bytes.size > 0) {
        memcpy(greet->input + greet->input_tail, bytes.data, bytes.size);
        greet->input_tail += bytes.size;
    }
    while (is_listening(greet)) {
        size = fo_frame_next(
            (struct span){greet->input + greet->input_head, greet->input_tail - greet->input_head},
            &frame);
        if (size == 0) {
            return;
        }
        greet->input_head += size;
        if (fo_wire_parse(frame, &message) != 0) {
            greet_close(greet, FO_DOWN_MALFORMED, 0, "malformed message", now);
        } else if (message.type != FO_CONTACT) {
            message_take(greet, &message, now);
        }
    }
}

void fo_greet_secured(struct fo_greet *greet, struct fo_time now)
{
    if (greet->state == FO_GREET_HANDSHAKE) {
        greet->state = FO_GREET_SECURED;
        greet->deadline_ms = now.ms + FO_GREET_MS;
    }
}

static bool output_pending(const struct fo_greet *greet)
{
    return greet->output_head < greet->output_tail;
}

enum fo_action fo_greet_run(struct fo_greet *greet, struct fo_time now)
{
    static const enum fo_action actions[] = {
        [FO_GREET_HANDSHAKE] = FO_ACTION_TLS,
        [FO_GREET_ASKED] = FO_ACTION_OPEN,
        [FO_GREET_CLOSING] = FO_ACTION_CLOSE,
        [FO_GREET_TAKEN] = FO_ACTION_NONE,
    };

    bool late = now.ms >= greet->deadline_ms;

    if (late && greet->state != FO_GREET_CLOSING && greet->state != FO_GREET_TAKEN) {
        greet_close(greet, FO_DOWN_SETUP_TIMEOUT, 0, "no CONNECT in time", now);
        greet->output_head = greet->output_tail;
    }
    if (!greet->action_pending || (output_pending(greet) && !late)) {
        return FO_ACTION_NONE;
    }
    greet->action_pending = false;
    return actions[greet->state];
}

msec_t fo_greet_deadline(const struct fo_greet *greet)
{
    return greet->state == FO_GREET_TAKEN ? UINT64_MAX : greet->deadline_ms;
}

struct span fo_greet_output(struct fo_greet *greet, struct fo_time now)
{
    if (output_pending(greet) && greet->output_head == 0) {
        fo_frame_stamp(greet->output, now.s);
    }
    return (struct span){greet->output + greet->output_head,
                         greet->output_tail - greet->output_head};
}

void fo_greet_output_done(struct fo_greet *greet, size_t size)
{
    T6_ASSERT(size <= greet->output_tail - greet->output_head);
    greet->output_head += size;
}

/* Drives one fo_link, with the partner, the socket and the layer above played by the transcript.
 *
 *     link primary|secondary [secure] [keepalive=] [mclt=] [unacked=] [name=] [flags=] [variable]
 *         [software]                  makes the link and starts it
 *     connected | secured | closed [connect-failed|tls-failed]        what became of the socket
 *     accept [secure]                 a connection comes in: what is read goes to its greeting
 *     in MESSAGE [xid=] [skew=] [count=] [status=] [text=] [state=] ...   from the partner,
 *         skew seconds ago; xid=last: that of the last message the link wrote
 *     octets HEX                      the same, raw
 *     send MESSAGE [count=] [cookie=] ..., answer MESSAGE [xid=] [connection=]   from above
 *     disconnect STATUS TEXT, stop, start
 *     hold, release                   the socket takes no octets; takes them
 *     show                            state and counters
 *
 * Said: "> MESSAGE ..." what the link or greeting wrote, "action ...", "greeting ...",
 * "event ..." what fo_link_next told, "accept STATUS" of fo_link_accept. */
#include <stdio.h>
#include <stdlib.h>

#include "failover/fo_binding.h"
#include "failover/fo_greet.h"
#include "runner.h"

enum {
    FRAME_SIZE = 4096,
    MESSAGES_MAX = 10000,
};

struct subject {
    struct fo_link link;
    bool has_link, has_greet, held;
    struct fo_greet greet;
    uint32_t xid; /* of the last request the link wrote */
    char name[64];
};

static struct subject the_subject;

static const struct {
    const char *name;
    uint16_t code;
} codes[] = {{"unspec", 1},   {"version", 14},  {"tls", 15}, {"conflict", 17},
             {"missing", 18}, {"shutdown", 20}, {"skew", 22}};

static struct fo_time now_of(const struct scenario *scenario)
{
    return (struct fo_time){scenario->ms, scenario->s};
}

static void begin(struct scenario *scenario)
{
    the_subject.has_link = the_subject.has_greet = the_subject.held = false;
    scenario->subject = &the_subject;
}

static void end(struct scenario *scenario)
{
    struct subject *subject = scenario->subject;

    if (subject->has_link) {
        fo_link_done(&subject->link);
    }
}

static bool has_word(unsigned count, char *const *words, const char *word)
{
    for (unsigned i = 1; i < count; i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static struct span text_span(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* ---- what the link says ---- */

static void connect_print(const struct fo_connect *connect, char *line, size_t size)
{
    (void)snprintf(line, size, " v%u.%u mclt=%u keepalive=%u unacked=%u flags=%u name=%.*s%s%.*s",
                   connect->version_major, connect->version_minor, connect->mclt_s,
                   connect->keepalive_s, connect->max_unacked, connect->flags,
                   (int)connect->name.size, (const char *)connect->name.data,
                   connect->capabilities.software.size ? " software=" : "",
                   (int)connect->capabilities.software.size,
                   (const char *)connect->capabilities.software.data);
}

static void message_print(const struct fo_message *message, char *line, size_t size)
{
    line[0] = 0;
    if (message->status.present) {
        (void)snprintf(line, size, " %s \"%.*s\"", fo_status_name(message->status.code),
                       (int)message->status.text.size, (const char *)message->status.text.data);
    } else if (message->type == FO_CONNECT || message->type == FO_CONNECTREPLY) {
        connect_print(&message->connect, line, size);
    } else if (message->type == FO_STATE) {
        (void)snprintf(line, size, " %s%s%s%s", fo_state_name(message->state.state),
                       message->state.flags & FO_FLAG_COMMUNICATED ? " C" : "",
                       message->state.flags & FO_FLAG_STARTUP ? " S" : "",
                       message->state.flags & FO_FLAG_ACK_STARTUP ? " A" : "");
    }
}

static void output_say(struct scenario *scenario, struct span bytes)
{
    struct subject *subject = scenario->subject;
    struct fo_message message;
    struct span frame;
    char line[600];
    size_t size;

    while (bytes.size > 0) {
        size = fo_frame_next(bytes, &frame);
        if (size == 0 || fo_wire_parse(frame, &message) != 0) {
            scenario_say(scenario, "> %zu octets that are no message", bytes.size);
            return;
        }
        message_print(&message, line, sizeof(line));
        if (message.sent_s != 0 && message.sent_s != scenario->s) {
            scenario_say(scenario, "> with a wrong sent-time:");
        }
        subject->xid = message.xid;
        scenario_say(scenario, "> %s xid=%u%s", fo_message_name(message.type), message.xid, line);
        bytes.data += size;
        bytes.size -= size;
    }
}

static void event_say(struct scenario *scenario, const struct fo_link_event *event)
{
    const struct subject *subject = scenario->subject;
    const struct fo_link_peer *peer = &subject->link.peer;
    char line[600];

    switch (event->type) {
    case FO_EVENT_OPENED:
        scenario_say(scenario, "event opened mclt=%u keepalive=%u unacked=%u fixed=%u%s%s",
                     peer->mclt_s, peer->keepalive_s, peer->max_unacked, peer->fixed_pd_length,
                     peer->software[0] ? " software=" : "", peer->software);
        break;
    case FO_EVENT_UP:
    case FO_EVENT_MESSAGE:
        message_print(&event->message, line, sizeof(line));
        scenario_say(scenario, "event %s%s xid=%u%s", event->type == FO_EVENT_UP ? "up " : "",
                     fo_message_name(event->message.type), event->message.xid, line);
        if (event->cookie) {
            scenario_say(scenario, "event cookie %llu", (unsigned long long)event->cookie);
        }
        break;
    case FO_EVENT_SKEW:
        scenario_say(scenario, "event skew %+d", event->skew_s);
        break;
    case FO_EVENT_DOWN:
        scenario_say(scenario, "event down %s%s %s \"%s\"", fo_down_reason_name(event->reason),
                     event->was_up ? " was-up" : "",
                     event->code ? fo_status_name(event->code) : "-", event->text);
        break;
    }
}

static const char *action_name(enum fo_action action)
{
    static const char *const names[] = {[FO_ACTION_NONE] = "none",
                                        [FO_ACTION_CONNECT] = "connect",
                                        [FO_ACTION_TLS] = "tls",
                                        [FO_ACTION_CLOSE] = "close",
                                        [FO_ACTION_OPEN] = "open"};
    return names[action];
}

static void greet_accept(struct scenario *scenario)
{
    struct subject *subject = scenario->subject;
    enum fo_status_code code = fo_link_accept(&subject->link, &subject->greet, now_of(scenario));

    scenario_say(scenario, "accept %s", fo_status_name(code));
    subject->has_greet = subject->greet.state != FO_GREET_TAKEN;
}

static void greet_run(struct scenario *scenario)
{
    struct subject *subject = scenario->subject;
    struct fo_greet *greet = &subject->greet;
    enum fo_action action;
    struct span bytes;

    for (unsigned i = 0; subject->has_greet && i < 4; i++) {
        bytes = fo_greet_output(greet, now_of(scenario));
        if (!subject->held) {
            output_say(scenario, bytes);
            fo_greet_output_done(greet, bytes.size);
        }
        action = fo_greet_run(greet, now_of(scenario));
        if (action == FO_ACTION_OPEN) {
            greet_accept(scenario);
        } else if (action == FO_ACTION_CLOSE) {
            scenario_say(scenario, "greeting close %s \"%s\"", fo_down_reason_name(greet->reason),
                         greet->text);
            subject->has_greet = false;
        } else if (action != FO_ACTION_NONE) {
            scenario_say(scenario, "greeting %s", action_name(action));
        }
    }
}

static void run(struct scenario *scenario)
{
    struct subject *subject = scenario->subject;
    struct fo_link *link = &subject->link;
    struct fo_link_event event;
    enum fo_action action;
    struct span bytes;

    if (!subject->has_link) {
        return;
    }
    greet_run(scenario);
    for (unsigned i = 0; i < 8; i++) {
        while (fo_link_next(link, now_of(scenario), &event)) {
            event_say(scenario, &event);
        }
        bytes = fo_link_output(link, now_of(scenario));
        if (!subject->held) {
            output_say(scenario, bytes);
            fo_link_output_done(link, bytes.size, now_of(scenario));
        }
        action = fo_link_run(link, now_of(scenario));
        if (action != FO_ACTION_NONE) {
            scenario_say(scenario, "action %s", action_name(action));
        }
    }
}

static msec_t deadline(const struct scenario *scenario)
{
    const struct subject *subject = scenario->subject;
    msec_t link_ms = subject->has_link ? fo_link_deadline(&subject->link) : UINT64_MAX;
    msec_t greet_ms = subject->has_greet ? fo_greet_deadline(&subject->greet) : UINT64_MAX;

    return link_ms < greet_ms ? link_ms : greet_ms;
}

/* ---- commands ---- */

static bool command_link(struct scenario *scenario, unsigned count, char *const *words)
{
    struct subject *subject = scenario->subject;
    const char *name = scenario_value(count, words, "name");
    struct fo_link_config config = {
        .role = has_word(count, words, "primary") ? FO_PRIMARY : FO_SECONDARY,
        .secure = has_word(count, words, "secure"),
        .mclt_s = (uint32_t)scenario_number(count, words, "mclt", 3600),
        .keepalive_s = (uint32_t)scenario_number(count, words, "keepalive", 0),
        .max_unacked = (uint32_t)scenario_number(count, words, "unacked", 100),
        .fixed_pd_length = scenario_number(count, words, "flags", 1) != 0,
        .variable_pd_length = has_word(count, words, "variable"),
    };

    (void)snprintf(subject->name, sizeof(subject->name), "%s", name ? name : "isp1");
    config.name = text_span(subject->name);
    if (has_word(count, words, "software")) {
        config.capabilities =
            (struct fo_capabilities){text_span("tandem6 0.1.0"), {{1, 1}, {2, 3}}, 2};
    }
    if (fo_link_init(&subject->link, &config) != 0) {
        return false;
    }
    subject->has_link = true;
    fo_link_start(&subject->link, now_of(scenario));
    return true;
}

static uint16_t code_of(const char *name)
{
    for (size_t i = 0; name && i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(codes[i].name, name) == 0) {
            return codes[i].code;
        }
    }
    return 0;
}

static unsigned type_of(const char *name)
{
    for (unsigned type = 0; type <= FO_CONTACT; type++) {
        if (fo_type_known(type) && strcmp(fo_message_name(type), name) == 0) {
            return type;
        }
    }
    return 0;
}

static uint8_t state_of(const char *name)
{
    for (unsigned state = 0; name && state < FO_SERVER_STATE_COUNT; state++) {
        if (strcmp(fo_state_name(state), name) == 0) {
            return (uint8_t)state;
        }
    }
    return name ? 0 : FO_NORMAL;
}

static size_t connect_frame(unsigned type, uint32_t xid, unsigned count, char *const *words,
                            uint8_t *buf)
{
    const char *name = scenario_value(count, words, "name");
    struct fo_connect connect = {
        .has = FO_HAS_CONNECT & ~(unsigned)scenario_number(count, words, "without", 0),
        .version_major = (uint16_t)scenario_number(count, words, "version", 1),
        .version_minor = (uint16_t)scenario_number(count, words, "minor", 0),
        .mclt_s = (uint32_t)scenario_number(count, words, "mclt", 3600),
        .keepalive_s = (uint32_t)scenario_number(count, words, "keepalive", 60),
        .max_unacked = (uint32_t)scenario_number(count, words, "unacked", 100),
        .flags = (uint16_t)scenario_number(count, words, "flags", 1),
    };

    if (name) {
        connect.name = text_span(name);
        connect.has |= FO_HAS_NAME;
    }
    if (has_word(count, words, "software")) {
        connect.capabilities =
            (struct fo_capabilities){text_span("tandem6 0.2.0"), {{2, 1}, {9, 9}}, 2};
    }
    return fo_encode_connect((enum fo_message_type)type, xid, &connect, buf, FRAME_SIZE);
}

static size_t update_frame(uint8_t *buf)
{
    struct lease lease = {
        .resource = {{UINT64_C(0x20010db840000000), 0}, 44, LEASE_TYPE_PD},
        .status = BINDING_FREE_BACKUP,
        .times = {.start_s = SCENARIO_START_S},
    };

    return fo_encode_bndupd(&lease, 1, SCENARIO_START_S, buf, FRAME_SIZE);
}

static size_t frame_make(unsigned count, char *const *words, uint32_t xid, uint8_t *buf)
{
    unsigned type = type_of(words[1]);
    uint16_t code = code_of(scenario_value(count, words, "status"));
    struct fo_state state = {
        .state = state_of(scenario_value(count, words, "state")),
        .flags = (uint8_t)scenario_number(count, words, "flags", FO_FLAG_COMMUNICATED),
        .start_s = SCENARIO_START_S,
    };
    size_t size;

    if (!fo_type_known(type)) {
        return 0;
    }
    if (code || type == FO_REPLY || type == FO_DISCONNECT) {
        return fo_encode_status((enum fo_message_type)type, xid, code,
                                scenario_value(count, words, "text"), buf, FRAME_SIZE);
    }
    if (type == FO_CONNECT || type == FO_CONNECTREPLY) {
        return connect_frame(type, xid, count, words, buf);
    }
    if (type == FO_STATE) {
        return fo_encode_state(xid, &state, buf, FRAME_SIZE);
    }
    if (type == FO_BNDUPD) {
        size = update_frame(buf);
        fo_frame_xid_set(buf, xid);
        return size;
    }
    return fo_encode_bare((enum fo_message_type)type, xid, buf, FRAME_SIZE);
}

static void input(struct scenario *scenario, struct span bytes)
{
    struct subject *subject = scenario->subject;

    if (subject->has_greet) {
        fo_greet_input(&subject->greet, bytes, now_of(scenario));
    } else if (fo_link_input(&subject->link, bytes, now_of(scenario)) != bytes.size) {
        scenario_say(scenario, "input full");
    }
}

static bool command_in(struct scenario *scenario, unsigned count, char *const *words)
{
    const struct subject *subject = scenario->subject;
    const char *xid_word = count > 1 ? scenario_value(count, words, "xid") : NULL;
    uint64_t messages = scenario_number(count, words, "count", 1);
    uint32_t skew_s = (uint32_t)scenario_number(count, words, "skew", 0);
    uint8_t buf[FRAME_SIZE];
    uint32_t xid;
    size_t size;

    xid = xid_word && strcmp(xid_word, "last") == 0
              ? subject->xid
              : (uint32_t)scenario_number(count, words, "xid", 77);
    for (uint64_t i = 0; i < messages && i < MESSAGES_MAX; i++) {
        size = count > 1 ? frame_make(count, words, xid + (uint32_t)i, buf) : 0;
        if (size == 0) {
            return false;
        }
        fo_frame_stamp(buf, scenario->s - skew_s);
        input(scenario, (struct span){buf, size});
    }
    return true;
}

static bool command_octets(struct scenario *scenario, unsigned count, char *const *words)
{
    uint8_t buf[FRAME_SIZE];
    size_t size = 0;

    for (unsigned i = 1; i < count; i++) {
        for (const char *at = words[i]; at[0] && at[1] && size < sizeof(buf); at += 2) {
            char digits[3] = {at[0], at[1], 0};

            buf[size++] = (uint8_t)strtoul(digits, NULL, 16);
        }
    }
    input(scenario, (struct span){buf, size});
    return true;
}

static void result_say(struct scenario *scenario, int err)
{
    if (err) {
        scenario_say(scenario, "error %s",
                     err == -EAGAIN     ? "EAGAIN"
                     : err == -ENOTCONN ? "ENOTCONN"
                     : err == -ESTALE   ? "ESTALE"
                                        : "?");
    }
}

static bool command_send(struct scenario *scenario, unsigned count, char *const *words)
{
    struct subject *subject = scenario->subject;
    uint64_t messages = scenario_number(count, words, "count", 1);
    uint64_t cookie = scenario_number(count, words, "cookie", 0);
    uint8_t buf[FRAME_SIZE];
    size_t size = count > 1 ? frame_make(count, words, 0, buf) : 0;

    for (uint64_t i = 0; size > 0 && i < messages && i < MESSAGES_MAX; i++) {
        int err = fo_link_send(&subject->link, (struct span){buf, size}, cookie ? cookie + i : 0,
                               now_of(scenario));

        result_say(scenario, err);
        if (err) {
            break;
        }
    }
    return size > 0;
}

static bool command_answer(struct scenario *scenario, unsigned count, char *const *words)
{
    struct subject *subject = scenario->subject;
    uint8_t buf[FRAME_SIZE];
    size_t size = count > 1 ? frame_make(count, words,
                                         (uint32_t)scenario_number(count, words, "xid", 77), buf)
                            : 0;
    uint32_t connection =
        (uint32_t)scenario_number(count, words, "connection", subject->link.connection);

    if (size > 0) {
        result_say(scenario, fo_link_answer(&subject->link, connection, (struct span){buf, size},
                                            now_of(scenario)));
    }
    return size > 0;
}

static bool command_accept(struct scenario *scenario, unsigned count, char *const *words)
{
    struct subject *subject = scenario->subject;

    fo_greet_init(&subject->greet, has_word(count, words, "secure"), now_of(scenario));
    subject->has_greet = true;
    return true;
}

static bool command_socket(struct scenario *scenario, unsigned count, char *const *words)
{
    struct subject *subject = scenario->subject;
    struct fo_link *link = &subject->link;
    struct fo_time now = now_of(scenario);

    if (strcmp(words[0], "connected") == 0) {
        fo_link_connected(link, now);
    } else if (strcmp(words[0], "secured") == 0 && subject->has_greet) {
        fo_greet_secured(&subject->greet, now);
    } else if (strcmp(words[0], "secured") == 0) {
        fo_link_secured(link, now);
    } else if (strcmp(words[0], "closed") == 0) {
        fo_link_closed(link,
                       has_word(count, words, "connect-failed") ? FO_DOWN_CONNECT_FAILED
                       : has_word(count, words, "tls-failed")   ? FO_DOWN_TLS_FAILED
                                                                : FO_DOWN_CLOSED,
                       NULL, now);
    } else {
        return false;
    }
    return true;
}

static bool command_show(struct scenario *scenario)
{
    const struct subject *subject = scenario->subject;
    const struct fo_link *link = &subject->link;

    scenario_say(scenario, "state %s unacked=%u unanswered=%u room=%u ignored=%llu skewed=%llu",
                 fo_link_state_name(link->state), link->unacked, link->unanswered,
                 fo_link_update_room(link, 100), (unsigned long long)link->stats.ignored,
                 (unsigned long long)link->stats.skewed);
    scenario_say(scenario, "capabilities 1:%u 2:%u 9:%u", fo_link_capability(link, 1),
                 fo_link_capability(link, 2), fo_link_capability(link, 9));
    return true;
}

static bool command(struct scenario *scenario, unsigned count, char *const *words)
{
    struct subject *subject = scenario->subject;
    const char *verb = words[0];

    if (strcmp(verb, "link") == 0) {
        return command_link(scenario, count, words);
    }
    if (!subject->has_link) {
        return false;
    }
    if (strcmp(verb, "in") == 0) {
        return command_in(scenario, count, words);
    }
    if (strcmp(verb, "octets") == 0) {
        return command_octets(scenario, count, words);
    }
    if (strcmp(verb, "send") == 0) {
        return command_send(scenario, count, words);
    }
    if (strcmp(verb, "answer") == 0) {
        return command_answer(scenario, count, words);
    }
    if (strcmp(verb, "accept") == 0) {
        return command_accept(scenario, count, words);
    }
    if (strcmp(verb, "show") == 0) {
        return command_show(scenario);
    }
    if (strcmp(verb, "hold") == 0 || strcmp(verb, "release") == 0) {
        subject->held = verb[0] == 'h';
        return true;
    }
    if (strcmp(verb, "stop") == 0) {
        fo_link_stop(&subject->link, now_of(scenario));
        return true;
    }
    if (strcmp(verb, "start") == 0) {
        fo_link_start(&subject->link, now_of(scenario));
        return true;
    }
    if (strcmp(verb, "disconnect") == 0 && count == 3) {
        fo_link_disconnect(&subject->link, code_of(words[1]), words[2], now_of(scenario));
        return true;
    }
    return command_socket(scenario, count, words);
}

int main(int argc, char **argv)
{
    static const struct scenario_driver driver = {begin, end, command, run, deadline};

    return scenario_main(argc, argv, &driver);
}

/* A link, or a greeting and a link, under any sequence of socket events, octets, waits and wishes
 * of the layer above. Two octets per step choose what happens; `input` steps take the octets that
 * follow, as they are or as one frame. Whatever comes, the link keeps its promises: events in
 * order, whole frames out, bounded windows, an end to everything. */
#include <stdlib.h>

#include "failover/fo_binding.h"
#include "failover/fo_greet.h"

enum {
    ACTIONS_MAX = 8,
    EVENTS_MAX = 4096,
};

struct play {
    struct fo_link link;
    struct fo_greet greet;
    bool has_greet;
    struct fo_time now;
    uint32_t updates[FO_UNACKED_MAX]; /* of the partner's, still to be answered */
    unsigned update_count;
    uint32_t connection;
    bool opened, up;       /* as the events told */
    size_t frame_left;     /* of the frame whose octets are being written */
    uint8_t frame_head[2]; /* its count, as far as seen */
    unsigned head_seen;
};

/* Octets written are whole frames in a row. */
static void output_follow(struct play *play, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (play->frame_left > 0) {
            play->frame_left--;
            continue;
        }
        play->frame_head[play->head_seen++] = bytes[i];
        if (play->head_seen == 2) {
            play->frame_left = wire_get_u16(play->frame_head);
            play->head_seen = 0;
            T6_ASSERT(play->frame_left >= FO_BASE_HEADER_SIZE);
        }
    }
}

static void event_check(struct play *play, const struct fo_link_event *event)
{
    switch (event->type) {
    case FO_EVENT_OPENED:
        T6_ASSERT(!play->opened);
        play->opened = true;
        play->connection = event->connection;
        play->update_count = 0;
        break;
    case FO_EVENT_UP:
        T6_ASSERT(play->opened && !play->up && event->message.type == FO_STATE);
        play->up = true;
        break;
    case FO_EVENT_MESSAGE:
        T6_ASSERT(play->up && event->connection == play->connection);
        if (event->message.type == FO_BNDUPD) {
            T6_ASSERT(play->update_count < play->link.config.max_unacked);
            play->updates[play->update_count++] = event->message.xid;
        }
        break;
    case FO_EVENT_SKEW:
        T6_ASSERT(event->skew_s > FO_SKEW_MAX_S || event->skew_s < -FO_SKEW_MAX_S);
        break;
    case FO_EVENT_DOWN:
        T6_ASSERT(event->reason != FO_DOWN_NONE && event->was_up == play->up);
        play->opened = play->up = false;
        play->update_count = 0;
        break;
    }
}

static void settle(struct play *play)
{
    struct fo_link_event event;
    unsigned count = 0;

    while (fo_link_next(&play->link, play->now, &event)) {
        T6_ASSERT(++count < EVENTS_MAX);
        event_check(play, &event);
    }
    for (unsigned i = 0; fo_link_run(&play->link, play->now) != FO_ACTION_NONE; i++) {
        T6_ASSERT(i < ACTIONS_MAX);
    }
    while (fo_link_next(&play->link, play->now, &event)) {
        event_check(play, &event);
    }
    T6_ASSERT(play->link.unacked <= FO_UNACKED_MAX);
    T6_ASSERT(play->up == fo_link_is_up(&play->link));
}

static void greet_settle(struct play *play)
{
    enum fo_action action;
    struct span bytes;

    for (unsigned i = 0; play->has_greet && i < ACTIONS_MAX; i++) {
        bytes = fo_greet_output(&play->greet, play->now);
        fo_greet_output_done(&play->greet, bytes.size);
        action = fo_greet_run(&play->greet, play->now);
        if (action == FO_ACTION_OPEN &&
            fo_link_accept(&play->link, &play->greet, play->now) == FO_STATUS_SUCCESS) {
            play->has_greet = false;
            play->frame_left = play->head_seen = 0; /* another connection */
        } else if (action == FO_ACTION_CLOSE) {
            play->has_greet = false;
        }
    }
}

static void output_write(struct play *play, size_t part)
{
    struct span bytes = fo_link_output(&play->link, play->now);
    size_t size = part ? bytes.size * part / 256 : bytes.size;

    output_follow(play, bytes.data, size);
    fo_link_output_done(&play->link, size, play->now);
}

static void send_some(struct play *play, unsigned which)
{
    static const struct lease block = {
        .resource = {{1, 0}, 56, LEASE_TYPE_PD}, .status = 6, .times = {.start_s = 1}};
    static const struct fo_state state = {.state = FO_NORMAL};
    uint8_t buf[FO_CONTROL_SIZE_MAX];
    unsigned room = fo_link_update_room(&play->link, 64);
    size_t size;
    int err;

    if (which % 4 == 0) {
        size = fo_encode_bndupd(&block, 1, play->now.s, buf, sizeof(buf));
    } else if (which % 4 == 1) {
        size = fo_encode_state(0, &state, buf, sizeof(buf));
    } else {
        size = fo_encode_bare(which % 4 == 2 ? FO_UPDREQ : FO_POOLREQ, 0, buf, sizeof(buf));
    }
    err = fo_link_send(&play->link, (struct span){buf, size}, which, play->now);
    T6_ASSERT(which % 4 != 0 || room == 0 || err == 0);
}

static void answer_one(struct play *play)
{
    uint8_t buf[FO_CONTROL_SIZE_MAX];
    size_t size;

    if (play->update_count == 0) {
        return;
    }
    size = fo_encode_bare(FO_BNDREPLY, play->updates[--play->update_count], buf, sizeof(buf));
    if (fo_link_answer(&play->link, play->connection, (struct span){buf, size}, play->now) ==
        -EAGAIN) {
        play->update_count++;
    }
}

static void input_give(struct play *play, struct span bytes)
{
    if (play->has_greet) {
        fo_greet_input(&play->greet, bytes, play->now);
    } else {
        (void)fo_link_input(&play->link, bytes, play->now);
    }
}

/* The octets as a message that arrives in time, xid as the link's last if asked. */
static void frame_give(struct play *play, struct span bytes, bool answer)
{
    uint8_t frame[FO_FRAME_COUNT_SIZE + 256];

    wire_set_u16(frame, (uint16_t)bytes.size);
    if (bytes.size) {
        memcpy(frame + FO_FRAME_COUNT_SIZE, bytes.data, bytes.size);
    }
    if (bytes.size >= FO_HEADER_SIZE && fo_type_known(frame[FO_FRAME_COUNT_SIZE])) {
        fo_frame_stamp(frame, play->now.s);
        if (answer) {
            fo_frame_xid_set(frame, play->link.xid);
        }
    } else if (bytes.size >= FO_BASE_HEADER_SIZE && answer) {
        fo_frame_xid_set(frame, play->link.xid);
    }
    input_give(play, (struct span){frame, FO_FRAME_COUNT_SIZE + bytes.size});
}

static void socket_event(struct play *play, unsigned argument)
{
    switch (argument % 6) {
    case 0:
        if (play->link.state == FO_LINK_CONNECTING) {
            play->frame_left = play->head_seen = 0;
        }
        fo_link_connected(&play->link, play->now);
        break;
    case 1:
        fo_link_secured(&play->link, play->now);
        break;
    case 2:
        fo_link_closed(&play->link, FO_DOWN_CLOSED, "x", play->now);
        break;
    case 3:
        if (play->has_greet) {
            fo_greet_secured(&play->greet, play->now);
        }
        break;
    case 4:
        fo_link_stop(&play->link, play->now);
        break;
    default:
        fo_link_start(&play->link, play->now);
        break;
    }
}

static void step(struct play *play, unsigned what, unsigned argument, struct wire_in *in)
{
    size_t left = wire_in_left(in), size = argument < left ? argument : left;

    switch (what % 10) {
    case 0:
    case 1:
        frame_give(play, wire_in_span(in, size), what % 10);
        break;
    case 2:
        input_give(play, wire_in_span(in, size));
        break;
    case 3:
        socket_event(play, argument);
        break;
    case 4:
        play->now.ms += (msec_t)argument * 100;
        play->now.s += argument / 10;
        break;
    case 5:
        play->now.s += argument - 128u;
        break;
    case 6:
        send_some(play, argument);
        break;
    case 7:
        answer_one(play);
        break;
    case 8:
        output_write(play, argument);
        break;
    default:
        fo_greet_init(&play->greet, argument & 1, play->now);
        play->has_greet = true;
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_in in = wire_in_from((struct span){data, size});
    unsigned setting = wire_in_u8(&in);
    struct fo_link_config config = {
        .role = setting & 1 ? FO_PRIMARY : FO_SECONDARY,
        .secure = setting & 2,
        .variable_pd_length = setting & 4,
        .name = {(const uint8_t *)"isp1", 4},
        .mclt_s = 3600,
        .keepalive_s = 1 + (setting >> 4),
        .max_unacked = 3,
    };
    struct play *play = calloc(1, sizeof(*play));

    if (!play || fo_link_init(&play->link, &config) != 0) {
        free(play);
        return 0;
    }
    play->now = (struct fo_time){1000, 0x31000000};
    fo_link_start(&play->link, play->now);
    settle(play);
    while (wire_in_left(&in) >= 2) {
        unsigned what = wire_in_u8(&in);

        step(play, what, wire_in_u8(&in), &in);
        greet_settle(play);
        settle(play);
    }
    /* Whatever it was doing, it comes to rest. */
    fo_link_stop(&play->link, play->now);
    settle(play);
    play->now.ms += FO_LINGER_MS;
    settle(play);
    T6_ASSERT(play->link.state == FO_LINK_STOPPED && fo_link_deadline(&play->link) == UINT64_MAX);
    fo_link_done(&play->link);
    free(play);
    return 0;
}

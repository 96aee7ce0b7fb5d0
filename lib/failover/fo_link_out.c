/* What leaves on a link: two queues of frames, transaction-ids, the window of unanswered updates.
 * A frame that has begun to leave is finished first; then control messages go before updates. */
#include <stdlib.h>

#include "failover/fo_link_internal.h"

int fo_queue_init(struct fo_queue *queue, size_t size)
{
    *queue = (struct fo_queue){.bytes = malloc(size), .size = size};
    return queue->bytes ? 0 : -ENOMEM;
}

void fo_queue_done(struct fo_queue *queue)
{
    free(queue->bytes);
    queue->bytes = NULL;
}

static size_t queue_used(const struct fo_queue *queue)
{
    return queue->tail - queue->head;
}

/* Where the copy of the frame lies until it leaves, or NULL when there is no room. */
static uint8_t *queue_push(struct fo_queue *queue, struct span frame)
{
    uint8_t *at;

    if (frame.size > queue->size - queue_used(queue)) {
        return NULL;
    }
    if (frame.size > queue->size - queue->tail) {
        memmove(queue->bytes, queue->bytes + queue->head, queue_used(queue));
        queue->tail -= queue->head;
        queue->head = 0;
    }
    at = queue->bytes + queue->tail;
    memcpy(at, frame.data, frame.size);
    queue->tail += frame.size;
    return at;
}

static size_t frame_size(const uint8_t *frame)
{
    return FO_FRAME_COUNT_SIZE + (size_t)wire_get_u16(frame);
}

/* The rest of a frame that has begun, or whole frames of together at least limit octets if there
 * are so many, stamped with the time they leave. */
static struct span queue_offer(struct fo_queue *queue, size_t limit, sec_t now)
{
    size_t end = queue->head + queue->partial;

    while (queue->partial == 0 && end < queue->tail && end - queue->head < limit) {
        fo_frame_stamp(queue->bytes + end, now);
        end += frame_size(queue->bytes + end);
    }
    return (struct span){queue->bytes + queue->head, end - queue->head};
}

static void queue_consume(struct fo_queue *queue, size_t size)
{
    while (size > 0) {
        size_t rest = queue->partial ? queue->partial : frame_size(queue->bytes + queue->head);
        size_t part = size < rest ? size : rest;

        queue->head += part;
        queue->partial = rest - part;
        size -= part;
    }
    if (queue->head == queue->tail) {
        queue->head = queue->tail = 0;
    }
}

/* Drops all but the rest of a frame the partner has begun to read. */
static void queue_drop(struct fo_queue *queue)
{
    queue->tail = queue->head + queue->partial;
}

bool fo_link_output_pending(const struct fo_link *link)
{
    return queue_used(&link->control) > 0 || queue_used(&link->updates) > 0;
}

void fo_link_output_reset(struct fo_link *link)
{
    queue_drop(&link->control);
    queue_drop(&link->updates);
    link->offered = NULL;
    memset(link->slots, 0, FO_XID_SLOTS * sizeof(*link->slots));
    link->update_request = link->pool_request = (struct fo_unacked){.xid = 0};
    link->unacked = link->unanswered = 0;
}

struct span fo_link_output(struct fo_link *link, struct fo_time now)
{
    struct span bytes = {NULL, 0};

    link->offered = NULL;
    if (link->updates.partial == 0 && queue_used(&link->control) > 0) {
        link->offered = &link->control;
        bytes = queue_offer(&link->control, SIZE_MAX, now.s);
    } else if (queue_used(&link->updates) > 0) {
        link->offered = &link->updates;
        bytes = queue_offer(&link->updates, FO_OUTPUT_CHUNK, now.s);
    }
    link->offered_size = bytes.size;
    return bytes;
}

void fo_link_output_done(struct fo_link *link, size_t size, struct fo_time now)
{
    if (link->offered == NULL) {
        return; /* the connection ended in between */
    }
    T6_ASSERT(size <= link->offered_size);
    if (size > 0) {
        queue_consume(link->offered, size);
        link->sent_ms = now.ms;
    }
    link->offered = NULL;
}

uint32_t fo_link_xid_next(struct fo_link *link)
{
    /* At most FO_UNACKED_MAX slots and two more numbers are taken, far fewer than slots. */
    for (unsigned i = 0; i < FO_XID_SLOTS; i++) {
        link->xid = link->xid == FO_XID_MAX ? 1 : link->xid + 1;
        if (link->slots[link->xid & (FO_XID_SLOTS - 1)].xid == 0 &&
            link->xid != link->update_request.xid && link->xid != link->pool_request.xid) {
            break;
        }
    }
    return link->xid;
}

bool fo_link_control_send(struct fo_link *link, struct span frame, struct fo_time now)
{
    if (queue_push(&link->control, frame) == NULL) {
        static const char text[] = "partner does not read";

        fo_link_end(link,
                    &(struct fo_end){.reason = FO_DOWN_STALLED,
                                     .text = {(const uint8_t *)text, sizeof(text) - 1}},
                    now);
        return false;
    }
    link->stats.sent[fo_frame_type(frame.data)]++;
    return true;
}

void fo_link_connect_send(struct fo_link *link, enum fo_message_type type, uint32_t xid,
                          struct fo_time now)
{
    const struct fo_link_config *config = &link->config;
    struct fo_connect connect = {
        .has = FO_HAS_CONNECT,
        .version_major = FO_VERSION_MAJOR,
        .version_minor = FO_VERSION_MINOR,
        .mclt_s = config->role == FO_PRIMARY ? config->mclt_s : link->peer.mclt_s,
        .keepalive_s = config->keepalive_s,
        .max_unacked = config->max_unacked,
        .flags = config->fixed_pd_length ? FO_FLAG_FIXED_PD_LENGTH : 0,
        .name = config->name,
        .capabilities = config->capabilities,
    };
    uint8_t buf[FO_CONTROL_SIZE_MAX];
    size_t size;

    if (type == FO_CONNECT) {
        connect.has |= FO_HAS_NAME;
    }
    size = fo_encode_connect(type, xid, &connect, buf, sizeof(buf));
    T6_ASSERT(size > 0); /* fo_link_init saw to it that names are short */
    (void)fo_link_control_send(link, (struct span){buf, size}, now);
}

static uint32_t window(const struct fo_link *link)
{
    return link->peer.max_unacked < FO_UNACKED_MAX ? link->peer.max_unacked : FO_UNACKED_MAX;
}

unsigned fo_link_update_room(const struct fo_link *link, size_t update_size)
{
    size_t room = (link->updates.size - queue_used(&link->updates)) / update_size;
    uint32_t open = window(link) - link->unacked;

    if (link->state != FO_LINK_UP) {
        return 0;
    }
    return room < open ? (unsigned)room : open;
}

static int update_send(struct fo_link *link, struct span frame, uint64_t cookie)
{
    uint8_t *at;

    if (link->unacked >= window(link)) {
        return -EAGAIN;
    }
    at = queue_push(&link->updates, frame);
    if (at == NULL) {
        return -EAGAIN;
    }
    fo_frame_xid_set(at, fo_link_xid_next(link));
    link->slots[link->xid & (FO_XID_SLOTS - 1)] = (struct fo_unacked){link->xid, cookie};
    link->unacked++;
    link->stats.sent[FO_BNDUPD]++;
    return 0;
}

int fo_link_send(struct fo_link *link, struct span frame, uint64_t cookie, struct fo_time now)
{
    enum fo_message_type type = fo_frame_type(frame.data);
    uint8_t buf[FO_CONTROL_SIZE_MAX];

    if (link->state != FO_LINK_UP && !(link->state == FO_LINK_OPEN && type == FO_STATE)) {
        return -ENOTCONN;
    }
    if (type == FO_BNDUPD) {
        return update_send(link, frame, cookie);
    }
    T6_ASSERT(type == FO_STATE || type == FO_POOLREQ || type == FO_UPDREQ || type == FO_UPDREQALL);
    T6_ASSERT(frame.size <= sizeof(buf));
    memcpy(buf, frame.data, frame.size);
    fo_frame_xid_set(buf, fo_link_xid_next(link));
    if (!fo_link_control_send(link, (struct span){buf, frame.size}, now)) {
        return -ENOTCONN;
    }
    if (type == FO_POOLREQ) {
        link->pool_request = (struct fo_unacked){link->xid, cookie};
    } else if (type != FO_STATE) {
        link->update_request = (struct fo_unacked){link->xid, cookie};
    }
    return 0;
}

int fo_link_answer(struct fo_link *link, uint32_t connection, struct span frame, struct fo_time now)
{
    enum fo_message_type type = fo_frame_type(frame.data);

    T6_ASSERT(type == FO_BNDREPLY || type == FO_POOLRESP || type == FO_UPDDONE);
    if (link->state != FO_LINK_UP || link->connection != connection) {
        return -ESTALE;
    }
    if (type != FO_BNDREPLY) {
        return fo_link_control_send(link, frame, now) ? 0 : -ESTALE;
    }
    if (queue_push(&link->updates, frame) == NULL) {
        return -EAGAIN;
    }
    T6_ASSERT(link->unanswered > 0);
    link->unanswered--;
    link->stats.sent[FO_BNDREPLY]++;
    return 0;
}

#include "link_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DRAIN_SIZE = 4096,
    DRAINS_MAX = 64, /* octets nobody wants, read before a close so that it resets nothing */
    KEEPALIVE_PROBES = 3,
};

void stream_init(struct stream *stream)
{
    *stream = (struct stream){.fd = -1};
}

static void stream_end(struct stream *stream, const char *text)
{
    stream->ended = true;
    stream->can_read = stream->can_write = false;
    (void)snprintf(stream->end, sizeof(stream->end), "%s", text);
}

static int event_make(struct stream *stream, struct event_base *base, stream_ready_fn *ready,
                      void *arg)
{
    stream->ready =
        event_new(base, stream->fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST, ready, arg);
    if (!stream->ready || event_add(stream->ready, NULL) != 0) {
        stream_close(stream);
        return -ENOMEM;
    }
    return 0;
}

int stream_open(struct stream *stream, int fd, struct event_base *base, stream_ready_fn *ready,
                void *arg)
{
    stream_init(stream);
    stream->fd = fd;
    return event_make(stream, base, ready, arg);
}

int stream_move(struct stream *stream, struct stream *from, struct event_base *base,
                stream_ready_fn *ready, void *arg)
{
    event_free(from->ready);
    *stream = *from;
    stream_init(from);
    stream->ready = NULL;
    /* Edges that were told to the former owner are not told again. */
    stream->can_read = stream->can_write = !stream->ended;
    return event_make(stream, base, ready, arg);
}

void stream_ready(struct stream *stream, short what)
{
    stream->can_read |= (what & EV_READ) && !stream->ended;
    stream->can_write |= (what & EV_WRITE) && !stream->ended;
}

void stream_close(struct stream *stream)
{
    uint8_t drain[DRAIN_SIZE];

    if (stream->ready) {
        event_free(stream->ready);
    }
    tls_session_free(stream->tls);
    if (stream->fd >= 0) {
        /* Unread octets would turn the close into a reset, which takes back what was written. */
        (void)shutdown(stream->fd, SHUT_WR);
        for (unsigned i = 0; i < DRAINS_MAX && recv(stream->fd, drain, sizeof(drain), 0) > 0; i++) {
        }
        (void)close(stream->fd);
    }
    stream_init(stream);
}

static bool is_blocked(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

void stream_secure(struct stream *stream, struct tls_session *session)
{
    stream->tls = session;
    stream->can_read = stream->can_write = !stream->ended;
}

/* Blocked until the socket is ready for it, or for ever. */
static void tls_block(struct stream *stream, enum tls_step step)
{
    switch (step) {
    case TLS_DONE:
        break;
    case TLS_WANTS_READ:
        stream->can_read = false;
        break;
    case TLS_WANTS_WRITE:
        stream->can_write = false;
        break;
    case TLS_ENDED:
        stream_end(stream, "closed by the partner");
        break;
    case TLS_FAILED:
        stream->fault = tls_session_fault(stream->tls);
        stream_end(stream, tls_session_text(stream->tls));
        break;
    }
}

bool stream_handshake(struct stream *stream)
{
    enum tls_step step;

    if (stream->ended) {
        return false;
    }
    step = tls_handshake(stream->tls);
    tls_block(stream, step);
    stream->can_read = stream->can_write = !stream->ended; /* to be found out anew */
    return step == TLS_DONE;
}

static size_t secure_read(struct stream *stream, uint8_t *buf, size_t size)
{
    enum tls_step step = TLS_DONE;
    size_t part, total = 0;

    if (stream->read_wants_write ? !stream->can_write : !stream->can_read) {
        return 0;
    }
    stream->read_wants_write = false;
    while (total < size && step == TLS_DONE) {
        step = tls_read(stream->tls, buf + total, size - total, &part);
        total += step == TLS_DONE ? part : 0;
    }
    stream->read_wants_write = step == TLS_WANTS_WRITE;
    tls_block(stream, step);
    return total;
}

static size_t secure_write(struct stream *stream, struct span bytes)
{
    enum tls_step step;
    size_t size;

    if (stream->write_wants_read ? !stream->can_read : !stream->can_write) {
        return 0;
    }
    step = tls_write(stream->tls, bytes, &size);
    stream->write_wants_read = step == TLS_WANTS_READ;
    if (step == TLS_FAILED || step == TLS_ENDED) {
        stream->can_write = false; /* reading tells why */
    } else {
        tls_block(stream, step);
    }
    return size;
}

size_t stream_read(struct stream *stream, void *buf, size_t size)
{
    ssize_t n;

    if (stream->ended || size == 0) {
        return 0;
    }
    if (stream->tls) {
        return secure_read(stream, buf, size);
    }
    if (!stream->can_read) {
        return 0;
    }
    n = recv(stream->fd, buf, size, 0);
    if (n > 0) {
        return (size_t)n;
    }
    if (n == 0) {
        stream_end(stream, "closed by the partner");
    } else if (is_blocked(errno)) {
        stream->can_read = errno == EINTR;
    } else {
        stream_end(stream, strerror(errno));
    }
    return 0;
}

size_t stream_write(struct stream *stream, struct span bytes)
{
    ssize_t n;

    if (stream->ended) {
        return 0;
    }
    if (stream->tls) {
        return secure_write(stream, bytes);
    }
    if (!stream->can_write || bytes.size == 0) {
        return 0;
    }
    n = send(stream->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
    if (n >= 0) {
        return (size_t)n;
    }
    if (is_blocked(errno)) {
        stream->can_write = errno == EINTR;
    } else {
        /* What the partner said before it closed is still to be read. */
        stream->can_write = false;
    }
    return 0;
}

void stream_options_set(int fd, uint32_t keepalive_s)
{
    const struct {
        int level, name, value;
    } rows[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, (int)keepalive_s},
        {IPPROTO_TCP, TCP_KEEPINTVL, (int)(keepalive_s / KEEPALIVE_PROBES + 1)},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, (int)keepalive_s * 1000},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)setsockopt(fd, rows[i].level, rows[i].name, &rows[i].value, sizeof(rows[i].value));
    }
}

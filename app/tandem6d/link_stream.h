/* One TCP connection, non-blocking, in clear or by TLS: readiness by edges, so that nothing is read
 * or written before somebody can use it. Private to app/tandem6d/link*.c. */
#ifndef TANDEM6D_LINK_STREAM_H
#define TANDEM6D_LINK_STREAM_H

#include <event2/event.h>

#include "link_tls.h"

enum {
    STREAM_TEXT_MAX = TLS_TEXT_MAX,
};

struct stream {
    int fd; /* -1: none */
    struct event *ready;
    struct tls_session *tls;                 /* NULL: in clear */
    bool can_read, can_write;                /* until told otherwise */
    bool read_wants_write, write_wants_read; /* TLS's own business */
    bool ended;                              /* nothing more can be read or written; end says why */
    enum tls_fault fault;                    /* TLS said so */
    char end[STREAM_TEXT_MAX];
};

/* Of the stream: something may be read or written. */
typedef void stream_ready_fn(evutil_socket_t fd, short what, void *arg);

void stream_init(struct stream *stream);
/* Takes fd over, a failure included. ready is called with arg once something can be done; it calls
 * stream_ready first. connecting: only once the connection is there or has failed. */
int stream_open(struct stream *stream, int fd, struct event_base *base, stream_ready_fn *ready,
                void *arg) MUST_CHECK;
/* The same connection, told to somebody else. from is none afterwards. */
int stream_move(struct stream *stream, struct stream *from, struct event_base *base,
                stream_ready_fn *ready, void *arg) MUST_CHECK;
void stream_ready(struct stream *stream, short what);
/* What was written still goes, as far as the kernel manages. */
void stream_close(struct stream *stream);

static inline bool stream_is_open(const struct stream *stream)
{
    return stream->fd >= 0;
}

/* From now on by TLS; session belongs to the stream. */
void stream_secure(struct stream *stream, struct tls_session *session);
/* True when the handshake is done; otherwise it goes on when the stream is ready, or has ended. */
bool stream_handshake(struct stream *stream);

/* Octets read; 0: none now, or it has ended. */
size_t stream_read(struct stream *stream, void *buf, size_t size);
/* How many octets were taken; none are fine, too: what was taken before goes on. */
size_t stream_write(struct stream *stream, struct span bytes);

/* Sets what a partner's connection needs; failures do no harm. */
void stream_options_set(int fd, uint32_t keepalive_s);

#endif

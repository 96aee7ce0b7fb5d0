/* One endpoint's connection to its partner (RFC 8156 6), without any I/O: when to connect, secure,
 * close and try again; the CONNECT exchange; keepalive, time skew and flow control; what may be
 * said when. It knows nothing of leases, endpoint states or disks: STATE, BNDUPD and the rest go
 * through it to and from the layer above (lib/server/relation.c).
 *
 * The caller owns socket and clock and does, whenever something happened or the deadline came:
 *
 *     fo_link_connected/_secured/_closed(link, now)        what became of the socket
 *     taken = fo_link_input(link, bytes, now)              as soon as they can be read
 *     while (fo_link_next(link, now, &event))              messages and changes for the layer above
 *         fo_link_send/_answer/_disconnect(link, ...)
 *     while ((action = fo_link_run(link, now)))            connect, start TLS, close
 *     bytes = fo_link_output(link, now)                    write, then fo_link_output_done
 *     sleep until fo_link_deadline(link)
 *
 * The secondary's connections begin in fo_greet.h, until CONNECT tells which endpoint is meant.
 * Memory is taken in fo_link_init only. Control core only. */
#ifndef FAILOVER_FO_LINK_H
#define FAILOVER_FO_LINK_H

#include "failover/fo_wire.h"

struct fo_greet;

enum {
    FO_UNACKED_MAX = 4096, /* updates in flight we keep track of, whatever the partner allows */
    FO_XID_SLOTS = 16384,  /* of which xid & mask finds the update; power of two */
    FO_LINGER_MS = 1000,   /* how long a last message may wait for the socket before we close */
    FO_SKEW_RUN_MIN = 3,   /* messages in a row out of time, in one direction (facts F.3) ... */
    FO_SKEW_RUN_MS = 5000, /* ... over at least this long, end the connection */
    FO_CONTROL_QUEUE_SIZE = 16384, /* octets; only a partner that stopped reading fills it */
    FO_OUTPUT_CHUNK = 16384,       /* octets of updates offered at once, so that control may pass */
};

/* Wall clock and monotonic clock of one moment. */
struct fo_time {
    msec_t ms;
    sec_t s;
};

enum fo_role {
    FO_PRIMARY,   /* connects */
    FO_SECONDARY, /* listens */
};

struct fo_link_config {
    enum fo_role role;
    bool secure;             /* TLS by STARTTLS first (RFC 7653 8.2) */
    struct span name;        /* of the relationship; borrowed */
    uint32_t mclt_s;         /* primary: configured. Secondary: not used */
    uint32_t keepalive_s;    /* silence we bear; 0 = 60 */
    uint32_t contacts;       /* CONTACTs within the partner's keepalive time; 0 = 4 */
    uint32_t max_unacked;    /* updates we take unanswered; 0 = 1 */
    bool fixed_pd_length;    /* flag F: prefixes cut from one pool have one size */
    bool variable_pd_length; /* we can follow a partner that says they have not (facts F.26) */
    uint32_t setup_ms;       /* from TCP connect to the end of the CONNECT exchange; 0 = 10000 */
    uint32_t retry_ms, retry_max_ms;     /* after a failure, doubling; 0 = 500, 10000 */
    uint32_t refused_ms, refused_max_ms; /* after CONNECTREPLY or DISCONNECT said no (RFC 8156 6.1);
                                          * 0 = 5000, 60000 */
    size_t update_queue_size; /* octets of BNDUPD and BNDREPLY on their way out; 0 = 1 MiB */
    size_t input_size;        /* octets read and not yet taken; 0 = by max_unacked */
    struct fo_capabilities capabilities; /* ours; spans borrowed */
};

#define FO_LINK_STATES(ROW)                                                                        \
    ROW(STOPPED, "stopped")       /* by fo_link_stop, or not yet started */                        \
    ROW(WAITING, "waiting")       /* primary: until the next attempt; secondary: for a partner */  \
    ROW(CONNECTING, "connecting") /* TCP */                                                        \
    ROW(STARTTLS, "starttls")     /* sent, answer awaited */                                       \
    ROW(HANDSHAKE, "handshake")   /* of TLS, by the caller */                                      \
    ROW(CONNECT, "connect")       /* sent, CONNECTREPLY awaited */                                 \
    ROW(OPEN, "open")             /* CONNECT exchange done, the partner's STATE awaited */         \
    ROW(UP, "up")                 /* communications OK */                                          \
    ROW(CLOSING, "closing")       /* last octets leave, then the caller closes */

enum fo_link_state {
#define FO_LINK_STATE_ENUM(name, text) FO_LINK_##name,
    FO_LINK_STATES(FO_LINK_STATE_ENUM)
#undef FO_LINK_STATE_ENUM
    FO_LINK_STATE_COUNT,
};

#define FO_DOWN_REASONS(ROW)                                                                       \
    ROW(NONE, "none")                                                                              \
    ROW(CONNECT_FAILED, "connect-failed") /* TCP connect failed */                                 \
    ROW(TLS_FAILED, "tls-failed")         /* handshake or certificate */                           \
    ROW(TLS_REFUSED, "tls-refused")       /* partner answered STARTTLS with no */                  \
    ROW(CLOSED, "closed")                 /* by the partner or the network */                      \
    ROW(SETUP_TIMEOUT, "setup-timeout")   /* CONNECT exchange took too long */                     \
    ROW(KEEPALIVE, "keepalive")           /* nothing heard for the keepalive time */               \
    ROW(REJECTED, "rejected")             /* partner's CONNECTREPLY said no */                     \
    ROW(UNACCEPTABLE, "unacceptable")     /* we cannot live with the partner's CONNECTREPLY */     \
    ROW(DISCONNECTED, "disconnected")     /* partner's DISCONNECT */                               \
    ROW(SKEW, "skew")                     /* clocks apart */                                       \
    ROW(MALFORMED, "malformed")           /* octets that are no message */                         \
    ROW(PROTOCOL, "protocol")             /* a message that may not come now */                    \
    ROW(WINDOW, "window")                 /* more updates unanswered than we allowed */            \
    ROW(STALLED, "stalled")               /* the partner reads nothing any more */                 \
    ROW(REPLACED, "replaced")             /* the partner connected anew (facts F.28) */            \
    ROW(LOCAL, "local")                   /* fo_link_disconnect */                                 \
    ROW(STOP, "stop")                     /* fo_link_stop */

enum fo_down_reason {
#define FO_DOWN_ENUM(name, text) FO_DOWN_##name,
    FO_DOWN_REASONS(FO_DOWN_ENUM)
#undef FO_DOWN_ENUM
    FO_DOWN_COUNT,
};

/* What the caller has to do with its socket. */
enum fo_action {
    FO_ACTION_NONE = 0,
    FO_ACTION_CONNECT, /* open TCP to the partner, then fo_link_connected or _closed */
    FO_ACTION_TLS,     /* all output is written: shake hands, as TLS client from a link, as TLS
                        * server from a greeting; then _secured or _closed */
    FO_ACTION_CLOSE,   /* close the connection; no call about it is expected after that */
    FO_ACTION_OPEN,    /* greeting only: CONNECT is there, look for its endpoint */
};

enum fo_link_event_type {
    FO_EVENT_OPENED,  /* CONNECT exchange accepted: send STATE now, whatever the state. peer holds
                       * what was agreed; a secondary keeps peer.mclt_s on disk */
    FO_EVENT_UP,      /* communications are OK; message is the partner's first STATE */
    FO_EVENT_MESSAGE, /* any other message: STATE, BNDUPD, BNDREPLY, POOLREQ, POOLRESP, UPDREQ,
                       * UPDREQALL, UPDDONE */
    FO_EVENT_SKEW,    /* a message out of time by skew_s, the first of a run: worth a log line */
    FO_EVENT_DOWN,    /* the connection or the attempt is over; updates in flight are forgotten */
};

struct fo_link_event {
    enum fo_link_event_type type;
    uint32_t connection;        /* number of the connection; answers name it */
    struct fo_message message;  /* views, valid until the next fo_link_next or fo_link_input */
    uint64_t cookie;            /* BNDREPLY: of the update it answers; UPDDONE, POOLRESP: of ours */
    bool was_up;                /* DOWN: communications were OK */
    enum fo_down_reason reason; /* DOWN */
    uint16_t code;              /* DOWN: status told or heard, 0 = none */
    char text[FO_TEXT_SIZE_MAX + 1]; /* DOWN: status text told or heard, for the log */
    int32_t skew_s;                  /* SKEW: arrival minus sent-time */
};

/* What the two sides agreed in the CONNECT exchange. */
struct fo_link_peer {
    uint16_t version_major, version_minor;
    uint32_t mclt_s;
    uint32_t keepalive_s;
    uint32_t max_unacked;
    bool fixed_pd_length;
    struct fo_capability capabilities[FO_CAPABILITIES_MAX];
    unsigned capability_count;
    char software[64]; /* "": of another make */
};

struct fo_link_stats {
    uint64_t received[FO_CONTACT + 1]; /* messages by type */
    uint64_t sent[FO_CONTACT + 1];
    uint64_t downs[FO_DOWN_COUNT]; /* ends of connections and attempts by reason */
    uint64_t attempts;             /* connections tried or taken */
    uint64_t ignored;              /* messages of unknown type, or that answer nothing of ours */
    uint64_t skewed;               /* messages out of time */
    int32_t skew_s;                /* of the last message */
};

/* Frames on their way out: octets head..tail, of the first frame only `partial` if not 0. */
struct fo_queue {
    uint8_t *bytes;
    size_t size, head, tail;
    size_t partial;
};

/* Public for embedding; its members are fo_link.c's own except peer, stats and those read through
 * functions below. */
struct fo_link {
    struct fo_link_config config;
    enum fo_link_state state;
    uint32_t connection; /* counts connections */
    struct fo_link_peer peer;
    struct fo_link_stats stats;

    uint8_t *input;
    size_t input_size, input_head, input_tail, input_stamped; /* stamped: frames seen on arrival */
    struct fo_queue control, updates;
    struct fo_queue *offered; /* the queue fo_link_output offered from */
    size_t offered_size;
    msec_t setup_deadline_ms, heard_ms, sent_ms, retry_at_ms, linger_ms;
    msec_t contact_ms;           /* FO_SEND_TIME */
    uint32_t failures, refusals; /* in a row, for the back-off */

    bool opened_pending, down_pending, skew_pending, tls_pending, stopping;
    struct fo_link_event down;
    bool skew_forward;
    unsigned skew_run;
    msec_t skew_since_ms;
    int32_t skew_s;

    uint32_t xid;         /* last one given */
    uint32_t connect_xid; /* of our CONNECT or STARTTLS */
    uint32_t unacked;     /* our BNDUPDs without answer */
    uint32_t unanswered;  /* the partner's BNDUPDs without answer */

    struct fo_unacked {
        uint32_t xid; /* 0 = free */
        uint64_t cookie;
    } * slots, update_request, pool_request; /* the outstanding UPDREQ(ALL), POOLREQ */
};

/* -ENOMEM only. The link is stopped. */
int fo_link_init(struct fo_link *link, const struct fo_link_config *config) MUST_CHECK;
void fo_link_done(struct fo_link *link);

/* Begins to connect at once, or to listen. No effect unless stopped. */
void fo_link_start(struct fo_link *link, struct fo_time now);
/* DISCONNECT with ServerShuttingDown, then no further attempts. */
void fo_link_stop(struct fo_link *link, struct fo_time now);

/* The socket. fo_link_closed: reason CLOSED, CONNECT_FAILED or TLS_FAILED; text may be NULL. */
void fo_link_connected(struct fo_link *link, struct fo_time now);
void fo_link_secured(struct fo_link *link, struct fo_time now);
void fo_link_closed(struct fo_link *link, enum fo_down_reason reason, const char *text,
                    struct fo_time now);

/* Takes over the connection of a greeting whose CONNECT names this endpoint, after the checks of
 * RFC 8156 6.1.2 in their order. FO_STATUS_SUCCESS: the greeting is at its end, its socket belongs
 * to the link now; an older socket of the link is to be closed without further word, and DOWN
 * (REPLACED) comes before OPENED. Otherwise the status with which the greeting now refuses and
 * closes; nothing has changed for the link. */
enum fo_status_code fo_link_accept(struct fo_link *link, struct fo_greet *greet,
                                   struct fo_time now);

/* Octets that arrived at now. Returns how many were taken; the rest when fo_link_next made room. */
size_t fo_link_input(struct fo_link *link, struct span bytes, struct fo_time now);
/* Octets fo_link_input would take now. */
size_t fo_link_input_room(const struct fo_link *link);

/* The next thing the layer above has to know. */
bool fo_link_next(struct fo_link *link, struct fo_time now, struct fo_link_event *ret_event);

/* Sends one frame that begins an exchange: STATE once opened; BNDUPD, POOLREQ, UPDREQ, UPDREQALL
 * once up. The link gives it its transaction-id and, as it leaves, its sent-time. cookie comes back
 * with the answer. A second UPDREQ(ALL) takes the place of the first.
 * 0; -ENOTCONN not now; -EAGAIN window shut or queue full, for a BNDUPD: try when
 * fo_link_update_room says so. */
int fo_link_send(struct fo_link *link, struct span frame, uint64_t cookie,
                 struct fo_time now) MUST_CHECK;
/* Sends one frame that answers: BNDREPLY, POOLRESP, UPDDONE, with the transaction-id and the
 * connection number of what it answers. -ESTALE: that connection is gone, so is the question.
 * -EAGAIN: a BNDREPLY finds the queue full. */
int fo_link_answer(struct fo_link *link, uint32_t connection, struct span frame,
                   struct fo_time now) MUST_CHECK;
/* How many BNDUPDs of at most frame_size octets could be sent now. */
unsigned fo_link_update_room(const struct fo_link *link, size_t frame_size);

/* Ends the connection: DISCONNECT with code and text, DOWN (LOCAL) at once. */
void fo_link_disconnect(struct fo_link *link, enum fo_status_code code, const char *text,
                        struct fo_time now);

/* Runs the timers and tells what to do with the socket; call until FO_ACTION_NONE. */
enum fo_action fo_link_run(struct fo_link *link, struct fo_time now);
/* When the loop above wants to be run at the latest, 0 = at once; UINT64_MAX: only when something
 * happens. */
msec_t fo_link_deadline(const struct fo_link *link);

/* Octets to write, control messages first; stamped with now. Size 0: none. They may change until
 * fo_link_output_done tells how many left (0 is fine). */
struct span fo_link_output(struct fo_link *link, struct fo_time now);
void fo_link_output_done(struct fo_link *link, size_t size, struct fo_time now);

/* Communications are OK. */
static inline bool fo_link_is_up(const struct fo_link *link)
{
    return link->state == FO_LINK_UP;
}

/* Our UPDREQ or UPDREQALL has no UPDDONE yet. */
static inline bool fo_link_update_requested(const struct fo_link *link)
{
    return link->update_request.xid != 0;
}

/* Version of a capability both name, 0 = not common. */
uint16_t fo_link_capability(const struct fo_link *link, uint16_t id);

const char *fo_link_state_name(enum fo_link_state state);
const char *fo_down_reason_name(enum fo_down_reason reason);

#endif

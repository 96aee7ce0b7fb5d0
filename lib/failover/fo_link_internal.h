/* What the parts of the link share: fo_link.c life cycle and timers, fo_link_in.c what arrives,
 * fo_link_out.c what leaves. Private to lib/failover. */
#ifndef FAILOVER_FO_LINK_INTERNAL_H
#define FAILOVER_FO_LINK_INTERNAL_H

#include "failover/fo_link.h"

/* Why a connection ends. */
struct fo_end {
    enum fo_down_reason reason;
    uint16_t code;    /* status for the partner, or from it; 0 = none */
    struct span text; /* for log and partner */
    bool tell;        /* send DISCONNECT, if the exchange has got so far */
};

/* Ends the connection or attempt, with DOWN for the layer above. No effect without one. */
void fo_link_end(struct fo_link *link, const struct fo_end *end, struct fo_time now);

/* The same for a fault of the partner's that DISCONNECT names. */
void fo_link_fault(struct fo_link *link, enum fo_down_reason reason, enum fo_status_code code,
                   const char *text, struct fo_time now);

/* Printable text of a status, for the log; ret_text has FO_TEXT_SIZE_MAX + 1 octets. */
void fo_text_copy(struct span text, char *ret_text);

/* What CONNECT and CONNECTREPLY are checked for, in the order of RFC 8156 6.1.2. mclt_s: what it
 * must be, 0 = anything but 0. SUCCESS, or a status and *ret_text. */
enum fo_status_code fo_connect_judge(const struct fo_link_config *config,
                                     const struct fo_connect *connect, uint32_t mclt_s,
                                     const char **ret_text);

/* Keeps what the partner said of itself. */
void fo_peer_set(struct fo_link *link, const struct fo_connect *connect);

/* The CONNECT exchange is done. */
void fo_link_open(struct fo_link *link, struct fo_time now);

/* Sends our CONNECT, or an accepting CONNECTREPLY to the CONNECT with that xid. */
void fo_link_connect_send(struct fo_link *link, enum fo_message_type type, uint32_t xid,
                          struct fo_time now);

/* Queues a control message; a full queue ends the connection (STALLED): false. */
bool fo_link_control_send(struct fo_link *link, struct span frame, struct fo_time now);

/* A transaction-id that no outstanding request of ours has (RFC 8156 5.4). */
uint32_t fo_link_xid_next(struct fo_link *link);

/* Forgets everything that was under way on the connection. */
void fo_link_output_reset(struct fo_link *link);

bool fo_link_output_pending(const struct fo_link *link);

int fo_queue_init(struct fo_queue *queue, size_t size) MUST_CHECK;
void fo_queue_done(struct fo_queue *queue);

#endif

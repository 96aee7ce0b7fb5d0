/* The first moments of a connection that came in on the failover port: STARTTLS and TLS if we want
 * it (RFC 7653 9.1), then CONNECT, which tells the endpoint (RFC 8156 6.1). The caller has already
 * dropped connections from addresses no relationship names as a primary. Until CONNECT was read
 * a stranger gets no more than the answer to STARTTLS, a small fixed buffer and a few seconds.
 *
 *     fo_greet_input(greet, bytes, now)
 *     while ((action = fo_greet_run(greet, now)))
 *         TLS: shake hands as TLS server, then fo_greet_secured; OPEN: fo_link_accept or
 *         fo_greet_refuse; CLOSE: close the socket
 *     bytes = fo_greet_output(greet, now); write; fo_greet_output_done(greet, size)
 *
 * No memory, no I/O, no clock. Control core only. */
#ifndef FAILOVER_FO_GREET_H
#define FAILOVER_FO_GREET_H

#include "failover/fo_link.h"

enum {
    FO_GREET_MS = 10000,        /* idle strangers are closed (RFC 8156 10) */
    FO_GREET_INPUT_SIZE = 4096, /* CONNECT, and what may follow it at once */
};

enum fo_greet_state {
    FO_GREET_PLAIN,     /* waits for STARTTLS or CONNECT */
    FO_GREET_HANDSHAKE, /* REPLY on its way, then TLS */
    FO_GREET_SECURED,   /* waits for CONNECT */
    FO_GREET_ASKED,     /* CONNECT is there */
    FO_GREET_CLOSING,
    FO_GREET_TAKEN, /* by fo_link_accept */
};

struct fo_greet {
    bool secure; /* plain CONNECT is not taken */
    enum fo_greet_state state;
    bool action_pending;
    enum fo_down_reason reason; /* why it closes, for log and counters; NONE while it lives */
    uint16_t code;              /* status told, 0 = none */
    char text[FO_TEXT_SIZE_MAX + 1];
    msec_t deadline_ms;
    struct fo_message connect; /* in ASKED; views into input */
    struct fo_time arrived;    /* when CONNECT was whole */
    uint8_t input[FO_GREET_INPUT_SIZE];
    size_t input_head, input_tail;
    uint8_t output[FO_CONTROL_SIZE_MAX];
    size_t output_head, output_tail;
};

/* secure: as the relationships with that address are configured. */
void fo_greet_init(struct fo_greet *greet, bool secure, struct fo_time now);

/* Octets that arrived; more than fit end the greeting. */
void fo_greet_input(struct fo_greet *greet, struct span bytes, struct fo_time now);
void fo_greet_secured(struct fo_greet *greet, struct fo_time now);

/* Answers CONNECT with a status and closes: ConfigurationConflict when connect.connect names no
 * relationship with that address, or none where there are several (facts F.27). Only in
 * FO_GREET_ASKED, else no effect. */
void fo_greet_refuse(struct fo_greet *greet, enum fo_status_code code, const char *text,
                     struct fo_time now);

enum fo_action fo_greet_run(struct fo_greet *greet, struct fo_time now);
msec_t fo_greet_deadline(const struct fo_greet *greet);

struct span fo_greet_output(struct fo_greet *greet, struct fo_time now);
void fo_greet_output_done(struct fo_greet *greet, size_t size);

#endif

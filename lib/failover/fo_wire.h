/* Failover messages (RFC 8156 5; TLS set-up RFC 7653 8.2, 9.1): bytes to views and back.
 *
 * On the stream each message follows a 16-bit count of its octets. fo_frame_next cuts the stream
 * into messages; fo_wire_parse reads one message into a struct fo_message whose spans point into
 * the bytes; the fo_encode functions write a whole frame, count included. An option of the wrong
 * size counts as absent, of a repeated one the first counts, unknown ones are passed over. What
 * stands inside a BNDUPD or BNDREPLY is read by fo_binding.h.
 *
 * Pure functions over bytes: no memory, no clock, no connection. Any thread. */
#ifndef FAILOVER_FO_WIRE_H
#define FAILOVER_FO_WIRE_H

#include "base/err.h"
#include "base/wire.h"

enum {
    FO_FRAME_COUNT_SIZE = 2, /* octets of the count before each message (RFC 5460 5.1) */
    FO_MESSAGE_SIZE_MAX = 65535,
    FO_FRAME_SIZE_MAX = FO_FRAME_COUNT_SIZE + FO_MESSAGE_SIZE_MAX,
    FO_HEADER_SIZE = 8,      /* type 1, transaction-id 3, sent-time 4 (RFC 8156 5.2) */
    FO_BASE_HEADER_SIZE = 4, /* STARTTLS and REPLY have no sent-time (facts F.1) */
    FO_XID_MAX = 0xffffff,   /* transaction-ids have 24 bits */
    FO_VERSION_MAJOR = 1,    /* RFC 8156 5.5.11 */
    FO_VERSION_MINOR = 0,
    FO_NAME_SIZE_MAX = 255,      /* relationship name we configure or take; octets */
    FO_TEXT_SIZE_MAX = 255,      /* status text we send; octets */
    FO_CONTROL_SIZE_MAX = 1024,  /* a frame of any message we originate but BNDUPD and BNDREPLY */
    FO_KEEPALIVE_DEFAULT_S = 60, /* RFC 8156 6.5 */
    FO_SKEW_MAX_S = 5,           /* clocks this far apart are together (RFC 8156 7.1) */
};

enum fo_message_type {
    FO_REPLY = 7,
    FO_STARTTLS = 23,
    FO_BNDUPD = 24,
    FO_BNDREPLY = 25,
    FO_POOLREQ = 26,
    FO_POOLRESP = 27,
    FO_UPDREQ = 28,
    FO_UPDREQALL = 29,
    FO_UPDDONE = 30,
    FO_CONNECT = 31,
    FO_CONNECTREPLY = 32,
    FO_DISCONNECT = 33,
    FO_STATE = 34,
    FO_CONTACT = 35,
};

enum fo_status_code {
    FO_STATUS_SUCCESS = 0,
    FO_STATUS_UNSPEC_FAIL = 1,
    FO_STATUS_NOT_SUPPORTED = 14,
    FO_STATUS_TLS_REFUSED = 15,
    FO_STATUS_ADDRESS_IN_USE = 16,
    FO_STATUS_CONFIGURATION_CONFLICT = 17,
    FO_STATUS_MISSING_BINDING = 18,
    FO_STATUS_OUTDATED_BINDING = 19,
    FO_STATUS_SHUTTING_DOWN = 20,
    FO_STATUS_DNS_NOT_SUPPORTED = 21,
    FO_STATUS_TIME_SKEW = 22,
};

/* Values of OPTION_F_SERVER_STATE (RFC 8156 5.5.16). STARTUP is never sent: flag S shows it. */
enum fo_server_state {
    FO_STARTUP = 1,
    FO_NORMAL = 2,
    FO_COMMUNICATIONS_INTERRUPTED = 3,
    FO_PARTNER_DOWN = 4,
    FO_POTENTIAL_CONFLICT = 5,
    FO_RECOVER = 6,
    FO_RECOVER_WAIT = 7,
    FO_RECOVER_DONE = 8,
    FO_RESOLUTION_INTERRUPTED = 9,
    FO_CONFLICT_DONE = 10,
    FO_SERVER_STATE_COUNT = 11,
};

enum {
    FO_FLAG_COMMUNICATED = 1, /* OPTION_F_SERVER_FLAGS (RFC 8156 5.5.15) */
    FO_FLAG_STARTUP = 2,
    FO_FLAG_ACK_STARTUP = 4,
    FO_FLAG_FIXED_PD_LENGTH = 1, /* OPTION_F_CONNECT_FLAGS (RFC 8156 5.5.2) */
};

/* OPTION_STATUS_CODE. */
struct fo_status {
    bool present;
    uint16_t code;
    struct span text; /* UTF-8 as received, unchecked */
};

/* What this program can do beyond RFC 8156, told in a vendor option (17) of CONNECT and
 * CONNECTREPLY; a partner of another make passes over it. */
enum {
    FO_ENTERPRISE = 32473, /* RFC 5612: we have none of our own; the software name tells us apart */
    FO_CAPABILITIES_MAX = 16,
};

struct fo_capability {
    uint16_t id;      /* what; numbers are never reused */
    uint16_t version; /* in which form */
};

struct fo_capabilities {
    struct span software; /* "tandem6 0.1.0"; size 0: partner of another make */
    struct fo_capability items[FO_CAPABILITIES_MAX];
    unsigned count; /* more than FO_CAPABILITIES_MAX are left out */
};

/* The version of a capability both sides name, the lower one; 0 = not common. */
uint16_t fo_capability_common(const struct fo_capabilities *ours,
                              const struct fo_capabilities *theirs, uint16_t id);

enum {
    FO_HAS_VERSION = 1,
    FO_HAS_MCLT = 2,
    FO_HAS_KEEPALIVE = 4,
    FO_HAS_MAX_UNACKED = 8,
    FO_HAS_FLAGS = 16,
    FO_HAS_NAME = 32,
    /* What a CONNECT and an accepting CONNECTREPLY must carry (RFC 8156 6.1.1, 6.1.2). */
    FO_HAS_CONNECT =
        FO_HAS_VERSION | FO_HAS_MCLT | FO_HAS_KEEPALIVE | FO_HAS_MAX_UNACKED | FO_HAS_FLAGS,
};

/* CONNECT and CONNECTREPLY (RFC 8156 6.1.1, 6.1.2). */
struct fo_connect {
    unsigned has; /* bits above: which of the following were there, or are to be sent */
    uint16_t version_major, version_minor;
    uint32_t mclt_s;
    uint32_t keepalive_s;
    uint32_t max_unacked;
    uint16_t flags;
    struct span name; /* relationship name, UTF-8 */
    struct fo_capabilities capabilities;
};

/* STATE (RFC 8156 6.3). */
struct fo_state {
    uint8_t state; /* enum fo_server_state; 0 or beyond: not given or unknown */
    uint8_t flags; /* FO_FLAG_COMMUNICATED, _STARTUP, _ACK_STARTUP */
    bool has_flags, has_start, has_partner_down;
    sec_t start_s;        /* begin of the state */
    sec_t partner_down_s; /* entry into PARTNER-DOWN (facts F.14); only in that state */
};

struct fo_message {
    enum fo_message_type type;
    uint32_t xid;
    sec_t sent_s;              /* 0 for STARTTLS and REPLY */
    struct span options;       /* behind the header */
    struct fo_status status;   /* at top level: REPLY, CONNECTREPLY, DISCONNECT, BNDREPLY (F.30) */
    struct fo_connect connect; /* CONNECT, CONNECTREPLY */
    struct fo_state state;     /* STATE */
};

/* The first whole frame of a stream: octets it occupies, with the message in it (may be empty), or
 * 0 when more octets are needed. */
size_t fo_frame_next(struct span stream, struct span *ret_message);

/* Reads one message (without count). 0; -ENOMSG a type that is none of failover's; -EBADMSG header
 * or the sequence of options at top level is broken. */
int fo_wire_parse(struct span message, struct fo_message *ret_message) MUST_CHECK;

/* Each writes one frame and returns its size; 0: does not fit buf. sent-time is 0 until
 * fo_frame_stamp sets it as the frame leaves; a transaction-id that the link is to choose is 0. */

/* STARTTLS, POOLREQ, POOLRESP, UPDREQ, UPDREQALL, UPDDONE, CONTACT. */
size_t fo_encode_bare(enum fo_message_type type, uint32_t xid, uint8_t *buf, size_t buf_size);
/* REPLY, DISCONNECT, rejecting CONNECTREPLY: a status, with text if not NULL. REPLY with
 * FO_STATUS_SUCCESS carries none: that is "go ahead" (RFC 7653 9.1). */
size_t fo_encode_status(enum fo_message_type type, uint32_t xid, enum fo_status_code code,
                        const char *text, uint8_t *buf, size_t buf_size);
/* CONNECT or accepting CONNECTREPLY. */
size_t fo_encode_connect(enum fo_message_type type, uint32_t xid, const struct fo_connect *connect,
                         uint8_t *buf, size_t buf_size);
size_t fo_encode_state(uint32_t xid, const struct fo_state *state, uint8_t *buf, size_t buf_size);

/* Of a whole frame: reads or changes header fields in place. The time of STARTTLS and REPLY is left
 * alone, they have none. */
enum fo_message_type fo_frame_type(const uint8_t *frame);
uint32_t fo_frame_xid(const uint8_t *frame);
void fo_frame_xid_set(uint8_t *frame, uint32_t xid);
void fo_frame_stamp(uint8_t *frame, sec_t sent_s);

/* True for octets that are one of failover's message types. */
bool fo_type_known(unsigned type);

/* "BNDUPD", "NORMAL", "AddressInUse"; "UNKNOWN" for other values. */
const char *fo_message_name(unsigned type);
const char *fo_state_name(unsigned state);
const char *fo_status_name(unsigned code);

#endif

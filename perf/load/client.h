/* The clients: 64 bytes each, in one array, addressed by index. Identities follow from the client's
 * number (first client + index), so that another run finds the same ones. One thread. */
#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H

#include <assert.h>

#include "base/err.h"
#include "base/wire.h"

enum {
    CLIENT_NONE = 0xffffffff, /* no index */
    CLIENT_DUID_SIZE = 14,
    CLIENT_IAID_NA = 1,
    CLIENT_IAID_PD = 2,
    CLIENT_PREFIX_LENGTH_MAX = 64, /* longer delegations are refused as wrong */
    CLIENT_MESSAGE_SHIFT = 8,      /* message_at counts 256 ns */
};

enum phase {
    PHASE_UNBOUND, /* idle without a lease */
    PHASE_BOUND,   /* idle with one */
    PHASE_DONE,    /* idle for the rest of the run */
    PHASE_DELAYED, /* will start when its timer fires */
    PHASE_ASKING,  /* a message is unanswered */
    PHASE_OFFERED, /* has an ADVERTISE and waits for a better one */
};

enum client_flag {
    CLIENT_HOLDS = 1,    /* address and prefix are its leases, not only an offer */
    CLIENT_REBOOTED = 2, /* asks anew for what it holds */
    CLIENT_REFUSED = 4,  /* one server at least refused the SOLICIT */
};

struct client {
    struct ip6 address;   /* IA_NA: lease or offer; zero = none */
    uint64_t prefix;      /* IA_PD: upper half; with prefix_length 0 none */
    uint64_t exchange_ns; /* when the exchange was to start */
    uint32_t link_next;   /* busy: next client in the wheel's slot; idle: place in its list */
    uint32_t link_prev;   /* busy: previous one */
    uint32_t due_ms;      /* busy: when its timer fires */
    uint32_t valid_until_s;
    uint32_t rt_ms : 24; /* present retransmission time */
    uint32_t tries : 8;  /* transmissions of the present message, saturating */
    uint32_t message_at; /* first transmission after exchange_ns, in 256 ns, saturating; while
                            PHASE_OFFERED the preference of the offer */
    uint32_t xid : 24;
    uint32_t kind : 8; /* enum message_kind: the present or last message */
    uint8_t phase;     /* enum phase */
    uint8_t server;    /* index of the server it deals with */
    uint8_t flags;
    uint8_t prefix_length;
};

static_assert(sizeof(struct client) == 64, "millions of clients must fit into memory");

static inline bool client_is_idle(const struct client *client)
{
    return client->phase <= PHASE_DONE;
}

/* DUID-LLT with the number in its MAC; the scrambled time spreads it over the octets. */
static inline void client_duid(uint32_t number, uint8_t *ret_duid)
{
    wire_set_u16(ret_duid, 1);
    wire_set_u16(ret_duid + 2, 1);
    wire_set_u32(ret_duid + 4, number * 0x9e3779b1u);
    wire_set_u16(ret_duid + 8, 0x0200);
    wire_set_u32(ret_duid + 10, number);
}

#define CLIENT_LINK_LOCAL_IID 0x0a00000000000000ULL

/* The client's link-local address: the peer-address of its relay. */
static inline struct ip6 client_link_local(uint32_t number)
{
    return (struct ip6){0xfe80000000000000ULL, CLIENT_LINK_LOCAL_IID | number};
}

/* False when it is no client's. */
static inline bool client_from_link_local(struct ip6 address, uint32_t *ret_number)
{
    if (address.hi != 0xfe80000000000000ULL || (address.lo >> 32) != CLIENT_LINK_LOCAL_IID >> 32) {
        return false;
    }
    *ret_number = (uint32_t)address.lo;
    return true;
}

#endif

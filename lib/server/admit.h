/* What a worker that is behind takes on first, and what it gives up: packets by the value of their
 * message, fair per relay, stale ones not at all. A worker that keeps up never comes here.
 *
 * A worker is behind when its port gave it full bursts turn after turn. It then empties the port's
 * queue every turn, which blindly drops what comes last when it is full, into this backlog, and
 * takes from it what is worth most. That needs nothing from a port but bursts, so it works with any
 * of them; and each packet's time of arrival is known by the turn. Owned by one worker. */
#ifndef SERVER_ADMIT_H
#define SERVER_ADMIT_H

#include "base/counter.h"
#include "base/units.h"
#include "base/wire.h"
#include "server/packet.h"

/* The most valuable first. */
enum admit_rank {
    ADMIT_OTHER,   /* not DHCP: neighbours ask for our MAC address */
    ADMIT_KEEP,    /* RENEW, REBIND, RELEASE, DECLINE: leases that exist */
    ADMIT_REQUEST, /* REQUEST, CONFIRM: clients that have got far */
    ADMIT_SOLICIT, /* SOLICIT, INFORMATION-REQUEST, and what is malformed */
    ADMIT_RANKS
};

enum {
    ADMIT_CAPACITY = 1024, /* packets held; twice what most ports' queues hold */
    ADMIT_FLOWS = 256,     /* relays are told apart by that many hash values, renewed at each use */
    ADMIT_SHED_MAX = 16,   /* packets given up at a time, so that finding them costs little each */
    ADMIT_FULL_TURNS = 2,  /* full bursts in a row from which on a worker is behind */
};

/* What the first look at a frame tells. */
struct admit_label {
    enum admit_rank rank;
    uint32_t flow; /* hash of the relay; of the port and VLAN for direct clients */
};

struct admit_entry {
    struct packet packet;
    msec_t since_ms; /* it has arrived after that: its source was taken empty then */
    uint16_t next;   /* in its queue or the free list */
};

struct admit_queue {
    uint16_t head, tail;
};

struct admit {
    struct admit_entry *entries;
    uint16_t free_head;
    unsigned used, used_max;
    uint32_t salt; /* of the flows, so that no two relays share their fate for long */
    unsigned rank_used[ADMIT_RANKS];
    unsigned next_flow[ADMIT_RANKS];
    uint64_t busy[ADMIT_RANKS][ADMIT_FLOWS / 64]; /* flows with packets */
    uint16_t flow_used[ADMIT_RANKS][ADMIT_FLOWS];
    struct admit_queue queues[ADMIT_RANKS][ADMIT_FLOWS];
};

int admit_init(struct admit *admit) MUST_CHECK;
void admit_done(struct admit *admit);

/* Rank and relay of a frame without checking it: whoever takes the packet on does. */
struct admit_label admit_look(struct span frame, uint8_t port);

/* The rank of a DHCPv6 message type. */
enum admit_rank admit_rank_of(uint8_t type);

/* The counter of giving up one of a rank. */
enum counter admit_shed_counter(enum admit_rank rank);

static inline bool admit_full(const struct admit *admit)
{
    return admit->used == ADMIT_CAPACITY;
}

/* The least valuable rank that is held; not when empty. */
enum admit_rank admit_least(const struct admit *admit);

/* Takes a packet; only when not full. */
void admit_push(struct admit *admit, const struct packet *packet, struct admit_label label,
                msec_t since_ms);

/* The packet to work on next: of the most valuable rank, relays in turn, the oldest of each. False
 * when empty. */
bool admit_pop(struct admit *admit, struct packet *ret_packet);

/* Gives up the oldest packets of the relay that has most in the least valuable rank held, at most
 * half of what it has; not when empty. Their number, at least 1. */
unsigned admit_shed(struct admit *admit, struct packet ret_packets[ADMIT_SHED_MAX],
                    enum admit_rank *ret_rank);

/* Gives up packets whose clients have sent again by now (RFC 9915 7.6: SOL_TIMEOUT, REQ_TIMEOUT 1
 * s, REN_TIMEOUT 10 s). Their number; call again when it is ADMIT_SHED_MAX. */
unsigned admit_stale(struct admit *admit, msec_t now_ms, struct packet ret_packets[ADMIT_SHED_MAX]);

#endif

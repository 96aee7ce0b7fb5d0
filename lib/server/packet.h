/* A received or to-be-sent frame as the worker sees it, and the burst-level seam to whatever moves
 * frames: DPDK in app/, queues in tests and the simulation. */
#ifndef SERVER_PACKET_H
#define SERVER_PACKET_H

#include <stdbool.h>
#include <stdint.h>

struct packet {
    uint8_t *data;      /* the frame, from its first MAC octet */
    uint32_t size;      /* its octets */
    uint32_t room_size; /* writable octets at room */
    uint8_t *room;      /* behind the received frame, for the answer; NULL once used */
    void *handle;       /* the mover's own (an mbuf) */
    uint8_t port;       /* index in server.ports */
    bool checksum_good; /* the NIC vouches for the L4 checksum */
    bool handed_over;   /* came from another worker */
};

enum {
    PACKET_BURST = 32
};

/* All by one worker for itself; none may block. */
struct packet_io {
    void *ctx;
    /* At most max received packets, each with room behind it. */
    unsigned (*rx)(void *ctx, unsigned port, struct packet *ret_packets, unsigned max);
    /* Sends frames (data, size); owns every packet afterwards. Returns how many were taken. */
    unsigned (*tx)(void *ctx, unsigned port, struct packet *packets, unsigned count);
    /* Gives a packet up unsent. */
    void (*drop)(void *ctx, struct packet *packet);
    /* An empty packet whose room is for a frame of our own making; false when there is none. */
    bool (*make)(void *ctx, unsigned port, struct packet *ret_packet);
};

#endif

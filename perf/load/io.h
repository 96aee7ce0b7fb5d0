/* Where datagrams go and come from: UDP sockets (io_udp.c), a DPDK port (io_dpdk.c), or a test's
 * fake server. One thread. */
#ifndef LOAD_IO_H
#define LOAD_IO_H

#include "settings.h"

enum {
    IO_BURST = 64,
};

/* One UDP payload and the relay that sends it or got it (index in settings.relays). */
struct datagram {
    uint8_t *data;
    uint32_t size;
    uint16_t relay;
};

struct io {
    void *ctx;
    /* Sends each datagram to every server. Returns how many sendings failed; nothing is kept. */
    unsigned (*send)(void *ctx, const struct datagram *datagrams, unsigned count);
    /* At most IO_BURST; the data is borrowed until the next call. Does not wait. */
    unsigned (*receive)(void *ctx, struct datagram *ret_datagrams);
    /* Until something can be received or the time is over. */
    void (*wait)(void *ctx, uint64_t timeout_ns);
    uint64_t (*now)(void *ctx); /* monotonic ns, never 0 */
    void (*close)(void *ctx);
};

/* Each binds what settings names. 0, or a negative errno after saying why on standard error. */
int io_udp_open(const struct settings *settings, struct io *ret_io) MUST_CHECK;
int io_dpdk_open(const struct settings *settings, struct io *ret_io) MUST_CHECK;

#endif

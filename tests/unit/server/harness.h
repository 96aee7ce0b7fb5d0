/* A server without threads, NIC or disk: frames go in and out of arrays, and the test says when
 * records are durable. For tests of lib/server and benches of single steps. */
#ifndef TESTS_SERVER_HARNESS_H
#define TESTS_SERVER_HARNESS_H

#include "server/control.h"
#include "server/server.h"
#include "server/worker.h"

enum {
    HARNESS_QUEUE = 4096,
    HARNESS_FRAME = 4096,
    HARNESS_WORKERS = 4,
    HARNESS_NOW = 820000000
};

struct harness_io {
    struct harness *harness;
    unsigned worker;
};

struct harness_frame {
    uint8_t bytes[HARNESS_FRAME];
    uint32_t size;
    unsigned worker; /* queue it arrives at, or worker that sent it */
};

struct harness {
    struct config *config;
    struct server *server;
    struct control control;
    struct harness_io io[HARNESS_WORKERS];
    struct harness_frame *in, *out;
    unsigned in_count, out_count;
    uint64_t drained[HARNESS_WORKERS + 1]; /* journal stand-in: position per ring */
    uint8_t *log;                          /* records drained, each with a 16-bit size */
    size_t log_used;
    msec_t now_ms;
    sec_t now;
    uint8_t duid[14];     /* the server's */
    unsigned buffers_out; /* packets not given back */
};

/* config: JSON text, state_dir and management left out. Serving, nothing durable yet. */
void harness_open(struct harness *h, const char *config_text);
/* One of several servers: their DUIDs differ. */
void harness_open_as(struct harness *h, const char *config_text, uint8_t number);
void harness_close(struct harness *h);

/* A UDP datagram from a client or relay: src fe80::<id> unless from_relay, to ff02::1:2 or the
 * relay port's address, arriving at a worker's queue. */
void harness_send(struct harness *h, unsigned worker, const uint8_t *payload, size_t size);
void harness_send_from(struct harness *h, unsigned worker, struct ip6 src, struct ip6 dst,
                       const uint8_t *payload, size_t size);

/* A turn of every worker. */
void harness_turn(struct harness *h);

/* What the journal does: takes all records, keeps them, makes them durable. */
void harness_sync(struct harness *h);

/* Payload of the next sent DHCPv6 frame (to port 546 or 547), size 0 when there is none. ICMPv6 and
 * announcements are skipped. */
struct span harness_receive(struct harness *h);

/* A new server fed with everything drained so far, as after a crash. */
void harness_replay(struct harness *from, struct harness *to, const char *config_text);

uint64_t harness_counter(const struct harness *h, enum counter counter);

#endif

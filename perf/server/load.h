/* The benches' clients: frames of any number of distinct clients, written straight into received
 * buffers, and their answers read and checked. One client is one DUID with an IA_NA and, if asked
 * for, an IA_PD; directly, or all behind one relay that adds Interface-Id (24) and Remote-Id (16),
 * and up to seven more relays between that one and the server. */
#ifndef PERF_LOAD_H
#define PERF_LOAD_H

#include "net/frame.h"

enum load_kind {
    LOAD_SOLICIT, /* IA options empty */
    LOAD_RAPID,   /* SOLICIT with Rapid Commit */
    LOAD_REQUEST,
    LOAD_RENEW,
    LOAD_REBIND,
    LOAD_INFO, /* INFORMATION-REQUEST: no IA */
    LOAD_KIND_COUNT,
};

enum {
    LOAD_RELAYS_MAX = 8,
    LOAD_FRAME_MAX = 768,
};

struct load_client {
    struct ip6 address;
    uint64_t prefix; /* network half of the delegated prefix */
    uint32_t replies;
};

struct load {
    struct frame_port from; /* the clients' side */
    struct frame_to to;
    uint8_t server_id[64];
    size_t server_id_size; /* 0 until the first answer told it */
    unsigned ia_count;     /* 1: IA_NA; 2: IA_NA and IA_PD */
    unsigned relay_count;  /* 0: direct */
    bool wants_lease;      /* else an answer without one is good: LOAD_INFO */
    size_t at_message;     /* of the client's message in a frame */
    struct load_client *clients;
    uint64_t client_count;
    uint64_t wrong; /* answers that are not what the client may get */
    uint8_t frames[LOAD_KIND_COUNT][LOAD_FRAME_MAX];
    size_t frame_sizes[LOAD_KIND_COUNT];
    size_t at_duid[LOAD_KIND_COUNT], at_na[LOAD_KIND_COUNT], at_pd[LOAD_KIND_COUNT];
};

int load_init(struct load *load, uint64_t client_count, unsigned ia_count,
              unsigned relay_count) MUST_CHECK;
void load_done(struct load *load);

/* Writes client's message into buf; returns its size. REQUEST, RENEW and REBIND name the leases it
 * has. */
size_t load_write(const struct load *load, enum load_kind kind, uint64_t client, uint32_t xid,
                  uint8_t *buf);

/* Reads an answer: keeps its leases for the client. Returns the client, or UINT64_MAX for a frame
 * that is no good answer (counted). *ret_type is the message type. */
uint64_t load_read(struct load *load, const uint8_t *frame, size_t size, uint8_t *ret_type);

#endif

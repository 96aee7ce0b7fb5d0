/* DHCPv6 servers in one process and in a time of their own, which answer rightly unless told
 * otherwise: an answer is a struct that a test may spoil before it is written. */
#ifndef TEST_LOAD_FAKE_H
#define TEST_LOAD_FAKE_H

#include "engine.h"

enum {
    FAKE_SERVERS_MAX = 2,
    FAKE_QUEUE = 4096,
    FAKE_VALID_S = 3600,
};

struct fake_ia {
    unsigned count; /* options of this IA */
    uint32_t iaid, t1_s, t2_s;
    int status; /* -1: none */
    unsigned lease_count;
    struct answer_lease leases[2];
};

struct fake_answer {
    bool relayed;
    unsigned relay;
    uint8_t hop_count;
    struct ip6 link_address, peer_address;
    uint8_t interface_id[16];
    size_t interface_id_size;
    uint8_t type;
    uint32_t xid;
    uint8_t client_id[32];
    size_t client_id_size;
    uint8_t server_id[16];
    size_t server_id_size;
    unsigned server_id_count;
    uint8_t preference;
    bool rapid_commit;
    int status; /* -1: none */
    struct fake_ia na, pd;
    size_t cut; /* octets left away at the end */
};

struct fake_server {
    bool dead;
    uint8_t preference;
};

struct fake_queued {
    uint64_t due_ns;
    uint16_t relay;
    uint16_t size;
    uint8_t data[1000];
};

struct fake {
    const struct settings *settings;
    uint64_t now_ns, delay_ns;
    unsigned server_count;
    struct fake_server servers[FAKE_SERVERS_MAX];
    /* Called for each answer when set, before it is written; false: do not send it. */
    bool (*spoil)(struct fake *fake, struct fake_answer *answer);
    void *spoil_ctx;
    unsigned loss_percent; /* of answers */
    uint64_t random;
    uint64_t datagrams;         /* received */
    uint64_t unreadable;        /* of those, what our own parser refuses */
    uint64_t send_times_ns[64]; /* of the first datagrams */
    unsigned queue_first, queue_count;
    struct fake_queued queue[FAKE_QUEUE];
};

/* One live server that answers at once. */
struct fake *fake_new(const struct settings *settings);
void fake_free(struct fake *fake);
struct io fake_io(struct fake *fake);

/* What fake servers give client number. */
struct leases fake_leases(uint32_t number);

/* Turns until the engine is finished, or for so many seconds of its time. */
void fake_run(struct fake *fake, struct engine *engine, double seconds);

#endif

/* DHCPv6 as a client and its relay speak it, for tests that play many of them: a codec of its own,
 * so that nothing here relies on the server's. */
#ifndef WORLD_CLIENT_WIRE_H
#define WORLD_CLIENT_WIRE_H

#include "base/wire.h"
#include "lease/lease.h"

enum {
    CLIENT_IAS = 2,                  /* of kind 0, IA_NA, and 1, IA_PD */
    CLIENT_IA_LEASES = 4,            /* more in one IA are passed over */
    CLIENT_PAYLOAD_AT = 14 + 40 + 8, /* of a frame */
};

struct client_lease {
    struct resource resource;
    uint32_t preferred_s, valid_s;
};

struct client_ia {
    bool present;
    uint32_t iaid;
    uint32_t t1_s, t2_s;
    unsigned status;
    unsigned lease_count;
    struct client_lease leases[CLIENT_IA_LEASES];
};

struct client_message {
    uint8_t type;
    uint32_t xid;
    uint8_t client_id[DUID_SIZE_MAX];
    size_t client_id_size;
    uint8_t server_id[DUID_SIZE_MAX];
    size_t server_id_size; /* 0: none */
    bool rapid_commit;
    unsigned status; /* of the message */
    struct client_ia ias[CLIENT_IAS];
};

/* Octets written. */
size_t client_message_put(const struct client_message *message, uint8_t *buf, size_t buf_size);

/* A message to a client, or a Relay-reply with one in it; peer is the Relay-reply's. False: broken,
 * or with a Relay-reply in a Relay-reply. */
bool client_message_read(struct span payload, struct client_message *ret_message,
                         struct ip6 *ret_peer);

struct client_relay {
    struct ip6 address;    /* of the relay, also its link-address */
    struct ip6 peer;       /* the client's */
    const char *interface; /* NULL: none told */
};

/* A Relay-forward with the message. Octets written. */
size_t client_relay_put(const struct client_relay *relay, struct span message, uint8_t *buf,
                        size_t buf_size);

#endif

/* An answer taken apart, as far as a client looks at it. Accepts any bytes. Any thread. */
#ifndef LOAD_ANSWER_H
#define LOAD_ANSWER_H

#include "base/err.h"
#include "base/wire.h"

enum {
    ANSWER_LEASES_MAX = 4, /* that we look at in one IA; further ones are counted */
};

struct answer_lease {
    struct ip6 prefix; /* address or prefix */
    uint8_t length;
    uint32_t preferred_s, valid_s;
};

struct answer_ia {
    unsigned count; /* options of this type in the message; the fields are of the last */
    uint32_t iaid, t1_s, t2_s;
    uint16_t status;
    unsigned lease_count; /* may exceed ANSWER_LEASES_MAX */
    struct answer_lease leases[ANSWER_LEASES_MAX];
};

/* Spans borrow from the datagram. */
struct answer {
    bool relayed;
    uint8_t hop_count;
    struct ip6 link_address, peer_address;
    struct span interface_id; /* data NULL = absent */
    uint8_t type;
    uint32_t xid;
    struct span client_id, server_id; /* size 0 = absent */
    uint8_t preference;
    bool rapid_commit;
    uint16_t status;
    struct answer_ia na, pd;
};

/* 0, or -EBADMSG when an option overruns its place, has an impossible size or repeats where it must
 * not. */
int answer_parse(struct span payload, struct answer *ret_answer) MUST_CHECK;

#endif

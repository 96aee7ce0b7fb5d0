/* Plan to bytes: ADVERTISE or REPLY with its IAs, statuses and options, wrapped into the RELAY-REPL
 * chain (RFC 9915 18.3.10, 19.3). Any thread, between quiescent states. */
#ifndef DHCP6_ENCODE_H
#define DHCP6_ENCODE_H

#include "dhcp6/decide.h"

enum {
    ENCODE_CACHE_ROWS = 16,
    ENCODE_CACHE_ORO_MAX = 48,      /* octets: 24 codes */
    ENCODE_CACHE_OPTIONS_MAX = 248, /* octets */
};

/* The options of an answer before, and all that decided them. */
struct encode_cached {
    const struct policy
        *policy; /* compared, never followed: with the revision it tells policies apart */
    uint64_t revision;
    uint64_t classes;
    int link;
    uint8_t kind; /* of message; 0: an empty row */
    uint8_t oro_size, size;
    uint8_t oro[ENCODE_CACHE_ORO_MAX];
    uint8_t options[ENCODE_CACHE_OPTIONS_MAX];
};

/* Answers of one thread have much in common: clients of one make ask for the same options, which
 * then need not be looked up again. Starts zeroed. */
struct encode_cache {
    struct encode_cached rows[ENCODE_CACHE_ROWS];
};

/* Writes the whole UDP payload to buf. Returns its size; 0 when it does not fit buf_size even
 * without options nobody needs. The Server-ID, Client-ID (if given), IAs and statuses are always
 * there; options by ORO come from the plan's reservation, classes and link, in this order of
 * precedence. cache: the calling thread's, or NULL. */
size_t dhcp6_encode(const struct policy *policy, const struct dhcp6_message *message,
                    const struct plan *plan, struct encode_cache *cache, uint8_t *buf,
                    size_t buf_size);

#endif

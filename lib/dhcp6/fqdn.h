/* The Client FQDN option (RFC 4704): what we answer to what the client sent. Any thread. */
#ifndef DHCP6_FQDN_H
#define DHCP6_FQDN_H

#include <stdbool.h>

#include "base/wire.h"

enum {
    FQDN_S = 1, /* server updates AAAA records */
    FQDN_O = 2, /* server overrode the client's S */
    FQDN_N = 4, /* server updates nothing */
};

/* fqdn: option 39's data as the client sent it. True with the flags and the name (borrowed) to
 * answer; false when there is nothing to answer: absent, or its name is no DNS name. */
bool dhcp6_fqdn_answer(struct span fqdn, uint8_t *ret_flags, struct span *ret_name);

#endif

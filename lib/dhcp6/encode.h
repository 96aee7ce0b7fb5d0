/* Plan to bytes: ADVERTISE or REPLY with its IAs, statuses and options, wrapped into the RELAY-REPL
 * chain (RFC 9915 18.3.10, 19.3). Any thread, between quiescent states. */
#ifndef DHCP6_ENCODE_H
#define DHCP6_ENCODE_H

#include "dhcp6/decide.h"

/* Writes the whole UDP payload to buf. Returns its size; 0 when it does not fit buf_size even
 * without options nobody needs. The Server-ID, Client-ID (if given), IAs and statuses are always
 * there; options by ORO come from the plan's reservation, classes and link, in this order of
 * precedence. */
size_t dhcp6_encode(const struct policy *policy, const struct dhcp6_message *message,
                    const struct plan *plan, uint8_t *buf, size_t buf_size);

#endif

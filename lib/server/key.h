/* Reconfigure keys (RFC 9915 20.4): what a client was given is kept with its leases; a client that
 * accepts Reconfigure and has none gets one with its first Reply. Sending Reconfigure is later
 * work. */
#ifndef SERVER_KEY_H
#define SERVER_KEY_H

#include "base/siphash.h"
#include "dhcp6/decide.h"

/* Where a worker's new keys come from: a keyed counter. seed is random for each start and each
 * worker, so that no key repeats and none can be guessed from another. */
struct key_source {
    struct siphash_key seed;
    uint64_t counter;
};

/* Appends the client's key to its lease info (info_size of info's info_max octets in use): the one
 * its found leases carry, or, where the link gives keys and the client takes them, a new one.
 * Returns the new size of info; *ret_new is a new key within info, to be told to the client, or
 * size 0. */
size_t key_append(struct key_source *source, const struct decide_input *input, uint8_t *info,
                  size_t info_size, size_t info_max, struct span *ret_new);

#endif

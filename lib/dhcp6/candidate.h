/* Candidates: which resource an IA gets when it needs a new one - reservation, then the client's
 * former lease, then its hint, then the pools - and whether a resource fits a client at all. Pure;
 * reads the policy and, through candidate_source, the state of resources. Called by decide_grant.c
 * only; any thread, between quiescent states. RFC 9915 13, RFC 8168, RFC 8156 4.2. */
#ifndef DHCP6_CANDIDATE_H
#define DHCP6_CANDIDATE_H

#include "dhcp6/decide.h"

/* A resource for an IA and what the store has of it. */
struct candidate {
    struct resource resource;
    struct lease_found base; /* slot LEASE_SLOT_NONE: nothing */
    int pool;                /* policy pool index, -1: reservation outside pools */
    bool reserved;           /* held by the client's reservation (protocol facts F.41) */
};

/* What a client wishes of a prefix, read from its IA. */
struct candidate_wish {
    uint8_t length;   /* prefix length it would like, 0 = any */
    bool length_only; /* named without a prefix: more than its history counts (RFC 8168 3.2) */
};

/* True when the resource may be this client's on this link, whoever holds it now: reserved for it,
 * or in a pool of the link that its classes open and nobody else's reservation. Sets both outputs
 * then. */
bool candidate_fits(const struct decide_input *input, const struct resource *resource,
                    int *ret_pool, bool *ret_reserved);

/* The grant that rules a pool of the policy, or the link's for -1. */
const struct grant *candidate_grant(const struct decide_input *input, int pool);

/* True when lease belongs to this message's client and this IA (protocol facts F.17). */
bool candidate_is_own(const struct decide_input *input, const struct dhcp6_ia *ia,
                      const struct lease *lease);

/* True when the IA may have the resource of a fitting candidate (pool and reserved set) now:
 * unused in the plan, allowed by the grant, free or the client's own. Fills base. */
bool candidate_available(const struct decide_input *input, const struct plan *plan,
                         const struct dhcp6_ia *ia, struct candidate *candidate);

/* True when the plan already names the resource. */
bool candidate_in_plan(const struct plan *plan, const struct resource *resource);

struct candidate_wish candidate_wish(const struct decide_input *input, const struct dhcp6_ia *ia);

/* The best new lease for IA number ia_index, reservations apart. only_length 0: any prefix; else
 * nothing but that length. False when there is none. */
bool candidate_find(const struct decide_input *input, const struct plan *plan, unsigned ia_index,
                    uint8_t only_length, struct candidate *ret_candidate);

#endif

/* The policy snapshot: everything decisions depend on besides leases - links, pools, reservations,
 * classes, pre-encoded options, grants. Built by the control core (policy_new), immutable once
 * published under RCU, freed after a grace period. Readers: any thread, between quiescent states.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdatomic.h>

#include "base/siphash.h"
#include "base/wire.h"
#include "lease/pool.h"

struct policy_index;
struct claim; /* store/claim.h; policy only carries the pointer */
struct config;

enum {
    POLICY_LINK_NONE = -1,
    POLICY_CLASSES_MAX = 64, /* classes are bits of a 64-bit mask */
    POLICY_NAME_MAX = 64,
    POLICY_VENDORS_MAX = 4, /* Vendor Class options of a client that are looked at */
};

/* What an endpoint may do now; published by the failover state machine (RFC 8156 8.1; design 2).
 * Standalone servers have one that allows everything. */
enum grant_service {
    GRANT_SILENT,        /* answer nobody */
    GRANT_RENEW_KNOWN,   /* RENEW of known leases only (RECOVER-DONE, facts F.37) */
    GRANT_OWN_SERVER_ID, /* renew-responsive: messages that carry our Server-ID (F.38) */
    GRANT_ALL,           /* responsive */
};

struct grant {
    enum grant_service service;
    bool allocate;         /* new leases may be given */
    int8_t address_parity; /* lowest bit of new addresses, -1 = any (RFC 8156 4.2.1) */
    uint32_t mclt_s;       /* lifetime limit beyond the acknowledged one, 0 = none (4.4) */
    bool partner;          /* leases pass through EXPIRED/RELEASED before FREE (4.2.2.1) */
    bool partner_prefixes; /* once a pool's own share is used up, the partner's is open (8.4.1) */
};

/* One option of a set: the whole TLV (several TLVs back to back for repeating options). */
struct policy_option {
    uint16_t code;
    bool always; /* send even when the ORO does not ask */
    struct span tlv;
};

/* Sorted by code. */
struct policy_options {
    const struct policy_option *options;
    unsigned count;
};

/* NULL when the set lacks the code. */
const struct policy_option *policy_option_find(const struct policy_options *set, uint16_t code);

struct policy_lifetimes {
    uint32_t preferred_s, valid_s;
    uint32_t renew_s, rebind_s; /* T1, T2; 0 = by RFC 9915 21.4 from the preferred lifetime */
};

struct policy_pool {
    struct pool pool;
    unsigned link;    /* index of its link */
    uint64_t classes; /* client must be in one of these; 0 = anyone */
    const struct grant *grant;
    struct claim *claim; /* PD: ownership bits, attached by server/apply.c before publishing */
    struct claim *partner_claim; /* PD in a relationship: bits of what is free and the partner's */
    uint8_t free_status; /* PD: FREE, or FREE-BACKUP where we are the secondary: the status in which
                          * the bit is set; by server/apply.c too */
    const char *name;    /* "<link>/<range>[/<delegated_length>]" unless configured */
};

/* The status of free prefixes that are the partner's, by one's own. */
static inline uint8_t policy_partner_status(uint8_t free_status)
{
    return free_status == BINDING_FREE ? BINDING_FREE_BACKUP : BINDING_FREE;
}

struct policy_class {
    const char *name;
    bool drop; /* members are not answered */
    bool has_lifetimes;
    struct policy_lifetimes lifetimes; /* instead of the link's */
    struct policy_options options;     /* before the link's */
};

enum policy_key_kind {
    POLICY_KEY_DUID,
    POLICY_KEY_LINK_LAYER, /* address octets without hardware type */
    POLICY_KEY_REMOTE_ID,  /* opaque part, without enterprise number */
    POLICY_KEY_INTERFACE_ID,
    POLICY_KEY_SUBSCRIBER_ID,
    POLICY_KEY_KIND_COUNT,
};

enum {
    POLICY_RESERVED_MAX = 8
};

struct policy_reservation {
    enum policy_key_kind kind;
    struct span key;
    int link; /* index, or POLICY_LINK_NONE for every link the resource fits */
    struct resource resources[POLICY_RESERVED_MAX];
    unsigned resource_count;
    struct policy_options options; /* before class and link */
};

struct policy_link {
    const char *name;
    unsigned port; /* index of the config's ports */

    struct {
        struct ip6 prefix;
        uint8_t length;
    } * subnets;

    unsigned subnet_count;
    unsigned *pools; /* indexes into policy.pools, in configured order */
    unsigned pool_count;
    struct policy_lifetimes lifetimes;
    uint32_t decline_s; /* how long declined addresses rest */
    bool rapid_commit;
    bool reconfigure_key; /* give keys to clients that accept Reconfigure (RFC 9915 20.4) */
    uint8_t preference;   /* server preference, 0 = option left out */
    const struct grant *grant;
    int relationship;              /* index of the config's failovers, -1 = stands alone */
    struct policy_options options; /* link and global merged */
};

struct policy {
    uint64_t revision;
    struct span server_duid;
    struct siphash_key candidate_key; /* for pool_candidate */
    struct policy_link *links;
    unsigned link_count;
    struct policy_pool *pools;
    unsigned pool_count;
    struct policy_class *classes;
    unsigned class_count;
    struct policy_reservation *reservations;
    unsigned reservation_count;
    struct grant *grants; /* one per relationship, for policy_grant */
    unsigned grant_count;
    const struct policy_index *index; /* private: link, reservation and resource look-up tables */
};

/* Who is asking, in neutral terms: filled by dhcp6/message.c. Size 0: not given. */
struct policy_subject {
    struct span duid;
    struct span link_layer; /* octets of option 79 or of the sender's MAC (direct clients) */
    struct span remote_id;  /* opaque part */
    uint32_t remote_enterprise;
    struct span interface_id;
    struct span subscriber_id;
    struct span vendor_class; /* first class-data of the first option 16 */
    uint32_t vendor_enterprise;
    struct span user_class;     /* first instance of option 15 */
    uint8_t more_vendors_count; /* further options 16, one for each enterprise (RFC 9915 21.16) */

    struct {
        uint32_t enterprise;
        struct span vendor_class;
    } more_vendors[POLICY_VENDORS_MAX - 1];
};

/* identity: server DUID and candidate key as kept in state_dir. standalone grant for links without
 * failover. -ENOMEM only: config was checked. Copies what it needs from config. */
struct policy_identity {
    struct span server_duid;
    struct siphash_key candidate_key;
};

int policy_new(const struct config *config, const struct policy_identity *identity,
               uint64_t revision, struct policy **ret_policy) MUST_CHECK;
void policy_free(struct policy *policy);

/* The same policy under a new revision, with the grants of old and its pools' claims, still private
 * to the caller: change grants through policy_grant, then publish. Shares everything that cannot
 * change with old, so it costs no more than copying the link and pool rows. Control core only. */
int policy_rebuild(const struct policy *old, uint64_t revision,
                   struct policy **ret_policy) MUST_CHECK;

/* The grant of a relationship (index of the config's failovers), which its links and pools point
 * to. Starts as GRANT_SILENT. Change it only before the policy is published. */
struct grant *policy_grant(struct policy *policy, unsigned relationship);

/* Link index, or POLICY_LINK_NONE. By port for direct clients with a link-local source; by the
 * nearest non-zero relay link-address otherwise: exact relay_addresses first, then the longest
 * subnet (RFC 9915 13.1). */
int policy_link_by_port(const struct policy *policy, unsigned port);
int policy_link_by_address(const struct policy *policy, struct ip6 address);

/* True for an address that is a server port's or a relay's by configuration: no client may have it.
 */
bool policy_address_assigned(const struct policy *policy, struct ip6 address);

/* Bits of the classes the subject is in. Zero cost when no class is configured. */
uint64_t policy_classify(const struct policy *policy, const struct policy_subject *subject);

/* The reservation for the subject on the link, or NULL; kinds in enum order of precedence. Zero
 * cost when there is none configured. */
const struct policy_reservation *policy_reservation_find(const struct policy *policy, unsigned link,
                                                         const struct policy_subject *subject);

/* The reservation that holds the resource (or, for a prefix, overlaps it), or NULL. */
const struct policy_reservation *policy_reservation_of(const struct policy *policy,
                                                       const struct resource *resource);

/* The pool of the link that contains the resource, or -1. */
int policy_pool_of(const struct policy *policy, unsigned link, const struct resource *resource);

/* The pool anywhere that contains the resource, or -1 (sweeps, listings; not the packet path). */
int policy_pool_find(const struct policy *policy, const struct resource *resource);

/* True when the address is on the link (one of its subnets, or one of its pools' ranges). */
bool policy_on_link(const struct policy *policy, unsigned link, struct ip6 address);

/* Lifetimes for a client on a link: the first class with own lifetimes, else the link's. */
const struct policy_lifetimes *policy_lifetimes_for(const struct policy *policy, unsigned link,
                                                    uint64_t classes);

#endif

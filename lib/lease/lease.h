/* The lease record: what it is, what its states are, how long it may last.
 *
 * A struct lease is a value: a complete image of one version of one lease, as a decision produces
 * it, the journal writes it and the partner hears it. Spans in it are borrowed. Where it lives
 * (slots, indexes, versions) is the store's business. Knows nothing of packets, pools' contents or
 * threads. */
#ifndef LEASE_LEASE_H
#define LEASE_LEASE_H

#include "base/err.h"
#include "base/units.h"
#include "base/wire.h"

enum {
    DUID_SIZE_MIN = 3, /* type and at least one octet (RFC 9915 11.1) */
    DUID_SIZE_MAX = 130,
    LEASE_TRANSIT_S = 5,       /* a client counts from receipt: its time may end that much later */
    LEASE_INFO_SIZE_MAX = 360, /* encoded info items, see below */
};

/* Option codes of the containers, so that a type converts to the wire and back without a table. */
enum lease_type {
    LEASE_TYPE_NA = 3,
    LEASE_TYPE_PD = 25,
};

/* Binding status, values of OPTION_F_BINDING_STATUS (RFC 8156 5.5.1, 7.2). */
enum binding_status {
    BINDING_ACTIVE = 1,
    BINDING_EXPIRED = 2,
    BINDING_RELEASED = 3,
    BINDING_PENDING_FREE = 4,
    BINDING_FREE = 5,
    BINDING_FREE_BACKUP = 6,
    BINDING_ABANDONED = 7,
    BINDING_RESET = 8,
    BINDING_STATUS_COUNT = 9,
};

/* What a lease is about: one address, or one delegated prefix. */
struct resource {
    struct ip6 prefix; /* for an address the address itself */
    uint8_t length;    /* prefix length; 128 for an address */
    uint8_t type;      /* enum lease_type */
};

static inline bool resource_equal(const struct resource *a, const struct resource *b)
{
    return ip6_equal(a->prefix, b->prefix) && a->length == b->length && a->type == b->type;
}

/* Times kept per lease (RFC 8156 7.3; protocol facts B.3). 0 = not known / no timeout. */
struct lease_times {
    sec_t start_s;                  /* begin of the current status */
    sec_t expires_s;                /* end of the current status; ACTIVE: as the client knows it */
    sec_t clt_s;                    /* own last contact with the client */
    sec_t partner_lifetime_s;       /* what was or will be sent to the partner as option 123 */
    sec_t acked_partner_lifetime_s; /* greatest value the partner acknowledged to us */
    sec_t expiration_s;             /* greatest value we acknowledged to the partner */
    sec_t partner_raw_clt_s;        /* the partner's last contact with the client */
    sec_t horizon_s;                /* disk promise beyond expires_s; equals expires_s without it */
    uint32_t preferred_lifetime_s;  /* as told to the client last */
    uint32_t valid_lifetime_s;      /* as told to the client last */
    uint32_t t1_s, t2_s;            /* as told to the client last */
};

enum {
    LEASE_FLAG_RESERVED = 1,     /* held by reservation (protocol facts F.41) */
    LEASE_FLAG_UNCERTAIN = 2,    /* expiry is the horizon, see design 2 */
    LEASE_FLAG_RECONF_ACCEPT = 4 /* the client accepts Reconfigure */
};

struct lease {
    struct resource resource;
    uint32_t iaid;
    uint64_t version; /* never restarts for a resource (design invariant 7); set by the store */
    uint8_t status;   /* enum binding_status */
    uint8_t flags;
    struct lease_times times;
    struct span duid; /* most recent client; size 0: never had one */
    struct span info; /* items below, encoded; size 0: none */
};

/* A consistent picture of a stored lease at one moment. The spans point into the store and stay
 * valid until the reader's next quiescent state. */
struct lease_found {
    struct lease lease;
    uint32_t slot; /* LEASE_SLOT_NONE: nothing there */
};

#define LEASE_SLOT_NONE UINT32_MAX

/* Things remembered about the client and its way to us, each at most once, kept in encoded form:
 * tag (1), size (1), data. They are compared and copied as one span. */
enum lease_info_tag {
    LEASE_INFO_PEER_ADDRESS = 1, /* innermost peer-address, 16; or 8 (the IID) when link-local */
    LEASE_INFO_LINK_ADDRESS,     /* innermost non-zero link-address, 16 */
    LEASE_INFO_RELAY,            /* source address of the outermost relay, 16 */
    LEASE_INFO_INTERFACE_ID,     /* innermost option 18 */
    LEASE_INFO_REMOTE_ID,        /* innermost option 37, enterprise number included */
    LEASE_INFO_SUBSCRIBER_ID,    /* option 38 */
    LEASE_INFO_RELAY_ID,         /* option 53 */
    LEASE_INFO_LINK_LAYER, /* option 79: hardware type 2, address; or the direct sender's MAC */
    LEASE_INFO_FQDN,       /* option 39: flags as answered 1, name in wire form */
    LEASE_INFO_RECONFIGURE_KEY, /* creation time sec_t 4, key 16 */
    LEASE_INFO_DNS_REMOVAL,     /* content of option 116, kept for a partner that updates DNS */
    LEASE_INFO_TAG_COUNT,
};

/* Appends one item; data longer than 255 octets or one that does not fit out's room (give it at
 * most LEASE_INFO_SIZE_MAX) is left out (it is advice for operators and relays, never needed to
 * serve the client): returns false then, and out stays good for shorter items. */
bool lease_info_add(struct wire_out *out, enum lease_info_tag tag, struct span data);

/* The item's data, size 0 when absent. */
struct span lease_info_find(struct span info, enum lease_info_tag tag);

/* The leading items that fit into size octets, whole ones only. */
struct span lease_info_cut(struct span info, size_t size);

/* True when the whole span is well-formed items with known tags; used on replay. */
bool lease_info_valid(struct span info);

/* A short upper-case name ("ACTIVE"); "UNKNOWN" for other values. */
const char *binding_status_name(unsigned status);

/* Same client in the sense of protocol facts F.17: DUID, IA type and IAID. */
bool lease_same_client(const struct lease *a, const struct lease *b);

/* The time at which a lifetime beginning at now ends; 0 (no timeout) for an infinite one. */
static inline sec_t lease_expiry(sec_t now, uint32_t lifetime_s)
{
    sec_t end = now + lifetime_s;

    if (lifetime_s == LIFETIME_INFINITE) {
        return 0;
    }
    return end == 0 ? 1 : end; /* 0 says something else; a second late is harmless */
}

/* True when the current status has an end and it has come. */
static inline bool lease_is_over(const struct lease *lease, sec_t now)
{
    return lease->times.expires_s != 0 && !sec_after(lease->times.expires_s, now);
}

/* True while no other client may have the resource: ACTIVE and not expired at now, ABANDONED and
 * resting, EXPIRED/RELEASED/RESET waiting for the partner. */
bool lease_is_held(const struct lease *lease, sec_t now);

/* Lifetime to give, RFC 8156 4.4: min(desired, max(acked, now) + mclt - now). mclt_s 0 = no limit
 * (standalone or PARTNER-DOWN). */
uint32_t lease_valid_lifetime(uint32_t desired_s, sec_t acked_partner_lifetime_s, uint32_t mclt_s,
                              sec_t now);

/* What a lease becomes when its client, or the operator for it, gives it back. With a partner it
 * must hear of it before anybody else may have the resource (RFC 8156 4.2.2.1), and the times it
 * was told still count until then (8.4.1). */
void lease_release(struct lease *lease, bool partner, sec_t now);
/* What a lease becomes whose resource somebody else uses: it rests. */
void lease_decline(struct lease *lease, uint32_t rest_s, sec_t now);

/* True if binding status may go from one to the other: RFC 8156 7.2 Figure 2, staying included
 * (times change without the status), the transient PENDING-FREE passed through at once, and the
 * short ways a server without a partner takes (ACTIVE or ABANDONED to FREE). */
bool binding_transition_legal(enum binding_status from, enum binding_status to);

#endif

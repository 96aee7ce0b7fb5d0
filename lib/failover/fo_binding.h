/* Leases in BNDUPD and BNDREPLY (RFC 8156 7.4, 7.6; facts A.5) to and from struct lease.
 *
 * A lease crosses the wire as its sender keeps it: lease.times of a received lease are the sender's
 * (partner_lifetime_s from option 123, expiration_s from 120, clt_s from CLT_TIME made absolute,
 * partner_raw_clt_s from 126); what the receiver makes of them (RFC 8156 Figure 5) is
 * fo_update.c's. A received message is read lazily, without memory and without bound on leases:
 *
 *     fo_binding_parse(&message, &binding);
 *     fo_reply_begin(&reply, &binding, binding.fault, NULL, buf, buf_size);
 *     while (!binding.fault && fo_binding_next(&binding, &lease)) {
 *         ... judge lease.lease unless lease.fault; commit ...
 *         fo_reply_add(&reply, &lease, code, text);
 *     }
 *     size = fo_reply_end(&reply);       to be sent once the commits are durable
 *
 * Pure functions over bytes. Any thread. */
#ifndef FAILOVER_FO_BINDING_H
#define FAILOVER_FO_BINDING_H

#include "failover/fo_wire.h"
#include "lease/lease.h"

enum fo_container {
    FO_CONTAINER_NONE,   /* neither, or more than one: fault says so */
    FO_CONTAINER_CLIENT, /* OPTION_CLIENT_DATA: leases of one client */
    FO_CONTAINER_PREFIX, /* OPTION_IAPREFIX: one prefix or block, no client */
};

/* The container of a BNDUPD or BNDREPLY, and where reading it has come to. */
struct fo_binding {
    uint32_t xid;
    bool is_update; /* BNDUPD; else BNDREPLY, which says less */
    enum fo_container container;
    uint16_t fault;          /* FO_STATUS_MISSING_BINDING: reject the whole; else 0 */
    struct fo_status status; /* BNDREPLY: of the whole, the first error from outside in */
    struct span duid;
    struct span vss;         /* OPTION_VSS; size 0: default VPN */
    struct span relay_data;  /* OPTION_LQ_RELAY_DATA */
    struct span reconfigure; /* OPTION_F_RECONFIGURE_DATA */
    struct span dns_removal; /* OPTION_F_DNS_REMOVAL_INFO beside the client (facts F.21) */
    struct span vendor;      /* our own sub-options of OPTION_VENDOR_OPTS */
    bool has_base, has_clt;  /* of the two following */
    sec_t base_s;            /* OPTION_LQ_BASE_TIME, 0 when absent */
    uint32_t clt_ago_s;      /* OPTION_CLT_TIME beside the client (facts F.22) */
    struct span content;     /* of the container option */

    struct fo_binding_place {    /* private to fo_binding_next */
        struct wire_in options;  /* of the container */
        struct wire_in ia;       /* of the IA being read */
        struct span ia_fixed;    /* its IAID, T1, T2 */
        struct fo_status status; /* its status */
        uint16_t ia_type, ia_fault;
        unsigned ia_index;
        bool done;
    } place;
};

/* Which times were there, for what has to be echoed or told apart from 0. */
enum {
    FO_HAS_BINDING_STATUS = 1,
    FO_HAS_START = 2,
    FO_HAS_EXPIRES = 4,
    FO_HAS_CLT = 8,
    FO_HAS_PARTNER_LIFETIME = 16,
    FO_HAS_PARTNER_LIFETIME_SENT = 32,
    FO_HAS_RAW_CLT = 64,
    FO_HAS_EXPIRATION = 128,
};

/* One lease of a binding. Spans point into the message. */
struct fo_lease {
    struct lease lease; /* as its sender keeps it; info empty, see fo_lease_info; a wire time 0
                         * becomes 1, as 0 says "none" in a record */
    uint16_t ia_type;   /* 3, 4 (IA_TA: refuse with 17, facts F.20), 25; 0: no client */
    unsigned ia_index;  /* leases of one IA option have the same */
    uint16_t fault;     /* FO_STATUS_MISSING_BINDING: reject this lease; else 0 */
    unsigned has;       /* bits above */
    sec_t partner_lifetime_sent_s; /* 124, in a BNDREPLY */
    struct fo_status
        status;       /* BNDREPLY: error that rejects it, of any level; or success and text */
    struct span fqdn; /* OPTION_CLIENT_FQDN */
    struct span dns_removal; /* OPTION_F_DNS_REMOVAL_INFO */
    struct span fixed;       /* private, for the reply: IAADDR or IAPREFIX up to its options */
    struct span ia_fixed;    /* private: IAID, T1, T2 */
    sec_t expires_raw, partner_lifetime_raw; /* private: as received, for the exact echo */
};

/* The binding in a parsed BNDUPD or BNDREPLY. Always readable: what cannot be used is in fault. */
void fo_binding_parse(const struct fo_message *message, struct fo_binding *ret_binding);

/* The next lease, in the order of the message; false: no more. */
bool fo_binding_next(struct fo_binding *binding, struct fo_lease *ret_lease);

/* True when the lease, all of its IA and all of its container were accepted (BNDREPLY). */
static inline bool fo_lease_accepted(const struct fo_lease *lease)
{
    return lease->fault == 0 && (!lease->status.present || lease->status.code == 0);
}

/* Info items (lease/lease.h) of a received lease, in the order a worker writes them: relay data,
 * FQDN, reconfigure key, DNS removal data. buf of LEASE_INFO_SIZE_MAX takes all that fits. Returns
 * the octets written. */
size_t fo_lease_info(const struct fo_binding *binding, const struct fo_lease *lease, uint8_t *buf,
                     size_t buf_size);

/* A BNDUPD about leases of one client (all the same DUID and info, taken from the first), or about
 * one prefix without a client (duid empty). base_s: now. Returns the frame's size; 0: it does not
 * fit, or the lease has no form on the wire (an address that never had a client, facts F.23). */
size_t fo_encode_bndupd(const struct lease *leases, unsigned lease_count, sec_t base_s,
                        uint8_t *buf, size_t buf_size);

/* A BNDREPLY under construction. */
struct fo_reply {
    const struct fo_binding *binding;
    struct wire_out out;
    uint8_t *frame, *container, *ia; /* where their sizes are to be filled in */
    unsigned ia_index;
};

/* code and text (NULL: none) are about the whole container: with an error, no lease need follow.
 * A binding without container gets the status at top level (facts F.30). Errors stick until end. */
void fo_reply_begin(struct fo_reply *reply, const struct fo_binding *binding,
                    enum fo_status_code code, const char *text, uint8_t *buf, size_t buf_size);
void fo_reply_add(struct fo_reply *reply, const struct fo_lease *lease, enum fo_status_code code,
                  const char *text);
/* The frame's size, 0 when it did not fit. */
size_t fo_reply_end(struct fo_reply *reply);

#endif

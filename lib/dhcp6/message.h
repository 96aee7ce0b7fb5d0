/* DHCPv6 messages to views: one pass, no copies, relay chain included. Accepts any bytes. What is
 * wrong with a message is told as the counter of its drop. RFC 9915 7, 8, 9, 16, 21. Any thread. */
#ifndef DHCP6_MESSAGE_H
#define DHCP6_MESSAGE_H

#include "base/counter.h"
#include "base/wire.h"
#include "lease/lease.h"
#include "policy/policy.h"

enum dhcp6_type {
    DHCP6_SOLICIT = 1,
    DHCP6_ADVERTISE = 2,
    DHCP6_REQUEST = 3,
    DHCP6_CONFIRM = 4,
    DHCP6_RENEW = 5,
    DHCP6_REBIND = 6,
    DHCP6_REPLY = 7,
    DHCP6_RELEASE = 8,
    DHCP6_DECLINE = 9,
    DHCP6_RECONFIGURE = 10,
    DHCP6_INFORMATION_REQUEST = 11,
    DHCP6_RELAY_FORW = 12,
    DHCP6_RELAY_REPL = 13,
};

enum {
    DHCP6_IAS_MAX = 16,        /* IA_NA and IA_PD in one message */
    DHCP6_LEASES_MAX = 32,     /* leases of all IAs together */
    DHCP6_HOP_COUNT_MAX = 8,   /* HOP_COUNT_LIMIT (RFC 9915 7.6) */
    DHCP6_RELAYS_MAX = 9,      /* so at most 9 levels reach a server */
    DHCP6_OPTIONS_MAX = 512,   /* options of all levels together that we look at */
    DHCP6_ORO_CODES_MAX = 256, /* codes of an ORO that we look at */
    DHCP6_CLIENT_PORT = 546,
    DHCP6_SERVER_PORT = 547,
};

/* One IAADDR or IAPREFIX as the client sent it. A prefix hint may have prefix :: and a length. */
struct dhcp6_lease {
    struct resource resource;
    uint32_t preferred_s, valid_s;
    struct span exclude; /* RFC 6603 option inside, size 0 = none */
};

struct dhcp6_ia {
    uint8_t type; /* enum lease_type: IA_NA 3, IA_PD 25 */
    uint32_t iaid;
    uint32_t t1_s, t2_s;
    uint8_t lease_first, lease_count; /* in message.leases */
};

struct dhcp6_relay {
    uint8_t hop_count;
    struct ip6 link_address, peer_address;
    struct span interface_id; /* option 18; data NULL = absent (empty is legal and echoed) */
    struct span remote_id;    /* option 37, enterprise number included */
    struct span subscriber_id, relay_id, link_layer;
    struct span echo_request; /* option 43 */
    bool has_relay_port;      /* option 135 */
    uint16_t relay_port;      /* its downstream port */
    struct span rsoo;         /* option 66, contents */
    struct span options;      /* all options of this level, for Echo Request */
};

struct dhcp6_message {
    uint8_t type;
    uint8_t xid[3];
    struct span client_id; /* size 0 = absent, else 3..130 octets; a malformed one is a drop: an
                              answer could neither carry it nor leave it out (RFC 9915 16.10) */
    struct span server_id; /* data NULL = absent */
    bool rapid_commit, reconf_accept;
    struct span oro; /* option 6, even size */
    bool oro_present;
    struct span fqdn;                    /* option 39 */
    struct span user_class, vendor_opts; /* first instances, whole option data */
    uint8_t vendor_count;                /* Vendor Class options, whole option data */
    struct span vendors[POLICY_VENDORS_MAX];
    uint16_t elapsed_cs; /* 1/100 s */
    uint8_t ia_count, lease_count, relay_count;
    struct dhcp6_ia ias[DHCP6_IAS_MAX];
    struct dhcp6_lease leases[DHCP6_LEASES_MAX];
    struct dhcp6_relay relays[DHCP6_RELAYS_MAX]; /* [0] outermost */
    struct policy_subject subject;
};

/* Parses a UDP payload. 0, or -EBADMSG with the counter that says why; ret_message is undefined
 * then. IA_TA, Server Unicast, unknown options and known ones in a wrong place are skipped (RFC
 * 9915 16); a known option in its place with an impossible size condemns the message. Of singletons
 * that repeat the first counts, but two identifiers are malformed. On 0 every field is set except
 * array elements beyond their count, which are undefined; spans borrow from payload. The subject's
 * link_layer stays empty for direct clients: the caller knows the frame. */
int dhcp6_message_parse(struct span payload, struct dhcp6_message *ret_message,
                        enum counter *ret_drop) MUST_CHECK;

/* True when the client's ORO names the code (among its first DHCP6_ORO_CODES_MAX). */
bool dhcp6_oro_has(const struct dhcp6_message *message, uint16_t code);

/* The link-address that selects the link: the one nearest the client that is not zero (RFC
 * 9915 13.1); zero when there is none. */
struct ip6 dhcp6_link_address(const struct dhcp6_message *message);

/* Encodes what is worth remembering of the message and its relays as lease info (lease/lease.h), in
 * tag order, so that unchanged facts give unchanged bytes. relay_source: IPv6 source of the
 * datagram, for direct clients their own address. Returns the size written. */
size_t dhcp6_lease_info(const struct dhcp6_message *message, struct ip6 relay_source, uint8_t *buf,
                        size_t buf_size);

#endif

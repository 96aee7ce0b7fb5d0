/* Option codes and one table row per option: name, data format (which fixes the sizes that can be
 * right), where it may stand, whether a client may ask for it in its ORO. RFC 9915 21 and the RFCs
 * named in option.c. Any thread. */
#ifndef DHCP6_OPTION_H
#define DHCP6_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dhcp6_option_code {
    OPTION_CLIENTID = 1,
    OPTION_SERVERID = 2,
    OPTION_IA_NA = 3,
    OPTION_IA_TA = 4,
    OPTION_IAADDR = 5,
    OPTION_ORO = 6,
    OPTION_PREFERENCE = 7,
    OPTION_ELAPSED_TIME = 8,
    OPTION_RELAY_MSG = 9,
    OPTION_AUTH = 11,
    OPTION_UNICAST = 12,
    OPTION_STATUS_CODE = 13,
    OPTION_RAPID_COMMIT = 14,
    OPTION_USER_CLASS = 15,
    OPTION_VENDOR_CLASS = 16,
    OPTION_VENDOR_OPTS = 17,
    OPTION_INTERFACE_ID = 18,
    OPTION_RECONF_MSG = 19,
    OPTION_RECONF_ACCEPT = 20,
    OPTION_DNS_SERVERS = 23,
    OPTION_DOMAIN_LIST = 24,
    OPTION_IA_PD = 25,
    OPTION_IAPREFIX = 26,
    OPTION_SNTP_SERVERS = 31,
    OPTION_INFORMATION_REFRESH_TIME = 32,
    OPTION_REMOTE_ID = 37,
    OPTION_SUBSCRIBER_ID = 38,
    OPTION_CLIENT_FQDN = 39,
    OPTION_ERO = 43,
    OPTION_RELAY_ID = 53,
    OPTION_NTP_SERVER = 56,
    OPTION_AFTR_NAME = 64,
    OPTION_ERP_LOCAL_DOMAIN_NAME = 65,
    OPTION_RSOO = 66,
    OPTION_PD_EXCLUDE = 67,
    OPTION_CLIENT_LINKLAYER_ADDR = 79,
    OPTION_SOL_MAX_RT = 82,
    OPTION_INF_MAX_RT = 83,
    OPTION_S46_CONT_MAPE = 94,
    OPTION_S46_CONT_MAPT = 95,
    OPTION_S46_CONT_LW = 96,
    OPTION_CAPTIVE_PORTAL = 103,
    OPTION_RELAY_PORT = 135,
    OPTION_V6_DNR = 144,
};

enum {
    OPTION_CODES_MAX = 192, /* every code of the table is below */
};

enum dhcp6_status {
    STATUS_SUCCESS = 0,
    STATUS_UNSPEC_FAIL = 1,
    STATUS_NO_ADDRS_AVAIL = 2,
    STATUS_NO_BINDING = 3,
    STATUS_NOT_ON_LINK = 4,
    STATUS_NO_PREFIX_AVAIL = 6,
};

enum dhcp6_option_format {
    FORMAT_EMPTY,
    FORMAT_U8,
    FORMAT_U16,
    FORMAT_U32,
    FORMAT_OPAQUE,        /* any octets, none too */
    FORMAT_OPAQUE_SOME,   /* at least one octet */
    FORMAT_TEXT,          /* UTF-8, no NUL */
    FORMAT_DUID,          /* 3..130 octets (RFC 9915 11.1) */
    FORMAT_CODES,         /* option codes, 2 octets each */
    FORMAT_ADDRESSES,     /* IPv6 addresses, 16 octets each */
    FORMAT_NAMES,         /* DNS names in wire form */
    FORMAT_OPTIONS,       /* a sequence of options */
    FORMAT_MESSAGE,       /* a DHCPv6 message */
    FORMAT_IA,            /* IAID 4, T1 4, T2 4, options */
    FORMAT_IA_TA,         /* IAID 4, options */
    FORMAT_IAADDR,        /* address 16, preferred 4, valid 4, options */
    FORMAT_IAPREFIX,      /* preferred 4, valid 4, length 1, prefix 16, options */
    FORMAT_AUTH,          /* protocol, algorithm, RDM 1 each, replay 8, information */
    FORMAT_STATUS,        /* code 2, text */
    FORMAT_CLASSES,       /* one or more: size 2, octets */
    FORMAT_VENDOR,        /* enterprise number 4, vendor's data */
    FORMAT_VENDOR_OPAQUE, /* enterprise number 4, at least one octet */
    FORMAT_FQDN,          /* flags 1, DNS name, possibly partial */
    FORMAT_PD_EXCLUDE,    /* prefix length 1, subnet ID 1..16 (RFC 6603 4.2) */
    FORMAT_LINK_LAYER,    /* hardware type 2, address */
    FORMAT_DNR,           /* priority 2, name size 2, name, addresses and SvcParams */
    FORMAT_COUNT,
};

/* Where an option may stand, bits. */
enum {
    OPTION_FROM_CLIENT = 1, /* top level of a client's message */
    OPTION_FROM_RELAY = 2,  /* a RELAY-FORW */
    OPTION_FROM_SERVER = 4, /* top level of an ADVERTISE or REPLY */
    OPTION_IN_IA_NA = 8,
    OPTION_IN_IA_PD = 16,
    OPTION_IN_IAADDR = 32,
    OPTION_IN_IAPREFIX = 64,
};

struct dhcp6_option_row {
    const char *name; /* as registered, without OPTION_; NULL: a code we know nothing of */
    /* Sizes that can be right for the format: size_min up to size_room more, in steps of
     * size_mask + 1, a power of two. */
    uint16_t size_room;
    uint8_t size_min, size_mask;
    uint8_t format;            /* enum dhcp6_option_format */
    uint8_t where;             /* bits above */
    bool requestable : 1;      /* may be named in an ORO (RFC 9915 21.7) */
    bool repeats : 1;          /* more than one instance is legal in one place (RFC 9915 21) */
    bool relay_may_supply : 1; /* RSOO-enabled (RFC 6422 4) */
};

/* By code; those without a row are all zero, in no place. */
extern const struct dhcp6_option_row dhcp6_option_rows[OPTION_CODES_MAX];

/* The row of a code, NULL for codes we know nothing of. */
const struct dhcp6_option_row *dhcp6_option_row(uint16_t code);

/* True when data of this size can be right for the row's format. */
static inline bool dhcp6_option_size_valid(const struct dhcp6_option_row *row, size_t size)
{
    size_t above = size - row->size_min; /* huge when below */

    return above <= row->size_room && (above & row->size_mask) == 0;
}

#endif

/* The option table. Data only: parsing and encoding ask it what an option is, where it may stand
 * and which sizes can be right. Knows nothing of messages. */
#include "dhcp6/option.h"

/* Sizes of a format: least, most, and the step between those that can be right. */
#define SIZES(min, max, step) (max) - (min), (min), (step)-1
/* clang-format off */
#define SIZES_EMPTY          SIZES(0, 0, 1)
#define SIZES_U8             SIZES(1, 1, 1)
#define SIZES_U16            SIZES(2, 2, 1)
#define SIZES_U32            SIZES(4, 4, 1)
#define SIZES_OPAQUE         SIZES(0, UINT16_MAX, 1)
#define SIZES_OPAQUE_SOME    SIZES(1, UINT16_MAX, 1)
#define SIZES_TEXT           SIZES(0, UINT16_MAX, 1)
#define SIZES_DUID           SIZES(3, 130, 1)
#define SIZES_CODES          SIZES(0, UINT16_MAX, 2)
#define SIZES_ADDRESSES      SIZES(16, UINT16_MAX, 16)
#define SIZES_NAMES          SIZES(1, UINT16_MAX, 1)
#define SIZES_OPTIONS        SIZES(0, UINT16_MAX, 1)
#define SIZES_MESSAGE        SIZES(4, UINT16_MAX, 1)
#define SIZES_IA             SIZES(12, UINT16_MAX, 1)
#define SIZES_IA_TA          SIZES(4, UINT16_MAX, 1)
#define SIZES_IAADDR         SIZES(24, UINT16_MAX, 1)
#define SIZES_IAPREFIX       SIZES(25, UINT16_MAX, 1)
#define SIZES_AUTH           SIZES(11, UINT16_MAX, 1)
#define SIZES_STATUS         SIZES(2, UINT16_MAX, 1)
#define SIZES_CLASSES        SIZES(2, UINT16_MAX, 1)
#define SIZES_VENDOR         SIZES(4, UINT16_MAX, 1)
#define SIZES_VENDOR_OPAQUE  SIZES(5, UINT16_MAX, 1)
#define SIZES_FQDN           SIZES(1, UINT16_MAX, 1)
#define SIZES_PD_EXCLUDE     SIZES(2, 17, 1)
#define SIZES_LINK_LAYER     SIZES(3, UINT16_MAX, 1)
#define SIZES_DNR            SIZES(4, UINT16_MAX, 1)
/* clang-format on */

#define ROW(name, format, where, requestable, repeats, relay_may_supply)                           \
    [OPTION_##name] = {#name,       SIZES_##format, FORMAT_##format, where,                        \
                       requestable, repeats,        relay_may_supply}

/* What a client may send, ask for, and what servers answer. Codes the list of RFC 9915 21.7 keeps
 * out of an ORO are those without the `requestable` column. */
#define FC OPTION_FROM_CLIENT
#define FR OPTION_FROM_RELAY
#define FS OPTION_FROM_SERVER
#define NA OPTION_IN_IA_NA
#define PD OPTION_IN_IA_PD
#define AD OPTION_IN_IAADDR
#define PX OPTION_IN_IAPREFIX

/* clang-format off */
/*  name                         format         where                  request repeats relay */
const struct dhcp6_option_row dhcp6_option_rows[OPTION_CODES_MAX] = {
    /* RFC 9915 21 */
    ROW(CLIENTID,                DUID,          FC | FS,               false, false, false),
    ROW(SERVERID,                DUID,          FC | FS,               false, false, false),
    ROW(IA_NA,                   IA,            FC | FS,               false, true,  false),
    ROW(IA_TA,                   IA_TA,         0,                     false, true,  false),
    ROW(IAADDR,                  IAADDR,        NA,                    false, true,  false),
    ROW(ORO,                     CODES,         FC,                    false, false, false),
    ROW(PREFERENCE,              U8,            FS,                    false, false, false),
    ROW(ELAPSED_TIME,            U16,           FC,                    false, false, false),
    ROW(RELAY_MSG,               MESSAGE,       FR,                    false, false, false),
    ROW(AUTH,                    AUTH,          FC | FS,               false, false, false),
    ROW(UNICAST,                 ADDRESSES,     0,                     false, false, false),
    ROW(STATUS_CODE,             STATUS,        FS | NA | PD | AD | PX, false, false, false),
    ROW(RAPID_COMMIT,            EMPTY,         FC | FS,               false, false, false),
    ROW(USER_CLASS,              CLASSES,       FC,                    false, false, false),
    ROW(VENDOR_CLASS,            VENDOR,        FC,                    false, true,  false),
    ROW(VENDOR_OPTS,             VENDOR,        FC | FR | FS,          true,  true,  false),
    ROW(INTERFACE_ID,            OPAQUE,        FR,                    false, false, false),
    ROW(RECONF_MSG,              U8,            0,                     false, false, false),
    ROW(RECONF_ACCEPT,           EMPTY,         FC | FS,               false, false, false),
    ROW(IA_PD,                   IA,            FC | FS,               false, true,  false),
    ROW(IAPREFIX,                IAPREFIX,      PD,                    false, true,  false),
    ROW(INFORMATION_REFRESH_TIME, U32,          FS,                   true,  false, false),
    ROW(SOL_MAX_RT,              U32,           FS,                    true,  false, false),
    ROW(INF_MAX_RT,              U32,           FS,                    true,  false, false),
    /* RFC 3646, 4075, 5908: name servers and time */
    ROW(DNS_SERVERS,             ADDRESSES,     FS,                    true,  false, false),
    ROW(DOMAIN_LIST,             NAMES,         FS,                    true,  false, false),
    ROW(SNTP_SERVERS,            ADDRESSES,     FS,                    true,  false, false),
    ROW(NTP_SERVER,              OPTIONS,       FS,                    true,  true,  false),
    /* Relays: RFC 4649, 4580, 4994, 5460, 6422, 6939, 8357 */
    ROW(REMOTE_ID,               VENDOR_OPAQUE, FR,                    false, false, false),
    ROW(SUBSCRIBER_ID,           OPAQUE_SOME,   FR,                    false, false, false),
    ROW(ERO,                     CODES,         FR,                    false, false, false),
    ROW(RELAY_ID,                DUID,          FR,                    false, false, false),
    ROW(RSOO,                    OPTIONS,       FR,                    false, false, false),
    ROW(CLIENT_LINKLAYER_ADDR,   LINK_LAYER,    FR,                    false, false, false),
    ROW(RELAY_PORT,              U16,           FR,                    false, false, false),
    /* RFC 4704, 6334, 6440, 6603, 7598, 8910, 9463. 65 is all that IANA lists as RSOO-enabled. */
    ROW(CLIENT_FQDN,             FQDN,          FC | FS,               true,  false, false),
    ROW(AFTR_NAME,               NAMES,         FS,                    true,  false, false),
    ROW(ERP_LOCAL_DOMAIN_NAME,   NAMES,         FS,                    true,  false, true),
    ROW(PD_EXCLUDE,              PD_EXCLUDE,    PX,                    true,  false, false),
    ROW(S46_CONT_MAPE,           OPTIONS,       FS,                    true,  false, false),
    ROW(S46_CONT_MAPT,           OPTIONS,       FS,                    true,  false, false),
    ROW(S46_CONT_LW,             OPTIONS,       FS,                    true,  false, false),
    ROW(CAPTIVE_PORTAL,          TEXT,          FS,                    true,  false, false),
    ROW(V6_DNR,                  DNR,           FS,                    true,  true,  false),
};
/* clang-format on */

#undef FC
#undef FR
#undef FS
#undef NA
#undef PD
#undef AD
#undef PX
#undef ROW
#undef SIZES

const struct dhcp6_option_row *dhcp6_option_row(uint16_t code)
{
    if (code >= OPTION_CODES_MAX || dhcp6_option_rows[code].name == NULL) {
        return NULL;
    }
    return &dhcp6_option_rows[code];
}

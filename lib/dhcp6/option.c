/* The option table. Data only: parsing and encoding ask it what an option is, where it may stand
 * and which sizes can be right. Knows nothing of messages. */
#include "dhcp6/option.h"

#include <assert.h>

/* Sizes that can be right: min..max, and min plus a multiple of step, a power of two. */
struct format_size {
    uint16_t min, max, step;
};

static const struct format_size format_sizes[] = {
    [FORMAT_EMPTY] = {0, 0, 1},
    [FORMAT_U8] = {1, 1, 1},
    [FORMAT_U16] = {2, 2, 1},
    [FORMAT_U32] = {4, 4, 1},
    [FORMAT_OPAQUE] = {0, UINT16_MAX, 1},
    [FORMAT_OPAQUE_SOME] = {1, UINT16_MAX, 1},
    [FORMAT_TEXT] = {0, UINT16_MAX, 1},
    [FORMAT_DUID] = {3, 130, 1},
    [FORMAT_CODES] = {0, UINT16_MAX, 2},
    [FORMAT_ADDRESSES] = {16, UINT16_MAX, 16},
    [FORMAT_NAMES] = {1, UINT16_MAX, 1},
    [FORMAT_OPTIONS] = {0, UINT16_MAX, 1},
    [FORMAT_MESSAGE] = {4, UINT16_MAX, 1},
    [FORMAT_IA] = {12, UINT16_MAX, 1},
    [FORMAT_IA_TA] = {4, UINT16_MAX, 1},
    [FORMAT_IAADDR] = {24, UINT16_MAX, 1},
    [FORMAT_IAPREFIX] = {25, UINT16_MAX, 1},
    [FORMAT_AUTH] = {11, UINT16_MAX, 1},
    [FORMAT_STATUS] = {2, UINT16_MAX, 1},
    [FORMAT_CLASSES] = {2, UINT16_MAX, 1},
    [FORMAT_VENDOR] = {4, UINT16_MAX, 1},
    [FORMAT_VENDOR_OPAQUE] = {5, UINT16_MAX, 1},
    [FORMAT_FQDN] = {1, UINT16_MAX, 1},
    [FORMAT_PD_EXCLUDE] = {2, 17, 1},
    [FORMAT_LINK_LAYER] = {3, UINT16_MAX, 1},
    [FORMAT_DNR] = {4, UINT16_MAX, 1},
};

static_assert(sizeof(format_sizes) / sizeof(format_sizes[0]) == FORMAT_COUNT, "one row per format");

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
/*                                     name                        format                where                  request repeats relay */
static const struct dhcp6_option_row option_rows[] = {
    /* RFC 9915 21 */
    [OPTION_CLIENTID]                = {"CLIENTID",                FORMAT_DUID,          FC | FS,               false, false, false},
    [OPTION_SERVERID]                = {"SERVERID",                FORMAT_DUID,          FC | FS,               false, false, false},
    [OPTION_IA_NA]                   = {"IA_NA",                   FORMAT_IA,            FC | FS,               false, true,  false},
    [OPTION_IA_TA]                   = {"IA_TA",                   FORMAT_IA_TA,         0,                     false, true,  false},
    [OPTION_IAADDR]                  = {"IAADDR",                  FORMAT_IAADDR,        NA,                    false, true,  false},
    [OPTION_ORO]                     = {"ORO",                     FORMAT_CODES,         FC,                    false, false, false},
    [OPTION_PREFERENCE]              = {"PREFERENCE",              FORMAT_U8,            FS,                    false, false, false},
    [OPTION_ELAPSED_TIME]            = {"ELAPSED_TIME",            FORMAT_U16,           FC,                    false, false, false},
    [OPTION_RELAY_MSG]               = {"RELAY_MSG",               FORMAT_MESSAGE,       FR,                    false, false, false},
    [OPTION_AUTH]                    = {"AUTH",                    FORMAT_AUTH,          FC | FS,               false, false, false},
    [OPTION_UNICAST]                 = {"UNICAST",                 FORMAT_ADDRESSES,     0,                     false, false, false},
    [OPTION_STATUS_CODE]             = {"STATUS_CODE",             FORMAT_STATUS,        FS | NA | PD | AD | PX, false, false, false},
    [OPTION_RAPID_COMMIT]            = {"RAPID_COMMIT",            FORMAT_EMPTY,         FC | FS,               false, false, false},
    [OPTION_USER_CLASS]              = {"USER_CLASS",              FORMAT_CLASSES,       FC,                    false, false, false},
    [OPTION_VENDOR_CLASS]            = {"VENDOR_CLASS",            FORMAT_VENDOR,        FC,                    false, true,  false},
    [OPTION_VENDOR_OPTS]             = {"VENDOR_OPTS",             FORMAT_VENDOR,        FC | FR | FS,          true,  true,  false},
    [OPTION_INTERFACE_ID]            = {"INTERFACE_ID",            FORMAT_OPAQUE,        FR,                    false, false, false},
    [OPTION_RECONF_MSG]              = {"RECONF_MSG",              FORMAT_U8,            0,                     false, false, false},
    [OPTION_RECONF_ACCEPT]           = {"RECONF_ACCEPT",           FORMAT_EMPTY,         FC | FS,               false, false, false},
    [OPTION_IA_PD]                   = {"IA_PD",                   FORMAT_IA,            FC | FS,               false, true,  false},
    [OPTION_IAPREFIX]                = {"IAPREFIX",                FORMAT_IAPREFIX,      PD,                    false, true,  false},
    [OPTION_INFORMATION_REFRESH_TIME] = {"INFORMATION_REFRESH_TIME", FORMAT_U32,         FS,                    true,  false, false},
    [OPTION_SOL_MAX_RT]              = {"SOL_MAX_RT",              FORMAT_U32,           FS,                    true,  false, false},
    [OPTION_INF_MAX_RT]              = {"INF_MAX_RT",              FORMAT_U32,           FS,                    true,  false, false},
    /* RFC 3646, 4075, 5908: name servers and time */
    [OPTION_DNS_SERVERS]             = {"DNS_SERVERS",             FORMAT_ADDRESSES,     FS,                    true,  false, false},
    [OPTION_DOMAIN_LIST]             = {"DOMAIN_LIST",             FORMAT_NAMES,         FS,                    true,  false, false},
    [OPTION_SNTP_SERVERS]            = {"SNTP_SERVERS",            FORMAT_ADDRESSES,     FS,                    true,  false, false},
    [OPTION_NTP_SERVER]              = {"NTP_SERVER",              FORMAT_OPTIONS,       FS,                    true,  true,  false},
    /* Relays: RFC 4649, 4580, 4994, 5460, 6422, 6939, 8357 */
    [OPTION_REMOTE_ID]               = {"REMOTE_ID",               FORMAT_VENDOR_OPAQUE, FR,                    false, false, false},
    [OPTION_SUBSCRIBER_ID]           = {"SUBSCRIBER_ID",           FORMAT_OPAQUE_SOME,   FR,                    false, false, false},
    [OPTION_ERO]                     = {"ERO",                     FORMAT_CODES,         FR,                    false, false, false},
    [OPTION_RELAY_ID]                = {"RELAY_ID",                FORMAT_DUID,          FR,                    false, false, false},
    [OPTION_RSOO]                    = {"RSOO",                    FORMAT_OPTIONS,       FR,                    false, false, false},
    [OPTION_CLIENT_LINKLAYER_ADDR]   = {"CLIENT_LINKLAYER_ADDR",   FORMAT_LINK_LAYER,    FR,                    false, false, false},
    [OPTION_RELAY_PORT]              = {"RELAY_PORT",              FORMAT_U16,           FR,                    false, false, false},
    /* RFC 4704, 6334, 6440, 6603, 7598, 8910, 9463. 65 is all that IANA lists as RSOO-enabled. */
    [OPTION_CLIENT_FQDN]             = {"CLIENT_FQDN",             FORMAT_FQDN,          FC | FS,               true,  false, false},
    [OPTION_AFTR_NAME]               = {"AFTR_NAME",               FORMAT_NAMES,         FS,                    true,  false, false},
    [OPTION_ERP_LOCAL_DOMAIN_NAME]   = {"ERP_LOCAL_DOMAIN_NAME",   FORMAT_NAMES,         FS,                    true,  false, true},
    [OPTION_PD_EXCLUDE]              = {"PD_EXCLUDE",              FORMAT_PD_EXCLUDE,    PX,                    true,  false, false},
    [OPTION_S46_CONT_MAPE]           = {"S46_CONT_MAPE",           FORMAT_OPTIONS,       FS,                    true,  false, false},
    [OPTION_S46_CONT_MAPT]           = {"S46_CONT_MAPT",           FORMAT_OPTIONS,       FS,                    true,  false, false},
    [OPTION_S46_CONT_LW]             = {"S46_CONT_LW",             FORMAT_OPTIONS,       FS,                    true,  false, false},
    [OPTION_CAPTIVE_PORTAL]          = {"CAPTIVE_PORTAL",          FORMAT_TEXT,          FS,                    true,  false, false},
    [OPTION_V6_DNR]                  = {"V6_DNR",                  FORMAT_DNR,           FS,                    true,  true,  false},
};
/* clang-format on */

#undef FC
#undef FR
#undef FS
#undef NA
#undef PD
#undef AD
#undef PX

static_assert(sizeof(option_rows) / sizeof(option_rows[0]) <= OPTION_CODES_MAX,
              "parsers keep a bit per code");

const struct dhcp6_option_row *dhcp6_option_row(uint16_t code)
{
    if (code >= sizeof(option_rows) / sizeof(option_rows[0]) || option_rows[code].name == NULL) {
        return NULL;
    }
    return &option_rows[code];
}

bool dhcp6_option_size_valid(const struct dhcp6_option_row *row, size_t size)
{
    const struct format_size *rule = &format_sizes[row->format];

    return size >= rule->min && size <= rule->max && ((size - rule->min) & (rule->step - 1u)) == 0;
}

/* Options of the configuration as whole TLVs, ready to be copied into answers: one row per named
 * option, and typed data for vendor and custom ones. Names are encoded uncompressed (RFC 9915 10).
 * Control core only. */
#include "policy/options.h"

#include <string.h>

enum {
    NTP_ADDRESS = 1,   /* RFC 5908 4.1 */
    NTP_MULTICAST = 2, /* 4.2 */
    NTP_FQDN = 3,      /* 4.3 */
    SVC_ALPN = 1,      /* RFC 9460 14.3.2 */
    SVC_PORT = 3,
    SVC_DOHPATH = 7, /* RFC 9461 5 */
};

struct option_row {
    const char *key;
    uint16_t code;
    int (*encode)(struct option_build *build, const struct option_row *row, const json_t *value,
                  const char *base);
};

static uint8_t *tlv_begin(struct option_build *build, uint16_t code)
{
    uint8_t *begin = build->out.at;

    wire_out_u16(&build->out, code);
    wire_out_u16(&build->out, 0);
    return begin;
}

static void tlv_end(struct option_build *build, uint8_t *begin)
{
    if (!build->out.failed) {
        wire_set_u16(begin + 2, (uint16_t)(build->out.at - begin - 4));
    }
}

/* Closes the TLV at begin and adds it to the set. */
static int option_add(struct option_build *build, uint8_t *begin, bool always, const char *base)
{
    tlv_end(build, begin);
    if (build->out.failed || build->out.at - begin > OPTION_SIZE_MAX) {
        return fail(build->reader, base,
                    "is too much: an option has room for %u octets, a set of options for %u",
                    OPTION_SIZE_MAX - 4, SCRATCH_SIZE);
    }
    T6_ASSERT(build->count < sizeof(build->options) / sizeof(build->options[0]));
    build->options[build->count++] =
        (struct policy_option){.code = wire_get_u16(begin),
                               .always = always,
                               .tlv = {begin, (size_t)(build->out.at - begin)}};
    return 0;
}

static int encode_addresses(struct option_build *build, const struct option_row *row,
                            const json_t *value, const char *base)
{
    uint8_t *begin = tlv_begin(build, row->code);
    json_t *item;
    size_t i;

    json_array_foreach(value, i, item)
    {
        struct ip6 address = read_address(item);

        if (ip6_is_multicast(address) || ip6_is_zero(address)) {
            return fail(build->reader, at("%s/%zu", base, i).text,
                        "is no address of a server; must be a unicast address");
        }
        wire_out_ip6(&build->out, address);
    }
    return option_add(build, begin, false, base);
}

static int encode_names(struct option_build *build, const struct option_row *row,
                        const json_t *value, const char *base)
{
    uint8_t *begin = tlv_begin(build, row->code);
    json_t *item;
    size_t i;

    json_array_foreach(value, i, item)
    {
        option_name_write(&build->out, json_string_value(item));
    }
    return option_add(build, begin, false, base);
}

static int encode_name(struct option_build *build, const struct option_row *row,
                       const json_t *value, const char *base)
{
    uint8_t *begin = tlv_begin(build, row->code);

    option_name_write(&build->out, json_string_value(value));
    return option_add(build, begin, false, base);
}

static int encode_u32(struct option_build *build, const struct option_row *row, const json_t *value,
                      const char *base)
{
    uint8_t *begin = tlv_begin(build, row->code);

    wire_out_u32(&build->out, (uint32_t)json_integer_value(value));
    return option_add(build, begin, false, base);
}

/* RFC 8910 2.2: a URI without terminating NUL. */
static int encode_uri(struct option_build *build, const struct option_row *row, const json_t *value,
                      const char *base)
{
    uint8_t *begin = tlv_begin(build, row->code);
    const char *uri = json_string_value(value);

    for (const char *c = uri; *c; c++) {
        if (*c <= ' ' || *c > '~') {
            return fail(build->reader, base,
                        "must be a URI such as \"https://portal.example.org/api\": no blanks, "
                        "ASCII only");
        }
    }
    if (!strstr(uri, ":")) {
        return fail(build->reader, base,
                    "must be a URI such as \"https://portal.example.org/api\"");
    }
    wire_out_bytes(&build->out, uri, strlen(uri));
    return option_add(build, begin, false, base);
}

/* RFC 5908 4: one option per server, each with exactly one sub-option. */
static int encode_ntp(struct option_build *build, const struct option_row *row, const json_t *value,
                      const char *base)
{
    json_t *item;
    size_t i;

    json_array_foreach(value, i, item)
    {
        uint8_t *begin = tlv_begin(build, row->code), *sub = build->out.at;
        const char *text = json_string_value(item);
        struct ip6 address;
        int err;

        if (field_address_read(text, &address)) {
            (void)tlv_begin(build, ip6_is_multicast(address) ? NTP_MULTICAST : NTP_ADDRESS);
            wire_out_ip6(&build->out, address);
        } else if (field_name_valid(text)) {
            (void)tlv_begin(build, NTP_FQDN);
            option_name_write(&build->out, text);
        } else {
            return fail(build->reader, at("%s/%zu", base, i).text,
                        "must be an IPv6 address or a DNS name such as \"ntp.example.org\"");
        }
        tlv_end(build, sub);
        err = option_add(build, begin, false, base);
        if (err) {
            return err;
        }
    }
    return 0;
}

/* RFC 9460 2.2: key, length, value, in ascending order of keys; 7.1.1: alpn as length-prefixed
 * ids. */
static int svc_params_write(struct option_build *build, const json_t *params, const char *base)
{
    const json_t *alpn = json_object_get(params, "alpn"), *port = json_object_get(params, "port");
    const char *dohpath = json_string_value(json_object_get(params, "dohpath"));
    uint8_t *begin;
    json_t *item;
    size_t i;

    if (json_object_size(params) == 0) {
        return fail(build->reader, base, "is empty; must hold alpn, port or dohpath");
    }
    if (alpn) {
        begin = tlv_begin(build, SVC_ALPN);
        json_array_foreach(alpn, i, item)
        {
            wire_out_u8(&build->out, (uint8_t)json_string_length(item));
            wire_out_bytes(&build->out, json_string_value(item), json_string_length(item));
        }
        tlv_end(build, begin);
    }
    if (port) {
        begin = tlv_begin(build, SVC_PORT);
        wire_out_u16(&build->out, (uint16_t)json_integer_value(port));
        tlv_end(build, begin);
    }
    if (dohpath) {
        if (dohpath[0] != '/' || !strstr(dohpath, "dns}")) {
            return fail(build->reader, at("%s/dohpath", base).text,
                        "must be a path with the variable dns, such as \"/dns-query{?dns}\"");
        }
        begin = tlv_begin(build, SVC_DOHPATH);
        wire_out_bytes(&build->out, dohpath, strlen(dohpath));
        tlv_end(build, begin);
    }
    return 0;
}

static int dnr_addresses_write(struct option_build *build, const json_t *addresses,
                               const char *base)
{
    json_t *item;
    size_t i;

    wire_out_u16(&build->out, (uint16_t)(16 * json_array_size(addresses)));
    json_array_foreach(addresses, i, item)
    {
        struct ip6 address = read_address(item);

        /* RFC 9463 4.2: clients discard multicast and loopback addresses. */
        if (ip6_is_multicast(address) || ip6_is_zero(address) ||
            ip6_equal(address, (struct ip6){0, 1})) {
            return fail(build->reader, at("%s/addresses/%zu", base, i).text,
                        "is no address of a resolver; must be unicast, not loopback");
        }
        wire_out_ip6(&build->out, address);
    }
    return 0;
}

/* RFC 9463 4.1: one option per resolver; the name alone in ADN-only mode. */
static int encode_dnr(struct option_build *build, const struct option_row *row, const json_t *value,
                      const char *base)
{
    json_t *item;
    size_t i;

    json_array_foreach(value, i, item)
    {
        const json_t *addresses = json_object_get(item, "addresses");
        const json_t *params = json_object_get(item, "svc_params");
        struct pointer place = at("%s/%zu", base, i);
        uint8_t *begin = tlv_begin(build, row->code), *name;
        int err = 0;

        wire_out_u16(&build->out, (uint16_t)json_integer_value(json_object_get(item, "priority")));
        name = build->out.at;
        wire_out_u16(&build->out, 0);
        option_name_write(&build->out, json_string_value(json_object_get(item, "adn")));
        if (!build->out.failed) {
            wire_set_u16(name, (uint16_t)(build->out.at - name - 2));
        }
        if (params && !addresses) {
            return fail(build->reader, at("%s/svc_params", place.text).text,
                        "needs addresses beside it; give both or neither (RFC 9463 3.1.6)");
        }
        if (addresses) {
            err = dnr_addresses_write(build, addresses, place.text);
        }
        if (params && !err) {
            err = svc_params_write(build, params, at("%s/svc_params", place.text).text);
        }
        err = err ? err : option_add(build, begin, false, place.text);
        if (err) {
            return err;
        }
    }
    return 0;
}

/* RFC 9915 21.17: one option per enterprise. */
static int encode_vendor(struct option_build *build, const struct option_row *row,
                         const json_t *value, const char *base)
{
    json_t *item, *suboption;
    size_t i, k;

    json_array_foreach(value, i, item)
    {
        json_int_t enterprise = json_integer_value(json_object_get(item, "enterprise"));
        uint8_t *begin = tlv_begin(build, row->code);
        int err = 0;

        for (size_t other = 0; other < i; other++) {
            if (json_integer_value(json_object_get(json_array_get(value, other), "enterprise")) ==
                enterprise) {
                return fail(build->reader, at("%s/%zu/enterprise", base, i).text,
                            "stands at %s/%zu already; one entry per enterprise", base, other);
            }
        }
        wire_out_u32(&build->out, (uint32_t)enterprise);
        json_array_foreach(json_object_get(item, "suboptions"), k, suboption)
        {
            json_int_t code = json_integer_value(json_object_get(suboption, "code"));
            uint8_t *sub = tlv_begin(build, (uint16_t)code);

            err =
                option_typed_write(build, suboption, at("%s/%zu/suboptions/%zu", base, i, k).text);
            if (err) {
                return err;
            }
            tlv_end(build, sub);
        }
        err = option_add(build, begin, json_is_true(json_object_get(item, "always")),
                         at("%s/%zu", base, i).text);
        if (err) {
            return err;
        }
    }
    return 0;
}

/* Codes that are no business of the configuration. */
static const struct code_range {
    uint16_t first, last;
    const char *why;
} codes_refused[] = {
    {1, 9, "the server makes it itself"},
    {11, 14, "the server makes it itself"},
    {15, 16, "clients send it"},
    {18, 18, "relays send it"},
    {19, 20, "it belongs to Reconfigure"},
    {25, 26, "the server makes it itself"},
    {37, 38, "relays send it"},
    {39, 39, "the server makes it itself"},
    {43, 43, "relays send it"},
    {44, 48, "it belongs to leasequery"},
    {53, 53, "relays send it"},
    {66, 66, "relays send it"},
    {67, 67, "the server makes it itself"},
    {79, 81, "relays send it"},
    {87, 87, "it belongs to DHCPv4 over DHCPv6"},
    {100, 102, "it belongs to leasequery"},
    {114, 134, "it belongs to failover"},
    {135, 135, "the server makes it itself"},
};

static int encode_custom(struct option_build *build, const struct option_row *row,
                         const json_t *value, const char *base);

static const struct option_row option_rows[] = {
    {"vendor_options", 17, encode_vendor},
    {"dns_servers", 23, encode_addresses},
    {"domain_search", 24, encode_names},
    {"sntp_servers", 31, encode_addresses},
    {"information_refresh_s", 32, encode_u32},
    {"ntp_servers", 56, encode_ntp},
    {"aftr_name", 64, encode_name},
    {"sol_max_rt_s", 82, encode_u32},
    {"inf_max_rt_s", 83, encode_u32},
    {"captive_portal", 103, encode_uri},
    {"dnr", 144, encode_dnr},
    {"custom", 0, encode_custom},
};

static int code_check(struct option_build *build, unsigned code, const char *pointer)
{
    for (size_t i = 0; i < sizeof(codes_refused) / sizeof(codes_refused[0]); i++) {
        if (code >= codes_refused[i].first && code <= codes_refused[i].last) {
            return fail(build->reader, pointer, "%u cannot be configured: %s", code,
                        codes_refused[i].why);
        }
    }
    for (size_t i = 0; i < sizeof(option_rows) / sizeof(option_rows[0]); i++) {
        if (code == option_rows[i].code) {
            return fail(build->reader, pointer, "%u has a name of its own; use \"%s\"", code,
                        option_rows[i].key);
        }
    }
    return 0;
}

static int encode_custom(struct option_build *build, const struct option_row *row,
                         const json_t *value, const char *base)
{
    json_t *item;
    size_t i;

    (void)row;
    json_array_foreach(value, i, item)
    {
        unsigned code = (unsigned)json_integer_value(json_object_get(item, "code"));
        struct pointer place = at("%s/%zu", base, i);
        int err = code_check(build, code, at("%s/code", place.text).text);
        uint8_t *begin = tlv_begin(build, (uint16_t)code);

        err = err ? err : option_typed_write(build, item, place.text);
        err = err ? err
                  : option_add(build, begin, json_is_true(json_object_get(item, "always")),
                               place.text);
        if (err) {
            return err;
        }
    }
    return 0;
}

/* The set of the build: sorted by code, TLVs of a code back to back in the order written. */
static int build_finish(struct option_build *build, const char *base,
                        struct policy_options *ret_set)
{
    struct region *region = build->reader->region;
    struct policy_option *options = region_alloc(region, build->count, sizeof(*options));
    size_t size_total = (size_t)(build->out.at - build->scratch);
    uint8_t *bytes = region_alloc(region, size_total, 1);
    unsigned count = 0;

    if (!options || !bytes) {
        return -ENOMEM;
    }
    for (unsigned last_code = 0;;) { /* once per different code, in ascending order */
        unsigned code = UINT16_MAX + 1;
        struct policy_option *option = &options[count];

        for (unsigned i = 0; i < build->count; i++) {
            unsigned c = build->options[i].code;

            code = c > last_code && c < code ? c : code;
        }
        if (code > UINT16_MAX) {
            break;
        }
        *option = (struct policy_option){.code = (uint16_t)code, .tlv = {bytes, 0}};
        for (unsigned i = 0; i < build->count; i++) {
            const struct policy_option *part = &build->options[i];

            if (part->code == code) {
                memcpy(bytes, part->tlv.data, part->tlv.size);
                bytes += part->tlv.size;
                option->tlv.size += part->tlv.size;
                option->always |= part->always;
            }
        }
        if (option->tlv.size > OPTION_SIZE_MAX) {
            return fail(build->reader, base,
                        "gives option %u %zu octets altogether; must be at most %u", code,
                        option->tlv.size, OPTION_SIZE_MAX);
        }
        last_code = code;
        count++;
    }
    *ret_set = (struct policy_options){options, count};
    return 0;
}

int options_read(struct reader *reader, const json_t *options, const char *base,
                 struct policy_options *ret_set)
{
    struct option_build build;

    build.reader = reader;
    build.count = 0;
    build.out = wire_out_to(build.scratch, sizeof(build.scratch));
    for (size_t i = 0; i < sizeof(option_rows) / sizeof(option_rows[0]); i++) {
        const struct option_row *row = &option_rows[i];
        const json_t *value = json_object_get(options, row->key);
        int err = value ? row->encode(&build, row, value, at("%s/%s", base, row->key).text) : 0;

        if (err) {
            return err;
        }
    }
    if (build.count == 0) {
        *ret_set = (struct policy_options){NULL, 0};
        return 0;
    }
    return build_finish(&build, base, ret_set);
}

int options_merge(struct region *region, const struct policy_options *first,
                  const struct policy_options *second, struct policy_options *ret_set)
{
    struct policy_option *options;
    unsigned i = 0, k = 0, count = 0;

    if (first->count == 0 || second->count == 0) {
        *ret_set = first->count ? *first : *second;
        return 0;
    }
    options = region_alloc(region, first->count + second->count, sizeof(*options));
    if (!options) {
        return -ENOMEM;
    }
    while (i < first->count || k < second->count) {
        if (k == second->count ||
            (i < first->count && first->options[i].code <= second->options[k].code)) {
            k += k < second->count && first->options[i].code == second->options[k].code;
            options[count++] = first->options[i++];
        } else {
            options[count++] = second->options[k++];
        }
    }
    *ret_set = (struct policy_options){options, count};
    return 0;
}

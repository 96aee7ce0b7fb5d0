/* One wrong configuration per row: a right one with one edit, and the line, pointer and words that
 * must come back. */
#include <stdlib.h>

#include "check.h"
#include "policy/config.h"

/* clang-format off */
static const char right[] =
/*  1 */ "{\n"
/*  2 */ "  \"server\": { \"name\": \"a\", \"state_dir\": \"/s\" },\n"
/*  3 */ "  \"store\": { \"leases_max\": 1000 },\n"
/*  4 */ "  \"journal\": { \"segment_mib\": 64 },\n"
/*  5 */ "  \"dataplane\": { \"workers\": 1, \"poll\": \"adaptive\",\n"
/*  6 */ "    \"ports\": [\n"
/*  7 */ "      { \"name\": \"p0\", \"device\": \"net_null0\", \"addresses\": [\"2001:db8:1::1\"] },\n"
/*  8 */ "      { \"name\": \"p1\" } ] },\n"
/*  9 */ "  \"classes\": [\n"
/* 10 */ "    { \"name\": \"gold\", \"match\": { \"duid_prefix\": \"0001\" } },\n"
/* 11 */ "    { \"name\": \"iron\", \"match\": { \"vendor_class\": \"text:iron\" } } ],\n"
/* 12 */ "  \"links\": [\n"
/* 13 */ "    { \"name\": \"l0\", \"port\": \"p0\",\n"
/* 14 */ "      \"relay_addresses\": [\"2001:db8:17::1\"],\n"
/* 15 */ "      \"subnets\": [\"2001:db8:17::/64\"],\n"
/* 16 */ "      \"pools\": [\n"
/* 17 */ "        { \"type\": \"address\", \"range\": \"2001:db8:17::/65\" },\n"
/* 18 */ "        { \"type\": \"prefix\", \"range\": \"2001:db8:4000::/36\",\n"
/* 19 */ "          \"delegated_length\": 56 } ],\n"
/* 20 */ "      \"lifetimes\": { \"preferred_s\": 3000, \"valid_s\": 3600 },\n"
/* 21 */ "      \"options\": { \"dns_servers\": [\"2001:db8::53\"] } },\n"
/* 22 */ "    { \"name\": \"l1\", \"port\": \"p1\",\n"
/* 23 */ "      \"pools\": [ { \"type\": \"address\", \"range\": \"2001:db8:18::10-2001:db8:18::20\" } ] } ],\n"
/* 24 */ "  \"reservations\": [\n"
/* 25 */ "    { \"duid\": \"000300010203\", \"addresses\": [\"2001:db8:17::5\"] },\n"
/* 26 */ "    { \"link_layer\": \"02:00:00:00:00:01\", \"link\": \"l1\",\n"
/* 27 */ "      \"addresses\": [\"2001:db8:18::11\"] } ],\n"
/* 28 */ "  \"failover\": [\n"
/* 29 */ "    { \"relationship\": \"r\", \"role\": \"primary\",\n"
/* 30 */ "      \"partner\": \"2001:db8:2::2\", \"listen\": \"2001:db8:2::1\",\n"
/* 31 */ "      \"links\": [\"l0\"],\n"
/* 32 */ "      \"tls\": null } ],\n"
/* 33 */ "  \"management\": { \"socket\": \"/run/m\", \"listen\": \"[::1]:8647\" }\n"
/* 34 */ "}\n";

#define DNS "\"dns_servers\": [\"2001:db8::53\"]"
#define CUSTOM(item) DNS, "\"custom\": [{" item "}]", 21
#define POOL0 "{ \"type\": \"address\", \"range\": \"2001:db8:17::/65\" }"
#define RES0 "\"duid\": \"000300010203\", \"addresses\": [\"2001:db8:17::5\"]"

static const struct wrong {
    const char *from, *to;
    unsigned line;
    const char *pointer, *text;
} wrongs[] = {
    /* Syntax. */
    {"\"leases_max\": 1000 }", "\"leases_max\": }", 3, "/store", "no valid JSON"},
    {"\"leases_max\": 1000", "\"leases_max\": 1000, \"leases_max\": 2000", 3, "/store/leases_max", "duplicate object key"},
    {"\"tls\": null } ],", "\"tls\": null } ]", 33, "/failover", "no valid JSON"},
    {"\"leases_max\": 1000", "\"leases_max\": 99999999999999999999", 3, "/store/leases_max", "too big integer"},
    {"\n}\n", "\n} {}\n", 34, "", "no valid JSON"},
    /* Shape. */
    {"\"leases_max\": 1000", "\"lease_max\": 1000", 3, "/store/lease_max", "is not known here; known are leases_max"},
    {"\"leases_max\": 1000", "\"leases_max\": 0", 3, "/store/leases_max", "must be a whole number from 1 to 1000000000, not 0"},
    {"\"leases_max\": 1000", "\"leases_max\": 10.5", 3, "/store/leases_max", "whole number"},
    {"\"leases_max\": 1000", "\"leases_max\": \"many\"", 3, "/store/leases_max", "not \"many\""},
    {"\"leases_max\": 1000", "\"leases_max\": null", 3, "/store/leases_max", "not null"},
    {"\"leases_max\": 1000", "\"leases_max\": 1000, \"long_leases_max\": 1001", 3, "/store/long_leases_max", "at most 1000"},
    {"{ \"leases_max\": 1000 }", "[]", 3, "/store", "must be an object {}, not an array of 0"},
    {"\"name\": \"a\", ", "", 2, "/server/name", "is missing; must be a string of 1 to 63 characters"},
    {"\"name\": \"a\", ", "\"name\": \"\", ", 2, "/server/name", "not \"\""},
    {", \"state_dir\": \"/s\"", "", 2, "/server/state_dir", "is missing"},
    {"\"name\": \"a\", ", "\"name\": \"a\", \"log_level\": \"loud\", ", 2, "/server/log_level", "must be one of \"error\", \"warn\", \"notice\", \"info\", \"debug\", not \"loud\""},
    {"\"name\": \"a\", ", "\"name\": \"a\", \"duid\": \"0\", ", 2, "/server/duid", "octets in hex"},
    {"\"name\": \"a\", ", "\"name\": \"a\", \"duid\": \"0001\", ", 2, "/server/duid", "3 to 130 octets"},
    {"\"name\": \"a\", ", "\"name\": \"a\", \"allocation_secret\": \"000102\", ", 2, "/server/allocation_secret", "16 octets"},
    {"\"segment_mib\": 64", "\"segment_mib\": 64, \"checkpoint_log_mib\": 127", 4, "/journal/checkpoint_log_mib", "must be at least 128"},
    {"\"segment_mib\": 64", "\"horizon_s\": 9", 4, "/journal/horizon_s", "from 10 to 3600"},
    {"\"workers\": 1", "\"workers\": 2, \"cpus\": [0, 1]", 5, "/dataplane/cpus", "must name 3 CPUs"},
    {"\"workers\": 1", "\"workers\": 65", 5, "/dataplane/workers", "from 1 to 64"},
    {"\"adaptive\"", "\"lazy\"", 5, "/dataplane/poll", "\"adaptive\", \"busy\""},
    {"{ \"name\": \"p1\" }", "{ \"name\": \"p1\" }, 7", 8, "/dataplane/ports/2", "must be an object {}, not 7"},
    {"\"name\": \"p1\" }", "\"name\": \"p0\" }", 8, "/dataplane/ports/1/name", "must be unique"},
    {"\"name\": \"p1\" }", "\"name\": \"p1\", \"device\": \"net_null0\" }", 8, "/dataplane/ports/1/device", "every port needs its own"},
    {"\"name\": \"p1\" }", "\"name\": \"p1\", \"mac\": \"01:00:5e:00:00:01\" }", 8, "/dataplane/ports/1/mac", "no address of a host"},
    {"\"name\": \"p1\" }", "\"name\": \"p1\", \"mac\": \"0200000001\" }", 8, "/dataplane/ports/1/mac", "6 octets"},
    {"\"name\": \"p1\" }", "\"name\": \"p1\", \"mtu\": 1279 }", 8, "/dataplane/ports/1/mtu", "1280 to 9600"},
    {"2001:db8:1::1\"]", "ff02::1\"]", 7, "/dataplane/ports/0/addresses/0", "unicast"},
    {"2001:db8:1::1\"]", "2001:db8:1::1\", \"2001:db8:1:0::1\"]", 7, "/dataplane/ports/0/addresses/1", "twice"},
    {"2001:db8:1::1\"]", "10.0.0.1\"]", 7, "/dataplane/ports/0/addresses/0", "must be an IPv6 address"},
    /* Classes. */
    {"\"duid_prefix\": \"0001\"", "", 10, "/classes/0/match", "at least one condition"},
    {"\"duid_prefix\": \"0001\"", "\"duid_prefix\": \"xx\"", 10, "/classes/0/match/duid_prefix", "octets in hex"},
    {"\"duid_prefix\": \"0001\"", "\"duid_suffix\": \"0001\"", 10, "/classes/0/match/duid_suffix", "is not known here"},
    {"\"text:iron\"", "\"iron\"", 11, "/classes/1/match/vendor_class", "or \"text:\" and plain text"},
    {"\"text:iron\"", "\"text:\"", 11, "/classes/1/match/vendor_class", "1 to 255 octets"},
    {"\"name\": \"iron\"", "\"name\": \"gold\"", 11, "/classes/1/name", "\"gold\" stands at /classes/0/name already"},
    {"\"name\": \"iron\"", "\"name\": \"iron\", \"lifetimes\": { \"preferred_s\": 2, \"valid_s\": 1 }", 11, "/classes/1/lifetimes/preferred_s", "above valid_s 1"},
    /* Links. */
    {"\"port\": \"p0\"", "\"port\": \"p9\"", 13, "/links/0/port", "no port is named \"p9\""},
    {"\"name\": \"l1\"", "\"name\": \"l0\"", 22, "/links/1/name", "\"l0\" stands at /links/0/name already"},
    {"\"port\": \"p1\",", "\"port\": \"p1\", \"relay_addresses\": [\"2001:db8:17::1\"],", 22, "/links/1/relay_addresses/0", "stands at /links/0/relay_addresses/0 already"},
    {"\"port\": \"p1\",", "\"port\": \"p1\", \"subnets\": [\"2001:db8:9::/64\", \"2001:db8:17::/64\"],", 22, "/links/1/subnets/1", "stands at /links/0/subnets/0 already"},
    {"[\"2001:db8:17::1\"]", "[\"fe80::1\"]", 14, "/links/0/relay_addresses/0", "identifies no link"},
    {"[\"2001:db8:17::1\"]", "[\"::\"]", 14, "/links/0/relay_addresses/0", "identifies no link"},
    {"[\"2001:db8:17::/64\"]", "[\"2001:db8:17::1/64\"]", 15, "/links/0/subnets/0", "no bits set after the length"},
    {"[\"2001:db8:17::/64\"]", "[\"2001:db8:17::/129\"]", 15, "/links/0/subnets/0", "must be an IPv6 prefix"},
    {"[\"2001:db8:17::/64\"]", "[\"ff00::/8\"]", 15, "/links/0/subnets/0", "no prefix of a link"},
    {"\"port\": \"p1\",", "\"port\": \"p0\", \"direct\": true, \"preference\": 256,", 22, "/links/1/preference", "from 0 to 255"},
    {"\"port\": \"p1\",", "\"port\": \"p1\", \"rapid_commit\": 1,", 22, "/links/1/rapid_commit", "must be true or false, not 1"},
    {"\"port\": \"p1\",", "\"port\": \"p1\", \"decline_s\": -1,", 22, "/links/1/decline_s", "not -1"},
    {"\"valid_s\": 3600", "\"valid_s\": 2999", 20, "/links/0/lifetimes/preferred_s", "3000 is above valid_s 2999"},
    {"\"valid_s\": 3600", "\"valid_s\": 3600, \"renew_s\": 2400, \"rebind_s\": 1500", 20, "/links/0/lifetimes/renew_s", "2400 is above rebind_s, 1500"},
    {"\"valid_s\": 3600", "\"valid_s\": 3600, \"rebind_s\": 3001", 20, "/links/0/lifetimes/rebind_s", "above preferred_s 3000"},
    {"\"valid_s\": 3600", "\"valid_s\": 3600, \"renew_s\": 2401", 20, "/links/0/lifetimes/renew_s", "2400 by default"},
    {", \"valid_s\": 3600", "", 20, "/links/0/lifetimes/valid_s", "is missing"},
    {"\"valid_s\": 3600", "\"valid_s\": 4294967296", 20, "/links/0/lifetimes/valid_s", "to 4294967295"},
    /* Pools. */
    {"\"type\": \"prefix\"", "\"type\": \"net\"", 18, "/links/0/pools/1/type", "\"address\", \"prefix\""},
    {"2001:db8:17::/65", "2001:db8:17::9-2001:db8:17::8", 17, "/links/0/pools/0/range", "must be a range"},
    {"2001:db8:17::/65", "ff02::/64", 17, "/links/0/pools/0/range", "cannot be given to clients"},
    {"2001:db8:17::/65\"", "2001:db8:17::/65\", \"delegated_length\": 64", 17, "/links/0/pools/0/delegated_length", "belongs to pools of type \"prefix\""},
    {"2001:db8:17::/65\"", "2001:db8:17::/65\", \"pd_exclude\": {\"length\": 64}", 17, "/links/0/pools/0/pd_exclude", "belongs to pools of type \"prefix\""},
    {",\n          \"delegated_length\": 56", "", 18, "/links/0/pools/1/delegated_length", "is missing"},
    {"\"delegated_length\": 56", "\"delegated_length\": 35", 19, "/links/0/pools/1/delegated_length", "whole /35"},
    {"\"delegated_length\": 56", "\"delegated_length\": 63", 19, "/links/0/pools/1/delegated_length", "more than 2^26 prefixes"},
    {"2001:db8:4000::/36", "2001:db8:4000::-2001:db8:4000:80::", 19, "/links/0/pools/1/delegated_length", "whole /56"},
    {"\"delegated_length\": 56", "\"delegated_length\": 56, \"exclude\": [\"2001:db8:4000:80::/57\"]", 19, "/links/0/pools/1/exclude/0", "whole /56"},
    {"\"delegated_length\": 56", "\"delegated_length\": 56, \"exclude\": [\"2001:db8:5000::/56\"]", 19, "/links/0/pools/1/exclude/0", "not inside the pool's range"},
    {"\"delegated_length\": 56", "\"delegated_length\": 56, \"exclude\": [\"2001:db8:4000::/48\", \"2001:db8:4000:ff00::/56\"]", 19, "/links/0/pools/1/exclude/1", "overlaps exclude/0"},
    {"\"delegated_length\": 56", "\"delegated_length\": 56, \"pd_exclude\": {\"length\": 56}", 19, "/links/0/pools/1/pd_exclude/length", "must be 57 to 128"},
    {"\"delegated_length\": 56", "\"delegated_length\": 56, \"pd_exclude\": {\"length\": 64, \"subnet_id\": 256}", 19, "/links/0/pools/1/pd_exclude/subnet_id", "only 2^8 of /64"},
    {"\"delegated_length\": 56", "\"delegated_length\": 56, \"classes\": [\"gold\", \"lead\"]", 19, "/links/0/pools/1/classes/1", "no class is named \"lead\""},
    {POOL0, POOL0 ", { \"type\": \"address\", \"range\": \"2001:db8:17::7000/116\" }", 17, "/links/0/pools/1/range", "overlaps /links/0/pools/0/range"},
    {"2001:db8:18::10-2001:db8:18::20", "2001:db8:4abc::/64", 23, "/links/1/pools/0/range", "overlaps /links/0/pools/1/range"},
    {"2001:db8:18::20\" }", "2001:db8:18::20\", \"name\": \"l0/2001:db8:17::/65\" }", 23, "/links/1/pools/0", "must be unique"},
    /* Options. */
    {DNS, "\"dns_server\": []", 21, "/links/0/options/dns_server", "known are dns_servers, domain_search"},
    {DNS, "\"dns_servers\": []", 21, "/links/0/options/dns_servers", "array [] of 1 to 32 items"},
    {DNS, "\"dns_servers\": [\"2001:db8::53\", \"ff02::fb\"]", 21, "/links/0/options/dns_servers/1", "unicast"},
    {DNS, "\"domain_search\": [\"a..b\"]", 21, "/links/0/options/domain_search/0", "DNS name"},
    {DNS, "\"domain_search\": [\"0123456789012345678901234567890123456789012345678901234567890123.org\"]", 21, "/links/0/options/domain_search/0", "DNS name"},
    {DNS, "\"aftr_name\": \"\"", 21, "/links/0/options/aftr_name", "DNS name"},
    {DNS, "\"ntp_servers\": [\"no name\"]", 21, "/links/0/options/ntp_servers/0", "must be an IPv6 address or a DNS name"},
    {DNS, "\"sol_max_rt_s\": 59", 21, "/links/0/options/sol_max_rt_s", "from 60 to 86400"},
    {DNS, "\"sol_max_rt_s\": 86401", 21, "/links/0/options/sol_max_rt_s", "from 60 to 86400"},
    {DNS, "\"inf_max_rt_s\": 59", 21, "/links/0/options/inf_max_rt_s", "from 60 to 86400"},
    {DNS, "\"information_refresh_s\": 599", 21, "/links/0/options/information_refresh_s", "from 600 to"},
    {DNS, "\"captive_portal\": \"not a uri\"", 21, "/links/0/options/captive_portal", "must be a URI"},
    {DNS, "\"captive_portal\": \"portal\"", 21, "/links/0/options/captive_portal", "must be a URI"},
    {DNS, "\"dnr\": [{\"priority\": 0, \"adn\": \"a.b\"}]", 21, "/links/0/options/dnr/0/priority", "from 1 to 65535"},
    {DNS, "\"dnr\": [{\"priority\": 1, \"adn\": \"a.b\", \"svc_params\": {\"port\": 853}}]", 21, "/links/0/options/dnr/0/svc_params", "needs addresses"},
    {DNS, "\"dnr\": [{\"priority\": 1, \"adn\": \"a.b\", \"addresses\": [\"::1\"]}]", 21, "/links/0/options/dnr/0/addresses/0", "not loopback"},
    {DNS, "\"dnr\": [{\"priority\": 1, \"adn\": \"a.b\", \"addresses\": [\"2001:db8::1\"], \"svc_params\": {\"dohpath\": \"q\"}}]", 21, "/links/0/options/dnr/0/svc_params/dohpath", "/dns-query{?dns}"},
    {DNS, "\"dnr\": [{\"priority\": 1, \"adn\": \"a.b\", \"addresses\": [\"2001:db8::1\"], \"svc_params\": {}}]", 21, "/links/0/options/dnr/0/svc_params", "is empty"},
    {DNS, "\"vendor_options\": [{\"enterprise\": 9, \"suboptions\": [{\"code\": 1, \"type\": \"uint8\", \"value\": 256}]}]", 21, "/links/0/options/vendor_options/0/suboptions/0/value", "from 0 to 255"},
    {DNS, "\"vendor_options\": [{\"enterprise\": 9, \"suboptions\": []}]", 21, "/links/0/options/vendor_options/0/suboptions", "of 1 to 64 items"},
    {DNS, "\"vendor_options\": [{\"enterprise\": 9, \"suboptions\": [{\"code\": 1, \"type\": \"empty\"}]}, {\"enterprise\": 9, \"suboptions\": [{\"code\": 1, \"type\": \"empty\"}]}]", 21, "/links/0/options/vendor_options/1/enterprise", "one entry per enterprise"},
    {CUSTOM("\"code\": 5, \"type\": \"empty\""), "/links/0/options/custom/0/code", "from 10 to 65535"},
    {CUSTOM("\"code\": 25, \"type\": \"empty\""), "/links/0/options/custom/0/code", "the server makes it itself"},
    {CUSTOM("\"code\": 18, \"type\": \"empty\""), "/links/0/options/custom/0/code", "relays send it"},
    {CUSTOM("\"code\": 114, \"type\": \"empty\""), "/links/0/options/custom/0/code", "belongs to failover"},
    {CUSTOM("\"code\": 23, \"type\": \"empty\""), "/links/0/options/custom/0/code", "use \"dns_servers\""},
    {CUSTOM("\"code\": 200, \"type\": \"int\""), "/links/0/options/custom/0/type", "must be one of \"addresses\""},
    {CUSTOM("\"code\": 200, \"type\": \"uint16\", \"value\": 65536"), "/links/0/options/custom/0/value", "from 0 to 65535"},
    {CUSTOM("\"code\": 200, \"type\": \"uint32\", \"value\": -1"), "/links/0/options/custom/0/value", "from 0 to 4294967295"},
    {CUSTOM("\"code\": 200, \"type\": \"uint32\""), "/links/0/options/custom/0/value", "must be an integer"},
    {CUSTOM("\"code\": 200, \"type\": \"hex\", \"value\": \"0\""), "/links/0/options/custom/0/value", "octets in hex"},
    {CUSTOM("\"code\": 200, \"type\": \"string\", \"value\": 5"), "/links/0/options/custom/0/value", "must be a string"},
    {CUSTOM("\"code\": 200, \"type\": \"empty\", \"value\": 5"), "/links/0/options/custom/0/value", "must be left out"},
    {CUSTOM("\"code\": 200, \"type\": \"addresses\", \"value\": [\"x\"]"), "/links/0/options/custom/0/value", "array of IPv6 addresses"},
    {CUSTOM("\"code\": 200, \"type\": \"names\", \"value\": []"), "/links/0/options/custom/0/value", "array of DNS names"},
    /* Reservations. */
    {RES0, "\"addresses\": [\"2001:db8:17::5\"]", 25, "/reservations/0", "has no key"},
    {RES0, RES0 ", \"remote_id\": \"00\"", 25, "/reservations/0/remote_id", "is a second key"},
    {RES0, RES0 ", \"link\": \"l9\"", 25, "/reservations/0/link", "no link is named \"l9\""},
    {RES0, RES0 ", \"link\": \"l1\"", 25, "/reservations/0/addresses/0", "is not on link \"l1\""},
    {"2001:db8:17::5", "2001:db8:99::5", 25, "/reservations/0/addresses/0", "is on no link"},
    {"2001:db8:17::5", "fe80::5", 25, "/reservations/0/addresses/0", "must be global"},
    {"2001:db8:18::11\"]", "2001:db8:18::11\", \"2001:db8:18::11\"]", 27, "/reservations/1/addresses/1", "is reserved at /reservations/1/addresses/0 already"},
    {RES0, RES0 ", \"prefixes\": [\"2001:db8:4000::/60\"]", 25, "/reservations/0/prefixes/0", "overlaps pool \"l0/2001:db8:4000::/36/56\""},
    {RES0, RES0 ", \"prefixes\": [\"2001:db8::/32\"]", 25, "/reservations/0/prefixes/0", "without being one of its prefixes"},
    {RES0, RES0 ", \"prefixes\": [\"2001:db8:f000::/48\", \"2001:db8:f000:1::/64\"]", 25, "/reservations/0/prefixes/1", "is reserved at /reservations/0/prefixes/0 already"},
    {"\"link\": \"l1\"", "\"link\": \"l1\", \"prefixes\": [\"2001:db8:4000::/56\"]", 26, "/reservations/1/prefixes/0", "of another link than \"l1\""},
    {RES0, "\"duid\": \"000300010203\" }, { \"duid\": \"00:03:00:01:02:03\"", 25, "/reservations/1", "same client and link as /reservations/0"},
    {RES0, "\"duid\": \"000300010203\", \"addresses\": [\"2001:db8:17::1\",\"2001:db8:17::2\",\"2001:db8:17::3\",\"2001:db8:17::4\",\"2001:db8:17::5\"], \"prefixes\": [\"2001:db8:4000::/56\",\"2001:db8:4000:100::/56\",\"2001:db8:4000:200::/56\",\"2001:db8:4000:300::/56\"]", 25, "/reservations/0/prefixes/3", "one too many"},
    {RES0, RES0 ", \"options\": {\"sol_max_rt_s\": 1}", 25, "/reservations/0/options/sol_max_rt_s", "from 60"},
    /* Failover. */
    {",\n      \"tls\": null", "", 29, "/failover/0/tls", "is missing; must be an object {}, or null"},
    {"\"tls\": null", "\"tls\": false", 32, "/failover/0/tls", "or null, not false"},
    {"\"tls\": null", "\"tls\": {\"certificate\": \"c\", \"key\": \"k\"}", 32, "/failover/0/tls", "exactly one of"},
    {"\"tls\": null", "\"tls\": {\"certificate\": \"c\", \"key\": \"k\", \"ca\": \"a\", \"partner_certificate\": \"p\"}", 32, "/failover/0/tls", "exactly one of"},
    {"\"tls\": null", "\"tls\": {\"certificate\": \"c\", \"key\": \"k\", \"partner_certificate\": \"p\", \"partner_name\": \"b.example\"}", 32, "/failover/0/tls/partner_name", "must be left out"},
    {"\"tls\": null } ]", "\"tls\": null },\n { \"relationship\": \"s\", \"role\": \"primary\", \"partner\": \"2001:db8:2::2\", \"listen\": \"2001:db8:2::1\", \"links\": [\"l1\"], \"tls\": {\"certificate\": \"c\", \"key\": \"k\", \"ca\": \"a\"} } ]", 33, "/failover/1/tls", "must be the same"},
    {"\"primary\"", "\"master\"", 29, "/failover/0/role", "\"primary\", \"secondary\""},
    {"\"2001:db8:2::2\"", "\"2001:db8:2::1\"", 30, "/failover/0/partner", "own listen address"},
    {"\"2001:db8:2::2\"", "\"peer\"", 30, "/failover/0/partner", "IPv6 address"},
    {"\"2001:db8:2::1\"", "\"ff02::1\"", 30, "/failover/0/listen", "one host"},
    {"\"links\": [\"l0\"]", "\"links\": [\"l0\", \"l7\"]", 31, "/failover/0/links/1", "no link is named \"l7\""},
    {"\"links\": [\"l0\"]", "\"links\": [\"l0\", \"l0\"]", 31, "/failover/0/links/1", "in /failover/0 already"},
    {"\"links\": [\"l0\"]", "\"links\": []", 31, "/failover/0/links", "at least 1 items"},
    {"\"links\": [\"l0\"]", "\"mclt_s\": 0, \"links\": [\"l0\"]", 31, "/failover/0/mclt_s", "from 1 to"},
    {"\"links\": [\"l0\"]", "\"backup_share_percent\": 101, \"links\": [\"l0\"]", 31, "/failover/0/backup_share_percent", "from 0 to 100"},
    {"\"tls\": null } ]", "\"tls\": null },\n { \"relationship\": \"r\", \"role\": \"primary\", \"partner\": \"2001:db8:2::3\", \"listen\": \"2001:db8:2::1\", \"links\": [\"l1\"], \"tls\": null } ]", 33, "/failover/1/relationship", "must be unique"},
    /* Management and defaults. */
    {"\"[::1]:8647\"", "\"::1:8647\"", 33, "/management/listen", "address and port"},
    {"\"[::1]:8647\"", "\"[::1]:0\"", 33, "/management/listen", "address and port"},
    {"\"[::1]:8647\"", "\"[::]:8647\"", 33, "/management/listen", "others than this host"},
    {"\"[::1]:8647\"", "\"[::]:8647\", \"tls\": null", 33, "/management/listen", "others than this host"},
    {"\"[::1]:8647\"", "\"[::]:8647\", \"tls\": {\"key\": \"k\", \"certificate\": \"c\"}", 33, "/management/listen", "with \"ca\""},
    {"\"[::1]:8647\"", "\"[::1]:8647\", \"access\": [{\"roles\": [\"view\"]}]", 33, "/management/access/0", "exactly one"},
    {"\"[::1]:8647\"", "\"[::1]:8647\", \"access\": [{\"roles\": [\"view\"], \"user\": \"a\", \"loopback\": true}]", 33, "/management/access/0", "exactly one"},
    {"\"[::1]:8647\"", "\"[::1]:8647\", \"access\": [{\"roles\": [\"root\"], \"user\": \"a\"}]", 33, "/management/access/0/roles/0", "one of"},
    {"\"[::1]:8647\"", "\"[::1]:8647\", \"tls\": {\"key\": \"k\"}", 33, "/management/tls/certificate", "is missing"},
    {"\n}\n", ",\n  \"lifetimes\": { \"preferred_s\": 9, \"valid_s\": 8 }\n}\n", 34, "/lifetimes/preferred_s", "above valid_s"},
    {"\n}\n", ",\n  \"options\": { \"aftr_name\": \"-\", \"sntp_servers\": [\"::\"] }\n}\n", 34, "/options/sntp_servers/0", "unicast"},
    {"\n}\n", ",\n  \"a/b~c\": 1\n}\n", 34, "/a~1b~0c", "is not known here"},
};

/* clang-format on */

/* right with one edit; the caller frees it. */
static char *edited(const struct wrong *row)
{
    const char *found = strstr(right, row->from);
    char *text = found ? malloc(sizeof(right) + strlen(row->to)) : NULL;

    if (text) {
        (void)sprintf(text, "%.*s%s%s", (int)(found - right), right, row->to,
                      found + strlen(row->from));
    }
    return text;
}

static void wrong_told(void)
{
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        const struct wrong *row = &wrongs[i];
        struct config *config = NULL;
        struct config_error error = {.line = 0};
        char *text;
        int err;

        text = edited(row);
        CHECK(text);
        if (!text) {
            printf("row %zu: nothing to edit\n", i);
            continue;
        }
        err = config_parse("t.json", text, strlen(text), &config, &error);
        if (err != -EINVAL || error.line != row->line || strcmp(error.file, "t.json") != 0 ||
            strcmp(error.pointer, row->pointer) != 0 || !strstr(error.text, row->text)) {
            printf("row %zu (%s): %d %s:%u: %s: %s\n", i, row->to, err, error.file, error.line,
                   error.pointer, error.text);
            check_failures++;
        }
        if (!err) {
            config_free(config);
        }
        free(text);
    }
}

static void right_is_right(void)
{
    struct config *config = NULL;
    struct config_error error = {.line = 0};

    CHECK_EQ(config_parse("t.json", right, sizeof(right) - 1, &config, &error), 0);
    CHECK_STR(error.text, "");
    config_free(config);
}

/* Every beginning of a right file is wrong, and is told without harm. */
static void beginnings_are_wrong(void)
{
    for (size_t size = 0; size < sizeof(right) - 3; size++) {
        struct config *config = NULL;
        struct config_error error;

        CHECK_EQ(config_parse("t.json", right, size, &config, &error), -EINVAL);
        CHECK(error.line >= 1 && error.text[0]);
    }
}

static const struct check_test tests[] = {
    {"right_is_right", right_is_right},
    {"wrong_told", wrong_told},
    {"beginnings_are_wrong", beginnings_are_wrong},
};

CHECK_MAIN(tests)

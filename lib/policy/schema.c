/* The one table of the configuration file: every key with its type, default, range and meaning. It
 * parses (through rpc/field), describes itself as JSON Schema and as reference manual. A new key is
 * one row here and one line in its reader. Control core only. */
#include <string.h>

#include "policy/internal.h"

static const char *const log_levels[] = {"error", "warn", "notice", "info", "debug", NULL};
static const char *const clock_modes[] = {"plausible", "synchronised", "trusted", NULL};
static const char *const poll_modes[] = {"adaptive", "busy", NULL};
static const char *const pool_types[] = {"address", "prefix", NULL};
static const char *const roles[] = {"primary", "secondary", NULL};
static const char *const value_types[] = {"addresses", "names", "uint8", "uint16", "uint32",
                                          "string",    "hex",   "empty", NULL};

/* clang-format off */
#define ROW(name_, type_, ...) {.name = (name_), .type = (type_), __VA_ARGS__}
#define END_ROW {.type = FIELD_END}
#define NAME_ROW(help_) ROW("name", FIELD_STRING, .required = true, .min = 1, .max = POLICY_NAME_MAX - 1, .help = (help_))

static const struct field name_item[] = {ROW("item", FIELD_STRING, .min = 1, .max = POLICY_NAME_MAX - 1), END_ROW};
static const struct field address_item[] = {ROW("item", FIELD_ADDRESS), END_ROW};
static const struct field prefix_item[] = {ROW("item", FIELD_PREFIX), END_ROW};
static const struct field range_item[] = {ROW("item", FIELD_RANGE), END_ROW};
static const struct field dns_name_item[] = {ROW("item", FIELD_NAME), END_ROW};
static const struct field host_item[] = {ROW("item", FIELD_STRING, .min = 1, .max = 254), END_ROW};
static const struct field alpn_item[] = {ROW("item", FIELD_STRING, .min = 1, .max = 255), END_ROW};

const struct field schema_server[] = {
    NAME_ROW("Name of this server in logs, metrics and status."),
    ROW("state_dir", FIELD_STRING, .required = true, .min = 1, .max = 4000, .help = "Directory of all state files; locked by the running server."),
    ROW("duid", FIELD_HEX, .min = DUID_SIZE_MIN, .max = DUID_SIZE_MAX, .help = "Server DUID (RFC 9915 11). Left out: made once and kept in state_dir."),
    ROW("allocation_secret", FIELD_HEX, .min = 16, .max = 16, .help = "Key of the hash that chooses addresses for clients. Left out: made once and kept in state_dir. Give both failover partners the same."),
    ROW("log_level", FIELD_STRING, .choices = log_levels, .fallback = "\"info\"", .help = "Least severity that is logged."),
    ROW("clock", FIELD_STRING, .choices = clock_modes, .fallback = "\"plausible\"", .help = "When the system's clock is believed at start; until then nothing expires or is reused. plausible: the kernel calls it synchronised, or it is no earlier and at most a day later than the log's last time; synchronised: the kernel calls it synchronised; trusted: always."),
    END_ROW};

const struct field schema_store[] = {
    ROW("leases_max", FIELD_INTEGER, .min = 1, .max = 1000000000, .fallback = "1000000", .help = "Most leases kept at a time; sizes memory at start."),
    ROW("remember_s", FIELD_INTEGER, .min = 0, .max = UINT32_MAX, .fallback = "604800", .help = "How long a free lease is kept for its former client."),
    ROW("inline_octets", FIELD_INTEGER, .min = 16, .max = DUID_SIZE_MAX + LEASE_INFO_SIZE_MAX, .fallback = "112", .help = "Room beside each lease for the client's DUID and what its relays said, rounded up to a multiple of 16; the default is enough for an Interface-Id of 24 and a Remote-Id of 16 octets."),
    ROW("long_leases_max", FIELD_INTEGER, .min = 0, .max = 1000000000, .fallback = "0", .help = "Most leases whose DUID and relay information exceed inline_octets; 0: a sixteenth of leases_max, at least 1024. Beyond them a lease keeps what fits."),
    END_ROW};

const struct field schema_journal[] = {
    ROW("segment_mib", FIELD_INTEGER, .min = 1, .max = 2048, .fallback = "64", .help = "Size of one log segment, written before use."),
    ROW("checkpoint_log_mib", FIELD_INTEGER, .min = 2, .max = 1048576, .fallback = "1024", .help = "Amount of log that calls for a checkpoint; at least two segments."),
    ROW("horizon_s", FIELD_INTEGER, .min = 10, .max = 3600, .fallback = "60", .help = "How far ahead of now the disk permits operating. A server that cannot renew this falls silent when it ends."),
    END_ROW};

static const struct field port_children[] = {
    NAME_ROW("Name by which links refer to the port."),
    ROW("device", FIELD_STRING, .min = 1, .max = 250, .help = "DPDK device: PCI address or vdev arguments such as \"net_af_packet0,iface=eth1\". Left out: a TAP interface of the port's name."),
    ROW("addresses", FIELD_ARRAY, .max = CONFIG_PORT_ADDRESSES_MAX, .children = address_item, .help = "Unicast addresses the port answers for, besides its EUI-64 link-local address."),
    ROW("mac", FIELD_HEX, .min = 6, .max = 6, .help = "Ethernet address. Left out: the device's own."),
    ROW("mtu", FIELD_INTEGER, .min = 1280, .max = 9600, .fallback = "1500", .help = "Largest IPv6 packet in octets."),
    END_ROW};
static const struct field port_item[] = {ROW("item", FIELD_OBJECT, .children = port_children), END_ROW};

static const struct field cpu_item[] = {ROW("item", FIELD_INTEGER, .min = 0, .max = 1023), END_ROW};
const struct field schema_dataplane[] = {
    ROW("workers", FIELD_INTEGER, .min = 1, .max = CONFIG_WORKERS_MAX, .fallback = "1", .help = "Worker threads, one core each."),
    ROW("cpus", FIELD_ARRAY, .min = 2, .max = CONFIG_WORKERS_MAX + 1, .children = cpu_item, .help = "CPU of the control core (and of the log's thread), then of each worker. Left out: the control core gets the CPU that serves the most device interrupts, workers the quietest."),
    ROW("poll", FIELD_STRING, .choices = poll_modes, .fallback = "\"adaptive\"", .help = "adaptive: an idle worker sleeps at most 200 microseconds; busy: never."),
    ROW("message_cost_us", FIELD_INTEGER, .min = 0, .max = 10000, .fallback = "0", .help = "For tests of overload only: a worker wastes so many microseconds on every message it takes on, so that its capacity is known and small."),
    ROW("ports", FIELD_ARRAY, .required = true, .min = 1, .max = CONFIG_PORTS_MAX, .children = port_item, .help = "Network ports."),
    END_ROW};

const struct field schema_lifetimes[] = {
    ROW("preferred_s", FIELD_INTEGER, .required = true, .min = 1, .max = UINT32_MAX, .help = "Preferred lifetime; 4294967295 is infinity."),
    ROW("valid_s", FIELD_INTEGER, .required = true, .min = 1, .max = UINT32_MAX, .help = "Valid lifetime, at least preferred_s; 4294967295 is infinity."),
    ROW("renew_s", FIELD_INTEGER, .min = 1, .max = UINT32_MAX, .help = "T1, at most rebind_s. Left out: half of the preferred lifetime (RFC 9915 21.4)."),
    ROW("rebind_s", FIELD_INTEGER, .min = 1, .max = UINT32_MAX, .help = "T2, at most preferred_s. Left out: 0.8 of the preferred lifetime (RFC 9915 21.4)."),
    END_ROW};

static const struct field svc_params_children[] = {
    ROW("alpn", FIELD_ARRAY, .min = 1, .max = 16, .children = alpn_item, .help = "Protocols, such as \"dot\", \"h2\", \"doq\"."),
    ROW("port", FIELD_INTEGER, .min = 1, .max = 65535, .help = "Port, if not the protocol's own."),
    ROW("dohpath", FIELD_STRING, .min = 1, .max = 255, .help = "Path template of DNS over HTTPS (RFC 9461 5), such as \"/dns-query{?dns}\"."),
    END_ROW};
static const struct field dnr_children[] = {
    ROW("priority", FIELD_INTEGER, .required = true, .min = 1, .max = 65535, .help = "Service priority; the smallest is tried first."),
    ROW("adn", FIELD_NAME, .required = true, .help = "Authentication domain name of the resolver."),
    ROW("addresses", FIELD_ARRAY, .min = 1, .max = 16, .children = address_item, .help = "Addresses of the resolver. Left out together with svc_params: name only (RFC 9463 3.1.6)."),
    ROW("svc_params", FIELD_OBJECT, .children = svc_params_children, .help = "Service parameters (RFC 9460 2.2)."),
    END_ROW};
static const struct field dnr_item[] = {ROW("item", FIELD_OBJECT, .children = dnr_children), END_ROW};

static const struct field suboption_children[] = {
    ROW("code", FIELD_INTEGER, .required = true, .min = 0, .max = 65535, .help = "Sub-option code of the enterprise."),
    ROW("type", FIELD_STRING, .required = true, .choices = value_types, .help = "How value is written."),
    ROW("value", FIELD_ANY, .help = "As type says: list of addresses or names, integer, string, hex digits; none for empty."),
    END_ROW};
static const struct field suboption_item[] = {ROW("item", FIELD_OBJECT, .children = suboption_children), END_ROW};
static const struct field vendor_children[] = {
    ROW("enterprise", FIELD_INTEGER, .required = true, .min = 0, .max = UINT32_MAX, .help = "Enterprise number of the vendor (IANA)."),
    ROW("suboptions", FIELD_ARRAY, .required = true, .min = 1, .max = 64, .children = suboption_item, .help = "The vendor's sub-options in order."),
    ROW("always", FIELD_BOOL, .fallback = "false", .help = "Send it to clients that did not ask, too."),
    END_ROW};
static const struct field vendor_item[] = {ROW("item", FIELD_OBJECT, .children = vendor_children), END_ROW};
static const struct field custom_children[] = {
    ROW("code", FIELD_INTEGER, .required = true, .min = 10, .max = 65535, .help = "Option code; none that the server makes itself or that has a name here."),
    ROW("type", FIELD_STRING, .required = true, .choices = value_types, .help = "How value is written."),
    ROW("value", FIELD_ANY, .help = "As type says: list of addresses or names, integer, string, hex digits; none for empty."),
    ROW("always", FIELD_BOOL, .fallback = "false", .help = "Send it to clients that did not ask, too."),
    END_ROW};
static const struct field custom_item[] = {ROW("item", FIELD_OBJECT, .children = custom_children), END_ROW};

const struct field schema_options[] = {
    ROW("dns_servers", FIELD_ARRAY, .min = 1, .max = 32, .children = address_item, .help = "Recursive DNS servers (option 23, RFC 3646)."),
    ROW("domain_search", FIELD_ARRAY, .min = 1, .max = 32, .children = dns_name_item, .help = "Domain search list (option 24, RFC 3646)."),
    ROW("sntp_servers", FIELD_ARRAY, .min = 1, .max = 32, .children = address_item, .help = "SNTP servers (option 31, RFC 4075)."),
    ROW("ntp_servers", FIELD_ARRAY, .min = 1, .max = 16, .children = host_item, .help = "NTP servers, each an address, a multicast address or a DNS name (option 56, RFC 5908)."),
    ROW("aftr_name", FIELD_NAME, .help = "DS-Lite tunnel end (option 64, RFC 6334)."),
    ROW("sol_max_rt_s", FIELD_INTEGER, .min = 60, .max = 86400, .help = "Longest pause between a client's Solicits (option 82, RFC 9915 21.24)."),
    ROW("inf_max_rt_s", FIELD_INTEGER, .min = 60, .max = 86400, .help = "Longest pause between a client's Information-requests (option 83, RFC 9915 21.25)."),
    ROW("information_refresh_s", FIELD_INTEGER, .min = 600, .max = UINT32_MAX, .help = "When a client without leases asks again (option 32, RFC 9915 21.23)."),
    ROW("captive_portal", FIELD_STRING, .min = 1, .max = 1024, .help = "URI of the captive portal API (option 103, RFC 8910)."),
    ROW("dnr", FIELD_ARRAY, .min = 1, .max = 8, .children = dnr_item, .help = "Encrypted DNS resolvers (option 144, RFC 9463)."),
    ROW("vendor_options", FIELD_ARRAY, .min = 1, .max = 16, .children = vendor_item, .help = "Vendor-specific information (option 17, RFC 9915 21.17), one entry per enterprise."),
    ROW("custom", FIELD_ARRAY, .min = 1, .max = OPTIONS_CUSTOM_MAX, .children = custom_item, .help = "Any other option as typed data; entries of the same code are sent one after the other."),
    END_ROW};

#define LINK_DEFAULT_ROWS \
    ROW("lifetimes", FIELD_OBJECT, .children = schema_lifetimes, .help = "Lifetimes of addresses and prefixes, taken as a whole. Without any: preferred 3000, valid 3600."), \
    ROW("rapid_commit", FIELD_BOOL, .fallback = "false", .help = "Answer a Solicit that has Rapid Commit with a Reply at once (RFC 9915 18.3.1)."), \
    ROW("reconfigure_key", FIELD_BOOL, .fallback = "false", .help = "Give clients that accept Reconfigure a key with their first Reply and keep it with their leases (RFC 9915 20.4)."), \
    ROW("preference", FIELD_INTEGER, .min = 0, .max = 255, .fallback = "0", .help = "Server preference in Advertise; 0 leaves the option out, 255 ends the client's waiting (RFC 9915 21.8)."), \
    ROW("decline_s", FIELD_INTEGER, .min = 0, .max = UINT32_MAX, .fallback = "86400", .help = "How long an address rests after a client declined it."), \
    ROW("options", FIELD_OBJECT, .children = schema_options, .help = "Options for clients.")

static const struct field pd_exclude_children[] = {
    ROW("length", FIELD_INTEGER, .required = true, .min = 2, .max = 128, .help = "Length of the excluded prefix, above delegated_length."),
    ROW("subnet_id", FIELD_INTEGER, .min = 0, .max = INT64_MAX, .fallback = "0", .help = "Number of the excluded prefix within the delegated one, counted in prefixes of its length."),
    END_ROW};
const struct field schema_pool[] = {
    ROW("type", FIELD_STRING, .required = true, .choices = pool_types, .help = "address: IA_NA; prefix: IA_PD."),
    ROW("range", FIELD_RANGE, .required = true, .help = "What is given out: a prefix, or first and last address."),
    ROW("delegated_length", FIELD_INTEGER, .min = 1, .max = 127, .help = "Length of each delegated prefix; prefix pools only, which need it."),
    ROW("exclude", FIELD_ARRAY, .max = POOL_EXCLUDES_MAX, .children = range_item, .help = "Blocks of the range that are never given out; whole delegated prefixes in a prefix pool."),
    ROW("pd_exclude", FIELD_OBJECT, .children = pd_exclude_children, .help = "Prefix excluded from every delegated prefix for the link itself (RFC 6603); prefix pools only."),
    ROW("classes", FIELD_ARRAY, .min = 1, .max = POLICY_CLASSES_MAX, .children = name_item, .help = "Only for members of one of these classes."),
    ROW("name", FIELD_STRING, .min = 1, .max = 2 * POLICY_NAME_MAX - 1, .help = "Name in status and metrics. Left out: <link>/<range>, and /<delegated_length> in a prefix pool."),
    END_ROW};
static const struct field pool_item[] = {ROW("item", FIELD_OBJECT, .children = schema_pool), END_ROW};

const struct field schema_link[] = {
    NAME_ROW("Name of the link."),
    ROW("port", FIELD_STRING, .required = true, .min = 1, .max = POLICY_NAME_MAX - 1, .help = "Name of the port in dataplane.ports that serves it."),
    ROW("direct", FIELD_BOOL, .help = "true: clients that reach the port without a relay are on this link; false: never. Left out: the first link of each port that may."),
    ROW("relay_addresses", FIELD_ARRAY, .max = 64, .children = address_item, .help = "Link-addresses of the relays of this link (RFC 9915 13.1)."),
    ROW("subnets", FIELD_ARRAY, .max = 64, .children = prefix_item, .help = "Prefixes of the link; a relay's link-address within one chooses the link, the longest first."),
    ROW("pools", FIELD_ARRAY, .max = 64, .children = pool_item, .help = "What the link gives out, in order of preference."),
    LINK_DEFAULT_ROWS,
    END_ROW};
static const struct field link_item[] = {ROW("item", FIELD_OBJECT, .children = schema_link), END_ROW};

#define OCTETS_ROW(name_, help_) ROW(name_, FIELD_OCTETS, .min = 1, .max = 255, .help = (help_))
#define HEX_ROW(name_, help_) ROW(name_, FIELD_HEX, .min = 1, .max = DUID_SIZE_MAX, .help = (help_))
const struct field schema_match[] = {
    HEX_ROW("duid", "The client's whole DUID."),
    HEX_ROW("duid_prefix", "The first octets of the client's DUID."),
    HEX_ROW("link_layer", "The first octets of the client's link-layer address, from option 79 or from its frames: three for a maker, six for a device."),
    ROW("vendor_enterprise", FIELD_INTEGER, .min = 0, .max = UINT32_MAX, .help = "Enterprise number of the client's Vendor Class (option 16)."),
    OCTETS_ROW("vendor_class", "The first octets of the client's Vendor Class data (option 16)."),
    OCTETS_ROW("user_class", "The client's first User Class (option 15), whole."),
    ROW("remote_enterprise", FIELD_INTEGER, .min = 0, .max = UINT32_MAX, .help = "Enterprise number of the relay's Remote-Id (option 37)."),
    OCTETS_ROW("remote_id", "The relay's Remote-Id without its enterprise number (option 37), whole."),
    OCTETS_ROW("remote_id_prefix", "The first octets of the relay's Remote-Id, without its enterprise number."),
    OCTETS_ROW("interface_id", "The relay's Interface-Id (option 18), whole."),
    OCTETS_ROW("interface_id_prefix", "The first octets of the relay's Interface-Id."),
    OCTETS_ROW("subscriber_id", "The relay's Subscriber-Id (option 38), whole."),
    OCTETS_ROW("subscriber_id_prefix", "The first octets of the relay's Subscriber-Id."),
    END_ROW};
const struct field schema_class[] = {
    NAME_ROW("Name of the class."),
    ROW("match", FIELD_OBJECT, .required = true, .children = schema_match, .help = "Who is in: clients for which all of these hold; at least one."),
    ROW("drop", FIELD_BOOL, .fallback = "false", .help = "Do not answer members at all."),
    ROW("lifetimes", FIELD_OBJECT, .children = schema_lifetimes, .help = "Lifetimes for members instead of the link's. The first class that has some counts."),
    ROW("options", FIELD_OBJECT, .children = schema_options, .help = "Options for members, before the link's."),
    END_ROW};
static const struct field class_item[] = {ROW("item", FIELD_OBJECT, .children = schema_class), END_ROW};

const struct field schema_reservation[] = {
    ROW("duid", FIELD_HEX, .min = DUID_SIZE_MIN, .max = DUID_SIZE_MAX, .help = "For the client with this DUID. Exactly one of duid, link_layer, remote_id, interface_id, subscriber_id is given."),
    ROW("link_layer", FIELD_HEX, .min = 1, .max = 32, .help = "For the client with this link-layer address, from option 79 or from its frames."),
    OCTETS_ROW("remote_id", "For the client behind this Remote-Id (option 37), enterprise number not included."),
    OCTETS_ROW("interface_id", "For the client behind this Interface-Id (option 18)."),
    OCTETS_ROW("subscriber_id", "For the client behind this Subscriber-Id (option 38)."),
    ROW("link", FIELD_STRING, .min = 1, .max = POLICY_NAME_MAX - 1, .help = "Only on this link. Left out: wherever its addresses and prefixes fit."),
    ROW("addresses", FIELD_ARRAY, .max = POLICY_RESERVED_MAX, .children = address_item, .help = "Addresses kept for the client."),
    ROW("prefixes", FIELD_ARRAY, .max = POLICY_RESERVED_MAX, .children = prefix_item, .help = "Prefixes kept for the client; with the addresses at most 8."),
    ROW("options", FIELD_OBJECT, .children = schema_options, .help = "Options for the client, before those of classes and link."),
    END_ROW};
static const struct field reservation_item[] = {ROW("item", FIELD_OBJECT, .children = schema_reservation), END_ROW};

#define FILE_ROW(name_, required_, help_) ROW(name_, FIELD_STRING, .required = (required_), .min = 1, .max = 4000, .help = (help_))
static const struct field partner_tls_children[] = {
    FILE_ROW("certificate", true, "PEM file of the own certificate."),
    FILE_ROW("key", true, "PEM file of its private key."),
    FILE_ROW("ca", false, "PEM file of the authorities that sign the partner's certificate, which must then hold partner's address or partner_name. Exactly one of ca and partner_certificate is given."),
    FILE_ROW("partner_certificate", false, "PEM file of the partner's own certificate: it and no other is taken, whoever signed it."),
    ROW("partner_name", FIELD_NAME, .help = "DNS name that the partner's certificate holds (Subject Alternative Name); with ca only. Left out: it must hold the partner's address."),
    END_ROW};
const struct field schema_failover[] = {
    ROW("relationship", FIELD_STRING, .required = true, .min = 1, .max = POLICY_NAME_MAX - 1, .help = "Name of the relationship, the same at both partners (RFC 8156 5.5.22)."),
    ROW("role", FIELD_STRING, .required = true, .choices = roles, .help = "Role of this server in the relationship."),
    ROW("partner", FIELD_ADDRESS, .required = true, .help = "Address of the partner."),
    ROW("listen", FIELD_ADDRESS, .required = true, .help = "Own address, a kernel one, for connections from and to the partner."),
    ROW("port", FIELD_INTEGER, .min = 1, .max = 65535, .fallback = "647", .help = "TCP port of both ends."),
    ROW("mclt_s", FIELD_INTEGER, .min = 1, .max = 2592000, .fallback = "3600", .help = "Maximum client lead time (RFC 8156 4.4); the primary's value counts."),
    ROW("keepalive_s", FIELD_INTEGER, .min = 3, .max = 3600, .fallback = "60", .help = "A connection silent for so long is lost (RFC 8156 6.5)."),
    ROW("startup_s", FIELD_INTEGER, .min = 1, .max = 3600, .fallback = "15", .help = "How long a starting server waits for its partner before it serves by its last state (RFC 8156 8.3)."),
    ROW("startup_partner_down", FIELD_BOOL, .fallback = "false", .help = "Commissioning: a server without any record of an earlier state that does not reach its partner while it starts goes to PARTNER-DOWN and serves. Take it out once the pair runs: after a lost disk it could give leases twice."),
    ROW("partner_down_after_s", FIELD_INTEGER, .min = 60, .max = 31536000, .nullable = true, .help = "Go to PARTNER-DOWN by itself after the partner was not heard for so long (RFC 8156 8.7.2). Only where a partner that is cut off surely serves nobody. Left out or null: never, an operator decides."),
    ROW("backup_share_percent", FIELD_INTEGER, .min = 0, .max = 100, .fallback = "20", .help = "Share of the free prefixes that the secondary may delegate (RFC 8156 4.2.2)."),
    ROW("links", FIELD_ARRAY, .required = true, .min = 1, .children = name_item, .help = "Names of the links the pair serves together."),
    ROW("tls", FIELD_OBJECT, .required = true, .nullable = true, .children = partner_tls_children, .help = "TLS toward the partner; null, written out, runs the connection in clear."),
    END_ROW};
static const struct field failover_item[] = {ROW("item", FIELD_OBJECT, .children = schema_failover), END_ROW};

static const struct field management_tls_children[] = {
    FILE_ROW("certificate", true, "PEM file of the server certificate."),
    FILE_ROW("key", true, "PEM file of its private key."),
    FILE_ROW("ca", false, "PEM file of the authorities that sign client certificates; given: clients need one."),
    END_ROW};
static const char *const management_roles[] = {"view", "operate", "config", "admin", "legal", NULL};
static const struct field management_role_item[] = {ROW("item", FIELD_STRING, .choices = management_roles), END_ROW};
const struct field schema_management_access[] = {
    ROW("roles", FIELD_ARRAY, .required = true, .min = 1, .max = 8, .children = management_role_item, .help = "What they may do; every role brings view with it."),
    ROW("user", FIELD_STRING, .min = 1, .max = 32, .help = "A user, by name or number, on the Unix socket."),
    ROW("group", FIELD_STRING, .min = 1, .max = 32, .help = "A group, by name or number, whose members use the Unix socket."),
    ROW("common_name", FIELD_STRING, .min = 1, .max = 64, .help = "CN of a client certificate."),
    ROW("organizational_unit", FIELD_STRING, .min = 1, .max = 64, .help = "OU of client certificates."),
    ROW("loopback", FIELD_BOOL, .help = "true: all on this host that come by HTTP without a certificate; they have view otherwise."),
    END_ROW};
static const struct field management_access_item[] = {ROW("item", FIELD_OBJECT, .children = schema_management_access), END_ROW};
const struct field schema_management[] = {
    ROW("socket", FIELD_STRING, .min = 1, .max = 107, .help = "Path of the Unix socket."),
    ROW("listen", FIELD_STRING, .min = 1, .max = 64, .help = "Address and port of HTTP, such as \"[::1]:8647\"."),
    ROW("tls", FIELD_OBJECT, .nullable = true, .children = management_tls_children, .help = "HTTPS, TLS 1.2 or newer; on other addresses than loopback it is needed, with ca."),
    ROW("access", FIELD_ARRAY, .max = 256, .children = management_access_item, .help = "Who has which roles; all rows that fit count together. Root and the server's own user have all of them on the Unix socket, others there view; a client certificate no row names has none."),
    END_ROW};

const struct field schema_root[] = {
    ROW("server", FIELD_OBJECT, .required = true, .children = schema_server, .help = "The server itself."),
    ROW("store", FIELD_OBJECT, .children = schema_store, .help = "Leases in memory."),
    ROW("journal", FIELD_OBJECT, .children = schema_journal, .help = "Leases on disk."),
    ROW("dataplane", FIELD_OBJECT, .required = true, .children = schema_dataplane, .help = "Workers and ports."),
    ROW("links", FIELD_ARRAY, .required = true, .min = 1, .max = 100000, .children = link_item, .help = "Links that are served."),
    ROW("classes", FIELD_ARRAY, .max = POLICY_CLASSES_MAX, .children = class_item, .help = "Client classes."),
    ROW("reservations", FIELD_ARRAY, .max = 10000000, .children = reservation_item, .help = "What is kept for known clients."),
    ROW("failover", FIELD_ARRAY, .max = 64, .children = failover_item, .help = "Failover relationships (RFC 8156). Without any the server stands alone."),
    ROW("management", FIELD_OBJECT, .children = schema_management, .help = "Where operators connect."),
    LINK_DEFAULT_ROWS,
    END_ROW};

/* clang-format on */

int config_schema_write(FILE *out)
{
    json_t *schema = field_schema(schema_root);
    int err = schema && json_dumpf(schema, out, JSON_INDENT(2)) == 0 && fputc('\n', out) != EOF
                  ? 0
                  : -EIO;

    json_decref(schema);
    return err;
}

/* What the files of lib/policy share: the table's parts, the reader of a configuration, and the
 * shared part of all policies made of one configuration. Private to lib/policy. */
#ifndef POLICY_INTERNAL_H
#define POLICY_INTERNAL_H

#include <stdatomic.h>

#include <jansson.h>

#include "policy/config.h"
#include "policy/region.h"
#include "rpc/field.h"

enum {
    OPTIONS_CUSTOM_MAX = 64,
    CONFIG_WARNINGS_MAX = 32,
    MATCH_CONDITIONS_MAX = 16,
};

extern const struct field schema_root[], schema_server[], schema_store[], schema_journal[],
    schema_dataplane[], schema_link[], schema_pool[], schema_lifetimes[], schema_options[],
    schema_class[], schema_match[], schema_reservation[], schema_failover[], schema_management[],
    schema_management_access[];

/* One condition of a class: octets of the subject (whole or their beginning) or a number. */
struct match_condition {
    uint16_t octets_offset; /* of a struct span in struct policy_subject */
    uint16_t number_offset; /* of a uint32_t beside it; 0 = compare octets */
    bool prefix;
    uint32_t number;
    struct span octets;
};

struct class_match {
    struct match_condition conditions[MATCH_CONDITIONS_MAX];
    unsigned count;
};

/* Open addressing, at most half full, a power of two of places; value + 1, 0 = empty. */
struct lookup_table {
    uint32_t *places;
    uint32_t mask; /* 0: no table */
};

/* A relay's link-address or a subnet, and its link. */
struct lookup_subnet {
    struct ip6 prefix;
    uint8_t length;
    unsigned link;
};

/* A range and whose it is; arrays of these are sorted and disjoint. */
struct lookup_range {
    struct ip6 first, last;
    unsigned owner; /* pool or reservation */
    unsigned item;  /* which resource of the reservation */
};

/* Lengths that occur, longest first. */
struct lookup_lengths {
    uint8_t lengths[129];
    unsigned count;
};

/* Look-up tables over the rows of the template. Immutable. */
struct policy_index {
    struct config_policy *owner;
    int link_by_port[CONFIG_PORTS_MAX];
    struct lookup_subnet *relays; /* length 128 */
    unsigned relay_count;
    struct lookup_table relay_table;
    struct ip6 port_addresses[CONFIG_PORTS_MAX * CONFIG_PORT_ADDRESSES_MAX];
    unsigned port_address_count;
    struct lookup_subnet *subnets;
    unsigned subnet_count;
    struct lookup_table subnet_table;
    struct lookup_lengths subnet_lengths;
    struct lookup_range *pools;
    unsigned pool_count;
    struct class_match *matches;                                   /* one per class */
    struct lookup_table reservation_tables[POLICY_KEY_KIND_COUNT]; /* of reservations */
    unsigned reservation_counts[POLICY_KEY_KIND_COUNT];
    struct lookup_range *reserved_addresses, *reserved_prefixes;
    unsigned reserved_address_count, reserved_prefix_count;
    struct lookup_table address_table;
    struct lookup_table prefix_table;
    struct lookup_lengths prefix_lengths;
};

/* Everything policies of one configuration share; counted, freed with the last of them. The
 * template's links and pools are copied into each policy, the rest is shared. */
struct config_policy {
    _Atomic unsigned references; /* configuration and policies; any thread may drop one */
    struct region region;
    struct policy template;
    struct policy_index index;
    unsigned relationship_count;
    uint32_t *mclt_s; /* per relationship */
};

void config_policy_drop(struct config_policy *shared);

/* Where in a document: a JSON pointer, made by at(). */
struct pointer {
    char text[FIELD_POINTER_MAX];
};

__attribute__((format(printf, 1, 2))) struct pointer at(const char *format, ...);

/* Sorted names, for references and for finding double ones. */
struct name_ref {
    const char *name;
    unsigned index;
};

struct names {
    struct name_ref *refs;
    unsigned count;
};

/* A configuration being read. */
struct reader {
    struct region *region; /* of shared */
    struct config *config;
    struct config_policy *shared;
    struct config_error *error; /* filled once */
    const json_t *root;
    struct names links, classes;
    struct policy_lifetimes lifetimes; /* defaults of all links */
    struct policy_options options;
    struct config_error *warnings;
};

/* Tells the mistake at pointer; -EINVAL, for `return`. */
__attribute__((format(printf, 3, 4))) int fail(struct reader *reader, const char *pointer,
                                               const char *format, ...);
__attribute__((format(printf, 3, 4))) void warn(struct reader *reader, const char *pointer,
                                                const char *format, ...);

/* Values of a checked object; the row's default, or 0, false, NULL, when absent. */
uint64_t read_number(const struct field *table, const json_t *object, const char *name);
bool read_flag(const struct field *table, const json_t *object, const char *name);
/* A copy; NULL and *ret_err = -ENOMEM without memory. */
int read_string(struct reader *reader, const struct field *table, const json_t *object,
                const char *name, const char **ret_text) MUST_CHECK;
int read_octets(struct reader *reader, const json_t *object, const char *name,
                struct span *ret_octets) MUST_CHECK;
struct ip6 read_address(const json_t *value);

/* Sorts names; -EINVAL with the second of two equal ones told, places by place(). */
int names_sort(struct reader *reader, struct names *names,
               struct pointer (*place)(const struct reader *reader, unsigned index)) MUST_CHECK;
/* Index of the name or -1. */
int names_find(const struct names *names, const char *name);

/* Sections; base is the pointer of the object. */
int read_lifetimes(struct reader *reader, const json_t *lifetimes, const char *base,
                   struct policy_lifetimes *ret_lifetimes) MUST_CHECK;
int read_classes(struct reader *reader) MUST_CHECK;
int read_links(struct reader *reader) MUST_CHECK;
int read_reservations(struct reader *reader) MUST_CHECK;
int read_failovers(struct reader *reader) MUST_CHECK;
int read_management(struct reader *reader) MUST_CHECK;

/* options NULL gives an empty set. */
int options_read(struct reader *reader, const json_t *options, const char *base,
                 struct policy_options *ret_set) MUST_CHECK;
/* One set out of two, first winning per code; -ENOMEM. */
int options_merge(struct region *region, const struct policy_options *first,
                  const struct policy_options *second, struct policy_options *ret_set) MUST_CHECK;

/* Build look-up tables of the template; double entries and overlaps are mistakes. */
int index_links(struct reader *reader) MUST_CHECK;
int index_pools(struct reader *reader) MUST_CHECK;
int index_reservations(struct reader *reader) MUST_CHECK;

/* Hashes of the look-up tables. Their contents are the operator's; an attacker chooses only what is
 * looked for, so a fixed key will do. */
uint32_t lookup_hash_octets(enum policy_key_kind kind, struct span octets);
uint32_t lookup_hash_prefix(struct ip6 prefix, unsigned length);
int lookup_table_new(struct region *region, unsigned count,
                     struct lookup_table *ret_table) MUST_CHECK;
void lookup_table_add(struct lookup_table *table, uint32_t hash, uint32_t value);
/* The longest subnet that contains the address, or NULL. */
const struct lookup_subnet *lookup_subnet_find(const struct policy_index *index,
                                               struct ip6 address);
/* The range that contains or overlaps first..last, or NULL. */
const struct lookup_range *lookup_range_find(const struct lookup_range *ranges, unsigned count,
                                             struct ip6 first, struct ip6 last);

/* Line of the value at a JSON pointer, or of its nearest parent that is there; 1-based. */
unsigned locate_line(const char *text, size_t size, const char *pointer);
/* Pointer of the value that is open at an offset of a text. */
void locate_pointer(const char *text, size_t size, size_t offset, struct pointer *ret_pointer);

#endif

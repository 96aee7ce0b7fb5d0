/* Several complete servers in one process and virtual time, joined by failover relationships; the
 * octets of their connections are carried by hand. Two of them and one relationship as a rule. */
#ifndef TESTS_SERVER_PAIR_HARNESS_H
#define TESTS_SERVER_PAIR_HARNESS_H

#include "harness.h"
#include "server/relation.h"

enum {
    PRIMARY,
    SECONDARY,
    PAIR_NODES_MAX = 4,
    PAIR_EDGES_MAX = 3,
    VALID_S = 259200, /* three days, RFC 8156 4.4.1 */
    MCLT_S = 3600,
    PREFIX_POOL = 1, /* its number in the policy */
};

struct node {
    struct harness h;
    struct relation *relations[PAIR_EDGES_MAX]; /* NULL: down, or none */
    char *config;
    bool disk_stalled;
};

/* A relationship and its connection: the primary connects, the secondary accepts. */
struct edge {
    unsigned nodes[2], indexes[2]; /* of its relation in each node */
    struct fo_greet greet;
    bool greeting, connected; /* the connection, up to CONNECT and after */
    bool cut;
};

struct pair {
    struct node nodes[PAIR_NODES_MAX];
    struct edge edges[PAIR_EDGES_MAX];
    unsigned node_count, edge_count;
    struct fo_time now;
};

/* What differs from test to test. */
struct pair_options {
    const char *prefixes;     /* range; NULL: 2001:db8:4000::/51, 32 of them */
    const char *reservations; /* JSON text of the array's items, or NULL */
    unsigned share_percent;   /* 0: 25 */
    unsigned workers;         /* 0: 1 */
    unsigned leases_max;      /* 0: 1000 */
};

/* The two configurations of a pair, for pair_node_open. Caller frees. */
char *pair_config(const struct pair_options *options, unsigned role);

/* Step by step: nodes, relationships between them, then the relations of all. */
void pair_node_open(struct pair *pair, unsigned node, char *config);
void pair_join(struct pair *pair, unsigned primary, unsigned primary_index, unsigned secondary,
               unsigned secondary_index);
void pair_start(struct pair *pair);

/* A pair of two, started; and on until both are NORMAL. */
void pair_open_with(struct pair *pair, const struct pair_options *options);
void pair_open(struct pair *pair);
void pair_open_normal_with(struct pair *pair, const struct pair_options *options);
void pair_open_normal(struct pair *pair);
void pair_close(struct pair *pair);

/* As by kill -9, and started again from what was durable; or with nothing at all. */
void pair_kill(struct pair *pair, unsigned node);
void pair_restart(struct pair *pair, unsigned node);
void pair_restart_empty(struct pair *pair, unsigned node);

/* The connection breaks; while cut, no other one comes. */
void pair_cut(struct pair *pair, unsigned edge);
void pair_heal(struct pair *pair, unsigned edge);

/* Turns until nothing moves any more; then time passes. */
void pump(struct pair *pair);
void pass(struct pair *pair, unsigned seconds);
void pass_ms(struct pair *pair, unsigned milliseconds);

struct relation *relation_at(const struct pair *pair, unsigned node);
enum fo_server_state state_of(const struct pair *pair, unsigned node);
bool both_normal(const struct pair *pair);
/* The operator says so; true when the state is PARTNER-DOWN then. */
bool partner_down(struct pair *pair, unsigned node);

/* A client with one IA_NA and one IA_PD. */
struct reply {
    uint8_t type;
    uint8_t server_id[DUID_SIZE_MAX];
    size_t server_id_size;
    struct resource address, prefix; /* length 0: not given */
    uint32_t valid_s;
};

/* A message arrives, nobody has looked at it. given: what it names, NULL in SOLICIT. */
void client_send(struct pair *pair, unsigned node, uint8_t type, unsigned client,
                 const struct reply *given);
/* One message to one server; nothing reaches the partner before the next pump. False: no answer. */
bool exchange(struct pair *pair, unsigned node, uint8_t type, unsigned client,
              const struct reply *given, struct reply *ret_reply);
/* SOLICIT and REQUEST; true when both leases were given. */
bool lease_get(struct pair *pair, unsigned node, unsigned client, struct reply *ret_reply);

struct lease_found found_at(struct pair *pair, unsigned node, const struct resource *resource);
unsigned status_at(struct pair *pair, unsigned node, const struct resource *resource);
uint64_t free_own(struct pair *pair, unsigned node);
uint64_t free_partner(struct pair *pair, unsigned node);

/* How many leases of one store of a pair are not in the other, or not the same; each is printed. */
unsigned stores_differ(struct pair *pair);

#endif

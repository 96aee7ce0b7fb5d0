/* The configuration file as checked C data. schema.c holds the one table that parses it, describes
 * it (JSON Schema, reference manual) and names mistakes by file, line and JSON pointer. Control
 * core only. */
#ifndef POLICY_CONFIG_H
#define POLICY_CONFIG_H

#include <stdio.h>

#include "lease/pool.h"
#include "policy/policy.h"

enum {
    CONFIG_PORTS_MAX = 8,
    CONFIG_WORKERS_MAX = 64,
    CONFIG_PORT_ADDRESSES_MAX = 7
};

struct config_port {
    const char *name;
    const char *device; /* PCI address or vdev arguments; NULL: net_tap made by us */
    struct ip6 addresses[CONFIG_PORT_ADDRESSES_MAX];
    unsigned address_count;
    bool has_mac;
    uint8_t mac[6];
    uint16_t mtu; /* 0 = 1500 */
};

/* When the wall clock is believed at start, see server.clock. */
enum config_clock {
    CONFIG_CLOCK_PLAUSIBLE,
    CONFIG_CLOCK_SYNCHRONISED,
    CONFIG_CLOCK_TRUSTED
};

enum config_poll {
    CONFIG_POLL_ADAPTIVE, /* sleeps at most 200 us when idle */
    CONFIG_POLL_BUSY,     /* never sleeps */
};

enum config_role {
    CONFIG_ROLE_PRIMARY,
    CONFIG_ROLE_SECONDARY,
};

/* Files of a TLS end. A failover partner is known by ca or by its own certificate, exactly one of
 * them; management: ca NULL or not. */
struct config_tls {
    const char *certificate, *key, *ca;
    const char *partner_certificate, *partner_name; /* failover only; or NULL */
};

/* Who of those that connect to management gets which roles. Exactly one of the five says who. */
struct config_access {
    const char *user, *group; /* name or number, of a process on the Unix socket */
    const char *common_name, *organizational_unit; /* of a client certificate's subject */
    bool loopback;                                 /* HTTP from this host without a certificate */
    unsigned roles;                                /* bits 1 << enum jsonrpc_role */
};

/* One failover relationship (RFC 8156 4.1). Links name theirs through relationship. */
struct config_failover {
    const char *relationship;
    enum config_role role;
    struct ip6 partner, listen;
    uint16_t port; /* TCP, of both ends */
    uint32_t mclt_s, keepalive_s;
    uint32_t startup_s;
    uint32_t partner_down_after_s; /* 0: never */
    bool startup_partner_down;
    unsigned backup_share_percent; /* delegable prefixes for the secondary */
    const unsigned *links;         /* indexes into the policy's links */
    const char **link_names;       /* the same in words */
    unsigned link_count;
    bool has_tls; /* false only when "tls": null stands in the file */
    struct config_tls tls;
};

/* Raw parts that policy_new turns into the snapshot; private to lib/policy. */
struct config_policy;
struct config_error;

/* In the order of the file, not of sizes: there is one of it.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct config {
    const char *server_name;
    const char *state_dir;
    enum config_clock clock;
    struct span server_duid;       /* configured, or size 0: made once and kept in state_dir */
    struct span allocation_secret; /* 16 octets, or size 0: made once and kept in state_dir */
    uint32_t leases_max;
    uint16_t inline_octets;   /* room for DUID and info beside each lease */
    uint32_t long_leases_max; /* 0: the store's own default */
    uint32_t remember_s;      /* how long a free lease is kept for its former client */
    uint32_t horizon_s;       /* operating horizon, default 60 */
    uint64_t segment_size, checkpoint_log_max;
    unsigned workers;
    unsigned cpu_count;                    /* 0: chosen at start; else workers + 1 */
    unsigned cpus[CONFIG_WORKERS_MAX + 1]; /* of the control core, of each worker */
    enum config_poll poll;
    uint32_t message_cost_us; /* for tests: wasted on each message that is taken on */
    struct config_port ports[CONFIG_PORTS_MAX];
    unsigned port_count;
    const char *management_socket; /* NULL: none */
    const char *management_listen; /* NULL: none; "[addr]:port" */
    bool has_management_tls;
    struct config_tls management_tls;
    const struct config_access *accesses;
    unsigned access_count;
    const char *log_level;
    const struct config_failover *failovers;
    unsigned failover_count;
    const struct config_error *warnings; /* doubtful, but obeyed; to be logged once */
    unsigned warning_count;
    const char *text; /* the file as read, for config.get */
    struct config_policy *policy;
};

struct config_error {
    char file[256];
    unsigned line;     /* 1-based; 0 = unknown */
    char pointer[256]; /* JSON pointer */
    char text[256];    /* what is wrong and what would be right */
};

/* Parses and checks a whole file (cross references and overlaps too). 0, or -EINVAL with
 * *ret_error, or another negative errno when the file cannot be read. */
int config_read(const char *path, struct config **ret_config,
                struct config_error *ret_error) MUST_CHECK;
/* The same for text in memory; name stands for the file in errors. */
int config_parse(const char *name, const char *text, size_t size, struct config **ret_config,
                 struct config_error *ret_error) MUST_CHECK;
void config_free(struct config *config);

/* JSON Schema and the reference manual (Markdown), from the table. 0 or -EIO. */
int config_schema_write(FILE *out) MUST_CHECK;
int config_reference_write(FILE *out) MUST_CHECK;

#endif

/* What the groups of methods share; private to methods_*.c. */
#ifndef SERVER_METHODS_INTERNAL_H
#define SERVER_METHODS_INTERNAL_H

#include "observe/events.h"
#include "server/change.h"
#include "server/methods.h"
#include "server/relation_operator.h"
#include "server/revisions.h"

/* Leases of one pool by what they mean to it. */
struct pool_count {
    uint64_t used;     /* ACTIVE */
    uint64_t declined; /* ABANDONED */
    uint64_t waiting;  /* EXPIRED, RELEASED, RESET: not free until the partner agrees */
};

/* The walk that counts them: running is being filled, done is the last complete count. */
struct pool_walk {
    uint64_t revision; /* of the policy both counts belong to */
    unsigned pool_count;
    struct pool_count *running, *done; /* [pool_count] */
    uint64_t *reserved;                /* [pool_count]: units held by reservations */
    uint32_t slot;                     /* next to look at */
    bool under_way, has_done;
    sec_t done_s; /* when done was completed */
};

/* failover.simulate goes on where the last call with the same parameters stopped. */
struct outlook_walk {
    bool used;
    unsigned relation; /* index */
    enum fo_fsm_event_type event;
    sec_t down_since_s;
    bool force;
    struct relation_outlook outlook;
};

enum {
    METHODS_RELATIONS_MAX = 64
};

struct trace_run; /* methods_trace.c */

/* What the events are made from. */
struct event_watch {
    sec_t until_s;                                  /* leases are told until then */
    unsigned relation_state[METHODS_RELATIONS_MAX]; /* 0: not looked yet; else the state + 1 */
    sec_t pools_s;                                  /* of the count last looked at */
    uint64_t told;                                  /* number of the last event of the last turn */
};

/* A configuration that somebody wants, on its way: several calls may be needed to count leases. */
struct config_job {
    char *text;      /* NULL: none */
    uint64_t digest; /* of what it means */
    struct config *config;
    struct change *change;
    uint64_t revision; /* in force when it was begun */
};

struct config_state {
    struct revisions revisions; /* the newest is the one in force */
    struct config_job call, reload;
    sec_t confirm_until_s; /* 0: nothing to confirm */
    uint64_t confirm_back; /* revision to go back to */
};

struct methods {
    struct methods_env env;
    struct jsonrpc rpc;
    struct pool_walk walk;
    struct outlook_walk outlook;
    struct event_watch watch;
    struct config_state config;
    struct trace_run *trace; /* the last one; NULL: none is kept */
    uint64_t trace_last;     /* its number */
    bool maintenance;        /* the process ends when all relationships are handed over */
};

static inline const struct methods_env *methods_env(const struct jsonrpc_call *call)
{
    return &((const struct methods *)call->rpc->ctx)->env;
}

/* The groups' tables. */
extern const struct jsonrpc_method methods_server_table[];
extern const struct jsonrpc_method methods_lease_table[];
extern const struct jsonrpc_method methods_lease_count_table[];
extern const struct jsonrpc_method methods_lease_act_table[];
extern const struct jsonrpc_method methods_pool_table[];
extern const struct jsonrpc_method methods_stats_table[];
extern const struct jsonrpc_method methods_config_table[];
extern const struct jsonrpc_method methods_change_table[];
extern const struct jsonrpc_method methods_reservation_table[];
extern const struct jsonrpc_method methods_failover_table[];
extern const struct jsonrpc_method methods_audit_table[];
extern const struct jsonrpc_method methods_events_table[];
extern const struct jsonrpc_method methods_trace_table[];

/* Tells one event; takes data (methods_events.c). */
void methods_event(struct methods *methods, enum event_topic topic, json_t *data);

#define METHODS_CONFIG_HIDDEN "(hidden)"

/* Hides the values that are secrets (methods_config.c). */
void methods_config_redact(json_t *config);
/* The configuration that the parameters config, text, patch or file describe, as malloced text; or
 * what jsonrpc_fail returned (methods_change.c). *ret_text NULL: no memory. */
int methods_config_candidate(struct jsonrpc_call *call, char **ret_text);
/* Takes up the history and the configuration in force; and drops all (methods_change.c). */
int methods_config_init(struct methods *methods);
void methods_config_done(struct methods *methods);

/* Forgets the trace (methods_trace.c). */
void methods_trace_done(struct methods *methods);

/* The dispatcher's audit hook (methods_audit.c). */
jsonrpc_audit_fn methods_audit;

#define METHODS_TABLE_END                                                                          \
    {                                                                                              \
        .name = NULL                                                                               \
    }

/* Values as all methods write them (methods_value.c). New references. */
enum {
    VALUE_PREFIX_TEXT_MAX = FIELD_ADDRESS_TEXT_MAX + 4
};

json_t *value_u64(uint64_t value);     /* a number, or decimal text above 2^53 */
json_t *value_time(sec_t time);        /* RFC 3339, UTC */
json_t *value_hex(struct span octets); /* lower-case hex */
json_t *value_address(struct ip6 address);
json_t *value_prefix(struct ip6 prefix, unsigned length);
/* Text that may not be UTF-8: other octets become '?'. */
json_t *value_text(const char *text);
/* "2026-11-23T18:00:00Z"; false for anything else. */
bool value_time_read(const char *text, sec_t *ret_time);

/* Lease as JSON (methods_lease_json.c). fields: bits of enum lease_field. */
enum lease_field {
#define LEASE_FIELD(name, help) LEASE_FIELD_##name,
#include "server/lease_field.def"
#undef LEASE_FIELD
    LEASE_FIELD_COUNT
};

#define LEASE_FIELDS_ALL ((1ULL << LEASE_FIELD_COUNT) - 1)

extern const char *const lease_field_names[]; /* ended by NULL */

struct lease_view {
    const struct policy *policy;
    const struct lease *lease;
    sec_t now;
    int pool; /* index, -1 = in none */
    int link; /* index, -1 = not known */
};

struct lease_view lease_view_make(const struct policy *policy, const struct lease *lease,
                                  sec_t now);
json_t *lease_json(const struct lease_view *view, uint64_t fields);
const char *lease_state_name(unsigned status);
/* Names of all states, ended by NULL. */
extern const char *const lease_state_names[];
/* The opaque part of a remote id, without enterprise number. */
struct span lease_remote_id(struct span info);

/* The resource that the parameters address or prefix name, or what jsonrpc_fail returned; and the
 * failure when there is no lease of it (methods_lease.c). */
int lease_resource_read(struct jsonrpc_call *call, struct resource *ret_resource);
int lease_unknown(struct jsonrpc_call *call);
/* Cursors of walks over the store: the next slot. */
json_t *lease_cursor_write(uint32_t slot);
bool lease_cursor_read(const char *text, uint32_t *ret_slot);

/* Pool counts (methods_pool.c). */
struct pool_numbers {
    uint64_t total, free, used, declined, waiting, reserved;
    bool counted;    /* used, declined, waiting are known */
    bool free_known; /* so is free */
};

void pool_numbers_get(const struct pool_walk *walk, const struct policy *policy, unsigned index,
                      struct pool_numbers *ret_numbers);
void pool_walk_done(struct pool_walk *walk);

#endif

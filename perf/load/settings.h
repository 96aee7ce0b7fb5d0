/* What a run of the load generator shall do, and the command line that says it. */
#ifndef LOAD_SETTINGS_H
#define LOAD_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/units.h"

enum {
    SETTINGS_SERVERS_MAX = 4,
    SETTINGS_RELAYS_MAX = 16,
};

/* What one exchange is for. */
enum op {
    OP_NEW,     /* SOLICIT, ADVERTISE, REQUEST, REPLY */
    OP_RAPID,   /* SOLICIT with Rapid Commit, REPLY */
    OP_RENEW,   /* RENEW; after settings.renew_tries unanswered ones REBIND */
    OP_REBIND,  /* REBIND at once */
    OP_RELEASE, /* RELEASE */
    OP_REBOOT,  /* a client with a lease starts anew and should get it again */
    OP_COUNT,
};

struct settings {
    struct ip6 servers[SETTINGS_SERVERS_MAX]; /* each message goes to all of them */
    unsigned server_count;
    struct ip6 relays[SETTINGS_RELAYS_MAX]; /* our source addresses; none with `direct` */
    unsigned relay_count;
    struct ip6 link_address; /* in RELAY-FORW; zero: the relay's own */
    const char *interface;   /* for multicast and link-local; NULL = the routing table's choice */
    const char *device;      /* DPDK device; NULL = UDP sockets */
    uint8_t server_mac[6];   /* with device; zeros = ask for it */
    bool direct;             /* clients on the wire, no relay */
    bool na, pd;             /* what clients ask for */
    bool remote_id;          /* relays add a Remote-ID for each client */
    uint32_t client_count, first_client;
    uint64_t seed;
    unsigned weights[OP_COUNT];
    double rate;     /* exchanges started per second; 0 = closed loop */
    uint32_t window; /* closed loop: exchanges under way */
    bool avalanche;  /* all clients start at once */
    bool once;       /* each client does one exchange */
    bool quiet;      /* no progress lines */
    double duration_s, drain_s;
    unsigned tries;       /* transmissions of a message; 0 = as RFC 9915 says */
    unsigned renew_tries; /* transmissions of RENEW before REBIND */
    double backoff_scale; /* of all RFC 9915 times */
    uint32_t collect_ms;  /* how long ADVERTISEs are collected; 0 = the first is taken */
    uint32_t valid_min_s, valid_max_s;
    const char *save_path, *load_path;
};

/* Name of an op in --mix. */
const char *settings_op_name(enum op op);

/* Fills the settings from the arguments, which it borrows. 0; 1 when help was asked for and
 * printed; -EINVAL after saying on standard error what is wrong. */
int settings_read(struct settings *ret_settings, int argc, char **argv) MUST_CHECK;

#endif

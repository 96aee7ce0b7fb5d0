/* A failover pair in virtual time, from one seed: two complete servers out of lib/, clients, the
 * networks between them, disks, clocks and operators. One thread. Everything that can happen is a
 * step with a due time; the earliest is taken, and steps of one server may come in the middle of
 * another's turn: between decision and commit, before and after each write of the log, between a
 * write and what is published of it (hooks.c). What must always hold is checked from outside
 * (check.c), on what leaves and reaches the servers. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdarg.h>

#include "client_wire.h"
#include "failover/fo_greet.h"
#include "memdisk.h"
#include "server/control.h"
#include "server/relation.h"
#include "server/server.h"
#include "server/worker.h"

typedef uint64_t usec_t;

#define NEVER UINT64_MAX
#define MSEC  1000ull
#define SEC   1000000ull

enum {
    SIM_NODES = 2,
    SIM_WORKERS = 2,
    SIM_LINKS = 2,
    SIM_CLIENTS_MAX = 8,
    SIM_FLIGHTS_MAX = 256,
    SIM_FRAME = 2048,
    SIM_QUEUE = 64,
    SIM_FAULTS_MAX = 24,
    SIM_KEYS = 512, /* resources a model remembers; power of two */
    SIM_HISTORY = 8,
    SIM_DEPTH_MAX = 3,
    SIM_EPOCH = 820000000, /* sec_t of true time 0 */
    SIM_WIRE_SIZE = 1 << 18,
    SIM_ASKED = 512,
    SIM_ASKED_LEASES = 4,
};

struct sim;

/* ---- what happens to a seed, made before anything runs ---- */

enum fault_kind {
    FAULT_KILL,       /* the process of a server; the disk's cache survives */
    FAULT_POWER,      /* its machine */
    FAULT_DESTROY,    /* its machine and its disk */
    FAULT_CUT,        /* the partners' connection, once; both hear of it */
    FAULT_PARTITION,  /* nothing passes between the partners */
    FAULT_SLOW,       /* ... but slowly */
    FAULT_CLIENTS,    /* nothing passes between clients and one server */
    FAULT_LOSS,       /* many packets of clients are lost, doubled, late */
    FAULT_DISK_ERROR, /* writes fail */
    FAULT_DISK_FULL,
    FAULT_DISK_SLOW,
    FAULT_WORKER,     /* a worker stands still */
    FAULT_CONTROL,    /* the control core stands still */
    FAULT_CLOCK,      /* a server's clock runs wrong, and steps when the server starts anew */
    FAULT_HANDOVER,   /* planned maintenance of one server */
    FAULT_DOWN,       /* a machine is away for long; the operator tells the other one */
    FAULT_WRONG_DOWN, /* the operator says so although the partner lives */
    FAULT_LIE,        /* a server hears of a state in which its partner is not; in the end the
                       * connection breaks */
    FAULT_KINDS,
};

struct fault {
    enum fault_kind kind;
    unsigned node;
    usec_t at, until;
    unsigned on_node, on_state; /* at is NEVER until that server enters that state; 0: timed */
    uint64_t value;             /* of the kind's own */
    bool dropped;               /* taken out to make the transcript short */
    bool done;
};

struct sim_plan {
    unsigned client_count;
    usec_t faults_end; /* from there on everything heals */
    usec_t quiet_at;   /* from there on clients begin nothing new */
    uint32_t mclt_s, valid_s, preferred_s, keepalive_s, horizon_s, remember_s, share_percent;
    unsigned address_count, prefix_length; /* of the pools */
    bool rapid_commit;
    unsigned boot_crash;  /* of 256 boots in whose midst the power fails */
    unsigned preempt;     /* of 256 places where another step may come between */
    unsigned loss, twice; /* of 256 packets */
    usec_t delay_max;
    struct fault faults[SIM_FAULTS_MAX];
    unsigned fault_count;
};

/* ---- servers ---- */

enum step {
    STEP_WORKER, /* SIM_WORKERS of them */
    STEP_JOURNAL = STEP_WORKER + SIM_WORKERS,
    STEP_CONTROL,
    STEP_GRACE,
    STEP_CHECKPOINT,
    STEP_COUNT,
};

/* One version of one lease as the disk holds it. */
struct image {
    uint64_t version;
    uint8_t status;
    uint32_t iaid;
    sec_t start_s, expires_s;
    uint64_t duid; /* hash, 0: none */
};

struct known { /* about one resource */
    bool used;
    struct resource resource;
    struct image durable[SIM_HISTORY]; /* the last versions on disk, [0] the highest */
    uint64_t forgotten;                /* version of the last forgetting on disk */
    uint64_t forgetting; /* ... that the server had begun when it died: it may be on the disk */
    uint64_t acked_duid; /* for whom the partner acknowledged ... */
    sec_t acked_s;       /* ... that much to this server */
};

/* What must be durable before an update's answer leaves. */
struct asked {
    uint32_t xid;
    unsigned count;

    struct {
        struct resource resource;
        uint64_t version;
    } leases[SIM_ASKED_LEASES];
};

struct model {
    struct known known[SIM_KEYS];
    uint8_t endpoint[META_VALUE_MAX]; /* record on disk */
    size_t endpoint_size;
    struct asked asked[SIM_ASKED]; /* by xid */
    struct asked *taking;          /* the update being taken */
    struct fo_state told;          /* STATE sent last on this connection */
    bool has_told;
};

struct io {
    struct node *node;
    unsigned worker;
};

struct node {
    struct sim *sim;
    unsigned index;
    struct memdisk *memdisk;
    struct config *config;
    struct server *server; /* NULL: down */
    struct control control;
    struct relation *relation;
    struct io io[SIM_WORKERS];
    struct packet queue[SIM_WORKERS][SIM_QUEUE];
    unsigned queued[SIM_WORKERS];
    usec_t due[STEP_COUNT];
    unsigned busy;   /* bits of enum step: in the middle of it */
    bool booting;    /* not yet there for anybody */
    bool dying;      /* gone; what it was in the middle of has no effect any more */
    bool powerless;  /* and the machine with it */
    bool wiped;      /* and the disk */
    bool asleep;     /* told to stop */
    usec_t start_at; /* when it is down: next boot */
    usec_t booted_at;
    int64_t clock_error_us, clock_rate; /* now, and microseconds a second it grows; true + error */
    usec_t clock_at;
    int64_t wall_error_us; /* of the machine's clock; a server follows at its start */
    usec_t disk_slow, stalled_until[STEP_COUNT];
    unsigned lie; /* a state: what the next STATE from its partner seems to say; 0: as it is */
    bool clients_cut;
    bool disk_bad;
    usec_t serving_since;            /* NEVER: not serving */
    uint32_t heard[SIM_CLIENTS_MAX]; /* messages of the client's present exchange that came */
    uint32_t answered[SIM_CLIENTS_MAX];
    uint32_t late[SIM_CLIENTS_MAX]; /* answers given up: the worker had stood still in between */
    struct model model;
    uint32_t lives;
};

/* ---- between the partners ---- */

struct wire { /* one direction of the connection */
    uint8_t *bytes;
    size_t head, tail;
    bool fin;
    usec_t due;
    uint8_t *seen[2]; /* frames as they leave, as they arrive */
    size_t seen_size[2];
};

struct connection {
    bool dialing, primary_open, greeting, linked, stale;
    usec_t dial_due, greet_due;
    usec_t met_at; /* the last connection began */
    struct fo_greet greet;
    struct wire wires[2]; /* by sender */
    bool partitioned;
    usec_t slow;
};

/* ---- clients ---- */

enum client_state {
    CLIENT_IDLE,
    CLIENT_SOLICIT,
    CLIENT_REQUEST,
    CLIENT_BOUND,
    CLIENT_RENEW,
    CLIENT_REBIND,
    CLIENT_CONFIRM,
    CLIENT_RELEASE,
    CLIENT_DECLINE,
};

struct held {
    struct resource resource;
    usec_t until;   /* true time, counted from receipt */
    unsigned node;  /* told so */
    bool orphaned;  /* nobody's disk knows of it any more, for longer than the protocol waits */
    bool clock_bad; /* told by a server whose clock was wrong, with no partner to notice */
};

struct client {
    unsigned index, generation, link;
    unsigned kinds; /* bits: IA_NA, IA_PD */
    enum client_state state;
    struct held held[2][CLIENT_IA_LEASES];
    unsigned held_count[2];
    struct client_message message; /* under way */
    struct client_message offer;
    bool has_offer;
    usec_t due;    /* when it does something next */
    usec_t act_at; /* release, decline, move, reboot */
    usec_t t1_at, t2_at, give_up_at, first_at;
    usec_t rt;
    unsigned tries;
    uint8_t server_id[DUID_SIZE_MAX];
    size_t server_id_size;
};

struct flight { /* a packet between clients and servers */
    usec_t due;
    bool to_server;
    unsigned node, worker, client;
    size_t size;
    uint8_t *bytes; /* of the frame; NULL: free */
};

struct tally {
    uint64_t steps, nested, grants, renewals, releases, declines, expiries, lost, boots, kills,
        powers, partner_downs, handovers, lies, boot_crashes, updates, checkpoints, failed_writes,
        torn, tails_cut, takebacks, orphans;
};

struct coverage {
    uint64_t states[2][FO_SERVER_STATE_COUNT][FO_COLUMN_COUNT];
    struct fo_update_coverage updates;
};

struct sim_options {
    bool verbose;
    unsigned clients_max;              /* 0: as planned */
    usec_t end_max;                    /* faults and clients end there; 0: as planned */
    bool keep[SIM_FAULTS_MAX], chosen; /* only these faults */
};

struct sim {
    uint64_t seed;
    struct sim_options options;
    uint64_t random;
    struct sim_plan plan;
    usec_t now;
    unsigned depth;
    struct node nodes[SIM_NODES];
    struct connection connection;
    struct client clients[SIM_CLIENTS_MAX];
    struct flight flights[SIM_FLIGHTS_MAX];
    unsigned flight_top;
    bool quiet;              /* clients begin nothing new */
    bool duplicates_excused; /* the operator's word was wrong: no invariant 1 from there on */
    bool storage_lost;
    unsigned lost_nodes; /* bits: disk destroyed, not in NORMAL since */
    unsigned failures;
    char failure[256]; /* the first */
    struct tally tally;
    struct coverage *coverage;
    usec_t healed_at, normal_at;
    const char *crowd; /* what comes between, for the transcript */
};

/* sim.c */
uint64_t sim_mix(uint64_t *state);
uint64_t sim_random(struct sim *sim, uint64_t below);
bool sim_chance(struct sim *sim, unsigned of_256);
/* A delay up to max, mostly much shorter. */
usec_t sim_delay(struct sim *sim, usec_t max);
__attribute__((format(printf, 2, 3))) void sim_say(struct sim *sim, const char *format, ...);
__attribute__((format(printf, 2, 3))) void sim_fail(struct sim *sim, const char *format, ...);
/* The earliest step due by end; false: none. */
bool sim_step(struct sim *sim, usec_t end);
/* Other steps may come here. */
void sim_preempt(struct sim *sim);
/* The same in a worker, which more often stands still for long while the partners meet. */
void sim_preempt_worker(struct sim *sim);
/* A seed; live runs it from start to end, failures then says what was found. */
struct sim *sim_new(uint64_t seed, const struct sim_options *options, struct coverage *coverage);
void sim_live(struct sim *sim);
void sim_free(struct sim *sim);

/* plan.c */
void plan_make(struct sim *sim);
const char *fault_name(enum fault_kind kind);
/* The next fault due; NEVER. */
usec_t plan_due(const struct sim *sim);
void plan_step(struct sim *sim);
void plan_heal(struct sim *sim);
/* What a server hears instead of its partner's STATE, once. */
struct fo_state plan_lie(struct node *node, sec_t start_s);
/* A server has entered a state some fault waits for. */
void plan_state(struct sim *sim, unsigned node, unsigned state);

/* node.c */
void node_init(struct sim *sim, unsigned index);
void node_done(struct node *node);
bool node_boot(struct node *node);
void node_kill(struct node *node, bool power);
/* Takes a dying server apart once nothing is in the middle of it. */
void node_bury(struct node *node);

static inline bool node_is_up(const struct node *node)
{
    return node->server != NULL && !node->dying && !node->booting;
}

/* Something is committed that is not known to be durable. */
bool node_rings_hold(const struct node *node);
sec_t node_now(const struct node *node);
int64_t node_clock_error_us(const struct node *node);
struct fo_time node_time(const struct node *node);
enum fo_server_state node_state(const struct node *node);
struct node *node_of(const struct server *server);
void node_frame_take(struct node *node, unsigned worker, const uint8_t *bytes, size_t size);

/* step.c */
void node_due(struct node *node, enum step step, usec_t within);
usec_t node_step_due(const struct node *node, enum step step);
void node_step(struct node *node, enum step step);

/* hooks.c */
struct disk hooks_disk(struct node *node);
extern struct sim *hooks_sim;

/* stream.c */
void stream_init(struct sim *sim);
void stream_done(struct sim *sim);
usec_t stream_due(const struct sim *sim);
void stream_step(struct sim *sim);
/* What the node's relation wants of its socket. */
void stream_action(struct node *node, enum fo_action action);
void stream_pull(struct node *node);
void stream_node_gone(struct node *node, bool power);
void stream_cut(struct sim *sim);

/* client.c */
void clients_init(struct sim *sim);
/* A server's disk is destroyed: what only it knew of. */
void clients_orphan(struct sim *sim, unsigned node);
/* The partners meet: a good moment to ask for something. */
void clients_stir(struct sim *sim);
void client_step(struct client *client, struct sim *sim);
void client_frame_send(struct sim *sim, struct client *client);
void client_answer(struct sim *sim, struct client *client, const struct client_message *answer,
                   unsigned node);
uint64_t client_duid_hash(struct span duid);
void resource_text(const struct resource *resource, char text[64]);

/* net.c */
void net_send(struct sim *sim, const struct flight *flight);
usec_t net_due(const struct sim *sim, unsigned *ret_flight);
void net_step(struct sim *sim, unsigned flight);
unsigned net_tx(struct node *node, struct packet *packets, unsigned count);
/* An answer that the server does not send, since it comes too late (PARK_AGE_MAX_MS). */
void net_late(struct node *node, const struct packet *packet);

/* check.c */
struct known *check_known(struct model *model, const struct resource *resource);
void check_durable(struct node *node, struct span record);
/* The server is about to be gone. */
void check_dying(struct node *node);
void check_replayed(struct node *node);
void check_commit(struct node *node, unsigned committer, const struct server_change *change);
void check_answer(struct node *node, const struct client_message *answer);
void check_grant(struct sim *sim, const struct client *client, const struct resource *resource);
void check_update_begin(struct node *node, const struct fo_message *message);
void check_update_end(struct node *node);
void check_frame_out(struct node *node, struct span message);
void check_frame_in(struct node *node, struct span message);
/* True when the two stores hold the same; else says where not. */
bool check_equal(struct sim *sim, char *text, size_t text_size);

#endif

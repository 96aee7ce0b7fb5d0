/* A server with its real journal on a disk in memory, and clients who remember what they were told.
 * One thread and one seed: the test decides what runs next, what the disk loses and when everything
 * stops. After any accident world_boot asks whether anything a client was told is missing, shorter
 * or somebody else's. */
#ifndef CRASH_WORLD_H
#define CRASH_WORLD_H

#include "memdisk.h"
#include "server/control.h"
#include "server/server.h"
#include "server/trust.h"
#include "server/worker.h"

enum {
    WORLD_CLIENTS = 40,
    WORLD_WORKERS = 2,
    WORLD_FRAMES = 256,
    WORLD_FRAME = 2048,
    WORLD_NOW = 820000000,
    WORLD_VALID_S = 300,
    WORLD_DECLINE_S = 500,
    WORLD_HORIZON_S = 60,
};

/* What a client was told about one of its two IAs. */
struct told {
    struct resource resource;
    sec_t end;      /* true time, counted from receipt; the client uses it until then */
    sec_t sent_end; /* the server's clock when the request was sent, plus what the answer gave */
    bool held;
    bool released; /* acknowledged, and nothing was asked for since */
};

struct declined {
    struct resource resource;
    sec_t until; /* the server's clock */
};

struct client {
    unsigned index;
    unsigned relay; /* 0: direct; else behind the relay's interface of that number */
    uint8_t server_id[DUID_SIZE_MAX];
    size_t server_id_size;
    struct told told[2];      /* IA_NA, IA_PD */
    struct resource offer[2]; /* type 0: none */
    bool offered;
    /* The message under way; type 0: none. */
    uint8_t type;
    bool rapid;
    bool ending; /* the last message was a Release or Decline */
    uint16_t exchange;
    sec_t sent_s;             /* the server's clock */
    struct resource named[2]; /* in the message's IAs */
};

struct world_frame {
    uint8_t bytes[WORLD_FRAME];
    uint32_t size;
    unsigned worker; /* queue it arrives at */
    sec_t sent_s;    /* true time */
};

struct world_io {
    struct world *world;
    unsigned worker;
};

struct world_tally {
    uint64_t lives, grants, renewals, releases, declines, checkpoints, given_up, torn,
        failed_writes, failed_boots;
};

struct world {
    uint64_t seed, random;
    struct memdisk *memdisk;
    struct config *config;
    struct server *server; /* NULL between lives */
    struct control control;
    struct world_io io[WORLD_WORKERS];
    struct world_frame *in, *out;
    unsigned in_count, out_count;
    msec_t now_ms;
    sec_t now; /* true time */
    struct trust trust;
    sec_t wall_error;  /* of the wall clock, added to now */
    sec_t clock_error; /* of the server's clock in this life, added to now */
    struct client clients[WORLD_CLIENTS];
    struct declined declined[64];
    unsigned declined_count;
    bool checkpointing;
    unsigned failures; /* broken promises */
    struct journal_damage damage;
    struct world_tally tally;
};

struct world *world_new(uint64_t seed);
void world_free(struct world *world);

uint64_t world_random(struct world *world, uint64_t below);
sec_t world_server_now(const struct world *world);
void world_fail(struct world *world, const char *what, const struct resource *resource,
                unsigned client);

/* A new life: replay, check what was told, serve. 0, or what journal_open said. */
int world_boot(struct world *world);
/* The process is gone from one instruction to the next; the disk's cache is not. */
void world_kill(struct world *world);
/* As world_kill, and the machine with it. seed: which unsynced blocks made it, 0: none. */
void world_power_cut(struct world *world, uint64_t seed);

void world_worker_turn(struct world *world, unsigned worker);
int world_journal_turn(struct world *world);
void world_control_turn(struct world *world);
int world_checkpoint(struct world *world);
/* Control, journal, control: renews the horizon. */
void world_settle(struct world *world);
/* Time goes by in steps that keep the horizon. */
void world_pass(struct world *world, unsigned seconds);
/* One of everything that can happen, by chance. faults: the disk's too. */
void world_step(struct world *world, bool faults);
void world_heal(struct world *world);
/* Workers, journal and delivery until nothing moves. */
void world_drain(struct world *world);

/* clients.c */
void clients_init(struct world *world);
/* Sends a message of this type, or repeats the one under way when type is 0. */
void client_send(struct world *world, struct client *client, uint8_t type);
/* What a client might do now. */
void client_act(struct world *world, struct client *client);
/* Takes all answers sent so far; every lost_one_in-th is lost (0: none). */
void clients_receive(struct world *world, unsigned lost_one_in);
/* Nothing a client was told is missing, shorter, or gone back. */
void clients_check(struct world *world);

#endif

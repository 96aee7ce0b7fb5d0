/* What a run has seen: counts, latencies, the longest silence. One thread. */
#ifndef LOAD_TALLY_H
#define LOAD_TALLY_H

#include <stdio.h>

#include "base/histogram.h"
#include "check.h"

enum {
    TALLY_SERVERS_MAX = 8,
};

/* The longest time from a transmission that found everybody answered to the next answer. */
struct tally_gap {
    uint64_t since_ns; /* first transmission after the last answer; 0 = none */
    uint64_t longest_ns, longest_at_ns;
};

struct tally_message {
    uint64_t sent, retransmitted; /* sent counts all transmissions */
    uint64_t answered;            /* messages, each once */
    struct tally_gap gap;
    struct histogram latency; /* ns from when it should have been sent */
};

/* A server by its identifier. */
struct tally_server {
    uint8_t id[MESSAGE_SERVER_ID_MAX];
    uint8_t id_size;
    uint64_t answered;
};

struct tally {
    struct tally_message messages[MESSAGE_KINDS];
    struct tally_gap gap;       /* of all messages */
    struct histogram exchanges; /* ns, of those that went well */
    struct histogram lag;       /* ns that starts of exchanges were behind their time */
    uint64_t verdicts[VERDICT_COUNT];
    uint64_t started, finished, refused, timeouts, unfinished;
    uint64_t renews_rebound;    /* RENEWs that stayed unanswered and became REBINDs */
    uint64_t advertise_refused; /* by one server; another may have offered */
    uint64_t reboot_moved;      /* rebooted clients that got other leases */
    uint64_t expired;           /* leases whose time ran out unextended */
    uint64_t skipped;           /* starts for which no client was there */
    uint64_t send_failed;       /* datagrams the kernel or port did not take */
    uint64_t all_bound_ns;      /* since the start; 0 = not yet */
    unsigned server_count;
    struct tally_server servers[TALLY_SERVERS_MAX];
};

void tally_sent(struct tally *tally, enum message_kind kind, bool again, uint64_t now_ns);
void tally_answered(struct tally *tally, enum message_kind kind, uint64_t latency_ns,
                    uint64_t now_ns);

/* Ends silences that last until the end of the run. */
void tally_end(struct tally *tally, uint64_t now_ns);

/* Index of the server, which is new or known; -ENOSPC when there are too many. */
int tally_server_index(struct tally *tally, struct span id) MUST_CHECK;

/* Answers that were wrong, of all kinds. */
uint64_t tally_wrong(const struct tally *tally);

struct tally_clock {
    uint64_t start_ns, end_ns; /* monotonic */
    uint64_t drain_ns;         /* when the last exchange might have started */
    double start_unix_s;       /* wall clock at start_ns */
};

/* The result: one line, one JSON object. */
void tally_write_json(const struct tally *tally, const struct settings *settings,
                      const struct crowd *crowd, const struct tally_clock *clock, FILE *file);

/* What progress lines compare with. */
struct tally_mark {
    uint64_t now_ns, sent, answered;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* One line for people about the time since the mark, which moves on. */
void tally_write_progress(const struct tally *tally, const struct crowd *crowd, uint64_t start_ns,
                          uint64_t now_ns, struct tally_mark *mark, FILE *file);

#endif

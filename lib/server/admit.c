#include "server/admit.h"

#include <stdlib.h>

#include "dhcp6/message.h"

enum {
    NONE = UINT16_MAX,
    WORDS = ADMIT_FLOWS / 64,
};

_Static_assert((unsigned)ADMIT_CAPACITY < UINT16_MAX, "an entry's number fits");

/* Ages at which the client has sent the same message again, or is about to. */
static const msec_t stale_ms[ADMIT_RANKS] = {
    [ADMIT_OTHER] = 1000,
    [ADMIT_KEEP] = 10000,
    [ADMIT_REQUEST] = 1000,
    [ADMIT_SOLICIT] = 1000,
};

int admit_init(struct admit *admit)
{
    *admit = (struct admit){.entries = calloc(ADMIT_CAPACITY, sizeof(*admit->entries))};
    if (!admit->entries) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < ADMIT_CAPACITY; i++) {
        admit->entries[i].next = (uint16_t)(i + 1 < ADMIT_CAPACITY ? i + 1 : NONE);
    }
    return 0;
}

void admit_done(struct admit *admit)
{
    free(admit->entries);
    admit->entries = NULL;
}

enum admit_rank admit_rank_of(uint8_t type)
{
    static const uint8_t ranks[] = {
        [DHCP6_SOLICIT] = ADMIT_SOLICIT, [DHCP6_ADVERTISE] = ADMIT_SOLICIT,
        [DHCP6_REQUEST] = ADMIT_REQUEST, [DHCP6_CONFIRM] = ADMIT_REQUEST,
        [DHCP6_RENEW] = ADMIT_KEEP,      [DHCP6_REBIND] = ADMIT_KEEP,
        [DHCP6_REPLY] = ADMIT_SOLICIT,   [DHCP6_RELEASE] = ADMIT_KEEP,
        [DHCP6_DECLINE] = ADMIT_KEEP,
    };

    return type && type < sizeof(ranks) ? (enum admit_rank)ranks[type] : ADMIT_SOLICIT;
}

enum counter admit_shed_counter(enum admit_rank rank)
{
    static const enum counter counters[ADMIT_RANKS] = {
        [ADMIT_OTHER] = COUNTER_drop_shed_other,
        [ADMIT_KEEP] = COUNTER_drop_shed_renew,
        [ADMIT_REQUEST] = COUNTER_drop_shed_request,
        [ADMIT_SOLICIT] = COUNTER_drop_shed_solicit,
    };

    return counters[rank];
}

/* The first flow with packets from one on; ADMIT_FLOWS when there is none. */
static unsigned flow_next(const uint64_t busy[WORDS], unsigned from)
{
    unsigned i = from / 64;
    uint64_t word = i < WORDS ? busy[i] & (UINT64_MAX << from % 64) : 0;

    while (word == 0 && ++i < WORDS) {
        word = busy[i];
    }
    return word ? i * 64 + (unsigned)__builtin_ctzll(word) : ADMIT_FLOWS;
}

/* The oldest packet of a queue that has one. */
static struct packet queue_pop(struct admit *admit, enum admit_rank rank, unsigned flow)
{
    struct admit_queue *queue = &admit->queues[rank][flow];
    uint16_t at = queue->head;
    struct admit_entry *entry = &admit->entries[at];

    queue->head = entry->next;
    if (--admit->flow_used[rank][flow] == 0) {
        admit->busy[rank][flow / 64] &= ~(1ULL << flow % 64);
    }
    entry->next = admit->free_head;
    admit->free_head = at;
    admit->rank_used[rank]--;
    admit->used--;
    return entry->packet;
}

enum admit_rank admit_least(const struct admit *admit)
{
    unsigned rank = ADMIT_RANKS - 1;

    while (rank > 0 && admit->rank_used[rank] == 0) {
        rank--;
    }
    return (enum admit_rank)rank;
}

void admit_push(struct admit *admit, const struct packet *packet, struct admit_label label,
                msec_t since_ms)
{
    struct admit_queue *queue;
    struct admit_entry *entry;
    uint16_t at = admit->free_head;
    unsigned flow;

    T6_ASSERT(!admit_full(admit));
    if (admit->used == 0) {
        admit->salt = (uint32_t)since_ms * 0x9e3779b1u;
    }
    flow = ((label.flow ^ admit->salt) * 0x85ebca6bu) >> 24;
    queue = &admit->queues[label.rank][flow];
    entry = &admit->entries[at];
    admit->free_head = entry->next;
    *entry = (struct admit_entry){*packet, since_ms, NONE};
    if (admit->flow_used[label.rank][flow]++) {
        admit->entries[queue->tail].next = at;
    } else {
        queue->head = at;
        admit->busy[label.rank][flow / 64] |= 1ULL << flow % 64;
    }
    queue->tail = at;
    admit->rank_used[label.rank]++;
    admit->used++;
    if (admit->used > admit->used_max) {
        admit->used_max = admit->used;
    }
}

bool admit_pop(struct admit *admit, struct packet *ret_packet)
{
    unsigned rank = 0, flow;

    if (admit->used == 0) {
        return false;
    }
    while (admit->rank_used[rank] == 0) {
        rank++;
    }
    flow = flow_next(admit->busy[rank], admit->next_flow[rank]);
    flow = flow < ADMIT_FLOWS ? flow : flow_next(admit->busy[rank], 0);
    admit->next_flow[rank] = flow + 1;
    *ret_packet = queue_pop(admit, (enum admit_rank)rank, flow);
    return true;
}

unsigned admit_shed(struct admit *admit, struct packet ret_packets[ADMIT_SHED_MAX],
                    enum admit_rank *ret_rank)
{
    enum admit_rank rank = admit_least(admit);
    const uint16_t *used = admit->flow_used[rank];
    unsigned most = 0, count = 0, flow;

    for (flow = 0; flow < ADMIT_FLOWS; flow++) {
        most = used[flow] > most ? used[flow] : most;
    }
    flow = flow_next(admit->busy[rank], 0);
    while (flow < ADMIT_FLOWS && count < ADMIT_SHED_MAX) {
        unsigned leave = used[flow] > most - most / 4 - 1 ? used[flow] / 2u : used[flow];

        while (used[flow] > leave && count < ADMIT_SHED_MAX) {
            ret_packets[count++] = queue_pop(admit, rank, flow);
        }
        flow = flow_next(admit->busy[rank], flow + 1);
    }
    *ret_rank = rank;
    return count;
}

static bool flow_is_stale(const struct admit *admit, enum admit_rank rank, unsigned flow,
                          msec_t now_ms)
{
    return admit->flow_used[rank][flow] &&
           now_ms - admit->entries[admit->queues[rank][flow].head].since_ms >= stale_ms[rank];
}

unsigned admit_stale(struct admit *admit, msec_t now_ms, struct packet ret_packets[ADMIT_SHED_MAX])
{
    unsigned count = 0;

    for (unsigned rank = 0; rank < ADMIT_RANKS; rank++) {
        unsigned flow = flow_next(admit->busy[rank], 0);

        while (flow < ADMIT_FLOWS) {
            while (count < ADMIT_SHED_MAX && flow_is_stale(admit, rank, flow, now_ms)) {
                ret_packets[count++] = queue_pop(admit, rank, flow);
            }
            flow = flow_next(admit->busy[rank], flow + 1);
        }
    }
    return count;
}

/* The two rings between threads, each with its producer and its consumer running against each
 * other: change records (base/change.h) and packets on their way to a home worker
 * (server/handover.h). Nothing is lost, nothing comes twice or out of order, no byte of a record
 * changes under way. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/change.h"
#include "check.h"
#include "server/handover.h"

enum {
    RECORDS = 400000,
    PACKETS = 1000000,
    RING_SIZE = 16384
};

static struct change_ring changes;
static struct handover packets;
static _Atomic uint64_t wrong;

/* Size and content of the n-th record follow from n. */
static size_t record_size(uint64_t n)
{
    return 8 + (size_t)(n * 2654435761u % (CHANGE_RECORD_MAX - 8));
}

static void *changes_produce(void *arg)
{
    uint64_t last = 0, durable = 0;

    (void)arg;
    for (uint64_t n = 0; n < RECORDS;) {
        uint64_t seen = change_ring_durable(&changes);

        wrong += seen < durable || seen > change_ring_head(&changes);
        durable = seen;
        if (!change_ring_has_room(&changes, 1)) {
            sched_yield();
            continue;
        }
        size_t size = record_size(n);
        uint8_t *room = change_ring_room(&changes);

        memset(room, (int)(n & 0xff), size);
        memcpy(room, &n, sizeof(n));
        uint64_t position = change_ring_publish(&changes, (uint32_t)n, size);
        wrong += position <= last;
        last = position;
        n++;
    }
    return NULL;
}

static void *changes_consume(void *arg)
{
    uint64_t at = 0;

    (void)arg;
    for (uint64_t n = 0; n < RECORDS;) {
        uint32_t slot;
        struct span record = change_ring_next(&changes, &at, &slot);
        uint64_t number;

        if (record.size == 0) {
            change_ring_consume(&changes, at);
            change_ring_durable_set(&changes, at);
            sched_yield();
            continue;
        }
        memcpy(&number, record.data, sizeof(number));
        wrong += number != n || slot != (uint32_t)n || record.size != record_size(n) ||
                 (record.size > 8 &&
                  (record.data[8] != (uint8_t)n || record.data[record.size - 1] != (uint8_t)n));
        n++;
        if (n % 7 == 0) { /* in pieces, as batches do */
            change_ring_consume(&changes, at);
            change_ring_durable_set(&changes, at);
        }
    }
    return NULL;
}

static void *packets_produce(void *arg)
{
    (void)arg;
    for (uint32_t n = 0; n < PACKETS;) {
        struct packet packet = {.size = n, .room_size = ~n};

        if (handover_push(&packets, &packet)) {
            n++;
        } else {
            sched_yield();
        }
    }
    return NULL;
}

static void *packets_consume(void *arg)
{
    struct packet got[PACKET_BURST];

    (void)arg;
    for (uint32_t n = 0; n < PACKETS;) {
        unsigned count = handover_pop(&packets, got, PACKET_BURST);

        for (unsigned i = 0; i < count; i++, n++) {
            wrong += got[i].size != n || got[i].room_size != ~n;
        }
        if (count == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static void run_both(void *(*produce)(void *), void *(*consume)(void *))
{
    pthread_t threads[2];

    wrong = 0;
    CHECK(pthread_create(&threads[0], NULL, produce, NULL) == 0);
    CHECK(pthread_create(&threads[1], NULL, consume, NULL) == 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    CHECK_EQ(wrong, 0);
}

static void test_changes(void)
{
    CHECK_EQ(change_ring_init(&changes, RING_SIZE), 0);
    run_both(changes_produce, changes_consume);
    CHECK(changes.full_count > 0); /* the ring was small enough to be full at times */
    change_ring_done(&changes);
}

static void test_handover(void)
{
    run_both(packets_produce, packets_consume);
    CHECK_EQ(packets.used_max <= HANDOVER_CAPACITY, 1);
}

static const struct check_test tests[] = {
    {"changes", test_changes},
    {"handover", test_handover},
};

CHECK_MAIN(tests)

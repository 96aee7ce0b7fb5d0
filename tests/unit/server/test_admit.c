/* What a worker that is behind takes on and gives up: the backlog by itself, and a worker that gets
 * ten times what it can do. */
#include <stdlib.h>

#include <urcu/urcu-qsbr.h>

#include "check.h"
#include "dhcp6/message.h"
#include "dhcp6/option.h"
#include "harness.h"

enum {
    FRAME_MAX = 1024,
    STALE_MS = 1000,
    STALE_RENEW_MS = 10000,
};

static const char config_text[] =
    "{ \"server\": { \"name\": \"t\", \"state_dir\": \"/nonexistent\" },"
    "  \"store\": { \"leases_max\": 20000 },"
    "  \"dataplane\": { \"workers\": 1, \"ports\": [ { \"name\": \"p0\", \"device\": \"net_null0\","
    "     \"addresses\": [\"2001:db8:0:1::1\"] } ] },"
    "  \"links\": [ { \"name\": \"l0\", \"port\": \"p0\", \"subnets\": [\"2001:db8:17::/64\"],"
    "     \"relay_addresses\": [\"2001:db8:17::1\"],"
    "     \"pools\": [ { \"type\": \"address\", \"range\": \"2001:db8:17::/64\" } ],"
    "     \"rapid_commit\": true } ] }";

static void option_put(struct wire_out *out, uint16_t code, const void *data, size_t size)
{
    wire_out_u16(out, code);
    wire_out_u16(out, (uint16_t)size);
    wire_out_bytes(out, data, size);
}

/* A message with Client-ID and IA_NA in so many relay levels; with the server's DUID when given. */
static size_t message_make(uint8_t *buf, uint8_t type, unsigned client, const uint8_t *server_duid,
                           unsigned levels)
{
    struct wire_out out = wire_out_to(buf, FRAME_MAX);
    uint8_t duid[14] = {0, 1, 0, 1}, ia[12] = {0, 0, 0, 1};
    uint8_t *sizes[DHCP6_RELAYS_MAX] = {NULL};

    for (unsigned i = 0; i < levels; i++) {
        wire_out_u8(&out, DHCP6_RELAY_FORW);
        wire_out_u8(&out, (uint8_t)(levels - 1 - i));
        wire_out_ip6(&out, (struct ip6){0x20010db800170000ULL, 1});
        wire_out_ip6(&out, (struct ip6){0xfe80000000000000ULL, 9});
        option_put(&out, 18, "port 7", 6);
        wire_out_u16(&out, OPTION_RELAY_MSG);
        sizes[i] = out.at;
        wire_out_u16(&out, 0);
    }
    wire_set_u32(duid + 8, client);
    wire_out_u32(&out, (uint32_t)type << 24 | (client & 0xffffff));
    option_put(&out, OPTION_CLIENTID, duid, sizeof(duid));
    if (server_duid) {
        option_put(&out, OPTION_SERVERID, server_duid, 14);
    }
    option_put(&out, OPTION_IA_NA, ia, sizeof(ia));
    for (unsigned i = 0; i < levels; i++) {
        wire_set_u16(sizes[i], (uint16_t)(out.at - sizes[i] - 2));
    }
    return (size_t)(out.at - buf);
}

/* The same as a frame. */
static struct span frame_make(uint8_t *buf, uint8_t type, unsigned levels, struct ip6 src,
                              unsigned vlans)
{
    struct frame_port sender = {.mtu = FRAME_MTU_DEFAULT};
    struct frame_to to = {.src = src,
                          .dst = FRAME_ALL_DHCP_AGENTS,
                          .src_port = 547,
                          .dst_port = 547,
                          .vlan_count = vlans,
                          .vlans = {{0x88a8, 7}, {0x8100, 8}}};
    size_t headers = frame_header_size(&to);
    size_t size = message_make(buf + headers, type, 1, NULL, levels);

    frame_write(&sender, &to, buf + headers, size);
    return (struct span){buf, headers + size};
}

static void test_look(void)
{
    static const enum admit_rank ranks[] = {
        [0] = ADMIT_SOLICIT,
        [DHCP6_SOLICIT] = ADMIT_SOLICIT,
        [DHCP6_ADVERTISE] = ADMIT_SOLICIT,
        [DHCP6_REQUEST] = ADMIT_REQUEST,
        [DHCP6_CONFIRM] = ADMIT_REQUEST,
        [DHCP6_RENEW] = ADMIT_KEEP,
        [DHCP6_REBIND] = ADMIT_KEEP,
        [DHCP6_REPLY] = ADMIT_SOLICIT,
        [DHCP6_RELEASE] = ADMIT_KEEP,
        [DHCP6_DECLINE] = ADMIT_KEEP,
        [DHCP6_RECONFIGURE] = ADMIT_SOLICIT,
        [DHCP6_INFORMATION_REQUEST] = ADMIT_SOLICIT,
    };
    const struct ip6 relay = {0x20010db800170000ULL, 1};
    uint8_t buf[2 * FRAME_MAX];

    for (uint8_t type = 0; type < sizeof(ranks) / sizeof(ranks[0]); type++) {
        for (unsigned levels = 0; levels <= DHCP6_RELAYS_MAX; levels++) {
            struct span frame = frame_make(buf, type, levels, relay, levels % 3);

            CHECK_EQ(admit_look(frame, 0).rank, ranks[type]);
        }
    }
}

static void test_look_tells_relays_apart(void)
{
    const struct ip6 relay = {0x20010db800170000ULL, 1}, other = {0x20010db800170000ULL, 2};
    uint8_t buf[2 * FRAME_MAX];
    uint32_t flow = admit_look(frame_make(buf, DHCP6_SOLICIT, 1, relay, 0), 0).flow;
    uint32_t direct = admit_look(frame_make(buf, DHCP6_SOLICIT, 0, relay, 0), 0).flow;

    CHECK_EQ(admit_look(frame_make(buf, DHCP6_RENEW, 2, relay, 0), 0).flow, flow);
    CHECK(admit_look(frame_make(buf, DHCP6_SOLICIT, 1, other, 0), 0).flow != flow);
    /* Direct clients are one flow a port and VLAN, whatever address they choose. */
    CHECK_EQ(admit_look(frame_make(buf, DHCP6_SOLICIT, 0, other, 0), 0).flow, direct);
    CHECK(admit_look(frame_make(buf, DHCP6_SOLICIT, 0, relay, 0), 1).flow != direct);
    CHECK(admit_look(frame_make(buf, DHCP6_SOLICIT, 0, relay, 1), 0).flow != direct);
}

/* Any octets, any size: no rank above SOLICIT's for what is UDP and no message, no reading beyond.
 */
static void test_look_at_fragments(void)
{
    uint8_t buf[2 * FRAME_MAX];
    struct span frame = frame_make(buf, DHCP6_RENEW, 3, (struct ip6){0x20010db800170000ULL, 1}, 1);

    for (size_t size = 0; size < frame.size; size++) {
        uint8_t *copy = malloc(size ? size : 1); /* of its size, for the address sanitizer */
        enum admit_rank rank;

        memcpy(copy, frame.data, size);
        rank = admit_look((struct span){copy, size}, 0).rank;
        CHECK(rank == ADMIT_SOLICIT || (rank == ADMIT_OTHER && size <= 14 + 4 + 40 + 8));
        free(copy);
    }
    buf[14 + 4 + 6] = FRAME_PROTOCOL_ICMP6;
    CHECK_EQ(admit_look(frame, 0).rank, ADMIT_OTHER);
    buf[14 + 4 + 6] = 60; /* destination options: a way around the ranks if it were higher */
    CHECK_EQ(admit_look(frame, 0).rank, ADMIT_SOLICIT);
}

/* Packets told apart by a number. */
static struct packet numbered(unsigned number)
{
    return (struct packet){.size = number};
}

static void push_many(struct admit *admit, enum admit_rank rank, uint32_t flow, unsigned first,
                      unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct packet packet = numbered(first + i);

        admit_push(admit, &packet, (struct admit_label){rank, flow}, 5000);
    }
}

static void test_pop_by_value(void)
{
    struct admit admit;
    struct packet packet;
    unsigned last = 0, count = 0;

    CHECK_EQ(admit_init(&admit), 0);
    CHECK(!admit_pop(&admit, &packet));
    push_many(&admit, ADMIT_SOLICIT, 1, 300, 20);
    push_many(&admit, ADMIT_KEEP, 1, 100, 20);
    push_many(&admit, ADMIT_REQUEST, 1, 200, 20);
    push_many(&admit, ADMIT_OTHER, 1, 1, 20);
    while (admit_pop(&admit, &packet)) {
        CHECK(packet.size > last);
        last = packet.size;
        count++;
    }
    CHECK_EQ(count, 80);
    CHECK_EQ(admit.used, 0);
    CHECK_EQ(admit.used_max, 80);
    admit_done(&admit);
}

/* One relay's crowd does not delay another's few. */
static void test_pop_relays_in_turn(void)
{
    struct admit admit;
    struct packet packet;
    unsigned small_seen = 0;

    CHECK_EQ(admit_init(&admit), 0);
    push_many(&admit, ADMIT_SOLICIT, 1, 0, 900);
    push_many(&admit, ADMIT_SOLICIT, 2, 1000, 10);
    push_many(&admit, ADMIT_SOLICIT, 3, 2000, 10);
    for (unsigned i = 0; i < 30; i++) {
        CHECK(admit_pop(&admit, &packet));
        small_seen += packet.size >= 1000;
    }
    CHECK_EQ(small_seen, 20);
    admit_done(&admit);
}

/* A full backlog gives up the crowd's SOLICITs, the oldest first, and nothing else. */
static void test_shed_least_value_of_most(void)
{
    struct admit admit;
    struct packet packets[ADMIT_SHED_MAX];
    enum admit_rank rank;
    unsigned shed = 0;

    CHECK_EQ(admit_init(&admit), 0);
    push_many(&admit, ADMIT_KEEP, 1, 10000, 300);
    push_many(&admit, ADMIT_REQUEST, 1, 20000, 300);
    push_many(&admit, ADMIT_SOLICIT, 1, 0, 400);
    push_many(&admit, ADMIT_SOLICIT, 2, 1000, ADMIT_CAPACITY - 1000);
    CHECK(admit_full(&admit));
    CHECK_EQ(admit_least(&admit), ADMIT_SOLICIT);
    while (shed < 350) {
        unsigned count = admit_shed(&admit, packets, &rank);

        CHECK(count >= 1 && count <= ADMIT_SHED_MAX);
        CHECK_EQ(rank, ADMIT_SOLICIT);
        for (unsigned i = 0; i < count; i++) {
            CHECK_EQ(packets[i].size, shed + i);
        }
        shed += count;
    }
    while (admit_least(&admit) == ADMIT_SOLICIT) {
        shed += admit_shed(&admit, packets, &rank);
    }
    CHECK_EQ(shed, ADMIT_CAPACITY - 600);
    (void)admit_shed(&admit, packets, &rank);
    CHECK_EQ(rank, ADMIT_REQUEST);
    admit_done(&admit);
}

static void test_shed_many_relays(void)
{
    struct admit admit;
    struct packet packets[ADMIT_SHED_MAX];
    enum admit_rank rank;
    unsigned shed = 0;

    CHECK_EQ(admit_init(&admit), 0);
    for (unsigned i = 0; i < ADMIT_CAPACITY; i++) {
        push_many(&admit, ADMIT_SOLICIT, i, i, 1);
    }
    while (admit.used) {
        unsigned count = admit_shed(&admit, packets, &rank);

        CHECK(count >= 1);
        shed += count;
    }
    CHECK_EQ(shed, ADMIT_CAPACITY);
    admit_done(&admit);
}

static void test_stale(void)
{
    struct admit admit;
    struct packet packets[ADMIT_SHED_MAX], packet = numbered(999);
    unsigned count, total = 0;

    CHECK_EQ(admit_init(&admit), 0);
    push_many(&admit, ADMIT_SOLICIT, 1, 0, 40);
    push_many(&admit, ADMIT_REQUEST, 1, 100, 1);
    push_many(&admit, ADMIT_KEEP, 1, 200, 1);
    admit_push(&admit, &packet, (struct admit_label){ADMIT_SOLICIT, 1}, 5500);
    CHECK_EQ(admit_stale(&admit, 5000 + STALE_MS - 1, packets), 0);
    do {
        count = admit_stale(&admit, 5000 + STALE_MS, packets);
        total += count;
    } while (count == ADMIT_SHED_MAX);
    CHECK_EQ(total, 41); /* the younger SOLICIT and the RENEW stay */
    CHECK_EQ(admit.used, 2);
    CHECK_EQ(admit_stale(&admit, 5000 + STALE_RENEW_MS, packets), 2);
    CHECK_EQ(admit.used, 0);
    admit_done(&admit);
}

static void send_one(struct harness *h, uint8_t type, unsigned client, unsigned relay)
{
    uint8_t buf[FRAME_MAX];
    size_t size =
        message_make(buf, type, client, type == DHCP6_SOLICIT ? NULL : h->duid, relay ? 1 : 0);

    if (relay) {
        harness_send_from(h, 0, (struct ip6){0x20010db800170000ULL, relay},
                          (struct ip6){0x20010db800000001ULL, 1}, buf, size);
    } else {
        harness_send(h, 0, buf, size);
    }
}

/* A turn of the worker, that of a port which keeps what was not taken. */
static void turn(struct harness *h)
{
    unsigned left = 0;

    (void)worker_turn(&h->server->workers[0], h->now_ms, h->now);
    urcu_qsbr_quiescent_state();
    for (unsigned i = 0; i < h->in_count; i++) {
        if (h->in[i].size) {
            h->in[left++] = h->in[i];
        }
    }
    h->in_count = left;
}

/* Turns until everything taken in is answered or shed. */
static void settle(struct harness *h)
{
    for (unsigned i = 0; i < 100; i++) {
        turn(h);
        harness_sync(h);
    }
    h->out_count = 0;
}

enum {
    CLIENTS = 60
};

/* Clients with leases, none of their messages lost. */
static void clients_make(struct harness *h)
{
    for (unsigned client = 0; client < CLIENTS; client++) {
        send_one(h, DHCP6_REQUEST, client, 0);
        turn(h);
    }
    settle(h);
    CHECK_EQ(harness_counter(h, COUNTER_lease_created), CLIENTS);
}

/* Ten times what the worker does in a turn, nearly all of it SOLICIT: every renewal is answered,
 * and the worker is busy with what it can do. */
static void test_worker_sheds_solicits(void)
{
    enum {
        TURNS = 100,
        SOLICITS = 10 * PACKET_BURST
    };
    struct harness h;
    uint64_t answered, solicits;

    harness_open(&h, config_text);
    clients_make(&h);
    h.now += 1500;
    for (unsigned at = 0; at < TURNS; at++) {
        for (unsigned i = 0; i < SOLICITS; i++) {
            send_one(&h, DHCP6_SOLICIT, 100000 + at * SOLICITS + i, 0);
        }
        send_one(&h, DHCP6_RENEW, at % CLIENTS, 0);
        h.now_ms += 4;
        turn(&h);
        harness_sync(&h);
        h.out_count = 0;
    }
    answered = harness_counter(&h, COUNTER_tx_advertise);
    CHECK(answered >= (uint64_t)TURNS * (PACKET_BURST - 2));
    settle(&h);
    CHECK_EQ(harness_counter(&h, COUNTER_rx_renew), TURNS);
    CHECK_EQ(harness_counter(&h, COUNTER_drop_shed_renew), 0);
    solicits = harness_counter(&h, COUNTER_rx_solicit) +
               harness_counter(&h, COUNTER_drop_shed_solicit) +
               harness_counter(&h, COUNTER_drop_shed_stale);
    CHECK_EQ(solicits, (uint64_t)TURNS * SOLICITS);
    CHECK(harness_counter(&h, COUNTER_drop_shed_solicit) > 0);
    CHECK_EQ(h.buffers_out, 0);
    harness_close(&h);
}

/* A relay whose clients all start at once does not cost another relay's clients anything. */
static void test_worker_is_fair(void)
{
    enum {
        TURNS = 50,
        CROWD = 300,
        FEW = 4
    };
    struct harness h;
    unsigned answered[2] = {0};

    harness_open(&h, config_text);
    for (unsigned at = 0; at < TURNS + 40; at++) {
        for (unsigned i = 0; at < TURNS && i < CROWD + FEW; i++) {
            send_one(&h, DHCP6_SOLICIT, at * 1000 + i, i < CROWD ? 100 : 200);
        }
        h.now_ms += 4;
        turn(&h);
        for (unsigned i = 0; i < h.out_count; i++) {
            answered[h.out[i].bytes[14 + 24 + 15] == 200]++; /* last octet of the destination */
        }
        h.out_count = 0;
    }
    CHECK_EQ(answered[1], TURNS * FEW);
    CHECK(answered[0] > TURNS * (PACKET_BURST - FEW - 2));
    CHECK(harness_counter(&h, COUNTER_drop_shed_solicit) > 0);
    CHECK_EQ(h.buffers_out, 0);
    harness_close(&h);
}

/* One burst too many is no overload: everything is answered, in whatever order. */
static void test_worker_keeps_a_burst(void)
{
    struct harness h;

    harness_open(&h, config_text);
    for (unsigned i = 0; i < ADMIT_CAPACITY; i++) {
        send_one(&h, DHCP6_SOLICIT, i, 0);
    }
    while (h.server->workers[0].admit.used || h.in_count) {
        turn(&h);
        h.out_count = 0;
    }
    CHECK_EQ(harness_counter(&h, COUNTER_tx_advertise), ADMIT_CAPACITY);
    CHECK_EQ(harness_counter(&h, COUNTER_drop_shed_solicit), 0);
    CHECK_EQ(h.buffers_out, 0);
    harness_close(&h);
}

/* More in a port's queue than one turn takes: every packet is answered or shed, none forgotten. */
static void test_worker_empties_a_deep_queue(void)
{
    enum {
        DEEP = HARNESS_QUEUE - 10
    };
    struct harness h;

    harness_open(&h, config_text);
    for (unsigned i = 0; i < DEEP; i++) {
        send_one(&h, DHCP6_SOLICIT, i, 0);
    }
    for (unsigned at = 0; at < 100; at++) {
        turn(&h);
        h.out_count = 0;
    }
    CHECK_EQ(harness_counter(&h, COUNTER_tx_advertise) +
                 harness_counter(&h, COUNTER_drop_shed_solicit),
             DEEP);
    CHECK_EQ(h.buffers_out, 0);
    harness_close(&h);
}

/* What has waited while the worker stood still for long has been sent again. */
static void test_worker_stood_still(void)
{
    struct harness h;

    harness_open(&h, config_text);
    turn(&h);
    for (unsigned i = 0; i < 300; i++) {
        send_one(&h, DHCP6_SOLICIT, i, 0);
    }
    h.now_ms += 2 * STALE_MS;
    for (unsigned at = 0; at < 40; at++) {
        turn(&h);
    }
    CHECK_EQ(harness_counter(&h, COUNTER_tx_advertise) +
                 harness_counter(&h, COUNTER_drop_shed_stale),
             300);
    CHECK(harness_counter(&h, COUNTER_drop_shed_stale) >= 300 - ADMIT_FULL_TURNS * PACKET_BURST);
    CHECK_EQ(h.buffers_out, 0);
    harness_close(&h);
}

/* A disk that does not follow: SOLICITs go first, then REQUESTs; renewals find room. */
static void test_worker_spares_the_disk(void)
{
    struct harness h;
    struct worker *worker;
    struct parked parked;
    unsigned used = SERVER_PARK_CAPACITY / 4 * 3;

    harness_open(&h, config_text);
    worker = &h.server->workers[0];
    clients_make(&h);
    worker->park.head += used; /* stand-ins for replies that wait: never released, none durable */
    for (unsigned i = 0; i < used; i++) {
        worker->park.entries[(worker->park.tail + i) & worker->park.mask] =
            (struct parked){.position = UINT64_MAX};
    }
    send_one(&h, DHCP6_SOLICIT, 5000, 0);
    send_one(&h, DHCP6_REQUEST, 5001, 0);
    send_one(&h, DHCP6_RENEW, 1, 0);
    h.now += 1500;
    turn(&h);
    CHECK_EQ(harness_counter(&h, COUNTER_drop_shed_disk), 1);
    CHECK_EQ(harness_counter(&h, COUNTER_lease_created), CLIENTS + 1);
    CHECK_EQ(harness_counter(&h, COUNTER_lease_renewed), 1);
    for (unsigned i = park_used(&worker->park); i < SERVER_PARK_CAPACITY / 8 * 7; i++) {
        park_push(&worker->park, &(struct parked){.position = UINT64_MAX, .since_ms = h.now_ms});
    }
    send_one(&h, DHCP6_REQUEST, 5002, 0);
    send_one(&h, DHCP6_RENEW, 2, 0);
    turn(&h);
    CHECK_EQ(harness_counter(&h, COUNTER_drop_shed_disk), 2);
    CHECK_EQ(harness_counter(&h, COUNTER_lease_created), CLIENTS + 1);
    CHECK_EQ(harness_counter(&h, COUNTER_lease_renewed), 2);
    while (park_pop(&worker->park, UINT64_MAX, &parked)) {
        if (parked.packet.handle) {
            worker->io.drop(worker->io.ctx, &parked.packet);
        }
    }
    CHECK_EQ(h.buffers_out, 0);
    harness_close(&h);
}

/* One alarm from the first packet shed until ten seconds after the last. */
static void test_overload_is_told(void)
{
    struct harness h;

    harness_open(&h, config_text);
    control_overload_turn(&h.control, h.now);
    CHECK_EQ(atomic_load(&h.server->alarms) & ALARM_OVERLOAD, 0);
    for (unsigned i = 0; i < 2000; i++) {
        send_one(&h, DHCP6_SOLICIT, i, 0);
    }
    for (unsigned at = 0; at < 100; at++) {
        turn(&h);
        h.out_count = 0;
    }
    CHECK(harness_counter(&h, COUNTER_drop_shed_solicit) > 0);
    control_overload_turn(&h.control, h.now);
    CHECK_EQ(atomic_load(&h.server->alarms) & ALARM_OVERLOAD, ALARM_OVERLOAD);
    control_overload_turn(&h.control, h.now + 10);
    CHECK_EQ(atomic_load(&h.server->alarms) & ALARM_OVERLOAD, ALARM_OVERLOAD);
    control_overload_turn(&h.control, h.now + 11);
    CHECK_EQ(atomic_load(&h.server->alarms) & ALARM_OVERLOAD, 0);
    harness_close(&h);
}

static const struct check_test tests[] = {
    {"look", test_look},
    {"look_tells_relays_apart", test_look_tells_relays_apart},
    {"look_at_fragments", test_look_at_fragments},
    {"pop_by_value", test_pop_by_value},
    {"pop_relays_in_turn", test_pop_relays_in_turn},
    {"shed_least_value_of_most", test_shed_least_value_of_most},
    {"shed_many_relays", test_shed_many_relays},
    {"stale", test_stale},
    {"worker_sheds_solicits", test_worker_sheds_solicits},
    {"worker_is_fair", test_worker_is_fair},
    {"worker_keeps_a_burst", test_worker_keeps_a_burst},
    {"worker_empties_a_deep_queue", test_worker_empties_a_deep_queue},
    {"worker_stood_still", test_worker_stood_still},
    {"overload_is_told", test_overload_is_told},
    {"worker_spares_the_disk", test_worker_spares_the_disk},
};

static int run_all(int argc, char **argv);
#define main run_all
CHECK_MAIN(tests)
#undef main

int main(int argc, char **argv)
{
    int r;

    urcu_qsbr_register_thread();
    r = run_all(argc, argv);
    urcu_qsbr_unregister_thread();
    return r;
}

/* Frame in, durable lease, frame out: the worker's turn with everything behind it, one step at a
 * time. */
#include <stdlib.h>

#include <urcu/urcu-qsbr.h>

#include "check.h"
#include "harness.h"
#include "store/claim.h"

static const char config_text[] =
    "{ \"server\": { \"name\": \"t\", \"state_dir\": \"/nonexistent\" },"
    "  \"store\": { \"leases_max\": 1000, \"remember_s\": 100000 },"
    "  \"dataplane\": { \"workers\": 1, \"ports\": [ { \"name\": \"p0\", \"device\": \"net_null0\","
    "     \"addresses\": [\"2001:db8:0:1::1\"] } ] },"
    "  \"links\": [ { \"name\": \"l0\", \"port\": \"p0\", \"subnets\": [\"2001:db8:17::/64\"],"
    "     \"relay_addresses\": [\"2001:db8:17::1\"],"
    "     \"pools\": [ { \"type\": \"address\", \"range\": \"2001:db8:17::/64\" },"
    "                { \"type\": \"prefix\", \"range\": \"2001:db8:4000::/52\","
    "                  \"delegated_length\": 56 } ],"
    "     \"lifetimes\": { \"preferred_s\": 3000, \"valid_s\": 3600 }, \"rapid_commit\": true } ] "
    "}";

static char *config_with_workers(unsigned workers)
{
    static char text[sizeof(config_text)];
    char *at;

    memcpy(text, config_text, sizeof(text));
    at = strstr(text, "\"workers\": 1");
    at[strlen("\"workers\": ")] = (char)('0' + workers);
    return text;
}

struct reply {
    uint8_t type;
    uint8_t server_id[DUID_SIZE_MAX];
    size_t server_id_size;
    struct ip6 address, prefix;
    uint8_t prefix_length;
    uint32_t address_valid_s, prefix_valid_s;
    unsigned status; /* of the message, or of an IA; 0 = none */
};

static void option_put(struct wire_out *out, uint16_t code, const void *data, size_t size)
{
    wire_out_u16(out, code);
    wire_out_u16(out, (uint16_t)size);
    wire_out_bytes(out, data, size);
}

/* A message of client number `client` with IA_NA and IA_PD; with_leases repeats what reply gave. */
static size_t message_make(uint8_t *buf, uint8_t type, unsigned client, const struct reply *given,
                           bool with_leases)
{
    struct wire_out out = wire_out_to(buf, 1024);
    uint8_t duid[14] = {0, 1, 0, 1};

    wire_set_u32(duid + 8, client);
    wire_out_u32(&out, (uint32_t)type << 24 | (client & 0xffffff));
    option_put(&out, OPTION_CLIENTID, duid, sizeof(duid));
    if (given && given->server_id_size) {
        option_put(&out, OPTION_SERVERID, given->server_id, given->server_id_size);
    }
    wire_out_u16(&out, OPTION_IA_NA);
    wire_out_u16(&out, with_leases ? 12 + 28 : 12);
    wire_out_u32(&out, 1);
    wire_out_u64(&out, 0);
    if (with_leases) {
        wire_out_u16(&out, OPTION_IAADDR);
        wire_out_u16(&out, 24);
        wire_out_ip6(&out, given->address);
        wire_out_u64(&out, 0);
    }
    wire_out_u16(&out, OPTION_IA_PD);
    wire_out_u16(&out, with_leases ? 12 + 29 : 12);
    wire_out_u32(&out, 2);
    wire_out_u64(&out, 0);
    if (with_leases) {
        wire_out_u16(&out, OPTION_IAPREFIX);
        wire_out_u16(&out, 25);
        wire_out_u64(&out, 0);
        wire_out_u8(&out, given->prefix_length);
        wire_out_ip6(&out, given->prefix);
    }
    return (size_t)(out.at - buf);
}

/* Reads a reply with its own few lines: IAs hold one lease each. */
static bool reply_read(struct span payload, struct reply *ret_reply)
{
    struct wire_in in = wire_in_from(payload);

    if (payload.size == 0) {
        return false;
    }
    *ret_reply = (struct reply){.type = wire_in_u8(&in)};
    (void)wire_in_bytes(&in, 3);
    while (wire_in_left(&in)) {
        uint16_t code = wire_in_u16(&in);
        struct span data = wire_in_span(&in, wire_in_u16(&in));

        if (code == OPTION_SERVERID) {
            memcpy(ret_reply->server_id, data.data, data.size);
            ret_reply->server_id_size = data.size;
        } else if (code == OPTION_STATUS_CODE) {
            ret_reply->status = wire_get_u16(data.data);
        } else if (code == OPTION_IA_NA && data.size >= 40) {
            ret_reply->address = wire_get_ip6(data.data + 16);
            ret_reply->address_valid_s = wire_get_u32(data.data + 36);
        } else if (code == OPTION_IA_PD && data.size >= 41) {
            ret_reply->prefix_valid_s = wire_get_u32(data.data + 20);
            ret_reply->prefix_length = data.data[24];
            ret_reply->prefix = wire_get_ip6(data.data + 25);
        }
    }
    return !in.failed;
}

/* Sends one message and takes the answer; sync says whether records become durable meanwhile. */
static bool exchange(struct harness *h, uint8_t type, unsigned client, const struct reply *given,
                     bool with_leases, struct reply *ret_reply)
{
    uint8_t buf[1024];

    harness_send(h, 0, buf, message_make(buf, type, client, given, with_leases));
    harness_turn(h);
    harness_turn(h);
    harness_sync(h);
    harness_turn(h);
    return reply_read(harness_receive(h), ret_reply);
}

static void test_solicit_request_renew(void)
{
    struct harness h;
    struct reply offer, reply, renewed;

    harness_open(&h, config_text);
    CHECK(exchange(&h, DHCP6_SOLICIT, 7, NULL, false, &offer));
    CHECK_EQ(offer.type, DHCP6_ADVERTISE);
    CHECK(ip6_in_prefix(offer.address, (struct ip6){0x20010db800170000ULL, 0}, 64));
    CHECK(ip6_in_prefix(offer.prefix, (struct ip6){0x20010db840000000ULL, 0}, 52));
    CHECK_EQ(offer.prefix_length, 56);
    CHECK_EQ(harness_counter(&h, COUNTER_lease_created), 0);
    CHECK(exchange(&h, DHCP6_REQUEST, 7, &offer, true, &reply));
    CHECK_EQ(reply.type, DHCP6_REPLY);
    CHECK(ip6_equal(reply.address, offer.address));
    CHECK(ip6_equal(reply.prefix, offer.prefix));
    CHECK_EQ(reply.address_valid_s, 3600);
    CHECK_EQ(harness_counter(&h, COUNTER_lease_created), 2);
    h.now += 1500;
    CHECK(exchange(&h, DHCP6_RENEW, 7, &reply, true, &renewed));
    CHECK(ip6_equal(renewed.address, reply.address));
    CHECK(ip6_equal(renewed.prefix, reply.prefix));
    CHECK_EQ(harness_counter(&h, COUNTER_lease_renewed), 2);
    CHECK_EQ(h.buffers_out, 0);
    harness_close(&h);
}

/* Design invariant 3: nothing is acknowledged before its record is durable. */
static void test_reply_waits_for_disk(void)
{
    struct harness h;
    struct reply offer, reply;
    uint8_t buf[1024];

    harness_open(&h, config_text);
    CHECK(exchange(&h, DHCP6_SOLICIT, 1, NULL, false, &offer));
    harness_send(&h, 0, buf, message_make(buf, DHCP6_REQUEST, 1, &offer, true));
    for (unsigned i = 0; i < 5; i++) {
        harness_turn(&h);
    }
    CHECK_EQ(harness_receive(&h).size, 0);
    CHECK(worker_has_parked(&h.server->workers[0]));
    harness_sync(&h);
    harness_turn(&h);
    CHECK(reply_read(harness_receive(&h), &reply));
    CHECK_EQ(reply.type, DHCP6_REPLY);
    CHECK(!worker_has_parked(&h.server->workers[0]));
    harness_close(&h);
}

static void test_late_reply_is_dropped(void)
{
    struct harness h;
    struct reply offer;
    uint8_t buf[1024];

    harness_open(&h, config_text);
    CHECK(exchange(&h, DHCP6_SOLICIT, 1, NULL, false, &offer));
    harness_send(&h, 0, buf, message_make(buf, DHCP6_REQUEST, 1, &offer, true));
    harness_turn(&h);
    h.now_ms += PARK_AGE_MAX_MS + 1;
    harness_sync(&h);
    harness_turn(&h);
    CHECK_EQ(harness_receive(&h).size, 0);
    CHECK_EQ(harness_counter(&h, COUNTER_drop_park_late), 1);
    CHECK_EQ(h.buffers_out, 0);
    harness_close(&h);
}

/* A disk that does not follow: requests are shed before they change anything. */
/* Sees, when the worker asks for new messages, what has left by then. */
struct rx_watch {
    struct packet_io io; /* the harness's */
    const struct harness *harness;
    unsigned out_count;
};

static unsigned rx_watched(void *ctx, unsigned port, struct packet *ret_packets, unsigned max)
{
    struct rx_watch *watch = ctx;

    watch->out_count = watch->harness->out_count;
    return watch->io.rx(watch->io.ctx, port, ret_packets, max);
}

static unsigned tx_watched(void *ctx, unsigned port, struct packet *packets, unsigned count)
{
    struct rx_watch *watch = ctx;

    return watch->io.tx(watch->io.ctx, port, packets, count);
}

/* However long the messages of a turn take: a reply whose age was found good is gone by then. */
static void test_released_reply_leaves_first(void)
{
    struct harness h;
    struct reply offer;
    struct rx_watch watch;
    uint8_t buf[1024];

    harness_open(&h, config_text);
    CHECK(exchange(&h, DHCP6_SOLICIT, 1, NULL, false, &offer));
    harness_send(&h, 0, buf, message_make(buf, DHCP6_REQUEST, 1, &offer, true));
    harness_turn(&h);
    harness_sync(&h);
    watch = (struct rx_watch){.io = h.server->workers[0].io, .harness = &h};
    CHECK_EQ(h.out_count, 0);
    h.server->workers[0].io.ctx = &watch;
    h.server->workers[0].io.rx = rx_watched;
    h.server->workers[0].io.tx = tx_watched;
    harness_turn(&h);
    h.server->workers[0].io = watch.io;
    CHECK_EQ(watch.out_count, 1);
    harness_close(&h);
}

static void test_full_ring_sheds_before_commit(void)
{
    struct harness h;
    struct reply offer;
    struct store_stats stats;
    uint64_t used;
    uint8_t buf[1024];

    harness_open(&h, config_text);
    CHECK(exchange(&h, DHCP6_SOLICIT, 1, NULL, false, &offer));
    while (change_ring_has_room(&h.server->rings[0], 2)) {
        memset(change_ring_room(&h.server->rings[0]), 0, CHANGE_RECORD_MAX);
        (void)change_ring_publish(&h.server->rings[0], CHANGE_SLOT_NONE, CHANGE_RECORD_MAX);
    }
    harness_send(&h, 0, buf, message_make(buf, DHCP6_REQUEST, 1, &offer, true));
    harness_turn(&h);
    CHECK_EQ(harness_counter(&h, COUNTER_drop_ring_full), 1);
    store_stats_get(h.server->store, &stats);
    used = stats.slots_used;
    CHECK_EQ(used, 0);
    CHECK_EQ(h.buffers_out, 0);
    harness_close(&h);
}

static void test_silent_beyond_horizon(void)
{
    struct harness h;
    struct reply reply;

    harness_open(&h, config_text);
    atomic_store(&h.server->operating_until_s, h.now - 1);
    CHECK(!exchange(&h, DHCP6_SOLICIT, 1, NULL, false, &reply));
    CHECK_EQ(harness_counter(&h, COUNTER_drop_silent), 1);
    harness_close(&h);
}

/* The control core moves the horizon only as far as the disk has it. */
static void test_horizon_follows_disk(void)
{
    struct harness h;

    harness_open(&h, config_text);
    atomic_store(&h.server->operating_until_s, 0);
    CHECK(h.server->journal ==
          NULL); /* control_turn's alarms need one; only its horizon is driven */
    control_horizon_turn(&h.control, h.now);
    control_horizon_turn(&h.control, h.now);
    CHECK_EQ(atomic_load(&h.server->operating_until_s), 0);
    harness_sync(&h);
    control_horizon_turn(&h.control, h.now);
    CHECK_EQ(atomic_load(&h.server->operating_until_s), h.now + h.config->horizon_s);
    harness_close(&h);
}

static uint64_t prefixes_free(const struct harness *h)
{
    const struct policy *policy = server_policy(h->server);

    for (unsigned i = 0; i < policy->pool_count; i++) {
        if (policy->pools[i].pool.type == LEASE_TYPE_PD) {
            return claim_count(policy->pools[i].claim);
        }
    }
    return 0;
}

static void test_release_gives_back(void)
{
    struct harness h;
    struct reply offer, reply, released, again;

    harness_open(&h, config_text);
    CHECK_EQ(prefixes_free(&h), 16);
    CHECK(exchange(&h, DHCP6_SOLICIT, 1, NULL, false, &offer));
    CHECK_EQ(prefixes_free(&h), 16);
    CHECK(exchange(&h, DHCP6_REQUEST, 1, &offer, true, &reply));
    CHECK_EQ(prefixes_free(&h), 15);
    CHECK(exchange(&h, DHCP6_RELEASE, 1, &reply, true, &released));
    CHECK_EQ(prefixes_free(&h), 16);
    CHECK_EQ(harness_counter(&h, COUNTER_lease_released), 2);
    /* Its former prefix comes back to a returning client. */
    CHECK(exchange(&h, DHCP6_SOLICIT, 1, NULL, false, &again));
    CHECK(ip6_equal(again.prefix, reply.prefix));
    CHECK(ip6_equal(again.address, reply.address));
    harness_close(&h);
}

/* Sixteen prefixes, twenty clients: the last four are told so, and nobody shares. */
static void test_prefixes_run_out(void)
{
    struct harness h;
    struct reply offer, reply;
    struct ip6 seen[16];
    unsigned count = 0, refused = 0;

    harness_open(&h, config_text);
    for (unsigned client = 1; client <= 20; client++) {
        CHECK(exchange(&h, DHCP6_SOLICIT, client, NULL, false, &offer));
        CHECK(exchange(&h, DHCP6_REQUEST, client, &offer, false, &reply));
        if (reply.prefix_valid_s == 0) {
            refused++;
            continue;
        }
        for (unsigned i = 0; i < count; i++) {
            CHECK(!ip6_equal(seen[i], reply.prefix));
        }
        seen[count++] = reply.prefix;
    }
    CHECK_EQ(count, 16);
    CHECK_EQ(refused, 4);
    CHECK_EQ(prefixes_free(&h), 0);
    harness_close(&h);
}

static void test_expiry_frees_and_forgets(void)
{
    struct harness h;
    struct reply offer, reply;
    struct store_stats stats;

    harness_open(&h, config_text);
    CHECK(exchange(&h, DHCP6_SOLICIT, 1, NULL, false, &offer));
    CHECK(exchange(&h, DHCP6_REQUEST, 1, &offer, true, &reply));
    h.now += 3600 + LEASE_TRANSIT_S; /* not a second too early */
    while (sweep_turn(&h.control.sweep, h.now)) {
    }
    CHECK_EQ(harness_counter(&h, COUNTER_lease_expired), 0);
    h.now += 20000;
    while (sweep_turn(&h.control.sweep, h.now)) {
    }
    CHECK_EQ(harness_counter(&h, COUNTER_lease_expired), 2);
    CHECK_EQ(prefixes_free(&h), 16);
    h.now += 100000 + 70000;
    while (sweep_turn(&h.control.sweep, h.now)) {
    }
    CHECK_EQ(harness_counter(&h, COUNTER_lease_forgotten), 2);
    store_stats_get(h.server->store, &stats);
    CHECK_EQ(stats.by_status[BINDING_FREE], 0);
    harness_close(&h);
}

/* A client that released, came back and then vanished: its prefix is not kept for as long as free
 * leases are remembered. */
static void test_expiry_after_return(void)
{
    struct harness h;
    struct reply offer, reply, released;

    harness_open(&h, config_text);
    CHECK(exchange(&h, DHCP6_SOLICIT, 1, NULL, false, &offer));
    CHECK(exchange(&h, DHCP6_REQUEST, 1, &offer, true, &reply));
    CHECK(exchange(&h, DHCP6_RELEASE, 1, &reply, true, &released));
    for (unsigned i = 0; i < 8; i++) { /* the wheel meets the free leases */
        h.now += 1000;
        while (sweep_turn(&h.control.sweep, h.now)) {
        }
    }
    CHECK(exchange(&h, DHCP6_SOLICIT, 1, NULL, false, &offer));
    CHECK(exchange(&h, DHCP6_REQUEST, 1, &offer, true, &reply));
    h.now += 3600 + 1000;
    while (sweep_turn(&h.control.sweep, h.now)) {
    }
    CHECK_EQ(harness_counter(&h, COUNTER_lease_expired), 2);
    CHECK_EQ(prefixes_free(&h), 16);
    harness_close(&h);
}

/* Design invariant 10: an untrusted clock expires nothing. */
static void test_untrusted_clock_expires_nothing(void)
{
    struct harness h;
    struct reply offer, reply;

    harness_open(&h, config_text);
    CHECK(exchange(&h, DHCP6_SOLICIT, 1, NULL, false, &offer));
    CHECK(exchange(&h, DHCP6_REQUEST, 1, &offer, true, &reply));
    atomic_store(&h.server->clock_trusted, false);
    h.now += 100000;
    CHECK_EQ(sweep_turn(&h.control.sweep, h.now), 0);
    CHECK_EQ(harness_counter(&h, COUNTER_lease_expired), 0);
    harness_close(&h);
}

/* Wraps what stands behind the first 256 octets of buf into a RELAY-FORW of a relay that tells
 * much: Interface-Id of 24 octets, Remote-Id of 16. */
static size_t relay_wrap(uint8_t *buf, size_t inner_size, unsigned client)
{
    struct wire_out out = wire_out_to(buf, 256 + inner_size);
    uint8_t interface_id[24] = "olt-17/slot-03/port-", remote_id[4 + 16] = {0, 0, 13, 233};

    wire_set_u32(interface_id + 20, client);
    wire_set_u32(remote_id + 16, client);
    wire_out_u16(&out, DHCP6_RELAY_FORW << 8);
    wire_out_ip6(&out, (struct ip6){0x20010db800170000, 1});
    wire_out_ip6(&out, (struct ip6){0xfe80000000000000, 0x021122fffe000000 + client});
    option_put(&out, OPTION_INTERFACE_ID, interface_id, sizeof(interface_id));
    option_put(&out, OPTION_REMOTE_ID, remote_id, sizeof(remote_id));
    option_put(&out, OPTION_RELAY_MSG, buf + 256, inner_size);
    return (size_t)(out.at - buf);
}

/* The usual relayed clients fill the store to leases_max, with all their relays said. */
static void test_relayed_clients_fill_the_store(void)
{
    enum {
        CLIENTS = 1250, /* with two leases each; the stock of long ones is 1024 */
        BATCH = 25      /* at most a burst */
    };
    struct harness h;
    struct store_stats stats;
    char text[sizeof(config_text) + 16];
    const char *at = strstr(config_text, "1000,"), *pool = strstr(config_text, "/52");
    uint8_t buf[1024];

    (void)snprintf(text, sizeof(text), "%.*s2500%.*s/44%s", (int)(at - config_text), config_text,
                   (int)(pool - at - 4), at + 4, pool + 3);
    harness_open(&h, text);
    for (unsigned client = 0; client < CLIENTS; client++) {
        struct reply none = {.server_id_size = 0};
        size_t size = message_make(buf + 256, DHCP6_SOLICIT, client, &none, false);

        memcpy(buf + 256 + size, "\0\16\0\0", 4); /* Rapid Commit */
        harness_send_from(&h, 0, (struct ip6){0x20010db800000001, 0x1234},
                          (struct ip6){0x20010db800000001, 1}, buf,
                          relay_wrap(buf, size + 4, client));
        if (client % BATCH == BATCH - 1) {
            harness_turn(&h);
            harness_turn(&h);
            harness_sync(&h);
            harness_turn(&h);
            h.out_count = 0;
        }
    }
    store_stats_get(h.server->store, &stats);
    CHECK_EQ(stats.by_status[BINDING_ACTIVE], 2 * CLIENTS);
    CHECK_EQ(stats.leases_max, 2 * CLIENTS);
    CHECK_EQ(stats.cut_leases + stats.long_leases_used, 0);
    CHECK_EQ(harness_counter(&h, COUNTER_drop_store_full), 0);
    harness_close(&h);
}

/* Crash and replay: the same leases, versions rising, claim bits right. */
static void test_replay_restores(void)
{
    struct harness h, after;
    struct reply offer, reply[10], renewed;

    harness_open(&h, config_text);
    for (unsigned client = 0; client < 10; client++) {
        CHECK(exchange(&h, DHCP6_SOLICIT, client, NULL, false, &offer));
        CHECK(exchange(&h, DHCP6_REQUEST, client, &offer, true, &reply[client]));
    }
    h.now += 100;
    CHECK(exchange(&h, DHCP6_RENEW, 3, &reply[3], true, &renewed));
    harness_replay(&h, &after, config_text);
    CHECK_EQ(prefixes_free(&after), 6);
    for (unsigned client = 0; client < 10; client++) {
        CHECK(exchange(&after, DHCP6_RENEW, client, &reply[client], true, &renewed));
        CHECK(ip6_equal(renewed.address, reply[client].address));
        CHECK(ip6_equal(renewed.prefix, reply[client].prefix));
        CHECK_EQ(renewed.prefix_valid_s, 3600);
    }
    harness_close(&h);
    harness_close(&after);
}

/* With several workers a client is decided by its home, wherever its frames arrive. */
static void test_home_worker(void)
{
    struct harness h;
    struct reply offer, reply;
    uint8_t buf[1024];

    harness_open(&h, config_with_workers(2));
    for (unsigned client = 0; client < 20; client++) {
        harness_send(&h, client % 2, buf, message_make(buf, DHCP6_SOLICIT, client, NULL, false));
        harness_turn(&h);
        harness_turn(&h);
        CHECK(reply_read(harness_receive(&h), &offer));
        harness_send(&h, client / 2 % 2, buf,
                     message_make(buf, DHCP6_REQUEST, client, &offer, true));
        harness_turn(&h);
        harness_turn(&h);
        harness_sync(&h);
        harness_turn(&h);
        if (client < 16) {
            CHECK(reply_read(harness_receive(&h), &reply));
            CHECK(ip6_equal(reply.prefix, offer.prefix));
        } else {
            (void)harness_receive(&h);
        }
    }
    CHECK(harness_counter(&h, COUNTER_handover_out) > 0);
    CHECK_EQ(harness_counter(&h, COUNTER_handover_out), harness_counter(&h, COUNTER_handover_in));
    CHECK_EQ(h.buffers_out, 0);
    harness_close(&h);
}

/* The slot's identity is on disk once; renewals then write times only. */
static void test_renewals_write_short_records(void)
{
    struct harness h;
    struct reply offer, reply, renewed;
    size_t full, times;

    harness_open(&h, config_text);
    CHECK(exchange(&h, DHCP6_SOLICIT, 1, NULL, false, &offer));
    CHECK(exchange(&h, DHCP6_REQUEST, 1, &offer, true, &reply));
    full = h.log_used;
    h.now += 10;
    CHECK(exchange(&h, DHCP6_RENEW, 1, &reply, true, &renewed));
    times = h.log_used - full;
    CHECK(times < full);
    CHECK(times <= 2 * 82);
    harness_close(&h);
}

/* The octets of the last option of this code in a message, size 0 when it has none. */
static struct span option_find(struct span payload, uint16_t wanted)
{
    struct wire_in in = wire_in_from(payload);
    struct span found = {NULL, 0};

    (void)wire_in_bytes(&in, 4);
    while (wire_in_left(&in)) {
        uint16_t code = wire_in_u16(&in);
        struct span data = wire_in_span(&in, wire_in_u16(&in));

        found = code == wanted ? data : found;
    }
    return found;
}

/* A REQUEST or RENEW of a client that accepts Reconfigure; copies the key it is told, if any. */
static bool key_exchange(struct harness *h, uint8_t type, unsigned client,
                         const struct reply *given, uint8_t *ret_key)
{
    uint8_t buf[1024];
    size_t size = message_make(buf, type, client, given, true);
    struct span payload, auth;

    wire_set_u32(buf + size, OPTION_RECONF_ACCEPT << 16);
    harness_send(h, 0, buf, size + 4);
    harness_turn(h);
    harness_sync(h);
    harness_turn(h);
    payload = harness_receive(h);
    CHECK(payload.size > 0);
    auth = option_find(payload, OPTION_AUTH);
    if (auth.size == 0) {
        return false;
    }
    CHECK_EQ(auth.size, 28);
    CHECK_MEM(auth.data, "\3\1\0", 3); /* RFC 9915 20.4.2 */
    CHECK_EQ(auth.data[11], 1);
    memcpy(ret_key, auth.data + 12, 16);
    return true;
}

/* RFC 9915 20.4: a key is told once, kept with the leases, and nobody else's. */
static void test_reconfigure_key(void)
{
    static char text[sizeof(config_text) + 64];
    struct harness h;
    struct reply offer[2];
    struct lease_found found;
    struct resource resource = {.length = 128, .type = LEASE_TYPE_NA};
    uint8_t key[2][16], again[16];
    struct span kept;

    (void)snprintf(text, sizeof(text), "{ \"reconfigure_key\": true, %s", config_text + 1);
    harness_open(&h, text);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(exchange(&h, DHCP6_SOLICIT, i, NULL, false, &offer[i]));
        CHECK(key_exchange(&h, DHCP6_REQUEST, i, &offer[i], key[i]));
        resource.prefix = offer[i].address;
        CHECK(store_find(h.server->store, &resource, &found));
        kept = lease_info_find(found.lease.info, LEASE_INFO_RECONFIGURE_KEY);
        CHECK_EQ(kept.size, 20);
        CHECK_MEM(kept.data + 4, key[i], 16);
    }
    CHECK(memcmp(key[0], key[1], 16) != 0);
    CHECK(!key_exchange(&h, DHCP6_RENEW, 1, &offer[1], again));
    CHECK(store_find(h.server->store, &resource, &found));
    kept = lease_info_find(found.lease.info, LEASE_INFO_RECONFIGURE_KEY);
    CHECK(kept.size == 20 && memcmp(kept.data + 4, key[1], 16) == 0);
    harness_close(&h);
    harness_open(&h, config_text); /* off by default */
    CHECK(exchange(&h, DHCP6_SOLICIT, 1, NULL, false, &offer[0]));
    CHECK(!key_exchange(&h, DHCP6_REQUEST, 1, &offer[0], again));
    harness_close(&h);
}

static void test_garbage_is_counted(void)
{
    struct harness h;
    uint8_t buf[64];
    uint64_t drops = 0;

    harness_open(&h, config_text);
    srand(1);
    for (unsigned round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof(buf); i++) {
            buf[i] = (uint8_t)rand();
        }
        harness_send(&h, 0, buf, sizeof(buf));
        harness_turn(&h);
    }
    for (enum counter c = COUNTER_drop_frame_truncated; c <= COUNTER_drop_clock; c++) {
        drops += harness_counter(&h, c);
    }
    CHECK_EQ(drops, 200);
    CHECK_EQ(h.buffers_out, 0);
    harness_close(&h);
}

static const struct check_test tests[] = {
    {"solicit_request_renew", test_solicit_request_renew},
    {"reply_waits_for_disk", test_reply_waits_for_disk},
    {"late_reply_is_dropped", test_late_reply_is_dropped},
    {"released_reply_leaves_first", test_released_reply_leaves_first},
    {"full_ring_sheds_before_commit", test_full_ring_sheds_before_commit},
    {"silent_beyond_horizon", test_silent_beyond_horizon},
    {"horizon_follows_disk", test_horizon_follows_disk},
    {"release_gives_back", test_release_gives_back},
    {"prefixes_run_out", test_prefixes_run_out},
    {"expiry_frees_and_forgets", test_expiry_frees_and_forgets},
    {"expiry_after_return", test_expiry_after_return},
    {"untrusted_clock_expires_nothing", test_untrusted_clock_expires_nothing},
    {"relayed_clients_fill_the_store", test_relayed_clients_fill_the_store},
    {"replay_restores", test_replay_restores},
    {"home_worker", test_home_worker},
    {"renewals_write_short_records", test_renewals_write_short_records},
    {"reconfigure_key", test_reconfigure_key},
    {"garbage_is_counted", test_garbage_is_counted},
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

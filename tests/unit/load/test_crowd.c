/* Clients, timers and held leases at random, beside plain models of each; the command line. */
#include <stdlib.h>

#include "../../check.h"
#include "crowd.h"
#include "settings.h"
#include "wheel.h"

enum {
    CLIENTS = 300,
    ADDRESSES = 200,
    ROUNDS = 200000,
    HOUR_S = 3600,
};

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(random_state >> 33) % bound;
}

/* What each client holds: number of the address and of the prefix, 0 = none. */
struct model {
    uint32_t address[CLIENTS], prefix[CLIENTS], until_s[CLIENTS];
};

static uint32_t model_owner(const struct model *model, uint32_t client, uint32_t address,
                            uint32_t prefix, uint32_t now_s)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        if (i != client && model->until_s[i] > now_s &&
            ((address && model->address[i] == address) || (prefix && model->prefix[i] == prefix))) {
            return i;
        }
    }
    return CLIENT_NONE;
}

static void model_claim(struct model *model, uint32_t client, uint32_t address, uint32_t prefix,
                        uint32_t until_s)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        if ((address && model->address[i] == address) || (prefix && model->prefix[i] == prefix)) {
            model->address[i] = model->prefix[i] = model->until_s[i] = 0;
        }
    }
    model->address[client] = address;
    model->prefix[client] = prefix;
    model->until_s[client] = until_s;
}

static void claim_at_random(struct crowd *crowd, struct model *model, uint32_t now_s)
{
    uint32_t client = random_below(CLIENTS), owner;
    uint32_t address = random_below(ADDRESSES), prefix = random_below(ADDRESSES);
    struct leases leases = {.address = {address ? 0x20010db800000000 : 0, address},
                            .prefix = prefix ? 0x20010db900000000 + ((uint64_t)prefix << 8) : 0,
                            .prefix_length = prefix ? 56 : 0,
                            .valid_s = random_below(HOUR_S) + 1};

    if (!address && !prefix) {
        return;
    }
    owner = crowd_claim(crowd, client, &leases, now_s);
    model->address[client] = model->prefix[client] = model->until_s[client] = 0;
    if (owner == CLIENT_NONE) {
        CHECK_EQ(model_owner(model, client, address, prefix, now_s), CLIENT_NONE);
        model_claim(model, client, address, prefix, now_s + leases.valid_s);
    } else {
        CHECK(model->until_s[owner] > now_s);
        CHECK((address && model->address[owner] == address) ||
              (prefix && model->prefix[owner] == prefix));
    }
}

static void claims(void)
{
    static struct model model;
    struct crowd crowd;
    uint32_t held = 0;

    CHECK_EQ(crowd_init(&crowd, CLIENTS, 0), 0);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        claim_at_random(&crowd, &model, round / 10);
        if (random_below(3) == 0) {
            uint32_t client = random_below(CLIENTS);

            crowd_drop(&crowd, client);
            model.address[client] = model.prefix[client] = model.until_s[client] = 0;
        }
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        /* Leases whose time is over may have been taken from their holders or not yet. */
        if (model.until_s[i] > ROUNDS / 10) {
            CHECK_EQ(crowd.clients[i].address.lo, model.address[i]);
            CHECK(crowd.clients[i].flags & CLIENT_HOLDS);
        }
        crowd_drop(&crowd, i);
    }
    CHECK_EQ(crowd.bound_count, 0);
    for (uint32_t at = 0; at <= crowd.held_mask; at++) {
        held += crowd.held[at] != 0;
    }
    CHECK_EQ(held, 0);
    crowd_done(&crowd);
}

static void idle_lists(void)
{
    struct crowd crowd;
    unsigned in_list[CROWD_IDLE_LISTS] = {CLIENTS, 0};
    bool idle[CLIENTS];

    CHECK_EQ(crowd_init(&crowd, CLIENTS, 0), 0);
    memset(idle, true, sizeof(idle));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t client = random_below(CLIENTS);
        enum phase phase = random_below(2) ? PHASE_BOUND : PHASE_UNBOUND;

        if (idle[client]) {
            in_list[crowd.clients[client].phase]--;
            crowd_idle_remove(&crowd, client);
        } else {
            in_list[phase]++;
            crowd_idle_add(&crowd, client, phase);
        }
        idle[client] = !idle[client];
    }
    for (unsigned list = 0; list < CROWD_IDLE_LISTS; list++) {
        CHECK_EQ(crowd.idle_count[list], in_list[list]);
        for (uint32_t i = 0; i < crowd.idle_count[list]; i++) {
            CHECK(idle[crowd.idle[list][i]]);
            CHECK_EQ(crowd.clients[crowd.idle[list][i]].phase, list);
            CHECK_EQ(crowd.clients[crowd.idle[list][i]].link_next, i);
        }
    }
    crowd_done(&crowd);
}

/* Each timer fires once, in the first call at or after its time. */
static void timers(void)
{
    struct client *clients = calloc(CLIENTS, sizeof(*clients));
    struct wheel *wheel = malloc(sizeof(*wheel));
    uint32_t due_ms[CLIENTS] = {0}, now_ms = 0, fired[7], armed = 0;

    T6_ASSERT(clients && wheel);
    wheel_init(wheel, clients, 0);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t client = random_below(CLIENTS);
        unsigned count;

        if (due_ms[client]) {
            wheel_remove(wheel, client);
            due_ms[client] = 0;
            armed--;
        } else {
            /* Now and then more than a turn of the wheel ahead. */
            due_ms[client] = now_ms + 1 + random_below(random_below(20) ? 3000 : 4 * WHEEL_SLOTS);
            wheel_add(wheel, client, due_ms[client]);
            armed++;
        }
        now_ms += random_below(4);
        do {
            count = wheel_expire(wheel, now_ms, fired, 7);
            for (unsigned i = 0; i < count; i++) {
                CHECK(due_ms[fired[i]] && due_ms[fired[i]] <= now_ms);
                due_ms[fired[i]] = 0;
                armed--;
            }
        } while (count == 7);
        for (uint32_t i = 0; round % 1000 == 0 && i < CLIENTS; i++) {
            CHECK(due_ms[i] == 0 || due_ms[i] > now_ms);
        }
        CHECK_EQ(wheel->count, armed);
    }
    free(clients);
    free(wheel);
}

static int read_line(struct settings *settings, const char *line)
{
    static char copy[512];
    char *argv[32] = {NULL}, *rest = copy;
    int argc = 0;

    (void)snprintf(copy, sizeof(copy), "tandem6load %s", line);
    while (argc < 32 && (argv[argc] = strsep(&rest, " ")) != NULL) {
        argc++;
    }
    return settings_read(settings, argc, argv);
}

static void command_line(void)
{
    static const char *const wrong[] = {
        "",
        "--relay",
        "--relay nonsense",
        "--relay 2001:db8::1 --nonsense",
        "--relay 2001:db8::1 clients",
        "--relay 2001:db8::1 --clients -1",
        "--relay 2001:db8::1 --clients 1.5",
        "--relay 2001:db8::1 --clients 0",
        "--relay 2001:db8::1 --clients 10 --first-client 4294967290",
        "--relay 2001:db8::1 --mix renew=x",
        "--relay 2001:db8::1 --mix new=0",
        "--relay 2001:db8::1 --mix later",
        "--relay 2001:db8::1 --rate 5 --window 3",
        "--relay 2001:db8::1 --seed x",
        "--relay 2001:db8::1 --server-mac 02:00",
        "--direct",
        "--direct --interface lo --relay 2001:db8::1",
        "--relay ::1 --server ::1 --server ::1 --server ::1 --server ::1 --server ::1",
    };
    struct settings settings;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_EQ(read_line(&settings, wrong[i]), -EINVAL);
    }
    CHECK_EQ(read_line(&settings, "--relay 2001:db8::1"), 0);
    CHECK(settings.na && !settings.pd && settings.weights[OP_NEW] == 1 && settings.window == 64);
    CHECK(settings.server_count == 1 && settings.servers[0].hi == 0xff05000000000000);
    CHECK_EQ(read_line(&settings, "--relay 2001:db8::1 --server ::2 --server ::3 --pd --rate 20.5 "
                                  "--mix renew=4,reboot --seed 0x10 --clients 4000000 --once"),
             0);
    CHECK(!settings.na && settings.pd && settings.rate > 20.4 && settings.window == 0);
    CHECK(settings.weights[OP_NEW] == 0 && settings.weights[OP_RENEW] == 4 &&
          settings.weights[OP_REBOOT] == 1);
    CHECK(settings.server_count == 2 && settings.servers[1].lo == 3 && settings.seed == 16 &&
          settings.client_count == 4000000 && settings.once);
}

static const struct check_test tests[] = {
    {"claims", claims},
    {"idle_lists", idle_lists},
    {"timers", timers},
    {"command_line", command_line},
};

CHECK_MAIN(tests)

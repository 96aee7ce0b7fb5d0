#include "server/control.h"

#include "server/worker.h"

enum {
    HORIZON_RENEWALS = 4, /* the horizon is moved that many times within its length */
    OVERLOAD_HOLD_S = 10, /* so long nothing was shed when an overload is over */
};

void control_init(struct control *control, struct server *server)
{
    *control = (struct control){.server = server, .sweep = {.server = server}};
}

bool control_meta_publish(struct server *server, uint32_t key, uint32_t value,
                          uint64_t *ret_position)
{
    struct change_ring *ring = server_control_ring(server);
    uint8_t bytes[4];

    if (!change_ring_has_room(ring, 1)) {
        return false;
    }
    wire_set_u32(bytes, value);
    *ret_position = change_ring_publish(
        ring, CHANGE_SLOT_NONE,
        record_meta_encode(key, (struct span){bytes, sizeof(bytes)}, change_ring_room(ring)));
    return true;
}

void control_horizon_turn(struct control *control, sec_t now)
{
    struct server *server = control->server;
    uint32_t length_s = server->config->horizon_s;
    sec_t until = atomic_load_explicit(&server->operating_until_s, memory_order_relaxed);
    uint64_t position;

    if (control->horizon_pending_s) {
        if (change_ring_durable(server_control_ring(server)) < control->horizon_position) {
            return;
        }
        atomic_store_explicit(&server->operating_until_s, control->horizon_pending_s,
                              memory_order_release);
        control->horizon_pending_s = 0;
        return;
    }
    if (sec_until(until, now) > length_s - length_s / HORIZON_RENEWALS) {
        return;
    }
    if (!control->clean_stop_cleared) {
        control->clean_stop_cleared = control_meta_publish(server, META_CLEAN_STOP, 0, &position);
    }
    if (control_meta_publish(server, META_HORIZON, now + length_s, &control->horizon_position)) {
        control->horizon_pending_s = now + length_s;
    }
}

static void alarm_set(struct server *server, enum server_alarm alarm, bool raised)
{
    uint32_t alarms = atomic_load_explicit(&server->alarms, memory_order_relaxed);

    alarms = raised ? alarms | alarm : alarms & ~(uint32_t)alarm;
    atomic_store_explicit(&server->alarms, alarms, memory_order_relaxed);
}

static uint64_t shed_total(const struct server *server)
{
    static const enum counter sheds[] = {
        COUNTER_drop_shed_stale, COUNTER_drop_shed_solicit, COUNTER_drop_shed_request,
        COUNTER_drop_shed_renew, COUNTER_drop_shed_other,   COUNTER_drop_shed_disk,
    };

    uint64_t total = 0;

    for (unsigned i = 0; i < server->worker_count; i++) {
        for (size_t k = 0; k < sizeof(sheds) / sizeof(sheds[0]); k++) {
            total += counter_get(&server->workers[i].counters, sheds[k]);
        }
    }
    return total;
}

void control_overload_turn(struct control *control, sec_t now)
{
    uint64_t total = shed_total(control->server);

    if (total != control->shed_seen) {
        control->shed_seen = total;
        control->shed_s = now ? now : 1;
    } else if (control->shed_s && sec_after(now, control->shed_s + OVERLOAD_HOLD_S)) {
        control->shed_s = 0;
    }
    alarm_set(control->server, ALARM_OVERLOAD, control->shed_s != 0);
}

static void alarms_turn(struct control *control, sec_t now)
{
    struct server *server = control->server;
    sec_t until = atomic_load_explicit(&server->operating_until_s, memory_order_relaxed);
    struct journal_stats journal;
    struct store_stats store;
    bool down = false;

    journal_stats_get(server->journal, &journal);
    store_stats_get(server->store, &store);
    for (unsigned i = 0; i < server->port_count; i++) {
        down |= !atomic_load_explicit(&server->ports[i].link_up, memory_order_relaxed);
    }
    alarm_set(server, ALARM_STORAGE, journal.last_error != 0);
    alarm_set(server, ALARM_STORE_FULL, store.slots_used >= store.leases_max);
    alarm_set(server, ALARM_LEASE_INFO, store.cut_leases != 0);
    alarm_set(server, ALARM_LINK_DOWN, down);
    alarm_set(server, ALARM_HORIZON, until != 0 && sec_after(now, until));
    alarm_set(server, ALARM_CLOCK, server->clock_doubted);
    control_overload_turn(control, now);
}

bool control_turn(struct control *control, sec_t now)
{
    unsigned swept;

    control_horizon_turn(control, now);
    swept = sweep_turn(&control->sweep, now);
    alarms_turn(control, now);
    return swept != 0;
}

void control_stop_mark(struct control *control, sec_t now)
{
    uint64_t position;

    (void)control_meta_publish(control->server, META_CLEAN_STOP, now, &position);
}

sec_t control_clock_last(const struct server *server)
{
    return server->disk_clean_stop_s ? server->disk_clean_stop_s
                                     : server->disk_horizon_s - server->config->horizon_s;
}

bool control_clock_check(const struct server *server, sec_t now)
{
    return server->disk_horizon_s == 0 || !sec_after(control_clock_last(server), now);
}

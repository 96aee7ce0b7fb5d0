#include "server/restart.h"

#include <string.h>

static bool text_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool port_equal(const struct config_port *a, const struct config_port *b)
{
    return text_equal(a->name, b->name) && text_equal(a->device, b->device) && a->mtu == b->mtu &&
           a->address_count == b->address_count &&
           memcmp(a->addresses, b->addresses, sizeof(a->addresses)) == 0 &&
           a->has_mac == b->has_mac && memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
}

static bool tls_equal(const struct config_failover *a, const struct config_failover *b)
{
    return a->has_tls == b->has_tls && text_equal(a->tls.certificate, b->tls.certificate) &&
           text_equal(a->tls.key, b->tls.key) && text_equal(a->tls.ca, b->tls.ca) &&
           text_equal(a->tls.partner_certificate, b->tls.partner_certificate) &&
           text_equal(a->tls.partner_name, b->tls.partner_name);
}

static bool failover_equal(const struct config_failover *a, const struct config_failover *b)
{
    bool same = text_equal(a->relationship, b->relationship) && a->role == b->role &&
                ip6_equal(a->partner, b->partner) && ip6_equal(a->listen, b->listen) &&
                a->port == b->port && a->mclt_s == b->mclt_s && a->keepalive_s == b->keepalive_s &&
                a->startup_s == b->startup_s &&
                a->partner_down_after_s == b->partner_down_after_s &&
                a->startup_partner_down == b->startup_partner_down && tls_equal(a, b) &&
                a->link_count == b->link_count;

    for (unsigned i = 0; same && i < a->link_count; i++) {
        same = text_equal(a->link_names[i], b->link_names[i]);
    }
    return same;
}

static const char *failovers_reason(const struct config *a, const struct config *b)
{
    if (a->failover_count != b->failover_count) {
        return "failover";
    }
    for (unsigned i = 0; i < a->failover_count; i++) {
        if (!failover_equal(&a->failovers[i], &b->failovers[i])) {
            return "failover (all but backup_share_percent)";
        }
    }
    return NULL;
}

static bool ports_equal(const struct config *a, const struct config *b)
{
    bool same = a->port_count == b->port_count;

    for (unsigned i = 0; same && i < a->port_count; i++) {
        same = port_equal(&a->ports[i], &b->ports[i]);
    }
    return same;
}

size_t restart_reasons(const struct config *a, const struct config *b,
                       const char *ret_reasons[RESTART_REASONS_MAX])
{
    const char *failovers = failovers_reason(a, b);

    const struct {
        const char *what;
        bool same;
    } rows[RESTART_REASONS_MAX] = {
        {"server.state_dir", text_equal(a->state_dir, b->state_dir)},
        {"server.duid", span_equal(a->server_duid, b->server_duid)},
        {"server.allocation_secret", span_equal(a->allocation_secret, b->allocation_secret)},
        {"store", a->leases_max == b->leases_max && a->inline_octets == b->inline_octets &&
                      a->long_leases_max == b->long_leases_max},
        {"journal",
         a->segment_size == b->segment_size && a->checkpoint_log_max == b->checkpoint_log_max},
        {"dataplane", a->workers == b->workers && a->cpu_count == b->cpu_count &&
                          memcmp(a->cpus, b->cpus, sizeof(a->cpus)) == 0 && a->poll == b->poll &&
                          a->message_cost_us == b->message_cost_us},
        {"dataplane.ports", ports_equal(a, b)},
        {"management",
         text_equal(a->management_socket, b->management_socket) &&
             text_equal(a->management_listen, b->management_listen) &&
             a->has_management_tls == b->has_management_tls &&
             text_equal(a->management_tls.certificate, b->management_tls.certificate) &&
             text_equal(a->management_tls.key, b->management_tls.key) &&
             text_equal(a->management_tls.ca, b->management_tls.ca)},
        {failovers, failovers == NULL},
    };

    size_t count = 0;

    for (size_t i = 0; i < RESTART_REASONS_MAX; i++) {
        if (!rows[i].same) {
            ret_reasons[count++] = rows[i].what;
        }
    }
    return count;
}

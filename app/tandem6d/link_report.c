/* What the operator is told of a relationship: its connection and both endpoint states. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "link_internal.h"

bool link_tell(struct link_told *told, const char *text, msec_t now_ms, uint64_t *ret_left_out)
{
    if (told->at_ms && now_ms - told->at_ms < LINK_LOG_AGAIN_MS && strcmp(told->text, text) == 0) {
        told->left_out++;
        return false;
    }
    *ret_left_out = told->left_out;
    told->left_out = 0;
    told->at_ms = now_ms;
    (void)snprintf(told->text, sizeof(told->text), "%s", text);
    return true;
}

static uint64_t downs_sum(const struct fo_link *link)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < FO_DOWN_COUNT; i++) {
        sum += link->stats.downs[i];
    }
    return sum;
}

static void down_report(struct partner *partner, struct fo_time now)
{
    const struct fo_link_event *down = &partner->relation->link.down;
    char text[LINK_LOG_TEXT_MAX], code[32] = "";
    uint64_t left_out;

    if (down->code) {
        (void)snprintf(code, sizeof(code), " (status %u)", down->code);
    }
    (void)snprintf(text, sizeof(text), "%s%s%s%s", fo_down_reason_name(down->reason),
                   down->text[0] ? ": " : "", down->text, code);
    if (down->was_up && down->reason == FO_DOWN_STOP) {
        log_notice("failover %s: connection ended: %s", partner->relation->name, text);
    } else if (down->was_up) {
        log_warn("failover %s: connection lost: %s", partner->relation->name, text);
    } else if (link_tell(&partner->told, text, now.ms, &left_out)) {
        if (left_out) {
            log_warn("failover %s: no connection: %s (%" PRIu64 " times more since)",
                     partner->relation->name, text, left_out);
        } else {
            log_warn("failover %s: no connection: %s", partner->relation->name, text);
        }
    }
}

static const char *partner_state_name(uint8_t state)
{
    return state ? fo_state_name(state) : "not known";
}

void partner_report(struct partner *partner, struct fo_time now)
{
    const struct relation *relation = partner->relation;
    const struct fo_link *link = &relation->link;
    const struct fo_record *record = &relation->fsm.record;
    enum fo_server_state state = fo_fsm_state(&relation->fsm);
    uint64_t downs = downs_sum(link);
    char address[INET6_ADDRSTRLEN];

    if (downs != partner->downs) {
        partner->downs = downs;
        partner->up = false;
        down_report(partner, now);
    }
    if (fo_link_is_up(link) && !partner->up) {
        partner->up = true;
        link_address_text(partner->config->partner, address);
        log_notice("failover %s: connected with %s, %s%s", relation->name, address,
                   link->peer.software[0] ? link->peer.software : "software not known",
                   link->config.secure ? ", TLS" : ", in clear");
    }
    if (state != partner->state) {
        log_notice("failover %s: %s after %s: %s", relation->name, fo_state_name(state),
                   partner->state ? fo_state_name(partner->state) : "start",
                   state == FO_STARTUP ? "the server has started"
                                       : fo_cause_text((enum fo_cause)record->cause));
        partner->state = state;
    }
    if (record->partner_state != partner->partner_state) {
        log_notice("failover %s: partner is %s, was %s", relation->name,
                   partner_state_name(record->partner_state),
                   partner_state_name(partner->partner_state));
        partner->partner_state = record->partner_state;
    }
}

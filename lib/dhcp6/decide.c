/* Decisions, the common part: who is answered at all (RFC 9915 16, classes, the grant), and the
 * messages that concern no lease. The families that give and take leases are decide_grant.c and
 * decide_release.c. On the packet path: nothing here clears or copies a whole plan. */
#include "dhcp6/decide.h"

#include "dhcp6/candidate.h"
#include "dhcp6/decide_family.h"

enum server_id_rule {
    SERVER_ID_ABSENT = 1,
    SERVER_ID_OURS,
    SERVER_ID_OURS_IF_PRESENT,
};

/* RFC 9915 16, one row per message a server takes; others have no server_id rule. */
static const struct {
    enum server_id_rule server_id;
    bool client_id_required;
} rules[] = {
    [DHCP6_SOLICIT] = {SERVER_ID_ABSENT, true},                       /* 16.2 */
    [DHCP6_REQUEST] = {SERVER_ID_OURS, true},                         /* 16.4 */
    [DHCP6_CONFIRM] = {SERVER_ID_ABSENT, true},                       /* 16.5 */
    [DHCP6_RENEW] = {SERVER_ID_OURS, true},                           /* 16.6 */
    [DHCP6_REBIND] = {SERVER_ID_ABSENT, true},                        /* 16.7 */
    [DHCP6_DECLINE] = {SERVER_ID_OURS, true},                         /* 16.8 */
    [DHCP6_RELEASE] = {SERVER_ID_OURS, true},                         /* 16.9 */
    [DHCP6_INFORMATION_REQUEST] = {SERVER_ID_OURS_IF_PRESENT, false}, /* 16.12 */
};

static enum counter server_id_check(enum server_id_rule rule, struct span server_id,
                                    struct span server_duid)
{
    if (server_id.data == NULL) {
        return rule == SERVER_ID_OURS ? COUNTER_drop_server_id_missing : COUNTER_COUNT;
    }
    if (rule == SERVER_ID_ABSENT) {
        return COUNTER_drop_server_id_present;
    }
    return span_equal(server_id, server_duid) ? COUNTER_COUNT : COUNTER_drop_server_id_foreign;
}

enum counter decide_validate(const struct policy *policy, const struct dhcp6_message *message,
                             bool unicast)
{
    size_t client_id_size = message->client_id.size;
    enum counter drop;

    if (message->type >= sizeof(rules) / sizeof(rules[0]) || !rules[message->type].server_id) {
        return COUNTER_drop_message_type; /* 16: unknown ones; 16.3, 16.10, 16.11, 16.14: others */
    }
    if (unicast && message->relay_count == 0) {
        return COUNTER_drop_unicast; /* 16: no unicast traffic from clients */
    }
    if (rules[message->type].client_id_required &&
        (client_id_size < DUID_SIZE_MIN || client_id_size > DUID_SIZE_MAX)) {
        return COUNTER_drop_client_id_missing;
    }
    drop = server_id_check(rules[message->type].server_id, message->server_id, policy->server_duid);
    if (drop == COUNTER_COUNT && message->type == DHCP6_INFORMATION_REQUEST && message->ia_count) {
        drop = COUNTER_drop_ia_in_information_request;
    }
    return drop;
}

bool decide_may_allocate(const struct dhcp6_message *message, const struct decide_found *found,
                         sec_t now)
{
    if (message->type == DHCP6_SOLICIT || message->type == DHCP6_REQUEST) {
        return true;
    }
    if (message->type != DHCP6_RENEW && message->type != DHCP6_REBIND) {
        return false;
    }
    for (unsigned i = 0; i < message->ia_count; i++) {
        bool active = false;

        for (unsigned j = 0; j < found->count[i] && !active; j++) {
            const struct lease *lease = &found->entries[found->first[i] + j].lease;

            active = lease->status == BINDING_ACTIVE && !lease_is_over(lease, now);
        }
        if (!active) {
            return true;
        }
    }
    return false;
}

/* True when one of the client's classes is not answered. */
static bool class_drops(const struct decide_input *input)
{
    for (uint64_t left = input->classes; left; left &= left - 1) {
        unsigned class = (unsigned)__builtin_ctzll(left);

        if (class < input->policy->class_count && input->policy->classes[class].drop) {
            return true;
        }
    }
    return false;
}

/* True when the endpoint state lets us answer (RFC 8156 8.1). */
static bool service_allows(enum grant_service service, const struct dhcp6_message *message)
{
    switch (service) {
    case GRANT_SILENT:
        return false;
    case GRANT_RENEW_KNOWN: /* RECOVER-DONE, protocol facts F.37 */
        return message->type == DHCP6_RENEW;
    case GRANT_OWN_SERVER_ID: /* renew-responsive, F.38; that it is ours has been checked */
        return message->server_id.data != NULL;
    case GRANT_ALL:
        return true;
    }
    return false;
}

/* RFC 9915 18.3.3: only addresses are judged, and only against the link; leases do not matter. */
static void decide_confirm(const struct decide_input *input, struct plan *plan)
{
    const struct dhcp6_message *message = input->message;
    bool any = false, all_fit = true, reserved;
    int pool;

    for (unsigned i = 0; i < message->ia_count; i++) {
        const struct dhcp6_ia *ia = &message->ias[i];

        for (unsigned j = 0; ia->type == LEASE_TYPE_NA && j < ia->lease_count; j++) {
            const struct resource *r = &message->leases[ia->lease_first + j].resource;

            any = true;
            if (!policy_on_link(input->policy, (unsigned)input->link, r->prefix) &&
                !candidate_fits(input, r, &pool, &reserved)) {
                all_fit = false;
            }
        }
    }
    if (!any) {
        plan_drop(plan, COUNTER_drop_no_answer);
        return;
    }
    plan->has_status = true;
    plan->status = all_fit ? STATUS_SUCCESS : STATUS_NOT_ON_LINK;
}

void decide(const struct decide_input *input, struct plan *ret_plan)
{
    const struct dhcp6_message *message = input->message;
    enum counter drop = COUNTER_COUNT;

    ret_plan->verdict = PLAN_REPLY;
    ret_plan->drop = COUNTER_COUNT;
    ret_plan->reply_type = DHCP6_REPLY;
    ret_plan->rapid_commit = false;
    ret_plan->has_status = false;
    ret_plan->status = STATUS_SUCCESS;
    ret_plan->link = input->link;
    ret_plan->classes = input->classes;
    ret_plan->reservation = input->reservation;
    ret_plan->reconfigure_key = (struct span){NULL, 0};
    ret_plan->now = input->now;
    ret_plan->ia_count = ret_plan->lease_count = ret_plan->change_count = 0;

    if (class_drops(input)) {
        drop = COUNTER_drop_client_class;
    } else if (!service_allows(input->policy->links[input->link].grant->service, message)) {
        drop = COUNTER_drop_silent;
    }
    if (drop != COUNTER_COUNT) {
        plan_drop(ret_plan, drop);
        return;
    }
    switch ((enum dhcp6_type)message->type) {
    case DHCP6_SOLICIT:
    case DHCP6_REQUEST:
    case DHCP6_RENEW:
    case DHCP6_REBIND:
        decide_grant(input, ret_plan);
        break;
    case DHCP6_RELEASE:
    case DHCP6_DECLINE:
        decide_release(input, ret_plan);
        break;
    case DHCP6_CONFIRM:
        decide_confirm(input, ret_plan);
        break;
    case DHCP6_INFORMATION_REQUEST: /* 18.3.6: options only, the encoder's business */
    case DHCP6_ADVERTISE:           /* the others do not pass decide_validate */
    case DHCP6_REPLY:
    case DHCP6_RECONFIGURE:
    case DHCP6_RELAY_FORW:
    case DHCP6_RELAY_REPL:
        break;
    }
}

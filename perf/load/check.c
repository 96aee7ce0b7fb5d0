#include "check.h"

#include "dhcp6/message.h"
#include "dhcp6/option.h"

enum {
    /* Exchanges back that an answer may belong to; transactions count up. */
    LATE_MAX = 64,
};

/* What both kinds of IA have in common, so that one function can judge either. */
struct wanted {
    const struct answer_ia *ia;
    bool asked;
    uint32_t iaid;
    uint8_t length_min, length_max;
    struct ip6 held; /* lo of a prefix is 0 */
    uint8_t held_length;
};

const struct verdict_row verdict_rows[VERDICT_COUNT] = {
#define VERDICT(name, wrong, text) {#name, wrong, text},
#include "verdict.def"
#undef VERDICT
};

bool check_owner(const struct settings *settings, const struct answer *answer, uint32_t *ret_number,
                 enum verdict *ret_verdict)
{
    uint32_t number;

    *ret_verdict = VERDICT_wrong_relay;
    if (settings->direct) {
        if (answer->relayed) {
            return false;
        }
        *ret_verdict = VERDICT_wrong_client;
        if (answer->client_id.size != CLIENT_DUID_SIZE) {
            return false;
        }
        number = wire_get_u32(answer->client_id.data + CLIENT_DUID_SIZE - 4);
    } else if (!answer->relayed || !client_from_link_local(answer->peer_address, &number)) {
        return false;
    }
    if (number < settings->first_client ||
        number - settings->first_client >= settings->client_count) {
        return false;
    }
    *ret_number = number;
    return true;
}

/* RFC 9915 19.3: hop-count, link-address, peer-address and Interface-Id are the relay's own. */
static bool relay_is_right(const struct settings *settings, uint32_t number, unsigned relay,
                           const struct answer *answer)
{
    uint8_t id[MESSAGE_INTERFACE_ID_SIZE];

    if (settings->direct) {
        return true;
    }
    message_interface_id(number, id);
    return answer->hop_count == 0 && relay == message_relay_index(settings, number) &&
           ip6_equal(answer->link_address, message_link_address(settings, number)) &&
           span_equal(answer->interface_id, (struct span){id, sizeof(id)});
}

static bool client_is_right(uint32_t number, const struct answer *answer)
{
    uint8_t duid[CLIENT_DUID_SIZE];

    client_duid(number, duid);
    return span_equal(answer->client_id, (struct span){duid, sizeof(duid)});
}

static bool type_is_right(const struct client *client, const struct answer *answer)
{
    if (answer->type == DHCP6_ADVERTISE) {
        return client->kind == MESSAGE_SOLICIT || client->kind == MESSAGE_RAPID;
    }
    if (client->kind == MESSAGE_RAPID) {
        return answer->type == DHCP6_REPLY && answer->rapid_commit;
    }
    return answer->type == DHCP6_REPLY && client->kind != MESSAGE_SOLICIT;
}

static bool keeps_lease(const struct client *client)
{
    return client->kind == MESSAGE_RENEW || client->kind == MESSAGE_REBIND;
}

static enum verdict status_judge(const struct client *client, uint16_t status)
{
    switch (status) {
    case STATUS_SUCCESS:
        return VERDICT_good;
    case STATUS_NO_ADDRS_AVAIL:
    case STATUS_NO_PREFIX_AVAIL:
        return keeps_lease(client) ? VERDICT_lost : VERDICT_refused;
    case STATUS_NO_BINDING:
        if (client->kind == MESSAGE_RELEASE) {
            /* A server that released before and whose Reply got lost says this too (RFC 9915
             * 18.2.7). */
            return client->tries > 1 ? VERDICT_good : VERDICT_lost;
        }
        return keeps_lease(client) ? VERDICT_lost : VERDICT_wrong_status;
    default:
        return VERDICT_wrong_status;
    }
}

static bool lease_is_usable(const struct wanted *wanted, const struct answer_lease *lease)
{
    return lease->length >= wanted->length_min && lease->length <= wanted->length_max &&
           !ip6_is_zero(lease->prefix) && !ip6_is_link_local(lease->prefix) &&
           !ip6_is_multicast(lease->prefix) &&
           ip6_equal(ip6_prefix(lease->prefix, lease->length), lease->prefix);
}

static bool lifetimes_are_right(const struct settings *settings, const struct answer_ia *ia,
                                const struct answer_lease *lease)
{
    return lease->preferred_s <= lease->valid_s && lease->valid_s >= settings->valid_min_s &&
           lease->valid_s <= settings->valid_max_s &&
           !(ia->t1_s && ia->t2_s && ia->t1_s > ia->t2_s);
}

/* The one lease of the IA with a lifetime; those without tell what the client must stop using. */
static enum verdict live_lease(const struct answer_ia *ia, const struct answer_lease **ret_lease)
{
    const struct answer_lease *live = NULL;

    if (ia->lease_count > ANSWER_LEASES_MAX) {
        return VERDICT_wrong_ia;
    }
    for (unsigned i = 0; i < ia->lease_count; i++) {
        if (ia->leases[i].valid_s) {
            if (live) {
                return VERDICT_wrong_ia;
            }
            live = &ia->leases[i];
        }
    }
    *ret_lease = live;
    return VERDICT_good;
}

static enum verdict ia_judge(const struct settings *settings, const struct client *client,
                             const struct wanted *wanted, const struct answer_lease **ret_lease)
{
    const struct answer_ia *ia = wanted->ia;
    const struct answer_lease *lease = NULL;
    enum verdict verdict;

    if (!wanted->asked) {
        return ia->count ? VERDICT_wrong_ia : VERDICT_good;
    }
    if (ia->count != 1 || ia->iaid != wanted->iaid) {
        return VERDICT_wrong_ia;
    }
    verdict = status_judge(client, ia->status);
    if (verdict == VERDICT_good) {
        verdict = live_lease(ia, &lease);
    }
    if (verdict != VERDICT_good) {
        return verdict;
    }
    if (!lease) {
        return keeps_lease(client)    ? VERDICT_lost
               : ia->lease_count == 1 ? VERDICT_wrong_lifetime
                                      : VERDICT_wrong_ia;
    }
    if (!lease_is_usable(wanted, lease)) {
        return VERDICT_wrong_ia;
    }
    if (!lifetimes_are_right(settings, ia, lease)) {
        return VERDICT_wrong_lifetime;
    }
    *ret_lease = lease;
    if (keeps_lease(client) &&
        (!ip6_equal(lease->prefix, wanted->held) || lease->length != wanted->held_length)) {
        return VERDICT_changed;
    }
    return VERDICT_good;
}

/* The worse of two IAs' verdicts: what the server did wrong before what it refused. */
static enum verdict worse(enum verdict a, enum verdict b)
{
    return a > b ? a : b;
}

static void leases_set(struct leases *leases, const struct answer_lease *na,
                       const struct answer_lease *pd)
{
    *leases = (struct leases){.valid_s = UINT32_MAX};
    if (na) {
        leases->address = na->prefix;
        leases->valid_s = na->valid_s;
    }
    if (pd) {
        leases->prefix = pd->prefix.hi;
        leases->prefix_length = pd->length;
        leases->valid_s = pd->valid_s < leases->valid_s ? pd->valid_s : leases->valid_s;
    }
}

static enum verdict leases_judge(const struct settings *settings, const struct client *client,
                                 const struct answer *answer, struct leases *ret_leases)
{
    const struct wanted na = {&answer->na,     settings->na, CLIENT_IAID_NA, 128, 128,
                              client->address, 128};
    const struct wanted pd = {
        &answer->pd,         settings->pd,         CLIENT_IAID_PD, 1, CLIENT_PREFIX_LENGTH_MAX,
        {client->prefix, 0}, client->prefix_length};
    const struct answer_lease *address = NULL, *prefix = NULL;
    enum verdict verdict =
        worse(ia_judge(settings, client, &na, &address), ia_judge(settings, client, &pd, &prefix));

    if (verdict == VERDICT_good || verdict == VERDICT_changed) {
        leases_set(ret_leases, address, prefix);
    }
    return verdict;
}

/* Servers may leave the IAs of a RELEASE out, or confirm each (RFC 9915 18.3.6). */
static enum verdict release_judge(const struct client *client, const struct answer *answer)
{
    enum verdict verdict = VERDICT_good;

    if (answer->na.count) {
        verdict = status_judge(client, answer->na.status);
    }
    if (answer->pd.count) {
        verdict = worse(verdict, status_judge(client, answer->pd.status));
    }
    return verdict;
}

enum verdict check_answer(const struct check_context *context, const struct answer *answer,
                          struct leases *ret_leases)
{
    const struct client *client = context->client;
    enum verdict verdict;

    if (!relay_is_right(context->settings, context->number, context->relay, answer)) {
        return VERDICT_wrong_relay;
    }
    if (!client_is_right(context->number, answer)) {
        return VERDICT_wrong_client;
    }
    if (answer->xid != client->xid) {
        return ((client->xid - answer->xid) & 0xffffff) <= LATE_MAX ? VERDICT_late
                                                                    : VERDICT_wrong_transaction;
    }
    if (!type_is_right(client, answer)) {
        return VERDICT_wrong_type;
    }
    if (answer->server_id.size == 0 || (message_rows[client->kind].names_server &&
                                        !span_equal(answer->server_id, context->server_id))) {
        return VERDICT_wrong_server;
    }
    if (client_is_idle(client) || client->phase == PHASE_DELAYED) {
        return VERDICT_repeated;
    }
    verdict = status_judge(client, answer->status);
    if (verdict != VERDICT_good) {
        return verdict;
    }
    if (client->kind == MESSAGE_RELEASE) {
        return release_judge(client, answer);
    }
    return leases_judge(context->settings, client, answer, ret_leases);
}

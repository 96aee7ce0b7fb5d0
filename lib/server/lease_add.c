/* A lease by the operator's word: a REQUEST that nobody sent, through the decision of all others.
 *
 * The client's home worker may decide about the same client at the same moment; then the client has
 * two leases in one IA, and keeps both. Nobody else's are touched: commits are decided per
 * resource.
 */
#include <stdlib.h>

#include "dhcp6/decide.h"
#include "server/lease_act.h"
#include "store/claim.h"

enum {
    RACES_MAX = 8 /* decisions while others take what was found */
};

/* What a decision needs, too large for the stack. */
struct adding {
    struct server *server;
    const struct policy *policy;
    const struct lease_add *add;
    sec_t now;
    uint64_t client_hash;
    struct dhcp6_message message;
    struct decide_found found; /* nothing: what the client had before does not count */
    struct plan plan;
};

static bool source_find(void *ctx, const struct resource *resource, struct lease_found *ret_found)
{
    return store_find(((const struct adding *)ctx)->server->store, resource, ret_found);
}

/* Ours, or the partner's where it is open to us, own ones being used up (RFC 8156 8.4.1). */
static bool source_claim_test(void *ctx, unsigned pool, uint32_t unit)
{
    const struct policy_pool *row = &((const struct adding *)ctx)->policy->pools[pool];

    return claim_test(row->claim, unit) ||
           (row->grant->partner_prefixes && row->partner_claim && claim_count(row->claim) == 0 &&
            claim_test(row->partner_claim, unit));
}

/* Only what is named will do. */
static bool source_claim_next(void *ctx, unsigned pool, uint32_t from, uint32_t *ret_unit)
{
    (void)ctx;
    (void)pool;
    (void)from;
    (void)ret_unit;
    return false;
}

/* The link a client must be on to have the resource. */
static int link_of(const struct policy *policy, const struct resource *resource, int pool)
{
    const struct policy_reservation *reservation = policy_reservation_of(policy, resource);

    if (pool >= 0) {
        return (int)policy->pools[pool].link;
    }
    if (reservation && reservation->link >= 0) {
        return reservation->link;
    }
    return reservation ? policy_link_by_address(policy, resource->prefix) : POLICY_LINK_NONE;
}

static void message_make(struct adding *adding)
{
    const struct lease_add *add = adding->add;
    struct dhcp6_message *message = &adding->message;

    message->type = DHCP6_REQUEST;
    message->client_id = message->subject.duid = add->duid;
    message->server_id = adding->policy->server_duid;
    message->ia_count = message->lease_count = 1;
    message->ias[0] =
        (struct dhcp6_ia){.type = add->resource.type, .iaid = add->iaid, .lease_count = 1};
    message->leases[0].resource = add->resource;
}

/* What the client has in that IA. 0, or why it gets no other lease. */
static int client_check(const struct adding *adding)
{
    const struct lease_add *add = adding->add;
    struct lease_found found[DECIDE_FOUND_PER_IA_MAX];
    size_t count = store_find_client(adding->server->store, adding->client_hash, add->duid,
                                     add->iaid, add->resource.type, found, DECIDE_FOUND_PER_IA_MAX);
    int r = 0;

    for (size_t i = 0; i < count; i++) {
        if (found[i].lease.status == BINDING_ACTIVE &&
            !lease_is_over(&found[i].lease, adding->now)) {
            r = resource_equal(&found[i].lease.resource, &add->resource) ? -EALREADY : -EEXIST;
        }
        if (r == -EALREADY) {
            return r;
        }
    }
    return r;
}

/* Why the decision was another one. */
static int refusal(const struct adding *adding)
{
    struct lease_found found;

    if (adding->plan.verdict == PLAN_DROP && adding->plan.drop == COUNTER_drop_silent) {
        return -EPERM;
    }
    return store_find(adding->server->store, &adding->add->resource, &found) &&
                   lease_is_held(&found.lease, adding->now)
               ? -EBUSY
               : -EXDEV;
}

static void add_decide(struct adding *adding, int link)
{
    const struct candidate_source source = {
        .ctx = adding,
        .find = source_find,
        .claim_test = source_claim_test,
        .claim_next = source_claim_next,
    };
    struct decide_input input = {
        .policy = adding->policy,
        .message = &adding->message,
        .found = &adding->found,
        .source = &source,
        .client_hash = &adding->client_hash,
        .link = link,
        .classes = policy_classify(adding->policy, &adding->message.subject),
        .reservation =
            policy_reservation_find(adding->policy, (unsigned)link, &adding->message.subject),
        .now = adding->now,
        .reuse_allowed = atomic_load_explicit(&adding->server->clock_trusted, memory_order_relaxed),
    };

    decide(&input, &adding->plan);
}

static int add_once(struct adding *adding, int link, uint64_t *ret_position)
{
    struct server *server = adding->server;
    const struct plan_change *step = &adding->plan.changes[0];
    struct server_change change = {&step->base, &step->next, -1};
    int r = client_check(adding);

    if (r) {
        return r;
    }
    add_decide(adding, link);
    if (adding->plan.verdict == PLAN_DROP || adding->plan.change_count != 1 ||
        !resource_equal(&step->next.resource, &adding->add->resource)) {
        return refusal(adding);
    }
    if (adding->add->dry) {
        return 0;
    }
    if (!change_ring_has_room(server_control_ring(server), 1)) {
        return -EAGAIN;
    }
    change.pool = step->pool;
    r = server_commit(server, adding->policy, server->worker_count, &change, ret_position);
    if (r == 0) {
        counter_inc(&server->control_counters, step->counter);
    }
    return r;
}

int lease_add(struct server *server, const struct lease_add *add, sec_t now, uint64_t *ret_position)
{
    const struct policy *policy = server_policy(server);
    int pool = policy_pool_find(policy, &add->resource), r = -EAGAIN;
    int link = link_of(policy, &add->resource, pool);
    struct adding *adding;

    if (link == POLICY_LINK_NONE) {
        return -EDOM;
    }
    if (lease_act_is_silent(server, now)) {
        return -EIO;
    }
    adding = calloc(1, sizeof(*adding));
    if (adding == NULL) {
        return -ENOMEM;
    }
    adding->server = server;
    adding->policy = policy;
    adding->add = add;
    adding->now = now;
    adding->client_hash =
        store_client_hash(store_duid_hash(server->store, add->duid), add->iaid, add->resource.type);
    message_make(adding);
    for (unsigned race = 0; race < RACES_MAX && r == -EAGAIN; race++) {
        r = add_once(adding, link, ret_position);
    }
    free(adding);
    return r;
}

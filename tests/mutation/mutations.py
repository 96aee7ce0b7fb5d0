"""The mutations: one row per rule of the server that is removed or inverted.

`old` stands exactly once in `file`; the run fails where it does not, so that the list follows the
code. `checks` are the conformance checks that must notice, `clause` is where the rule comes from."""

from collections import namedtuple

Mutation = namedtuple("Mutation", "name clause file old new checks")
MUTATIONS = []


def mutation(name, clause, file, old, new, *checks):
    MUTATIONS.append(Mutation(name, clause, file, old, new, checks))


DECIDE = "lib/dhcp6/decide.c"
GRANT = "lib/dhcp6/decide_grant.c"
RELEASE = "lib/dhcp6/decide_release.c"
CANDIDATE = "lib/dhcp6/candidate.c"
ENCODE = "lib/dhcp6/encode.c"
MESSAGE = "lib/dhcp6/message.c"
MESSAGE_H = "lib/dhcp6/message.h"
OPTION = "lib/dhcp6/option.c"
FQDN = "lib/dhcp6/fqdn.c"
EXCLUDE = "lib/dhcp6/exclude.c"
LOOKUP = "lib/policy/lookup.c"
FRAME = "lib/net/frame.c"
NDP = "lib/net/ndp.c"
WORKER = "lib/server/worker.c"
COMMIT = "lib/server/commit.c"
POOL = "lib/lease/pool.c"

# ---- which messages are taken --------------------------------------------------------------------

mutation("solicit-takes-server-id", "RFC 9915 16.2", DECIDE,
         "[DHCP6_SOLICIT] = {SERVER_ID_ABSENT, true},",
         "[DHCP6_SOLICIT] = {SERVER_ID_OURS_IF_PRESENT, true},",
         "solicit-with-server-id")
mutation("request-without-server-id-taken", "RFC 9915 16.4", DECIDE,
         "[DHCP6_REQUEST] = {SERVER_ID_OURS, true},",
         "[DHCP6_REQUEST] = {SERVER_ID_OURS_IF_PRESENT, true},",
         "request-without-server-id")
mutation("confirm-takes-server-id", "RFC 9915 16.5", DECIDE,
         "[DHCP6_CONFIRM] = {SERVER_ID_ABSENT, true},",
         "[DHCP6_CONFIRM] = {SERVER_ID_OURS_IF_PRESENT, true},",
         "confirm-with-server-id")
mutation("renew-without-server-id-taken", "RFC 9915 16.6", DECIDE,
         "[DHCP6_RENEW] = {SERVER_ID_OURS, true},",
         "[DHCP6_RENEW] = {SERVER_ID_OURS_IF_PRESENT, true},",
         "renew-without-server-id")
mutation("rebind-takes-server-id", "RFC 9915 16.7", DECIDE,
         "[DHCP6_REBIND] = {SERVER_ID_ABSENT, true},",
         "[DHCP6_REBIND] = {SERVER_ID_OURS_IF_PRESENT, true},",
         "rebind-with-server-id")
mutation("decline-without-server-id-taken", "RFC 9915 16.8", DECIDE,
         "[DHCP6_DECLINE] = {SERVER_ID_OURS, true},",
         "[DHCP6_DECLINE] = {SERVER_ID_OURS_IF_PRESENT, true},",
         "decline-without-server-id")
mutation("release-without-server-id-taken", "RFC 9915 16.9", DECIDE,
         "[DHCP6_RELEASE] = {SERVER_ID_OURS, true},",
         "[DHCP6_RELEASE] = {SERVER_ID_OURS_IF_PRESENT, true},",
         "release-without-server-id")
mutation("foreign-server-id-taken", "RFC 9915 16.4", DECIDE,
         "return span_equal(server_id, server_duid) ? COUNTER_COUNT : COUNTER_drop_server_id_foreign;",
         "return COUNTER_COUNT;",
         "request-foreign-server-id", "renew-foreign-server-id", "release-foreign-server-id",
         "decline-foreign-server-id")
mutation("server-id-compared-by-its-beginning", "RFC 9915 11", DECIDE,
         "return span_equal(server_id, server_duid) ?",
         "return server_id.size >= server_duid.size &&"
         " span_equal((struct span){server_id.data, server_duid.size}, server_duid) ?",
         "server-id-longer-is-foreign")
mutation("information-request-for-others-taken", "RFC 9915 16.12", DECIDE,
         "return span_equal(server_id, server_duid) ?",
         "return rule == SERVER_ID_OURS_IF_PRESENT || span_equal(server_id, server_duid) ?",
         "information-request-foreign-server-id")
mutation("information-request-needs-client-id", "RFC 9915 18.3.6", DECIDE,
         "{SERVER_ID_OURS_IF_PRESENT, false}", "{SERVER_ID_OURS_IF_PRESENT, true}",
         "information-request-without-client-id")
mutation("information-request-may-hold-ia", "RFC 9915 16.12", DECIDE,
         "drop = COUNTER_drop_ia_in_information_request;", "drop = COUNTER_COUNT;",
         "information-request-with-ia-na", "information-request-with-ia-pd")
mutation("information-request-without-oro-dropped", "RFC 9915 18.3.6", DECIDE,
         "if (drop == COUNTER_COUNT && message->type == DHCP6_INFORMATION_REQUEST && message->ia_count) {",
         "if (drop == COUNTER_COUNT && message->type == DHCP6_INFORMATION_REQUEST &&"
         " !message->oro_present) {",
         "oro-absent")
mutation("client-id-not-needed", "RFC 9915 16.2", DECIDE,
         "if (rules[message->type].client_id_required &&",
         "if (!rules[message->type].client_id_required &&",
         "solicit-without-client-id", "confirm-without-client-id")
mutation("client-unicast-taken", "RFC 9915 16", DECIDE,
         "if (unicast && message->relay_count == 0) {",
         "if (unicast && message->relay_count == DHCP6_RELAYS_MAX + 1) {",
         "unicast-from-client")
mutation("long-duid-refused", "RFC 9915 11.1", OPTION,
         "[FORMAT_DUID] = {3, 130, 1},", "[FORMAT_DUID] = {3, 129, 1},",
         "maximal-duid")
mutation("unknown-option-refused", "RFC 9915 16", MESSAGE,
         "if (row == NULL || !(row->where & scope->where)) {\n            continue;",
         "if (row == NULL || !(row->where & scope->where)) {\n"
         "            return refuse(parser, COUNTER_drop_message_malformed);",
         "unknown-option-in-message", "server-unicast-ignored", "ia-ta-ignored")
mutation("repeated-iaid-answered-twice", "RFC 9915 12", GRANT,
         "if (message_ia_repeats(message, i)) {", "if (i > DHCP6_IAS_MAX) {",
         "same-iaid-twice")

# ---- which link, which client --------------------------------------------------------------------

mutation("outermost-link-address-selects", "RFC 9915 13.1", MESSAGE,
         "        if (!ip6_is_zero(message->relays[i - 1].link_address)) {\n"
         "            return message->relays[i - 1].link_address;",
         "        if (!ip6_is_zero(message->relays[message->relay_count - i].link_address)) {\n"
         "            return message->relays[message->relay_count - i].link_address;",
         "relay-innermost-link-address")
mutation("zero-link-address-counts", "RFC 9915 13.1", MESSAGE,
         "        if (!ip6_is_zero(message->relays[i - 1].link_address)) {\n", "        {\n",
         "relay-zero-link-address-skipped")
mutation("unknown-link-address-means-port", "RFC 9915 13.1", WORKER,
         "return policy_link_by_address(policy, address);",
         "int link = policy_link_by_address(policy, address);\n"
         "            return link == POLICY_LINK_NONE ? policy_link_by_port(policy, work->packet.port)"
         " : link;",
         "relay-unknown-link", "confirm-unknown-link")
mutation("link-of-relay-by-port", "RFC 9915 13.1", WORKER,
         "        if (!ip6_is_zero(address)) {\n            return policy_link_by_address",
         "        if (ip6_is_zero(address)) {\n            return policy_link_by_address",
         "relay-link-address-in-subnet")
mutation("link-layer-type-not-taken-off", "RFC 6939 4", MESSAGE,
         "(struct span){link_layer.data + 2, link_layer.size - 2};", "link_layer;",
         "reservation-by-link-layer")
mutation("enterprise-part-of-remote-id", "RFC 4649 3", MESSAGE,
         "(struct span){relay->remote_id.data + 4, relay->remote_id.size - 4};",
         "relay->remote_id;",
         "reservation-by-remote-id")
mutation("subscriber-id-ignored", "RFC 4580 2", LOOKUP,
         "[POLICY_KEY_SUBSCRIBER_ID] = subject->subscriber_id,",
         "[POLICY_KEY_SUBSCRIBER_ID] = {NULL, 0},",
         "reservation-by-subscriber-id")
mutation("first-vendor-class-only", "RFC 9915 21.16", LOOKUP,
         "i < subject->more_vendors_count;", "i > subject->more_vendors_count;",
         "class-vendor-second-instance")
mutation("vendor-enterprise-ignored", "RFC 9915 21.16", LOOKUP,
         "               condition->number;", "               condition->number || true;",
         "class-vendor-other-enterprise")

# ---- what is given to whom -----------------------------------------------------------------------

mutation("held-address-given-again", "RFC 9915 18.3.2", CANDIDATE,
         "        return own ||\n"
         "               (lease_is_over(lease, input->now - LEASE_TRANSIT_S) &&"
         " trusted && !grant->partner);",
         "        return true;",
         "request-taken-address", "refused-hint-taken", "every-answer-one-holder-per-lease")
mutation("lease-over-before-its-end", "RFC 9915 18.3.2", CANDIDATE,
         "(lease_is_over(lease, input->now - LEASE_TRANSIT_S) &&",
         "(lease_is_over(lease, input->now + 60) &&",
         "expired-lease-not-early")
mutation("declined-address-does-not-rest", "RFC 9915 18.3.8", CANDIDATE,
         "return lease_is_over(lease, input->now) && input->reuse_allowed && !grant->partner;",
         "return true;",
         "decline-not-given-again", "decline-client-gets-another")
mutation("decline-frees", "RFC 9915 18.3.8", RELEASE,
         "lease->status = BINDING_ABANDONED;", "lease->status = BINDING_FREE;",
         "decline-not-given-again", "decline-client-gets-another")
mutation("reserved-address-for-everybody", "RFC 9915 13.1", CANDIDATE,
         "    if (holder) {\n", "    if (holder && holder == input->reservation) {\n",
         "reservation-by-duid-exact", "reservation-not-for-others")
mutation("reservation-not-looked-at", "RFC 9915 13.1", GRANT,
         "for (unsigned i = 0; reservation && i < reservation->resource_count; i++) {",
         "for (unsigned i = 0; reservation && i > reservation->resource_count; i++) {",
         "reservation-by-duid", "reservation-by-interface-id")
mutation("class-pool-for-everybody", "RFC 9915 13.1", CANDIDATE,
         "        (policy->pools[pool].classes && !(policy->pools[pool].classes & input->classes))) {",
         "        (policy->pools[pool].classes && !policy->pools[pool].classes)) {",
         "class-pool-guarded")
mutation("one-iaid-is-like-another", "RFC 9915 12", CANDIDATE,
         "return lease->iaid == ia->iaid && lease->resource.type == ia->type &&",
         "return lease->resource.type == ia->type &&",
         "renew-wrong-iaid", "reservation-second-ia", "request-same-hint-in-two-ias")
mutation("own-ia-type-not-told-apart", "RFC 9915 12", WORKER,
         "message->ias[i].iaid, message->ias[i].type, &found->entries[used], max);",
         "message->ias[i].iaid, LEASE_TYPE_NA, &found->entries[used], max);",
         "release-frees-prefix")
mutation("one-lease-twice-in-an-answer", "RFC 9915 18.3.2", CANDIDATE,
         "if (!grant->allocate || candidate_in_plan(plan, resource)) {", "if (!grant->allocate) {",
         "request-same-hint-in-two-ias")
mutation("relay-address-given-away", "RFC 9915 13.1", CANDIDATE,
         "policy_address_assigned(input->policy, resource->prefix)) {",
         "!input->policy) {",
         "relay-address-not-assigned")
mutation("reserved-interface-id-as-hint", "RFC 5453 3", CANDIDATE,
         "pool_may_give(&input->policy->pools[ret_candidate->pool].pool, r))) {",
         "pool_contains(&input->policy->pools[ret_candidate->pool].pool, r))) {",
         "reserved-iid-not-assigned")
mutation("excluded-address-as-hint", "RFC 9915 13.1", POOL,
         "           number <= number_of(pool, pool->range.last) && !in_hole(pool, number, &after);",
         "           number <= number_of(pool, pool->range.last);",
         "excluded-addresses-not-given")
mutation("former-lease-forgotten", "RFC 9915 18.3.9", CANDIDATE,
         "        if (lease->status == BINDING_ACTIVE || (length && lease->resource.length != length)) {",
         "        if (lease->status <= BINDING_STATUS_COUNT) {",
         "release-returning-client-hint")
mutation("hint-ignored", "RFC 8168 3.2", CANDIDATE,
         "        if (ip6_is_zero(r->prefix) || (length && r->length != length)) {",
         "        if (r->length <= 128) {",
         "prefix-hint-specific", "prefix-hint-specific-request")
mutation("prefix-length-hint-ignored", "RFC 8168 3.2", CANDIDATE,
         "if (length == 0 || pool->delegated_length == length) {", "if (length <= 128) {",
         "prefix-hint-56", "prefix-hint-60", "prefix-hint-64")
mutation("every-prefix-of-one-length", "RFC 8168 3.2", CANDIDATE,
         "return (struct candidate_wish){r->length, true};", "return (struct candidate_wish){0, false};",
         "prefix-hint-60", "prefix-several-ias-hints")
mutation("longer-prefixes-first", "RFC 8168 3.2", CANDIDATE,
         "? (unsigned)(length - pool->delegated_length)\n"
         "               : RANK_LONGER + (unsigned)(pool->delegated_length - length);",
         "? RANK_LONGER + (unsigned)(length - pool->delegated_length)\n"
         "               : (unsigned)(pool->delegated_length - length);",
         "prefix-hint-52", "prefix-hint-58", "prefix-hint-63")
mutation("history-before-length-hint", "RFC 8168 3.2", GRANT,
         "if (wish.length == 0 || (!wish.length_only && g->input->message->type != DHCP6_REQUEST)) {",
         "if (wish.length <= 128) {",
         "prefix-hint-before-binding")

# ---- offers and new leases -----------------------------------------------------------------------

mutation("rapid-commit-without-leave", "RFC 9915 18.3.1", GRANT,
         ".commit = !solicit || (message->rapid_commit && link->rapid_commit),",
         ".commit = !solicit || message->rapid_commit,",
         "rapid-commit-off")
mutation("rapid-commit-unasked", "RFC 9915 18.3.1", GRANT,
         ".commit = !solicit || (message->rapid_commit && link->rapid_commit),",
         ".commit = !solicit || link->rapid_commit,",
         "rapid-commit-not-asked")
mutation("rapid-commit-never", "RFC 9915 18.3.1", GRANT,
         ".commit = !solicit || (message->rapid_commit && link->rapid_commit),",
         ".commit = !solicit,",
         "rapid-commit-on")
mutation("rapid-commit-option-left-out", "RFC 9915 21.14", GRANT,
         "ret_plan->rapid_commit = solicit && g.commit;", "ret_plan->rapid_commit = false;",
         "rapid-commit-on", "every-answer-rapid-commit-placement")
mutation("advertise-binds", "RFC 9915 18.3.1", GRANT,
         "    if (g->commit) {\n        change_add(", "    if (g->given_count) {\n        change_add(",
         "solicit-commits-nothing")
mutation("not-on-link-never", "RFC 9915 18.3.2", GRANT,
         "if (request_off_link(g, ia)) {", "if (ia_index > DHCP6_IAS_MAX) {",
         "request-notonlink", "request-notonlink-binds-nothing")
mutation("not-on-link-by-first-address", "RFC 9915 18.3.2", GRANT,
         "if (!ip6_is_zero(r->prefix) && !on_link(g, r)) {",
         "if (i == 0 && !ip6_is_zero(r->prefix) && !on_link(g, r)) {",
         "request-notonlink-one-of-two-addresses")
mutation("status-of-the-other-ia-type", "RFC 9915 21.13", GRANT,
         "return ia->type == LEASE_TYPE_NA ? STATUS_NO_ADDRS_AVAIL : STATUS_NO_PREFIX_AVAIL;",
         "return ia->type != LEASE_TYPE_NA ? STATUS_NO_ADDRS_AVAIL : STATUS_NO_PREFIX_AVAIL;",
         "advertise-noaddrsavail", "advertise-noprefixavail", "every-answer-status-fits-ia-type")
mutation("empty-ia-without-status", "RFC 9915 18.3.2", GRANT,
         "    if (answer->lease_count == 0) {\n", "    if (answer->lease_count == PLAN_LEASES_MAX) {\n",
         "advertise-noaddrsavail", "request-noaddrsavail", "every-answer-empty-ia-has-status")
mutation("status-codes-of-ia-in-message", "RFC 7550 4.1", ENCODE,
         "    if (plan->has_status) {\n",
         "    if (plan->ia_count && plan->ias[0].has_status) {\n"
         "        status_put(out, plan->ias[0].status);\n    }\n    if (plan->has_status) {\n",
         "advertise-status-in-ia-not-message", "request-status-in-ia-not-message")
mutation("t1-t2-differ-between-ias", "RFC 9915 18.3.2", GRANT,
         "plan->ias[i].t1_s = t1_s;", "plan->ias[i].t1_s = t1_s / (i + 1);",
         "every-answer-uniform-t1-t2")
mutation("t1-above-t2", "RFC 9915 21.4", GRANT,
         "plan->ias[i].t1_s = t1_s;", "plan->ias[i].t1_s = t2_s + 1;",
         "every-answer-t1-not-above-t2")
mutation("configured-t1-ignored", "RFC 9915 21.4", GRANT,
         "if (g->lifetimes->renew_s && g->lifetimes->renew_s <= shortest_s) {",
         "if (g->lifetimes->renew_s > shortest_s) {",
         "request-lifetimes", "class-vendor-lifetimes")
mutation("configured-t2-ignored", "RFC 9915 21.4", GRANT,
         "if (g->lifetimes->rebind_s && g->lifetimes->rebind_s <= g->valid_shortest_s) {",
         "if (g->lifetimes->rebind_s > g->valid_shortest_s) {",
         "request-lifetimes", "class-vendor-lifetimes")
mutation("default-t1-is-the-whole-lifetime", "RFC 9915 21.4", GRANT,
         "t1_s = shortest_s / 2;", "t1_s = shortest_s;",
         "request-default-times")
mutation("class-lifetimes-ignored", "RFC 9915 21.16", LOOKUP,
         "if (class->has_lifetimes) {", "if (!class->has_lifetimes && class->drop) {",
         "class-vendor-lifetimes")

# ---- CONFIRM, RENEW, REBIND ----------------------------------------------------------------------

mutation("confirm-without-addresses-answered", "RFC 9915 18.3.3", DECIDE,
         "    if (!any) {\n", "    if (message->ia_count > DHCP6_IAS_MAX) {\n",
         "confirm-no-address", "confirm-no-ia")
mutation("confirm-always-succeeds", "RFC 9915 18.3.3", DECIDE,
         "plan->status = all_fit ? STATUS_SUCCESS : STATUS_NOT_ON_LINK;",
         "plan->status = STATUS_SUCCESS;",
         "confirm-notonlink")
mutation("confirm-judges-the-last-address", "RFC 9915 18.3.3", DECIDE,
         "                all_fit = false;\n            }",
         "                all_fit = false;\n            } else {\n"
         "                all_fit = true;\n            }",
         "confirm-one-of-two")
mutation("confirm-judges-prefixes", "RFC 9915 18.3.3", DECIDE,
         "for (unsigned j = 0; ia->type == LEASE_TYPE_NA && j < ia->lease_count; j++) {",
         "for (unsigned j = 0; j < ia->lease_count; j++) {",
         "confirm-prefix-only")
mutation("unfit-address-stays-usable", "RFC 9915 18.3.4", GRANT,
         "(struct plan_lease){.resource = *resource};",
         "(struct plan_lease){.resource = *resource, .preferred_s = 60, .valid_s = 120};",
         "renew-address-off-link", "rebind-off-link", "renew-after-moving")
mutation("unfit-address-passed-over", "RFC 9915 18.3.4", GRANT,
         "    if (!g->known_only) {\n        listed_revoke(g, ia);", "    if (g->known_only) {\n"
         "        listed_revoke(g, ia);",
         "renew-address-off-link", "rebind-off-link", "renew-prefix-off-link")
mutation("rebind-makes-bindings", "RFC 9915 18.3.5", GRANT,
         "(message->type != DHCP6_REBIND || link->rapid_commit),", "true,",
         "rebind-unknown-no-rapid-commit")
mutation("rebind-of-nothing-answered", "RFC 9915 18.3.5", GRANT,
         "if (message->type == DHCP6_REBIND && g.unknown_count == ret_plan->ia_count) {",
         "if (message->type == DHCP6_REBIND && g.unknown_count > ret_plan->ia_count) {",
         "rebind-without-ia")

# ---- RELEASE and DECLINE -------------------------------------------------------------------------

mutation("release-ends-nothing", "RFC 9915 18.3.7", RELEASE,
         "lease->status = grant->partner ? BINDING_RELEASED : BINDING_FREE;",
         "lease->status = BINDING_ACTIVE;",
         "release-ends-lease", "release-twice", "release-frees-address")
mutation("release-ends-all-of-the-ia", "RFC 9915 18.3.7", RELEASE,
         "if (message_ia_lists(input->message, ia, &entry->lease.resource) &&", "if (ia &&",
         "release-of-foreign-lease-in-own-ia")
mutation("no-binding-not-said", "RFC 9915 18.3.7", RELEASE,
         "plan_ia_status(plan_ia_add(ret_plan, &message->ias[i]), STATUS_NO_BINDING);", ";",
         "release-nobinding", "decline-nobinding", "release-mixed")
mutation("release-without-status", "RFC 9915 18.3.7", RELEASE,
         "ret_plan->has_status = true;", "ret_plan->has_status = false;",
         "release-success", "decline-success")
mutation("prefix-declined", "RFC 9915 18.2.8", RELEASE,
         "(message->type == DHCP6_DECLINE && message->ias[i].type != LEASE_TYPE_NA) ||", "",
         "decline-of-prefix")
mutation("new-excluded-prefix-released", "RFC 6603 6.2", RELEASE,
         "if (exclude_is_new(input, &message->ias[i]) || !ia_end(input, ret_plan, i)) {",
         "if (!ia_end(input, ret_plan, i)) {",
         "pd-exclude-new-in-release")

# ---- options -------------------------------------------------------------------------------------

mutation("client-id-not-copied", "RFC 9915 18.3", ENCODE,
         "    if (message->client_id.size > 0) {\n", "    if (message->client_id.size == 0) {\n",
         "every-answer-client-id-copied")
mutation("oro-ignored", "RFC 9915 18.3", ENCODE,
         "code_put(encoder, wire_get_u16(message->oro.data + 2 * i));", "(void)i;",
         "option-dns-servers", "oro-all-together", "sol-max-rt-without-leases")
mutation("everything-sent-unasked", "RFC 9915 21.7", ENCODE,
         "if (option->always && option->code != OPTION_CLIENT_FQDN) {",
         "if (option->code != OPTION_CLIENT_FQDN) {",
         "oro-absent", "option-dns-servers-not-asked", "every-answer-options-only-when-asked")
mutation("option-as-often-as-asked", "RFC 9915 21", ENCODE,
         "        if (encoder->sent[i] == code) {\n", "        if (encoder->sent[i] == 0) {\n",
         "oro-repeated-codes", "every-answer-singletons-once")
mutation("information-refresh-in-every-answer", "RFC 9915 21.23", ENCODE,
         "return encoder->message->type == DHCP6_INFORMATION_REQUEST;", "return true;",
         "information-refresh-time-elsewhere", "every-answer-information-refresh-placement")
mutation("preference-left-out", "RFC 9915 18.3.9", ENCODE,
         "policy->links[plan->link].preference == 0) {",
         "policy->links[plan->link].preference > 0) {",
         "preference-of-link")
mutation("preference-in-reply", "RFC 9915 18.3.9", ENCODE,
         "if (plan->reply_type != DHCP6_ADVERTISE || plan->link == POLICY_LINK_NONE ||",
         "if (plan->link == POLICY_LINK_NONE ||",
         "preference-of-link", "every-answer-preference-placement")
mutation("prefix-exclude-unasked", "RFC 6603 6.2", ENCODE,
         "dhcp6_excludes(pool) && dhcp6_oro_has(encoder->message, OPTION_PD_EXCLUDE);",
         "dhcp6_excludes(pool);",
         "pd-exclude-not-asked", "every-answer-pd-exclude-only-when-asked")
mutation("prefix-exclude-too-long", "RFC 6603 4.2", EXCLUDE,
         "return 1 + (length - delegated - 1) / 8 + 1;", "return 1 + (length - delegated) / 8 + 1;",
         "pd-exclude-when-asked")
mutation("options-of-reservation-ignored", "RFC 9915 18.3", ENCODE,
         "if (plan->reservation != NULL && plan->reservation->options.count > 0) {",
         "if (plan->reservation != NULL && plan->reservation->options.count == UINT32_MAX) {",
         "reservation-options")
mutation("options-of-class-ignored", "RFC 9915 18.3", ENCODE,
         "if (class < policy->class_count && policy->classes[class].options.count > 0) {",
         "if (class > policy->class_count) {",
         "class-vendor-options")
mutation("no-in-fqdn-not-honoured", "RFC 4704 6", FQDN,
         "*ret_flags = FQDN_N;", "*ret_flags = 0;",
         "fqdn-no-updates")
mutation("fqdn-override-not-said", "RFC 4704 6", FQDN,
         "fqdn.data[0] & FQDN_S ? FQDN_O : 0;", "0;",
         "fqdn-server-updates")
mutation("fqdn-flags-copied", "RFC 4704 4.1", FQDN,
         "fqdn.data[0] & FQDN_S ? FQDN_O : 0;", "fqdn.data[0];",
         "fqdn-reserved-flags")

# ---- relays --------------------------------------------------------------------------------------

mutation("interface-id-forgotten", "RFC 9915 21.18", ENCODE,
         "        if (relay->interface_id.data != NULL) {\n",
         "        if (relay->interface_id.size > UINT16_MAX) {\n",
         "relay-interface-id", "relay-interface-id-nested")
mutation("empty-interface-id-forgotten", "RFC 9915 21.18", ENCODE,
         "        if (relay->interface_id.data != NULL) {\n",
         "        if (relay->interface_id.size > 0) {\n",
         "relay-interface-id-empty")
mutation("hop-count-counted-on", "RFC 9915 19.3", ENCODE,
         "wire_out_u8(out, relay->hop_count);", "wire_out_u8(out, (uint8_t)(relay->hop_count + 1));",
         "relay-header-copied", "every-answer-relay-hop-count")
mutation("peer-address-not-copied", "RFC 9915 19.3", ENCODE,
         "wire_out_ip6(out, relay->peer_address);", "wire_out_ip6(out, relay->link_address);",
         "relay-header-copied", "every-answer-relay-peer-address")
mutation("eight-relays-at-most", "RFC 9915 7.6", MESSAGE_H,
         "DHCP6_RELAYS_MAX = 9,", "DHCP6_RELAYS_MAX = 8,",
         "relay-nested-9")
mutation("relay-source-port-not-copied", "RFC 8357 5.2", ENCODE,
         "        if (relay->has_relay_port) {\n", "        if (relay->echo_request.size > UINT16_MAX) {\n",
         "relay-source-port-option")
mutation("relay-source-port-not-used", "RFC 8357 5.2", WORKER,
         "has_relay_port ? work->frame.src_port : DHCP6_SERVER_PORT;",
         "has_relay_port ? DHCP6_SERVER_PORT : DHCP6_SERVER_PORT;",
         "relay-source-port-option", "relay-source-port-nonzero")
mutation("every-relay-answered-at-its-port", "RFC 9915 7.2", WORKER,
         "has_relay_port ? work->frame.src_port : DHCP6_SERVER_PORT;",
         "has_relay_port ? work->frame.src_port : work->frame.src_port;",
         "relay-odd-source-port")
mutation("echo-request-ignored", "RFC 4994 5", ENCODE,
         "        echoes_put(out, relay);\n", "",
         "relay-echo-request", "relay-echo-unknown-option")
mutation("interface-id-echoed-again", "RFC 4994 5", ENCODE,
         "code != OPTION_INTERFACE_ID && ", "",
         "relay-echo-interface-id-once")
mutation("relay-supplies-any-option", "RFC 6422 6", ENCODE,
         "if (row == NULL || !row->relay_may_supply) {", "if (row == NULL) {",
         "relay-supplied-options-not-enabled")

# ---- frames --------------------------------------------------------------------------------------

mutation("client-answered-at-its-port", "RFC 9915 7.2", WORKER,
         "return DHCP6_CLIENT_PORT;", "return work->frame.src_port;",
         "reply-to-port-546")
mutation("answers-from-port-0", "RFC 9915 18.3.10", WORKER,
         "    const struct frame_port *port = &worker->server->ports[work->packet.port].frame;\n"
         "    struct packet *packet = &work->packet;\n    size_t headers",
         "    const struct frame_port *port = &worker->server->ports[0].frame;\n"
         "    struct packet *packet = &work->packet;\n    size_t headers",
         "relay-through-either-port")
mutation("udp-checksum-never-checked", "RFC 8200 8.1", FRAME,
         "if (!udp_checksum_holds(layers, udp, udp_size)) {",
         "if (wire_get_u16(udp + 6) == 0) {",
         "udp-checksum-wrong")
mutation("udp-checksum-zero-taken", "RFC 8200 8.1", FRAME,
         "return false; /* no checksum is illegal", "return true; /* no checksum is illegal",
         "udp-checksum-zero")
mutation("partial-checksum-refused", "RFC 8200 8.1", FRAME,
         "return layers->port->accept_partial_checksum &&",
         "return !layers->port->accept_partial_checksum &&",
         "udp-checksum-pseudo-header-only")
mutation("udp-checksum-sent-wrong", "RFC 8200 8.1", FRAME,
         "checksum = (uint16_t)~sum_fold(sum);", "checksum = sum_fold(sum);",
         "every-answer-reply-frame-whole")
mutation("every-udp-port-served", "RFC 9915 7.2", FRAME,
         "if (frame->dst_port != PORT_DHCP6_SERVER) {", "if (frame->dst_port == 0) {",
         "message-to-other-port")
mutation("every-address-is-ours", "RFC 8200 3", FRAME,
         "return is_group ? group_is_ours(port, frame->dst) : frame_address_is_ours(port, frame->dst);",
         "return is_group ? group_is_ours(port, frame->dst) : true;",
         "other-destination")
mutation("extension-headers-refused", "RFC 8200 4.1", FRAME,
         "        case HEADER_ROUTING:\n        case HEADER_DESTINATION:\n"
         "            reason = extension_parse(layers);",
         "        case HEADER_ROUTING:\n        case HEADER_DESTINATION:\n"
         "            reason = COUNTER_drop_ip6_extension;",
         "ipv6-extension-headers")
mutation("vlan-tags-dropped", "IEEE 802.1Q", FRAME,
         "ret_to->vlan_count = frame->vlan_count;", "ret_to->vlan_count = 0;",
         "vlan-tag-mirrored", "vlan-double-tag-mirrored")
mutation("vlan-tag-types-forgotten", "IEEE 802.1Q", FRAME,
         "wire_set_u16(tag, to->vlans[i].tpid);", "wire_set_u16(tag, ETHERTYPE_VLAN);",
         "vlan-service-tag-mirrored")
mutation("global-source-towards-link-local", "RFC 6724 5", FRAME,
         "} else if (ip6_is_link_local(frame->src) || port->address_count < 2) {",
         "} else if (port->address_count < 2) {",
         "every-answer-reply-source-scope")

# ---- neighbours ----------------------------------------------------------------------------------

mutation("routed-solicitation-answered", "RFC 4861 7.1.1", NDP,
         "if (frame->hop_limit != ND_HOP_LIMIT || message.size < NS_SIZE_MIN ||",
         "if (message.size < NS_SIZE_MIN ||",
         "neighbour-solicitation-hop-limit")
mutation("icmp-checksum-ignored", "RFC 4861 7.1.1", FRAME,
         "        0xffff) {\n        return COUNTER_drop_icmp6_invalid;",
         "        0xffff && message.size == 0) {\n        return COUNTER_drop_icmp6_invalid;",
         "neighbour-solicitation-checksum")
mutation("every-solicitation-answered", "RFC 4861 7.2.3", NDP,
         "if (!frame_address_is_ours(port, to.src)) {", "if (ip6_is_zero(to.src)) {",
         "neighbour-solicitation-foreign")
mutation("duplicate-detection-not-told-to-all", "RFC 4861 7.2.4", NDP,
         "        to.dst = FRAME_ALL_NODES;\n        mac_of_group(to.dst, to.dst_mac);\n    } else {",
         "        flags |= NA_SOLICITED;\n    } else {",
         "neighbour-solicitation-dad")
mutation("advertisement-not-solicited", "RFC 4861 7.2.4", NDP,
         "flags |= NA_SOLICITED;", "flags |= 0;",
         "neighbour-solicitation")
mutation("echo-without-its-data", "RFC 4443 4.2", NDP,
         "memcpy(icmp, frame->payload.data, size);",
         "memset(icmp, 0, size); memcpy(icmp, frame->payload.data, ECHO_SIZE_MIN);",
         "echo-request")
mutation("dhcp-servers-group-not-reported", "RFC 3810 6.2", NDP,
         "groups->list[1] = FRAME_ALL_DHCP_SERVERS;", "groups->list[1] = FRAME_ALL_DHCP_AGENTS;",
         "mld-query-answered")

# ---- stable storage ------------------------------------------------------------------------------

mutation("grant-not-written", "RFC 9915 18.3.2", COMMIT,
         "    record_publish(&server->rings[committer], next, &done, ret_position);\n",
         "    if (next->status != BINDING_ACTIVE) {\n"
         "        record_publish(&server->rings[committer], next, &done, ret_position);\n    }\n",
         "restart-rebind", "restart-not-given-to-others", "restart-rapid-commit-lease")
mutation("release-not-written", "RFC 9915 18.3.7", COMMIT,
         "    record_publish(&server->rings[committer], next, &done, ret_position);\n",
         "    if (next->status != BINDING_FREE) {\n"
         "        record_publish(&server->rings[committer], next, &done, ret_position);\n    }\n",
         "restart-released-stays-released")
mutation("decline-not-written", "RFC 9915 18.3.8", COMMIT,
         "    record_publish(&server->rings[committer], next, &done, ret_position);\n",
         "    if (next->status != BINDING_ABANDONED) {\n"
         "        record_publish(&server->rings[committer], next, &done, ret_position);\n    }\n",
         "restart-declined-rests")

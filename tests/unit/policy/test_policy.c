/* Questions to a policy: links, classes, reservations, pools, lifetimes, grants, and the same at
 * the size of a large network. */
#include <stdlib.h>

#include "check.h"
#include "policy/config.h"
#include "policy/policy.h"

#define SERVER                                                                                     \
    "{\"server\": {\"name\": \"a\", \"state_dir\": \"/s\"},"                                       \
    " \"dataplane\": {\"ports\": [{\"name\": \"p0\"}, {\"name\": \"p1\"}, {\"name\": \"p2\"}]},"

static struct policy *policy_of(const char *text)
{
    static const uint8_t duid[] = {0, 3, 0, 1, 2};
    struct policy_identity identity = {{duid, sizeof(duid)}, {7, 8}};
    struct policy *policy = NULL;
    struct config *config = NULL;
    struct config_error error;

    if (config_parse("t", text, strlen(text), &config, &error)) {
        printf("%u: %s: %s\n", error.line, error.pointer, error.text);
        check_failures++;
        return NULL;
    }
    CHECK_EQ(policy_new(config, &identity, 5, &policy), 0);
    config_free(config); /* the policy lives on */
    return policy;
}

static struct resource address(uint64_t hi, uint64_t lo)
{
    return (struct resource){{hi, lo}, 128, LEASE_TYPE_NA};
}

static struct resource prefix(uint64_t hi, uint8_t length)
{
    return (struct resource){{hi, 0}, length, LEASE_TYPE_PD};
}

static struct span text(const char *string)
{
    return (struct span){(const uint8_t *)string, strlen(string)};
}

static const char network[] = SERVER
    " \"preference\": 9, \"decline_s\": 77,"
    " \"lifetimes\": {\"preferred_s\": 100, \"valid_s\": 200},"
    " \"classes\": ["
    "  {\"name\": \"c0\", \"match\": {\"duid_prefix\": \"0001\", \"vendor_enterprise\": 9}},"
    "  {\"name\": \"c1\", \"match\": {\"vendor_class\": \"text:modem\"}, \"drop\": true,"
    "   \"lifetimes\": {\"preferred_s\": 11, \"valid_s\": 12}},"
    "  {\"name\": \"c2\", \"match\": {\"user_class\": \"text:gold\"},"
    "   \"lifetimes\": {\"preferred_s\": 21, \"valid_s\": 22}},"
    "  {\"name\": \"c3\", \"match\": {\"remote_id_prefix\": \"text:r\", \"remote_enterprise\": 7}},"
    "  {\"name\": \"c4\", \"match\": {\"link_layer\": \"02:00:5e\"}},"
    "  {\"name\": \"c5\", \"match\": {\"subscriber_id\": \"text:s\"}},"
    "  {\"name\": \"c6\", \"match\": {\"interface_id\": \"text:i\"}},"
    "  {\"name\": \"c7\", \"match\": {\"duid\": \"000300\"}}],"
    " \"links\": ["
    "  {\"name\": \"l0\", \"port\": \"p0\", \"direct\": false,"
    "   \"relay_addresses\": [\"2001:db8:1::1\", \"2001:db8:2::99\"],"
    "   \"subnets\": [\"2001:db8:1::/64\"],"
    "   \"pools\": [{\"type\": \"address\", \"range\": \"2001:db8:1::/64\"},"
    "    {\"type\": \"prefix\", \"range\": \"2001:db8:4000::/40\", \"delegated_length\": 56,"
    "     \"classes\": [\"c1\", \"c2\"], \"exclude\": [\"2001:db8:4000::/48\"],"
    "     \"pd_exclude\": {\"length\": 64, \"subnet_id\": 254}}]},"
    "  {\"name\": \"l1\", \"port\": \"p0\", \"subnets\": [\"2001:db8:2::/48\"],"
    "   \"preference\": 0, \"rapid_commit\": true,"
    "   \"lifetimes\": {\"preferred_s\": 300, \"valid_s\": 400},"
    "   \"pools\": [{\"type\": \"address\", \"range\": \"2001:db8:2::10-2001:db8:2::20\","
    "                \"name\": \"small\"}]},"
    "  {\"name\": \"l2\", \"port\": \"p1\", \"subnets\": [\"2001:db8:2:1::/64\"]},"
    "  {\"name\": \"l3\", \"port\": \"p1\", \"direct\": true}],"
    " \"reservations\": ["
    "  {\"duid\": \"000300aa\", \"addresses\": [\"2001:db8:1::5\"],"
    "   \"prefixes\": [\"2001:db8:4001:100::/56\"]},"
    "  {\"duid\": \"000300aa\", \"link\": \"l1\", \"addresses\": [\"2001:db8:2::5\"]},"
    "  {\"link_layer\": \"020000000001\", \"addresses\": [\"2001:db8:1::6\"]},"
    "  {\"remote_id\": \"text:line-1\", \"prefixes\": [\"2001:db8:f000::/48\"]},"
    "  {\"interface_id\": \"text:ge-0/0/1\", \"addresses\": [\"2001:db8:1::7\"]},"
    "  {\"subscriber_id\": \"text:smith\", \"options\": {\"sol_max_rt_s\": 60}},"
    "  {\"subscriber_id\": \"text:whole\", \"link\": \"l0\", \"prefixes\": "
    "[\"2001:db8:4000::/48\"]}],"
    " \"failover\": ["
    "  {\"relationship\": \"r0\", \"role\": \"secondary\", \"partner\": \"2001:db8::2\","
    "   \"listen\": \"2001:db8::1\", \"mclt_s\": 111, \"links\": [\"l0\"], \"tls\": null},"
    "  {\"relationship\": \"r1\", \"role\": \"primary\", \"partner\": \"2001:db8::3\","
    "   \"listen\": \"2001:db8::1\", \"links\": [\"l1\", \"l3\"], \"tls\": null}]}";

static void links_found(void)
{
    struct policy *policy = policy_of(network);

    if (!policy) {
        return;
    }
    CHECK_EQ(policy->link_count, 4);
    CHECK_EQ(policy->revision, 5);
    CHECK_EQ(policy->server_duid.size, 5);
    CHECK_EQ(policy->candidate_key.k1, 8);
    CHECK_EQ(policy_link_by_port(policy, 0), 1); /* l0 does not serve direct clients */
    CHECK_EQ(policy_link_by_port(policy, 1), 3); /* l3 says so */
    CHECK_EQ(policy_link_by_port(policy, 2), POLICY_LINK_NONE);
    CHECK_EQ(policy_link_by_port(policy, 8), POLICY_LINK_NONE);
    CHECK_EQ(policy_link_by_address(policy, (struct ip6){0x20010db800010000, 1}), 0);
    CHECK_EQ(policy_link_by_address(policy, (struct ip6){0x20010db800010000, 2}), 0);
    CHECK_EQ(policy_link_by_address(policy, (struct ip6){0x20010db800020000, 0x99}), 0);
    CHECK_EQ(policy_link_by_address(policy, (struct ip6){0x20010db800020000, 0x98}), 1);
    CHECK_EQ(policy_link_by_address(policy, (struct ip6){0x20010db800020001, 1}), 2);
    CHECK_EQ(policy_link_by_address(policy, (struct ip6){0x20010db800020002, 1}), 1);
    CHECK_EQ(policy_link_by_address(policy, (struct ip6){0x20010db800030000, 1}), POLICY_LINK_NONE);
    CHECK_EQ(policy->links[0].preference, 9);
    CHECK_EQ(policy->links[1].preference, 0);
    CHECK_EQ(policy->links[0].decline_s, 77);
    CHECK(!policy->links[0].rapid_commit);
    CHECK(policy->links[1].rapid_commit);
    CHECK_EQ(policy->links[2].lifetimes.valid_s, 200);
    CHECK_EQ(policy->links[1].lifetimes.valid_s, 400);
    CHECK(policy_on_link(policy, 1, (struct ip6){0x20010db80002ffff, 1}));
    CHECK(!policy_on_link(policy, 0, (struct ip6){0x20010db80002ffff, 1}));
    policy_free(policy);
}

static void pools_found(void)
{
    struct policy *policy = policy_of(network);
    struct resource r = address(0x20010db800010000, 5);

    if (!policy) {
        return;
    }
    CHECK_EQ(policy_pool_of(policy, 0, &r), 0);
    CHECK_EQ(policy_pool_of(policy, 1, &r), -1);
    CHECK_EQ(policy_pool_find(policy, &r), 0);
    r = prefix(0x20010db840010100, 56);
    CHECK_EQ(policy_pool_of(policy, 0, &r), 1);
    CHECK_EQ(policy_pool_find(policy, &r), 1);
    r = prefix(0x20010db840000100, 56); /* excluded */
    CHECK_EQ(policy_pool_of(policy, 0, &r), -1);
    CHECK_EQ(policy_pool_find(policy, &r), -1);
    r = prefix(0x20010db840010100, 57);
    CHECK_EQ(policy_pool_find(policy, &r), -1);
    r = address(0x20010db800020000, 0x21);
    CHECK_EQ(policy_pool_find(policy, &r), -1);
    r = address(0x20010db800020000, 0x20);
    CHECK_EQ(policy_pool_find(policy, &r), 2);
    CHECK_STR(policy->pools[0].name, "l0/2001:db8:1::/64");
    CHECK_STR(policy->pools[1].name, "l0/2001:db8:4000::/40/56");
    CHECK_STR(policy->pools[2].name, "small");
    CHECK_EQ(policy->pools[1].classes, 6);
    CHECK_EQ(policy->pools[1].link, 0);
    CHECK_EQ(policy->pools[1].pool.exclude_length, 64);
    CHECK_EQ(policy->pools[1].pool.exclude_subnet.hi, 0xfe);
    CHECK_EQ(policy->pools[1].pool.exclude_subnet.lo, 0);
    policy_free(policy);
}

static void classes_matched(void)
{
    struct policy *policy = policy_of(network);
    struct policy_subject subject = {.duid = {(const uint8_t *)"\0\1\2", 3}};

    if (!policy) {
        return;
    }
    CHECK_EQ(policy_classify(policy, &subject), 0); /* no vendor class for its enterprise */
    subject.vendor_enterprise = 9;
    CHECK_EQ(policy_classify(policy, &subject), 0);
    subject.vendor_class = text("mod");
    CHECK_EQ(policy_classify(policy, &subject), 1);
    subject.vendor_class = text("modem-2");
    CHECK_EQ(policy_classify(policy, &subject), 3);
    subject.user_class = text("golden");
    CHECK_EQ(policy_classify(policy, &subject), 3);
    subject.user_class = text("gold");
    CHECK_EQ(policy_classify(policy, &subject), 7);
    subject.remote_id = text("r2");
    CHECK_EQ(policy_classify(policy, &subject), 7);
    subject.remote_enterprise = 7;
    CHECK_EQ(policy_classify(policy, &subject), 15);
    subject.link_layer = (struct span){(const uint8_t *)"\2\0\x5e\0\0\1", 6};
    subject.subscriber_id = text("s");
    subject.interface_id = text("i");
    subject.duid = (struct span){(const uint8_t *)"\0\3\0", 3};
    CHECK_EQ(policy_classify(policy, &subject), 0xfe);
    CHECK(policy->classes[1].drop && !policy->classes[2].drop);
    CHECK_EQ(policy_lifetimes_for(policy, 1, 0)->valid_s, 400);
    CHECK_EQ(policy_lifetimes_for(policy, 1, 1)->valid_s, 400); /* c0 has none */
    CHECK_EQ(policy_lifetimes_for(policy, 1, 5)->valid_s, 22);
    CHECK_EQ(policy_lifetimes_for(policy, 1, 7)->valid_s, 12);
    policy_free(policy);
}

static long found_at(const struct policy *policy, unsigned link, struct policy_subject subject)
{
    const struct policy_reservation *found = policy_reservation_find(policy, link, &subject);

    return found ? found - policy->reservations : -1;
}

static long holder_of(const struct policy *policy, struct resource resource)
{
    const struct policy_reservation *found = policy_reservation_of(policy, &resource);

    return found ? found - policy->reservations : -1;
}

static void reservations_found(void)
{
    struct policy *policy = policy_of(network);
    struct policy_subject both = {.duid = {(const uint8_t *)"\0\3\0\xaa", 4},
                                  .link_layer = {(const uint8_t *)"\2\0\0\0\0\1", 6}};
    struct policy_subject mac = {.link_layer = both.link_layer};

    if (!policy) {
        return;
    }
    CHECK_EQ(found_at(policy, 0, both), 0); /* DUID before link-layer address */
    CHECK_EQ(found_at(policy, 1, both), 1); /* the link's own before the general one */
    CHECK_EQ(found_at(policy, 2, both), -1);
    CHECK_EQ(found_at(policy, 0, mac), 2);
    CHECK_EQ(found_at(policy, 1, mac), -1); /* not on that link */
    CHECK_EQ(found_at(policy, 2, (struct policy_subject){.remote_id = text("line-1")}), 3);
    CHECK_EQ(found_at(policy, 2, (struct policy_subject){.interface_id = text("line-1")}), -1);
    CHECK_EQ(found_at(policy, 0, (struct policy_subject){.interface_id = text("ge-0/0/1")}), 4);
    CHECK_EQ(found_at(policy, 3, (struct policy_subject){.subscriber_id = text("smith")}), 5);
    CHECK_EQ(found_at(policy, 0, (struct policy_subject){.subscriber_id = text("whole")}), 6);
    CHECK_EQ(found_at(policy, 1, (struct policy_subject){.subscriber_id = text("whole")}), -1);
    CHECK_EQ(found_at(policy, 0, (struct policy_subject){.duid = {NULL, 0}}), -1);
    CHECK(policy_option_find(&policy->reservations[5].options, 82));
    CHECK_EQ(policy->reservations[0].resource_count, 2);

    CHECK_EQ(holder_of(policy, address(0x20010db800010000, 5)), 0);
    CHECK_EQ(holder_of(policy, address(0x20010db800010000, 8)), -1);
    CHECK_EQ(holder_of(policy, prefix(0x20010db840010100, 56)), 0);
    CHECK_EQ(holder_of(policy, prefix(0x20010db840010200, 56)), -1);
    CHECK_EQ(holder_of(policy, prefix(0x20010db840010180, 57)), 0); /* inside a reserved one */
    CHECK_EQ(holder_of(policy, prefix(0x20010db840010000, 48)), 0); /* around a reserved one */
    CHECK_EQ(holder_of(policy, prefix(0x20010db840000000, 40)), 6);
    CHECK_EQ(holder_of(policy, prefix(0x20010db8f0001200, 56)), 3);
    CHECK_EQ(holder_of(policy, prefix(0x20010db8f0010000, 48)), -1);
    policy_free(policy);
}

static void grants_separate(void)
{
    struct policy *policy = policy_of(network), *next = NULL;
    struct claim *claim = (struct claim *)(void *)&next; /* carried, never looked into */

    if (!policy) {
        return;
    }
    CHECK_EQ(policy->grant_count, 2);
    CHECK(policy->links[0].grant == policy_grant(policy, 0));
    CHECK(policy->links[1].grant == policy_grant(policy, 1));
    CHECK(policy->links[3].grant == policy_grant(policy, 1));
    CHECK(policy_grant(policy, 0) != policy_grant(policy, 1));
    CHECK(policy->pools[1].grant == policy_grant(policy, 0));
    CHECK(policy->pools[2].grant == policy_grant(policy, 1));
    CHECK_EQ(policy->links[0].grant->service, GRANT_SILENT);
    CHECK(!policy->links[0].grant->allocate);
    CHECK_EQ(policy->links[0].grant->mclt_s, 111);
    CHECK_EQ(policy->links[1].grant->mclt_s, 3600);
    CHECK_EQ(policy->links[2].relationship, -1);
    CHECK_EQ(policy->links[2].grant->service, GRANT_ALL);
    CHECK(policy->links[2].grant->allocate && !policy->links[2].grant->partner);
    CHECK_EQ(policy->links[2].grant->address_parity, -1);
    CHECK_EQ(policy->links[2].grant->mclt_s, 0);

    policy->pools[1].claim = claim;
    policy_grant(policy, 1)->service = GRANT_ALL;
    CHECK_EQ(policy_rebuild(policy, 6, &next), 0);
    policy_grant(next, 0)->service = GRANT_RENEW_KNOWN;
    CHECK_EQ(policy->links[0].grant->service, GRANT_SILENT); /* the old one stays as it was */
    CHECK_EQ(next->links[0].grant->service, GRANT_RENEW_KNOWN);
    CHECK_EQ(next->links[3].grant->service, GRANT_ALL);
    CHECK(next->pools[1].claim == claim);
    CHECK_EQ(next->revision, 6);
    policy_free(policy);
    CHECK_EQ(next->server_duid.size, 5);
    CHECK_EQ(next->server_duid.data[1], 3);
    CHECK_EQ(policy_link_by_address(next, (struct ip6){0x20010db800010000, 1}), 0);
    policy_free(next);
    policy_free(NULL);
}

enum {
    LINKS = 10000,
    RESERVATIONS = 100000
};

/* 10,000 links with two pools each and 100,000 reservations. The caller frees it. */
static char *large_text(void)
{
    size_t room = (size_t)LINKS * 320 + (size_t)RESERVATIONS * 120 + 1000, len;
    char *out = malloc(room);

    if (!out) {
        return NULL;
    }
    len = (size_t)snprintf(out, room, SERVER " \"links\": [");
    for (unsigned i = 0; i < LINKS; i++) {
        len += (size_t)snprintf(out + len, room - len,
                                "%s{\"name\": \"l%u\", \"port\": \"p0\", \"relay_addresses\": "
                                "[\"2001:db8:%x::1\"], \"subnets\": [\"2001:db8:%x::/64\"], "
                                "\"pools\": [{\"type\": \"address\", \"range\": "
                                "\"2001:db8:%x::/64\"}, {\"type\": \"prefix\", \"range\": "
                                "\"2a00:%x::/32\", \"delegated_length\": 56}]}\n",
                                i ? "," : "", i, i + 1, i + 1, i + 1, i + 1);
    }
    len += (size_t)snprintf(out + len, room - len, "], \"reservations\": [");
    for (unsigned i = 0; i < RESERVATIONS; i++) {
        len += (size_t)snprintf(out + len, room - len,
                                "%s{\"duid\": \"00030001%08x\", \"addresses\": "
                                "[\"2001:db8:%x::%x\"], \"prefixes\": [\"2a00:%x:%x::/56\"]}\n",
                                i ? "," : "", i, i % LINKS + 1, i / LINKS + 16, i % LINKS + 1,
                                i / LINKS + 1);
    }
    (void)snprintf(out + len, room - len, "]}");
    return out;
}

static void large_network(void)
{
    char *large = large_text();
    struct policy *policy = large ? policy_of(large) : NULL;

    CHECK(policy);
    free(large);
    if (!policy) {
        return;
    }
    CHECK_EQ(policy->link_count, LINKS);
    CHECK_EQ(policy->reservation_count, RESERVATIONS);
    for (unsigned i = 0; i < RESERVATIONS; i++) {
        uint8_t duid[8] = {0, 3, 0, 1};
        struct policy_subject subject = {.duid = {duid, sizeof(duid)}};
        uint64_t link = i % LINKS;
        uint64_t net = (link + 1) << 16 | 0x20010db800000000;

        wire_set_u32(duid + 4, i);
        CHECK(found_at(policy, (unsigned)link, subject) == (long)i);
        CHECK(found_at(policy, (unsigned)(link ^ 1), subject) == -1);
        CHECK(holder_of(policy, address(net, i / LINKS + 16)) == (long)i);
        CHECK(holder_of(policy, prefix(0x2a00000000000000 | (link + 1) << 32 |
                                           (uint64_t)(i / LINKS + 1) << 16,
                                       56)) == (long)i);
        CHECK(policy_link_by_address(policy, (struct ip6){net, 1}) == (int)link);
        CHECK(policy_link_by_address(policy, (struct ip6){net, i + 2}) == (int)link);
    }
    policy_free(policy);
}

static const struct check_test tests[] = {
    {"links_found", links_found},         {"pools_found", pools_found},
    {"classes_matched", classes_matched}, {"reservations_found", reservations_found},
    {"grants_separate", grants_separate}, {"large_network", large_network},
};

CHECK_MAIN(tests)

/* Options as octets, against vectors written by hand from the RFCs. */
#include <stdlib.h>

#include "check.h"
#include "policy/config.h"
#include "policy/policy.h"

/* A policy of one link with these options and these ones at top level; NULL when refused. */
static struct policy *policy_with(const char *link_options, const char *global_options)
{
    static const char format[] =
        "{\"server\": {\"name\": \"a\", \"state_dir\": \"/s\"},"
        " \"dataplane\": {\"ports\": [{\"name\": \"p\"}]},"
        " \"links\": [{\"name\": \"l\", \"port\": \"p\", \"options\": {%s}}], \"options\": {%s}}";
    struct policy_identity identity = {.server_duid = {(const uint8_t *)"\0\3\0\1", 4}};
    struct policy *policy = NULL;
    struct config *config = NULL;
    struct config_error error;
    char text[4096];

    (void)snprintf(text, sizeof(text), format, link_options, global_options);
    if (config_parse("t", text, strlen(text), &config, &error)) {
        printf("%s: %s\n", error.pointer, error.text);
        return NULL;
    }
    if (policy_new(config, &identity, 1, &policy)) {
        policy = NULL;
    }
    config_free(config);
    return policy;
}

/* clang-format off */
static const struct vector {
    const char *options;
    uint16_t code;
    bool always;
    const char *tlv;
    size_t size;
} vectors[] = {
#define TLV(octets) octets, sizeof(octets) - 1
    /* RFC 3646 3: code 23, length 32, two addresses. */
    {"\"dns_servers\": [\"2001:db8::53\", \"2001:db8::54\"]", 23, false,
     TLV("\0\x17\0\x20" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x53" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x54")},
    /* RFC 3646 4: names uncompressed, one behind the other; a final dot changes nothing. */
    {"\"domain_search\": [\"example.org\", \"a.example.org.\"]", 24, false,
     TLV("\0\x18\0\x1c" "\7example\3org\0" "\1a\7example\3org\0")},
    /* RFC 4075 4. */
    {"\"sntp_servers\": [\"2001:db8::7b\"]", 31, false,
     TLV("\0\x1f\0\x10" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x7b")},
    /* RFC 9915 21.23. */
    {"\"information_refresh_s\": 1800", 32, false, TLV("\0\x20\0\4\0\0\x07\x08")},
    /* RFC 5908 4: one option per server: address, multicast address, name. */
    {"\"ntp_servers\": [\"2001:db8::7b\", \"ff05::101\", \"ntp.example\"]", 56, false,
     TLV("\0\x38\0\x14\0\1\0\x10" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x7b"
         "\0\x38\0\x14\0\2\0\x10" "\xff\x05\0\0\0\0\0\0\0\0\0\0\0\0\1\1"
         "\0\x38\0\x11\0\3\0\x0d" "\3ntp\7example\0")},
    /* RFC 6334 3. */
    {"\"aftr_name\": \"aftr.example.org\"", 64, false, TLV("\0\x40\0\x12\4aftr\7example\3org\0")},
    /* RFC 7083 4.1, 4.2. */
    {"\"sol_max_rt_s\": 3600", 82, false, TLV("\0\x52\0\4\0\0\x0e\x10")},
    {"\"inf_max_rt_s\": 7200", 83, false, TLV("\0\x53\0\4\0\0\x1c\x20")},
    /* RFC 8910 2.2: no NUL. */
    {"\"captive_portal\": \"https://a.example/c\"", 103, false, TLV("\0\x67\0\x13https://a.example/c")},
    /* RFC 9463 3.1.6: the name alone, Figure 2's. */
    {"\"dnr\": [{\"priority\": 100, \"adn\": \"doh1.example.com\"}]", 144, false,
     TLV("\0\x90\0\x16\0\x64\0\x12\4doh1\7example\3com\0")},
    /* RFC 9463 4.1, RFC 9460 2.2: keys 1, 3, 7 in ascending order. */
    {"\"dnr\": [{\"priority\": 1, \"adn\": \"a.b\", \"addresses\": [\"2001:db8::1\"],"
     " \"svc_params\": {\"dohpath\": \"/q{?dns}\", \"port\": 8443, \"alpn\": [\"h2\", \"h3\"]}}]", 144, false,
     TLV("\0\x90\0\x37" "\0\1" "\0\5\1a\1b\0" "\0\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
         "\0\1\0\6\2h2\2h3" "\0\3\0\2\x20\xfb" "\0\7\0\x08/q{?dns}")},
    /* RFC 9915 21.17: one option per enterprise. */
    {"\"vendor_options\": [{\"enterprise\": 4491, \"suboptions\": [{\"code\": 32, \"type\": \"addresses\", \"value\": [\"2001:db8::1\"]},"
     " {\"code\": 33, \"type\": \"string\", \"value\": \"boot\"}]},"
     " {\"enterprise\": 9, \"always\": true, \"suboptions\": [{\"code\": 1, \"type\": \"empty\"}]}]", 17, true,
     TLV("\0\x11\0\x20\0\0\x11\x8b\0\x20\0\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\x21\0\4boot"
         "\0\x11\0\x08\0\0\0\x09\0\1\0\0")},
    {"\"custom\": [{\"code\": 59, \"type\": \"string\", \"value\": \"tftp://[::1]/x\"}]", 59, false, TLV("\0\x3b\0\x0etftp://[::1]/x")},
    {"\"custom\": [{\"code\": 200, \"type\": \"uint8\", \"value\": 255}]", 200, false, TLV("\0\xc8\0\1\xff")},
    {"\"custom\": [{\"code\": 200, \"type\": \"uint16\", \"value\": 258}]", 200, false, TLV("\0\xc8\0\2\1\2")},
    {"\"custom\": [{\"code\": 200, \"type\": \"uint32\", \"value\": 4294967295}]", 200, false, TLV("\0\xc8\0\4\xff\xff\xff\xff")},
    {"\"custom\": [{\"code\": 200, \"type\": \"hex\", \"value\": \"0a:0B0c\"}]", 200, false, TLV("\0\xc8\0\3\x0a\x0b\x0c")},
    {"\"custom\": [{\"code\": 200, \"type\": \"names\", \"value\": [\"a.b\", \"c\"]}]", 200, false, TLV("\0\xc8\0\x08\1a\1b\0\1c\0")},
    {"\"custom\": [{\"code\": 148, \"type\": \"empty\", \"always\": true}]", 148, true, TLV("\0\x94\0\0")},
    /* Entries of one code are sent one after the other, and all of them always when one is. */
    {"\"custom\": [{\"code\": 200, \"type\": \"uint8\", \"value\": 1}, {\"code\": 10, \"type\": \"empty\"},"
     " {\"code\": 200, \"type\": \"uint8\", \"value\": 2, \"always\": true}]", 200, true, TLV("\0\xc8\0\1\1\0\xc8\0\1\2")},
};

/* clang-format on */

static void encoded_as_the_rfcs_say(void)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct vector *vector = &vectors[i];
        struct policy *policy = policy_with(vector->options, "");
        const struct policy_option *option =
            policy ? policy_option_find(&policy->links[0].options, vector->code) : NULL;

        if (!option || option->tlv.size != vector->size ||
            memcmp(option->tlv.data, vector->tlv, vector->size) != 0 ||
            option->always != vector->always) {
            printf("vector %zu, option %u:", i, vector->code);
            for (size_t k = 0; option && k < option->tlv.size; k++) {
                printf(" %02x", option->tlv.data[k]);
            }
            printf("\n");
            check_failures++;
        }
        policy_free(policy);
    }
}

static void link_wins_per_code(void)
{
    struct policy *policy =
        policy_with("\"sol_max_rt_s\": 60, \"dns_servers\": [\"2001:db8::1\"]",
                    "\"inf_max_rt_s\": 61, \"sol_max_rt_s\": 62, \"aftr_name\": \"a\"");
    const struct policy_options *set;

    CHECK(policy);
    if (!policy) {
        return;
    }
    set = &policy->links[0].options;
    CHECK_EQ(set->count, 4);
    for (unsigned i = 1; i < set->count; i++) {
        CHECK(set->options[i - 1].code < set->options[i].code);
    }
    CHECK(policy_option_find(set, 23));
    CHECK(policy_option_find(set, 64));
    CHECK_EQ(policy_option_find(set, 82)->tlv.data[7], 60);
    CHECK_EQ(policy_option_find(set, 83)->tlv.data[7], 61);
    CHECK(!policy_option_find(set, 24));
    CHECK(!policy_option_find(set, 0));
    CHECK(!policy_option_find(set, 65535));
    policy_free(policy);
}

/* An option that fits no answer, and a set too large for any, are refused. */
static void too_large_refused(void)
{
    char text[4096] = "\"custom\": [";
    size_t len = strlen(text);

    for (unsigned i = 0; i < 20; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "%s{\"code\": 300, \"type\": \"string\", \"value\": \"%0100u\"}",
                                i ? "," : "", i);
    }
    (void)snprintf(text + len, sizeof(text) - len, "]");
    CHECK(!policy_with(text, ""));
}

static const struct check_test tests[] = {
    {"encoded_as_the_rfcs_say", encoded_as_the_rfcs_say},
    {"link_wins_per_code", link_wins_per_code},
    {"too_large_refused", too_large_refused},
};

CHECK_MAIN(tests)

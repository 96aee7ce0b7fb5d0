/* Relay levels as parsed: nesting to the limit, what each level says, who is asking; and what a
 * lease remembers of it all. */
#include "samples.h"

static void test_relay_sizes(void)
{
    static const struct {
        uint16_t code;
        uint16_t size;
        bool ok;
    } rows[] = {
        {OPTION_INTERFACE_ID, 0, true},   {OPTION_INTERFACE_ID, 200, true},
        {OPTION_REMOTE_ID, 4, false},     {OPTION_REMOTE_ID, 5, true},
        {OPTION_SUBSCRIBER_ID, 0, false}, {OPTION_SUBSCRIBER_ID, 1, true},
        {OPTION_ERO, 3, false},           {OPTION_ERO, 4, true},
        {OPTION_RELAY_ID, 2, false},      {OPTION_RELAY_ID, 3, true},
        {OPTION_RELAY_PORT, 1, false},    {OPTION_RELAY_PORT, 2, true},
        {OPTION_RELAY_PORT, 3, false},    {OPTION_CLIENT_LINKLAYER_ADDR, 2, false},
        {OPTION_RSOO, 0, true},           {OPTION_CLIENT_LINKLAYER_ADDR, 8, true},
        {OPTION_CLIENTID, 1, true},       {OPTION_ORO, 1, true},
    };

    static const uint8_t zeros[256];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct build b, inner;

        build_message(&inner, DHCP6_SOLICIT);
        build_relay(&b, 0, (struct ip6){0, 0}, (struct ip6){0, 0});
        build_option(&b, rows[i].code, zeros, rows[i].size);
        build_relayed(&b, &inner);
        CHECK_EQ(drop_of(&b), rows[i].ok ? COUNTER_COUNT : COUNTER_drop_message_malformed);
    }
}

/* levels relays around a SOLICIT, the innermost with hop-count first, the others by step more. */
static void nest(struct build *ret, unsigned levels, unsigned first, unsigned step)
{
    static struct build work[2];
    unsigned at = 0;

    build_message(&work[0], DHCP6_SOLICIT);
    build_option(&work[0], OPTION_CLIENTID, build_duid, sizeof(build_duid));
    for (unsigned i = 0; i < levels; i++) {
        uint8_t id = (uint8_t)i;

        build_relay(&work[!at], (uint8_t)(first + i * step), (struct ip6){BUILD_DOC, 16 + i},
                    (struct ip6){BUILD_DOC, 32 + i});
        build_option(&work[!at], OPTION_INTERFACE_ID, &id, 1);
        build_relayed(&work[!at], &work[at]);
        at = !at;
    }
    build_init(ret);
    wire_out_bytes(&ret->out, work[at].bytes, build_span(&work[at]).size);
}

static void test_relay_depth(void)
{
    struct dhcp6_message m;
    enum counter drop;
    struct build b;

    for (unsigned levels = 0; levels <= DHCP6_RELAYS_MAX; levels++) {
        nest(&b, levels, 0, 1);
        CHECK_EQ(parse(build_span(&b), &m, &drop), 0);
        CHECK_EQ(m.relay_count, levels);
        CHECK_EQ(m.client_id.size, sizeof(build_duid));
        for (unsigned i = 0; i < levels; i++) {
            unsigned inner = levels - 1 - i; /* 0 = innermost */

            CHECK_EQ(m.relays[i].hop_count, inner);
            CHECK_EQ(m.relays[i].link_address.lo, 16 + inner);
            CHECK_EQ(m.relays[i].peer_address.lo, 32 + inner);
            CHECK_EQ(m.relays[i].interface_id.size, 1);
            CHECK_EQ(m.relays[i].interface_id.data[0], inner);
        }
    }
    nest(&b, DHCP6_RELAYS_MAX + 1, 0, 1);
    CHECK_EQ(drop_of(&b), COUNTER_drop_relay_depth);
    nest(&b, DHCP6_RELAYS_MAX + 1, 0, 0); /* relays that do not count */
    CHECK_EQ(drop_of(&b), COUNTER_drop_relay_depth);
    nest(&b, 1, DHCP6_HOP_COUNT_MAX, 0);
    CHECK_EQ(drop_of(&b), COUNTER_COUNT);
    nest(&b, 1, DHCP6_HOP_COUNT_MAX + 1, 0);
    CHECK_EQ(drop_of(&b), COUNTER_drop_relay_depth);
    nest(&b, 200, 0, 0);
    CHECK_EQ(drop_of(&b), COUNTER_drop_relay_depth);
}

static void test_relay_message(void)
{
    struct build b, inner;
    struct dhcp6_message m;
    enum counter drop;

    build_message(&inner, DHCP6_SOLICIT);
    build_relay(&b, 0, (struct ip6){0, 0}, (struct ip6){0, 0});
    CHECK_EQ(drop_of(&b), COUNTER_drop_relay_no_message);
    build_option(&b, OPTION_INTERFACE_ID, "x", 1);
    CHECK_EQ(drop_of(&b), COUNTER_drop_relay_no_message);
    build_relayed(&b, &inner);
    CHECK_EQ(drop_of(&b), COUNTER_COUNT);
    build_relayed(&b, &inner);
    CHECK_EQ(drop_of(&b), COUNTER_drop_message_malformed);

    build_relay(&b, 0, (struct ip6){0, 0}, (struct ip6){0, 0});
    build_option(&b, OPTION_RELAY_MSG, "\1\0\0", 3);
    CHECK_EQ(drop_of(&b), COUNTER_drop_message_malformed);

    /* Only a relay header's worth less one. */
    CHECK_EQ(parse((struct span){b.bytes, 33}, &m, &drop), -EBADMSG);
    CHECK_EQ(drop, COUNTER_drop_message_malformed);
    CHECK_EQ(parse((struct span){b.bytes, 34}, &m, &drop), -EBADMSG);
    CHECK_EQ(drop, COUNTER_drop_relay_no_message);
}

static void test_relayed(void)
{
    struct dhcp6_message m;
    enum counter drop;
    struct build b;

    relayed_build(&b);
    memset(&m, 0xa5, sizeof(m));
    CHECK_EQ(parse(build_span(&b), &m, &drop), 0);
    CHECK_EQ(m.relay_count, 2);
    CHECK(m.relays[0].has_relay_port);
    CHECK_EQ(m.relays[0].relay_port, 0x1001);
    CHECK(!m.relays[1].has_relay_port && m.relays[1].relay_port == 0);
    CHECK(span_is(m.relays[0].interface_id, "far", 3));
    CHECK(span_is(m.relays[1].interface_id, "near", 4));
    CHECK(span_is(m.relays[0].remote_id, "\0\0\0\x9remote", 10));
    CHECK(m.relays[1].remote_id.data == NULL);
    CHECK(span_is(m.relays[1].echo_request, "\0\x26", 2));
    CHECK(m.relays[0].echo_request.data == NULL);
    CHECK(span_is(m.relays[1].rsoo, "\0\x41\0\0", 4));
    CHECK_EQ(m.relays[0].relay_id.size, sizeof(build_duid));
    CHECK(m.relays[0].options.data == b.bytes + 34);
    CHECK_EQ(m.relays[0].options.size, build_span(&b).size - 34);
    /* RFC 9915 13.1: the zero link-address of the near relay selects nothing. */
    CHECK(ip6_equal(dhcp6_link_address(&m), (struct ip6){BUILD_DOC, 1}));
    CHECK(span_is(m.subject.interface_id, "near", 4));
    CHECK(span_is(m.subject.remote_id, "remote", 6));
    CHECK_EQ(m.subject.remote_enterprise, 9);
    CHECK(span_is(m.subject.subscriber_id, "sub", 3));
    CHECK(span_is(m.subject.link_layer, "\2\3\4\5\6\7", 6));
    CHECK(span_is(m.subject.user_class, "abc", 3));
    CHECK(span_is(m.subject.vendor_class, "hi", 2));
    CHECK_EQ(m.subject.vendor_enterprise, 0x102);
    CHECK(span_is(m.fqdn, "\1\4host", 6));
}

static void test_info_direct(void)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
    uint8_t info[LEASE_INFO_SIZE_MAX];
    struct dhcp6_message m;
    enum counter drop;
    struct span items;

    CHECK_EQ(parse((struct span){solicit_bytes, sizeof(solicit_bytes)}, &m, &drop), 0);
    m.subject.link_layer = (struct span){mac, sizeof(mac)};
    items.data = info;
    items.size =
        dhcp6_lease_info(&m, (struct ip6){UINT64_C(0xfe80) << 48, 0x1122}, info, sizeof(info));
    CHECK(lease_info_valid(items));
    CHECK(span_is(lease_info_find(items, LEASE_INFO_PEER_ADDRESS), "\0\0\0\0\0\0\x11\x22", 8));
    CHECK(span_is(lease_info_find(items, LEASE_INFO_LINK_LAYER), "\0\1\2\0\0\0\0\x9", 8));
    CHECK_EQ(items.size, 10 + 10);
    /* fe80:0:0:1:: is link-local too, but does not come back from eight octets. */
    items.size =
        dhcp6_lease_info(&m, (struct ip6){(UINT64_C(0xfe80) << 48) + 1, 1}, info, sizeof(info));
    CHECK_EQ(lease_info_find(items, LEASE_INFO_PEER_ADDRESS).size, 16);
}

static void test_info_relayed(void)
{
    uint8_t info[LEASE_INFO_SIZE_MAX], again[LEASE_INFO_SIZE_MAX], address[16];
    struct ip6 source = {BUILD_DOC, 77};
    struct dhcp6_message m;
    enum counter drop;
    struct span items;
    struct build b;

    relayed_build(&b);
    CHECK_EQ(parse(build_span(&b), &m, &drop), 0);
    items.data = info;
    items.size = dhcp6_lease_info(&m, source, info, sizeof(info));
    CHECK(lease_info_valid(items));
    CHECK(span_is(lease_info_find(items, LEASE_INFO_PEER_ADDRESS), "\0\0\0\0\0\0\x12\x34", 8));
    wire_set_ip6(address, (struct ip6){BUILD_DOC, 1});
    CHECK(span_equal(lease_info_find(items, LEASE_INFO_LINK_ADDRESS), (struct span){address, 16}));
    wire_set_ip6(address, source);
    CHECK(span_equal(lease_info_find(items, LEASE_INFO_RELAY), (struct span){address, 16}));
    CHECK(span_is(lease_info_find(items, LEASE_INFO_INTERFACE_ID), "near", 4));
    CHECK(span_is(lease_info_find(items, LEASE_INFO_REMOTE_ID), "\0\0\0\x9remote", 10));
    CHECK(span_is(lease_info_find(items, LEASE_INFO_SUBSCRIBER_ID), "sub", 3));
    CHECK(span_equal(lease_info_find(items, LEASE_INFO_RELAY_ID),
                     (struct span){build_duid, sizeof(build_duid)}));
    CHECK(span_is(lease_info_find(items, LEASE_INFO_LINK_LAYER), "\0\1\2\3\4\5\6\7", 8));
    CHECK(span_is(lease_info_find(items, LEASE_INFO_FQDN), "\2\4host", 6));
    CHECK_EQ(dhcp6_lease_info(&m, source, again, sizeof(again)), items.size);
    CHECK_MEM(again, info, items.size);
    for (size_t size = 0; size < items.size; size++) {
        struct span some = {again, dhcp6_lease_info(&m, source, again, size)};

        CHECK(some.size <= size && lease_info_valid(some));
    }
}

static const struct check_test tests[] = {
    {"relay sizes", test_relay_sizes},     {"relay depth", test_relay_depth},
    {"relay message", test_relay_message}, {"relayed", test_relayed},
    {"info direct", test_info_direct},     {"info relayed", test_info_relayed},
};

CHECK_MAIN(tests)

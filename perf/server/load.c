#include "load.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "dhcp6/message.h"
#include "dhcp6/option.h"

enum {
    DUID_SIZE = 14,
    HEADERS = 14 + 40 + 8,
    RELAY_HEADERS = 34,
    INTERFACE_ID_SIZE = 24,
    REMOTE_ID_SIZE = 4 + 16,             /* enterprise number */
    OUTER_SIZE = RELAY_HEADERS + 4,      /* a relay that adds nothing */
    AT_INTERFACE_ID = RELAY_HEADERS + 4, /* within what the first relay adds */
    AT_REMOTE_ID = AT_INTERFACE_ID + INTERFACE_ID_SIZE + 4,
    INNER_SIZE = AT_REMOTE_ID + REMOTE_ID_SIZE + 4,
    ENTERPRISE = 3561
};

static const struct ip6 relay_source = {0x20010db800000001, 0x17};
static const struct ip6 relay_link = {0x20010db800170000, 1};
/* Their last four octets are the client's number. */
static const uint8_t interface_id[INTERFACE_ID_SIZE] = "olt-17/slot-03/port-";
static const uint8_t remote_id[REMOTE_ID_SIZE] = {0, 0, ENTERPRISE >> 8, ENTERPRISE & 0xff};

static void option_head(struct wire_out *out, uint16_t code, size_t size)
{
    wire_out_u16(out, code);
    wire_out_u16(out, (uint16_t)size);
}

/* One IA; *ret_at is the offset of its option data, its lease option follows 12 octets later. */
static void ia_put(struct wire_out *out, uint16_t code, bool with_lease, const uint8_t *base,
                   size_t *ret_at)
{
    size_t lease_size = code == OPTION_IA_NA ? 24 : 25;

    option_head(out, code, with_lease ? 12 + 4 + lease_size : 12);
    *ret_at = (size_t)(out->at - base);
    wire_out_u32(out, 0);
    wire_out_u64(out, 0);
    if (with_lease) {
        option_head(out, code == OPTION_IA_NA ? OPTION_IAADDR : OPTION_IAPREFIX, lease_size);
        memset(wire_out_room(out, lease_size), 0, lease_size);
    }
}

/* Everything of the RELAY-FORWs but what differs by client, in front of a message of that size. */
static void relay_heads_make(const struct load *load, uint8_t *frame, size_t message_size)
{
    struct wire_out out = wire_out_to(frame + HEADERS, load->at_message - HEADERS);
    size_t rest = INNER_SIZE + message_size + (load->relay_count - 1) * OUTER_SIZE;

    for (unsigned hops = load->relay_count - 1; hops > 0; hops--) {
        rest -= OUTER_SIZE;
        wire_out_u16(&out, (uint16_t)(DHCP6_RELAY_FORW << 8 | hops));
        wire_out_ip6(&out, (struct ip6){0x20010db800000001, hops + 1});
        wire_out_ip6(&out, (struct ip6){0x20010db800000001, hops});
        option_head(&out, OPTION_RELAY_MSG, rest);
    }
    wire_out_u16(&out, DHCP6_RELAY_FORW << 8);
    wire_out_ip6(&out, relay_link);
    wire_out_ip6(&out, (struct ip6){0xfe80000000000000, 0});
    option_head(&out, OPTION_INTERFACE_ID, INTERFACE_ID_SIZE);
    wire_out_bytes(&out, interface_id, INTERFACE_ID_SIZE);
    option_head(&out, OPTION_REMOTE_ID, REMOTE_ID_SIZE);
    wire_out_bytes(&out, remote_id, REMOTE_ID_SIZE);
    option_head(&out, OPTION_RELAY_MSG, message_size);
}

static void relay_head_write(const struct load *load, uint8_t *buf, uint64_t client)
{
    uint8_t *head = buf + load->at_message - INNER_SIZE;

    wire_set_u64(head + RELAY_HEADERS - 8, client + 1); /* peer-address */
    wire_set_u32(head + AT_INTERFACE_ID + INTERFACE_ID_SIZE - 4, (uint32_t)client);
    wire_set_u32(head + AT_REMOTE_ID + REMOTE_ID_SIZE - 4, (uint32_t)client);
}

static bool names_leases(enum load_kind kind)
{
    return kind == LOAD_REQUEST || kind == LOAD_RENEW || kind == LOAD_REBIND;
}

static void template_make(struct load *load, enum load_kind kind, uint8_t type)
{
    static const uint16_t oro[] = {OPTION_DNS_SERVERS, OPTION_DOMAIN_LIST};
    uint8_t *frame = load->frames[kind];
    struct wire_out out =
        wire_out_to(frame + load->at_message, sizeof(load->frames[kind]) - load->at_message);
    bool with_lease = names_leases(kind);

    wire_out_u32(&out, (uint32_t)type << 24);
    option_head(&out, OPTION_CLIENTID, DUID_SIZE);
    load->at_duid[kind] = (size_t)(out.at - frame);
    memset(wire_out_room(&out, DUID_SIZE), 0, DUID_SIZE);
    if (with_lease && kind != LOAD_REBIND) {
        option_head(&out, OPTION_SERVERID, load->server_id_size);
        wire_out_bytes(&out, load->server_id, load->server_id_size);
    }
    if (kind != LOAD_INFO) {
        ia_put(&out, OPTION_IA_NA, with_lease, frame, &load->at_na[kind]);
    }
    if (kind != LOAD_INFO && load->ia_count > 1) {
        ia_put(&out, OPTION_IA_PD, with_lease, frame, &load->at_pd[kind]);
    }
    if (kind == LOAD_RAPID) {
        option_head(&out, OPTION_RAPID_COMMIT, 0);
    }
    option_head(&out, OPTION_ORO, sizeof(oro));
    for (size_t i = 0; i < sizeof(oro) / sizeof(oro[0]); i++) {
        wire_out_u16(&out, oro[i]);
    }
    option_head(&out, OPTION_ELAPSED_TIME, 2);
    wire_out_u16(&out, 0);
    load->frame_sizes[kind] = (size_t)(out.at - frame);
    if (load->relay_count) {
        relay_heads_make(load, frame, load->frame_sizes[kind] - load->at_message);
    }
}

static void templates_make(struct load *load)
{
    template_make(load, LOAD_SOLICIT, DHCP6_SOLICIT);
    template_make(load, LOAD_RAPID, DHCP6_SOLICIT);
    template_make(load, LOAD_REQUEST, DHCP6_REQUEST);
    template_make(load, LOAD_RENEW, DHCP6_RENEW);
    template_make(load, LOAD_REBIND, DHCP6_REBIND);
    template_make(load, LOAD_INFO, DHCP6_INFORMATION_REQUEST);
}

int load_init(struct load *load, uint64_t client_count, unsigned ia_count, unsigned relay_count)
{
    size_t size = client_count * sizeof(*load->clients);

    *load = (struct load){.ia_count = ia_count,
                          .client_count = client_count,
                          .relay_count = relay_count,
                          .wants_lease = true,
                          .at_message = HEADERS};
    memcpy(load->from.mac, "\2\0\0\0\0\xfe", 6);
    load->from.mtu = FRAME_MTU_DEFAULT;
    load->to = (struct frame_to){.dst_mac = {0x33, 0x33, 0, 1, 0, 2},
                                 .src = {0xfe80000000000000ULL, 0},
                                 .dst = {0xff02000000000000ULL, 0x10002},
                                 .src_port = DHCP6_CLIENT_PORT,
                                 .dst_port = DHCP6_SERVER_PORT};
    if (relay_count) {
        load->at_message += INNER_SIZE + (relay_count - 1) * OUTER_SIZE;
        load->to.dst_mac[5] = 3; /* ff05::1:3, All_DHCP_Servers */
        load->to.src = relay_source;
        load->to.dst = (struct ip6){0xff05000000000000ULL, 0x10003};
        load->to.src_port = DHCP6_SERVER_PORT;
    }
    load->clients = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (load->clients == MAP_FAILED) {
        load->clients = NULL;
        return -ENOMEM;
    }
    (void)madvise(load->clients, size, MADV_HUGEPAGE);
    templates_make(load);
    return 0;
}

void load_done(struct load *load)
{
    if (load->clients) {
        munmap(load->clients, load->client_count * sizeof(*load->clients));
    }
}

/* 14 octets: type, a scramble of the number, the number; the tail is what load_read looks at. */
static void duid_write(uint8_t *duid, uint64_t client)
{
    wire_set_u16(duid, 1);
    wire_set_u16(duid + 2, 1);
    wire_set_u32(duid + 4, (uint32_t)(client * 0x9e3779b1u));
    wire_set_u16(duid + 8, 0x0200);
    wire_set_u32(duid + 10, (uint32_t)client);
}

size_t load_write(const struct load *load, enum load_kind kind, uint64_t client, uint32_t xid,
                  uint8_t *buf)
{
    const struct load_client *known = &load->clients[client];
    bool with_lease = names_leases(kind);
    size_t size = load->frame_sizes[kind];
    struct frame_to to = load->to;

    memcpy(buf, load->frames[kind], size);
    wire_set_u16(buf + load->at_message + 2, (uint16_t)xid);
    duid_write(buf + load->at_duid[kind], client);
    if (kind != LOAD_INFO) {
        wire_set_u32(buf + load->at_na[kind], 1);
    }
    if (with_lease) {
        wire_set_ip6(buf + load->at_na[kind] + 16, known->address);
    }
    if (kind != LOAD_INFO && load->ia_count > 1) {
        wire_set_u32(buf + load->at_pd[kind], 2);
        if (with_lease) {
            buf[load->at_pd[kind] + 24] = 56;
            wire_set_u64(buf + load->at_pd[kind] + 25, known->prefix);
        }
    }
    if (load->relay_count) {
        relay_head_write(load, buf, client);
    } else {
        to.src.lo = client + 1;
    }
    frame_write(&load->from, &to, buf + HEADERS, size - HEADERS);
    return size;
}

static uint64_t answer_wrong(struct load *load)
{
    load->wrong++;
    return UINT64_MAX;
}

/* The server's DUID is learnt from the first answer; REQUEST and RENEW then name it. */
static void server_learn(struct load *load, struct span id)
{
    if (load->server_id_size == 0 && id.size <= sizeof(load->server_id)) {
        memcpy(load->server_id, id.data, id.size);
        load->server_id_size = id.size;
        templates_make(load);
    }
}

/* What one RELAY-REPL wraps and, of the innermost, for which client it says to be; false when it is
 * none. */
static bool relay_unwrap(struct span relayed, struct span *ret_message, uint64_t *ret_client)
{
    struct wire_in in = wire_in_from(relayed);
    bool has_message = false;

    if (relayed.size < RELAY_HEADERS || wire_in_u8(&in) != DHCP6_RELAY_REPL) {
        return false;
    }
    (void)wire_in_bytes(&in, RELAY_HEADERS - 1);
    while (wire_in_left(&in)) {
        uint16_t code = wire_in_u16(&in);
        struct span data = wire_in_span(&in, wire_in_u16(&in));

        if (code == OPTION_RELAY_MSG) {
            *ret_message = data;
            has_message = true;
        } else if (code == OPTION_INTERFACE_ID && data.size == INTERFACE_ID_SIZE) {
            *ret_client = wire_get_u32(data.data + INTERFACE_ID_SIZE - 4);
        }
    }
    return !in.failed && has_message;
}

/* What the answer gives is what the client may get. */
static bool answer_right(const struct load *load, uint64_t client, uint8_t type,
                         const struct load_client *got)
{
    const struct load_client *known = &load->clients[client];

    if (ip6_is_zero(got->address) || (load->ia_count > 1 && got->prefix == 0)) {
        return false;
    }
    /* A lease must be stable. */
    return type != DHCP6_REPLY || known->replies == 0 ||
           (ip6_equal(got->address, known->address) && got->prefix == known->prefix);
}

uint64_t load_read(struct load *load, const uint8_t *frame, size_t size, uint8_t *ret_type)
{
    struct load_client got = {.address = {0, 0}};
    struct span message = {frame + HEADERS, size - HEADERS};
    struct wire_in in;
    uint64_t client = UINT64_MAX, relayed_client = UINT64_MAX;
    bool has_dns = false;

    if (size < HEADERS + 4 || frame[20] != 17) {
        return UINT64_MAX; /* announcements of the port */
    }
    for (unsigned i = 0; i < load->relay_count; i++) {
        if (!relay_unwrap(message, &message, &relayed_client)) {
            return answer_wrong(load);
        }
    }
    in = wire_in_from(message);
    *ret_type = wire_in_u8(&in);
    (void)wire_in_bytes(&in, 3);
    while (wire_in_left(&in)) {
        uint16_t code = wire_in_u16(&in);
        struct span data = wire_in_span(&in, wire_in_u16(&in));

        if (code == OPTION_CLIENTID && data.size == DUID_SIZE) {
            client = wire_get_u32(data.data + 10);
        } else if (code == OPTION_SERVERID) {
            server_learn(load, data);
        } else if (code == OPTION_IA_NA && data.size >= 40) {
            got.address = wire_get_ip6(data.data + 16);
        } else if (code == OPTION_IA_PD && data.size >= 41) {
            got.prefix = wire_get_u64(data.data + 25);
        } else if (code == OPTION_DNS_SERVERS) {
            has_dns = true;
        }
    }
    if (in.failed || client >= load->client_count || !has_dns ||
        (load->relay_count && client != relayed_client)) {
        return answer_wrong(load);
    }
    if (!load->wants_lease) {
        return *ret_type == DHCP6_REPLY ? client : answer_wrong(load);
    }
    if (!answer_right(load, client, *ret_type, &got)) {
        return answer_wrong(load);
    }
    load->clients[client].address = got.address;
    load->clients[client].prefix = got.prefix;
    load->clients[client].replies += *ret_type == DHCP6_REPLY;
    return client;
}

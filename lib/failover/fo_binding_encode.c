/* Writes BNDUPD and BNDREPLY, and gathers the info items of a received lease. */
#include "failover/fo_binding.h"
#include "failover/fo_option.h"
#include "failover/fo_relay_data.h"

enum {
    IA_NONE = UINT32_MAX,
    RECONFIGURE_DATA_SIZE = 20, /* time 4, RKAP key 16: what a lease keeps */
};

/* What every lease says of itself (RFC 8156 7.4). The three times marked * there appear exactly
 * when the status has an end; a time never set stays out. */
static void times_write(struct wire_out *out, const struct lease *lease, sec_t base_s, bool client)
{
    const struct lease_times *times = &lease->times;

    fo_option_u8(out, OPTION_F_BINDING_STATUS, lease->status);
    fo_option_u32(out, OPTION_F_START_TIME_OF_STATE, times->start_s);
    if (times->expires_s) {
        fo_option_u32(out, OPTION_F_STATE_EXPIRATION_TIME, times->expires_s);
    }
    if (client && times->clt_s) {
        fo_option_u32(out, OPTION_CLT_TIME,
                      sec_after(base_s, times->clt_s) ? base_s - times->clt_s : 0);
    }
    if (times->expires_s) {
        fo_option_u32(out, OPTION_F_PARTNER_LIFETIME,
                      times->partner_lifetime_s ? times->partner_lifetime_s : times->expires_s);
    }
    if (client && times->partner_raw_clt_s) {
        fo_option_u32(out, OPTION_F_PARTNER_RAW_CLT_TIME, times->partner_raw_clt_s);
    }
    if (times->expires_s && times->expiration_s) {
        fo_option_u32(out, OPTION_F_EXPIRATION_TIME, times->expiration_s);
    }
}

static void info_option(struct wire_out *out, uint16_t code, struct span info,
                        enum lease_info_tag tag)
{
    struct span data = lease_info_find(info, tag);

    if (data.size) {
        fo_option_bytes(out, code, data);
    }
}

/* IAADDR or IAPREFIX of a client's lease. */
static void lease_write(struct wire_out *out, const struct lease *lease, sec_t base_s)
{
    bool prefix = lease->resource.type == LEASE_TYPE_PD;
    uint8_t *option = fo_option_open(out, prefix ? OPTION_IAPREFIX : OPTION_IAADDR);

    if (!prefix) {
        wire_out_ip6(out, lease->resource.prefix);
    }
    wire_out_u32(out, lease->times.preferred_lifetime_s);
    wire_out_u32(out, lease->times.valid_lifetime_s);
    if (prefix) {
        wire_out_u8(out, lease->resource.length);
        wire_out_ip6(out, lease->resource.prefix);
    }
    times_write(out, lease, base_s, true);
    info_option(out, OPTION_CLIENT_FQDN, lease->info, LEASE_INFO_FQDN);
    info_option(out, OPTION_F_DNS_REMOVAL_INFO, lease->info, LEASE_INFO_DNS_REMOVAL);
    fo_option_close(out, option);
}

static bool same_ia(const struct lease *a, const struct lease *b)
{
    return a->resource.type == b->resource.type && a->iaid == b->iaid;
}

static void client_write(struct wire_out *out, const struct lease *leases, unsigned lease_count,
                         sec_t base_s)
{
    uint8_t *client = fo_option_open(out, OPTION_CLIENT_DATA);
    uint8_t *ia = NULL;

    fo_option_bytes(out, OPTION_CLIENTID, leases[0].duid);
    fo_option_u32(out, OPTION_LQ_BASE_TIME, base_s);
    fo_info_write(out, leases[0].info, leases[0].flags);
    for (unsigned i = 0; i < lease_count; i++) {
        if (i == 0 || !same_ia(&leases[i], &leases[i - 1])) {
            if (ia) {
                fo_option_close(out, ia);
            }
            ia = fo_option_open(out, leases[i].resource.type);
            wire_out_u32(out, leases[i].iaid);
            wire_out_u32(out, leases[i].times.t1_s);
            wire_out_u32(out, leases[i].times.t2_s);
        }
        lease_write(out, &leases[i], base_s);
    }
    fo_option_close(out, ia);
    fo_option_close(out, client);
}

/* Lifetimes are 0: no client was ever told any (facts F.20). */
static void prefix_write(struct wire_out *out, const struct lease *lease, sec_t base_s)
{
    uint8_t *option = fo_option_open(out, OPTION_IAPREFIX);

    wire_out_u64(out, 0);
    wire_out_u8(out, lease->resource.length);
    wire_out_ip6(out, lease->resource.prefix);
    fo_option_u32(out, OPTION_LQ_BASE_TIME, base_s);
    times_write(out, lease, base_s, false);
    fo_option_close(out, option);
}

size_t fo_encode_bndupd(const struct lease *leases, unsigned lease_count, sec_t base_s,
                        uint8_t *buf, size_t buf_size)
{
    struct wire_out out = wire_out_to(buf, buf_size);
    uint8_t *frame;

    T6_ASSERT(lease_count > 0);
    if (leases[0].duid.size == 0 && (leases[0].resource.type != LEASE_TYPE_PD || lease_count > 1)) {
        return 0;
    }
    frame = fo_frame_open(&out, FO_BNDUPD, 0);
    if (leases[0].duid.size) {
        client_write(&out, leases, lease_count, base_s);
    } else {
        prefix_write(&out, &leases[0], base_s);
    }
    return fo_frame_close(&out, frame);
}

static void reply_status(struct fo_reply *reply, enum fo_status_code code, const char *text)
{
    if (code != FO_STATUS_SUCCESS || text) {
        fo_status_write(&reply->out, code, text);
    }
}

/* Opens the container option with what it has in common with the update's. */
static void container_open(struct fo_reply *reply)
{
    const struct fo_binding *binding = reply->binding;
    bool prefix = binding->container == FO_CONTAINER_PREFIX;

    reply->container = fo_option_open(&reply->out, prefix ? OPTION_IAPREFIX : OPTION_CLIENT_DATA);
    if (prefix) {
        wire_out_bytes(&reply->out, binding->place.ia_fixed.data, binding->place.ia_fixed.size);
    } else if (binding->duid.size) {
        fo_option_bytes(&reply->out, OPTION_CLIENTID, binding->duid);
    }
    if (binding->vss.size) {
        fo_option_bytes(&reply->out, OPTION_VSS, binding->vss);
    }
}

void fo_reply_begin(struct fo_reply *reply, const struct fo_binding *binding,
                    enum fo_status_code code, const char *text, uint8_t *buf, size_t buf_size)
{
    *reply = (struct fo_reply){
        .binding = binding, .out = wire_out_to(buf, buf_size), .ia_index = IA_NONE};
    reply->frame = fo_frame_open(&reply->out, FO_BNDREPLY, binding->xid);
    if (binding->container != FO_CONTAINER_NONE) {
        container_open(reply);
    }
    reply_status(reply, code, text);
}

static void ia_close(struct fo_reply *reply)
{
    if (reply->ia) {
        fo_option_close(&reply->out, reply->ia);
        reply->ia = NULL;
    }
}

void fo_reply_add(struct fo_reply *reply, const struct fo_lease *lease, enum fo_status_code code,
                  const char *text)
{
    struct wire_out *out = &reply->out;
    uint8_t *option = NULL;

    if (reply->binding->container == FO_CONTAINER_CLIENT) {
        if (lease->ia_index != reply->ia_index) {
            ia_close(reply);
            reply->ia_index = lease->ia_index;
            reply->ia = fo_option_open(out, lease->ia_type);
            wire_out_bytes(out, lease->ia_fixed.data, lease->ia_fixed.size);
        }
        option =
            fo_option_open(out, lease->ia_type == OPTION_IA_PD ? OPTION_IAPREFIX : OPTION_IAADDR);
        wire_out_bytes(out, lease->fixed.data, lease->fixed.size);
    }
    reply_status(reply, code, text);
    if (lease->has & FO_HAS_BINDING_STATUS) {
        fo_option_u8(out, OPTION_F_BINDING_STATUS, lease->lease.status);
    }
    if (lease->has & FO_HAS_EXPIRES) {
        fo_option_u32(out, OPTION_F_STATE_EXPIRATION_TIME, lease->expires_raw);
    }
    if (lease->has & FO_HAS_PARTNER_LIFETIME) {
        fo_option_u32(out, OPTION_F_PARTNER_LIFETIME_SENT, lease->partner_lifetime_raw);
    }
    if (option) {
        fo_option_close(out, option);
    }
}

size_t fo_reply_end(struct fo_reply *reply)
{
    ia_close(reply);
    if (reply->container) {
        fo_option_close(&reply->out, reply->container);
    }
    return fo_frame_close(&reply->out, reply->frame);
}

/* Items of a client without relay, as our own make sends them. */
static void direct_read(struct span vendor, struct wire_out *info)
{
    static const enum lease_info_tag tags[] = {LEASE_INFO_PEER_ADDRESS, LEASE_INFO_LINK_LAYER};
    struct wire_in in = wire_in_from(vendor);
    struct span data;
    uint16_t code;

    while (fo_option_next(&in, &code, &data)) {
        if (code == FO_VENDOR_DIRECT && lease_info_valid(data)) {
            for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
                struct span item = lease_info_find(data, tags[i]);

                if (item.size) {
                    (void)lease_info_add(info, tags[i], item);
                }
            }
            return;
        }
    }
}

size_t fo_lease_info(const struct fo_binding *binding, const struct fo_lease *lease, uint8_t *buf,
                     size_t buf_size)
{
    size_t room = buf_size < LEASE_INFO_SIZE_MAX ? buf_size : LEASE_INFO_SIZE_MAX;
    struct wire_out info = wire_out_to(buf, room);

    if (binding->relay_data.size) {
        fo_relay_data_read(binding->relay_data, &info);
    } else {
        direct_read(binding->vendor, &info);
    }
    if (lease->fqdn.size) {
        (void)lease_info_add(&info, LEASE_INFO_FQDN, lease->fqdn);
    }
    if (binding->reconfigure.size == RECONFIGURE_DATA_SIZE) {
        (void)lease_info_add(&info, LEASE_INFO_RECONFIGURE_KEY, binding->reconfigure);
    }
    if (lease->dns_removal.size) {
        (void)lease_info_add(&info, LEASE_INFO_DNS_REMOVAL, lease->dns_removal);
    }
    return (size_t)(info.at - buf);
}

/* Reads the containers of BNDUPD and BNDREPLY. Their whole nesting is checked once, in
 * fo_binding_parse; afterwards leases are read one by one from options known to be sound. */
#include "failover/fo_binding.h"

#include "failover/fo_option.h"

enum {
    IA_FIXED_SIZE = 12,       /* IAID, T1, T2 */
    IA_TA_FIXED_SIZE = 4,     /* IAID */
    IAADDR_FIXED_SIZE = 24,   /* address, preferred, valid */
    IAPREFIX_FIXED_SIZE = 25, /* preferred, valid, length, prefix */
};

/* Octets before the options of a nesting option; 0: the code is none of these. */
static size_t fixed_size(uint16_t code)
{
    switch (code) {
    case OPTION_IA_NA:
    case OPTION_IA_PD:
        return IA_FIXED_SIZE;
    case OPTION_IA_TA:
        return IA_TA_FIXED_SIZE;
    case OPTION_IAADDR:
        return IAADDR_FIXED_SIZE;
    case OPTION_IAPREFIX:
        return IAPREFIX_FIXED_SIZE;
    default:
        return 0;
    }
}

static bool is_ia(uint16_t code)
{
    return code == OPTION_IA_NA || code == OPTION_IA_TA || code == OPTION_IA_PD;
}

/* The option that holds a lease in this kind of IA. */
static uint16_t lease_code(uint16_t ia_type)
{
    return ia_type == OPTION_IA_PD ? OPTION_IAPREFIX : OPTION_IAADDR;
}

/* The options behind the fixed part; failed when that is cut short. */
static struct wire_in options_of(uint16_t code, struct span data, struct span *ret_fixed)
{
    struct wire_in in = wire_in_from(data);

    *ret_fixed = wire_in_span(&in, fixed_size(code));
    return in;
}

/* True when the sequence is whole to its end. */
static bool sequence_sound(struct wire_in in)
{
    struct span data;
    uint16_t code;

    while (fo_option_next(&in, &code, &data)) {
    }
    return !in.failed;
}

/* An IA and the leases in it. */
static bool ia_sound(uint16_t ia_type, struct span data)
{
    struct span fixed;
    struct wire_in in = options_of(ia_type, data, &fixed);
    uint16_t code;

    while (fo_option_next(&in, &code, &data)) {
        if (code == lease_code(ia_type) && !sequence_sound(options_of(code, data, &fixed))) {
            return false;
        }
    }
    return !in.failed;
}

static void vendor_find(struct span data, struct span *vendor)
{
    struct wire_in in = wire_in_from(data);

    if (vendor->size == 0 && wire_in_u32(&in) == FO_ENTERPRISE) {
        *vendor = wire_in_span(&in, wire_in_left(&in));
    }
}

/* First instances of what stands beside the leases. */
static void container_option(struct fo_binding *binding, uint16_t code, struct span data)
{
    if (code == OPTION_CLIENTID && binding->duid.size == 0) {
        binding->duid = data;
    } else if (code == OPTION_VSS && binding->vss.size == 0) {
        binding->vss = data;
    } else if (code == OPTION_LQ_RELAY_DATA && binding->relay_data.size == 0) {
        binding->relay_data = data;
    } else if (code == OPTION_F_RECONFIGURE_DATA && binding->reconfigure.size == 0) {
        binding->reconfigure = data;
    } else if (code == OPTION_F_DNS_REMOVAL_INFO && binding->dns_removal.size == 0) {
        binding->dns_removal = data;
    } else if (code == OPTION_VENDOR_OPTS) {
        vendor_find(data, &binding->vendor);
    } else if (code == OPTION_STATUS_CODE) {
        fo_status_read(data, &binding->status);
    } else if (code == OPTION_LQ_BASE_TIME && data.size == 4 && !binding->has_base) {
        binding->has_base = true;
        binding->base_s = wire_get_u32(data.data);
    } else if (code == OPTION_CLT_TIME && data.size == 4 && !binding->has_clt) {
        binding->has_clt = true;
        binding->clt_ago_s = wire_get_u32(data.data);
    }
}

/* True when the container's nesting is sound and there is at least one IA in a client's. */
static bool container_read(struct fo_binding *binding)
{
    struct wire_in in = binding->place.options;
    unsigned ia_count = 0;
    struct span data;
    uint16_t code;

    while (fo_option_next(&in, &code, &data)) {
        container_option(binding, code, data);
        if (binding->container == FO_CONTAINER_CLIENT && is_ia(code)) {
            ia_count++;
            if (!ia_sound(code, data)) {
                return false;
            }
        }
    }
    return !in.failed && (binding->container == FO_CONTAINER_PREFIX || ia_count > 0);
}

static void container_find(struct span options, struct fo_binding *binding)
{
    struct wire_in in = wire_in_from(options);
    unsigned count = 0;
    struct span data;
    uint16_t code;

    while (fo_option_next(&in, &code, &data)) {
        if (code == OPTION_CLIENT_DATA || code == OPTION_IAPREFIX) {
            count++;
            binding->container =
                code == OPTION_CLIENT_DATA ? FO_CONTAINER_CLIENT : FO_CONTAINER_PREFIX;
            binding->content = data;
        }
    }
    if (count != 1 || (binding->container == FO_CONTAINER_PREFIX &&
                       binding->content.size < IAPREFIX_FIXED_SIZE)) {
        binding->container = FO_CONTAINER_NONE;
        binding->content = (struct span){NULL, 0};
    }
}

static bool is_error(const struct fo_status *status)
{
    return status->present && status->code != FO_STATUS_SUCCESS;
}

void fo_binding_parse(const struct fo_message *message, struct fo_binding *ret_binding)
{
    struct fo_binding binding = {.xid = message->xid, .is_update = message->type == FO_BNDUPD};
    bool complete;

    container_find(message->options, &binding);
    binding.place.options =
        binding.container == FO_CONTAINER_PREFIX
            ? options_of(OPTION_IAPREFIX, binding.content, &binding.place.ia_fixed)
            : wire_in_from(binding.content);
    complete = binding.container != FO_CONTAINER_NONE && container_read(&binding) &&
               (binding.has_base || !binding.is_update); /* RFC 8156 7.4: MUST appear */
    if (binding.container == FO_CONTAINER_CLIENT &&
        (binding.duid.size < DUID_SIZE_MIN || binding.duid.size > DUID_SIZE_MAX)) {
        complete = false;
    }
    binding.fault = complete ? 0 : FO_STATUS_MISSING_BINDING;
    binding.status = is_error(&message->status) ? message->status : binding.status;
    binding.place.done = !complete;
    binding.place.ia = wire_in_from((struct span){NULL, 0});
    *ret_binding = binding;
}

/* A time as a record keeps it, where 0 says "none". */
static sec_t kept(sec_t wire)
{
    return wire ? wire : 1;
}

/* True, and the bit set, for the first instance of the right size. */
static bool takes(struct fo_lease *lease, unsigned bit, struct span data)
{
    if (data.size != 4 || (lease->has & bit)) {
        return false;
    }
    lease->has |= bit;
    return true;
}

static void time_option(struct fo_lease *lease, uint16_t code, struct span data)
{
    struct lease_times *times = &lease->lease.times;
    sec_t value = data.size == 4 ? wire_get_u32(data.data) : 0;

    if (code == OPTION_F_START_TIME_OF_STATE && takes(lease, FO_HAS_START, data)) {
        times->start_s = kept(value);
    } else if (code == OPTION_F_STATE_EXPIRATION_TIME && takes(lease, FO_HAS_EXPIRES, data)) {
        times->expires_s = times->horizon_s = kept(value);
        lease->expires_raw = value;
    } else if (code == OPTION_F_PARTNER_LIFETIME && takes(lease, FO_HAS_PARTNER_LIFETIME, data)) {
        times->partner_lifetime_s = kept(value);
        lease->partner_lifetime_raw = value;
    } else if (code == OPTION_F_PARTNER_LIFETIME_SENT &&
               takes(lease, FO_HAS_PARTNER_LIFETIME_SENT, data)) {
        lease->partner_lifetime_sent_s = kept(value);
    } else if (code == OPTION_F_PARTNER_RAW_CLT_TIME && takes(lease, FO_HAS_RAW_CLT, data)) {
        times->partner_raw_clt_s = kept(value);
    } else if (code == OPTION_F_EXPIRATION_TIME && takes(lease, FO_HAS_EXPIRATION, data)) {
        times->expiration_s = kept(value);
    }
}

static void lease_option(const struct fo_binding *binding, struct fo_lease *lease, uint16_t code,
                         struct span data)
{
    if (code == OPTION_F_BINDING_STATUS && data.size == 1 &&
        !(lease->has & FO_HAS_BINDING_STATUS)) {
        lease->has |= FO_HAS_BINDING_STATUS;
        lease->lease.status = data.data[0];
    } else if (code == OPTION_CLT_TIME && binding->has_base && takes(lease, FO_HAS_CLT, data)) {
        lease->lease.times.clt_s = kept(binding->base_s - wire_get_u32(data.data));
    } else if (code == OPTION_CLIENT_FQDN && lease->fqdn.size == 0) {
        lease->fqdn = data;
    } else if (code == OPTION_F_DNS_REMOVAL_INFO && lease->dns_removal.size == 0) {
        lease->dns_removal = data;
    } else if (code == OPTION_STATUS_CODE) {
        fo_status_read(data, &lease->status);
    } else {
        time_option(lease, code, data);
    }
}

/* Resource and lifetimes. False: no such prefix length. */
static bool fixed_read(uint16_t code, struct span fixed, struct lease *lease)
{
    struct wire_in in = wire_in_from(fixed);

    if (code == OPTION_IAADDR) {
        lease->resource.type = LEASE_TYPE_NA;
        lease->resource.length = 128;
        lease->resource.prefix = wire_in_ip6(&in);
    }
    lease->times.preferred_lifetime_s = wire_in_u32(&in);
    lease->times.valid_lifetime_s = wire_in_u32(&in);
    if (code == OPTION_IAPREFIX) {
        lease->resource.type = LEASE_TYPE_PD;
        lease->resource.length = wire_in_u8(&in);
        if (lease->resource.length > 128) {
            return false;
        }
        lease->resource.prefix = ip6_prefix(wire_in_ip6(&in), lease->resource.length);
    }
    return true;
}

static void ia_read(const struct fo_binding *binding, struct fo_lease *lease)
{
    struct wire_in in = wire_in_from(binding->place.ia_fixed);

    lease->ia_type = binding->place.ia_type;
    lease->ia_fixed = binding->place.ia_fixed;
    lease->ia_index = binding->place.ia_index;
    lease->lease.iaid = wire_in_u32(&in);
    lease->lease.times.t1_s = wire_in_u32(&in); /* 0 in an IA_TA, which has none */
    lease->lease.times.t2_s = wire_in_u32(&in);
}

static uint8_t client_flags(struct span vendor)
{
    struct wire_in in = wire_in_from(vendor);
    struct span data;
    uint16_t code;

    while (fo_option_next(&in, &code, &data)) {
        if (code == FO_VENDOR_CLIENT_FLAGS && data.size == 1) {
            return data.data[0] & LEASE_FLAG_RECONF_ACCEPT;
        }
    }
    return 0;
}

static void lease_read(const struct fo_binding *binding, uint16_t code, struct span data,
                       struct fo_lease *ret_lease)
{
    struct fo_lease lease = {.lease.duid = binding->duid};
    struct wire_in in = options_of(code, data, &lease.fixed);
    bool sane = fixed_read(code, lease.fixed, &lease.lease);

    lease.lease.flags = client_flags(binding->vendor);
    if (binding->container == FO_CONTAINER_CLIENT) {
        ia_read(binding, &lease);
    }
    while (fo_option_next(&in, &code, &data)) {
        lease_option(binding, &lease, code, data);
    }
    if (binding->has_clt && binding->has_base && !(lease.has & FO_HAS_CLT)) {
        lease.has |= FO_HAS_CLT; /* as RFC 5007 has it (facts F.22) */
        lease.lease.times.clt_s = kept(binding->base_s - binding->clt_ago_s);
    }
    lease.dns_removal = lease.dns_removal.size ? lease.dns_removal : binding->dns_removal;
    if (!sane || lease.lease.status == 0 || lease.lease.status >= BINDING_STATUS_COUNT ||
        (binding->is_update && !(lease.has & FO_HAS_START))) {
        lease.fault = FO_STATUS_MISSING_BINDING;
    }
    if (is_error(&binding->status)) {
        lease.status = binding->status;
    } else if (is_error(&binding->place.status)) {
        lease.status = binding->place.status;
    }
    *ret_lease = lease;
}

/* Moves on to the next IA. False: there is none. */
static bool ia_next(struct fo_binding *binding)
{
    struct fo_binding_place *place = &binding->place;
    struct wire_in in;
    struct span data;
    uint16_t code;

    while (fo_option_next(&place->options, &code, &data)) {
        if (is_ia(code)) {
            place->ia_type = code;
            place->ia_index++;
            place->ia = in = options_of(code, data, &place->ia_fixed);
            place->status = (struct fo_status){.present = false};
            while (fo_option_next(&in, &code, &data)) {
                if (code == OPTION_STATUS_CODE) {
                    fo_status_read(data, &place->status);
                }
            }
            return true;
        }
    }
    return false;
}

bool fo_binding_next(struct fo_binding *binding, struct fo_lease *ret_lease)
{
    struct fo_binding_place *place = &binding->place;
    struct span data;
    uint16_t code;

    if (place->done) {
        return false;
    }
    if (binding->container == FO_CONTAINER_PREFIX) {
        place->done = true;
        lease_read(binding, OPTION_IAPREFIX, binding->content, ret_lease);
        return true;
    }
    do {
        while (fo_option_next(&place->ia, &code, &data)) {
            if (code == lease_code(place->ia_type)) {
                lease_read(binding, code, data, ret_lease);
                return true;
            }
        }
    } while (ia_next(binding));
    place->done = true;
    return false;
}

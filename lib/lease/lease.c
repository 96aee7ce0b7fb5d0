/* Lease rules that need no store: binding states, holding, lifetimes under MCLT, info items.
 * Knows nothing of messages, pools or threads. */
#include "lease/lease.h"

static const char *const status_names[BINDING_STATUS_COUNT] = {
    [BINDING_ACTIVE] = "ACTIVE",       [BINDING_EXPIRED] = "EXPIRED",
    [BINDING_RELEASED] = "RELEASED",   [BINDING_PENDING_FREE] = "PENDING_FREE",
    [BINDING_FREE] = "FREE",           [BINDING_FREE_BACKUP] = "FREE_BACKUP",
    [BINDING_ABANDONED] = "ABANDONED", [BINDING_RESET] = "RESET",
};

#define TO(status) (1u << BINDING_##status)

/* RFC 8156 7.2, Figure 2; a set of targets per status. */
static const uint16_t transitions[BINDING_STATUS_COUNT] = {
    [BINDING_ACTIVE] = TO(ACTIVE) | TO(EXPIRED) | TO(RELEASED) | TO(ABANDONED) | TO(FREE),
    [BINDING_EXPIRED] = TO(EXPIRED) | TO(ACTIVE) | TO(PENDING_FREE) | TO(FREE) | TO(FREE_BACKUP),
    [BINDING_RELEASED] = TO(RELEASED) | TO(ACTIVE) | TO(PENDING_FREE) | TO(FREE) | TO(FREE_BACKUP),
    [BINDING_PENDING_FREE] = TO(PENDING_FREE) | TO(FREE) | TO(FREE_BACKUP),
    [BINDING_FREE] = TO(FREE) | TO(FREE_BACKUP) | TO(ACTIVE),
    [BINDING_FREE_BACKUP] = TO(FREE_BACKUP) | TO(FREE) | TO(ACTIVE),
    [BINDING_ABANDONED] = TO(ABANDONED) | TO(RESET) | TO(FREE),
    [BINDING_RESET] = TO(RESET) | TO(PENDING_FREE) | TO(FREE) | TO(FREE_BACKUP),
};

bool lease_info_add(struct wire_out *out, enum lease_info_tag tag, struct span data)
{
    uint8_t *p = out->at;

    if (out->failed || data.size > UINT8_MAX || (size_t)(out->end - p) < 2 + data.size) {
        return false;
    }
    p[0] = (uint8_t)tag;
    p[1] = (uint8_t)data.size;
    if (data.size == 8) { /* the usual ones, without a call */
        memcpy(p + 2, data.data, 8);
    } else if (data.size) {
        memcpy(p + 2, data.data, data.size);
    }
    out->at = p + 2 + data.size;
    return true;
}

struct span lease_info_find(struct span info, enum lease_info_tag tag)
{
    struct wire_in in = wire_in_from(info);

    while (wire_in_left(&in) >= 2) {
        uint8_t t = wire_in_u8(&in);
        struct span data = wire_in_span(&in, wire_in_u8(&in));

        if (in.failed) {
            break;
        }
        if (t == tag) {
            return data;
        }
    }
    return (struct span){NULL, 0};
}

struct span lease_info_cut(struct span info, size_t size)
{
    struct wire_in in = wire_in_from(info);
    size_t kept = 0;

    if (info.size <= size) {
        return info;
    }
    while (wire_in_left(&in) >= 2) {
        (void)wire_in_u8(&in);
        (void)wire_in_span(&in, wire_in_u8(&in));
        if (in.failed || info.size - wire_in_left(&in) > size) {
            break;
        }
        kept = info.size - wire_in_left(&in);
    }
    return (struct span){info.data, kept};
}

bool lease_info_valid(struct span info)
{
    struct wire_in in = wire_in_from(info);
    uint32_t seen = 0;

    if (info.size > LEASE_INFO_SIZE_MAX) {
        return false;
    }
    while (wire_in_left(&in)) {
        uint8_t tag = wire_in_u8(&in);

        (void)wire_in_span(&in, wire_in_u8(&in));
        if (in.failed || tag == 0 || tag >= LEASE_INFO_TAG_COUNT || (seen & 1u << tag)) {
            return false;
        }
        seen |= 1u << tag;
    }
    return true;
}

const char *binding_status_name(unsigned status)
{
    return status < BINDING_STATUS_COUNT && status_names[status] ? status_names[status] : "UNKNOWN";
}

bool lease_same_client(const struct lease *a, const struct lease *b)
{
    return a->iaid == b->iaid && a->resource.type == b->resource.type &&
           span_equal(a->duid, b->duid);
}

bool lease_is_held(const struct lease *lease, sec_t now)
{
    switch ((enum binding_status)lease->status) {
    case BINDING_ACTIVE:
    case BINDING_ABANDONED:
        return !lease_is_over(lease, now);
    case BINDING_EXPIRED:
    case BINDING_RELEASED:
    case BINDING_RESET:
        return true;
    case BINDING_PENDING_FREE:
    case BINDING_FREE:
    case BINDING_FREE_BACKUP:
        return false;
    case BINDING_STATUS_COUNT:
        break;
    }
    return true; /* a status nobody knows: leave it alone */
}

uint32_t lease_valid_lifetime(uint32_t desired_s, sec_t acked_partner_lifetime_s, uint32_t mclt_s,
                              sec_t now)
{
    uint64_t limit_s;

    if (mclt_s == 0) {
        return desired_s;
    }
    /* 0 is "never acknowledged", not a moment: as a moment it lies in the future from 2068 on. */
    limit_s = acked_partner_lifetime_s ? sec_until(acked_partner_lifetime_s, now) : 0;
    limit_s += mclt_s;
    return desired_s < limit_s ? desired_s : (uint32_t)limit_s;
}

void lease_release(struct lease *lease, bool partner, sec_t now)
{
    lease->status = partner ? BINDING_RELEASED : BINDING_FREE;
    lease->flags &= LEASE_FLAG_RESERVED;
    if (partner) {
        lease->times.expires_s = 0;
        lease->times.horizon_s = 0;
        lease->times.preferred_lifetime_s = lease->times.valid_lifetime_s = 0;
        lease->times.t1_s = lease->times.t2_s = 0;
    } else {
        lease->times = (struct lease_times){0}; /* nothing old may bind a new client, facts F.5 */
    }
    lease->times.start_s = lease->times.clt_s = now;
}

void lease_decline(struct lease *lease, uint32_t rest_s, sec_t now)
{
    lease->status = BINDING_ABANDONED;
    lease->flags &= LEASE_FLAG_RESERVED;
    lease->times.start_s = lease->times.clt_s = now;
    lease->times.expires_s = lease->times.horizon_s = lease_expiry(now, rest_s);
    lease->times.preferred_lifetime_s = lease->times.valid_lifetime_s = 0;
    lease->times.t1_s = lease->times.t2_s = 0;
}

bool binding_transition_legal(enum binding_status from, enum binding_status to)
{
    return (unsigned)from < BINDING_STATUS_COUNT && (unsigned)to < BINDING_STATUS_COUNT &&
           (transitions[from] >> (unsigned)to & 1u);
}

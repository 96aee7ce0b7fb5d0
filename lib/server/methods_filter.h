/* Which leases a caller wants: the filter of lease.list as checked C data. Private to methods_*.c.
 */
#ifndef SERVER_METHODS_FILTER_H
#define SERVER_METHODS_FILTER_H

#include "server/methods_internal.h"

enum {
    FILTER_INFO_COUNT = 4,
    FILTER_OCTETS_MAX = 255
};

struct filter_octets {
    bool wanted;
    size_t size;
    uint8_t octets[FILTER_OCTETS_MAX];
};

struct lease_filter {
    bool any; /* some member was given */
    struct filter_octets duid;
    struct filter_octets infos[FILTER_INFO_COUNT]; /* rows of filter_infos in methods_filter.c */
    bool has_iaid, has_under, has_expires_before;
    uint32_t iaid;
    uint8_t type;   /* enum lease_type, 0 = both */
    uint8_t status; /* enum binding_status, 0 = all */
    int link, pool; /* index, -1 = all */
    struct ip6 under;
    uint8_t under_length;
    sec_t expires_before_s;
};

extern const struct field methods_filter_fields[];

/* Reads the checked object (NULL: everything). 0, or what jsonrpc_fail returned for a link or pool
 * that does not exist. */
int lease_filter_read(struct jsonrpc_call *call, const json_t *json, const struct policy *policy,
                      struct lease_filter *ret_filter);

/* True when the lease is wanted. The cheap questions come first; policy is asked last. */
bool lease_filter_match(const struct lease_filter *filter, const struct policy *policy,
                        const struct lease *lease);

/* True when duid, iaid and type name one client, so that the client index can answer. */
static inline bool lease_filter_is_client(const struct lease_filter *filter)
{
    return filter->duid.wanted && filter->has_iaid && filter->type != 0;
}

#endif

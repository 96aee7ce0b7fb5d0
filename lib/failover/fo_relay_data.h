/* What is remembered of a client's way to us (lease info items) as options beside its leases, and
 * back: OPTION_LQ_RELAY_DATA (RFC 5007 4.1.2.4), OPTION_F_RECONFIGURE_DATA, and a vendor option for
 * what the RFCs have no place for. Private to lib/failover. */
#ifndef FAILOVER_FO_RELAY_DATA_H
#define FAILOVER_FO_RELAY_DATA_H

#include "base/wire.h"

/* Options of the CLIENT_DATA level; client_flags: of struct lease. */
void fo_info_write(struct wire_out *out, struct span info, uint8_t client_flags);

/* Items of a received LQ_RELAY_DATA. */
void fo_relay_data_read(struct span relay_data, struct wire_out *info);

#endif

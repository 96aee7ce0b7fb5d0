/* What encode.c and encode_options.c share. Private to lib/dhcp6. */
#ifndef DHCP6_ENCODE_FAMILY_H
#define DHCP6_ENCODE_FAMILY_H

#include "dhcp6/encode.h"
#include "dhcp6/option.h"

enum {
    OPTION_HEADER_SIZE = 4, /* code, size */
    IA_SIZE = 12,           /* IAID, T1, T2 */
    IAADDR_SIZE = 24,       /* address, lifetimes */
    IAPREFIX_SIZE = 25,     /* lifetimes, length, prefix */
    SENT_MAX = 64,          /* different option codes in one answer */
    SETS_MAX = 2 + POLICY_CLASSES_MAX,
    ECHOES_MAX = 16,  /* codes of an Echo Request that we look at */
    VENDORS_MAX = 16, /* different enterprises in one answer */
    TLVS_MAX = 64,    /* options of one set entry, of one RSOO or of one relay that we look at */
};

struct encoder {
    const struct policy *policy;
    const struct dhcp6_message *message;
    const struct plan *plan;
    struct wire_out out;
    const struct policy_options *sets[SETS_MAX]; /* in order of precedence */
    unsigned set_count;
    uint16_t sent[SENT_MAX]; /* codes of the options by ORO and always */
    unsigned sent_count;
    bool personal;                              /* one of these has something of this very client */
    bool left_out;                              /* one of these did not fit */
    uint8_t *relay_msg_sizes[DHCP6_RELAYS_MAX]; /* size fields to fill in */
};

/* The options nobody needs for the leases, each as long as it fits. cache as for dhcp6_encode. */
void encode_options(struct encoder *encoder, struct encode_cache *cache);

/* The next whole TLV of a run of options; size 0 at the end or where the run is broken. */
static inline struct span tlv_next(struct wire_in *in, uint16_t *ret_code)
{
    const uint8_t *start = in->at;

    *ret_code = wire_in_u16(in);
    (void)wire_in_span(in, wire_in_u16(in));
    return in->failed ? (struct span){NULL, 0} : (struct span){start, (size_t)(in->at - start)};
}

#endif

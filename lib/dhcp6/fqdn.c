/* RFC 4704 6: flags and name of the server's Client FQDN option. Used for the answer and for what
 * a lease remembers. Knows nothing of messages. */
#include "dhcp6/fqdn.h"

enum {
    NAME_SIZE_MAX = 255, /* RFC 1035 2.3.4 */
    LABEL_SIZE_MAX = 63,
};

/* Labels up to the end (a partial name, RFC 4704 4.2) or up to a final zero label; no compression
 * (RFC 9915 10). Size 0 is legal: the client leaves the name to us. */
static bool name_valid(struct span name)
{
    size_t at = 0;

    if (name.size > NAME_SIZE_MAX) {
        return false;
    }
    while (at < name.size) {
        size_t label = name.data[at];

        if (label == 0) {
            return at + 1 == name.size;
        }
        if (label > LABEL_SIZE_MAX) {
            return false;
        }
        at += 1 + label;
    }
    return at == name.size;
}

/* S, O and N start at 0. A client's N is always honoured. Its S never is: this server updates no
 * DNS, so its S is 0 and differs from the client's, which O says. The name is the client's own
 * ("MAY simply copy"). RFC 4704 6. */
bool dhcp6_fqdn_answer(struct span fqdn, uint8_t *ret_flags, struct span *ret_name)
{
    struct span name;

    if (fqdn.size == 0) {
        return false;
    }
    name = (struct span){fqdn.data + 1, fqdn.size - 1};
    if (!name_valid(name)) {
        return false;
    }
    if (fqdn.data[0] & FQDN_N) {
        *ret_flags = FQDN_N;
    } else {
        *ret_flags = fqdn.data[0] & FQDN_S ? FQDN_O : 0;
    }
    *ret_name = name;
    return true;
}

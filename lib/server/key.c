#include "server/key.h"

enum {
    KEY_SIZE = 16,
    ITEM_SIZE = 4 + KEY_SIZE
};

static struct span key_found(const struct decide_input *input)
{
    for (unsigned i = 0; i < input->message->ia_count; i++) {
        for (unsigned k = 0; k < input->found->count[i]; k++) {
            const struct lease *lease = &input->found->entries[input->found->first[i] + k].lease;
            struct span item = lease_info_find(lease->info, LEASE_INFO_RECONFIGURE_KEY);

            if (item.size == ITEM_SIZE) {
                return item;
            }
        }
    }
    return (struct span){NULL, 0};
}

/* RFC 9915 20.4.1 names the exchanges in which a key is chosen. */
static bool key_wanted(const struct decide_input *input)
{
    const struct policy_link *link = &input->policy->links[input->link];
    const struct dhcp6_message *message = input->message;

    return link->reconfigure_key && message->reconf_accept &&
           (message->type == DHCP6_REQUEST ||
            (message->type == DHCP6_SOLICIT && message->rapid_commit && link->rapid_commit));
}

static void key_make(struct key_source *source, sec_t now, uint8_t *item)
{
    wire_set_u32(item, now);
    for (unsigned i = 0; i < KEY_SIZE / 8; i++) {
        source->counter++;
        wire_set_u64(item + 4 + 8u * i,
                     siphash(source->seed, &source->counter, sizeof(source->counter)));
    }
}

size_t key_append(struct key_source *source, const struct decide_input *input, uint8_t *info,
                  size_t info_size, size_t info_max, struct span *ret_new)
{
    struct wire_out out = {info + info_size, info + info_max, false};
    struct span item = key_found(input);
    uint8_t made[ITEM_SIZE];
    bool is_new = item.size == 0 && key_wanted(input);

    *ret_new = (struct span){NULL, 0};
    if (is_new) {
        key_make(source, input->now, made);
        item = (struct span){made, sizeof(made)};
    }
    if (item.size == 0 || !lease_info_add(&out, LEASE_INFO_RECONFIGURE_KEY, item)) {
        return info_size;
    }
    if (is_new) {
        *ret_new = (struct span){out.at - KEY_SIZE, KEY_SIZE};
    }
    return (size_t)(out.at - info);
}

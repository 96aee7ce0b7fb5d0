#include "observe/audit.h"

struct audit {
    uint64_t count;
    unsigned kept;
    struct audit_entry entries[];
};

int audit_new(unsigned kept, struct audit **ret_audit)
{
    struct audit *audit;

    T6_ASSERT(kept > 0);
    audit = calloc(1, sizeof(*audit) + kept * sizeof(audit->entries[0]));
    if (audit == NULL) {
        return -ENOMEM;
    }
    audit->kept = kept;
    *ret_audit = audit;
    return 0;
}

void audit_free(struct audit *audit)
{
    free(audit);
}

const struct audit_entry *audit_add(struct audit *audit, const struct audit_entry *entry)
{
    struct audit_entry *place = &audit->entries[audit->count % audit->kept];

    *place = *entry;
    place->seq = ++audit->count;
    return place;
}

const struct audit_entry *audit_get(const struct audit *audit, unsigned index)
{
    if (index >= audit->kept || index >= audit->count) {
        return NULL;
    }
    return &audit->entries[(audit->count - 1 - index) % audit->kept];
}

uint64_t audit_count(const struct audit *audit)
{
    return audit->count;
}

/* The ring of audited calls. */
#include "check.h"
#include "observe/audit.h"

static void ring(void)
{
    struct audit_entry entry = {.time = 1};
    struct audit *audit;

    CHECK_EQ(audit_new(4, &audit), 0);
    CHECK(audit_get(audit, 0) == NULL);
    CHECK_EQ(audit_count(audit), 0);
    for (unsigned i = 1; i <= 10; i++) {
        entry.time = i;
        entry.seq = 99; /* the ring's to give */
        (void)snprintf(entry.who, sizeof(entry.who), "uid %u", i);
        CHECK_EQ(audit_add(audit, &entry)->seq, i);
        CHECK_EQ(audit_get(audit, 0)->time, i);
        for (unsigned back = 0; back < 6; back++) {
            const struct audit_entry *kept = audit_get(audit, back);

            CHECK((kept != NULL) == (back < 4 && back < i));
            CHECK(kept == NULL || kept->seq == i - back);
        }
    }
    CHECK_STR(audit_get(audit, 3)->who, "uid 7");
    CHECK_EQ(audit_count(audit), 10);
    audit_free(audit);
    audit_free(NULL);
}

static const struct check_test tests[] = {{"ring", ring}};

CHECK_MAIN(tests)

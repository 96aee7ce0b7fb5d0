#include "coverage.h"

#include <stdio.h>

/* Only the primary ever enters CONFLICT-DONE (RFC 8156 8.12). */
static bool is_unreachable(unsigned role, unsigned own)
{
    return role == FO_SECONDARY && own == FO_CONFLICT_DONE;
}

static unsigned states_print(const struct coverage *coverage)
{
    unsigned missing = 0, reached = 0;

    for (unsigned role = 0; role < 2; role++) {
        for (unsigned own = FO_NORMAL; own < FO_SERVER_STATE_COUNT; own++) {
            for (unsigned partner = FO_NORMAL; partner < FO_SERVER_STATE_COUNT; partner++) {
                if (coverage->states[role][own][partner]) {
                    reached++;
                } else if (!is_unreachable(role, own)) {
                    missing++;
                    printf("not reached: %s in %s, partner in %s\n", role ? "secondary" : "primary",
                           fo_state_name(own), fo_state_name(partner));
                }
            }
        }
    }
    printf("state table: %u cells reached, %u not\n", reached, missing);
    return missing;
}

static unsigned updates_print(const struct coverage *coverage)
{
    unsigned missing = 0, reached = 0;

    for (unsigned own = BINDING_ACTIVE; own < BINDING_STATUS_COUNT; own++) {
        for (unsigned their = BINDING_ACTIVE; their < BINDING_STATUS_COUNT; their++) {
            const uint32_t *orders = coverage->updates.reached[own][their];

            if (own == BINDING_PENDING_FREE || their == BINDING_PENDING_FREE) {
                continue; /* transient, never stored and never sent */
            }
            if (orders[0] + orders[1] + orders[2]) {
                reached++;
            } else {
                missing++;
                printf("not reached: own %s, received %s\n", binding_status_name(own),
                       binding_status_name(their));
            }
        }
    }
    printf("decision table: %u cells reached, %u not\n", reached, missing);
    return missing;
}

unsigned coverage_print(const struct coverage *coverage)
{
    unsigned missing = states_print(coverage);

    return missing + updates_print(coverage);
}

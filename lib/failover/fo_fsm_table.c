/* The state table (RFC 8156 8.4-8.12, Figure 6; facts C.5 with F.9-F.14 and F.32-F.37) as data. */
#include <assert.h>

#include "failover/fo_fsm.h"

/* Next state by role. */
struct cell {
    uint8_t primary, secondary;
};

/* clang-format off */
#define N   {FO_NORMAL, FO_NORMAL}
#define CI  {FO_COMMUNICATIONS_INTERRUPTED, FO_COMMUNICATIONS_INTERRUPTED}
#define PD  {FO_PARTNER_DOWN, FO_PARTNER_DOWN}
#define PC  {FO_POTENTIAL_CONFLICT, FO_POTENTIAL_CONFLICT}
#define RW  {FO_RECOVER_WAIT, FO_RECOVER_WAIT}
#define RD  {FO_RECOVER_DONE, FO_RECOVER_DONE}
#define RI  {FO_RESOLUTION_INTERRUPTED, FO_RESOLUTION_INTERRUPTED}
#define PC1 {FO_POTENTIAL_CONFLICT, 0} /* primary only: two primaries, or the last step of Fig. 9 */
#define CDN {FO_CONFLICT_DONE, FO_NORMAL}
#define __  {0, 0}

/* One row per own state; STARTUP has none, its algorithm (8.3.2) ends in another state. Stays where
 * the facts say "=". RECOVER sends its request from the state itself, not by a transition. The
 * row of RECOVER-WAIT meeting POTENTIAL-CONFLICT is F.36: the conflict can be resolved at once, and
 * what the wait protects is kept by fo_record.hold_until_s. CONFLICT-DONE exists on a primary only.
 * The operator is also obeyed in RECOVER-DONE when alone, else nobody ever serves again if the
 * partner dies then; before that only by force, as own leases may be unknown. */
static const struct cell table[FO_SERVER_STATE_COUNT][FO_COLUMN_COUNT] = {
    /*                                 down S   N   CI  PD  PC  R   RW  RD  RI  CD  UPD  OP  OPA FRC AUTO STALL TIMER */
    [FO_NORMAL]                     = {CI,  __, __, __, PC, PC, CI, CI, __, PC, PC1, __, PD, PD, PD, __, CI,  __},
    [FO_COMMUNICATIONS_INTERRUPTED] = {__,  __, N,  N,  PC, PC, __, __, N,  PC, PC, __,  PD, PD, PD, PD, __,  __},
    [FO_PARTNER_DOWN]               = {__,  __, PC, PC, PC, PC, __, __, N,  PC, PC, __,  __, __, __, __, __,  __},
    [FO_POTENTIAL_CONFLICT]         = {RI,  __, __, __, __, __, __, __, __, __, __, CDN, __, PD, PD, __, __,  __},
    [FO_RECOVER]                    = {__,  __, __, __, __, PC, __, __, __, PC, PC, RW,  __, __, PD, __, __,  __},
    [FO_RECOVER_WAIT]               = {__,  __, __, __, __, PC, __, __, __, __, __, __,  __, __, PD, __, __,  RD},
    [FO_RECOVER_DONE]               = {__,  __, N,  __, __, PC, CI, CI, N,  __, PC, __,  __, PD, PD, __, __,  __},
    [FO_RESOLUTION_INTERRUPTED]     = {__,  __, PC, PC, PC, PC, PC, PC, PC, PC, PC, __,  PD, PD, PD, __, __,  __},
    [FO_CONFLICT_DONE]              = {__,  __, N,  __, PC, __, __, __, __, __, __, __,  PD, PD, PD, __, __,  __},
};
/* clang-format on */

static_assert(FO_COLUMN_DOWN == 0 && FO_STARTUP == 1 && FO_CONFLICT_DONE == 10 &&
                  FO_COLUMN_UPDDONE == 11 && FO_COLUMN_COUNT == 18,
              "the rows are written in this order");

uint8_t fo_fsm_next(enum fo_role role, enum fo_server_state own, enum fo_column column)
{
    if ((unsigned)own >= FO_SERVER_STATE_COUNT || (unsigned)column >= FO_COLUMN_COUNT) {
        return 0;
    }
    return role == FO_PRIMARY ? table[own][column].primary : table[own][column].secondary;
}

const char *fo_cause_text(enum fo_cause cause)
{
    static const char *const texts[FO_CAUSE_COUNT] = {
#define FO_CAUSE_TEXT(name, text) text,
        FO_CAUSES(FO_CAUSE_TEXT)
#undef FO_CAUSE_TEXT
    };

    return (unsigned)cause < FO_CAUSE_COUNT ? texts[cause] : "unknown";
}

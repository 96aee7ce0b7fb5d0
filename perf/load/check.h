/* Judges one answer against what its client asked and holds. Changes nothing. Any thread. */
#ifndef LOAD_CHECK_H
#define LOAD_CHECK_H

#include "answer.h"
#include "crowd.h"
#include "message.h"

enum verdict {
#define VERDICT(name, wrong, text) VERDICT_##name,
#include "verdict.def"
#undef VERDICT
    VERDICT_COUNT,
};

struct verdict_row {
    const char *name;
    bool wrong;
    const char *text;
};

extern const struct verdict_row verdict_rows[VERDICT_COUNT];

/* Whose answer it is, by the relay's peer-address or, from clients on the wire, by the DUID. False:
 * *ret_verdict says why it is nobody's. */
bool check_owner(const struct settings *settings, const struct answer *answer, uint32_t *ret_number,
                 enum verdict *ret_verdict);

/* What an answer is judged by. Pointers and spans are borrowed. */
struct check_context {
    const struct settings *settings;
    const struct client *client;
    uint32_t number;       /* the client's */
    struct span server_id; /* of the server it deals with */
    unsigned relay;        /* the answer came to */
};

/* *ret_leases is written when the verdict is good or changed and the answer has leases. Duplicates
 * are found when they are claimed (crowd.h). */
enum verdict check_answer(const struct check_context *context, const struct answer *answer,
                          struct leases *ret_leases);

#endif

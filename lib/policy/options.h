/* A set of options being encoded: what options.c and option_typed.c share. Private to lib/policy.
 */
#ifndef POLICY_OPTIONS_H
#define POLICY_OPTIONS_H

#include "policy/internal.h"

enum {
    SCRATCH_SIZE = 8192,    /* all options of one set */
    OPTION_SIZE_MAX = 1200, /* all TLVs of one code: more than that fits no answer */
    SET_OPTIONS_MAX = 9 + 16 + 8 + 16 + OPTIONS_CUSTOM_MAX, /* as the table limits them */
};

/* A set being built. TLVs of a code written several times need not be neighbours here. */
struct option_build {
    struct reader *reader;
    struct wire_out out;
    struct policy_option options[SET_OPTIONS_MAX];
    unsigned count;
    uint8_t scratch[SCRATCH_SIZE];
};

/* A valid name as labels with the root label behind (RFC 1035 3.1). */
void option_name_write(struct wire_out *out, const char *name);

/* The data that members "type" and "value" of the object at base tell. */
int option_typed_write(struct option_build *build, const json_t *object,
                       const char *base) MUST_CHECK;

#endif

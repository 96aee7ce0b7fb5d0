#include "base/counter.h"

#include <stddef.h>

const struct counter_row counter_table[COUNTER_COUNT] = {
#define COUNTER(name, group, help) [COUNTER_##name] = {#name, #group, help},
#include "base/counter.def"
#undef COUNTER
};

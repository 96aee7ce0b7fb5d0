/* Between the trace methods and the text of their steps. */
#ifndef SERVER_METHODS_TRACE_H
#define SERVER_METHODS_TRACE_H

#include "server/methods_internal.h"
#include "server/trace.h"

/* What a step says, without number, time and octets (trace_text.c). New reference. */
json_t *trace_step_json(const struct trace_step *step);
/* The octets of its frame as hex. New reference. */
json_t *trace_octets_json(const struct trace_step *step);

#endif

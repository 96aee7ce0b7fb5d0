/* key=value arguments as the parameters of a method. */
#ifndef TANDEM6CTL_PARAMS_H
#define TANDEM6CTL_PARAMS_H

#include <jansson.h>

enum {
    PARAMS_DEPTH_MAX = 8,
    PARAMS_ERROR_MAX = 256
};

/* a.b=c becomes {"a":{"b":"c"}}. A value that is JSON is taken as such (5, true, [1,2], "5"),
 * anything else is a string. NULL with *ret_error (PARAMS_ERROR_MAX octets) when an argument makes
 * no sense; an empty object for no arguments. New reference. */
json_t *params_parse(int argc, char **argv, char *ret_error);

#endif

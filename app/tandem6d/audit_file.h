/* The audit log on disk: state_dir/audit.log, a line of JSON for each entry. At AUDIT_FILE_MAX it
 * becomes audit.log.1, in place of an older one. Control core only. */
#ifndef TANDEM6D_AUDIT_FILE_H
#define TANDEM6D_AUDIT_FILE_H

#include "base/err.h"

struct audit_file;

enum {
    AUDIT_FILE_MAX = 16 << 20
};

/* Mode 0600: parameters may name customers. */
int audit_file_open(const char *state_dir, struct audit_file **ret_file) MUST_CHECK;
void audit_file_close(struct audit_file *file);

/* A whole line or nothing. 0 or a negative errno; later lines are tried again. */
int audit_file_append(struct audit_file *file, const char *line) MUST_CHECK;

#endif

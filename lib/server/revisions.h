/* The configurations in force, newest last, with who made them: bounded in number and octets.
 * Control core only. */
#ifndef SERVER_REVISIONS_H
#define SERVER_REVISIONS_H

#include <jansson.h>

#include "base/err.h"
#include "base/units.h"

enum {
    REVISIONS_MAX = 32,
    REVISIONS_OCTETS_MAX = 64 << 20, /* of all texts; the newest two stay in any case */
    REVISIONS_WHO_MAX = 64,
    REVISIONS_COMMENT_MAX = 200,
};

struct revision {
    uint64_t number; /* from 1 */
    sec_t time;
    char who[REVISIONS_WHO_MAX];
    char comment[REVISIONS_COMMENT_MAX + 1];
    uint64_t digest; /* of the meaning, not of spaces and order */
    char *text;
};

struct revisions {
    struct revision rows[REVISIONS_MAX]; /* oldest first */
    unsigned count;
};

/* Equal configurations have equal digests, however they are spaced and ordered. Not a secret and no
 * protection against forgery. False: no JSON, or no memory. */
bool revisions_digest(const json_t *config, uint64_t *ret_digest);

/* Adds one as the newest, numbered behind the last one; copies the text. NULL: no memory. */
const struct revision *revisions_add(struct revisions *revisions, const struct revision *revision);
void revisions_done(struct revisions *revisions);

/* NULL: none. */
const struct revision *revisions_newest(const struct revisions *revisions);
const struct revision *revisions_find(const struct revisions *revisions, uint64_t number);

/* All of it as JSON text, malloced, and back. What is no history of ours reads as an empty one. */
char *revisions_write(const struct revisions *revisions);
void revisions_read(const char *text, struct revisions *ret_revisions);

#endif

#include "server/revisions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"

bool revisions_digest(const json_t *config, uint64_t *ret_digest)
{
    struct siphash_key key = {0x74616e64656d3601ULL, 0x636f6e6669670000ULL};
    char *text = json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS);

    if (text) {
        *ret_digest = siphash(key, text, strlen(text));
    }
    free(text);
    return text != NULL;
}

static void oldest_drop(struct revisions *revisions)
{
    free(revisions->rows[0].text);
    revisions->count--;
    memmove(revisions->rows, revisions->rows + 1, revisions->count * sizeof(revisions->rows[0]));
}

static size_t octets(const struct revisions *revisions)
{
    size_t sum = 0;

    for (unsigned i = 0; i < revisions->count; i++) {
        sum += strlen(revisions->rows[i].text);
    }
    return sum;
}

static const struct revision *row_add(struct revisions *revisions, const struct revision *revision)
{
    char *text = strdup(revision->text);
    struct revision *row;

    if (text == NULL) {
        return NULL;
    }
    if (revisions->count == REVISIONS_MAX) {
        oldest_drop(revisions);
    }
    row = &revisions->rows[revisions->count++];
    *row = *revision;
    row->text = text;
    while (revisions->count > 2 && octets(revisions) > REVISIONS_OCTETS_MAX) {
        oldest_drop(revisions);
    }
    return &revisions->rows[revisions->count - 1];
}

const struct revision *revisions_add(struct revisions *revisions, const struct revision *revision)
{
    const struct revision *newest = revisions_newest(revisions);
    struct revision next = *revision;

    next.number = newest ? newest->number + 1 : 1;
    return row_add(revisions, &next);
}

void revisions_done(struct revisions *revisions)
{
    while (revisions->count > 0) {
        oldest_drop(revisions);
    }
}

const struct revision *revisions_newest(const struct revisions *revisions)
{
    return revisions->count ? &revisions->rows[revisions->count - 1] : NULL;
}

const struct revision *revisions_find(const struct revisions *revisions, uint64_t number)
{
    for (unsigned i = 0; i < revisions->count; i++) {
        if (revisions->rows[i].number == number) {
            return &revisions->rows[i];
        }
    }
    return NULL;
}

static json_t *revision_json(const struct revision *row)
{
    return json_pack("{s:I, s:I, s:s, s:s, s:s}", "revision", (json_int_t)row->number, "time",
                     (json_int_t)row->time, "who", row->who, "comment", row->comment, "text",
                     row->text);
}

char *revisions_write(const struct revisions *revisions)
{
    json_t *rows = json_array(), *whole;
    char *text;

    for (unsigned i = 0; i < revisions->count; i++) {
        (void)json_array_append_new(rows, revision_json(&revisions->rows[i]));
    }
    whole = json_pack("{s:o}", "revisions", rows);
    text = whole ? json_dumps(whole, JSON_INDENT(1)) : NULL;
    json_decref(whole);
    return text;
}

static bool revision_read(json_t *json, struct revision *ret_revision)
{
    json_int_t number, time;
    const char *who, *comment, *text;
    json_t *config;
    bool read;

    if (json_unpack(json, "{s:I, s:I, s:s, s:s, s:s}", "revision", &number, "time", &time, "who",
                    &who, "comment", &comment, "text", &text) ||
        number < 1) {
        return false;
    }
    *ret_revision = (struct revision){.number = (uint64_t)number, .time = (sec_t)time};
    (void)snprintf(ret_revision->who, sizeof(ret_revision->who), "%s", who);
    (void)snprintf(ret_revision->comment, sizeof(ret_revision->comment), "%s", comment);
    ret_revision->text = (char *)(uintptr_t)text; /* of json, copied by row_add */
    config = json_loads(text, 0, NULL);
    read = config && revisions_digest(config, &ret_revision->digest);
    json_decref(config);
    return read;
}

void revisions_read(const char *text, struct revisions *ret_revisions)
{
    json_t *whole = json_loads(text, 0, NULL), *row;
    uint64_t last = 0;
    size_t index;

    *ret_revisions = (struct revisions){.count = 0};
    json_array_foreach(json_object_get(whole, "revisions"), index, row)
    {
        struct revision revision;

        if (revision_read(row, &revision) && revision.number > last) {
            last = revision.number;
            (void)row_add(ret_revisions, &revision);
        }
    }
    json_decref(whole);
}

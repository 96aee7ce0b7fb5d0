/* The reference manual of the configuration file, generated from the table. Objects are told in the
 * order in which the table first comes to them; one that occurs several times is told once.
 * Control core only. */
#include <string.h>

#include "policy/internal.h"

enum {
    SECTIONS_MAX = 64
};

struct section {
    char path[160]; /* "links[].pools[]" */
    const struct field *table;
    const char *help;
};

struct manual {
    struct section sections[SECTIONS_MAX];
    unsigned count;
};

/* The object table under a row and how its path goes on; NULL when there is none. */
static const struct field *table_of(const struct field *row, const char **ret_suffix)
{
    *ret_suffix = "";
    if (row->type == FIELD_ARRAY || row->type == FIELD_MAP) {
        *ret_suffix = row->type == FIELD_ARRAY ? "[]" : "{}";
        row = row->children;
    }
    return row->type == FIELD_OBJECT ? row->children : NULL;
}

/* The section of a table, made when it is new. */
static const struct section *section_of(struct manual *manual, const struct section *parent,
                                        const struct field *row)
{
    const char *suffix;
    const struct field *table = table_of(row, &suffix);
    struct section *section;

    for (unsigned i = 0; i < manual->count; i++) {
        if (manual->sections[i].table == table) {
            return &manual->sections[i];
        }
    }
    T6_ASSERT(manual->count < SECTIONS_MAX);
    section = &manual->sections[manual->count++];
    section->table = table;
    section->help = row->help;
    (void)snprintf(section->path, sizeof(section->path), "%.100s%s%.50s%s", parent->path,
                   parent->path[0] ? "." : "", row->name, suffix);
    return section;
}

static const char *type_name(const struct field *row)
{
    static const char *const names[FIELD_TYPE_COUNT] = {
        [FIELD_BOOL] = "boolean",    [FIELD_INTEGER] = "integer", [FIELD_STRING] = "string",
        [FIELD_ADDRESS] = "address", [FIELD_PREFIX] = "prefix",   [FIELD_RANGE] = "range",
        [FIELD_NAME] = "DNS name",   [FIELD_HEX] = "hex",         [FIELD_OCTETS] = "hex or text",
        [FIELD_OBJECT] = "object",   [FIELD_ARRAY] = "array",     [FIELD_MAP] = "map",
        [FIELD_ANY] = "any",
    };

    return names[row->type];
}

static void row_write(FILE *out, struct manual *manual, const struct section *section,
                      const struct field *row)
{
    const char *suffix;
    char describe[256], item[256];

    field_describe(row, describe, sizeof(describe));
    (void)fprintf(out, "| `%s` | %s%s | ", row->name, type_name(row),
                  row->nullable ? " or null" : "");
    if (row->required) {
        (void)fputs("required", out);
    } else if (row->fallback) {
        (void)fprintf(out, "`%s`", row->fallback);
    } else {
        (void)fputs("none", out);
    }
    (void)fprintf(out, " | %s", describe);
    if (row->type == FIELD_ARRAY && row->children->type != FIELD_OBJECT) {
        field_describe(row->children, item, sizeof(item));
        (void)fprintf(out, ", each %s", item);
    }
    (void)fprintf(out, " | %s", row->help ? row->help : "");
    if (table_of(row, &suffix)) {
        (void)fprintf(out, " See `%s` below.", section_of(manual, section, row)->path);
    }
    (void)fputs(" |\n", out);
}

int config_reference_write(FILE *out)
{
    struct manual manual = {.count = 1};

    manual.sections[0] = (struct section){.table = schema_root};
    (void)fputs(
        "# Configuration reference\n\n"
        "One JSON file. Unknown keys and double ones are errors. Every mistake is told as\n"
        "`FILE:line: /json/pointer: what is wrong and what would be right`. Units stand last in\n"
        "names. This page is generated from the table that checks the file.\n\n"
        "`lifetimes`, `rapid_commit`, `reconfigure_key`, `preference`, `decline_s` and `options` "
        "at top level are "
        "the\n"
        "defaults of all links; a link's own options take the place of those of the same code.\n"
        "Options of a reservation come before those of the client's classes, these before the\n"
        "link's.\n\n",
        out);
    for (unsigned i = 0; i < manual.count; i++) {
        const struct section *section = &manual.sections[i];

        if (i == 0) {
            (void)fputs("## Top level\n\n", out);
        } else {
            (void)fprintf(out, "\n## `%s`\n\n%s\n\n", section->path, section->help);
        }
        (void)fputs("| key | type | default | range | meaning |\n|---|---|---|---|---|\n", out);
        for (const struct field *row = section->table; row->type != FIELD_END; row++) {
            row_write(out, &manual, section, row);
        }
    }
    return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}

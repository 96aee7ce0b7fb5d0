/* Lists of JSON objects as aligned columns for people. */
#ifndef TANDEM6CTL_TABLE_H
#define TANDEM6CTL_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

enum {
    TABLE_COLUMNS_MAX = 16,
    TABLE_CELL_MAX = 160
};

struct table_column {
    const char *member; /* of each row object; NULL ends a table's columns */
    const char *title;
    bool right; /* numbers */
};

/* Prints rows (an array of objects); a column that no row fills is left out. */
void table_print(FILE *out, const struct table_column *columns, const json_t *rows);

/* A value as people read it: no quotes, "-" for nothing. Never more than buf_size - 1 octets, and
 * no control characters. */
void table_cell(const json_t *value, char *buf, size_t buf_size);

/* Seconds as "3d 4h", "12m 5s". */
void table_duration(json_int_t seconds, char *buf, size_t buf_size);

#endif

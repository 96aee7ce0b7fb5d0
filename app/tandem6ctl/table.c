#include "table.h"

#include <stdlib.h>
#include <string.h>

void table_cell(const json_t *value, char *buf, size_t buf_size)
{
    char *dump;

    if (value == NULL || json_is_null(value)) {
        (void)snprintf(buf, buf_size, "-");
    } else if (json_is_string(value)) {
        (void)snprintf(buf, buf_size, "%s", json_string_value(value));
    } else if (json_is_boolean(value)) {
        (void)snprintf(buf, buf_size, "%s", json_is_true(value) ? "yes" : "no");
    } else {
        dump = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        (void)snprintf(buf, buf_size, "%s", dump ? dump : "?");
        free(dump);
    }
    for (char *p = buf; *p; p++) { /* a terminal must not obey what a client chose */
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
}

void table_duration(json_int_t seconds, char *buf, size_t buf_size)
{
    if (seconds >= 86400) {
        (void)snprintf(buf, buf_size, "%" JSON_INTEGER_FORMAT "d %" JSON_INTEGER_FORMAT "h",
                       seconds / 86400, seconds % 86400 / 3600);
    } else if (seconds >= 3600) {
        (void)snprintf(buf, buf_size, "%" JSON_INTEGER_FORMAT "h %" JSON_INTEGER_FORMAT "m",
                       seconds / 3600, seconds % 3600 / 60);
    } else if (seconds >= 60) {
        (void)snprintf(buf, buf_size, "%" JSON_INTEGER_FORMAT "m %" JSON_INTEGER_FORMAT "s",
                       seconds / 60, seconds % 60);
    } else {
        (void)snprintf(buf, buf_size, "%" JSON_INTEGER_FORMAT "s", seconds);
    }
}

/* Columns on a terminal; UTF-8 continuation octets take none. */
static int text_width(const char *text)
{
    int width = 0;

    for (; *text; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

static void cell_print(FILE *out, const char *text, int width, bool right, bool last)
{
    int pad = width - text_width(text);

    if (right) {
        (void)fprintf(out, "%*s%s", pad, "", text);
    } else {
        (void)fprintf(out, "%s%*s", text, last ? 0 : pad, "");
    }
    (void)fputs(last ? "\n" : "  ", out);
}

/* Width of the column, 0 when no row fills it. */
static int column_width(const struct table_column *column, const json_t *rows)
{
    char text[TABLE_CELL_MAX];
    bool filled = false;
    int width = text_width(column->title);
    size_t index;
    json_t *row;

    json_array_foreach(rows, index, row)
    {
        const json_t *value = json_object_get(row, column->member);

        filled = filled || (value && !json_is_null(value));
        table_cell(value, text, sizeof(text));
        width = text_width(text) > width ? text_width(text) : width;
    }
    return filled ? width : 0;
}

void table_print(FILE *out, const struct table_column *columns, const json_t *rows)
{
    int widths[TABLE_COLUMNS_MAX] = {0}, last = -1;
    char text[TABLE_CELL_MAX];
    size_t index;
    json_t *row;

    for (int i = 0; i < TABLE_COLUMNS_MAX && columns[i].member; i++) {
        widths[i] = column_width(&columns[i], rows);
        last = widths[i] ? i : last;
    }
    for (int i = 0; i <= last; i++) {
        if (widths[i]) {
            cell_print(out, columns[i].title, widths[i], columns[i].right, i == last);
        }
    }
    json_array_foreach(rows, index, row)
    {
        for (int i = 0; i <= last; i++) {
            if (widths[i]) {
                table_cell(json_object_get(row, columns[i].member), text, sizeof(text));
                cell_print(out, text, widths[i], columns[i].right, i == last);
            }
        }
    }
}

/* Finds the line of a JSON pointer in the text it came from, and the pointer of a position, since
 * Jansson keeps neither. Walks the text once, without recursion; wrong syntax ends the walk.
 * Called on mistakes only, on the control core. */
#include <string.h>

#include "policy/internal.h"

enum {
    DEPTH_MAX = 32, /* deeper values count as their parents; our own tables are 7 deep */
    WALK_KEY_MAX = 128
};

struct level {
    bool object;
    unsigned index;  /* of the array item we are in */
    const char *key; /* raw text of the member we are in */
    size_t key_size;
};

struct walk {
    const char *text;
    size_t size, offset;
    unsigned line;
    unsigned depth; /* may exceed DEPTH_MAX */
    struct level levels[DEPTH_MAX];
    bool expect_key;
    char pending; /* bracket that was told as a value and is still to be opened */
};

/* The token a level adds to the pointer, escaped (RFC 6901 3). */
static void level_token(const struct level *level, char *buf, size_t buf_size)
{
    size_t len = 0;

    if (!level->object) {
        (void)snprintf(buf, buf_size, "%u", level->index);
        return;
    }
    for (size_t i = 0; i < level->key_size && len + 3 < buf_size; i++) {
        char c = level->key[i];

        if (c == '~' || c == '/') {
            buf[len++] = '~';
            c = c == '~' ? '0' : '1';
        }
        buf[len++] = c;
    }
    buf[len] = 0;
}

/* Skips the string that begins at offset; returns its inner size. */
static size_t string_skip(struct walk *walk)
{
    size_t begin = ++walk->offset, end;

    while (walk->offset < walk->size && walk->text[walk->offset] != '"' &&
           walk->text[walk->offset] != '\n') {
        walk->offset += walk->text[walk->offset] == '\\' ? 2 : 1;
    }
    end = walk->offset < walk->size ? walk->offset : walk->size;
    walk->offset = end < walk->size && walk->text[end] == '"' ? end + 1 : end;
    return end - begin;
}

static void level_open(struct walk *walk, bool object)
{
    if (walk->depth < DEPTH_MAX) {
        walk->levels[walk->depth] = (struct level){.object = object};
    }
    walk->depth++;
    walk->expect_key = object;
}

static void comma(struct walk *walk)
{
    struct level *level =
        walk->depth > 0 && walk->depth <= DEPTH_MAX ? &walk->levels[walk->depth - 1] : NULL;

    if (level && level->object) {
        walk->expect_key = true;
        level->key_size = 0;
    } else if (level) {
        level->index++;
    }
}

/* Goes on to the next place where a pointer may change. ret_value: a value begins here. False at
 * the end of the text. */
static bool walk_next(struct walk *walk, bool *ret_value)
{
    char c;

    *ret_value = false;
    if (walk->pending) {
        level_open(walk, walk->pending == '{');
        walk->pending = 0;
    }
    if (walk->offset >= walk->size) {
        return false;
    }
    c = walk->text[walk->offset];
    if (c == '"') {
        size_t begin = walk->offset + 1, size = string_skip(walk);

        *ret_value = true;
        if (walk->expect_key && walk->depth <= DEPTH_MAX && walk->depth > 0) {
            walk->levels[walk->depth - 1].key = walk->text + begin;
            walk->levels[walk->depth - 1].key_size = size;
        }
        walk->expect_key = false;
        return true;
    }
    walk->offset++;
    if (c == '\n') {
        walk->line++;
    } else if (c == '{' || c == '[') {
        walk->pending = c; /* the container's own place counts before its first item's */
        *ret_value = true;
    } else if (c == '}' || c == ']') {
        walk->depth -= walk->depth > 0;
        walk->expect_key = false;
    } else if (c == ',') {
        comma(walk);
    } else {
        *ret_value = c != ' ' && c != '\t' && c != '\r' && c != ':';
    }
    return true;
}

/* How many tokens of the pointer the walk's place shares; all of its own levels must. */
static unsigned tokens_matched(const struct walk *walk, const char *pointer)
{
    unsigned depth = walk->depth < DEPTH_MAX ? walk->depth : DEPTH_MAX;

    for (unsigned i = 0; i < depth; i++) {
        char token[WALK_KEY_MAX];
        size_t size;

        level_token(&walk->levels[i], token, sizeof(token));
        size = strlen(token);
        if (*pointer != '/' || strncmp(pointer + 1, token, size) != 0 ||
            (pointer[1 + size] != 0 && pointer[1 + size] != '/')) {
            return i;
        }
        pointer += 1 + size;
    }
    return depth;
}

unsigned locate_line(const char *text, size_t size, const char *pointer)
{
    struct walk walk = {.text = text, .size = size, .line = 1};
    unsigned best_line = 1, best = 0;
    bool value;

    while (walk_next(&walk, &value)) {
        unsigned matched;

        matched = value ? tokens_matched(&walk, pointer) : 0;
        if (matched > best) {
            best = matched;
            best_line = walk.line;
        }
    }
    return best_line;
}

void locate_pointer(const char *text, size_t size, size_t offset, struct pointer *ret_pointer)
{
    struct walk walk = {.text = text, .size = size < offset ? size : offset, .line = 1};
    struct pointer pointer = {{0}};
    size_t len = 0;
    bool value;

    while (walk_next(&walk, &value)) {
    }
    for (unsigned i = 0; i < walk.depth && i < DEPTH_MAX; i++) {
        char token[WALK_KEY_MAX];
        int added;

        level_token(&walk.levels[i], token, sizeof(token));
        if (token[0] == 0) {
            break;
        }
        added = snprintf(pointer.text + len, sizeof(pointer.text) - len, "/%s", token);
        if (added < 0 || (size_t)added >= sizeof(pointer.text) - len) {
            break;
        }
        len += (size_t)added;
    }
    *ret_pointer = pointer;
}

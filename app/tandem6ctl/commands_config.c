/* config and test: look at the configuration, change it, go back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "table.h"

enum {
    FILE_MAX = 900 << 10, /* configuration file that fits a request with room for its escapes */
    STEPS_MAX = 100000,   /* of a count of leases */
};

static int show(struct session *session);
static int test(struct session *session);
static int apply(struct session *session);
static int diff(struct session *session);
static int history(struct session *session);
static int rollback(struct session *session);
static int confirm(struct session *session);
static int save(struct session *session);
static int help(struct session *session);

static const struct {
    const char *name, *arguments;
    int arguments_min, arguments_max;
    int (*run)(struct session *session); /* sees the arguments behind the name */
    const char *help;
} rows[] = {
    {"get", "[/JSON/POINTER]", 0, 1, show, "the configuration in force, or a part"},
    {"test", "FILE", 1, 1, test, "mistakes, what needs a restart, whose leases would be stranded"},
    {"apply", "[FILE] [accept=NAME,...] [comment=TEXT] [confirm=SECONDS]", 0, 4, apply,
     "put FILE to use, or the server's own file read again; confirm: go back unless confirmed"},
    {"diff", "[FILE | A B]", 0, 2, diff,
     "what FILE, or the server's own file, would change; or revision B against A"},
    {"history", "", 0, 0, history, "what was in force, when and by whom"},
    {"rollback", "[REVISION] [accept=NAME,...] [comment=TEXT]", 0, 3, rollback,
     "go back to a revision, else to the one before the last change"},
    {"confirm", "REVISION", 1, 1, confirm, "keep what was applied with confirm="},
    {"save", "", 0, 0, save, "write the configuration in force to the server's file"},
    {"help", "", 0, 0, help, "this list"},
};

/* The file as a string, malloced; NULL after telling why not. */
static char *file_read(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = malloc(FILE_MAX + 1);
    size_t size = 0;
    bool whole = false;

    if (file && text) {
        size = fread(text, 1, FILE_MAX + 1, file);
        whole = !ferror(file) && size <= FILE_MAX;
    }
    if (whole) {
        text[size] = '\0';
    } else {
        (void)fprintf(stderr, "tandem6ctl: %s: %s\n", path,
                      size > FILE_MAX ? "longer than one request; use tandem6d -c FILE --check"
                                      : strerror(errno));
        free(text);
        text = NULL;
    }
    if (file) {
        (void)fclose(file);
    }
    return text;
}

static void mistakes_print(const char *file, const char *level, const json_t *mistakes)
{
    size_t index;
    json_t *row;

    json_array_foreach(mistakes, index, row)
    {
        (void)printf("%s:%s: %s%s: %s\n", file, session_text(row, "line"), level,
                     session_text(row, "path"), session_text(row, "text"));
    }
}

int command_config(struct session *session)
{
    const char *name = session->argc ? session->argv[0] : "get";

    if (name[0] == '/') {
        return show(session);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            session->argc -= session->argc ? 1 : 0;
            session->argv++;
            if (session->argc >= rows[i].arguments_min && session->argc <= rows[i].arguments_max) {
                return rows[i].run(session);
            }
            (void)fprintf(stderr, "usage: tandem6ctl config %s %s\n", name, rows[i].arguments);
            return EXIT_USAGE;
        }
    }
    (void)fprintf(stderr,
                  "tandem6ctl: config has no \"%s\"\n  \"tandem6ctl config help\" lists what it "
                  "has\n",
                  name);
    return EXIT_USAGE;
}

int command_test(struct session *session)
{
    return test(session);
}

static int help(struct session *session)
{
    (void)session;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)printf("config %s %s\n    %s\n", rows[i].name, rows[i].arguments, rows[i].help);
    }
    (void)printf("--dry-run: apply and rollback only tell what would happen\n");
    return EXIT_OK;
}

static int show(struct session *session)
{
    json_t *params = session->argc ? json_pack("{s:s}", "path", session->argv[0]) : NULL, *result;
    int code = session_result(session, "config.get", params, &result);

    if (result) {
        json_print(json_object_get(result, "config"));
        json_decref(result);
    }
    return code;
}

/* The file as parameters; NULL after telling why not. */
static json_t *file_params(const char *path)
{
    char *text = file_read(path);
    json_t *params = text ? json_pack("{s:s, s:s}", "text", text, "name", path) : NULL;

    if (text && params == NULL) {
        (void)fprintf(stderr, "tandem6ctl: %s: not UTF-8 text\n", path);
    }
    free(text);
    return params;
}

/* Repeats a call until the server has done all of it. params: taken. */
static int call_whole(struct session *session, const char *method, const char *part, json_t *params,
                      json_t **ret_result)
{
    int code = EXIT_OK;

    *ret_result = NULL;
    for (unsigned i = 0; i < STEPS_MAX && code == EXIT_OK; i++) {
        const json_t *effect;

        json_decref(*ret_result);
        *ret_result = NULL;
        code = session_call(session, method, json_deep_copy(params), ret_result);
        effect = part ? json_object_get(*ret_result, part) : *ret_result;
        if (!json_is_false(json_object_get(effect, "complete"))) {
            break;
        }
    }
    json_decref(params);
    return code;
}

static void effect_print(const json_t *effect)
{
    static const struct table_column columns[] = {{"pool", "STRANDED IN POOL", false},
                                                  {"link", "LINK", false},
                                                  {"gone", "NO PLACE", true},
                                                  {"moved", "OTHER LINK", true},
                                                  {0}};
    const json_t *reasons = json_object_get(effect, "restart_needed");
    const json_t *stranded = json_object_get(effect, "stranded");

    if (json_array_size(reasons)) {
        (void)printf("needs a restart for %s\n", session_text(effect, "restart_needed"));
    }
    if (json_array_size(stranded)) {
        table_print(stdout, columns, stranded);
    }
    if (json_is_false(json_object_get(effect, "changes"))) {
        (void)printf("changes nothing\n");
    }
}

static int test(struct session *session)
{
    const char *path = session->argv[0];
    json_t *params = file_params(path), *result;
    bool valid;
    int code;

    if (params == NULL) {
        return EXIT_USAGE;
    }
    code = call_whole(session, "config.test", "effect", params, &result);
    if (code != EXIT_OK) {
        return code;
    }
    valid = json_is_true(json_object_get(result, "valid"));
    if (session->json) {
        json_print(result);
    } else {
        mistakes_print(path, "", json_object_get(result, "errors"));
        mistakes_print(path, "warning: ", json_object_get(result, "warnings"));
        effect_print(json_object_get(result, "effect"));
        (void)printf("%s: %s\n", path, valid ? "valid" : "not valid, the server keeps its own");
    }
    json_decref(result);
    return valid ? EXIT_OK : EXIT_SERVER;
}

/* accept=a,b as an array; others as text, confirm as a number. False: no such argument. */
static bool wish_add(json_t *params, const char *at)
{
    const char *value = strchr(at, '=');
    json_t *names;

    if (strncmp(at, "accept=", 7) == 0) {
        names = json_array();
        for (value++; *value;) {
            size_t size = strcspn(value, ",");

            (void)json_array_append_new(names, json_stringn(value, size));
            value += size + (value[size] == ',');
        }
        return json_object_set_new(params, "accept", names) == 0;
    }
    if (strncmp(at, "comment=", 8) == 0) {
        return json_object_set_new(params, "comment", json_string(value + 1)) == 0;
    }
    return strncmp(at, "confirm=", 8) == 0 &&
           json_object_set_new(params, "confirm_within_s", json_integer(atoll(value + 1))) == 0;
}

/* Applies or goes back, with the wishes from argument first on. params: taken. */
static int change(struct session *session, const char *method, json_t *params, int first)
{
    json_t *result;
    int code;

    for (int i = first; params && i < session->argc; i++) {
        if (!wish_add(params, session->argv[i])) {
            (void)fprintf(stderr, "tandem6ctl: %s: want accept=, comment= or confirm=\n",
                          session->argv[i]);
            json_decref(params);
            params = NULL;
        }
    }
    if (params == NULL) {
        return EXIT_USAGE;
    }
    if (session->dry_run) {
        (void)json_object_set_new(params, "dry_run", json_true());
    }
    code = call_whole(session, method, NULL, params, &result);
    if (code != EXIT_OK) {
        return code;
    }
    if (session->json) {
        json_print(result);
    } else {
        mistakes_print("configuration", "warning: ", json_object_get(result, "warnings"));
        effect_print(result);
        (void)printf("%s: revision %s is in force\n",
                     json_is_true(json_object_get(result, "applied")) ? "applied" : "not applied",
                     session_text(result, "revision"));
        if (json_is_string(json_object_get(result, "confirm_until"))) {
            (void)printf("goes back at %s: \"tandem6ctl config confirm %s\" keeps it\n",
                         session_text(result, "confirm_until"), session_text(result, "revision"));
        }
    }
    json_decref(result);
    return EXIT_OK;
}

static int apply(struct session *session)
{
    bool has_file = session->argc && strchr(session->argv[0], '=') == NULL;
    json_t *params = has_file ? file_params(session->argv[0]) : json_pack("{s:b}", "file", 1);

    return change(session, "config.apply", params, has_file);
}

/* A revision's number, or 0. */
static json_int_t number_read(const char *text)
{
    char *end;
    json_int_t number = strtoll(text, &end, 10);

    return *end == '\0' && number > 0 ? number : 0;
}

static int rollback(struct session *session)
{
    bool has_number = session->argc && number_read(session->argv[0]);

    return change(session, "config.rollback",
                  has_number ? json_pack("{s:I}", "revision", number_read(session->argv[0]))
                             : json_object(),
                  has_number);
}

static int diff(struct session *session)
{
    static const struct table_column columns[] = {
        {"op", "CHANGE", false}, {"path", "AT", false}, {"value", "VALUE", false}, {0}};
    json_t *params = session->argc == 2
                         ? json_pack("{s:I, s:I}", "a", number_read(session->argv[0]), "b",
                                     number_read(session->argv[1]))
                     : session->argc ? file_params(session->argv[0])
                                     : json_pack("{s:b}", "file", 1);
    json_t *result;
    int code;

    if (params == NULL) {
        return EXIT_USAGE;
    }
    (void)json_object_del(params, "name");
    code = session_result(session, "config.diff", params, &result);
    if (result) {
        if (json_is_true(json_object_get(result, "equal"))) {
            (void)printf("no difference\n");
        } else {
            table_print(stdout, columns, json_object_get(result, "patch"));
        }
        json_decref(result);
    }
    return code;
}

static int history(struct session *session)
{
    static const struct table_column columns[] = {
        {"revision", "REVISION", true}, {"time", "SINCE", false},      {"who", "WHO", false},
        {"in_force", "NOW", false},     {"comment", "COMMENT", false}, {0}};
    json_t *result;
    int code = session_result(session, "config.history", NULL, &result);

    if (result) {
        table_print(stdout, columns, json_object_get(result, "revisions"));
        json_decref(result);
    }
    return code;
}

static int confirm(struct session *session)
{
    json_t *result;
    int code =
        session_result(session, "config.confirm",
                       json_pack("{s:I}", "revision", number_read(session->argv[0])), &result);

    if (result) {
        (void)printf("revision %s stays\n", session_text(result, "revision"));
        json_decref(result);
    }
    return code;
}

static int save(struct session *session)
{
    json_t *result;
    int code = call_whole(session, "config.save", NULL, json_object(), &result);

    if (code == EXIT_OK && session->json) {
        json_print(result);
    } else if (code == EXIT_OK) {
        (void)printf("%s: revision %s\n", session_text(result, "path"),
                     session_text(result, "revision"));
    }
    json_decref(result);
    return code;
}

/* Calling any method, and telling people what went wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "params.h"
#include "table.h"

/* What to do about an error; the codes are the management interface's (rpc.discover lists them). */
static const struct {
    json_int_t code;
    const char *advice;
} advices[] = {
    {-32601, "\"tandem6ctl methods\" lists what this server can do"},
    {-32602, "\"tandem6ctl METHOD --help\" shows the parameters"},
    {-32001, "run it as root or as the server's own user"},
    {-32005, "ask for less: limit=100, or fewer fields"},
    {-32006, "begin again without cursor"},
    {-32603, "see the server's log"},
    {-32004, "\"tandem6ctl failover explain\" tells what the server waits for, \"tandem6ctl lease "
             "ADDRESS\" the state of a lease"},
    {-32007, "\"tandem6ctl status\" tells what is wrong with the disk"},
    {1002,
     "\"tandem6ctl reservation.list\" and \"tandem6ctl leases duid=DUID\" tell what is there"},
    {1004, "\"tandem6ctl lease ADDRESS\" tells who has it"},
    {1005, "ask the partner's server; \"tandem6ctl failover\" tells both shares"},
    {1007,
     "\"tandem6ctl pools\" lists the pools, \"tandem6ctl reservation.list\" what is reserved"},
    {1006, "\"tandem6ctl failover explain\" tells how the partner is and what to do"},
    {1011, "\"tandem6ctl partner-down --dry-run\" tells what it brings; then add --confirm NAME"},
    {1003, "somebody else was faster: \"tandem6ctl config history\" tells who"},
    {1009, "\"tandem6ctl test FILE\" tells every mistake with its line"},
    {1010, "\"tandem6ctl config test FILE\" tells what needs a restart and what would be stranded"},
    {1001, "\"tandem6ctl leases\" lists leases, \"tandem6ctl config\" shows the configuration"},
};

void json_print(const json_t *json)
{
    (void)json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    (void)putchar('\n');
}

static void refusal_print(const json_t *error)
{
    json_int_t code = json_integer_value(json_object_get(error, "code"));
    const json_t *param = json_object_get(json_object_get(error, "data"), "param");
    char message[TABLE_CELL_MAX * 2], at[TABLE_CELL_MAX] = "";

    table_cell(json_object_get(error, "message"), message, sizeof(message));
    if (param) {
        table_cell(param, at, sizeof(at));
    }
    (void)fprintf(stderr, "tandem6ctl: %s%s%s (%" JSON_INTEGER_FORMAT ")\n", at, at[0] ? ": " : "",
                  message, code);
    for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
        if (advices[i].code == code) {
            (void)fprintf(stderr, "  %s\n", advices[i].advice);
        }
    }
}

int session_call(struct session *session, const char *method, json_t *params, json_t **ret_result)
{
    json_t *json = NULL;
    enum client_outcome outcome = client_call(&session->client, method, params, &json);

    switch (outcome) {
    case CLIENT_OK:
        *ret_result = json;
        return EXIT_OK;
    case CLIENT_REFUSED:
        if (session->json) {
            json_t *whole = json_pack("{s:O}", "error", json);

            json_print(whole);
            json_decref(whole);
        }
        refusal_print(json);
        json_decref(json);
        return EXIT_SERVER;
    case CLIENT_UNREACHABLE:
        break;
    }
    (void)fprintf(stderr, "tandem6ctl: %s\n", session->client.error);
    return EXIT_UNREACHABLE;
}

int session_result(struct session *session, const char *method, json_t *params, json_t **ret_result)
{
    json_t *result;
    int code = session_call(session, method, params, &result);

    *ret_result = NULL;
    if (code != EXIT_OK) {
        return code;
    }
    if (session->json) {
        json_print(result);
        json_decref(result);
    } else {
        *ret_result = result;
    }
    return EXIT_OK;
}

const char *session_text(const json_t *object, const char *member)
{
    static char texts[8][SESSION_TEXT_MAX];
    static unsigned next;
    char *text = texts[next++ % 8];

    table_cell(json_object_get(object, member), text, SESSION_TEXT_MAX);
    return text;
}

int command_method(struct session *session, const char *method)
{
    char error[PARAMS_ERROR_MAX];
    json_t *params = params_parse(session->argc, session->argv, error), *result;
    int code;

    if (params == NULL) {
        (void)fprintf(stderr, "tandem6ctl: %s\n  \"tandem6ctl %s --help\" shows the parameters\n",
                      error, method);
        return EXIT_USAGE;
    }
    code = session_call(session, method, params, &result);
    if (code == EXIT_OK) {
        json_print(result);
        json_decref(result);
    }
    return code;
}

int command_methods(struct session *session)
{
    static const struct table_column columns[] = {
        {"name", "METHOD", false}, {"x-role", "ROLE", false}, {"summary", "", false}, {0}};
    json_t *document;
    int code = session_call(session, "rpc.discover", NULL, &document);

    if (code == EXIT_OK) {
        if (session->json) {
            json_print(document);
        } else {
            table_print(stdout, columns, json_object_get(document, "methods"));
        }
        json_decref(document);
    }
    return code;
}

/* One word for a parameter's schema. */
static void schema_word(const json_t *schema, char *buf, size_t buf_size)
{
    const json_t *choices = json_object_get(schema, "enum");

    table_cell(choices ? choices : json_object_get(schema, "type"), buf, buf_size);
}

static void params_print(const json_t *params)
{
    char type[TABLE_CELL_MAX], name[TABLE_CELL_MAX], text[TABLE_CELL_MAX];
    size_t index;
    json_t *param, *member;
    const char *key;

    json_array_foreach(params, index, param)
    {
        const json_t *schema = json_object_get(param, "schema");

        table_cell(json_object_get(param, "name"), name, sizeof(name));
        table_cell(json_object_get(param, "description"), text, sizeof(text));
        schema_word(schema, type, sizeof(type));
        (void)printf("  %s=%s%s  %s\n", name, type,
                     json_is_true(json_object_get(param, "required")) ? " (required)" : "", text);
        json_object_foreach(json_object_get(schema, "properties"), key, member)
        {
            schema_word(member, type, sizeof(type));
            table_cell(json_object_get(member, "description"), text, sizeof(text));
            (void)printf("    %s.%s=%s  %s\n", name, key, type, text);
        }
    }
}

int command_method_help(struct session *session, const char *method)
{
    char summary[TABLE_CELL_MAX], result[TABLE_CELL_MAX * 4];
    json_t *document, *row;
    size_t index;
    bool found = false;
    int code = session_call(session, "rpc.discover", NULL, &document);

    if (code != EXIT_OK) {
        return code;
    }
    json_array_foreach(json_object_get(document, "methods"), index, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));

        if (name && strcmp(name, method) == 0 && session->json) {
            found = true;
            json_print(row);
        } else if (name && strcmp(name, method) == 0) {
            found = true;
            table_cell(json_object_get(row, "summary"), summary, sizeof(summary));
            table_cell(json_object_get(json_object_get(row, "result"), "description"), result,
                       sizeof(result));
            (void)printf("tandem6ctl %s [key=value...]\n%s\n", method, summary);
            params_print(json_object_get(row, "params"));
            (void)printf("Result: %s\n", result);
        }
    }
    json_decref(document);
    if (!found) {
        (void)fprintf(stderr,
                      "tandem6ctl: the server has no method %s\n  \"tandem6ctl methods\" "
                      "lists them\n",
                      method);
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

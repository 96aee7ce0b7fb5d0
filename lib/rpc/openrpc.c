/* rpc.discover: the method table as an OpenRPC document (spec.open-rpc.org, 1.3.2). Role and
 * mutability go into extension members, as the specification allows for "x-" names. */
#include "rpc/jsonrpc.h"

/* One content descriptor per parameter, its schema taken from the table's. */
static json_t *params_json(const struct field *table)
{
    json_t *list = json_array();
    json_t *schema = table ? field_schema(table) : NULL;
    const json_t *properties = json_object_get(schema, "properties");

    for (const struct field *field = table; field && field->type != FIELD_END; field++) {
        json_t *of_field = json_object_get(properties, field->name);

        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:b, s:o}", "name", field->name, "description",
                            field->help ? field->help : "", "required", (int)field->required,
                            "schema", of_field ? json_incref(of_field) : json_object()));
    }
    json_decref(schema);
    return list;
}

static json_t *method_json(const struct jsonrpc_method *method)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:{s:s, s:s, s:{s:s}}, s:s, s:b}", "name", method->name,
                     "summary", method->summary, "paramStructure", "by-name", "params",
                     params_json(method->params), "result", "name", "result", "description",
                     method->result, "schema", "type", "object", "x-role",
                     jsonrpc_role_name(method->role), "x-mutates", (int)method->mutates);
}

static json_t *errors_json(void)
{
    json_t *errors = json_object();

    for (const struct jsonrpc_error_row *row = jsonrpc_errors; row->name; row++) {
        (void)json_object_set_new(errors, row->name,
                                  json_pack("{s:i, s:s}", "code", row->code, "message", row->text));
    }
    return errors;
}

int jsonrpc_discover(struct jsonrpc_call *call)
{
    json_t *methods = json_array();

    for (const struct jsonrpc_method *const *group = call->rpc->groups; *group; group++) {
        for (const struct jsonrpc_method *method = *group; method->name; method++) {
            (void)json_array_append_new(methods, method_json(method));
        }
    }
    call->result = json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:o}}", "openrpc", "1.3.2", "info",
                             "title", call->rpc->title, "version", call->rpc->version, "methods",
                             methods, "components", "errors", errors_json());
    return 0;
}

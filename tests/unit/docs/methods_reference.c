/* Prints docs/management.md: every method of the management interface, from the very table that
 * serves them. No server is needed. Called by scripts/docs. */
#include <stdio.h>
#include <string.h>

#include "server/methods.h"

static const char *const intro =
    "# Management methods\n"
    "\n"
    "JSON-RPC 2.0 on the Unix socket of `management.socket`: a request is one line of JSON, its\n"
    "answer is one line. The same over HTTP at `management.listen`: `POST /rpc` with Content-Type\n"
    "application/json. Parameters are named, never positional. Unknown parameters are errors.\n"
    "`tandem6ctl METHOD key=value...` calls any of these; `rpc.discover` tells the same as an\n"
    "OpenRPC document. Numbers above 2^53 are written as decimal text, times as\n"
    "2026-11-23T18:00:00Z, octets as hex digits. This page is generated from the table of "
    "methods.\n"
    "\n"
    "Roles: on the socket, root and the server's own user hold all of them, anybody else whom its\n"
    "mode lets in holds `view`; so does who comes by HTTP from this host where no certificates "
    "are\n"
    "asked for. `management.access` gives more to users, groups and client certificates. A\n"
    "certificate that no row names holds none. Every call of a method whose role is not `view` "
    "goes\n"
    "to the audit log, state_dir/audit.log.\n"
    "\n"
    "What changes leases is answered once it is on stable storage; a batch, once all of it is. A\n"
    "connection's next request waits meanwhile, other connections do not.\n"
    "\n"
    "Also over HTTP, by GET:\n"
    "\n"
    "| path | answer |\n"
    "|---|---|\n"
    "| `/healthz` | 200 and \"serving\", or 503 and what is the matter; for everybody |\n"
    "| `/metrics` | all metrics for Prometheus, see metrics.md |\n"
    "| `/leases` | leases, one line of JSON each, as many as there are; filter members and "
    "`fields` "
    "of `lease.list` as query: `/leases?link=olt-17&state=active&fields=address,prefix,duid` |\n"
    "| `/events` | server-sent events as they come; `topics`, filter members and `from_seq` of "
    "`events.subscribe` as query: `/events?topics=lease,alarm&link=olt-17`. A caller that comes "
    "back with Last-Event-ID gets what it missed, or an event `gap` that says what is lost |\n";

/* A parameter's members are rows of their own, indented by their place ("filter.duid"). */
static void field_print(const struct field *row, const char *parent)
{
    char range[FIELD_TEXT_MAX];

    field_describe(row, range, sizeof(range));
    printf("| `%s%s%s` | %s | %s | %s |\n", parent ? parent : "", parent ? "." : "", row->name,
           row->required ? "yes" : "no", range, row->help ? row->help : "");
}

static void params_print(const struct field *table)
{
    if (table == NULL || table->type == FIELD_END) {
        printf("No parameters.\n");
        return;
    }
    printf("| parameter | required | value | meaning |\n|---|---|---|---|\n");
    for (const struct field *row = table; row->type != FIELD_END; row++) {
        field_print(row, NULL);
        if (row->type != FIELD_OBJECT) {
            continue;
        }
        for (const struct field *child = row->children; child && child->type != FIELD_END;
             child++) {
            field_print(child, row->name);
        }
    }
}

static void method_print(const struct jsonrpc_method *method)
{
    printf("\n## `%s`\n\n%s\n\nRole `%s`%s.\n\n", method->name, method->summary,
           jsonrpc_role_name(method->role), method->mutates ? "; changes something" : "");
    params_print(method->params);
    printf("\nResult: %s\n", method->result);
}

static void errors_print(void)
{
    printf("\n## Errors\n\n| code | name | meaning |\n|---|---|---|\n");
    for (const struct jsonrpc_error_row *row = jsonrpc_errors; row->name; row++) {
        printf("| %d | `%s` | %s |\n", row->code, row->name, row->text);
    }
}

int main(void)
{
    fputs(intro, stdout);
    printf("\nInterface version %s.\n", METHODS_API_VERSION);
    for (const struct jsonrpc_method *const *group = methods_table; *group; group++) {
        for (const struct jsonrpc_method *method = *group; method->name; method++) {
            method_print(method);
        }
    }
    errors_print();
    return fflush(stdout) != 0 || ferror(stdout);
}

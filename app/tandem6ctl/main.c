/* tandem6ctl: the command-line client. Knows the few readable commands; everything else it learns
 * from the server (rpc.discover). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "options.h"

/* The whole help: what we know, and what the server knows if there is one. */
static int help_print(struct session *session)
{
    json_t *document;

    options_usage(stdout);
    (void)printf("\nmethods of %s\n", session->client.socket_path);
    (void)fflush(stdout);
    if (client_call(&session->client, "rpc.discover", NULL, &document) == CLIENT_OK) {
        size_t index;
        json_t *row;

        json_array_foreach(json_object_get(document, "methods"), index, row)
        {
            const char *name = json_string_value(json_object_get(row, "name"));
            const char *summary = json_string_value(json_object_get(row, "summary"));

            (void)printf("  %-20s %s\n", name ? name : "?", summary ? summary : "");
        }
        json_decref(document);
    } else {
        (void)printf("  not known: %s\n",
                     session->client.error[0] ? session->client.error : "the server refused");
    }
    return EXIT_OK;
}

static int command_run(struct session *session, const char *name, bool help)
{
    for (const struct command *command = commands; command->name; command++) {
        if (strcmp(command->name, name) != 0) {
            continue;
        }
        if (help) {
            (void)printf("usage: tandem6ctl %s %s\n  %s\n", name, command->arguments,
                         command->help);
            return EXIT_OK;
        }
        if (session->argc < command->arguments_min || session->argc > command->arguments_max) {
            (void)fprintf(stderr, "usage: tandem6ctl %s %s\n", name, command->arguments);
            return EXIT_USAGE;
        }
        return command->run(session);
    }
    if (strchr(name, '.') == NULL) {
        (void)fprintf(stderr,
                      "tandem6ctl: no command \"%s\"\n  \"tandem6ctl --help\" lists them; "
                      "a method looks like server.status\n",
                      name);
        return EXIT_USAGE;
    }
    return help ? command_method_help(session, name) : command_method(session, name);
}

int main(int argc, char **argv)
{
    const char *from_environment = getenv("TANDEM6_SOCKET");
    struct wishes wishes = {.socket_path = from_environment && from_environment[0]
                                               ? from_environment
                                               : CLIENT_SOCKET_DEFAULT};
    struct session session = {0};
    int code;

    if (!options_parse(argc, argv, &wishes)) {
        (void)fprintf(stderr, "  \"tandem6ctl --help\" shows what there is\n");
        return EXIT_USAGE;
    }
    if (wishes.version) {
        (void)printf("tandem6ctl %s\n", TANDEM6_VERSION);
        return EXIT_OK;
    }
    if (wishes.completion) {
        return options_completion(wishes.completion, stdout) ? EXIT_OK : EXIT_USAGE;
    }
    client_init(&session.client, wishes.socket_path);
    session.json = wishes.json;
    session.confirm = wishes.confirm;
    session.dry_run = wishes.dry_run;
    session.pcap = wishes.pcap;
    if (optind == argc && wishes.help) {
        code = help_print(&session);
    } else if (optind == argc) {
        options_usage(stderr);
        code = EXIT_USAGE;
    } else {
        session.argc = argc - optind - 1;
        session.argv = argv + optind + 1;
        code = command_run(&session, argv[optind], wishes.help);
    }
    client_done(&session.client);
    if (fflush(stdout) || ferror(stdout)) {
        return code == EXIT_OK ? EXIT_SERVER : code;
    }
    return code;
}

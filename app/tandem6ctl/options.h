/* The options of the command line: one row each, for reading them, for the help and for the shell.
 */
#ifndef TANDEM6CTL_OPTIONS_H
#define TANDEM6CTL_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

/* What the command line asks for besides the command. */
struct wishes {
    const char *socket_path, *confirm, *completion, *pcap;
    bool json, help, version, dry_run;
};

/* Reads the options; optind is then the command. False after telling what is wrong. */
bool options_parse(int argc, char **argv, struct wishes *ret_wishes);

/* The help: commands, options, exit status. */
void options_usage(FILE *out);

/* What makes the shell complete commands, options, methods and their parameters; the server is
 * asked for the last two while one types. False for shells we do not know. */
bool options_completion(const char *shell, FILE *out);

#endif

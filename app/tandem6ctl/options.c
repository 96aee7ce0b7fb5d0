#include "options.h"

#include <getopt.h>
#include <string.h>

#include "commands.h"

struct option_row {
    const char *name, *argument; /* argument: NULL for none */
    char letter;
    const char *help;
};

static const struct option_row rows[] = {
    {"socket", "PATH", 's',
     "the server's socket, else $TANDEM6_SOCKET, else " CLIENT_SOCKET_DEFAULT},
    {"json", NULL, 'j', "answers as JSON"},
    {"dry-run", NULL, 'n', "partner-down: only tell what it would bring"},
    {"confirm", "NAME", 'c', "partner-down: yes, of this relationship"},
    {"pcap", "FILE", 'p', "trace: the packets into this capture file"},
    {"completion", "SHELL", 'C', "print what makes the shell complete words (bash)"},
    {"help", NULL, 'h', "this text, or that of the command or method"},
    {"version", NULL, 'V', "version of this program"},
};

enum {
    ROW_COUNT = sizeof(rows) / sizeof(rows[0])
};

static void option_set(struct wishes *wishes, int letter)
{
    switch (letter) {
    case 's':
        wishes->socket_path = optarg;
        break;
    case 'j':
        wishes->json = true;
        break;
    case 'n':
        wishes->dry_run = true;
        break;
    case 'c':
        wishes->confirm = optarg;
        break;
    case 'p':
        wishes->pcap = optarg;
        break;
    case 'C':
        wishes->completion = optarg;
        break;
    case 'h':
        wishes->help = true;
        break;
    case 'V':
        wishes->version = true;
        break;
    default:
        break;
    }
}

bool options_parse(int argc, char **argv, struct wishes *ret_wishes)
{
    struct option options[ROW_COUNT + 1] = {0};
    char letters[2 * ROW_COUNT + 1];
    size_t size = 0;
    int letter;

    for (size_t i = 0; i < ROW_COUNT; i++) {
        options[i] = (struct option){
            rows[i].name, rows[i].argument ? required_argument : no_argument, NULL, rows[i].letter};
        letters[size++] = rows[i].letter;
        if (rows[i].argument) {
            letters[size++] = ':';
        }
    }
    letters[size] = '\0';
    while ((letter = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        if (letter == '?') {
            return false;
        }
        option_set(ret_wishes, letter);
    }
    return true;
}

void options_usage(FILE *out)
{
    (void)fputs(
        "usage: tandem6ctl [--socket PATH] [--json] COMMAND [argument...]\n"
        "       tandem6ctl [--socket PATH] METHOD [key=value...]\n"
        "       tandem6ctl METHOD --help\n"
        "\n"
        "A value that is JSON is sent as such, anything else as a string; a.b=c sets a nested "
        "member.\n"
        "\ncommands\n",
        out);
    for (const struct command *command = commands; command->name; command++) {
        (void)fprintf(out, "  %-12s %-26s %s\n", command->name, command->arguments, command->help);
    }
    (void)fputs("\noptions\n", out);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "--%s %s", rows[i].name,
                       rows[i].argument ? rows[i].argument : "");
        (void)fprintf(out, "  -%c, %-18s %s\n", rows[i].letter, name, rows[i].help);
    }
    (void)fputs("\nexit status: 0 done, 1 the server says no, 2 usage, 3 no connection\n", out);
}

bool options_completion(const char *shell, FILE *out)
{
    static const char body[] =
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word i method= "
        "ask\n"
        "    ask=(tandem6ctl)\n"
        "    # bash makes words of their own of = and :, so what is being typed is put together "
        "again\n"
        "    if declare -F _get_comp_words_by_ref >/dev/null; then\n"
        "        _get_comp_words_by_ref -n =: cur\n"
        "    fi\n"
        "    case $prev in\n"
        "    -s | --socket | -p | --pcap) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
        "    -C | --completion) COMPREPLY=($(compgen -W bash -- \"$cur\")); return ;;\n"
        "    test) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
        "    esac\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        word=${COMP_WORDS[i]}\n"
        "        case $word in\n"
        "        -s | --socket) ask+=(--socket \"${COMP_WORDS[i+1]}\"); i=$((i + 1)) ;;\n"
        "        -c | --confirm | -p | --pcap) i=$((i + 1)) ;;\n"
        "        -*) ;;\n"
        "        *) method=$word; break ;;\n"
        "        esac\n"
        "    done\n"
        "    if [[ $cur == -* ]]; then\n"
        "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
        "    elif [[ -z $method ]]; then\n"
        "        [[ $cur == *.* ]] && commands=$(\"${ask[@]}\" methods 2>/dev/null | "
        "sed -n 's/^\\([a-z_]*\\.[a-z_]*\\) .*/\\1/p')\n"
        "        COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\"))\n"
        "    elif [[ $method == *.* && $cur != *=* ]]; then\n"
        "        compopt -o nospace\n"
        "        COMPREPLY=($(compgen -W \"$(\"${ask[@]}\" \"$method\" --help 2>/dev/null | "
        "sed -n 's/^  *\\([a-z_.]*=\\).*/\\1/p')\" -- \"$cur\"))\n"
        "    elif [[ $method == failover ]]; then\n"
        "        COMPREPLY=($(compgen -W \"explain conflicts\" -- \"$cur\"))\n"
        "    fi\n"
        "}\n"
        "complete -F _tandem6ctl tandem6ctl\n";

    if (strcmp(shell, "bash") != 0) {
        (void)fprintf(stderr, "tandem6ctl: no completion for %s\n  bash is what there is\n", shell);
        return false;
    }
    (void)fputs("# Completion of tandem6ctl: source <(tandem6ctl --completion bash)\n"
                "_tandem6ctl() {\n"
                "    local commands=\"",
                out);
    for (const struct command *command = commands; command->name; command++) {
        (void)fprintf(out, "%s%s", command == commands ? "" : " ", command->name);
    }
    (void)fputs("\" options=\"", out);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        (void)fprintf(out, "%s--%s", i ? " " : "", rows[i].name);
    }
    (void)fputs("\"\n", out);
    (void)fputs(body, out);
    return true;
}

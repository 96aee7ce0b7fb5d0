#include "settings.h"

#include <arpa/inet.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"

enum option_kind {
    OPTION_FLAG,    /* bool */
    OPTION_COUNT,   /* uint32_t or unsigned, 0 .. max */
    OPTION_REAL,    /* double, 0 .. max */
    OPTION_TEXT,    /* const char * */
    OPTION_SPECIAL, /* see special_read */
    OPTION_HELP,
};

struct option_row {
    const char *name;     /* behind "--" */
    const char *argument; /* NULL: takes none */
    enum option_kind kind;
    size_t offset;
    double max;
    const char *help;
};

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct option_row option_rows[] = {
    {"server", "ADDRESS", OPTION_SPECIAL, 0, 0, "where relays send to; up to 4 times, each message goes to all (ff05::1:3)"},
    {"relay", "ADDRESS", OPTION_SPECIAL, 0, 0, "a relay's address on this machine; up to 16 times, clients are spread over them"},
    {"link-address", "ADDRESS", OPTION_SPECIAL, 0, 0, "link-address in RELAY-FORW, if not the relay's own"},
    {"direct", NULL, OPTION_FLAG, AT(direct), 0, "no relay: clients on the wire behind one link-local address (needs --interface)"},
    {"interface", "NAME", OPTION_TEXT, AT(interface), 0, "for multicast and link-local addresses"},
    {"remote-id", NULL, OPTION_FLAG, AT(remote_id), 0, "relays add a Remote-ID for each client"},
    {"port", "DEVICE", OPTION_TEXT, AT(device), 0, "frames on a DPDK device, as net_af_packet0,iface=eth1, instead of UDP sockets"},
    {"server-mac", "MAC", OPTION_SPECIAL, 0, 0, "with --port: where frames go, if not to be asked for"},
    {"clients", "N", OPTION_COUNT, AT(client_count), 100e6, "how many there are (1000)"},
    {"first-client", "N", OPTION_COUNT, AT(first_client), UINT32_MAX, "number of the first; a number is an identity (0)"},
    {"na", NULL, OPTION_FLAG, AT(na), 0, "clients ask for an address (if neither is said)"},
    {"pd", NULL, OPTION_FLAG, AT(pd), 0, "clients ask for a prefix"},
    {"mix", "LIST", OPTION_SPECIAL, 0, 0, "what is done, by weight: new, rapid, renew, rebind, release, reboot (new=1)"},
    {"rate", "R", OPTION_REAL, AT(rate), 1e9, "open loop: exchanges started per second, whatever comes back"},
    {"window", "N", OPTION_COUNT, AT(window), 100e6, "closed loop: exchanges under way at any time (64)"},
    {"avalanche", NULL, OPTION_FLAG, AT(avalanche), 0, "all clients start within a second and repeat until they have leases"},
    {"once", NULL, OPTION_FLAG, AT(once), 0, "each client does one exchange; the run ends with the last"},
    {"duration", "S", OPTION_REAL, AT(duration_s), 1e9, "seconds until nothing is started any more (10)"},
    {"drain", "S", OPTION_REAL, AT(drain_s), 1e6, "seconds then granted to what is under way (2)"},
    {"tries", "N", OPTION_COUNT, AT(tries), 255, "transmissions of a message; 0: as RFC 9915 says (0)"},
    {"renew-tries", "N", OPTION_COUNT, AT(renew_tries), 255, "transmissions of RENEW before REBIND (2)"},
    {"backoff-scale", "F", OPTION_REAL, AT(backoff_scale), 1000, "factor of all RFC 9915 times (1)"},
    {"collect-ms", "MS", OPTION_COUNT, AT(collect_ms), 60000, "how long ADVERTISEs are collected for the best preference; 0: take the first (0)"},
    {"valid-min", "S", OPTION_COUNT, AT(valid_min_s), UINT32_MAX, "shortest valid lifetime that is right (1)"},
    {"valid-max", "S", OPTION_COUNT, AT(valid_max_s), UINT32_MAX, "longest (4294967295)"},
    {"load", "FILE", OPTION_TEXT, AT(load_path), 0, "clients begin with the leases saved there"},
    {"save", "FILE", OPTION_TEXT, AT(save_path), 0, "leases are saved there at the end"},
    {"seed", "N", OPTION_SPECIAL, 0, 0, "of all random choices (1)"},
    {"quiet", NULL, OPTION_FLAG, AT(quiet), 0, "no progress lines"},
    {"help", NULL, OPTION_HELP, 0, 0, "this text"},
};

/* clang-format on */

enum {
    OPTION_ROWS = sizeof(option_rows) / sizeof(option_rows[0]),
};

static const char *const op_names[OP_COUNT] = {
    [OP_NEW] = "new",       [OP_RAPID] = "rapid",     [OP_RENEW] = "renew",
    [OP_REBIND] = "rebind", [OP_RELEASE] = "release", [OP_REBOOT] = "reboot",
};

const char *settings_op_name(enum op op)
{
    return op_names[op];
}

static void help_print(void)
{
    printf("tandem6load: DHCPv6 clients and relays by the million, whose answers are checked.\n\n"
           "usage: tandem6load --relay ADDRESS [--server ADDRESS]... [options]\n\n");
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        char left[40];

        (void)snprintf(left, sizeof(left), "--%s %s", option_rows[i].name,
                       option_rows[i].argument ? option_rows[i].argument : "");
        printf("  %-24s %s\n", left, option_rows[i].help);
    }
    printf(
        "\nOne progress line a second goes to standard error, the result as one line of JSON to\n"
        "standard output. Exit status: 0 all answers were right, 1 some were wrong, 2 it could\n"
        "not run. SIGINT ends a run early, with its result.\n");
}

static int complain(const char *what, const char *value, const char *why)
{
    fprintf(stderr, "tandem6load: --%s %s: %s\n", what, value, why);
    return -EINVAL;
}

static bool address_read(const char *text, struct ip6 *ret_address)
{
    struct in6_addr in;

    if (inet_pton(AF_INET6, text, &in) != 1) {
        return false;
    }
    *ret_address = wire_get_ip6(in.s6_addr);
    return true;
}

static bool number_read(const char *text, double max, double *ret_number)
{
    char *end;
    double number = strtod(text, &end);

    if (end == text || *end || !isfinite(number) || number < 0 || number > max) {
        return false;
    }
    *ret_number = number;
    return true;
}

/* NAME[=WEIGHT] of the mix. */
static bool mix_item_read(struct settings *settings, const char *item)
{
    size_t size = strcspn(item, "=");
    double weight = 1;

    if (item[size] == '=' && !number_read(item + size + 1, 1e6, &weight)) {
        return false;
    }
    for (unsigned op = 0; op < OP_COUNT; op++) {
        if (strlen(op_names[op]) == size && strncmp(op_names[op], item, size) == 0) {
            settings->weights[op] = (unsigned)weight;
            return true;
        }
    }
    return false;
}

static bool mix_read(struct settings *settings, const char *text)
{
    char copy[256], *rest = copy, *item;

    if (strlen(text) >= sizeof(copy)) {
        return false;
    }
    memset(settings->weights, 0, sizeof(settings->weights));
    memcpy(copy, text, strlen(text) + 1);
    while ((item = strsep(&rest, ",")) != NULL) {
        if (!mix_item_read(settings, item)) {
            return false;
        }
    }
    return true;
}

static bool mac_read(const char *text, uint8_t *ret_mac)
{
    unsigned octets[6];
    char rest;

    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &octets[0], &octets[1], &octets[2], &octets[3],
               &octets[4], &octets[5], &rest) != 6) {
        return false;
    }
    for (unsigned i = 0; i < 6; i++) {
        ret_mac[i] = (uint8_t)octets[i];
    }
    return true;
}

static bool seed_read(const char *text, uint64_t *ret_seed)
{
    char *end;

    *ret_seed = strtoull(text, &end, 0);
    return end != text && *end == '\0';
}

static int special_read(struct settings *settings, const char *name, const char *value)
{
    bool ok = true;

    if (strcmp(name, "mix") == 0) {
        return mix_read(settings, value)
                   ? 0
                   : complain(name, value,
                              "is not a list of new, rapid, renew, rebind, release, "
                              "reboot with weights, as new=1,renew=4");
    }
    if (strcmp(name, "seed") == 0) {
        return seed_read(value, &settings->seed) ? 0 : complain(name, value, "is no number");
    }
    if (strcmp(name, "server-mac") == 0) {
        return mac_read(value, settings->server_mac) ? 0 : complain(name, value, "is no MAC");
    }
    if (strcmp(name, "link-address") == 0) {
        ok = address_read(value, &settings->link_address);
    } else if (strcmp(name, "server") == 0) {
        if (settings->server_count == SETTINGS_SERVERS_MAX) {
            return complain(name, value, "is one too many");
        }
        ok = address_read(value, &settings->servers[settings->server_count++]);
    } else {
        if (settings->relay_count == SETTINGS_RELAYS_MAX) {
            return complain(name, value, "is one too many");
        }
        ok = address_read(value, &settings->relays[settings->relay_count++]);
    }
    return ok ? 0 : complain(name, value, "is no IPv6 address");
}

static int option_set(struct settings *settings, const struct option_row *row, const char *value)
{
    void *field = (uint8_t *)settings + row->offset;
    double number;

    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return 0;
    case OPTION_COUNT:
        if (!number_read(value, row->max, &number) || number != floor(number)) {
            return complain(row->name, value, "is no such number");
        }
        *(uint32_t *)field = (uint32_t)number;
        return 0;
    case OPTION_REAL:
        return number_read(value, row->max, field)
                   ? 0
                   : complain(row->name, value, "is no such number");
    case OPTION_TEXT:
        *(const char **)field = value;
        return 0;
    case OPTION_SPECIAL:
        return special_read(settings, row->name, value);
    case OPTION_HELP:
        help_print();
        return 1;
    }
    return -EINVAL;
}

/* What is wrong with the options together; NULL: nothing. */
static const char *settings_fault(const struct settings *settings)
{
    unsigned weights = 0;

    for (unsigned op = 0; op < OP_COUNT; op++) {
        weights += settings->weights[op];
    }
    if (weights == 0) {
        return "--mix has no weight";
    }
    if (settings->direct && (!settings->interface || settings->relay_count || settings->device)) {
        return "--direct needs --interface and goes neither with --relay nor with --port";
    }
    if (!settings->direct && settings->relay_count == 0) {
        return "--relay ADDRESS is missing (--help tells all)";
    }
    if (settings->client_count == 0 ||
        (uint64_t)settings->first_client + settings->client_count > UINT32_MAX) {
        return "client numbers must be below 4294967295, and there must be a client";
    }
    if (settings->window && settings->rate > 0) {
        return "--rate is the open loop and --window the closed one: choose";
    }
    return NULL;
}

static void defaults_fill(struct settings *settings)
{
    if (settings->server_count == 0) {
        settings->servers[0] = settings->direct ? (struct ip6){0xff02000000000000, 0x10002}
                                                : (struct ip6){0xff05000000000000, 0x10003};
        settings->server_count = 1;
    }
    if (!settings->na && !settings->pd) {
        settings->na = true;
    }
    if (settings->window == 0 && settings->rate <= 0) {
        settings->window = 64;
    }
}

int settings_read(struct settings *ret_settings, int argc, char **argv)
{
    struct settings settings = {.client_count = 1000,
                                .seed = 1,
                                .weights = {[OP_NEW] = 1},
                                .duration_s = 10,
                                .drain_s = 2,
                                .renew_tries = 2,
                                .backoff_scale = 1,
                                .valid_min_s = 1,
                                .valid_max_s = UINT32_MAX};
    const char *fault;

    for (int i = 1; i < argc; i++) {
        const struct option_row *row = NULL;
        const char *value = "";
        int r;

        for (size_t k = 0; k < OPTION_ROWS && strncmp(argv[i], "--", 2) == 0; k++) {
            row = strcmp(argv[i] + 2, option_rows[k].name) == 0 ? &option_rows[k] : row;
        }
        if (!row) {
            fprintf(stderr, "tandem6load: no option %s (--help tells all)\n", argv[i]);
            return -EINVAL;
        }
        if (row->argument) {
            if (++i == argc) {
                return complain(row->name, row->argument, "is missing");
            }
            value = argv[i];
        }
        r = option_set(&settings, row, value);
        if (r) {
            return r;
        }
    }
    fault = settings_fault(&settings);
    if (fault) {
        fprintf(stderr, "tandem6load: %s\n", fault);
        return -EINVAL;
    }
    defaults_fill(&settings);
    *ret_settings = settings;
    return 0;
}

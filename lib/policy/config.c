/* Reads a configuration file into struct config: syntax by Jansson, shape by the table in schema.c,
 * meaning by the readers of each section. Control core only. */
#include "policy/config.h"

#include <string.h>

#include "policy/internal.h"

enum {
    FILE_SIZE_MAX = 1 << 30
};

void config_policy_drop(struct config_policy *shared)
{
    if (shared && atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) == 1) {
        region_done(&shared->region);
        free(shared);
    }
}

static int read_server(struct reader *reader)
{
    const json_t *server = json_object_get(reader->root, "server");
    struct config *config = reader->config;
    const char *clock;
    int err = read_string(reader, schema_server, server, "name", &config->server_name);

    err = err ? err : read_string(reader, schema_server, server, "state_dir", &config->state_dir);
    err = err ? err : read_string(reader, schema_server, server, "log_level", &config->log_level);
    err = err ? err : read_string(reader, schema_server, server, "clock", &clock);
    if (err == 0) {
        config->clock = strcmp(clock, "synchronised") == 0 ? CONFIG_CLOCK_SYNCHRONISED
                        : strcmp(clock, "trusted") == 0    ? CONFIG_CLOCK_TRUSTED
                                                           : CONFIG_CLOCK_PLAUSIBLE;
    }
    err = err ? err : read_octets(reader, server, "duid", &config->server_duid);
    return err ? err : read_octets(reader, server, "allocation_secret", &config->allocation_secret);
}

static int read_store_and_journal(struct reader *reader)
{
    const json_t *store = json_object_get(reader->root, "store");
    const json_t *journal = json_object_get(reader->root, "journal");
    struct config *config = reader->config;

    config->leases_max = (uint32_t)read_number(schema_store, store, "leases_max");
    config->remember_s = (uint32_t)read_number(schema_store, store, "remember_s");
    config->inline_octets = (uint16_t)read_number(schema_store, store, "inline_octets");
    config->long_leases_max = (uint32_t)read_number(schema_store, store, "long_leases_max");
    config->horizon_s = (uint32_t)read_number(schema_journal, journal, "horizon_s");
    config->segment_size = read_number(schema_journal, journal, "segment_mib") << 20;
    config->checkpoint_log_max = read_number(schema_journal, journal, "checkpoint_log_mib") << 20;
    if (config->long_leases_max > config->leases_max) {
        return fail(reader, "/store/long_leases_max", "%u is above leases_max; must be at most %u",
                    config->long_leases_max, config->leases_max);
    }
    if (config->checkpoint_log_max < 2 * config->segment_size) {
        return fail(reader, "/journal/checkpoint_log_mib",
                    "is less than two segments; must be at least %u",
                    (unsigned)(config->segment_size >> 19));
    }
    return 0;
}

static int read_port_addresses(struct reader *reader, const json_t *addresses, unsigned index)
{
    struct config_port *port = &reader->config->ports[index];
    json_t *value;
    size_t i;

    json_array_foreach(addresses, i, value)
    {
        struct ip6 address = read_address(value);

        if (ip6_is_multicast(address) || ip6_is_zero(address) ||
            ip6_equal(address, (struct ip6){0, 1})) {
            return fail(reader, at("/dataplane/ports/%u/addresses/%zu", index, i).text,
                        "is no address of a host; must be a unicast address");
        }
        for (unsigned k = 0; k < port->address_count; k++) {
            if (ip6_equal(address, port->addresses[k])) {
                return fail(reader, at("/dataplane/ports/%u/addresses/%zu", index, i).text,
                            "stands here twice; must be given once");
            }
        }
        port->addresses[port->address_count++] = address;
    }
    return 0;
}

static int read_port(struct reader *reader, const json_t *object, unsigned index)
{
    const struct field *table = field_find(schema_dataplane, "ports")->children->children;
    struct config_port *port = &reader->config->ports[index];
    struct span mac;
    int err = read_string(reader, table, object, "name", &port->name);

    err = err ? err : read_string(reader, table, object, "device", &port->device);
    err = err ? err : read_octets(reader, object, "mac", &mac);
    if (err) {
        return err;
    }
    port->mtu = (uint16_t)read_number(table, object, "mtu");
    if (mac.size == sizeof(port->mac)) {
        memcpy(port->mac, mac.data, mac.size);
        port->has_mac = true;
        if ((port->mac[0] & 1) || memcmp(port->mac, "\0\0\0\0\0", 6) == 0) {
            return fail(reader, at("/dataplane/ports/%u/mac", index).text,
                        "is no address of a host; its first octet must be even, not all be zero");
        }
    }
    return read_port_addresses(reader, json_object_get(object, "addresses"), index);
}

static int read_cpus(struct reader *reader, const json_t *dataplane)
{
    const json_t *cpus = json_object_get(dataplane, "cpus");
    struct config *config = reader->config;
    json_t *value;
    size_t i;

    if (cpus && json_array_size(cpus) != config->workers + 1) {
        return fail(reader, "/dataplane/cpus",
                    "must name %u CPUs: the control core's and one for each worker",
                    config->workers + 1);
    }
    config->cpu_count = (unsigned)json_array_size(cpus);
    json_array_foreach(cpus, i, value)
    {
        config->cpus[i] = (unsigned)json_integer_value(value);
    }
    return 0;
}

static int read_dataplane(struct reader *reader)
{
    const json_t *dataplane = json_object_get(reader->root, "dataplane");
    struct config *config = reader->config;
    const char *poll;
    json_t *value;
    size_t i;
    int err = read_string(reader, schema_dataplane, dataplane, "poll", &poll);

    if (err) {
        return err;
    }
    config->poll = strcmp(poll, "busy") == 0 ? CONFIG_POLL_BUSY : CONFIG_POLL_ADAPTIVE;
    config->workers = (unsigned)read_number(schema_dataplane, dataplane, "workers");
    config->message_cost_us = (uint32_t)read_number(schema_dataplane, dataplane, "message_cost_us");
    err = read_cpus(reader, dataplane);
    if (err) {
        return err;
    }
    json_array_foreach(json_object_get(dataplane, "ports"), i, value)
    {
        err = read_port(reader, value, (unsigned)i);
        if (err) {
            return err;
        }
        for (size_t k = 0; k < i; k++) {
            const struct config_port *a = &config->ports[k], *b = &config->ports[i];

            if (strcmp(a->name, b->name) == 0) {
                return fail(reader, at("/dataplane/ports/%zu/name", i).text,
                            "\"%.64s\" stands at /dataplane/ports/%zu/name already; every name "
                            "must be unique",
                            b->name, k);
            }
            if (a->device && b->device && strcmp(a->device, b->device) == 0) {
                return fail(reader, at("/dataplane/ports/%zu/device", i).text,
                            "is the device of /dataplane/ports/%zu already; every port needs its "
                            "own",
                            k);
            }
        }
        config->port_count++;
    }
    return 0;
}

static int read_defaults(struct reader *reader)
{
    const json_t *lifetimes = json_object_get(reader->root, "lifetimes");
    int err = 0;

    reader->lifetimes = (struct policy_lifetimes){.preferred_s = 3000, .valid_s = 3600};
    if (lifetimes) {
        err = read_lifetimes(reader, lifetimes, "/lifetimes", &reader->lifetimes);
    }
    return err ? err
               : options_read(reader, json_object_get(reader->root, "options"), "/options",
                              &reader->options);
}

/* In the order in which sections refer to each other. */
static int (*const sections[])(struct reader *reader) = {
    read_server,       read_store_and_journal,
    read_dataplane,    read_defaults,
    read_classes,      read_links,
    index_links,       index_pools,
    read_reservations, index_reservations,
    read_failovers,    read_management,
};

static int document_check(struct reader *reader)
{
    struct field_error error;

    if (!json_is_object(reader->root)) {
        return fail(reader, "", "the file must be one object {}");
    }
    if (field_check(schema_root, reader->root, &error)) {
        return fail(reader, error.pointer, "%s", error.text);
    }
    return 0;
}

static int document_read(struct reader *reader)
{
    int err = document_check(reader);

    if (err) {
        return err;
    }
    reader->warnings = region_alloc(reader->region, CONFIG_WARNINGS_MAX, sizeof(*reader->warnings));
    if (!reader->warnings) {
        return -ENOMEM;
    }
    reader->config->warnings = reader->warnings;
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]) && !err; i++) {
        err = sections[i](reader);
    }
    return err;
}

/* An empty configuration with its shared part and a copy of the text. */
static struct config *config_new(const char *text, size_t size)
{
    struct config *config = calloc(1, sizeof(*config));
    struct config_policy *shared = calloc(1, sizeof(*shared));

    if (!config || !shared) {
        free(config);
        free(shared);
        return NULL;
    }
    atomic_init(&shared->references, 1);
    shared->index.owner = shared;
    shared->template.index = &shared->index;
    config->policy = shared;
    config->text = region_copy(&shared->region, text, size);
    if (!config->text) {
        config_free(config);
        return NULL;
    }
    return config;
}

void config_free(struct config *config)
{
    if (config) {
        config_policy_drop(config->policy);
        free(config);
    }
}

static void place_complete(struct config_error *error, const char *name, const char *text,
                           size_t size)
{
    (void)snprintf(error->file, sizeof(error->file), "%s", name);
    if (error->line == 0) {
        error->line = locate_line(text, size, error->pointer);
    }
}

static void syntax_error(const json_error_t *json_error, const char *text, size_t size,
                         struct config_error *ret_error)
{
    struct pointer pointer;

    locate_pointer(text, size, json_error->position > 0 ? (size_t)json_error->position : 0,
                   &pointer);
    *ret_error =
        (struct config_error){.line = json_error->line > 0 ? (unsigned)json_error->line : 1};
    (void)snprintf(ret_error->pointer, sizeof(ret_error->pointer), "%s", pointer.text);
    (void)snprintf(ret_error->text, sizeof(ret_error->text), "%s%s",
                   json_error_code(json_error) == json_error_duplicate_key ? "" : "no valid JSON: ",
                   json_error->text);
}

int config_parse(const char *name, const char *text, size_t size, struct config **ret_config,
                 struct config_error *ret_error)
{
    struct config_error error = {.line = 0};
    struct config *config = NULL;
    json_error_t json_error;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &json_error);
    int err = -EINVAL;

    if (!root) {
        syntax_error(&json_error, text, size, &error);
    } else {
        config = config_new(text, size);
        err = -ENOMEM;
    }
    if (config) {
        struct reader reader = {.region = &config->policy->region,
                                .config = config,
                                .shared = config->policy,
                                .error = &error,
                                .root = root};

        err = document_read(&reader);
        for (unsigned i = 0; i < config->warning_count; i++) {
            place_complete(&reader.warnings[i], name, text, size);
        }
    }
    json_decref(root);
    if (err) {
        if (err == -ENOMEM) {
            (void)snprintf(error.text, sizeof(error.text), "not enough memory");
        }
        place_complete(&error, name, text, size);
        *ret_error = error;
        config_free(config);
        return err;
    }
    *ret_config = config;
    return 0;
}

/* The whole file; the caller frees it. */
static int file_read(FILE *file, char **ret_text, size_t *ret_size)
{
    size_t size = 0, room = 0;
    char *text = NULL;

    for (;;) {
        size_t got;

        if (size == room) {
            char *larger;

            room = room ? 2 * room : 65536;
            larger = room > FILE_SIZE_MAX ? NULL : realloc(text, room);
            if (!larger) {
                free(text);
                return room > FILE_SIZE_MAX ? -EFBIG : -ENOMEM;
            }
            text = larger;
        }
        got = fread(text + size, 1, room - size, file);
        size += got;
        if (got == 0) {
            break;
        }
    }
    if (ferror(file)) {
        free(text);
        return errno > 0 ? -errno : -EIO;
    }
    *ret_text = text;
    *ret_size = size;
    return 0;
}

int config_read(const char *path, struct config **ret_config, struct config_error *ret_error)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    int err = file ? file_read(file, &text, &size) : -errno;

    if (file) {
        (void)fclose(file);
    }
    if (err) {
        *ret_error = (struct config_error){.line = 0};
        (void)snprintf(ret_error->file, sizeof(ret_error->file), "%s", path);
        (void)snprintf(ret_error->text, sizeof(ret_error->text), "cannot be read: %s",
                       strerror(-err));
        return err;
    }
    err = config_parse(path, text, size, ret_config, ret_error);
    free(text);
    return err;
}

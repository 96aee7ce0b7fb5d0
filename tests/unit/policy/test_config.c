/* The minimal example of the manual, defaults, warnings, and what the table says of itself. */
#include <stdlib.h>

#include <jansson.h>

#include "check.h"
#include "policy/config.h"

static const char minimal[] =
    "{\n"
    "  \"server\": { \"name\": \"pop7-a\", \"state_dir\": \"/var/lib/tandem6\" },\n"
    "  \"store\": { \"leases_max\": 1000000 },\n"
    "  \"dataplane\": { \"workers\": 1, \"poll\": \"adaptive\",\n"
    "    \"ports\": [ { \"name\": \"access0\", \"device\": \"net_af_packet0,iface=srv0\", "
    "\"addresses\": [\"2001:db8:0:1::1\"] } ] },\n"
    "  \"links\": [ { \"name\": \"olt-17\", \"port\": \"access0\", \"relay_addresses\": "
    "[\"2001:db8:17::1\"], \"subnets\": [\"2001:db8:17::/64\"],\n"
    "    \"pools\": [ { \"type\": \"address\", \"range\": \"2001:db8:17::/64\" },\n"
    "               { \"type\": \"prefix\", \"range\": \"2001:db8:4000::/36\", "
    "\"delegated_length\": 56 } ],\n"
    "    \"lifetimes\": { \"preferred_s\": 3000, \"valid_s\": 3600, \"renew_s\": 1500, "
    "\"rebind_s\": 2400 },\n"
    "    \"rapid_commit\": true,\n"
    "    \"options\": { \"dns_servers\": [\"2001:db8::53\"], \"domain_search\": "
    "[\"example.org\"], \"sol_max_rt_s\": 3600, \"inf_max_rt_s\": 7200,\n"
    "                 \"information_refresh_s\": 1800 } } ],\n"
    "  \"failover\": [ { \"relationship\": \"pop7\", \"role\": \"primary\", \"partner\": "
    "\"2001:db8:0:2::2\", \"listen\": \"2001:db8:0:2::1\",\n"
    "    \"mclt_s\": 3600, \"keepalive_s\": 60, \"backup_share_percent\": 20, \"links\": "
    "[\"olt-17\"],\n"
    "    \"tls\": { \"certificate\": \"a.pem\", \"key\": \"a.key\", \"ca\": \"ca.pem\" } } ],\n"
    "  \"management\": { \"socket\": \"/run/tandem6/mgmt.sock\", \"listen\": \"[::1]:8647\" }\n"
    "}\n";

static struct config *parsed(const char *text)
{
    struct config *config = NULL;
    struct config_error error;

    if (config_parse("t", text, strlen(text), &config, &error)) {
        printf("%u: %s: %s\n", error.line, error.pointer, error.text);
        check_failures++;
        return NULL;
    }
    return config;
}

static void minimal_example(void)
{
    struct config *config = parsed(minimal);
    const struct config_failover *failover;
    const struct config_port *port;

    if (!config) {
        return;
    }
    CHECK_STR(config->server_name, "pop7-a");
    CHECK_STR(config->state_dir, "/var/lib/tandem6");
    CHECK_STR(config->log_level, "info");
    CHECK_EQ(config->server_duid.size, 0);
    CHECK_EQ(config->allocation_secret.size, 0);
    CHECK_EQ(config->leases_max, 1000000);
    CHECK_EQ(config->remember_s, 604800);
    CHECK_EQ(config->horizon_s, 60);
    CHECK_EQ(config->segment_size, 64 << 20);
    CHECK_EQ(config->checkpoint_log_max, 1 << 30);
    CHECK_EQ(config->workers, 1);
    CHECK_EQ(config->poll, CONFIG_POLL_ADAPTIVE);
    CHECK_EQ(config->port_count, 1);
    port = &config->ports[0];
    CHECK_STR(port->name, "access0");
    CHECK_STR(port->device, "net_af_packet0,iface=srv0");
    CHECK_EQ(port->address_count, 1);
    CHECK(ip6_equal(port->addresses[0], (struct ip6){0x20010db800000001, 1}));
    CHECK(!port->has_mac);
    CHECK_EQ(port->mtu, 1500);
    CHECK_EQ(config->failover_count, 1);
    failover = &config->failovers[0];
    CHECK_STR(failover->relationship, "pop7");
    CHECK_EQ(failover->role, CONFIG_ROLE_PRIMARY);
    CHECK(ip6_equal(failover->partner, (struct ip6){0x20010db800000002, 2}));
    CHECK(ip6_equal(failover->listen, (struct ip6){0x20010db800000002, 1}));
    CHECK_EQ(failover->port, 647);
    CHECK_EQ(failover->mclt_s, 3600);
    CHECK_EQ(failover->keepalive_s, 60);
    CHECK_EQ(failover->backup_share_percent, 20);
    CHECK_EQ(failover->link_count, 1);
    CHECK_EQ(failover->links[0], 0);
    CHECK(failover->has_tls);
    CHECK_STR(failover->tls.certificate, "a.pem");
    CHECK_STR(failover->tls.key, "a.key");
    CHECK_STR(failover->tls.ca, "ca.pem");
    CHECK_STR(config->management_socket, "/run/tandem6/mgmt.sock");
    CHECK_STR(config->management_listen, "[::1]:8647");
    CHECK(!config->has_management_tls);
    CHECK_EQ(config->warning_count, 0);
    CHECK_STR(config->text, minimal);
    config_free(config);
}

static void doubtful_is_warned_of(void)
{
    struct config *config = parsed(
        "{\"server\": {\"name\": \"a\", \"state_dir\": \"s\", \"duid\": \"00:03:00:01:02\","
        "  \"allocation_secret\": \"000102030405060708090a0b0c0d0e0f\"},\n"
        " \"dataplane\": {\"poll\": \"busy\", \"ports\": [{\"name\": \"p\", \"mac\": "
        "\"02:00:00:00:00:01\"}]},\n"
        " \"links\": [{\"name\": \"l\", \"port\": \"p\", \"subnets\": [\"2001:db8:1::/64\"],\n"
        "  \"pools\": [{\"type\": \"address\", \"range\": \"2001:db8:1::/64\"},\n"
        "   {\"type\": \"address\", \"range\": \"2001:db8:2::/64\"}]}]}");

    if (!config) {
        return;
    }
    CHECK_EQ(config->warning_count, 1);
    CHECK_EQ(config->warnings[0].line, 5);
    CHECK_STR(config->warnings[0].pointer, "/links/0/pools/1/range");
    CHECK_STR(config->warnings[0].file, "t");
    CHECK_EQ(config->poll, CONFIG_POLL_BUSY);
    CHECK_EQ(config->server_duid.size, 5);
    CHECK_EQ(config->allocation_secret.data[15], 15);
    CHECK(config->ports[0].has_mac);
    CHECK(!config->ports[0].device);
    CHECK(!config->management_socket);
    config_free(config);
}

static void file_is_read(void)
{
    char path[] = "/tmp/test_config.XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    struct config *config = NULL;
    struct config_error error;

    CHECK(file && fputs(minimal, file) != EOF && fclose(file) == 0);
    CHECK_EQ(config_read(path, &config, &error), 0);
    config_free(config);
    (void)remove(path);
    CHECK_EQ(config_read(path, &config, &error), -ENOENT);
    CHECK_STR(error.file, path);
    CHECK(strstr(error.text, "cannot be read"));
    CHECK_EQ(config_read("/", &config, &error), -EISDIR);
}

/* What a writer writes, as text; the caller frees it. */
static char *written(int (*write)(FILE *out))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    CHECK(out);
    if (out) {
        CHECK_EQ(write(out), 0);
        (void)fclose(out);
    }
    return text;
}

/* Every key that the schema knows stands in the reference, with its sentence. */
static void described_completely(void)
{
    char *schema_text = written(config_schema_write);
    char *reference = written(config_reference_write);
    json_t *schema = json_loads(schema_text, 0, NULL);
    json_t *pending = json_array();
    unsigned keys = 0;

    CHECK(schema);
    json_array_append(pending, schema);
    while (json_array_size(pending) > 0) {
        json_t *node = json_incref(json_array_get(pending, json_array_size(pending) - 1));
        json_t *properties = json_object_get(node, "properties"), *value;
        const char *key;

        json_array_remove(pending, json_array_size(pending) - 1);
        if (json_object_get(node, "items")) {
            json_array_append(pending, json_object_get(node, "items"));
        }
        json_object_foreach(properties, key, value)
        {
            const char *help = json_string_value(json_object_get(value, "description"));
            char row[64];

            (void)snprintf(row, sizeof(row), "| `%s` |", key);
            CHECK(strstr(reference, row));
            CHECK(help && strlen(help) > 8 && strstr(reference, help));
            json_array_append(pending, value);
            keys++;
        }
        if (properties) {
            CHECK(json_is_false(json_object_get(node, "additionalProperties")));
        }
        json_decref(node);
    }
    CHECK(keys > 150);
    json_decref(pending);
    json_decref(schema);
    free(schema_text);
    free(reference);
}

static const struct check_test tests[] = {
    {"minimal_example", minimal_example},
    {"doubtful_is_warned_of", doubtful_is_warned_of},
    {"file_is_read", file_is_read},
    {"described_completely", described_completely},
};

CHECK_MAIN(tests)

/* Reads who the server talks to besides clients: failover partners and management. The failover
 * rows are plain data for later use; links learn their relationship. Control core only. */
#include <arpa/inet.h>
#include <string.h>

#include "policy/internal.h"
#include "rpc/jsonrpc.h"

static int read_tls(struct reader *reader, const struct field *table, const json_t *tls,
                    struct config_tls *ret_tls)
{
    int err = read_string(reader, table, tls, "certificate", &ret_tls->certificate);

    err = err ? err : read_string(reader, table, tls, "key", &ret_tls->key);
    return err ? err : read_string(reader, table, tls, "ca", &ret_tls->ca);
}

static int read_partner_tls(struct reader *reader, const json_t *tls, const char *base,
                            struct config_tls *ret_tls)
{
    const struct field *table = field_find(schema_failover, "tls")->children;
    int err = read_tls(reader, table, tls, ret_tls);

    err =
        err ? err
            : read_string(reader, table, tls, "partner_certificate", &ret_tls->partner_certificate);
    err = err ? err : read_string(reader, table, tls, "partner_name", &ret_tls->partner_name);
    if (err) {
        return err;
    }
    if (!ret_tls->ca == !ret_tls->partner_certificate) {
        return fail(reader, at("%s/tls", base).text,
                    "must have exactly one of \"ca\" and \"partner_certificate\"");
    }
    if (ret_tls->partner_name && !ret_tls->ca) {
        return fail(reader, at("%s/tls/partner_name", base).text,
                    "has no use beside partner_certificate, which says more; must be left out");
    }
    return 0;
}

static bool text_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool tls_equal(const struct config_failover *a, const struct config_failover *b)
{
    return a->has_tls == b->has_tls && text_equal(a->tls.certificate, b->tls.certificate) &&
           text_equal(a->tls.key, b->tls.key) && text_equal(a->tls.ca, b->tls.ca) &&
           text_equal(a->tls.partner_certificate, b->tls.partner_certificate) &&
           text_equal(a->tls.partner_name, b->tls.partner_name);
}

/* TLS comes before the partner has said which relationship it means. */
static int check_tls_same(struct reader *reader, const struct config_failover *rows, unsigned index)
{
    const struct config_failover *row = &rows[index];

    for (unsigned i = 0; i < index; i++) {
        if (ip6_equal(rows[i].partner, row->partner) && ip6_equal(rows[i].listen, row->listen) &&
            rows[i].port == row->port && !tls_equal(&rows[i], row)) {
            return fail(reader, at("/failover/%u/tls", index).text,
                        "differs from /failover/%u/tls, which has the same addresses; must be the "
                        "same",
                        i);
        }
    }
    return 0;
}

static int read_endpoint(struct reader *reader, const json_t *object, const char *base,
                         const char *member, struct ip6 *ret_address)
{
    struct ip6 address = read_address(json_object_get(object, member));

    if (ip6_is_multicast(address) || ip6_is_zero(address) || ip6_is_link_local(address)) {
        return fail(reader, at("%s/%s", base, member).text,
                    "is no address of one host; must be a global or unique local unicast address");
    }
    *ret_address = address;
    return 0;
}

static int read_relationship_links(struct reader *reader, const json_t *object, const char *base,
                                   int relationship, struct config_failover *failover)
{
    const json_t *links = json_object_get(object, "links");
    unsigned *indexes = region_alloc(reader->region, json_array_size(links), sizeof(*indexes));
    const char **link_names =
        region_alloc(reader->region, json_array_size(links), sizeof(*link_names));
    json_t *value;
    size_t i;

    if (!indexes || !link_names) {
        return -ENOMEM;
    }
    json_array_foreach(links, i, value)
    {
        int index = names_find(&reader->links, json_string_value(value));
        struct policy_link *link = index < 0 ? NULL : &reader->shared->template.links[index];

        if (!link) {
            return fail(reader, at("%s/links/%zu", base, i).text,
                        "no link is named \"%.64s\"; must be a name from links",
                        json_string_value(value));
        }
        if (link->relationship >= 0) {
            return fail(reader, at("%s/links/%zu", base, i).text,
                        "link \"%.64s\" is in /failover/%d already; must be in one relationship",
                        link->name, link->relationship);
        }
        link->relationship = relationship;
        indexes[i] = (unsigned)index;
        link_names[i] = link->name;
    }
    failover->links = indexes;
    failover->link_names = link_names;
    failover->link_count = (unsigned)json_array_size(links);
    return 0;
}

static int read_failover(struct reader *reader, const json_t *object, unsigned index,
                         struct config_failover *failover)
{
    const json_t *tls = json_object_get(object, "tls");
    struct pointer base = at("/failover/%u", index);
    int err = read_string(reader, schema_failover, object, "relationship", &failover->relationship);

    err = err ? err : read_endpoint(reader, object, base.text, "partner", &failover->partner);
    err = err ? err : read_endpoint(reader, object, base.text, "listen", &failover->listen);
    if (!err && ip6_equal(failover->partner, failover->listen)) {
        return fail(reader, at("%s/partner", base.text).text,
                    "is the server's own listen address; must be the partner's");
    }
    failover->role = strcmp(json_string_value(json_object_get(object, "role")), "primary") == 0
                         ? CONFIG_ROLE_PRIMARY
                         : CONFIG_ROLE_SECONDARY;
    failover->port = (uint16_t)read_number(schema_failover, object, "port");
    failover->mclt_s = (uint32_t)read_number(schema_failover, object, "mclt_s");
    failover->keepalive_s = (uint32_t)read_number(schema_failover, object, "keepalive_s");
    failover->startup_s = (uint32_t)read_number(schema_failover, object, "startup_s");
    failover->startup_partner_down = read_flag(schema_failover, object, "startup_partner_down");
    failover->partner_down_after_s =
        (uint32_t)read_number(schema_failover, object, "partner_down_after_s");
    failover->backup_share_percent =
        (unsigned)read_number(schema_failover, object, "backup_share_percent");
    failover->has_tls = json_is_object(tls);
    if (!err && failover->has_tls) {
        err = read_partner_tls(reader, tls, base.text, &failover->tls);
    }
    return err ? err : read_relationship_links(reader, object, base.text, (int)index, failover);
}

static struct pointer place_of_relationship(const struct reader *reader, unsigned index)
{
    (void)reader;
    return at("/failover/%u/relationship", index);
}

int read_failovers(struct reader *reader)
{
    const json_t *failovers = json_object_get(reader->root, "failover");
    size_t count = json_array_size(failovers), i;
    struct config_failover *rows = region_alloc(reader->region, count, sizeof(*rows));
    struct names names = {region_alloc(reader->region, count, sizeof(struct name_ref)), 0};
    json_t *value;

    reader->shared->mclt_s = region_alloc(reader->region, count, sizeof(uint32_t));
    if (!rows || !names.refs || !reader->shared->mclt_s) {
        return -ENOMEM;
    }
    json_array_foreach(failovers, i, value)
    {
        int err = read_failover(reader, value, (unsigned)i, &rows[i]);

        err = err ? err : check_tls_same(reader, rows, (unsigned)i);
        if (err) {
            return err;
        }
        reader->shared->mclt_s[i] = rows[i].mclt_s;
        names.refs[names.count++] = (struct name_ref){rows[i].relationship, (unsigned)i};
    }
    reader->config->failovers = rows;
    reader->config->failover_count = (unsigned)count;
    reader->shared->relationship_count = (unsigned)count;
    return names_sort(reader, &names, place_of_relationship);
}

/* "[2001:db8::1]:8647" or "192.0.2.1:8647"; *ret_loopback when only this host can reach it. */
static bool listen_valid(const char *listen, bool *ret_loopback)
{
    const char *colon = strrchr(listen, ':');
    char host[FIELD_ADDRESS_TEXT_MAX];
    struct ip6 address;
    uint8_t octets[4];
    size_t size = colon ? (size_t)(colon - listen) : 0, digits = colon ? strlen(colon + 1) : 0;
    unsigned long port = 0;

    if (digits == 0 || digits > 5 || strspn(colon + 1, "0123456789") != digits) {
        return false;
    }
    port = strtoul(colon + 1, NULL, 10);
    if (port == 0 || port > 65535 || size < 3 || size - 2 >= sizeof(host)) {
        return false;
    }
    if (listen[0] != '[') {
        memcpy(host, listen, size);
        host[size] = 0;
        *ret_loopback = strncmp(host, "127.", 4) == 0;
        return inet_pton(AF_INET, host, octets) == 1;
    }
    memcpy(host, listen + 1, size - 2);
    host[size - 2] = 0;
    if (listen[size - 1] != ']' || !field_address_read(host, &address)) {
        return false;
    }
    *ret_loopback = ip6_equal(address, (struct ip6){0, 1});
    return true;
}

static unsigned read_roles(const json_t *roles)
{
    unsigned bits = JSONRPC_ROLES_VIEW;
    json_t *value;
    size_t i;

    json_array_foreach(roles, i, value)
    {
        for (unsigned role = 0; role < JSONRPC_ROLE_COUNT; role++) {
            if (strcmp(json_string_value(value), jsonrpc_role_name(role)) == 0) {
                bits |= 1u << role;
            }
        }
    }
    return bits;
}

static int read_access(struct reader *reader, const json_t *object, size_t index,
                       struct config_access *access)
{
    const struct {
        const char *name;
        const char **value;
    } whose[] = {
        {"user", &access->user},
        {"group", &access->group},
        {"common_name", &access->common_name},
        {"organizational_unit", &access->organizational_unit},
    };

    unsigned count = access->loopback = json_is_true(json_object_get(object, "loopback"));

    for (size_t i = 0; i < sizeof(whose) / sizeof(whose[0]); i++) {
        int err =
            read_string(reader, schema_management_access, object, whose[i].name, whose[i].value);

        if (err) {
            return err;
        }
        count += *whose[i].value != NULL;
    }
    if (count != 1) {
        return fail(reader, at("/management/access/%zu", index).text,
                    "must have exactly one of user, group, common_name, organizational_unit and "
                    "\"loopback\": true");
    }
    access->roles = read_roles(json_object_get(object, "roles"));
    return 0;
}

static int read_accesses(struct reader *reader, const json_t *rows)
{
    struct config_access *accesses =
        region_alloc(reader->region, json_array_size(rows), sizeof(*accesses));
    json_t *value;
    size_t i;

    if (!accesses) {
        return -ENOMEM;
    }
    json_array_foreach(rows, i, value)
    {
        int err = read_access(reader, value, i, &accesses[i]);

        if (err) {
            return err;
        }
    }
    reader->config->accesses = accesses;
    reader->config->access_count = (unsigned)json_array_size(rows);
    return 0;
}

int read_management(struct reader *reader)
{
    const json_t *management = json_object_get(reader->root, "management");
    const json_t *tls = json_object_get(management, "tls");
    struct config *config = reader->config;
    bool loopback = true;
    int err =
        read_string(reader, schema_management, management, "socket", &config->management_socket);

    err = err ? err
              : read_string(reader, schema_management, management, "listen",
                            &config->management_listen);
    if (err) {
        return err;
    }
    if (config->management_listen && !listen_valid(config->management_listen, &loopback)) {
        return fail(reader, "/management/listen",
                    "must be address and port such as \"[::1]:8647\" or \"127.0.0.1:8647\"");
    }
    if (!loopback && !json_is_string(json_object_get(tls, "ca"))) {
        return fail(reader, "/management/listen",
                    "others than this host could reach it; must be a loopback address, or \"tls\" "
                    "with \"ca\" must be given, so that clients need a certificate");
    }
    err = read_accesses(reader, json_object_get(management, "access"));
    if (err) {
        return err;
    }
    config->has_management_tls = json_is_object(tls);
    if (config->has_management_tls) {
        return read_tls(reader, field_find(schema_management, "tls")->children, tls,
                        &config->management_tls);
    }
    return 0;
}

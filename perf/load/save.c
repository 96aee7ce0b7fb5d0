/* The file: magic, number of servers, for each the size of its identifier and the identifier in
 * SERVER_SIZE octets; then one record of RECORD_SIZE octets for each client that holds leases. All
 * in network byte order. */
#include "save.h"

enum {
    SERVER_SIZE = 1 + MESSAGE_SERVER_ID_MAX,
    RECORD_SIZE = 4 + 1 + 1 + 16 + 8 + 8,
};

static const char magic[8] = "t6load1\n";

static int complain(const char *path, const char *what)
{
    fprintf(stderr, "tandem6load: %s: %s\n", path, what);
    return -EIO;
}

static void servers_write(const struct tally *tally, FILE *file)
{
    (void)fputc((int)tally->server_count, file);
    for (unsigned i = 0; i < tally->server_count; i++) {
        (void)fputc(tally->servers[i].id_size, file);
        (void)fwrite(tally->servers[i].id, MESSAGE_SERVER_ID_MAX, 1, file);
    }
}

static uint64_t valid_until(const struct engine *engine, const struct client *client,
                            uint64_t unix_s)
{
    uint64_t now_s = (engine->now_ns - engine->start_ns) / 1000000000ULL;

    if (client->valid_until_s == UINT32_MAX) {
        return UINT64_MAX;
    }
    return unix_s + client->valid_until_s - now_s;
}

int save_write(const struct engine *engine, const char *path, uint64_t unix_s)
{
    FILE *file = fopen(path, "wb");
    bool ok;

    if (!file) {
        return complain(path, strerror(errno));
    }
    (void)fwrite(magic, sizeof(magic), 1, file);
    servers_write(&engine->tally, file);
    for (uint32_t i = 0; i < engine->crowd.count; i++) {
        const struct client *client = &engine->crowd.clients[i];
        uint8_t record[RECORD_SIZE];
        struct wire_out out = wire_out_to(record, sizeof(record));

        if (client->flags & CLIENT_HOLDS) {
            wire_out_u32(&out, engine->crowd.first + i);
            wire_out_u8(&out, client->server);
            wire_out_u8(&out, client->prefix_length);
            wire_out_ip6(&out, client->address);
            wire_out_u64(&out, client->prefix);
            wire_out_u64(&out, valid_until(engine, client, unix_s));
            (void)fwrite(record, sizeof(record), 1, file);
        }
    }
    ok = ferror(file) == 0;
    ok = fclose(file) == 0 && ok;
    return ok ? 0 : complain(path, "cannot be written");
}

/* Their indexes are those of the file: no server is known yet. */
static bool servers_read(struct tally *tally, FILE *file)
{
    int count = fgetc(file);

    if (count < 0 || count > TALLY_SERVERS_MAX) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        uint8_t server[SERVER_SIZE];

        if (fread(server, sizeof(server), 1, file) != 1 || server[0] > MESSAGE_SERVER_ID_MAX ||
            tally_server_index(tally, (struct span){server + 1, server[0]}) != i) {
            return false;
        }
    }
    return true;
}

/* 0, also when the record is none of ours. */
static int record_take(struct engine *engine, const uint8_t *record, uint64_t unix_s)
{
    struct wire_in in = wire_in_from((struct span){record, RECORD_SIZE});
    uint32_t number = wire_in_u32(&in);
    uint8_t server = wire_in_u8(&in);
    struct leases leases = {.prefix_length = wire_in_u8(&in)};
    uint64_t until, left_s;

    leases.address = wire_in_ip6(&in);
    leases.prefix = wire_in_u64(&in);
    until = wire_in_u64(&in);
    left_s = until > unix_s ? until - unix_s : 0;
    leases.valid_s = left_s > UINT32_MAX ? UINT32_MAX : (uint32_t)left_s;
    if (server >= engine->tally.server_count || leases.prefix_length > CLIENT_PREFIX_LENGTH_MAX) {
        return -EBADMSG;
    }
    if (leases.valid_s == 0 || number < engine->crowd.first ||
        number - engine->crowd.first >= engine->crowd.count) {
        return 0;
    }
    return engine_lease_set(engine, number - engine->crowd.first, server, &leases);
}

int save_read(struct engine *engine, const char *path, uint64_t unix_s)
{
    FILE *file = fopen(path, "rb");
    uint8_t head[sizeof(magic)], record[RECORD_SIZE];
    int r = 0;

    if (!file) {
        return complain(path, strerror(errno));
    }
    if (fread(head, sizeof(head), 1, file) != 1 || memcmp(head, magic, sizeof(magic)) != 0 ||
        !servers_read(&engine->tally, file)) {
        r = complain(path, "is no file that --save wrote");
    }
    while (r == 0 && fread(record, sizeof(record), 1, file) == 1) {
        r = record_take(engine, record, unix_s);
        if (r) {
            (void)complain(path, r == -EEXIST ? "two clients have one lease" : "a bad record");
        }
    }
    (void)fclose(file);
    return r;
}

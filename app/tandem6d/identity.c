#include "identity.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"

enum {
    LINE_SIZE = 2 * DUID_SIZE_MAX + 16
};

/* Octets of hex text up to the end of the line; -1 when it is not hex or too long. */
static int hex_parse(const char *text, uint8_t *buf, size_t buf_size)
{
    size_t used = 0;

    for (; text[0] && text[0] != '\n'; text += 2) {
        unsigned value;

        if (used == buf_size || sscanf(text, "%2x", &value) != 1) {
            return -1;
        }
        buf[used++] = (uint8_t)value;
    }
    return (int)used;
}

static void hex_write(FILE *file, const char *name, const uint8_t *data, size_t size)
{
    fprintf(file, "%s ", name);
    for (size_t i = 0; i < size; i++) {
        fprintf(file, "%02x", data[i]);
    }
    fputc('\n', file);
}

/* DUID-LLT (RFC 9915 11.2) over a random, locally administered address: a port's own would tie the
 * server's identity to a NIC that may be replaced. */
static int identity_make(sec_t now, struct identity *identity)
{
    uint8_t random[22];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return -EIO;
    }
    wire_set_u16(identity->duid, 1);
    wire_set_u16(identity->duid + 2, 1);
    wire_set_u32(identity->duid + 4, now);
    memcpy(identity->duid + 8, random, 6);
    identity->duid[8] = (uint8_t)((identity->duid[8] | 2) & ~1);
    identity->duid_size = 14;
    memcpy(identity->secret, random + 6, 16);
    return 0;
}

static int identity_read(FILE *file, struct identity *identity)
{
    char line[LINE_SIZE];
    int duid_size = -1, secret_size = -1;

    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "duid ", 5) == 0) {
            duid_size = hex_parse(line + 5, identity->duid, sizeof(identity->duid));
        } else if (strncmp(line, "secret ", 7) == 0) {
            secret_size = hex_parse(line + 7, identity->secret, sizeof(identity->secret));
        }
    }
    if (duid_size < DUID_SIZE_MIN || secret_size != (int)sizeof(identity->secret)) {
        return -EBADMSG;
    }
    identity->duid_size = (size_t)duid_size;
    return 0;
}

/* Written aside, synced, renamed: never half there. */
static int identity_write(const char *state_dir, const char *path, const struct identity *identity)
{
    char temporary[512];
    FILE *file;
    int fd, dir, r;

    (void)snprintf(temporary, sizeof(temporary), "%s/identity.new", state_dir);
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file) {
        r = -errno;
        if (fd >= 0) {
            close(fd);
        }
        return r;
    }
    hex_write(file, "duid", identity->duid, identity->duid_size);
    hex_write(file, "secret", identity->secret, sizeof(identity->secret));
    r = fflush(file) == 0 && fsync(fileno(file)) == 0 ? 0 : -errno;
    if (fclose(file) != 0 && r == 0) {
        r = -errno;
    }
    if (r == 0 && rename(temporary, path) != 0) {
        r = -errno;
    }
    dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        r = r == 0 && fsync(dir) != 0 ? -errno : r;
        close(dir);
    }
    return r;
}

int identity_load(const struct config *config, sec_t now, struct identity *ret_identity)
{
    struct identity identity = {.duid_size = 0};
    char path[512];
    FILE *file;
    int r;

    (void)snprintf(path, sizeof(path), "%s/identity", config->state_dir);
    file = fopen(path, "r");
    if (file) {
        r = identity_read(file, &identity);
        fclose(file);
    } else if (errno == ENOENT) {
        r = identity_make(now, &identity);
        r = r ? r : identity_write(config->state_dir, path, &identity);
    } else {
        r = -errno;
    }
    if (r) {
        log_error("%s: %s", path,
                  r == -EBADMSG ? "not an identity file: needs a line \"duid HEX\" and a line "
                                  "\"secret HEX\" of 16 octets"
                                : strerror(-r));
        return r;
    }
    if (config->server_duid.size) {
        memcpy(identity.duid, config->server_duid.data, config->server_duid.size);
        identity.duid_size = config->server_duid.size;
    }
    if (config->allocation_secret.size == sizeof(identity.secret)) {
        memcpy(identity.secret, config->allocation_secret.data, sizeof(identity.secret));
    }
    *ret_identity = identity;
    return 0;
}

struct policy_identity identity_policy(const struct identity *identity)
{
    return (struct policy_identity){
        .server_duid = {identity->duid, identity->duid_size},
        .candidate_key = {wire_get_u64(identity->secret), wire_get_u64(identity->secret + 8)},
    };
}

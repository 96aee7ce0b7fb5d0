#include "access.h"

#include <ctype.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct access_row {
    enum access_kind kind;
    bool is_user, is_group, is_unit; /* which of the values below counts */
    uid_t uid;
    gid_t gid;
    char name[ACCESS_NAME_MAX]; /* common name or organizational unit */
    unsigned roles;
};

struct access {
    unsigned count;
    struct access_row rows[];
};

/* A number stands for itself; false when the name is not known here. */
static bool user_find(const char *text, uid_t *ret_uid)
{
    const struct passwd *entry;
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (isdigit((unsigned char)text[0]) && *end == '\0' && number < UINT32_MAX) {
        *ret_uid = (uid_t)number;
        return true;
    }
    entry = getpwnam(text);
    if (entry) {
        *ret_uid = entry->pw_uid;
    }
    return entry != NULL;
}

static bool group_find(const char *text, gid_t *ret_gid)
{
    const struct group *entry;
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (isdigit((unsigned char)text[0]) && *end == '\0' && number < UINT32_MAX) {
        *ret_gid = (gid_t)number;
        return true;
    }
    entry = getgrnam(text);
    if (entry) {
        *ret_gid = entry->gr_gid;
    }
    return entry != NULL;
}

static bool row_init(struct access_row *row, const struct config_access *config)
{
    const char *name = config->common_name ? config->common_name : config->organizational_unit;

    *row = (struct access_row){.kind = ACCESS_PROCESS, .roles = config->roles};
    if (config->user) {
        row->is_user = true;
        return user_find(config->user, &row->uid);
    }
    if (config->group) {
        row->is_group = true;
        return group_find(config->group, &row->gid);
    }
    row->kind = config->loopback ? ACCESS_LOOPBACK : ACCESS_CERTIFICATE;
    row->is_unit = config->organizational_unit != NULL;
    (void)snprintf(row->name, sizeof(row->name), "%s", name ? name : "");
    return true;
}

int access_new(const struct config *config, struct access **ret_access, char *ret_error)
{
    struct access *access =
        calloc(1, sizeof(*access) + config->access_count * sizeof(access->rows[0]));

    if (access == NULL) {
        (void)snprintf(ret_error, ACCESS_ERROR_MAX, "no memory");
        return -ENOMEM;
    }
    for (unsigned i = 0; i < config->access_count; i++) {
        const struct config_access *row = &config->accesses[i];

        if (!row_init(&access->rows[i], row)) {
            (void)snprintf(ret_error, ACCESS_ERROR_MAX,
                           "/management/access/%u: no %s is named \"%s\" on this host", i,
                           row->user ? "user" : "group", row->user ? row->user : row->group);
            access_free(access);
            return -ENOENT;
        }
    }
    access->count = config->access_count;
    *ret_access = access;
    return 0;
}

void access_free(struct access *access)
{
    free(access);
}

int access_process(int fd, struct access_subject *ret_subject)
{
    struct access_subject subject = {.kind = ACCESS_PROCESS};
    struct ucred peer;
    socklen_t size = sizeof(peer);
    socklen_t groups_size = sizeof(subject.groups) - sizeof(subject.groups[0]);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size)) {
        return -errno;
    }
    /* The primary group is not always among the others. */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, subject.groups + 1, &groups_size)) {
        groups_size = 0; /* more than fit: by its primary group and user only */
    }
    subject.groups[0] = peer.gid;
    subject.group_count = 1 + (unsigned)(groups_size / sizeof(subject.groups[0]));
    subject.uid = peer.uid;
    (void)snprintf(subject.who, sizeof(subject.who), "uid %u", (unsigned)peer.uid);
    *ret_subject = subject;
    return 0;
}

void access_loopback(struct access_subject *ret_subject)
{
    *ret_subject = (struct access_subject){.kind = ACCESS_LOOPBACK, .who = "loopback"};
}

void access_certificate(struct access_subject *subject)
{
    subject->kind = ACCESS_CERTIFICATE;
    (void)snprintf(subject->who, sizeof(subject->who), "CN=%s", subject->common_name);
}

static bool process_matches(const struct access_row *row, const struct access_subject *subject)
{
    if (row->is_user) {
        return row->uid == subject->uid;
    }
    for (unsigned i = 0; i < subject->group_count; i++) {
        if (row->is_group && row->gid == subject->groups[i]) {
            return true;
        }
    }
    return false;
}

static bool certificate_matches(const struct access_row *row, const struct access_subject *subject)
{
    if (!row->is_unit) {
        return strcmp(row->name, subject->common_name) == 0;
    }
    for (unsigned i = 0; i < subject->unit_count; i++) {
        if (strcmp(row->name, subject->units[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool row_matches(const struct access_row *row, const struct access_subject *subject)
{
    if (row->kind != subject->kind) {
        return false;
    }
    switch (row->kind) {
    case ACCESS_PROCESS:
        return process_matches(row, subject);
    case ACCESS_CERTIFICATE:
        return certificate_matches(row, subject);
    case ACCESS_LOOPBACK:
        return true;
    }
    return false;
}

unsigned access_roles(const struct access *access, const struct access_subject *subject)
{
    unsigned roles = 0;

    for (unsigned i = 0; i < access->count; i++) {
        if (row_matches(&access->rows[i], subject)) {
            roles |= access->rows[i].roles;
        }
    }
    switch (subject->kind) {
    case ACCESS_PROCESS:
        if (subject->uid == 0 || subject->uid == geteuid()) {
            return JSONRPC_ROLES_ALL;
        }
        /* Anybody else came past the socket file's mode: its owner or group. */
        return roles | JSONRPC_ROLES_VIEW;
    case ACCESS_LOOPBACK:
        return roles | JSONRPC_ROLES_VIEW;
    case ACCESS_CERTIFICATE:
        return roles; /* signed by an authority that may well sign for everybody */
    }
    return 0;
}

/* Who calls, and which roles that brings (management.access): by the kernel's credentials of a
 * process on the Unix socket, by the subject of a client certificate, or by coming from this host
 * in clear. Control core only. */
#ifndef TANDEM6D_ACCESS_H
#define TANDEM6D_ACCESS_H

#include <sys/types.h>

#include "policy/config.h"
#include "rpc/jsonrpc.h"

enum {
    ACCESS_GROUPS_MAX = 64, /* of one process; more are not looked at */
    ACCESS_UNITS_MAX = 8,   /* OU parts of one subject */
    ACCESS_NAME_MAX = 65,   /* CN and OU (X.520: at most 64 characters) */
    ACCESS_WHO_MAX = 80,
    ACCESS_ERROR_MAX = 256,
};

enum access_kind {
    ACCESS_PROCESS,
    ACCESS_CERTIFICATE,
    ACCESS_LOOPBACK,
};

struct access_subject {
    enum access_kind kind;
    uid_t uid; /* ACCESS_PROCESS, with its groups */
    gid_t groups[ACCESS_GROUPS_MAX];
    unsigned group_count;
    char common_name[ACCESS_NAME_MAX]; /* ACCESS_CERTIFICATE; empty: none */
    char units[ACCESS_UNITS_MAX][ACCESS_NAME_MAX];
    unsigned unit_count;
    char who[ACCESS_WHO_MAX]; /* for the audit log */
};

struct access;

/* Looks the names of users and groups up; that may take a moment, so at start and reload only. On
 * failure ret_error (ACCESS_ERROR_MAX octets) holds one line for the operator. */
int access_new(const struct config *config, struct access **ret_access, char *ret_error) MUST_CHECK;
void access_free(struct access *access);

/* The process at the other end of a Unix socket. -errno when the kernel will not say. */
int access_process(int fd, struct access_subject *ret_subject) MUST_CHECK;
/* Somebody on this host over HTTP in clear, or over HTTPS without a certificate. */
void access_loopback(struct access_subject *ret_subject);
/* Completes a subject whose common_name and units are filled in. */
void access_certificate(struct access_subject *subject);

/* Bits 1 << enum jsonrpc_role. */
unsigned access_roles(const struct access *access, const struct access_subject *subject);

#endif

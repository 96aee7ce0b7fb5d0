/* TLS of the failover partners: who they are, and one connection's session. All of OpenSSL that the
 * partners' connections need is behind this header. Private to app/tandem6d/link*.c. */
#ifndef TANDEM6D_LINK_TLS_H
#define TANDEM6D_LINK_TLS_H

#include "base/err.h"
#include "base/wire.h"
#include "policy/config.h"

enum {
    TLS_TEXT_MAX = 200
};

/* Why a session failed. */
enum tls_fault {
    TLS_FAULT_NONE,           /* just cut off, after the handshake */
    TLS_FAULT_OURS,           /* no certificate of our own to show, no memory */
    TLS_FAULT_NO_CERTIFICATE, /* the partner has shown none */
    TLS_FAULT_EXPIRED,        /* or not yet valid */
    TLS_FAULT_UNTRUSTED,      /* signed by nobody we know, or not the pinned one */
    TLS_FAULT_NAME,           /* of somebody else */
    TLS_FAULT_REFUSED,        /* the partner says no, by alert */
    TLS_FAULT_HANDSHAKE,      /* octets that are no TLS, or an end in the middle */
};

enum tls_step {
    TLS_DONE,
    TLS_WANTS_READ,
    TLS_WANTS_WRITE,
    TLS_ENDED, /* closed by the partner, in order */
    TLS_FAILED,
};

struct tls_partner; /* what one partner is known by, and what we show it */
struct tls_session;

/* The files are read now and whenever a session finds them changed; as long as they cannot be
 * used, the last ones that could are. -ENOMEM only. config and the texts in it must outlive the
 * partner. */
int tls_partner_new(const struct config_failover *config,
                    struct tls_partner **ret_partner) MUST_CHECK;
/* The same in a new configuration. */
void tls_partner_config_set(struct tls_partner *partner, const struct config_failover *config);
void tls_partner_free(struct tls_partner *partner);
/* Reads the files again if they have changed; always: even if not. True when they can be used;
 * otherwise ret_text, if not empty, is news. */
bool tls_partner_refresh(struct tls_partner *partner, bool always, char ret_text[TLS_TEXT_MAX]);

/* 0, -ENOMEM, -ENOENT: we have no certificate to show. */
int tls_session_new(struct tls_partner *partner, int fd, bool server,
                    struct tls_session **ret_session) MUST_CHECK;
/* Says good-bye if that is possible; fd stays open. */
void tls_session_free(struct tls_session *session);

enum tls_step tls_handshake(struct tls_session *session);
/* Each moves *ret_size octets, with TLS_DONE only. */
enum tls_step tls_read(struct tls_session *session, void *buf, size_t size, size_t *ret_size);
/* Takes octets once what was taken before is gone; what it has taken leaves with this call or the
 * next ones, for which bytes may be empty. */
enum tls_step tls_write(struct tls_session *session, struct span bytes, size_t *ret_size);

/* After TLS_FAILED. */
enum tls_fault tls_session_fault(const struct tls_session *session);
const char *tls_session_text(const struct tls_session *session);

#endif

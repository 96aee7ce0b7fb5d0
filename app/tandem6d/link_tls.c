/* Mutual authentication of failover partners: by an authority and a name, or by the very
 * certificate of the partner (RFC 8156 10, RFC 7653 9.1, RFC 7031 8). */
#include "link_tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum {
    FILES_MAX = 3,
    OUT_SIZE = 16384, /* one record */
    READ_AHEAD_SIZE = 64 << 10,
};

/* What was read together, for as long as a session uses it. */
struct tls_identity {
    unsigned references;
    SSL_CTX *context;
    X509 *pinned; /* NULL: by authority */
};

struct file_mark {
    struct timespec changed;
    off_t size;
    ino_t inode;
};

struct tls_partner {
    const struct config_failover *config;
    struct tls_identity *identity;     /* NULL: never could be read */
    struct file_mark marks[FILES_MAX]; /* of the last try */
};

struct tls_session {
    SSL *ssl;
    struct tls_identity *identity;
    uint8_t out[OUT_SIZE];
    size_t out_head, out_tail;
    enum tls_fault fault;
    char subject[TLS_TEXT_MAX / 2]; /* of a certificate that was not taken */
    char text[TLS_TEXT_MAX];
    bool established, broken;
};

static void identity_release(struct tls_identity *identity)
{
    if (identity && --identity->references == 0) {
        SSL_CTX_free(identity->context);
        X509_free(identity->pinned);
        free(identity);
    }
}

static struct tls_session *session_of(X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());

    return SSL_get_app_data(ssl);
}

static void subject_note(X509_STORE_CTX *store)
{
    struct tls_session *session = session_of(store);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);

    certificate = certificate ? certificate : X509_STORE_CTX_get0_cert(store);
    if (certificate && session->subject[0] == 0) {
        (void)X509_NAME_oneline(X509_get_subject_name(certificate), session->subject,
                                sizeof(session->subject));
    }
}

static int on_verify(int ok, X509_STORE_CTX *store)
{
    if (!ok) {
        subject_note(store);
    }
    return ok;
}

/* Instead of OpenSSL's walk along the chain: this certificate or none, while it is valid. */
static int pinned_verify(X509_STORE_CTX *store, void *arg)
{
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    const X509 *pinned = session_of(store)->identity->pinned;
    int error = X509_V_OK;

    (void)arg;
    if (!certificate || X509_cmp(certificate, pinned) != 0) {
        error = X509_V_ERR_CERT_UNTRUSTED;
    } else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
        error = X509_V_ERR_CERT_NOT_YET_VALID;
    } else if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) {
        error = X509_V_ERR_CERT_HAS_EXPIRED;
    }
    X509_STORE_CTX_set_error(store, error);
    if (error != X509_V_OK) {
        subject_note(store);
    }
    return error == X509_V_OK;
}

/* A key with a passphrase would ask the terminal. */
static int passphrase_none(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

/* The first in the queue is the cause, later ones tell who came across it. */
static const char *openssl_text(void)
{
    unsigned long error = ERR_peek_error();
    const char *text = ERR_reason_error_string(error);

    if (ERR_SYSTEM_ERROR(error)) {
        return strerror(ERR_GET_REASON(error));
    }
    return text ? text : "no reason given";
}

static int file_fault(const char *file, char ret_text[TLS_TEXT_MAX])
{
    (void)snprintf(ret_text, TLS_TEXT_MAX, "%.100s: %s", file, openssl_text());
    return -EINVAL;
}

static int pinned_read(const char *file, X509 **ret_certificate, char ret_text[TLS_TEXT_MAX])
{
    BIO *bio = BIO_new_file(file, "r");
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, passphrase_none, NULL) : NULL;

    BIO_free(bio);
    if (!certificate) {
        return file_fault(file, ret_text);
    }
    *ret_certificate = certificate;
    return 0;
}

static int context_fill(SSL_CTX *context, const struct config_tls *files,
                        char ret_text[TLS_TEXT_MAX])
{
    SSL_CTX_set_default_passwd_cb(context, passphrase_none);
    if (SSL_CTX_use_certificate_chain_file(context, files->certificate) != 1) {
        return file_fault(files->certificate, ret_text);
    }
    if (SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        return file_fault(files->key, ret_text);
    }
    if (files->ca) {
        if (SSL_CTX_load_verify_file(context, files->ca) != 1) {
            return file_fault(files->ca, ret_text);
        }
        SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(files->ca));
    }
    return 0;
}

static void context_settle(SSL_CTX *context)
{
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(context, 0);
    (void)SSL_CTX_set_mode(context,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD_SIZE);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
}

static int identity_read(const struct config_tls *files, struct tls_identity **ret_identity,
                         char ret_text[TLS_TEXT_MAX])
{
    struct tls_identity *identity = calloc(1, sizeof(*identity));
    int r = 0;

    (void)snprintf(ret_text, TLS_TEXT_MAX, "no memory");
    ERR_clear_error();
    if (!identity) {
        return -ENOMEM;
    }
    identity->references = 1;
    identity->context = SSL_CTX_new(TLS_method());
    r = identity->context ? context_fill(identity->context, files, ret_text) : -ENOMEM;
    if (r == 0 && files->partner_certificate) {
        r = pinned_read(files->partner_certificate, &identity->pinned, ret_text);
    }
    if (r) {
        identity_release(identity);
        ERR_clear_error();
        return r;
    }
    context_settle(identity->context);
    if (identity->pinned) {
        SSL_CTX_set_cert_verify_callback(identity->context, pinned_verify, NULL);
    }
    *ret_identity = identity;
    return 0;
}

/* True when one of the files is not as it was at the last try. */
static bool files_changed(struct tls_partner *partner)
{
    const struct config_tls *tls = &partner->config->tls;
    const char *names[FILES_MAX] = {tls->certificate, tls->key,
                                    tls->ca ? tls->ca : tls->partner_certificate};
    bool changed = false;

    for (unsigned i = 0; i < FILES_MAX; i++) {
        struct file_mark *mark = &partner->marks[i], now = {.size = -1};
        struct stat file;

        if (stat(names[i], &file) == 0) {
            now = (struct file_mark){file.st_mtim, file.st_size, file.st_ino};
        }
        changed = changed || now.size != mark->size || now.inode != mark->inode ||
                  now.changed.tv_sec != mark->changed.tv_sec ||
                  now.changed.tv_nsec != mark->changed.tv_nsec;
        *mark = now;
    }
    return changed;
}

bool tls_partner_refresh(struct tls_partner *partner, bool always, char ret_text[TLS_TEXT_MAX])
{
    struct tls_identity *identity;

    ret_text[0] = 0;
    if (!files_changed(partner) && !always) {
        return partner->identity != NULL;
    }
    if (identity_read(&partner->config->tls, &identity, ret_text)) {
        return false;
    }
    ret_text[0] = 0;
    identity_release(partner->identity);
    partner->identity = identity;
    return true;
}

int tls_partner_new(const struct config_failover *config, struct tls_partner **ret_partner)
{
    struct tls_partner *partner = calloc(1, sizeof(*partner));

    if (!partner) {
        return -ENOMEM;
    }
    partner->config = config;
    *ret_partner = partner;
    return 0;
}

void tls_partner_config_set(struct tls_partner *partner, const struct config_failover *config)
{
    partner->config = config;
}

void tls_partner_free(struct tls_partner *partner)
{
    if (partner) {
        identity_release(partner->identity);
        free(partner);
    }
}

/* Whose certificate it has to be. */
static bool name_set(SSL *ssl, const struct config_failover *config)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    uint8_t octets[16];

    if (config->tls.partner_certificate) {
        return true;
    }
    if (config->tls.partner_name) {
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                                   X509_CHECK_FLAG_NO_WILDCARDS);
        return X509_VERIFY_PARAM_set1_host(param, config->tls.partner_name, 0) == 1;
    }
    wire_set_u64(octets, config->partner.hi);
    wire_set_u64(octets + 8, config->partner.lo);
    return X509_VERIFY_PARAM_set1_ip(param, octets, sizeof(octets)) == 1;
}

int tls_session_new(struct tls_partner *partner, int fd, bool server,
                    struct tls_session **ret_session)
{
    struct tls_session *session;

    if (!partner->identity) {
        return -ENOENT;
    }
    session = calloc(1, sizeof(*session));
    if (!session) {
        return -ENOMEM;
    }
    session->identity = partner->identity;
    session->identity->references++;
    session->ssl = SSL_new(partner->identity->context);
    if (!session->ssl || SSL_set_fd(session->ssl, fd) != 1 ||
        !name_set(session->ssl, partner->config)) {
        session->broken = true;
        tls_session_free(session);
        return -ENOMEM;
    }
    SSL_set_app_data(session->ssl, session);
    if (server) {
        SSL_set_accept_state(session->ssl);
    } else {
        SSL_set_connect_state(session->ssl);
    }
    *ret_session = session;
    return 0;
}

void tls_session_free(struct tls_session *session)
{
    size_t size;

    if (!session) {
        return;
    }
    if (!session->broken && session->established) {
        (void)tls_write(session, (struct span){NULL, 0}, &size);
        (void)SSL_shutdown(session->ssl); /* the answer is of no interest */
    }
    SSL_free(session->ssl);
    ERR_clear_error();
    identity_release(session->identity);
    free(session);
}

static enum tls_fault fault_of(long verify, unsigned long error)
{
    switch (verify) {
    case X509_V_OK:
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return TLS_FAULT_EXPIRED;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return TLS_FAULT_NAME;
    default:
        return TLS_FAULT_UNTRUSTED;
    }
    if (ERR_GET_LIB(error) != ERR_LIB_SSL) {
        return TLS_FAULT_HANDSHAKE;
    }
    if (ERR_GET_REASON(error) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        return TLS_FAULT_NO_CERTIFICATE;
    }
    /* Reasons from there on are alerts received. */
    return ERR_GET_REASON(error) > SSL_AD_REASON_OFFSET ? TLS_FAULT_REFUSED : TLS_FAULT_HANDSHAKE;
}

/* The connection has ended without a word of TLS. */
static bool is_cut(int result, unsigned long error)
{
    return result == SSL_ERROR_SYSCALL ||
           (ERR_GET_LIB(error) == ERR_LIB_SSL &&
            ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING);
}

static void fault_note(struct tls_session *session, int result)
{
    long verify = SSL_get_verify_result(session->ssl);
    unsigned long error = ERR_peek_error();

    session->broken = true;
    /* errno is still the call's. Once the handshake is done its verdict is no reason for anything
     * any more. */
    verify = session->established ? X509_V_OK : verify;
    session->fault = fault_of(verify, error);
    if (session->established && is_cut(result, error)) {
        session->fault = TLS_FAULT_NONE; /* as connections without TLS end, too */
    }
    if (verify != X509_V_OK) {
        (void)snprintf(session->text, sizeof(session->text), "%s: %s",
                       X509_verify_cert_error_string(verify), session->subject);
    } else if (session->fault == TLS_FAULT_REFUSED) {
        (void)snprintf(session->text, sizeof(session->text), "the partner refused: %s",
                       openssl_text());
    } else if (is_cut(result, error)) {
        (void)snprintf(session->text, sizeof(session->text), "%s",
                       result == SSL_ERROR_SYSCALL && errno ? strerror(errno)
                                                            : "closed without a word");
    } else {
        (void)snprintf(session->text, sizeof(session->text), "%s", openssl_text());
    }
}

/* What became of a call that returned r. */
static enum tls_step step_of(struct tls_session *session, int r)
{
    int result = SSL_get_error(session->ssl, r);

    switch (result) {
    case SSL_ERROR_NONE:
        return TLS_DONE;
    case SSL_ERROR_WANT_READ:
        return TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        fault_note(session, result);
        return TLS_FAILED;
    }
}

enum tls_step tls_handshake(struct tls_session *session)
{
    enum tls_step step;

    ERR_clear_error();
    errno = 0;
    step = step_of(session, SSL_do_handshake(session->ssl));
    session->established = step == TLS_DONE;
    return step;
}

enum tls_step tls_read(struct tls_session *session, void *buf, size_t size, size_t *ret_size)
{
    ERR_clear_error();
    errno = 0;
    return step_of(session, SSL_read_ex(session->ssl, buf, size, ret_size));
}

static enum tls_step out_flush(struct tls_session *session)
{
    enum tls_step step = TLS_DONE;
    size_t size;

    while (step == TLS_DONE && session->out_head < session->out_tail) {
        ERR_clear_error();
        errno = 0;
        step = step_of(session, SSL_write_ex(session->ssl, session->out + session->out_head,
                                             session->out_tail - session->out_head, &size));
        session->out_head += step == TLS_DONE ? size : 0;
    }
    return step;
}

enum tls_step tls_write(struct tls_session *session, struct span bytes, size_t *ret_size)
{
    enum tls_step step = out_flush(session);

    *ret_size = 0;
    if (step != TLS_DONE || bytes.size == 0) {
        return step;
    }
    *ret_size = bytes.size < OUT_SIZE ? bytes.size : OUT_SIZE;
    memcpy(session->out, bytes.data, *ret_size);
    session->out_head = 0;
    session->out_tail = *ret_size;
    step = out_flush(session);
    /* What is taken is taken: how it goes on is told by the next call. */
    return step == TLS_FAILED || step == TLS_ENDED ? step : TLS_DONE;
}

enum tls_fault tls_session_fault(const struct tls_session *session)
{
    return session->fault;
}

const char *tls_session_text(const struct tls_session *session)
{
    return session->text;
}

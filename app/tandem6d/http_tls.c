/* TLS of the management port: OpenSSL 3, TLS 1.2 or newer, client certificates when there are
 * authorities to check them against. */
#include <event2/bufferevent_ssl.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "http_internal.h"

struct http_tls {
    SSL_CTX *context;
};

static int fail(char *ret_error, const char *what, const char *file)
{
    unsigned long code = ERR_peek_last_error();
    char text[160] = "unknown error";

    if (code) {
        ERR_error_string_n(code, text, sizeof(text));
    }
    ERR_clear_error();
    (void)snprintf(ret_error, HTTP_ERROR_MAX, "management.tls: %s %.200s: %s", what, file, text);
    return -EINVAL;
}

static int context_fill(SSL_CTX *context, const struct config_tls *files, char *ret_error)
{
    static const unsigned char session[] = "tandem6";

    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        return fail(ret_error, "TLS 1.2 is refused", "");
    }
    /* No renegotiation: a caller could keep us computing. */
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS); /* idle ones cost less */
    (void)SSL_CTX_set_session_id_context(context, session, sizeof(session) - 1);
    if (SSL_CTX_use_certificate_chain_file(context, files->certificate) != 1) {
        return fail(ret_error, "certificate", files->certificate);
    }
    if (SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM) != 1) {
        return fail(ret_error, "key", files->key);
    }
    if (SSL_CTX_check_private_key(context) != 1) {
        return fail(ret_error, "the key does not fit the certificate:", files->key);
    }
    if (files->ca) {
        if (SSL_CTX_load_verify_locations(context, files->ca, NULL) != 1) {
            return fail(ret_error, "ca", files->ca);
        }
        SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(files->ca));
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return 0;
}

int http_tls_new(const struct config_tls *files, struct http_tls **ret_tls, char *ret_error)
{
    struct http_tls *tls = calloc(1, sizeof(*tls));
    int err;

    if (tls == NULL) {
        return -ENOMEM;
    }
    tls->context = SSL_CTX_new(TLS_server_method());
    if (tls->context == NULL) {
        free(tls);
        return fail(ret_error, "no context", "");
    }
    err = context_fill(tls->context, files, ret_error);
    if (err) {
        http_tls_free(tls);
        return err;
    }
    *ret_tls = tls;
    return 0;
}

void http_tls_free(struct http_tls *tls)
{
    if (tls) {
        SSL_CTX_free(tls->context);
        free(tls);
    }
}

struct bufferevent *http_tls_stream(struct http_tls *tls, struct event_base *base, int fd)
{
    SSL *ssl = SSL_new(tls->context);
    struct bufferevent *stream;

    if (ssl == NULL) {
        return NULL;
    }
    stream = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                            BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (stream == NULL) {
        SSL_free(ssl);
        return NULL;
    }
    /* Many clients just go; how long a message is we know from its head. */
    bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
    return stream;
}

/* The text of one part of the subject; false when there is no such part, or one that could be taken
 * for another: with a NUL in it or too long. */
static bool part_read(X509_NAME *name, int position, char buf[ACCESS_NAME_MAX])
{
    unsigned char *text = NULL;
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, position);
    int size = entry ? ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry)) : -1;
    bool good = size > 0 && size < ACCESS_NAME_MAX && memchr(text, 0, (size_t)size) == NULL;

    if (good) {
        memcpy(buf, text, (size_t)size);
        buf[size] = '\0';
    }
    OPENSSL_free(text);
    return good;
}

void http_tls_subject(struct bufferevent *stream, struct access_subject *ret_subject)
{
    SSL *ssl = bufferevent_openssl_get_ssl(stream);
    X509 *certificate =
        SSL_get_verify_result(ssl) == X509_V_OK ? SSL_get1_peer_certificate(ssl) : NULL;
    X509_NAME *name = certificate ? X509_get_subject_name(certificate) : NULL;
    struct access_subject subject = {.kind = ACCESS_CERTIFICATE};
    int at = -1;

    if (name == NULL) {
        access_loopback(ret_subject); /* no authorities were given: a loopback address only */
        return;
    }
    at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    /* Of two common names none counts. */
    if (at >= 0 && X509_NAME_get_index_by_NID(name, NID_commonName, at) < 0) {
        (void)part_read(name, at, subject.common_name);
    }
    at = X509_NAME_get_index_by_NID(name, NID_organizationalUnitName, -1);
    while (at >= 0 && subject.unit_count < ACCESS_UNITS_MAX) {
        subject.unit_count += part_read(name, at, subject.units[subject.unit_count]);
        at = X509_NAME_get_index_by_NID(name, NID_organizationalUnitName, at);
    }
    X509_free(certificate);
    access_certificate(&subject);
    *ret_subject = subject;
}

void http_tls_close(struct bufferevent *stream)
{
    SSL *ssl = bufferevent_openssl_get_ssl(stream);

    if (ssl && SSL_is_init_finished(ssl)) {
        /* Sends ours, does not wait for theirs. */
        SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
        (void)SSL_shutdown(ssl);
    }
    ERR_clear_error();
}

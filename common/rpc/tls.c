/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/tls.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/xmalloc.h"

struct rpc_tls_context {
    SSL_CTX *ctx;
    bool server;
    bool verify;
};

struct rpc_tls {
    SSL *ssl;
    bool failed;
    unsigned long reason; /* OpenSSL's, of the failure */
    bool certificate;     /* the failure was the peer's certificate … */
    long verify_result;   /* … for this cause */
};

static bool given(const char *text)
{
    return text && *text;
}

static bool openssl_fail(struct tars_error *error, const char *what, const char *on)
{
    char reason[160];
    ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
    ERR_clear_error();
    return tars_fail(error, -1, "%s \"%s\": %s", what, on, reason);
}

static bool load_files(SSL_CTX *ctx, const struct rpc_tls_options *o, struct tars_error *error)
{
    if (given(o->cert) && SSL_CTX_use_certificate_chain_file(ctx, o->cert) != 1)
        return openssl_fail(error, "reading the TLS certificate", o->cert);
    if (given(o->key) && SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) != 1)
        return openssl_fail(error, "reading the TLS key", o->key);
    if (given(o->key) && SSL_CTX_check_private_key(ctx) != 1)
        return openssl_fail(error, "the TLS key does not belong to the certificate", o->cert);
    if (given(o->ca) && SSL_CTX_load_verify_locations(ctx, o->ca, NULL) != 1)
        return openssl_fail(error, "reading the TLS authority's certificates", o->ca);
    if (given(o->ciphers) && SSL_CTX_set_cipher_list(ctx, o->ciphers) != 1)
        return openssl_fail(error, "setting the TLS ciphers", o->ciphers);
    return true;
}

static struct rpc_tls_context *context_new(const struct rpc_tls_options *o, bool server,
                                           struct tars_error *error)
{
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!ctx) {
        openssl_fail(error, "preparing TLS for a", server ? "server" : "client");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    if (!load_files(ctx, o, error)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    if (!server && o->verify_peer && !given(o->ca))
        SSL_CTX_set_default_verify_paths(ctx);
    int demand = server ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_PEER;
    SSL_CTX_set_verify(ctx, o->verify_peer ? demand : SSL_VERIFY_NONE, NULL);
    struct rpc_tls_context *context = xcalloc(1, sizeof *context);
    *context = (struct rpc_tls_context){ctx, server, o->verify_peer};
    return context;
}

struct rpc_tls_context *rpc_tls_server(const struct rpc_tls_options *options,
                                       struct tars_error *error)
{
    if (!given(options->cert) || !given(options->key)) {
        tars_fail(error, -1, "a TLS adapter needs the keys \"cert\" and \"key\" (PEM files)");
        return NULL;
    }
    if (options->verify_peer && !given(options->ca)) {
        tars_fail(error, -1, "\"verifyclient\" needs the key \"ca\" (a PEM file)");
        return NULL;
    }
    return context_new(options, true, error);
}

struct rpc_tls_context *rpc_tls_client(const struct rpc_tls_options *options,
                                       struct tars_error *error)
{
    return context_new(options, false, error);
}

void rpc_tls_context_free(struct rpc_tls_context *context)
{
    if (!context)
        return;
    SSL_CTX_free(context->ctx);
    free(context);
}

static void name_peer(SSL *ssl, const char *host, bool verify)
{
    struct in6_addr address;
    bool numeric = inet_pton(AF_INET, host, &address) == 1 || strchr(host, ':');
    if (!numeric)
        SSL_set_tlsext_host_name(ssl, host);
    if (!verify)
        return;
    if (numeric)
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    else
        SSL_set1_host(ssl, host);
}

struct rpc_tls *rpc_tls_new(struct rpc_tls_context *context, int fd, const char *host)
{
    SSL *ssl = SSL_new(context->ctx);
    if (!ssl || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    if (context->server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    if (host)
        name_peer(ssl, host, context->verify);
    struct rpc_tls *tls = xcalloc(1, sizeof *tls);
    tls->ssl = ssl;
    return tls;
}

void rpc_tls_free(struct rpc_tls *tls)
{
    if (!tls)
        return;
    if (!tls->failed && SSL_is_init_finished(tls->ssl))
        SSL_shutdown(tls->ssl);
    ERR_clear_error();
    SSL_free(tls->ssl);
    free(tls);
}

/* Turns OpenSSL's result into ours; `result` is what the failed call returned. */
static ssize_t outcome(struct rpc_tls *tls, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return RPC_TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return RPC_TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        tls->failed = true;
        tls->reason = ERR_peek_last_error();
        tls->verify_result = SSL_get_verify_result(tls->ssl);
        tls->certificate = tls->verify_result != X509_V_OK;
        return RPC_TLS_FAILED;
    }
}

ssize_t rpc_tls_handshake(struct rpc_tls *tls)
{
    ERR_clear_error(); /* the queue is the thread's, not the connection's */
    int result = SSL_do_handshake(tls->ssl);
    return result == 1 ? 1 : outcome(tls, result);
}

ssize_t rpc_tls_read(struct rpc_tls *tls, void *bytes, size_t size)
{
    ERR_clear_error();
    int got = SSL_read(tls->ssl, bytes, size > INT_MAX ? INT_MAX : (int)size);
    return got > 0 ? got : outcome(tls, got);
}

ssize_t rpc_tls_write(struct rpc_tls *tls, const void *bytes, size_t len)
{
    ERR_clear_error();
    int put = SSL_write(tls->ssl, bytes, len > INT_MAX ? INT_MAX : (int)len);
    if (put > 0)
        return put;
    ssize_t why = outcome(tls, put);
    return why ? why : RPC_TLS_FAILED; /* the peer has said goodbye: nothing can be written */
}

bool rpc_tls_pending(const struct rpc_tls *tls)
{
    return SSL_has_pending(tls->ssl) == 1;
}

void rpc_tls_explain(const struct rpc_tls *tls, struct tars_error *error)
{
    char reason[160] = "the peer ended the connection";
    if (tls->reason)
        ERR_error_string_n(tls->reason, reason, sizeof reason);
    if (tls->certificate)
        tars_fail(error, -1, "TLS: the peer's certificate: %s",
                  X509_verify_cert_error_string(tls->verify_result));
    else
        tars_fail(error, -1, "TLS: %s", reason);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS over a non-blocking socket, for servers and clients. */
#ifndef RPC_TLS_H
#define RPC_TLS_H

#include <sys/types.h>

#include <tars/types.h>

/* Files and rules; NULL or "" leaves one out. */
struct rpc_tls_options {
    const char *ca;      /* certificates that the peer's must lead to */
    const char *cert;    /* our certificate chain … */
    const char *key;     /* … and its private key; a server needs both */
    const char *ciphers; /* OpenSSL's list for TLS up to 1.2 */
    bool verify_peer;    /* server: ask clients for a certificate. client: check the server's */
};

/* What all connections of one adapter or proxy share. Any thread. */
struct rpc_tls_context;
struct rpc_tls_context *rpc_tls_server(const struct rpc_tls_options *options,
                                       struct tars_error *error) TARS_MUSTCHECK;
struct rpc_tls_context *rpc_tls_client(const struct rpc_tls_options *options,
                                       struct tars_error *error) TARS_MUSTCHECK;
void rpc_tls_context_free(struct rpc_tls_context *context);

/* One connection; `fd` stays the caller's. `host` is what a client verifies and names (SNI); NULL
 * for servers. NULL when memory fails. */
struct rpc_tls;
struct rpc_tls *rpc_tls_new(struct rpc_tls_context *context, int fd, const char *host);
/* Says goodbye to the peer when the connection is in order; never waits. */
void rpc_tls_free(struct rpc_tls *tls);

enum { RPC_TLS_WANT_READ = -1, RPC_TLS_WANT_WRITE = -2, RPC_TLS_FAILED = -3 };

/* Bytes moved, 0 at the peer's end (read only), or one of the above. The handshake goes on inside
 * either call; rpc_tls_handshake does only that and gives 1 when it is complete. */
ssize_t rpc_tls_handshake(struct rpc_tls *tls);
ssize_t rpc_tls_read(struct rpc_tls *tls, void *bytes, size_t size);
ssize_t rpc_tls_write(struct rpc_tls *tls, const void *bytes, size_t len);
/* True when decrypted bytes wait that no socket event will announce. */
bool rpc_tls_pending(const struct rpc_tls *tls);
/* After RPC_TLS_FAILED: why. */
void rpc_tls_explain(const struct rpc_tls *tls, struct tars_error *error);

#endif

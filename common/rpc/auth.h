/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The authentication that opens a connection to an endpoint with "-e 1" (Tars protocol): a first
 * request whose body proves that the caller knows the object's secret key.
 *
 * The scheme is old (SHA-1, MD5, 3DES) and a packet can be replayed for an hour; TLS with client
 * certificates is the better choice where all peers can.
 */
#ifndef RPC_AUTH_H
#define RPC_AUTH_H

#include <tars/wire.h>

#define RPC_AUTH_FUNCTION "InnerAuthServer"
#define RPC_AUTH_SUCCESS  "AUTH_SUCC"

enum { RPC_AUTH_SIGNATURE = 48, RPC_AUTH_WINDOW_S = 3600 };

/* What both sides know. */
struct rpc_auth_key {
    struct tars_str object; /* "App.Server.Obj" */
    struct tars_str access_key;
    struct tars_str secret_key;
};

/* The signature at `now_s` seconds since 1970. False when the crypto library refuses 3DES. */
bool rpc_auth_sign(const struct rpc_auth_key *key, int64_t now_s,
                   uint8_t signature[RPC_AUTH_SIGNATURE]) TARS_MUSTCHECK;

/* Appends a client's authentication body. */
bool rpc_auth_write(const struct rpc_auth_key *key, int64_t now_s,
                    struct tars_writer *body) TARS_MUSTCHECK;

/* Server: does `body` prove knowledge of the key? Compares in constant time; the error is for the
 * log, the peer gets nothing but a closed connection. */
bool rpc_auth_check(const struct rpc_auth_key *key, struct tars_str body, int64_t now_s,
                    struct tars_error *error) TARS_MUSTCHECK;

/* Client: is this the answer of a server that is content? */
bool rpc_auth_accepted(int32_t ret, struct tars_str body);

#endif

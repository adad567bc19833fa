/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store's HTTP port: takes requests with their limits, hands them to the store's threads, sends
 * the answers.
 */
#ifndef STORE_SERVER_H
#define STORE_SERVER_H

#include "store.h"

struct server;

struct server_options {
    const char *address;
    uint16_t port;
    const char *user, *password; /* basic auth; NULL or "" for none */
    const char *api_key;         /* the encoded key; NULL or "" for none */
    const char *certificate;     /* PEM file of the chain; NULL or "": plain HTTP */
    const char *key;             /* PEM file of its private key */
    size_t body_limit;           /* bytes of one request, also after unpacking */
    size_t memory_limit;         /* bytes of all requests that are being received or worked on */
    unsigned connections;
    unsigned idle_seconds; /* a connection that is silent for so long is closed */
};

/* Listens. error->code is 3 when the address cannot be bound. */
struct server *server_new(struct store *store, const struct server_options *options,
                          struct tars_error *error);
/* Takes no more, finishes what runs. */
void server_free(struct server *s);
/* Once a second, on one thread: new connections get a certificate that has changed. */
void server_tick(struct server *s);
/* From any thread. */
unsigned server_connections(struct server *s);
uint64_t server_renewals(const struct server *s);
/* An address that only this machine reaches. */
bool server_is_local(const char *address);

#endif

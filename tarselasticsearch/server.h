/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store's HTTP port: takes requests with their limits, hands them to the store's threads, sends
 * the answers.
 */
#ifndef STORE_SERVER_H
#define STORE_SERVER_H

#include "access.h"
#include "store.h"

struct server;

struct server_options {
    const char *address;
    uint16_t port;
    struct access *access;   /* who may ask; stays the caller's */
    const char *certificate; /* PEM file of the chain; NULL or "": plain HTTP */
    const char *key;         /* PEM file of its private key */
    size_t body_limit;       /* bytes of one request, also after unpacking */
    size_t memory_limit;     /* bytes of all bodies and answers that are held */
    unsigned connections;
    unsigned idle_seconds;     /* a connection that is silent for so long is closed */
    unsigned transfer_seconds; /* as is one whose request or answer takes so long on its way */
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
struct server_stats {
    _Atomic uint64_t denied; /* wrong or no credentials */
    _Atomic uint64_t large;  /* bodies over the limit */
    _Atomic uint64_t full;   /* requests for which there was no memory */
    _Atomic uint64_t slow;   /* connections that were closed as too slow */
};
const struct server_stats *server_stats(const struct server *s);
/* An address that only this machine reaches. */
bool server_is_local(const char *address);

#endif

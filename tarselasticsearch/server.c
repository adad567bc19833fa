/* SPDX-License-Identifier: BSD-3-Clause */
#include "server.h"

#include "base/log.h"
#include "base/xmalloc.h"
#include "listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>

struct server {
    struct calls calls;
    pthread_mutex_t lock; /* of `listener`, for who counts connections */
    struct listener *listener;
    struct listener *retired; /* which has connections from before; or NULL */
    struct certificate_files certificates;
    _Atomic uint64_t renewals;
};

/* ---- life ------------------------------------------------------------------------------------ */

static bool listen_first(struct server *s, struct tars_error *error)
{
    struct certificate *certificate = NULL;
    if (s->certificates.chain) {
        certificate = certificate_load(&s->certificates, error);
        if (!certificate) {
            error->code = 2;
            return false;
        }
    }
    bool tls = certificate != NULL;
    s->listener = listener_new(&s->calls, certificate, -1);
    return s->listener ||
           tars_fail(error, 3,
                     "listening on %s port %u: the address is in use or cannot be bound%s",
                     s->calls.options.address, s->calls.options.port,
                     tls ? ", or TLS cannot be set up with this certificate" : "");
}

struct server *server_new(struct store *store, const struct server_options *options,
                          struct tars_error *error)
{
    struct sockaddr_storage address;
    struct server *s = xcalloc(1, sizeof *s);
    s->calls.store = store;
    s->calls.options = *options;
    pthread_mutex_init(&s->lock, NULL);
    if (options->certificate && *options->certificate)
        s->certificates = (struct certificate_files){.chain = options->certificate,
                                                     .key = options->key};
    if (!listener_make_address(options->address, options->port, &address))
        tars_fail(error, 2, "address %s: an IPv4 or IPv6 address was expected", options->address);
    else if (listen_first(s, error))
        return s;
    server_free(s);
    return NULL;
}

void server_free(struct server *s)
{
    if (!s)
        return;
    listener_free(s->retired);
    listener_free(s->listener);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- another certificate --------------------------------------------------------------------- */

/* Connections go on with the certificate that they began with; those from before the last one are
 * closed when a third one comes. */
static void renew(struct server *s)
{
    struct tars_error error;
    struct certificate *certificate = certificate_load(&s->certificates, &error);
    struct listener *l = NULL;
    if (!certificate)
        log_error("store", "the certificate stays as it was: %s", error.text);
    else if (!(l = listener_new_beside(s->listener, certificate)))
        log_error("store", "the certificate stays as it was: TLS cannot be set up with %s",
                  s->certificates.chain);
    if (!l)
        return;
    s->retired = s->listener;
    s->retired->fd = MHD_quiesce_daemon(s->retired->daemon);
    pthread_mutex_lock(&s->lock);
    s->listener = l;
    pthread_mutex_unlock(&s->lock);
    atomic_fetch_add(&s->renewals, 1);
    log_info("store", "new connections get the certificate as it is in %s now",
             s->certificates.chain);
}

static void close_slow(struct server *s, const struct listener *l)
{
    /* A connection that is silent is closed by MHD, one that keeps sending a little is not. */
    int64_t quiet = ((int64_t)s->calls.options.idle_seconds + 1) * 1000;
    if (l)
        atomic_fetch_add(&s->calls.stats.slow,
                         peers_close_slow(l->entrance.peers, quiet,
                                          (int64_t)s->calls.options.transfer_seconds * 1000));
}

void server_tick(struct server *s)
{
    close_slow(s, s->listener);
    close_slow(s, s->retired);
    struct listener *old = s->retired;
    bool changed = s->certificates.chain && certificate_changed(&s->certificates);
    if (old && (changed || listener_connections(old) == 0))
        atomic_store(&old->entrance.closing, true);
    if (old && atomic_load(&old->entrance.closing) && listener_is_idle(old)) {
        listener_free(old);
        s->retired = NULL;
    }
    if (changed && !s->retired)
        renew(s);
}

/* ---- figures --------------------------------------------------------------------------------- */

unsigned server_connections(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned count = listener_connections(s->listener);
    pthread_mutex_unlock(&s->lock);
    return count;
}

uint64_t server_renewals(const struct server *s)
{
    return atomic_load(&s->renewals);
}

const struct server_stats *server_stats(const struct server *s)
{
    return &s->calls.stats;
}

bool server_is_local(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "service.h"

#include "base/xmalloc.h"
#include "server.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

struct service {
    struct access *access;
    struct store *store;
    struct server *server;
    struct event *tick, *hangup;
};

enum { MEGABYTE = 1024 * 1024, REQUEST_MEMORY = 128 * MEGABYTE };

static struct store *open_store(struct daemon *daemon, struct tars_error *error)
{
    char *path = xasprintf("%s/store.db", daemon_data(daemon));
    struct store_options options = {
        .path = path,
        .readers = (int)daemon_int(daemon, "readers"),
        .queue_limit = (size_t)daemon_int(daemon, "queue-limit"),
        .request_memory = REQUEST_MEMORY,
        .scroll_limit = (int)daemon_int(daemon, "scroll-limit"),
    };
    struct store *store = store_open(&options, error);
    free(path);
    return store;
}

static bool check_access(struct daemon *daemon, struct access *access, struct tars_error *error)
{
    const char *address = daemon_text(daemon, "address");
    if (!*daemon_text(daemon, "certificate") != !*daemon_text(daemon, "certificate-key"))
        return tars_fail(error, DAEMON_USAGE,
                         "one of certificate and certificate-key is set: set both, or none");
    if (*daemon_text(daemon, "user") && !*daemon_text(daemon, "password"))
        return tars_fail(error, DAEMON_USAGE, "user is set and password is not: set both");
    if (server_is_local(address) || access_is_guarded(access) ||
        strcmp(daemon_text(daemon, "auth"), "off") == 0)
        return true;
    return tars_fail(error, DAEMON_USAGE,
                     "address %s can be reached from outside and there is neither a user nor an "
                     "API key: make one with tarselasticsearch --data %s passwd NAME (or apikey "
                     "NAME), or set auth=off if everybody may read and write",
                     address, daemon_data(daemon));
}

static struct access *open_access(struct daemon *daemon, struct tars_error *error)
{
    char *users = xasprintf("%s/users", daemon_data(daemon));
    struct access_options options = {
        .user = daemon_text(daemon, "user"),
        .password = daemon_text(daemon, "password"),
        .api_key = daemon_text(daemon, "api-key"),
        .users = users,
    };
    struct access *access = access_new(&options, error);
    free(users);
    return access;
}

static void on_tick(evutil_socket_t fd, short what, void *self)
{
    (void)fd;
    (void)what;
    struct service *s = self;
    access_look(s->access);
    server_tick(s->server);
}

bool service_open(struct daemon *daemon, void **self, struct tars_error *error)
{
    struct server_options options = {
        .address = daemon_text(daemon, "address"),
        .port = daemon_port(daemon, "port"),
        .certificate = daemon_text(daemon, "certificate"),
        .key = daemon_text(daemon, "certificate-key"),
        .body_limit = (size_t)daemon_int(daemon, "body-limit-mb") * MEGABYTE,
        .memory_limit = (size_t)daemon_int(daemon, "memory-limit-mb") * MEGABYTE,
        .connections = (unsigned)daemon_int(daemon, "connections"),
        .idle_seconds = (unsigned)daemon_int(daemon, "idle-seconds"),
        .transfer_seconds = (unsigned)daemon_int(daemon, "transfer-seconds"),
    };
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow fails the write, not the store */
    struct service *s = xcalloc(1, sizeof *s);
    options.access = s->access = open_access(daemon, error);
    if (s->access && check_access(daemon, s->access, error))
        s->store = open_store(daemon, error);
    if (s->store)
        s->server = server_new(s->store, &options, error);
    if (!s->server) {
        service_close(s);
        return false;
    }
    const struct timeval second = {.tv_sec = 1};
    s->tick = event_new(daemon_base(daemon), -1, EV_PERSIST, on_tick, s);
    event_add(s->tick, &second);
    s->hangup = evsignal_new(daemon_base(daemon), SIGHUP, on_tick, s);
    event_add(s->hangup, NULL);
    *self = s;
    return true;
}

void service_close(void *self)
{
    struct service *s = self;
    if (s->tick) {
        event_free(s->tick);
        event_free(s->hangup);
    }
    server_free(s->server);
    store_close(s->store);
    access_free(s->access);
    free(s);
}

static struct store_stats *stats(void *self)
{
    return store_stats(((struct service *)self)->store);
}

double service_commits(void *self)
{
    return (double)stats(self)->commits;
}

double service_writes(void *self)
{
    return (double)stats(self)->writes;
}

double service_reads(void *self)
{
    return (double)stats(self)->reads;
}

double service_rejected(void *self)
{
    const struct server_stats *at_door = server_stats(((struct service *)self)->server);
    return (double)(stats(self)->refused + at_door->full);
}

double service_denied(void *self)
{
    return (double)server_stats(((struct service *)self)->server)->denied;
}

double service_large(void *self)
{
    return (double)server_stats(((struct service *)self)->server)->large;
}

double service_slow(void *self)
{
    return (double)server_stats(((struct service *)self)->server)->slow;
}

double service_rollbacks(void *self)
{
    return (double)stats(self)->rollbacks;
}

double service_disk_full(void *self)
{
    return stats(self)->full;
}

double service_waiting(void *self)
{
    return (double)store_waiting(((struct service *)self)->store);
}

double service_connections(void *self)
{
    return server_connections(((struct service *)self)->server);
}

double service_renewals(void *self)
{
    return (double)server_renewals(((struct service *)self)->server);
}

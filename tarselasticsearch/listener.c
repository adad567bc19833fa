/* SPDX-License-Identifier: BSD-3-Clause */
#include "listener.h"

#include "base/xmalloc.h"
#include "exchange.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool listener_make_address(const char *address, uint16_t port, struct sockaddr_storage *to)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
    memset(to, 0, sizeof *to);
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return true;
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return inet_pton(AF_INET6, address, &v6->sin6_addr) == 1;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct entrance *e = cls;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        *context = peer_enter(
            e->peers,
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
    else
        peer_leave(e->peers, *context);
}

/* Paths are taken apart before they are decoded, so MHD must not. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

struct listener *listener_new(struct calls *calls, struct certificate *certificate, int fd)
{
    struct sockaddr_storage address;
    struct listener *l = xcalloc(1, sizeof *l);
    listener_make_address(calls->options.address, calls->options.port, &address);
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                     (certificate ? MHD_USE_TLS : 0) |
                     (address.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, certificate ? certificate->chain : NULL},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, certificate ? certificate->key : NULL},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)CERTIFICATE_PRIORITIES},
        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem socket[] = {
        fd < 0 ? (struct MHD_OptionItem){MHD_OPTION_SOCK_ADDR, 0, &address}
               : (struct MHD_OptionItem){MHD_OPTION_LISTEN_SOCKET, fd, NULL},
        {MHD_OPTION_END, 0, NULL}};
    l->entrance.calls = calls;
    l->fd = -1;
    l->entrance.peers = peers_new();
    l->certificate = certificate;
    l->daemon = MHD_start_daemon(
        flags, calls->options.port, NULL, NULL, exchange_run, &l->entrance, MHD_OPTION_ARRAY,
        socket, MHD_OPTION_ARRAY, certificate ? tls : none, MHD_OPTION_URI_LOG_CALLBACK,
        exchange_begin, &l->entrance, MHD_OPTION_NOTIFY_COMPLETED, exchange_end, &l->entrance,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, &l->entrance, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_escapes, NULL, MHD_OPTION_CONNECTION_LIMIT, calls->options.connections,
        MHD_OPTION_CONNECTION_TIMEOUT, calls->options.idle_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384, MHD_OPTION_THREAD_STACK_SIZE,
        (size_t)262144, MHD_OPTION_END);
    if (l->daemon)
        return l;
    peers_free(l->entrance.peers);
    certificate_free(certificate);
    free(l);
    return NULL;
}

struct listener *listener_new_beside(struct listener *l, struct certificate *certificate)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_LISTEN_FD);
    int fd = info ? fcntl(info->listen_fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (fd >= 0)
        return listener_new(l->entrance.calls, certificate, fd);
    certificate_free(certificate);
    return NULL;
}

/* MHD must not be stopped while connections are suspended: none is when nothing works. */
bool listener_is_idle(struct listener *l)
{
    return atomic_load(&l->entrance.working) == 0;
}

void listener_free(struct listener *l)
{
    if (!l)
        return;
    atomic_store(&l->entrance.closing, true);
    while (!listener_is_idle(l))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    MHD_stop_daemon(l->daemon);
    if (l->fd >= 0)
        close(l->fd);
    peers_free(l->entrance.peers);
    certificate_free(l->certificate);
    free(l);
}

unsigned listener_connections(const struct listener *l)
{
    const union MHD_DaemonInfo *info =
        l ? MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS) : NULL;
    return info ? info->num_connections : 0;
}

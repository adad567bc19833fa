/* SPDX-License-Identifier: BSD-3-Clause */
#include "ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "rpc/resolver.h"

/* A port that was taken is marked by a socket with an abstract name: the kernel shows it to all of
 * this network namespace and takes it away when its holder ends. */
struct taken {
    uint16_t port;
    int mark;     /* -1: our supervisor holds it, or somebody else */
    bool avoided; /* not ours yet */
};

struct ports {
    int32_t first, last;
    const char *held;
    struct taken *taken;
    size_t count;
};

struct ports *ports_new(int32_t first, int32_t last, const char *held)
{
    struct ports *ports = xcalloc(1, sizeof *ports);

    *ports = (struct ports){.first = first, .last = last, .held = held};
    return ports;
}

void ports_free(struct ports *ports)
{
    if (!ports)
        return;
    for (size_t i = 0; i < ports->count; i++)
        if (ports->taken[i].mark >= 0)
            close(ports->taken[i].mark);
    free(ports->taken);
    free(ports);
}

/* -1: somebody else has it. */
static int mark_port(uint16_t port)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int len = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "tarscli/port/%u",
                       (unsigned)port);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 &&
        bind(fd, (struct sockaddr *)&name,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* A host that is not numeric stands for any address. */
static bool find_place(const char *host, uint16_t port, struct rpc_addresses *where)
{
    struct tars_endpoint endpoint = {.port = port};

    snprintf(endpoint.host, sizeof endpoint.host, "%s", host);
    if (rpc_address_numeric(&endpoint, where, NULL))
        return true;
    snprintf(endpoint.host, sizeof endpoint.host, "0.0.0.0");
    return rpc_address_numeric(&endpoint, where, NULL);
}

/* Would a server get this port? If not, errno says why. */
static bool is_free(enum tars_transport transport, const char *host, uint16_t port)
{
    struct rpc_addresses where;
    int type = transport == TARS_UDP ? SOCK_DGRAM : SOCK_STREAM, one = 1, fd, reason;
    bool ok;

    if (!find_place(host, port, &where))
        return false;
    fd = socket(where.at[0].any.sa_family, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (type == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    ok = bind(fd, &where.at[0].any, where.at[0].len) == 0 &&
         (type == SOCK_DGRAM || listen(fd, 1) == 0);
    reason = errno;
    close(fd);
    errno = reason;
    return ok;
}

static bool is_held(const struct ports *ports, uint16_t port)
{
    for (const char *at = ports->held; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (strtol(at, NULL, 10) == port)
            return true;
    return false;
}

static struct taken *find(const struct ports *ports, uint16_t port)
{
    for (size_t i = 0; i < ports->count; i++)
        if (ports->taken[i].port == port)
            return &ports->taken[i];
    return NULL;
}

static void put(struct ports *ports, uint16_t port, int mark, bool avoided)
{
    ports->taken = xrealloc(ports->taken, (ports->count + 1) * sizeof *ports->taken);
    ports->taken[ports->count++] = (struct taken){port, mark, avoided};
}

static bool try_port(struct ports *ports, enum tars_transport transport, const char *host,
                     uint16_t port)
{
    int mark = -1;

    if (find(ports, port) || !is_free(transport, host, port))
        return false;
    if (!is_held(ports, port) && (mark = mark_port(port)) < 0)
        return false;
    put(ports, port, mark, false);
    return true;
}

void ports_avoid(struct ports *ports, uint16_t port)
{
    if (!find(ports, port))
        put(ports, port, is_held(ports, port) ? -1 : mark_port(port), true);
}

/* One that was only avoided becomes ours. */
static bool claim_avoided(struct ports *ports, enum tars_transport transport, const char *host,
                          struct taken *taken)
{
    if (taken->avoided && (taken->mark >= 0 || is_held(ports, taken->port)))
        taken->avoided = !is_free(transport, host, taken->port);
    return !taken->avoided;
}

bool ports_take(struct ports *ports, enum tars_transport transport, const char *host,
                uint16_t preferred, uint16_t *port, struct tars_error *error)
{
    *port = preferred;
    if (preferred >= ports->first && preferred <= ports->last &&
        try_port(ports, transport, host, preferred))
        return true;
    for (int32_t p = ports->first; p <= ports->last; p++) {
        *port = (uint16_t)p;
        if (try_port(ports, transport, host, *port))
            return true;
    }
    if (!is_free(transport, host, (uint16_t)ports->first) && errno != EADDRINUSE)
        return tars_fail(error, errno,
                         "no available port: cannot listen on %.100s: %s; is that (POD_IP, or the "
                         "endpoint's -h) an address of this machine?",
                         host, strerror(errno));
    return tars_fail(error, 1, "no available port: none of %d to %d is free on %.100s",
                     (int)ports->first, (int)ports->last, host);
}

bool ports_claim(struct ports *ports, enum tars_transport transport, const char *host,
                 uint16_t port, struct tars_error *error)
{
    struct taken *taken = find(ports, port);

    return (taken ? claim_avoided(ports, transport, host, taken)
                  : try_port(ports, transport, host, port)) ||
           tars_fail(error, 1, "port %u on %.100s is taken, or that is no address of this machine",
                     (unsigned)port, host);
}

char *ports_variable(const struct ports *ports)
{
    char *text = xstrdup("TARSCLI_PORTS=");

    for (size_t i = 0; i < ports->count; i++) {
        char *longer = xasprintf("%s%s%u", text, i ? "," : "", (unsigned)ports->taken[i].port);

        free(text);
        text = longer;
    }
    return text;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The C library's look-ups of names load shared libraries when they run, which a static program
 * cannot count on. Libraries that this program links call them; here are those calls for what needs
 * no look-up. Host names are resolved by common/dns.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct found {
    struct addrinfo info;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
};

static int fill(struct found *found, const char *host, in_port_t port)
{
    if (inet_pton(AF_INET, host, &found->address.v4.sin_addr) == 1) {
        found->address.v4.sin_family = AF_INET;
        found->address.v4.sin_port = port;
        found->info.ai_addrlen = sizeof found->address.v4;
    } else if (inet_pton(AF_INET6, host, &found->address.v6.sin6_addr) == 1) {
        found->address.v6.sin6_family = AF_INET6;
        found->address.v6.sin6_port = port;
        found->info.ai_addrlen = sizeof found->address.v6;
    } else {
        return EAI_NONAME;
    }
    found->info.ai_family = found->address.any.sa_family;
    found->info.ai_addr = &found->address.any;
    return 0;
}

/* Numeric hosts and ports only. */
int getaddrinfo(const char *restrict host, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict result)
{
    struct found *found = calloc(1, sizeof *found);
    unsigned long port = service ? strtoul(service, NULL, 10) : 0;
    int status;

    if (!found)
        return EAI_MEMORY;
    status = port > UINT16_MAX ? EAI_SERVICE
                               : fill(found, host ? host : "0.0.0.0", htons((uint16_t)port));
    if (status != 0) {
        free(found);
        return status;
    }
    found->info.ai_socktype = hints && hints->ai_socktype ? hints->ai_socktype : SOCK_STREAM;
    found->info.ai_protocol = hints ? hints->ai_protocol : 0;
    *result = &found->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
    free(info); /* the first member of struct found, and the only one of its list */
}

struct hostent *gethostbyname(const char *name)
{
    (void)name;
    h_errno = HOST_NOT_FOUND;
    return NULL;
}

struct servent *getservbyname(const char *name, const char *protocol)
{
    (void)name;
    (void)protocol;
    return NULL;
}

struct protoent *getprotobynumber(int number)
{
    (void)number;
    return NULL;
}

/* OpenSSL asks for modules that nobody has configured. The C library has a dlopen of its own
 * inside, so calls to it are led here by the linker (--wrap). */
void *__wrap_dlopen(const char *path, int flags);
void *__wrap_dlopen(const char *path, int flags)
{
    (void)path;
    (void)flags;
    return NULL;
}

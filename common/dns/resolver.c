/* SPDX-License-Identifier: BSD-3-Clause */
#include "dns/resolver.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/time.h>

#include "base/log.h"
#include "base/xmalloc.h"

enum { SECOND_ANSWER_MS = 1000 /* how long the other family may take once one has answered */ };

struct rpc_resolver {
    struct event_base *base;
    struct evdns_base *dns; /* NULL until a name server has to be asked */
    const char *resolv_conf, *hosts;
    struct rpc_lookup *lookups;
};

/* Questions to evdns always lead to an answer, maybe after all else is over: the lookup stays until
 * the last one has come. */
struct rpc_lookup {
    struct rpc_lookup *next, **at;
    struct event *soon; /* delivers what is known; NULL: over, nobody waits any more */
    char host[sizeof((struct tars_endpoint *)0)->host];
    uint16_t port;
    rpc_resolved *done;
    void *user;
    unsigned questions; /* under way */
    struct rpc_addresses addresses;
    char error[160]; /* the last refusal */
};

/* ---- the end of a look-up -------------------------------------------------------------------- */

static void end(struct rpc_lookup *lookup)
{
    if (lookup->soon) {
        *lookup->at = lookup->next;
        if (lookup->next)
            lookup->next->at = lookup->at;
        event_free(lookup->soon);
        lookup->soon = NULL;
    }
    if (lookup->questions == 0)
        free(lookup);
}

static void deliver(evutil_socket_t fd, short what, void *arg)
{
    struct rpc_lookup *lookup = arg;
    struct rpc_addresses addresses = lookup->addresses;
    rpc_resolved *done = lookup->done;
    void *user = lookup->user;
    char error[sizeof lookup->error];

    (void)fd;
    (void)what;
    memcpy(error, lookup->error, sizeof error);
    end(lookup);
    done(user, &addresses, addresses.count ? NULL : error);
}

static void deliver_in(struct rpc_lookup *lookup, int ms)
{
    const struct timeval wait = {ms / 1000, ms % 1000 * 1000};

    event_add(lookup->soon, &wait);
}

/* ---- addresses ---------------------------------------------------------------------------------
 */

static void add_address(struct rpc_lookup *lookup, int family, const void *bytes)
{
    struct rpc_addresses *all = &lookup->addresses;
    struct rpc_address *a = &all->at[all->count];
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->storage;

    if (all->count == RPC_ADDRESSES_MAX)
        return;
    memset(a, 0, sizeof *a);
    a->storage.ss_family = (sa_family_t)family;
    if (family == AF_INET) {
        v4->sin_port = htons(lookup->port);
        memcpy(&v4->sin_addr, bytes, sizeof v4->sin_addr);
        a->len = sizeof *v4;
    } else {
        v6->sin6_port = htons(lookup->port);
        memcpy(&v6->sin6_addr, bytes, sizeof v6->sin6_addr);
        a->len = sizeof *v6;
    }
    all->count++;
}

static void add_text(struct rpc_lookup *lookup, const char *address)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, address, bytes) == 1)
        add_address(lookup, AF_INET, bytes);
    else if (inet_pton(AF_INET6, address, bytes) == 1)
        add_address(lookup, AF_INET6, bytes);
}

/* A line of /etc/hosts; changed in place. */
static void read_hosts_line(struct rpc_lookup *lookup, char *line)
{
    static const char blanks[] = " \t\r\n";
    char *rest = NULL, *address, *name;

    line[strcspn(line, "#")] = '\0';
    address = strtok_r(line, blanks, &rest);
    while (address && (name = strtok_r(NULL, blanks, &rest)))
        if (strcasecmp(name, lookup->host) == 0)
            add_text(lookup, address);
}

static void read_hosts(struct rpc_lookup *lookup, const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;

    while (file && getline(&line, &room, file) > 0)
        read_hosts_line(lookup, line);
    free(line);
    if (file)
        fclose(file);
    if (lookup->addresses.count == 0 && strcasecmp(lookup->host, "localhost") == 0)
        add_text(lookup, "127.0.0.1"); /* an empty image has no such file */
}

/* ---- questions
 * ------------------------------------------------------------------------------------ */

static void take_answer(struct rpc_lookup *lookup, int status, char type, int count,
                        const void *addresses)
{
    const char *bytes = addresses;
    bool v6 = type == DNS_IPv6_AAAA;
    size_t size = v6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);

    for (int i = 0; status == DNS_ERR_NONE && i < count; i++)
        add_address(lookup, v6 ? AF_INET6 : AF_INET, bytes + (size_t)i * size);
    if (status != DNS_ERR_NONE)
        snprintf(lookup->error, sizeof lookup->error, "cannot resolve the host name: %s",
                 evdns_err_to_string(status));
}

static void on_answer(int status, char type, int count, int ttl, void *addresses, void *arg)
{
    struct rpc_lookup *lookup = arg;

    (void)ttl;
    lookup->questions--;
    if (!lookup->soon) {
        end(lookup);
        return;
    }
    take_answer(lookup, status, type, count, addresses);
    if (lookup->questions == 0)
        deliver_in(lookup, 0);
    else if (lookup->addresses.count)
        deliver_in(lookup, SECOND_ANSWER_MS);
}

/* Failures are told to those who ask. */
static void log_dns(int is_warning, const char *text)
{
    (void)is_warning;
    log_debug("dns", "%s", text);
}

/* False when there is nobody to ask. */
static bool open_dns(struct rpc_resolver *r)
{
    if (r->dns)
        return true;
    r->dns = evdns_base_new(r->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (!r->dns)
        return false;
    evdns_set_log_fn(log_dns);
    evdns_base_resolv_conf_parse(r->dns,
                                 DNS_OPTION_SEARCH | DNS_OPTION_MISC | DNS_OPTION_NAMESERVERS |
                                     DNS_OPTION_NAMESERVERS_NO_DEFAULT,
                                 r->resolv_conf);
    if (evdns_base_count_nameservers(r->dns) > 0)
        return true;
    evdns_base_free(r->dns, 0); /* the file may be there next time */
    r->dns = NULL;
    return false;
}

static void ask(struct rpc_resolver *r, struct rpc_lookup *lookup)
{
    if (!open_dns(r)) {
        snprintf(lookup->error, sizeof lookup->error,
                 "cannot resolve the host name: no name server stands in %s", r->resolv_conf);
        deliver_in(lookup, 0);
        return;
    }
    lookup->questions = 2;
    if (!evdns_base_resolve_ipv4(r->dns, lookup->host, 0, on_answer, lookup))
        lookup->questions--;
    if (!evdns_base_resolve_ipv6(r->dns, lookup->host, 0, on_answer, lookup))
        lookup->questions--;
    if (lookup->questions)
        return;
    snprintf(lookup->error, sizeof lookup->error, "cannot resolve the host name: it is none");
    deliver_in(lookup, 0);
}

/* ---- rpc/resolver.h
 * --------------------------------------------------------------------------------- */

struct rpc_resolver *dns_resolver_new(struct event_base *base, const char *resolv_conf,
                                      const char *hosts)
{
    struct rpc_resolver *r = xcalloc(1, sizeof *r);

    r->base = base;
    r->resolv_conf = resolv_conf;
    r->hosts = hosts;
    return r;
}

struct rpc_resolver *rpc_resolver_new(struct event_base *base)
{
    return dns_resolver_new(base, "/etc/resolv.conf", "/etc/hosts");
}

void rpc_resolver_free(struct rpc_resolver *r)
{
    if (!r)
        return;
    for (struct rpc_lookup *lookup = r->lookups, *next; lookup; lookup = next) {
        next = lookup->next;
        end(lookup);
    }
    if (r->dns)
        evdns_base_free(r->dns, 1); /* tells the look-ups that are left, which end them */
    free(r);
}

struct rpc_lookup *rpc_resolver_lookup(struct rpc_resolver *r, const char *host, uint16_t port,
                                       rpc_resolved *done, void *user)
{
    struct rpc_lookup *lookup = xcalloc(1, sizeof *lookup);

    snprintf(lookup->host, sizeof lookup->host, "%s", host);
    lookup->port = port;
    lookup->done = done;
    lookup->user = user;
    lookup->soon = evtimer_new(r->base, deliver, lookup);
    lookup->next = r->lookups;
    lookup->at = &r->lookups;
    if (lookup->next)
        lookup->next->at = &lookup->next;
    r->lookups = lookup;
    read_hosts(lookup, r->hosts);
    if (lookup->addresses.count)
        deliver_in(lookup, 0);
    else
        ask(r, lookup);
    return lookup;
}

void rpc_lookup_cancel(struct rpc_lookup *lookup)
{
    if (lookup)
        end(lookup);
}

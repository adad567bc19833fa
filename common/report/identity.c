/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/identity.h"

#include "base/xmalloc.h"
#include "rpc/client_conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>

#define SERVER "/tars/application/server"
#define CLIENT "/tars/application/client"

static const char *non_empty(const char *value, const char *fallback)
{
    return value && *value ? value : fallback;
}

static char *first_address(void)
{
    struct ifaddrs *all = NULL;
    char text[INET_ADDRSTRLEN] = "127.0.0.1";

    if (getifaddrs(&all) != 0)
        return xstrdup(text);
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_LOOPBACK))
            continue;
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)i->ifa_addr;
        if (inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)))
            break;
    }
    freeifaddrs(all);
    return xstrdup(text);
}

static char *node_name(const struct tars_conf *conf)
{
    const char *name = non_empty(tars_conf_get(conf, SERVER "<nodename>", ""),
                                 tars_conf_get(conf, SERVER "<localip>", ""));

    return *name ? xstrdup(name) : first_address();
}

/* The division counts when it has three parts and the first two are no wildcards. */
static void take_set(struct report_identity *id, const struct tars_conf *conf)
{
    char *division = rpc_client_conf_set(conf);
    const char *first = division ? strchr(division, '.') : NULL;
    const char *second = first ? strchr(first + 1, '.') : NULL;
    bool valid = second && !strchr(second + 1, '.') && division[0] != '*' && first[1] != '*';

    if (!valid) {
        free(division);
        id->division = xstrdup("");
        for (size_t i = 0; i < 3; i++)
            id->set[i] = xstrdup("");
        return;
    }
    id->division = division;
    id->set[0] = xstrndup(division, (size_t)(first - division));
    id->set[1] = xstrndup(first + 1, (size_t)(second - first - 1));
    id->set[2] = xstrdup(second + 1);
}

void report_identity_init(struct report_identity *id, const struct tars_conf *conf)
{
    const char *module = tars_conf_get(conf, CLIENT "<modulename>", "");

    id->app = xstrdup(non_empty(tars_conf_get(conf, SERVER "<app>", ""), "UNKNOWN"));
    id->server = xstrdup(
        non_empty(tars_conf_get(conf, SERVER "<server>", ""), program_invocation_short_name));
    id->module = *module ? xstrdup(module) : xasprintf("%s.%s", id->app, id->server);
    id->container = xstrdup(tars_conf_get(conf, SERVER "<container>", ""));
    id->node_name = node_name(conf);
    take_set(id, conf);
    id->qualified = *id->division
                        ? xasprintf("%s.%s%s%s", id->module, id->set[0], id->set[1], id->set[2])
                        : xstrdup(id->module);
}

void report_identity_free(struct report_identity *id)
{
    free(id->app);
    free(id->server);
    free(id->module);
    free(id->division);
    for (size_t i = 0; i < 3; i++)
        free(id->set[i]);
    free(id->qualified);
    free(id->node_name);
    free(id->container);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does for a server what K8STARS' tarscli does in its pod: register LOCATOR NODE APP.SERVER
 * INTERVAL_MS OBJECT=ENDPOINT... registers it as activating, reports it active at once and then
 * every interval, and takes it out on SIGTERM. Prints a line per step; SIGUSR1 reports inactive
 * once and from then on. SET in the environment is the set "name.area.group" it belongs to.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <poll.h>
#include <unistd.h>

#include <tars/client.h>

#include "K8stars.h"

enum { MAX_ADAPTERS = 8, FIRST_ADAPTER = 5 };

struct server {
    struct tars_proxy *registry;
    struct tars_str node;
    struct tars_str application;
    struct tars_str name;
    const char *state;
};

static bool said(const char *step, struct tars_result r)
{
    printf("%s %s\n", step, r.error ? r.message : "ok");
    fflush(stdout);
    return r.error == 0;
}

static bool start(const struct server *s, char **adapters, size_t count)
{
    struct k8stars_adapter_conf confs[MAX_ADAPTERS];
    struct k8stars_on_startup_req req;

    k8stars_on_startup_req_init(&req);
    for (size_t i = 0; i < count; i++) {
        char *equals = strchr(adapters[i], '=');

        k8stars_adapter_conf_init(&confs[i]);
        confs[i].servant = tars_str_n(adapters[i], (size_t)(equals - adapters[i]));
        confs[i].endpoint = tars_str(equals + 1);
        confs[i].protocol = tars_str("tars");
    }
    req.node_name = s->node;
    req.application = s->application;
    req.server = s->name;
    req.adapters.at = confs;
    req.adapters.len = count;
    req.state = tars_str("activating");
    req.version = tars_str("1.0");
    req.set_id = tars_str(getenv("SET"));
    return said("onStartup", k8stars_tarsregistry_on_startup(s->registry, &req));
}

static bool keep_alive(const struct server *s)
{
    struct k8stars_keep_alive_req req;

    k8stars_keep_alive_req_init(&req);
    req.node_name = s->node;
    req.application = s->application;
    req.server = s->name;
    req.state = tars_str(s->state);
    return said("keepAlive", k8stars_tarsregistry_keep_alive(s->registry, &req));
}

static bool stop(const struct server *s)
{
    struct k8stars_on_prestop_req req;

    k8stars_on_prestop_req_init(&req);
    req.node_name = s->node;
    req.application = s->application;
    req.server = s->name;
    return said("onPrestop", k8stars_tarsregistry_on_prestop(s->registry, &req));
}

/* Reports until SIGTERM. */
static void report(struct server *s, int signals, int interval_ms)
{
    for (;;) {
        struct pollfd waiting = {.fd = signals, .events = POLLIN};
        struct signalfd_siginfo signal;

        if (poll(&waiting, 1, interval_ms) > 0 &&
            read(signals, &signal, sizeof(signal)) == sizeof(signal)) {
            if (signal.ssi_signo == SIGTERM)
                return;
            s->state = "inactive";
        }
        keep_alive(s);
    }
}

static bool split_name(const char *text, struct server *s)
{
    const char *dot = strchr(text, '.');

    if (!dot)
        return false;
    s->application = tars_str_n(text, (size_t)(dot - text));
    s->name = tars_str(dot + 1);
    return true;
}

static bool adapters_have_endpoints(char **adapters, int count)
{
    for (int i = 0; i < count; i++) {
        if (!strchr(adapters[i], '='))
            return false;
    }
    return count > 0 && count <= MAX_ADAPTERS;
}

int main(int argc, char **argv)
{
    struct server s = {.state = "active"};
    struct tars_client *client;
    sigset_t handled;
    int signals, status = 1;

    if (argc <= FIRST_ADAPTER || !split_name(argv[3], &s) ||
        !adapters_have_endpoints(argv + FIRST_ADAPTER, argc - FIRST_ADAPTER)) {
        fprintf(stderr, "usage: register LOCATOR NODE APP.SERVER INTERVAL_MS OBJECT=ENDPOINT...\n");
        return 2;
    }
    sigemptyset(&handled);
    sigaddset(&handled, SIGTERM);
    sigaddset(&handled, SIGUSR1);
    sigprocmask(SIG_BLOCK, &handled, NULL);
    signals = signalfd(-1, &handled, SFD_CLOEXEC);
    s.node = tars_str(argv[2]);
    client = tars_client_new(argv[1]);
    s.registry = tars_proxy_get(client, "tars.tarsregistry.Registry");
    if (start(&s, argv + FIRST_ADAPTER, (size_t)(argc - FIRST_ADAPTER)) && keep_alive(&s)) {
        report(&s, signals, atoi(argv[4]));
        status = stop(&s) ? 0 : 1;
    }
    tars_client_free(client);
    close(signals);
    return status;
}

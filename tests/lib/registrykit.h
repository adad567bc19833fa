/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A suite for tests of tarsregistry as it is installed: the embedded store, registries with short
 * times, their clients, calls and lookups. With REGISTRY_STORE=PORT in the environment the server
 * that listens there is the store: then each suite has indices of its own, and tests that stop the
 * store are not run.
 */
#ifndef TESTS_REGISTRYKIT_H
#define TESTS_REGISTRYKIT_H

#include <check.h>
#include <tars/client.h>

#include "K8stars.h"
#include "QueryF.h"
#include "testkit.h"

enum { RK_REGISTRIES = 2, RK_WAIT_MS = 15000 };

struct rk_registry {
    struct tk_process *process;
    uint16_t query_port, registry_port, http_port, admin_port;
    const char *data;
    const char *address; /* where Registry listens; 127.0.0.1 unless the test says otherwise */
    struct tars_proxy *query, *registry;
};

struct rk_suite {
    struct tk_process *store; /* NULL: REGISTRY_STORE */
    uint16_t store_port, store_http;
    const char *store_data;
    const char *prefix;   /* of the indices */
    const char *settings; /* lines for <registry>, after the short times of all tests */
    struct rk_registry at[RK_REGISTRIES];
    struct tars_client *client;
    struct tars_arena *arena;
};

bool rk_has_own_store(void);

/* A store and registry 0, ready. */
void rk_open(struct rk_suite *suite, const char *settings);
void rk_close(struct rk_suite *suite);

void rk_start_store(struct rk_suite *suite);
/* Ports, folder and proxies of one registry; rk_start may follow, again and again. */
void rk_prepare(struct rk_suite *suite, int n);
void rk_start(struct rk_suite *suite, int n);
void rk_wait_ready(struct rk_suite *suite, int n);

/* App.Server.Obj at tcp NODE:PORT, in the suite's arena. */
struct k8stars_on_startup_req rk_startup_of(struct rk_suite *suite, const char *node, int port);
struct tars_result rk_on_startup(struct rk_suite *suite, int n, const char *node, int port,
                                 const char *state);
struct tars_result rk_keep_alive(struct rk_suite *suite, int n, const char *node,
                                 const char *state);
struct tars_result rk_on_prestop(struct rk_suite *suite, int n, const char *node);

#define RK_OK(call_)                                                                               \
    do {                                                                                           \
        struct tars_result r_ = call_;                                                             \
        ck_assert_msg(r_.error == 0, "%s", r_.message);                                            \
    } while (0)

/* The call fails with code 1 and says this. */
#define RK_FAILS(call_, text_)                                                                     \
    do {                                                                                           \
        struct tars_result r_ = call_;                                                             \
        ck_assert_int_eq(r_.error, 1);                                                             \
        ck_assert_msg(strstr(r_.message, text_), "'%s' does not say '%s'", r_.message, text_);     \
    } while (0)

/* The hosts, with commas between them. */
const char *rk_hosts(struct rk_suite *suite, const struct tarsf_endpoint_f_list *list);
/* "a,b/c": hosts of active endpoints, then of inactive ones; "?" without an answer. */
const char *rk_find(struct rk_suite *suite, int n, const char *object);
/* The same of App.Server.Obj. */
const char *rk_list(struct rk_suite *suite, int n);
#define RK_BECOMES(suite_, n_, text_, ms_)                                                         \
    do {                                                                                           \
        if (!tk_eventually(strcmp(rk_list(suite_, n_), text_) == 0, ms_))                          \
            ck_assert_str_eq(rk_list(suite_, n_), text_);                                          \
    } while (0)

/* A sample without labels of registry n; -1: there is none. */
double rk_metric(const struct rk_suite *suite, int n, const char *name);

/* A request to the store about a document of index `kind` ("server"): "_doc", "_update". The
 * status; the body in *answer unless that is NULL. */
int rk_document(const struct rk_suite *suite, const char *method, const char *kind,
                const char *verb, const char *id, const char *body, char **answer);

#endif

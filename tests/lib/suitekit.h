/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The embedded store and a tarsregistry as they are installed, on free ports in folders of their
 * own, and somebody whose lookups must go on whatever a test does to them.
 */
#ifndef TESTS_SUITEKIT_H
#define TESTS_SUITEKIT_H

#include <stdint.h>

#include "testkit.h"

struct suite_ports {
    uint16_t query, registry, admin; /* tars.tarsregistry.QueryObj, .Registry, AdminObj */
    uint16_t http;                   /* the registry's metrics */
    uint16_t store, store_http;
};

struct suite {
    struct suite_ports ports;
    struct tk_process *store, *registry;
    struct witness *witness;
};

/* Starts both and waits until the registry is ready. `settings`: more lines for the registry's
 * domain; `store_env`: a variable for the store, or NULL. A failure ends the test. */
struct suite *suite_start(const char *settings, const char *store_env);
void suite_stop(struct suite *suite);

/* A metric of the registry summed over its labels; -1 without an answer. */
double suite_metric(const struct suite *suite, const char *name);

/* From here on somebody looks an object up every few ms and stores a document now and then … */
void suite_watch(struct suite *suite);
/* … and until here each of it succeeded, none taking longer than `ms`; else the test fails. */
void suite_expect_served(struct suite *suite, int ms);

/* Resident memory of both daemons in KiB. */
long suite_rss_kb(const struct suite *suite);
/* Sanitizers keep freed memory for a while: bounds are that much wider then. */
long suite_kb(long kb);

#endif

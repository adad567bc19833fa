/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's state: the store and its HTTP port, made from the settings. */
#ifndef STORE_SERVICE_H
#define STORE_SERVICE_H

#include "daemon/daemon.h"

bool service_open(struct daemon *daemon, void **self, struct tars_error *error);
void service_close(void *self);

double service_commits(void *self);
double service_writes(void *self);
double service_reads(void *self);
double service_rejected(void *self);
double service_denied(void *self);
double service_large(void *self);
double service_slow(void *self);
double service_rollbacks(void *self);
double service_disk_full(void *self);
double service_waiting(void *self);
double service_connections(void *self);
double service_renewals(void *self);

#endif

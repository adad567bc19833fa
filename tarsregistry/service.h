/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon as the frame sees it: its state opened, watched and closed. */
#ifndef TARSREGISTRY_SERVICE_H
#define TARSREGISTRY_SERVICE_H

#include "daemon/daemon.h"

bool service_open(struct daemon *daemon, void **self, struct tars_error *error);
bool service_may_serve(void *self);
void service_close(void *self);
bool service_ready(void *self, char *why, size_t size);
void service_metrics(void *self, daemon_emit *each, void *user);

extern const struct daemon_metric service_metric_table[];
extern const size_t service_metric_count;

#endif

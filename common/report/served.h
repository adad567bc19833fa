/* SPDX-License-Identifier: BSD-3-Clause */
/* What a call that was served leaves in the server's statistics and properties. */
#ifndef REPORT_SERVED_H
#define REPORT_SERVED_H

#include "report/identity.h"
#include "report/property.h"
#include "report/stat.h"
#include "rpc/hooks.h"

struct report_served;

/* `stat` or `properties` may be NULL. All must outlive it. */
struct report_served *report_served_new(struct tars_server *server,
                                        const struct report_identity *identity,
                                        struct report_stat *stat,
                                        struct report_properties *properties);
void report_served_free(struct report_served *served);

/* Once the adapters are known; before the first call. */
void report_served_adapters(struct report_served *served);
/* Counts a call, on its worker. */
void report_served_call(struct report_served *served, const struct rpc_server_call *call);
/* Takes a look at connections and queues: now and then, and before properties are flushed. */
void report_served_sample(struct report_served *served);

#endif

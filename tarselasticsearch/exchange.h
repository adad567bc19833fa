/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An exchange from the request's target to its end, as functions that MHD calls on a listener's
 * thread; `cls` is the listener's entrance, `state` the call.
 */
#ifndef STORE_EXCHANGE_H
#define STORE_EXCHANGE_H

#include <microhttpd.h>
#include <stddef.h>

/* A call begins; `target` is as it was sent. */
void *exchange_begin(void *cls, const char *target, struct MHD_Connection *connection);
/* Its head has come, then parts of its body, then all is there or answered. */
enum MHD_Result exchange_run(void *cls, struct MHD_Connection *connection, const char *url,
                             const char *method, const char *version, const char *data, size_t *len,
                             void **state);
void exchange_end(void *cls, struct MHD_Connection *connection, void **state,
                  enum MHD_RequestTerminationCode why);

#endif

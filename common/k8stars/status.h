/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * data/check_status: one word about the server, and by its age a sign of the supervisor's life;
 * data/prestop: the drain has begun or is over.
 */
#ifndef K8STARS_STATUS_H
#define K8STARS_STATUS_H

#include "k8stars/environment.h"

#define STATUS_ACTIVATING   "activating"
#define STATUS_ACTIVE       "active"
#define STATUS_INACTIVE     "inactive"
#define STATUS_DEACTIVATING "deactivating"

bool status_write(const struct environment *environment, const char *word,
                  struct tars_error *error) TARS_MUSTCHECK;
/* The word (to be freed) and its age; NULL when there is no file. */
char *status_read(const struct environment *environment, int64_t *age_ms);

bool status_is_draining(const struct environment *environment);
/* False when somebody else has begun (`error->code` is 0 then) or it cannot be written. */
bool status_begin_drain(const struct environment *environment,
                        struct tars_error *error) TARS_MUSTCHECK;
/* A drain of an earlier life does not count. */
void status_forget_drain(const struct environment *environment);

#endif

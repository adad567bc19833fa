/* SPDX-License-Identifier: BSD-3-Clause */
/* Asks a server's checks in turn and makes one answer of them. */
#ifndef SUPERVISE_HEALTH_H
#define SUPERVISE_HEALTH_H

#include "supervise/task.h"

struct sup_health;

/* Who wants to know. `turned` and `hung` may stop the health from within. */
struct sup_health_owner {
    struct sup_tasks *tasks;
    struct sup_server *server;
    /* A check has turned; the sum may have changed. */
    void (*turned)(struct sup_server *server, bool passing, const char *text);
    void (*hung)(struct sup_server *server, const char *text);
};

struct sup_health *sup_health_new(const struct sup_health_owner *owner);
void sup_health_free(struct sup_health *health);

/* Begins with a launch; the spec stays until the stop. `assume`: it was well a moment ago. */
void sup_health_start(struct sup_health *health, const struct sup_spec *spec, bool assume);
void sup_health_stop(struct sup_health *health);

/* False while it is stopped. The reason when not, else "". */
bool sup_health_ok(const struct sup_health *health, const char **reason);

/* False when no check waits for that key. */
bool sup_health_beat(struct sup_health *health, const char *key);
/* Takes back what heartbeats said. */
void sup_health_unbeat(struct sup_health *health);

#endif

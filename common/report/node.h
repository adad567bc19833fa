/* SPDX-License-Identifier: BSD-3-Clause */
/* Heartbeats for the node that started this program: "being started" until it is ready, then one
 * for each adapter whose workers are alive. All on the client's loop, all one-way. */
#ifndef REPORT_NODE_H
#define REPORT_NODE_H

#include <tars/client.h>
#include <tars/server.h>

#include "report/identity.h"

enum {
    REPORT_NODE_STARTING_MS = 5000, /* between two "being started" */
    REPORT_NODE_BEAT_MS = 10000     /* between two rounds of heartbeats */
};

struct loop;
struct report_node;

struct report_node *report_node_new(struct loop *loop, struct tars_proxy *proxy,
                                    const struct tars_server *server,
                                    const struct report_identity *identity);
/* After the client is gone. */
void report_node_free(struct report_node *node);

/* On the loop's thread: begin with "being started"; go over to heartbeats; send nothing more. */
void report_node_starting(struct report_node *node);
void report_node_ready(struct report_node *node);
void report_node_stop(struct report_node *node);

#endif

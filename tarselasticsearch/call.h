/* SPDX-License-Identifier: BSD-3-Clause */
/* A request on its way through the HTTP port, for the files that take it in and answer it. */
#ifndef STORE_CALL_H
#define STORE_CALL_H

#include "peers.h"
#include "request.h"
#include "server.h"

#include <microhttpd.h>

/* What the calls of a server share. */
struct calls {
    struct store *store;
    struct server_options options;
    _Atomic size_t memory; /* bytes of bodies and answers */
    struct server_stats stats;
};

/* Where calls come in: a listener has one. */
struct entrance {
    struct calls *calls;
    struct peers *peers;
    _Atomic int working; /* calls that the store's threads have */
    _Atomic bool closing;
};

/* One exchange. It belongs to MHD's thread until it is submitted, then to the store's until it is
 * resumed. */
struct call {
    struct store_job job;
    struct entrance *entrance;
    struct calls *calls;
    struct MHD_Connection *connection;
    struct peer *peer;
    struct request request;
    struct text body;
    char *target;
    size_t counted; /* bytes in calls->memory */
    bool large;     /* says that its body will be, or does not say how long */
    int refused;    /* a status to answer with once the body is over */
    _Atomic bool finished;
};

#endif

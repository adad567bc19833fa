/* SPDX-License-Identifier: BSD-3-Clause */
/* The numbers of /tars/application/server that hold for the whole server. */
#ifndef RPC_SERVER_OPTIONS_H
#define RPC_SERVER_OPTIONS_H

#include <tars/conf.h>

struct server_options {
    int64_t workers;           /* "workers": threads; default: processors */
    int64_t packet_limit;      /* "maxPackageLength": bytes of one request */
    int64_t connection_limit;  /* "connectionlimit": over all adapters */
    int64_t memory_limit;      /* "memorylimit": bytes that wait in buffers, all connections */
    int64_t call_memory_limit; /* "callmemorylimit": bytes of one call's arena */
    int64_t output_limit;      /* "backpacketlimit": unsent bytes of one connection */
    int64_t output_min;        /* "backpacketmin": bytes a reader must take in 5 s */
    int64_t empty_ms;          /* "emptyconntimeout": until the first request, at least 5000 */
    int64_t drain_ms;          /* "gracedowntimeout": for running calls when the server stops */
    int64_t check_set;         /* "checkset" */
    bool enable_set;           /* /tars/application<enableset> */
    const char *set;           /* /tars/application<setdivision>; the configuration's */
};

/* False with the key and what is allowed. */
bool server_options_read(struct server_options *options, const struct tars_conf *conf,
                         struct tars_error *error) TARS_MUSTCHECK;

#endif

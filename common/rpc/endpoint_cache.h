/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file that remembers endpoints, so that a program can start while every registry is down:
 * <datapath>/<App.Server>.endpoints. A Tars configuration text
 *
 *     <endpoints>
 *       version=1
 *       checksum=<16 hex digits over the lines of <objects>>
 *       <objects>
 *         App.Server.Obj=tcp -h 10.0.0.1 -p 20001 -t 60000:tcp -h ...
 *         App.Server.Obj -s name.area.group=...
 *       </objects>
 *     </endpoints>
 *
 * replaced as a whole by renaming. The files of other Tars libraries (.tarsdat) are never touched.
 * One thread.
 */
#ifndef RPC_ENDPOINT_CACHE_H
#define RPC_ENDPOINT_CACHE_H

#include <tars/endpoint.h>

struct rpc_endpoint_cache;

enum { RPC_CACHE_ENDPOINTS_MAX = 10000 };

/* Reads the file; one that is missing is an empty cache, a damaged one too, with a warning. */
struct rpc_endpoint_cache *rpc_endpoint_cache_new(const char *path);
void rpc_endpoint_cache_free(struct rpc_endpoint_cache *cache);

/* The endpoints of an object (set may be NULL); NULL when there are none. To be freed. */
struct tars_endpoint *rpc_endpoint_cache_get(const struct rpc_endpoint_cache *cache,
                                             const char *object, const char *set, size_t *count);
/* Remembers them; writes the file when that is news. A failure to write is logged once. */
void rpc_endpoint_cache_put(struct rpc_endpoint_cache *cache, const char *object, const char *set,
                            const struct tars_endpoint *endpoints, size_t count);

#endif

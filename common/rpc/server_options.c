/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/server_options.h"

#include <stddef.h>
#include <strings.h>
#include <unistd.h>

#include "rpc/packet.h"

enum { EMPTY_MIN_MS = 5000, WORKERS_MAX = 256 };

#define MIB (INT64_C(1024) * 1024)

struct option {
    const char *path;
    int64_t min, max, fallback;
    size_t offset;
};

#define OPTION(key_, min_, max_, fallback_, member_)                                               \
    {                                                                                              \
        "/tars/application/server<" key_ ">", min_, max_, fallback_,                               \
            offsetof(struct server_options, member_)                                               \
    }

static const struct option options_table[] = {
    OPTION("workers", 0, WORKERS_MAX, 0, workers),
    OPTION("maxPackageLength", RPC_FRAME_MIN, RPC_FRAME_LIMIT_MAX, RPC_FRAME_LIMIT, packet_limit),
    OPTION("connectionlimit", 1, 10000000, 100000, connection_limit),
    OPTION("memorylimit", MIB, INT64_MAX, 1024 * MIB, memory_limit),
    OPTION("callmemorylimit", 64 * 1024, INT64_MAX, 256 * MIB, call_memory_limit),
    OPTION("backpacketlimit", 1024, INT64_MAX, 100 * MIB, output_limit),
    OPTION("backpacketmin", 0, INT64_MAX, 1024, output_min),
    OPTION("emptyconntimeout", 0, INT32_MAX, 0, empty_ms),
    OPTION("gracedowntimeout", 0, INT32_MAX, 5000, drain_ms),
    OPTION("checkset", 0, 1, 1, check_set),
};

static int64_t processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : n;
}

bool server_options_read(struct server_options *options, const struct tars_conf *conf,
                         struct tars_error *error)
{
    for (size_t i = 0; i < sizeof options_table / sizeof *options_table; i++) {
        const struct option *o = &options_table[i];
        if (!tars_conf_int(conf, o->path, o->min, o->max, o->fallback,
                           (int64_t *)((char *)options + o->offset), error))
            return false;
    }
    if (!options->workers)
        options->workers = processors();
    if (options->empty_ms < EMPTY_MIN_MS)
        options->empty_ms = EMPTY_MIN_MS;
    options->set = tars_conf_get(conf, "/tars/application<setdivision>", "");
    options->enable_set = strcasecmp(tars_conf_get(conf, "/tars/application<enableset>", "n"),
                                     "y") == 0 &&
                          *options->set && strcasecmp(options->set, "NULL") != 0;
    return true;
}

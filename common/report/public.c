/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of include/tars/report.h that are one line over a noun of this room. */
#include "report/server.h"

/* Handlers stand on workers, but a property's caller may be any thread: spread by thread. */
static unsigned shard_of_thread(void)
{
    return (unsigned)((uintptr_t)pthread_self() >> 12);
}

struct tars_str tars_config_load(struct tars_server *server, const char *name)
{
    char outcome[REPORT_CONFIG_OUTCOME];

    return report_config_load(report_server_of(server)->config, name, outcome);
}

void tars_property_create(struct tars_server *server, const char *name, unsigned policies,
                          const int32_t *ranges, size_t count)
{
    struct report_properties *properties = report_server_of(server)->properties;

    if (properties)
        (void)report_property_create(properties, name, policies, ranges, count);
}

void tars_property_report(struct tars_server *server, const char *name, int64_t value)
{
    struct report_properties *properties = report_server_of(server)->properties;

    if (properties)
        report_property_add(properties, report_property_get(properties, name), shard_of_thread(),
                            value);
}

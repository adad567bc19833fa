/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of include/tars/report.h that are one line over a noun of this room. */
#include "report/server.h"

/* NULL when nobody is to hear of them. */
static struct report_properties *properties_of(const struct tars_server *server)
{
    struct report_server *report = report_server_of(server);

    return report ? report->properties : NULL;
}

/* Handlers stand on workers, but a property's caller may be any thread: spread by thread. */
static unsigned shard_of_thread(void)
{
    return (unsigned)((uintptr_t)pthread_self() >> 12);
}

struct tars_str tars_config_load(struct tars_server *server, const char *name)
{
    struct report_server *report = report_server_of(server);
    char outcome[REPORT_CONFIG_OUTCOME];

    return report ? report_config_load(report->config, name, outcome) : (struct tars_str){0};
}

void tars_property_create(struct tars_server *server, const char *name, unsigned policies,
                          const int32_t *ranges, size_t count)
{
    struct report_properties *properties = properties_of(server);

    if (properties)
        (void)report_property_create(properties, name, policies, ranges, count);
}

void tars_property_report(struct tars_server *server, const char *name, int64_t value)
{
    struct report_properties *properties = properties_of(server);

    if (properties)
        report_property_add(properties, report_property_get(properties, name), shard_of_thread(),
                            value);
}

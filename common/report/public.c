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

    return report ? report_config_load(report->config, REPORT_CONFIG_SERVER, name, outcome)
                  : (struct tars_str){0};
}

struct tars_str tars_config_load_app(struct tars_server *server, const char *name)
{
    struct report_server *report = report_server_of(server);
    char outcome[REPORT_CONFIG_OUTCOME];

    return report ? report_config_load(report->config, REPORT_CONFIG_APP, name, outcome)
                  : (struct tars_str){0};
}

bool tars_config_list(struct tars_server *server, struct tars_arena *arena,
                      struct tars_str_list *names, struct tars_error *error)
{
    struct report_server *report = report_server_of(server);

    *names = (struct tars_str_list){0};
    if (!report)
        return tars_fail(error, 1, "listing configuration files: the server cannot start");
    return report_config_list(report->config, arena, names, error);
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

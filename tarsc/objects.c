/* SPDX-License-Identifier: BSD-3-Clause */
#include "objects.h"

#include <stdlib.h>

static const struct object_row rows[] = {
    {"AdminObj", "AdminF.tars", "AdminF"},
    {"tars.tarsregistry.QueryObj", "QueryF.tars", "QueryF"},
    {"tars.tarsregistry.RegistryObj", "Registry.tars", "Registry"},
    {"tars.tarsregistry.Registry", "K8stars.tars", "tarsregistry"},
    {"tars.tarsAdminRegistry.AdminRegObj", "AdminReg.tars", "AdminReg"},
    {"tars.tarsconfig.ConfigObj", "Config.tars", "Config"},
    {"tars.tarsnotify.NotifyObj", "Notify.tars", "Notify"},
    {"tars.tarslog.LogObj", "Log.tars", "Log"},
    {"tars.tarslog.TopologyObj", "Topology.tars", "Topology"},
    {"tars.tarsstat.StatObj", "StatF.tars", "StatF"},
    {"tars.tarsquerystat.QueryObj", "MonitorQuery.tars", "MonitorQuery"},
    {"tars.tarsproperty.PropertyObj", "PropertyF.tars", "PropertyF"},
    {"tars.tarsqueryproperty.QueryObj", "MonitorQuery.tars", "MonitorQuery"},
    {"tars.tarspatch.PatchObj", "Patch.tars", "Patch"},
    {"tars.tarsnode.NodeObj", "Node.tars", "Node"},
    {"tars.tarsnode.ServerObj", "ServerF.tars", "ServerF"},
    {"tars.tarsauth.AuthObj", "Auth.tars", "Auth"},
};

const struct object_row *object_find(struct tars_str object)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (tars_str_is(object, rows[i].object))
            return &rows[i];
    return NULL;
}

const char *object_locator(void)
{
    const char *named = getenv("TARSC_LOCATOR");
    return named && *named ? named
                           : "tars.tarsregistry.QueryObj@tcp -h 127.0.0.1 -p 17890 -t 60000";
}

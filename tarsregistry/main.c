/* SPDX-License-Identifier: BSD-3-Clause */
/* tarsregistry: where objects are, and which of their instances are alive. */
#include "service.h"
#include "settings.h"

int main(int argc, char **argv)
{
    const struct daemon_info info = {
        .name = "tarsregistry",
        .about = "tells Tars programs where objects are, and takes registrations",
        .domain = "/tars/registry",
        .app = "tars",
        .adapters = settings_adapters,
        .adapter_count = settings_adapter_count,
        .admin_port = 17897,
        .http_port = 17892,
        .needs_data = true,
        .keys = settings_keys,
        .key_count = settings_key_count,
        .metrics = service_metric_table,
        .metric_count = service_metric_count,
        .open = service_open,
        .may_serve = service_may_serve,
        .close = service_close,
        .ready = service_ready,
        .more_metrics = service_metrics,
    };
    return daemon_tars_main(argc, argv, &info);
}

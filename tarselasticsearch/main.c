/* SPDX-License-Identifier: BSD-3-Clause */
#include "service.h"

#include "daemon/daemon.h"
#include "keeping.h"

static const struct daemon_key keys[] = {
    {.name = "port", .kind = DAEMON_PORT, .port = 9200, .help = "port of the REST interface"},
    {.name = "user", .kind = DAEMON_TEXT, .fallback = "", .help = "user of basic authentication"},
    {.name = "password", .kind = DAEMON_TEXT, .fallback = "", .help = "password of that user"},
    {.name = "api-key",
     .kind = DAEMON_TEXT,
     .fallback = "",
     .help = "encoded API key that is accepted too"},
    {.name = "certificate",
     .kind = DAEMON_TEXT,
     .fallback = "",
     .help = "PEM file of the certificate chain: then it speaks HTTPS"},
    {.name = "certificate-key",
     .kind = DAEMON_TEXT,
     .fallback = "",
     .help = "PEM file of its private key"},
    {.name = "auth",
     .kind = DAEMON_CHOICE,
     .fallback = "on",
     .choices = "on|off",
     .help = "off: serve a public address without user or key"},
    {.name = "readers",
     .kind = DAEMON_INT,
     .fallback = "2",
     .min = 1,
     .max = 64,
     .help = "threads for reads and searches"},
    {.name = "connections",
     .kind = DAEMON_INT,
     .fallback = "1024",
     .min = 8,
     .max = 60000,
     .help = "connections at once"},
    {.name = "idle-seconds",
     .kind = DAEMON_INT,
     .fallback = "120",
     .min = 1,
     .max = 86400,
     .help = "a silent connection is closed after so long"},
    {.name = "body-limit-mb",
     .kind = DAEMON_INT,
     .fallback = "32",
     .min = 1,
     .max = 100,
     .help = "size of one request"},
    {.name = "memory-limit-mb",
     .kind = DAEMON_INT,
     .fallback = "256",
     .min = 8,
     .max = 65536,
     .help = "requests being received or worked on, together"},
    {.name = "queue-limit",
     .kind = DAEMON_INT,
     .fallback = "1000",
     .min = 1,
     .max = 1000000,
     .help = "requests waiting for a thread"},
    {.name = "scroll-limit",
     .kind = DAEMON_INT,
     .fallback = "32",
     .min = 1,
     .max = 500,
     .help = "open scrolls"},
};

static const struct daemon_metric metrics[] = {
    {"tars_store_commits_total", "Groups of writes that were committed.", service_commits},
    {"tars_store_writes_total", "Requests that wrote.", service_writes},
    {"tars_store_reads_total", "Requests that read.", service_reads},
    {"tars_store_rejected_total", "Requests refused because too many waited.", service_rejected},
    {"tars_store_rollbacks_total", "Groups of writes that the data file refused.",
     service_rollbacks},
    {"tars_store_waiting", "Requests that wait for a thread.", service_waiting},
    {"tars_store_connections", "Open connections.", service_connections},
    {"tars_store_certificate_renewals_total", "Certificates that were replaced while serving.",
     service_renewals},
};

static const struct daemon_command commands[] = {
    {"backup", "DIR", "copy the store into a new folder, while it serves or not", keeping_backup},
    {"check", NULL, "read everything and name what is damaged; changes nothing (exit status 4)",
     keeping_check},
};

static const struct daemon_info info = {
    .name = "tarselasticsearch",
    .about = "The embedded store: Elasticsearch's document API over one SQLite file",
    .domain = "/tars/elasticsearch",
    .http_port = 9280,
    .needs_data = true,
    .commands = commands,
    .command_count = sizeof commands / sizeof *commands,
    .keys = keys,
    .key_count = sizeof keys / sizeof *keys,
    .metrics = metrics,
    .metric_count = sizeof metrics / sizeof *metrics,
    .open = service_open,
    .close = service_close,
};

int main(int argc, char **argv)
{
    return daemon_main(argc, argv, &info);
}

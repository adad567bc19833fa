/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every Tars program reports to the framework and gets from it: configuration files, remote
 * logs, properties, notifications. Call statistics and heartbeats go out without a line.
 *
 * All functions may be called from any thread and do not wait for the network, except
 * tars_config_load.
 */
#ifndef TARS_REPORT_H
#define TARS_REPORT_H

#include <tars/server.h>
#include <tars/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The text of a configuration file from tarsconfig, NUL-terminated, owned by the server until it
 * is freed. Written to <basepath>/<name> with up to five older versions beside it; when tarsconfig
 * cannot be had, that file is used. `at` is NULL when there is neither. Waits up to 2 x 3 s.
 */
struct tars_str tars_config_load(struct tars_server *server, const char *name);

/* One line for the remote day log of that name (kept in a bounded queue, sent in batches). */
void tars_log_day(struct tars_server *server, const char *name, const char *format, ...)
    TARS_PRINTF(3, 4);

/* Levels of the program's own rolling log under logpath. */
enum tars_log_level {
    TARS_LOG_DEBUG = 0,
    TARS_LOG_INFO,
    TARS_LOG_WARN,
    TARS_LOG_ERROR,
    TARS_LOG_NONE
};
void tars_log(struct tars_server *server, enum tars_log_level level, const char *format, ...)
    TARS_PRINTF(3, 4);
void tars_log_set_level(struct tars_server *server, enum tars_log_level level);

/* What is computed from the values of a property in each report interval. */
enum tars_property_policy {
    TARS_PROPERTY_SUM = 1,
    TARS_PROPERTY_AVG = 2,
    TARS_PROPERTY_MAX = 4,
    TARS_PROPERTY_MIN = 8,
    TARS_PROPERTY_COUNT = 16,
    TARS_PROPERTY_DISTR = 32
};
/* `policies` are or-ed; `ranges` are the ascending upper bounds for TARS_PROPERTY_DISTR. */
void tars_property_create(struct tars_server *server, const char *name, unsigned policies,
                          const int32_t *ranges, size_t count);
/* A value; a name that was not created gets SUM, AVG, MAX, MIN and COUNT. */
void tars_property_report(struct tars_server *server, const char *name, int64_t value);

enum tars_notify_level { TARS_NOTIFY_NORMAL = 0, TARS_NOTIFY_WARN = 1, TARS_NOTIFY_ERROR = 2 };
void tars_notify(struct tars_server *server, enum tars_notify_level level, const char *format, ...)
    TARS_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
#endif

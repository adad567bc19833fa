/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every Tars program reports to the framework and gets from it: configuration files, remote
 * logs, properties, notifications. Call statistics and heartbeats go out without a line.
 *
 * All functions may be called from any thread and do not wait for the network, except
 * tars_config_load and its kin.
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
 * cannot be had, that file is used. `at` is NULL when there is neither, and for a name that is not
 * a plain file name. Waits up to 2 x 3 s; in callbacks of the server's client, where nothing can
 * wait, it uses the file.
 */
struct tars_str tars_config_load(struct tars_server *server, const char *name);
/* The same for a file of the whole application, which its servers share. */
struct tars_str tars_config_load_app(struct tars_server *server, const char *name);
/* The names of the files that tarsconfig has for this server, in `arena`. False with the reason
 * when it cannot be asked. Waits as tars_config_load. */
bool tars_config_list(struct tars_server *server, struct tars_arena *arena,
                      struct tars_str_list *names, struct tars_error *error) TARS_MUSTCHECK;

/*
 * One line for the day log of that name ("": "day"). It goes to the file
 * <logpath>/App/Server/App.Server_<name>_<date>.log and to the log service: kept in a bounded
 * queue, sent in batches, and again when the service did not take it. An administrator switches
 * either off ("tars.enabledaylog"); with the file off, it gets what cannot be sent.
 */
void tars_log_day(struct tars_server *server, const char *name, const char *format, ...)
    TARS_PRINTF(3, 4);

/* The program's own log, <logpath>/App/Server/App.Server.log, which rolls by size. The level is
 * that of the configuration, or the last that an administrator set ("tars.setloglevel"). */
enum tars_log_level {
    TARS_LOG_DEBUG = 0,
    TARS_LOG_INFO,
    TARS_LOG_WARN,
    TARS_LOG_ERROR,
    TARS_LOG_NONE
};
void tars_log(struct tars_server *server, enum tars_log_level level, const char *format, ...)
    TARS_PRINTF(3, 4);
/* For the rest of this run. */
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
/* `policies` are or-ed; `ranges` (copied) are the ascending upper bounds for TARS_PROPERTY_DISTR. A
 * name that was created or reported before stays as it is. */
void tars_property_create(struct tars_server *server, const char *name, unsigned policies,
                          const int32_t *ranges, size_t count);
/* A value; a name that was not created gets SUM, AVG, MAX, MIN and COUNT. */
void tars_property_report(struct tars_server *server, const char *name, int64_t value);

/* A message for the people who watch the server, sent once; nothing without a notify service. */
enum tars_notify_level { TARS_NOTIFY_NORMAL = 0, TARS_NOTIFY_WARN = 1, TARS_NOTIFY_ERROR = 2 };
void tars_notify(struct tars_server *server, enum tars_notify_level level, const char *format, ...)
    TARS_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The environment variables of tarscli: a table, read once when the process starts. */
#ifndef K8STARS_ENVIRONMENT_H
#define K8STARS_ENVIRONMENT_H

#include <stdio.h>

#include <tars/types.h>

/* The subcommands that use a variable, as bits. */
enum command_bit {
    USED_BY_GENCONF = 1,
    USED_BY_SUPERVISOR = 2,
    USED_BY_HZCHECK = 4,
    USED_BY_PRESTOP = 8,
    USED_BY_NOTIFY = 16,
    USED_BY_SYNCDIR = 32,
    USED_BY_ALL = 63,
};

/* Texts are the environment's own, or literals; NULL where nothing was said and there is no
 * default. Times are ms. */
struct environment {
    const char *path, *namespace_name;
    char local_ip[64];
    const char *pod_ip; /* NULL: local_ip was found out */
    int32_t port_min, port_max;
    const char *application, *server, *build_server, *set_id, *locator, *merge_conf;
    int32_t endpoint_refresh; /* ms; -1: as the metadata says */
    const char *start_path, *stop_path, *before_check_script;
    int64_t report_interval, check_interval, check_retry, check_script_timeout;
    int64_t prestop_wait, activating_timeout, keep_alive_interval, stop_timeout, restart_spacing;
    int64_t heartbeat_timeout;
    const char *disable_flow, *version;
    const char *heartbeat, *failover; /* see environment_wants_ */
    bool supervises;                  /* read for the supervisor */
    const char *ping, *token_file;
    const char *sync_source, *sync_target;
    const char *held_ports;
};

/* False with the reason, which names the variable. Variables that the subcommand does not use are
 * not looked at. */
bool environment_read(struct environment *environment, unsigned used_by,
                      struct tars_error *error) TARS_MUSTCHECK;

/* TARS_HEARTBEAT says nothing against it. */
bool environment_wants_heartbeats(const struct environment *environment);
/* The same of TARS_FAILOVER. */
bool environment_wants_failover(const struct environment *environment);

/* The variables of a subcommand for its help: name, type, default, text. */
void environment_print(FILE *out, unsigned used_by);

/* "<TARS_PATH>/<folder>/<name>", to be freed. */
char *environment_file(const struct environment *environment, const char *folder, const char *name);

#endif

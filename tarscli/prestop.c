/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tarscli prestop: the preStop hook. Drains the server, then removes it from the registry. What a
 * hook prints nobody sees, so what goes wrong meanwhile is in log/cmd.log.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "command.h"
#include "k8stars/drain.h"
#include "k8stars/generate.h"
#include "k8stars/status.h"
#include "logfile.h"
#include "loop/loop.h"

static void stop(void *loop)
{
    loop_stop(loop);
}

static bool drain(const struct environment *environment, struct loop *loop, const struct meta *meta,
                  struct tars_error *error)
{
    struct registry *registry = registry_new(loop, environment, meta, error);
    struct drain *drain;

    if (!registry)
        return false;
    drain = drain_new(loop, environment, registry, stop, loop);
    loop_run(loop);
    drain_free(drain);
    registry_free(registry);
    return true;
}

static bool begin(const struct environment *environment, struct tars_error *error)
{
    struct meta meta = {0};
    struct loop *loop = loop_new("prestop");
    bool ok = generate_load(environment, &meta, error) && drain(environment, loop, &meta, error);

    meta_free(&meta);
    loop_free(loop);
    return ok;
}

static bool drain_once(const struct environment *environment, struct tars_error *error)
{
    if (!status_begin_drain(environment, error)) {
        if (error->code == 0)
            log_info("prestop", "data/prestop is there: the drain has begun or is over already");
        return error->code == 0;
    }
    log_info("prestop", "the drain begins and takes %lld ms", (long long)environment->prestop_wait);
    if (!status_write(environment, STATUS_DEACTIVATING, error))
        log_error("prestop", "%s; the drain goes on", error->text);
    if (!begin(environment, error))
        return false;
    log_info("prestop", "the drain is over");
    return true;
}

static int run(const struct environment *environment, int argc, char **argv,
               struct tars_error *error)
{
    char *path = environment_file(environment, "log", "cmd.log");
    struct tars_error no_log = {0};
    int before = logfile_redirect(path, &no_log);
    bool ok;

    (void)argc;
    (void)argv;
    log_set_level(*no_log.text ? LOG_LEVEL_NONE : LOG_LEVEL_INFO);
    ok = drain_once(environment, error);
    if (!ok)
        log_error("prestop", "%s", error->text);
    dup2(before, STDERR_FILENO);
    close(before);
    free(path);
    return !ok;
}

const struct command command_prestop = {
    "prestop", "preStop hook: drains the server and removes it from the registry", "",
    USED_BY_PRESTOP, run};

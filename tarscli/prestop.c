/* SPDX-License-Identifier: BSD-3-Clause */
/* tarscli prestop: the preStop hook. Drains the server, then removes it from the registry. */
#include "command.h"
#include "k8stars/drain.h"
#include "k8stars/generate.h"
#include "loop/loop.h"
#include "k8stars/status.h"

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

static int run(const struct environment *environment, int argc, char **argv,
               struct tars_error *error)
{
    struct meta meta = {0};
    struct loop *loop;
    bool ok;

    (void)argc;
    (void)argv;
    if (!status_begin_drain(environment, error))
        return error->code != 0;
    if (!status_write(environment, STATUS_DEACTIVATING, error))
        return 1;
    loop = loop_new("prestop");
    ok = generate_load(environment, &meta, error) && drain(environment, loop, &meta, error);
    meta_free(&meta);
    loop_free(loop);
    return !ok;
}

const struct command command_prestop = {
    "prestop", "preStop hook: drains the server and removes it from the registry", "",
    USED_BY_PRESTOP, run};

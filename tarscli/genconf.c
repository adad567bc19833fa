/* SPDX-License-Identifier: BSD-3-Clause */
/* tarscli genconf: writes the server's configuration and server_info.yaml. */
#include "command.h"
#include "k8stars/generate.h"

static int run(const struct environment *environment, int argc, char **argv,
               struct tars_error *error)
{
    struct ports *ports = ports_new(environment->port_min, environment->port_max,
                                    environment->held_ports);
    struct meta meta = {0};
    bool ok = generate(environment, ports, &meta, error);

    (void)argc;
    (void)argv;
    meta_free(&meta);
    ports_free(ports);
    return !ok;
}

const struct command command_genconf = {
    "genconf", "writes the server's configuration from its metadata", "", USED_BY_GENCONF, run};

/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line that all daemons have. */
#ifndef DAEMON_ARGUMENTS_H
#define DAEMON_ARGUMENTS_H

#include "daemon/daemon.h"
#include "daemon/settings.h"

struct daemon_arguments {
    const char *config; /* NULL without --config */
    bool check;
    bool monitor;   /* ask the daemon of that configuration whether it answers, and end */
    bool addresses; /* say where it would listen, and end */
    const struct daemon_command *command; /* NULL: serve */
    const char *operand;                  /* of the command */
    struct daemon_overrides overrides;
};

/* False when the process ends here, with *status: after --help, --version, or a wrong argument. */
bool daemon_arguments_parse(int argc, char **argv, const struct daemon_info *info,
                            const struct daemon_settings *settings,
                            struct daemon_arguments *arguments, int *status) TARS_MUSTCHECK;

#endif

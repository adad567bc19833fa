/* SPDX-License-Identifier: BSD-3-Clause */
/* A subcommand of tarscli: one file each, one row in main.c. */
#ifndef TARSCLI_COMMAND_H
#define TARSCLI_COMMAND_H

#include "k8stars/environment.h"

struct command {
    const char *name;
    const char *about; /* one line for its help */
    const char *usage; /* what follows its name */
    unsigned bit;      /* enum command_bit: its variables */
    /* argv[0] is its name. Returns the exit status: 0, or 1 with the reason in *error. */
    int (*run)(const struct environment *environment, int argc, char **argv,
               struct tars_error *error);
};

extern const struct command command_genconf, command_hzcheck, command_notify, command_prestop,
    command_supervisor, command_syncdir;

#endif

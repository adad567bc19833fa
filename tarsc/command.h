/* SPDX-License-Identifier: BSD-3-Clause */
/* A command of tarsc: one file each, one row in main.c. */
#ifndef TARSC_COMMAND_H
#define TARSC_COMMAND_H

struct command {
    const char *name;
    const char *about; /* one line for `tarsc --help` */
    /* argv[0] is the command's name. Returns the exit status: 0, 1 failed, 2 wrong arguments. */
    int (*run)(int argc, char **argv);
};

extern const struct command command_call;
extern const struct command command_down;
extern const struct command command_es;
extern const struct command command_logs;
extern const struct command command_ps;
extern const struct command command_restart;
extern const struct command command_run;
extern const struct command command_spool;
extern const struct command command_stop;
extern const struct command command_up;

#endif

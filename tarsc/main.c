/* SPDX-License-Identifier: BSD-3-Clause */
/* tarsc: the operator's command. */
#include <stdio.h>
#include <string.h>

#include "base/standard.h"
#include "command.h"

static const struct command *const commands[] = {
    &command_up,   &command_ps,  &command_logs, &command_stop, &command_restart,
    &command_down, &command_run, &command_call, &command_es,   &command_spool};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int help(FILE *out)
{
    fprintf(out,
            "tarsc %s: Tars in C, the operator's command\n\n"
            "Usage: tarsc COMMAND [ARGUMENT...]\n\n",
            TARSC_VERSION);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->about);
    fprintf(out,
            "\n`tarsc COMMAND --help` says more about one; `tarsc --version` is the version.\n");
    return out == stdout ? 0 : 2;
}

static int run(const struct command *command, int argc, char **argv)
{
    bool stays = command == &command_up || command == &command_run; /* printing is not their work */
    int status = command->run(argc, argv);
    if (stays || status || (fflush(stdout) == 0 && !ferror(stdout)))
        return status;
    fprintf(stderr, "tarsc %s: what it prints cannot be written: is the disk full?\n",
            command->name);
    return 1;
}

int main(int argc, char **argv)
{
    if (!standard_files_open())
        return 1;
    if (argc < 2)
        return help(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return help(stdout);
    if (strcmp(argv[1], "--version") == 0)
        return printf("tarsc %s\n", TARSC_VERSION) < 0;
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i]->name) == 0)
            return run(commands[i], argc - 1, argv + 1);
    fprintf(stderr, "tarsc: there is no command '%s'; tarsc --help lists them\n", argv[1]);
    return 2;
}

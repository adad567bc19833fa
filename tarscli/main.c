/* SPDX-License-Identifier: BSD-3-Clause */
/* tarscli: runs a Tars server in a container and tells the registry of it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/standard.h"
#include "command.h"

enum { STATUS_USAGE = 2 };

static const struct command *const commands[] = {
    &command_genconf, &command_supervisor, &command_hzcheck,
    &command_prestop, &command_notify,     &command_syncdir,
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int help_one(const struct command *command)
{
    printf("%s: %s\n\nUsage:\n  tarscli %s%s\n\nEnvironment:\n", command->name, command->about,
           command->name, command->usage);
    environment_print(stdout, command->bit);
    return 0;
}

static void help_all(FILE *out)
{
    fprintf(out, "tarscli %s\n\nUsage:\n", TARSC_VERSION);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  tarscli %-10s %-12s %s\n", commands[i]->name, commands[i]->usage,
                commands[i]->about);
    fprintf(out, "  tarscli %-10s %-12s %s\n  tarscli %-10s %-12s %s\n", "help", "", "this text",
            "version", "", "the version");
    fputs("\n`tarscli COMMAND help` lists the environment variables of one.\n", out);
}

/* As K8STARS' tarscli: no newline behind it, but for people. */
static int report(const struct tars_error *error)
{
    fprintf(stderr, "%s%s", error->text, isatty(STDERR_FILENO) ? "\n" : "");
    return 1;
}

/* Who asks what a hook does must not set it off. What follows notify is the server's. */
static bool wants_help(const struct command *command, int argc, char **argv)
{
    return argc > 1 && (strcmp(argv[1], "help") == 0 ||
                        (command != &command_notify &&
                         (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)));
}

/* PID 1 never gets a signal that it does not handle yet: what comes during the start has to wait
 * for loop_on_signal. */
static void keep_signals_waiting(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGQUIT);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct environment environment;
    struct tars_error error = {0};
    int status;

    if (wants_help(command, argc, argv))
        return help_one(command);
    if (!environment_read(&environment, command->bit, &error))
        return report(&error);
    status = command->run(&environment, argc, argv, &error);
    return status ? report(&error) : 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], command_supervisor.name) == 0)
        keep_signals_waiting();
    if (!standard_files_open())
        return 1;
    log_set_level(LOG_LEVEL_NONE); /* the supervisor has a log, the others one line of error */
    if (argc > 1 && (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "-h") == 0 ||
                     strcmp(argv[1], "--help") == 0)) {
        help_all(stdout);
        return 0;
    }
    if (argc == 2 && (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0))
        return puts(TARSC_VERSION) < 0;
    for (size_t i = 0; argc > 1 && i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i]->name) == 0)
            return run(commands[i], argc - 1, argv + 1);
    if (argc > 1)
        fprintf(stderr, "tarscli: there is no command '%s'\n\n", argv[1]);
    help_all(stderr);
    return STATUS_USAGE;
}

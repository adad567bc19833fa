/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/arguments.h"

#include <getopt.h>
#include <stdio.h>

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, 'k'},
    {"addresses", no_argument, NULL, 'a'},
    {"monitor", no_argument, NULL, 'm'},
    {"data", required_argument, NULL, 'd'},
    {"port-offset", required_argument, NULL, 'o'},
    {"version", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* As programs of the framework say it, where it is one. */
static void print_version(const struct daemon_info *info)
{
    if (info->adapter_count)
        printf("TARS:%s\n", TARSC_VERSION);
    else
        printf("%s %s\n", info->name, TARSC_VERSION);
}

static void print_help(const struct daemon_info *info, const struct daemon_settings *settings)
{
    printf("%s: %s\n\n"
           "Usage: %s [--config=FILE] [--check] [--data DIR] [--port-offset N]\n"
           "  --config=FILE      start-up file, as every Tars server has one\n"
           "  --check            say whether the configuration is good, and end\n"
           "%s"
           "  --addresses        the same, with what it listens on: NAME, a tab, ADDRESS\n"
           "  --data DIR         folder for what has to stay\n"
           "  --port-offset N    move every port by N, for several suites on one machine\n"
           "  --version, --help\n",
           info->name, info->about, info->name,
           info->admin_port
               ? "  --monitor          say whether the daemon of this configuration answers\n"
               : "");
    if (info->adapter_count) {
        printf("\nServants, each on an adapter of the file or else on its default port:\n");
        for (size_t i = 0; i < info->adapter_count; i++)
            printf("  %s.%s.%s  %u\n", info->app, info->name, info->adapters[i].servant,
                   info->adapters[i].port);
        if (info->admin_port)
            printf("  AdminObj  %u\n", info->admin_port);
    }
    if (info->command_count)
        printf("\nCommands instead of serving: %s [OPTION]... COMMAND\n", info->name);
    for (size_t i = 0; i < info->command_count; i++) {
        const struct daemon_command *command = &info->commands[i];
        printf("  %s%s%s\n      %s\n", command->name, command->operand ? " " : "",
               command->operand ? command->operand : "", command->help);
    }
    printf("\nSettings, in the file or in the environment [default]:\n");
    daemon_settings_help(settings, stdout);
    printf("\nExit status: 0 stopped or checked, 1 failed, 2 arguments or configuration, 3 cannot "
           "listen.\n");
}

/* The command that the words name; false, with the reason told, when they name none. */
static bool find_command(char *const *words, int count, const struct daemon_info *info,
                         struct daemon_arguments *arguments)
{
    for (size_t i = 0; i < info->command_count; i++) {
        const struct daemon_command *command = &info->commands[i];
        if (strcmp(words[0], command->name) != 0)
            continue;
        if (count != (command->operand ? 2 : 1)) {
            fprintf(stderr, "%s: %s takes %s; --help shows what is allowed\n", info->name,
                    command->name, command->operand ? command->operand : "no operand");
            return false;
        }
        arguments->command = command;
        arguments->operand = command->operand ? words[1] : NULL;
        return true;
    }
    fprintf(stderr, "%s: '%s' is no %s; --help shows what is allowed\n", info->name, words[0],
            info->command_count ? "option or command" : "option");
    return false;
}

bool daemon_arguments_parse(int argc, char **argv, const struct daemon_info *info,
                            const struct daemon_settings *settings,
                            struct daemon_arguments *arguments, int *status)
{
    int option;
    optind = 0; /* start anew: glibc's way for a process that parses twice */
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            arguments->config = optarg;
            break;
        case 'k':
            arguments->check = true;
            break;
        case 'a':
            arguments->addresses = true;
            break;
        case 'm':
            arguments->monitor = true;
            break;
        case 'd':
            arguments->overrides.data = optarg;
            break;
        case 'o':
            arguments->overrides.port_offset = optarg;
            break;
        case 'v':
            print_version(info);
            *status = DAEMON_OK;
            return false;
        case 'h':
            print_help(info, settings);
            *status = DAEMON_OK;
            return false;
        default: /* getopt has said what is wrong */
            fprintf(stderr, "%s: --help shows what is allowed\n", info->name);
            *status = DAEMON_USAGE;
            return false;
        }
    }
    if (optind == argc || find_command(argv + optind, argc - optind, info, arguments))
        return true;
    *status = DAEMON_USAGE;
    return false;
}

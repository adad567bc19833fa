/* SPDX-License-Identifier: BSD-3-Clause */
/* tarsc ps, stop, restart, down: what is asked of a suite that runs. */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "daemon/folder.h"
#include "command.h"
#include "control.h"

enum { NAME_BYTES = 160 };

struct verb {
    const char *name;
    bool named; /* takes the name of a daemon */
    const char *about;
};

static const struct verb ps = {"ps", false, "Shows the daemons of a suite that runs."};
static const struct verb down = {"down", false, "Stops a suite and waits until all have ended."};
static const struct verb stop = {
    "stop", true, "Stops one daemon and waits for its end; it stays down until tarsc restart."};
static const struct verb restart = {
    "restart", true, "Stops one daemon, starts it again and waits until it is ready."};

static void print_usage(const struct verb *verb)
{
    printf("Usage: tarsc %s [--data DIR]%s\n\n%s\n\n"
           "  --data DIR         the folder of the suite, as in tarsc up\n\n"
           "Exit status: 0 done, 1 no suite runs there or it refused, 2 arguments.\n",
           verb->name, verb->named ? " NAME" : "", verb->about);
}

static const struct option options[] = {
    {"data", required_argument, NULL, 'd'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

/* 0 to go on, else the exit status + 1. */
static int parse(const struct verb *verb, int argc, char **argv, const char **data,
                 const char **name)
{
    int option;
    char *title = xasprintf("tarsc %s", verb->name);
    argv[0] = title;
    while ((option = getopt_long(argc, argv, "", options, NULL)) == 'd')
        *data = optarg;
    free(title);
    if (option == 'h') {
        print_usage(verb);
        return 1;
    }
    if (option == -1 && argc - optind == (verb->named ? 1 : 0)) {
        *name = verb->named ? argv[optind] : "";
        return 0;
    }
    fprintf(stderr, "tarsc %s --help shows what is allowed\n", verb->name);
    return 3;
}

/* What else it is would not come through to the suite as one word. */
static bool is_word(const char *name)
{
    size_t len = strlen(name), i = 0;
    while (i < len && isgraph((unsigned char)name[i]))
        i++;
    return len > 0 && i == len && len < NAME_BYTES;
}

static int ask(const struct verb *verb, const char *data, const char *name)
{
    struct tars_error error;
    bool ok = false;
    if (verb->named && !is_word(name)) {
        fprintf(stderr, "tarsc %s: '%.160s' cannot be the name of a daemon: tarsc ps lists them\n",
                verb->name, name);
        return 1;
    }
    char *folder = data ? xstrdup(data) : daemon_folder_default("", &error);
    char *answer = folder ? control_ask(folder, verb->name, name, &ok, &error) : NULL;
    if (!answer)
        fprintf(stderr, "tarsc %s: %s\n", verb->name, error.text);
    else if (ok)
        fputs(answer, stdout);
    else
        fprintf(stderr, "tarsc %s: %s", verb->name, answer);
    free(answer);
    free(folder);
    return ok ? 0 : 1;
}

static int run(const struct verb *verb, int argc, char **argv)
{
    const char *data = NULL, *name = "";
    int end = parse(verb, argc, argv, &data, &name);
    return end ? end - 1 : ask(verb, data, name);
}

static int ps_main(int argc, char **argv)
{
    return run(&ps, argc, argv);
}

static int down_main(int argc, char **argv)
{
    return run(&down, argc, argv);
}

static int stop_main(int argc, char **argv)
{
    return run(&stop, argc, argv);
}

static int restart_main(int argc, char **argv)
{
    return run(&restart, argc, argv);
}

const struct command command_ps = {"ps", "show the daemons of the suite", ps_main};
const struct command command_down = {"down", "stop the suite", down_main};
const struct command command_stop = {"stop", "stop one daemon of the suite", stop_main};
const struct command command_restart = {"restart", "stop and start one daemon", restart_main};

/* SPDX-License-Identifier: BSD-3-Clause */
/* tarsc up: the suite on this machine, in the foreground, until a signal. */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xmalloc.h"
#include "daemon/folder.h"
#include "command.h"
#include "suite.h"

enum { READY_MS = 60000, STOP_MS = 15000, POLL_US = 50000 };

static const char usage[] =
    "Usage: tarsc up [--data DIR] [--port-offset N] [--config FILE]\n\n"
    "Starts the embedded store and the registry, waits for each to be ready, prints their\n"
    "addresses, and stops them in reverse order on Ctrl-C or SIGTERM.\n\n"
    "  --data DIR         where they keep what has to stay, and their logs; without it\n"
    "                     $XDG_DATA_HOME/tarsc or ~/.local/share/tarsc\n"
    "  --port-offset N    move every port by N: a second suite beside the first\n"
    "  --config FILE      a configuration for all of them, each reads its own domains\n\n"
    "Exit status: 0 stopped by a signal, 1 a daemon failed, 2 arguments or configuration.\n";

struct up {
    struct suite suite;
    size_t started;
    int signals; /* signalfd of SIGINT and SIGTERM, never blocking */
    struct tars_error error;
};

/* ---- signals
 * -------------------------------------------------------------------------------------- */

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* True when one of the signals came since the last question. */
static bool signalled(void *user)
{
    struct up *up = user;
    struct signalfd_siginfo info;
    return read(up->signals, &info, sizeof info) == sizeof info;
}

/* ---- starting and watching
 * ------------------------------------------------------------------------- */

/* The first member that has ended, with the reason in up->error; NULL while all live. */
static struct suite_member *find_ended(struct up *up)
{
    for (size_t i = 0; i < up->started; i++) {
        struct suite_member *member = &up->suite.members[i];
        char end[100];
        if (!child_ended(&member->child))
            continue;
        child_describe_end(&member->child, end, sizeof end);
        tars_fail(&up->error, 1, "%s %s", member->name, end);
        return member;
    }
    return NULL;
}

static int fail_with_log(struct up *up, const struct suite_member *member)
{
    fprintf(stderr, "tarsc up: %s\n", up->error.text);
    child_print_log_end(&member->child, stderr);
    return 1;
}

/* 0 when it is ready, an exit status, or -1 when a signal came first. */
static int wait_ready(struct up *up, struct suite_member *member)
{
    int64_t end = clock_ms() + READY_MS;
    char why[300];
    while (!suite_ready(member, why, sizeof why)) {
        struct suite_member *ended = find_ended(up);
        if (ended)
            return fail_with_log(up, ended);
        if (signalled(up))
            return -1;
        if (clock_ms() > end) {
            tars_fail(&up->error, 1, "%s is not ready after %d s: %s", member->name,
                      READY_MS / 1000, why);
            return fail_with_log(up, member);
        }
        usleep(POLL_US);
    }
    return 0;
}

static int start_all(struct up *up)
{
    for (size_t i = 0; i < SUITE_MEMBERS; i++) {
        struct suite_member *member = &up->suite.members[i];
        if (!suite_start(&up->suite, member, &up->error)) {
            fprintf(stderr, "tarsc up: %s\n", up->error.text);
            return 1;
        }
        up->started++;
        int status = wait_ready(up, member);
        if (status != 0)
            return status;
    }
    return 0;
}

static int watch(struct up *up)
{
    struct suite_member *ended;
    while (!(ended = find_ended(up))) {
        if (signalled(up))
            return 0;
        usleep(POLL_US);
    }
    return fail_with_log(up, ended);
}

static void stop_all(struct up *up)
{
    while (up->started > 0)
        child_stop(&up->suite.members[--up->started].child, STOP_MS, signalled, up);
}

static void print_welcome(const struct up *up)
{
    char query[200];
    suite_print(&up->suite, stdout);
    printf("\nLogs and data: %s\n", up->suite.data);
    if (suite_address(&up->suite.members[SUITE_MEMBERS - 1], "tars.tarsregistry.QueryObj", query,
                      sizeof query))
        printf("A first thing to try, in another terminal:\n"
               "  %s/tarsc call 'tars.tarsregistry.QueryObj@%s' findObjectById "
               "'{\"id\":\"tars.tarsregistry.QueryObj\"}'\n",
               up->suite.programs, query);
    printf("Ctrl-C stops all.\n");
    fflush(stdout);
}

static int run(struct up *up)
{
    if (!suite_prepare(&up->suite, &up->error)) {
        fprintf(stderr, "tarsc up: %s\n", up->error.text);
        return 2;
    }
    up->signals = open_signals();
    int status = start_all(up);
    if (status == 0) {
        print_welcome(up);
        status = watch(up);
    }
    stop_all(up);
    close(up->signals);
    return status < 0 ? 0 : status;
}

/* ---- the command
 * --------------------------------------------------------------------------------------- */

static const struct option options[] = {
    {"data", required_argument, NULL, 'd'},
    {"port-offset", required_argument, NULL, 'o'},
    {"config", required_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* True to go on; else *status is the end. */
static bool parse(int argc, char **argv, struct suite *suite, int *status)
{
    char name[] = "tarsc up"; /* what getopt's messages begin with */
    int option;
    *status = 2;
    argv[0] = name;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'd') {
            suite->data = optarg;
        } else if (option == 'o') {
            suite->port_offset = optarg;
        } else if (option == 'c') {
            suite->config = optarg;
        } else if (option == 'h') {
            fputs(usage, stdout);
            *status = 0;
            return false;
        } else {
            fputs("tarsc up --help shows what is allowed\n", stderr);
            return false;
        }
    }
    if (optind == argc)
        return true;
    fprintf(stderr, "tarsc up: '%s' is no option\n", argv[optind]);
    return false;
}

static int up_main(int argc, char **argv)
{
    struct up up = {.suite.port_offset = "0"};
    struct daemon_folder *folder = NULL;
    int status;
    if (!parse(argc, argv, &up.suite, &status))
        return status;
    char *data = up.suite.data ? xstrdup(up.suite.data) : daemon_folder_default("", &up.error);
    if (data)
        folder = daemon_folder_open(data, &up.error);
    free(data);
    if (!folder) {
        fprintf(stderr, "tarsc up: %s\n", up.error.text);
        return 1;
    }
    up.suite.data = daemon_folder_path(folder);
    status = run(&up);
    suite_free(&up.suite);
    daemon_folder_close(folder);
    return status;
}

const struct command command_up = {"up", "start the suite on this machine", up_main};

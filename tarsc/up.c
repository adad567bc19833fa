/* SPDX-License-Identifier: BSD-3-Clause */
/* tarsc up: the suite on this machine, in the foreground until a signal, or detached. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "daemon/folder.h"
#include "daemon/memory.h"
#include "command.h"
#include "runner.h"

static const char usage[] =
    "Usage: tarsc up [--data DIR] [--port-offset N] [--config FILE] [--detach]\n\n"
    "Starts the embedded store and the registry, waits for each to be ready, prints their\n"
    "addresses, starts again what crashes, and stops them in reverse order on Ctrl-C or "
    "SIGTERM.\n\n"
    "  --data DIR         where they keep what has to stay, and their logs; without it\n"
    "                     $XDG_DATA_HOME/tarsc or ~/.local/share/tarsc\n"
    "  --port-offset N    move every port by N: a second suite beside the first\n"
    "  --config FILE      a configuration for all of them, each reads its own domains\n"
    "  --detach           go to the background once all are ready; tarsc down stops them\n\n"
    "tarsc ps, logs, stop, restart and down speak to a suite that runs.\n\n"
    "Exit status: 0 stopped, or detached; 1 a daemon failed, 2 arguments or configuration.\n";

struct up {
    struct suite suite;
    bool detach;
    int news; /* detached: where to say that all are ready; -1: in the foreground */
};

/* ---- detaching
 * ------------------------------------------------------------------------------------ */

/* From here on it speaks to its log; the command that started it sees the end of the pipe. */
static void leave_terminal(const struct up *up)
{
    char *path = xasprintf("%s/tarsc.log", up->suite.data);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    fflush(stdout);
    prctl(PR_SET_PDEATHSIG, 0);
    ssize_t ignored = write(up->news, "r", 1);
    (void)ignored;
    close(up->news);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    free(path);
}

/* In the command that the user waits for: hands on what the other one says, then its status. */
static int follow(pid_t pid, int said, int news)
{
    char text[4096], ready = 0;
    ssize_t got;
    int status = 0;
    while ((got = read(said, text, sizeof text)) > 0 || (got < 0 && errno == EINTR))
        if (got > 0)
            fwrite(text, 1, (size_t)got, stdout);
    fflush(stdout);
    if (read(news, &ready, 1) == 1)
        return 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* True in the process that shall run the suite; else *status is the end of the command. */
static bool detach(struct up *up, int *status)
{
    int said[2], news[2];
    closefrom(STDERR_FILENO +
              1); /* somebody may wait until nobody has the caller's pipes any more */
    if (pipe2(said, O_CLOEXEC) != 0 || pipe2(news, O_CLOEXEC) != 0) {
        fprintf(stderr, "tarsc up: cannot detach: %s\n", strerror(errno));
        *status = 1;
        return false;
    }
    fflush(stdout);
    pid_t parent = getpid(), pid = fork();
    if (pid != 0) {
        close(said[1]);
        close(news[1]);
        *status = pid < 0 ? 1 : follow(pid, said[0], news[0]);
        return false;
    }
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* until all are ready, Ctrl-C of the command is for it too */
    if (getppid() != parent)
        raise(SIGTERM);
    dup2(in, STDIN_FILENO);
    dup2(said[1], STDOUT_FILENO);
    close(in);
    close(said[0]);
    close(said[1]);
    close(news[0]);
    up->news = news[1];
    return true;
}

/* ---- running
 * -------------------------------------------------------------------------------------- */

static void on_ready(void *user)
{
    const struct up *up = user;
    char query[200];
    suite_print(&up->suite, stdout);
    printf("\nLogs and data: %s\n", up->suite.data);
    if (suite_address(&up->suite.members[SUITE_MEMBERS - 1], "tars.tarsregistry.QueryObj", query,
                      sizeof query))
        printf("A first thing to try, in another terminal:\n"
               "  %s/tarsc call 'tars.tarsregistry.QueryObj@%s' findObjectById "
               "'{\"id\":\"tars.tarsregistry.QueryObj\"}'\n",
               up->suite.programs, query);
    if (up->news >= 0)
        printf("It runs in the background: tarsc down --data %s stops it.\n", up->suite.data);
    else
        printf("Ctrl-C stops all.\n");
    fflush(stdout);
    if (up->news >= 0)
        leave_terminal(up);
    daemon_memory_trim();
}

static int run(struct up *up)
{
    struct tars_error error;
    struct runner_options options = {
        .suite = &up->suite, .outlive = up->detach, .ready = on_ready, .user = up};
    if (suite_prepare(&up->suite, &error))
        return runner_run(&options);
    fprintf(stderr, "tarsc up: %s\n", error.text);
    return 2;
}

static int run_in_folder(struct up *up)
{
    struct daemon_folder *folder = NULL;
    struct tars_error error;
    int status = 1;
    char *data = up->suite.data ? xstrdup(up->suite.data) : daemon_folder_default("", &error);
    if (data)
        folder = daemon_folder_open(data, &error);
    free(data);
    if (folder) {
        up->suite.data = daemon_folder_path(folder);
        status = run(up);
    } else {
        fprintf(stderr, "tarsc up: %s\n", error.text);
    }
    suite_free(&up->suite);
    daemon_folder_close(folder);
    return status;
}

/* ---- the command
 * ---------------------------------------------------------------------------------- */

static const struct option options[] = {
    {"data", required_argument, NULL, 'd'},   {"port-offset", required_argument, NULL, 'o'},
    {"config", required_argument, NULL, 'c'}, {"detach", no_argument, NULL, 'b'},
    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
};

/* True to go on; else *status is the end. */
static bool parse(int argc, char **argv, struct up *up, int *status)
{
    char name[] = "tarsc up"; /* what getopt's messages begin with */
    int option;
    *status = 2;
    argv[0] = name;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'd') {
            up->suite.data = optarg;
        } else if (option == 'o') {
            up->suite.port_offset = optarg;
        } else if (option == 'c') {
            up->suite.config = optarg;
        } else if (option == 'b') {
            up->detach = true;
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
    struct up up = {.suite.port_offset = "0", .news = -1};
    int status;
    if (!parse(argc, argv, &up, &status))
        return status;
    if (up.detach && !detach(&up, &status))
        return status;
    return run_in_folder(&up);
}

const struct command command_up = {"up", "start the suite on this machine", up_main};

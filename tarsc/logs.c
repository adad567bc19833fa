/* SPDX-License-Identifier: BSD-3-Clause */
/* tarsc logs: the end of a daemon's log, and what comes. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "daemon/folder.h"
#include "command.h"

enum { LINES = 100, PART = 8192 };

static const char usage[] =
    "Usage: tarsc logs [--data DIR] [-n LINES] [-f] NAME\n\n"
    "Prints the end of the log of a daemon of tarsc up; `tarsc logs tarsc` is that of a detached\n"
    "tarsc itself. The suite need not run.\n\n"
    "  --data DIR         the folder of the suite, as in tarsc up\n"
    "  -n LINES           how many lines of it; 100\n"
    "  -f                 goes on with what is written, also over a change of file\n\n"
    "Exit status: 0 printed, 1 there is no such log, 2 arguments.\n";

struct logs {
    const char *data, *name;
    char *folder, *path;
    long lines;
    bool follow;
    int fd;
};

/* Where the last `lines` lines begin. */
static off_t find_begin(int fd, long lines)
{
    char part[PART];
    off_t end = lseek(fd, 0, SEEK_END), at = end;
    while (at > 0) {
        size_t size = at < PART ? (size_t)at : PART;
        at -= (off_t)size;
        ssize_t got = pread(fd, part, size, at);
        for (ssize_t i = got; i > 0; i--)
            if (part[i - 1] == '\n' && at + i != end && --lines == 0)
                return at + i;
        if (got <= 0)
            break;
    }
    return lines > 0 ? 0 : end;
}

/* Prints from where the file stands to its end. */
static void print_rest(int fd)
{
    char part[PART];
    ssize_t got;
    while ((got = read(fd, part, sizeof part)) > 0)
        fwrite(part, 1, (size_t)got, stdout);
    fflush(stdout);
}

/* A file that was emptied is read from its begin; one that was renamed gives way to the new one. */
static void keep_up(struct logs *logs)
{
    struct stat here, there;
    if (fstat(logs->fd, &here) == 0 && here.st_size < lseek(logs->fd, 0, SEEK_CUR))
        lseek(logs->fd, 0, SEEK_SET);
    print_rest(logs->fd);
    if (stat(logs->path, &there) != 0 || there.st_ino == here.st_ino)
        return;
    int fd = open(logs->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    close(logs->fd);
    logs->fd = fd;
    print_rest(fd);
}

static int follow(struct logs *logs)
{
    char events[PART];
    int watch = inotify_init1(IN_CLOEXEC);
    if (watch < 0 ||
        inotify_add_watch(watch, logs->folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) {
        fprintf(stderr, "tarsc logs: cannot watch %s: %s\n", logs->folder, strerror(errno));
        return 1;
    }
    do
        keep_up(logs);
    while (!ferror(stdout) && read(watch, events, sizeof events) > 0);
    close(watch);
    return 0;
}

static int print(struct logs *logs)
{
    struct tars_error error;
    int status = 1;
    logs->folder = logs->data ? xstrdup(logs->data) : daemon_folder_default("", &error);
    if (!logs->folder) {
        fprintf(stderr, "tarsc logs: %s\n", error.text);
        return 1;
    }
    logs->path = xasprintf("%s/%s.log", logs->folder, logs->name);
    logs->fd = open(logs->path, O_RDONLY | O_CLOEXEC);
    if (logs->fd >= 0) {
        lseek(logs->fd, find_begin(logs->fd, logs->lines), SEEK_SET);
        print_rest(logs->fd);
        status = logs->follow ? follow(logs) : 0;
        close(logs->fd);
    } else {
        fprintf(stderr, "tarsc logs: cannot read %s: %s\n", logs->path, strerror(errno));
    }
    free(logs->path);
    free(logs->folder);
    return status;
}

static bool is_name(const char *name)
{
    for (const char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '-' && *at != '_')
            return false;
    return *name;
}

static bool parse_lines(const char *text, long *lines)
{
    char *end;
    *lines = strtol(text, &end, 10);
    return *text && !*end && *lines >= 0;
}

static const struct option options[] = {
    {"data", required_argument, NULL, 'd'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

static int logs_main(int argc, char **argv)
{
    struct logs logs = {.lines = LINES, .fd = -1};
    char title[] = "tarsc logs";
    int option;
    bool ok = true;
    argv[0] = title;
    while (ok && (option = getopt_long(argc, argv, "n:f", options, NULL)) != -1) {
        if (option == 'h')
            return fputs(usage, stdout) < 0;
        if (option == 'd')
            logs.data = optarg;
        else if (option == 'f')
            logs.follow = true;
        else
            ok = option == 'n' && parse_lines(optarg, &logs.lines);
        if (!ok && option == 'n')
            fprintf(stderr, "tarsc logs: -n is '%s', but must be a number of lines\n", optarg);
    }
    if (ok && argc - optind == 1 && !is_name(argv[optind])) {
        fprintf(stderr, "tarsc logs: '%s' cannot be the name of a daemon\n", argv[optind]);
        ok = false;
    }
    if (!ok || argc - optind != 1) {
        fputs("tarsc logs --help shows what is allowed\n", stderr);
        return 2;
    }
    logs.name = argv[optind];
    return print(&logs);
}

const struct command command_logs = {"logs", "print a daemon's log", logs_main};

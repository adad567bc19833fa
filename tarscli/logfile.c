/* SPDX-License-Identifier: BSD-3-Clause */
#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xmalloc.h"

static void move_old(const char *path)
{
    for (int n = LOGFILE_OLD; n > 0; n--) {
        char *from = n > 1 ? xasprintf("%s.%d", path, n - 1) : xstrdup(path);
        char *to = xasprintf("%s.%d", path, n);

        rename(from, to);
        free(from);
        free(to);
    }
}

static bool open_over_stderr(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    bool ok = fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

int logfile_redirect(const char *path, struct tars_error *error)
{
    int before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

    if (open_over_stderr(path))
        logfile_roll(path);
    else
        tars_fail(error, errno, "cannot write %s: %s", path, strerror(errno));
    return before;
}

void logfile_roll(const char *path)
{
    struct stat named, ours;

    if (fstat(STDERR_FILENO, &ours) != 0)
        return;
    if (S_ISREG(ours.st_mode) && ours.st_nlink == 0) { /* somebody removed it */
        open_over_stderr(path);
        return;
    }
    if (stat(path, &named) != 0 || named.st_ino != ours.st_ino || named.st_size <= LOGFILE_MAX)
        return;
    move_old(path);
    open_over_stderr(path);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/xmalloc.h"

static void __attribute__((noreturn)) become(char *const argv[], int out, pid_t parent)
{
    sigset_t none;
    int in = open("/dev/null", O_RDONLY);
    sigemptyset(&none);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || in < 0)
        _exit(126);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    closefrom(STDERR_FILENO + 1);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(argv[0], argv);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static pid_t spawn(char *const argv[], int out)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(argv, out, parent);
    return pid;
}

static char *read_all(int fd)
{
    char *text = NULL;
    size_t len = 0;
    ssize_t got;
    do {
        text = xrealloc(text, len + 4097);
        got = read(fd, text + len, 4096);
        len += got > 0 ? (size_t)got : 0;
    } while (got > 0 || (got < 0 && errno == EINTR));
    text[len] = '\0';
    return text;
}

int child_run(char *const argv[], char **output)
{
    int ends[2], status;
    *output = NULL;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    pid_t pid = spawn(argv, ends[1]);
    close(ends[1]);
    if (pid > 0)
        *output = read_all(ends[0]);
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

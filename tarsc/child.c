/* SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xmalloc.h"

enum { LOG_END_LINES = 12, LOG_END_BYTES = 4096, POLL_US = 20000 };

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
    fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static pid_t spawn(char *const argv[], int out)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(argv, out, parent);
    return pid;
}

static int open_log(const char *path, struct tars_error *error)
{
    char *before = xasprintf("%s.1", path);
    rename(path, before); /* there may be none */
    free(before);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        tars_fail(error, -1, "cannot write %s: %s", path, strerror(errno));
    return fd;
}

bool child_start(struct child *child, char *const argv[], const char *log, struct tars_error *error)
{
    int out = open_log(log, error);
    if (out < 0)
        return false;
    *child = (struct child){.log = xstrdup(log), .pid = spawn(argv, out)};
    int failed = errno;
    close(out);
    if (child->pid > 0)
        return true;
    child->pid = 0;
    return tars_fail(error, -1, "cannot start %s: %s", argv[0], strerror(failed));
}

bool child_ended(struct child *child)
{
    if (child->pid && waitpid(child->pid, &child->status, WNOHANG) == child->pid)
        child->pid = 0;
    return child->pid == 0;
}

void child_stop(struct child *child, int ms, bool (*hurry)(void *), void *user)
{
    int64_t end = clock_ms() + ms;
    if (child_ended(child))
        return;
    kill(child->pid, SIGTERM);
    while (!child_ended(child)) {
        if (clock_ms() > end || (hurry && hurry(user)))
            kill(child->pid, SIGKILL);
        usleep(POLL_US);
    }
}

void child_free(struct child *child)
{
    free(child->log);
    child->log = NULL;
}

void child_describe_end(const struct child *child, char *text, size_t size)
{
    if (WIFSIGNALED(child->status))
        snprintf(text, size, "was killed by signal %d (%s)", WTERMSIG(child->status),
                 strsignal(WTERMSIG(child->status)));
    else
        snprintf(text, size, "ended with status %d", WEXITSTATUS(child->status));
}

/* The begin of the last LOG_END_LINES lines. */
static const char *last_lines(const char *text, size_t len)
{
    int lines = 0;
    const char *at = text + len;
    while (at > text) {
        if (at[-1] == '\n' && at != text + len && ++lines == LOG_END_LINES)
            break;
        at--;
    }
    return at;
}

void child_print_log_end(const struct child *child, FILE *out)
{
    char text[LOG_END_BYTES];
    int fd = open(child->log, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    off_t size = lseek(fd, 0, SEEK_END);
    ssize_t len = pread(fd, text, sizeof text, size > LOG_END_BYTES ? size - LOG_END_BYTES : 0);
    close(fd);
    if (len <= 0)
        return;
    const char *begin = last_lines(text, (size_t)len);
    fprintf(out, "The end of %s:\n", child->log);
    fwrite(begin, 1, (size_t)(text + len - begin), out);
    if (text[len - 1] != '\n')
        fputc('\n', out);
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

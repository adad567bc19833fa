/* SPDX-License-Identifier: BSD-3-Clause */
#include "supervise/output.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xmalloc.h"
#include "supervise/tail.h"

enum {
    ROTATE_BYTES = 10 << 20,
    TAIL_BYTES = 64 << 10,
    CHUNK = 32 << 10,
    DRAIN_CHUNKS = 64, /* 2 MiB: more than a pipe holds */
    REOPEN_MS = 1000,
    PIPE_BYTES = 256 << 10, /* what may wait while no supervisor reads */
};

struct sup_keeper {
    struct loop *loop;
    enum sup_output_kind kind;
    char *path;
    int64_t rotate_bytes;
    int keep, echo_fd;
    void (*lost_told)(void *user, const char *text);
    void *user;

    int file; /* -1: not open */
    bool regular;
    int64_t size, reopen_ms;
    uint64_t lost, lost_untold; /* bytes; those of which the file does not speak yet */

    int pipe; /* reading end; -1: none */
    uint64_t pipe_name;
    struct event *event;
    struct sup_ring tail;
};

/* ---- the file
 * ------------------------------------------------------------------------------------- */

static void lose(struct sup_keeper *k, size_t bytes)
{
    int why = errno;
    char text[PATH_MAX + 200];
    bool first = !k->lost_untold;
    k->lost += bytes;
    k->lost_untold += bytes;
    if (!first)
        return;
    snprintf(text, sizeof text, "output cannot be written to %s and is dropped until it can: %s",
             k->path, strerror(why));
    k->lost_told(k->user, text);
}

static bool open_file(struct sup_keeper *k)
{
    struct stat about;
    if (k->file >= 0)
        return true;
    if (clock_ms() < k->reopen_ms) {
        errno = EAGAIN;
        return false;
    }
    k->file = open(k->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0640);
    if (k->file < 0 || fstat(k->file, &about) != 0) {
        k->reopen_ms = clock_ms() + REOPEN_MS;
        return false;
    }
    k->regular = S_ISREG(about.st_mode);
    k->size = k->regular ? about.st_size : 0;
    return true;
}

static void close_file(struct sup_keeper *k)
{
    if (k->file >= 0)
        close(k->file);
    k->file = -1;
}

/* path -> path.1 -> path.2 …; where names cannot be changed the file is emptied. */
static void rotate(struct sup_keeper *k)
{
    char *to = xasprintf("%s.%d", k->path, k->keep);
    for (int i = k->keep - 1; i > 0; i--) {
        char *from = xasprintf("%s.%d", k->path, i);
        rename(from, to); /* there may be none */
        free(to);
        to = from;
    }
    if (rename(k->path, to) == 0)
        close_file(k);
    else if (ftruncate(k->file, 0) == 0)
        k->size = 0;
    free(to);
}

static bool put(struct sup_keeper *k, const char *bytes, size_t len)
{
    while (len) {
        ssize_t done = write(k->file, bytes, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            lose(k, len);
            return false;
        }
        k->size += done;
        bytes += done;
        len -= (size_t)done;
    }
    return true;
}

/* Says in the file how much is missing, once something fits again. */
static bool tell_loss(struct sup_keeper *k)
{
    char line[80];
    int len = snprintf(line, sizeof line, "\n[%llu bytes of output are missing here]\n",
                       (unsigned long long)k->lost_untold);
    if (!k->lost_untold)
        return true;
    if (write(k->file, line, (size_t)len) != len)
        return false;
    k->size += len;
    k->lost_untold = 0;
    return true;
}

/* People remove and empty logs: what nobody finds any more is not written on. */
static void look_at_file(struct sup_keeper *k)
{
    struct stat about;
    if (k->file < 0 || !k->regular || fstat(k->file, &about) != 0)
        return;
    k->size = about.st_size;
    if (about.st_nlink == 0)
        close_file(k);
}

static void write_file(struct sup_keeper *k, const char *bytes, size_t len)
{
    if (!k->path)
        return;
    look_at_file(k);
    if (!open_file(k)) {
        lose(k, len);
        return;
    }
    if (k->regular && k->size >= k->rotate_bytes)
        rotate(k);
    if (!open_file(k) || !tell_loss(k)) {
        lose(k, len);
        return;
    }
    put(k, bytes, len);
}

/* ---- the pipe
 * ------------------------------------------------------------------------------------- */

/* Only what fits without waiting; POLLOUT promises PIPE_BUF bytes. */
static void echo(const struct sup_keeper *k, const char *bytes, size_t len)
{
    struct pollfd ready = {.fd = k->echo_fd, .events = POLLOUT};
    while (k->echo_fd > 0 && len && poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT)) {
        ssize_t done = write(k->echo_fd, bytes, len < PIPE_BUF ? len : PIPE_BUF);
        if (done <= 0)
            return;
        bytes += done;
        len -= (size_t)done;
    }
}

static void close_pipe(struct sup_keeper *k)
{
    if (k->event)
        event_free(k->event);
    if (k->pipe >= 0)
        close(k->pipe);
    k->event = NULL;
    k->pipe = -1;
    k->pipe_name = 0;
}

/* False when there is nothing more for now. */
static bool take_chunk(struct sup_keeper *k)
{
    char bytes[CHUNK];
    ssize_t got = read(k->pipe, bytes, sizeof bytes);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        close_pipe(k);
    if (got <= 0)
        return false;
    sup_ring_add(&k->tail, bytes, (size_t)got);
    write_file(k, bytes, (size_t)got);
    echo(k, bytes, (size_t)got);
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    take_chunk(arg);
}

static void read_from(struct sup_keeper *k, int fd)
{
    struct stat about;
    k->pipe = fd;
    k->pipe_name = fstat(fd, &about) == 0 ? (uint64_t)about.st_ino : 0;
    k->event = event_new(loop_base(k->loop), fd, EV_READ | EV_PERSIST, on_readable, k);
    event_add(k->event, NULL);
}

/* The writing end, able to read as well, so that it never stands without a reader. */
static int widen(int fd)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int both = open(path, O_RDWR | O_CLOEXEC);
    if (both < 0)
        return fd; /* no /proc: such a server gets SIGPIPE when the supervisor dies */
    close(fd);
    return both;
}

static int open_pipe(struct sup_keeper *k, uid_t uid, gid_t gid)
{
    int ends[2];
    close_pipe(k);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fcntl(ends[0], F_SETPIPE_SZ,
          PIPE_BYTES); /* refused over the user's quota: then it is smaller */
    read_from(k, ends[0]);
    int out = widen(ends[1]);
    if (uid != geteuid() && fchown(out, uid, gid) != 0)
        return out; /* /dev/stdout cannot be opened by name then, nothing else */
    return out;
}

static int open_direct(struct sup_keeper *k)
{
    close_file(k);
    k->reopen_ms = 0;
    if (open_file(k) && k->regular && k->size >= k->rotate_bytes)
        rotate(k);
    if (!open_file(k)) {
        lose(k, 0);
        return open("/dev/null", O_WRONLY | O_CLOEXEC);
    }
    int out = fcntl(k->file, F_DUPFD_CLOEXEC, 3);
    fcntl(out, F_SETFL, O_APPEND); /* blocking, as programs expect it */
    close_file(k);
    return out;
}

/* ---- public
 * --------------------------------------------------------------------------------------- */

struct sup_keeper *sup_keeper_new(struct loop *loop, const struct sup_output *output,
                                  void (*lost)(void *user, const char *text), void *user)
{
    struct sup_keeper *k = xcalloc(1, sizeof *k);
    k->loop = loop;
    k->kind = output->kind;
    k->path = output->path ? xstrdup(output->path) : NULL;
    k->rotate_bytes = output->rotate_bytes > 0 ? output->rotate_bytes : ROTATE_BYTES;
    k->keep = output->keep > 0 ? output->keep : 1;
    k->echo_fd = output->echo_fd;
    k->tail.most = output->tail_bytes ? output->tail_bytes : TAIL_BYTES;
    k->lost_told = lost;
    k->user = user;
    k->file = k->pipe = -1;
    return k;
}

void sup_keeper_free(struct sup_keeper *k)
{
    if (!k)
        return;
    close_pipe(k);
    close_file(k);
    sup_ring_clear(&k->tail);
    free(k->path);
    free(k);
}

int sup_keeper_open(struct sup_keeper *k, uid_t uid, gid_t gid)
{
    int out = -1;
    sup_ring_clear(&k->tail);
    if (k->kind == SUP_OUTPUT_CAPTURE)
        out = open_pipe(k, uid, gid);
    else if (k->kind == SUP_OUTPUT_FILE && k->path)
        out = open_direct(k);
    if (out < 0 && k->kind != SUP_OUTPUT_INHERIT)
        out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return out;
}

uint64_t sup_keeper_pipe(const struct sup_keeper *k)
{
    return k->pipe_name;
}

void sup_keeper_adopt(struct sup_keeper *k, pid_t pid, uint64_t pipe)
{
    for (int number = STDOUT_FILENO; number <= STDERR_FILENO && pipe && k->pipe < 0; number++) {
        char path[40];
        struct stat about;
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, number);
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            continue;
        if (fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode) && about.st_ino == pipe)
            read_from(k, fd);
        else
            close(fd);
    }
}

void sup_keeper_drain(struct sup_keeper *k)
{
    for (int i = 0; i < DRAIN_CHUNKS && k->pipe >= 0 && take_chunk(k); i++)
        ;
}

char *sup_keeper_tail(const struct sup_keeper *k, size_t *len)
{
    return sup_ring_copy(&k->tail, len);
}

uint64_t sup_keeper_lost(const struct sup_keeper *k)
{
    return k->lost;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xmalloc.h"

enum { COPY_BYTES = 64 * 1024 };

static bool fail(struct tars_error *error, const char *what, const char *path)
{
    int code = errno;

    return tars_fail(error, code, "cannot %s %s: %s", what, path, strerror(code));
}

static char *read_all(int fd, const char *path, size_t *len, struct tars_error *error)
{
    size_t room = 4096;
    char *bytes = xmalloc(room + 1);
    ssize_t got;

    *len = 0;
    while ((got = read(fd, bytes + *len, room - *len)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || *len + (size_t)got > FILE_MAX) {
            errno = got < 0 ? errno : EFBIG;
            fail(error, "read", path);
            free(bytes);
            return NULL;
        }
        *len += (size_t)got;
        if (*len == room)
            bytes = xrealloc(bytes, (room *= 2) + 1);
    }
    bytes[*len] = '\0';
    return bytes;
}

char *file_read(const char *path, size_t *len, struct tars_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *bytes = NULL;

    if (fd < 0)
        fail(error, "open", path);
    else
        bytes = read_all(fd, path, len, error);
    if (fd >= 0)
        close(fd);
    return bytes;
}

static bool write_all(int fd, struct tars_str text)
{
    while (text.len) {
        ssize_t put = write(fd, text.at, text.len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        text = tars_str_n(text.at + put, text.len - (size_t)put);
    }
    return true;
}

/* The file beside `path` that becomes it; -1 with errno. Its name is to be freed. */
static int open_beside(const char *path, char **beside)
{
    *beside = xasprintf("%s.%d.tmp", path, (int)getpid());
    return open(*beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* Ends what open_beside began: renamed when all went well, else removed with the reason. */
static bool settle(int fd, char *beside, const char *path, bool ok, struct tars_error *error)
{
    if (fd >= 0 && close(fd) != 0)
        ok = false;
    if (!ok || rename(beside, path) != 0) {
        ok = fail(error, "write", path);
        if (fd >= 0)
            unlink(beside);
    }
    free(beside);
    return ok;
}

bool file_write(const char *path, struct tars_str text, mode_t mode, struct tars_error *error)
{
    char *beside;
    int fd = open_beside(path, &beside);
    bool ok = fd >= 0 && write_all(fd, text) && fchmod(fd, mode) == 0;

    return settle(fd, beside, path, ok, error);
}

/* False with errno; *reads tells which of both would not. */
static bool copy_all(int from, int to, bool *reads)
{
    char bytes[COPY_BYTES];
    ssize_t got;

    while ((got = read(from, bytes, sizeof bytes)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        *reads = got > 0;
        if (got < 0 || !write_all(to, tars_str_n(bytes, (size_t)got)))
            return false;
    }
    return true;
}

bool file_copy(const char *from, const char *path, mode_t mode, struct tars_error *error)
{
    int source = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK), fd;
    bool reads = true, ok;
    char *beside;

    if (source < 0)
        return fail(error, "open", from);
    fd = open_beside(path, &beside);
    ok = fd >= 0 && copy_all(source, fd, &reads) && fchmod(fd, mode) == 0;
    ok = settle(fd, beside, path, ok, error);
    if (!ok && !reads)
        tars_fail(error, error->code, "cannot read %s: %s", from, strerror(error->code));
    close(source);
    return ok;
}

bool file_exists(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0;
}

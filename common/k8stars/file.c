/* SPDX-License-Identifier: BSD-3-Clause */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xmalloc.h"

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

bool file_write(const char *path, struct tars_str text, mode_t mode, struct tars_error *error)
{
    char *beside = xasprintf("%s.%d.tmp", path, (int)getpid());
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write_all(fd, text) && fchmod(fd, mode) == 0;

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

bool file_exists(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0;
}

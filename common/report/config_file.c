/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/config_file.h"

#include "base/clock.h"
#include "base/xmalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 200 };

bool report_config_name(const char *name, struct tars_error *error)
{
    if (!name || !*name || strlen(name) > NAME_MAX_BYTES)
        return tars_fail(error, 1, "configuration file name must have 1 to %d bytes",
                         NAME_MAX_BYTES);
    if (strchr(name, '/') || strstr(name, "..") || strcmp(name, ".") == 0)
        return tars_fail(error, 1,
                         "configuration file name '%.200s' must be a plain file name, "
                         "without '/' and '..'",
                         name);
    return true;
}

static bool path_of(char path[PATH_MAX], const char *dir, const char *name, const char *suffix,
                    struct tars_error *error)
{
    int len = snprintf(path, PATH_MAX, "%s/%s%s", dir, name, suffix);

    if (len < 0 || len >= PATH_MAX)
        return tars_fail(error, ENAMETOOLONG, "path of configuration file %s is too long", name);
    return true;
}

static bool read_all(int fd, char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = read(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

char *report_config_read(const char *dir, const char *name, size_t *len, struct tars_error *error)
{
    char path[PATH_MAX], *text = NULL;
    struct stat st;
    int fd = -1;

    if (!report_config_name(name, error) || !path_of(path, dir, name, "", error))
        return NULL;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        st.st_size > REPORT_CONFIG_MAX_BYTES) {
        (void)tars_fail(error, errno, "reading %s: %s", path,
                        fd < 0 ? strerror(errno) : "not a regular file of at most 64 MiB");
        goto done;
    }
    *len = (size_t)st.st_size;
    text = xcalloc(1, *len + 1);
    if (!read_all(fd, text, *len)) {
        (void)tars_fail(error, errno, "reading %s: it changed meanwhile or cannot be read", path);
        free(text);
        text = NULL;
    }
done:
    if (fd >= 0)
        close(fd);
    return text;
}

static bool write_file(const char *path, struct tars_str text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t at = 0;

    if (fd < 0)
        return false;
    while (at < text.len) {
        ssize_t n = write(fd, text.at + at, text.len - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        at += (size_t)n;
    }
    bool written = at == text.len && fsync(fd) == 0;
    return close(fd) == 0 && written;
}

/* The file stays in place under its name all the time: the newest backup is a second link to it. */
static void rotate_backups(const char *path)
{
    char from[PATH_MAX + 16], to[PATH_MAX + 16];

    for (int i = REPORT_CONFIG_BACKUPS - 1; i >= 1; i--) {
        snprintf(from, sizeof(from), "%s.%d.bak", path, i);
        snprintf(to, sizeof(to), "%s.%d.bak", path, i + 1);
        (void)rename(from, to);
    }
    snprintf(to, sizeof(to), "%s.1.bak", path);
    (void)unlink(to);
    (void)link(path, to);
}

static bool is_stored(const char *dir, const char *name, struct tars_str text)
{
    size_t len;
    char *old = report_config_read(dir, name, &len, NULL);
    bool same = old && tars_str_equal(tars_str_n(old, len), text);

    free(old);
    return same;
}

bool report_config_store(const char *dir, const char *name, struct tars_str text,
                         struct tars_error *error)
{
    char path[PATH_MAX], temporary[PATH_MAX], suffix[64];

    /* Two threads may fetch the same file: each has a temporary file of its own. */
    snprintf(suffix, sizeof(suffix), ".%lld.%d", (long long)clock_wall_ms(), (int)gettid());
    if (!report_config_name(name, error) || !path_of(path, dir, name, "", error) ||
        !path_of(temporary, dir, name, suffix, error))
        return false;
    if (is_stored(dir, name, text))
        return true;
    if (!write_file(temporary, text)) {
        (void)tars_fail(error, errno, "writing %s: %s", temporary, strerror(errno));
        (void)unlink(temporary);
        return false;
    }
    rotate_backups(path);
    if (rename(temporary, path) != 0) {
        (void)tars_fail(error, errno, "renaming %s to %s: %s", temporary, path, strerror(errno));
        (void)unlink(temporary);
        return false;
    }
    return true;
}

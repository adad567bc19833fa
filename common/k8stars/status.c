/* SPDX-License-Identifier: BSD-3-Clause */
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "k8stars/file.h"

static const char status_file[] = "check_status", drain_file[] = "prestop";

/* It says so already: then its age is all that there is to change, which takes no room. */
static bool refresh(const char *path, const char *word)
{
    struct tars_error ignored;
    size_t len;
    char *before = file_read(path, &len, &ignored);
    bool ok = before && strcmp(before, word) == 0 && utimensat(AT_FDCWD, path, NULL, 0) == 0;

    free(before);
    return ok;
}

bool status_write(const struct environment *e, const char *word, struct tars_error *error)
{
    char *path = environment_file(e, "data", status_file);
    bool ok = file_write(path, tars_str(word), 0644, error) || refresh(path, word);

    free(path);
    return ok;
}

char *status_read(const struct environment *e, int64_t *age_ms)
{
    char *path = environment_file(e, "data", status_file);
    struct tars_error ignored;
    struct stat info;
    size_t len;
    char *word = file_read(path, &len, &ignored);

    if (word && stat(path, &info) == 0)
        *age_ms = clock_wall_ms() -
                  ((int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000);
    free(path);
    return word;
}

bool status_is_draining(const struct environment *e)
{
    char *path = environment_file(e, "data", drain_file);
    bool is = file_exists(path);

    free(path);
    return is;
}

bool status_begin_drain(const struct environment *e, struct tars_error *error)
{
    char *path = environment_file(e, "data", drain_file);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    int code = errno;

    if (fd < 0)
        tars_fail(error, code == EEXIST ? 0 : code, "cannot write %s: %s", path, strerror(code));
    else if (write(fd, "done", 4) != 4) /* that it is there counts, also on a full disk */
        log_warn("status", "%s stays empty: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(path);
    return fd >= 0;
}

void status_forget_drain(const struct environment *e)
{
    char *path = environment_file(e, "data", drain_file);

    if (unlink(path) != 0 && errno != ENOENT)
        log_error("status",
                  "cannot remove %s: %s; while it exists the server counts as draining, is not "
                  "registered and never ready: remove it and restart",
                  path, strerror(errno));
    free(path);
}

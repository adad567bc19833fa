/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xmalloc.h"

struct daemon_folder {
    char *path;
    int lock; /* the open lock file; the kernel lets go of it with the process, however that ends */
};

static bool make_folders(const char *path, struct tars_error *error)
{
    char *part = xstrdup(path);
    bool ok = true;
    for (char *at = part + 1; ok; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char end = *at;
        *at = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            ok = tars_fail(error, -1, "cannot make folder %s: %s", part, strerror(errno));
        *at = end;
        if (!end)
            break;
    }
    free(part);
    return ok;
}

static bool held_by_another(const struct daemon_folder *folder, struct tars_error *error)
{
    char pid[24] = "";
    ssize_t len = pread(folder->lock, pid, sizeof pid - 1, 0);
    pid[len > 0 ? strspn(pid, "0123456789") : 0] = '\0';
    return tars_fail(error, -1, "folder %s is in use by another process (%s)", folder->path,
                     *pid ? pid : "unknown");
}

static bool lock(struct daemon_folder *folder, struct tars_error *error)
{
    char *file = xasprintf("%s/lock", folder->path);
    char pid[24];
    int len = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    bool ok = true;
    folder->lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (folder->lock < 0)
        ok = tars_fail(error, -1, "cannot open %s: %s", file, strerror(errno));
    else if (flock(folder->lock, LOCK_EX | LOCK_NB) != 0)
        ok = held_by_another(folder, error);
    else if (ftruncate(folder->lock, 0) != 0 || pwrite(folder->lock, pid, (size_t)len, 0) != len)
        ok = tars_fail(error, -1, "cannot write %s: %s", file, strerror(errno));
    free(file);
    return ok;
}

struct daemon_folder *daemon_folder_open(const char *path, struct tars_error *error)
{
    if (!make_folders(path, error))
        return NULL;
    struct daemon_folder *folder = xcalloc(1, sizeof *folder);
    folder->lock = -1;
    folder->path = realpath(path, NULL);
    if (!folder->path)
        tars_fail(error, -1, "cannot open folder %s: %s", path, strerror(errno));
    if (folder->path && lock(folder, error))
        return folder;
    daemon_folder_close(folder);
    return NULL;
}

void daemon_folder_close(struct daemon_folder *folder)
{
    if (!folder)
        return;
    if (folder->lock >= 0)
        close(folder->lock);
    free(folder->path);
    free(folder);
}

const char *daemon_folder_path(const struct daemon_folder *folder)
{
    return folder->path;
}

char *daemon_folder_default(const char *name, struct tars_error *error)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    const char *slash = *name ? "/" : "";
    if (data && data[0] == '/')
        return xasprintf("%s/tarsc%s%s", data, slash, name);
    if (home && home[0] == '/')
        return xasprintf("%s/.local/share/tarsc%s%s", home, slash, name);
    tars_fail(error, -1, "there is no default data folder without HOME: give one with --data DIR");
    return NULL;
}

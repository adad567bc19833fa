/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/dead.h"

#include "base/clock.h"
#include "base/xmalloc.h"
#include "es/segment.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void add_text(cJSON *line, const char *name, struct tars_str text)
{
    char *copy = xstrndup(text.len ? text.at : "", text.len);
    cJSON_AddStringToObject(line, name, copy);
    free(copy);
}

char *dead_line(const struct es_record *record, int status, const char *type, const char *reason)
{
    cJSON *line = cJSON_CreateObject();
    cJSON_AddNumberToObject(line, "at", (double)clock_wall_ms());
    cJSON_AddStringToObject(line, "action", es_action_name(record->action));
    add_text(line, "index", record->index);
    add_text(line, "id", record->id);
    cJSON_AddNumberToObject(line, "status", status);
    cJSON_AddStringToObject(line, "type", type ? type : "error");
    cJSON_AddStringToObject(line, "reason", reason ? reason : "no reason given");
    add_text(line, "source", record->source);
    char *text = cJSON_PrintUnformatted(line), *whole = xasprintf("%s\n", text);
    cJSON_Delete(line);
    cJSON_free(text);
    return whole;
}

/* The oldest file of a folder of dead letters by its number, and the bytes of all. */
static uint64_t measure(const char *folder, char *oldest, size_t size)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    struct stat about;
    uint64_t bytes = 0;
    oldest[0] = '\0';
    while (dir && (entry = readdir(dir))) {
        if (!strstr(entry->d_name, ".ndjson") || fstatat(dirfd(dir), entry->d_name, &about, 0) != 0)
            continue;
        bytes += (uint64_t)about.st_size;
        if (!oldest[0] || strcmp(entry->d_name, oldest) < 0)
            snprintf(oldest, size, "%s", entry->d_name);
    }
    if (dir)
        closedir(dir);
    return bytes;
}

static void keep_under_cap(const char *folder, uint64_t cap, uint64_t *dropped)
{
    char name[256];
    while (measure(folder, name, sizeof name) > cap && name[0]) {
        char *path = xasprintf("%s/%s", folder, name);
        bool gone = unlink(path) == 0;
        free(path);
        if (!gone)
            return;
        ++*dropped;
    }
}

/* Locked, and still the file of that name: somebody may just have taken it away. */
static int open_locked(const char *path)
{
    for (int tries = 0; tries < 10; tries++) {
        struct stat mine, named;
        int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX) == 0 && fstat(fd, &mine) == 0 && stat(path, &named) == 0 &&
            mine.st_ino == named.st_ino)
            return fd;
        close(fd);
    }
    errno = EBUSY;
    return -1;
}

/* All of it or nothing. */
static bool append(int fd, const char *lines, size_t len)
{
    off_t before = lseek(fd, 0, SEEK_END);
    ssize_t put = write(fd, lines, len);
    if (put == (ssize_t)len && fdatasync(fd) == 0)
        return true;
    int why = put >= 0 && put < (ssize_t)len ? ENOSPC : errno;
    if (before < 0 || ftruncate(fd, before) != 0)
        why = EIO;
    errno = why;
    return false;
}

bool dead_append(const char *dir, uint64_t segment, const char *lines, size_t len, uint64_t cap,
                 uint64_t *dropped, struct tars_error *error)
{
    char *folder = xasprintf("%s/dead", dir),
         *path = xasprintf("%s/%016llx.ndjson", folder, (unsigned long long)segment);
    int fd = mkdir(folder, 0700) == 0 || errno == EEXIST ? open_locked(path) : -1;
    int above = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && append(fd, lines, len) && above >= 0 && fsync(above) == 0;
    if (!ok)
        tars_fail(error, -1, "cannot write dead letters to %s: %s", path, strerror(errno));
    if (above >= 0)
        close(above);
    if (fd >= 0)
        close(fd);
    if (ok)
        keep_under_cap(folder, cap, dropped);
    free(folder);
    free(path);
    return ok;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/dead.h"

#include "base/clock.h"
#include "base/map.h"
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

char *dead_line(const struct es_record *record, struct tars_str place, int status, const char *type,
                const char *reason)
{
    cJSON *line = cJSON_CreateObject();
    cJSON_AddNumberToObject(line, "at", (double)clock_wall_ms());
    add_text(line, "place", place);
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

int dead_open_locked(const char *path, int flags)
{
    for (int tries = 0; tries < 10; tries++) {
        struct stat mine, named;
        int fd = open(path, flags | O_CLOEXEC, 0600);
        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX) == 0 && fstat(fd, &mine) == 0 && stat(path, &named) == 0 &&
            mine.st_ino == named.st_ino)
            return fd;
        close(fd); /* somebody has just taken it away */
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

/* ---- what an earlier process wrote
 * ---------------------------------------------------------------- */

/* The value of "place" in a line, which has no other text of that look before it. */
static struct tars_str place_in(const char *line, size_t len)
{
    static const char name[] = "\"place\":\"";
    const char *at = memmem(line, len, name, sizeof name - 1);
    const char *end = at ? memchr(at + sizeof name - 1, '"',
                                  len - (size_t)(at - line) - (sizeof name - 1))
                         : NULL;
    at += at ? sizeof name - 1 : 0;
    return end ? tars_str_n(at, (size_t)(end - at)) : (struct tars_str){0};
}

static void learn_places(struct dead_letters *d, const char *path, uint64_t segment)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    FILE *file = fopen(path, "re");
    map_free(d->places);
    d->places = map_new(NULL);
    d->segment = segment;
    while (file && (len = getline(&line, &size, file)) > 0) {
        struct tars_str place = place_in(line, (size_t)len);
        if (place.len)
            map_put(d->places, place, d);
    }
    if (file)
        fclose(file);
    free(line);
}

/* Leaves the lines whose place is not known; returns their bytes. */
static size_t keep_new(const struct dead_letters *d, char *lines, size_t len, size_t *count)
{
    size_t kept = 0;
    *count = 0;
    for (size_t at = 0, line; at < len; at += line) {
        const char *end = memchr(lines + at, '\n', len - at);
        line = end ? (size_t)(end - lines) + 1 - at : len - at;
        if (d->places && map_get(d->places, place_in(lines + at, line)))
            continue;
        memmove(lines + kept, lines + at, line);
        kept += line;
        ++*count;
    }
    return kept;
}

void dead_open(struct dead_letters *d, const char *dir, uint64_t cap, uint64_t old)
{
    *d = (struct dead_letters){.dir = dir, .cap = cap, .old = old};
}

void dead_close(struct dead_letters *d)
{
    map_free(d->places);
}

static bool append_to(const char *folder, const char *path, const char *lines, size_t len,
                      struct tars_error *error)
{
    int fd = mkdir(folder, 0700) == 0 || errno == EEXIST
                 ? dead_open_locked(path, O_WRONLY | O_APPEND | O_CREAT)
                 : -1;
    int above = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && append(fd, lines, len) && above >= 0 && fsync(above) == 0;
    if (!ok)
        tars_fail(error, -1, "cannot write dead letters to %s: %s", path, strerror(errno));
    if (above >= 0)
        close(above);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool dead_append(struct dead_letters *d, uint64_t segment, char *lines, size_t len, size_t *written,
                 uint64_t *dropped, struct tars_error *error)
{
    char *folder = xasprintf("%s/dead", d->dir),
         *path = xasprintf("%s/%016llx.ndjson", folder, (unsigned long long)segment);
    bool old = segment < d->old;
    if (old && (!d->places || d->segment != segment))
        learn_places(d, path, segment);
    len = old ? keep_new(d, lines, len, written) : len;
    if (!old)
        for (size_t i = *written = 0; i < len; i++)
            *written += lines[i] == '\n';
    bool ok = *written == 0 || append_to(folder, path, lines, len, error);
    if (ok && *written)
        keep_under_cap(folder, d->cap, dropped);
    free(folder);
    free(path);
    return ok;
}

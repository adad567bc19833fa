/* SPDX-License-Identifier: BSD-3-Clause */
#include "supervise/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/xmalloc.h"

#define FIRST_LINE "supervise 1\n"

enum { MOST_BYTES = 2048 };

static const struct {
    const char *name;
    size_t offset;
    int64_t most;
} numbers[] = {
    {"pid", offsetof(struct sup_record, pid), INT_MAX},
    {"start", offsetof(struct sup_record, start), INT64_MAX},
    {"leader", offsetof(struct sup_record, leader), INT_MAX},
    {"leader-start", offsetof(struct sup_record, leader_start), INT64_MAX},
    {"pipe", offsetof(struct sup_record, pipe), INT64_MAX},
    {"setting", offsetof(struct sup_record, setting), 1},
    {"active", offsetof(struct sup_record, active), 1},
    {"crashes", offsetof(struct sup_record, crashes), INT_MAX},
    {"launch", offsetof(struct sup_record, launch), INT64_MAX},
    {"launched", offsetof(struct sup_record, launched_ms), INT64_MAX},
};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static int64_t *number_at(const struct sup_record *record, size_t i)
{
    return (int64_t *)((char *)record + numbers[i].offset);
}

/* ---- reading
 * -------------------------------------------------------------------------------------- */

static bool take_text(const char *value, size_t len, char *to, size_t size)
{
    if (len >= size)
        return false;
    memcpy(to, value, len);
    to[len] = '\0';
    return true;
}

static bool take_number(const char *value, size_t len, int64_t most, int64_t *to)
{
    char digits[24], *end;
    if (len == 0 || !take_text(value, len, digits, sizeof digits) ||
        strspn(digits, "0123456789") != len)
        return false;
    errno = 0;
    *to = strtoll(digits, &end, 10);
    return errno == 0 && *to <= most;
}

/* "name value"; an unknown name is of a later version and left out. */
static bool take_line(const char *line, size_t len, struct sup_record *record)
{
    const char *blank = memchr(line, ' ', len);
    if (!blank)
        return false;
    struct tars_str name = tars_str_n(line, (size_t)(blank - line));
    const char *value = blank + 1;
    len -= name.len + 1;
    if (tars_str_is(name, "boot"))
        return take_text(value, len, record->boot, sizeof record->boot);
    if (tars_str_is(name, "mark"))
        return take_text(value, len, record->mark, sizeof record->mark);
    for (size_t i = 0; i < NUMBERS; i++)
        if (tars_str_is(name, numbers[i].name))
            return take_number(value, len, numbers[i].most, number_at(record, i));
    return true;
}

bool sup_record_parse(const char *text, struct sup_record *record)
{
    *record = (struct sup_record){.pid = 0};
    if (strncmp(text, FIRST_LINE, strlen(FIRST_LINE)) != 0)
        return false;
    text += strlen(FIRST_LINE);
    while (*text) {
        const char *end = strchr(text, '\n');
        if (!end || !take_line(text, (size_t)(end - text), record))
            return false;
        text = end + 1;
    }
    return *record->boot && *record->mark;
}

static char *path_of(const char *folder, const char *name, const char *ending)
{
    return xasprintf("%s/%s.%s", folder, name, ending);
}

bool sup_record_read(const char *folder, const char *name, struct sup_record *record)
{
    char text[MOST_BYTES], *path = path_of(folder, name, "state");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    free(path);
    if (len < 0)
        return false;
    text[len] = '\0';
    return sup_record_parse(text, record);
}

/* ---- writing
 * -------------------------------------------------------------------------------------- */

static size_t print(const struct sup_record *record, char *text, size_t size)
{
    size_t len = (size_t)snprintf(text, size, FIRST_LINE "boot %s\nmark %s\n", record->boot,
                                  record->mark);
    for (size_t i = 0; i < NUMBERS; i++)
        len += (size_t)snprintf(text + len, size - len, "%s %lld\n", numbers[i].name,
                                (long long)*number_at(record, i));
    return len;
}

static bool write_file(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    ssize_t done = write(fd, text, len);
    int failed = done < 0 ? errno : ENOSPC;
    close(fd);
    errno = failed;
    return done == (ssize_t)len;
}

bool sup_record_write(const char *folder, const char *name, const struct sup_record *record,
                      struct tars_error *error)
{
    char text[MOST_BYTES];
    char *path = path_of(folder, name, "state"), *fresh = path_of(folder, name, "new");
    size_t len = print(record, text, sizeof text);
    bool ok = write_file(fresh, text, len) && rename(fresh, path) == 0;
    if (!ok)
        tars_fail(error, errno,
                  "cannot write %s: %s; after the end of the supervisor %s would not be found",
                  path, strerror(errno), name);
    free(path);
    free(fresh);
    return ok;
}

void sup_record_remove(const char *folder, const char *name)
{
    char *path = path_of(folder, name, "state");
    unlink(path);
    free(path);
}

bool sup_record_remove_all(const char *folder)
{
    DIR *open_folder = opendir(folder);
    const struct dirent *entry;
    bool ok = open_folder;
    while (open_folder && (entry = readdir(open_folder))) {
        const char *ending = strrchr(entry->d_name, '.');
        if (ending && strcmp(ending, ".state") == 0)
            ok = unlinkat(dirfd(open_folder), entry->d_name, 0) == 0 && ok;
    }
    if (open_folder)
        closedir(open_folder);
    return ok;
}

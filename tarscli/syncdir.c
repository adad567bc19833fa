/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tarscli syncdir: copies the files of a volume beside the program. What was copied once and is
 * gone from the volume is removed; `.tarscli-syncdir` in the target remembers what was copied.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "base/xmalloc.h"
#include "command.h"
#include "k8stars/file.h"

enum { DATA_MODE = 0644, SCRIPT_MODE = 0755 };

static const char list_file[] = ".tarscli-syncdir";

struct syncing {
    const char *from, *to;
    struct map *names; /* of what the source has */
    struct tars_error *error;
};

static bool fail(struct syncing *s, const char *what, const char *path)
{
    return tars_fail(s->error, errno, "cannot %s %s: %s", what, path, strerror(errno));
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec;
}

/* Volumes give no file an executable bit that matters: a script says what it is. */
static mode_t mode_of(const struct stat *info, const char *text, size_t len)
{
    bool script = len > 2 && text[0] == '#' && text[1] == '!';

    return script || (info->st_mode & S_IXUSR) ? SCRIPT_MODE : DATA_MODE;
}

static bool copy(struct syncing *s, const char *source, const char *target, const struct stat *info)
{
    const struct timespec times[2] = {info->st_mtim, info->st_mtim};
    size_t len;
    char *text = file_read(source, &len, s->error);
    bool ok = text && file_write(target, tars_str_n(text, len), mode_of(info, text, len), s->error);

    if (ok && utimensat(AT_FDCWD, target, times, 0) != 0)
        ok = fail(s, "set the time of", target);
    free(text);
    return ok;
}

static bool sync_entry(struct syncing *s, const char *name)
{
    char *source = xasprintf("%s/%s", s->from, name), *target = xasprintf("%s/%s", s->to, name);
    struct stat from, to;
    bool ok = true;

    /* Links are followed wherever they lead; folders and what else there is are left out. */
    if (strcmp(name, list_file) != 0 && !strchr(name, '\n') && stat(source, &from) == 0 &&
        S_ISREG(from.st_mode)) {
        map_put(s->names, tars_str(name), s);
        if (lstat(target, &to) != 0 || !S_ISREG(to.st_mode) || !same(&from, &to))
            ok = copy(s, source, target, &from);
    }
    free(source);
    free(target);
    return ok;
}

static bool sync_all(struct syncing *s)
{
    DIR *folder = opendir(s->from);
    struct dirent *entry;
    bool ok = true;

    if (!folder)
        return fail(s, "read the folder", s->from);
    if (mkdir(s->to, 0755) != 0 && errno != EEXIST)
        ok = fail(s, "make the folder", s->to);
    while (ok && (entry = readdir(folder)))
        ok = sync_entry(s, entry->d_name);
    closedir(folder);
    return ok;
}

/* Removes what an earlier run copied and the source has no more. */
static void remove_gone(struct syncing *s, const char *list)
{
    struct tars_error ignored;
    size_t len;
    char *text = file_read(list, &len, &ignored), *rest = text, *name;

    while (text && (name = strsep(&rest, "\n"))) {
        char *path;

        if (!*name || strchr(name, '/') || strcmp(name, "..") == 0 || strcmp(name, ".") == 0 ||
            map_get(s->names, tars_str(name)))
            continue;
        path = xasprintf("%s/%s", s->to, name);
        unlink(path);
        free(path);
    }
    free(text);
}

static bool write_list(struct syncing *s, const char *list)
{
    struct tars_str name;
    size_t at = 0, len = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &len);
    void *value;
    bool ok;

    while (map_next(s->names, &at, &name, &value))
        fprintf(out, "%" TARS_STR_FMT "\n", TARS_STR_ARG(name));
    fclose(out);
    ok = file_write(list, tars_str_n(text, len), DATA_MODE, s->error);
    free(text);
    return ok;
}

static int run(const struct environment *environment, int argc, char **argv,
               struct tars_error *error)
{
    char *to = environment->sync_target ? xstrdup(environment->sync_target)
                                        : xasprintf("%s/bin", environment->path);
    char *list = xasprintf("%s/%s", to, list_file);
    struct syncing s = {environment->sync_source, to, map_new(NULL), error};
    bool ok = true;

    (void)argc;
    (void)argv;
    if (s.from) {
        ok = sync_all(&s);
        if (ok) {
            remove_gone(&s, list);
            ok = write_list(&s, list);
        }
    }
    map_free(s.names);
    free(list);
    free(to);
    return !ok;
}

const struct command command_syncdir = {
    "syncdir", "copies changed files of a volume into the program's folder", "", USED_BY_SYNCDIR,
    run};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tarscli syncdir: copies the files of a volume beside the program. What was copied once and is
 * gone from the volume is removed; `.tarscli-syncdir` in the target remembers what was copied, and
 * from where: "//SOURCE", then a name on each line.
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
static mode_t mode_of(const struct stat *info, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char begin[2] = "";
    bool script = fd >= 0 && read(fd, begin, 2) == 2 && begin[0] == '#' && begin[1] == '!';

    if (fd >= 0)
        close(fd);
    return script || (info->st_mode & S_IXUSR) ? SCRIPT_MODE : DATA_MODE;
}

static bool copy(struct syncing *s, const char *source, const char *target, const struct stat *info)
{
    const struct timespec times[2] = {info->st_mtim, info->st_mtim};

    return file_copy(source, target, mode_of(info, source), s->error) &&
           (utimensat(AT_FDCWD, target, times, 0) == 0 || fail(s, "set the time of", target));
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

/* ---- what was copied before --------------------------------------------------------------------
 */

/* A source's name as the list has it; it ends where its line does. */
static struct tars_str source_line(const struct syncing *s)
{
    return tars_str_n(s->from, strcspn(s->from, "\n"));
}

static bool is_name(struct tars_str line)
{
    return line.len && !memchr(line.at, '/', line.len) && !tars_str_is(line, ".") &&
           !tars_str_is(line, "..");
}

/* Puts what an earlier run copied from here, and what others copied from elsewhere, into the maps;
 * writes the lines about elsewhere to `out`. */
static void read_list(const struct syncing *s, const char *text, struct map *ours,
                      struct map *others, FILE *out)
{
    bool here = true;

    for (const char *at = text, *end; at && *at; at = *end ? end + 1 : end) {
        end = at + strcspn(at, "\n");
        struct tars_str line = tars_str_n(at, (size_t)(end - at));
        bool source = line.len > 2 && memcmp(line.at, "//", 2) == 0;

        if (source)
            here = tars_str_equal(tars_str_n(line.at + 2, line.len - 2), source_line(s));
        if (is_name(line))
            map_put(here ? ours : others, line, (void *)(uintptr_t)s);
        if (!here)
            fprintf(out, "%" TARS_STR_FMT "\n", TARS_STR_ARG(line));
    }
}

/* Removes what an earlier run copied from here, the source has no more, and no other source gave.
 */
static void remove_gone(const struct syncing *s, const struct map *ours, const struct map *others)
{
    struct tars_str name;
    size_t at = 0;
    void *value;

    while (map_next(ours, &at, &name, &value)) {
        char *path;

        if (map_get(s->names, name) || map_get(others, name))
            continue;
        path = xasprintf("%s/%" TARS_STR_FMT, s->to, TARS_STR_ARG(name));
        unlink(path);
        free(path);
    }
}

static void print_names(const struct syncing *s, FILE *out)
{
    struct tars_str name, source = source_line(s);
    size_t at = 0;
    void *value;

    if (map_len(s->names))
        fprintf(out, "//%" TARS_STR_FMT "\n", TARS_STR_ARG(source));
    while (map_next(s->names, &at, &name, &value))
        fprintf(out, "%" TARS_STR_FMT "\n", TARS_STR_ARG(name));
}

static bool same_names(const struct map *a, const struct map *b)
{
    struct tars_str name;
    size_t at = 0;
    void *value;

    while (map_next(a, &at, &name, &value))
        if (!map_get(b, name))
            return false;
    return map_len(a) == map_len(b);
}

/* Removes what is gone; the list is written only when it says something else than before, as the
 * target may be a folder that nobody can write to. */
static bool clear_up(struct syncing *s, const char *list)
{
    struct map *ours = map_new(NULL), *others = map_new(NULL);
    struct tars_error none;
    size_t len;
    char *before = file_read(list, &len, &none), *text = NULL;
    FILE *out = open_memstream(&text, &len);
    bool ok;

    read_list(s, before, ours, others, out);
    remove_gone(s, ours, others);
    print_names(s, out);
    fclose(out);
    ok = same_names(ours, s->names) || file_write(list, tars_str_n(text, len), DATA_MODE, s->error);
    free(before);
    free(text);
    map_free(ours);
    map_free(others);
    return ok;
}

static int run(const struct environment *environment, int argc, char **argv,
               struct tars_error *error)
{
    char *to = environment->sync_target ? xstrdup(environment->sync_target)
                                        : xasprintf("%s/bin", environment->path);
    char *list = xasprintf("%s/%s", to, list_file);
    struct syncing s = {environment->sync_source, to, map_new(NULL), error};
    bool ok = !s.from || (sync_all(&s) && clear_up(&s, list));

    (void)argc;
    (void)argv;
    map_free(s.names);
    free(list);
    free(to);
    return !ok;
}

const struct command command_syncdir = {
    "syncdir", "copies changed files of a volume into the program's folder", "", USED_BY_SYNCDIR,
    run};

/* SPDX-License-Identifier: BSD-3-Clause */
/* tarsc spool: what a spool holds, and its dead letters: shown, and sent once more. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "command.h"
#include "es/dead.h"
#include "es/journal.h"

enum { BULK_ITEMS = 500, OPT_OVERWRITE = 1, OPT_HELP };

static const char usage[] =
    "Usage: tarsc spool list DIR...\n"
    "       tarsc spool show DIR [PLACE...]\n"
    "       tarsc spool retry [OPTION...] DIR [PLACE...]\n\n"
    "DIR is the folder of a spool; the daemon that uses it may run or not.\n\n"
    "list says what waits in each, and how many dead letters there are. show prints dead letters:\n"
    "records that Elasticsearch refused for good, with the reason; with PLACE only those. retry\n"
    "sends them once more. What is stored is taken out of the folder, what is refused again "
    "stays.\n"
    "A record whose document exists by now stays as well: a later record may have made it.\n\n"
    "  --overwrite        writes and deletes such documents too\n%s\n"
    "Exit status: 0 done, 1 failed or something stays, 2 arguments.\n";

/* ---- letters
 * ------------------------------------------------------------------------------------------- */

struct letter {
    char *line; /* as it stands in the file */
    size_t len;
    cJSON *json; /* NULL: none of ours */
    bool gone;
};

struct letters {
    int fd; /* of the file, locked; -1 */
    char *path;
    struct letter *list;
    size_t count;
};

static const char *text_of(const struct letter *letter, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(letter->json, name));
    return text ? text : "";
}

static void letters_free(struct letters *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->list[i].line);
        cJSON_Delete(l->list[i].json);
    }
    free(l->list);
    free(l->path);
    if (l->fd >= 0)
        close(l->fd);
}

static bool is_letter(const struct letter *letter)
{
    const char *action = text_of(letter, "action");
    return *text_of(letter, "place") && !strpbrk(text_of(letter, "source"), "\r\n") &&
           (strcmp(action, "index") == 0 || strcmp(action, "create") == 0 ||
            strcmp(action, "update") == 0 || strcmp(action, "delete") == 0);
}

static struct letter read_letter(const char *line, size_t len)
{
    struct letter letter = {
        .line = xstrndup(line, len), .len = len, .json = cJSON_ParseWithLength(line, len)};
    if (!is_letter(&letter)) {
        cJSON_Delete(letter.json);
        letter.json = NULL;
    }
    return letter;
}

/* Reads a file; a line that is none of ours stays in it and is not shown. */
static bool read_letters(struct letters *l, char *path, int flags)
{
    char *line = NULL;
    size_t size = 0, room = 0;
    ssize_t len;
    *l = (struct letters){.path = path, .fd = dead_open_locked(path, flags)};
    FILE *file = l->fd >= 0 ? fopen(path, "re") : NULL;
    while (file && (len = getline(&line, &size, file)) > 0) {
        if (l->count == room)
            l->list = xrealloc(l->list, (room = room ? room * 2 : 64) * sizeof *l->list);
        l->list[l->count++] = read_letter(line, (size_t)len);
    }
    free(line);
    if (!file) {
        fprintf(stderr, "tarsc spool: cannot read %s: %s\n", path, strerror(errno));
        return false;
    }
    return fclose(file) == 0;
}

/* Writes those that are not gone beside the file and puts them in its place, which stays locked
 * until then: a daemon that appends meanwhile waits and opens the new one. */
static bool write_letters(const struct letters *l)
{
    char *fresh = xasprintf("%s.new", l->path);
    size_t left = 0;
    FILE *file = fopen(fresh, "we");
    bool ok = file != NULL;
    for (size_t i = 0; ok && i < l->count; i++)
        if (!l->list[i].gone) {
            ok = fwrite(l->list[i].line, 1, l->list[i].len, file) == l->list[i].len;
            left++;
        }
    ok = ok && fflush(file) == 0 && fdatasync(fileno(file)) == 0;
    if (file && fclose(file) != 0)
        ok = false;
    ok = ok && (left ? rename(fresh, l->path) == 0 : unlink(l->path) == 0);
    if (!ok)
        fprintf(stderr, "tarsc spool: cannot write %s: %s\n", fresh, strerror(errno));
    if (!ok || !left)
        unlink(fresh);
    free(fresh);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The files of DIR/dead, oldest first, each to be freed; *count of them. */
static char **list_files(const char *dir, size_t *count)
{
    char **files = NULL, *folder = xasprintf("%s/dead", dir);
    DIR *in = opendir(folder);
    struct dirent *entry;
    *count = 0;
    while (in && (entry = readdir(in))) {
        const char *end = strrchr(entry->d_name, '.');
        if (!end || strcmp(end, ".ndjson") != 0)
            continue;
        files = xrealloc(files, (*count + 1) * sizeof *files);
        files[(*count)++] = xasprintf("%s/%s", folder, entry->d_name);
    }
    if (in)
        closedir(in);
    if (*count)
        qsort(files, *count, sizeof *files, by_name);
    free(folder);
    return files;
}

static bool is_wanted(const struct letter *letter, char **places)
{
    if (!letter->json)
        return false;
    for (char **place = places; *place; place++)
        if (strcmp(*place, text_of(letter, "place")) == 0)
            return true;
    return !*places;
}

/* ---- list
 * ------------------------------------------------------------------------------------------------
 */

static bool is_running(const char *dir)
{
    char *path = xasprintf("%s/lock", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
    if (fd >= 0)
        close(fd);
    free(path);
    return held;
}

/* Bytes behind the confirmed place, as the files say. */
static uint64_t waiting_bytes(const char *dir, unsigned *segments)
{
    uint64_t instance, next, number, bytes = 0;
    struct journal_place confirmed = {0, 0};
    DIR *in = opendir(dir);
    struct dirent *entry;
    struct stat about;
    bool known = journal_read_position(dir, &instance, &next, &confirmed);
    *segments = 0;
    while (in && (entry = readdir(in))) {
        if (!segment_number(entry->d_name, &number) ||
            fstatat(dirfd(in), entry->d_name, &about, 0) != 0)
            continue;
        uint64_t len = (uint64_t)about.st_size, from = SEGMENT_HEADER;
        if (known && number < confirmed.segment)
            from = len;
        else if (known && number == confirmed.segment && confirmed.offset > from)
            from = confirmed.offset;
        bytes += len > from ? len - from : 0;
        ++*segments;
    }
    if (in)
        closedir(in);
    return bytes;
}

static bool list_spool(const char *dir)
{
    size_t files, letters = 0;
    unsigned segments;
    struct stat about;
    if (stat(dir, &about) != 0 || !S_ISDIR(about.st_mode)) {
        fprintf(stderr, "tarsc spool: there is no folder %s\n", dir);
        return false;
    }
    uint64_t waiting = waiting_bytes(dir, &segments);
    char **paths = list_files(dir, &files);
    for (size_t i = 0; i < files; i++) {
        struct letters l;
        if (read_letters(&l, paths[i], O_RDONLY))
            letters += l.count;
        letters_free(&l);
    }
    free(paths);
    printf("%s  %s  waiting %llu bytes in %u segments  dead letters %zu\n", dir,
           is_running(dir) ? "in use" : "not in use", (unsigned long long)waiting, segments,
           letters);
    return true;
}

/* ---- show
 * ------------------------------------------------------------------------------------------------
 */

static void show_letter(const struct letter *letter)
{
    char when[40] = "";
    const cJSON *at = cJSON_GetObjectItemCaseSensitive(letter->json, "at"),
                *status = cJSON_GetObjectItemCaseSensitive(letter->json, "status");
    double ms = at ? at->valuedouble : 0;
    time_t seconds = ms > 0 && ms < 1e15 ? (time_t)(ms / 1000) : 0;
    struct tm parts;
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &parts));
    printf("%s  %s  %s %s/%s\n  %d %s: %s\n  %s\n", text_of(letter, "place"), when,
           text_of(letter, "action"), text_of(letter, "index"), text_of(letter, "id"),
           status ? status->valueint : 0, text_of(letter, "type"), text_of(letter, "reason"),
           text_of(letter, "source"));
}

static int show(const char *dir, char **places)
{
    size_t files;
    int failed = 0;
    char **paths = list_files(dir, &files);
    for (size_t i = 0; i < files; i++) {
        struct letters l;
        failed |= !read_letters(&l, paths[i], O_RDONLY);
        for (size_t k = 0; k < l.count; k++)
            if (is_wanted(&l.list[k], places))
                show_letter(&l.list[k]);
        letters_free(&l);
    }
    free(paths);
    return failed;
}

/* ---- retry
 * -----------------------------------------------------------------------------------------------
 */

struct retry {
    struct access *access;
    bool overwrite;
    size_t stored, kept;
};

/* The action that a letter is sent with; NULL: it needs --overwrite. */
static const char *action_of(const struct retry *r, const struct letter *letter)
{
    const char *action = text_of(letter, "action");
    if (r->overwrite || strcmp(action, "create") == 0)
        return action;
    return strcmp(action, "delete") == 0 ? NULL : "create";
}

static void tell_kept(struct retry *r, const struct letter *letter, const char *why)
{
    r->kept++;
    fprintf(stderr, "%s stays: %s\n", text_of(letter, "place"), why);
}

static bool is_stored(const struct retry *r, const struct letter *letter, int http)
{
    const char *action = text_of(letter, "action"), *place = text_of(letter, "place");
    if (http == 409) /* an id made from the place is the record's own */
        return strcmp(action, "create") == 0 && strcmp(text_of(letter, "id"), place) == 0;
    return (http >= 200 && http < 300) ||
           (http == 404 && r->overwrite && strcmp(action, "delete") == 0);
}

/* Sends the letters from `at` on that are wanted, one bulk of them; false when the request failed.
 */
static bool send_some(struct retry *r, struct letters *l, size_t *at, char **places)
{
    struct letter *sent[BULK_ITEMS];
    struct access_item *items = xcalloc(BULK_ITEMS, sizeof *items);
    struct es_bulk *bulk = es_bulk_new();
    struct tars_error error = {0};
    size_t count = 0;
    bool ok = true;
    for (; *at < l->count && count < BULK_ITEMS && es_bulk_bytes(bulk) < 4 << 20; ++*at) {
        struct letter *letter = &l->list[*at];
        if (!is_wanted(letter, places))
            continue;
        const char *action = action_of(r, letter);
        if (!action) {
            tell_kept(r, letter, "it deletes a document; --overwrite does that");
            continue;
        }
        es_bulk_raw(bulk, action, tars_str(text_of(letter, "index")),
                    tars_str(text_of(letter, "id")), tars_str(text_of(letter, "source")));
        sent[count++] = letter;
    }
    if (count)
        ok = access_bulk(r->access, bulk, items, &error);
    else
        es_bulk_free(bulk);
    for (size_t i = 0; ok && i < count; i++) {
        sent[i]->gone = is_stored(r, sent[i], items[i].http);
        if (sent[i]->gone)
            r->stored++;
        else
            tell_kept(r, sent[i],
                      items[i].http == 409 ? "its document exists by now; --overwrite writes it"
                                           : items[i].error);
    }
    if (!ok)
        fprintf(stderr, "tarsc spool: sending dead letters: %s\n", error.text);
    free(items);
    return ok;
}

static bool retry_file(struct retry *r, char *path, char **places)
{
    struct letters l;
    size_t at = 0, before = r->stored;
    bool ok = read_letters(&l, path, O_RDWR);
    while (ok && at < l.count)
        ok = send_some(r, &l, &at, places);
    if (r->stored > before && !write_letters(&l))
        ok = false;
    letters_free(&l);
    return ok;
}

static int retry(const struct access_options *options, bool overwrite, const char *dir,
                 char **places)
{
    struct tars_error error;
    struct retry r = {.access = access_open(options, &error), .overwrite = overwrite};
    size_t files, i = 0;
    bool ok = r.access != NULL;
    if (!ok) {
        fprintf(stderr, "tarsc spool: %s\n", error.text);
        return 1;
    }
    char **paths = list_files(dir, &files);
    for (; ok && i < files; i++)
        ok = retry_file(&r, paths[i], places);
    for (; i < files; i++)
        free(paths[i]);
    free(paths);
    printf("%zu dead letters stored in %s, %zu stay\n", r.stored, access_server(r.access), r.kept);
    access_close(r.access);
    return !ok || r.kept;
}

/* ---- the command
 * ----------------------------------------------------------------------------------------- */

static int wrong(const char *what)
{
    fprintf(stderr, "tarsc spool: %s; tarsc spool --help says more\n", what);
    return 2;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {ACCESS_LONG_OPTIONS,
                                            {"overwrite", no_argument, NULL, OPT_OVERWRITE},
                                            {"help", no_argument, NULL, OPT_HELP},
                                            {0}};
    struct access_options access = {0};
    bool overwrite = false, listed = true;
    int c;
    log_set_level(LOG_LEVEL_ERROR);
    optind = 1;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == OPT_HELP)
            return printf(usage, access_usage) < 0;
        if (c == OPT_OVERWRITE)
            overwrite = true;
        else if (c == '?' || !access_option(&access, c, optarg))
            return wrong("an option is not known or its value is wrong");
    }
    argv += optind;
    if (argc - optind < 2)
        return wrong("list, show or retry and a folder are wanted");
    if (strcmp(argv[0], "show") == 0)
        return show(argv[1], argv + 2);
    if (strcmp(argv[0], "retry") == 0)
        return retry(&access, overwrite, argv[1], argv + 2);
    if (strcmp(argv[0], "list") != 0)
        return wrong("list, show or retry is wanted");
    for (char **dir = argv + 1; *dir; dir++)
        listed = list_spool(*dir) && listed;
    return !listed;
}

const struct command command_spool = {"spool", "what waits for Elasticsearch, and dead letters",
                                      run};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/local_log.h"

#include "base/log.h"
#include "base/map.h"
#include "base/xmalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { QUEUE_MAX_BYTES = 16 * 1024 * 1024 };

struct text {
    struct text *next;
    char *day; /* name of the day log, NULL for the rolling file */
    size_t len;
    char bytes[];
};

struct report_local_log {
    char *dir, *prefix;
    int64_t max_bytes, max_files;

    pthread_mutex_t lock; /* guards the members up to the next blank line */
    pthread_cond_t more;
    struct text *first, **last;
    size_t queued_bytes;
    uint64_t dropped;
    bool started, ending;

    pthread_t thread;
    /* The thread's own. */
    int roll_fd;
    int64_t roll_bytes;
    bool complained;
};

struct report_local_log *report_local_log_new(const char *dir, const char *prefix,
                                              int64_t max_bytes, int64_t max_files)
{
    struct report_local_log *log = xcalloc(1, sizeof(*log));

    log->dir = xstrdup(dir);
    log->prefix = xstrdup(prefix);
    log->max_bytes = max_bytes;
    log->max_files = max_files;
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->more, NULL);
    log->last = &log->first;
    log->roll_fd = -1;
    return log;
}

/* ---- files ----------------------------------------------------------------------------------- */

static void make_folders(const char *dir)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s", dir);

    if (len < 0 || (size_t)len >= sizeof(path))
        return;
    for (char *at = path + 1; *at; at++) {
        if (*at == '/') {
            *at = '\0';
            (void)mkdir(path, 0755);
            *at = '/';
        }
    }
    (void)mkdir(path, 0755);
}

static int open_log(struct report_local_log *log, const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0 && errno == ENOENT) {
        make_folders(log->dir);
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    }
    if (fd < 0 && !log->complained)
        log_error("report", "cannot open log file %s: %s; its lines are lost until it can be", path,
                  strerror(errno));
    log->complained = fd < 0;
    return fd;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static void roll_path(const struct report_local_log *log, int64_t number, char path[PATH_MAX])
{
    char digits[24] = "";

    if (number > 0)
        snprintf(digits, sizeof(digits), "%lld", (long long)number);
    snprintf(path, PATH_MAX, "%s/%s%s.log", log->dir, log->prefix, digits);
}

/* App.Server8.log becomes App.Server9.log, ..., App.Server.log becomes App.Server1.log. */
static void roll_files(struct report_local_log *log)
{
    char from[PATH_MAX], to[PATH_MAX];

    close(log->roll_fd);
    log->roll_fd = -1;
    if (log->max_files <= 1) {
        roll_path(log, 0, from);
        (void)unlink(from);
    }
    for (int64_t i = log->max_files - 2; i >= 0; i--) {
        roll_path(log, i, from);
        roll_path(log, i + 1, to);
        (void)rename(from, to);
    }
}

static bool write_roll(struct report_local_log *log, const struct text *text)
{
    char path[PATH_MAX];
    struct stat st;

    if (log->roll_fd >= 0 && log->roll_bytes + (int64_t)text->len > log->max_bytes &&
        log->roll_bytes > 0)
        roll_files(log);
    if (log->roll_fd < 0) {
        roll_path(log, 0, path);
        log->roll_fd = open_log(log, path);
        if (log->roll_fd < 0)
            return false;
        log->roll_bytes = fstat(log->roll_fd, &st) == 0 ? st.st_size : 0;
    }
    log->roll_bytes += (int64_t)text->len;
    return write_all(log->roll_fd, text->bytes, text->len);
}

static bool write_day(struct report_local_log *log, const struct text *text)
{
    char path[PATH_MAX], date[16];
    time_t now = time(NULL);
    struct tm tm;
    int fd;

    localtime_r(&now, &tm);
    strftime(date, sizeof(date), "%Y%m%d", &tm);
    snprintf(path, sizeof(path), "%s/%s_%s_%s.log", log->dir, log->prefix, text->day, date);
    fd = open_log(log, path);
    if (fd < 0)
        return false;
    bool written = write_all(fd, text->bytes, text->len);
    close(fd);
    return written;
}

/* ---- queue ----------------------------------------------------------------------------------- */

static struct text *take_all(struct report_local_log *log)
{
    struct text *taken;

    pthread_mutex_lock(&log->lock);
    while (!log->first && !log->ending)
        pthread_cond_wait(&log->more, &log->lock);
    taken = log->first;
    log->first = NULL;
    log->last = &log->first;
    log->queued_bytes = 0;
    pthread_mutex_unlock(&log->lock);
    return taken;
}

static void count_dropped(struct report_local_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->dropped++;
    pthread_mutex_unlock(&log->lock);
}

static void *run(void *arg)
{
    struct report_local_log *log = arg;

    for (;;) {
        struct text *text = take_all(log), *next;

        if (!text)
            return NULL;
        for (; text; text = next) {
            next = text->next;
            if (!(text->day ? write_day(log, text) : write_roll(log, text)))
                count_dropped(log);
            free(text->day);
            free(text);
        }
    }
}

/* A name becomes part of a file's name: no way out of the folder. */
static char *file_part(struct tars_str name)
{
    char *part = xstrndup(name.at, name.len > 100 ? 100 : name.len);

    for (char *at = part; *at; at++) {
        if (*at == '/')
            *at = '_';
    }
    return part;
}

static void enqueue(struct report_local_log *log, const struct tars_str *day, struct tars_str line)
{
    struct text *text = xmalloc(sizeof(*text) + line.len);

    text->next = NULL;
    text->day = day ? file_part(*day) : NULL;
    text->len = line.len;
    memcpy(text->bytes, line.at, line.len);

    pthread_mutex_lock(&log->lock);
    if (!log->started)
        log->started = pthread_create(&log->thread, NULL, run, log) == 0;
    bool room = log->started && log->queued_bytes + line.len <= QUEUE_MAX_BYTES;
    if (room) {
        *log->last = text;
        log->last = &text->next;
        log->queued_bytes += line.len;
        pthread_cond_signal(&log->more);
    } else {
        log->dropped++;
    }
    pthread_mutex_unlock(&log->lock);
    if (!room) {
        free(text->day);
        free(text);
    }
}

void report_local_log_roll(struct report_local_log *log, struct tars_str text)
{
    enqueue(log, NULL, text);
}

void report_local_log_day(struct report_local_log *log, struct tars_str name, struct tars_str text)
{
    enqueue(log, &name, text);
}

uint64_t report_local_log_dropped(struct report_local_log *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t dropped = log->dropped;
    pthread_mutex_unlock(&log->lock);
    return dropped;
}

void report_local_log_free(struct report_local_log *log)
{
    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    log->ending = true;
    pthread_cond_signal(&log->more);
    pthread_mutex_unlock(&log->lock);
    if (log->started)
        pthread_join(log->thread, NULL);
    if (log->roll_fd >= 0)
        close(log->roll_fd);
    pthread_cond_destroy(&log->more);
    pthread_mutex_destroy(&log->lock);
    free(log->prefix);
    free(log->dir);
    free(log);
}

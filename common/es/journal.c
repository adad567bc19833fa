/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/journal.h"

#include "base/clock.h"
#include "base/crc.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "daemon/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files
 * ---------------------------------------------------------------------------------------- */

static char *segment_path(const struct journal *j, uint64_t number)
{
    char name[SEGMENT_NAME];
    segment_name(name, number);
    return xasprintf("%s/%s", j->dir, name);
}

int journal_open_segment(const struct journal *j, uint64_t number)
{
    char *path = segment_path(j, number);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    return fd;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t put = write(fd, bytes, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        bytes += put;
        len -= (size_t)put;
    }
    return true;
}

/* So that names made or changed in the folder survive a power cut. */
static bool sync_folder(const struct journal *j)
{
    int fd = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    return ok;
}

/* ---- the position
 * --------------------------------------------------------------------------------- */

static const char position_form[] = "tarsc spool 1\ninstance %016llx\nnext %llu\nsegment %llu\n"
                                    "offset %llu\n";

bool journal_read_position(const char *dir, uint64_t *instance, uint64_t *next,
                           struct journal_place *confirmed)
{
    char *path = xasprintf("%s/position", dir), text[400], again[300];
    unsigned long long in, ne, se, of;
    unsigned sum;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    free(path);
    if (fd >= 0)
        close(fd);
    if (len <= 0)
        return false;
    text[len] = '\0';
    if (sscanf(text,
               "tarsc spool 1\ninstance %16llx\nnext %20llu\nsegment %20llu\noffset %20llu\n"
               "crc32c %8x\n",
               &in, &ne, &se, &of, &sum) != 5)
        return false;
    int used = snprintf(again, sizeof again, position_form, in, ne, se, of);
    if (strncmp(text, again, (size_t)used) != 0 || crc32c(0, again, (size_t)used) != sum)
        return false;
    *instance = in;
    *next = ne;
    *confirmed = (struct journal_place){se, of};
    return true;
}

/* The old file stands until the new one is whole and on the disk. */
static bool save_position(struct journal *j, struct journal_place place, struct tars_error *error)
{
    char text[400];
    int len = snprintf(text, sizeof text, position_form, (unsigned long long)j->instance,
                       (unsigned long long)j->next, (unsigned long long)place.segment,
                       (unsigned long long)place.offset);
    len += snprintf(text + len, sizeof text - (size_t)len, "crc32c %08x\n",
                    crc32c(0, text, (size_t)len));
    char *path = xasprintf("%s/position", j->dir), *fresh = xasprintf("%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write_all(fd, text, (size_t)len) && fdatasync(fd) == 0;
    ok = ok && rename(fresh, path) == 0 && sync_folder(j);
    if (ok)
        j->saved = place;
    else
        tars_fail(error, -1, "cannot write %s: %s", fresh, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(path);
    free(fresh);
    return ok;
}

/* ---- the list of segments
 * ------------------------------------------------------------------------- */

static void add_segment(struct journal *j, struct journal_segment segment)
{
    pthread_mutex_lock(&j->mutex);
    j->segments = xrealloc(j->segments, (j->count + 1) * sizeof *j->segments);
    j->segments[j->count++] = segment;
    j->bytes += segment.len;
    pthread_mutex_unlock(&j->mutex);
}

/* Under the lock. */
static void take_from_list(struct journal *j, size_t at)
{
    j->bytes -= j->segments[at].len;
    j->count--;
    memmove(&j->segments[at], &j->segments[at + 1], (j->count - at) * sizeof *j->segments);
}

static struct journal_segment *last_segment(struct journal *j)
{
    return j->count ? &j->segments[j->count - 1] : NULL;
}

/* Under the lock: bytes of a segment that are not confirmed, and where they begin. */
static uint64_t unconfirmed(const struct journal *j, const struct journal_segment *s,
                            uint64_t *from)
{
    *from = SEGMENT_HEADER;
    if (s->number < j->confirmed.segment)
        *from = s->len;
    else if (s->number == j->confirmed.segment && j->confirmed.offset > *from)
        *from = j->confirmed.offset;
    return s->len > *from ? s->len - *from : 0;
}

uint64_t journal_waiting(struct journal *j)
{
    uint64_t bytes = 0, from;
    pthread_mutex_lock(&j->mutex);
    for (size_t i = 0; i < j->count; i++)
        bytes += unconfirmed(j, &j->segments[i], &from);
    pthread_mutex_unlock(&j->mutex);
    return bytes;
}

struct journal_place journal_confirmed(struct journal *j)
{
    pthread_mutex_lock(&j->mutex);
    struct journal_place place = j->confirmed;
    pthread_mutex_unlock(&j->mutex);
    return place;
}

bool journal_find(struct journal *j, struct journal_place *place, struct journal_segment *segment)
{
    bool found = false;
    pthread_mutex_lock(&j->mutex);
    for (size_t i = 0; i < j->count && !found; i++) {
        const struct journal_segment *s = &j->segments[i];
        uint64_t from = s->number == place->segment ? place->offset : SEGMENT_HEADER;
        from = from < SEGMENT_HEADER ? SEGMENT_HEADER : from;
        found = s->number >= place->segment && from < s->len;
        if (found) {
            *segment = *s;
            *place = (struct journal_place){s->number, from};
        }
    }
    pthread_mutex_unlock(&j->mutex);
    return found;
}

/* ---- opening
 * -------------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    const struct journal_segment *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static void rename_broken(const struct journal *j, uint64_t number)
{
    char *path = segment_path(j, number),
         *aside = xasprintf("%.*sbroken", (int)strlen(path) - 3, path);
    if (rename(path, aside) == 0)
        log_error("spool", "%s does not check and was set aside as %s", path, aside);
    else
        log_error("spool", "%s does not check and cannot be renamed: %s", path, strerror(errno));
    sync_folder(j);
    free(path);
    free(aside);
}

/* Adds what is a segment by its header. An empty or headless file never held anything. */
static bool list_segment(struct journal *j, uint64_t number, struct tars_error *error)
{
    unsigned char header[SEGMENT_HEADER];
    struct journal_segment segment = {.number = number};
    uint64_t inside = 0;
    struct stat about;
    int fd = journal_open_segment(j, number);
    if (fd < 0 || fstat(fd, &about) != 0) {
        tars_fail(error, -1, "cannot open segment %llx in %s: %s", (unsigned long long)number,
                  j->dir, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    segment.len = (uint64_t)about.st_size;
    bool whole = pread(fd, header, sizeof header, 0) == sizeof header &&
                 segment_read_header(header, &segment.instance, &inside) && inside == number;
    close(fd);
    if (whole) {
        add_segment(j, segment);
    } else if (about.st_size <= SEGMENT_HEADER) {
        char *path = segment_path(j, number);
        unlink(path);
        free(path);
    } else {
        rename_broken(j, number);
    }
    j->next = number >= j->next ? number + 1 : j->next;
    return true;
}

static bool list_segments(struct journal *j, struct tars_error *error)
{
    DIR *folder = opendir(j->dir);
    struct dirent *entry;
    uint64_t number;
    bool ok = folder || tars_fail(error, -1, "cannot read folder %s: %s", j->dir, strerror(errno));
    while (ok && (entry = readdir(folder)))
        if (segment_number(entry->d_name, &number))
            ok = list_segment(j, number, error);
    if (folder)
        closedir(folder);
    if (j->count)
        qsort(j->segments, j->count, sizeof *j->segments, by_number);
    return ok;
}

/* Only the youngest segment can have been cut short: each other was synced before the next began.
 */
static bool cut_last(struct journal *j, uint64_t *cut, struct tars_error *error)
{
    struct journal_segment *last = last_segment(j);
    enum segment_found problem;
    if (!last)
        return true;
    char *path = segment_path(j, last->number);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool ok = fd >= 0;
    uint64_t good = ok ? segment_scan(fd, SEGMENT_HEADER, last->len, NULL, &problem) : 0;
    if (ok && good < last->len) {
        *cut = last->len - good;
        ok = ftruncate(fd, (off_t)good) == 0;
        j->bytes -= *cut;
        last->len = good;
    }
    /* What the page cache alone holds is not on the disk yet, and will be shipped as if it were. */
    ok = ok && fdatasync(fd) == 0;
    if (!ok)
        tars_fail(error, -1, "cannot read or cut %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(path);
    return ok;
}

static uint64_t new_instance(void)
{
    uint64_t number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        number = (uint64_t)clock_wall_ms() << 20 ^ (uint64_t)clock_us() ^ (uint64_t)getpid() << 40;
    return number;
}

bool journal_open(struct journal *j, const char *dir, uint64_t cap, uint64_t segment_limit,
                  uint64_t *cut, struct tars_error *error)
{
    *j = (struct journal){.cap = cap, .segment_limit = segment_limit, .fd = -1, .next = 1};
    *cut = 0;
    pthread_mutex_init(&j->mutex, NULL);
    j->folder = daemon_folder_open(dir, error);
    if (j->folder) {
        j->dir = daemon_folder_path(j->folder);
        if (!journal_read_position(j->dir, &j->instance, &j->next, &j->confirmed)) {
            j->instance = new_instance();
            j->next = 1;
            j->confirmed = (struct journal_place){0, 0};
        }
        if (list_segments(j, error) && cut_last(j, cut, error) &&
            save_position(j, j->confirmed, error))
            return true;
        tars_fail_prefix(error, "opening the spool %s: ", dir);
    }
    journal_close(j);
    return false;
}

void journal_close(struct journal *j)
{
    if (j->fd >= 0)
        close(j->fd);
    free(j->segments);
    daemon_folder_close(j->folder);
    pthread_mutex_destroy(&j->mutex);
}

/* ---- writing
 * -------------------------------------------------------------------------------------- */

static void remove_oldest(struct journal *j)
{
    char *path = segment_path(j, j->segments[0].number);
    if (unlink(path) != 0 && errno != ENOENT)
        log_error("spool", "cannot remove %s: %s", path, strerror(errno));
    free(path);
    pthread_mutex_lock(&j->mutex);
    take_from_list(j, 0);
    pthread_mutex_unlock(&j->mutex);
}

static void seal(struct journal *j)
{
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
}

static void count_lost(struct journal *j, struct journal_dropped *dropped)
{
    struct journal_segment oldest = j->segments[0];
    enum segment_found problem;
    uint64_t from, records = 0;
    pthread_mutex_lock(&j->mutex);
    uint64_t lost = unconfirmed(j, &oldest, &from);
    pthread_mutex_unlock(&j->mutex);
    if (lost == 0)
        return;
    int fd = journal_open_segment(j, oldest.number);
    if (fd >= 0) {
        segment_scan(fd, from, oldest.len, &records, &problem);
        close(fd);
    }
    dropped->segments++;
    dropped->records += records;
    dropped->bytes += lost;
}

/* Until `more` fits under the cap. The position goes first, see journal.h. */
static bool make_room(struct journal *j, uint64_t more, struct journal_dropped *dropped,
                      struct tars_error *error)
{
    if (j->count == 0 || j->bytes + more <= j->cap)
        return true;
    if (!save_position(j, journal_confirmed(j), error))
        return false;
    while (j->count && j->bytes + more > j->cap) {
        if (j->count == 1)
            seal(j);
        count_lost(j, dropped);
        remove_oldest(j);
    }
    return true;
}

static bool begin_segment(struct journal *j, struct tars_error *error)
{
    unsigned char header[SEGMENT_HEADER];
    char *path = segment_path(j, j->next);
    segment_write_header(header, j->instance, j->next);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0600);
    bool ok = fd >= 0 && write_all(fd, (const char *)header, sizeof header) && fdatasync(fd) == 0 &&
              sync_folder(j);
    if (ok) {
        add_segment(j, (struct journal_segment){j->next, j->instance, SEGMENT_HEADER});
        j->fd = fd;
    } else {
        tars_fail(error, -1, "cannot begin %s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
            unlink(path);
        }
    }
    j->next++;
    free(path);
    return ok;
}

/* After a failed write or sync nobody knows what the disk holds behind the last good record: the
 * segment is cut there and never written to again. */
static void abandon(struct journal *j)
{
    const struct journal_segment *last = last_segment(j);
    if (ftruncate(j->fd, (off_t)last->len) != 0)
        log_error("spool", "cannot cut segment %llx in %s: %s", (unsigned long long)last->number,
                  j->dir, strerror(errno));
    seal(j);
}

bool journal_write(struct journal *j, const char *bytes, size_t len,
                   struct journal_dropped *dropped, struct tars_error *error)
{
    if (j->fd >= 0 && last_segment(j)->len >= j->segment_limit)
        seal(j);
    if (!make_room(j, len + SEGMENT_HEADER, dropped, error) ||
        (j->fd < 0 && !begin_segment(j, error)))
        return false;
    if (!write_all(j->fd, bytes, len) || fdatasync(j->fd) != 0) {
        tars_fail(error, -1, "cannot write to the spool %s: %s", j->dir, strerror(errno));
        abandon(j);
        return false;
    }
    pthread_mutex_lock(&j->mutex);
    last_segment(j)->len += len;
    j->bytes += len;
    pthread_mutex_unlock(&j->mutex);
    return true;
}

/* ---- confirming
 * ----------------------------------------------------------------------------------- */

/* True when all of the oldest segment is confirmed and it is not the one that is written to. */
static bool oldest_is_done(struct journal *j)
{
    uint64_t from;
    pthread_mutex_lock(&j->mutex);
    bool done = j->count > 0 && unconfirmed(j, &j->segments[0], &from) == 0 &&
                (j->count > 1 || j->fd < 0 || j->segments[0].len >= j->segment_limit);
    pthread_mutex_unlock(&j->mutex);
    return done;
}

bool journal_confirm(struct journal *j, struct journal_place place, struct tars_error *error)
{
    pthread_mutex_lock(&j->mutex);
    j->confirmed = place;
    pthread_mutex_unlock(&j->mutex);
    if (place.segment == j->saved.segment && place.offset == j->saved.offset && !oldest_is_done(j))
        return true;
    if (!save_position(j, place, error))
        return false;
    while (oldest_is_done(j)) {
        if (j->count == 1)
            seal(j);
        remove_oldest(j);
    }
    return true;
}

void journal_set_aside(struct journal *j, uint64_t number)
{
    for (size_t i = 0; i < j->count; i++) {
        if (j->segments[i].number != number)
            continue;
        if (i + 1 == j->count)
            seal(j);
        rename_broken(j, number);
        pthread_mutex_lock(&j->mutex);
        take_from_list(j, i);
        pthread_mutex_unlock(&j->mutex);
        return;
    }
}

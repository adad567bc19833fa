/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/memory.h"

#include <event2/event.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/xmalloc.h"

enum { WATCH_S = 5, WORTH_BYTES = 4 * 1024 * 1024 };

struct daemon_memory {
    struct event *timer;
    size_t least; /* resident after the last time, or less that was seen since */
};

/* A mapping of /proc/self/smaps. */
struct mapping {
    uintptr_t begin, end;
    bool of_file;     /* that this process may only read */
    unsigned long kb; /* of its pages that were written to: part of the read-only data were, by the
                         dynamic linker, before it protected them */
};

/* The pages of a file that nobody wrote to are read again when they are needed: dropping them loses
 * nothing. */
static void drop(const struct mapping *m)
{
    if (m->of_file && m->kb == 0)
        madvise((void *)m->begin, m->end - m->begin, MADV_DONTNEED);
}

/* A line is the head of the next mapping, or a figure of this one. */
static void read_line(const char *line, struct mapping *m)
{
    struct mapping next = {0};
    char name[24], permissions[5];
    unsigned long inode, kb;
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %lu", &next.begin, &next.end,
               permissions, &inode) == 4) {
        drop(m);
        next.of_file = inode != 0 && permissions[0] == 'r' && permissions[1] == '-';
        *m = next;
    } else if (sscanf(line, "%23[^:]: %lu kB", name, &kb) == 2 &&
               (strcmp(name, "Private_Dirty") == 0 || strcmp(name, "Shared_Dirty") == 0 ||
                strcmp(name, "Anonymous") == 0 || strcmp(name, "Swap") == 0)) {
        m->kb += kb;
    }
}

void daemon_memory_trim(void)
{
    char line[1024];
    struct mapping m = {0};
    malloc_trim(0);
    FILE *maps = fopen("/proc/self/smaps", "re");
    if (!maps)
        return; /* nothing depends on it */
    while (fgets(line, sizeof line, maps))
        read_line(line, &m);
    fclose(maps);
    drop(&m);
}

/* ---- after a burst
 * ------------------------------------------------------------------------------- */

/* Resident bytes; 0 when that cannot be read. */
static size_t resident(void)
{
    size_t size, pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%zu %zu", &size, &pages) != 2)
        pages = 0;
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* malloc counts a page that it gave back as free as before: that there is something to give back
 * shows in what is resident. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct daemon_memory *memory = arg;
    size_t now = resident();
    (void)fd;
    (void)what;
    if (now < memory->least)
        memory->least = now;
    if (now - memory->least < WORTH_BYTES || mallinfo2().fordblks < WORTH_BYTES)
        return;
    malloc_trim(0);
    memory->least = resident();
}

struct daemon_memory *daemon_memory_watch(struct event_base *base)
{
    const struct timeval pause = {.tv_sec = WATCH_S};
    struct daemon_memory *memory = xcalloc(1, sizeof *memory);
    memory->least = resident();
    memory->timer = event_new(base, -1, EV_PERSIST, on_timer, memory);
    event_add(memory->timer, &pause);
    return memory;
}

void daemon_memory_unwatch(struct daemon_memory *memory)
{
    if (!memory)
        return;
    event_free(memory->timer);
    free(memory);
}

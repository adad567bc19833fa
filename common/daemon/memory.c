/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/memory.h"

#include <event2/event.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/xmalloc.h"

enum { WATCH_S = 5, WORTH_BYTES = 4 * 1024 * 1024 };

struct daemon_memory {
    struct event *timer;
    size_t least; /* resident after the last time, or less that was seen since */
};

/* Text is mapped r-xp from a file and never written, so that dropping its pages loses nothing.
 * Read-only data are left alone: part of them was written by the dynamic linker. */
static void drop_text(const char *line)
{
    uintptr_t begin, end;
    char permissions[5];
    unsigned long inode;
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %lu", &begin, &end, permissions,
               &inode) != 4)
        return;
    if (inode != 0 && permissions[0] == 'r' && permissions[1] == '-' && permissions[2] == 'x')
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

void daemon_memory_trim(void)
{
    char line[1024];
    malloc_trim(0);
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return; /* nothing depends on it */
    while (fgets(line, sizeof line, maps))
        drop_text(line);
    fclose(maps);
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

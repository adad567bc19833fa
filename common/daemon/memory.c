/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/memory.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/mman.h>

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

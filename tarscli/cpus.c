/* SPDX-License-Identifier: BSD-3-Clause */
#include "cpus.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "conf/number.h"
#include "k8stars/file.h"

static bool read_words(const char *root, const char *path, char words[2][32])
{
    struct tars_error ignored;
    char *full = xasprintf("%s%s", root, path);
    size_t len;
    char *text = file_read(full, &len, &ignored);
    bool ok = text && sscanf(text, "%31s %31s", words[0], words[1]) > 0;

    free(text);
    free(full);
    return ok;
}

/* Processors that a quota of microseconds per period makes; 0: no quota. */
static int quota(const char *microseconds, const char *period)
{
    int64_t wanted, every;

    if (!conf_number(tars_str(microseconds), 1, INT64_MAX, &wanted) ||
        !conf_number(tars_str(period), 1, INT64_MAX, &every))
        return 0;
    return wanted / every < 1 ? 1 : wanted / every > INT32_MAX ? 0 : (int)(wanted / every);
}

static int quota_of_group(const char *root)
{
    char words[2][32] = {"", ""}, period[2][32] = {"", ""};

    if (read_words(root, "/sys/fs/cgroup/cpu.max", words))
        return quota(words[0], words[1]);
    if (read_words(root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", words) &&
        read_words(root, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", period))
        return quota(words[0], period[0]);
    return 0;
}

int cpus_count(const char *root)
{
    cpu_set_t set;
    int all = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    int allowed = quota_of_group(root);

    all = all > 0 ? all : 1;
    return allowed && allowed < all ? allowed : all;
}

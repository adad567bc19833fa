/* SPDX-License-Identifier: BSD-3-Clause */
/* A daemon gives back what a burst needed, although blocks above it stay in use. */
#include <check.h>
#include <event2/event.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "daemon/memory.h"
#include "testkit.h"

enum { BLOCKS = 64 * 1024, BLOCK_BYTES = 1000, NEAR_KB = 8 * 1024 };

static long resident_kb(void)
{
    char *text = tk_read_file("/proc/self/statm");
    char *end;
    ck_assert_int_gt(strtol(text, &end, 10), 0);
    long pages = strtol(end, NULL, 10);
    free(text);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Takes and frees 64 MB in small blocks; the last one stays, as something always does. */
static void *burst(void)
{
    static void *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = xmalloc(BLOCK_BYTES);
        memset(blocks[i], 1, BLOCK_BYTES);
    }
    for (size_t i = 0; i < BLOCKS - 1; i++)
        free(blocks[i]);
    return blocks[BLOCKS - 1];
}

static bool back_to(struct event_base *base, long kb)
{
    const struct timeval pause = {.tv_usec = 50 * 1000};
    event_base_loopexit(base, &pause);
    event_base_dispatch(base);
    return resident_kb() < kb;
}

START_TEST(what_a_burst_needed_is_given_back_each_time)
{
    void *kept[2] = {NULL, NULL};
    struct event_base *base = event_base_new();
    struct daemon_memory *memory = daemon_memory_watch(base);
    long before = resident_kb();
    for (int i = 0; i < 2 && mallinfo2().arena; i++) { /* a sanitizer's malloc is another */
        kept[i] = burst();
        ck_assert_int_gt(resident_kb(), before + 4 * NEAR_KB);
        ck_assert(tk_eventually(back_to(base, before + NEAR_KB), 30000));
    }
    free(kept[0]);
    free(kept[1]);
    daemon_memory_unwatch(memory);
    daemon_memory_unwatch(NULL);
    event_base_free(base);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tc = tcase_create("memory");
    tcase_set_timeout(tc, 90);
    tcase_add_test(tc, what_a_burst_needed_is_given_back_each_time);
    suite_add_tcase(suite, tc);
    return tk_main(suite);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "scrolls.h"

#include "base/clock.h"
#include "base/xmalloc.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

struct entry {
    char id[SCROLL_ID_LEN + 1];
    struct scroll *scroll;
    int64_t keep_ms, until_ms;
};

struct scrolls {
    pthread_mutex_t mutex;
    struct entry *entries;
    int limit, len, reserved;
};

struct scrolls *scrolls_new(int limit)
{
    struct scrolls *s = xcalloc(1, sizeof *s);
    pthread_mutex_init(&s->mutex, NULL);
    s->entries = xcalloc((size_t)limit + 1, sizeof *s->entries);
    s->limit = limit;
    return s;
}

void scrolls_free(struct scrolls *s)
{
    if (!s)
        return;
    scrolls_end(s, tars_str(""));
    pthread_mutex_destroy(&s->mutex);
    free(s->entries);
    free(s);
}

void scrolls_make_id(char id[SCROLL_ID_LEN + 1])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char random[SCROLL_ID_LEN] = {0};
    if (getrandom(random, sizeof random, 0) < 0)
        memcpy(random, &(int64_t){clock_us()}, sizeof(int64_t));
    for (int i = 0; i < SCROLL_ID_LEN; i++)
        id[i] = letters[random[i] & 63];
    id[SCROLL_ID_LEN] = '\0';
}

bool scrolls_reserve(struct scrolls *s)
{
    pthread_mutex_lock(&s->mutex);
    bool room = s->len + s->reserved < s->limit;
    s->reserved += room;
    pthread_mutex_unlock(&s->mutex);
    return room;
}

void scrolls_unreserve(struct scrolls *s)
{
    pthread_mutex_lock(&s->mutex);
    s->reserved--;
    pthread_mutex_unlock(&s->mutex);
}

void scrolls_put(struct scrolls *s, const char *id, struct scroll *scroll, int64_t keep_ms)
{
    pthread_mutex_lock(&s->mutex);
    struct entry *e = &s->entries[s->len++];
    s->reserved--;
    memcpy(e->id, id, sizeof e->id);
    e->scroll = scroll;
    e->keep_ms = keep_ms;
    e->until_ms = clock_ms() + keep_ms;
    pthread_mutex_unlock(&s->mutex);
}

struct scroll *scrolls_take(struct scrolls *s, struct tars_str id, int64_t *keep_ms)
{
    struct scroll *scroll = NULL;
    pthread_mutex_lock(&s->mutex);
    for (int i = 0; i < s->len && !scroll; i++) {
        if (!tars_str_is(id, s->entries[i].id))
            continue;
        scroll = s->entries[i].scroll;
        *keep_ms = s->entries[i].keep_ms;
        s->entries[i] = s->entries[--s->len];
        s->reserved++;
    }
    pthread_mutex_unlock(&s->mutex);
    return scroll;
}

/* Takes out those that match; the scrolls are closed without the lock. */
static size_t end(struct scrolls *s, struct tars_str id, int64_t now_ms)
{
    size_t count = 0;
    struct scroll *scroll;
    do {
        scroll = NULL;
        pthread_mutex_lock(&s->mutex);
        for (int i = 0; i < s->len && !scroll; i++) {
            const struct entry *e = &s->entries[i];
            if (now_ms ? e->until_ms > now_ms : id.len && !tars_str_is(id, e->id))
                continue;
            scroll = e->scroll;
            s->entries[i] = s->entries[--s->len];
        }
        pthread_mutex_unlock(&s->mutex);
        scroll_free(scroll);
        count += scroll != NULL;
    } while (scroll);
    return count;
}

void scrolls_sweep(struct scrolls *s)
{
    end(s, tars_str(""), clock_ms());
}

size_t scrolls_end(struct scrolls *s, struct tars_str id)
{
    return end(s, id, 0);
}

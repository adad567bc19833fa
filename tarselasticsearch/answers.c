/* SPDX-License-Identifier: BSD-3-Clause */
#include "answers.h"

#include "base/map.h"
#include "base/xmalloc.h"

#include <pthread.h>
#include <stdlib.h>

struct answer {
    struct answer *older, *newer;
    struct tars_str key, text; /* behind the structure */
};

struct answers {
    pthread_mutex_t mutex;
    struct map *by_key;
    struct answer *oldest, *newest;
    size_t bytes;
};

struct answers *answers_new(void)
{
    struct answers *a = xcalloc(1, sizeof *a);
    pthread_mutex_init(&a->mutex, NULL);
    a->by_key = map_new(NULL);
    return a;
}

static size_t size_of(struct tars_str key, struct tars_str text)
{
    return sizeof(struct answer) + 2 * key.len + text.len; /* the map has the key as well */
}

static void unlink_answer(struct answers *a, struct answer *one)
{
    *(one->older ? &one->older->newer : &a->oldest) = one->newer;
    *(one->newer ? &one->newer->older : &a->newest) = one->older;
}

static void link_newest(struct answers *a, struct answer *one)
{
    one->older = a->newest;
    one->newer = NULL;
    *(a->newest ? &a->newest->newer : &a->oldest) = one;
    a->newest = one;
}

static void drop(struct answers *a, struct answer *one)
{
    unlink_answer(a, one);
    map_remove(a->by_key, one->key);
    a->bytes -= size_of(one->key, one->text);
    free(one);
}

void answers_free(struct answers *a)
{
    if (!a)
        return;
    while (a->oldest)
        drop(a, a->oldest);
    map_free(a->by_key);
    pthread_mutex_destroy(&a->mutex);
    free(a);
}

bool answers_get(struct answers *a, struct tars_str key, struct text *to)
{
    pthread_mutex_lock(&a->mutex);
    struct answer *one = map_get(a->by_key, key);
    if (one) {
        unlink_answer(a, one);
        link_newest(a, one);
        text_add(to, one->text.at, one->text.len);
    }
    pthread_mutex_unlock(&a->mutex);
    return one != NULL;
}

static struct answer *make(struct tars_str key, struct tars_str text)
{
    struct answer *one = xmalloc(sizeof *one + key.len + text.len);
    char *at = (char *)(one + 1);
    memcpy(at, key.at, key.len);
    memcpy(at + key.len, text.at, text.len);
    *one = (struct answer){.key = {at, key.len}, .text = {at + key.len, text.len}};
    return one;
}

void answers_put(struct answers *a, struct tars_str key, struct tars_str text)
{
    size_t size = size_of(key, text);
    if (size > ANSWERS_BYTES / 4)
        return;
    struct answer *one = make(key, text);
    pthread_mutex_lock(&a->mutex);
    struct answer *same = map_get(a->by_key, key);
    if (same)
        drop(a, same);
    while (a->bytes + size > ANSWERS_BYTES)
        drop(a, a->oldest);
    map_put(a->by_key, one->key, one);
    link_newest(a, one);
    a->bytes += size;
    pthread_mutex_unlock(&a->mutex);
}

size_t answers_bytes(struct answers *a)
{
    pthread_mutex_lock(&a->mutex);
    size_t bytes = a->bytes;
    pthread_mutex_unlock(&a->mutex);
    return bytes;
}

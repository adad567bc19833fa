/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/dyeing.h"

#include "base/xmalloc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct choice {
    char *key, *servant, *function; /* function "": all */
};

struct report_dyeing {
    pthread_rwlock_t lock;
    struct choice choices[REPORT_DYEING_MAX]; /* a ring */
    size_t next;
    atomic_size_t count;
};

struct report_dyeing *report_dyeing_new(void)
{
    struct report_dyeing *dyeing = xcalloc(1, sizeof(*dyeing));

    pthread_rwlock_init(&dyeing->lock, NULL);
    return dyeing;
}

static void clear(struct choice *choice)
{
    free(choice->key);
    free(choice->servant);
    free(choice->function);
}

void report_dyeing_free(struct report_dyeing *dyeing)
{
    if (!dyeing)
        return;
    for (size_t i = 0; i < REPORT_DYEING_MAX; i++)
        clear(&dyeing->choices[i]);
    pthread_rwlock_destroy(&dyeing->lock);
    free(dyeing);
}

static struct tars_str word(struct tars_str *text)
{
    struct tars_str w;

    while (text->len > 0 && (*text->at == ' ' || *text->at == '\t')) {
        text->at++;
        text->len--;
    }
    w = tars_str_n(text->at, 0);
    while (w.len < text->len && w.at[w.len] != ' ' && w.at[w.len] != '\t')
        w.len++;
    *text = tars_str_n(text->at + w.len, text->len - w.len);
    return w;
}

static void append(struct tars_writer *text, const char *name, struct tars_str value)
{
    tars_writer_append(text, name, strlen(name));
    if (value.len)
        tars_writer_append(text, value.at, value.len);
    tars_writer_append(text, "\r\n", 2);
}

bool report_dyeing_choose(struct report_dyeing *dyeing, struct tars_str argument,
                          struct tars_writer *text)
{
    struct tars_str key = word(&argument), servant = word(&argument), function = word(&argument);
    struct choice *choice;

    if (key.len == 0 || servant.len == 0 || word(&argument).len > 0)
        return false;
    pthread_rwlock_wrlock(&dyeing->lock);
    choice = &dyeing->choices[dyeing->next];
    clear(choice);
    choice->key = xstrndup(key.at, key.len);
    choice->servant = xstrndup(servant.at, servant.len);
    choice->function = xstrndup(function.len ? function.at : "", function.len);
    dyeing->next = (dyeing->next + 1) % REPORT_DYEING_MAX;
    if (dyeing->count < REPORT_DYEING_MAX)
        dyeing->count++;
    pthread_rwlock_unlock(&dyeing->lock);
    append(text, "DyeingKey=", key);
    append(text, "DyeingServant=", servant);
    append(text, "DyeingInterface=", function);
    return true;
}

static bool matches(const struct choice *choice, struct tars_str key, struct tars_str servant,
                    struct tars_str function)
{
    return tars_str_is(key, choice->key) && tars_str_is(servant, choice->servant) &&
           (!*choice->function || tars_str_is(function, choice->function));
}

bool report_dyeing_is(struct report_dyeing *dyeing, struct tars_str key, struct tars_str servant,
                      struct tars_str function)
{
    bool dyed = false;

    if (atomic_load_explicit(&dyeing->count, memory_order_relaxed) == 0 || key.len == 0)
        return false;
    pthread_rwlock_rdlock(&dyeing->lock);
    for (size_t i = 0; i < dyeing->count && !dyed; i++)
        dyed = matches(&dyeing->choices[i], key, servant, function);
    pthread_rwlock_unlock(&dyeing->lock);
    return dyed;
}

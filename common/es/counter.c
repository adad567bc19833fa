/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/counter.h"

#include "base/xmalloc.h"

#include <stdlib.h>

struct waiter {
    struct waiter *next;
    es_on_number done;
    void *user;
    int timeout_ms;
};

/* What an answer still needs when the counter has been freed. */
struct fetch {
    struct es_counter *counter; /* NULL: freed */
    int64_t first;              /* of the block that is being written */
    int block;
};

struct es_counter {
    struct es_client *client;
    char *index, *id;
    int block;
    int64_t next, end; /* of the block in hand */
    struct fetch *fetch;
    struct waiter *first, **last;
};

struct es_counter *es_counter_new(struct es_client *client, const char *index, const char *id,
                                  int block)
{
    struct es_counter *c = xcalloc(1, sizeof *c);
    c->client = client;
    c->index = xstrdup(index);
    c->id = xstrdup(id);
    c->block = block > 0 ? block : 1;
    c->last = &c->first;
    return c;
}

/* Takes the list off first: a callback may ask for the next number. */
static void fail_all(struct es_counter *c, const struct es_result *r)
{
    struct waiter *w = c->first, *next;
    c->first = NULL;
    c->last = &c->first;
    for (; w; w = next) {
        next = w->next;
        w->done(w->user, 0, r);
        free(w);
    }
}

void es_counter_free(struct es_counter *c)
{
    struct es_result r = {.status = ES_UNREACHABLE};
    if (!c)
        return;
    tars_fail(&r.error, ES_UNREACHABLE, "the counter %s was closed", c->id);
    if (c->fetch)
        c->fetch->counter = NULL;
    fail_all(c, &r);
    free(c->index);
    free(c->id);
    free(c);
}

static cJSON *take_block(void *user, const cJSON *source)
{
    struct fetch *f = user;
    const cJSON *next = cJSON_GetObjectItemCaseSensitive(source, "next");
    cJSON *changed = cJSON_CreateObject();
    f->first = next ? (int64_t)next->valuedouble : 1;
    cJSON_AddNumberToObject(changed, "next", (double)(f->first + f->block));
    return changed;
}

static void ask_block(struct es_counter *c);

static void on_block(void *user, const struct es_result *r)
{
    struct fetch *f = user;
    struct es_counter *c = f->counter;
    if (!c) {
        free(f);
        return;
    }
    c->fetch = NULL;
    if (r->status == ES_OK) {
        c->next = f->first;
        c->end = f->first + f->block;
    }
    free(f);
    if (r->status != ES_OK) {
        fail_all(c, r);
        return;
    }
    while (c->first && c->next < c->end) {
        struct waiter *w = c->first;
        c->first = w->next;
        if (!c->first)
            c->last = &c->first;
        w->done(w->user, c->next++, NULL);
        free(w);
    }
    if (c->first && !c->fetch)
        ask_block(c);
}

static void ask_block(struct es_counter *c)
{
    struct fetch *f = c->fetch = xcalloc(1, sizeof *f);
    f->counter = c;
    f->block = c->block;
    es_change(c->client, c->index, c->id, take_block, c->first->timeout_ms, on_block, f);
}

void es_counter_take(struct es_counter *c, int timeout_ms, es_on_number done, void *user)
{
    if (c->next < c->end && !c->first) {
        done(user, c->next++, NULL);
        return;
    }
    struct waiter *w = xcalloc(1, sizeof *w);
    *w = (struct waiter){.done = done, .user = user, .timeout_ms = timeout_ms};
    *c->last = w;
    c->last = &w->next;
    if (!c->fetch)
        ask_block(c);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "store.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "es/query.h"
#include "loop/loop.h"

enum { PAGE = 1000, PAGE_TIMEOUT_MS = 5000, RETRY_MS = 500 };

struct store {
    struct loop *loop;
    struct es_client *client;
    struct store_options options;
    struct store_listener listener;
    struct loop_timer timer;
    enum document_kind reading; /* the index that is being read */
    bool full;                  /* this round is a full load */
    bool moved;                 /* an index is not the one it was: load everything */
    bool here;
    int64_t round_began;             /* wall clock: no change is believed to be later */
    int64_t last_look, last_load;    /* monotonic; 0: never */
    int64_t newest[DOCUMENT_POLLED]; /* highest updated_at seen */
    char *index[DOCUMENT_POLLED];    /* the concrete index behind the alias */
    struct tars_error problem;
    uint64_t loads;
};

static void begin_round(struct loop_timer *timer);

struct store *store_new(struct loop *loop, const struct store_options *options,
                        const struct store_listener *listener, struct tars_error *error)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->loop = loop;
    s->options = *options;
    s->options.es.indices = document_indices;
    s->options.es.index_count = DOCUMENT_KINDS;
    s->listener = *listener;
    tars_fail(&s->problem, 1, "nothing has been loaded yet");
    s->client = es_client_new(loop, &s->options.es, error);
    if (s->client)
        return s;
    free(s);
    return NULL;
}

void store_start(struct store *s)
{
    loop_timer_set(s->loop, &s->timer, 0, begin_round);
}

void store_free(struct store *s)
{
    if (!s)
        return;
    loop_timer_clear(s->loop, &s->timer);
    s->listener = (struct store_listener){0};
    es_client_free(s->client);
    loop_timer_clear(s->loop, &s->timer);
    for (int kind = 0; kind < DOCUMENT_POLLED; kind++)
        free(s->index[kind]);
    free(s);
}

struct es_client *store_client(struct store *s)
{
    return s->client;
}

const char *store_index(const struct store *s, enum document_kind kind)
{
    return es_index_name(s->client, document_indices[kind].name);
}

bool store_here(const struct store *s)
{
    return s->here;
}

int64_t store_age_ms(const struct store *s)
{
    return s->last_look ? clock_ms() - s->last_look : -1;
}

const char *store_problem(const struct store *s)
{
    return s->here ? "" : s->problem.text;
}

uint64_t store_loads(const struct store *s)
{
    return s->loads;
}

/* ---- one round: all indices, one after the other
 * --------------------------------------------------- */

static void note_place(struct store *s, const struct es_doc *doc)
{
    char **known = &s->index[s->reading];
    if (*known && strcmp(*known, doc->index) == 0)
        return;
    s->moved |= *known && !s->full;
    free(*known);
    *known = xstrdup(doc->index);
}

static bool on_page(void *user, const struct es_doc *docs, size_t count)
{
    struct store *s = user;
    if (!s->listener.document)
        return false;
    for (size_t i = 0; i < count; i++) {
        int64_t updated = document_number(docs[i].source, "updated_at", 0);
        updated = updated > s->round_began ? s->round_began : updated;
        if (updated > s->newest[s->reading])
            s->newest[s->reading] = updated;
        note_place(s, &docs[i]);
        s->listener.document(s->listener.user, s->reading, &docs[i]);
    }
    s->listener.page_end(s->listener.user);
    return true;
}

static cJSON *living(void)
{
    cJSON *query = es_bool();
    es_bool_add(query, "must_not", es_term_bool("deleted", true));
    return query;
}

static void on_read(void *user, const struct es_result *result);

static void read_next(struct store *s)
{
    const char *index = store_index(s, s->reading);
    if (s->full) {
        es_scroll_all(s->client, index, living(), PAGE, PAGE_TIMEOUT_MS, on_page, on_read, s);
        return;
    }
    if (s->newest[s->reading] > s->round_began) /* the date was set back */
        s->newest[s->reading] = s->round_began;
    int64_t since = s->newest[s->reading] - s->options.overlap_ms;
    cJSON *sort = es_sort();
    es_sort_add(sort, "updated_at", true);
    es_sort_add(sort, "key", true);
    es_search_all(s->client, index, es_range("updated_at", "gte", since > 0 ? since : 0), sort,
                  PAGE, PAGE_TIMEOUT_MS, on_page, on_read, s);
}

static void begin_round(struct loop_timer *timer)
{
    struct store *s = loop_container(timer, struct store, timer);
    bool due = s->last_load && clock_ms() - s->last_load >= s->options.reload_ms;
    s->full = !s->here || due || s->moved;
    s->moved = false;
    s->round_began = clock_wall_ms();
    s->reading = 0;
    if (s->full)
        s->listener.loading(s->listener.user);
    read_next(s);
}

static void round_failed(struct store *s, const struct es_result *result)
{
    s->problem = result->error;
    if (s->here || !s->last_look)
        log_warn("store", "following %s: %s", store_index(s, s->reading), s->problem.text);
    s->here = false;
    s->listener.away(s->listener.user, s->problem.text);
    loop_timer_set(s->loop, &s->timer, RETRY_MS, begin_round);
}

static void round_done(struct store *s)
{
    s->last_look = clock_ms();
    if (s->full) {
        if (!s->here && s->loads)
            log_info("store", "the store answers again");
        s->here = true;
        s->last_load = s->last_look;
        s->loads++;
        s->listener.loaded(s->listener.user);
    }
    loop_timer_set(s->loop, &s->timer, s->moved ? 0 : s->options.poll_ms, begin_round);
}

static void on_read(void *user, const struct es_result *result)
{
    struct store *s = user;
    if (!s->listener.document)
        return; /* being freed */
    if (result->status != ES_OK) {
        round_failed(s, result);
    } else if (++s->reading < DOCUMENT_POLLED) {
        read_next(s);
    } else {
        round_done(s);
    }
}

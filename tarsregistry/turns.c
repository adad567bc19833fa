/* SPDX-License-Identifier: BSD-3-Clause */
#include "turns.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/xmalloc.h"

enum { SWEEP_MS = 100 /* this long those stay whom nobody wants any more */ };

/* Those of one key; is there as long as one waits or has its turn. */
struct turn_line {
    struct tars_str key; /* in the same block */
    struct turn *first, **last;
    bool running, ready;
    struct turn_line *next; /* among those ready */
};

struct turns {
    struct loop *loop;
    struct turn_rules rules;
    struct map *lines;
    struct turn_line *first, **last; /* ready: somebody waits and nobody has a turn */
    size_t running, waiting;
    bool starting;
    struct loop_timer sweep;
};

/* ---- lines
 * ------------------------------------------------------------------------------------------- */

static struct turn_line *line_of(struct turns *t, struct tars_str key)
{
    struct turn_line *line = map_get(t->lines, key);
    if (line)
        return line;
    line = xcalloc(1, sizeof *line + key.len);
    line->key = tars_str_n(line + 1, key.len);
    line->last = &line->first;
    memcpy(line + 1, key.at, key.len);
    map_put(t->lines, key, line);
    return line;
}

static void line_leave(struct turns *t, struct turn_line *line)
{
    if (!line->first && !line->running && !line->ready)
        map_remove(t->lines, line->key);
}

static void line_get_ready(struct turns *t, struct turn_line *line)
{
    if (!line->first || line->running || line->ready)
        return;
    line->ready = true;
    line->next = NULL;
    *t->last = line;
    t->last = &line->next;
}

static struct turn *line_pop(struct turns *t, struct turn_line *line)
{
    struct turn *turn = line->first;
    line->first = turn->next;
    if (!line->first)
        line->last = &line->first;
    turn->next = NULL;
    t->waiting--;
    return turn;
}

/* ---- turns
 * ------------------------------------------------------------------------------------------- */

/* The first that is wanted, with those behind it that want the same; NULL: none is. */
static struct turn *next_of(struct turns *t, struct turn_line *line)
{
    while (line->first && t->rules.unwanted(line->first))
        t->rules.drop(line_pop(t, line));
    if (!line->first)
        return NULL;
    struct turn *turn = line_pop(t, line), **end = &turn->shared;
    while (line->first && t->rules.same(turn, line->first)) {
        *end = line_pop(t, line);
        end = &(*end)->next;
    }
    return turn;
}

static struct turn_line *next_line(struct turns *t)
{
    struct turn_line *line = t->first;
    t->first = line->next;
    if (!t->first)
        t->last = &t->first;
    line->ready = false;
    return line;
}

/* A turn may end as soon as it starts: then the loop here goes on, and no call goes deeper. */
static void start_those_ready(struct turns *t)
{
    if (t->starting)
        return;
    t->starting = true;
    while (t->first && t->running < t->rules.limit) {
        struct turn_line *line = next_line(t);
        line->running = true; /* dropping may bring new ones to the line */
        struct turn *turn = next_of(t, line);
        if (turn) {
            t->running++;
            t->rules.start(turn);
        } else {
            line->running = false;
            line_get_ready(t, line);
            line_leave(t, line);
        }
    }
    t->starting = false;
}

/* Takes those out whom nobody wants; they are dropped when the walk is over. */
static void pick_unwanted(struct turns *t, struct turn_line *line, struct turn ***end)
{
    struct turn **at = &line->first;
    while (*at) {
        struct turn *turn = *at;
        if (!t->rules.unwanted(turn)) {
            at = &turn->next;
            continue;
        }
        *at = turn->next;
        turn->next = NULL;
        **end = turn;
        *end = &turn->next;
        t->waiting--;
    }
    line->last = at;
}

static void on_sweep(struct loop_timer *timer)
{
    struct turns *t = loop_container(timer, struct turns, sweep);
    struct turn *unwanted = NULL, **end = &unwanted;
    size_t at = 0;
    struct tars_str key;
    for (void *line; map_next(t->lines, &at, &key, &line);)
        pick_unwanted(t, line, &end);
    while (unwanted) {
        struct turn *turn = unwanted;
        unwanted = turn->next;
        t->rules.drop(turn);
    }
    start_those_ready(t); /* which also takes leave of lines that are empty now */
    if (t->waiting)
        loop_timer_set(t->loop, &t->sweep, SWEEP_MS, on_sweep);
}

void turns_take(struct turns *t, struct tars_str key, struct turn *turn)
{
    struct turn_line *line = line_of(t, key);
    *turn = (struct turn){.line = line};
    *line->last = turn;
    line->last = &turn->next;
    t->waiting++;
    line_get_ready(t, line);
    start_those_ready(t);
    if (t->waiting && !loop_timer_is_set(&t->sweep))
        loop_timer_set(t->loop, &t->sweep, SWEEP_MS, on_sweep);
}

void turns_end(struct turns *t, struct turn *turn)
{
    struct turn_line *line = turn->line;
    line->running = false;
    t->running--;
    line_get_ready(t, line);
    line_leave(t, line);
    start_those_ready(t);
}

size_t turns_waiting(const struct turns *t)
{
    return t->waiting;
}

/* ---- life
 * -------------------------------------------------------------------------------------------- */

struct turns *turns_new(struct loop *loop, const struct turn_rules *rules)
{
    struct turns *t = xcalloc(1, sizeof *t);
    t->loop = loop;
    t->rules = *rules;
    t->lines = map_new(free);
    t->last = &t->first;
    return t;
}

void turns_free(struct turns *t)
{
    if (!t)
        return;
    loop_timer_clear(t->loop, &t->sweep);
    t->starting = true; /* nothing starts any more */
    size_t at = 0;
    struct tars_str key;
    for (void *value; map_next(t->lines, &at, &key, &value);)
        while (((struct turn_line *)value)->first)
            t->rules.drop(line_pop(t, value));
    map_free(t->lines);
    free(t);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay_targets.h"

#include <stdlib.h>

#include "base/xmalloc.h"
#include "k8stars/relay_question.h"
#include "loop/loop.h"

enum { QUESTION_MS = 1000, MOMENT_MS = 50 };

struct target {
    struct relay_targets *all;
    struct rpc_address address;
    struct relay_question *question; /* NULL: answered */
    bool good;
};

struct relay_targets {
    struct loop *loop;
    struct relay_targets_owner owner;
    char *servant;
    struct loop_timer settled;
    bool open; /* the good ones are handed out */
    struct target *list[RELAY_TARGETS_MAX];
    size_t count, turn;
};

static bool any_question(const struct relay_targets *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i]->question)
            return true;
    return false;
}

static bool any_good(const struct relay_targets *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i]->good)
            return true;
    return false;
}

static void on_settled(struct loop_timer *timer)
{
    struct relay_targets *all = loop_container(timer, struct relay_targets, settled);

    all->open = any_good(all);
    if (all->open)
        all->owner.changed(all->owner.user);
    else
        all->owner.none(all->owner.user);
}

/* The first who answers does not get all that waits: the others have a moment too. */
static void settle(struct relay_targets *all)
{
    if (!all->count || all->open)
        return;
    if (!any_question(all))
        loop_timer_set(all->loop, &all->settled, 0, on_settled);
    else if (any_good(all) && !loop_timer_is_set(&all->settled))
        loop_timer_set(all->loop, &all->settled, MOMENT_MS, on_settled);
}

static void on_answered(void *user, bool yes)
{
    struct target *t = user;

    t->question = NULL;
    t->good = yes;
    if (yes && t->all->open)
        t->all->owner.changed(t->all->owner.user);
    else
        settle(t->all);
}

static void target_free(struct target *t)
{
    relay_forget(t->question);
    free(t);
}

static struct target *target_new(struct relay_targets *all, const struct rpc_address *address,
                                 bool known)
{
    struct target *t = xcalloc(1, sizeof *t);

    *t = (struct target){.all = all, .address = *address, .good = known};
    if (!known)
        t->question = relay_ask(all->loop, address, all->servant, QUESTION_MS, on_answered, t);
    return t;
}

/* The one with that address, taken out of the list; NULL when there is none. */
static struct target *take_out(struct target **list, size_t count,
                               const struct rpc_address *address)
{
    for (size_t i = 0; i < count; i++) {
        struct target *t = list[i];

        if (t && rpc_address_same(&t->address, address)) {
            list[i] = NULL;
            return t;
        }
    }
    return NULL;
}

void relay_targets_set(struct relay_targets *all, const struct rpc_address *list, size_t count,
                       bool known)
{
    struct target *before[RELAY_TARGETS_MAX];
    size_t before_count = all->count;

    memcpy(before, all->list, sizeof before);
    loop_timer_clear(all->loop, &all->settled);
    all->count = 0;
    for (size_t i = 0; i < count && i < RELAY_TARGETS_MAX; i++) {
        struct target *t = take_out(before, before_count, &list[i]);

        if (t && !t->good && (known || !t->question)) { /* it said no: perhaps not any more */
            target_free(t);
            t = NULL;
        }
        all->list[all->count++] = t ? t : target_new(all, &list[i], known);
    }
    for (size_t i = 0; i < before_count; i++)
        if (before[i])
            target_free(before[i]);
    all->open = any_good(all);
    if (all->open)
        all->owner.changed(all->owner.user);
    settle(all);
}

const struct rpc_address *relay_targets_next(struct relay_targets *all)
{
    for (size_t i = 0; all->open && i < all->count; i++) {
        const struct target *t = all->list[all->turn++ % all->count];

        if (t->good)
            return &t->address;
    }
    return NULL;
}

bool relay_targets_any(const struct relay_targets *all)
{
    return all->open && any_good(all);
}

bool relay_targets_has(const struct relay_targets *all, const struct rpc_address *address)
{
    for (size_t i = 0; i < all->count; i++)
        if (rpc_address_same(&all->list[i]->address, address))
            return true;
    return false;
}

size_t relay_targets_count(const struct relay_targets *all)
{
    return all->count;
}

struct relay_targets *relay_targets_new(struct loop *loop, const struct relay_targets_owner *owner)
{
    struct relay_targets *all = xcalloc(1, sizeof *all);

    all->loop = loop;
    all->owner = *owner;
    all->servant = xstrdup(owner->servant);
    return all;
}

void relay_targets_free(struct relay_targets *all)
{
    for (size_t i = 0; i < all->count; i++)
        target_free(all->list[i]);
    loop_timer_clear(all->loop, &all->settled);
    free(all->servant);
    free(all);
}

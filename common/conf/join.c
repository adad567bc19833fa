/* SPDX-License-Identifier: BSD-3-Clause */
/* One configuration put over or under another. Tars protocol: TC_Config grammar, merge. */
#include <stdlib.h>

#include "base/xmalloc.h"
#include "conf/tree.h"

static const char *copy(struct tars_arena *arena, const char *text)
{
    return tars_arena_copy(arena, tars_str(text)).at;
}

static void put_keys(struct conf_domain *to, const struct conf_domain *from,
                     struct tars_arena *arena)
{
    for (size_t i = 0; i < from->key_count; i++)
        conf_key_put(to, arena, tars_str(from->keys[i]->name), copy(arena, from->keys[i]->value));
}

/* Moves `from`'s keys that `to` lacks in front of `to`'s own. */
static void put_missing_keys_in_front(struct conf_domain *to, const struct conf_domain *from,
                                      struct tars_arena *arena)
{
    size_t own_count = to->key_count;
    struct conf_key **own = xcalloc(own_count + 1, sizeof *own);
    if (own_count)
        memcpy(own, to->keys, own_count * sizeof *own);
    for (size_t i = 0; i < from->key_count; i++)
        if (!conf_key_find(to, tars_str(from->keys[i]->name)))
            conf_key_put(to, arena, tars_str(from->keys[i]->name),
                         copy(arena, from->keys[i]->value));
    for (size_t i = 0; i < own_count; i++)
        conf_key_put(to, arena, tars_str(own[i]->name), own[i]->value);
    conf_domain_settle(to);
    free(own);
}

static void put_lines(struct conf_domain *to, const struct conf_domain *from,
                      struct tars_arena *arena, bool behind)
{
    size_t own = to->line_count;
    for (size_t i = 0; i < from->line_count; i++)
        conf_domain_add_line(to, copy(arena, from->lines[i]));
    if (behind || !own || !from->line_count)
        return;
    const char **turned = xcalloc(to->line_count, sizeof *turned);
    memcpy(turned, to->lines + own, from->line_count * sizeof *turned);
    memcpy(turned + from->line_count, to->lines, own * sizeof *turned);
    memcpy(to->lines, turned, to->line_count * sizeof *turned);
    free(turned);
}

/* Sub-domains in `from`'s order, then those that only `to` has. */
static void order_domains(struct conf_domain *to, const struct conf_domain *from)
{
    size_t at = 0;
    struct conf_domain **own = xcalloc(to->domain_count + 1, sizeof *own);
    if (to->domain_count)
        memcpy(own, to->domains, to->domain_count * sizeof *own);
    for (size_t i = 0; i < from->domain_count; i++)
        to->domains[at++] = conf_domain_find(to, tars_str(from->domains[i]->name));
    for (size_t i = 0; at < to->domain_count; i++)
        if (!conf_domain_find(from, tars_str(own[i]->name)))
            to->domains[at++] = own[i];
    free(own);
}

static void join(struct conf_domain *to, const struct conf_domain *from, struct tars_arena *arena,
                 bool update)
{
    if (update)
        put_keys(to, from, arena);
    else
        put_missing_keys_in_front(to, from, arena);
    conf_domain_settle(to);
    put_lines(to, from, arena, update);
    for (size_t i = 0; i < from->domain_count; i++)
        join(conf_domain_open(to, arena, tars_str(from->domains[i]->name)), from->domains[i], arena,
             update);
    if (!update)
        order_domains(to, from);
}

void tars_conf_join(struct tars_conf *conf, const struct tars_conf *other, bool update)
{
    if (conf != other)
        join(conf->root, other->root, conf->arena, update);
}

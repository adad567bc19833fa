/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf/tree.h"

#include <stdlib.h>

#include "base/xmalloc.h"

void *conf_grow(void *array, size_t count, size_t size)
{
    if (count & (count - 1))
        return array;
    return xrealloc(array, (count ? count * 2 : 1) * size);
}

struct conf_domain *conf_domain_new(const char *name)
{
    struct conf_domain *domain = xcalloc(1, sizeof *domain);
    domain->name = name;
    domain->key_by_name = map_new(NULL);
    domain->domain_by_name = map_new(NULL);
    return domain;
}

void conf_domain_free(struct conf_domain *domain)
{
    for (size_t i = 0; i < domain->domain_count; i++)
        conf_domain_free(domain->domains[i]);
    for (size_t i = 0; i < domain->key_count; i++)
        free(domain->keys[i]);
    map_free(domain->key_by_name);
    map_free(domain->domain_by_name);
    free(domain->keys);
    free(domain->domains);
    free(domain->lines);
    free(domain);
}

struct conf_domain *conf_domain_find(const struct conf_domain *domain, struct tars_str name)
{
    return map_get(domain->domain_by_name, name);
}

struct conf_key *conf_key_find(const struct conf_domain *domain, struct tars_str name)
{
    return map_get(domain->key_by_name, name);
}

struct conf_domain *conf_domain_open(struct conf_domain *domain, struct tars_arena *arena,
                                     struct tars_str name)
{
    struct conf_domain *sub = conf_domain_find(domain, name);
    if (sub)
        return sub;
    sub = conf_domain_new(tars_arena_copy(arena, name).at);
    map_put(domain->domain_by_name, name, sub);
    domain->domains = conf_grow(domain->domains, domain->domain_count, sizeof *domain->domains);
    domain->domains[domain->domain_count++] = sub;
    return sub;
}

void conf_key_put(struct conf_domain *domain, struct tars_arena *arena, struct tars_str name,
                  const char *value)
{
    struct conf_key *key = conf_key_find(domain, name);
    if (key && key->slot + 1 == domain->key_count) {
        key->value = value;
        return;
    }
    if (key) {
        domain->keys[key->slot] = NULL;
        domain->gaps++;
    } else {
        key = xcalloc(1, sizeof *key);
        key->name = tars_arena_copy(arena, name).at;
        map_put(domain->key_by_name, name, key);
    }
    key->value = value;
    key->slot = domain->key_count;
    domain->keys = conf_grow(domain->keys, domain->key_count, sizeof(struct conf_key *));
    domain->keys[domain->key_count++] = key;
}

void conf_domain_add_line(struct conf_domain *domain, const char *line)
{
    domain->lines = conf_grow(domain->lines, domain->line_count, sizeof *domain->lines);
    domain->lines[domain->line_count++] = line;
}

void conf_domain_settle(struct conf_domain *domain)
{
    size_t kept = 0;
    if (!domain->gaps)
        return;
    for (size_t i = 0; i < domain->key_count; i++) {
        if (!domain->keys[i])
            continue;
        domain->keys[kept] = domain->keys[i];
        domain->keys[kept]->slot = kept;
        kept++;
    }
    domain->key_count = kept;
    domain->gaps = 0;
    /* conf_grow finds the size of an array from its count alone. */
    size_t room = 1;
    while (room < kept)
        room *= 2;
    domain->keys = xrealloc(domain->keys, room * sizeof(struct conf_key *));
}

void conf_domain_settle_all(struct conf_domain *domain)
{
    conf_domain_settle(domain);
    for (size_t i = 0; i < domain->domain_count; i++)
        conf_domain_settle_all(domain->domains[i]);
}

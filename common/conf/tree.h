/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a configuration is made of: domains inside domains, keys in order. Names and values live in
 * the arena of the configuration, so that a text which was handed out stays valid until
 * tars_conf_free, also after its key got another value.
 */
#ifndef CONF_TREE_H
#define CONF_TREE_H

#include <tars/conf.h>

#include "base/map.h"

/* Domains inside each other: what walks a configuration recurses this deep at most. */
enum { CONF_MAX_DEPTH = 100 };

struct conf_key {
    const char *name;
    const char *value;
    size_t slot; /* where it stands in its domain's `keys` */
};

/*
 * Key order: setting a key again moves it to the end and leaves a NULL slot; conf_domain_settle
 * closes the gaps once a change is complete. Walking needs a settled domain.
 */
struct conf_domain {
    const char *name;
    struct conf_key **keys;
    size_t key_count; /* slots, gaps included */
    size_t gaps;
    struct conf_domain **domains;
    size_t domain_count;
    const char **lines; /* of the text, trimmed; not touched by setting keys */
    size_t line_count;
    struct map *key_by_name;
    struct map *domain_by_name;
};

struct tars_conf {
    struct tars_arena *arena;
    struct conf_domain *root;
};

struct conf_domain *conf_domain_new(const char *name);
/* Frees the domain and all below it; the texts belong to the arena. */
void conf_domain_free(struct conf_domain *domain);

/* NULL when there is none. */
struct conf_domain *conf_domain_find(const struct conf_domain *domain, struct tars_str name);
struct conf_key *conf_key_find(const struct conf_domain *domain, struct tars_str name);

/* The sub-domain of that name, made when it is not there; the name is copied to the arena. */
struct conf_domain *conf_domain_open(struct conf_domain *domain, struct tars_arena *arena,
                                     struct tars_str name);
/* Sets a key and moves it behind all others. `value` must live as long as the arena. */
void conf_key_put(struct conf_domain *domain, struct tars_arena *arena, struct tars_str name,
                  const char *value);
/* `line` must live as long as the arena. */
void conf_domain_add_line(struct conf_domain *domain, const char *line);
/* Closes the gaps in the key order, here or here and in all domains below. */
void conf_domain_settle(struct conf_domain *domain);
void conf_domain_settle_all(struct conf_domain *domain);

/* Room for one more element in an array of `count` elements that grows by doubling. */
void *conf_grow(void *array, size_t count, size_t size);

#endif

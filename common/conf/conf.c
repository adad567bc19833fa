/* SPDX-License-Identifier: BSD-3-Clause */
#include <tars/conf.h>

#include <stdlib.h>

#include "base/xmalloc.h"
#include "conf/number.h"
#include "conf/path.h"
#include "conf/tree.h"

struct tars_conf *tars_conf_new(void)
{
    struct tars_conf *conf = xcalloc(1, sizeof *conf);
    conf->arena = tars_arena_new(0);
    conf->root = conf_domain_new("");
    return conf;
}

void tars_conf_free(struct tars_conf *conf)
{
    if (!conf)
        return;
    conf_domain_free(conf->root);
    tars_arena_free(conf->arena);
    free(conf);
}

static const struct conf_domain *find_domain(const struct tars_conf *conf, struct tars_str domains)
{
    const struct conf_domain *domain = conf->root;
    struct tars_str name;
    while (domain && conf_path_next(&domains, &name))
        domain = conf_domain_find(domain, name);
    return domain;
}

static const struct conf_domain *domain_at(const struct tars_conf *conf, const char *text)
{
    struct conf_path path;
    if (!conf_path_parse(text, &path) || path.has_key)
        return NULL;
    return find_domain(conf, path.domains);
}

const char *tars_conf_get(const struct tars_conf *conf, const char *text, const char *fallback)
{
    struct conf_path path;
    if (!conf_path_parse(text, &path) || !path.has_key)
        return fallback;
    const struct conf_domain *domain = find_domain(conf, path.domains);
    const struct conf_key *key = domain ? conf_key_find(domain, path.key) : NULL;
    return key ? key->value : fallback;
}

bool tars_conf_has(const struct tars_conf *conf, const char *path)
{
    return domain_at(conf, path) || tars_conf_get(conf, path, NULL);
}

bool tars_conf_int(const struct tars_conf *conf, const char *path, int64_t min, int64_t max,
                   int64_t fallback, int64_t *value, struct tars_error *error)
{
    const char *text = tars_conf_get(conf, path, NULL);
    if (!text || !*text) {
        *value = fallback;
        return true;
    }
    if (!conf_number(tars_str(text), min, max, value))
        return tars_fail(error, -1, "%s is '%.100s', but must be a whole number from %lld to %lld",
                         path, text, (long long)min, (long long)max);
    return true;
}

bool tars_conf_set(struct tars_conf *conf, const char *text, const char *value)
{
    struct conf_path path;
    struct tars_str name, rest;
    size_t depth = 0;
    if (!conf_path_parse(text, &path) || !path.has_key)
        return false;
    for (rest = path.domains; conf_path_next(&rest, &name);)
        depth++;
    if (depth > CONF_MAX_DEPTH)
        return false;
    struct conf_domain *domain = conf->root;
    for (rest = path.domains; conf_path_next(&rest, &name);)
        domain = conf_domain_open(domain, conf->arena, name);
    conf_key_put(domain, conf->arena, path.key, tars_arena_copy(conf->arena, tars_str(value)).at);
    conf_domain_settle(domain);
    return true;
}

const char *tars_conf_domain(const struct tars_conf *conf, const char *path, size_t i)
{
    const struct conf_domain *domain = domain_at(conf, path);
    return domain && i < domain->domain_count ? domain->domains[i]->name : NULL;
}

const char *tars_conf_key(const struct tars_conf *conf, const char *path, size_t i)
{
    const struct conf_domain *domain = domain_at(conf, path);
    return domain && i < domain->key_count ? domain->keys[i]->name : NULL;
}

const char *tars_conf_line(const struct tars_conf *conf, const char *path, size_t i)
{
    const struct conf_domain *domain = domain_at(conf, path);
    return domain && i < domain->line_count ? domain->lines[i] : NULL;
}

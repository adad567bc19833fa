/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/endpoint_cache.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <tars/conf.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/xmalloc.h"

#define VERSION_PATH  "/endpoints<version>"
#define CHECKSUM_PATH "/endpoints<checksum>"
#define OBJECTS       "/endpoints/objects"

enum { NAME_MAX_BYTES = 512, CHECKSUM_TEXT = 17 };

struct rpc_endpoint_cache {
    char *path;
    struct tars_conf *conf;
    bool warned; /* that it cannot be written */
};

static const char *value_of(const struct tars_conf *conf, const char *key)
{
    char path[NAME_MAX_BYTES + 64];

    snprintf(path, sizeof path, OBJECTS "<%s>", key);
    return tars_conf_get(conf, path, NULL);
}

/* Over keys and values in their order. */
static void checksum(const struct tars_conf *conf, char text[CHECKSUM_TEXT])
{
    uint64_t sum = 0;
    const char *key;

    for (size_t i = 0; (key = tars_conf_key(conf, OBJECTS, i)); i++) {
        const char *value = strlen(key) < NAME_MAX_BYTES ? value_of(conf, key) : NULL;

        sum = hash_bytes(key, strlen(key), sum);
        if (value)
            sum = hash_bytes(value, strlen(value), sum);
    }
    snprintf(text, CHECKSUM_TEXT, "%016" PRIx64, sum);
}

static bool is_sound(const struct tars_conf *conf)
{
    char sum[CHECKSUM_TEXT];

    checksum(conf, sum);
    return strcmp(tars_conf_get(conf, VERSION_PATH, ""), "1") == 0 &&
           strcmp(tars_conf_get(conf, CHECKSUM_PATH, ""), sum) == 0;
}

static struct tars_conf *load(const char *path)
{
    struct tars_error error = {0};
    struct tars_conf *conf;

    if (access(path, F_OK) != 0)
        return tars_conf_new();
    conf = tars_conf_load(path, &error);
    if (conf && is_sound(conf))
        return conf;
    log_warn("client", "ignoring the endpoint cache %s: %s", path,
             conf ? "its checksum or version is wrong" : error.text);
    tars_conf_free(conf);
    return tars_conf_new();
}

struct rpc_endpoint_cache *rpc_endpoint_cache_new(const char *path)
{
    struct rpc_endpoint_cache *cache = xcalloc(1, sizeof *cache);

    cache->path = xstrdup(path);
    cache->conf = load(path);
    return cache;
}

void rpc_endpoint_cache_free(struct rpc_endpoint_cache *cache)
{
    if (!cache)
        return;
    tars_conf_free(cache->conf);
    free(cache->path);
    free(cache);
}

/* "<object>" or "<object> -s <set>"; false for names that a path of the file cannot hold. */
static bool make_key(const char *object, const char *set, char key[NAME_MAX_BYTES])
{
    int len = snprintf(key, NAME_MAX_BYTES, set ? "%s -s %s" : "%s", object, set);

    return len > 0 && len < NAME_MAX_BYTES && !strpbrk(key, "<>/=#\\\r\n\t");
}

static size_t count_endpoints(const char *text)
{
    struct tars_str list = tars_str(text), one;
    size_t count = 0;

    while (tars_endpoint_next(&list, &one))
        count++;
    return count;
}

struct tars_endpoint *rpc_endpoint_cache_get(const struct rpc_endpoint_cache *cache,
                                             const char *object, const char *set, size_t *count)
{
    struct tars_endpoint *endpoints;
    struct tars_str list, one;
    char key[NAME_MAX_BYTES];
    const char *text;
    size_t most;

    *count = 0;
    if (!make_key(object, set, key) || !(text = value_of(cache->conf, key)))
        return NULL;
    most = count_endpoints(text);
    if (most == 0 || most > RPC_CACHE_ENDPOINTS_MAX)
        return NULL;
    endpoints = xcalloc(most, sizeof *endpoints);
    list = tars_str(text);
    while (tars_endpoint_next(&list, &one)) {
        if (tars_endpoint_parse(one, &endpoints[*count], NULL))
            (*count)++;
    }
    if (*count > 0)
        return endpoints;
    free(endpoints);
    return NULL;
}

/* Tars protocol: a weight of 0 is not printed, and one that is missing means 100; but who has the
 * weight 0 gets no calls. */
static char *print_list(const struct tars_endpoint *endpoints, size_t count)
{
    static const char no_calls[] = " -w 0";
    char *text = xmalloc(count * (TARS_ENDPOINT_TEXT + sizeof no_calls) + 1), *at = text;

    *at = '\0';
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *at++ = ':';
        at += tars_endpoint_print(&endpoints[i], at, TARS_ENDPOINT_TEXT);
        if (endpoints[i].weight_type != 0 && endpoints[i].weight <= 0)
            at = stpcpy(at, no_calls);
    }
    return text;
}

static bool write_file(const char *path, struct tars_str text, struct tars_error *error)
{
    char *temporary = xasprintf("%s.%d.tmp", path, (int)getpid());
    FILE *file = fopen(temporary, "we");
    bool ok = file && fwrite(text.at, 1, text.len, file) == text.len;

    ok = file && fclose(file) == 0 && ok;
    ok = ok && rename(temporary, path) == 0;
    if (!ok) {
        tars_fail(error, 1, "writing the endpoint cache %s: %s", path, strerror(errno));
        unlink(temporary);
    }
    free(temporary);
    return ok;
}

static void save(struct rpc_endpoint_cache *cache)
{
    struct tars_arena *arena = tars_arena_new(0);
    struct tars_error error = {0};
    struct tars_str text;
    char sum[CHECKSUM_TEXT];
    bool ok;

    checksum(cache->conf, sum);
    tars_conf_set(cache->conf, VERSION_PATH, "1");
    tars_conf_set(cache->conf, CHECKSUM_PATH, sum);
    ok = tars_conf_print(cache->conf, arena, &text, &error) &&
         write_file(cache->path, text, &error);
    if (!ok && !cache->warned)
        log_warn("client", "%s", error.text);
    cache->warned = !ok;
    tars_arena_free(arena);
}

void rpc_endpoint_cache_put(struct rpc_endpoint_cache *cache, const char *object, const char *set,
                            const struct tars_endpoint *endpoints, size_t count)
{
    char key[NAME_MAX_BYTES], path[NAME_MAX_BYTES + 64];
    const char *before;
    char *text;

    if (count == 0 || count > RPC_CACHE_ENDPOINTS_MAX || !make_key(object, set, key))
        return;
    text = print_list(endpoints, count);
    before = value_of(cache->conf, key);
    if (!before || strcmp(before, text) != 0) {
        snprintf(path, sizeof path, OBJECTS "<%s>", key);
        tars_conf_set(cache->conf, path, text);
        save(cache);
    }
    free(text);
}

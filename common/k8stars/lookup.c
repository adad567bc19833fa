/* SPDX-License-Identifier: BSD-3-Clause */
#include "lookup.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "k8stars/file.h"
#include "loop/loop.h"
#include "rpc/registry_query.h"

enum {
    TIMEOUT_MS = 1000,
    PAUSE_MS = 1000,
    PATIENCE_MS = 3000,
    FRESH_MS = 10000,
    ASKING_MAX = 8,
    TEXT_MAX = 64 * 1024,
};

struct lookup {
    struct loop *loop;
    struct tars_client *client;
    char *object;
    char *file; /* data/cache_<object> */
    struct tars_proxy *locator;
    struct rpc_registry_query *query;
    struct loop_timer pause;
    int64_t began;
    char *known; /* "object@endpoints" */
    int64_t known_since;
    struct {
        lookup_found *found;
        void *user;
    } asking[ASKING_MAX];
    size_t count;
};

/* data/cache_<object>, to be freed. The name is an image's: it is a file's there and nothing else.
 */
static char *file_of(const struct environment *environment, const char *object)
{
    char *name = xasprintf("cache_%s", object), *path;

    for (char *at = name; (at = strchr(at, '/'));)
        *at = '_';
    path = environment_file(environment, "data", name);
    free(name);
    return path;
}

struct lookup *lookup_new(struct loop *loop, struct tars_client *client,
                          const struct environment *environment, const char *locator,
                          const char *object)
{
    struct lookup *l = xcalloc(1, sizeof *l);

    l->loop = loop;
    l->client = client;
    l->object = xstrdup(object);
    l->file = file_of(environment, object);
    l->locator = tars_proxy_get(client, locator);
    return l;
}

void lookup_free(struct lookup *l)
{
    if (!l)
        return;
    rpc_registry_forget(l->query);
    loop_timer_clear(l->loop, &l->pause);
    free(l->known);
    free(l->file);
    free(l->object);
    free(l);
}

static void answer(struct lookup *l, const char *text, const char *reason)
{
    struct tars_proxy *proxy = text ? tars_proxy_get(l->client, text) : NULL;
    size_t count = l->count;
    struct lookup copy = *l;

    l->count = 0;
    for (size_t i = 0; i < count; i++)
        copy.asking[i].found(copy.asking[i].user, proxy, reason);
}

static void remember(struct lookup *l, char *text)
{
    struct tars_error error;

    l->known_since = clock_ms();
    if (l->known && strcmp(l->known, text) == 0) {
        free(text);
        return;
    }
    free(l->known);
    l->known = text;
    if (!file_write(l->file, tars_str(text), 0644, &error))
        log_warn("lookup", "%s", error.text);
}

/* "object@tcp -h H -p P -t T:…", to be freed. */
static char *print(const char *object, const struct tars_endpoint *endpoints, size_t count)
{
    char *text = xasprintf("%s@", object);

    for (size_t i = 0; i < count && strlen(text) < TEXT_MAX; i++) {
        char endpoint[TARS_ENDPOINT_TEXT], *longer;

        tars_endpoint_print(&endpoints[i], endpoint, sizeof endpoint);
        longer = xasprintf("%s%s%s", text, i ? ":" : "", endpoint);
        free(text);
        text = longer;
    }
    return text;
}

/* What an earlier tarscli found, when it is about this object and not older than that (-1: however
 * old); NULL when there is none. A time to come is that of a clock that was wrong. To be freed. */
static char *read_file(const struct lookup *l, int64_t age_ms)
{
    struct tars_object object;
    struct tars_error ignored;
    struct stat info;
    int64_t age;
    size_t len;
    char *text;

    if (stat(l->file, &info) != 0)
        return NULL;
    age = clock_wall_ms() - (int64_t)info.st_mtim.tv_sec * 1000;
    if (age_ms >= 0 && (age > age_ms || age < 0))
        return NULL;
    text = file_read(l->file, &len, &ignored);
    if (text && strlen(text) == len && tars_object_parse(tars_str(text), &object, &ignored) &&
        tars_str_is(object.name, l->object) && object.endpoints.len)
        return text;
    free(text);
    return NULL;
}

static void give_up(struct lookup *l, const char *reason)
{
    char *text = read_file(l, -1);

    if (text) {
        log_warn("lookup", "%s: %s; going on with what was known", l->object, reason);
        answer(l, text, NULL);
    } else {
        answer(l, NULL, reason);
    }
    free(text);
}

static void ask(struct loop_timer *timer);

static void on_answer(void *user, const char *error, const struct tars_endpoint *endpoints,
                      size_t count)
{
    struct lookup *l = user;
    const char *reason = error ? error : "the registry knows no active endpoint of it";
    char *text;

    l->query = NULL;
    if (!error && count) {
        text = print(l->object, endpoints, count);
        remember(l, text);
        answer(l, l->known, NULL);
    } else if (clock_ms() - l->began + PAUSE_MS < PATIENCE_MS) {
        loop_timer_set(l->loop, &l->pause, PAUSE_MS, ask);
    } else {
        give_up(l, reason);
    }
}

static void ask(struct loop_timer *timer)
{
    struct lookup *l = loop_container(timer, struct lookup, pause);

    l->query = rpc_registry_ask(l->locator, l->object, NULL, TIMEOUT_MS, on_answer, l);
}

void lookup_ask(struct lookup *l, lookup_found *found, void *user)
{
    char *text;

    if (l->count == ASKING_MAX) {
        found(user, NULL, "too many questions at once");
        return;
    }
    l->asking[l->count].found = found;
    l->asking[l->count++].user = user;
    if (strchr(l->object, '@')) {
        answer(l, l->object, NULL);
    } else if (l->known && clock_ms() - l->known_since < FRESH_MS) {
        answer(l, l->known, NULL);
    } else if ((text = read_file(l, FRESH_MS))) {
        answer(l, text, NULL);
        free(text);
    } else if (!l->query && !loop_timer_is_set(&l->pause)) {
        l->began = clock_ms();
        ask(&l->pause);
    }
}

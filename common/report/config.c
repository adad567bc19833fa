/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/config.h"

#include "base/log.h"
#include "base/xmalloc.h"
#include "report/config_file.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "Config.h"

enum { TRIES = 2, TRY_MS = 3000 };

/* A content that was handed out; the newest of a name stands first. */
struct loaded {
    struct loaded *next;
    char *name;
    size_t len;
    char *text;
};

struct report_config {
    _Atomic(struct tars_proxy *) proxy;
    const struct report_identity *identity;
    char *folder;
    void (*say)(void *user, bool failed, const char *text);
    void *user;
    pthread_mutex_t lock; /* one file at a time is stored; guards `loaded` */
    struct loaded *loaded;
};

struct report_config *report_config_new(struct tars_proxy *proxy,
                                        const struct report_identity *identity, const char *folder,
                                        void (*say)(void *user, bool failed, const char *text),
                                        void *user)
{
    struct report_config *config = xcalloc(1, sizeof(*config));

    config->proxy = proxy;
    config->identity = identity;
    config->folder = xstrdup(folder);
    config->say = say;
    config->user = user;
    pthread_mutex_init(&config->lock, NULL);
    return config;
}

void report_config_free(struct report_config *config)
{
    struct loaded *next;

    if (!config)
        return;
    for (struct loaded *loaded = config->loaded; loaded; loaded = next) {
        next = loaded->next;
        free(loaded->name);
        free(loaded->text);
        free(loaded);
    }
    pthread_mutex_destroy(&config->lock);
    free(config->folder);
    free(config);
}

struct tars_proxy *report_config_proxy(const struct report_config *config)
{
    return config->proxy;
}

void report_config_use(struct report_config *config, struct tars_proxy *proxy)
{
    config->proxy = proxy;
}

/* ---- asking the service ---------------------------------------------------------------------- */

/* What is asked for; `name` NULL: the list of names. */
struct question {
    enum report_config_owner owner;
    const char *name;
    struct tars_arena *arena;
};

static struct tarsf_config_info info_of(const struct report_identity *id, const struct question *q)
{
    struct tarsf_config_info info;

    tarsf_config_info_init(&info);
    info.appname = tars_str(id->app);
    info.servername = tars_str(q->owner == REPORT_CONFIG_APP ? "" : id->server);
    info.filename = tars_str(q->name);
    info.b_app_only = q->owner == REPORT_CONFIG_APP;
    info.setdivision = tars_str(id->division);
    return info;
}

/* Tars protocol: by application, server ("" for the application's files) and file; a server in a
 * set asks by its set as well. */
static struct tars_result ask(const struct report_config *config, const struct question *q,
                              struct tars_str *text)
{
    const struct report_identity *id = config->identity;
    struct tars_call_options options = {.timeout_ms = TRY_MS};
    struct tarsf_config_info info = info_of(id, q);

    if (*id->division)
        return tarsf_config_load_config_by_info_with(config->proxy, &options, &info, text,
                                                     q->arena);
    return tarsf_config_load_config_with(config->proxy, &options, info.appname, info.servername,
                                         info.filename, text, q->arena);
}

static struct tars_result ask_names(const struct report_config *config, const struct question *q,
                                    struct tars_str_list *names)
{
    const struct report_identity *id = config->identity;
    struct tars_call_options options = {.timeout_ms = TRY_MS};
    struct tarsf_config_info info = info_of(id, q);

    if (*id->division)
        return tarsf_config_list_config_by_info_with(config->proxy, &options, &info, names,
                                                     q->arena);
    return tarsf_config_list_config_with(config->proxy, &options, info.appname, info.servername,
                                         names, q->arena);
}

static bool succeeded(const struct tars_result *result, struct tars_error *error)
{
    if (result->error)
        return tars_fail(error, result->error, "%s", result->message);
    if (result->ret)
        return tars_fail(error, (int)result->ret, "the config service answered %lld",
                         (long long)result->ret);
    return true;
}

static bool fetch(const struct report_config *config, const struct question *q,
                  struct tars_str *text, struct tars_error *error)
{
    for (int i = 0; i < TRIES; i++) {
        struct tars_result result = ask(config, q, text);

        if (succeeded(&result, error))
            return true;
    }
    return false;
}

bool report_config_list(const struct report_config *config, struct tars_arena *arena,
                        struct tars_str_list *names, struct tars_error *error)
{
    struct question q = {.owner = REPORT_CONFIG_SERVER, .arena = arena};

    if (!config->proxy)
        return tars_fail(error, 1,
                         "listing configuration files: no config service is configured "
                         "(/tars/application/server<config>)");
    for (int i = 0; i < TRIES; i++) {
        struct tars_result result = ask_names(config, &q, names);

        if (succeeded(&result, error))
            return true;
    }
    return false;
}

/* Fetches and stores; false with the reason when the file on disk is to be used as it is. */
static bool renew(const struct report_config *config, enum report_config_owner owner,
                  const char *name, struct tars_error *error)
{
    struct tars_arena *arena = tars_arena_new(2 * (size_t)REPORT_CONFIG_MAX_BYTES);
    struct question q = {owner, name, arena};
    struct tars_str text = {0};
    bool renewed = fetch(config, &q, &text, error) &&
                   report_config_store(config->folder, name, text, error);

    tars_arena_free(arena);
    return renewed;
}

/* ---- what was handed out --------------------------------------------------------------------- */

/* Takes the text over. The same content again is the same text again. */
static struct tars_str keep(struct report_config *config, const char *name, char *text, size_t len)
{
    struct loaded *loaded = config->loaded;

    while (loaded && strcmp(loaded->name, name) != 0)
        loaded = loaded->next;
    if (loaded && loaded->len == len && memcmp(loaded->text, text, len) == 0) {
        free(text);
        return tars_str_n(loaded->text, len);
    }
    loaded = xcalloc(1, sizeof(*loaded));
    loaded->next = config->loaded;
    loaded->name = xstrdup(name);
    loaded->len = len;
    loaded->text = text;
    config->loaded = loaded;
    return tars_str_n(text, len);
}

static void tell(const struct report_config *config, bool failed, const char *outcome)
{
    if (failed)
        log_warn("report", "%s", outcome);
    config->say(config->user, failed, outcome);
}

struct tars_str report_config_load(struct report_config *config, enum report_config_owner owner,
                                   const char *name, char outcome[REPORT_CONFIG_OUTCOME])
{
    struct tars_error why = {0}, error = {0};
    struct tars_str content = {0};
    bool renewed = false;
    size_t len = 0;
    char *text;

    if (!report_config_name(name, &error)) {
        snprintf(outcome, REPORT_CONFIG_OUTCOME, "[fail] get remote config error:%.400s",
                 error.text);
        tell(config, true, outcome);
        return content;
    }
    pthread_mutex_lock(&config->lock);
    if (config->proxy)
        renewed = renew(config, owner, name, &why);
    text = report_config_read(config->folder, name, &len, &error);
    if (text)
        content = keep(config, name, text, len);
    pthread_mutex_unlock(&config->lock);

    if (renewed && text)
        snprintf(outcome, REPORT_CONFIG_OUTCOME, "[succ] get remote config:%s", name);
    else if (text)
        snprintf(outcome, REPORT_CONFIG_OUTCOME,
                 "[fail] get remote config:%sfail,use the local config: %.150s/%s", name,
                 config->folder, name);
    else
        snprintf(outcome, REPORT_CONFIG_OUTCOME, "[fail] get remote config '%s' error:%.280s", name,
                 *why.text ? why.text : error.text);
    if (config->proxy || !text)
        tell(config, !renewed, outcome);
    return content;
}

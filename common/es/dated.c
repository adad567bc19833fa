/* SPDX-License-Identifier: BSD-3-Clause */
#include "es/dated.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "es/client.h"
#include "es/template.h"

enum {
    PAUSE_MS = 60 * 60 * 1000,
    AGAIN_MS = 1000,
    AGAIN_LIMIT_MS = 60 * 1000,
    TIMEOUT_MS = 30 * 1000,
    DAY_DIGITS = 8,
    PRIORITY = 300 /* above the template of the prefix */
};

/* One look: each step is a request whose answer decides on the next. */
enum step {
    STEP_ALIAS,
    STEP_INDEX,
    STEP_TEMPLATE, /* with on_template, which puts it where that is needed */
    STEP_PUT_TEMPLATE,
    STEP_TODAY,
    STEP_MAPPING,
    STEP_ADD_ALIAS,
    STEP_LIST,
    STEP_DELETE,
    STEP_END
};

struct es_dated {
    struct es_client *client;
    struct es_dated_options options;
    char *name, *today;
    struct loop_timer timer;
    enum step step;
    bool busy, freed, told_foreign;
    int failed_in_a_row;
    cJSON *old; /* names to delete */
    struct es_dated_stats stats;
};

/* ---- days
 * ------------------------------------------------------------------------------------------ */

/* The day of the local zone, `before` days earlier, as a number: 20261127. */
static int day_of(int64_t wall_ms, int before)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    localtime_r(&seconds, &tm);
    tm.tm_mday -= before;
    tm.tm_hour = 12; /* far from where the clocks change */
    tm.tm_isdst = -1;
    mktime(&tm);
    return (tm.tm_year + 1900) * 10000 + (tm.tm_mon + 1) * 100 + tm.tm_mday;
}

static bool is_day(int day)
{
    struct tm tm = {.tm_year = day / 10000 - 1900,
                    .tm_mon = day / 100 % 100 - 1,
                    .tm_mday = day % 100,
                    .tm_hour = 12};
    struct tm same = tm;
    timegm(&same);
    return same.tm_mday == tm.tm_mday && same.tm_mon == tm.tm_mon && same.tm_year == tm.tm_year;
}

int es_dated_day(const char *name, const char *index)
{
    size_t len = strlen(name);
    int day = 0;
    if (strncmp(index, name, len) != 0 || strlen(index + len) != DAY_DIGITS || index[len] != '2')
        return 0;
    for (const char *p = index + len; *p; p++) {
        if (!isdigit((unsigned char)*p))
            return 0;
        day = day * 10 + (*p - '0');
    }
    return is_day(day) ? day : 0;
}

static void name_of_day(const struct es_dated *d, int day, char *to)
{
    snprintf(to, ES_DATED_NAME_MAX + 16, "%s%08d", d->name, day);
}

void es_dated_index(const struct es_dated *d, int64_t wall_ms, char *to)
{
    if (d->stats.foreign)
        snprintf(to, ES_DATED_NAME_MAX + 16, "%s", d->name);
    else
        name_of_day(d, day_of(wall_ms, 0), to);
}

/* ---- what is too old
 * ------------------------------------------------------------------------------- */

/* When the server made an index of its list, by the server's clock; 0: it does not say. */
static int64_t made_at(const cJSON *index)
{
    const cJSON *settings = cJSON_GetObjectItemCaseSensitive(index, "settings");
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(settings, "index");
    const char *date = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(inner, "creation_date"));
    return date ? strtoll(date, NULL, 10) : 0;
}

/*
 * The dated ones of a list that are too old, without the newest of all. Today's has just been made:
 * the latest time at which one was made is about the server's day, and if our clock has been set
 * ahead nothing goes for that.
 */
static cJSON *find_old(const struct es_dated *d, const cJSON *list)
{
    cJSON *old = cJSON_CreateArray();
    const cJSON *index;
    int64_t now = clock_wall_ms(), latest = 0;
    int newest = 0, limit;
    cJSON_ArrayForEach(index, list)
    {
        int day = es_dated_day(d->name, index->string);
        newest = day > newest ? day : newest;
        if (day && made_at(index) > latest)
            latest = made_at(index);
    }
    limit = day_of(latest && latest < now ? latest : now, d->options.keep_days);
    cJSON_ArrayForEach(index, list)
    {
        int day = es_dated_day(d->name, index->string);
        if (day && day < limit && day != newest)
            cJSON_AddItemToArray(old, cJSON_CreateString(index->string));
    }
    return old;
}

static bool may_delete(const struct es_dated *d)
{
    return d->options.keep_days > 0 && (!d->options.lease || es_lease_epoch(d->options.lease));
}

/* ---- the steps
 * -------------------------------------------------------------------------------------- */

static void take_step(struct es_dated *d);

static void on_timer(struct loop_timer *timer)
{
    struct es_dated *d = loop_container(timer, struct es_dated, timer);
    char today[ES_DATED_NAME_MAX + 16];
    name_of_day(d, day_of(clock_wall_ms(), 0), today);
    free(d->today);
    d->today = xstrdup(today);
    d->step = STEP_ALIAS;
    take_step(d);
}

static void look_again(struct es_dated *d, int64_t ms)
{
    cJSON_Delete(d->old);
    d->old = NULL;
    loop_timer_set(d->client->loop, &d->timer, ms, on_timer);
}

static void fail(struct es_dated *d, const struct tars_error *error)
{
    int64_t wait = (int64_t)AGAIN_MS << (d->failed_in_a_row < 6 ? d->failed_in_a_row : 6);
    wait = wait > AGAIN_LIMIT_MS ? AGAIN_LIMIT_MS : wait;
    d->stats.failures++;
    if (d->failed_in_a_row++ == 0)
        log_warn("es", "the indices of %s are not in order, trying again: %s", d->name,
                 error->text);
    look_again(d, wait / 2 + client_random((unsigned)wait / 2 + 1));
}

static void end_look(struct es_dated *d)
{
    bool first = !d->stats.ready;
    d->failed_in_a_row = 0;
    d->stats.ready = true;
    d->stats.looked_at = clock_ms();
    look_again(d, d->options.pause_ms);
    if (first && d->options.ready)
        d->options.ready(d->options.user);
}

static void found_foreign(struct es_dated *d)
{
    if (!d->told_foreign)
        log_warn("es",
                 "%s is an index or data stream of its own: records go into it, without days and "
                 "without retention, until it is removed",
                 d->name);
    d->told_foreign = true;
    d->stats.foreign = true;
    d->step = STEP_END;
}

static bool exists_already(const struct es_result *r)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(r->body, "error");
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(error, "type"));
    return type && strcmp(type, "resource_already_exists_exception") == 0;
}

static void deleted_one(struct es_dated *d, bool there)
{
    d->stats.deleted += there;
    if (there)
        log_info("es", "deleted %s: older than %d days", cJSON_GetArrayItem(d->old, 0)->valuestring,
                 d->options.keep_days);
    cJSON_DeleteItemFromArray(d->old, 0);
    d->step = cJSON_GetArraySize(d->old) && may_delete(d) ? STEP_DELETE : STEP_END;
}

/* Where to go from an answer; false when it is a failure. */
static bool advance(struct es_dated *d, const struct es_result *r)
{
    bool ok = r->status == ES_OK, missing = r->status == ES_MISSING;
    switch (d->step) {
    case STEP_ALIAS:
        d->step = ok ? STEP_TEMPLATE : STEP_INDEX;
        break;
    case STEP_INDEX:
        d->step = STEP_TEMPLATE;
        if (ok)
            found_foreign(d);
        break;
    case STEP_PUT_TEMPLATE:
        d->step = STEP_TODAY;
        return ok;
    case STEP_TODAY:
        d->step = ok ? STEP_ADD_ALIAS : STEP_MAPPING;
        return ok || exists_already(r);
    case STEP_MAPPING:
        if (!ok)
            log_warn("es", "the fields of %s could not be brought up to date: %s", d->today,
                     r->error.text);
        d->step = STEP_ADD_ALIAS;
        return ok || r->status == ES_REFUSED;
    case STEP_ADD_ALIAS:
        d->step = may_delete(d) ? STEP_LIST : STEP_END;
        return ok;
    case STEP_LIST:
        if (ok)
            d->old = find_old(d, r->body);
        d->step = cJSON_GetArraySize(d->old) && may_delete(d) ? STEP_DELETE : STEP_END;
        break;
    default:
        if (ok || missing)
            deleted_one(d, ok);
        break;
    }
    return ok || missing;
}

static void destroy(struct es_dated *d)
{
    cJSON_Delete(d->old);
    free(d->today);
    free(d->name);
    free(d);
}

static void ask(struct es_dated *d, const char *method, char *path, cJSON *body, es_done done);

static cJSON *wanted_template(const struct es_dated *d)
{
    cJSON *body = cJSON_CreateObject(), *inner = cJSON_CreateObject();
    char *pattern = xasprintf("%s2*", d->name);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "index_patterns"),
                         cJSON_CreateString(pattern));
    cJSON_AddNumberToObject(body, "priority", PRIORITY);
    cJSON_AddItemToObject(body, "template", inner);
    cJSON_AddItemToObject(
        inner, "settings",
        cJSON_Parse(d->options.settings ? d->options.settings : es_default_settings));
    cJSON_AddItemToObject(inner, "mappings", cJSON_Parse(d->options.mappings));
    cJSON_AddItemToObject(cJSON_AddObjectToObject(inner, "aliases"), d->name, cJSON_CreateObject());
    free(pattern);
    return body;
}

static char *template_path(const struct es_dated *d)
{
    char *template = xasprintf("%sdated", d->name),
         *path = es_path("_index_template", template, NULL);
    free(template);
    return path;
}

static void on_answer(void *user, const struct es_result *r)
{
    struct es_dated *d = user;
    d->busy = false;
    if (d->freed)
        destroy(d);
    else if (advance(d, r))
        take_step(d);
    else
        fail(d, &r->error);
}

/* A template that has all we need is left as operators made it. */
static void on_template(void *user, const struct es_result *r)
{
    struct es_dated *d = user;
    d->busy = false;
    if (d->freed) {
        destroy(d);
        return;
    }
    if (r->status != ES_OK && r->status != ES_MISSING) {
        fail(d, &r->error);
        return;
    }
    const cJSON *stored = r->status == ES_OK ? es_template_of(r->body) : NULL;
    cJSON *wanted = wanted_template(d), *body = es_template_merge(stored, wanted);
    cJSON_Delete(wanted);
    if (body) {
        d->step = STEP_PUT_TEMPLATE;
        ask(d, "PUT", template_path(d), body, on_answer);
    } else {
        d->step = STEP_TODAY;
        take_step(d);
    }
}

static void ask(struct es_dated *d, const char *method, char *path, cJSON *body, es_done done)
{
    d->busy = true;
    es_request(d->client, method, path, body, true, TIMEOUT_MS, done, d);
    free(path);
}

static cJSON *add_alias(const struct es_dated *d)
{
    cJSON *body = cJSON_CreateObject(), *action = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(body, "actions"), action);
    cJSON *add = cJSON_AddObjectToObject(action, "add");
    cJSON_AddStringToObject(add, "index", d->today);
    cJSON_AddStringToObject(add, "alias", d->name);
    return body;
}

static char *list_path(const struct es_dated *d)
{
    char *pattern = xasprintf("%s2", d->name), *encoded = es_path(pattern, NULL);
    char *path = xasprintf("%s*/_settings", encoded);
    free(pattern);
    free(encoded);
    return path;
}

static void take_step(struct es_dated *d)
{
    switch (d->step) {
    case STEP_ALIAS:
        return ask(d, "GET", es_path("_alias", d->name, NULL), NULL, on_answer);
    case STEP_INDEX:
        return ask(d, "HEAD", es_path(d->name, NULL), NULL, on_answer);
    case STEP_TEMPLATE:
        d->stats.foreign = d->told_foreign = false;
        return ask(d, "GET", template_path(d), NULL, on_template);
    case STEP_TODAY:
        return ask(d, "PUT", es_path(d->today, NULL), cJSON_CreateObject(), on_answer);
    case STEP_MAPPING:
        return ask(d, "PUT", es_path(d->today, "_mapping", NULL), cJSON_Parse(d->options.mappings),
                   on_answer);
    case STEP_ADD_ALIAS:
        return ask(d, "POST", xstrdup("/_aliases"), add_alias(d), on_answer);
    case STEP_LIST:
        return ask(d, "GET", list_path(d), NULL, on_answer);
    case STEP_DELETE:
        return ask(d, "DELETE", es_path(cJSON_GetArrayItem(d->old, 0)->valuestring, NULL), NULL,
                   on_answer);
    default:
        end_look(d);
    }
}

/* ---- for users
 * -------------------------------------------------------------------------------------- */

struct es_dated *es_dated_new(struct es_client *client, const struct es_dated_options *options)
{
    struct es_dated *d = xcalloc(1, sizeof *d);
    d->client = client;
    d->options = *options;
    d->name = xasprintf("%.*s", ES_DATED_NAME_MAX, options->name);
    if (!d->options.pause_ms)
        d->options.pause_ms = PAUSE_MS;
    loop_timer_set(client->loop, &d->timer, 0, on_timer);
    return d;
}

void es_dated_free(struct es_dated *d)
{
    if (!d)
        return;
    loop_timer_clear(d->client->loop, &d->timer);
    d->freed = true;
    if (!d->busy)
        destroy(d);
}

bool es_dated_is_foreign(const struct es_dated *d)
{
    return d->stats.foreign;
}

void es_dated_get_stats(const struct es_dated *d, struct es_dated_stats *stats)
{
    *stats = d->stats;
}

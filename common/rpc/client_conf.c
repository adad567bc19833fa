/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/client_conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/decimal.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "rpc/packet.h"

#define APPLICATION "/tars/application"

struct number_key {
    const char *name; /* NULL: not read from the file */
    size_t member;
    int32_t min, max, fallback;
};

#define MEMBER(name_) offsetof(struct rpc_client_conf, name_)

static const struct number_key numbers[] = {
    {"sync-invoke-timeout", MEMBER(sync_timeout_ms), 1, INT32_MAX, 3000},
    {"async-invoke-timeout", MEMBER(async_timeout_ms), 1, INT32_MAX, 5000},
    {"connect-timeout", MEMBER(connect_timeout_ms), 1, 600000, 1500},
    {"connect-retry-interval", MEMBER(connect_retry_ms), 1, 600000, 100},
    {"connect-retry-interval-max", MEMBER(connect_retry_max_ms), 1, 600000, 5000},
    {"refresh-endpoint-interval", MEMBER(refresh_ms), 5000, INT32_MAX, 60000},
    {NULL, MEMBER(refresh_failed_ms), 0, 0, 2000},
    {NULL, MEMBER(refresh_failing_ms), 0, 0, 30000},
    {NULL, MEMBER(refresh_empty_ms), 0, 0, 10000},
    {NULL, MEMBER(refresh_timeout_ms), 0, 0, 5000},
    {"keep-alive-interval", MEMBER(keep_alive_ms), 0, INT32_MAX, 0},
    {"asyncqueuecap", MEMBER(async_queue_cap), 10000, INT32_MAX, 100000},
    {"sendqueuelimit", MEMBER(send_queue_limit), 1, INT32_MAX, 100000},
    {"connections", MEMBER(connections), 1, 64, 1},
    {"max-response-size", MEMBER(response_limit), 1024, RPC_FRAME_LIMIT_MAX, RPC_FRAME_LIMIT_MAX},
    {"minTimeoutInvoke", MEMBER(breaker.min_timeout_invoke), 1, INT32_MAX, 1},
    {"frequenceFailInvoke", MEMBER(breaker.frequence_fail_invoke), 1, INT32_MAX, 1},
    {"maxConnectExc", MEMBER(breaker.max_connect_exc), 1, INT32_MAX, 1},
};

/* In the file in seconds, fractions allowed. */
static const struct number_key seconds[] = {
    {"checkTimeoutInterval", MEMBER(breaker.check_timeout_interval_ms), 1, 3600000, 5000},
    {"minFrequenceFailTime", MEMBER(breaker.min_frequence_fail_time_ms), 0, 3600000, 3000},
    {"tryTimeInterval", MEMBER(breaker.try_time_interval_ms), 1, 3600000, 5000},
};

#define COUNT_OF(array_) (sizeof(array_) / sizeof *(array_))

static const char *client_key(const struct tars_conf *conf, const char *name)
{
    char path[128];

    if (!conf || !name)
        return NULL;
    snprintf(path, sizeof path, APPLICATION "/client<%s>", name);
    return tars_conf_get(conf, path, NULL);
}

static double clamped(const char *name, const char *text, double value,
                      const struct number_key *key)
{
    double use = value < key->min ? key->min : value > key->max ? key->max : value;

    if (use < value || use > value)
        log_warn("client", "%s/client<%s>: %s is outside %d to %d; using %.0f", APPLICATION, name,
                 text, (int)key->min, (int)key->max, use);
    return use;
}

/* False when the key is missing or no number. */
static bool read_number(const struct tars_conf *conf, const char *name, double *value,
                        const char **text)
{
    char *end;

    *text = client_key(conf, name);
    if (!*text || !**text)
        return false;
    errno = 0;
    *value = decimal_double(*text, &end);
    if (errno == 0 && *end == '\0' && *value == *value)
        return true;
    log_warn("client", "%s/client<%s>: %s is not a number; using the default", APPLICATION, name,
             *text);
    return false;
}

static void read_key(struct rpc_client_conf *settings, const struct tars_conf *conf,
                     const struct number_key *key, double factor)
{
    int32_t *member = (int32_t *)(void *)((char *)settings + key->member);
    const char *text;
    double value;

    *member = key->fallback;
    if (read_number(conf, key->name, &value, &text))
        *member = (int32_t)clamped(key->name, text, value * factor, key);
}

static void read_numbers(struct rpc_client_conf *s, const struct tars_conf *conf)
{
    static const struct number_key share = {"radio", 0, 0, 1, 0};
    const char *text;
    double value;

    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        read_key(s, conf, &numbers[i], 1);
    for (size_t i = 0; i < COUNT_OF(seconds); i++)
        read_key(s, conf, &seconds[i], 1000);
    s->breaker.radio = rpc_breaker_defaults.radio;
    if (read_number(conf, "radio", &value, &text))
        s->breaker.radio = clamped("radio", text, value, &share);
    if (s->keep_alive_ms > 0 && s->keep_alive_ms < 5000)
        s->keep_alive_ms = 5000;
    if (s->connect_retry_max_ms < s->connect_retry_ms)
        s->connect_retry_max_ms = s->connect_retry_ms;
}

static const char *application_key(const struct tars_conf *conf, const char *name)
{
    char path[128];
    const char *value;

    snprintf(path, sizeof path, APPLICATION "%s", name);
    value = tars_conf_get(conf, path, NULL);
    return value && *value ? value : NULL;
}

static char *copy_or_null(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

/* Sets count when they are switched on and a division is given; the client domain may override. */
char *rpc_client_conf_set(const struct tars_conf *conf)
{
    const char *on = application_key(conf, "/client<enableset>");
    const char *set = application_key(conf, "/client<setdivision>");

    on = on ? on : application_key(conf, "<enableset>");
    set = set ? set : application_key(conf, "<setdivision>");
    if (!on || strcasecmp(on, "y") != 0 || !set || strcasecmp(set, "NULL") == 0)
        return NULL;
    return xstrdup(set);
}

static char *read_cache_file(const struct tars_conf *conf)
{
    const char *path = application_key(conf, "/server<datapath>");
    const char *app = application_key(conf, "/server<app>");
    const char *server = application_key(conf, "/server<server>");

    if (!path || !app || !server || strchr(app, '/') || strchr(server, '/'))
        return NULL;
    return xasprintf("%s/%s.%s.endpoints", path, app, server);
}

void rpc_client_conf_init(struct rpc_client_conf *s, const struct tars_conf *conf)
{
    const char *node;

    memset(s, 0, sizeof *s);
    read_numbers(s, conf);
    if (!conf)
        return;
    s->locator = copy_or_null(application_key(conf, "/client<locator>"));
    node = application_key(conf, "/server<nodename>");
    node = node ? node : application_key(conf, "/server<localip>");
    node = node ? node : application_key(conf, "/client<localip>");
    s->node_name = copy_or_null(node);
    s->set = rpc_client_conf_set(conf);
    s->cache_file = read_cache_file(conf);
}

void rpc_client_conf_clear(struct rpc_client_conf *s)
{
    free(s->locator);
    free(s->node_name);
    free(s->set);
    free(s->cache_file);
}

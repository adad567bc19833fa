/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "base/log.h"
#include "base/xmalloc.h"
#include "conf/number.h"

static const struct daemon_key frame_keys[] = {
    {.name = "address",
     .fallback = "127.0.0.1",
     .help = "where it listens, but for what a file sets by itself"},
    {.name = "http-address", .fallback = "127.0.0.1", .help = "where the HTTP port listens"},
    {.name = "http-port",
     .kind = DAEMON_PORT,
     .help = "port of /healthz, /readyz and /metrics, 0 for none"},
    {.name = "data", .fallback = "", .help = "folder for what has to stay; empty for the default"},
    {.name = "port-offset",
     .kind = DAEMON_INT,
     .fallback = "0",
     .min = -65535,
     .max = 65535,
     .help = "added to every port of this machine"},
    {.name = "log-level",
     .kind = DAEMON_CHOICE,
     .fallback = "INFO",
     .choices = "DEBUG|INFO|WARN|ERROR|NONE",
     .help = "lines below it are not written"},
    {.name = "open-files",
     .kind = DAEMON_INT,
     .fallback = "65536",
     .min = 64,
     .max = 1 << 20,
     .help = "limit to ask for, connections included"},
};

/* Of those with adapters whose calls change something. */
static const struct daemon_key auth_keys[] = {
    {.name = "auth",
     .kind = DAEMON_CHOICE,
     .fallback = "on",
     .choices = "on|off",
     .help = "off: everybody who reaches it may change everything, from other machines too"},
    {.name = "tokens",
     .fallback = "",
     .help = "file of tokens, one a line, mode 0600; without one of them nothing can be changed",
     .domain = "/tars/auth"},
};
enum {
    FRAME_KEYS = sizeof frame_keys / sizeof *frame_keys,
    AUTH_KEYS = sizeof auth_keys / sizeof *auth_keys
};

struct setting {
    struct daemon_key key;
    char *path;     /* "/tars/registry<http-port>" */
    char *variable; /* "TARS_REGISTRY_HTTP_PORT" */
    char *text;     /* the value in force */
    int64_t number; /* the same where it is one; a flag is 0 or 1 */
};

struct daemon_settings {
    const char *program;
    const char *domain;
    struct setting *at;
    size_t count;
    int64_t port_offset;
};

/* ---- names
 * --------------------------------------------------------------------------------------- */

/* "/tars/elk<nodes>": TARS_ELK_NODES. The whole path, as daemons may share one environment. */
static char *variable_name(const char *path)
{
    char *name = xstrndup(path + 1, strlen(path) - 2);
    for (char *c = name; *c; c++)
        *c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
    return name;
}

static void add_key(struct daemon_settings *settings, const struct daemon_key *key)
{
    struct setting *s = &settings->at[settings->count++];
    s->key = *key;
    s->path = xasprintf("%s<%s>", key->domain ? key->domain : settings->domain, key->name);
    s->variable = variable_name(s->path);
}

bool daemon_settings_has_auth(const struct daemon_info *info)
{
    for (size_t i = 0; i < info->adapter_count; i++)
        if (info->adapters[i].changes)
            return true;
    return false;
}

struct daemon_settings *daemon_settings_new(const struct daemon_info *info)
{
    struct daemon_settings *settings = xcalloc(1, sizeof *settings);
    settings->program = info->name;
    settings->domain = info->domain;
    settings->at = xcalloc(FRAME_KEYS + AUTH_KEYS + info->key_count, sizeof *settings->at);
    for (size_t i = 0; i < FRAME_KEYS; i++) {
        struct daemon_key key = frame_keys[i];
        if (strcmp(key.name, "http-port") == 0)
            key.port = info->http_port;
        add_key(settings, &key);
    }
    for (size_t i = 0; daemon_settings_has_auth(info) && i < AUTH_KEYS; i++)
        add_key(settings, &auth_keys[i]);
    for (size_t i = 0; i < info->key_count; i++)
        add_key(settings, &info->keys[i]);
    return settings;
}

void daemon_settings_free(struct daemon_settings *settings)
{
    if (!settings)
        return;
    for (size_t i = 0; i < settings->count; i++) {
        free(settings->at[i].path);
        free(settings->at[i].variable);
        free(settings->at[i].text);
    }
    free(settings->at);
    free(settings);
}

static struct setting *find(const struct daemon_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->count; i++)
        if (strcmp(settings->at[i].key.name, name) == 0)
            return &settings->at[i];
    return NULL;
}

/* ---- values of each kind
 * --------------------------------------------------------------------------- */

/* Each checks `text`, fills the setting, or prints what would be allowed. */
static bool take_text(struct setting *s, const char *text, char *allowed, size_t size)
{
    (void)allowed, (void)size;
    s->text = xstrdup(text);
    return true;
}

static bool take_int(struct setting *s, const char *text, char *allowed, size_t size)
{
    snprintf(allowed, size, "a whole number from %lld to %lld", (long long)s->key.min,
             (long long)s->key.max);
    if (!conf_number(tars_str(text), s->key.min, s->key.max, &s->number))
        return false;
    s->text = xasprintf("%lld", (long long)s->number);
    return true;
}

static bool take_port(struct setting *s, const char *text, char *allowed, size_t size)
{
    s->key.min = 0;
    s->key.max = UINT16_MAX;
    bool ok = take_int(s, text, allowed, size);
    snprintf(allowed, size, "a port from 1 to 65535, or 0");
    return ok;
}

static bool take_flag(struct setting *s, const char *text, char *allowed, size_t size)
{
    static const char *const words[][2] = {
        {"n", "y"}, {"no", "yes"}, {"off", "on"}, {"false", "true"}, {"0", "1"}};
    snprintf(allowed, size, "y or n");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (int value = 0; value <= 1; value++)
            if (strcasecmp(text, words[i][value]) == 0) {
                s->number = value;
                s->text = xstrdup(value ? "y" : "n");
                return true;
            }
    return false;
}

static bool take_choice(struct setting *s, const char *text, char *allowed, size_t size)
{
    snprintf(allowed, size, "one of %s", s->key.choices);
    for (const char *at = s->key.choices, *end; *at; at = *end ? end + 1 : end) {
        end = strchrnul(at, '|');
        if ((size_t)(end - at) == strlen(text) && strncasecmp(at, text, strlen(text)) == 0) {
            s->text = xstrndup(at, (size_t)(end - at));
            return true;
        }
    }
    return false;
}

static bool (*const takers[])(struct setting *, const char *, char *, size_t) = {
    [DAEMON_TEXT] = take_text, [DAEMON_INT] = take_int,       [DAEMON_PORT] = take_port,
    [DAEMON_FLAG] = take_flag, [DAEMON_CHOICE] = take_choice,
};

static bool take(struct setting *s, const char *text, const char *source, struct tars_error *error)
{
    char allowed[300] = "";
    free(s->text);
    s->text = NULL;
    if (takers[s->key.kind](s, text, allowed, sizeof allowed))
        return true;
    return tars_fail(error, DAEMON_USAGE, "%s is '%.100s', but must be %s", source, text, allowed);
}

/* ---- defaults
 * ---------------------------------------------------------------------------------------- */

static bool moved_port(const struct daemon_settings *settings, const struct setting *s, char *port,
                       size_t size, struct tars_error *error)
{
    int64_t moved = s->key.port ? s->key.port + settings->port_offset : 0;
    snprintf(port, size, "%lld", (long long)moved);
    if (s->key.port && (moved < 1 || moved > UINT16_MAX))
        return tars_fail(
            error, DAEMON_USAGE, "port offset %lld moves port %u (%s) to %lld, out of 1 to 65535",
            (long long)settings->port_offset, s->key.port, s->key.name, (long long)moved);
    return true;
}

static bool take_default(const struct daemon_settings *settings, struct setting *s,
                         struct tars_error *error)
{
    char port[24];
    const char *text = s->key.fallback ? s->key.fallback : "";
    if (!moved_port(settings, s, port, sizeof port, error))
        return false;
    if (s->key.kind == DAEMON_PORT)
        return take(s, port, s->path, error);
    const char *mark = s->key.port ? strstr(text, "$PORT") : NULL;
    if (!mark)
        return take(s, text, s->path, error);
    char *whole = xasprintf("%.*s%s%s", (int)(mark - text), text, port, mark + 5);
    bool ok = take(s, whole, s->path, error);
    free(whole);
    return ok;
}

/* ---- loading
 * ------------------------------------------------------------------------------------------- */

static const char *override_of(const struct setting *s, const struct daemon_overrides *overrides)
{
    if (strcmp(s->key.name, "data") == 0)
        return overrides->data;
    if (strcmp(s->key.name, "port-offset") == 0)
        return overrides->port_offset;
    return NULL;
}

static bool load_one(const struct daemon_settings *settings, struct setting *s,
                     const struct tars_conf *conf, const char *file,
                     const struct daemon_overrides *overrides, struct tars_error *error)
{
    char source[400];
    const char *text = override_of(s, overrides);
    if (text) {
        snprintf(source, sizeof source, "--%s", s->key.name);
        return take(s, text, source, error);
    }
    if ((text = getenv(s->variable)) != NULL) {
        snprintf(source, sizeof source, "environment variable %s", s->variable);
        return take(s, text, source, error);
    }
    if ((text = tars_conf_get(conf, s->path, NULL)) != NULL) {
        snprintf(source, sizeof source, "%s in %s", s->path, file ? file : "the configuration");
        return take(s, text, source, error);
    }
    return take_default(settings, s, error);
}

static bool is_own_key(const struct daemon_settings *settings, const char *name)
{
    const struct setting *s = find(settings, name);
    return s && (!s->key.domain || strcmp(s->key.domain, settings->domain) == 0);
}

static void warn_unknown(const struct daemon_settings *settings, const struct tars_conf *conf,
                         const char *file)
{
    const char *name;
    for (size_t i = 0; (name = tars_conf_key(conf, settings->domain, i)) != NULL; i++)
        if (!is_own_key(settings, name))
            log_warn(settings->program, "%s: unknown key %s<%s> is ignored (--help lists the keys)",
                     file, settings->domain, name);
    for (size_t i = 0; (name = tars_conf_domain(conf, settings->domain, i)) != NULL; i++)
        log_warn(settings->program, "%s: unknown domain %s/%s is ignored", file, settings->domain,
                 name);
}

bool daemon_settings_load(struct daemon_settings *settings, const struct tars_conf *conf,
                          const char *file, const struct daemon_overrides *overrides,
                          struct tars_error *error)
{
    struct setting *offset = find(settings, "port-offset");
    if (!load_one(settings, offset, conf, file, overrides, error))
        return false;
    settings->port_offset = offset->number; /* the defaults of the others need it */
    for (size_t i = 0; i < settings->count; i++)
        if (!load_one(settings, &settings->at[i], conf, file, overrides, error))
            return false;
    if (file)
        warn_unknown(settings, conf, file);
    return true;
}

/* ---- asking
 * -------------------------------------------------------------------------------------------- */

static void print_default(const struct daemon_key *key, FILE *out)
{
    if (key->kind == DAEMON_PORT)
        fprintf(out, " [%u]", key->port);
    else if (key->fallback && *key->fallback && !key->port)
        fprintf(out, " [%s]", key->fallback);
    else if (key->fallback && key->port)
        fprintf(out, " [%s, $PORT being %u]", key->fallback, key->port);
    if (key->kind == DAEMON_INT)
        fprintf(out, " (%lld to %lld)", (long long)key->min, (long long)key->max);
    if (key->kind == DAEMON_CHOICE)
        fprintf(out, " (%s)", key->choices);
}

void daemon_settings_help(const struct daemon_settings *settings, FILE *out)
{
    for (size_t i = 0; i < settings->count; i++) {
        const struct setting *s = &settings->at[i];
        fprintf(out, "  %s, %s\n      %s", s->path, s->variable, s->key.help);
        print_default(&s->key, out);
        fputc('\n', out);
    }
}

void daemon_settings_print_ports(const struct daemon_settings *settings, FILE *out)
{
    for (size_t i = 0; i < settings->count; i++) {
        const struct setting *s = &settings->at[i];
        bool http = strcmp(s->key.name, "http-port") == 0;
        if (s->key.kind == DAEMON_PORT && s->number)
            fprintf(out, "%s\t%s:%s\n", http ? "http" : s->key.name,
                    find(settings, http ? "http-address" : "address")->text, s->text);
    }
}

static const struct setting *must_find(const struct daemon_settings *settings, const char *name)
{
    const struct setting *s = find(settings, name);
    if (s && s->text)
        return s;
    log_error(settings->program, "the code asks for a key '%s' that its table lacks", name);
    abort();
}

const char *daemon_settings_text(const struct daemon_settings *settings, const char *key)
{
    return must_find(settings, key)->text;
}

int64_t daemon_settings_number(const struct daemon_settings *settings, const char *key)
{
    return must_find(settings, key)->number;
}

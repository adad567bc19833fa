/* SPDX-License-Identifier: BSD-3-Clause */
#include "generate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <tars/conf.h>
#include <tars/endpoint.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "k8stars/config.h"
#include "k8stars/file.h"
#include "k8stars/merge.h"

enum { MODE = 0644 };

static const char local_ip_macro[] = "${local_ip}", port_macro[] = "${random_port}",
                  namespace_macro[] = "${namespace}";

struct generating {
    const struct environment *environment;
    struct ports *ports;
    struct meta *meta;
    struct meta before; /* what server_info.yaml said */
    struct tars_error *error;
};

/* ---- metadata and environment -------------------------------------------------------------------
 */

static bool read_metadata(const struct environment *environment, struct meta *meta,
                          struct tars_error *error)
{
    char *path = environment_file(environment, "bin", "_server_meta.yaml");
    /* without it the environment may say all that is needed */
    bool ok = generate_read(path, meta, error) || error->code == ENOENT;

    free(path);
    return ok;
}

/* Who says what is missing? Most often the file is. */
static bool check_named(const struct environment *e, const struct meta *meta,
                        struct tars_error *error)
{
    const char *application = e->application ? e->application : meta->application;
    const char *server = e->server ? e->server : meta->server;
    const char *variable = *application ? "TARS_SERVER" : "TARS_APPLICATION";
    bool is_set = *application ? e->server != NULL : e->application != NULL;
    char *path;

    if (*application && *server)
        return true;
    path = environment_file(e, "bin", "_server_meta.yaml");
    if (is_set)
        tars_fail(error, 1, "application or server name can not be empty: %s is set to nothing",
                  variable);
    else
        tars_fail(error, 1,
                  "application or server name can not be empty: %s %s %s, and %s is not set", path,
                  access(path, F_OK) == 0 ? "does not say" : "does not exist: no",
                  *application ? "server" : "application", variable);
    free(path);
    return false;
}

bool generate_read(const char *path, struct meta *meta, struct tars_error *error)
{
    size_t len;
    char *text = file_read(path, &len, error);
    bool ok = text && (meta_read(meta, tars_str_n(text, len), error) ||
                       tars_fail_prefix(error, "%s: ", path));

    free(text);
    return ok;
}

static void apply_environment(struct generating *g)
{
    const struct environment *e = g->environment;
    struct meta *m = g->meta;

    m->application = e->application ? e->application : m->application;
    m->server = e->server ? e->server : m->server;
    m->set_id = e->set_id ? e->set_id : m->set_id;
    m->locator = e->locator ? e->locator : m->locator;
    m->endpoint_refresh = e->endpoint_refresh >= 0 ? e->endpoint_refresh : m->endpoint_refresh;
    m->local_ip = e->local_ip;
    m->tars_path = e->path;
}

/* An address or a name: what else a variable may hold by mistake, such as two addresses or a macro
 * that nobody replaced, would end in endpoints that nobody can listen on. */
static bool check_pod_ip(const char *text, struct tars_error *error)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    struct in6_addr v6;

    return strspn(text, letters) == strlen(text) || inet_pton(AF_INET6, text, &v6) == 1 ||
           tars_fail(error, 1,
                     "POD_IP: '%.60s' is no address: one is wanted, as the field status.podIP of "
                     "the pod has it",
                     text);
}

static bool check(struct generating *g)
{
    const struct environment *e = g->environment;

    return meta_check(g->meta, g->error) && check_pod_ip(e->local_ip, g->error) &&
           meta_check_text("TARS_PATH", e->path, g->error) &&
           meta_check_text("TARS_NAMESPACE", e->namespace_name, g->error) &&
           (!e->build_server || meta_check_name("TARS_BUILD_SERVER", e->build_server, g->error));
}

/* ---- macros -------------------------------------------------------------------------------------
 */

/* `text` with each `macro` replaced; in meta's arena where that changes anything. */
static const char *replace(struct meta *meta, const char *text, const char *macro,
                           const char *value)
{
    const char *at = strstr(text, macro), *done;
    char *buffer = NULL;
    size_t len = 0;
    FILE *out;

    if (!at)
        return text;
    out = open_memstream(&buffer, &len);
    for (; at; text = at + strlen(macro), at = strstr(text, macro))
        fprintf(out, "%.*s%s", (int)(at - text), text, value);
    fputs(text, out);
    fclose(out);
    done = tars_arena_copy(meta->arena, tars_str_n(buffer, len)).at;
    free(buffer);
    return done;
}

/* The port that the same endpoint had before; 0: none. */
static uint16_t port_before(const struct generating *g, const char *object)
{
    const char *text = object ? NULL : g->before.local;
    struct tars_endpoint endpoint;
    struct tars_error ignored;

    for (size_t i = 0; object && i < g->before.adapter_count; i++)
        if (strcmp(g->before.adapters[i].object, object) == 0)
            text = g->before.adapters[i].endpoint;
    return text && tars_endpoint_parse(tars_str(text), &endpoint, &ignored) ? endpoint.port : 0;
}

/* `object` NULL: the local endpoint. */
static bool expand_endpoint(struct generating *g, const char *object, const char **text)
{
    struct tars_endpoint endpoint;
    const char *with_ip = replace(g->meta, *text, local_ip_macro, g->environment->local_ip);
    uint16_t port;

    if (!tars_endpoint_parse(tars_str(replace(g->meta, with_ip, port_macro, "1")), &endpoint,
                             g->error))
        return tars_fail_prefix(g->error, "endpoint of %s: ", object ? object : "local");
    if (!strstr(with_ip, " -h "))
        return tars_fail(g->error, 1, "endpoint of %s: '%.100s' has no host (-h)",
                         object ? object : "local", with_ip);
    *text = with_ip;
    if (!strstr(with_ip, port_macro))
        return true;
    if (!ports_take(g->ports, endpoint.transport, endpoint.host, port_before(g, object), &port,
                    g->error))
        return false;
    *text = replace(g->meta, with_ip, port_macro,
                    tars_arena_printf(g->meta->arena, "%u", (unsigned)port));
    return true;
}

static bool check_locator(const char *locator, struct tars_error *error)
{
    struct tars_object object;
    struct tars_endpoint endpoint;
    struct tars_str text;

    if (!tars_object_parse(tars_str(locator), &object, error))
        return false;
    if (!object.endpoints.len)
        return tars_fail(error, 1, "there is no '@' with the registry's endpoints behind it");
    while (tars_endpoint_next(&object.endpoints, &text))
        if (!tars_endpoint_parse(text, &endpoint, error))
            return false;
    return true;
}

static bool expand_locator(struct generating *g)
{
    struct meta *m = g->meta;

    m->locator = replace(m, m->locator, namespace_macro, g->environment->namespace_name);
    return check_locator(m->locator, g->error) ||
           tars_fail_prefix(g->error, "locator '%.150s': ", m->locator);
}

/* Heartbeats come to our supervisor unless the metadata names another node. A start script's
 * genconf repeats what the supervisor wrote; without a supervisor nobody would listen. */
static void choose_node(struct generating *g)
{
    struct meta *m = g->meta;
    struct tars_error none;
    uint16_t port = (uint16_t)g->before.heartbeat_port;

    m->heartbeat_port = 0;
    if (*m->node || !environment_wants_heartbeats(g->environment))
        return;
    if (g->environment->supervises &&
        !ports_take(g->ports, TARS_TCP, "127.0.0.1", port, &port, &none))
        return; /* the server's own ports are more important */
    if (!port || (!g->environment->supervises && !g->environment->held_ports))
        return;
    m->heartbeat_port = port;
    m->node = tars_arena_printf(m->arena, "tars.tarsnode.ServerObj@tcp -h 127.0.0.1 -p %u -t 60000",
                                (unsigned)port);
}

/* A port that an endpoint names itself is not for those that take any. */
static void avoid_named(struct generating *g, const char *text)
{
    struct tars_endpoint endpoint;
    struct tars_error ignored;

    if (!strstr(text, port_macro) &&
        tars_endpoint_parse(tars_str(replace(g->meta, text, local_ip_macro, "0.0.0.0")), &endpoint,
                            &ignored) &&
        endpoint.port)
        ports_avoid(g->ports, endpoint.port);
}

static bool expand(struct generating *g)
{
    for (size_t i = 0; i < g->meta->adapter_count; i++)
        avoid_named(g, g->meta->adapters[i].endpoint);
    avoid_named(g, g->meta->local);
    for (size_t i = 0; i < g->meta->adapter_count; i++)
        if (!expand_endpoint(g, g->meta->adapters[i].object, &g->meta->adapters[i].endpoint))
            return false;
    if (!expand_locator(g) || !expand_endpoint(g, NULL, &g->meta->local))
        return false;
    choose_node(g);
    return true;
}

/* ---- files --------------------------------------------------------------------------------------
 */

/* The merge file may name another node; then nothing comes to us. */
static bool heed_merged_node(const struct generating *g, struct tars_str text)
{
    struct tars_conf *conf = tars_conf_parse(text, g->error);
    const char *node;

    if (!conf)
        return tars_fail_prefix(g->error, "with it the configuration cannot be read: ");
    node = tars_conf_get(conf, "/tars/application/server<node>", "");
    if (strcmp(node, g->meta->node) != 0) {
        g->meta->node = tars_arena_copy(g->meta->arena, tars_str(node)).at;
        g->meta->heartbeat_port = 0;
    }
    tars_conf_free(conf);
    return true;
}

static bool merge(const struct generating *g, struct tars_str *text)
{
    const char *path = g->environment->merge_conf;
    size_t len;
    char *over;
    bool ok;

    if (!path)
        return true;
    over = file_read(path, &len, g->error);
    if (!over)
        return tars_fail_prefix(g->error, "TARS_MERGE_CONF: ");
    ok = (merge_texts(*text, tars_str_n(over, len), g->meta->arena, text, g->error) &&
          heed_merged_node(g, *text)) ||
         tars_fail_prefix(g->error, "%s: ", path);
    free(over);
    return ok;
}

static bool write_file(const struct generating *g, const char *folder, const char *name,
                       struct tars_str text)
{
    char *path = environment_file(g->environment, folder, name);
    bool ok = file_write(path, text, MODE, g->error);

    free(path);
    return ok;
}

bool generate_write(const struct environment *environment, struct meta *meta,
                    struct tars_error *error)
{
    const struct generating g = {environment, NULL, meta, {0}, error};
    const char *base = environment->build_server ? environment->build_server : meta->server;
    struct tars_str text;

    return config_print(meta, &text, error) && merge(&g, &text) &&
           write_file(&g, "conf", tars_arena_printf(meta->arena, "%s.conf", base), text) &&
           write_file(&g, "data", "server_info.yaml", meta_print_info(meta));
}

bool generate_settle(const struct environment *environment, struct ports *ports, struct meta *meta,
                     struct tars_error *error)
{
    struct generating g = {environment, ports, meta, {0}, error};
    struct tars_error ignored;
    bool ok;

    if (!generate_load(environment, &g.before, &ignored)) {
        meta_free(&g.before); /* there is none yet, or it cannot be used */
        meta_init(&g.before);
    }
    apply_environment(&g);
    ok = check(&g) && expand(&g);
    meta_free(&g.before);
    return ok;
}

bool generate(const struct environment *environment, struct ports *ports, struct meta *meta,
              struct tars_error *error)
{
    meta_init(meta);
    return read_metadata(environment, meta, error) && check_named(environment, meta, error) &&
           generate_settle(environment, ports, meta, error) &&
           generate_write(environment, meta, error);
}

static void hold(struct ports *ports, const char *text)
{
    struct tars_endpoint endpoint;
    struct tars_error ignored;

    if (tars_endpoint_parse(tars_str(text), &endpoint, &ignored) && endpoint.port)
        ports_avoid(ports, endpoint.port);
}

void generate_hold(const struct meta *meta, struct ports *ports)
{
    for (size_t i = 0; i < meta->adapter_count; i++)
        hold(ports, meta->adapters[i].endpoint);
    hold(ports, meta->local);
    if (meta->heartbeat_port)
        ports_avoid(ports, (uint16_t)meta->heartbeat_port);
}

bool generate_load(const struct environment *environment, struct meta *meta,
                   struct tars_error *error)
{
    char *path = environment_file(environment, "data", "server_info.yaml");
    size_t len;
    char *text = file_read(path, &len, error);
    bool ok;

    meta_init(meta);
    ok = text && (meta_read_info(meta, tars_str_n(text, len), error) ||
                  tars_fail_prefix(error, "%s: ", path));
    free(text);
    free(path);
    return ok;
}

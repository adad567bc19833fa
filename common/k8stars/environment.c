/* SPDX-License-Identifier: BSD-3-Clause */
#include "environment.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "conf/number.h"
#include "k8stars/duration.h"

enum { PORT_MAX = 65535 };

enum kind {
    TEXT,         /* may be set to nothing */
    TEXT_OR_NONE, /* empty is as good as not set */
    NUMBER,
    PORT, /* what is none is ignored */
    TIME, /* empty is as good as not set */
    TIME_NOT_ZERO,
};

static const struct variable {
    const char *name;
    enum kind kind;
    size_t offset;
    unsigned used_by;
    const char *fallback; /* text of the default; NULL: none */
    const char *about;
} variables[] = {
#define ROW(name_, kind_, member_, used_by_, fallback_, about_)                                    \
    {                                                                                              \
        name_, kind_, offsetof(struct environment, member_), used_by_, fallback_, about_           \
    }
    ROW("TARS_PATH", TEXT_OR_NONE, path, USED_BY_ALL, "/tars", "work folder"),
    ROW("POD_IP", TEXT_OR_NONE, pod_ip, USED_BY_GENCONF | USED_BY_SUPERVISOR, NULL,
        "node name and address to listen on; else this machine's"),
    ROW("TARS_NAMESPACE", TEXT_OR_NONE, namespace_name, USED_BY_GENCONF | USED_BY_SUPERVISOR,
        "tars-system", "${namespace} in the locator"),
    ROW("TARS_RAND_PORT_MIN", PORT, port_min, USED_BY_GENCONF | USED_BY_SUPERVISOR, "13000",
        "first port for ${random_port}"),
    ROW("TARS_RAND_PORT_MAX", PORT, port_max, USED_BY_GENCONF | USED_BY_SUPERVISOR, "16000",
        "last port for ${random_port}"),
    ROW("TARS_APPLICATION", TEXT, application, USED_BY_GENCONF | USED_BY_SUPERVISOR, NULL,
        "instead of the metadata's application"),
    ROW("TARS_SERVER", TEXT, server, USED_BY_GENCONF | USED_BY_SUPERVISOR, NULL,
        "instead of the metadata's server"),
    ROW("TARS_BUILD_SERVER", TEXT_OR_NONE, build_server, USED_BY_GENCONF | USED_BY_SUPERVISOR, NULL,
        "name of the configuration file; else the server's"),
    ROW("TARS_SET_ID", TEXT, set_id, USED_BY_GENCONF | USED_BY_SUPERVISOR, NULL,
        "instead of the metadata's set_id"),
    ROW("TARS_LOCATOR", TEXT, locator, USED_BY_GENCONF | USED_BY_SUPERVISOR, NULL,
        "instead of the metadata's locator"),
    ROW("TARS_MERGE_CONF", TEXT_OR_NONE, merge_conf, USED_BY_GENCONF | USED_BY_SUPERVISOR, NULL,
        "file merged over the configuration; ${env:NAME} in its values is replaced"),
    ROW("TARS_EP_UPTIME", NUMBER, endpoint_refresh, USED_BY_GENCONF | USED_BY_SUPERVISOR, NULL,
        "refresh-endpoint-interval in milliseconds"),
    ROW("TARS_START_PATH", TEXT_OR_NONE, start_path, USED_BY_SUPERVISOR, NULL,
        "command line that starts the server; else $TARS_PATH/bin/start.sh"),
    ROW("TARS_STOP_PATH", TEXT_OR_NONE, stop_path, USED_BY_SUPERVISOR, NULL,
        "command line before a restart"),
    ROW("TARS_REPORT_INTERVAL", TIME_NOT_ZERO, report_interval,
        USED_BY_SUPERVISOR | USED_BY_HZCHECK, "30s",
        "an unchanged state is written again so often; hzcheck accepts twice this age"),
    ROW("TARS_KEEPALIVE_INTERVAL", TIME_NOT_ZERO, keep_alive_interval,
        USED_BY_SUPERVISOR | USED_BY_PRESTOP, "3s",
        "the registry is told so often, never less often than TARS_REPORT_INTERVAL"),
    ROW("TARS_DISABLE_FLOW", TEXT_OR_NONE, disable_flow, USED_BY_SUPERVISOR, NULL,
        "anything: registered without traffic"),
    ROW("TARS_CHECK_INTERVAL", TIME_NOT_ZERO, check_interval, USED_BY_SUPERVISOR, "10s",
        "the ports are looked at so often"),
    ROW("TARS_CHECK_RETRY_TIMEOUT", TIME, check_retry, USED_BY_SUPERVISOR, "5s",
        "a port may fail so long before it counts"),
    ROW("TARS_BEFORE_CHECK_SCRIPT", TEXT_OR_NONE, before_check_script, USED_BY_SUPERVISOR, NULL,
        "command line before the start and before every check"),
    ROW("TARS_CHECK_SCRIPT_TIMEOUT", TIME_NOT_ZERO, check_script_timeout, USED_BY_SUPERVISOR, "2s",
        "after which that script is killed"),
    ROW("TARS_PRESTOP_WAITTIME", TIME, prestop_wait, USED_BY_SUPERVISOR | USED_BY_PRESTOP, "80s",
        "drain time"),
    ROW("TARS_ACTIVATING_TIMEOUT", TIME_NOT_ZERO, activating_timeout, USED_BY_SUPERVISOR, "300s",
        "longest start, after which the state is inactive"),
    ROW("TARS_STOP_TIMEOUT", TIME, stop_timeout, USED_BY_SUPERVISOR, "10s",
        "what the server gets to end after AdminObj's shutdown, at least its deactivating-timeout"),
    ROW("TARS_RESTART_SPACING", TIME, restart_spacing, USED_BY_SUPERVISOR, "0",
        "least time between two starts; 5m is K8STARS' own rule"),
    ROW("TARS_CHECK_PING", TEXT_OR_NONE, ping, USED_BY_SUPERVISOR, NULL,
        "anything: servants of protocol tars must answer tars_ping"),
    ROW("TARS_HEARTBEAT", TEXT_OR_NONE, heartbeat, USED_BY_GENCONF | USED_BY_SUPERVISOR, "on",
        "off: the server's configuration names no node to report to"),
    ROW("TARS_HEARTBEAT_TIMEOUT", TIME_NOT_ZERO, heartbeat_timeout, USED_BY_SUPERVISOR, "60s",
        "a server that sent heartbeats and sends none for so long hangs and is restarted"),
    ROW("TARS_FAILOVER", TEXT_OR_NONE, failover, USED_BY_SUPERVISOR, "on",
        "off: calls are not passed on to other instances while the server is down after a crash"),
    ROW("TARS_REGISTRY_TOKEN_FILE", TEXT_OR_NONE, token_file, USED_BY_SUPERVISOR | USED_BY_PRESTOP,
        NULL, "file whose first line is the token for the registry"),
    ROW("SERVER_VERSION", TEXT, version, USED_BY_SUPERVISOR, "", "version sent with registration"),
    ROW("TARS_SYNC_DIRECTORY", TEXT_OR_NONE, sync_source, USED_BY_SYNCDIR, NULL, "source"),
    ROW("TARS_SYNC_TARGET_DIRECTORY", TEXT_OR_NONE, sync_target, USED_BY_SYNCDIR, NULL,
        "target; else $TARS_PATH/bin"),
    ROW("TARSCLI_PORTS", TEXT_OR_NONE, held_ports, USED_BY_GENCONF, NULL,
        "set by the supervisor: ports it holds for its server"),
#undef ROW
};
enum { VARIABLES = sizeof variables / sizeof *variables };

/* ---- values ---------------------------------------------------------------------------------- */

static bool parse_number(const char *text, int32_t *number)
{
    int64_t value;

    if (!conf_number(tars_str(text), 0, INT32_MAX, &value))
        return false;
    *number = (int32_t)value;
    return true;
}

static bool set_time(const struct variable *v, const char *text, int64_t *ms,
                     struct tars_error *error)
{
    if (!duration_parse(text, ms, error))
        return tars_fail_prefix(error, "%s: ", v->name);
    if (*ms < 0 || (*ms == 0 && v->kind == TIME_NOT_ZERO))
        return tars_fail(error, 1, "%s: '%.60s' must be %s", v->name, text,
                         v->kind == TIME ? "0 or more" : "more than 0");
    return true;
}

static bool set_value(const struct variable *v, const char *text, void *member,
                      struct tars_error *error)
{
    int32_t number;

    switch (v->kind) {
    case TEXT:
    case TEXT_OR_NONE:
        *(const char **)member = text;
        return true;
    case TIME:
    case TIME_NOT_ZERO:
        return set_time(v, text, member, error);
    case PORT:
        if (parse_number(text, &number) && number > 0 && number <= PORT_MAX)
            *(int32_t *)member = number;
        return true;
    default:
        return parse_number(text, member) ||
               tars_fail(error, 1, "%s: '%.60s' is no number", v->name, text);
    }
}

static bool read_variable(struct environment *e, const struct variable *v, struct tars_error *error)
{
    const char *text = getenv(v->name);
    void *member = (char *)e + v->offset;

    if (v->fallback && !set_value(v, v->fallback, member, error))
        return false;
    if (text && *text == '\0' && v->kind != TEXT && v->kind != NUMBER)
        text = NULL;
    return !text || set_value(v, text, member, error);
}

/* ---- this machine's address ---------------------------------------------------------------------
 */

/* The address from which the kernel would reach 10.0.0.1; nothing is sent. */
static void find_local_ip(char *text, size_t size)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(9)}, here = {0};
    socklen_t len = sizeof here;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, "10.0.0.1", &there.sin_addr);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&there, sizeof there) == 0)
        getsockname(fd, (struct sockaddr *)&here, &len);
    if (fd >= 0)
        close(fd);
    inet_ntop(AF_INET, &here.sin_addr, text, (socklen_t)size); /* 0.0.0.0 when there is none */
}

bool environment_read(struct environment *e, unsigned used_by, struct tars_error *error)
{
    *e = (struct environment){.endpoint_refresh = -1,
                              .supervises = (used_by & USED_BY_SUPERVISOR) != 0};
    for (size_t i = 0; i < VARIABLES; i++)
        if ((variables[i].used_by & used_by) && !read_variable(e, &variables[i], error))
            return false;
    if (e->port_min > e->port_max)
        return tars_fail(error, 1, "TARS_RAND_PORT_MIN %d is more than TARS_RAND_PORT_MAX %d",
                         (int)e->port_min, (int)e->port_max);
    if (e->pod_ip && strlen(e->pod_ip) >= sizeof e->local_ip)
        return tars_fail(error, 1, "POD_IP: '%.60s…' is no address", e->pod_ip);
    if (e->pod_ip)
        memcpy(e->local_ip, e->pod_ip, strlen(e->pod_ip) + 1);
    else
        find_local_ip(e->local_ip, sizeof e->local_ip);
    if (e->keep_alive_interval > e->report_interval && e->report_interval > 0)
        e->keep_alive_interval = e->report_interval;
    return true;
}

static bool is_on(const char *text)
{
    static const char *const no[] = {"off", "n", "no", "false", "0"};

    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (strcasecmp(text, no[i]) == 0)
            return false;
    return true;
}

bool environment_wants_heartbeats(const struct environment *e)
{
    return is_on(e->heartbeat);
}

bool environment_wants_failover(const struct environment *e)
{
    return is_on(e->failover);
}

char *environment_file(const struct environment *e, const char *folder, const char *name)
{
    return xasprintf("%s/%s/%s", e->path, folder, name);
}

void environment_print(FILE *out, unsigned used_by)
{
    static const char *const kinds[] = {
        [TEXT] = "string", [TEXT_OR_NONE] = "string", [NUMBER] = "int",
        [PORT] = "int",    [TIME] = "duration",       [TIME_NOT_ZERO] = "duration",
    };

    for (size_t i = 0; i < VARIABLES; i++) {
        const struct variable *v = &variables[i];

        if (!(v->used_by & used_by))
            continue;
        fprintf(out, "  %s (%s)\n      %s", v->name, kinds[v->kind], v->about);
        if (v->fallback && *v->fallback)
            fprintf(out, " (default: %s)", v->fallback);
        fputc('\n', out);
    }
}

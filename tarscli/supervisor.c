/* SPDX-License-Identifier: BSD-3-Clause */
/* tarscli supervisor: starts the server, watches it, reports it, and takes it down in order. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "AdminF.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "k8stars/checks.h"
#include "command.h"
#include "cpus.h"
#include "k8stars/drain.h"
#include "k8stars/failover.h"
#include "k8stars/file.h"
#include "k8stars/generate.h"
#include "k8stars/heartbeats.h"
#include "k8stars/reporter.h"
#include "k8stars/status.h"
#include "logfile.h"
#include "loop/loop.h"

enum {
    LOOK_MS = 1000, /* how often data/stop and server_info.yaml are looked at */
    TERM_MS = 3000,
    SHUTDOWN_TIMEOUT_MS = 1000,
    GOODBYE_MS = 1500,
    OUTPUT_BYTES = 10 << 20,
    OUTPUT_OLD = 5,
    TAIL_BYTES = 64 * 1024,
    STOP_PATH_MS = 30000,
    STEPS = 2,
};

struct supervision {
    struct loop *loop;
    const struct environment *environment;
    int console; /* what stderr was: the container's log */
    struct ports *ports;
    struct meta *meta;
    struct registry *registry;
    struct reporter *reporter;
    struct failover *failover;
    struct heartbeats *heartbeats; /* NULL: none come */
    struct supervisor *sup;
    struct sup_server *server;
    struct sup_task *script; /* before a check */
    struct loop_timer look, check, goodbye;
    struct drain *drain;
    struct timespec info_time; /* of server_info.yaml */
    int64_t began;
    unsigned launches;
    bool launched, ending, marked;
    char *log, *start_log, *state_folder, *stop_mark, *start_script;
    const char *variables[3];
    char *gomaxprocs, *held_ports;
};

/* ---- messages ----------------------------------------------------------------------------------
 */

static void tell(struct supervision *s, const char *what, const char *detail)
{
    char *text = xasprintf("%s%s%s", what, *detail ? ": " : "", detail);

    log_info("supervisor", "%s", text);
    registry_tell(s->registry, text);
    free(text);
}

static void print_tail(struct supervision *s)
{
    size_t len;
    char *tail = sup_tail(s->server, &len);

    for (size_t done = 0; done < len;) {
        ssize_t put = write(s->console, tail + done, len - done);

        if (put < 0 && errno != EINTR)
            break;
        done += put > 0 ? (size_t)put : 0;
    }
    free(tail);
}

/* ---- what the server is
 * -------------------------------------------------------------------------- */

static void shut_down(void *user, struct sup_server *server);
static void prepare(void *user, struct sup_server *server);
static void ping(void *user, struct sup_server *server, struct sup_probe *probe);

/* Can the file be run as it is, without a shell? */
static bool runs_by_itself(const char *path)
{
    FILE *file = access(path, X_OK) == 0 ? fopen(path, "re") : NULL;
    char begin[5] = "";
    bool runs = file && fread(begin, 1, 4, file) == 4 &&
                (strncmp(begin, "#!", 2) == 0 || strcmp(begin, "\177ELF") == 0);

    if (file)
        fclose(file);
    return runs;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Describes the server as meta has it; false with the reason. */
static bool describe(struct supervision *s, struct sup_spec *spec, const char *argv[2],
                     struct sup_step steps[STEPS], struct tars_error *error)
{
    const struct environment *e = s->environment;
    const char *command = e->start_path ? e->start_path : s->start_script;

    argv[0] = command;
    argv[1] = NULL;
    steps[0] = (struct sup_step){.kind = SUP_STEP_CALL,
                                 .ms = larger(e->stop_timeout, s->meta->deactivating_timeout),
                                 .call = shut_down};
    steps[1] = (struct sup_step){.kind = SUP_STEP_SIGNAL, .ms = TERM_MS, .number = SIGTERM};
    *spec = (struct sup_spec){
        .name = s->meta->server,
        .launch = {.env_add = s->variables},
        .output = {.kind = SUP_OUTPUT_CAPTURE,
                   .path = s->start_log,
                   .rotate_bytes = OUTPUT_BYTES,
                   .keep = OUTPUT_OLD,
                   .tail_bytes = TAIL_BYTES},
        .activating_ms = e->activating_timeout,
        .backoff = {.spacing_ms = e->restart_spacing},
        .stop = steps,
        .stop_count = STEPS,
        .prepare = prepare,
        .user = s,
    };
    if (runs_by_itself(command))
        spec->launch.argv = argv;
    else
        spec->launch.command = command;
    return checks_make(e, s->meta, ping, &spec->checks, &spec->check_count, error);
}

static void ping(void *user, struct sup_server *server, struct sup_probe *probe)
{
    const struct supervision *s = user;

    (void)server;
    checks_ping(s->registry, s->meta, probe);
}

/* ---- before a launch
 * ------------------------------------------------------------------------------ */

static void launch_server(struct supervision *s)
{
    failover_yield(s->failover);
    sup_prepared(s->server, true, NULL);
}

static void on_prepared(void *user, const struct sup_task_end *end)
{
    struct supervision *s = user;

    if (!end->ok)
        log_warn("supervisor", "the script before the start %s", end->text);
    launch_server(s);
}

static void run_before_script(struct supervision *s)
{
    const struct environment *e = s->environment;
    const struct sup_launch launch = {.command = e->before_check_script};

    if (e->before_check_script)
        sup_run(s->sup, &launch, e->check_script_timeout, on_prepared, s);
    else
        launch_server(s);
}

static void on_stop_path(void *user, const struct sup_task_end *end)
{
    if (!end->ok)
        log_warn("supervisor", "TARS_STOP_PATH %s", end->text);
    run_before_script(user);
}

static void prepare(void *user, struct sup_server *server)
{
    struct supervision *s = user;
    const struct sup_launch stop = {.command = s->environment->stop_path};

    (void)server;
    tell(s, "server version", s->environment->version);
    if (s->launches++ > 0 && stop.command)
        sup_run(s->sup, &stop, STOP_PATH_MS, on_stop_path, s);
    else
        run_before_script(s);
}

/* ---- the end
 * --------------------------------------------------------------------------------------- */

static void on_shut_down(void *user, const struct tars_result *result)
{
    struct supervision *s = user;

    if (result->error && s->server)
        sup_step_failed(s->server, result->message);
}

static void shut_down(void *user, struct sup_server *server)
{
    const struct tars_call_options options = {.timeout_ms = SHUTDOWN_TIMEOUT_MS};
    struct supervision *s = user;

    (void)server;
    tarsf_admin_f_shutdown_async_with(registry_admin(s->registry), &options, on_shut_down, s);
}

static void leave(struct loop_timer *timer)
{
    struct supervision *s = loop_container(timer, struct supervision, goodbye);

    loop_stop(s->loop);
}

static void on_goodbye(void *user, enum registry_outcome outcome, const char *text)
{
    struct supervision *s = user;

    (void)outcome;
    (void)text;
    loop_stop(s->loop);
}

/* A hook that was cut short may have left the registration standing. */
static void on_stopped(void *user)
{
    struct supervision *s = user;

    log_info("supervisor", "the server has ended");
    print_tail(s);
    if (s->drain) { /* ours has removed it */
        loop_stop(s->loop);
        return;
    }
    loop_timer_set(s->loop, &s->goodbye, GOODBYE_MS, leave);
    registry_prestop(s->registry, on_goodbye, s);
}

static void on_drained(void *user)
{
    struct supervision *s = user;

    sup_stop_all(s->sup, on_stopped, s);
}

static void terminate(void *user, int number)
{
    struct supervision *s = user;
    struct tars_error error = {0};

    if (s->ending) {
        log_info("supervisor", "signal %d again: no more waiting", number);
        if (s->drain)
            drain_hurry(s->drain);
        sup_hurry(s->server);
        return;
    }
    s->ending = true;
    log_info("supervisor", "signal %d: the server is taken down", number);
    reporter_stop(s->reporter);
    sup_hold(s->server, true);
    if (!status_begin_drain(s->environment, &error)) {
        if (!error.code) { /* the hook did it */
            on_drained(s);
            return;
        }
        log_warn("supervisor", "%s; the server is drained all the same", error.text);
    }
    if (!status_write(s->environment, STATUS_DEACTIVATING, &error))
        log_warn("supervisor", "%s", error.text);
    s->drain = drain_new(s->loop, s->environment, s->registry, on_drained, s);
    if (sup_state(s->server).pid == 0)
        drain_hurry(s->drain);
}

/* What is not for the supervisor is for the server: it may be all that a container can signal. */
static void forward(void *user, int number)
{
    struct supervision *s = user;

    log_info("supervisor", "signal %d goes on to the server", number);
    sup_signal_all(s->sup, number);
}

/* ---- events
 * ------------------------------------------------------------------------------------------ */

/* Is it not to be started now? */
static void look_for_stop_mark(struct supervision *s)
{
    struct sup_status status;
    bool marked = file_exists(s->stop_mark);
    bool hold = s->ending || marked || failover_waits(s->failover);

    if (marked != s->marked && !s->ending)
        log_info("supervisor", "%s %s: the server is %s", s->stop_mark,
                 marked ? "is there" : "is gone", marked ? "not started again" : "started again");
    s->marked = marked;
    sup_status(s->server, &status);
    if (status.held != hold)
        sup_hold(s->server, hold);
}

static void on_failover(void *user)
{
    look_for_stop_mark(user);
}

static void on_state(struct supervision *s)
{
    static const char *const words[] = {
        [SUP_INACTIVE] = STATUS_INACTIVE,
        [SUP_ACTIVATING] = STATUS_ACTIVATING,
        [SUP_ACTIVE] = STATUS_ACTIVE,
        [SUP_DEACTIVATING] = STATUS_INACTIVE, /* for a restart: the drain has a word of its own */
    };

    enum sup_present present = sup_state(s->server).present;

    if (s->launched || present != SUP_INACTIVE) /* before the first launch it is not down */
        reporter_state(s->reporter, words[present]);
    if (present == SUP_ACTIVE)
        failover_home(s->failover);
}

static void on_exited(struct supervision *s, const struct sup_event *event)
{
    bool late = clock_ms() - s->began > s->environment->activating_timeout;

    if (s->ending)
        return;
    failover_begin(s->failover, s->meta);
    look_for_stop_mark(s);
    print_tail(s);
    tell(s, late ? "[alarm] down, server is inactive" : "[warn] server down", event->text);
}

static void log_event(const struct sup_event *event)
{
    static const char *const what[] = {
        [SUP_EVENT_ADOPTED] = "the server of an earlier supervisor goes on",
        [SUP_EVENT_FOLLOWED] = "the start script has left the server running",
        [SUP_EVENT_CHECK_FAILED] = "a check fails",
        [SUP_EVENT_CHECK_PASSED] = "a check passes",
        [SUP_EVENT_HUNG] = "the server hangs",
        [SUP_EVENT_STOP_STEP] = "stopping",
        [SUP_EVENT_UNKILLABLE] = "a process cannot be killed",
        [SUP_EVENT_OUTPUT_LOST] = "output is lost",
        [SUP_EVENT_STATE_FILE] = "the server would not be found again",
    };

    if (event->kind < sizeof what / sizeof *what && what[event->kind])
        log_info("supervisor", "%s%s%s", what[event->kind], *event->text ? ": " : "", event->text);
}

static void on_event(void *user, struct sup_server *server, const struct sup_event *event)
{
    struct supervision *s = user;

    (void)server;
    if (!s->reporter) { /* of a server that is looked for */
        log_event(event);
        return;
    }
    switch (event->kind) {
    case SUP_EVENT_STATE:
        on_state(s);
        break;
    case SUP_EVENT_LAUNCHED:
        log_info("supervisor", "started as process %d", (int)event->pid);
        s->launched = true;
        if (s->launches > 1)
            reporter_register(s->reporter);
        break;
    case SUP_EVENT_LAUNCH_FAILED:
        dprintf(s->console, "tarscli: the server cannot be started: %s\n", event->text);
        tell(s, "[alarm] server cannot be started", event->text);
        break;
    case SUP_EVENT_EXITED:
        on_exited(s, event);
        break;
    case SUP_EVENT_HUNG:
        tell(s, "[alarm] heartbeat overtime, will restart process", event->text);
        break;
    case SUP_EVENT_SLOW_START:
        tell(s, "[alarm] server does not become active", event->text);
        break;
    case SUP_EVENT_BACKOFF:
        log_info("supervisor", "the next start is in %lld ms%s%s", (long long)event->ms,
                 *event->text ? ": " : "", event->text);
        if (!s->ending)
            failover_begin(s->failover, s->meta);
        break;
    default:
        log_event(event);
        break;
    }
}

/* ---- what is done again and again
 * ------------------------------------------------------------------ */

static bool info_changed(struct supervision *s)
{
    char *path = environment_file(s->environment, "data", "server_info.yaml");
    struct stat info;
    bool changed = stat(path, &info) == 0 && (info.st_mtim.tv_sec != s->info_time.tv_sec ||
                                              info.st_mtim.tv_nsec != s->info_time.tv_nsec);

    if (changed)
        s->info_time = info.st_mtim;
    free(path);
    return changed;
}

/* What the server's own genconf is to know. */
static void name_ports(struct supervision *s)
{
    free(s->held_ports);
    s->held_ports = ports_variable(s->ports);
    s->variables[0] = s->gomaxprocs;
    s->variables[1] = s->held_ports;
}

/* A genconf that the start script ran has chosen other ports: all that knows of them hears it. */
static void take_info(struct supervision *s)
{
    struct meta *fresh = xcalloc(1, sizeof *fresh), *before = s->meta;
    struct sup_step steps[STEPS];
    struct sup_spec spec;
    struct tars_error error;
    const char *argv[2];
    bool ok = generate_load(s->environment, fresh, &error) && meta_check(fresh, &error);

    if (ok) {
        s->meta = fresh;
        generate_hold(fresh, s->ports);
        name_ports(s);
        ok = describe(s, &spec, argv, steps, &error) && sup_update(s->server, &spec, &error);
    }
    if (!ok) {
        log_error("supervisor", "the changed description is not used: %s", error.text);
        s->meta = before;
        before = fresh;
    } else {
        registry_update(s->registry, s->meta);
        reporter_register(s->reporter);
    }
    meta_free(before);
    free(before);
}

static void look(struct loop_timer *timer)
{
    struct supervision *s = loop_container(timer, struct supervision, look);

    if (!s->ending) {
        look_for_stop_mark(s);
        if (info_changed(s))
            take_info(s);
    }
    logfile_roll(s->log);
    loop_timer_set(s->loop, &s->look, LOOK_MS, look);
}

static void on_script(void *user, const struct sup_task_end *end)
{
    struct supervision *s = user;

    s->script = NULL;
    if (!end->ok)
        log_warn("supervisor", "the script before the check %s", end->text);
}

static void before_check(struct loop_timer *timer)
{
    struct supervision *s = loop_container(timer, struct supervision, check);
    const struct sup_launch launch = {.command = s->environment->before_check_script};

    if (!s->script && !s->ending)
        s->script = sup_run(s->sup, &launch, s->environment->check_script_timeout, on_script, s);
    loop_timer_set(s->loop, &s->check, s->environment->check_interval, before_check);
}

/* ---- life
 * ------------------------------------------------------------------------------------------ */

static void fill_paths(struct supervision *s)
{
    const struct environment *e = s->environment;

    s->log = environment_file(e, "log", "supervisor.log");
    s->start_log = environment_file(e, "log", "start.log");
    s->state_folder = environment_file(e, "data", "supervisor");
    s->stop_mark = environment_file(e, "data", "stop");
    s->start_script = environment_file(e, "bin", "start.sh");
}

static bool open_supervisor(struct supervision *s, struct tars_error *error)
{
    const struct sup_options options = {
        .state_folder = s->state_folder, .subreaper = true, .event = on_event, .user = s};

    s->sup = sup_new(s->loop, &options, error);
    return s->sup != NULL;
}

/* A supervisor of the server as meta has it; not started. */
static bool add_server(struct supervision *s, struct tars_error *error)
{
    struct sup_step steps[STEPS];
    struct sup_spec spec;
    const char *argv[2];

    name_ports(s);
    if (!describe(s, &spec, argv, steps, error))
        return false;
    s->server = sup_add(s->sup, &spec, error);
    return s->server != NULL;
}

static struct ports *open_ports(const struct environment *e)
{
    return ports_new(e->port_min, e->port_max, e->held_ports);
}

/* The server of a supervisor that was killed may still run, on the ports that it was given. */
static bool adopt(struct supervision *s)
{
    struct sup_status status;
    struct tars_error ignored;

    if (!generate_load(s->environment, s->meta, &ignored) || !meta_check(s->meta, &ignored))
        return false;
    generate_hold(s->meta, s->ports);
    if (add_server(s, &ignored)) {
        sup_status(s->server, &status);
        if (status.adopted)
            return true;
        sup_remove(s->server);
        s->server = NULL;
    }
    ports_free(s->ports);
    s->ports = open_ports(s->environment);
    return false;
}

static bool open_reports(struct supervision *s, struct tars_error *error)
{
    const struct environment *e = s->environment;

    info_changed(s); /* from here on changes count */
    status_forget_drain(e);
    s->registry = registry_new(s->loop, e, s->meta, error);
    if (!s->registry)
        return false;
    s->reporter = reporter_new(s->loop, e, s->registry);
    s->failover = failover_new(s->loop, e, s->registry, on_failover, s);
    return true;
}

static bool start(struct supervision *s, struct tars_error *error)
{
    const struct environment *e = s->environment;

    s->began = clock_ms();
    s->gomaxprocs = xasprintf("GOMAXPROCS=%d", cpus_count(""));
    if (!open_supervisor(s, error))
        return false;
    s->launched = adopt(s);
    if (!s->launched) {
        meta_free(s->meta);
        if (!generate(e, s->ports, s->meta, error))
            return false;
    }
    if (!open_reports(s, error) || (!s->launched && !add_server(s, error)))
        return false;
    loop_on_signal(s->loop, SIGTERM, terminate, s);
    loop_on_signal(s->loop, SIGINT, terminate, s);
    loop_on_signal(s->loop, SIGQUIT, terminate, s);
    loop_on_signal(s->loop, SIGHUP, forward, s);
    loop_on_signal(s->loop, SIGUSR1, forward, s);
    loop_on_signal(s->loop, SIGUSR2, forward, s);
    loop_timer_set(s->loop, &s->look, LOOK_MS, look);
    if (e->before_check_script)
        loop_timer_set(s->loop, &s->check, e->check_interval, before_check);
    s->heartbeats = checks_listen(s->loop, e, s->meta, s->server);
    sup_start(s->server);
    if (s->launched)
        on_state(s);
    return true;
}

static void finish(struct supervision *s)
{
    loop_timer_clear(s->loop, &s->look);
    loop_timer_clear(s->loop, &s->check);
    loop_timer_clear(s->loop, &s->goodbye);
    heartbeats_free(s->heartbeats);
    failover_free(s->failover);
    reporter_free(s->reporter);
    drain_free(s->drain);
    registry_free(s->registry);
    if (s->sup)
        sup_free(s->sup);
    loop_free(s->loop);
    ports_free(s->ports);
    meta_free(s->meta);
    free(s->meta);
    free(s->log);
    free(s->start_log);
    free(s->state_folder);
    free(s->stop_mark);
    free(s->start_script);
    free(s->gomaxprocs);
    free(s->held_ports);
}

static int run(const struct environment *environment, int argc, char **argv,
               struct tars_error *error)
{
    struct supervision s = {.environment = environment};
    struct tars_error no_log = {0};
    bool ok;

    (void)argc;
    (void)argv;
    log_set_level(LOG_LEVEL_INFO);
    fill_paths(&s);
    s.console = logfile_redirect(s.log, &no_log);
    if (*no_log.text)
        log_warn("supervisor", "%s; the log goes to stderr", no_log.text);
    s.loop = loop_new("supervisor");
    s.ports = open_ports(environment);
    s.meta = xcalloc(1, sizeof *s.meta);
    ok = start(&s, error);
    if (ok)
        loop_run(s.loop);
    else
        log_error("supervisor", "%s", error->text);
    finish(&s);
    dup2(s.console, STDERR_FILENO); /* errors at the start are for the container's log too */
    close(s.console);
    return !ok;
}

const struct command command_supervisor = {
    "supervisor", "starts the server, watches it and reports it to the registry", "",
    USED_BY_SUPERVISOR, run};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/daemon.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/log.h"
#include "base/standard.h"
#include "base/xmalloc.h"
#include "daemon/arguments.h"
#include "daemon/auth.h"
#include "daemon/carrier.h"
#include "daemon/folder.h"
#include "daemon/health.h"
#include "daemon/memory.h"
#include "daemon/samples.h"
#include "daemon/settings.h"

enum { WAIT_MS = 10 /* between two questions whether the daemon may serve */ };

enum phase { PHASE_OPENING, PHASE_WAITING, PHASE_SERVING, PHASE_STOPPING, PHASE_CLOSED };

struct daemon {
    const struct daemon_info *info;
    struct daemon_settings *settings;
    struct tars_conf *conf;
    struct daemon_auth *auth;
    struct daemon_folder *folder;
    struct daemon_health *health;
    struct daemon_memory *memory;
    const struct daemon_carrier *kind;
    void *carrier;
    void *self;
    pthread_mutex_t lock; /* the HTTP thread looks at phase, self and carrier under it */
    enum phase phase;
    _Atomic int status; /* of daemon_stop */
};

/* ---- what the HTTP thread asks
 * -------------------------------------------------------------------- */

static bool is_ready(void *user, char *why, size_t size)
{
    static const char *const whys[] = {[PHASE_OPENING] = "starting",
                                       [PHASE_WAITING] = "starting",
                                       [PHASE_STOPPING] = "stopping",
                                       [PHASE_CLOSED] = "stopped"};
    struct daemon *d = user;
    bool ready = false;
    pthread_mutex_lock(&d->lock);
    if (d->phase == PHASE_SERVING)
        ready = !d->info->ready || d->info->ready(d->self, why, size);
    else if (d->phase == PHASE_WAITING && d->info->ready && !d->info->ready(d->self, why, size))
        ready = false;
    else
        snprintf(why, size, "%s", whys[d->phase]);
    pthread_mutex_unlock(&d->lock);
    return ready;
}

static void add_own_samples(struct daemon *d, struct daemon_samples *samples)
{
    for (size_t i = 0; i < d->info->metric_count; i++) {
        const struct daemon_metric *metric = &d->info->metrics[i];
        daemon_samples_help(samples, metric->name, metric->help);
        daemon_samples_add(samples, metric->name, NULL, metric->read(d->self));
    }
    if (d->info->more_metrics)
        d->info->more_metrics(d->self, daemon_samples_add, samples);
}

static void write_metrics(void *user, FILE *out)
{
    struct daemon *d = user;
    struct daemon_samples *samples = daemon_samples_new();
    daemon_samples_add_process(samples, d->info->name);
    pthread_mutex_lock(&d->lock);
    if (d->phase == PHASE_SERVING && d->kind->metrics)
        d->kind->metrics(d->carrier, daemon_samples_add, samples);
    if (d->phase == PHASE_WAITING || d->phase == PHASE_SERVING || d->phase == PHASE_STOPPING)
        add_own_samples(d, samples);
    pthread_mutex_unlock(&d->lock);
    daemon_samples_print(samples, out);
    daemon_samples_free(samples);
}

static void enter(struct daemon *d, enum phase phase)
{
    pthread_mutex_lock(&d->lock);
    d->phase = phase;
    pthread_mutex_unlock(&d->lock);
}

/* ---- configuration
 * ------------------------------------------------------------------------------------ */

/* Every call that changes something is answered for by a token, by the machine's border, or by an
 * operator who says that he wants neither. */
static bool open_auth(struct daemon *d, struct tars_error *error)
{
    if (!daemon_settings_has_auth(d->info) || strcmp(daemon_text(d, "auth"), "off") == 0)
        return true;
    const char *file = daemon_text(d, "tokens");
    if (!*file)
        return !d->kind->check_private || d->kind->check_private(d->conf, d->info, error);
    d->auth = daemon_auth_new(d->info->name, file, error);
    return d->auth != NULL;
}

static bool configure(struct daemon *d, const struct daemon_arguments *arguments,
                      struct tars_error *error)
{
    d->conf = arguments->config ? tars_conf_load(arguments->config, error) : tars_conf_new();
    if (!d->conf)
        return false;
    if (!daemon_settings_load(d->settings, d->conf, arguments->config, &arguments->overrides,
                              error))
        return false;
    enum log_level level;
    if (log_parse_level(daemon_text(d, "log-level"), &level))
        log_set_level(level);
    if (d->kind->complete && !d->kind->complete(d->conf, d->info, daemon_text(d, "address"),
                                                daemon_port_offset(d), error))
        return false;
    return open_auth(d, error);
}

/* --check and --addresses */
static int report(const struct daemon *d, const struct daemon_arguments *arguments)
{
    if (!arguments->addresses) {
        printf("%s: the configuration is good\n",
               arguments->config ? arguments->config : d->info->name);
        return DAEMON_OK;
    }
    if (d->kind->print_addresses)
        d->kind->print_addresses(d->conf, stdout);
    daemon_settings_print_ports(d->settings, stdout);
    return DAEMON_OK;
}

static void raise_open_files(struct daemon *d)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)daemon_int(d, "open-files");
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    if (limit.rlim_max < wanted) {
        log_info(d->info->name, "open-files is %llu, but the system allows this process only %llu",
                 (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
        wanted = limit.rlim_max;
    }
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn(d->info->name, "cannot raise the limit of open files: %s", strerror(errno));
}

static int monitor(const struct daemon *d, struct tars_error *error)
{
    if (!d->kind->monitor) {
        tars_fail(error, 1, "--monitor: it has no AdminObj to be asked; /healthz tells");
        return DAEMON_USAGE;
    }
    return d->kind->monitor(d->conf, error) ? DAEMON_OK : DAEMON_SILENT;
}

static char *data_path(const struct daemon *d, struct tars_error *error)
{
    const char *given = daemon_text(d, "data");
    return *given ? xstrdup(given) : daemon_folder_default(d->info->name, error);
}

static int run_command(const struct daemon *d, const struct daemon_arguments *arguments,
                       struct tars_error *error)
{
    char *path = data_path(d, error);
    int status = path ? arguments->command->run(path, arguments->operand) : DAEMON_FAILED;
    free(path);
    return status;
}

static bool open_data(struct daemon *d, struct tars_error *error)
{
    if (!d->info->needs_data)
        return true;
    char *path = data_path(d, error);
    if (path)
        d->folder = daemon_folder_open(path, error);
    free(path);
    return d->folder != NULL;
}

/* Log level, logs and fetched files of a server whose start-up file names no folder for them: never
 * the folder that the daemon was started in. */
static void keep_files_in_data(struct daemon *d)
{
    static const char *const paths[] = {"/tars/application/server<basepath>",
                                        "/tars/application/server<datapath>",
                                        "/tars/application/server<logpath>"};
    for (size_t i = 0; d->folder && i < sizeof paths / sizeof *paths; i++)
        if (!*tars_conf_get(d->conf, paths[i], ""))
            tars_conf_set(d->conf, paths[i], daemon_folder_path(d->folder));
}

static bool open_http(struct daemon *d, struct tars_error *error)
{
    struct daemon_health_source source = {is_ready, write_metrics, d};
    uint16_t port = daemon_port(d, "http-port");
    if (!port)
        return true;
    d->health = daemon_health_new(daemon_text(d, "http-address"), port, &source, error);
    return d->health != NULL;
}

/* ---- serving
 * ------------------------------------------------------------------------------------------- */

void daemon_started(void *daemon)
{
    struct daemon *d = daemon;
    if (d->info->started)
        d->info->started(d->self);
    enter(d, PHASE_SERVING);
    log_info(d->info->name, "started, version %s", TARSC_VERSION);
    daemon_memory_trim();
    d->memory = daemon_memory_watch(daemon_base(d));
}

void daemon_stopping(void *daemon)
{
    struct daemon *d = daemon;
    log_info(d->info->name, "stopping");
    daemon_memory_unwatch(d->memory);
    d->memory = NULL;
    enter(d, PHASE_STOPPING);
    if (d->info->stopping)
        d->info->stopping(d->self);
}

void *daemon_carried_by(const struct daemon *daemon)
{
    return daemon->carrier;
}

static bool is_status(int code)
{
    return code == DAEMON_FAILED || code == DAEMON_USAGE || code == DAEMON_BIND;
}

/*
 * Signals that end the daemon are the main thread's, also while other threads are being made. They
 * stay blocked until the carrier's loop handles them: one that comes earlier waits for it.
 */
static void stop_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

/* Until the daemon may serve; false when a signal came first. */
static bool wait_to_serve(struct daemon *d)
{
    const struct timespec pause = {.tv_nsec = WAIT_MS * 1000000L};
    bool stopped = false;
    sigset_t set;
    stop_signals(&set);
    if (d->info->may_serve && !d->info->may_serve(d->self)) {
        enter(d, PHASE_WAITING);
        while (!stopped && !d->info->may_serve(d->self))
            stopped = sigtimedwait(&set, NULL, &pause) > 0;
    }
    return !stopped;
}

static int open_and_run(struct daemon *d, struct tars_error *error)
{
    if (!d->info->open(d, &d->self, error))
        return is_status(error->code) ? error->code : DAEMON_FAILED;
    int status = wait_to_serve(d) ? d->kind->run(d->carrier, d) : DAEMON_OK;
    enter(d, PHASE_CLOSED);
    if (d->info->close)
        d->info->close(d->self);
    log_info(d->info->name, "stopped");
    return status ? status : atomic_load(&d->status);
}

static int serve(struct daemon *d, struct tars_error *error)
{
    signal(SIGPIPE, SIG_IGN);
    sigset_t set;
    stop_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    raise_open_files(d);
    if (!open_data(d, error))
        return DAEMON_FAILED;
    if (!open_http(d, error))
        return DAEMON_BIND;
    keep_files_in_data(d);
    d->carrier = d->kind->new (d);
    int status = open_and_run(d, error);
    daemon_health_free(d->health);
    d->kind->free(d->carrier);
    return status;
}

int daemon_main_on(const struct daemon_carrier *carrier, int argc, char **argv,
                   const struct daemon_info *info)
{
    struct daemon d = {.info = info, .kind = carrier, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct daemon_arguments arguments = {0};
    struct tars_error error = {0};
    int status;
    if (!standard_files_open())
        return EXIT_FAILURE;
    d.settings = daemon_settings_new(info);
    if (!daemon_arguments_parse(argc, argv, info, d.settings, &arguments, &status))
        goto done;
    if (!configure(&d, &arguments, &error))
        status = DAEMON_USAGE;
    else if (arguments.check || arguments.addresses)
        status = report(&d, &arguments);
    else if (arguments.monitor)
        status = monitor(&d, &error);
    else if (arguments.command)
        status = run_command(&d, &arguments, &error);
    else
        status = serve(&d, &error);
    if (*error.text)
        fprintf(stderr, "%s: %s\n", info->name, error.text);
done:
    daemon_folder_close(d.folder);
    daemon_auth_free(d.auth);
    tars_conf_free(d.conf);
    daemon_settings_free(d.settings);
    return status;
}

/* ---- what a daemon may ask
 * ------------------------------------------------------------------------------- */

const char *daemon_text(const struct daemon *daemon, const char *key)
{
    return daemon_settings_text(daemon->settings, key);
}

int64_t daemon_int(const struct daemon *daemon, const char *key)
{
    return daemon_settings_number(daemon->settings, key);
}

uint16_t daemon_port(const struct daemon *daemon, const char *key)
{
    return (uint16_t)daemon_settings_number(daemon->settings, key);
}

bool daemon_flag(const struct daemon *daemon, const char *key)
{
    return daemon_settings_number(daemon->settings, key) != 0;
}

const char *daemon_data(const struct daemon *daemon)
{
    return daemon->folder ? daemon_folder_path(daemon->folder) : NULL;
}

int daemon_port_offset(const struct daemon *daemon)
{
    return (int)daemon_settings_number(daemon->settings, "port-offset");
}

struct daemon_auth *daemon_auth(const struct daemon *daemon)
{
    return daemon->auth;
}

const struct tars_conf *daemon_conf(const struct daemon *daemon)
{
    return daemon->conf;
}

struct event_base *daemon_base(struct daemon *daemon)
{
    return daemon->kind->base(daemon->carrier);
}

void daemon_stop(struct daemon *daemon, enum daemon_status status)
{
    int none = DAEMON_OK;
    atomic_compare_exchange_strong(&daemon->status, &none, (int)status);
    daemon->kind->stop(daemon->carrier);
}

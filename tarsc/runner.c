/* SPDX-License-Identifier: BSD-3-Clause */
#include "runner.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "control.h"
#include "hangup.h"
#include "http/http.h"
#include "loop/loop.h"
#include "supervise/supervise.h"

enum {
    READY_MS = 60000,
    STOP_MS = 15000,
    ASK_MS = 1000,
    INTERVAL_MS = 5000,
    RETRY_MS = 250,
    LOG_END_LINES = 12,
    MOST_WAITING = 32
};

enum phase { STARTING, RUNNING, STOPPING };

struct member {
    struct runner *runner;
    const struct suite_member *about;
    struct sup_server *server;
    struct http_call *asking; /* /readyz */
    struct sup_probe *probe;
    bool found;    /* an earlier tarsc started it */
    bool answered; /* it has said that it is ready, and not only to an earlier tarsc */
};

/* A call of `tarsc stop`, `restart` or `down` that is answered when it is done. */
struct waiting {
    struct control_call *call;   /* NULL: free */
    const struct member *member; /* NULL: all shall be down */
    bool up;
};

struct runner {
    const struct runner_options *options;
    struct loop *loop;
    struct supervisor *sup;
    struct http_client *http;
    struct control *control;
    struct member members[SUITE_MEMBERS];
    size_t started; /* members that have been told to start */
    enum phase phase;
    bool hurried;
    int status;
    struct loop_timer step;
    struct waiting waiting[MOST_WAITING];
};

static void take_step(struct loop_timer *timer);

static void soon(struct runner *runner)
{
    loop_timer_set(runner->loop, &runner->step, 0, take_step);
}

/* ---- readiness
 * ------------------------------------------------------------------------------------ */

static void on_answer(void *user, const struct http_answer *answer)
{
    struct member *member = user;
    struct sup_probe *probe = member->probe;
    char why[160];
    struct tars_str body = answer->body;
    const char *end = body.len ? memchr(body.at, '\n', body.len) : NULL;
    if (end)
        body.len = (size_t)(end - body.at);
    if (answer->failure == HTTP_ANSWERED)
        snprintf(why, sizeof why, "%.*s", (int)(body.len < 150 ? body.len : 150),
                 body.at ? body.at : "");
    else
        snprintf(why, sizeof why, "%s", answer->problem);
    bool ok = answer->failure == HTTP_ANSWERED && answer->status == 200;
    member->asking = NULL;
    member->probe = NULL;
    member->answered = member->answered || ok;
    sup_probe_done(probe, ok, why);
    soon(member->runner);
}

static void ask_ready(void *user, struct sup_server *server, struct sup_probe *probe)
{
    struct member *member = user;
    char *url = xasprintf("http://%s/readyz", member->about->http);
    struct http_request request = {.method = "GET", .url = url, .timeout_ms = ASK_MS};
    (void)server;
    member->probe = probe;
    member->asking = http_send(member->runner->http, &request, on_answer, member);
    free(url);
}

/* ---- what happens
 * --------------------------------------------------------------------------------- */

/* The begin of the last LOG_END_LINES lines. */
static const char *last_lines(const char *text, size_t len)
{
    int lines = 0;
    const char *at = text + len;
    while (at > text) {
        if (at[-1] == '\n' && at != text + len && ++lines == LOG_END_LINES)
            break;
        at--;
    }
    return at;
}

static void print_log_end(const struct member *member)
{
    size_t len;
    char *tail = sup_tail(member->server, &len);
    if (len)
        fprintf(stderr, "The end of %s/%s.log:\n%s%s", member->runner->options->suite->data,
                member->about->name, last_lines(tail, len), tail[len - 1] == '\n' ? "" : "\n");
    if (strstr(tail, strerror(EADDRINUSE)))
        fprintf(stderr,
                "Another program has one of its ports: end that one, or move all of them, as "
                "tarsc up --port-offset 1000 does.\n");
    free(tail);
}

static void begin_stop(struct runner *runner)
{
    runner->hurried = runner->hurried || runner->phase == STOPPING;
    runner->phase = STOPPING;
    soon(runner);
}

/* One of them failed before all were ready: nothing of it stays. */
static void give_up(const struct member *member, const char *what, const char *why)
{
    struct runner *runner = member->runner;
    fprintf(stderr, "tarsc up: %s %s%s\n", member->about->name, what, why);
    print_log_end(member);
    runner->status = 1;
    begin_stop(runner);
}

static void tell(const struct member *member, const struct sup_event *event)
{
    const char *name = member->about->name;
    if (event->kind == SUP_EVENT_EXITED)
        fprintf(stderr, "tarsc up: %s %s\n", name, event->text);
    else if (event->kind == SUP_EVENT_BACKOFF)
        fprintf(stderr, "tarsc up: %s is started again in %.1f s%s%s\n", name,
                (double)event->ms / 1000, *event->text ? ": " : "", event->text);
    else if (event->kind == SUP_EVENT_ADOPTED)
        fprintf(stderr, "tarsc up: %s runs already (process %d)\n", name, (int)event->pid);
    else if (event->kind == SUP_EVENT_CHECK_FAILED)
        fprintf(stderr, "tarsc up: %s is not ready any more: %s\n", name, event->text);
    else if (event->kind == SUP_EVENT_LAUNCH_FAILED || event->kind == SUP_EVENT_OUTPUT_LOST ||
             event->kind == SUP_EVENT_STATE_FILE || event->kind == SUP_EVENT_UNKILLABLE ||
             event->kind == SUP_EVENT_SLOW_START)
        fprintf(stderr, "tarsc up: %s: %s\n", name, event->text);
}

static void answer_waiting(struct runner *runner, const struct member *member,
                           const struct sup_event *event);

static void on_event(void *user, struct sup_server *server, const struct sup_event *event)
{
    struct runner *runner = user;
    struct member *member = sup_user(server);
    struct sup_status status;
    sup_status(server, &status);
    member->found = member->found || event->kind == SUP_EVENT_ADOPTED;
    /* What was found running may end, and what is told to restart does. */
    bool ended = (event->kind == SUP_EVENT_EXITED || event->kind == SUP_EVENT_LAUNCH_FAILED) &&
                 status.launches && status.state.present != SUP_DEACTIVATING;
    if (runner->phase == STARTING && ended)
        give_up(member, event->kind == SUP_EVENT_EXITED ? "" : "cannot be started: ", event->text);
    else if (runner->phase == STARTING && event->kind == SUP_EVENT_SLOW_START)
        give_up(member, "is not ready after 60 s: ", status.reason);
    else if (runner->phase != STOPPING)
        tell(member, event);
    answer_waiting(runner, member, event);
    if (event->kind == SUP_EVENT_STATE)
        soon(runner);
}

static bool is_down(const struct member *member)
{
    struct sup_state state = sup_state(member->server);
    return !state.setting && state.present == SUP_INACTIVE && !state.pid;
}

/* One that was found with other arguments does not listen where this suite is told to. */
static void start(const struct member *member)
{
    struct sup_status status;
    sup_status(member->server, &status);
    if (!status.outdated) {
        sup_start(member->server);
        return;
    }
    fprintf(stderr, "tarsc up: %s runs with other arguments: it is stopped and started anew\n",
            member->about->name);
    sup_restart(member->server);
}

static bool is_ready(const struct member *member)
{
    return member->answered && sup_state(member->server).present == SUP_ACTIVE;
}

static void start_next(struct runner *runner)
{
    while (runner->started == 0 || is_ready(&runner->members[runner->started - 1])) {
        if (runner->started == SUITE_MEMBERS) {
            runner->phase = RUNNING;
            runner->options->ready(runner->options->user);
            return;
        }
        start(&runner->members[runner->started++]);
    }
}

static void stop_next(struct runner *runner)
{
    size_t i = SUITE_MEMBERS;
    while (i > 0 && is_down(&runner->members[i - 1]))
        i--;
    if (i == 0) {
        answer_waiting(runner, NULL, NULL);
        loop_stop(runner->loop);
        return;
    }
    struct sup_server *server = runner->members[i - 1].server;
    if (sup_state(server).setting)
        sup_stop(server);
    if (runner->hurried)
        sup_hurry(server);
}

/* Where it goes from here; a step that was taken already does nothing. */
static void take_step(struct loop_timer *timer)
{
    struct runner *runner = loop_container(timer, struct runner, step);
    if (runner->phase == STARTING)
        start_next(runner);
    else if (runner->phase == STOPPING)
        stop_next(runner);
}

static void on_signal(void *user, int number)
{
    (void)number;
    begin_stop(user);
}

/* ---- requests
 * ------------------------------------------------------------------------------------- */

static void answer_one(struct waiting *waiting, bool ok, const char *text)
{
    struct control_call *call = waiting->call;
    waiting->call = NULL;
    control_answer(call, ok, text);
}

/* Nothing more comes of it: why, in words behind the daemon's name; "" while it may. */
static void describe_failure(const struct waiting *waiting, const struct sup_event *event,
                             char *text, size_t size)
{
    struct sup_status status;
    sup_status(waiting->member->server, &status);
    *text = '\0';
    if (status.state.setting != waiting->up)
        snprintf(text, size, "was told to %s meanwhile", waiting->up ? "stop" : "start");
    else if (waiting->up && event->kind == SUP_EVENT_BACKOFF)
        snprintf(text, size, "%s", status.reason);
    else if (waiting->up && event->kind == SUP_EVENT_SLOW_START)
        snprintf(text, size, "runs but is not ready: %s", event->text);
}

static void answer_member(struct waiting *waiting, const struct sup_event *event)
{
    const struct member *member = waiting->member;
    bool done = event->kind == SUP_EVENT_STATE &&
                (waiting->up ? sup_state(member->server).present == SUP_ACTIVE : is_down(member));
    char why[300], text[400];
    describe_failure(waiting, event, why, sizeof why);
    if (*why)
        snprintf(text, sizeof text, "%s %s\n", member->about->name, why);
    else
        snprintf(text, sizeof text, "%s is %s\n", member->about->name,
                 waiting->up ? "ready" : "stopped");
    if (*why || done)
        answer_one(waiting, !*why, text);
}

/* Answers those for whom the event of the member (NULL: that all are down) is the end. */
static void answer_waiting(struct runner *runner, const struct member *member,
                           const struct sup_event *event)
{
    for (size_t i = 0; i < MOST_WAITING; i++) {
        struct waiting *waiting = &runner->waiting[i];
        if (!waiting->call || waiting->member != member)
            continue;
        if (member)
            answer_member(waiting, event);
        else
            answer_one(waiting, true, "all are stopped\n");
    }
}

static void wait_for(struct runner *runner, struct control_call *call, const struct member *member,
                     bool up)
{
    for (size_t i = 0; i < MOST_WAITING; i++)
        if (!runner->waiting[i].call) {
            runner->waiting[i] = (struct waiting){call, member, up};
            return;
        }
    control_answer(call, false, "too many requests wait already\n");
}

static size_t print_row(const struct member *member, char *text, size_t size)
{
    struct sup_status status;
    char pid[16] = "-", up[32] = "-", last[300] = "";
    sup_status(member->server, &status);
    if (status.state.pid) {
        snprintf(pid, sizeof pid, "%d", (int)status.state.pid);
        snprintf(up, sizeof up, "%lld s", (long long)(status.running_ms / 1000));
    }
    if (status.launch_in_ms >= 0)
        snprintf(last, sizeof last, "%s; again in %.1f s", status.reason,
                 (double)status.launch_in_ms / 1000);
    else
        snprintf(last, sizeof last, "%s", status.reason);
    return (size_t)snprintf(
        text, size, "%-18s %-13s %8s %10s %8u  %s\n", member->about->name,
        sup_present_name(status.state.present), pid, up,
        status.launches && !member->found ? status.launches - 1 : status.launches, last);
}

static void answer_ps(const struct runner *runner, struct control_call *call)
{
    char text[4096];
    size_t len = (size_t)snprintf(text, sizeof text, "%-18s %-13s %8s %10s %8s  %s\n", "NAME",
                                  "STATE", "PID", "UP", "RESTARTS", "WHY");
    for (size_t i = 0; i < SUITE_MEMBERS; i++)
        len += print_row(&runner->members[i], text + len, sizeof text - len);
    control_answer(call, true, text);
}

static void steer(struct runner *runner, struct control_call *call, const struct member *member,
                  bool up)
{
    if (runner->phase == STOPPING) {
        control_answer(call, false, "the suite is being stopped\n");
        return;
    }
    if (runner->phase == STARTING && (!up || member >= runner->members + runner->started)) {
        control_answer(call, false,
                       "the suite is still being started: tarsc ps shows how far it is, tarsc down "
                       "ends it\n");
        return;
    }
    if (!up && is_down(member)) {
        control_answer(call, true, "it is stopped already\n");
        return;
    }
    wait_for(runner, call, member, up);
    if (up)
        sup_restart(member->server);
    else
        sup_stop(member->server);
}

static void on_request(void *user, struct control_call *call, const char *verb, const char *name)
{
    struct runner *runner = user;
    struct sup_server *server = sup_find(runner->sup, name);
    bool up = strcmp(verb, "restart") == 0;
    if (strcmp(verb, "ps") == 0) {
        answer_ps(runner, call);
    } else if (strcmp(verb, "down") == 0) {
        wait_for(runner, call, NULL, false);
        begin_stop(runner);
    } else if (!up && strcmp(verb, "stop") != 0) {
        control_answer(call, false, "the running tarsc does not know this request\n");
    } else if (!server) {
        control_answer(call, false, "there is no daemon of that name: tarsc ps lists them\n");
    } else {
        steer(runner, call, sup_user(server), up);
    }
}

/* ---- life
 * ----------------------------------------------------------------------------------------- */

static bool add_member(struct runner *runner, size_t i, struct tars_error *error)
{
    static const struct sup_step stop[] = {
        {.kind = SUP_STEP_SIGNAL, .number = SIGTERM, .main_only = true, .ms = STOP_MS}};
    const struct suite *suite = runner->options->suite;
    struct member *member = &runner->members[i];
    const struct sup_check check = {.kind = SUP_CHECK_CALL,
                                    .name = "/readyz",
                                    .call = ask_ready,
                                    .interval_ms = INTERVAL_MS,
                                    .retry_ms = RETRY_MS};
    char *argv[SUITE_ARGUMENTS], *log = xasprintf("%s/%s.log", suite->data, suite->members[i].name);
    member->runner = runner;
    member->about = &suite->members[i];
    suite_arguments(suite, member->about, argv);
    struct sup_spec spec = {
        .name = member->about->name,
        .launch = {.argv = (const char *const *)argv,
                   .death_signal = runner->options->outlive ? 0 : SIGTERM},
        .output = {.kind = SUP_OUTPUT_CAPTURE, .path = log},
        .checks = &check,
        .check_count = 1,
        .activating_ms = READY_MS,
        .stop = stop,
        .stop_count = 1,
        .user = member,
    };
    member->server = sup_add(runner->sup, &spec, error);
    suite_free_arguments(argv);
    free(log);
    return member->server;
}

static bool open_all(struct runner *runner, struct tars_error *error)
{
    const char *data = runner->options->suite->data;
    char *state = xasprintf("%s/state", data);
    struct sup_options options = {
        .state_folder = state, .subreaper = true, .event = on_event, .user = runner};
    struct http_options http = {.answer_limit = 65536};
    runner->http = http_client_new(runner->loop, &http);
    runner->sup = sup_new(runner->loop, &options, error);
    free(state);
    if (!runner->sup)
        return false;
    for (size_t i = 0; i < SUITE_MEMBERS; i++)
        if (!add_member(runner, i, error))
            return false;
    runner->control = control_open(runner->loop, data, on_request, runner, error);
    return runner->control;
}

static void close_all(struct runner *runner)
{
    control_close(runner->control);
    sup_free(runner->sup);
    for (size_t i = 0; i < SUITE_MEMBERS; i++)
        if (runner->members[i].probe) {
            http_cancel(runner->members[i].asking);
            sup_probe_done(runner->members[i].probe, false, NULL);
        }
    http_client_free(runner->http);
    loop_free(runner->loop);
}

int runner_run(const struct runner_options *options)
{
    struct runner runner = {.options = options, .loop = loop_new("tarsc")};
    struct tars_error error;
    if (open_all(&runner, &error)) {
        loop_on_signal(runner.loop, SIGINT, on_signal, &runner);
        loop_on_signal(runner.loop, SIGTERM, on_signal, &runner);
        hangup_watch(runner.loop, on_signal, &runner);
        soon(&runner);
        loop_run(runner.loop);
    } else {
        fprintf(stderr, "tarsc up: %s\n", error.text);
        runner.status = 1;
    }
    close_all(&runner);
    return runner.status;
}

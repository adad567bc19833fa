/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/remote_log.h"

#include "base/map.h"
#include "base/xmalloc.h"
#include "loop/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "Log.h"

enum {
    GATHER_MS = 200, /* lines that come together travel together */
    BATCH_LINES = 1000,
    BATCH_BYTES = 1024 * 1024,
    CALL_MS = 3000,
    RETRY_FIRST_MS = 1000,
    RETRY_MAX_MS = 30000
};

struct line {
    struct line *next;
    size_t len;
    char bytes[];
};

/* One log: a name, or the dyeing log. */
struct queue {
    struct report_remote_log *log;
    struct queue *next;
    char *name;
    bool dyed;
    struct line *first, **last;
    size_t under_way; /* lines at the head that a call carries */
};

struct report_remote_log {
    struct loop *loop;
    _Atomic(struct tars_proxy *) proxy;
    const struct report_identity *identity;
    struct report_remote_log_limits limits;
    void (*spill)(void *user, struct tars_str name, struct tars_str line);
    void *user;

    pthread_mutex_t lock; /* guards all below, but for the timer */
    pthread_cond_t changed;
    struct map *names; /* to struct queue; the dyeing log under "" */
    struct queue *queues;
    size_t lines, bytes;
    uint64_t spilled, failures;
    bool woken, closed;
    int64_t retry_ms; /* the pause after the last failure; 0 when the service answers */

    struct loop_timer timer; /* loop thread */
};

struct report_remote_log *report_remote_log_new(
    struct loop *loop, struct tars_proxy *proxy, const struct report_identity *identity,
    const struct report_remote_log_limits *limits,
    void (*spill)(void *user, struct tars_str name, struct tars_str line), void *user)
{
    struct report_remote_log *log = xcalloc(1, sizeof(*log));

    *log = (struct report_remote_log){.loop = loop,
                                      .proxy = proxy,
                                      .identity = identity,
                                      .limits = *limits,
                                      .spill = spill,
                                      .user = user,
                                      .names = map_new(NULL)};
    pthread_mutex_init(&log->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&log->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return log;
}

/* ---- sending, on the loop's thread ----------------------------------------------------------- */

static void send_all(struct report_remote_log *log);

static void on_timer(struct loop_timer *timer)
{
    send_all(loop_container(timer, struct report_remote_log, timer));
}

/* Takes `count` lines off the head. Under the lock. */
static struct line *take_lines(struct queue *queue, size_t count)
{
    struct report_remote_log *log = queue->log;
    struct line *first = queue->first, **end = &queue->first;

    for (size_t i = 0; i < count; i++) {
        log->lines--;
        log->bytes -= (*end)->len;
        end = &(*end)->next;
    }
    queue->first = *end;
    if (!queue->first)
        queue->last = &queue->first;
    *end = NULL;
    return count > 0 ? first : NULL;
}

static void free_lines(struct line *line)
{
    struct line *next;

    for (; line; line = next) {
        next = line->next;
        free(line);
    }
}

static void on_answer(void *user, const struct tars_result *result)
{
    struct queue *queue = user;
    struct report_remote_log *log = queue->log;
    struct line *arrived = NULL;
    int64_t retry_ms;

    pthread_mutex_lock(&log->lock);
    if (result->error) {
        log->failures++;
        log->retry_ms = log->retry_ms == 0 ? RETRY_FIRST_MS : log->retry_ms * 2;
        if (log->retry_ms > RETRY_MAX_MS)
            log->retry_ms = RETRY_MAX_MS;
    } else {
        log->retry_ms = 0;
        arrived = take_lines(queue, queue->under_way);
    }
    queue->under_way = 0;
    retry_ms = log->closed ? -1 : log->retry_ms;
    pthread_cond_broadcast(&log->changed);
    pthread_mutex_unlock(&log->lock);

    free_lines(arrived);
    if (retry_ms > 0)
        loop_timer_set(log->loop, &log->timer, retry_ms, on_timer);
    else if (retry_ms == 0)
        send_all(log);
}

/* The lines at the head that make a batch, as slices. Under the lock. */
static struct tars_str *gather(struct queue *queue, size_t *count)
{
    struct tars_str *lines = xmalloc(BATCH_LINES * sizeof(*lines));
    size_t bytes = 0;

    *count = 0;
    for (struct line *line = queue->first; line && *count < BATCH_LINES; line = line->next) {
        if (*count > 0 && bytes + line->len > BATCH_BYTES)
            break;
        bytes += line->len;
        lines[(*count)++] = tars_str_n(line->bytes, line->len);
    }
    return lines;
}

static void send_batch(struct queue *queue, const struct tars_str_list *lines)
{
    struct report_remote_log *log = queue->log;
    struct tars_call_options options = {.timeout_ms = CALL_MS};

    if (queue->dyed) {
        /* Tars protocol: the dyeing log of all servers is one log of a made-up server. */
        tarsf_log_logger_async_with(log->proxy, &options, tars_str("tars_dyeing"),
                                    tars_str("dyeing"), tars_str("day"), tars_str("%Y%m%d"), lines,
                                    on_answer, queue);
        return;
    }
    struct tarsf_log_info info;
    tarsf_log_info_init(&info);
    info.appname = tars_str(log->identity->app);
    info.servername = tars_str(log->identity->server);
    info.s_filename = tars_str(queue->name);
    info.s_format = tars_str("%Y%m%d");
    info.setdivision = tars_str(log->identity->division);
    tarsf_log_loggerby_info_async_with(log->proxy, &options, &info, lines, on_answer, queue);
}

static void send_queue(struct queue *queue)
{
    struct report_remote_log *log = queue->log;
    struct tars_str_list lines = {0};

    pthread_mutex_lock(&log->lock);
    if (queue->under_way == 0 && queue->first && !log->closed) {
        lines.at = gather(queue, &lines.len);
        queue->under_way = lines.len;
    }
    pthread_mutex_unlock(&log->lock);
    /* The lines stay where they are until the answer: only the loop's thread takes them away. */
    if (lines.len > 0)
        send_batch(queue, &lines);
    free(lines.at);
}

static void send_all(struct report_remote_log *log)
{
    struct queue *queues;

    pthread_mutex_lock(&log->lock);
    log->woken = false;
    queues = log->queues;
    pthread_mutex_unlock(&log->lock);
    for (; queues; queues = queues->next)
        send_queue(queues);
}

static void wake(void *arg)
{
    struct report_remote_log *log = arg;

    if (!loop_timer_is_set(&log->timer))
        loop_timer_set(log->loop, &log->timer, GATHER_MS, on_timer);
}

/* ---- queueing -------------------------------------------------------------------------------- */

/* Under the lock; NULL over the limit. */
static struct queue *queue_of(struct report_remote_log *log, struct tars_str name, bool dyed)
{
    struct queue *queue = map_get(log->names, name);

    if (queue || map_len(log->names) >= log->limits.names)
        return queue;
    queue = xcalloc(1, sizeof(*queue));
    queue->log = log;
    queue->name = xstrndup(name.at ? name.at : "", name.len);
    queue->dyed = dyed;
    queue->last = &queue->first;
    queue->next = log->queues;
    log->queues = queue;
    map_put(log->names, name, queue);
    return queue;
}

static void append(struct report_remote_log *log, struct tars_str name, bool dyed,
                   struct tars_str text)
{
    struct line *line = xmalloc(sizeof(*line) + text.len);
    struct queue *queue = NULL;
    bool must_wake = false;

    line->next = NULL;
    line->len = text.len;
    memcpy(line->bytes, text.at, text.len);

    pthread_mutex_lock(&log->lock);
    if (!log->closed && log->lines < log->limits.lines &&
        log->bytes + text.len <= log->limits.bytes)
        queue = queue_of(log, name, dyed);
    if (queue) {
        *queue->last = line;
        queue->last = &line->next;
        log->lines++;
        log->bytes += text.len;
        must_wake = !log->woken;
        log->woken = true;
        if (must_wake)
            loop_call(log->loop, wake, log);
    } else {
        log->spilled++;
    }
    pthread_mutex_unlock(&log->lock);

    if (queue)
        return;
    free(line);
    log->spill(log->user, dyed ? tars_str("dyeing") : name, text);
}

void report_remote_log_day(struct report_remote_log *log, struct tars_str name,
                           struct tars_str line)
{
    append(log, name, false, line);
}

void report_remote_log_dyed(struct report_remote_log *log, struct tars_str line)
{
    append(log, tars_str(""), true, line);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void send_now(void *arg)
{
    struct report_remote_log *log = arg;

    loop_timer_clear(log->loop, &log->timer);
    send_all(log);
}

bool report_remote_log_flush(struct report_remote_log *log, int wait_ms)
{
    struct timespec until;
    int waited = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    loop_call(log->loop, send_now, log);
    pthread_mutex_lock(&log->lock);
    uint64_t failures = log->failures;
    while (log->lines > 0 && log->failures == failures && waited == 0)
        waited = pthread_cond_timedwait(&log->changed, &log->lock, &until);
    bool empty = log->lines == 0;
    pthread_mutex_unlock(&log->lock);
    return empty;
}

static void stop_timer(void *arg)
{
    struct report_remote_log *log = arg;

    loop_timer_clear(log->loop, &log->timer);
}

void report_remote_log_close(struct report_remote_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->closed = true;
    pthread_mutex_unlock(&log->lock);
    loop_call_wait(log->loop, stop_timer, log);
}

static void spill_queue(struct report_remote_log *log, struct queue *queue)
{
    struct line *next;

    for (struct line *line = queue->first; line; line = next) {
        next = line->next;
        log->spill(log->user, queue->dyed ? tars_str("dyeing") : tars_str(queue->name),
                   tars_str_n(line->bytes, line->len));
        free(line);
    }
}

void report_remote_log_free(struct report_remote_log *log)
{
    struct queue *next;

    if (!log)
        return;
    for (struct queue *queue = log->queues; queue; queue = next) {
        next = queue->next;
        spill_queue(log, queue);
        free(queue->name);
        free(queue);
    }
    map_free(log->names);
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

size_t report_remote_log_waiting(struct report_remote_log *log)
{
    pthread_mutex_lock(&log->lock);
    size_t lines = log->lines;
    pthread_mutex_unlock(&log->lock);
    return lines;
}

uint64_t report_remote_log_spilled(struct report_remote_log *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t spilled = log->spilled;
    pthread_mutex_unlock(&log->lock);
    return spilled;
}

struct tars_proxy *report_remote_log_proxy(const struct report_remote_log *log)
{
    return log->proxy;
}

void report_remote_log_use(struct report_remote_log *log, struct tars_proxy *proxy)
{
    log->proxy = proxy;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "loop/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xmalloc.h"
#include "loop/wheel.h"

enum { SIGNALS = 8, NAME_SIZE = 16 };

struct loop_signal {
    struct event *event;
    void (*run)(void *arg, int number);
    void *arg;
};

struct loop {
    struct event_base *base;
    bool own_base;
    char name[NAME_SIZE];

    /* Jobs: a stack that posters push on and the loop takes whole. Only the poster that finds it
     * empty rings the bell, so a burst costs one write(2). */
    _Atomic(struct loop_job *) jobs;
    struct loop_job *running; /* taken and not run yet, oldest first */
    int bell;
    struct event *bell_event;
    _Atomic bool stopping;

    struct wheel wheel;
    struct event *tick_event;
    int64_t armed_tick; /* 0: not armed */

    struct loop_signal signals[SIGNALS];
    size_t signal_count;

    pthread_t thread;
    bool started;           /* loop_start made `thread`, loop_join has not been called */
    _Atomic uintptr_t self; /* the thread that runs the loop; 0: none */
};

static uintptr_t this_thread(void)
{
    return (uintptr_t)pthread_self();
}

/* ---- jobs --------------------------------------------------------------------------------------
 */

static void ring(const struct loop *loop)
{
    const uint64_t one = 1;
    while (write(loop->bell, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static struct loop_job *take_jobs(struct loop *loop)
{
    struct loop_job *newest = atomic_exchange_explicit(&loop->jobs, NULL, memory_order_acq_rel);
    struct loop_job *oldest = NULL;
    while (newest) {
        struct loop_job *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

/* A job may call this itself, to end what was posted before something goes away: then the rest of
 * the jobs that were taken along with it run here too. */
static void run_jobs(struct loop *loop)
{
    struct loop_job **end = &loop->running, *job;
    while (*end)
        end = &(*end)->next;
    *end = take_jobs(loop);
    while ((job = loop->running)) {
        loop->running = job->next;
        job->run(job);
    }
}

static void on_bell(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    uint64_t count;
    (void)what;
    ssize_t ignored = read(fd, &count, sizeof count);
    (void)ignored;
    if (!loop->own_base)
        atomic_store_explicit(&loop->self, this_thread(), memory_order_relaxed);
    bool stop = atomic_load_explicit(&loop->stopping, memory_order_acquire);
    run_jobs(loop);
    if (stop)
        event_base_loopbreak(loop->base);
}

void loop_post(struct loop *loop, struct loop_job *job)
{
    struct loop_job *head = atomic_load_explicit(&loop->jobs, memory_order_relaxed);
    do
        job->next = head;
    while (!atomic_compare_exchange_weak_explicit(&loop->jobs, &head, job, memory_order_acq_rel,
                                                  memory_order_relaxed));
    if (!head)
        ring(loop);
}

struct loop_function {
    struct loop_job job;
    void (*run)(void *arg);
    void *arg;
    sem_t *done; /* NULL: nobody waits */
};

static void run_function(struct loop_job *job)
{
    struct loop_function *f = loop_container(job, struct loop_function, job);
    f->run(f->arg);
    if (f->done)
        sem_post(f->done); /* `f` lies on the waiting thread's stack */
    else
        free(f);
}

void loop_call(struct loop *loop, void (*run)(void *arg), void *arg)
{
    struct loop_function *f = xcalloc(1, sizeof *f);
    f->job.run = run_function;
    f->run = run;
    f->arg = arg;
    loop_post(loop, &f->job);
}

void loop_call_wait(struct loop *loop, void (*run)(void *arg), void *arg)
{
    if (!atomic_load(&loop->self) || loop_here(loop)) {
        run(arg);
        return;
    }
    sem_t done;
    sem_init(&done, 0, 0);
    struct loop_function f = {{NULL, run_function}, run, arg, &done};
    loop_post(loop, &f.job);
    while (sem_wait(&done) < 0 && errno == EINTR)
        ;
    sem_destroy(&done);
}

void loop_run_pending(struct loop *loop)
{
    run_jobs(loop);
}

/* ---- timers ------------------------------------------------------------------------------------
 */

static int64_t tick_now(void)
{
    return clock_ms() / LOOP_TICK_MS;
}

static void arm(struct loop *loop, int64_t tick)
{
    int64_t ms = tick * LOOP_TICK_MS - clock_ms();
    if (ms < 0)
        ms = 0;
    struct timeval wait = {ms / 1000, (ms % 1000) * 1000};
    loop->armed_tick = tick;
    event_add(loop->tick_event, &wait);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    (void)fd;
    (void)what;
    loop->armed_tick = 0;
    wheel_advance(&loop->wheel, tick_now());
    int64_t next = wheel_next(&loop->wheel);
    if (next >= 0 && (!loop->armed_tick || next < loop->armed_tick))
        arm(loop, next);
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t ms,
                    void (*fire)(struct loop_timer *timer))
{
    struct wheel *wheel = &loop->wheel;
    loop_timer_clear(loop, timer);
    if (!wheel->count && tick_now() > wheel->tick)
        wheel->tick = tick_now(); /* nothing was due meanwhile: skip the empty turns */
    timer->fire = fire;
    timer->due_tick = (clock_ms() + (ms > 0 ? ms : 0)) / LOOP_TICK_MS + 1;
    if (timer->due_tick <= wheel->tick)
        timer->due_tick = wheel->tick + 1;
    wheel_add(wheel, timer);
    if (!loop->armed_tick || timer->due_tick < loop->armed_tick)
        arm(loop, timer->due_tick);
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    if (timer->at)
        wheel_remove(&loop->wheel, timer);
}

/* ---- signals -----------------------------------------------------------------------------------
 */

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct loop_signal *s = arg;
    (void)what;
    s->run(s->arg, number);
}

void loop_on_signal(struct loop *loop, int number, void (*run)(void *arg, int number), void *arg)
{
    if (loop->signal_count == SIGNALS)
        return;
    struct loop_signal *s = &loop->signals[loop->signal_count++];
    s->run = run;
    s->arg = arg;
    s->event = event_new(loop->base, number, EV_SIGNAL | EV_PERSIST, on_signal, s);
    event_add(s->event, NULL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- life --------------------------------------------------------------------------------------
 */

/* Nothing but its own thread touches the base, so it needs none of libevent's locks. */
static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

struct loop *loop_new_on(struct event_base *base, const char *name)
{
    struct loop *loop = xcalloc(1, sizeof *loop);
    loop->base = base;
    snprintf(loop->name, sizeof loop->name, "%s", name);
    loop->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->bell_event = event_new(base, loop->bell, EV_READ | EV_PERSIST, on_bell, loop);
    event_add(loop->bell_event, NULL);
    loop->tick_event = event_new(base, -1, 0, on_tick, loop);
    wheel_init(&loop->wheel, tick_now());
    return loop;
}

struct loop *loop_new(const char *name)
{
    struct loop *loop = loop_new_on(new_base(), name);
    loop->own_base = true;
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    if (loop->started) {
        loop_stop(loop);
        loop_join(loop);
    }
    for (size_t i = 0; i < loop->signal_count; i++)
        event_free(loop->signals[i].event);
    event_free(loop->tick_event);
    event_free(loop->bell_event);
    close(loop->bell);
    for (struct loop_job *job = take_jobs(loop), *next; job; job = next) {
        next = job->next;
        if (job->run == run_function)
            free(loop_container(job, struct loop_function, job));
    }
    if (loop->own_base)
        event_base_free(loop->base);
    free(loop);
}

void loop_run(struct loop *loop)
{
    atomic_store(&loop->self, this_thread());
    event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    atomic_store(&loop->self, 0);
    atomic_store(&loop->stopping, false);
}

static void *thread_main(void *arg)
{
    struct loop *loop = arg;
    pthread_setname_np(pthread_self(), loop->name);
    loop_run(loop);
    return NULL;
}

bool loop_start(struct loop *loop, struct tars_error *error)
{
    int failed = pthread_create(&loop->thread, NULL, thread_main, loop);
    if (failed)
        return tars_fail(error, failed, "starting the thread \"%s\": %s", loop->name,
                         strerror(failed));
    loop->started = true;
    atomic_store(&loop->self, (uintptr_t)loop->thread);
    return true;
}

void loop_stop(struct loop *loop)
{
    atomic_store_explicit(&loop->stopping, true, memory_order_release);
    ring(loop);
}

void loop_join(struct loop *loop)
{
    if (!loop->started)
        return;
    pthread_join(loop->thread, NULL);
    loop->started = false;
    atomic_store(&loop->self, 0);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

bool loop_here(const struct loop *loop)
{
    return atomic_load_explicit(&loop->self, memory_order_relaxed) == this_thread();
}

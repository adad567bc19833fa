/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "loop/wheel.h"
#include "testkit.h"

enum { POSTERS = 4, POSTS = 2000 };

/* ---- jobs --------------------------------------------------------------------------------------
 */

struct numbered {
    struct loop_job job;
    int poster;
    int number;
    int *last; /* per poster, touched only on the loop's thread */
    struct loop *loop;
    _Atomic int *wrong;
};

static void check_order(struct loop_job *job)
{
    struct numbered *n = loop_container(job, struct numbered, job);
    if (n->last[n->poster] + 1 != n->number || !loop_here(n->loop))
        atomic_fetch_add(n->wrong, 1);
    n->last[n->poster] = n->number;
}

struct poster {
    struct numbered jobs[POSTS];
};

static void *post_all(void *arg)
{
    struct poster *p = arg;
    for (int i = 0; i < POSTS; i++)
        loop_post(p->jobs[i].loop, &p->jobs[i].job);
    return NULL;
}

START_TEST(jobs_of_each_thread_run_in_order_and_none_is_lost)
{
    struct loop *loop = loop_new("test");
    ck_assert(loop_start(loop, NULL));
    static struct poster posters[POSTERS];
    int last[POSTERS];
    _Atomic int wrong = 0;
    pthread_t threads[POSTERS];
    for (int p = 0; p < POSTERS; p++) {
        last[p] = -1;
        for (int i = 0; i < POSTS; i++)
            posters[p].jobs[i] = (struct numbered){{NULL, check_order}, p, i, last, loop, &wrong};
        pthread_create(&threads[p], NULL, post_all, &posters[p]);
    }
    for (int p = 0; p < POSTERS; p++)
        pthread_join(threads[p], NULL);
    loop_stop(loop);
    loop_join(loop);
    ck_assert_int_eq(wrong, 0);
    for (int p = 0; p < POSTERS; p++)
        ck_assert_int_eq(last[p], POSTS - 1);
    loop_free(loop);
}
END_TEST

static void store_here(void *arg)
{
    struct {
        struct loop *loop;
        bool here;
    } *r = arg;
    r->here = loop_here(r->loop);
}

START_TEST(call_wait_returns_after_the_function_has_run_on_the_loop)
{
    struct {
        struct loop *loop;
        bool here;
    } r = {loop_new("test"), false};
    ck_assert(loop_start(r.loop, NULL));
    loop_call_wait(r.loop, store_here, &r);
    ck_assert(r.here);
    ck_assert(!loop_here(r.loop));
    loop_free(r.loop);
}
END_TEST

static void count_up(void *arg)
{
    ++*(int *)arg;
}

START_TEST(a_loop_freed_before_it_ran_drops_its_jobs)
{
    int n = 0;
    struct loop *loop = loop_new("test");
    loop_call(loop, count_up, &n);
    loop_free(loop);
    ck_assert_int_eq(n, 0);
}
END_TEST

START_TEST(a_foreign_base_runs_jobs_and_stays)
{
    struct event_base *base = event_base_new();
    struct loop *loop = loop_new_on(base, "test");
    int n = 0;
    loop_call(loop, count_up, &n);
    event_base_loop(base, EVLOOP_ONCE);
    ck_assert_int_eq(n, 1);
    loop_free(loop);
    event_base_free(base);
}
END_TEST

/* ---- timers ------------------------------------------------------------------------------------
 */

struct timed {
    struct loop_timer timer;
    struct loop *loop;
    int64_t want, fired;
    int *order, place;
    struct timed *clears;
    bool stops;
};

static void note_time(struct loop_timer *timer)
{
    struct timed *t = loop_container(timer, struct timed, timer);
    t->fired = clock_ms();
    if (t->order)
        t->place = ++*t->order;
    if (t->clears)
        loop_timer_clear(t->loop, &t->clears->timer);
    if (t->stops)
        loop_stop(t->loop);
}

START_TEST(timers_fire_in_order_never_early_and_once)
{
    struct loop *loop = loop_new("test");
    static const int ms[] = {60, 0, 25, 8, 120};
    static const int place[] = {4, 1, 3, 2, 5};
    struct timed t[5] = {0};
    int order = 0;
    int64_t begin = clock_ms();
    for (int i = 0; i < 5; i++) {
        t[i].loop = loop;
        t[i].order = &order;
        t[i].stops = ms[i] == 120;
        loop_timer_set(loop, &t[i].timer, ms[i], note_time);
    }
    loop_run(loop);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_ge(t[i].fired - begin, ms[i]);
        ck_assert_int_lt(t[i].fired - begin, ms[i] + 1000);
        ck_assert_int_eq(t[i].place, place[i]);
        ck_assert(!loop_timer_is_set(&t[i].timer));
    }
    loop_free(loop);
}
END_TEST

START_TEST(a_cleared_timer_does_not_fire_also_when_another_timer_clears_it)
{
    struct loop *loop = loop_new("test");
    struct timed a = {.loop = loop}, b = {.loop = loop}, c = {.loop = loop}, end = {.loop = loop};
    loop_timer_set(loop, &a.timer, 10, note_time);
    loop_timer_clear(loop, &a.timer);
    loop_timer_clear(loop, &a.timer);
    b.clears = &c; /* both due on the same tick: whichever runs first spares the other */
    c.clears = &b;
    loop_timer_set(loop, &b.timer, 10, note_time);
    loop_timer_set(loop, &c.timer, 10, note_time);
    end.stops = true;
    loop_timer_set(loop, &end.timer, 50, note_time);
    loop_run(loop);
    ck_assert_int_eq(a.fired, 0);
    ck_assert(!b.fired != !c.fired);
    loop_free(loop);
}
END_TEST

static struct wheel *shared_wheel;
static int64_t wrong_fires, fires;

static void check_due(struct loop_timer *timer)
{
    fires++;
    if (timer->due_tick > shared_wheel->tick)
        wrong_fires++;
}

START_TEST(wheel_fires_each_timer_on_its_tick_however_the_clock_jumps)
{
    static struct wheel wheel;
    static struct loop_timer timers[3000];
    wheel_init(&wheel, 5000);
    shared_wheel = &wheel;
    wrong_fires = fires = 0;
    srand(7);
    for (size_t i = 0; i < 3000; i++) {
        timers[i].due_tick = 5001 + rand() % 5000;
        timers[i].fire = check_due;
        wheel_add(&wheel, &timers[i]);
    }
    for (int64_t tick = 5000; tick < 10000;) {
        int64_t next = wheel_next(&wheel);
        tick += 1 + (tick % 7 == 0 ? 1500 : rand() % 40);
        wheel_advance(&wheel, tick);
        for (size_t i = 0; i < 3000; i++) {
            ck_assert(timers[i].at == NULL || timers[i].due_tick > tick);
            ck_assert(timers[i].at == NULL || timers[i].due_tick >= next);
        }
    }
    wheel_advance(&wheel, 10001);
    ck_assert_int_eq(fires, 3000);
    ck_assert_int_eq(wrong_fires, 0);
    ck_assert_int_eq(wheel_next(&wheel), -1);
}
END_TEST

/* ---- signals -----------------------------------------------------------------------------------
 */

static void stop_on_signal(void *arg, int number)
{
    ck_assert_int_eq(number, SIGUSR1);
    loop_stop(arg);
}

START_TEST(a_signal_reaches_the_loop)
{
    struct loop *loop = loop_new("test");
    loop_on_signal(loop, SIGUSR1, stop_on_signal, loop);
    kill(getpid(), SIGUSR1);
    loop_run(loop);
    loop_free(loop);
}
END_TEST

/* ---- jobs within a job
 * -------------------------------------------------------------------------- */

struct nested {
    struct loop *loop;
    int done, seen;
};

static void count_done(void *arg)
{
    ((struct nested *)arg)->done++;
}

static void run_the_rest(void *arg)
{
    struct nested *n = arg;
    loop_run_pending(n->loop);
    n->seen = n->done;
}

START_TEST(a_job_that_runs_what_is_pending_runs_those_taken_along_with_it)
{
    struct nested n = {.loop = loop_new("nested")};
    loop_call(n.loop, count_done, &n);
    loop_call(n.loop, run_the_rest, &n);
    loop_call(n.loop, count_done, &n);
    loop_call(n.loop, count_done, &n);
    loop_run_pending(n.loop);
    ck_assert_int_eq(n.seen, 3);
    ck_assert_int_eq(n.done, 3);
    loop_free(n.loop);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop");
    TCase *t = tcase_create("loop");
    tcase_add_test(t, a_job_that_runs_what_is_pending_runs_those_taken_along_with_it);
    tcase_add_test(t, jobs_of_each_thread_run_in_order_and_none_is_lost);
    tcase_add_test(t, call_wait_returns_after_the_function_has_run_on_the_loop);
    tcase_add_test(t, a_loop_freed_before_it_ran_drops_its_jobs);
    tcase_add_test(t, a_foreign_base_runs_jobs_and_stays);
    tcase_add_test(t, timers_fire_in_order_never_early_and_once);
    tcase_add_test(t, a_cleared_timer_does_not_fire_also_when_another_timer_clears_it);
    tcase_add_test(t, wheel_fires_each_timer_on_its_tick_however_the_clock_jumps);
    tcase_add_test(t, a_signal_reaches_the_loop);
    suite_add_tcase(suite, t);
    return tk_main(suite);
}

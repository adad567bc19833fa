/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An event loop on a thread: libevent's event_base, a queue through which other threads hand it
 * work, and timers that cost next to nothing to set and to clear.
 *
 * What is registered on the base belongs to the loop's thread. From other threads only loop_post,
 * loop_call, loop_call_wait and loop_stop may be called.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <tars/types.h>

struct event_base;
struct loop;

/* ---- life ---------------------------------------------------------------------------------- */

/* A loop with a base of its own; `name` (at most 15 bytes are shown) becomes its thread's name. */
struct loop *loop_new(const char *name);
/* The same on a base that the program runs itself; it stays the program's. */
struct loop *loop_new_on(struct event_base *base, const char *name);
/* Joins a started thread (stopping it first), drops jobs that were never run. */
void loop_free(struct loop *loop);

/* Runs the loop on a thread of its own. False when the thread cannot be made. */
bool loop_start(struct loop *loop, struct tars_error *error) TARS_MUSTCHECK;
/* Runs it on the calling thread until loop_stop. */
void loop_run(struct loop *loop);
/* Ends the loop after the jobs posted so far; any thread, also from a signal handler. */
void loop_stop(struct loop *loop);
/* Waits for the thread of loop_start to end. */
void loop_join(struct loop *loop);

struct event_base *loop_base(struct loop *loop);
/* True on the thread that runs the loop (for a foreign base: that last ran one of its jobs). */
bool loop_here(const struct loop *loop);

/* ---- work from other threads ------------------------------------------------------------------
 */

/* A job lies inside what it is about; `run` may free it. */
struct loop_job {
    struct loop_job *next;
    void (*run)(struct loop_job *job);
};

/* Runs the job soon on the loop's thread, in the order of posting. Takes no lock; a wake-up is sent
 * only when the loop may be asleep. A job must not be posted again before it has run. */
void loop_post(struct loop *loop, struct loop_job *job);
/* The same for a function; allocates. */
void loop_call(struct loop *loop, void (*run)(void *arg), void *arg);
/* Runs it on the loop's thread and waits; at once when called there or when no thread runs it. */
void loop_call_wait(struct loop *loop, void (*run)(void *arg), void *arg);

/* Runs the jobs posted so far, now: on the loop's thread, or on any when none runs the loop. */
void loop_run_pending(struct loop *loop);

/* ---- timers ------------------------------------------------------------------------------------
 */

enum { LOOP_TICK_MS = 4 }; /* timers fire up to one tick late, never early */

/* A timer lies inside what it is about. Zero it before the first use. */
struct loop_timer {
    struct loop_timer *next, **at; /* at == NULL: not set */
    int64_t due_tick;
    void (*fire)(struct loop_timer *timer);
};

/* Fires once, `ms` from now; a timer that is already set is moved. Constant time. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t ms,
                    void (*fire)(struct loop_timer *timer));
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);
static inline bool loop_timer_is_set(const struct loop_timer *timer)
{
    return timer->at != NULL;
}

/* ---- signals ------------------------------------------------------------------------------------
 */

/*
 * Calls `run` on the loop's thread when the process gets the signal; one loop per process. Where
 * the calling thread had it blocked it no longer is: one that came meanwhile is handled too.
 */
void loop_on_signal(struct loop *loop, int number, void (*run)(void *arg, int number), void *arg);

/* The struct that a member lies in: loop_container(job, struct call, job). */
#define loop_container(ptr_, type_, member_) ((type_ *)((char *)(ptr_)-offsetof(type_, member_)))

#endif

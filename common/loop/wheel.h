/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hashed timer wheel: one list per slot, a slot per tick modulo the wheel's size. Setting and
 * clearing are a list operation; a timer further away than one turn stays in its slot and is
 * looked at once a turn. A bitmap tells which slots hold anything.
 */
#ifndef LOOP_WHEEL_H
#define LOOP_WHEEL_H

#include "loop/loop.h"

enum { WHEEL_SLOTS = 1024 };

struct wheel {
    struct loop_timer *slots[WHEEL_SLOTS];
    uint64_t used[WHEEL_SLOTS / 64];
    int64_t tick; /* all timers due up to here have fired */
    size_t count;
};

void wheel_init(struct wheel *wheel, int64_t tick);
/* `timer->due_tick` must be later than `wheel->tick`. */
void wheel_add(struct wheel *wheel, struct loop_timer *timer);
void wheel_remove(struct wheel *wheel, struct loop_timer *timer);
/* Fires everything due up to `tick`, in slot order. Timers may be set and cleared meanwhile. */
void wheel_advance(struct wheel *wheel, int64_t tick);
/* The next tick at which something may be due; -1 when the wheel is empty. */
int64_t wheel_next(const struct wheel *wheel);

#endif

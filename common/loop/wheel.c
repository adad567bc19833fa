/* SPDX-License-Identifier: BSD-3-Clause */
#include "loop/wheel.h"

void wheel_init(struct wheel *wheel, int64_t tick)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->tick = tick;
}

static unsigned slot_of(int64_t tick)
{
    return (unsigned)((uint64_t)tick % WHEEL_SLOTS);
}

static void link_timer(struct loop_timer **head, struct loop_timer *timer)
{
    timer->next = *head;
    timer->at = head;
    if (timer->next)
        timer->next->at = &timer->next;
    *head = timer;
}

static void unlink_timer(struct loop_timer *timer)
{
    *timer->at = timer->next;
    if (timer->next)
        timer->next->at = timer->at;
    timer->next = NULL;
    timer->at = NULL;
}

void wheel_add(struct wheel *wheel, struct loop_timer *timer)
{
    unsigned slot = slot_of(timer->due_tick);
    link_timer(&wheel->slots[slot], timer);
    wheel->used[slot / 64] |= UINT64_C(1) << (slot % 64);
    wheel->count++;
}

void wheel_remove(struct wheel *wheel, struct loop_timer *timer)
{
    unsigned slot = slot_of(timer->due_tick);
    unlink_timer(timer);
    if (!wheel->slots[slot])
        wheel->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    wheel->count--;
}

/* A timer that fires may clear any other, so due ones first move to a list of their own. */
static void fire_slot(struct wheel *wheel, unsigned slot, int64_t tick)
{
    struct loop_timer *due = NULL, *timer, *next;
    for (timer = wheel->slots[slot]; timer; timer = next) {
        next = timer->next;
        if (timer->due_tick > tick)
            continue;
        unlink_timer(timer);
        link_timer(&due, timer);
    }
    if (!wheel->slots[slot])
        wheel->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    while ((timer = due)) {
        unlink_timer(timer);
        wheel->count--;
        timer->fire(timer);
    }
}

/* Distance from slot `from` to the next used slot, going round; WHEEL_SLOTS when there is none. */
static unsigned distance_to_used(const struct wheel *wheel, unsigned from)
{
    unsigned passed = 0;
    while (passed < WHEEL_SLOTS) {
        unsigned slot = (from + passed) % WHEEL_SLOTS;
        uint64_t word = wheel->used[slot / 64] >> (slot % 64);
        if (word)
            return passed + (unsigned)__builtin_ctzll(word);
        passed += 64 - slot % 64;
    }
    return WHEEL_SLOTS;
}

void wheel_advance(struct wheel *wheel, int64_t tick)
{
    int64_t from = wheel->tick + 1;
    if (tick < from)
        return;
    wheel->tick = tick; /* timers set while firing are due later than this */
    int64_t span = tick - from + 1 < WHEEL_SLOTS ? tick - from + 1 : WHEEL_SLOTS;
    for (int64_t i = 0; i < span && wheel->count; i++) {
        i += distance_to_used(wheel, slot_of(from + i));
        if (i < span)
            fire_slot(wheel, slot_of(from + i), tick);
    }
}

int64_t wheel_next(const struct wheel *wheel)
{
    if (!wheel->count)
        return -1;
    return wheel->tick + 1 + distance_to_used(wheel, slot_of(wheel->tick + 1));
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"

#include <time.h>

static int64_t micros(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_us(void)
{
    return micros(CLOCK_MONOTONIC);
}

int64_t clock_tick(void)
{
    return micros(CLOCK_MONOTONIC_COARSE);
}

int64_t clock_ms(void)
{
    return micros(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_wall_ms(void)
{
    return micros(CLOCK_REALTIME) / 1000;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Time: one clock that never goes back for intervals, one for dates. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds and microseconds of the monotonic clock. */
int64_t clock_ms(void);
int64_t clock_us(void);
/* Changes every few milliseconds and costs next to nothing: whether to look at the clock at all. */
int64_t clock_tick(void);
/* Milliseconds since 1970, UTC. */
int64_t clock_wall_ms(void);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of what the caller describes. */
#ifndef SUPERVISE_SPEC_H
#define SUPERVISE_SPEC_H

#include "supervise/supervise.h"

/* Both copy all texts and lists into the arena. */
struct sup_launch sup_launch_copy(struct tars_arena *arena, const struct sup_launch *launch);
struct sup_spec sup_spec_copy(struct tars_arena *arena, const struct sup_spec *spec);

/* Differs where what is run differs: program, arguments, environment, folder, user. Never 0, the
 * same in every process. */
int64_t sup_launch_sum(const struct sup_launch *launch);

/* False, with the reason, when it cannot be a server: its name, nothing to run, a bad check. */
bool sup_spec_check(const struct sup_spec *spec, struct tars_error *error) TARS_MUSTCHECK;

#endif

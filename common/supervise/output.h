/* SPDX-License-Identifier: BSD-3-Clause */
/* Keeps what a server writes to stdout and stderr: a file that is rotated, and the tail. */
#ifndef SUPERVISE_OUTPUT_H
#define SUPERVISE_OUTPUT_H

#include <sys/types.h>

#include "loop/loop.h"
#include "supervise/launch.h"

struct sup_keeper;

/* `path` is copied. `lost` is told, in words, when the file cannot be written for a first time. */
struct sup_keeper *sup_keeper_new(struct loop *loop, const struct sup_output *output,
                                  void (*lost)(void *user, const char *text), void *user);
void sup_keeper_free(struct sup_keeper *keeper);

/*
 * Begins a launch: forgets the tail and returns the descriptor for the process's output, to be
 * closed when it has it; -1: it is to have the supervisor's own. A pipe belongs to uid and gid, so
 * that the process may open /dev/stdout; it holds its own reading end, so that the death of the
 * supervisor does not break it.
 */
int sup_keeper_open(struct sup_keeper *keeper, uid_t uid, gid_t gid);
/* Names the pipe of the launch; 0 when there is none. */
uint64_t sup_keeper_pipe(const struct sup_keeper *keeper);
/* Takes the pipe of that name back from a process that an earlier supervisor started. */
void sup_keeper_adopt(struct sup_keeper *keeper, pid_t pid, uint64_t pipe);
/* Takes what has been written so far. */
void sup_keeper_drain(struct sup_keeper *keeper);

/* The tail with a NUL behind it, to be freed. */
char *sup_keeper_tail(const struct sup_keeper *keeper, size_t *len);
uint64_t sup_keeper_lost(const struct sup_keeper *keeper);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of the terminal. */
#ifndef TARSC_HANGUP_H
#define TARSC_HANGUP_H

struct loop;

/* Calls `run` on SIGHUP, unless nohup has it ignored: then it stays so. */
void hangup_watch(struct loop *loop, void (*run)(void *user, int number), void *user);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a program to its end and reads what it says. */
#ifndef TARSC_CHILD_H
#define TARSC_CHILD_H

/* Runs argv to its end with its output (stderr too) in *output, to be freed; the exit status, -1
 * when it cannot be run or is killed. Not while a supervisor lives: that one waits for children. */
int child_run(char *const argv[], char **output);

#endif

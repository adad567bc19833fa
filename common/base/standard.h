/* SPDX-License-Identifier: BSD-3-Clause */
/* stdin, stdout and stderr of a program that was started without them. */
#ifndef BASE_STANDARD_H
#define BASE_STANDARD_H

#include <stdbool.h>

/*
 * Opens /dev/null for each of the three that is closed: else the next file or socket would be one
 * of them, and get what is printed. Before anything else is opened; false when that cannot be done.
 */
bool standard_files_open(void);

#endif

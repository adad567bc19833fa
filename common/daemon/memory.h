/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that only the start needed. */
#ifndef DAEMON_MEMORY_H
#define DAEMON_MEMORY_H

/*
 * Gives back what the start has touched and serving does not need: free heap, and the pages of
 * program text (the libraries' initialisers are most of it), which come back from the page cache
 * one by one when they are used again. Once, when a daemon has started.
 */
void daemon_memory_trim(void);

#endif

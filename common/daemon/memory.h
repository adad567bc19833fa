/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that was needed once: by the start, or by a crowd that is gone. */
#ifndef DAEMON_MEMORY_H
#define DAEMON_MEMORY_H

/*
 * Gives back what the start has touched and serving does not need: free heap, and the pages of
 * programs and libraries that nobody wrote to (what their initialisers touched is most of it),
 * which come back from the page cache one by one when they are used again. Once, when a daemon has
 * started.
 */
void daemon_memory_trim(void);

struct event_base;
struct daemon_memory;

/*
 * From now on gives back, every few seconds, free heap of some megabytes. malloc alone keeps what
 * lies below the last block that is in use: after a burst that is most of it, for good. On the
 * base's thread, as daemon_memory_unwatch (NULL is allowed).
 */
struct daemon_memory *daemon_memory_watch(struct event_base *base);
void daemon_memory_unwatch(struct daemon_memory *memory);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* What /proc tells of processes: who they are, and which of them belong together. */
#ifndef SUPERVISE_PROC_H
#define SUPERVISE_PROC_H

#include <sys/types.h>

#include <tars/types.h>

/* The variable that marks all processes of one launch. */
#define SUP_MARK_NAME "SUPERVISE_ID"
enum { SUP_MARK_SIZE = 33, SUP_BOOT_ID_SIZE = 40 };

struct sup_proc {
    pid_t pid, parent, group, session;
    char state;     /* as in /proc/PID/stat: R, S, D, Z, … */
    uint64_t start; /* clock ticks after boot: with the pid it names a process for good */
};

/* False when there is none. Zombies are there. */
bool sup_proc_read(pid_t pid, struct sup_proc *proc);
/* Takes the text of /proc/PID/stat apart; false when it is none. */
bool sup_proc_parse(const char *text, struct sup_proc *proc);
/* True when that very process runs (a zombie does not). */
bool sup_proc_is(pid_t pid, uint64_t start);
/* True when it was started with SUP_MARK_NAME=mark; false also when that cannot be read. */
bool sup_proc_has_mark(pid_t pid, const char *mark);
/* Names this boot of the machine; "" when it cannot be read. */
void sup_proc_boot_id(char id[SUP_BOOT_ID_SIZE]);

/* The processes of one launch. */
struct sup_tree {
    pid_t leader;   /* of their session and first process group; 0: only the mark tells */
    uint64_t start; /* of the leader: nothing in the tree is older */
    const char *mark;
    bool anywhere; /* look in all processes, not only in those that descend from this one */
};

/*
 * Those that live: of the leader's session or group, marked, or descended from one of these. Oldest
 * first, in an array to be freed (NULL when there are none); returns their number.
 */
size_t sup_proc_tree(const struct sup_tree *tree, struct sup_proc **members);
/* A signal for that very process; false when it does not run. */
bool sup_proc_signal(pid_t pid, uint64_t start, int number);
/*
 * A signal for each of a tree; returns how many it has. With the main process (0: none) only for
 * the leader's group and the main process's session: what stands apart, as the children of another
 * supervisor do, is its business.
 */
size_t sup_proc_signal_tree(const struct sup_tree *tree, pid_t main, int number);
/* A new mark. */
void sup_proc_make_mark(char mark[SUP_MARK_SIZE]);

#endif

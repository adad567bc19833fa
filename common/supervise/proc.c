/* SPDX-License-Identifier: BSD-3-Clause */
#include "supervise/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xmalloc.h"

enum { STAT_SIZE = 1024, ENVIRON_MAX = 1 << 20, EXEC_LOOKS = 6 };

/* Reads at most size - 1 bytes and puts a NUL behind; -1 when it cannot be opened. */
static ssize_t read_start(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t len = read(fd, text, size - 1);
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    return len;
}

bool sup_proc_parse(const char *text, struct sup_proc *proc)
{
    /* The name stands in brackets and may hold anything, so the last bracket ends it. */
    const char *behind = strrchr(text, ')');
    int pid, parent, group, session;
    unsigned long long start;
    if (!behind || sscanf(text, "%d (", &pid) != 1 ||
        sscanf(behind,
               ") %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &proc->state, &parent, &group, &session, &start) != 5)
        return false;
    proc->pid = pid;
    proc->parent = parent;
    proc->group = group;
    proc->session = session;
    proc->start = start;
    return true;
}

bool sup_proc_read(pid_t pid, struct sup_proc *proc)
{
    char path[40], text[STAT_SIZE];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    return pid > 0 && read_start(path, text, sizeof text) > 0 && sup_proc_parse(text, proc);
}

static bool is_dead(const struct sup_proc *proc)
{
    return proc->state == 'Z' || proc->state == 'X' || proc->state == 'x';
}

bool sup_proc_is(pid_t pid, uint64_t start)
{
    struct sup_proc proc;
    return sup_proc_read(pid, &proc) && proc.start == start && !is_dead(&proc);
}

/* The whole of a file of unknown size, to be freed. */
static char *read_whole(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = NULL;
    size_t size = 0;
    ssize_t got = 1;
    *len = 0;
    while (fd >= 0 && got > 0 && *len < ENVIRON_MAX) {
        if (*len == size)
            text = xrealloc(text, size = size ? size * 2 : 4096);
        got = read(fd, text + *len, size - *len);
        *len += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0)
        close(fd);
    return text;
}

/* In the middle of an exec a process shows no environment at all, for less than a millisecond. */
static char *read_environ(pid_t pid, int looks, size_t *len)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    char *text = read_whole(path, len);
    for (int i = 1; i < looks && text && !*len; i++) {
        nanosleep(&moment, NULL);
        free(text);
        text = read_whole(path, len);
    }
    return text;
}

static bool has_mark(pid_t pid, const char *mark, int looks)
{
    char wanted[sizeof SUP_MARK_NAME + SUP_MARK_SIZE];
    size_t len, want;
    want = (size_t)snprintf(wanted, sizeof wanted, SUP_MARK_NAME "=%s", mark) + 1;
    char *text = *mark ? read_environ(pid, looks, &len) : NULL;
    if (!text)
        return false;
    const char *at = memmem(text, len, wanted, want);
    bool found = at && (at == text || at[-1] == '\0');
    free(text);
    return found;
}

bool sup_proc_has_mark(pid_t pid, const char *mark)
{
    return has_mark(pid, mark, 1);
}

void sup_proc_boot_id(char id[SUP_BOOT_ID_SIZE])
{
    if (read_start("/proc/sys/kernel/random/boot_id", id, SUP_BOOT_ID_SIZE) < 0)
        *id = '\0';
    id[strcspn(id, "\n")] = '\0';
}

/* ---- trees
 * --------------------------------------------------------------------------------------- */

static struct sup_proc *read_all(size_t *count)
{
    DIR *folder = opendir("/proc");
    struct sup_proc *all = NULL;
    const struct dirent *entry;
    size_t size = 0;
    *count = 0;
    while (folder && (entry = readdir(folder))) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (*count == size)
            all = xrealloc(all, (size = size ? size * 2 : 128) * sizeof *all);
        if (sup_proc_read((pid_t)strtol(entry->d_name, NULL, 10), &all[*count]) &&
            !is_dead(&all[*count]))
            ++*count;
    }
    if (folder)
        closedir(folder);
    return all;
}

static bool belongs(const struct sup_tree *tree, const struct sup_proc *proc, pid_t self)
{
    if (proc->pid == self || proc->start < tree->start)
        return false;
    /* The leader itself counts before it has made its session. */
    if (tree->leader &&
        (proc->pid == tree->leader || proc->session == tree->leader || proc->group == tree->leader))
        return true;
    if (proc->parent == self)
        return has_mark(proc->pid, tree->mark, EXEC_LOOKS);
    return tree->anywhere && sup_proc_has_mark(proc->pid, tree->mark);
}

/* Moves what descends from one of the first `members` to them; returns the new number. */
static size_t add_descendants(struct sup_proc *all, size_t count, size_t members)
{
    for (size_t i = 0; i < members; i++)
        for (size_t k = members; k < count; k++)
            if (all[k].parent == all[i].pid) {
                struct sup_proc child = all[k];
                all[k] = all[members];
                all[members++] = child;
            }
    return members;
}

static int compare_age(const void *a, const void *b)
{
    const struct sup_proc *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* Leaves those that do not descend from this process; returns the new number. */
static size_t keep_own(struct sup_proc *all, size_t count, pid_t self)
{
    size_t own = 0;
    for (size_t i = 0; i < count; i++)
        if (all[i].parent == self) {
            struct sup_proc child = all[i];
            all[i] = all[own];
            all[own++] = child;
        }
    return add_descendants(all, count, own);
}

/* While one of a session or group lives the kernel gives its number to nobody else; so when another
 * process has it, nothing is left of them, and only the mark tells. */
static struct sup_tree without_stranger(const struct sup_tree *tree)
{
    struct sup_tree own = *tree;
    struct sup_proc leader;
    if (sup_proc_read(tree->leader, &leader) && leader.start != tree->start)
        own.leader = 0;
    return own;
}

size_t sup_proc_tree(const struct sup_tree *tree, struct sup_proc **members)
{
    size_t count, found = 0;
    pid_t self = getpid();
    struct sup_tree own = without_stranger(tree);
    struct sup_proc *all = read_all(&count);
    if (!tree->anywhere) /* a stranger's group may have got the number of one that is gone */
        count = keep_own(all, count, self);
    for (size_t i = 0; i < count; i++)
        if (belongs(&own, &all[i], self)) {
            struct sup_proc member = all[i];
            all[i] = all[found];
            all[found++] = member;
        }
    found = add_descendants(all, count, found);
    if (!found) {
        free(all);
        all = NULL;
    } else {
        qsort(all, found, sizeof *all, compare_age);
    }
    *members = all;
    return found;
}

/* ---- signals
 * -------------------------------------------------------------------------------------- */

bool sup_proc_signal(pid_t pid, uint64_t start, int number)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    bool ok = sup_proc_is(pid, start); /* after the pidfd is open: both mean the same process */
    if (ok && pidfd >= 0)
        ok = syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) == 0;
    else if (ok)
        ok = kill(pid, number) == 0;
    if (pidfd >= 0)
        close(pidfd);
    return ok;
}

static pid_t session_of(const struct sup_proc *members, size_t count, pid_t pid)
{
    for (size_t i = 0; i < count; i++)
        if (pid && members[i].pid == pid)
            return members[i].session;
    return 0;
}

size_t sup_proc_signal_tree(const struct sup_tree *tree, pid_t main, int number)
{
    struct sup_proc *members;
    size_t count = sup_proc_tree(tree, &members);
    pid_t session = session_of(members, count, main);
    bool group = false, leads = false;
    for (size_t i = 0; i < count; i++) {
        group = group || (tree->leader && members[i].group == tree->leader);
        leads = leads || (tree->leader && members[i].pid == tree->leader);
    }
    if (group)
        kill(-tree->leader, number); /* all at once, also those that are being forked */
    for (size_t i = 0; i < count; i++)
        if ((!group || members[i].group != tree->leader) &&
            (!session || members[i].session == session))
            sup_proc_signal(members[i].pid, members[i].start, number);
    if (leads && !group)
        kill(-tree->leader, number); /* it has made its group, and maybe a child, just now */
    free(members);
    return count;
}

void sup_proc_make_mark(char mark[SUP_MARK_SIZE])
{
    uint64_t random[2];
    if (getrandom(random, sizeof random, GRND_NONBLOCK) != sizeof random) {
        random[0] = (uint64_t)clock_us(); /* early in the boot: unique is enough */
        random[1] = (uint64_t)getpid();
    }
    snprintf(mark, SUP_MARK_SIZE, "%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
}

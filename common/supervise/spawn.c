/* SPDX-License-Identifier: BSD-3-Clause */
#include "supervise/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "supervise/proc.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#ifdef __GLIBC__
typedef __rlimit_resource_t limit_id;
#else
typedef int limit_id;
#endif

enum { MAX_GROUPS = 256, NEWS_FD = 3, CHILD_FAILED = 127, MOST_FDS = 1 << 20 };

/* Everything that the child needs, made before fork: it may not allocate. */
struct ready {
    const char *file; /* what is run */
    const char *const *argv;
    char **env;
    char *found; /* owned: `file` when it was looked up in PATH */
    const char *shell[4];
    struct sup_user user;
    gid_t groups[MAX_GROUPS];
    size_t group_count;
    int in, out, news;
    pid_t parent;
};

/* ---- user
 * ---------------------------------------------------------------------------------------- */

static bool parse_id(const char *text, unsigned *id)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    *id = (unsigned)value;
    return *text >= '0' && *text <= '9' && !*end && !errno && value < UINT_MAX;
}

/* The files are read by ourselves: NSS cannot be linked statically. */
static bool find_name(const char *name, struct sup_user *user)
{
    FILE *file = fopen("/etc/passwd", "re");
    const struct passwd *entry = NULL;
    while (file && (entry = fgetpwent(file)) && strcmp(entry->pw_name, name) != 0)
        ;
    if (entry) {
        user->uid = entry->pw_uid;
        user->gid = entry->pw_gid;
    }
    if (file)
        fclose(file);
    return entry;
}

static bool find_group(const char *name, gid_t *gid)
{
    FILE *file = fopen("/etc/group", "re");
    const struct group *entry = NULL;
    while (file && (entry = fgetgrent(file)) && strcmp(entry->gr_name, name) != 0)
        ;
    if (entry)
        *gid = entry->gr_gid;
    if (file)
        fclose(file);
    return entry;
}

bool sup_user_find(const char *text, struct sup_user *user, struct tars_error *error)
{
    *user = (struct sup_user){geteuid(), getegid(), false};
    if (!text || !*text)
        return true;
    bool ok = true;
    unsigned id;
    char *name = xstrdup(text), *group = strchr(name, ':');
    if (group)
        *group++ = '\0';
    if (parse_id(name, &id))
        user->uid = user->gid = id;
    else if (!find_name(name, user))
        ok = tars_fail(error, -1, "there is no user '%s' in /etc/passwd", name);
    if (ok && group && parse_id(group, &id))
        user->gid = id;
    else if (ok && group && !find_group(group, &user->gid))
        ok = tars_fail(error, -1, "there is no group '%s' in /etc/group", group);
    free(name);
    user->change = user->uid != geteuid() || user->gid != getegid();
    return ok;
}

static bool has_member(const struct group *group, const char *name)
{
    for (char **member = group->gr_mem; *member; member++)
        if (strcmp(*member, name) == 0)
            return true;
    return false;
}

/* The groups that /etc/group gives to the user of that name, behind the main one. */
static void find_groups(struct ready *ready, const char *text)
{
    FILE *file = fopen("/etc/group", "re");
    const struct group *entry;
    char *name = xstrndup(text, strcspn(text, ":"));
    ready->groups[ready->group_count++] = ready->user.gid;
    while (file && ready->group_count < MAX_GROUPS && (entry = fgetgrent(file)))
        if (entry->gr_gid != ready->user.gid && has_member(entry, name))
            ready->groups[ready->group_count++] = entry->gr_gid;
    if (file)
        fclose(file);
    free(name);
}

/* ---- environment and program
 * --------------------------------------------------------------------- */

static size_t count_texts(const char *const *list)
{
    size_t count = 0;
    while (list && list[count])
        count++;
    return count;
}

/* Puts "NAME=value" in the place of one with the same name, or behind all. */
static void put_variable(char **env, size_t *count, const char *text)
{
    size_t len = strcspn(text, "="), i = 0;
    while (i < *count && (strncmp(env[i], text, len) != 0 || env[i][len] != '='))
        i++;
    if (i == *count)
        ++*count;
    else
        free(env[i]);
    env[i] = xstrdup(text);
}

static char **make_env(const struct sup_launch *launch, const char *mark)
{
    const char *const *base = launch->env ? launch->env : (const char *const *)environ;
    size_t count = 0, most = count_texts(base) + count_texts(launch->env_add) + 2;
    char **env = xcalloc(most, sizeof *env);
    for (; base && *base; base++)
        env[count++] = xstrdup(*base);
    for (const char *const *add = launch->env_add; add && *add; add++)
        put_variable(env, &count, *add);
    if (mark) {
        char *text = xasprintf(SUP_MARK_NAME "=%s", mark);
        put_variable(env, &count, text);
        free(text);
    }
    return env;
}

static const char *path_of(char *const *env)
{
    for (; *env; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return DEFAULT_PATH;
}

/* The first program of that name in the PATH it will have; NULL when there is none. */
static char *look_up(const char *name, char *const *env)
{
    const char *path = path_of(env);
    while (*path) {
        size_t len = strcspn(path, ":");
        char *file = xasprintf("%.*s/%s", len ? (int)len : 1, len ? path : ".", name);
        struct stat about;
        if (access(file, X_OK) == 0 && stat(file, &about) == 0 && S_ISREG(about.st_mode))
            return file;
        free(file);
        path += len + (path[len] == ':');
    }
    return NULL;
}

static bool find_program(const struct sup_launch *launch, struct ready *ready,
                         struct tars_error *error)
{
    ready->argv = launch->argv;
    if (!launch->argv) {
        ready->shell[0] = "sh";
        ready->shell[1] = "-c";
        ready->shell[2] = launch->command;
        ready->argv = ready->shell;
        ready->file = "/bin/sh";
        return launch->command || tars_fail(error, -1, "there is no command to run");
    }
    ready->file = launch->argv[0];
    if (!ready->file || !*ready->file)
        return tars_fail(error, -1, "there is no program to run");
    if (strchr(ready->file, '/'))
        return true;
    ready->file = ready->found = look_up(launch->argv[0], ready->env);
    return ready->found || tars_fail(error, ENOENT, "cannot run %s: it is not in PATH (%s)",
                                     launch->argv[0], path_of(ready->env));
}

static bool get_ready(const struct sup_launch *launch, const char *mark, struct ready *ready,
                      struct tars_error *error)
{
    ready->parent = getpid();
    ready->env = make_env(launch, mark);
    if (!sup_user_find(launch->user, &ready->user, error))
        return false;
    if (ready->user.change)
        find_groups(ready, launch->user);
    return find_program(launch, ready, error);
}

static void free_ready(struct ready *ready)
{
    for (char **text = ready->env; text && *text; text++)
        free(*text);
    free(ready->env);
    free(ready->found);
}

/* ---- in the child
 * -------------------------------------------------------------------------------- */

enum failed_step { AT_SETUP, AT_LIMIT, AT_USER, AT_FOLDER, AT_EXEC };

struct failure {
    int step, error;
};

static void __attribute__((noreturn)) give_up(int news, enum failed_step step)
{
    struct failure failure = {(int)step, errno};
    ssize_t ignored = write(news, &failure, sizeof failure);
    (void)ignored;
    _exit(CHILD_FAILED);
}

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void close_from(int first)
{
    struct rlimit limit;
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0U, 0) == 0)
        return;
#endif
    int most = MOST_FDS;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < MOST_FDS)
        most = (int)limit.rlim_cur;
    for (int fd = first; fd < most; fd++)
        close(fd);
}

/* Out of the way of what is put in its place; so dup2 always makes one that exec leaves open. */
static int lift(int fd, int news)
{
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, NEWS_FD + 1);
    if (lifted < 0)
        give_up(news, AT_SETUP);
    return lifted;
}

/* 0, 1, 2 as they shall be, the news on NEWS_FD, nothing else. */
static int arrange_files(const struct ready *ready)
{
    int news = lift(ready->news, ready->news), in = lift(ready->in, news);
    int out = ready->out < 0 ? -1 : lift(ready->out, news);
    if (dup2(in, STDIN_FILENO) < 0 || (out >= 0 && dup2(out, STDOUT_FILENO) < 0) ||
        (out >= 0 && dup2(out, STDERR_FILENO) < 0) || dup3(news, NEWS_FD, O_CLOEXEC) < 0)
        give_up(news, AT_SETUP);
    close_from(NEWS_FD + 1);
    return NEWS_FD;
}

static void set_limits(const struct sup_launch *launch, int news)
{
    for (size_t i = 0; i < launch->limit_count; i++) {
        const struct sup_limit *wanted = &launch->limits[i];
        struct rlimit limit = {wanted->soft == SUP_NO_LIMIT ? RLIM_INFINITY : (rlim_t)wanted->soft,
                               wanted->hard == SUP_NO_LIMIT ? RLIM_INFINITY : (rlim_t)wanted->hard};
        if (setrlimit((limit_id)wanted->resource, &limit) != 0)
            give_up(news, AT_LIMIT);
    }
}

static void change_user(const struct ready *ready, int news)
{
    if (!ready->user.change)
        return;
    if (setgroups(ready->group_count, ready->groups) != 0 || setgid(ready->user.gid) != 0 ||
        setuid(ready->user.uid) != 0)
        give_up(news, AT_USER);
}

static void __attribute__((noreturn))
become(const struct sup_launch *launch, const struct ready *ready)
{
    setsid();
    reset_signals();
    int news = arrange_files(ready);
    set_limits(launch, news);
    change_user(ready, news);
    if (launch->cwd && chdir(launch->cwd) != 0)
        give_up(news, AT_FOLDER);
    if (launch->death_signal) {
        prctl(PR_SET_PDEATHSIG, launch->death_signal);
        if (getppid() != ready->parent)
            _exit(CHILD_FAILED); /* it ended before: nobody is told */
    }
    execve(ready->file, (char *const *)ready->argv, ready->env);
    give_up(news, AT_EXEC);
}

/* ---- in the parent
 * ------------------------------------------------------------------------------- */

/* No handler of the parent may run in the child before it has put its signals back. */
static pid_t fork_quietly(const struct sup_launch *launch, const struct ready *ready)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0)
        become(launch, ready);
    int failed = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = failed;
    return pid;
}

pid_t sup_spawn(const struct sup_launch *launch, const char *mark, int out, int *news,
                struct tars_error *error)
{
    struct ready ready = {.out = out};
    int ends[2] = {-1, -1};
    pid_t pid = 0;
    *news = -1;
    ready.in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (!get_ready(launch, mark, &ready, error))
        goto done;
    if (ready.in < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        tars_fail(error, errno, "cannot start %s: %s", ready.file, strerror(errno));
        goto done;
    }
    ready.news = ends[1];
    pid = fork_quietly(launch, &ready);
    if (pid < 0) {
        tars_fail(error, errno, "cannot make a process for %s: %s", ready.file, strerror(errno));
        close(ends[0]);
        pid = 0;
    } else {
        *news = ends[0];
    }
    close(ends[1]);
done:
    if (ready.in >= 0)
        close(ready.in);
    free_ready(&ready);
    return pid;
}

static void explain(const struct sup_launch *launch, const struct failure *failure,
                    struct tars_error *error)
{
    const char *file = launch->argv ? launch->argv[0] : "/bin/sh";
    const char *why = strerror(failure->error);
    if (failure->step == AT_EXEC && launch->cwd)
        tars_fail(error, failure->error, "cannot run %s in %s: %s", file, launch->cwd, why);
    else if (failure->step == AT_EXEC)
        tars_fail(error, failure->error, "cannot run %s: %s", file, why);
    else if (failure->step == AT_FOLDER)
        tars_fail(error, failure->error, "cannot run %s: the folder %s: %s", file, launch->cwd,
                  why);
    else if (failure->step == AT_USER)
        tars_fail(error, failure->error, "cannot run %s as the user %s: %s", file, launch->user,
                  why);
    else if (failure->step == AT_LIMIT)
        tars_fail(error, failure->error, "cannot run %s with its limits: %s", file, why);
    else
        tars_fail(error, failure->error, "cannot run %s: %s", file, why);
}

enum sup_news sup_spawn_news(int news, const struct sup_launch *launch, struct tars_error *error)
{
    struct failure failure;
    ssize_t got = read(news, &failure, sizeof failure);
    if (got < 0)
        return SUP_NEWS_NONE;
    if (got != sizeof failure)
        return SUP_NEWS_RUNS;
    explain(launch, &failure, error);
    return SUP_NEWS_FAILED;
}

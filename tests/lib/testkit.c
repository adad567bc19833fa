/* SPDX-License-Identifier: BSD-3-Clause */
#include "testkit.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/xmalloc.h"

enum { SOCKET_WAIT_MS = 10000, MAX_FRAME = 100 << 20 };

static void __attribute__((noreturn)) give_up(const char *what, const char *about)
{
    fprintf(stderr, "testkit: %s %s: %s\n", what, about, strerror(errno));
    abort();
}

/* ---- what is released at exit ------------------------------------------------------------------
 */

enum kept_kind { KEPT_TEXT, KEPT_DIR, KEPT_PROCESS };

/* Check runs tests in forked children: each releases only what it made itself. */
static struct kept {
    struct kept *next;
    pid_t owner;
    enum kept_kind kind;
    void *what;
} * kept;

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void release_kept(void)
{
    for (struct kept *k = kept, *next; k; k = next) {
        next = k->next;
        if (k->kind == KEPT_PROCESS && k->owner == getpid())
            tk_kill(k->what);
    }
    for (struct kept *k = kept, *next; k; k = next) {
        next = k->next;
        if (k->kind == KEPT_DIR && k->owner == getpid())
            nftw(k->what, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(k->what);
        free(k);
    }
    kept = NULL;
}

/* From any thread: peers that tests play have threads of their own. */
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

static void *keep(enum kept_kind kind, void *what)
{
    struct kept *k = xcalloc(1, sizeof *k);
    pthread_mutex_lock(&kept_lock);
    *k = (struct kept){kept, getpid(), kind, what};
    if (!kept)
        atexit(release_kept);
    kept = k;
    pthread_mutex_unlock(&kept_lock);
    return what;
}

/* ---- main ---------------------------------------------------------------------------------- */

int tk_main(struct Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

/* ---- time
 * ---------------------------------------------------------------------------------------- */

int64_t tk_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void tk_sleep(int ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

/* ---- files
 * ---------------------------------------------------------------------------------------- */

const char *tk_dir(void)
{
    const char *tmp = getenv("TMPDIR");
    char *path = xasprintf("%s/tars-test-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(path))
        give_up("cannot make a folder", path);
    return keep(KEPT_DIR, path);
}

const char *tk_text(const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        give_up("no memory for", format);
    va_end(args);
    return keep(KEPT_TEXT, text);
}

char *tk_read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    char *bytes = NULL;
    size_t len = 0, got;
    do {
        bytes = xrealloc(bytes, len + 4097);
        got = fread(bytes + len, 1, 4096, file);
        len += got;
    } while (got > 0);
    bytes[len] = '\0';
    fclose(file);
    return bytes;
}

void tk_write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        give_up("cannot write", path);
}

const char *tk_program(const char *name)
{
    const char *build = getenv("BUILD");
    return tk_text("%s/bin/%s", build ? build : "build", name);
}

/* ---- ports
 * ---------------------------------------------------------------------------------------- */

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* Binds and lets go again; the port (of use when it was 0), or 0 when it is taken. */
static uint16_t try_port(int type, uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    socklen_t size = sizeof address;
    int on = 1, fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        give_up("cannot open", "a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool ok = bind(fd, (struct sockaddr *)&address, size) == 0 &&
              getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
              (type == SOCK_DGRAM || listen(fd, 1) == 0);
    close(fd);
    return ok ? ntohs(address.sin_port) : 0;
}

/* Claims the port among all tests of this machine for as long as this process lives, also while
 * nobody listens on it: by a name in the kernel that goes with the process. */
static bool claim_port(uint16_t port)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int len = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "tars-test-port-%u", port);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
    if (fd < 0)
        give_up("cannot open", "a socket");
    if (bind(fd, (struct sockaddr *)&name, size) == 0)
        return true; /* the socket stays open */
    close(fd);
    return false;
}

/* Below the range that the kernel takes ports of outgoing connections from, and elsewhere in each
 * test program, so that tests side by side seldom look at the same ones. */
uint16_t tk_free_port(void)
{
    enum { LOWEST = 10000, PORTS = 22000, APART = 211 };
    static unsigned next;
    if (next == 0)
        next = (unsigned)getpid() * APART;
    for (int i = 0; i < PORTS; i++) {
        uint16_t port = (uint16_t)(LOWEST + next++ % PORTS);
        if (try_port(SOCK_STREAM, port) && try_port(SOCK_DGRAM, port) && claim_port(port))
            return port;
    }
    give_up("no free port on", "127.0.0.1");
}

static bool all_free(const uint16_t *ports, size_t count, int offset)
{
    for (size_t i = 0; i < count; i++)
        if (ports[i] + offset > UINT16_MAX ||
            !try_port(SOCK_STREAM, (uint16_t)(ports[i] + offset)) ||
            !claim_port((uint16_t)(ports[i] + offset)))
            return false;
    return true;
}

int tk_free_offset(const uint16_t *ports, size_t count)
{
    unsigned seed = (unsigned)getpid() ^ (unsigned)tk_ms();
    for (int i = 0; i < 1000; i++) {
        int offset = 500 + rand_r(&seed) % 6000; /* below the ephemeral ports */
        if (all_free(ports, count, offset))
            return offset;
    }
    give_up("no free offset on", "127.0.0.1");
}

bool tk_port_open(uint16_t port)
{
    int fd = tk_connect(port);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

bool tk_wait_port(uint16_t port, int ms)
{
    return tk_eventually(tk_port_open(port), ms);
}

bool tk_network_of_one_port(uint16_t port)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (unshare(CLONE_NEWNET) != 0)
        return false;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "we");
    bool ok = fd >= 0 && range && ioctl(fd, SIOCSIFFLAGS, &lo) == 0 &&
              fprintf(range, "%u %u\n", port, port) > 0;
    if (range)
        ok = fclose(range) == 0 && ok;
    close(fd);
    return ok;
}

/* ---- processes
 * ------------------------------------------------------------------------------------ */

/* Check's handlers, which would end the whole group, are not for the child. */
static void reset_signals(void)
{
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool is_named_in(const char *const env[], const char *pair)
{
    size_t len = strcspn(pair, "=") + 1;
    for (; env && *env; env++)
        if (strncmp(*env, pair, len) == 0)
            return true;
    return false;
}

/* Ours and `env`, a later one in place of those before that are called the same. The texts stay
 * where they are, the list is to be freed. */
static char **environment_with(const char *const env[])
{
    size_t len = 0, own = 0, added = 0;
    while (environ[own])
        own++;
    while (env && env[added])
        added++;
    char **all = xcalloc(own + added + 1, sizeof *all);
    for (size_t i = 0; i < own; i++)
        if (!is_named_in(env, environ[i]))
            all[len++] = environ[i];
    for (size_t i = 0; i < added; i++)
        if (!is_named_in(env + i + 1, env[i]))
            all[len++] = (char *)(uintptr_t)env[i];
    return all;
}

/* Other threads may have held any lock at the moment of the fork, also that of malloc: nothing here
 * may take one. */
static void __attribute__((noreturn))
become(const char *const argv[], char *const env[], const char *log, pid_t parent)
{
    int in = open("/dev/null", O_RDONLY), out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || in < 0 || out < 0)
        _exit(127);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    closefrom(STDERR_FILENO + 1);
    reset_signals();
    execvpe(argv[0], (char **)(uintptr_t)argv, env);
    dprintf(STDERR_FILENO, "cannot start %s: %s\n", argv[0], strerrordesc_np(errno));
    _exit(127);
}

struct tk_process *tk_spawn(const char *const argv[], const char *const env[], const char *log)
{
    struct tk_process *process = keep(KEPT_PROCESS, xcalloc(1, sizeof *process));
    snprintf(process->log, sizeof process->log, "%s", log ? log : tk_text("%s/log", tk_dir()));
    char **environment = environment_with(env);
    pid_t parent = getpid();
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    process->pid = fork();
    if (process->pid == 0)
        become(argv, environment, process->log, parent);
    sigprocmask(SIG_SETMASK, &before, NULL);
    free(environment);
    if (process->pid < 0)
        give_up("cannot start", argv[0]);
    return process;
}

static bool reap(struct tk_process *process)
{
    int status;
    if (!process->gone && waitpid(process->pid, &status, WNOHANG) == process->pid) {
        process->gone = true;
        process->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return process->gone;
}

bool tk_wait(struct tk_process *process, int ms)
{
    return tk_eventually(reap(process), ms);
}

void tk_signal(struct tk_process *process, int signal)
{
    if (!reap(process))
        kill(process->pid, signal);
}

int tk_stop(struct tk_process *process, int ms)
{
    tk_signal(process, SIGTERM);
    if (tk_wait(process, ms))
        return process->status;
    tk_kill(process);
    return -1;
}

void tk_kill(struct tk_process *process)
{
    tk_signal(process, SIGKILL);
    tk_wait(process, SOCKET_WAIT_MS);
}

char *tk_output(const struct tk_process *process)
{
    char *text = tk_read_file(process->log);
    return text ? text : xstrdup("");
}

bool tk_output_has(const struct tk_process *process, const char *text)
{
    char *output = tk_output(process);
    bool has = strstr(output, text) != NULL;
    free(output);
    return has;
}

long tk_rss_kb(const struct tk_process *process)
{
    char *status = tk_read_file(tk_text("/proc/%d/status", (int)process->pid));
    const char *line = status ? strstr(status, "VmRSS:") : NULL;
    long kb = line ? strtol(line + 6, NULL, 10) : 0;
    free(status);
    return kb;
}

int tk_run(const char *const argv[], const char *const env[], int ms, char **output)
{
    struct tk_process *process = tk_spawn(argv, env, NULL);
    bool ended = tk_wait(process, ms);
    if (!ended)
        tk_kill(process);
    if (output)
        *output = tk_output(process);
    return ended ? process->status : -1;
}

/* ---- sockets
 * -------------------------------------------------------------------------------------- */

int tk_connect(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    struct timeval wait = {SOCKET_WAIT_MS / 1000, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        give_up("cannot open", "a socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

bool tk_send(int fd, const void *bytes, size_t len)
{
    for (const char *at = bytes; len > 0;) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* At most `len` bytes; 0 when the peer has closed or the time is up (then *late). */
static size_t receive(int fd, void *bytes, size_t len, int64_t end, bool *late)
{
    for (;;) {
        int64_t left = end - tk_ms();
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = poll(&wait, 1, left > 0 ? (int)left : 0);
        if (ready < 0 && errno == EINTR)
            continue;
        *late = ready == 0;
        if (ready <= 0)
            return 0;
        ssize_t got = recv(fd, bytes, len, 0);
        return got > 0 ? (size_t)got : 0;
    }
}

static bool receive_all(int fd, uint8_t *bytes, size_t len, int64_t end)
{
    bool late;
    for (size_t at = 0, got; at < len; at += got) {
        got = receive(fd, bytes + at, len - at, end, &late);
        if (!got)
            return false;
    }
    return true;
}

uint8_t *tk_read_frame(int fd, int ms, size_t *len)
{
    int64_t end = tk_ms() + ms;
    uint8_t head[4];
    if (!receive_all(fd, head, sizeof head, end))
        return NULL;
    *len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (*len < sizeof head || *len > MAX_FRAME)
        return NULL;
    uint8_t *frame = xmalloc(*len);
    memcpy(frame, head, sizeof head);
    if (receive_all(fd, frame + sizeof head, *len - sizeof head, end))
        return frame;
    free(frame);
    return NULL;
}

bool tk_closed(int fd, int ms)
{
    int64_t end = tk_ms() + ms;
    char bytes[4096];
    bool late = false;
    while (receive(fd, bytes, sizeof bytes, end, &late) > 0)
        ;
    return !late;
}

/* ---- HTTP
 * ------------------------------------------------------------------------------------------ */

/* All that comes until the peer closes, with a NUL behind it; NULL when that takes too long. */
static char *receive_until_closed(int fd, size_t *len)
{
    int64_t end = tk_ms() + SOCKET_WAIT_MS;
    char *bytes = NULL;
    bool late = false;
    size_t got;
    *len = 0;
    do {
        bytes = xrealloc(bytes, *len + 65537);
        got = receive(fd, bytes + *len, 65536, end, &late);
        *len += got;
    } while (got > 0);
    bytes[*len] = '\0';
    if (!late)
        return bytes;
    free(bytes);
    return NULL;
}

/* Joins the chunks of a chunked body in place. */
static void join_chunks(char *body)
{
    char *out = body, *at = body;
    size_t size;
    while ((size = strtoul(at, &at, 16)) > 0 && strncmp(at, "\r\n", 2) == 0 &&
           size + 2 <= strlen(at)) {
        memmove(out, at + 2, size);
        out += size;
        at += 2 + size + 2;
    }
    *out = '\0';
}

int tk_http(uint16_t port, const char *method, const char *path, const char *body, char **answer)
{
    int fd = tk_connect(port), status = -1;
    size_t len;
    if (fd < 0)
        return -1;
    char *request = xasprintf("%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n"
                              "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                              method, path, port, body ? strlen(body) : 0, body ? body : "");
    bool sent = tk_send(fd, request, strlen(request));
    char *bytes = sent ? receive_until_closed(fd, &len) : NULL;
    char *content = bytes ? strstr(bytes, "\r\n\r\n") : NULL;
    if (content && sscanf(bytes, "HTTP/1.%*d %d", &status) == 1) {
        *content = '\0';
        content += 4;
        if (strcasestr(bytes, "\r\nTransfer-Encoding: chunked"))
            join_chunks(content);
        if (answer)
            *answer = xstrdup(content);
    }
    free(bytes);
    free(request);
    close(fd);
    return status;
}

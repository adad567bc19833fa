/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/auth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "daemon/daemon.h"

enum { TOKEN_MIN = 16, TOKEN_MAX = 1024, FILE_MAX = 1 << 20, LOOK_MS = 1000 };

struct digest {
    unsigned char at[SHA256_DIGEST_LENGTH];
};

struct tokens {
    struct digest *at;
    size_t len, cap;
};

/* What changes when the file does, its mode included. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec written, changed;
};

struct daemon_auth {
    const char *program;
    char *path;
    pthread_mutex_t lock; /* of all below */
    struct tokens tokens;
    struct stamp stamp;
    int64_t looked; /* monotonic ms */
};

/* ---- the file
 * ------------------------------------------------------------------------------------- */

static struct digest digest_of(struct tars_str token)
{
    struct digest digest;
    SHA256((const unsigned char *)token.at, token.len, digest.at);
    return digest;
}

static void add_token(struct tokens *tokens, struct tars_str token)
{
    if (tokens->len == tokens->cap) {
        tokens->cap = tokens->cap ? tokens->cap * 2 : 4;
        tokens->at = xrealloc(tokens->at, tokens->cap * sizeof *tokens->at);
    }
    tokens->at[tokens->len++] = digest_of(token);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct tars_str trimmed(const char *begin, const char *end)
{
    while (begin < end && is_blank(*begin))
        begin++;
    while (end > begin && is_blank(end[-1]))
        end--;
    return tars_str_n(begin, (size_t)(end - begin));
}

/* The text of a line never gets into a message: it may be a token. */
static const char *token_fault(struct tars_str token)
{
    if (token.len < TOKEN_MIN)
        return "is shorter than 16 characters, so it could be guessed";
    if (token.len > TOKEN_MAX)
        return "is longer than 1024 characters";
    for (size_t i = 0; i < token.len; i++)
        if ((unsigned char)token.at[i] <= ' ' || (unsigned char)token.at[i] >= 0x7f)
            return "holds a blank or what is not printable ASCII";
    return NULL;
}

static bool parse(const char *path, const char *text, size_t len, struct tokens *tokens,
                  struct tars_error *error)
{
    int line = 0;
    for (const char *at = text, *end = text + len, *next; at < end; at = next) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        next = stop < end ? stop + 1 : end;
        line++;
        struct tars_str token = trimmed(at, stop);
        if (!token.len || token.at[0] == '#')
            continue;
        const char *fault = token_fault(token);
        if (fault)
            return tars_fail(error, DAEMON_USAGE, "token file %s: line %d %s", path, line, fault);
        add_token(tokens, token);
    }
    return tokens->len > 0 || tars_fail(error, DAEMON_USAGE,
                                        "token file %s: there is no token in it, one a line", path);
}

static bool check_file(const char *path, const struct stat *st, struct tars_error *error)
{
    mode_t mode = st->st_mode & 07777;
    if (!S_ISREG(st->st_mode))
        return tars_fail(error, DAEMON_USAGE, "token file %s: it is not a file", path);
    if (mode != 0600 && mode != 0400)
        return tars_fail(error, DAEMON_USAGE,
                         "token file %s: its mode is %04o, so that others might use the tokens: "
                         "chmod 0600 %s",
                         path, (unsigned)mode, path);
    if (st->st_size > FILE_MAX)
        return tars_fail(error, DAEMON_USAGE, "token file %s: it is larger than %d bytes", path,
                         FILE_MAX);
    return true;
}

static struct stamp stamp_of(const struct stat *st)
{
    return (struct stamp){st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim};
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_stamp(struct stamp a, struct stamp b)
{
    return a.device == b.device && a.inode == b.inode && a.size == b.size &&
           same_time(a.written, b.written) && same_time(a.changed, b.changed);
}

static bool read_open_file(const char *path, int fd, struct tokens *tokens,
                           struct tars_error *error)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return tars_fail(error, DAEMON_USAGE, "token file %s: %s", path, strerror(errno));
    if (!check_file(path, &st, error))
        return false;
    char *text = xmalloc(FILE_MAX);
    size_t len = 0;
    ssize_t got = 1;
    while (got > 0 && len < FILE_MAX)
        if ((got = read(fd, text + len, FILE_MAX - len)) > 0)
            len += (size_t)got;
    bool good = got < 0 ? tars_fail(error, DAEMON_USAGE, "token file %s: %s", path, strerror(errno))
                        : parse(path, text, len, tokens, error);
    OPENSSL_cleanse(text, len);
    free(text);
    return good;
}

static bool read_file(const char *path, struct tokens *tokens, struct tars_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return tars_fail(error, DAEMON_USAGE, "token file %s: %s", path, strerror(errno));
    bool good = read_open_file(path, fd, tokens, error);
    close(fd);
    return good;
}

static struct stamp look(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? stamp_of(&st) : (struct stamp){0};
}

/* ---- life
 * ----------------------------------------------------------------------------------------- */

struct daemon_auth *daemon_auth_new(const char *program, const char *path, struct tars_error *error)
{
    struct tokens tokens = {0};
    struct stamp stamp = look(path); /* before it is read: a change meanwhile is seen later */
    if (!read_file(path, &tokens, error)) {
        free(tokens.at);
        return NULL;
    }
    struct daemon_auth *auth = xcalloc(1, sizeof *auth);
    auth->program = program;
    auth->path = xstrdup(path);
    pthread_mutex_init(&auth->lock, NULL);
    auth->tokens = tokens;
    auth->stamp = stamp;
    auth->looked = clock_ms();
    return auth;
}

void daemon_auth_free(struct daemon_auth *auth)
{
    if (!auth)
        return;
    pthread_mutex_destroy(&auth->lock);
    free(auth->tokens.at);
    free(auth->path);
    free(auth);
}

/* Under the lock. */
static void look_again(struct daemon_auth *auth)
{
    int64_t now = clock_ms();
    if (now - auth->looked < LOOK_MS)
        return;
    auth->looked = now;
    struct stamp stamp = look(auth->path);
    if (same_stamp(stamp, auth->stamp))
        return;
    auth->stamp = stamp;
    struct tokens tokens = {0};
    struct tars_error error;
    if (!read_file(auth->path, &tokens, &error)) {
        free(tokens.at);
        log_error(auth->program, "%s; the %zu tokens known so far stay", error.text,
                  auth->tokens.len);
        return;
    }
    free(auth->tokens.at);
    auth->tokens = tokens;
    log_info(auth->program, "token file %s: read again, %zu tokens", auth->path, tokens.len);
}

bool daemon_auth_allows(struct daemon_auth *auth, struct tars_str token)
{
    if (!auth)
        return true;
    if (!token.len || token.len > TOKEN_MAX)
        return false;
    struct digest given = digest_of(token);
    unsigned found = 0;
    pthread_mutex_lock(&auth->lock);
    look_again(auth);
    for (size_t i = 0; i < auth->tokens.len; i++)
        found |= CRYPTO_memcmp(given.at, auth->tokens.at[i].at, sizeof given.at) == 0;
    pthread_mutex_unlock(&auth->lock);
    return found;
}

bool daemon_auth_is_private(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return host[0] == '/' || strcasecmp(host, "localhost") == 0;
}

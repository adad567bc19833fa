/* SPDX-License-Identifier: BSD-3-Clause */
#include "users.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xmalloc.h"

enum { ROUNDS_MIN = 1000, ROUNDS_MAX = 10000000, ROUNDS_UNKNOWN = 100000, FILE_MAX = 1 << 20 };

struct entry {
    bool key;
    char name[65]; /* of the user, or the key's id */
    int rounds;
    unsigned char salt[16], hash[SHA256_DIGEST_LENGTH];
};

struct users {
    struct entry *at;
    size_t len, size;
};

static bool read_hex(const char *text, unsigned char *to, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    if (strlen(text) != len * 2)
        return false;
    for (size_t i = 0; i < len * 2; i++) {
        const char *digit = strchr(digits, text[i]);
        if (!digit)
            return false;
        to[i / 2] = (unsigned char)(to[i / 2] << 4 | (digit - digits));
    }
    return true;
}

/* "user NAME ROUNDS SALT HASH" or "key NAME ID HASH" */
static bool read_line(const char *line, struct entry *e)
{
    char kind[8], name[65], third[65], fourth[65], fifth[65], more;
    *e = (struct entry){0};
    int got = sscanf(line, "%7s %64s %64s %64s %64s %c", kind, name, third, fourth, fifth, &more);
    e->key = got >= 1 && strcmp(kind, "key") == 0;
    if (e->key) {
        snprintf(e->name, sizeof e->name, "%s", got >= 3 ? third : "");
        return got == 4 && read_hex(fourth, e->hash, sizeof e->hash);
    }
    if (got != 5 || strcmp(kind, "user") != 0)
        return false;
    snprintf(e->name, sizeof e->name, "%s", name);
    e->rounds = (int)strtol(third, NULL, 10);
    return e->rounds >= ROUNDS_MIN && e->rounds <= ROUNDS_MAX &&
           read_hex(fourth, e->salt, sizeof e->salt) && read_hex(fifth, e->hash, sizeof e->hash);
}

static bool read_lines(struct users *users, FILE *file, const char *path, struct tars_error *error)
{
    char line[512];
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        struct entry e;
        if (line[0] == '#' || line[strspn(line, " \t\r\n")] == '\0')
            continue;
        if (!strchr(line, '\n') || !read_line(line, &e))
            return tars_fail(error, 2,
                             "%s: line %d is neither a user nor an API key: put back a good copy, "
                             "or make them anew with passwd and apikey",
                             path, number);
        if (users->len == users->size) {
            users->size = users->size ? users->size * 2 : 8;
            users->at = xrealloc(users->at, users->size * sizeof *users->at);
        }
        users->at[users->len++] = e;
    }
    return !ferror(file) || tars_fail(error, 2, "%s: %s", path, strerror(errno));
}

static FILE *open_private(const char *path, struct tars_error *error)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        tars_fail(error, errno == ENOENT ? 0 : 2, "%s: %s", path, strerror(errno));
        return NULL;
    }
    FILE *file = NULL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        tars_fail(error, 2, "%s: it is no file of at most %d bytes", path, FILE_MAX);
    else if (st.st_mode & 0077)
        tars_fail(error, 2, "%s: its mode is %04o, so that others might use it: chmod 0600 %s",
                  path, (unsigned)st.st_mode & 07777, path);
    else
        file = fdopen(fd, "r");
    if (!file)
        close(fd);
    return file;
}

struct users *users_read(const char *path, struct tars_error *error)
{
    FILE *file = open_private(path, error);
    if (!file)
        return NULL;
    struct users *users = xcalloc(1, sizeof *users);
    bool good = read_lines(users, file, path, error);
    fclose(file);
    if (good)
        return users;
    users_free(users);
    return NULL;
}

void users_free(struct users *users)
{
    if (!users)
        return;
    free(users->at);
    free(users);
}

size_t users_count(const struct users *users)
{
    return users ? users->len : 0;
}

static const struct entry *find(const struct users *users, bool key, struct tars_str name)
{
    for (size_t i = 0; i < users_count(users); i++) {
        const struct entry *e = &users->at[i];
        if (e->key == key && strlen(e->name) == name.len && memcmp(e->name, name.at, name.len) == 0)
            return e;
    }
    return NULL;
}

bool users_know_password(const struct users *users, struct tars_str name, struct tars_str password)
{
    static const struct entry nobody = {.rounds = ROUNDS_UNKNOWN};
    const struct entry *e = find(users, false, name), *used = e ? e : &nobody;
    unsigned char hash[SHA256_DIGEST_LENGTH];
    bool same = PKCS5_PBKDF2_HMAC(password.at, (int)password.len, used->salt, sizeof used->salt,
                                  used->rounds, EVP_sha256(), sizeof hash, hash) == 1 &&
                CRYPTO_memcmp(hash, used->hash, sizeof hash) == 0;
    return e && same;
}

bool users_know_key(const struct users *users, struct tars_str id, struct tars_str key)
{
    const struct entry *e = find(users, true, id);
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)key.at, key.len, hash);
    return e && CRYPTO_memcmp(hash, e->hash, sizeof hash) == 0;
}

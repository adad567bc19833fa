/* SPDX-License-Identifier: BSD-3-Clause */
#include "users.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "text.h"

enum { ROUNDS = 100000, NAME_MAX_LEN = 64, PASSWORD_MAX = 256, PASSWORD_MIN = 6 };

static void add_hex(struct text *to, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        text_addf(to, "%02x", bytes[i]);
}

static bool check_name(const char *name, struct tars_error *error)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._@-";
    size_t len = strlen(name);
    return (len > 0 && len <= NAME_MAX_LEN && strspn(name, allowed) == len) ||
           tars_fail(error, 2,
                     "the name must be 1 to %d letters of ASCII, digits, '.', '_', '@' or '-'",
                     NAME_MAX_LEN);
}

/* ---- the file
 * -------------------------------------------------------------------------------------------- */

/* Copies the lines but those of `name`; `kind` "" stands for users and keys. How many were left
 * out, or -1. */
static int copy_others(const char *path, FILE *to, const char *kind, const char *name,
                       struct tars_error *error)
{
    char line[512], its[8], whose[65];
    int left_out = 0;
    struct users *good = users_read(path, error); /* what is damaged is not written over */
    if (!good)
        return error->code == 0 ? 0 : -1;
    users_free(good);
    FILE *from = fopen(path, "re");
    if (!from) {
        tars_fail(error, 1, "%s: %s", path, strerror(errno));
        return -1;
    }
    while (fgets(line, sizeof line, from)) {
        bool is = sscanf(line, "%7s %64s", its, whose) == 2 && strcmp(whose, name) == 0 &&
                  (!*kind || strcmp(its, kind) == 0);
        left_out += is;
        if (!is)
            fputs(line, to);
    }
    fclose(from);
    return left_out;
}

static bool fail(const char *path, struct tars_error *error)
{
    return tars_fail(error, 1, "%s: %s", path, strerror(errno));
}

static bool write_file(int folder, const char *path, const char *part, const char *kind,
                       const char *name, const char *line, struct tars_error *error)
{
    (void)unlink(part);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *to = fd < 0 ? NULL : fdopen(fd, "w");
    if (!to)
        return fail(part, error);
    *error = (struct tars_error){0};
    int replaced = copy_others(path, to, kind, name, error);
    if (line)
        fputs(line, to);
    bool written = fflush(to) == 0 && !ferror(to) && fsync(fd) == 0;
    written = fclose(to) == 0 && written;
    if (replaced < 0)
        return false;
    if (!written)
        return fail(part, error);
    if (!line && !replaced)
        return tars_fail(error, 1, "%s: there is neither a user nor a key called %s", path, name);
    return (rename(part, path) == 0 && fsync(folder) == 0) || fail(path, error);
}

/* Puts `line` (NULL: nothing) in place of what is there of that kind and name. */
static bool edit(const char *data, const char *kind, const char *name, const char *line,
                 struct tars_error *error)
{
    if (mkdir(data, 0700) != 0 && errno != EEXIST)
        return fail(data, error);
    int folder = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return fail(data, error);
    char *path = xasprintf("%s/users", data), *part = xasprintf("%s/users.part", data);
    bool ok = flock(folder, LOCK_EX) == 0 || fail(data, error); /* one editor after the other */
    ok = ok && write_file(folder, path, part, kind, name, line, error);
    if (!ok)
        (void)unlink(part);
    free(path);
    free(part);
    close(folder);
    return ok;
}

static int finish(const char *command, bool ok, const struct tars_error *error)
{
    if (ok)
        return 0;
    fprintf(stderr, "tarselasticsearch: %s: %s\n", command, error->text);
    return error->code ? error->code : 1;
}

/* ---- passwords
 * -------------------------------------------------------------------------------------------- */

/* One line of standard input, which a terminal does not show. */
static bool ask_password(char *to, int size, struct tars_error *error)
{
    struct termios shown, hidden;
    bool terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
    if (terminal) {
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        fputs("Password: ", stderr);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    bool got = fgets(to, size, stdin) != NULL;
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        fputc('\n', stderr);
    }
    size_t len = got ? strcspn(to, "\r\n") : 0;
    to[len] = '\0';
    return (len >= PASSWORD_MIN && len <= PASSWORD_MAX) ||
           tars_fail(error, 2, "a password of %d to %d bytes was expected on standard input",
                     PASSWORD_MIN, PASSWORD_MAX);
}

static bool add_user(struct text *line, const char *name, const char *password,
                     struct tars_error *error)
{
    unsigned char salt[16], hash[SHA256_DIGEST_LENGTH];
    if (RAND_bytes(salt, sizeof salt) != 1 ||
        PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, sizeof salt, ROUNDS, EVP_sha256(),
                          sizeof hash, hash) != 1)
        return tars_fail(error, 1, "the system has no random numbers");
    text_addf(line, "user %s %d ", name, ROUNDS);
    add_hex(line, salt, sizeof salt);
    text_adds(line, " ");
    add_hex(line, hash, sizeof hash);
    text_adds(line, "\n");
    return true;
}

int users_set_password(const char *data, const char *name)
{
    char password[PASSWORD_MAX + 8];
    struct tars_error error = {0};
    struct text line = {0};
    bool ok = check_name(name, &error) && ask_password(password, sizeof password, &error) &&
              add_user(&line, name, password, &error) && edit(data, "user", name, line.at, &error);
    OPENSSL_cleanse(password, sizeof password);
    text_free(&line);
    return finish("passwd", ok, &error);
}

/* ---- API keys
 * -------------------------------------------------------------------------------------------- */

/* `bytes` (a multiple of 3) random bytes in letters that URLs and headers take as they are. */
static bool random_text(char *to, size_t bytes, struct tars_error *error)
{
    unsigned char random[24];
    if (RAND_bytes(random, (int)bytes) != 1)
        return tars_fail(error, 1, "the system has no random numbers");
    EVP_EncodeBlock((unsigned char *)to, random, (int)bytes);
    for (char *c = to; *c; c++)
        *c = (char)(*c == '+' ? '-' : *c == '/' ? '_' : *c);
    return true;
}

int users_make_key(const char *data, const char *name)
{
    char id[33], key[33], pair[80];
    unsigned char hash[SHA256_DIGEST_LENGTH], encoded[128];
    struct tars_error error = {0};
    struct text line = {0};
    bool ok = check_name(name, &error) && random_text(id, 15, &error) &&
              random_text(key, 24, &error);
    if (ok) {
        SHA256((const unsigned char *)key, strlen(key), hash);
        text_addf(&line, "key %s %s ", name, id);
        add_hex(&line, hash, sizeof hash);
        text_adds(&line, "\n");
        ok = edit(data, "key", name, line.at, &error);
    }
    if (ok) {
        int len = snprintf(pair, sizeof pair, "%s:%s", id, key);
        EVP_EncodeBlock(encoded, (const unsigned char *)pair, len);
        printf("%s\n", (const char *)encoded);
    }
    OPENSSL_cleanse(key, sizeof key);
    text_free(&line);
    return finish("apikey", ok, &error);
}

int users_revoke(const char *data, const char *name)
{
    struct tars_error error = {0};
    bool ok = check_name(name, &error) && edit(data, "", name, NULL, &error);
    return finish("revoke", ok, &error);
}

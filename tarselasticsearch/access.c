/* SPDX-License-Identifier: BSD-3-Clause */
#include "access.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "users.h"

enum { CREDENTIALS_MAX = 1024, FIXED = 2, REMEMBERED = 64, TRIES = 8, TRY_MS = 250 };

struct digest {
    unsigned char at[SHA256_DIGEST_LENGTH];
};

struct access {
    char *path;
    unsigned char secret[32];
    struct digest fixed[FIXED]; /* of the settings */
    size_t fixed_count;
    pthread_mutex_t lock; /* of all below */
    struct users *users;
    bool asks; /* stays set once there was a file: who removes it opens nothing */
    uint64_t seen;
    struct digest remembered[REMEMBERED];
    size_t remembered_count, remembered_next;
    int64_t tries_since; /* ms of the clock: so much time was used up by tries */
};

static struct digest digest_of(const struct access *a, const char *kind, const char *credentials)
{
    char text[CREDENTIALS_MAX + 16];
    struct digest d;
    int len = snprintf(text, sizeof text, "%s %s", kind, credentials);
    HMAC(EVP_sha256(), a->secret, sizeof a->secret, (const unsigned char *)text, (size_t)len, d.at,
         NULL);
    OPENSSL_cleanse(text, sizeof text);
    return d;
}

static bool is_among(const struct digest *d, const struct digest *all, size_t count)
{
    int found = 0;
    for (size_t i = 0; i < count; i++)
        found |= CRYPTO_memcmp(d->at, all[i].at, sizeof d->at) == 0;
    return found;
}

static uint64_t look_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return 0;
    const int64_t parts[] = {(int64_t)st.st_ino,          (int64_t)st.st_size,
                             (int64_t)st.st_mode,         (int64_t)st.st_mtim.tv_sec,
                             (int64_t)st.st_mtim.tv_nsec, (int64_t)st.st_ctim.tv_nsec};
    return hash_bytes(parts, sizeof parts, 0) | 1;
}

static void add_fixed(struct access *a, const char *kind, const char *credentials)
{
    a->fixed[a->fixed_count++] = digest_of(a, kind, credentials);
}

static bool add_user(struct access *a, const char *user, const char *password,
                     struct tars_error *error)
{
    char *pair = xasprintf("%s:%s", user, password ? password : "");
    size_t len = strlen(pair);
    bool fits = len * 4 / 3 + 4 < CREDENTIALS_MAX;
    unsigned char *encoded = xmalloc(len * 4 / 3 + 8);
    EVP_EncodeBlock(encoded, (const unsigned char *)pair, (int)len);
    if (fits)
        add_fixed(a, "basic", (const char *)encoded);
    OPENSSL_cleanse(pair, len);
    OPENSSL_cleanse(encoded, len);
    free(pair);
    free(encoded);
    return fits || tars_fail(error, 2, "user and password are too long");
}

struct access *access_new(const struct access_options *options, struct tars_error *error)
{
    struct access *a = xcalloc(1, sizeof *a);
    bool good = RAND_bytes(a->secret, sizeof a->secret) == 1 ||
                tars_fail(error, 1, "the system has no random numbers");
    a->path = xstrdup(options->users);
    a->tries_since = clock_ms() - (int64_t)TRIES * TRY_MS;
    pthread_mutex_init(&a->lock, NULL);
    if (good && options->user && *options->user)
        good = add_user(a, options->user, options->password, error);
    if (good && options->api_key && *options->api_key)
        add_fixed(a, "apikey", options->api_key);
    a->seen = look_of(a->path);
    if (good && a->seen) {
        a->users = users_read(a->path, error);
        good = a->asks = a->users != NULL;
    }
    if (good)
        return a;
    access_free(a);
    return NULL;
}

void access_free(struct access *a)
{
    if (!a)
        return;
    users_free(a->users);
    pthread_mutex_destroy(&a->lock);
    free(a->path);
    OPENSSL_cleanse(a, sizeof *a);
    free(a);
}

/* ---- asking
 * ------------------------------------------------------------------------------------------------
 */

/* Decodes "base64(left:right)"; false when it is none. */
static bool split(const char *credentials, char text[CREDENTIALS_MAX + 4], struct tars_str *left,
                  struct tars_str *right)
{
    size_t len = strlen(credentials);
    int got = EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)credentials, (int)len);
    if (got <= 0)
        return false;
    for (size_t i = len; i > 0 && credentials[i - 1] == '=' && got > 0; i--)
        got--;
    const char *colon = memchr(text, ':', (size_t)got);
    if (!colon)
        return false;
    *left = tars_str_n(text, (size_t)(colon - text));
    *right = tars_str_n(colon + 1, (size_t)(text + got - colon - 1));
    return true;
}

/* Under the lock: may one more password be tried now? */
static bool may_try(struct access *a)
{
    int64_t now = clock_ms();
    if (a->tries_since < now - (int64_t)TRIES * TRY_MS)
        a->tries_since = now - (int64_t)TRIES * TRY_MS;
    return a->tries_since + TRY_MS <= now;
}

/* Under the lock. A try costs TRY_MS and four times what it took, so that tries take at most a
 * quarter of a slow machine too. */
static bool try_password(struct access *a, struct tars_str name, struct tars_str password)
{
    int64_t begun = clock_ms();
    bool known = users_know_password(a->users, name, password);
    int64_t cost = (clock_ms() - begun) * 4;
    a->tries_since += cost > TRY_MS ? cost : TRY_MS;
    return known;
}

/* Under the lock. */
static enum access_verdict ask_password(struct access *a, const struct digest *d,
                                        struct tars_str name, struct tars_str password)
{
    if (is_among(d, a->remembered, a->remembered_count))
        return ACCESS_GRANTED;
    if (!may_try(a))
        return ACCESS_BUSY;
    if (!try_password(a, name, password))
        return ACCESS_DENIED;
    a->remembered[a->remembered_next] = *d;
    a->remembered_next = (a->remembered_next + 1) % REMEMBERED;
    a->remembered_count += a->remembered_count < REMEMBERED;
    return ACCESS_GRANTED;
}

static enum access_verdict ask_users(struct access *a, bool key, const struct digest *d,
                                     const char *credentials)
{
    char text[CREDENTIALS_MAX + 4];
    struct tars_str left, right;
    enum access_verdict verdict = ACCESS_DENIED;
    if (!split(credentials, text, &left, &right))
        return ACCESS_DENIED;
    pthread_mutex_lock(&a->lock);
    if (key)
        verdict = users_know_key(a->users, left, right) ? ACCESS_GRANTED : ACCESS_DENIED;
    else if (users_count(a->users))
        verdict = ask_password(a, d, left, right);
    pthread_mutex_unlock(&a->lock);
    OPENSSL_cleanse(text, sizeof text);
    return verdict;
}

enum access_verdict access_ask(struct access *a, const char *header)
{
    if (!access_is_guarded(a))
        return ACCESS_GRANTED;
    bool key = header && strncasecmp(header, "ApiKey ", 7) == 0;
    if (!header || (!key && strncasecmp(header, "Basic ", 6) != 0))
        return ACCESS_DENIED;
    const char *credentials = header + (key ? 7 : 6);
    credentials += strspn(credentials, " ");
    if (strlen(credentials) > CREDENTIALS_MAX)
        return ACCESS_DENIED;
    struct digest d = digest_of(a, key ? "apikey" : "basic", credentials);
    return is_among(&d, a->fixed, a->fixed_count) ? ACCESS_GRANTED
                                                  : ask_users(a, key, &d, credentials);
}

bool access_user(const char *header, char name[65])
{
    char text[CREDENTIALS_MAX + 4];
    struct tars_str left, right;
    if (strncasecmp(header, "Basic ", 6) != 0 || strlen(header) > CREDENTIALS_MAX)
        return false;
    const char *credentials = header + 6 + strspn(header + 6, " ");
    bool is = split(credentials, text, &left, &right) && left.len < 65;
    if (is)
        snprintf(name, 65, "%.*s", (int)left.len, left.at);
    OPENSSL_cleanse(text, sizeof text);
    return is;
}

bool access_is_guarded(struct access *a)
{
    pthread_mutex_lock(&a->lock);
    bool guarded = a->fixed_count > 0 || a->asks;
    pthread_mutex_unlock(&a->lock);
    return guarded;
}

void access_look(struct access *a)
{
    uint64_t seen = look_of(a->path);
    struct tars_error error = {0};
    if (seen == a->seen)
        return;
    a->seen = seen; /* before it is read: what changes meanwhile is seen at the next look */
    struct users *users = users_read(a->path, &error);
    if (!users) {
        log_error("store", "who may ask stays as it was: %s", error.text);
        return;
    }
    log_info("store", "%s: read again, %zu users and API keys", a->path, users_count(users));
    pthread_mutex_lock(&a->lock);
    struct users *old = a->users;
    a->users = users;
    a->asks = true;
    a->remembered_count = a->remembered_next = 0;
    pthread_mutex_unlock(&a->lock);
    users_free(old);
}

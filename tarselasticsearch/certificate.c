/* SPDX-License-Identifier: BSD-3-Clause */
#include "certificate.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/xmalloc.h"

enum { PEM_MAX = 1024 * 1024 };

/* Replaced or written to: one of these differs. 0: it is not there. */
static uint64_t look_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return 0;
    const int64_t parts[] = {(int64_t)st.st_dev, (int64_t)st.st_ino, (int64_t)st.st_size,
                             (int64_t)st.st_mtim.tv_sec, (int64_t)st.st_mtim.tv_nsec};
    return hash_bytes(parts, sizeof parts, 0) | 1;
}

static void forget(char *pem)
{
    if (pem)
        OPENSSL_cleanse(pem, strlen(pem));
    free(pem);
}

/* `what` is what its first line must speak of. */
static char *read_pem(const char *path, const char *what, struct tars_error *error)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        tars_fail(error, 1, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *pem = xmalloc(PEM_MAX + 1);
    size_t len = fread(pem, 1, PEM_MAX + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    pem[len <= PEM_MAX ? len : PEM_MAX] = '\0';
    if (!failed && len <= PEM_MAX && strstr(pem, "-----BEGIN ") && strstr(pem, what))
        return pem;
    tars_fail(error, 1, "%s: %s in PEM was expected", path, what);
    forget(pem);
    return NULL;
}

static int no_password(char *to, int size, int writing, void *user)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)user;
    return -1; /* nobody is there to be asked */
}

static bool is_pair(const struct certificate *certificate, const struct certificate_files *files,
                    struct tars_error *error)
{
    BIO *chain = BIO_new_mem_buf(certificate->chain, -1);
    BIO *secret = BIO_new_mem_buf(certificate->key, -1);
    X509 *leaf = chain ? PEM_read_bio_X509(chain, NULL, no_password, NULL) : NULL;
    EVP_PKEY *key = secret ? PEM_read_bio_PrivateKey(secret, NULL, no_password, NULL) : NULL;
    bool ok = false;
    if (!leaf)
        tars_fail(error, 1, "%s: the certificate cannot be read", files->chain);
    else if (!key)
        tars_fail(error, 1, "%s: the key cannot be read (one with a password cannot be used)",
                  files->key);
    else if (X509_check_private_key(leaf, key) != 1)
        tars_fail(error, 1, "%s is not the key of %s", files->key, files->chain);
    else
        ok = true;
    ERR_clear_error();
    X509_free(leaf);
    EVP_PKEY_free(key);
    BIO_free(chain);
    BIO_free(secret);
    return ok;
}

struct certificate *certificate_load(struct certificate_files *files, struct tars_error *error)
{
    /* before the files are read: what changes meanwhile is seen at the next look */
    files->seen[0] = look_of(files->chain);
    files->seen[1] = look_of(files->key);
    struct certificate *certificate = xcalloc(1, sizeof *certificate);
    certificate->chain = read_pem(files->chain, "CERTIFICATE", error);
    if (certificate->chain)
        certificate->key = read_pem(files->key, "PRIVATE KEY", error);
    if (certificate->key && is_pair(certificate, files, error))
        return certificate;
    certificate_free(certificate);
    return NULL;
}

void certificate_free(struct certificate *certificate)
{
    if (!certificate)
        return;
    forget(certificate->chain);
    forget(certificate->key);
    free(certificate);
}

bool certificate_changed(const struct certificate_files *files)
{
    return look_of(files->chain) != files->seen[0] || look_of(files->key) != files->seen[1];
}

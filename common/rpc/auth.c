/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc/auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "Auth.h"

enum { SHA1_HEX = 40, MD5_HEX = 32, DES_KEY = 24 };

/* The codes of AUTH_STATE, for log lines. */
enum {
    AUTH_PROTO_ERR = -100,
    AUTH_WRONG_OBJ = -101,
    AUTH_WRONG_AK = -102,
    AUTH_WRONG_TIME = -103,
    AUTH_NOT_SUPPORT_ENC = -104,
    AUTH_ERROR = -106
};

/* Lower-case hex of a digest; `hex` has room for twice its size. */
static bool hex_digest(const EVP_MD *kind, const void *bytes, size_t len, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(bytes, len, digest, &size, kind, NULL) != 1)
        return false;
    for (unsigned i = 0; i < size; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    return true;
}

static bool encrypt(const uint8_t key[DES_KEY], const char text[SHA1_HEX],
                    uint8_t out[RPC_AUTH_SIGNATURE])
{
    int len = 0, tail = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx && EVP_EncryptInit_ex(ctx, EVP_des_ede3_ecb(), NULL, key, NULL) == 1 &&
              EVP_EncryptUpdate(ctx, out, &len, (const uint8_t *)text, SHA1_HEX) == 1 &&
              EVP_EncryptFinal_ex(ctx, out + len, &tail) == 1 && len + tail == RPC_AUTH_SIGNATURE;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

/* Tars protocol: the DES key is the hex MD5 of the twice hashed secret with the time in its first
 * eight bytes; what it encrypts is the secret hashed once. */
bool rpc_auth_sign(const struct rpc_auth_key *key, int64_t now_s,
                   uint8_t signature[RPC_AUTH_SIGNATURE])
{
    char secret1[SHA1_HEX] = "", secret2[SHA1_HEX] = "", hashed[MD5_HEX] = "";
    if (!hex_digest(EVP_sha1(), key->secret_key.at, key->secret_key.len, secret1) ||
        !hex_digest(EVP_sha1(), secret1, SHA1_HEX, secret2))
        return false;
    for (int i = 0; i < 8; i++)
        secret2[i] = (char)((uint8_t)secret2[i] | (uint8_t)((uint64_t)now_s >> (8 * i)));
    return hex_digest(EVP_md5(), secret2, SHA1_HEX, hashed) &&
           encrypt((const uint8_t *)hashed, secret1, signature);
}

bool rpc_auth_write(const struct rpc_auth_key *key, int64_t now_s, struct tars_writer *body)
{
    uint8_t signature[RPC_AUTH_SIGNATURE];
    if (!rpc_auth_sign(key, now_s, signature))
        return false;
    struct tarsf_basic_auth_package p;
    tarsf_basic_auth_package_init(&p);
    p.s_obj_name = key->object;
    p.s_access_key = key->access_key;
    p.i_time = now_s;
    p.s_signature = tars_str_n(signature, sizeof signature);
    tarsf_basic_auth_package_write_fields(body, &p);
    return true;
}

static bool same_secret(struct tars_str a, struct tars_str b)
{
    return a.len == b.len && CRYPTO_memcmp(a.at, b.at, a.len) == 0;
}

bool rpc_auth_check(const struct rpc_auth_key *key, struct tars_str body, int64_t now_s,
                    struct tars_error *error)
{
    struct tars_reader r;
    struct tarsf_basic_auth_package p;
    tars_reader_init(&r, body.at, body.len, NULL);
    if (!tarsf_basic_auth_package_read_fields(&r, &p))
        return tars_fail(error, AUTH_PROTO_ERR, "authentication: the packet cannot be read");
    if (!tars_str_equal(p.s_obj_name, key->object))
        return tars_fail(error, AUTH_WRONG_OBJ, "authentication: for another object");
    if (!same_secret(p.s_access_key, key->access_key))
        return tars_fail(error, AUTH_WRONG_AK, "authentication: unknown access key");
    if (p.i_time < now_s - RPC_AUTH_WINDOW_S || p.i_time > now_s + RPC_AUTH_WINDOW_S)
        return tars_fail(error, AUTH_WRONG_TIME, "authentication: the packet's time is off");
    if (!tars_str_is(p.s_hash_method, "sha1"))
        return tars_fail(error, AUTH_NOT_SUPPORT_ENC, "authentication: unknown hash method");
    uint8_t expected[RPC_AUTH_SIGNATURE];
    if (!rpc_auth_sign(key, p.i_time, expected) ||
        !same_secret(p.s_signature, tars_str_n(expected, sizeof expected)))
        return tars_fail(error, AUTH_ERROR, "authentication: the signature is wrong");
    return true;
}

bool rpc_auth_accepted(int32_t ret, struct tars_str body)
{
    return ret == 0 && tars_str_is(body, RPC_AUTH_SUCCESS);
}

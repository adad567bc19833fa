/* SPDX-License-Identifier: BSD-3-Clause */
#include "http/pin.h"

#include <openssl/err.h>
#include <string.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool pin_read(const char *text, unsigned char pin[PIN_SIZE])
{
    bool colons = text[0] && text[1] && text[2] == ':';
    for (size_t i = 0; i < PIN_SIZE; i++) {
        if (i && colons && *text++ != ':')
            return false;
        int high = digit(text[0]), low = high < 0 ? -1 : digit(text[1]);
        if (low < 0)
            return false;
        pin[i] = (unsigned char)(high << 4 | low);
        text += 2;
    }
    return !*text;
}

static X509 *find(X509_STORE_CTX *shown, const unsigned char pin[PIN_SIZE])
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(shown);
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *one = sk_X509_value(chain, i);
        if (X509_digest(one, EVP_sha256(), sum, &len) == 1 && len == PIN_SIZE &&
            memcmp(sum, pin, PIN_SIZE) == 0)
            return one;
    }
    return NULL;
}

/* The usual verification with that one certificate in place of all authorities. That it is shown
 * proves nothing: the server's own must be it, or be signed under it. */
static int verify(X509_STORE_CTX *shown, void *pin)
{
    X509 *one = find(shown, pin);
    STACK_OF(X509) *trusted = one ? sk_X509_new_null() : NULL;
    int ok = 0;
    if (!one) {
        X509_STORE_CTX_set_error(shown, PIN_NOT_SHOWN);
    } else if (!trusted || !sk_X509_push(trusted, one)) {
        X509_STORE_CTX_set_error(shown, X509_V_ERR_OUT_OF_MEM);
    } else {
        X509_STORE_CTX_set0_trusted_stack(shown, trusted);
        X509_STORE_CTX_set_flags(shown, X509_V_FLAG_PARTIAL_CHAIN); /* it need not be a root */
        ERR_set_mark(); /* the result says it better than what the library noted on its way */
        ok = X509_verify_cert(shown) == 1;
        ERR_pop_to_mark();
    }
    sk_X509_free(trusted);
    return ok;
}

void pin_use(SSL_CTX *ctx, const unsigned char pin[PIN_SIZE])
{
    SSL_CTX_set_cert_verify_callback(ctx, verify, (void *)pin);
}

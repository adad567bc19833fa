/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trust in one certificate, known by its SHA-256: that of the authority that signed a server, or
 * the server's own. It must be among those that the server shows; names and dates count as ever.
 */
#ifndef HTTP_PIN_H
#define HTTP_PIN_H

#include <openssl/ssl.h>
#include <stdbool.h>

enum { PIN_SIZE = 32 };

/* Reads 64 hexadecimal digits, with a colon between each two or without any; false when it is
 * something else. */
bool pin_read(const char *text, unsigned char pin[PIN_SIZE]);

/* From here on connections of `ctx` trust nothing but that certificate. `pin` must outlive it. */
void pin_use(SSL_CTX *ctx, const unsigned char pin[PIN_SIZE]);

/* X509's verify result of a server that did not show it. */
enum { PIN_NOT_SHOWN = X509_V_ERR_APPLICATION_VERIFICATION };

#endif
